/* CPUs come into being when something is first put on them: a machine of 4096 costs what it uses.
 */
#include "vmm-core/memory/internal.h"

#include <stdlib.h>

void cpu_free(struct cpu *cpu)
{
    if (!cpu)
        return;
    tlb_levels_free(cpu);
    tlb_free(&cpu->l2tlb);
    walker_free(&cpu->walker);
    free(cpu->fast);
    free(cpu->live);
    free(cpu->loads);
    free(cpu->stores);
    free(cpu->refetches);
    free(cpu);
}

static bool fill(const struct memory *memory, struct cpu *cpu)
{
    const struct machine_tlb *const tlb = &memory->machine->tlb;
    const struct machine_l2tlb *const l2tlb = &memory->machine->l2tlb;
    const bool software = tlb->entries && tlb->refill == TLB_REFILL_SOFTWARE;
    const bool has_tlb =
        tlb_levels_new(memory, cpu) && walker_new(&cpu->walker, &tlb->walk, memory->nodes);
    const bool has_l2tlb =
        tlb_new(&cpu->l2tlb, software ? l2tlb->entries : 0, l2tlb->ways, tlb->pages_per_entry);
    const size_t fast = (size_t)1 << memory->fast_shift;
    cpu->fast = malloc(fast * sizeof *cpu->fast);
    cpu->live = malloc(fast * sizeof *cpu->live);
    cpu->loads = calloc(memory->nodes, sizeof *cpu->loads);
    cpu->stores = calloc(memory->nodes, sizeof *cpu->stores);
    cpu->refetches = calloc(memory->nodes, sizeof *cpu->refetches);
    if (!has_tlb || !has_l2tlb || !cpu->fast || !cpu->live || !cpu->loads || !cpu->stores ||
        !cpu->refetches)
        return false;
    for (size_t index = 0; index < fast; index++)
        cpu->fast[index] = (struct fast_entry){.vpn = TLB_EMPTY};
    return true;
}

char *cpu_use(struct memory *memory, uint32_t index, struct cpu **out)
{
    *out = memory->cpu[index];
    if (*out)
        return NULL;
    struct cpu *const cpu = calloc(1, sizeof *cpu);
    if (!cpu)
        return memory_short();
    cpu->index = index;
    cpu->node = memory->machine->cpu_node[index];
    if (!fill(memory, cpu)) {
        cpu_free(cpu);
        return memory_short();
    }
    memory->cpu[index] = cpu;
    memory->used[memory->used_count++] = cpu;
    *out = cpu;
    return NULL;
}

struct cpu *cpu_for_action(struct memory *memory, uint32_t home)
{
    if (memory->acting)
        return memory->acting;
    struct cpu *lowest = NULL;
    for (uint32_t at = 0; at < memory->used_count; at++) {
        struct cpu *const cpu = memory->used[at];
        const bool nearer = lowest && cpu->node == home && lowest->node != home;
        const bool as_near = lowest && (cpu->node == home) == (lowest->node == home);
        if (!lowest || nearer || (as_near && cpu->index < lowest->index))
            lowest = cpu;
    }
    return lowest;
}

uint64_t clock_furthest_ps(const struct memory *memory)
{
    uint64_t furthest = 0;
    for (uint32_t at = 0; at < memory->used_count; at++)
        if (memory->used[at]->counters.clock_ps > furthest)
            furthest = memory->used[at]->counters.clock_ps;
    return furthest;
}
