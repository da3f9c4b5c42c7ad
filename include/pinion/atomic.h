/* SPDX-License-Identifier: MIT
 *
 * Atomic fields of public structs, the same in C and in C++. They are the library's own; programs
 * pass the structs around and leave the fields alone. (The word of a futex is the program's.)
 */
#ifndef PINION_ATOMIC_H
#define PINION_ATOMIC_H

#ifdef __cplusplus
#include <atomic>
#define PINION_ATOMIC(T) std::atomic<T>
#else
#include <stdatomic.h>
#define PINION_ATOMIC(T) _Atomic(T)
#endif

#endif
