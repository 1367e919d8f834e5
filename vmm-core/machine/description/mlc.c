/* Reads the output of Intel Memory Latency Checker, `mlc` without arguments:
 *
 *   Measuring idle latencies ...            ns; row: node of the CPUs, column: node of the memory
 *                   Numa node
 *   Numa node            0       1
 *          0          89.2   142.7
 *          1         142.9    89.0
 *   Measuring Memory Bandwidths between nodes within system      MB/s, of 1,000,000 bytes
 *   (as above)
 *   Measuring Loaded Latencies for the system
 *   Inject  Latency Bandwidth
 *   Delay   (ns)    MB/sec
 *   ==========================
 *    00000  264.04   351871.6               all CPUs together, each on its own node's memory
 *
 * The latencies are needed, the others are taken where they are there. A node with CPUs and memory
 * has its part of the loaded latencies as its curve, or is busy for a line divided by its local
 * bandwidth. A remote bandwidth becomes a link. Other sections are left out. What MLC does not tell
 * is assumed, and said in `source`.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm-core/machine/description/draft.h"
#include "vmm-core/machine/description/fields.h"

#define ASSUMED_CPUS 16u /* a node; ours */
#define LINE_BYTES   UINT64_C(64)
#define NUMBER_MOST  UINT64_C(1000000000000) /* thousandths: 1 ms in ns, 1000 TB/s in MB/s */

enum section { SECTION_OTHER, SECTION_IDLE, SECTION_BANDWIDTH, SECTION_LOADED };

/* Values in thousandths, 0: not given. */
struct matrix {
    uint32_t rows, columns;
    uint64_t row[MACHINE_NODES_MAX], column[MACHINE_NODES_MAX]; /* the nodes' own numbers */
    uint64_t value[MACHINE_NODES_MAX * MACHINE_NODES_MAX]; /* [row * MACHINE_NODES_MAX + column] */
};

struct mlc {
    struct draft *draft;
    const char *at;  /* in the current line */
    const char *end; /* of it */
    unsigned line;
    enum section section;
    struct matrix idle, bandwidth;
    uint32_t points;
    struct machine_curve_point point[MACHINE_CURVE_MAX]; /* of the whole machine */
};

static char *at_line(const struct mlc *mlc, const char *what)
{
    char place[24];
    snprintf(place, sizeof place, "line %u", mlc->line);
    return draft_error(mlc->draft, place, "%s; give the text as mlc printed it", what);
}

static void skip_blanks(struct mlc *mlc)
{
    while (mlc->at < mlc->end && isspace((unsigned char)*mlc->at))
        mlc->at++;
}

static bool skip_word(struct mlc *mlc, const char *word)
{
    skip_blanks(mlc);
    const size_t length = strlen(word);
    if ((size_t)(mlc->end - mlc->at) < length || strncmp(mlc->at, word, length) != 0)
        return false;
    mlc->at += length;
    return true;
}

static bool at_digit(struct mlc *mlc)
{
    skip_blanks(mlc);
    return mlc->at < mlc->end && isdigit((unsigned char)*mlc->at);
}

/* "142.7" as 142700. More decimals than three are left out. */
static bool next_number(struct mlc *mlc, uint64_t *thousandths)
{
    if (!at_digit(mlc))
        return false;
    uint64_t value = 0, part = 1000;
    for (; mlc->at < mlc->end && isdigit((unsigned char)*mlc->at); mlc->at++) {
        value = value * 10 + (uint64_t)(*mlc->at - '0') * 1000;
        if (value > NUMBER_MOST)
            return false;
    }
    if (mlc->at < mlc->end && *mlc->at == '.')
        for (mlc->at++; mlc->at < mlc->end && isdigit((unsigned char)*mlc->at); mlc->at++)
            value += (uint64_t)(*mlc->at - '0') * (part /= 10);
    *thousandths = value;
    return mlc->at == mlc->end || isspace((unsigned char)*mlc->at);
}

static bool line_ends(struct mlc *mlc)
{
    skip_blanks(mlc);
    return mlc->at == mlc->end;
}

/* A node's number; false: none, or too large. */
static bool next_node(struct mlc *mlc, uint64_t *node)
{
    uint64_t thousandths;
    if (!next_number(mlc, &thousandths) || thousandths % 1000 != 0)
        return false;
    *node = thousandths / 1000;
    return *node <= NODE_ID_MOST;
}

static char *read_columns(struct mlc *mlc, struct matrix *matrix)
{
    uint64_t node;
    if (line_ends(mlc)) /* the head above the numbers */
        return NULL;
    if (matrix->columns > 0)
        return at_line(mlc, "a second head of the same table");
    while (at_digit(mlc)) {
        if (matrix->columns == MACHINE_NODES_MAX || !next_node(mlc, &node) ||
            (matrix->columns > 0 && node <= matrix->column[matrix->columns - 1]))
            return at_line(mlc, "not up to 64 rising numbers of nodes");
        matrix->column[matrix->columns++] = node;
    }
    return line_ends(mlc) && matrix->columns > 0 ? NULL : at_line(mlc, "not the numbers of nodes");
}

static char *read_row(struct mlc *mlc, struct matrix *matrix)
{
    uint64_t *const value = matrix->value + (size_t)matrix->rows * MACHINE_NODES_MAX;
    if (matrix->columns == 0)
        return at_line(mlc, "a row of a table before its head");
    if (matrix->rows == MACHINE_NODES_MAX || !next_node(mlc, &matrix->row[matrix->rows]) ||
        (matrix->rows > 0 && matrix->row[matrix->rows] <= matrix->row[matrix->rows - 1]))
        return at_line(mlc, "not a row for up to 64 nodes, by rising number");
    for (uint32_t i = 0; i < matrix->columns; i++)
        if (!next_number(mlc, &value[i]) && !skip_word(mlc, "-"))
            return at_line(mlc, "not one number for each column");
    matrix->rows++;
    return line_ends(mlc) ? NULL : at_line(mlc, "more numbers than columns");
}

static char *read_point(struct mlc *mlc)
{
    uint64_t delay, latency, mb_per_s;
    if (!next_number(mlc, &delay) || !next_number(mlc, &latency) || !next_number(mlc, &mb_per_s) ||
        !line_ends(mlc))
        return at_line(mlc, "not a delay, a latency and a bandwidth");
    mb_per_s /= 1000;
    if (latency > (uint64_t)LATENCY_MOST_NS * 1000 || mb_per_s == 0 || mb_per_s > UINT32_MAX)
        return at_line(mlc, "a latency above 1 ms, or no bandwidth");
    if (mlc->points == MACHINE_CURVE_MAX)
        return at_line(mlc, "more than 64 loaded latencies");
    mlc->point[mlc->points++] = (struct machine_curve_point){(uint32_t)mb_per_s, (uint32_t)latency};
    return NULL;
}

static bool in_line(const struct mlc *mlc, const char *words)
{
    return memmem(mlc->at, (size_t)(mlc->end - mlc->at), words, strlen(words)) != NULL;
}

static char *read_line(struct mlc *mlc)
{
    if (skip_word(mlc, "Measuring")) {
        mlc->section = in_line(mlc, "idle latencies")             ? SECTION_IDLE
                       : in_line(mlc, "Bandwidths between nodes") ? SECTION_BANDWIDTH
                       : in_line(mlc, "Loaded Latencies")         ? SECTION_LOADED
                                                                  : SECTION_OTHER;
        return NULL;
    }
    if (mlc->section == SECTION_OTHER)
        return NULL;
    if (mlc->section == SECTION_LOADED)
        return at_digit(mlc) ? read_point(mlc) : NULL;
    struct matrix *const matrix = mlc->section == SECTION_IDLE ? &mlc->idle : &mlc->bandwidth;
    if (skip_word(mlc, "Numa node"))
        return read_columns(mlc, matrix);
    return at_digit(mlc) ? read_row(mlc, matrix) : NULL;
}

/* ---- from tables to a machine ---- */

static uint64_t value_of(const struct matrix *matrix, uint64_t row_node, uint64_t column_node)
{
    for (uint32_t row = 0; row < matrix->rows; row++)
        for (uint32_t i = 0; matrix->row[row] == row_node && i < matrix->columns; i++)
            if (matrix->column[i] == column_node)
                return matrix->value[row * MACHINE_NODES_MAX + i];
    return 0;
}

/* Rows are nodes with CPUs, columns nodes with memory. */
static char *add_nodes(struct mlc *mlc)
{
    const struct matrix *const idle = &mlc->idle;
    uint32_t row = 0, column = 0, cpu = 0;
    char *error = NULL;
    while (error == NULL && (row < idle->rows || column < idle->columns)) {
        const uint64_t cpus = row < idle->rows ? idle->row[row] : UINT64_MAX;
        const uint64_t memory = column < idle->columns ? idle->column[column] : UINT64_MAX;
        const uint64_t node = cpus < memory ? cpus : memory;
        error = draft_add_node(mlc->draft, node, node == memory ? DEFAULT_MEMORY_BYTES : 0);
        for (uint32_t i = 0; error == NULL && node == cpus && i < ASSUMED_CPUS; i++)
            error = draft_add_cpu(mlc->draft, mlc->draft->nodes - 1, cpu++, "idle latencies");
        row += node == cpus;
        column += node == memory;
    }
    return error;
}

/* To a node without memory, which nobody could measure: the longest of its row. */
static char *set_latencies(struct mlc *mlc)
{
    struct draft *const draft = mlc->draft;
    for (uint32_t from = 0; from < draft->nodes; from++) {
        uint64_t longest = 0;
        for (uint32_t to = 0; to < draft->nodes; to++) {
            const uint64_t ps =
                value_of(&mlc->idle, draft->node[from].os_id, draft->node[to].os_id);
            const uint64_t ns = (ps + 500) / 1000;
            if (ns > LATENCY_MOST_NS)
                return draft_error(draft, "idle latencies",
                                   "a latency of %" PRIu64 " ns; give up to %u", ns,
                                   LATENCY_MOST_NS);
            draft->latency_ns[from * draft->nodes + to] = (uint32_t)ns;
            longest = ns > longest ? ns : longest;
        }
        for (uint32_t to = 0; to < draft->nodes; to++)
            if (draft->node[to].memory_bytes == 0)
                draft->latency_ns[from * draft->nodes + to] = (uint32_t)longest;
    }
    return NULL;
}

static void set_bandwidths(struct mlc *mlc)
{
    struct draft *const draft = mlc->draft;
    for (uint32_t to = 0; to < draft->nodes; to++) {
        uint64_t most = 0;
        for (uint32_t from = 0; from < draft->nodes; from++) {
            const uint64_t mb_per_s =
                value_of(&mlc->bandwidth, draft->node[from].os_id, draft->node[to].os_id) / 1000;
            if (mb_per_s == 0 || mb_per_s > UINT32_MAX)
                continue;
            most = mb_per_s > most ? mb_per_s : most;
            if (from != to)
                draft->link[draft->links++] = (struct machine_link){to, from, (uint32_t)mb_per_s};
        }
        if (most > 0)
            draft->node[to].service_ps = (uint32_t)(LINE_BYTES * 1000000 / most);
    }
}

static int by_rate(const void *left, const void *right)
{
    const struct machine_curve_point *const a = left, *const b = right;
    if (a->mb_per_s != b->mb_per_s)
        return (a->mb_per_s > b->mb_per_s) - (a->mb_per_s < b->mb_per_s);
    return (a->latency_ps > b->latency_ps) - (a->latency_ps < b->latency_ps);
}

/* Every node with CPUs and memory gave the same part of the bandwidth. */
static void set_curves(struct mlc *mlc)
{
    struct draft *const draft = mlc->draft;
    uint32_t sharing = 0;
    for (uint32_t i = 0; i < draft->nodes; i++)
        sharing += draft->node[i].cpus > 0 && draft->node[i].memory_bytes > 0;
    qsort(mlc->point, mlc->points, sizeof mlc->point[0], by_rate);
    for (uint32_t i = 0; i < draft->nodes; i++) {
        struct machine_node *const node = &draft->node[i];
        if (node->cpus == 0 || node->memory_bytes == 0)
            continue;
        node->curve = draft->curve_points;
        for (uint32_t at = 0; at < mlc->points; at++) {
            const struct machine_curve_point point = {mlc->point[at].mb_per_s / sharing,
                                                      mlc->point[at].latency_ps};
            struct machine_curve_point *const last = &draft->curve[draft->curve_points];
            const bool first = draft->curve_points == node->curve;
            if (point.mb_per_s > 0 && (first || point.mb_per_s > last[-1].mb_per_s))
                draft->curve[draft->curve_points++] = point;
        }
        node->curve_points = draft->curve_points - node->curve;
    }
}

static char *finish(struct mlc *mlc)
{
    struct draft *const draft = mlc->draft;
    if (mlc->idle.rows == 0)
        return draft_error(draft, "text",
                           "no idle latencies; give the output of mlc without arguments");
    char *error = add_nodes(mlc);
    if (error == NULL)
        error = set_latencies(mlc);
    if (error != NULL)
        return error;
    set_bandwidths(mlc);
    set_curves(mlc);
    draft_remark(draft, "Latencies measured by Intel Memory Latency Checker.");
    draft_remark(draft, mlc->bandwidth.rows > 0
                            ? "Links and bandwidths of nodes are those it measured between nodes."
                            : "Bandwidths between nodes are not known: no links.");
    draft_remark(draft, mlc->points > 0 ? "Curves are its loaded latencies, shared evenly by the "
                                          "nodes with CPUs and memory."
                                        : "Loaded latencies are not known.");
    draft_remark(draft, "Not told by it, and assumed: 16 CPUs and 16 GiB a node; TLB and costs are "
                        "defaults for a Linux server.");
    return NULL;
}

bool draft_is_mlc(const char *text)
{
    return strncmp(text, "Intel(R) Memory Latency Checker", 31) == 0 ||
           strncmp(text, "Measuring idle latencies", 24) == 0;
}

char *draft_read_mlc(struct draft *draft, const char *text)
{
    struct mlc *const mlc = calloc(1, sizeof *mlc);
    if (mlc == NULL)
        return draft_error(draft, "text", "out of memory");
    mlc->draft = draft;
    char *error = NULL;
    while (error == NULL && *text != '\0') {
        mlc->at = text;
        mlc->end = text + strcspn(text, "\n");
        mlc->line++;
        text = *mlc->end == '\n' ? mlc->end + 1 : mlc->end;
        error = read_line(mlc);
    }
    if (error == NULL)
        error = finish(mlc);
    free(mlc);
    return error;
}
