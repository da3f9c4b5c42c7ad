/* SPDX-License-Identifier: MIT */
typedef int pn_alloc_slab_placeholder;
