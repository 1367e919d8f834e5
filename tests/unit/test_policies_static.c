/* Linux's memory policies that name nodes: where each puts a page, by worked examples. */
#include "tests/unit/policies_fixture.h"

#define SET(a, b)        (INT64_C(1) << (a) | INT64_C(1) << (b))
#define FULL(fake, node) ((fake)->free_frames[node] = 0)

static uint32_t place_vpn(struct started *self, struct fake *fake, uint64_t vpn, uint32_t pages)
{
    const struct policy_event event = {.vpn = vpn, .pages = pages};
    return self->policy->place(self->state, &fake->host, &event);
}

static uint32_t place_huge(struct started *self, struct fake *fake, uint32_t node)
{
    const struct policy_event event = {.node = node, .pages = 512};
    return self->policy->place(self->state, &fake->host, &event);
}

/* ---- bind and preferred ---- */

static void bind_to_a_set_takes_its_nearest_node(void **unused)
{
    (void)unused;
    struct fake fake = new_fake();
    struct started self = start(&fake, "bind", 1, "nodes", SET(0, 3));
    static const uint32_t nearest[] = {0, 0, 3, 3};
    for (uint32_t node = 0; node < NODES; node++)
        assert_int_equal(place(&self, &fake, 1, node), nearest[node]);
    free(self.state);
}

static void bind_to_a_set_leaves_a_full_node_and_not_the_set(void **unused)
{
    (void)unused;
    struct fake fake = new_fake();
    struct started self = start(&fake, "bind", 1, "nodes", SET(1, 3));
    FULL(&fake, 1);
    assert_int_equal(place(&self, &fake, 1, 0), 3); /* node 0 has room, and is not of the set */
    FULL(&fake, 3);
    assert_int_equal(place(&self, &fake, 1, 0), 1); /* from where the fallback begins */
    free(self.state);
}

static void bind_begins_at_the_home_node(void **unused)
{
    (void)unused;
    struct fake fake = new_fake();
    struct started self = start(&fake, "bind", 1, "nodes", SET(0, 3));
    assert_null(set(&self, &fake, "home", 3));
    for (uint32_t node = 0; node < NODES; node++)
        assert_int_equal(place(&self, &fake, 1, node), 3);
    assert_non_null(set(&self, &fake, "home", NODES));
    free(self.state);
}

static void preferred_places_all_on_its_node(void **unused)
{
    (void)unused;
    struct fake fake = new_fake();
    struct started self = start(&fake, "preferred", 1, "node", 3);
    assert_null(self.error);
    for (uint32_t node = 0; node < NODES; node++)
        assert_int_equal(place(&self, &fake, 1, node), 3);
    assert_string_equal(set(&self, &fake, "node", 2),
                        "node: that node has no memory; give one that has");
    assert_non_null(set(&self, &fake, "node", NODES));
    free(self.state);
}

static void preferred_many_takes_the_nearest_of_its_set_with_room(void **unused)
{
    (void)unused;
    struct fake fake = new_fake();
    struct started self = start(&fake, "preferred-many", 1, "nodes", SET(0, 3));
    assert_int_equal(place(&self, &fake, 1, 1), 0);
    assert_int_equal(place(&self, &fake, 1, 2), 3);
    FULL(&fake, 0);
    assert_int_equal(place(&self, &fake, 1, 1), 3);
    free(self.state);
}

/* Linux's second pass begins at the CPU's own node, whatever the set. */
static void preferred_many_goes_anywhere_near_when_its_set_is_full(void **unused)
{
    (void)unused;
    struct fake fake = new_fake();
    struct started self = start(&fake, "preferred-many", 1, "nodes", SET(0, 3));
    FULL(&fake, 0);
    FULL(&fake, 3);
    for (uint32_t node = 0; node < NODES; node++)
        assert_int_equal(place(&self, &fake, 1, node), node);
    assert_null(set(&self, &fake, "home", 1));
    assert_int_equal(place(&self, &fake, 1, 3), 1);
    free(self.state);
}

static void a_huge_page_stays_in_the_set_or_becomes_small_ones(void **unused)
{
    (void)unused;
    struct fake fake = new_fake();
    struct started self = start(&fake, "preferred-many", 1, "nodes", SET(0, 3));
    fake.free_frames[0] = 511;
    fake.free_frames[3] = 512;
    assert_int_equal(place_huge(&self, &fake, 1), 3);
    fake.free_frames[3] = 511;
    assert_int_equal(place_huge(&self, &fake, 1), 0); /* where there is none for it */
    assert_int_equal(place(&self, &fake, 1, 1), 0);
    free(self.state);
}

static void sets_with_nodes_that_are_not_there_are_refused(void **unused)
{
    (void)unused;
    static const char *const names[] = {"bind", "preferred-many", "interleave",
                                        "weighted-interleave"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct fake fake = new_fake();
        struct started self = start(&fake, names[i], 1, "nodes", SET(0, 4));
        assert_non_null(strstr(self.error, "no such node"));
        assert_non_null(strstr(set(&self, &fake, "nodes", INT64_MIN), "no such node"));
        assert_non_null(strstr(set(&self, &fake, "nodes", SET(0, 2)), "no memory"));
        assert_null(set(&self, &fake, "nodes", SET(0, 3)));
        free(self.state);
    }
}

/* ---- interleaving ---- */

static void interleave_keeps_to_its_set(void **unused)
{
    (void)unused;
    struct fake fake = new_fake();
    struct started self = start(&fake, "interleave", 1, "nodes", SET(1, 3));
    for (uint64_t vpn = 0; vpn < 8; vpn++)
        assert_int_equal(place_vpn(&self, &fake, vpn, 1), vpn % 2 ? 3 : 1);
    free(self.state);
}

static void huge_pages_are_interleaved_as_such(void **unused)
{
    (void)unused;
    struct fake fake = new_fake();
    struct started plain = start(&fake, "interleave", 1, "nodes", SET(1, 3)),
                   weighted = start(&fake, "weighted-interleave", 1, "node3", 2);
    assert_null(set(&weighted, &fake, "nodes", SET(1, 3)));
    static const uint32_t expected[] = {1, 3, 3, 1, 3, 3};
    for (uint64_t block = 0; block < 6; block++) {
        assert_int_equal(place_vpn(&plain, &fake, block * 512, 512), block % 2 ? 3 : 1);
        assert_int_equal(place_vpn(&weighted, &fake, block * 512, 512), expected[block]);
    }
    free(plain.state);
    free(weighted.state);
}

/* Pages on each node, of one round of `round`; each node's in a row. */
static void places(struct started *self, struct fake *fake, uint64_t round,
                   const uint32_t expected[NODES])
{
    uint32_t placed[NODES] = {0};
    assert_null(self->error);
    uint32_t last = 0;
    for (uint64_t vpn = 7 * round; vpn < 8 * round; vpn++) {
        const uint32_t node = place_vpn(self, fake, vpn, 1);
        assert_true(node >= last);
        placed[last = node]++;
    }
    assert_memory_equal(placed, expected, sizeof placed);
}

static struct started weighted(struct fake *fake, uint32_t node0, uint32_t node1, uint32_t node3)
{
    fake->mb_per_s[0] = node0;
    fake->mb_per_s[1] = node1;
    fake->mb_per_s[3] = node3;
    return start(fake, "weighted-interleave", 1, NULL, 0);
}

static void automatic_weights_of_100_and_50_are_21_and_10(void **unused)
{
    (void)unused;
    struct fake fake = new_fake();
    fake.host.with_memory = 3;
    struct started self = weighted(&fake, 100, 50, 0);
    places(&self, &fake, 31, (uint32_t[]){21, 10, 0, 0});
    free(self.state);
}

static void automatic_weights_of_equal_nodes_are_1_and_1(void **unused)
{
    (void)unused;
    struct fake fake = new_fake();
    fake.host.with_memory = 3;
    struct started self = weighted(&fake, 64, 64, 0); /* 16 and 16, by 16 */
    places(&self, &fake, 2, (uint32_t[]){1, 1, 0, 0});
    free(self.state);
}

/* 32 * 255000 / 300000 = 27.2; 32 * 44900 / 300000 = 4.8; 32 * 100 / 300000 = 0.01. */
static void a_slow_node_has_a_weight_of_1(void **unused)
{
    (void)unused;
    struct fake fake = new_fake();
    struct started self = weighted(&fake, 255000, 44900, 100);
    places(&self, &fake, 32, (uint32_t[]){27, 4, 0, 1});
    free(self.state);
}

static void nodes_of_unknown_bandwidth_have_equal_weights(void **unused)
{
    (void)unused;
    struct fake fake = new_fake();
    struct started self = weighted(&fake, 0, 0, 0);
    places(&self, &fake, 3, (uint32_t[]){1, 1, 0, 1});
    free(self.state);
}

static void a_weight_that_is_given_is_taken_and_leaves_the_others(void **unused)
{
    (void)unused;
    struct fake fake = new_fake();
    fake.host.with_memory = 3;
    struct started self = weighted(&fake, 100, 50, 0);
    assert_null(set(&self, &fake, "node0", 3));
    places(&self, &fake, 13, (uint32_t[]){3, 10, 0, 0});
    assert_null(set(&self, &fake, "node1", 2));
    places(&self, &fake, 5, (uint32_t[]){3, 2, 0, 0});
    assert_null(set(&self, &fake, "nodes", 2)); /* of two nodes only one is left */
    places(&self, &fake, 2, (uint32_t[]){0, 2, 0, 0});
    assert_non_null(set(&self, &fake, "node2", 1)); /* no memory */
    free(self.state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bind_to_a_set_takes_its_nearest_node),
        cmocka_unit_test(bind_to_a_set_leaves_a_full_node_and_not_the_set),
        cmocka_unit_test(bind_begins_at_the_home_node),
        cmocka_unit_test(preferred_places_all_on_its_node),
        cmocka_unit_test(preferred_many_takes_the_nearest_of_its_set_with_room),
        cmocka_unit_test(preferred_many_goes_anywhere_near_when_its_set_is_full),
        cmocka_unit_test(a_huge_page_stays_in_the_set_or_becomes_small_ones),
        cmocka_unit_test(sets_with_nodes_that_are_not_there_are_refused),
        cmocka_unit_test(interleave_keeps_to_its_set),
        cmocka_unit_test(huge_pages_are_interleaved_as_such),
        cmocka_unit_test(automatic_weights_of_100_and_50_are_21_and_10),
        cmocka_unit_test(automatic_weights_of_equal_nodes_are_1_and_1),
        cmocka_unit_test(a_slow_node_has_a_weight_of_1),
        cmocka_unit_test(nodes_of_unknown_bandwidth_have_equal_weights),
        cmocka_unit_test(a_weight_that_is_given_is_taken_and_leaves_the_others),
    };
    return cmocka_run_group_tests_name("static policies", tests, NULL, NULL);
}
