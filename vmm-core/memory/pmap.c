/* pmap: what the monitor knows of each guest-physical page, above all where its copies are.
 *
 * A page has one master and, on other nodes, replicas; at most one copy a node. The replicas are
 * chained from the record of what was done with the page, which most pages do not have.
 */
#include "vmm-core/memory/internal.h"

char *pmap_add(struct memory *memory, uint32_t page, uint32_t frame)
{
    if (!memory_grow((void **)&memory->page, &memory->pages_room, page + 1, sizeof *memory->page))
        return memory_short();
    const struct page nowhere = {.master = MEMORY_NONE,
                                 .acted = MEMORY_NONE,
                                 .first_home = PAGE_NOT_PLACED,
                                 .home = PAGE_NOT_PLACED};
    while (memory->pages <= page)
        memory->page[memory->pages++] = nowhere;
    struct page *const it = &memory->page[page];
    it->home = memory->frame[frame].node;
    if (it->first_home == PAGE_NOT_PLACED) /* else the guest gave it back once */
        it->first_home = it->home;
    it->master = frame;
    return NULL;
}

struct acted *pmap_act(struct memory *memory, uint32_t page)
{
    struct page *const it = &memory->page[page];
    if (it->acted == MEMORY_NONE) {
        if (!memory_grow((void **)&memory->acted, &memory->acteds_room, memory->acteds + 1,
                         sizeof *memory->acted)) {
            if (!memory->failure)
                memory->failure = memory_short();
            return NULL;
        }
        it->acted = memory->acteds++;
        memory->acted[it->acted] = (struct acted){.copies = MEMORY_NONE};
    }
    return &memory->acted[it->acted];
}

void pmap_moved(struct memory *memory, uint32_t page, uint64_t ordinal)
{
    memory->acted[memory->page[page].acted].moved = ordinal;
}

/* ---- totals ---------------------------------------------------------------------------------- */

/* The low half of a sum; the high half is what a page's record cannot hold. */
static uint32_t sum(uint32_t low, uint64_t more, uint32_t *high)
{
    const uint64_t both = low + more;
    *high = (uint32_t)(both >> 32);
    return (uint32_t)both;
}

static __attribute__((noinline)) void widen(struct memory *memory, struct wide more)
{
    uint32_t at = 0;
    while (at < memory->wides && memory->wide[at].page != more.page)
        at++;
    if (at == memory->wides) {
        if (!memory_grow((void **)&memory->wide, &memory->wides_room, memory->wides + 1,
                         sizeof *memory->wide)) {
            if (!memory->failure)
                memory->failure = memory_short();
            return;
        }
        memory->wide[memory->wides++] = (struct wide){.page = more.page};
    }
    memory->wide[at].loads += more.loads;
    memory->wide[at].stores += more.stores;
    memory->wide[at].local += more.local;
}

void pmap_count(struct memory *memory, uint32_t page, uint64_t loads, uint64_t stores, bool local)
{
    struct page *const it = &memory->page[page];
    struct wide more = {.page = page};
    it->loads = sum(it->loads, loads, &more.loads);
    it->stores = sum(it->stores, stores, &more.stores);
    if (local)
        it->local = sum(it->local, loads + stores, &more.local);
    if (__builtin_expect((more.loads | more.stores | more.local) != 0, 0))
        widen(memory, more);
}

struct page_totals pmap_totals(const struct memory *memory, uint32_t page)
{
    const struct page *const it = &memory->page[page];
    struct page_totals totals = {.loads = it->loads, .stores = it->stores, .local = it->local};
    for (uint32_t at = 0; at < memory->wides; at++) {
        const struct wide *const high = &memory->wide[at];
        if (high->page != page)
            continue;
        totals.loads += (uint64_t)high->loads << 32;
        totals.stores += (uint64_t)high->stores << 32;
        totals.local += (uint64_t)high->local << 32;
    }
    return totals;
}

/* ---- copies ---------------------------------------------------------------------------------- */

static uint32_t node_of(const struct memory *memory, uint32_t copy)
{
    return memory->frame[memory->copy[copy].frame].node;
}

/* The replica on `node`, or MEMORY_NONE. */
static uint32_t replica_on(const struct memory *memory, uint32_t page, uint32_t node)
{
    uint32_t copy = pmap_copies(memory, page);
    while (copy != MEMORY_NONE && node_of(memory, copy) != node)
        copy = memory->copy[copy].next;
    return copy;
}

uint32_t pmap_copy_on(const struct memory *memory, uint32_t page, uint32_t node)
{
    const struct page *const it = &memory->page[page];
    if (it->home == node)
        return it->master;
    const uint32_t copy = replica_on(memory, page, node);
    return copy == MEMORY_NONE ? MEMORY_NONE : memory->copy[copy].frame;
}

uint64_t pmap_fresh_from(const struct memory *memory, uint32_t page, uint32_t node)
{
    const struct page *const it = &memory->page[page];
    if (it->acted == MEMORY_NONE)
        return 0;
    const uint64_t moved = memory->acted[it->acted].moved;
    const uint32_t copy = it->home == node ? MEMORY_NONE : replica_on(memory, page, node);
    const uint64_t made = copy == MEMORY_NONE ? 0 : memory->copy[copy].made;
    return made > moved ? made : moved; /* another replica may have gone since */
}

uint32_t pmap_nearest(const struct memory *memory, uint32_t page, uint32_t node)
{
    const uint32_t home = memory->page[page].home;
    uint32_t nearest = home;
    for (uint32_t copy = pmap_copies(memory, page); copy != MEMORY_NONE;
         copy = memory->copy[copy].next) {
        const uint32_t other = node_of(memory, copy);
        if (other == node)
            return node;
        const uint32_t latency = machine_latency_ns(memory->machine, node, other);
        const uint32_t least = machine_latency_ns(memory->machine, node, nearest);
        if (nearest != node &&
            (latency < least || (latency == least && nearest != home && other < nearest)))
            nearest = other;
    }
    return nearest;
}

uint64_t pmap_replicas(const struct memory *memory, uint32_t page)
{
    uint64_t nodes = 0;
    for (uint32_t copy = pmap_copies(memory, page); copy != MEMORY_NONE;
         copy = memory->copy[copy].next)
        nodes |= UINT64_C(1) << node_of(memory, copy);
    return nodes;
}

char *pmap_add_replica(struct memory *memory, uint32_t page, uint32_t frame)
{
    uint32_t copy = memory->copies_free;
    if (copy != MEMORY_NONE) {
        memory->copies_free = memory->copy[copy].next;
    } else {
        if (!memory_grow((void **)&memory->copy, &memory->copies_room, memory->copies + 1,
                         sizeof *memory->copy))
            return memory_short();
        copy = memory->copies++;
    }
    uint32_t *const chain = &memory->acted[memory->page[page].acted].copies;
    memory->copy[copy] = (struct copy){.made = memory->now + 1, .frame = frame, .next = *chain};
    *chain = copy;
    frames_list_replica(memory, copy);
    return NULL;
}

/* The record goes; what becomes of the frame is the caller's. */
static void unlink_replica(struct memory *memory, uint32_t copy)
{
    struct copy *const it = &memory->copy[copy];
    const uint32_t page = memory->frame[it->frame].page;
    uint32_t *link = &memory->acted[memory->page[page].acted].copies;
    while (*link != copy)
        link = &memory->copy[*link].next;
    *link = it->next;
    frames_unlist_replica(memory, copy);
    *it = (struct copy){.frame = MEMORY_NONE, .next = memory->copies_free};
    memory->copies_free = copy;
}

void pmap_drop_replica(struct memory *memory, uint32_t copy)
{
    const uint32_t frame = memory->copy[copy].frame;
    unlink_replica(memory, copy);
    frames_give_back(memory, frame);
}

void pmap_drop_replicas(struct memory *memory, uint32_t page, uint32_t node)
{
    const uint32_t pages = huge_pages(memory, page);
    for (uint32_t at = page; at < page + pages; at++)
        pmap_drop_replica(memory, replica_on(memory, at, node));
}

static void keep_only(struct memory *memory, uint32_t page, uint32_t frame)
{
    struct page *const it = &memory->page[page];
    if (frame != it->master) {
        frames_tell_copied(memory, page, it->master, frame); /* a monitor may have written to it */
        unlink_replica(memory, replica_on(memory, page, memory->frame[frame].node));
        frames_give_back(memory, it->master);
        it->master = frame;
        it->home = memory->frame[frame].node;
    }
    while (pmap_has_replicas(memory, page))
        pmap_drop_replica(memory, pmap_copies(memory, page));
}

void pmap_keep_only(struct memory *memory, uint32_t page, uint32_t frame)
{
    const uint32_t node = memory->frame[frame].node;
    const uint32_t pages = huge_pages(memory, page);
    for (uint32_t at = page; at < page + pages; at++)
        keep_only(memory, at, pmap_copy_on(memory, at, node));
}

void pmap_free(struct memory *memory, uint32_t page)
{
    struct page *const it = &memory->page[page];
    frames_tell_remapped(memory, page);
    pmap_keep_only(memory, page, it->master);
    frames_give_back(memory, it->master);
    it->master = MEMORY_NONE;
}
