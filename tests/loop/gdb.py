# SPDX-License-Identifier: MIT
"""What gdb shows of a program's fibers, while it lives and from a core file.

usage: gdb.py SCRIPT PROGRAM
"""
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from debugger import between, gdb, skip, skip_unless_it_works  # noqa: E402

SCRIPT, PROGRAM = sys.argv[1:]

# The task's function, the call that it waits in, what has called that.
PARKED = [("sleeper", "pinion_sleep", "sleep_in_a_bed"),
          ("reader", "pinion_read", "read_at_a_pipe"),
          ("waiter", "pinion_event_wait", "wait_for_an_event")]


# What the script has from headers, and where that stands there.
NUMBERS = [("ALIVE = %s ", "fiber.h", r"ALIVE UINT64_C\((\w+)\)"),
           ("CLASS_MIN = %s * 1024", "stack.h", r"CLASS_MIN \(\(size_t\)(\d+) \* 1024\)"),
           ("ALIGNMENT_MASK = %s ", "fiber.h", r"~\(uintptr_t\)(\d+)\)"),
           ('"bytes": %s,', "switch.h", r"PN_SWITCH_BYTES +(\d+)"),
           ('"pc": %s,', "switch.h", r"PN_SWITCH_RETURN +(\d+)")]


def check_numbers():
    with open(SCRIPT, encoding="utf-8") as file:
        script = file.read()
    for mine, name, pattern in NUMBERS:
        path = os.path.join(os.path.dirname(SCRIPT), "../../src/loop", name)
        with open(path, encoding="utf-8") as file:
            found = re.findall(pattern, file.read())
        assert len(found) == 1 and mine % found[0] in script, (mine, found)


def check_list(text):
    """What 'pinion fibers' says."""
    assert "\n4 fibers\n" in text, text
    assert re.search(r"caller +running in thread 1 +main_task\n", text), text
    for task, call, _ in PARKED:
        assert re.search(r"caller +waiting in %s +%s\n" % (call, task), text), (task, text)


def check_backtraces(text):
    """What 'pinion bt all' says: each fiber's frames are its own, and go down to its beginning."""
    fibers = re.split(r"(?m)^\d+ +0x", text)[1:]
    assert len(fibers) == 4, text
    for task, call, caller in PARKED:
        mine = [one for one in fibers if one.splitlines()[0].endswith(" " + task)]
        assert len(mine) == 1, text
        frames = re.findall(r"(?m)^#\d+ +(?:0x\w+ in )?(\w+) \(", mine[0])
        assert frames.index(call) + 1 == frames.index(caller), frames
        assert frames.index(caller) < frames.index(task) < frames.index("pn_task_run"), frames
        assert frames[-1] == "pn_switch_begin", frames
        assert not any(other in frames for _, _, other in PARKED if other != caller), frames
    waiting = [one for one in fibers if "wait_for_an_event" in one][0]
    assert all("depth=%d)" % depth in waiting for depth in range(4)), waiting
    running = [one for one in fibers if "running in thread" in one][0]
    assert "all_are_parked (count=3)" in running and "play" in running, running


def main():
    check_numbers()
    skip_unless_it_works(SCRIPT)
    with tempfile.TemporaryDirectory() as folder:
        core = folder + "/core"
        live = gdb(SCRIPT, "break all_are_parked", "run", "echo <list>\\n", "pinion fibers",
                   "echo <all>\\n", "pinion bt all", "echo <selected>\\n", "pinion fiber 2", "bt",
                   "echo <again>\\n", "pinion fiber", "bt 1", "echo <saved>\\n",
                   "pinion gcore " + core, "continue", program=(PROGRAM,))
        if "Breakpoint 1, " not in live:
            skip("gdb can't run a program here: " + live[-400:])
        check_list(between(live, "<list>", "<all>"))
        check_backtraces(between(live, "<all>", "<selected>"))
        selected = between(live, "<selected>", "<again>")
        assert "pn_switch_begin" in selected and any(one[2] in selected for one in PARKED), selected
        again = between(live, "<again>", "<saved>")
        assert "#0  all_are_parked (count=3)" in again and "pn_switch" not in again, again
        assert "exited normally" in live, live
        dead = gdb(SCRIPT, "echo <list>\\n", "pinion fibers", "echo <all>\\n", "pinion bt all",
                   "echo <end>\\n", program=(PROGRAM, core))
        check_list(between(dead, "<list>", "<all>"))
        check_backtraces(between(dead, "<all>", "<end>"))


main()
