#include "collector/sources/perfdata/perfdata-threads.h"

#include <stdlib.h>

#define SLOTS_AT_FIRST 256u

struct thread {
    uint32_t pid, tid;
    bool taken;
    char name[IMPORT_NAME_BYTES];
};

/* Open addressing; at most half full. */
struct perfdata_threads {
    struct thread *slot;
    size_t slots, used;
};

static struct thread *slot_of(const struct perfdata_threads *threads, uint32_t tid)
{
    /* multiplicative hashing: Knuth, The Art of Computer Programming 3, 6.4; 2^32 / golden ratio */
    size_t at = (size_t)(tid * UINT32_C(0x9e3779b9)) & (threads->slots - 1);
    while (threads->slot[at].taken && threads->slot[at].tid != tid) {
        at = (at + 1) & (threads->slots - 1);
    }
    return &threads->slot[at];
}

struct perfdata_threads *perfdata_threads_new(void)
{
    struct perfdata_threads *threads = calloc(1, sizeof *threads);
    if (threads == NULL ||
        (threads->slot = calloc(SLOTS_AT_FIRST, sizeof *threads->slot)) == NULL) {
        free(threads);
        return NULL;
    }
    threads->slots = SLOTS_AT_FIRST;
    return threads;
}

void perfdata_threads_free(struct perfdata_threads *threads)
{
    if (threads != NULL) {
        free(threads->slot);
        free(threads);
    }
}

static bool grow(struct perfdata_threads *threads)
{
    struct perfdata_threads larger = {.slots = threads->slots * 2, .used = threads->used};
    larger.slot = calloc(larger.slots, sizeof *larger.slot);
    if (larger.slot == NULL) {
        return false;
    }
    for (size_t i = 0; i < threads->slots; i++) {
        if (threads->slot[i].taken) {
            *slot_of(&larger, threads->slot[i].tid) = threads->slot[i];
        }
    }
    free(threads->slot);
    *threads = larger;
    return true;
}

bool perfdata_threads_name(struct perfdata_threads *threads, uint32_t pid, uint32_t tid,
                           const char name[IMPORT_NAME_BYTES])
{
    if (threads->used * 2 >= threads->slots && !grow(threads)) {
        return false;
    }
    struct thread *thread = slot_of(threads, tid);
    threads->used += !thread->taken;
    thread->taken = true;
    thread->pid = pid;
    thread->tid = tid;
    memcpy(thread->name, name, sizeof thread->name);
    return true;
}

const char *perfdata_threads_find(const struct perfdata_threads *threads, uint32_t tid)
{
    return slot_of(threads, tid)->name;
}

uint32_t perfdata_threads_process(const struct perfdata_threads *threads, uint32_t tid)
{
    const struct thread *thread = slot_of(threads, tid);
    return thread->taken ? thread->pid : tid;
}
