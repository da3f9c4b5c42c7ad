/* SPDX-License-Identifier: MIT */
typedef int pn_observe_report_placeholder;
