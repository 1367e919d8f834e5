/* Linux's MPOL_WEIGHTED_INTERLEAVE: as `interleave`, but of each round of pages a node gets as many in
 * a row as its weight says (weighted_interleave_nid() in mm/mempolicy.c).
 *
 * A weight that is not given is automatic, as in Linux from 6.16 on: of 32 the node's share of the
 * bandwidth of all, rounded down, but 1 at least; then all are divided by what divides them all
 * (reduce_interleave_weights()). 100 and 50 GB/s give 21:10, equal nodes 1:1. Linux takes the lower of
 * the bandwidths for reads and writes, a machine here has one. A weight that is given is taken as it
 * is, and leaves the others at their automatic values, as writing to one of the files nodeN does.
 */
#include "policies/nodes.h"

#define WEIGHTINESS   32u /* mm/mempolicy.c: weightiness */
#define GIVEN_NODES   16u
#define NODES_AT_MOST 64u

struct weighted_interleave {
    uint64_t sum;
    uint32_t weight[NODES_AT_MOST]; /* 0: not of the set */
};

#define WEIGHT_OF(n)                                                                               \
    [n] = {.name = "node" #n,                                                                      \
           .unit = "pages",                                                                        \
           .standard = 0,                                                                          \
           .least = 0,                                                                             \
           .most = 255,                                                                            \
           .help = "weight of node " #n "; 0: automatic, by the machine's bandwidths",             \
           .source = "Linux: 1 to 255, automatic unless written"}
static const struct policy_param params[] = {
    WEIGHT_OF(0),
    WEIGHT_OF(1),
    WEIGHT_OF(2),
    WEIGHT_OF(3),
    WEIGHT_OF(4),
    WEIGHT_OF(5),
    WEIGHT_OF(6),
    WEIGHT_OF(7),
    WEIGHT_OF(8),
    WEIGHT_OF(9),
    WEIGHT_OF(10),
    WEIGHT_OF(11),
    WEIGHT_OF(12),
    WEIGHT_OF(13),
    WEIGHT_OF(14),
    WEIGHT_OF(15),
    [GIVEN_NODES] = NODES_PARAM("to spread pages over"),
};

static uint32_t common_divisor(uint32_t a, uint32_t b)
{
    while (b != 0) {
        const uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Over all nodes with memory, as Linux does: the set of a program has no part in it. */
static void weigh(struct weighted_interleave *self, const struct policy_host *host)
{
    uint64_t sum = 0;
    uint32_t divisor = 0;
    for (uint32_t node = 0; node < host->nodes; node++)
        sum += host->mb_per_s[node];
    for (uint32_t node = 0; node < host->nodes; node++) {
        if (!node_has_memory(host, node))
            continue;
        const uint64_t share = sum > 0 ? WEIGHTINESS * (uint64_t)host->mb_per_s[node] / sum : 1;
        self->weight[node] = share > 0 ? (uint32_t)share : 1;
        divisor = common_divisor(self->weight[node], divisor);
    }
    for (uint32_t node = 0; node < host->nodes && divisor > 1; node++)
        self->weight[node] /= divisor;
}

static const char *init(void *state, const struct policy_setup *setup, struct policy_wants *wants)
{
    struct weighted_interleave *self = state;
    const struct policy_host *host = setup->host;
    uint64_t nodes = 0;
    (void)wants;
    const char *wrong = nodes_of_param(host, setup->param[GIVEN_NODES], &nodes);
    if (wrong != NULL)
        return wrong;
    weigh(self, host);
    for (uint32_t node = 0; node < GIVEN_NODES; node++) {
        if (setup->param[node] == 0)
            continue;
        if (node >= host->nodes || !node_has_memory(host, node))
            return "a weight is given to a node that is not there or has no memory";
        self->weight[node] = (uint32_t)setup->param[node];
    }
    for (uint32_t node = 0; node < host->nodes; node++) {
        if ((nodes >> node & 1) == 0)
            self->weight[node] = 0;
        self->sum += self->weight[node];
    }
    return NULL;
}

static uint32_t place(void *state, struct policy_host *host, const struct policy_event *event)
{
    const struct weighted_interleave *self = state;
    (void)host;
    uint64_t left = event->vpn / (event->pages > 1 ? event->pages : 1) % self->sum;
    uint32_t node = 0;
    while (left >= self->weight[node])
        left -= self->weight[node++];
    return node;
}

static const struct policy weighted_interleave = {
    .abi = DISCO_POLICY_ABI,
    .name = "weighted-interleave",
    .summary = "nodes in turn by address, each for as many pages as its weight (or bandwidth) says",
    .params = params,
    .param_count = sizeof params / sizeof params[0],
    .state_bytes = sizeof(struct weighted_interleave),
    .init = init,
    .place = place,
};
DISCO_POLICY(weighted_interleave);
