/* Any bytes as a guest kernel and its registers on a virtual CPU, while its pages move, have copies or not, interrupts come and
 * monitor calls are answered by anything. Whatever happens is the guest's: the host must not crash, time must pass, and an error
 * is said in words. */
#include "tests/property/vcpu_machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define TURNS  40u
#define TURN   131u
#define CODE   0x2000u
#define RECORD 64u /* of `options`: references are recorded */

struct input {
    const uint8_t *data;
    size_t bytes, at;
};

static uint32_t take(struct input *input)
{
    uint32_t word = 0;
    for (unsigned i = 0; i < 4 && input->at < input->bytes; i++)
        word |= (uint32_t)input->data[input->at++] << 8 * i;
    return word;
}

/* Registers hold addresses that are there, else nearly every guest ends at its first load. */
static void random_registers(struct input *input, struct vm *vm)
{
    static const uint32_t bases[] = {0, ABI_DIRECT_MAP, 0xd0000000, ABI_CALLS, ABI_HAL_PAGE};
    uint32_t *const r = vcpu_registers(vm->vcpu);
    for (unsigned i = 1; i < 32; i++) {
        const uint32_t word = take(input);
        r[i] = word & 1 ? word : bases[(word >> 1) % 5] + (word >> 4 & 0x3fffc);
    }
    const uint32_t status = take(input);
    for (unsigned i = 0; i < 64; i++)
        mips_state(vm->cpu)->fpr[i] = status * i;
}

static struct vm *start(struct input *input, uint32_t options)
{
    static uint32_t wanted;
    struct vm *const vm = vm_new(
        (struct vcpu_options){
            .number = options >> 24,
            .seed = options,
            .second_level_entries = options & 1 ? 0 : 16,
            .second_level_ways = options & 2 ? 1 : 4,
            .hal = options & 4 ? &wanted : NULL,
            .patch = options & 8,
        },
        ABI_DIRECT_MAP + CODE);
    random_registers(input, vm);
    /* what is left is the program, everywhere */
    const size_t left = input->bytes - input->at;
    for (uint32_t i = 0; left && i < VM_PAGES * MIPS_PAGE_BYTES; i++)
        vm_frame(vm, vm->frame[i / MIPS_PAGE_BYTES])[i % MIPS_PAGE_BYTES] =
            input->data[input->at + i % left];
    mips_memory_written(vm->memory, 0, VM_PAGES * MIPS_PAGE_BYTES);
    if (options & RECORD && !mips_record(vm->cpu, vm->list, MIPS_REFERENCES_MIN))
        abort();
    return vm;
}

/* False: the guest has erred. */
static bool turn(struct vm *vm, uint32_t number)
{
    const uint64_t before = vcpu_time(vm->vcpu);
    enum vcpu_stop stop;
    do {
        stop = vcpu_run(vm->vcpu, before + TURN - vcpu_time(vm->vcpu));
        if (mips_recorded(vm->cpu) > MIPS_REFERENCES_MIN)
            abort();
        if (stop == VCPU_STOP_CALL)
            vcpu_registers(vm->vcpu)[2] = vcpu_call(vm->vcpu) * number;
    } while ((stop == VCPU_STOP_CALL || stop == VCPU_STOP_REFERENCES) &&
             vcpu_time(vm->vcpu) < before + TURN);
    if (stop == VCPU_STOP_ERROR) {
        if (strlen(vcpu_error(vm->vcpu)) < 20)
            abort();
        return false;
    }
    if (stop == VCPU_STOP_WAIT)
        vcpu_skip(vm->vcpu, 1000);
    else if (vcpu_time(vm->vcpu) < before + TURN || vcpu_time(vm->vcpu) > before + TURN + 1)
        abort();
    return true;
}

static void disturb(struct vm *vm, uint32_t number)
{
    vcpu_interrupt(vm->vcpu, number % 7, number % 3);
    const uint32_t page = number * 7 % VM_PAGES, spare = VM_PAGES + number;
    vm_move(vm, page, spare, number % 4);
    vm->read_only[page] = number % 5 == 0;
    if (number % 6 == 5) {
        vcpu_save(vm->vcpu);
        vcpu_load(vm->vcpu, vm->cpu);
    }
    if (number % 8 == 7)
        vcpu_forget_space(vm->vcpu, number % 3);
    if (number % 9 == 1)
        vcpu_unlink(vm->vcpu);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct input input = {data, bytes, 0};
    const uint32_t options = take(&input);
    struct vm *const vm = start(&input, options);
    for (uint32_t i = 0; i < TURNS && turn(vm, i); i++)
        disturb(vm, i);
    char *const text = vcpu_describe(vm->vcpu);
    free(text);
    vm_free(vm);
    return 0;
}
