/* Linux's MPOL_PREFERRED: a page goes to one node, and from there to the nearest with room (the
 * zonelist of the preferred node, policy_node() in mm/mempolicy.c). In a replay `bind:node=N` does
 * the same, for nothing here ends a program that outgrows its node. */
#include "policies/nodes.h"

struct preferred {
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
              .source = "ours: the first node; Linux keeps the first of the mask it is given"},
};

static const char *init(void *state, const struct policy_setup *setup, struct policy_wants *wants)
{
    struct preferred *self = state;
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
    const struct preferred *self = state;
    (void)host;
    (void)event;
    return self->node;
}

static const struct policy preferred = {
    .abi = DISCO_POLICY_ABI,
    .name = "preferred",
    .summary = "every page on one node, then on the nearest to it with room (MPOL_PREFERRED)",
    .params = params,
    .param_count = sizeof params / sizeof params[0],
    .state_bytes = sizeof(struct preferred),
    .init = init,
    .place = place,
};
DISCO_POLICY(preferred);
