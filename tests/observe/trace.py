# SPDX-License-Identifier: MIT
"""What is in a trace's file, by a reader that isn't ours, and what pinion trace makes of it.

usage: trace.py PINION TRACED [PROGRAM...]: a program whose trace is known, and others whose traces
must hold together."""
import collections
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tools"))
# pylint: disable=wrong-import-position
from cli import TIMEOUT, environment, main, pinion, refuse, scratch, succeed  # noqa: E402
from perfetto import BEGIN, COUNTER, Trace  # noqa: E402

TRACED, OTHERS = sys.argv[2], sys.argv[3:]
STATES = ["run", "wait", "call", "search", "sleep", "other"]


def known():
    """The known program's file, and what it says that it did."""
    if not hasattr(known, "path"):
        known.path = scratch() / "known"
        done = subprocess.run([TRACED, str(known.path)], check=True, timeout=TIMEOUT, text=True,
                              stdout=subprocess.PIPE, env=environment())
        known.told = {name: int(value) for name, value in
                      (line.split() for line in done.stdout.splitlines())}
        known.trace = Trace(known.path)
    return known


def named(trace, name):
    return [span for span in trace.spans() if span[2] == name]


# ---- the file ----

def test_spans_are_nested_and_within_the_run():
    told, trace = known().told, known().trace
    assert told["dropped"] == 0
    for track, _, name, category, begin, end in trace.spans():
        assert track in trace.threads() and name and category
        assert told["begin"] <= begin <= end <= told["end"]


def test_each_task_is_a_span():
    told, trace = known().told, known().trace
    assert len(named(trace, "leaf")) == told["leaves"]
    assert len(named(trace, "tree")) == told["tree"]
    assert len(named(trace, "reader")) == 1
    assert len(named(trace, "traced_raw")) in (0, 1)  # dladdr sees exported functions only


def test_a_name_that_a_task_gives_itself_is_cut_and_made_utf8():
    told, trace = known().told, known().trace
    name = "named ä? by itself, and at some length, "
    for i in range(told["parallel"]):
        assert len(named(trace, name + str(i))) == 1


def test_flows_go_from_spawn_to_run_to_await():
    told, trace = known().told, known().trace
    ways = collections.Counter(
        tuple("run" if event.type == BEGIN else event.name for event in flow)
        for flow in trace.flows() if flow[0].name == "queued")
    tasks = told["leaves"] + told["tree"] + told["parallel"] + 2  # and the raw one, the reader
    assert ways.pop(("queued", "run", "awaited")) == tasks + told["fibers"], ways
    assert ways == {("queued", "run"): 1}, "the one that nobody awaits"


def test_a_fiber_is_a_span_each_time_that_it_runs():
    told, trace = known().told, known().trace
    spans = named(trace, "sleeper")
    assert len(spans) >= told["fibers"] * 4  # three sleeps
    for track, _, _, _, begin, end in spans:
        inside = [span for span in trace.spans()
                  if span[0] == track and span[3] == "sleep" and begin < span[4] < end]
        assert not inside, "its worker slept while it ran"


def test_a_wait_in_a_system_call_is_a_span_in_its_task():
    trace = known().trace
    track, _, _, _, begin, end = named(trace, "reader")[0]
    calls = [span for span in named(trace, "read") if span[0] == track]
    assert len(calls) == 1 and calls[0][3] == "call"
    assert begin <= calls[0][4] <= calls[0][5] <= end


def test_counters_are_tracks():
    trace = known().trace
    counters = collections.defaultdict(list)
    for event in trace.events:
        if event.type == COUNTER:
            assert trace.tracks[event.track].HasField("counter")
            counters[trace.tracks[event.track].name].append(event.value)
    pool = next(values for name, values in counters.items()
                if name.startswith("capacity of pool"))
    assert set(pool) >= {2, 3}, "cpu_count 3: two, and one more while a parallel task runs"
    assert max(counters["queue length"]) > 1


def test_workers_and_the_caller_have_their_names():
    trace = known().trace
    names = {trace.tracks[track].thread.thread_name for track in trace.threads()}
    assert {"traced", "pinion/0"} <= names and "pinion/r0" in names, names


def test_wakes_are_instants_that_end_where_one_is_woken():
    ends = collections.Counter(flow[-1].name for flow in known().trace.flows()
                               if flow[0].name == "wake" and len(flow) > 1)
    assert ends["woken"] >= 1 and ends["main task"] >= 1, ends


# ---- the sums ----

def check_sums(path):
    """Those of our own reader, against the other's. Returns both."""
    trace, told = Trace(path), succeed("trace", "summarize", "--json", str(path)).json()
    assert told["schema"] == "pinion.trace/1" and not told["cut"]
    times = [event.ns for event in trace.events if event.type != COUNTER]
    assert told["ns"] == max(times) - min(times)
    spans = trace.spans()
    for thread in told["threads"]:
        assert sum(thread["states_ns"].values()) == thread["ns"], thread
        track = next(uuid for uuid in trace.threads()
                     if trace.tracks[uuid].thread.tid == thread["tid"])
        outermost = sum(end - begin for of, depth, _, _, begin, end in spans
                        if of == track and depth == 0)
        assert thread["ns"] - thread["states_ns"]["other"] == outermost, thread
    counts = collections.Counter(span[2] for span in spans if span[3] == "task")
    assert {task["name"]: task["spans"] for task in told["tasks"]} == dict(counts)
    runs = sum(task["ns"] for task in told["tasks"])
    assert runs == sum(thread["states_ns"]["run"] for thread in told["threads"])
    steals = sum(event.category == "steal" for event in trace.events)
    assert sum(steal["tasks"] for steal in told["steals"]) == steals
    return trace, told


def test_the_sums_are_those_of_the_spans():
    trace, told = check_sums(known().path)
    longest = max(end - begin for _, _, _, category, begin, end in trace.spans()
                  if category == "task")
    assert told["longest"][0]["ns"] == longest
    queued = [flow for flow in trace.flows() if flow[0].name == "queued" and len(flow) > 1]
    assert told["queued"]["count"] == len(queued)
    assert told["queued"]["longest_ns"] == max(flow[1].ns - flow[0].ns for flow in queued)
    assert told["wake_fibers"]["count"] > 0 and told["wake_threads"]["count"] > 0


def test_the_text_has_all_parts():
    text = succeed("trace", "summarize", str(known().path)).out
    for word in ["Time by state", "Tasks", "Longest spans", "Steals", "From a wake", "leaf",
                 "From queueing a task", "pinion/0", *STATES]:
        assert word in text, text
    assert "lost" not in text


def test_the_picture_is_one():
    picture = scratch() / "p.svg"
    succeed("trace", "summarize", "--svg", str(picture), str(known().path))
    root = xml.etree.ElementTree.parse(picture).getroot()
    rectangles = [element for element in root.iter() if element.tag.endswith("rect")]
    words = "".join(root.itertext())
    assert len(rectangles) > 20 and "pinion/0" in words and "leaf" in words
    assert not picture.with_name("p.svg.part").exists()
    refuse(1, ["can't write"], "trace", "summarize", "--svg", "/nowhere/x", str(known().path))


# ---- files that are none ----

def test_a_file_that_was_cut_is_read_as_far_as_it_goes():
    whole, cut = known().path.read_bytes(), scratch() / "cut"
    full = succeed("trace", "summarize", "--json", str(known().path)).json()["events"]
    seen = set()
    for size in [len(whole) * i // 16 for i in range(8, 16)] + [len(whole) - 1]:
        cut.write_bytes(whole[:size])
        done = pinion("trace", "summarize", "--json", str(cut))
        assert done.status == 0, done
        told = done.json()
        assert 0 < told["events"] < full
        if told["cut"]:
            assert "was cut" in done.err and done.err.count("\n") == 1, done
            assert pinion("trace", "summarize", "--strict", str(cut)).status == 3
        seen.add(told["cut"])
    assert True in seen


def test_what_is_no_trace_is_refused():
    wrong = scratch() / "wrong"
    for content in [b"", b"\n", b"\x0a", b"#!/bin/sh\n" * 100, b"\xff" * 1000, bytes(5000)]:
        wrong.write_bytes(content)
        refuse(1, ["no trace"], "trace", "summarize", str(wrong))
    refuse(1, ["No such file"], "trace", "summarize", str(scratch() / "nothing"))
    refuse(1, ["directory"], "trace", "summarize", str(scratch()))


def test_bytes_that_were_changed_do_no_harm():
    whole, changed = known().path.read_bytes(), scratch() / "changed"
    for seed in range(40):
        content = bytearray(whole[:20000])
        for i in range(60):
            at = (seed * 7919 + i * 104729) % len(content)
            content[at] = (content[at] * 31 + seed + i) % 256
        changed.write_bytes(content)
        done = pinion("trace", "summarize", str(changed))
        assert done.status in (0, 1), done
        assert "Sanitizer" not in done.err and "runtime error" not in done.err, done


def test_wrong_usage_is_told():
    refuse(2, ["summarize FILE"], "trace")
    refuse(2, ["not 'banana'"], "trace", "banana", "x")
    refuse(2, ["one file"], "trace", "summarize")
    refuse(2, ["one file"], "trace", "summarize", "a", "b")
    refuse(2, ["a file and a command"], "trace", "record", "x")
    refuse(2, ["no options"], "trace", "record", "--json", "x", "--", "true")
    refuse(127, ["can't run"], "trace", "record", "x", "--", "/nowhere/at/all")
    refuse(126, ["can't run"], "trace", "record", "x", "--", str(scratch()))


def test_a_reader_who_leaves_is_no_failure():
    for more in [[], ["--json"]]:
        process = subprocess.run(
            ["bash", "-c", 'set -o pipefail; "$@" | head -n 1', "bash", sys.argv[1], "trace",
             "summarize", *more, str(known().path)],
            env=environment(), capture_output=True, timeout=TIMEOUT, check=False)
        assert process.returncode == 0 and not process.stderr, process


# ---- PINION_TRACE, and programs at work ----

def test_the_demo_can_be_recorded():
    for more in [[], ["--loop"]]:
        path = scratch() / "demo"
        began = time.monotonic_ns()
        done = pinion("trace", "record", str(path), "--", sys.argv[1], "demo", "-q",
                      *more, str(Path(__file__).parent.parent))
        assert done.status == 0, done
        trace, told = check_sums(path)
        assert told["ns"] <= time.monotonic_ns() - began
        assert named(trace, "walk_directory"), "the tasks' name"


def test_percent_p_is_the_process():
    folder = scratch()
    process = subprocess.Popen([sys.argv[1], "demo", "-q", str(Path(__file__).parent)],
                               stdout=subprocess.DEVNULL,
                               env=environment(PINION_TRACE=str(folder / "%%-%p")))
    assert process.wait(TIMEOUT) == 0
    assert (folder / ("%%-%d" % process.pid)).exists()


def test_what_the_environment_names_wrongly_is_refused():
    for wrong, words in [("/nowhere/at/all", "No such file"), ("/dev/null", "no file"),
                         ("x%", "after it come p"), ("%q", "after it come p"),
                         ("x" * 300, "too long")]:
        refuse(1, ["PINION_TRACE", words], "demo", "-q", env=environment(PINION_TRACE=wrong))


def test_a_server_at_work_has_a_trace():
    if len(OTHERS) < 2:
        return
    path, server = scratch() / "server", scratch() / "socket"
    process = subprocess.Popen([OTHERS[0], "unix:" + str(server)], stdout=subprocess.DEVNULL,
                               env=environment(PINION_TRACE=str(path)))
    try:
        until = time.monotonic() + TIMEOUT
        while not server.exists() and time.monotonic() < until:
            time.sleep(0.01)
        for _ in range(5):
            done = subprocess.run([OTHERS[1], "unix:" + str(server)], check=True, timeout=TIMEOUT,
                                  input=b"x" * 100000, stdout=subprocess.PIPE, env=environment())
            assert len(done.stdout) == 100000
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT) == 0
    trace, _ = check_sums(path)
    assert named(trace, "accept_all")


def test_a_benchmark_has_a_trace():
    if len(OTHERS) < 3:
        return
    path = scratch() / "bench"
    subprocess.run([OTHERS[2], "--ms", "1", "--rounds", "2", "--size", "small"], check=True,
                   timeout=TIMEOUT, stdout=subprocess.DEVNULL,
                   env=environment(PINION_TRACE=str(path) + "-%p"))
    files = list(path.parent.iterdir())
    assert files and not any(file.name.endswith(".part") for file in files), files
    for file in files:
        check_sums(file)


def test_a_process_that_was_killed_leaves_what_it_had():
    path = scratch() / "killed"
    process = subprocess.Popen([sys.argv[1], "demo", "-q", "/usr"], stdout=subprocess.DEVNULL,
                               env=environment(PINION_TRACE=str(path)))
    part = path.with_name("killed.part")
    until = time.monotonic() + TIMEOUT
    while time.monotonic() < until and not (part.exists() and part.stat().st_size > 10000):
        time.sleep(0.01)
    process.kill()
    process.wait(TIMEOUT)
    assert not path.exists()
    if part.exists() and process.returncode != 0:
        assert pinion("trace", "summarize", str(part)).status == 0


if __name__ == "__main__":
    os.environ.pop("PINION_TRACE", None)
    main(globals())
