#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What pinion says of each machine against what hwloc's tools and lscpu say of it.

tools.py TOPOLOGY-SHOW MACHINES. Exits 77 where hwloc's tools are not installed."""
import glob
import json
import os
import re
import shutil
import subprocess
import sys

show, machines = sys.argv[1:3]
DESCRIPTIONS = [
    "pack:2 numa:4 l3:4 l2:4 core:1 pu:2",
    "pack:2 group:4 [numa] l2:14 core:1 pu:2",
    "pack:1 [numa] core:80 pu:1",
    "pack:1 [numa(memory=96GB)] group:4 [numa(memory=4GB)] l2:9 core:2 pu:4",
    "pack:2 [numa] [numa(memory=64GB)] core:4 pu:2",
    "pack:2 core:2 pu:2(indexes=core:pack)",
    "pu:1",
    "core:1024 pu:4",
]
failures = 0


def run(*command, env=None):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True, env=env).stdout


def expect(name, what, ours, theirs):
    global failures
    if ours != theirs:
        failures += 1
        print(f"{name}: {what}: pinion says {ours}, the tool {theirs}")


def numbers(text):
    return [int(n) for n in text.strip().split(",") if n]


def parse_list(text):
    cpus = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        cpus |= set(range(int(first), int(last or first) + 1))
    return cpus


def distances(text):
    """The first latency matrix between nodes that lstopo prints: {(from, to): distance} by logical
    indexes, which its rows and columns need not follow."""
    columns, matrix = None, {}
    for line in text.splitlines():
        words = line.split()
        if "latency matrix" in line and "NUMANode" in line:
            columns = []
        elif columns is None:
            continue
        elif words[:1] == ["index"]:
            columns = [int(n) for n in words[1:]]
        elif len(words) == len(columns) + 1 and all(n.isdigit() for n in words):
            for column, value in zip(columns, words[1:]):
                matrix[int(words[0]), column] = int(value)
        else:
            break
    return matrix


def check(name, source, ours):
    """source: arguments that make a tool of hwloc read the machine."""
    def count(kind):
        return int(run("hwloc-calc", *source, "--number-of", kind, "all") or 0)

    def inside(part):
        return set(numbers(run("hwloc-calc", *source, "--physical-output", "--intersect", "pu",
                               part)))

    cpus = {cpu["os_index"]: cpu for cpu in ours["cpus"]}
    expect(name, "cpus", len(cpus), count("pu"))
    expect(name, "cores", len(ours["cores"]), count("core") or len(cpus))
    expect(name, "cpu numbers", set(cpus), inside("all"))
    packages = count("package")
    expect(name, "packages", len(ours["packages"]), packages or 1)
    for core in ours["cores"] if count("core") else []:
        expect(name, f"core {core['index']}", parse_list(core["cpus"]),
               inside(f"core:{core['index']}"))

    console = run("lstopo-no-graphics", *source, "--of", "console", "-v", "--no-io")
    nodes = []
    for line in console.splitlines():
        found = re.match(r"^\s*NUMANode L#(\d+) \(P#(\d+)(?: local=(\d+)KB)?", line)
        if found:
            nodes.append([int(n or 0) for n in found.groups()])
    nodes.sort()
    expect(name, "nodes and their KiB", [(n["os_index"], n["memory_bytes"] // 1024)
                                         for n in ours["nodes"]], [(n[1], n[2]) for n in nodes])
    for node, (logical, _, _) in zip(ours["nodes"], nodes):
        expect(name, f"cpus near node {node['os_index']}", parse_list(node["cpus"]),
               inside(f"numa:{logical}"))
    matrix = distances(console)
    expect(name, "distances known", ours["distances"]["known"], bool(matrix))
    if matrix:
        rows = enumerate(ours["distances"]["matrix"])
        expect(name, "distances", {(i, j): n for i, row in rows for j, n in enumerate(row)}, matrix)

    for kind in ("L1d", "L2", "L3"):
        theirs = count(kind)
        expect(name, kind, sum(c["level"] == int(kind[1]) for c in ours["caches"]), theirs)


def check_inside(name, ours):
    """What must agree inside one document."""
    cpus = ours["cpus"]
    nodes = {node["os_index"]: node for node in ours["nodes"]}
    expect(name, "schema", ours["schema"], "pinion.topology/1")
    expect(name, "allowed", [c for c in ours["sets"]["allowed"]["cpus"]],
           sorted(c["os_index"] for c in cpus))
    for key, part in ours["sets"].items():
        if part:
            expect(name, key, parse_list(part["list"]), set(part["cpus"]))
    for cpu in cpus:
        if cpu["node"] is not None and cpu["node"] not in nodes:
            expect(name, "node of cpu", cpu["node"], sorted(nodes))
    for number, node in nodes.items():
        expect(name, "cpu_count of node", node["cpu_count"],
               sum(cpu["node"] == number for cpu in cpus))


def clean_environment(**more):
    return {**{k: v for k, v in os.environ.items() if not k.startswith("HWLOC_")}, **more}


def check_live():
    """The machine this runs on, against lscpu; the CPUs this process may use, that is."""
    ours = json.loads(run(show, "json", env=clean_environment()))
    check_inside("live", ours)
    expect("live", "affinity", {c["os_index"] for c in ours["cpus"]}, os.sched_getaffinity(0))
    rows = [line.split(",") for line in run("lscpu", "-p=cpu,core,socket,node").splitlines()
            if not line.startswith("#")]
    theirs = {int(r[0]): r for r in rows if int(r[0]) in os.sched_getaffinity(0)}
    for column, key in ((1, "core"), (2, "package")):
        by_them, by_us = {}, {}
        for cpu in ours["cpus"]:
            number = cpu["os_index"]
            by_us.setdefault(cpu[key], set()).add(number)
            by_them.setdefault(theirs[number][column], set()).add(number)
        expect("live", key, sorted(map(sorted, by_us.values())),
               sorted(map(sorted, by_them.values())))
    for cpu in ours["cpus"]:
        node = theirs[cpu["os_index"]][3]
        if cpu["node"] is not None and node:
            expect("live", f"node of cpu {cpu['os_index']}", cpu["node"], int(node))


def main():
    for tool in ("hwloc-calc", "lstopo-no-graphics", "lscpu"):
        if not shutil.which(tool):
            print(f"no {tool} here (hwloc-nox, util-linux)")
            return 77
    for path in sorted(glob.glob(machines + "/*.xml")):
        name = os.path.basename(path)
        ours = json.loads(run(show, "json", path))
        check_inside(name, ours)
        check(name, ["-i", path], ours)
        run(show, "text", path)
    for description in DESCRIPTIONS:
        ours = json.loads(run(show, "json", env=clean_environment(HWLOC_SYNTHETIC=description)))
        check_inside(description, ours)
        if len(ours["cpus"]) <= 512:
            check(description, ["-i", description], ours)
    check_live()
    return 1 if failures else 0


sys.exit(main())
