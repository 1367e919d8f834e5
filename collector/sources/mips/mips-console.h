/* What guests write: straight on when there is one virtual machine, else whole lines with "vmN: " in
 * front. */
#ifndef DISCO_SOURCES_MIPS_CONSOLE_H
#define DISCO_SOURCES_MIPS_CONSOLE_H

#include <stdint.h>
#include <stdio.h>

struct mips_console;

/* NULL when memory is short. `out` must outlive it. */
struct mips_console *mips_console_new(FILE *out, uint32_t vms);
/* For struct monitor_options; the context is the console. */
void mips_console_write(void *console, uint32_t vm, const char *text, size_t bytes);
/* Ends lines that were begun, and frees. */
void mips_console_free(struct mips_console *console);

#endif
