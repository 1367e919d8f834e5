/* A virtual CPU: what a guest kernel takes for the machine's CPU, by trap and emulate.
 *
 * The guest's kernel runs in supervisor mode and its user programs in user mode of a modelled CPU (mips/cpu.h), so
 * every privileged instruction and every exception stops it and comes here: instructions act on the vCPU's own
 * registers of coprocessor 0 and on its own TLB of 64 entries, exceptions are entered in the guest's kernel by the
 * rules of hardware (volume III, chapter 5), through its EBase. A real TLB miss is asked for before it becomes an
 * exception: the direct map at ABI_DIRECT_MAP, then the second-level TLB, then the virtual TLB answer it; only what
 * none of them knows reaches the guest.
 *
 * To the guest it is the 24Kf of mips/cpu.h without supervisor mode (Status.KSU's low bit is fixed to 0), EBase's
 * top bits fixed to 11, no boot ROM, kseg0, kseg1 and kseg3, LLAddr reading 0. A guest that touches what is not
 * there is stopped with words that say so.
 *
 * The second-level TLB remembers what TLB writes of 4 KiB pages said. It is filled by those alone, never by misses, so
 * what the guest sees follows from what it did and not from where its pages are. It makes the virtual
 * TLB look larger than 64 entries: TLBWR keeps in it what the overwritten entry mapped, TLBWI takes that out; TLBP
 * of an address that the virtual TLB does not have takes it out; vcpu_forget_space() takes out an ASID.
 * (Bugnion, Devine, Rosenblum, "Disco", SOSP'97, section 4.2.2, has one of unstated scope and size; here it is the
 * vCPU's own, so that a guest does not see what else runs on its CPU.) ASIDs of the
 * guest are used as they are, so the real TLB is cleared when another vCPU is put on a CPU.
 *
 * LL's link survives traps and exceptions, as on hardware: the guest's ERET ends it, and taking the vCPU off its CPU, and
 * vcpu_unlink().
 *
 * Time is instructions of the vCPU (vcpu_time()), those it waited in included; Count is half of it.
 *
 * A vCPU belongs to one thread. Nothing here allocates but vcpu_new() and vcpu_describe().
 */
#ifndef DISCO_MONITOR_VCPU_H
#define DISCO_MONITOR_VCPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm-core/machine/mips/cpu.h"

struct vcpu;

/* ------------------------------------------------------------------------------ its owner */

/* Why a guest-physical page is asked for. */
enum vcpu_touch {
    VCPU_PEEK, /* the other page of a TLB entry's pair: must place nothing, may be refused */
    VCPU_READ,
    VCPU_WRITE,
};

struct vcpu_frame {
    uint32_t frame;      /* of the modelled memory: what the CPU that the vCPU is on is to map */
    bool writable;       /* false: a store has to ask again (replicas) */
    const uint8_t *host; /* its bytes; a frame keeps them while the vCPU lives */
};

/* What a vCPU asks and tells the virtual machine that it is of. All are called while vcpu_run() is at work; in each of
 * them the CPU's references so far can be fetched by mips_recorded(). */
struct vcpu_owner {
    void *context;
    /* The frame of a guest-physical page, placed if need be; called at TLB misses, so it has to be fast. With VCPU_WRITE
     * and true the frame must be writable. False: there is no such page (PEEK: or not yet). Here alone the CPU is in
     * the middle of an instruction: only what mips_on_miss() allows. */
    bool (*translate)(void *context, struct vcpu *vcpu, uint32_t ppn, enum vcpu_touch touch,
                      struct vcpu_frame *frame);
    /* EntryHi.ASID has become another. */
    void (*asid_changed)(void *context, struct vcpu *vcpu, uint32_t asid);
    /* TLBWI or TLBWR wrote the virtual TLB: as the registers are, after the masks of hardware. */
    void (*tlb_written)(void *context, struct vcpu *vcpu, uint32_t index,
                        const struct mips_tlb_entry *entry);
    /* Replaces a word of guest code in all copies of its page (and says so by mips_memory_written()). False: it is not
     * to be patched. NULL: no patching. */
    bool (*patch)(void *context, struct vcpu *vcpu, uint32_t guest_physical, uint32_t word);
};

struct vcpu_options {
    uint32_t number; /* EBase's CPUNum, below 1024 */
    uint32_t pages;  /* guest-physical memory: PPNs 0 .. pages-1 */
    uint64_t seed;   /* of Random; 0: one of its own */
    /* The second-level TLB: pairs of pages (a power of two, or 0: none) and ways (a divisor). */
    uint32_t second_level_entries, second_level_ways;
    /* The page of registers (abi.h): a frame of this vCPU's own and its bytes; NULL: none. */
    uint32_t *hal;
    uint32_t hal_frame;
    bool patch; /* rewrite MFC0 of such a register at its first trap; wants hal */
};

/* NULL: out of memory, or options that cannot be. The vCPU is off until vcpu_start(). */
struct vcpu *vcpu_new(const struct vcpu_options *options, const struct vcpu_owner *owner);
void vcpu_free(struct vcpu *vcpu);

/* Boot state in kernel mode at `pc`, a0..a3 as given; virtual TLB and registers as after vcpu_new(). Not while it is
 * loaded. */
void vcpu_start(struct vcpu *vcpu, uint32_t pc, uint32_t sp, const uint32_t arguments[4]);

/* ------------------------------------------------------------------------------ on a CPU */

/* Puts the vCPU on a CPU (made with stop_on_exception), whose TLB is cleared, or takes it off. Taking off loses the
 * link of LL. Whoever runs the same vCPU on the same CPU next need not take it off between. */
void vcpu_load(struct vcpu *vcpu, struct mips_cpu *cpu);
void vcpu_save(struct vcpu *vcpu);
enum vcpu_stop {
    VCPU_STOP_LIMIT,      /* all instructions that were asked for, or a few more */
    VCPU_STOP_REFERENCES, /* the CPU's list of references is nearly full */
    VCPU_STOP_WAIT,       /* WAIT, and no interrupt is pending */
    VCPU_STOP_CALL,       /* a monitor call: vcpu_call(); pc is behind it */
    VCPU_STOP_ERROR,      /* the guest erred: vcpu_error() */
};

/* Runs on its CPU until `instructions` more have been issued, or until it stops. Trapped ones count as one, as they
 * would on hardware. A vCPU that waits and has nothing pending stops at once. */
enum vcpu_stop vcpu_run(struct vcpu *vcpu, uint64_t instructions);

/* Of a VCPU_STOP_CALL: the number (below ABI_CALLS_BYTES / 4, known or not). Arguments and result are in
 * vcpu_registers()[4..7] and [2]. */
uint32_t vcpu_call(const struct vcpu *vcpu);
/* Of a VCPU_STOP_ERROR: what the guest did, in one line. */
const char *vcpu_error(const struct vcpu *vcpu);

/* The link of LL is lost. To be called wherever pages may move: whether SC succeeds must not depend on that. */
void vcpu_unlink(struct vcpu *vcpu);

/* ------------------------------------------------------------------------------ time and interrupts */

/* Instructions that were its time so far; lets time pass for one that waits. */
uint64_t vcpu_time(const struct vcpu *vcpu);
void vcpu_skip(struct vcpu *vcpu, uint64_t instructions);
/* Instructions until Count reaches Compare next; UINT64_MAX: Count is stopped. */
uint64_t vcpu_until_timer(const struct vcpu *vcpu);

/* Level of hardware line 0..5 (Cause.IP2..7; 5 is shared with the timer). Not from a callback. */
void vcpu_interrupt(struct vcpu *vcpu, unsigned line, bool high);
/* It is in WAIT, and nothing that Status enables is pending. */
bool vcpu_waits(const struct vcpu *vcpu);
/* Would the timer's interrupt end its WAIT? */
bool vcpu_wakes_by_timer(const struct vcpu *vcpu);

/* ------------------------------------------------------------------------------ looking in */

/* General registers, r[0] being 0; of the CPU while it is loaded. */
uint32_t *vcpu_registers(struct vcpu *vcpu);
uint32_t vcpu_pc(const struct vcpu *vcpu);
uint32_t vcpu_asid(const struct vcpu *vcpu);
bool vcpu_kernel_mode(const struct vcpu *vcpu);
/* What MFC0 would give, but that Random does not move. */
uint32_t vcpu_cp0(const struct vcpu *vcpu, unsigned reg, unsigned select);
const struct mips_tlb_entry *vcpu_tlb(const struct vcpu *vcpu); /* [MIPS_TLB_MAX] */

/* The second-level TLB and the real one forget all of an ASID that is not global. */
void vcpu_forget_space(struct vcpu *vcpu, uint32_t asid);

/* What the monitor did for the vCPU. VCPU_REFILLED alone depends on where pages are (shootdowns make misses): it is a
 * figure of this run, not of the guest. */
enum vcpu_service {
    VCPU_PRIVILEGED, /* instructions emulated, but for TLB writes */
    VCPU_TLB_WRITE,
    VCPU_REFLECTED, /* exceptions, interrupts not included */
    VCPU_INTERRUPTED,
    VCPU_CALLED,
    VCPU_REFILLED, /* misses that the guest did not see */
    VCPU_PATCHED,  /* words of code rewritten */
    VCPU_SERVICES
};
/* [VCPU_SERVICES]; the owner may set them to 0. */
uint64_t *vcpu_services(struct vcpu *vcpu);

/* Registers, mode and the instruction at pc as mips_describe() has them, and the virtual coprocessor 0: lines of text,
 * malloc'ed; NULL when memory is out. */
char *vcpu_describe(struct vcpu *vcpu);

#endif
