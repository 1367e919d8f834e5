/* The caches of the modelled machine, coherent between its CPUs.
 *
 * Any number of levels as the machine says: for each, size, ways, line, what it holds
 * (instructions, data, both), how many CPUs share one, index (virtual or physical), replacement
 * (LRU, or the pseudo-LRU tree), inclusion, and what a hit costs. All write back and allocate on a
 * store. Lines are kept coherent by an invalidation protocol (modified, exclusive, shared,
 * invalid) over lines of the longest line of all caches, with a directory that has an entry for
 * each line that is cached somewhere, and no other.
 *
 * A line is named by its guest-physical address (PPN and offset), and physically indexed caches are
 * indexed by it: a page that moves keeps its colour. So what the caches hold does not depend on
 * where pages live, and one pass of them serves every placement policy. What does depend on it is
 * left to the caller: a copy of a line that was last used before its page moved is no longer there
 * (`age`), but keeps its place in the order of replacement until it is fetched again.
 *
 * Misses are told apart for each cache:
 *   cold        the CPUs of this cache refer to the line for the first time
 *   coherence   the line was here and a store by a CPU of another cache took it; true sharing if a
 *               word that this reference touches was written since, false sharing otherwise
 *   capacity    any other: it was here and made room for another line (capacity or conflict), or was
 *               taken, but since then so many others that it would hardly be here still (as many
 *               blocks as the cache has lines)
 *
 * A reference that straddles two lines looks up both, counts as one access, and as one miss if
 * either misses; then the next level looks for both. One longer than the shortest line of all caches
 * is cut to it. (As Valgrind's cachegrind does: cachegrind/cg_sim.c of 3.19; tests/cli/caches-cachegrind.sh.)
 *
 * What goes where:
 *   lookup      level by level; a cache that misses is filled, from the last level up
 *   exclusive   filled by victims of the caches next above, modified or not; a hit takes the line out
 *   inclusive   a line that makes room takes its parts in the caches above along
 *   victims     a modified one is merged into the first cache behind that holds it, else written to
 *               memory; it makes no room on its way
 *   a store     takes the line from all caches that share no CPU with the storing CPU's first data
 *               cache. If some had it, it is served by the nearest cache that has it and that all of
 *               them use; by memory if there is none. A line that only this CPU has is stored to freely.
 *   a load      that the first cache has not: what others have modified is written to the cache that
 *               serves it, if they use it too, or else to memory; they keep the line
 *   code        a CPU's own stores do not change what its instruction caches hold
 *   virtual     a line is in a cache once: a fill under another virtual address moves it
 *   tree        pseudo-LRU needs ways that are a power of two; others have a bit a way, set by a use,
 *               all cleared but the last when all are set; the lowest way without it goes
 *
 * Owned by one thread. No allocation on the path of a reference that hits.
 */
#ifndef DISCO_CACHES_H
#define DISCO_CACHES_H

#include "vmm-core/machine/machine.h"

struct caches;

/* References of one CPU, in order. In one call, a virtual page is one physical page. `what` as in
 * vmm-core/memory/memory.h: bits 0-1 fetch, load, store, touch. */
struct caches_input {
    uint32_t cpu;
    uint32_t references;
    uint64_t first; /* ordinal of the first of them; every call goes on where the last ended */
    const uint64_t *virtual_address;
    const uint64_t *physical_address; /* guest-physical */
    const uint8_t *what;
    const uint64_t *bytes; /* accessed by each; NULL: no reference straddles two lines */
    /* Guest-physical address of the first byte on the second page, for each reference that straddles
     * two pages, in order; NULL: they straddle none. */
    const uint64_t *second_page;
};

#define CACHES_MEMORY 0 /* served by memory */

/* What became of each reference. */
struct caches_outcome {
    /* [references] level of the cache that served it, from 1; CACHES_MEMORY: its home's memory, also
     * for a store that must first take the line from other CPUs (an upgrade). Of a straddling
     * reference, the one that is further away. */
    uint8_t *level;
    /* [references] references since a CPU that shares the serving cache last referred to the line
     * through it while it stayed there (of an exclusive cache: before it came there); of several
     * lines at that level, the longest ago; saturates. 0 where memory served it. */
    uint32_t *age;
    /* Lines that went back to memory, in order. Grows by realloc; its owner frees it. */
    struct caches_writeback *writeback;
    uint32_t writebacks, writebacks_room;
};
struct caches_writeback {
    uint32_t at; /* index of the reference that led to it, as the caller counts them */
    uint32_t cpu;
    uint64_t physical_address;
};

/* Totals of one kind of cache on one level, over all CPUs. All integers. */
struct caches_counters {
    uint64_t accesses, misses;
    uint64_t cold, capacity, coherence; /* their sum is misses */
    uint64_t false_sharing;             /* of coherence */
    uint64_t upgrades;   /* stores that found the line here, and that others had it too */
    uint64_t writebacks; /* modified lines that this cache gave up: behind it, or to memory */
};

/* NULL, or one line. The machine must outlive it. A machine without caches has none: do not call. */
char *caches_new(const struct machine *machine, struct caches **out)
    __attribute__((warn_unused_result));
void caches_free(struct caches *caches);

/* `at`: index in outcome's arrays, and in writeback.at, of the first reference. NULL, or one line. */
char *caches_references(struct caches *caches, const struct caches_input *input,
                        struct caches_outcome *outcome, uint32_t at)
    __attribute__((warn_unused_result));

/* The page's lines are gone from all caches, unwritten: it has been freed. That they were there once
 * stays known: its number is not used again. */
void caches_forget_page(struct caches *caches, uint64_t physical_page);

/* Of machine->cache[index]. */
struct caches_counters caches_counted(const struct caches *caches, uint32_t index);
/* Of one CPU's share in it: a CPU's accesses and misses. */
struct caches_counters caches_counted_cpu(const struct caches *caches, uint32_t index,
                                          uint32_t cpu);

/* Inclusion, states, directory and counters agree; NULL, or what does not. Slow. */
char *caches_check(const struct caches *caches) __attribute__((warn_unused_result));

#endif
