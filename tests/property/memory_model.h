/* A slow and simple model of the memory subsystem's rules, written apart from it to judge it by.
 *
 * It shares the contract headers with the real one and nothing else. Where the real one caches,
 * chains and batches, this one searches plain arrays and charges every reference at once, in ns:
 * which CPU maps a page, which frames are free, whether a page may be written are worked out anew
 * each time.
 *
 * Address spaces are small: MODEL_SPACES of MODEL_CLUSTERS clusters of MODEL_CLUSTER pages, far
 * apart and such that the clusters compete for the same places in a table indexed by low bits.
 */
#ifndef DISCO_TESTS_MEMORY_MODEL_H
#define DISCO_TESTS_MEMORY_MODEL_H

#include "vmm-core/memory/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODEL_SPACES        3u
#define MODEL_CLUSTER       8u
#define MODEL_CLUSTERS      3u
#define MODEL_VPNS          24u
#define MODEL_CLUSTER_SHIFT 18
#define MODEL_NODES         5u
#define MODEL_CPUS          6u
#define MODEL_PAGES         4096u
#define MODEL_TLB           64u

_Static_assert(MODEL_VPNS == MODEL_CLUSTER * MODEL_CLUSTERS, "pages of a space");

static inline uint64_t model_vpn(uint32_t index)
{
    return (index % MODEL_CLUSTER) + ((uint64_t)(index / MODEL_CLUSTER) << MODEL_CLUSTER_SHIFT);
}

static inline uint32_t model_index(uint64_t vpn)
{
    return (uint32_t)(vpn >> MODEL_CLUSTER_SHIFT) * MODEL_CLUSTER + (uint32_t)vpn % MODEL_CLUSTER;
}

/* splitmix64, from its published description. */
static inline uint64_t model_draw(uint64_t *state)
{
    *state += 0x9E3779B97F4A7C15u;
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

struct model_entry {
    uint32_t space;
    uint64_t pair;   /* VPN / pages per entry */
    int64_t page[2]; /* -1: invalid; both: the entry is free */
    uint32_t node[2];
    uint64_t last;
};

struct model_cpu {
    bool used, running;
    uint32_t stream, space;
    struct model_entry tlb[MODEL_TLB], second[MODEL_TLB];
    struct memory_cpu_counters count; /* account_ps holds ns here, but for execution */
};

struct model_page {
    bool live;
    uint32_t space, first_home, home;
    uint64_t vpn;
    uint64_t made[MODEL_NODES]; /* when the replica on that node was made; 0: there is none */
    /* References after which lines that a cache kept were no longer those of this page: of any copy,
     * and of the replica on that node. */
    uint64_t moved_after, made_after[MODEL_NODES];
    uint64_t loads, stores, local;
    uint32_t migrations, replications, collapses;
    uint16_t count[MODEL_NODES];
    uint32_t writes, moves;
};

struct model {
    struct policy_host host;
    const struct memory_options *options;
    const struct machine *machine;
    struct policy_wants wants;
    void *state;
    FILE *log;
    uint64_t frames[MODEL_NODES], used_most[MODEL_NODES], replicas_most[MODEL_NODES];
    uint64_t served_local[MODEL_NODES], served_remote[MODEL_NODES];
    uint64_t loads[MODEL_NODES][MODEL_NODES], stores[MODEL_NODES][MODEL_NODES];
    struct model_cpu cpu[MODEL_CPUS];
    struct model_page page[MODEL_PAGES];
    uint32_t pages;
    int64_t page_of[MODEL_SPACES][MODEL_VPNS]; /* -1: not touched */
    int64_t shows[MODEL_SPACES][MODEL_VPNS];   /* -1, or space * MODEL_VPNS + index that it shows */
    uint64_t tlb_random, policy_random, makings;
    int acting; /* CPU, or -1 */
    bool in_pressure, full;
    uint64_t now, in_period, next_tick, next_reset;
    uint64_t epoch, in_epoch, epoch_start, epoch_local, epoch_remote, epoch_moves[4];
    uint64_t epoch_served[MODEL_NODES];
};

static inline void model_log_action(FILE *log, const struct memory_action *action)
{
    fprintf(log, "action %d %d page %u %d to %d cpu %u ref %llu at %llu costs %llu: %s\n",
            (int)action->kind, (int)action->answer, action->page, (int)action->from,
            (int)action->to, action->cpu, (unsigned long long)action->reference,
            (unsigned long long)action->time_ns, (unsigned long long)action->cost_ns,
            action->reason);
}

static inline void model_log_epoch(FILE *log, const struct memory_epoch *epoch, uint32_t nodes)
{
    fprintf(log, "epoch %llu: %llu refs, %llu-%llu, %llu + %llu, %llu %llu %llu %llu, %llu %llu:",
            (unsigned long long)epoch->number, (unsigned long long)epoch->references,
            (unsigned long long)epoch->start_ns, (unsigned long long)epoch->end_ns,
            (unsigned long long)epoch->local_accesses, (unsigned long long)epoch->remote_accesses,
            (unsigned long long)epoch->migrations, (unsigned long long)epoch->replications,
            (unsigned long long)epoch->collapses, (unsigned long long)epoch->shootdowns,
            (unsigned long long)epoch->frames_used, (unsigned long long)epoch->replica_frames);
    for (uint32_t node = 0; node < nodes; node++)
        fprintf(log, " %llu", (unsigned long long)epoch->node_accesses[node]);
    fputc('\n', log);
}

/* ---- looking things up
 * --------------------------------------------------------------------------- */

static inline uint64_t model_replicas(const struct model *model, uint32_t page)
{
    uint64_t nodes = 0;
    for (uint32_t node = 0; node < MODEL_NODES; node++)
        if (model->page[page].made[node])
            nodes |= 1u << node;
    return nodes;
}

static inline bool model_has(const struct model *model, uint32_t page, uint32_t node)
{
    return model->page[page].home == node || model->page[page].made[node];
}

static inline uint64_t model_replicas_on(const struct model *model, uint32_t node)
{
    uint64_t replicas = 0;
    for (uint32_t page = 0; page < model->pages; page++)
        replicas += model->page[page].live && model->page[page].made[node];
    return replicas;
}

static inline uint64_t model_used(const struct model *model, uint32_t node)
{
    uint64_t used = model_replicas_on(model, node);
    for (uint32_t page = 0; page < model->pages; page++)
        used += model->page[page].live && model->page[page].home == node;
    return used;
}

static inline void model_note_most(struct model *model, uint32_t node)
{
    const uint64_t used = model_used(model, node);
    const uint64_t replicas = model_replicas_on(model, node);
    if (used > model->used_most[node])
        model->used_most[node] = used;
    if (replicas > model->replicas_most[node])
        model->replicas_most[node] = replicas;
}

static inline uint32_t model_nearest(const struct model *model, uint32_t page, uint32_t from)
{
    const uint32_t home = model->page[page].home;
    if (model_has(model, page, from))
        return from;
    uint32_t best = home;
    for (uint32_t node = model->machine->nodes; node-- > 0;) {
        const uint32_t ns = machine_latency_ns(model->machine, from, node);
        const uint32_t best_ns = machine_latency_ns(model->machine, from, best);
        if (model->page[page].made[node] && (ns < best_ns || (ns == best_ns && best != home)))
            best = node;
    }
    return best;
}

static inline uint64_t model_clock(const struct model_cpu *cpu)
{
    uint64_t ps = cpu->count.account_ps[ACCOUNT_execution];
    for (int account = 0; account < MEMORY_ACCOUNT_COUNT; account++)
        ps += account == ACCOUNT_execution ? 0 : cpu->count.account_ps[account] * 1000;
    return ps;
}

static inline uint64_t model_furthest(const struct model *model)
{
    uint64_t furthest = 0;
    for (uint32_t cpu = 0; cpu < model->machine->cpus; cpu++)
        if (model_clock(&model->cpu[cpu]) > furthest)
            furthest = model_clock(&model->cpu[cpu]);
    return furthest;
}

static inline int model_payer(const struct model *model, uint32_t home)
{
    if (model->acting >= 0)
        return model->acting;
    int payer = -1;
    for (int cpu = (int)model->machine->cpus - 1; cpu >= 0; cpu--)
        if (model->cpu[cpu].used)
            payer = cpu;
    for (int cpu = (int)model->machine->cpus - 1; cpu >= 0; cpu--)
        if (model->cpu[cpu].used && model->machine->cpu_node[cpu] == home)
            payer = cpu;
    return payer;
}

/* ---- actions
 * -------------------------------------------------------------------------------------- */

static inline void model_log(struct model *model, int cpu, enum memory_action_kind kind,
                             enum policy_answer answer, uint32_t page, uint32_t from, uint32_t to,
                             uint64_t cost, const char *reason)
{
    const struct memory_action action = {.kind = kind,
                                         .answer = answer,
                                         .page = page,
                                         .from = from,
                                         .to = to,
                                         .cpu = (uint32_t)cpu,
                                         .reference = model->now,
                                         .time_ns = model->epoch_start,
                                         .cost_ns = cost,
                                         .reason = reason};
    model_log_action(model->log, &action);
}

static inline enum policy_answer model_refuse(struct model *model, int cpu,
                                              enum memory_action_kind kind,
                                              enum policy_answer answer, uint32_t page,
                                              uint32_t from, uint32_t to, const char *reason)
{
    model->cpu[cpu].count.refused++;
    model_log(model, cpu, kind, answer, page, from, to, 0, reason);
    return answer;
}

/* Every translation of the page goes; or, with `replica` a node, becomes read-only and there local.
 * Only what was writable (the page had no copy but one) or is on that node is disturbed. */
static inline uint64_t model_shoot(struct model *model, int starter, uint32_t page, int replica,
                                   bool was_writable)
{
    uint64_t others = 0;
    for (int index = 0; index < (int)model->machine->cpus; index++) {
        struct model_cpu *const cpu = &model->cpu[index];
        const bool there = (int)model->machine->cpu_node[index] == replica;
        bool disturbed = false;
        for (uint32_t entry = 0; entry < 2 * MODEL_TLB * 2; entry++) {
            const bool first_level = entry < 2 * MODEL_TLB;
            struct model_entry *const it =
                first_level ? &cpu->tlb[entry / 2] : &cpu->second[(entry - 2 * MODEL_TLB) / 2];
            if (it->page[entry % 2] != (int64_t)page)
                continue;
            if (replica < 0)
                it->page[entry % 2] = -1;
            else if (there)
                it->node[entry % 2] = (uint32_t)replica;
            disturbed |= first_level && (replica < 0 || there || was_writable);
        }
        if (disturbed && index != starter) {
            others++;
            cpu->count.shootdowns_suffered++;
            cpu->count.account_ps[ACCOUNT_shootdown] += model->machine->costs.shootdown_per_cpu_ns;
        }
    }
    if (!others)
        return 0;
    const struct machine_costs *const costs = &model->machine->costs;
    const uint64_t started = costs->shootdown_ns + others * costs->shootdown_per_cpu_ns;
    model->cpu[starter].count.shootdowns++;
    model->cpu[starter].count.account_ps[ACCOUNT_shootdown] += started;
    model->epoch_moves[3]++;
    return started + others * costs->shootdown_per_cpu_ns;
}

static inline void model_collapse(struct model *model, int cpu, uint32_t page, uint32_t keep,
                                  uint64_t paid, const char *reason)
{
    const uint64_t shot = model_shoot(model, cpu, page, -1, false);
    const uint64_t move = model->machine->costs.move_page_ns;
    memset(model->page[page].made, 0, sizeof model->page[page].made);
    model->page[page].home = keep;
    model->page[page].moved_after = model->now;
    model->page[page].collapses++;
    model->cpu[cpu].count.collapses++;
    model->cpu[cpu].count.account_ps[ACCOUNT_move] += move;
    model->epoch_moves[2]++;
    model_log(model, cpu, MEMORY_ACTION_COLLAPSE, POLICY_DONE, page, keep, MEMORY_NO_NODE,
              paid + move + shot, reason);
}

static inline bool model_make_room(struct model *model, int cpu, uint32_t node)
{
    if (model_used(model, node) < model->frames[node])
        return true;
    if (!model->frames[node])
        return false;
    const struct policy *const policy = model->options->policy;
    if (policy->pressure && !model->in_pressure) {
        model->in_pressure = true;
        policy->pressure(model->state, &model->host, node);
        model->in_pressure = false;
    }
    if (model_used(model, node) < model->frames[node])
        return true;
    int64_t oldest = -1;
    for (uint32_t page = 0; page < model->pages; page++)
        if (model->page[page].live && model->page[page].made[node] &&
            (oldest < 0 || model->page[page].made[node] < model->page[oldest].made[node]))
            oldest = page;
    if (oldest < 0)
        return false;
    const uint64_t shot = model_shoot(model, cpu, (uint32_t)oldest, -1, false);
    model->page[oldest].made[node] = 0;
    model->page[oldest].moved_after = model->now;
    model->cpu[cpu].count.account_ps[ACCOUNT_move] += model->machine->costs.move_page_ns;
    model_log(model, cpu, MEMORY_ACTION_RECLAIM, POLICY_DONE, (uint32_t)oldest, node,
              MEMORY_NO_NODE, model->machine->costs.move_page_ns + shot,
              "the node's memory is full");
    return true;
}

/* Common to migrations and replications: DONE if it can be carried out now. */
static inline enum policy_answer model_prepare(struct model *model, enum memory_action_kind kind,
                                               uint32_t page, uint32_t node, const char *reason,
                                               int *payer)
{
    const bool exists = page < model->pages && model->page[page].live;
    const uint32_t home = exists ? model->page[page].home : MEMORY_NO_NODE;
    *payer = model_payer(model, home);
    if (!exists || node >= model->machine->nodes || !model->frames[node])
        return model_refuse(model, *payer, kind, POLICY_NONSENSE, page, home, node, reason);
    const bool migration = kind == MEMORY_ACTION_MIGRATE;
    if (migration ? home == node : model_has(model, page, node))
        return POLICY_NOTHING;
    if (!model_has(model, page, node) && !model_make_room(model, *payer, node))
        return model_refuse(model, *payer, kind, POLICY_NO_FRAME, page, home, node, reason);
    const bool there = migration ? model->page[page].home == node : model_has(model, page, node);
    return there ? POLICY_NOTHING : POLICY_DONE;
}

static inline enum policy_answer model_service_migrate(struct policy_host *host, uint32_t page,
                                                       uint32_t node, const char *reason)
{
    struct model *const model = (struct model *)host;
    int payer = -1;
    const enum policy_answer answer =
        model_prepare(model, MEMORY_ACTION_MIGRATE, page, node, reason, &payer);
    if (answer != POLICY_DONE)
        return answer;
    struct model_page *const it = &model->page[page];
    const uint32_t from = it->home;
    const bool there = it->made[node] != 0;
    uint64_t cost = model->machine->costs.move_page_ns;
    if (model_replicas(model, page))
        model_collapse(model, payer, page, there ? node : from, 0, "before a migration");
    uint64_t shot = 0;
    if (!there) {
        shot = model_shoot(model, payer, page, -1, false);
        cost += model->machine->costs.copy_page_ns;
        it->home = node;
        it->moved_after = model->now;
        model_note_most(model, node);
    }
    it->migrations++;
    it->moves++;
    model->cpu[payer].count.migrations++;
    model->cpu[payer].count.account_ps[ACCOUNT_move] += cost;
    model->epoch_moves[0]++;
    model_log(model, payer, MEMORY_ACTION_MIGRATE, POLICY_DONE, page, from, node, cost + shot,
              reason);
    return POLICY_DONE;
}

static inline enum policy_answer model_service_replicate(struct policy_host *host, uint32_t page,
                                                         uint32_t node, const char *reason)
{
    struct model *const model = (struct model *)host;
    int payer = -1;
    const enum policy_answer answer =
        model_prepare(model, MEMORY_ACTION_REPLICATE, page, node, reason, &payer);
    if (answer != POLICY_DONE)
        return answer;
    struct model_page *const it = &model->page[page];
    const bool was_writable = !model_replicas(model, page);
    it->made[node] = ++model->makings;
    it->made_after[node] = model->now;
    model_note_most(model, node);
    const uint64_t shot = model_shoot(model, payer, page, (int)node, was_writable);
    const uint64_t cost = model->machine->costs.move_page_ns + model->machine->costs.copy_page_ns;
    it->replications++;
    model->cpu[payer].count.replications++;
    model->cpu[payer].count.account_ps[ACCOUNT_move] += cost;
    model->epoch_moves[1]++;
    model_log(model, payer, MEMORY_ACTION_REPLICATE, POLICY_DONE, page, it->home, node, cost + shot,
              reason);
    return POLICY_DONE;
}

static inline enum policy_answer model_service_collapse(struct policy_host *host, uint32_t page,
                                                        const char *reason)
{
    struct model *const model = (struct model *)host;
    if (page >= model->pages || !model->page[page].live)
        return model_refuse(model, model_payer(model, MEMORY_NO_NODE), MEMORY_ACTION_COLLAPSE,
                            POLICY_NONSENSE, page, MEMORY_NO_NODE, MEMORY_NO_NODE, reason);
    if (!model_replicas(model, page))
        return POLICY_NOTHING;
    const uint32_t home = model->page[page].home;
    model_collapse(model, model_payer(model, home), page, home, 0, reason);
    return POLICY_DONE;
}

static inline bool model_service_page(struct policy_host *host, uint32_t page,
                                      struct policy_page *out)
{
    const struct model *const model = (const struct model *)host;
    if (page >= model->pages || !model->page[page].live)
        return false;
    const struct model_page *const it = &model->page[page];
    *out = (struct policy_page){.page = page,
                                .home = it->home,
                                .replicas = model_replicas(model, page),
                                .moves_total = it->migrations};
    if (model->wants.signals & POLICY_SIGNAL_HOT) {
        out->counts = it->count;
        out->writes = (uint16_t)it->writes;
        out->moves = (uint16_t)it->moves;
    }
    return true;
}

static inline uint32_t model_service_pages(struct policy_host *host)
{
    return ((struct model *)host)->pages;
}

static inline uint64_t model_service_free(struct policy_host *host, uint32_t node)
{
    const struct model *const model = (const struct model *)host;
    return node < model->machine->nodes ? model->frames[node] - model_used(model, node) : 0;
}

static inline uint64_t model_service_random(struct policy_host *host)
{
    return model_draw(&((struct model *)host)->policy_random);
}

static const struct policy_services model_services = {
    .migrate = model_service_migrate,
    .replicate = model_service_replicate,
    .collapse = model_service_collapse,
    .page = model_service_page,
    .pages = model_service_pages,
    .free_frames = model_service_free,
    .random = model_service_random,
};

#endif
