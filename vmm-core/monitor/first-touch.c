#include "vmm-core/monitor/first-touch.h"

#include <stdbool.h>
#include <stdlib.h>

#include "vmm-core/monitor/ram.h"

struct first_touch {
    const struct machine *machine;
    uint32_t limit, fresh; /* frames there can be; used so far, of all nodes */
    uint64_t *left;        /* [nodes] frames of the node that were never used */
    uint32_t *free;        /* [nodes] the frame given back last, or RAM_NONE */
    uint32_t *next; /* [limit] of a free frame: the one given back before it; else its node */
};

struct first_touch *first_touch_new(const struct machine *machine, uint32_t limit)
{
    struct first_touch *const it = calloc(1, sizeof *it);
    if (!it)
        return NULL;
    it->machine = machine;
    it->limit = limit;
    it->left = calloc(machine->nodes, sizeof *it->left);
    it->free = calloc(machine->nodes, sizeof *it->free);
    it->next = calloc(limit, sizeof *it->next);
    if (!it->left || !it->free || !it->next) {
        first_touch_free(it);
        return NULL;
    }
    for (uint32_t node = 0; node < machine->nodes; node++) {
        it->left[node] = machine->node[node].memory_bytes / machine->page_bytes;
        it->free[node] = RAM_NONE;
    }
    return it;
}

void first_touch_free(struct first_touch *first_touch)
{
    if (!first_touch)
        return;
    free(first_touch->left);
    free(first_touch->free);
    free(first_touch->next);
    free(first_touch);
}

/* The nearest node with room; the lowest of those as near. */
static bool find_room(const struct first_touch *it, uint32_t from, uint32_t *found)
{
    const struct machine *const machine = it->machine;
    bool any = false;
    for (uint32_t node = 0; node < machine->nodes; node++) {
        if (it->free[node] == RAM_NONE && (!it->left[node] || it->fresh == it->limit))
            continue;
        const bool nearer = !any || node == from ||
                            (*found != from && machine_latency_ns(machine, from, node) <
                                                   machine_latency_ns(machine, from, *found));
        if (nearer)
            *found = node;
        any = true;
    }
    return any;
}

uint32_t first_touch_take(struct first_touch *first_touch, uint32_t node)
{
    uint32_t on = 0;
    if (!find_room(first_touch, node, &on))
        return RAM_NONE;
    uint32_t frame = first_touch->free[on];
    if (frame != RAM_NONE) {
        first_touch->free[on] = first_touch->next[frame];
    } else {
        frame = first_touch->fresh++;
        first_touch->left[on]--;
    }
    first_touch->next[frame] = on;
    return frame;
}

void first_touch_give_back(struct first_touch *first_touch, uint32_t frame)
{
    const uint32_t node = first_touch->next[frame];
    first_touch->next[frame] = first_touch->free[node];
    first_touch->free[node] = frame;
}
