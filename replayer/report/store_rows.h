/* The rows of one run. In the transaction that store.c has opened. */
#ifndef DISCO_REPORT_STORE_ROWS_H
#define DISCO_REPORT_STORE_ROWS_H

#include <sqlite3.h>

#include "collector/trace/progress.h"
#include "replayer/report/report.h"

struct row_writer {
    sqlite3 *db;
    const struct report *report;
    struct progress *progress; /* counts rows */
    uint64_t rows;
    char *stopped; /* the line that says so, when the user has stopped it; to be freed */
};

/* SQLITE_OK, or its code. `results->run_id` is set already. */
int store_run_rows(struct row_writer *writer, const struct results *results);
int store_region_rows(struct row_writer *writer);

#endif
