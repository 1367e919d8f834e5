/* The model's side of memory.h: what a driver calls, reference by reference. See memory_model.h. */
#ifndef DISCO_TESTS_MEMORY_MODEL_RUN_H
#define DISCO_TESTS_MEMORY_MODEL_RUN_H

#include "tests/property/memory_model.h"

static inline void model_clear(struct model_entry *entries)
{
    for (uint32_t entry = 0; entry < MODEL_TLB; entry++)
        entries[entry] = (struct model_entry){.page = {-1, -1}};
}

static inline void model_start(struct model *model, const struct memory_options *options, FILE *log)
{
    *model = (struct model){.options = options, .machine = options->machine, .log = log};
    const struct machine *const machine = options->machine;
    for (uint32_t node = 0; node < machine->nodes; node++) {
        model->frames[node] = machine->node[node].memory_bytes / machine->page_bytes;
        model->host.with_memory |= (uint64_t)(model->frames[node] > 0) << node;
    }
    for (uint32_t cpu = 0; cpu < machine->cpus; cpu++) {
        model->host.with_cpus |= UINT64_C(1) << machine->cpu_node[cpu];
        model_clear(model->cpu[cpu].tlb);
        model_clear(model->cpu[cpu].second);
    }
    memset(model->page_of, -1, sizeof model->page_of);
    memset(model->shows, -1, sizeof model->shows);
    model->tlb_random = options->seed;
    uint64_t other = ~options->seed;
    model->policy_random = model_draw(&other);
    model->acting = -1;
    model->host.services = &model_services;
    model->host.nodes = machine->nodes;
    model->host.latency_ns = machine->latency_ns;
    model->host.frames = model->frames;
    model->state = calloc(1, options->policy->state_bytes);
    const struct policy_setup setup = {&model->host, options->param, options->refs_per_sample};
    options->policy->init(model->state, &setup, &model->wants);
    model->next_tick = model->wants.tick_ns;
    model->next_reset = model->wants.reset_ns;
}

/* ---- translation
 * ---------------------------------------------------------------------------------- */

static inline struct model_entry *model_find(struct model_entry *entries, uint32_t space,
                                             uint64_t pair)
{
    for (uint32_t entry = 0; entry < MODEL_TLB; entry++) {
        struct model_entry *const it = &entries[entry];
        if ((it->page[0] >= 0 || it->page[1] >= 0) && it->space == space && it->pair == pair)
            return it;
    }
    return NULL;
}

/* The same tag's entry, the first free way, or a victim: `random` or the least recently used. */
static inline void model_write(struct model *model, struct model_entry *entries, uint32_t size,
                               uint32_t ways, struct model_entry new, uint64_t *random)
{
    struct model_entry *slot = model_find(entries, new.space, new.pair);
    struct model_entry *const set = &entries[new.pair % (size / ways) * ways];
    for (uint32_t way = 0; way < ways && !slot; way++)
        if (set[way].page[0] < 0 && set[way].page[1] < 0)
            slot = &set[way];
    if (!slot && random) {
        slot = &set[(uint32_t)(((unsigned __int128)model_draw(random) * ways) >> 64)];
    } else if (!slot) {
        slot = set;
        for (uint32_t way = 1; way < ways; way++)
            if (set[way].last < slot->last)
                slot = &set[way];
    }
    new.last = model->now;
    *slot = new;
}

/* Fills both levels from the page tables, and says what the page itself got. */
static inline uint32_t model_refill(struct model *model, uint32_t cpu, uint64_t vpn)
{
    const struct machine *const machine = model->machine;
    struct model_cpu *const on = &model->cpu[cpu];
    const uint32_t halves = machine->tlb.pages_per_entry;
    struct model_entry new = {.space = on->space, .pair = vpn / halves, .page = {-1, -1}};
    for (uint32_t half = 0; half < halves; half++) {
        const uint32_t index = model_index(vpn / halves * halves + half);
        new.page[half] = model->page_of[on->space][index];
        if (new.page[half] >= 0 && !model->page[new.page[half]].live)
            new.page[half] = -1; /* given back */
        if (new.page[half] >= 0)
            new.node[half] =
                model_nearest(model, (uint32_t) new.page[half], machine->cpu_node[cpu]);
    }
    if (machine->l2tlb.entries && machine->tlb.refill == TLB_REFILL_SOFTWARE)
        model_write(model, on->second, machine->l2tlb.entries, machine->l2tlb.ways, new, NULL);
    model_write(model, on->tlb, machine->tlb.entries, machine->tlb.ways, new,
                machine->tlb.replacement == TLB_REPLACE_LRU ? NULL : &model->tlb_random);
    return new.node[vpn % halves];
}

/* `page`: one that the guest gave back, or a new one, the next. */
static inline int64_t model_place(struct model *model, uint32_t cpu, uint32_t page, uint64_t vpn)
{
    const struct machine *const machine = model->machine;
    const uint32_t here = machine->cpu_node[cpu];
    model->cpu[cpu].count.page_faults++;
    model->cpu[cpu].count.account_ps[ACCOUNT_monitor] += machine->costs.page_fault_ns;
    const struct policy_event event = {
        .page = page, .node = here, .cpu = cpu, .time_ns = model->epoch_start, .vpn = vpn};
    uint32_t wanted = model->options->policy->place(model->state, &model->host, &event);
    if (wanted >= machine->nodes) {
        model_refuse(model, (int)cpu, MEMORY_ACTION_PLACE, POLICY_NONSENSE, page, MEMORY_NO_NODE,
                     wanted, "placed on a node that is not there");
        wanted = here;
    }
    uint64_t tried = 0;
    for (uint32_t turn = 0; turn < machine->nodes; turn++) {
        int best = -1;
        for (int node = 0; node < (int)machine->nodes; node++) {
            if (tried >> node & 1)
                continue;
            if (best < 0 || node == (int)wanted ||
                (best != (int)wanted && machine_latency_ns(machine, wanted, (uint32_t)node) <
                                            machine_latency_ns(machine, wanted, (uint32_t)best)))
                best = node;
        }
        tried |= UINT64_C(1) << best;
        if (!model_make_room(model, (int)cpu, (uint32_t)best))
            continue;
        struct model_page *const it = &model->page[page];
        if (page == model->pages)
            *it = (struct model_page){.first_home = (uint32_t)best};
        model->pages += page == model->pages;
        it->live = true;
        it->home = (uint32_t)best;
        model_note_most(model, (uint32_t)best);
        return page;
    }
    model->full = true;
    return -1;
}

static inline int64_t model_touch(struct model *model, uint32_t cpu, uint32_t space, uint64_t vpn)
{
    int64_t *const mapped = &model->page_of[space][model_index(vpn)];
    if (*mapped >= 0) /* given back */
        return model_place(model, cpu, (uint32_t)*mapped, model->page[*mapped].vpn);
    const int64_t page = model_place(model, cpu, model->pages, vpn);
    if (page < 0)
        return page;
    model->page[page].space = space;
    model->page[page].vpn = vpn;
    *mapped = page;
    return page;
}

static inline int64_t model_page_for(struct model *model, uint32_t cpu, uint32_t space,
                                     uint64_t vpn)
{
    int64_t *const here = &model->page_of[space][model_index(vpn)];
    const int64_t shown = model->shows[space][model_index(vpn)];
    if (*here < 0 && shown < 0)
        return model_touch(model, cpu, space, vpn);
    if (*here < 0) {
        const uint32_t from = (uint32_t)shown / MODEL_VPNS;
        const uint32_t index = (uint32_t)shown % MODEL_VPNS;
        if (model->page_of[from][index] < 0)
            model_touch(model, cpu, from, model_vpn(index));
        *here = model->page_of[from][index];
    }
    if (*here >= 0 && !model->page[*here].live)
        return model_touch(model, cpu, space, vpn);
    return *here;
}

/* The page, and the node that serves it. Charges the miss, if it is one. */
static inline int64_t model_translate(struct model *model, uint32_t cpu, uint64_t vpn,
                                      uint32_t *node, bool *missed)
{
    const struct machine *const machine = model->machine;
    const struct machine_costs *const costs = &machine->costs;
    struct model_cpu *const on = &model->cpu[cpu];
    const uint32_t halves = machine->tlb.pages_per_entry;
    *missed = false;
    if (!machine->tlb.entries) {
        const int64_t page = model_page_for(model, cpu, on->space, vpn);
        *node = page < 0 ? 0 : model_nearest(model, (uint32_t)page, machine->cpu_node[cpu]);
        return page;
    }
    struct model_entry *const hit = model_find(on->tlb, on->space, vpn / halves);
    if (hit && hit->page[vpn % halves] >= 0) {
        hit->last = model->now;
        *node = hit->node[vpn % halves];
        return hit->page[vpn % halves];
    }
    *missed = true;
    on->count.tlb_misses++;
    uint64_t *const paid = &on->count.account_ps[ACCOUNT_tlb];
    if (machine->tlb.refill == TLB_REFILL_HARDWARE) {
        *paid += costs->tlb_walk_ns;
    } else {
        struct model_entry *const second = model_find(on->second, on->space, vpn / halves);
        if (second && second->page[vpn % halves] >= 0) {
            *paid += costs->tlb_refill_ns;
            second->last = model->now;
            *node = second->node[vpn % halves];
            model_write(model, on->tlb, machine->tlb.entries, machine->tlb.ways, *second,
                        machine->tlb.replacement == TLB_REPLACE_LRU ? NULL : &model->tlb_random);
            return second->page[vpn % halves];
        }
        *paid += model->options->guest_refills ? costs->tlb_refill_ns : costs->tlb_forward_ns;
        on->count.l2tlb_misses++;
    }
    const int64_t page = model_page_for(model, cpu, on->space, vpn);
    if (page >= 0)
        *node = model_refill(model, cpu, vpn);
    return page;
}

/* ---- epochs
 * ---------------------------------------------------------------------------------------- */

static inline void model_epoch_end(struct model *model, bool last)
{
    const uint64_t end = model_furthest(model) / 1000;
    struct memory_epoch epoch = {.number = model->epoch,
                                 .references = model->in_epoch,
                                 .start_ns = model->epoch_start,
                                 .end_ns = end,
                                 .local_accesses = model->epoch_local,
                                 .remote_accesses = model->epoch_remote,
                                 .migrations = model->epoch_moves[0],
                                 .replications = model->epoch_moves[1],
                                 .collapses = model->epoch_moves[2],
                                 .shootdowns = model->epoch_moves[3],
                                 .node_accesses = model->epoch_served};
    for (uint32_t node = 0; node < model->machine->nodes; node++) {
        epoch.frames_used += model_used(model, node);
        epoch.replica_frames += model_replicas_on(model, node);
    }
    const bool moved = model->epoch_moves[0] + model->epoch_moves[1] + model->epoch_moves[2];
    if (model->in_epoch || moved || end != model->epoch_start)
        model_log_epoch(model->log, &epoch, model->machine->nodes);
    model->epoch++;
    model->in_epoch = model->epoch_local = model->epoch_remote = 0;
    memset(model->epoch_moves, 0, sizeof model->epoch_moves);
    memset(model->epoch_served, 0, sizeof model->epoch_served);
    model->epoch_start = end;
    if (last)
        return;
    const struct policy_wants *const wants = &model->wants;
    if (wants->tick_ns && end >= model->next_tick) {
        while (model->next_tick <= end)
            model->next_tick += wants->tick_ns;
        const int acting = model->acting;
        model->acting = -1;
        model->options->policy->tick(model->state, &model->host, end);
        model->acting = acting;
    }
    if (wants->reset_ns && end >= model->next_reset) {
        while (model->next_reset <= end)
            model->next_reset += wants->reset_ns;
        for (uint32_t page = 0; page < model->pages; page++) {
            memset(model->page[page].count, 0, sizeof model->page[page].count);
            model->page[page].writes = model->page[page].moves = 0;
        }
    }
}

/* ---- what a driver calls
 * --------------------------------------------------------------------------- */

/* What a cache hit costs beyond one of the first level. */
static inline uint64_t model_hit_ns(const struct machine *machine, uint32_t level, bool fetch)
{
    const char other = fetch ? 'd' : 'i'; /* kinds that do not hold it */
    for (uint32_t at = 0; level > 1 && at < machine->caches; at++)
        if (machine->cache[at].level == level && machine->cache[at].kind[0] != other)
            return machine->cache[at].latency_ns;
    return 0;
}

/* Has the line gone with its page, or with another copy of it, since it was last used? */
static inline bool model_gone(const struct model *model, uint32_t page, uint32_t node, uint32_t age)
{
    const struct model_page *const it = &model->page[page];
    const uint64_t used = model->now - age;
    return used <= it->moved_after || (it->made[node] && used <= it->made_after[node]);
}

/* `level`: of the cache that has the line, 0: none; `age`: references since it was used. */
static inline void model_reference(struct model *model, uint32_t cpu, uint64_t addr, uint8_t what,
                                   uint32_t level, uint32_t age)
{
    const struct machine *const machine = model->machine;
    struct model_cpu *const on = &model->cpu[cpu];
    const struct policy *const policy = model->options->policy;
    const uint32_t here = machine->cpu_node[cpu];
    const uint64_t vpn = addr / machine->page_bytes;
    const uint32_t kind = what & 3;
    const bool store = kind == 2;
    bool missed = false;
    uint32_t node = 0;

    model->now++;
    model->acting = (int)cpu;
    const int64_t found = model_translate(model, cpu, vpn, &node, &missed);
    if (found < 0)
        return;
    const uint32_t page = (uint32_t)found;
    struct model_page *const it = &model->page[page];
    const bool collapses = store && model_replicas(model, page);
    if (collapses) {
        on->count.account_ps[ACCOUNT_move] += machine->costs.replica_fault_ns;
        model_collapse(model, (int)cpu, page, it->home, machine->costs.replica_fault_ns, "a store");
        it->moved_after--; /* the fault is before the store, not after it */
        node = machine->tlb.entries ? model_refill(model, cpu, vpn) : it->home;
    }

    const bool local = node == here;
    const bool access = level == 0;
    const bool refetch = !access && model_gone(model, page, node, age);
    const uint64_t times = model->options->refs_per_sample;
    on->count.references++;
    ++*(kind == 0 ? &on->count.fetches : store ? &on->count.stores : &on->count.loads);
    if (model->options->has_fetches ? kind == 0 : kind != 0)
        on->count.account_ps[ACCOUNT_execution] +=
            times * (kind == 0 ? machine->costs.fetch_ps : machine->costs.data_reference_ps);
    if (refetch) {
        on->count.refetches++;
        on->count.account_ps[ACCOUNT_move] += machine_latency_ns(machine, here, node) * times;
    } else if (!access) {
        on->count.account_ps[ACCOUNT_execution] +=
            model_hit_ns(machine, level, kind == 0) * 1000 * times;
    } else {
        ++*(local ? &on->count.local_accesses : &on->count.remote_accesses);
        ++*(store ? &it->stores : &it->loads);
        it->local += local;
        ++*(store ? &model->stores[here][node] : &model->loads[here][node]);
        ++*(local ? &model->served_local[node] : &model->served_remote[node]);
        ++*(local ? &model->epoch_local : &model->epoch_remote);
        model->epoch_served[node]++;
        on->count.account_ps[local ? ACCOUNT_local_stall : ACCOUNT_remote_stall] +=
            machine_latency_ns(machine, here, node) * times;
        it->count[here]++;
        it->writes += store;
    }
    const bool hot = access && !local && (model->wants.signals & POLICY_SIGNAL_HOT) &&
                     it->count[here] == model->wants.trigger;

    const struct policy_event event = {
        .page = page, .node = here, .cpu = cpu, .store = store, .time_ns = model->epoch_start};
    if (collapses)
        policy->collapsed(model->state, &model->host, &event);
    if (missed && (model->wants.signals & POLICY_SIGNAL_TLB_MISS))
        policy->tlb_miss(model->state, &model->host, &event);
    if (hot) {
        on->count.hot_pages++;
        on->count.account_ps[ACCOUNT_move] += machine->costs.hot_page_ns;
        policy->hot(model->state, &model->host, &event);
    }
    if (access && (model->wants.signals & POLICY_SIGNAL_REFERENCE) &&
        ++model->in_period == model->wants.reference_period) {
        model->in_period = 0;
        policy->reference(model->state, &model->host, &event);
    }
    if (++model->in_epoch == model->options->epoch_references)
        model_epoch_end(model, false);
    model->acting = -1;
}

static inline void model_dispatch(struct model *model, uint32_t cpu, uint32_t stream,
                                  uint32_t space)
{
    struct model_cpu *const on = &model->cpu[cpu];
    const bool other = !on->running || on->stream != stream;
    if (other) {
        on->count.dispatches++;
        on->count.account_ps[ACCOUNT_monitor] += model->machine->costs.dispatch_ns;
    }
    const bool keeps_spaces = model->machine->tlb.refill == TLB_REFILL_SOFTWARE;
    if ((other || (on->space != space && !keeps_spaces)) && !model->machine->tlb.tagged)
        model_clear(on->tlb);
    on->used = on->running = true;
    on->stream = stream;
    on->space = space;
}

static inline void model_forget(struct model *model, uint32_t space, uint32_t index)
{
    const uint32_t halves = model->machine->tlb.pages_per_entry;
    const uint64_t vpn = model_vpn(index);
    for (uint32_t cpu = 0; cpu < model->machine->cpus; cpu++) {
        struct model_entry *const first = model_find(model->cpu[cpu].tlb, space, vpn / halves);
        if (first)
            first->page[vpn % halves] = -1;
        struct model_entry *const second = model_find(model->cpu[cpu].second, space, vpn / halves);
        if (second)
            second->page[vpn % halves] = -1;
    }
}

static inline void model_unmap_one(struct model *model, uint32_t space, uint32_t index)
{
    const int64_t page = model->page_of[space][index];
    model->page_of[space][index] = -1;
    if (page < 0)
        return;
    model_forget(model, space, index);
    const int64_t *const all = &model->page_of[0][0];
    for (uint32_t at = 0; at < MODEL_SPACES * MODEL_VPNS; at++)
        if (all[at] == page)
            return;
    model->page[page].live = false;
    memset(model->page[page].made, 0, sizeof model->page[page].made);
}

static inline void model_unmap(struct model *model, uint32_t space, uint64_t first, uint64_t end)
{
    for (uint32_t at = 0; at < MODEL_SPACES * MODEL_VPNS; at++) {
        int64_t *const shows = &model->shows[0][0] + at;
        int64_t *const page = &model->page_of[0][0] + at;
        if (at / MODEL_VPNS == space && model_vpn(at % MODEL_VPNS) >= first &&
            model_vpn(at % MODEL_VPNS) < end)
            *shows = -1;
        if (*shows < 0 || (uint32_t)*shows / MODEL_VPNS != space)
            continue;
        const uint32_t shown = (uint32_t)*shows % MODEL_VPNS;
        if (model_vpn(shown) < first || model_vpn(shown) >= end)
            continue;
        if (*page < 0)
            *page = model->page_of[space][shown];
        *shows = -1;
    }
    for (uint32_t index = 0; index < MODEL_VPNS; index++)
        if (model_vpn(index) >= first && model_vpn(index) < end)
            model_unmap_one(model, space, index);
}

static inline void model_share(struct model *model, uint32_t space, uint32_t index, uint32_t other,
                               uint32_t other_index, uint32_t pages)
{
    model_unmap(model, other, model_vpn(other_index), model_vpn(other_index) + pages);
    for (uint32_t page = 0; page < pages; page++) {
        const int64_t beyond = model->shows[space][index + page];
        model->shows[other][other_index + page] =
            beyond >= 0 ? beyond : (int64_t)space * MODEL_VPNS + index + page;
    }
}

static inline void model_idle(struct model *model, uint32_t cpu, uint64_t idle_ns)
{
    model->cpu[cpu].used = true;
    model->cpu[cpu].count.account_ps[ACCOUNT_idle] += idle_ns;
}

#endif
