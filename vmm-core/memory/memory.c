/* The public face: making and freeing the object. */
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

static bool power_of_two(uint64_t number)
{
    return number && !(number & (number - 1));
}

static char *check_shape(const char *what, uint32_t entries, uint32_t ways)
{
    if (entries && (!ways || entries % ways || !power_of_two(entries / ways)))
        return memory_refuse(what, ways,
                             "they must divide the entries into a power of two of sets");
    return NULL;
}

static char *check_machine(const struct machine *machine)
{
    if (!machine->nodes || machine->nodes > MACHINE_NODES_MAX)
        return memory_refuse("the number of nodes", machine->nodes, "it must be 1 to 64");
    if (!machine->cpus || machine->cpus > MACHINE_CPUS_MAX)
        return memory_refuse("the number of CPUs", machine->cpus, "it must be 1 to 4096");
    if (machine->page_bytes < 2 || !power_of_two(machine->page_bytes))
        return memory_refuse("the page size", machine->page_bytes, "it must be a power of two");
    const uint32_t halves = machine->tlb.pages_per_entry;
    if (halves != 1 && halves != TLB_HALVES_MAX)
        return memory_refuse("the number of pages in a TLB entry", halves, "it must be 1 or 2");
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

#define MB_PER_S_OF_BYTE_PER_PS 1000000u

/* policy_host.mb_per_s of a node. */
static uint32_t bandwidth(const struct machine *machine, const struct machine_node *node)
{
    if (!node->memory_bytes)
        return 0;
    if (node->curve_points)
        return machine->curve[node->curve + node->curve_points - 1].mb_per_s;
    if (!node->service_ps)
        return 0;
    const uint64_t line = network_line_bytes(machine);
    return (uint32_t)(line * MB_PER_S_OF_BYTE_PER_PS / node->service_ps);
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
        memory->host_mb_per_s[node] = bandwidth(machine, &machine->node[node]);
        memory->nodes_with_memory += it->frames != 0;
        memory->host.with_memory |= (uint64_t)(it->frames != 0) << node;
    }
    for (uint32_t cpu = 0; cpu < machine->cpus; cpu++) {
        if (machine->cpu_node[cpu] >= memory->nodes)
            return memory_refuse("the node of a CPU", machine->cpu_node[cpu],
                                 "there is no such node");
        memory->host.with_cpus |= UINT64_C(1) << machine->cpu_node[cpu];
    }
    if (!memory->nodes_with_memory)
        return memory_refuse("the number of nodes with memory", 0,
                             "a machine needs one page at least");
    for (uint32_t node = 0; node < memory->nodes; node++)
        sort_by_distance(memory, node);
    return NULL;
}

#define FAST_SHIFT_HUGE 12 /* a huge page takes as many entries as parts of it are in use */

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
    memory->host_mb_per_s = calloc(nodes, sizeof *memory->host_mb_per_s);
    memory->epoch_accesses = calloc(nodes, sizeof *memory->epoch_accesses);
    memory->traffic_loads = calloc(nodes * nodes, sizeof *memory->traffic_loads);
    memory->traffic_stores = calloc(nodes * nodes, sizeof *memory->traffic_stores);
    memory->cpu = calloc(memory->machine->cpus, sizeof(struct cpu *));
    memory->used = calloc(memory->machine->cpus, sizeof(struct cpu *));
    memory->state = calloc(1, memory->policy->state_bytes ? memory->policy->state_bytes : 1);
    const bool has_pages =
        memory_grow((void **)&memory->page, &memory->pages_room, 1, sizeof *memory->page);
    return memory->node && memory->host_frames && memory->host_mb_per_s && memory->epoch_accesses &&
                   memory->traffic_loads && memory->traffic_stores && memory->cpu && memory->used &&
                   memory->state && has_pages
               ? NULL
               : memory_short();
}

static char *set_up_policy(struct memory *memory)
{
    const struct policy *const policy = memory->policy;
    if (policy->abi != DISCO_POLICY_ABI)
        return memory_refuse("the policy's interface version", policy->abi,
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
    memory->note_words =
        (uint32_t)(((uint64_t)wants->note_bytes + sizeof *memory->note - 1) / sizeof *memory->note);
    memory->next_tick_ns = wants->tick_ns;
    memory->next_reset_ns = wants->reset_ns;
    if (!(wants->signals & POLICY_SIGNAL_HOT))
        return NULL;
    if (wants->trigger >= UINT16_MAX)
        return memory_refuse("the policy's trigger", wants->trigger,
                             "counters have 16 bits: it must be below 65535");
    memory->trigger = policy->hot ? wants->trigger : 0;
    return counts_new(memory);
}

/* What a hit of each level costs; those of the first are part of an instruction's time. */
static void set_up_hits(struct memory *memory)
{
    for (uint32_t index = 0; index < memory->machine->caches; index++) {
        const struct machine_cache *const it = &memory->machine->cache[index];
        if (it->level < 2 || it->level > MACHINE_CACHES_MAX)
            continue;
        const uint64_t ps = (uint64_t)it->latency_ns * PS_PER_NS;
        if (strcmp(it->kind, "instruction") != 0)
            memory->hit_ps[0][it->level] = ps;
        if (strcmp(it->kind, "data") != 0)
            memory->hit_ps[1][it->level] = ps;
    }
}

static char *set_up_guest(struct memory *memory)
{
    char *error = NULL;
    memory->guest = memory->options.guest;
    if (!memory->guest) {
        const struct guest_options options = {.machine = memory->machine,
                                              .misses = memory->options.misses,
                                              .huge = memory->options.huge,
                                              .huge_ranges = memory->options.huge_ranges,
                                              .gigantic = memory->options.gigantic,
                                              .gigantic_ranges = memory->options.gigantic_ranges};
        error = guest_new(&options, &memory->own);
        memory->guest = memory->own;
    }
    if (error)
        return error;
    memory->has_caches = guest_has_caches(memory->guest);
    memory->orders = memory->guest->gigantic_ranges ? 7 : memory->guest->huge_ranges ? 3 : 1;
    if (memory->orders > 1 && memory->fast_shift < FAST_SHIFT_HUGE)
        memory->fast_shift = FAST_SHIFT_HUGE;
    set_up_hits(memory);
    return memory->own && memory->has_caches &&
                   !guest_outcome_new(&memory->outcome, MEMORY_OWN_REFERENCES)
               ? memory_short()
               : NULL;
}

static char *set_up(struct memory *memory)
{
    struct memory_options *const options = &memory->options;
    if (!options->refs_per_sample)
        options->refs_per_sample = 1;
    if (options->refs_per_sample > REFS_PER_SAMPLE_MOST)
        return memory_refuse("the number of references per sample", options->refs_per_sample,
                             "it must be at most 2^32");
    if (!options->epoch_references) {
        options->epoch_references = EPOCH_REFERENCES_STANDARD / options->refs_per_sample;
        if (options->epoch_references < EPOCH_REFERENCES_LEAST)
            options->epoch_references = EPOCH_REFERENCES_LEAST;
    }
    if (options->epoch_references > EPOCH_REFERENCES_MOST)
        return memory_refuse("the number of references in an epoch", options->epoch_references,
                             "it must be at most 2^31");
    memory->weight = options->weighted ? options->refs_per_sample : 1;
    memory->times = options->weighted ? 1 : options->refs_per_sample;
    memory->each = options->weighted ? options->refs_per_sample : 1;
    memory->step = 1;
    memory->page_shift = (uint32_t)__builtin_ctz(memory->machine->page_bytes);
    memory->nodes = memory->machine->nodes;
    memory->copies_free = MEMORY_NONE;
    tables_new(&memory->tables,
               memory->machine->tlb.refill == TLB_REFILL_HARDWARE && memory->machine->tlb.entries
                   ? memory->machine->tlb.walk.levels
                   : 0);
    memory->keeps_spaces =
        memory->machine->tlb.tagged || memory->machine->tlb.refill == TLB_REFILL_SOFTWARE;
    memory->fast_shift = fast_shift_for(&memory->machine->tlb);
    memory->check_left = options->check_every ? options->check_every : UINT64_MAX;
    memory->tlb_random = options->seed;
    memory->policy_random = random_next(&(uint64_t){~options->seed});
    char *error = allocate(memory);
    if (!error)
        error = set_up_nodes(memory);
    if (!error)
        error = set_up_guest(memory);
    if (!error)
        error = contention_new(memory);
    if (error)
        return error;
    memory->host.services = &memory_services;
    memory->host.nodes = memory->nodes;
    memory->host.latency_ns = memory->machine->latency_ns;
    memory->host.frames = memory->host_frames;
    memory->host.mb_per_s = memory->host_mb_per_s;
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
    free(memory->host_mb_per_s);
    free(memory->note);
    free(memory->node);
    free(memory->page);
    free(memory->wide);
    free(memory->acted);
    free(memory->copy);
    counts_free(memory);
    free(memory->frame);
    tables_free(&memory->tables);
    free(memory->block);
    free(memory->epoch_accesses);
    free(memory->traffic_loads);
    free(memory->traffic_stores);
    guest_outcome_free(&memory->outcome);
    contention_free(memory);
    free(memory->failure);
    guest_free(memory->own);
    free(memory);
}
