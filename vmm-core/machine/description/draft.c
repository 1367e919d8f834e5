#include "vmm-core/machine/description/draft.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm-core/machine/description/defaults.h"
#include "vmm-core/machine/description/fields.h"

/* "/tmp/box.xml" names its machine "box". */
static void name_after(struct draft *draft, const char *file)
{
    const char *slash = strrchr(file, '/'), *base = slash != NULL ? slash + 1 : file;
    const char *dot = strrchr(base, '.');
    size_t length = dot != NULL && dot > base ? (size_t)(dot - base) : strlen(base);
    if (length >= sizeof draft->name)
        length = sizeof draft->name - 1;
    for (size_t i = 0; i < length; i++)
        draft->name[i] =
            (char)(isascii((unsigned char)base[i]) && isprint((unsigned char)base[i]) ? base[i]
                                                                                      : '?');
}

struct draft *draft_new(const char *file, enum tlb_refill refill)
{
    struct draft *draft = calloc(1, sizeof *draft);
    if (draft == NULL)
        return NULL;
    const struct machine_defaults *defaults = &machine_defaults[refill];
    draft->file = file;
    name_after(draft, file);
    draft->cpu_mhz = defaults->cpu_mhz;
    draft->page_bytes = DEFAULT_PAGE_BYTES;
    draft->tlb = defaults->tlb;
    draft->l2tlb = defaults->l2tlb;
    draft->costs = defaults->costs;
    return draft;
}

char *draft_error(const struct draft *draft, const char *place, const char *format, ...)
{
    char what[768];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    char *line = NULL;
    if (asprintf(&line, "%s: %s: %s", draft->file, place, what) < 0)
        return strdup("out of memory");
    for (char *at = line; *at != '\0'; at++)
        if (iscntrl((unsigned char)*at)) /* from the file: it must not make a second line */
            *at = '?';
    return line;
}

char *draft_add_node(struct draft *draft, uint64_t os_id, uint64_t memory_bytes)
{
    char place[48];
    if (draft->json)
        snprintf(place, sizeof place, "$.nodes[%" PRIu32 "]", draft->nodes);
    else
        snprintf(place, sizeof place, "node %" PRIu64, os_id);
    if (draft->nodes == MACHINE_NODES_MAX)
        return draft_error(draft, place, "more than %u nodes; leave some out", MACHINE_NODES_MAX);
    if (os_id > NODE_ID_MOST)
        return draft_error(draft, place,
                           "node number %" PRIu64 " is beyond %" PRIu64 "; number it lower", os_id,
                           NODE_ID_MOST);
    if (draft->nodes > 0 && os_id <= draft->node[draft->nodes - 1].os_id)
        return draft_error(draft, place,
                           "node %" PRIu64 " stands after node %" PRIu32
                           "; list each node once, by rising number",
                           os_id, draft->node[draft->nodes - 1].os_id);
    if (memory_bytes > MEMORY_MOST)
        return draft_error(draft, place, "more than 1 PiB of memory; give less");
    draft->node[draft->nodes++] =
        (struct machine_node){.os_id = (uint32_t)os_id, .memory_bytes = memory_bytes};
    return NULL;
}

char *draft_add_cpu(struct draft *draft, uint32_t node, uint64_t os_id, const char *place)
{
    if (os_id > CPU_ID_MOST)
        return draft_error(draft, place,
                           "CPU number %" PRIu64 " is beyond %" PRIu64 "; number it lower", os_id,
                           CPU_ID_MOST);
    for (uint32_t i = 0; i < draft->cpus; i++) {
        if (draft->cpu[i].os_id != os_id)
            continue;
        if (draft->cpu[i].node == node)
            return draft_error(draft, place, "CPU %" PRIu64 " is listed twice; list it once",
                               os_id);
        return draft_error(draft, place,
                           "CPU %" PRIu64 " is on two nodes, %" PRIu32 " and %" PRIu32
                           "; keep it on one",
                           os_id, draft->node[draft->cpu[i].node].os_id, draft->node[node].os_id);
    }
    if (draft->cpus == MACHINE_CPUS_MAX)
        return draft_error(draft, place, "more than %u CPUs; leave some out", MACHINE_CPUS_MAX);
    draft->cpu[draft->cpus++] = (struct draft_cpu){.os_id = (uint32_t)os_id, .node = node};
    draft->node[node].cpus++;
    return NULL;
}

void draft_remark(struct draft *draft, const char *sentence)
{
    size_t used = strlen(draft->source), length = strlen(sentence), space = used > 0;
    if (used + space + length >= sizeof draft->source)
        return;
    if (space > 0)
        draft->source[used] = ' ';
    memcpy(draft->source + used + space, sentence, length + 1);
}

char *draft_derive_latency(struct draft *draft, const uint32_t *distance, uint32_t local_ns,
                           const char *local_source)
{
    uint32_t nodes = draft->nodes;
    for (uint32_t from = 0; from < nodes; from++) {
        for (uint32_t to = 0; to < nodes; to++) {
            uint64_t d = distance != NULL ? distance[from * nodes + to]
                         : from == to     ? SLIT_LOCAL
                                          : SLIT_REMOTE;
            uint64_t ns = (d * local_ns + SLIT_LOCAL / 2) / SLIT_LOCAL;
            if (ns > LATENCY_MOST_NS) {
                char place[64];
                snprintf(place, sizeof place,
                         draft->json ? "$.distances[%" PRIu32 "][%" PRIu32 "]"
                                     : "distances, row %" PRIu32 ", column %" PRIu32,
                         from, to);
                return draft_error(draft, place,
                                   "distance %" PRIu64 " at %" PRIu32
                                   " ns locally is more than %u ns; "
                                   "correct the distance or the local latency",
                                   d, local_ns, LATENCY_MOST_NS);
            }
            draft->latency_ns[from * nodes + to] = (uint32_t)ns;
        }
    }
    char remark[320];
    snprintf(remark, sizeof remark, "Latencies are not measured: %" PRIu32 " ns locally (%s)%s.",
             local_ns, local_source,
             nodes == 1         ? ""
             : distance != NULL ? ", distance / 10 times that to other nodes"
                                : ", twice that between any two nodes");
    draft_remark(draft, remark);
    return NULL;
}

static int by_os_id(const void *left, const void *right)
{
    uint32_t a = ((const struct draft_cpu *)left)->os_id,
             b = ((const struct draft_cpu *)right)->os_id;
    return (a > b) - (a < b);
}

/* Node by node, and in a node as they were added; the CPUs of the draft are in order of their
 * numbers. */
static void order_cpus(const struct draft *draft, uint32_t *order)
{
    uint32_t start[MACHINE_NODES_MAX + 1] = {0}, rank[MACHINE_CPUS_MAX];
    for (uint32_t i = 0; i < draft->cpus; i++)
        rank[draft->cpu[i].order] = i;
    for (uint32_t i = 0; i < draft->nodes; i++)
        start[i + 1] = start[i] + draft->node[i].cpus;
    for (uint32_t i = 0; i < draft->cpus; i++)
        order[start[draft->cpu[rank[i]].node]++] = rank[i];
}

/* A copy of `count` items, from malloc; at least one byte, so that NULL only means no memory. */
static void *copy_items(const void *items, size_t count, size_t item_bytes)
{
    void *copy = malloc(count * item_bytes + 1);
    if (copy != NULL)
        memcpy(copy, items, count * item_bytes);
    return copy;
}

char *draft_finish(struct draft *draft, struct machine **out)
{
    char *error = draft_check(draft);
    if (error != NULL)
        return error;
    for (uint32_t i = 0; i < draft->cpus; i++)
        draft->cpu[i].order = i;
    qsort(draft->cpu, draft->cpus, sizeof draft->cpu[0], by_os_id);

    struct machine *machine = calloc(1, sizeof *machine);
    if (machine == NULL)
        return draft_error(draft, "machine", "out of memory");
    memcpy(machine->name, draft->name, sizeof machine->name);
    memcpy(machine->source, draft->source, sizeof machine->source);
    machine->cpu_mhz = draft->cpu_mhz;
    machine->page_bytes = draft->page_bytes;
    machine->nodes = draft->nodes;
    machine->cpus = draft->cpus;
    machine->links = draft->links;
    machine->caches = draft->caches;
    memcpy(machine->cache, draft->cache, sizeof machine->cache);
    machine->tlb = draft->tlb;
    machine->l2tlb = draft->l2tlb;
    machine->costs = draft->costs;
    machine->node = copy_items(draft->node, draft->nodes, sizeof draft->node[0]);
    machine->latency_ns = copy_items(draft->latency_ns, (size_t)draft->nodes * draft->nodes,
                                     sizeof draft->latency_ns[0]);
    machine->link = copy_items(draft->link, draft->links, sizeof draft->link[0]);
    machine->curve_points = draft->curve_points;
    machine->curve = copy_items(draft->curve, draft->curve_points, sizeof draft->curve[0]);
    machine->cpu_node = calloc(draft->cpus, sizeof machine->cpu_node[0]);
    machine->cpu_os_id = calloc(draft->cpus, sizeof machine->cpu_os_id[0]);
    machine->cpu_order = calloc(draft->cpus, sizeof machine->cpu_order[0]);
    if (machine->node == NULL || machine->cpu_order == NULL || machine->latency_ns == NULL ||
        machine->link == NULL || machine->curve == NULL || machine->cpu_node == NULL ||
        machine->cpu_os_id == NULL) {
        machine_free(machine);
        return draft_error(draft, "machine", "out of memory");
    }
    for (uint32_t i = 0; i < draft->cpus; i++) {
        machine->cpu_node[i] = draft->cpu[i].node;
        machine->cpu_os_id[i] = draft->cpu[i].os_id;
    }
    order_cpus(draft, machine->cpu_order);
    *out = machine;
    return NULL;
}
