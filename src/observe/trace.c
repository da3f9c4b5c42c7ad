/* SPDX-License-Identifier: MIT
 *
 * Traces begin and end here. Between, a thread of ours takes what is in the rings and writes it to
 * the file.
 */
#include <pinion/trace.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include <pinion/error.h>

#include "aside.h"
#include "crew.h"
#include "detail.h"
#include "encode.h"
#include "parts.h"
#include "process.h"
#include "trace.h"

#define RING_BYTES     ((size_t)1 << 20)
#define RING_BYTES_MIN ((size_t)1 << 11)
#define RING_BYTES_MAX ((size_t)1 << 30)

/* The rings are emptied so often, or when one is half full: a ring holds the events of some 30 ms
 * at a million a second. */
#define PERIOD_NS INT64_C(10000000)

/* How long the ticks are compared with the clock, once a process. */
#define CALIBRATION_NS INT64_C(10000000)

/* So much is brought to the file at a time. */
#define WRITE_BYTES ((size_t)256 * 1024)

/* One trace. Written by its thread alone, but what is said otherwise. */
struct trace {
    char *path; /* constant */
    struct pn_aside file;
    struct pn_encoder encoder;
    struct pn_moment begin; /* constant */
    pthread_t thread;       /* constant */
    _Atomic(bool) is_ending; /* by who stops it */
    /* For others to read. */
    _Atomic(int) error; /* that ended it; negative */
    _Atomic(uint64_t) events, dropped, bytes;
};

/* Under control. last: how the last one ended, path: where. */
static pthread_mutex_t control = PTHREAD_MUTEX_INITIALIZER;
static struct trace *current;
static struct trace *lost; /* of a parent of this process: for leak checkers to see */
static struct pinion_trace_stats last;

static uint64_t scale; /* of ticks; 0: not known yet. Written by the first trace's thread */

/* ---- the thread ---- */

static void let_go(struct pn_event_ring *ring)
{
    struct trace *trace = current; /* whose thread this is */
    pn_encoder_let_go(&trace->encoder, ring, pn_now());
}

static void note(struct trace *trace)
{
    uint64_t dropped = trace->encoder.dropped;
    for (const struct pn_event_ring *ring = pn_trace_rings(); ring; ring = ring->next)
        dropped += pn_load_relaxed(&ring->dropped);
    pn_store_relaxed(&trace->events, trace->encoder.events);
    pn_store_relaxed(&trace->dropped, dropped);
    pn_store_relaxed(&trace->bytes, trace->file.bytes);
}

/* Brings what was encoded to the file, if it is much or all is to go. False: the trace is over. */
static bool write_out(struct trace *trace, size_t least)
{
    struct pn_packets *packets = &trace->encoder.packets;
    if (pn_load_relaxed(&trace->error))
        return false;
    int error = packets->is_short ? -ENOMEM : 0;
    if (!error && packets->bytes >= least) {
        error = pn_aside_write(&trace->file, packets->data, packets->bytes);
        packets->bytes = 0;
    }
    if (error) {
        pn_trace_shut();
        pn_store_relaxed(&trace->error, error);
    }
    return !error;
}

static void drain(struct trace *trace)
{
    for (struct pn_event_ring *ring = pn_trace_rings(); ring; ring = ring->next) {
        pn_encoder_take(&trace->encoder, ring);
        if (!write_out(trace, WRITE_BYTES))
            return;
    }
    (void)write_out(trace, 1);
    pn_trace_reap(let_go);
    note(trace);
}

/* Meanwhile the rings take what happens. */
static void calibrate(const struct trace *trace)
{
    const int64_t left = trace->begin.ns + CALIBRATION_NS - pn_now();
    const struct timespec rest = {.tv_nsec = (long)left};
    if (scale)
        return;
    if (left > 0)
        (void)nanosleep(&rest, NULL);
    const struct pn_moment now = pn_moment_now();
    scale = pn_ticks_scale(&trace->begin, &now);
}

static void finish(struct trace *trace)
{
    pn_trace_shut();
    drain(trace);
    pn_trace_reap(let_go); /* all: their spans end */
    (void)write_out(trace, 1);
    note(trace);
}

static void *live(void *argument)
{
    struct trace *trace = argument;
    (void)prctl(PR_SET_NAME, "pinion/trace");
    calibrate(trace);
    pn_encoder_begin(&trace->encoder, &trace->begin, scale);
    for (;;) {
        const uint32_t bell = pn_load_relaxed(&pn_trace_bell); /* the futex orders the rest */
        if (pn_load_acquire(&trace->is_ending)) /* pairs with pinion_trace_stop */
            break;
        if (!pn_load_relaxed(&trace->error))
            drain(trace);
        (void)pn_futex_wait(&pn_trace_bell, bell,
                            pn_load_relaxed(&trace->error) ? INT64_MAX
                                                           : pn_now() + PERIOD_NS);
    }
    finish(trace);
    return NULL;
}

/* All signals are blocked in it: a file that may not grow is an error, and no SIGXFSZ. */
static int start_thread(struct trace *trace)
{
    sigset_t all, former;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &former);
    const int error = pthread_create(&trace->thread, NULL, live, trace);
    (void)pthread_sigmask(SIG_SETMASK, &former, NULL);
    return error ? pn_error(EAGAIN, "no thread can be had to write a trace") : 0;
}

/* ---- start ---- */

static int check(const char *path, const struct pinion_trace_options *options)
{
    const size_t bytes = options->ring_bytes;
    const int error = pn_crew_check_reserved(options->reserved);
    if (error)
        return error;
    if (bytes && (bytes < RING_BYTES_MIN || bytes > RING_BYTES_MAX))
        return pn_error(EINVAL, "ring_bytes is %zu; it takes %zu to %zu, or 0 for %zu", bytes,
                        RING_BYTES_MIN, RING_BYTES_MAX, RING_BYTES);
    if (!path || !*path)
        return pn_error(EINVAL, "a trace needs the name of a file");
    if (current)
        return pn_error(EBUSY, "a trace is on, to %.300s; stop it first", current->path);
    return 0;
}

static void discard(struct trace *trace)
{
    pn_encoder_end(&trace->encoder);
    free(trace->path);
    free(trace);
}

static int start_locked(const char *path, const struct pinion_trace_options *options)
{
    int error = check(path, options);
    if (error)
        return error;
    struct trace *trace = calloc(1, sizeof *trace);
    if (!trace || !(trace->path = strdup(path))) {
        free(trace);
        return pn_error(ENOMEM, "out of memory for a trace");
    }
    error = pn_aside_open(&trace->file, path);
    if (error) {
        discard(trace);
        return error;
    }
    trace->begin = pn_moment_now();
    current = trace;
    pn_trace_open((options->ring_bytes ? options->ring_bytes : RING_BYTES) /
                  sizeof(struct pn_event));
    error = start_thread(trace);
    if (error) {
        pn_trace_shut();
        pn_trace_reap(let_go);
        current = NULL;
        pn_aside_leave(&trace->file);
        discard(trace);
    }
    return error;
}

int pinion_trace_start(const char *path, const struct pinion_trace_options *options)
{
    static const struct pinion_trace_options defaults;
    const int saved = errno;
    (void)pthread_mutex_lock(&control);
    const int error = start_locked(path, options ? options : &defaults);
    (void)pthread_mutex_unlock(&control);
    errno = saved;
    return error;
}

/* ---- stop ---- */

static struct pinion_trace_stats stats_of(const struct trace *trace)
{
    const int error = pn_load_relaxed(&trace->error);
    return (struct pinion_trace_stats){.is_on = !error,
                                       .error = error,
                                       .events = pn_load_relaxed(&trace->events),
                                       .dropped = pn_load_relaxed(&trace->dropped),
                                       .bytes = pn_load_relaxed(&trace->bytes)};
}

static int stop_locked(void)
{
    struct trace *trace = current;
    if (!trace)
        return 0;
    pn_store_release(&trace->is_ending, true); /* pairs with live */
    pn_trace_ring_bell();
    (void)pthread_join(trace->thread, NULL);
    int error = pn_load_relaxed(&trace->error);
    if (error)
        pn_aside_leave(&trace->file);
    else if ((error = pn_aside_finish(&trace->file)))
        pn_store_relaxed(&trace->error, error);
    if (error)
        (void)pn_error(-error,
                       "the trace to %.150s ended after %llu bytes: %s; they are in %.150s.part",
                       trace->path, (unsigned long long)pn_load_relaxed(&trace->bytes),
                       strerrordesc_np(-error), trace->path);
    last = stats_of(trace);
    last.is_on = false;
    current = NULL;
    discard(trace);
    return error;
}

int pinion_trace_stop(void)
{
    const int saved = errno;
    (void)pthread_mutex_lock(&control);
    const int error = stop_locked();
    (void)pthread_mutex_unlock(&control);
    errno = saved;
    return error;
}

void pinion_trace_stats(struct pinion_trace_stats *stats)
{
    (void)pthread_mutex_lock(&control);
    *stats = current ? stats_of(current) : last;
    (void)pthread_mutex_unlock(&control);
}

void pn_trace_describe(char *words, size_t size)
{
    words[0] = '\0';
    (void)pthread_mutex_lock(&control);
    if (current) {
        const struct pinion_trace_stats stats = stats_of(current);
        if (stats.error)
            (void)snprintf(words, size, "trace: to %s.part, ended by an error: %s", current->path,
                           strerrordesc_np(-stats.error));
        else
            (void)snprintf(words, size, "trace: to %s, %llu events, %llu lost", current->path,
                           (unsigned long long)stats.events, (unsigned long long)stats.dropped);
    }
    (void)pthread_mutex_unlock(&control);
}

/* ---- PINION_TRACE ---- */

static unsigned loaded_in;        /* pn_process() of who has no traced parent. Constant */
static _Atomic(unsigned) obeyed;  /* … and of who has looked; written under control */

static int obey_locked(const char *pattern)
{
    char path[PN_PATH_BYTES];
    bool is_per_process;
    int error = pn_trace_expand(pattern, path, &is_per_process);
    if (!error && loaded_in != pn_process() && !is_per_process)
        return 0; /* the file is its parent's */
    if (!error)
        error = start_locked(path, &(struct pinion_trace_options){0});
    if (!error)
        return 0;
    return pn_error(EINVAL, "PINION_TRACE: %s", pinion_error_detail());
}

/* Once a process, by whoever is first; a trace that the program began itself is left alone. */
static int obey(void)
{
    int error = 0;
    if (pn_load_acquire(&obeyed) == pn_process()) /* whoever is first is done */
        return 0;
    (void)pthread_mutex_lock(&control);
    const char *pattern = getenv("PINION_TRACE");
    if (pn_load_relaxed(&obeyed) != pn_process() && !current && pattern && *pattern)
        error = obey_locked(pattern);
    if (!error)
        pn_store_release(&obeyed, pn_process()); /* pairs with the look above */
    (void)pthread_mutex_unlock(&control);
    return error;
}

/* ---- the end of the process, and its children ---- */

__attribute__((destructor)) static void end(void) { (void)pinion_trace_stop(); }

static void before_fork(void) { (void)pthread_mutex_lock(&control); }

/* The thread is the parent's, and so is the file. What the encoder has may be in the middle of a
 * change: it is left alone. */
static void after_fork(bool is_child)
{
    if (is_child && current) {
        pn_aside_leave(&current->file);
        lost = current;
        current = NULL;
    }
    (void)pthread_mutex_unlock(&control);
}

__attribute__((constructor)) static void begin(void)
{
    pn_fork_register(PN_FORK_TRACE, before_fork, after_fork);
    loaded_in = pn_process();
    pn_trace_obey_environment = obey;
}
