/* What a sample stands for: weights in the memory subsystem, the estimates and variances of sampling.h
 * against every sample that there can be, and thresholds that scale with the rate. */
#include <math.h>

#include "collector/tool.h"
#include "replayer/report/sampling.h"
#include "tests/unit/test_replay.h"

static void near(double is, double wanted, double within)
{
    if (!(fabs(is - wanted) <= within))
        fail_msg("%.12g, not %.12g", is, wanted);
}

/* Two nodes of two CPUs; 100 and 300 ns; a load or store takes 2 ns by itself. */
struct pair {
    struct machine *machine;
    struct policy_choices choices;
    struct registry *registry;
};

static struct pair pair_open(const char *policy)
{
    struct pair pair = {0};
    well(machine_parse("small", small_machine, strlen(small_machine), &pair.machine));
    well(registry_open(&pair.registry));
    well(registry_choose(pair.registry, policy, &pair.choices));
    return pair;
}

static void pair_close(struct pair *pair)
{
    policy_choices_free(&pair->choices);
    registry_free(pair->registry);
    machine_free(pair->machine);
}

static struct memory *memory_of(const struct pair *pair, const struct memory_options *more)
{
    struct memory_options options = *more;
    struct memory *memory = NULL;
    options.machine = pair->machine;
    options.policy = pair->choices.choice[0].policy;
    options.param = pair->choices.choice[0].param;
    options.check_every = 1;
    well(memory_new(&options, &memory));
    for (uint32_t cpu = 0; cpu < pair->machine->cpus; cpu++)
        well(memory_dispatch(memory, cpu, cpu, 0));
    return memory;
}

static void refer(struct memory *memory, uint32_t cpu, uint64_t page, uint8_t what, unsigned times)
{
    uint64_t addr = page * PAGE;
    for (unsigned i = 0; i < times; i++)
        well(memory_references(memory, cpu, &addr, &what, 1));
}

/* ---- weights ----------------------------------------------------------------------------------- */

static void expect_same_counts(const struct memory *one, const struct memory *other, uint32_t cpus)
{
    for (uint32_t cpu = 0; cpu < cpus; cpu++) {
        const struct memory_cpu_counters *a = memory_cpu(one, cpu), *b = memory_cpu(other, cpu);
        assert_int_equal(a->local_accesses, b->local_accesses);
        assert_int_equal(a->remote_accesses, b->remote_accesses);
        for (unsigned i = 0; i < MEMORY_ACCOUNT_COUNT; i++)
            assert_int_equal(a->account_ps[i], b->account_ps[i]);
    }
    assert_int_equal(memory_pages(one), memory_pages(other));
    for (uint32_t page = 0; page < memory_pages(one); page++) {
        struct memory_page_state a = memory_page(one, page), b = memory_page(other, page);
        assert_int_equal(a.loads, b.loads);
        assert_int_equal(a.stores, b.stores);
        assert_int_equal(a.local_accesses, b.local_accesses);
        assert_int_equal(a.home, b.home);
        assert_int_equal(a.migrations, b.migrations);
    }
}

/* Random references of random weights, beside as many references each. */
static void a_reference_of_weight_w_counts_as_w_references(void **state)
{
    (void)state;
    struct pair pair = pair_open("interleave");
    const struct memory_options weighted = {.refs_per_sample = 1,
                                            .weighted = true,
                                            .epoch_references = 1 << 20};
    const struct memory_options plain = {.refs_per_sample = 1, .epoch_references = 1 << 20};
    struct memory *one = memory_of(&pair, &weighted), *other = memory_of(&pair, &plain);
    uint64_t random = 7, weight = 1;
    for (unsigned i = 0; i < 2000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint32_t cpu = random >> 60 & 3;
        uint64_t page = random >> 50 & 7;
        uint8_t what = (random >> 40 & 7) == 0 ? REF_STORE : REF_LOAD;
        if ((random >> 30 & 3) == 0)
            weight = 1 + (random >> 20 & 15);
        memory_weigh(one, weight);
        refer(one, cpu, page, what, 1);
        refer(other, cpu, page, what, (unsigned)weight);
    }
    memory_finish(one);
    memory_finish(other);
    expect_same_counts(one, other, pair.machine->cpus);
    memory_free(one);
    memory_free(other);
    pair_close(&pair);
}

static void one_weight_for_all_costs_what_refs_per_sample_costs(void **state)
{
    (void)state;
    struct pair pair = pair_open("migrate:trigger=200:sharing=2000");
    const struct memory_options weighted = {.refs_per_sample = 10, .weighted = true};
    const struct memory_options plain = {.refs_per_sample = 10};
    struct memory *one = memory_of(&pair, &weighted), *other = memory_of(&pair, &plain);
    uint64_t random = 9, migrations = 0;
    memory_weigh(one, 10);
    for (uint32_t page = 0; page < 4; page++) { /* by the other node than who will use it */
        refer(one, page, page, REF_LOAD, 1);
        refer(other, page, page, REF_LOAD, 1);
    }
    for (unsigned i = 0; i < 3000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint64_t page = random >> 50 & 3;
        uint32_t cpu = (random >> 40 & 7) != 0 ? (uint32_t)(page + 2) & 3 : random >> 60 & 3;
        refer(one, cpu, page, REF_LOAD, 1);
        refer(other, cpu, page, REF_LOAD, 1);
    }
    memory_finish(one);
    memory_finish(other);
    for (uint32_t cpu = 0; cpu < pair.machine->cpus; cpu++) {
        const struct memory_cpu_counters *a = memory_cpu(one, cpu), *b = memory_cpu(other, cpu);
        assert_int_equal(a->references, b->references);
        assert_int_equal(a->local_accesses, 10 * b->local_accesses);
        assert_int_equal(a->remote_accesses, 10 * b->remote_accesses);
        assert_int_equal(a->migrations, b->migrations);
        assert_int_equal(a->clock_ps, b->clock_ps);
        migrations += a->migrations;
    }
    assert_true(migrations > 0);
    memory_free(one);
    memory_free(other);
    pair_close(&pair);
}

/* ---- estimates --------------------------------------------------------------------------------- */

#define REFS 10u
#define RATE 3u

struct watched {
    struct sampling *sampling;
    struct memory *memory;
};

static void on_epoch(void *context, const struct memory_epoch *epoch)
{
    (void)epoch;
    const struct watched *watched = context;
    sampling_epoch(watched->sampling, watched->memory);
}

/* The references of `chosen` by CPU 0, whose node has pages 0, 2, ...; twice, in two epochs. */
static struct sampling_estimate estimate_of(const struct pair *pair, unsigned chosen)
{
    struct sampling_design design = {.by_chance = true,
                                     .refs_per_sample = RATE,
                                     .execution_ps = 2000};
    struct watched watched = {.sampling = sampling_new(&design, pair->machine)};
    assert_non_null(watched.sampling);
    struct memory_options options = {.refs_per_sample = RATE,
                                     .epoch_references = 4,
                                     .context = &watched,
                                     .on_epoch = on_epoch};
    watched.memory = memory_of(pair, &options);
    for (unsigned i = 0; i < REFS; i++)
        if ((chosen >> i & 1) != 0)
            refer(watched.memory, 0, i * i % 3, REF_LOAD, 1);
    memory_finish(watched.memory);
    struct sampling_estimate estimate = sampling_estimate_of(watched.sampling, watched.memory);
    /* what intervals are made of, where they are too few for an interval */
    memory_free(watched.memory);
    sampling_free(watched.sampling);
    return estimate;
}

/* Over every sample that there can be, each with its chance: the mean of the estimates is the whole's. */
static void estimates_are_without_bias(void **state)
{
    (void)state;
    struct pair pair = pair_open("interleave");
    double accesses = 0, local = 0, time_ps = 0, chances = 0;
    for (unsigned chosen = 0; chosen < 1u << REFS; chosen++) {
        unsigned size = (unsigned)__builtin_popcount(chosen);
        double chance = pow(1.0 / RATE, size) * pow(1 - 1.0 / RATE, REFS - size);
        struct sampling_estimate estimate = estimate_of(&pair, chosen);
        chances += chance;
        accesses += chance * estimate.accesses;
        local += chance * estimate.local_accesses;
        time_ps += chance * (double)estimate.time_ps;
    }
    /* i * i % 3 is 0 four times, else 1: four references to page 0, six to page 1 */
    near(chances, 1, 1e-9);
    near(accesses, REFS, 1e-6);
    near(local, 4, 1e-6);
    near(time_ps, 4 * 102000.0 + 6 * 302000.0, 1);
    pair_close(&pair);
}

/* 300 samples of weight 3, 120 of them local: widths by hand. */
static void intervals_are_those_of_the_formulas(void **state)
{
    (void)state;
    struct pair pair = pair_open("interleave");
    struct sampling_design design = {.by_chance = true,
                                     .refs_per_sample = RATE,
                                     .execution_ps = 2000};
    struct watched watched = {.sampling = sampling_new(&design, pair.machine)};
    struct memory_options options = {.refs_per_sample = RATE,
                                     .epoch_references = 64,
                                     .context = &watched,
                                     .on_epoch = on_epoch};
    watched.memory = memory_of(&pair, &options);
    for (unsigned i = 0; i < 300; i++)
        refer(watched.memory, 0, i % 5 < 2 ? 0 : 1, REF_LOAD, 1);
    memory_finish(watched.memory);
    struct sampling_estimate estimate = sampling_estimate_of(watched.sampling, watched.memory);
    const double z = 1.959963984540054;
    near(estimate.accesses, 900, 1e-9);
    assert_true(estimate.memory_accesses.known);
    /* sum of w (w - 1) over 300 samples */
    near(estimate.memory_accesses.high - 900, z * sqrt(300 * 6), 1e-6);
    near(estimate.local.high - 360, z * sqrt(120 * 6), 1e-6);
    double squares = 120 * 102.0 * 102 + 180 * 302.0 * 302;
    near(estimate.time_ns.high - (360 * 102 + 540 * 302), z * sqrt(6 * squares), 1);
    /* Wilson's for 0.4 of n with 0.24 / n = 0.24 * 6 * 300 / 900^2 */
    double n = 450, middle = (0.4 + z * z / (2 * n)) / (1 + z * z / n);
    double half = z / (1 + z * z / n) * sqrt(0.24 / n + z * z / (4 * n * n));
    near(estimate.local_share.low, middle - half, 1e-9);
    near(estimate.local_share.high, middle + half, 1e-9);
    memory_free(watched.memory);
    sampling_free(watched.sampling);
    pair_close(&pair);
}

static void few_samples_have_no_interval(void **state)
{
    (void)state;
    struct pair pair = pair_open("interleave");
    struct sampling_estimate estimate = estimate_of(&pair, (1u << REFS) - 1);
    assert_int_equal(estimate.samples, REFS);
    assert_false(estimate.local_share.known);
    assert_false(estimate.time_ns.known);
    assert_false(estimate.memory_accesses.known);
    pair_close(&pair);
}

/* ---- thresholds (ASPLOS'96: a tenth of the references, a tenth of the thresholds) ---------------- */

#define SEEDS 8u

/* Pages that CPU 1's thread touches first and the others use: each its own, and some that all read. */
static void write_handed_over(struct fixture *fixture)
{
    uint32_t space = add_space(fixture), stream[4];
    for (uint32_t i = 0; i < 4; i++)
        stream[i] = add_stream(fixture, space, (int32_t)(2 * i + 1), NULL);
    for (unsigned page = 0; page < 48; page++)
        add_refs(fixture, stream[0], page, REF_STORE, 1);
    uint64_t random = 3;
    for (unsigned i = 0; i < 60000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint32_t who = random >> 60 & 3;
        bool shared = (random >> 50 & 7) < 2;
        add_refs(fixture, stream[who], (shared ? 32 : 8 * who) + (random >> 40 & (shared ? 15 : 7)),
                 REF_LOAD, 1 + (random >> 30 & 7));
    }
    end_trace(fixture);
}

static void sampled_one_in_ten_policies_cost_what_full_counters_cost(void **state)
{
    struct fixture *fixture = *state;
    static const char *const words = "first-touch,migrate,replicate,disco";
    struct outcome full, thin;
    char sampled[80];
    double sampled_ns[4] = {0};
    struct machine *machine = fixture->machine;
    for (uint32_t node = 0; node < machine->nodes; node++)
        machine->node[node].memory_bytes = 128 * PAGE;
    machine->costs.move_page_ns = 2000;
    machine->costs.copy_page_ns = 3000;
    write_handed_over(fixture);
    replay_it(fixture, words, "recorded", 1, &full);
    well(full.error);
    for (unsigned seed = 1; seed <= SEEDS; seed++) {
        char number[8];
        (void)snprintf(number, sizeof number, "%u", seed);
        (void)snprintf(sampled, sizeof sampled, "%s/sampled.db", fixture->folder);
        char *arguments[] = {(char *)"disco-trace sample",
                             (char *)"--rate=10",
                             (char *)"--method=random",
                             (char *)"--force",
                             (char *)"--seed",
                             number,
                             (char *)"-o",
                             sampled,
                             fixture->path,
                             NULL};
        assert_int_equal(tool_sample.run(9, arguments), 0);
        char whole[64];
        strcpy(whole, fixture->path);
        (void)snprintf(fixture->path, sizeof fixture->path, "%.40s/sampled.db", fixture->folder);
        replay_it(fixture, words, "recorded", 1, &thin);
        well(thin.error);
        strcpy(fixture->path, whole);
        for (size_t i = 0; i < full.count; i++) {
            sampled_ns[i] += (double)figure(&thin, i, FIGURE_time_ns) / SEEDS;
            /* strict on the sign: who gains on first touch gains in every sample */
            assert_true(i == 0 ||
                        figure(&thin, i, FIGURE_time_ns) < figure(&thin, 0, FIGURE_time_ns));
        }
        outcome_free(&thin);
    }
    for (size_t i = 0; i < full.count; i++) {
        double full_ns = (double)figure(&full, i, FIGURE_time_ns);
        if (fabs(sampled_ns[i] / full_ns - 1) > 0.03)
            fail_msg("%s: %.0f ns sampled, %.0f ns in full", full.choices.choice[i].label,
                     sampled_ns[i], full_ns);
        assert_true(i == 0 || full_ns < (double)figure(&full, 0, FIGURE_time_ns));
    }
    outcome_free(&full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reference_of_weight_w_counts_as_w_references),
        cmocka_unit_test(one_weight_for_all_costs_what_refs_per_sample_costs),
        cmocka_unit_test(estimates_are_without_bias),
        cmocka_unit_test(intervals_are_those_of_the_formulas),
        cmocka_unit_test(few_samples_have_no_interval),
        cmocka_unit_test_setup_teardown(sampled_one_in_ten_policies_cost_what_full_counters_cost,
                                        fixture_open, fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
