/* Every page on one node, or on the nearest node of a set to the CPU that touches it or to the home node
 * (policy_nodemask() in Linux's mm/mempolicy.c). MPOL_BIND kills a program that outgrows its nodes;
 * here, as with MPOL_PREFERRED and MPOL_PREFERRED_MANY, a full set falls back by distance, so that
 * every trace can be replayed. */
#include "policies/nodes.h"

struct bind {
    uint64_t nodes;
    uint32_t home; /* UINT32_MAX: none */
};

enum { NODE, NODES, HOME };
static const struct policy_param params[] = {
    [NODE] = {.name = "node",
              .unit = "node",
              .standard = 0,
              .least = 0,
              .most = 63,
              .help = "the node, counted from 0 in the order of the machine's list",
              .source = "ours: the first node"},
    [NODES] = {.name = "nodes",
               .unit = "nodes",
               .standard = 0,
               .least = INT64_MIN,
               .most = INT64_MAX,
               .help =
                   "several nodes in place of `node`; results keep them as a bit mask, 0 for unset",
               .source = "ours: the one node"},
    [HOME] = NODES_PARAM_HOME,
};

static const char *init(void *state, const struct policy_setup *setup, struct policy_wants *wants)
{
    struct bind *self = state;
    (void)wants;
    const char *wrong = nodes_home_of_param(setup->host, setup->param[HOME], &self->home);
    if (wrong != NULL)
        return wrong;
    if (setup->param[NODES] != 0)
        return nodes_of_param(setup->host, setup->param[NODES], &self->nodes);
    const uint32_t node = (uint32_t)setup->param[NODE];
    self->nodes = UINT64_C(1) << node;
    if (node >= setup->host->nodes)
        return "node: the machine has no such node; give a lower number";
    if (!node_has_memory(setup->host, node))
        return "node: that node has no memory; give one that has";
    return NULL;
}

/* A full set: as if it had room, so that the fallback begins at its nearest node. */
static uint32_t place(void *state, struct policy_host *host, const struct policy_event *event)
{
    const struct bind *self = state;
    bool room = false;
    return nodes_nearest(host, self->nodes, self->home == UINT32_MAX ? event->node : self->home,
                         event->pages > 1 ? event->pages : 1, &room);
}

static const struct policy bind_policy = {
    .abi = DISCO_POLICY_ABI,
    .name = "bind",
    .summary =
        "every page on one node or the nearest of a set, the nearest others when that is full",
    .params = params,
    .param_count = sizeof params / sizeof params[0],
    .state_bytes = sizeof(struct bind),
    .init = init,
    .place = place,
};
DISCO_POLICY(bind_policy);
