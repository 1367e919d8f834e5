#include "plots/draw.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plots/gnuplot.h"
#include "plots/text.h"

/* Size of a picture whose chart names none, and how many pixels stand for a line of text. */
#define STANDARD_WIDTH   1000
#define STANDARD_HEIGHT  560
#define TEXT_COLUMNS     100
#define PIXELS_PER_LINE  20
#define TEXT_LINES_LEAST 22

/* Cells of a map: near enough to pixels to look smooth, few enough for one aggregating query. In
 * text, one character each: common.gp leaves so many columns and lines for axes and title. */
#define MAP_CELLS_X      160
#define MAP_CELLS_Y      240
#define TEXT_MARGIN_X    26
#define TEXT_MARGIN_Y    10
#define TEXT_CELLS_LEAST 4

static const struct format formats[] = {
    {"png", "pngcairo noenhanced size %g,%g font 'sans,12' linewidth 1.5", 1, false, 9},
    {"svg", "svg noenhanced size %g,%g font 'sans,16' linewidth 1.5 background '#ffffff'", 1, false,
     12},
    {"pdf", "pdfcairo noenhanced size %gin,%gin font 'sans,12' fontscale 0.75 linewidth 1.5", 96,
     false, 9},
    {"txt", "dumb noenhanced size %g,%g", 1, true, 9},
};

const struct format *format_find(const char *name)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    return NULL;
}

/* A file that gets its name when it is whole. */
struct part {
    FILE *file;
    char *path, *part_path;
};

static char *part_open(struct part *part, const char *folder, const char *name)
{
    *part = (struct part){
        .path = text_message("%s/%s", folder, name),
        .part_path = text_message("%s/%s.part", folder, name),
    };
    part->file = fopen(part->part_path, "we");
    return part->file != NULL ? NULL
                              : text_message("%s: cannot be written: %m; give another folder by -o",
                                             part->part_path);
}

/* Closes and names it, or removes it if `why` or a failure to write says so. */
static char *part_close(struct part *part, char *why)
{
    if (part->file != NULL) {
        bool failed = ferror(part->file) != 0;
        failed = fclose(part->file) != 0 || failed;
        if (why == NULL && (failed || rename(part->part_path, part->path) != 0))
            why = text_message("%s: cannot be written: %m", part->path);
        if (why != NULL)
            unlink(part->part_path);
    }
    free(part->path);
    free(part->part_path);
    return why;
}

static void remove_file(const char *folder, const char *stem, const char *ending)
{
    char *path = text_message("%s/%s%s", folder, stem, ending);
    unlink(path);
    free(path);
}

static void remove_data(const char *folder, const char *stem, const struct chart *chart)
{
    for (size_t i = 0; i < chart->queries; i++) {
        if (chart->query[i].kind != QUERY_DATA)
            continue;
        char *ending = text_message(".%s.tsv", chart->query[i].name);
        remove_file(folder, stem, ending);
        free(ending);
    }
}

/* Says whose query it was that failed. */
static char *of_query(char *why, const struct chart *chart, const char *query)
{
    if (why == NULL)
        return NULL;
    char *whole = text_message("%s (chart %s, %s)", why, chart->name, query);
    free(why);
    return whole;
}

static char *write_data(const struct drawing *drawing, const struct chart_query *query,
                        const char *stem, struct store *store, struct grid grid, size_t *rows)
{
    struct part part;
    char *name = text_message("%s.%s.tsv", stem, query->name);
    char *why = part_open(&part, drawing->folder, name);
    free(name);
    if (why == NULL)
        why = store_write_rows(store, query->sql, grid, part.file, rows);
    return part_close(&part, why);
}

static char *make_tables(const struct chart *chart, struct store *store)
{
    char *why = NULL;
    for (size_t i = 0; why == NULL && i < chart->queries; i++) {
        const struct chart_query *query = &chart->query[i];
        if (query->kind == QUERY_TABLE)
            why = of_query(store_make_table(store, query->name, query->sql), chart, query->name);
    }
    return why;
}

static char *picture_size(const struct drawing *drawing, const struct chart *chart,
                          struct store *store, int size[2])
{
    size[0] = STANDARD_WIDTH;
    size[1] = STANDARD_HEIGHT;
    char *why = chart->size_sql != NULL
                    ? of_query(store_pair(store, chart->size_sql, size), chart, "size")
                    : NULL;
    if (drawing->format->text) {
        size[0] = TEXT_COLUMNS;
        size[1] = size[1] / PIXELS_PER_LINE;
        size[1] = size[1] < TEXT_LINES_LEAST ? TEXT_LINES_LEAST : size[1];
    }
    if (drawing->width > 0) {
        size[0] = drawing->width;
        size[1] = drawing->height;
    }
    return why;
}

static struct grid picture_grid(const struct drawing *drawing, const int size[2])
{
    if (!drawing->format->text)
        return (struct grid){MAP_CELLS_X, MAP_CELLS_Y};
    struct grid grid = {size[0] - TEXT_MARGIN_X, size[1] - TEXT_MARGIN_Y};
    grid.x = grid.x < TEXT_CELLS_LEAST ? TEXT_CELLS_LEAST : grid.x;
    grid.y = grid.y < TEXT_CELLS_LEAST ? TEXT_CELLS_LEAST : grid.y;
    return grid;
}

static void write_string(FILE *file, const char *name, const char *text)
{
    fprintf(file, "%s = ", name);
    text_write_quoted(file, text != NULL ? text : "");
    fputc('\n', file);
}

/* What the script finds set: the terminal, the names for titles, the values and files of its
 * queries. */
static char *write_script(const struct drawing *drawing, const struct chart *chart,
                          const struct picture *picture, const char *stem, struct store *store,
                          const int size[2], struct grid grid, FILE *file)
{
    const struct format *format = drawing->format;
    fprintf(file,
            "# Made by disco-plot %s. Change what you like and draw again, here: gnuplot %s.gp\n"
            "if (!exists('output')) output = '%s.%s'\nset terminal ",
            DISCO_VERSION, stem, stem, format->name);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    fprintf(file, format->terminal, size[0] / format->unit, size[1] / format->unit);
#pragma GCC diagnostic pop
    fprintf(file,
            "\nset output output\ntxt = %d\nsmall = ',%d'\nsize_x = %d\nsize_y = %d\ngrid_x = "
            "%d\ngrid_y = %d\n",
            format->text, format->small, size[0], size[1], grid.x, grid.y);
    write_string(file, "trace", drawing->trace);
    write_string(file, "machine", picture->machine);
    write_string(file, "run", picture->label);
    char *why = NULL;
    for (size_t i = 0; why == NULL && i < chart->queries; i++) {
        const struct chart_query *query = &chart->query[i];
        if (query->kind == QUERY_DATA) {
            fprintf(file, "data_%s = '%s.%s.tsv'\n", query->name, stem, query->name);
        } else if (query->kind == QUERY_LET) {
            fprintf(file, "%s = ", query->name);
            why = of_query(store_write_value(store, query->sql, grid, file), chart, query->name);
            fputc('\n', file);
        }
    }
    fprintf(file, "\n%s\n%s", drawing->common, chart->script);
    return why;
}

/* gnuplot begins a text with a form feed and fills its lines with blanks: leaves both out. */
static char *tidy_text(const char *from_path, const char *to_path)
{
    FILE *from = fopen(from_path, "re");
    FILE *to = fopen(to_path, "we");
    size_t blanks = 0;
    int c;
    while (from != NULL && to != NULL && (c = fgetc(from)) != EOF) {
        blanks = c == ' ' ? blanks + 1 : blanks;
        if (c == ' ' || c == '\f')
            continue;
        for (; c != '\n' && blanks > 0; blanks--)
            fputc(' ', to);
        blanks = 0;
        fputc(c, to);
    }
    bool failed = from == NULL || to == NULL || ferror(from) != 0 || ferror(to) != 0;
    if (from != NULL)
        fclose(from);
    if (to != NULL)
        failed = fclose(to) != 0 || failed;
    return failed ? text_message("%s: cannot be written: %m", to_path) : NULL;
}

/* Draws into a file beside the picture, which then takes its place. */
static char *run_script(const struct drawing *drawing, const char *stem)
{
    const struct format *format = drawing->format;
    char *script = text_message("%s.gp", stem);
    char *output = text_message("%s.%s.%s", stem, format->name, format->text ? "draft" : "part");
    char *drawn = text_message("%s/%s", drawing->folder, output);
    char *part = text_message("%s/%s.%s.part", drawing->folder, stem, format->name);
    char *path = text_message("%s/%s.%s", drawing->folder, stem, format->name);
    char *why = gnuplot_run(drawing->folder, script, output);
    struct stat made;
    if (why == NULL && (stat(drawn, &made) != 0 || made.st_size == 0))
        why = text_message("%s: gnuplot made no picture; is there room on the disk?", path);
    if (why == NULL && format->text)
        why = tidy_text(drawn, part);
    if (why == NULL && rename(part, path) != 0)
        why = text_message("%s: cannot be written: %m", path);
    if (why != NULL || format->text)
        unlink(drawn);
    if (why != NULL)
        unlink(part);
    free(script);
    free(output);
    free(drawn);
    free(part);
    free(path);
    return why;
}

char *draw(const struct drawing *drawing, const struct chart *chart, const struct picture *picture,
           const char *stem, struct store *store, bool *drawn)
{
    *drawn = false;
    char *why = make_tables(chart, store);
    int size[2] = {0};
    if (why == NULL)
        why = picture_size(drawing, chart, store, size);
    struct grid grid = picture_grid(drawing, size);
    bool first = true;
    for (size_t i = 0; why == NULL && i < chart->queries; i++) {
        size_t rows = 0;
        if (chart->query[i].kind != QUERY_DATA)
            continue;
        why = of_query(write_data(drawing, &chart->query[i], stem, store, grid, &rows), chart,
                       chart->query[i].name);
        if (why == NULL && first && rows == 0) {
            remove_data(drawing->folder, stem, chart);
            return NULL;
        }
        first = false;
    }
    if (why != NULL)
        return why;
    struct part part;
    char *name = text_message("%s.gp", stem);
    why = part_open(&part, drawing->folder, name);
    free(name);
    if (why == NULL)
        why = write_script(drawing, chart, picture, stem, store, size, grid, part.file);
    why = part_close(&part, why);
    if (why == NULL)
        why = run_script(drawing, stem);
    *drawn = why == NULL;
    return why;
}

char *draw_make_folder(const char *folder)
{
    char *path = strdup(folder);
    char *why = path != NULL ? NULL : text_message("out of memory");
    for (char *slash = path; why == NULL && slash != NULL;) {
        slash = strchr(slash + 1, '/');
        if (slash != NULL)
            *slash = '\0';
        if (*path != '\0' && mkdir(path, 0777) != 0 && errno != EEXIST)
            why = text_message("%s: cannot be made: %m; give another folder by -o", path);
        if (slash != NULL)
            *slash = '/';
    }
    free(path);
    struct stat found;
    if (why == NULL && (stat(folder, &found) != 0 || !S_ISDIR(found.st_mode)))
        why = text_message("%s: is no folder; give another one by -o", folder);
    return why;
}

char *draw_print_text(const char *folder, const char *stem)
{
    char *path = text_message("%s/%s.txt", folder, stem);
    FILE *file = fopen(path, "re");
    char *why = file != NULL ? NULL : text_message("%s: cannot be read: %m", path);
    char buffer[4096];
    size_t bytes;
    while (file != NULL && (bytes = fread(buffer, 1, sizeof buffer, file)) > 0)
        fwrite(buffer, 1, bytes, stdout);
    if (file != NULL)
        fclose(file);
    putchar('\n');
    free(path);
    return why;
}

void draw_remove(const char *folder, const char *stem, const struct chart *chart)
{
    remove_data(folder, stem, chart);
    remove_file(folder, stem, ".txt");
    remove_file(folder, stem, ".gp");
}
