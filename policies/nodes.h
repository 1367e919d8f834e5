/* Choosing among the nodes that have memory, for policies that spread pages. */
#ifndef DISCO_POLICY_NODES_H
#define DISCO_POLICY_NODES_H

#include "policies/policy.h"

/* The `nth` node with memory, counted from 0 and around the end. */
static inline uint32_t nodes_with_memory_nth(const struct policy_host *host, uint64_t nth)
{
    uint64_t nodes = host->with_memory;
    for (nth %= (uint64_t)__builtin_popcountll(nodes); nth > 0; nth--)
        nodes &= nodes - 1; /* drops the lowest */
    return (uint32_t)__builtin_ctzll(nodes);
}

static inline bool node_has_memory(const struct policy_host *host, uint32_t node)
{
    return (host->with_memory >> node & 1) != 0;
}

#endif
