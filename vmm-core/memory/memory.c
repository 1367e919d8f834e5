/* The public face: making and freeing the object, events that are not references, results. */
#include "vmm-core/memory/memory.h"

#include "vmm-core/memory/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EPOCH_REFERENCES_STANDARD 16384u
#define EPOCH_REFERENCES_LEAST    64u
#define EPOCH_REFERENCES_MOST     (UINT32_C(1) << 31) /* a fast entry counts in 32 bits */
#define REFS_PER_SAMPLE_MOST      (UINT64_C(1) << 32)
#define FRAMES_MOST               (UINT64_C(1) << 32) /* of a node: frame indices have 32 bits */
#define PAGES_AT_FIRST            1024u

char *memory_short(void)
{
    char *const line =
        strdup("not enough memory for the page tables; use a smaller trace or a larger host");
    if (!line)
        abort(); /* not even a line can be had, and NULL would mean that all is well */
    return line;
}

bool memory_grow(void **array, uint32_t *room, uint32_t wanted, size_t each)
{
    if (wanted <= *room)
        return true;
    const uint64_t doubled = *room ? (uint64_t)*room * 2 : PAGES_AT_FIRST;
    const uint64_t larger = doubled < MEMORY_NONE ? doubled : MEMORY_NONE - 1;
    void *const grown = larger < wanted ? NULL : realloc(*array, larger * each);
    if (!grown)
        return false;
    *array = grown;
    *room = (uint32_t)larger;
    return true;
}

/* A line about what the caller handed over. */
static char *refuse(const char *what, uint64_t is, const char *needs)
{
    char *line = NULL;
    if (asprintf(&line, "%s is %llu; %s", what, (unsigned long long)is, needs) < 0)
        return memory_short();
    return line;
}

static bool power_of_two(uint64_t number)
{
    return number && !(number & (number - 1));
}

static char *check_shape(const char *what, uint32_t entries, uint32_t ways)
{
    if (entries && (!ways || entries % ways || !power_of_two(entries / ways)))
        return refuse(what, ways, "they must divide the entries into a power of two of sets");
    return NULL;
}

static char *check_machine(const struct machine *machine)
{
    if (!machine->nodes || machine->nodes > MACHINE_NODES_MAX)
        return refuse("the number of nodes", machine->nodes, "it must be 1 to 64");
    if (!machine->cpus || machine->cpus > MACHINE_CPUS_MAX)
        return refuse("the number of CPUs", machine->cpus, "it must be 1 to 4096");
    if (machine->page_bytes < 2 || !power_of_two(machine->page_bytes))
        return refuse("the page size", machine->page_bytes, "it must be a power of two");
    const uint32_t halves = machine->tlb.pages_per_entry;
    if (halves != 1 && halves != TLB_HALVES_MAX)
        return refuse("the number of pages in a TLB entry", halves, "it must be 1 or 2");
    char *const error =
        check_shape("the number of TLB ways", machine->tlb.entries, machine->tlb.ways);
    return error ? error
                 : check_shape("the number of second-level TLB ways", machine->l2tlb.entries,
                               machine->l2tlb.ways);
}

/* Each node's order of nodes with memory: itself, then by latency, ties by index. */
static void sort_by_distance(struct memory *memory, uint32_t from)
{
    uint8_t *const order = memory->node[from].by_distance;
    uint32_t sorted = 0;
    for (uint32_t node = 0; node < memory->nodes; node++) {
        if (!memory->node[node].frames)
            continue;
        uint32_t at = sorted++;
        const uint32_t latency = machine_latency_ns(memory->machine, from, node);
        while (
            at && order[at - 1] != from &&
            (node == from || machine_latency_ns(memory->machine, from, order[at - 1]) > latency)) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = (uint8_t)node;
    }
}

static char *set_up_nodes(struct memory *memory)
{
    const struct machine *const machine = memory->machine;
    for (uint32_t node = 0; node < memory->nodes; node++) {
        const uint64_t frames = machine->node[node].memory_bytes / machine->page_bytes;
        struct node *const it = &memory->node[node];
        it->frames = frames < FRAMES_MOST ? frames : FRAMES_MOST - 1;
        it->free = it->oldest = it->newest = MEMORY_NONE;
        memory->host_frames[node] = it->frames;
        memory->nodes_with_memory += it->frames != 0;
        memory->host.with_memory |= (uint64_t)(it->frames != 0) << node;
    }
    for (uint32_t cpu = 0; cpu < machine->cpus; cpu++) {
        if (machine->cpu_node[cpu] >= memory->nodes)
            return refuse("the node of a CPU", machine->cpu_node[cpu], "there is no such node");
        memory->host.with_cpus |= UINT64_C(1) << machine->cpu_node[cpu];
    }
    if (!memory->nodes_with_memory)
        return refuse("the number of nodes with memory", 0, "a machine needs one page at least");
    for (uint32_t node = 0; node < memory->nodes; node++)
        sort_by_distance(memory, node);
    return NULL;
}

/* Eight times the pages the TLB can hold: few of them then meet in one place. */
static uint32_t fast_shift_for(const struct machine_tlb *tlb)
{
    const uint64_t pages = tlb->entries ? (uint64_t)tlb->entries * tlb->pages_per_entry : 512;
    uint32_t shift = 9;
    while (shift < 14 && (UINT64_C(1) << shift) < pages * 8)
        shift++;
    return shift;
}

static char *allocate(struct memory *memory)
{
    const size_t nodes = memory->nodes;
    memory->node = calloc(nodes, sizeof *memory->node);
    memory->host_frames = calloc(nodes, sizeof *memory->host_frames);
    memory->epoch_accesses = calloc(nodes, sizeof *memory->epoch_accesses);
    memory->traffic_loads = calloc(nodes * nodes, sizeof *memory->traffic_loads);
    memory->traffic_stores = calloc(nodes * nodes, sizeof *memory->traffic_stores);
    memory->cpu = calloc(memory->machine->cpus, sizeof(struct cpu *));
    memory->used = calloc(memory->machine->cpus, sizeof(struct cpu *));
    memory->state = calloc(1, memory->policy->state_bytes ? memory->policy->state_bytes : 1);
    const bool has_pages = memory_grow((void **)&memory->page, &memory->pages_room, PAGES_AT_FIRST,
                                       sizeof *memory->page);
    return memory->node && memory->host_frames && memory->epoch_accesses && memory->traffic_loads &&
                   memory->traffic_stores && memory->cpu && memory->used && memory->state &&
                   has_pages
               ? NULL
               : memory_short();
}

static char *set_up_policy(struct memory *memory)
{
    const struct policy *const policy = memory->policy;
    if (policy->abi != DISCO_POLICY_ABI)
        return refuse("the policy's interface version", policy->abi,
                      "build it again with this version's policies/policy.h");
    if (!policy->place)
        return strdup("the policy has no place(); every policy must say where a new page goes");
    struct policy_wants *const wants = &memory->wants;
    const struct policy_setup setup = {.host = &memory->host,
                                       .param = memory->options.param,
                                       .refs_per_sample = memory->options.refs_per_sample};
    const char *const wrong = policy->init ? policy->init(memory->state, &setup, wants) : NULL;
    if (wrong) {
        char *line = NULL;
        return asprintf(&line, "%s", wrong) < 0 ? memory_short() : line;
    }
    if (!policy->tlb_miss)
        wants->signals &= ~(uint32_t)POLICY_SIGNAL_TLB_MISS;
    const bool nth = (wants->signals & POLICY_SIGNAL_REFERENCE) && policy->reference;
    memory->period_left = nth && wants->reference_period ? wants->reference_period : UINT64_MAX;
    memory->next_tick_ns = wants->tick_ns;
    memory->next_reset_ns = wants->reset_ns;
    if (!(wants->signals & POLICY_SIGNAL_HOT))
        return NULL;
    if (wants->trigger >= UINT16_MAX)
        return refuse("the policy's trigger", wants->trigger,
                      "counters have 16 bits: it must be below 65535");
    memory->trigger = policy->hot ? wants->trigger : 0;
    memory->count = calloc(memory->pages_room * count_stride(memory->nodes), sizeof *memory->count);
    return memory->count ? NULL : memory_short();
}

static char *set_up(struct memory *memory)
{
    struct memory_options *const options = &memory->options;
    if (!options->refs_per_sample)
        options->refs_per_sample = 1;
    if (options->refs_per_sample > REFS_PER_SAMPLE_MOST)
        return refuse("the number of references per sample", options->refs_per_sample,
                      "it must be at most 2^32");
    if (!options->epoch_references) {
        options->epoch_references = EPOCH_REFERENCES_STANDARD / options->refs_per_sample;
        if (options->epoch_references < EPOCH_REFERENCES_LEAST)
            options->epoch_references = EPOCH_REFERENCES_LEAST;
    }
    if (options->epoch_references > EPOCH_REFERENCES_MOST)
        return refuse("the number of references in an epoch", options->epoch_references,
                      "it must be at most 2^31");
    memory->page_shift = (uint32_t)__builtin_ctz(memory->machine->page_bytes);
    memory->nodes = memory->machine->nodes;
    memory->fast_shift = fast_shift_for(&memory->machine->tlb);
    memory->mappings_free = MEMORY_NONE;
    memory->check_left = options->check_every ? options->check_every : UINT64_MAX;
    memory->tlb_random = options->seed;
    memory->policy_random = random_next(&(uint64_t){~options->seed});
    char *error = allocate(memory);
    if (!error)
        error = set_up_nodes(memory);
    if (error)
        return error;
    memory->host.services = &memory_services;
    memory->host.nodes = memory->nodes;
    memory->host.latency_ns = memory->machine->latency_ns;
    memory->host.frames = memory->host_frames;
    epoch_begin(memory);
    memory->epoch.number = 0;
    return set_up_policy(memory);
}

char *memory_new(const struct memory_options *options, struct memory **out)
{
    *out = NULL;
    char *error = check_machine(options->machine);
    if (error)
        return error;
    struct memory *const memory = calloc(1, sizeof *memory);
    if (!memory)
        return memory_short();
    memory->options = *options;
    memory->machine = options->machine;
    memory->policy = options->policy;
    error = set_up(memory);
    if (error)
        memory_free(memory);
    else
        *out = memory;
    return error;
}

void memory_free(struct memory *memory)
{
    if (!memory)
        return;
    for (uint32_t at = 0; at < memory->used_count; at++)
        cpu_free(memory->used[at]);
    free(memory->cpu);
    free(memory->used);
    free(memory->state);
    free(memory->host_frames);
    free(memory->node);
    free(memory->page);
    free(memory->count);
    free(memory->frame);
    free(memory->mapping);
    free(memory->slot);
    free(memory->share);
    free(memory->epoch_accesses);
    free(memory->traffic_loads);
    free(memory->traffic_stores);
    free(memory->failure);
    free(memory);
}

char *memory_dispatch(struct memory *memory, uint32_t cpu, uint32_t stream, uint32_t space)
{
    if (cpu >= memory->machine->cpus)
        return refuse("the CPU of a dispatch", cpu, "the machine has no such CPU");
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
    if ((other_space || other_stream) && !tagged)
        tlb_flush(&on->tlb);
    on->running = true;
    on->stream = stream;
    on->space = space;
    return NULL;
}

char *memory_references(struct memory *memory, uint32_t cpu, const uint64_t *addr,
                        const uint8_t *what, size_t references)
{
    if (cpu >= memory->machine->cpus || !memory->cpu[cpu] || !memory->cpu[cpu]->running)
        return refuse("the CPU of a reference", cpu, "no stream has been dispatched on it");
    return fast_references(memory, memory->cpu[cpu], addr, what, references);
}

static char *unmap_pages(struct memory *memory, uint32_t space, uint64_t first, uint64_t pages)
{
    char *const error = share_cut(memory, space, first, pages);
    if (!error)
        space_unmap(memory, space, first, pages);
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
        return refuse("the length of a shared range", bytes, "it runs past the end of a space");
    if ((start ^ other_start) & (memory->machine->page_bytes - 1))
        return refuse("the start of a shared range", other_start,
                      "both ranges must start at the same place in a page");
    const uint64_t first = start >> memory->page_shift;
    const struct share share = {.first = other_start >> memory->page_shift,
                                .pages = ((start + last) >> memory->page_shift) - first + 1,
                                .from_first = first,
                                .space = other,
                                .from = space};
    if (space == other && share.first < first + share.pages && first < share.first + share.pages)
        return refuse("the start of a shared range", other_start, "it overlaps what it is to show");
    char *const error = unmap_pages(memory, other, share.first, share.pages);
    return error ? error : share_add(memory, &share);
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

const struct memory_cpu_counters *memory_cpu(const struct memory *memory, uint32_t cpu)
{
    static const struct memory_cpu_counters nothing = {0};
    return memory_cpu_used(memory, cpu) ? &memory->cpu[cpu]->counters : &nothing;
}

bool memory_cpu_used(const struct memory *memory, uint32_t cpu)
{
    return cpu < memory->machine->cpus && memory->cpu[cpu];
}

uint64_t memory_time_ns(const struct memory *memory)
{
    return clock_furthest_ps(memory) / PS_PER_NS;
}

const uint64_t *memory_traffic_loads(const struct memory *memory)
{
    return memory->traffic_loads;
}

const uint64_t *memory_traffic_stores(const struct memory *memory)
{
    return memory->traffic_stores;
}

struct memory_node_state memory_node(const struct memory *memory, uint32_t node)
{
    const struct node *const it = &memory->node[node];
    return (struct memory_node_state){.frames = it->frames,
                                      .frames_used = it->used,
                                      .frames_used_most = it->used_most,
                                      .replica_frames = it->replicas,
                                      .replica_frames_most = it->replicas_most,
                                      .local_accesses = it->local_accesses,
                                      .remote_accesses = it->remote_accesses};
}

uint32_t memory_pages(const struct memory *memory)
{
    return memory->pages;
}

struct memory_page_state memory_page(const struct memory *memory, uint32_t page)
{
    const struct page *const it = &memory->page[page];
    return (struct memory_page_state){.space = it->space,
                                      .vpn = it->vpn,
                                      .first_home = it->first_home,
                                      .home = it->home,
                                      .replicas = pmap_replicas(memory, page),
                                      .loads = it->loads,
                                      .stores = it->stores,
                                      .local_accesses = it->local,
                                      .migrations = it->migrations,
                                      .replications = it->replications,
                                      .collapses = it->collapses,
                                      .mapped = it->mappings != MEMORY_NONE};
}
