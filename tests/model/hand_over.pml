/* SPDX-License-Identifier: MIT
 *
 * Reservations: a task that is handed to a reserve thread is run once, by a thread that nobody else
 * has, whatever deadline passes meanwhile; its reservation ends before it is seen to be done; and
 * the pool's end finds every thread.
 *
 * Restates reserve_locked, pn_pool_reserve_run, start_reserve, pn_pool_reserve_ended,
 * pn_pool_retire, pn_pool_join and thread_main of src/pool/threads.c, and wait_for_command,
 * run_reserved and reserve_live of src/pool/worker.c. How a thread sleeps is in signal.pml.
 *
 * Abstracts: memory is sequentially consistent; what is done under the pool's lock is one step; a
 * thread can always be had; there is one node; no thread takes a seat or stands in for another.
 */
#define SLOTS 2
#define TASKS 3

#define DEADLINES
inline time_out(slot)
{
#ifndef MUTANT_TIMES_OUT_OVER_A_SIGNAL
    if
    :: atomic { signal[slot] == SLEEPING -> signal[slot] = CALM }
    :: signal[slot] != SLEEPING
    fi
#else
    signal[slot] = CALM
#endif
}
#include "signal.pml"

#define NOTHING 0 /* a command: else the number of a task */
byte command[SLOTS];

/* Under the pool's lock. */
bool has_thread[SLOTS], is_listed[SLOTS], is_expiring[SLOTS];
byte threads, parallel_count, starting;
bool ending;
byte base_limit; /* nobody sits there, so as many threads may stay idle */

byte runs[TASKS + 1];
bool is_done[TASKS + 1];
byte spawners = 2, refused;

#define CAPACITY (base_limit + parallel_count)
#define SURPLUS (threads > CAPACITY)
#define EXPIRES(slot) (is_listed[slot] && is_expiring[slot])

/* A thread becomes surplus only by the end of a reservation, whose thread then expires, or ends
 * with the pool. */
inline check_surplus()
{
    assert(ending || EXPIRES(0) + EXPIRES(1) + CAPACITY >= threads)
}

inline retire()
{
    atomic {
        if
#ifndef MUTANT_RETIRES_WITH_A_COMMAND
        :: is_listed[me] && SURPLUS ->
#else
        :: SURPLUS ->
#endif
            is_listed[me] = false;
            is_retired = true;
            threads--
        :: else
        fi;
        is_expiring[me] = false;
        check_surplus()
    }
}

inline wait_for_command()
{
    do
    :: has_deadline[me] = is_expiring[me];
        sleep_until_signaled(me);
        if
        :: signal[me] == SIGNALED ->
#ifndef MUTANT_STAYS_SIGNALED
            calm(me);
#endif
            break
        :: else ->
            retire();
            if
            :: is_retired -> break
            :: else
            fi
        fi
    od
}

inline end_reservation()
{
    atomic {
        parallel_count--;
#ifndef MUTANT_IS_LISTED_AFTER_THE_END
        goes_on = !ending;
#else
        goes_on = true;
#endif
        if
        :: goes_on ->
#ifndef MUTANT_NEVER_EXPIRES
            is_expiring[me] = SURPLUS;
#endif
            is_listed[me] = true
        :: else
        fi;
        check_surplus()
    }
}

proctype reserve(byte me)
{
    byte task;
    bool is_retired, goes_on = true;
    do
    :: wait_for_command();
        if
        :: is_retired -> break
        :: else
        fi;
        atomic {
            task = command[me];
            command[me] = NOTHING
        }
        if
        :: task == NOTHING -> break
        :: else
        fi;
        runs[task]++;
#ifdef MUTANT_IS_DONE_BEFORE_THE_RESERVATION_ENDS
        is_done[task] = true;
#endif
        end_reservation();
        atomic {
            is_done[task] = true;
            task = NOTHING
        }
        if
        :: !goes_on -> break
        :: else
        fi
    od;
    atomic {
        has_thread[me] = false;
        if
        :: !is_retired -> threads--
        :: else
        fi
    }
}

/* An idle thread, any, else a slot for a new one. There is always one; here it may be that of a
 * thread that has retired and is not gone yet, so this waits. */
inline reserve_one()
{
    atomic {
        ending || is_listed[0] || is_listed[1] || !has_thread[0] || !has_thread[1];
        is_new = false;
        is_refused = ending;
        if
        :: is_refused
        :: !is_refused && is_listed[0] -> slot = 0
        :: !is_refused && is_listed[1] -> slot = 1
        :: !is_refused && !is_listed[0] && !is_listed[1] ->
            is_new = true;
            slot = (has_thread[0] -> 1 : 0);
            has_thread[slot] = true;
            threads++;
            starting++
        fi;
        if
        :: !is_refused ->
            is_listed[slot] = false;
            parallel_count++;
            assert(!is_new || threads <= CAPACITY);
#ifndef MUTANT_SIGNALS_BEFORE_THE_COMMAND
            command[slot] = task;
#endif
            check_surplus()
        :: else
        fi
    }
}

inline hand_over()
{
    if
    :: is_new ->
        command[slot] = task;
        signal[slot] = SIGNALED;
        run reserve(slot);
        starting--
    :: else ->
        worker_signal(slot)
#ifdef MUTANT_SIGNALS_BEFORE_THE_COMMAND
        ; command[slot] = task
#endif
    fi
}

/* Spawns and awaits, one after the other. */
proctype spawner(byte task, last)
{
    byte slot;
    bool is_new, is_refused;
    do
    :: task <= last ->
        reserve_one();
        if
        :: is_refused -> refused++
        :: else ->
            hand_over();
            atomic {
                is_done[task];
                slot = 0;
                assert(runs[task] == 1);
                assert(parallel_count < spawners) /* nobody but the others has one */
            }
        fi;
        task++
    :: else -> break
    od;
    spawners--
}

proctype joiner()
{
    byte slot;
    ending = true;
    starting == 0;
    do
    :: slot < SLOTS ->
        if
        :: atomic { is_listed[slot] -> is_listed[slot] = false };
#ifndef MUTANT_ENDS_WITHOUT_A_SIGNAL
            worker_signal(slot)
#endif
        :: !is_listed[slot]
        fi;
        slot++
    :: else -> break
    od;
    !has_thread[0] && !has_thread[1];
    assert(threads == 0 && parallel_count == 0);
    spawners == 0;
    assert(runs[1] + runs[2] + runs[3] + refused == TASKS)
}

init
{
    atomic {
        if
        :: base_limit = 0
        :: base_limit = 1
        fi;
        run spawner(1, 2);
        run spawner(3, 3);
        run joiner()
    }
}
