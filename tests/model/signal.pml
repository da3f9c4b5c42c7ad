/* SPDX-License-Identifier: MIT
 *
 * The signal of a worker's slot, for the models that include this: pn_worker_signal,
 * sleep_until_signaled and calm of src/pool/worker.c. SLOTS is how many there are.
 */
mtype = {CALM, SLEEPING, SIGNALED};

mtype signal[SLOTS] = CALM;
bool in_futex[SLOTS];
#ifdef DEADLINES
bool has_deadline[SLOTS];
bool is_spurious = true;
#endif

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

/* With DEADLINES, a sleeper may time out at any moment if has_deadline[slot], and then does what
 * time_out says; and once (more would hide a wake that is lost) one wakes for no reason. */
inline sleep_until_signaled(slot)
{
    if
#ifndef MUTANT_SLEEPS_OVER_A_SIGNAL
    :: signal[slot] == SIGNALED
#endif
    :: atomic { else -> signal[slot] = SLEEPING };
        do
        :: signal[slot] != SLEEPING -> break
#ifndef MUTANT_KERNEL_DOES_NOT_COMPARE
        :: atomic { signal[slot] == SLEEPING -> in_futex[slot] = true };
#else
        :: signal[slot] == SLEEPING -> in_futex[slot] = true;
#endif
            if
            :: !in_futex[slot]
#ifdef DEADLINES
            :: atomic { in_futex[slot] && is_spurious -> is_spurious = false; in_futex[slot] = false }
            :: atomic { in_futex[slot] && has_deadline[slot] -> in_futex[slot] = false };
                time_out(slot)
#endif
            fi
        od
    fi
}

inline calm(slot)
{
    signal[slot] = CALM
}
