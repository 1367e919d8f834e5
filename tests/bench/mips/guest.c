/* The work as a program of the monitor's guests: WORDS REPEAT. */
#include "tests/bench/mips/work.h"
#include "vmm-core/guest/programs/program.h"

PROGRAM_ABOUT("mipsbench: what make bench runs on the CPU, in QEMU and in Unicorn: WORDS REPEAT");

int main(int argc, char **argv)
{
    const unsigned words = argc > 2 ? (unsigned)strtoul(argv[1], NULL, 10) : 0,
                   repeat = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
    unsigned *const from = disco_alloc(4 * words + 4, "from"),
                    *const to = disco_alloc(4 * words + 4, "to"),
                    *const count = disco_alloc(1024, "count");
    printf("answer %08x\n", work(words, repeat, from, to, count));
    return 0;
}
