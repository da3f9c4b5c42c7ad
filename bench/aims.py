#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What pinion aims at, beside what benchmarks found. usage: aims.py FOLDER

Reads FOLDER/NAME.json of the benchmarks that tools/bench runs, as --json writes them, and prints a
table in Markdown: of one run, medians and their ratio, and the median of each round's ratio. A row
whose peer was not there is left out, with a line that says so."""
import json
import statistics
import sys
from pathlib import Path

FOLDER = Path(sys.argv[1])

FORKING = ["a process a CPU"], ["rayon", "oneTBB", "libgomp", "libomp"]
CROSSBEAM = ["crossbeam", "crossbeam, a CPU each"]
CAPACITIES = [64, 256, 1024]
# Benchmark, subject, ours, peers (the best of them counts), the largest ratio that is aimed at;
# None: a floor, to know.
RATIOS = [
    ("fork", "fork, CPUS", "pinion, lazy", ["rayon"], 0.22),
    ("fork", "fork, CPUS", "pinion, lazy", ["a process a CPU"], None),
    ("fork", "fork, CPUS", "pinion, lazy", ["pinion, uncounted"], 1.02),
    ("fork", "fork, 1 thread", "pinion, lazy", ["pinion, uncounted"], 1.02),
    ("spawn", "many from outside", "pinion, lazy", ["pinion, uncounted"], 1.02),
    ("fork", "fork, 1 thread", "pinion, lazy", ["plain call"], 1.6),
    ("fork", "fork, CPUS", "pinion, eager", ["oneTBB"], 0.2),
    *[("fork", subject, "pinion, lazy", peers, aim)
      for subject in ["tree", "sort", "matrices", "queens"]
      for peers, aim in zip(FORKING, [1 / 0.95, 1])],
    ("spawn", "many from outside", "pinion, lazy", ["libgomp"], 1),
    ("spawn", "many from outside", "pinion, eager",
     ["oneTBB", "rayon", "tokio", "libuv's pool", "Go"], 0.7),
    ("wake", "round trip back to back", "pinion, poll", ["spinning mailbox"], 2.5),
    ("wake", "round trip back to back", "pinion, park", ["futex pair"], 1.15),
    ("wake", "round trip after 1 ms", "pinion, park", ["futex pair"], 1.15),
    ("wake", "fan-out of 64 x 10 µs", "pinion, lazy", ["split by hand"], 1 / 0.98),
    ("loop", "loop", "pinion, lazy", ["libgomp", "libomp"], 1),
    ("alloc", "there and back", "pinion's slab", ["mimalloc"], 0.8),
    ("alloc", "there and back", "pinion's slab", ["jemalloc"], 0.2),
    ("wake", "burst of 32 parallel", "pinion, lazy", ["pthread_create"], 0.25),
    ("switch", "switch", "pinion, bare", ["Boost.Context, jump"], 0.6),
    ("switch", "switch", "pinion", ["Boost.Context, jump"], None),
    ("fiber", "yield", "pinion, loop", ["Go", "tokio", "Boost.Fiber"], 0.25),
    ("fiber", "spawn and await", "pinion, loop", ["Go"], 0.5),
    ("fiber", "spawn 64, then await them", "pinion, loop", ["Go"], 0.5),
    *[("fiber", "queue on one thread, capacity %d" % capacity, "pinion, loop", ["Go"], 0.25)
      for capacity in CAPACITIES],
    *[("fiber", "queue on two threads, capacity %d" % capacity, ours, peers, aim)
      for capacity in CAPACITIES
      for ours, peers, aim in [("pinion, loop", CROSSBEAM, 1),
                               ("pinion, loop, by 16", CROSSBEAM, 0.3),
                               ("pinion, loop", ["spinning array"], None)]],
    *[("fiber", subject, "pinion, thread and loop", ["eventfd pair"], 1.2)
      for subject in ["wake and back", "wake and back after 1 ms"]],
    *[("timers", "arm and cancel, %s armed" % count, "pinion", ["clock_gettime"], 2.5)
      for count in ["1,000", "1,000,000"]],
    ("trace", "an event", "pinion", ["clock_gettime"], 1.3),
    ("trace", "tasks of 10 µs", "traced", ["not traced"], 1.05),
]
# Benchmark, how the figure's name begins, the least, the most.
FIGURES = [
    ("spawn", "many from outside, run by workers: pinion, lazy", 40, 100),
    ("spawn", "memory a queued task", 0, 128),
    ("spawn", "system calls of", 0, 0),
    ("asleep", "memory of one asleep: pinion, loop", 0, 10737),  # 10 GiB / 1,000,000
    ("asleep", "address space while all sleep: pinion, loop", 0, 65530),  # vm.max_map_count
]


def load(name):
    path = FOLDER / (name + ".json")
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def shown(ns):
    for unit in ["ns", "µs", "ms"]:
        if ns < 1000:
            return "%.3g %s" % (ns, unit)
        ns /= 1000
    return "%.3g s" % ns


def ratio_row(told, subject, ours, peers, aim):
    """A line of the table, or None where either is missing."""
    subject = subject.replace("CPUS", "%d thread%s" % (told["cpus"], "s"[:told["cpus"] != 1]))
    rows = {row["name"]: row for row in told["rows"]}
    row = rows.get("%s: %s" % (subject, ours))
    found = [(rows[name]["median"], peer, rows[name]) for peer in peers
             for name in ["%s: %s" % (subject, peer), peer] if name in rows]
    if not row or not found:
        return None
    median, peer, best = min(found, key=lambda entry: entry[0])
    ratio = row["median"] / median
    each = statistics.median(a / b for a, b in zip(row["samples"], best["samples"]))
    name = peer if len(peers) == 1 else "the best: " + peer
    verdict = "" if aim is None else "met" if ratio <= aim else "missed"
    return "| %s | %s: %s | %s: %s | %.3f (%.3f) | %s | %s |" % (
        subject, ours, shown(row["median"]), name, shown(median), ratio, each,
        "" if aim is None else "≤ %.3g" % aim, verdict)


def figure_row(told, start, least, most):
    for figure in told["figures"]:
        if figure["name"].startswith(start):
            value, unit = figure["value"], figure["unit"]
            aim = "≥ %g" % least if least else "≤ %g" % most
            is_met = (not least or least <= value) and value <= most
            return "| %s | %.1f %s | | | %s | %s |" % (
                figure["name"], value, unit, aim, "met" if is_met else "missed")
    return None


def main():
    told = {name: load(name) for name in sorted({aim[0] for aim in RATIOS + FIGURES})}
    print("| | pinion | beside | ratio (each round) | aim | |")
    print("|---|---|---|---|---|---|")
    left_out = []
    for make, aims in [(ratio_row, RATIOS), (figure_row, FIGURES)]:
        for name, *aim in aims:
            line = make(told[name], *aim) if told[name] else None
            if line:
                print(line)
            else:
                left_out.append("%s (bench-%s)" % (aim[0], name))
    if left_out:
        print("\nNot measured, or without its peer: %s." % "; ".join(left_out))


main()
