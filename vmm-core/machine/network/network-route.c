#include "vmm-core/machine/network/network-route.h"

#include <stdlib.h>
#include <string.h>

#define NO_LINK UINT32_MAX

/* The tree of routes from one node. */
struct tree {
    uint32_t hops[MACHINE_NODES_MAX]; /* UINT32_MAX: not reached */
    uint64_t latency_ns[MACHINE_NODES_MAX];
    uint32_t before[MACHINE_NODES_MAX]; /* the node before on the route */
};

/* link_of[from * nodes + to]: the fastest link there, or NO_LINK. */
static void find_links(const struct machine *machine, uint32_t *link_of)
{
    for (uint32_t pair = 0; pair < machine->nodes * machine->nodes; pair++)
        link_of[pair] = NO_LINK;
    for (uint32_t i = 0; i < machine->links; i++) {
        const struct machine_link *const link = &machine->link[i];
        uint32_t *const best = &link_of[link->from * machine->nodes + link->to];
        if (*best == NO_LINK || link->mb_per_s > machine->link[*best].mb_per_s)
            *best = i;
    }
}

/* Takes the nodes that are `hops` links away one further. true: some were reached. */
static bool step(const struct machine *machine, const uint32_t *link_of, struct tree *tree,
                 uint32_t hops)
{
    const uint32_t nodes = machine->nodes;
    bool reached = false;
    for (uint32_t at = 0; at < nodes; at++) {
        if (tree->hops[at] != hops)
            continue;
        for (uint32_t next = 0; next < nodes; next++) {
            if (link_of[at * nodes + next] == NO_LINK || tree->hops[next] <= hops)
                continue;
            const uint64_t ns = tree->latency_ns[at] + machine_latency_ns(machine, next, at);
            if (tree->hops[next] == hops + 1 && tree->latency_ns[next] <= ns)
                continue;
            tree->hops[next] = hops + 1;
            tree->latency_ns[next] = ns;
            tree->before[next] = at;
            reached = true;
        }
    }
    return reached;
}

static void find_tree(const struct machine *machine, const uint32_t *link_of, uint32_t from,
                      struct tree *tree)
{
    for (uint32_t node = 0; node < machine->nodes; node++)
        tree->hops[node] = UINT32_MAX;
    tree->hops[from] = 0;
    tree->latency_ns[from] = 0;
    for (uint32_t hops = 0; step(machine, link_of, tree, hops); hops++)
        ;
}

bool network_routes_new(struct network_routes *routes, const struct machine *machine)
{
    const uint32_t nodes = machine->nodes;
    const size_t pairs = (size_t)nodes * nodes;
    uint32_t *const link_of = calloc(pairs, sizeof *link_of);
    routes->nodes = nodes;
    routes->start = calloc(pairs + 1, sizeof *routes->start);
    routes->link = malloc(pairs * nodes * sizeof *routes->link); /* a route has nodes - 1 at most */
    const bool room = link_of && routes->start && routes->link;
    if (room)
        find_links(machine, link_of);
    uint32_t used = 0;
    for (uint32_t from = 0; room && from < nodes; from++) {
        struct tree tree;
        find_tree(machine, link_of, from, &tree);
        for (uint32_t to = 0; to < nodes; to++) {
            if (tree.hops[to] != UINT32_MAX)
                for (uint32_t at = to; at != from; at = tree.before[at])
                    routes->link[used++] = link_of[tree.before[at] * nodes + at];
            routes->start[(size_t)from * nodes + to + 1] = used;
        }
    }
    free(link_of);
    return room;
}

void network_routes_free(struct network_routes *routes)
{
    free(routes->start);
    free(routes->link);
}
