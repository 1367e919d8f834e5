/* What the process references, one by one, against the file that QEMU's plugin wrote of the same program
 * (tests/property/mips/plugin.c: two words each, the address and bytes * 4 + kind).
 *
 * Some instructions are more than one reference in QEMU's way of doing them (target/mips/tcg, 7.2): LWL and
 * LWR load one byte, to fault at the right address, and then the whole word; SWL and SWR store byte by byte; SC compares and
 * stores. Here each is what the architecture says of it, one reference, and has to be made of QEMU's. */
#include "tests/mips-linux/process.h"

#include <stdlib.h>

enum { FETCH, LOAD, STORE };

struct theirs {
    uint32_t address, what;
};

static bool next(struct process *process, struct theirs *theirs)
{
    uint32_t words[2];
    if (fread(words, sizeof words, 1, process->expected) != 1)
        return false;
    *theirs = (struct theirs){words[0], words[1]};
    return true;
}

static void say(struct process *process, uint32_t pc, uint32_t address, uint32_t bytes,
                unsigned kind, const struct theirs *theirs)
{
    static const char *const names[] = {"fetch", "load", "store"};
    process->differs = true;
    (void)fprintf(stderr, "reference %llu, at %08x: ours %s of %u bytes at %08x, QEMU's ",
                  (unsigned long long)process->references, pc, names[kind], bytes, address);
    if (theirs)
        (void)fprintf(stderr, "%s of %u at %08x\n", names[(theirs->what & 3) % 3],
                      theirs->what >> 2, theirs->address);
    else
        (void)fprintf(stderr, "none\n");
}

static bool equal(const struct theirs *theirs, uint32_t address, uint32_t bytes, unsigned kind)
{
    return theirs->address == address && theirs->what == bytes * 4 + kind;
}

enum opcode { LWL = 34, LWR = 38, SWL = 42, SWR = 46, SC = 56 };

static enum opcode opcode_at(struct process *process, uint32_t pc)
{
    uint32_t word = 0;
    (void)process_get(process, &word, pc, sizeof word);
    return (enum opcode)(word >> 26);
}

/* Adds up the bytes that QEMU stores one by one, up or down; `theirs` is the first. */
static bool gather(struct process *process, uint32_t address, uint32_t bytes, struct theirs *theirs)
{
    uint32_t seen = 0;
    for (uint32_t i = 0; i < bytes; i++) {
        const uint32_t offset = theirs->address - address;
        if (theirs->what != 4 + STORE || offset >= bytes ||
            (i + 1 < bytes && !next(process, theirs)))
            return false;
        seen |= UINT32_C(1) << offset;
    }
    return seen == (UINT32_C(1) << bytes) - 1;
}

/* Whether this load or store is what QEMU's, of which `theirs` is the first, say together. */
static bool refers(struct process *process, enum opcode opcode, uint32_t address, uint32_t bytes,
                   unsigned kind, struct theirs *theirs)
{
    const uint32_t word = address & ~UINT32_C(3);
    switch (opcode) {
    case LWL:
    case LWR:
        return theirs->what == 4 + LOAD && (theirs->address & ~UINT32_C(3)) == word &&
               next(process, theirs) && equal(theirs, word, 4, LOAD);
    case SWL:
    case SWR:
        return bytes <= 4 && gather(process, address, bytes, theirs);
    case SC:
        return equal(theirs, address, bytes, LOAD) && next(process, theirs) &&
               equal(theirs, address, bytes, kind);
    default:
        return equal(theirs, address, bytes, kind);
    }
}

static void expect(struct process *process, uint32_t pc, uint32_t address, uint32_t bytes,
                   unsigned kind)
{
    struct theirs theirs;
    if (process->differs)
        return;
    process->references++;
    if (!next(process, &theirs)) {
        say(process, pc, address, bytes, kind, NULL);
        return;
    }
    if (!(kind == FETCH ? equal(&theirs, address, bytes, FETCH)
                        : refers(process, opcode_at(process, pc), address, bytes, kind, &theirs)))
        say(process, pc, address, bytes, kind, &theirs);
}

void process_compare(struct process *process, const struct mips_reference *list, size_t count)
{
    for (size_t i = 0; i < count;) {
        const struct mips_reference fetch = list[i++];
        for (unsigned place = 0; place < fetch.place; place++) {
            const uint32_t pc = fetch.address + 4 * place;
            expect(process, pc, pc, 4, FETCH);
            for (; i < count && list[i].kind != MIPS_FETCH && list[i].place == place; i++)
                expect(process, pc, list[i].address, list[i].bytes,
                       list[i].kind == MIPS_LOAD ? LOAD : STORE);
        }
    }
}
