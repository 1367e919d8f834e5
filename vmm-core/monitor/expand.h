/* What a CPU wrote down of its references (mips_recorded()), one by one.
 *
 * A run of `count` fetches followed by the loads and stores of its instructions becomes each
 * fetch in order with its loads and stores behind it: 64-bit addresses and the `what` bytes of
 * memory.h. The list of a CPU that was read within an instruction begins with loads and stores
 * that belong to a fetch of the list before; they come first.
 */
#ifndef DISCO_MONITOR_EXPAND_H
#define DISCO_MONITOR_EXPAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm-core/machine/mips/cpu.h"

/* What the arrays have beyond `room`: fetches are written eight at a time. */
#define EXPAND_SLACK 8u

struct expand {
    bool fetches;    /* false: fetches are left out */
    uint32_t hidden; /* loads and stores of this page are left out; EXPAND_ALL: of none */
    uint8_t mode;    /* bit 2 of what: of the run in work */
    /* Where the work stands: */
    const struct mips_reference *next, *end;
    uint32_t run, count,
        done; /* address of the run in work, its instructions, fetches given so far */
};
#define EXPAND_ALL UINT32_MAX

/* Begins a list. */
void expand_begin(struct expand *expand, const struct mips_reference *list, size_t references);
/* The next references, at most `room`; 0: the list is through. The arrays have EXPAND_SLACK more,
 * whose contents are lost. */
size_t expand_some(struct expand *expand, uint64_t *addr, uint8_t *what, size_t room);

#endif
