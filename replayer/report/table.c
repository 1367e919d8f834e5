#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "replayer/report/report.h"

#define CELL_BYTES 24u

/* A column: two lines of heading over right-aligned cells. */
struct column {
    const char *head, *below;
    void (*cell)(const struct results *results, char text[CELL_BYTES]);
    /* NULL, or half of the interval in the cell's unit; "" where there is none */
    void (*margin)(const struct results *results, char text[CELL_BYTES]);
    int width; /* filled once all cells are known */
};

static void percent(char text[CELL_BYTES], double share)
{
    (void)snprintf(text, CELL_BYTES, share >= 99.95 ? "%.0f" : "%.1f", share);
}

static void part(const struct results *results, char text[CELL_BYTES], enum figure figure)
{
    uint64_t time_ns = results->figure[FIGURE_time_ns].integer;
    if (time_ns == 0 || results->figure[figure].kind == VALUE_ABSENT)
        (void)snprintf(text, CELL_BYTES, "-");
    else
        percent(text, 100 * (double)results->figure[figure].integer / (double)time_ns);
}

static void count(const struct results *results, char text[CELL_BYTES], enum figure figure)
{
    (void)snprintf(text, CELL_BYTES, "%" PRIu64, results->figure[figure].integer);
}

static void cell_time(const struct results *results, char text[CELL_BYTES])
{
    (void)snprintf(text, CELL_BYTES, "%.3f", (double)results->figure[FIGURE_time_ns].integer / 1e6);
}

static void cell_local(const struct results *results, char text[CELL_BYTES])
{
    const struct value *share = &results->figure[FIGURE_local_share];
    if (share->kind == VALUE_ABSENT)
        (void)snprintf(text, CELL_BYTES, "-");
    else
        percent(text, 100 * share->real);
}

static void cell_imbalance(const struct results *results, char text[CELL_BYTES])
{
    const struct value *imbalance = &results->figure[FIGURE_imbalance];
    if (imbalance->kind == VALUE_ABSENT)
        (void)snprintf(text, CELL_BYTES, "-");
    else
        (void)snprintf(text, CELL_BYTES, "%.0f", imbalance->real);
}

static void cell_optimum(const struct results *results, char text[CELL_BYTES])
{
    const struct value *ratio = &results->figure[FIGURE_optimum_ratio];
    if (ratio->kind == VALUE_ABSENT)
        (void)snprintf(text, CELL_BYTES, "-");
    else
        (void)snprintf(text, CELL_BYTES, "%.2f", ratio->real);
}

#define PART_CELL(name)                                                                            \
    static void cell_##name(const struct results *results, char text[CELL_BYTES])                  \
    {                                                                                              \
        part(results, text, FIGURE_##name##_ns);                                                   \
    }
PART_CELL(execution)
PART_CELL(tlb)
PART_CELL(local_stall)
PART_CELL(remote_stall)
PART_CELL(move)
PART_CELL(shootdown)
PART_CELL(monitor)
PART_CELL(idle)

#define COUNT_CELL(name)                                                                           \
    static void cell_##name(const struct results *results, char text[CELL_BYTES])                  \
    {                                                                                              \
        count(results, text, FIGURE_##name);                                                       \
    }
COUNT_CELL(migrations)
COUNT_CELL(replications)
COUNT_CELL(collapses)
COUNT_CELL(shootdowns)
COUNT_CELL(frames_used)
COUNT_CELL(replica_frames)

static void margin(const struct results *results, char text[CELL_BYTES], enum figure figure,
                   double unit, const char *format)
{
    const struct sampling_interval *interval = &results->interval[figure];
    *text = '\0';
    if (interval->known)
        (void)snprintf(text, CELL_BYTES, format, (interval->high - interval->low) / 2 / unit);
}

static void margin_time(const struct results *results, char text[CELL_BYTES])
{
    margin(results, text, FIGURE_time_ns, 1e6, "%.3f");
}

static void margin_local(const struct results *results, char text[CELL_BYTES])
{
    margin(results, text, FIGURE_local_share, 0.01, "%.1f");
}

static void margin_imbalance(const struct results *results, char text[CELL_BYTES])
{
    margin(results, text, FIGURE_imbalance, 1, "%.0f");
}

/* The run time and its parts in %, then what the policy did. */
static const struct column column[] = {
    {"time", "ms", cell_time, margin_time, 0},
    {"exec", "%", cell_execution, NULL, 0},
    {"tlb", "%", cell_tlb, NULL, 0},
    {"local", "%", cell_local_stall, NULL, 0},
    {"remote", "%", cell_remote_stall, NULL, 0},
    {"move", "%", cell_move, NULL, 0},
    {"shoot", "%", cell_shootdown, NULL, 0},
    {"mon", "%", cell_monitor, NULL, 0},
    {"idle", "%", cell_idle, NULL, 0},
    {"local", "acc%", cell_local, margin_local, 0},
    {"imba-", "lance", cell_imbalance, margin_imbalance, 0},
    {"mig-", "rated", cell_migrations, NULL, 0},
    {"repli-", "cated", cell_replications, NULL, 0},
    {"col-", "lapsed", cell_collapses, NULL, 0},
    {"shoot", "downs", cell_shootdowns, NULL, 0},
    {"frames", "", cell_frames_used, NULL, 0},
    {"repl-", "icas", cell_replica_frames, NULL, 0},
    {"opti-", "mum", cell_optimum, NULL, 0},
};
#define COLUMNS_ALL  (sizeof column / sizeof *column)
#define COLUMNS_TIME 9u /* a table that is too wide is broken behind these */

static int wider(int width, const char *text)
{
    int length = (int)strlen(text);
    return length > width ? length : width;
}

/* Below a sampled run: how far off its figures may be. */
static void print_margins(const struct results *results, const struct column *columns, size_t count,
                          int label_width, FILE *out)
{
    char text[CELL_BYTES];
    bool any = false;
    for (size_t i = 0; i < count && !any; i++)
        if (columns[i].margin != NULL) {
            columns[i].margin(results, text);
            any = *text != '\0';
        }
    if (!any)
        return;
    (void)fprintf(out, "%*s", label_width + 1, "\u00b1"); /* two bytes, one column */
    for (size_t i = 0; i < count; i++) {
        *text = '\0';
        if (columns[i].margin != NULL)
            columns[i].margin(results, text);
        (void)fprintf(out, " %*s", columns[i].width, text);
    }
    (void)fputc('\n', out);
}

static void print_columns(const struct report *report, const struct column *columns, size_t count,
                          int label_width, FILE *out)
{
    for (unsigned line = 0; line < 2; line++) {
        (void)fprintf(out, "%-*s", label_width, line == 0 ? "" : "policy");
        for (size_t i = 0; i < count; i++)
            (void)fprintf(out, " %*s", columns[i].width,
                          line == 0 ? columns[i].head : columns[i].below);
        (void)fputc('\n', out);
    }
    for (size_t run = 0; run < report->runs; run++) {
        (void)fprintf(out, "%-*s", label_width, report->results[run].run.choice->label);
        for (size_t i = 0; i < count; i++) {
            char text[CELL_BYTES];
            columns[i].cell(&report->results[run], text);
            (void)fprintf(out, " %*s", columns[i].width, text);
        }
        (void)fputc('\n', out);
        print_margins(&report->results[run], columns, count, label_width, out);
    }
}

static void print_table(const struct report *report, FILE *out)
{
    struct column wide[COLUMNS_ALL];
    memcpy(wide, column, sizeof wide);
    int label_width = (int)strlen("policy");
    for (size_t run = 0; run < report->runs; run++)
        label_width = wider(label_width, report->results[run].run.choice->label);
    int whole = label_width;
    for (size_t i = 0; i < COLUMNS_ALL; i++) {
        wide[i].width = wider(wider(0, wide[i].head), wide[i].below);
        for (size_t run = 0; run < report->runs; run++) {
            char text[CELL_BYTES];
            wide[i].cell(&report->results[run], text);
            wide[i].width = wider(wide[i].width, text);
            if (wide[i].margin == NULL)
                continue;
            wide[i].margin(&report->results[run], text);
            wide[i].width = wider(wide[i].width, text);
        }
        whole += 1 + wide[i].width;
    }
    if (whole <= (int)REPORT_COLUMNS) {
        print_columns(report, wide, COLUMNS_ALL, label_width, out);
        return;
    }
    print_columns(report, wide, COLUMNS_TIME, label_width, out);
    (void)fputc('\n', out);
    print_columns(report, wide + COLUMNS_TIME, COLUMNS_ALL - COLUMNS_TIME, label_width, out);
}

static void print_sampling(const struct report *report, FILE *out)
{
    const struct trace_summary *summary = trace_reader_summary(report->reader);
    if (report->refs_per_sample > 1)
        (void)fprintf(out,
                      "sampling   each reference stands for %" PRIu64
                      "%s; times are without TLB refills, \u00b1: 95 %% interval\n",
                      report->refs_per_sample,
                      (summary->facts.columns & COLUMN_BIT(COLUMN_WEIGHT)) != 0
                          ? ", or for its weight"
                          : "");
    else if (summary->facts.sampled)
        (void)fprintf(out, "sampling   some references are missing; times are of those recorded\n");
    else
        (void)fprintf(out, "sampling   none: every reference is in the trace\n");
}

static void print_left_out(const struct report *report, FILE *out)
{
    bool any = false;
    const uint64_t *events = report->left_out;
    for (unsigned i = 0; i < EVENT_TYPES; i++) {
        if (events[i] == 0)
            continue;
        (void)fprintf(out, "%s %" PRIu64 " %s", any ? "," : "left out  ", events[i],
                      event_type_names[i]);
        any = true;
    }
    if (any)
        (void)fprintf(out, " events, which this version does not replay\n");
}

static void print_heading(const struct report *report, FILE *out)
{
    const struct trace_summary *summary = trace_reader_summary(report->reader);
    const struct machine *machine = report->machine;
    (void)fprintf(out, "trace      %s (%s%s): %" PRIu64 " references of %" PRIu32 " stream%s\n",
                  report->trace, summary->facts.source == NULL ? "?" : summary->facts.source,
                  summary->complete ? "" : ", cut off", summary->refs, summary->streams,
                  summary->streams == 1 ? "" : "s");
    (void)fprintf(out,
                  "machine    %s: %" PRIu32 " CPUs, %" PRIu32 " nodes, pages of %" PRIu32
                  " bytes\n",
                  machine->name, machine->cpus, machine->nodes, machine->page_bytes);
    (void)fprintf(out, "schedule   %s%s%s\n", report->schedule,
                  report->schedule_reason == NULL ? "" : ": ",
                  report->schedule_reason == NULL ? "" : report->schedule_reason);
    print_sampling(report, out);
    print_left_out(report, out);
    (void)fputc('\n', out);
}

/* How much of what each level was asked missed it. */
static void print_caches(const struct report *report, FILE *out)
{
    const struct caches *caches = guest_caches(memory_guest(report->results[0].run.memory));
    const struct machine *machine = report->machine;
    if (caches == NULL) {
        const struct trace_facts *facts = &trace_reader_summary(report->reader)->facts;
        const char *why = !report->misses  ? "the machine has none"
                          : facts->sampled ? "samples do not tell what they held; the whole trace "
                                             "compares with --input misses"
                                           : "the trace holds misses";
        (void)fprintf(out, "\ncaches     left out (%s): every reference reaches memory\n", why);
        return;
    }
    for (uint32_t i = 0; i < machine->caches; i++) {
        const struct caches_counters count = caches_counted(caches, i);
        const double ratio =
            count.accesses == 0 ? 0 : 100 * (double)count.misses / (double)count.accesses;
        (void)fprintf(out, "%s L%" PRIu32 " %s %.2f%%", i == 0 ? "\ncaches     misses of" : ",",
                      machine->cache[i].level, machine->cache[i].kind, ratio);
    }
    (void)fprintf(out, "; %" PRIu64 " references reached memory\n",
                  report->results[0].figure[FIGURE_memory_accesses].integer);
}

static void print_best(const struct report *report, FILE *out)
{
    size_t best = 0, worst = 0;
    for (size_t i = 1; i < report->runs; i++) {
        uint64_t time_ns = report->results[i].figure[FIGURE_time_ns].integer;
        if (time_ns < report->results[best].figure[FIGURE_time_ns].integer)
            best = i;
        if (time_ns > report->results[worst].figure[FIGURE_time_ns].integer)
            worst = i;
    }
    double best_ns = (double)report->results[best].figure[FIGURE_time_ns].integer;
    double worst_ns = (double)report->results[worst].figure[FIGURE_time_ns].integer;
    if (report->runs == 1)
        return;
    if (best_ns == worst_ns) {
        (void)fprintf(out, "\nAll of them take the same time, %.3f ms.\n", best_ns / 1e6);
        return;
    }
    const char *before = "\nFastest:";
    for (size_t i = best; i < report->runs; i++) {
        if (report->results[i].figure[FIGURE_time_ns].integer !=
            report->results[best].figure[FIGURE_time_ns].integer)
            continue;
        (void)fprintf(out, "%s %s", before, report->results[i].run.choice->label);
        before = " =";
    }
    (void)fprintf(out, ", %.3f ms, %.2f times as fast as %s (%.3f ms).\n", best_ns / 1e6,
                  worst_ns / best_ns, report->results[worst].run.choice->label, worst_ns / 1e6);
}

char *report_table(const struct report *report, FILE *out)
{
    print_heading(report, out);
    print_table(report, out);
    print_caches(report, out);
    print_best(report, out);
    return ferror(out) ? say("standard output: the table could not be written") : NULL;
}
