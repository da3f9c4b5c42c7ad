/* SPDX-License-Identifier: MIT
 *
 * What the pool and the loop need of a plan beyond its public face.
 */
#ifndef PN_PLAN_H
#define PN_PLAN_H

#include <pinion/plan.h>

/* The cpu_count of a pool with these options (NULL: defaults) on a topology: the topology's, less
 * what avoid_smt and the slice leave out. At least 1. */
unsigned pn_plan_cpu_count(const struct pinion_topology *topology,
                           const struct pinion_plan_options *options);

/* How many CPUs the seats of such a plan are on before they wrap round: those of its slice. At
 * least 1. */
unsigned pn_plan_seat_count(const struct pinion_topology *topology,
                            const struct pinion_plan_options *options);

/* The node of a seat on CPU i of a topology's: the CPU's own, or the nearest to it that has memory
 * for this process; PINION_NO_NODE where there is none. */
unsigned pn_plan_node(const struct pinion_topology *topology, unsigned i);

/* As pinion_plan_make, for exactly this many workers: 0 is 0, and options->workers is not looked
 * at. */
int pn_plan_make(const struct pinion_topology *topology, const struct pinion_plan_options *options,
                 unsigned workers, struct pinion_plan **plan);

#endif
