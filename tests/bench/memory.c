/* How fast the memory subsystem takes references, policy by policy, on one core.
 *
 *   memory [LACKEY|- [MACHINE]]     reads `valgrind --tool=lackey --trace-mem=yes` text
 *
 * Rates are by CPU time. Without a file a generated trace is used: eight streams over private
 * pages, a shared table and a write-shared page. The trace lies decoded in memory, so only the
 * subsystem is measured.
 */
#include "vmm-core/memory/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define REFERENCES_MOST (UINT64_C(80) << 20)
#define RUN_REFERENCES  4096u

extern const struct policy *const __start_disco_policies[];
extern const struct policy *const __stop_disco_policies[];

struct refs {
    uint64_t *addr;
    uint8_t *what;
    size_t count;
};

static void add(struct refs *refs, uint64_t addr, uint8_t what)
{
    if (refs->count == REFERENCES_MOST)
        return;
    refs->addr[refs->count] = addr;
    refs->what[refs->count++] = what;
}

/* "I  04001090,3", " L 1ffefff7e0,8", " S ...", " M ..." (a load and a store). */
static void read_lackey(struct refs *refs, FILE *file)
{
    char line[256];
    while (refs->count < REFERENCES_MOST && fgets(line, sizeof line, file)) {
        const uint64_t addr = strlen(line) > 3 ? strtoull(line + 3, NULL, 16) : 0;
        if (line[0] == 'I')
            add(refs, addr, 0);
        else if (line[0] == ' ' && (line[1] == 'L' || line[1] == 'M'))
            add(refs, addr, 1);
        if (line[0] == ' ' && (line[1] == 'S' || line[1] == 'M'))
            add(refs, addr, 2);
    }
}

static void generate(struct refs *refs)
{
    uint64_t state = 1;
    for (size_t at = 0; at < UINT64_C(20) << 20; at++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        const uint64_t draw = state >> 33;
        const uint64_t stream = at / RUN_REFERENCES % 8;
        const uint64_t private = (UINT64_C(0x10) + stream) << 24 | (draw & 0x3ffff);
        const uint64_t table = UINT64_C(0x40000000) + (draw & 0x7ffff);
        const bool shared = (draw >> 20) % 4 == 0;
        add(refs, shared ? table : private, shared || (draw >> 22) % 3 ? 1 : 2);
    }
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static char *replay(struct memory *memory, const struct refs *refs, uint32_t streams)
{
    char *error = NULL;
    for (uint32_t stream = 0; stream < streams && !error; stream++)
        error = memory_dispatch(memory, stream, stream, 0);
    for (size_t at = 0; at < refs->count && !error; at += RUN_REFERENCES) {
        const size_t run = refs->count - at < RUN_REFERENCES ? refs->count - at : RUN_REFERENCES;
        error = memory_references(memory, (uint32_t)(at / RUN_REFERENCES % streams),
                                  refs->addr + at, refs->what + at, run);
    }
    memory_finish(memory);
    return error;
}

static int measure(const struct policy *policy, const struct machine *machine,
                   const struct refs *refs, uint32_t streams)
{
    int64_t param[32] = {0};
    for (size_t at = 0; at < policy->param_count && at < 32; at++)
        param[at] = policy->params[at].standard;
    const struct memory_options options = {.machine = machine,
                                           .policy = policy,
                                           .param = param,
                                           .seed = 1,
                                           .refs_per_sample = 1,
                                           .has_fetches = true};
    struct memory *memory = NULL;
    char *error = memory_new(&options, &memory);
    const double start_s = now_s();
    if (!error)
        error = replay(memory, refs, streams);
    const double took_s = now_s() - start_s;
    if (error) {
        printf("%-14s %s\n", policy->name, error);
        free(error);
        memory_free(memory);
        return 1;
    }
    uint64_t misses = 0;
    uint64_t moves = 0;
    for (uint32_t cpu = 0; cpu < streams; cpu++) {
        misses += memory_cpu(memory, cpu)->tlb_misses;
        moves += memory_cpu(memory, cpu)->migrations + memory_cpu(memory, cpu)->replications;
    }
    printf("%-14s %6.1f M references/s, %zu references, %llu TLB misses, %u pages, %llu moves\n",
           policy->name, (double)refs->count / took_s * 1e-6, refs->count,
           (unsigned long long)misses, memory_pages(memory), (unsigned long long)moves);
    memory_free(memory);
    return 0;
}

/* Fills `refs` and says over how many CPUs the trace goes; 0: it cannot be read. */
static uint32_t load(struct refs *refs, const char *path, uint32_t cpus)
{
    if (!path) {
        generate(refs);
        return cpus < 8 ? cpus : 8;
    }
    FILE *const file = fopen(path, "r");
    if (!file)
        return 0;
    read_lackey(refs, file);
    fclose(file);
    return 1;
}

int main(int argc, char **argv)
{
    struct machine *machine = NULL;
    char *error = machine_load(argc > 2 ? argv[2] : "flash-8", &machine);
    if (error) {
        fprintf(stderr, "memory: %s\n", error);
        free(error);
        return 1;
    }
    const char *const path = argc > 1 && strcmp(argv[1], "-") != 0 ? argv[1] : NULL;
    struct refs refs = {.addr = malloc(REFERENCES_MOST * sizeof *refs.addr),
                        .what = malloc(REFERENCES_MOST)};
    const uint32_t streams = refs.addr && refs.what ? load(&refs, path, machine->cpus) : 0;
    int failed = streams == 0;
    if (failed)
        fprintf(stderr, "memory: %s cannot be read\n", path ? path : "the trace");
    for (const struct policy *const *policy = __start_disco_policies;
         policy < __stop_disco_policies && streams; policy++)
        failed |= measure(*policy, machine, &refs, streams);
    free(refs.addr);
    free(refs.what);
    machine_free(machine);
    return failed;
}
