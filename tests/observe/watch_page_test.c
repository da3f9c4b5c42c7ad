/* SPDX-License-Identifier: MIT
 *
 * Files that look like what a pool shows, and are not: another layout, another program's, cut,
 * numbers that lead out of them. The watched process is this one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <pinion/error.h>
#include <pinion/watch.h>

#include "record.h"

#define RECORDS 3u
#define BYTES   (PN_RECORD_BYTES * (1 + RECORDS))

/* ---- a file ---- */

static int file;
static struct pn_record_header *header;

static struct pn_record *record_at(unsigned i)
{
    return (void *)((char *)header + PN_RECORD_BYTES * (1 + i));
}

static void make_file(const char *name, size_t bytes, int seals)
{
    file = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_true(file >= 0);
    assert_int_equal(ftruncate(file, (off_t)bytes), 0);
    header = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    assert_true(header != MAP_FAILED);
    assert_int_equal(fcntl(file, F_ADD_SEALS, seals), 0);
}

static void fill_record(unsigned i, uint32_t role)
{
    struct pn_record *record = record_at(i);
    record->role = role;
    record->index = i;
    record->cpu = -1;
    record->node = PINION_NO_NODE;
    pn_store_relaxed(&record->is_made, 1u);
}

/* As a pool of this process would. */
static void fill_file(void)
{
    memcpy(header->magic, PN_RECORD_MAGIC, sizeof header->magic);
    header->header_bytes = header->record_bytes = PN_RECORD_BYTES;
    header->pid = (uint32_t)getpid();
    header->id = 7;
    strcpy(header->noun, "pool");
    strcpy(header->idle, "park");
    header->cpu_count = 4;
    header->base_seats = 3;
    for (unsigned i = 0; i < RECORDS; i++)
        fill_record(i, PN_BASE);
    pn_store_relaxed(&header->records, RECORDS);
    pn_store_release(&header->layout, PN_RECORD_LAYOUT);
}

static int set_up(void **state)
{
    (void)state;
    make_file("pinion", BYTES, F_SEAL_SHRINK | F_SEAL_GROW);
    fill_file();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)munmap(header, BYTES);
    (void)close(file);
    return 0;
}

static int open_watch(struct pinion_watch **watch)
{
    *watch = NULL;
    return pinion_watch_open(getpid(), watch);
}

static void assert_refused(int error, const char *words)
{
    struct pinion_watch *watch;
    assert_int_equal(open_watch(&watch), error);
    assert_non_null(strstr(pinion_error_detail(), words));
}

static void assert_workers(unsigned count)
{
    struct pinion_watch *watch;
    const struct pinion_watch_crew *crews;
    assert_int_equal(open_watch(&watch), 0);
    assert_int_equal(pinion_watch_crews(watch, &crews), 1);
    assert_int_equal(crews[0].id, 7);
    assert_int_equal(crews[0].worker_count, count);
    pinion_watch_close(watch);
}

/* ---- tests ---- */

static void a_file_as_pools_have_it_is_read(void **state)
{
    (void)state;
    struct pinion_watch *watch;
    const struct pinion_watch_crew *crews;
    struct pn_record *record = record_at(1);
    pn_store_relaxed(&header->parallel_count, 2u);
    pn_store_relaxed(&record->counters.tasks, UINT64_C(5));
    pn_store_relaxed(&record->counters.handed, UINT64_C(2));
    pn_store_relaxed(&record->counters.state, (uint32_t)PN_STATE_PARKED);
    pn_store_relaxed(&record->thread, (int32_t)gettid());
    pn_store_relaxed(&record->deque.top, INT64_C(4));
    pn_store_relaxed(&record->deque.bottom, INT64_C(9));
    pn_store_relaxed(&record_at(2)->deque.top, INT64_C(4)); /* its owner pops the last */
    pn_store_relaxed(&record_at(2)->deque.bottom, INT64_C(3));
    fill_record(0, PN_OUTSIDE);
    pn_store_relaxed(&record_at(0)->counters.queued, UINT64_C(11));
    assert_int_equal(open_watch(&watch), 0);
    assert_int_equal(pinion_watch_crews(watch, &crews), 1);
    assert_int_equal(crews[0].capacity, 5);
    assert_int_equal(crews[0].injected, 11);
    assert_int_equal(crews[0].worker_count, 2);
    assert_string_equal(crews[0].workers[0].name, "pinion/1");
    assert_int_equal(crews[0].workers[0].tasks, 7);
    assert_int_equal(crews[0].workers[0].state, PINION_WATCH_PARKED);
    assert_int_equal(crews[0].workers[0].thread, gettid());
    assert_int_equal(crews[0].workers[0].queued_now, 5);
    assert_int_equal(crews[0].workers[1].queued_now, 0);
    assert_int_equal(crews[0].workers[1].state, PINION_WATCH_ABSENT);
    pn_store_relaxed(&header->is_over, 1u);
    assert_int_equal(pinion_watch_refresh(watch), 0);
    assert_int_equal(pinion_watch_crews(watch, &crews), 0);
    pinion_watch_close(watch);
}

static void another_layout_is_told(void **state)
{
    (void)state;
    pn_store_release(&header->layout, PN_RECORD_LAYOUT + 1);
    assert_refused(-EPROTO, "layout");
}

static void pools_of_another_layout_are_told_beside_one_that_is_known(void **state)
{
    struct pinion_watch *watch;
    (void)state;
    const int first = file;
    struct pn_record_header *known = header;
    make_file("pinion", BYTES, F_SEAL_SHRINK);
    fill_file();
    pn_store_release(&header->layout, PN_RECORD_LAYOUT + 1);
    assert_int_equal(open_watch(&watch), 0);
    assert_non_null(strstr(pinion_watch_notes(watch), "layout"));
    pinion_watch_close(watch);
    (void)tear_down(NULL);
    file = first;
    header = known;
}

static void what_is_not_pinions_is_left_alone(void **state)
{
    (void)state;
    header->magic[0] = 'P';
    assert_refused(-ENOENT, "");
    header->magic[0] = 'p';
    pn_store_relaxed(&header->layout, 0u); /* it is being made */
    assert_refused(-ENOENT, "");
    pn_store_release(&header->layout, PN_RECORD_LAYOUT);
    header->pid++; /* its parent's */
    assert_refused(-ENOENT, "");
    header->pid--;
    memset(header->noun, 'x', sizeof header->noun);
    assert_refused(-ENOENT, "");
    strcpy(header->noun, "pond");
    assert_refused(-ENOENT, "");
    strcpy(header->noun, "pool");
    memset(header->idle, 'x', sizeof header->idle);
    assert_refused(-ENOENT, "");
    strcpy(header->idle, "park");
    assert_workers(RECORDS);
}

static void records_that_lead_out_of_the_file_are_not_looked_at(void **state)
{
    (void)state;
    pn_store_relaxed(&header->records, UINT32_MAX);
    assert_workers(RECORDS);
    static const uint32_t bad[] = {0, 1, 64, PN_RECORD_BYTES - 64, PN_RECORD_BYTES + 1,
                                   BYTES + PN_RECORD_BYTES, UINT32_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        header->header_bytes = bad[i];
        assert_refused(-ENOENT, "");
    }
    header->header_bytes = BYTES; /* there are none behind it */
    assert_workers(0);
    header->header_bytes = PN_RECORD_BYTES;
    for (size_t i = 0; i < 5; i++) {
        header->record_bytes = bad[i];
        if (bad[i] < sizeof(struct pn_record) || bad[i] % PN_LINE_PAIR)
            assert_refused(-ENOENT, "");
    }
    header->record_bytes = BYTES;
    assert_workers(0);
    header->record_bytes = PN_RECORD_BYTES;
    assert_workers(RECORDS);
}

/* Whatever stands in the records: it is shown, or not, and nobody is hurt. */
static void records_may_be_anything(void **state)
{
    (void)state;
    for (int byte = 1; byte < 256; byte += 127) {
        struct pinion_watch *watch;
        const struct pinion_watch_crew *crews;
        for (unsigned i = 0; i < RECORDS; i++)
            memset((void *)record_at(i), byte, PN_RECORD_BYTES);
        assert_int_equal(open_watch(&watch), 0);
        assert_int_equal(pinion_watch_refresh(watch), 0);
        assert_int_equal(pinion_watch_crews(watch, &crews), 1);
        for (unsigned i = 0; i < crews[0].worker_count; i++)
            assert_true(strlen(crews[0].workers[i].name) < sizeof crews[0].workers[i].name);
        pinion_watch_close(watch);
    }
}

/* It could be cut while it is looked at, and that would end who looks. */
static void a_file_that_may_become_shorter_is_not_mapped(void **state)
{
    (void)state;
    make_file("pinion", BYTES, F_SEAL_GROW);
    fill_file();
    assert_refused(-ENOENT, "");
    (void)tear_down(NULL);
    make_file("pinion", 100, F_SEAL_SHRINK);
    assert_refused(-ENOENT, "");
    (void)tear_down(NULL);
    make_file("pinions", BYTES, F_SEAL_SHRINK);
    fill_file();
    assert_refused(-ENOENT, "");
    (void)tear_down(NULL);
}

static void a_file_that_is_open_twice_is_one_pool(void **state)
{
    (void)state;
    const int twice = dup(file);
    assert_workers(RECORDS);
    (void)close(twice);
}

#define WITH_FILE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FILE(a_file_as_pools_have_it_is_read),
        WITH_FILE(another_layout_is_told),
        WITH_FILE(pools_of_another_layout_are_told_beside_one_that_is_known),
        WITH_FILE(what_is_not_pinions_is_left_alone),
        WITH_FILE(records_that_lead_out_of_the_file_are_not_looked_at),
        WITH_FILE(records_may_be_anything),
        cmocka_unit_test(a_file_that_may_become_shorter_is_not_mapped),
        WITH_FILE(a_file_that_is_open_twice_is_one_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
