# SPDX-License-Identifier: MIT
"""Runs the pinion command for the tests in this folder. Each is called with its path."""
import json
import os
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
