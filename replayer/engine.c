#include "replayer/engine.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "collector/trace/progress.h"
#include "replayer/interrupt.h"

/* The earliest thing that went wrong: by block, then by policy; the decoder's own come first. */
struct failure {
    uint64_t block;
    size_t policy; /* from 1; 0: the decoder */
    char *error;   /* NULL: nothing */
};

struct slot {
    struct ref_block *block;
    uint32_t users; /* threads that are not through with it */
};

struct engine {
    struct replay *const *replays;
    size_t count;
    uint32_t workers;
    pthread_mutex_t lock;
    pthread_cond_t filled, emptied;
    struct slot slot[ENGINE_SLOTS];
    uint64_t decoded; /* blocks so far; block n is in slot n mod ENGINE_SLOTS */
    bool end;         /* no more blocks will come */
    struct failure failure;
};

struct worker {
    struct engine *engine;
    uint32_t index;
    pthread_t thread;
};

/* Takes `error`. The lock is held, or there is one thread. */
static void fail(struct failure *failure, uint64_t block, size_t policy, char *error)
{
    bool earlier = failure->error == NULL || block < failure->block ||
                   (block == failure->block && policy < failure->policy);
    if (!earlier) {
        free(error);
        return;
    }
    free(failure->error);
    *failure = (struct failure){block, policy, error};
}

static char *finish_all(struct replay *const *replays, size_t count)
{
    char *error = NULL;
    for (size_t i = 0; error == NULL && i < count; i++)
        error = replay_finish(replays[i]);
    return error;
}

/* Everything in the calling thread. */
static char *run_alone(struct trace_reader *reader, struct replay *const *replays, size_t count,
                       struct progress *progress)
{
    struct ref_block *block = ref_block_new(0);
    char *error = block == NULL ? say_no_memory() : NULL;
    bool end = false;
    while (error == NULL && (error = trace_reader_next(reader, block, &end)) == NULL && !end) {
        for (size_t i = 0; error == NULL && i < count; i++)
            error = replay_block(replays[i], block);
        if (error == NULL)
            error = interrupt_pending();
        progress_at(progress, block->first_ref + block->refs);
    }
    ref_block_free(block);
    return error;
}

/* The next block that is decoded, or NULL when there is no more to do. */
static const struct ref_block *take(struct engine *engine, uint64_t number)
{
    (void)pthread_mutex_lock(&engine->lock);
    while (engine->decoded <= number && !engine->end)
        (void)pthread_cond_wait(&engine->filled, &engine->lock);
    bool stop = engine->decoded <= number ||
                (engine->failure.error != NULL && engine->failure.block < number);
    (void)pthread_mutex_unlock(&engine->lock);
    return stop ? NULL : engine->slot[number % ENGINE_SLOTS].block;
}

static void give_back(struct engine *engine, uint64_t number)
{
    (void)pthread_mutex_lock(&engine->lock);
    if (--engine->slot[number % ENGINE_SLOTS].users == 0)
        (void)pthread_cond_signal(&engine->emptied);
    (void)pthread_mutex_unlock(&engine->lock);
}

static void *work(void *argument)
{
    const struct worker *worker = argument;
    struct engine *engine = worker->engine;
    const struct ref_block *block = NULL;
    for (uint64_t number = 0; (block = take(engine, number)) != NULL; number++) {
        for (size_t i = worker->index; i < engine->count; i += engine->workers) {
            char *error = replay_block(engine->replays[i], block);
            if (error == NULL)
                continue;
            (void)pthread_mutex_lock(&engine->lock);
            fail(&engine->failure, number, i + 1, error);
            (void)pthread_cond_signal(&engine->emptied);
            (void)pthread_mutex_unlock(&engine->lock);
            break; /* of this thread's policies it is the first to fail here */
        }
        give_back(engine, number);
    }
    return NULL;
}

/* Waits for the slot's users; NULL when a policy has failed. */
static struct ref_block *free_slot(struct engine *engine, uint64_t number)
{
    struct slot *slot = &engine->slot[number % ENGINE_SLOTS];
    (void)pthread_mutex_lock(&engine->lock);
    while (slot->users > 0 && engine->failure.error == NULL)
        (void)pthread_cond_wait(&engine->emptied, &engine->lock);
    bool failed = engine->failure.error != NULL;
    (void)pthread_mutex_unlock(&engine->lock);
    return failed ? NULL : slot->block;
}

static void decode_all(struct engine *engine, struct trace_reader *reader,
                       struct progress *progress)
{
    bool end = false;
    struct ref_block *block = NULL;
    for (uint64_t number = 0; !end && (block = free_slot(engine, number)) != NULL; number++) {
        char *error = trace_reader_next(reader, block, &end);
        if (error == NULL && !end)
            error = interrupt_pending();
        (void)pthread_mutex_lock(&engine->lock);
        if (error != NULL) {
            fail(&engine->failure, number, 0, error);
            end = true;
        } else if (!end) {
            engine->slot[number % ENGINE_SLOTS].users = engine->workers;
            engine->decoded++;
            (void)pthread_cond_broadcast(&engine->filled);
        }
        (void)pthread_mutex_unlock(&engine->lock);
        if (!end)
            progress_at(progress, block->first_ref + block->refs);
    }
    (void)pthread_mutex_lock(&engine->lock);
    engine->end = true;
    (void)pthread_cond_broadcast(&engine->filled);
    (void)pthread_mutex_unlock(&engine->lock);
}

static char *run_together(struct trace_reader *reader, struct replay *const *replays, size_t count,
                          uint32_t workers, struct progress *progress)
{
    struct engine engine = {.replays = replays,
                            .count = count,
                            .workers = workers,
                            .lock = PTHREAD_MUTEX_INITIALIZER,
                            .filled = PTHREAD_COND_INITIALIZER,
                            .emptied = PTHREAD_COND_INITIALIZER};
    struct worker *worker = calloc(workers, sizeof *worker);
    bool room = worker != NULL;
    for (uint32_t i = 0; i < ENGINE_SLOTS; i++)
        room = (engine.slot[i].block = ref_block_new(0)) != NULL && room;
    char *error = room ? NULL : say_no_memory();
    uint32_t started = 0;
    for (; error == NULL && started < workers; started++) {
        worker[started] = (struct worker){.engine = &engine, .index = started};
        if (pthread_create(&worker[started].thread, NULL, work, &worker[started]) != 0) {
            error = say("a thread could not be started; use --threads 1");
            break;
        }
    }
    if (error == NULL) {
        decode_all(&engine, reader, progress);
    } else {
        (void)pthread_mutex_lock(&engine.lock);
        engine.end = true;
        (void)pthread_cond_broadcast(&engine.filled);
        (void)pthread_mutex_unlock(&engine.lock);
    }
    for (uint32_t i = 0; i < started; i++)
        (void)pthread_join(worker[i].thread, NULL);
    for (uint32_t i = 0; i < ENGINE_SLOTS; i++)
        ref_block_free(engine.slot[i].block);
    free(worker);
    return error == NULL ? engine.failure.error : error;
}

char *engine_run(const char *trace_path, struct replay *const *replays, size_t count,
                 uint32_t threads)
{
    struct trace_reader *reader = NULL;
    char *error = trace_reader_open(trace_path, &reader);
    if (error != NULL)
        return error;
    uint32_t workers = threads > count + 1 ? (uint32_t)count : threads - 1;
    struct progress progress;
    progress_start(&progress, "replaying", "references", trace_reader_summary(reader)->refs);
    if (threads < 2 || count == 0)
        error = run_alone(reader, replays, count, &progress);
    else
        error = run_together(reader, replays, count, workers, &progress);
    progress_end(&progress);
    trace_reader_close(reader);
    return error == NULL ? finish_all(replays, count) : error;
}

uint32_t engine_threads(size_t policies)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    if (cpus < 2)
        return 1;
    return (uint32_t)(policies < (size_t)cpus ? policies : (size_t)cpus) + 1;
}
