/* Trap and emulate is exact: the same random kernel, with its exceptions, interrupts, TLB and user mode, on a bare CPU in
 * kernel mode and on a virtual CPU gives the same general registers, FPU, coprocessor 0, TLB, memory, time and recorded
 * references after every slice; also while the virtual CPU's pages move between frames and have read-only copies, and with
 * the page of registers and the rewriting of its readers. The second-level TLB is off, since it changes what a guest sees.
 *
 * Not compared: EBase (its top bits), Random by itself (its draws are), LLAddr. A program that touches what a virtual CPU
 * has not, or entry 0 of the TLB, ends there. DISCO_SEED repeats a run, DISCO_RUNS says how many programs. */
#include "tests/property/vcpu_machine.h"
#include "tests/property/vcpu_program.h"
#include "vmm-core/machine/mips/decode.h"
#include "vmm-core/monitor/expand.h"
#include "vmm-core/monitor/vcpu/vcpu-internal.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

_Static_assert(PROGRAM_PAGES == VM_PAGES, "one memory");

#define SLICES      40u
#define SLICE_MOST  400u
#define SEED        77u         /* of Random */
#define LIST        8192u       /* references of a slice, at most */
#define DIRECT_MASK 0x07ffe000u /* of the bare CPU's entry 0: 64 MiB */

struct both {
    struct vm *vm;
    struct mips_memory *memory; /* the bare CPU's */
    struct mips_cpu *bare;
    uint8_t *host;
    struct mips_state *b, *v;
    struct mips_reference *list[2]; /* [LIST], of the bare CPU and of the virtual one's */
    bool hal;
};

enum { PLAIN, MOVING, HAL };

static struct both open_both(const struct program *program, int how)
{
    static uint32_t wanted;
    struct vcpu_options options = {.seed = SEED};
    if (how == HAL) {
        options.hal = &wanted;
        options.patch = true;
    }
    const uint32_t pc = PROGRAM_KERNEL | PROGRAM_CODE << 12;
    struct both both = {.vm = vm_new(options, pc), .hal = how == HAL};
    const struct mips_model model = {.seed = SEED};
    both.memory = mips_memory_new(VM_PAGES, NULL);
    both.host = aligned_alloc(MIPS_PAGE_BYTES, (size_t)VM_PAGES * MIPS_PAGE_BYTES);
    both.bare = mips_cpu_new(both.memory, &model, 0);
    if (!both.memory || !both.host || !both.bare)
        abort();
    memcpy(both.host, program->word, sizeof program->word);
    for (uint32_t page = 0; page < VM_PAGES; page++) {
        mips_memory_map(both.memory, page, both.host + (size_t)page * MIPS_PAGE_BYTES, true);
        memcpy(vm_frame(both.vm, both.vm->frame[page]), program->word + page * 1024,
               MIPS_PAGE_BYTES);
    }
    mips_memory_written(both.vm->memory, 0, VM_FRAMES * MIPS_PAGE_BYTES);
    both.b = mips_state(both.bare);
    both.v = mips_state(both.vm->cpu);
    both.b->cp0.status = 0;
    both.b->pc = pc;
    mips_state_changed(both.bare);
    const struct mips_tlb_entry direct = {
        .page_mask = DIRECT_MASK,
        .entry_hi = PROGRAM_KERNEL,
        .entry_lo = {ENTRYLO_G | ENTRYLO_V | ENTRYLO_D,
                     0x4000u << ENTRYLO_PFN_SHIFT | ENTRYLO_G | ENTRYLO_V | ENTRYLO_D},
        .used = true,
    };
    mips_tlb_write(both.bare, 0, &direct);
    for (unsigned i = 0; i < 2; i++) {
        both.list[i] = calloc(LIST, sizeof **both.list);
        if (!both.list[i] || !mips_record(i ? both.vm->cpu : both.bare, both.list[i], LIST))
            abort();
    }
    return both;
}

static void close_both(struct both *both)
{
    vm_free(both->vm);
    mips_cpu_free(both->bare);
    mips_memory_free(both->memory);
    free(both->host);
    free(both->list[0]);
    free(both->list[1]);
}

/* ------------------------------------------------------------------------------ the same */

/* The bare CPU's vectors are in kseg0. */
static uint32_t shown(uint32_t pc)
{
    return pc - 0x80000000u < 0x1000 ? pc | PROGRAM_KERNEL : pc;
}

static const struct {
    uint8_t reg, select;
    const char *name;
} compared[] = {
    {0, 0, "Index"},     {2, 0, "EntryLo0"}, {3, 0, "EntryLo1"}, {4, 0, "Context"},
    {4, 2, "UserLocal"}, {5, 0, "PageMask"}, {6, 0, "Wired"},    {7, 0, "HWREna"},
    {8, 0, "BadVAddr"},  {9, 0, "Count"},    {10, 0, "EntryHi"}, {11, 0, "Compare"},
    {12, 0, "Status"},   {12, 1, "IntCtl"},  {13, 0, "Cause"},   {14, 0, "EPC"},
    {15, 0, "PRId"},     {16, 0, "Config"},  {16, 1, "Config1"}, {16, 2, "Config2"},
    {16, 3, "Config3"},  {28, 0, "TagLo"},   {28, 1, "DataLo"},  {30, 0, "ErrorEPC"},
};

static const char *differs(const struct both *both, bool memory)
{
    const struct mips_state *const b = both->b, *const v = both->v;
    if (shown(b->pc) != v->pc)
        return "pc";
    if (mips_instructions(both->bare) != vcpu_time(both->vm->vcpu))
        return "time";
    if (memcmp(b->r, v->r, 32 * sizeof *b->r))
        return "a general register";
    if (b->hi != v->hi || b->lo != v->lo)
        return "HI or LO";
    if (b->fcsr != v->fcsr || memcmp(b->fpr, v->fpr, sizeof b->fpr))
        return "the FPU";
    if (b->delay_slot != v->delay_slot || b->link != v->link)
        return "the delay slot or the link";
    for (size_t i = 0; i < sizeof compared / sizeof *compared; i++)
        if (mips_cp0_read(both->bare, compared[i].reg, compared[i].select) !=
            vcpu_cp0(both->vm->vcpu, compared[i].reg, compared[i].select))
            return compared[i].name;
    for (unsigned i = 1; i < MIPS_TLB_MAX; i++) {
        const struct mips_tlb_entry *const one = &b->tlb[i], *const other =
                                                                 &vcpu_tlb(both->vm->vcpu)[i];
        if (one->used != other->used || one->entry_hi != other->entry_hi ||
            one->page_mask != other->page_mask || one->entry_lo[0] != other->entry_lo[0] ||
            one->entry_lo[1] != other->entry_lo[1])
            return "the TLB";
    }
    for (uint32_t page = PROGRAM_DATA; memory && page < VM_PAGES; page++)
        if (memcmp(both->host + (size_t)page * MIPS_PAGE_BYTES,
                   vm_frame(both->vm, both->vm->frame[page]), MIPS_PAGE_BYTES))
            return "memory";
    return NULL;
}

/* What was referenced since this was last asked, one by one. */
static size_t references(const struct both *both, bool virtual, uint64_t *addr, uint8_t *what)
{
    struct expand expand = {.fetches = true,
                            .hidden =
                                virtual && both->hal ? ABI_HAL_PAGE / MIPS_PAGE_BYTES : EXPAND_ALL};
    expand_begin(&expand, both->list[virtual], mips_recorded(virtual ? both->vm->cpu : both->bare));
    const size_t count = expand_some(&expand, addr, what, LIST);
    for (size_t i = 0; i < count; i++)
        addr[i] = shown((uint32_t)addr[i]);
    return count;
}

static bool references_differ(const struct both *both)
{
    static uint64_t addr[2][LIST + EXPAND_SLACK];
    static uint8_t what[2][LIST + EXPAND_SLACK];
    const size_t count = references(both, false, addr[0], what[0]);
    return count != references(both, true, addr[1], what[1]) ||
           memcmp(addr[0], addr[1], count * sizeof **addr) || memcmp(what[0], what[1], count);
}

/* ------------------------------------------------------------------------------ one program */

/* What happens to both beside instructions: drawn from a generator of its own, by time. */
static void disturb(struct both *both, struct random *random, int how)
{
    if (random_below(random, 3) == 0) {
        const unsigned line = random_below(random, 6);
        const bool high = random_below(random, 2);
        mips_set_interrupt(both->bare, line, high);
        vcpu_interrupt(both->vm->vcpu, line, high);
    }
    if (random_below(random, 8) == 0) {
        both->b->link = false;
        vcpu_unlink(both->vm->vcpu);
    }
    if (how != MOVING || random_below(random, 2))
        return;
    struct vm *const vm = both->vm;
    const uint32_t page = random_below(random, VM_PAGES), spare = 64 + random_below(random, 60);
    for (uint32_t i = 0; i < VM_PAGES; i++)
        if (vm->frame[i] == spare)
            return;
    vm_move(vm, page, spare, true);
    vm->read_only[page] = random_below(random, 2);
    both->b->link = false;
    vcpu_unlink(vm->vcpu);
}

/* Does the program use what the two have not in common: entry 0 of the bare TLB and what it maps or leaves out of the direct
 * map, supervisor mode, the boot ROM; does a user execute code that the kernel had rewritten? (It may, where an EPC from before
 * leads into the middle of a sequence.) Asked before each instruction. */
static bool is_out_of_bounds(const struct both *both, const struct program *program)
{
    uint32_t physical;
    const uint32_t foreign = STATUS_BEV | (uint32_t)MIPS_SUPERVISOR << STATUS_KSU_SHIFT;
    if (both->b->cp0.status & foreign || (!both->b->cp0.wired && mips_instructions(both->bare) > 9))
        return true;
    const uint32_t beyond = PROGRAM_KERNEL + DIRECT_MASK + 0x2000;
    if (both->b->pc - beyond < ABI_DIRECT_MAP + ABI_DIRECT_BYTES - beyond)
        return true;
    if (both->hal && both->b->pc - ABI_HAL_PAGE < MIPS_PAGE_BYTES)
        return true;
    const bool direct = both->b->cp0.entry_hi - ABI_DIRECT_MAP < ABI_DIRECT_BYTES;
    if (mips_translate(both->bare, both->b->pc, MIPS_FETCH, &physical) >= 0 ||
        physical / 4 >= PROGRAM_WORDS)
        return false;
    for (uint32_t i = 0; i < 2; i++) { /* a branch and its slot go together */
        const uint32_t at = physical / 4 + i;
        const enum mips_instruction what = mips_decode(at < PROGRAM_WORDS ? program->word[at] : 0);
        if ((what == MIPS_TLBWI || what == MIPS_TLBR) && !(both->b->cp0.index & 63))
            return true;
        if ((what == MIPS_TLBWI || what == MIPS_TLBWR || what == MIPS_TLBP) && direct)
            return true;
        if (both->hal && what == MIPS_MFC0 && !vcpu_privileged(both->vm->vcpu))
            return true;
    }
    return false;
}

/* Both, so many instructions. NULL: they agree so far; "": the program has ended here. */
static const char *step(struct both *both, const struct program *program, uint64_t instructions,
                        struct random *random, bool memory)
{
    const enum vcpu_stop stop = vcpu_run(both->vm->vcpu, instructions);
    if (stop == VCPU_STOP_ERROR || stop == VCPU_STOP_CALL)
        return "";
    const enum mips_stop bare = mips_run(both->bare, instructions);
    if (is_out_of_bounds(both, program))
        return "";
    const char *why = differs(both, memory);
    if (references_differ(both) && !why)
        why = "a reference";
    if (why)
        return why;
    if ((stop == VCPU_STOP_WAIT) != (bare == MIPS_STOP_WAIT))
        return "waiting";
    if (stop == VCPU_STOP_WAIT) {
        const uint64_t time = random_below(random, 300);
        vcpu_skip(both->vm->vcpu, time);
        mips_skip(both->bare, time);
        if (random_below(random, 4) == 0) { /* nothing wakes it, perhaps */
            both->b->waiting = false;
            return "";
        }
    }
    return NULL;
}

struct outcome {
    const char *why; /* NULL: equal to the end; "": to where it had to end */
    uint64_t instructions, service[VCPU_SERVICES];
};

#define NEVER  UINT64_MAX
#define BEFORE 60u /* instructions that are told before a difference */

static void tell_instruction(const struct both *both)
{
    char text[MIPS_TEXT_BYTES];
    uint32_t physical, word = 0;
    if (mips_translate(both->bare, both->b->pc, MIPS_FETCH, &physical) < 0 &&
        physical / 4 < PROGRAM_WORDS)
        memcpy(&word, both->host + physical, 4);
    mips_disassemble(word, both->b->pc, text);
    printf("# %" PRIu64 " %08x %s\n", mips_instructions(both->bare), both->b->pc, text);
}

static void tell_states(const struct both *both)
{
    char *const bare = mips_describe(both->bare), *const virtual = vcpu_describe(both->vm->vcpu);
    printf("# bare\n%s# virtual\n%s", bare ? bare : "", virtual ? virtual : "");
    free(bare);
    free(virtual);
}

/* One slice, an instruction at a time. */
static const char *step_single(struct both *both, const struct program *program, uint64_t length,
                               struct random *random, uint64_t tell_from)
{
    const uint64_t end = mips_instructions(both->bare) + length;
    const char *why = NULL;
    while (!why && mips_instructions(both->bare) < end) {
        if (is_out_of_bounds(both, program))
            return "";
        if (mips_instructions(both->bare) >= tell_from)
            tell_instruction(both);
        why = step(both, program, 1, random, false);
    }
    return why;
}

/* `single`: an instruction at a time, with the same disturbances at the same times. */
static struct outcome run_program(const struct program *program, uint64_t seed, int how,
                                  bool single, uint64_t tell_from)
{
    struct both both = open_both(program, how);
    struct random random = {seed * UINT64_C(0x9e3779b97f4a7c15) | 1};
    struct outcome outcome = {0};
    for (unsigned slice = 0; slice < SLICES && !outcome.why; slice++) {
        const uint64_t length =
            1 + random_below(&random, random_below(&random, 3) ? SLICE_MOST : 8);
        disturb(&both, &random, how);
        outcome.why = single ? step_single(&both, program, length, &random, tell_from)
                             : step(&both, program, length, &random, true);
    }
    outcome.instructions = mips_instructions(both.bare);
    memcpy(outcome.service, vcpu_services(both.vm->vcpu), sizeof outcome.service);
    if (tell_from != NEVER)
        tell_states(&both);
    close_both(&both);
    return outcome;
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *const text = getenv(name);
    return text ? strtoull(text, NULL, 0) : otherwise;
}

static void fail_program(const struct program *program, uint64_t seed, int how, const char *why,
                         uint64_t instructions)
{
    const uint64_t from = instructions > BEFORE ? instructions - BEFORE : 0;
    run_program(program, seed, how, true, from);
    run_program(program, seed, how, false, from);
    fail_msg("DISCO_SEED=%" PRIu64 ": %s differs after %" PRIu64 " instructions", seed, why,
             instructions);
}

static void run_programs(int how)
{
    const uint64_t first = number_of("DISCO_SEED", 1),
                   runs = number_of("DISCO_RUNS", getenv("DISCO_SANITIZED") ? 40 : 400);
    static struct program program;
    uint64_t instructions = 0, service[VCPU_SERVICES] = {0};
    for (uint64_t seed = first; seed < first + runs; seed++) {
        program.random.state = (seed + (uint64_t)how * 1000000) * UINT64_C(0x9e3779b97f4a7c15) | 1;
        write_program(&program);
        const struct outcome outcome = run_program(&program, seed, how, seed % 4 == 0, NEVER);
        instructions += outcome.instructions;
        for (unsigned i = 0; i < VCPU_SERVICES; i++)
            service[i] += outcome.service[i];
        if (!outcome.why || !*outcome.why)
            continue;
        /* it may have gone out of bounds within a slice */
        const struct outcome single = run_program(&program, seed, how, true, NEVER);
        if (!single.why || *single.why)
            fail_program(&program, seed, how, outcome.why, outcome.instructions);
    }
    printf("# %" PRIu64 " instructions: %" PRIu64 " emulated, %" PRIu64 " TLB writes, %" PRIu64
           " exceptions, %" PRIu64 " interrupts, %" PRIu64 " refills, %" PRIu64 " patched\n",
           instructions, service[VCPU_PRIVILEGED], service[VCPU_TLB_WRITE], service[VCPU_REFLECTED],
           service[VCPU_INTERRUPTED], service[VCPU_REFILLED], service[VCPU_PATCHED]);
    if (runs > 30) { /* enough of everything, or it proves little */
        assert_true(instructions > runs * 1000);
        for (unsigned i = 0; i < VCPU_SERVICES; i++)
            assert_true(service[i] || i == VCPU_CALLED || (i == VCPU_PATCHED && how != HAL));
    }
}

static void a_virtual_cpu_does_what_the_bare_one_does(void **state)
{
    (void)state;
    run_programs(PLAIN);
}

static void also_while_pages_move_and_have_copies(void **state)
{
    (void)state;
    run_programs(MOVING);
}

static void also_with_the_page_of_registers_and_patched_code(void **state)
{
    (void)state;
    run_programs(HAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_virtual_cpu_does_what_the_bare_one_does),
        cmocka_unit_test(also_while_pages_move_and_have_copies),
        cmocka_unit_test(also_with_the_page_of_registers_and_patched_code),
    };
    return cmocka_run_group_tests_name("vcpu", tests, NULL, NULL);
}
