/* Monitor calls (abi.h): what a guest's kernel asks of the monitor. A table of functions; what
 * one returns is the result, negative errno values where the arguments are wrong. */
#include "vmm-core/monitor/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm-core/monitor/say.h"

#define NAME_BYTES_MOST  256u
#define IMAGE_BYTES_MOST (UINT32_C(64) << 20)
#define REGIONS_MOST     256u
#define LINE_IPI         0u

typedef int32_t call(struct processor *processor, const uint32_t *a);

/* [address, + bytes) of the direct map to guest-physical; false: it is not all there. */
static bool direct(const struct vm *vm, uint32_t address, uint32_t bytes, uint32_t *physical)
{
    const uint64_t memory = (uint64_t)vm->options->pages * MIPS_PAGE_BYTES;
    *physical = address - ABI_DIRECT_MAP;
    return address >= ABI_DIRECT_MAP && *physical <= memory && bytes <= memory - *physical;
}

/* Ended by 0 within NAME_BYTES_MOST, and what terminals and tools can show. */
static bool read_name(const struct vm *vm, uint32_t address, char *name)
{
    uint32_t physical;
    for (uint32_t i = 0; i < NAME_BYTES_MOST; i++) {
        if (!direct(vm, address + i, 1, &physical) || !vm_read(vm, physical, name + i, 1))
            return false;
        if (!name[i])
            return i > 0;
        if ((unsigned char)name[i] < ' ' || name[i] == 0x7f)
            name[i] = '?';
    }
    return false;
}

static int32_t call_console(struct processor *processor, const uint32_t *a)
{
    struct vm *const vm = processor->vm;
    uint32_t physical;
    if (a[1] > INT32_MAX || !direct(vm, a[0], a[1], &physical))
        return -EFAULT;
    for (uint32_t done = 0; done < a[1];) {
        char text[1024];
        const uint32_t some = a[1] - done < sizeof text ? a[1] - done : (uint32_t)sizeof text;
        if (!vm_read(vm, physical + done, text, some))
            return -EFAULT;
        vm_write_console(vm, text, some);
        done += some;
    }
    return (int32_t)a[1];
}

static int32_t call_exit(struct processor *processor, const uint32_t *a)
{
    vm_exit(processor->vm, (int32_t)a[0]);
    return 0;
}

static int32_t call_zero_page(struct processor *processor, const uint32_t *a)
{
    if (a[0] >= processor->vm->options->pages)
        return -EINVAL;
    vm_zero(processor, a[0]);
    return 0;
}

static int32_t call_free_page(struct processor *processor, const uint32_t *a)
{
    const struct vm *const vm = processor->vm;
    if (a[0] >= vm->options->pages)
        return -EINVAL;
    if (physical_is_shared(vm->monitor->physical, vm_guest_page(vm, a[0])))
        return -EBUSY;
    vm_free_page(processor, a[0]);
    return 0;
}

static int32_t call_memory_pages(struct processor *processor, const uint32_t *a)
{
    (void)a;
    return (int32_t)processor->vm->options->pages;
}

static int32_t call_cpu_number(struct processor *processor, const uint32_t *a)
{
    (void)a;
    return (int32_t)processor->number;
}

static int32_t call_cpus(struct processor *processor, const uint32_t *a)
{
    (void)a;
    return (int32_t)processor->vm->options->vcpus;
}

static int32_t call_start_cpu(struct processor *processor, const uint32_t *a)
{
    struct vm *const vm = processor->vm;
    if (a[0] >= vm->options->vcpus)
        return -EINVAL;
    struct processor *const other = &vm->processor[a[0]];
    if (other->state != PROCESSOR_OFF)
        return -EBUSY;
    const uint32_t arguments[4] = {a[3], 0, 0, 0};
    vcpu_start(other->vcpu, a[1], a[2], arguments);
    schedule_start(other);
    return 0;
}

static int32_t call_interrupt_cpu(struct processor *processor, const uint32_t *a)
{
    struct vm *const vm = processor->vm;
    if (a[0] >= vm->options->vcpus)
        return -EINVAL;
    struct processor *const other = &vm->processor[a[0]];
    if (other->state == PROCESSOR_OFF)
        return -ESRCH;
    vcpu_interrupt(other->vcpu, LINE_IPI, true);
    if (other->state == PROCESSOR_WAITING && !vcpu_waits(other->vcpu))
        schedule_wake(other);
    return 0;
}

static int32_t call_interrupt_done(struct processor *processor, const uint32_t *a)
{
    (void)a;
    vcpu_interrupt(processor->vcpu, LINE_IPI, false);
    return 0;
}

static bool has_other_spaces(const struct vm *vm)
{
    for (uint32_t asid = 1; asid < ASIDS; asid++)
        if (vm->asid_space[asid] != MONITOR_NONE)
            return true;
    return false;
}

/* The first VM with a key gives its pages; the others, before they have spaces of their own, get
 * them. */
static int32_t call_shared_region(struct processor *processor, const uint32_t *a)
{
    struct vm *const vm = processor->vm;
    struct monitor *const monitor = vm->monitor;
    const uint32_t key = a[0], first = a[1], pages = a[2];
    if (!pages || first >= vm->options->pages || pages > vm->options->pages - first)
        return -EINVAL;
    for (uint32_t i = 0; i < pages; i++)
        if (physical_is_shared(monitor->physical, vm_guest_page(vm, first + i)))
            return -EBUSY;
    for (uint32_t i = 0; i < monitor->regions; i++) {
        const struct region *const region = &monitor->region[i];
        const bool own = region->vm == vm->index;
        if (own && first < region->first + region->pages && region->first < first + pages)
            return -EBUSY;
        if (region->key != key)
            continue;
        if (own)
            return -EEXIST;
        if (region->pages != pages)
            return -EINVAL;
        if (has_other_spaces(vm))
            return -EBUSY;
        vm_share_region(vm, region, first);
        return 0;
    }
    if (monitor->regions == REGIONS_MOST)
        return -ENOSPC;
    struct region *const more = reallocarray(monitor->region, monitor->regions + 1, sizeof *more);
    if (!more)
        return -ENOMEM;
    monitor->region = more;
    monitor->region[monitor->regions++] =
        (struct region){.key = key, .vm = vm->index, .first = first, .pages = pages};
    return 0;
}

static int32_t call_space(struct processor *processor, const uint32_t *a)
{
    struct vm *const vm = processor->vm;
    const struct monitor_listener *const listener = vm->monitor->options.listener;
    char name[NAME_BYTES_MOST];
    if (!a[0] || a[0] >= ASIDS)
        return -EINVAL;
    if (!read_name(vm, a[1], name))
        return -EFAULT;
    uint8_t *image = NULL;
    if (a[2] && listener && listener->space) {
        uint32_t physical;
        if (a[3] > IMAGE_BYTES_MOST)
            return -EINVAL;
        if (!direct(vm, a[2], a[3], &physical))
            return -EFAULT;
        image = malloc((size_t)a[3] + 1);
        if (!image)
            return -ENOMEM;
        if (!vm_read(vm, physical, image, a[3])) {
            free(image);
            return -EFAULT;
        }
    }
    vm_new_space(vm, a[0], name, image, image ? a[3] : 0);
    free(image);
    return 0;
}

static int32_t call_forget_space(struct processor *processor, const uint32_t *a)
{
    const struct vm *const vm = processor->vm;
    if (a[0] >= ASIDS)
        return -EINVAL;
    for (uint32_t i = 0; i < vm->options->vcpus; i++)
        vcpu_forget_space(vm->processor[i].vcpu, a[0]);
    return 0;
}

static int32_t call_region(struct processor *processor, const uint32_t *a)
{
    const struct vm *const vm = processor->vm;
    char name[NAME_BYTES_MOST];
    if (a[0] >= ASIDS || vm->asid_space[a[0]] == MONITOR_NONE || !a[2])
        return -EINVAL;
    if (!read_name(vm, a[3], name))
        return -EFAULT;
    stream_region(vm->monitor, &(struct monitor_region){.space = vm->asid_space[a[0]],
                                                        .start = a[1],
                                                        .end = (uint64_t)a[1] + a[2],
                                                        .name = name});
    return 0;
}

static int32_t call_exit_space(struct processor *processor, const uint32_t *a)
{
    if (!a[0] || a[0] >= ASIDS)
        return -EINVAL;
    vm_end_space(processor->vm, a[0]);
    return 0;
}

static int32_t call_mark(struct processor *processor, const uint32_t *a)
{
    stream_mark(processor->vm->monitor, processor->vm->index, a[0]);
    return 0;
}

static call *const calls[ABI_CALL_COUNT] = {
    [ABI_CONSOLE] = call_console,
    [ABI_EXIT] = call_exit,
    [ABI_ZERO_PAGE] = call_zero_page,
    [ABI_FREE_PAGE] = call_free_page,
    [ABI_MEMORY_PAGES] = call_memory_pages,
    [ABI_CPU_NUMBER] = call_cpu_number,
    [ABI_CPUS] = call_cpus,
    [ABI_START_CPU] = call_start_cpu,
    [ABI_INTERRUPT_CPU] = call_interrupt_cpu,
    [ABI_INTERRUPT_DONE] = call_interrupt_done,
    [ABI_SHARED_REGION] = call_shared_region,
    [ABI_SPACE] = call_space,
    [ABI_FORGET_SPACE] = call_forget_space,
    [ABI_REGION] = call_region,
    [ABI_EXIT_SPACE] = call_exit_space,
    [ABI_MARK] = call_mark,
};

void call_handle(struct processor *processor)
{
    const uint32_t number = vcpu_call(processor->vcpu);
    if (number >= ABI_CALL_COUNT) {
        char text[64];
        (void)snprintf(text, sizeof text, "there is no monitor call %u", (unsigned)number);
        monitor_guest_failed(processor, text);
        return;
    }
    uint32_t a[4];
    memcpy(a, vcpu_registers(processor->vcpu) + 4, sizeof a);
    const int32_t result = calls[number](processor, a);
    if (processor->state != PROCESSOR_OFF)
        vcpu_registers(processor->vcpu)[2] = (uint32_t)result;
}
