/* Building the network of a machine: its stations, the routes between them, and what an access
 * takes without waiting. */
#include "vmm-core/machine/network/network.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm-core/machine/network/network-internal.h"

#define BYTES_PER_PS 1e-6 /* of 1 MB/s */
#define PS_PER_NS    1e3
#define LINE_BYTES   64u /* of a machine without caches */

uint32_t network_line_bytes(const struct machine *machine)
{
    uint32_t longest = 0;
    for (uint32_t i = 0; i < machine->caches; i++)
        if (machine->cache[i].line_bytes > longest)
            longest = machine->cache[i].line_bytes;
    return longest ? longest : LINE_BYTES;
}

static bool allocate(struct network *network)
{
    /* at least one of each, also where the caller has not checked the machine */
    const size_t nodes = (size_t)network->nodes + 1, stations = (size_t)network->stations + 1;
    const size_t table = nodes * stations + 1;
    network->controller = calloc(nodes, sizeof *network->controller);
    network->service_ps = calloc(stations, sizeof *network->service_ps);
    network->curve = calloc(nodes, sizeof *network->curve);
    network->base_ps = calloc(nodes * nodes, sizeof *network->base_ps);
    network->result = calloc(stations, sizeof *network->result);
    network->traffic = calloc(nodes * nodes, sizeof *network->traffic);
    network->visited = calloc(stations, sizeof *network->visited);
    network->visited_before = calloc(stations, sizeof *network->visited_before);
    network->other = calloc(stations, sizeof *network->other);
    network->active = calloc(stations, sizeof *network->active);
    network->was_active = calloc(stations, sizeof *network->was_active);
    network->active_of = calloc(stations, sizeof *network->active_of);
    network->visits = calloc(table, sizeof *network->visits);
    network->slowest = calloc(table, sizeof *network->slowest);
    network->demand = calloc(table, sizeof *network->demand);
    network->wait_ps = calloc(table, sizeof *network->wait_ps);
    return network->controller && network->service_ps && network->curve && network->base_ps &&
           network->result && network->traffic && network->visited_before && network->visited &&
           network->other && network->active && network->was_active && network->active_of &&
           network->visits && network->slowest && network->demand && network->wait_ps &&
           mva_steps_new(&network->steps, network->nodes, network->stations) &&
           network_routes_new(&network->routes, network->machine);
}

static void set_up_stations(struct network *network)
{
    const struct machine *const machine = network->machine;
    const double line = network_line_bytes(machine);
    uint32_t station = 0;
    for (uint32_t node = 0; node < network->nodes; node++) {
        const struct machine_node *const it = &machine->node[node];
        network->controller[node] = NETWORK_NO_STATION;
        if (!it->memory_bytes)
            continue;
        const uint32_t points = it->curve_points;
        network_curve_fit(&network->curve[node], points ? machine->curve + it->curve : NULL,
                          points);
        network->curves += points > 0;
        network->service_ps[station] =
            points ? line / network->curve[node].rate[points - 1] : it->service_ps;
        network->result[station] =
            (struct network_station){.kind = NETWORK_CONTROLLER, .from = node, .to = node};
        network->controller[node] = station++;
    }
    for (uint32_t i = 0; i < machine->links; i++, station++) {
        const struct machine_link *const link = &machine->link[i];
        network->service_ps[station] = line / (link->mb_per_s * BYTES_PER_PS);
        network->result[station] =
            (struct network_station){.kind = NETWORK_LINK, .from = link->from, .to = link->to};
    }
}

static void set_up_latencies(struct network *network)
{
    for (uint32_t cpu = 0; cpu < network->nodes; cpu++) {
        for (uint32_t memory = 0; memory < network->nodes; memory++) {
            const struct network_path path = network_path(network, memory, cpu);
            double services = 0;
            for (uint32_t i = 0; i < path.stations; i++)
                services += network->service_ps[network_station_on(network, &path, i)];
            const double latency_ps = machine_latency_ns(network->machine, cpu, memory) * PS_PER_NS;
            network->base_ps[cpu * network->nodes + memory] =
                latency_ps > services ? latency_ps : services;
        }
    }
}

char *network_new(const struct machine *machine, struct network **out)
{
    struct network *const network = calloc(1, sizeof *network);
    *out = network;
    if (network) {
        network->machine = machine;
        network->nodes = machine->nodes;
        for (uint32_t node = 0; node < machine->nodes; node++)
            network->controllers += machine->node[node].memory_bytes != 0;
        network->stations = network->controllers + machine->links;
    }
    if (!network || !allocate(network)) {
        network_free(network);
        *out = NULL;
        return strdup("not enough memory for the model of contention; use a larger host");
    }
    set_up_stations(network);
    set_up_latencies(network);
    return NULL;
}

void network_free(struct network *network)
{
    if (!network)
        return;
    free(network->controller);
    free(network->service_ps);
    free(network->curve);
    free(network->base_ps);
    free(network->result);
    free(network->traffic);
    free(network->visited);
    free(network->visited_before);
    free(network->other);
    free(network->active);
    free(network->was_active);
    free(network->active_of);
    free(network->visits);
    free(network->slowest);
    free(network->demand);
    free(network->wait_ps);
    mva_steps_free(&network->steps);
    network_routes_free(&network->routes);
    free(network);
}

const struct network_station *network_stations(const struct network *network, uint32_t *count)
{
    *count = network->stations;
    return network->result;
}
