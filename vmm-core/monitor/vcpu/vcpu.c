#include "vmm-core/monitor/vcpu/vcpu-internal.h"

#include "vmm-core/monitor/abi.h"

#include <stdlib.h>
#include <string.h>

#define SP         29u
#define A0         4u
#define CPU_NUMBER 1024u

/* ------------------------------------------------------------------------------ life */

static void reset(struct vcpu *vcpu)
{
    memset(&vcpu->guest, 0, sizeof vcpu->guest);
    vcpu->guest.cp0.ebase = ABI_EBASE | vcpu->options.number;
    vcpu->guest.cp0.config0 = CONFIG0_RESET;
    vcpu->random = vcpu->options.seed ? vcpu->options.seed
                                      : UINT64_C(0x9e3779b97f4a7c15) + vcpu->options.number;
    vcpu_tlb_reset(vcpu);
    vcpu->count_offset = 0;
    vcpu->lines = 0;
    vcpu_timer(vcpu);
    vcpu_hal_show(vcpu);
}

struct vcpu *vcpu_new(const struct vcpu_options *options, const struct vcpu_owner *owner)
{
    if (options->number >= CPU_NUMBER || options->pages > ABI_DIRECT_BYTES / MIPS_PAGE_BYTES)
        return NULL;
    struct vcpu *const vcpu = calloc(1, sizeof *vcpu);
    if (!vcpu)
        return NULL;
    vcpu->options = *options;
    vcpu->owner = *owner;
    vcpu->s = &vcpu->guest;
    if (!vtlb_second_new(&vcpu->second, options->second_level_entries,
                         options->second_level_ways)) {
        vcpu_free(vcpu);
        return NULL;
    }
    reset(vcpu);
    vcpu->guest.waiting = true;
    return vcpu;
}

void vcpu_free(struct vcpu *vcpu)
{
    if (!vcpu)
        return;
    vtlb_second_free(&vcpu->second);
    free(vcpu);
}

void vcpu_start(struct vcpu *vcpu, uint32_t pc, uint32_t sp, const uint32_t arguments[4])
{
    reset(vcpu);
    vcpu->guest.pc = pc;
    vcpu->guest.r[SP] = sp;
    memcpy(&vcpu->guest.r[A0], arguments, 4 * sizeof *arguments);
}

/* ------------------------------------------------------------------------------ on a CPU */

/* All that instructions change without a trap. */
static void copy_registers(struct mips_state *to, const struct mips_state *from)
{
    memcpy(to->r, from->r, sizeof to->r);
    memcpy(to->fpr, from->fpr, sizeof to->fpr);
    to->hi = from->hi;
    to->lo = from->lo;
    to->pc = from->pc;
    to->fcsr = from->fcsr;
    to->delay_slot = from->delay_slot;
    to->delay_target = from->delay_target;
}

void vcpu_load(struct vcpu *vcpu, struct mips_cpu *cpu)
{
    const struct mips_cp0 *const cp0 = &vcpu->guest.cp0;
    vcpu->cpu = cpu;
    vcpu->s = mips_state(cpu);
    vcpu->loaded_at = mips_instructions(cpu);
    copy_registers(vcpu->s, &vcpu->guest);
    vcpu->s->link = vcpu->s->waiting = false;
    mips_tlb_clear(cpu);
    mips_cp0_write(cpu, 13, 0, CAUSE_DC); /* the real timer is not used */
    mips_cp0_write(cpu, 4, 2, cp0->user_local);
    mips_cp0_write(cpu, 7, 0, vcpu_real_hwrena(vcpu));
    mips_cp0_write(cpu, 10, 0, cp0->entry_hi & ENTRYHI_ASID);
    mips_on_miss(cpu, vcpu, vcpu_refill);
    vcpu_resume(vcpu);
}

void vcpu_save(struct vcpu *vcpu)
{
    if (!vcpu->cpu)
        return;
    copy_registers(&vcpu->guest, vcpu->s);
    vcpu->s->link = false;
    mips_on_miss(vcpu->cpu, NULL, NULL);
    vcpu->elapsed = vcpu_time(vcpu);
    vcpu->cpu = NULL;
    vcpu->s = &vcpu->guest;
}

void vcpu_unlink(struct vcpu *vcpu)
{
    vcpu->s->link = false;
}

static bool interruptible(const struct vcpu *vcpu)
{
    const uint32_t status = vcpu->guest.cp0.status;
    return (status & (STATUS_IE | STATUS_EXL | STATUS_ERL)) == STATUS_IE &&
           status & vcpu->guest.cp0.cause & CAUSE_IP;
}

bool vcpu_waits(const struct vcpu *vcpu)
{
    return vcpu->guest.waiting && !(vcpu->guest.cp0.status & vcpu->guest.cp0.cause & CAUSE_IP);
}

bool vcpu_wakes_by_timer(const struct vcpu *vcpu)
{
    return vcpu->guest.waiting && vcpu->guest.cp0.status & CAUSE_IP7;
}

/* Counts as one instruction, as in mips/run.c. */
static bool deliver(struct vcpu *vcpu)
{
    const struct mips_state *const s = vcpu->s;
    const struct vcpu_place place = {s->delay_slot ? s->pc - 4 : s->pc, s->delay_slot};
    if (!vcpu_reflect(vcpu, (struct vcpu_exception){.code = MIPS_EXCEPTION_INTERRUPT}, place))
        return false;
    vcpu->elapsed++;
    vcpu_resume(vcpu);
    return true;
}

enum vcpu_stop vcpu_run(struct vcpu *vcpu, uint64_t instructions)
{
    uint64_t now = vcpu_time(vcpu);
    const uint64_t limit = instructions > UINT64_MAX - now ? UINT64_MAX : now + instructions;
    for (;; now = vcpu_time(vcpu)) {
        enum vcpu_stop why;
        if (now >= vcpu->timer_at) {
            vcpu_timer_expired(vcpu);
            vcpu_hal_show(vcpu);
        }
        if (now >= limit)
            return VCPU_STOP_LIMIT;
        if (vcpu_waits(vcpu))
            return VCPU_STOP_WAIT;
        vcpu->guest.waiting = false;
        if (interruptible(vcpu)) {
            if (!deliver(vcpu))
                return VCPU_STOP_ERROR;
            continue;
        }
        const uint64_t until = limit < vcpu->timer_at ? limit : vcpu->timer_at;
        switch (mips_run(vcpu->cpu, until - now)) {
        case MIPS_STOP_REFERENCES:
            return VCPU_STOP_REFERENCES;
        case MIPS_STOP_EXCEPTION:
            if (vcpu_trap(vcpu, &why))
                return why;
            break;
        default:
            break;
        }
    }
}

/* ------------------------------------------------------------------------------ looking in */

uint32_t vcpu_call(const struct vcpu *vcpu)
{
    return vcpu->call;
}

const char *vcpu_error(const struct vcpu *vcpu)
{
    return vcpu->error;
}

uint32_t *vcpu_registers(struct vcpu *vcpu)
{
    return vcpu->s->r;
}

uint32_t vcpu_pc(const struct vcpu *vcpu)
{
    return vcpu->s->pc;
}

uint32_t vcpu_asid(const struct vcpu *vcpu)
{
    return vcpu->guest.cp0.entry_hi & ENTRYHI_ASID;
}

const struct mips_tlb_entry *vcpu_tlb(const struct vcpu *vcpu)
{
    return vcpu->guest.tlb;
}

uint64_t *vcpu_services(struct vcpu *vcpu)
{
    return vcpu->service;
}
