/* The state of a virtual CPU for people: when a guest stops, this says where it was. */
#include "vmm-core/monitor/vcpu/vcpu-internal.h"

#include "vmm-core/machine/mips/decode.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void put_instruction(FILE *to, struct vcpu *vcpu, uint32_t pc)
{
    uint32_t word;
    if (!vcpu->cpu || !vcpu_fetch(vcpu, pc, &word)) {
        fputs("not to be had\n", to);
        return;
    }
    char text[MIPS_TEXT_BYTES];
    mips_disassemble(word, pc, text);
    fprintf(to, "%s\n", text);
}

static void put_tlb(FILE *to, const struct vcpu *vcpu)
{
    for (uint32_t i = 0; i < MIPS_TLB_MAX; i++) {
        const struct mips_tlb_entry *const entry = &vcpu->guest.tlb[i];
        if (entry->used && (entry->entry_lo[0] | entry->entry_lo[1]) & ENTRYLO_V)
            fprintf(to, "TLB %-2" PRIu32 "  EntryHi %08x  EntryLo %08x %08x  PageMask %08x\n", i,
                    entry->entry_hi, entry->entry_lo[0], entry->entry_lo[1], entry->page_mask);
    }
}

char *vcpu_describe(struct vcpu *vcpu)
{
    char *text = NULL;
    size_t bytes;
    FILE *const to = open_memstream(&text, &bytes);
    if (!to)
        return NULL;
    const struct mips_state *const s = vcpu->s;
    const struct mips_cp0 *const cp0 = &vcpu->guest.cp0;
    fprintf(to, "vCPU %" PRIu32 ", %s mode, after %" PRIu64 " instructions%s\npc   %08x  ",
            vcpu->options.number, vcpu_kernel_mode(vcpu) ? "kernel" : "user", vcpu_time(vcpu),
            vcpu->guest.waiting ? ", waiting" : "", s->pc);
    put_instruction(to, vcpu, s->pc);
    if (s->delay_slot)
        fprintf(to, "     in the delay slot of a branch to %08x\n", s->delay_target);
    for (unsigned i = 0; i < 32; i++)
        fprintf(to, "$%-2u  %08x%s", i, s->r[i], i % 4 == 3 ? "\n" : "  ");
    fprintf(to, "HI   %08x  LO   %08x  FCSR %08x\n", s->hi, s->lo, s->fcsr);
    fprintf(to, "Status %08x  Cause %08x  EPC %08x  BadVAddr %08x  EntryHi %08x\n", cp0->status,
            cp0->cause, cp0->epc, cp0->bad_vaddr, cp0->entry_hi);
    put_tlb(to, vcpu);
    if (fclose(to)) {
        free(text);
        return NULL;
    }
    return text;
}
