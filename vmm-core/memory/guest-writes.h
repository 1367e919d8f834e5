/* The guest's own TLB writes: what they say of (space, VPN) -> PPN.
 *
 * Memory of a VM, as every space of it sees it (vmm-core/monitor/abi.h), in 32-bit addresses:
 *   0x00000000  mapped by the guest: an entry counts for the space that it was written in, one with
 *               both G bits for `physical` and every other space of the VM
 *   0x80000000  not mapped by TLB entries: what a write says of it counts for nothing
 *   0xC0000000  GUEST_DIRECT_BASE: guest-physical memory in a row, filled in by the monitor; likewise
 *   0xD0000000  mapped by the guest, as the first
 * A VM's space `physical` has its pages from GUEST_DIRECT_BASE on, and for ASID 0 what the guest maps.
 * Its other spaces are those that were shared its direct map (guest_share()); where they show its range
 * from 0xD0000000 on as well, its global entries there are theirs.
 *
 * An entry (MIPS32 privileged architecture, EntryHi, EntryLo0, EntryLo1, PageMask) maps two pages. One
 * with V = 0 changes nothing: the pages stay the guest's. One with V = 1 says which page of
 * `physical` the page at its VPN is, from now on and until another one says otherwise, whatever
 * becomes of it in the TLB: a monitor's second-level TLB makes the guest's look larger. Bits 8 up of an
 * EntryHi and all of PageMask count; a PageMask that is no page size stands for the next smaller. A PFN
 * beyond the direct map changes nothing.
 *
 * Pages of other sizes than 4 KiB on the modelled machine do not fit: nothing is done then.
 */
#ifndef DISCO_MEMORY_GUEST_WRITES_H
#define DISCO_MEMORY_GUEST_WRITES_H

#include "vmm-core/memory/guest.h"

#define GUEST_PAGE_BYTES   4096u
#define GUEST_DIRECT_BASE  UINT64_C(0xC0000000)
#define GUEST_DIRECT_PAGES UINT64_C(0x10000) /* 256 MiB, the most that a VM has */
#define GUEST_DIRECT_VPN   (GUEST_DIRECT_BASE / GUEST_PAGE_BYTES)

struct guest_write {
    uint32_t space, physical;
    uint64_t entry_hi, entry_lo0, entry_lo1, page_mask;
};

/* Looks ahead, as guest_references() does: what was not mapped is set aside. *changes: something is
 * mapped otherwise; then, alone and after a commit, guest_write_begin() takes it out of the tables and
 * lists it as guest_unmap_begin() does, and when all memories have forgotten it, guest_write_end()
 * maps anew. */
char *guest_write(struct guest *guest, const struct guest_write *write, bool *changes)
    __attribute__((warn_unused_result));
char *guest_write_begin(struct guest *guest, const struct guest_write *write)
    __attribute__((warn_unused_result));
char *guest_write_end(struct guest *guest, const struct guest_write *write)
    __attribute__((warn_unused_result));

/* What is done with page `vpn` of `physical` without a reference; looks ahead too. The page gets its
 * number, if it has none yet, and its lines go from the caches. dma: of `pages`, if it is not `out`. */
char *guest_zero(struct guest *guest, uint32_t physical, uint64_t vpn)
    __attribute__((warn_unused_result));
char *guest_dma(struct guest *guest, uint32_t physical, uint64_t vpn, uint64_t pages, bool out)
    __attribute__((warn_unused_result));
/* A page without a number stays so. */
void guest_free_page(struct guest *guest, uint32_t physical, uint64_t vpn);

#endif
