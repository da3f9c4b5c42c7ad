/* SPDX-License-Identifier: MIT
 *
 * Stands in for alloc/slab.h in the models: a block is what the model says that it is.
 */
#ifndef PN_SLAB_H
#define PN_SLAB_H

#include <stddef.h>

struct pn_slab;

#define PN_SLAB_STEP     64
#define PN_SLAB_ODD      112
#define PN_SLAB_SIZE_MAX 512

void *pn_slab_alloc(struct pn_slab *slab, size_t size);
void pn_slab_free(struct pn_slab *mine, void *block);
inline size_t pn_slab_size_aligned(size_t size, size_t) { return size; }

#endif
