# A kernel for random programs, run from ROM at 0xbfc00000 with the program at 0xbfc10000.
#
# It runs the program in kernel mode (at 0xbfc10000), supervisor mode (0xc0400000) and user mode
# (0x00400000), fills the TLB from addresses alone, and steps over whatever raises an exception.
# The program ends with a syscall of code 0. Then it switches a Malta board off.
#
# Mapped data are 32 pairs of pages at 0x00200000: address bit 16 takes D, bit 17 takes V away from
# the odd page. RAM at 0xa0001000: the next TLB index; 0xa0001004: the phase.

    .set noreorder
    .set noat

#define VECTOR                    \
    lui   $26, %hi(general);      \
    addiu $26, $26, %lo(general); \
    jr    $26;                    \
    nop

    .text
    .globl __start
__start:
    b     start
    nop

    .org  0x200                     # BEV = 1: refill
    lui   $26, %hi(refill)
    addiu $26, $26, %lo(refill)
    jr    $26
    nop
    .org  0x380                     # general
    VECTOR
    .org  0x400                     # interrupt
    VECTOR

    .org  0x480
start:
    lui   $8, 0xb000                # no interrupts of the board's own
    addiu $9, $0, 0xff
    sb    $9, 0x21($8)
    sb    $9, 0xa1($8)
    lui   $8, 0xbfc0                # vectors into RAM: 4 words each
    lui   $9, 0xa000
    addiu $10, $0, 4
1:  lw    $11, 0x200($8)
    lw    $12, 0x380($8)
    sw    $11, 0x000($9)
    sw    $12, 0x180($9)
    sw    $12, 0x200($9)
    addiu $8, $8, 4
    addiu $10, $10, -1
    bnez  $10, 1b
    addiu $9, $9, 4
    lui   $9, 0xa000
    sw    $0, 0x1000($9)
    sw    $0, 0x1004($9)

    lui   $8, 0x8000                # a TLB that matches nothing
    mtc0  $0, $2
    mtc0  $0, $3
    mtc0  $0, $5
    addiu $9, $0, 15
2:  mtc0  $9, $0
    mtc0  $8, $10
    ehb
    tlbwi
    addiu $8, $8, 0x2000
    bnez  $9, 2b
    addiu $9, $9, -1
    mtc0  $0, $10
    mtc0  $0, $4
    mtc0  $0, $13

    lui   $16, 0x0001               # the program's data
    ori   $16, $16, 0x0400
    addiu $18, $0, 8
    lui   $8, 0x2000                # CU1, kernel mode
    mtc0  $8, $12
    ehb
    ctc1  $0, $31
    lui   $8, 0xbfc1
    jr    $8
    nop

refill:
    mfc0  $26, $8                   # BadVAddr; Context and EntryHi to be seen
    mfc0  $27, $4
    mfc0  $27, $10
    srl   $27, $26, 22
    andi  $27, $27, 0xff
    addiu $27, $27, -1
    beqz  $27, 3f
    srl   $27, $26, 13
    andi  $27, $27, 0x1f
    sll   $27, $27, 7
    ori   $27, $27, 0x801e
    srl   $26, $26, 14
    andi  $26, $26, 4
    xor   $27, $27, $26
    mtc0  $27, $2
    mfc0  $26, $8
    srl   $26, $26, 16
    andi  $26, $26, 2
    xor   $27, $27, $26
    addiu $27, $27, 0x40
    b     4f
    mtc0  $27, $3
3:  andi  $27, $27, 7               # the program, in ROM
    sll   $27, $27, 7
    lui   $26, 0x7f
    ori   $26, $26, 0x041a
    addu  $27, $27, $26
    mtc0  $27, $2
    addiu $27, $27, 0x40
    mtc0  $27, $3
4:  lui   $26, 0xa000
    lw    $27, 0x1000($26)
    addiu $27, $27, 1
    andi  $27, $27, 15
    sw    $27, 0x1000($26)
    mtc0  $27, $0
    mtc0  $0, $5
    ehb
    tlbwi
    ehb
    eret

general:
    mfc0  $26, $13
    andi  $26, $26, 0x7c
    beqz  $26, interrupt
    mfc0  $27, $8
    sltiu $27, $26, 4 << 2          # after others Context and EntryHi are not defined
    beqz  $27, 9f
    addiu $27, $0, 8 << 2
    mfc0  $27, $4
    mfc0  $27, $10
    addiu $27, $0, 8 << 2
9:
    beq   $26, $27, system_call
    addiu $27, $0, 15 << 2
    bne   $26, $27, 5f
    addiu $27, $0, 11 << 2
    ctc1  $0, $31
5:  bne   $26, $27, skip
    nop
    mfc0  $27, $12                  # a coprocessor: let it have the FPU
    lui   $26, 0x2000
    or    $27, $27, $26
    mtc0  $27, $12
skip:
    mfc0  $27, $14
    mfc0  $26, $13
    bgez  $26, 6f
    addiu $27, $27, 4
    addiu $27, $27, 4
6:  mtc0  $27, $14
    ehb
    eret

interrupt:
    mfc0  $27, $13
    ins   $27, $0, 8, 2
    mtc0  $27, $13
    ehb
    eret

system_call:
    mfc0  $27, $14
    andi  $27, $27, 0xffff
    lui   $26, 0xbfc1
    or    $26, $26, $27
    lw    $26, 0($26)
    addiu $27, $0, 12
    bne   $26, $27, skip
    lui   $27, 0xa000
    lw    $26, 0x1004($27)
    addiu $26, $26, 1
    sw    $26, 0x1004($27)
    addiu $27, $0, 1
    beq   $26, $27, 7f
    lui   $27, 0xc040
    addiu $27, $0, 2
    beq   $26, $27, 7f
    lui   $27, 0x0040
    lui   $26, 0xbf00               # off
    addiu $27, $0, 0x42
    sw    $27, 0x500($26)
8:  b     8b
    nop
7:  mtc0  $27, $14
    sll   $26, $26, 3
    ori   $26, $26, 2
    lui   $27, 0x2000
    or    $26, $26, $27
    mtc0  $26, $12
    ehb
    eret
