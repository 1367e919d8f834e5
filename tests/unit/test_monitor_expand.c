/* Runs of references, one by one: against the rule written plainly, in pieces of any size. */
#include "vmm-core/monitor/expand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LIST 400u
#define MOST 40000u

struct plain {
    uint64_t addr[MOST];
    uint8_t what[MOST];
    size_t count;
};

static uint32_t below(uint64_t *random, uint32_t limit)
{
    *random = *random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)((*random >> 33) % limit);
}

static size_t make_list(uint64_t *random, struct mips_reference *list)
{
    size_t made = 0;
    for (uint32_t i = below(random, 3); i > 0; i--) /* of a fetch of the list before */
        list[made++] = (struct mips_reference){0x5000 + 4 * i, MIPS_LOAD, 4, 0};
    while (made + 12 < LIST) {
        const uint16_t count = (uint16_t)(1 + below(random, below(random, 4) ? 9 : 120));
        list[made++] = (struct mips_reference){4 * below(random, 1u << 28), MIPS_FETCH,
                                               (uint8_t)(1 + below(random, 2)), count};
        for (uint32_t place = below(random, 4); place < count && made + 2 < LIST;
             place += 1 + below(random, 20))
            list[made++] = (struct mips_reference){below(random, 2) ? 0x7000 + below(random, 4096)
                                                                    : below(random, 1u << 31) * 2,
                                                   (uint8_t)(MIPS_LOAD + below(random, 2)), 4,
                                                   (uint16_t)place};
    }
    return made;
}

static void put(struct plain *out, uint64_t addr, uint32_t what)
{
    out->addr[out->count] = addr;
    out->what[out->count++] = (uint8_t)what;
}

static void expand_plainly(const struct mips_reference *list, size_t count, bool fetches,
                           uint32_t hidden, uint32_t mode, struct plain *out)
{
    out->count = 0;
    for (size_t i = 0; i < count;) {
        const struct mips_reference run =
            list[i].kind == MIPS_FETCH ? list[i++] : (struct mips_reference){.place = 0};
        if (run.place)
            mode = run.bytes == MIPS_USER ? 0 : 4;
        for (uint32_t place = 0; place < run.place || place == 0; place++) {
            if (fetches && run.place)
                put(out, run.address + 4 * place, mode);
            for (; i < count && list[i].kind != MIPS_FETCH && list[i].place == place; i++)
                if (list[i].address / MIPS_PAGE_BYTES != hidden)
                    put(out, list[i].address, list[i].kind | mode);
        }
    }
}

static void runs_become_references_in_order_in_pieces_of_any_size(void **state)
{
    (void)state;
    static struct mips_reference list[LIST];
    static struct plain plain;
    static uint64_t addr[MOST + EXPAND_SLACK];
    static uint8_t what[MOST + EXPAND_SLACK];
    uint64_t random = 7;
    for (unsigned round = 0; round < 2000; round++) {
        const size_t count = make_list(&random, list);
        struct expand expand = {.fetches = below(&random, 3) != 0,
                                .hidden = below(&random, 2) ? 7 : EXPAND_ALL,
                                .mode = below(&random, 2) ? 4 : 0};
        expand_plainly(list, count, expand.fetches, expand.hidden, expand.mode, &plain);
        expand_begin(&expand, list, count);
        size_t made = 0, some;
        do {
            const uint32_t room = 1 + below(&random, below(&random, 2) ? 20 : 5000);
            some = expand_some(&expand, addr + made, what + made, room);
            assert_true(some <= room);
            made += some;
        } while (some > 0);
        assert_int_equal(made, plain.count);
        assert_memory_equal(addr, plain.addr, made * sizeof *addr);
        assert_memory_equal(what, plain.what, made);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_become_references_in_order_in_pieces_of_any_size)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
