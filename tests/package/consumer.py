# SPDX-License-Identifier: MIT
"""A program of somebody else's builds with pinion and runs.

usage: consumer.py installed SOURCE_ROOT BUILD_ROOT SCRATCH
           from `meson install`, by pkg-config alone: C and C++, shared and static
       consumer.py subproject shared|static SOURCE_ROOT SCRATCH
           with pinion as a Meson subproject, as default_library says
"""
import os
import shutil
import subprocess
import sys
from pathlib import Path

PROGRAM = """
#include <pinion.h>
#include <stdio.h>
#include <string.h>

PINION_TASK(int, add, (int, a), (int, b))
{
    return a + b;
}

int main(void)
{
    struct pinion_pool_options options;
    struct pinion_pool *pool;
    memset(&options, 0, sizeof options);
    options.cpu_count = 2;
    if (pinion_pool_create(&options, &pool)) {
        fprintf(stderr, "%s\\n", pinion_error_detail());
        return 1;
    }
    struct pinion_io *io = pinion_pool_io(pool);
    struct add_future sum = add_async(io, 40, 2);
    int result = add_await(io, &sum);
    pinion_pool_destroy(pool);
    printf("%s %d\\n", pinion_version(), result);
    return result != 42;
}
"""

MESON = """
project('consumer', 'c', 'cpp', default_options: ['c_std=c11', 'cpp_std=c++17'])
subproject('pinion')
pinion = dependency('pinion', version: '>= 0.1')
foreach source : ['user.c', 'user_too.cc']
  test(source, executable('use_' + source.split('.')[0], source, dependencies: pinion))
endforeach
"""


def run(*command, env=None, cwd=None):
    done = subprocess.run([str(word) for word in command], env=env, cwd=cwd, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        print("$ " + " ".join(str(word) for word in command))
        print(done.stdout[-4000:])
        sys.exit("failed with status %d" % done.returncode)
    return done.stdout


def fresh(scratch):
    scratch = Path(scratch)
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    (scratch / "user.c").write_text(PROGRAM, encoding="ascii")
    (scratch / "user_too.cc").write_text(PROGRAM, encoding="ascii")
    return scratch


def only(paths):
    paths = list(paths)
    assert len(paths) == 1, paths
    return paths[0]


def libudev_stand_in(scratch):
    """Debian's hwloc.pc names -ludev for static linking, and libhwloc-dev doesn't bring
    libudev-dev. Where that is missing, the library itself does."""
    folder = scratch / "stand-in"
    folder.mkdir()
    for place in Path("/usr/lib").glob("*-linux-gnu*/libudev.so.1"):
        if not (place.parent / "libudev.so").exists():
            (folder / "libudev.so").symlink_to(place)
    return folder


def installed(source_root, build_root, scratch):
    scratch = fresh(scratch)
    stage = scratch / "stage"
    run("meson", "install", "-C", build_root, "--no-rebuild", "--destdir", stage)
    pc = only(stage.rglob("pinion.pc"))
    libraries = only(stage.rglob("libpinion.a")).parent
    headers = {str(path.relative_to(Path(source_root) / "include"))
               for path in (Path(source_root) / "include").rglob("*.h")}
    found = only(stage.rglob("pinion.h")).parent
    got = {str(path.relative_to(found)) for path in found.rglob("*.h")}
    assert headers == got, "installed headers differ: %s" % (headers ^ got)

    env = dict(os.environ, PKG_CONFIG_PATH=str(pc.parent), PKG_CONFIG_SYSROOT_DIR="")
    prefix = "--define-variable=prefix=" + str(found.parent)
    version = run("pkg-config", "--modversion", "pinion", env=env).strip()

    # Without the shared library the linker takes the static one; nothing else need change.
    alone = scratch / "static-only"
    alone.mkdir()
    shutil.copy(libraries / "libpinion.a", alone)
    stand_in = libudev_stand_in(scratch)
    for compiler, standard, source in (("gcc", "c11", "user.c"), ("g++", "c++17", "user_too.cc")):
        flags = run("pkg-config", prefix, "--cflags", "--libs", "pinion", env=env).split()
        for private in ("-lhwloc", "-ljemalloc"):
            assert private not in flags, "%s is for --static only" % private
        program = scratch / (source + ".shared")
        build = [compiler, "-std=" + standard, "-Wall", "-Werror", scratch / source, "-o"]
        run(*build, program, *flags)
        linked = run("readelf", "-d", program)
        assert "[libpinion.so.0]" in linked and "[libhwloc" not in linked, linked
        output = run(program, env=dict(env, LD_LIBRARY_PATH=str(libraries)))
        assert output == version + " 42\n", output

        flags = run("pkg-config", prefix, "--define-variable=libdir=" + str(alone), "--static",
                    "--cflags", "--libs", "pinion", env=env).split()
        program = scratch / (source + ".static")
        run(*build, program, *flags, "-L" + str(stand_in))
        assert "[libpinion" not in run("readelf", "-d", program)
        output = run(program)
        assert output == version + " 42\n", output

    only(stage.rglob("share/pinion/pinion-gdb.py"))
    tool = only(path for path in stage.rglob("pinion") if path.is_file())
    output = run(tool, "--version", env=dict(env, LD_LIBRARY_PATH=str(libraries)))
    assert version in output, output


def subproject(kind, source_root, scratch):
    scratch = fresh(scratch)
    (scratch / "meson.build").write_text(MESON, encoding="ascii")
    (scratch / "subprojects").mkdir()
    (scratch / "subprojects/pinion").symlink_to(Path(source_root).resolve())
    run("meson", "setup", scratch / "build", scratch, "-Ddefault_library=" + kind)
    run("ninja", "-C", scratch / "build")
    run("meson", "test", "-C", scratch / "build", "--print-errorlogs")
    linked = run("readelf", "-d", scratch / "build/use_user")
    assert ("[libpinion" in linked) == (kind == "shared"), linked


{"installed": installed, "subproject": subproject}[sys.argv[1]](*sys.argv[2:])
