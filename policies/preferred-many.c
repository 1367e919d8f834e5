/* Linux's MPOL_PREFERRED_MANY: a page goes to the nearest node of a set with room, and where the set
 * is full, to the nearest of all (alloc_pages_preferred_many() in mm/mempolicy.c). Near to the CPU
 * that touches, or to the home node (set_mempolicy_home_node()). */
#include "policies/nodes.h"

struct preferred_many {
    uint64_t nodes;
    uint32_t home; /* UINT32_MAX: none */
};

enum { NODES, HOME };
static const struct policy_param params[] = {
    [NODES] = NODES_PARAM("that are preferred"),
    [HOME] = NODES_PARAM_HOME,
};

static const char *init(void *state, const struct policy_setup *setup, struct policy_wants *wants)
{
    struct preferred_many *self = state;
    (void)wants;
    const char *wrong = nodes_home_of_param(setup->host, setup->param[HOME], &self->home);
    if (wrong != NULL)
        return wrong;
    return nodes_of_param(setup->host, setup->param[NODES], &self->nodes);
}

static uint32_t place(void *state, struct policy_host *host, const struct policy_event *event)
{
    const struct preferred_many *self = state;
    const uint32_t from = self->home == UINT32_MAX ? event->node : self->home;
    bool room = false;
    const uint32_t pages = event->pages > 1 ? event->pages : 1;
    const uint32_t node = nodes_nearest(host, self->nodes, from, pages, &room);
    return room || pages > 1 ? node
                             : from; /* a huge page does not leave the set: small ones follow */
}

static const struct policy preferred_many = {
    .abi = DISCO_POLICY_ABI,
    .name = "preferred-many",
    .summary =
        "each page on the nearest node of a set with room, then on any (MPOL_PREFERRED_MANY)",
    .params = params,
    .param_count = sizeof params / sizeof params[0],
    .state_bytes = sizeof(struct preferred_many),
    .init = init,
    .place = place,
};
DISCO_POLICY(preferred_many);
