/* The policy of PLATINUM (Cox and Fowler, SOSP'89; its rule here is a recollection by way of
 * ASPLOS'91): memory is kept coherent page by page, as caches are line by line, until that does not
 * pay.
 *
 *     load by a node without a copy:  the page is replicated there
 *     store by a node that is not its home, or while others have replicas:
 *         the copies are invalid: replicas go, the page moves to the node that stores
 *     either of them less than `window` after copies became invalid:
 *         the page is frozen: it stays where it is, and remote nodes refer to it remotely
 *     each `defrost`, a daemon thaws all frozen pages
 *
 * What PLATINUM does at a page fault happens here at the first reference that caches let through, and
 * costs a handler. The daemon's own time is not charged. Times are those of epochs: two moments in one
 * epoch are no time apart, and a page cannot be thawed before the epoch ends. */
#include "policies/nodes.h"

#define NS_PER_MS 1000000u

struct platinum {
    uint64_t window_ns;
    uint64_t thaws; /* how often the daemon has run */
};

struct platinum_note {
    uint64_t invalid_ns; /* when copies last became invalid, and 1 added; 0: never */
    uint64_t frozen;     /* platinum.thaws when it was frozen, and 1 added; 0: never */
};

enum { WINDOW, DEFROST };
static const struct policy_param params[] = {
    [WINDOW] = {.name = "window",
                .unit = "ms",
                .standard = 10,
                .least = 0,
                .most = 3600000,
                .help = "a page needed again so soon after its copies became invalid is frozen",
                .source = "Cox and Fowler, PLATINUM: 10 ms (unchecked recollection)"},
    [DEFROST] = {.name = "defrost",
                 .unit = "ms",
                 .standard = 1000,
                 .least = 0,
                 .most = 3600000,
                 .help = "frozen pages are thawed so often; 0: never",
                 .source = "Cox and Fowler, PLATINUM: 1 s (unchecked recollection)"},
};

static const char *init(void *state, const struct policy_setup *setup, struct policy_wants *wants)
{
    struct platinum *self = state;
    self->window_ns = (uint64_t)setup->param[WINDOW] * NS_PER_MS;
    wants->signals = POLICY_SIGNAL_REFERENCE;
    wants->reference_period = 1;
    wants->tick_ns = (uint64_t)setup->param[DEFROST] * NS_PER_MS;
    wants->note_bytes = sizeof(struct platinum_note);
    return NULL;
}

static bool frozen(const struct platinum *self, const struct platinum_note *note)
{
    return note->frozen == self->thaws + 1;
}

static bool invalid_of_late(const struct platinum *self, const struct platinum_note *note,
                            uint64_t time_ns)
{
    return note->invalid_ns != 0 && time_ns - (note->invalid_ns - 1) < self->window_ns;
}

/* A store takes the page from whoever had copies. */
static void take(struct policy_host *host, const struct policy_event *event, uint32_t home)
{
    if (home != event->node && (!node_has_memory(host, event->node) ||
                                policy_migrate(host, event->page, event->node,
                                               "stored to by another node") != POLICY_DONE))
        return;
    struct platinum_note *note = policy_note(host, event->page);
    if (note != NULL)
        note->invalid_ns = event->time_ns + 1;
}

static void reference(void *state, struct policy_host *host, const struct policy_event *event)
{
    const struct platinum *self = state;
    struct policy_page page;
    if (!policy_page(host, event->page, &page) || node_has_page(&page, event->node) ||
        !node_has_memory(host, event->node))
        return;
    struct platinum_note *note = policy_note(host, event->page);
    if (note == NULL || frozen(self, note))
        return;
    policy_interrupt(host, event->cpu);
    if (invalid_of_late(self, note, event->time_ns))
        note->frozen = self->thaws + 1;
    else if (event->store)
        take(host, event, page.home);
    else
        policy_replicate(host, event->page, event->node, "read by another node");
}

/* The store that made replicas invalid: it is judged by what was before it. */
static void collapsed(void *state, struct policy_host *host, const struct policy_event *event)
{
    const struct platinum *self = state;
    struct policy_page page;
    struct platinum_note *note = policy_note(host, event->page);
    if (note == NULL || !policy_page(host, event->page, &page))
        return;
    if (invalid_of_late(self, note, event->time_ns))
        note->frozen = self->thaws + 1;
    note->invalid_ns = event->time_ns + 1;
    if (!frozen(self, note))
        take(host, event, page.home);
}

static void tick(void *state, struct policy_host *host, uint64_t time_ns)
{
    struct platinum *self = state;
    (void)host;
    (void)time_ns;
    self->thaws++;
}

static const struct policy platinum = {
    .abi = DISCO_POLICY_ABI,
    .name = "platinum",
    .summary =
        "pages are copied to readers and move to writers; frozen where that repeats too soon",
    .params = params,
    .param_count = sizeof params / sizeof params[0],
    .state_bytes = sizeof(struct platinum),
    .init = init,
    .place = policy_place_first_touch,
    .reference = reference,
    .tick = tick,
    .collapsed = collapsed,
};
DISCO_POLICY(platinum);
