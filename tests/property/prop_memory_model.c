/* The memory subsystem against an independent model of its rules, on thousands of small random
 * traces.
 *
 * Machines of 1 to 5 nodes (some without memory or CPUs), every shape of TLB, memories that
 * overflow, caches (of which the model is told what they made of each reference, by a guest of its
 * own), policies that do everything at any moment and also ask for nonsense. Everything
 * observable is written down as text by both sides: what the policy was told and saw, every action,
 * every epoch, at the end all counters. The texts must be equal to the last digit. DISCO_SEED
 * repeats one trace, DISCO_RUNS sets their number.
 */
#include "tests/property/memory_model_physical.h"
#include "tests/property/memory_model_say.h"
#include "tests/property/random_caches.h"
#include "vmm-core/memory/guest-writes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* ---- the policy: the same code for both sides, writing down what it sees ------------------------
 */

enum {
    PARAM_LOG,     /* FILE *, for one side */
    PARAM_SIGNALS, /* of policy_wants */
    PARAM_TRIGGER,
    PARAM_RESET,
    PARAM_TICK,
    PARAM_PERIOD,
    PARAM_RULE,   /* enum rule */
    PARAM_WILD,   /* per cent of the calls that act */
    PARAM_PLACES, /* per cent of the placements that are not first touch */
    PARAMS
};

enum rule {
    RULE_NONE,    /* first touch */
    RULE_TRIGGER, /* migrate what is private, replicate what is read-shared */
    RULE_WILD,    /* anything, anywhere */
    RULES
};

struct observer {
    FILE *log;
    enum rule rule;
    uint32_t wild, places;
};

static const char *observer_init(void *state, const struct policy_setup *setup,
                                 struct policy_wants *wants)
{
    struct observer *const self = state;
    const int64_t *const param = setup->param;
    self->log = (FILE *)(intptr_t)param[PARAM_LOG]; /* NOLINT: the test's own pointer */
    self->rule = (enum rule)param[PARAM_RULE];
    self->wild = (uint32_t)param[PARAM_WILD];
    self->places = (uint32_t)param[PARAM_PLACES];
    *wants = (struct policy_wants){.signals = (uint32_t)param[PARAM_SIGNALS],
                                   .trigger = (uint32_t)param[PARAM_TRIGGER],
                                   .reset_ns = (uint64_t)param[PARAM_RESET],
                                   .tick_ns = (uint64_t)param[PARAM_TICK],
                                   .reference_period = (uint64_t)param[PARAM_PERIOD]};
    return NULL;
}

static void see_page(struct observer *self, struct policy_host *host, uint32_t number)
{
    struct policy_page page;
    if (!policy_page(host, number, &page)) {
        fprintf(self->log, " page %u is not there", number);
        return;
    }
    fprintf(self->log, " page %u home %u replicas %llx writes %u moves %u of %u counts", page.page,
            page.home, (unsigned long long)page.replicas, page.writes, page.moves,
            page.moves_total);
    for (uint32_t node = 0; page.counts && node < host->nodes; node++)
        fprintf(self->log, " %u", page.counts[node]);
}

static void act_wildly(struct observer *self, struct policy_host *host, uint32_t number)
{
    for (uint32_t more = 3; more && policy_random(host) % 100 < self->wild; more--) {
        const uint32_t spread = policy_pages(host) + 1; /* one past the last: nonsense */
        const uint32_t page =
            policy_random(host) % 2 ? number : (uint32_t)(policy_random(host) % spread);
        const uint32_t node = (uint32_t)(policy_random(host) % (host->nodes * 8 + 1)) / 8;
        const uint64_t what = policy_random(host) % 5;
        const enum policy_answer answer = what < 2   ? policy_migrate(host, page, node, "wild")
                                          : what < 4 ? policy_replicate(host, page, node, "wild")
                                                     : policy_collapse(host, page, "wild");
        fprintf(self->log, " (%llu of %u to %u: %d)", (unsigned long long)what, page, node,
                (int)answer);
    }
}

static void act_by_trigger(struct observer *self, struct policy_host *host,
                           const struct policy_event *event)
{
    struct policy_page page;
    if (!policy_page(host, event->page, &page) || !page.counts)
        return;
    bool shared = false;
    for (uint32_t node = 0; node < host->nodes; node++)
        shared |= node != event->node && page.counts[node] >= 2;
    if (!shared && page.moves < 2)
        policy_migrate(host, event->page, event->node, "private");
    else if (shared && page.writes <= 1)
        policy_replicate(host, event->page, event->node, "read-shared");
    (void)self;
}

static void hear(struct observer *self, struct policy_host *host, const char *signal,
                 const struct policy_event *event)
{
    fprintf(self->log, "%s page %u node %u cpu %u store %d at %llu, %llx:", signal, event->page,
            event->node, event->cpu, event->store, (unsigned long long)event->time_ns,
            (unsigned long long)event->vpn);
    see_page(self, host, event->page);
    fprintf(self->log, " free %llu", (unsigned long long)policy_free_frames(host, event->node));
    if (self->rule == RULE_TRIGGER)
        act_by_trigger(self, host, event);
    if (self->rule == RULE_WILD)
        act_wildly(self, host, event->page);
    fputc('\n', self->log);
}

static uint32_t observer_place(void *state, struct policy_host *host,
                               const struct policy_event *event)
{
    struct observer *const self = state;
    hear(self, host, "place", event);
    if (policy_random(host) % 100 >= self->places)
        return event->node;
    return (uint32_t)(policy_random(host) % (host->nodes * 8 + 1)) / 8;
}

static void observer_hot(void *state, struct policy_host *host, const struct policy_event *event)
{
    hear(state, host, "hot", event);
}

static void observer_reference(void *state, struct policy_host *host,
                               const struct policy_event *event)
{
    hear(state, host, "nth", event);
}

static void observer_tlb_miss(void *state, struct policy_host *host,
                              const struct policy_event *event)
{
    hear(state, host, "miss", event);
}

static void observer_collapsed(void *state, struct policy_host *host,
                               const struct policy_event *event)
{
    hear(state, host, "collapsed", event);
}

static void observer_tick(void *state, struct policy_host *host, uint64_t time_ns)
{
    struct observer *const self = state;
    fprintf(self->log, "tick %llu:", (unsigned long long)time_ns);
    for (uint32_t page = 0; page < policy_pages(host); page++)
        see_page(self, host, page);
    if (self->rule == RULE_WILD)
        act_wildly(self, host, 0);
    fputc('\n', self->log);
}

static void observer_pressure(void *state, struct policy_host *host, uint32_t node)
{
    struct observer *const self = state;
    fprintf(self->log, "pressure %u:", node);
    if (self->rule == RULE_WILD)
        act_wildly(self, host, 0);
    fputc('\n', self->log);
}

static const struct policy observer = {.abi = DISCO_POLICY_ABI,
                                       .name = "observer",
                                       .summary = "writes down what it sees",
                                       .state_bytes = sizeof(struct observer),
                                       .init = observer_init,
                                       .place = observer_place,
                                       .hot = observer_hot,
                                       .reference = observer_reference,
                                       .tlb_miss = observer_tlb_miss,
                                       .tick = observer_tick,
                                       .pressure = observer_pressure,
                                       .collapsed = observer_collapsed};

/* ---- a random case
 * ------------------------------------------------------------------------------- */

struct trial {
    struct machine machine;
    struct machine_node node[MODEL_NODES];
    uint32_t cpu_node[MODEL_CPUS], os_id[MODEL_CPUS];
    uint32_t latency[MODEL_NODES * MODEL_NODES];
    int64_t param[PARAMS];
    struct memory_options options;
    uint64_t random;
};

static uint32_t draw(struct trial *trial, uint32_t limit)
{
    return (uint32_t)(model_draw(&trial->random) % limit);
}

static void draw_machine(struct trial *trial)
{
    struct machine *const machine = &trial->machine;
    machine->nodes = 1 + draw(trial, MODEL_NODES);
    machine->cpus = 1 + draw(trial, MODEL_CPUS);
    machine->page_bytes = 4096;
    machine->node = trial->node;
    machine->cpu_node = trial->cpu_node;
    machine->cpu_os_id = trial->os_id;
    machine->latency_ns = trial->latency;
    const uint32_t frames = 2 + draw(trial, 30);
    for (uint32_t node = 0; node < machine->nodes; node++)
        trial->node[node].memory_bytes = draw(trial, 6) ? (uint64_t)draw(trial, frames) * 4096 : 0;
    trial->node[draw(trial, machine->nodes)].memory_bytes = (uint64_t)frames * 4096;
    for (uint32_t cpu = 0; cpu < machine->cpus; cpu++)
        trial->cpu_node[cpu] = draw(trial, machine->nodes);
    const uint32_t distances = draw(trial, 2) ? 3 : 500; /* few: many ties */
    for (uint32_t pair = 0; pair < machine->nodes * machine->nodes; pair++)
        trial->latency[pair] = 100 + draw(trial, distances);

    struct machine_tlb *const tlb = &machine->tlb;
    tlb->ways = draw(trial, 5) ? 1 + draw(trial, 5) : 9 + draw(trial, 7); /* wide ones filter */
    tlb->entries = draw(trial, 8) ? tlb->ways << draw(trial, 3) : 0;
    tlb->pages_per_entry = 1 + draw(trial, 2);
    tlb->refill = draw(trial, 3) ? TLB_REFILL_SOFTWARE : TLB_REFILL_HARDWARE;
    tlb->replacement = draw(trial, 2) ? TLB_REPLACE_LRU : TLB_REPLACE_RANDOM;
    tlb->tagged = draw(trial, 2);
    machine->l2tlb.ways = 1 + draw(trial, 4);
    machine->l2tlb.entries = draw(trial, 4) ? machine->l2tlb.ways << draw(trial, 4) : 0;
    if (draw(trial, 2))
        random_caches(&trial->random, machine);
#define DRAW_COST(name, meaning) machine->costs.name = draw(trial, 1000);
    MACHINE_COSTS(DRAW_COST)
#undef DRAW_COST
}

static void draw_policy(struct trial *trial)
{
    trial->param[PARAM_SIGNALS] = draw(trial, 8);
    trial->param[PARAM_TRIGGER] = draw(trial, 8);
    trial->param[PARAM_RESET] = draw(trial, 2) ? 1 + draw(trial, 40000) : 0;
    trial->param[PARAM_TICK] = draw(trial, 2) ? 1 + draw(trial, 40000) : 0;
    trial->param[PARAM_PERIOD] = 1 + draw(trial, 30);
    trial->param[PARAM_RULE] = draw(trial, RULES);
    trial->param[PARAM_WILD] = draw(trial, 80);
    trial->param[PARAM_PLACES] = draw(trial, 3) ? 0 : draw(trial, 100);
    trial->options =
        (struct memory_options){.machine = &trial->machine,
                                .policy = &observer,
                                .seed = model_draw(&trial->random),
                                .refs_per_sample = 1 + draw(trial, 3),
                                .epoch_references = 1 + draw(trial, 60),
                                .guest_refills = draw(trial, 2),
                                .has_fetches = draw(trial, 2),
                                .check_every = draw(trial, 4) ? 0 : 1 + draw(trial, 9)};
}

static void on_action(void *context, const struct memory_action *action)
{
    model_log_action(context, action);
}

struct context {
    FILE *log;
    uint32_t nodes;
};

static void real_action(void *context, const struct memory_action *action)
{
    on_action(((struct context *)context)->log, action);
}

static void real_epoch(void *context, const struct memory_epoch *epoch)
{
    const struct context *const to = context;
    model_log_epoch(to->log, epoch, to->nodes);
}

/* ---- one trial
 * --------------------------------------------------------------------------------------- */

struct sides {
    struct memory *memory;
    struct model *model;
    FILE *real_log, *model_log;
    struct guest *guest; /* the model's, for what its caches do; NULL: none */
    struct caches_outcome outcome;
    char *error; /* of the real one */
};

static void well(char *error)
{
    if (error)
        fail_msg("%s", error);
}

#define RUN_MOST 24u

static void step_references(struct trial *trial, struct sides *sides, uint32_t cpu)
{
    uint64_t addr[RUN_MOST];
    uint8_t what[RUN_MOST];
    const uint32_t run = 1 + draw(trial, RUN_MOST);
    const uint32_t focus = draw(trial, MODEL_VPNS);
    const uint32_t stores = draw(trial, 4);
    for (uint32_t at = 0; at < run; at++) {
        const uint32_t index =
            draw(trial, 3) ? (focus + draw(trial, 3)) % MODEL_VPNS : draw(trial, MODEL_VPNS);
        addr[at] = model_vpn(index) * 4096 + draw(trial, sides->guest ? 96 : 4096);
        what[at] = (uint8_t)(draw(trial, 2) * 4 + (draw(trial, 4) < stores ? 2 : draw(trial, 4)));
    }
    sides->error = memory_references(sides->memory, cpu, addr, what, run);
    if (sides->guest) {
        const uint32_t space = sides->model->cpu[cpu].space;
        sides->outcome.writebacks = 0;
        well(guest_references(sides->guest, cpu, space, addr, what, NULL, run, &sides->outcome, 0));
        well(guest_commit(sides->guest));
    }
    for (uint32_t at = 0; at < run && !sides->model->full; at++)
        model_reference(sides->model, cpu, addr[at], what[at],
                        sides->guest ? sides->outcome.level[at] : 0,
                        sides->guest ? sides->outcome.age[at] : 0);
}

static void guest_unmap(struct guest *guest, uint32_t space, uint64_t first, uint64_t end)
{
    if (!guest)
        return;
    well(guest_unmap_begin(guest, space, first, end - first));
    guest_unmap_end(guest);
}

/* What a monitor does with pages; `pages` of a space in a row from `index` on. */
static void step_physical(struct trial *trial, struct sides *sides, uint32_t cpu, uint32_t space,
                          uint32_t index, uint32_t pages)
{
    struct memory *const memory = sides->memory;
    const uint64_t vpn = model_vpn(index);
    switch (draw(trial, 4)) {
    case 0:
        if (sides->guest)
            well(guest_zero(sides->guest, space, vpn));
        sides->error = memory_zero(memory, cpu, space, vpn);
        model_zero(sides->model, cpu, space, index);
        break;
    case 1: {
        const bool out = draw(trial, 2);
        if (sides->guest)
            well(guest_dma(sides->guest, space, vpn, pages, out));
        sides->error = memory_dma(memory, cpu, space, vpn, pages, out);
        model_dma(sides->model, cpu, space, index, pages, out);
        break;
    }
    case 2:
        if (sides->guest)
            guest_free_page(sides->guest, space, vpn);
        sides->error = memory_free_page(memory, cpu, space, vpn);
        model_free_page(sides->model, cpu, space, index);
        break;
    default: {
        const enum memory_service kind = draw(trial, MEMORY_SERVICE_KINDS);
        sides->error = memory_service(memory, cpu, kind, index);
        model_service(sides->model, cpu, kind, index);
    }
    }
    if (sides->guest)
        well(guest_commit(sides->guest));
}

static void step(struct trial *trial, struct sides *sides)
{
    const uint32_t cpu = draw(trial, trial->machine.cpus);
    const uint32_t space = draw(trial, MODEL_SPACES);
    const uint32_t index = draw(trial, MODEL_VPNS);
    const uint32_t most = MODEL_CLUSTER - index % MODEL_CLUSTER;
    const uint32_t pages = 1 + draw(trial, most);
    switch (draw(trial, 20)) {
    case 0: {
        const bool wide = draw(trial, 8) == 0; /* over clusters, mostly holes */
        const uint64_t end = wide ? model_vpn(MODEL_VPNS - 1) + 1 : model_vpn(index) + pages;
        model_unmap(sides->model, space, model_vpn(index), end);
        guest_unmap(sides->guest, space, model_vpn(index), end);
        sides->error =
            memory_unmap(sides->memory, space, model_vpn(index) * 4096 + draw(trial, 2048),
                         end * 4096 - draw(trial, 2048));
        return;
    }
    case 1: {
        const uint32_t other = draw(trial, MODEL_SPACES);
        const uint32_t other_index =
            draw(trial, MODEL_CLUSTERS) * MODEL_CLUSTER + draw(trial, MODEL_CLUSTER - pages + 1);
        if (space == other && index < other_index + pages && other_index < index + pages)
            return;
        model_share(sides->model, space, index, other, other_index, pages);
        guest_unmap(sides->guest, other, model_vpn(other_index), model_vpn(other_index) + pages);
        if (sides->guest)
            well(guest_share(sides->guest, space, model_vpn(index), other, model_vpn(other_index),
                             pages));
        sides->error = memory_share(sides->memory, space, model_vpn(index) * 4096, other,
                                    model_vpn(other_index) * 4096, (uint64_t)pages * 4096);
        return;
    }
    case 2: {
        const uint64_t idle_ns = draw(trial, 3000);
        memory_idle(sides->memory, cpu, idle_ns);
        model_idle(sides->model, cpu, idle_ns);
        return;
    }
    case 3:
    case 4:
    case 5: {
        const uint32_t stream = draw(trial, 4);
        model_dispatch(sides->model, cpu, stream, space);
        sides->error = memory_dispatch(sides->memory, cpu, stream, space);
        return;
    }
    case 6:
    case 7:
    case 8:
        step_physical(trial, sides, cpu, space, index, pages);
        return;
    default:
        if (!sides->model->cpu[cpu].running) {
            model_dispatch(sides->model, cpu, cpu, space);
            sides->error = memory_dispatch(sides->memory, cpu, cpu, space);
        }
        if (!sides->error)
            step_references(trial, sides, cpu);
    }
}

static void expect_same(uint64_t seed, const char *real, const char *model)
{
    if (!strcmp(real, model))
        return;
    size_t at = 0;
    size_t line = 0;
    for (; real[at] && real[at] == model[at]; at++)
        if (real[at] == '\n')
            line = at + 1;
    fail_msg("DISCO_SEED=%llu: they part at\n  real:  %.*s\n  model: %.*s",
             (unsigned long long)seed, (int)strcspn(real + line, "\n"), real + line,
             (int)strcspn(model + line, "\n"), model + line);
}

static void run_trial(uint64_t seed)
{
    static struct trial trial;
    static struct model model; /* large */
    char *real_text = NULL;
    char *model_text = NULL;
    size_t real_size = 0;
    size_t model_size = 0;
    trial = (struct trial){.random = seed};
    draw_machine(&trial);
    draw_policy(&trial);
    struct sides sides = {.model = &model,
                          .real_log = open_memstream(&real_text, &real_size),
                          .model_log = open_memstream(&model_text, &model_size)};
    assert_non_null(sides.real_log);
    assert_non_null(sides.model_log);
    if (trial.machine.caches) {
        well(guest_new(&(struct guest_options){.machine = &trial.machine}, &sides.guest));
        assert_true(guest_outcome_new(&sides.outcome, RUN_MOST));
    }
    int64_t real_param[PARAMS];
    memcpy(real_param, trial.param, sizeof real_param);
    real_param[PARAM_LOG] = (intptr_t)sides.real_log;
    trial.param[PARAM_LOG] = (intptr_t)sides.model_log;
    trial.options.param = trial.param;
    model_start(&model, &trial.options, sides.model_log);
    struct context context = {sides.real_log, trial.machine.nodes};
    struct memory_options real_options = trial.options;
    real_options.param = real_param;
    real_options.context = &context;
    real_options.on_action = real_action;
    real_options.on_epoch = real_epoch;
    sides.error = memory_new(&real_options, &sides.memory);

    const uint32_t steps = 20 + draw(&trial, 150);
    for (uint32_t at = 0; at < steps && !sides.error && !model.full; at++)
        step(&trial, &sides);
    if (model.full) {
        assert_non_null(sides.error);
        fprintf(sides.model_log,
                "memory of the machine is full after %u pages; use a larger machine", model.pages);
        fputs(sides.error, sides.real_log);
    } else if (sides.error) {
        fputs(sides.error, sides.real_log);
    } else {
        model_epoch_end(&model, true);
        memory_finish(sides.memory);
        sides.error = memory_check(sides.memory);
        fputs(sides.error ? sides.error : "", sides.real_log);
        say_model(sides.model_log, &model);
        say_real(sides.real_log, sides.memory, &trial.machine);
    }
    fclose(sides.real_log);
    fclose(sides.model_log);
    expect_same(seed, real_text, model_text);
    free(real_text);
    free(model_text);
    free(sides.error);
    free(model.state);
    guest_free(sides.guest);
    guest_outcome_free(&sides.outcome);
    memory_free(sides.memory);
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *const text = getenv(name); /* NOLINT(concurrency-mt-unsafe): one thread */
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static void real_and_model_agree_in_everything_on_random_traces(void **state)
{
    (void)state;
    const uint64_t seed = from_environment("DISCO_SEED", 0);
    if (seed) {
        run_trial(seed);
        return;
    }
    const uint64_t runs = from_environment("DISCO_RUNS", 4000);
    for (uint64_t run = 1; run <= runs; run++)
        run_trial(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_and_model_agree_in_everything_on_random_traces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
