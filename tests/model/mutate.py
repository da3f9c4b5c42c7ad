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
    'task': ['src/io/task.c', 'src/io/task.h', 'src/io/waiter.c'],
    'waiter': ['src/io/waiter.c', 'src/io/waiter.h'],
    'lock': ['src/base/lock.c'],
    'parking': ['src/sched/parking.c', 'src/base/lock.c', 'src/io/waiter.c'],
    'mutex': ['src/io/mutex.c', 'src/io/mutex.h', 'src/sched/parking.c', 'src/base/lock.c'],
    'remote': ['alloc/remote.h'],
    'idle': ['src/sched/idle.c', 'src/sched/idle.h', 'src/sched/deque.c', 'src/sched/deque.h'],
}

# Reasons that several share.
RELEASES = 'only the release is needed; there is no change that releases alone in atomic.h'
BEHIND = ('who reads it has read searching first, as 0: from the change in lie_down, or from one '
          'that goes on with its release sequence, so it sees what came before that')
LATE = ('a count that is seen late, and so too high, is a look in vain; a worker that rose or was '
        'picked looks at every queue again, after it next lay down')
NO_LOOK = ('who finds a task asks for a worker without a look at the queues, and before that one '
           'sleeps it looks at them after lie_down')

PLAIN = ('the model does not watch the plain fields of a waiter, which are what it is for')
CLAIMED = ('equivalent: one of take and claim wins by the order of the changes alone; the content '
           "was published by the queue to the one, and is the other's own")

# Why a mutant lives: (file, function, beginning of the access, orders or '*'): reason.
SURVIVORS = {
    ('deque.c', 'pn_deque_push', 'pn_load_acquire(&deque->top)', 'relaxed'):
        'a thief would have to read the slot after it had moved top: Relacy runs each thread in '
        "its program's order, and so sees no load of a value that is stored later",
    ('deque.c', 'pn_deque_pop', 'pn_cas_seq_cst(&deque->top', '*'):
        'equivalent here: that one of owner and thief gets the last is decided by the order of the '
        'changes of top alone, and the owner takes what it wrote itself',
    ('deque.c', 'pn_deque_steal', 'pn_load_seq_cst(&deque->top)', 'acquire'):
        'equivalent: the change of top whose value it reads happens before the load of bottom, and '
        'both of these are in the total order',
    ('deque.c', 'pn_deque_steal', 'pn_load_seq_cst(&deque->top)', 'relaxed'):
        'bottom could be read before top: Relacy takes the order in which it runs threads for the '
        'total order, and so does not see it',
    ('deque.h', 'pn_deque_count', 'pn_load_seq_cst(&deque->top)', '*'):
        'a top that is too low makes the count too high: a look in vain',
    ('waiter.c', 'pn_waiter_signal', 'pn_cas_acq_rel(', 'release'): RELEASES,
    ('waiter.c', 'pn_waiter_wait', 'pn_fetch_and_acq_rel(', '*'):
        'equivalent: it publishes nothing, and satisfied() acquires after it',
    ('task.c', 'pn_task_finish', 'pn_exchange_acq_rel(', 'release'): PLAIN,
    ('task.c', 'pn_task_take', 'pn_cas_acq_rel(', '*'): CLAIMED,
    ('task.h', 'pn_task_claim', 'pn_cas_acq_rel(', '*'): CLAIMED,
    ('task.c', 'pn_task_take', 'pn_fetch_and_acq_rel(', 'acquire'):
        'equivalent: who failed to take it has not used it, so there is nothing to release',
    ('task.c', 'pn_task_run_claimed', 'pn_fetch_add_acq_rel(', '*'):
        'equivalent for the thread that claimed it, which also uses the result; what frees the '
        'tombstone is ordered by drop',
    ('task.c', 'pn_task_add_waiter', 'pn_cas_acq_rel(', 'acquire'): PLAIN,
    ('task.c', 'pn_task_remove_waiter', 'pn_cas_acq_rel(', '*'):
        'equivalent for who waits for the signal after, as it must: that acquires what it told',
    ('task.c', 'pn_task_drop', 'pn_load_acquire(', '*'):
        'equivalent: whoever drops it has seen that it is done, by an acquire before',
    ('task.c', 'pn_task_drop', 'pn_fetch_or_acq_rel(', 'release'):
        'equivalent: the one that fails to take a tombstone has not used it',
    ('lock.c', 'pn_unlock', 'pn_exchange_acq_rel(', 'release'): RELEASES,
    ('mutex.c', 'pass_on', 'pn_fetch_and_acq_rel(', '*'):
        'equivalent: it holds nothing and publishes nothing, and a change sees the newest word',
    ('mutex.c', 'settle', 'pn_cas_acq_rel(', 'release'): RELEASES,
    ('mutex.c', 'pinion_mutex_unlock', 'pn_cas_acq_rel(', 'release'): RELEASES,
    ('remote.h', 'pn_remote_push', 'pn_cas_acq_rel(', 'release'): RELEASES,
    ('idle.c', 'take_bit', 'pn_', '*'): BEHIND,
    ('idle.c', 'pn_idle_pick', 'pn_load_seq_cst(&idle->sleeping)', '*'): BEHIND,
    ('idle.c', 'pn_idle_lie_down', 'pn_fetch_or_seq_cst(', '*'): BEHIND,
    ('idle.c', 'pn_idle_lie_down', 'pn_fetch_add_seq_cst(', '*'): BEHIND,
    ('idle.c', 'pn_idle_pick', 'pn_fetch_', '*'): LATE,
    ('idle.c', 'pn_idle_rise', 'pn_fetch_', '*'): LATE,
    ('idle.h', 'pn_idle_search', 'pn_fetch_add_seq_cst(', '*'): LATE,
    ('idle.h', 'pn_idle_found', 'pn_fetch_sub_seq_cst(', '*'): NO_LOOK,
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
                and orders in ('*', order)):
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
