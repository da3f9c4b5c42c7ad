/* SPDX-License-Identifier: MIT
 *
 * A task between its queue, its runner, its future and those who ask that it be canceled: it is run
 * once and freed once, nobody touches it after, who awaits it wakes, and nobody touches the waiter
 * after that has gone.
 *
 * Restates pn_task_claim of src/io/task.h; pn_task_run_own of src/io/task_quick.h; pn_task_take,
 * pn_task_run_claimed, pn_task_finish, pn_task_add_waiter, pn_task_remove_waiter and pn_task_drop of
 * src/io/task.c; pn_waiter_signal and pn_waiter_wait of src/io/waiter.c; pn_future_hold,
 * pn_future_let_go and pn_future_retire of src/io/future.c; pool_take_own and pool_claimed of
 * src/pool/spawn.c; and the order in which src/io/interface.c calls them.
 *
 * Abstracts: memory is sequentially consistent (task_model.cpp, waiter_model.cpp and
 * future_model.cpp have their orders); a word of several parts is several variables, changed in one
 * step where the product does by one compare-and-swap; the queue has one entry.
 */
mtype = {QUEUED, RUNNING, DONE};

/* The task's state. */
mtype phase = QUEUED;
bool in_queue = true, is_dropped, has_waiter;
byte runs, frees;

bool has_entry = true; /* the queue's slot */
bool has_task = true;  /* the future's pointer */
byte requesters;       /* of its stripe */
bool is_requested, is_announced;
byte left = 4;         /* processes that are not done */

/* The waiter, on the stack of who awaits. */
byte fired;
bool is_parked, in_futex, is_gone;
bool is_spurious = true; /* once (more would hide a wake that is lost) it wakes for no reason */

#define MUST_BE_THERE assert(frees == 0)

inline free_task()
{
    atomic {
        MUST_BE_THERE;
        frees++
    }
}

inline run_function()
{
    atomic {
        MUST_BE_THERE;
        runs++;
        assert(runs == 1)
    }
}

/* ---- who takes entries out of the queue ---- */

inline signal()
{
    atomic {
        assert(!is_gone);
        fired++;
        must_wake = is_parked;
        is_parked = false
    }
#ifndef MUTANT_SIGNALS_WITHOUT_A_WAKE
    if
    :: must_wake -> in_futex = false
    :: else
    fi
#endif
}

inline finish()
{
#ifndef MUTANT_FINISHES_IN_TWO_STEPS
    atomic {
        MUST_BE_THERE;
        must_signal = has_waiter;
        phase = DONE;
        has_waiter = false
    }
#else
    must_signal = has_waiter;
    atomic { phase = DONE; has_waiter = false }
#endif
#ifndef MUTANT_FINISHES_WITHOUT_A_SIGNAL
    if
    :: must_signal -> signal()
    :: else
    fi
#endif
}

inline take_tombstone()
{
    atomic {
        MUST_BE_THERE;
        in_queue = false;
        must_free = is_dropped
    }
#ifndef MUTANT_LEAVES_TOMBSTONES
    if
    :: must_free -> free_task()
    :: else
    fi
#endif
}

proctype taker()
{
    bool must_signal, must_wake, must_free;
    if
    :: atomic { has_entry -> has_entry = false };
        if
#ifndef MUTANT_TAKES_IN_TWO_STEPS
        :: atomic { phase == QUEUED -> MUST_BE_THERE; phase = RUNNING; in_queue = false };
#else
        :: phase == QUEUED -> phase = RUNNING; in_queue = false;
#endif
            run_function();
            finish()
        :: phase != QUEUED -> take_tombstone()
        fi
    :: !has_entry
    fi;
    left--
}

/* ---- who uses the future ---- */

inline wait()
{
    do
    :: fired > 0 -> break
    :: fired == 0 ->
#ifndef MUTANT_SLEEPS_UNPARKED
        is_parked = true;
#endif
#ifndef MUTANT_KERNEL_DOES_NOT_COMPARE
        atomic {
            if
            :: fired == 0 -> in_futex = true
            :: else
            fi
        }
#else
        in_futex = true;
#endif
        if
        :: !in_futex
        :: atomic { is_spurious && in_futex -> in_futex = false; is_spurious = false }
        fi
    od
}

inline add_waiter()
{
    if
#ifndef MUTANT_ADDS_A_WAITER_TO_WHAT_IS_DONE
    :: atomic { phase == RUNNING -> has_waiter = true };
#else
    :: phase == RUNNING -> has_waiter = true;
#endif
        is_waiting = true
    :: phase == DONE
    fi
}

/* As where several are waited for, and another was done first. */
inline remove_waiter()
{
    if
    :: atomic { has_waiter -> has_waiter = false };
        is_waiting = false
#ifdef MUTANT_LEAVES_WITH_A_SIGNAL_OWED
    :: atomic { !has_waiter -> is_waiting = false }
#else
    :: !has_waiter
#endif
    fi
}

inline await()
{
    if
    :: phase == DONE
#ifndef MUTANT_TAKES_ITS_OWN_IN_TWO_STEPS
    :: atomic { has_entry -> has_entry = false }; /* the youngest of its own queue */
#else
    :: has_entry -> has_entry = false;
#endif
        atomic { phase = RUNNING; in_queue = false };
        run_function();
        phase = DONE
    :: phase != DONE ->
        if
#ifndef MUTANT_CLAIMS_IN_TWO_STEPS
        :: atomic { phase == QUEUED -> phase = RUNNING };
#else
        :: phase == QUEUED -> phase = RUNNING;
#endif
            if
            :: atomic { has_entry -> has_entry = false };
                in_queue = false
            :: true
            fi;
            run_function();
            phase = DONE
        :: phase != QUEUED ->
            do
            :: !is_waiting && phase == DONE -> break
            :: !is_waiting -> add_waiter()
            :: is_waiting -> remove_waiter()
            :: is_waiting -> wait(); break
            od
        fi
    fi
}

inline retire()
{
#ifndef MUTANT_RETIRES_AFTER_THE_LOOK
    has_task = false;
#endif
#ifndef MUTANT_RETIRES_WITHOUT_A_LOOK
    if
    :: is_requested -> requesters == 0
    :: else
    fi;
#endif
#ifdef MUTANT_RETIRES_AFTER_THE_LOOK
    has_task = false;
#endif
}

inline drop()
{
    if
#ifndef MUTANT_DROPS_WITHOUT_A_LOOK
    :: in_queue ->
        atomic {
            MUST_BE_THERE;
            is_dropped = true;
            must_free = !in_queue
        }
        if
        :: must_free -> free_task()
        :: else
        fi
#endif
    :: else -> free_task()
    fi
}

proctype awaiter()
{
    bool is_waiting, must_free;
    await();
    is_gone = true;
    assert(runs == 1 && phase == DONE);
    MUST_BE_THERE;
    retire();
    drop();
    left--
}

/* ---- who asks that it be canceled ---- */

proctype requester()
{
    bool is_held;
    if
    :: !is_announced ->
#ifndef MUTANT_ANNOUNCES_BEFORE_IT_SAYS_SO
        is_requested = true;
        is_announced = true
#else
        is_announced = true;
        is_requested = true
#endif
    :: is_announced
    fi;
#ifdef MUTANT_HOLDS_AFTER_THE_LOOK
    is_held = has_task;
#endif
    requesters++;
#ifndef MUTANT_HOLDS_AFTER_THE_LOOK
    is_held = has_task;
#endif
    if
    :: is_held ->
        MUST_BE_THERE; /* its cancel word is changed */
        MUST_BE_THERE  /* and where it waits is told */
    :: else
    fi;
    requesters--;
    left--
}

proctype end()
{
    left == 0;
    assert(runs == 1 && frees == 1);
    assert(requesters == 0 && !has_entry)
}

init
{
    atomic {
        run taker();
        run awaiter();
        run requester();
        run requester();
        run end()
    }
}
