#include "vmm-core/monitor/monitor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm-core/monitor/internal.h"
#include "vmm-core/monitor/say.h"

#define PS_PER_NS 1000u

void monitor_fail(struct monitor *monitor, char *error)
{
    if (monitor->failure)
        free(error);
    else
        monitor->failure = error;
}

void monitor_guest_failed(struct processor *processor, const char *what)
{
    struct monitor *const monitor = processor->vm->monitor;
    if (monitor->failure)
        return;
    free(monitor->registers);
    monitor->registers = vcpu_describe(processor->vcpu);
    monitor_fail(monitor, monitor_say("%s: %s.cpu%u: %s", processor->vm->options->path,
                                      processor->vm->name, (unsigned)processor->number, what));
}

/* ---- what can be refused --------------------------------------------------------------------- */

static char *check_vm(const struct monitor_vm *vm, unsigned number)
{
    if (!vm->path)
        return monitor_say("vm%u has no name", number);
    if (!vm->pages || vm->pages > MONITOR_VM_PAGES_MAX)
        return monitor_say("vm%u: %" PRIu32 " pages of memory; a VM has 1 to %u (256 MiB)", number,
                           vm->pages, MONITOR_VM_PAGES_MAX);
    if (!vm->vcpus || vm->vcpus > MONITOR_VCPUS_MAX)
        return monitor_say("vm%u: %" PRIu32 " vCPUs; a VM has 1 to %u", number, vm->vcpus,
                           MONITOR_VCPUS_MAX);
    return NULL;
}

static char *check_memory(const struct monitor_options *options)
{
    const struct machine *const machine = options->machine;
    uint64_t pages = 0, frames = 0;
    for (uint32_t v = 0; v < options->vms; v++)
        pages += options->vm[v].pages;
    for (uint32_t node = 0; node < machine->nodes; node++)
        frames += machine->node[node].memory_bytes / machine->page_bytes;
    if (frames > MIPS_FRAMES_MAX)
        frames = MIPS_FRAMES_MAX;
    if (pages > frames)
        return monitor_say("the virtual machines need %" PRIu64
                           " KiB of memory together, and %s has %" PRIu64
                           " KiB; give them less, or take a machine with more",
                           pages * (MIPS_PAGE_BYTES / 1024), machine->name,
                           frames * (MIPS_PAGE_BYTES / 1024));
    return NULL;
}

static char *check(const struct monitor_options *options)
{
    const uint64_t quantum = options->quantum;
    if (options->machine->page_bytes != MIPS_PAGE_BYTES)
        return monitor_say("machine %s has pages of %" PRIu32 " bytes; guests run on pages of %u",
                           options->machine->name, options->machine->page_bytes, MIPS_PAGE_BYTES);
    if (!options->vms || options->vms > MONITOR_VMS_MAX)
        return monitor_say("%" PRIu32 " virtual machines; there can be 1 to %u", options->vms,
                           MONITOR_VMS_MAX);
    if (quantum && (quantum < MONITOR_QUANTUM_LEAST || quantum > MONITOR_QUANTUM_MOST))
        return monitor_say("a quantum of %" PRIu64 " instructions; it can be %u to %u", quantum,
                           MONITOR_QUANTUM_LEAST, MONITOR_QUANTUM_MOST);
    if (options->patch && !options->hal)
        return monitor_say("patching needs the page of registers (hal)");
    if (options->memory && (options->memory->huge_ranges || options->memory->gigantic_ranges))
        return monitor_say(
            "pages of 2 MiB and 1 GiB are not for guests that run; replay their trace with them");
    char *error = NULL;
    for (uint32_t v = 0; v < options->vms && !error; v++)
        error = check_vm(&options->vm[v], v);
    return error ? error : check_memory(options);
}

/* ---- making it ------------------------------------------------------------------------------- */

static char *make_memory(struct monitor *monitor)
{
    if (!monitor->options.memory)
        return NULL;
    struct memory_options options = *monitor->options.memory;
    options.machine = monitor->machine;
    options.guest = NULL;
    options.has_fetches = !monitor->options.no_fetches;
    options.guest_refills = true;
    options.frames = physical_hooks(monitor->physical);
    char *const error = memory_new(&options, &monitor->memory);
    physical_placed_by(monitor->physical, monitor->memory);
    return error;
}

static char *make_seats(struct monitor *monitor)
{
    const struct monitor_options *const options = &monitor->options;
    const uint32_t cpus = monitor->machine->cpus;
    const size_t room = 2 * (size_t)monitor->quantum + 4096;
    monitor->seat = calloc(cpus, sizeof *monitor->seat);
    monitor->ram.cpu = calloc(cpus, sizeof(struct mips_cpu *));
    if (options->memory || (options->listener && options->listener->references)) {
        monitor->list = malloc(room * sizeof *monitor->list);
        monitor->addr = malloc((size_t)(STREAM_ROOM + EXPAND_SLACK) * sizeof *monitor->addr);
        monitor->what = malloc(STREAM_ROOM + EXPAND_SLACK);
        if (!monitor->list || !monitor->addr || !monitor->what)
            return monitor_no_memory();
    }
    if (!monitor->seat || !monitor->ram.cpu)
        return monitor_no_memory();
    for (uint32_t cpu = 0; cpu < cpus; cpu++) {
        const struct mips_model model = {.stop_on_exception = true, .seed = options->seed + cpu};
        struct seat *const seat = &monitor->seat[cpu];
        seat->cpu = mips_cpu_new(monitor->ram.memory, &model, cpu % 1024);
        if (!seat->cpu)
            return monitor_no_memory();
        monitor->ram.cpu[monitor->ram.cpus++] = seat->cpu;
        if (monitor->list)
            (void)mips_record(seat->cpu, monitor->list, room);
        seat->expand.fetches = !options->no_fetches;
        seat->expand.hidden = options->hal ? ABI_HAL_PAGE / MIPS_PAGE_BYTES : EXPAND_ALL;
    }
    return NULL;
}

static char *make_processor(struct vm *vm, uint32_t number, uint32_t *cpu)
{
    struct monitor *const monitor = vm->monitor;
    const struct monitor_options *const options = &monitor->options;
    struct processor *const processor = &vm->processor[number];
    const struct ram *const ram = &monitor->ram;
    *processor = (struct processor){
        .vm = vm,
        .number = number,
        .stream = monitor->streams,
        .space = vm->space,
        .cpu = *cpu,
        .dispatched = MONITOR_NONE,
    };
    *cpu = (*cpu + 1) % monitor->machine->cpus;
    struct vcpu_owner owner = vm_vcpu_owner;
    owner.context = processor;
    struct vcpu_options made = {
        .number = number,
        .pages = vm->options->pages,
        .seed = options->seed + processor->stream + 1,
        .second_level_entries = monitor->machine->l2tlb.entries,
        .second_level_ways = monitor->machine->l2tlb.ways,
        .patch = options->patch,
    };
    if (options->hal) {
        made.hal_frame = ram->limit - ram->extra + processor->stream;
        made.hal = (uint32_t *)(void *)ram_bytes(ram, made.hal_frame);
    }
    processor->vcpu = vcpu_new(&made, &owner);
    if (!processor->vcpu)
        return monitor_no_memory();
    monitor->processor[monitor->streams++] = processor;
    return NULL;
}

static char *make_vms(struct monitor *monitor)
{
    const struct monitor_options *const options = &monitor->options;
    uint32_t cpu = 0, first_page = 0, vcpus = 0;
    char *error = NULL;
    for (uint32_t v = 0; v < options->vms; v++)
        vcpus += options->vm[v].vcpus;
    monitor->vm = calloc((size_t)options->vms + 1, sizeof *monitor->vm);
    monitor->processor = calloc((size_t)vcpus + 1, sizeof(struct processor *));
    if (!monitor->vm || !monitor->processor)
        return monitor_no_memory();
    for (uint32_t v = 0; v < options->vms && !error; v++) {
        struct vm *const vm = &monitor->vm[v];
        vm->monitor = monitor;
        vm->index = v;
        vm->options = &options->vm[v];
        vm->first_page = first_page;
        first_page += vm->options->pages;
        vm->space = monitor->spaces++;
        for (uint32_t asid = 0; asid < ASIDS; asid++)
            vm->asid_space[asid] = asid ? MONITOR_NONE : vm->space;
        (void)snprintf(vm->name, sizeof vm->name, "vm%u", (unsigned)v);
        vm->processor = calloc((size_t)vm->options->vcpus + 1, sizeof *vm->processor);
        if (!vm->processor)
            return monitor_no_memory();
        for (uint32_t i = 0; i < vm->options->vcpus && !error; i++)
            error = make_processor(vm, i, &cpu);
    }
    return error;
}

static char *make(struct monitor *monitor)
{
    const struct monitor_options *const options = &monitor->options;
    const struct machine *const machine = monitor->machine;
    uint32_t vcpus = 0, pages = 0;
    for (uint32_t v = 0; v < options->vms; v++) {
        vcpus += options->vm[v].vcpus;
        pages += options->vm[v].pages;
    }
    char *error = ram_init(&monitor->ram, machine, pages, options->hal ? vcpus : 0);
    monitor->ram.moves = options->memory != NULL;
    if (!error)
        error = physical_new(&(struct physical_options){.machine = machine,
                                                        .ram = &monitor->ram,
                                                        .guest_pages = pages,
                                                        .skip_shootdown = options->skip_shootdown},
                             &monitor->physical);
    if (!error)
        error = make_memory(monitor);
    if (!error)
        error = make_seats(monitor);
    if (!error)
        error = make_vms(monitor);
    for (uint32_t v = 0; v < options->vms && !error; v++) {
        error = vm_load(&monitor->vm[v]);
        if (!error) {
            error = monitor->failure;
            monitor->failure = NULL;
        }
    }
    return error;
}

char *monitor_new(const struct monitor_options *options, struct monitor **out)
{
    *out = NULL;
    char *error = check(options);
    if (error)
        return error;
    struct monitor *const monitor = calloc(1, sizeof *monitor);
    *out = monitor;
    if (!monitor)
        return monitor_no_memory();
    const uint64_t slice_ns = options->slice_ns ? options->slice_ns : MONITOR_SLICE_NS;
    const uint64_t fetch_ps = options->machine->costs.fetch_ps;
    monitor->options = *options;
    monitor->machine = options->machine;
    monitor->quantum = options->quantum ? options->quantum : MONITOR_QUANTUM;
    if (__builtin_mul_overflow(slice_ns, PS_PER_NS, &monitor->slice))
        monitor->slice = UINT64_MAX;
    monitor->slice /= fetch_ps ? fetch_ps : 1;
    if (monitor->slice < monitor->quantum)
        monitor->slice = monitor->quantum;
    return make(monitor);
}

void monitor_free(struct monitor *monitor)
{
    if (!monitor)
        return;
    for (uint32_t v = 0; monitor->vm && v < monitor->options.vms; v++) {
        struct vm *const vm = &monitor->vm[v];
        for (uint32_t i = 0; vm->processor && i < vm->options->vcpus; i++)
            vcpu_free(vm->processor[i].vcpu);
        free(vm->processor);
        free(vm->console);
    }
    for (uint32_t cpu = 0; cpu < monitor->ram.cpus; cpu++)
        mips_cpu_free(monitor->ram.cpu[cpu]);
    memory_free(monitor->memory);
    physical_free(monitor->physical);
    ram_done(&monitor->ram);
    free(monitor->ram.cpu);
    free(monitor->seat);
    free(monitor->vm);
    free(monitor->processor);
    free(monitor->region);
    free(monitor->list);
    free(monitor->addr);
    free(monitor->what);
    free(monitor->failure);
    free(monitor->registers);
    free(monitor);
}

/* ---- a run ----------------------------------------------------------------------------------- */

char *monitor_run(struct monitor *monitor)
{
    schedule_run(monitor);
    if (monitor->memory && !monitor->failure)
        memory_finish(monitor->memory);
    char *const failure = monitor->failure;
    monitor->failure = NULL;
    return failure;
}

const char *monitor_registers(const struct monitor *monitor)
{
    return monitor->registers;
}

const struct memory *monitor_memory(const struct monitor *monitor)
{
    return monitor->memory;
}

struct monitor_vm_state monitor_vm_state(const struct monitor *monitor, uint32_t vm)
{
    const struct vm *const it = &monitor->vm[vm];
    return (struct monitor_vm_state){
        .exited = it->exited,
        .status = it->status,
        .instructions = it->instructions,
        .console = it->console ? it->console : "",
        .console_bytes = it->console_bytes,
    };
}

struct monitor_counts monitor_counts(const struct monitor *monitor)
{
    struct monitor_counts counts = monitor->counts;
    const struct physical_counts pages = physical_counts(monitor->physical);
    counts.pages_touched = pages.touched;
    counts.early_collapses = pages.early_collapses;
    counts.shootdowns_skipped = pages.shootdowns_skipped;
    return counts;
}
