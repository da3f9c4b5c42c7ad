/* SPDX-License-Identifier: MIT
 *
 * The suite's part on queues in traffic: many put and many get, tasks and plain threads of two ios.
 * Each item comes out exactly once, and those of one producer in its order as each consumer sees
 * it.
 */
#include "suite.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define PRODUCERS 3
#define CONSUMERS 3
#define BATCH_MAX 40

struct traffic {
    struct pinion_queue queue;
    size_t item_size, batch_max;
    uint32_t each;              /* items of a producer */
    bool is_closed_early;
    _Atomic uint32_t put[PRODUCERS];     /* of each, how many went in */
    _Atomic unsigned char *seen;         /* by producer and number */
    _Atomic int done;
    _Atomic long got;
};

/* An item: producer and number, as far as its size allows; the rest a pattern of both. What does
 * not fit into an item of one byte is counted only. */
static void write_item(const struct traffic *traffic, unsigned char *item, uint32_t producer,
                       uint32_t number)
{
    const uint32_t head = producer << 20 | number;
    if (traffic->item_size < sizeof head) {
        memset(item, (int)(producer + 1), traffic->item_size);
        return;
    }
    memcpy(item, &head, sizeof head);
    for (size_t i = sizeof head; i < traffic->item_size; i++)
        item[i] = (unsigned char)(head + i);
}

static uint32_t read_item(const struct traffic *traffic, const unsigned char *item)
{
    uint32_t head;
    memcpy(&head, item, sizeof head);
    for (size_t i = sizeof head; i < traffic->item_size; i++)
        EXPECT(item[i] == (unsigned char)(head + i));
    return head;
}

/* One put: in each form, with any min. Returns how many went in, or -EPIPE. */
static ssize_t put_some(struct pinion_io *io, struct traffic *traffic, const unsigned char *items,
                        size_t count, uint32_t *seed)
{
    const size_t min = suite_random(seed) % (count + 1);
    struct pinion_queue *queue = &traffic->queue;
    ssize_t moved;
    switch (suite_random(seed) % 3) {
    case 0:
        moved = pinion_queue_put(io, queue, items, count, min);
        break;
    case 1:
        moved = pinion_queue_put_uncancelable(io, queue, items, count, min);
        break;
    default:
        moved = pinion_queue_put_until(io, queue, items, count, min,
                                       suite_now() + suite_random(seed) % 20000);
        if (moved == -ETIMEDOUT)
            return 0;
        EXPECT(moved == -EPIPE || (moved >= 0 && moved <= (ssize_t)count));
        return moved;
    }
    if (moved >= 0 && moved < (ssize_t)min) /* only a close explains that */
        EXPECT(pinion_queue_put(io, queue, items, 1, 0) == -EPIPE);
    EXPECT(moved == -EPIPE || (moved >= 0 && moved <= (ssize_t)count));
    return moved;
}

static void produce(struct pinion_io *io, struct traffic *traffic, uint32_t producer)
{
    unsigned char items[BATCH_MAX * 100];
    uint32_t seed = producer + 1, number = 0;
    while (number < traffic->each) {
        size_t count = 1 + suite_random(&seed) % traffic->batch_max;
        if (count > traffic->each - number)
            count = traffic->each - number;
        for (size_t i = 0; i < count; i++)
            write_item(traffic, items + i * traffic->item_size, producer,
                       number + (uint32_t)i);
        const ssize_t moved = put_some(io, traffic, items, count, &seed);
        if (moved < 0) {
            EXPECT(traffic->is_closed_early);
            break;
        }
        number += (uint32_t)moved;
    }
    atomic_store(&traffic->put[producer], number);
    if (atomic_fetch_add(&traffic->done, 1) + 1 == PRODUCERS)
        pinion_queue_close(io, &traffic->queue); /* the last one to leave */
}

static void look_at(struct traffic *traffic, const unsigned char *item, int64_t *last)
{
    atomic_fetch_add(&traffic->got, 1);
    if (traffic->item_size < sizeof(uint32_t)) {
        for (size_t i = 0; i < traffic->item_size; i++)
            EXPECT(item[i] == item[0] && item[0] >= 1 && item[0] <= PRODUCERS);
        return;
    }
    const uint32_t head = read_item(traffic, item), producer = head >> 20;
    const uint32_t number = head & 0xFFFFF;
    EXPECT(producer < PRODUCERS && number < traffic->each);
    if (producer >= PRODUCERS || number >= traffic->each)
        return;
    EXPECT(atomic_fetch_add(&traffic->seen[producer * traffic->each + number], 1) == 0);
    EXPECT((int64_t)number > last[producer]);
    last[producer] = number;
}

static void consume(struct pinion_io *io, struct traffic *traffic, unsigned index)
{
    unsigned char items[BATCH_MAX * 100 + 1];
    int64_t last[PRODUCERS];
    uint32_t seed = index + 100;
    for (int i = 0; i < PRODUCERS; i++)
        last[i] = -1;
    for (;;) {
        const size_t count = 1 + suite_random(&seed) % traffic->batch_max;
        const size_t min = suite_random(&seed) % (count + 1);
        items[count * traffic->item_size] = 0x5A;
        const ssize_t moved =
            suite_random(&seed) % 2
                ? pinion_queue_get(io, &traffic->queue, items, count, min)
                : pinion_queue_get_until(io, &traffic->queue, items, count, min,
                                         suite_now() + suite_random(&seed) % 20000);
        EXPECT(items[count * traffic->item_size] == 0x5A);
        if (moved == -EPIPE)
            return;
        EXPECT(moved == -ETIMEDOUT || (moved >= 0 && moved <= (ssize_t)count));
        for (ssize_t i = 0; i < moved; i++)
            look_at(traffic, items + (size_t)i * traffic->item_size, last);
        if (traffic->is_closed_early && atomic_load(&traffic->got) > traffic->each)
            pinion_queue_close(io, &traffic->queue);
    }
}

static void drive(struct pinion_io *io, void *context, unsigned index)
{
    struct traffic *traffic = context;
    if (index < PRODUCERS)
        produce(io, traffic, index);
    else
        consume(io, traffic, index);
}

static void run(struct suite *suite, struct pinion_io *second, size_t capacity, size_t item_size,
                size_t batch_max, bool is_closed_early)
{
    struct traffic traffic = {.item_size = item_size,
                              .batch_max = batch_max,
                              .each = (uint32_t)SUITE_ROUNDS(400),
                              .is_closed_early = is_closed_early};
    struct crew crew = {.second = second};
    char *storage = malloc(item_size * capacity + 1);
    traffic.seen = calloc(PRODUCERS * (size_t)traffic.each, 1);
    assert_non_null(storage);
    assert_non_null(traffic.seen);
    pinion_queue_init(&traffic.queue, capacity ? storage + 1 : NULL, item_size, capacity);
    crew_start(suite, &crew, PRODUCERS + CONSUMERS, drive, &traffic);
    crew_end(&crew);
    long put = 0;
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        put += atomic_load(&traffic.put[i]);
        for (uint32_t j = 0; j < traffic.each && item_size >= sizeof(uint32_t); j++)
            EXPECT(atomic_load(&traffic.seen[i * traffic.each + j]) ==
                   (j < atomic_load(&traffic.put[i])));
    }
    assert_int_equal(atomic_load(&traffic.got), put);
    if (!is_closed_early)
        assert_int_equal(put, PRODUCERS * traffic.each);
    free((void *)traffic.seen);
    free(storage);
}

static void run_all(struct suite *suite, bool is_closed_early)
{
    const size_t capacities[] = {0, 1, 2, 3, 64, 1000}, item_sizes[] = {1, 3, 8, 100};
    const size_t batches[] = {1, 5, BATCH_MAX};
    struct suite second = *suite;
    assert_int_equal(suite->of->make(suite->of, &second.io, &second.made), 0);
    for (unsigned i = 0; i < 6; i++)
        for (unsigned j = 0; j < 4; j++)
            for (unsigned k = 0; k < 3; k++)
                if (!is_closed_early || j == 2)
                    run(suite, second.io, capacities[i], item_sizes[j], batches[k],
                        is_closed_early);
    suite->of->destroy(second.made);
}

static void every_item_comes_out_once_and_in_its_producers_order(struct suite *suite)
{
    run_all(suite, false);
}

/* What puts said went in comes out, and nothing else. */
static void a_close_in_the_middle_loses_nothing_that_went_in(struct suite *suite)
{
    run_all(suite, true);
}

/* ---- batches stay together where there is room for them ---- */

#define TOGETHER 10

struct batches {
    struct pinion_queue queue;
    uint32_t storage[2000];
    uint32_t each;
};

static void put_batches(struct pinion_io *io, void *context, unsigned index)
{
    struct batches *batches = context;
    uint32_t items[TOGETHER];
    for (uint32_t i = 0; i < batches->each; i++) {
        for (uint32_t j = 0; j < TOGETHER; j++)
            items[j] = index << 20 | (i * TOGETHER + j);
        EXPECT(pinion_queue_put(io, &batches->queue, items, TOGETHER, TOGETHER) == TOGETHER);
    }
}

static void batches_are_not_mixed_where_they_do_not_wait(struct suite *suite)
{
    static struct batches batches;
    struct crew crew = {0};
    uint32_t items[2000];
    batches.each = 25;
    pinion_queue_init(&batches.queue, batches.storage, sizeof(uint32_t), 2000);
    crew_start(suite, &crew, 8, put_batches, &batches);
    crew_end(&crew);
    assert_int_equal(pinion_queue_get(suite->io, &batches.queue, items, 2000, 2000), 2000);
    for (unsigned i = 0; i < 2000; i += TOGETHER)
        for (unsigned j = 1; j < TOGETHER; j++)
            assert_int_equal(items[i + j], items[i] + j);
}

const struct suite_test suite_tests[] = {
    SUITE_TEST(every_item_comes_out_once_and_in_its_producers_order),
    SUITE_TEST(a_close_in_the_middle_loses_nothing_that_went_in),
    SUITE_TEST(batches_are_not_mixed_where_they_do_not_wait),
    {NULL, NULL},
};
