/* What the unit tests of the virtual CPU share: one on a small machine, and words run on it. */
#ifndef DISCO_TESTS_VCPU_FIXTURE_H
#define DISCO_TESTS_VCPU_FIXTURE_H

#include "tests/property/vcpu_machine.h"
#include "tests/unit/mips_fixture.h"

#define KERNEL   ABI_DIRECT_MAP
#define AT       0x3000u /* guest-physical, where programs are put */
#define ANY_USER 0x00400000u
#define EI(rt)   (0x41606020u | (rt) << 16)

#define STATUS_REG  12u, 0u
#define CAUSE_REG   13u, 0u
#define EPC_REG     14u, 0u
#define ENTRYHI_REG 10u, 0u

/* of a register that is a pair of numbers */
#define TO(rt, pair)               MTC0_PAIR(rt, pair)
#define FROM(rt, pair)             MFC0_PAIR(rt, pair)
#define MTC0_PAIR(rt, reg, select) MTC0(rt, reg, select)
#define MFC0_PAIR(rt, reg, select) MFC0(rt, reg, select)

static inline int start_vm(void **state)
{
    *state = vm_new((struct vcpu_options){0}, KERNEL + AT);
    return 0;
}

static inline int start_with_second_level(void **state)
{
    *state = vm_new((struct vcpu_options){.second_level_entries = 64, .second_level_ways = 2},
                    KERNEL + AT);
    return 0;
}

static uint32_t hal_wanted;
static inline int start_with_hal(void **state)
{
    *state = vm_new((struct vcpu_options){.hal = &hal_wanted, .patch = true}, KERNEL + AT);
    return 0;
}

static inline int stop_vm(void **state)
{
    vm_free(*state);
    return 0;
}

static inline void put_words(struct vm *vm, uint32_t at, const uint32_t *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        vm_put(vm, at + 4 * (uint32_t)i, words[i]);
}
#define PUT(vm, at, ...)                                                                           \
    put_words(vm, at, (const uint32_t[]){__VA_ARGS__}, sizeof(uint32_t[]){__VA_ARGS__} / 4)

static inline struct mips_state *state_of(struct vm *vm)
{
    return mips_state(vm->cpu);
}

static inline enum vcpu_stop go(struct vm *vm, uint64_t instructions, const uint32_t *words,
                                size_t count)
{
    put_words(vm, AT, words, count);
    state_of(vm)->pc = KERNEL + AT;
    return vcpu_run(vm->vcpu, instructions);
}
/* The words from AT on, so many instructions of them. */
#define GO(vm, instructions, ...)                                                                  \
    go(vm, instructions, (const uint32_t[]){__VA_ARGS__}, sizeof(uint32_t[]){__VA_ARGS__} / 4)

static inline uint32_t cp0(const struct vm *vm, unsigned reg, unsigned select)
{
    return vcpu_cp0(vm->vcpu, reg, select);
}

static inline unsigned code_of(const struct vm *vm)
{
    return (cp0(vm, CAUSE_REG) & CAUSE_CODE) >> CAUSE_CODE_SHIFT;
}

/* Writes a pair of user pages, PPN `ppn` and the next, by TLBWI or TLBWR. */
static inline void guest_maps(struct vm *vm, uint32_t how, uint32_t index, uint32_t address,
                              uint32_t ppn, uint32_t flags)
{
    uint32_t *const r = vcpu_registers(vm->vcpu);
    r[20] = index;
    r[21] = address;
    r[22] = ppn << ENTRYLO_PFN_SHIFT | flags;
    r[23] = (ppn + 1) << ENTRYLO_PFN_SHIFT | flags;
    assert_int_equal(GO(vm, 5, MTC0(20u, 0u, 0u), TO(21u, ENTRYHI_REG), MTC0(22u, 2u, 0u),
                        MTC0(23u, 3u, 0u), how),
                     VCPU_STOP_LIMIT);
}

/* The exception that a load of the kernel raises at an address; -1: none. */
static inline int load_at(struct vm *vm, uint32_t address)
{
    uint32_t *const r = vcpu_registers(vm->vcpu);
    r[20] = address;
    r[21] = 0;
    GO(vm, 4, TO(0u, CAUSE_REG), TO(0u, STATUS_REG), LW(22u, 0u, 20u), ADDIU(21u, 0u, 1u));
    return r[21] ? -1 : (int)code_of(vm);
}

#define TEST(name)   cmocka_unit_test_setup_teardown(name, start_vm, stop_vm)
#define SECOND(name) cmocka_unit_test_setup_teardown(name, start_with_second_level, stop_vm)
#define HAL(name)    cmocka_unit_test_setup_teardown(name, start_with_hal, stop_vm)

#endif
