/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>

/* Of a call that moves on in parts the bytes as they were given. */
static int parts_of(struct pn_completion *completion, const struct iovec **parts)
{
    const struct pn_operation *operation = completion->operation;
    const long *arguments = operation->call.arguments;
    const struct msghdr *message = (const struct msghdr *)arguments[1];
    switch (operation->call.number) {
    case SYS_write:
    case SYS_sendto:
        completion->part = (struct iovec){(void *)arguments[1], (size_t)arguments[2]};
        *parts = &completion->part;
        return 1;
    case SYS_writev:
        *parts = (const struct iovec *)arguments[1];
        return (int)arguments[2];
    case SYS_sendmsg:
        *parts = message->msg_iov;
        return (int)message->msg_iovlen;
    default:
        return 0;
    }
}

int pn_progress_rest(struct pn_completion *completion, const struct iovec **parts)
{
    size_t left = completion->moved;
    int count = parts_of(completion, parts);
    if (left == 0)
        return count;
    for (; count > 0 && left >= (*parts)->iov_len; count--)
        left -= (*parts)++->iov_len;
    if (count == 0 || left == 0)
        return count;
    /* The rest of one, then those after it. */
    completion->part = (struct iovec){(char *)(*parts)->iov_base + left, (*parts)->iov_len - left};
    *parts = &completion->part;
    return 1;
}

bool pn_is_nonblocking(int descriptor)
{
    const int saved = errno;
    const int flags = fcntl(descriptor, F_GETFL);
    errno = saved;
    return flags < 0 || (flags & O_NONBLOCK);
}

bool pn_progress_goes_on(struct pn_completion *completion, long result)
{
    const struct pn_operation *operation = completion->operation;
    const struct iovec *parts;
    if (result <= 0 || completion->is_asked || operation->never_waits || operation->writable < 0)
        return false;
    const int count = parts_of(completion, &parts);
    const size_t moved = completion->moved + (size_t)result;
    if (count == 0 || moved >= pn_bytes_of(parts, count) ||
        pn_is_nonblocking((int)operation->call.arguments[0]))
        return false;
    completion->moved = moved;
    return true;
}

long pn_progress_result(const struct pn_completion *completion, long result)
{
    if (completion->moved == 0)
        return result;
    return (long)completion->moved + (result > 0 ? result : 0);
}

int64_t pn_progress_pause(struct pn_completion *completion)
{
    const unsigned times = completion->tries;
    if (times < UINT8_MAX)
        completion->tries++;
    return times < 2 ? 0 : pn_pause_in_vain(times - 1);
}
