/* What a machine costs and has where its description does not say: one set for machines that refill
 * their TLB by software (the FLASH of the Disco paper), one for those that walk page tables (a
 * Linux server).
 *
 * Marks in the comments of defaults.c: [P] printed in Disco (SOSP'97), [D] arithmetic on printed
 * figures, "unchecked": ours or a recollection, no source read.
 */
#ifndef DISCO_MACHINE_DEFAULTS_H
#define DISCO_MACHINE_DEFAULTS_H

#include "vmm-core/machine/machine.h"

struct machine_defaults {
    uint32_t cpu_mhz;
    struct machine_tlb tlb;
    struct machine_l2tlb l2tlb;
    struct machine_costs costs;
};

/* Of a hit in a cache of this level, where nobody says. */
uint32_t machine_cache_latency_ns(uint32_t level);

extern const struct machine_defaults machine_defaults[2]; /* by enum tlb_refill */

/* tlbs.c */
extern const struct machine_tlb machine_tlb_icelake, machine_tlb_zen2;

/* Costs on 16 CPUs of FLASH, where Table 3's actions are dearer than on 8. */
extern const struct machine_costs machine_costs_flash_16;

#endif
