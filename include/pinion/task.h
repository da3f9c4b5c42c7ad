/* SPDX-License-Identifier: MIT
 *
 * Typed tasks: functions that can be called, or started as tasks, with their own types and without
 * casts.
 *
 *     PINION_TASK(int, fib, (struct pinion_io *, io), (int, n))
 *     {
 *         if (n < 2)
 *             return n;
 *         struct fib_future left = fib_async(io, io, n - 1);   // runs now or later
 *         int right = fib(io, n - 2);                          // a plain call
 *         return fib_await(io, &left) + right;
 *     }
 *
 * PINION_TASK(R, name, (T1, a1), …) takes 0 to 8 arguments and makes
 *     static R name(T1 a1, …)                          the function, whose body follows
 *     struct name_future                               { struct pinion_future future; R result; }
 *     struct name_future name_async(io, a1, …)         as pinion_async
 *     int  name_concurrent(io, &future, a1, …)         as pinion_async_concurrent
 *     int  name_parallel(io, &future, a1, …)           as pinion_async_parallel
 *     void name_detached(io, a1, …)                    as pinion_async_detached
 *     void name_group(io, &group, a1, …)               as pinion_group_async
 *     R    name_await(io, &future)                     as pinion_await; again: the same result
 *     R    name_cancel(io, &future)                    as pinion_cancel
 * The io of the wrappers is theirs alone: a function that needs one names it among its arguments.
 *
 * PINION_TASK_DECLARE declares a static task ahead of its definition, which is then written as a
 * plain static function. PINION_TASK_EXTERN does so for a function of external linkage: put it in a
 * header, define the function in one source file.
 *
 * A type must be writable before a name and have no top-level comma: give arrays and pointers to
 * functions a typedef. R is void only if it is spelled `void`; then name_future has no result.
 */
#ifndef PINION_TASK_H
#define PINION_TASK_H

#include <stddef.h>

#include <pinion/api.h>
#include <pinion/group.h>
#include <pinion/inline.h>
#include <pinion/io.h>
#include <pinion/trace.h>

/* The alignment of a type, in C and in C++. */
#ifdef __cplusplus
#define PINION_ALIGNOF(T) alignof(T)
#else
#define PINION_ALIGNOF(T) _Alignof(T)
#endif

#define PINION_TASK(R, ...)                                                                        \
    PINION_TASK_DECLARE_(static PINION_UNUSED, R, PINION_COUNT_(__VA_ARGS__), __VA_ARGS__)         \
    static R PINION_FIRST_(__VA_ARGS__, ~)(                                                        \
        PINION_LIST_(PINION_PARAMETERS_, PINION_COUNT_(__VA_ARGS__), __VA_ARGS__))

#define PINION_TASK_DECLARE(R, ...)                                                                \
    PINION_TASK_DECLARE_(static PINION_UNUSED, R, PINION_COUNT_(__VA_ARGS__), __VA_ARGS__)         \
    struct PINION_END_OF_(__VA_ARGS__, ~)

#define PINION_TASK_EXTERN(R, ...)                                                                 \
    PINION_TASK_DECLARE_(extern, R, PINION_COUNT_(__VA_ARGS__), __VA_ARGS__)                       \
    struct PINION_END_OF_(__VA_ARGS__, ~)

/* ---- below here: how it is done, not for use ---- */

/* Number of the arguments after the name, 0 to 8. */
#define PINION_COUNT_(...) PINION_COUNT_AT_(__VA_ARGS__, 8, 7, 6, 5, 4, 3, 2, 1, 0, ~)
#define PINION_COUNT_AT_(name, a, b, c, d, e, f, g, h, n, ...) n

#define PINION_PASTE_(a, b, c)  PINION_PASTE2_(a, b, c)
#define PINION_PASTE2_(a, b, c) a##b##c

#if defined(__GNUC__)
#define PINION_NOINLINE_ __attribute__((noinline))
#else
#define PINION_NOINLINE_
#endif

/* 1 if R is the one token `void`: only then is PINION_VOID_FOUND_ followed by the parenthesis. */
#define PINION_IS_VOID_(R)              PINION_SECOND_(PINION_VOID_##R (), 0, ~)
#define PINION_VOID_void                PINION_VOID_FOUND_
#define PINION_VOID_FOUND_()            ~, 1
#define PINION_SECOND_(...)             PINION_SECOND2_(__VA_ARGS__)
#define PINION_SECOND2_(first, n, ...)  n

/* The name; and a declaration that takes the semicolon after DECLARE and EXTERN. */
#define PINION_FIRST_(name, ...)  name
#define PINION_END_OF_(name, ...) name##_future

/* What a (T, a) pair becomes: a parameter, a field, a name, an argument taken from the context. */
#define PINION_PARAMETER_(T, a) T a
#define PINION_FIELD_(T, a)     T a;
#define PINION_NAME_(T, a)      a
#define PINION_LOAD_(T, a)      pinion_args_->a

/* The lists that a task of n arguments needs: its parameters, the fields of its context, further
 * parameters of a wrapper, the values of the context, the arguments taken from it, those passed
 * on. */
#define PINION_PARAMETERS_0_(name) void
#define PINION_FIELDS_0_(name) char none;
#define PINION_MORE_0_(name)
#define PINION_VALUES_0_(name) 0
#define PINION_LOADS_0_(name)
#define PINION_NAMES_0_(name)
#define PINION_PARAMETERS_1_(name, p1) PINION_PARAMETER_ p1
#define PINION_FIELDS_1_(name, p1) PINION_FIELD_ p1
#define PINION_MORE_1_(name, p1) , PINION_PARAMETER_ p1
#define PINION_VALUES_1_(name, p1) PINION_NAME_ p1
#define PINION_LOADS_1_(name, p1) PINION_LOAD_ p1
#define PINION_NAMES_1_ PINION_VALUES_1_
#define PINION_PARAMETERS_2_(name, p1, p2) PINION_PARAMETER_ p1, PINION_PARAMETER_ p2
#define PINION_FIELDS_2_(name, p1, p2) PINION_FIELD_ p1 PINION_FIELD_ p2
#define PINION_MORE_2_(name, p1, p2) , PINION_PARAMETER_ p1 , PINION_PARAMETER_ p2
#define PINION_VALUES_2_(name, p1, p2) PINION_NAME_ p1, PINION_NAME_ p2
#define PINION_LOADS_2_(name, p1, p2) PINION_LOAD_ p1, PINION_LOAD_ p2
#define PINION_NAMES_2_ PINION_VALUES_2_
#define PINION_PARAMETERS_3_(name, p1, p2, p3)                                                     \
    PINION_PARAMETER_ p1, PINION_PARAMETER_ p2, PINION_PARAMETER_ p3
#define PINION_FIELDS_3_(name, p1, p2, p3) PINION_FIELD_ p1 PINION_FIELD_ p2 PINION_FIELD_ p3
#define PINION_MORE_3_(name, p1, p2, p3)                                                           \
    , PINION_PARAMETER_ p1 , PINION_PARAMETER_ p2 , PINION_PARAMETER_ p3
#define PINION_VALUES_3_(name, p1, p2, p3) PINION_NAME_ p1, PINION_NAME_ p2, PINION_NAME_ p3
#define PINION_LOADS_3_(name, p1, p2, p3) PINION_LOAD_ p1, PINION_LOAD_ p2, PINION_LOAD_ p3
#define PINION_NAMES_3_ PINION_VALUES_3_
#define PINION_PARAMETERS_4_(name, p1, p2, p3, p4)                                                 \
    PINION_PARAMETER_ p1, PINION_PARAMETER_ p2, PINION_PARAMETER_ p3, PINION_PARAMETER_ p4
#define PINION_FIELDS_4_(name, p1, p2, p3, p4)                                                     \
    PINION_FIELD_ p1 PINION_FIELD_ p2 PINION_FIELD_ p3 PINION_FIELD_ p4
#define PINION_MORE_4_(name, p1, p2, p3, p4)                                                       \
    , PINION_PARAMETER_ p1 , PINION_PARAMETER_ p2 , PINION_PARAMETER_ p3 , PINION_PARAMETER_ p4
#define PINION_VALUES_4_(name, p1, p2, p3, p4)                                                     \
    PINION_NAME_ p1, PINION_NAME_ p2, PINION_NAME_ p3, PINION_NAME_ p4
#define PINION_LOADS_4_(name, p1, p2, p3, p4)                                                      \
    PINION_LOAD_ p1, PINION_LOAD_ p2, PINION_LOAD_ p3, PINION_LOAD_ p4
#define PINION_NAMES_4_ PINION_VALUES_4_
#define PINION_PARAMETERS_5_(name, p1, p2, p3, p4, p5)                                             \
    PINION_PARAMETER_ p1, PINION_PARAMETER_ p2, PINION_PARAMETER_ p3, PINION_PARAMETER_ p4,        \
    PINION_PARAMETER_ p5
#define PINION_FIELDS_5_(name, p1, p2, p3, p4, p5)                                                 \
    PINION_FIELD_ p1 PINION_FIELD_ p2 PINION_FIELD_ p3 PINION_FIELD_ p4 PINION_FIELD_ p5
#define PINION_MORE_5_(name, p1, p2, p3, p4, p5)                                                   \
    , PINION_PARAMETER_ p1 , PINION_PARAMETER_ p2 , PINION_PARAMETER_ p3 , PINION_PARAMETER_ p4    \
    , PINION_PARAMETER_ p5
#define PINION_VALUES_5_(name, p1, p2, p3, p4, p5)                                                 \
    PINION_NAME_ p1, PINION_NAME_ p2, PINION_NAME_ p3, PINION_NAME_ p4, PINION_NAME_ p5
#define PINION_LOADS_5_(name, p1, p2, p3, p4, p5)                                                  \
    PINION_LOAD_ p1, PINION_LOAD_ p2, PINION_LOAD_ p3, PINION_LOAD_ p4, PINION_LOAD_ p5
#define PINION_NAMES_5_ PINION_VALUES_5_
#define PINION_PARAMETERS_6_(name, p1, p2, p3, p4, p5, p6)                                         \
    PINION_PARAMETER_ p1, PINION_PARAMETER_ p2, PINION_PARAMETER_ p3, PINION_PARAMETER_ p4,        \
    PINION_PARAMETER_ p5, PINION_PARAMETER_ p6
#define PINION_FIELDS_6_(name, p1, p2, p3, p4, p5, p6)                                             \
    PINION_FIELD_ p1 PINION_FIELD_ p2 PINION_FIELD_ p3 PINION_FIELD_ p4 PINION_FIELD_ p5           \
    PINION_FIELD_ p6
#define PINION_MORE_6_(name, p1, p2, p3, p4, p5, p6)                                               \
    , PINION_PARAMETER_ p1 , PINION_PARAMETER_ p2 , PINION_PARAMETER_ p3 , PINION_PARAMETER_ p4    \
    , PINION_PARAMETER_ p5 , PINION_PARAMETER_ p6
#define PINION_VALUES_6_(name, p1, p2, p3, p4, p5, p6)                                             \
    PINION_NAME_ p1, PINION_NAME_ p2, PINION_NAME_ p3, PINION_NAME_ p4, PINION_NAME_ p5,           \
    PINION_NAME_ p6
#define PINION_LOADS_6_(name, p1, p2, p3, p4, p5, p6)                                              \
    PINION_LOAD_ p1, PINION_LOAD_ p2, PINION_LOAD_ p3, PINION_LOAD_ p4, PINION_LOAD_ p5,           \
    PINION_LOAD_ p6
#define PINION_NAMES_6_ PINION_VALUES_6_
#define PINION_PARAMETERS_7_(name, p1, p2, p3, p4, p5, p6, p7)                                     \
    PINION_PARAMETER_ p1, PINION_PARAMETER_ p2, PINION_PARAMETER_ p3, PINION_PARAMETER_ p4,        \
    PINION_PARAMETER_ p5, PINION_PARAMETER_ p6, PINION_PARAMETER_ p7
#define PINION_FIELDS_7_(name, p1, p2, p3, p4, p5, p6, p7)                                         \
    PINION_FIELD_ p1 PINION_FIELD_ p2 PINION_FIELD_ p3 PINION_FIELD_ p4 PINION_FIELD_ p5           \
    PINION_FIELD_ p6 PINION_FIELD_ p7
#define PINION_MORE_7_(name, p1, p2, p3, p4, p5, p6, p7)                                           \
    , PINION_PARAMETER_ p1 , PINION_PARAMETER_ p2 , PINION_PARAMETER_ p3 , PINION_PARAMETER_ p4    \
    , PINION_PARAMETER_ p5 , PINION_PARAMETER_ p6 , PINION_PARAMETER_ p7
#define PINION_VALUES_7_(name, p1, p2, p3, p4, p5, p6, p7)                                         \
    PINION_NAME_ p1, PINION_NAME_ p2, PINION_NAME_ p3, PINION_NAME_ p4, PINION_NAME_ p5,           \
    PINION_NAME_ p6, PINION_NAME_ p7
#define PINION_LOADS_7_(name, p1, p2, p3, p4, p5, p6, p7)                                          \
    PINION_LOAD_ p1, PINION_LOAD_ p2, PINION_LOAD_ p3, PINION_LOAD_ p4, PINION_LOAD_ p5,           \
    PINION_LOAD_ p6, PINION_LOAD_ p7
#define PINION_NAMES_7_ PINION_VALUES_7_
#define PINION_PARAMETERS_8_(name, p1, p2, p3, p4, p5, p6, p7, p8)                                 \
    PINION_PARAMETER_ p1, PINION_PARAMETER_ p2, PINION_PARAMETER_ p3, PINION_PARAMETER_ p4,        \
    PINION_PARAMETER_ p5, PINION_PARAMETER_ p6, PINION_PARAMETER_ p7, PINION_PARAMETER_ p8
#define PINION_FIELDS_8_(name, p1, p2, p3, p4, p5, p6, p7, p8)                                     \
    PINION_FIELD_ p1 PINION_FIELD_ p2 PINION_FIELD_ p3 PINION_FIELD_ p4 PINION_FIELD_ p5           \
    PINION_FIELD_ p6 PINION_FIELD_ p7 PINION_FIELD_ p8
#define PINION_MORE_8_(name, p1, p2, p3, p4, p5, p6, p7, p8)                                       \
    , PINION_PARAMETER_ p1 , PINION_PARAMETER_ p2 , PINION_PARAMETER_ p3 , PINION_PARAMETER_ p4    \
    , PINION_PARAMETER_ p5 , PINION_PARAMETER_ p6 , PINION_PARAMETER_ p7 , PINION_PARAMETER_ p8
#define PINION_VALUES_8_(name, p1, p2, p3, p4, p5, p6, p7, p8)                                     \
    PINION_NAME_ p1, PINION_NAME_ p2, PINION_NAME_ p3, PINION_NAME_ p4, PINION_NAME_ p5,           \
    PINION_NAME_ p6, PINION_NAME_ p7, PINION_NAME_ p8
#define PINION_LOADS_8_(name, p1, p2, p3, p4, p5, p6, p7, p8)                                      \
    PINION_LOAD_ p1, PINION_LOAD_ p2, PINION_LOAD_ p3, PINION_LOAD_ p4, PINION_LOAD_ p5,           \
    PINION_LOAD_ p6, PINION_LOAD_ p7, PINION_LOAD_ p8
#define PINION_NAMES_8_ PINION_VALUES_8_

/* The list of a kind for the n arguments in ...; the inside of a parenthesis. */
#define PINION_LIST_(kind, n, ...) PINION_PASTE_(kind, n, _)(__VA_ARGS__)
#define PINION_OPEN_(...)          __VA_ARGS__
#define PINION_APPLY_(macro, ...)  macro(__VA_ARGS__)

#define PINION_TASK_DECLARE_(linkage, R, n, ...)                                                   \
    PINION_APPLY_(PINION_PASTE_(PINION_TASK_RESULT_, PINION_IS_VOID_(R), _), linkage, R,           \
                  PINION_FIRST_(__VA_ARGS__, ~),                                                   \
                  (PINION_LIST_(PINION_PARAMETERS_, n, __VA_ARGS__)),                              \
                  (PINION_LIST_(PINION_FIELDS_, n, __VA_ARGS__)),                                  \
                  (PINION_LIST_(PINION_MORE_, n, __VA_ARGS__)),                                    \
                  (PINION_LIST_(PINION_VALUES_, n, __VA_ARGS__)),                                  \
                  (PINION_LIST_(PINION_LOADS_, n, __VA_ARGS__)),                                   \
                  (PINION_LIST_(PINION_NAMES_, n, __VA_ARGS__)))

/* Everything but the body, for a function with a result (0) and without one (1). */
#define PINION_TASK_RESULT_0_(linkage, R, name, parameters, fields, more, values, loads, names)    \
    struct name##_args {                                                                           \
        PINION_OPEN_ fields                                                                        \
    };                                                                                             \
    struct name##_future {                                                                         \
        struct pinion_future future;                                                               \
        R result;                                                                                  \
    };                                                                                             \
    linkage R name(PINION_OPEN_ parameters);                                                       \
    static inline PINION_UNUSED void name##_start(const void *pinion_context_,                     \
                                                  void *pinion_result_)                            \
    {                                                                                              \
        const struct name##_args *pinion_args_ = (const struct name##_args *)pinion_context_;      \
        static uint32_t pinion_told_;                                                              \
        if (pinion_tells_name_(&pinion_told_))                                                     \
            pinion_trace_name_start(name##_start, #name);                                          \
        (void)pinion_args_;                                                                        \
        *(R *)pinion_result_ = name(PINION_OPEN_ loads);                                           \
    }                                                                                              \
    static inline PINION_UNUSED struct pinion_call name##_call(                                    \
        const struct name##_args *pinion_args_)                                                    \
    {                                                                                              \
        const struct pinion_call pinion_call_ = {name##_start, pinion_args_,                       \
                                                 sizeof(struct name##_args),                       \
                                                 PINION_ALIGNOF(struct name##_args),               \
                                                 sizeof(R), PINION_ALIGNOF(R)};                    \
        return pinion_call_;                                                                       \
    }                                                                                              \
    /* Apart, so that what is run in place needs little of the stack. */                           \
    static PINION_UNUSED PINION_NOINLINE_ struct name##_future name##_queue(                       \
        struct pinion_io *pinion_io_, struct name##_args pinion_args_)                             \
    {                                                                                              \
        const struct pinion_call pinion_call_ = name##_call(&pinion_args_);                        \
        struct name##_future pinion_future_;                                                       \
        pinion_async(pinion_io_, &pinion_call_, &pinion_future_.result, &pinion_future_.future);   \
        return pinion_future_;                                                                     \
    }                                                                                              \
    static inline PINION_UNUSED struct name##_future name##_async(                                 \
        struct pinion_io *pinion_io_ PINION_OPEN_ more)                                            \
    {                                                                                              \
        struct name##_future pinion_future_;                                                       \
        if (!pinion_runs_inline_(pinion_io_)) {                                                    \
            const struct name##_args pinion_args_ = {PINION_OPEN_ values};                         \
            return name##_queue(pinion_io_, pinion_args_);                                         \
        }                                                                                          \
        void *const pinion_local_ = pinion_thread_1.local;                                         \
        pinion_future_.result = name(PINION_OPEN_ names);                                          \
        pinion_thread_1.local = pinion_local_;                                                     \
        pinion_future_.future.task = NULL;                                                         \
        return pinion_future_;                                                                     \
    }                                                                                              \
    static inline PINION_UNUSED int name##_concurrent(struct pinion_io *pinion_io_,                \
                                    struct name##_future *pinion_future_ PINION_OPEN_ more)        \
    {                                                                                              \
        const struct name##_args pinion_args_ = {PINION_OPEN_ values};                             \
        const struct pinion_call pinion_call_ = name##_call(&pinion_args_);                        \
        return pinion_async_concurrent(pinion_io_, &pinion_call_, &pinion_future_->future);        \
    }                                                                                              \
    static inline PINION_UNUSED int name##_parallel(struct pinion_io *pinion_io_,                  \
                                    struct name##_future *pinion_future_ PINION_OPEN_ more)        \
    {                                                                                              \
        const struct name##_args pinion_args_ = {PINION_OPEN_ values};                             \
        const struct pinion_call pinion_call_ = name##_call(&pinion_args_);                        \
        return pinion_async_parallel(pinion_io_, &pinion_call_, &pinion_future_->future);          \
    }                                                                                              \
    static inline PINION_UNUSED void name##_detached(                                              \
        struct pinion_io *pinion_io_ PINION_OPEN_ more)                                            \
    {                                                                                              \
        if (pinion_runs_inline_(pinion_io_)) {                                                     \
            void *const pinion_local_ = pinion_thread_1.local;                                     \
            (void)name(PINION_OPEN_ names);                                                        \
            pinion_thread_1.local = pinion_local_;                                                 \
            return;                                                                                \
        }                                                                                          \
        const struct name##_args pinion_args_ = {PINION_OPEN_ values};                             \
        const struct pinion_call pinion_call_ = name##_call(&pinion_args_);                        \
        pinion_async_detached(pinion_io_, &pinion_call_);                                          \
    }                                                                                              \
    static inline PINION_UNUSED void name##_group(                                                 \
        struct pinion_io *pinion_io_, struct pinion_group *pinion_group_ PINION_OPEN_ more)        \
    {                                                                                              \
        const struct name##_args pinion_args_ = {PINION_OPEN_ values};                             \
        const struct pinion_call pinion_call_ = name##_call(&pinion_args_);                        \
        pinion_group_async(pinion_io_, pinion_group_, &pinion_call_);                              \
    }                                                                                              \
    static inline PINION_UNUSED R name##_await(struct pinion_io *pinion_io_,                       \
                                   struct name##_future *pinion_future_)                           \
    {                                                                                              \
        if (pinion_future_->future.task)                                                           \
            pinion_await(pinion_io_, &pinion_future_->future, &pinion_future_->result);            \
        return pinion_future_->result;                                                             \
    }                                                                                              \
    static inline PINION_UNUSED R name##_cancel(struct pinion_io *pinion_io_,                      \
                                   struct name##_future *pinion_future_)                           \
    {                                                                                              \
        pinion_cancel(pinion_io_, &pinion_future_->future, &pinion_future_->result);               \
        return pinion_future_->result;                                                             \
    }

#define PINION_TASK_RESULT_1_(linkage, R, name, parameters, fields, more, values, loads, names)    \
    struct name##_args {                                                                           \
        PINION_OPEN_ fields                                                                        \
    };                                                                                             \
    struct name##_future {                                                                         \
        struct pinion_future future;                                                               \
    };                                                                                             \
    linkage R name(PINION_OPEN_ parameters);                                                       \
    static inline PINION_UNUSED void name##_start(const void *pinion_context_,                     \
                                                  void *pinion_result_)                            \
    {                                                                                              \
        const struct name##_args *pinion_args_ = (const struct name##_args *)pinion_context_;      \
        static uint32_t pinion_told_;                                                              \
        if (pinion_tells_name_(&pinion_told_))                                                     \
            pinion_trace_name_start(name##_start, #name);                                          \
        (void)pinion_args_;                                                                        \
        (void)pinion_result_;                                                                      \
        name(PINION_OPEN_ loads);                                                                  \
    }                                                                                              \
    static inline PINION_UNUSED struct pinion_call name##_call(                                    \
        const struct name##_args *pinion_args_)                                                    \
    {                                                                                              \
        const struct pinion_call pinion_call_ = {name##_start, pinion_args_,                       \
                                                 sizeof(struct name##_args),                       \
                                                 PINION_ALIGNOF(struct name##_args),               \
                                                 0, 0};                                            \
        return pinion_call_;                                                                       \
    }                                                                                              \
    /* Apart, so that what is run in place needs little of the stack. */                           \
    static PINION_UNUSED PINION_NOINLINE_ struct name##_future name##_queue(                       \
        struct pinion_io *pinion_io_, struct name##_args pinion_args_)                             \
    {                                                                                              \
        const struct pinion_call pinion_call_ = name##_call(&pinion_args_);                        \
        struct name##_future pinion_future_;                                                       \
        pinion_async(pinion_io_, &pinion_call_, NULL, &pinion_future_.future);                     \
        return pinion_future_;                                                                     \
    }                                                                                              \
    static inline PINION_UNUSED struct name##_future name##_async(                                 \
        struct pinion_io *pinion_io_ PINION_OPEN_ more)                                            \
    {                                                                                              \
        struct name##_future pinion_future_;                                                       \
        if (!pinion_runs_inline_(pinion_io_)) {                                                    \
            const struct name##_args pinion_args_ = {PINION_OPEN_ values};                         \
            return name##_queue(pinion_io_, pinion_args_);                                         \
        }                                                                                          \
        void *const pinion_local_ = pinion_thread_1.local;                                         \
        name(PINION_OPEN_ names);                                                                  \
        pinion_thread_1.local = pinion_local_;                                                     \
        pinion_future_.future.task = NULL;                                                         \
        return pinion_future_;                                                                     \
    }                                                                                              \
    static inline PINION_UNUSED int name##_concurrent(struct pinion_io *pinion_io_,                \
                                    struct name##_future *pinion_future_ PINION_OPEN_ more)        \
    {                                                                                              \
        const struct name##_args pinion_args_ = {PINION_OPEN_ values};                             \
        const struct pinion_call pinion_call_ = name##_call(&pinion_args_);                        \
        return pinion_async_concurrent(pinion_io_, &pinion_call_, &pinion_future_->future);        \
    }                                                                                              \
    static inline PINION_UNUSED int name##_parallel(struct pinion_io *pinion_io_,                  \
                                    struct name##_future *pinion_future_ PINION_OPEN_ more)        \
    {                                                                                              \
        const struct name##_args pinion_args_ = {PINION_OPEN_ values};                             \
        const struct pinion_call pinion_call_ = name##_call(&pinion_args_);                        \
        return pinion_async_parallel(pinion_io_, &pinion_call_, &pinion_future_->future);          \
    }                                                                                              \
    static inline PINION_UNUSED void name##_detached(                                              \
        struct pinion_io *pinion_io_ PINION_OPEN_ more)                                            \
    {                                                                                              \
        if (pinion_runs_inline_(pinion_io_)) {                                                     \
            void *const pinion_local_ = pinion_thread_1.local;                                     \
            name(PINION_OPEN_ names);                                                              \
            pinion_thread_1.local = pinion_local_;                                                 \
            return;                                                                                \
        }                                                                                          \
        const struct name##_args pinion_args_ = {PINION_OPEN_ values};                             \
        const struct pinion_call pinion_call_ = name##_call(&pinion_args_);                        \
        pinion_async_detached(pinion_io_, &pinion_call_);                                          \
    }                                                                                              \
    static inline PINION_UNUSED void name##_group(                                                 \
        struct pinion_io *pinion_io_, struct pinion_group *pinion_group_ PINION_OPEN_ more)        \
    {                                                                                              \
        const struct name##_args pinion_args_ = {PINION_OPEN_ values};                             \
        const struct pinion_call pinion_call_ = name##_call(&pinion_args_);                        \
        pinion_group_async(pinion_io_, pinion_group_, &pinion_call_);                              \
    }                                                                                              \
    static inline PINION_UNUSED R name##_await(struct pinion_io *pinion_io_,                       \
                                   struct name##_future *pinion_future_)                           \
    {                                                                                              \
        if (pinion_future_->future.task)                                                           \
            pinion_await(pinion_io_, &pinion_future_->future, NULL);                               \
    }                                                                                              \
    static inline PINION_UNUSED R name##_cancel(struct pinion_io *pinion_io_,                      \
                                   struct name##_future *pinion_future_)                           \
    {                                                                                              \
        pinion_cancel(pinion_io_, &pinion_future_->future, NULL);                                  \
    }

#endif
