/* Writes a machine as JSON that json.c reads back to an equal one: rows of a matrix, nodes and
 * links on a line each, so that a person can read and edit it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "vmm-core/machine/description/draft.h"
#include "vmm-core/machine/description/fields.h"
#include "vmm-core/machine/description/json-values.h"
#include "vmm-core/machine/description/size.h"

static uint32_t read_u32(const void *base, size_t offset)
{
    uint32_t value;
    memcpy(&value, (const char *)base + offset, sizeof value);
    return value;
}

static uint64_t read_u64(const void *base, size_t offset)
{
    uint64_t value;
    memcpy(&value, (const char *)base + offset, sizeof value);
    return value;
}

static void print_text(FILE *out, const char *text)
{
    json_t *string = json_string(text);
    char *quoted = string != NULL ? json_dumps(string, JSON_ENCODE_ANY) : NULL;
    fputs(quoted != NULL ? quoted : "\"\"",
          out); /* text that is no UTF-8 cannot come from a reader */
    free(quoted);
    json_decref(string);
}

static void print_size(FILE *out, uint64_t bytes)
{
    char text[SIZE_TEXT_BYTES];
    size_format(bytes, text);
    fprintf(out, text[strspn(text, "0123456789")] == '\0' ? "%s" : "\"%s\"", text);
}

static void print_field(FILE *out, const struct field *field, const void *base, uint32_t entries)
{
    switch (field->kind) {
    case FIELD_U32:
        fprintf(out, "%" PRIu32, read_u32(base, field->offset));
        break;
    case FIELD_U64:
        fprintf(out, "%" PRIu64, read_u64(base, field->offset));
        break;
    case FIELD_SIZE32:
        print_size(out, read_u32(base, field->offset));
        break;
    case FIELD_SIZE64:
        print_size(out, read_u64(base, field->offset));
        break;
    case FIELD_WAYS:
        if (read_u32(base, field->offset) == entries)
            fputs("\"full\"", out);
        else
            fprintf(out, "%" PRIu32, read_u32(base, field->offset));
        break;
    case FIELD_OR_WORD:
        if (read_u32(base, field->offset) == 0)
            print_text(out, field->words[0]);
        else
            fprintf(out, "%" PRIu32, read_u32(base, field->offset));
        break;
    case FIELD_WORD:
        print_text(out, field->words[read_u32(base, field->offset)]);
        break;
    case FIELD_BOOL:
        fputs(*(const bool *)(const void *)((const char *)base + field->offset) ? "true" : "false",
              out);
        break;
    case FIELD_TEXT:
        print_text(out, (const char *)base + field->offset);
        break;
    }
}

static void print_members(FILE *out, const struct field *fields, const void *base, uint32_t entries,
                          const char *gap)
{
    for (const struct field *field = fields; field->key != NULL; field++) {
        fprintf(out, "%s%s\"%s\": ", field == fields ? "" : ",",
                field == fields && *gap == ' ' ? "" : gap, field->key);
        print_field(out, field, base, entries);
    }
}

static void print_object(FILE *out, const struct field *fields, const void *base, uint32_t entries,
                         const char *gap)
{
    fputc('{', out);
    print_members(out, fields, base, entries, gap);
    fputs(*gap == ' ' ? "}" : "\n  }", out);
}

/* 0, 1, 2, 3, 8 as ["0-3", 8]; in the order of the machine, which says who shares caches. */
static void print_cpus(FILE *out, const struct machine *machine, const uint32_t *order,
                       uint32_t node)
{
    const char *comma = "";
    fputc('[', out);
    for (uint32_t i = 0; i < machine->cpus; i++) {
        if (machine->cpu_node[order[i]] != node)
            continue;
        uint32_t first = machine->cpu_os_id[order[i]], last = first;
        for (; i + 1 < machine->cpus && machine->cpu_node[order[i + 1]] == node &&
               machine->cpu_os_id[order[i + 1]] == last + 1;
             i++)
            last++;
        if (last > first)
            fprintf(out, "%s\"%" PRIu32 "-%" PRIu32 "\"", comma, first, last);
        else
            fprintf(out, "%s%" PRIu32, comma, first);
        comma = ", ";
    }
    fputc(']', out);
}

static void print_nodes(FILE *out, const struct machine *machine)
{
    uint32_t order[MACHINE_CPUS_MAX];
    machine_cpu_order(machine, order);
    fputs("  \"nodes\": [", out);
    for (uint32_t i = 0; i < machine->nodes; i++) {
        const struct machine_node *node = &machine->node[i];
        fprintf(out, "%s\n    {\"id\": %" PRIu32 ", \"cpus\": ", i == 0 ? "" : ",", node->os_id);
        print_cpus(out, machine, order, i);
        fputs(", \"memory\": ", out);
        print_size(out, node->memory_bytes);
        print_service(out, machine, i);
        fputc('}', out);
    }
    fputs("\n  ],\n  \"latency_ns\": [", out);
    for (uint32_t from = 0; from < machine->nodes; from++) {
        fprintf(out, "%s\n    [", from == 0 ? "" : ",");
        for (uint32_t to = 0; to < machine->nodes; to++)
            fprintf(out, "%s%" PRIu32, to == 0 ? "" : ", ", machine_latency_ns(machine, from, to));
        fputc(']', out);
    }
    fputs("\n  ],\n", out);
    print_links(out, machine);
}

static void print_array(FILE *out, const struct machine_tlb_array *array)
{
    const char *comma = "";
    fprintf(out, "{\"level\": %" PRIu32 ", \"pages\": [", array->level);
    for (uint32_t size = 0; size < MACHINE_PAGE_SIZES; size++) {
        if ((array->pages & 1u << size) == 0)
            continue;
        fprintf(out, "%s\"%s\"", comma, page_size_words[size]);
        comma = ", ";
    }
    fputs("], ", out);
    print_members(out, tlb_array_fields + 1, array, array->entries, " "); /* after the level */
    fputc('}', out);
}

static void print_walk(FILE *out, const struct machine_walk *walk)
{
    fputs(",\n    \"walk\": {", out);
    print_members(out, walk_fields, walk, 0, " ");
    fputs(", \"cache\": [", out);
    for (uint32_t i = 0; i < walk->caches; i++) {
        fputs(i == 0 ? "\n      " : ",\n      ", out);
        print_object(out, walk_cache_fields, &walk->cache[i], walk->cache[i].entries, " ");
    }
    fputs("],\n      \"lines\": ", out);
    print_object(out, walk_line_fields, walk, walk->line_entries, " ");
    fputs("}", out);
}

static void print_tlb(FILE *out, const struct machine_tlb *tlb)
{
    fputc('{', out);
    print_members(out, tlb->arrays > 0 ? tlb_how_fields : tlb_fields, tlb, tlb->entries, " ");
    for (uint32_t i = 0; i < tlb->arrays; i++) {
        fputs(i == 0 ? ",\n    \"levels\": [\n      " : ",\n      ", out);
        print_array(out, &tlb->array[i]);
    }
    if (tlb->arrays > 0)
        fputs("\n    ]", out);
    if (tlb->walk.levels > 0)
        print_walk(out, &tlb->walk);
    fputc('}', out);
}

char *machine_to_json(const struct machine *machine)
{
    char *text = NULL;
    size_t text_bytes = 0;
    FILE *out = open_memstream(&text, &text_bytes);
    if (out == NULL)
        return NULL;
    fputs("{\n  \"name\": ", out);
    print_text(out, machine->name);
    fputs(",\n  \"source\": ", out);
    print_text(out, machine->source);
    fprintf(out, ",\n  \"cpu_mhz\": %" PRIu32 ",\n  \"page_size\": ", machine->cpu_mhz);
    print_size(out, machine->page_bytes);
    fputs(",\n", out);
    print_nodes(out, machine);
    fputs("  \"tlb\": ", out);
    print_tlb(out, &machine->tlb);
    fputs(",\n  \"l2tlb\": ", out);
    print_object(out, l2tlb_fields, &machine->l2tlb, machine->l2tlb.entries, " ");
    fputs(",\n  \"caches\": [", out);
    for (uint32_t i = 0; i < machine->caches; i++) {
        fprintf(out, "%s\n    ", i == 0 ? "" : ",");
        const struct machine_cache *cache = &machine->cache[i];
        print_object(out, cache_fields, cache, (uint32_t)(cache->size_bytes / cache->line_bytes),
                     " ");
    }
    fputs(machine->caches > 0 ? "\n  ],\n  \"costs\": " : "],\n  \"costs\": ", out);
    print_object(out, cost_fields, &machine->costs, 0, "\n    ");
    fputs("\n}\n", out);
    if (fclose(out) != 0) { /* the only failure of a memory stream is no memory */
        free(text);
        return NULL;
    }
    return text;
}
