#include "replayer/store_rows.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>

#include "replayer/regions.h"

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

/* Binds one value a letter, from 1: i int64_t, r double, t text, - NULL (no argument). */
static void insert_row(struct insert *insert, const char *types, ...)
{
    if (insert->code != SQLITE_OK)
        return;
    va_list list;
    va_start(list, types);
    int code = SQLITE_OK;
    for (int i = 0; types[i] != '\0' && code == SQLITE_OK; i++) {
        if (types[i] == 'i')
            code = sqlite3_bind_int64(insert->statement, i + 1, va_arg(list, int64_t));
        else if (types[i] == 'r')
            code = sqlite3_bind_double(insert->statement, i + 1, va_arg(list, double));
        else if (types[i] == 't')
            code = sqlite3_bind_text(insert->statement, i + 1, va_arg(list, const char *), -1,
                                     SQLITE_TRANSIENT);
        else
            code = sqlite3_bind_null(insert->statement, i + 1);
    }
    va_end(list);
    if (code == SQLITE_OK)
        (void)sqlite3_step(insert->statement);
    int reset = sqlite3_reset(insert->statement);
    insert->code = code == SQLITE_OK ? reset : code;
    insert->writer->rows++;
    if (insert->writer->rows % 4096 == 0)
        progress_at(insert->writer->progress, insert->writer->rows);
}

static int insert_close(struct insert *insert)
{
    int code = sqlite3_finalize(insert->statement);
    return insert->code == SQLITE_OK ? code : insert->code;
}

#define I(number) ((int64_t)(number))

/* What repeats the run and has no column of its own. */
static char *other_options(const struct report *report)
{
    json_t *object = json_object();
    (void)json_object_set_new(object, "refs_per_sample",
                              json_integer((json_int_t)report->refs_per_sample));
    (void)json_object_set_new(object, "log_actions",
                              json_integer((json_int_t)report->options->log_actions));
    (void)json_object_set_new(object, "check_every", json_integer(report->options->check_every));
    char *text = json_dumps(object, 0);
    json_decref(object);
    return text;
}

static int put_run(struct row_writer *writer, const struct results *results)
{
    const struct report *report = writer->report;
    const struct options *options = report->options;
    const struct policy_choice *choice = results->replay->choice;
    char *parameters = report_parameters(choice), *others = other_options(report);
    struct insert insert =
        insert_open(writer, "INSERT INTO run(run_id, policy, parameters, machine, "
                            "machine_json, schedule, input, contention, seed, "
                            "epoch_references, options, version, trace_file, "
                            "trace_checksum) "
                            "VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
    if (parameters == NULL || others == NULL)
        insert.code = SQLITE_NOMEM;
    insert_row(&insert, "itttttttiitttt", results->run_id, choice->policy->name, parameters,
               report->machine->name, report->machine_json, report->schedule->name, options->input,
               "off", I(options->seed), I(report->epoch_references), others, DISCO_VERSION,
               options->trace, trace_reader_summary(report->reader)->checksum);
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
            insert_row(&insert, "iti", results->run_id, figure_name[i], I(value->integer));
        else if (value->kind == VALUE_REAL)
            insert_row(&insert, "itr", results->run_id, figure_name[i], value->real);
        else
            insert_row(&insert, "it-", results->run_id, figure_name[i]);
    }
    insert_row(&insert, "iti", results->run_id, "actions_not_logged",
               I(results->replay->record->not_logged));
    return insert_close(&insert);
}

static int put_cpus(struct row_writer *writer, const struct results *results)
{
    static const char *const account_name[] = {
#define ACCOUNT_NAME(name, meaning) #name "_ns",
        MEMORY_ACCOUNTS(ACCOUNT_NAME)
#undef ACCOUNT_NAME
    };
    const struct machine *machine = writer->report->machine;
    const struct memory *memory = results->replay->memory;
    struct insert insert =
        insert_open(writer,
                    "INSERT INTO run_cpu(run_id, cpu, node, counter, value) VALUES(?,?,?,?,?)");
    for (uint32_t i = 0; i < machine->cpus; i++) {
        if (!memory_cpu_used(memory, i))
            continue;
        const struct memory_cpu_counters *cpu = memory_cpu(memory, i);
        int64_t node = machine->cpu_node[i];
#define PUT_COUNTER(name, meaning)                                                                 \
    insert_row(&insert, "iiiti", results->run_id, I(i), node, #name, I(cpu->name));
        MEMORY_CPU_COUNTERS(PUT_COUNTER)
#undef PUT_COUNTER
        uint64_t account_ns[MEMORY_ACCOUNT_COUNT];
        results_accounts_ns(cpu, account_ns);
        for (unsigned a = 0; a < MEMORY_ACCOUNT_COUNT; a++)
            insert_row(&insert, "iiiti", results->run_id, I(i), node, account_name[a],
                       I(account_ns[a]));
    }
    return insert_close(&insert);
}

static int put_nodes(struct row_writer *writer, const struct results *results)
{
    struct insert insert =
        insert_open(writer,
                    "INSERT INTO run_node(run_id, node, frames, frames_used, frames_used_most, "
                    "replica_frames, replica_frames_most, local_accesses, remote_accesses) "
                    "VALUES(?,?,?,?,?,?,?,?,?)");
    for (uint32_t i = 0; i < writer->report->machine->nodes; i++) {
        struct memory_node_state node = memory_node(results->replay->memory, i);
        insert_row(&insert, "iiiiiiiii", results->run_id, I(i), I(node.frames), I(node.frames_used),
                   I(node.frames_used_most), I(node.replica_frames), I(node.replica_frames_most),
                   I(node.local_accesses), I(node.remote_accesses));
    }
    return insert_close(&insert);
}

static int put_traffic(struct row_writer *writer, const struct results *results)
{
    const uint64_t *loads = memory_traffic_loads(results->replay->memory);
    const uint64_t *stores = memory_traffic_stores(results->replay->memory);
    uint32_t nodes = writer->report->machine->nodes;
    struct insert insert =
        insert_open(writer, "INSERT INTO run_traffic(run_id, from_node, to_node, loads, stores) "
                            "VALUES(?,?,?,?,?)");
    for (uint32_t from = 0; from < nodes; from++)
        for (uint32_t to = 0; to < nodes; to++) {
            size_t cell = (size_t)from * nodes + to;
            insert_row(&insert, "iiiii", results->run_id, I(from), I(to), I(loads[cell]),
                       I(stores[cell]));
        }
    return insert_close(&insert);
}

static int put_steps(struct row_writer *writer, const struct results *results)
{
    const struct record *record = results->replay->record;
    struct insert insert = insert_open(
        writer, "INSERT INTO run_epoch(run_id, step, first_reference, \"references\", start_ns, "
                "end_ns, local_accesses, remote_accesses, migrations, replications, collapses, "
                "shootdowns, frames_used, replica_frames) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
    for (uint32_t i = 0; i < record->steps; i++) {
        const struct record_step *step = &record->step[i];
        insert_row(&insert, "iiiiiiiiiiiiii", results->run_id, I(i), I(step->first_reference),
                   I(step->references), I(step->start_ns), I(step->end_ns), I(step->local_accesses),
                   I(step->remote_accesses), I(step->migrations), I(step->replications),
                   I(step->collapses), I(step->shootdowns), I(step->frames_used),
                   I(step->replica_frames));
    }
    return insert_close(&insert);
}

static int put_pages(struct row_writer *writer, const struct results *results,
                     const uint32_t *region)
{
    const struct memory *memory = results->replay->memory;
    struct insert insert = insert_open(
        writer,
        "INSERT INTO run_page(run_id, ppn, space, page, region, first_home, home, replicas, "
        "loads, stores, local_accesses, migrations, replications, collapses) "
        "VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
    for (uint32_t i = 0; i < memory_pages(memory); i++) {
        struct memory_page_state page = memory_page(memory, i);
        if (region[i] == REGION_NONE)
            insert_row(&insert, "iiii-iiiiiiiii", results->run_id, I(i), I(page.space), I(page.vpn),
                       I(page.first_home), I(page.home), I(page.replicas), I(page.loads),
                       I(page.stores), I(page.local_accesses), I(page.migrations),
                       I(page.replications), I(page.collapses));
        else
            insert_row(&insert, "iiiiiiiiiiiiii", results->run_id, I(i), I(page.space), I(page.vpn),
                       I(region[i]), I(page.first_home), I(page.home), I(page.replicas),
                       I(page.loads), I(page.stores), I(page.local_accesses), I(page.migrations),
                       I(page.replications), I(page.collapses));
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
    insert_row(&insert, "i", results->run_id);
    return insert_close(&insert);
}

static int put_actions(struct row_writer *writer, const struct results *results)
{
    static const char *const kind[] = {[MEMORY_ACTION_PLACE] = "place",
                                       [MEMORY_ACTION_MIGRATE] = "migrate",
                                       [MEMORY_ACTION_REPLICATE] = "replicate",
                                       [MEMORY_ACTION_COLLAPSE] = "collapse",
                                       [MEMORY_ACTION_RECLAIM] = "reclaim"};
    static const char *const answer[] = {[POLICY_DONE] = "done",
                                         [POLICY_NO_FRAME] = "no frame",
                                         [POLICY_NOTHING] = "nothing to do",
                                         [POLICY_NONSENSE] = "nonsense"};
    const struct record *record = results->replay->record;
    struct insert insert =
        insert_open(writer,
                    "INSERT INTO run_action(run_id, action, reference, time_ns, kind, answer, ppn, "
                    "from_node, to_node, cpu, cost_ns, reason) VALUES(?,?,?,?,?,?,?,?,?,?,?,?)");
    for (uint64_t i = 0; i < record->actions; i++) {
        const struct memory_action *action = &record->action[i];
        const char *reason = action->reason == NULL ? "" : action->reason;
        if (action->to == MEMORY_NO_NODE)
            insert_row(&insert, "iiiittii-iit", results->run_id, I(i), I(action->reference),
                       I(action->time_ns), kind[action->kind], answer[action->answer],
                       I(action->page), I(action->from), I(action->cpu), I(action->cost_ns),
                       reason);
        else
            insert_row(&insert, "iiiittiiiiit", results->run_id, I(i), I(action->reference),
                       I(action->time_ns), kind[action->kind], answer[action->answer],
                       I(action->page), I(action->from), I(action->to), I(action->cpu),
                       I(action->cost_ns), reason);
    }
    return insert_close(&insert);
}

static int put_pages_and_regions(struct row_writer *writer, const struct results *results)
{
    uint32_t *region = NULL;
    char *error = regions_of_pages(writer->report->reader, results->replay->memory,
                                   writer->report->machine->page_bytes, &region);
    if (error != NULL) {
        free(error);
        return SQLITE_NOMEM; /* the only way in which it fails */
    }
    int code = put_pages(writer, results, region);
    free(region);
    return code == SQLITE_OK ? put_regions(writer, results) : code;
}

int store_run_rows(struct row_writer *writer, const struct results *results)
{
    static int (*const put[])(struct row_writer *, const struct results *) = {
        put_run,     put_metrics, put_cpus,    put_nodes,
        put_traffic, put_steps,   put_actions, put_pages_and_regions,
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
        insert_row(&insert, "iiiittti", I(i), I(region->space), I(region->start), I(region->end),
                   region->kind, region->name, region->file, I(region->file_offset_bytes));
    }
    return insert_close(&insert);
}
