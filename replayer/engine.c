#include "replayer/engine.h"

#include <stdlib.h>
#include <unistd.h>

#include "collector/trace/progress.h"
#include "replayer/crew.h"
#include "replayer/report/interrupt.h"

/* One is replayed, one is the guest's, one is decoded. */
#define BLOCKS 3u

enum job_kind { JOB_GUEST, JOB_REPLAY, JOB_DECODE, JOB_FORGET };

struct job {
    enum job_kind kind;
    size_t policy; /* JOB_REPLAY, JOB_FORGET */
    char *error;
};

struct engine {
    struct trace_reader *reader;
    struct course *course;
    struct replay *const *replays;
    size_t count;
    bool alone; /* one thread: nothing is gained by looking ahead */
    struct crew *crew;
    struct job *job; /* [jobs] of this turn, at most one a policy and two */
    uint32_t jobs;

    struct ref_block *block[BLOCKS];
    const struct ref_block *begun;  /* by the course */
    struct ref_block *decoded;      /* next for the course; NULL: none yet */
    bool end;                       /* nothing more to decode */
    char *decode_error;             /* what comes after the last decoded block */
    struct piece *current, *coming; /* current: to be replayed; coming: the guest's */
    bool replaying;                 /* there is a current piece */
};

static void decode(struct engine *engine)
{
    struct ref_block *block = NULL;
    for (unsigned i = 0; block == NULL; i++)
        if (engine->block[i] != engine->begun &&
            (!engine->replaying || engine->block[i] != engine->current->block))
            block = engine->block[i];
    bool end = false;
    engine->decode_error = trace_reader_next(engine->reader, block, &end);
    engine->end = end || engine->decode_error != NULL;
    if (!engine->end)
        engine->decoded = block;
}

static void do_job(void *context, uint32_t index)
{
    struct engine *engine = context;
    struct job *job = &engine->job[index];
    switch (job->kind) {
    case JOB_GUEST:
        job->error = course_piece(engine->course, engine->coming);
        break;
    case JOB_REPLAY:
        job->error = replay_piece(engine->replays[job->policy], engine->current);
        break;
    case JOB_FORGET:
        job->error = replay_forget(engine->replays[job->policy]);
        break;
    case JOB_DECODE:
        decode(engine); /* its error has its place after all others */
        break;
    }
}

static void add_job(struct engine *engine, enum job_kind kind, size_t policy)
{
    engine->job[engine->jobs++] = (struct job){.kind = kind, .policy = policy};
}

static void add_policies(struct engine *engine, enum job_kind kind)
{
    for (size_t i = 0; i < engine->count; i++)
        add_job(engine, kind, i);
}

/* Does the jobs. Of their errors, the first policy's; the guest, which is ahead, comes last. */
static char *do_jobs(struct engine *engine)
{
    crew_do(engine->crew, engine->jobs, do_job, engine);
    char *error = NULL, *of_guest = NULL;
    for (uint32_t i = 0; i < engine->jobs; i++) {
        char **place = engine->job[i].kind == JOB_GUEST ? &of_guest : &error;
        if (*place == NULL)
            *place = engine->job[i].error;
        else
            free(engine->job[i].error);
    }
    engine->jobs = 0;
    if (error == NULL)
        return of_guest;
    free(of_guest);
    return error;
}

static char *change_tables(struct engine *engine)
{
    char *error = NULL;
    while (error == NULL && course_work(engine->course) == COURSE_CHANGE) {
        error = course_change_begin(engine->course);
        if (error == NULL) {
            add_policies(engine, JOB_FORGET);
            error = do_jobs(engine);
        }
        if (error == NULL)
            error = course_change_end(engine->course);
    }
    return error;
}

/* The longest first. */
static void list_jobs(struct engine *engine, bool look_ahead)
{
    if (look_ahead && !(engine->alone && engine->replaying))
        add_job(engine, JOB_GUEST, 0);
    if (engine->replaying)
        add_policies(engine, JOB_REPLAY);
    if (engine->decoded == NULL && !engine->end && !(engine->alone && engine->jobs > 0))
        add_job(engine, JOB_DECODE, 0);
}

static char *turn(struct engine *engine, struct progress *progress, bool *through)
{
    if (course_work(engine->course) == COURSE_THROUGH && engine->decoded != NULL) {
        course_block(engine->course, engine->decoded);
        engine->begun = engine->decoded;
        engine->decoded = NULL;
    }
    const enum course_work work = course_work(engine->course);
    list_jobs(engine, work == COURSE_PIECE);
    const bool looked = engine->jobs > 0 && engine->job[0].kind == JOB_GUEST;
    *through = engine->jobs == 0 && work == COURSE_THROUGH;
    char *error = do_jobs(engine);
    if (error == NULL)
        error = interrupt_pending();
    if (engine->replaying)
        progress_at(progress, engine->current->block->first_ref + engine->current->block->refs);
    if (error != NULL)
        return error;
    engine->replaying = looked;
    if (looked) {
        struct piece *piece = engine->coming;
        engine->coming = engine->current;
        engine->current = piece;
        return course_commit(engine->course);
    }
    return work == COURSE_CHANGE ? change_tables(engine) : NULL;
}

static char *run(struct engine *engine, uint32_t threads, struct progress *progress)
{
    char *error = crew_new(threads, &engine->crew);
    engine->job = calloc(engine->count + 2, sizeof *engine->job);
    bool room = engine->job != NULL;
    for (unsigned i = 0; i < BLOCKS; i++)
        room = (engine->block[i] = ref_block_new(course_columns(engine->course))) != NULL && room;
    if (error == NULL && !room)
        error = say_no_memory();
    if (error == NULL)
        error = piece_new(engine->course, &engine->current);
    if (error == NULL)
        error = piece_new(engine->course, &engine->coming);
    for (bool through = false; error == NULL && !through;)
        error = turn(engine, progress, &through);
    for (size_t i = 0; error == NULL && engine->decode_error == NULL && i < engine->count; i++)
        error = replay_finish(engine->replays[i]);
    crew_free(engine->crew);
    piece_free(engine->current);
    piece_free(engine->coming);
    for (unsigned i = 0; i < BLOCKS; i++)
        ref_block_free(engine->block[i]);
    free(engine->job);
    if (error == NULL)
        return engine->decode_error;
    free(engine->decode_error);
    return error;
}

static char *decode_only(struct trace_reader *reader, struct progress *progress)
{
    struct ref_block *block = ref_block_new(0);
    char *error = block == NULL ? say_no_memory() : NULL;
    bool end = false;
    while (error == NULL && (error = trace_reader_next(reader, block, &end)) == NULL && !end) {
        error = interrupt_pending();
        progress_at(progress, block->first_ref + block->refs);
    }
    ref_block_free(block);
    return error;
}

char *engine_run(const char *trace_path, struct course *course, struct replay *const *replays,
                 size_t count, uint32_t threads)
{
    struct engine engine = {.course = course,
                            .replays = replays,
                            .count = count,
                            .alone = threads < 2};
    char *error = trace_reader_open(trace_path, &engine.reader);
    if (error != NULL)
        return error;
    struct progress progress;
    progress_start(&progress, "replaying", "references", trace_reader_summary(engine.reader)->refs);
    if (count == 0)
        error = decode_only(engine.reader, &progress);
    else
        error = run(&engine, threads > count + 2 ? (uint32_t)count + 2 : threads, &progress);
    progress_end(&progress);
    trace_reader_close(engine.reader);
    return error;
}

uint32_t engine_threads(size_t policies)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    if (cpus < 2)
        return 1;
    return policies + 2 < (size_t)cpus ? (uint32_t)policies + 2 : (uint32_t)cpus;
}
