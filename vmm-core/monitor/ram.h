/* The machine's frames: their bytes, where the CPUs find them, and the translations that lead
 * there.
 *
 * Frames are numbered from 0 as they are first used (memmap of the memory subsystem, or
 * first-touch.h), so the host backs what is used alone. Where pages move, a frame that nobody
 * owns answers with a bus error, so that a forgotten translation is found out at its next use.
 */
#ifndef DISCO_MONITOR_RAM_H
#define DISCO_MONITOR_RAM_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm-core/machine/machine.h"
#include "vmm-core/machine/mips/cpu.h"

#define RAM_NONE UINT32_MAX

struct ram {
    struct mips_memory *memory;
    uint8_t *bytes;
    bool *mapped;          /* [limit] the CPUs find it */
    uint32_t limit;        /* frames that there can be */
    uint32_t extra;        /* the last so many are no part of the machine's memory */
    bool moves;            /* pages move: a policy is at work */
    struct mips_cpu **cpu; /* [cpus] whose TLBs hold translations */
    uint32_t cpus;
};

/* The first `pages` frames are expected to be used: as long as there is no CPU, mapping them
 * costs nothing. `extra` frames beyond those of the machine's nodes, from ram->limit - extra on,
 * for what is not guests' memory; mapped, and read-only for guests. NULL, or one line. */
char *ram_init(struct ram *ram, const struct machine *machine, uint32_t pages, uint32_t extra)
    __attribute__((warn_unused_result));
/* After all CPUs have been freed. */
void ram_done(struct ram *ram);

static inline uint8_t *ram_bytes(const struct ram *ram, uint32_t frame)
{
    return ram->bytes + (size_t)frame * MIPS_PAGE_BYTES;
}
/* The frame belongs to somebody from now on. False: a CPU cannot address it. */
bool ram_own(struct ram *ram, uint32_t frame);
void ram_disown(struct ram *ram, uint32_t frame);
/* Bytes of the frame were changed, by no CPU. */
void ram_written(struct ram *ram, uint32_t frame);
/* A shootdown: no CPU's TLB maps the frame any more. */
void ram_drop(struct ram *ram, uint32_t frame);

#endif
