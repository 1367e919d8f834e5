/* Checks of threads and what they agree by, of time slices, and of the FPU's registers. */
#include "vmm-core/guest/check/check.h"

struct counts {
    struct disco_lock lock;
    struct disco_barrier barrier;
    struct disco_condition more;
    struct disco_semaphore room, items;
    int threads, plain, given, taken, last, wrong;
    uint32_t atomic;
};

static void note_self(void *argument)
{
    *(int *)argument = disco_self();
}

static const char *check_spawn(void)
{
    int number[DISCO_THREADS_MAX], seen[DISCO_THREADS_MAX];

    for (int turn = 0; turn < 2; turn++) {
        for (int i = 1; i < DISCO_THREADS_MAX; i++) {
            number[i] = disco_spawn(note_self, &seen[i]);
            EXPECT(number[i] > 0);
        }
        for (int i = 1; i < DISCO_THREADS_MAX; i++)
            disco_join(number[i]);
        for (int i = 1; i < DISCO_THREADS_MAX; i++)
            EXPECT(seen[i] == number[i]);
    }
    return NULL;
}

static void count(int number, void *argument)
{
    struct counts *all = argument;

    for (int i = 0; i < 300; i++) {
        int before;

        __atomic_add_fetch(&all->atomic, 1, __ATOMIC_RELAXED);
        disco_lock(&all->lock);
        before = all->plain;
        if ((i + number) % 50 == 0)
            disco_yield(); /* the others find it locked, and sleep */
        all->plain = before + 1;
        disco_unlock(&all->lock);
    }
}

static const char *check_locks(void)
{
    struct counts all = {.threads = check_threads()};

    disco_parallel(all.threads, count, &all);
    EXPECT(all.plain == 300 * all.threads);
    EXPECT(all.atomic == 300 * (uint32_t)all.threads);
    EXPECT(disco_try_lock(&all.lock) && !disco_try_lock(&all.lock));
    return NULL;
}

static void phases(int number, void *argument)
{
    struct counts *all = argument;

    for (int turn = 0; turn < 50; turn++) {
        __atomic_add_fetch(&all->plain, 1, __ATOMIC_RELAXED);
        if (disco_barrier_wait(&all->barrier))
            __atomic_add_fetch(&all->last, 1, __ATOMIC_RELAXED);
        if (__atomic_load_n(&all->plain, __ATOMIC_RELAXED) != (turn + 1) * all->threads)
            all->wrong = number + 1;
        disco_barrier_wait(&all->barrier);
    }
}

static const char *check_barriers(void)
{
    struct counts all = {.threads = check_threads()};

    disco_barrier_init(&all.barrier, all.threads);
    disco_parallel(all.threads, phases, &all);
    EXPECT(all.wrong == 0 && all.last == 50);
    return NULL;
}

/* Even threads give, odd ones take, as many as there are pairs. */
static void give_and_take(int number, void *argument)
{
    struct counts *all = argument;

    for (int i = 0; i < 100; i++) {
        if (number % 2 == 0) {
            disco_semaphore_down(&all->room);
            __atomic_add_fetch(&all->given, 1, __ATOMIC_RELAXED);
            disco_semaphore_up(&all->items);
        } else {
            disco_semaphore_down(&all->items);
            __atomic_add_fetch(&all->taken, 1, __ATOMIC_RELAXED);
            disco_semaphore_up(&all->room);
        }
    }
}

static const char *check_semaphores(void)
{
    int threads = check_threads() / 2 * 2;
    struct counts all = {.room = {.count = 3}};

    disco_parallel(threads, give_and_take, &all);
    EXPECT(all.given == 50 * threads && all.taken == 50 * threads);
    EXPECT(all.room.count == 3 && all.items.count == 0);
    return NULL;
}

/* Each thread waits for its turn to raise the number. */
static void take_turns(int number, void *argument)
{
    struct counts *all = argument;

    for (int turn = 0; turn < 10; turn++) {
        disco_lock(&all->lock);
        while (all->plain != turn * all->threads + number)
            disco_condition_wait(&all->more, &all->lock);
        all->plain++;
        disco_condition_broadcast(&all->more);
        disco_unlock(&all->lock);
    }
}

static const char *check_conditions(void)
{
    struct counts all = {.threads = check_threads()};

    disco_parallel(all.threads, take_turns, &all);
    EXPECT(all.plain == 10 * all.threads);
    return NULL;
}

/* All but the last thread spin until the last has run: it will, though there are more threads than
 * CPUs and none gives way. */
static void spin(int number, void *argument)
{
    struct counts *all = argument;

    if (number == all->threads - 1)
        __atomic_store_n(&all->plain, 1, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&all->plain, __ATOMIC_ACQUIRE))
        ;
}

static const char *check_slices(void)
{
    struct counts all = {.threads = check_threads()};

    disco_parallel(all.threads, spin, &all);
    return NULL;
}

/* Fills the FPU with numbers of one's own and its rounding mode, lets others run by giving way and by
 * time slices, and looks whether they are still there. */
static bool fpu_is_kept(int number, int turn)
{
    double in[16];
    uint64_t out[16];
    uint32_t mode = 0x01000000u | (uint32_t)(number & 3), mode_after;

    for (int i = 0; i < 16; i++)
        in[i] = number * 1000 + turn + i / 16.0;
    __asm__ volatile(".set push\n\t.set noreorder\n\t"
                     "ctc1 %3, $31\n\t"
                     ".irp n, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30\n\t"
                     "ldc1 $f\\n, 4*\\n(%1)\n\t"
                     ".endr\n\t"
                     "li $2, %5\n\t"
                     "syscall\n\t"
                     "li $2, 3000\n"
                     "1: bnez $2, 1b\n\t"
                     " addiu $2, $2, -1\n\t"
                     ".irp n, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30\n\t"
                     "sdc1 $f\\n, 4*\\n(%2)\n\t"
                     ".endr\n\t"
                     "cfc1 %0, $31\n\t"
                     "ctc1 %4, $31\n\t.set pop"
                     : "=&r"(mode_after)
                     : "r"(in), "r"(out), "r"(mode), "r"(0x01000000), "i"(CALL_YIELD)
                     : "$2", "memory", "$f0", "$f2", "$f4", "$f6", "$f8", "$f10", "$f12", "$f14",
                       "$f16", "$f18", "$f20", "$f22", "$f24", "$f26", "$f28", "$f30");
    for (int i = 0; i < 16; i++) {
        union {
            double value;
            uint64_t bits;
        } both = {in[i]};

        if (out[i] != both.bits)
            return false;
    }
    return mode_after == mode;
}

static void keep_fpu(int number, void *argument)
{
    for (int turn = 0; turn < 100; turn++)
        if (!fpu_is_kept(number, turn))
            *(int *)argument = 1;
}

static const char *check_fpu(void)
{
    int wrong = 0;
    volatile double third = 1.0 / 3;

    disco_parallel(check_threads(), keep_fpu, &wrong);
    EXPECT(!wrong);
    EXPECT(third * 3 == 1.0);
    return NULL;
}

/* LL and SC with work between them: time slices and other CPUs break many links, no update is lost. */
static void slow_add(int number, void *argument)
{
    struct counts *all = argument;

    (void)number;
    for (int i = 0; i < 100; i++) {
        uint32_t value;

        __asm__ volatile(".set push\n\t.set noreorder\n"
                         "1: ll %0, 0(%1)\n\t"
                         "li $2, 20\n"
                         "2: bnez $2, 2b\n\t"
                         " addiu $2, $2, -1\n\t"
                         "addiu %0, %0, 1\n\t"
                         "sc %0, 0(%1)\n\t"
                         "beqz %0, 1b\n\t"
                         " nop\n\t.set pop"
                         : "=&r"(value)
                         : "r"(&all->atomic)
                         : "$2", "memory");
    }
}

static const char *check_links(void)
{
    struct counts all = {.threads = check_threads()};

    disco_parallel(all.threads, slow_add, &all);
    EXPECT(all.atomic == 100 * (uint32_t)all.threads);
    return NULL;
}

const struct check thread_checks[] = {
    {"threads start, end and start again", check_spawn},
    {"locks under contention", check_locks},
    {"barriers", check_barriers},
    {"semaphores", check_semaphores},
    {"conditions", check_conditions},
    {"time slices end", check_slices},
    {"each thread has the FPU for itself", check_fpu},
    {"links of LL are lost, updates are not", check_links},
    {0},
};
