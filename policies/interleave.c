/* A page's address says its node, whoever touches it and in whatever order: Linux interleaves a
 * mapping so (mbind, MPOL_INTERLEAVE: offset in the mapping modulo the nodes). Where a mapping
 * begins is not known here, so offsets are from address 0: each mapping is spread as evenly, and
 * begins on another node. Huge pages are counted as such, as Linux counts in units of what it
 * allocates. */
#include "policies/nodes.h"

struct interleave {
    uint64_t nodes;
};

enum { NODES };
static const struct policy_param params[] = {
    [NODES] = NODES_PARAM("to spread pages over"),
};

static const char *init(void *state, const struct policy_setup *setup, struct policy_wants *wants)
{
    struct interleave *self = state;
    (void)wants;
    return nodes_of_param(setup->host, setup->param[NODES], &self->nodes);
}

static uint32_t place(void *state, struct policy_host *host, const struct policy_event *event)
{
    const struct interleave *self = state;
    (void)host;
    const uint64_t pages = event->pages > 1 ? event->pages : 1;
    return nodes_nth(self->nodes, event->vpn / pages);
}

static const struct policy interleave = {
    .abi = DISCO_POLICY_ABI,
    .name = "interleave",
    .summary = "each page on the node that its address says: virtual page number modulo the nodes",
    .params = params,
    .param_count = sizeof params / sizeof params[0],
    .state_bytes = sizeof(struct interleave),
    .init = init,
    .place = place,
};
DISCO_POLICY(interleave);
