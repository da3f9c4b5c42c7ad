/* SPDX-License-Identifier: MIT */
#include "walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <pinion/file.h>
#include <pinion/task.h>
#include <xxhash.h>

/* Below this many levels a task goes on alone: tasks that await each other nest on one stack. */
#define TASK_DEPTH_MAX 128
/* So many directories at most are read at a time, each with a buffer of its own. */
#define TURNS_MAX       256
#define BUFFER_BYTES    (64 * 1024)
#define DESCRIPTORS_MAX (1U << 20)
#define PATH_SHOWN      1024
#define OPEN_DIRECTORY  (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
/* NONBLOCK and NOCTTY: what was a plain file a moment ago may be something else by now. */
#define OPEN_FILE (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

/* A directory on its way. Owned by the task that scans it, or by the stack of walk_below; its
 * parents outlive it. fd is written by its owner before a child exists, and then left alone until
 * the last child is done. */
struct directory {
    struct walk *walk;
    struct directory *parent; /* NULL: the root */
    unsigned depth;
    int fd;         /* -1: closed, to be reopened by way of the parents */
    size_t pending; /* of walk_below: children that are not done */
    uint64_t path_hash;
    char name[];
};

/* The subdirectories that a scan found, in order of their names. */
struct children {
    struct directory **list;
    size_t count, size;
};

struct entry {
    size_t name; /* offset in names */
    unsigned char type;
};

/* The entries of one directory. */
struct listing {
    struct entry *entries;
    size_t count, size;
    char *names;
    size_t names_length, names_size;
};

/* What one scan works with. */
struct scan {
    struct pinion_io *io;
    struct directory *directory;
    struct tally *tally;
    struct children *children;
    int fd;
    char *buffer;
    XXH3_state_t *hash;
};

static bool is_stopped(const struct walk *walk, struct pinion_io *io)
{
    return counter_get(&walk->stop) || pinion_cancel_requested(io);
}

/* Makes room for one more of count items in *list. */
static bool grow(void *list, size_t *size, size_t count, size_t item_size)
{
    if (count < *size)
        return true;
    const size_t wanted = *size ? *size * 2 : 16;
    void *grown = realloc(*(void **)list, wanted * item_size);
    if (!grown)
        return false;
    *(void **)list = grown;
    *size = wanted;
    return true;
}

/* ---- what could not be read ---- */

/* A path that is put together from its end. */
struct backwards {
    char text[PATH_SHOWN];
    char *begin;
};

/* False once there is no room for more: then the path begins with an ellipsis, for which every part
 * that fits leaves room. */
static bool prepend(struct backwards *path, const char *part)
{
    static const char cut[] = "\xe2\x80\xa6/";
    const size_t length = strlen(part), slash = *path->begin ? 1 : 0;
    if ((size_t)(path->begin - path->text) < length + slash + sizeof cut) {
        path->begin -= sizeof cut - 1;
        memcpy(path->begin, cut, sizeof cut - 1);
        return false;
    }
    if (slash)
        *--path->begin = '/';
    path->begin -= length;
    memcpy(path->begin, part, length);
    return true;
}

static const char *path_text(struct backwards *path, const struct directory *directory,
                             const char *name)
{
    path->begin = path->text + sizeof path->text - 1;
    *path->begin = '\0';
    if (name && !prepend(path, name))
        return path->begin;
    for (; directory->parent; directory = directory->parent)
        if (!prepend(path, directory->name))
            break;
    return *path->begin ? path->begin : ".";
}

/* name: an entry of directory, or NULL for the directory itself. */
static void add_error(struct tally *tally, const struct directory *directory, const char *name,
                      int error)
{
    tally->errors++;
    if (tally->named_count == WALK_ERRORS_NAMED)
        return;
    struct backwards path;
    const char *text = path_text(&path, directory, name);
    struct walk_error *entry = malloc(sizeof *entry + strlen(text) + 1);
    if (!entry)
        return; /* it is counted all the same */
    entry->next = NULL;
    entry->error = error;
    memcpy(entry->path, text, strlen(text) + 1);
    struct walk_error **end = &tally->named;
    while (*end)
        end = &(*end)->next;
    *end = entry;
    tally->named_count++;
}

void tally_forget(struct tally *tally)
{
    while (tally->named) {
        struct walk_error *entry = tally->named;
        tally->named = entry->next;
        free(entry);
    }
    tally->named_count = 0;
}

/* Adds part, whose errors become sum's. */
static void merge(struct tally *sum, struct tally part)
{
    sum->files += part.files;
    sum->bytes += part.bytes;
    sum->directories += part.directories;
    sum->skipped += part.skipped;
    sum->mounts += part.mounts;
    sum->errors += part.errors;
    sum->checksum += part.checksum;
    sum->state += part.state;
    struct walk_error **end = &sum->named;
    while (*end)
        end = &(*end)->next;
    while (part.named && sum->named_count < WALK_ERRORS_NAMED) {
        struct walk_error *entry = part.named;
        part.named = entry->next;
        entry->next = NULL;
        *end = entry;
        end = &entry->next;
        sum->named_count++;
    }
    tally_forget(&part);
}

/* ---- directories ---- */

static struct directory *directory_make(struct walk *walk, struct directory *parent,
                                        const char *name)
{
    const size_t length = strlen(name);
    struct directory *directory = malloc(sizeof *directory + length + 1);
    if (!directory)
        return NULL;
    directory->walk = walk;
    directory->parent = parent;
    directory->depth = parent ? parent->depth + 1 : 0;
    directory->fd = -1;
    directory->pending = 0;
    directory->path_hash = XXH3_64bits_withSeed(name, length, parent ? parent->path_hash : 0);
    memcpy(directory->name, name, length + 1);
    return directory;
}

static void directory_destroy(struct directory *directory)
{
    if (directory->fd >= 0) {
        (void)close(directory->fd);
        if (directory->parent)
            (void)counter_add(&directory->walk->kept, (uint64_t)-1);
    }
    free(directory);
}

/* Opens a directory by way of the nearest parent that is still open. A descriptor or -errno. */
static int directory_open(struct pinion_io *io, const struct directory *directory)
{
    const struct directory *anchor = directory->parent;
    size_t steps = 1;
    for (; anchor->fd < 0; anchor = anchor->parent)
        steps++;
    const struct directory **way = steps > 1 ? malloc(steps * sizeof *way) : &directory;
    if (!way)
        return -ENOMEM;
    for (size_t i = steps; steps > 1 && i-- > 0; directory = directory->parent)
        way[i] = directory;
    int fd = anchor->fd;
    for (size_t i = 0; i < steps && fd >= 0; i++) {
        const int above = fd;
        fd = pinion_openat(io, above, way[i]->name, OPEN_DIRECTORY);
        if (above != anchor->fd)
            (void)close(above);
    }
    if (steps > 1)
        free(way);
    return fd;
}

/* Keeps fd open for the children if there may be more that are, else closes it. */
static void directory_keep(struct directory *directory, int fd)
{
    struct walk *walk = directory->walk;
    if (counter_add(&walk->kept, 1) < walk->kept_max) {
        directory->fd = fd;
        return;
    }
    (void)counter_add(&walk->kept, (uint64_t)-1);
    (void)close(fd);
}

/* ---- listing ---- */

static bool listing_add(struct listing *listing, const struct dirent *found)
{
    const size_t length = strlen(found->d_name) + 1;
    while (listing->names_size < listing->names_length + length)
        if (!grow(&listing->names, &listing->names_size, listing->names_size, 1))
            return false;
    if (!grow(&listing->entries, &listing->size, listing->count, sizeof *listing->entries))
        return false;
    memcpy(listing->names + listing->names_length, found->d_name, length);
    listing->entries[listing->count++] = (struct entry){listing->names_length, found->d_type};
    listing->names_length += length;
    return true;
}

static int by_name(const void *left, const void *right, void *names)
{
    return strcmp((const char *)names + ((const struct entry *)left)->name,
                  (const char *)names + ((const struct entry *)right)->name);
}

static void listing_free(struct listing *listing)
{
    free(listing->entries);
    free(listing->names);
}

/* Reads the entries, sorted by name. What was read before an error is kept. 0 or -errno. */
static int listing_read(struct listing *listing, int fd)
{
    const int own = fcntl(fd, F_DUPFD_CLOEXEC, 3); /* closedir closes */
    DIR *stream = own < 0 ? NULL : fdopendir(own);
    int error = 0;
    if (!stream) {
        error = -errno;
        if (own >= 0)
            (void)close(own);
        return error;
    }
    for (;;) {
        errno = 0;
        const struct dirent *found = readdir(stream);
        if (!found) {
            error = -errno;
            break;
        }
        if (strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0)
            continue;
        if (!listing_add(listing, found)) {
            error = -ENOMEM;
            break;
        }
    }
    (void)closedir(stream);
    if (listing->count)
        qsort_r(listing->entries, listing->count, sizeof *listing->entries, by_name,
                listing->names);
    return error;
}

/* ---- files ---- */

static uint64_t state_of(const struct stat *status, uint64_t path_hash)
{
    const uint64_t facts[] = {
        (uint64_t)status->st_ino,         (uint64_t)status->st_size,
        (uint64_t)status->st_mtim.tv_sec, (uint64_t)status->st_mtim.tv_nsec,
        (uint64_t)status->st_ctim.tv_sec, (uint64_t)status->st_ctim.tv_nsec,
    };
    return XXH3_64bits_withSeed(facts, sizeof facts, path_hash);
}

/* What a file adds to the checksum. */
static uint64_t file_sum(uint64_t content_hash, uint64_t path_hash)
{
    XXH64_canonical_t bytes;
    XXH64_canonicalFromHash(&bytes, content_hash);
    return XXH3_64bits_withSeed(&bytes, sizeof bytes, path_hash);
}

/* Hashes what is left of fd into scan->hash. 0, or -errno; -ECANCELED: stopped. */
static int hash_content(struct scan *scan, int fd, uint64_t *bytes)
{
    struct walk *walk = scan->directory->walk;
    (void)XXH3_64bits_reset(scan->hash);
    for (;;) {
        const ssize_t length = pinion_read(scan->io, fd, scan->buffer, BUFFER_BYTES);
        if (length <= 0)
            return (int)length;
        (void)XXH3_64bits_update(scan->hash, scan->buffer, (size_t)length);
        (void)counter_add(&walk->bytes, (uint64_t)length);
        *bytes += (uint64_t)length;
        if (is_stopped(walk, scan->io))
            return -ECANCELED;
    }
}

/* The state of a file that can't be opened counts as if it could: whether it changed has nothing to
 * do with who may read it. */
static void note_state(struct scan *scan, const char *name, uint64_t path_hash)
{
    struct stat status;
    if (fstatat(scan->fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0)
        scan->tally->state += state_of(&status, path_hash);
}

/* Reads an open file. 0, or -errno. */
static int read_file(struct scan *scan, int fd, uint64_t path_hash)
{
    struct stat before, after;
    uint64_t bytes = 0;
    int error = pinion_fstat(scan->io, fd, &before);
    if (error)
        return error;
    if (!S_ISREG(before.st_mode)) {
        scan->tally->skipped++;
        return 0;
    }
    scan->tally->state += state_of(&before, path_hash);
    error = hash_content(scan, fd, &bytes);
    if (error == 0 && pinion_fstat(scan->io, fd, &after) == 0 &&
        state_of(&after, path_hash) != state_of(&before, path_hash))
        scan->tally->state += state_of(&after, path_hash);
    if (error)
        return error;
    scan->tally->checksum += file_sum(XXH3_64bits_digest(scan->hash), path_hash);
    scan->tally->bytes += bytes;
    scan->tally->files++;
    (void)counter_add(&scan->directory->walk->files, 1);
    return 0;
}

static void scan_file(struct scan *scan, const char *name)
{
    const uint64_t path_hash = XXH3_64bits_withSeed(name, strlen(name), scan->directory->path_hash);
    int error;
    const int fd = pinion_openat(scan->io, scan->fd, name, OPEN_FILE);
    if (fd >= 0) {
        error = read_file(scan, fd, path_hash);
        (void)pinion_close(scan->io, fd);
    } else {
        error = fd;
        note_state(scan, name, path_hash);
    }
    if (error == -ELOOP) /* it has become a link since it was listed */
        scan->tally->skipped++;
    else if (error && error != -ECANCELED)
        add_error(scan->tally, scan->directory, name, -error);
}

/* ---- one directory ---- */

static void scan_child(struct scan *scan, const char *name)
{
    struct children *children = scan->children;
    struct directory *child = directory_make(scan->directory->walk, scan->directory, name);
    if (child && grow(&children->list, &children->size, children->count, sizeof child)) {
        children->list[children->count++] = child;
        return;
    }
    free(child);
    add_error(scan->tally, scan->directory, name, ENOMEM);
}

/* The type of an entry, asked for where the directory doesn't tell. DT_UNKNOWN after an error. */
static unsigned char type_of(struct scan *scan, const char *name, unsigned char type)
{
    struct stat status;
    if (type != DT_UNKNOWN)
        return type;
    if (fstatat(scan->fd, name, &status, AT_SYMLINK_NOFOLLOW)) {
        add_error(scan->tally, scan->directory, name, errno);
        return DT_UNKNOWN;
    }
    return (unsigned char)IFTODT(status.st_mode);
}

static void scan_entry(struct scan *scan, const char *name, unsigned char type)
{
    switch (type_of(scan, name, type)) {
    case DT_DIR:
        scan_child(scan, name);
        break;
    case DT_REG:
        scan_file(scan, name);
        break;
    case DT_UNKNOWN:
        break;
    default:
        scan->tally->skipped++;
    }
}

static void scan_entries(struct scan *scan)
{
    struct listing listing = {0};
    struct stat status;
    const int error = listing_read(&listing, scan->fd);
    scan->buffer = malloc(BUFFER_BYTES);
    scan->hash = XXH3_createState();
    if (error || !scan->buffer || !scan->hash)
        add_error(scan->tally, scan->directory, NULL, error ? -error : ENOMEM);
    for (size_t i = 0; i < listing.count && scan->buffer && scan->hash; i++) {
        if (is_stopped(scan->directory->walk, scan->io))
            break;
        scan_entry(scan, listing.names + listing.entries[i].name, listing.entries[i].type);
    }
    if (fstat(scan->fd, &status) == 0)
        scan->tally->state += state_of(&status, scan->directory->path_hash);
    (void)XXH3_freeState(scan->hash);
    free(scan->buffer);
    listing_free(&listing);
}

static void scan_in_turn(struct pinion_io *io, struct directory *directory,
                         struct children *children, struct tally *tally)
{
    struct scan scan = {io, directory, tally, children, directory->fd, NULL, NULL};
    struct stat status;
    if (directory->parent)
        scan.fd = directory_open(io, directory);
    if (scan.fd == -ECANCELED)
        return;
    if (scan.fd < 0) {
        add_error(tally, directory, NULL, -scan.fd);
        return;
    }
    if (fstat(scan.fd, &status) == 0 && status.st_dev != directory->walk->device) {
        tally->mounts++;
    } else {
        tally->directories++;
        scan_entries(&scan);
    }
    if (!directory->parent)
        return;
    if (children->count)
        directory_keep(directory, scan.fd);
    else
        (void)close(scan.fd);
}

/* Reads the files of a directory into *tally and names its subdirectories in *children. A loop
 * begins more of them than there are descriptors. */
static void scan(struct pinion_io *io, struct directory *directory, struct children *children,
                 struct tally *tally)
{
    struct pinion_semaphore *turns = &directory->walk->turns;
    if (is_stopped(directory->walk, io))
        return;
    (void)pinion_semaphore_wait_uncancelable(io, turns);
    scan_in_turn(io, directory, children, tally);
    pinion_semaphore_post(io, turns);
}

/* ---- the tree ---- */

/* A directory is done, and with it every parent, up to top, whose last child that was. Frees them,
 * top excepted. */
static void settle(struct directory *directory, const struct directory *top)
{
    while (directory != top) {
        struct directory *parent = directory->parent;
        directory_destroy(directory);
        if (--parent->pending)
            return;
        directory = parent;
    }
}

/* Sums up a tree in this thread, depth first and without recursion. */
static struct tally walk_below(struct pinion_io *io, struct directory *top)
{
    struct tally tally = {0};
    struct directory **stack = NULL;
    size_t count = 0, size = 0;
    for (struct directory *directory = top; directory; directory = count ? stack[--count] : NULL) {
        struct children children = {0};
        scan(io, directory, &children, &tally);
        directory->pending = children.count;
        for (size_t i = children.count; i-- > 0;) {
            if (grow(&stack, &size, count, sizeof *stack)) {
                stack[count++] = children.list[i];
                continue;
            }
            add_error(&tally, children.list[i], NULL, ENOMEM);
            directory_destroy(children.list[i]);
            directory->pending--;
        }
        free(children.list);
        if (directory->pending == 0)
            settle(directory, top);
    }
    free(stack);
    return tally;
}

/* Takes the directory. */
PINION_TASK_DECLARE(struct tally, walk_directory, (struct pinion_io *, io),
                    (struct directory *, directory));

/* An await passes a request on to one task, and then it is spent: all others are canceled by who
 * was asked. */
static struct tally join(struct pinion_io *io, struct walk_directory_future *future)
{
    return pinion_cancel_requested(io) ? walk_directory_cancel(io, future)
                                       : walk_directory_await(io, future);
}

static struct tally walk_directory(struct pinion_io *io, struct directory *directory)
{
    struct tally tally = {0};
    struct children children = {0};
    if (directory->depth >= TASK_DEPTH_MAX) {
        tally = walk_below(io, directory);
        directory_destroy(directory);
        return tally;
    }
    scan(io, directory, &children, &tally);
    struct walk_directory_future *futures =
        children.count ? malloc(children.count * sizeof *futures) : NULL;
    for (size_t i = 0; i < children.count && futures; i++)
        futures[i] = walk_directory_async(io, io, children.list[i]);
    for (size_t i = 0; i < children.count; i++)
        merge(&tally, futures ? join(io, &futures[i]) : walk_directory(io, children.list[i]));
    free(futures);
    free(children.list);
    directory_destroy(directory);
    return tally;
}

/* The root, open. NULL if it has vanished since walk_begin, or there is no memory. */
static struct directory *root_open(struct walk *walk, struct tally *tally)
{
    struct directory *root = directory_make(walk, NULL, "");
    counter_set(&walk->files, 0);
    counter_set(&walk->bytes, 0);
    if (!root) {
        tally->errors++;
        return NULL;
    }
    root->fd = open(walk->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root->fd < 0) {
        add_error(tally, root, NULL, errno);
        directory_destroy(root);
        return NULL;
    }
    return root;
}

struct tally walk_by_tasks(struct walk *walk, struct pinion_io *io,
                           void (*running)(void *context, struct pinion_future *future),
                           void *context)
{
    struct tally tally = {0};
    struct directory *root = root_open(walk, &tally);
    if (!root)
        return tally;
    struct walk_directory_future future = walk_directory_async(io, io, root);
    if (running && future.future.task) {
        struct pinion_future *const awaited[] = {&future.future};
        running(context, &future.future);
        /* Consumes nothing, so that the task may still be canceled meanwhile. */
        (void)pinion_select(io, awaited, 1, PINION_FOREVER);
        running(context, NULL);
    }
    return walk_directory_await(io, &future);
}

struct tally walk_alone(struct walk *walk, struct pinion_io *io)
{
    struct tally tally = {0};
    struct directory *root = root_open(walk, &tally);
    if (!root)
        return tally;
    tally = walk_below(io, root);
    directory_destroy(root);
    return tally;
}

/* How many descriptors we may have, which is as many as the system lets us. */
static uint64_t descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        return 128;
    const rlim_t before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit))
        limit.rlim_cur = before;
    return limit.rlim_cur < DESCRIPTORS_MAX ? (uint64_t)limit.rlim_cur : DESCRIPTORS_MAX;
}

int walk_begin(struct walk *walk, const char *path)
{
    struct stat status;
    *walk = (struct walk){.path = path};
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    const int error = fstat(fd, &status) ? -errno : 0;
    (void)close(fd);
    walk->device = status.st_dev;
    const uint64_t all = descriptors(), turns = all / 16 < TURNS_MAX ? all / 16 : TURNS_MAX;
    walk->kept_max = all / 2;
    walk->turns = (struct pinion_semaphore)PINION_SEMAPHORE_INIT(turns ? turns : 1);
    return error;
}
