# SPDX-License-Identifier: MIT
"""What gdb shows of a pool's workers, tasks and queues, while it lives and from a core file.

usage: gdb.py SCRIPT PROGRAM
"""
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from debugger import between, gdb, skip, skip_unless_it_works  # noqa: E402

SCRIPT, PROGRAM = sys.argv[1:]

# What the script has from headers, and where that stands there.
NUMBERS = [("RESERVE_FIRST = %s ", "crew/crew.h", r"RESERVE_FIRST +(\d+)u"),
           ("LANE_RING = %s ", "sched/lane.h", r"LANE_RING (\d+)"),
           ("PHASE = %s ", "io/task.h", r"TASK_PHASE +\(\(uintptr_t\)(\d)\)")]
LISTS = [("STATES = (.*?)  #", "sched/counters.h", r"enum \{ (PN_STATE_.*?) \}", "PN_STATE_"),
         ("KINDS = (.*?)  #", "io/task.h", r"enum pn_task_kind \{(.*?)/\*", "PN_")]


def check_numbers():
    with open(SCRIPT, encoding="utf-8") as file:
        script = file.read()
    for mine, name, pattern in NUMBERS:
        found = re.findall(pattern, header(name))
        assert len(found) == 1 and mine % found[0] in script, (mine, found)
    for mine, name, pattern, prefix in LISTS:
        words = re.findall(r"\w+", re.search(pattern, header(name), re.DOTALL).group(1))
        assert re.findall(r"\w+", re.search(mine, script).group(1)) == [
            word[len(prefix):].lower() for word in words], words


def header(name):
    path = os.path.join(os.path.dirname(SCRIPT), "../../src", name)
    with open(path, encoding="utf-8") as file:
        return file.read()


COMMANDS = ("echo <workers>\\n", "pinion workers", "echo <tasks>\\n", "pinion tasks",
            "echo <frames>\\n", "pinion tasks -bt", "echo <threads>\\n", "pinion workers -bt",
            "echo <queues>\\n", "pinion queues", "echo <jobs>\\n", "pinion queues 'main'::jobs",
            "pinion queues &'main'::jobs.queue", "pinion queues 1", "echo <end>\\n")


def check(text):
    workers = between(text, "<workers>", "<tasks>")
    assert re.search(r"pool 1: 2 CPUs, 2 threads of its own, 1 reservations\n", workers), workers
    assert re.search(r"  caller +thread 1 +running +2 queued\n", workers), workers
    assert re.search(r"  pinion/0 +thread \d +running +0 queued\n", workers), workers
    assert re.search(r"  pinion/r0 +thread \d +running +0 queued\n", workers), workers
    tasks = between(text, "<tasks>", "<frames>")
    assert re.search(r"0x\w+  async +runs in thread \d, pinion/0 +held\n", tasks), tasks
    assert re.search(r"0x\w+  parallel +runs in thread \d, pinion/r0 +beside\n", tasks), tasks
    queued = re.findall(r"0x\w+  (\w+) +queued: pool 1, ([\w ]+?) +(\w+)\n", tasks)
    assert queued[:2] == [("async", "caller", "thread_id")] * 2, queued
    assert len(queued) == 5 and all(one[0] == "detached" and one[1].startswith("lane") and
                                    one[2] == "count_up" for one in queued[2:]), queued
    assert "\n2 begun, 5 queued\n" in tasks, tasks
    frames = between(text, "<frames>", "<threads>")
    assert len(re.findall(r"#\d+ .*hold_up \(gate=", frames)) == 2, frames
    threads = between(text, "<threads>", "<queues>")
    assert "all_is_set (count=3)" in threads and threads.count("hold_up") == 2, threads
    queues = between(text, "<queues>", "<jobs>")
    assert re.search(r"  caller +2 tasks, 0 tombstones\n", queues), queues
    assert re.search(r"  lane[\w ]* +3 tasks, 0 tombstones\n", queues), queues
    jobs = between(text, "<jobs>", "<end>")
    assert len(re.findall(r"0x\w+  3 of 8 items of 4 bytes\n", jobs)) == 2, jobs
    assert "that is no struct pinion_queue" in text, text


def main():
    check_numbers()
    skip_unless_it_works(SCRIPT)
    with tempfile.TemporaryDirectory() as folder:
        core = folder + "/core"
        live = gdb(SCRIPT, "break all_is_set", "run", "frame 1", *COMMANDS, "pinion gcore " + core,
                   "continue", program=(PROGRAM,))
        if "Breakpoint 1, " not in live:
            skip("gdb can't run a program here: " + live[-400:])
        check(live)
        assert "exited normally" in live, live
        check(gdb(SCRIPT, *COMMANDS, program=(PROGRAM, core)))


main()
