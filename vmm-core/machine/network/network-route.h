/* Which links a line takes from node to node: fewest links, ties by the sum of the machine's
 * latencies over them, then by the lower node before. Private to this folder. */
#ifndef DISCO_NETWORK_ROUTE_H
#define DISCO_NETWORK_ROUTE_H

#include "vmm-core/machine/machine.h"

struct network_routes {
    uint32_t nodes;
    uint32_t *start; /* [nodes * nodes + 1] in `link` */
    uint32_t *link;  /* indices of machine->link */
};

/* false: memory is short. */
bool network_routes_new(struct network_routes *routes, const struct machine *machine);
void network_routes_free(struct network_routes *routes);

/* The links, in no special order; none to the node itself, or where no route leads. */
static inline const uint32_t *network_route(const struct network_routes *routes, uint32_t from,
                                            uint32_t to, uint32_t *links)
{
    const size_t pair = (size_t)from * routes->nodes + to;
    *links = routes->start[pair + 1] - routes->start[pair];
    return routes->link + routes->start[pair];
}

#endif
