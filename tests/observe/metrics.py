# SPDX-License-Identifier: MIT
"""A parser that is not ours reads the metrics, and finds what the stats say.

usage: metrics.py PROGRAM
"""
import subprocess
import sys

# Where Debian's packages are, if this is another Python.
sys.path.append("/usr/lib/python3/dist-packages")
try:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families
except ImportError:
    print("skipped: there is no prometheus_client (python3-prometheus-client)")
    sys.exit(77)

done = subprocess.run([sys.argv[1]], capture_output=True, text=True, timeout=120, check=True)
stats = {name: int(value) for name, value in (line.split() for line in done.stderr.splitlines())}
families = {family.name: family for family in text_string_to_metric_families(done.stdout)}


def samples(family, suffix="", **labels):
    return [sample for sample in families[family].samples
            if sample.name == family + suffix and labels.items() <= sample.labels.items()]


def total(family, suffix, **labels):
    return sum(sample.value for sample in samples(family, suffix, **labels))


for name, family in families.items():
    assert name.startswith("pinion_") and family.documentation, family
    assert family.type in ("counter", "gauge", "histogram", "info"), family
    assert family.unit == next((unit for unit in ("bytes", "seconds") if name.endswith(unit)), "")
for name in ("queued", "claimed", "inlined", "parked", "injected"):
    assert families["pinion_" + name].type == "counter"
    got = total("pinion_" + name, "_total", kind="pool")
    assert got == stats[name], (name, got, stats[name])
assert [sample.value for sample in samples("pinion_cpus", kind="pool")] == [3]
assert [sample.value for sample in samples("pinion_cpus", kind="loop")] == [1]
assert total("pinion_fibers_started", "_total") > 0

for name in ("pinion_task_wait_seconds", "pinion_task_run_seconds"):
    assert families[name].type == "histogram"
    assert total(name, "_count", kind="pool") == stats["timed"], (name, stats)
    assert 0 < total(name, "_sum", kind="pool") < 3600 * stats["timed"]
    for kind in ("pool", "loop"):
        ends = [sample.labels["le"] for sample in samples(name, "_bucket", kind=kind)]
        assert ends[0] == "0.000000064" and ends[-2:] == ["68.719476736", "+Inf"], ends
        ends = [float(end) for end in ends[:-1]]
        assert all(a < b <= a * 1.25 for a, b in zip(ends, ends[1:])), ends
print("%d families, %d tasks timed" % (len(families), stats["timed"]))
