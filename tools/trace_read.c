/* SPDX-License-Identifier: MIT */
#include "trace_read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "output.h"

/* ---- protobuf ---- */

/* What is left of a message. */
struct view {
    const uint8_t *at, *end;
};

/* One field of it: number, for wire types 0 and 1 its value, for 2 its content. */
struct field {
    uint32_t number;
    uint64_t value;
    struct view content;
};

static bool take_varint(struct view *view, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; view->at < view->end && shift < 64; shift += 7) {
        const uint8_t byte = *view->at++;
        *value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return true;
    }
    return false;
}

/* False at the end, and where it is damaged. */
static bool take_field(struct view *view, struct field *field)
{
    uint64_t tag, length;
    *field = (struct field){0};
    if (!take_varint(view, &tag))
        return false;
    field->number = (uint32_t)(tag >> 3);
    switch (tag & 7) {
    case 0:
        return take_varint(view, &field->value);
    case 1:
    case 5:
        length = (tag & 7) == 1 ? 8 : 4;
        if ((size_t)(view->end - view->at) < length)
            return false;
        for (unsigned i = 0; i < length; i++)
            field->value |= (uint64_t)view->at[i] << 8 * i;
        view->at += length;
        return true;
    case 2:
        if (!take_varint(view, &length) || (size_t)(view->end - view->at) < length)
            return false;
        field->content = (struct view){view->at, view->at + length};
        view->at += length;
        return true;
    default:
        return false;
    }
}

static char *text_of(struct view content)
{
    const size_t length = (size_t)(content.end - content.at);
    char *text = length ? strndup((const char *)content.at, length) : strdup("");
    if (!text)
        abort();
    return text;
}

/* ---- names ---- */

/* By number: few, and dense. */
struct texts {
    char **list;
    size_t count;
};

#define TEXTS_MAX ((size_t)1 << 24)

static void put_text(struct texts *texts, uint64_t number, struct view content)
{
    if (number >= TEXTS_MAX)
        return;
    if (number >= texts->count) {
        const size_t count = (size_t)number < texts->count * 2 ? texts->count * 2 : number + 64;
        texts->list = realloc(texts->list, count * sizeof *texts->list);
        if (!texts->list)
            abort();
        memset(texts->list + texts->count, 0, (count - texts->count) * sizeof *texts->list);
        texts->count = count;
    }
    free(texts->list[number]);
    texts->list[number] = text_of(content);
}

static const char *get_text(const struct texts *texts, uint64_t number)
{
    return number < texts->count && texts->list[number] ? texts->list[number] : "";
}

static void forget_texts(struct texts *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        free(texts->list[i]);
    free(texts->list);
}

/* An entry of interned data: its number (1) and its text (2). */
static void take_text(struct texts *texts, struct view entry)
{
    struct field field;
    struct view content = {0};
    uint64_t number = 0;
    while (take_field(&entry, &field)) {
        if (field.number == 1)
            number = field.value;
        else if (field.number == 2)
            content = field.content;
    }
    if (number)
        put_text(texts, number, content);
}

/* ---- tracks ---- */

static size_t find_track(const struct trace_file *file, uint64_t id)
{
    /* The library numbers them from 1 on, in the order of the file. */
    if (id && id <= file->track_count && file->tracks[id - 1].id == id)
        return (size_t)id - 1;
    size_t i = 0;
    while (i < file->track_count && file->tracks[i].id != id)
        i++;
    return i;
}

static void take_thread(struct trace_track *track, struct view thread)
{
    struct field field;
    while (take_field(&thread, &field)) {
        if (field.number == 1)
            track->pid = (long)field.value;
        else if (field.number == 2)
            track->tid = (long)field.value;
        else if (field.number == 5) {
            free(track->name);
            track->name = text_of(field.content);
        }
    }
}

static void take_process(struct trace_file *file, struct view process)
{
    struct field field;
    while (take_field(&process, &field))
        if (field.number == 6) {
            free(file->process);
            file->process = text_of(field.content);
        }
}

static void take_track(struct trace_file *file, struct view descriptor)
{
    struct trace_track track = {0};
    struct field field;
    while (take_field(&descriptor, &field)) {
        if (field.number == 1)
            track.id = field.value;
        else if (field.number == 2 && !track.name)
            track.name = text_of(field.content);
        else if (field.number == 3)
            take_process(file, field.content);
        else if (field.number == 4)
            take_thread(&track, field.content);
        else if (field.number == 5)
            track.parent = field.value;
        else if (field.number == 8)
            track.is_counter = true;
    }
    if (!track.name && !(track.name = strdup("")))
        abort();
    const size_t i = find_track(file, track.id);
    if (i < file->track_count) {
        free(file->tracks[i].name);
    } else {
        struct trace_track *tracks =
            realloc(file->tracks, (file->track_count + 1) * sizeof *tracks);
        if (!tracks)
            abort();
        file->tracks = tracks;
        file->track_count++;
    }
    file->tracks[i] = track;
}

/* ---- packets ---- */

/* The next packet of the file, which is field 1 of the whole; false where no whole one is left. */
static bool take_packet(const struct trace_file *file, size_t *at, struct view *packet)
{
    struct view view = {file->bytes + *at, file->bytes + file->size};
    struct field field;
    if (!take_field(&view, &field) || field.number != 1)
        return false;
    *packet = field.content;
    *at = (size_t)(view.at - file->bytes);
    return true;
}

/* The content of a field of a packet; false: it has none. */
static bool find_field(struct view packet, uint32_t number, struct field *field)
{
    while (take_field(&packet, field))
        if (field->number == number)
            return true;
    return false;
}

enum { CATEGORIES = 1, NAMES = 2, ANNOTATIONS = 3, TEXT_KINDS = 4 };

static void take_interned(struct texts texts[static TEXT_KINDS], struct view interned)
{
    struct field field;
    while (take_field(&interned, &field))
        if (field.number >= CATEGORIES && field.number <= ANNOTATIONS)
            take_text(&texts[field.number], field.content);
}

/* Copies of annotations that the event points to. */
struct annotations {
    char from[64], distance[64];
};

static void take_annotation(const struct texts *names, struct view annotation,
                            struct annotations *annotations)
{
    struct field field;
    const char *name = "";
    struct view content = {0};
    while (take_field(&annotation, &field)) {
        if (field.number == 1)
            name = get_text(names, field.value);
        else if (field.number == 6)
            content = field.content;
    }
    char *to = strcmp(name, "from") == 0       ? annotations->from
               : strcmp(name, "distance") == 0 ? annotations->distance
                                               : NULL;
    const size_t length = (size_t)(content.end - content.at);
    if (!to || !length || length >= sizeof annotations->from)
        return;
    memcpy(to, content.at, length);
    to[length] = '\0';
}

/* False: it is on no track that is known, or no event. */
static bool take_event(const struct trace_file *file, const struct texts texts[static TEXT_KINDS],
                       struct view content, struct trace_event *event,
                       struct annotations *annotations)
{
    struct field field;
    uint64_t track = 0;
    event->name = event->category = "";
    event->from = annotations->from;
    event->distance = annotations->distance;
    while (take_field(&content, &field)) {
        switch (field.number) {
        case 3:
            event->category = get_text(&texts[CATEGORIES], field.value);
            break;
        case 4:
            take_annotation(&texts[ANNOTATIONS], field.content, annotations);
            break;
        case 9:
            event->type = (enum trace_type)field.value;
            break;
        case 10:
            event->name = get_text(&texts[NAMES], field.value);
            break;
        case 11:
            track = field.value;
            break;
        case 30:
            event->value = (int64_t)field.value;
            break;
        case 47:
            event->flow = field.value;
            break;
        case 48:
            event->last_flow = field.value;
            break;
        default:
            break;
        }
    }
    event->track = find_track(file, track);
    return event->track < file->track_count && event->type >= TRACE_BEGIN &&
           event->type <= TRACE_COUNTER;
}

void trace_each(struct trace_file *file, void (*take)(const struct trace_event *, void *),
                void *context)
{
    struct texts texts[TEXT_KINDS] = {0};
    struct view packet;
    for (size_t at = 0; take_packet(file, &at, &packet);) {
        struct field field;
        struct trace_event event = {0};
        struct annotations annotations = {"", ""};
        if (find_field(packet, 12, &field))
            take_interned(texts, field.content);
        if (find_field(packet, 8, &field))
            event.ns = (int64_t)field.value;
        if (find_field(packet, 11, &field) &&
            take_event(file, texts, field.content, &event, &annotations))
            take(&event, context);
    }
    for (size_t i = 0; i < TEXT_KINDS; i++)
        forget_texts(&texts[i]);
}

/* ---- the file ---- */

/* 0, or an errno. */
static int read_all(struct trace_file *file, int descriptor)
{
    size_t room = 0;
    for (;;) {
        if (file->size == room) {
            room = room ? room * 2 : (size_t)1 << 20;
            uint8_t *bytes = realloc(file->bytes, room);
            if (!bytes)
                return ENOMEM;
            file->bytes = bytes;
        }
        const ssize_t count = read(descriptor, file->bytes + file->size, room - file->size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return count < 0 ? errno : 0;
        file->size += (size_t)count;
    }
}

static void read_tracks(struct trace_file *file)
{
    struct view packet;
    while (take_packet(file, &file->whole, &packet)) {
        struct field field;
        if (find_field(packet, 60, &field))
            take_track(file, field.content);
    }
}

bool trace_open(struct trace_file *file, const char *path)
{
    *file = (struct trace_file){.path = path};
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    int error = descriptor < 0 ? errno : read_all(file, descriptor);
    if (descriptor >= 0)
        (void)close(descriptor);
    if (error) {
        complain("can't read %s: %s", path, strerror(error));
    } else {
        read_tracks(file);
        if (file->track_count == 0) {
            complain("%s is no trace of pinion's, or was cut before its first event", path);
            error = EINVAL;
        }
    }
    if (error)
        trace_close(file);
    return !error;
}

void trace_close(struct trace_file *file)
{
    for (size_t i = 0; i < file->track_count; i++)
        free(file->tracks[i].name);
    free(file->tracks);
    free(file->process);
    free(file->bytes);
    *file = (struct trace_file){0};
}
