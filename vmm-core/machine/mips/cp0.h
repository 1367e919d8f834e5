/* The fields of coprocessor 0's registers and of the FPU's control register.
 *
 * Source: MIPS32 Architecture For Programmers, Volume III: The Privileged Resource Architecture,
 * revision 2.50, chapter 8 (one section a register); the FPU's in volume I, section 5.6.
 */
#ifndef DISCO_MIPS_CP0_H
#define DISCO_MIPS_CP0_H

#include <stdint.h>

/* Status (12, 0) */
#define STATUS_IE        (UINT32_C(1) << 0)
#define STATUS_EXL       (UINT32_C(1) << 1)
#define STATUS_ERL       (UINT32_C(1) << 2)
#define STATUS_KSU_SHIFT 3
#define STATUS_KSU       (UINT32_C(3) << STATUS_KSU_SHIFT)
#define STATUS_IM_SHIFT  8
#define STATUS_IM        (UINT32_C(0xff) << STATUS_IM_SHIFT)
#define STATUS_NMI       (UINT32_C(1) << 19)
#define STATUS_SR        (UINT32_C(1) << 20)
#define STATUS_TS        (UINT32_C(1) << 21)
#define STATUS_BEV       (UINT32_C(1) << 22)
#define STATUS_FR        (UINT32_C(1) << 26)
#define STATUS_CU0       (UINT32_C(1) << 28)
#define STATUS_CU1       (UINT32_C(1) << 29)

/* Cause (13, 0) */
#define CAUSE_CODE_SHIFT 2
#define CAUSE_CODE       (UINT32_C(31) << CAUSE_CODE_SHIFT)
#define CAUSE_IP_SHIFT   8
#define CAUSE_IP         (UINT32_C(0xff) << CAUSE_IP_SHIFT)
#define CAUSE_IP_SOFT    (UINT32_C(3) << CAUSE_IP_SHIFT)
#define CAUSE_IP7        (UINT32_C(1) << 15)
#define CAUSE_IV         (UINT32_C(1) << 23)
#define CAUSE_DC         (UINT32_C(1) << 27)
#define CAUSE_CE_SHIFT   28
#define CAUSE_CE         (UINT32_C(3) << CAUSE_CE_SHIFT)
#define CAUSE_TI         (UINT32_C(1) << 30)
#define CAUSE_BD         (UINT32_C(1) << 31)

/* Exception codes (table 8-25) */
enum mips_exception {
    MIPS_EXCEPTION_INTERRUPT = 0,
    MIPS_EXCEPTION_TLB_MODIFIED = 1,
    MIPS_EXCEPTION_TLB_LOAD = 2,
    MIPS_EXCEPTION_TLB_STORE = 3,
    MIPS_EXCEPTION_ADDRESS_LOAD = 4,
    MIPS_EXCEPTION_ADDRESS_STORE = 5,
    MIPS_EXCEPTION_BUS_FETCH = 6,
    MIPS_EXCEPTION_BUS_DATA = 7,
    MIPS_EXCEPTION_SYSCALL = 8,
    MIPS_EXCEPTION_BREAK = 9,
    MIPS_EXCEPTION_RESERVED = 10,
    MIPS_EXCEPTION_COPROCESSOR = 11,
    MIPS_EXCEPTION_OVERFLOW = 12,
    MIPS_EXCEPTION_TRAP = 13,
    MIPS_EXCEPTION_FPU = 15,
    MIPS_EXCEPTION_MACHINE_CHECK = 24,
};

/* EntryLo0, EntryLo1: 20 bits of frame number, as physical addresses have 32 */
#define ENTRYLO_G         UINT32_C(1)
#define ENTRYLO_V         UINT32_C(2)
#define ENTRYLO_D         UINT32_C(4)
#define ENTRYLO_C         UINT32_C(0x38)
#define ENTRYLO_PFN_SHIFT 6
#define ENTRYLO_WRITABLE  UINT32_C(0x03ffffff)

#define ENTRYHI_VPN2 UINT32_C(0xffffe000)
#define ENTRYHI_ASID UINT32_C(0x000000ff)

#define PAGEMASK_WRITABLE UINT32_C(0x1fffe000)

/* The largest page that a mask's lowest bits ask for: pages grow by factors of four. */
static inline uint32_t pagemask_legal(uint32_t mask)
{
    uint32_t legal = 0;
    while (legal < PAGEMASK_WRITABLE) {
        const uint32_t larger = legal << 2 | UINT32_C(0x6000);
        if ((mask & larger) != larger)
            break;
        legal = larger;
    }
    return legal;
}

#define CONTEXT_BASE        UINT32_C(0xff800000)
#define CONTEXT_VPN2_SHIFT  9 /* address 31:13 stands in bits 22:4 */
#define CONTEXT_VPN2        UINT32_C(0x007ffff0)
#define INDEX_PROBE_FAILURE (UINT32_C(1) << 31)
#define EBASE_WRITABLE      UINT32_C(0x3ffff000)
#define EBASE_FIXED         UINT32_C(0x80000000)

/* HWREna: CPUNum, SYNCI_Step, CC, CCRes; UserLocal where Config3.ULRI says that it is there */
#define HWRENA_BASIC     UINT32_C(0x0000000f)
#define HWRENA_USERLOCAL (UINT32_C(1) << 29)

/* Config at reset: more follow, little endian, release 2, a TLB, kseg0 uncached */
#define CONFIG0_RESET (UINT32_C(1) << 31 | UINT32_C(1) << 10 | UINT32_C(1) << 7 | 2)

#define CONFIG3_ULRI (UINT32_C(1) << 13)

/* FCSR (volume I, figure 5-11; FO and FN: Programming the MIPS32 24K core family, FPU) */
#define FCSR_RM            UINT32_C(3) /* nearest, zero, plus, minus */
#define FCSR_FLAGS_SHIFT   2
#define FCSR_FLAGS         (UINT32_C(31) << FCSR_FLAGS_SHIFT)
#define FCSR_ENABLES_SHIFT 7
#define FCSR_ENABLES       (UINT32_C(31) << FCSR_ENABLES_SHIFT)
#define FCSR_CAUSE_SHIFT   12
#define FCSR_CAUSE         (UINT32_C(63) << FCSR_CAUSE_SHIFT)
#define FCSR_FN            (UINT32_C(1) << 21)
#define FCSR_FO            (UINT32_C(1) << 22)
#define FCSR_FS            (UINT32_C(1) << 24)
#define FCSR_FCC           UINT32_C(0xfe800000)
#define FCSR_WRITABLE      UINT32_C(0xffe3ffff)

/* Bits of Cause; without E the same order as Enables and Flags */
#define FPU_INEXACT       1u
#define FPU_UNDERFLOW     2u
#define FPU_OVERFLOW      4u
#define FPU_DIVIDE_ZERO   8u
#define FPU_INVALID       16u
#define FPU_UNIMPLEMENTED 32u

#endif
