/* SPDX-License-Identifier: MIT
 *
 * The parts of a watch: what a pool or loop shows (watch_page.c), and what the kernel knows of
 * threads (watch_thread.c). What is read is another process's, and may be anything: each field is
 * read once, and nothing of it is relied on but by what was checked.
 */
#ifndef PN_WATCH_PARTS_H
#define PN_WATCH_PARTS_H

#include <pinion/watch.h>

#include "record.h"

/* The process. */
struct pn_watched {
    pid_t pid;
    int proc;         /* /proc/PID: of this process, whoever has its number later */
    pid_t inner;      /* its number in its own namespace */
    bool is_elsewhere; /* that is not the caller's: its threads' numbers are others, too */
    unsigned kept, kept_max; /* descriptors of threads that are kept */
    int64_t ask_ns;   /* between two looks at a thread by the kernel */
    unsigned asked;   /* how often what call a thread is in, since … */
    int64_t asked_since;
    struct pn_thread_name *names; /* is_elsewhere: by their inner numbers, in that order */
    size_t name_count;
    int64_t named_at;
};

/* What the kernel says of a thread. */
struct pn_thread_state {
    char state; /* 'R', 'S', …; 0: there is none */
    int cpu;
    uint64_t run_ns, delay_ns;
};

/* What is kept of a slot's thread from one look to the next. */
struct pn_watch_thread {
    pid_t inner, outer; /* its numbers; 0: none */
    int stat, schedstat; /* descriptors, -1: not kept */
    struct pn_thread_state kernel; /* as it was … */
    int64_t asked_at;              /* … then */
    /* Since when it is in this state and has begun so much. */
    enum pinion_watch_state state;
    uint64_t begun;
    int64_t since;
    int call;
    int64_t located_at; /* local_bytes and remote_bytes were asked for */
    uint64_t local_bytes, remote_bytes;
};

/* A pool's or loop's pages. */
struct pn_watch_page {
    const char *memory;
    size_t bytes;
    dev_t device;
    ino_t inode;
    size_t header_bytes, record_bytes, records_max;
    bool is_found; /* by the last look through the descriptors */
    struct pinion_watch_crew crew;
    struct pinion_watch_worker *workers;
    struct pn_watch_thread *threads; /* by the record */
    size_t room;                     /* of both */
};

/* watch_page.c */

#define PN_WATCH_NONE 1 /* pn_watch_page_open: it is no page of ours */

/* Maps descriptor NAME of the process: 0; PN_WATCH_NONE; -EPROTO: it is a page, of *layout, which
 * is not known here; or the kernel's error. */
int pn_watch_page_open(const struct pn_watched *process, const char *name,
                       struct pn_watch_page *page, unsigned *layout);
void pn_watch_page_close(struct pn_watched *process, struct pn_watch_page *page);
/* Whether its pool or loop has ended. */
bool pn_watch_page_is_over(const struct pn_watch_page *page);
/* Fills page->crew. 0 or -ENOMEM. */
int pn_watch_page_read(struct pn_watched *process, struct pn_watch_page *page, int64_t now);

/* watch_thread.c */

/* Reads a file of /proc into text, which ends it with a NUL. The length, or -errno. */
ssize_t pn_proc_read(int directory, const char *path, char *text, size_t size);
/* 0, or -ESRCH: it has ended. */
int pn_process_look(const struct pn_watched *process);
/* Sets inner and is_elsewhere. 0 or -errno. */
int pn_process_name(struct pn_watched *process);

void pn_watch_thread_init(struct pn_watch_thread *thread);
void pn_watch_thread_fini(struct pn_watched *process, struct pn_watch_thread *thread);
/* Who is in the slot is now the thread of that inner number, 0: none. */
void pn_watch_thread_set(struct pn_watched *process, struct pn_watch_thread *thread, pid_t inner,
                         int64_t now);
/* Fills thread->kernel. */
void pn_watch_thread_look(struct pn_watched *process, struct pn_watch_thread *thread);
/* The call that it sleeps in; -1: not known, or too many were asked for of late. */
int pn_watch_thread_call(struct pn_watched *process, const struct pn_watch_thread *thread,
                         int64_t now);

#endif
