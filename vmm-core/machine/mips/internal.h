/* What the files of the CPU share: decoded blocks, cached translations, the clock.
 *
 * A block is a run of instructions within a page, decoded for one virtual address, one physical
 * address and one variant (what of Status changes decoding). It ends at a branch with its delay
 * slot, at an instruction that may change translation or mode, at the page's end, or when long.
 *
 * Blocks are threaded code: each operation holds the address of its handler inside the run loop.
 * They are found by physical address in the memory's table; a CPU remembers where its recent jumps
 * went; a block remembers its successors on the same page. A block that is no longer true gets a
 * first operation that looks the code up again, so nobody who remembers it has to be found.
 *
 * Interrupts, the timer and limits are looked for at block ends alone: a block takes its length from
 * `budget`, and whoever wants attention takes the budget away ("kick"). When less budget is left
 * than a block needs, a shorter one is made, so that all of it is exact to the instruction.
 */
#ifndef DISCO_MIPS_INTERNAL_H
#define DISCO_MIPS_INTERNAL_H

#include "vmm-core/machine/mips/cpu.h"
#include "vmm-core/machine/mips/decode.h"

/* ------------------------------------------------------------------------------- operations */

/* Operations that are not instructions. X(NAME):
 *   SET          r[c] = imm (LUI, links)
 *   TARGET       delay_target = r[a]
 *   END_*        end of a block whose delay slot is done: by the condition that was kept, to imm, to
 *                delay_target, to r[a], or by a comparison
 *   SPLIT_*      the delay slot is on the next page
 *   END_FALL     goes on behind the block
 *   END_DELAY    the block was a delay slot alone
 *   STALE        the code has changed: look it up again
 *   NO_FPU       Coprocessor Unusable, CE = 1 */
#define MIPS_MICRO(X)                                                                              \
    X(SET)                                                                                         \
    X(TARGET)                                                                                      \
    X(END_CONDITION)                                                                               \
    X(END_JUMP)                                                                                    \
    X(END_TARGET)                                                                                  \
    X(END_REGISTER)                                                                                \
    X(END_BEQ)                                                                                     \
    X(END_BNE)                                                                                     \
    X(END_BLEZ)                                                                                    \
    X(END_BGTZ)                                                                                    \
    X(END_BLTZ)                                                                                    \
    X(END_BGEZ)                                                                                    \
    X(END_BC1F)                                                                                    \
    X(END_BC1T)                                                                                    \
    X(SPLIT_CONDITION)                                                                             \
    X(SPLIT_JUMP)                                                                                  \
    X(SPLIT_TARGET)                                                                                \
    X(END_FALL)                                                                                    \
    X(END_DELAY)                                                                                   \
    X(STALE)                                                                                       \
    X(NO_FPU)

/* Two operations of which the second uses the result of the first, in one: the value does not go
 * through memory on the way. Both stay in the block; the first has the handler. X(FIRST, SECOND). */
#define MIPS_PAIRS(X)                                                                              \
    MIPS_PAIRS_AFTER(X, SLL)                                                                       \
    MIPS_PAIRS_AFTER(X, SRL)                                                                       \
    MIPS_PAIRS_AFTER(X, ADDU)                                                                      \
    MIPS_PAIRS_AFTER(X, ADDIU)                                                                     \
    MIPS_PAIRS_AFTER(X, SUBU)                                                                      \
    MIPS_PAIRS_AFTER(X, XOR)                                                                       \
    MIPS_PAIRS_AFTER(X, ANDI)
#define MIPS_PAIRS_AFTER(X, FIRST)                                                                 \
    X(FIRST, SLL)                                                                                  \
    X(FIRST, SRL)                                                                                  \
    X(FIRST, ADDU)                                                                                 \
    X(FIRST, ADDIU)                                                                                \
    X(FIRST, SUBU)                                                                                 \
    X(FIRST, XOR)                                                                                  \
    X(FIRST, ANDI)                                                                                 \
    X(FIRST, OR)                                                                                   \
    X(FIRST, AND)                                                                                  \
    X(FIRST, SLTU)                                                                                 \
    X(FIRST, LW)                                                                                   \
    X(FIRST, LBU)

#define MIPS_NAME(NAME)               MIPS_##NAME,
#define MIPS_NAME_PAIR(FIRST, SECOND) MIPS_PAIR_##FIRST##_##SECOND,
enum mips_micro {
    MIPS_MICRO_BEFORE = MIPS_INSTRUCTION_COUNT - 1,
    MIPS_MICRO(MIPS_NAME) MIPS_PAIRS(MIPS_NAME_PAIR) MIPS_MICRO_END
};
#undef MIPS_NAME_PAIR
#undef MIPS_NAME

struct mips_op {
    const void *handler;
    uint32_t imm;
    uint8_t a, b, c; /* general registers, or words of the FPU's */
    uint8_t place;   /* which instruction of the block; PLACE_DELAY: in a delay slot */
};
#define PLACE_DELAY   0x80u
#define RESERVED_COP0 1u /* b of RESERVED */

#define MIPS_BLOCK_MAX 64u /* instructions */
/* operations: two for each instruction (link and target), and one to end */
#define MIPS_BLOCK_OPS (MIPS_BLOCK_MAX * 2 + 4)

struct mips_block {
    struct mips_block *taken, *fall; /* successors on the same page; NULL: not known */
    struct mips_block *next_hash, *next_page;
    uint32_t address, physical;
    uint16_t variant, count; /* count: instructions, > 0 */
    bool once;               /* a CPU's own, for one use, or stale: not to be remembered */
    struct mips_op op[];
};

/* Variants, also bits of a context */
#define VARIANT_FR     (1u << 0)
#define VARIANT_FPU    (1u << 1)
#define VARIANT_DELAY  (1u << 2)
#define VARIANT_RECORD (1u << 3)
#define VARIANTS       15u

/* ------------------------------------------------------------------------------- memory */

struct mips_frame {
    uint8_t *host;             /* NULL: the bus's */
    struct mips_block *blocks; /* decoded from here */
    uint64_t lines;            /* which 64-byte lines have been decoded */
    bool writable;
};

#define CODE_HASH   (1u << 14)
#define CODE_CHUNKS 32u
#define CHUNK_BYTES (UINT32_C(1) << 20)

struct mips_memory {
    struct mips_bus bus;
    struct mips_frame *frame;
    uint32_t frames;
    struct mips_cpu *cpus;
    const void *const *handler[2]; /* [records] of the run loops, by instruction and micro */
    struct mips_block **hash;
    /* blocks, one behind the other; all are dropped when all chunks are full */
    uint8_t *chunk[CODE_CHUNKS]; /* the first is there, others when they are needed */
    uint32_t chunk_now, chunk_used;
};

static inline struct mips_frame *mips_frame(struct mips_memory *memory, uint32_t physical)
{
    const uint32_t frame = physical / MIPS_PAGE_BYTES;
    return frame < memory->frames && memory->frame[frame].host ? &memory->frame[frame] : NULL;
}

/* ------------------------------------------------------------------------------- a CPU */

/* A cached translation: of address a to host address a + addend. The tag is the page's address and
 * the ASID; a comparison of it with the low bits of the address left in refuses unaligned
 * ones. */
struct mips_cached {
    uint32_t tag;
    uint32_t physical;
    uintptr_t addend;
};
#define CACHED_PAGES      1024u
#define CACHED_NONE       8u /* no tag has this bit */
#define CACHED_ASID_SHIFT 4
#define CACHED_PAGE       0xfffff000u

/* Bits that say in which tables a TLB entry's translations may be: of data, (2 * mode + store) * 2 +
 * half; of fetches, this + half. */
#define CACHED_FETCH_BIT 16u

#define TLB_BUCKETS 2048u

struct mips_jump {
    uint32_t address, context;
    struct mips_block *block;
};
#define JUMP_PAGES    32u
#define JUMP_PER_PAGE 64u

/* Modes in which translation differs: enum mips_mode, and kernel mode with ERL set. */
#define TRANSLATION_ERL   3u
#define TRANSLATION_MODES 4u

struct mips_fault {
    enum mips_exception code;
    uint32_t address; /* BadVAddr */
    unsigned unit;    /* Cause.CE */
    bool refill;      /* no TLB entry matched: the refill vector */
};

struct mips_cpu {
    struct mips_state s;

    /* the clock: now = end - budget, but for the part of the running block that is still to come */
    int64_t budget;
    uint64_t end, limit, timer_at;
    uint32_t count_offset; /* Count = (now / MIPS_COUNT_INSTRUCTIONS) + this; stopped: Count */

    uint32_t context;                 /* variant, translation mode, ASID */
    uint8_t mode;                     /* enum mips_mode, of context */
    uint32_t asid_tag;                /* of the ASID, as in tags */
    struct mips_cached *load, *store; /* of the translation mode */
    bool taken;                       /* the condition of a branch, over its delay slot */
    bool others_linked;               /* when it began to run, another CPU held a link */
    struct mips_block *block;         /* running */
    const struct mips_op *op;         /* inside a slow path: running */
    struct mips_fault fault;
    enum mips_stop stop;

    struct mips_reference *list, *next_reference, *list_full;
    struct mips_reference *run_reference; /* FETCH of the running block */
    /* the list begins within a block: so many of its instructions are in the list before; 0: it does
     * not */
    unsigned resumed;

    mips_miss *miss;
    void *miss_owner;

    struct mips_memory *memory;
    struct mips_cpu *next;
    struct mips_model model;
    uint32_t number, entries, lines; /* lines: interrupt lines that are high, as bits of Cause.IP */
    uint64_t random;

    /* beside the TLB's entries (tlb.c) */
    uint32_t tlb_key[MIPS_TLB_ROOM], tlb_care[MIPS_TLB_ROOM];
    uint16_t tlb_bucket[TLB_BUCKETS], tlb_large, tlb_next[MIPS_TLB_ROOM];
    uint32_t tlb_used; /* entries from here on have not been used since the TLB was cleared */
    /* of each entry, where its translations may be cached (CACHED_FETCH_BIT); the last: of what
     * the TLB does not translate */
    uint32_t tlb_cached[MIPS_TLB_ROOM + 1];
    unsigned found, found_half; /* by the last translation: entry (or MIPS_TLB_ROOM) and half */

    struct mips_cached cached[TRANSLATION_MODES][2][CACHED_PAGES];
    uint32_t cached_modes; /* bits: something has been cached in the mode since all was cleared */
    struct mips_cached fetch[CACHED_PAGES / 4];
    struct mips_jump jump[JUMP_PAGES * JUMP_PER_PAGE];
    struct mips_block *once;
};

static inline uint32_t mips_jump_index(uint32_t address)
{
    return (address / MIPS_PAGE_BYTES % JUMP_PAGES) * JUMP_PER_PAGE +
           ((address >> 2 ^ address >> 8) % JUMP_PER_PAGE);
}

/* Jumps into a page, whose translation may change, are remembered no more. */
static inline void mips_jump_forget(struct mips_cpu *cpu, uint32_t address)
{
    struct mips_jump *const jump =
        cpu->jump + (size_t)(address / MIPS_PAGE_BYTES % JUMP_PAGES) * JUMP_PER_PAGE;
    for (unsigned i = 0; i < JUMP_PER_PAGE; i++)
        jump[i] = (struct mips_jump){0};
}

static inline uint64_t mips_now(const struct mips_cpu *cpu)
{
    uint64_t now = cpu->end - (uint64_t)cpu->budget;
    if (cpu->op) /* the block has taken all its instructions from the budget already */
        now -= cpu->block->count - (cpu->op->place & ~PLACE_DELAY) - 1u;
    return now;
}

/* The next block end looks at everything again. */
static inline void mips_kick(struct mips_cpu *cpu)
{
    cpu->end -= (uint64_t)cpu->budget;
    cpu->budget = 0;
}

static inline enum mips_mode mips_mode(const struct mips_cpu *cpu)
{
    const uint32_t status = cpu->s.cp0.status;
    if (status & (STATUS_EXL | STATUS_ERL))
        return MIPS_KERNEL;
    const unsigned ksu = (status & STATUS_KSU) >> STATUS_KSU_SHIFT;
    return ksu > MIPS_USER ? MIPS_USER : (enum mips_mode)ksu; /* 3 is not defined */
}

static inline bool mips_is_tlb(enum mips_exception code)
{
    return code >= MIPS_EXCEPTION_TLB_MODIFIED && code <= MIPS_EXCEPTION_TLB_STORE;
}

static inline bool mips_fault(struct mips_cpu *cpu, enum mips_exception code)
{
    cpu->fault = (struct mips_fault){.code = code};
    return false;
}

/* block.c */
/* Where instructions at pc come from, or false and cpu->fault. */
bool mips_fetch_address(struct mips_cpu *cpu, uint32_t *physical);
/* The block at pc, which is at `physical`, decoded if it has to be; NULL: fetching it faults. */
struct mips_block *mips_block_find(struct mips_cpu *cpu, uint32_t physical);
void mips_code_drop(struct mips_memory *memory, uint32_t physical, uint32_t bytes);
void mips_code_drop_all(struct mips_memory *memory);

/* compile.c */
/* Decodes at most `most` instructions at block->address into block->op, sets count; returns the
 * number of operations. */
unsigned mips_compile(struct mips_memory *memory, struct mips_block *block, const uint8_t *page,
                      unsigned most);

/* address.c */
bool mips_load(struct mips_cpu *cpu, const struct mips_op *op, uint32_t address, unsigned bytes,
               uint64_t *value);
bool mips_store(struct mips_cpu *cpu, const struct mips_op *op, uint32_t address, unsigned bytes,
                uint64_t value);
/* Physical address of an access of `op` (NULL: a fetch) in the present mode, after asking the owner
 * where the TLB has none; or false and cpu->fault. */
bool mips_address(struct mips_cpu *cpu, const struct mips_op *op, uint32_t address,
                  enum mips_access access, uint32_t *physical);
/* The same for SC, which may fail: a store's exceptions, but the owner is asked for no store. */
bool mips_address_conditional(struct mips_cpu *cpu, const struct mips_op *op, uint32_t address,
                              uint32_t *physical);
void mips_cached_clear(struct mips_cpu *cpu);
/* Translations of a TLB entry are cached no more. */
void mips_cached_drop_entry(struct mips_cpu *cpu, unsigned index);
/* No CPU keeps a way to store into the frame without being seen. */
void mips_cached_drop_stores(struct mips_memory *memory, uint32_t physical);
void mips_cached_drop_frame(struct mips_memory *memory, uint32_t physical);
/* Other CPUs' load links to the line that is stored to are lost. */
void mips_links_break(struct mips_memory *memory, const struct mips_cpu *except, uint32_t physical,
                      uint32_t bytes);

/* Before a CPU runs: its stores to pages that others have linked to will be seen. */
void mips_links_guard(struct mips_cpu *cpu);

/* tlb.c */
bool mips_tlb_find(const struct mips_cpu *cpu, uint32_t address, unsigned *index);
void mips_tlb_keys(struct mips_cpu *cpu);
bool mips_tlbwi(struct mips_cpu *cpu);
bool mips_tlbwr(struct mips_cpu *cpu);
void mips_tlbr(struct mips_cpu *cpu);
void mips_tlbp(struct mips_cpu *cpu);
uint32_t mips_random(struct mips_cpu *cpu);

/* exception.c */
void mips_enter(struct mips_cpu *cpu, uint32_t pc, bool delay_slot);
void mips_context(struct mips_cpu *cpu);
bool mips_interrupted(const struct mips_cpu *cpu);
void mips_eret(struct mips_cpu *cpu);

/* clock.c */
void mips_timer(struct mips_cpu *cpu);
void mips_timer_expired(struct mips_cpu *cpu);
uint32_t mips_count(const struct mips_cpu *cpu);
void mips_set_count(struct mips_cpu *cpu, uint32_t value);
void mips_lines(struct mips_cpu *cpu);

/* system.c: instructions of coprocessor 0 and others that are rare; false: cpu->fault */
typedef bool mips_slow(struct mips_cpu *cpu, const struct mips_op *op);
mips_slow mips_do_mfc0, mips_do_mtc0, mips_do_di, mips_do_ei, mips_do_tlbr, mips_do_tlbwi,
    mips_do_tlbwr, mips_do_tlbp, mips_do_wait, mips_do_rdhwr, mips_do_cache, mips_do_synci,
    mips_do_gpr_shadow, mips_do_ll, mips_do_sc;
bool mips_cp0_usable(struct mips_cpu *cpu);

/* run.c */
/* Where to go on at pc: a block, or NULL with cpu->stop. */
struct mips_block *mips_next(struct mips_cpu *cpu);
void mips_handlers(struct mips_memory *memory);
/* The list was handed on within the running block: what is left of it is a run of its own. */
void mips_resume(struct mips_cpu *cpu);

#endif
