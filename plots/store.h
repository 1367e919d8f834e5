/* The database, seen by SQL alone: which runs to draw, and the rows of a chart's queries.
 * Read-only.
 *
 * Errors: NULL when well, or one line from malloc, without the program's name.
 */
#ifndef DISCO_PLOTS_STORE_H
#define DISCO_PLOTS_STORE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "plots/chart.h"

struct store;

/* One picture to draw of a chart. */
struct picture {
    char *machine; /* NULL: of the trace alone */
    char *label;   /* the run's name: policy, and the parameters that tell it from others; NULL: not
                      of one run */
    int64_t run_id; /* 0: not of one run */
};

struct pictures {
    struct picture *picture;
    size_t count;
};

/* Cells of a map: what :grid_x and :grid_y are in queries. */
struct grid {
    int x, y;
};

/* `results`: the file that disco-replay --results wrote, or NULL: the trace's own.
 * `extension`: disco.so, or NULL: references cannot be read. */
char *store_open(const char *trace, const char *results, const char *extension, struct store **out)
    __attribute__((warn_unused_result));
void store_close(struct store *store);

/* Chooses runs by id, or, with none given, the latest of each policy, parameters and machine. */
char *store_choose(struct store *store, const int64_t *run, size_t runs)
    __attribute__((warn_unused_result));

/* What a chart has to draw of the chosen runs, by machine and run. */
char *store_pictures(struct store *store, enum picture_of of, struct pictures *out)
    __attribute__((warn_unused_result));
void pictures_free(struct pictures *pictures);

/* Fills the table `shown` for a picture. */
char *store_show(struct store *store, const struct picture *picture)
    __attribute__((warn_unused_result));

/* Name of the trace for titles: its file and its command. From malloc. */
char *store_trace_name(struct store *store, char **out) __attribute__((warn_unused_result));

/* Puts the rows of a query into a table of this connection, in the place of what it held. */
char *store_make_table(struct store *store, const char *name, const char *sql)
    __attribute__((warn_unused_result));

/* Writes the one value of a query as gnuplot writes it: a number, or a string in quotes. */
char *store_write_value(struct store *store, const char *sql, struct grid grid, FILE *out)
    __attribute__((warn_unused_result));

/* Writes the rows of a query: a line of column names, then tabs between fields, NULL an empty
 * field. */
char *store_write_rows(struct store *store, const char *sql, struct grid grid, FILE *out,
                       size_t *rows) __attribute__((warn_unused_result));

/* The two integers of a query. */
char *store_pair(struct store *store, const char *sql, int pair[2])
    __attribute__((warn_unused_result));

#endif
