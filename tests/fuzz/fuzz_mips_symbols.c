/* Any bytes as the ELF image that a guest says its process is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector/sources/mips/mips-symbols.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define INPUTS_A_TRACE 50000u

/* One trace takes the regions of many inputs; its file has no name any more. */
static struct trace_writer *open_trace(uint32_t *space)
{
    static const struct trace_facts facts = {.source = "mips",
                                             .page_bytes = 4096,
                                             .time_unit = TIME_REFERENCES,
                                             .refs_per_sample = 1};
    char folder[] = "/tmp/disco-fuzz-XXXXXX", path[64];
    struct trace_writer *writer = NULL;
    if (mkdtemp(folder) == NULL)
        abort();
    (void)snprintf(path, sizeof path, "%s/trace.db", folder);
    if (trace_writer_create(path, &facts, false, &writer) != NULL ||
        trace_writer_space(writer, "fuzz", space) != NULL)
        abort();
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/trace.db-journal", folder);
    (void)unlink(path);
    (void)rmdir(folder);
    return writer;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct trace_writer *writer;
    static uint32_t space, inputs;
    if (inputs++ % INPUTS_A_TRACE == 0) {
        if (writer != NULL)
            free(trace_writer_close(writer, false)); /* it fails: the file is gone */
        writer = open_trace(&space);
    }
    char *error = mips_symbols_write(writer, space, "fuzz", "fuzz.elf", data, bytes);
    free(error);
    return 0;
}
