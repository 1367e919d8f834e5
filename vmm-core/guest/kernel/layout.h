/* Offsets that assembly shares with kernel.h, which checks them. */
#ifndef DISCO_GUEST_LAYOUT_H
#define DISCO_GUEST_LAYOUT_H

#define PAGE_BYTES 4096

/* exception vectors, from EBase; the refill is at 0, others are not used */
#define VECTOR_GENERAL   0x180
#define VECTOR_INTERRUPT 0x200
#define VECTORS_BYTES    0x210

/* struct cpu */
#define CPU_ROOT   0
#define CPU_STACK  4
#define CPU_STATUS 8

/* struct frame: room for a callee's four arguments, general registers, the rest */
#define FRAME_R      16 /* r[n] is at FRAME_R + 4 * n */
#define FRAME_HI     144
#define FRAME_LO     148
#define FRAME_STATUS 152
#define FRAME_CAUSE  156
#define FRAME_EPC    160
#define FRAME_BYTES  168

/* struct thread */
#define THREAD_KEPT 0  /* s0..s7, s8, sp, ra */
#define THREAD_FPU  48 /* 32 registers and FCSR */

#endif
