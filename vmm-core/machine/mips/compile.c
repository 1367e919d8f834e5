#include "vmm-core/machine/mips/compile.h"

#include <string.h>

#define MAJOR_COP0 0x10u

/* ------------------------------------------------------------------------------- operations */

#define PAIR_NAME(FIRST, SECOND) {MIPS_##FIRST, MIPS_##SECOND},
static const struct {
    uint16_t first, second;
} pairs[] = {MIPS_PAIRS(PAIR_NAME)};
#undef PAIR_NAME

#define FIRST_PAIR (MIPS_NO_FPU + 1u)

/* The handler of `first` and `second` in one, or NULL. */
static const void *pair_handler(const struct draft *draft, unsigned first, unsigned second)
{
    for (unsigned i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (pairs[i].first == first && pairs[i].second == second)
            return draft->handler[FIRST_PAIR + i];
    return NULL;
}

static bool commutes(unsigned what)
{
    return what == MIPS_ADDU || what == MIPS_XOR || what == MIPS_OR || what == MIPS_AND;
}

void mips_emit(struct draft *draft, unsigned what, unsigned a, unsigned b, unsigned c, uint32_t imm)
{
    struct mips_op *const op = &draft->block->op[draft->ops++];
    *op = (struct mips_op){
        .handler = draft->handler[what],
        .imm = imm,
        .a = (uint8_t)a,
        .b = (uint8_t)b,
        .c = (uint8_t)c,
        .place = (uint8_t)(draft->place | draft->delay),
    };
    const unsigned first = draft->last;
    draft->last = what;
    if (draft->ops < 2 || first >= MIPS_INSTRUCTION_COUNT)
        return;
    struct mips_op *const before = op - 1;
    if (a != before->c && b == before->c && commutes(what)) {
        op->a = (uint8_t)b;
        op->b = (uint8_t)a;
    }
    const void *const pair = op->a == before->c ? pair_handler(draft, first, what) : NULL;
    if (pair) {
        before->handler = pair;
        draft->last = MIPS_MICRO_END;
    }
}

static uint32_t word_at(const struct draft *draft, unsigned place)
{
    uint32_t word;
    memcpy(&word, draft->page + (draft->block->physical + 4 * place) % MIPS_PAGE_BYTES, 4);
    return word;
}

static uint32_t pc_of(const struct draft *draft)
{
    return draft->block->address + 4 * draft->place;
}

/* ------------------------------------------------------------------------------- instructions */

/* Into nowhere and without effects: not worth an operation. */
static bool is_nothing(enum mips_instruction instruction, uint32_t word)
{
    switch (mips_form(instruction)) {
    case MIPS_FORM_RD_RS_RT:
        return !mips_rd(word) && instruction != MIPS_ADD && instruction != MIPS_SUB &&
               instruction != MIPS_MUL;
    case MIPS_FORM_RD_RT_RS:
    case MIPS_FORM_RD_RT_SA:
    case MIPS_FORM_RD:
        return !mips_rd(word);
    case MIPS_FORM_RT_RS_SIGNED:
        return !mips_rt(word) && instruction != MIPS_ADDI;
    case MIPS_FORM_RT_RS_UNSIGNED:
    case MIPS_FORM_RT_UPPER:
    case MIPS_FORM_RT_RS_EXT:
    case MIPS_FORM_RT_RS_INS:
        return !mips_rt(word);
    case MIPS_FORM_STYPE:
        return true;
    default:
        return instruction == MIPS_PREF;
    }
}

static void emit_plain(struct draft *draft, enum mips_instruction instruction, uint32_t word)
{
    const unsigned rs = mips_rs(word), rt = mips_rt(word), rd = mips_rd(word), sa = mips_sa(word);
    if (is_nothing(instruction, word))
        return;
    switch (mips_form(instruction)) {
    case MIPS_FORM_RT_UPPER:
        mips_emit(draft, MIPS_SET, 0, 0, mips_written(rt), word << 16);
        break;
    case MIPS_FORM_RD_RT_SA:
        mips_emit(draft, instruction, rt, 0, mips_written(rd), sa);
        break;
    case MIPS_FORM_RD_RT_RS:
        mips_emit(draft, instruction, rt, rs, mips_written(rd), 0);
        break;
    case MIPS_FORM_RT_RS_SIGNED:
        if (!rs && (instruction == MIPS_ADDIU || instruction == MIPS_ADDI))
            mips_emit(draft, MIPS_SET, 0, 0, mips_written(rt), mips_signed(word));
        else
            mips_emit(draft, instruction, rs, 0, mips_written(rt), mips_signed(word));
        break;
    case MIPS_FORM_RT_RS_UNSIGNED:
        mips_emit(draft, instruction, rs, 0, mips_written(rt), mips_unsigned(word));
        break;
    case MIPS_FORM_RT_RS_EXT: /* position in b, mask in imm */
        mips_emit(draft, instruction, rs, sa, mips_written(rt), (uint32_t)(UINT64_C(2) << rd) - 1);
        break;
    case MIPS_FORM_RT_RS_INS: /* mask in place in imm */
        mips_emit(draft, instruction, rs, rt, mips_written(rt),
                  (uint32_t)((UINT64_C(2) << rd) - (UINT64_C(1) << sa)));
        break;
    case MIPS_FORM_RD_RT:
        mips_emit(draft, instruction, rt, 0, mips_written(rd), 0);
        break;
    case MIPS_FORM_RT_MEMORY:
    case MIPS_FORM_HINT_MEMORY:
        mips_emit(draft, instruction, rs, rt, mips_written(rt), mips_signed(word));
        break;
    case MIPS_FORM_MEMORY:
    case MIPS_FORM_RS_SIGNED:
        mips_emit(draft, instruction, rs, 0, 0, mips_signed(word));
        break;
    case MIPS_FORM_RT:
        mips_emit(draft, instruction, 0, 0, mips_written(rt), 0);
        break;
    case MIPS_FORM_RT_CP0:
        mips_emit(draft, instruction, rt, rd, mips_written(rt), word & 7);
        break;
    case MIPS_FORM_RT_HARDWARE:
        mips_emit(draft, instruction, 0, rd, mips_written(rt), 0);
        break;
    case MIPS_FORM_NONE:
        mips_emit(draft, instruction, 0, word >> 26 == MAJOR_COP0 ? RESERVED_COP0 : 0, 0, 0);
        break;
    default:
        mips_emit(draft, instruction, rs, rt, mips_written(rd), 0);
        break;
    }
}

static bool is_branch(enum mips_instruction instruction)
{
    return instruction >= MIPS_BEQ && instruction <= MIPS_JALR;
}

/* Behind these the mode, the variant or the mapping may be another. */
static bool ends_block(enum mips_instruction instruction)
{
    switch (instruction) {
    case MIPS_MTC0:
    case MIPS_DI:
    case MIPS_EI:
    case MIPS_TLBR:
    case MIPS_TLBWI:
    case MIPS_TLBWR:
    case MIPS_ERET:
    case MIPS_WAIT:
    case MIPS_CACHE:
    case MIPS_SYNCI:
    case MIPS_SYSCALL:
    case MIPS_BREAK:
    case MIPS_COP2:
    case MIPS_RESERVED:
        return true;
    default:
        return false;
    }
}

/* One instruction that is no branch; in a delay slot a branch is reserved, and so is ERET. */
static enum mips_instruction emit_instruction(struct draft *draft)
{
    const uint32_t word = word_at(draft, draft->place);
    enum mips_instruction instruction = mips_decode(word);
    if (draft->delay && (is_branch(instruction) || instruction == MIPS_ERET))
        instruction = MIPS_RESERVED;
    if (mips_uses_fpu(word)) {
        if (!(draft->block->variant & VARIANT_FPU))
            mips_emit(draft, MIPS_NO_FPU, 0, 0, 0, 0);
        else if (instruction == MIPS_RESERVED ||
                 !mips_fpu_registers_exist(draft, instruction, word))
            mips_emit(draft, MIPS_RESERVED, 0, 0, 0, 0);
        else
            mips_emit_fpu(draft, instruction, word);
    } else {
        emit_plain(draft, instruction, word);
    }
    return instruction;
}

/* ------------------------------------------------------------------------------- branches */

struct branch {
    enum mips_instruction instruction; /* plain, if likely */
    uint32_t target;
    unsigned rs, rt;
    bool likely, conditional, links;
    unsigned link_to;
};

static struct branch read_branch(const struct draft *draft, uint32_t word)
{
    const enum mips_instruction named = mips_decode(word);
    const uint32_t pc = pc_of(draft);
    struct branch branch = {.instruction = named, .rs = mips_rs(word)};
    branch.conditional = named < MIPS_J;
    branch.likely = branch.conditional && (named - MIPS_BEQ) % 2;
    if (branch.likely)
        branch.instruction--;
    if (branch.instruction == MIPS_BLTZAL || branch.instruction == MIPS_BGEZAL) {
        branch.links = true;
        branch.link_to = 31;
        branch.instruction = branch.instruction == MIPS_BLTZAL ? MIPS_BLTZ : MIPS_BGEZ;
    } else if (named == MIPS_JAL || named == MIPS_JALR) {
        branch.links = true;
        branch.link_to = named == MIPS_JAL ? 31 : mips_written(mips_rd(word));
    }
    if (mips_form(named) == MIPS_FORM_RS_RT_OFFSET)
        branch.rt = mips_rt(word);
    if (mips_form(named) == MIPS_FORM_TARGET)
        branch.target = ((pc + 4) & 0xf0000000) | (word << 2 & 0x0fffffff);
    else
        branch.target = pc + 4 + (mips_signed(word) << 2);
    return branch;
}

/* May the delay slot change what the branch looks at? Then the branch has to look before. */
static bool slot_interferes(const struct branch *branch, uint32_t word)
{
    if (mips_form(branch->instruction) == MIPS_FORM_CC_OFFSET)
        return mips_uses_fpu(word);
    if (branch->instruction == MIPS_J || branch->instruction == MIPS_JAL)
        return false;
    if (branch->links && branch->link_to == branch->rs)
        return true;
    /* whatever the form, a general register is written through rd or rt, or by RDHWR and such */
    const unsigned fields[2] = {mips_rd(word), mips_rt(word)};
    for (unsigned i = 0; i < 2; i++)
        if (fields[i] && (fields[i] == branch->rs || fields[i] == branch->rt)) {
            const enum mips_form form = mips_form(mips_decode(word));
            /* the commonest slots only read rt, or have no rd */
            if (i == 0 && (form == MIPS_FORM_RT_RS_SIGNED || form == MIPS_FORM_RT_RS_UNSIGNED ||
                           form == MIPS_FORM_RT_UPPER || form == MIPS_FORM_RT_MEMORY))
                continue;
            if (i == 1 && (form == MIPS_FORM_RD_RS_RT || form == MIPS_FORM_RD_RT_SA ||
                           form == MIPS_FORM_RD_RT_RS))
                continue;
            return true;
        }
    return false;
}

static unsigned end_of(enum mips_instruction instruction)
{
    switch (instruction) {
    case MIPS_BEQ:
        return MIPS_END_BEQ;
    case MIPS_BNE:
        return MIPS_END_BNE;
    case MIPS_BLEZ:
        return MIPS_END_BLEZ;
    case MIPS_BGTZ:
        return MIPS_END_BGTZ;
    case MIPS_BLTZ:
        return MIPS_END_BLTZ;
    case MIPS_BGEZ:
        return MIPS_END_BGEZ;
    case MIPS_BC1F:
        return MIPS_END_BC1F;
    case MIPS_BC1T:
        return MIPS_END_BC1T;
    case MIPS_J:
    case MIPS_JAL:
        return MIPS_END_JUMP;
    default:
        return MIPS_END_REGISTER;
    }
}

static void emit_branch(struct draft *draft, uint32_t word)
{
    const struct branch branch = read_branch(draft, word);
    const bool condition_code = mips_form(branch.instruction) == MIPS_FORM_CC_OFFSET;
    const unsigned cc = word >> 18 & 7;
    const unsigned c = condition_code ? (cc ? 24 + cc : 23) : 0; /* the bit of FCSR */
    if (condition_code && !(draft->block->variant & VARIANT_FPU)) {
        mips_emit(draft, MIPS_NO_FPU, 0, 0, 0, 0);
        draft->place++;
        return;
    }
    const bool split =
        (draft->block->physical + 4 * draft->place) % MIPS_PAGE_BYTES == MIPS_PAGE_BYTES - 4;
    const bool before =
        branch.likely || split || slot_interferes(&branch, word_at(draft, draft->place + 1));
    /* a register that is both link and operand is read first */
    const bool link_first = branch.links && branch.link_to != branch.rs;
    if (link_first)
        mips_emit(draft, MIPS_SET, 0, 0, branch.link_to, pc_of(draft) + 8);
    unsigned end;
    if (!before) {
        end = end_of(branch.instruction);
    } else if (branch.conditional) { /* the likely form is the next in the list */
        mips_emit(draft, (unsigned)branch.instruction + branch.likely, branch.rs, branch.rt, c,
                  branch.target);
        end = branch.likely && !split ? MIPS_END_JUMP : MIPS_END_CONDITION;
    } else if (end_of(branch.instruction) == MIPS_END_REGISTER) {
        mips_emit(draft, MIPS_TARGET, branch.rs, 0, 0, 0);
        end = MIPS_END_TARGET;
    } else {
        end = MIPS_END_JUMP;
    }
    if (branch.links && !link_first)
        mips_emit(draft, MIPS_SET, 0, 0, branch.link_to, pc_of(draft) + 8);
    draft->place++;
    if (split) {
        const unsigned across = end == MIPS_END_CONDITION ? MIPS_SPLIT_CONDITION
                                : end == MIPS_END_JUMP    ? MIPS_SPLIT_JUMP
                                                          : MIPS_SPLIT_TARGET;
        mips_emit(draft, across, 0, 0, 0, branch.target);
        return;
    }
    draft->delay = PLACE_DELAY;
    emit_instruction(draft);
    draft->place++;
    mips_emit(draft, end, branch.rs, branch.rt, c, branch.target);
}

unsigned mips_compile(struct mips_memory *memory, struct mips_block *block, const uint8_t *page,
                      unsigned most)
{
    struct draft draft = {.block = block,
                          .page = page,
                          .handler = memory->handler[!!(block->variant & VARIANT_RECORD)],
                          .last = MIPS_MICRO_END,
                          .most = most};
    if (block->variant & VARIANT_DELAY) {
        draft.delay = PLACE_DELAY;
        emit_instruction(&draft);
        draft.place++;
        mips_emit(&draft, MIPS_END_DELAY, 0, 0, 0, 0);
        block->count = 1;
        return draft.ops;
    }
    const unsigned left = (MIPS_PAGE_BYTES - block->physical % MIPS_PAGE_BYTES) / 4;
    const unsigned room = left < most ? left : most;
    while (draft.place < room) {
        const uint32_t word = word_at(&draft, draft.place);
        if (is_branch(mips_decode(word))) {
            emit_branch(&draft, word);
            block->count = (uint16_t)draft.place;
            return draft.ops;
        }
        const enum mips_instruction instruction = emit_instruction(&draft);
        draft.place++;
        if (ends_block(instruction))
            break;
    }
    block->count = (uint16_t)draft.place;
    mips_emit(&draft, MIPS_END_FALL, 0, 0, 0, 0);
    return draft.ops;
}
