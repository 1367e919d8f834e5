/* A page's address says its node, whoever touches it and in whatever order: Linux interleaves a
 * mapping so (mbind, MPOL_INTERLEAVE: offset in the mapping modulo the nodes). Where a mapping
 * begins is not known here, so offsets are from address 0: each mapping is spread as evenly, and
 * begins on another node. Huge pages are counted as such, as Linux counts in units of what it
 * allocates. */
#include "policies/nodes.h"

static uint32_t place(void *state, struct policy_host *host, const struct policy_event *event)
{
    (void)state;
    const uint64_t pages = event->pages > 1 ? event->pages : 1;
    return nodes_with_memory_nth(host, event->vpn / pages);
}

static const struct policy interleave = {
    .abi = DISCO_POLICY_ABI,
    .name = "interleave",
    .summary = "each page on the node that its address says: virtual page number modulo the nodes",
    .place = place,
};
DISCO_POLICY(interleave);
