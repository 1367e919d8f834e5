/* A page's number says its node. Linux interleaves a mapping by address (mbind, MPOL_INTERLEAVE:
 * offset in the mapping modulo the nodes); a policy here knows a page by its guest-physical number
 * alone, so that is what is taken. Numbers are given at first touch and kept, so a page that is
 * freed and used again comes back to its node, which round-robin does not promise. */
#include "policies/nodes.h"

static uint32_t place(void *state, struct policy_host *host, const struct policy_event *event)
{
    (void)state;
    return nodes_with_memory_nth(host, event->page);
}

static const struct policy interleave = {
    .abi = DISCO_POLICY_ABI,
    .name = "interleave",
    .summary = "page number modulo the nodes with memory",
    .place = place,
};
DISCO_POLICY(interleave);
