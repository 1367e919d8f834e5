/* The virtual CPU: privileged instructions, interrupts, monitor calls, and what stops a guest. That all of it is what hardware
 * does is tests/property/prop_vcpu.c's to show; here is what hardware has not, and the contract. */
#include "tests/unit/vcpu_fixture.h"

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
    vcpu_load(vm->vcpu, other);
    assert_int_equal(vcpu_run(vm->vcpu, 2), VCPU_STOP_LIMIT);
    assert_int_equal(vcpu_registers(vm->vcpu)[9], 7);
    assert_int_equal(vcpu_registers(vm->vcpu)[10], 1234);
    assert_int_equal(vcpu_time(vm->vcpu), 4);
    vcpu_save(vm->vcpu);
    vcpu_load(vm->vcpu, vm->cpu);
    mips_cpu_free(other);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(privileged_instructions_act_on_the_virtual_registers),
        TEST(one_in_a_delay_slot_goes_where_the_branch_goes),
        TEST(wait_frees_the_cpu_until_an_interrupt_is_pending),
        TEST(the_timer_interrupts_at_its_instruction),
        TEST(a_store_to_the_call_page_is_a_monitor_call),
        TEST(user_mode_has_no_privileges),
        TEST(a_kernel_that_touches_kseg0_is_told_so),
        TEST(a_vector_that_is_not_there_is_told_so),
        TEST(beyond_memory_is_a_bus_error),
        TEST(a_vcpu_goes_on_where_it_was_on_another_cpu),
        cmocka_unit_test(wrong_options_are_refused),
    };
    return cmocka_run_group_tests_name("vcpu", tests, NULL, NULL);
}
