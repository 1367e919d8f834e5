/* Where the kernel is entered and left: boot, exception vectors, switches between threads, waiting,
 * and copies from and to user memory.
 */
#include "vmm-core/guest/kernel/layout.h"
#include "vmm-core/guest/kernel/registers.h"

    .set noreorder
    .set noat

/* Reads a register that the monitor's page of registers has too, at `offset`. */
    .macro READ_HAL register, number, offset
9:  mfc0 \register, $\number
    .pushsection .hal_sites, "a"
    .word 9b, \offset
    .popsection
    .endm

/* ------------------------------------------------------------------------------- boot */

    .text
    .globl _start
    .ent _start
_start: /* a0..a3 go to kernel_main() as they are */
    lui $sp, %hi(boot_thread + PAGE_BYTES - 16)
    addiu $sp, $sp, %lo(boot_thread + PAGE_BYTES - 16)
    j kernel_main
     move $ra, $zero
    .end _start

/* ------------------------------------------------------------------------------- vectors */

/* Each CPU has a copy of this page, in which the first two instructions behind each label name its
 * own struct cpu (vectors.c). */
    .section .text.vectors, "ax"
    .balign 4096
    .globl vectors
vectors:

/* TLB refill. Page tables have two levels of 1024 words; a word of the second is an EntryLo. In Context
 * the pair's number is at bit 4: rotating brings bits 31..22 of the address to the bottom, then
 * bits 21..13. Entries of the first level always name a table: the empty one where there is none. */
    lui $k1, 0
    lw $k1, CPU_ROOT($k1)
    READ_HAL $k0, CP0_CONTEXT, ABI_HAL_CONTEXT
    rotr $k0, $k0, 13
    ins $k1, $k0, 2, 10
    lw $k1, 0($k1)
    rotr $k0, $k0, 23
    ins $k1, $k0, 3, 9
    lw $k0, 0($k1)
    lw $k1, 4($k1)
    mtc0 $k0, $CP0_LO0
    mtc0 $k1, $CP0_LO1
    ehb
    tlbwr
    eret

    .org VECTOR_GENERAL /* all other exceptions */
    lui $k1, 0
    addiu $k1, $k1, 0
    j trap_entry
     nop

    .org VECTOR_INTERRUPT /* interrupts */
    lui $k1, 0
    addiu $k1, $k1, 0
    j trap_entry
     nop
    .org VECTORS_BYTES

/* ------------------------------------------------------------------------------- traps */

    .text
    .ent trap_entry
trap_entry: /* k1: struct cpu */
    READ_HAL $k0, CP0_STATUS, ABI_HAL_STATUS
    sw $k0, CPU_STATUS($k1)
    andi $k0, $k0, STATUS_USER
    beqz $k0, 1f
     move $k0, $sp
    lw $sp, CPU_STACK($k1)
1:  addiu $sp, $sp, -FRAME_BYTES
    sw $k0, FRAME_R + 4 * 29($sp)
    .irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 28, 30, 31
    sw $\n, FRAME_R + 4 * \n($sp)
    .endr
    mfhi $t0
    mflo $t1
    sw $t0, FRAME_HI($sp)
    sw $t1, FRAME_LO($sp)
    lw $t0, CPU_STATUS($k1)
    READ_HAL $t1, CP0_CAUSE, ABI_HAL_CAUSE
    READ_HAL $t2, CP0_EPC, ABI_HAL_EPC
    sw $t0, FRAME_STATUS($sp)
    sw $t1, FRAME_CAUSE($sp)
    sw $t2, FRAME_EPC($sp)
    /* kernel mode, interrupts off, more exceptions allowed; the FPU stays as it was */
    lui $t1, STATUS_CU1 >> 16
    and $t0, $t0, $t1
    ori $t0, $t0, STATUS_KERNEL
    mtc0 $t0, $CP0_STATUS
    ehb
    jal trap
     move $a0, $sp

    .globl trap_return
trap_return: /* sp: struct frame, whose Status has EXL set */
    lw $t0, FRAME_STATUS($sp)
    lw $t1, FRAME_EPC($sp)
    mtc0 $t0, $CP0_STATUS
    mtc0 $t1, $CP0_EPC
    lw $t0, FRAME_HI($sp)
    lw $t1, FRAME_LO($sp)
    mthi $t0
    mtlo $t1
    .irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 28, 30, 31, 29
    lw $\n, FRAME_R + 4 * \n($sp)
    .endr
    eret
    .end trap_entry

/* uint32_t bad_vaddr(void): of the present trap, before there can be another */
    .globl bad_vaddr
    .ent bad_vaddr
bad_vaddr:
    READ_HAL $v0, CP0_BADVADDR, ABI_HAL_BADVADDR
    jr $ra
     nop
    .end bad_vaddr

/* ------------------------------------------------------------------------------- threads */

/* struct thread *thread_switch(struct thread *from, struct thread *to): runs `to`; when `from` runs
 * again, returns the thread that ran before. */
    .globl thread_switch
    .ent thread_switch
thread_switch:
    .irp n, 16, 17, 18, 19, 20, 21, 22, 23
    sw $\n, THREAD_KEPT + 4 * (\n - 16)($a0)
    lw $\n, THREAD_KEPT + 4 * (\n - 16)($a1)
    .endr
    sw $s8, THREAD_KEPT + 32($a0)
    sw $sp, THREAD_KEPT + 36($a0)
    sw $ra, THREAD_KEPT + 40($a0)
    lw $s8, THREAD_KEPT + 32($a1)
    lw $sp, THREAD_KEPT + 36($a1)
    lw $ra, THREAD_KEPT + 40($a1)
    jr $ra
     move $v0, $a0
    .end thread_switch

/* Where a new thread comes out of thread_switch(): sp is its struct frame. */
    .globl thread_begin
    .ent thread_begin
thread_begin:
    jal thread_arrived
     move $a0, $v0
    j trap_return
     nop
    .end thread_begin

/* void fpu_save(struct thread *), fpu_load(const struct thread *): with the FPU on */
    .set hardfloat
    .globl fpu_save
    .ent fpu_save
fpu_save:
    .irp n, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
    sdc1 $f\n, THREAD_FPU + 4 * \n($a0)
    .endr
    cfc1 $t0, $31
    jr $ra
     sw $t0, THREAD_FPU + 128($a0)
    .end fpu_save

    .globl fpu_load
    .ent fpu_load
fpu_load:
    .irp n, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
    ldc1 $f\n, THREAD_FPU + 4 * \n($a0)
    .endr
    lw $t0, THREAD_FPU + 128($a0)
    jr $ra
     ctc1 $t0, $31
    .end fpu_load

/* ------------------------------------------------------------------------------- waiting */

/* void cpu_wait(void): gives the CPU up until an interrupt has been served. An interrupt that comes
 * between the write of Status and WAIT returns behind WAIT (trap.c): it would be slept through. */
    .globl cpu_wait, cpu_wait_begin, cpu_wait_end
    .ent cpu_wait
cpu_wait:
    li $t0, STATUS_KERNEL | STATUS_IE
    mtc0 $t0, $CP0_STATUS
cpu_wait_begin:
    ehb
    wait
cpu_wait_end:
    li $t0, STATUS_KERNEL
    mtc0 $t0, $CP0_STATUS
    ehb
    jr $ra
     nop
    .end cpu_wait

/* ------------------------------------------------------------------------------- user memory */

/* int user_copy(void *to, const void *from, uint32_t bytes): 0, or -1 where an access failed (then
 * trap.c goes to user_copy_failed) */
    .globl user_copy, user_copy_failed
    .ent user_copy
user_copy:
    or $t0, $a0, $a1
    or $t0, $t0, $a2
    andi $t0, $t0, 3
    addu $t1, $a1, $a2
    bnez $t0, 3f
     nop
1:  beq $a1, $t1, 4f
     nop
    lw $t2, 0($a1)
    addiu $a1, $a1, 4
    sw $t2, 0($a0)
    b 1b
     addiu $a0, $a0, 4
3:  beq $a1, $t1, 4f
     nop
    lbu $t2, 0($a1)
    addiu $a1, $a1, 1
    sb $t2, 0($a0)
    b 3b
     addiu $a0, $a0, 1
4:  jr $ra
     move $v0, $zero
user_copy_failed:
    jr $ra
     li $v0, -1
    .end user_copy
