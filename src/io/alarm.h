/* SPDX-License-Identifier: MIT
 *
 * A timer of one thread, which interrupts the system call that it is in: it sends the thread the
 * signal that cancels use (interrupt.h).
 */
#ifndef PN_ALARM_H
#define PN_ALARM_H

#include <stdbool.h>
#include <stdint.h>

/* Zero: there is none. process, signal: those that it was made for; a child of fork has none of its
 * parent's. Used by its thread alone. */
struct pn_alarm {
    unsigned process;
    int signal;
    int timer;
};

/* Has the calling thread sent the signal at that time (ns of CLOCK_MONOTONIC), and then every
 * interval ns; 0: once. False: there is no signal to send, or no timer to be had. */
bool pn_alarm_set(struct pn_alarm *alarm, int64_t at, int64_t interval);

/* No more signals come: one that was sent has arrived when this returns, if the thread doesn't
 * block it. */
void pn_alarm_clear(struct pn_alarm *alarm);

/* When the thread ends. */
void pn_alarm_fini(struct pn_alarm *alarm);

#endif
