/* How a guest comes into its virtual machine: kernel and arguments, by one DMA for each run of
 * pages. */
#include "vmm-core/monitor/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm-core/monitor/load.h"
#include "vmm-core/monitor/say.h"

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
    out->argv = (uint32_t)DIRECT_ADDRESS(out->first);
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
