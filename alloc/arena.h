/* SPDX-License-Identifier: MIT
 *
 * What the rest of the library needs to know of an arena beyond its public face.
 */
#ifndef PN_ARENA_H
#define PN_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include <pinion/arena.h>

/* 0 if the arena's memory is bound to its node, or there is nothing to bind (-1, one node only);
 * else the kernel's error of the attempt that was refused (an arena tries once when it is made). */
int pn_arena_bind_error(const struct pinion_arena *arena);

/* How huge pages stand for arenas on this system: a static sentence such as "transparent, by
 * madvise" or "off: /sys/kernel/mm/transparent_hugepage/enabled is never". *on says whether they
 * are asked for. */
const char *pn_arena_huge_pages(bool *on);

/* Never give unused memory back to the system from now on (a pool that polls makes no system
 * calls). */
void pn_arena_keep(struct pinion_arena *arena);

/* "jemalloc 5.3.0" or "mmap". Static. */
const char *pn_arena_backend(void);

#endif
