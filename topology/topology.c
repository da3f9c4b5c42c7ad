/* SPDX-License-Identifier: MIT */
typedef int pn_topology_topology_placeholder;
