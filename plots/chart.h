/* Charts: one gnuplot script a chart, NAME.gp, found in the folder of scripts; nothing else knows a
 * chart.
 *
 * A script opens with a block of comments, the header, that says what the chart needs from SQL:
 *
 *   # about: One sentence.
 *   # picture: machine              one picture a machine | run | trace (see enum picture_of)
 *   # extension                     (optional) needs disco.so for the references themselves
 *   # empty: Why there may be nothing to draw.
 *   # size: SELECT 1000, 500        (optional) width and height in pixels
 *   # let NAME: SELECT ...          one value, a variable of the script
 *   # data NAME: SELECT ...         rows, a file whose name is in the variable data_NAME
 *   # table NAME: SELECT ...         a table for the other queries, made before them; no parameters
 *   ## anything                     a comment
 *
 * A line that goes on is indented by three blanks or more. Queries see all tables of schema.sql,
 * the table `shown` (run_id, number from 1, label: the runs of this picture) and the parameters
 * :grid_x, :grid_y (cells of a map). A picture without rows in its first data is not drawn.
 * `about` comes first; a file without it is no chart.
 */
#ifndef DISCO_PLOTS_CHART_H
#define DISCO_PLOTS_CHART_H

#include <stdbool.h>
#include <stddef.h>

enum picture_of {
    PICTURE_OF_MACHINE, /* all chosen runs on one machine */
    PICTURE_OF_RUN,     /* one run */
    PICTURE_OF_TRACE,   /* the trace itself, without runs */
};

enum query_kind {
    QUERY_LET,   /* one value */
    QUERY_DATA,  /* rows for a file */
    QUERY_TABLE, /* rows for the queries of this picture */
};

struct chart_query {
    char *name;
    char *sql;
    enum query_kind kind;
};

struct chart {
    char *name;
    char *about;
    char *empty;
    char *size_sql; /* NULL: the standard size */
    enum picture_of of;
    bool extension;
    struct chart_query *query;
    size_t queries;
    char *script; /* the whole file */
};

struct charts {
    struct chart *chart; /* by name */
    size_t count;
    char *common; /* text of common.gp */
};

/* The folder of scripts: $DISCO_PLOTS, or ../plots or ../share/disco/plots seen from the folder of
 * the executable. From malloc. NULL: none there. */
char *charts_folder(void);

/* Reads every script of a folder. NULL, or one line from malloc. */
char *charts_read(const char *folder, struct charts *out) __attribute__((warn_unused_result));
/* Reads one header. `file` names it in messages. The chart is to be freed also after an error. */
char *chart_parse(const char *file, const char *name, const char *text, struct chart *out)
    __attribute__((warn_unused_result));
const struct chart *charts_find(const struct charts *charts, const char *name);
void charts_free(struct charts *charts);

/* The folder of the running executable, from malloc; NULL: not known. */
char *executable_folder(void);

#endif
