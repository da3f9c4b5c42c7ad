# SPDX-License-Identifier: MIT
"""What the tests of the script for gdb share."""
import os
import shutil
import subprocess
import sys

TIMEOUT = 60 * int(os.environ.get('PATIENCE', '1'))


def gdb(script, *commands, program=()):
    """What gdb says to the commands, with the script loaded."""
    words = ["gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off", "-iex",
             "set auto-load safe-path /"]
    for command in ("set width 0", "source " + script, *commands):
        words += ["-ex", command]
    done = subprocess.run([*words, *program], capture_output=True, text=True, timeout=TIMEOUT,
                          stdin=subprocess.DEVNULL, check=False)
    return done.stdout + done.stderr


def skip(why):
    print("skipped: " + why)
    sys.exit(77)


def skip_unless_it_works(script):
    if not shutil.which("gdb"):
        skip("there is no gdb")
    if "pinion fibers" not in gdb(script, "help pinion"):
        skip("gdb has no Python")


def between(text, begin, end):
    assert begin in text and end in text, "wanted %s … %s:\n%s" % (begin, end, text)
    return text.split(begin)[1].split(end)[0]
