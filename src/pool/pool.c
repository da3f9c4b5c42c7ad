/* SPDX-License-Identifier: MIT */
typedef int pn_pool_pool_placeholder;
