#include "replayer/report/store_rows.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>

#include "replayer/report/interrupt.h"
#include "replayer/report/regions.h"

/* A prepared INSERT. Once something failed it does nothing more; the code is kept. */
struct insert {
    struct row_writer *writer;
    sqlite3_stmt *statement;
    int code;
};

static struct insert insert_open(struct row_writer *writer, const char *sql)
{
    struct insert insert = {.writer = writer};
    insert.code = sqlite3_prepare_v2(writer->db, sql, -1, &insert.statement, NULL);
    return insert;
}

/* One value of a row. */
struct cell {
    enum { CELL_NONE, CELL_INTEGER, CELL_REAL, CELL_TEXT } kind;
    int64_t integer;
    double real;
    const char *text; /* NULL: as CELL_NONE */
};
#define INT(number)              ((struct cell){.kind = CELL_INTEGER, .integer = (int64_t)(number)})
#define REAL(number)             ((struct cell){.kind = CELL_REAL, .real = (number)})
#define TEXT(string)             ((struct cell){.kind = CELL_TEXT, .text = (string)})
#define NONE                     ((struct cell){.kind = CELL_NONE})
#define INT_UNLESS(none, number) ((number) == (none) ? NONE : INT(number))

static int bind(sqlite3_stmt *statement, int place, const struct cell *cell)
{
    switch (cell->kind) {
    case CELL_INTEGER:
        return sqlite3_bind_int64(statement, place, cell->integer);
    case CELL_REAL:
        return sqlite3_bind_double(statement, place, cell->real);
    case CELL_TEXT:
        return sqlite3_bind_text(statement, place, cell->text, -1, SQLITE_TRANSIENT);
    case CELL_NONE:
        break;
    }
    return sqlite3_bind_null(statement, place);
}

static void insert_row(struct insert *insert, const struct cell *cells, size_t count)
{
    int code = insert->code;
    if (code != SQLITE_OK)
        return;
    for (size_t i = 0; i < count && code == SQLITE_OK; i++)
        code = bind(insert->statement, (int)i + 1, &cells[i]);
    if (code == SQLITE_OK)
        (void)sqlite3_step(insert->statement);
    int reset = sqlite3_reset(insert->statement);
    insert->code = code == SQLITE_OK ? reset : code;
    insert->writer->rows++;
    if (insert->writer->rows % 4096 != 0)
        return;
    progress_at(insert->writer->progress, insert->writer->rows);
    if (insert->code == SQLITE_OK && (insert->writer->stopped = interrupt_pending()) != NULL)
        insert->code = SQLITE_INTERRUPT;
}
/* Inserts the values given, in the order of the statement's parameters. */
#define ROW(insert, ...)                                                                           \
    insert_row(insert, (const struct cell[]){__VA_ARGS__},                                         \
               sizeof((const struct cell[]){__VA_ARGS__}) / sizeof(struct cell))

static int insert_close(struct insert *insert)
{
    int code = sqlite3_finalize(insert->statement);
    return insert->code == SQLITE_OK ? code : insert->code;
}

/* What repeats the run and has no column of its own. */
static char *other_options(const struct report *report)
{
    json_t *object = json_object();
    (void)json_object_set_new(object, "refs_per_sample",
                              json_integer((json_int_t)report->refs_per_sample));
    (void)json_object_set_new(object, "log_actions", json_integer((json_int_t)report->log_actions));
    (void)json_object_set_new(object, "thp", json_string(report->thp));
    (void)json_object_set_new(object, "gigantic", json_string(report->gigantic));
    (void)json_object_set_new(object, "check_every", json_integer(report->check_every));
    char *text = json_dumps(object, 0);
    json_decref(object);
    return text;
}

static int put_run(struct row_writer *writer, const struct results *results)
{
    const struct report *report = writer->report;
    const struct policy_choice *choice = results->run.choice;
    char *parameters = report_parameters(choice), *others = other_options(report);
    struct insert insert =
        insert_open(writer, "INSERT INTO run(run_id, policy, parameters, machine, "
                            "machine_json, schedule, input, contention, seed, "
                            "epoch_references, options, version, trace_file, "
                            "trace_checksum) "
                            "VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
    if (parameters == NULL || others == NULL)
        insert.code = SQLITE_NOMEM;
    ROW(&insert, INT(results->run_id), TEXT(choice->policy->name), TEXT(parameters),
        TEXT(report->machine->name), TEXT(report->machine_json), TEXT(report->schedule),
        TEXT(report->misses ? "misses" : "references"), TEXT(report->contention ? "on" : "off"),
        INT(report->seed), INT(report->epoch_references), TEXT(others), TEXT(DISCO_VERSION),
        TEXT(report->trace), TEXT(trace_reader_summary(report->reader)->checksum));
    free(parameters);
    free(others);
    return insert_close(&insert);
}

static int put_metrics(struct row_writer *writer, const struct results *results)
{
    struct insert insert =
        insert_open(writer, "INSERT INTO run_metric(run_id, metric, value) VALUES(?,?,?)");
    for (unsigned i = 0; i < FIGURE_COUNT; i++) {
        const struct value *value = &results->figure[i];
        if (value->kind == VALUE_INTEGER)
            ROW(&insert, INT(results->run_id), TEXT(figure_name[i]), INT(value->integer));
        else if (value->kind == VALUE_REAL)
            ROW(&insert, INT(results->run_id), TEXT(figure_name[i]), REAL(value->real));
        else
            ROW(&insert, INT(results->run_id), TEXT(figure_name[i]), NONE);
    }
    for (unsigned i = 0; i < FIGURE_COUNT; i++) {
        const struct sampling_interval *interval = &results->interval[i];
        const struct {
            const char *end;
            double value;
        } of[] = {{"low", interval->low}, {"high", interval->high}};
        for (size_t at = 0; interval->known && at < sizeof of / sizeof *of; at++) {
            char *name = say("%s_%s", figure_name[i], of[at].end);
            ROW(&insert, INT(results->run_id), TEXT(name), REAL(of[at].value));
            free(name);
        }
    }
    ROW(&insert, INT(results->run_id), TEXT("actions_not_logged"),
        INT(results->run.record->not_logged));
    return insert_close(&insert);
}

/* What the CPU looked up and missed in each cache of the machine's list: L1_data_misses. */
static void put_cpu_caches(struct insert *insert, const struct row_writer *writer, int64_t run_id,
                           uint32_t cpu)
{
    const struct caches *caches = guest_caches(memory_guest(writer->report->results[0].run.memory));
    const struct machine *machine = writer->report->machine;
    for (uint32_t i = 0; caches != NULL && i < machine->caches; i++) {
        const struct caches_counters count = caches_counted_cpu(caches, i, cpu);
        const struct {
            const char *name;
            uint64_t value;
        } of[] = {{"accesses", count.accesses}, {"misses", count.misses}};
        for (size_t at = 0; at < sizeof of / sizeof *of; at++) {
            char *name =
                say("L%u_%s_%s", machine->cache[i].level, machine->cache[i].kind, of[at].name);
            ROW(insert, INT(run_id), INT(cpu), INT(machine->cpu_node[cpu]), TEXT(name),
                INT(of[at].value));
            free(name);
        }
    }
}

static int put_cpus(struct row_writer *writer, const struct results *results)
{
    static const char *const account_name[] = {
#define ACCOUNT_NAME(name, meaning) #name "_ns",
        MEMORY_ACCOUNTS(ACCOUNT_NAME)
#undef ACCOUNT_NAME
    };
    const struct machine *machine = writer->report->machine;
    const struct memory *memory = results->run.memory;
    struct insert insert =
        insert_open(writer,
                    "INSERT INTO run_cpu(run_id, cpu, node, counter, value) VALUES(?,?,?,?,?)");
    for (uint32_t i = 0; i < machine->cpus; i++) {
        if (!memory_cpu_used(memory, i))
            continue;
        const struct memory_cpu_counters *cpu = memory_cpu(memory, i);
        int64_t node = machine->cpu_node[i];
#define PUT_COUNTER(name, meaning)                                                                 \
    ROW(&insert, INT(results->run_id), INT(i), INT(node), TEXT(#name), INT(cpu->name));
        MEMORY_CPU_COUNTERS(PUT_COUNTER)
#undef PUT_COUNTER
        uint64_t account_ns[MEMORY_ACCOUNT_COUNT];
        results_accounts_ns(cpu, account_ns);
        for (unsigned a = 0; a < MEMORY_ACCOUNT_COUNT; a++)
            ROW(&insert, INT(results->run_id), INT(i), INT(node), TEXT(account_name[a]),
                INT(account_ns[a]));
        put_cpu_caches(&insert, writer, results->run_id, i);
    }
    return insert_close(&insert);
}

static int put_nodes(struct row_writer *writer, const struct results *results)
{
    struct insert insert =
        insert_open(writer,
                    "INSERT INTO run_node(run_id, node, frames, frames_used, frames_used_most, "
                    "replica_frames, replica_frames_most, table_frames, local_accesses, "
                    "remote_accesses) VALUES(?,?,?,?,?,?,?,?,?,?)");
    for (uint32_t i = 0; i < writer->report->machine->nodes; i++) {
        struct memory_node_state node = memory_node(results->run.memory, i);
        ROW(&insert, INT(results->run_id), INT(i), INT(node.frames), INT(node.frames_used),
            INT(node.frames_used_most), INT(node.replica_frames), INT(node.replica_frames_most),
            INT(node.table_frames), INT(node.local_accesses), INT(node.remote_accesses));
    }
    return insert_close(&insert);
}

static int put_traffic(struct row_writer *writer, const struct results *results)
{
    const uint64_t *loads = memory_traffic_loads(results->run.memory);
    const uint64_t *stores = memory_traffic_stores(results->run.memory);
    uint32_t nodes = writer->report->machine->nodes;
    struct insert insert =
        insert_open(writer, "INSERT INTO run_traffic(run_id, from_node, to_node, loads, stores) "
                            "VALUES(?,?,?,?,?)");
    for (uint32_t from = 0; from < nodes; from++)
        for (uint32_t to = 0; to < nodes; to++) {
            size_t cell = (size_t)from * nodes + to;
            ROW(&insert, INT(results->run_id), INT(from), INT(to), INT(loads[cell]),
                INT(stores[cell]));
        }
    return insert_close(&insert);
}

static int put_caches(struct row_writer *writer, const struct results *results)
{
    const struct caches *caches = guest_caches(memory_guest(writer->report->results[0].run.memory));
    const struct machine *machine = writer->report->machine;
#define COUNTER_COLUMN(name) ", " #name
#define COUNTER_PLACE(name)  ",?"
    struct insert insert =
        insert_open(writer,
                    "INSERT INTO run_cache(run_id, cache, level, kind" CACHE_COUNTERS(
                        COUNTER_COLUMN) ") VALUES(?,?,?,?" CACHE_COUNTERS(COUNTER_PLACE) ")");
#undef COUNTER_PLACE
#undef COUNTER_COLUMN
    for (uint32_t i = 0; caches != NULL && i < machine->caches; i++) {
        const struct caches_counters count = caches_counted(caches, i);
#define COUNTER_CELL(name) , INT(count.name)
        ROW(&insert, INT(results->run_id), INT(i), INT(machine->cache[i].level),
            TEXT(machine->cache[i].kind) CACHE_COUNTERS(COUNTER_CELL));
#undef COUNTER_CELL
    }
    return insert_close(&insert);
}

/* Mean of an access, in ns. */
static struct cell latency(uint64_t stall_ps, uint64_t accesses, uint64_t refs_per_sample)
{
    if (accesses == 0)
        return NONE;
    return REAL((double)stall_ps / ((double)accesses * (double)refs_per_sample) / 1000);
}

/* The highest of a step's stations of one kind; no value without contention. */
static struct cell busiest(const struct record *record, uint32_t step,
                           enum network_station_kind kind)
{
    double most = -1;
    for (uint32_t i = 0; i < record->stations; i++)
        if (record->kind[i].kind == kind && record_utilisation(record, step, i) > most)
            most = record_utilisation(record, step, i);
    return most < 0 ? NONE : REAL(most);
}

static struct cell longest_queue(const struct record *record, uint32_t step)
{
    double most = -1;
    for (uint32_t i = 0; i < record->stations; i++)
        if (record_queue(record, step, i) > most)
            most = record_queue(record, step, i);
    return most < 0 ? NONE : REAL(most);
}

static int put_steps(struct row_writer *writer, const struct results *results)
{
    const struct record *record = results->run.record;
    struct insert insert = insert_open(
        writer, "INSERT INTO run_epoch(run_id, step, first_reference, \"references\", start_ns, "
                "end_ns, local_accesses, remote_accesses, migrations, replications, collapses, "
                "shootdowns, frames_used, replica_frames, local_latency_ns, remote_latency_ns, "
                "controller_utilisation, link_utilisation, queue_length) "
                "VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
    for (uint32_t i = 0; i < record->steps; i++) {
        const struct record_step *step = &record->step[i];
        /* weights are in the accesses already */
        const uint64_t each = results->run.weighted ? 1 : results->run.refs_per_sample;
        ROW(&insert, INT(results->run_id), INT(i), INT(step->first_reference),
            INT(step->references), INT(step->start_ns), INT(step->end_ns),
            INT(step->local_accesses), INT(step->remote_accesses), INT(step->migrations),
            INT(step->replications), INT(step->collapses), INT(step->shootdowns),
            INT(step->frames_used), INT(step->replica_frames),
            latency(step->local_stall_ps, step->local_accesses, each),
            latency(step->remote_stall_ps, step->remote_accesses, each),
            busiest(record, i, NETWORK_CONTROLLER), busiest(record, i, NETWORK_LINK),
            longest_queue(record, i));
    }
    return insert_close(&insert);
}

static int put_stations(struct row_writer *writer, const struct results *results)
{
    static const char *const kind[] = {
        [NETWORK_CONTROLLER] = "controller", [NETWORK_LINK] = "link"};
    const struct record *record = results->run.record;
    struct insert insert =
        insert_open(writer, "INSERT INTO run_epoch_station(run_id, step, kind, from_node, to_node, "
                            "accesses, utilisation, latency_ns, queue_length) "
                            "VALUES(?,?,?,?,?,?,?,?,?)");
    for (uint32_t step = 0; step < record->steps; step++)
        for (uint32_t i = 0; i < record->stations; i++) {
            const struct network_station *station = &record->kind[i];
            const uint64_t accesses = record_accesses(record, step, i);
            if (accesses > 0)
                ROW(&insert, INT(results->run_id), INT(step), TEXT(kind[station->kind]),
                    INT(station->from), INT(station->to), INT(accesses),
                    REAL(record_utilisation(record, step, i)),
                    REAL(record_latency_ns(record, step, i)), REAL(record_queue(record, step, i)));
        }
    return insert_close(&insert);
}

static int put_pages(struct row_writer *writer, const struct results *results,
                     const struct page_region *region)
{
    const struct memory *memory = results->run.memory;
    struct insert insert = insert_open(
        writer,
        "INSERT INTO run_page(run_id, ppn, space, page, region, first_home, home, replicas, "
        "loads, stores, local_accesses, migrations, replications, collapses) "
        "VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
    for (uint32_t i = 0; i < memory_pages(memory); i++) {
        struct memory_page_state page = memory_page(memory, i);
        if (page.first_home == MEMORY_NO_NODE)
            continue; /* never touched itself: only a reference of the page before ran into it */
        ROW(&insert, INT(results->run_id), INT(i), INT(region[i].space), INT(region[i].vpn),
            INT_UNLESS(REGION_NONE, region[i].region), INT(page.first_home), INT(page.home),
            INT(page.replicas), INT(page.loads), INT(page.stores), INT(page.local_accesses),
            INT(page.migrations), INT(page.replications), INT(page.collapses));
    }
    return insert_close(&insert);
}

/* Sums over the pages that are there by now. */
static int put_regions(struct row_writer *writer, const struct results *results)
{
    struct insert insert =
        insert_open(writer,
                    "INSERT INTO run_region(run_id, region, pages, loads, stores, local_accesses, "
                    "migrations, replications, collapses) "
                    "SELECT run_id, coalesce(region, -1), count(*), sum(loads), sum(stores), "
                    "sum(local_accesses), sum(migrations), sum(replications), sum(collapses) "
                    "FROM run_page WHERE run_id = ? GROUP BY region");
    ROW(&insert, INT(results->run_id));
    return insert_close(&insert);
}

static int put_actions(struct row_writer *writer, const struct results *results)
{
    static const char *const kind[] = {
        [MEMORY_ACTION_PLACE] = "place",         [MEMORY_ACTION_MIGRATE] = "migrate",
        [MEMORY_ACTION_REPLICATE] = "replicate", [MEMORY_ACTION_COLLAPSE] = "collapse",
        [MEMORY_ACTION_RECLAIM] = "reclaim",     [MEMORY_ACTION_SPLIT] = "split",
        [MEMORY_ACTION_MERGE] = "merge"};
    static const char *const answer[] = {[POLICY_DONE] = "done",
                                         [POLICY_NO_FRAME] = "no frame",
                                         [POLICY_NOTHING] = "nothing to do",
                                         [POLICY_NONSENSE] = "nonsense",
                                         [POLICY_APART] = "apart"};
    const struct record *record = results->run.record;
    struct insert insert =
        insert_open(writer,
                    "INSERT INTO run_action(run_id, action, reference, time_ns, kind, answer, ppn, "
                    "from_node, to_node, cpu, cost_ns, reason) VALUES(?,?,?,?,?,?,?,?,?,?,?,?)");
    for (uint64_t i = 0; i < record->actions; i++) {
        const struct memory_action *action = &record->action[i];
        const char *reason = action->reason == NULL ? "" : action->reason;
        ROW(&insert, INT(results->run_id), INT(i), INT(action->reference), INT(action->time_ns),
            TEXT(kind[action->kind]), TEXT(answer[action->answer]), INT(action->page),
            INT(action->from == MEMORY_NO_NODE ? -1 : (int64_t)action->from),
            INT_UNLESS(MEMORY_NO_NODE, action->to), INT(action->cpu), INT(action->cost_ns),
            TEXT(reason));
    }
    return insert_close(&insert);
}

static int put_pages_and_regions(struct row_writer *writer, const struct results *results)
{
    struct page_region *region = NULL;
    char *error = regions_of_pages(writer->report->reader, results->run.memory,
                                   writer->report->machine->page_bytes, &region);
    if (error != NULL) {
        free(error);
        return SQLITE_NOMEM; /* the only way in which it fails */
    }
    int code = put_pages(writer, results, region);
    free(region);
    return code == SQLITE_OK ? put_regions(writer, results) : code;
}

static int put_notes(struct row_writer *writer, const struct results *results)
{
    const struct warnings *warnings = &writer->report->warnings;
    struct insert insert =
        insert_open(writer, "INSERT INTO run_note(run_id, note, about, text) VALUES(?,?,?,?)");
    int64_t note = 0;
    for (size_t i = 0; i < warnings->count; i++) {
        const struct warning *warning = &warnings->warning[i];
        if (warning->result != NULL && warning->result != results)
            continue;
        ROW(&insert, INT(results->run_id), INT(note), TEXT(warning->about), TEXT(warning->text));
        note++;
    }
    return insert_close(&insert);
}

int store_run_rows(struct row_writer *writer, const struct results *results)
{
    static int (*const put[])(struct row_writer *, const struct results *) = {
        put_run,    put_metrics, put_cpus,     put_nodes,   put_traffic,
        put_caches, put_steps,   put_stations, put_actions, put_pages_and_regions,
        put_notes,
    };
    int code = SQLITE_OK;
    for (size_t i = 0; i < sizeof put / sizeof *put && code == SQLITE_OK; i++)
        code = put[i](writer, results);
    return code;
}

int store_region_rows(struct row_writer *writer)
{
    const struct trace_reader *reader = writer->report->reader;
    struct insert insert = insert_open(
        writer, "INSERT OR REPLACE INTO trace_region(region, space, start, \"end\", kind, name, "
                "file, file_offset_bytes) VALUES(?,?,?,?,?,?,?,?)");
    for (uint32_t i = 0; i < trace_reader_summary(reader)->regions; i++) {
        const struct trace_region *region = trace_reader_region(reader, i);
        ROW(&insert, INT(i), INT(region->space), INT(region->start), INT(region->end),
            TEXT(region->kind), TEXT(region->name), TEXT(region->file),
            INT(region->file_offset_bytes));
    }
    return insert_close(&insert);
}
