/* The output of `perf script`: hardware or page-fault samples that carry addresses.
 *
 * A sample's kind is its data source's operation; where the event has no data source, its name
 * tells
 * ("mem-loads", "mem-stores"), and else it is a touch. Streams are threads. perf prints only the
 * thread id unless -F asks for pid: then all threads are taken as one process, and a note says so.
 * A sample without a CPU has none: no CPU is guessed, --cpu-map gives them.
 */
#include "collector/sources/cpu-map.h"
#include "collector/sources/import.h"
#include "collector/sources/perf-script-line.h"

#include <stdio.h>
#include <stdlib.h>

/* mem_op of perf_mem_data_src (Linux 6.1 include/uapi/linux/perf_event.h) */
#define OP_LOAD  UINT64_C(0x02)
#define OP_STORE UINT64_C(0x04)
#define OP_EXEC  UINT64_C(0x10)

struct perf_script {
    struct import *import;
    struct cpu_map *cpus;
    unsigned fields; /* of --fields, or 0 */
    struct trace_facts facts;
    char *event;            /* of the first sample */
    struct import_ref held; /* the last sample: a call chain behind it tells its ip */
    unsigned held_has;      /* PERF_BITs of it */
    bool holds;
    uint64_t samples, without_address, zero_address, without_cpu, without_pid;
};

static void perf_script_close(void *parser)
{
    struct perf_script *script = parser;
    cpu_map_free(script->cpus);
    free(script->event);
    free(script);
}

static char *perf_script_open(struct import *import, void **parser)
{
    struct perf_script *script = calloc(1, sizeof *script);
    if (script == NULL) {
        return import_error("%s: out of memory", import->file);
    }
    script->import = import;
    struct span unknown = {NULL, NULL};
    char *error = cpu_map_new(import->options->cpu_map, &script->cpus);
    const char *fields = import->options->fields;
    if (error == NULL && fields != NULL && !perf_fields_of(fields, &script->fields, &unknown)) {
        error = import_error(
            "--fields: '%.*s' cannot be imported; leave it out of perf script -F too, and use "
            "comm, pid, tid, cpu, time, period, event, addr, data_src, weight, ip, sym, symoff, "
            "dso, phys_addr",
            (int)span_bytes(unknown), unknown.at);
    }
    if (error == NULL && fields != NULL && (script->fields & PERF_BIT(PERF_ADDR)) == 0) {
        error = import_error("--fields: addr is missing: without it there is nothing to import");
    }
    if (error != NULL) {
        perf_script_close(script);
        return error;
    }
    *parser = script;
    return NULL;
}

static unsigned columns_of(unsigned has)
{
    static const struct {
        enum perf_field field;
        enum ref_column column;
    } pairs[] = {{PERF_TIME, COLUMN_TIME},       {PERF_IP, COLUMN_IP},
                 {PERF_PHYS, COLUMN_PHYS},       {PERF_WEIGHT, COLUMN_LATENCY},
                 {PERF_DATA_SRC, COLUMN_SOURCE}, {PERF_PERIOD, COLUMN_WEIGHT}};
    unsigned columns = 0;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        columns |= (has & PERF_BIT(pairs[i].field)) != 0 ? COLUMN_BIT(pairs[i].column) : 0;
    }
    return columns;
}

/* Gives the held sample. The first one says which columns the trace has. */
static char *flush(struct perf_script *script)
{
    if (!script->holds) {
        return NULL;
    }
    script->holds = false;
    if (!script->import->begun) {
        script->facts.source = "perf-script";
        script->facts.event = script->event;
        script->facts.columns = columns_of(script->held_has | script->fields);
        script->facts.time_unit =
            (script->held_has & PERF_BIT(PERF_TIME)) != 0 ? TIME_NS : TIME_REFERENCES;
        script->facts.sampled = true;
    }
    char *error = import_begin(script->import, &script->facts);
    return error != NULL ? error : import_give(script->import, &script->held);
}

static enum ref_kind kind_of(const struct perf_sample *sample)
{
    if (sample->write_known) {
        return sample->write ? REF_STORE : REF_LOAD;
    }
    if ((sample->has & PERF_BIT(PERF_DATA_SRC)) != 0) {
        uint64_t op = sample->data_src;
        return (op & OP_STORE) != 0  ? REF_STORE
               : (op & OP_LOAD) != 0 ? REF_LOAD
               : (op & OP_EXEC) != 0 ? REF_FETCH
                                     : REF_TOUCH;
    }
    size_t bytes = span_bytes(sample->event);
    return bytes > 0 && memmem(sample->event.at, bytes, "store", 5) != NULL  ? REF_STORE
           : bytes > 0 && memmem(sample->event.at, bytes, "load", 4) != NULL ? REF_LOAD
                                                                             : REF_TOUCH;
}

static char *hold(struct perf_script *script, const struct perf_sample *sample, struct span line)
{
    if (script->event == NULL && (sample->has & PERF_BIT(PERF_EVENT)) != 0) {
        script->event = strndup(sample->event.at, span_bytes(sample->event));
    }
    if (sample->addr == 0) {
        script->zero_address++;
        return NULL;
    }
    if (script->import->clocked && (sample->has & PERF_BIT(PERF_TIME)) == 0) {
        return import_bad(script->import, line.at, line,
                          "a sample with a time, as the first one has");
    }
    bool cpu_known = (sample->has & PERF_BIT(PERF_CPU)) != 0;
    struct import_ref *ref = &script->held;
    *ref = (struct import_ref){
        .addr = sample->addr,
        .column = {[COLUMN_TIME] = sample->time_ns,
                   [COLUMN_IP] = sample->ip,
                   [COLUMN_PHYS] = sample->phys,
                   [COLUMN_LATENCY] = sample->weight,
                   [COLUMN_SOURCE] = sample->data_src,
                   [COLUMN_WEIGHT] = sample->period},
        .space = sample->pid,
        .stream = (sample->has & PERF_BIT(PERF_TID)) != 0 ? sample->tid : sample->pid,
        .pid = sample->pid,
        .tid = sample->tid,
        .cpu = cpu_known ? (int32_t)sample->cpu : cpu_map_cpu(script->cpus, sample->tid),
        .node = -1,
        .what =
            (uint8_t)(kind_of(sample) | (sample->ip >= IMPORT_KERNEL_START ? REF_MODE_KERNEL : 0)),
    };
    size_t name = span_bytes(sample->comm);
    memcpy(ref->name, sample->comm.at != NULL ? sample->comm.at : "",
           name < sizeof ref->name ? name : sizeof ref->name - 1);
    script->without_cpu += ref->cpu < 0;
    script->without_pid += (sample->has & PERF_BIT(PERF_PID)) == 0;
    script->held_has = sample->has;
    script->holds = true;
    return NULL;
}

static char *perf_script_line(struct perf_script *script, struct span line)
{
    struct perf_sample sample = {0};
    struct span found = line;
    const char *expected = "";
    enum perf_line what = perf_line_read(line, script->fields, &sample, &found, &expected);
    if (what == PERF_FRAME && script->samples > 0) {
        if (script->holds && (script->held_has & PERF_BIT(PERF_IP)) == 0) {
            script->held.column[COLUMN_IP] = sample.ip;
            script->held.what |= sample.ip >= IMPORT_KERNEL_START ? REF_MODE_KERNEL : 0;
            script->held_has |= PERF_BIT(PERF_IP);
        }
        return NULL;
    }
    char *error = flush(script);
    if (error != NULL) {
        return error;
    }
    switch (what) {
    case PERF_SAMPLE:
        script->samples++;
        return hold(script, &sample, line);
    case PERF_NO_ADDRESS:
        script->samples++;
        script->without_address++;
        return NULL;
    case PERF_OTHER:
        return NULL;
    case PERF_FRAME:
        found = line;
        expected =
            "a sample with its time or event (--fields tells the fields where there is neither)";
        break;
    case PERF_UNCLEAR:
    case PERF_BAD:
        break;
    }
    return import_bad(script->import, line.at, found, expected);
}

static char *perf_script_lines(void *parser, const char *text, size_t bytes)
{
    struct perf_script *script = parser;
    char *error = NULL;
    for (const char *at = text, *end = text + bytes; at < end && error == NULL;) {
        struct span line = next_line(&at, end);
        script->import->line++;
        error = perf_script_line(script, line);
    }
    return error;
}

static char *perf_script_finish(void *parser)
{
    struct perf_script *script = parser;
    struct import *import = script->import;
    char *error = flush(script);
    if (error == NULL && import->refs == 0 && script->zero_address > 0) {
        return import_error(
            "%s: every sample (%llu) has address 0: event %s gives no addresses; record memory "
            "accesses (perf mem record) or page faults (perf record -d -e page-faults)",
            import->file, (unsigned long long)script->zero_address,
            script->event != NULL ? script->event : "of this file");
    }
    if (error == NULL && import->refs == 0 && script->without_address > 0) {
        return import_error(
            "%s: no sample (of %llu) has an address; record with perf record -d, and print "
            "with perf script -F comm,pid,tid,cpu,time,event,addr,ip",
            import->file, (unsigned long long)script->without_address);
    }
    const struct {
        const char *key;
        uint64_t count;
    } notes[] = {{"samples_without_address", script->without_address},
                 {"samples_with_address_0", script->zero_address},
                 {"samples_without_cpu", script->without_cpu},
                 {"samples_without_pid_taken_as_one_process", script->without_pid}};
    for (size_t i = 0; error == NULL && i < sizeof notes / sizeof notes[0]; i++) {
        error = import_note_count(import, notes[i].key, notes[i].count);
    }
    return error;
}

const struct import_format import_perf_script = {
    .name = "perf-script",
    .summary = "what perf script prints, with -F ...,addr,...",
    .takes = IMPORT_TAKES(IMPORT_FIELDS) | IMPORT_TAKES(IMPORT_CPU_MAP) | IMPORT_TAKES(IMPORT_SORT),
    .open = perf_script_open,
    .lines = perf_script_lines,
    .finish = perf_script_finish,
    .close = perf_script_close,
};
