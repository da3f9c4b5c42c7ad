/* SPDX-License-Identifier: MIT */
#include "segment.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "atomic.h"
#include "process.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008u
#endif

/* fd: -1: there is no file, or it is hidden; device, inode: of the file, since a program may close
 * descriptors that it doesn't know, and their numbers come again. fd, holders, next, link: under
 * the lock. The rest but taken is constant. A child of fork copies what was taken. */
struct pn_segment {
    char *memory;
    size_t bytes;
    _Atomic(size_t) taken;
    unsigned holders;
    int fd, error;
    dev_t device;
    ino_t inode;
    struct pn_segment *next, **link;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct pn_segment *segments;

/* A file that is larger than a process may make one would end it by SIGXFSZ. */
static bool is_too_large(size_t bytes)
{
    struct rlimit limit;
    return !getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur != RLIM_INFINITY &&
           limit.rlim_cur < bytes;
}

static int make_file(size_t bytes)
{
    if (is_too_large(bytes))
        return -EFBIG;
    int fd = memfd_create(PN_SEGMENT_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL) /* before Linux 6.3 */
        fd = memfd_create(PN_SEGMENT_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    if (!fchmod(fd, S_IRUSR) && !ftruncate(fd, (off_t)bytes))
        return fd;
    const int error = -errno;
    (void)close(fd);
    return error;
}

/* Maps a file for this process alone to write: the kernel refuses who opens it again. Where it
 * doesn't know how (before Linux 5.1), who may open it may write. */
static int map_file(struct pn_segment *segment)
{
    struct stat status;
    const int fd = make_file(segment->bytes);
    if (fd < 0)
        return fd;
    int error = fstat(fd, &status) ? -errno : 0;
    void *memory = NULL;
    if (!error) {
        memory = mmap(NULL, segment->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        error = memory == MAP_FAILED ? -errno : 0;
    }
    if (error) {
        (void)close(fd);
        return error;
    }
    (void)fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
    (void)fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE);
    segment->memory = memory;
    segment->fd = fd;
    segment->device = status.st_dev;
    segment->inode = status.st_ino;
    return 0;
}

static void *map_alone(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static void list(struct pn_segment *segment)
{
    (void)pthread_mutex_lock(&lock);
    segment->next = segments;
    segment->link = &segments;
    if (segments)
        segments->link = &segment->next;
    segments = segment;
    (void)pthread_mutex_unlock(&lock);
}

static void unlist_locked(struct pn_segment *segment)
{
    *segment->link = segment->next;
    if (segment->next)
        segment->next->link = segment->link;
}

int pn_segment_create(size_t bytes, struct pn_segment **segment)
{
    const int saved = errno;
    struct pn_segment *made = calloc(1, sizeof *made);
    if (!made)
        goto none;
    made->bytes = bytes;
    made->fd = -1;
    made->holders = 1;
    made->error = map_file(made);
    if (made->error)
        made->memory = map_alone(bytes);
    if (!made->memory)
        goto none;
    list(made);
    *segment = made;
    errno = saved;
    return 0;
none:
    free(made);
    errno = saved;
    return -ENOMEM;
}

int pn_segment_error(const struct pn_segment *segment) { return segment->error; }

void *pn_segment_take(struct pn_segment *segment, size_t bytes)
{
    size_t taken = pn_load_relaxed(&segment->taken);
    do {
        if (segment->bytes - taken < bytes)
            return NULL;
    } while (!pn_cas_relaxed(&segment->taken, &taken, taken + bytes));
    return segment->memory + taken;
}

bool pn_segment_has(const struct pn_segment *segment, const void *memory)
{
    return (uintptr_t)memory - (uintptr_t)segment->memory < segment->bytes;
}

static void close_file(struct pn_segment *segment)
{
    struct stat status;
    if (segment->fd >= 0 && !fstat(segment->fd, &status) && status.st_dev == segment->device &&
        status.st_ino == segment->inode)
        (void)close(segment->fd);
    segment->fd = -1;
}

void pn_segment_hide(struct pn_segment *segment)
{
    const int saved = errno;
    (void)pthread_mutex_lock(&lock);
    close_file(segment);
    (void)pthread_mutex_unlock(&lock);
    errno = saved;
}

void pn_segment_hold(struct pn_segment *segment)
{
    (void)pthread_mutex_lock(&lock);
    segment->holders++;
    (void)pthread_mutex_unlock(&lock);
}

void pn_segment_let_go(struct pn_segment *segment)
{
    (void)pthread_mutex_lock(&lock);
    const bool is_last = --segment->holders == 0;
    if (is_last)
        unlist_locked(segment);
    (void)pthread_mutex_unlock(&lock);
    if (!is_last)
        return;
    const int saved = errno;
    (void)munmap(segment->memory, segment->bytes);
    free(segment);
    errno = saved;
}

/* ---- forks ---- */

/* In the child: the memory is its own from now on, so that nothing it does shows in its parent.
 * Should there be no memory for that, it does. */
static void part(struct pn_segment *segment)
{
    close_file(segment);
    if (segment->error)
        return; /* it is its own already */
    void *copy = map_alone(segment->bytes);
    if (!copy)
        return;
    memcpy(copy, segment->memory, pn_load_relaxed(&segment->taken));
    (void)mremap(copy, segment->bytes, segment->bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
                 segment->memory);
}

static void before_fork(void) { (void)pthread_mutex_lock(&lock); }

static void after_fork(bool is_child)
{
    for (struct pn_segment *segment = segments; is_child && segment; segment = segment->next)
        part(segment);
    (void)pthread_mutex_unlock(&lock);
}

__attribute__((constructor)) static void watch_forks(void)
{
    pn_fork_register(PN_FORK_SEGMENTS, before_fork, after_fork);
}
