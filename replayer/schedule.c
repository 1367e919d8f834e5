#include "replayer/schedule.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "replayer/schedule_file.h"

uint32_t schedule_cpu(const struct machine *machine, uint64_t os_id)
{
    if (os_id < machine->cpus && machine->cpu_os_id[os_id] == os_id)
        return (uint32_t)os_id;
    for (uint32_t cpu = 0; cpu < machine->cpus; cpu++)
        if (machine->cpu_os_id[cpu] == os_id)
            return cpu;
    return SCHEDULE_NO_CPU;
}

/* What keeps a trace from being replayed as recorded. */
struct misfits {
    const struct machine *machine;
    uint64_t
        *cpu; /* [streams] recorded CPU of each while the trace goes by; UINT64_MAX: not known */
    uint32_t streams;
    uint64_t unknown_refs;   /* references of streams that no CPU is known for */
    uint64_t off_refs;       /* references on CPUs that the machine has not */
    uint32_t unknown_stream; /* the first of each */
    uint64_t off_cpu;
};

static void count_refs(struct misfits *misfits, uint32_t stream, uint64_t refs)
{
    uint64_t cpu = stream < misfits->streams ? misfits->cpu[stream] : UINT64_MAX;
    if (cpu == UINT64_MAX) {
        if (misfits->unknown_refs == 0)
            misfits->unknown_stream = stream;
        misfits->unknown_refs += refs;
    } else if (schedule_cpu(misfits->machine, cpu) == SCHEDULE_NO_CPU) {
        if (misfits->off_refs == 0)
            misfits->off_cpu = cpu;
        misfits->off_refs += refs;
    }
}

static void count_block(struct misfits *misfits, const struct ref_block *block)
{
    uint32_t at = 0, run = 0;
    for (uint32_t e = 0; e <= block->events; e++) {
        uint32_t until = e < block->events ? block->event[e].position : block->refs;
        while (at < until) {
            while (run + 1 < block->runs && block->run[run + 1].first <= at)
                run++;
            uint32_t stop = run + 1 < block->runs ? block->run[run + 1].first : until;
            if (stop > until)
                stop = until;
            count_refs(misfits, block->run[run].stream, stop - at);
            at = stop;
        }
        if (e < block->events && block->event[e].type == EVENT_DISPATCH &&
            block->event[e].stream < misfits->streams)
            misfits->cpu[block->event[e].stream] = block->event[e].args[0];
    }
}

static char *count_misfits(struct trace_reader *reader, bool first_is_enough,
                           struct misfits *misfits)
{
    struct ref_block *block = ref_block_new(0);
    if (block == NULL)
        return say_no_memory();
    bool end = false;
    char *error = NULL;
    while ((error = trace_reader_next(reader, block, &end)) == NULL && !end) {
        count_block(misfits, block);
        if (first_is_enough && (misfits->unknown_refs > 0 || misfits->off_refs > 0))
            break;
    }
    ref_block_free(block);
    return error;
}

/* Most traces can be judged by their streams alone. */
static char *find_misfits(const char *trace_path, const struct machine *machine,
                          bool first_is_enough, struct misfits *misfits)
{
    struct trace_reader *reader = NULL;
    char *error = trace_reader_open(trace_path, &reader);
    if (error != NULL)
        return error;
    const struct trace_summary *summary = trace_reader_summary(reader);
    uint64_t *recorded = calloc((size_t)summary->streams + 1, sizeof *recorded);
    if (recorded == NULL) {
        trace_reader_close(reader);
        return say_no_memory();
    }
    *misfits = (struct misfits){.machine = machine, .cpu = recorded, .streams = summary->streams};
    uint32_t known = 0, fit = 0;
    for (uint32_t i = 0; i < summary->streams; i++) {
        int32_t cpu = trace_reader_stream(reader, i)->cpu;
        recorded[i] = cpu < 0 ? UINT64_MAX : (uint64_t)cpu;
        known += cpu >= 0;
        fit += cpu >= 0 && schedule_cpu(machine, (uint64_t)cpu) != SCHEDULE_NO_CPU;
    }
    if (known == 0 && summary->events == 0)
        misfits->unknown_refs = summary->refs;
    else if (fit < summary->streams || summary->events > 0)
        error = count_misfits(reader, first_is_enough, misfits);
    misfits->cpu = NULL;
    free(recorded);
    trace_reader_close(reader);
    return error;
}

struct cpu_place {
    uint32_t major, minor, cpu;
};

static int by_place(const void *a, const void *b)
{
    const struct cpu_place *one = a, *other = b;
    if (one->major != other->major)
        return one->major < other->major ? -1 : 1;
    return one->minor < other->minor ? -1 : one->minor > other->minor;
}

/* CPUs node after node (compact), or every node's first CPU, then every node's second (scatter). */
static char *order_cpus(struct schedule *schedule)
{
    const struct machine *machine = schedule->machine;
    struct cpu_place *place = calloc((size_t)machine->cpus + 1, sizeof *place);
    schedule->order = calloc((size_t)machine->cpus + 1, sizeof *schedule->order);
    if (place == NULL || schedule->order == NULL) {
        free(place);
        return say_no_memory();
    }
    uint32_t of_node[MACHINE_NODES_MAX] = {0};
    for (uint32_t cpu = 0; cpu < machine->cpus; cpu++) {
        uint32_t node = machine->cpu_node[cpu], rank = of_node[node]++;
        bool compact = schedule->kind == SCHEDULE_COMPACT;
        place[cpu] = (struct cpu_place){compact ? node : rank, compact ? rank : node, cpu};
    }
    qsort(place, machine->cpus, sizeof *place, by_place);
    for (uint32_t i = 0; i < machine->cpus; i++)
        schedule->order[i] = place[i].cpu;
    free(place);
    return NULL;
}

static char *start_cpus(struct schedule *schedule, const char *trace_path)
{
    struct trace_reader *reader = NULL;
    char *error = trace_reader_open(trace_path, &reader);
    if (error != NULL)
        return error;
    schedule->streams = trace_reader_summary(reader)->streams;
    schedule->cpu = calloc((size_t)schedule->streams + 1, sizeof *schedule->cpu);
    if (schedule->cpu == NULL)
        error = say_no_memory();
    else if (schedule->kind == SCHEDULE_FILE)
        error = schedule_file_read(schedule->name, reader, schedule->machine, schedule->cpu);
    else
        for (uint32_t i = 0; i < schedule->streams; i++) {
            int32_t cpu = trace_reader_stream(reader, i)->cpu;
            schedule->cpu[i] = schedule->kind == SCHEDULE_RECORDED && cpu >= 0
                                   ? schedule_cpu(schedule->machine, (uint64_t)cpu)
                                   : SCHEDULE_NO_CPU;
        }
    trace_reader_close(reader);
    return error;
}

static char *refuse(const char *trace_path, const struct machine *machine,
                    const struct misfits *misfits)
{
    if (misfits->off_refs > 0)
        return say("%s: %" PRIu64 " references were recorded on CPUs that machine %s does not have "
                   "(CPU %" PRIu64 " first); use --schedule compact, or a machine with that CPU",
                   trace_path, misfits->off_refs, machine->name, misfits->off_cpu);
    return say("%s: %" PRIu64
               " references are of streams whose CPU was not recorded (stream %" PRIu32
               " first); use --schedule compact",
               trace_path, misfits->unknown_refs, misfits->unknown_stream);
}

/* Without the option. */
static char *choose(struct schedule *schedule, const char *trace_path)
{
    struct misfits misfits = {0};
    char *error = find_misfits(trace_path, schedule->machine, true, &misfits);
    if (error != NULL)
        return error;
    schedule->kind = SCHEDULE_COMPACT;
    if (misfits.off_refs > 0) {
        schedule->reason =
            say("the machine does not have CPU %" PRIu64 " of the recording", misfits.off_cpu);
    } else if (misfits.unknown_refs > 0) {
        schedule->reason = say("the trace does not tell the CPU of every reference");
    } else {
        schedule->kind = SCHEDULE_RECORDED;
        schedule->reason = say("the machine has every CPU of the recording");
    }
    return NULL;
}

static char *make(const char *words, const char *trace_path, struct schedule *schedule)
{
    static const char *const name[] = {[SCHEDULE_RECORDED] = "recorded",
                                       [SCHEDULE_COMPACT] = "compact",
                                       [SCHEDULE_SCATTER] = "scatter"};
    char *error = NULL;
    schedule->kind = SCHEDULE_FILE;
    if (words == NULL)
        error = choose(schedule, trace_path);
    for (unsigned kind = 0; words != NULL && kind < SCHEDULE_FILE; kind++)
        if (strcmp(words, name[kind]) == 0)
            schedule->kind = (enum schedule_kind)kind;
    if (error == NULL && words != NULL && schedule->kind == SCHEDULE_RECORDED) {
        struct misfits misfits = {0};
        error = find_misfits(trace_path, schedule->machine, false, &misfits);
        if (error == NULL && (misfits.off_refs > 0 || misfits.unknown_refs > 0))
            error = refuse(trace_path, schedule->machine, &misfits);
    }
    if (error != NULL)
        return error;
    schedule->name = say("%s", schedule->kind == SCHEDULE_FILE ? words : name[schedule->kind]);
    schedule->cpus = schedule->machine->cpus;
    error = start_cpus(schedule, trace_path);
    return error == NULL ? order_cpus(schedule) : error;
}

char *schedule_make(const char *words, const char *trace_path, const struct machine *machine,
                    struct schedule **out)
{
    *out = NULL;
    struct schedule *schedule = calloc(1, sizeof *schedule);
    if (schedule == NULL)
        return say_no_memory();
    schedule->machine = machine;
    char *error = make(words, trace_path, schedule);
    if (error != NULL)
        schedule_free(schedule);
    else
        *out = schedule;
    return error;
}

void schedule_free(struct schedule *schedule)
{
    if (schedule == NULL)
        return;
    free(schedule->name);
    free(schedule->reason);
    free(schedule->cpu);
    free(schedule->order);
    free(schedule);
}
