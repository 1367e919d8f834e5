/* Choosing policies by a user's words. */
#include "tests/unit/test_replay.h"

static struct registry *registry;

static int open_it(void **state)
{
    (void)state;
    well(registry_open(&registry));
    return 0;
}

static int close_it(void **state)
{
    (void)state;
    registry_free(registry);
    return 0;
}

static void policies_are_found_and_sorted(void **state)
{
    (void)state;
    assert_true(registry_count(registry) >= 16);
    for (size_t i = 1; i < registry_count(registry); i++)
        assert_true(
            strcmp(registry_policy(registry, i - 1)->name, registry_policy(registry, i)->name) < 0);
}

static void words_choose_in_order_with_their_parameters(void **state)
{
    (void)state;
    struct policy_choices choices = {0};
    well(registry_choose(registry, "migrate:trigger=96:sharing=7,first-touch", &choices));
    well(registry_choose(registry, "migrate", &choices));
    assert_int_equal(choices.count, 3);
    assert_string_equal(choices.choice[0].label, "migrate:trigger=96:sharing=7");
    assert_string_equal(choices.choice[1].label, "first-touch");
    const struct policy *migrate = choices.choice[0].policy;
    assert_ptr_equal(migrate, choices.choice[2].policy);
    for (size_t i = 0; i < migrate->param_count; i++) {
        const char *name = migrate->params[i].name;
        int64_t expected = strcmp(name, "trigger") == 0   ? 96
                           : strcmp(name, "sharing") == 0 ? 7
                                                          : migrate->params[i].standard;
        assert_int_equal(choices.choice[0].param[i], expected);
        assert_int_equal(choices.choice[2].param[i], migrate->params[i].standard);
    }
    policy_choices_free(&choices);
}

static void all_chooses_every_policy(void **state)
{
    (void)state;
    struct policy_choices choices = {0};
    well(registry_choose(registry, "all", &choices));
    assert_int_equal(choices.count, registry_count(registry));
    policy_choices_free(&choices);
}

static void what_cannot_be_chosen_is_refused_with_what_there_is(void **state)
{
    (void)state;
    static const struct {
        const char *words, *error;
    } bad[] = {
        {"best", "no policy 'best'; there are: ace, bind, chaos"},
        {"disco:trigger=16,reset=5",
         "no policy 'reset=5'; parameters follow their policy behind ':'"},
        {"", "no policy named in ''"},
        {",,", "no policy named in ',,'"},
        {"migrate:speed=1", "policy migrate: no parameter 'speed'; there are: trigger, sharing"},
        {"migrate:trigger", "policy migrate: 'trigger' is not PARAM=VALUE"},
        {"migrate:trigger=", "policy migrate: trigger= is not a whole number"},
        {"migrate:trigger=1x", "policy migrate: trigger=1x is not a whole number"},
        {"migrate:trigger=0", "policy migrate: trigger=0 is outside 1 to 65534 (references)"},
        {"migrate:trigger=99999999999999999999", "is not a whole number"},
        {"first-touch:x=1", "policy first-touch: no parameter 'x'; it has none"},
        {"./no-such.so", "./no-such.so: cannot be loaded"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct policy_choices choices = {0};
        refused(registry_choose(registry, bad[i].words, &choices), bad[i].error);
        policy_choices_free(&choices);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(policies_are_found_and_sorted),
        cmocka_unit_test(words_choose_in_order_with_their_parameters),
        cmocka_unit_test(all_chooses_every_policy),
        cmocka_unit_test(what_cannot_be_chosen_is_refused_with_what_there_is),
    };
    return cmocka_run_group_tests(tests, open_it, close_it);
}
