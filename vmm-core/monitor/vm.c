/* What guests do with their memory, what their vCPUs ask for, and their end. */
#include "vmm-core/monitor/internal.h"

#include <stdlib.h>
#include <string.h>

#include "vmm-core/monitor/say.h"

/* ---- pages ----------------------------------------------------------------------------------- */

void vm_zero(struct processor *processor, uint32_t ppn)
{
    struct vm *const vm = processor->vm;
    stream_zero(processor, ppn);
    physical_write(vm->monitor->physical, vm_guest_page(vm, ppn), 0, NULL, MIPS_PAGE_BYTES);
}

void vm_free_page(struct processor *processor, uint32_t ppn)
{
    const struct vm *const vm = processor->vm;
    if (physical_entry(vm->monitor->physical, vm_guest_page(vm, ppn), processor_node(processor)))
        stream_free(processor, ppn);
}

void vm_share_region(struct vm *vm, const struct region *region, uint32_t first)
{
    struct monitor *const monitor = vm->monitor;
    const struct vm *const owner = &monitor->vm[region->vm];
    stream_share(monitor, owner->space, DIRECT_ADDRESS(region->first), vm->space,
                 DIRECT_ADDRESS(first), (uint64_t)region->pages * MIPS_PAGE_BYTES);
    for (uint32_t i = 0; i < region->pages && !monitor->failure; i++) {
        const uint32_t guest_page = vm_guest_page(vm, first + i);
        physical_forget(monitor->physical, guest_page);
        if (!physical_show(monitor->physical, guest_page, vm_guest_page(owner, region->first + i)))
            monitor_fail(monitor, monitor_no_memory());
    }
}

bool vm_read(const struct vm *vm, uint32_t guest_physical, void *to, uint32_t bytes)
{
    const uint64_t memory = (uint64_t)vm->options->pages * MIPS_PAGE_BYTES;
    if (guest_physical > memory || bytes > memory - guest_physical)
        return false;
    uint8_t *out = to;
    while (bytes) {
        const uint32_t offset = guest_physical % MIPS_PAGE_BYTES;
        uint32_t some = MIPS_PAGE_BYTES - offset;
        if (some > bytes)
            some = bytes;
        const uint8_t *const from =
            physical_bytes(vm->monitor->physical,
                           vm_guest_page(vm, guest_physical / MIPS_PAGE_BYTES));
        if (from)
            memcpy(out, from + offset, some);
        else
            memset(out, 0, some);
        guest_physical += some;
        out += some;
        bytes -= some;
    }
    return true;
}

void vm_write_console(struct vm *vm, const char *text, size_t bytes)
{
    const struct monitor_options *const options = &vm->monitor->options;
    if (vm->console_room - vm->console_bytes <= bytes) {
        const size_t room = 2 * (vm->console_bytes + bytes + 256);
        char *const more = realloc(vm->console, room);
        if (!more) {
            monitor_fail(vm->monitor, monitor_no_memory());
            return;
        }
        vm->console = more;
        vm->console_room = room;
    }
    memcpy(vm->console + vm->console_bytes, text, bytes);
    vm->console_bytes += bytes;
    vm->console[vm->console_bytes] = 0;
    if (options->console)
        options->console(options->context, vm->index, text, bytes);
}

/* ---- the end --------------------------------------------------------------------------------- */

/* The memory is to be seen until somebody else refers to some, as a trace's is in its replay. */
void vm_exit(struct vm *vm, int32_t status)
{
    struct monitor *const monitor = vm->monitor;
    for (uint32_t i = 0; i < vm->options->vcpus; i++)
        if (vm->processor[i].state != PROCESSOR_OFF) {
            stream_services(&vm->processor[i]);
            stream_exit(&vm->processor[i]);
        }
    schedule_stop(vm);
    vm->exited = true;
    vm->status = status;
    monitor->exited++;
    monitor->to_clear = true;
    if (!monitor->list && monitor->exited < monitor->options.vms)
        vm_clear_exited(monitor);
}

/* All but the regions that other VMs have too. */
static void unmap_physical(struct vm *vm)
{
    struct monitor *const monitor = vm->monitor;
    uint64_t start = 0;
    while (start < GUEST_ADDRESSES) {
        uint64_t end = GUEST_ADDRESSES, next = GUEST_ADDRESSES;
        for (uint32_t i = 0; i < monitor->regions; i++) {
            const struct region *const region = &monitor->region[i];
            const uint64_t first = DIRECT_ADDRESS(region->first);
            if (region->vm == vm->index && first >= start && first < end) {
                end = first;
                next = first + (uint64_t)region->pages * MIPS_PAGE_BYTES;
            }
        }
        if (start < end)
            stream_unmap(monitor, vm->space, start, end);
        start = next;
    }
}

void vm_clear_exited(struct monitor *monitor)
{
    monitor->to_clear = false;
    for (uint32_t v = 0; v < monitor->options.vms; v++) {
        struct vm *const vm = &monitor->vm[v];
        if (!vm->exited || vm->cleared)
            continue;
        vm->cleared = true;
        for (uint32_t asid = 1; asid < ASIDS; asid++)
            if (vm->asid_space[asid] != MONITOR_NONE)
                stream_unmap(monitor, vm->asid_space[asid], 0, GUEST_ADDRESSES);
        unmap_physical(vm);
        for (uint32_t ppn = 0; ppn < vm->options->pages; ppn++)
            if (!physical_is_shared(monitor->physical, vm_guest_page(vm, ppn)))
                physical_forget(monitor->physical, vm_guest_page(vm, ppn));
    }
}

/* ---- what its vCPUs ask ---------------------------------------------------------------------- */

/* Not in the pmap's row for a reader, or not writable for a writer. */
static uint32_t find_entry(struct processor *processor, uint32_t ppn, enum vcpu_touch touch)
{
    struct vm *const vm = processor->vm;
    struct physical *const physical = vm->monitor->physical;
    const uint32_t guest_page = vm_guest_page(vm, ppn), node = processor_node(processor);
    if (ppn >= vm->options->pages)
        return 0;
    uint32_t entry = physical_entry(physical, guest_page, node);
    if (!entry && touch != VCPU_PEEK) {
        stream_zero(processor, ppn);
        entry = vm->monitor->failure ? 0 : physical_entry(physical, guest_page, node);
    }
    if (touch == VCPU_WRITE && entry && !(entry & ENTRYLO_D))
        entry = physical_store(physical, guest_page, node);
    return entry;
}

static bool on_translate(void *context, struct vcpu *vcpu, uint32_t ppn, enum vcpu_touch touch,
                         struct vcpu_frame *frame)
{
    (void)vcpu;
    struct processor *const processor = context;
    const uint32_t wanted = touch == VCPU_WRITE ? ENTRYLO_D : ENTRYLO_V;
    uint32_t entry = ppn < processor->vm->options->pages ? processor->entry[ppn] : 0;
    if (!(entry & wanted))
        entry = find_entry(processor, ppn, touch);
    frame->frame = entry >> ENTRYLO_PFN_SHIFT;
    frame->writable = (entry & ENTRYLO_D) != 0;
    frame->host = ram_bytes(&processor->vm->monitor->ram, frame->frame);
    return entry != 0;
}

static void on_asid(void *context, struct vcpu *vcpu, uint32_t asid)
{
    (void)vcpu;
    vm_asid_changed(context, asid);
}

static void on_tlb_write(void *context, struct vcpu *vcpu, uint32_t index,
                         const struct mips_tlb_entry *entry)
{
    (void)vcpu;
    stream_tlb_write(context, index, entry);
}

static bool on_patch(void *context, struct vcpu *vcpu, uint32_t guest_physical, uint32_t word)
{
    (void)vcpu;
    const struct processor *const processor = context;
    struct vm *const vm = processor->vm;
    const uint32_t ppn = guest_physical / MIPS_PAGE_BYTES;
    if (ppn >= vm->options->pages || !physical_bytes(vm->monitor->physical, vm_guest_page(vm, ppn)))
        return false;
    physical_write(vm->monitor->physical, vm_guest_page(vm, ppn), guest_physical % MIPS_PAGE_BYTES,
                   &word, sizeof word);
    return true;
}

/* The context is the processor's, so this is but the functions. */
const struct vcpu_owner vm_vcpu_owner = {
    .translate = on_translate,
    .asid_changed = on_asid,
    .tlb_written = on_tlb_write,
    .patch = on_patch,
};
