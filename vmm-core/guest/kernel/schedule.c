/* Threads on CPUs. Each CPU has a queue of its own; a thread goes back to the CPU that it ran on,
 * unless that one is busy and another has nothing to do. A CPU without threads takes one from the
 * queue of a busy CPU, and waits when there is none. A time slice ends by the timer's interrupt.
 */
#include "vmm-core/guest/kernel/kernel.h"
#include "vmm-core/guest/kernel/monitor-calls.h"

enum { QUIET_TICKS = 3 };

void schedule_init(struct cpu *cpu, struct thread *idle)
{
    cpu->queue.last = &cpu->queue.first;
    cpu->idle = cpu->running = idle;
    cpu->stack = (uint32_t)(uintptr_t)idle + PAGE_BYTES;
    cpu->root = (const uint32_t *)(const void *)empty_root;
    idle->cpu = cpu;
    idle->state = THREAD_RUNNING;
    idle->on_cpu = 1;
    idle->guard = GUARD;
}

static bool is_idle(const struct cpu *cpu)
{
    return __atomic_load_n(&cpu->running, __ATOMIC_RELAXED) == cpu->idle && !cpu->queue.first;
}

static struct cpu *suitable_cpu(const struct thread *thread)
{
    uint32_t own = thread->cpu->number;

    for (uint32_t i = 0; i < kernel.cpus; i++) {
        struct cpu *cpu = kernel.cpu[(own + i) % kernel.cpus];

        if (cpu && is_idle(cpu))
            return cpu;
    }
    return thread->cpu;
}

static void enqueue(struct cpu *cpu, struct thread *thread)
{
    lock_take(&cpu->queue.lock);
    thread->state = THREAD_READY;
    thread->next = NULL;
    *cpu->queue.last = thread;
    cpu->queue.last = &thread->next;
    lock_give(&cpu->queue.lock);
}

void thread_ready(struct thread *thread)
{
    struct cpu *cpu = suitable_cpu(thread);

    enqueue(cpu, thread);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (cpu != this_cpu() && cpu->waiting) {
        cpu->waiting = 0;
        monitor_interrupt_cpu(cpu->number);
    }
}

/* The first that no other CPU is still leaving. */
static struct thread *dequeue(struct cpu *cpu)
{
    struct thread *thread = NULL, *before = NULL;

    if (!cpu->queue.first)
        return NULL;
    lock_take(&cpu->queue.lock);
    for (thread = cpu->queue.first; thread; before = thread, thread = thread->next)
        if (thread == current() || !__atomic_load_n(&thread->on_cpu, __ATOMIC_ACQUIRE))
            break;
    if (thread) {
        *(before ? &before->next : &cpu->queue.first) = thread->next;
        if (!thread->next)
            cpu->queue.last = before ? &before->next : &cpu->queue.first;
    }
    lock_give(&cpu->queue.lock);
    return thread;
}

static struct thread *steal(const struct cpu *thief)
{
    uint32_t number = thief->number;

    for (uint32_t i = 1; i < kernel.cpus; i++) {
        struct cpu *cpu = kernel.cpu[number = number + 1 < kernel.cpus ? number + 1 : 0];
        struct thread *thread = NULL;

        /* one that was given to an idle CPU is about to run there */
        if (cpu && __atomic_load_n(&cpu->running, __ATOMIC_RELAXED) != cpu->idle)
            thread = dequeue(cpu);
        if (thread)
            return thread;
    }
    return NULL;
}

void thread_arrived(struct thread *before)
{
    if (before->guard != GUARD)
        panic("a kernel stack was too small", NULL);
    if (before->state == THREAD_DEAD)
        page_drop(ppn_of(before));
    else
        __atomic_store_n(&before->on_cpu, 0, __ATOMIC_RELEASE);
}

/* What the next thread has to find. */
static void prepare(struct cpu *cpu, struct thread *next)
{
    next->cpu = cpu;
    next->state = THREAD_RUNNING;
    next->on_cpu = 1;
    cpu->stack = (uint32_t)(uintptr_t)next + PAGE_BYTES;
    cpu->switches++;
    cpu->waiting = 0;
    __atomic_store_n(&cpu->running, next, __ATOMIC_RELAXED);
    if (next->process) {
        __atomic_or_fetch(&next->process->space.cpus, 1u << cpu->number, __ATOMIC_SEQ_CST);
        tlb_use(cpu, &next->process->space);
    } else {
        tlb_use(cpu, NULL);
    }
}

static void keep_fpu(struct thread *thread)
{
    struct frame *frame = user_frame(thread);

    if (thread->process && thread->state != THREAD_DEAD && (frame->status & STATUS_CU1)) {
        fpu_save(thread);
        frame->status &= ~(uint32_t)STATUS_CU1;
    }
}

void schedule(void)
{
    struct thread *thread = current(), *next;
    struct cpu *cpu = thread->cpu;

    cpu->reschedule = 0;
    keep_fpu(thread);
    if (thread->state == THREAD_RUNNING && thread != cpu->idle)
        enqueue(cpu, thread);
    next = dequeue(cpu);
    if (!next)
        next = steal(cpu);
    if (!next)
        next = cpu->idle;
    if (next == thread) {
        thread->state = THREAD_RUNNING;
        return;
    }
    prepare(cpu, next);
    thread_arrived(thread_switch(thread, next));
}

void idle_loop(void)
{
    struct cpu *cpu = this_cpu();

    for (;;) {
        __atomic_store_n(&cpu->waiting, 1, __ATOMIC_SEQ_CST);
        tlb_answer();
        schedule();
        if (!cpu->waiting || cpu->queue.first)
            continue; /* there was something, or will be */
        cpu->asleep = 1;
        cpu_wait();
        cpu->asleep = 0;
    }
}

/* ------------------------------------------------------------------------------- time */

/* Nothing but a running thread wakes another: when none runs, none ever will. */
static void check_for_standstill(struct cpu *cpu)
{
    uint32_t switches = 0;
    bool idle = true;

    for (uint32_t n = 0; n < kernel.cpus; n++) {
        switches += kernel.cpu[n] ? kernel.cpu[n]->switches : 0;
        idle = idle && kernel.cpu[n] && kernel.cpu[n]->asleep && !kernel.cpu[n]->queue.first;
    }
    if (!idle || switches != cpu->switches_seen)
        cpu->quiet_ticks = 0;
    else if (++cpu->quiet_ticks == QUIET_TICKS)
        panic("all threads sleep, and nothing can wake them", NULL);
    cpu->switches_seen = switches;
}

void timer_tick(void)
{
    struct cpu *cpu = this_cpu();

    cp0_write(CP0_COMPARE, cp0_read(CP0_COUNT) + SLICE_INSTRUCTIONS / 2);
    cpu_clock(); /* often enough to see Count begin anew */
    cpu->reschedule = 1;
    if (kernel.started && cpu->asleep)
        check_for_standstill(cpu);
}

uint64_t cpu_clock(void)
{
    struct cpu *cpu = this_cpu();
    uint32_t count = cp0_read(CP0_COUNT);

    if (count < cpu->count)
        cpu->wraps++;
    cpu->count = count;
    return ((uint64_t)cpu->wraps << 32 | count) * 2;
}
