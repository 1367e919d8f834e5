/* What the files of the caches share, and nobody else includes.
 *
 *   kind       one entry of machine->cache[]: its geometry                          caches.c
 *   instance   one cache: the CPUs that share it, its lines, the cache behind it     caches.c
 *   slot       room for one line, numbered over all caches of the machine            cache-set.c
 *   entry      directory: who holds a block, as a list through the slots             cache-directory.c
 *   history    which lines a cache has held, and which of them stores took away      cache-history.c
 *   short way  a reference that hits the first cache: the loop over references       cache-short.c
 *   near       one that misses it, and that the next cache serves at once             cache-near.c
 *   refer      one reference through the levels, where these ways do not do          cache-refer.c
 *
 * A block is what coherence is about: the longest line of all caches. The arrays of slots are
 * reserved for the whole machine and cost memory where CPUs run.
 */
#ifndef DISCO_CACHE_INTERNAL_H
#define DISCO_CACHE_INTERNAL_H

#include "vmm-core/machine/caches/caches.h"

#define CACHE_NONE       UINT32_MAX
#define CACHE_LEVELS_MAX 5u
#define CACHE_PARTS      2u /* lines that a reference touches at most */
#define CACHE_WORD_SHIFT 2u /* sharing is told true from false by words of 4 bytes */

enum cache_path { CACHE_CODE, CACHE_DATA, CACHE_PATHS };

enum cache_miss { CACHE_COLD, CACHE_CAPACITY, CACHE_TRUE_SHARING, CACHE_FALSE_SHARING };

struct cache_kind {
    uint32_t index, level; /* of machine->cache[] */
    uint32_t line_shift, ways;
    uint64_t sets;
    bool path[CACHE_PATHS], sets_are_power_of_two;
    bool virtual_index; /* by bits beyond the page; otherwise both indices are the same */
    bool inclusive, exclusive, has_above, plru, tree;
    uint32_t latency_ns;
};

/* Cold part of a slot; tag and stamp lie apart, as sets are searched by them. */
struct cache_line {
    uint64_t written; /* first-level data caches: words of the block stored to since the line came
                       * or was last reported to the history */
    uint64_t last;    /* tick of the last reference through a cache above that has given it up */
    uint32_t next, previous; /* holders of the block; CACHE_NONE ends */
    uint32_t entry;          /* of the directory */
    uint16_t instance;
    bool dirty;    /* beside `written`: to be written back when it goes */
    bool writable; /* first-level data caches: nobody else holds the block */
};

struct cache_instance {
    const struct cache_kind *kind;
    uint32_t first_cpu, last_cpu; /* places in the order of CPUs */
    uint32_t cpu;                 /* the first of them, as the machine numbers it */
    uint32_t below;               /* instance behind it; CACHE_NONE: memory */
    uint32_t first_slot;
    uint32_t *most_recent; /* [sets] way that was used last; NULL until it is used */
    uint64_t *plru;        /* [sets] or NULL */
    uint64_t **seen;       /* lines that it has looked for, by chunks of CACHE_CHUNK_LINES bits */
    uint64_t chunks;
    uint32_t losses, oldest_loss, newest_loss; /* of the history; CACHE_NONE: none */
};

#define CACHE_CHUNK_SHIFT 12u

struct cache_cpu {
    uint32_t place; /* in the order of CPUs */
    uint32_t path[CACHE_PATHS][CACHE_LEVELS_MAX];
    uint32_t depth[CACHE_PATHS];
    /* First data cache: its owner's name in the directory, CACHE_NONE: it has none; and the CPUs
     * that share it. */
    uint32_t top, top_first, top_last;
};

struct cache_entry {
    uint64_t block;
    uint32_t next; /* in its bucket, or free */
    uint32_t holders;
    uint32_t owner;   /* first-level data cache whose slots may be writable; CACHE_NONE */
    uint16_t pins;    /* kept though nobody holds it: a reference is at work on it */
    bool dirty_above; /* a slot that is not on the last level may be dirty without owner */
};

struct cache_directory {
    struct cache_entry *entry;
    uint32_t *bucket, buckets, entries, room, free;
};

/* Of one cache and block: lines that a store by others took away. */
struct cache_loss {
    uint64_t block, words; /* words of them that were stored to since */
    uint32_t next;         /* in its bucket, or free */
    uint32_t older, newer; /* of the same cache, by when the first of its lines was lost */
    uint32_t instance;
    uint32_t lines; /* a bit for each line of this cache in the block */
};

struct cache_history {
    struct cache_loss *loss;
    uint32_t *bucket, buckets, losses, room, free;
};

struct caches {
    const struct machine *machine;
    struct cache_kind kind[MACHINE_CACHES_MAX];
    struct cache_instance *instance;
    struct cache_cpu *cpu;
    struct caches_counters *counted; /* [caches * cpus] */
    uint32_t instances, slots;
    uint32_t block_shift, shortest_line;
    uint64_t *tag;   /* [slots] line + 1; 0: empty */
    uint64_t *stamp; /* [slots] tick of the last use, by which LRU goes */
    struct cache_line *line;
    struct cache_directory directory;
    struct cache_history history;
    bool no_memory;
    /* of the reference at work */
    uint32_t at_cpu, at;
    struct caches_outcome *outcome;
};

/* A line of a reference at one cache. */
struct cache_part {
    uint64_t physical, virtual_address;
    uint64_t words; /* of the block */
};

/* One reference, cut to the shortest line. */
struct cache_reference {
    const struct cache_cpu *cpu;
    enum cache_path path;
    bool store;
    uint64_t ordinal;
    uint64_t virtual_address, physical, second_page, bytes;
};

static inline uint64_t cache_tick(uint64_t ordinal, uint32_t part)
{
    return 2 * ordinal + part;
}

static inline bool cache_dirty(const struct cache_line *line)
{
    return line->dirty || line->written != 0;
}

static inline uint64_t cache_block_of(const struct caches *caches, uint64_t physical)
{
    return physical >> caches->block_shift;
}

/* Physical address of the line in a slot. */
static inline uint64_t cache_slot_address(const struct caches *caches, uint32_t slot)
{
    const struct cache_instance *cache = &caches->instance[caches->line[slot].instance];
    return (caches->tag[slot] - 1) << cache->kind->line_shift;
}

/* Words of the block that bytes [physical, + bytes) are; they lie in one block. */
static inline uint64_t cache_words(const struct caches *caches, uint64_t physical, uint64_t bytes)
{
    uint64_t in_block = physical & ((UINT64_C(1) << caches->block_shift) - 1);
    uint64_t first = in_block >> CACHE_WORD_SHIFT;
    uint64_t last = (in_block + (bytes != 0 ? bytes - 1 : 0)) >> CACHE_WORD_SHIFT;
    return (UINT64_MAX >> (63 - (last - first))) << first;
}

static inline struct caches_counters *cache_count(struct caches *caches,
                                                  const struct cache_kind *kind)
{
    return &caches->counted[(size_t)kind->index * caches->machine->cpus + caches->at_cpu];
}

static inline void cache_count_miss(struct caches_counters *counters, enum cache_miss miss)
{
    counters->misses++;
    counters->cold += miss == CACHE_COLD;
    counters->capacity += miss == CACHE_CAPACITY;
    counters->coherence += miss == CACHE_TRUE_SHARING || miss == CACHE_FALSE_SHARING;
    counters->false_sharing += miss == CACHE_FALSE_SHARING;
}

/* No CPU uses both this cache and the first data cache of `cpu`. */
static inline bool cache_is_other(const struct cache_instance *cache, const struct cache_cpu *cpu)
{
    return cache->last_cpu < cpu->top_first || cache->first_cpu > cpu->top_last;
}

/* All CPUs of `inner` use `outer` too. */
static inline bool cache_covers(const struct cache_instance *outer,
                                const struct cache_instance *inner)
{
    return outer->first_cpu <= inner->first_cpu && inner->last_cpu <= outer->last_cpu;
}

/* caches.c */
char *cache_out_of_memory(const struct machine *machine);

/* cache-set.c */
uint64_t cache_set(const struct cache_instance *cache, uint64_t virtual_address, uint64_t physical);
/* The slot of a line in one set; CACHE_NONE. */
uint32_t cache_find(const struct caches *caches, const struct cache_instance *cache, uint64_t set,
                    uint64_t line);
/* The slot of the line in this cache, in whichever set: those indexed virtually are searched by the
 * list of holders. */
uint32_t cache_find_anywhere(const struct caches *caches, uint32_t instance, uint64_t physical);
void cache_touch(struct caches *caches, const struct cache_instance *cache, uint64_t set,
                 uint32_t slot, uint64_t tick);
/* The bits of a set after a use of one way. */
uint64_t cache_plru_touched(const struct cache_kind *kind, uint64_t bits, uint32_t way);
/* The lowest empty way, else the victim. */
uint32_t cache_victim(const struct caches *caches, const struct cache_instance *cache,
                      uint64_t set);
bool cache_ready(struct cache_instance *cache);

/* cache-directory.c */
bool cache_directory_new(struct cache_directory *directory);
void cache_directory_free(struct cache_directory *directory);
uint32_t cache_directory_find(const struct cache_directory *directory, uint64_t block);
/* Made where it is not there; pinned. CACHE_NONE: memory is short. */
uint32_t cache_directory_pin(struct cache_directory *directory, uint64_t block);
void cache_directory_unpin(struct cache_directory *directory, uint32_t entry);
/* A slot begins or stops to hold a line of its entry's block. */
void cache_hold(struct caches *caches, uint32_t slot, uint32_t entry, uint32_t instance);
void cache_leave(struct caches *caches, uint32_t slot);

/* cache-history.c */
bool cache_history_new(struct cache_history *history);
void cache_history_free(struct cache_history *history);
/* Why the cache has not the line; from now on it has looked for it. `words`: of the reference. */
enum cache_miss cache_classify(struct caches *caches, uint32_t instance, uint64_t physical,
                               uint64_t words);
/* A store by others takes the line in this slot. */
void cache_lose(struct caches *caches, uint32_t slot);
/* Words that these CPUs stored to: they make sharing true for caches of others which lost them. */
void cache_report_words(struct caches *caches, uint32_t first_cpu, uint32_t last_cpu,
                        uint64_t block, uint64_t words);
void cache_forget_losses(struct caches *caches, uint64_t block);

/* cache-flow.c: lines that move between caches */
/* Empties the slot: its line goes to the cache behind, where that wants it. */
void cache_evict(struct caches *caches, uint32_t slot, uint64_t tick);
/* Tick of the last reference to the line through this slot's cache. */
uint64_t cache_last_use(const struct caches *caches, uint32_t slot);
/* A line is about to leave, not to make room: the caches behind learn when it was used. */
void cache_note_below(struct caches *caches, uint32_t slot);
/* Others that hold lines of the block: whether there are any, and the CPUs from the first to the last
 * of them. */
bool cache_others(const struct caches *caches, const struct cache_cpu *cpu, uint32_t entry,
                  uint32_t *first_cpu, uint32_t *last_cpu);
/* Before misses on this block are told apart: what its owner has stored to, if that is another. */
void cache_report_others(struct caches *caches, const struct cache_cpu *cpu, uint32_t entry);
/* A load or a fetch: others that have modified the block write it back and stay with it, unmodified.
 * A store (`take`): they lose it. `served`: a cache which both use takes what they have modified, and
 * the caller marks it there, if true is returned; otherwise memory does. */
bool cache_settle(struct caches *caches, const struct cache_cpu *cpu, uint32_t entry, bool take,
                  bool served);
void cache_write_to_memory(struct caches *caches, uint32_t cpu, uint64_t physical);
void cache_mark_dirty(struct caches *caches, uint32_t slot);

/* cache-near.c: does the same, or nothing and returns false */
bool cache_refer_near(struct caches *caches, const struct cache_reference *reference);

/* cache-refer.c: sets the level and the age of outcome[at] */
void cache_refer(struct caches *caches, const struct cache_reference *reference);

#endif
