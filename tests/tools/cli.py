# SPDX-License-Identifier: MIT
"""Runs the pinion command for the tests in this folder. Each is called with its path."""
import ctypes
import errno
import json
import os
import struct
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

PINION = sys.argv[1]
TIMEOUT = 120 * int(os.environ.get('PATIENCE', '1'))


def environment(**variables):
    env = {name: value for name, value in os.environ.items()
           if not name.startswith(("PINION_", "HWLOC_")) and name != "NO_COLOR"}
    env.update(variables)
    return env


class Done:
    def __init__(self, command, process):
        self.command, self.status = command, process.returncode
        self.out = process.stdout.decode("utf-8", "replace")
        self.err = process.stderr.decode("utf-8", "replace")

    def __str__(self):
        return "$ %s\nstatus %d\n--- stdout\n%s\n--- stderr\n%s" % (
            self.command, self.status, self.out[-3000:], self.err[-3000:])

    def json(self):
        return json.loads(self.out)


def pinion(*arguments, before=(), env=None, **popen):
    """Runs it to its end; before: a command in front."""
    command = [*before, PINION, *arguments]
    process = subprocess.run(command, env=env or environment(), timeout=TIMEOUT, check=False,
                             capture_output=True, stdin=subprocess.DEVNULL, **popen)
    return Done(command, process)


def succeed(*arguments, **how):
    done = pinion(*arguments, **how)
    assert done.status == 0, done
    return done


def refuse(status, words, *arguments, **how):
    """It ends with this status, says these words on stderr, and nothing on stdout."""
    done = pinion(*arguments, **how)
    assert done.status == status, "wanted status %d:\n%s" % (status, done)
    assert done.out == "", done
    assert done.err.startswith("pinion"), done
    assert done.err.count("\n") == 1, done
    for word in words:
        assert word in done.err, "wanted %r:\n%s" % (word, done)
    return done


def deny_io_uring():
    """For preexec_fn: io_uring_setup gives EPERM from now on, as in many containers."""
    io_uring_setup, no_new_privileges, seccomp, by_filter = 425, 38, 22, 2
    code = b"".join(struct.pack("=HBBI", *line) for line in [
        (0x20, 0, 0, 0),                         # the call's number
        (0x15, 0, 1, io_uring_setup),            # is it not this: skip one
        (0x06, 0, 0, 0x00050000 | errno.EPERM),  # gives that
        (0x06, 0, 0, 0x7fff0000)])               # is allowed
    program = ctypes.create_string_buffer(code)
    header = ctypes.create_string_buffer(struct.pack("@HP", 4, ctypes.addressof(program)))
    prctl = ctypes.CDLL(None).prctl
    if prctl(no_new_privileges, 1, 0, 0, 0) or prctl(seccomp, by_filter, header, 0, 0):
        raise OSError("no seccomp filter can be set")


def scratch():
    """A folder that is removed at exit, however deep it gets."""
    path = Path(tempfile.mkdtemp(prefix="pinion-test-"))
    folders.append(path)
    return path


folders = []


def main(tests):
    """Runs every function whose name begins with test_."""
    failed = 0
    try:
        for name, test in sorted(tests.items()):
            if not name.startswith("test_"):
                continue
            try:
                test()
                print("ok", name)
            except Exception:  # pylint: disable=broad-except
                failed += 1
                print("failed", name)
                print(traceback.format_exc())
    finally:
        for folder in folders:
            subprocess.run(["chmod", "-R", "u+rwX", str(folder)], check=False,
                           stderr=subprocess.DEVNULL)
            subprocess.run(["rm", "-rf", str(folder)], check=False)
    sys.exit(1 if failed else 0)
