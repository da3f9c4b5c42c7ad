# SPDX-License-Identifier: MIT
"""Each public header compiles alone, as C11 and C++17, without extensions or warnings.

usage: headers.py SOURCE_ROOT
"""
import shutil
import subprocess
import sys
from pathlib import Path

include = Path(sys.argv[1]) / "include"
STRICT = ["-pedantic-errors", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-fsyntax-only"]
COMPILERS = [("gcc", "c", "c11"), ("g++", "c++", "c++17"),
             ("clang", "c", "c11"), ("clang++", "c++", "c++17")]
# The macros too, not only their definitions.
TASK = """
PINION_TASK(int, add, (struct pinion_io *, io), (int, a), (int, b)) { (void)io; return a + b; }
PINION_TASK(void, nothing) { }
int use(struct pinion_io *io);
int use(struct pinion_io *io)
{
    struct add_future sum = add_async(io, io, 1, 2);
    struct nothing_future none = nothing_async(io);
    nothing_await(io, &none);
    return add_await(io, &sum);
}
"""

problems = 0
for compiler, language, standard in COMPILERS:
    if not shutil.which(compiler):
        print("no %s here" % compiler)
        continue
    for header in sorted(include.rglob("*.h")):
        name = header.relative_to(include)
        # Twice: guards too.
        source = "#include <%s>\n#include <%s>\n" % (name, name)
        source += TASK if name.name == "task.h" else "int unused_;\n"
        done = subprocess.run([compiler, "-x", language, "-std=" + standard, *STRICT,
                               "-I", str(include), "-"], input=source, text=True,
                              capture_output=True, check=False)
        if done.returncode:
            problems += 1
            print("%s -std=%s: %s\n%s" % (compiler, standard, name, done.stderr[:2000]))
sys.exit(1 if problems else 0)
