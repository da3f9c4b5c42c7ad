/* SPDX-License-Identifier: MIT
 *
 * A file that is written aside, as PATH.part, and becomes PATH when it is whole. Both are named
 * relative to their folder, which is held open: the program may go elsewhere meanwhile.
 */
#ifndef PN_ASIDE_H
#define PN_ASIDE_H

#include <stddef.h>
#include <stdint.h>

struct pn_aside {
    int folder, file; /* descriptors; -1: none */
    char *name, *part; /* in the folder */
    uint64_t bytes;    /* whole writes so far */
};

/* 0, or -errno with the detail, and then nothing remains: -EINVAL, -EBUSY (someone else writes
 * there), -ENOMEM, and those of open(2). */
int pn_aside_open(struct pn_aside *aside, const char *path);
/* Appends all; or -errno, and then the file is as it was before. */
int pn_aside_write(struct pn_aside *aside, const void *data, size_t bytes);
/* It is whole: PATH is this from now on. 0 or -errno, and then it stays PATH.part. Frees all. */
int pn_aside_finish(struct pn_aside *aside);
/* It is not: it stays PATH.part. Frees all. */
void pn_aside_leave(struct pn_aside *aside);

#endif
