/* The run loop, included once for each kind: RUN_LOOP is its name, RECORDS whether it writes down
 * references. Threaded code: each operation's handler ends by jumping to the next one's.
 *
 * Called without a CPU it gives its table of handlers, by enum mips_instruction and mips_micro. */

#define LIKELY(x)     __builtin_expect(!!(x), 1)
#define UNLIKELY(x)   __builtin_expect(!!(x), 0)
#define HANDLER(NAME) do_##NAME:
#define NEXT          goto *(++op)->handler
#define RAISE(code)                                                                                \
    do {                                                                                           \
        cpu->fault = (struct mips_fault){code, 0, 0, false};                                       \
        goto fault;                                                                                \
    } while (0)

#if RECORDS
#define REFERENCE(access, where, size)                                                             \
    *cpu->next_reference++ = (struct mips_reference)                                               \
    {                                                                                              \
        (where), (access), (uint8_t)(size), (uint16_t)(op->place & ~PLACE_DELAY)                   \
    }
#define FETCHED(instructions) cpu->run_reference->place = (uint16_t)(instructions)
#define UNFETCHED             cpu->next_reference--
#else
#define REFERENCE(access, where, size) (void)(where)
#define FETCHED(instructions)          (void)0
#define UNFETCHED                      (void)0
#endif

static void RUN_LOOP(struct mips_cpu *cpu, const void *const **table)
{
#define MIPS_NAME(NAME, mnemonic, FORM) [MIPS_##NAME] = &&do_##NAME,
#define MIPS_NAME_MICRO(NAME)           [MIPS_##NAME] = &&do_##NAME,
#define MIPS_NAME_PAIR(FIRST, SECOND)   [MIPS_PAIR_##FIRST##_##SECOND] = &&do_PAIR_##FIRST##_##SECOND,
    /* cppcheck-suppress assignBoolToPointer ; addresses of labels */
    static const void *const handlers[] = {MIPS_INSTRUCTIONS(MIPS_NAME) MIPS_MICRO(MIPS_NAME_MICRO)
                                               MIPS_PAIRS(MIPS_NAME_PAIR)};
#undef MIPS_NAME
#undef MIPS_NAME_MICRO
#undef MIPS_NAME_PAIR
    if (!cpu) {
        *table = handlers;
        return;
    }
    uint32_t *const r = cpu->s.r;
    struct mips_block *block;
    struct mips_block **link;
    const struct mips_jump *known;
    const struct mips_op *op;
    uint32_t pc;

next:
    block = mips_next(cpu);
    if (!block)
        return;
    cpu->budget -= block->count;
    goto start;
enter:
    cpu->budget -= block->count;
    if (UNLIKELY(cpu->budget < 0))
        goto over;
#if RECORDS
    if (UNLIKELY(cpu->next_reference > cpu->list_full))
        goto over;
#endif
start:
    cpu->block = block;
#if RECORDS
    cpu->run_reference = cpu->next_reference++;
    *cpu->run_reference =
        (struct mips_reference){block->address, MIPS_FETCH, cpu->mode, block->count};
#endif
    op = block->op;
    goto * op->handler;
over:
    cpu->budget += block->count;
    cpu->s.pc = block->address;
    goto next;

    /* The instruction counts as issued; what follows it in the block does not. */
fault : {
    const unsigned place = op->place & ~PLACE_DELAY;
    cpu->budget += block->count - (int)place - 1;
    FETCHED(place + 1);
    mips_enter(cpu, block->address + 4 * place, op->place & PLACE_DELAY);
    if (!cpu->model.stop_on_exception)
        goto next;
    cpu->stop = MIPS_STOP_EXCEPTION;
    return;
}

#include "vmm-core/machine/mips/handlers-branch.h"
#include "vmm-core/machine/mips/handlers-integer.h"
#include "vmm-core/machine/mips/handlers-memory.h"
#include "vmm-core/machine/mips/handlers-system.h"
}

#undef REFERENCE
#undef FETCHED
#undef UNFETCHED
#undef LIKELY
#undef UNLIKELY
#undef NEXT
#undef HANDLER
#undef RAISE
