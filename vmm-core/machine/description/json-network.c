/* What contention needs of the machine JSON: links, how long a memory controller is busy, and
 * measured curves; read and written. */
#include <inttypes.h>
#include <math.h>

#include "vmm-core/machine/description/json-values.h"

/* A number of ns with fractions, in whole ps. */
static char *read_ns(const struct draft *draft, const char *path, const json_t *value, uint32_t *ps)
{
    if (!json_is_number(value))
        return expected(draft, path, value, "a number of ns");
    const double ns = json_number_value(value);
    if (!(ns >= 0 && ns <= LATENCY_MOST_NS))
        return draft_error(draft, path, "%g ns are not within 0 to %u; give some that are", ns,
                           LATENCY_MOST_NS);
    *ps = (uint32_t)lround(ns * 1000);
    return NULL;
}

static char *read_rate(const struct draft *draft, const char *path, const json_t *value,
                       uint32_t *mb_per_s)
{
    const double gb_per_s = json_number_value(value); /* 0 for what is no number */
    if (!(gb_per_s >= 0.001 && gb_per_s <= 1e6))
        return draft_error(draft, path, "not a rate from 0.001 to 1000000 GB/s; give one");
    *mb_per_s = (uint32_t)lround(gb_per_s * 1000);
    return NULL;
}

char *read_service(struct draft *draft, const char *path, const json_t *value, uint32_t node)
{
    return read_ns(draft, path, value, &draft->node[node].service_ps);
}

char *read_curve(struct draft *draft, const char *path, const json_t *curve, uint32_t node)
{
    char at_point[PATH_BYTES], place[PATH_BYTES], *error = read_list(draft, path, curve);
    const size_t points = json_array_size(curve);
    if (error == NULL && (points == 0 || points > MACHINE_CURVE_MAX))
        return draft_error(draft, path, "%zu points; give 1 to %u", points, MACHINE_CURVE_MAX);
    struct machine_node *const it = &draft->node[node];
    struct machine_curve_point *const first = &draft->curve[draft->curve_points];
    it->curve = draft->curve_points;
    for (size_t i = 0; error == NULL && i < points; i++) {
        const json_t *const pair = json_array_get(curve, i);
        at_index(at_point, path, i);
        error = read_list(draft, at_point, pair);
        if (error == NULL && json_array_size(pair) != 2)
            return draft_error(draft, at_point, "%zu numbers; write [GB/s, ns]",
                               json_array_size(pair));
        if (error == NULL)
            error = read_rate(draft, at_index(place, at_point, 0), json_array_get(pair, 0),
                              &first[i].mb_per_s);
        if (error == NULL && i > 0 && first[i].mb_per_s <= first[i - 1].mb_per_s)
            return draft_error(draft, place,
                               "not above the point before; list points by rising GB/s");
        if (error == NULL)
            error = read_ns(draft, at_index(place, at_point, 1), json_array_get(pair, 1),
                            &first[i].latency_ps);
    }
    if (error != NULL)
        return error;
    it->curve_points = (uint32_t)points;
    draft->curve_points += (uint32_t)points;
    return NULL;
}

char *read_common_curve(struct draft *draft, const json_t *curve)
{
    char *error = NULL;
    for (uint32_t i = 0; error == NULL && i < draft->nodes; i++)
        if (draft->node[i].memory_bytes > 0 && draft->node[i].curve_points == 0)
            error = read_curve(draft, "$.curve", curve, i);
    return error;
}

static char *read_link_end(const struct draft *draft, const char *path, const json_t *object,
                           const char *key, uint32_t *out)
{
    char place[PATH_BYTES];
    const json_t *value = json_object_get(object, key);
    uint64_t id = 0;
    at_key(place, path, key);
    if (value == NULL)
        return draft_error(draft, place, "missing; give the number of a node");
    char *error = in_range(draft, place, value, 0, NODE_ID_MOST, &id);
    if (error != NULL)
        return error;
    for (uint32_t i = 0; i < draft->nodes; i++) {
        if (draft->node[i].os_id == id) {
            *out = i;
            return NULL;
        }
    }
    return draft_error(draft, place, "no node %" PRIu64 "; give one of $.nodes", id);
}

char *read_links(struct draft *draft, const json_t *links)
{
    static const char *const keys[] = {"from", "to", "gb_per_s", NULL};
    char path[PATH_BYTES], place[PATH_BYTES], *error = read_list(draft, "$.links", links);
    if (error == NULL && json_array_size(links) > MACHINE_LINKS_MAX)
        return draft_error(draft, "$.links", "more than %u links; leave some out",
                           MACHINE_LINKS_MAX);
    for (size_t i = 0; error == NULL && i < json_array_size(links); i++) {
        json_t *object = json_array_get(links, i);
        struct machine_link link = {0};
        at_index(path, "$.links", i);
        error = read_object(draft, path, object, NULL, keys, NULL);
        if (error == NULL)
            error = read_link_end(draft, path, object, "from", &link.from);
        if (error == NULL)
            error = read_link_end(draft, path, object, "to", &link.to);
        if (error == NULL)
            error = read_rate(draft, at_key(place, path, "gb_per_s"),
                              json_object_get(object, "gb_per_s"), &link.mb_per_s);
        if (error == NULL)
            draft->link[draft->links++] = link;
    }
    return error;
}

/* A number with three decimals, none where they are 0. */
static void print_thousandths(FILE *out, uint32_t number)
{
    fprintf(out, "%" PRIu32, number / 1000);
    if (number % 1000 != 0)
        fprintf(out, ".%03" PRIu32, number % 1000);
}

void print_service(FILE *out, const struct machine *machine, uint32_t node)
{
    const struct machine_node *const it = &machine->node[node];
    fputs(", \"service_ns\": ", out);
    print_thousandths(out, it->service_ps);
    for (uint32_t i = 0; i < it->curve_points; i++) {
        const struct machine_curve_point *const point = &machine->curve[it->curve + i];
        fputs(i == 0 ? ",\n     \"curve\": [[" : ", [", out);
        print_thousandths(out, point->mb_per_s);
        fputs(", ", out);
        print_thousandths(out, point->latency_ps);
        fputc(']', out);
    }
    if (it->curve_points > 0)
        fputc(']', out);
}

void print_links(FILE *out, const struct machine *machine)
{
    fputs("  \"links\": [", out);
    for (uint32_t i = 0; i < machine->links; i++) {
        const struct machine_link *link = &machine->link[i];
        fprintf(out, "%s\n    {\"from\": %" PRIu32 ", \"to\": %" PRIu32 ", \"gb_per_s\": ",
                i == 0 ? "" : ",", machine->node[link->from].os_id, machine->node[link->to].os_id);
        print_thousandths(out, link->mb_per_s);
        fputc('}', out);
    }
    fputs(machine->links > 0 ? "\n  ],\n" : "],\n", out);
}
