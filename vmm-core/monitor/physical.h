/* The pmap: guest-physical pages of all VMs, and where they are.
 *
 *   (VM, PPN) -> guest page -> page -> frame, for each node
 *
 * A guest page is a VM's PPN, numbered through all VMs. In a region that VMs share one of them
 * stands for all (physical_show()). From its first touch on it has a page, which is the memory
 * subsystem's number of it; without a policy a page has the number of its guest page, and one
 * frame (first-touch.h).
 *
 * For each guest page and node there is a pre-computed EntryLo, as a TLB of that node's CPUs is
 * to hold it: the frame of the nearest copy, V, C, and D unless the page has replicas (Disco,
 * SOSP'97, section 4.2.1). Whoever fills a TLB merges the guest's own D and V.
 *
 * Where the memory subsystem moves a page its hooks (struct memory_frames) move the bytes, here,
 * and take the translations out of the TLBs of all CPUs. A guest's store to a page with replicas
 * comes before the subsystem hears of it: until what was recorded has been fed (physical_fed())
 * everybody uses the master alone, and its bytes are those of all copies whatever the subsystem
 * decides (early collapse).
 */
#ifndef DISCO_MONITOR_PHYSICAL_H
#define DISCO_MONITOR_PHYSICAL_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm-core/memory/memory.h"
#include "vmm-core/monitor/ram.h"

struct physical;

struct physical_options {
    const struct machine *machine;
    struct ram *ram;
    uint32_t guest_pages;    /* of all VMs together */
    uint32_t skip_shootdown; /* as in monitor_options */
};

char *physical_new(const struct physical_options *options, struct physical **out)
    __attribute__((warn_unused_result));
void physical_free(struct physical *physical);

/* With a policy: the hooks to make the memory subsystem with, then the object made. */
const struct memory_frames *physical_hooks(const struct physical *physical);
void physical_placed_by(struct physical *physical, const struct memory *memory);

/* EntryLo of a guest page for CPUs of `node`; 0: it has not been touched. physical_row(): of all
 * guest pages, by number, at the same place for good; there 0 means that it is to be asked for. */
const uint32_t *physical_row(const struct physical *physical, uint32_t node);
uint32_t physical_entry(struct physical *physical, uint32_t guest_page, uint32_t node);
/* The same for one who is to store, and whose entry has no D; it has one now. */
uint32_t physical_store(struct physical *physical, uint32_t guest_page, uint32_t node);

/* First touch. Without a policy, by a CPU of `node`: takes a frame; zeroed. With one: `page` is
 * what the memory subsystem has placed just now. */
char *physical_take(struct physical *physical, uint32_t guest_page, uint32_t node)
    __attribute__((warn_unused_result));
void physical_found(struct physical *physical, uint32_t guest_page, uint32_t page);
/* The guest page is not in use any more: as if it had never been touched. With a policy, the memory
 * subsystem is told by the caller, before. */
void physical_forget(struct physical *physical, uint32_t guest_page);
/* `guest_page`, forgotten before, shows `home` from now on. False: memory is short. */
bool physical_show(struct physical *physical, uint32_t guest_page, uint32_t home);
/* Is it one of several that show each other? */
bool physical_is_shared(const struct physical *physical, uint32_t guest_page);

/* Bytes of a touched guest page; NULL: untouched, all zero. Changes go by physical_write(). */
const uint8_t *physical_bytes(struct physical *physical, uint32_t guest_page);
/* Into all copies of a touched page; `bytes` NULL: zeros. */
void physical_write(struct physical *physical, uint32_t guest_page, uint32_t offset,
                    const void *bytes, uint32_t count);

/* All that was recorded has been fed to the memory subsystem. */
void physical_fed(struct physical *physical);
/* What went wrong in a hook, or NULL; told once. */
char *physical_failure(struct physical *physical) __attribute__((warn_unused_result));

struct physical_counts {
    uint64_t touched, early_collapses, shootdowns, shootdowns_skipped;
};
struct physical_counts physical_counts(const struct physical *physical);

#endif
