/* SPDX-License-Identifier: MIT
 *
 * Assertions. PN_ASSERT states what must hold; it stops the program in debug builds and costs
 * nothing in release builds, where its operand is not evaluated (so it must have no side effects).
 * It is for errors in pinion and for the documented programming errors of its users, never for
 * input.
 */
#ifndef PN_CHECK_H
#define PN_CHECK_H

#ifndef PN_DEBUG
#define PN_DEBUG 0
#endif

#if PN_DEBUG
/* Prints the expression and its place to standard error, and aborts. */
_Noreturn void pn_check_failed(const char *expression, const char *file, int line);
#define PN_ASSERT(expression)                                                                      \
    ((expression) ? (void)0 : pn_check_failed(#expression, __FILE__, __LINE__))
#else
#define PN_ASSERT(expression) ((void)sizeof(!(expression)))
#endif

#define PN_LIKELY(expression)   __builtin_expect(!!(expression), 1)
#define PN_UNLIKELY(expression) __builtin_expect(!!(expression), 0)

/* The structure that holds a member. */
#define PN_CONTAINER_OF(pointer, type, member)                                                     \
    ((type *)(void *)((char *)(pointer) - offsetof(type, member)))

#endif
