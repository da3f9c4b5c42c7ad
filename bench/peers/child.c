/* SPDX-License-Identifier: MIT */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../rounds.h"

/* Those that were started. */
static struct child *first;

/* By vfork, so that the child can ask to die with the thread that starts it: one that is stopped
 * would not see that its input has ended. */
static int spawn(struct child *child, const char *path, const char *const *rest, int in, int out)
{
    char *arguments[CHILD_ARGUMENTS_MAX + 2] = {(char *)path};
    volatile int error = 0; /* shared until exec */
    for (int i = 0; rest && i < CHILD_ARGUMENTS_MAX && rest[i]; i++)
        arguments[i + 1] = (char *)rest[i];
    const pid_t pid = vfork();
    if (pid < 0)
        return -errno;
    if (!pid) {
        if (!prctl(PR_SET_PDEATHSIG, SIGKILL) && dup2(in, STDIN_FILENO) >= 0 &&
            dup2(out, STDOUT_FILENO) >= 0)
            (void)execv(path, arguments);
        error = -errno;
        _exit(127);
    }
    if (error)
        (void)waitpid(pid, NULL, 0);
    else
        child->pid = pid;
    return error;
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
