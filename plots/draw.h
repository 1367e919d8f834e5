/* Draws one picture: the data files and the finished script beside it, then gnuplot.
 *
 * In the folder stand, for a picture named STEM: STEM.png (or .svg, .pdf, .txt), STEM.gp, which
 * `gnuplot STEM.gp` run in that folder draws again, and STEM.NAME.tsv for each data of the chart.
 * Each file appears under its name only when it is whole. gnuplot is started without a shell.
 */
#ifndef DISCO_PLOTS_DRAW_H
#define DISCO_PLOTS_DRAW_H

#include <stdbool.h>

#include "plots/chart.h"
#include "plots/store.h"

struct format {
    const char *name;     /* also the ending of the file */
    const char *terminal; /* gnuplot's, with two %g for the size */
    double unit;          /* of the terminal's size in pixels */
    bool text;            /* drawn with characters: sizes are columns and lines */
    int small; /* font size of the least important text, in the terminal's points or pixels */
};

/* NULL: no such format. */
const struct format *format_find(const char *name);

struct drawing {
    const struct format *format;
    int width, height; /* in pixels, or columns and lines; 0: as the chart likes it */
    const char *folder;
    const char *common; /* text of common.gp */
    const char *trace;  /* the trace's name, for titles */
};

/* *drawn is false where the chart has nothing to show of this picture; then nothing is left behind.
 * NULL, or one line from malloc. */
char *draw(const struct drawing *drawing, const struct chart *chart, const struct picture *picture,
           const char *stem, struct store *store, bool *drawn) __attribute__((warn_unused_result));

/* Makes the folder and those above it. */
char *draw_make_folder(const char *folder) __attribute__((warn_unused_result));

/* Prints STEM.txt on standard output. */
char *draw_print_text(const char *folder, const char *stem) __attribute__((warn_unused_result));

/* Removes all that draw() leaves in the folder for a picture of text, also after an error. */
void draw_remove(const char *folder, const char *stem, const struct chart *chart);

#endif
