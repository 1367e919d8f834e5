/* The public face: what happens to the object, in the order of the trace. */
#include "vmm-core/memory/internal.h"

#include <stdlib.h>
#include <string.h>

char *memory_dispatch(struct memory *memory, uint32_t cpu, uint32_t stream, uint32_t space)
{
    if (cpu >= memory->machine->cpus)
        return memory_refuse("the CPU of a dispatch", cpu, "the machine has no such CPU");
    struct cpu *on = NULL;
    char *const error = cpu_use(memory, cpu, &on);
    if (error)
        return error;
    const bool other_stream = !on->running || on->stream != stream;
    const bool other_space = !on->running || on->space != space;
    const bool tagged = memory->machine->tlb.tagged;
    if (other_stream) {
        on->counters.dispatches++;
        cpu_charge(on, ACCOUNT_monitor, memory->machine->costs.dispatch_ns * PS_PER_NS);
    }
    if (other_space || (other_stream && !tagged))
        fast_flush(memory, on);
    if ((other_stream && !tagged) || (other_space && !memory->keeps_spaces))
        tlb_levels_flush(on);
    on->running = true;
    on->stream = stream;
    on->space = space;
    return NULL;
}

static char *check_cpu(const struct memory *memory, uint32_t cpu)
{
    return cpu < memory->machine->cpus && memory->cpu[cpu] && memory->cpu[cpu]->running
               ? NULL
               : memory_refuse("the CPU of a reference", cpu,
                               "no stream has been dispatched on it");
}

static char *check_own(const struct memory *memory)
{
    return memory->own ? NULL
                       : strdup("the guest is shared; the one that moves it on calls "
                                "memory_replay() and memory_forget()");
}

/* Index of the first writeback that no reference before `at` led to. */
static uint32_t first_writeback(const struct caches_outcome *outcome, uint32_t at)
{
    uint32_t low = 0;
    uint32_t high = outcome->writebacks;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (outcome->writeback[middle].at < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

char *memory_replay(struct memory *memory, uint32_t cpu, const uint64_t *addr, const uint8_t *what,
                    size_t references, const struct caches_outcome *outcome, uint32_t at)
{
    char *const error = check_cpu(memory, cpu);
    if (error)
        return error;
    struct replayed from = {.addr = addr, .what = what};
    if (memory->has_caches) {
        if (!outcome)
            return strdup("the guest has caches; memory_replay() needs what they made of the "
                          "references");
        const uint32_t first = first_writeback(outcome, at);
        from.level = outcome->level + at;
        from.age = outcome->age + at;
        from.writeback = outcome->writeback + first;
        from.writebacks = outcome->writebacks - first;
        from.at = at;
    }
    return fast_references(memory, memory->cpu[cpu], from, references);
}

char *memory_references(struct memory *memory, uint32_t cpu, const uint64_t *addr,
                        const uint8_t *what, size_t references)
{
    char *error = check_own(memory);
    if (!error)
        error = check_cpu(memory, cpu);
    struct caches_outcome *const outcome = memory->has_caches ? &memory->outcome : NULL;
    for (size_t done = 0; done < references && !error;) {
        const size_t left = references - done;
        const uint32_t some = left < MEMORY_OWN_REFERENCES ? (uint32_t)left : MEMORY_OWN_REFERENCES;
        memory->outcome.writebacks = 0;
        error = guest_references(memory->own, cpu, memory->cpu[cpu]->space, addr + done,
                                 what + done, NULL, some, outcome, 0);
        if (!error)
            error = guest_commit(memory->own);
        if (!error)
            error = memory_replay(memory, cpu, addr + done, what + done, some, outcome, 0);
        done += some;
    }
    return error;
}

char *memory_forget(struct memory *memory)
{
    size_t count = 0;
    const struct guest_gone *const gone = guest_gone(memory->guest, &count);
    for (size_t at = 0; at < count; at++) {
        char *const error = huge_forget(memory, gone[at].page);
        if (error)
            return error;
    }
    for (size_t at = 0; at < count; at++) {
        shootdown_mapping(memory, gone[at].space, gone[at].vpn);
        tables_unmap(memory, gone[at].space, gone[at].vpn, 1);
        if (gone[at].last && pmap_placed(memory, gone[at].page))
            pmap_free(memory, gone[at].page);
    }
    return NULL;
}

static char *unmap_pages(struct memory *memory, uint32_t space, uint64_t first, uint64_t pages)
{
    char *error = check_own(memory);
    if (!error)
        error = guest_unmap_begin(memory->own, space, first, pages);
    if (!error)
        error = memory_forget(memory);
    if (!error)
        guest_unmap_end(memory->own);
    return error;
}

char *memory_unmap(struct memory *memory, uint32_t space, uint64_t start, uint64_t end)
{
    if (start >= end)
        return NULL;
    const uint64_t first = start >> memory->page_shift;
    return unmap_pages(memory, space, first, ((end - 1) >> memory->page_shift) - first + 1);
}

char *memory_share(struct memory *memory, uint32_t space, uint64_t start, uint32_t other,
                   uint64_t other_start, uint64_t bytes)
{
    if (!bytes)
        return NULL;
    const uint64_t last = bytes - 1;
    if (start > UINT64_MAX - last || other_start > UINT64_MAX - last)
        return memory_refuse("the length of a shared range", bytes,
                             "it runs past the end of a space");
    if ((start ^ other_start) & (memory->machine->page_bytes - 1))
        return memory_refuse("the start of a shared range", other_start,
                             "both ranges must start at the same place in a page");
    const uint64_t from = start >> memory->page_shift;
    const uint64_t first = other_start >> memory->page_shift;
    const uint64_t pages = ((start + last) >> memory->page_shift) - from + 1;
    if (space == other && first < from + pages && from < first + pages)
        return memory_refuse("the start of a shared range", other_start,
                             "it overlaps what it is to show");
    char *const error = unmap_pages(memory, other, first, pages);
    return error ? error : guest_share(memory->own, space, from, other, first, pages);
}

void memory_idle(struct memory *memory, uint32_t cpu, uint64_t idle_ns)
{
    struct cpu *on = NULL;
    if (cpu >= memory->machine->cpus)
        return;
    free(cpu_use(memory, cpu, &on)); /* short of memory: the next dispatch says so */
    if (!on || on->counters.clock_ps > CLOCK_PS_MOST)
        return;
    const uint64_t most_ns = (CLOCK_PS_MOST - on->counters.clock_ps) / PS_PER_NS;
    cpu_charge(on, ACCOUNT_idle, (idle_ns < most_ns ? idle_ns : most_ns) * PS_PER_NS);
}

void memory_finish(struct memory *memory)
{
    epoch_end(memory, true);
    const uint64_t furthest_ps = clock_furthest_ps(memory);
    for (uint32_t at = 0; at < memory->used_count; at++) {
        struct cpu *const cpu = memory->used[at];
        cpu_charge(cpu, ACCOUNT_idle, furthest_ps - cpu->counters.clock_ps);
    }
}
