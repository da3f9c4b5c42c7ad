# SPDX-License-Identifier: MIT
"""The house rules that a machine can check. usage: style.py SOURCE_ROOT"""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(sys.argv[1])
COLUMNS = 100

# A room may include its own headers and those of the rooms before it.
ROOMS = ["src/base", "topology", "alloc", "src/io", "src/sched", "src/crew", "src/pool", "src/loop",
         "src/observe"]
PEERS = [{"src/pool", "src/loop"}]
# These see the public headers and their own.
OUTSIDE = ["tools", "bench", "examples"]
# … but for what measures a part of a room by itself.
MEASURES = {"bench/peers/pair_slab.c": ["alloc"], "bench/timers.c": ["src/loop"],
            "bench/switch.c": ["src/loop"]}

# Whose files may include a library's headers.
LIBRARIES = {r"hwloc": "topology/", r"jemalloc/": "alloc/", r"liburing": "src/loop/",
             r"xxhash": "tools/", r"stdatomic\.h": ("src/base/atomic.h", "tools/counter.h")}
# Where C11's own names for atomics may stand: tools can't see src/base.
ATOMICS = ("src/base/atomic.h", "tools/counter.h")

# Not a word of its own anywhere in the tree, this file included.
MARKS = re.compile(r"\b(" + "TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")

# A field reached through something, and what stands before it that leaves its value alone.
ACCESS = re.compile(r"(&\s*\(?\s*|sizeof\s*\(?\s*)?"
                    r"(?:\b\w+(?:\[[^]]*\])?\s*(?:->|\.)\s*)+(\w+)\b")
# A declaration of one field: group 1 if it is atomic.
FIELD = re.compile(r"\s*(?:(?:alignas|_Alignas)\([^)]*\)\s*|static\s+|const\s+)*"
                   r"(_Atomic\b)?[\w\s*()]*?\b\w+(?:\[[^]]*\])?(?:,[\s\w*]*)*;")

problems = []


def report(path, number, text):
    problems.append("%s:%d: %s" % (path, number, text))


def files():
    """The files of the checkout, or of the folder where it is none."""
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others",
                             "--exclude-standard"], capture_output=True, check=False)
    if listed.returncode == 0:
        names = listed.stdout.decode().split("\0")
        paths = [ROOT / name for name in names if name]
    else:
        paths = [path for path in ROOT.rglob("*") if "build" not in path.parts[:-1]
                 and ".git" not in path.parts]
    return sorted(path for path in paths if path.is_file() and not path.is_symlink())


def is_source(path):
    return (path.suffix in {".c", ".h", ".cc", ".py", ".sh", ".map", ".build"}
            or path.name in {"meson.build", "meson_options.txt"}
            or path.open("rb").read(2) == b"#!")


def check_text(name, path, text):
    if not is_source(path) and path.suffix != ".md":
        return  # data, from elsewhere
    if path.suffix != ".md" and "SPDX-License-Identifier: MIT" not in "\n".join(
            text.split("\n")[:2]):
        report(name, 1, "no SPDX-License-Identifier in the first two lines")
    if text and not text.endswith("\n"):
        report(name, text.count("\n") + 1, "no newline at the end")
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > COLUMNS and path.suffix != ".md":
            report(name, number, "%d columns, over %d" % (len(line), COLUMNS))
        if "\t" in line:
            report(name, number, "a tab")
        if line != line.rstrip():
            report(name, number, "blanks at the end")
        if MARKS.search(line):
            report(name, number, "a mark for later: do it, or say what is so today")


def room_of(name):
    found = [room for room in ROOMS + OUTSIDE + ["include", "tests"] if name.startswith(room + "/")]
    return max(found, key=len) if found else None


def allowed_rooms(room):
    """The rooms whose private headers a file of this room may include."""
    if room in OUTSIDE or room == "include":
        return [room]
    if room not in ROOMS:
        return ROOMS + [room]
    below = ROOMS[:ROOMS.index(room) + 1]
    peers = [peers - {room} for peers in PEERS if room in peers]
    return [other for other in below if not any(other in peer for peer in peers)]


def check_includes(name, code, headers):
    room = room_of(name)
    for number, line in enumerate(code.split("\n"), 1):
        include = re.match(r'\s*#\s*include\s*(["<])([^">]+)', line)
        if not include:
            continue
        quote, header = include.groups()
        for library, homes in LIBRARIES.items():
            if (re.match(library, header) and not name.startswith(homes)
                    and room in ROOMS + ["tools"]):
                report(name, number, "%s belongs to %s" % (header, homes))
        if quote == '"' and room:
            homes = headers.get(Path(header).name, [])
            allowed = allowed_rooms(room) + MEASURES.get(name, [])
            if homes and not any(home in allowed for home in homes):
                report(name, number, "%s includes %s of %s: the arrow points the other way" %
                       (room, header, homes[0]))


def without_comments(text):
    """The code with comments and strings blanked, line numbers kept."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.DOTALL)


def check_atomics(name, code, fields):
    if name in ATOMICS or room_of(name) not in ROOMS + ["tools"]:
        return
    for number, line in enumerate(code.split("\n"), 1):
        if re.search(r"\batomic_(load|store|exchange|compare|fetch|flag|thread|signal)\w*\s*\(|"
                     r"\b__(atomic|sync)_\w+\s*\(", line):
            report(name, number, "an atomic by C11's name: use src/base/atomic.h")
        for field in ACCESS.finditer(line):
            if field.group(2) in fields and not field.group(1) and "(" != line[field.end():][:1]:
                report(name, number, "%s is _Atomic: no bare access" % field.group(2))


def atomic_fields(codes):
    """Names that are declared _Atomic, and never as anything else."""
    atomic, plain = set(), set()
    for code in codes:
        for line in code.split("\n"):
            declared = FIELD.match(line)
            if not declared:
                continue
            # A pointer to atomics is none itself.
            is_atomic = declared.group(1) and "*" not in re.sub(r"_Atomic\([^)]*\)+", "", line)
            for part in re.sub(r"\[[^]]*\]", "", line.split(";")[0]).split(","):
                name = re.findall(r"\w+", part)[-1:]
                (atomic if is_atomic else plain).update(name)
    return atomic - plain


def check_readme(texts):
    """README's program is examples/hello.c, less the line with the licence."""
    shown = re.search(r"^```c\n(.*?)^```", texts["README.md"], re.MULTILINE | re.DOTALL)
    if not shown or shown.group(1) != texts["examples/hello.c"].split("\n", 1)[1]:
        report("README.md", 1, "its program differs from examples/hello.c")


def main():
    texts = {}
    for path in files():
        try:
            texts[str(path.relative_to(ROOT))] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # data
    codes = {name: text for name, text in texts.items() if name.endswith((".c", ".h", ".cc"))}
    headers = {}
    for name in codes:
        if name.endswith(".h"):
            headers.setdefault(Path(name).name, []).append(room_of(name))
    bare = {name: without_comments(text) for name, text in codes.items()}
    fields = atomic_fields(bare.values())
    for name, text in texts.items():
        check_text(name, ROOT / name, text)
    for name, text in codes.items():
        check_includes(name, text, headers)
        check_atomics(name, bare[name], fields)
    check_readme(texts)
    for problem in problems:
        print(problem)
    print("%d files, %d problems" % (len(texts), len(problems)))
    return 1 if problems else 0


sys.exit(main())
