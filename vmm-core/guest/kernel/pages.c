/* Guest-physical pages. Pages that were never used are zero and are given out first, in order: the
 * monitor places each on the node of the CPU that touches it first. Pages of ended processes go
 * back to the monitor (ABI_FREE_PAGE), which gives another zeroed one in their place when they are
 * touched again, on the node of whoever does; with keep_pages they stay, and are zeroed by the
 * monitor (ABI_ZERO_PAGE) when they have to be.
 */
#include "vmm-core/guest/kernel/kernel.h"
#include "vmm-core/guest/kernel/monitor-calls.h"

void pages_init(uint32_t first, uint32_t end)
{
    uint32_t table_pages = ((end - first) * 4 + PAGE_BYTES - 1) / PAGE_BYTES;

    if (first + 2 * table_pages + 16 > end)
        panic("there is too little memory", NULL);
    kernel.pages.share = page_at(first);
    kernel.pages.next = page_at(first + table_pages);
    kernel.pages.first = kernel.pages.fresh = first + 2 * table_pages;
    kernel.pages.end = end;
}

static uint32_t take(uint32_t *list)
{
    uint32_t ppn = *list;

    *list = kernel.pages.next[ppn - kernel.pages.first];
    return ppn;
}

void *page_new(bool zeroed)
{
    uint32_t ppn = 0;
    bool clean = true;

    lock_take(&kernel.pages.lock);
    if (kernel.pages.dirty && !zeroed) {
        ppn = take(&kernel.pages.dirty);
    } else if (kernel.pages.clean) {
        ppn = take(&kernel.pages.clean);
    } else if (kernel.pages.fresh < kernel.pages.end) {
        ppn = kernel.pages.fresh++;
    } else if (kernel.pages.dirty) {
        ppn = take(&kernel.pages.dirty);
        clean = false;
    }
    lock_give(&kernel.pages.lock);
    if (!ppn)
        return NULL;
    if (zeroed && !clean)
        monitor_zero_page(ppn);
    kernel.pages.share[ppn - kernel.pages.first] = 1;
    return page_at(ppn);
}

void *pages_contiguous(uint32_t count)
{
    uint32_t ppn = 0;

    lock_take(&kernel.pages.lock);
    if (kernel.pages.end - kernel.pages.fresh >= count) {
        ppn = kernel.pages.fresh;
        kernel.pages.fresh += count;
    }
    lock_give(&kernel.pages.lock);
    for (uint32_t i = 0; ppn && i < count; i++)
        kernel.pages.share[ppn + i - kernel.pages.first] = 1;
    return ppn ? page_at(ppn) : NULL;
}

void page_share(uint32_t ppn)
{
    if (ppn >= kernel.pages.first)
        __atomic_add_fetch(&kernel.pages.share[ppn - kernel.pages.first], 1, __ATOMIC_RELAXED);
}

bool page_is_own(uint32_t ppn)
{
    return ppn >= kernel.pages.first &&
           __atomic_load_n(&kernel.pages.share[ppn - kernel.pages.first], __ATOMIC_ACQUIRE) == 1;
}

void page_drop(uint32_t ppn)
{
    uint32_t *list = kernel.keep_pages ? &kernel.pages.dirty : &kernel.pages.clean;
    uint32_t index = ppn - kernel.pages.first;

    if (ppn < kernel.pages.first ||
        __atomic_sub_fetch(&kernel.pages.share[index], 1, __ATOMIC_ACQ_REL) > 0)
        return;
    if (!kernel.keep_pages)
        monitor_free_page(ppn);
    lock_take(&kernel.pages.lock);
    kernel.pages.next[index] = *list;
    *list = ppn;
    lock_give(&kernel.pages.lock);
}
