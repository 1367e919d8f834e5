/* Each policy against a memory subsystem that only writes down what it is asked. */
#include "tests/unit/policies_fixture.h"

/* What `policy` asks for when `node` makes a page hot that has these counts, stores and moves. */
struct hot_page {
    uint16_t counts[NODES];
    uint16_t writes, moves;
    uint32_t node;
};

static enum asked hot(struct started *self, struct fake *fake, const struct hot_page *page)
{
    struct policy_event event = {.page = 7, .node = page->node, .cpu = page->node};
    memcpy(fake->counts, page->counts, sizeof fake->counts);
    fake->page.writes = page->writes;
    fake->page.moves = page->moves;
    fake->asked = ASKED_NOTHING;
    self->policy->hot(self->state, &fake->host, &event);
    if (fake->asked != ASKED_NOTHING) {
        assert_int_equal(fake->asked_page, 7);
        assert_int_equal(fake->asked_node, page->node);
        assert_non_null(fake->reason);
    }
    return fake->asked;
}

/* ---- all ---- */

static void every_policy_is_complete(void **unused)
{
    (void)unused;
    for (size_t at = 0; at < policies(); at++) {
        const struct policy *policy = __start_disco_policies[at];
        assert_int_equal(policy->abi, DISCO_POLICY_ABI);
        assert_true(strlen(policy->name) > 0 && strlen(policy->summary) > 0);
        assert_non_null(policy->place);
        assert_ptr_equal(find(policy->name), policy); /* names are unique */
        for (size_t i = 0; i < policy->param_count; i++) {
            const struct policy_param *param = &policy->params[i];
            assert_true(strlen(param->name) > 0 && strlen(param->unit) > 0);
            assert_true(strlen(param->help) > 0 && strlen(param->source) > 0);
            assert_true(param->least <= param->standard && param->standard <= param->most);
        }
    }
    assert_true(policies() >= 16);
}

static void what_a_policy_listens_to_it_has_a_function_for(void **unused)
{
    (void)unused;
    for (size_t at = 0; at < policies(); at++) {
        const struct policy *policy = __start_disco_policies[at];
        struct fake fake = new_fake();
        struct started self = start(&fake, policy->name, 1, NULL, 0);
        assert_null(self.error);
        assert_int_equal((self.wants.signals & POLICY_SIGNAL_HOT) != 0, policy->hot != NULL);
        assert_int_equal((self.wants.signals & POLICY_SIGNAL_REFERENCE) != 0,
                         policy->reference != NULL);
        assert_true((self.wants.signals & POLICY_SIGNAL_HOT) == 0 || self.wants.trigger > 0);
        assert_true((self.wants.signals & POLICY_SIGNAL_REFERENCE) == 0 ||
                    self.wants.reference_period > 0);
        free(self.state);
    }
}

/* ---- static placements ---- */

static void first_touch_places_where_the_touch_came_from(void **unused)
{
    (void)unused;
    struct fake fake = new_fake();
    struct started self = start(&fake, "first-touch", 1, NULL, 0);
    for (uint32_t node = 0; node < NODES; node++)
        assert_int_equal(place(&self, &fake, 5, node), node);
    free(self.state);
}

static void round_robin_goes_round_the_nodes_with_memory(void **unused)
{
    (void)unused;
    static const uint32_t expected[] = {0, 1, 3, 0, 1, 3};
    struct fake fake = new_fake();
    struct started self = start(&fake, "round-robin", 1, NULL, 0);
    for (uint32_t i = 0; i < 6; i++)
        assert_int_equal(place(&self, &fake, 100 - i, 2), expected[i]);
    free(self.state);
}

static void interleave_goes_by_the_address_alone(void **unused)
{
    (void)unused;
    static const uint32_t expected[] = {0, 1, 3, 0, 1, 3};
    struct fake fake = new_fake();
    struct started self = start(&fake, "interleave", 1, NULL, 0);
    for (uint32_t touched = 0; touched < 24; touched++) {
        const struct policy_event event = {.page = touched,
                                           .node = touched % NODES,
                                           .vpn = touched * 5 % 6};
        assert_int_equal(self.policy->place(self.state, &fake.host, &event), expected[event.vpn]);
    }
    free(self.state);
}

static void bind_places_all_on_its_node(void **unused)
{
    (void)unused;
    struct fake fake = new_fake();
    struct started self = start(&fake, "bind", 1, "node", 3);
    assert_null(self.error);
    for (uint32_t page = 0; page < 10; page++)
        assert_int_equal(place(&self, &fake, page, page % NODES), 3);
    free(self.state);
}

static void bind_refuses_a_node_without_memory(void **unused)
{
    (void)unused;
    struct fake fake = new_fake();
    struct started self = start(&fake, "bind", 1, "node", 2);
    assert_non_null(self.error);
    assert_non_null(strstr(self.error, "no memory"));
    free(self.state);
}

static void bind_refuses_a_node_that_is_not_there(void **unused)
{
    (void)unused;
    struct fake fake = new_fake();
    struct started self = start(&fake, "bind", 1, "node", NODES);
    assert_non_null(self.error);
    assert_non_null(strstr(self.error, "no such node"));
    free(self.state);
}

static void random_meets_every_node_with_memory_about_equally(void **unused)
{
    (void)unused;
    struct fake fake = new_fake();
    struct started self = start(&fake, "random", 1, NULL, 0);
    unsigned placed[NODES] = {0};
    for (uint32_t page = 0; page < 3000; page++)
        placed[place(&self, &fake, page, 0)]++;
    assert_int_equal(placed[2], 0);
    for (uint32_t node = 0; node < NODES; node++) /* 1000 expected, deviation 26: six of them */
        assert_true(node == 2 || (placed[node] > 840 && placed[node] < 1160));
    free(self.state);
}

static void random_repeats_itself_with_the_same_seed(void **unused)
{
    (void)unused;
    struct fake first = new_fake(), second = new_fake(), other = new_fake();
    first.random = second.random = 42;
    other.random = 43;
    struct started self = start(&first, "random", 1, NULL, 0);
    unsigned same = 0;
    for (uint32_t page = 0; page < 200; page++) {
        uint32_t node = place(&self, &first, page, 0);
        assert_int_equal(node, place(&self, &second, page, 0));
        same += node == place(&self, &other, page, 0);
    }
    assert_true(same < 150);
    free(self.state);
}

/* ---- the counter-threshold family ---- */

static const struct hot_page private_page = {.counts = {31, 128, 31, 31}, .node = 1};
static const struct hot_page shared_page = {.counts = {32, 128, 0, 0}, .node = 1};

static void the_defaults_are_those_of_the_references(void **unused)
{
    (void)unused;
    struct fake fake = new_fake();
    struct started self = start(&fake, "disco", 1, NULL, 0);
    assert_int_equal(self.wants.signals, POLICY_SIGNAL_HOT);
    assert_int_equal(self.wants.trigger, 128);
    assert_int_equal(self.wants.reset_ns, 100000000);
    free(self.state);
}

static void a_private_hot_page_migrates_to_its_user(void **unused)
{
    (void)unused;
    struct fake fake = new_fake();
    struct started disco = start(&fake, "disco", 1, NULL, 0),
                   half = start(&fake, "migrate", 1, NULL, 0);
    assert_int_equal(hot(&disco, &fake, &private_page), ASKED_MIGRATE);
    assert_int_equal(hot(&half, &fake, &private_page), ASKED_MIGRATE);
    free(disco.state);
    free(half.state);
}

static void a_private_page_with_many_stores_migrates_all_the_same(void **unused)
{
    (void)unused;
    struct fake fake = new_fake();
    struct started self = start(&fake, "disco", 1, NULL, 0);
    struct hot_page page = private_page;
    page.writes = 128;
    assert_int_equal(hot(&self, &fake, &page), ASKED_MIGRATE);
    free(self.state);
}

static void a_page_moves_once_in_an_interval(void **unused)
{
    (void)unused;
    struct fake fake = new_fake();
    struct started once = start(&fake, "disco", 1, NULL, 0),
                   thrice = start(&fake, "migrate", 1, "migrate", 3);
    struct hot_page page = private_page;
    page.moves = 1;
    assert_int_equal(hot(&once, &fake, &page), ASKED_NOTHING);
    assert_int_equal(hot(&thrice, &fake, &page), ASKED_MIGRATE);
    page.moves = 3;
    assert_int_equal(hot(&thrice, &fake, &page), ASKED_NOTHING);
    free(once.state);
    free(thrice.state);
}

static void a_read_shared_hot_page_is_replicated(void **unused)
{
    (void)unused;
    struct fake fake = new_fake();
    struct started disco = start(&fake, "disco", 1, NULL, 0),
                   half = start(&fake, "replicate", 1, NULL, 0);
    assert_int_equal(hot(&disco, &fake, &shared_page), ASKED_REPLICATE);
    assert_int_equal(hot(&half, &fake, &shared_page), ASKED_REPLICATE);
    free(disco.state);
    free(half.state);
}

static void the_nodes_own_count_does_not_make_a_page_shared(void **unused)
{
    (void)unused;
    struct fake fake = new_fake();
    struct started self = start(&fake, "disco", 1, NULL, 0);
    struct hot_page page = {.counts = {0, 65535, 0, 0}, .node = 1};
    assert_int_equal(hot(&self, &fake, &page), ASKED_MIGRATE);
    free(self.state);
}

static void each_half_leaves_the_pages_of_the_other(void **unused)
{
    (void)unused;
    struct fake fake = new_fake();
    struct started migrate = start(&fake, "migrate", 1, NULL, 0),
                   replicate = start(&fake, "replicate", 1, NULL, 0);
    assert_int_equal(hot(&migrate, &fake, &shared_page), ASKED_NOTHING);
    assert_int_equal(hot(&replicate, &fake, &private_page), ASKED_NOTHING);
    free(migrate.state);
    free(replicate.state);
}

static void one_store_still_lets_a_page_be_replicated_and_two_do_not(void **unused)
{
    (void)unused;
    struct fake fake = new_fake();
    struct started self = start(&fake, "disco", 1, NULL, 0),
                   none = start(&fake, "disco", 1, "write", 0);
    struct hot_page page = shared_page;
    page.writes = 1;
    assert_int_equal(hot(&self, &fake, &page), ASKED_REPLICATE);
    assert_int_equal(hot(&none, &fake, &page), ASKED_NOTHING);
    page.writes = 2;
    assert_int_equal(hot(&self, &fake, &page), ASKED_NOTHING);
    free(self.state);
    free(none.state);
}

static void a_write_shared_page_is_left_and_not_migrated(void **unused)
{
    (void)unused;
    struct fake fake = new_fake();
    struct started self = start(&fake, "disco", 1, NULL, 0);
    struct hot_page page = shared_page;
    page.writes = 100;
    assert_int_equal(hot(&self, &fake, &page), ASKED_NOTHING);
    free(self.state);
}

static void no_replica_goes_where_memory_is_short(void **unused)
{
    (void)unused;
    struct fake fake = new_fake();
    struct started self = start(&fake, "disco", 1, NULL, 0),
                   greedy = start(&fake, "disco", 1, "reserve", 0);
    fake.free_frames[1] = 11; /* of 1000, 1 % is 10 */
    assert_int_equal(hot(&self, &fake, &shared_page), ASKED_REPLICATE);
    fake.free_frames[1] = 10;
    assert_int_equal(hot(&self, &fake, &shared_page), ASKED_NOTHING);
    assert_int_equal(hot(&greedy, &fake, &shared_page), ASKED_REPLICATE);
    fake.free_frames[1] = 0;
    assert_int_equal(hot(&greedy, &fake, &shared_page), ASKED_NOTHING);
    free(self.state);
    free(greedy.state);
}

static void nothing_is_sent_to_a_node_without_memory(void **unused)
{
    (void)unused;
    struct fake fake = new_fake();
    struct started self = start(&fake, "disco", 1, NULL, 0);
    struct hot_page alone = {.counts = {0, 0, 128, 0}, .node = 2},
                    many = {.counts = {64, 0, 128, 0}, .node = 2};
    assert_int_equal(hot(&self, &fake, &alone), ASKED_NOTHING);
    assert_int_equal(hot(&self, &fake, &many), ASKED_NOTHING);
    free(self.state);
}

static void a_page_that_is_gone_is_left(void **unused)
{
    (void)unused;
    struct fake fake = new_fake();
    struct started self = start(&fake, "disco", 1, NULL, 0);
    fake.no_page = true;
    assert_int_equal(hot(&self, &fake, &private_page), ASKED_NOTHING);
    free(self.state);
}

static void thresholds_are_divided_by_the_references_of_a_sample(void **unused)
{
    (void)unused;
    struct fake fake = new_fake();
    struct started self = start(&fake, "disco", 10, NULL, 0);
    assert_int_equal(self.wants.trigger, 12);
    struct hot_page page = {.counts = {2, 12, 0, 0}, .node = 1};
    assert_int_equal(hot(&self, &fake, &page), ASKED_MIGRATE); /* sharing is 3 */
    page.counts[0] = 3;
    assert_int_equal(hot(&self, &fake, &page), ASKED_REPLICATE);
    page.writes = 1; /* one sampled store stands for ten */
    assert_int_equal(hot(&self, &fake, &page), ASKED_NOTHING);
    free(self.state);
}

static void thresholds_that_scale_to_one_still_tell_shared_from_private(void **unused)
{
    (void)unused;
    struct fake fake = new_fake();
    struct started self = start(&fake, "disco", 1000000, NULL, 0);
    assert_int_equal(self.wants.trigger, 1);
    struct hot_page alone = {.counts = {0, 1, 0, 0}, .node = 1},
                    both = {.counts = {0, 1, 0, 1}, .node = 1};
    assert_int_equal(hot(&self, &fake, &alone), ASKED_MIGRATE);
    assert_int_equal(hot(&self, &fake, &both), ASKED_REPLICATE);
    free(self.state);
}

/* ---- chaos ---- */

static void chaos_does_everything_to_any_page_and_repeats_itself(void **unused)
{
    (void)unused;
    struct fake first = new_fake(), second = new_fake();
    struct started self = start(&first, "chaos", 1, "period", 7);
    assert_int_equal(self.wants.reference_period, 7);
    struct policy_event event = {.page = 0, .node = 1};
    unsigned seen[10] = {0};
    for (unsigned i = 0; i < 600; i++) {
        self.policy->reference(self.state, &first.host, &event);
        self.policy->reference(self.state, &second.host, &event);
        assert_int_equal(first.times, i + 1);
        assert_int_equal(first.asked, second.asked);
        assert_int_equal(first.asked_page, second.asked_page);
        assert_int_equal(first.asked_node, second.asked_node);
        assert_true(first.asked_node == UINT32_MAX ||
                    (first.host.with_memory >> first.asked_node & 1) == 1);
        assert_true(first.asked_page < first.pages);
        seen[first.asked_page]++;
    }
    for (unsigned page = 0; page < 10; page++)
        assert_true(seen[page] > 20);
    assert_true(first.kinds[ASKED_MIGRATE] > 100 && first.kinds[ASKED_REPLICATE] > 100);
    assert_true(first.kinds[ASKED_COLLAPSE] > 100);
    free(self.state);
}

static void chaos_waits_for_the_first_page(void **unused)
{
    (void)unused;
    struct fake fake = new_fake();
    struct started self = start(&fake, "chaos", 1, NULL, 0);
    struct policy_event event = {.page = 0, .node = 1};
    fake.pages = 0;
    self.policy->reference(self.state, &fake.host, &event);
    assert_int_equal(fake.times, 0);
    free(self.state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_policy_is_complete),
        cmocka_unit_test(what_a_policy_listens_to_it_has_a_function_for),
        cmocka_unit_test(first_touch_places_where_the_touch_came_from),
        cmocka_unit_test(round_robin_goes_round_the_nodes_with_memory),
        cmocka_unit_test(interleave_goes_by_the_address_alone),
        cmocka_unit_test(bind_places_all_on_its_node),
        cmocka_unit_test(bind_refuses_a_node_without_memory),
        cmocka_unit_test(bind_refuses_a_node_that_is_not_there),
        cmocka_unit_test(random_meets_every_node_with_memory_about_equally),
        cmocka_unit_test(random_repeats_itself_with_the_same_seed),
        cmocka_unit_test(the_defaults_are_those_of_the_references),
        cmocka_unit_test(a_private_hot_page_migrates_to_its_user),
        cmocka_unit_test(a_private_page_with_many_stores_migrates_all_the_same),
        cmocka_unit_test(a_page_moves_once_in_an_interval),
        cmocka_unit_test(a_read_shared_hot_page_is_replicated),
        cmocka_unit_test(the_nodes_own_count_does_not_make_a_page_shared),
        cmocka_unit_test(each_half_leaves_the_pages_of_the_other),
        cmocka_unit_test(one_store_still_lets_a_page_be_replicated_and_two_do_not),
        cmocka_unit_test(a_write_shared_page_is_left_and_not_migrated),
        cmocka_unit_test(no_replica_goes_where_memory_is_short),
        cmocka_unit_test(nothing_is_sent_to_a_node_without_memory),
        cmocka_unit_test(a_page_that_is_gone_is_left),
        cmocka_unit_test(thresholds_are_divided_by_the_references_of_a_sample),
        cmocka_unit_test(thresholds_that_scale_to_one_still_tell_shared_from_private),
        cmocka_unit_test(chaos_does_everything_to_any_page_and_repeats_itself),
        cmocka_unit_test(chaos_waits_for_the_first_page),
    };
    return cmocka_run_group_tests_name("policies", tests, NULL, NULL);
}
