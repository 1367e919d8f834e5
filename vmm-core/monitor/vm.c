/* Virtual machines: how a guest is loaded, what its ASIDs mean, what it does with its memory, its end. */
#include "vmm-core/monitor/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm-core/monitor/load.h"
#include "vmm-core/monitor/say.h"

#define ADDRESSES (UINT64_C(1) << 32) /* of a guest */
#define SHOWN_BYTES                                                                                \
    (ABI_MAPPED_END - (uint64_t)ABI_DIRECT_MAP) /* of a VM's kernel, in all spaces */
#define DIRECT(ppn) (ABI_DIRECT_MAP + (uint64_t)(ppn)*MIPS_PAGE_BYTES)

/* ---- loading ----------------------------------------------------------------------------------- */

/* argv as the guest finds it: pointers, NULL, strings; in the last pages of memory. */
struct arguments {
    uint8_t *bytes;
    uint32_t pages, first; /* PPN */
    uint32_t argv;         /* address */
};

static char *make_arguments(const struct vm *vm, uint32_t end, struct arguments *out)
{
    const struct monitor_vm *const options = vm->options;
    const uint64_t memory = (uint64_t)options->pages * MIPS_PAGE_BYTES;
    const uint64_t pointers = 4 * ((uint64_t)options->argc + 1);
    uint64_t bytes = pointers;
    for (uint32_t i = 0; i < options->argc; i++)
        bytes += strlen(options->argv[i]) + 1;
    if (bytes > memory || memory - bytes < end)
        return monitor_say(
            "%s: its arguments do not fit into the memory of its VM (%u pages); give it more",
            options->path, (unsigned)options->pages);
    out->pages = (uint32_t)((bytes + MIPS_PAGE_BYTES - 1) / MIPS_PAGE_BYTES);
    out->first = options->pages - out->pages;
    out->argv = (uint32_t)DIRECT(out->first);
    out->bytes = calloc(out->pages, MIPS_PAGE_BYTES);
    if (!out->bytes)
        return monitor_no_memory();
    uint64_t at = pointers;
    for (uint32_t i = 0; i < options->argc; i++) {
        const uint32_t address = out->argv + (uint32_t)at;
        const size_t length = strlen(options->argv[i]) + 1;
        memcpy(out->bytes + 4 * (size_t)i, &address, 4);
        memcpy(out->bytes + at, options->argv[i], length);
        at += length;
    }
    return NULL;
}

static void write_bytes(struct vm *vm, uint32_t physical, const uint8_t *from, uint32_t bytes)
{
    while (bytes) {
        const uint32_t offset = physical % MIPS_PAGE_BYTES;
        uint32_t some = MIPS_PAGE_BYTES - offset;
        if (some > bytes)
            some = bytes;
        physical_write(vm->monitor->physical, vm_guest_page(vm, physical / MIPS_PAGE_BYTES), offset,
                       from, some);
        physical += some;
        from += some;
        bytes -= some;
    }
}

/* Each run of pages that the loader writes is one DMA. */
static char *write_image(struct vm *vm, const struct load *load, const struct arguments *arguments)
{
    const uint32_t pages = vm->options->pages;
    bool *const written = calloc((size_t)pages + 1, sizeof *written);
    if (!written)
        return monitor_no_memory();
    for (uint32_t i = 0; i < load->segments; i++) {
        const struct load_segment *const segment = &load->segment[i];
        const uint32_t end = segment->physical + segment->bytes;
        for (uint32_t at = segment->physical; at < end; at = (at | (MIPS_PAGE_BYTES - 1)) + 1)
            written[at / MIPS_PAGE_BYTES] = true;
    }
    for (uint32_t ppn = arguments->first; ppn < pages; ppn++)
        written[ppn] = true;
    for (uint32_t ppn = 0; ppn < pages; ppn++) {
        const uint32_t first = ppn;
        while (written[ppn])
            ppn++;
        if (ppn > first)
            stream_dma(&vm->processor[0], first, ppn - first);
    }
    free(written);
    if (vm->monitor->failure)
        return NULL;
    for (uint32_t i = 0; i < load->segments; i++)
        write_bytes(vm, load->segment[i].physical, load->segment[i].from, load->segment[i].bytes);
    write_bytes(vm, arguments->first * MIPS_PAGE_BYTES, arguments->bytes,
                arguments->pages * MIPS_PAGE_BYTES);
    return NULL;
}

static void announce(struct vm *vm, const void *elf, size_t size)
{
    struct monitor *const monitor = vm->monitor;
    stream_space(monitor, &(struct monitor_space){.space = vm->space,
                                                  .vm = vm->index,
                                                  .asid = MONITOR_PHYSICAL,
                                                  .name = vm->name,
                                                  .elf = elf,
                                                  .elf_bytes = size});
    for (uint32_t i = 0; i < vm->options->vcpus; i++) {
        struct processor *const processor = &vm->processor[i];
        char name[32];
        (void)snprintf(name, sizeof name, "%s.cpu%u", vm->name, (unsigned)i);
        stream_stream(monitor, &(struct monitor_stream){.stream = processor->stream,
                                                        .vm = vm->index,
                                                        .vcpu = i,
                                                        .name = name,
                                                        .space = vm->space});
    }
}

char *vm_load(struct vm *vm)
{
    const struct monitor_vm *const options = vm->options;
    void *file = NULL;
    size_t size = options->elf_bytes;
    struct load load;
    struct arguments arguments = {0};
    char *error = options->elf ? NULL : load_file(options->path, &file, &size);
    const void *const elf = options->elf ? options->elf : file;
    if (!error)
        error =
            load_guest(options->path, elf, size, (uint64_t)options->pages * MIPS_PAGE_BYTES, &load);
    if (!error)
        error = make_arguments(vm, load.end, &arguments);
    if (!error) {
        announce(vm, elf, size);
        schedule_start(&vm->processor[0]);
        stream_dispatch(&vm->processor[0]);
        error = write_image(vm, &load, &arguments);
    }
    if (!error) {
        const uint32_t argument[4] = {options->argc, arguments.argv, options->pages,
                                      options->vcpus};
        vcpu_start(vm->processor[0].vcpu, load.entry, arguments.argv, argument);
    }
    free(arguments.bytes);
    free(file);
    return error;
}

/* ---- spaces ------------------------------------------------------------------------------------ */

void vm_new_space(struct vm *vm, uint32_t asid, const char *name, const void *elf, size_t elf_bytes)
{
    struct monitor *const monitor = vm->monitor;
    const uint32_t old = vm->asid_space[asid];
    const uint32_t space = monitor->spaces++;
    stream_space(monitor, &(struct monitor_space){.space = space,
                                                  .vm = vm->index,
                                                  .asid = asid,
                                                  .name = name,
                                                  .elf = elf,
                                                  .elf_bytes = elf_bytes});
    stream_share(monitor, vm->space, ABI_DIRECT_MAP, space, ABI_DIRECT_MAP, SHOWN_BYTES);
    vm->asid_space[asid] = space;
    vm->asid_ended[asid] = false;
    for (uint32_t i = 0; i < vm->options->vcpus; i++)
        if (vm->processor[i].state != PROCESSOR_OFF && vm->processor[i].asid == asid)
            stream_asid(&vm->processor[i], space);
    if (old != MONITOR_NONE)
        stream_unmap(monitor, old, 0, ADDRESSES);
}

static void unmap_if_left(struct vm *vm, uint32_t asid)
{
    if (!vm->asid_ended[asid])
        return;
    for (uint32_t i = 0; i < vm->options->vcpus; i++)
        if (vm->processor[i].state != PROCESSOR_OFF && vm->processor[i].asid == asid)
            return;
    stream_unmap(vm->monitor, vm->asid_space[asid], 0, ADDRESSES);
    vm->asid_space[asid] = MONITOR_NONE;
    vm->asid_ended[asid] = false;
}

void vm_end_space(struct vm *vm, uint32_t asid)
{
    if (vm->asid_space[asid] == MONITOR_NONE)
        return;
    vm->asid_ended[asid] = true;
    unmap_if_left(vm, asid);
}

void vm_asid_changed(struct processor *processor, uint32_t asid)
{
    struct vm *const vm = processor->vm;
    const uint32_t left = processor->asid;
    processor->asid = asid;
    if (vm->asid_space[asid] == MONITOR_NONE) {
        char name[32];
        (void)snprintf(name, sizeof name, "%s.asid%u", vm->name, (unsigned)asid);
        vm_new_space(vm, asid, name, NULL, 0);
    }
    if (processor->space != vm->asid_space[asid])
        stream_asid(processor, vm->asid_space[asid]);
    if (left != asid)
        unmap_if_left(vm, left);
}

/* ---- pages ------------------------------------------------------------------------------------- */

void vm_touch(struct processor *processor, uint32_t ppn)
{
    struct vm *const vm = processor->vm;
    if (!physical_entry(vm->monitor->physical, vm_guest_page(vm, ppn), processor_node(processor)))
        stream_zero(processor, ppn);
}

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
    stream_share(monitor, owner->space, DIRECT(region->first), vm->space, DIRECT(first),
                 (uint64_t)region->pages * MIPS_PAGE_BYTES);
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

/* ---- the end ----------------------------------------------------------------------------------- */

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
    while (start < ADDRESSES) {
        uint64_t end = ADDRESSES, next = ADDRESSES;
        for (uint32_t i = 0; i < monitor->regions; i++) {
            const struct region *const region = &monitor->region[i];
            const uint64_t first = DIRECT(region->first);
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
                stream_unmap(monitor, vm->asid_space[asid], 0, ADDRESSES);
        unmap_physical(vm);
        for (uint32_t ppn = 0; ppn < vm->options->pages; ppn++)
            if (!physical_is_shared(monitor->physical, vm_guest_page(vm, ppn)))
                physical_forget(monitor->physical, vm_guest_page(vm, ppn));
    }
}

/* ---- what its vCPUs ask ------------------------------------------------------------------------ */

static bool on_translate(void *context, struct vcpu *vcpu, uint32_t ppn, enum vcpu_touch touch,
                         struct vcpu_frame *frame)
{
    (void)vcpu;
    struct processor *const processor = context;
    struct vm *const vm = processor->vm;
    struct physical *const physical = vm->monitor->physical;
    const uint32_t guest_page = vm_guest_page(vm, ppn), node = processor_node(processor);
    if (ppn >= vm->options->pages)
        return false;
    uint32_t entry = physical_entry(physical, guest_page, node);
    if (!entry && touch != VCPU_PEEK) {
        stream_zero(processor, ppn);
        entry = vm->monitor->failure ? 0 : physical_entry(physical, guest_page, node);
    }
    if (touch == VCPU_WRITE && entry && !(entry & ENTRYLO_D))
        entry = physical_store(physical, guest_page, node);
    frame->frame = entry >> ENTRYLO_PFN_SHIFT;
    frame->writable = (entry & ENTRYLO_D) != 0;
    frame->host = ram_bytes(&vm->monitor->ram, frame->frame);
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
