/* Exceptions: page faults, the FPU's first use in a time slice, interrupts, system calls. Whatever else
 * a program does ends it, with a line on the console. */
#include "vmm-core/guest/kernel/kernel.h"
#include "vmm-core/guest/kernel/monitor-calls.h"

/* Cause.ExcCode */
enum {
    EXCEPTION_INTERRUPT = 0,
    EXCEPTION_MODIFIED = 1,
    EXCEPTION_LOAD = 2,
    EXCEPTION_STORE = 3,
    EXCEPTION_ADDRESS_LOAD = 4,
    EXCEPTION_ADDRESS_STORE = 5,
    EXCEPTION_SYSTEM_CALL = 8,
    EXCEPTION_COPROCESSOR = 11,
};

enum { STATUS_KILLED = 128 }; /* and the exception's code */

extern const char cpu_wait_begin[], cpu_wait_end[], user_copy_failed[];

static bool is_between(uint32_t address, const void *begin, const void *end)
{
    return address >= (uint32_t)(uintptr_t)begin && address < (uint32_t)(uintptr_t)end;
}

static void interrupt(struct frame *frame)
{
    if (is_between(frame->epc, cpu_wait_begin, cpu_wait_end))
        frame->epc = (uint32_t)(uintptr_t)cpu_wait_end;
    if (frame->cause & CAUSE_IPI) {
        monitor_interrupt_done();
        tlb_answer();
    }
    if (frame->cause & CAUSE_TIMER)
        timer_tick();
}

static const char *what_happened(uint32_t code)
{
    static const char *const words[32] = {
        [EXCEPTION_MODIFIED] = "wrote where it may not",
        [EXCEPTION_LOAD] = "read what is not there",
        [EXCEPTION_STORE] = "wrote what is not there",
        [EXCEPTION_ADDRESS_LOAD] = "read a bad address",
        [EXCEPTION_ADDRESS_STORE] = "wrote a bad address",
        [6] = "ran into a bus error",
        [7] = "ran into a bus error",
        [9] = "ran into a breakpoint",
        [10] = "ran a reserved instruction",
        [EXCEPTION_COPROCESSOR] = "ran a privileged instruction",
        [12] = "overflowed",
        [13] = "trapped",
        [15] = "ran into a floating-point exception",
    };

    return words[code] ? words[code] : "ran into an exception";
}

static void kill(const struct frame *frame, uint32_t code, const char *what)
{
    const struct process *process = current()->process;

    if (code <= EXCEPTION_ADDRESS_STORE)
        say("%s (process %d, thread %d) %s: at 0x%x, address 0x%x\n", process->name,
            process->number, current()->number, what, frame->epc, frame->bad_vaddr);
    else
        say("%s (process %d, thread %d) %s: at 0x%x\n", process->name, process->number,
            current()->number, what, frame->epc);
    process_exit(STATUS_KILLED + (int)code);
}

static bool is_user(const struct frame *frame)
{
    return frame->status & STATUS_USER;
}

static void fault(struct frame *frame, uint32_t code)
{
    const char *what = what_happened(code);

    if (code <= EXCEPTION_STORE && frame->bad_vaddr < USER_END && current()->process) {
        enum fault result =
            space_fault(&current()->process->space, frame->bad_vaddr, code != EXCEPTION_LOAD);

        if (result == FAULT_MENDED)
            return;
        if (result == FAULT_NO_MEMORY)
            what = "found no memory left";
    }
    if (is_user(frame))
        kill(frame, code, what);
    else if (is_between(frame->epc, (const void *)user_copy, user_copy_failed))
        frame->epc = (uint32_t)(uintptr_t)user_copy_failed;
    else
        panic(what, frame);
}

/* A thread gets the FPU when it uses it; schedule() takes it away with the CPU. */
static bool give_fpu(struct frame *frame)
{
    if ((frame->cause >> 28 & 3) != 1 || !is_user(frame))
        return false;
    frame->status |= STATUS_CU1;
    cp0_write(CP0_STATUS, STATUS_KERNEL | STATUS_CU1);
    fpu_load(current());
    return true;
}

void trap(struct frame *frame)
{
    uint32_t code = frame->cause >> 2 & 31;

    frame->bad_vaddr =
        code >= EXCEPTION_MODIFIED && code <= EXCEPTION_ADDRESS_STORE ? bad_vaddr() : 0;
    if (code == EXCEPTION_INTERRUPT)
        interrupt(frame);
    else if (code == EXCEPTION_SYSTEM_CALL && is_user(frame) && !(frame->cause & CAUSE_BD))
        frame->r[2] = (uint32_t)system_call(frame);
    else if (code != EXCEPTION_COPROCESSOR || !give_fpu(frame))
        fault(frame, code);
    if (!is_user(frame))
        return;
    if (this_cpu()->reschedule && this_cpu()->queue.first)
        schedule();
    if (current()->process->dying)
        thread_exit();
}

/* ------------------------------------------------------------------------------- user memory */

static bool is_in_user(uint32_t address, uint32_t bytes)
{
    return address < USER_END && bytes <= USER_END - address;
}

bool user_read(void *to, uint32_t from, uint32_t bytes)
{
    return is_in_user(from, bytes) && user_copy(to, (const void *)(uintptr_t)from, bytes) == 0;
}

bool user_write(uint32_t to, const void *from, uint32_t bytes)
{
    return is_in_user(to, bytes) && user_copy((void *)(uintptr_t)to, from, bytes) == 0;
}

bool user_text(char *to, uint32_t from, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++) {
        if (!user_read(to + i, from + i, 1))
            return false;
        if (!to[i])
            return true;
    }
    return false;
}
