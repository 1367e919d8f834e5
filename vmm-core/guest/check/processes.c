/* Checks of processes: how they begin, end and are stopped. */
#include "vmm-core/guest/check/check.h"

enum { KILLED = 128 }; /* and the exception's code */

static void exit_33(void)
{
    disco_exit(33);
}

static void do_nothing(void)
{
}

static const char *check_status(void)
{
    int status;

    EXPECT(status_of_child(exit_33) == 33);
    EXPECT(status_of_child(do_nothing) == 0);
    EXPECT(disco_wait(&status) == -1);
    EXPECT(disco_process() == 1);
    return NULL;
}

/* More processes than there are ASIDs, each with a page of its own at the same address: no TLB entry of
 * one may be seen by a later one. */
static const char *check_many(void)
{
    volatile uint32_t *word = disco_alloc(DISCO_PAGE_BYTES, "many processes");

    for (uint32_t n = 1; n <= 300; n++) {
        int status = -1, process = disco_fork();

        if (process == 0) {
            bool well = word[0] == n - 1;

            word[0] = n + 5000;
            disco_exit(well && word[0] == n + 5000 ? 0 : 1);
        }
        EXPECT(disco_wait(&status) == process && status == 0);
        word[0] = n;
    }
    return NULL;
}

static const char *check_at_once(void)
{
    enum { PROCESSES = 30 };
    int sum = 0, status;

    for (int n = 0; n < PROCESSES; n++) {
        int process = disco_fork();

        EXPECT(process >= 0);
        if (process == 0) {
            for (int i = 0; i < n; i++)
                disco_yield();
            disco_exit(n);
        }
    }
    for (int n = 0; n < PROCESSES; n++) {
        EXPECT(disco_wait(&status) > 0);
        sum += status;
    }
    EXPECT(sum == PROCESSES * (PROCESSES - 1) / 2);
    EXPECT(disco_wait(&status) == -1);
    return NULL;
}

static void exec_child(void)
{
    static char name[] = "check", option[] = "--child", empty[] = "", last[] = "last one";
    char *arguments[] = {name, option, empty, last, NULL};

    if (disco_exec("no such program", arguments) != -1)
        disco_exit(2);
    disco_exec("check", arguments);
    disco_exit(3);
}

static const char *check_exec(void)
{
    for (int turn = 0; turn < 3; turn++)
        EXPECT(status_of_child(exec_child) == 42);
    return NULL;
}

/* Grandchildren whose parents do not wait for them. */
static void leave_children(void)
{
    for (int i = 0; i < 5; i++)
        if (disco_fork() == 0) {
            disco_yield();
            disco_exit(i);
        }
    disco_exit(0);
}

static const char *check_orphans(void)
{
    for (int turn = 0; turn < 6; turn++)
        EXPECT(status_of_child(leave_children) == 0);
    EXPECT(disco_wait(NULL) == -1);
    return NULL;
}

/* Ends while its threads run, sleep and wait. */
static void run_for_ever(void *argument)
{
    volatile uint32_t *turns = argument;

    for (;;)
        ++*turns;
}

static void sleep_for_ever(void *argument)
{
    for (;;)
        disco_sleep_on(argument, 0);
}

static void end_with_threads(void)
{
    static uint32_t words[2];

    for (int i = 0; i < 3; i++) {
        disco_spawn(run_for_ever, &words[0]);
        disco_spawn(sleep_for_ever, &words[1]);
    }
    disco_yield();
    disco_exit(9);
}

static const char *check_ends(void)
{
    for (int turn = 0; turn < 5; turn++)
        EXPECT(status_of_child(end_with_threads) == 9);
    return NULL;
}

/* ------------------------------------------------------------------------------- stopped */

static void read_null(void)
{
    __asm__ volatile("lw $2, 8($0)" ::: "$2");
}

static void write_text(void)
{
    *(volatile uint32_t *)USER_TEXT = 0;
}

static void read_kernel(void)
{
    (void)*(volatile uint32_t *)0xC0002000;
}

static void call_monitor(void)
{
    *(volatile uint32_t *)0xA0000004 = 0; /* EXIT, if the kernel called */
}

static void read_odd(void)
{
    __asm__ volatile("lw $2, 2($sp)" ::: "$2");
}

static void run_privileged(void)
{
    __asm__ volatile("mtc0 $0, $12");
}

static void run_reserved(void)
{
    __asm__ volatile(".word 0x0000003f");
}

static void overflow(void)
{
    __asm__ volatile("lui $2, 0x7fff\n\tadd $2, $2, $2" ::: "$2");
}

static void trap_always(void)
{
    __asm__ volatile("teq $0, $0");
}

static void break_off(void)
{
    __asm__ volatile("break");
}

static int deeper(int depth)
{
    volatile char room[1000];

    room[0] = (char)depth;
    return depth < 1 << 20 ? deeper(depth + 1) + room[0] : 0;
}

static void overrun_stack(void)
{
    disco_exit(deeper(0) & 1);
}

static void divide_by_zero(void)
{
    uint32_t mode = 0x01000400; /* that exception on */
    volatile double zero = 0;

    __asm__ volatile("ctc1 %0, $31" ::"r"(mode));
    zero = 1 / zero;
}

/* The kernel says on the console why it stopped each: these lines are expected. */
static const char *check_stopped(void)
{
    EXPECT(status_of_child(read_null) == KILLED + 2);
    EXPECT(status_of_child(write_text) == KILLED + 1);
    EXPECT(status_of_child(read_kernel) == KILLED + 4);
    EXPECT(status_of_child(call_monitor) == KILLED + 5);
    EXPECT(status_of_child(read_odd) == KILLED + 4);
    EXPECT(status_of_child(run_privileged) == KILLED + 11);
    EXPECT(status_of_child(run_reserved) == KILLED + 10);
    EXPECT(status_of_child(overflow) == KILLED + 12);
    EXPECT(status_of_child(trap_always) == KILLED + 13);
    EXPECT(status_of_child(break_off) == KILLED + 9);
    EXPECT(status_of_child(overrun_stack) == KILLED + 3);
    EXPECT(status_of_child(divide_by_zero) == KILLED + 15);
    return NULL;
}

const struct check process_checks[] = {
    {"children and their status", check_status},
    {"more processes than ASIDs", check_many},
    {"many processes at once", check_at_once},
    {"exec gives a program its arguments", check_exec},
    {"children whose parents are gone", check_orphans},
    {"a process ends with its threads", check_ends},
    {"what a program may not do stops it", check_stopped},
    {0},
};
