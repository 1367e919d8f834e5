/* A monitor that keeps real bytes for machine pages: whatever a policy does, a load sees the last store.
 *
 * The monitor here is the smallest that there is. CPUs run one after the other, each for a slice of loads
 * and stores on the bytes of frames, by translations that each CPU keeps; then the slice is fed to the
 * memory subsystem, whose hooks move bytes and void translations. A store to a page with replicas before
 * the feed drops all translations of the page, and until the feed everyone uses its master. Pages are
 * zeroed, freed, written by devices and mapped by TLB writes in between. A second test leaves out what
 * the hooks say, one after the other, and must then see wrong bytes. DISCO_SEED repeats a run,
 * DISCO_RUNS sets their number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "replayer/report/registry.h"
#include "vmm-core/memory/guest-writes.h"
#include "vmm-core/memory/memory.h"

#define PAGE       UINT64_C(4096)
#define WORDS      8u /* of a page that are looked at */
#define CPUS       4u
#define NODES      3u
#define FRAMES     14u /* a node */
#define PPNS       20u
#define USER_VPN   0x400u
#define USER_PAGES 6u
#define SPACES     3u /* the first is the physical one */
#define SLICE      40u
#define SLICES     400u

/* What the monitor does not hear. */
enum deafness { HEARS_ALL, NOT_REMAPPED, NOT_COPIED };

struct translation {
    bool valid, writable;
    uint32_t frame;
};

struct toy {
    uint64_t random;
    enum deafness deafness;
    struct memory *memory;
    uint32_t bytes[NODES * FRAMES][WORDS];
    bool owned[NODES * FRAMES];         /* frames that hold a page */
    struct translation tlb[CPUS][PPNS]; /* by page number: pages are numbered by first touch */
    bool early[PPNS];                 /* collapsed by the monitor, before memory has heard of it */
    uint32_t truth[PPNS][WORDS];      /* by PPN: what was stored last */
    bool touched[PPNS];               /* by PPN: it holds what truth says */
    uint32_t ppn[SPACES][USER_PAGES]; /* of user pages; UINT32_MAX: not mapped */
    uint64_t addr[SLICE];
    uint8_t what[SLICE];
    uint32_t pending, cpu, space;
    uint64_t wrong; /* loads that saw something else */
    uint32_t serial;
};

static uint64_t below(struct toy *toy, uint64_t limit)
{
    toy->random = toy->random * 6364136223846793005u + 1442695040888963407u;
    return (toy->random >> 33) % limit;
}

static void well(char *error)
{
    if (error)
        fail_msg("%s", error);
}

/* ---- the hooks ----------------------------------------------------------------------------------------- */

static void placed(void *context, uint32_t page, uint32_t frame, uint32_t node)
{
    struct toy *const toy = context;
    assert_true(page < PPNS && frame < NODES * FRAMES && node < NODES);
    assert_false(toy->owned[frame]);
    toy->owned[frame] = true;
}

static void copied(void *context, uint32_t page, uint32_t from, uint32_t to, uint32_t to_node)
{
    struct toy *const toy = context;
    assert_true(page < PPNS && to_node < NODES && toy->owned[from] && from != to);
    toy->owned[to] = true;
    if (toy->deafness != NOT_COPIED)
        memcpy(toy->bytes[to], toy->bytes[from], sizeof toy->bytes[to]);
}

static void freed(void *context, uint32_t frame)
{
    struct toy *const toy = context;
    assert_true(toy->owned[frame]);
    toy->owned[frame] = false;
    memset(toy->bytes[frame], 0xEE, sizeof toy->bytes[frame]);
}

static void remapped(void *context, uint32_t page)
{
    struct toy *const toy = context;
    for (uint32_t cpu = 0; cpu < CPUS && toy->deafness != NOT_REMAPPED; cpu++)
        toy->tlb[cpu][page].valid = false;
}

/* ---- the monitor --------------------------------------------------------------------------------------- */

static void feed(struct toy *toy)
{
    if (!toy->pending)
        return;
    well(memory_dispatch(toy->memory, toy->cpu, toy->cpu, toy->space));
    well(memory_references(toy->memory, toy->cpu, toy->addr, toy->what, toy->pending));
    toy->pending = 0;
    for (uint32_t page = 0; page < PPNS; page++) {
        for (uint32_t cpu = 0; cpu < CPUS && toy->early[page]; cpu++)
            toy->tlb[cpu][page].valid = false;
        toy->early[page] = false;
    }
}

static uint32_t *master(struct toy *toy, uint32_t page)
{
    uint32_t frame = 0;
    assert_true(memory_frame(toy->memory, page, memory_page(toy->memory, page).home, &frame, NULL));
    return toy->bytes[frame];
}

static uint32_t page_of(const struct toy *toy, uint32_t ppn)
{
    return memory_find(toy->memory, 0, GUEST_DIRECT_VPN + ppn);
}

/* The page is there: the guest may touch it. */
static void make_present(struct toy *toy, uint32_t ppn)
{
    if (toy->touched[ppn])
        return;
    feed(toy);
    well(memory_zero(toy->memory, toy->cpu, 0, GUEST_DIRECT_VPN + ppn));
    memset(master(toy, page_of(toy, ppn)), 0, sizeof toy->bytes[0]);
    memset(toy->truth[ppn], 0, sizeof toy->truth[ppn]);
    toy->touched[ppn] = true;
}

static struct translation translate(struct toy *toy, uint32_t page, bool store)
{
    struct translation *const it = &toy->tlb[toy->cpu][page];
    if (it->valid && (it->writable || !store))
        return *it;
    bool replicated = false;
    assert_true(memory_frame(toy->memory, page, toy->cpu % NODES, &it->frame, &replicated));
    if (replicated && store && !toy->early[page]) {
        for (uint32_t cpu = 0; cpu < CPUS; cpu++)
            toy->tlb[cpu][page].valid = false;
        toy->early[page] = true;
    }
    if (toy->early[page])
        (void)memory_frame(toy->memory, page, memory_page(toy->memory, page).home, &it->frame,
                           NULL);
    it->writable = !replicated || toy->early[page];
    it->valid = true;
    return *it;
}

static void refer(struct toy *toy)
{
    const bool user = below(toy, 2) != 0;
    const uint32_t at = (uint32_t)below(toy, user ? USER_PAGES : PPNS);
    const uint32_t ppn = user ? toy->ppn[toy->space][at] : at;
    if (ppn == UINT32_MAX)
        return;
    make_present(toy, ppn);
    const uint64_t vpn = user ? USER_VPN + at : GUEST_DIRECT_VPN + at;
    const uint32_t page = page_of(toy, ppn);
    assert_int_equal(page, memory_find(toy->memory, toy->space, vpn));
    const uint32_t word = (uint32_t)below(toy, WORDS);
    const bool store = below(toy, 6) == 0;
    uint32_t *const bytes = toy->bytes[translate(toy, page, store).frame];
    if (store)
        bytes[word] = toy->truth[ppn][word] = ++toy->serial;
    else
        toy->wrong += bytes[word] != toy->truth[ppn][word];
    toy->addr[toy->pending] = vpn * PAGE + 4 * word;
    toy->what[toy->pending++] = store ? 2 : 1; /* memory.h: a store, a load */
}

/* A device writes pages in a row. */
static void device(struct toy *toy, uint32_t ppn, uint32_t pages)
{
    pages = pages < PPNS - ppn ? pages : PPNS - ppn;
    well(memory_dma(toy->memory, toy->cpu, 0, GUEST_DIRECT_VPN + ppn, pages, false));
    for (uint32_t end = ppn + pages; ppn < end; ppn++) {
        uint32_t *const bytes = master(toy, page_of(toy, ppn));
        for (uint32_t word = 0; word < WORDS; word++)
            bytes[word] = toy->truth[ppn][word] = ++toy->serial;
        toy->touched[ppn] = true;
    }
}

static void between_slices(struct toy *toy)
{
    const uint32_t ppn = (uint32_t)below(toy, PPNS);
    switch (below(toy, 6)) {
    case 0:
        well(memory_free_page(toy->memory, toy->cpu, 0, GUEST_DIRECT_VPN + ppn));
        toy->touched[ppn] = false;
        break;
    case 1:
        device(toy, ppn, (uint32_t)below(toy, 3));
        break;
    case 2:
        toy->touched[ppn] = false; /* zeroed once more */
        make_present(toy, ppn);
        break;
    default: {
        const uint32_t space = (uint32_t)below(toy, SPACES);
        const uint32_t pair = (uint32_t)below(toy, USER_PAGES / 2);
        const uint32_t other = (uint32_t)below(toy, PPNS);
        well(memory_tlb_write(toy->memory, space, 0, (USER_VPN + 2 * pair) * PAGE,
                              (uint64_t)ppn << 6 | 6, (uint64_t)other << 6 | 6, 0));
        toy->ppn[space][(size_t)2 * pair] = ppn;
        toy->ppn[space][2 * pair + 1] = other;
    }
    }
}

/* ---- runs ---------------------------------------------------------------------------------------------- */

static const char machine_text[] =
    "{\"page_size\": 4096, \"nodes\": [{\"cpus\": [0, 3], \"memory\": \"56K\"},"
    " {\"cpus\": [1], \"memory\": \"56K\"}, {\"cpus\": [2], \"memory\": \"56K\"}],"
    " \"latency_ns\": [[100, 300, 400], [300, 100, 300], [400, 300, 100]],"
    " \"tlb\": {\"entries\": 8, \"pages_per_entry\": 2, \"refill\": \"software\"}}";

/* Loads that saw wrong bytes. */
static uint64_t run(const struct machine *machine, const struct policy_choice *choice,
                    uint64_t seed, enum deafness deafness)
{
    struct toy *const toy = calloc(1, sizeof *toy);
    assert_non_null(toy);
    toy->random = seed;
    toy->deafness = deafness;
    const struct memory_frames frames = {
        .context = toy, .placed = placed, .copied = copied, .freed = freed, .remapped = remapped};
    const struct memory_options options = {.machine = machine,
                                           .policy = choice->policy,
                                           .param = choice->param,
                                           .seed = seed,
                                           .frames = &frames,
                                           .guest_refills = true,
                                           .epoch_references = 500,
                                           .check_every = 211};
    memset(toy->ppn, 0xFF, sizeof toy->ppn);
    well(memory_new(&options, &toy->memory));
    for (uint32_t space = 1; space < SPACES; space++)
        well(memory_share(toy->memory, 0, GUEST_DIRECT_BASE, space, GUEST_DIRECT_BASE, 0x20000000));
    for (uint32_t slice = 0; slice < SLICES; slice++) {
        toy->cpu = (uint32_t)below(toy, CPUS);
        toy->space = (uint32_t)below(toy, SPACES);
        while (toy->pending < SLICE && below(toy, 60) != 0)
            refer(toy);
        feed(toy);
        if (below(toy, 2) == 0)
            between_slices(toy);
    }
    memory_finish(toy->memory);
    well(memory_check(toy->memory));
    uint64_t owned = 0;
    uint64_t used = 0;
    for (uint32_t frame = 0; frame < NODES * FRAMES; frame++)
        owned += toy->owned[frame];
    for (uint32_t node = 0; node < NODES; node++)
        used += memory_node(toy->memory, node).frames_used;
    assert_int_equal(owned, used);
    const uint64_t wrong = toy->wrong;
    memory_free(toy->memory);
    free(toy);
    return wrong;
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *const text = getenv(name); /* NOLINT(concurrency-mt-unsafe): one thread */
    return text ? strtoull(text, NULL, 10) : otherwise;
}

struct setting {
    struct machine *machine;
    struct registry *registry;
    struct policy_choices choices;
};

static int open_setting(void **state)
{
    struct setting *const setting = calloc(1, sizeof *setting);
    assert_non_null(setting);
    well(machine_parse("toy", machine_text, strlen(machine_text), &setting->machine));
    well(registry_open(&setting->registry));
    well(registry_choose(setting->registry, "chaos:period=5,chaos:period=60,migrate:trigger=6",
                         &setting->choices));
    *state = setting;
    return 0;
}

static int close_setting(void **state)
{
    struct setting *const setting = *state;
    policy_choices_free(&setting->choices);
    registry_free(setting->registry);
    machine_free(setting->machine);
    free(setting);
    return 0;
}

static void every_load_sees_the_last_store(void **state)
{
    const struct setting *const setting = *state;
    const uint64_t only = from_environment("DISCO_SEED", 0);
    const uint64_t runs = from_environment("DISCO_RUNS", 4000) / 200;
    for (uint64_t seed = only ? only : 1; seed <= (only ? only : runs); seed++) {
        for (size_t policy = 0; policy < setting->choices.count; policy++) {
            const uint64_t wrong =
                run(setting->machine, &setting->choices.choice[policy], seed, HEARS_ALL);
            if (wrong)
                fail_msg("DISCO_SEED=%llu: %s: %llu loads saw something else than the last store",
                         (unsigned long long)seed, setting->choices.choice[policy].label,
                         (unsigned long long)wrong);
        }
    }
}

static void a_monitor_that_does_not_hear_of_remapped_pages_computes_nonsense(void **state)
{
    const struct setting *const setting = *state;
    for (size_t policy = 0; policy < setting->choices.count; policy++)
        assert_int_not_equal(run(setting->machine, &setting->choices.choice[policy], 1,
                                 NOT_REMAPPED),
                             0);
}

static void so_does_one_that_does_not_copy(void **state)
{
    const struct setting *const setting = *state;
    for (size_t policy = 0; policy < setting->choices.count; policy++)
        assert_int_not_equal(run(setting->machine, &setting->choices.choice[policy], 1, NOT_COPIED),
                             0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_setting, close_setting)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_load_sees_the_last_store),
        TEST(a_monitor_that_does_not_hear_of_remapped_pages_computes_nonsense),
        TEST(so_does_one_that_does_not_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
