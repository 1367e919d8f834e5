/* The state of a CPU for people: when a guest stops, this says where it was. */
#include "vmm-core/machine/mips/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const mode_name[] = {"kernel", "supervisor", "user"};

static void put_instruction(FILE *to, struct mips_cpu *cpu)
{
    uint32_t physical, word;
    const struct mips_frame *frame = NULL;
    if (mips_translate(cpu, cpu->s.pc, MIPS_FETCH, &physical) < 0)
        frame = mips_frame(cpu->memory, physical);
    if (!frame) {
        fputs("not in memory\n", to);
        return;
    }
    char text[MIPS_TEXT_BYTES];
    memcpy(&word, frame->host + physical % MIPS_PAGE_BYTES, sizeof word);
    mips_disassemble(word, cpu->s.pc, text);
    fprintf(to, "%s\n", text);
}

char *mips_describe(struct mips_cpu *cpu)
{
    char *text = NULL;
    size_t bytes;
    FILE *const to = open_memstream(&text, &bytes);
    if (!to)
        return NULL;
    const struct mips_state *const s = &cpu->s;
    fprintf(to, "CPU %u, %s mode, after %llu instructions%s\npc   %08x  ", cpu->number,
            mode_name[mips_mode(cpu)], (unsigned long long)mips_now(cpu),
            s->waiting ? ", waiting" : "", s->pc);
    put_instruction(to, cpu);
    if (s->delay_slot)
        fprintf(to, "     in the delay slot of a branch to %08x\n", s->delay_target);
    for (unsigned i = 0; i < 32; i++)
        fprintf(to, "$%-2u  %08x%s", i, s->r[i], i % 4 == 3 ? "\n" : "  ");
    fprintf(to, "HI   %08x  LO   %08x  FCSR %08x\n", s->hi, s->lo, s->fcsr);
    fprintf(to, "Status %08x  Cause %08x  EPC %08x  BadVAddr %08x  EntryHi %08x\n", s->cp0.status,
            s->cp0.cause, s->cp0.epc, s->cp0.bad_vaddr, s->cp0.entry_hi);
    if (fclose(to)) {
        free(text);
        return NULL;
    }
    return text;
}
