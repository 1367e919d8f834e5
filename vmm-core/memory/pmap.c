/* pmap: what the monitor knows of each guest-physical page, above all where its copies are.
 *
 * A page has one master and, on other nodes, replicas; at most one copy a node. The replicas are
 * chained through their frames.
 */
#include "vmm-core/memory/internal.h"

#include <stdlib.h>
#include <string.h>

static char *room_for_page(struct memory *memory, uint32_t page)
{
    const uint32_t room_before = memory->pages_room;
    if (!memory_grow((void **)&memory->page, &memory->pages_room, page + 1, sizeof *memory->page))
        return memory_short();
    if (memory->count && memory->pages_room != room_before) {
        const size_t stride = count_stride(memory->nodes);
        uint16_t *const count =
            realloc(memory->count, memory->pages_room * stride * sizeof *memory->count);
        if (!count) {
            memory->pages_room = room_before; /* the page array being larger does no harm */
            return memory_short();
        }
        memset(count + room_before * stride, 0,
               (memory->pages_room - room_before) * stride * sizeof *count);
        memory->count = count;
    }
    return NULL;
}

char *pmap_add(struct memory *memory, uint32_t page, uint32_t frame)
{
    char *const error = room_for_page(memory, page);
    if (error)
        return error;
    const struct page nowhere = {.master = MEMORY_NONE,
                                 .replicas = MEMORY_NONE,
                                 .first_home = PAGE_NOT_PLACED,
                                 .home = PAGE_NOT_PLACED};
    while (memory->pages <= page)
        memory->page[memory->pages++] = nowhere;
    struct page *const it = &memory->page[page];
    it->first_home = it->home = memory->frame[frame].node;
    it->master = frame;
    return NULL;
}

uint32_t pmap_copy_on(const struct memory *memory, uint32_t page, uint32_t node)
{
    const struct page *const it = &memory->page[page];
    if (it->home == node)
        return it->master;
    uint32_t frame = it->replicas;
    while (frame != MEMORY_NONE && memory->frame[frame].node != node)
        frame = memory->frame[frame].next;
    return frame;
}

uint64_t pmap_fresh_from(const struct memory *memory, uint32_t page, uint32_t node)
{
    const struct page *const it = &memory->page[page];
    const uint32_t frame = it->home == node ? MEMORY_NONE : pmap_copy_on(memory, page, node);
    const uint64_t made = frame == MEMORY_NONE ? 0 : memory->frame[frame].made;
    return made > it->moved ? made : it->moved; /* another replica may have gone since */
}

uint32_t pmap_nearest(const struct memory *memory, uint32_t page, uint32_t node)
{
    const struct page *const it = &memory->page[page];
    uint32_t nearest = it->home;
    for (uint32_t frame = it->replicas; frame != MEMORY_NONE; frame = memory->frame[frame].next) {
        const uint32_t other = memory->frame[frame].node;
        if (other == node)
            return node;
        const uint32_t latency = machine_latency_ns(memory->machine, node, other);
        const uint32_t least = machine_latency_ns(memory->machine, node, nearest);
        if (nearest != node &&
            (latency < least || (latency == least && nearest != it->home && other < nearest)))
            nearest = other;
    }
    return nearest;
}

uint64_t pmap_replicas(const struct memory *memory, uint32_t page)
{
    uint64_t nodes = 0;
    for (uint32_t frame = memory->page[page].replicas; frame != MEMORY_NONE;
         frame = memory->frame[frame].next)
        nodes |= UINT64_C(1) << memory->frame[frame].node;
    return nodes;
}

void pmap_add_replica(struct memory *memory, uint32_t page, uint32_t frame)
{
    memory->frame[frame].next = memory->page[page].replicas;
    memory->page[page].replicas = frame;
    frames_set_replica(memory, frame, true);
}

static uint32_t *link_to(struct memory *memory, uint32_t page, uint32_t frame)
{
    uint32_t *link = &memory->page[page].replicas;
    while (*link != frame)
        link = &memory->frame[*link].next;
    return link;
}

void pmap_drop_replica(struct memory *memory, uint32_t page, uint32_t frame)
{
    *link_to(memory, page, frame) = memory->frame[frame].next;
    frames_give_back(memory, frame);
}

void pmap_keep_only(struct memory *memory, uint32_t page, uint32_t frame)
{
    struct page *const it = &memory->page[page];
    if (frame != it->master) {
        *link_to(memory, page, frame) = memory->frame[frame].next;
        memory->frame[frame].next = MEMORY_NONE;
        frames_set_replica(memory, frame, false);
        frames_give_back(memory, it->master);
        it->master = frame;
        it->home = memory->frame[frame].node;
    }
    while (it->replicas != MEMORY_NONE)
        pmap_drop_replica(memory, page, it->replicas);
}

void pmap_free(struct memory *memory, uint32_t page)
{
    struct page *const it = &memory->page[page];
    pmap_keep_only(memory, page, it->master);
    frames_give_back(memory, it->master);
    it->master = MEMORY_NONE;
}
