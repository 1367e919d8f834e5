#include "vmm-core/machine/mips/internal.h"

#include <string.h>

#define MAJOR_COP0 0x10u

struct draft {
    struct mips_block *block;
    const void *const *handler;
    const uint8_t *page; /* bytes of the frame */
    unsigned ops, place, most;
    unsigned last;  /* what the last operation is; MIPS_MICRO_END: none that can begin a pair */
    unsigned delay; /* PLACE_DELAY in a delay slot */
};

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

static void emit(struct draft *draft, unsigned what, unsigned a, unsigned b, unsigned c,
                 uint32_t imm)
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

/* Writes to register 0 go where nobody looks. */
static unsigned written(unsigned reg)
{
    return reg ? reg : 32;
}

/* ------------------------------------------------------------------------------- the FPU */

static bool is_double(enum mips_instruction instruction)
{
    return (instruction >= MIPS_ADD_D && instruction <= MIPS_NMSUB_D) ||
           instruction == MIPS_CVT_S_D;
}

/* 64-bit operands: bit 0 the sources, bit 1 the destination. */
static unsigned wide_operands(enum mips_instruction instruction)
{
    switch (instruction) {
    case MIPS_ROUND_L_S:
    case MIPS_TRUNC_L_S:
    case MIPS_CEIL_L_S:
    case MIPS_FLOOR_L_S:
    case MIPS_CVT_L_S:
    case MIPS_CVT_D_S:
    case MIPS_CVT_D_W:
        return 2;
    case MIPS_ROUND_W_D:
    case MIPS_TRUNC_W_D:
    case MIPS_CEIL_W_D:
    case MIPS_FLOOR_W_D:
    case MIPS_CVT_W_D:
    case MIPS_CVT_S_D:
    case MIPS_CVT_S_L:
    case MIPS_C_D:
        return 1;
    case MIPS_CVT_D_L:
    case MIPS_LDC1:
    case MIPS_SDC1:
    case MIPS_LDXC1:
    case MIPS_SDXC1:
    case MIPS_LUXC1:
    case MIPS_SUXC1:
        return 3;
    default:
        return is_double(instruction) ? 3 : 0;
    }
}

/* Instructions on 64-bit integers, and unaligned indexed ones, ask for 64-bit registers. */
static bool needs_fr(enum mips_instruction instruction)
{
    switch (instruction) {
    case MIPS_ROUND_L_S:
    case MIPS_TRUNC_L_S:
    case MIPS_CEIL_L_S:
    case MIPS_FLOOR_L_S:
    case MIPS_CVT_L_S:
    case MIPS_ROUND_L_D:
    case MIPS_TRUNC_L_D:
    case MIPS_CEIL_L_D:
    case MIPS_FLOOR_L_D:
    case MIPS_CVT_L_D:
    case MIPS_CVT_S_L:
    case MIPS_CVT_D_L:
    case MIPS_LUXC1:
    case MIPS_SUXC1:
        return true;
    default:
        return false;
    }
}

static unsigned fpu_word(const struct draft *draft, unsigned reg)
{
    return draft->block->variant & VARIANT_FR ? 2 * reg : reg;
}

/* A double in an odd register is no register with FR=0. */
static bool registers_exist(const struct draft *draft, enum mips_instruction instruction,
                            uint32_t word)
{
    if (draft->block->variant & VARIANT_FR)
        return true;
    if (needs_fr(instruction))
        return false;
    const unsigned wide = wide_operands(instruction), fs = mips_rd(word), ft = mips_rt(word),
                   fd = mips_sa(word);
    const unsigned source = wide & 1, target = wide >> 1;
    switch (mips_form(instruction)) {
    case MIPS_FORM_FD_FS_FT:
        return !((fs & source) | (ft & source) | (fd & target));
    case MIPS_FORM_FD_FR_FS_FT:
        return !((fs & source) | (ft & source) | (mips_rs(word) & source) | (fd & target));
    case MIPS_FORM_CC_FS_FT:
        return !((fs & source) | (ft & source));
    case MIPS_FORM_FD_FS:
    case MIPS_FORM_FD_FS_CC:
    case MIPS_FORM_FD_FS_RT:
        return !((fs & source) | (fd & target));
    case MIPS_FORM_FT_MEMORY:
        return !(ft & source);
    case MIPS_FORM_FD_INDEXED:
        return !(fd & target);
    case MIPS_FORM_FS_INDEXED:
        return !(fs & source);
    default:
        return true;
    }
}

/* Condition code `cc` as its bit of FCSR: 0 stands apart from 1-7. */
static uint32_t condition_bit(unsigned cc)
{
    return UINT32_C(1) << (cc ? 24 + cc : 23);
}

static bool uses_fpu(uint32_t word)
{
    switch (word >> 26) {
    case 0x00:
        return (word & 63) == 0x01;
    case 0x11:
    case 0x13:
    case 0x31:
    case 0x35:
    case 0x39:
    case 0x3d:
        return true;
    default:
        return false;
    }
}

static void emit_fpu(struct draft *draft, enum mips_instruction instruction, uint32_t word)
{
    const unsigned fs = fpu_word(draft, mips_rd(word)), ft = fpu_word(draft, mips_rt(word)),
                   fd = fpu_word(draft, mips_sa(word));
    const bool fr = draft->block->variant & VARIANT_FR;
    switch (mips_form(instruction)) {
    case MIPS_FORM_RT_FS: {
        /* the high halves, with FR=0, are the odd registers */
        const unsigned high = instruction == MIPS_MFHC1 || instruction == MIPS_MTHC1;
        const unsigned half = !high ? fs : fr ? fs + 1 : fs | 1;
        emit(draft, instruction, mips_rt(word), half, written(mips_rt(word)), 0);
        break;
    }
    case MIPS_FORM_RT_CONTROL:
        emit(draft, instruction, mips_rt(word), mips_rd(word), written(mips_rt(word)), 0);
        break;
    case MIPS_FORM_RD_RS_CC:
        emit(draft, instruction, mips_rs(word), 0, written(mips_rd(word)),
             condition_bit(word >> 18 & 7));
        break;
    case MIPS_FORM_FD_FS_CC:
        emit(draft, instruction, fs, 0, fd, condition_bit(word >> 18 & 7));
        break;
    case MIPS_FORM_FD_FS_RT:
        emit(draft, instruction, fs, mips_rt(word), fd, 0);
        break;
    case MIPS_FORM_CC_FS_FT:
        emit(draft, instruction, fs, ft, word & 15, condition_bit(word >> 8 & 7));
        break;
    case MIPS_FORM_FD_FR_FS_FT:
        emit(draft, instruction, fs, ft, fd, fpu_word(draft, mips_rs(word)));
        break;
    case MIPS_FORM_FT_MEMORY:
        emit(draft, instruction, mips_rs(word), ft, ft, mips_signed(word));
        break;
    case MIPS_FORM_FD_INDEXED:
        emit(draft, instruction, mips_rs(word), mips_rt(word), fd, 0);
        break;
    case MIPS_FORM_FS_INDEXED:
        emit(draft, instruction, mips_rs(word), mips_rt(word), fs, 0);
        break;
    case MIPS_FORM_HINT_INDEXED: /* a prefetch has no effect that a program could see */
        break;
    default:
        emit(draft, instruction, fs, ft, fd, 0);
        break;
    }
}

/* ------------------------------------------------------------------------------- all the rest */

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
        emit(draft, MIPS_SET, 0, 0, written(rt), word << 16);
        break;
    case MIPS_FORM_RD_RT_SA:
        emit(draft, instruction, rt, 0, written(rd), sa);
        break;
    case MIPS_FORM_RD_RT_RS:
        emit(draft, instruction, rt, rs, written(rd), 0);
        break;
    case MIPS_FORM_RT_RS_SIGNED:
        if (!rs && (instruction == MIPS_ADDIU || instruction == MIPS_ADDI))
            emit(draft, MIPS_SET, 0, 0, written(rt), mips_signed(word));
        else
            emit(draft, instruction, rs, 0, written(rt), mips_signed(word));
        break;
    case MIPS_FORM_RT_RS_UNSIGNED:
        emit(draft, instruction, rs, 0, written(rt), mips_unsigned(word));
        break;
    case MIPS_FORM_RT_RS_EXT: /* position in b, mask in imm */
        emit(draft, instruction, rs, sa, written(rt), (uint32_t)(UINT64_C(2) << rd) - 1);
        break;
    case MIPS_FORM_RT_RS_INS: /* mask in place in imm */
        emit(draft, instruction, rs, rt, written(rt),
             (uint32_t)((UINT64_C(2) << rd) - (UINT64_C(1) << sa)));
        break;
    case MIPS_FORM_RD_RT:
        emit(draft, instruction, rt, 0, written(rd), 0);
        break;
    case MIPS_FORM_RT_MEMORY:
    case MIPS_FORM_HINT_MEMORY:
        emit(draft, instruction, rs, rt, written(rt), mips_signed(word));
        break;
    case MIPS_FORM_MEMORY:
    case MIPS_FORM_RS_SIGNED:
        emit(draft, instruction, rs, 0, 0, mips_signed(word));
        break;
    case MIPS_FORM_RT:
        emit(draft, instruction, 0, 0, written(rt), 0);
        break;
    case MIPS_FORM_RT_CP0:
        emit(draft, instruction, rt, rd, written(rt), word & 7);
        break;
    case MIPS_FORM_RT_HARDWARE:
        emit(draft, instruction, 0, rd, written(rt), 0);
        break;
    case MIPS_FORM_NONE:
        emit(draft, instruction, 0, word >> 26 == MAJOR_COP0 ? RESERVED_COP0 : 0, 0, 0);
        break;
    default:
        emit(draft, instruction, rs, rt, written(rd), 0);
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
    if (uses_fpu(word)) {
        if (!(draft->block->variant & VARIANT_FPU))
            emit(draft, MIPS_NO_FPU, 0, 0, 0, 0);
        else if (instruction == MIPS_RESERVED || !registers_exist(draft, instruction, word))
            emit(draft, MIPS_RESERVED, 0, 0, 0, 0);
        else
            emit_fpu(draft, instruction, word);
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
        branch.link_to = named == MIPS_JAL ? 31 : written(mips_rd(word));
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
        return uses_fpu(word);
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
        emit(draft, MIPS_NO_FPU, 0, 0, 0, 0);
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
        emit(draft, MIPS_SET, 0, 0, branch.link_to, pc_of(draft) + 8);
    unsigned end;
    if (!before) {
        end = end_of(branch.instruction);
    } else if (branch.conditional) { /* the likely form is the next in the list */
        emit(draft, (unsigned)branch.instruction + branch.likely, branch.rs, branch.rt, c,
             branch.target);
        end = branch.likely && !split ? MIPS_END_JUMP : MIPS_END_CONDITION;
    } else if (end_of(branch.instruction) == MIPS_END_REGISTER) {
        emit(draft, MIPS_TARGET, branch.rs, 0, 0, 0);
        end = MIPS_END_TARGET;
    } else {
        end = MIPS_END_JUMP;
    }
    if (branch.links && !link_first)
        emit(draft, MIPS_SET, 0, 0, branch.link_to, pc_of(draft) + 8);
    draft->place++;
    if (split) {
        const unsigned across = end == MIPS_END_CONDITION ? MIPS_SPLIT_CONDITION
                                : end == MIPS_END_JUMP    ? MIPS_SPLIT_JUMP
                                                          : MIPS_SPLIT_TARGET;
        emit(draft, across, 0, 0, 0, branch.target);
        return;
    }
    draft->delay = PLACE_DELAY;
    emit_instruction(draft);
    draft->place++;
    emit(draft, end, branch.rs, branch.rt, c, branch.target);
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
        emit(&draft, MIPS_END_DELAY, 0, 0, 0, 0);
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
    emit(&draft, MIPS_END_FALL, 0, 0, 0, 0);
    return draft.ops;
}
