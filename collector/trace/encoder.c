#include "collector/trace/encoder.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

enum state { IDLE, HANDED_OVER, DONE, END };

struct encoder {
    struct codec *codec;
    pthread_t thread;
    bool threaded;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum state state; /* this and what follows under `lock` */
    const struct ref_block *block;
    struct block_row row;
    const char *why;
};

static void encode(struct encoder *encoder)
{
    struct block_row *row = &encoder->row;
    *row = (struct block_row){.codec = CODEC_VERSION};
    block_row_describe(encoder->block, row);
    encoder->why = codec_encode(encoder->codec, encoder->block, &row->data, &row->data_bytes);
    if (encoder->why == NULL)
        row->crc32c = crc32c(0, row->data, row->data_bytes);
}

/* Who hands over does not touch the block or the row until DONE, so the work needs no lock. */
static void *work(void *data)
{
    struct encoder *encoder = data;
    pthread_mutex_lock(&encoder->lock);
    for (;;) {
        while (encoder->state != HANDED_OVER && encoder->state != END)
            pthread_cond_wait(&encoder->changed, &encoder->lock);
        if (encoder->state == END)
            break;
        pthread_mutex_unlock(&encoder->lock);
        encode(encoder);
        pthread_mutex_lock(&encoder->lock);
        encoder->state = DONE;
        pthread_cond_broadcast(&encoder->changed);
    }
    pthread_mutex_unlock(&encoder->lock);
    return NULL;
}

struct encoder *encoder_new(void)
{
    struct encoder *encoder = calloc(1, sizeof *encoder);
    if (encoder == NULL)
        return NULL;
    encoder->codec = codec_new();
    if (encoder->codec == NULL) {
        free(encoder);
        return NULL;
    }
    pthread_mutex_init(&encoder->lock, NULL);
    pthread_cond_init(&encoder->changed, NULL);
    /* signals are for the recorder's thread: they must interrupt its waiting */
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    encoder->threaded = pthread_create(&encoder->thread, NULL, work, encoder) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return encoder;
}

static void change(struct encoder *encoder, enum state state)
{
    pthread_mutex_lock(&encoder->lock);
    encoder->state = state;
    pthread_cond_broadcast(&encoder->changed);
    pthread_mutex_unlock(&encoder->lock);
}

static void wait_until_done(struct encoder *encoder)
{
    pthread_mutex_lock(&encoder->lock);
    while (encoder->state == HANDED_OVER)
        pthread_cond_wait(&encoder->changed, &encoder->lock);
    pthread_mutex_unlock(&encoder->lock);
}

void encoder_free(struct encoder *encoder)
{
    if (encoder == NULL)
        return;
    if (encoder->threaded) {
        wait_until_done(encoder);
        change(encoder, END);
        pthread_join(encoder->thread, NULL);
    }
    pthread_mutex_destroy(&encoder->lock);
    pthread_cond_destroy(&encoder->changed);
    codec_free(encoder->codec);
    free(encoder);
}

void encoder_begin(struct encoder *encoder, const struct ref_block *block)
{
    encoder->block = block;
    if (encoder->threaded)
        change(encoder, HANDED_OVER);
}

const char *encoder_finish(struct encoder *encoder, struct block_row *row)
{
    if (encoder->threaded)
        wait_until_done(encoder);
    else
        encode(encoder);
    *row = encoder->row;
    return encoder->why;
}
