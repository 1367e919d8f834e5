/* Page migration of the SGI Origin 2000 under IRIX: migration(5), refcnt(5), US patent 5,727,150.
 *
 * The directory counts references to each page by each node, up to a maximum, and interrupts where a
 * remote node's count is above the home's by more than a threshold. The handler begins the counts anew
 * and migrates the page to that node, unless
 *     the node is too near its home to gain enough (minimum distance);
 *     fewer interrupts than the dampening factor have been left without a move before this one;
 *     the page is frozen: it went back to where it had come from, soon after, too often. Each time
 *     makes a counter of 4 bits rise, any other move makes it fall; at the freezing threshold the page
 *     freezes, and it melts after as many bounce intervals as the melting threshold says.
 * Counts that both stand at the maximum have no difference any more: the unpegger clears them.
 *
 * That these controls are there, and the threshold's meaning, is from the manual pages. What figures
 * they had is a recollection where a source says so, and how bounces are counted and a page melts, that
 * the handler clears the counts, and what the two percentages are of, is ours. Distances are latencies
 * here, for the machine has no hops. IRIX's control by link traffic was off and is left out; so is
 * replication of program text, which `replicate` has.
 */
#include "policies/nodes.h"

#include <string.h>

#define BOUNCES_MOST 15u /* of a counter of 4 bits */
#define NS_PER_MS    1000000u

struct irix {
    uint32_t maximum, threshold; /* recorded references */
    uint32_t distance_percent;
    uint32_t dampening;
    uint32_t freeze_bounces; /* 0: never */
    uint64_t bounce_ns, melt_ns;
    uint64_t unpegs; /* how often the unpegger has run */
};

struct irix_note {
    uint64_t unpegs; /* irix.unpegs when the counts were last looked at */
    uint64_t moved_ns, frozen_ns;
    uint8_t came_from; /* node, and 1 added; 0: never moved */
    uint8_t bounces, left;
    bool frozen;
    uint16_t count[]; /* [nodes] */
};

enum { THRESHOLD, MAXIMUM, DISTANCE, DAMPENING, BOUNCE, FREEZE, MELT, UNPEG };
static const struct policy_param params[] = {
    [THRESHOLD] = {.name = "threshold",
                   .unit = "% of maximum",
                   .standard = 50,
                   .least = 0,
                   .most = 99,
                   .help = "references by which a remote node must be ahead of the page's home",
                   .source = "IRIX: 50 % (unchecked recollection)"},
    [MAXIMUM] = {.name = "maximum",
                 .unit = "references",
                 .standard = 2047,
                 .least = 1,
                 .most = 65535,
                 .help = "at which a page's counter for a node stays",
                 .source = "Origin 2000: 11 bits (unchecked recollection)"},
    [DISTANCE] = {.name = "distance",
                  .unit = "% of local latency",
                  .standard = 101,
                  .least = 0,
                  .most = 100000,
                  .help = "least latency between home and node for a move",
                  .source = "IRIX: one hop (unchecked recollection); here anything above local"},
    [DAMPENING] = {.name = "dampening",
                   .unit = "interrupts",
                   .standard = 0,
                   .least = 0,
                   .most = 4,
                   .help = "interrupts of a page without a move before one with",
                   .source = "IRIX: up to 4; ours: off"},
    [BOUNCE] = {.name = "bounce",
                .unit = "ms",
                .standard = 100,
                .least = 0,
                .most = 3600000,
                .help = "a page that goes back so soon bounces",
                .source = "ours: the interval of the counter-threshold family"},
    [FREEZE] = {.name = "freeze",
                .unit = "% of 15 bounces",
                .standard = 20,
                .least = 0,
                .most = 100,
                .help = "a page that bounces so often is frozen; 0: never",
                .source = "IRIX: 20 % (unchecked recollection)"},
    [MELT] = {.name = "melt",
              .unit = "% of 15 intervals",
              .standard = 90,
              .least = 0,
              .most = 100,
              .help = "a frozen page melts after so many times `bounce`",
              .source = "IRIX: 90 % (unchecked recollection)"},
    [UNPEG] = {.name = "unpeg",
               .unit = "ms",
               .standard = 1000,
               .least = 0,
               .most = 3600000,
               .help = "counts of pages with one at its maximum are cleared so often; 0: never",
               .source = "ours: ten intervals of the counter-threshold family"},
};

/* Of the most that a counter of bounces or intervals reaches, rounded up. */
static uint32_t part_of_most(int64_t percent)
{
    return ((uint32_t)percent * BOUNCES_MOST + 99) / 100;
}

static size_t note_bytes(const struct policy_host *host)
{
    return sizeof(struct irix_note) + host->nodes * sizeof(uint16_t);
}

static const char *init(void *state, const struct policy_setup *setup, struct policy_wants *wants)
{
    struct irix *self = state;
    const int64_t *param = setup->param;
    const uint64_t each = setup->refs_per_sample > 0 ? setup->refs_per_sample : 1;
    const uint64_t maximum = (uint64_t)param[MAXIMUM] / each;
    self->maximum = maximum > 0 ? (uint32_t)maximum : 1;
    self->threshold = self->maximum * (uint32_t)param[THRESHOLD] / 100;
    self->distance_percent = (uint32_t)param[DISTANCE];
    self->dampening = (uint32_t)param[DAMPENING];
    self->freeze_bounces = part_of_most(param[FREEZE]);
    self->bounce_ns = (uint64_t)param[BOUNCE] * NS_PER_MS;
    self->melt_ns = part_of_most(param[MELT]) * self->bounce_ns;
    wants->signals = POLICY_SIGNAL_REFERENCE;
    wants->reference_period = 1;
    wants->tick_ns = (uint64_t)param[UNPEG] * NS_PER_MS;
    wants->note_bytes = (uint32_t)note_bytes(setup->host);
    return NULL;
}

/* What the unpegger did to the page since it was last referred to. */
static void unpeg(const struct irix *self, const struct policy_host *host, struct irix_note *note)
{
    bool pegged = false;
    for (uint32_t node = 0; node < host->nodes && note->unpegs != self->unpegs; node++)
        pegged = pegged || note->count[node] >= self->maximum;
    if (pegged)
        memset(note->count, 0, host->nodes * sizeof *note->count);
    note->unpegs = self->unpegs;
}

/* Counts the reference; does it interrupt? */
static bool counts_up_to_interrupt(const struct irix *self, struct irix_note *note, uint32_t node,
                                   uint32_t home)
{
    note->count[node] = (uint16_t)(note->count[node] + (note->count[node] < self->maximum));
    return node != home && note->count[node] > note->count[home] + self->threshold;
}

static bool far_enough(const struct irix *self, const struct policy_host *host, uint32_t node,
                       uint32_t home)
{
    const uint32_t *row = host->latency_ns + (size_t)node * host->nodes;
    return (uint64_t)row[home] * 100 >= (uint64_t)row[node] * self->distance_percent;
}

/* Frozen still, or by this move that is wanted. */
static bool freezes(const struct irix *self, struct irix_note *note,
                    const struct policy_event *event)
{
    if (note->frozen && event->time_ns - note->frozen_ns < self->melt_ns)
        return true;
    if (note->frozen) {
        note->frozen = false;
        note->bounces = 0;
    }
    const bool back =
        note->came_from == event->node + 1 && event->time_ns - note->moved_ns < self->bounce_ns;
    if (back && note->bounces < BOUNCES_MOST)
        note->bounces++;
    else if (!back && note->bounces > 0)
        note->bounces--;
    if (!back || self->freeze_bounces == 0 || note->bounces < self->freeze_bounces)
        return false;
    note->frozen = true;
    note->frozen_ns = event->time_ns;
    return true;
}

static void reference(void *state, struct policy_host *host, const struct policy_event *event)
{
    const struct irix *self = state;
    struct policy_page page;
    struct irix_note *note = policy_note(host, event->page);
    if (note == NULL || !policy_page(host, event->page, &page))
        return;
    unpeg(self, host, note);
    if (!counts_up_to_interrupt(self, note, event->node, page.home))
        return;
    policy_interrupt(host, event->cpu);
    memset(note->count, 0, host->nodes * sizeof *note->count);
    if (!node_has_memory(host, event->node) || !far_enough(self, host, event->node, page.home))
        return;
    if (note->left < self->dampening) {
        note->left++;
        return;
    }
    note->left = 0;
    if (freezes(self, note, event))
        return;
    if (policy_migrate(host, event->page, event->node, "ahead of its home by the threshold") !=
        POLICY_DONE)
        return;
    note = policy_note(host, event->page);
    if (note != NULL) {
        note->came_from = (uint8_t)(page.home + 1);
        note->moved_ns = event->time_ns;
    }
}

static void tick(void *state, struct policy_host *host, uint64_t time_ns)
{
    struct irix *self = state;
    (void)host;
    (void)time_ns;
    self->unpegs++;
}

static const struct policy irix = {
    .abi = DISCO_POLICY_ABI,
    .name = "irix",
    .summary = "a page moves to a node that is ahead of its home by a threshold (SGI Origin 2000)",
    .params = params,
    .param_count = sizeof params / sizeof params[0],
    .state_bytes = sizeof(struct irix),
    .init = init,
    .place = policy_place_first_touch,
    .reference = reference,
    .tick = tick,
};
DISCO_POLICY(irix);
