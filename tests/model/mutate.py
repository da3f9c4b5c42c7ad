#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks the models: do they notice when a shipped file is wrong?

    tests/model/mutate.py BUILD [MODEL...]

BUILD is a build directory in which the models are built. Each ordered access in the files that a
model runs is weakened, one at a time, to each weaker order (a fence is left out). Prints each
mutant and whether a model killed it. Exit 1 if one lives that SURVIVORS does not explain, or if one
dies that it says lives. By hand, after a change of a file or of a model: it takes some minutes.
"""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# The files whose mutants a model is asked about.
MODELS = {
    'deque': ['src/sched/deque.c'],
    'waiter': ['src/io/waiter.c', 'src/io/waiter.h'],
    'lock': ['src/base/lock.c'],
    'parking': ['src/sched/parking.c', 'src/base/lock.c', 'src/io/waiter.c'],
    'mutex': ['src/io/mutex.c', 'src/io/mutex.h', 'src/sched/parking.c', 'src/base/lock.c'],
    'idle': ['src/sched/idle.c', 'src/sched/idle.h', 'src/sched/deque.c', 'src/sched/deque.h'],
}

# Why a mutant lives: (file, function, beginning of the access, orders): reason.
SURVIVORS = {
}

WEAKER = {
    'load': {'seq_cst': ['acquire', 'relaxed'], 'acquire': ['relaxed']},
    'store': {'seq_cst': ['release', 'relaxed'], 'release': ['relaxed']},
    'change': {'seq_cst': ['acq_rel', 'acquire', 'release', 'relaxed'],
               'acq_rel': ['acquire', 'release', 'relaxed'],
               'acquire': ['relaxed'], 'release': ['relaxed']},
    'fence': {'seq_cst': ['relaxed']},
}
ACCESS = re.compile(r'pn_(load|store|exchange|cas|fence|fetch_\w+?)_'
                    r'(acquire|release|acq_rel|seq_cst)\(')
FUNCTION = re.compile(r'^[a-z].*?(\w+)\(')


def call_end(text, start):
    """The index behind the parenthesis that closes the one at start."""
    depth = 0
    for i in range(start, len(text)):
        depth += {'(': 1, ')': -1}.get(text[i], 0)
        if depth == 0:
            return i + 1
    raise ValueError('unbalanced')


def mutants(path):
    """(function, access, first line, last line, order) of each mutant of a file."""
    text = (ROOT / path).read_text()
    function = '?'
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for number, start in enumerate(starts[:-1], 1):
        line = text[start:starts[number]]
        if match := FUNCTION.match(line):
            function = match[1]
        for match in ACCESS.finditer(line):
            end = call_end(text, start + match.end() - 1)
            last = text.count('\n', 0, end) + 1
            kind = match[1] if match[1] in ('load', 'store', 'fence') else 'change'
            access = ' '.join(text[start + match.start():end].split())
            for order in WEAKER[kind][match[2]]:
                yield function, access, number, last, order


def explanation(path, function, access, order):
    for (file, where, beginning, orders), reason in SURVIVORS.items():
        if (path.endswith('/' + file) and function == where and access.startswith(beginning)
                and order in orders.split()):
            return reason
    return None


def fate(build, models, path, first, last, order):
    """'killed by …', 'lives' or 'is not reached'."""
    reached = False
    for model in models:
        done = subprocess.run([build / 'tests' / 'model' / f'{model}_model',
                               f'{Path(path).name}:{first}-{last}:{order}'],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        if done.returncode not in (0, 3):
            return f'killed by {model}'
        reached |= done.returncode == 0
    return 'lives' if reached else 'is not reached'


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    build = Path(sys.argv[1])
    wanted = sys.argv[2:] or list(MODELS)
    files = dict.fromkeys(file for model in wanted for file in MODELS[model])
    bad = count = killed = 0
    for path in files:
        models = [model for model in MODELS if path in MODELS[model]]
        for function, access, first, last, order in mutants(path):
            end = fate(build, models, path, first, last, order)
            reason = explanation(path, function, access, order)
            is_killed = end.startswith('killed')
            count += 1
            killed += is_killed
            note = ''
            if is_killed == (reason is not None):
                bad += 1
                note = '  <-- SURVIVORS says it lives' if is_killed else '  <-- UNEXPLAINED'
            print(f'{path}:{first} {function}: {access} as {order}: {end}{note}', flush=True)
    print(f'{count} mutants, {killed} killed, {count - killed - bad} explained, {bad} to look at')
    sys.exit(1 if bad else 0)


if __name__ == '__main__':
    main()
