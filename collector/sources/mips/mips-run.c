#include "collector/sources/mips/mips-run.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "collector/sources/mips/mips-console.h"
#include "collector/sources/mips/mips-guests.h"
#include "collector/sources/mips/mips-live.h"
#include "replayer/report/interrupt.h"
#include "replayer/report/say.h"

#define PAGE_BYTES 4096u

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* Everything that a run has opened; freed together. */
struct run {
    const struct mips_run_options *options;
    struct machine *machine;
    uint32_t vms;
    struct monitor_vm *vm;  /* [vms]; path and argv are from malloc */
    const char **name;      /* [guests] as words of the options */
    struct mips_live *live; /* NULL: no policy */
    struct mips_console *console;
    struct mips_trace *trace;
    struct monitor *monitor;
};

static void run_free(struct run *run)
{
    monitor_free(run->monitor);
    mips_live_free(run->live);
    mips_console_free(run->console);
    for (uint32_t i = 0; run->vm != NULL && i < run->vms; i++) {
        free((char *)run->vm[i].path);
        free((void *)run->vm[i].argv);
    }
    free(run->vm);
    free((void *)run->name);
    machine_free(run->machine);
}

static uint64_t instructions(void *context)
{
    const struct run *run = context;
    return run->monitor == NULL ? 0 : monitor_counts(run->monitor).instructions;
}

static char *load_machine(struct run *run)
{
    char *error = machine_load(run->options->machine, &run->machine);
    if (error == NULL && run->machine->page_bytes != PAGE_BYTES)
        error = say("machine %s has pages of %" PRIu32
                    " bytes, and a MIPS guest's have %u; say page_size 4096 in its JSON",
                    run->machine->name, run->machine->page_bytes, PAGE_BYTES);
    return error;
}

/* What the options leave open: memory that the machine has, vCPUs for all of
 * its CPUs. */
static void choose_sizes(const struct run *run, uint32_t *vcpus, uint64_t *memory_bytes)
{
    uint64_t all_bytes = 0;
    for (uint32_t i = 0; i < run->machine->nodes; i++)
        all_bytes += run->machine->node[i].memory_bytes;
    const uint64_t share = all_bytes / run->vms / 8 * 7; /* an eighth stays for replicas */
    const uint32_t cpus = run->machine->cpus / run->vms;
    *memory_bytes = run->options->memory_bytes;
    if (*memory_bytes == 0)
        *memory_bytes = share < MIPS_MEMORY ? share : MIPS_MEMORY;
    *vcpus = run->options->vcpus;
    if (*vcpus == 0)
        *vcpus = cpus == 0 ? 1 : cpus < MIPS_VCPUS ? cpus : MIPS_VCPUS;
}

static char *choose_guest(const struct mips_guest *guest, struct monitor_vm *vm)
{
    char *path;
    char *error = mips_guest_file(guest->word, &path);
    vm->path = path;
    if (error != NULL)
        return error;
    const char **argv = calloc((size_t)guest->argc + 1, sizeof *argv);
    vm->argv = argv;
    if (argv == NULL)
        return say_no_memory();
    argv[0] = guest->word;
    for (uint32_t i = 0; i < guest->argc; i++)
        argv[i + 1] = guest->argv[i];
    vm->argc = guest->argc + 1;
    return NULL;
}

static char *choose_vms(struct run *run)
{
    const struct mips_run_options *options = run->options;
    uint32_t vcpus;
    uint64_t memory_bytes;
    choose_sizes(run, &vcpus, &memory_bytes);
    run->vm = calloc(run->vms, sizeof *run->vm);
    run->name = calloc(options->guests, sizeof *run->name);
    if (run->vm == NULL || run->name == NULL)
        return say_no_memory();
    char *error = NULL;
    for (uint32_t i = 0; error == NULL && i < run->vms; i++) {
        run->vm[i].pages = (uint32_t)(memory_bytes / PAGE_BYTES);
        run->vm[i].vcpus = vcpus;
        error = choose_guest(&options->guest[i % options->guests], &run->vm[i]);
    }
    for (uint32_t i = 0; i < options->guests; i++)
        run->name[i] = options->guest[i].word;
    return error;
}

static struct monitor_options monitor_options_of(const struct run *run)
{
    const struct mips_run_options *options = run->options;
    return (struct monitor_options){
        .machine = run->machine,
        .vm = run->vm,
        .vms = run->vms,
        .quantum = options->quantum,
        .instructions = options->limit,
        .seed = options->seed,
        .hal = options->hal,
        .patch = options->patch,
        .no_fetches = options->no_fetches,
        .memory = mips_live_memory(run->live),
        .context = run->console,
        .console = mips_console_write,
    };
}

/* A monitor that nobody hears and that does not run: what is refused then makes no trace, and replaces
 * none. */
static char *try_guests(const struct run *run)
{
    const struct monitor_options options = monitor_options_of(run);
    struct monitor *monitor = NULL;
    char *error = monitor_new(&options, &monitor);
    monitor_free(monitor);
    return error;
}

static char *open_all(struct run *run)
{
    const struct mips_run_options *options = run->options;
    const struct mips_trace_options trace = {.path = options->output,
                                             .command = options->command,
                                             .replace = options->replace,
                                             .machine = run->machine,
                                             .guest = run->name,
                                             .guests = options->guests,
                                             .vm = run->vm,
                                             .start = options->start,
                                             .end = options->end,
                                             .filter = options->filter,
                                             .instructions = instructions,
                                             .context = run};
    run->console = mips_console_new(options->json ? stderr : stdout, run->vms);
    if (run->console == NULL)
        return say_no_memory();
    char *error = try_guests(run);
    if (error == NULL)
        error = mips_trace_open(&trace, &run->trace);
    if (error != NULL)
        return error;
    struct monitor_options monitor = monitor_options_of(run);
    monitor.listener = mips_trace_listener(run->trace);
    return monitor_new(&monitor, &run->monitor);
}

static char *note(struct run *run, const char *key, uint64_t value)
{
    char *text = say("%" PRIu64, value);
    char *error = trace_writer_note(mips_trace_writer(run->trace), key, text);
    free(text);
    return error;
}

/* What repeats the run, and what it was. */
static char *put_notes(struct run *run)
{
    const struct mips_run_options *options = run->options;
    const struct monitor_counts counts = monitor_counts(run->monitor);
    const struct {
        const char *key;
        uint64_t value;
    } number[] = {
        {"vms", run->vms},
        {"vcpus", run->vm[0].vcpus},
        {"memory_pages", run->vm[0].pages},
        {"quantum", options->quantum == 0 ? MONITOR_QUANTUM : options->quantum},
        {"seed", options->seed},
        {"hal", options->hal},
        {"patch", options->patch},
        {"fetches", !options->no_fetches},
        {"instructions", counts.instructions},
        {"idle_instructions", counts.idle_instructions},
    };
    struct trace_writer *writer = mips_trace_writer(run->trace);
    char *error = trace_writer_note(writer, "machine", run->machine->name);
    for (size_t i = 0; error == NULL && i < sizeof number / sizeof *number; i++)
        error = note(run, number[i].key, number[i].value);
    for (uint32_t i = 0; error == NULL && i < run->vms; i++) {
        const struct monitor_vm_state vm = monitor_vm_state(run->monitor, i);
        char *key = say("vm%" PRIu32 ".status", i);
        char *text = vm.exited ? say("%" PRId32, vm.status) : say("still running");
        error = trace_writer_note(writer, key, text);
        free(key);
        free(text);
    }
    return error;
}

static void complain(const char *error)
{
    (void)fprintf(stderr, "disco-record: %s\n", error);
}

/* True: a guest has ended with another status than 0. */
static bool guests_failed(const struct run *run)
{
    bool failed = false;
    for (uint32_t i = 0; i < run->vms; i++) {
        const struct monitor_vm_state vm = monitor_vm_state(run->monitor, i);
        if (!vm.exited || vm.status == 0)
            continue;
        (void)fprintf(stderr,
                      "disco-record: vm%" PRIu32 " (%s): exited with status %" PRId32
                      "; what it wrote says why\n",
                      i, run->name[i % run->options->guests], vm.status);
        failed = true;
    }
    return failed;
}

static void tell(const struct run *run, uint64_t references)
{
    const struct monitor_counts counts = monitor_counts(run->monitor);
    (void)fprintf(stderr,
                  "disco-record: %" PRIu64 " references of %" PRIu64 " instructions on %" PRIu32
                  " vCPUs, in %s\n",
                  references, counts.instructions, run->vms * run->vm[0].vcpus,
                  run->options->output);
}

/* After the run: what its end means. */
static char *judge(struct run *run, char *error)
{
    const bool wanted = mips_trace_is_over(run->trace) || mips_trace_is_stopped(run->trace);
    if (error != NULL && wanted) {
        free(error);
        error = NULL;
    }
    if (error == NULL && !mips_trace_is_stopped(run->trace) && !mips_trace_has_begun(run->trace))
        error = say("%s: the run ended before the part that --start-at names; the trace has no "
                    "references",
                    run->options->output);
    return error;
}

/* Closes the trace, also after an error, and keeps the first. */
static char *close_trace(struct run *run, char *error)
{
    if (run->trace == NULL)
        return error;
    if (error == NULL && run->monitor != NULL)
        error = put_notes(run);
    char *also = mips_trace_close(run->trace, error == NULL);
    run->trace = NULL;
    if (error == NULL)
        return also;
    free(also);
    return error;
}

static char *record(struct run *run, bool *stopped)
{
    char *error = load_machine(run);
    if (error == NULL)
        error = choose_vms(run);
    if (error == NULL)
        error = open_all(run);
    if (error == NULL)
        error = judge(run, monitor_run(run->monitor));
    const uint64_t references = run->trace == NULL ? 0 : mips_trace_references(run->trace);
    *stopped = run->trace != NULL && mips_trace_is_stopped(run->trace);
    error = close_trace(run, error);
    mips_console_free(run->console);
    run->console = NULL;
    if (error == NULL)
        tell(run, references);
    return error;
}

int mips_source_run(const struct mips_run_options *options)
{
    struct run run = {.options = options, .vms = options->vms};
    bool stopped = false;
    int code = EXIT_FAILED;
    interrupt_hold();
    char *error = NULL;
    if (options->policy != NULL &&
        (error = mips_live_new(options->policy, options->seed, &run.live)) != NULL)
        code = EXIT_USAGE;
    if (error == NULL)
        error = record(&run, &stopped);
    if (error == NULL && run.live != NULL && stopped)
        error = say("stopped by a signal; %s holds what came before, and no "
                    "results were stored",
                    options->output);
    if (error == NULL && (run.live != NULL || options->json))
        error = mips_live_report(run.live, monitor_memory(run.monitor), run.machine, options->seed,
                                 options->output, options->json);
    if (error == NULL && ferror(stdout) != 0)
        error = say("standard output: what the guests wrote could not be written; make room, or "
                    "read it to its end; %s is whole",
                    options->output);
    if (error != NULL)
        complain(error);
    else if (!guests_failed(&run))
        code = EXIT_SUCCESS;
    if (error != NULL && run.monitor != NULL && monitor_registers(run.monitor) != NULL)
        (void)fputs(monitor_registers(run.monitor), stderr);
    free(error);
    run_free(&run);
    return code;
}
