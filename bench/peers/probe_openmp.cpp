// SPDX-License-Identifier: MIT
// Whether a compiler has OpenMP, and its runtime is there.
#include <omp.h>

int main()
{
    return omp_get_max_threads() < 1;
}
