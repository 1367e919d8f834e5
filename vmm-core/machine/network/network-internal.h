/* The network object: what network.c builds once and network-epoch.c solves each epoch. Private to
 * this folder. */
#ifndef DISCO_NETWORK_INTERNAL_H
#define DISCO_NETWORK_INTERNAL_H

#include "vmm-core/machine/network/network-curve.h"
#include "vmm-core/machine/network/network-mva.h"
#include "vmm-core/machine/network/network-route.h"
#include "vmm-core/machine/network/network.h"

#define NETWORK_NO_STATION UINT32_MAX

/* CPUs of one node that made accesses in the epoch. */
struct network_class {
    uint32_t node;
    double busy_ps;           /* of the CPU that is slowest at flat latencies */
    const uint64_t *accesses; /* [nodes] of it */
    double flat_ps;           /* what it takes at flat latencies, */
    double took_ps;           /* and with the waiting found so far */
};

struct network {
    const struct machine *machine;
    uint32_t nodes, stations, controllers; /* link i is station controllers + i */
    struct network_routes routes;
    uint32_t *controller;           /* [nodes] station, or NETWORK_NO_STATION */
    double *service_ps;             /* [stations] 0: not known, never busy */
    struct network_curve *curve;    /* [nodes] */
    double *base_ps;                /* [nodes * nodes] latency without waiting */
    struct network_station *result; /* [stations] */

    /* The epoch. Tables have a row for each class and a column for each active station: one that has
     * a service time and no curve, and is visited by CPUs. */
    uint32_t classes, actives;
    struct network_class class[MACHINE_NODES_MAX];
    double customers[MACHINE_NODES_MAX], think_ps[MACHINE_NODES_MAX];
    uint32_t class_of[MACHINE_NODES_MAX];        /* node -> class, or NETWORK_NO_STATION */
    double accesses[MACHINE_NODES_MAX];          /* by node of the CPUs */
    double squares[MACHINE_NODES_MAX];           /* sum over its CPUs */
    double *traffic;                             /* [nodes * nodes] accesses by CPUs */
    double *visited_before;                      /* [stations] of the last epoch */
    double *visited, *other;                     /* [stations] by CPUs; that nobody waits for */
    uint32_t *active, *was_active;               /* [stations] the active ones, now and before */
    uint32_t *active_of;                         /* [stations] its column */
    double *visits, *slowest, *demand, *wait_ps; /* the tables; slowest: visits of that CPU */
    uint32_t curves;                             /* nodes with one */
    double curve_wait_ps[MACHINE_NODES_MAX]; /* what the node's curve says, and beyond its end */
    double beyond_ps[MACHINE_NODES_MAX];
    double epoch_ps; /* T */
    struct mva_steps steps;
};

/* The stations that a line passes from the memory of `from` to the CPUs of `to`: the controller, if
 * there is one, and links. */
struct network_path {
    uint32_t stations, controller;
    const uint32_t *link;
};

static inline struct network_path network_path(const struct network *network, uint32_t from,
                                               uint32_t to)
{
    struct network_path path = {.controller = network->controller[from]};
    path.link = network_route(&network->routes, from, to, &path.stations);
    path.stations += path.controller != NETWORK_NO_STATION;
    return path;
}

/* The i-th of them. */
static inline uint32_t network_station_on(const struct network *network,
                                          const struct network_path *path, uint32_t i)
{
    if (path->controller == NETWORK_NO_STATION)
        return network->controllers + path->link[i];
    return i == 0 ? path->controller : network->controllers + path->link[i - 1];
}

#endif
