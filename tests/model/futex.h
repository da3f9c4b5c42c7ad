/* SPDX-License-Identifier: MIT
 *
 * Stands in for src/base/futex.h in the models: the same calls, by Relacy's scheduler. The compare
 * sees the newest value, as the kernel's does, but orders nothing, since C11 promises nothing of a
 * system call. A sleeper may wake for no reason; one with a deadline may time out at any moment.
 */
#ifndef PN_FUTEX_H
#define PN_FUTEX_H

#include "atomic.h"

struct model_sleeper {
    const void *address;
    rl::thread_id_t thread;
};

inline rl::vector<model_sleeper>::type model_sleepers;

/* In order of arrival. Nobody runs in between. */
inline int model_futex_wait(const _Atomic(uint32_t) *address, uint32_t expected, int64_t deadline,
                            rl::debug_info_param info)
{
    rl::context &context = rl::ctx();
    uint32_t newest = ~expected; /* so that the compare-and-swap changes nothing */
    rl::bool_t<false> strong;
    (void)address->get(info).compare_exchange(strong, newest, newest, rl::mo_relaxed,
                                              rl::mo_relaxed, info);
    if (newest != expected)
        return 0;
    const rl::thread_id_t self = context.threadx_->index_;
    model_sleepers.push_back({address, self});
    const rl::unpark_reason reason =
        context.park_current_thread(deadline != INT64_MAX, true, false, info);
    for (size_t i = 0; reason != rl::unpark_reason_normal && i < model_sleepers.size(); i++)
        if (model_sleepers[i].thread == self) {
            model_sleepers.erase(model_sleepers.begin() + (ptrdiff_t)i);
            break;
        }
    return reason == rl::unpark_reason_timeout ? -ETIMEDOUT : 0;
}

inline void model_futex_wake(const _Atomic(uint32_t) *address, int count, rl::debug_info_param info)
{
    rl::ctx().sched();
    for (size_t i = 0; count > 0 && i < model_sleepers.size();)
        if (model_sleepers[i].address == address) {
            const rl::thread_id_t thread = model_sleepers[i].thread;
            model_sleepers.erase(model_sleepers.begin() + (ptrdiff_t)i);
            rl::ctx().unpark_thread(thread, false, info);
            count--;
        } else {
            i++;
        }
}

#define pn_futex_wait(address, expected, deadline)                                                 \
    model_futex_wait((address), (expected), (deadline), RL_INFO)
#define pn_futex_wake(address, count) model_futex_wake((address), (count), RL_INFO)

/* A clock that goes on by a little or by 2 ms. Who sleeps until a deadline times out by chance. */
inline int64_t model_clock;
static inline int64_t pn_now(void)
{
    return model_clock += rl::ctx().rand(2, rl::sched_type_user) ? 2000000 : 1;
}

#endif
