#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks the models: do they notice when a shipped file is wrong?

    tests/model/mutate.py BUILD [MODEL|FILE...]

Each model is built once, as in the build directory BUILD (-Dmodels=true), with all mutants of its
files in it to choose from. They are, one at a time:

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
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from signal import SIGXCPU
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]

# A model that has not ended by then hangs: of the CPU's time, since the machine may be busy. The
# slowest takes 15 s without a mutant.
CPU_SECONDS_MAX = 60

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
    'rwlock': ['src/io/rwlock.c', 'src/sched/parking.c'],
    'remote': ['alloc/remote.h'],
    'bias': ['src/io/bias.c', 'src/io/bias.h'],
    'idle': ['src/sched/idle.c', 'src/sched/idle.h', 'src/sched/deque.c', 'src/sched/deque.h'],
}

# A look before it counts.
LOOKED_UNCOUNTED = ('[&] { pn_fetch_sub_relaxed(&bucket->count, 1u); '
                    'const bool may_sleep = park->may_sleep(park); '
                    'pn_fetch_add_seq_cst(&bucket->count, 1u); return may_sleep; }()')

# What is left out or done wrongly besides: (file, function, text, in its place). The text stands
# there once. What is replaced is an expression, by one of C++ in one line: all of the text, or what
# it has in «».
LOOKS = [
    ('caller.c', 'pn_caller_settle', 'pn_lock(&lock)', '(void)0'),
    ('caller.c', 'pn_caller_settle', 'pn_store_relaxed(&caller->stub.is_canceled, 0u)', '(void)0'),
    ('caller.c', 'pn_caller_find', '(pn_load_relaxed(&task->cancel) & PN_CANCEL_ARMED)', 'true'),
    ('caller.h', 'pn_caller_enter', '!(pn_load_relaxed(&task->cancel) & PN_CANCEL_ARMED)', 'true'),
    ('caller.h', 'pn_caller_leave', 'pn_caller_is_asked(caller, task)', 'false'),
    ('deque.c', 'pn_deque_grow', 'pn_lock(&deque->lock)', '(void)0'),
    ('deque.c', 'pn_deque_publish', 'pn_lock(&deque->lock)', '(void)0'),
    ('deque.c', 'pn_deque_take_back', 'pn_lock(&deque->lock)', '(void)0'),
    ('deque.c', 'pn_deque_force', 'pn_lock(&deque->lock)', '(void)0'),
    ('deque.c', 'pn_deque_steal', 'pn_lock_try(&deque->lock)', 'true'),
    ('deque.c', 'pn_deque_steal_since', 'pn_lock_try(&deque->lock)', 'true'),
    ('deque.c', 'pn_deque_take_back', 'split <= bottom', 'false'),
    ('deque.c', 'pn_deque_take_back', 'split <= bottom', 'true'),
    ('deque.c', 'pn_deque_take_back', 'top < split', 'true'),
    ('deque.c', 'pn_deque_take_back', 'split - half', 'split'),
    ('deque.c', 'pn_deque_take_back', 'pn_store_relaxed(&deque->bottom, bottom + 1)', '(void)0'),
    ('deque.c', 'pn_deque_steal', 'is_any_public(deque)', 'true'),
    ('deque.c', 'take_oldest_locked', 'top >= pn_load_relaxed(&deque->split)', 'false'),
    ('deque.c', 'pn_deque_steal_since', 'is_any_public(deque)', 'true'),
    ('deque.c', 'pn_deque_steal_since', 'top >= first', 'true'),
    ('deque.c', 'pn_deque_steal_since', 'top < pn_load_relaxed(&deque->split)', 'true'),
    ('deque.c', 'pn_deque_steal_since', 'may_take(load_slot(deque, top), context)', 'true'),
    ('deque.c', 'pn_deque_force', 'deque->is_split', 'true'),
    ('deque.c', 'pn_deque_force', 'split < bottom', 'true'),
    ('deque.c', 'pn_deque_force', 'now < bottom', 'false'),
    ('deque.c', 'pn_deque_force', 'now < split ? split : now', 'now'),
    ('deque.h', 'pn_deque_add', 'pn_deque_publish(deque)', '(void)0'),
    ('deque.h', 'pn_deque_pop_at', 'pn_load_relaxed(&deque->split) <= bottom', 'true'),
    ('deque.h', 'pn_deque_pop_if', 'pn_load_relaxed(pn_deque_slot(deque, bottom - 1)) != task',
     'false'),
    ('deque.h', 'pn_deque_pop_if', 'pn_load_relaxed(&deque->top) == bottom', 'false'),
    ('ask.h', 'pn_ask_no_more', 'pn_deque_count(deque) < enough', 'false'),
    ('ask.h', 'pn_ask_no_more', 'pn_deque_is_requested(deque)', 'false'),
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
    ('task.h', 'pn_task_runs_at', 'pn_task_runner(task) == runner', 'true'),
    ('task.h', 'pn_task_runs_at', '!pn_task_is_done(task)', 'true'),
    ('task.c', 'pn_task_run_at', 'task->first = first', 'task->first = 0'),
    ('task.c', 'pn_task_forget_runner', 'pn_store_relaxed(&run->task->link, NULL)', '(void)0'),
    ('task_quick.h', 'pn_task_run_own', 'pn_store_relaxed(&task->state, PN_TASK_DONE)',
     '(void)0'),
    ('task_quick.h', 'pn_task_drop_quickly',
     '!(pn_load_acquire(&task->state) & PN_TASK_IN_QUEUE)', 'true'),
    ('task.c', 'pn_task_take', 'seen & PN_TASK_DROPPED', 'false'),
    ('task.c', 'pn_task_drop', 'pn_load_acquire(&task->state) & PN_TASK_IN_QUEUE', 'false'),
    ('waiter.c', 'wait', 'if («satisfied(waiter, fired, or_canceled, &seen)»)', 'false'),
    ('waiter.c', 'wait_long', 'return «satisfied(waiter, fired, or_canceled, &seen)»',
     'false'),
    ('waiter.c', 'wait_long', '«seen | PN_WAITER_PARKED»))', 'seen'),
    ('waiter.c', 'pn_waiter_signal', '~PN_WAITER_PARKED', '~0u'),
    ('waiter.c', 'pn_waiter_wait_canceled',
     '(void)pn_waiter_wait(waiter, UINT32_MAX, true, INT64_MAX, 0)', '(void)0'),
    ('cancel.c', 'pn_cancel_request',
     '(seen & PN_CANCEL_REQUESTED) && !(seen & PN_CANCEL_INHERITED)', 'false'),
    ('cancel.c', 'pn_cancel_enter', 'if («seen & PN_CANCEL_ARMED»)', 'false'),
    ('cancel.c', 'pn_cancel_leave', '(seen & ~PN_CANCEL_FLAGS) == (uintptr_t)waiter', 'true'),
    ('cancel.c', 'pn_cancel_leave', 'pn_waiter_wait_canceled(waiter)', '(void)0'),
    ('cancel.c', 'pn_cancel_show', 'if («seen & PN_CANCEL_REQUESTED»)', 'false'),
    ('lock.c', 'pn_lock_try', '!(seen & (HELD | CONTENDED))', 'true'),
    ('lock.c', 'pn_lock', 'i -= (seen & SPINNING) != 0', '(void)0'),
    ('lock.c', 'pn_unlock', 'pn_load_relaxed(lock) & SPINNING', 'false'),
    ('lock.c', 'pn_lock', 'exchange_acquire(lock, «CONTENDED»)', 'HELD'),
    ('parking.c', 'enlist', 'park->may_sleep(park)', 'true'),
    ('parking.c', 'enlist', 'sleeps = «park->may_sleep(park)»', LOOKED_UNCOUNTED),
    ('parking.c', 'delist', 'parked->link != NULL', 'true'),
    ('parking.c', 'wait_parked', 'delist(bucket, parked)', '(delist(bucket, parked), true)'),
    ('parking.c', 'wait_parked', '(void)pn_waiter_wait(&parked->waiter, 1, false, INT64_MAX, 0)',
     '(void)0'),
    ('parking.c', 'pn_parking_unpark', '!unpark->settle', 'true'),
    ('parking.c', 'pn_parking_unpark', 'chosen = next', 'chosen = chosen->next'),
    ('parking.c', 'enlist', 'pn_lock(&bucket->lock)', '(void)0'),
    ('parking.c', 'delist', 'pn_lock(&bucket->lock)', '(void)0'),
    ('parking.c', 'pn_parking_unpark', 'pn_lock(&bucket->lock)', '(void)0'),
    ('mutex.c', 'is_still_locked', 'if («!(seen & LOCKED)»)', 'false'),
    ('mutex.c', 'is_still_locked', 'seen | PARKED', 'seen'),
    ('mutex.c', 'is_still_locked', 'locker->is_woken ? WOKEN : 0', '0'),
    ('mutex.c', 'take', 'locker->is_woken ? WOKEN : 0', '0'),
    ('mutex.c', 'settle', 'remaining ? 0 : PARKED', 'PARKED'),
    ('mutex.c', 'settle', 'remaining ? 0 : PARKED', '0'),
    ('mutex.c', 'pass_on', '(seen & PARKED) && !(seen & LOCKED)', 'false'),
    ('mutex.c', 'pinion_mutex_unlock', '(seen & PARKED) && !(seen & WOKEN)', 'false'),
    ('rwlock.c', 'is_free_for', 'WRITER | PARKED', 'WRITER'),
    ('rwlock.c', 'is_taken', 'is_free_for(seen, park->kind & ~URGENT)', 'false'),
    ('rwlock.c', 'is_taken', 'seen | PARKED', 'seen'),
    ('rwlock.c', 'is_taken', 'locker->is_woken ? WOKEN : 0', '0'),
    ('rwlock.c', 'join', 'seen & WRITER', 'false'),
    ('rwlock.c', 'begin', '!release->leaving && !join(release)', 'false'),
    ('rwlock.c', 'begin', 'held(«pn_load_relaxed(word) - release->leaving»)',
     'pn_load_relaxed(word)'),
    ('rwlock.c', 'begin', 'release->has_left = true', '(void)0'),
    ('rwlock.c', 'may_grant', '!((release->held | release->granted) & WRITER)', 'true'),
    ('rwlock.c', 'may_grant', 'release->held == 0', 'true'),
    ('rwlock.c', 'may_grant', 'release->granted == 0', 'true'),
    ('rwlock.c', 'settle', 'remaining ? 0 : PARKED', 'PARKED'),
    ('rwlock.c', 'settle', 'remaining ? 0 : PARKED', '0'),
    ('rwlock.c', 'settle', 'remaining && held(next) == 0 && !(next & WOKEN)', 'false'),
    ('rwlock.c', 'unlock', '(seen & (PARKED | WOKEN)) == PARKED', 'false'),
    ('rwlock.c', 'give_up', 'pn_fetch_and_acq_rel(&locker->lock->word, ~WOKEN)', '(void)0'),
    ('rwlock.c', 'give_up', 'let_go(io, locker->lock, 0)', '(void)0'),
    ('rwlock.c', 'lock_as', 'locker.is_woken ? WOKEN : 0', '0'),
    ('idle.c', 'take_bit', 'pn_fetch_and_seq_cst(word, ~bit_of(worker)) & bit_of(worker)',
     '(pn_fetch_and_seq_cst(word, ~bit_of(worker)), true)'),
    ('idle.c', 'rouse', 'pn_fetch_add_seq_cst(&node->searching, 1)', '(void)0'),
    ('idle.c', 'rouse', 'pn_fetch_sub_seq_cst(&node->sleeping, 1)', '(void)0'),
    ('idle.c', 'find_sleeper', 'pn_load_seq_cst(&idle->nodes[i].sleeping) > 0', 'false'),
    ('idle.c', 'pay', 'woken < pn_load_relaxed(&counters->queued)', 'true'),
    ('idle.c', 'pn_idle_pick', 'pay_back(payer)', '(void)0'),
    ('idle.c', 'pn_idle_is_settled', 'woken <= taken', 'true'),
    ('idle.c', 'pn_idle_lie_down',
     'pn_fetch_or_seq_cst(&idle->bits[worker / WORD_BITS], bit_of(worker))', '(void)0'),
    ('idle.c', 'pn_idle_lie_down', 'pn_fetch_add_seq_cst(&node->sleeping, 1)', '(void)0'),
    ('idle.h', 'pn_idle_search', 'pn_fetch_add_seq_cst(&idle->nodes[node].searching, 1)',
     '(void)0'),
]

# Reasons that several share.
RELEASES = 'only the release is needed; there is no change that releases alone in atomic.h'
BEHIND = ('who reads it has read searching first, as 0: from the change in lie_down, or from one '
          'that goes on with its release sequence, so it sees what came before that')
LATE = ('a count that is seen late, and so too high, is a look in vain; a worker that rose or was '
        'picked looks at every queue again, after it next lay down')

LETS_GO = 'equivalent: it publishes nothing, and let_go looks at the word after it'
ZEROED = ('a hint; what is read by it is 0 at first for every thread in the model, where the '
          'product must publish that')
SEEN = ('who has seen a task in its queue sees the counters that it is counted in, which were '
        'added before; and the model does not watch next, which is plain')
TWICE = ('one of the two walks is enough to see who is new: a task taken that is not counted is a '
         'look in vain, and the second walk sees no less than the first; and the model does not '
         'watch next, which is plain')
LOOKED = 'equivalent: it is looked at under the lock, too; this saves the lock'
CLEARS = ('equivalent by the rules of C++20: a load in the total order that reads what another '
          'thread cleared comes before the store that follows. C17 says so of ordered stores only; '
          'Relacy knows no such difference')
PLAIN = ('the model does not watch the plain fields of a waiter, which are what it is for')
CLAIMED = ('equivalent: one of take and claim wins by the order of the changes alone; the content '
           "was published by the queue to the one, and is the other's own")

# Why a mutant lives: (file, function, beginning of the text, what became of it or, of an order,
# '*'): reason.
SURVIVORS = {
    ('deque.h', 'pn_deque_has_room', 'pn_load_acquire(&deque->top)', 'relaxed'):
        'a thief would have to read the slot after it had moved top: Relacy runs each thread in '
        "its program's order, and so sees no load of a value that is stored later",
    ('deque.h', 'pn_deque_pop_if', 'pn_load_relaxed(&deque->top) == bottom', 'false'):
        'equivalent: pn_deque_take_back finds out, too; this saves the lock',
    ('deque.c', 'pn_deque_steal', 'is_any_public(', 'true'): LOOKED,
    ('deque.c', 'pn_deque_steal_since', 'is_any_public(', 'true'): LOOKED,
    ('ask.h', 'pn_let_ask', 'pn_plain_store_seq_cst(', 'release'): CLEARS,
    ('ask.h', 'pn_let_ask', 'pn_plain_store_seq_cst(', 'relaxed'): CLEARS,
    ('ask.h', 'pn_ask_no_more', 'pn_deque_is_requested(deque)', 'false'):
        'a request that is missed is made again by who searches, and met by force before it sleeps',
    ('future.c', 'announce', 'pn_store_release(&is_announced', 'relaxed'):
        'equivalent: the heavy fence before it orders what came before for who reads it',
    ('future.c', 'pn_future_let_go', 'pn_fetch_sub_acq_rel(', 'release'): RELEASES,
    ('waiter.c', 'wait_long', 'pn_cas_acq_rel(', 'release'): RELEASES,
    ('waiter.c', 'wait', 'if (satisfied(', 'false'):
        'equivalent: the loop looks first, too; this saves a spin',
    ('waiter.c', 'wait_long', 'return satisfied(', 'false'):
        'equivalent: who is told that time is over takes itself out of where the signal would come '
        'from, or else waits for it',
    ('waiter.c', 'sleep_parked', 'pn_fetch_and_acq_rel(', '*'):
        'equivalent: it publishes nothing, and satisfied() acquires after it',
    ('task.c', 'pn_task_finish', 'pn_exchange_acq_rel(', 'release'): PLAIN,
    ('task.c', 'pn_task_take', 'pn_cas_acq_rel(', '*'): CLAIMED,
    ('task.h', 'pn_task_claim', 'pn_cas_acq_rel(', '*'): CLAIMED,
    ('bias.h', 'pn_bias_enter', 'pn_store_release(&bias->is_inside, 0u)', '*'):
        'equivalent in C17: a store of the same thread goes on with the release sequence that its '
        'last leave began',
    ('task.c', 'take_concurrent', 'pn_fetch_and_acq_rel(', '*'):
        'equivalent: the closure comes by the queue, and the waiter is acquired at the end, from a '
        'release sequence that this goes on with',
    ('task.c', 'pn_task_run_claimed', 'pn_fetch_add_acq_rel(', '*'):
        'equivalent for the thread that claimed it, which also uses the result; what frees the '
        'tombstone is ordered by drop',
    ('task.c', 'pn_task_add_waiter', 'pn_cas_acq_rel(', 'acquire'): PLAIN,
    ('task.c', 'pn_task_remove_waiter', 'pn_cas_acq_rel(', '*'):
        'equivalent for who waits for the signal after, as it must: that acquires what it told',
    ('cancel.c', 'pn_cancel_enter', 'pn_cas_acq_rel(', 'release'): RELEASES,
    ('cancel.c', 'pn_cancel_leave', 'pn_cas_acq_rel(', '*'):
        'equivalent: it publishes nothing; where another has the waiter, the wait for it acquires',
    ('cancel.c', 'pn_cancel_show', 'pn_cas_acq_rel(', 'release'): RELEASES,
    ('cancel.c', 'pn_cancel_renew', 'pn_cas_acq_rel(', '*'):
        "equivalent: it goes on with the request's release sequence, so who delivers it or sees "
        'it later acquires what came before the request',
    ('cancel.c', 'pn_await_enter_all', 'while (', 'once'):
        'not reached: no thread of a model is in two awaits of what it runs itself; the suites are',
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
    ('rwlock.c', 'begin', 'pn_fetch_sub_acq_rel(', 'release'): RELEASES,
    ('rwlock.c', 'unlock', 'pn_cas_acq_rel(', 'release'): RELEASES,
    ('rwlock.c', 'give_up', 'pn_fetch_and_acq_rel(', 'acquire'): LETS_GO,
    ('rwlock.c', 'give_up', 'pn_fetch_and_acq_rel(', 'release'): LETS_GO,
    ('rwlock.c', 'give_up', 'pn_fetch_and_acq_rel(', 'relaxed'): LETS_GO,
    ('remote.h', 'pn_remote_push', 'pn_cas_acq_rel(', 'release'): RELEASES,
    ('idle.c', 'is_asleep', 'pn_', '*'): BEHIND,
    ('idle.c', 'pn_idle_is_hungry', 'pn_load_seq_cst(&idle->nodes[i].searching)', '*'):
        'who still searches looks at every queue when it stops, or leaves that to the last',
    ('idle.c', 'pay', 'while (', 'once'):
        'equivalent: who changed it meanwhile wakes one, which will look at every queue, or pays '
        'back and then looks for a sleeper itself, with the task queued',
    ('idle.c', 'pay_with_any', 'pn_load_acquire(&idle->payer)', '*'): ZEROED,
    ('idle.c', 'pay_with_any', 'pn_store_release(&idle->payer', '*'): ZEROED,
    ('idle.c', 'pay_with_any', 'pn_load_seq_cst(&idle->counted)', '*'): SEEN,
    ('idle.c', 'pn_idle_is_settled', 'pn_load_seq_cst(&idle->counted)', '*'): TWICE,
    ('idle.c', 'pn_idle_is_settled', 'pn_load_acquire(&counters->tasks)', 'relaxed'):
        'Relacy runs loads in the order of the program: who has read that a task was taken then '
        'reads the newest woken of sequentially consistent changes, so what paid for it, too',
    ('idle.c', 'take_bit', 'pn_', '*'): BEHIND,
    ('idle.c', 'find_sleeper', 'pn_load_seq_cst(&home->sleeping)', '*'): BEHIND,
    ('idle.c', 'find_sleeper', 'pn_load_seq_cst(&idle->nodes[i].sleeping)', '*'): BEHIND,
    ('idle.c', 'pn_idle_lie_down', 'pn_fetch_or_seq_cst(', '*'): BEHIND,
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


class Edit(NamedTuple):
    """What text[start:end] becomes, so that a program can choose: text[inner:end] between two."""
    start: int
    inner: int
    end: int
    before: str
    after: str


class Mutant(NamedTuple):
    """A place in a file, what stands there, and what becomes of it. argument: what tells a model to
    choose it. edit: None if it is an order."""
    path: str
    line: int
    function: str
    text: str
    change: str
    argument: str
    edit: Edit = None


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


def chooses(path, start, change):
    """The argument that chooses an edit, and the expression that it is chosen."""
    number = zlib.crc32(f'{path}:{start}:{change}'.encode())
    return f'look:{number}', f'model_is({number}u)'


def replaced(path, text, start, end, new, change='', shown=None):
    """shown: the range that is printed."""
    line, function = place(text, start)
    change = change or new
    argument, is_chosen = chooses(path, start, change)
    old = ' '.join(text[slice(*(shown or (start, end)))].split())
    kind = '(void)' if new == '(void)0' else ''
    edit = Edit(start, start, end, f'({is_chosen} ? ({new}) : {kind}(', '))')
    return Mutant(path, line, function, old, change, argument, edit)


def weakened(path, text):
    for match in code_matches(ACCESS, text):
        end = call_end(text, match.end() - 1)
        first, function = place(text, match.start())
        last = place(text, end)[0]
        kind = match[1] if match[1] in ('load', 'store', 'fence') else 'change'
        access = ' '.join(text[match.start():end].split())
        for order in WEAKER[kind][match[2]]:
            yield Mutant(path, first, function, access, order,
                         f'{Path(path).name}:{first}-{last}:{order}')


def without_calls(pattern, path, text):
    for match in code_matches(pattern, text):
        end = call_end(text, match.end() - 1)
        yield replaced(path, text, match.start(), end, '(void)0', 'nothing')


def loops_once(path, text):
    for match in code_matches(LOOP, text):
        inner = match.end() - 1
        end = call_end(text, inner)
        line, function = place(text, match.start())
        argument, is_chosen = chooses(path, match.start(), 'once')
        if text[end] == ';': # of a do
            edit = Edit(inner, inner, end, '(', f' && !{is_chosen})')
        else:
            edit = Edit(match.start(), inner, end, 'for (bool once = true; once && ',
                        f'; once = !{is_chosen})')
        condition = ' '.join(text[match.start():end].split())
        yield Mutant(path, line, function, condition, 'once', argument, edit)


def changed_looks(path, text):
    for file, function, old, new in LOOKS:
        if not path.endswith('/' + file):
            continue
        bare = old.replace('«', '').replace('»', '')
        starts = [match.start() for match in re.finditer(re.escape(bare), text)
                  if place(text, match.start())[1] == function]
        if len(starts) != 1:
            sys.exit(f'mutate.py: {path}, {function}: {len(starts)} times {bare!r}; '
                     'LOOKS must name what stands there once')
        start, end = starts[0], starts[0] + len(bare)
        marked = (start + max(old.find('«'), 0),
                  start + old.find('»') - 1 if '»' in old else end)
        yield replaced(path, text, *marked, new, 'nothing' if new == '(void)0' else '',
                       (start, end))


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
            and mutant.text.startswith(beginning)
            and (mutant.change == changes or changes == '*' and not mutant.edit))


def explanation(mutant):
    return next((reason for key, reason in SURVIVORS.items() if explains(key, mutant)), None)


def stale_reasons():
    every = [mutant for path in dict.fromkeys(file for files in MODELS.values() for file in files)
             for mutant in mutants(path)]
    return [key for key in SURVIVORS if not any(explains(key, mutant) for mutant in every)]


def edited(text, edits, start, end):
    """text[start:end] with edits, sorted, each inside or outside of any other."""
    parts = []
    while edits:
        outer = edits[0]
        within = [edit for edit in edits[1:] if edit.end <= outer.end]
        edits = edits[1 + len(within):]
        parts += [text[start:outer.start], outer.before,
                  edited(text, within, outer.inner, outer.end), outer.after]
        start = outer.end
    return ''.join([*parts, text[start:end]])


def overlay(tree, paths):
    """A tree of links to the files of ours, but for those at paths, which have every mutant in them
    to choose from. They include one another by their own folders first, so it takes all of them."""
    for folder in ('src', 'include', 'alloc', 'topology', 'tests/model'):
        for here, _, names in os.walk(ROOT / folder):
            there = tree / Path(here).relative_to(ROOT)
            there.mkdir(parents=True, exist_ok=True)
            for name in names:
                (there / name).symlink_to(Path(here) / name)
    for path in paths:
        text = (ROOT / path).read_text()
        edits = sorted((mutant.edit for mutant in mutants(path) if mutant.edit),
                       key=lambda edit: (edit.start, -edit.end))
        (tree / path).unlink()
        (tree / path).write_text(edited(text, edits, 0, len(text)))


class Builder:
    """Builds a model as the build directory does, from another tree."""

    def __init__(self, build):
        self.build = build.resolve()
        self.entries = {}
        for entry in json.loads((build / 'compile_commands.json').read_text()):
            file = Path(entry['file'])
            if file.parent.name == 'model':
                self.entries[file.name] = entry
        if not self.entries:
            sys.exit(f'mutate.py: {build} builds no models; configure it with -Dmodels=true')

    def command(self, source, tree):
        entry = self.entries[source]
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

    def make(self, source, tree, *more):
        command = [*self.command(source, tree), tree / 'tests' / 'model' / source, *more]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f'mutate.py: {source} with its mutants does not compile:\n{done.stderr}')

    def make_engine(self, tree):
        self.make('engine.cpp', tree, '-c', '-o', tree / 'engine.o')

    def make_model(self, model, tree):
        self.make(f'{model}_model.cpp', tree, tree / 'engine.o', '-o', tree / f'{model}_model')


def run(program, *arguments):
    """The exit status."""
    return subprocess.run(['prlimit', f'--cpu={CPU_SECONDS_MAX}', program, *arguments],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          check=False).returncode


def fate(tree, models, mutant):
    """'killed by …', 'lives' or 'is not reached'."""
    reached = False
    for model in models:
        status = run(tree / f'{model}_model', mutant.argument)
        if status not in (0, 3):
            return f'killed by {model}' + (', which hangs' if status == -SIGXCPU else '')
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
    models = [model for model, its in MODELS.items() if set(its) & set(files)]
    every = [mutant for path in files for mutant in mutants(path)]
    ends = {path: [] for path in files}
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        tree = Path(folder)
        overlay(tree, files)
        builder.make_engine(tree)
        list(pool.map(lambda model: builder.make_model(model, tree), models))

        def judge(mutant):
            return fate(tree, [model for model in models if mutant.path in MODELS[model]], mutant)

        for mutant, end in zip(every, pool.map(judge, every)):
            reason = explanation(mutant)
            is_killed = end.startswith('killed')
            note = ''
            if is_killed == (reason is not None):
                note = '  <-- SURVIVORS says it lives' if is_killed else '  <-- UNEXPLAINED'
            ends[mutant.path].append('bad' if note else 'killed' if is_killed else 'explained')
            print(f'{mutant.path}:{mutant.line} {mutant.function}: {mutant.text} as '
                  f'{mutant.change}: {end}{note}', flush=True)
    for path, its in ends.items():
        count(path, its)
    total = sum(ends.values(), [])
    count('all', total)
    sys.exit(1 if 'bad' in total else 0)


if __name__ == '__main__':
    main()
