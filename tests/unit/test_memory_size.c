/* Bytes that a guest page takes, by what the process has resident: at most 64 a policy that counts,
 * at flash-8's eight nodes and with every page in the interval, and 32 for the guest's tables. */
#include "vmm-core/memory/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define PAGES      (UINT64_C(3) << 20)
#define PAGES_WARM (UINT64_C(1) << 20) /* fixed tables are there by then */
#define PIECE      4096u
#define NODES      8u

static void well(char *error)
{
    if (error)
        fail_msg("%s", error);
}

static uint64_t resident_bytes(void)
{
    unsigned long long size = 0;
    unsigned long long resident = 0;
    FILE *const file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%llu %llu", &size, &resident), 2); /* NOLINT(cert-err34-c) */
    fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static const char *wants_counters(void *state, const struct policy_setup *setup,
                                  struct policy_wants *wants)
{
    (void)state;
    (void)setup;
    *wants = (struct policy_wants){.signals = POLICY_SIGNAL_HOT, .trigger = 128};
    return NULL;
}

static void never_hot(void *state, struct policy_host *host, const struct policy_event *event)
{
    (void)state;
    (void)host;
    (void)event;
}

static const struct policy counting = {.abi = DISCO_POLICY_ABI,
                                       .name = "counting",
                                       .init = wants_counters,
                                       .place = policy_place_first_touch,
                                       .hot = never_hot};

/* What a page costs the guest, and the memory behind it, from PAGES_WARM pages on. */
struct cost {
    uint64_t guest_bytes, memory_bytes;
};

static void touch(struct guest *guest, struct memory *memory, uint64_t first, struct cost *cost)
{
    static uint64_t addr[PIECE];
    static uint8_t what[PIECE];
    const uint32_t cpu = (uint32_t)(first / PIECE % NODES);
    for (uint64_t at = 0; at < PIECE; at++) {
        addr[at] = (first + at) << 13;
        what[at] = MEMORY_LOAD;
    }
    const uint64_t before = resident_bytes();
    well(guest_references(guest, cpu, 0, addr, what, NULL, PIECE, NULL, 0));
    well(guest_commit(guest));
    const uint64_t between = resident_bytes();
    well(memory_replay(memory, cpu, addr, what, PIECE, NULL, 0));
    cost->guest_bytes += between - before;
    cost->memory_bytes += resident_bytes() - between;
}

static void a_page_takes_no_more_than_it_may(void **state)
{
    (void)state;
    if (getenv("DISCO_SANITIZED")) /* NOLINT(concurrency-mt-unsafe): one thread */
        skip();                    /* what is resident is the sanitizer's */
    struct machine *machine = NULL;
    well(machine_load("flash-8", &machine));
    for (uint32_t node = 0; node < machine->nodes; node++)
        machine->node[node].memory_bytes = UINT64_C(32) << 30;
    assert_int_equal(machine->nodes, NODES);
    struct guest *guest = NULL;
    struct memory *memory = NULL;
    well(guest_new(&(struct guest_options){.machine = machine, .misses = true}, &guest));
    well(memory_new(&(struct memory_options){.machine = machine,
                                             .guest = guest,
                                             .policy = &counting,
                                             .refs_per_sample = 1},
                    &memory));
    for (uint32_t cpu = 0; cpu < NODES; cpu++)
        well(memory_dispatch(memory, cpu, cpu, 0));
    struct cost cost = {0};
    for (uint64_t page = 0; page < PAGES; page += PIECE) {
        if (page == PAGES_WARM)
            cost = (struct cost){0};
        touch(guest, memory, page, &cost);
    }
    const uint64_t pages = PAGES - PAGES_WARM;
    assert_int_equal(memory_pages(memory), PAGES);
    if (cost.memory_bytes > 64 * pages || cost.memory_bytes < 32 * pages)
        fail_msg("a page takes %llu bytes a policy",
                 (unsigned long long)(cost.memory_bytes / pages));
    if (cost.guest_bytes > 32 * pages || cost.guest_bytes < 16 * pages)
        fail_msg("a page takes %llu bytes of the guest",
                 (unsigned long long)(cost.guest_bytes / pages));
    memory_free(memory);
    guest_free(guest);
    machine_free(machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_takes_no_more_than_it_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
