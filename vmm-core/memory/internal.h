/* What the files of the memory subsystem share, and nobody else includes (but its tests).
 *
 *   address -> VPN -> [fast table] -> TLB -> second-level TLB -> the guest's tables -> PPN -> copy
 *
 *   guest     (space, VPN) -> PPN, backmaps, shares: one for all memories              guest*.c
 *   page      pmap: one record a PPN: its copies, its totals                             pmap.c
 *   frame     memmap: one record a machine page in use: owner, next copy, node           frames.c
 *   tlb       the arrays of a CPU's TLBs (tlb.h)                                         tlb.c
 *   tables    page tables that hardware walks (walk.h)                          tables.c, walk.c
 *   fast      direct-mapped shadow of the TLB's valid entries, for speed only            fast.c
 *
 * Indices are 32 bits wide and MEMORY_NONE means none. Records are only ever made on first use, so
 * a node of 512 GB costs nothing until its frames are touched. No pointer into pages or frames is
 * kept over anything that can add to them (a first touch) or over a call of the policy.
 *
 * The guest may be ahead: a page whose number is given out has no record here, or one that is not
 * placed, until this memory comes to its first reference.
 */
#ifndef DISCO_MEMORY_INTERNAL_H
#define DISCO_MEMORY_INTERNAL_H

#include "vmm-core/memory/guest-tables.h"
#include "vmm-core/memory/memory.h"
#include "vmm-core/memory/records.h"
#include "vmm-core/memory/walk.h"

/* The `what` byte of a reference, as memory.h describes it. */
enum memory_kind {
    MEMORY_FETCH,
    MEMORY_LOAD,
    MEMORY_STORE,
    MEMORY_TOUCH,
};
#define MEMORY_KIND_MASK 3u
#define MEMORY_KIND_NONE 4u /* a reference is never of it */

/* References that a guest of its own looks at before they are replayed: they stay in the first
 * caches of the host. */
#define MEMORY_OWN_REFERENCES 2048u

#define PS_PER_NS 1000u
/* Clocks stop here (106 days), so that neither a nonsensical idle time nor a sample that stands for
 * thousands of millions of references makes them run over. */
#define CLOCK_PS_MOST (UINT64_MAX / 2)

/* splitmix64 (Steele, Lea, Flood, OOPSLA'14; the public reference by Vigna): one word of state. */
static inline uint64_t random_next(uint64_t *state)
{
    uint64_t mixed = *state += UINT64_C(0x9E3779B97F4A7C15);
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94D049BB133111EB);
    return mixed ^ (mixed >> 31);
}

/* A number below `limit`: the high word of the 128-bit product. One draw. */
static inline uint32_t random_below(uint64_t *state, uint32_t limit)
{
    return (uint32_t)(((unsigned __int128)random_next(state) * limit) >> 64);
}

/* ---- CPUs (cpu.c) and their fast tables (fast.c) -------------------------------------------- */

/* A valid page of the TLB, or with no TLB a translation of the current space. `counts` holds what
 * has not been added to the page and the CPU yet: references in the low half, stores in the high.
 */
struct fast_entry {
    uint64_t vpn; /* TLB_EMPTY: none */
    uint64_t counts;
    uint64_t fresh_from; /* ordinal: lines last used before it are those of another copy */
    uint32_t page;
    uint32_t stamp;     /* index of the TLB entry, whose stamp each hit renews */
    uint32_t counted;   /* where the policy's counters of the page were last */
    uint16_t trigger;   /* the node's count that makes the page hot; 0: it is local, never */
    uint8_t node : 6;   /* that serves it */
    uint8_t listed : 1; /* in cpu.live */
    uint8_t slow_kind;  /* enum memory_kind that goes the slow way: a store to a page with replicas;
                         * else MEMORY_KIND_NONE */
};
_Static_assert(sizeof(struct fast_entry) == 40, "the table stays in the host's first cache");

struct cpu {
    uint32_t index, node;
    bool running; /* a stream has been dispatched on it */
    uint32_t stream, space;
    struct tlb tlb;   /* the hardware's; where it has several arrays, the first level's for 4 KiB */
    struct tlb *more; /* [mores] its other arrays, by rising level */
    uint32_t mores;
    struct tlb l2tlb; /* the monitor's, in memory */
    struct walker walker;
    struct fast_entry *fast;
    uint32_t *live; /* indices of fast entries filled since the last flush */
    uint32_t live_count;
    bool active;              /* has executed references in this epoch */
    uint64_t *loads, *stores; /* [nodes] settled accesses of this epoch; fetches are loads */
    uint64_t *refetches;      /* [nodes] of this epoch */
    uint64_t
        not_waiting_before_ps; /* all accounts but idle and stalls, at the start of this epoch */
    uint64_t hits[2][MACHINE_CACHES_MAX + 1]; /* of this epoch, [is a fetch][level], from level 2 */
    uint64_t executed;        /* references of this epoch that execution goes by, weighted */
    uint64_t executed_before; /* their counter when they were added last */
    struct memory_cpu_counters counters;
};

/* Array 0 of a hardware TLB is that of the first level for 4 KiB; there are `mores` more. */
static inline struct tlb *tlb_array(struct cpu *cpu, uint32_t at)
{
    return at ? &cpu->more[at - 1] : &cpu->tlb;
}
static inline bool tlb_levels_two(const struct cpu *cpu)
{
    return cpu->mores && cpu->more[cpu->mores - 1].level == 2;
}

/* ---- pages and frames ------------------------------------------------------------------------ */

#define PAGE_NOT_PLACED UINT8_MAX /* as first_home: more than any node's number */

/* One a guest page, and most are never acted on: what they need is elsewhere. */
struct page {
    uint32_t loads, stores, local; /* settled: the low halves; see `wide` */
    uint32_t master;               /* frame; MEMORY_NONE: not placed yet, or freed */
    uint32_t acted;                /* what was done with it; MEMORY_NONE: nothing */
    uint32_t counted;              /* where the policy's counters may be (counts.c) */
    uint8_t first_home, home;      /* home: the master's node, also when the page has been freed */
} __attribute__((packed));
_Static_assert(sizeof(struct page) == 26, "one a page");

/* The high halves of a page's totals, when one does not fit. There is one such page at most for
 * each 2^32 references of a trace. */
struct wide {
    uint32_t page;
    uint32_t loads, stores, local;
};

/* What was done with a page. */
struct acted {
    uint64_t moved;  /* lines last used before this ordinal are gone */
    uint32_t copies; /* the first of its replicas' chain */
    uint32_t migrations, replications, collapses;
    uint32_t interval; /* to which `moves` belongs */
    uint16_t moves;    /* migrations in it */
};
_Static_assert(sizeof(struct acted) == 32, "one a page that was acted on");

/* A replica. */
struct copy {
    uint64_t made;         /* lines last used before this ordinal are not its own */
    uint32_t frame;        /* whose owner is the page; MEMORY_NONE: the record is free */
    uint32_t next;         /* the page's next replica, or the next free record */
    uint32_t older, newer; /* replicas of one node in the order they were made */
};
_Static_assert(sizeof(struct copy) == 24, "one a replica, with a frame");

#define FRAME_OF_TABLE (MEMORY_NONE - 1) /* as owner: a page table (tables.c) */

enum frame_use { FRAME_FREE, FRAME_MASTER, FRAME_REPLICA };

struct frame {
    uint32_t page; /* owner, or FRAME_OF_TABLE; of a free one, the node's next free frame */
    uint8_t node : 6;
    uint8_t use : 2; /* enum frame_use; a table's is a master */
} __attribute__((packed));
_Static_assert(sizeof(struct frame) == 5, "one a machine page");
_Static_assert(MACHINE_NODES_MAX <= 64, "a node has 6 bits");

struct node {
    uint64_t frames;         /* it has */
    uint32_t fresh;          /* frames ever used, of them */
    uint32_t free;           /* first of the used and given back */
    uint32_t oldest, newest; /* replica on it: copy */
    uint64_t used, used_most, replicas, replicas_most;
    uint64_t local_accesses, remote_accesses;
    uint8_t
        by_distance[MACHINE_NODES_MAX]; /* nodes with memory, nearest first, itself if it has any */
};

/* Counters of this interval, kept for POLICY_SIGNAL_HOT: a record for each page that was referred to
 * in it (counts.c). A record belongs to the page that it names, if it is in use at all; so an
 * interval ends by forgetting that any is in use. */
struct counts {
    uint32_t page;
    uint16_t writes;
    uint16_t by_node[]; /* [nodes] */
};
struct counts_pool {
    uint8_t *record;     /* NULL: nobody asked */
    uint16_t *none;      /* [nodes] of a page that was not referred to: 0 */
    uint32_t each_bytes; /* of a record */
    uint32_t used, room;
    uint32_t interval; /* number of this one */
};
static inline struct counts *counts_at(const struct counts_pool *pool, uint32_t index)
{
    return (struct counts *)(void *)(pool->record + (size_t)index * pool->each_bytes);
}
static inline bool counts_is(const struct counts_pool *pool, uint32_t index, uint32_t page)
{
    return index < pool->used && counts_at(pool, index)->page == page;
}

struct memory {
    struct policy_host host; /* first: a service finds the object by it */
    struct memory_options options;
    const struct machine *machine;
    const struct guest *guest;
    struct guest *own; /* the same, if nobody else has it; else NULL */
    const struct policy *policy;
    struct policy_wants wants;
    void *state; /* the policy's */
    uint32_t nodes, page_shift, nodes_with_memory;
    bool keeps_spaces; /* TLBs may hold other spaces than the one that runs */
    bool has_caches;   /* the guest's */
    uint64_t hit_ps[2][MACHINE_CACHES_MAX + 1]; /* of a hit, as cpu.hits */
    struct caches_outcome outcome;              /* of a guest of its own */
    uint64_t tlb_random, policy_random;         /* generators: neither disturbs the other */
    uint64_t *host_frames;                      /* [nodes] */
    uint32_t *host_mb_per_s;                    /* [nodes] */
    struct node *node;                          /* [nodes] */

    struct cpu **cpu;  /* [machine cpus] NULL: not used yet */
    struct cpu **used; /* in order of first use */
    uint32_t used_count;
    struct cpu *acting;  /* on whose behalf the policy is called; NULL: nobody's (tick) */
    uint32_t fast_shift; /* the fast tables have 1 << fast_shift entries */
    bool in_pressure;
    uint32_t trigger; /* of hot pages; 0: the policy does not hear of them */
    uint64_t weight;  /* of a reference in counts of accesses and execution; 1 without weights */
    uint64_t times;   /* such a count stands for so many; 1 with weights */
    uint64_t each;    /* in such counts, of what has no weight: hits in caches */
    uint32_t step;    /* by which an access raises the policy's counter; 0 to 65535 */
    uint32_t note_words;
    char *failure; /* memory was short inside an action; reported at the next chance */

    struct page *page;
    uint32_t pages, pages_room;
    struct wide *wide;
    struct acted *acted;
    struct copy *copy;
    uint32_t wides, wides_room, acteds, acteds_room, copies, copies_room, copies_free;
    struct counts_pool counts;
    uint64_t *note; /* [notes_room][note_words] the policy's, by page; those of notes are in use */
    uint32_t notes, notes_room;
    struct frame *frame;
    uint32_t frames, frames_room;
    struct tables tables;
    uint32_t orders; /* bit n: there may be pages of 512^n (tlb.h) */
    uint8_t *block;  /* [blocks] enum block_state of 512 pages each; the rest is undecided */
    uint32_t blocks;

    uint64_t now; /* ordinal of the reference in work or last done; the first is 1 */
    uint64_t epoch_left, period_left, check_left; /* references until each is due */
    struct memory_epoch epoch;                    /* the open one */
    uint64_t *epoch_accesses;                     /* [nodes] */
    uint64_t next_tick_ns, next_reset_ns;
    uint64_t *traffic_loads, *traffic_stores; /* [nodes * nodes] of ended epochs */
    struct contention *contention;            /* NULL: flat latencies */
};

/* huge.c: blocks of the guest's (guest-tables.h) that huge pages back. A huge page has the number of
 * its first page; each page of 4 KiB in it has a record, a frame and replicas of its own, all on the same
 * nodes; totals, counters and times are those of the first. */
enum block_state {
    BLOCK_UNDECIDED, /* not touched yet */
    BLOCK_PART, /* nor this, but there was no room for the page of 1 GiB that it would be part of */
    BLOCK_SMALL, /* pages of 4 KiB: no room for a huge one, or it was split */
    BLOCK_HUGE,
    BLOCK_GIGANTIC, /* part of a page of 1 GiB, as 511 others are */
};
static inline bool huge_is(const struct memory *memory, uint32_t page)
{
    const uint32_t block = page >> GUEST_BLOCK_SHIFT;
    return block < memory->blocks && memory->block[block] >= BLOCK_HUGE;
}
/* Order of the page that a page's number is one of (tlb.h). */
static inline uint32_t huge_order(const struct memory *memory, uint32_t page)
{
    if (!huge_is(memory, page))
        return 0;
    return memory->block[page >> GUEST_BLOCK_SHIFT] == BLOCK_GIGANTIC ? 2 : 1;
}
/* The first page of the block of this order. */
static inline uint32_t huge_first(const struct memory *memory, uint32_t page, uint32_t order)
{
    return order > 1 ? guest_gigantic(memory->guest, page) : page & ~(guest_block_pages(order) - 1);
}
/* The page that a page's number stands for: the first of a huge page, or itself. */
static inline uint32_t huge_head(const struct memory *memory, uint32_t page)
{
    return huge_first(memory, page, huge_order(memory, page));
}
static inline uint32_t huge_pages(const struct memory *memory, uint32_t page)
{
    return guest_block_pages(huge_order(memory, page));
}
/* Order of the largest huge page that this first touch may place; 0: of none. */
uint32_t huge_wanted(const struct memory *memory, uint32_t page);
/* Decides the block of this order that begins there. */
char *huge_decide(struct memory *memory, uint32_t first, uint32_t order, enum block_state state);
/* Of copying the page, which may be huge. */
uint64_t huge_copy_ns(const struct memory *memory, uint32_t page);
enum policy_answer huge_split(struct memory *memory, uint32_t page, const char *reason);
enum policy_answer huge_merge(struct memory *memory, uint32_t page, const char *reason);
/* The page's mapping (space, VPN) has gone from the guest: no huge page can stand here. */
char *huge_forget(struct memory *memory, uint32_t page);

/* cpu.c */
char *cpu_use(struct memory *memory, uint32_t index, struct cpu **out);
void cpu_free(struct cpu *cpu);
/* The CPU that an action on a page of `home` is charged to: the one that executes the reference,
 * else the lowest used one of that node, else the lowest used one. NULL: no CPU has been used. */
struct cpu *cpu_for_action(struct memory *memory, uint32_t home);
static inline void cpu_charge(struct cpu *cpu, enum memory_account account, uint64_t ps)
{
    cpu->counters.account_ps[account] += ps;
    cpu->counters.clock_ps += ps;
}
uint64_t clock_furthest_ps(const struct memory *memory);

/* fast.c */
/* References with what the caches made of them; `at`: index of the first, as writebacks count. */
struct replayed {
    const uint64_t *addr;
    const uint8_t *what;
    const uint8_t *level; /* NULL: no caches */
    const uint32_t *age;
    const struct caches_writeback
        *writeback; /* the first that is not older than these references */
    uint32_t writebacks, at;
};
char *fast_references(struct memory *memory, struct cpu *cpu, struct replayed from,
                      size_t references);
/* The fast tables have at least so many entries, as a power of two. */
#define FAST_SHIFT_LEAST 9
static inline uint32_t fast_index(const struct memory *memory, uint64_t vpn)
{
    return (uint32_t)(vpn ^ (vpn >> FAST_SHIFT_LEAST)) & ((1u << memory->fast_shift) - 1);
}
void fast_drop(struct memory *memory, struct cpu *cpu, uint64_t vpn);
void fast_drop_range(struct memory *memory, struct cpu *cpu, uint64_t first, uint64_t pages);
void fast_flush(struct memory *memory, struct cpu *cpu);
void fast_settle(struct memory *memory, struct cpu *cpu);
/* epoch.c: adds what has been executed since the last time, at the weight in force. */
void epoch_sum_execution(const struct memory *memory, struct cpu *cpu);
void fast_settle_page(struct memory *memory, uint32_t page);

/* translate.c: everything a reference does that is not a hit in the fast table. `entry`: the place of
 * the TLB entry's stamp, from cpu.tlb.stamp on. */
char *translate(struct memory *memory, struct cpu *cpu, uint64_t vpn, struct tlb_half *half,
                uint32_t *entry, bool *missed);
/* Order of the page that a mapping of the guest's is part of (tlb.h). */
uint32_t translate_order(const struct memory *memory, uint32_t mapping);
/* Writes the translation anew into both TLBs, at no charge: the end of a fault handler. */
void translate_again(struct memory *memory, struct cpu *cpu, uint64_t vpn, struct tlb_half *half,
                     uint32_t *entry);

/* place.c: the page's first reference here. */
char *place_first_touch(struct memory *memory, struct cpu *cpu, uint32_t page);
/* The node wanted, also when it has no memory, or the next by distance with room; false: none has. */
bool place_find_room(struct memory *memory, struct cpu *cpu, uint32_t wanted, uint32_t *node);

/* pmap.c */
static inline bool pmap_placed(const struct memory *memory, uint32_t page)
{
    return page < memory->pages && memory->page[page].master != MEMORY_NONE;
}
/* Lines of the page that were last used before this ordinal are not those of its copy on `node`:
 * they went when the page moved, or came from another copy. A CPU of another node that finds a new
 * copy nearer at a later refill keeps what it fetched since that copy was made; when a page loses a
 * copy, its lines go from all caches, also those of the copies that stay. */
uint64_t pmap_fresh_from(const struct memory *memory, uint32_t page, uint32_t node);
static inline uint32_t pmap_copies(const struct memory *memory, uint32_t page)
{
    const uint32_t acted = memory->page[page].acted;
    return acted == MEMORY_NONE ? MEMORY_NONE : memory->acted[acted].copies;
}
/* Mapped read-only everywhere? */
static inline bool pmap_has_replicas(const struct memory *memory, uint32_t page)
{
    return pmap_copies(memory, page) != MEMORY_NONE;
}
/* Something is about to be done with the page. NULL: memory is short, and memory.failure says so. */
struct acted *pmap_act(struct memory *memory, uint32_t page);
/* The lines of the page that were last used before this ordinal are gone. */
void pmap_moved(struct memory *memory, uint32_t page, uint64_t ordinal);
/* Adds to the totals of a page. */
void pmap_count(struct memory *memory, uint32_t page, uint64_t loads, uint64_t stores, bool local);
struct page_totals {
    uint64_t loads, stores, local;
};
struct page_totals pmap_totals(const struct memory *memory, uint32_t page);
/* Gives the page its first frame. */
char *pmap_add(struct memory *memory, uint32_t page, uint32_t frame);
/* Frame of the page's copy on `node`, or MEMORY_NONE. */
uint32_t pmap_copy_on(const struct memory *memory, uint32_t page, uint32_t node);
/* Node of the copy that a CPU of `node` maps: its own, else the least latency; ties: master,
 * lowest. */
uint32_t pmap_nearest(const struct memory *memory, uint32_t page, uint32_t node);
uint64_t pmap_replicas(const struct memory *memory, uint32_t page); /* node mask */
/* After pmap_act(). NULL, or one line: memory is short, and nothing has changed. */
char *pmap_add_replica(struct memory *memory, uint32_t page, uint32_t frame);
void pmap_drop_replica(struct memory *memory, uint32_t copy); /* and frees its frame */
/* The same for a page that may be huge: of all its pages, the copies on that node. */
void pmap_drop_replicas(struct memory *memory, uint32_t page, uint32_t node);
void pmap_free(struct memory *memory, uint32_t page);
/* Frees every copy but `frame`, which is the master from now on. */
void pmap_keep_only(struct memory *memory, uint32_t page, uint32_t frame);

/* counts.c */
char *counts_new(struct memory *memory);
void counts_free(struct memory *memory);
/* The page's record of this interval: index in the pool. MEMORY_NONE: memory is short. */
uint32_t counts_of(struct memory *memory, uint32_t page);
/* The next interval begins. */
void counts_reset(struct memory *memory);

/* frames.c */
static inline void frames_tell_copied(const struct memory *memory, uint32_t page, uint32_t from,
                                      uint32_t to)
{
    const struct memory_frames *const frames = memory->options.frames;
    if (frames)
        frames->copied(frames->context, page, from, to, memory->frame[to].node);
}
/* Of all pages that the page's number stands for. */
static inline void frames_tell_remapped(const struct memory *memory, uint32_t page)
{
    const struct memory_frames *const frames = memory->options.frames;
    for (uint32_t at = page; frames && at < page + huge_pages(memory, page); at++)
        frames->remapped(frames->context, at);
}
static inline bool frames_free(const struct memory *memory, uint32_t node)
{
    return memory->node[node].used < memory->node[node].frames;
}
char *frames_take(struct memory *memory, uint32_t node, uint32_t page, uint32_t *frame);
void frames_give_back(struct memory *memory, uint32_t frame);
/* A replica joins or leaves its node's list, which is in the order they were made. */
void frames_list_replica(struct memory *memory, uint32_t copy);
void frames_unlist_replica(struct memory *memory, uint32_t copy);
/* Tells the policy, then gives up the oldest replica there. false: no free frame all the same. */
bool frames_make_room(struct memory *memory, struct cpu *cpu, uint32_t node);
/* The same for so many; more than one must be free as they are. */
bool frames_make_room_for(struct memory *memory, struct cpu *cpu, uint32_t node, uint32_t pages);

/* shootdown.c. All return the ps charged to all CPUs together. */
uint64_t shootdown(struct memory *memory, struct cpu *starter, uint32_t page);
/* One for 512 pages that are mapped one by one. */
uint64_t shootdown_block(struct memory *memory, struct cpu *starter, uint32_t first);
/* All mappings of a page, huge or not, go, at no charge. */
void shootdown_mappings(struct memory *memory, uint32_t page);
/* After `node` got a copy: all mappings become read-only, those of the node's CPUs point to it. */
uint64_t shootdown_to_replica(struct memory *memory, struct cpu *starter, uint32_t page,
                              uint32_t node);
/* One mapping goes, at no charge (the guest's own unmap). */
void shootdown_mapping(struct memory *memory, uint32_t space, uint64_t vpn);

/* migrate.c, replicate.c, action.c */
enum policy_answer migrate_page(struct memory *memory, uint32_t page, uint32_t node,
                                const char *reason);
enum policy_answer replicate_page(struct memory *memory, uint32_t page, uint32_t node,
                                  const char *reason);
enum policy_answer collapse_page(struct memory *memory, uint32_t page, const char *reason);
/* The page has replicas; the copy in frame `keep` stays alone. `fault_ps` has been charged for it
 * already. */
void collapse_now(struct memory *memory, struct cpu *cpu, uint32_t page, uint32_t keep,
                  uint64_t fault_ps, const char *reason);
void reclaim_replica(struct memory *memory, struct cpu *cpu, uint32_t copy);
/* Fills where the page is, and POLICY_NONSENSE where there is no such page or no memory on the node
 * that it is to go to. The CPU to be charged, as cpu_for_action(). */
struct cpu *action_begin(struct memory *memory, struct memory_action *action);
/* Keeps the error, if it is one, for the next chance to report it. */
bool action_failed(struct memory *memory, char *error);
bool action_page_exists(const struct memory *memory, uint32_t page);
enum policy_answer action_refuse(struct memory *memory, struct cpu *cpu,
                                 struct memory_action action);
void action_log(struct memory *memory, const struct cpu *cpu, struct memory_action action);

/* signal.c: calls of the policy, and the services it calls. */
extern const struct policy_services memory_services;
void signal_hot(struct memory *memory, struct cpu *cpu, uint32_t page, bool store);
void signal_reference(struct memory *memory, struct cpu *cpu, uint32_t page, bool store);
void signal_tlb_miss(struct memory *memory, struct cpu *cpu, uint32_t page, bool store);
void signal_collapsed(struct memory *memory, struct cpu *cpu, uint32_t page);

/* contention.c: accesses of this epoch that no CPU waits for one by one (network.h: other_reads and
 * other_writes). `from`: the node they come from; `to`: whose memory. Nothing with contention off. */
char *contention_new(struct memory *memory);
void contention_free(struct memory *memory);
void contention_reads(struct memory *memory, uint32_t from, uint32_t to, uint64_t accesses);
void contention_writes(struct memory *memory, uint32_t from, uint32_t to, uint64_t accesses);
/* A page, by a CPU of the node `by`. */
void contention_copy(struct memory *memory, uint32_t by, uint32_t from, uint32_t to);
/* At the end of an epoch, when all but the waiting for memory is charged: finds its latencies and
 * stations. Afterwards, when that is charged too, contention_settle() begins the next. */
void contention_solve(struct memory *memory);
uint64_t contention_latency_ps(const struct memory *memory, uint32_t from, uint32_t to);
void contention_settle(struct memory *memory);

/* epoch.c */
void epoch_begin(struct memory *memory);
void epoch_end(struct memory *memory, bool last);

#endif
