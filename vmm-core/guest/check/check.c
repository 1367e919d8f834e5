/* check: a line for each check, "PASS what" or "FAIL what: why", and status 1 if one failed. With
 * --child it is a child of itself (processes.c). */
#include "vmm-core/guest/check/check.h"

static const char about[] __attribute__((section(".disco.about"), used)) =
    "check: checks of the guests' kernel: memory, threads, processes, the FPU, the library";

int check_threads(void)
{
    int threads = disco_cpus() + 3;

    return threads < DISCO_THREADS_MAX ? threads : DISCO_THREADS_MAX;
}

int status_of_child(void (*run)(void))
{
    int status = -1, child = disco_fork();

    if (child == 0) {
        run();
        disco_exit(0);
    }
    return disco_wait(&status) == child ? status : -1;
}

static int run_all(const struct check *check)
{
    int failed = 0;

    for (; check->what; check++) {
        const char *why = check->run();

        if (why)
            printf("FAIL %s: %s\n", check->what, why);
        else
            printf("PASS %s\n", check->what);
        failed += why != NULL;
    }
    return failed;
}

/* What the exec check runs: its arguments have to be these. */
static int child(int argc, char **argv)
{
    bool well = argc == 4 && strcmp(argv[0], "check") == 0 && strcmp(argv[2], "") == 0 &&
                strcmp(argv[3], "last one") == 0 && argv[4] == NULL;

    return well ? 42 : 1;
}

static void stand_still(void)
{
    static uint32_t word;

    for (;;)
        disco_sleep_on(&word, 0);
}

int main(int argc, char **argv)
{
    int failed = 0;

    if (argc > 1 && strcmp(argv[1], "--child") == 0)
        return child(argc, argv);
    if (argc > 1 && strcmp(argv[1], "--standstill") == 0)
        stand_still();
    if (argc > 1) {
        printf("check: takes no arguments but --standstill: sleep for ever\n");
        return 2;
    }
    failed += run_all(library_checks);
    failed += run_all(process_checks);
    failed += run_all(thread_checks);
    failed += run_all(memory_checks);
    printf("check: %d failed on %d virtual CPUs\n", failed, disco_cpus());
    return failed ? 1 : 0;
}
