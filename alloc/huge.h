/* SPDX-License-Identifier: MIT
 *
 * Transparent huge pages: whether this system offers them, and asking for them.
 */
#ifndef PN_HUGE_H
#define PN_HUGE_H

#include <stdbool.h>
#include <stddef.h>

struct pn_huge_pages {
    const char *sentence; /* static, for reports */
    size_t bytes;         /* of one huge page; 0 where they are not asked for */
};

/* What the system says, read once. Any thread. */
const struct pn_huge_pages *pn_huge_pages(void);

/* What two lines of /sys/kernel/mm/transparent_hugepage mean: its enabled and hpage_pmd_size,
 * either NULL if it can't be read. */
struct pn_huge_pages pn_huge_pages_parse(const char *enabled, const char *size);

/* Asks for huge pages in whatever whole ones lie in [address, address + length), if that is at
 * least two huge pages long: an arena that is hardly used should not cost megabytes at the first
 * touch, and the mappings of one that grows get longer. Keeps errno. */
void pn_huge_pages_advise(void *address, size_t length);

#endif
