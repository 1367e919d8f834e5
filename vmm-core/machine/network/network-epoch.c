/* Solving one epoch: counts to classes and demands, steps of mean value analysis together with the
 * epoch's length, waiting to latencies and stations' results. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "vmm-core/machine/network/network-internal.h"

#define STEPS_MOST 400  /* what swings for so long stays as it is */
#define TOLERANCE  2e-4 /* of a cycle, a queue and the epoch's length */
#define THINNED    0.5  /* gain of the one thinned step of an epoch that is like the last, */
#define UNLIKE     0.1  /* unless it changes a queue by so much */
#define ALIKE      0.1  /* part of customers, and of visits, that may differ in such epochs */
#define BEGUN      1e-2 /* change of a cycle and the length below which thinned steps begin */
#define GAIN_LEAST 0.02

/* The curve that stands for the station's queue, or NULL. */
static const struct network_curve *curve_of(const struct network *network, uint32_t station)
{
    if (station >= network->controllers)
        return NULL;
    const struct network_curve *const curve = &network->curve[network->result[station].from];
    return curve->points ? curve : NULL;
}

/* ---- from counts to classes and stations ----------------------------------------------------- */

static void add_cpu(struct network *network, uint32_t node, uint64_t busy_ps,
                    const uint64_t *accesses)
{
    double made = 0, flat_ps = (double)busy_ps;
    for (uint32_t to = 0; to < network->nodes; to++) {
        const double each = (double)accesses[to];
        made += each;
        flat_ps += each * network->base_ps[node * network->nodes + to];
        network->traffic[node * network->nodes + to] += each;
    }
    if (flat_ps > network->epoch_ps)
        network->epoch_ps = flat_ps;
    if (made == 0)
        return;
    if (network->class_of[node] == NETWORK_NO_STATION) {
        network->class_of[node] = network->classes;
        network->class[network->classes++] = (struct network_class){.node = node};
    }
    struct network_class *const class = &network->class[network->class_of[node]];
    if (flat_ps > class->flat_ps) {
        class->busy_ps = (double)busy_ps;
        class->flat_ps = flat_ps;
        class->accesses = accesses;
    }
    network->accesses[node] += made;
    network->squares[node] += made * made;
}

static void add_other(struct network *network, const uint64_t *other, bool writes)
{
    for (uint32_t row = 0; other && row < network->nodes; row++) {
        for (uint32_t column = 0; column < network->nodes; column++) {
            const double accesses = (double)other[row * network->nodes + column];
            if (accesses == 0)
                continue;
            uint32_t links;
            const uint32_t *const link = network_route(&network->routes, writes ? row : column,
                                                       writes ? column : row, &links);
            if (network->controller[column] != NETWORK_NO_STATION)
                network->other[network->controller[column]] += accesses;
            for (uint32_t i = 0; i < links; i++)
                network->other[network->controllers + link[i]] += accesses;
        }
    }
}

static void gather(struct network *network, const struct network_demand *demand)
{
    const size_t nodes = network->nodes;
    network->classes = 0;
    network->epoch_ps = 0;
    for (size_t node = 0; node < nodes; node++)
        network->class_of[node] = NETWORK_NO_STATION;
    memset(network->accesses, 0, nodes * sizeof *network->accesses);
    memset(network->squares, 0, nodes * sizeof *network->squares);
    memset(network->traffic, 0, nodes * nodes * sizeof *network->traffic);
    memset(network->other, 0, network->stations * sizeof *network->other);
    for (uint32_t cpu = 0; cpu < demand->cpus; cpu++)
        add_cpu(network, demand->node[cpu], demand->busy_ps[cpu], demand->accesses + cpu * nodes);
    add_other(network, demand->other_reads, false);
    add_other(network, demand->other_writes, true);
}

/* Stations have the same shares of all visits, by and large. */
static bool visits_alike(const struct network *network)
{
    double now = 0, before = 0, moved = 0;
    for (uint32_t station = 0; station < network->stations; station++) {
        now += network->visited[station];
        before += network->visited_before[station];
    }
    for (uint32_t station = 0; station < network->stations; station++)
        moved += fabs(network->visited[station] * before - network->visited_before[station] * now);
    return moved <= 2 * ALIKE * now * before;
}

/* Finds the active stations; true: they are those of the epoch before, and as
 * busy. */
static bool find_active(struct network *network)
{
    const uint32_t nodes = network->nodes, before = network->actives;
    uint32_t *const was = network->active;
    network->active = network->was_active;
    network->was_active = was;
    memcpy(network->visited_before, network->visited, network->stations * sizeof(double));
    memset(network->visited, 0, network->stations * sizeof *network->visited);
    for (uint32_t cpu = 0; cpu < nodes; cpu++) {
        for (uint32_t memory = 0; memory < nodes; memory++) {
            const double accesses = network->traffic[cpu * nodes + memory];
            if (accesses == 0)
                continue;
            const struct network_path path = network_path(network, memory, cpu);
            for (uint32_t i = 0; i < path.stations; i++)
                network->visited[network_station_on(network, &path, i)] += accesses;
        }
    }
    network->actives = 0;
    for (uint32_t station = 0; station < network->stations; station++) {
        const bool active = network->visited[station] > 0 && network->service_ps[station] > 0 &&
                            !curve_of(network, station);
        network->active_of[station] = active ? network->actives : NETWORK_NO_STATION;
        if (active)
            network->active[network->actives++] = station;
    }
    return network->actives == before && memcmp(network->active, was, before * sizeof *was) == 0 &&
           visits_alike(network);
}

static void add_visits(const struct network *network, uint32_t cpu, uint32_t memory,
                       double accesses, double *visits)
{
    const struct network_path path = network_path(network, memory, cpu);
    for (uint32_t i = 0; i < path.stations; i++) {
        const uint32_t column = network->active_of[network_station_on(network, &path, i)];
        if (column != NETWORK_NO_STATION)
            visits[column] += accesses;
    }
}

static void fill_tables(struct network *network)
{
    const size_t cells = (size_t)network->classes * network->actives;
    memset(network->visits, 0, cells * sizeof *network->visits);
    memset(network->slowest, 0, cells * sizeof *network->slowest);
    for (uint32_t c = 0; c < network->classes; c++) {
        const struct network_class *const class = &network->class[c];
        const size_t row = (size_t)c * network->actives;
        const double made = network->accesses[class->node];
        network->customers[c] = made * made / network->squares[class->node];
        for (uint32_t to = 0; to < network->nodes; to++) {
            const double accesses = network->traffic[class->node * network->nodes + to];
            if (accesses == 0)
                continue;
            add_visits(network, class->node, to, accesses, network->visits + row);
            add_visits(network, class->node, to, (double)class->accesses[to],
                       network->slowest + row);
        }
        for (uint32_t k = 0; k < network->actives; k++)
            network->demand[row + k] = network->visits[row + k] *
                                       network->service_ps[network->active[k]] /
                                       network->customers[c];
    }
}

/* ---- solving --------------------------------------------------------------------------------- */

/* How much longer a visit gets by traffic that nobody waits for. */
static double slowed(const struct network *network, uint32_t station)
{
    const double taken = network->other[station] * network->service_ps[station] / network->epoch_ps;
    return 1 / (1 - (taken < NETWORK_OTHER_MOST ? taken : NETWORK_OTHER_MOST));
}

/* What the epoch's length means for the stations, and how long each class thinks. */
static void apply_length(struct network *network)
{
    struct mva_steps *const steps = &network->steps;
    for (uint32_t k = 0; k < network->actives; k++)
        steps->slower[k] = slowed(network, network->active[k]);
    for (uint32_t c = 0; c < network->classes; c++) {
        const double think_ps = network->epoch_ps - steps->stalled[c];
        network->think_ps[c] = think_ps > 0 ? think_ps : 0;
    }
}

/* How long the slowest CPU of a class takes, with the waiting at each station. */
static double find_class_length(struct network *network, uint32_t c)
{
    const struct network_class *const class = &network->class[c];
    const size_t row = (size_t)c * network->actives;
    double took_ps = class->flat_ps;
    for (uint32_t k = 0; k < network->actives; k++) {
        const double times = network->steps.slower[k] * (1 + network->steps.arrival[row + k]) - 1;
        network->wait_ps[row + k] = network->service_ps[network->active[k]] * times;
        took_ps += network->slowest[row + k] * network->wait_ps[row + k];
    }
    for (uint32_t node = 0; network->curves && node < network->nodes; node++)
        took_ps += (double)class->accesses[node] * network->curve_wait_ps[node];
    return took_ps;
}

static double find_length(struct network *network)
{
    double length_ps = 0;
    for (uint32_t c = 0; c < network->classes; c++) {
        network->class[c].took_ps = find_class_length(network, c);
        if (network->class[c].took_ps > length_ps)
            length_ps = network->class[c].took_ps;
    }
    return length_ps;
}

/* How much longer than the curve says accesses to the node wait, so that it gives no more than the
 * curve's last point: the class that visits it most is to need the time in which that is possible.
 * Half the way each time, since other nodes make it wait too. */
static double beyond_curve_ps(const struct network *network, uint32_t node,
                              const struct network_class *most, double needs_ps)
{
    const uint32_t station = network->controller[node];
    const double visits = (double)most->accesses[node], now_ps = network->beyond_ps[node];
    const double least_ps =
        network->visited[station] * network->service_ps[station] * slowed(network, station);
    if (visits == 0 || (least_ps <= needs_ps && now_ps == 0))
        return now_ps;
    return fmax(0, now_ps + (least_ps - most->took_ps) / visits / 2);
}

/* The waiting that curves give in an epoch of this length; by how much it makes the epoch of a class
 * longer than the last waiting did. */
static double apply_curves(struct network *network, double needs_ps)
{
    double change_ps = 0;
    for (uint32_t node = 0; network->curves && node < network->nodes; node++) {
        const struct network_curve *const curve = &network->curve[node];
        const uint32_t station = network->controller[node];
        if (!curve->points || network->visited[station] <= 0)
            continue;
        const struct network_class *most = &network->class[0];
        for (uint32_t c = 1; c < network->classes; c++)
            if (network->class[c].accesses[node] > most->accesses[node])
                most = &network->class[c];
        network->beyond_ps[node] = beyond_curve_ps(network, node, most, needs_ps);
        const double lines = network->visited[station] + network->other[station];
        const double busy = lines / network->epoch_ps * network->service_ps[station];
        const double rate = busy * curve->rate[curve->points - 1];
        const double wait_ps = network_curve_wait(curve, rate) + network->beyond_ps[node];
        change_ps = fmax(change_ps, fabs(wait_ps - network->curve_wait_ps[node]) *
                                        (double)most->accesses[node]);
        network->curve_wait_ps[node] = wait_ps;
    }
    return change_ps;
}

/* The longer the epoch, the less waiting, and the shorter it needs to be: where that swings, the
 * length goes a smaller part of the way each time. Shares of thinned populations change little from
 * epoch to epoch; where this one has the classes and stations of the last, they take one step. */
static void solve(struct network *network, bool like_last)
{
    struct mva_steps *const steps = &network->steps;
    const struct mva_model model = {.classes = network->classes,
                                    .stations = network->actives,
                                    .customers = network->customers,
                                    .think = network->think_ps,
                                    .demand = network->demand};
    const double least_ps = network->epoch_ps; /* of CPUs that never wait */
    double gain = 1, went_ps = 0;
    bool begun = false;
    memset(network->curve_wait_ps, 0, sizeof network->curve_wait_ps);
    memset(network->beyond_ps, 0, sizeof network->beyond_ps);
    for (uint32_t step = 0; step < STEPS_MOST; step++) {
        const double needs_ps = find_length(network);
        const double goes_ps = (needs_ps > least_ps ? needs_ps : least_ps) - network->epoch_ps;
        if (goes_ps * went_ps < 0)
            gain = gain * 0.6 > GAIN_LEAST ? gain * 0.6 : GAIN_LEAST;
        went_ps = goes_ps;
        network->epoch_ps += gain * goes_ps;
        apply_length(network);
        const double curves_ps = apply_curves(network, needs_ps);
        const double change = mva_step(steps, &model);
        double thinned = 0;
        if (like_last && step == 0) {
            thinned = mva_step_thinned(steps, &model, THINNED);
            like_last = thinned < UNLIKE;
            if (!like_last)
                mva_steps_start(steps, network->classes, network->actives);
        } else if (!like_last) {
            begun = begun || (change < BEGUN && fabs(goes_ps) < BEGUN * network->epoch_ps);
            thinned = begun ? mva_step_thinned(steps, &model, 1) : 1;
        }
        if (change < TOLERANCE && thinned < TOLERANCE &&
            fabs(goes_ps) + curves_ps < TOLERANCE * network->epoch_ps)
            break;
    }
    find_length(network);
}

/* ---- results --------------------------------------------------------------------------------- */

static uint64_t whole(double number)
{
    return number < 0x1p62 ? (uint64_t)llround(number) : UINT64_C(1) << 62;
}

static void report_station(struct network *network, uint32_t station)
{
    struct network_station *const it = &network->result[station];
    const uint32_t column = network->active_of[station];
    const double service_ps = network->service_ps[station], visited = network->visited[station];
    const double accesses = visited + network->other[station];
    double queue = 0, wait_ps = 0, slower = 1;
    for (uint32_t c = 0; column != NETWORK_NO_STATION && c < network->classes; c++) {
        const size_t cell = (size_t)c * network->actives + column;
        queue += network->customers[c] * network->steps.share[cell];
        wait_ps += network->visits[cell] * network->wait_ps[cell] / visited;
        slower = network->steps.slower[column];
    }
    const bool curve = curve_of(network, station) != NULL;
    if (curve && visited > 0)
        wait_ps = network->curve_wait_ps[it->from];
    const double busy_ps = accesses * service_ps;
    const double part = network->epoch_ps > 0 ? busy_ps / network->epoch_ps : 0;
    queue += (slower - 1) * (1 + queue); /* what nobody waits for: taken / (1 - taken) each */
    if (curve && network->epoch_ps > 0)
        queue = accesses * (service_ps + wait_ps) / network->epoch_ps;
    it->accesses = whole(accesses);
    it->busy_ps = whole(busy_ps);
    it->utilisation_ppm = (uint32_t)lround((part < 1 ? part : 1) * 1e6);
    it->queue_thousandths = (uint32_t)lround((queue < 4e6 ? queue : 4e6) * 1e3);
    it->latency_ps = accesses > 0 ? whole(service_ps + wait_ps) : 0;
}

static void report_latencies(const struct network *network, uint64_t *latency_ps)
{
    const uint32_t nodes = network->nodes;
    for (uint32_t cpu = 0; cpu < nodes; cpu++) {
        const uint32_t c = network->class_of[cpu];
        for (uint32_t memory = 0; memory < nodes; memory++) {
            double ps = network->base_ps[cpu * nodes + memory];
            if (c != NETWORK_NO_STATION)
                ps += network->curve_wait_ps[memory];
            const struct network_path path = network_path(network, memory, cpu);
            for (uint32_t i = 0; c != NETWORK_NO_STATION && i < path.stations; i++) {
                const uint32_t column = network->active_of[network_station_on(network, &path, i)];
                if (column != NETWORK_NO_STATION)
                    ps += network->wait_ps[(size_t)c * network->actives + column];
            }
            latency_ps[cpu * nodes + memory] = whole(ps);
        }
    }
}

/* Who was there in an epoch. */
struct attendance {
    uint32_t classes, node[MACHINE_NODES_MAX];
    double customers[MACHINE_NODES_MAX];
};

static struct attendance attendance_of(const struct network *network)
{
    struct attendance who = {.classes = network->classes};
    for (uint32_t c = 0; c < network->classes; c++) {
        who.node[c] = network->class[c].node;
        who.customers[c] = network->customers[c];
    }
    return who;
}

static bool alike(const struct attendance *one, const struct attendance *other)
{
    bool are = one->classes == other->classes;
    for (uint32_t c = 0; are && c < one->classes; c++)
        are = one->node[c] == other->node[c] &&
              fabs(one->customers[c] - other->customers[c]) <= ALIKE * one->customers[c];
    return are;
}

void network_solve(struct network *network, const struct network_demand *demand,
                   uint64_t *latency_ps)
{
    const struct attendance before = attendance_of(network);
    gather(network, demand);
    const bool same_stations = find_active(network);
    fill_tables(network);
    const struct attendance now = attendance_of(network);
    const bool like_last = same_stations && alike(&before, &now);
    if (!like_last)
        mva_steps_start(&network->steps, network->classes, network->actives);
    if (network->classes && (network->actives || network->curves))
        solve(network, like_last);
    for (uint32_t station = 0; station < network->stations; station++)
        report_station(network, station);
    report_latencies(network, latency_ps);
}
