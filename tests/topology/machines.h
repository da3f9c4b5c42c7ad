/* SPDX-License-Identifier: MIT
 *
 * Machines to test with: files, descriptions, and seeded random ones.
 */
#ifndef MACHINES_H
#define MACHINES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pinion/topology.h>

/* Both end in NULL. */
extern const char *const machine_files[];
extern const char *const machine_descriptions[];

/* Load or fail the test. */
struct pinion_topology *load_file(const char *name);
struct pinion_topology *load_synthetic(const char *description);

/* xorshift: the same numbers for a seed everywhere. */
unsigned random_below(uint64_t *state, unsigned limit);

/* A small machine of random shape, valid for hwloc. */
void random_description(uint64_t *state, char *text, size_t size);

#endif
