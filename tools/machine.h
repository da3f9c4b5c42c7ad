/* SPDX-License-Identifier: MIT
 *
 * The machine that a verb is about: this one or another, all of it or a part.
 */
#ifndef TOOLS_MACHINE_H
#define TOOLS_MACHINE_H

#include <pinion/topology.h>

#include "options.h"

/* Loads what --input, --cpus and --ignore-quota ask for; PINION_CPUS stands in for --cpus where it
 * is about this machine. NULL after a complaint. */
struct pinion_topology *machine_load(const struct options *options);

#endif
