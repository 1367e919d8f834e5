/* Address spaces: areas say what may be where, page tables what is. Pages come when they are
 * touched: of an image's own pages where it has whole ones (shared by all who run it), zeroed ones
 * else. A page that others have too is not writable in the page table, and is copied when it is
 * written.
 */
#include "vmm-core/guest/kernel/kernel.h"
#include "vmm-core/guest/kernel/monitor-calls.h"

uint32_t empty_table[TABLE_WORDS] __attribute__((aligned(PAGE_BYTES)));
uint32_t *empty_root[TABLE_WORDS] __attribute__((aligned(PAGE_BYTES)));

enum { PAIRS_MASK = TABLE_WORDS - 2 };

static uint32_t entry_of(uint32_t ppn, bool write)
{
    return ppn << ENTRYLO_SHIFT | ENTRYLO_CACHED | ENTRYLO_VALID | (write ? ENTRYLO_WRITE : 0);
}

static uint32_t ppn_in(uint32_t entry)
{
    return entry >> ENTRYLO_SHIFT;
}

bool space_new(struct space *space, const char *name, const void *image, uint32_t image_bytes)
{
    uint32_t **root = page_new(false);

    if (!root)
        return false;
    memcpy(root, empty_root, PAGE_BYTES);
    *space = (struct space){.root = root, .asid = asid_new(), .next_map = USER_MAPS};
    monitor_space(space->asid, name, image, image_bytes);
    return true;
}

void space_free(struct space *space)
{
    for (uint32_t i = 0; i < USER_END >> 22; i++) {
        uint32_t *table = space->root[i];

        if (table == empty_table)
            continue;
        for (uint32_t j = 0; j < TABLE_WORDS; j++)
            if (table[j])
                page_drop(ppn_in(table[j]));
        page_drop(ppn_of(table));
    }
    page_drop(ppn_of(space->root));
    monitor_exit_space(space->asid);
    asid_free(space->asid);
}

/* The word of the page, in a table made for it if need be; NULL: no memory. */
static uint32_t *entry_for(struct space *space, uint32_t address)
{
    uint32_t **table = &space->root[address >> 22];

    if (*table == empty_table) {
        uint32_t *new = page_new(true);

        if (!new)
            return NULL;
        *table = new;
    }
    return &(*table)[address >> 12 & (TABLE_WORDS - 1)];
}

bool space_add(struct space *space, const struct area *area)
{
    if (space->area_count == AREAS_MAX)
        return false;
    space->area[space->area_count++] = *area;
    if (area->name[0])
        monitor_region(space->asid, area->start, area->end - area->start, area->name);
    return true;
}

static const struct area *area_of(const struct space *space, uint32_t address)
{
    for (uint32_t i = 0; i < space->area_count; i++)
        if (address >= space->area[i].start && address < space->area[i].end)
            return &space->area[i];
    return NULL;
}

/* A free part of the space, with a page behind it that is never there; 0: none. */
static uint32_t reserve(struct space *space, uint32_t bytes)
{
    uint32_t start = space->next_map;

    if (bytes == 0 || bytes > USER_STACKS - USER_MAPS ||
        USER_STACKS - start < bytes + 2 * PAGE_BYTES)
        return 0;
    space->next_map += (bytes + 2 * PAGE_BYTES - 1) & ~(uint32_t)(PAGE_BYTES - 1);
    return start;
}

static void name_area(struct area *area, const char *name)
{
    uint32_t length = strlen(name);

    memcpy(area->name, name, length < NAME_BYTES ? length : NAME_BYTES - 1);
}

uint32_t space_map(struct space *space, uint32_t bytes, const char *name)
{
    struct area area = {.writable = true};

    lock_take(&space->lock);
    area.start = reserve(space, bytes);
    area.end = (area.start + bytes + PAGE_BYTES - 1) & ~(uint32_t)(PAGE_BYTES - 1);
    name_area(&area, name);
    if (area.start && space->area_count) {
        struct area *last = &space->area[space->area_count - 1];

        /* more of the heap makes the heap longer, so that there is no end of areas */
        if (last->end + PAGE_BYTES == area.start && strcmp(last->name, area.name) == 0) {
            last->end = area.end;
            monitor_region(space->asid, area.start, area.end - area.start, area.name);
        } else if (!space_add(space, &area)) {
            area.start = 0;
        }
    }
    lock_give(&space->lock);
    return area.start;
}

uint32_t space_map_common(struct space *space, uint32_t bytes)
{
    struct area area = {.writable = true, .common = true};
    uint32_t count = (bytes + PAGE_BYTES - 1) / PAGE_BYTES;

    if (bytes > kernel.common_pages * PAGE_BYTES)
        return 0;
    lock_take(&space->lock);
    area.start = reserve(space, bytes);
    area.end = area.start + count * PAGE_BYTES;
    name_area(&area, "shared");
    if (area.start && !space_add(space, &area))
        area.start = 0;
    for (uint32_t i = 0; area.start && i < count; i++) {
        uint32_t *entry = entry_for(space, area.start + i * PAGE_BYTES);

        if (!entry) {
            area.start = 0;
            break;
        }
        *entry = entry_of(kernel.common_ppn + i, true);
        page_share(kernel.common_ppn + i);
    }
    lock_give(&space->lock);
    return area.start;
}

/* ------------------------------------------------------------------------------- faults */

/* A page that is not there yet, as a word of the page table; 0: no memory. */
static uint32_t first_page(const struct area *area, uint32_t address, bool write)
{
    uint32_t offset = address - area->start;
    void *page;

    if (!write && offset + PAGE_BYTES <= area->backing_bytes)
        return entry_of(ppn_of(area->backing + offset), false);
    page = page_new(offset + PAGE_BYTES > area->backing_bytes);
    if (!page)
        return 0;
    if (offset < area->backing_bytes) {
        uint32_t bytes = area->backing_bytes - offset;

        memcpy(page, area->backing + offset, bytes < PAGE_BYTES ? bytes : PAGE_BYTES);
    }
    return entry_of(ppn_of(page), area->writable);
}

/* The first write since the page was shared: it is made one's own, by a copy if others have it. */
static bool own_page(struct space *space, uint32_t address, uint32_t *entry)
{
    uint32_t ppn = ppn_in(*entry);
    void *page;

    if (page_is_own(ppn)) {
        *entry |= ENTRYLO_WRITE;
        return true;
    }
    page = page_new(false);
    if (!page)
        return false;
    memcpy(page, page_at(ppn), PAGE_BYTES);
    *entry = entry_of(ppn_of(page), true);
    tlb_shootdown(space->asid, space->cpus, address);
    page_drop(ppn);
    return true;
}

static bool is_guard(const struct area *area, uint32_t address)
{
    return area->start == USER_STACKS && address % STACK_BYTES < PAGE_BYTES;
}

enum fault space_fault(struct space *space, uint32_t address, bool write)
{
    const struct area *area;
    uint32_t *entry;
    bool well;

    address &= ~(uint32_t)(PAGE_BYTES - 1);
    lock_take(&space->lock);
    area = area_of(space, address);
    if (!area || (write && !area->writable) || is_guard(area, address)) {
        lock_give(&space->lock);
        return FAULT_WRONG;
    }
    entry = entry_for(space, address);
    if (entry && !*entry) {
        *entry = first_page(area, address, write);
        well = *entry != 0;
    } else if (entry && write && !(*entry & ENTRYLO_WRITE)) {
        well = own_page(space, address, entry);
    } else {
        well = entry != NULL; /* another thread was first */
    }
    if (well) {
        const uint32_t *table = space->root[address >> 22];

        tlb_update(address, &table[address >> 12 & PAIRS_MASK]);
    }
    lock_give(&space->lock);
    return well ? FAULT_MENDED : FAULT_NO_MEMORY;
}

void *space_page(struct space *space, uint32_t address)
{
    uint32_t *entry = entry_for(space, address);
    void *page = entry ? page_new(true) : NULL;

    if (page)
        *entry = entry_of(ppn_of(page), true);
    return page;
}

/* ------------------------------------------------------------------------------- fork */

/* The pages of [address, end), all in one table. */
static bool copy_pages(struct space *to, struct space *from, uint32_t address, uint32_t end)
{
    uint32_t *entry = &from->root[address >> 22][address >> 12 & (TABLE_WORDS - 1)];
    uint32_t *copy;

    for (; address < end; address += PAGE_BYTES, entry++) {
        if (!*entry)
            continue;
        copy = entry_for(to, address);
        if (!copy)
            return false;
        *entry &= ~(uint32_t)ENTRYLO_WRITE;
        page_share(ppn_in(*entry));
        *copy = *entry;
    }
    return true;
}

static bool copy_area(struct space *to, struct space *from, const struct area *area)
{
    for (uint32_t address = area->start, end; address < area->end; address = end) {
        end = (address | (TABLE_WORDS * PAGE_BYTES - 1)) + 1;
        if (end > area->end)
            end = area->end;
        if (from->root[address >> 22] != empty_table && !copy_pages(to, from, address, end))
            return false;
    }
    return true;
}

bool space_copy(struct space *to, struct space *from)
{
    bool well = true;

    lock_take(&from->lock);
    for (uint32_t i = 0; i < from->area_count; i++)
        if (!from->area[i].common)
            well = well && space_add(to, &from->area[i]) && copy_area(to, from, &from->area[i]);
    to->next_map = from->next_map;
    /* what the parent could write it may no more, on any CPU */
    tlb_shootdown(from->asid, from->cpus, SHOOT_ALL);
    lock_give(&from->lock);
    return well;
}
