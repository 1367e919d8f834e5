/* The consistency checker can fail: each structure is damaged in turn, and the damage is named. */
#include "tests/unit/memory_fixture.h"

/* Page 0 at home on node 0 with a replica on node 1, page 1 on node 1 alone, page 2 given back;
 * CPUs 0 to 2 map page 0, CPU 1 maps page 1. */
static void set_up(struct fixture *f)
{
    prepare(f);
    f->machine.tlb.pages_per_entry = 2;
    start(f);
    load(f, 0, 10);
    load(f, 1, 20);
    load(f, 3, 30);
    well(memory_unmap(f->memory, 0, 30 * PAGE, 31 * PAGE));
    assert_int_equal(replicate(f, 0, 1), POLICY_DONE);
    load(f, 0, 10);
    load(f, 1, 10);
    load(f, 2, 10);
    well(memory_share(f->memory, 0, 40 * PAGE, 1, 50 * PAGE, 4 * PAGE));
    well(memory_check(f->memory));
}

static void expect(struct fixture *f, const char *named)
{
    char *const error = memory_check(f->memory);
    if (!error)
        fail_msg("the checker sees nothing, but \"%s\"", named);
    else if (!strstr(error, named))
        fail_msg("the checker says \"%s\", not \"%s\"", error, named);
    free(error);
    memory_free(f->memory);
}

static struct tlb_half *half_of(struct tlb *tlb, uint64_t vpn)
{
    uint32_t entry = 0;
    struct tlb_half *const half = tlb_lookup(tlb, 0, vpn, &entry);
    assert_non_null(half);
    return half;
}

static struct fast_entry *fast_of(struct fixture *f, uint32_t cpu, uint64_t vpn)
{
    struct fast_entry *const entry = &f->memory->cpu[cpu]->fast[fast_index(f->memory, vpn)];
    assert_int_equal(entry->vpn, vpn);
    return entry;
}

static void frames_with_a_wrong_owner_are_named(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    f.memory->frame[f.memory->page[0].master].page = 1;
    expect(&f, "whose owner is page 1");
    set_up(&f);
    f.memory->page[0].master = f.memory->page[1].master;
    expect(&f, "page 0: its master is frame");
    set_up(&f);
    f.memory->page[0].master = 999;
    expect(&f, "does not exist");
    set_up(&f);
    f.memory->page[0].home = 3;
    expect(&f, "its home is node 3");
}

static void lost_and_doubly_used_frames_are_named(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    f.memory->node[3].free = MEMORY_NONE;
    expect(&f, "lost");
    set_up(&f);
    f.memory->frame[f.memory->node[3].free].page = f.memory->node[3].free;
    expect(&f, "twice on free lists");
    set_up(&f);
    f.memory->node[2].free = f.memory->page[0].master;
    expect(&f, "but page 0 owns it");
    set_up(&f);
    f.memory->node[2].free = f.memory->node[3].free;
    f.memory->node[3].free = MEMORY_NONE;
    expect(&f, "on the free list of node 2");
    set_up(&f);
    f.memory->page[2].master = f.memory->node[3].free;
    expect(&f, "nothing maps it, but it has frames");
}

static void wrong_counts_of_frames_are_named(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    f.memory->node[1].used++;
    expect(&f, "frames in use, counted");
    set_up(&f);
    f.memory->node[1].replicas++;
    expect(&f, "replicas, counted 2");
    set_up(&f);
    f.memory->node[1].oldest = MEMORY_NONE;
    expect(&f, "list of replicas has 0 of 1");
    set_up(&f);
    f.memory->node[2].fresh++;
    expect(&f, "node 2");
}

static void replicas_that_pmap_and_memmap_see_differently_are_named(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    f.memory->frame[f.memory->copy[pmap_copies(f.memory, 0)].frame].use = FRAME_MASTER;
    expect(&f, "disagree whether it is a replica");
    set_up(&f);
    f.memory->acted[f.memory->page[0].acted].copies = MEMORY_NONE;
    expect(&f, "lost");
    set_up(&f);
    f.memory->frame[f.memory->copy[pmap_copies(f.memory, 0)].frame].node = 0;
    expect(&f, "two copies on node 0");
}

/* The guest's further mapping of page 1: space 1 shows it. */
static struct guest_extra *extra_of(struct fixture *f)
{
    well(memory_dispatch(f->memory, 4, 4, 1));
    load(f, 4, 51); /* a page of its own, shown in space 1 and touched there first */
    const uint32_t mapping = guest_find(f->memory->guest, 1, 51);
    assert_true(mapping != MEMORY_NONE && mapping & GUEST_EXTRA);
    well(memory_check(f->memory));
    return &f->memory->own->extra[mapping & ~GUEST_EXTRA];
}

static void mappings_without_backmap_or_slot_are_named(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    extra_of(&f)->page = 1;
    expect(&f, "leads to page 1");
    set_up(&f);
    extra_of(&f)->next = 1;
    expect(&f, "chained twice");
    set_up(&f);
    f.memory->own->page[0].vpn = 11;
    expect(&f, "space table does not lead to it");
    set_up(&f);
    f.memory->own->slots_used++;
    expect(&f, "mappings: 2 in use, counted 3");
    set_up(&f);
    extra_of(&f);
    f.memory->own->page[3].extras = 0;
    expect(&f, "not among the backmaps of page 3");
}

static void what_the_guest_remembers_wrongly_is_named(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    f.memory->own->memo[0][10].page = 1;
    expect(&f, "CPU 0: remembers page 1 for space 0 page 0xa");
    set_up(&f);
    f.memory->own->memo[3][30] = (struct guest_memo){.vpn = 30, .page = 2};
    expect(&f, "which is not mapped");
    set_up(&f);
    const uint64_t addr = 70 * PAGE;
    const uint8_t what = MEMORY_LOAD;
    well(guest_references(f.memory->own, 0, 0, &addr, &what, NULL, 1, NULL, 0));
    well(memory_check(f.memory));
    f.memory->own->pending[0].vpn = 10;
    expect(&f, "pending, and mapped already");
}

static void shares_out_of_order_are_named(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    well(memory_share(f.memory, 0, 40 * PAGE, 1, 60 * PAGE, 4 * PAGE));
    f.memory->own->share[0].pages = 11;
    expect(&f, "out of order");
    set_up(&f);
    f.memory->own->share[0].from = 1;
    f.memory->own->share[0].from_first = 50;
    expect(&f, "itself shown from elsewhere");
}

static void a_forgotten_shootdown_is_found_in_either_tlb(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    const struct tlb_half kept = *half_of(&f.memory->cpu[1]->tlb, 20);
    assert_int_equal(migrate(&f, 1, 2), POLICY_DONE);
    const uint32_t slot = tlb_slot(&f.memory->cpu[1]->tlb, 0, 20, NULL);
    const struct tlb_half halves[2] = {kept, {.page = MEMORY_NONE}};
    tlb_write(&f.memory->cpu[1]->tlb, slot, 0, 20, halves, 1); /* as if nobody had told CPU 1 */
    expect(&f, "CPU 1: its TLB maps page 1 to node 1, where it has no copy");
    set_up(&f);
    assert_int_equal(migrate(&f, 1, 2), POLICY_DONE);
    tlb_write(&f.memory->cpu[1]->l2tlb, tlb_slot(&f.memory->cpu[1]->l2tlb, 0, 20, NULL), 0, 20,
              halves, 1);
    expect(&f, "CPU 1: its second-level TLB maps page 1 to node 1");
}

static void tlb_entries_that_disagree_are_named(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    half_of(&f.memory->cpu[2]->tlb, 10)->writable = true;
    expect(&f, "maps page 0 writable, though it has replicas");
    set_up(&f);
    half_of(&f.memory->cpu[2]->tlb, 10)->page = 1;
    expect(&f, "the space table does not");
    set_up(&f);
    half_of(&f.memory->cpu[2]->l2tlb, 10)->node = 3;
    expect(&f, "second-level TLB maps page 0 to node 3");
    set_up(&f);
    uint32_t entry = 0;
    tlb_lookup(&f.memory->cpu[2]->tlb, 0, 10, &entry);
    f.memory->cpu[2]->tlb.space[entry] = 5;
    f.memory->keeps_spaces = false;
    expect(&f, "holds space 5, but space 0 runs");
    set_up(&f);
    half_of(&f.memory->cpu[2]->tlb, 10)->page = MEMORY_NONE;
    expect(&f, "in use with no valid page");
    set_up(&f);
    f.memory->cpu[2]->tlb.tag[entry] = TLB_EMPTY;
    f.memory->cpu[2]->tlb.used[0]--;
    expect(&f, "cannot be found by its tag");
    set_up(&f);
    f.memory->cpu[2]->tlb.used[0]++;
    expect(&f, "lost count of the entries in use");
}

static void fast_entries_that_disagree_are_named(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    fast_of(&f, 2, 10)->slow_kind = MEMORY_KIND_NONE;
    expect(&f, "fast table maps page 0 writable");
    set_up(&f);
    fast_of(&f, 2, 10)->node = 3;
    expect(&f, "fast table maps page 0 to node 3");
    set_up(&f);
    fast_of(&f, 2, 10)->stamp++;
    expect(&f, "otherwise than its TLB");
    set_up(&f);
    fast_of(&f, 2, 10)->trigger = 9;
    expect(&f, "has trigger 9");
    set_up(&f);
    fast_of(&f, 2, 10)->listed = false;
    expect(&f, "not listed");
    set_up(&f);
    tlb_flush(&f.memory->cpu[2]->tlb);
    expect(&f, "otherwise than its TLB");
}

static void sums_that_do_not_add_up_are_named(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    f.memory->cpu[0]->counters.loads++;
    expect(&f, "references are not fetches, loads and stores");
    set_up(&f);
    f.memory->cpu[0]->counters.local_accesses++;
    expect(&f, "references, but");
    set_up(&f);
    f.memory->cpu[0]->counters.clock_ps++;
    expect(&f, "do not add up to its clock");
    set_up(&f);
    f.memory->page[1].loads++;
    expect(&f, "but pages have");
    set_up(&f);
    f.memory->traffic_loads[3]++;
    expect(&f, "but the traffic is");
    set_up(&f);
    fast_of(&f, 2, 10)->counts++;
    expect(&f, "references, but");
}

static void the_checker_runs_as_often_as_asked_and_stops_the_run(void **state)
{
    (void)state;
    struct fixture f;
    prepare(&f);
    f.options.check_every = 3;
    start(&f);
    load(&f, 0, 1);
    f.memory->node[2].used++;
    load(&f, 0, 1);
    char *const error = try_one(&f, 0, 1, MEMORY_LOAD);
    assert_non_null(error);
    assert_non_null(strstr(error, "node 2"));
    free(error);
    memory_free(f.memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_with_a_wrong_owner_are_named),
        cmocka_unit_test(lost_and_doubly_used_frames_are_named),
        cmocka_unit_test(wrong_counts_of_frames_are_named),
        cmocka_unit_test(replicas_that_pmap_and_memmap_see_differently_are_named),
        cmocka_unit_test(mappings_without_backmap_or_slot_are_named),
        cmocka_unit_test(what_the_guest_remembers_wrongly_is_named),
        cmocka_unit_test(shares_out_of_order_are_named),
        cmocka_unit_test(a_forgotten_shootdown_is_found_in_either_tlb),
        cmocka_unit_test(tlb_entries_that_disagree_are_named),
        cmocka_unit_test(fast_entries_that_disagree_are_named),
        cmocka_unit_test(sums_that_do_not_add_up_are_named),
        cmocka_unit_test(the_checker_runs_as_often_as_asked_and_stops_the_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
