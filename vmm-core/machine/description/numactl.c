/* Reads the text of `numactl --hardware`:
 *
 *   available: 3 nodes (0,8,250)
 *   node 0 cpus: 0 1 2 3
 *   node 0 size: 130564 MB                  MiB in truth: numactl shifts bytes by 20
 *   node 0 free: 120001 MB                  not used
 *   node distances:
 *   node   0   8  250
 *     0:  10  40   80                       row: from, column: to
 *
 * A node's `cpus:` line opens it (empty: no CPUs); distances are missing in a kernel without ACPI.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm-core/machine/description/draft.h"
#include "vmm-core/machine/description/fields.h"

struct text {
    struct draft *draft;
    const char *at;  /* start of the next line */
    const char *end; /* of the current line: its newline or the text's NUL */
    unsigned line;   /* of the current one, from 1 */
    uint64_t sized;  /* bit n: node n has its size line */
    uint64_t rows;   /* bit n: the distances have row n */
    uint32_t columns;
    uint32_t column[MACHINE_NODES_MAX]; /* node index of each column of the distances */
    uint32_t distance[MACHINE_NODES_MAX * MACHINE_NODES_MAX];
};

static char *at_line(const struct text *text, const char *what)
{
    char place[24];
    snprintf(place, sizeof place, "line %u", text->line);
    return draft_error(text->draft, place, "%s", what);
}

/* Steps over blanks, then over `word`; false, and nothing is stepped over, if it is not there. */
static bool skip_word(const struct text *text, const char **at, const char *word)
{
    const char *here = *at;
    size_t length = strlen(word);
    while (here < text->end && isblank((unsigned char)*here))
        here++;
    if ((size_t)(text->end - here) < length || strncmp(here, word, length) != 0)
        return false;
    *at = here + length;
    return true;
}

/* The next number of the line, below 2^40 so that sums and shifts stay within 64 bits. */
static bool next_number(const struct text *text, const char **at, uint64_t *number)
{
    const char *here = *at;
    uint64_t value = 0;
    while (here < text->end && isblank((unsigned char)*here))
        here++;
    const char *digits = here;
    for (; here < text->end && isdigit((unsigned char)*here) && value < UINT64_C(1) << 40; here++)
        value = value * 10 + (uint64_t)(*here - '0');
    if (here == digits || (here < text->end && isdigit((unsigned char)*here)))
        return false;
    *at = here;
    *number = value;
    return true;
}

static bool line_ends(const struct text *text, const char *at)
{
    while (at < text->end && isspace((unsigned char)*at))
        at++;
    return at == text->end;
}

static bool find_node(const struct draft *draft, uint64_t os_id, uint32_t *node)
{
    for (uint32_t i = 0; i < draft->nodes; i++) {
        if (draft->node[i].os_id == os_id) {
            *node = i;
            return true;
        }
    }
    return false;
}

static char *read_cpus(struct text *text, uint64_t os_id, const char *at)
{
    uint64_t cpu;
    char place[24], *error = draft_add_node(text->draft, os_id, 0);
    snprintf(place, sizeof place, "line %u", text->line);
    while (error == NULL && next_number(text, &at, &cpu))
        error = draft_add_cpu(text->draft, text->draft->nodes - 1, cpu, place);
    if (error == NULL && !line_ends(text, at))
        return at_line(text, "not a list of CPU numbers; give the text as numactl printed it");
    return error;
}

static char *read_node_line(struct text *text, uint64_t os_id, const char *at)
{
    uint32_t node;
    uint64_t mib;
    if (skip_word(text, &at, "cpus:"))
        return read_cpus(text, os_id, at);
    if (!find_node(text->draft, os_id, &node))
        return at_line(
            text, "a node that has no 'cpus:' line before; give the text as numactl printed it");
    if (skip_word(text, &at, "free:"))
        return NULL;
    if (!skip_word(text, &at, "size:") || !next_number(text, &at, &mib) ||
        !skip_word(text, &at, "MB") || !line_ends(text, at))
        return at_line(
            text, "neither 'cpus:', 'size: N MB' nor 'free:'; give the text as numactl printed it");
    if (mib > MEMORY_MOST >> 20)
        return at_line(text, "more than 1 PiB of memory; give less");
    text->draft->node[node].memory_bytes = mib << 20;
    text->sized |= UINT64_C(1) << node;
    return NULL;
}

/* "node   0   8  250" */
static char *read_columns(struct text *text, const char *at)
{
    uint64_t os_id;
    if (text->columns > 0)
        return at_line(text, "a second head of distances; leave one");
    uint64_t seen = 0;
    while (next_number(text, &at, &os_id)) {
        uint32_t node;
        if (!find_node(text->draft, os_id, &node) || (seen >> node & 1) != 0)
            return at_line(text, "a column for a node that is not listed above, or a second one; "
                                 "give the text as numactl printed it");
        seen |= UINT64_C(1) << node;
        text->column[text->columns++] = node;
    }
    if (!line_ends(text, at) || text->columns != text->draft->nodes)
        return at_line(text, "not one column for each node; give the text as numactl printed it");
    return NULL;
}

/* "  0:  10  40   80" */
static char *read_row(struct text *text, uint64_t os_id, const char *at)
{
    uint32_t from;
    uint64_t distance;
    if (text->columns == 0 || !find_node(text->draft, os_id, &from))
        return at_line(text, "a row of distances for a node that is not listed above; give the "
                             "text as numactl printed it");
    for (uint32_t i = 0; i < text->columns; i++) {
        if (!next_number(text, &at, &distance) || distance == 0 || distance > 254)
            return at_line(text, "not one distance from 1 to 254 for each node; give the text as "
                                 "numactl printed it");
        text->distance[from * text->draft->nodes + text->column[i]] = (uint32_t)distance;
    }
    if (!line_ends(text, at))
        return at_line(text, "more distances than nodes; give the text as numactl printed it");
    text->rows |= UINT64_C(1) << from;
    return NULL;
}

static char *read_line(struct text *text, const char *at)
{
    uint64_t os_id;
    if (line_ends(text, at) || skip_word(text, &at, "available:") ||
        skip_word(text, &at, "node distances:"))
        return NULL;
    const char *row = at;
    if (next_number(text, &row, &os_id) && skip_word(text, &row, ":"))
        return read_row(text, os_id, row);
    if (!skip_word(text, &at, "node"))
        return at_line(text,
                       "not a line of numactl --hardware; give the text as numactl printed it");
    const char *node = at;
    if (next_number(text, &node, &os_id) && !line_ends(text, node) &&
        isalpha((unsigned char)node[strspn(node, " \t")]))
        return read_node_line(text, os_id, node);
    return read_columns(text, at);
}

static char *finish(struct text *text)
{
    struct draft *draft = text->draft;
    char place[32];
    for (uint32_t i = 0; i < draft->nodes; i++) {
        snprintf(place, sizeof place, "node %" PRIu32, draft->node[i].os_id);
        if ((text->sized >> i & 1) == 0)
            return draft_error(draft, place,
                               "no 'size:' line; give the text as numactl printed it");
        if (text->columns > 0 && (text->rows >> i & 1) == 0)
            return draft_error(draft, place,
                               "no row in the distances; give the text as numactl printed it");
    }
    if (draft->nodes == 0)
        return draft_error(draft, "text",
                           "no 'node N cpus:' line; give the output of numactl --hardware");
    draft_remark(draft, "Nodes, CPUs and memory from numactl --hardware. TLB and costs are "
                        "defaults for a Linux server.");
    return draft_derive_latency(draft, text->columns > 0 ? text->distance : NULL, DEFAULT_LOCAL_NS,
                                "default: Intel MLC on a 2-socket Ice Lake");
}

char *draft_read_numactl(struct draft *draft, const char *source)
{
    struct text *text = calloc(1, sizeof *text);
    if (text == NULL)
        return draft_error(draft, "text", "out of memory");
    text->draft = draft;
    text->at = source;
    char *error = NULL;
    while (error == NULL && *text->at != '\0') {
        const char *line = text->at;
        text->end = line + strcspn(line, "\n");
        text->at = *text->end == '\n' ? text->end + 1 : text->end;
        text->line++;
        error = read_line(text, line);
    }
    if (error == NULL)
        error = finish(text);
    free(text);
    return error;
}
