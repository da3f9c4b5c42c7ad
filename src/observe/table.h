/* SPDX-License-Identifier: MIT
 *
 * A hash table from 64-bit keys to 64-bit values, neither of which is 0. One thread at a time.
 */
#ifndef PN_TABLE_H
#define PN_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pn_entry {
    uint64_t key, value;
};

/* Empty when zero. count <= size * 3 / 4; size: a power of two, or 0. */
struct pn_table {
    struct pn_entry *entries;
    size_t size, count;
};

/* The key's value; 0: there is none. */
uint64_t pn_table_get(const struct pn_table *table, uint64_t key);
/* Sets it; false: out of memory. */
bool pn_table_set(struct pn_table *table, uint64_t key, uint64_t value);
/* Takes it out, if it is there. */
void pn_table_remove(struct pn_table *table, uint64_t key);
/* Empties the table; it stays usable. */
void pn_table_clear(struct pn_table *table);

#endif
