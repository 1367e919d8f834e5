/* The one header a policy sees.
 *
 * A policy decides where pages live. The memory subsystem calls it at the moments it asked to hear
 * of, hands it a view of pages and counters, and carries out what it asks: it can refuse, it
 * charges every step, and it logs each action with the reason the policy gave. A policy keeps its
 * state in a block that the caller owns, has no globals that change, and gets random numbers only
 * from here; so one trace, one machine, one policy and one seed give one result.
 *
 * To add one: a file policies/NAME.c that fills a struct policy and ends with DISCO_POLICY(it).
 * Nothing else is edited. Built as a shared object, the same file is a user's own policy.
 */
#ifndef DISCO_POLICY_H
#define DISCO_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 3: services, host and wants have grown: notes, interrupts, bandwidths. */
#define DISCO_POLICY_ABI 3u

/* What a policy may listen to. */
enum policy_signal {
    /* A page's counter for one node reaches the trigger, by a reference that was not local:
     * what the counters of FLASH's directory tell (Disco, SOSP'97, section 4.2.2). */
    POLICY_SIGNAL_HOT = 1u << 0,
    /* Every nth reference that reaches memory, n from policy_wants. */
    POLICY_SIGNAL_REFERENCE = 1u << 1,
    /* Every miss of the hardware TLB, of all its levels. */
    POLICY_SIGNAL_TLB_MISS = 1u << 2,
};

/* How an action ended. */
enum policy_answer {
    POLICY_DONE,
    POLICY_NO_FRAME, /* the node's memory is full, also after replicas were reclaimed */
    POLICY_NOTHING,  /* the page is there already */
    POLICY_NONSENSE, /* no such page or node, or a node without memory */
    POLICY_APART,    /* to merge: the 512 pages are not all there, alone, and on one node */
};

/* A page, as the policy may see it. Filled by policy_page(). */
struct policy_page {
    uint32_t page; /* guest-physical page number (PPN) */
    uint32_t home; /* node of the master copy */
    uint64_t
        replicas; /* nodes that hold a replica, bit n for node n; the master's not among them */
    /* [nodes] each node's references that reached memory in this interval; saturates. NULL: not
     * counted */
    const uint16_t *counts;
    uint16_t writes;      /* of them those that were stores; saturates */
    uint16_t moves;       /* migrations in this interval */
    uint32_t moves_total; /* migrations since the start */
    /* 4 KiB pages in it: 1, or for a huge page 512 (2 MiB) or 262144 (1 GiB). That one has the
     * number of its first page, and the counts of all; its other numbers are no pages until it is split. */
    uint32_t pages;
};

#define POLICY_NO_PAGE UINT32_MAX

/* What happened. */
struct policy_event {
    uint32_t page;
    uint32_t node; /* of the CPU that referred to it */
    uint32_t cpu;
    bool store;
    uint64_t time_ns; /* model time at the start of this epoch */
    uint64_t vpn;     /* virtual page number that was touched; place() alone, which a fault tells */
    /* place() alone, and only where policy_wants.tables asks: the page is a page table of this level
     * (1: of 4 KiB pages), made because `vpn` is mapped; `page` is POLICY_NO_PAGE. 0: a page. */
    uint32_t table_level;
    uint32_t pages; /* place() alone: 512 or 262144 if a huge page is to be placed, else 1 */
};

struct policy_host;

/* The services of the memory subsystem. Policies use the inline functions below. */
struct policy_services {
    enum policy_answer (*migrate)(struct policy_host *, uint32_t page, uint32_t node,
                                  const char *reason);
    enum policy_answer (*replicate)(struct policy_host *, uint32_t page, uint32_t node,
                                    const char *reason);
    enum policy_answer (*collapse)(struct policy_host *, uint32_t page, const char *reason);
    bool (*page)(struct policy_host *, uint32_t page, struct policy_page *out);
    uint32_t (*pages)(struct policy_host *);
    uint64_t (*free_frames)(struct policy_host *, uint32_t node);
    uint64_t (*random)(struct policy_host *);
    enum policy_answer (*split)(struct policy_host *, uint32_t page, const char *reason);
    enum policy_answer (*merge)(struct policy_host *, uint32_t page, const char *reason);
    void *(*note)(struct policy_host *, uint32_t page);
    void (*interrupt)(struct policy_host *, uint32_t cpu);
};

struct policy_host {
    const struct policy_services *services;
    uint32_t nodes;
    const uint32_t *latency_ns; /* [nodes * nodes], row: from, column: to */
    const uint64_t *frames;     /* [nodes] frames the node has; 0: no memory */
    uint64_t with_memory;       /* bit n: node n has memory */
    uint64_t with_cpus;         /* bit n: node n has CPUs */
    /* [nodes] what a node's memory gives at most: the end of the machine's curve for it, else a line in
     * each service_ps; 0: the machine does not say */
    const uint32_t *mb_per_s;
};

/* Moves the master copy; replicas are collapsed first. `reason`: a literal, kept in run_action. */
static inline enum policy_answer policy_migrate(struct policy_host *host, uint32_t page,
                                                uint32_t node, const char *reason)
{
    return host->services->migrate(host, page, node, reason);
}
/* Adds a copy on `node`; every mapping of the page becomes read-only. */
static inline enum policy_answer policy_replicate(struct policy_host *host, uint32_t page,
                                                  uint32_t node, const char *reason)
{
    return host->services->replicate(host, page, node, reason);
}
/* Frees every replica. */
static inline enum policy_answer policy_collapse(struct policy_host *host, uint32_t page,
                                                 const char *reason)
{
    return host->services->collapse(host, page, reason);
}
/* A huge page becomes 512 pages of the next smaller size, on the same node, whose counts begin at 0.
 */
static inline enum policy_answer policy_split(struct policy_host *host, uint32_t page,
                                              const char *reason)
{
    return host->services->split(host, page, reason);
}
/* The 512 pages that `page` is one of become a huge page of 2 MiB, if they were mapped together, are
 * all there, have no replicas and are on one node. A copy, as Linux's khugepaged makes it. */
static inline enum policy_answer policy_merge(struct policy_host *host, uint32_t page,
                                              const char *reason)
{
    return host->services->merge(host, page, reason);
}
/* false: no such page. */
static inline bool policy_page(struct policy_host *host, uint32_t page, struct policy_page *out)
{
    return host->services->page(host, page, out);
}
/* Pages placed so far: numbers 0 to this, without it. */
static inline uint32_t policy_pages(struct policy_host *host)
{
    return host->services->pages(host);
}
static inline uint64_t policy_free_frames(struct policy_host *host, uint32_t node)
{
    return host->services->free_frames(host, node);
}
/* What the policy keeps about a page: policy_wants.note_bytes, zeroed at first, aligned to 8. Good until
 * the next call. A huge page has that of its first page. NULL: no such page, no notes were asked for, or
 * memory is short and the run ends. */
static inline void *policy_note(struct policy_host *host, uint32_t page)
{
    return host->services->note(host, page);
}
/* The policy's handler has run on that CPU: it costs what a hot page costs, costs.hot_page_ns, and is
 * counted as one. For policies that decide by POLICY_SIGNAL_REFERENCE, which is free, what hardware
 * would tell by an interrupt or a fault; POLICY_SIGNAL_HOT has been charged already. */
static inline void policy_interrupt(struct policy_host *host, uint32_t cpu)
{
    host->services->interrupt(host, cpu);
}
/* 64 seeded random bits. */
static inline uint64_t policy_random(struct policy_host *host)
{
    return host->services->random(host);
}

struct policy_param {
    const char *name;
    const char *unit; /* "references", "ns", "node", "pages", "1 in n", ... */
    int64_t standard, least, most;
    const char *help;   /* one line */
    const char *source; /* of the default: paper and section, or why it is ours */
};

/* Filled by init: what the memory subsystem has to do for this policy. */
struct policy_wants {
    uint32_t signals;          /* of enum policy_signal */
    uint32_t trigger;          /* POLICY_SIGNAL_HOT: the count that makes a page hot */
    uint64_t reset_ns;         /* counters go back to 0 so often; 0: never */
    uint64_t tick_ns;          /* tick() so often in model time; 0: never. At epoch borders */
    uint64_t reference_period; /* POLICY_SIGNAL_REFERENCE: every nth */
    bool
        tables; /* place() is asked for page tables too; otherwise they go where they are first used */
    uint32_t note_bytes; /* policy_note() of each page; 0: none */
};

struct policy_setup {
    struct policy_host *host;
    const int64_t *param;     /* values, in the order of the table */
    uint64_t refs_per_sample; /* references that one recorded one stands for: thresholds in
                               * references are to be divided by it, and are at least 1 */
};

struct policy {
    uint32_t abi; /* DISCO_POLICY_ABI */
    const char *name, *summary;
    const struct policy_param *params;
    size_t param_count;
    size_t state_bytes; /* zeroed before init */
    /* NULL, or what is wrong with the parameters on this machine (a literal). Optional. */
    const char *(*init)(void *state, const struct policy_setup *setup, struct policy_wants *wants);
    /* The node for a page first touched by `event->node`. A full node falls back by distance; a
     * huge page for which it has no room becomes pages of the next smaller size, which are
     * asked for one by one. */
    uint32_t (*place)(void *state, struct policy_host *host, const struct policy_event *event);
    /* Optional: each is called only if it is there and asked for. */
    void (*hot)(void *state, struct policy_host *host, const struct policy_event *event);
    void (*reference)(void *state, struct policy_host *host, const struct policy_event *event);
    void (*tlb_miss)(void *state, struct policy_host *host, const struct policy_event *event);
    void (*tick)(void *state, struct policy_host *host, uint64_t time_ns);
    /* A node has no free frame, before replicas on it are reclaimed. */
    void (*pressure)(void *state, struct policy_host *host, uint32_t node);
    /* The mechanism collapsed a replicated page because of a store. */
    void (*collapsed)(void *state, struct policy_host *host, const struct policy_event *event);
};

/* Puts a policy where disco-replay finds it, and names it for dlsym in a shared object. */
#ifdef DISCO_POLICY_SHARED
#define DISCO_POLICY(object)                                                                       \
    const struct policy *disco_policy(void);                                                       \
    __attribute__((visibility("default"))) const struct policy *disco_policy(void)                 \
    {                                                                                              \
        return &(object);                                                                          \
    }                                                                                              \
    _Static_assert(1, "")
#else
#define DISCO_POLICY(object)                                                                       \
    static const struct policy *const disco_policy_entry                                           \
        __attribute__((used, section("disco_policies"))) = &(object)
#endif

/* First touch, the placement most policies begin with. */
static inline uint32_t policy_place_first_touch(void *state, struct policy_host *host,
                                                const struct policy_event *event)
{
    (void)state;
    (void)host;
    return event->node;
}

#endif
