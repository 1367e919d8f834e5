/* A run of a monitor's guests and the replay of its trace count the same to the last digit.
 *
 * Random streams of references and of everything that a monitor says about guest-physical pages (zeroed,
 * freed and DMA pages, TLB writes of all sorts, regions that VMs share, spaces that end, services) are
 * kept as a script. The script is fed to a memory with a guest of its own, one call after the other, and
 * written as a trace, which the engine replays in blocks, with look-ahead, under several policies at
 * once. The checkers run in both. DISCO_SEED repeats one script, DISCO_RUNS sets their number (a 400th). */
#include "tests/unit/test_replay.h"

#include "vmm-core/memory/guest-writes.h"
#include "vmm-core/memory/memory.h"

#define VMS          3u
#define STREAMS      5u
#define PER_VM       6u /* spaces of a VM: its physical one and five others */
#define SPACES       (VMS * PER_VM)
#define PPNS         40u
#define USER_VPN     0x400u
#define USER_PAGES   12u
#define KERNEL_VPN   0xD0000u
#define KERNEL_PAGES 6u
#define OPS          2500u
#define RUN_MOST     24u
#define POLICIES                                                                                   \
    "first-touch,migrate:trigger=20,replicate:trigger=16,disco:trigger=24,chaos:period=20"

struct operation {
    bool refers;
    struct trace_event event; /* also the stream of references */
    uint64_t addr[RUN_MOST];
    uint8_t what[RUN_MOST];
    uint32_t references;
};

struct script {
    uint64_t random;
    struct operation *operation;
    uint32_t operations;
    uint32_t space[STREAMS], physical[STREAMS]; /* while it is written, and to begin with */
};

static uint64_t below(uint64_t *random, uint64_t limit)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (*random >> 33) % limit;
}

/* ---- what happens ---------------------------------------------------------------------------------- */

static const uint32_t vm_of[STREAMS] = {0, 0, 1, 1, 2};

static void add(struct script *script, enum event_type type, uint32_t stream, uint64_t a,
                uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
    script->operation[script->operations++] =
        (struct operation){.event = {.type = type, .stream = stream, .args = {a, b, c, d, e}}};
}

static uint64_t some_vpn(uint64_t *random)
{
    switch (below(random, 8)) {
    case 0:
        return KERNEL_VPN + below(random, KERNEL_PAGES);
    case 1:
    case 2:
    case 3:
        return USER_VPN + below(random, USER_PAGES);
    case 4:
        return below(random, 40) == 0 ? 0x80000 + below(random, 4) : USER_VPN;
    default:
        return GUEST_DIRECT_VPN + below(random, PPNS);
    }
}

static void add_references(struct script *script, uint32_t stream)
{
    struct operation *const it = &script->operation[script->operations++];
    uint64_t *const random = &script->random;
    *it = (struct operation){.refers = true, .references = 1 + (uint32_t)below(random, RUN_MOST)};
    it->event.stream = stream;
    uint64_t vpn = some_vpn(random);
    for (uint32_t at = 0; at < it->references; at++) {
        if (below(random, 3) == 0)
            vpn = some_vpn(random);
        it->addr[at] = vpn * PAGE + 4 * below(random, PAGE / 4);
        const uint64_t kind = below(random, 8);
        it->what[at] = (uint8_t)(kind == 0 ? REF_STORE : kind < 4 ? REF_LOAD : REF_FETCH);
        it->what[at] |= vpn >= 0x80000 ? REF_MODE_KERNEL : 0;
    }
}

static uint64_t entry_lo(uint64_t *random, bool global)
{
    const uint64_t frame =
        below(random, 50) == 0 ? GUEST_DIRECT_PAGES - 2 + below(random, 4) : below(random, PPNS);
    const uint64_t flags = (below(random, 8) != 0 ? 2 : 0) | (global ? 1 : 0) | 4;
    return frame << 6 | flags;
}

static void add_tlb_write(struct script *script, uint32_t stream)
{
    static const uint64_t masks[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x6000, 0x1E000, 0x2000};
    uint64_t *const random = &script->random;
    const bool global = below(random, 5) == 0;
    const uint64_t mask = masks[below(random, sizeof masks / sizeof *masks)];
    const uint64_t one = entry_lo(random, global);
    const uint64_t other = entry_lo(random, global && below(random, 10) != 0);
    add(script, EVENT_TLBWRITE, stream, below(random, 64),
        some_vpn(random) << 12 | below(random, 256), one, other, mask);
}

/* A space of the VM begins anew: what the old one had goes, and it is shown the kernel's range. */
static void add_space_begins(struct script *script, uint32_t stream, uint32_t space)
{
    add(script, EVENT_UNMAP, UINT32_MAX, space, 0, UINT64_MAX, 0, 0);
    add(script, EVENT_SHARE, UINT32_MAX, script->physical[stream], GUEST_DIRECT_BASE, space,
        GUEST_DIRECT_BASE, 0x20000000);
}

static void add_event_of(struct script *script, uint32_t stream)
{
    uint64_t *const random = &script->random;
    const uint32_t vm = vm_of[stream];
    const uint64_t ppn = below(random, PPNS);
    switch (below(random, 16)) {
    case 0:
        add(script, EVENT_ZERO, stream, ppn, 0, 0, 0, 0);
        break;
    case 1:
        add(script, EVENT_FREE, stream, ppn, 0, 0, 0, 0);
        break;
    case 2:
        add(script, EVENT_DMA, stream, ppn, below(random, 5), below(random, 2), 0, 0);
        break;
    case 3:
        add(script, EVENT_SERVICE, stream, below(random, MEMORY_SERVICE_KINDS), below(random, 1000),
            0, 0, 0);
        break;
    case 4:
        add(script, EVENT_DISPATCH, stream, below(random, 4), UINT64_MAX, 0, 0, 0);
        break;
    case 5:
        add(script, EVENT_IDLE, UINT32_MAX, below(random, 4), below(random, 5000), 0, 0, 0);
        break;
    case 6:
        if (below(random, 8) == 0)
            add_space_begins(script, stream, vm * PER_VM + 1 + (uint32_t)below(random, PER_VM - 1));
        break;
    case 7:
        if (below(random, 40) == 0) { /* a region that VM 0 has and the stream's VM shows */
            const uint64_t start = GUEST_DIRECT_BASE + (PPNS / 2 + ppn / 2) * PAGE;
            if (vm != 0)
                add(script, EVENT_SHARE, UINT32_MAX, 0, start, script->physical[stream], start,
                    3 * PAGE);
        }
        break;
    case 8:
    case 9:
        script->space[stream] = vm * PER_VM + (uint32_t)below(random, PER_VM);
        add(script, EVENT_ASID, stream, script->space[stream], 0, 0, 0, 0);
        break;
    case 10: /* its spaces are unmapped when the monitor says so */
        add(script, EVENT_EXIT, stream, 0, 0, 0, 0, 0);
        break;
    default:
        add_tlb_write(script, stream);
    }
}

static void script_write(struct script *script, uint64_t seed)
{
    *script =
        (struct script){.random = seed, .operation = calloc(OPS * 4, sizeof(struct operation))};
    assert_non_null(script->operation);
    for (uint32_t stream = 0; stream < STREAMS; stream++)
        script->space[stream] = script->physical[stream] = vm_of[stream] * PER_VM;
    for (uint32_t stream = 0; stream < STREAMS; stream++) {
        add(script, EVENT_DISPATCH, stream, stream % 4, UINT64_MAX, 0, 0, 0);
        for (uint32_t space = 1; space < PER_VM && stream == 2 * vm_of[stream]; space++)
            add_space_begins(script, stream, vm_of[stream] * PER_VM + space);
    }
    while (script->operations < OPS) {
        const uint32_t stream = (uint32_t)below(&script->random, STREAMS);
        if (below(&script->random, 2) == 0)
            add_event_of(script, stream);
        else
            add_references(script, stream);
    }
    add_references(script, 0);
}

static void script_record(const struct script *script, struct fixture *fixture)
{
    char name[16];
    for (uint32_t space = 0; space < SPACES; space++)
        (void)add_space(fixture);
    for (uint32_t stream = 0; stream < STREAMS; stream++) {
        (void)snprintf(name, sizeof name, "vm%u", vm_of[stream]);
        assert_int_equal(add_stream(fixture, vm_of[stream] * PER_VM, -1, name), stream);
    }
    for (uint32_t at = 0; at < script->operations; at++) {
        const struct operation *const it = &script->operation[at];
        if (it->refers)
            well(trace_writer_refs(fixture->writer, it->event.stream, it->addr, it->what,
                                   it->references));
        else
            well(trace_writer_event(fixture->writer, &it->event));
    }
}

/* ---- the live run ------------------------------------------------------------------------------------ */

struct live {
    struct memory *memory;
    const struct schedule *schedule;
    const struct machine *machine;
    uint32_t cpu[STREAMS], space[STREAMS], physical[STREAMS];
    uint32_t given;
};

static uint32_t cpu_of(struct live *live, uint32_t stream)
{
    if (live->cpu[stream] == SCHEDULE_NO_CPU)
        live->cpu[stream] = live->schedule->order[live->given++ % live->schedule->cpus];
    return live->cpu[stream];
}

static void live_event(struct live *live, const struct trace_event *event)
{
    struct memory *const memory = live->memory;
    const uint64_t *const args = event->args;
    const uint32_t stream = event->stream;
    const bool recorded = live->schedule->kind == SCHEDULE_RECORDED;
    const bool fits = live->machine->page_bytes == GUEST_PAGE_BYTES;
    switch (event->type) {
    case EVENT_DISPATCH:
        if (recorded)
            live->cpu[stream] = schedule_cpu(live->machine, args[0]);
        break;
    case EVENT_IDLE:
        if (recorded)
            memory_idle(memory, schedule_cpu(live->machine, args[0]), args[1]);
        break;
    case EVENT_ASID:
        live->space[stream] = (uint32_t)args[0];
        break;
    case EVENT_UNMAP:
        well(memory_unmap(memory, (uint32_t)args[0], args[1], args[2]));
        break;
    case EVENT_SHARE:
        well(memory_share(memory, (uint32_t)args[0], args[1], (uint32_t)args[2], args[3], args[4]));
        break;
    case EVENT_SERVICE:
        well(memory_service(memory, cpu_of(live, stream), (enum memory_service)args[0], args[1]));
        break;
    case EVENT_ZERO:
        if (fits)
            well(memory_zero(memory, cpu_of(live, stream), live->physical[stream],
                             GUEST_DIRECT_VPN + args[0]));
        break;
    case EVENT_FREE:
        if (fits)
            well(memory_free_page(memory, cpu_of(live, stream), live->physical[stream],
                                  GUEST_DIRECT_VPN + args[0]));
        break;
    case EVENT_DMA:
        if (fits)
            well(memory_dma(memory, cpu_of(live, stream), live->physical[stream],
                            GUEST_DIRECT_VPN + args[0], args[1], args[2] != 0));
        break;
    case EVENT_TLBWRITE:
        if (fits)
            well(memory_tlb_write(memory, live->space[stream], live->physical[stream], args[1],
                                  args[2], args[3], args[4]));
        break;
    default: /* exit */
        break;
    }
}

static void live_run(struct live *live, const struct script *script)
{
    for (uint32_t stream = 0; stream < STREAMS; stream++) {
        live->cpu[stream] = live->schedule->cpu[stream];
        live->space[stream] = live->physical[stream] = script->physical[stream];
    }
    for (uint32_t at = 0; at < script->operations; at++) {
        const struct operation *const it = &script->operation[at];
        if (!it->refers) {
            live_event(live, &it->event);
            continue;
        }
        const uint32_t stream = it->event.stream;
        const uint32_t cpu = cpu_of(live, stream);
        well(memory_dispatch(live->memory, cpu, stream, live->space[stream]));
        well(memory_references(live->memory, cpu, it->addr, it->what, it->references));
    }
    memory_finish(live->memory);
    well(memory_check(live->memory));
}

/* ---- the comparison ------------------------------------------------------------------------------------ */

static void same(const struct machine *machine, const struct memory *live,
                 const struct memory *replayed)
{
    for (uint32_t cpu = 0; cpu < machine->cpus; cpu++)
        assert_memory_equal(memory_cpu(live, cpu), memory_cpu(replayed, cpu),
                            sizeof(struct memory_cpu_counters));
    for (uint32_t node = 0; node < machine->nodes; node++) {
        const struct memory_node_state one = memory_node(live, node);
        const struct memory_node_state other = memory_node(replayed, node);
        assert_memory_equal(&one, &other, sizeof one);
    }
    assert_int_equal(memory_pages(live), memory_pages(replayed));
    for (uint32_t page = 0; page < memory_pages(live); page++) {
        const struct memory_page_state one = memory_page(live, page);
        const struct memory_page_state other = memory_page(replayed, page);
        assert_int_equal(one.space, other.space);
        assert_int_equal(one.vpn, other.vpn);
        assert_int_equal(one.first_home, other.first_home);
        assert_int_equal(one.home, other.home);
        assert_int_equal(one.replicas, other.replicas);
        assert_int_equal(one.loads, other.loads);
        assert_int_equal(one.stores, other.stores);
        assert_int_equal(one.migrations, other.migrations);
        assert_int_equal(one.collapses, other.collapses);
        assert_int_equal(one.mapped, other.mapped);
    }
}

static const char caches[] =
    ", \"caches\": [{\"level\": 1, \"kind\": \"data\", \"size\": \"2K\", \"ways\": 2, \"line\": "
    "32},"
    " {\"level\": 1, \"kind\": \"instruction\", \"size\": \"2K\", \"ways\": 2, \"line\": 32},"
    " {\"level\": 2, \"kind\": \"unified\", \"size\": \"8K\", \"ways\": 4, \"line\": 64}]";
#define THREE_NODES                                                                                \
    "\"nodes\": [{\"cpus\": [0, 1], \"memory\": \"8M\", \"service_ns\": 50},"                      \
    " {\"cpus\": [2], \"memory\": \"8M\", \"service_ns\": 50},"                                    \
    " {\"cpus\": [3], \"memory\": \"64K\", \"service_ns\": 50}],"                                  \
    " \"latency_ns\": [[100, 300, 400], [300, 100, 300], [400, 300, 100]],"
static const struct {
    const char *machine, *schedule;
    bool caches, contention;
} setting[] = {
    {"{\"page_size\": 4096, " THREE_NODES "\"tlb\": {\"entries\": 8, \"pages_per_entry\": 2,"
     " \"refill\": \"software\"}, \"l2tlb\": {\"entries\": 16, \"ways\": 2}%s}",
     "recorded", true, true},
    {"{\"page_size\": 4096, " THREE_NODES "\"tlb\": {\"entries\": 4, \"pages_per_entry\": 1,"
     " \"refill\": \"software\"}, \"l2tlb\": {\"entries\": 64, \"ways\": 4}%s}",
     "recorded", false, false},
    {"{\"page_size\": 4096, " THREE_NODES "\"tlb\": {\"entries\": 16, \"ways\": 4,"
     " \"refill\": \"hardware\", \"tagged\": true}%s}",
     "scatter", true, false},
    {"{\"page_size\": 4096, " THREE_NODES "\"tlb\": {\"entries\": 16, \"ways\": 4,"
     " \"refill\": \"hardware\", \"tagged\": false, \"walk\": {\"levels\": 4}}%s}",
     "recorded", false, true},
    {"{\"page_size\": 4096, \"nodes\": [{\"cpus\": [9], \"memory\": \"4M\"},"
     " {\"cpus\": [], \"memory\": \"4M\"}], \"latency_ns\": [[100, 300], [300, 100]],"
     " \"tlb\": {\"entries\": 8, \"pages_per_entry\": 2, \"refill\": \"software\"}%s}",
     "compact", true, false},
    {"{\"page_size\": 16384, " THREE_NODES "\"tlb\": {\"entries\": 0}%s}", "compact", false, false},
};

static void compare(struct fixture *fixture, const struct script *script, size_t which,
                    uint32_t threads)
{
    char text[2048];
    struct outcome outcome;
    (void)snprintf(text, sizeof text, setting[which].machine, setting[which].caches ? caches : "");
    machine_free(fixture->machine);
    fixture->machine = NULL;
    well(machine_parse("setting", text, strlen(text), &fixture->machine));
    replay_with(fixture, POLICIES, setting[which].schedule, threads, setting[which].contention,
                &outcome);
    well(outcome.error);
    outcome.error = NULL;
    for (size_t policy = 0; policy < outcome.count; policy++) {
        const struct memory_options options = {.machine = fixture->machine,
                                               .policy = outcome.choices.choice[policy].policy,
                                               .param = outcome.choices.choice[policy].param,
                                               .contention = setting[which].contention,
                                               .seed = 1,
                                               .refs_per_sample = 1,
                                               .epoch_references = 16384,
                                               .guest_refills = true,
                                               .has_fetches = true,
                                               .check_every = 97};
        struct live live = {.schedule = outcome.schedule, .machine = fixture->machine};
        well(memory_new(&options, &live.memory));
        live_run(&live, script);
        same(fixture->machine, live.memory, outcome.replay[policy]->memory);
        memory_free(live.memory);
    }
    outcome_free(&outcome);
}

static uint64_t seed_in_work;

static int say_seed(void **state)
{
    if (seed_in_work)
        print_error("DISCO_SEED=%llu\n", (unsigned long long)seed_in_work);
    return fixture_close(state);
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *const text = getenv(name); /* NOLINT(concurrency-mt-unsafe): one thread */
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static void a_replay_counts_what_the_run_counted(void **state)
{
    struct fixture *const fixture = *state;
    const uint64_t only = from_environment("DISCO_SEED", 0);
    const uint64_t runs = from_environment("DISCO_RUNS", 4000) / 400; /* each replays 30 times */
    for (uint64_t seed = only ? only : 1; seed <= (only ? only : runs); seed++) {
        struct script script;
        const struct trace_facts facts = {.source = "mips",
                                          .command = "test",
                                          .page_bytes = PAGE,
                                          .time_unit = TIME_REFERENCES,
                                          .refs_per_sample = 1};
        seed_in_work = seed;
        if (fixture->writer)
            end_trace(fixture);
        well(trace_writer_create(fixture->path, &facts, true, &fixture->writer));
        script_write(&script, seed);
        script_record(&script, fixture);
        end_trace(fixture);
        for (size_t which = 0; which < sizeof setting / sizeof *setting; which++)
            compare(fixture, &script, which, 1 + (uint32_t)((seed + which) % 4));
        free(script.operation);
    }
    seed_in_work = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_replay_counts_what_the_run_counted, fixture_open,
                                        say_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
