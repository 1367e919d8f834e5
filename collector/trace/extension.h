/* The SQLite extension: references and events of a trace as rows, and its heat map.
 *
 * refs: a row a reference. Columns: time, stream, addr, kind, mode, page, ip, phys, latency,
 * source, weight, size, cpu, block, ref. kind is 'fetch', 'load', 'store' or 'touch', mode 'user'
 * or 'kernel', page is addr / page size, ref the ordinal. Columns that the trace does not have are
 * NULL. =, <, <=, >, >= and BETWEEN on time, stream, addr, page, block and ref, and = and IN on
 * kind and mode, skip whole blocks before they are decoded. addr is the unsigned address held in a
 * signed integer, as in trace_block: kernel addresses are negative, and hexadecimal literals of
 * SQLite have the same form.
 *
 * events: a row for each other event. Columns: block, event (its number in the block), ref (ordinal
 * of the first reference after it), stream, type, and arg0 to arg4 as in event.h.
 *
 * heat(time_bins, page_bins): a row a cell that was touched. Columns: time_bin, page_bin,
 * first_time, first_page, space, refs, stores. Time bins are of equal length, page bins of equal
 * numbers of the pages in page_summary, so that gaps between them take no room.
 *
 * disco_blocks_read(): blocks that this connection has decoded so far: what a query cost.
 *
 * Works on the main database of a connection. A damaged block is an error that names it.
 * disco.so exports sqlite3_disco_init alone; sqlite3 loads it by `.load ./disco`.
 */
#ifndef DISCO_TRACE_EXTENSION_H
#define DISCO_TRACE_EXTENSION_H

#include <sqlite3.h>

/* For programs that have the extension linked in: hand it to sqlite3_auto_extension. */
__attribute__((visibility("default"))) int
sqlite3_disco_init(sqlite3 *db, char **error, const struct sqlite3_api_routines *api);

#endif
