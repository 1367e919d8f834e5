/* Pages go round the nodes in the order in which they are first touched: the task-wide interleaving
 * of Linux (set_mempolicy, MPOL_INTERLEAVE: next node after il_prev), and how the Disco paper
 * places pages where it wants no hot spot (SOSP'97, Figure 7). */
#include "policies/nodes.h"

struct round_robin {
    uint64_t next;
};

static uint32_t place(void *state, struct policy_host *host, const struct policy_event *event)
{
    struct round_robin *self = state;
    (void)event;
    return nodes_with_memory_nth(host, self->next++);
}

static const struct policy round_robin = {
    .abi = DISCO_POLICY_ABI,
    .name = "round-robin",
    .summary = "pages in turn over the nodes with memory, in the order of their first touch",
    .state_bytes = sizeof(struct round_robin),
    .place = place,
};
DISCO_POLICY(round_robin);
