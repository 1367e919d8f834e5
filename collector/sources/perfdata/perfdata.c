/* perf.data files: samples that carry addresses.
 *
 * A reference is a sample of an event that has addresses (PEBS, IBS, page faults, ...), a load or
 * store that Arm SPE recorded, a page fault seen by its tracepoint, or a region that DAMON found in
 * use, which counts as many as it saw. The
 * kind is the data source's operation, or the fault's error code; where an event has no data source
 * its name tells ("mem-loads"), and else it is a touch. What a sample does not have is not guessed:
 * without a CPU there is none unless --cpu-map gives it, and nodes come from the file's own
 * NUMA_TOPOLOGY.
 */
#include "collector/sources/cpu-map.h"
#include "collector/sources/import.h"
#include "collector/sources/perfdata/perfdata-features.h"
#include "collector/sources/perfdata/perfdata-file.h"
#include "collector/sources/perfdata/perfdata-sample.h"
#include "collector/sources/perfdata/perfdata-threads.h"
#include "collector/sources/perfdata/perfdata-tracepoint.h"

#include <inttypes.h>
#include <stdlib.h>

#define RECORDS_PER_WATCH 65536u

/* error_code of x86's page faults (Linux 6.12 arch/x86/include/asm/trap_pf.h) */
#define FAULT_WRITE UINT64_C(0x02)
#define FAULT_FETCH UINT64_C(0x10)

struct counts {
    uint64_t without_address, zero_address, without_cpu, unknown_event, idle_regions, lost_records,
        lost_samples, throttled;
};

struct perfdata {
    struct import *import;
    struct cpu_map *cpus;
    struct perfdata_file *file;
    struct perfdata_threads *threads;
    struct perfdata_host host;
    struct perfdata_tracepoint tracepoint[TRACEPOINT_KINDS];
    struct trace_facts facts;
    struct counts counts;
    const char *no_address; /* name of an event whose samples had address 0 */
};

static void perfdata_format_close(void *parser)
{
    struct perfdata *perf = parser;
    perfdata_host_free(&perf->host);
    perfdata_threads_free(perf->threads);
    perfdata_close(perf->file);
    cpu_map_free(perf->cpus);
    free(perf);
}

static char *perfdata_format_open(struct import *import, void **parser)
{
    struct perfdata *perf = calloc(1, sizeof *perf);
    if (perf == NULL || (perf->threads = perfdata_threads_new()) == NULL) {
        free(perf);
        return import_error("%s: out of memory", import->file);
    }
    perf->import = import;
    char *error = cpu_map_new(import->options->cpu_map, &perf->cpus);
    if (error != NULL) {
        perfdata_format_close(perf);
        return error;
    }
    *parser = perf;
    return NULL;
}

/* ---------------------------------------------------------------------------------------- events */

/* The name that perf gave the event, or else that of the kernel's own. */
static const char *name_of(const struct perfdata *perf, const struct perfdata_event *event)
{
    /* enum perf_sw_ids */
    static const char *const software[] = {"cpu-clock",        "task-clock",
                                           "page-faults",      "context-switches",
                                           "cpu-migrations",   "minor-faults",
                                           "major-faults",     "alignment-faults",
                                           "emulation-faults", "dummy",
                                           "bpf-output",       "cgroup-switches"};
    static const char *const tracepoints[TRACEPOINT_KINDS] = {"exceptions:page_fault_user",
                                                              "exceptions:page_fault_kernel",
                                                              "damon:damon_aggregated"};
    enum perfdata_tracepoint_kind kind = TRACEPOINT_KINDS;
    if (event->name[0] != '\0') {
        return event->name;
    }
    if (perfdata_tracepoint_of(perf->tracepoint, event, &kind)) {
        return tracepoints[kind];
    }
    return event->type == ATTR_TYPE_SOFTWARE && event->config < sizeof software / sizeof software[0]
               ? software[event->config]
               : "without a name";
}

/* Columns of the trace: whatever one of the events has that have addresses. */
static unsigned columns_of(const struct perfdata *perf)
{
    static const struct {
        uint64_t bits;
        enum ref_column column;
    } pairs[] = {{SAMPLE_TIME, COLUMN_TIME},
                 {SAMPLE_IP, COLUMN_IP},
                 {SAMPLE_PHYS_ADDR, COLUMN_PHYS},
                 {SAMPLE_WEIGHT | SAMPLE_WEIGHT_STRUCT, COLUMN_LATENCY},
                 {SAMPLE_DATA_SRC, COLUMN_SOURCE}};
    const struct perfdata_aux *aux = perfdata_file_aux(perf->file);
    unsigned columns = COLUMN_BIT(COLUMN_WEIGHT);
    if (aux->areas > 0) { /* what a record of SPE has */
        columns |= COLUMN_BIT(COLUMN_IP) | COLUMN_BIT(COLUMN_PHYS) | COLUMN_BIT(COLUMN_LATENCY) |
                   COLUMN_BIT(COLUMN_SOURCE) | (aux->mult != 0 ? COLUMN_BIT(COLUMN_TIME) : 0);
    }
    const struct perfdata_events *all = perfdata_file_events(perf->file);
    for (size_t i = 0; i < all->events; i++) {
        const struct perfdata_event *event = &all->event[i];
        enum perfdata_tracepoint_kind kind = TRACEPOINT_KINDS;
        bool traced = perfdata_tracepoint_of(perf->tracepoint, event, &kind);
        if (!traced && (event->sample_type & SAMPLE_ADDR) == 0) {
            continue;
        }
        columns |= kind == TRACEPOINT_DAMON ? COLUMN_BIT(COLUMN_SIZE) : 0;
        for (size_t pair = 0; pair < sizeof pairs / sizeof pairs[0]; pair++) {
            columns |=
                (event->sample_type & pairs[pair].bits) != 0 ? COLUMN_BIT(pairs[pair].column) : 0;
        }
    }
    return columns;
}

/* What is known of the trace, at its first reference. */
static void set_facts(struct perfdata *perf, const struct perfdata_event *event, uint64_t time_ns)
{
    const struct perfdata_host *host = &perf->host;
    unsigned columns = columns_of(perf);
    bool clocked = (columns & COLUMN_BIT(COLUMN_TIME)) != 0;
    perf->facts = (struct trace_facts){
        .source = "perf.data",
        .command = host->command[0] != '\0' ? host->command : NULL,
        .host = host->name[0] != '\0' ? host->name : NULL,
        .event = name_of(perf, event),
        .columns = columns,
        .time_unit = clocked ? TIME_NS : TIME_REFERENCES,
        .start_unix_ns = clocked && host->wall_clock_ns != 0
                             ? host->wall_clock_ns - host->clock_ns + time_ns
                             : 0,
        .sampled = true,
    };
}

/* -------------------------------------------------------------------------------------- references */

static enum ref_kind kind_of(const struct perfdata *perf, const struct perfdata_event *event,
                             uint64_t data_src)
{
    if ((event->sample_type & SAMPLE_DATA_SRC) != 0) {
        return (data_src & DATA_SRC_STORE) != 0  ? REF_STORE
               : (data_src & DATA_SRC_LOAD) != 0 ? REF_LOAD
               : (data_src & DATA_SRC_EXEC) != 0 ? REF_FETCH
                                                 : REF_TOUCH;
    }
    const char *name = name_of(perf, event);
    return strstr(name, "store") != NULL  ? REF_STORE
           : strstr(name, "load") != NULL ? REF_LOAD
                                          : REF_TOUCH;
}

/* What ran, by the kernel's own word; where it has none (0), by where it ran. */
static uint8_t mode_of(uint16_t misc, uint64_t ip)
{
    unsigned mode = misc & MISC_CPU_MODE;
    bool kernel = mode == MISC_KERNEL || mode == MISC_HYPERVISOR || mode == MISC_GUEST_KERNEL ||
                  (mode == 0 && ip >= IMPORT_KERNEL_START);
    return kernel ? REF_MODE_KERNEL : 0;
}

static char *give(struct perfdata *perf, const struct perfdata_event *event,
                  const struct import_ref *ref)
{
    if (!perf->import->begun) {
        set_facts(perf, event, ref->column[COLUMN_TIME]);
    }
    char *error = import_begin(perf->import, &perf->facts);
    return error != NULL ? error : import_give(perf->import, ref);
}

/* By the file's own account. */
static int32_t node_of(const struct perfdata *perf, int32_t cpu)
{
    return cpu >= 0 && (size_t)cpu < perf->host.cpus ? perf->host.node_of[cpu] : -1;
}

/* References that one of the event's samples stands for. */
static uint64_t weight_of(const struct perfdata_event *event, const struct perfdata_sample *sample)
{
    if ((event->sample_type & SAMPLE_PERIOD) != 0) {
        return sample->period;
    }
    return (event->flags & ATTR_FLAG_FREQ) == 0 && event->period != 0 ? event->period : 1;
}

/* Everything of a sample's reference but what and where it was. */
static void set_reference(struct perfdata *perf, const struct perfdata_event *event,
                          const struct perfdata_record *record,
                          const struct perfdata_sample *sample, struct import_ref *ref)
{
    bool sampled_cpu = (event->sample_type & SAMPLE_CPU) != 0 && sample->cpu <= INT32_MAX;
    ref->column[COLUMN_TIME] = record->time_ns;
    ref->column[COLUMN_IP] = sample->ip;
    ref->column[COLUMN_PHYS] = sample->phys;
    ref->column[COLUMN_LATENCY] = sample->weight;
    ref->column[COLUMN_SOURCE] = sample->data_src;
    ref->column[COLUMN_WEIGHT] = weight_of(event, sample);
    ref->column[COLUMN_SIZE] = 0;
    ref->space = ref->pid = sample->pid;
    ref->stream = ref->tid = sample->tid;
    ref->cpu = sampled_cpu ? (int32_t)sample->cpu : cpu_map_cpu(perf->cpus, sample->tid);
    ref->node = node_of(perf, ref->cpu);
    memcpy(ref->name, perfdata_threads_find(perf->threads, sample->tid), sizeof ref->name);
}

static char *give_fault(struct perfdata *perf, const struct perfdata_event *event,
                        enum perfdata_tracepoint_kind kind, const uint64_t value[FIELDS],
                        struct import_ref *ref)
{
    uint64_t code = value[FIELD_ERROR_CODE];
    bool kernel = kind == TRACEPOINT_FAULT_KERNEL;
    ref->addr = value[FIELD_ADDRESS];
    ref->column[COLUMN_IP] = value[FIELD_IP];
    ref->what = (uint8_t)(((code & FAULT_WRITE) != 0   ? REF_STORE
                           : (code & FAULT_FETCH) != 0 ? REF_FETCH
                                                       : REF_LOAD) |
                          (kernel ? REF_MODE_KERNEL : 0));
    perf->counts.without_cpu += ref->cpu < 0;
    return give(perf, event, ref);
}

/* Who used the region is not known, only whose it is; the sample is kdamond's. */
static char *give_region(struct perfdata *perf, const struct perfdata_event *event,
                         const uint64_t value[FIELDS], struct import_ref *ref)
{
    if (value[FIELD_ACCESSES] == 0) {
        perf->counts.idle_regions++;
        return NULL;
    }
    *ref = (struct import_ref){
        .addr = value[FIELD_START],
        .column = {[COLUMN_TIME] = ref->column[COLUMN_TIME],
                   [COLUMN_SIZE] = value[FIELD_END] - value[FIELD_START],
                   [COLUMN_WEIGHT] = value[FIELD_ACCESSES]},
        .space = value[FIELD_TARGET],
        .stream = value[FIELD_TARGET],
        .cpu = -1,
        .node = -1,
        .what = REF_TOUCH,
        .name = "a DAMON target",
    };
    perf->counts.without_cpu++;
    return give(perf, event, ref);
}

static char *bad_sample(struct perfdata *perf, uint64_t number, const char *what)
{
    bool unpacked = false;
    uint64_t at = perfdata_place(perf->file, number, &unpacked);
    return import_skip_or(perf->import,
                          import_error("%s: the sample at %sbyte %" PRIu64 " %s",
                                       perf->import->file, unpacked ? "unpacked " : "", at, what));
}

static char *give_traced(struct perfdata *perf, const struct perfdata_event *event,
                         enum perfdata_tracepoint_kind kind, const struct perfdata_sample *sample,
                         struct import_ref *ref, uint64_t number)
{
    uint64_t value[FIELDS];
    if (!perfdata_tracepoint_read(&perf->tracepoint[kind],
                                  perfdata_cursor_of(perf->file, sample->raw), value)) {
        return bad_sample(perf, number, "lacks fields of its tracepoint");
    }
    return kind == TRACEPOINT_DAMON ? give_region(perf, event, value, ref)
                                    : give_fault(perf, event, kind, value, ref);
}

static char *read_sample(struct perfdata *perf, const struct perfdata_record *record,
                         uint64_t number)
{
    const struct perfdata_event *event =
        perfdata_events_of(perfdata_file_events(perf->file), record);
    struct perfdata_sample sample;
    if (event == NULL) {
        perf->counts.unknown_event++;
        return NULL;
    }
    if (!perfdata_sample_read(event, record, &sample)) {
        return bad_sample(perf, number, "is shorter than its fields");
    }
    enum perfdata_tracepoint_kind kind = TRACEPOINT_KINDS;
    struct import_ref ref;
    set_reference(perf, event, record, &sample, &ref);
    if (perfdata_tracepoint_of(perf->tracepoint, event, &kind)) {
        return give_traced(perf, event, kind, &sample, &ref, number);
    }
    if ((event->sample_type & SAMPLE_ADDR) == 0) {
        perf->counts.without_address++;
        return NULL;
    }
    if (sample.addr == 0) {
        perf->counts.zero_address++;
        perf->no_address = name_of(perf, event);
        return NULL;
    }
    ref.addr = sample.addr;
    ref.what = (uint8_t)(kind_of(perf, event, sample.data_src) | mode_of(record->misc, sample.ip));
    perf->counts.without_cpu += ref.cpu < 0;
    return give(perf, event, &ref);
}

/* ----------------------------------------------------------------------------------- other records */

/* COMM: process, thread, name. */
static bool name_thread(struct perfdata *perf, struct perfdata_cursor body)
{
    char name[IMPORT_NAME_BYTES] = "";
    uint32_t pid = cursor_u32(&body), tid = cursor_u32(&body);
    cursor_text(&body, cursor_left(&body), name, sizeof name);
    return perfdata_threads_name(perf->threads, pid, tid, name);
}

/* FORK: process, its parent, thread, the thread that made it. */
static bool inherit_name(struct perfdata *perf, struct perfdata_cursor body)
{
    char name[IMPORT_NAME_BYTES];
    uint32_t pid = cursor_u32(&body);
    cursor_u32(&body);
    uint32_t tid = cursor_u32(&body), parent = cursor_u32(&body);
    memcpy(name, perfdata_threads_find(perf->threads, parent), sizeof name);
    return tid == parent || perfdata_threads_name(perf->threads, pid, tid, name);
}

/* The event that SPE sampled, as perf names it; the first one where none has its name. */
static const struct perfdata_event *spe_event(const struct perfdata *perf)
{
    const struct perfdata_events *all = perfdata_file_events(perf->file);
    for (size_t i = 0; i < all->events; i++) {
        if (strncmp(all->event[i].name, "arm_spe", 7) == 0) {
            return &all->event[i];
        }
    }
    return &all->event[0];
}

/* A load or store that SPE recorded. Whose it is the area tells, or else the record's context, which
 * is a thread's id; the process is not told. */
static char *read_spe(struct perfdata *perf, const struct perfdata_record *record, uint64_t number)
{
    struct perfdata_spe spe;
    const struct perfdata_area *area = perfdata_spe_record(perf->file, number, &spe);
    if (perfdata_file_events(perf->file)->events == 0) {
        perf->counts.unknown_event++;
        return NULL;
    }
    const struct perfdata_event *event = spe_event(perf);
    struct perfdata_sample sample = {
        .ip = spe.ip,
        .phys = spe.phys,
        .weight = spe.latency,
        .data_src = perfdata_spe_source(&spe),
        .period = event->period,
        .tid = area->tid != UINT32_MAX ? area->tid : spe.context,
        .cpu = area->cpu,
    };
    sample.pid = perfdata_threads_process(perf->threads, sample.tid);
    struct import_ref ref;
    set_reference(perf, event, record, &sample, &ref);
    ref.cpu = area->cpu <= INT32_MAX ? (int32_t)area->cpu : cpu_map_cpu(perf->cpus, sample.tid);
    ref.node = node_of(perf, ref.cpu);
    ref.addr = spe.addr;
    ref.what = (uint8_t)((spe.store ? REF_STORE : REF_LOAD) | (spe.kernel ? REF_MODE_KERNEL : 0));
    perf->counts.without_cpu += ref.cpu < 0;
    return give(perf, event, &ref);
}

static char *read_record(struct perfdata *perf, uint64_t number)
{
    struct perfdata_record record = perfdata_record(perf->file, number);
    bool well = true;
    switch (record.type) {
    case RECORD_SAMPLE:
        return read_sample(perf, &record, number);
    case RECORD_SPE:
        return read_spe(perf, &record, number);
    case RECORD_COMM:
        well = name_thread(perf, record.body);
        break;
    case RECORD_FORK:
        well = inherit_name(perf, record.body);
        break;
    case RECORD_LOST:
        cursor_u64(&record.body); /* id */
        perf->counts.lost_records += cursor_u64(&record.body);
        break;
    case RECORD_LOST_SAMPLES:
        perf->counts.lost_samples += cursor_u64(&record.body);
        break;
    case RECORD_THROTTLE:
        perf->counts.throttled++;
        break;
    default:
        break;
    }
    return well ? NULL : import_error("%s: out of memory", perf->import->file);
}

static char *perfdata_format_read(void *parser, bool *stopped)
{
    struct perfdata *perf = parser;
    struct import *import = perf->import;
    char *damage = NULL;
    char *error = perfdata_open(import->inputs->input[0], &perf->file, &damage);
    if (error != NULL) {
        return error;
    }
    if (!perfdata_host_read(perf->file, &perf->host)) {
        free(damage);
        return import_error("%s: out of memory", import->file);
    }
    perfdata_tracepoints(perf->file, perf->tracepoint);
    uint64_t records = perfdata_records(perf->file);
    for (uint64_t i = 0; i < records && error == NULL && !*stopped; i++) {
        import->line = i + 1;
        error = read_record(perf, i);
        *stopped = (i + 1) % RECORDS_PER_WATCH == 0 && import_watched(import);
    }
    if (error != NULL || damage == NULL) {
        free(damage);
        return error;
    }
    return import_skip_or(import, damage);
}

/* ------------------------------------------------------------------------------------------ notes */

static char *note(void *context, const char *key, const char *value)
{
    struct import_sink *sink = context;
    return sink->note(sink, key, value);
}

/* Why there is no reference, in a line. NULL: the usual line says it. */
static char *why_none(const struct perfdata *perf)
{
    const struct counts *counts = &perf->counts;
    if (counts->zero_address > 0) {
        return import_error(
            "%s: every sample (%" PRIu64 ") has address 0: event %s gives no addresses; record "
            "memory accesses (perf mem record) or page faults (perf record -d -e page-faults)",
            perf->import->file, counts->zero_address, perf->no_address);
    }
    if (counts->without_address > 0) {
        return import_error("%s: no sample (of %" PRIu64
                            ") has an address; record with perf record "
                            "-d, or perf mem record",
                            perf->import->file, counts->without_address);
    }
    if (counts->idle_regions > 0) {
        return import_error("%s: none of DAMON's regions (%" PRIu64 ") was in use",
                            perf->import->file, counts->idle_regions);
    }
    return NULL;
}

static char *perfdata_format_finish(void *parser)
{
    struct perfdata *perf = parser;
    const struct counts *counts = &perf->counts;
    const struct {
        const char *key;
        uint64_t count;
    } notes[] = {{"samples_without_address", counts->without_address},
                 {"samples_with_address_0", counts->zero_address},
                 {"samples_without_cpu", counts->without_cpu},
                 {"samples_of_unknown_events", counts->unknown_event},
                 {"regions_not_in_use", counts->idle_regions},
                 {"lost_records", counts->lost_records},
                 {"lost_samples", counts->lost_samples},
                 {"throttled", counts->throttled},
                 {"aux_bytes_not_read", perf->file != NULL ? perfdata_aux_bytes(perf->file) : 0}};
    char *error = perf->import->refs == 0 ? why_none(perf) : NULL;
    for (size_t i = 0; error == NULL && i < sizeof notes / sizeof notes[0]; i++) {
        error = import_note_count(perf->import, notes[i].key, notes[i].count);
    }
    return error != NULL || perf->file == NULL
               ? error
               : perfdata_features_note(perf->file, note, perf->import->sink);
}

const struct import_format import_perfdata = {
    .name = "perf.data",
    .summary = "file of perf record or perf mem record, of any machine",
    .takes = IMPORT_TAKES(IMPORT_CPU_MAP),
    .open = perfdata_format_open,
    .read = perfdata_format_read,
    .finish = perfdata_format_finish,
    .close = perfdata_format_close,
};
