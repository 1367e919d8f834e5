/* Code that is changed as the kernel boots: each CPU's vectors, and reads of registers. */
#include "vmm-core/guest/kernel/kernel.h"

extern const char vectors[VECTORS_BYTES];
extern const struct hal_site {
    uint32_t *code;
    uint32_t offset; /* in the page of registers */
} hal_sites[];       /* the last has no code */

/* Puts an address in the immediates of LUI and an instruction that adds a signed 16-bit one. */
static void patch(uint32_t *code, const struct cpu *cpu)
{
    uint32_t address = (uint32_t)(uintptr_t)cpu;

    code[0] |= (address + 0x8000) >> 16;
    code[1] |= address & 0xffff;
}

void vectors_install(struct cpu *cpu, void *page)
{
    char *copy = page;

    memcpy(copy, vectors, VECTORS_BYTES);
    patch((void *)copy, cpu);
    patch((void *)(copy + VECTOR_GENERAL), cpu);
    patch((void *)(copy + VECTOR_INTERRUPT), cpu);
    cp0_write_ebase((uintptr_t)page);
    cp0_write(CP0_CAUSE, CAUSE_IV);
}

/* MFC0 rt becomes LW rt, page($0). */
void hal_use(void)
{
    for (const struct hal_site *site = hal_sites; site->code; site++)
        *site->code = 0x8c000000 | (*site->code & 31 << 16) | (ABI_HAL_PAGE + site->offset);
}
