/* Pages that move under guests: what guests see must not change, a run must repeat, and a
 * shootdown that is left out must be found out. */
#include "tests/unit/monitor_fixture.h"

static const char *const all_words[] = {"share 4", "map", "ring", "timer", "pages"};
#define WORDS (sizeof all_words / sizeof *all_words)

static void a_run_repeats_bit_for_bit(void **state)
{
    for (unsigned i = 0; i < WORDS; i++) {
        struct session one = {.words = {all_words[i]},
                              .vcpus = 3,
                              .policy = "chaos",
                              .period = 100};
        struct session two = one;
        run_well(&one, *state);
        run_well(&two, *state);
        assert_true(one.heard.hash == two.heard.hash);
        assert_memory_equal(&one.sum, &two.sum, sizeof one.sum);
        assert_true(one.time_ns == two.time_ns);
        end_session(&one);
        end_session(&two);
    }
}

static void policies_change_nothing_that_guests_do(void **state)
{
    static const char *const policies[] = {"first-touch", "disco", "migrate", "replicate",
                                           "interleave"};
    for (unsigned i = 0; i < WORDS; i++) {
        struct session plain = {.words = {all_words[i]}, .vcpus = 4};
        run_well(&plain, *state);
        for (unsigned p = 0; p < sizeof policies / sizeof *policies; p++) {
            struct session it = {.words = {all_words[i]}, .vcpus = 4, .policy = policies[p]};
            run_well(&it, *state);
            assert_true(it.heard.hash == plain.heard.hash);
            assert_int_equal(it.sum.references, it.heard.references);
            end_session(&it);
        }
        struct session deaf = {.words = {all_words[i]}, .vcpus = 4, .deaf = true};
        run_well(&deaf, *state);
        assert_int_equal(deaf.counts.instructions, plain.counts.instructions);
        assert_string_equal(deaf.vm[0].console, plain.vm[0].console);
        end_session(&deaf);
        end_session(&plain);
    }
}

static void guests_compute_the_same_under_chaos(void **state)
{
    static const int64_t periods[] = {500, 50, 5};
    uint64_t moved = 0, replicated = 0, early = 0;
    for (unsigned p = 0; p < 3; p++)
        for (uint32_t vcpus = 1; vcpus <= 16; vcpus *= 2) {
            struct session it = {.words = {"share 4", "map", "pages"},
                                 .vms = 3,
                                 .vcpus = vcpus,
                                 .machine = "flash-16",
                                 .policy = "chaos",
                                 .period = periods[p],
                                 .quantum = 3000,
                                 .check_rounds = 40};
            run_well(&it, *state);
            moved += it.sum.migrations;
            replicated += it.sum.replications;
            early += it.counts.early_collapses;
            end_session(&it);
        }
    assert_true(moved > 1000);
    assert_true(replicated > 1000);
    assert_true(early > 100);
}

/* All frames of all nodes are taken: pages are placed where there is room, replicas give way. */
static void a_full_machine_keeps_every_page(void **state)
{
    struct session it = {.words = {"fill"},
                         .vms = 8,
                         .pages = 8192,
                         .policy = "chaos",
                         .period = 15,
                         .check_rounds = 200};
    run_well(&it, *state);
    assert_true(it.counts.pages_touched > 65000);
    assert_true(it.sum.replications > 100);
    assert_true(it.sum.refused > 20);
    for (uint32_t v = 0; v < 8; v++)
        assert_string_equal(it.vm[v].console, "full\n");
    end_session(&it);
    struct session plain = {.words = {"fill"}, .vms = 8, .pages = 8192, .deaf = true};
    run_well(&plain, *state);
    end_session(&plain);
}

/* The answer is wrong, or the guest meets what it cannot. */
static void a_shootdown_that_is_left_out_makes_a_guest_fail(void **state)
{
    unsigned failed = 0;
    for (uint32_t every = 1; every <= 4; every++) {
        struct session it = {.words = {"share 20"},
                             .vcpus = 4,
                             .policy = "chaos",
                             .period = 10,
                             .skip_shootdown = every,
                             .instructions = 10000000};
        run_session(&it, *state);
        assert_true(it.counts.shootdowns_skipped > 0);
        failed += it.error || !it.vm[0].exited || it.vm[0].status;
        end_session(&it);
    }
    assert_int_equal(failed, 4);
}

/* Whoever looks sees it before a guest does. */
static void the_checker_finds_a_translation_that_was_left(void **state)
{
    struct session it = {.words = {"share 6"},
                         .vcpus = 4,
                         .policy = "chaos",
                         .period = 20,
                         .skip_shootdown = 1,
                         .instructions = 3000000,
                         .quantum = 1000,
                         .check_rounds = 1};
    run_session(&it, *state);
    assert_error_says(it, "which is not what the pmap says");
    end_session(&it);
}

static void the_page_of_registers_and_patches_change_no_answer(void **state)
{
    for (unsigned i = 0; i < WORDS; i++) {
        struct session plain = {
            .words = {all_words[i]}, .vcpus = 3, .hal = true, .patch = true, .check_rounds = 3};
        struct session moved = plain;
        moved.policy = "chaos";
        moved.period = 50;
        run_well(&plain, *state);
        run_well(&moved, *state);
        assert_true(plain.heard.hash == moved.heard.hash);
        end_session(&plain);
        end_session(&moved);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_repeats_bit_for_bit),
        cmocka_unit_test(policies_change_nothing_that_guests_do),
        cmocka_unit_test(guests_compute_the_same_under_chaos),
        cmocka_unit_test(a_full_machine_keeps_every_page),
        cmocka_unit_test(a_shootdown_that_is_left_out_makes_a_guest_fail),
        cmocka_unit_test(the_checker_finds_a_translation_that_was_left),
        cmocka_unit_test(the_page_of_registers_and_patches_change_no_answer),
    };
    return cmocka_run_group_tests(tests, build_guest, drop_guest);
}
