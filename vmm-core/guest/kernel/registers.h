/* Coprocessor 0 for C and assembly: fields of registers, and how they are read and written.
 *
 * On a virtual machine each of these traps. Reads of the registers that the monitor's page of registers
 * has (abi.h; READ_HAL in entry.S) are noted in the section .hal_sites: when the kernel was told that the page is there,
 * it makes loads of them as it boots (vectors.c), as Disco's authors did by hand with IRIX's.
 */
#ifndef DISCO_GUEST_REGISTERS_H
#define DISCO_GUEST_REGISTERS_H

#include "vmm-core/monitor/abi.h"

#define CP0_INDEX    0
#define CP0_LO0      2
#define CP0_LO1      3
#define CP0_CONTEXT  4
#define CP0_BADVADDR 8
#define CP0_COUNT    9
#define CP0_ENTRYHI  10
#define CP0_COMPARE  11
#define CP0_STATUS   12
#define CP0_CAUSE    13
#define CP0_EPC      14
#define CP0_EBASE    15 /* select 1 */

#define STATUS_IE     0x00000001
#define STATUS_EXL    0x00000002
#define STATUS_USER   0x00000010
#define STATUS_LINES  0x00008400 /* interrupts of other CPUs (IP2) and of the timer (IP7) */
#define STATUS_CU1    0x20000000
#define STATUS_KERNEL STATUS_LINES /* interrupts off */

#define CAUSE_IV    0x00800000 /* interrupts have a vector of their own */
#define CAUSE_BD    0x80000000
#define CAUSE_IPI   0x00000400
#define CAUSE_TIMER 0x00008000

#define ENTRYLO_VALID  0x2
#define ENTRYLO_WRITE  0x4
#define ENTRYLO_CACHED 0x18
#define ENTRYLO_SHIFT  6
#define ENTRYHI_PAIR   0xffffe000

#define TLB_ENTRIES 64

#define FCSR_FLUSH 0x01000000 /* denormal numbers are 0, not a trap */

#ifndef __ASSEMBLER__

#define CP0_TEXT_(x) #x
#define CP0_TEXT(x)  CP0_TEXT_(x)

#define cp0_read(number)                                                                           \
    ({                                                                                             \
        uint32_t cp0_value;                                                                        \
        __asm__ volatile("mfc0 %0, $" CP0_TEXT(number) : "=r"(cp0_value)::"memory");               \
        cp0_value;                                                                                 \
    })

#define cp0_write(number, value)                                                                   \
    __asm__ volatile("mtc0 %z0, $" CP0_TEXT(number) "\n\tehb" ::"Jr"((uint32_t)(value))            \
                     : "memor"                                                                     \
                       "y")

#define cp0_write_ebase(value)                                                                     \
    __asm__ volatile("mtc0 %0, $15, 1\n\tehb" ::"r"((uint32_t)(value)) : "memory")

static inline void tlb_probe(void)
{
    __asm__ volatile("tlbp\n\tehb" ::: "memory");
}

static inline void tlb_write_indexed(void)
{
    __asm__ volatile("tlbwi\n\tehb" ::: "memory");
}

#endif
#endif
