/* Loaded latencies in the memory subsystem: who is charged what, and what an epoch reports. */
#include "vmm-core/memory/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define EPOCH 1024u
#define PAGE  4096u

/* Two nodes with two CPUs each; everything costs nothing but executing 100 ns a load, and memory. */
static const char json[] =
    "{\"page_size\": 4096, \"nodes\": [{\"cpus\": [0, 1], \"service_ns\": 80}, "
    "{\"cpus\": [2, 3], \"service_ns\": 80}], \"latency_ns\": [[100, 300], [300, 100]], "
    "\"links\": [{\"from\": 0, \"to\": 1, \"gb_per_s\": 2}, "
    "{\"from\": 1, \"to\": 0, \"gb_per_s\": 2}], \"tlb\": {\"entries\": 0}}";

struct seen {
    uint64_t epochs, stall_ps, wrong;
    uint64_t station_accesses[4]; /* controllers, then links */
    uint32_t most_ppm;
};

static void on_epoch(void *context, const struct memory_epoch *epoch)
{
    struct seen *const seen = context;
    seen->epochs++;
    seen->stall_ps += epoch->local_stall_ps + epoch->remote_stall_ps;
    for (uint32_t i = 0; i < epoch->stations; i++) {
        seen->station_accesses[i] += epoch->station[i].accesses;
        seen->wrong += epoch->station[i].utilisation_ppm > 1000000;
        if (epoch->station[i].utilisation_ppm > seen->most_ppm)
            seen->most_ppm = epoch->station[i].utilisation_ppm;
    }
}

/* Places every page on node 0; moves page 0 to the other node when `move` is asked for. */
static uint32_t place(void *state, struct policy_host *host, const struct policy_event *event)
{
    (void)state;
    (void)host;
    (void)event;
    return 0;
}

static const char *init(void *state, const struct policy_setup *setup, struct policy_wants *wants)
{
    *(int64_t *)state = setup->param[0];
    wants->signals = POLICY_SIGNAL_REFERENCE;
    wants->reference_period = 512;
    return NULL;
}

static void reference(void *state, struct policy_host *host, const struct policy_event *event)
{
    struct policy_page page;
    if (*(const int64_t *)state && policy_page(host, event->page, &page))
        (void)policy_migrate(host, event->page, 1 - page.home, "test");
}

static const struct policy_param params[] = {
    {"move", "pages", 0, 0, 1, "moves a page each 512 references", "ours"}};
static const struct policy policy = {.abi = DISCO_POLICY_ABI,
                                     .name = "test",
                                     .summary = "all on node 0",
                                     .params = params,
                                     .param_count = 1,
                                     .state_bytes = sizeof(int64_t),
                                     .init = init,
                                     .place = place,
                                     .reference = reference};

struct result {
    struct seen seen;
    struct memory_cpu_counters cpu[4];
    uint64_t local_ps, remote_ps, all_ps;
};

/* `cpus` CPUs make loads on `pages` pages, 8192 in all, in turns of 16. */
static struct result run(uint32_t cpus, uint32_t pages, bool contention, int64_t move,
                         uint64_t refs_per_sample)
{
    struct machine *machine = NULL;
    struct memory *memory = NULL;
    struct result result = {.seen = {0}};
    assert_null(machine_parse("test", json, strlen(json), &machine));
    machine->costs = (struct machine_costs){.data_reference_ps = 100000};
    const struct memory_options options = {.machine = machine,
                                           .misses = true,
                                           .contention = contention,
                                           .policy = &policy,
                                           .param = &move,
                                           .seed = 1,
                                           .refs_per_sample = refs_per_sample,
                                           .epoch_references = EPOCH,
                                           .check_every = 1000,
                                           .context = &result.seen,
                                           .on_epoch = on_epoch};
    assert_null(memory_new(&options, &memory));
    for (uint32_t cpu = 0; cpu < cpus; cpu++)
        assert_null(memory_dispatch(memory, cpu, cpu, 0));
    for (uint32_t made = 0; made < 8 * EPOCH; made += 16) {
        uint64_t addr[16];
        uint8_t what[16];
        for (uint32_t i = 0; i < 16; i++) {
            addr[i] = (uint64_t)((made + i) / 3 % pages) * PAGE;
            what[i] = 1;
        }
        assert_null(memory_references(memory, made / 16 % cpus, addr, what, 16));
    }
    memory_finish(memory);
    assert_null(memory_check(memory));
    for (uint32_t cpu = 0; cpu < cpus; cpu++) {
        result.cpu[cpu] = *memory_cpu(memory, cpu);
        result.local_ps += result.cpu[cpu].account_ps[ACCOUNT_local_stall];
        result.remote_ps += result.cpu[cpu].account_ps[ACCOUNT_remote_stall];
        uint64_t sum = 0;
        for (uint32_t account = 0; account < MEMORY_ACCOUNT_COUNT; account++)
            sum += result.cpu[cpu].account_ps[account];
        assert_int_equal(sum, result.cpu[cpu].clock_ps);
    }
    result.all_ps = result.local_ps + result.remote_ps;
    memory_free(memory);
    machine_free(machine);
    return result;
}

static void without_contention_latencies_are_flat_and_no_station_is_seen(void **unused)
{
    (void)unused;
    const struct result flat = run(4, 8, false, 0, 1);
    assert_int_equal(flat.local_ps, UINT64_C(4096) * 100000);
    assert_int_equal(flat.remote_ps, UINT64_C(4096) * 300000);
    assert_int_equal(flat.seen.stall_ps, flat.all_ps);
    assert_int_equal(flat.seen.station_accesses[0], 0);
}

static void one_cpu_pays_what_it_pays_without_contention(void **unused)
{
    (void)unused;
    const struct result flat = run(1, 8, false, 0, 1), loaded = run(1, 8, true, 0, 1);
    assert_memory_equal(&flat.cpu[0], &loaded.cpu[0], sizeof flat.cpu[0]);
}

static void cpus_at_one_controller_wait_and_its_station_says_so(void **unused)
{
    (void)unused;
    const struct result flat = run(4, 8, false, 0, 1), loaded = run(4, 8, true, 0, 1);
    assert_true(loaded.local_ps > flat.local_ps);
    assert_true(loaded.remote_ps > flat.remote_ps);
    assert_int_equal(loaded.seen.stall_ps, loaded.all_ps);
    assert_int_equal(loaded.seen.station_accesses[0], 8192);
    assert_int_equal(loaded.seen.station_accesses[1], 0);
    assert_int_equal(loaded.seen.station_accesses[2], 4096); /* lines from node 0 to node 1 */
    assert_int_equal(loaded.seen.station_accesses[3], 0);
    assert_int_equal(loaded.seen.wrong, 0);
    /* CPUs of node 1 take 400 ns and waiting a load: 4 accesses of 80 ns are 320 of at least 400 */
    assert_in_range(loaded.seen.most_ppm, 500000, 800000);
    for (uint32_t cpu = 0; cpu < 4; cpu++)
        assert_int_equal(loaded.cpu[cpu].account_ps[ACCOUNT_execution],
                         flat.cpu[cpu].account_ps[ACCOUNT_execution]);
}

static void copies_of_pages_load_controllers_and_links(void **unused)
{
    (void)unused;
    const struct result still = run(2, 1, true, 0, 1), moving = run(2, 1, true, 1, 1);
    uint64_t moves = 0;
    for (uint32_t cpu = 0; cpu < 2; cpu++)
        moves += moving.cpu[cpu].migrations;
    assert_true(moves > 10);
    const uint64_t *const seen = moving.seen.station_accesses;
    /* 64 lines are read on one node and written on the other */
    assert_int_equal(seen[0] + seen[1], 8192 + moves * 128);
    assert_int_equal(still.seen.station_accesses[0], 8192);
    assert_true(seen[2] > 0 && seen[3] > 0);
}

static void a_sample_stands_for_the_load_of_many(void **unused)
{
    (void)unused;
    const struct result one = run(4, 8, true, 0, 1), many = run(4, 8, true, 0, 10);
    assert_int_equal(many.seen.station_accesses[0], 10 * one.seen.station_accesses[0]);
    assert_int_equal(many.seen.most_ppm, one.seen.most_ppm);
}

static void the_same_run_gives_the_same_time(void **unused)
{
    (void)unused;
    const struct result one = run(4, 8, true, 1, 1), again = run(4, 8, true, 1, 1);
    assert_memory_equal(&one, &again, sizeof one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_contention_latencies_are_flat_and_no_station_is_seen),
        cmocka_unit_test(one_cpu_pays_what_it_pays_without_contention),
        cmocka_unit_test(cpus_at_one_controller_wait_and_its_station_says_so),
        cmocka_unit_test(copies_of_pages_load_controllers_and_links),
        cmocka_unit_test(a_sample_stands_for_the_load_of_many),
        cmocka_unit_test(the_same_run_gives_the_same_time),
    };
    return cmocka_run_group_tests_name("memory-contention", tests, NULL, NULL);
}
