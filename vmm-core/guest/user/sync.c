/* Locks, barriers, conditions and semaphores over disco_sleep_on() and disco_wake(), the same in
 * the guest and natively. All spin SPINS times first: on a virtual machine the holder may not be
 * running, so spinning must end. The lock is the three-state one of U. Drepper, "Futexes Are
 * Tricky" (2011), section 6.
 */
#include "vmm-core/guest/user/disco.h"

enum { SPINS = 200 };

static bool replace(uint32_t *word, uint32_t old, uint32_t new)
{
    return __atomic_compare_exchange_n(word, &old, new, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static uint32_t look(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

bool disco_try_lock(struct disco_lock *lock)
{
    return replace(&lock->state, 0, 1);
}

void disco_lock(struct disco_lock *lock)
{
    for (int spin = 0; spin < SPINS; spin++)
        if (look(&lock->state) == 0 && replace(&lock->state, 0, 1))
            return;
    while (__atomic_exchange_n(&lock->state, 2, __ATOMIC_ACQUIRE) != 0)
        disco_sleep_on(&lock->state, 2);
}

void disco_unlock(struct disco_lock *lock)
{
    if (__atomic_exchange_n(&lock->state, 0, __ATOMIC_RELEASE) == 2)
        disco_wake(&lock->state, 1);
}

void disco_barrier_init(struct disco_barrier *barrier, int threads)
{
    *barrier = (struct disco_barrier){.threads = (uint32_t)threads};
}

/* Waits until *word is no longer `value`. */
static void until_changed(uint32_t *word, uint32_t value)
{
    for (int spin = 0; spin < SPINS; spin++)
        if (look(word) != value)
            return;
    while (look(word) == value)
        disco_sleep_on(word, value);
}

bool disco_barrier_wait(struct disco_barrier *barrier)
{
    uint32_t turn = look(&barrier->turn);

    if (__atomic_add_fetch(&barrier->arrived, 1, __ATOMIC_ACQ_REL) < barrier->threads) {
        until_changed(&barrier->turn, turn);
        return false;
    }
    __atomic_store_n(&barrier->arrived, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&barrier->turn, turn + 1, __ATOMIC_RELEASE);
    disco_wake(&barrier->turn, DISCO_THREADS_MAX);
    return true;
}

void disco_condition_wait(struct disco_condition *condition, struct disco_lock *lock)
{
    uint32_t turn = look(&condition->turn);

    disco_unlock(lock);
    disco_sleep_on(&condition->turn, turn);
    disco_lock(lock);
}

static void next_turn(struct disco_condition *condition, int count)
{
    __atomic_add_fetch(&condition->turn, 1, __ATOMIC_RELEASE);
    disco_wake(&condition->turn, count);
}

void disco_condition_signal(struct disco_condition *condition)
{
    next_turn(condition, 1);
}

void disco_condition_broadcast(struct disco_condition *condition)
{
    next_turn(condition, DISCO_THREADS_MAX);
}

void disco_semaphore_down(struct disco_semaphore *semaphore)
{
    for (int spin = 0;; spin++) {
        uint32_t count = look(&semaphore->count);

        if (count && replace(&semaphore->count, count, count - 1))
            return;
        if (spin < SPINS)
            continue;
        __atomic_add_fetch(&semaphore->waiters, 1, __ATOMIC_SEQ_CST);
        disco_sleep_on(&semaphore->count, 0);
        __atomic_sub_fetch(&semaphore->waiters, 1, __ATOMIC_SEQ_CST);
    }
}

void disco_semaphore_up(struct disco_semaphore *semaphore)
{
    __atomic_add_fetch(&semaphore->count, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&semaphore->waiters, __ATOMIC_SEQ_CST))
        disco_wake(&semaphore->count, 1);
}

/* ------------------------------------------------------------------------------- in parallel */

struct share {
    void (*work)(int number, void *argument);
    void *argument;
    int number;
};

static void run_share(void *argument)
{
    const struct share *share = argument;

    share->work(share->number, share->argument);
}

void disco_parallel(int threads, void (*work)(int number, void *argument), void *argument)
{
    struct share shares[DISCO_THREADS_MAX];
    int ids[DISCO_THREADS_MAX];

    if (threads < 1 || threads > DISCO_THREADS_MAX) {
        printf("%d threads cannot be had: from 1 to %d\n", threads, DISCO_THREADS_MAX);
        disco_exit(1);
    }
    for (int number = 1; number < threads; number++) {
        shares[number] = (struct share){work, argument, number};
        ids[number] = disco_spawn(run_share, &shares[number]);
        if (ids[number] < 0) {
            printf("no room for thread %d\n", number);
            disco_exit(1);
        }
    }
    work(0, argument);
    for (int number = 1; number < threads; number++)
        disco_join(ids[number]);
}

uint64_t disco_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
