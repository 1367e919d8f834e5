/* The page of registers, and the rewriting of MFC0 that reads one: Disco's change of the IRIX hardware abstraction
 * layer (SOSP'97, section 4.3.3: frequent privileged instructions without side effects become loads and stores of a
 * special page), there by hand, here also at the first trap. */
#include "vmm-core/monitor/vcpu/vcpu-internal.h"

#include "vmm-core/machine/mips/decode.h"
#include "vmm-core/monitor/abi.h"

#define LW UINT32_C(0x8c000000)

void vcpu_hal_show(struct vcpu *vcpu)
{
    uint32_t *const page = vcpu->options.hal;
    const struct mips_cp0 *const cp0 = &vcpu->guest.cp0;
    if (!page)
        return;
    page[ABI_HAL_STATUS / 4] = cp0->status;
    page[ABI_HAL_CAUSE / 4] = cp0->cause;
    page[ABI_HAL_EPC / 4] = cp0->epc;
    page[ABI_HAL_BADVADDR / 4] = cp0->bad_vaddr;
    page[ABI_HAL_ENTRYHI / 4] = cp0->entry_hi;
    page[ABI_HAL_CONTEXT / 4] = cp0->context;
    page[ABI_HAL_EBASE / 4] = cp0->ebase;
    page[ABI_HAL_CPU_NUMBER / 4] = vcpu->options.number;
}

static const struct {
    uint8_t reg, select, offset;
} shown[] = {
    {12, 0, ABI_HAL_STATUS},  {13, 0, ABI_HAL_CAUSE},   {14, 0, ABI_HAL_EPC},
    {8, 0, ABI_HAL_BADVADDR}, {10, 0, ABI_HAL_ENTRYHI}, {4, 0, ABI_HAL_CONTEXT},
    {15, 1, ABI_HAL_EBASE},
};

void vcpu_hal_patch(struct vcpu *vcpu, uint32_t pc, uint32_t word)
{
    uint32_t physical;
    /* the kernel's own code, which users are taken not to execute: there the load would do what MFC0 may not */
    if (!vcpu->options.patch || !vcpu->options.hal || !vcpu->owner.patch ||
        pc - ABI_DIRECT_MAP >= ABI_DIRECT_BYTES || !vcpu_guest_physical(vcpu, pc, &physical))
        return;
    for (unsigned i = 0; i < sizeof shown / sizeof *shown; i++)
        if (mips_rd(word) == shown[i].reg && (word & 7) == shown[i].select) {
            const uint32_t load = LW | mips_rt(word) << 16 | (ABI_HAL_PAGE + shown[i].offset);
            vcpu->service[VCPU_PATCHED] +=
                vcpu->owner.patch(vcpu->owner.context, vcpu, physical, load);
            return;
        }
}
