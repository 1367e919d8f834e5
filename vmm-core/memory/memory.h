/* The monitor's memory subsystem: the only implementation of translation and placement.
 *
 * The live monitor drives it with a running guest, the replayer with a trace; the same calls give
 * the same counters to the last digit. One object belongs to one thread; objects share nothing.
 *
 * A reference goes: CPU -> hardware TLB (arrays, or levels of them) -> page walk, or the monitor's
 * second-level TLB -> pmap (first touch: policy.place and
 * a frame) -> caches -> master copy or the mapped replica -> counters -> policy. What of that does not
 * depend on the policy (VPN -> PPN, caches) is the guest's (guest.h), which memories can share.
 *
 * Time. The path of a reference only counts; at the end of each epoch the counts of
 * (CPU x node) are turned into time with the machine's latencies, every CPU's clock advances, and
 * the policy's interval and tick are looked at. An epoch is a fixed number of references. A clock
 * that would pass 106 days stops there, and memory_references() fails.
 *
 * `what` bytes are those of a trace: bits 0-1 fetch, load, store, touch; bit 2 kernel mode.
 * A touch counts as a load, and may write without our knowing.
 *
 * The rules of each step stand at the head of the file that does it: translate.c (refills, pairs,
 * second-level TLB), tlb-levels.c, walk.c and tables.c (hardware TLBs and page walks), place.c,
 * huge.c (pages of 2 MiB and 1 GiB), migrate.c, replicate.c, shootdown.c, signal.c (when a policy hears what),
 * epoch.c (time). In short:
 *  - a CPU maps the nearest copy; a page with replicas is read-only everywhere, and a store
 *    collapses it to its master copy;
 *  - a reference that a cache served is no access: it is not in the totals of pages and traffic, nor
 *    in what a policy counts and hears. Levels beyond the first cost execution their latency;
 *  - a line that a cache has kept since before its page moved is not there any more: a refetch, which
 *    stalls at the latency of the page's node, loads it, is charged to `move`, and is no access.
 *    When a page loses a copy its lines go from all caches; when it gains a replica, from those of
 *    the new copy's node (pmap_fresh_from() has the fine print);
 *  - what caches write back loads the page's home, and nobody waits for it;
 *  - a full node reclaims its oldest replica, after the policy was told of the pressure; a new page
 *    falls back to the next node by distance, an action is refused;
 *  - a huge page is placed, moved and counted as one; its totals stand at its first page;
 *  - actions are charged to the CPU whose reference led to them; those of a tick to the lowest
 *    used CPU of the page's home node, else to the lowest used CPU. POLICY_NOTHING is neither
 *    counted nor logged; the other refusals are both.
 *
 * Errors: NULL, or one line from malloc. After an error the object can only be freed.
 */
#ifndef DISCO_MEMORY_H
#define DISCO_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policies/policy.h"
#include "vmm-core/machine/machine.h"
#include "vmm-core/machine/network/network.h"
#include "vmm-core/memory/counters.h"
#include "vmm-core/memory/guest.h"

#define MEMORY_NO_NODE     UINT32_MAX
#define MEMORY_NO_PAGE     UINT32_MAX
#define MEMORY_WEIGHT_MOST (UINT64_C(1) << 32) /* heavier samples count as this */

enum memory_action_kind {
    MEMORY_ACTION_PLACE,
    MEMORY_ACTION_MIGRATE,
    MEMORY_ACTION_REPLICATE,
    MEMORY_ACTION_COLLAPSE,
    MEMORY_ACTION_RECLAIM, /* a replica given up because its node is full */
    MEMORY_ACTION_SPLIT,   /* a huge page becomes 512 of the next smaller size */
    MEMORY_ACTION_MERGE,   /* and back; `from` is their node, `to` MEMORY_NO_NODE, in both */
};

/* One action, done or refused, as it is logged. PLACE is not logged (run_page has the first home).
 */
struct memory_action {
    enum memory_action_kind kind;
    enum policy_answer answer;
    uint32_t page, from, to; /* nodes; `to` is MEMORY_NO_NODE for collapses */
    uint32_t cpu;
    uint64_t
        reference;    /* ordinal, in this object, of the reference that led to it; the first is 1 */
    uint64_t time_ns; /* model time at the start of the epoch */
    uint64_t cost_ns; /* charged to all CPUs together, shootdown included */
    const char *reason; /* the policy's literal, or the mechanism's */
};

/* A memory access in an epoch, for charts and for time: epochs are reported as they end. */
struct memory_epoch {
    uint64_t number, references; /* of this epoch */
    uint64_t start_ns, end_ns;   /* model time: the furthest CPU's clock */
    uint64_t local_accesses, remote_accesses;
    uint64_t migrations, replications, collapses, shootdowns; /* in this epoch */
    uint64_t frames_used, replica_frames;                     /* at its end */
    const uint64_t *node_accesses; /* [nodes] served by each node's memory in this epoch */
    /* What each controller and link did in it; NULL with contention off. */
    const struct network_station *station;
    uint32_t stations;
    uint64_t local_stall_ps, remote_stall_ps; /* over local_accesses and remote_accesses */
};

/* For a monitor that keeps the bytes of pages: what becomes of machine pages. Frames are numbered from 0
 * as they are first used. Called from within calls of this header, when no CPU runs; none may call back.
 * In a migration: copied, remapped, freed. */
struct memory_frames {
    void *context;
    void (*placed)(void *context, uint32_t page, uint32_t frame, uint32_t node); /* its first */
    /* The bytes of `from` are to be those of `to`; `from` is the page's master. */
    void (*copied)(void *context, uint32_t page, uint32_t from, uint32_t to, uint32_t to_node);
    void (*freed)(void *context, uint32_t frame);
    /* Every translation of the page that was made before is void, on all CPUs. */
    void (*remapped)(void *context, uint32_t page);
};

struct memory_options {
    const struct machine *machine; /* must outlive the object */
    /* Shared with other memories, and moved on by the caller, who calls memory_replay() and
     * memory_forget(). NULL: the object makes its own and moves it on itself. Must outlive it. */
    const struct guest *guest;
    bool misses;                    /* for a guest of its own: as struct guest_options has it */
    const struct guest_range *huge; /* the same */
    size_t huge_ranges;
    const struct guest_range *gigantic;
    size_t gigantic_ranges;
    bool contention; /* loaded latencies (network.h); false: the machine's, flat */
    const struct policy *policy;
    const int64_t *param; /* one for each of policy->params */
    uint64_t seed; /* two splitmix64 generators: TLB victims start from it, one draw for each refill
                    * of a full set; policies from the first draw of the one that starts from its
                    * complement */
    uint64_t refs_per_sample; /* each reference stands for so many: execution and stalls are
                                  multiplied */
    bool weighted; /* each reference stands for what memory_weigh() said last, and counts of
                    * accesses, of pages and of traffic are sums of weights. refs_per_sample is
                    * what policies divide by, then, and what hits in caches stand for; their
                    * counters of pages go up by weight / refs_per_sample, rounded */
    uint64_t epoch_references; /* 0: 16384 / refs_per_sample, at least 64; most: 2^31 */
    /* The trace has the guest's own handling of TLB misses and what the monitor did for it: a miss of
     * the second-level TLB costs tlb_refill_ns, not tlb_forward_ns. */
    bool guest_refills;
    bool has_fetches;     /* execution is charged by fetches; otherwise by data references */
    uint32_t check_every; /* events between runs of the consistency checker; 0: never */
    const struct memory_frames *frames; /* must outlive the object; or NULL */
    void *context;                      /* for the two below */
    void (*on_action)(void *context, const struct memory_action *action); /* or NULL */
    void (*on_epoch)(void *context, const struct memory_epoch *epoch);    /* or NULL */
};

struct memory;

char *memory_new(const struct memory_options *options, struct memory **out)
    __attribute__((warn_unused_result));
void memory_free(struct memory *memory);

/* Puts `stream` (thread or vCPU) with address space `space` on `cpu`. A TLB that is not tagged is
 * flushed by another stream, and where hardware refills it by another space: entries of one that
 * software refills carry the guest's ASID, and a monitor that does not virtualise ASIDs (Disco, 4.1)
 * flushes them when a different vCPU is dispatched. Where both are there already, nothing happens.
 * Drivers call it just before references, so that what is never run makes no difference. */
char *memory_dispatch(struct memory *memory, uint32_t cpu, uint32_t stream, uint32_t space)
    __attribute__((warn_unused_result));

/* From here on each reference stands for `weight`; for an object that is `weighted`, which begins with
 * refs_per_sample. A change costs a look at each page that the TLBs of CPUs hold. */
void memory_weigh(struct memory *memory, uint64_t weight);

/* References of the stream that is on `cpu`, in order; for an object with a guest of its own. */
char *memory_references(struct memory *memory, uint32_t cpu, const uint64_t *addr,
                        const uint8_t *what, size_t references) __attribute__((warn_unused_result));
/* The same where the guest is shared, after guest_references() and guest_commit(). `outcome` is that
 * of guest_references(), the first reference's at index `at`; NULL where the guest has no caches. */
char *memory_replay(struct memory *memory, uint32_t cpu, const uint64_t *addr, const uint8_t *what,
                    size_t references, const struct caches_outcome *outcome, uint32_t at)
    __attribute__((warn_unused_result));
/* Where the guest is shared: what guest_unmap_begin() listed is no longer mapped. */
char *memory_forget(struct memory *memory) __attribute__((warn_unused_result));

/* The pages that [start, end) of a space touches are no longer mapped there; a page that nothing
 * maps is freed, and its number is not used again. Costs nothing: it is the guest's own work. */
char *memory_unmap(struct memory *memory, uint32_t space, uint64_t start, uint64_t end)
    __attribute__((warn_unused_result));
/* The pages of [other_start, + bytes) of `other` are the pages of [start, ...) of `space` from now
 * on, touched already or not. What `other` had there before is unmapped. Both ranges start at the
 * same place in a page and do not overlap. */
char *memory_share(struct memory *memory, uint32_t space, uint64_t start, uint32_t other,
                   uint64_t other_start, uint64_t bytes) __attribute__((warn_unused_result));
/* ---- what a monitor does with guest-physical pages -----------------------------------------------
 * A VM's guest-physical pages are the pages of its space `physical` from GUEST_DIRECT_BASE on
 * (guest-writes.h), named by their VPN there. Where the guest is shared, these come after
 * guest_zero(), guest_dma() or guest_free_page() and guest_commit(). `cpu` need not be dispatched. */

/* The monitor zeroes the page. Placed as at a first touch if it has no frame (page_fault_ns, to the
 * monitor's account); otherwise written: its replicas collapse, and the zeroing costs the same. */
char *memory_zero(struct memory *memory, uint32_t cpu, uint32_t physical, uint64_t vpn)
    __attribute__((warn_unused_result));
/* A device moves pages, `out` of memory or into it. What has no frame is placed, as by memory_zero();
 * replicas of what it writes collapse. */
char *memory_dma(struct memory *memory, uint32_t cpu, uint32_t physical, uint64_t vpn,
                 uint64_t pages, bool out) __attribute__((warn_unused_result));
/* The guest gives the page back: its frames are free, its translations void, at no charge; counted on `cpu`. It keeps its
 * number and its mappings; the next touch or memory_zero() places it anew. Nothing happens where it
 * has no frame, shows another VM's page, or is part of a huge one. */
char *memory_free_page(struct memory *memory, uint32_t cpu, uint32_t physical, uint64_t vpn)
    __attribute__((warn_unused_result));
/* The monitor did `count` times this for what runs on `cpu`. */
char *memory_service(struct memory *memory, uint32_t cpu, enum memory_service kind, uint64_t count)
    __attribute__((warn_unused_result));
/* The guest has written its TLB, in space `space` of the VM `physical`: guest-writes.h says what of it. For an
 * object with a guest of its own; where it is shared, guest_write() and, where mappings change,
 * guest_write_begin(), memory_forget(), guest_write_end(). */
char *memory_tlb_write(struct memory *memory, uint32_t space, uint32_t physical, uint64_t entry_hi,
                       uint64_t entry_lo0, uint64_t entry_lo1, uint64_t page_mask)
    __attribute__((warn_unused_result));

/* The page of (space, VPN), or MEMORY_NO_PAGE: never touched. It may have no frame. */
uint32_t memory_find(const struct memory *memory, uint32_t space, uint64_t vpn);
/* The copy that a CPU of `node` maps; replicated: read-only, since there are others. false: the page has
 * no frame. `frame` and `replicated` may be NULL. */
bool memory_frame(const struct memory *memory, uint32_t page, uint32_t node, uint32_t *frame,
                  bool *replicated);

/* `cpu` had nothing to run for so long. It counts as used from now on. */
void memory_idle(struct memory *memory, uint32_t cpu, uint64_t idle_ns);

/* Ends the open epoch (also a short one) and brings every used CPU's clock to the furthest one with
 * idle time. Call once, after the last reference. */
void memory_finish(struct memory *memory);

/* Results. Pointers are valid until the next call that changes the object. Stalls, execution, local
 * and remote accesses, traffic and the totals of pages are brought up to date at the end of each
 * epoch, so memory_finish() comes first; everything else is always current. */
const struct memory_cpu_counters *memory_cpu(const struct memory *memory, uint32_t cpu);
bool memory_cpu_used(const struct memory *memory, uint32_t cpu);
uint64_t memory_time_ns(const struct memory *memory); /* the furthest CPU's clock */
/* [nodes * nodes]: accesses from a node's CPUs (row) to a node's memory (column); loads (and
 * fetches) or stores */
const uint64_t *memory_traffic_loads(const struct memory *memory);
const uint64_t *memory_traffic_stores(const struct memory *memory);

struct memory_node_state {
    uint64_t frames, frames_used, frames_used_most; /* replicas included */
    uint64_t replica_frames, replica_frames_most;
    uint64_t table_frames;                    /* page tables, of frames_used */
    uint64_t local_accesses, remote_accesses; /* served by this node's memory */
};
struct memory_node_state memory_node(const struct memory *memory, uint32_t node);

struct memory_page_state {
    uint32_t space; /* of the first mapping */
    uint64_t vpn;
    /* first_home MEMORY_NO_NODE: part of a page of 1 GiB, and not its first; both: not referred to
     * itself (guest_references() says how it has a number all the same) */
    uint32_t first_home, home;
    uint64_t replicas;      /* node mask, now */
    uint64_t loads, stores; /* accesses; fetches and touches count as loads */
    uint64_t local_accesses;
    uint32_t migrations, replications, collapses;
    bool mapped;
};
/* PPNs this memory has come to: 0 to this, without it. */
uint32_t memory_pages(const struct memory *memory);
struct memory_page_state memory_page(const struct memory *memory, uint32_t page);

/* What the policy has asked for. */
const struct policy_wants *memory_wants(const struct memory *memory);
/* The shared guest, or the object's own: what its caches have counted. */
const struct guest *memory_guest(const struct memory *memory);

/* DESIGN section 9.3: every frame has one owner or is free; pmap, memmap, backmaps, TLBs and
 * second-level TLBs agree; counters add up. NULL, or what disagrees. */
char *memory_check(const struct memory *memory) __attribute__((warn_unused_result));

#endif
