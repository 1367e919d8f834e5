/* Which vCPU runs on which CPU, and when.
 *
 * A round gives each CPU in turn `quantum` instructions. A CPU goes on with the vCPU that it has
 * until that one waits, or its time slice ends while others wait for the CPU; then comes the one
 * that has been ready longest. vCPUs stay with their CPU, whose caches and near memory are theirs
 * (affinity); a CPU with nothing to run takes another's that has been ready for half a time slice
 * (those of a CPU that take turns wait for a whole one, and would never leave). Each vCPU's first
 * CPU is the next in order.
 *
 * A vCPU that waits sees time pass as the machine's CPUs do; one that is ready but does not run
 * does not. When none runs, time goes on at the round of the next timer. */
#include "vmm-core/monitor/internal.h"

#include <stdlib.h>

static uint64_t time_of(const struct monitor *monitor)
{
    return monitor->now + monitor->passed;
}

/* Of a vCPU that waits: so long. */
static uint64_t waited(const struct processor *processor, uint64_t time)
{
    return time > processor->since ? time - processor->since : 0;
}

void schedule_start(struct processor *processor)
{
    processor->state = PROCESSOR_READY;
    processor->since = time_of(processor->vm->monitor);
    processor->asid = 0;
    processor->space = processor->vm->space;
}

void schedule_wake(struct processor *processor)
{
    if (processor->state != PROCESSOR_WAITING)
        return;
    const uint64_t time = time_of(processor->vm->monitor);
    vcpu_skip(processor->vcpu, waited(processor, time));
    processor->state = PROCESSOR_READY;
    processor->since = time;
}

static void take_off(struct seat *seat)
{
    if (seat->loaded)
        vcpu_save(seat->loaded->vcpu);
    seat->loaded = NULL;
}

void schedule_stop(struct vm *vm)
{
    struct monitor *const monitor = vm->monitor;
    for (uint32_t i = 0; i < vm->options->vcpus; i++)
        vm->processor[i].state = PROCESSOR_OFF;
    if (monitor->acting && monitor->acting->vm == vm)
        monitor->acting = NULL;
    for (uint32_t cpu = 0; cpu < monitor->machine->cpus; cpu++)
        if (monitor->seat[cpu].loaded && monitor->seat[cpu].loaded->vm == vm)
            take_off(&monitor->seat[cpu]);
}

/* ---- choosing -------------------------------------------------------------------------------- */

/* Machine time at which the vCPU's timer ends its waiting; UINT64_MAX: it does not. */
static uint64_t timer_due(const struct processor *processor)
{
    if (processor->state != PROCESSOR_WAITING || !vcpu_wakes_by_timer(processor->vcpu))
        return UINT64_MAX;
    const uint64_t until = vcpu_until_timer(processor->vcpu);
    return until < UINT64_MAX - processor->since ? processor->since + until : UINT64_MAX;
}

static bool may_leave(const struct monitor *monitor, const struct processor *processor,
                      uint64_t time)
{
    return monitor->seat[processor->cpu].loaded != processor &&
           waited(processor, time) >= monitor->slice / 2;
}

/* The one that has been ready longest, of this CPU's or else of those that may leave theirs. */
static struct processor *choose(struct monitor *monitor, uint32_t cpu)
{
    const uint64_t time = time_of(monitor);
    struct processor *own = NULL, *other = NULL;
    for (uint32_t i = 0; i < monitor->streams; i++) {
        struct processor *const it = monitor->processor[i];
        if (it->cpu == cpu && timer_due(it) <= time)
            schedule_wake(it);
        if (it->state != PROCESSOR_READY)
            continue;
        if (it->cpu == cpu) {
            if (!own || it->since < own->since)
                own = it;
        } else if (may_leave(monitor, it, time) && (!other || it->since < other->since)) {
            other = it;
        }
    }
    if (!own && other)
        other->cpu = cpu;
    return own ? own : other;
}

static struct processor *next(struct monitor *monitor, uint32_t cpu)
{
    struct seat *const seat = &monitor->seat[cpu];
    struct processor *const loaded = seat->loaded;
    if (loaded && timer_due(loaded) <= time_of(monitor))
        schedule_wake(loaded);
    if (loaded && loaded->state == PROCESSOR_READY && loaded->cpu == cpu) {
        if (seat->slice_left)
            return loaded;
        loaded->since = time_of(monitor);
        seat->slice_left = monitor->slice;
    }
    return choose(monitor, cpu);
}

/* ---- running --------------------------------------------------------------------------------- */

static void put_on(struct monitor *monitor, uint32_t cpu, struct processor *processor)
{
    struct seat *const seat = &monitor->seat[cpu];
    stream_idle(monitor, cpu);
    if (seat->loaded == processor)
        return;
    take_off(seat);
    for (uint32_t i = 0; i < monitor->machine->cpus; i++)
        if (monitor->seat[i].loaded == processor)
            take_off(&monitor->seat[i]);
    processor->entry =
        physical_row(monitor->physical, processor_node(processor)) + processor->vm->first_page;
    vcpu_load(processor->vcpu, seat->cpu);
    seat->loaded = processor;
    seat->slice_left = monitor->slice;
    seat->used = true;
    stream_dispatch(processor);
}

/* Nothing can wake any vCPU of the VM. */
static bool waits_for_ever(const struct vm *vm)
{
    for (uint32_t i = 0; i < vm->options->vcpus; i++) {
        const struct processor *const it = &vm->processor[i];
        if (it->state == PROCESSOR_READY ||
            (it->state == PROCESSOR_WAITING && vcpu_wakes_by_timer(it->vcpu)))
            return false;
    }
    return true;
}

static void wait(struct processor *processor)
{
    processor->state = PROCESSOR_WAITING;
    processor->since = time_of(processor->vm->monitor);
    if (waits_for_ever(processor->vm))
        monitor_guest_failed(processor, "all vCPUs wait, and no timer or interrupt can wake one");
}

static void handle(struct processor *processor, enum vcpu_stop stop)
{
    if (processor->vm->monitor->failure)
        return; /* the run has ended: what the guest did since is of no account */
    switch (stop) {
    case VCPU_STOP_LIMIT:
        break;
    case VCPU_STOP_REFERENCES:
        stream_feed(processor->vm->monitor);
        break;
    case VCPU_STOP_WAIT:
        wait(processor);
        break;
    case VCPU_STOP_CALL:
        call_handle(processor);
        break;
    case VCPU_STOP_ERROR:
        monitor_guest_failed(processor, vcpu_error(processor->vcpu));
        break;
    }
}

/* At most to the end of the CPU's part of the round. */
static void run(struct monitor *monitor, uint32_t cpu, struct processor *processor)
{
    struct seat *const seat = &monitor->seat[cpu];
    const uint64_t began = monitor->passed;
    put_on(monitor, cpu, processor);
    uint64_t limit = monitor->quantum - began;
    if (seat->slice_left < limit)
        limit = seat->slice_left;
    monitor->acting = processor;
    uint64_t ran = 0;
    while (ran < limit && !monitor->failure && processor->state == PROCESSOR_READY) {
        const uint64_t before = vcpu_time(processor->vcpu);
        const enum vcpu_stop stop = vcpu_run(processor->vcpu, limit - ran);
        ran += vcpu_time(processor->vcpu) - before;
        monitor->passed = began + ran;
        handle(processor, stop);
    }
    stream_feed(monitor);
    if (processor->state != PROCESSOR_OFF && !monitor->failure)
        stream_services(processor);
    monitor->acting = NULL;
    seat->slice_left -= ran < seat->slice_left ? ran : seat->slice_left;
    processor->vm->instructions += ran;
    monitor->counts.instructions += ran;
}

/* To its next timer, or to the end of its part of the round. */
static void idle(struct monitor *monitor, uint32_t cpu)
{
    const uint64_t time = time_of(monitor), end = monitor->now + monitor->quantum;
    uint64_t until = end;
    for (uint32_t i = 0; i < monitor->streams; i++) {
        const uint64_t due = timer_due(monitor->processor[i]);
        if (monitor->processor[i]->cpu == cpu && due > time && due < until)
            until = due;
    }
    monitor->seat[cpu].idle += until - time;
    monitor->passed += until - time;
}

static bool is_over(const struct monitor *monitor)
{
    return monitor->failure || monitor->exited == monitor->options.vms;
}

/* Did anything run? */
static bool round_of(struct monitor *monitor)
{
    bool any = false;
    for (uint32_t cpu = 0; cpu < monitor->machine->cpus && !is_over(monitor); cpu++) {
        monitor->passed = 0;
        while (monitor->passed < monitor->quantum && !is_over(monitor)) {
            struct processor *const processor = next(monitor, cpu);
            any |= processor != NULL;
            if (processor)
                run(monitor, cpu, processor);
            else
                idle(monitor, cpu);
        }
    }
    monitor->passed = 0;
    monitor->now += monitor->quantum;
    const uint32_t every = monitor->options.check_every;
    if (every && ++monitor->unchecked >= every) {
        monitor->unchecked = 0;
        monitor_fail(monitor, monitor_check(monitor));
    }
    return any;
}

/* To the round in which the next timer is due. */
static void skip_rounds(struct monitor *monitor)
{
    uint64_t wake = UINT64_MAX;
    for (uint32_t i = 0; i < monitor->streams; i++) {
        const uint64_t due = timer_due(monitor->processor[i]);
        if (due < wake)
            wake = due;
    }
    if (wake == UINT64_MAX || wake < monitor->now)
        return;
    const uint64_t skipped = (wake - monitor->now) / monitor->quantum * monitor->quantum;
    monitor->now += skipped;
    for (uint32_t cpu = 0; cpu < monitor->machine->cpus; cpu++)
        monitor->seat[cpu].idle += skipped;
}

void schedule_run(struct monitor *monitor)
{
    const uint64_t limit = monitor->options.instructions;
    while (!is_over(monitor) && (!limit || monitor->counts.instructions < limit))
        if (!round_of(monitor))
            skip_rounds(monitor);
    for (uint32_t cpu = 0; cpu < monitor->machine->cpus && !monitor->failure; cpu++)
        if (monitor->seat[cpu].used)
            stream_idle(monitor, cpu);
}
