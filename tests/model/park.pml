/* SPDX-License-Identifier: MIT
 *
 * Who queues and who sleeps: every task that was queued is run, by as many workers as there are
 * tasks, and a pool that ends ends.
 *
 * Restates pn_worker_signal and pn_worker_sleep of src/crew/rest.c, sleep_for_work, next_task and
 * pn_pool_base_live of src/pool/worker.c, pn_crew_wake of src/crew/queueing.c, begin_search, search,
 * found and lie_down of src/sched/scheduler.c, pn_idle_* of src/sched/idle.c, and from pn_crew_join
 * of src/crew/threads.c what it says to base workers.
 *
 * Abstracts: memory is sequentially consistent (idle_model.cpp has its orders); all queues are one
 * counter; every seat has its thread; nobody spins; all workers are equally near; that enough of
 * them search is found at any moment, since it is a hint; nobody pays for a wake (idle_model.cpp
 * has that).
 *
 * The tasks meet: each goes on only when all have begun, which needs a worker for each, as do tasks
 * that take long. That they wait for each other is what shows a worker that nobody woke.
 */
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef TASKS
#define TASKS 2
#endif
mtype = {CALM, SLEEPING, SIGNALED};

mtype signal[WORKERS] = CALM;
bool in_futex[WORKERS];
byte queued;              /* entries of all queues */
byte pushed, begun, done;
bool ends_early, ending;
byte pushers = 2, workers = WORKERS;

/* Who picks a sleeper takes its bit first and counts it as a searcher after, so that the worker, if
 * it was awake, may be done with its search before: then a count is below zero for a moment. */
#ifndef MUTANT_COUNT_IS_UNSIGNED
#define ARE_SOME(count) (count > 0)
#define IS_LAST(count) (count <= 1)
#else
#define ARE_SOME(count) (count != 0)
#define IS_LAST(count) (count == 1)
#endif
short searching = WORKERS, sleeping; /* who starts a thread counts it as searching */
bool is_down[WORKERS];

inline worker_signal(slot)
{
    if
    :: atomic { signal[slot] == SLEEPING -> signal[slot] = SIGNALED };
#ifndef MUTANT_SIGNAL_WITHOUT_WAKE
        in_futex[slot] = false
#endif
    :: atomic { signal[slot] != SLEEPING -> signal[slot] = SIGNALED }
    fi
}

inline worker_sleep()
{
    if
#ifndef MUTANT_SLEEPS_OVER_A_SIGNAL
    :: signal[me] != CALM
#endif
    :: atomic { else -> signal[me] = SLEEPING };
        do
        :: signal[me] != SLEEPING -> break
#ifndef MUTANT_KERNEL_DOES_NOT_COMPARE
        :: atomic { signal[me] == SLEEPING -> in_futex[me] = true };
#else
        :: signal[me] == SLEEPING -> in_futex[me] = true;
#endif
            !in_futex[me]
        od
    fi
}

/* A look at a bit that another then takes is as one a little later. */
inline wake()
{
    if
    :: ARE_SOME(searching)
    :: else ->
        if
        :: !ARE_SOME(sleeping)
        :: else ->
            sleeper = 0;
            do
            :: atomic { sleeper < WORKERS && !is_down[sleeper] -> sleeper++ }
            :: atomic { sleeper < WORKERS && is_down[sleeper] -> is_down[sleeper] = false };
#ifndef MUTANT_PICKED_IS_NOT_COUNTED
                searching++;
#endif
                sleeping--;
#ifndef MUTANT_PICKED_IS_NOT_SIGNALED
                worker_signal(sleeper);
#endif
                break
            :: sleeper == WORKERS -> break
            od;
            sleeper = 0
        fi
    fi
}

inline push()
{
#ifdef MUTANT_LOOKS_BEFORE_IT_PUSHES
    wake();
#endif
    d_step {
        queued++;
        pushed++
    }
#if !defined MUTANT_LOOKS_BEFORE_IT_PUSHES && !defined MUTANT_PUSHES_WITHOUT_A_LOOK
    wake();
#endif
}

inline lie_down()
{
    is_down[me] = true;
    sleeping++;
    atomic {
        is_last = IS_LAST(searching);
        searching--
    }
}

#ifndef MUTANT_SLEEPS_WITHOUT_A_LOOK_AT_QUEUES
#define SEES_WORK (queued > 0)
#else
#define SEES_WORK false
#endif

inline rise()
{
    if
    :: atomic { is_down[me] -> is_down[me] = false };
        searching++;
        sleeping--
    :: else
    fi
}

inline sleep_for_work()
{
    if
    :: !ending -> worker_sleep()
    :: else
    fi;
    signal[me] = CALM;
    rise()
}

/* Who isn't the last to stop searching leaves the look at the queues to those that go on. */
inline lie_down_and_sleep()
{
#ifndef MUTANT_LOOKS_BEFORE_IT_LIES_DOWN
    lie_down();
    sees_work = is_last && SEES_WORK;
#else
    sees_work = SEES_WORK;
    lie_down();
#endif
    if
    :: sees_work -> sees_work = false; rise()
    :: else -> sleep_for_work()
    fi;
    is_last = false
}

inline look()
{
    d_step {
        found = queued > 0;
        if
        :: found -> queued--
        :: else
        fi
    }
}

inline stop_searching()
{
    if
    :: atomic { IS_LAST(searching) -> searching-- };
#ifndef MUTANT_LAST_SEARCHER_WAKES_NOBODY
        if
        :: queued > 0 -> wake()
        :: else
        fi
#endif
    :: atomic { !IS_LAST(searching) -> searching-- }
    fi
}

proctype worker(byte me)
{
    bool found, is_searching = true, is_last, sees_work;
    byte sleeper;
    if
    :: me > 0 || ends_early
    :: else -> /* it has run an earlier task, as any may have */
        stop_searching();
        is_searching = false
    fi;
    do
    :: true ->
        look(); /* own queue and lane, and then everyone's */
        if
        :: found ->
            if
            :: is_searching -> stop_searching()
            :: else
            fi;
            atomic { begun++; is_searching = false; found = false }
            begun == TASKS;
            done++
        :: !found && !is_searching ->
            atomic { is_searching = true; searching++ }
            if
            :: true
            :: true -> /* enough others search */
#ifndef MUTANT_LEAVES_THE_LOOK_TO_ENOUGH_OTHERS
                lie_down_and_sleep()
#else
                lie_down();
                sleep_for_work()
#endif
            fi
        :: !found && is_searching && ending ->
            if
            :: queued == 0 -> break
            :: else
            fi
        :: !found && is_searching -> lie_down_and_sleep()
        fi
    od;
    searching--;
    workers--
}

/* Whoever queues: a worker, or a thread from outside. */
proctype pusher(byte count)
{
    byte sleeper;
    do
    :: count > 0 ->
        push();
        count--
    :: else -> break
    od;
    pushers--
}

/* Ends the pool when all is done, or earlier. */
proctype ender()
{
    byte w;
    pushers == 0 && (ends_early || done == TASKS);
    ending = true;
    do
    :: w < WORKERS ->
#ifndef MUTANT_ENDS_WITHOUT_A_SIGNAL
        worker_signal(w);
#endif
        w++
    :: else -> break
    od;
    workers == 0;
    assert(queued == 0 && pushed == TASKS && done == TASKS);
    assert(searching == 0 && sleeping == 0)
}

init
{
    byte w;
    atomic {
        if
        :: ends_early = true
        :: true
        fi;
        do
        :: w < WORKERS ->
            run worker(w);
            w++
        :: else -> break
        od;
        run pusher(1);
        run pusher(TASKS - 1);
        run ender()
    }
}
