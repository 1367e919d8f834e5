#include "vmm-core/machine/machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm-core/machine/description/child.h"
#include "vmm-core/machine/description/draft.h"

#define FILE_MOST                                                                                  \
    (64u << 20) /* the hwloc XML of a large machine with all its devices has a few MiB */

void machine_free(struct machine *machine)
{
    if (machine == NULL)
        return;
    free(machine->node);
    free(machine->cpu_node);
    free(machine->cpu_os_id);
    free(machine->cpu_order);
    free(machine->latency_ns);
    free(machine->link);
    free(machine->curve);
    free(machine);
}

static char *out_of_memory(const char *name)
{
    char *line = NULL;
    return asprintf(&line, "%s: out of memory", name) >= 0 ? line : strdup("out of memory");
}

#define BYTE_ORDER_MARK "\xef\xbb\xbf" /* some editors begin a UTF-8 file with it */

/* Which reader takes this text: told by its first character, numactl's by a line. */
static char *read_text(struct draft *draft, const char *text, size_t text_bytes)
{
    if (strncmp(text, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0) {
        text += strlen(BYTE_ORDER_MARK);
        text_bytes -= strlen(BYTE_ORDER_MARK);
    }
    size_t start = strspn(text, " \t\r\n");
    if (text[start] == '{')
        return draft_read_json(draft, text, text_bytes);
    if (text[start] == '<')
        return draft_read_in_child(draft_read_hwloc_xml, draft, text, text_bytes);
    if (strlen(text) == text_bytes &&
        (strncmp(text + start, "available:", 10) == 0 || strncmp(text + start, "node ", 5) == 0))
        return draft_read_numactl(draft, text);
    if (strlen(text) == text_bytes && draft_is_mlc(text + start))
        return draft_read_mlc(draft, text);
    return draft_error(draft, "text",
                       "no machine; give JSON, hwloc XML (lstopo FILE.xml), or the output of "
                       "numactl --hardware or Intel MLC");
}

static char *parse(const char *name, const char *text, size_t text_bytes, bool mlc,
                   struct machine **out)
{
    *out = NULL;
    struct draft *draft = draft_new(name, TLB_REFILL_HARDWARE);
    char *copy = malloc(text_bytes + 1); /* the readers of text want a NUL */
    char *error = NULL;
    if (draft == NULL || copy == NULL) {
        error = out_of_memory(name);
    } else {
        if (text_bytes > 0)
            memcpy(copy, text, text_bytes);
        copy[text_bytes] = '\0';
        error = mlc ? draft_read_mlc(draft, copy) : read_text(draft, copy, text_bytes);
        if (error == NULL)
            error = draft_finish(draft, out);
    }
    free(copy);
    free(draft);
    return error;
}

char *machine_parse(const char *name, const char *text, size_t text_bytes, struct machine **out)
{
    return parse(name, text, text_bytes, false, out);
}

static char *no_such_machine(const char *spec, int reason)
{
    char *line = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&line, &bytes);
    if (out == NULL)
        return out_of_memory(spec);
    char text[96];
    fprintf(out, "%s: no machine of this name, and as a file: %s; give a file, host, or one of",
            spec, strerror_r(reason, text, sizeof text));
    for (size_t i = 0; machine_preset_name(i) != NULL; i++)
        fprintf(out, "%s %s", i == 0 ? "" : ",", machine_preset_name(i));
    return fclose(out) == 0 ? line : out_of_memory(spec);
}

#define MLC_PREFIX "mlc:"

static char *load_file(const char *spec, struct machine **out)
{
    const bool mlc = strncmp(spec, MLC_PREFIX, strlen(MLC_PREFIX)) == 0;
    spec += mlc ? strlen(MLC_PREFIX) : 0;
    FILE *file = fopen(spec, "re");
    if (file == NULL)
        return no_such_machine(spec, errno);
    char *text = NULL, *error = NULL;
    size_t used = 0, room = 0;
    for (;;) {
        if (used == room) {
            size_t more = room == 0 ? 1u << 16 : room * 2;
            char *grown = more <= FILE_MOST ? realloc(text, more) : NULL;
            if (grown == NULL) {
                error = room >= FILE_MOST / 2
                            ? draft_error(&(struct draft){.file = spec}, "file",
                                          "larger than %u MiB; give a machine", FILE_MOST >> 21)
                            : out_of_memory(spec);
                break;
            }
            text = grown;
            room = more;
        }
        size_t got = fread(text + used, 1, room - used, file);
        used += got;
        if (got == 0)
            break;
    }
    if (error == NULL && ferror(file))
        error = no_such_machine(spec, errno);
    if (error == NULL)
        error = parse(spec, text, used, mlc, out);
    fclose(file);
    free(text);
    return error;
}

char *machine_load(const char *spec, struct machine **out)
{
    *out = NULL;
    struct draft *draft = draft_new(spec, TLB_REFILL_HARDWARE);
    if (draft == NULL)
        return out_of_memory(spec);
    char *error = NULL;
    if (draft_read_preset(draft, spec)) {
        error = draft_finish(draft, out);
    } else if (strcmp(spec, "host") == 0) {
        error = draft_read_host(draft);
        if (error == NULL)
            error = draft_finish(draft, out);
    } else {
        error = load_file(spec, out);
    }
    free(draft);
    return error;
}
