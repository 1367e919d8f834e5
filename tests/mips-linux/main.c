/* mips-linux [-c FILE] [-i INSTRUCTIONS] PROGRAM [ARG...]: runs a static Linux/MIPS program on the
 * modelled CPU. Exit: the program's; 128 and the signal's number (as Linux/MIPS counts them) where one
 * ended it; 125 where the runner failed.
 *   -c FILE          compares all references with those of QEMU's plugin in FILE
 *   -i INSTRUCTIONS  stops a program that runs longer (default: 20 billion) */
#include "tests/mips-linux/process.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#define FAILED     125
#define SLICE      100000u
#define REFERENCES 65536u

static int fail(const char *file, const char *what)
{
    (void)fprintf(stderr, "mips-linux: %s: %s\n", file, what);
    return FAILED;
}

static void run(struct process *process, uint64_t limit)
{
    static struct mips_reference list[REFERENCES];
    if (process->expected)
        (void)mips_record(process->cpu, list, REFERENCES);
    while (!process->exited && !process->differs && mips_instructions(process->cpu) < limit) {
        const enum mips_stop why = mips_run(process->cpu, SLICE);
        if (process->expected)
            process_compare(process, list, mips_recorded(process->cpu));
        if (why != MIPS_STOP_EXCEPTION)
            continue;
        process_fault(process);
        mips_cp0_write(process->cpu, 12, 0, process->status);
    }
}

/* QEMU's have to end there, too. */
static bool ended(struct process *process)
{
    if (process->expected && !process->differs && fgetc(process->expected) != EOF) {
        (void)fprintf(stderr, "QEMU has more than %" PRIu64 " references\n", process->references);
        process->differs = true;
    }
    return !process->differs;
}

/* Runs the loaded process and says how it ended. */
static int conclude(struct process *process, uint64_t limit)
{
    run(process, limit);
    int status = process->killed_by ? 128 + process->killed_by : process->exit_status;
    if (process->killed_by || (!process->exited && !process->differs)) {
        char *const text = mips_describe(process->cpu);
        if (process->killed_by)
            (void)fprintf(stderr, "mips-linux: signal %d\n", process->killed_by);
        else
            (void)fprintf(stderr, "mips-linux: still running\n");
        (void)fprintf(stderr, "%s\n", text ? text : "");
        free(text);
    }
    if (!process->exited || !ended(process))
        return FAILED;
    if (process->expected)
        (void)fprintf(stderr, "%" PRIu64 " references are QEMU's\n", process->references);
    return status;
}

int main(int argc, char **argv)
{
    const char *expected = NULL, *wrong = NULL;
    uint64_t limit = UINT64_C(20000000000);
    int option;
    while ((option = getopt(argc, argv, "+c:i:")) != -1) {
        if (option == 'c')
            expected = optarg;
        else if (option == 'i')
            limit = strtoull(optarg, NULL, 0);
        else
            return FAILED;
    }
    if (optind == argc)
        return fail("usage", "mips-linux [-c FILE] [-i INSTRUCTIONS] PROGRAM [ARG...]");
    char path[PATH_MAX];
    struct process process;
    const bool there = process_new(&process);
    process.path = realpath(argv[optind], path);
    if (!there)
        wrong = "out of memory";
    else if (!process.path)
        wrong = "it is not there";
    else
        wrong = process_load(&process, argc - optind, argv + optind);
    if (!wrong && expected && !(process.expected = fopen(expected, "rb")))
        wrong = "its references cannot be opened";
    const int status = wrong ? fail(argv[optind], wrong) : conclude(&process, limit);
    if (process.expected)
        (void)fclose(process.expected);
    process_free(&process);
    return status;
}
