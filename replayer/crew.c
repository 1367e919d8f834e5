#include "replayer/crew.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct crew {
    pthread_mutex_t lock; /* of everything below */
    pthread_cond_t more, done;
    void (*job)(void *context, uint32_t index);
    void *context;
    uint32_t jobs, next, busy; /* busy: being done now */
    bool end;
    uint32_t started;
    pthread_t thread[];
};

/* The lock is held, but while a job is being done. */
static void take_jobs(struct crew *crew)
{
    while (crew->next < crew->jobs) {
        const uint32_t index = crew->next++;
        crew->busy++;
        (void)pthread_mutex_unlock(&crew->lock);
        crew->job(crew->context, index);
        (void)pthread_mutex_lock(&crew->lock);
        crew->busy--;
    }
}

static void *work(void *argument)
{
    struct crew *crew = argument;
    (void)pthread_mutex_lock(&crew->lock);
    while (!crew->end) {
        take_jobs(crew);
        if (crew->busy == 0)
            (void)pthread_cond_signal(&crew->done);
        (void)pthread_cond_wait(&crew->more, &crew->lock);
    }
    (void)pthread_mutex_unlock(&crew->lock);
    return NULL;
}

char *crew_new(uint32_t threads, struct crew **out)
{
    struct crew *crew = calloc(1, sizeof *crew + threads * sizeof *crew->thread);
    *out = crew;
    if (crew == NULL)
        return say_no_memory();
    (void)pthread_mutex_init(&crew->lock, NULL);
    (void)pthread_cond_init(&crew->more, NULL);
    (void)pthread_cond_init(&crew->done, NULL);
    for (; crew->started + 1 < threads; crew->started++)
        if (pthread_create(&crew->thread[crew->started], NULL, work, crew) != 0)
            return say("a thread could not be started; use --threads 1");
    return NULL;
}

void crew_free(struct crew *crew)
{
    if (crew == NULL)
        return;
    (void)pthread_mutex_lock(&crew->lock);
    crew->end = true;
    (void)pthread_cond_broadcast(&crew->more);
    (void)pthread_mutex_unlock(&crew->lock);
    for (uint32_t i = 0; i < crew->started; i++)
        (void)pthread_join(crew->thread[i], NULL);
    (void)pthread_cond_destroy(&crew->done);
    (void)pthread_cond_destroy(&crew->more);
    (void)pthread_mutex_destroy(&crew->lock);
    free(crew);
}

void crew_do(struct crew *crew, uint32_t jobs, void (*job)(void *context, uint32_t index),
             void *context)
{
    (void)pthread_mutex_lock(&crew->lock);
    crew->job = job;
    crew->context = context;
    crew->jobs = jobs;
    crew->next = 0;
    if (jobs > 1)
        (void)pthread_cond_broadcast(&crew->more);
    take_jobs(crew);
    while (crew->busy > 0)
        (void)pthread_cond_wait(&crew->done, &crew->lock);
    (void)pthread_mutex_unlock(&crew->lock);
}
