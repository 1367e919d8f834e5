/* Count, Compare and the timer's interrupt, on the clock of instructions. */
#include "vmm-core/machine/mips/internal.h"

uint64_t mips_instructions(const struct mips_cpu *cpu)
{
    return mips_now(cpu);
}

uint32_t mips_count(const struct mips_cpu *cpu)
{
    if (cpu->s.cp0.cause & CAUSE_DC)
        return cpu->count_offset;
    return cpu->count_offset + (uint32_t)(mips_now(cpu) / MIPS_COUNT_INSTRUCTIONS);
}

/* When Count reaches Compare next; having just reached it, a whole turn later. */
void mips_timer(struct mips_cpu *cpu)
{
    if (cpu->s.cp0.cause & CAUSE_DC) {
        cpu->timer_at = UINT64_MAX;
        return;
    }
    const uint32_t distance = cpu->s.cp0.compare - mips_count(cpu);
    const uint64_t ticks = distance ? distance : UINT64_C(1) << 32;
    cpu->timer_at = (mips_now(cpu) / MIPS_COUNT_INSTRUCTIONS + ticks) * MIPS_COUNT_INSTRUCTIONS;
}

void mips_timer_expired(struct mips_cpu *cpu)
{
    cpu->s.cp0.cause |= CAUSE_TI;
    mips_lines(cpu);
    mips_timer(cpu);
}

void mips_set_count(struct mips_cpu *cpu, uint32_t value)
{
    cpu->count_offset = value;
    if (!(cpu->s.cp0.cause & CAUSE_DC))
        cpu->count_offset -= (uint32_t)(mips_now(cpu) / MIPS_COUNT_INSTRUCTIONS);
    mips_timer(cpu);
    mips_kick(cpu);
}

/* Cause.IP2-7 follow the lines; the timer shares line 5, as IntCtl.IPTI says. */
void mips_lines(struct mips_cpu *cpu)
{
    uint32_t *const cause = &cpu->s.cp0.cause;
    *cause =
        (*cause & ~(CAUSE_IP & ~CAUSE_IP_SOFT)) | cpu->lines | (*cause & CAUSE_TI ? CAUSE_IP7 : 0);
}

void mips_skip(struct mips_cpu *cpu, uint64_t instructions)
{
    /* a step a timer, so that none is missed */
    uint64_t now = mips_now(cpu), to = now + instructions;
    for (;;) {
        const uint64_t stop = cpu->timer_at < to ? cpu->timer_at : to;
        cpu->end = now = stop;
        cpu->budget = 0;
        if (now >= cpu->timer_at)
            mips_timer_expired(cpu);
        if (now >= to)
            return;
    }
}

uint64_t mips_until_timer(const struct mips_cpu *cpu)
{
    return cpu->timer_at == UINT64_MAX ? UINT64_MAX : cpu->timer_at - mips_now(cpu);
}
