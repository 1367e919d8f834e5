/* What the unit tests of the memory subsystem share: a small machine whose costs cannot be mistaken
 * for each other, and a puppet of a policy.
 *
 * Four nodes of one CPU each and one more CPU on node 0; 100 ns to the own node, 300 to the others,
 * 200 between nodes 0 and 2. A test changes what it needs before it calls start().
 */
#ifndef DISCO_TESTS_MEMORY_FIXTURE_H
#define DISCO_TESTS_MEMORY_FIXTURE_H

#include "vmm-core/memory/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NODES 4u
#define CPUS  5u
#define CPU_B 4u /* the second CPU of node 0 */
#define PAGE  UINT64_C(4096)

struct fixture {
    struct machine machine;
    struct machine_node node[NODES];
    uint32_t cpu_node[CPUS], os_id[CPUS], latency[NODES * NODES];
    struct policy policy;
    struct policy_wants wants;
    uint32_t place; /* node of new pages; MEMORY_NO_NODE: where they are touched */
    struct memory_options options;
    struct memory *memory;

    struct policy_event hot, nth, miss, collapsed; /* the last of each, and how many */
    uint32_t hots, nths, misses, collapseds, ticks, pressures;
    uint32_t pressure_node, migrate_hot_to; /* MEMORY_NO_NODE: leave it */
    struct memory_action action;            /* the last */
    uint32_t actions, epochs;
};

struct puppet {
    struct fixture *fixture;
};

static const char *puppet_init(void *state, const struct policy_setup *setup,
                               struct policy_wants *wants)
{
    struct puppet *const self = state;
    self->fixture = (struct fixture *)(intptr_t)setup->param[0]; /* NOLINT: our own pointer */
    *wants = self->fixture->wants;
    return NULL;
}

static uint32_t puppet_place(void *state, struct policy_host *host,
                             const struct policy_event *event)
{
    (void)host;
    const uint32_t place = ((struct puppet *)state)->fixture->place;
    return place == MEMORY_NO_NODE ? event->node : place;
}

static void puppet_hot(void *state, struct policy_host *host, const struct policy_event *event)
{
    struct fixture *const fixture = ((struct puppet *)state)->fixture;
    fixture->hot = *event;
    fixture->hots++;
    if (fixture->migrate_hot_to != MEMORY_NO_NODE)
        policy_migrate(host, event->page, fixture->migrate_hot_to, "hot");
}

static void puppet_reference(void *state, struct policy_host *host,
                             const struct policy_event *event)
{
    (void)host;
    ((struct puppet *)state)->fixture->nth = *event;
    ((struct puppet *)state)->fixture->nths++;
}

static void puppet_tlb_miss(void *state, struct policy_host *host, const struct policy_event *event)
{
    (void)host;
    ((struct puppet *)state)->fixture->miss = *event;
    ((struct puppet *)state)->fixture->misses++;
}

static void puppet_collapsed(void *state, struct policy_host *host,
                             const struct policy_event *event)
{
    (void)host;
    ((struct puppet *)state)->fixture->collapsed = *event;
    ((struct puppet *)state)->fixture->collapseds++;
}

static void puppet_tick(void *state, struct policy_host *host, uint64_t time_ns)
{
    (void)host;
    (void)time_ns;
    ((struct puppet *)state)->fixture->ticks++;
}

static void puppet_pressure(void *state, struct policy_host *host, uint32_t node)
{
    (void)host;
    ((struct puppet *)state)->fixture->pressure_node = node;
    ((struct puppet *)state)->fixture->pressures++;
}

static inline void saw_action(void *context, const struct memory_action *action)
{
    ((struct fixture *)context)->action = *action;
    ((struct fixture *)context)->actions++;
}

static inline void saw_epoch(void *context, const struct memory_epoch *epoch)
{
    (void)epoch;
    ((struct fixture *)context)->epochs++;
}

static inline void prepare(struct fixture *fixture)
{
    static const int64_t none = 0;
    *fixture = (struct fixture){.machine = {.page_bytes = PAGE,
                                            .nodes = NODES,
                                            .cpus = CPUS,
                                            .tlb = {.entries = 4, .ways = 4, .pages_per_entry = 1},
                                            .l2tlb = {.entries = 16, .ways = 4},
                                            .costs = {.tlb_refill_ns = 11,
                                                      .tlb_forward_ns = 101,
                                                      .tlb_walk_ns = 31,
                                                      .dispatch_ns = 1009,
                                                      .page_fault_ns = 10007,
                                                      .replica_fault_ns = 503,
                                                      .hot_page_ns = 211,
                                                      .move_page_ns = 2003,
                                                      .copy_page_ns = 4001,
                                                      .shootdown_ns = 701,
                                                      .shootdown_per_cpu_ns = 53,
                                                      .fetch_ps = 2500,
                                                      .data_reference_ps = 7500}},
                                .policy = {.abi = DISCO_POLICY_ABI,
                                           .name = "puppet",
                                           .state_bytes = sizeof(struct puppet),
                                           .init = puppet_init,
                                           .place = puppet_place,
                                           .hot = puppet_hot,
                                           .reference = puppet_reference,
                                           .tlb_miss = puppet_tlb_miss,
                                           .tick = puppet_tick,
                                           .pressure = puppet_pressure,
                                           .collapsed = puppet_collapsed},
                                .place = MEMORY_NO_NODE,
                                .migrate_hot_to = MEMORY_NO_NODE,
                                .options = {.param = &none,
                                            .refs_per_sample = 1,
                                            .epoch_references = 1000}};
    for (uint32_t node = 0; node < NODES; node++)
        fixture->node[node] = (struct machine_node){.memory_bytes = 64 * PAGE, .cpus = 1};
    for (uint32_t cpu = 0; cpu < CPUS; cpu++)
        fixture->cpu_node[cpu] = cpu % NODES;
    for (uint32_t pair = 0; pair < NODES * NODES; pair++)
        fixture->latency[pair] = pair % (NODES + 1) ? 300 : 100;
    fixture->latency[2] = fixture->latency[(size_t)2 * NODES] = 200;
    fixture->machine.node = fixture->node;
    fixture->machine.cpu_node = fixture->cpu_node;
    fixture->machine.cpu_os_id = fixture->os_id;
    fixture->machine.latency_ns = fixture->latency;
}

static inline void well(char *error)
{
    if (error)
        fail_msg("%s", error);
}

/* Makes the object and puts stream n in space 0 on CPU n, for all CPUs. */
static inline void start(struct fixture *fixture)
{
    const int64_t self = (intptr_t)fixture;
    fixture->options.machine = &fixture->machine;
    fixture->options.policy = &fixture->policy;
    fixture->options.param = &self;
    fixture->options.context = fixture;
    fixture->options.on_action = saw_action;
    fixture->options.on_epoch = saw_epoch;
    well(memory_new(&fixture->options, &fixture->memory));
    for (uint32_t cpu = 0; cpu < CPUS; cpu++)
        well(memory_dispatch(fixture->memory, cpu, cpu, 0));
}

static inline void stop(struct fixture *fixture)
{
    well(memory_check(fixture->memory));
    memory_free(fixture->memory);
}

static inline char *try_one(struct fixture *fixture, uint32_t cpu, uint64_t vpn, uint8_t what)
{
    const uint64_t addr = vpn * PAGE + 8;
    return memory_references(fixture->memory, cpu, &addr, &what, 1);
}

static inline void load(struct fixture *fixture, uint32_t cpu, uint64_t vpn)
{
    well(try_one(fixture, cpu, vpn, MEMORY_LOAD));
}

static inline void store(struct fixture *fixture, uint32_t cpu, uint64_t vpn)
{
    well(try_one(fixture, cpu, vpn, MEMORY_STORE));
}

static inline const struct memory_cpu_counters *count(const struct fixture *fixture, uint32_t cpu)
{
    return memory_cpu(fixture->memory, cpu);
}

static inline uint64_t account_ns(const struct fixture *fixture, uint32_t cpu,
                                  enum memory_account account)
{
    return count(fixture, cpu)->account_ps[account] / PS_PER_NS;
}

static inline enum policy_answer migrate(struct fixture *fixture, uint32_t page, uint32_t node)
{
    return policy_migrate(&fixture->memory->host, page, node, "test");
}

static inline enum policy_answer replicate(struct fixture *fixture, uint32_t page, uint32_t node)
{
    return policy_replicate(&fixture->memory->host, page, node, "test");
}

#endif
