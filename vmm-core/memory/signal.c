/* The policy's side: the signals it hears and the services it calls.
 *
 * Signals about a reference come after it was counted, in the order collapsed, TLB miss, hot,
 * every nth reference; so whatever the policy does to the page (move it, replicate it again) is
 * seen by the next reference, and no reference can be held up for ever.
 */
#include "vmm-core/memory/internal.h"

#include <string.h>

static struct policy_event event_of(const struct memory *memory, const struct cpu *cpu,
                                    uint32_t page, bool store)
{
    return (struct policy_event){.page = page,
                                 .node = cpu->node,
                                 .cpu = cpu->index,
                                 .store = store,
                                 .time_ns = memory->epoch.start_ns};
}

static void charge_interrupt(const struct memory *memory, struct cpu *cpu)
{
    cpu->counters.hot_pages++;
    cpu_charge(cpu, ACCOUNT_move, memory->machine->costs.hot_page_ns * PS_PER_NS);
}

void signal_hot(struct memory *memory, struct cpu *cpu, uint32_t page, bool store)
{
    charge_interrupt(memory, cpu);
    const struct policy_event event = event_of(memory, cpu, page, store);
    memory->policy->hot(memory->state, &memory->host, &event);
}

void signal_reference(struct memory *memory, struct cpu *cpu, uint32_t page, bool store)
{
    const struct policy_event event = event_of(memory, cpu, page, store);
    memory->policy->reference(memory->state, &memory->host, &event);
}

void signal_tlb_miss(struct memory *memory, struct cpu *cpu, uint32_t page, bool store)
{
    const struct policy_event event = event_of(memory, cpu, page, store);
    memory->policy->tlb_miss(memory->state, &memory->host, &event);
}

void signal_collapsed(struct memory *memory, struct cpu *cpu, uint32_t page)
{
    if (!memory->policy->collapsed)
        return;
    const struct policy_event event = event_of(memory, cpu, page, true);
    memory->policy->collapsed(memory->state, &memory->host, &event);
}

static struct memory *memory_of(struct policy_host *host)
{
    return (struct memory *)host; /* its first member */
}

static enum policy_answer service_migrate(struct policy_host *host, uint32_t page, uint32_t node,
                                          const char *reason)
{
    return migrate_page(memory_of(host), page, node, reason);
}

static enum policy_answer service_replicate(struct policy_host *host, uint32_t page, uint32_t node,
                                            const char *reason)
{
    return replicate_page(memory_of(host), page, node, reason);
}

static enum policy_answer service_collapse(struct policy_host *host, uint32_t page,
                                           const char *reason)
{
    return collapse_page(memory_of(host), page, reason);
}

static bool service_page(struct policy_host *host, uint32_t page, struct policy_page *out)
{
    struct memory *const memory = memory_of(host);
    if (!action_page_exists(memory, page))
        return false;
    const struct page *const it = &memory->page[page];
    const struct acted none = {.copies = MEMORY_NONE};
    const struct acted *const acted = it->acted == MEMORY_NONE ? &none : &memory->acted[it->acted];
    *out = (struct policy_page){.page = page,
                                .home = it->home,
                                .replicas = pmap_replicas(memory, page),
                                .moves_total = acted->migrations,
                                .pages = huge_pages(memory, page)};
    const struct counts_pool *const pool = &memory->counts;
    if (!pool->record)
        return true;
    fast_settle_page(memory, page); /* stores of hits are still in the fast tables */
    const bool counted = counts_is(pool, it->counted, page);
    out->counts = counted ? counts_at(pool, it->counted)->by_node : pool->none;
    out->writes = counted ? counts_at(pool, it->counted)->writes : 0;
    out->moves = acted->interval == pool->interval ? acted->moves : 0;
    return true;
}

static uint32_t service_pages(struct policy_host *host)
{
    return memory_of(host)->pages;
}

static uint64_t service_free_frames(struct policy_host *host, uint32_t node)
{
    const struct memory *const memory = memory_of(host);
    return node < memory->nodes ? memory->node[node].frames - memory->node[node].used : 0;
}

static uint64_t service_random(struct policy_host *host)
{
    return random_next(&memory_of(host)->policy_random);
}

static enum policy_answer service_split(struct policy_host *host, uint32_t page, const char *reason)
{
    return huge_split(memory_of(host), page, reason);
}

static enum policy_answer service_merge(struct policy_host *host, uint32_t page, const char *reason)
{
    return huge_merge(memory_of(host), page, reason);
}

static void *service_note(struct policy_host *host, uint32_t page)
{
    struct memory *const memory = memory_of(host);
    if (!memory->note_words || !action_page_exists(memory, page))
        return NULL;
    const size_t each = memory->note_words * sizeof(uint64_t);
    void *note = memory->note;
    if (!memory_grow(&note, &memory->notes_room, page + 1, each)) {
        action_failed(memory, memory_short());
        return NULL;
    }
    memory->note = note;
    if (page >= memory->notes) {
        memset(memory->note + (size_t)memory->notes * memory->note_words, 0,
               (page + 1 - (size_t)memory->notes) * each);
        memory->notes = page + 1;
    }
    return memory->note + (size_t)page * memory->note_words;
}

static void service_interrupt(struct policy_host *host, uint32_t cpu)
{
    struct memory *const memory = memory_of(host);
    if (cpu < memory->machine->cpus && memory->cpu[cpu])
        charge_interrupt(memory, memory->cpu[cpu]);
}

const struct policy_services memory_services = {
    .migrate = service_migrate,
    .replicate = service_replicate,
    .collapse = service_collapse,
    .page = service_page,
    .pages = service_pages,
    .free_frames = service_free_frames,
    .random = service_random,
    .split = service_split,
    .merge = service_merge,
    .note = service_note,
    .interrupt = service_interrupt,
};
