/* Sleeping on a key: a word of a process, a thread that is to end, a child. Sleepers of all keys are in
 * a few buckets, found by hashing. */
#include "vmm-core/guest/kernel/kernel.h"

struct bucket *bucket_lock(const void *owner, uint32_t key)
{
    uint32_t hash = ((uint32_t)(uintptr_t)owner / PAGE_BYTES + key) * 0x9e3779b9u;
    struct bucket *bucket = &kernel.bucket[hash / (UINT32_MAX / BUCKETS + 1)];

    lock_take(&bucket->lock);
    return bucket;
}

void sleep_in(struct bucket *bucket, const void *owner, uint32_t key)
{
    struct thread *thread = current(), **last = &bucket->first;

    if (thread->process->dying) {
        lock_give(&bucket->lock);
        return;
    }
    while (*last)
        last = &(*last)->next;
    *last = thread;
    thread->next = NULL;
    thread->bucket = bucket;
    thread->sleep_owner = owner;
    thread->sleep_key = key;
    thread->state = THREAD_SLEEPING;
    lock_give(&bucket->lock);
    schedule();
}

uint32_t wake_in(struct bucket *bucket, const void *owner, uint32_t key, uint32_t count)
{
    uint32_t woken = 0;

    for (struct thread **at = &bucket->first; *at && woken < count;) {
        struct thread *thread = *at;

        if (thread->sleep_owner != owner || thread->sleep_key != key) {
            at = &thread->next;
            continue;
        }
        *at = thread->next;
        thread->bucket = NULL;
        thread_ready(thread);
        woken++;
    }
    return woken;
}

uint32_t wake(const void *owner, uint32_t key, uint32_t count)
{
    struct bucket *bucket = bucket_lock(owner, key);
    uint32_t woken = wake_in(bucket, owner, key, count);

    lock_give(&bucket->lock);
    return woken;
}

void wake_thread(struct thread *thread)
{
    struct bucket *bucket = __atomic_load_n(&thread->bucket, __ATOMIC_ACQUIRE);

    if (!bucket)
        return;
    lock_take(&bucket->lock);
    if (thread->bucket == bucket) {
        struct thread **at = &bucket->first;

        while (*at != thread)
            at = &(*at)->next;
        *at = thread->next;
        thread->bucket = NULL;
        thread_ready(thread);
    }
    lock_give(&bucket->lock);
}
