/* SPDX-License-Identifier: MIT */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pinion/version.h>

static const char *speaker = "";

void output_begin(void)
{
    /* Opened the wrong way round, so that using them is the error that it was. */
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) == -1 && errno == EBADF)
            (void)open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
    (void)signal(SIGPIPE, SIG_IGN);
}

void output_name(const char *verb)
{
    speaker = verb;
}

/* A pipe or socket with nobody at its other end. */
static bool reader_has_left(void)
{
    struct pollfd out = {STDOUT_FILENO, POLLOUT, 0};
    return poll(&out, 1, 0) == 1 && out.revents & (POLLERR | POLLHUP);
}

enum exit_status output_end(enum exit_status status)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    const int error = errno;
    if (error == EPIPE || reader_has_left())
        return status;
    complain("can't write to stdout: %s", error ? strerror(error) : "a write failed");
    return status == DONE ? FAILED : status;
}

void complain(const char *format, ...)
{
    va_list arguments;
    (void)fprintf(stderr, "pinion%s%s: ", *speaker ? " " : "", speaker);
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputc('\n', stderr);
}

void print_version(void)
{
    (void)printf("pinion %s\n", pinion_version());
    print_lines(stdout, 0, pinion_build_info());
}

void print_lines(FILE *stream, int indent, const char *text)
{
    while (*text) {
        const size_t length = strcspn(text, "\n");
        (void)fprintf(stream, "%*s%.*s\n", indent, "", (int)length, text);
        text += length + (text[length] == '\n');
    }
}

int utf8_take(const char *text, uint32_t *character)
{
    const unsigned char *bytes = (const unsigned char *)text;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    int length = bytes[0] < 0x80 ? 1 : bytes[0] < 0xc0 ? 0 : bytes[0] < 0xe0 ? 2 : 3;
    if (bytes[0] >= 0xf0)
        length = bytes[0] < 0xf8 ? 4 : 0;
    if (length == 0)
        return 0;
    uint32_t value = length == 1 ? bytes[0] : bytes[0] & (0x7fU >> length);
    for (int i = 1; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (bytes[i] & 0x3f);
    }
    if (value < least[length] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
        return 0;
    *character = value;
    return length;
}

/* C0 and C1 controls, line and paragraph ends, and what turns the direction of writing. */
static bool is_unruly(uint32_t character)
{
    return character < 0x20 || (character >= 0x7f && character < 0xa0) ||
           (character >= 0x200e && character <= 0x200f) ||
           (character >= 0x2028 && character <= 0x202e) ||
           (character >= 0x2066 && character <= 0x2069);
}

void print_name(FILE *stream, const char *name)
{
    while (*name) {
        uint32_t character;
        const int length = utf8_take(name, &character);
        if (*name == '\n' || *name == '\t' || *name == '\\') {
            const char *written = *name == '\n' ? "\\n" : *name == '\t' ? "\\t" : "\\\\";
            (void)fputs(written, stream);
        } else if (length == 0 || (length == 1 && is_unruly(character))) {
            (void)fprintf(stream, "\\x%02x", (unsigned)(unsigned char)*name);
        } else if (is_unruly(character)) {
            (void)fprintf(stream, "\\u%04x", (unsigned)character);
        } else {
            (void)fwrite(name, 1, (size_t)length, stream);
        }
        name += length ? length : 1;
    }
}

const char *bytes_text(uint64_t bytes, char buffer[16])
{
    static const char units[][3] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 999.5 && unit < 6) {
        value /= 1000;
        unit++;
    }
    const int digits = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    char text[400]; /* as long as a double can be, as far as the compiler knows */
    (void)snprintf(text, sizeof text, "%.*f %s", digits, value, units[unit]);
    (void)snprintf(buffer, 16, "%.15s", text);
    return buffer;
}

static bool wants_colour(FILE *stream)
{
    const char *refused = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(fileno(stream)) && !(refused && *refused) && term && strcmp(term, "dumb") != 0;
}

const char *bold(FILE *stream)
{
    return wants_colour(stream) ? "\033[1m" : "";
}
const char *warning(FILE *stream)
{
    return wants_colour(stream) ? "\033[33m" : "";
}
const char *plain(FILE *stream)
{
    return wants_colour(stream) ? "\033[0m" : "";
}
