/* Several long sequential jobs at once, after the workload "engineering" of the Disco paper: six Verilog
 * simulations and six simulations of a memory system on eight CPUs.
 *
 * Forks one process for each job; half exec `logic`, half `memsim`, each with a seed of its own. Processes
 * share nothing but the kernel and the code of their programs. With more jobs than CPUs, or
 * whenever the guest's kernel moves a process to another CPU, its memory stays behind: what
 * migration is for.
 *
 *   text of logic, memsim   read by all of their processes: replicas pay
 *   all else                private to a process, and follows it or does not
 *
 * Checked: each job has checked its own answer; theirs together are the answer.
 */
#include "vmm-core/guest/programs/program.h"
#include "vmm-core/guest/programs/toy.h"

PROGRAM_ABOUT(
    "engineering: long sequential jobs (Disco's engineering): logic and memory simulators");

#define ARGUMENTS 8
#define TEXT      32

/* Becomes job number `job`, from 1: odd ones simulate logic, even ones memory. */
_Noreturn static void become(int job, int work, int seed)
{
    char numbers[3][TEXT];
    snprintf(numbers[0], TEXT, "%d", job % 2 != 0 ? work : 1000 * work);
    snprintf(numbers[1], TEXT, "%d", seed + job);
    snprintf(numbers[2], TEXT, "%d", job);
    char logic[] = "logic", vectors[] = "--vectors", memsim[] = "memsim";
    char references[] = "--references", seeds[] = "--seed", jobs[] = "--job";
    char *arguments[ARGUMENTS] = {job % 2 != 0 ? logic : memsim,
                                  job % 2 != 0 ? vectors : references,
                                  numbers[0],
                                  seeds,
                                  numbers[1],
                                  jobs,
                                  numbers[2]};
    disco_exec(arguments[0], arguments);
    toy_stop("engineering", arguments[0], "cannot be run");
}

/* What the job has left in its file, which goes. */
static uint32_t answer_of(int job)
{
    char name[TEXT], text[TEXT] = "";
    snprintf(name, sizeof name, PROGRAM_JOB_FILE, job);
    int file = disco_open(name);
    if (file < 0 || disco_read(file, text, TEXT - 1) <= 0)
        toy_stop("engineering", name, "cannot be read");
    disco_close(file);
    disco_unlink(name);
    return (uint32_t)strtoul(text, NULL, 16);
}

int main(int argc, char **argv)
{
    int work = 4, seed = 1, jobs = 12;
    const struct program_option options[] = {
        {"work", &work, 1, 100000, "length of each job: products, or 1000 references"},
        {"seed", &seed, 0, 1 << 30, "which jobs"},
        {"jobs", &jobs, 1, 60, "jobs"},
    };
    program_arguments(argc, argv, program_about, options, sizeof options / sizeof *options);

    program_mark(0, PROGRAM_BEGINS);
    for (int job = 1; job <= jobs; job++) {
        int process = disco_fork();
        if (process == 0)
            become(job, work, seed);
        if (process < 0)
            toy_stop("engineering", "fork", "no room for another process");
    }
    bool right = true;
    for (int job = 1; job <= jobs; job++) {
        int status = 1;
        right &= disco_wait(&status) >= 0 && status == 0;
    }
    program_mark(0, PROGRAM_ENDS);
    uint32_t answer = 0;
    for (int job = 1; right && job <= jobs; job++)
        answer += program_sum_word((uint32_t)job, answer_of(job));
    printf("engineering: %d jobs of length %d", jobs, work);
    return program_answer(answer, right);
}
