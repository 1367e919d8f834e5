/* Every page on one node. Linux's MPOL_BIND kills a program that outgrows its nodes; here, as with
 * MPOL_PREFERRED, a full node falls back by distance, so that every trace can be replayed. */
#include "policies/nodes.h"

struct bind {
    uint32_t node;
};

enum { NODE };
static const struct policy_param params[] = {
    [NODE] = {.name = "node",
              .unit = "node",
              .standard = 0,
              .least = 0,
              .most = 63,
              .help = "the node, counted from 0 in the order of the machine's list",
              .source = "ours: the first node"},
};

static const char *init(void *state, const struct policy_setup *setup, struct policy_wants *wants)
{
    struct bind *self = state;
    (void)wants;
    self->node = (uint32_t)setup->param[NODE];
    if (self->node >= setup->host->nodes)
        return "node: the machine has no such node; give a lower number";
    if (!node_has_memory(setup->host, self->node))
        return "node: that node has no memory; give one that has";
    return NULL;
}

static uint32_t place(void *state, struct policy_host *host, const struct policy_event *event)
{
    const struct bind *self = state;
    (void)host;
    (void)event;
    return self->node;
}

static const struct policy bind_policy = {
    .abi = DISCO_POLICY_ABI,
    .name = "bind",
    .summary = "every page on one node, the nearest others when it is full",
    .params = params,
    .param_count = sizeof params / sizeof params[0],
    .state_bytes = sizeof(struct bind),
    .init = init,
    .place = place,
};
DISCO_POLICY(bind_policy);
