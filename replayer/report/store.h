/* Results as rows: the tables run and run_* of schema.sql.
 *
 * They go into the trace's own database, or into another file, which is made where it is missing
 * and then also gets the trace's regions (the views name them). One such file holds the results of
 * one trace. All runs of a command are written in one transaction: whatever happens, all of them
 * are there or none.
 */
#ifndef DISCO_REPORT_STORE_H
#define DISCO_REPORT_STORE_H

#include "replayer/report/report.h"

/* Before the replay: can results be written there? Changes nothing. `path` NULL: the trace's
 * database. */
char *store_probe(const char *path, const char *trace_path, const char *checksum) MUST_CHECK;

/* Writes all runs, and sets their run_id. */
char *store_write(const char *path, const struct report *report) MUST_CHECK;

#endif
