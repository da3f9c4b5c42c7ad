/* SPDX-License-Identifier: MIT */
#include "names.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace.h"

/* So many different names, and then no more: a program may call each of its connections by a name
 * of its own. */
#define NAMES_MAX 65536u

/* ---- text ---- */

/* How many bytes of UTF-8 make a character at text that is no control character; 0: none. */
static size_t character(const unsigned char *text)
{
    if (text[0] < 0x80)
        return text[0] >= 0x20 && text[0] != 0x7f;
    const size_t bytes = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
    uint32_t value = text[0] & (0x7fu >> bytes);
    static const uint32_t least[] = {[2] = 0x80, [3] = 0x800, [4] = 0x10000};
    if (text[0] < 0xc2 || text[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < bytes; i++) {
        if ((text[i] & 0xc0) != 0x80) /* also where the text ends */
            return 0;
        value = value << 6 | (text[i] & 0x3f);
    }
    const bool is_surrogate = value >= 0xd800 && value <= 0xdfff;
    return value < least[bytes] || value > 0x10ffff || is_surrogate ? 0 : bytes;
}

void pn_name_clean(char *text)
{
    for (size_t bytes; *text; text += bytes) {
        bytes = character((const unsigned char *)text);
        if (bytes == 0) {
            *text = '?';
            bytes = 1;
        }
    }
}

/* FNV-1a. */
static uint64_t hash_of(const char *text)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
    return hash ? hash : 1;
}

static bool has_room(struct pn_names *names)
{
    if (names->count < names->room)
        return true;
    const uint32_t room = names->room ? names->room * 2 : 64;
    char **list = names->count < NAMES_MAX ? realloc(names->list, room * sizeof *list) : NULL;
    if (!list)
        return false;
    names->list = list;
    names->room = room;
    return true;
}

uint32_t pn_names_of_text(struct pn_names *names, char text[static PN_NAME_BYTES], bool *is_new)
{
    *is_new = false;
    pn_name_clean(text);
    uint64_t key = hash_of(text), number;
    for (; (number = pn_table_get(&names->texts, key)); key = key + 1 ? key + 1 : 1)
        if (strcmp(names->list[number - names->first], text) == 0)
            return (uint32_t)number;
    char *copy = has_room(names) ? strdup(text) : NULL;
    number = names->first + names->count;
    if (!copy || !pn_table_set(&names->texts, key, number)) {
        free(copy);
        return 0;
    }
    names->list[names->count++] = copy;
    *is_new = true;
    return (uint32_t)number;
}

/* ---- functions ---- */

/* What it is called where nobody has told its name. */
static void describe(uint64_t function, char text[static PN_NAME_BYTES])
{
    Dl_info info;
    if (!dladdr((void *)(uintptr_t)function, &info)) {
        (void)snprintf(text, PN_NAME_BYTES, "%#llx", (unsigned long long)function);
    } else if (info.dli_sname) {
        (void)snprintf(text, PN_NAME_BYTES, "%s", info.dli_sname);
    } else {
        const char *slash = strrchr(info.dli_fname, '/');
        (void)snprintf(text, PN_NAME_BYTES, "%s+%#llx", slash ? slash + 1 : info.dli_fname,
                       (unsigned long long)(function - (uintptr_t)info.dli_fbase));
    }
}

uint32_t pn_names_of_function(struct pn_names *names, uint64_t function,
                              char text[static PN_NAME_BYTES], bool *is_new)
{
    const uint32_t told = (uint32_t)pn_trace_names_told();
    const uint64_t known = pn_table_get(&names->functions, function);
    *is_new = false;
    if (known && ((known & 1) || known >> 32 == told))
        return (uint32_t)known >> 1;
    const bool is_told = pn_trace_function_name((uintptr_t)function, text, PN_NAME_BYTES);
    if (!is_told)
        describe(function, text);
    const uint32_t number = pn_names_of_text(names, text, is_new);
    (void)pn_table_set(&names->functions, function,
                       (uint64_t)told << 32 | (uint64_t)number << 1 | is_told);
    return number;
}

void pn_names_clear(struct pn_names *names)
{
    for (uint32_t i = 0; i < names->count; i++)
        free(names->list[i]);
    free(names->list);
    pn_table_clear(&names->texts);
    pn_table_clear(&names->functions);
    *names = (struct pn_names){.first = names->first};
}
