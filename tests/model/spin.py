#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Verifies a Promela model by spin, and checks that it notices what it should.

    tests/model/spin.py MODEL.pml [MUTANT...]

The model itself must hold in every state that it can reach, and no statement of it may be
unreachable. With each macro MUTANT_… that it names, one at a time, or with those named, spin must
find an error. Exit 0 if all is so, 1 if not, 77 if spin or a C compiler is not installed.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# What a verification ends with.
ERRORS = re.compile(r'errors: (\d+)')
STATES = re.compile(r'(\d+) states, stored')
UNREACHED = re.compile(r'^\t\S+\.pml:\d+, state \d+, ".*"$', re.MULTILINE)
# A model that needs more than these is too large.
DEPTH_MAX = 1000000
MEGABYTES_MAX = 2000


def lacks():
    for program in ('spin', compiler()[0]):
        if not shutil.which(program):
            return f'{program} is not installed'
    return None


def compiler():
    return os.environ.get('CC', 'cc').split()


def run(command, folder):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f'spin.py: {" ".join(map(str, command))}:\n{done.stdout}{done.stderr}')
    return done.stdout


def verify(model, folder, mutant=None):
    """(what the verifier says, how many errors it found). A mutant's verifier is built in a hurry,
    since it stops at the first error."""
    run(['spin', *([f'-D{mutant}'] if mutant else []), '-a', model], folder)
    run([*compiler(), '-O0' if mutant else '-O2', '-w', '-DSAFETY', '-DNOFAIR',
         f'-DMEMLIM={MEGABYTES_MAX}', '-o', 'pan', 'pan.c'], folder)
    report = run(['./pan', f'-m{DEPTH_MAX}'], folder)
    errors = ERRORS.search(report)
    if not errors or 'max search depth too small' in report:
        sys.exit(f'spin.py: {mutant or model.name}: the search is not complete:\n{report}')
    return report, int(errors[1])


def holds(model, folder):
    report, errors = verify(model, folder)
    if errors:
        print(report, run(['spin', '-k', f'{model.name}.trail', '-p', '-g', '-l', model], folder))
        return False
    if unreached := UNREACHED.findall(report):
        print('never reached:', *unreached, sep='\n')
        return False
    print(f'{model.name}: holds in {STATES.search(report)[1]} states')
    return True


def is_found(model, folder, mutant):
    report, errors = verify(model, folder, mutant)
    how = next((line for line in report.splitlines() if line.startswith('pan:1: ')), '')
    print(f'{mutant}: {how.removeprefix("pan:1: ") if errors else "NOT FOUND"}')
    return errors > 0


def mutants_of(model):
    text = model.read_text()
    for included in re.findall(r'^#include "(.*)"', text, re.MULTILINE):
        text += (model.parent / included).read_text()
    return sorted(set(re.findall(r'\bMUTANT_\w+', text)))


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    if reason := lacks():
        print(f'skipped: {reason}')
        sys.exit(77)
    model = Path(sys.argv[1]).resolve()
    mutants = sys.argv[2:] or mutants_of(model)
    with tempfile.TemporaryDirectory() as folder:
        is_well = bool(sys.argv[2:]) or holds(model, folder)
        for mutant in mutants:
            is_well = is_found(model, folder, mutant) and is_well
    sys.exit(0 if is_well else 1)


if __name__ == '__main__':
    main()
