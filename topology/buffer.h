/* SPDX-License-Identifier: MIT
 *
 * Text that grows. A failed allocation is kept and told once, at the end, so that writers need not
 * look at each line.
 */
#ifndef PN_BUFFER_H
#define PN_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

/* All zero is an empty buffer. bytes is NULL or ends in a NUL that length does not count. */
struct pn_buffer {
    char *bytes;
    size_t length, size;
    bool failed;
};

void pn_buffer_fini(struct pn_buffer *buffer);

/* Appends a formatted text, or sets failed. */
void pn_buffer_add(struct pn_buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What is in it, "" if nothing. Valid until the next add. */
const char *pn_buffer_text(const struct pn_buffer *buffer);

/* Reads a whole file of unknown length, such as those of /proc. The caller owns buffer->bytes. 0,
 * -ENOMEM, -EFBIG over limit bytes, or the error of opening or reading it. */
int pn_buffer_read_file(struct pn_buffer *buffer, const char *path, size_t limit);

#endif
