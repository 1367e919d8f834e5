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
        if (mips_interrupted(cpu)) {
            mips_fault(cpu, MIPS_EXCEPTION_INTERRUPT);
        } else {
            const uint64_t until = cpu->limit < cpu->timer_at ? cpu->limit : cpu->timer_at;
            cpu->budget = until - now > INT64_MAX / 2 ? INT64_MAX / 2 : (int64_t)(until - now);
            cpu->end = now + (uint64_t)cpu->budget;
            struct mips_block *const block = mips_block_find(cpu);
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
    cpu->list_full = list ? list + (capacity - BLOCK_REFERENCES) : NULL;
    mips_context(cpu);
    mips_kick(cpu);
    return true;
}

size_t mips_recorded(struct mips_cpu *cpu)
{
    const size_t recorded = (size_t)(cpu->next_reference - cpu->list);
    cpu->next_reference = cpu->list;
    return recorded;
}
