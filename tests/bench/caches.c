/* What a reference costs in the caches alone, on a machine's caches and a real trace.
 *
 *   caches LACKEY|- [MACHINE [CPUS]]     reads `valgrind --tool=lackey --trace-mem=yes` text
 *
 * The trace lies decoded in memory, its pages numbered in order of first touch, and is given to CPUs in
 * turns of 4096 references. Time is that of the CPU, best of three. Under `valgrind --tool=callgrind
 * --toggle-collect=caches_references` the instructions of the path are counted, which do not vary.
 */
#include "vmm-core/machine/caches/caches.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define REFERENCES_MOST (UINT64_C(24) << 20)
#define TURN            4096u
#define PAGE_SHIFT      12u
#define PAGES_MOST      (1u << 20) /* slots of the hash of pages */

struct refs {
    uint64_t *virtual_address, *physical_address, *bytes, *second_page;
    uint8_t *what;
    size_t count;
    uint64_t *page_tag; /* VPN + 1 */
    uint32_t *page, pages;
};

static uint64_t physical_of(struct refs *refs, uint64_t address)
{
    uint64_t vpn = address >> PAGE_SHIFT, at = vpn * UINT64_C(0x9E3779B97F4A7C15) >> 44;
    while (refs->page_tag[at] != 0 && refs->page_tag[at] != vpn + 1)
        at = (at + 1) & (PAGES_MOST - 1);
    if (refs->page_tag[at] == 0) {
        refs->page_tag[at] = vpn + 1;
        refs->page[at] = refs->pages++;
    }
    return (uint64_t)refs->page[at] << PAGE_SHIFT | (address & ((1u << PAGE_SHIFT) - 1));
}

static void add(struct refs *refs, uint64_t address, uint64_t bytes, uint8_t what)
{
    if (refs->count == REFERENCES_MOST)
        return;
    refs->virtual_address[refs->count] = address;
    refs->physical_address[refs->count] = physical_of(refs, address);
    refs->second_page[refs->count] = physical_of(refs, address + bytes - 1) >> PAGE_SHIFT
                                                                                   << PAGE_SHIFT;
    refs->bytes[refs->count] = bytes;
    refs->what[refs->count++] = what;
}

/* "I  04001090,3", " L 1ffefff7e0,8", " S ...", " M ..." (a load and a store). */
static void read_lackey(struct refs *refs, FILE *file)
{
    char line[256], *end;
    while (refs->count < REFERENCES_MOST && fgets(line, sizeof line, file) != NULL) {
        if (strlen(line) < 5 || (line[0] != 'I' && line[0] != ' '))
            continue;
        uint64_t address = strtoull(line + 3, &end, 16);
        uint64_t bytes = *end == ',' ? strtoull(end + 1, NULL, 10) : 1;
        bytes = bytes == 0 ? 1 : bytes;
        if (line[0] == 'I')
            add(refs, address, bytes, 0);
        else if (line[1] == 'L' || line[1] == 'M')
            add(refs, address, bytes, 1);
        if (line[0] == ' ' && (line[1] == 'S' || line[1] == 'M'))
            add(refs, address, bytes, 2);
    }
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static char *replay(struct caches *caches, const struct refs *refs, uint32_t cpus)
{
    static uint8_t level[TURN];
    static uint32_t age[TURN];
    static uint64_t second[TURN];
    struct caches_outcome outcome = {.level = level, .age = age};
    char *error = NULL;
    for (size_t at = 0; at < refs->count && error == NULL; at += TURN) {
        uint32_t turn = refs->count - at < TURN ? (uint32_t)(refs->count - at) : TURN, seconds = 0;
        for (uint32_t i = 0; i < turn; i++)
            if ((refs->virtual_address[at + i] & ((1u << PAGE_SHIFT) - 1)) + refs->bytes[at + i] >
                1u << PAGE_SHIFT)
                second[seconds++] = refs->second_page[at + i];
        struct caches_input input = {.cpu = (uint32_t)(at / TURN % cpus),
                                     .references = turn,
                                     .first = at + 1,
                                     .virtual_address = refs->virtual_address + at,
                                     .physical_address = refs->physical_address + at,
                                     .what = refs->what + at,
                                     .bytes = refs->bytes + at,
                                     .second_page = second};
        outcome.writebacks = 0;
        error = caches_references(caches, &input, &outcome, 0);
    }
    free(outcome.writeback);
    return error;
}

static char *measure(const struct machine *machine, const struct refs *refs, uint32_t cpus)
{
    double best_s = 0;
    for (int round = 0; round < 3; round++) {
        struct caches *caches = NULL;
        char *error = caches_new(machine, &caches);
        double start_s = now_s();
        if (error == NULL)
            error = replay(caches, refs, cpus);
        double took_s = now_s() - start_s;
        best_s = round == 0 || took_s < best_s ? took_s : best_s;
        for (uint32_t i = 0; error == NULL && round == 2 && i < machine->caches; i++) {
            struct caches_counters counters = caches_counted(caches, i);
            printf("  level %u %-11s %10llu accesses, %5.2f %% miss\n", machine->cache[i].level,
                   machine->cache[i].kind, (unsigned long long)counters.accesses,
                   100.0 * (double)counters.misses / (double)(counters.accesses + 1));
        }
        caches_free(caches);
        if (error != NULL)
            return error;
    }
    printf("caches of %s, %u CPUs: %.2f ns a reference, %.1f M/s, %zu references, %u pages\n",
           machine->name, cpus, best_s * 1e9 / (double)refs->count,
           (double)refs->count / best_s * 1e-6, refs->count, refs->pages);
    return NULL;
}

int main(int argc, char **argv)
{
    struct machine *machine = NULL;
    char *error = machine_load(argc > 2 ? argv[2] : "flash-8", &machine);
    FILE *file = argc > 1 && strcmp(argv[1], "-") != 0 ? fopen(argv[1], "r") : stdin;
    struct refs refs = {.virtual_address = malloc(REFERENCES_MOST * sizeof(uint64_t)),
                        .physical_address = malloc(REFERENCES_MOST * sizeof(uint64_t)),
                        .bytes = malloc(REFERENCES_MOST * sizeof(uint64_t)),
                        .second_page = malloc(REFERENCES_MOST * sizeof(uint64_t)),
                        .what = malloc(REFERENCES_MOST),
                        .page_tag = calloc(PAGES_MOST, sizeof(uint64_t)),
                        .page = calloc(PAGES_MOST, sizeof(uint32_t))};
    if (error == NULL && file != NULL && refs.virtual_address != NULL &&
        refs.physical_address != NULL && refs.bytes != NULL && refs.second_page != NULL &&
        refs.what != NULL && refs.page_tag != NULL && refs.page != NULL) {
        uint32_t cpus = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 1;
        read_lackey(&refs, file);
        error = measure(machine, &refs, cpus >= 1 && cpus <= machine->cpus ? cpus : 1);
    } else if (error == NULL) {
        fprintf(stderr, "caches: %s cannot be read\n", argc > 1 ? argv[1] : "the trace");
    }
    if (error != NULL)
        fprintf(stderr, "caches: %s\n", error);
    return error != NULL || refs.count == 0;
}
