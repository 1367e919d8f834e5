/* Vectors and entries of the guest kernel of the monitor's unit tests (guest.c). */
#include "vmm-core/monitor/abi.h"

    .set noreorder
    .set noat

/* The refill: a linear table of EntryLo pairs of the first 4 MiB of each ASID, at `tables`. */
    .section .vectors, "ax"
    .org 0
    mfc0 $k0, $10
    andi $k0, $k0, 0xff
    sll $k0, $k0, 12        /* an ASID has 512 pairs of 8 bytes */
    lui $k1, %hi(tables)
    addu $k1, $k1, $k0
    mfc0 $k0, $4            /* Context: the pair's number in bits 22:4 */
    srl $k0, $k0, 1
    andi $k0, $k0, 0xff8
    addu $k1, $k1, $k0
    lw $k0, %lo(tables)($k1)
    mtc0 $k0, $2
    lw $k0, %lo(tables + 4)($k1)
    mtc0 $k0, $3
    ehb
    tlbwr
    eret

    .org 0x180
    b general
    nop
    .org 0x200
    b interrupt
    nop

/* Counts in caught[code], and goes on behind the instruction. */
general:
    mfc0 $k0, $13
    andi $k0, $k0, 0x7c
    lui $k1, %hi(caught)
    addu $k1, $k1, $k0
    lw $k0, %lo(caught)($k1)
    addiu $k0, $k0, 1
    sw $k0, %lo(caught)($k1)
    mfc0 $k0, $14
    addiu $k0, $k0, 4
    mtc0 $k0, $14
    eret

/* IP7: the timer is put off; IP2: another vCPU's interrupt is done. Counts of each vCPU. */
interrupt:
    .set at
    mfc0 $k0, $15, 1
    andi $k0, $k0, 0x3ff
    sll $k0, $k0, 3
    lui $k1, %hi(interrupts)
    addu $k1, $k1, $k0
    mfc0 $k0, $13
    andi $k0, $k0, 0x8000
    beqz $k0, 1f
    nop
    lw $k0, %lo(interrupts)($k1)
    addiu $k0, $k0, 1
    sw $k0, %lo(interrupts)($k1)
    mfc0 $k0, $9
    addiu $k0, $k0, 20000
    mtc0 $k0, $11
1:  mfc0 $k0, $13
    andi $k0, $k0, 0x400
    beqz $k0, 2f
    nop
    lw $k0, %lo(interrupts + 4)($k1)
    addiu $k0, $k0, 1
    sw $k0, %lo(interrupts + 4)($k1)
    lui $k0, ABI_CALLS >> 16
    move $k1, $v0
    sw $0, 4 * ABI_INTERRUPT_DONE($k0)
    move $v0, $k1
2:  eret
    .set noat

    .section .text.start, "ax"
    .globl _start
_start:
    lui $k0, %hi(arguments)
    sw $a0, %lo(arguments)($k0)
    sw $a1, %lo(arguments + 4)($k0)
    sw $a2, %lo(arguments + 8)($k0)
    sw $a3, %lo(arguments + 12)($k0)
    lui $sp, %hi(first_stack + 4096)
    addiu $sp, $sp, %lo(first_stack + 4096 - 16)
    lui $k0, 0x0080         /* Cause.IV */
    mtc0 $k0, $13
    lui $k0, 0x2000         /* Status.CU1 */
    mtc0 $k0, $12
    jal guest_main
    nop
    move $a0, $v0
    lui $k0, ABI_CALLS >> 16
    sw $0, 4 * ABI_EXIT($k0)

/* Other vCPUs: a0 is what START_CPU gave. */
    .globl other_start
other_start:
    lui $k0, 0x0080
    mtc0 $k0, $13
    lui $k0, 0x2000
    mtc0 $k0, $12
    jal guest_other
    nop
1:  wait
    b 1b
    nop

/* uint32_t monitor_call(a0, a1, a2, a3, number on the stack): the number's word is stored to. */
    .globl monitor_call
monitor_call:
    lw $t0, 16($sp)
    sll $t0, $t0, 2
    lui $k0, ABI_CALLS >> 16
    addu $k0, $k0, $t0
    jr $ra
    sw $0, 0($k0)
