/* The public face: what a monitor does with guest-physical pages, without a reference; which frames it
 * finds them in. */
#include "vmm-core/memory/internal.h"

#include "vmm-core/memory/guest-writes.h"

#include <string.h>

/* NULL: *error says why. */
static struct cpu *use(struct memory *memory, uint32_t cpu, char **error)
{
    struct cpu *on = NULL;
    *error = cpu < memory->machine->cpus ? cpu_use(memory, cpu, &on)
                                         : memory_refuse("the CPU of what the monitor does", cpu,
                                                         "the machine has no such CPU");
    return on;
}

/* The page has been given a number: by this object, or by who moves the guest on. */
static char *number_of(const struct memory *memory, uint32_t space, uint64_t vpn, uint32_t *page)
{
    const uint32_t found = guest_find(memory->guest, space, vpn);
    if (found == MEMORY_NONE)
        return memory_refuse("the page of what the monitor does", vpn,
                             "guest_zero() or guest_dma() comes first");
    *page = guest_mapped_page(memory->guest, found);
    return NULL;
}

/* A store of the monitor's, or of a device: no mapping is needed, but one copy. */
static void write_replicated(struct memory *memory, struct cpu *cpu, uint32_t part)
{
    const uint32_t page = huge_head(memory, part);
    const uint64_t fault_ps = memory->machine->costs.replica_fault_ns * PS_PER_NS;
    cpu_charge(cpu, ACCOUNT_move, fault_ps);
    collapse_now(memory, cpu, page, memory->page[page].master, fault_ps, "written by the monitor");
    signal_collapsed(memory, cpu, page);
}

/* The page of (space, VPN) has a frame and, if it is written, one copy afterwards. *placed: it had none
 * before, and that was charged. */
static char *hold(struct memory *memory, struct cpu *cpu, uint32_t space, uint64_t vpn,
                  bool written, bool *placed)
{
    uint32_t page = 0;
    char *error = number_of(memory, space, vpn, &page);
    if (error)
        return error;
    *placed = !pmap_placed(memory, page);
    memory->acting = cpu;
    if (*placed)
        error = place_first_touch(memory, cpu, page);
    else if (written && pmap_has_replicas(memory, page))
        write_replicated(memory, cpu, page);
    memory->acting = NULL;
    if (!error) {
        error = memory->failure;
        memory->failure = NULL;
    }
    return error;
}

char *memory_zero(struct memory *memory, uint32_t cpu, uint32_t physical, uint64_t vpn)
{
    bool placed = false;
    char *error = NULL;
    struct cpu *const on = use(memory, cpu, &error);
    if (!on)
        return error;
    if (memory->own)
        error = guest_zero(memory->own, physical, vpn);
    if (!error && memory->own)
        error = guest_commit(memory->own);
    if (!error)
        error = hold(memory, on, physical, vpn, true, &placed);
    if (error)
        return error;
    on->counters.zeroed_pages++;
    if (!placed)
        cpu_charge(on, ACCOUNT_monitor, memory->machine->costs.page_fault_ns * PS_PER_NS);
    return NULL;
}

char *memory_dma(struct memory *memory, uint32_t cpu, uint32_t physical, uint64_t vpn,
                 uint64_t pages, bool out)
{
    bool placed = false;
    char *error = NULL;
    struct cpu *const on = use(memory, cpu, &error);
    if (!on)
        return error;
    if (pages > GUEST_DIRECT_PAGES || vpn > UINT64_MAX - pages)
        error = memory_refuse("the number of pages that a device moves", pages,
                              "a VM has at most 65536");
    if (!error && memory->own)
        error = guest_dma(memory->own, physical, vpn, pages, out);
    if (!error && memory->own)
        error = guest_commit(memory->own);
    for (uint64_t at = 0; at < pages && !error; at++) {
        error = hold(memory, on, physical, vpn + at, !out, &placed);
        on->counters.dma_pages += !error;
    }
    return error;
}

/* What the policy and this interval's counters know of the page is of what it held before. */
static void forget_counts(struct memory *memory, uint32_t page)
{
    const uint32_t counted = memory->page[page].counted;
    if (memory->counts.record && counts_is(&memory->counts, counted, page)) {
        struct counts *const it = counts_at(&memory->counts, counted);
        it->writes = 0;
        memset(it->by_node, 0, memory->nodes * sizeof *it->by_node);
    }
    if (page < memory->notes)
        memset(memory->note + (size_t)page * memory->note_words, 0,
               memory->note_words * sizeof *memory->note);
}

char *memory_free_page(struct memory *memory, uint32_t cpu, uint32_t physical, uint64_t vpn)
{
    char *error = NULL;
    struct cpu *const on = use(memory, cpu, &error);
    if (!on)
        return error;
    if (memory->own)
        guest_free_page(memory->own, physical, vpn);
    const uint32_t found = guest_find(memory->guest, physical, vpn);
    const uint32_t page =
        found == MEMORY_NONE ? MEMORY_NONE : guest_mapped_page(memory->guest, found);
    if (page == MEMORY_NONE || !pmap_placed(memory, page) || huge_is(memory, page) ||
        guest_share_find(memory->guest, physical, vpn))
        return NULL;
    on->counters.freed_pages++;
    shootdown_mappings(memory, page);
    forget_counts(memory, page);
    pmap_free(memory, page);
    return NULL;
}

char *memory_tlb_write(struct memory *memory, uint32_t space, uint32_t physical, uint64_t entry_hi,
                       uint64_t entry_lo0, uint64_t entry_lo1, uint64_t page_mask)
{
    const struct guest_write write = {.space = space,
                                      .physical = physical,
                                      .entry_hi = entry_hi,
                                      .entry_lo0 = entry_lo0,
                                      .entry_lo1 = entry_lo1,
                                      .page_mask = page_mask};
    bool changes = false;
    char *error = memory->own ? guest_write(memory->own, &write, &changes)
                              : memory_refuse("the guest", 0, "it is shared: guest_write()");
    if (!error)
        error = guest_commit(memory->own);
    if (!error && changes)
        error = guest_write_begin(memory->own, &write);
    if (!error && changes)
        error = memory_forget(memory);
    if (!error && changes)
        error = guest_write_end(memory->own, &write);
    return error;
}

char *memory_service(struct memory *memory, uint32_t cpu, enum memory_service kind, uint64_t count)
{
    const struct machine_costs *const costs = &memory->machine->costs;
    char *error = NULL;
    struct cpu *const on = use(memory, cpu, &error);
    if (!on)
        return error;
    struct memory_cpu_counters *const counters = &on->counters;
    const struct {
        uint64_t *counter, each_ns;
        enum memory_account account;
    } service[MEMORY_SERVICE_KINDS] = {
        [MEMORY_SERVICE_PRIVILEGED] = {&counters->privileged, costs->privileged_ns,
                                       ACCOUNT_monitor},
        [MEMORY_SERVICE_TLB_WRITE] = {&counters->tlb_writes, costs->tlb_write_ns, ACCOUNT_tlb},
        [MEMORY_SERVICE_REFLECT] = {&counters->reflections, costs->reflect_ns, ACCOUNT_monitor},
        [MEMORY_SERVICE_REFILL] = {&counters->monitor_refills, 0, ACCOUNT_tlb},
        [MEMORY_SERVICE_CALL] = {&counters->monitor_calls, costs->monitor_call_ns, ACCOUNT_monitor},
        [MEMORY_SERVICE_INTERRUPT] = {&counters->interrupts, costs->interrupt_ns, ACCOUNT_monitor},
    };
    if ((unsigned)kind >= MEMORY_SERVICE_KINDS)
        return memory_refuse("the kind of a monitor's service", (uint64_t)kind,
                             "this version does not know it");
    *service[kind].counter += count;
    const unsigned __int128 ps = (unsigned __int128)count * service[kind].each_ns * PS_PER_NS;
    const uint64_t clock_ps = counters->clock_ps;
    const uint64_t room_ps = clock_ps < CLOCK_PS_MOST ? CLOCK_PS_MOST - clock_ps : 0;
    cpu_charge(on, service[kind].account, ps < room_ps ? (uint64_t)ps : room_ps);
    return NULL;
}

uint32_t memory_find(const struct memory *memory, uint32_t space, uint64_t vpn)
{
    uint32_t found = guest_find(memory->guest, space, vpn);
    const struct guest_share_range *const share =
        found == MEMORY_NONE ? guest_share_find(memory->guest, space, vpn) : NULL;
    if (share)
        found = guest_find(memory->guest, share->from, share->from_first + (vpn - share->first));
    return found == MEMORY_NONE ? MEMORY_NO_PAGE : guest_mapped_page(memory->guest, found);
}

bool memory_frame(const struct memory *memory, uint32_t page, uint32_t node, uint32_t *frame,
                  bool *replicated)
{
    if (!pmap_placed(memory, page))
        return false;
    if (frame)
        *frame = pmap_copy_on(memory, page, pmap_nearest(memory, page, node));
    if (replicated)
        *replicated = pmap_has_replicas(memory, page);
    return true;
}
