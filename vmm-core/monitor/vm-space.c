/* What a VM's ASIDs mean: address spaces of the stream, which all show the VM's kernel. */
#include "vmm-core/monitor/internal.h"

#include <stdio.h>

#define SHOWN_BYTES                                                                                \
    (ABI_MAPPED_END - (uint64_t)ABI_DIRECT_MAP) /* of a VM's kernel, in all spaces */

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
        stream_unmap(monitor, old, 0, GUEST_ADDRESSES);
}

static void unmap_if_left(struct vm *vm, uint32_t asid)
{
    if (!vm->asid_ended[asid])
        return;
    for (uint32_t i = 0; i < vm->options->vcpus; i++)
        if (vm->processor[i].state != PROCESSOR_OFF && vm->processor[i].asid == asid)
            return;
    stream_unmap(vm->monitor, vm->asid_space[asid], 0, GUEST_ADDRESSES);
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
