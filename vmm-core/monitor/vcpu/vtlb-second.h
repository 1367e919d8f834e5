/* The second-level TLB of a virtual CPU: what guests' TLB writes of pairs of 4 KiB pages said, in a set-associative
 * table. Which entry goes is decided by the order of writes alone (round robin in its set), never by
 * lookups. Whoever takes an entry out takes it out of the real TLB too. */
#ifndef DISCO_MONITOR_VTLB_SECOND_H
#define DISCO_MONITOR_VTLB_SECOND_H

#include <stdbool.h>
#include <stdint.h>

struct vtlb_second_entry {
    uint32_t key;   /* 0: none; see vtlb-second.c */
    uint32_t lo[2]; /* EntryLo0 and EntryLo1, as the guest wrote them */
};

struct vtlb_second {
    uint32_t sets, ways;             /* sets a power of two; 0: there is no second level */
    uint32_t globals;                /* entries with G set */
    struct vtlb_second_entry *entry; /* [sets * ways] */
    uint8_t *next;                   /* [sets] */
};

/* False: out of memory, or sizes that cannot be. */
bool vtlb_second_new(struct vtlb_second *second, uint32_t entries, uint32_t ways);
void vtlb_second_free(struct vtlb_second *second);

/* What maps the pair at `address` for the ASID; NULL: nothing. */
const struct vtlb_second_entry *vtlb_second_find(const struct vtlb_second *second, uint32_t address,
                                                 uint32_t asid);
/* Remembers a pair, global if its EntryLo say so; it must not be there yet. The entry that had to go is put into *gone
 * (key 0: none did). */
void vtlb_second_put(struct vtlb_second *second, uint32_t address, uint32_t asid,
                     const uint32_t lo[2], struct vtlb_second_entry *gone);
/* Forgets what maps the pair for the ASID, or, `global`, for any. */
void vtlb_second_drop(struct vtlb_second *second, uint32_t address, uint32_t asid, bool global);
/* Forgets all of an ASID that is not global. */
void vtlb_second_forget(struct vtlb_second *second, uint32_t asid);
void vtlb_second_clear(struct vtlb_second *second);

/* Of an entry. */
uint32_t vtlb_second_address(const struct vtlb_second_entry *entry);
uint32_t vtlb_second_asid(const struct vtlb_second_entry *entry);
bool vtlb_second_global(const struct vtlb_second_entry *entry);

#endif
