/* The Delay policy of the trace study of Bolosky, Scott, Fitzgerald, Fowler and Cox (ASPLOS'91; its
 * rule here is a recollection): as those that act at the first remote reference (ace, platinum), but
 * references are counted before the page is moved, so that what a move costs is likely to be earned.
 *
 *     each node's references to the page are counted while it has no copy
 *     the `references`th by a node, and counting begins anew:
 *         no store to the page since it moved last:  it is replicated there
 *         otherwise:                                 it moves there
 */
#include "policies/nodes.h"

#include <string.h>

struct delay {
    uint32_t references;
};

struct delay_note {
    uint32_t stored;  /* 1: since the page was placed or moved */
    uint32_t count[]; /* [nodes] */
};

enum { REFERENCES };
static const struct policy_param params[] = {
    [REFERENCES] = {.name = "references",
                    .unit = "references",
                    .standard = 128,
                    .least = 1,
                    .most = UINT32_MAX,
                    .help = "remote references by a node before the page comes to it",
                    .source = "ours: as trigger of the counter-threshold family, to compare"},
};

static size_t note_bytes(const struct policy_host *host)
{
    return sizeof(struct delay_note) + host->nodes * sizeof(uint32_t);
}

static const char *init(void *state, const struct policy_setup *setup, struct policy_wants *wants)
{
    struct delay *self = state;
    const uint64_t each = setup->refs_per_sample > 0 ? setup->refs_per_sample : 1;
    const uint64_t references = (uint64_t)setup->param[REFERENCES] / each;
    self->references = references > 0 ? (uint32_t)references : 1;
    wants->signals = POLICY_SIGNAL_REFERENCE;
    wants->reference_period = 1;
    wants->note_bytes = (uint32_t)note_bytes(setup->host);
    return NULL;
}

static void forget(struct policy_host *host, uint32_t page, bool stored)
{
    struct delay_note *note = policy_note(host, page);
    if (note == NULL)
        return;
    memset(note, 0, note_bytes(host));
    note->stored = stored;
}

static void reference(void *state, struct policy_host *host, const struct policy_event *event)
{
    const struct delay *self = state;
    struct policy_page page;
    struct delay_note *note = policy_note(host, event->page);
    if (note == NULL || !policy_page(host, event->page, &page))
        return;
    note->stored |= event->store;
    if (node_has_page(&page, event->node) || !node_has_memory(host, event->node) ||
        ++note->count[event->node] < self->references)
        return;
    const bool stored = note->stored != 0;
    policy_interrupt(host, event->cpu);
    if (!stored)
        policy_replicate(host, event->page, event->node, "read often enough by another node");
    const bool moved = stored && policy_migrate(host, event->page, event->node,
                                                "used often enough by another node") == POLICY_DONE;
    forget(host, event->page, stored && !moved);
}

static void collapsed(void *state, struct policy_host *host, const struct policy_event *event)
{
    (void)state;
    forget(host, event->page, true);
}

static const struct policy delay = {
    .abi = DISCO_POLICY_ABI,
    .name = "delay",
    .summary = "pages come to a node that made so many references: copies if read, else they move",
    .params = params,
    .param_count = sizeof params / sizeof params[0],
    .state_bytes = sizeof(struct delay),
    .init = init,
    .place = policy_place_first_touch,
    .reference = reference,
    .collapsed = collapsed,
};
DISCO_POLICY(delay);
