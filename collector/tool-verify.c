/* disco-trace verify: checks every block and every sum, and says exactly what is intact.
 *
 * Asks for each block by itself, so that one damaged page of the file costs the blocks on it and no
 * others; and reads a file that lost its end as far as it goes.
 */
#include "collector/tool.h"
#include "collector/trace/block-row.h"
#include "collector/trace/progress.h"
#include "collector/trace/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Neighbouring blocks of which the same is to be said. */
struct stretch {
    uint64_t first, last;
    const char *why; /* NULL: intact. Static text */
    struct stretch *next;
};

struct check {
    const char *path;
    sqlite3 *db;
    sqlite3_stmt *one;
    struct codec *codec;
    struct ref_block *block;
    uint64_t blocks, refs; /* as table trace says */
    uint32_t columns, streams;
    bool complete;
    struct stretch *first, **last_link, *last;
    uint64_t intact_blocks, intact_refs, intact_events;
    uint64_t next_ref; /* ordinal that the next block has to start at, while `chained` */
    uint64_t last_time;
    bool chained;      /* the block before was intact */
    uint32_t findings; /* besides blocks */
};

static void find_fault(struct check *check, const char *what)
{
    printf("%s\n", what);
    check->findings++;
}

/* The integers of the first row of `sql` into value[]; columns that are NULL give 0. */
static int ask(sqlite3 *db, const char *sql, int values, sqlite3_int64 *value)
{
    sqlite3_stmt *row = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &row, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(row);
        for (int i = 0; i < values && rc == SQLITE_ROW; i++)
            value[i] = sqlite3_column_int64(row, i);
    }
    sqlite3_finalize(row);
    return rc;
}

/* Blocks to look for one by one: where table trace is damaged it may promise any number of them. */
static uint64_t blocks_to_check(const struct check *check)
{
    sqlite3_int64 most = 0;
    if (ask(check->db, "SELECT max(block) FROM trace_block", 1, &most) != SQLITE_ROW &&
        ask(check->db, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size", 1,
            &most) != SQLITE_ROW) /* a block takes at least a byte */
        return 0;
    uint64_t blocks = most < 0 ? 0 : (uint64_t)most + 1;
    return blocks < check->blocks ? blocks : check->blocks;
}

/* Is the row what the block says it is? */
static const char *compare(const struct check *check, const struct block_row *row)
{
    const struct ref_block *block = check->block;
    bool clock = (check->columns & COLUMN_BIT(COLUMN_TIME)) != 0;
    struct block_row said = *row;
    block_row_describe(block, &said);
    if (said.min_addr != row->min_addr || said.max_addr != row->max_addr)
        return "its addresses differ from its row";
    if (said.kinds != row->kinds || memcmp(said.streams, row->streams, sizeof said.streams) != 0)
        return "its kinds or streams differ from its row";
    if (block->columns != check->columns)
        return "its columns are not those of the trace";
    if (!clock) {
        said.first_time = row->first_ref;
        said.last_time = row->first_ref + (row->refs != 0 ? row->refs - 1 : 0);
    }
    if (said.first_time != row->first_time || said.last_time != row->last_time)
        return "its times differ from its row";
    for (uint32_t i = 1; clock && i < block->refs; i++)
        if (block->column[COLUMN_TIME][i] < block->column[COLUMN_TIME][i - 1])
            return "its time falls";
    if (check->chained && row->first_ref != check->next_ref)
        return "its references do not follow those of the block before";
    if (check->chained && row->refs != 0 && row->first_time < check->last_time)
        return "its time is before that of the block before";
    return NULL;
}

static const char *check_block(struct check *check, uint64_t number)
{
    sqlite3_bind_int64(check->one, 1, (sqlite3_int64)number);
    int rc = sqlite3_step(check->one);
    if (rc == SQLITE_DONE)
        return "missing";
    if (rc != SQLITE_ROW)
        return "the pages of the file that hold it are damaged or gone";
    struct block_row row;
    const char *why = block_row_read(check->one, &row);
    if (why == NULL && row.number != number)
        why = "the pages of the file that hold it are damaged or gone";
    if (why == NULL)
        why = block_row_data(check->one, &row);
    if (why == NULL)
        why = block_row_decode(&row, check->codec, check->streams, check->block);
    if (why == NULL)
        why = compare(check, &row);
    check->chained = why == NULL;
    if (why != NULL)
        return why;
    check->next_ref = row.first_ref + row.refs;
    if (row.refs != 0)
        check->last_time = row.last_time;
    check->intact_blocks++;
    check->intact_refs += row.refs;
    check->intact_events += row.events;
    return NULL;
}

/* Says it of blocks `first` to `end`, end excluded. False when memory is short. */
static bool note(struct check *check, uint64_t first, uint64_t end, const char *why)
{
    struct stretch *last = check->last;
    if (last != NULL &&
        (why == last->why || (why != NULL && last->why != NULL && strcmp(why, last->why) == 0))) {
        last->last = end - 1;
        return true;
    }
    struct stretch *stretch = malloc(sizeof *stretch);
    if (stretch == NULL)
        return false;
    *stretch = (struct stretch){.first = first, .last = end - 1, .why = why};
    *check->last_link = stretch;
    check->last_link = &stretch->next;
    check->last = stretch;
    return true;
}

static char *check_blocks(struct check *check)
{
    struct progress progress;
    progress_start(&progress, "verifying", "blocks", check->blocks);
    check->last_link = &check->first;
    check->chained = true;
    char *error = NULL;
    const uint64_t end = blocks_to_check(check);
    for (uint64_t number = 0; number < end && error == NULL; number++) {
        const char *why = check_block(check, number);
        sqlite3_reset(check->one);
        if (!note(check, number, number + 1, why))
            error = tool_line("%s: out of memory", check->path);
        if (why != NULL && check->first != NULL)
            check->chained = false;
        progress_at(&progress, number);
    }
    if (error == NULL && end < check->blocks && !note(check, end, check->blocks, "missing"))
        error = tool_line("%s: out of memory", check->path);
    progress_end(&progress);
    return error;
}

static void print_stretch(const struct stretch *stretch)
{
    printf("%" PRIu64, stretch->first);
    if (stretch->last != stretch->first)
        printf("-%" PRIu64, stretch->last);
}

static void print_blocks(const struct check *check)
{
    if (check->intact_blocks != 0) {
        printf(check->intact_blocks == 1 ? "block " : "blocks ");
        const char *between = "";
        for (const struct stretch *at = check->first; at != NULL; at = at->next) {
            if (at->why != NULL)
                continue;
            const struct stretch *more = at->next;
            while (more != NULL && more->why != NULL)
                more = more->next;
            fputs(between, stdout);
            print_stretch(at);
            between =
                more != NULL && (more->next == NULL || more->next->next == NULL) ? " and " : ", ";
        }
        printf(" %s intact (%" PRIu64 " references, %" PRIu64 " events)\n",
               check->intact_blocks == 1 ? "is" : "are", check->intact_refs, check->intact_events);
    }
    for (const struct stretch *at = check->first; at != NULL; at = at->next) {
        if (at->why == NULL)
            continue;
        printf(at->first == at->last ? "block " : "blocks ");
        print_stretch(at);
        printf(": %s\n", at->why);
    }
}

/* Sums that must agree when all blocks are intact. */
static void check_sums(struct check *check)
{
    sqlite3_int64 sum[8] = {0};
    if (check->intact_blocks == check->blocks &&
        (ask(check->db, "SELECT refs, events, fetches + loads + stores + touches FROM trace", 3,
             sum) != SQLITE_ROW ||
         (uint64_t)sum[0] != check->intact_refs || (uint64_t)sum[1] != check->intact_events ||
         sum[2] != sum[0]))
        find_fault(check, "table trace: its counts differ from the blocks");
    if (ask(check->db,
            "SELECT t.fetches = ifnull(sum(p.fetches), 0) AND t.loads = ifnull(sum(p.loads), 0) "
            "AND "
            "t.stores = ifnull(sum(p.stores), 0) AND t.touches = ifnull(sum(p.touches), 0) "
            "FROM trace t LEFT JOIN page_summary p ON true",
            1, sum) != SQLITE_ROW ||
        sum[0] != 1)
        find_fault(
            check,
            "table page_summary: cannot be read or does not add up to the references of the trace");
    if (ask(check->db,
            "SELECT count(*) FROM trace_block WHERE block NOT BETWEEN 0 AND (SELECT blocks - 1 "
            "FROM trace)",
            1, sum) == SQLITE_ROW &&
        sum[0] != 0)
        find_fault(check, "table trace_block: has rows that table trace does not count");
    if (ask(check->db,
            "SELECT (SELECT count(*) FROM trace_stream WHERE space NOT IN (SELECT space FROM "
            "trace_space)) + "
            "(SELECT count(*) FROM trace_region WHERE space NOT IN (SELECT space FROM "
            "trace_space))",
            1, sum) != SQLITE_ROW ||
        sum[0] != 0)
        find_fault(
            check,
            "tables trace_stream, trace_region: damaged, or name spaces that are not listed");
}

/* SQLite's own check of all its pages, results of replays included. */
static void check_pages(struct check *check)
{
    sqlite3_stmt *row = NULL;
    if (sqlite3_prepare_v2(check->db, "PRAGMA integrity_check(1)", -1, &row, NULL) != SQLITE_OK) {
        find_fault(check, "the database: its structure cannot be read");
    } else if (sqlite3_step(row) != SQLITE_ROW) {
        find_fault(check, "the database: its pages cannot be read");
    } else {
        const char *said = (const char *)sqlite3_column_text(row, 0);
        if (said == NULL || strcmp(said, "ok") != 0) {
            const char *finding = said != NULL ? said : "no answer";
            const char *second = strchr(finding, '\n'); /* the first line only names the database */
            printf("the database: %.*s\n",
                   (int)strcspn(second != NULL ? second + 1 : finding, "\n"),
                   second != NULL ? second + 1 : finding);
            check->findings++;
        }
    }
    sqlite3_finalize(row);
}

/* A file that lost its end is refused by SQLite; with writable_schema on it reads what is there. */
static char *open_damaged(struct check *check, char *error)
{
    if (strstr(error, "damaged") == NULL ||
        sqlite3_open_v2(check->path, &check->db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK ||
        sqlite3_exec(check->db, "PRAGMA writable_schema = ON", NULL, NULL, NULL) != SQLITE_OK)
        return error;
    sqlite3_int64 value[3] = {0};
    int rc = ask(check->db,
                 "SELECT (SELECT application_id FROM pragma_application_id), "
                 "(SELECT user_version FROM pragma_user_version)",
                 2, value);
    if (rc != SQLITE_ROW || store_refusal(value[0], value[1], 1) != NULL)
        return error;
    free(error);
    find_fault(check, "the file: shorter than it says, or its first page is damaged");
    return NULL;
}

static char *check_trace(struct check *check)
{
    char *error = store_open(check->path, &check->db);
    if (error != NULL)
        error = open_damaged(check, error);
    if (error != NULL)
        return error;
    sqlite3_int64 said[4] = {0};
    int rc = ask(check->db, "SELECT blocks, refs, columns, complete FROM trace", 4, said);
    sqlite3_int64 streams = 0;
    if (rc == SQLITE_ROW)
        rc = ask(check->db, "SELECT count(*) FROM trace_stream", 1, &streams);
    if (rc == SQLITE_ROW && (said[0] < 0 || said[2] < 0 || said[2] >> REF_COLUMNS != 0))
        rc = SQLITE_CORRUPT;
    if (rc == SQLITE_ROW)
        rc = sqlite3_prepare_v2(check->db, BLOCK_ROW_SELECT "WHERE block = ?1", -1, &check->one,
                                NULL) == SQLITE_OK
                 ? SQLITE_ROW
                 : SQLITE_CORRUPT;
    if (rc != SQLITE_ROW)
        return tool_line(
            "%s: nothing can be read: its first tables are damaged; restore it from a copy",
            check->path);
    check->blocks = (uint64_t)said[0];
    check->refs = (uint64_t)said[1];
    check->columns = (uint32_t)said[2];
    check->complete = said[3] == 1;
    check->streams = (uint32_t)streams;
    check->codec = codec_new();
    check->block = ref_block_new(check->columns);
    if (check->codec == NULL || check->block == NULL)
        return tool_line("%s: out of memory", check->path);
    printf("%s: a %s trace of %" PRIu64 " references in %" PRIu64 " blocks\n", check->path,
           check->complete ? "complete" : "cut off", check->refs, check->blocks);
    error = check_blocks(check);
    if (error != NULL)
        return error;
    print_blocks(check);
    check_sums(check);
    check_pages(check);
    uint64_t damaged = check->blocks - check->intact_blocks;
    if (damaged != 0)
        return tool_line("%s: %" PRIu64 " of %" PRIu64
                         " blocks damaged; record again, or use what is intact",
                         check->path, damaged, check->blocks);
    /* what readers refuse is not intact, whatever the blocks are */
    struct trace_reader *reader = NULL;
    error = trace_reader_open(check->path, &reader);
    trace_reader_close(reader);
    if (error != NULL)
        return error;
    if (check->findings != 0)
        return tool_line("%s: all blocks are intact, but not the tables around them; `disco-trace "
                         "merge -o NEW %s` "
                         "writes the blocks to a new trace",
                         check->path, check->path);
    return NULL;
}

static void check_free(struct check *check)
{
    while (check->first != NULL) {
        struct stretch *next = check->first->next;
        free(check->first);
        check->first = next;
    }
    sqlite3_finalize(check->one);
    sqlite3_close(check->db);
    codec_free(check->codec);
    ref_block_free(check->block);
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct check *check = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        if (state->arg_num > 0)
            argp_error(state, "one trace, please");
        check->path = argument;
        break;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which trace? Give its file");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static int run(int argc, char **argv)
{
    static const struct argp argp = {
        NULL,
        parse_option,
        "TRACE.db",
        "Check every block of a trace (checksum, encoding, counts, order), its sums, and the pages "
        "of the "
        "database; say which blocks are intact and what is wrong with the others."
        "\vExit status: 0 everything is intact, 1 something is damaged or cannot be read, 2 wrong "
        "usage.",
        NULL,
        NULL,
        NULL};
    struct check check = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &check);
    char *error = check_trace(&check);
    check_free(&check);
    return tool_end(error);
}

const struct tool tool_verify = {"verify", "check every block, and say exactly what is intact",
                                 run};
