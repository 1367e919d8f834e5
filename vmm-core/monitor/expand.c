#include "vmm-core/monitor/expand.h"

#define WHAT_KERNEL      4u
#define INSTRUCTION_SIZE 4u

/* The kinds of a CPU's references are those of memory's. */
_Static_assert(MIPS_FETCH == 0 && MIPS_LOAD == 1 && MIPS_STORE == 2, "as memory.h has them");

void expand_begin(struct expand *expand, const struct mips_reference *list, size_t references)
{
    expand->next = list;
    expand->end = list + references;
    expand->run = expand->count = expand->done = 0;
}

size_t expand_some(struct expand *expand, uint64_t *addr, uint8_t *what, size_t room)
{
    const struct mips_reference *next = expand->next;
    const struct mips_reference *const end = expand->end;
    const uint32_t hidden = expand->hidden;
    size_t made = 0;
    for (;;) {
        /* Fetches up to the instruction of the next load or store, or to the end of the run. */
        const bool data = next < end && next->kind != MIPS_FETCH;
        uint32_t until = data && next->place < expand->count ? next->place + 1u : expand->count;
        if (expand->fetches && expand->done < until) {
            uint32_t some = until - expand->done;
            if (some > room - made)
                some = (uint32_t)(room - made);
            uint32_t address = expand->run + INSTRUCTION_SIZE * expand->done;
            const uint8_t kind = expand->mode;
            for (uint32_t i = 0; i < some; i++, address += INSTRUCTION_SIZE) {
                addr[made + i] = address;
                what[made + i] = kind;
            }
            made += some;
            expand->done += some;
        }
        if (next == end || made == room)
            break;
        if (data) {
            addr[made] = next->address;
            what[made] = next->kind | expand->mode;
            made += next->address / MIPS_PAGE_BYTES != hidden;
        } else {
            expand->run = next->address;
            expand->count = next->place;
            expand->done = 0;
            expand->mode = next->bytes == MIPS_USER ? 0 : WHAT_KERNEL;
        }
        next++;
    }
    expand->next = next;
    return made;
}
