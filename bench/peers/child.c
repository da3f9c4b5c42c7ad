/* SPDX-License-Identifier: MIT */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../rounds.h"

extern char **environ;

/* Those that run, or are stopped. */
static struct child *first;

/* A benchmark that ends early leaves nobody behind who is stopped and so can't see it. */
static void kill_all(void)
{
    for (const struct child *child = first; child; child = child->next)
        (void)kill(child->pid, SIGKILL);
}

static int spawn(struct child *child, const char *path, const char *const *rest, int in, int out)
{
    char *arguments[CHILD_ARGUMENTS_MAX + 2] = {(char *)path};
    for (int i = 0; rest && i < CHILD_ARGUMENTS_MAX && rest[i]; i++)
        arguments[i + 1] = (char *)rest[i];
    posix_spawn_file_actions_t actions;
    int error = posix_spawn_file_actions_init(&actions);
    if (error)
        return -error;
    error = posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    if (!error)
        error = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (!error)
        error = posix_spawn(&child->pid, path, &actions, NULL, arguments, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    return -error;
}

int child_start(struct child *child, const char *path, const char *const *arguments)
{
    int to[2], from[2];
    if (pipe2(to, O_CLOEXEC))
        return -errno;
    if (pipe2(from, O_CLOEXEC)) {
        const int error = -errno;
        (void)close(to[0]), (void)close(to[1]);
        return error;
    }
    const int error = spawn(child, path, arguments, to[0], from[1]);
    (void)close(to[0]), (void)close(from[1]);
    if (error) {
        (void)close(to[1]), (void)close(from[0]);
        return error;
    }
    (void)signal(SIGPIPE, SIG_IGN); /* one that has ended is met by child_ask */
    child->to = fdopen(to[1], "w");
    child->from = fdopen(from[0], "r");
    if (!child->to || !child->from || clock_getcpuclockid(child->pid, &child->clock))
        rounds_die("%s was started, but can't be talked to", path);
    if (!first)
        (void)atexit(kill_all);
    child->path = path;
    child->next = first;
    first = child;
    return 0;
}

int64_t child_ask(struct child *child, const char *format, ...)
{
    int64_t ns = 0;
    va_list arguments;
    (void)kill(child->pid, SIGCONT);
    va_start(arguments, format);
    const int sent = vfprintf(child->to, format, arguments);
    va_end(arguments);
    if (sent < 0 || fputc('\n', child->to) == EOF || fflush(child->to) ||
        fscanf(child->from, "%" SCNd64, &ns) != 1)
        rounds_die("%s gave no answer", child->path);
    (void)kill(child->pid, SIGSTOP);
    return ns;
}

static void end(struct child *child)
{
    (void)kill(child->pid, SIGCONT);
    (void)fclose(child->to);
    (void)fclose(child->from);
    (void)waitpid(child->pid, NULL, 0);
}

void child_end_all(void)
{
    for (; first; first = first->next)
        end(first);
}
