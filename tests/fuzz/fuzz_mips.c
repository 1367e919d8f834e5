/* Any bytes as a state of coprocessor 0, a TLB, registers and a program in memory, run on two CPUs in
 * turns while frames move, devices answer or not, and an owner fills the TLB or does not. Whatever
 * happens is the guest's: the host must not crash, time must pass, and the same bytes must give the
 * same run, recorded or not. */
#include "vmm-core/machine/mips/cpu.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define FRAMES 24u
#define CPUS   2u
#define TURNS  24u
#define TURN   97u

struct input {
    const uint8_t *data;
    size_t bytes, at;
};

static uint32_t take(struct input *input)
{
    uint32_t word = 0;
    for (unsigned i = 0; i < 4 && input->at < input->bytes; i++)
        word |= (uint32_t)input->data[input->at++] << 8 * i;
    return word;
}

static bool device_read(void *owner, struct mips_cpu *cpu, uint32_t physical, unsigned bytes,
                        uint64_t *value)
{
    (void)owner;
    mips_set_interrupt(cpu, physical >> 3, physical & 1024);
    *value = UINT64_C(0x0123456789abcdef) * physical;
    return bytes && !(physical & 2048);
}

static bool device_write(void *owner, struct mips_cpu *cpu, uint32_t physical, unsigned bytes,
                         uint64_t value)
{
    (void)owner;
    mips_set_interrupt(cpu, (unsigned)value, bytes & 1);
    return !(physical & 2048);
}

struct world {
    struct mips_memory *memory;
    struct mips_cpu *cpu[CPUS];
    uint8_t *host;
    struct mips_reference list[MIPS_REFERENCES_MIN];
    uint32_t asked;
};

/* Fills one miss in two, hands on what was recorded at some, moves or takes away pages at others. */
static bool miss(void *owner, struct mips_cpu *cpu, uint32_t address, enum mips_access access)
{
    struct world *const world = owner;
    const uint32_t what = world->asked++;
    if (mips_recorded(cpu) > MIPS_REFERENCES_MIN)
        abort();
    if (what % 11 == 3)
        mips_tlb_drop(world->cpu[what % CPUS], what % FRAMES);
    if (what % 13 == 5)
        mips_memory_map(world->memory, what % 5, world->host + what % 5 * MIPS_PAGE_BYTES, true);
    if (what % 7 == 1)
        mips_set_interrupt(cpu, what, what & 8);
    const uint32_t frame = (address >> 12 & ~1u) % FRAMES;
    const struct mips_tlb_entry entry = {
        .entry_hi = (address & ENTRYHI_VPN2) | (mips_state(cpu)->cp0.entry_hi & ENTRYHI_ASID),
        .entry_lo = {frame << ENTRYLO_PFN_SHIFT | ENTRYLO_V |
                         (access == MIPS_STORE ? ENTRYLO_D : 0),
                     (frame + 1) << ENTRYLO_PFN_SHIFT | ENTRYLO_V},
        .used = true,
    };
    return what % 2 && mips_tlb_write(cpu, what, &entry);
}

static void random_cpu(struct input *input, struct mips_cpu *cpu)
{
    struct mips_state *const s = mips_state(cpu);
    for (unsigned i = 1; i < 32; i++)
        s->r[i] = take(input);
    for (unsigned i = 0; i < 8; i++)
        mips_cp0_write(cpu, take(input) & 31, take(input) & 7, take(input));
    s->cp0.status = take(input);
    s->cp0.cause = take(input) & ~(CAUSE_TI | CAUSE_DC);
    s->fcsr = take(input) & FCSR_WRITABLE;
    for (unsigned i = 0; i < 64; i++)
        s->fpr[i] = take(input);
    for (unsigned i = 0; i < 6; i++) {
        const struct mips_tlb_entry entry = {
            .page_mask = take(input),
            .entry_hi = take(input),
            .entry_lo = {take(input) & 0x1fff, take(input) & 0x1fff},
            .used = true,
        };
        mips_tlb_write(cpu, take(input), &entry);
    }
    s->pc = 0x80000000 + take(input) % (FRAMES * MIPS_PAGE_BYTES);
    mips_state_changed(cpu);
}

static void start(struct world *world, struct input *input, bool record)
{
    const struct mips_bus bus = {.read = device_read, .write = device_write};
    const uint32_t options = take(input);
    world->asked = 0;
    world->memory = mips_memory_new(FRAMES, &bus);
    world->host = aligned_alloc(MIPS_PAGE_BYTES, (size_t)FRAMES * MIPS_PAGE_BYTES);
    if (!world->memory || !world->host)
        abort();
    memset(world->host, 0, (size_t)FRAMES * MIPS_PAGE_BYTES);
    for (uint32_t i = 0; i < FRAMES - 2; i++) /* the last two are the bus's, one is read only */
        mips_memory_map(world->memory, i, world->host + (size_t)i * MIPS_PAGE_BYTES, i != 5);
    for (uint32_t i = 0; i < CPUS; i++) {
        const struct mips_model model = {.tlb_entries = options & 1 ? 16 : 64,
                                         .no_user_local = options & 2,
                                         .denormals_in_fpu = options & 4,
                                         .stop_on_exception = options & 8};
        world->cpu[i] = mips_cpu_new(world->memory, &model, i);
        if (!world->cpu[i])
            abort();
        random_cpu(input, world->cpu[i]);
        if (record)
            mips_record(world->cpu[i], world->list, MIPS_REFERENCES_MIN);
        if (options & 16)
            mips_on_miss(world->cpu[i], world, miss);
    }
    /* what is left is the program, everywhere */
    const size_t left = input->bytes - input->at;
    for (size_t i = 0; left && i < (size_t)FRAMES * MIPS_PAGE_BYTES; i++)
        world->host[i] = input->data[input->at + i % left];
    mips_memory_written(world->memory, 0, FRAMES * MIPS_PAGE_BYTES);
}

static void turn(struct world *world, uint32_t number, bool record)
{
    struct mips_cpu *const cpu = world->cpu[number % CPUS];
    const uint64_t before = mips_instructions(cpu);
    enum mips_stop why;
    do {
        why = mips_run(cpu, before + TURN - mips_instructions(cpu));
        if (record) {
            if (mips_recorded(cpu) > MIPS_REFERENCES_MIN)
                abort();
        }
    } while ((why == MIPS_STOP_REFERENCES || why == MIPS_STOP_EXCEPTION) &&
             mips_instructions(cpu) < before + TURN);
    if (why == MIPS_STOP_WAIT)
        mips_skip(cpu, 1000);
    else if (mips_instructions(cpu) < before + TURN || mips_instructions(cpu) > before + TURN + 1)
        abort();
    if (number % 5 == 4) /* two frames change places */ {
        const uint32_t a = number % 7, b = 7 + number % 11;
        uint8_t page[MIPS_PAGE_BYTES];
        uint8_t *const at_a = world->host + (size_t)a * MIPS_PAGE_BYTES, *const at_b =
                                                                             world->host +
                                                                             (size_t)b *
                                                                                 MIPS_PAGE_BYTES;
        memcpy(page, at_a, sizeof page);
        memcpy(at_a, at_b, sizeof page);
        memcpy(at_b, page, sizeof page);
        mips_memory_written(world->memory, a * MIPS_PAGE_BYTES, MIPS_PAGE_BYTES);
        mips_memory_map(world->memory, b, at_b, true);
    }
}

static void stop(struct world *world)
{
    char *const text = mips_describe(world->cpu[0]);
    free(text);
    for (unsigned i = 0; i < CPUS; i++)
        mips_cpu_free(world->cpu[i]);
    mips_memory_free(world->memory);
    free(world->host);
}

/* An entry has bytes that are nobody's behind its last field, so entries are compared by field. */
static bool same_entry(const struct mips_tlb_entry *a, const struct mips_tlb_entry *b)
{
    return a->page_mask == b->page_mask && a->entry_hi == b->entry_hi &&
           a->entry_lo[0] == b->entry_lo[0] && a->entry_lo[1] == b->entry_lo[1] &&
           a->used == b->used;
}

static bool same_cpu(struct mips_cpu *a, struct mips_cpu *b)
{
    const struct mips_state *const s = mips_state(a), *const t = mips_state(b);
    for (unsigned i = 0; i < MIPS_TLB_ROOM; i++)
        if (!same_entry(&s->tlb[i], &t->tlb[i]))
            return false;
    return mips_instructions(a) == mips_instructions(b) &&
           memcmp(s, t, offsetof(struct mips_state, tlb)) == 0 && s->delay_slot == t->delay_slot &&
           s->delay_target == t->delay_target && s->link == t->link && s->waiting == t->waiting;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct world plain, recorded;
    struct input input = {data, bytes, 0}, again = input;
    start(&plain, &input, false);
    start(&recorded, &again, true);
    for (uint32_t i = 0; i < TURNS; i++) {
        turn(&plain, i, false);
        turn(&recorded, i, true);
        for (unsigned c = 0; c < CPUS; c++)
            if (!same_cpu(plain.cpu[c], recorded.cpu[c]))
                abort();
    }
    if (memcmp(plain.host, recorded.host, (size_t)FRAMES * MIPS_PAGE_BYTES) != 0)
        abort();
    stop(&plain);
    stop(&recorded);
    return 0;
}
