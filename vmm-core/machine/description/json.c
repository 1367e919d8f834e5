/* Reads a machine from JSON. Strict: an unknown key, a wrong type or a value out of range is
 * refused with its JSON path. Scalars go by the tables of fields.h (json-values.c); what has a shape
 * of its own is read here. */
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "vmm-core/machine/description/defaults.h"
#include "vmm-core/machine/description/draft.h"
#include "vmm-core/machine/description/fields.h"
#include "vmm-core/machine/description/json-values.h"
#include "vmm-core/machine/description/size.h"

/* ---- nodes ---- */

/* "4-7" or "4"; strictly digits. */
static bool parse_range(const char *text, uint64_t *first, uint64_t *last)
{
    char left[24];
    const char *dash = strchr(text, '-');
    size_t length = dash != NULL ? (size_t)(dash - text) : strlen(text);
    if (length >= sizeof left)
        return false;
    memcpy(left, text, length);
    left[length] = '\0';
    const char *right = dash != NULL ? dash + 1 : left;
    size_t digits_left = strspn(left, "0123456789"), digits_right = strspn(right, "0123456789");
    if (left[digits_left] != '\0' || right[digits_right] != '\0')
        return false;
    return size_parse(left, first) && size_parse(right, last) && *first <= *last;
}

static char *read_cpus(struct draft *draft, const char *path, const json_t *cpus, uint32_t node)
{
    char *error = read_list(draft, path, cpus), place[PATH_BYTES];
    for (size_t i = 0; error == NULL && i < json_array_size(cpus); i++) {
        const json_t *value = json_array_get(cpus, i);
        uint64_t first = 0, last = 0;
        at_index(place, path, i);
        if (json_is_string(value)) {
            if (!parse_range(json_string_value(value), &first, &last))
                return draft_error(draft, place,
                                   "'%.40s' is not a range of CPUs; write one such as \"0-15\"",
                                   json_string_value(value));
        } else {
            error = in_range(draft, place, value, 0, CPU_ID_MOST, &first);
            if (error != NULL)
                return error;
            last = first;
        }
        for (uint64_t cpu = first; error == NULL && cpu <= last; cpu++)
            error = draft_add_cpu(draft, node, cpu, place);
    }
    return error;
}

static char *read_nodes(struct draft *draft, const json_t *nodes)
{
    static const char *const keys[] = {"id", "cpus", "memory", "service_ns", "curve", NULL};
    char path[PATH_BYTES], place[PATH_BYTES], *error = read_list(draft, "$.nodes", nodes);
    for (size_t i = 0; error == NULL && i < json_array_size(nodes); i++) {
        json_t *object = json_array_get(nodes, i), *value;
        uint64_t id = i, memory = DEFAULT_MEMORY_BYTES;
        at_index(path, "$.nodes", i);
        error = read_object(draft, path, object, NULL, keys, NULL);
        if (error == NULL && (value = json_object_get(object, "id")) != NULL)
            error = in_range(draft, at_key(place, path, "id"), value, 0, NODE_ID_MOST, &id);
        if (error == NULL && (value = json_object_get(object, "memory")) != NULL)
            error = read_size(draft, at_key(place, path, "memory"), value, 0, MEMORY_MOST, &memory);
        if (error == NULL)
            error = draft_add_node(draft, id, memory);
        if (error != NULL)
            return error;
        if ((value = json_object_get(object, "service_ns")) != NULL)
            error = read_service(draft, at_key(place, path, "service_ns"), value, (uint32_t)i);
        if (error == NULL && (value = json_object_get(object, "curve")) != NULL)
            error = read_curve(draft, at_key(place, path, "curve"), value, (uint32_t)i);
        if (error == NULL && (value = json_object_get(object, "cpus")) != NULL)
            error = read_cpus(draft, at_key(place, path, "cpus"), value, (uint32_t)i);
    }
    return error;
}

/* ---- latencies ---- */

/* A number of ns, which measuring tools give with fractions: to the nearest. */
static char *read_latency(const struct draft *draft, const char *path, const json_t *value,
                          uint32_t *out)
{
    if (json_is_null(value)) {
        *out = DRAFT_LATENCY_NONE;
        return NULL;
    }
    if (!json_is_number(value))
        return expected(draft, path, value, "a number of ns");
    double ns = json_number_value(value);
    if (ns < 0)
        return draft_error(draft, path, "a negative latency, %g; give ns from 1 to %u", ns,
                           LATENCY_MOST_NS);
    if (ns > LATENCY_MOST_NS || (ns > 0 && ns < 0.5))
        return draft_error(draft, path, "a latency of %g ns; give ns from 1 to %u", ns,
                           LATENCY_MOST_NS);
    *out = (uint32_t)lround(ns);
    return NULL;
}

static char *read_distance(const struct draft *draft, const char *path, const json_t *value,
                           uint32_t *out)
{
    uint64_t distance = 0;
    char *error =
        in_range(draft, path, value, 1, 254, &distance); /* 255 is "unreachable" in a SLIT */
    *out = (uint32_t)distance;
    return error;
}

/* A matrix of nodes x nodes. */
static char *read_matrix(const struct draft *draft, const char *path, const json_t *matrix,
                         char *(*read)(const struct draft *, const char *, const json_t *,
                                       uint32_t *),
                         uint32_t *out)
{
    char row_path[PATH_BYTES], place[PATH_BYTES];
    uint32_t nodes = draft->nodes;
    char *error = read_list(draft, path, matrix);
    if (error == NULL && json_array_size(matrix) != nodes)
        return draft_error(draft, path, "%zu rows for %" PRIu32 " nodes; give a row for each node",
                           json_array_size(matrix), nodes);
    for (uint32_t from = 0; error == NULL && from < nodes; from++) {
        const json_t *row = json_array_get(matrix, from);
        at_index(row_path, path, from);
        error = read_list(draft, row_path, row);
        if (error == NULL && json_array_size(row) != nodes)
            return draft_error(draft, row_path,
                               "%zu columns for %" PRIu32 " nodes; give a column for each node",
                               json_array_size(row), nodes);
        for (uint32_t to = 0; error == NULL && to < nodes; to++)
            error = read(draft, at_index(place, row_path, to), json_array_get(row, to),
                         &out[from * nodes + to]);
    }
    return error;
}

static char *read_latencies(struct draft *draft, const json_t *root)
{
    const json_t *latency = json_object_get(root, "latency_ns"),
                 *distances = json_object_get(root, "distances"),
                 *local = json_object_get(root, "local_ns");
    if (latency != NULL) {
        if (distances != NULL || local != NULL)
            return draft_error(draft, distances != NULL ? "$.distances" : "$.local_ns",
                               "$.latency_ns says it already; leave out one of them");
        return read_matrix(draft, "$.latency_ns", latency, read_latency, draft->latency_ns);
    }
    uint64_t local_ns = DEFAULT_LOCAL_NS;
    if (local != NULL) {
        char *error = in_range(draft, "$.local_ns", local, 1, LATENCY_MOST_NS, &local_ns);
        if (error != NULL)
            return error;
    }
    const char *source = local != NULL ? "given" : "Intel MLC on a 2-socket Ice Lake";
    if (distances == NULL)
        return draft_derive_latency(draft, NULL, (uint32_t)local_ns, source);
    uint32_t matrix[MACHINE_NODES_MAX * MACHINE_NODES_MAX];
    char *error = read_matrix(draft, "$.distances", distances, read_distance, matrix);
    return error != NULL ? error : draft_derive_latency(draft, matrix, (uint32_t)local_ns, source);
}

/* ---- caches ---- */

/* ---- costs, and all of it ---- */

/* `costs` NULL: all are defaults. Those are of pages of 4 KiB, and copying takes as long as the
 * page is large. */
static char *read_costs(struct draft *draft, json_t *costs)
{
    uint64_t copy_ns = draft->costs.copy_page_ns * draft->page_bytes / DEFAULT_PAGE_BYTES;
    draft->costs.copy_page_ns = copy_ns < COST_MOST ? copy_ns : COST_MOST;
    return costs == NULL ? NULL
                         : read_object(draft, "$.costs", costs, cost_fields, NULL, &draft->costs);
}

static char *read_root(struct draft *draft, json_t *root)
{
    static const char *const keys[] = {"nodes",  "latency_ns", "distances", "local_ns",
                                       "links",  "curve",      "tlb",       "l2tlb",
                                       "caches", "costs",      NULL};
    if (!json_is_object(root))
        return expected(draft, "$", root, "an object");
    char *error = read_tlbs(draft, root);
    if (error == NULL)
        error = read_object(draft, "$", root, machine_fields, keys, draft);
    json_t *value = json_object_get(root, "nodes");
    if (error == NULL && value == NULL)
        return draft_error(draft, "$",
                           "no 'nodes'; give at least [{\"cpus\": [0], \"memory\": \"1G\"}]");
    if (error == NULL)
        error = read_nodes(draft, value);
    if (error == NULL && draft->nodes > 0)
        error = read_latencies(draft, root);
    if (error == NULL && (value = json_object_get(root, "links")) != NULL)
        error = read_links(draft, value);
    if (error == NULL && (value = json_object_get(root, "curve")) != NULL)
        error = read_common_curve(draft, value);
    if (error == NULL && (value = json_object_get(root, "caches")) != NULL)
        error = read_caches(draft, value);
    return error == NULL ? read_costs(draft, json_object_get(root, "costs")) : error;
}

char *draft_read_json(struct draft *draft, const char *text, size_t text_bytes)
{
    json_error_t parse_error;
    draft->json = true;
    json_t *root = json_loadb(text, text_bytes, JSON_REJECT_DUPLICATES, &parse_error);
    if (root == NULL) {
        char place[48];
        snprintf(place, sizeof place, "line %d, column %d", parse_error.line, parse_error.column);
        return draft_error(draft, place, "not JSON: %s; correct it", parse_error.text);
    }
    char *error = read_root(draft, root);
    json_decref(root);
    return error;
}
