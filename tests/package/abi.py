# SPDX-License-Identifier: MIT
"""The exported functions are the same in the headers, in the symbol map and in the built library.

usage: abi.py SOURCE_ROOT SHARED_LIBRARY
"""
import re
import subprocess
import sys
from pathlib import Path

root, library = Path(sys.argv[1]), sys.argv[2]


def declared():
    names = set()
    for header in (root / "include/pinion").glob("*.h"):
        text = re.sub(r"/\*.*?\*/", "", header.read_text(encoding="utf-8"), flags=re.DOTALL)
        names |= set(re.findall(r"^(?:extern )?PINION_API\b[^;(]*?\b(pinion_\w+)"
                                r"\s*(?:[(;]|__attribute__)", text, re.MULTILINE))
    return names


def mapped():
    """{name: node}, complaining about patterns: every name stands for itself."""
    text = re.sub(r"#.*", "", (root / "src/pinion.map").read_text(encoding="utf-8"))
    names = {}
    for node, body in re.findall(r"(\w+(?:\.\w+)*)\s*\{(.*?)\}", text, re.DOTALL):
        for name in re.findall(r"([\w*?]+)\s*;", body.split("local:")[0]):
            assert "*" not in name, "%s: the map names functions one by one" % name
            assert name not in names, "%s stands twice in the map" % name
            names[name] = node
    return names


def exported():
    """{name: node} of the library's dynamic symbols."""
    listing = subprocess.run(["nm", "-D", "--defined-only", "--with-symbol-versions", library],
                             capture_output=True, text=True, check=True).stdout
    names = {}
    for line in listing.splitlines():
        kind, symbol = line.split()[-2:]
        name, _, node = symbol.replace("@@", "@").partition("@")
        if kind != "A":  # the nodes themselves
            names[name] = node
    return names


def compare(what, left, right):
    for name in sorted(set(left) - set(right)):
        print("%s: %s" % (what, name))
    return len(set(left) - set(right))


in_headers, in_map, in_library = declared(), mapped(), exported()
problems = (compare("in the headers, not in the map", in_headers, in_map) +
            compare("in the map, not in the headers", in_map, in_headers) +
            compare("in the headers, not in the library", in_headers, in_library) +
            compare("in the library, not in the headers", in_library, in_headers))
for name in sorted(set(in_map) & set(in_library)):
    if in_map[name] != in_library[name]:
        print("%s is of node %s in the map, %s in the library" %
              (name, in_map[name], in_library[name]))
        problems += 1

dynamic = subprocess.run(["readelf", "-d", "-W", library], capture_output=True, text=True,
                         check=True).stdout
soname = re.search(r"\(SONAME\).*\[(.*)\]", dynamic).group(1)
version = (root / "include/pinion/version.h").read_text(encoding="utf-8")
wanted = "libpinion.so." + re.search(r"PINION_ABI\s+(\d+)", version).group(1)
if soname != wanted:
    print("the soname is %s, by version.h it should be %s" % (soname, wanted))
    problems += 1
print("%d functions, %d problems" % (len(in_headers), problems))
sys.exit(1 if problems else 0)
