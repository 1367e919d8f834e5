/* The modelled CPU: little-endian MIPS32 release 2 with FPU and supervisor mode, after the 24Kf.
 *
 * One `struct mips_memory` is the physical memory that CPUs share: frames of 4 KiB that the owner
 * gives as host pointers and may move at any time between runs, and callbacks for all that is no
 * frame (devices). One `struct mips_cpu` is a CPU on it. All of one memory are run by one thread,
 * in any interleaving; a run of the same calls repeats bit for bit.
 *
 * What a CPU does is the architecture's; nothing a program does stops the host. What the manuals
 * leave unpredictable is defined here and in README.md beside.
 *
 * The clock is the number of instructions issued: completed or ended by an exception. Count moves
 * once in `MIPS_COUNT_INSTRUCTIONS` of them, as a 24Kf's does in cycles (CCRes is 2).
 *
 * Sources: MIPS32 Architecture For Programmers, volumes I-A, II-A and III, revision 2.50; MIPS32
 * 24K Processor Core Family Software User's Manual. Figures of Config and PRId: 24Kf.
 */
#ifndef DISCO_MIPS_CPU_H
#define DISCO_MIPS_CPU_H

#include "vmm-core/machine/mips/cp0.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MIPS_PAGE_BYTES         4096u
#define MIPS_FRAMES_MAX         (1u << 20)
#define MIPS_TLB_MAX            64u
#define MIPS_TLB_ROOM           1024u /* and those that only mips_tlb_write() reaches */
#define MIPS_COUNT_INSTRUCTIONS 2u

/* ------------------------------------------------------------------------------- memory */

struct mips_cpu;
struct mips_memory;

/* All that is not memory. `bytes` is 1, 2, 4 or 8, `physical` a multiple of it. False: nothing
 * answers there, a bus error. A callback may read and set interrupt lines; it must not run a CPU,
 * map a frame or touch a CPU's state. */
struct mips_bus {
    void *owner;
    bool (*read)(void *owner, struct mips_cpu *cpu, uint32_t physical, unsigned bytes,
                 uint64_t *value);
    bool (*write)(void *owner, struct mips_cpu *cpu, uint32_t physical, unsigned bytes,
                  uint64_t value);
};

/* Room for frames 0 .. frames-1, none mapped. NULL where memory is out or `frames` above
 * MIPS_FRAMES_MAX. The callbacks may be NULL: bus errors. Free all CPUs before the memory. */
struct mips_memory *mips_memory_new(uint32_t frames, const struct mips_bus *bus);
void mips_memory_free(struct mips_memory *memory);

/* From now on frame `frame` is the MIPS_PAGE_BYTES at `host` (aligned to 8; the owner's, kept until
 * the next map), or with NULL the bus's. Stores to a frame that is not writable go to the bus.
 * Decoded code of the frame and every CPU's cached translations to it are gone. False: no such
 * frame. */
bool mips_memory_map(struct mips_memory *memory, uint32_t frame, uint8_t *host, bool writable);

/* Bytes of frames were changed from outside (DMA, a loader, a page copied): decoded code and load
 * links there are gone. */
void mips_memory_written(struct mips_memory *memory, uint32_t physical, uint32_t bytes);

/* ------------------------------------------------------------------------------- a CPU */

/* What differs between 24Kf's: zeros are this project's machine. */
struct mips_model {
    uint32_t tlb_entries;   /* pairs, a power of two, 16 .. 64; 0: 64 */
    bool no_user_local;     /* no UserLocal register (Config3.ULRI); rdhwr $29 is reserved */
    bool denormals_in_fpu;  /* compute denormal numbers, where a 24Kf raises Unimplemented */
    bool stop_on_exception; /* mips_run() returns at each exception, for a monitor */
    uint64_t seed;          /* of Random */
};

struct mips_tlb_entry {
    uint32_t page_mask, entry_hi; /* as in the registers */
    uint32_t entry_lo[2];         /* G in both or in none */
    bool used;                    /* false: never written, matches nothing */
};

struct mips_cp0 {
    uint32_t index, entry_lo[2], context, page_mask, wired, hwrena, bad_vaddr;
    uint32_t entry_hi, compare, status, cause, epc, ebase, lladdr, error_epc, user_local;
    uint32_t tag_lo, data_lo, config0;
};

/* The architectural state. FPU registers are words of 64-bit pairs, the same in both modes: with
 * FR=0 single n is word n and double n words n and n+1; with FR=1 register n is words 2n, 2n+1. */
struct mips_state {
    uint32_t r[33]; /* r[0] is 0; r[32] swallows writes to it */
    uint32_t hi, lo, pc;
    uint32_t fcsr;
    uint32_t fpr[64] __attribute__((aligned(8)));
    struct mips_cp0 cp0;
    struct mips_tlb_entry tlb[MIPS_TLB_ROOM];
    bool delay_slot; /* pc is a delay slot whose branch goes to delay_target */
    uint32_t delay_target;
    bool link;    /* LL's bit; its address is in lladdr */
    bool waiting; /* in WAIT */
};

enum mips_stop {
    MIPS_STOP_LIMIT,      /* all instructions that were asked for */
    MIPS_STOP_WAIT,       /* WAIT, and no interrupt is pending */
    MIPS_STOP_EXCEPTION,  /* stop_on_exception: one was just entered, pc is its vector */
    MIPS_STOP_REFERENCES, /* the list of references is nearly full */
};

/* In reset state: pc 0xbfc00000, BEV and ERL set, no TLB entry. NULL: out of memory, or a model
 * that cannot be. `number` is EBase's CPUNum, below 1024. */
struct mips_cpu *mips_cpu_new(struct mips_memory *memory, const struct mips_model *model,
                              uint32_t number);
void mips_cpu_free(struct mips_cpu *cpu);

/* The state, to read and to change between runs. Call mips_state_changed() after changing the TLB,
 * any register of CP0 or the delay slot; general registers, pc, HI, LO and the FPU's need no
 * call. */
struct mips_state *mips_state(struct mips_cpu *cpu);
void mips_state_changed(struct mips_cpu *cpu);

/* Runs until `instructions` more have been issued, or until something else stops it. A branch and
 * its delay slot are not parted, so one more may be. Exceptions and interrupts are entered on the
 * way and count as one each. */
enum mips_stop mips_run(struct mips_cpu *cpu, uint64_t instructions);

/* The clock. Skipping lets time pass without instructions, for a CPU that waits. */
uint64_t mips_instructions(const struct mips_cpu *cpu);
void mips_skip(struct mips_cpu *cpu, uint64_t instructions);
/* Instructions until Count reaches Compare next; UINT64_MAX when Count is stopped. */
uint64_t mips_until_timer(const struct mips_cpu *cpu);

/* Level of hardware interrupt line 0..5 (Cause.IP2..7); line 5 is shared with the timer. May be
 * called by callbacks of the bus, for any CPU of the memory. */
void mips_set_interrupt(struct mips_cpu *cpu, unsigned line, bool high);

/* Enters an exception as if the instruction at pc had raised it: what a monitor that runs with
 * stop_on_exception reflects into a guest whose vectors the CPU knows. `bad_vaddr` is used by those
 * that have one. */
void mips_raise(struct mips_cpu *cpu, enum mips_exception code, uint32_t bad_vaddr);

/* What coprocessor 0's register reads as and what a write of it does, by MFC0's and MTC0's rules.
 * Registers that are not there read 0. */
uint32_t mips_cp0_read(struct mips_cpu *cpu, unsigned reg, unsigned select);
void mips_cp0_write(struct mips_cpu *cpu, unsigned reg, unsigned select, uint32_t value);

/* Writes a TLB entry as TLBWI does, by an owner that plays the TLB. False, and nothing is written:
 * another entry maps some of the same addresses (a guest's own write gets a machine check). Such an
 * owner has MIPS_TLB_ROOM entries: fewer misses. Instructions read and write model.tlb_entries of them. */
bool mips_tlb_write(struct mips_cpu *cpu, uint32_t index, const struct mips_tlb_entry *entry);
/* Forgets all entries. */
void mips_tlb_clear(struct mips_cpu *cpu);
/* The halves of entries that map physical frame `frame` are no longer valid (a shootdown). */
void mips_tlb_drop(struct mips_cpu *cpu, uint32_t frame);

/* MIPS_CONDITIONAL: an SC that does not know that its link holds. It needs what a load needs, where a
 * store would be let through; only owners of the TLB are told of it. */
enum mips_access { MIPS_FETCH, MIPS_LOAD, MIPS_STORE, MIPS_CONDITIONAL };

/* An owner that plays the TLB: asked when a mapped access finds no entry, one that is not valid, or,
 * a store, one that is not writable, before an exception is raised. True: an entry is there now, and
 * the access is tried once more, with no exception and no instruction counted; where it still does
 * not pass, or with false, the exception is raised as ever. NULL: nobody is asked.
 *
 * The owner may call mips_tlb_write(), mips_tlb_drop() and mips_tlb_clear(), for this CPU and
 * others; mips_recorded(), mips_memory_map(), mips_memory_written(), mips_set_interrupt(),
 * mips_translate(), mips_instructions(); and read the state, of which pc is not up to date. */
typedef bool mips_miss(void *owner, struct mips_cpu *cpu, uint32_t address,
                       enum mips_access access);
void mips_on_miss(struct mips_cpu *cpu, void *owner, mips_miss *miss);

/* Translates as an access in the CPU's present mode would be, without effects. -1: well; else the
 * exception that it would raise. */
int mips_translate(struct mips_cpu *cpu, uint32_t address, enum mips_access access,
                   uint32_t *physical);

/* ------------------------------------------------------------------------------- references */

enum mips_mode { MIPS_KERNEL, MIPS_SUPERVISOR, MIPS_USER };

/* What was referenced, in order. A run of `count` instructions one behind the other is one FETCH;
 * the loads and stores behind it are of these instructions, and `place` says of which. A fetch that
 * faults is not there; loads and stores that fault are not there either, while their fetch is. */
struct mips_reference {
    uint32_t address;
    uint8_t kind;   /* enum mips_access */
    uint8_t bytes;  /* 1, 2, 4, 8; a FETCH: its mode (enum mips_mode) */
    uint16_t place; /* LOAD, STORE: index of the instruction in the run; FETCH: count */
};

#define MIPS_REFERENCES_MIN 256u

/* From now on references go to list[0..capacity-1]; NULL: they are not recorded, and running costs
 * nothing for it. When fewer than a few dozens have room mips_run() returns MIPS_STOP_REFERENCES.
 * False: fewer than MIPS_REFERENCES_MIN. */
bool mips_record(struct mips_cpu *cpu, struct mips_reference *list, size_t capacity);
/* How many are in the list; the next goes to its start again.
 *
 * Called by who is asked at a miss (mips_on_miss()): the list ends with the run that ends with the
 * instruction in work. The next list begins with its loads and stores, of place 0 and before any
 * FETCH, and what is left of the run is a FETCH of its own. */
size_t mips_recorded(struct mips_cpu *cpu);

/* ------------------------------------------------------------------------------- for people */

/* Registers, mode and the instruction at pc, some lines of text; malloc'ed, NULL when memory is
 * out. */
char *mips_describe(struct mips_cpu *cpu);

#endif
