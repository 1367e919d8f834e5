/* A guest that several memories share: what they see does not depend on how far it is ahead. */
#include "tests/unit/memory_fixture.h"

#include <pthread.h>

#define REFERENCES 600u
#define PIECE      150u

/* The puppet of a memory that has its guest from elsewhere. */
static void start_shared(struct fixture *f, const struct guest *guest, uint32_t place)
{
    prepare(f);
    f->machine.tlb.pages_per_entry = 2;
    f->place = place;
    f->options.guest = guest;
    f->options.epoch_references = 64;
    f->options.check_every = 1;
    start(f);
}

static char *guest_for(struct fixture *f, struct guest **guest)
{
    prepare(f);
    return guest_new(&(struct guest_options){.machine = &f->machine}, guest);
}

static void draw(uint64_t *random, uint64_t *addr, uint8_t *what, uint32_t references)
{
    for (uint32_t at = 0; at < references; at++) {
        addr[at] = random_below(random, 60) * PAGE + random_below(random, 4096);
        what[at] = (uint8_t)random_below(random, 4);
    }
}

static void expect_same(const struct fixture *one, const struct fixture *other)
{
    for (uint32_t cpu = 0; cpu < CPUS; cpu++)
        assert_memory_equal(count(one, cpu), count(other, cpu), sizeof *count(one, cpu));
    assert_int_equal(memory_pages(one->memory), memory_pages(other->memory));
    for (uint32_t page = 0; page < memory_pages(one->memory); page++) {
        const struct memory_page_state a = memory_page(one->memory, page);
        const struct memory_page_state b = memory_page(other->memory, page);
        assert_int_equal(a.vpn, b.vpn);
        assert_int_equal(a.space, b.space);
        assert_int_equal(a.home, b.home);
        assert_int_equal(a.loads, b.loads);
        assert_int_equal(a.mapped, b.mapped);
    }
}

static void memories_behind_a_shared_guest_count_what_one_with_its_own_counts(void **state)
{
    (void)state;
    struct fixture shared;
    struct fixture elsewhere;
    struct fixture own;
    struct fixture machine;
    struct guest *guest = NULL;
    well(guest_for(&machine, &guest));
    start_shared(&shared, guest, MEMORY_NO_NODE);
    start_shared(&elsewhere, guest, 2);
    start_shared(&own, NULL, MEMORY_NO_NODE);
    uint64_t random = 7;
    uint64_t addr[REFERENCES];
    uint8_t what[REFERENCES];
    for (uint32_t round = 0; round < 30; round++) {
        const uint32_t cpu = random_below(&random, CPUS);
        draw(&random, addr, what, REFERENCES);
        well(memory_references(own.memory, cpu, addr, what, REFERENCES));
        /* committed in one go, then replayed by each memory as it comes */
        for (uint32_t at = 0; at < REFERENCES; at += PIECE)
            well(guest_references(guest, cpu, 0, addr + at, what + at, NULL, PIECE, NULL, 0));
        well(guest_check(guest));
        well(guest_commit(guest));
        well(guest_check(guest));
        for (uint32_t at = 0; at < REFERENCES; at += PIECE)
            well(memory_replay(shared.memory, cpu, addr + at, what + at, PIECE, NULL, 0));
        well(memory_replay(elsewhere.memory, cpu, addr, what, REFERENCES, NULL, 0));
        if (round % 3 == 2) {
            const uint64_t first = random_below(&random, 60);
            well(memory_unmap(own.memory, 0, first * PAGE, (first + 9) * PAGE));
            well(guest_unmap_begin(guest, 0, first, 9));
            well(memory_forget(shared.memory));
            well(memory_forget(elsewhere.memory));
            guest_unmap_end(guest);
        }
        if (round % 7 == 6) {
            well(memory_share(own.memory, 0, 10 * PAGE, 0, 40 * PAGE, 8 * PAGE));
            well(guest_unmap_begin(guest, 0, 40, 8));
            well(memory_forget(shared.memory));
            well(memory_forget(elsewhere.memory));
            guest_unmap_end(guest);
            well(guest_share(guest, 0, 10, 0, 40, 8));
        }
    }
    expect_same(&shared, &own);
    stop(&shared);
    stop(&elsewhere);
    stop(&own);
    guest_free(guest);
}

static void looking_ahead_changes_nothing_that_a_memory_sees(void **state)
{
    (void)state;
    struct fixture f;
    struct fixture machine;
    struct guest *guest = NULL;
    well(guest_for(&machine, &guest));
    start_shared(&f, guest, MEMORY_NO_NODE);
    const uint64_t first[] = {10 * PAGE};
    const uint64_t next[] = {11 * PAGE, 10 * PAGE};
    const uint8_t what[] = {MEMORY_LOAD, MEMORY_LOAD};
    well(guest_references(guest, 0, 0, first, what, NULL, 1, NULL, 0));
    well(guest_commit(guest));
    well(guest_references(guest, 0, 0, next, what, NULL, 2, NULL, 0));
    assert_int_equal(guest_pages(guest), 1);
    well(memory_replay(f.memory, 0, first, what, 1, NULL, 0));
    well(guest_commit(guest)); /* the neighbour is in the tables now, but not yet for the memory */
    well(memory_replay(f.memory, 1, first, what, 1, NULL, 0));
    assert_int_equal(memory_pages(f.memory), 1);
    const uint64_t misses = count(&f, 0)->tlb_misses;
    well(memory_replay(f.memory, 0, next, what, 2, NULL, 0));
    assert_int_equal(count(&f, 0)->tlb_misses, misses + 1);
    assert_int_equal(memory_pages(f.memory), 2);
    stop(&f);
    guest_free(guest);
}

static void a_reference_that_the_guest_has_not_seen_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    struct fixture machine;
    struct guest *guest = NULL;
    well(guest_for(&machine, &guest));
    start_shared(&f, guest, MEMORY_NO_NODE);
    const uint64_t addr = 10 * PAGE;
    const uint8_t what = MEMORY_LOAD;
    char *error = memory_replay(f.memory, 0, &addr, &what, 1, NULL, 0);
    assert_non_null(error);
    assert_non_null(strstr(error, "the guest has not seen it"));
    free(error);
    error = memory_references(f.memory, 0, &addr, &what, 1);
    assert_non_null(error);
    assert_non_null(strstr(error, "the guest is shared"));
    free(error);
    memory_free(f.memory);
    guest_free(guest);
}

/* A memory with its thread, and the pieces that it has to replay. */
struct follower {
    struct fixture f;
    const uint64_t *addr;
    const uint8_t *what;
    uint32_t cpu;
    char *error;
};

static void *follow(void *argument)
{
    struct follower *const self = argument;
    self->error = memory_replay(self->f.memory, self->cpu, self->addr, self->what, PIECE, NULL, 0);
    return NULL;
}

static void memories_in_other_threads_replay_while_the_guest_looks_ahead(void **state)
{
    (void)state;
    enum { FOLLOWERS = 2, PIECES = 40 };
    static struct follower follower[FOLLOWERS];
    static uint64_t addr[PIECES][PIECE];
    static uint8_t what[PIECES][PIECE];
    struct fixture own;
    struct fixture machine;
    struct guest *guest = NULL;
    well(guest_for(&machine, &guest));
    start_shared(&own, NULL, MEMORY_NO_NODE);
    for (uint32_t at = 0; at < FOLLOWERS; at++)
        start_shared(&follower[at].f, guest, MEMORY_NO_NODE);
    uint64_t random = 11;
    for (uint32_t piece = 0; piece <= PIECES; piece++) {
        pthread_t thread[FOLLOWERS];
        const uint32_t before = piece - 1; /* is replayed while this one is looked at */
        for (uint32_t at = 0; piece && at < FOLLOWERS; at++) {
            follower[at].addr = addr[before];
            follower[at].what = what[before];
            follower[at].cpu = before % CPUS;
            assert_int_equal(pthread_create(&thread[at], NULL, follow, &follower[at]), 0);
        }
        char *error = NULL;
        if (piece < PIECES) {
            draw(&random, addr[piece], what[piece], PIECE);
            for (uint32_t at = 0; at < PIECE; at++)
                addr[piece][at] += piece * 5 * PAGE;
            error = guest_references(guest, piece % CPUS, 0, addr[piece], what[piece], NULL, PIECE,
                                     NULL, 0);
        }
        for (uint32_t at = 0; piece && at < FOLLOWERS; at++)
            assert_int_equal(pthread_join(thread[at], NULL), 0);
        for (uint32_t at = 0; at < FOLLOWERS; at++)
            well(follower[at].error);
        well(error);
        well(guest_commit(guest));
        if (piece < PIECES)
            well(memory_references(own.memory, piece % CPUS, addr[piece], what[piece], PIECE));
    }
    for (uint32_t at = 0; at < FOLLOWERS; at++) {
        expect_same(&follower[at].f, &own);
        stop(&follower[at].f);
    }
    stop(&own);
    guest_free(guest);
}

/* A guest with one small cache a CPU, of lines of 64 bytes. */
static void guest_with_caches(struct fixture *f, struct guest **guest)
{
    prepare(f);
    f->machine.caches = 1;
    f->machine.cache[0] = (struct machine_cache){
        .level = 1, .kind = "unified", .size_bytes = 1024, .ways = 2, .line_bytes = 64, .cpus = 1};
    well(guest_new(&(struct guest_options){.machine = &f->machine}, guest));
}

static void a_reference_over_two_pages_numbers_both_and_places_the_first(void **state)
{
    (void)state;
    struct fixture f;
    struct guest *guest = NULL;
    guest_with_caches(&f, &guest);
    f.options.guest = guest;
    start(&f);
    struct caches_outcome outcome;
    assert_true(guest_outcome_new(&outcome, 3));
    const uint64_t addr[] = {11 * PAGE - 4, 20 * PAGE, 11 * PAGE + 8};
    const uint64_t bytes[] = {8, 8, 8};
    const uint8_t what[] = {MEMORY_LOAD, MEMORY_LOAD, MEMORY_LOAD};
    well(guest_references(guest, 1, 0, addr, what, bytes, 3, &outcome, 0));
    well(guest_commit(guest));
    assert_int_equal(guest_pages(guest), 3); /* 10, 11 and 20 */
    assert_int_equal(outcome.level[0], CACHES_MEMORY);
    assert_int_equal(outcome.level[2], 1); /* the line that the first one ended in */
    assert_int_equal(outcome.age[2], 2);
    well(memory_replay(f.memory, 1, addr, what, 2, &outcome, 0));
    struct policy_page page;
    assert_int_equal(memory_pages(f.memory), 3);
    assert_int_equal(memory_page(f.memory, 1).first_home, MEMORY_NO_NODE);
    assert_false(memory_page(f.memory, 1).mapped);
    assert_false(policy_page(&f.memory->host, 1, &page));
    assert_int_equal(migrate(&f, 1, 2), POLICY_NONSENSE);
    assert_int_equal(count(&f, 1)->page_faults, 2);
    well(memory_check(f.memory));
    well(memory_replay(f.memory, 1, addr + 2, what + 2, 1, &outcome, 2));
    assert_int_equal(memory_page(f.memory, 1).first_home, 1);
    assert_int_equal(memory_page(f.memory, 1).vpn, 11);
    assert_int_equal(count(&f, 1)->page_faults, 3);
    memory_finish(f.memory);
    assert_int_equal(count(&f, 1)->local_accesses, 2);
    well(guest_check(guest));
    stop(&f);
    guest_outcome_free(&outcome);
    guest_free(guest);
}

static void a_page_that_was_only_numbered_goes_without_a_frame(void **state)
{
    (void)state;
    struct fixture f;
    struct guest *guest = NULL;
    guest_with_caches(&f, &guest);
    f.options.guest = guest;
    start(&f);
    struct caches_outcome outcome;
    assert_true(guest_outcome_new(&outcome, 1));
    const uint64_t addr = 11 * PAGE - 4;
    const uint64_t bytes = 8;
    const uint8_t what = MEMORY_STORE;
    well(guest_references(guest, 0, 0, &addr, &what, &bytes, 1, &outcome, 0));
    well(guest_commit(guest));
    well(memory_replay(f.memory, 0, &addr, &what, 1, &outcome, 0));
    well(guest_unmap_begin(guest, 0, 10, 2));
    well(memory_forget(f.memory));
    guest_unmap_end(guest);
    assert_int_equal(memory_node(f.memory, 0).frames_used, 0);
    well(guest_references(guest, 0, 0, &addr, &what, &bytes, 1, &outcome, 0));
    assert_int_equal(outcome.level[0], CACHES_MEMORY); /* its lines went too */
    well(guest_commit(guest));
    assert_int_equal(guest_pages(guest), 4);
    well(guest_check(guest));
    stop(&f);
    guest_outcome_free(&outcome);
    guest_free(guest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memories_behind_a_shared_guest_count_what_one_with_its_own_counts),
        cmocka_unit_test(looking_ahead_changes_nothing_that_a_memory_sees),
        cmocka_unit_test(a_reference_that_the_guest_has_not_seen_is_refused),
        cmocka_unit_test(memories_in_other_threads_replay_while_the_guest_looks_ahead),
        cmocka_unit_test(a_reference_over_two_pages_numbers_both_and_places_the_first),
        cmocka_unit_test(a_page_that_was_only_numbered_goes_without_a_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
