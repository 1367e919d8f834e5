/* The command line of disco-plot. */
#ifndef DISCO_PLOTS_OPTIONS_H
#define DISCO_PLOTS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plots/draw.h"

#define OPTIONS_LIST_MAX 1024u

struct options {
    const char *chart[OPTIONS_LIST_MAX]; /* pointers into the arguments; none: all charts */
    size_t charts;
    int64_t run[OPTIONS_LIST_MAX]; /* none: the latest of each policy, parameters and machine */
    size_t runs;
    const struct format *format;
    const char *trace;
    const char *results; /* NULL: the trace itself */
    const char *output;  /* NULL: text to standard output */
    int width, height;   /* 0: as the chart likes it */
    bool list;
};

/* Exits on --help, --version, and with 2 on wrong usage. */
void options_parse(int argc, char **argv, struct options *out);

#endif
