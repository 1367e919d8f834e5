/* What an ELF image calls the parts of an address space: regions for the trace.
 *
 * Charts and tables name a page by the smallest region that holds it. So each section that is in memory
 * is a region ("kernel .text", "fft .bss": small functions and variables are told apart by no page), and
 * so is each variable or function of a page or more. Where sections were stripped, segments stand for them.
 */
#ifndef DISCO_SOURCES_MIPS_SYMBOLS_H
#define DISCO_SOURCES_MIPS_SYMBOLS_H

#include "collector/trace/writer.h"

/* `image` is called `file` in the trace, and its sections are those of `owner`. Bytes that are no ELF image give no regions. Errors are of
 * the writer. */
char *mips_symbols_write(struct trace_writer *writer, uint32_t space, const char *owner,
                         const char *file, const void *image, size_t image_bytes) MUST_CHECK;

#endif
