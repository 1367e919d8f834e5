/* The network of a machine: which stations an access passes, what it waits there, what curves and
 * other traffic do, and that no demand breaks it. */
#include "vmm-core/machine/network/network-curve.h"
#include "vmm-core/machine/network/network.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NODES_MOST 64u
#define CPUS_MOST  4096u

static struct machine *machine_of(const char *json)
{
    struct machine *machine = NULL;
    char *const error = machine_parse("test", json, strlen(json), &machine);
    if (error)
        fail_msg("%s", error);
    return machine;
}

struct fixture {
    struct machine *machine;
    struct network *network;
    uint32_t *node;
    uint64_t *busy_ps, *accesses, *reads, *writes, *latency_ps;
    struct network_demand demand;
};

/* All CPUs of the machine, idle. */
static struct fixture fixture_of(const char *json)
{
    struct fixture it = {.machine = machine_of(json)};
    const size_t nodes = it.machine->nodes, cpus = it.machine->cpus;
    assert_null(network_new(it.machine, &it.network));
    it.node = it.machine->cpu_node;
    it.busy_ps = calloc(cpus, sizeof *it.busy_ps);
    it.accesses = calloc(cpus * nodes, sizeof *it.accesses);
    it.reads = calloc(nodes * nodes, sizeof *it.reads);
    it.writes = calloc(nodes * nodes, sizeof *it.writes);
    it.latency_ps = calloc(nodes * nodes, sizeof *it.latency_ps);
    it.demand = (struct network_demand){.cpus = it.machine->cpus,
                                        .node = it.node,
                                        .busy_ps = it.busy_ps,
                                        .accesses = it.accesses,
                                        .other_reads = it.reads,
                                        .other_writes = it.writes};
    return it;
}

static void fixture_free(struct fixture *it)
{
    network_free(it->network);
    machine_free(it->machine);
    free(it->busy_ps);
    free(it->accesses);
    free(it->reads);
    free(it->writes);
    free(it->latency_ps);
}

static void solve(struct fixture *it)
{
    network_solve(it->network, &it->demand, it->latency_ps);
}

/* The station between two nodes, or the controller of one. */
static const struct network_station *station(const struct fixture *it, uint32_t from, uint32_t to)
{
    uint32_t count;
    const struct network_station *const all = network_stations(it->network, &count);
    for (uint32_t i = 0; i < count; i++)
        if (all[i].from == from && all[i].to == to)
            return &all[i];
    fail_msg("no station from %u to %u", from, to);
    return NULL;
}

#define TWO                                                                                        \
    "{\"nodes\": [{\"cpus\": [0, 1]%s}, {\"cpus\": [2, 3]%s}], "                                   \
    "\"latency_ns\": [[100, 200], [210, 100]]%s}"

static struct fixture two_nodes(const char *first, const char *second, const char *more)
{
    char json[1024];
    snprintf(json, sizeof json, TWO, first, second, more);
    return fixture_of(json);
}

static void where_nothing_is_busy_latencies_are_flat(void **unused)
{
    (void)unused;
    struct fixture it = two_nodes("", "", "");
    for (uint32_t i = 0; i < 8; i++)
        it.accesses[i] = 1000000;
    solve(&it);
    const uint64_t flat[] = {100000, 200000, 210000, 100000};
    assert_memory_equal(it.latency_ps, flat, sizeof flat);
    assert_int_equal(station(&it, 0, 0)->utilisation_ppm, 0);
    assert_int_equal(station(&it, 0, 0)->accesses, 4000000);
    fixture_free(&it);
}

static void one_cpu_never_waits(void **unused)
{
    (void)unused;
    struct fixture it = two_nodes(", \"service_ns\": 80", ", \"service_ns\": 80",
                                  ", \"links\": [{\"from\": 1, \"to\": 0, \"gb_per_s\": 1}]");
    it.accesses[0] = it.accesses[1] = 1000;
    solve(&it);
    assert_int_equal(it.latency_ps[0], 100000);
    assert_int_equal(it.latency_ps[1], 200000);
    assert_int_equal(station(&it, 1, 0)->accesses, 1000);
    assert_int_equal(station(&it, 1, 0)->busy_ps, 64000000); /* 64 bytes at 1 GB/s: 64 ns each */
    assert_int_equal(station(&it, 1, 0)->latency_ps, 64000);
    /* 1000 * 64 ns of 1000 * 300 ns */
    assert_in_range(station(&it, 1, 0)->utilisation_ppm, 213333, 213334);
    fixture_free(&it);
}

static void services_longer_than_the_matrix_are_the_latency(void **unused)
{
    (void)unused;
    struct fixture it = two_nodes(", \"service_ns\": 150", "", "");
    it.accesses[0] = 10;
    solve(&it);
    assert_int_equal(it.latency_ps[0], 150000);
    fixture_free(&it);
}

/* Machine repair: see test_network_mva.c. */
static double repair_ns(uint32_t customers, double think, double service)
{
    double term = 1, sum = 1;
    for (uint32_t i = 0; i < customers; i++)
        sum += term *= (customers - i) * service / think;
    return customers * service / (1 - 1 / sum) - think;
}

static void cpus_alike_wait_as_machines_for_repair(void **unused)
{
    (void)unused;
    for (uint32_t busy = 0; busy < 2000; busy += 100) {
        struct fixture it = fixture_of("{\"nodes\": [{\"cpus\": [\"0-11\"], \"service_ns\": 40}], "
                                       "\"latency_ns\": [[100]]}");
        for (uint32_t cpu = 0; cpu < 12; cpu++) {
            it.accesses[cpu] = 5000;
            it.busy_ps[cpu] = (uint64_t)busy * 1000 * 5000;
        }
        solve(&it);
        const double expected = 60 + repair_ns(12, busy + 60, 40);
        assert_true(fabs((double)it.latency_ps[0] / 1000 - expected) < 0.005 * expected);
        fixture_free(&it);
    }
}

/* 0 - 1 - 2 - 3 in a line, and 0 - 4 - 2 beside it. */
#define ROUTES                                                                                     \
    "{\"nodes\": [{\"cpus\": [0]}, {\"cpus\": [1]}, {\"cpus\": [2]}, {\"cpus\": [3]}, "            \
    "{\"cpus\": [4]}], \"latency_ns\": [[100, %s, 300, 400, 200], [200, 100, 200, 300, 300], "     \
    "[300, 200, 100, 200, 200], [400, 300, 200, 100, 300], [200, 300, 200, 300, 100]], "           \
    "\"links\": [{\"from\": 0, \"to\": 1, \"gb_per_s\": 1}, {\"from\": 1, \"to\": 0, "             \
    "\"gb_per_s\": 1}, {\"from\": 1, \"to\": 2, \"gb_per_s\": 1}, {\"from\": 2, \"to\": 1, "       \
    "\"gb_per_s\": 1}, {\"from\": 3, \"to\": 2, \"gb_per_s\": 1}, {\"from\": 0, \"to\": 4, "       \
    "\"gb_per_s\": 1}, {\"from\": 4, \"to\": 0, \"gb_per_s\": 1}, {\"from\": 4, \"to\": 2, "       \
    "\"gb_per_s\": 1}, {\"from\": 2, \"to\": 4, \"gb_per_s\": 1}]}"

static void lines_take_the_shortest_route(void **unused)
{
    (void)unused;
    char json[2048];
    snprintf(json, sizeof json, ROUTES, "200");
    struct fixture it = fixture_of(json);
    it.accesses[0 * 5 + 3] = 7; /* CPU 0 reads node 3: 3 -> 2 -> (1: the lower node) -> 0 */
    solve(&it);
    assert_int_equal(station(&it, 3, 2)->accesses, 7);
    assert_int_equal(station(&it, 2, 1)->accesses, 7);
    assert_int_equal(station(&it, 1, 0)->accesses, 7);
    assert_int_equal(station(&it, 2, 4)->accesses, 0);
    assert_int_equal(station(&it, 0, 1)->accesses, 0);
    assert_int_equal(station(&it, 3, 3)->accesses, 7);
    it.accesses[0 * 5 + 3] = 0;
    it.accesses[3 * 5 + 0] = 5; /* no link leads to 3 */
    solve(&it);
    assert_int_equal(station(&it, 0, 1)->accesses, 0);
    assert_int_equal(station(&it, 0, 0)->accesses, 5);
    assert_int_equal(it.latency_ps[3 * 5 + 0], 400000);
    fixture_free(&it);

    snprintf(json, sizeof json, ROUTES, "201"); /* a tie that latency breaks: by 4 */
    it = fixture_of(json);
    it.accesses[0 * 5 + 2] = 7;
    solve(&it);
    assert_int_equal(station(&it, 2, 4)->accesses, 7);
    assert_int_equal(station(&it, 4, 0)->accesses, 7);
    assert_int_equal(station(&it, 2, 1)->accesses, 0);
    fixture_free(&it);
}

static void other_traffic_takes_its_way_and_its_time(void **unused)
{
    (void)unused;
    struct fixture it = two_nodes(", \"service_ns\": 50", ", \"service_ns\": 50",
                                  ", \"links\": [{\"from\": 0, \"to\": 1, \"gb_per_s\": 64}, "
                                  "{\"from\": 1, \"to\": 0, \"gb_per_s\": 64}]");
    for (uint32_t cpu = 0; cpu < 4; cpu++)
        it.accesses[(size_t)cpu * 2] = 1000;
    solve(&it);
    uint64_t before = it.latency_ps[0];
    assert_true(before > 100000);
    for (uint64_t copies = 100; copies < UINT64_C(1) << 60; copies *= 8) {
        it.reads[0 * 2 + 0] = copies;
        solve(&it);
        assert_true(it.latency_ps[0] >= before);
        before = it.latency_ps[0];
    }
    assert_true(before <
                UINT64_C(10000000)); /* a CPU still goes first in a twentieth of the time */
    it.reads[0] = 0;
    it.reads[0 * 2 + 1] = 10;  /* node 0 reads node 1's memory */
    it.writes[0 * 2 + 1] = 20; /* and writes there */
    solve(&it);
    assert_int_equal(station(&it, 1, 0)->accesses, 10);
    assert_int_equal(station(&it, 0, 1)->accesses, 20 + 2000); /* CPUs 2 and 3 read node 0 */
    assert_int_equal(station(&it, 1, 1)->accesses, 30);
    fixture_free(&it);
}

static void noise_is_taken_out_of_a_curve(void **unused)
{
    (void)unused;
    const struct machine_curve_point points[] = {{1000, 90000}, {2000, 96000},  {3000, 92000},
                                                 {4000, 91000}, {5000, 120000}, {6000, 119000}};
    struct network_curve curve;
    network_curve_fit(&curve, points, 6);
    const double fitted[] = {90000, 93000, 93000, 93000, 119500, 119500};
    for (uint32_t i = 0; i < 6; i++)
        assert_true(fabs(curve.latency[i] - fitted[i]) < 1e-6);
    double last = 0;
    for (double rate = 0; rate < 0.01; rate += 1e-5) {
        const double wait = network_curve_wait(&curve, rate);
        assert_true(wait >= last);
        last = wait;
    }
    assert_true(fabs(network_curve_wait(&curve, 0.0045) - (93000 + 26500 / 2.0 - 90000)) < 1e-6);
    assert_true(fabs(last - 29500) < 1e-6);
    assert_true(network_curve_wait(&curve, 0.0001) == 0);
}

static void a_curve_gives_the_latency_at_the_bandwidth_that_results(void **unused)
{
    (void)unused;
    static const struct machine_curve_point points[] = {{100, 100000},
                                                        {1000, 110000},
                                                        {2000, 150000},
                                                        {2200, 300000}};
    struct network_curve curve;
    network_curve_fit(&curve, points, 4);
    uint64_t last_ps = 0;
    for (uint32_t busy_ns = 6000; busy_ns >= 50; busy_ns -= 50) {
        struct fixture it =
            fixture_of("{\"nodes\": [{\"cpus\": [\"0-15\"], \"curve\": [[0.1, 100], "
                       "[1, 110], [2, 150], [2.2, 300]]}], \"latency_ns\": [[100]]}");
        for (uint32_t cpu = 0; cpu < 16; cpu++) {
            it.accesses[cpu] = 1000;
            it.busy_ps[cpu] = UINT64_C(1000000) * busy_ns;
        }
        solve(&it);
        const double latency_ps = (double)it.latency_ps[0];
        const double rate = 16 * 64 / (busy_ns * 1e3 + latency_ps); /* bytes a ps */
        assert_true(rate <= 2200e-6 * 1.001);
        const double from_curve = 100000 + network_curve_wait(&curve, rate);
        if (rate < 1900e-6)
            assert_true(fabs(latency_ps - from_curve) < 0.01 * from_curve);
        else
            assert_true(latency_ps > from_curve * 0.98);
        assert_true(it.latency_ps[0] * 1001 >= last_ps * 1000);
        last_ps = it.latency_ps[0];
        fixture_free(&it);
    }
    assert_true(last_ps > 400000); /* 16 lines of 64 bytes at 2.2 GB/s take 465 ns */
}

static void the_same_epochs_give_the_same_results(void **unused)
{
    (void)unused;
    struct fixture one = two_nodes(", \"service_ns\": 90", ", \"service_ns\": 70", "");
    struct fixture other = two_nodes(", \"service_ns\": 90", ", \"service_ns\": 70", "");
    for (uint32_t epoch = 0; epoch < 200; epoch++) {
        for (uint32_t i = 0; i < 8; i++)
            one.accesses[i] = other.accesses[i] = (i * 7919 + epoch * 104729) % 1000;
        solve(&one);
        solve(&other);
        assert_memory_equal(one.latency_ps, other.latency_ps, 4 * sizeof *one.latency_ps);
    }
    fixture_free(&one);
    fixture_free(&other);
}

/* The solution starts from the last epoch's; what it ends at is near that of a new network. */
static void the_past_fades(void **unused)
{
    (void)unused;
    struct machine *machine = NULL;
    struct network *used = NULL;
    assert_null(machine_load("flash-8", &machine));
    assert_null(network_new(machine, &used));
    uint64_t busy_ps[8], accesses[64], latency_ps[64], fresh_ps[64];
    double worst = 0;
    for (uint32_t epoch = 0; epoch < 300; epoch++) {
        for (uint32_t i = 0; i < 64; i++)
            accesses[i] =
                200 + (i % 8 == epoch / 50 ? 3000u : 0u) + (i * 7919 + epoch * 104729) % 200;
        for (uint32_t i = 0; i < 8; i++)
            busy_ps[i] = UINT64_C(2000000000) + i * 1000000;
        const struct network_demand demand = {.cpus = 8,
                                              .node = machine->cpu_node,
                                              .busy_ps = busy_ps,
                                              .accesses = accesses};
        struct network *fresh = NULL;
        assert_null(network_new(machine, &fresh));
        network_solve(used, &demand, latency_ps);
        network_solve(fresh, &demand, fresh_ps);
        for (uint32_t i = 0; i < 64; i++)
            worst = fmax(worst, fabs((double)latency_ps[i] / (double)fresh_ps[i] - 1));
        network_free(fresh);
    }
    print_message("worst %.3f %%\n", 100 * worst);
    assert_true(worst < 0.02);
    network_free(used);
    machine_free(machine);
}

static uint64_t next(uint64_t *state) /* splitmix64 */
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* 0 often, otherwise of any size up to 2^63. */
static uint64_t any_size(uint64_t *state)
{
    const uint64_t bits = next(state);
    return bits % 3 ? next(state) >> (1 + bits % 63) : 0;
}

static void check_results(const struct fixture *it)
{
    uint32_t count;
    const struct network_station *const all = network_stations(it->network, &count);
    for (uint32_t pair = 0; pair < it->machine->nodes * it->machine->nodes; pair++) {
        assert_true(it->latency_ps[pair] >= it->machine->latency_ns[pair] * UINT64_C(1000));
        assert_true(it->latency_ps[pair] < UINT64_C(1) << 60);
    }
    for (uint32_t i = 0; i < count; i++) {
        assert_true(all[i].utilisation_ppm <= 1000000);
        assert_true(all[i].latency_ps < UINT64_C(1) << 60);
        assert_true(all[i].queue_thousandths <= 4000000000u);
    }
}

static void no_demand_breaks_it(void **unused)
{
    (void)unused;
    struct fixture machines[] = {
        two_nodes(", \"service_ns\": 99.9", ", \"curve\": [[0.001, 1000000], [1000000, 1]]",
                  ", \"links\": [{\"from\": 0, \"to\": 1, \"gb_per_s\": 0.001}, "
                  "{\"from\": 1, \"to\": 0, \"gb_per_s\": 1000000}]"),
        two_nodes(", \"service_ns\": 1000000, \"memory\": 0", ", \"service_ns\": 0.001", ""),
        fixture_of("{\"nodes\": [{\"cpus\": [0], \"curve\": [[5, 90], [5.001, 1000]]}]}"),
    };
    uint64_t state = 7;
    for (uint32_t which = 0; which < 3; which++) {
        struct fixture *const it = &machines[which];
        const uint32_t nodes = it->machine->nodes, cpus = it->machine->cpus;
        for (uint32_t epoch = 0; epoch < 3000; epoch++) {
            for (uint32_t i = 0; i < cpus * nodes; i++)
                it->accesses[i] = any_size(&state);
            for (uint32_t i = 0; i < cpus; i++)
                it->busy_ps[i] = any_size(&state);
            for (uint32_t i = 0; i < nodes * nodes; i++) {
                it->reads[i] = any_size(&state);
                it->writes[i] = any_size(&state);
            }
            it->demand.cpus = (uint32_t)(next(&state) % (cpus + 1));
            solve(it);
            check_results(it);
        }
        fixture_free(it);
    }
}

static void the_largest_machine_is_solved(void **unused)
{
    (void)unused;
    char *json = NULL;
    size_t bytes = 0;
    FILE *const out = open_memstream(&json, &bytes);
    fputs("{\"nodes\": [", out);
    for (uint32_t node = 0; node < NODES_MOST; node++)
        fprintf(out, "%s{\"cpus\": [\"%u-%u\"], \"service_ns\": 5}", node ? ", " : "", node * 64,
                node * 64 + 63);
    fputs("], \"links\": [", out);
    for (uint32_t node = 0; node < NODES_MOST; node++)
        fprintf(out,
                "%s{\"from\": %u, \"to\": %u, \"gb_per_s\": 20}, {\"from\": %u, \"to\": %u, "
                "\"gb_per_s\": 20}",
                node ? ", " : "", node, (node + 1) % NODES_MOST, (node + 1) % NODES_MOST, node);
    fputs("]}", out);
    assert_int_equal(fclose(out), 0);
    struct fixture it = fixture_of(json);
    for (uint32_t epoch = 0; epoch < 3; epoch++) {
        for (uint32_t cpu = 0; cpu < CPUS_MOST; cpu++)
            for (uint32_t node = 0; node < NODES_MOST; node++)
                it.accesses[cpu * NODES_MOST + node] = (cpu + node + epoch) % 3;
        solve(&it);
        check_results(&it);
    }
    assert_true(it.latency_ps[32] > it.machine->latency_ns[32] * UINT64_C(1000));
    fixture_free(&it);
    free(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_nothing_is_busy_latencies_are_flat),
        cmocka_unit_test(one_cpu_never_waits),
        cmocka_unit_test(services_longer_than_the_matrix_are_the_latency),
        cmocka_unit_test(cpus_alike_wait_as_machines_for_repair),
        cmocka_unit_test(lines_take_the_shortest_route),
        cmocka_unit_test(other_traffic_takes_its_way_and_its_time),
        cmocka_unit_test(noise_is_taken_out_of_a_curve),
        cmocka_unit_test(a_curve_gives_the_latency_at_the_bandwidth_that_results),
        cmocka_unit_test(the_same_epochs_give_the_same_results),
        cmocka_unit_test(the_past_fades),
        cmocka_unit_test(no_demand_breaks_it),
        cmocka_unit_test(the_largest_machine_is_solved),
    };
    return cmocka_run_group_tests_name("network", tests, NULL, NULL);
}
