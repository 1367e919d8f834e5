/* Checks of memory: pages that come when touched, the TLB, copies on write. */
#include "vmm-core/guest/check/check.h"

enum { PAGE_WORDS = DISCO_PAGE_BYTES / 4 };

static const char *check_zero(void)
{
    enum { PAGES = 40 };
    const uint32_t *word = disco_alloc(PAGES * DISCO_PAGE_BYTES, "zeroes");

    for (int i = 0; i < PAGES * PAGE_WORDS; i++)
        EXPECT(word[i] == 0);
    return NULL;
}

/* Four times as many pages as the TLB maps, in orders that miss in it in different ways. */
static const char *check_tlb(void)
{
    enum { PAGES = 512 };
    uint32_t *word = disco_alloc(PAGES * DISCO_PAGE_BYTES, "many pages");

    for (uint32_t i = 0; i < PAGES; i++)
        word[i * PAGE_WORDS + i % PAGE_WORDS] = i * 0x01000193u;
    for (uint32_t n = 0; n < PAGES; n++) {
        uint32_t i = n * 193 % PAGES;

        EXPECT(word[i * PAGE_WORDS + i % PAGE_WORDS] == i * 0x01000193u);
    }
    for (uint32_t i = PAGES; i-- > 0;)
        EXPECT(word[i * PAGE_WORDS + i % PAGE_WORDS] == i * 0x01000193u);
    return NULL;
}

/* A fault in a branch's delay slot has to run the branch again. */
static const char *check_delay_slot(void)
{
    uint32_t *word = disco_alloc(4 * DISCO_PAGE_BYTES, "delay slots");
    uint32_t loaded = 1, way = 0;

    __asm__ volatile(".set push\n\t.set noreorder\n\t"
                     "beqz $0, 1f\n\t"
                     " lw %0, 0(%2)\n\t"
                     "li %1, 1\n"
                     "1: bne %2, $0, 2f\n\t"
                     " sw %2, 8192(%2)\n\t"
                     "li %1, 2\n"
                     "2:\n\t.set pop"
                     : "+&r"(loaded), "+&r"(way)
                     : "r"(word)
                     : "memory");
    EXPECT(loaded == 0 && way == 0 && word[2 * PAGE_WORDS] == (uint32_t)(uintptr_t)word);
    return NULL;
}

/* Unaligned words across the border of two pages that are not there yet. */
static const char *check_unaligned(void)
{
    char *bytes = disco_alloc(2 * DISCO_PAGE_BYTES, "unaligned");
    struct __attribute__((packed)) odd {
        uint32_t word;
    } *odd = (void *)(bytes + DISCO_PAGE_BYTES - 3);

    odd->word = 0x12345678;
    EXPECT(odd->word == 0x12345678 && bytes[DISCO_PAGE_BYTES] == 0x12);
    return NULL;
}

static uint32_t *shared;

static void write_shared(void)
{
    for (int i = 0; i < 8; i++) {
        if (shared[i * PAGE_WORDS] != 100 + (uint32_t)i)
            disco_exit(1);
        shared[i * PAGE_WORDS] = 7;
    }
}

static const char *check_copies(void)
{
    shared = disco_alloc(8 * DISCO_PAGE_BYTES, "copied");
    for (uint32_t i = 0; i < 8; i++)
        shared[i * PAGE_WORDS] = 100 + i;
    for (int turn = 0; turn < 3; turn++)
        EXPECT(status_of_child(write_shared) == 0);
    for (uint32_t i = 0; i < 8; i++)
        EXPECT(shared[i * PAGE_WORDS] == 100 + i);
    return NULL;
}

/* While threads write to a page, children are forked off: a child's copy must stand still, which it
 * does only if the threads' CPUs forgot that they may write to the page. */
struct race {
    volatile uint32_t *word;
    volatile bool end;
    int wrong;
};

static void observe(const struct race *race)
{
    uint32_t before = race->word[0];

    for (int i = 0; i < 300; i++) {
        if (race->word[0] != before)
            disco_exit(1);
        if (i == 150)
            disco_yield(); /* on one CPU, so that the others run at all */
    }
}

static void race(int number, void *argument)
{
    struct race *shared_race = argument;

    if (number > 0) {
        while (!shared_race->end)
            shared_race->word[number * 16] = ++shared_race->word[0];
        return;
    }
    for (int turn = 0; turn < 6; turn++) {
        int status = 1, process = disco_fork();

        if (process == 0) {
            observe(shared_race);
            disco_exit(0);
        }
        disco_wait(&status);
        shared_race->wrong += process < 0 || status != 0;
    }
    shared_race->end = true;
}

static const char *check_shootdown(void)
{
    struct race all = {.word = disco_alloc(DISCO_PAGE_BYTES, "raced for")};

    disco_parallel(check_threads() < 8 ? check_threads() : 8, race, &all);
    EXPECT(!all.wrong);
    return NULL;
}

/* What one thread maps, or makes its own, the others see. */
struct exchange {
    struct disco_barrier barrier;
    uint32_t *words;
    int threads, wrong;
};

static void exchange(int number, void *argument)
{
    struct exchange *all = argument;
    uint32_t next = (uint32_t)((number + 1) % all->threads);

    for (uint32_t turn = 1; turn < 20; turn++) {
        all->words[(uint32_t)number * PAGE_WORDS + turn] = turn * 64 + (uint32_t)number;
        disco_barrier_wait(&all->barrier);
        if (all->words[next * PAGE_WORDS + turn] != turn * 64 + next)
            __atomic_add_fetch(&all->wrong, 1, __ATOMIC_RELAXED);
        if (number == 0 && disco_fork() == 0)
            disco_exit(0);
        if (number == 0)
            disco_wait(NULL);
        disco_barrier_wait(&all->barrier);
    }
}

static const char *check_exchange(void)
{
    struct exchange all = {.threads = check_threads()};

    all.words = disco_alloc((size_t)all.threads * DISCO_PAGE_BYTES, "exchanged");
    disco_barrier_init(&all.barrier, all.threads);
    disco_parallel(all.threads, exchange, &all);
    EXPECT(!all.wrong);
    return NULL;
}

const struct check memory_checks[] = {
    {"new pages are zero", check_zero},
    {"more pages than the TLB has", check_tlb},
    {"page faults in delay slots", check_delay_slot},
    {"unaligned words over pages", check_unaligned},
    {"a child's writes are its own", check_copies},
    {"threads' writes do not reach a child", check_shootdown},
    {"what a thread writes all threads see, copied pages too", check_exchange},
    {0},
};
