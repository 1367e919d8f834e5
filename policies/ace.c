/* The policy of the ACE workstation (Bolosky, Fitzgerald and Scott, SOSP'89; its rule here is a
 * recollection by way of ASPLOS'91): pages follow their users at once, and one that has been taken by
 * stores too often is pinned.
 *
 *     load by a node without a copy:  the page is replicated there
 *     store by a node that is not its home, or while others have replicas:
 *         the page is taken: replicas go, it moves to the node that stores
 *     taken `moves` times: pinned, it does not move nor is copied any more
 *
 * ACE has a global memory to pin pages in; here a pinned page stays on its last home. What ACE does at
 * a page fault happens here at the first reference that caches let through, and costs a handler. */
#include "policies/nodes.h"

struct ace {
    uint32_t moves_most;
};

/* Of a page: how often it was taken. */
struct ace_note {
    uint32_t moves;
};

enum { MOVES };
static const struct policy_param params[] = {
    [MOVES] = {.name = "moves",
               .unit = "moves",
               .standard = 4,
               .least = 0,
               .most = 1000000,
               .help = "a page that stores have taken so often is pinned",
               .source = "Bolosky et al., ACE: 4 (unchecked recollection)"},
};

static const char *init(void *state, const struct policy_setup *setup, struct policy_wants *wants)
{
    struct ace *self = state;
    self->moves_most = (uint32_t)setup->param[MOVES];
    wants->signals = POLICY_SIGNAL_REFERENCE;
    wants->reference_period = 1;
    wants->note_bytes = sizeof(struct ace_note);
    return NULL;
}

static bool pinned(const struct ace *self, struct policy_host *host, uint32_t page)
{
    const struct ace_note *note = policy_note(host, page);
    return note == NULL || note->moves >= self->moves_most;
}

/* A store by a node that has not the page for itself. */
static void take(const struct policy_event *event, struct policy_host *host, uint32_t home)
{
    if (home != event->node &&
        policy_migrate(host, event->page, event->node, "stored to by another node") != POLICY_DONE)
        return; /* no room there: it stays, and may be taken later */
    struct ace_note *note = policy_note(host, event->page);
    if (note != NULL)
        note->moves++;
}

static void reference(void *state, struct policy_host *host, const struct policy_event *event)
{
    const struct ace *self = state;
    struct policy_page page;
    if (!policy_page(host, event->page, &page) || node_has_page(&page, event->node) ||
        !node_has_memory(host, event->node))
        return;
    if (pinned(self, host, event->page))
        return;
    policy_interrupt(host, event->cpu);
    if (event->store)
        take(event, host, page.home);
    else
        policy_replicate(host, event->page, event->node, "read by another node");
}

static void collapsed(void *state, struct policy_host *host, const struct policy_event *event)
{
    struct policy_page page;
    if (policy_page(host, event->page, &page) && node_has_memory(host, event->node) &&
        !pinned(state, host, event->page))
        take(event, host, page.home);
}

static const struct policy ace = {
    .abi = DISCO_POLICY_ABI,
    .name = "ace",
    .summary = "pages are copied to readers and move to writers; pinned after so many moves",
    .params = params,
    .param_count = sizeof params / sizeof params[0],
    .state_bytes = sizeof(struct ace),
    .init = init,
    .place = policy_place_first_touch,
    .reference = reference,
    .collapsed = collapsed,
};
DISCO_POLICY(ace);
