#include "vmm-core/machine/mips/fpu.h"
#include "vmm-core/machine/mips/internal.h"

#include <string.h>

#define RUN_LOOP loop_plain
#define RECORDS  0
#include "vmm-core/machine/mips/run-loop.h"
#undef RUN_LOOP
#undef RECORDS

#define RUN_LOOP loop_records
#define RECORDS  1
#include "vmm-core/machine/mips/run-loop.h"
#undef RUN_LOOP
#undef RECORDS

void mips_handlers(struct mips_memory *memory)
{
    loop_plain(NULL, &memory->handler[0]);
    loop_records(NULL, &memory->handler[1]);
}

static struct mips_block *stop(struct mips_cpu *cpu, enum mips_stop why)
{
    cpu->stop = why;
    return NULL;
}

struct mips_block *mips_next(struct mips_cpu *cpu)
{
    for (;;) {
        mips_kick(cpu);
        const uint64_t now = cpu->end;
        if (now >= cpu->timer_at)
            mips_timer_expired(cpu);
        if (now >= cpu->limit)
            return stop(cpu, MIPS_STOP_LIMIT);
        if (cpu->list && cpu->next_reference > cpu->list_full)
            return stop(cpu, MIPS_STOP_REFERENCES);
        if (cpu->s.waiting) {
            if (!(cpu->s.cp0.status & cpu->s.cp0.cause & CAUSE_IP))
                return stop(cpu, MIPS_STOP_WAIT);
            cpu->s.waiting = false;
        }
        uint32_t physical;
        if (mips_interrupted(cpu)) {
            mips_fault(cpu, MIPS_EXCEPTION_INTERRUPT);
        } else if (mips_fetch_address(cpu, &physical)) {
            if (mips_interrupted(cpu)) /* by whom a miss asked */
                continue;
            const uint64_t until = cpu->limit < cpu->timer_at ? cpu->limit : cpu->timer_at;
            cpu->budget = until - now > INT64_MAX / 2 ? INT64_MAX / 2 : (int64_t)(until - now);
            cpu->end = now + (uint64_t)cpu->budget;
            struct mips_block *const block = mips_block_find(cpu, physical);
            if (block)
                return block;
        }
        cpu->end = now + 1;
        cpu->budget = 0;
        mips_enter(cpu, cpu->s.pc, cpu->s.delay_slot);
        if (cpu->model.stop_on_exception)
            return stop(cpu, MIPS_STOP_EXCEPTION);
    }
}

enum mips_stop mips_run(struct mips_cpu *cpu, uint64_t instructions)
{
    const uint64_t now = mips_now(cpu);
    cpu->limit = instructions > UINT64_MAX - now ? UINT64_MAX : now + instructions;
    mips_links_guard(cpu);
    if (cpu->list)
        loop_records(cpu, NULL);
    else
        loop_plain(cpu, NULL);
    mips_kick(cpu);
    return cpu->stop;
}

/* Behind this reference not all of a block's might have room. */
#define BLOCK_REFERENCES (MIPS_BLOCK_MAX + 2u)

bool mips_record(struct mips_cpu *cpu, struct mips_reference *list, size_t capacity)
{
    if (list && capacity < MIPS_REFERENCES_MIN)
        return false;
    cpu->list = cpu->next_reference = list;
    cpu->resumed = 0;
    cpu->list_full = list ? list + (capacity - BLOCK_REFERENCES) : NULL;
    mips_context(cpu);
    mips_kick(cpu);
    return true;
}

/* A list that begins within a block: what belongs to the instruction before it goes first, and the
 * run begins behind that. */
static size_t put_in_order(struct mips_cpu *cpu, size_t recorded)
{
    struct mips_reference *const list = cpu->list, run = list[0];
    const uint16_t before = (uint16_t)cpu->resumed, count = (uint16_t)(run.place - before);
    size_t at = 0;
    for (; at + 1 < recorded && list[at + 1].kind != MIPS_FETCH && list[at + 1].place < before;
         at++) {
        list[at] = list[at + 1];
        list[at].place = 0;
    }
    if (!count) {
        memmove(list + at, list + at + 1, (recorded - at - 1) * sizeof *list);
        return recorded - 1;
    }
    list[at] = (struct mips_reference){run.address + 4u * before, MIPS_FETCH, run.bytes, count};
    for (at++; at < recorded && list[at].kind != MIPS_FETCH; at++)
        list[at].place = (uint16_t)(list[at].place - before);
    return recorded;
}

size_t mips_recorded(struct mips_cpu *cpu)
{
    size_t recorded = (size_t)(cpu->next_reference - cpu->list);
    if (!recorded)
        return 0;
    const struct mips_op *const op = cpu->op;
    const unsigned issued = op ? (op->place & ~PLACE_DELAY) + 1u : 0;
    if (op)
        cpu->run_reference->place = (uint16_t)issued;
    if (cpu->resumed)
        recorded = put_in_order(cpu, recorded);
    cpu->next_reference = cpu->list;
    cpu->resumed = issued;
    return recorded;
}

void mips_resume(struct mips_cpu *cpu)
{
    /* counted from the block's start, as its operations' places are */
    cpu->run_reference = cpu->next_reference++;
    *cpu->run_reference = (struct mips_reference){cpu->block->address, MIPS_FETCH,
                                                  (uint8_t)mips_mode(cpu), cpu->block->count};
}
