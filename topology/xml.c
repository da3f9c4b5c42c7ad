/* SPDX-License-Identifier: MIT */
#include "xml.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "cpulist.h"

/* A piece of the text. */
struct span {
    const char *at;
    size_t length;
};

enum attribute { TYPE, OS_INDEX, CPUSET, COMPLETE_CPUSET, NODESET, COMPLETE_NODESET, ATTRIBUTES };

/* Of an object's attributes, those looked at; length 0 if it is not there. */
struct object {
    struct span values[ATTRIBUTES];
};

static bool span_is(struct span span, const char *word)
{
    return strlen(word) == span.length && memcmp(span.at, word, span.length) == 0;
}

static const char *skip_space(const char *at)
{
    return at + strspn(at, " \t\r\n");
}

/* name="value" at *text, which moves behind it. */
static bool take_attribute(const char **text, struct span *name, struct span *value)
{
    const char *at = *text;
    *name = (struct span){at, strspn(at, "abcdefghijklmnopqrstuvwxyz_ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                         "0123456789")};
    at += name->length;
    if (name->length == 0 || at[0] != '=' || at[1] != '"')
        return false;
    at += 2;
    *value = (struct span){at, strcspn(at, "\"<")};
    at += value->length;
    if (*at != '"')
        return false;
    *text = skip_space(at + 1);
    return true;
}

static void keep_attribute(struct object *object, struct span name, struct span value)
{
    static const char *const names[ATTRIBUTES] = {
        [TYPE] = "type",       [OS_INDEX] = "os_index",
        [CPUSET] = "cpuset",   [COMPLETE_CPUSET] = "complete_cpuset",
        [NODESET] = "nodeset", [COMPLETE_NODESET] = "complete_nodeset",
    };
    for (unsigned i = 0; i < ATTRIBUTES; i++) {
        if (span_is(name, names[i]))
            object->values[i] = value;
    }
}

/* The rest of "<object ...>". */
static bool take_object(const char *text, struct object *object)
{
    *object = (struct object){0};
    text = skip_space(text);
    while (*text != '>' && *text != '/') {
        struct span name, value;
        if (!take_attribute(&text, &name, &value))
            return false;
        keep_attribute(object, name, value);
    }
    return true;
}

/* Up to eight digits behind "0x", or nothing, which stands for a zero among others. */
static bool take_word(const char **text, bool may_be_empty)
{
    const char *at = *text;
    if (may_be_empty && *at != '0')
        return true;
    if (at[0] != '0' || at[1] != 'x')
        return false;
    const size_t digits = strspn(at + 2, "0123456789abcdefABCDEF");
    *text = at + 2 + digits;
    return digits > 0 && digits <= 8;
}

/* "0x00000003,,0x0". No "..." either, which is how hwloc writes a set without an end. */
static bool is_set(const char *text)
{
    bool good = take_word(&text, false);
    while (good && *text == ',') {
        text++;
        good = take_word(&text, true);
    }
    return good && *text == '"' && text[-1] != ',';
}

/* Those of objects, and of kinds of core. */
static bool sets_are_sound(const char *text)
{
    for (const char *at = text; (at = strstr(at, "set=\""));) {
        at += strlen("set=\"");
        if (!is_set(at))
            return false;
    }
    return true;
}

static bool is_index(struct span value)
{
    return value.length > 0 && strspn(value.at, "0123456789") >= value.length &&
           strtoul(value.at, NULL, 10) <= PN_CPULIST_MAX;
}

/* What is not a part of the machine's tree has no sets. */
static bool is_special(struct span type)
{
    static const char *const names[] = {"Misc", "Bridge", "PCIDev", "OSDev"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (span_is(type, names[i]))
            return true;
    }
    return false;
}

static bool is_sound(const struct object *object)
{
    const struct span type = object->values[TYPE];
    if (type.length == 0)
        return false;
    if (is_special(type))
        return true;
    for (unsigned i = CPUSET; i <= COMPLETE_NODESET; i++) {
        if (object->values[i].length == 0)
            return false;
    }
    return (!span_is(type, "PU") && !span_is(type, "NUMANode")) ||
           is_index(object->values[OS_INDEX]);
}

bool pn_xml_is_sound(const char *text)
{
    bool cpu_found = false, node_found = false;
    for (const char *at = text; (at = strstr(at, "<object"));) {
        struct object object;
        at += strlen("<object");
        if (!take_object(at, &object) || !is_sound(&object))
            return false;
        cpu_found |= span_is(object.values[TYPE], "PU");
        node_found |= span_is(object.values[TYPE], "NUMANode");
    }
    return cpu_found && node_found && sets_are_sound(text);
}
