/* The smallest monitor that a virtual CPU can live in, for its tests: some pages of guest-physical memory in frames
 * of other numbers, placed at first touch. */
#ifndef DISCO_TESTS_VCPU_MACHINE_H
#define DISCO_TESTS_VCPU_MACHINE_H

#include "vmm-core/monitor/abi.h"
#include "vmm-core/monitor/vcpu/vcpu.h"

#include <stdlib.h>
#include <string.h>

#define VM_PAGES  64u
#define VM_FRAMES 128u
#define VM_HAL    127u /* the frame of the page of registers */

struct vm {
    struct mips_memory *memory;
    struct mips_cpu *cpu;
    struct vcpu *vcpu;
    uint8_t *host;                              /* [VM_FRAMES] pages */
    uint32_t frame[VM_PAGES], master[VM_PAGES]; /* master: the frame for stores, if not 0 */
    bool placed[VM_PAGES], read_only[VM_PAGES];
    unsigned asid_changes, tlb_writes, patches, collapses;
    uint32_t asid, last_index;
    struct mips_tlb_entry last_entry;
    struct mips_reference list[MIPS_REFERENCES_MIN];
};

static inline uint8_t *vm_frame(const struct vm *vm, uint32_t frame)
{
    return vm->host + (size_t)frame * MIPS_PAGE_BYTES;
}

static inline bool vm_translate(void *context, struct vcpu *vcpu, uint32_t ppn,
                                enum vcpu_touch touch, struct vcpu_frame *frame)
{
    struct vm *const vm = context;
    (void)vcpu;
    if (ppn >= VM_PAGES || (touch == VCPU_PEEK && !vm->placed[ppn]))
        return false;
    vm->placed[ppn] = true;
    if (touch == VCPU_WRITE && vm->read_only[ppn]) {
        vm->read_only[ppn] = false;
        vm->frame[ppn] = vm->master[ppn] ? vm->master[ppn] : vm->frame[ppn];
        vm->collapses++;
    }
    *frame = (struct vcpu_frame){vm->frame[ppn], !vm->read_only[ppn], vm_frame(vm, vm->frame[ppn])};
    return true;
}

static inline void vm_asid(void *context, struct vcpu *vcpu, uint32_t asid)
{
    struct vm *const vm = context;
    (void)vcpu;
    vm->asid = asid;
    vm->asid_changes++;
}

static inline void vm_tlb(void *context, struct vcpu *vcpu, uint32_t index,
                          const struct mips_tlb_entry *entry)
{
    struct vm *const vm = context;
    (void)vcpu;
    vm->last_index = index;
    vm->last_entry = *entry;
    vm->tlb_writes++;
}

static inline void vm_put(struct vm *vm, uint32_t physical, uint32_t word)
{
    const uint32_t frame = vm->frame[physical / MIPS_PAGE_BYTES], at = physical % MIPS_PAGE_BYTES;
    memcpy(vm_frame(vm, frame) + at, &word, sizeof word);
    mips_memory_written(vm->memory, frame * MIPS_PAGE_BYTES + at, sizeof word);
}

static inline uint32_t vm_get(const struct vm *vm, uint32_t physical)
{
    uint32_t word;
    memcpy(&word, vm_frame(vm, vm->frame[physical / MIPS_PAGE_BYTES]) + physical % MIPS_PAGE_BYTES,
           sizeof word);
    return word;
}

static inline bool vm_patch(void *context, struct vcpu *vcpu, uint32_t physical, uint32_t word)
{
    struct vm *const vm = context;
    (void)vcpu;
    vm->patches++;
    vm_put(vm, physical, word);
    return true;
}

/* Another frame takes the page's bytes, as in a migration; the caller may leave the shootdown out. */
static inline void vm_move(struct vm *vm, uint32_t ppn, uint32_t to, bool shootdown)
{
    const uint32_t from = vm->frame[ppn];
    memcpy(vm_frame(vm, to), vm_frame(vm, from), MIPS_PAGE_BYTES);
    mips_memory_written(vm->memory, to * MIPS_PAGE_BYTES, MIPS_PAGE_BYTES);
    vm->frame[ppn] = to;
    if (shootdown)
        mips_tlb_drop(vm->cpu, from);
}

/* On its CPU, started at `pc` with the number of its registers' seed. Exits where memory is out. */
static inline struct vm *vm_new(struct vcpu_options options, uint32_t pc)
{
    static const uint32_t none[4] = {0};
    const struct mips_model model = {.stop_on_exception = true};
    struct vm *const vm = calloc(1, sizeof *vm);
    if (!vm)
        abort();
    vm->memory = mips_memory_new(VM_FRAMES, NULL);
    vm->host = aligned_alloc(MIPS_PAGE_BYTES, (size_t)VM_FRAMES * MIPS_PAGE_BYTES);
    if (!vm->memory || !vm->host)
        abort();
    memset(vm->host, 0, (size_t)VM_FRAMES * MIPS_PAGE_BYTES);
    for (uint32_t i = 0; i < VM_FRAMES; i++)
        mips_memory_map(vm->memory, i, vm_frame(vm, i), true);
    for (uint32_t i = 0; i < VM_PAGES; i++)
        vm->frame[i] = (i * 5 + 3) % VM_PAGES; /* 64 .. 126 are for moves */
    vm->cpu = mips_cpu_new(vm->memory, &model, 0);
    if (options.hal) {
        options.hal = (uint32_t *)(void *)vm_frame(vm, VM_HAL);
        options.hal_frame = VM_HAL;
    }
    if (!options.pages)
        options.pages = VM_PAGES;
    const struct vcpu_owner owner = {vm, vm_translate, vm_asid, vm_tlb, vm_patch};
    vm->vcpu = vcpu_new(&options, &owner);
    if (!vm->cpu || !vm->vcpu)
        abort();
    vcpu_start(vm->vcpu, pc, 0, none);
    vcpu_load(vm->vcpu, vm->cpu);
    return vm;
}

static inline void vm_free(struct vm *vm)
{
    vcpu_free(vm->vcpu);
    mips_cpu_free(vm->cpu);
    mips_memory_free(vm->memory);
    free(vm->host);
    free(vm);
}

#endif
