/* SPDX-License-Identifier: MIT
 *
 * Reservations: a task that is handed to a reserve thread is run once, by a thread that nobody else
 * has, whatever deadline passes meanwhile; its reservation ends before it is seen to be done; and
 * the pool's end finds every thread.
 *
 * Restates reserve_locked, hand_over_locked, hand_over, pn_crew_reserve_run, start_reserve,
 * pn_crew_reserve_ended, pn_crew_lie_down, pn_crew_retire, pn_crew_join and thread_main of
 * src/crew/threads.c, wait_for_signal, wait_for_command and reserve_live of src/crew/rest.c, and
 * pn_pool_run_reserved of src/pool/worker.c.
 *
 * Abstracts: memory is sequentially consistent; what is done under the pool's lock is one step; a
 * thread can always be had; there is one node; no thread takes a seat or stands in for another.
 */
#define SLOTS 2
#define TASKS 3

bool is_signaled[SLOTS], in_futex[SLOTS];
bool is_spurious = true; /* once (more would hide a wake that is lost) one wakes for no reason */

#define NOTHING 0 /* a command: else the number of a task */
byte command[SLOTS];

/* Under the pool's lock. */
bool has_thread[SLOTS], is_listed[SLOTS], is_expiring[SLOTS], is_asleep[SLOTS];
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

/* Its caller wakes it if it sleeps, once it has let go of the lock. */
inline hand_over_locked(slot, what)
{
#ifndef MUTANT_SIGNALS_BEFORE_THE_COMMAND
    command[slot] = what;
#endif
    sleeps = is_asleep[slot];
    is_asleep[slot] = false;
    is_signaled[slot] = true
}

inline wake(slot)
{
    if
    :: sleeps ->
#ifndef MUTANT_SIGNALS_WITHOUT_A_WAKE
        in_futex[slot] = false;
#endif
        sleeps = false
    :: else
    fi
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
        is_asleep[me] = false;
        is_expiring[me] = false;
        check_surplus()
    }
}

/* A thread that expires may time out at any moment. */
inline wait_for_signal()
{
#ifndef MUTANT_SLEEPS_WITHOUT_SAYING_SO
    is_asleep[me] = !is_signaled[me];
#endif
    do
    :: is_signaled[me] -> break
#ifndef MUTANT_KERNEL_DOES_NOT_COMPARE
    :: atomic { !is_signaled[me] -> in_futex[me] = true };
#else
    :: !is_signaled[me] -> in_futex[me] = true;
#endif
        if
        :: !in_futex[me]
        :: atomic { in_futex[me] && is_spurious -> is_spurious = false; in_futex[me] = false }
        :: atomic { in_futex[me] && is_expiring[me] -> in_futex[me] = false; is_late = true };
            break
        fi
    od
}

inline wait_for_command()
{
    do
    :: if
        :: is_signaled[me] /* seen while it spins */
        :: wait_for_signal()
        fi;
        if
        :: !is_late ->
#ifndef MUTANT_STAYS_SIGNALED
            is_signaled[me] = false;
#endif
            break
        :: else ->
            is_late = false;
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
    bool is_retired, is_late, goes_on = true;
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
            check_surplus();
            if
            :: !is_new ->
#ifndef MUTANT_HANDS_OVER_IN_TWO_STEPS
                hand_over_locked(slot, task)
#else
                sleeps = is_asleep[slot]
#endif
            :: else
            fi
        :: else
        fi
    }
}

inline start_or_wake()
{
    if
    :: is_new ->
        atomic {
            command[slot] = task;
            is_signaled[slot] = true;
            run reserve(slot)
        }
        starting--
    :: else ->
#ifdef MUTANT_HANDS_OVER_IN_TWO_STEPS
        atomic {
            command[slot] = task;
            is_signaled[slot] = true
        }
#endif
#ifdef MUTANT_SIGNALS_BEFORE_THE_COMMAND
        command[slot] = task;
#endif
        wake(slot)
    fi
}

/* Spawns and awaits, one after the other. */
proctype spawner(byte task, last)
{
    byte slot;
    bool is_new, is_refused, sleeps;
    do
    :: task <= last ->
        reserve_one();
        if
        :: is_refused -> refused++
        :: else ->
            start_or_wake();
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
    bool sleeps, is_taken[SLOTS];
    ending = true;
    d_step {
        starting == 0;
        is_taken[0] = is_listed[0];
        is_taken[1] = is_listed[1];
        is_listed[0] = false;
        is_listed[1] = false
    }
    do
    :: slot < SLOTS && is_taken[slot] ->
#ifndef MUTANT_ENDS_WITHOUT_A_SIGNAL
        atomic { hand_over_locked(slot, NOTHING) }
        wake(slot);
#endif
        slot++
    :: slot < SLOTS && !is_taken[slot] -> slot++
    :: slot == SLOTS -> break
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
