/* What the files of the virtual CPU share.
 *
 * `guest` is the state that the guest believes in. Its coprocessor 0 and its TLB are always true; its general
 * registers, FPU and pc while the vCPU is on no CPU. The CPU's state (`s`) has real registers: Status with mode, CU1 and
 * FR alone, EntryHi with the guest's ASID, HWREna and UserLocal; its TLB is a cache of translations, below.
 *
 * What may be in the real TLB: pairs of 4 KiB pages of the direct map (global), the page of registers, and what the
 * virtual or the second-level TLB holds. Whatever leaves both of these leaves the real one. So the real TLB
 * decides how fast the guest is, never what it sees. */
#ifndef DISCO_MONITOR_VCPU_INTERNAL_H
#define DISCO_MONITOR_VCPU_INTERNAL_H

#include "vmm-core/monitor/vcpu/vcpu.h"
#include "vmm-core/monitor/vcpu/vtlb-second.h"

#define VCPU_CODE_FRAMES 16u /* frames of which the bytes are known */

/* The real TLB is used in sets, so that what maps a pair is found by four comparisons. It is larger than the guest's:
 * what the second-level TLB holds need not be looked for there again. */
#define VCPU_REAL_WAYS 4u
#define VCPU_REAL_SETS (MIPS_TLB_ROOM / VCPU_REAL_WAYS)

/* Where an exception was raised: EPC as hardware would have it, and Cause.BD. */
struct vcpu_place {
    uint32_t epc;
    bool slot;
};
static inline uint32_t vcpu_place_pc(struct vcpu_place place)
{
    return place.slot ? place.epc + 4 : place.epc;
}

/* An exception for the guest. */
struct vcpu_exception {
    enum mips_exception code;
    uint32_t address; /* BadVAddr, for codes that have one */
    unsigned unit;    /* Cause.CE */
    bool refill;      /* no entry of the virtual TLB matched: the refill vector */
};

/* What an instruction that was emulated came to. */
enum vcpu_emulated {
    VCPU_EMULATED_NEXT,   /* goes on behind it */
    VCPU_EMULATED_THERE,  /* pc has been set */
    VCPU_EMULATED_RAISES, /* vcpu->exception */
    VCPU_EMULATED_ERROR,  /* vcpu->error */
};

struct vcpu {
    struct mips_state guest;
    struct mips_state *s; /* the CPU's; &guest while there is none */
    struct mips_cpu *cpu;

    uint64_t elapsed, loaded_at; /* time = elapsed, and what the CPU has issued since loaded_at */
    uint64_t timer_at;
    uint32_t count_offset; /* Count = time / MIPS_COUNT_INSTRUCTIONS + this; stopped: Count */
    uint32_t lines;        /* interrupt lines that are high, as bits of Cause.IP */
    uint64_t random;

    uint32_t tlb_key[MIPS_TLB_MAX], tlb_care[MIPS_TLB_MAX]; /* vtlb.c */
    struct vtlb_second second;
    uint8_t real_next[VCPU_REAL_SETS]; /* the way that goes next */
    struct {
        uint32_t frame;
        const uint8_t *host; /* NULL: none */
    } code[VCPU_CODE_FRAMES];

    struct vcpu_options options;
    struct vcpu_owner owner;
    uint64_t service[VCPU_SERVICES];
    struct vcpu_exception exception; /* of an instruction that was emulated and raised one */
    uint32_t call;
    char error[256];
};

/* ------------------------------------------------------------------------------ cp0.c */

/* MFC0 and MTC0 of the guest's registers. A write has all its effects on the real CPU but Status, which vcpu_resume()
 * writes. */
uint32_t vcpu_cp0_read(struct vcpu *vcpu, unsigned reg, unsigned select);
void vcpu_cp0_write(struct vcpu *vcpu, unsigned reg, unsigned select, uint32_t value);
/* EntryHi as a whole, by TLBR. */
void vcpu_set_entry_hi(struct vcpu *vcpu, uint32_t value);
uint32_t vcpu_random(struct vcpu *vcpu);
uint32_t vcpu_count(const struct vcpu *vcpu);
/* What the real CPU's registers are to be while the vCPU is on it. */
uint32_t vcpu_real_status(const struct vcpu *vcpu);
uint32_t vcpu_real_hwrena(const struct vcpu *vcpu);
/* Cause.IP2-7 follow the lines and the timer. */
void vcpu_lines(struct vcpu *vcpu);
void vcpu_timer(struct vcpu *vcpu);
void vcpu_timer_expired(struct vcpu *vcpu);

/* ------------------------------------------------------------------------------ vtlb.c */

/* No entry, on both levels. */
void vcpu_tlb_reset(struct vcpu *vcpu);
/* TLBWI (random: false) or TLBWR. False: another entry maps some of the same addresses, a machine check. */
bool vcpu_tlb_write(struct vcpu *vcpu, bool random);
void vcpu_tlb_read(struct vcpu *vcpu);
void vcpu_tlb_probe(struct vcpu *vcpu);
/* The entry of the virtual TLB that maps an address of an ASID. */
bool vcpu_tlb_find(const struct vcpu *vcpu, uint32_t address, uint32_t asid, uint32_t *index);
/* EntryLo0 and EntryLo1 of the pair of 4 KiB pages at `address`, by the virtual TLB, or by both levels. */
bool vcpu_virtual_pair(const struct vcpu *vcpu, uint32_t address, uint32_t lo[2]);
bool vcpu_pair(const struct vcpu *vcpu, uint32_t address, uint32_t lo[2]);

/* ------------------------------------------------------------------------------ refill.c */

mips_miss vcpu_refill; /* what mips_on_miss() is given */
/* Of the direct map or, with ERL set, of user addresses: there is no entry to look for. */
bool vcpu_direct(const struct vcpu *vcpu, uint32_t address, uint32_t *ppn);
/* The real TLB forgets the pair at `address`: of the ASID, or of all (global). */
void vcpu_real_drop(struct vcpu *vcpu, uint32_t address, uint32_t asid, bool global);
/* And all of an ASID that is not global; and everything. */
void vcpu_real_forget(struct vcpu *vcpu, uint32_t asid);
void vcpu_real_clear(struct vcpu *vcpu);
/* Guest-physical address of an address that the guest reaches now; false: it does not. */
bool vcpu_guest_physical(const struct vcpu *vcpu, uint32_t address, uint32_t *guest_physical);
/* The word of code at an address that the guest has just executed; false: it is not to be had. */
bool vcpu_fetch(struct vcpu *vcpu, uint32_t pc, uint32_t *word);

/* ------------------------------------------------------------------------------ trap.c */

/* What the exception that the CPU has just entered means. False: the vCPU goes on; true: it stops, by *why. */
bool vcpu_trap(struct vcpu *vcpu, enum vcpu_stop *why);
/* Enters an exception in the guest's kernel. False: it has nowhere to go, vcpu->error says why. */
bool vcpu_reflect(struct vcpu *vcpu, struct vcpu_exception exception, struct vcpu_place place);
/* Makes the CPU what the guest's Status says, before it runs. */
void vcpu_resume(struct vcpu *vcpu);
bool vcpu_privileged(const struct vcpu *vcpu); /* kernel mode, or CU0 */
/* A load of `address` that translates it and no more. */
enum vcpu_emulated vcpu_touch(struct vcpu *vcpu, uint32_t address);

/* ------------------------------------------------------------------------------ emulate.c */

enum vcpu_emulated vcpu_emulate(struct vcpu *vcpu, uint32_t word, struct vcpu_place place);
/* Where the guest goes on behind the instruction at `place`: the branch's target, if it is in a delay slot. To be
 * asked before the instruction changes registers. False: the branch is not to be had. */
bool vcpu_behind(struct vcpu *vcpu, struct vcpu_place place, uint32_t *pc);

/* ------------------------------------------------------------------------------ hal.c */

/* Brings the page of registers up to date. */
void vcpu_hal_show(struct vcpu *vcpu);
/* Rewrites the MFC0 at `pc`, if there is a word in the page for its register. */
void vcpu_hal_patch(struct vcpu *vcpu, uint32_t pc, uint32_t word);

#endif
