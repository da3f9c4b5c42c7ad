/* SPDX-License-Identifier: MIT
 *
 * The names in a trace: each is written once, and known by its number after that. One thread at a
 * time.
 */
#ifndef PN_NAMES_H
#define PN_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "table.h"

#define PN_NAME_BYTES 128 /* with the zero at the end; longer ones are cut */

/* Empty when zero; names are numbered from `first` on, which is not 0. */
struct pn_names {
    struct pn_table texts;     /* hash: number */
    struct pn_table functions; /* address: how many names were told when it was looked for << 32 |
                                  number << 1 | whether its own was */
    char **list;
    uint32_t first, count, room;
};

/* Makes a text one of UTF-8 without control characters. */
void pn_name_clean(char *text);

/* The number of a text, which is cleaned; 0: there are too many, or no memory. *is_new: it has just
 * got it. */
uint32_t pn_names_of_text(struct pn_names *names, char text[static PN_NAME_BYTES], bool *is_new);

/* The same of a function's name, which goes to text if it is new. */
uint32_t pn_names_of_function(struct pn_names *names, uint64_t function,
                              char text[static PN_NAME_BYTES], bool *is_new);

void pn_names_clear(struct pn_names *names);

#endif
