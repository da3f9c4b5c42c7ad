/* SPDX-License-Identifier: MIT
 *
 * The io that refuses: no process is its own, so the public functions ask it for nothing. But what
 * was locked with another io may be unlocked with it.
 */
#include <stddef.h>

#include "interface.h"
#include "parking.h"

static const struct pn_io_vtable vtable = {.park = pn_parking_park, .unpark = pn_parking_unpark};

static struct pinion_io failing = {.vtable = &vtable, .process = PN_PROCESS_NONE};

struct pinion_io *pinion_io_failing(void) { return &failing; }
