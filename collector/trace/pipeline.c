#include "collector/trace/pipeline.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS (PIPELINE_ENCODERS + 3u)
#define CODECS (PIPELINE_ENCODERS + 1u)

/* A place of the ring. */
enum state {
    FREE,     /* or open */
    HANDED,   /* waits for an encoder */
    ENCODING, /* an encoder has it */
    ENCODED,  /* waits to be taken */
};

struct slot {
    enum state state;
    struct ref_block *block;
    struct codec *codec; /* whose memory row.data is in */
    struct block_row row;
    const char *why; /* it cannot be encoded (static text) */
};

struct pipeline {
    pipeline_take *take;
    void *context;
    struct slot slot[BLOCKS];
    struct codec *codec[CODECS], *spare[CODECS]; /* all; [spares] those that no slot has */
    uint32_t spares;
    uint32_t open, encode, taken; /* indexes of slots: open, next to be encoded, next to be taken */
    char *error;                  /* of a block taken; nothing is taken any more */
    bool failed, end;
    pthread_mutex_t lock; /* over all of this; blocks and rows belong to who has the slot */
    /* Each is waited on by one kind of thread, so that nobody is woken for nothing: */
    pthread_cond_t work;    /* encoders: a block was handed, or a codec is spare */
    pthread_cond_t encoded; /* the taker */
    pthread_cond_t freed;   /* the recorder */
    pthread_t thread[PIPELINE_ENCODERS + 1];
    uint32_t threads;
};

static void encode(struct slot *slot)
{
    struct block_row *row = &slot->row;
    *row = (struct block_row){.codec = CODEC_VERSION};
    block_row_describe(slot->block, row);
    slot->why = codec_encode(slot->codec, slot->block, &row->data, &row->data_bytes);
    if (slot->why == NULL)
        row->crc32c = crc32c(0, row->data, row->data_bytes);
}

/* NULL, or a line: of the block in the slot, which has been encoded. */
static char *take_slot(struct pipeline *pipeline, const struct slot *slot)
{
    return slot->why == NULL ? pipeline->take(pipeline->context, slot->block, &slot->row)
                             : strdup(slot->why);
}

static uint32_t after(uint32_t slot)
{
    return slot + 1 == BLOCKS ? 0 : slot + 1;
}

static void *encoder(void *data)
{
    struct pipeline *pipeline = data;
    pthread_mutex_lock(&pipeline->lock);
    while (!pipeline->end) {
        struct slot *slot = &pipeline->slot[pipeline->encode];
        if (slot->state != HANDED || pipeline->spares == 0) {
            pthread_cond_wait(&pipeline->work, &pipeline->lock);
            continue;
        }
        slot->state = ENCODING;
        pipeline->encode = after(pipeline->encode);
        slot->codec = pipeline->spare[--pipeline->spares];
        pthread_mutex_unlock(&pipeline->lock);
        encode(slot);
        pthread_mutex_lock(&pipeline->lock);
        slot->state = ENCODED;
        pthread_cond_signal(&pipeline->encoded);
    }
    pthread_mutex_unlock(&pipeline->lock);
    return NULL;
}

static void *taker(void *data)
{
    struct pipeline *pipeline = data;
    pthread_mutex_lock(&pipeline->lock);
    while (!pipeline->end) {
        struct slot *slot = &pipeline->slot[pipeline->taken];
        if (slot->state != ENCODED) {
            pthread_cond_wait(&pipeline->encoded, &pipeline->lock);
            continue;
        }
        const bool failed = pipeline->failed;
        pthread_mutex_unlock(&pipeline->lock);
        char *error = failed ? NULL : take_slot(pipeline, slot);
        pthread_mutex_lock(&pipeline->lock);
        if (error != NULL) {
            pipeline->error = error;
            pipeline->failed = true;
        }
        pipeline->spare[pipeline->spares++] = slot->codec;
        pipeline->taken = after(pipeline->taken);
        slot->state = FREE;
        pthread_cond_signal(&pipeline->work);
        pthread_cond_signal(&pipeline->freed);
    }
    pthread_mutex_unlock(&pipeline->lock);
    return NULL;
}

/* The encoders and the taker, or none of them. */
static void start_threads(struct pipeline *pipeline)
{
    /* signals are for the recorder's thread: they must interrupt its waiting */
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&pipeline->thread[0], NULL, taker, pipeline) == 0)
        pipeline->threads = 1;
    while (pipeline->threads > 0 && pipeline->threads <= PIPELINE_ENCODERS &&
           pthread_create(&pipeline->thread[pipeline->threads], NULL, encoder, pipeline) == 0)
        pipeline->threads++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void end_threads(struct pipeline *pipeline)
{
    pthread_mutex_lock(&pipeline->lock);
    pipeline->end = true;
    pthread_cond_broadcast(&pipeline->work);
    pthread_cond_broadcast(&pipeline->encoded);
    pthread_mutex_unlock(&pipeline->lock);
    while (pipeline->threads > 0)
        pthread_join(pipeline->thread[--pipeline->threads], NULL);
}

struct pipeline *pipeline_new(uint32_t columns, pipeline_take *take, void *context)
{
    struct pipeline *pipeline = calloc(1, sizeof *pipeline);
    if (pipeline == NULL)
        return NULL;
    pipeline->take = take;
    pipeline->context = context;
    pthread_mutex_init(&pipeline->lock, NULL);
    pthread_cond_init(&pipeline->work, NULL);
    pthread_cond_init(&pipeline->encoded, NULL);
    pthread_cond_init(&pipeline->freed, NULL);
    bool room = true;
    for (uint32_t i = 0; i < BLOCKS; i++) {
        pipeline->slot[i].block = ref_block_new(columns);
        room = room && pipeline->slot[i].block != NULL;
        if (room)
            pipeline->slot[i].block->columns = columns;
    }
    for (uint32_t i = 0; i < CODECS; i++) {
        pipeline->codec[i] = pipeline->spare[i] = codec_new();
        room = room && pipeline->codec[i] != NULL;
    }
    pipeline->spares = CODECS;
    if (!room) {
        pipeline_free(pipeline);
        return NULL;
    }
    start_threads(pipeline);
    if (pipeline->threads == 1)
        end_threads(pipeline); /* no encoder */
    return pipeline;
}

void pipeline_free(struct pipeline *pipeline)
{
    if (pipeline == NULL)
        return;
    end_threads(pipeline);
    for (uint32_t i = 0; i < BLOCKS; i++)
        ref_block_free(pipeline->slot[i].block);
    for (uint32_t i = 0; i < CODECS; i++)
        codec_free(pipeline->codec[i]);
    pthread_mutex_destroy(&pipeline->lock);
    pthread_cond_destroy(&pipeline->work);
    pthread_cond_destroy(&pipeline->encoded);
    pthread_cond_destroy(&pipeline->freed);
    free(pipeline->error);
    free(pipeline);
}

struct ref_block *pipeline_block(struct pipeline *pipeline)
{
    return pipeline->slot[pipeline->open].block;
}

/* Hands the open block on and goes to the next slot; with `all`, when everything was taken, else
 * when that slot is free. Both begin in the order of the ring. */
static char *hand_on(struct pipeline *pipeline, bool all)
{
    struct slot *full = &pipeline->slot[pipeline->open];
    const uint32_t next = after(pipeline->open);
    if (pipeline->threads == 0) {
        full->codec = pipeline->spare[0];
        encode(full);
        pipeline->open = next;
        return take_slot(pipeline, full);
    }
    pthread_mutex_lock(&pipeline->lock);
    full->state = HANDED;
    pthread_cond_signal(&pipeline->work);
    while ((all ? full : &pipeline->slot[next])->state != FREE)
        pthread_cond_wait(&pipeline->freed, &pipeline->lock);
    pipeline->open = next;
    char *error = pipeline->error;
    pipeline->error = NULL;
    pthread_mutex_unlock(&pipeline->lock);
    return error;
}

char *pipeline_next(struct pipeline *pipeline)
{
    const struct ref_block *full = pipeline_block(pipeline);
    const uint64_t number = full->number + 1, first_ref = full->first_ref + full->refs;
    char *error = hand_on(pipeline, false);
    struct ref_block *open = pipeline_block(pipeline);
    open->number = number;
    open->first_ref = first_ref;
    open->refs = open->runs = open->events = 0;
    return error;
}

char *pipeline_flush(struct pipeline *pipeline)
{
    struct slot *full = &pipeline->slot[pipeline->open];
    char *error = hand_on(pipeline, true);
    struct slot *open = &pipeline->slot[pipeline->open];
    struct ref_block *block = full->block;
    full->block = open->block;
    open->block = block;
    return error;
}

char *pipeline_wait(struct pipeline *pipeline)
{
    pthread_mutex_lock(&pipeline->lock);
    while (pipeline->threads > 0 && pipeline->taken != pipeline->open)
        pthread_cond_wait(&pipeline->freed, &pipeline->lock);
    char *error = pipeline->error;
    pipeline->error = NULL;
    pthread_mutex_unlock(&pipeline->lock);
    return error;
}
