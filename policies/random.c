/* Every page on a random node with memory: the null hypothesis that a policy has to beat. */
#include "policies/nodes.h"

static uint32_t place(void *state, struct policy_host *host, const struct policy_event *event)
{
    (void)state;
    (void)event;
    return nodes_with_memory_nth(host, policy_random(host) >> 32);
}

static const struct policy random_policy = {
    .abi = DISCO_POLICY_ABI,
    .name = "random",
    .summary = "each page on a random node with memory, by --seed",
    .place = place,
};
DISCO_POLICY(random_policy);
