/* Where a program and each of its threads begin. The kernel starts a program with argc in a0 and
 * argv in a1, a thread with what CALL_SPAWN was given; sp is the stack's end, less room for the
 * argument words that the calling convention (o32) wants there.
 */
#include "vmm-core/guest/user/calls.h"

    .set noreorder
    .text
    .globl __start
    .ent __start
__start:
    jal main
     nop
    jal disco_exit
     move $a0, $v0
    .end __start

    .globl disco_thread_start
    .ent disco_thread_start
disco_thread_start: /* a0: function, a1: its argument */
    move $v0, $a0
    jalr $v0
     move $a0, $a1
    li $v0, CALL_THREAD_EXIT
    syscall
    .end disco_thread_start

    /* disco_call(a0, a1, a2, number): three arguments are the most that a call has */
    .globl disco_call
    .ent disco_call
disco_call:
    move $v0, $a3
    syscall
    jr $ra
     nop
    .end disco_call
