/* What memory does with what the caches made of its references: hits, accesses, refetches. The
 * outcomes are the test's own. */
#include "tests/unit/memory_fixture.h"

#define L2_NS 17u
#define L3_NS 41u

struct rig {
    struct fixture f;
    struct guest *guest;
};

/* Behind a guest that leaves its caches out, a memory that takes outcomes all the same. */
static void set_up(struct rig *rig)
{
    struct fixture *const f = &rig->f;
    prepare(f);
    f->machine.caches = 3;
    f->machine.cache[0] = (struct machine_cache){.level = 1, .kind = "data", .latency_ns = 5};
    f->machine.cache[1] = (struct machine_cache){.level = 2, .kind = "data", .latency_ns = L2_NS};
    f->machine.cache[2] =
        (struct machine_cache){.level = 3, .kind = "unified", .latency_ns = L3_NS};
    f->wants = (struct policy_wants){.signals = POLICY_SIGNAL_HOT | POLICY_SIGNAL_REFERENCE,
                                     .trigger = 3,
                                     .reference_period = 4};
    const struct guest_options options = {.machine = &f->machine, .misses = true};
    well(guest_new(&options, &rig->guest));
    f->options.guest = rig->guest;
    start(f);
    f->memory->has_caches = true;
}

static void tear_down(struct rig *rig)
{
    memory_finish(rig->f.memory);
    stop(&rig->f);
    guest_free(rig->guest);
}

static void serve(struct rig *rig, uint32_t cpu, uint64_t vpn, uint8_t what, uint8_t level,
                  uint32_t age)
{
    const uint64_t addr = vpn * PAGE + 8;
    const struct caches_outcome outcome = {.level = &level, .age = &age};
    well(guest_references(rig->guest, cpu, 0, &addr, &what, NULL, 1, NULL, 0));
    well(guest_commit(rig->guest));
    well(memory_replay(rig->f.memory, cpu, &addr, &what, 1, &outcome, 0));
}

static void only_what_reaches_memory_is_an_access(void **state)
{
    (void)state;
    struct rig rig;
    set_up(&rig);
    serve(&rig, 1, 10, MEMORY_LOAD, CACHES_MEMORY, 0);
    serve(&rig, 1, 10, MEMORY_LOAD, 1, 1);
    serve(&rig, 1, 10, MEMORY_STORE, 1, 1);
    serve(&rig, 1, 10, MEMORY_STORE, CACHES_MEMORY, 0);
    memory_finish(rig.f.memory);
    assert_int_equal(count(&rig.f, 1)->references, 4);
    assert_int_equal(count(&rig.f, 1)->stores, 2);
    assert_int_equal(count(&rig.f, 1)->local_accesses, 2);
    assert_int_equal(account_ns(&rig.f, 1, ACCOUNT_local_stall), 200);
    assert_int_equal(account_ns(&rig.f, 1, ACCOUNT_execution), 4 * 7 + 2);
    assert_int_equal(memory_page(rig.f.memory, 0).loads, 1);
    assert_int_equal(memory_page(rig.f.memory, 0).stores, 1);
    tear_down(&rig);
}

static void hits_beyond_the_first_level_are_execution(void **state)
{
    (void)state;
    struct rig rig;
    set_up(&rig);
    serve(&rig, 0, 10, MEMORY_LOAD, 1, 1);
    serve(&rig, 0, 10, MEMORY_LOAD, 2, 1);
    serve(&rig, 0, 10, MEMORY_STORE, 3, 1);
    serve(&rig, 0, 10, MEMORY_FETCH, 3, 1);
    serve(&rig, 0, 10, MEMORY_FETCH, 2, 1); /* the machine has no such cache of instructions */
    memory_finish(rig.f.memory);
    const uint64_t instructions_ps = UINT64_C(3) * 7500;
    assert_int_equal(count(&rig.f, 0)->account_ps[ACCOUNT_execution],
                     instructions_ps + (L2_NS + 2 * L3_NS) * PS_PER_NS);
    assert_int_equal(count(&rig.f, 0)->local_accesses, 0);
    tear_down(&rig);
}

static void a_line_that_moved_with_its_page_is_fetched_again_at_the_cost_of_the_move(void **state)
{
    (void)state;
    struct rig rig;
    set_up(&rig);
    serve(&rig, 0, 10, MEMORY_LOAD, CACHES_MEMORY, 0);
    serve(&rig, 0, 10, MEMORY_LOAD, 1, 1);
    const uint64_t paid_ns = account_ns(&rig.f, 0, ACCOUNT_move);
    assert_int_equal(migrate(&rig.f, 0, 2), POLICY_DONE); /* after reference 2 */
    const uint64_t moved_ns = account_ns(&rig.f, 0, ACCOUNT_move) - paid_ns;
    serve(&rig, 0, 10, MEMORY_LOAD, 1, 1);
    assert_int_equal(count(&rig.f, 0)->refetches, 1);
    serve(&rig, 0, 10, MEMORY_LOAD, 1, 1); /* the line is there again */
    assert_int_equal(count(&rig.f, 0)->refetches, 1);
    serve(&rig, 0, 10, MEMORY_LOAD, 3, 3); /* another line, last used before */
    assert_int_equal(count(&rig.f, 0)->refetches, 2);
    serve(&rig, 0, 10, MEMORY_LOAD, 1, 3); /* last used by reference 3 */
    assert_int_equal(count(&rig.f, 0)->refetches, 2);
    memory_finish(rig.f.memory);
    assert_int_equal(count(&rig.f, 0)->local_accesses, 1);
    assert_int_equal(count(&rig.f, 0)->remote_accesses, 0);
    assert_int_equal(account_ns(&rig.f, 0, ACCOUNT_move), paid_ns + moved_ns + 2 * 200);
    tear_down(&rig);
}

static void a_replica_changes_the_lines_of_its_own_node_alone(void **state)
{
    (void)state;
    struct rig rig;
    set_up(&rig);
    for (uint32_t cpu = 0; cpu < 3; cpu++)
        serve(&rig, cpu, 10, MEMORY_LOAD, CACHES_MEMORY, 0);
    assert_int_equal(replicate(&rig.f, 0, 1), POLICY_DONE);
    for (uint32_t cpu = 0; cpu < 3; cpu++)
        serve(&rig, cpu, 10, MEMORY_LOAD, 1, 3);
    assert_int_equal(count(&rig.f, 0)->refetches, 0);
    assert_int_equal(count(&rig.f, 1)->refetches, 1);
    assert_int_equal(count(&rig.f, 2)->refetches, 0);
    memory_finish(rig.f.memory);
    assert_int_equal(account_ns(&rig.f, 1, ACCOUNT_local_stall), 0); /* it is the move's */
    tear_down(&rig);
}

static void a_store_that_collapses_a_page_loses_its_own_line_too(void **state)
{
    (void)state;
    struct rig rig;
    set_up(&rig);
    serve(&rig, 0, 10, MEMORY_LOAD, CACHES_MEMORY, 0);
    assert_int_equal(replicate(&rig.f, 0, 1), POLICY_DONE);
    serve(&rig, 1, 10, MEMORY_LOAD, CACHES_MEMORY, 0);
    serve(&rig, 1, 10, MEMORY_STORE, 1, 1); /* the line was the replica's */
    assert_int_equal(count(&rig.f, 1)->collapses, 1);
    assert_int_equal(count(&rig.f, 1)->refetches, 1);
    assert_int_equal(rig.f.collapseds, 1);
    serve(&rig, 1, 10, MEMORY_STORE, 1, 1); /* and is the master's from this store on */
    assert_int_equal(count(&rig.f, 1)->refetches, 1);
    tear_down(&rig);
}

static void policies_hear_of_accesses_alone(void **state)
{
    (void)state;
    struct rig rig;
    set_up(&rig);
    rig.f.place = 3;
    serve(&rig, 1, 10, MEMORY_LOAD, CACHES_MEMORY, 0);
    for (uint32_t hit = 0; hit < 20; hit++)
        serve(&rig, 1, 10, MEMORY_LOAD, (uint8_t)(1 + hit % 3), 1);
    assert_int_equal(rig.f.nths, 0);
    serve(&rig, 1, 10, MEMORY_LOAD, CACHES_MEMORY, 0);
    assert_int_equal(rig.f.hots, 0);
    serve(&rig, 1, 10, MEMORY_STORE, CACHES_MEMORY, 0);
    assert_int_equal(rig.f.hots, 1); /* the third */
    assert_true(rig.f.hot.store);
    assert_int_equal(rig.f.nths, 0);
    serve(&rig, 1, 10, MEMORY_LOAD, CACHES_MEMORY, 0);
    assert_int_equal(rig.f.nths, 1); /* the fourth */
    assert_int_equal(rig.f.nth.page, 0);
    serve(&rig, 1, 11, MEMORY_LOAD, 1, 1);
    for (uint32_t more = 0; more < 4; more++)
        serve(&rig, 1, 11 + more, MEMORY_STORE, CACHES_MEMORY, 0);
    assert_int_equal(rig.f.nths, 2);
    assert_int_equal(rig.f.nth.page, 4);
    assert_true(rig.f.nth.store);
    tear_down(&rig);
}

static void a_stretch_counts_as_its_references_one_by_one(void **state)
{
    (void)state;
    struct rig whole;
    struct rig parts;
    set_up(&whole);
    set_up(&parts);
    enum { REFERENCES = 900 };
    uint64_t random = 3;
    uint64_t addr[REFERENCES];
    uint8_t what[REFERENCES];
    uint8_t level[REFERENCES];
    uint32_t age[REFERENCES];
    whole.f.place = parts.f.place = 1;
    whole.f.migrate_hot_to = parts.f.migrate_hot_to = 3;
    for (uint32_t at = 0; at < REFERENCES; at++) {
        addr[at] = random_below(&random, 9) * PAGE;
        what[at] = (uint8_t)random_below(&random, 4);
        level[at] = (uint8_t)random_below(&random, 4);
        age[at] = level[at] ? random_below(&random, 100) : 0;
    }
    const struct caches_outcome outcome = {.level = level, .age = age};
    well(guest_references(whole.guest, 2, 0, addr, what, NULL, REFERENCES, NULL, 0));
    well(guest_commit(whole.guest));
    well(memory_replay(whole.f.memory, 2, addr, what, REFERENCES, &outcome, 0));
    well(guest_references(parts.guest, 2, 0, addr, what, NULL, REFERENCES, NULL, 0));
    well(guest_commit(parts.guest));
    for (uint32_t at = 0; at < REFERENCES; at++)
        well(memory_replay(parts.f.memory, 2, &addr[at], &what[at], 1, &outcome, at));
    assert_true(count(&whole.f, 2)->refetches > 0);
    assert_int_equal(whole.f.nths, parts.f.nths);
    memory_finish(whole.f.memory);
    memory_finish(parts.f.memory);
    assert_memory_equal(count(&whole.f, 2), count(&parts.f, 2), sizeof *count(&whole.f, 2));
    tear_down(&whole);
    tear_down(&parts);
}

static void without_what_the_caches_made_of_them_references_are_refused(void **state)
{
    (void)state;
    struct rig rig;
    set_up(&rig);
    const uint64_t addr = 0;
    const uint8_t what = MEMORY_LOAD;
    char *const error = memory_replay(rig.f.memory, 0, &addr, &what, 1, NULL, 0);
    assert_non_null(error);
    assert_non_null(strstr(error, "what they made of the references"));
    free(error);
    tear_down(&rig);
}

/* Accesses at each node's controller in the last epoch. */
static void saw_stations(void *context, const struct memory_epoch *epoch)
{
    uint64_t *const accesses = context;
    for (uint32_t at = 0; at < epoch->stations; at++)
        if (epoch->station[at].kind == NETWORK_CONTROLLER)
            accesses[epoch->station[at].from] = epoch->station[at].accesses;
}

/* Controllers take 10 ns; accesses[NODES] of them in the last epoch. */
static void set_up_contention(struct rig *rig, int64_t *self, uint64_t *accesses)
{
    set_up(rig);
    memory_free(rig->f.memory);
    for (uint32_t node = 0; node < NODES; node++)
        rig->f.node[node].service_ps = 10000;
    *self = (intptr_t)&rig->f;
    rig->f.options.param = self;
    rig->f.options.contention = true;
    rig->f.options.on_action = NULL;
    rig->f.options.on_epoch = saw_stations;
    rig->f.options.context = accesses;
    well(memory_new(&rig->f.options, &rig->f.memory));
    rig->f.memory->has_caches = true;
}

static void lines_fetched_again_load_the_new_home(void **state)
{
    (void)state;
    struct rig rig;
    int64_t self;
    uint64_t accesses[NODES] = {0};
    set_up_contention(&rig, &self, accesses);
    well(memory_dispatch(rig.f.memory, 0, 0, 0));
    serve(&rig, 0, 10, MEMORY_LOAD, CACHES_MEMORY, 0);
    assert_int_equal(migrate(&rig.f, 0, 2), POLICY_DONE);
    for (uint32_t line = 1; line <= 20; line++)
        serve(&rig, 0, 10, MEMORY_LOAD, 1, line); /* each last used before the move */
    assert_int_equal(count(&rig.f, 0)->refetches, 20);
    memory_finish(rig.f.memory);
    const uint64_t lines = PAGE / 64;
    assert_int_equal(accesses[0], 1 + lines);  /* the load, and what the copy read */
    assert_int_equal(accesses[2], lines + 20); /* what the copy wrote, and the lines again */
    assert_int_equal(count(&rig.f, 0)->local_accesses, 1);
    assert_int_equal(count(&rig.f, 0)->remote_accesses, 0);
    tear_down(&rig);
}

static void what_caches_write_back_loads_the_home_of_its_page(void **state)
{
    (void)state;
    struct rig rig;
    int64_t self;
    uint64_t accesses[NODES] = {0};
    set_up_contention(&rig, &self, accesses);
    rig.f.place = 3;
    well(memory_dispatch(rig.f.memory, 1, 1, 0));
    const uint64_t addr[] = {10 * PAGE, 11 * PAGE};
    const uint8_t what[] = {MEMORY_STORE, MEMORY_STORE};
    uint8_t level[7] = {CACHES_MEMORY};
    uint32_t age[7] = {0};
    struct caches_writeback writeback[] = {
        {.at = 4, .cpu = 1}, /* of references before these */
        {.at = 5, .cpu = 1, .physical_address = 64},
        {.at = 6, .cpu = 1, .physical_address = PAGE + 64},
        {.at = 6, .cpu = 1, .physical_address = 7 * PAGE}, /* no home yet */
        {.at = 7, .cpu = 1},                               /* of those after them */
    };
    const struct caches_outcome outcome = {.level = level,
                                           .age = age,
                                           .writeback = writeback,
                                           .writebacks = 5};
    well(guest_references(rig.guest, 1, 0, addr, what, NULL, 2, NULL, 0));
    well(guest_commit(rig.guest));
    well(memory_replay(rig.f.memory, 1, addr, what, 2, &outcome, 5));
    memory_finish(rig.f.memory);
    assert_int_equal(accesses[3], 2 + 2);
    assert_int_equal(accesses[1], 0);
    well(memory_check(rig.f.memory));
    memory_free(rig.f.memory);
    guest_free(rig.guest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_reaches_memory_is_an_access),
        cmocka_unit_test(hits_beyond_the_first_level_are_execution),
        cmocka_unit_test(a_line_that_moved_with_its_page_is_fetched_again_at_the_cost_of_the_move),
        cmocka_unit_test(a_replica_changes_the_lines_of_its_own_node_alone),
        cmocka_unit_test(a_store_that_collapses_a_page_loses_its_own_line_too),
        cmocka_unit_test(policies_hear_of_accesses_alone),
        cmocka_unit_test(a_stretch_counts_as_its_references_one_by_one),
        cmocka_unit_test(lines_fetched_again_load_the_new_home),
        cmocka_unit_test(what_caches_write_back_loads_the_home_of_its_page),
        cmocka_unit_test(without_what_the_caches_made_of_them_references_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
