/* Do the real TLBs hold what the pmap says? Every valid half of an entry is the page of registers
 * of the vCPU on that CPU, or the frame that its CPU's node maps for a page of its VM, and
 * writable only where that is. What TLBs and pmap are made from is memory_check()'s to look at. */
#include "vmm-core/monitor/internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "vmm-core/monitor/say.h"

/* What may be done with a frame. */
enum use { USE_NONE, USE_READ, USE_WRITE };

static void mark_frames(const struct processor *processor, uint8_t *use)
{
    const struct vm *const vm = processor->vm;
    const struct ram *const ram = &vm->monitor->ram;
    memset(use, USE_NONE, ram->limit);
    for (uint32_t ppn = 0; ppn < vm->options->pages; ppn++) {
        const uint32_t entry = physical_entry(vm->monitor->physical, vm_guest_page(vm, ppn),
                                              processor_node(processor));
        if (entry)
            use[entry >> ENTRYLO_PFN_SHIFT] = entry & ENTRYLO_D ? USE_WRITE : USE_READ;
    }
    if (vm->monitor->options.hal)
        use[ram->limit - ram->extra + processor->stream] = USE_READ;
}

static char *check_tlb(const struct monitor *monitor, uint32_t cpu, const uint8_t *use)
{
    const struct mips_state *const state = mips_state(monitor->seat[cpu].cpu);
    for (uint32_t i = 0; i < MIPS_TLB_ROOM; i++)
        for (unsigned half = 0; half < 2 && state->tlb[i].used; half++) {
            const uint32_t lo = state->tlb[i].entry_lo[half], frame = lo >> ENTRYLO_PFN_SHIFT;
            if (!(lo & ENTRYLO_V))
                continue;
            const enum use wanted = lo & ENTRYLO_D ? USE_WRITE : USE_READ;
            if (frame >= monitor->ram.limit || use[frame] < wanted)
                return monitor_say("entry %" PRIu32 " of the TLB of CPU %" PRIu32
                                   " maps frame %" PRIu32 " for 0x%08" PRIx32
                                   ", which is not what the pmap says",
                                   i, cpu, frame, state->tlb[i].entry_hi);
        }
    return NULL;
}

char *monitor_check(const struct monitor *monitor)
{
    uint8_t *const use = malloc(monitor->ram.limit);
    if (!use)
        return monitor_no_memory();
    char *wrong = NULL;
    for (uint32_t cpu = 0; cpu < monitor->machine->cpus && !wrong; cpu++) {
        if (!monitor->seat[cpu].loaded)
            continue;
        mark_frames(monitor->seat[cpu].loaded, use);
        wrong = check_tlb(monitor, cpu, use);
    }
    free(use);
    return wrong;
}
