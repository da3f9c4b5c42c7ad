# SPDX-License-Identifier: MIT
"""A benchmark runs, refuses what it doesn't know, and computes what it says from its samples.
usage: bench.py NAME PROGRAM"""
import csv
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

NAME, PROGRAM = sys.argv[1], os.path.abspath(sys.argv[2])
SHORT = ["--ms", "1", "--size", "small"]
QUICK = ["--rounds", "3", *SHORT]
# A row that has a peer, of each program.
ROWS = {"spawn": "64 at a time: pinion, lazy", "sync": "wake, unpinned: pinion, park",
        "topology": "load this machine: pinion", "fork": "tree: pinion, lazy",
        "wake": "burst of 32 parallel: pinion, lazy", "loop": "loop: pinion, lazy",
        "alloc": "there and back: pinion's slab",
        "switch": "switch: pinion", "fiber": "yield: pinion, loop",
        "asleep": "woken: pinion, loop",
        "timers": "arm and cancel, 1,000 armed: pinion",
        "trace": "tasks of 10 µs: traced",
        "read": "pipe: read of 64 bytes in a task, pinion"}
ROW = ROWS[NAME]


def run(*arguments, stdout=subprocess.PIPE):
    return subprocess.run([PROGRAM, *arguments], stdout=stdout, stderr=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL, check=False)


def succeed(*arguments):
    done = run(*arguments)
    assert done.returncode == 0, done
    return done


def near(a, b):
    """As near as the digits that are printed: three of a time, six of a ratio."""
    return abs(a - b) <= 0.001 + 1e-3 * abs(b)


def quartiles(samples):
    return statistics.quantiles(samples, n=4, method="inclusive")


def test_help_says_what_is_measured():
    for option in ["-h", "--help"]:
        done = succeed(option)
        assert done.stdout.startswith("Usage: bench-%s [OPTION...]\n" % NAME), done
        assert "--rounds N" in done.stdout and done.stderr == "", done


def test_wrong_usage_ends_with_2():
    for wrong in [["--banana"], ["operand"], ["--rounds"], ["--rounds", "0"], ["--rounds", "2x"],
                  ["--rounds", "-1"], ["--ms", ""], ["--filter"], ["--filter", "no row has this"],
                  ["--size"], ["--size", "huge"], ["--svg"]]:
        done = run(*wrong)
        assert done.returncode == 2 and done.stdout == "", done
        assert done.stderr.startswith("bench-%s: " % NAME), done


def test_a_filter_keeps_the_peers_of_a_row():
    names = succeed("--list").stdout.splitlines()
    assert ROW in names and len(names) == len(set(names)), names
    kept = succeed("--filter", ROW, "--list").stdout.splitlines()
    assert ROW in kept and 1 < len(kept) <= len(names), kept
    peer = next(name for name in kept if name != ROW)
    assert succeed("--filter", peer, "--list").stdout.splitlines() == [peer]


def test_figures_follow_from_the_samples():
    told = json.loads(succeed(*QUICK, "--json").stdout)
    assert told["schema"] == "pinion-bench-1" and told["bench"] == NAME, told
    assert told["rounds"] == 3 and told["round_ms"] == 1, told
    rows = {row["name"]: row for row in told["rows"]}
    assert list(rows) == succeed("--list").stdout.splitlines(), list(rows)
    for row in rows.values():
        low, median, high = quartiles(row["samples"])
        assert len(row["samples"]) == 3 and row["n"] >= 1 and min(row["samples"]) > 0, row
        assert near(row["median"], median), row
        assert near(row["mad"], statistics.median(abs(x - median) for x in row["samples"])), row
        assert near(row["quartile_low"], low) and near(row["quartile_high"], high), row
        for ratio in row["ratios"]:
            peer = rows[ratio["peer"]]
            assert near(ratio["of_medians"], row["median"] / peer["median"]), (ratio, row, peer)
            each = [a / b for a, b in zip(row["samples"], peer["samples"])]
            assert near(ratio["of_rounds"], statistics.median(each)), (ratio, row, peer)
    assert rows[ROW]["ratios"], rows[ROW]


def test_an_even_number_of_rounds_has_a_median_between():
    told = json.loads(succeed("--rounds", "2", *SHORT, "--filter", ROW, "--json").stdout)
    for row in told["rows"]:
        assert near(row["median"], statistics.mean(row["samples"])), row


def test_csv_has_a_line_for_each_peer():
    text = succeed(*QUICK, "--filter", ROW, "--csv").stdout
    lines = list(csv.reader(io.StringIO(text)))
    assert {len(line) for line in lines} == {12}, text
    assert lines[0][:3] == ["bench", "name", "unit"], text
    ours = [dict(zip(lines[0], line)) for line in lines if line[1] == ROW]
    assert ours and all(line["peer"] and float(line["of_rounds"]) > 0 for line in ours), text


def test_the_table_shows_rows_and_ratios():
    text = succeed(*QUICK, "--filter", ROW).stdout
    assert "\n" + ROW in text and " x (each round: " in text, text


def test_the_picture_has_a_bar_for_each_row_that_is_compared():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "picture.svg")
        told = json.loads(succeed(*QUICK, "--filter", ROW, "--json", "--svg", path).stdout)
        tree = xml.etree.ElementTree.parse(path)
    bars = [node for node in tree.iter() if node.get("class") in ("ours", "peer")
            and node.tag.endswith("rect")]
    assert len(bars) == len(told["rows"]), (len(bars), told)
    assert [bar.get("class") for bar in bars].count("ours") >= 1, bars


def test_a_full_disk_is_told():
    with open("/dev/full", "w", encoding="ascii") as full:
        done = run("--list", stdout=full)
    assert done.returncode == 1 and done.stderr, done
    done = run(*QUICK, "--filter", ROW, "--svg", "/dev/full")
    assert done.returncode == 1 and done.stderr, done


def test_nothing_is_left_behind():
    for arguments in [[*QUICK, "--filter", ROW], ["--list"], ["--filter", "no row has this"]]:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([PROGRAM, *arguments], cwd=folder, env={**os.environ, "TMPDIR": folder},
                           check=False, capture_output=True)
            assert os.listdir(folder) == [], (arguments, os.listdir(folder))


for test_name, test in list(globals().items()):
    if test_name.startswith("test_"):
        print(test_name, flush=True)
        test()
