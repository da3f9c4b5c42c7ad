/* SPDX-License-Identifier: MIT */
#include "table.h"

#include <stdlib.h>

#define SIZE_MIN 64

/* Where a key is looked for first; Fibonacci hashing. */
static size_t home_of(const struct pn_table *table, uint64_t key)
{
    return (size_t)(key * UINT64_C(0x9E3779B97F4A7C15) >> 32) & (table->size - 1);
}

/* Where it stands, or would stand. */
static struct pn_entry *find(const struct pn_table *table, uint64_t key)
{
    size_t i = home_of(table, key);
    while (table->entries[i].key && table->entries[i].key != key)
        i = (i + 1) & (table->size - 1);
    return &table->entries[i];
}

uint64_t pn_table_get(const struct pn_table *table, uint64_t key)
{
    return table->size ? find(table, key)->value : 0;
}

static bool grow(struct pn_table *table)
{
    struct pn_table larger = {.size = table->size ? table->size * 2 : SIZE_MIN,
                              .count = table->count};
    larger.entries = calloc(larger.size, sizeof larger.entries[0]);
    if (!larger.entries)
        return false;
    for (size_t i = 0; i < table->size; i++)
        if (table->entries[i].key)
            *find(&larger, table->entries[i].key) = table->entries[i];
    free(table->entries);
    *table = larger;
    return true;
}

bool pn_table_set(struct pn_table *table, uint64_t key, uint64_t value)
{
    if (table->count >= table->size / 4 * 3 && !grow(table))
        return false;
    struct pn_entry *entry = find(table, key);
    table->count += entry->key == 0;
    *entry = (struct pn_entry){key, value};
    return true;
}

/* Those behind it that would not be found any more move up (Knuth, volume 3, algorithm 6.4R). */
void pn_table_remove(struct pn_table *table, uint64_t key)
{
    struct pn_entry *hole = table->size ? find(table, key) : NULL;
    const size_t mask = table->size - 1;
    if (!hole || !hole->key)
        return;
    table->count--;
    size_t gap = (size_t)(hole - table->entries);
    for (size_t i = (gap + 1) & mask; table->entries[i].key; i = (i + 1) & mask) {
        const size_t home = home_of(table, table->entries[i].key);
        if (((i - home) & mask) >= ((i - gap) & mask)) {
            table->entries[gap] = table->entries[i];
            gap = i;
        }
    }
    table->entries[gap] = (struct pn_entry){0, 0};
}

void pn_table_clear(struct pn_table *table)
{
    free(table->entries);
    *table = (struct pn_table){0};
}
