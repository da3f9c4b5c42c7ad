/* SPDX-License-Identifier: MIT */
#include "buffer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void pn_buffer_fini(struct pn_buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct pn_buffer){0};
}

/* Makes room for more bytes and a NUL. */
static bool buffer_reserve(struct pn_buffer *buffer, size_t more)
{
    if (buffer->failed)
        return false;
    if (buffer->size - buffer->length > more)
        return true;
    size_t size = buffer->size ? buffer->size : 128;
    while (size - buffer->length <= more)
        size *= 2;
    char *bytes = realloc(buffer->bytes, size);
    if (!bytes) {
        buffer->failed = true;
        return false;
    }
    buffer->bytes = bytes;
    buffer->size = size;
    return true;
}

void pn_buffer_add(struct pn_buffer *buffer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int needed = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (needed < 0 || !buffer_reserve(buffer, (size_t)needed))
        return;
    va_start(arguments, format);
    (void)vsnprintf(buffer->bytes + buffer->length, (size_t)needed + 1, format, arguments);
    va_end(arguments);
    buffer->length += (size_t)needed;
}

const char *pn_buffer_text(const struct pn_buffer *buffer)
{
    return buffer->bytes ? buffer->bytes : "";
}

static int read_all(struct pn_buffer *buffer, int file, size_t limit)
{
    for (;;) {
        if (!buffer_reserve(buffer, 4096))
            return -ENOMEM;
        ssize_t got = read(file, buffer->bytes + buffer->length, 4096);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        buffer->length += (size_t)got;
        buffer->bytes[buffer->length] = '\0';
        if (got == 0)
            return 0;
        if (buffer->length > limit)
            return -EFBIG;
    }
}

int pn_buffer_read_file(struct pn_buffer *buffer, const char *path, size_t limit)
{
    *buffer = (struct pn_buffer){0};
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return -errno;
    const int error = read_all(buffer, file, limit);
    (void)close(file);
    if (error)
        pn_buffer_fini(buffer);
    return error;
}
