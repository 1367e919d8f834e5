/* Which pages of a trace have been touched: for disco-trace sample, which keeps first touches.
 *
 * Follows the trace's events: a stream changes its address space, and pages that are unmapped are new
 * again when they are touched next. Memory: 16 bytes and some for each page of the trace.
 */
#ifndef DISCO_COLLECTOR_TOOL_PAGES_H
#define DISCO_COLLECTOR_TOOL_PAGES_H

#include "collector/trace/reader.h"

struct tool_pages;

/* NULL when memory is short. */
struct tool_pages *tool_pages_new(const struct trace_reader *reader);
void tool_pages_free(struct tool_pages *pages);

/* *first: the stream's space has not touched this page, or not since it was unmapped. false: memory is
 * short. */
bool tool_pages_touch(struct tool_pages *pages, uint32_t stream, uint64_t addr, bool *first);
void tool_pages_event(struct tool_pages *pages, const struct trace_event *event);

#endif
