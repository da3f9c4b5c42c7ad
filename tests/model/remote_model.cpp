/* SPDX-License-Identifier: MIT
 *
 * Blocks on their way home: what is pushed, one at a time or many, is taken exactly once or is
 * still there at the end; and what its last user did to a block is visible to who takes it.
 *
 * All executions with up to 4 preemptions of an owner and a pusher, with up to 3 of an owner and
 * two, and random ones, with fixed seeds.
 */
#include "model.h"

#define PN_OUTGOING_MAX 3

#include "remote.h"

/* A block that names one other. */
#define BLOCK_BYTES (sizeof(struct pn_batch) + sizeof(void *))

struct block {
    alignas(16) char bytes[BLOCK_BYTES];
    rl::var<int> content;
    int pushed, taken;
};

/* Thread 0 is the owner, the others free blocks of its. */
template <typename T, int threads, int blocks> struct remote_model : model<T, threads> {
    struct pn_remote remote;
    struct block block[blocks];

    void begin()
    {
        pn_store_relaxed(&remote.head, (struct pn_batch *)NULL);
        for (struct block &one : block)
            one.pushed = one.taken = 0;
    }

    void *use(int index)
    {
        block[index].content($) = index + 1;
        block[index].pushed++;
        return block[index].bytes;
    }

    void push(int index)
    {
        struct pn_batch *alone = pn_batch_begin(use(index), NULL);
        pn_remote_push(&remote, alone, alone);
    }

    void add(struct pn_outgoing *outgoing, int index)
    {
        pn_outgoing_add(outgoing, &remote, use(index), BLOCK_BYTES);
    }

    /* A block that came home: it is used again at once, its content and its bytes. */
    void came(void *bytes)
    {
        struct block *one = (struct block *)bytes;
        MUST(one->content($) == one - block + 1);
        one->content($) = 0;
        one->taken++;
        memset(bytes, 0xee, BLOCK_BYTES);
    }

    void take()
    {
        for (struct pn_batch *batch = pn_remote_take(&remote), *next; batch; batch = next) {
            next = batch->next;
            MUST(batch->count <= 1);
            for (size_t i = batch->count; i-- > 0;)
                came(batch->others[i]);
            came(batch);
        }
    }

    void end()
    {
        take();
        for (const struct block &one : block)
            MUST(one.taken == one.pushed);
        MUST(pn_remote_take(&remote) == NULL);
    }
};

/* Single blocks: also one that is pushed where the owner has just emptied the stack. */
struct singly : remote_model<singly, 2, 3> {
    void thread(unsigned index)
    {
        if (index == 0) {
            take();
            take();
            return;
        }
        for (int i = 0; i < 3; i++)
            push(i);
    }
};

/* Four blocks: three go together, in two batches, the last when the thread has no more. */
struct gathered : remote_model<gathered, 2, 4> {
    void thread(unsigned index)
    {
        if (index == 0) {
            take();
            take();
            return;
        }
        struct pn_outgoing outgoing = {};
        for (int i = 0; i < 4; i++)
            add(&outgoing, i);
        MUST(outgoing.count == 1);
        pn_outgoing_send(&outgoing);
        pn_outgoing_send(&outgoing); /* there is nothing more to push */
    }
};

/* One pushes blocks singly, one together, onto what the other has just pushed. */
struct both : remote_model<both, 3, 4> {
    void thread(unsigned index)
    {
        if (index == 0) {
            take();
            take();
        } else if (index == 1) {
            push(0);
            push(1);
        } else {
            struct pn_outgoing outgoing = {};
            add(&outgoing, 2);
            add(&outgoing, 3);
            pn_outgoing_send(&outgoing);
        }
    }
};

/* A block that came home is freed again: who pushes meanwhile finds the head that it knew, with
 * another stack below. */
struct again : remote_model<again, 3, 3> {
    void thread(unsigned index)
    {
        if (index) {
            push((int)index);
            if (index == 1)
                push(0);
            return;
        }
        take();
        if (block[0].taken)
            push(0);
        take();
    }
};

static bool run()
{
    return model_all<singly>(4) &&
           model_all<gathered>(4) &&
           model_all<both>(3) &&
           model_all<again>(3) &&
           model_random<both>(100000) &&
           model_random<again>(100000);
}

int main(int count, char **arguments) { return model_main(count, arguments, run); }
