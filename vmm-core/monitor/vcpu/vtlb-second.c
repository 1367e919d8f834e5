#include "vmm-core/monitor/vcpu/vtlb-second.h"

#include "vmm-core/machine/mips/cp0.h"

#include <stdlib.h>
#include <string.h>

/* A key is VPN2 and ASID, as in EntryHi, with bits that EntryHi has not. */
#define KEY_USED   UINT32_C(0x100)
#define KEY_GLOBAL UINT32_C(0x200) /* and ASID 0 */

#define VPN2_SHIFT 13

bool vtlb_second_new(struct vtlb_second *second, uint32_t entries, uint32_t ways)
{
    *second = (struct vtlb_second){0};
    if (!entries)
        return true;
    if (!ways || ways > 128 || entries % ways || entries > UINT32_C(1) << 24)
        return false;
    const uint32_t sets = entries / ways;
    if (sets & (sets - 1))
        return false;
    second->entry = calloc(entries, sizeof *second->entry);
    second->next = calloc(sets, sizeof *second->next);
    second->sets = sets;
    second->ways = ways;
    return second->entry && second->next;
}

void vtlb_second_free(struct vtlb_second *second)
{
    free(second->entry);
    free(second->next);
    *second = (struct vtlb_second){0};
}

static uint32_t key_of(uint32_t address, uint32_t asid, bool global)
{
    return (address & ENTRYHI_VPN2) | KEY_USED | (global ? KEY_GLOBAL : asid);
}

/* Neighbours have sets of their own; spaces are spread, since all have pages at the same addresses. */
static uint32_t set_of(const struct vtlb_second *second, uint32_t key)
{
    const uint32_t asid = key & ENTRYHI_ASID;
    return ((key >> VPN2_SHIFT) + asid * UINT32_C(0x9e5)) & (second->sets - 1);
}

static struct vtlb_second_entry *keyed(const struct vtlb_second *second, uint32_t key)
{
    struct vtlb_second_entry *const set =
        second->entry + (size_t)set_of(second, key) * second->ways;
    for (uint32_t way = 0; way < second->ways; way++)
        if (set[way].key == key)
            return &set[way];
    return NULL;
}

const struct vtlb_second_entry *vtlb_second_find(const struct vtlb_second *second, uint32_t address,
                                                 uint32_t asid)
{
    if (!second->sets)
        return NULL;
    const struct vtlb_second_entry *const own = keyed(second, key_of(address, asid, false));
    return own || !second->globals ? own : keyed(second, key_of(address, 0, true));
}

static void vacate(struct vtlb_second *second, struct vtlb_second_entry *entry)
{
    second->globals -= vtlb_second_global(entry);
    *entry = (struct vtlb_second_entry){0};
}

void vtlb_second_put(struct vtlb_second *second, uint32_t address, uint32_t asid,
                     const uint32_t lo[2], struct vtlb_second_entry *gone)
{
    *gone = (struct vtlb_second_entry){0};
    if (!second->sets)
        return;
    const bool global = lo[0] & lo[1] & ENTRYLO_G;
    const uint32_t key = key_of(address, asid, global), number = set_of(second, key);
    struct vtlb_second_entry *const set = second->entry + (size_t)number * second->ways;
    uint32_t way = 0;
    while (way < second->ways && set[way].key)
        way++;
    if (way == second->ways) {
        way = second->next[number];
        second->next[number] = (uint8_t)(way + 1 < second->ways ? way + 1 : 0);
        *gone = set[way];
        vacate(second, &set[way]);
    }
    set[way] = (struct vtlb_second_entry){key, {lo[0], lo[1]}};
    second->globals += global;
}

void vtlb_second_drop(struct vtlb_second *second, uint32_t address, uint32_t asid, bool global)
{
    if (!second->sets)
        return;
    if (!global) {
        struct vtlb_second_entry *const own = keyed(second, key_of(address, asid, false));
        if (own)
            vacate(second, own);
        struct vtlb_second_entry *const all =
            second->globals ? keyed(second, key_of(address, 0, true)) : NULL;
        if (all)
            vacate(second, all);
        return;
    }
    for (size_t i = 0; i < (size_t)second->sets * second->ways; i++)
        if (second->entry[i].key && !((second->entry[i].key ^ address) & ENTRYHI_VPN2))
            vacate(second, &second->entry[i]);
}

void vtlb_second_forget(struct vtlb_second *second, uint32_t asid)
{
    for (size_t i = 0; i < (size_t)second->sets * second->ways; i++)
        if ((second->entry[i].key & (KEY_USED | KEY_GLOBAL | ENTRYHI_ASID)) == (KEY_USED | asid))
            vacate(second, &second->entry[i]);
}

void vtlb_second_clear(struct vtlb_second *second)
{
    if (second->sets)
        memset(second->entry, 0, (size_t)second->sets * second->ways * sizeof *second->entry);
    second->globals = 0;
}

uint32_t vtlb_second_address(const struct vtlb_second_entry *entry)
{
    return entry->key & ENTRYHI_VPN2;
}

uint32_t vtlb_second_asid(const struct vtlb_second_entry *entry)
{
    return entry->key & ENTRYHI_ASID;
}

bool vtlb_second_global(const struct vtlb_second_entry *entry)
{
    return entry->key & KEY_GLOBAL;
}
