#include "vmm-core/monitor/expand.h"

#include <string.h>

#define WHAT_KERNEL       4u
#define INSTRUCTION_SIZE  4u
#define TWO_INSTRUCTIONS  UINT64_C(8)
#define EIGHT_TIMES(byte) ((uint64_t)(byte)*UINT64_C(0x0101010101010101))

/* The kinds of a CPU's references are those of memory's. */
_Static_assert(MIPS_FETCH == 0 && MIPS_LOAD == 1 && MIPS_STORE == 2, "as memory.h has them");

void expand_begin(struct expand *expand, const struct mips_reference *list, size_t references)
{
    expand->next = list;
    expand->end = list + references;
    expand->run = expand->count = expand->done = 0;
}

typedef uint64_t pair __attribute__((vector_size(16), aligned(8), may_alias));

/* Eight fetches from `address` on. */
static inline void put_fetches(uint64_t *addr, uint8_t *what, uint32_t address, uint64_t modes)
{
    const pair two = {address, address + INSTRUCTION_SIZE};
    *(pair *)addr = two;
    *(pair *)(addr + 2) = two + TWO_INSTRUCTIONS;
    *(pair *)(addr + 4) = two + 2 * TWO_INSTRUCTIONS;
    *(pair *)(addr + 6) = two + 3 * TWO_INSTRUCTIONS;
    memcpy(what, &modes, sizeof modes);
}

size_t expand_some(struct expand *expand, uint64_t *addr, uint8_t *what, size_t room)
{
    const struct mips_reference *next = expand->next;
    const struct mips_reference *const end = expand->end;
    const uint32_t hidden = expand->hidden;
    const bool fetches = expand->fetches;
    uint32_t run = expand->run, count = expand->count, done = expand->done;
    uint64_t modes = EIGHT_TIMES(expand->mode);
    size_t made = 0;
    for (;;) {
        /* Fetches up to the instruction of the next load or store, or to the end of the run. */
        const bool data = next < end && next->kind != MIPS_FETCH;
        const uint32_t until = data && next->place < count ? next->place + 1u : count;
        if (fetches && done < until) {
            size_t some = until - done;
            if (some > room - made)
                some = room - made;
            size_t put = 0;
            do
                put_fetches(addr + made + put, what + made + put,
                            run + INSTRUCTION_SIZE * (done + (uint32_t)put), modes);
            while ((put += EXPAND_SLACK) < some);
            made += some;
            done += (uint32_t)some;
        }
        if (next == end || made == room)
            break;
        if (data) {
            addr[made] = next->address;
            what[made] = next->kind | (uint8_t)modes;
            made += next->address / MIPS_PAGE_BYTES != hidden;
        } else {
            run = next->address;
            count = next->place;
            done = 0;
            modes = next->bytes == MIPS_USER ? 0 : EIGHT_TIMES(WHAT_KERNEL);
        }
        next++;
    }
    expand->next = next;
    expand->run = run;
    expand->count = count;
    expand->done = done;
    expand->mode = (uint8_t)modes;
    return made;
}
