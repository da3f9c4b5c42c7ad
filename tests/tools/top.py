# SPDX-License-Identifier: MIT
"""pinion top: as text, as JSON and on a terminal, over processes that stay, end, or are none."""
import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

from cli import PINION, TIMEOUT, environment, main, pinion, refuse, succeed

CROWD = sys.argv[2]
CPUS = 128
QUICK = ["--interval", "0.05"]


@contextlib.contextmanager
def watched(*arguments):
    with subprocess.Popen([CROWD, *map(str, arguments)], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, env=environment()) as process:
        assert process.stdout.readline() == b"ready\n"
        yield process
        process.stdin.close()
        process.wait(TIMEOUT)


def top(process, *arguments, **how):
    return succeed("top", *QUICK, *arguments, str(process.pid), **how)


def test_once_is_a_table_of_all_workers():
    with watched(5) as process:
        lines = top(process, "--once").out.splitlines()
    assert "crowd (%d)" % process.pid in lines[0], lines
    assert "cpu_count 5, parallel_count 0, capacity 4, threads 4" in lines[1], lines
    assert lines[2].split()[:4] == ["worker", "cpu", "node", "state"], lines
    assert [line.split()[0] for line in lines[3:8]] == ["caller", "0", "1", "2", "3"], lines
    assert "read" in lines[3] and all("parked" in line for line in lines[4:8]), lines


def test_a_loop_is_told_with_its_backend_and_what_is_in_flight():
    with watched(2, "loop") as process:
        text = top(process, "--once").out
        document = top(process, "--once", "--json").json()
    loop = document["crews"][1]
    assert loop["kind"] == "loop" and loop["backend"] in ("io_uring", "epoll"), loop
    caller = loop["workers"][0]
    assert (caller["name"], caller["fibers"], caller["state"]) == ("caller", 1, "parked"), caller
    assert caller["submitted"] == caller["completed"] + 1, caller
    wait = caller["longest_wait"]
    assert (wait["fiber"], wait["call"], wait["descriptor"]) == (1, "read", 0), wait
    assert "%s, fibers 1, in flight 1" % loop["backend"] in text, text


def test_lines_are_no_longer_than_asked_for():
    with watched(CPUS, "loop") as process:
        for columns in (16, 20, 40, 80, 132, 200):
            done = top(process, "--once", env=environment(COLUMNS=str(columns)))
            lines = done.out.splitlines()
            assert max(map(len, lines)) <= columns, done
            assert len(lines) > CPUS, done
            assert any(line.startswith("126 ") for line in lines), done
        assert "too narrow" in top(process, "--once", env=environment(COLUMNS="10")).out


def test_json_is_an_object_a_line():
    with watched(4) as process:
        lines = top(process, "--json", "--count", "3").out.splitlines()
    documents = [json.loads(line) for line in lines]
    assert len(documents) == 3, documents
    for before, after in zip(documents, documents[1:]):
        assert after["time_ns"] > before["time_ns"], documents
    for document in documents:
        assert document["schema"] == "pinion.top/1" and document["pid"] == process.pid, document
        assert document["elapsed_s"] > 0 and document["notes"] == [], document
        pool, = document["crews"]
        assert pool["capacity"] == pool["cpu_count"] - 1 + pool["parallel_count"], pool
        ran = sum(worker["tasks"] + worker["claimed"] for worker in pool["workers"])
        assert ran == pool["queued"] == 3, pool
        assert pool["workers"][0]["state"] == "in call", pool
        assert pool["workers"][0]["call"] in ("read", None), pool


def test_rows_come_in_the_order_asked_for():
    with watched(6) as process:
        for key, field in (("tasks", "tasks_per_s"), ("parks", "parks_per_s"),
                           ("queue", "queued_now"), ("delay", "delay"), ("since", "since_s"),
                           ("arena", "arena_bytes"), ("seat", None), ("steals", None)):
            workers = top(process, "--once", "--json", "--sort", key).json()["crews"][0]["workers"]
            assert len(workers) == 6, workers
            if field:
                values = [worker[field] for worker in workers]
                assert values == sorted(values, reverse=True), (key, values)
    refuse(2, ["--sort 'size'"], "top", "--sort", "size", "1")


def test_what_is_no_process_is_refused():
    refuse(2, ["name a process"], "top")
    for text in ("x", "-5", "0", "12x", "99999999999999999999", ""):
        done = pinion("top", "--", text)
        assert done.status == 2 and "process" in done.err, done
    refuse(1, ["no process 4194304"], "top", "4194304")
    refuse(1, ["no pool or loop"], "top", str(os.getpid()))
    for text in ("0", "-1", "x", "nan", "1s", "3601", ""):
        refuse(2, ["--interval"], "top", "--interval", text, "1")
    refuse(2, ["--count"], "top", "--count", "0", "1")


def test_another_users_process_is_refused():
    if os.geteuid() != 0:
        return
    with watched(2) as process:
        done = refuse(1, ["another user"], "top", "--once", str(process.pid),
                      preexec_fn=lambda: os.setuid(65534))
    assert done.status == 1, done


def test_the_end_of_the_process_is_the_end():
    with watched(2) as process:
        with subprocess.Popen([PINION, "top", "--json", *QUICK, str(process.pid)],
                              env=environment(), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as command:
            assert command.stdout.readline().startswith(b"{")
            process.kill()
            process.wait(TIMEOUT)
            rest, talk = command.communicate(timeout=TIMEOUT)
    for line in rest.splitlines():
        json.loads(line)
    assert command.returncode == 0, talk
    assert b"has ended" in talk, talk


def test_a_reader_who_leaves_is_no_failure():
    with watched(2) as process:
        for arguments in (["--json"], []):
            done = subprocess.run(
                ["bash", "-c", 'set -o pipefail; "$@" | head -n 1', "bash", PINION, "top", *QUICK,
                 *arguments, str(process.pid)],
                env=environment(), capture_output=True, timeout=TIMEOUT, check=False)
            assert done.returncode == 0 and not done.stderr, done


# ---- on a terminal ----

class Terminal:
    """The command on a terminal of its own, of so many columns and lines."""

    def __init__(self, process, columns, lines, *arguments, term="xterm"):
        self.shown = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            select.select([0], [], [])  # until its size is set
            os.read(0, 1)
            os.execve(PINION, [PINION, "top", *QUICK, *arguments, str(process.pid)],
                      environment(TERM=term))
        self.resize(columns, lines)
        self.before = termios.tcgetattr(self.fd)
        self.press("\n")

    def resize(self, columns, lines):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def press(self, keys):
        os.write(self.fd, keys.encode())

    def read(self):
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            data = b""
        self.shown += data
        return bool(data)

    def frame(self):
        """The lines of the last whole frame, without escapes."""
        frames = re.findall(rb"\x1b\[H(.*?)\x1b\[J", self.shown, re.DOTALL)
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", frames[-1].decode()) if frames else ""
        return re.split(r"\r*\n", text)

    def until(self, condition):
        """The first frame that comes and is as wanted."""
        deadline = time.monotonic() + TIMEOUT
        self.shown = b""
        while not condition(self.frame()):
            assert time.monotonic() < deadline and self.read(), self.shown[-5000:]
        return self.frame()

    def end(self):
        """Its status, and whether it left the terminal as it was."""
        while self.read():
            pass
        _, status = os.waitpid(self.pid, 0)
        assert b"\x1b[?25h\x1b[?1049l" in self.shown, self.shown[-5000:]
        return os.waitstatus_to_exitcode(status)


def is_drawn(frame):
    return len(frame) > 3


def test_a_screen_folds_what_does_not_fit():
    with watched(CPUS) as process:
        for columns, lines in ((80, 24), (200, 50), (20, 10)):
            terminal = Terminal(process, columns, lines)
            frame = terminal.until(is_drawn)
            assert len(frame) <= lines and max(map(len, frame)) <= columns, frame
            nodes = [line for line in frame if line.startswith("node ")]
            assert len(nodes) == 1 and "/%d" % CPUS in nodes[0], frame
            assert any(line.startswith("caller ") for line in frame), frame
            terminal.press("q")
            assert terminal.end() == 0


def test_keys_and_resizes_are_followed():
    with watched(CPUS) as process:
        terminal = Terminal(process, 80, 24)
        terminal.until(is_drawn)
        terminal.press("t")
        terminal.until(lambda frame: "by tasks" in frame[0])
        terminal.press("h")
        terminal.until(lambda frame: any("sort by" in line for line in frame))
        terminal.press("h")
        terminal.resize(40, 8)
        frame = terminal.until(lambda frame: 3 < len(frame) <= 8 and max(map(len, frame)) <= 40)
        assert frame, frame
        terminal.press("+")
        terminal.until(lambda frame: "every 100ms" in frame[0])
        terminal.press("q")
        assert terminal.end() == 0


def test_the_terminal_is_left_as_it_was():
    with watched(2) as process:
        for how in ("\x03", signal.SIGTERM, "end"):
            terminal = Terminal(process, 80, 24)
            terminal.until(is_drawn)
            now = termios.tcgetattr(terminal.fd)
            assert not now[3] & termios.ECHO and terminal.before[3] & termios.ECHO
            if how == "end":
                process.kill()
            elif isinstance(how, str):
                terminal.press(how)
            else:
                os.kill(terminal.pid, how)
            assert terminal.end() == (0 if how == "end" else 130)


def test_a_terminal_that_can_do_nothing_gets_text():
    with watched(2) as process:
        terminal = Terminal(process, 80, 24, "--count", "2", term="dumb")
        while terminal.read():
            pass
        _, status = os.waitpid(terminal.pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert b"\x1b" not in terminal.shown and terminal.shown.count(b"pinion top: ") == 2, (
            terminal.shown)


main(globals())
