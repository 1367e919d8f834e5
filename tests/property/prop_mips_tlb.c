/* Random writes, drops and uses of the CPU's TLB against the plainest one: a list of entries that is
 * searched at each access. Whatever the CPU remembers of translations (of data, of fetches, of where
 * jumps went), an access that the list does not allow must raise its exception, and one that it
 * allows must reach the frame that it names. DISCO_SEED repeats a run, DISCO_RUNS sets their number. */
#include "tests/property/mips_words.h"
#include "vmm-core/machine/mips/cpu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FRAMES  64u
#define PAGES   32u /* of virtual addresses that are used, from BASE on */
#define BASE    0x00400000u
#define ASIDS   3u
#define STEPS   600u
#define ENTRIES 16u
#define STRIDE  61u         /* of entries: some that instructions reach, most that they do not */
#define CODE    0x7fffe000u /* of loads and stores; mapped for all, by the last entry */

struct world {
    struct mips_memory *memory;
    struct mips_cpu *cpu;
    struct mips_state *s;
    uint8_t *host;
    struct mips_tlb_entry list[ENTRIES];
    uint64_t seed, random;
    bool asks; /* misses are filled by the owner */
};

/* Says how to repeat it. */
static void same(const struct world *world, uint32_t ours, uint32_t models, const char *what)
{
    if (ours == models)
        return;
    printf("# DISCO_SEED=%llu DISCO_RUNS=1\n", (unsigned long long)world->seed);
    fail_msg("%s: %x, by the list %x", what, ours, models);
}

static uint32_t below(struct world *world, uint32_t limit)
{
    world->random = world->random * UINT64_C(6364136223846793005) + 1;
    return (uint32_t)(world->random >> 33) % limit;
}

static bool matches(const struct mips_tlb_entry *entry, uint32_t address, uint32_t asid)
{
    return entry->used && !((entry->entry_hi ^ address) & ENTRYHI_VPN2 & ~entry->page_mask) &&
           (entry->entry_lo[0] & ENTRYLO_G || (entry->entry_hi & ENTRYHI_ASID) == asid);
}

/* -1 and the frame, or the exception. */
static int model(const struct world *world, uint32_t address, uint32_t asid,
                 enum mips_access access, uint32_t *frame)
{
    for (unsigned i = 0; i < ENTRIES; i++) {
        const struct mips_tlb_entry *const entry = &world->list[i];
        if (!matches(entry, address, asid))
            continue;
        const uint32_t size = (entry->page_mask + 0x2000) / 2;
        const uint32_t lo = entry->entry_lo[address / size % 2];
        if (!(lo & ENTRYLO_V))
            break;
        if (access == MIPS_STORE && !(lo & ENTRYLO_D))
            return MIPS_EXCEPTION_TLB_MODIFIED;
        *frame = (lo >> ENTRYLO_PFN_SHIFT & ~(size / MIPS_PAGE_BYTES - 1)) +
                 address % size / MIPS_PAGE_BYTES;
        return -1;
    }
    return access == MIPS_STORE ? MIPS_EXCEPTION_TLB_STORE : MIPS_EXCEPTION_TLB_LOAD;
}

static bool model_overlaps(const struct world *world, unsigned index,
                           const struct mips_tlb_entry *entry)
{
    for (unsigned i = 0; i < ENTRIES; i++)
        for (uint32_t page = 0; page < 2 * PAGES; page++)
            for (uint32_t asid = 0; asid < ASIDS; asid++)
                if (i != index && matches(&world->list[i], BASE + page * MIPS_PAGE_BYTES, asid) &&
                    matches(entry, BASE + page * MIPS_PAGE_BYTES, asid))
                    return true;
    return false;
}

static struct mips_tlb_entry random_entry(struct world *world)
{
    const uint32_t large = !below(world, 6), global = !below(world, 8);
    struct mips_tlb_entry entry = {
        .page_mask = large ? 0x6000 : 0,
        .entry_hi = BASE + below(world, PAGES) * MIPS_PAGE_BYTES,
        .used = below(world, 12),
    };
    entry.entry_hi = (entry.entry_hi & ENTRYHI_VPN2 & ~entry.page_mask) | below(world, ASIDS);
    for (unsigned i = 0; i < 2; i++)
        entry.entry_lo[i] = below(world, FRAMES) << ENTRYLO_PFN_SHIFT |
                            (below(world, 5) ? ENTRYLO_V : 0) | (below(world, 2) ? ENTRYLO_D : 0) |
                            global;
    return entry;
}

static bool write_entry(struct world *world, unsigned index, const struct mips_tlb_entry *entry)
{
    const bool well = !entry->used || !model_overlaps(world, index, entry);
    same(world, mips_tlb_write(world->cpu, index * STRIDE, entry), well, "written");
    if (well)
        world->list[index] = *entry;
    return well;
}

static void drop(struct world *world, uint32_t frame)
{
    mips_tlb_drop(world->cpu, frame);
    for (unsigned i = 0; i < ENTRIES; i++)
        for (unsigned half = 0; half < 2; half++) {
            uint32_t *const lo = &world->list[i].entry_lo[half];
            const uint32_t pages = (world->list[i].page_mask + 0x2000) / 2 / MIPS_PAGE_BYTES;
            if ((*lo >> ENTRYLO_PFN_SHIFT) / pages == frame / pages)
                *lo &= ~ENTRYLO_V;
        }
}

static bool miss(void *owner, struct mips_cpu *cpu, uint32_t address, enum mips_access access)
{
    struct world *const world = owner;
    (void)cpu;
    (void)access;
    if (!world->asks)
        return false;
    const uint32_t frame = (address / MIPS_PAGE_BYTES & ~1u) % FRAMES;
    const struct mips_tlb_entry entry = {
        .entry_hi = (address & ENTRYHI_VPN2) | (world->s->cp0.entry_hi & ENTRYHI_ASID),
        .entry_lo = {frame << ENTRYLO_PFN_SHIFT | ENTRYLO_V | ENTRYLO_D,
                     (frame + 1) << ENTRYLO_PFN_SHIFT | ENTRYLO_V},
        .used = true,
    };
    if (!write_entry(world, below(world, ENTRIES - 1), &entry))
        return false;
    if (!below(world, 4)) /* what it filled may be among them */
        drop(world, below(world, 3) ? below(world, FRAMES) : frame);
    return true;
}

/* Each frame begins with code that says which it is, and has a word that does. */
static void fill_frame(struct world *world, uint32_t frame)
{
    const uint32_t words[] = {0x24020000u | frame /* addiu $2, $0, frame */, 0, 0, frame << 8};
    memcpy(world->host + (size_t)frame * MIPS_PAGE_BYTES, words, sizeof words);
}

/* One instruction at `pc`; the exception, or -1. */
static int step(struct world *world, uint32_t pc)
{
    world->s->pc = pc;
    if (mips_run(world->cpu, 1) != MIPS_STOP_EXCEPTION)
        return -1;
    return (int)((world->s->cp0.cause & CAUSE_CODE) >> CAUSE_CODE_SHIFT);
}

/* An access by one instruction in kernel, supervisor or user mode. If an owner fills the TLB on the
 * way, what the list says behind it counts. */
static void use(struct world *world)
{
    const enum mips_access access = (enum mips_access)below(world, 3);
    const uint32_t address = BASE + below(world, PAGES) * MIPS_PAGE_BYTES;
    const uint32_t asid = below(world, ASIDS), value = below(world, INT32_MAX);
    mips_cp0_write(world->cpu, 10, 0, asid);
    mips_cp0_write(world->cpu, 12, 0, below(world, 3) << STATUS_KSU_SHIFT);
    world->s->r[2] = UINT32_MAX;
    world->s->r[3] = value;
    world->s->r[4] = address;
    world->asks = !below(world, 3);
    const int raised = step(world, access == MIPS_FETCH   ? address
                                   : access == MIPS_STORE ? CODE + 4
                                                          : CODE);
    uint32_t frame = 0;
    same(world, (uint32_t)raised, (uint32_t)model(world, address, asid, access, &frame), "raised");
    if (raised >= 0)
        return;
    uint32_t stored;
    memcpy(&stored, world->host + (size_t)frame * MIPS_PAGE_BYTES + 16, 4);
    if (access == MIPS_FETCH)
        same(world, world->s->r[2], frame, "fetched from");
    else if (access == MIPS_LOAD)
        same(world, world->s->r[2], frame << 8, "loaded");
    else
        same(world, stored, value, "stored");
}

static void run(uint64_t seed)
{
    static struct world world;
    world = (struct world){.seed = seed, .random = seed};
    world.memory = mips_memory_new(FRAMES + 1, NULL);
    world.host = aligned_alloc(MIPS_PAGE_BYTES, (FRAMES + 1) * (size_t)MIPS_PAGE_BYTES);
    const struct mips_model model_of = {.tlb_entries = ENTRIES, .stop_on_exception = true};
    world.cpu = mips_cpu_new(world.memory, &model_of, 0);
    world.s = mips_state(world.cpu);
    memset(world.host, 0, (FRAMES + 1) * (size_t)MIPS_PAGE_BYTES);
    for (uint32_t frame = 0; frame < FRAMES; frame++)
        fill_frame(&world, frame);
    const uint32_t code[] = {0x8c82000cu /* lw $2, 12($4) */, 0xac830010u /* sw $3, 16($4) */};
    memcpy(world.host + (size_t)FRAMES * MIPS_PAGE_BYTES, code, sizeof code);
    for (uint32_t frame = 0; frame <= FRAMES; frame++)
        mips_memory_map(world.memory, frame, world.host + (size_t)frame * MIPS_PAGE_BYTES, true);
    const struct mips_tlb_entry of_code = {
        .entry_hi = CODE,
        .entry_lo = {FRAMES << ENTRYLO_PFN_SHIFT | ENTRYLO_V | ENTRYLO_G, ENTRYLO_G},
        .used = true,
    };
    assert_true(write_entry(&world, ENTRIES - 1, &of_code));
    mips_on_miss(world.cpu, &world, miss);
    for (unsigned i = 0; i < STEPS; i++) {
        const uint32_t what = below(&world, 16);
        if (what < 4) {
            const struct mips_tlb_entry entry = random_entry(&world);
            write_entry(&world, below(&world, ENTRIES - 1), &entry);
        } else if (what == 4) {
            drop(&world, below(&world, FRAMES));
        } else {
            use(&world);
        }
    }
    mips_cpu_free(world.cpu);
    mips_memory_free(world.memory);
    free(world.host);
}

static void translates_as_a_list_that_is_searched(void **state)
{
    (void)state;
    const uint64_t seed = from_environment("DISCO_SEED", 1);
    const uint64_t runs = (RUNS + 3) / 4;
    for (uint64_t i = 0; i < runs; i++)
        run(seed + i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(translates_as_a_list_that_is_searched)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
