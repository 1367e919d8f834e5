#include "collector/sources/mips/mips-console.h"

#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 512u /* longer ones are cut in lines */

struct line {
    size_t bytes;
    char text[LINE_BYTES];
};

struct mips_console {
    FILE *out;
    uint32_t vms;
    struct line line[]; /* [vms] begun, not ended */
};

struct mips_console *mips_console_new(FILE *out, uint32_t vms)
{
    struct mips_console *console = calloc(1, sizeof *console + vms * sizeof console->line[0]);
    if (console != NULL) {
        console->out = out;
        console->vms = vms;
    }
    return console;
}

static void put_line(struct mips_console *console, uint32_t vm)
{
    struct line *line = &console->line[vm];
    (void)fprintf(console->out, "vm%u: %.*s\n", vm, (int)line->bytes, line->text);
    line->bytes = 0;
}

void mips_console_write(void *context, uint32_t vm, const char *text, size_t bytes)
{
    struct mips_console *console = context;
    if (console->vms == 1) {
        (void)fwrite(text, 1, bytes, console->out);
    } else {
        for (size_t i = 0; i < bytes; i++) {
            struct line *line = &console->line[vm];
            if (text[i] != '\n')
                line->text[line->bytes++] = text[i];
            if (text[i] == '\n' || line->bytes == LINE_BYTES)
                put_line(console, vm);
        }
    }
    if (memchr(text, '\n', bytes) != NULL)
        (void)fflush(console->out);
}

void mips_console_free(struct mips_console *console)
{
    if (console == NULL)
        return;
    for (uint32_t vm = 0; vm < console->vms; vm++)
        if (console->line[vm].bytes > 0)
            put_line(console, vm);
    (void)fflush(console->out);
    free(console);
}
