# SPDX-License-Identifier: MIT
"""stdout and stderr as a terminal, a pipe that somebody leaves, a full disk, or closed."""
import os
import pty
import subprocess

from cli import PINION, TIMEOUT, environment, main, scratch, succeed

BIG_MACHINE = ["topo", "-i", "pack:8 numa:1 core:32 pu:2"]
OUTPUTS = [BIG_MACHINE, BIG_MACHINE + ["--json"], ["plan", "-i", "core:1000 pu:1"],
           ["plan", "--json", "-i", "core:1000 pu:1"], ["info"], ["--help"], ["-V"]]


def test_a_reader_who_leaves_is_no_failure():
    for arguments in OUTPUTS + [["demo", str(scratch())]]:
        process = subprocess.run(
            ["bash", "-c", 'set -o pipefail; "$@" | head -n 1', "bash", PINION, *arguments],
            env=environment(), capture_output=True, timeout=TIMEOUT, check=False)
        talk = [line for line in process.stderr.decode().splitlines()
                if "reading again" not in line]
        assert process.returncode == 0 and not talk, (arguments, process)


def test_a_closed_stdout_is_a_failure_that_is_told():
    for arguments in OUTPUTS + [["demo", "-q", str(scratch())]]:
        process = subprocess.run(["bash", "-c", '"$@" >&-', "bash", PINION, *arguments],
                                 env=environment(), capture_output=True, timeout=TIMEOUT,
                                 check=False)
        assert process.returncode == 1, (arguments, process)
        assert b"can't write to stdout" in process.stderr, (arguments, process)


def test_a_full_disk_is_a_failure_that_is_told():
    for arguments in OUTPUTS:
        with open("/dev/full", "wb") as full:
            process = subprocess.run([PINION, *arguments], env=environment(), stdout=full,
                                     stderr=subprocess.PIPE, timeout=TIMEOUT, check=False)
        assert process.returncode == 1, (arguments, process)
        assert b"No space left" in process.stderr or b"failed" in process.stderr, process


def test_everything_closed_does_no_harm():
    victim = scratch() / "file"
    victim.write_text("text", encoding="ascii")
    process = subprocess.run(["bash", "-c", '"$@" <&- >&- 2>&-', "bash", PINION, "demo",
                              str(victim.parent)], env=environment(), timeout=TIMEOUT, check=False)
    assert process.returncode == 1, process
    assert victim.read_text(encoding="ascii") == "text"


def on_terminal(*arguments, **variables):
    """What it shows where stdout and stderr are one terminal."""
    main_end, its_end = pty.openpty()
    with subprocess.Popen([PINION, *arguments], env=environment(**variables), stdout=its_end,
                          stderr=its_end, stdin=subprocess.DEVNULL) as process:
        os.close(its_end)
        shown = b""
        while True:
            try:
                data = os.read(main_end, 65536)
            except OSError:
                break
            if not data:
                break
            shown += data
        process.wait(TIMEOUT)
        os.close(main_end)
    assert process.returncode == 0, shown
    return shown


def test_colour_is_for_terminals_that_want_it():
    colour = b"\x1b["
    assert colour in on_terminal("plan", TERM="xterm")
    assert colour not in on_terminal("plan", TERM="xterm", NO_COLOR="1")
    assert colour in on_terminal("plan", TERM="xterm", NO_COLOR="")
    assert colour not in on_terminal("plan", TERM="dumb")
    assert "\x1b" not in succeed("plan", env=environment(TERM="xterm")).out


def test_progress_is_drawn_on_a_terminal_and_wiped():
    folder = scratch()
    (folder / "file").write_text("text", encoding="ascii")
    shown = on_terminal("demo", str(folder), TERM="xterm")
    assert b"by tasks " in shown.split(b"checksum")[0] and b" files " in shown, shown
    assert b"\r" + b" " * 70 + b"\r" in shown, shown
    shown = on_terminal("demo", "--quiet", str(folder), TERM="xterm")
    assert b"\r " not in shown, shown


main(globals())
