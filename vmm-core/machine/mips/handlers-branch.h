/* Part of the run loop: branches, and the ends of blocks. */

/* A plain branch before its delay slot keeps the condition; a likely one that is not taken skips
 * the slot; as the end of a block it goes where it says. */
#define BRANCH(NAME, condition)                                                                    \
    HANDLER(NAME)                                                                                  \
    {                                                                                              \
        cpu->taken = (condition);                                                                  \
        NEXT;                                                                                      \
    }                                                                                              \
    HANDLER(NAME##L)                                                                               \
    {                                                                                              \
        if (!(condition))                                                                          \
            goto nullify;                                                                          \
        cpu->taken = true;                                                                         \
        NEXT;                                                                                      \
    }                                                                                              \
    HANDLER(END_##NAME)                                                                            \
    {                                                                                              \
        if (condition)                                                                             \
            goto taken;                                                                            \
        goto fall;                                                                                 \
    }

BRANCH(BEQ, r[op->a] == r[op->b])
BRANCH(BNE, r[op->a] != r[op->b])
BRANCH(BLEZ, (int32_t)r[op->a] <= 0)
BRANCH(BGTZ, (int32_t)r[op->a] > 0)
BRANCH(BLTZ, (int32_t)r[op->a] < 0)
BRANCH(BGEZ, (int32_t)r[op->a] >= 0)
BRANCH(BC1F, !(cpu->s.fcsr >> op->c & 1))
BRANCH(BC1T, cpu->s.fcsr >> op->c & 1)

HANDLER(TARGET)
{
    cpu->s.delay_target = r[op->a];
    NEXT;
}

HANDLER(END_CONDITION)
{
    if (!cpu->taken)
        goto fall;
    goto taken;
}

HANDLER(END_JUMP)
{
taken:
    if (LIKELY(block->taken)) {
        block = block->taken;
        goto enter;
    }
    pc = op->imm;
    link = &block->taken;
    goto jump_on_page;
}

HANDLER(END_FALL)
{
fall:
    if (LIKELY(block->fall)) {
        block = block->fall;
        goto enter;
    }
    pc = block->address + 4u * block->count;
    link = &block->fall;
    goto jump_on_page;

    /* The delay slot is not executed, and not counted: if it is in the block, it was in advance. */
nullify:
    if ((op->place & ~PLACE_DELAY) + 2u == block->count) {
        cpu->budget++;
        FETCHED((op->place & ~PLACE_DELAY) + 1u);
    }
    if (block->fall) {
        block = block->fall;
        goto enter;
    }
    pc = block->address + 4u * (op->place & ~PLACE_DELAY) + 8;
    link = &block->fall;

jump_on_page:
    known = &cpu->jump[mips_jump_index(pc)];
    if (known->address != pc || known->context != cpu->context) {
        cpu->s.pc = pc;
        goto next;
    }
    if (!((pc ^ block->address) & CACHED_PAGE) && !block->once && !known->block->once)
        *link = known->block;
    block = known->block;
    goto enter;
}

HANDLER(END_TARGET)
{
    pc = cpu->s.delay_target;
    goto jump;
}

HANDLER(END_REGISTER)
{
    pc = r[op->a];
jump:
    known = &cpu->jump[mips_jump_index(pc)];
    if (LIKELY(known->address == pc && known->context == cpu->context)) {
        block = known->block;
        goto enter;
    }
    cpu->s.pc = pc;
    goto next;
}

/* The delay slot is the first word of the next page: a block of its own, whose fetch may fault. */
HANDLER(SPLIT_CONDITION)
{
    cpu->s.delay_target = cpu->taken ? op->imm : block->address + 4u * block->count + 4;
    goto split;
}

HANDLER(SPLIT_JUMP)
{
    cpu->s.delay_target = op->imm;
    goto split;
}

HANDLER(SPLIT_TARGET)
{
split:
    cpu->s.delay_slot = true;
    cpu->s.pc = block->address + 4u * block->count;
    mips_context(cpu);
    goto next;
}

HANDLER(END_DELAY)
{
    cpu->s.delay_slot = false;
    cpu->s.pc = cpu->s.delay_target;
    mips_context(cpu);
    goto next;
}

HANDLER(STALE)
{
    cpu->s.pc = block->address;
    cpu->budget += block->count;
    UNFETCHED;
    goto next;
}

#undef BRANCH
