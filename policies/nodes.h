/* Choosing among the nodes that have memory, for policies that spread pages or keep to some nodes. */
#ifndef DISCO_POLICY_NODES_H
#define DISCO_POLICY_NODES_H

#include "policies/policy.h"

/* The `nth` node of a set that is not empty, counted from 0 and around the end. */
static inline uint32_t nodes_nth(uint64_t nodes, uint64_t nth)
{
    for (nth %= (uint64_t)__builtin_popcountll(nodes); nth > 0; nth--)
        nodes &= nodes - 1; /* drops the lowest */
    return (uint32_t)__builtin_ctzll(nodes);
}

/* The `nth` node with memory, counted from 0 and around the end. */
static inline uint32_t nodes_with_memory_nth(const struct policy_host *host, uint64_t nth)
{
    return nodes_nth(host->with_memory, nth);
}

static inline bool node_has_memory(const struct policy_host *host, uint32_t node)
{
    return (host->with_memory >> node & 1) != 0;
}

/* Does the node have a copy of the page? */
static inline bool node_has_page(const struct policy_page *page, uint32_t node)
{
    return page->home == node || (page->replicas >> node & 1) != 0;
}

/* ---- parameters. Unit "nodes": a set, bit n for node n, which a user writes as numbers ---- */

#define NODES_PARAM(what)                                                                          \
    {                                                                                              \
        .name = "nodes", .unit = "nodes", .standard = 0, .least = INT64_MIN, .most = INT64_MAX,    \
        .help = "the nodes " what "; results keep them as a bit mask, 0 for unset",                \
        .source = "ours: all that have memory"                                                     \
    }
#define NODES_PARAM_HOME                                                                           \
    {                                                                                              \
        .name = "home", .unit = "node", .standard = -1, .least = -1, .most = 63,                   \
        .help = "where the search begins; -1: at the CPU that touches the page",                   \
        .source = "Linux, set_mempolicy_home_node(): none"                                         \
    }

/* NULL, or what is wrong with the set on this machine. */
static inline const char *nodes_of_param(const struct policy_host *host, int64_t param,
                                         uint64_t *nodes)
{
    *nodes = param == 0 ? host->with_memory : (uint64_t)param;
    if (host->nodes < 64 && *nodes >> host->nodes != 0)
        return "nodes: the machine has no such node; give lower numbers";
    return (*nodes & ~host->with_memory) == 0
               ? NULL
               : "nodes: one of them has no memory; give those that have";
}

/* The same of a home node; UINT32_MAX: none. */
static inline const char *nodes_home_of_param(const struct policy_host *host, int64_t param,
                                              uint32_t *home)
{
    *home = param < 0 ? UINT32_MAX : (uint32_t)param;
    return param < (int64_t)host->nodes ? NULL
                                        : "home: the machine has no such node; give a lower number";
}

/* Of a set that is not empty, the node with room for the pages that is nearest to `from`, the lowest of
 * equals; where none has room, the nearest of all, and *room is false. */
static inline uint32_t nodes_nearest(struct policy_host *host, uint64_t nodes, uint32_t from,
                                     uint32_t pages, bool *room)
{
    uint32_t best = UINT32_MAX, nearest = UINT32_MAX;
    for (uint32_t node = 0; node < host->nodes; node++) {
        if ((nodes >> node & 1) == 0)
            continue;
        const uint32_t *row = host->latency_ns + (size_t)from * host->nodes;
        if (nearest == UINT32_MAX ||
            (nearest != from && (node == from || row[node] < row[nearest])))
            nearest = node;
        if (policy_free_frames(host, node) >= pages &&
            (best == UINT32_MAX || (best != from && (node == from || row[node] < row[best]))))
            best = node;
    }
    *room = best != UINT32_MAX;
    return *room ? best : nearest;
}

#endif
