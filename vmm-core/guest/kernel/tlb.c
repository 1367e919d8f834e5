/* The virtual TLB: whose entries it holds, single entries, and entries on other CPUs.
 *
 * ASIDs are the virtual machine's: a space has the same on all CPUs. When all have been used, those
 * whose spaces have ended are forgotten everywhere, once for all of them. The monitor keeps more
 * translations than the 64 entries (vcpu.h): TLBWI takes out what it overwrites, TLBP what it does
 * not find, ABI_FORGET_SPACE the rest of an ASID.
 */
#include "vmm-core/guest/kernel/kernel.h"
#include "vmm-core/guest/kernel/monitor-calls.h"

/* EntryHi for entry `index` that nothing ever uses: entries must not be alike. The ASID stays: changing
 * it is changing the space. */
static uint32_t nowhere(uint32_t index)
{
    return (0x80000000 + (index << 13)) | this_cpu()->asid;
}

/* Leaves EntryHi to the caller, as drop() does. */
static void flush(void)
{
    cp0_write(CP0_LO0, 0);
    cp0_write(CP0_LO1, 0);
    for (uint32_t index = 0; index < TLB_ENTRIES; index++) {
        cp0_write(CP0_INDEX, index);
        cp0_write(CP0_ENTRYHI, nowhere(index));
        tlb_write_indexed();
    }
}

static void drop(uint32_t asid, uint32_t address)
{
    uint32_t index;

    cp0_write(CP0_ENTRYHI, (address & ENTRYHI_PAIR) | asid);
    tlb_probe();
    index = cp0_read(CP0_INDEX);
    if ((int32_t)index < 0)
        return;
    cp0_write(CP0_ENTRYHI, nowhere(index));
    cp0_write(CP0_LO0, 0);
    cp0_write(CP0_LO1, 0);
    tlb_write_indexed();
}

void tlb_use(struct cpu *cpu, const struct space *space)
{
    uint32_t asid = space ? space->asid : 0;

    cpu->root = space ? (const uint32_t *)(const void *)space->root
                      : (const uint32_t *)(const void *)empty_root;
    if (cpu->asid != asid) {
        cpu->asid = asid;
        cp0_write(CP0_ENTRYHI, asid);
    }
}

void tlb_update(uint32_t address, const uint32_t pair[2])
{
    cp0_write(CP0_ENTRYHI, (address & ENTRYHI_PAIR) | this_cpu()->asid);
    tlb_probe();
    if ((int32_t)cp0_read(CP0_INDEX) < 0)
        return;
    cp0_write(CP0_LO0, pair[0]);
    cp0_write(CP0_LO1, pair[1]);
    tlb_write_indexed();
}

/* ------------------------------------------------------------------------------- shootdown */

static void forget(uint32_t asid, uint32_t address)
{
    if (address == SHOOT_ALL)
        flush();
    else
        drop(asid, address);
    cp0_write(CP0_ENTRYHI, this_cpu()->asid);
}

void tlb_answer(void)
{
    struct cpu *cpu = this_cpu();

    if (!__atomic_load_n(&cpu->shootdown, __ATOMIC_ACQUIRE))
        return;
    cpu->shootdown = 0;
    forget(kernel.shootdown.asid, kernel.shootdown.address);
    __atomic_sub_fetch(&kernel.shootdown.waiting, 1, __ATOMIC_RELEASE);
}

static uint32_t bits(uint32_t word)
{
    uint32_t count = 0;

    for (; word; word &= word - 1)
        count++;
    return count;
}

void tlb_shootdown(uint32_t asid, uint32_t cpus, uint32_t address)
{
    uint32_t others = cpus & ~(1u << this_cpu()->number);

    if (others) {
        lock_take(&kernel.shootdown.lock);
        kernel.shootdown.asid = asid;
        kernel.shootdown.address = address;
        kernel.shootdown.waiting = bits(others);
        for (uint32_t n = 0; n < kernel.cpus; n++)
            if (others & 1u << n) {
                __atomic_store_n(&kernel.cpu[n]->shootdown, 1, __ATOMIC_RELEASE);
                monitor_interrupt_cpu(n);
            }
        while (__atomic_load_n(&kernel.shootdown.waiting, __ATOMIC_ACQUIRE))
            ;
        lock_give(&kernel.shootdown.lock);
    }
    if (address == SHOOT_ALL) {
        forget(asid, address);
        monitor_forget_space(asid);
    }
}

/* ------------------------------------------------------------------------------- ASIDs */

/* Under the lock: one that no TLB has entries of; 0: none is left. */
static uint32_t unused_asid(void)
{
    uint32_t asid = kernel.asids.last;

    for (uint32_t n = 1; n < ASIDS; n++) {
        asid = asid % (ASIDS - 1) + 1;
        if (!kernel.asids.used[asid] && !kernel.asids.old[asid])
            return asid;
    }
    return 0;
}

/* Under the lock: all TLBs forget the spaces that have ended. There are more ASIDs than processes. */
static void renew_asids(void)
{
    uint32_t cpus = 0;

    for (uint32_t n = 0; n < kernel.cpus; n++)
        cpus |= kernel.cpu[n] ? 1u << n : 0;
    tlb_shootdown(0, cpus, SHOOT_ALL);
    for (uint32_t asid = 1; asid < ASIDS; asid++)
        if (kernel.asids.old[asid] && !kernel.asids.used[asid]) {
            monitor_forget_space(asid);
            kernel.asids.old[asid] = false;
        }
}

uint32_t asid_new(void)
{
    uint32_t asid;

    lock_take(&kernel.asids.lock);
    asid = unused_asid();
    if (!asid) {
        renew_asids();
        asid = unused_asid();
    }
    kernel.asids.last = asid;
    kernel.asids.used[asid] = kernel.asids.old[asid] = true;
    lock_give(&kernel.asids.lock);
    return asid;
}

void asid_free(uint32_t asid)
{
    lock_take(&kernel.asids.lock);
    kernel.asids.used[asid] = false;
    lock_give(&kernel.asids.lock);
}
