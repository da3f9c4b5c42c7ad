# SPDX-License-Identifier: MIT
"""Help, versions, and what is refused: with the right status, on the right stream."""
import os

from cli import environment, main, pinion, refuse, scratch, succeed

VERBS = ["topo", "plan", "info", "demo", "top"]


def test_help_goes_to_stdout():
    for arguments in [["--help"], ["-h"]] + [[verb, "--help"] for verb in VERBS]:
        done = succeed(*arguments)
        assert done.out.startswith("Usage: pinion") and done.err == "", done
        for line in done.out.splitlines():
            assert len(line) <= 80, "over 80 columns: " + line


def test_the_overview_names_every_verb():
    text = succeed("--help").out
    for verb in VERBS:
        assert "\n  %s " % verb in text, text


def test_help_wins_over_what_comes_later():
    assert succeed("plan", "--help", "--banana").out.startswith("Usage: pinion plan")


def test_version_names_what_it_was_built_with():
    for arguments in [["--version"], ["-V"]] + [[verb, "-V"] for verb in VERBS]:
        done = succeed(*arguments)
        assert done.out.startswith("pinion 0.") and "\nhwloc " in done.out, done
        assert "\njemalloc " in done.out or "\nallocator mmap" in done.out, done


def test_no_verb_is_usage():
    done = pinion()
    assert done.status == 2 and done.out == "" and "Usage: pinion VERB" in done.err, done


def test_unknown_verb():
    refuse(2, ["banana", "topo", "demo"], "banana")
    refuse(2, ["--banana"], "--banana")


def test_unknown_option():
    for verb in VERBS:
        refuse(2, ["'--banana'", "pinion %s --help" % verb], verb, "--banana")
        refuse(2, ["'-Z'"], verb, "-Z")


def test_option_of_another_verb():
    refuse(2, ["'--eager'"], "topo", "--eager")


def test_missing_and_superfluous_arguments():
    refuse(2, ["--cpus", "wants an argument"], "topo", "--cpus")
    refuse(2, ["-c", "wants an argument"], "topo", "-c")
    refuse(2, ["--json=1", "takes no argument"], "topo", "--json=1")
    refuse(2, ["'surplus'"], "topo", "surplus")
    refuse(2, ["'b'"], "demo", "/etc", "b")


def test_numbers():
    for text in ["", "banana", "-1", "3x", "0x10", " 3", "5000000", "99999999999999999999"]:
        refuse(2, ["--workers '%s'" % text, "number from 0 to"], "plan", "--workers", text)
    refuse(2, ["--cpu-count '0'", "from 1 to"], "plan", "--cpu-count", "0")
    refuse(2, ["--workers 3", "--cpu-count 4"], "plan", "--workers", "3", "--cpu-count", "2")


def test_backends():
    refuse(2, ["--backend 'banana'", "auto, io_uring or epoll"], "demo", "--loop", "-b", "banana")
    refuse(2, ["--loop"], "demo", "--backend", "epoll")
    refuse(2, ["--eager", "loop"], "demo", "--eager", "--loop")
    refuse(2, ["'--loop'"], "plan", "--loop")


def test_placements_and_slices():
    refuse(2, ["banana", "compact"], "plan", "--place", "banana")
    for text in ["3/2", "2/2", "1", "a/b", "-1/2", "0/0", ""]:
        refuse(2, ["--slice '%s'" % text], "plan", "--slice", text)


def test_cpus_that_are_not_there():
    refuse(1, ["--cpus 4095", "4095"], "topo", "--cpus", "4095")
    for text in ["banana", "", "0-", "-3", "1,,2", "0-3:", "0 1", "1,"]:
        refuse(2, ["--cpus '%s'" % text, "0-3,8"], "plan", "--cpus", text)
    refuse(1, ["--cpus 3-1"], "plan", "--cpus", "3-1")
    refuse(1, ["--cpus 4095"], "demo", "--cpus", "4095")
    refuse(1, ["9"], "topo", "-i", "core:2 pu:1", "--cpus", "9")


def test_variables_that_do_not_parse():
    for verb in ["topo", "plan", "demo"]:
        refuse(1, ["PINION_CPUS", "banana"], verb, env=environment(PINION_CPUS="banana"))
    for verb in ["plan", "demo"]:
        refuse(1, ["PINION_PLACE", "banana"], verb, env=environment(PINION_PLACE="banana"))
        refuse(1, ["PINION_SLICE", "3/2"], verb, env=environment(PINION_SLICE="3/2"))
    refuse(1, ["loop", "PINION_BACKEND", "banana"], "demo", "--loop",
           env=environment(PINION_BACKEND="banana"))


def test_an_option_wins_over_its_variable():
    cpu = str(min(os.sched_getaffinity(0)))
    succeed("topo", "--cpus", cpu, env=environment(PINION_CPUS="banana"))
    succeed("topo", "-i", "core:2 pu:1", env=environment(PINION_CPUS="banana"))


def test_machines_that_are_none():
    folder = scratch()
    broken = folder / "broken.xml"
    broken.write_text("<topology><object", encoding="ascii")
    refuse(1, [str(broken)], "topo", "--input", str(broken))
    refuse(1, ["missing.xml"], "topo", "--input", str(folder / "missing.xml"))
    refuse(1, ["pakc:2"], "topo", "--input", "pakc:2 core:2 pu:1")
    refuse(1, [str(folder)], "plan", "--input", str(folder))


def test_paths_that_are_none():
    folder = scratch()
    (folder / "file").touch()
    refuse(1, ["/absent", "No such file"], "demo", str(folder / "absent"))
    refuse(1, ["/file", "Not a directory"], "demo", str(folder / "file"))


main(globals())
