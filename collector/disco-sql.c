/* disco-sql TRACE.db ['SELECT ...']: asks a trace, with its references as table refs. */
#include "collector/trace/extension.h"
#include "collector/trace/store.h"

#include <argp.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rows that are looked at before the widths of columns are fixed: memory stays bounded. */
#define ROWS_AHEAD 512

enum format { FORMAT_TABLE, FORMAT_CSV, FORMAT_TABS, FORMAT_JSON };

struct options {
    const char *path, *sql;
    enum format format;
    bool no_header;
};

static const struct argp_option option_list[] = {
    {"csv", 'c', NULL, 0, "Comma-separated values (RFC 4180)", 0},
    {"json", 'j', NULL, 0, "JSON: an array of objects a statement, on one line", 0},
    {"tabs", 't', NULL, 0, "Values with tabs between them, for cut, awk and gnuplot", 0},
    {"no-header", 'n', NULL, 0, "Leave out the line with the names of the columns", 0},
    {0},
};

static const char documentation[] =
    "Run SQL on a trace, read-only, and print the answer as aligned columns."
    "\v"
    "SQL holds one statement or several with ; between them; without it they are read from "
    "standard input.\n"
    "\n"
    "References are table refs (time, stream, addr, kind, mode, page, ip, phys, latency, source, "
    "weight, "
    "size, cpu, block, ref), other events table events, a heat map heat(time_bins, page_bins); "
    "every other "
    "table and column is described in schema.sql, and `SELECT sql FROM sqlite_schema` prints "
    "that.\n"
    "\n"
    "Examples:\n"
    "  disco-sql t.db 'SELECT name, start, \"end\" FROM trace_region'\n"
    "  disco-sql t.db 'SELECT count(*), min(addr) FROM refs WHERE time BETWEEN 0 AND 1000000'\n"
    "  disco-sql --csv t.db 'SELECT * FROM v_compare'\n"
    "\n"
    "Exit status: 0 done, 1 failed, 2 wrong usage.";

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct options *options = state->input;
    switch (key) {
    case 'c':
        options->format = FORMAT_CSV;
        break;
    case 'j':
        options->format = FORMAT_JSON;
        break;
    case 't':
        options->format = FORMAT_TABS;
        break;
    case 'n':
        options->no_header = true;
        break;
    case ARGP_KEY_ARG:
        if (state->arg_num > 1)
            argp_error(state, "too many arguments; put the SQL in quotes");
        *(state->arg_num == 0 ? &options->path : &options->sql) = argument;
        break;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which trace? Give its file");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

/* All of standard input. */
static char *read_input(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    if (to == NULL)
        return NULL;
    char part[4096];
    size_t got = 0;
    while ((got = fread(part, 1, sizeof part, stdin)) != 0)
        fwrite(part, 1, got, to);
    if (fclose(to) != 0 || ferror(stdin)) {
        free(text);
        return NULL;
    }
    return text;
}

/* A value as text: what SQLite makes of it, blobs as X'hex'. NULL for NULL. From malloc. */
static char *value_text(sqlite3_stmt *row, int column)
{
    int type = sqlite3_column_type(row, column);
    if (type == SQLITE_NULL)
        return NULL;
    if (type != SQLITE_BLOB) {
        const unsigned char *text = sqlite3_column_text(row, column);
        return strdup(text != NULL ? (const char *)text : "");
    }
    const unsigned char *blob = sqlite3_column_blob(row, column);
    size_t bytes = (size_t)sqlite3_column_bytes(row, column);
    char *text = malloc(2 * bytes + 4);
    if (text == NULL)
        return NULL;
    char *at = text;
    *at++ = 'X';
    *at++ = '\'';
    for (size_t i = 0; i < bytes; i++) {
        *at++ = "0123456789ABCDEF"[blob[i] >> 4];
        *at++ = "0123456789ABCDEF"[blob[i] & 15];
    }
    *at++ = '\'';
    *at = '\0';
    return text;
}

/* ---- aligned columns */

/* Characters of UTF-8 text. */
static int width_of(const char *text)
{
    int width = 0;
    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

struct table {
    int columns;
    int *width;
    bool *number; /* aligned to the right */
    char **cell;  /* [ROWS_AHEAD + 1][columns]; the first row is the header */
    size_t rows;
    bool fixed; /* the first rows are out, widths only grow where they must */
};

static void print_padding(int count)
{
    for (; count > 0; count--)
        putchar(' ');
}

static void print_cells(const struct table *table, char *const *cell, bool header)
{
    for (int i = 0; i < table->columns; i++) {
        const char *text = cell[i] != NULL ? cell[i] : "";
        int padding = table->width[i] - width_of(text);
        if (i != 0)
            fputs("  ", stdout);
        if (table->number[i])
            print_padding(padding);
        for (const char *at = text; *at != '\0'; at++)
            putchar((unsigned char)*at < ' ' ? ' ' : *at); /* a line break would end the row */
        if (!table->number[i] && i + 1 < table->columns)
            print_padding(padding);
    }
    putchar('\n');
    if (!header)
        return;
    for (int i = 0; i < table->columns; i++) {
        if (i != 0)
            fputs("  ", stdout);
        for (int at = 0; at < table->width[i]; at++)
            putchar('-');
    }
    putchar('\n');
}

static void print_first_rows(struct table *table, bool no_header)
{
    if (table->fixed)
        return;
    table->fixed = true;
    for (size_t row = 0; row < table->rows; row++)
        for (int i = 0; i < table->columns; i++) {
            const char *text = table->cell[row * (size_t)table->columns + (size_t)i];
            int width = text != NULL && !(row == 0 && no_header) ? width_of(text) : 0;
            table->width[i] = width > table->width[i] ? width : table->width[i];
        }
    for (size_t row = no_header ? 1 : 0; row < table->rows; row++)
        print_cells(table, table->cell + row * (size_t)table->columns, row == 0);
}

static void table_free(struct table *table)
{
    for (size_t i = 0; table->cell != NULL && i < table->rows * (size_t)table->columns; i++)
        free(table->cell[i]);
    free(table->cell);
    free(table->width);
    free(table->number);
}

static bool table_begin(struct table *table, sqlite3_stmt *row)
{
    int columns = sqlite3_column_count(row);
    size_t room = (size_t)columns;
    *table = (struct table){.columns = columns,
                            .width = calloc(room, sizeof *table->width),
                            .number = calloc(room, sizeof *table->number),
                            .cell = calloc((ROWS_AHEAD + 1) * room, sizeof *table->cell)};
    if (table->width == NULL || table->number == NULL || table->cell == NULL)
        return false;
    for (int i = 0; i < columns; i++)
        table->cell[i] = strdup(sqlite3_column_name(row, i));
    table->rows = 1;
    return true;
}

static void table_row(struct table *table, sqlite3_stmt *row, bool no_header)
{
    size_t columns = (size_t)table->columns;
    if (table->rows == 1 && !table->fixed)
        for (int i = 0; i < table->columns; i++)
            table->number[i] = sqlite3_column_type(row, i) == SQLITE_INTEGER ||
                               sqlite3_column_type(row, i) == SQLITE_FLOAT;
    if (!table->fixed && table->rows == ROWS_AHEAD + 1)
        print_first_rows(table, no_header);
    /* later rows pass through the place of the last one looked at ahead */
    size_t at = table->fixed ? ROWS_AHEAD : table->rows++;
    char **cell = table->cell + at * columns;
    for (int i = 0; i < table->columns; i++) {
        free(cell[i]);
        cell[i] = value_text(row, i);
    }
    if (table->fixed)
        print_cells(table, cell, false);
}

/* ---- the other formats */

static void print_csv(const char *text)
{
    if (strpbrk(text, ",\"\r\n") == NULL) {
        fputs(text, stdout);
        return;
    }
    putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '"')
            putchar('"');
        putchar(*text);
    }
    putchar('"');
}

/* A tab or a line break inside a value would shift the columns. */
static void print_tabs(const char *text)
{
    for (; *text != '\0'; text++)
        putchar(*text == '\t' || *text == '\n' || *text == '\r' ? ' ' : *text);
}

/* A row, or the names of its columns. */
static void print_separated(enum format format, sqlite3_stmt *row, bool names)
{
    int columns = sqlite3_column_count(row);
    for (int i = 0; i < columns; i++) {
        char *text = names ? strdup(sqlite3_column_name(row, i)) : value_text(row, i);
        if (i != 0)
            putchar(format == FORMAT_CSV ? ',' : '\t');
        if (text != NULL)
            (format == FORMAT_CSV ? print_csv : print_tabs)(text);
        free(text);
    }
    putchar('\n');
}

static json_t *json_value(sqlite3_stmt *row, int column)
{
    switch (sqlite3_column_type(row, column)) {
    case SQLITE_NULL:
        return json_null();
    case SQLITE_INTEGER:
        return json_integer(sqlite3_column_int64(row, column));
    case SQLITE_FLOAT:
        return json_real(sqlite3_column_double(row, column));
    default: {
        char *text = value_text(row, column);
        json_t *value = json_string(text != NULL ? text : "");
        free(text);
        return value != NULL ? value : json_string("(not UTF-8)");
    }
    }
}

static void print_json_row(sqlite3_stmt *row, bool first)
{
    json_t *object = json_object();
    for (int i = 0; i < sqlite3_column_count(row); i++)
        json_object_set_new(object, sqlite3_column_name(row, i), json_value(row, i));
    if (!first)
        putchar(',');
    json_dumpf(object, stdout, JSON_COMPACT);
    json_decref(object);
}

/* ---- statements */

/* Runs one statement to its end. Returns SQLite's result: SQLITE_DONE when all went well. */
static int run_statement(sqlite3_stmt *row, const struct options *options)
{
    struct table table = {0};
    bool rows = sqlite3_column_count(row) != 0;
    if (rows && options->format == FORMAT_TABLE && !table_begin(&table, row)) {
        table_free(&table);
        return SQLITE_NOMEM;
    }
    if (rows && options->format == FORMAT_JSON)
        putchar('[');
    if (rows && !options->no_header &&
        (options->format == FORMAT_CSV || options->format == FORMAT_TABS))
        print_separated(options->format, row, true);
    bool first = true;
    int rc = SQLITE_OK;
    while ((rc = sqlite3_step(row)) == SQLITE_ROW) {
        if (options->format == FORMAT_TABLE)
            table_row(&table, row, options->no_header);
        else if (options->format == FORMAT_JSON)
            print_json_row(row, first);
        else
            print_separated(options->format, row, false);
        first = false;
    }
    if (rows && options->format == FORMAT_TABLE)
        print_first_rows(&table, options->no_header);
    if (rows && options->format == FORMAT_JSON)
        puts("]");
    table_free(&table);
    return rc;
}

/* What SQLite says, on one line. */
static void complain(const char *path, const char *message)
{
    fflush(stdout);
    fprintf(stderr, "disco-sql: %s: ", path);
    for (; *message != '\0'; message++)
        fputc((unsigned char)*message < ' ' ? ' ' : *message, stderr);
    fputc('\n', stderr);
}

static int run_all(sqlite3 *db, const char *sql, const struct options *options)
{
    while (*sql != '\0') {
        sqlite3_stmt *statement = NULL;
        int rc = sqlite3_prepare_v2(db, sql, -1, &statement, &sql);
        if (rc == SQLITE_OK && statement == NULL)
            continue; /* white space or a comment */
        if (rc == SQLITE_OK)
            rc = run_statement(statement, options);
        if (rc != SQLITE_DONE) {
            complain(options->path, sqlite3_errmsg(db));
            sqlite3_finalize(statement);
            return 1;
        }
        sqlite3_finalize(statement);
    }
    return 0;
}

int main(int argc, char **argv)
{
    static const struct argp argp = {option_list,   parse_option, "TRACE.db [SQL]",
                                     documentation, NULL,         NULL,
                                     NULL};
    struct options options = {0};
    argp_program_version = "disco-sql " DISCO_VERSION;
    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, &options);

    sqlite3_auto_extension((void (*)(void))sqlite3_disco_init);
    sqlite3 *db = NULL;
    char *error = store_open(options.path, &db);
    if (error != NULL) {
        fprintf(stderr, "disco-sql: %s\n", error);
        free(error);
        return 1;
    }
    char *input = options.sql == NULL ? read_input() : NULL;
    const char *sql = options.sql != NULL ? options.sql : input;
    int status = 1;
    if (sql == NULL)
        complain("standard input", "cannot be read");
    else
        status = run_all(db, sql, &options);
    free(input);
    sqlite3_close(db);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "disco-sql: standard output: %s\n", strerror(errno));
        status = 1;
    }
    return status;
}
