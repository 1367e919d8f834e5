/* Which physical page each virtual page of each process has, as the markers of a trace told last.
 * Memory follows the pages told of. */
#ifndef DISCO_SOURCES_DRMEMTRACE_PAGES_H
#define DISCO_SOURCES_DRMEMTRACE_PAGES_H

#include <stdbool.h>
#include <stdint.h>

struct drmemtrace_pages;

struct drmemtrace_pages *drmemtrace_pages_new(void); /* NULL: out of memory */
void drmemtrace_pages_free(struct drmemtrace_pages *pages);

/* Addresses in bytes; page_bytes is a power of two. False: out of memory. */
bool drmemtrace_pages_set(struct drmemtrace_pages *pages, uint64_t pid, uint64_t virtual_addr,
                          uint64_t physical_addr, uint64_t page_bytes);
/* Nothing is known of the page any more. */
void drmemtrace_pages_forget(struct drmemtrace_pages *pages, uint64_t pid, uint64_t virtual_addr,
                             uint64_t page_bytes);
/* The physical address of `virtual_addr`, or 0 where it is not known. */
uint64_t drmemtrace_pages_find(const struct drmemtrace_pages *pages, uint64_t pid,
                               uint64_t virtual_addr, uint64_t page_bytes);

#endif
