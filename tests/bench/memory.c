/* How fast the guest and the memory subsystem take references, policy by policy, on one core.
 *
 *   memory [LACKEY|- [MACHINE]]     reads `valgrind --tool=lackey --trace-mem=yes` text
 *
 * First the guest alone, without caches and with the machine's; then each policy behind the one with
 * caches, and behind the one without. Rates are by CPU time. Without a file a generated trace is
 * used: eight streams over private pages, a shared table and a write-shared page. The trace lies
 * decoded in memory, so only the subsystem is measured.
 */
#include "vmm-core/memory/memory.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define REFERENCES_MOST (UINT64_C(32) << 20)
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
    for (size_t at = 0; at < UINT64_C(8) << 20; at++) {
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

/* The whole trace's outcomes, where there are caches. */
struct rig {
    const struct machine *machine;
    const struct refs *refs;
    struct guest *guest;
    struct caches_outcome outcome;
    uint32_t streams;
};

static uint32_t run_at(const struct refs *refs, size_t at)
{
    return refs->count - at < RUN_REFERENCES ? (uint32_t)(refs->count - at) : RUN_REFERENCES;
}

static uint32_t cpu_at(const struct rig *rig, size_t at)
{
    return (uint32_t)(at / RUN_REFERENCES % rig->streams);
}

static void say(const char *what, const struct refs *refs, double took_s)
{
    printf("%-24s %6.1f M references/s, %5.2f ns each", what, (double)refs->count / took_s * 1e-6,
           took_s * 1e9 / (double)refs->count);
}

static char *look_ahead(struct rig *rig, bool misses)
{
    const struct guest_options options = {.machine = rig->machine, .misses = misses};
    char *error = guest_new(&options, &rig->guest);
    if (!error && !guest_outcome_new(&rig->outcome, (uint32_t)rig->refs->count))
        error = strdup("not enough memory");
    const double start_s = now_s();
    const struct refs *const refs = rig->refs;
    for (size_t at = 0; at < refs->count && !error; at += RUN_REFERENCES) {
        error = guest_references(rig->guest, cpu_at(rig, at), 0, refs->addr + at, refs->what + at,
                                 NULL, run_at(refs, at), &rig->outcome, (uint32_t)at);
        if (!error)
            error = guest_commit(rig->guest);
    }
    if (!error) {
        say(misses ? "guest, no caches" : "guest, caches", refs, now_s() - start_s);
        printf(", %u pages, %u write-backs\n", guest_pages(rig->guest), rig->outcome.writebacks);
    }
    return error;
}

static char *replay(struct memory *memory, const struct rig *rig)
{
    char *error = NULL;
    const struct refs *const refs = rig->refs;
    for (uint32_t stream = 0; stream < rig->streams && !error; stream++)
        error = memory_dispatch(memory, stream, stream, 0);
    for (size_t at = 0; at < refs->count && !error; at += RUN_REFERENCES)
        error = memory_replay(memory, cpu_at(rig, at), refs->addr + at, refs->what + at,
                              run_at(refs, at), &rig->outcome, (uint32_t)at);
    memory_finish(memory);
    return error;
}

static char *measure(const struct policy *policy, const struct rig *rig)
{
    int64_t param[32] = {0};
    for (size_t at = 0; at < policy->param_count && at < 32; at++)
        param[at] = policy->params[at].standard;
    const struct memory_options options = {.machine = rig->machine,
                                           .guest = rig->guest,
                                           .policy = policy,
                                           .param = param,
                                           .seed = 1,
                                           .refs_per_sample = 1,
                                           .has_fetches = true};
    struct memory *memory = NULL;
    char *error = memory_new(&options, &memory);
    const double start_s = now_s();
    if (!error)
        error = replay(memory, rig);
    if (!error) {
        uint64_t misses = 0;
        uint64_t moves = 0;
        uint64_t accesses = 0;
        for (uint32_t cpu = 0; cpu < rig->streams; cpu++) {
            const struct memory_cpu_counters *const count = memory_cpu(memory, cpu);
            misses += count->tlb_misses;
            moves += count->migrations + count->replications;
            accesses += count->local_accesses + count->remote_accesses;
        }
        say(policy->name, rig->refs, now_s() - start_s);
        printf(", %llu accesses, %llu TLB misses, %llu moves\n", (unsigned long long)accesses,
               (unsigned long long)misses, (unsigned long long)moves);
    }
    memory_free(memory);
    return error;
}

static bool measure_all(struct rig *rig, bool misses)
{
    char *error = look_ahead(rig, misses);
    for (const struct policy *const *policy = __start_disco_policies;
         policy < __stop_disco_policies && !error; policy++) {
        error = measure(*policy, rig);
        if (error && strstr(error, "bind")) { /* one that needs a parameter */
            free(error);
            error = NULL;
        }
    }
    if (error)
        fprintf(stderr, "memory: %s\n", error);
    const bool well = !error;
    free(error);
    guest_free(rig->guest);
    guest_outcome_free(&rig->outcome);
    return well;
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
    struct rig rig = {.machine = machine, .refs = &refs, .streams = streams};
    if (streams)
        failed = !measure_all(&rig, false) || !measure_all(&rig, true);
    free(refs.addr);
    free(refs.what);
    machine_free(machine);
    return failed;
}
