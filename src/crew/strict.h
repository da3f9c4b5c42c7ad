/* SPDX-License-Identifier: MIT
 *
 * The strict start: what would degrade later is tried before any task runs.
 */
#ifndef PN_STRICT_H
#define PN_STRICT_H

struct pn_crew;

/* Tries every seat. 0, or the error of the first rung that is degraded, with its detail. */
int pn_crew_check_strict(struct pn_crew *crew);

#endif
