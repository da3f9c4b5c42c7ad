/* SPDX-License-Identifier: MIT */
#include "watch.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <pinion/task.h>

#include "output.h"
#include "verb.h"

#define REDRAW_MS 100

double seconds_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* ---- Ctrl-C ---- */

/* The one way to stop a walk is to cancel its task. Where nobody can, because it runs in the thread
 * that would await it, a flag does. */
static void interrupt(struct watch *watch)
{
    (void)pthread_mutex_lock(&watch->lock);
    if (watch->interrupted)
        _exit(INTERRUPTED);
    watch->interrupted = true;
    if (watch->future)
        pinion_request_cancel(watch->io, watch->future);
    else
        counter_set(&watch->walk->stop, 1);
    (void)pthread_mutex_unlock(&watch->lock);
}

static void *wait_for_signals(void *argument)
{
    struct watch *watch = argument;
    sigset_t awaited;
    int number;
    (void)sigemptyset(&awaited);
    (void)sigaddset(&awaited, SIGINT);
    (void)sigaddset(&awaited, SIGUSR1); /* ours: the end */
    while (sigwait(&awaited, &number) == 0 && number != SIGUSR1)
        interrupt(watch);
    return NULL;
}

void watch_begin(struct watch *watch, struct walk *walk, struct pinion_io *io)
{
    struct sigaction before;
    sigset_t awaited;
    *watch = (struct watch){.walk = walk, .io = io, .lock = PTHREAD_MUTEX_INITIALIZER};
    if (sigaction(SIGINT, NULL, &before) || before.sa_handler == SIG_IGN)
        return;
    (void)sigemptyset(&awaited);
    (void)sigaddset(&awaited, SIGINT);
    (void)sigaddset(&awaited, SIGUSR1);
    (void)pthread_sigmask(SIG_BLOCK, &awaited, NULL);
    watch->runs = pthread_create(&watch->thread, NULL, wait_for_signals, watch) == 0;
    if (!watch->runs) /* then Ctrl-C just ends the program */
        (void)pthread_sigmask(SIG_UNBLOCK, &awaited, NULL);
}

void watch_task(void *context, struct pinion_future *future)
{
    struct watch *watch = context;
    (void)pthread_mutex_lock(&watch->lock);
    watch->future = future;
    if (future && watch->interrupted)
        pinion_request_cancel(watch->io, future);
    (void)pthread_mutex_unlock(&watch->lock);
}

bool watch_interrupted(struct watch *watch)
{
    (void)pthread_mutex_lock(&watch->lock);
    const bool interrupted = watch->interrupted;
    (void)pthread_mutex_unlock(&watch->lock);
    return interrupted;
}

void watch_end(struct watch *watch)
{
    if (!watch->runs)
        return;
    (void)pthread_kill(watch->thread, SIGUSR1);
    (void)pthread_join(watch->thread, NULL);
}

/* ---- progress ---- */

struct progress {
    struct walk *walk;
    struct pinion_io *io;
    const char *label;
    double began;
    int wake; /* an eventfd */
    struct pinion_future task;
};

static void draw(const struct progress *progress)
{
    static const char wheel[] = "|/-\\";
    char line[128], bytes[16], rate[16];
    const double seconds = seconds_now() - progress->began;
    const uint64_t done = counter_get(&progress->walk->bytes);
    const int length =
        snprintf(line, sizeof line, "\r%c %-9.9s %10" PRIu64 " files  %8s  %8s/s  %6.1f s ",
                 wheel[(unsigned)(seconds * 10) % 4], progress->label,
                 counter_get(&progress->walk->files), bytes_text(done, bytes),
                 bytes_text(seconds > 0 ? (uint64_t)((double)done / seconds) : 0, rate), seconds);
    (void)!write(STDERR_FILENO, line, (size_t)length);
}

PINION_TASK(void, follow, (struct pinion_io *, io), (struct progress *, progress))
{
    struct pollfd wake = {progress->wake, POLLIN, 0};
    do { /* once at least, however soon the walk is over */
        draw(progress);
        (void)poll(&wake, 1, REDRAW_MS);
    } while (!pinion_cancel_requested(io));
    static const char wipe[] = "\r%*s\r";
    char line[80];
    const int length = snprintf(line, sizeof line, wipe, 70, "");
    (void)!write(STDERR_FILENO, line, (size_t)length);
}

struct progress *progress_begin(struct walk *walk, struct pinion_io *io, const char *label)
{
    struct follow_future future;
    if (!isatty(STDERR_FILENO))
        return NULL;
    struct progress *progress = calloc(1, sizeof *progress);
    int error = progress ? 0 : -ENOMEM;
    if (!error) {
        *progress = (struct progress){.walk = walk, .io = io, .label = label};
        progress->began = seconds_now();
        progress->wake = eventfd(0, EFD_CLOEXEC);
        error = progress->wake < 0 ? -errno : 0;
    }
    if (!error) {
        error = follow_parallel(io, &future, io, progress);
        if (!error) {
            progress->task = future.future;
            return progress;
        }
        (void)close(progress->wake);
    }
    complain("no live progress: no thread of its own can be had for it (%s)", strerror(-error));
    free(progress);
    return NULL;
}

void progress_end(struct progress *progress)
{
    const uint64_t one = 1;
    if (!progress)
        return;
    pinion_request_cancel(progress->io, &progress->task);
    (void)!write(progress->wake, &one, sizeof one);
    pinion_await(progress->io, &progress->task, NULL);
    (void)close(progress->wake);
    free(progress);
}
