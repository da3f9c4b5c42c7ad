/* SPDX-License-Identifier: MIT */
typedef int pn_io_interface_placeholder;
