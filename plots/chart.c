#include "plots/chart.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plots/text.h"

char *executable_folder(void)
{
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length <= 0)
        return NULL;
    path[length] = '\0';
    char *slash = strrchr(path, '/');
    if (slash == NULL)
        return NULL;
    *slash = '\0';
    return strdup(path);
}

static bool holds_scripts(const char *folder)
{
    char *path;
    if (asprintf(&path, "%s/common.gp", folder) < 0)
        return false;
    bool there = access(path, R_OK) == 0;
    free(path);
    return there;
}

char *charts_folder(void)
{
    const char *given = getenv("DISCO_PLOTS");
    if (given != NULL && *given != '\0')
        return holds_scripts(given) ? strdup(given) : NULL;
    static const char *const places[] = {"../plots", "../share/disco/plots"};
    char *folder = executable_folder();
    char *found = NULL;
    for (size_t i = 0; folder != NULL && found == NULL && i < sizeof places / sizeof *places; i++) {
        char *path;
        if (asprintf(&path, "%s/%s", folder, places[i]) < 0)
            break;
        if (holds_scripts(path))
            found = path;
        else
            free(path);
    }
    free(folder);
    return found;
}

static char *read_text(const char *path, char **out)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return text_message("%s: cannot be read: %m", path);
    char *text = NULL;
    size_t room = 0;
    ssize_t bytes = getdelim(&text, &room, '\0', file);
    bool whole = bytes > 0 && text[bytes - 1] != '\0' && ferror(file) == 0;
    fclose(file);
    if (!whole) {
        free(text);
        return text_message("%s: cannot be read, or is no text; install Disco again", path);
    }
    *out = text;
    return NULL;
}

/* The entry of the header at *line, its continuation lines joined by blanks; *line moves behind it.
 * NULL: the header is over. */
static char *next_entry(const char **line, size_t *number)
{
    char *entry = NULL;
    size_t length = 0;
    while ((*line)[0] == '#') {
        const char *start = *line + 1;
        size_t bytes = strcspn(start, "\n");
        bool comment = start[0] == '#' || bytes == 0;
        bool goes_on = strncmp(start, "   ", 3) == 0;
        if (entry != NULL && !goes_on && !comment)
            break;
        *line = start + bytes + (start[bytes] == '\n');
        ++*number;
        if (comment)
            continue;
        while (bytes > 0 && isspace((unsigned char)*start))
            start++, bytes--;
        char *longer = realloc(entry, length + bytes + 2);
        if (longer == NULL)
            break;
        entry = longer;
        if (length > 0)
            entry[length++] = ' ';
        memcpy(entry + length, start, bytes);
        length += bytes;
        entry[length] = '\0';
    }
    return entry;
}

/* The keys of a header. Each takes the text after the colon. */
static char *set_text(char **field, const char *text)
{
    free(*field);
    *field = strdup(text);
    return *field != NULL ? NULL : text_message("out of memory");
}

static char *set_picture(struct chart *chart, const char *text)
{
    static const char *const names[] = {
        [PICTURE_OF_MACHINE] = "machine",
        [PICTURE_OF_RUN] = "run",
        [PICTURE_OF_TRACE] = "trace",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(text, names[i]) == 0) {
            chart->of = (enum picture_of)i;
            return NULL;
        }
    }
    return text_message("no pictures of '%s'; give machine, run or trace", text);
}

static char *add_query(struct chart *chart, enum query_kind kind, const char *name, const char *sql)
{
    if (name[0] == '\0' || name[strspn(name, "abcdefghijklmnopqrstuvwxyz_")] != '\0')
        return text_message("'%s' is no name; give small letters and _", name);
    struct chart_query *longer =
        reallocarray(chart->query, chart->queries + 1, sizeof *chart->query);
    if (longer == NULL)
        return text_message("out of memory");
    chart->query = longer;
    struct chart_query *query = &chart->query[chart->queries];
    *query = (struct chart_query){.name = strdup(name), .sql = strdup(sql), .kind = kind};
    chart->queries++;
    return query->name != NULL && query->sql != NULL ? NULL : text_message("out of memory");
}

/* "KEY: TEXT", "KEY NAME: TEXT", or "extension" alone. */
static char *take_entry(struct chart *chart, char *entry)
{
    static const struct {
        const char *key;
        enum query_kind kind;
    } queries[] = {{"let", QUERY_LET}, {"data", QUERY_DATA}, {"table", QUERY_TABLE}};
    const struct {
        const char *key;
        char **field;
    } texts[] = {{"about", &chart->about}, {"empty", &chart->empty}, {"size", &chart->size_sql}};

    char *text = entry;
    const char *head = strsep(&text, ":");
    if (text == NULL && strcmp(head, "extension") == 0) {
        chart->extension = true;
        return NULL;
    }
    if (text == NULL)
        return text_message("'%s' is no entry", head);
    text += strspn(text, " ");
    char *name = entry;
    const char *key = strsep(&name, " ");
    for (size_t i = 0; name == NULL && i < sizeof texts / sizeof *texts; i++)
        if (strcmp(key, texts[i].key) == 0)
            return set_text(texts[i].field, text);
    for (size_t i = 0; name != NULL && i < sizeof queries / sizeof *queries; i++)
        if (strcmp(key, queries[i].key) == 0)
            return add_query(chart, queries[i].kind, name, text);
    if (name == NULL && strcmp(key, "picture") == 0)
        return set_picture(chart, text);
    return text_message("'%s' is no entry", key);
}

char *chart_parse(const char *file, const char *name, const char *text, struct chart *out)
{
    *out = (struct chart){.name = strdup(name), .script = strdup(text)};
    if (out->name == NULL || out->script == NULL)
        return text_message("out of memory");
    const char *line = text;
    size_t number = 0, first = 1;
    char *entry;
    while ((entry = next_entry(&line, &number)) != NULL) {
        if (out->about == NULL && strncmp(entry, "about:", 6) != 0) {
            free(entry); /* a script of another kind: not for us to judge */
            return NULL;
        }
        char *why = take_entry(out, entry);
        free(entry);
        if (why != NULL) {
            char *whole = text_message("%s: line %zu: %s; plots/README.md lists the entries", file,
                                       first, why);
            free(why);
            return whole;
        }
        first = number + 1;
    }
    bool rows = false;
    for (size_t i = 0; i < out->queries; i++)
        rows = rows || out->query[i].kind == QUERY_DATA;
    if (out->about != NULL && (!rows || out->empty == NULL))
        return text_message(
            "%s: its header has no 'data' or no 'empty'; plots/README.md lists the entries", file);
    return NULL;
}

static void chart_free(struct chart *chart)
{
    for (size_t i = 0; i < chart->queries; i++) {
        free(chart->query[i].name);
        free(chart->query[i].sql);
    }
    free(chart->query);
    free(chart->name);
    free(chart->about);
    free(chart->empty);
    free(chart->size_sql);
    free(chart->script);
}

void charts_free(struct charts *charts)
{
    for (size_t i = 0; i < charts->count; i++)
        chart_free(&charts->chart[i]);
    free(charts->chart);
    free(charts->common);
    *charts = (struct charts){0};
}

const struct chart *charts_find(const struct charts *charts, const char *name)
{
    for (size_t i = 0; i < charts->count; i++)
        if (strcmp(charts->chart[i].name, name) == 0)
            return &charts->chart[i];
    return NULL;
}

static int is_script(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return entry->d_name[0] != '.' && dot != NULL && strcmp(dot, ".gp") == 0;
}

/* Adds the script at `path` to the charts, if it is one. */
static char *add_script(struct charts *charts, const char *path, const char *file_name)
{
    char *text = NULL;
    char *why = read_text(path, &text);
    if (why != NULL || text == NULL)
        return why;
    if (strcmp(file_name, "common.gp") == 0) {
        charts->common = text;
        return NULL;
    }
    struct chart *longer = reallocarray(charts->chart, charts->count + 1, sizeof *charts->chart);
    char *name = strndup(file_name, strlen(file_name) - strlen(".gp"));
    if (longer != NULL)
        charts->chart = longer;
    if (longer == NULL || name == NULL) {
        why = text_message("out of memory");
    } else {
        struct chart *chart = &charts->chart[charts->count];
        why = chart_parse(path, name, text, chart);
        if (why != NULL || chart->about == NULL)
            chart_free(chart);
        else
            charts->count++;
    }
    free(name);
    free(text);
    return why;
}

char *charts_read(const char *folder, struct charts *out)
{
    *out = (struct charts){0};
    struct dirent **names;
    int count = scandir(folder, &names, is_script, alphasort);
    if (count < 0)
        return text_message("%s: cannot be read: %m", folder);
    char *why = NULL;
    for (int i = 0; i < count; i++) {
        char *path;
        if (why == NULL && asprintf(&path, "%s/%s", folder, names[i]->d_name) >= 0) {
            why = add_script(out, path, names[i]->d_name);
            free(path);
        }
        free(names[i]);
    }
    free(names);
    if (why == NULL && out->common == NULL)
        why = text_message("%s: holds no common.gp; install Disco again", folder);
    if (why != NULL)
        charts_free(out);
    return why;
}
