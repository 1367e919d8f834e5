/* A guest kernel of the monitor's unit tests: argv[1] says which of the tests below it is. It
 * exits with 0 when it has found its own answer right. */
#include <stdint.h>

#include "vmm-core/monitor/abi.h"

#define PAGE   4096u
#define VCPUS  16u
#define WORDS  (PAGE / 4)
#define DIRECT ((uint32_t)ABI_DIRECT_MAP)

struct arguments {
    uint32_t argc;
    char **argv;
    uint32_t pages, vcpus;
};

uint32_t monitor_call(uint32_t a, uint32_t b, uint32_t c, uint32_t d, uint32_t number);
void other_start(void);

extern char end[];
struct arguments arguments;
uint32_t caught[32];
uint32_t tables[4][1024] __attribute__((aligned(PAGE)));
struct {
    volatile uint32_t timer, other;
} interrupts[VCPUS];
char first_stack[PAGE], stacks[VCPUS][PAGE];

#define CP0_WRITE(reg, value)                                                                      \
    __asm__ volatile("mtc0 %0, $" #reg "\n\tehb" : : "r"(value) : "memory")
#define CP0_READ(reg, value) __asm__ volatile("mfc0 %0, $" #reg : "=r"(value))

/* ---- small things ---------------------------------------------------------------------------- */

static uint32_t length(const char *text)
{
    uint32_t count = 0;
    while (text[count])
        count++;
    return count;
}

static void say(const char *text)
{
    monitor_call((uint32_t)text, length(text), 0, 0, ABI_CONSOLE);
}

static void say_number(uint32_t value)
{
    char text[11];
    uint32_t at = sizeof text - 1;
    text[at] = 0;
    do
        text[--at] = (char)('0' + value % 10);
    while (value /= 10);
    say(text + at);
}

static int equal(const char *one, const char *other)
{
    while (*one && *one == *other)
        one++, other++;
    return *one == *other;
}

static uint32_t number(const char *text)
{
    uint32_t value = 0;
    while (*text >= '0' && *text <= '9')
        value = value * 10 + (uint32_t)(*text++ - '0');
    return value;
}

static uint32_t add(uint32_t *word, uint32_t value)
{
    return __atomic_add_fetch(word, value, __ATOMIC_SEQ_CST);
}

static uint32_t this_cpu(void)
{
    uint32_t value;
    __asm__ volatile("mfc0 %0, $15, 1" : "=r"(value));
    return value & 0x3ff;
}

static void start_others(uint32_t what)
{
    for (uint32_t i = 1; i < arguments.vcpus; i++)
        monitor_call(i, (uint32_t)other_start, (uint32_t)&stacks[i][PAGE - 16], what,
                     ABI_START_CPU);
}

/* ---- share: all vCPUs read and write the same pages, and count in one word ------------------- */

static uint32_t *const shared = (uint32_t *)end;
static uint32_t rounds, arrived, generation, total, wrong;

static void barrier(void)
{
    const uint32_t old = __atomic_load_n(&generation, __ATOMIC_SEQ_CST);
    if (add(&arrived, 1) == arguments.vcpus) {
        arrived = 0;
        add(&generation, 1);
    }
    while (__atomic_load_n(&generation, __ATOMIC_SEQ_CST) == old)
        ;
}

#define SHARED_PAGES 24u

/* In each round one vCPU writes a page, the others read it; then everybody reads everything. */
static void share(uint32_t me)
{
    for (uint32_t round = 1; round <= rounds; round++) {
        for (uint32_t page = me; page < SHARED_PAGES; page += arguments.vcpus)
            for (uint32_t i = 0; i < WORDS; i += 8)
                shared[page * WORDS + i] = round * page + i;
        barrier();
        uint32_t sum = 0;
        for (uint32_t page = 0; page < SHARED_PAGES; page++)
            for (uint32_t i = 0; i < WORDS; i += 8) {
                if (shared[page * WORDS + i] != round * page + i)
                    add(&wrong, 1);
                sum += shared[page * WORDS + i];
            }
        add(&total, sum);
        barrier();
    }
}

static int test_share(void)
{
    rounds = arguments.argc > 2 ? number(arguments.argv[2]) : 3;
    start_others(0);
    share(0);
    uint32_t expected = 0;
    for (uint32_t round = 1; round <= rounds; round++)
        for (uint32_t page = 0; page < SHARED_PAGES; page++)
            for (uint32_t i = 0; i < WORDS; i += 8)
                expected += round * page + i;
    say(wrong ? "wrong: " : "right: ");
    say_number(total);
    say("\n");
    return wrong || total != expected * arguments.vcpus;
}

/* ---- timer and interrupts -------------------------------------------------------------------- */

#define STATUS_IE    1u
#define STATUS_TIMER 0x8000u
#define STATUS_OTHER 0x0400u
#define STATUS_CU1   0x20000000u

static void wait_for(const volatile uint32_t *count, uint32_t value)
{
    while (*count < value)
        __asm__ volatile("wait" : : : "memory");
}

static int test_timer(void)
{
    uint32_t count;
    CP0_READ(9, count);
    CP0_WRITE(11, count + 20000);
    CP0_WRITE(12, STATUS_CU1 | STATUS_TIMER | STATUS_IE);
    wait_for(&interrupts[0].timer, 5);
    CP0_WRITE(12, STATUS_CU1);
    CP0_READ(9, count);
    say("ticks\n");
    return !(count >= 100000 && count < 110000);
}

/* A ring: each vCPU interrupts the next when it has been. */
static int test_ring(void)
{
    const uint32_t laps = 10;
    start_others(1);
    CP0_WRITE(12, STATUS_CU1 | STATUS_OTHER | STATUS_IE);
    for (uint32_t lap = 1; lap <= laps; lap++) {
        while ((int32_t)monitor_call(1 % arguments.vcpus, 0, 0, 0, ABI_INTERRUPT_CPU) < 0)
            ;
        wait_for(&interrupts[0].other, lap);
    }
    say("ring\n");
    return 0;
}

static void ring(uint32_t me)
{
    CP0_WRITE(12, STATUS_CU1 | STATUS_OTHER | STATUS_IE);
    for (uint32_t lap = 1;; lap++) {
        wait_for(&interrupts[me].other, lap);
        monitor_call((me + 1) % arguments.vcpus, 0, 0, 0, ABI_INTERRUPT_CPU);
    }
}

/* ---- map: two ASIDs map the same user addresses to different pages --------------------------- */

#define MAP_PAGES 300u /* of each ASID: more than the TLB reaches */
#define MAP_FIRST 16u  /* user page; below is the page of registers */

static void map(uint32_t asid)
{
    const uint32_t first = ((uint32_t)end - DIRECT) / PAGE + 1 + (asid - 1) * MAP_PAGES;
    for (uint32_t page = 0; page < MAP_PAGES; page++)
        tables[asid][MAP_FIRST + page] = (first + page) << 6 | 3 << 3 | 6;
}

static int test_map(void)
{
    uint32_t bad = 0;
    static const char *const names[] = {"", "one", "two", "three"};
    for (uint32_t asid = 1; asid < 4; asid++) {
        map(asid);
        monitor_call(asid, (uint32_t)names[asid], 0, 0, ABI_SPACE);
        monitor_call(asid, MAP_FIRST * PAGE, MAP_PAGES * PAGE, (uint32_t) "pages", ABI_REGION);
    }
    for (uint32_t round = 0; round < 3; round++)
        for (uint32_t asid = 1; asid < 4; asid++) {
            CP0_WRITE(10, asid);
            for (uint32_t page = 0; page < MAP_PAGES; page++) {
                volatile uint32_t *const word =
                    (volatile uint32_t *)((MAP_FIRST + page) * PAGE + 4 * page);
                if (*word != (round ? asid * 1000 + page + round : 0))
                    bad++;
                *word = asid * 1000 + page + round + 1;
            }
        }
    CP0_WRITE(10, 0);
    monitor_call(2, 0, 0, 0, ABI_EXIT_SPACE);
    say(bad ? "wrong\n" : "mapped\n");
    return bad != 0;
}

/* ---- pages: zeroed, given back, of a region of all VMs --------------------------------------- */

static int test_pages(void)
{
    const uint32_t ppn = ((uint32_t)end - DIRECT) / PAGE + 10;
    volatile uint32_t *const words = (volatile uint32_t *)(DIRECT + ppn * PAGE);
    words[5] = 5;
    monitor_call(ppn, 0, 0, 0, ABI_ZERO_PAGE);
    const int zeroed = words[5] == 0;
    words[5] = 6;
    monitor_call(ppn, 0, 0, 0, ABI_FREE_PAGE);
    const int freed = words[5] == 0;
    const int refused =
        (int32_t)monitor_call(arguments.pages, 0, 0, 0, ABI_FREE_PAGE) < 0 &&
        (int32_t)monitor_call(DIRECT + arguments.pages * PAGE - 4, 8, 0, 0, ABI_CONSOLE) < 0;
    const int told = monitor_call(0, 0, 0, 0, ABI_MEMORY_PAGES) == arguments.pages &&
                     monitor_call(0, 0, 0, 0, ABI_CPUS) == arguments.vcpus &&
                     monitor_call(0, 0, 0, 0, ABI_CPU_NUMBER) == 0;
    say("pages\n");
    return !(zeroed && freed && refused && told);
}

/* The VMs of the test count to a number together. */
static int test_region(void)
{
    const uint32_t vms = number(arguments.argv[2]);
    uint32_t *const word = (uint32_t *)(((uint32_t)end + 2 * PAGE) & ~(PAGE - 1));
    if (monitor_call(7, ((uint32_t)word - DIRECT) / PAGE, 2, 0, ABI_SHARED_REGION))
        return 1;
    add(word + WORDS, 1);
    while (__atomic_load_n(word + WORDS, __ATOMIC_SEQ_CST) < vms)
        ;
    say("together\n");
    return 0;
}

/* Every page that this kernel does not need itself, but the last, where the arguments are. */
static int test_fill(void)
{
    const uint32_t first = ((uint32_t)end - DIRECT) / PAGE + 1;
    uint32_t bad = 0;
    for (uint32_t round = 0; round < 3; round++)
        for (uint32_t ppn = first; ppn < arguments.pages - 1; ppn++) {
            volatile uint32_t *const word =
                (volatile uint32_t *)(DIRECT + ppn * PAGE + ppn % PAGE / 4 * 4);
            bad += *word != (round ? ppn + round - 1 : 0);
            if (round < 2)
                *word = ppn + round;
        }
    say(bad ? "wrong\n" : "full\n");
    return bad != 0;
}

/* Computes for so long, on one vCPU. */
static int test_spin(void)
{
    for (volatile uint32_t left = number(arguments.argv[2]); left; left--)
        ;
    return 0;
}

/* Monitor calls with nonsense: none may do more than refuse. */
static int test_storm(void)
{
    static const uint32_t values[] = {0,          1,          2,          7,          255,
                                      256,        1023,       1024,       0xffff,     0x10000,
                                      0x7fffffff, 0x80000000, 0xa0000000, 0xbfffffff, 0xc0000000,
                                      0xc0000fff, 0xc0003000, 0xc03fffff, 0xc0400000, 0xcfffffff,
                                      0xd0000000, 0xdfffffff, 0xfffffffe, 0xffffffff};
    uint32_t seed = number(arguments.argv[2]) * 2 + 1;
    uint32_t a[5];
    for (uint32_t i = 0; i < 3000; i++) {
        for (uint32_t k = 0; k < 5; k++) {
            seed ^= seed << 13;
            seed ^= seed >> 17;
            seed ^= seed << 5;
            a[k] = values[(seed >> 8) % (sizeof values / sizeof *values)];
            if (seed & 0x80)
                a[k] = (seed >> 8) % 1100; /* PPNs, ASIDs, small numbers */
        }
        const uint32_t call = seed % ABI_CALL_COUNT, ppn = a[0];
        if (call == ABI_EXIT || call == ABI_START_CPU)
            continue;
        /* what this kernel itself stands on */
        if ((call == ABI_ZERO_PAGE || call == ABI_FREE_PAGE) &&
            ppn < ((uint32_t)end - DIRECT) / PAGE + 1)
            continue;
        if (call == ABI_SHARED_REGION && a[1] < ((uint32_t)end - DIRECT) / PAGE + 1)
            continue;
        monitor_call(a[0], a[1], a[2], a[3], call);
    }
    return 0;
}

/* ---- what guests do wrong -------------------------------------------------------------------- */

static int test_kseg0(void)
{
    return *(volatile int *)0x80001000;
}

static int test_device(void)
{
    return *(volatile int *)0xbf000500;
}

static int test_unknown_call(void)
{
    return (int)monitor_call(0, 0, 0, 0, 77);
}

static int test_sleep(void)
{
    start_others(2);
    CP0_WRITE(12, STATUS_CU1);
    for (;;)
        __asm__ volatile("wait");
}

static int test_no_vector(void)
{
    __asm__ volatile("mtc0 %0, $15, 1\n\tehb\n\tbreak" : : "r"(DIRECT + 0x08000000u));
    return 1;
}

/* ---- what a guest does while its run ends ---------------------------------------------------- */

#define BUS_ERROR 7

/* Touches new pages, and would speak of one that is not there. */
static int test_touch(void)
{
    for (uint32_t page = 0; page < 200; page++) {
        shared[page * WORDS] = page;
        if (caught[BUS_ERROR])
            say("there is no page");
    }
    return caught[BUS_ERROR] != 0;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static int test_hello(void)
{
    for (uint32_t i = 1; i < arguments.argc; i++) {
        say(arguments.argv[i]);
        say(i + 1 < arguments.argc ? " " : "\n");
    }
    return (int)arguments.argc;
}

static const struct {
    const char *name;
    int (*run)(void);
} tests[] = {
    {"hello", test_hello},   {"share", test_share},       {"timer", test_timer},
    {"ring", test_ring},     {"map", test_map},           {"pages", test_pages},
    {"region", test_region}, {"fill", test_fill},         {"spin", test_spin},
    {"storm", test_storm},   {"kseg0", test_kseg0},       {"device", test_device},
    {"sleep", test_sleep},   {"call", test_unknown_call}, {"vector", test_no_vector},
    {"touch", test_touch},
};

int guest_main(void);
void guest_other(uint32_t what);

int guest_main(void)
{
    for (uint32_t i = 0; i < sizeof tests / sizeof *tests && arguments.argc > 1; i++)
        if (equal(arguments.argv[1], tests[i].name))
            return tests[i].run();
    return 99;
}

void guest_other(uint32_t what)
{
    if (what == 0)
        share(this_cpu());
    else if (what == 1)
        ring(this_cpu());
}
