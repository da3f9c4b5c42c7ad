#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks the models: do they notice when a shipped file is wrong?

    tests/model/mutate.py BUILD [MODEL|FILE...]

BUILD is a build directory in which the models are built. In the files that a model runs, one at a
time:

  - each ordered access is weakened, to each weaker order,
  - each fence and each wake is left out,
  - each loop on a condition is run once,
  - each second look at a condition, and what else LOOKS names, is left out.

Prints each mutant and whether a model killed it. Exit 1 if one lives that SURVIVORS does not
explain, if one dies that it says lives, or if it explains what is not there. By hand, after a
change of a file or of a model: it takes some minutes.
"""
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]

# A model that is not done by then hangs. Without a mutant it takes some seconds.
SECONDS_MAX = 120

# The files whose mutants a model is asked about.
MODELS = {
    'deque': ['src/sched/deque.c', 'src/sched/deque.h'],
    'task': ['src/io/task.c', 'src/io/task.h', 'src/io/waiter.c'],
    'claim': ['src/io/task.c', 'src/io/task.h', 'src/io/task_quick.h', 'src/sched/deque.c',
              'src/sched/deque.h'],
    'future': ['src/io/future.c', 'src/io/future.h'],
    'ask': ['src/sched/ask.h', 'src/sched/deque.c', 'src/sched/deque.h'],
    'waiter': ['src/io/waiter.c', 'src/io/waiter.h'],
    'cancel': ['src/io/cancel.c', 'src/io/cancel.h', 'src/io/waiter.c'],
    'caller': ['src/io/caller.c', 'src/io/caller.h'],
    'lock': ['src/base/lock.c'],
    'parking': ['src/io/futex_call.c', 'src/sched/parking.c', 'src/base/lock.c',
                'src/io/waiter.c'],
    'mutex': ['src/io/mutex.c', 'src/io/mutex.h', 'src/sched/parking.c', 'src/base/lock.c'],
    'rwlock': ['src/io/rwlock.c'],
    'remote': ['alloc/remote.h'],
    'idle': ['src/sched/idle.c', 'src/sched/idle.h', 'src/sched/deque.c', 'src/sched/deque.h'],
}

# What is left out or done wrongly besides: (file, function, text, in its place). The text stands
# there once.
LOOKS = [
    ('deque.c', 'pn_deque_grow', 'pn_lock(&deque->lock)', '(void)0'),
    ('deque.c', 'pn_deque_take_back', 'split <= bottom', 'false'),
    ('deque.c', 'pn_deque_take_back', 'split <= bottom', 'true'),
    ('deque.c', 'pn_deque_take_back', '} else if (top < split) {', '} else if (true) {'),
    ('deque.c', 'pn_deque_take_back', 'split - half)', 'split)'),
    ('deque.c', 'pn_deque_take_back', 'pn_store_relaxed(&deque->bottom, bottom + 1)', '(void)0'),
    ('deque.c', 'pn_deque_steal', 'is_any_public(deque)', 'true'),
    ('deque.c', 'take_oldest_locked', 'top >= pn_load_relaxed(&deque->split)', 'false'),
    ('deque.c', 'pn_deque_steal_since', 'is_any_public(deque)', 'true'),
    ('deque.c', 'pn_deque_steal_since', 'top >= first && ', ''),
    ('deque.c', 'pn_deque_steal_since', 'top < pn_load_relaxed(&deque->split)', 'true'),
    ('deque.c', 'pn_deque_steal_since', 'may_take(load_slot(deque, top), context)', 'true'),
    ('deque.c', 'pn_deque_force', 'deque->is_split && ', ''),
    ('deque.c', 'pn_deque_force', 'split < bottom', 'true'),
    ('deque.c', 'pn_deque_force', 'now = pn_load_acquire(&deque->bottom)', 'now = bottom'),
    ('deque.c', 'pn_deque_force', 'now < split ? split : now', 'now'),
    ('deque.h', 'pn_deque_push', 'pn_deque_publish(deque)', '(void)0'),
    ('deque.h', 'pn_deque_pop_at', 'pn_load_relaxed(&deque->split) <= bottom', 'true'),
    ('deque.h', 'pn_deque_pop_if', 'pn_load_relaxed(pn_deque_slot(deque, bottom - 1)) != task',
     'false'),
    ('deque.h', 'pn_deque_pop_if', 'pn_load_relaxed(&deque->top) == bottom', 'false'),
    ('ask.h', 'pn_ask_no_more', 'pn_deque_count(deque) < enough || ', ''),
    ('ask.h', 'pn_ask_no_more', ' || pn_deque_is_requested(deque)', ''),
    ('ask.h', 'pn_ask', 'pn_plain_store_relaxed(&head->runs, NULL)', '(void)0'),
    ('ask.h', 'pn_let_ask', 'pn_plain_store_seq_cst(&head->runs, NULL)', '(void)0'),
    ('future.h', 'pn_future_retire', 'pn_plain_store_relaxed(&future->task, NULL)', '(void)0'),
    ('future.h', 'pn_future_retire', 'pn_load_relaxed(&pn_future_is_requested)', 'false'),
    ('future.c', 'announce', 'pn_store_relaxed(&pn_future_is_requested, true)', '(void)0'),
    ('future.c', 'pn_future_hold', '!pn_load_acquire(&is_announced)', 'false'),
    ('future.c', 'pn_future_hold', 'pn_fetch_add_seq_cst(stripe_of(future), 1u)', '(void)0'),
    ('future.c', 'pn_future_let_go', 'pn_fetch_sub_acq_rel(stripe_of(future), 1u)', '(void)0'),
    ('future.c', 'pn_future_wait_retired', 'pn_plain_store_seq_cst(&future->task, NULL)',
     '(void)0'),
    ('future.c', 'pn_future_wait_retired', 'pn_load_seq_cst(stripe_of(future)) != 0', 'false'),
    ('task.h', 'pn_task_claim', 'seen != (PN_TASK_QUEUED | PN_TASK_IN_QUEUE)', 'false'),
    ('task.h', 'pn_task_runs_at', 'pn_task_runner(task) == runner && ', ''),
    ('task.h', 'pn_task_runs_at', ' && !pn_task_is_done(task)', ''),
    ('task.c', 'pn_task_run_at', 'task->first = first', 'task->first = 0'),
    ('task.c', 'pn_task_forget_runner', 'pn_store_release(&run->task->link, NULL)', '(void)0'),
    ('task_quick.h', 'pn_task_run_own', 'pn_store_relaxed(&task->state, PN_TASK_DONE)',
     '(void)0'),
    ('task_quick.h', 'pn_task_drop_quickly',
     '!(pn_load_acquire(&task->state) & PN_TASK_IN_QUEUE) && ', ''),
    ('task.c', 'pn_task_take', 'seen & PN_TASK_DROPPED', 'false'),
    ('task.c', 'pn_task_drop', 'pn_load_acquire(&task->state) & PN_TASK_IN_QUEUE', 'false'),
    ('waiter.c', 'wait', 'if (satisfied(waiter, fired, or_canceled, &seen))', 'if (0)'),
    ('waiter.c', 'wait', 'return satisfied(waiter, fired, or_canceled, &seen)',
     'return false'),
    ('waiter.c', 'wait', 'seen | PN_WAITER_PARKED))', 'seen))'),
    ('waiter.c', 'pn_waiter_signal', '& ~PN_WAITER_PARKED', ''),
    ('waiter.c', 'pn_waiter_wait_canceled',
     '(void)pn_waiter_wait(waiter, UINT32_MAX, true, INT64_MAX, 0)', '(void)0'),
    ('cancel.c', 'pn_cancel_request',
     '(seen & PN_CANCEL_REQUESTED) && !(seen & PN_CANCEL_INHERITED)', 'false'),
    ('cancel.c', 'pn_cancel_enter', 'if (seen & PN_CANCEL_ARMED)', 'if (false)'),
    ('cancel.c', 'pn_cancel_leave', '(seen & ~PN_CANCEL_FLAGS) == (uintptr_t)waiter', 'true'),
    ('cancel.c', 'pn_cancel_leave', 'pn_waiter_wait_canceled(waiter)', '(void)0'),
    ('cancel.c', 'pn_cancel_show', 'if (seen & PN_CANCEL_REQUESTED)', 'if (false)'),
    ('lock.c', 'pn_lock_try', '!(seen & (HELD | CONTENDED)) && ', ''),
    ('lock.c', 'pn_lock', 'i -= (seen & SPINNING) != 0', '(void)0'),
    ('lock.c', 'pn_unlock', 'pn_load_relaxed(lock) & SPINNING', 'false'),
    ('lock.c', 'pn_lock', 'exchange_acquire(lock, CONTENDED)', 'exchange_acquire(lock, HELD)'),
    ('parking.c', 'enlist', 'park->may_sleep(park)', 'true'),
    ('parking.c', 'enlist', """    pn_fetch_add_seq_cst(&bucket->count, 1u);
    const bool sleeps = park->may_sleep(park);
""", """    const bool sleeps = park->may_sleep(park);
    pn_fetch_add_seq_cst(&bucket->count, 1u);
"""),
    ('parking.c', 'delist', 'parked->link != NULL', 'true'),
    ('parking.c', 'wait_parked', 'if (delist(bucket, parked))', 'delist(bucket, parked);'),
    ('parking.c', 'wait_parked', '(void)pn_waiter_wait(&parked->waiter, 1, false, INT64_MAX, 0)',
     '(void)0'),
    ('parking.c', 'pn_parking_unpark', '!unpark->settle && ', ''),
    ('parking.c', 'pn_parking_unpark', 'chosen = next', 'chosen = chosen->next'),
    ('mutex.c', 'is_still_locked', 'if (!(seen & LOCKED))', 'if (false)'),
    ('mutex.c', 'settle', 'remaining ? 0 : PARKED', 'PARKED'),
]

# Reasons that several share.
RELEASES = 'only the release is needed; there is no change that releases alone in atomic.h'
BEHIND = ('who reads it has read searching first, as 0: from the change in lie_down, or from one '
          'that goes on with its release sequence, so it sees what came before that')
LATE = ('a count that is seen late, and so too high, is a look in vain; a worker that rose or was '
        'picked looks at every queue again, after it next lay down')

LOOKED = 'equivalent: it is looked at under the lock, too; this saves the lock'
CLEARS = ('equivalent by the rules of C++20: a load in the total order that reads what another '
          'thread cleared comes before the store that follows. C17 says so of ordered stores only; '
          'Relacy knows no such difference')
PLAIN = ('the model does not watch the plain fields of a waiter, which are what it is for')
CLAIMED = ('equivalent: one of take and claim wins by the order of the changes alone; the content '
           "was published by the queue to the one, and is the other's own")

# Why a mutant lives: (file, function, beginning of the text, what became of it or '*'): reason.
SURVIVORS = {
    ('deque.h', 'pn_deque_push', 'pn_load_acquire(&deque->top)', 'relaxed'):
        'a thief would have to read the slot after it had moved top: Relacy runs each thread in '
        "its program's order, and so sees no load of a value that is stored later",
    ('deque.h', 'pn_deque_pop_if', 'pn_load_relaxed(&deque->top) == bottom', 'false'):
        'equivalent: pn_deque_take_back finds out, too; this saves the lock',
    ('deque.c', 'pn_deque_steal', 'is_any_public(', 'true'): LOOKED,
    ('deque.c', 'pn_deque_steal_since', 'is_any_public(', 'true'): LOOKED,
    ('deque.h', 'pn_deque_count', 'pn_load_seq_cst(&deque->top)', '*'):
        'a top that is too low makes the count too high: a look in vain',
    ('ask.h', 'pn_let_ask', 'pn_plain_store_seq_cst(', 'release'): CLEARS,
    ('ask.h', 'pn_let_ask', 'pn_plain_store_seq_cst(', 'relaxed'): CLEARS,
    ('ask.h', 'pn_ask_no_more', '|| pn_deque_is_requested(deque)', 'nothing'):
        'a request that is missed is made again by who searches, and met by force before it sleeps',
    ('future.c', 'announce', 'pn_store_release(&is_announced', 'relaxed'):
        'equivalent: the heavy fence before it orders what came before for who reads it',
    ('future.c', 'pn_future_let_go', 'pn_fetch_sub_acq_rel(', 'release'): RELEASES,
    ('waiter.c', 'pn_waiter_signal', 'pn_cas_acq_rel(', 'release'): RELEASES,
    ('waiter.c', 'wait', 'if (satisfied(', '*'):
        'equivalent: the loop looks first, too; this saves a spin',
    ('waiter.c', 'wait', 'return satisfied(', '*'):
        'equivalent: who is told that time is over takes itself out of where the signal would come '
        'from, or else waits for it',
    ('waiter.c', 'wait', 'pn_fetch_and_acq_rel(', '*'):
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
    ('cancel.c', 'pn_cancel_enter', 'pn_cas_acq_rel(', 'release'): RELEASES,
    ('cancel.c', 'pn_cancel_leave', 'pn_cas_acq_rel(', '*'):
        'equivalent: it publishes nothing; where another has the waiter, the wait for it acquires',
    ('cancel.c', 'pn_cancel_show', 'pn_cas_acq_rel(', 'release'): RELEASES,
    ('cancel.c', 'pn_cancel_renew', 'pn_cas_acq_rel(', '*'):
        "equivalent: it goes on with the request's release sequence, so who delivers it or sees "
        'it later acquires what came before the request',
    ('cancel.c', 'pn_cancel_renew', 'while (', 'once'):
        'equivalent: what changes the word meanwhile is a request of its own, which is pending, as '
        'it would be after another turn; pn_cancel_show changes nothing where this does',
    ('cancel.h', 'pn_cancel_deliver', 'pn_fetch_and_acq_rel(', 'acquire'):
        'equivalent: it publishes nothing; only the acquire is needed',
    ('lock.c', 'pn_unlock', 'pn_exchange_acq_rel(', 'release'): RELEASES,
    ('futex_call.c', 'is_as_expected', 'pn_load_seq_cst(', '*'):
        'Relacy has no rule for it against the fence in nobody_is_there; see parking_model.cpp',
    ('mutex.c', 'pinion_mutex_try_lock', 'while (', 'once'):
        'a try that fails because another flag of the word changed: its first look may be stale, '
        'and so may find it held after it was released, which the model must allow',
    ('mutex.c', 'take', 'while (', 'once'):
        'equivalent: it goes to park, finds there that the lock is free, and looks again',
    ('mutex.c', 'settle', 'while (', 'once'):
        'equivalent: by who unlocks it cannot fail, since others change the word only where it is '
        'not LOCKED, or WOKEN, or under the lock of the address; by who passes on it fails where '
        'another has locked, who wakes the next when it unlocks: PARKED was left',
    ('mutex.c', 'pass_on', 'pn_fetch_and_acq_rel(', '*'):
        'equivalent: it holds nothing and publishes nothing, and a change sees the newest word',
    ('mutex.c', 'settle', 'pn_cas_acq_rel(', 'release'): RELEASES,
    ('mutex.c', 'pinion_mutex_unlock', 'pn_cas_acq_rel(', 'release'): RELEASES,
    ('remote.h', 'pn_remote_push', 'pn_cas_acq_rel(', 'release'): RELEASES,
    ('idle.c', 'take_bit', 'pn_', '*'): BEHIND,
    ('idle.c', 'pn_idle_pick', 'pn_load_seq_cst(&home->sleeping)', '*'): BEHIND,
    ('idle.c', 'pn_idle_pick', 'pn_load_seq_cst(&idle->nodes[i].sleeping)', '*'): BEHIND,
    ('idle.c', 'pn_idle_lie_down', 'pn_fetch_or_seq_cst(', '*'): BEHIND,
    ('idle.c', 'pn_idle_lie_down', 'pn_fetch_add_seq_cst(', '*'): BEHIND,
    ('idle.c', 'rouse', 'pn_fetch_', '*'): LATE,
    ('idle.h', 'pn_idle_search', 'pn_fetch_add_seq_cst(', '*'): LATE,
}

WEAKER = {
    'load': {'seq_cst': ['acquire', 'relaxed'], 'acquire': ['relaxed']},
    'store': {'seq_cst': ['release', 'relaxed'], 'release': ['relaxed']},
    'change': {'seq_cst': ['acq_rel', 'acquire', 'release', 'relaxed'],
               'acq_rel': ['acquire', 'release', 'relaxed'],
               'acquire': ['relaxed'], 'release': ['relaxed']},
    'fence': {'seq_cst': ['relaxed']},
}
ACCESS = re.compile(r'pn_(?:plain_)?(load|store|exchange|cas|fence|fetch_\w+?)_'
                    r'(acquire|release|acq_rel|seq_cst)\(')
WAKE = re.compile(r'(?<![\w>])(pn_waiter_signal|pn_futex_wake|pn_worker_signal|wake|unpark_one|'
                  r'pass_on|io->vtable->unpark)\(')
FENCE = re.compile(r'pn_(light|heavy)_fence\(')
LOOP = re.compile(r'\bwhile \(')
FUNCTION = re.compile(r'^[a-z].*?(\w+)\(')


class Mutant(NamedTuple):
    """Lines first to last of a file, where `text` stands. argument: what tells a model that is
    built already. source: the whole file, for one that must be built."""
    path: str
    function: str
    text: str
    first: int
    last: int
    change: str
    argument: str = ''
    source: str = ''


def call_end(text, start):
    """The index behind the parenthesis that closes the one at start."""
    depth = 0
    for i in range(start, len(text)):
        depth += {'(': 1, ')': -1}.get(text[i], 0)
        if depth == 0:
            return i + 1
    raise ValueError('unbalanced')


def place(text, start):
    """(number of the line, function) at an index."""
    function = '?'
    lines = text[:start].splitlines() or ['']
    for line in lines:
        if match := FUNCTION.match(line):
            function = match[1]
    return text.count('\n', 0, start) + 1, function


def code_matches(pattern, text):
    """(start, end of the match) in indented lines: not where a function is declared or defined."""
    for match in pattern.finditer(text):
        if text[text.rfind('\n', 0, match.start()) + 1] == ' ':
            yield match


def replaced(path, text, start, end, new, change):
    first, function = place(text, start)
    old = ' '.join(text[start:end].split())
    return Mutant(path, function, old, first, text.count('\n', 0, end) + 1, change,
                  source=text[:start] + new + text[end:])


def weakened(path, text):
    for match in code_matches(ACCESS, text):
        end = call_end(text, match.end() - 1)
        first, function = place(text, match.start())
        last = text.count('\n', 0, end) + 1
        kind = match[1] if match[1] in ('load', 'store', 'fence') else 'change'
        access = ' '.join(text[match.start():end].split())
        for order in WEAKER[kind][match[2]]:
            yield Mutant(path, function, access, first, last, order,
                         argument=f'{Path(path).name}:{first}-{last}:{order}')


def without_calls(pattern, path, text):
    for match in code_matches(pattern, text):
        end = call_end(text, match.end() - 1)
        yield replaced(path, text, match.start(), end, '(void)0', 'nothing')


def loops_once(path, text):
    for match in code_matches(LOOP, text):
        end = call_end(text, match.end() - 1)
        condition = text[match.end() - 1:end]
        if text[end] == ';': # of a do
            new = f'while ({condition}, false)'
        else:
            new = f'for (bool once = true; once && {condition}; once = false)'
        yield replaced(path, text, match.start(), end, new, 'once')


def changed_looks(path, text):
    for file, function, old, new in LOOKS:
        if not path.endswith('/' + file):
            continue
        starts = [match.start() for match in re.finditer(re.escape(old), text)
                  if place(text, match.start())[1] == function]
        if len(starts) != 1:
            sys.exit(f'mutate.py: {path}, {function}: {len(starts)} times {old!r}; '
                     'LOOKS must name what stands there once')
        yield replaced(path, text, starts[0], starts[0] + len(old), new, new or 'nothing')


def mutants(path):
    text = (ROOT / path).read_text()
    yield from weakened(path, text)
    yield from without_calls(FENCE, path, text)
    yield from without_calls(WAKE, path, text)
    yield from loops_once(path, text)
    yield from changed_looks(path, text)


def explains(key, mutant):
    file, function, beginning, changes = key
    return (mutant.path.endswith('/' + file) and mutant.function == function
            and mutant.text.startswith(beginning) and changes in ('*', mutant.change))


def explanation(mutant):
    return next((reason for key, reason in SURVIVORS.items() if explains(key, mutant)), None)


def stale_reasons():
    every = [mutant for path in dict.fromkeys(file for files in MODELS.values() for file in files)
             for mutant in mutants(path)]
    return [key for key in SURVIVORS if not any(explains(key, mutant) for mutant in every)]


def overlay(tree, mutant):
    """A tree of links to the files of ours, but for the mutant's. They include one another by
    their own folders first, so it takes all of them."""
    for folder in ('src', 'include', 'alloc', 'topology', 'tests/model'):
        for here, _, names in os.walk(ROOT / folder):
            there = tree / Path(here).relative_to(ROOT)
            there.mkdir(parents=True, exist_ok=True)
            for name in names:
                (there / name).symlink_to(Path(here) / name)
    (tree / mutant.path).unlink()
    (tree / mutant.path).write_text(mutant.source)


class Builder:
    """Builds a model as the build directory does, from another tree."""

    def __init__(self, build):
        self.build = build.resolve()
        self.entries = {}
        for entry in json.loads((build / 'compile_commands.json').read_text()):
            name = Path(entry['file']).name
            if name.endswith('_model.cpp'):
                self.entries[name.removesuffix('_model.cpp')] = entry

    def command(self, model, tree):
        entry = self.entries[model]
        compiler, *arguments = shlex.split(entry['command'])
        command = [compiler]
        for argument in arguments:
            if argument.startswith('-I'):
                folder = (Path(entry['directory']) / argument[2:]).resolve()
                if folder.is_relative_to(ROOT) and not folder.is_relative_to(self.build):
                    folder = tree / folder.relative_to(ROOT)
                command.append(f'-I{folder}')
            elif re.match(r'-(std=|O|f|w|D)', argument):
                command.append(argument)
        return command

    def make(self, model, tree):
        program = tree / f'{model}_model'
        source = tree / 'tests' / 'model' / f'{model}_model.cpp'
        done = subprocess.run([*self.command(model, tree), source, '-o', program],
                              capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f'mutate.py: {model} with a mutant does not compile:\n{done.stderr}')
        return program


def run(program, *arguments):
    """The exit status; None: it hangs."""
    try:
        return subprocess.run([program, *arguments], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, timeout=SECONDS_MAX,
                              check=False).returncode
    except subprocess.TimeoutExpired:
        return None


def fate(builder, models, mutant):
    """'killed by …', 'lives' or 'is not reached'."""
    reached = False
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        if mutant.source:
            overlay(tree, mutant)
        for model in models:
            if mutant.source:
                status = run(builder.make(model, tree))
            else:
                status = run(builder.build / 'tests' / 'model' / f'{model}_model', mutant.argument)
            if status not in (0, 3):
                return f'killed by {model}' + (', which hangs' if status is None else '')
            reached |= status == 0
    return 'lives' if reached else 'is not reached'


def count(title, ends):
    """ends: what each mutant counts as."""
    print(f'{title}: {len(ends)} mutants, {ends.count("killed")} killed, '
          f'{ends.count("explained")} explained, {ends.count("bad")} to look at')


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    if stale := stale_reasons():
        sys.exit('mutate.py: SURVIVORS explains what is not there:\n' + '\n'.join(map(str, stale)))
    builder = Builder(Path(sys.argv[1]))
    wanted = sys.argv[2:] or list(MODELS)
    files = dict.fromkeys(file for name in wanted for file in MODELS.get(name, [name]))
    every = [mutant for path in files for mutant in mutants(path)]
    ends = {path: [] for path in files}

    def judge(mutant):
        return fate(builder, [model for model in MODELS if mutant.path in MODELS[model]], mutant)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for mutant, end in zip(every, pool.map(judge, every)):
            reason = explanation(mutant)
            is_killed = end.startswith('killed')
            note = ''
            if is_killed == (reason is not None):
                note = '  <-- SURVIVORS says it lives' if is_killed else '  <-- UNEXPLAINED'
            ends[mutant.path].append('bad' if note else 'killed' if is_killed else 'explained')
            print(f'{mutant.path}:{mutant.first} {mutant.function}: {mutant.text} as '
                  f'{mutant.change}: {end}{note}', flush=True)
    for path, its in ends.items():
        count(path, its)
    total = sum(ends.values(), [])
    count('all', total)
    sys.exit(1 if 'bad' in total else 0)


if __name__ == '__main__':
    main()
