/* The virtual CPU's memory: the virtual and the second-level TLB, pages that move or have copies, LL and SC, and the page of
 * registers. Random sequences are in tests/property/prop_vcpu_tlb.c. */
#include "tests/unit/vcpu_fixture.h"

/* ------------------------------------------------------------------------------ the TLB */

static void a_guests_page_is_its_machines_page(void **state)
{
    struct vm *const vm = *state;
    guest_maps(vm, TLBWI, 5, ANY_USER | 7, 20, ENTRYLO_V | ENTRYLO_D);
    assert_int_equal(vm->asid, 7);
    assert_int_equal(vm->asid_changes, 1);
    assert_int_equal(vm->tlb_writes, 1);
    assert_int_equal(vm->last_entry.entry_hi, ANY_USER | 7);
    vm_put(vm, 21 * 4096 + 8, 0xcafe);
    assert_int_equal(load_at(vm, ANY_USER + 4096 + 8), -1);
    assert_int_equal(vcpu_registers(vm->vcpu)[22], 0xcafe);
    assert_int_equal(load_at(vm, ANY_USER + 8192), MIPS_EXCEPTION_TLB_LOAD);
    assert_int_equal(vcpu_pc(vm->vcpu) & 0xfff, 4); /* the refill vector, and a word there */
    assert_int_equal(cp0(vm, 8, 0), ANY_USER + 8192);
    assert_int_equal(cp0(vm, ENTRYHI_REG), (ANY_USER + 8192) | 7);
    assert_int_equal(cp0(vm, 4, 0), (ANY_USER + 8192) >> 9);
}

static void large_pages_are_filled_by_pairs(void **state)
{
    struct vm *const vm = *state;
    uint32_t *const r = vcpu_registers(vm->vcpu);
    r[8] = 0x6000; /* 16 KiB */
    GO(vm, 1, MTC0(8u, 5u, 0u));
    guest_maps(vm, TLBWI, 1, ANY_USER, 16, ENTRYLO_V);
    for (uint32_t page = 0; page < 4; page++) {
        vm_put(vm, (16 + page) * 4096, 0x1000 + page);
        assert_int_equal(load_at(vm, ANY_USER + page * 4096), -1);
        assert_int_equal(r[22], 0x1000 + page);
    }
    assert_int_equal(load_at(vm, ANY_USER + 8 * 4096), MIPS_EXCEPTION_TLB_LOAD);
    guest_maps(vm, TLBWI, 1, ANY_USER + 0x10000, 16, ENTRYLO_V);
    assert_int_equal(load_at(vm, ANY_USER), MIPS_EXCEPTION_TLB_LOAD);
}

static void two_entries_for_one_address_are_a_machine_check_of_the_guest(void **state)
{
    struct vm *const vm = *state;
    guest_maps(vm, TLBWI, 5, ANY_USER, 20, ENTRYLO_V);
    guest_maps(vm, TLBWI, 6, ANY_USER, 20, ENTRYLO_V);
    assert_int_equal(code_of(vm), MIPS_EXCEPTION_MACHINE_CHECK);
    assert_int_equal(vcpu_pc(vm->vcpu), KERNEL + 0x180);
    assert_true(cp0(vm, STATUS_REG) & STATUS_TS);
    assert_int_equal(vm->tlb_writes, 1);
}

static void what_an_indexed_write_overwrites_is_gone(void **state)
{
    struct vm *const vm = *state;
    guest_maps(vm, TLBWI, 5, ANY_USER, 20, ENTRYLO_V);
    assert_int_equal(load_at(vm, ANY_USER), -1);
    guest_maps(vm, TLBWI, 5, ANY_USER + 0x8000, 24, ENTRYLO_V);
    assert_int_equal(load_at(vm, ANY_USER), MIPS_EXCEPTION_TLB_LOAD);
}

static void the_second_level_keeps_what_a_random_write_overwrites(void **state)
{
    struct vm *const vm = *state;
    uint32_t *const r = vcpu_registers(vm->vcpu);
    r[8] = 63; /* Wired: Random is 63 */
    GO(vm, 1, MTC0(8u, 6u, 0u));
    guest_maps(vm, TLBWR, 0, ANY_USER, 20, ENTRYLO_V);
    guest_maps(vm, TLBWR, 0, ANY_USER + 0x8000, 24, ENTRYLO_V);
    assert_int_equal(vcpu_tlb(vm->vcpu)[63].entry_hi, ANY_USER + 0x8000);
    assert_int_equal(load_at(vm, ANY_USER), -1);
    /* until the guest asks its TLB for it */
    r[8] = ANY_USER;
    GO(vm, 3, TO(8u, ENTRYHI_REG), TLBP, MFC0(9u, 0u, 0u));
    assert_int_equal(r[9], INDEX_PROBE_FAILURE);
    assert_int_equal(load_at(vm, ANY_USER), MIPS_EXCEPTION_TLB_LOAD);
    assert_int_equal(load_at(vm, ANY_USER + 0x8000), -1);
    /* or the monitor is told to forget the space */
    guest_maps(vm, TLBWR, 0, ANY_USER, 20, ENTRYLO_V);
    vcpu_forget_space(vm->vcpu, 0);
    assert_int_equal(load_at(vm, ANY_USER + 0x8000), MIPS_EXCEPTION_TLB_LOAD);
    assert_int_equal(load_at(vm, ANY_USER), -1); /* the virtual TLB has it still */
}

static void an_invalid_page_of_the_second_level_alone_is_a_refill(void **state)
{
    struct vm *const vm = *state;
    uint32_t *const r = vcpu_registers(vm->vcpu);
    r[8] = 63;
    GO(vm, 1, MTC0(8u, 6u, 0u));
    guest_maps(vm, TLBWR, 0, ANY_USER, 20, ENTRYLO_V); /* not writable */
    r[24] = ANY_USER;
    GO(vm, 1, SW(0u, 0u, 24u));
    assert_int_equal(code_of(vm), MIPS_EXCEPTION_TLB_MODIFIED);
    assert_int_equal(vcpu_pc(vm->vcpu), KERNEL + 0x180);
    GO(vm, 1, TO(0u, STATUS_REG));
    guest_maps(vm, TLBWR, 0, ANY_USER + 0x8000, 24, ENTRYLO_V);
    r[24] = ANY_USER;
    GO(vm, 1, SW(0u, 0u, 24u));
    assert_int_equal(code_of(vm), MIPS_EXCEPTION_TLB_STORE);
    assert_int_equal(vcpu_pc(vm->vcpu), KERNEL);
}

static void a_moved_page_is_found_after_its_shootdown_and_not_without(void **state)
{
    struct vm *const vm = *state;
    assert_int_equal(load_at(vm, KERNEL + 30 * 4096), -1);
    vm_move(vm, 30, 100, true);
    vm_put(vm, 30 * 4096, 0x77);
    assert_int_equal(load_at(vm, KERNEL + 30 * 4096), -1);
    assert_int_equal(vcpu_registers(vm->vcpu)[22], 0x77);
    vm_move(vm, 30, 101, false);
    vm_put(vm, 30 * 4096, 0x78);
    load_at(vm, KERNEL + 30 * 4096);
    assert_int_equal(vcpu_registers(vm->vcpu)[22], 0x77);
}

static void a_store_to_a_page_with_replicas_asks_again(void **state)
{
    struct vm *const vm = *state;
    vm->read_only[30] = true;
    assert_int_equal(load_at(vm, KERNEL + 30 * 4096), -1);
    assert_int_equal(vm->collapses, 0);
    vcpu_registers(vm->vcpu)[24] = KERNEL + 30 * 4096;
    vcpu_registers(vm->vcpu)[25] = 0x99;
    GO(vm, 1, SW(25u, 4u, 24u));
    assert_int_equal(vm->collapses, 1);
    assert_int_equal(vm_get(vm, 30 * 4096 + 4), 0x99);
    assert_int_equal(vcpu_pc(vm->vcpu), KERNEL + AT + 4);
}

static void a_store_that_the_guest_forbids_collapses_nothing(void **state)
{
    struct vm *const vm = *state;
    const uint32_t stores[] = {SW(25u, 0u, 24u), SC(25u, 0u, 24u)};
    guest_maps(vm, TLBWI, 5, ANY_USER, 20, ENTRYLO_V);
    for (unsigned filled = 0; filled < 2; filled++)
        for (unsigned i = 0; i < 2; i++) {
            if (filled)
                assert_int_equal(load_at(vm, ANY_USER), -1);
            vm->read_only[20] = true;
            vcpu_registers(vm->vcpu)[24] = ANY_USER;
            GO(vm, 2, TO(0u, STATUS_REG), stores[i]);
            assert_int_equal(code_of(vm), MIPS_EXCEPTION_TLB_MODIFIED);
            assert_true(vm->read_only[20]);
            mips_tlb_clear(vm->cpu);
        }
}

/* ------------------------------------------------------------------------------ LL and SC */

static void a_link_survives_traps_and_ends_with_eret(void **state)
{
    struct vm *const vm = *state;
    uint32_t *const r = vcpu_registers(vm->vcpu);
    r[8] = KERNEL + 0x6000;
    r[10] = KERNEL + AT + 12;
    GO(vm, 3, LL(9u, 0u, 8u), FROM(11u, STATUS_REG), SC(10u, 0u, 8u));
    assert_int_equal(r[10], 1);
    r[10] = KERNEL + AT + 12;
    GO(vm, 4, LL(9u, 0u, 8u), TO(10u, EPC_REG), ERET, SC(10u, 0u, 8u));
    assert_int_equal(r[10], 0);
    GO(vm, 1, LL(9u, 0u, 8u));
    vcpu_unlink(vm->vcpu);
    GO(vm, 1, SC(10u, 0u, 8u));
    assert_int_equal(r[10], 0);
}

static void a_link_goes_with_its_page_when_replicas_give_way(void **state)
{
    struct vm *const vm = *state;
    uint32_t *const r = vcpu_registers(vm->vcpu);
    r[8] = KERNEL + 0x6000;
    for (unsigned between = 0; between < 2; between++) {
        vm->read_only[6] = true;
        vm->master[6] = 100 + between;
        memcpy(vm_frame(vm, vm->master[6]), vm_frame(vm, vm->frame[6]), MIPS_PAGE_BYTES);
        mips_tlb_clear(vm->cpu);
        r[10] = 7;
        GO(vm, 3, LL(9u, 0u, 8u), between ? SW(10u, 64u, 8u) : NOP, SC(10u, 0u, 8u));
        assert_int_equal(r[10], 1);
        assert_int_equal(vm->frame[6], 100 + between);
        assert_int_equal(vm_get(vm, 0x6000), 7);
    }
    assert_int_equal(vm->collapses, 2);
}

/* ------------------------------------------------------------------------------ the page of registers */

static void the_page_of_registers_says_what_mfc0_would(void **state)
{
    struct vm *const vm = *state;
    uint32_t *const r = vcpu_registers(vm->vcpu);
    r[8] = 0x5555;
    GO(vm, 4, EI(0u), TO(8u, EPC_REG), LW(9u, ABI_HAL_PAGE + ABI_HAL_EPC, 0u),
       LW(10u, ABI_HAL_PAGE + ABI_HAL_STATUS, 0u));
    assert_int_equal(r[9], 0x5555);
    assert_int_equal(r[10], STATUS_IE);
    assert_int_equal(code_of(vm), 0);
    /* it is not to be stored to */
    GO(vm, 1, SW(8u, ABI_HAL_PAGE, 0u));
    assert_int_equal(code_of(vm), MIPS_EXCEPTION_TLB_STORE);
}

static void the_page_of_registers_stands_beside_a_page_of_the_guest(void **state)
{
    struct vm *const vm = *state;
    uint32_t *const r = vcpu_registers(vm->vcpu);
    vm_put(vm, 20 * 4096, 0xcafe);
    for (uint32_t asid = 0; asid < 4; asid++) {
        /* global or not, filled for itself or for the registers */
        guest_maps(vm, TLBWI, 3, 0x6000 | asid, 20, ENTRYLO_V | (asid & 1 ? ENTRYLO_G : 0));
        r[8] = 0x1000 + asid;
        r[9] = 0x6000;
        const uint32_t page = LW(10u, 0u, 9u), shown = LW(11u, ABI_HAL_PAGE + ABI_HAL_EPC, 0u);
        GO(vm, 3, TO(8u, EPC_REG), asid & 2 ? page : shown, asid & 2 ? shown : page);
        assert_int_equal(r[10], 0xcafe);
        assert_int_equal(r[11], 0x1000 + asid);
        assert_int_equal(cp0(vm, STATUS_REG), 0);
    }
}

static void reads_of_such_registers_are_rewritten_at_their_first_trap(void **state)
{
    struct vm *const vm = *state;
    uint32_t *const r = vcpu_registers(vm->vcpu);
    r[8] = 0x5555;
    GO(vm, 3, TO(8u, EPC_REG), FROM(9u, EPC_REG), MFC0(10u, 15u, 0u));
    assert_int_equal(r[9], 0x5555);
    assert_int_equal(vm->patches, 1);
    assert_int_equal(vm_get(vm, AT + 4), LW(9u, ABI_HAL_PAGE + ABI_HAL_EPC, 0u));
    r[8] = 0x6666;
    state_of(vm)->pc = KERNEL + AT;
    const uint64_t emulated = vcpu_services(vm->vcpu)[VCPU_PRIVILEGED];
    vcpu_run(vm->vcpu, 3);
    assert_int_equal(r[9], 0x6666);
    assert_int_equal(vcpu_services(vm->vcpu)[VCPU_PRIVILEGED] - emulated, 2);
    assert_int_equal(vcpu_services(vm->vcpu)[VCPU_PATCHED], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_guests_page_is_its_machines_page),
        TEST(large_pages_are_filled_by_pairs),
        TEST(two_entries_for_one_address_are_a_machine_check_of_the_guest),
        TEST(what_an_indexed_write_overwrites_is_gone),
        SECOND(what_an_indexed_write_overwrites_is_gone),
        SECOND(the_second_level_keeps_what_a_random_write_overwrites),
        SECOND(an_invalid_page_of_the_second_level_alone_is_a_refill),
        TEST(a_moved_page_is_found_after_its_shootdown_and_not_without),
        TEST(a_store_to_a_page_with_replicas_asks_again),
        TEST(a_store_that_the_guest_forbids_collapses_nothing),
        TEST(a_link_survives_traps_and_ends_with_eret),
        TEST(a_link_goes_with_its_page_when_replicas_give_way),
        HAL(the_page_of_registers_says_what_mfc0_would),
        HAL(the_page_of_registers_stands_beside_a_page_of_the_guest),
        HAL(reads_of_such_registers_are_rewritten_at_their_first_trap),
    };
    return cmocka_run_group_tests_name("vcpu_tlb", tests, NULL, NULL);
}
