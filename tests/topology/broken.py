#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Files that are cut, damaged or made to lie: each is refused or loads, none crashes.

broken.py TOPOLOGY-SHOW MACHINES [SEED [COUNT]]. The same seed makes the same files."""
import os
import random
import re
import subprocess
import sys
import tempfile

show, machines = sys.argv[1:3]
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else 1
COUNT = int(sys.argv[4]) if len(sys.argv) > 4 else 250
FILES = ["16amd64-8n2c-cpusets.xml", "4fake-4gr1nu1pu.xml", "fakeheterocpunuma.xml",
         "16em64t-4s2c2t-offlines.xml"]
rng = random.Random(SEED)


def cut(text):
    return text[:rng.randrange(len(text))]


def damage(text):
    out = bytearray(text)
    for _ in range(rng.choice([1, 2, 5, 30])):
        out[rng.randrange(len(out))] = rng.choice(
            [rng.randrange(256), ord(rng.choice('0123456789abcdefx,"<>/ '))])
    return bytes(out)


def leave_out(text):
    at = rng.randrange(len(text))
    return text[:at] + text[at + rng.randrange(1, 80):]


def lie(text):
    """Other values for some attributes: the form stays good, what it says does not."""
    values = list(re.finditer(rb'"([^"]*)"', text))
    for found in sorted(rng.sample(values, rng.choice([1, 1, 2, 4])), key=lambda m: -m.start()):
        new = rng.choice([
            lambda: str(rng.choice([0, 1, 2, 7, 100, 4294967295, 2**63, -1])).encode(),
            lambda: rng.choice(values).group(1),
            lambda: b"",
            lambda: found.group(1)[:-1] + rng.choice([b"0", b"3", b"7", b"f"]),
            lambda: hex(rng.randrange(1 << rng.choice([4, 16, 32]))).encode(),
        ])()
        text = text[:found.start(1)] + new + text[found.end(1):]
    return text


def main():
    originals = [open(os.path.join(machines, name), "rb").read() for name in FILES]
    loaded = refused = 0
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "machine.xml")
        for number in range(COUNT):
            how = rng.choice([cut, damage, leave_out, lie, lie])
            with open(path, "wb") as file:
                file.write(how(rng.choice(originals)))
            # hwloc 2.9 itself leaks an object when it refuses some files.
            result = subprocess.run([show, rng.choice(["json", "text", "plans"]), path],
                                    env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"},
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            if result.returncode not in (0, 1) or b"Sanitizer" in result.stderr or \
                    b"runtime error" in result.stderr or not result.stdout:
                kept = os.path.join(tempfile.gettempdir(), f"pinion-broken-{SEED}-{number}.xml")
                os.replace(path, kept)
                print(f"{how.__name__}: exit {result.returncode}; the file is {kept}")
                print(result.stderr.decode(errors="replace")[-2000:])
                return 1
            loaded += result.returncode == 0
            refused += result.returncode == 1
    print(f"{loaded} loaded, {refused} refused")
    return 0


sys.exit(main())
