/* Places, moves, replicates and collapses pages at random, and splits and merges huge ones. It measures nothing: it is run to show
 * that nothing a policy does can make a program compute something else, or the bookkeeping
 * disagree. */
#include "policies/nodes.h"

enum { PERIOD };
static const struct policy_param params[] = {
    [PERIOD] = {.name = "period",
                .unit = "references",
                .standard = 1000,
                .least = 1,
                .most = INT64_C(1) << 32,
                .help = "one random action for so many recorded references",
                .source =
                    "ours: often enough to meet every state, rarely enough to leave time in it"},
};

#define HUGE_PAGES 512u

struct chaos {
    bool huge; /* there have been huge pages: they are split and merged too */
};

static const char *init(void *state, const struct policy_setup *setup, struct policy_wants *wants)
{
    (void)state;
    wants->signals = POLICY_SIGNAL_REFERENCE;
    wants->reference_period = (uint64_t)setup->param[PERIOD];
    return NULL;
}

static uint32_t place(void *state, struct policy_host *host, const struct policy_event *event)
{
    struct chaos *self = state;
    self->huge = self->huge || event->pages > 1;
    return nodes_with_memory_nth(host, policy_random(host) >> 32);
}

static void reference(void *state, struct policy_host *host, const struct policy_event *event)
{
    const struct chaos *self = state;
    struct policy_page it;
    (void)event;
    uint32_t pages = policy_pages(host);
    if (pages == 0)
        return;
    uint32_t page = (uint32_t)((policy_random(host) >> 32) % pages);
    uint32_t node = nodes_with_memory_nth(host, policy_random(host) >> 32);
    if (self->huge && !policy_page(host, page, &it))
        page -= page % HUGE_PAGES; /* a part of a huge page, as most numbers are then */
    switch ((policy_random(host) >> 32) %
            (self->huge ? 5 : 3)) { /* a refusal is one of the states to be met */
    case 0:
        policy_migrate(host, page, node, "chaos");
        break;
    case 1:
        policy_replicate(host, page, node, "chaos");
        break;
    case 2:
        policy_collapse(host, page, "chaos");
        break;
    case 3:
        policy_split(host, page, "chaos");
        break;
    default:
        policy_merge(host, page, "chaos");
        break;
    }
}

static const struct policy chaos = {
    .abi = DISCO_POLICY_ABI,
    .name = "chaos",
    .summary = "random migrations, replications and collapses, for tests of correctness",
    .params = params,
    .param_count = sizeof params / sizeof params[0],
    .state_bytes = sizeof(struct chaos),
    .init = init,
    .place = place,
    .reference = reference,
};
DISCO_POLICY(chaos);
