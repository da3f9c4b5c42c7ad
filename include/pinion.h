/* SPDX-License-Identifier: MIT
 *
 * All of pinion. See docs/ for the guide; each header documents its own part.
 */
#ifndef PINION_H
#define PINION_H

#include <pinion/arena.h>
#include <pinion/batch.h>
#include <pinion/clock.h>
#include <pinion/error.h>
#include <pinion/fiber.h>
#include <pinion/file.h>
#include <pinion/group.h>
#include <pinion/io.h>
#include <pinion/loop.h>
#include <pinion/metrics.h>
#include <pinion/net.h>
#include <pinion/plan.h>
#include <pinion/pool.h>
#include <pinion/queue.h>
#include <pinion/signal.h>
#include <pinion/sync.h>
#include <pinion/task.h>
#include <pinion/topology.h>
#include <pinion/trace.h>
#include <pinion/version.h>
#include <pinion/watch.h>

#endif
