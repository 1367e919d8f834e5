/* The classics: irix, ace, platinum and delay, by what each does to one page on node 0 of which one
 * reference after the other is told. */
#include "tests/unit/policies_fixture.h"

#define MS UINT64_C(1000000)

/* One page and the time of the next reference. */
struct story {
    struct fake fake;
    struct started self;
    uint64_t time_ns;
};

static void begin(struct story *story, const char *policy, const char *param, int64_t value)
{
    *story = (struct story){.fake = new_fake()};
    story->self = start(&story->fake, policy, 1, param, value);
    assert_null(story->self.error);
}

static void end(struct story *story)
{
    free(story->self.state);
}

static struct policy_event event_of(const struct story *story, uint32_t node, bool is_store)
{
    return (struct policy_event){
        .page = 7, .node = node, .cpu = node, .store = is_store, .time_ns = story->time_ns};
}

/* What the policy asks for at a load; a page has no frame that a replica would not have. */
static enum asked load(struct story *story, uint32_t node)
{
    const struct policy_event event = event_of(story, node, false);
    story->fake.asked = ASKED_NOTHING;
    story->self.policy->reference(story->self.state, &story->fake.host, &event);
    return story->fake.asked;
}

/* The same of a store, which collapses the page where it has replicas, as the mechanism does. */
static enum asked store(struct story *story, uint32_t node)
{
    const struct policy_event event = event_of(story, node, true);
    story->fake.asked = ASKED_NOTHING;
    const bool collapses = story->fake.page.replicas != 0;
    story->fake.page.replicas = 0;
    if (collapses && story->self.policy->collapsed)
        story->self.policy->collapsed(story->self.state, &story->fake.host, &event);
    story->self.policy->reference(story->self.state, &story->fake.host, &event);
    return story->fake.asked;
}

static void tick(struct story *story)
{
    story->self.policy->tick(story->self.state, &story->fake.host, story->time_ns);
}

/* So many loads by a node, of which none may be answered. */
static void loads(struct story *story, uint32_t node, unsigned times)
{
    while (times-- > 0)
        assert_int_equal(load(story, node), ASKED_NOTHING);
}

/* ---- ace ---- */

static void ace_copies_to_readers_and_moves_to_writers(void **unused)
{
    (void)unused;
    struct story it;
    begin(&it, "ace", NULL, 0);
    assert_int_equal(load(&it, 0), ASKED_NOTHING);
    assert_int_equal(load(&it, 1), ASKED_REPLICATE);
    assert_int_equal(load(&it, 1), ASKED_NOTHING); /* it has one */
    assert_int_equal(store(&it, 3), ASKED_MIGRATE);
    assert_int_equal(it.fake.page.home, 3);
    assert_int_equal(store(&it, 3), ASKED_NOTHING);
    assert_int_equal(it.fake.times, 2);
    assert_int_equal(it.fake.interrupts, 1); /* the store's fault was the mechanism's */
    end(&it);
}

static void ace_pins_a_page_after_four_moves(void **unused)
{
    (void)unused;
    struct story it;
    begin(&it, "ace", NULL, 0);
    static const uint32_t writers[] = {1, 3, 0, 1};
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(store(&it, writers[i]), ASKED_MIGRATE);
    assert_int_equal(store(&it, 3), ASKED_NOTHING);
    assert_int_equal(load(&it, 0), ASKED_NOTHING);
    assert_int_equal(it.fake.page.home, 1);
    assert_int_equal(it.fake.interrupts, 4);
    end(&it);
}

static void ace_counts_a_store_that_takes_the_page_from_its_readers(void **unused)
{
    (void)unused;
    struct story it;
    begin(&it, "ace", "moves", 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(load(&it, 1), ASKED_REPLICATE);
        assert_int_equal(store(&it, 0), ASKED_NOTHING); /* its home */
    }
    assert_int_equal(load(&it, 1), ASKED_NOTHING);
    end(&it);
}

static void ace_does_not_count_a_move_that_was_refused(void **unused)
{
    (void)unused;
    struct story it;
    begin(&it, "ace", "moves", 1);
    it.fake.answer = POLICY_NO_FRAME;
    assert_int_equal(store(&it, 1), ASKED_MIGRATE);
    it.fake.answer = POLICY_DONE;
    assert_int_equal(store(&it, 1), ASKED_MIGRATE);
    assert_int_equal(store(&it, 3), ASKED_NOTHING);
    end(&it);
}

/* ---- platinum ---- */

static void platinum_copies_to_readers_and_moves_to_writers(void **unused)
{
    (void)unused;
    struct story it;
    begin(&it, "platinum", NULL, 0);
    assert_int_equal(it.self.wants.tick_ns, 1000 * MS);
    assert_int_equal(load(&it, 1), ASKED_REPLICATE);
    assert_int_equal(load(&it, 3), ASKED_REPLICATE);
    assert_int_equal(store(&it, 3), ASKED_MIGRATE);
    it.time_ns += 10 * MS;
    assert_int_equal(load(&it, 0), ASKED_REPLICATE);
    end(&it);
}

static void platinum_freezes_what_is_needed_within_ten_milliseconds(void **unused)
{
    (void)unused;
    struct story it;
    begin(&it, "platinum", NULL, 0);
    assert_int_equal(store(&it, 1), ASKED_MIGRATE);
    it.time_ns += 10 * MS - 1;
    assert_int_equal(load(&it, 0), ASKED_NOTHING); /* frozen by this */
    it.time_ns += 500 * MS;
    assert_int_equal(load(&it, 0), ASKED_NOTHING);
    assert_int_equal(store(&it, 0), ASKED_NOTHING);
    assert_int_equal(it.fake.interrupts,
                     2); /* a frozen page is referred to remotely, at no fault */
    end(&it);
}

static void platinum_moves_a_page_again_after_ten_milliseconds(void **unused)
{
    (void)unused;
    struct story it;
    begin(&it, "platinum", NULL, 0);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(store(&it, i % 2 ? 0 : 1), ASKED_MIGRATE);
        it.time_ns += 10 * MS;
    }
    end(&it);
}

static void platinum_thaws_at_the_daemons_next_run(void **unused)
{
    (void)unused;
    struct story it;
    begin(&it, "platinum", NULL, 0);
    store(&it, 1);
    assert_int_equal(load(&it, 0), ASKED_NOTHING);
    it.time_ns += 1000 * MS;
    assert_int_equal(load(&it, 0), ASKED_NOTHING);
    tick(&it);
    assert_int_equal(load(&it, 0), ASKED_REPLICATE);
    end(&it);
}

static void a_collapse_is_judged_by_what_was_before_it(void **unused)
{
    (void)unused;
    struct story it;
    begin(&it, "platinum", NULL, 0);
    it.time_ns = 50 * MS;
    assert_int_equal(load(&it, 1), ASKED_REPLICATE);
    assert_int_equal(store(&it, 0), ASKED_NOTHING); /* the home's own: copies are invalid */
    assert_int_equal(load(&it, 1), ASKED_NOTHING);  /* and needed at once: frozen */
    tick(&it);
    it.time_ns += 10 * MS;
    assert_int_equal(load(&it, 1), ASKED_REPLICATE);
    assert_int_equal(store(&it, 3), ASKED_MIGRATE); /* not frozen by its own collapse */
    end(&it);
}

/* ---- delay ---- */

static void delay_copies_what_is_read_after_so_many_references(void **unused)
{
    (void)unused;
    struct story it;
    begin(&it, "delay", "references", 5);
    loads(&it, 1, 4);
    loads(&it, 3, 4); /* counted apart */
    loads(&it, 0, 50);
    assert_int_equal(load(&it, 1), ASKED_REPLICATE);
    loads(&it, 3, 4); /* counting began anew */
    assert_int_equal(load(&it, 3), ASKED_REPLICATE);
    assert_int_equal(it.fake.interrupts, 2);
    end(&it);
}

static void delay_moves_what_is_stored_to(void **unused)
{
    (void)unused;
    struct story it;
    begin(&it, "delay", "references", 5);
    assert_int_equal(store(&it, 0), ASKED_NOTHING);
    loads(&it, 1, 4);
    assert_int_equal(load(&it, 1), ASKED_MIGRATE);
    loads(&it, 3, 4);
    assert_int_equal(load(&it, 3), ASKED_REPLICATE); /* no store since it moved */
    assert_int_equal(store(&it, 1), ASKED_NOTHING);  /* collapses */
    loads(&it, 3, 4);
    assert_int_equal(load(&it, 3), ASKED_MIGRATE);
    end(&it);
}

/* A store that a cache serves collapses the page as well, and no reference tells of it. */
static void delay_learns_of_stores_by_collapses_too(void **unused)
{
    (void)unused;
    struct story it;
    begin(&it, "delay", "references", 5);
    loads(&it, 1, 4);
    const struct policy_event event = event_of(&it, 0, true);
    it.self.policy->collapsed(it.self.state, &it.fake.host, &event);
    loads(&it, 1, 4); /* counting began anew */
    assert_int_equal(load(&it, 1), ASKED_MIGRATE);
    end(&it);
}

static void delay_divides_its_count_by_the_references_of_a_sample(void **unused)
{
    (void)unused;
    struct story it = {.fake = new_fake()};
    it.self = start(&it.fake, "delay", 40, NULL, 0); /* 128 / 40 = 3 */
    loads(&it, 1, 2);
    assert_int_equal(load(&it, 1), ASKED_REPLICATE);
    end(&it);
    it = (struct story){.fake = new_fake()};
    it.self = start(&it.fake, "delay", 1000000, NULL, 0); /* at least 1 */
    assert_int_equal(load(&it, 1), ASKED_REPLICATE);
    end(&it);
}

/* ---- irix ---- */

/* A threshold of 5 references: 50 % of 10. */
static void begin_irix(struct story *story, const char *param, int64_t value)
{
    begin(story, "irix", "maximum", 10);
    if (param != NULL)
        assert_null(set(&story->self, &story->fake, param, value));
}

static void irix_moves_when_the_difference_is_above_the_threshold(void **unused)
{
    (void)unused;
    struct story it;
    begin_irix(&it, NULL, 0);
    loads(&it, 0, 3);
    loads(&it, 1, 8);                              /* 8 - 3 is not above 5 */
    loads(&it, 3, 8);                              /* nodes are counted apart */
    assert_int_equal(load(&it, 1), ASKED_MIGRATE); /* 9 - 3 is */
    assert_int_equal(it.fake.page.home, 1);
    loads(&it, 3, 5); /* from 0 */
    assert_int_equal(load(&it, 3), ASKED_MIGRATE);
    assert_int_equal(it.fake.interrupts, 2);
    end(&it);
}

static void the_default_threshold_is_half_of_eleven_bits(void **unused)
{
    (void)unused;
    struct story it;
    begin(&it, "irix", NULL, 0);
    loads(&it, 1, 1023); /* 2047 * 50 / 100 */
    assert_int_equal(load(&it, 1), ASKED_MIGRATE);
    end(&it);
}

static void irix_leaves_a_page_that_is_used_from_home_as_much(void **unused)
{
    (void)unused;
    struct story it;
    begin_irix(&it, NULL, 0);
    for (unsigned i = 0; i < 1000; i++) {
        loads(&it, 0, 1);
        loads(&it, 1, 1);
    }
    assert_int_equal(it.fake.interrupts, 0);
    end(&it);
}

/* Both counts stand at 10; without the unpegger the page would stay for ever. */
static void the_unpegger_lets_pegged_counts_begin_anew(void **unused)
{
    (void)unused;
    struct story it;
    begin_irix(&it, NULL, 0);
    assert_int_equal(it.self.wants.tick_ns, 1000 * MS);
    loads(&it, 0, 20);
    loads(&it, 1, 100);
    tick(&it);
    loads(&it, 1, 5);
    assert_int_equal(load(&it, 1), ASKED_MIGRATE);
    end(&it);
}

static void the_unpegger_leaves_counts_that_are_not_at_the_maximum(void **unused)
{
    (void)unused;
    struct story it;
    begin_irix(&it, NULL, 0);
    loads(&it, 0, 3);
    loads(&it, 1, 8);
    tick(&it);
    assert_int_equal(load(&it, 1), ASKED_MIGRATE);
    end(&it);
}

/* Latencies to nodes 1 and 3 are 2 and 4 times the local one. */
static void irix_does_not_move_between_near_nodes(void **unused)
{
    (void)unused;
    struct story it;
    begin_irix(&it, "distance", 300);
    loads(&it, 1, 100);
    assert_true(it.fake.interrupts > 10); /* it hears of them, and pays */
    loads(&it, 3, 5);
    assert_int_equal(load(&it, 3), ASKED_MIGRATE);
    end(&it);
}

static void dampening_lets_interrupts_pass(void **unused)
{
    (void)unused;
    struct story it;
    begin_irix(&it, "dampening", 2);
    loads(&it, 1, 3 * 6 - 1);
    assert_int_equal(it.fake.interrupts, 2);
    assert_int_equal(load(&it, 1), ASKED_MIGRATE);
    loads(&it, 0, 3 * 6 - 1); /* and again */
    assert_int_equal(load(&it, 0), ASKED_MIGRATE);
    end(&it);
}

/* References by a node until it interrupts. */
static enum asked push(struct story *story, uint32_t node)
{
    loads(story, node, 5);
    return load(story, node);
}

/* 20 % of 15 are 3 bounces; 90 % of 15 are 14 intervals, rounded up from 13.5. */
static void a_bouncing_page_freezes_and_melts(void **unused)
{
    (void)unused;
    struct story it;
    begin_irix(&it, NULL, 0);
    assert_int_equal(push(&it, 1), ASKED_MIGRATE);
    assert_int_equal(push(&it, 0), ASKED_MIGRATE); /* bounces once */
    assert_int_equal(push(&it, 1), ASKED_MIGRATE); /* twice */
    assert_int_equal(push(&it, 0), ASKED_NOTHING); /* the third time it freezes */
    it.time_ns += UINT64_C(1400) * MS - 1;
    assert_int_equal(push(&it, 3), ASKED_NOTHING);
    it.time_ns += 1;
    assert_int_equal(push(&it, 3), ASKED_MIGRATE);
    end(&it);
}

static void a_page_that_comes_back_late_does_not_bounce(void **unused)
{
    (void)unused;
    struct story it;
    begin_irix(&it, NULL, 0);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(push(&it, i % 2 ? 0 : 1), ASKED_MIGRATE);
        it.time_ns += 100 * MS;
    }
    end(&it);
}

static void a_move_elsewhere_takes_a_bounce_away(void **unused)
{
    (void)unused;
    struct story it;
    begin_irix(&it, NULL, 0);
    static const uint32_t to[] = {1, 0, 1, 3, 1}; /* 0, 1, 2, 1, 2 bounces */
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(push(&it, to[i]), ASKED_MIGRATE);
    assert_int_equal(push(&it, 3), ASKED_NOTHING);
    end(&it);
}

static void freezing_can_be_off(void **unused)
{
    (void)unused;
    struct story it;
    begin_irix(&it, "freeze", 0);
    for (unsigned i = 0; i < 50; i++)
        assert_int_equal(push(&it, i % 2 ? 0 : 1), ASKED_MIGRATE);
    end(&it);
}

/* ---- all ---- */

static void nothing_goes_to_a_node_without_memory(void **unused)
{
    (void)unused;
    static const char *const names[] = {"ace", "platinum", "delay", "irix"};
    for (size_t i = 0; i < 4; i++) {
        struct story it;
        begin(&it, names[i], NULL, 0);
        loads(&it, 2, 3000);
        it.fake.page.replicas = 2;
        assert_int_equal(store(&it, 2), ASKED_NOTHING);
        for (unsigned more = 0; more < 3000; more++)
            assert_int_equal(store(&it, 2), ASKED_NOTHING);
        end(&it);
    }
}

static void a_page_that_is_gone_is_left(void **unused)
{
    (void)unused;
    static const char *const names[] = {"ace", "platinum", "delay", "irix"};
    for (size_t i = 0; i < 4; i++) {
        struct story it;
        begin(&it, names[i], NULL, 0);
        it.fake.no_page = true;
        loads(&it, 1, 3000);
        it.fake.page.replicas = 2;
        assert_int_equal(store(&it, 1), ASKED_NOTHING);
        end(&it);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ace_copies_to_readers_and_moves_to_writers),
        cmocka_unit_test(ace_pins_a_page_after_four_moves),
        cmocka_unit_test(ace_counts_a_store_that_takes_the_page_from_its_readers),
        cmocka_unit_test(ace_does_not_count_a_move_that_was_refused),
        cmocka_unit_test(platinum_copies_to_readers_and_moves_to_writers),
        cmocka_unit_test(platinum_freezes_what_is_needed_within_ten_milliseconds),
        cmocka_unit_test(platinum_moves_a_page_again_after_ten_milliseconds),
        cmocka_unit_test(platinum_thaws_at_the_daemons_next_run),
        cmocka_unit_test(a_collapse_is_judged_by_what_was_before_it),
        cmocka_unit_test(delay_copies_what_is_read_after_so_many_references),
        cmocka_unit_test(delay_moves_what_is_stored_to),
        cmocka_unit_test(delay_learns_of_stores_by_collapses_too),
        cmocka_unit_test(delay_divides_its_count_by_the_references_of_a_sample),
        cmocka_unit_test(irix_moves_when_the_difference_is_above_the_threshold),
        cmocka_unit_test(the_default_threshold_is_half_of_eleven_bits),
        cmocka_unit_test(irix_leaves_a_page_that_is_used_from_home_as_much),
        cmocka_unit_test(the_unpegger_lets_pegged_counts_begin_anew),
        cmocka_unit_test(the_unpegger_leaves_counts_that_are_not_at_the_maximum),
        cmocka_unit_test(irix_does_not_move_between_near_nodes),
        cmocka_unit_test(dampening_lets_interrupts_pass),
        cmocka_unit_test(a_bouncing_page_freezes_and_melts),
        cmocka_unit_test(a_page_that_comes_back_late_does_not_bounce),
        cmocka_unit_test(a_move_elsewhere_takes_a_bounce_away),
        cmocka_unit_test(freezing_can_be_off),
        cmocka_unit_test(nothing_goes_to_a_node_without_memory),
        cmocka_unit_test(a_page_that_is_gone_is_left),
    };
    return cmocka_run_group_tests_name("classic policies", tests, NULL, NULL);
}
