/* A replay against a live run: the engine, which looks ahead and shares one guest between policies
 * and threads, and a memory with a guest of its own that is driven event by event, must count the
 * same to the last digit. */
#include "tests/unit/test_replay.h"

#include "vmm-core/memory/memory.h"

#define STREAMS 4u
#define SPACES  3u
#define PAGES   24u
#define WORDS   (PAGE / 8)

/* Three nodes; a TLB of eight pairs; two levels of caches, the second one shared by a node. */
static const char rich_machine[] =
    "{\"name\": \"rich\", \"page_size\": 4096,"
    " \"nodes\": [{\"cpus\": [1, 3], \"memory\": \"8M\", \"service_ns\": 50},"
    "  {\"cpus\": [5], \"memory\": \"8M\", \"service_ns\": 50},"
    "  {\"cpus\": [7], \"memory\": \"8M\", \"service_ns\": 50}],"
    " \"latency_ns\": [[100, 300, 400], [300, 100, 300], [400, 300, 100]],"
    " \"tlb\": {\"entries\": 8, \"pages_per_entry\": 2}, \"l2tlb\": {\"entries\": 16, \"ways\": 2}"
    "%s}";
static const char caches[] =
    ", \"caches\": [{\"level\": 1, \"kind\": \"data\", \"size\": \"2K\", \"ways\": 2, \"line\": "
    "32},"
    " {\"level\": 1, \"kind\": \"instruction\", \"size\": \"2K\", \"ways\": 2, \"line\": 32},"
    " {\"level\": 2, \"kind\": \"unified\", \"size\": \"8K\", \"ways\": 4, \"line\": 64}]";

static uint64_t next(uint64_t *random, uint64_t below)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (*random >> 33) % below;
}

/* Writes a reference or an event, and does the same to each live memory. */
struct twin {
    struct fixture *fixture;
    uint64_t random;
    uint32_t space[STREAMS], cpu[STREAMS]; /* of each stream, now */
    uint32_t streams[STREAMS];
    struct memory *live[16];
    size_t count;
};

static const uint32_t os_cpu[] = {1, 3, 5, 7};

static void both_refer(struct twin *twin, uint32_t stream)
{
    uint64_t page = next(&twin->random, PAGES), times = 1 + next(&twin->random, 40);
    bool local = next(&twin->random, 4) != 0;
    for (uint64_t i = 0; i < times; i++) {
        uint64_t word = local ? (8 * page + i) % WORDS : next(&twin->random, WORDS);
        struct ref ref = {.addr = page * PAGE + 8 * word,
                          .stream = twin->streams[stream],
                          .what = (uint8_t)(next(&twin->random, 8) == 0 ? REF_STORE
                                            : page % 4 == 0             ? REF_FETCH
                                                                        : REF_LOAD)};
        well(trace_writer_ref(twin->fixture->writer, &ref));
        for (size_t p = 0; p < twin->count; p++) {
            well(
                memory_dispatch(twin->live[p], twin->cpu[stream], ref.stream, twin->space[stream]));
            well(memory_references(twin->live[p], twin->cpu[stream], &ref.addr, &ref.what, 1));
        }
    }
}

static void both_change(struct twin *twin, uint32_t stream)
{
    struct fixture *fixture = twin->fixture;
    uint64_t space = next(&twin->random, SPACES), other = next(&twin->random, SPACES);
    uint64_t first = next(&twin->random, PAGES), pages = 1 + next(&twin->random, 4);
    switch (next(&twin->random, 5)) {
    case 0:
        add_event(fixture, EVENT_UNMAP, UINT32_MAX, space, first * PAGE + 8, (first + pages) * PAGE,
                  0, 0);
        for (size_t p = 0; p < twin->count; p++)
            well(memory_unmap(twin->live[p], (uint32_t)space, first * PAGE + 8,
                              (first + pages) * PAGE));
        break;
    case 1: {
        uint64_t from = PAGES / 2 + next(&twin->random, PAGES / 2 - 4),
                 to = first % (PAGES / 2 - 4);
        add_event(fixture, EVENT_SHARE, UINT32_MAX, space, from * PAGE, other, to * PAGE,
                  pages * PAGE);
        for (size_t p = 0; p < twin->count; p++)
            well(memory_share(twin->live[p], (uint32_t)space, from * PAGE, (uint32_t)other,
                              to * PAGE, pages * PAGE));
        break;
    }
    case 2: /* not the last stream of a space: that would not end it here */
        add_event(fixture, EVENT_ASID, twin->streams[stream], other, 0, 0, 0, 0);
        twin->space[stream] = (uint32_t)other;
        break;
    case 3:
        twin->cpu[stream] = (uint32_t)next(&twin->random, 4);
        add_event(fixture, EVENT_DISPATCH, twin->streams[stream], os_cpu[twin->cpu[stream]],
                  UINT64_MAX, 0, 0, 0);
        break;
    default:
        add_event(fixture, EVENT_IDLE, UINT32_MAX, os_cpu[first % 4], 1000, 0, 0, 0);
        for (size_t p = 0; p < twin->count; p++)
            memory_idle(twin->live[p], (uint32_t)first % 4, 1000);
        break;
    }
}

static void same(const struct memory *live, const struct memory *replayed)
{
    for (uint32_t cpu = 0; cpu < 4; cpu++)
        assert_memory_equal(memory_cpu(live, cpu), memory_cpu(replayed, cpu),
                            sizeof(struct memory_cpu_counters));
    assert_int_equal(memory_pages(live), memory_pages(replayed));
    for (uint32_t page = 0; page < memory_pages(live); page++) {
        struct memory_page_state one = memory_page(live, page), other = memory_page(replayed, page);
        assert_int_equal(one.vpn, other.vpn);
        assert_int_equal(one.space, other.space);
        assert_int_equal(one.home, other.home);
        assert_int_equal(one.replicas, other.replicas);
        assert_int_equal(one.loads, other.loads);
        assert_int_equal(one.stores, other.stores);
        assert_int_equal(one.migrations, other.migrations);
        assert_int_equal(one.mapped, other.mapped);
    }
    for (uint32_t node = 0; node < 3; node++)
        assert_int_equal(memory_node(live, node).frames_used,
                         memory_node(replayed, node).frames_used);
}

static void replay_and_live_agree(struct fixture *fixture, const char *more, unsigned seed,
                                  bool contention)
{
    char text[2048], *names;
    struct policy_choices choices = {0};
    struct twin twin = {.fixture = fixture, .random = seed};
    snprintf(text, sizeof text, rich_machine, more);
    machine_free(fixture->machine);
    well(machine_parse("rich", text, strlen(text), &fixture->machine));
    names = "first-touch,migrate:trigger=20,replicate:trigger=16,disco:trigger=24,chaos:period=50";
    well(registry_choose(fixture->registry, names, &choices));
    twin.count = choices.count;
    for (size_t p = 0; p < twin.count; p++) {
        struct memory_options options = {.machine = fixture->machine,
                                         .policy = choices.choice[p].policy,
                                         .param = choices.choice[p].param,
                                         .contention = contention,
                                         .seed = 1,
                                         .refs_per_sample = 1,
                                         .epoch_references = 16384,
                                         .has_fetches = true};
        well(memory_new(&options, &twin.live[p]));
    }
    for (uint32_t i = 0; i < SPACES; i++)
        (void)add_space(fixture);
    for (uint32_t i = 0; i < STREAMS; i++) {
        twin.space[i] = i % SPACES;
        twin.cpu[i] = i;
        twin.streams[i] = add_stream(fixture, twin.space[i], (int32_t)os_cpu[i], NULL);
    }
    for (unsigned i = 0; i < 12000; i++) {
        uint32_t stream = (uint32_t)next(&twin.random, STREAMS);
        if (next(&twin.random, 50) == 0)
            both_change(&twin, stream);
        both_refer(&twin, stream);
    }
    for (size_t p = 0; p < twin.count; p++)
        memory_finish(twin.live[p]);
    for (uint32_t threads = 1; threads < 8; threads += 1 + threads / 3) {
        struct outcome outcome;
        replay_with(fixture, names, "recorded", threads, contention, &outcome);
        well(outcome.error);
        outcome.error = NULL;
        for (size_t p = 0; p < twin.count; p++)
            same(twin.live[p], outcome.replay[p]->memory);
        outcome_free(&outcome);
    }
    for (size_t p = 0; p < twin.count; p++)
        memory_free(twin.live[p]);
    policy_choices_free(&choices);
}

static void a_replay_counts_what_a_live_run_counts(void **state)
{
    replay_and_live_agree(*state, "", 1, false);
}

static void so_it_does_with_caches(void **state)
{
    replay_and_live_agree(*state, caches, 2, false);
}

static void so_it_does_with_caches_and_contention(void **state)
{
    replay_and_live_agree(*state, caches, 3, true);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_replay_counts_what_a_live_run_counts),
        TEST(so_it_does_with_caches),
        TEST(so_it_does_with_caches_and_contention),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
