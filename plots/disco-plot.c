/* disco-plot: draws the results of replays, and the trace itself, with gnuplot. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plots/chart.h"
#include "plots/draw.h"
#include "plots/options.h"
#include "plots/store.h"
#include "plots/text.h"

/* What all pictures of one call share. */
struct session {
    const struct options *options;
    const struct charts *charts;
    struct store *store;
    struct drawing drawing;
    bool extension; /* disco.so is loaded */
};

static void complain(const char *why)
{
    fflush(stdout);
    fprintf(stderr, "disco-plot: %s\n", why);
}

static void list_charts(const struct charts *charts)
{
    for (size_t i = 0; i < charts->count; i++)
        printf("%-10s %s\n", charts->chart[i].name, charts->chart[i].about);
}

/* NULL, or which chart that was asked for is none. */
static char *check_charts(const struct options *options, const struct charts *charts)
{
    for (size_t i = 0; i < options->charts; i++) {
        if (charts_find(charts, options->chart[i]) != NULL)
            continue;
        char *names = strdup("");
        for (size_t j = 0; j < charts->count; j++) {
            char *longer = text_message("%s%s%s", names, j > 0 ? ", " : "", charts->chart[j].name);
            free(names);
            names = longer;
        }
        char *why = text_message("no chart '%s'; there are %s", options->chart[i], names);
        free(names);
        return why;
    }
    return NULL;
}

/* disco.so: $DISCO_EXTENSION, or beside the executable, or where make install puts it. NULL: not
 * there. */
static char *find_extension(void)
{
    const char *given = getenv("DISCO_EXTENSION");
    if (given != NULL && *given != '\0')
        return strdup(given);
    static const char *const places[] = {"disco.so", "../lib/disco/disco.so"};
    char *folder = executable_folder();
    char *found = NULL;
    for (size_t i = 0; folder != NULL && found == NULL && i < sizeof places / sizeof *places; i++) {
        found = text_message("%s/%s", folder, places[i]);
        if (access(found, R_OK) != 0) {
            free(found);
            found = NULL;
        }
    }
    free(folder);
    return found;
}

/* CHART, CHART.MACHINE or CHART.MACHINE.RUN. */
static char *plain_stem(const struct chart *chart, const struct picture *picture)
{
    char *machine = text_file_name(picture->machine != NULL ? picture->machine : "");
    char *label = text_file_name(picture->label != NULL ? picture->label : "");
    char *stem = text_message("%s%s%s%s%s", chart->name, *machine != '\0' ? "." : "", machine,
                              *label != '\0' ? "." : "", label);
    free(machine);
    free(label);
    return stem;
}

/* The plain stem; the second picture of one stem ends in .2, and so on. Names have no dots inside.
 */
static char *picture_stem(const struct chart *chart, const struct pictures *pictures, size_t at)
{
    char *stem = plain_stem(chart, &pictures->picture[at]);
    size_t number = 1;
    for (size_t i = 0; i < at; i++) {
        char *other = plain_stem(chart, &pictures->picture[i]);
        number += strcmp(stem, other) == 0;
        free(other);
    }
    if (number == 1)
        return stem;
    char *numbered = text_message("%s.%zu", stem, number);
    free(stem);
    return numbered;
}

/* Draws one picture and prints its path, or the picture itself. */
static char *draw_one(const struct session *session, const struct chart *chart,
                      const struct picture *picture, const char *stem, bool *drawn)
{
    const struct drawing *drawing = &session->drawing;
    char *why = store_show(session->store, picture);
    if (why == NULL)
        why = draw(drawing, chart, picture, stem, session->store, drawn);
    if (session->options->output == NULL) {
        if (why == NULL && *drawn)
            why = draw_print_text(drawing->folder, stem);
        draw_remove(drawing->folder, stem, chart);
        return why;
    }
    if (why == NULL && *drawn)
        printf("%s/%s.%s\n", drawing->folder, stem, drawing->format->name);
    return why;
}

/* Every picture of a chart. Nothing to draw is an error only where the chart was asked for. */
static char *draw_chart(const struct session *session, const struct chart *chart)
{
    const struct options *options = session->options;
    bool asked = options->charts > 0;
    if (chart->extension && !session->extension) {
        char *why =
            text_message("%s: chart %s reads the references by disco.so, which is not there; "
                         "build it with make, or name it in DISCO_EXTENSION",
                         options->trace, chart->name);
        if (asked)
            return why;
        complain(why);
        free(why);
        return NULL;
    }
    struct pictures pictures;
    char *why = store_pictures(session->store, chart->of, &pictures);
    size_t count = 0;
    for (size_t i = 0; why == NULL && i < pictures.count; i++) {
        bool drawn = false;
        char *stem = picture_stem(chart, &pictures, i);
        why = draw_one(session, chart, &pictures.picture[i], stem, &drawn);
        free(stem);
        count += drawn;
    }
    pictures_free(&pictures);
    if (why == NULL && count == 0 && asked)
        why = text_message("%s: nothing to draw for chart %s: %s", options->trace, chart->name,
                           chart->empty);
    return why;
}

/* The charts that were asked for, or all: those that read references last, for a damaged block
 * stops them. */
static char *draw_charts(const struct session *session)
{
    const struct options *options = session->options;
    const struct charts *charts = session->charts;
    char *why = NULL;
    for (size_t i = 0; why == NULL && i < options->charts; i++)
        why = draw_chart(session, charts_find(charts, options->chart[i]));
    if (options->charts > 0)
        return why;
    for (int references = 0; references < 2; references++)
        for (size_t i = 0; why == NULL && i < charts->count; i++)
            if (charts->chart[i].extension == (references != 0))
                why = draw_chart(session, &charts->chart[i]);
    return why;
}

/* Runs there must be, unless only charts of the trace itself are asked for. */
static char *check_runs(const struct session *session)
{
    const struct options *options = session->options;
    bool needed = options->charts == 0;
    for (size_t i = 0; i < options->charts; i++)
        needed = needed || charts_find(session->charts, options->chart[i])->of != PICTURE_OF_TRACE;
    if (!needed)
        return NULL;
    struct pictures runs;
    char *why = store_pictures(session->store, PICTURE_OF_RUN, &runs);
    if (why == NULL && runs.count == 0)
        why =
            text_message("%s: holds no runs to draw; make some with: disco-replay --policy all %s",
                         options->results != NULL ? options->results : options->trace,
                         options->trace);
    pictures_free(&runs);
    return why;
}

/* The folder to draw in: the user's, or a private one when the pictures go to the terminal. */
static char *make_folder(const struct options *options, char **folder)
{
    if (options->output != NULL) {
        *folder = strdup(options->output);
        if (*folder == NULL)
            return text_message("out of memory");
        for (size_t end = strlen(*folder); end > 1 && (*folder)[end - 1] == '/';)
            (*folder)[--end] = '\0';
        return draw_make_folder(*folder);
    }
    const char *temporary = getenv("TMPDIR");
    *folder = text_message("%s/disco-plot.XXXXXX", temporary != NULL ? temporary : "/tmp");
    if (mkdtemp(*folder) != NULL)
        return NULL;
    return text_message("%s: cannot be made: %m; set TMPDIR, or give a folder by -o", *folder);
}

static char *draw_all(const struct options *options, const struct charts *charts)
{
    char *extension = find_extension(), *folder = NULL, *trace = NULL;
    struct session session = {
        .options = options,
        .charts = charts,
        .extension = extension != NULL,
    };
    char *why = store_open(options->trace, options->results, extension, &session.store);
    if (why == NULL)
        why = store_choose(session.store, options->run, options->runs);
    if (why == NULL)
        why = check_runs(&session);
    if (why == NULL)
        why = store_trace_name(session.store, &trace);
    if (why == NULL)
        why = make_folder(options, &folder);
    if (why == NULL) {
        session.drawing = (struct drawing){
            .format = options->format,
            .width = options->width,
            .height = options->height,
            .folder = folder,
            .common = charts->common,
            .trace = trace,
        };
        why = draw_charts(&session);
        if (options->output == NULL)
            rmdir(folder);
    }
    store_close(session.store);
    free(extension);
    free(folder);
    free(trace);
    return why;
}

int main(int argc, char **argv)
{
    struct options options;
    options_parse(argc, argv, &options);
    char *scripts = charts_folder();
    struct charts charts = {0};
    char *why =
        scripts != NULL
            ? charts_read(scripts, &charts)
            : text_message("the charts' scripts are not found; install Disco again, or name "
                           "their folder in DISCO_PLOTS");
    if (why == NULL)
        why = check_charts(&options, &charts);
    if (why == NULL && options.list)
        list_charts(&charts);
    else if (why == NULL)
        why = draw_all(&options, &charts);
    if (fflush(stdout) != 0 && why == NULL)
        why = text_message("standard output: cannot be written: %m");
    if (why != NULL)
        complain(why);
    charts_free(&charts);
    free(scripts);
    int status = why != NULL ? 1 : 0;
    free(why);
    return status;
}
