# SPDX-License-Identifier: MIT
"""The library has a static probe for each kind of event, and the scripts ask for no others.

usage: probes.py LIBRARY TRACE_H SCRIPTS"""
import re
import subprocess
import sys
from pathlib import Path

notes = subprocess.run(["readelf", "-n", "-W", sys.argv[1]], check=True, text=True,
                       stdout=subprocess.PIPE).stdout
probes = set(re.findall(r"Provider: pinion\n\s+Name: (\w+)", notes))
# What is written without a probe: it is of the rings, or not known before it has ended.
apart = {"none", "dropped", "named", "call"}
kinds = set(re.findall(r"PN_TRACE_([a-z_]+),", Path(sys.argv[2]).read_text(encoding="utf-8")))
assert probes == kinds - apart, probes ^ (kinds - apart)
scripts = sorted(Path(sys.argv[3]).glob("*.bt"))
assert len(scripts) == 2, scripts
for script in scripts:
    asked = set(re.findall(r"usdt:[^:]*:pinion:(\w+)", script.read_text(encoding="utf-8")))
    assert asked and asked <= probes, (script, asked - probes)
