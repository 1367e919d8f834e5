/* The path of a reference.
 *
 * A CPU's fast table is a direct-mapped shadow of the valid pages of its TLB (of the current
 * space's translations where the machine has no TLB). A hit costs one comparison; it counts in its
 * entry, and renews the stamp of the TLB entry behind it. Everything else is out of line. What an
 * entry has counted is settled (added to the page, the CPU and the policy's counters) when the
 * entry goes, when the epoch ends, and when the policy looks at the page. The table changes no
 * result: without it every reference would take reference_slow() and the counters would be the
 * same.
 *
 * The caches will stand between the translation and count_access(), which then only sees what
 * misses them.
 */
#include "vmm-core/memory/internal.h"

#include <stdio.h>
#include <stdlib.h>

#define likely(condition)   __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)

#define STORES_SHIFT 32
/* Kinds of references are counted in four 16-bit lanes of a register. */
#define LANE_SHIFT(what) (((unsigned)(what)&MEMORY_KIND_MASK) * 16)
#define STRETCH_MAX      65535u

static inline uint64_t is_store(uint8_t what)
{
    return (uint64_t)((what & MEMORY_KIND_MASK) == MEMORY_STORE);
}

static void settle_entry(struct memory *memory, struct cpu *cpu, struct fast_entry *entry)
{
    const uint64_t stores = entry->counts >> STORES_SHIFT;
    const uint64_t all = (uint32_t)entry->counts;
    if (!all)
        return;
    entry->counts = 0;
    struct page *const page = &memory->page[entry->page];
    page->loads += all - stores;
    page->stores += stores;
    cpu->loads[entry->node] += all - stores;
    cpu->stores[entry->node] += stores;
    if (entry->node == cpu->node) {
        page->local += all;
        cpu->counters.local_accesses += all;
    } else {
        cpu->counters.remote_accesses += all;
    }
    if (memory->count && stores) {
        uint16_t *const writes =
            &memory->count[entry->page * count_stride(memory->nodes) + memory->nodes];
        *writes = (uint16_t)(*writes + stores < UINT16_MAX ? *writes + stores : UINT16_MAX);
    }
}

void fast_drop(struct memory *memory, struct cpu *cpu, uint64_t vpn)
{
    struct fast_entry *const entry = &cpu->fast[fast_index(memory, vpn)];
    if (entry->vpn != vpn)
        return;
    settle_entry(memory, cpu, entry);
    entry->vpn = TLB_EMPTY;
}

void fast_settle(struct memory *memory, struct cpu *cpu)
{
    for (uint32_t at = 0; at < cpu->live_count; at++)
        settle_entry(memory, cpu, &cpu->fast[cpu->live[at]]);
}

void fast_flush(struct memory *memory, struct cpu *cpu)
{
    for (uint32_t at = 0; at < cpu->live_count; at++) {
        struct fast_entry *const entry = &cpu->fast[cpu->live[at]];
        settle_entry(memory, cpu, entry);
        entry->vpn = TLB_EMPTY;
        entry->listed = false;
    }
    cpu->live_count = 0;
}

void fast_settle_page(struct memory *memory, uint32_t page)
{
    const struct guest *const guest = memory->guest;
    for (uint32_t at = 0; at < memory->used_count; at++) {
        struct cpu *const cpu = memory->used[at];
        for (uint32_t mapping = guest_backmap(guest, page); mapping != MEMORY_NONE;
             mapping = guest_backmap_next(guest, mapping)) {
            const uint64_t vpn = guest_mapped_vpn(guest, mapping);
            struct fast_entry *const entry = &cpu->fast[fast_index(memory, vpn)];
            if (cpu->space == guest_mapped_space(guest, mapping) && entry->vpn == vpn)
                settle_entry(memory, cpu, entry);
        }
    }
}

static struct fast_entry *fill(struct memory *memory, struct cpu *cpu, uint64_t vpn,
                               const struct tlb_half *half, uint32_t tlb_entry)
{
    const uint32_t index = fast_index(memory, vpn);
    struct fast_entry *const entry = &cpu->fast[index];
    if (entry->vpn != TLB_EMPTY)
        settle_entry(memory, cpu, entry);
    if (!entry->listed)
        cpu->live[cpu->live_count++] = index;
    const bool remote = half->node != cpu->node;
    *entry = (struct fast_entry){.vpn = vpn,
                                 .page = half->page,
                                 .stamp = tlb_entry,
                                 .trigger = remote ? (uint16_t)memory->trigger : 0,
                                 .node = half->node,
                                 .read_only = !half->writable,
                                 .listed = true};
    return entry;
}

/* One access reaches memory. `mine`: the policy's counter of the page for this node, or NULL.
 * true: the access makes its page hot. */
static inline __attribute__((always_inline)) bool count_access(struct fast_entry *entry,
                                                               uint64_t store, uint16_t *mine)
{
    entry->counts += 1 + (store << STORES_SHIFT);
    if (!mine)
        return false;
    const uint16_t now = (uint16_t)(*mine + (*mine != UINT16_MAX));
    *mine = now;
    return unlikely(now == entry->trigger);
}

/* A store to a page that has replicas: they collapse, and the CPU gets a writable mapping at once.
 */
static void replica_fault(struct memory *memory, struct cpu *cpu, uint64_t vpn,
                          struct tlb_half *half, uint32_t *entry)
{
    const uint64_t fault_ps = memory->machine->costs.replica_fault_ns * PS_PER_NS;
    cpu_charge(cpu, ACCOUNT_move, fault_ps);
    collapse_now(memory, cpu, half->page, memory->page[half->page].master, fault_ps, "a store");
    translate_again(memory, cpu, vpn, half, entry);
}

static char *take_failure(struct memory *memory)
{
    char *const failure = memory->failure;
    memory->failure = NULL;
    return failure;
}

static __attribute__((noinline)) char *reference_slow(struct memory *memory, struct cpu *cpu,
                                                      uint64_t vpn, uint8_t what)
{
    struct tlb_half half = {.page = MEMORY_NONE};
    uint32_t tlb_entry = 0;
    bool missed = false;
    char *const error = translate(memory, cpu, vpn, &half, &tlb_entry, &missed);
    if (error)
        return error;
    const bool store = is_store(what) != 0;
    const bool collapses = store && !half.writable;
    if (collapses)
        replica_fault(memory, cpu, vpn, &half, &tlb_entry);
    struct fast_entry *const entry = fill(memory, cpu, vpn, &half, tlb_entry);
    uint16_t *const mine =
        memory->count ? &memory->count[half.page * count_stride(memory->nodes) + cpu->node] : NULL;
    const bool hot = count_access(entry, store, mine);
    if (collapses)
        signal_collapsed(memory, cpu, half.page);
    if (missed && (memory->wants.signals & POLICY_SIGNAL_TLB_MISS))
        signal_tlb_miss(memory, cpu, half.page, store);
    if (hot)
        signal_hot(memory, cpu, half.page, store);
    return take_failure(memory);
}

/* A stretch without an epoch's end or another border in it. Inlined twice: a policy that does not
 * ask for counters does not pay for them. */
static inline __attribute__((always_inline)) char *stretch(struct memory *memory, struct cpu *cpu,
                                                           const uint64_t *addr,
                                                           const uint8_t *what, size_t references,
                                                           bool counting)
{
    const uint32_t page_shift = memory->page_shift;
    const uint32_t fast_shift = memory->fast_shift;
    const uint64_t fast_mask = (UINT64_C(1) << fast_shift) - 1;
    const size_t stride = count_stride(memory->nodes);
    const uint64_t before = memory->now;
    struct fast_entry *const fast = cpu->fast;
    uint64_t *const stamp = cpu->tlb.stamp;
    uint16_t *count = counting ? memory->count + cpu->node : NULL;
    uint64_t kinds = 0;

    for (size_t at = 0; at < references; at++) {
        const uint64_t vpn = addr[at] >> page_shift;
        const uint64_t store = is_store(what[at]);
        struct fast_entry *const entry = &fast[(vpn ^ (vpn >> fast_shift)) & fast_mask];
        kinds += UINT64_C(1) << LANE_SHIFT(what[at]);
        if (unlikely(((entry->vpn ^ vpn) | (store & entry->read_only)) != 0)) {
            memory->now = before + at + 1;
            char *const error = reference_slow(memory, cpu, vpn, what[at]);
            if (error)
                return error;
            count =
                counting ? memory->count + cpu->node : NULL; /* a first touch may have moved it */
            continue;
        }
        stamp[entry->stamp] = before + at + 1;
        if (count_access(entry, store, counting ? &count[entry->page * stride] : NULL)) {
            memory->now = before + at + 1;
            signal_hot(memory, cpu, entry->page, store != 0);
            if (memory->failure)
                return take_failure(memory);
        }
    }
    memory->now = before + references;
    struct memory_cpu_counters *const counters = &cpu->counters;
    counters->references += references;
    counters->fetches += (kinds >> LANE_SHIFT(MEMORY_FETCH)) & UINT16_MAX;
    counters->loads += ((kinds >> LANE_SHIFT(MEMORY_LOAD)) & UINT16_MAX) +
                       ((kinds >> LANE_SHIFT(MEMORY_TOUCH)) & UINT16_MAX);
    counters->stores += (kinds >> LANE_SHIFT(MEMORY_STORE)) & UINT16_MAX;
    return NULL;
}

static __attribute__((noinline)) char *stretch_plain(struct memory *memory, struct cpu *cpu,
                                                     const uint64_t *addr, const uint8_t *what,
                                                     size_t references)
{
    return stretch(memory, cpu, addr, what, references, false);
}

static __attribute__((noinline)) char *stretch_counting(struct memory *memory, struct cpu *cpu,
                                                        const uint64_t *addr, const uint8_t *what,
                                                        size_t references)
{
    return stretch(memory, cpu, addr, what, references, true);
}

static size_t least(size_t one, uint64_t other)
{
    return other < one ? (size_t)other : one;
}

static char *check_now(const struct memory *memory)
{
    char *const wrong = memory_check(memory);
    char *line = NULL;
    if (wrong && asprintf(&line, "consistency check after reference %llu: %s; please report it",
                          (unsigned long long)memory->now, wrong) < 0)
        return wrong;
    free(wrong);
    return line;
}

/* What is due after a stretch, in this order: the nth reference, the epoch's end, the checker. */
static char *at_border(struct memory *memory, struct cpu *cpu, uint64_t last_addr,
                       uint8_t last_what)
{
    if (!memory->period_left) {
        memory->period_left = memory->wants.reference_period;
        const uint32_t mapping =
            guest_find(memory->guest, cpu->space, last_addr >> memory->page_shift);
        signal_reference(memory, cpu, guest_mapped_page(memory->guest, mapping),
                         is_store(last_what) != 0);
    }
    if (!memory->epoch_left) {
        memory->acting = NULL;
        epoch_end(memory, false);
        memory->acting = cpu;
    }
    if (memory->failure)
        return take_failure(memory);
    if (!memory->check_left) {
        memory->check_left = memory->options.check_every;
        return check_now(memory);
    }
    return NULL;
}

char *fast_references(struct memory *memory, struct cpu *cpu, const uint64_t *addr,
                      const uint8_t *what, size_t references)
{
    char *error = NULL;
    memory->acting = cpu;
    while (references && !error) {
        size_t some =
            least(references < STRETCH_MAX ? references : STRETCH_MAX, memory->epoch_left);
        some = least(least(some, memory->period_left), memory->check_left);
        cpu->active = true;
        error = memory->count ? stretch_counting(memory, cpu, addr, what, some)
                              : stretch_plain(memory, cpu, addr, what, some);
        memory->epoch_left -= some;
        memory->period_left -= some;
        memory->check_left -= some;
        if (!error)
            error = at_border(memory, cpu, addr[some - 1], what[some - 1]);
        addr += some;
        what += some;
        references -= some;
    }
    memory->acting = NULL;
    return error;
}
