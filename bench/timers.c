/* SPDX-License-Identifier: MIT
 *
 * What a timer of a loop costs, beside a look at the clock, while some are armed: to within 30 s,
 * as timeouts are.
 *
 * "arm and cancel" is a timeout of what comes in time; its timers are at hand, as those of a fiber
 * that runs are. "cancel and arm one of them" takes one at random, so that of a million it is in no
 * cache, nor are its neighbors. "expire and arm" is a sleep that ends: time, which is made up, goes
 * on to the earliest deadline, and what expires is armed anew.
 *
 * It does not measure fibers, nor what it takes to sleep.
 */
#include <stdlib.h>

#include "rounds.h"
#include "timers.h"

#define ROUNDS 15
#define WITHIN INT64_C(30000000000)
#define START  INT64_C(3600000000000)
#define AHEAD  64 /* timers at hand; a power of two */

static const char about[] =
    "What a timer of a loop costs while 1,000, 100,000 and 1,000,000 are armed, beside\n"
    "clock_gettime: armed and canceled, one of them canceled and armed, expired and armed.\n";

/* So many that are armed, made when they are first looked at. */
struct crowd {
    size_t count;
    struct pn_timer *members;
    struct pn_timers timers;
    int64_t now;
};

static uint64_t random_state = 1;

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static void arm(struct crowd *crowd, struct pn_timer *timer)
{
    pn_timers_arm(&crowd->timers, timer,
                  crowd->now + 1 + (int64_t)(random_next() % (uint64_t)WITHIN));
}

static struct crowd *current; /* that expires */

static void arm_again(struct pn_timer *timer)
{
    arm(current, timer);
}

static void fill(struct crowd *crowd)
{
    if (crowd->members)
        return;
    crowd->members = calloc(crowd->count, sizeof *crowd->members);
    if (!crowd->members)
        rounds_die("out of memory");
    crowd->now = START;
    pn_timers_init(&crowd->timers, crowd->now);
    for (size_t i = 0; i < crowd->count; i++) {
        crowd->members[i].expired = arm_again;
        arm(crowd, &crowd->members[i]);
    }
}

static int64_t look_at_clock(void *context, uint64_t n)
{
    (void)context;
    int64_t last = rounds_now();
    const int64_t start = last;
    for (uint64_t i = 0; i < n; i++) {
        const int64_t now = rounds_now();
        if (now < last)
            rounds_die("the clock went back");
        last = now;
    }
    return last - start;
}

static int64_t arm_and_cancel(void *context, uint64_t n)
{
    struct crowd *crowd = context;
    static struct pn_timer ahead[AHEAD];
    fill(crowd);
    const int64_t start = rounds_now();
    for (uint64_t i = 0; i < n; i++) {
        arm(crowd, &ahead[i % AHEAD]);
        if (!pn_timers_cancel(&crowd->timers, &ahead[i % AHEAD]))
            rounds_die("a timer was lost");
    }
    return rounds_now() - start;
}

static int64_t cancel_and_arm(void *context, uint64_t n)
{
    struct crowd *crowd = context;
    fill(crowd);
    const int64_t start = rounds_now();
    for (uint64_t i = 0; i < n; i++) {
        struct pn_timer *timer = &crowd->members[random_next() % crowd->count];
        if (!pn_timers_cancel(&crowd->timers, timer))
            rounds_die("a timer was lost");
        arm(crowd, timer);
    }
    return rounds_now() - start;
}

static int64_t expire_and_arm(void *context, uint64_t n)
{
    struct crowd *crowd = context;
    fill(crowd);
    current = crowd;
    const int64_t start = rounds_now();
    for (uint64_t expired = 0; expired < n;) {
        crowd->now = pn_timers_next(&crowd->timers);
        expired += pn_timers_expire(&crowd->timers, crowd->now);
    }
    return rounds_now() - start;
}

int main(int argc, char **argv)
{
    static struct rounds rounds;
    static struct crowd crowds[] = {{.count = 1000}, {.count = 100000}, {.count = 1000000}};
    static const char *const counts[] = {"1,000", "100,000", "1,000,000"};
    static const struct {
        const char *name;
        rounds_run_fn *run;
    } kinds[] = {{"arm and cancel", arm_and_cancel},
                 {"cancel and arm one of them", cancel_and_arm},
                 {"expire and arm", expire_and_arm}};
    rounds_begin(&rounds, "timers", about, ROUNDS, argc, argv);
    struct rounds_row *clock = rounds_row(&rounds, look_at_clock, NULL, "clock_gettime");
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        for (size_t j = 0; j < sizeof crowds / sizeof crowds[0]; j++)
            rounds_row(&rounds, kinds[i].run, &crowds[j], "%s, %s armed: pinion", kinds[i].name,
                       counts[j])
                ->peers[0] = clock;
    rounds_run(&rounds);
    for (size_t i = 0; i < sizeof crowds / sizeof crowds[0]; i++)
        free(crowds[i].members);
    return rounds_end(&rounds);
}
