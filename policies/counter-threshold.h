/* The counter-threshold family: migrate, replicate, and both, which is the policy of the Disco
 * paper.
 *
 * Hardware counts references to each page by each node and tells when a node that has the page
 * remote has made TRIGGER of them within a reset interval (Disco, SOSP'97, 4.2.2). Then, in the
 * terms of Verghese, Devine, Gupta and Rosenblum (ASPLOS'96), from which Disco says its policy
 * derives:
 *
 *     shared: some other node made SHARING references too
 *         few writes and memory to spare: replicate to the node
 *         otherwise (write-shared): leave it
 *     private
 *         not moved too often yet: migrate to the node
 *         otherwise (it would bounce): leave it
 *
 * A store to a replicated page collapses it; the memory subsystem does that by itself.
 *
 * The structure is printed. The five defaults are not: they are a recollection of ASPLOS'96, its
 * text unchecked, and so are parameters. Two comparisons are told both ways where they are quoted,
 * and chosen here:
 *   - a page may be replicated with up to WRITE stores in the interval (writes <= WRITE): one
 *     store, such as the one that initialised it, does not rule replication out;
 *   - a page moves at most MIGRATE times in an interval (moves < MIGRATE before the move).
 *
 * Samples. Where one recorded reference stands for n, TRIGGER and SHARING are divided by n and stay
 * at least 1, as ASPLOS'96 did for sampled misses. WRITE is an allowance, not a count to be
 * reached: it is divided too, and may become 0, for one sampled store stands for n stores.
 */
#ifndef DISCO_COUNTER_THRESHOLD_H
#define DISCO_COUNTER_THRESHOLD_H

#include "policies/nodes.h"

#define COUNTER_MOST 65534 /* the page counters are 16 bits and stay at 65535 */

#define COUNTER_PARAM_TRIGGER                                                                      \
    {                                                                                              \
        .name = "trigger", .unit = "references", .standard = 128, .least = 1,                      \
        .most = COUNTER_MOST,                                                                      \
        .help = "remote references by one node in an interval that make a page hot",               \
        .source = "Verghese et al., ASPLOS'96 (unchecked recollection; 96 for Engineering)"        \
    }
#define COUNTER_PARAM_SHARING                                                                      \
    {                                                                                              \
        .name = "sharing", .unit = "references", .standard = 32, .least = 1, .most = COUNTER_MOST, \
        .help = "references by another node in an interval that make a page shared",               \
        .source = "Verghese et al., ASPLOS'96: a quarter of trigger (unchecked recollection)"      \
    }
#define COUNTER_PARAM_WRITE                                                                        \
    {                                                                                              \
        .name = "write", .unit = "stores", .standard = 1, .least = 0, .most = COUNTER_MOST,        \
        .help = "stores in an interval that a page may have and still be replicated",              \
        .source = "Verghese et al., ASPLOS'96 (unchecked recollection)"                            \
    }
#define COUNTER_PARAM_MIGRATE                                                                      \
    {                                                                                              \
        .name = "migrate", .unit = "migrations", .standard = 1, .least = 0, .most = COUNTER_MOST,  \
        .help = "times that a page may move in an interval",                                       \
        .source = "Verghese et al., ASPLOS'96 (unchecked recollection)"                            \
    }
#define COUNTER_PARAM_RESET                                                                        \
    {                                                                                              \
        .name = "reset", .unit = "ms", .standard = 100, .least = 0, .most = 3600000,               \
        .help = "length of an interval: all counters go back to 0; 0: never",                      \
        .source = "Verghese et al., ASPLOS'96 (unchecked recollection)"                            \
    }
#define COUNTER_PARAM_RESERVE                                                                      \
    {                                                                                              \
        .name = "reserve", .unit = "% of a node", .standard = 1, .least = 0, .most = 100,          \
        .help = "no replica on a node with no more than so much of its memory free",               \
        .source = "ours; ASPLOS'96 asks that memory be not short and prints no figure"             \
    }

/* What a member of the family does; 0 in `replicates` or `migrates` leaves that half out. */
struct counter_threshold {
    bool replicates, migrates;
    uint32_t sharing;
    uint32_t writes_most;
    uint32_t moves_most;
    uint32_t reserve_percent;
};

/* A number of references to be reached, in recorded references. */
static inline uint32_t counter_threshold_scaled(const struct policy_setup *setup,
                                                int64_t references)
{
    uint64_t scaled =
        (uint64_t)references / (setup->refs_per_sample > 0 ? setup->refs_per_sample : 1);
    return scaled > 0 ? (uint32_t)scaled : 1;
}

/* A number of references that is allowed, in recorded references. */
static inline uint32_t counter_threshold_allowance(const struct policy_setup *setup,
                                                   int64_t references)
{
    return (uint32_t)((uint64_t)references /
                      (setup->refs_per_sample > 0 ? setup->refs_per_sample : 1));
}

static inline void counter_threshold_listen(const struct policy_setup *setup, int64_t trigger,
                                            int64_t reset_ms, struct policy_wants *wants)
{
    wants->signals = POLICY_SIGNAL_HOT;
    wants->trigger = counter_threshold_scaled(setup, trigger);
    wants->reset_ns = (uint64_t)reset_ms * 1000000;
}

static inline bool counter_threshold_shared(const struct policy_host *host,
                                            const struct policy_page *page, uint32_t node,
                                            uint32_t sharing)
{
    for (uint32_t other = 0; other < host->nodes; other++)
        if (other != node && page->counts[other] >= sharing)
            return true;
    return false;
}

static inline bool counter_threshold_has_room(struct policy_host *host, uint32_t node,
                                              uint32_t reserve_percent)
{
    return policy_free_frames(host, node) > host->frames[node] / 100 * reserve_percent +
                                                host->frames[node] % 100 * reserve_percent / 100;
}

/* The rule, on a page that `event->node` has made hot. */
static inline void counter_threshold_hot(void *state, struct policy_host *host,
                                         const struct policy_event *event)
{
    const struct counter_threshold *rule = state;
    struct policy_page page;
    if (!policy_page(host, event->page, &page) || page.counts == NULL ||
        !node_has_memory(host, event->node))
        return;
    if (counter_threshold_shared(host, &page, event->node, rule->sharing)) {
        if (rule->replicates && page.writes <= rule->writes_most &&
            counter_threshold_has_room(host, event->node, rule->reserve_percent))
            policy_replicate(host, event->page, event->node, "hot, read by several nodes");
    } else if (rule->migrates && page.moves < rule->moves_most) {
        policy_migrate(host, event->page, event->node, "hot, used by one node");
    }
}

#endif
