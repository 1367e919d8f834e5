/* The virtual CPU: privileged instructions, exceptions and interrupts, calls,
 * and what stops a guest. That all of it is what hardware does is
 * tests/property/prop_vcpu.c's to show; here is what hardware has not, and the
 * contract. */
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

static int start_vm(void **state)
{
    *state = vm_new((struct vcpu_options){0}, KERNEL + AT);
    return 0;
}

static int start_with_second_level(void **state)
{
    *state = vm_new((struct vcpu_options){.second_level_entries = 64, .second_level_ways = 2},
                    KERNEL + AT);
    return 0;
}

static uint32_t hal_wanted;
static int start_with_hal(void **state)
{
    *state = vm_new((struct vcpu_options){.hal = &hal_wanted, .patch = true}, KERNEL + AT);
    return 0;
}

static int stop_vm(void **state)
{
    vm_free(*state);
    return 0;
}

static void put_words(struct vm *vm, uint32_t at, const uint32_t *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        vm_put(vm, at + 4 * (uint32_t)i, words[i]);
}
#define PUT(vm, at, ...)                                                                           \
    put_words(vm, at, (const uint32_t[]){__VA_ARGS__}, sizeof(uint32_t[]){__VA_ARGS__} / 4)

static struct mips_state *state_of(struct vm *vm)
{
    return mips_state(vm->cpu);
}

static enum vcpu_stop go(struct vm *vm, uint64_t instructions, const uint32_t *words, size_t count)
{
    put_words(vm, AT, words, count);
    state_of(vm)->pc = KERNEL + AT;
    return vcpu_run(vm->vcpu, instructions);
}
/* The words from AT on, so many instructions of them. */
#define GO(vm, instructions, ...)                                                                  \
    go(vm, instructions, (const uint32_t[]){__VA_ARGS__}, sizeof(uint32_t[]){__VA_ARGS__} / 4)

static uint32_t cp0(const struct vm *vm, unsigned reg, unsigned select)
{
    return vcpu_cp0(vm->vcpu, reg, select);
}

static unsigned code_of(const struct vm *vm)
{
    return (cp0(vm, CAUSE_REG) & CAUSE_CODE) >> CAUSE_CODE_SHIFT;
}

/* ------------------------------------------------------------------------------ instructions */

static void privileged_instructions_act_on_the_virtual_registers(void **state)
{
    struct vm *const vm = *state;
    uint32_t *const r = vcpu_registers(vm->vcpu);
    r[8] = 0x12345678;
    assert_int_equal(GO(vm, 5, TO(8u, EPC_REG), FROM(9u, EPC_REG), MFC0(10u, 15u, 0u), EI(11u),
                        FROM(12u, STATUS_REG)),
                     VCPU_STOP_LIMIT);
    assert_int_equal(r[9], 0x12345678);
    assert_int_equal(r[10], 0x00019300);
    assert_int_equal(r[11], 0);
    assert_int_equal(r[12], STATUS_IE);
    assert_int_equal(vcpu_pc(vm->vcpu), KERNEL + AT + 20);
    assert_int_equal(vcpu_services(vm->vcpu)[VCPU_PRIVILEGED], 5);
    assert_int_equal(mips_instructions(vm->cpu), 5);
}

static void one_in_a_delay_slot_goes_where_the_branch_goes(void **state)
{
    struct vm *const vm = *state;
    uint32_t *const r = vcpu_registers(vm->vcpu);
    r[8] = 1;
    r[9] = 0;
    /* the slot changes the register that the branch has looked at */
    GO(vm, 2, BEQ(9u, 0u, 5u), MFC0(9u, 15u, 0u));
    assert_int_equal(vcpu_pc(vm->vcpu), KERNEL + AT + 4 + 20);
    assert_int_equal(r[9], 0x00019300);
    GO(vm, 2, BNE(8u, 8u, 5u), MFC0(9u, 15u, 0u));
    assert_int_equal(vcpu_pc(vm->vcpu), KERNEL + AT + 8);
    GO(vm, 2, BNEL(8u, 0u, 0xfffeu), MFC0(9u, 15u, 0u));
    assert_int_equal(vcpu_pc(vm->vcpu), KERNEL + AT - 4);
    r[10] = KERNEL + 0x5000;
    GO(vm, 2, JR(10u), MFC0(10u, 15u, 0u));
    assert_int_equal(vcpu_pc(vm->vcpu), KERNEL + 0x5000);
    assert_int_equal(r[10], 0x00019300);
    /* the slot is on the next page */
    PUT(vm, AT + 4092, BEQ(0u, 0u, 7u), MFC0(11u, 15u, 0u));
    state_of(vm)->pc = KERNEL + AT + 4092;
    assert_int_equal(vcpu_run(vm->vcpu, 2), VCPU_STOP_LIMIT);
    assert_int_equal(vcpu_pc(vm->vcpu), KERNEL + AT + 4096 + 28);
    assert_int_equal(r[11], 0x00019300);
}

static void wait_frees_the_cpu_until_an_interrupt_is_pending(void **state)
{
    struct vm *const vm = *state;
    uint32_t *const r = vcpu_registers(vm->vcpu);
    r[8] = STATUS_IE | 0x400;
    assert_int_equal(GO(vm, 9, TO(8u, STATUS_REG), WAIT, ADDIU(9u, 0u, 1u)), VCPU_STOP_WAIT);
    assert_int_equal(vcpu_run(vm->vcpu, 9), VCPU_STOP_WAIT);
    assert_true(vcpu_waits(vm->vcpu));
    assert_int_equal(r[9], 0);
    vcpu_interrupt(vm->vcpu, 0, true);
    assert_false(vcpu_waits(vm->vcpu));
    assert_int_equal(vcpu_run(vm->vcpu, 1), VCPU_STOP_LIMIT);
    assert_int_equal(vcpu_pc(vm->vcpu), KERNEL + 0x180);
    assert_int_equal(cp0(vm, EPC_REG), KERNEL + AT + 8);
    assert_int_equal(cp0(vm, CAUSE_REG) & CAUSE_IP, 0x400);
    assert_int_equal(vcpu_services(vm->vcpu)[VCPU_INTERRUPTED], 1);
}

static void the_timer_interrupts_at_its_instruction(void **state)
{
    struct vm *const vm = *state;
    uint32_t *const r = vcpu_registers(vm->vcpu);
    r[8] = STATUS_IE | CAUSE_IP7;
    r[9] = 10;
    r[10] = CAUSE_IV;
    GO(vm, 3, MTC0(9u, 11u, 0u), TO(10u, CAUSE_REG), TO(8u, STATUS_REG));
    assert_int_equal(vcpu_until_timer(vm->vcpu), 17);
    assert_int_equal(vcpu_run(vm->vcpu, 18), VCPU_STOP_LIMIT);
    assert_int_equal(vcpu_pc(vm->vcpu), KERNEL + 0x200);
    assert_int_equal(cp0(vm, EPC_REG), KERNEL + AT + 12 + 4 * 17);
    assert_int_equal(cp0(vm, 9, 0), 21 / 2);
    /* time that a vCPU waits counts */
    vcpu_save(vm->vcpu);
    vcpu_skip(vm->vcpu, 1000);
    assert_int_equal(cp0(vm, 9, 0), 1021 / 2);
    assert_int_equal(vcpu_time(vm->vcpu), 1021);
}

/* ------------------------------------------------------------------------------ the TLB */

/* Writes a pair of user pages, PPN `ppn` and the next, by TLBWI or TLBWR. */
static void guest_maps(struct vm *vm, uint32_t how, uint32_t index, uint32_t address, uint32_t ppn,
                       uint32_t flags)
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
static int load_at(struct vm *vm, uint32_t address)
{
    uint32_t *const r = vcpu_registers(vm->vcpu);
    r[20] = address;
    r[21] = 0;
    GO(vm, 4, TO(0u, CAUSE_REG), TO(0u, STATUS_REG), LW(22u, 0u, 20u), ADDIU(21u, 0u, 1u));
    return r[21] ? -1 : (int)code_of(vm);
}

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

/* ------------------------------------------------------------------------------ calls and errors */

static void a_store_to_the_call_page_is_a_monitor_call(void **state)
{
    struct vm *const vm = *state;
    uint32_t *const r = vcpu_registers(vm->vcpu);
    r[26] = ABI_CALLS;
    r[4] = 42;
    assert_int_equal(GO(vm, 9, SW(0u, 4u * ABI_MARK, 26u), ADDIU(9u, 2u, 1u)), VCPU_STOP_CALL);
    assert_int_equal(vcpu_call(vm->vcpu), ABI_MARK);
    assert_int_equal(r[4], 42);
    r[2] = 5;
    assert_int_equal(vcpu_run(vm->vcpu, 1), VCPU_STOP_LIMIT);
    assert_int_equal(r[9], 6);
    /* in a delay slot, and in user mode */
    assert_int_equal(GO(vm, 9, BEQ(0u, 0u, 8u), SW(0u, 0u, 26u)), VCPU_STOP_CALL);
    assert_int_equal(vcpu_pc(vm->vcpu), KERNEL + AT + 36);
    guest_maps(vm, TLBWI, 0, ANY_USER, 20, ENTRYLO_V);
    vm_put(vm, 20 * 4096, SW(0u, 0u, 26u));
    r[8] = 2u << STATUS_KSU_SHIFT | STATUS_EXL;
    r[9] = ANY_USER;
    assert_int_equal(GO(vm, 4, TO(8u, STATUS_REG), TO(9u, EPC_REG), ERET), VCPU_STOP_LIMIT);
    assert_int_equal(code_of(vm), MIPS_EXCEPTION_ADDRESS_STORE);
    assert_int_equal(cp0(vm, EPC_REG), ANY_USER);
}

static void user_mode_has_no_privileges(void **state)
{
    struct vm *const vm = *state;
    uint32_t *const r = vcpu_registers(vm->vcpu);
    static const uint32_t words[] = {MFC0(8u, 12u, 0u), TLBWI, ERET, WAIT, 0x42000000u};
    guest_maps(vm, TLBWI, 0, ANY_USER, 20, ENTRYLO_V);
    for (size_t i = 0; i < sizeof words / 4; i++) {
        vm_put(vm, 20 * 4096, words[i]);
        r[8] = 2u << STATUS_KSU_SHIFT | STATUS_EXL;
        r[9] = ANY_USER;
        GO(vm, 4, TO(8u, STATUS_REG), TO(9u, EPC_REG), ERET);
        assert_int_equal(code_of(vm), MIPS_EXCEPTION_COPROCESSOR);
        assert_int_equal(cp0(vm, EPC_REG), ANY_USER);
        assert_true(vcpu_kernel_mode(vm->vcpu));
    }
}

static void a_kernel_that_touches_kseg0_is_told_so(void **state)
{
    struct vm *const vm = *state;
    vcpu_registers(vm->vcpu)[8] = 0x80001000;
    assert_int_equal(GO(vm, 1, LW(9u, 4u, 8u)), VCPU_STOP_ERROR);
    assert_non_null(strstr(vcpu_error(vm->vcpu), "touches 0x80001004 in KSEG0"));
    assert_int_equal(vcpu_pc(vm->vcpu), KERNEL + AT);
    assert_int_equal(GO(vm, 3, JR(8u), NOP), VCPU_STOP_ERROR);
    assert_non_null(strstr(vcpu_error(vm->vcpu), "jumps to 0x80001000 in KSEG0"));
    vcpu_registers(vm->vcpu)[8] = 0xbfc00000;
    assert_int_equal(GO(vm, 1, SW(9u, 0u, 8u)), VCPU_STOP_ERROR);
    assert_non_null(strstr(vcpu_error(vm->vcpu), "KSEG1"));
    char *const text = vcpu_describe(vm->vcpu);
    assert_non_null(strstr(text, "vCPU 0, kernel mode"));
    assert_non_null(strstr(text, "sw "));
    free(text);
}

static void a_vector_that_is_not_there_is_told_so(void **state)
{
    struct vm *const vm = *state;
    vcpu_registers(vm->vcpu)[8] = 0xd0000000;
    assert_int_equal(GO(vm, 2, MTC0(8u, 15u, 1u), SYSCALL), VCPU_STOP_LIMIT);
    assert_int_equal(vcpu_run(vm->vcpu, 9), VCPU_STOP_ERROR);
    assert_non_null(strstr(vcpu_error(vm->vcpu), "the vector at 0xd0000180 faults itself"));
    vcpu_registers(vm->vcpu)[8] = STATUS_BEV;
    assert_int_equal(GO(vm, 2, TO(8u, STATUS_REG), SYSCALL), VCPU_STOP_ERROR);
    assert_non_null(strstr(vcpu_error(vm->vcpu), "BEV"));
}

static void beyond_memory_is_a_bus_error(void **state)
{
    struct vm *const vm = *state;
    assert_int_equal(load_at(vm, KERNEL + VM_PAGES * 4096), MIPS_EXCEPTION_BUS_DATA);
    GO(vm, 1, TO(0u, STATUS_REG));
    vcpu_registers(vm->vcpu)[8] = KERNEL + VM_PAGES * 4096;
    GO(vm, 3, JR(8u), NOP);
    assert_int_equal(code_of(vm), MIPS_EXCEPTION_BUS_FETCH);
    assert_int_equal(cp0(vm, EPC_REG), KERNEL + VM_PAGES * 4096);
}

/* ------------------------------------------------------------------------------ on and off */

static void a_vcpu_goes_on_where_it_was_on_another_cpu(void **state)
{
    struct vm *const vm = *state;
    uint32_t *const r = vcpu_registers(vm->vcpu);
    r[8] = 1234;
    GO(vm, 2, MTC0(8u, 4u, 2u), ADDIU(9u, 0u, 3u), RDHWR(10u, 29u), ADDIU(9u, 9u, 4u));
    vcpu_save(vm->vcpu);
    const struct mips_model model = {.stop_on_exception = true};
    struct mips_cpu *const other = mips_cpu_new(vm->memory, &model, 1);
    vcpu_load(vm->vcpu, other, false);
    assert_int_equal(vcpu_run(vm->vcpu, 2), VCPU_STOP_LIMIT);
    assert_int_equal(vcpu_registers(vm->vcpu)[9], 7);
    assert_int_equal(vcpu_registers(vm->vcpu)[10], 1234);
    assert_int_equal(vcpu_time(vm->vcpu), 4);
    vcpu_save(vm->vcpu);
    vcpu_load(vm->vcpu, vm->cpu, false);
    mips_cpu_free(other);
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

static void wrong_options_are_refused(void **state)
{
    (void)state;
    const struct vcpu_owner owner = {0};
    assert_null(vcpu_new(&(struct vcpu_options){.number = 1024}, &owner));
    assert_null(vcpu_new(&(struct vcpu_options){.pages = 65537}, &owner));
    assert_null(vcpu_new(&(struct vcpu_options){.second_level_entries = 48, .second_level_ways = 4},
                         &owner));
}

#define TEST(name)   cmocka_unit_test_setup_teardown(name, start_vm, stop_vm)
#define SECOND(name) cmocka_unit_test_setup_teardown(name, start_with_second_level, stop_vm)
#define HAL(name)    cmocka_unit_test_setup_teardown(name, start_with_hal, stop_vm)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(privileged_instructions_act_on_the_virtual_registers),
        TEST(one_in_a_delay_slot_goes_where_the_branch_goes),
        TEST(wait_frees_the_cpu_until_an_interrupt_is_pending),
        TEST(the_timer_interrupts_at_its_instruction),
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
        TEST(a_store_to_the_call_page_is_a_monitor_call),
        TEST(user_mode_has_no_privileges),
        TEST(a_kernel_that_touches_kseg0_is_told_so),
        TEST(a_vector_that_is_not_there_is_told_so),
        TEST(beyond_memory_is_a_bus_error),
        TEST(a_vcpu_goes_on_where_it_was_on_another_cpu),
        HAL(the_page_of_registers_says_what_mfc0_would),
        HAL(reads_of_such_registers_are_rewritten_at_their_first_trap),
        cmocka_unit_test(wrong_options_are_refused),
    };
    return cmocka_run_group_tests_name("vcpu", tests, NULL, NULL);
}
