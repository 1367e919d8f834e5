/* Random networks: the approximation against the exact solution, bounds that no network can break,
 * and epochs of random machines against the same machine solved exactly. DISCO_SEED repeats a run,
 * DISCO_NETWORKS=10 makes ten times as many.
 */
#include "vmm-core/machine/network/network-mva.h"
#include "vmm-core/machine/network/network.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define NETWORKS  3000
#define MACHINES  500
#define CLASSES   8u
#define STATIONS  8u
#define WITHIN    0.03 /* of the exact solution: 999 cycles in 1000, 1999 latencies in 2000; */
#define NEVER     0.08 /* the rest within this */
#define CUSTOMERS 64   /* of all classes */
#define STATES    60000

static uint64_t first_seed(void)
{
    const char *text = getenv("DISCO_SEED");
    return text != NULL ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);
}

/* DISCO_NETWORKS times as many networks and machines. */
static uint64_t last_seed(uint64_t first, uint32_t count)
{
    const char *text = getenv("DISCO_NETWORKS");
    return first + count * (text != NULL ? strtoull(text, NULL, 0) : 1);
}

static uint64_t next(uint64_t *state) /* splitmix64 */
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static double fraction(uint64_t *state)
{
    return (double)(next(state) >> 11) * 0x1p-53;
}

static uint32_t below(uint64_t *state, uint32_t bound)
{
    return (uint32_t)((next(state) >> 32) * bound >> 32);
}

/* From `least` to `most`, as many in each octave. */
static double between(uint64_t *state, double least, double most)
{
    return least * pow(most / least, fraction(state));
}

struct random_network {
    double customers[CLASSES], think[CLASSES], demand[CLASSES * STATIONS];
    struct mva_model model;
};

/* Networks as machines make them: a station serves all alike, classes visit it more or less often or
 * not at all, and think for nothing up to a hundred services. */
static void make_network(uint64_t *state, struct random_network *network)
{
    const uint32_t classes = 1 + below(state, CLASSES), stations = 1 + below(state, STATIONS);
    double states = stations, all = 0;
    const double think = between(state, 0.1, 100);
    double service[STATIONS];
    for (uint32_t k = 0; k < stations; k++)
        service[k] = below(state, 3) ? 1 : between(state, 0.01, 3);
    for (uint32_t c = 0; c < classes; c++) {
        const uint32_t alike = 1 + below(state, below(state, 3) ? 4 : 16);
        const bool fits = states * (alike + 1) <= STATES && all + alike + classes <= CUSTOMERS + c;
        network->customers[c] = fits ? alike : 1;
        states *= network->customers[c] + 1;
        all += network->customers[c];
        network->think[c] = below(state, 8) ? think * fraction(state) : 0;
        for (uint32_t k = 0; k < stations; k++)
            network->demand[c * stations + k] =
                service[k] * (below(state, 4) ? fraction(state) : below(state, 3));
        network->demand[c * stations] += 0.01;
    }
    network->model =
        (struct mva_model){classes, stations, network->customers, network->think, network->demand};
}

static double cycle_of(const struct mva_model *model, uint32_t c, const double *residence)
{
    double cycle = model->think[c];
    for (uint32_t k = 0; k < model->stations; k++)
        cycle += residence[c * model->stations + k];
    return cycle;
}

static void the_approximation_is_near_the_exact_solution(void **unused)
{
    (void)unused;
    const uint64_t first = first_seed(), last = last_seed(first, NETWORKS);
    double worst_cycle = 0, worst_residence = 0, sum = 0;
    uint32_t compared = 0, beyond = 0;
    for (uint64_t seed = first; seed < last; seed++) {
        uint64_t state = seed;
        struct random_network network;
        double exact[CLASSES * STATIONS], approximate[CLASSES * STATIONS];
        make_network(&state, &network);
        assert_true(mva_exact(&network.model, exact));
        assert_true(mva_approximate(&network.model, approximate));
        for (uint32_t c = 0; c < network.model.classes; c++) {
            const double right = cycle_of(&network.model, c, exact);
            const double error = fabs(cycle_of(&network.model, c, approximate) - right);
            const double stalled = error / (right - network.model.think[c]);
            worst_cycle = fmax(worst_cycle, error / right);
            worst_residence = fmax(worst_residence, stalled);
            sum += stalled;
            compared++;
            beyond += error / right > WITHIN;
        }
    }
    print_message("seed %llu, %u networks, %u classes: %u cycles off by more than 3 %%, worst %.2f "
                  "%%; time at stations: worst %.2f %%, mean %.2f %%\n",
                  (unsigned long long)first, (unsigned)(last - first), compared, beyond,
                  100 * worst_cycle, 100 * worst_residence, 100 * sum / compared);
    assert_true(beyond <= compared / 1000 && worst_cycle <= NEVER && worst_residence <= NEVER);
}

/* Asymptotic bounds (Muntz and Wong, 1974), for one class: no more than the busiest station serves,
 * and no more than customers that never wait; at least what they do if each waits for all others. */
static void throughput_stays_within_its_bounds(void **unused)
{
    (void)unused;
    const uint64_t first = first_seed(), last = last_seed(first, NETWORKS);
    for (uint64_t seed = first; seed < last; seed++) {
        uint64_t state = seed;
        struct random_network network;
        double exact[CLASSES * STATIONS], approximate[CLASSES * STATIONS];
        make_network(&state, &network);
        network.model.classes = 1;
        assert_true(mva_exact(&network.model, exact));
        assert_true(mva_approximate(&network.model, approximate));
        double demand = 0, busiest = 0;
        for (uint32_t k = 0; k < network.model.stations; k++) {
            demand += network.demand[k];
            busiest = fmax(busiest, network.demand[k]);
        }
        const double customers = network.customers[0], think = network.think[0];
        const double most = fmin(customers / (demand + think), 1 / busiest);
        const double least = customers / (customers * demand + think);
        const double rates[] = {customers / cycle_of(&network.model, 0, exact),
                                customers / cycle_of(&network.model, 0, approximate)};
        for (uint32_t i = 0; i < 2; i++)
            if (!(rates[i] <= most * (1 + 1e-6) && rates[i] >= least * (1 - 1e-6)))
                fail_msg("seed %llu: rate %.12g is not within %.12g to %.12g",
                         (unsigned long long)seed, rates[i], least, most);
    }
}

/* ---- epochs of machines ---------------------------------------------------------------------- */

#define NODES 8u
#define CPUS  48u

/* A machine of few nodes with as many CPUs each, and an epoch in which the CPUs of a node do alike. */
struct epoch {
    struct machine machine;
    struct machine_node node[NODES];
    struct machine_link link[NODES * NODES];
    uint32_t cpu_node[CPUS], latency_ns[NODES * NODES];
    uint64_t busy_ps[CPUS], accesses[CPUS * NODES], reads[NODES * NODES];
    struct network_demand demand;
};

static void make_machine(uint64_t *state, struct epoch *epoch)
{
    struct machine *const machine = &epoch->machine;
    const uint32_t nodes = 1 + below(state, NODES),
                   each = nodes > 4 ? 1 : 1 + below(state, nodes > 3 ? 4 : 16);
    const double local = between(state, 60, 300);
    *machine = (struct machine){.nodes = nodes, .cpus = nodes * each, .node = epoch->node};
    machine->latency_ns = epoch->latency_ns;
    machine->link = epoch->link;
    machine->cpu_node = epoch->cpu_node;
    for (uint32_t node = 0; node < nodes; node++) {
        epoch->node[node] = (struct machine_node){.memory_bytes = 1u << 20, .cpus = each};
        epoch->node[node].service_ps = (uint32_t)(local * 900 * fraction(state));
        for (uint32_t cpu = 0; cpu < each; cpu++)
            epoch->cpu_node[node * each + cpu] = node;
    }
    for (uint32_t pair = 0; pair < nodes * nodes; pair++)
        epoch->latency_ns[pair] =
            (uint32_t)(pair % (nodes + 1) ? local * between(state, 1.5, 4) : local);
    for (uint32_t node = 0; nodes > 1 && node < nodes && below(state, 2); node++) { /* a ring */
        const uint32_t gone = (node + 1) % nodes, mb_per_s = 300 + below(state, 3000);
        epoch->link[machine->links++] = (struct machine_link){node, gone, mb_per_s};
        epoch->link[machine->links++] = (struct machine_link){gone, node, mb_per_s};
    }
}

static void make_epoch(uint64_t *state, struct epoch *epoch)
{
    make_machine(state, epoch);
    const uint32_t nodes = epoch->machine.nodes, hot = below(state, nodes);
    const double busy = between(state, 10, 3000), heat = between(state, 1, 100);
    for (uint32_t cpu = 0; cpu < epoch->machine.cpus; cpu++) {
        uint64_t *const accesses = &epoch->accesses[(size_t)cpu * nodes];
        const bool first = cpu == 0 || epoch->cpu_node[cpu] != epoch->cpu_node[cpu - 1];
        uint64_t sum = 0;
        for (uint32_t to = 0; to < nodes; to++) {
            const double often = 100 * fraction(state) * (to == hot ? heat : 1);
            accesses[to] = first ? (uint64_t)often : accesses[(size_t)to - nodes];
            sum += accesses[to];
        }
        epoch->busy_ps[cpu] = first ? (uint64_t)((double)sum * busy * 1000 * fraction(state))
                                    : epoch->busy_ps[cpu - 1];
    }
    epoch->demand = (struct network_demand){.cpus = epoch->machine.cpus,
                                            .node = epoch->cpu_node,
                                            .busy_ps = epoch->busy_ps,
                                            .accesses = epoch->accesses};
}

/* The same epoch with the exact solution: the stations of each access as the network's own result
 * has them (one CPU alone visits one node), and its length found by going half the way. */
struct exact_epoch {
    uint32_t stations;
    double service_ps[NODES + 2 * NODES];
    bool passes[NODES][NODES][NODES + 2 * NODES]; /* from the CPU's node to the memory's */
    double latency_ps[NODES * NODES];
};

static void find_paths(struct network *network, const struct epoch *epoch, struct exact_epoch *it)
{
    const uint32_t nodes = epoch->machine.nodes;
    uint64_t latency_ps[NODES * NODES];
    for (uint32_t cpu = 0; cpu < nodes; cpu++) {
        for (uint32_t to = 0; to < nodes; to++) {
            uint64_t accesses[NODES] = {0}, busy_ps = 0;
            accesses[to] = 1000000;
            network_solve(network,
                          &(struct network_demand){
                              .cpus = 1, .node = &cpu, .busy_ps = &busy_ps, .accesses = accesses},
                          latency_ps);
            const struct network_station *const station = network_stations(network, &it->stations);
            for (uint32_t k = 0; k < it->stations; k++) {
                it->passes[cpu][to][k] = station[k].accesses > 0;
                if (station[k].accesses > 0)
                    it->service_ps[k] = (double)station[k].busy_ps / (double)station[k].accesses;
            }
        }
    }
}

static bool solve_exactly(const struct epoch *epoch, struct exact_epoch *it)
{
    const uint32_t nodes = epoch->machine.nodes, each = epoch->machine.cpus / nodes;
    double customers[NODES], think[NODES], demand[NODES * 3 * NODES] = {0};
    double residence[NODES * 3 * NODES] = {0}, length = 0, states = 1;
    for (uint32_t c = 0; c < nodes; c++) {
        customers[c] = each;
        states *= each + 1;
        for (uint32_t to = 0; to < nodes; to++)
            for (uint32_t k = 0; k < it->stations; k++)
                if (it->passes[c][to][k])
                    demand[c * it->stations + k] +=
                        (double)epoch->accesses[(size_t)c * each * nodes + to] * it->service_ps[k];
    }
    if (states * it->stations > STATES)
        return false;
    const struct mva_model model = {nodes, it->stations, customers, think, demand};
    for (uint32_t step = 0; step < 80; step++) {
        double needs = 0;
        for (uint32_t c = 0; c < nodes; c++) {
            double took = (double)epoch->busy_ps[c * each];
            for (uint32_t to = 0; to < nodes; to++) {
                double base = 0, wait = 0;
                for (uint32_t k = 0; k < it->stations; k++) {
                    const size_t cell = c * it->stations + k;
                    if (!it->passes[c][to][k])
                        continue;
                    base += it->service_ps[k];
                    if (residence[cell] > 0)
                        wait += it->service_ps[k] * (residence[cell] / demand[cell] - 1);
                }
                base = fmax(base, epoch->latency_ns[c * nodes + to] * 1e3);
                it->latency_ps[c * nodes + to] = base + wait;
                took += (double)epoch->accesses[(size_t)c * each * nodes + to] * (base + wait);
            }
            needs = fmax(needs, took);
        }
        length = step == 0 ? needs : (length + needs) / 2;
        for (uint32_t c = 0; c < nodes; c++) {
            double stalled = 0;
            for (uint32_t k = 0; k < it->stations; k++)
                stalled += residence[c * it->stations + k];
            think[c] = fmax(0, length - stalled);
        }
        assert_true(mva_exact(&model, residence));
    }
    return length > 0;
}

static void an_epoch_is_near_its_exact_solution(void **unused)
{
    (void)unused;
    const uint64_t first = first_seed(), last = last_seed(first, MACHINES);
    double worst = 0, sum = 0;
    uint32_t compared = 0, beyond = 0;
    for (uint64_t seed = first; seed < last; seed++) {
        uint64_t state = seed, latency_ps[NODES * NODES];
        struct epoch epoch;
        static struct exact_epoch exact;
        struct network *network = NULL;
        make_epoch(&state, &epoch);
        assert_null(network_new(&epoch.machine, &network));
        memset(&exact, 0, sizeof exact);
        find_paths(network, &epoch, &exact);
        const bool comparable = solve_exactly(&epoch, &exact);
        network_solve(network, &epoch.demand, latency_ps);
        const uint32_t nodes = epoch.machine.nodes, each = epoch.machine.cpus / nodes;
        for (uint32_t pair = 0; comparable && pair < nodes * nodes; pair++) {
            if (!epoch.accesses[(size_t)(pair / nodes) * each * nodes + pair % nodes])
                continue;
            const double error = fabs((double)latency_ps[pair] - exact.latency_ps[pair]);
            const double part = error / exact.latency_ps[pair];
            worst = fmax(worst, part);
            sum += part;
            compared++;
            beyond += part > WITHIN;
        }
        network_free(network);
    }
    print_message(
        "seed %llu, %u latencies: %u off by more than 3 %%, worst %.2f %%, mean %.3f %%\n",
        (unsigned long long)first, compared, beyond, 100 * worst, 100 * sum / compared);
    assert_true(beyond <= compared / 2000 && worst <= NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_approximation_is_near_the_exact_solution),
        cmocka_unit_test(throughput_stays_within_its_bounds),
        cmocka_unit_test(an_epoch_is_near_its_exact_solution),
    };
    return cmocka_run_group_tests_name("network", tests, NULL, NULL);
}
