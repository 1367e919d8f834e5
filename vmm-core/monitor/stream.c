/* The stream: what guests do, in one order, to the memory subsystem and to the listener.
 *
 * A vCPU's link of LL is lost wherever something enters the stream, since that is when pages may
 * move, and whether SC succeeds must not depend on the policy. */
#include "vmm-core/monitor/internal.h"

#include <stdlib.h>

#define DIRECT_VPN(ppn) (ABI_DIRECT_MAP / MIPS_PAGE_BYTES + (uint64_t)(ppn))

static void deliver(struct monitor *monitor, const struct processor *processor, size_t references)
{
    const struct monitor_listener *const listener = monitor->options.listener;
    monitor->counts.references += references;
    if (monitor->memory) {
        monitor_fail(monitor, memory_dispatch(monitor->memory, processor->cpu, processor->stream,
                                              processor->space));
        if (!monitor->failure)
            monitor_fail(monitor, memory_references(monitor->memory, processor->cpu, monitor->addr,
                                                    monitor->what, references));
    }
    if (!monitor->failure && listener && listener->references)
        monitor_fail(monitor, listener->references(listener->context, processor->stream,
                                                   monitor->addr, monitor->what, references));
}

void stream_feed(struct monitor *monitor)
{
    struct processor *const acting = monitor->acting;
    if (!acting)
        return;
    struct seat *const seat = &monitor->seat[acting->cpu];
    vcpu_unlink(acting->vcpu);
    if (!monitor->list || monitor->failure)
        return;
    monitor->acting = NULL; /* nothing to be fed before what is fed now */
    const size_t recorded = mips_recorded(seat->cpu);
    if (recorded && monitor->to_clear)
        vm_clear_exited(monitor);
    expand_begin(&seat->expand, monitor->list, recorded);
    for (;;) {
        const size_t some = expand_some(&seat->expand, monitor->addr, monitor->what, STREAM_ROOM);
        if (!some || monitor->failure)
            break;
        deliver(monitor, acting, some);
    }
    physical_fed(monitor->physical);
    monitor_fail(monitor, physical_failure(monitor->physical));
    monitor->acting = acting;
}

/* The memory subsystem has been told already; `error` is what it said. */
static void tell(struct monitor *monitor, struct monitor_event event, char *error)
{
    const struct monitor_listener *const listener = monitor->options.listener;
    monitor_fail(monitor, error);
    monitor_fail(monitor, physical_failure(monitor->physical));
    monitor->counts.events++;
    if (!monitor->failure && listener && listener->event)
        monitor_fail(monitor, listener->event(listener->context, &event));
}

void stream_space(struct monitor *monitor, const struct monitor_space *space)
{
    const struct monitor_listener *const listener = monitor->options.listener;
    stream_feed(monitor);
    if (!monitor->failure && listener && listener->space)
        monitor_fail(monitor, listener->space(listener->context, space));
}

void stream_stream(struct monitor *monitor, const struct monitor_stream *stream)
{
    const struct monitor_listener *const listener = monitor->options.listener;
    if (!monitor->failure && listener && listener->stream)
        monitor_fail(monitor, listener->stream(listener->context, stream));
}

void stream_region(struct monitor *monitor, const struct monitor_region *region)
{
    const struct monitor_listener *const listener = monitor->options.listener;
    stream_feed(monitor);
    if (!monitor->failure && listener && listener->region)
        monitor_fail(monitor, listener->region(listener->context, region));
}

void stream_mark(struct monitor *monitor, uint32_t vm, uint32_t number)
{
    const struct monitor_listener *const listener = monitor->options.listener;
    stream_feed(monitor);
    if (!monitor->failure && listener && listener->mark)
        monitor_fail(monitor, listener->mark(listener->context, vm, number));
}

/* The memory subsystem hears of it with the next references. */
void stream_dispatch(struct processor *processor)
{
    struct monitor *const monitor = processor->vm->monitor;
    stream_feed(monitor);
    processor->dispatched = processor->cpu;
    tell(monitor,
         (struct monitor_event){.kind = MONITOR_DISPATCH,
                                .stream = processor->stream,
                                .args = {processor->cpu, processor_node(processor)}},
         NULL);
}

void stream_asid(struct processor *processor, uint32_t space)
{
    struct monitor *const monitor = processor->vm->monitor;
    stream_feed(monitor);
    processor->space = space;
    tell(monitor,
         (struct monitor_event){.kind = MONITOR_ASID, .stream = processor->stream, .args = {space}},
         NULL);
}

void stream_tlb_write(struct processor *processor, uint32_t index,
                      const struct mips_tlb_entry *entry)
{
    struct monitor *const monitor = processor->vm->monitor;
    const uint32_t *const lo = entry->entry_lo;
    stream_feed(monitor);
    if (monitor->failure)
        return;
    char *error = NULL;
    if (monitor->memory)
        error = memory_tlb_write(monitor->memory, processor->space, processor->vm->space,
                                 entry->entry_hi, lo[0], lo[1], entry->page_mask);
    tell(monitor,
         (struct monitor_event){.kind = MONITOR_TLBWRITE,
                                .stream = processor->stream,
                                .args = {index, entry->entry_hi, lo[0], lo[1], entry->page_mask}},
         error);
}

void stream_unmap(struct monitor *monitor, uint32_t space, uint64_t start, uint64_t end)
{
    stream_feed(monitor);
    if (monitor->failure)
        return;
    tell(monitor,
         (struct monitor_event){.kind = MONITOR_UNMAP,
                                .stream = MONITOR_NO_STREAM,
                                .args = {space, start, end}},
         monitor->memory ? memory_unmap(monitor->memory, space, start, end) : NULL);
}

void stream_share(struct monitor *monitor, uint32_t space, uint64_t start, uint32_t other,
                  uint64_t other_start, uint64_t bytes)
{
    stream_feed(monitor);
    if (monitor->failure)
        return;
    char *error = NULL;
    if (monitor->memory)
        error = memory_share(monitor->memory, space, start, other, other_start, bytes);
    tell(monitor,
         (struct monitor_event){.kind = MONITOR_SHARE,
                                .stream = MONITOR_NO_STREAM,
                                .args = {space, start, other, other_start, bytes}},
         error);
}

void stream_zero(struct processor *processor, uint32_t ppn)
{
    struct vm *const vm = processor->vm;
    struct monitor *const monitor = vm->monitor;
    const uint32_t guest_page = vm_guest_page(vm, ppn);
    stream_feed(monitor);
    if (monitor->failure)
        return;
    char *error = NULL;
    if (monitor->memory) {
        error = memory_zero(monitor->memory, processor->cpu, vm->space, DIRECT_VPN(ppn));
        if (!error)
            physical_found(monitor->physical, guest_page,
                           memory_find(monitor->memory, vm->space, DIRECT_VPN(ppn)));
    } else {
        error = physical_take(monitor->physical, guest_page, processor_node(processor));
    }
    tell(monitor,
         (struct monitor_event){.kind = MONITOR_ZERO, .stream = processor->stream, .args = {ppn}},
         error);
}

void stream_free(struct processor *processor, uint32_t ppn)
{
    struct vm *const vm = processor->vm;
    struct monitor *const monitor = vm->monitor;
    stream_feed(monitor);
    if (monitor->failure)
        return;
    char *error = NULL;
    if (monitor->memory)
        error = memory_free_page(monitor->memory, processor->cpu, vm->space, DIRECT_VPN(ppn));
    physical_forget(monitor->physical, vm_guest_page(vm, ppn));
    tell(monitor,
         (struct monitor_event){.kind = MONITOR_FREE, .stream = processor->stream, .args = {ppn}},
         error);
}

void stream_dma(struct processor *processor, uint32_t first, uint32_t pages)
{
    struct vm *const vm = processor->vm;
    struct monitor *const monitor = vm->monitor;
    stream_feed(monitor);
    if (monitor->failure)
        return;
    char *error = NULL;
    if (monitor->memory)
        error =
            memory_dma(monitor->memory, processor->cpu, vm->space, DIRECT_VPN(first), pages, false);
    for (uint32_t ppn = first; ppn < first + pages && !error; ppn++) {
        const uint32_t guest_page = vm_guest_page(vm, ppn);
        if (monitor->memory)
            physical_found(monitor->physical, guest_page,
                           memory_find(monitor->memory, vm->space, DIRECT_VPN(ppn)));
        else
            error = physical_take(monitor->physical, guest_page, processor_node(processor));
    }
    tell(monitor,
         (struct monitor_event){.kind = MONITOR_DMA,
                                .stream = processor->stream,
                                .args = {first, pages, 0}},
         error);
}

/* VCPU_REFILLED depends on where pages are, and VCPU_PATCHED is once for each word: not of the
 * stream. */
void stream_services(struct processor *processor)
{
    static const struct {
        enum vcpu_service from;
        enum memory_service to;
    } kinds[] = {
        {VCPU_PRIVILEGED, MEMORY_SERVICE_PRIVILEGED}, {VCPU_TLB_WRITE, MEMORY_SERVICE_TLB_WRITE},
        {VCPU_REFLECTED, MEMORY_SERVICE_REFLECT},     {VCPU_CALLED, MEMORY_SERVICE_CALL},
        {VCPU_INTERRUPTED, MEMORY_SERVICE_INTERRUPT},
    };
    struct monitor *const monitor = processor->vm->monitor;
    uint64_t *const done = vcpu_services(processor->vcpu);
    stream_feed(monitor);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && !monitor->failure; i++) {
        const uint64_t count = done[kinds[i].from];
        if (!count)
            continue;
        done[kinds[i].from] = 0;
        char *error = NULL;
        if (monitor->memory)
            error = memory_service(monitor->memory, processor->cpu, kinds[i].to, count);
        tell(monitor,
             (struct monitor_event){.kind = MONITOR_SERVICE,
                                    .stream = processor->stream,
                                    .args = {kinds[i].to, count}},
             error);
    }
}

void stream_idle(struct monitor *monitor, uint32_t cpu)
{
    struct seat *const seat = &monitor->seat[cpu];
    if (!seat->idle)
        return;
    stream_feed(monitor);
    const uint64_t fetch_ps = monitor->machine->costs.fetch_ps;
    uint64_t ns = 0;
    if (__builtin_mul_overflow(seat->idle, fetch_ps, &ns))
        ns = UINT64_MAX;
    ns /= 1000;
    monitor->counts.idle_instructions += seat->idle;
    seat->idle = 0;
    if (monitor->memory)
        memory_idle(monitor->memory, cpu, ns);
    tell(monitor,
         (struct monitor_event){.kind = MONITOR_IDLE,
                                .stream = MONITOR_NO_STREAM,
                                .args = {cpu, ns}},
         NULL);
}

void stream_exit(struct processor *processor)
{
    struct monitor *const monitor = processor->vm->monitor;
    stream_feed(monitor);
    tell(monitor, (struct monitor_event){.kind = MONITOR_EXIT, .stream = processor->stream}, NULL);
}
