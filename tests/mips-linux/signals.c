/* Signals: of faults, and those that a process sends itself; handlers run on the process's stack.
 * Sources: Linux 6.1, arch/mips/kernel/{traps,signal}.c; structures: include/uapi/asm/sigcontext.h,
 * siginfo.h, ucontext.h of arch/mips. */
#include "tests/mips-linux/process.h"

#include <stddef.h>
#include <string.h>

enum {
    ILL = 4,
    TRAP = 5,
    FPE = 8,
    BUS = 10,
    SEGV = 11,
    CHILD = 18,
    WINDOW = 20,
    URGENT = 21,
    CONTINUE = 25
};
enum { CODE_KERNEL = 128, TRAP_BRKPT = 1 };
enum { SEGV_MAPERR = 1, SEGV_ACCERR = 2 };
enum { FPE_INTDIV = 1, FPE_INTOVF, FPE_FLTDIV, FPE_FLTOVF, FPE_FLTUND, FPE_FLTRES, FPE_FLTINV };
enum { BREAK_OVERFLOW = 6, BREAK_DIVIDE = 7 };

#define SIG_IGN_VALUE 1u
#define SA_SIGINFO    UINT32_C(0x00000008)
#define SA_NODEFER    UINT32_C(0x40000000)
#define SA_RESETHAND  UINT32_C(0x80000000)

struct frame {
    uint32_t arguments[4], pad[2];
    struct {
        int32_t signal, code, error;
        uint32_t address, rest[28];
    } info;
    uint32_t flags, link, stack[3], unused;
    struct {
        uint32_t regmask, status;
        uint64_t pc, r[32], fpr[32];
        uint32_t acx, fcsr, eir, used_math, dsp, unused;
        uint64_t hi, lo;
        uint32_t dsp_hi_lo[6];
    } context;
    uint32_t mask[4];
};
_Static_assert(offsetof(struct frame, info) == 24 && offsetof(struct frame, context) == 176 &&
                   offsetof(struct frame, mask) == 176 + 592,
               "the kernel's frame");

static void save(const struct process *process, struct frame *frame)
{
    const struct mips_state *const s = process->s;
    frame->context.status = process->status;
    frame->context.pc = s->pc;
    for (unsigned i = 0; i < 32; i++)
        frame->context.r[i] = (uint64_t)(int64_t)(int32_t)s->r[i];
    memcpy(frame->context.fpr, s->fpr, sizeof s->fpr);
    frame->context.fcsr = s->fcsr;
    frame->context.used_math = 1;
    frame->context.hi = s->hi;
    frame->context.lo = s->lo;
    memcpy(frame->mask, process->blocked, sizeof frame->mask);
}

static bool is_blocked(const struct process *process, int signal)
{
    return process->blocked[(signal - 1) / 32] >> (signal - 1) % 32 & 1;
}

void process_signal(struct process *process, int signal, int code, uint32_t address)
{
    struct mips_state *const s = process->s;
    struct action *const action = &process->action[signal % SIGNALS];
    const bool ignored = action->handler == SIG_IGN_VALUE ||
                         (!action->handler && (signal == CHILD || signal == WINDOW ||
                                               signal == URGENT || signal == CONTINUE));
    if (code <= 0 && (ignored || is_blocked(process, signal)))
        return; /* nothing is kept for later */
    struct frame frame = {0};
    const uint32_t sp = (s->r[29] - (uint32_t)sizeof frame) & ~UINT32_C(15);
    frame.info.signal = signal;
    frame.info.code = code;
    frame.info.address = address;
    save(process, &frame);
    if (!action->handler || ignored || is_blocked(process, signal) ||
        !process_put(process, sp, &frame, sizeof frame)) {
        process->exited = true;
        process->killed_by = signal;
        return;
    }
    for (unsigned i = 0; i < 4; i++)
        process->blocked[i] |= action->mask[i];
    if (!(action->flags & SA_NODEFER))
        process->blocked[(signal - 1) / 32] |= UINT32_C(1) << (signal - 1) % 32;
    s->r[4] = (uint32_t)signal;
    s->r[5] = action->flags & SA_SIGINFO ? sp + (uint32_t)offsetof(struct frame, info) : 0;
    s->r[6] = sp + (uint32_t)offsetof(struct frame, flags);
    s->r[29] = sp;
    s->r[31] = TRAMPOLINE;
    s->pc = s->r[25] = action->handler;
    if (action->flags & SA_RESETHAND)
        action->handler = 0;
}

bool process_return(struct process *process)
{
    struct mips_state *const s = process->s;
    struct frame frame;
    if (!process_get(process, &frame, s->r[29], sizeof frame))
        return false;
    for (unsigned i = 1; i < 32; i++)
        s->r[i] = (uint32_t)frame.context.r[i];
    memcpy(s->fpr, frame.context.fpr, sizeof s->fpr);
    s->fcsr = frame.context.fcsr & ~FCSR_CAUSE;
    s->hi = (uint32_t)frame.context.hi;
    s->lo = (uint32_t)frame.context.lo;
    s->pc = (uint32_t)frame.context.pc;
    memcpy(process->blocked, frame.mask, sizeof frame.mask);
    return true;
}

/* ------------------------------------------------------------------------------- faults */

/* BREAK and the traps: codes that compilers give to a division by zero and to an overflow. */
static void break_signal(struct process *process, uint32_t at, bool trap)
{
    uint32_t word = 0, code;
    (void)process_get(process, &word, at, 4);
    if (trap) {
        code = word >> 26 ? 0 : word >> 6 & 0x3ff;
    } else { /* the assembler's code is in the upper ten bits */
        code = word >> 6 & 0xfffff;
        if (code >= 1 << 10)
            code = (code & 0x3ff) << 10 | code >> 10;
    }
    if (code == BREAK_DIVIDE || code == BREAK_OVERFLOW)
        process_signal(process, FPE, code == BREAK_DIVIDE ? FPE_INTDIV : FPE_INTOVF, at);
    else
        process_signal(process, TRAP, trap ? CODE_KERNEL : TRAP_BRKPT, at);
}

static void fpu_signal(struct process *process, uint32_t at)
{
    const uint32_t fcsr = process->s->fcsr;
    const uint32_t cause = fcsr >> FCSR_CAUSE_SHIFT & fcsr >> FCSR_ENABLES_SHIFT & 31;
    static const struct {
        uint32_t bit;
        int code;
    } codes[] = {{FPU_INVALID, FPE_FLTINV},
                 {FPU_DIVIDE_ZERO, FPE_FLTDIV},
                 {FPU_OVERFLOW, FPE_FLTOVF},
                 {FPU_UNDERFLOW, FPE_FLTUND},
                 {FPU_INEXACT, FPE_FLTRES}};
    int code = CODE_KERNEL;
    for (unsigned i = 0; i < sizeof codes / sizeof *codes && code == CODE_KERNEL; i++)
        if (cause & codes[i].bit)
            code = codes[i].code;
    process->s->fcsr &= ~(cause << FCSR_CAUSE_SHIFT);
    process_signal(process, FPE, code, at);
}

static bool is_mapped(const struct process *process, uint32_t address)
{
    return address < TASK_END && process->page[address / MIPS_PAGE_BYTES] & PAGE_MAPPED;
}

void process_fault(struct process *process)
{
    struct mips_state *const s = process->s;
    const uint32_t at = s->cp0.epc + (s->cp0.cause & CAUSE_BD ? 4 : 0), bad = s->cp0.bad_vaddr;
    s->pc = s->cp0.epc;
    switch ((enum mips_exception)((s->cp0.cause & CAUSE_CODE) >> CAUSE_CODE_SHIFT)) {
    case MIPS_EXCEPTION_TLB_MODIFIED:
    case MIPS_EXCEPTION_TLB_LOAD:
    case MIPS_EXCEPTION_TLB_STORE:
        process_signal(process, SEGV, is_mapped(process, bad) ? SEGV_ACCERR : SEGV_MAPERR, bad);
        break;
    case MIPS_EXCEPTION_ADDRESS_LOAD:
    case MIPS_EXCEPTION_ADDRESS_STORE:
        if (bad == s->cp0.epc || !process_unaligned(process))
            process_signal(process, BUS, CODE_KERNEL, 0);
        break;
    case MIPS_EXCEPTION_SYSCALL:
        process_call(process);
        break;
    case MIPS_EXCEPTION_BREAK:
        break_signal(process, at, false);
        break;
    case MIPS_EXCEPTION_TRAP:
        break_signal(process, at, true);
        break;
    case MIPS_EXCEPTION_OVERFLOW:
        process_signal(process, FPE, FPE_INTOVF, at);
        break;
    case MIPS_EXCEPTION_FPU:
        fpu_signal(process, at);
        break;
    case MIPS_EXCEPTION_RESERVED:
    case MIPS_EXCEPTION_COPROCESSOR:
        process_signal(process, ILL, CODE_KERNEL, 0);
        break;
    default:
        process_signal(process, BUS, CODE_KERNEL, 0);
        break;
    }
}
