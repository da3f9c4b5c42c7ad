/* SPDX-License-Identifier: MIT */
#include "suite.h"
const struct suite_test suite_tests[] = {
    {NULL, NULL},
};
