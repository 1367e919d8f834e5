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
 * Where the guest has caches, their outcome stands between the translation and count_access(),
 * which then only sees what reaches memory. A hit of the first level ends there; deeper ones are
 * counted by level. A hit on a line that was last used before its page moved is not there any more
 * (`fresh_from`): it is fetched again, which is counted and charged to the move.
 */
#include "vmm-core/memory/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define likely(condition)   __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)

#define STORES_SHIFT 32
static inline uint64_t is_store(uint8_t what)
{
    return (uint64_t)((what & MEMORY_KIND_MASK) == MEMORY_STORE);
}

static void settle_entry(struct memory *memory, struct cpu *cpu, struct fast_entry *entry)
{
    if (!entry->counts)
        return;
    const uint64_t seen_stores = entry->counts >> STORES_SHIFT;
    const uint64_t stores = seen_stores * memory->weight;
    const uint64_t all = (uint32_t)entry->counts * memory->weight;
    entry->counts = 0;
    const bool local = entry->node == cpu->node;
    pmap_count(memory, entry->page, all - stores, stores, local);
    cpu->loads[entry->node] += all - stores;
    cpu->stores[entry->node] += stores;
    *(local ? &cpu->counters.local_accesses : &cpu->counters.remote_accesses) += all;
    if (memory->counts.record && seen_stores) { /* the page has a record: it was referred to */
        uint16_t *const writes =
            &counts_at(&memory->counts, memory->page[entry->page].counted)->writes;
        const uint64_t now = *writes + seen_stores * memory->step;
        *writes = (uint16_t)(now < UINT16_MAX ? now : UINT16_MAX);
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

void fast_drop_range(struct memory *memory, struct cpu *cpu, uint64_t first, uint64_t pages)
{
    for (uint32_t at = 0; at < cpu->live_count; at++) {
        const uint64_t vpn = cpu->fast[cpu->live[at]].vpn;
        if (vpn - first < pages)
            fast_drop(memory, cpu, vpn);
    }
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

static void settle_mappings(struct memory *memory, uint32_t page)
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

static void settle_huge(struct memory *memory, uint32_t page)
{
    for (uint32_t at = 0; at < memory->used_count; at++) {
        struct cpu *const cpu = memory->used[at];
        for (uint32_t live = 0; live < cpu->live_count; live++) {
            struct fast_entry *const entry = &cpu->fast[cpu->live[live]];
            if (entry->vpn != TLB_EMPTY && entry->page == page)
                settle_entry(memory, cpu, entry);
        }
    }
}

void fast_settle_page(struct memory *memory, uint32_t page)
{
    if (huge_is(memory, page))
        settle_huge(memory, page);
    else
        settle_mappings(memory, page);
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
                                 .counted = memory->page[half->page].counted,
                                 .fresh_from = pmap_fresh_from(memory, half->page, half->node),
                                 .trigger = remote ? (uint16_t)memory->trigger : 0,
                                 .node = half->node & (MACHINE_NODES_MAX - 1),
                                 .slow_kind = half->writable ? MEMORY_KIND_NONE : MEMORY_STORE,
                                 .listed = true};
    return entry;
}

/* One access reaches memory. `mine`: the policy's counter of the page for this node, or NULL, which it
 * raises by `step`. true: the access makes its page hot. */
static inline __attribute__((always_inline)) bool
count_access(struct fast_entry *entry, uint64_t store, uint16_t *mine, uint32_t step)
{
    entry->counts += 1 + (store << STORES_SHIFT);
    if (!mine)
        return false;
    if (step == 1) { /* known when this is compiled, where there are no weights: shorter */
        const uint16_t next = (uint16_t)(*mine + (*mine != UINT16_MAX));
        *mine = next;
        return unlikely(next == entry->trigger);
    }
    const uint32_t before = *mine;
    const uint32_t now = before + step < UINT16_MAX ? before + step : UINT16_MAX;
    *mine = (uint16_t)now;
    return unlikely(before < entry->trigger && now >= entry->trigger);
}

static __attribute__((noinline)) void find_counter(struct memory *memory, struct fast_entry *entry)
{
    entry->counted = counts_of(memory, entry->page);
    if (entry->counted == MEMORY_NONE) {
        entry->counted = 0; /* any one: the run ends */
        if (!memory->failure)
            memory->failure = memory_short();
    }
}

/* The policy's counter of the entry's page for a node. `pool`: memory.counts, or a copy of it that is
 * renewed when the pool changes. */
static inline __attribute__((always_inline)) uint16_t *
counter_of(struct memory *memory, struct counts_pool *pool, struct fast_entry *entry, uint32_t node)
{
    if (unlikely(!counts_is(pool, entry->counted, entry->page))) {
        find_counter(memory, entry);
        *pool = memory->counts;
    }
    return &counts_at(pool, entry->counted)->by_node[node];
}

/* A store to a page that has replicas: they collapse, and the CPU gets a writable mapping at once.
 */
static void replica_fault(struct memory *memory, struct cpu *cpu, uint64_t vpn,
                          struct tlb_half *half, uint32_t *entry)
{
    const uint64_t fault_ps = memory->machine->costs.replica_fault_ns * PS_PER_NS;
    cpu_charge(cpu, ACCOUNT_move, fault_ps);
    collapse_now(memory, cpu, half->page, memory->page[half->page].master, fault_ps, "a store");
    pmap_moved(memory, half->page, memory->now); /* this store comes after it */
    translate_again(memory, cpu, vpn, half, entry);
}

static inline bool is_stale(const struct fast_entry *entry, uint64_t now, uint32_t age)
{
    return now - age < entry->fresh_from;
}

/* A reference that is no access: a line that went with its page's last move, or a hit. */
static void count_cached(struct cpu *cpu, const struct fast_entry *entry, uint8_t what,
                         uint8_t level, bool stale)
{
    if (!stale) {
        cpu->hits[(what & MEMORY_KIND_MASK) == MEMORY_FETCH][level]++;
        return;
    }
    cpu->counters.refetches++;
    cpu->refetches[entry->node]++;
}

/* What the policy hears of an access, after it was counted. */
static __attribute__((noinline)) void tell(struct memory *memory, struct cpu *cpu, uint32_t page,
                                           bool store, bool hot)
{
    if (hot)
        signal_hot(memory, cpu, page, store);
    if (!memory->period_left) {
        memory->period_left = memory->wants.reference_period;
        signal_reference(memory, cpu, page, store);
    }
}

static char *take_failure(struct memory *memory)
{
    char *const failure = memory->failure;
    memory->failure = NULL;
    return failure;
}

/* `level` and `age`: as the caches say; CACHES_MEMORY where there are none. */
static __attribute__((noinline)) char *reference_slow(struct memory *memory, struct cpu *cpu,
                                                      uint64_t vpn, uint8_t what, uint8_t level,
                                                      uint32_t age)
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
    const bool stale = is_stale(entry, memory->now, age);
    const bool access = level == CACHES_MEMORY;
    bool hot = false;
    if (access)
        hot = count_access(entry, store,
                           memory->counts.record
                               ? counter_of(memory, &memory->counts, entry, cpu->node)
                               : NULL,
                           memory->step);
    else
        count_cached(cpu, entry, what, level, stale);
    if (collapses)
        signal_collapsed(memory, cpu, half.page);
    if (missed && (memory->wants.signals & POLICY_SIGNAL_TLB_MISS))
        signal_tlb_miss(memory, cpu, half.page, store);
    if (access && memory->has_caches)
        memory->period_left--;
    if (hot || !memory->period_left)
        tell(memory, cpu, half.page, store, hot);
    return take_failure(memory);
}

/* Fetches and stores among references, eight at a time: the two bits of the kind, in each byte. */
static void count_kinds(const uint8_t *what, size_t references, uint64_t *fetches, uint64_t *stores)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    size_t at = 0;
    for (; at + 8 <= references; at += 8) {
        uint64_t low = 0;
        memcpy(&low, what + at, sizeof low);
        const uint64_t high = low >> 1;
        *fetches += ((~(low | high) & ones) * ones) >> 56;
        *stores += ((high & ~low & ones) * ones) >> 56;
    }
    for (; at < references; at++) {
        *fetches += (what[at] & MEMORY_KIND_MASK) == MEMORY_FETCH;
        *stores += is_store(what[at]);
    }
}

/* Counters of a stretch that has been replayed. */
static void end_stretch(struct memory *memory, struct cpu *cpu, uint64_t before,
                        const uint8_t *what, size_t references)
{
    uint64_t fetches = 0;
    uint64_t stores = 0;
    count_kinds(what, references, &fetches, &stores);
    memory->now = before + references;
    struct memory_cpu_counters *const counters = &cpu->counters;
    counters->references += references;
    counters->fetches += fetches;
    counters->loads += references - fetches - stores;
    counters->stores += stores;
}

/* A stretch without an epoch's end or another border in it. Inlined for each of what changes its
 * work: a policy that does not ask for counters does not pay for them, nor a machine without caches
 * for those, nor a trace without weights for those. */
static inline __attribute__((always_inline)) char *stretch(struct memory *memory, struct cpu *cpu,
                                                           const struct replayed *from,
                                                           size_t references, bool counting,
                                                           bool cached, uint32_t step)
{
    const uint64_t *const addr = from->addr;
    const uint8_t *const what = from->what;
    const uint32_t page_shift = memory->page_shift;
    const uint64_t fast_mask = (UINT64_C(1) << memory->fast_shift) - 1;
    const uint32_t node = cpu->node;
    const uint64_t before = memory->now;
    struct fast_entry *const fast = cpu->fast;
    uint64_t *const stamp = cpu->tlb.stamp;
    const uint8_t *const levels = from->level;
    const uint32_t *const ages = from->age;
    struct counts_pool pool = memory->counts;

    for (size_t at = 0; at < references; at++) {
        const uint64_t vpn = addr[at] >> page_shift;
        const uint8_t kind = what[at] & MEMORY_KIND_MASK;
        const uint64_t now = before + at + 1;
        const uint8_t level = cached ? levels[at] : CACHES_MEMORY;
        const uint32_t age = cached ? ages[at] : 0;
        struct fast_entry *const entry = &fast[(vpn ^ (vpn >> FAST_SHIFT_LEAST)) & fast_mask];
        if (unlikely(entry->vpn != vpn) || unlikely(kind == entry->slow_kind)) {
            memory->now = now;
            char *const error = reference_slow(memory, cpu, vpn, what[at], level, age);
            if (error)
                return error;
            pool = memory->counts;
            continue;
        }
        stamp[entry->stamp] = now;
        const bool stale = cached && is_stale(entry, now, age);
        if (cached && likely((level == 1) & !stale))
            continue;
        if (cached && level != CACHES_MEMORY) {
            count_cached(cpu, entry, what[at], level, stale);
            continue;
        }
        const uint64_t store = kind == MEMORY_STORE;
        const bool hot =
            count_access(entry, store, counting ? counter_of(memory, &pool, entry, node) : NULL,
                         step);
        if (cached)
            memory->period_left--;
        if (unlikely(hot) || (cached && unlikely(!memory->period_left))) {
            memory->now = now;
            tell(memory, cpu, entry->page, store != 0, hot);
            if (memory->failure)
                return take_failure(memory);
        }
    }
    end_stretch(memory, cpu, before, what, references);
    return NULL;
}

static __attribute__((noinline)) char *stretch_plain(struct memory *memory, struct cpu *cpu,
                                                     const struct replayed *from, size_t references)
{
    return stretch(memory, cpu, from, references, false, false, 1);
}

static __attribute__((noinline)) char *stretch_counting(struct memory *memory, struct cpu *cpu,
                                                        const struct replayed *from,
                                                        size_t references)
{
    return stretch(memory, cpu, from, references, true, false, 1);
}

static __attribute__((noinline)) char *stretch_cached(struct memory *memory, struct cpu *cpu,
                                                      const struct replayed *from,
                                                      size_t references)
{
    return stretch(memory, cpu, from, references, false, true, 1);
}

static __attribute__((noinline)) char *stretch_cached_counting(struct memory *memory,
                                                               struct cpu *cpu,
                                                               const struct replayed *from,
                                                               size_t references)
{
    return stretch(memory, cpu, from, references, true, true, 1);
}

static __attribute__((noinline)) char *stretch_weighted(struct memory *memory, struct cpu *cpu,
                                                        const struct replayed *from,
                                                        size_t references)
{
    return memory->has_caches ? stretch(memory, cpu, from, references, true, true, memory->step)
                              : stretch(memory, cpu, from, references, true, false, memory->step);
}

static char *stretch_of(struct memory *memory, struct cpu *cpu, const struct replayed *from,
                        size_t references)
{
    if (memory->options.weighted && memory->counts.record)
        return stretch_weighted(memory, cpu, from, references);
    if (memory->has_caches)
        return memory->counts.record ? stretch_cached_counting(memory, cpu, from, references)
                                     : stretch_cached(memory, cpu, from, references);
    return memory->counts.record ? stretch_counting(memory, cpu, from, references)
                                 : stretch_plain(memory, cpu, from, references);
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

/* Lines that the references before `end` made the caches write to memory. Who waits for them is not
 * modelled; they load the network. The second page of a reference, if it has not been referred to
 * itself, has no home yet, and its lines are not counted. */
static void count_writebacks(struct memory *memory, struct replayed *from, uint32_t end)
{
    while (from->writebacks && from->writeback->at < end) {
        const struct caches_writeback it = *from->writeback++;
        const uint64_t page = it.physical_address >> memory->page_shift;
        from->writebacks--;
        if (page < memory->pages && pmap_placed(memory, (uint32_t)page))
            contention_writes(memory, memory->machine->cpu_node[it.cpu], memory->page[page].home,
                              1);
    }
}

/* What is due after a stretch, in this order: the nth reference (with caches it was told at once),
 * the epoch's end, the checker. */
static char *at_border(struct memory *memory, struct cpu *cpu, uint64_t last_addr,
                       uint8_t last_what)
{
    if (!memory->period_left) {
        const uint32_t mapping =
            guest_find(memory->guest, cpu->space, last_addr >> memory->page_shift);
        tell(memory, cpu, huge_head(memory, guest_mapped_page(memory->guest, mapping)),
             is_store(last_what) != 0, false);
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

char *fast_references(struct memory *memory, struct cpu *cpu, struct replayed from,
                      size_t references)
{
    char *error = NULL;
    memory->acting = cpu;
    while (references && !error) {
        size_t some = least(references, memory->epoch_left);
        if (!memory->has_caches)
            some = least(some, memory->period_left);
        some = least(some, memory->check_left);
        if (memory->contention && from.writebacks) /* each loads the home that its page has then */
            some = least(some, from.writeback->at + 1 - from.at);
        cpu->active = true;
        error = stretch_of(memory, cpu, &from, some);
        memory->epoch_left -= some;
        memory->check_left -= some;
        if (memory->has_caches)
            count_writebacks(memory, &from, from.at + (uint32_t)some);
        else
            memory->period_left -= some;
        if (!error)
            error = at_border(memory, cpu, from.addr[some - 1], from.what[some - 1]);
        from.addr += some;
        from.what += some;
        from.at += (uint32_t)some;
        if (memory->has_caches) {
            from.level += some;
            from.age += some;
        }
        references -= some;
    }
    memory->acting = NULL;
    return error;
}

void memory_weigh(struct memory *memory, uint64_t weight)
{
    if (weight > MEMORY_WEIGHT_MOST)
        weight = MEMORY_WEIGHT_MOST;
    if (!memory->options.weighted || weight == memory->weight)
        return;
    for (uint32_t at = 0; at < memory->used_count; at++) {
        struct cpu *const cpu = memory->used[at];
        if (!cpu->active)
            continue;
        fast_settle(memory, cpu);
        epoch_sum_execution(memory, cpu);
    }
    const uint64_t nominal = memory->options.refs_per_sample;
    const uint64_t step = (weight + nominal / 2) / nominal;
    memory->weight = weight;
    memory->step = step < UINT16_MAX ? (uint32_t)step : UINT16_MAX;
}
