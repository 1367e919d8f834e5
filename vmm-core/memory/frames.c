/* memmap and the frame allocators of the nodes.
 *
 * A frame gets its record when it is first used. A node hands out the frame given back last, else
 * its next fresh one. Replicas of a node are chained in the order they were made, because the
 * oldest is the one to be reclaimed. The paper does not describe reclaim; first in, first out is
 * our choice.
 */
#include "vmm-core/memory/internal.h"

char *frames_take(struct memory *memory, uint32_t node, uint32_t page, uint32_t *frame)
{
    struct node *const from = &memory->node[node];
    if (from->free != MEMORY_NONE) {
        *frame = from->free;
        from->free = memory->frame[*frame].page;
    } else {
        if (!memory_grow((void **)&memory->frame, &memory->frames_room, memory->frames + 1,
                         sizeof *memory->frame))
            return memory_short();
        *frame = memory->frames++;
        from->fresh++;
    }
    memory->frame[*frame] =
        (struct frame){.page = page, .node = node & (MACHINE_NODES_MAX - 1), .use = FRAME_MASTER};
    if (++from->used > from->used_most)
        from->used_most = from->used;
    return NULL;
}

void frames_give_back(struct memory *memory, uint32_t frame)
{
    struct frame *const it = &memory->frame[frame];
    struct node *const node = &memory->node[it->node];
    const struct memory_frames *const frames = memory->options.frames;
    if (frames && it->page != FRAME_OF_TABLE)
        frames->freed(frames->context, frame);
    it->use = FRAME_FREE;
    it->page = node->free;
    node->free = frame;
    node->used--;
}

void frames_list_replica(struct memory *memory, uint32_t copy)
{
    struct copy *const it = &memory->copy[copy];
    struct frame *const frame = &memory->frame[it->frame];
    struct node *const node = &memory->node[frame->node];
    frame->use = FRAME_REPLICA;
    it->older = node->newest;
    it->newer = MEMORY_NONE;
    *(it->older == MEMORY_NONE ? &node->oldest : &memory->copy[it->older].newer) = copy;
    node->newest = copy;
    if (++node->replicas > node->replicas_most)
        node->replicas_most = node->replicas;
}

void frames_unlist_replica(struct memory *memory, uint32_t copy)
{
    const struct copy *const it = &memory->copy[copy];
    struct frame *const frame = &memory->frame[it->frame];
    struct node *const node = &memory->node[frame->node];
    frame->use = FRAME_MASTER;
    *(it->older == MEMORY_NONE ? &node->oldest : &memory->copy[it->older].newer) = it->newer;
    *(it->newer == MEMORY_NONE ? &node->newest : &memory->copy[it->newer].older) = it->older;
    node->replicas--;
}

bool frames_make_room(struct memory *memory, struct cpu *cpu, uint32_t node)
{
    if (frames_free(memory, node))
        return true;
    if (memory->node[node].frames && memory->policy->pressure && !memory->in_pressure) {
        memory->in_pressure = true; /* what the policy does now may need room itself */
        memory->policy->pressure(memory->state, &memory->host, node);
        memory->in_pressure = false;
        if (frames_free(memory, node))
            return true;
    }
    if (memory->node[node].oldest == MEMORY_NONE)
        return false;
    reclaim_replica(memory, cpu, memory->node[node].oldest);
    return true;
}

bool frames_make_room_for(struct memory *memory, struct cpu *cpu, uint32_t node, uint32_t pages)
{
    const struct node *const it = &memory->node[node];
    return pages == 1 ? frames_make_room(memory, cpu, node) : it->frames - it->used >= pages;
}
