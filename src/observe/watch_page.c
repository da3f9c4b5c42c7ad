/* SPDX-License-Identifier: MIT */
#include "watch_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backend.h"
#include "segment.h"

#define LOCATE_NS INT64_C(1000000000)
#define ASK_NS    INT64_C(4000000) /* a thread: a hundred are asked two or three times a second */

/* ---- the file ---- */

/* Whether the descriptor is a file as pn_segment_create makes them. */
static bool is_named(int directory, const char *path)
{
    static const char name[] = "/memfd:" PN_SEGMENT_NAME " (deleted)";
    char target[sizeof name];
    return readlinkat(directory, path, target, sizeof target) == (ssize_t)sizeof name - 1 &&
           memcmp(target, name, sizeof name - 1) == 0;
}

/* What it is called may have become another's meanwhile, and to open some files does something: so
 * it is held first, then looked at, then opened. */
static int open_file(const struct pn_watched *process, const char *fd_name)
{
    char path[64], self[64];
    (void)snprintf(path, sizeof path, "fd/%.12s", fd_name);
    if (!is_named(process->proc, path))
        return -ENOENT;
    const int held = openat(process->proc, path, O_PATH | O_CLOEXEC);
    if (held < 0)
        return -errno;
    (void)snprintf(self, sizeof self, "/proc/self/fd/%d", held);
    int fd = -ENOENT;
    if (is_named(AT_FDCWD, self)) {
        fd = open(self, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        fd = fd < 0 ? -errno : fd;
    }
    (void)close(held);
    return fd;
}

/* Only what can't become shorter may be looked at without being ended by a signal. */
static bool is_sealed(int fd)
{
    const int seals = fcntl(fd, F_GET_SEALS);
    return seals >= 0 && (seals & F_SEAL_SHRINK);
}

static int map_file(int fd, struct pn_watch_page *page)
{
    struct stat status;
    if (fstat(fd, &status))
        return -errno;
    if (!S_ISREG(status.st_mode) || !is_sealed(fd) ||
        status.st_size < (off_t)sizeof(struct pn_record_header))
        return PN_WATCH_NONE;
    void *memory = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return -errno;
    *page = (struct pn_watch_page){.memory = memory, .bytes = (size_t)status.st_size,
                                   .device = status.st_dev, .inode = status.st_ino};
    return 0;
}

/* ---- the header ---- */

static const struct pn_record_header *header_of(const struct pn_watch_page *page)
{
    return (const void *)page->memory;
}

static bool copy_words(char *to, const char *from, size_t size)
{
    memcpy(to, from, size);
    return memchr(to, '\0', size) != NULL;
}

/* Takes what never changes; false: it is none that pinion wrote. */
static bool take_constants(struct pn_watch_page *page)
{
    const struct pn_record_header *header = header_of(page);
    char noun[sizeof header->noun];
    page->header_bytes = header->header_bytes;
    page->record_bytes = header->record_bytes;
    if (page->header_bytes < sizeof *header || page->header_bytes > page->bytes ||
        page->record_bytes < sizeof(struct pn_record) ||
        page->header_bytes % alignof(struct pn_record) ||
        page->record_bytes % alignof(struct pn_record))
        return false;
    page->records_max = (page->bytes - page->header_bytes) / page->record_bytes;
    page->crew = (struct pinion_watch_crew){.id = header->id,
                                            .made_at = header->made_at,
                                            .cpu_count = header->cpu_count};
    if (!copy_words(noun, header->noun, sizeof noun) ||
        !copy_words(page->crew.idle, header->idle, sizeof page->crew.idle))
        return false;
    page->crew.is_loop = strcmp(noun, "loop") == 0;
    return page->crew.is_loop || strcmp(noun, "pool") == 0;
}

/* A copy of the program, as by a plain clone, has its parent's descriptors. */
static bool is_by(const struct pn_watched *process, const struct pn_record_header *header)
{
    return header->pid == (uint32_t)process->inner;
}

static int check_header(const struct pn_watched *process, struct pn_watch_page *page,
                        unsigned *layout)
{
    const struct pn_record_header *header = header_of(page);
    *layout = pn_load_acquire(&header->layout); /* pairs with who wrote it */
    if (*layout == 0 || memcmp(header->magic, PN_RECORD_MAGIC, sizeof header->magic) != 0)
        return PN_WATCH_NONE;
    if (*layout != PN_RECORD_LAYOUT)
        return -EPROTO;
    return is_by(process, header) && take_constants(page) ? 0 : PN_WATCH_NONE;
}

int pn_watch_page_open(const struct pn_watched *process, const char *name,
                       struct pn_watch_page *page, unsigned *layout)
{
    const int fd = open_file(process, name);
    if (fd == -ENOENT)
        return PN_WATCH_NONE;
    if (fd < 0)
        return fd;
    int error = map_file(fd, page);
    (void)close(fd);
    if (error)
        return error;
    error = check_header(process, page, layout);
    if (error)
        (void)munmap((void *)(uintptr_t)page->memory, page->bytes);
    return error;
}

void pn_watch_page_close(struct pn_watched *process, struct pn_watch_page *page)
{
    for (size_t i = 0; i < page->room; i++)
        pn_watch_thread_fini(process, &page->threads[i]);
    (void)munmap((void *)(uintptr_t)page->memory, page->bytes);
    free(page->workers);
    free(page->threads);
}

bool pn_watch_page_is_over(const struct pn_watch_page *page)
{
    return pn_load_relaxed(&header_of(page)->is_over) != 0;
}

/* ---- a worker ---- */

static void name_worker(const struct pn_record *record, char name[static 16])
{
    if (record->is_program)
        (void)snprintf(name, 16, "caller");
    else
        (void)snprintf(name, 16, record->role == PN_BASE ? "pinion/%u" : "pinion/r%u",
                       record->index % 1000000u);
}

static void count(const struct pn_counters *counters, struct pinion_watch_worker *worker)
{
    worker->tasks = pn_load_relaxed(&counters->tasks) + pn_load_relaxed(&counters->handed);
    worker->queued = pn_load_relaxed(&counters->queued);
    worker->claimed = pn_load_relaxed(&counters->claimed);
    worker->stolen_near = pn_load_relaxed(&counters->stolen_near);
    worker->stolen_far = pn_load_relaxed(&counters->stolen_far);
    worker->parked = pn_load_relaxed(&counters->parked);
    worker->woken = pn_load_relaxed(&counters->woken);
    worker->searched = pn_load_relaxed(&counters->searched);
}

/* completed before submitted: no more have ended than it can see begun. */
static void count_loop(const struct pn_loop_counters *counters, struct pinion_watch_worker *worker)
{
    worker->fibers = pn_load_relaxed(&counters->fibers);
    worker->started = pn_load_relaxed(&counters->started);
    worker->completed = pn_load_relaxed(&counters->completed);
    worker->submitted = pn_load_relaxed(&counters->submitted);
    worker->waits = pn_load_relaxed(&counters->waits);
}

/* Nothing if it changes again and again while it is read. Acquire: see who writes it (waits.c). */
static void read_wait(const struct pn_wait_shown *shown, struct pinion_watch_wait *wait)
{
    for (int tries = 0; tries < 4; tries++) {
        const uint32_t version = pn_load_acquire(&shown->version);
        *wait = (struct pinion_watch_wait){.since = pn_load_acquire(&shown->since),
                                           .fiber = pn_load_acquire(&shown->fiber),
                                           .function = pn_load_acquire(&shown->function),
                                           .call = pn_load_acquire(&shown->call),
                                           .descriptor = pn_load_acquire(&shown->descriptor)};
        if (version % 2 == 0 && pn_load_relaxed(&shown->version) == version)
            break;
        wait->since = 0;
    }
    if (wait->since <= 0)
        *wait = (struct pinion_watch_wait){.call = -1, .descriptor = -1};
}

static uint64_t queue_depth(const struct pn_deque *deque)
{
    const int64_t top = pn_load_relaxed(&deque->top), bottom = pn_load_relaxed(&deque->bottom);
    return bottom > top ? (uint64_t)bottom - (uint64_t)top : 0;
}

static enum pinion_watch_state state_of(uint32_t shown, const struct pn_thread_state *kernel)
{
    if (!kernel->state)
        return PINION_WATCH_ABSENT;
    if (shown == PN_STATE_PARKED)
        return PINION_WATCH_PARKED;
    if (shown == PN_STATE_SEARCHING)
        return PINION_WATCH_POLLING;
    return kernel->state == 'R' ? PINION_WATCH_RUNNING : PINION_WATCH_IN_CALL;
}

/* What a worker has begun, sleeps among it. */
static uint64_t begun_by(const struct pinion_watch_worker *worker)
{
    return worker->tasks + worker->inlined + worker->queued + worker->claimed + worker->parked +
           worker->searched + worker->started;
}

/* Who is in a call goes on with it if it did not run meanwhile. */
static bool is_same(const struct pn_watch_thread *thread, enum pinion_watch_state state,
                    uint64_t begun, uint64_t ran_ns)
{
    return thread->since && thread->state == state && thread->begun == begun &&
           (state != PINION_WATCH_IN_CALL || thread->kernel.run_ns == ran_ns);
}

/* Who sleeps on is not asked for: that is what most do, mostly. Nor is anyone too often: to ask for
 * a hundred threads takes half a millisecond. */
static void look_at_thread(struct pn_watched *process, struct pn_watch_thread *thread,
                           uint32_t shown, uint64_t begun, int64_t now)
{
    const uint64_t ran_ns = thread->kernel.run_ns;
    if (shown == PN_STATE_PARKED && is_same(thread, PINION_WATCH_PARKED, begun, ran_ns) &&
        thread->asked_at >= thread->since) {
        thread->asked_at = now; /* all is as it was */
        return;
    }
    if (!thread->since || now - thread->asked_at >= process->ask_ns) {
        pn_watch_thread_look(process, thread);
        thread->asked_at = now;
    }
    const enum pinion_watch_state state = state_of(shown, &thread->kernel);
    if (!is_same(thread, state, begun, ran_ns)) {
        thread->since = now;
        thread->call = -1;
    }
    if (state == PINION_WATCH_IN_CALL && thread->call < 0)
        thread->call = pn_watch_thread_call(process, thread, now);
    thread->state = state;
    thread->begun = begun;
}

static void read_thread(struct pn_watched *process, struct pn_watch_thread *thread,
                        const struct pn_record *record, struct pinion_watch_worker *worker,
                        int64_t now)
{
    pn_watch_thread_set(process, thread, pn_load_relaxed(&record->thread), now);
    look_at_thread(process, thread, pn_load_relaxed(&record->counters.state), begun_by(worker),
                   now);
    worker->thread = thread->kernel.state ? thread->outer : 0;
    worker->asked_at = thread->asked_at;
    worker->last_cpu = thread->kernel.cpu;
    worker->run_ns = thread->kernel.run_ns;
    worker->delay_ns = thread->kernel.delay_ns;
    worker->state = thread->state;
    worker->state_since = thread->since;
    worker->call = thread->call;
}

/* Asks where the first pages of the pieces that it shows are. */
static void locate(const struct pn_watched *process, struct pn_watch_thread *thread,
                   const struct pn_slab_shown *slab, unsigned node)
{
    void *pages[PN_SLAB_SHOWN];
    int nodes[PN_SLAB_SHOWN];
    const uint64_t chunks = pn_load_relaxed(&slab->chunk_count);
    const size_t shown = chunks < PN_SLAB_SHOWN ? (size_t)chunks : PN_SLAB_SHOWN;
    for (size_t i = 0; i < shown; i++)
        pages[i] = (void *)pn_load_relaxed(&slab->chunks[i]);
    thread->local_bytes = thread->remote_bytes = 0;
    if (!shown || syscall(SYS_move_pages, process->pid, shown, pages, NULL, nodes, 0))
        return;
    for (size_t i = 0; i < shown; i++) {
        if (nodes[i] < 0) /* it is on none */
            continue;
        if ((unsigned)nodes[i] == node)
            thread->local_bytes += PN_SLAB_CHUNK;
        else
            thread->remote_bytes += PN_SLAB_CHUNK;
    }
}

static void read_memory(const struct pn_watched *process, struct pn_watch_thread *thread,
                        const struct pn_record *record, struct pinion_watch_worker *worker,
                        int64_t now)
{
    worker->arena_bytes = pn_load_relaxed(&record->slab.chunk_count) * PN_SLAB_CHUNK;
    if (worker->node == PINION_NO_NODE)
        return;
    if (!thread->located_at || now - thread->located_at >= LOCATE_NS) {
        thread->located_at = now;
        locate(process, thread, &record->slab, worker->node);
    }
    worker->local_bytes = thread->local_bytes;
    worker->remote_bytes = thread->remote_bytes;
}

static void read_worker(struct pn_watched *process, struct pn_watch_thread *thread,
                        const struct pn_record *record, struct pinion_watch_worker *worker,
                        int64_t now)
{
    *worker = (struct pinion_watch_worker){.cpu = pn_load_relaxed(&record->pinned_cpu),
                                           .node = record->node};
    name_worker(record, worker->name);
    count(&record->counters, worker);
    worker->inlined = pn_plain_load_relaxed(&record->head.shared.inlined);
    count_loop(&record->loop, worker);
    read_wait(&record->longest, &worker->longest);
    worker->queued_now = queue_depth(&record->deque);
    read_thread(process, thread, record, worker, now);
    read_memory(process, thread, record, worker, now);
}

/* ---- all of it ---- */

static void add(struct pinion_watch_crew *crew, const struct pinion_watch_worker *worker)
{
    crew->inlined += worker->inlined;
    crew->queued += worker->queued;
    crew->claimed += worker->claimed;
    crew->stolen_near += worker->stolen_near;
    crew->stolen_far += worker->stolen_far;
    crew->parked += worker->parked;
    crew->woken += worker->woken;
    crew->searched += worker->searched;
}

static void add_outside(struct pinion_watch_crew *crew, const struct pn_record *record)
{
    struct pinion_watch_worker outside = {.inlined = pn_load_relaxed(&record->inlined)};
    count(&record->counters, &outside);
    add(crew, &outside);
    crew->injected += outside.queued;
}

static bool make_room(struct pn_watch_page *page, size_t records)
{
    if (records <= page->room)
        return true;
    const size_t room = records + records / 2;
    void *workers = realloc(page->workers, room * sizeof page->workers[0]);
    if (!workers)
        return false;
    page->workers = workers;
    void *threads = realloc(page->threads, room * sizeof page->threads[0]);
    if (!threads)
        return false;
    page->threads = threads;
    for (; page->room < room; page->room++)
        pn_watch_thread_init(&page->threads[page->room]);
    return true;
}

static void read_header(struct pn_watch_page *page)
{
    const struct pn_record_header *header = header_of(page);
    const struct pinion_watch_crew *was = &page->crew;
    struct pinion_watch_crew crew = {.id = was->id, .is_loop = was->is_loop,
                                     .made_at = was->made_at, .cpu_count = was->cpu_count};
    memcpy(crew.idle, was->idle, sizeof crew.idle);
    crew.is_degraded = pn_load_relaxed(&header->is_degraded) != 0;
    crew.parallel_count = pn_load_relaxed(&header->parallel_count);
    crew.capacity = header->base_seats + crew.parallel_count;
    crew.threads = pn_load_relaxed(&header->threads);
    crew.threads_peak = pn_load_relaxed(&header->threads_peak);
    crew.left_out = pn_load_relaxed(&header->left_out);
    const uint32_t backend = pn_load_relaxed(&header->backend);
    crew.backend = backend == PN_BACKEND_RING    ? PINION_BACKEND_IO_URING
                   : backend == PN_BACKEND_EPOLL ? PINION_BACKEND_EPOLL
                                                 : PINION_BACKEND_AUTO;
    page->crew = crew;
}

int pn_watch_page_read(struct pn_watched *process, struct pn_watch_page *page, int64_t now)
{
    size_t records = pn_load_relaxed(&header_of(page)->records);
    if (records > page->records_max)
        records = page->records_max;
    if (!make_room(page, records))
        return -ENOMEM;
    read_header(page);
    process->ask_ns = (int64_t)records * ASK_NS;
    struct pinion_watch_crew *crew = &page->crew;
    for (size_t i = 0; i < records; i++) {
        const struct pn_record *record =
            (const void *)(page->memory + page->header_bytes + i * page->record_bytes);
        /* Acquire: pairs with pn_record_create, what is constant. */
        if (!pn_load_acquire(&record->is_made))
            continue;
        if (record->role == PN_OUTSIDE) {
            add_outside(crew, record);
            continue;
        }
        struct pinion_watch_worker *worker = &page->workers[crew->worker_count++];
        read_worker(process, &page->threads[i], record, worker, now);
        add(crew, worker);
    }
    crew->workers = page->workers;
    return 0;
}
