/* SPDX-License-Identifier: MIT
 *
 * A look of pinion top as a JSON object on a line.
 */
#include "top.h"

#include "json.h"

static void write_counters(struct json *json, const struct pinion_watch_worker *worker)
{
    json_count(json, "tasks", worker->tasks);
    json_count(json, "inlined", worker->inlined);
    json_count(json, "queued", worker->queued);
    json_count(json, "claimed", worker->claimed);
    json_count(json, "stolen_near", worker->stolen_near);
    json_count(json, "stolen_far", worker->stolen_far);
    json_count(json, "parked", worker->parked);
    json_count(json, "woken", worker->woken);
    json_count(json, "searched", worker->searched);
    json_count(json, "queued_now", worker->queued_now);
    json_count(json, "run_ns", worker->run_ns);
    json_count(json, "delay_ns", worker->delay_ns);
    json_count(json, "arena_bytes", worker->arena_bytes);
    json_count(json, "local_bytes", worker->local_bytes);
    json_count(json, "remote_bytes", worker->remote_bytes);
}

static void write_loop_counters(struct json *json, const struct pinion_watch_worker *worker)
{
    json_count(json, "fibers", worker->fibers);
    json_count(json, "started", worker->started);
    json_count(json, "submitted", worker->submitted);
    json_count(json, "completed", worker->completed);
    json_count(json, "waits", worker->waits);
}

static void write_wait(struct json *json, const struct top_row *row)
{
    const struct pinion_watch_wait *wait = &row->now.longest;
    char buffer[16];
    if (!wait->since) {
        json_text(json, "longest_wait", NULL);
        return;
    }
    json_object_open(json, "longest_wait");
    json_real(json, "since_s", row->fiber_waits);
    json_count(json, "fiber", wait->fiber);
    json_count(json, "function", wait->function);
    json_text(json, "call", wait->call < 0 ? NULL : top_call_name(wait->call, buffer));
    json_index(json, "descriptor", (uint64_t)(int64_t)wait->descriptor, UINT64_MAX);
    json_object_close(json);
}

static void write_rates(struct json *json, const struct top_row *row)
{
    json_real(json, "tasks_per_s", row->ran);
    json_real(json, "inlined_per_s", row->inlined);
    json_real(json, "stolen_near_per_s", row->near);
    json_real(json, "stolen_far_per_s", row->far);
    json_real(json, "parks_per_s", row->parks);
    json_real(json, "run", row->run);
    json_real(json, "delay", row->delay);
}

static void write_worker(struct json *json, const struct top_row *row, bool is_loop)
{
    const struct pinion_watch_worker *worker = &row->now;
    char buffer[16];
    json_object_open(json, NULL);
    json_text(json, "name", worker->name);
    json_count(json, "thread", (uint64_t)worker->thread);
    json_index(json, "cpu", (uint64_t)(int64_t)worker->cpu, UINT64_MAX);
    json_index(json, "node", worker->node, PINION_NO_NODE);
    json_index(json, "last_cpu", (uint64_t)(int64_t)worker->last_cpu, UINT64_MAX);
    json_text(json, "state", pinion_watch_state_name(worker->state));
    json_text(json, "call", worker->call < 0 ? NULL : top_call_name(worker->call, buffer));
    json_real(json, "since_s", row->since);
    write_counters(json, worker);
    if (is_loop) {
        write_loop_counters(json, worker);
        write_wait(json, row);
    }
    write_rates(json, row);
    json_object_close(json);
}

static void write_crew(struct json *json, const struct top_crew *crew)
{
    const struct pinion_watch_crew *now = &crew->now;
    json_object_open(json, NULL);
    json_text(json, "kind", now->is_loop ? "loop" : "pool");
    json_count(json, "id", now->id);
    json_bool(json, "degraded", now->is_degraded);
    json_text(json, "idle", now->idle);
    json_count(json, "cpu_count", now->cpu_count);
    json_count(json, "parallel_count", now->parallel_count);
    json_count(json, "capacity", now->capacity);
    json_count(json, "threads", now->threads);
    json_count(json, "threads_peak", now->threads_peak);
    if (now->is_loop)
        json_text(json, "backend",
                  now->backend == PINION_BACKEND_IO_URING ? "io_uring"
                  : now->backend == PINION_BACKEND_EPOLL  ? "epoll"
                                                          : NULL);
    json_count(json, "inlined", now->inlined);
    json_count(json, "queued", now->queued);
    json_count(json, "claimed", now->claimed);
    json_count(json, "stolen_near", now->stolen_near);
    json_count(json, "stolen_far", now->stolen_far);
    json_count(json, "injected", now->injected);
    json_count(json, "parked", now->parked);
    json_count(json, "woken", now->woken);
    json_count(json, "searched", now->searched);
    json_real(json, "tasks_per_s", crew->total.ran);
    json_count(json, "left_out", now->left_out);
    json_array_open(json, "workers");
    for (unsigned i = 0; i < crew->row_count; i++)
        write_worker(json, crew->order[i], now->is_loop);
    json_array_close(json);
    json_object_close(json);
}

void top_write_json(const struct top *top, FILE *stream)
{
    struct json json = {.stream = stream};
    json_row_open(&json, NULL);
    json_text(&json, "schema", "pinion.top/1");
    json_count(&json, "pid", (uint64_t)top->pid);
    json_text(&json, "command", top->command);
    json_count(&json, "time_ns", (uint64_t)top->time);
    json_real(&json, "elapsed_s", top->elapsed);
    json_lines(&json, "notes", pinion_watch_notes(top->watch));
    json_array_open(&json, "crews");
    for (unsigned i = 0; i < top->crew_count; i++)
        write_crew(&json, &top->crews[i]);
    json_array_close(&json);
    json_object_close(&json);
}
