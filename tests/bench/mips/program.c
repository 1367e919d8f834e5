/* The work for an engine without a system, linked at BASE + 1 MiB, its arrays from BASE + 16 MiB on. It
 * ends with a store that switches a Malta board off. */
#define TEXT(number)  TEXT_(number)
#define TEXT_(number) #number

__asm__(".set noreorder\n"
        ".globl __start\n"
        "__start:\n"
        "  li $29, " TEXT(BASE) " + 0x00800000\n"
                                "  jal program\n"
                                "  nop\n"
                                "  lui $8, 0xbf00\n"
                                "  addiu $9, $0, 0x42\n"
                                "  sw $9, 0x500($8)\n"
                                "1: b 1b\n"
                                "  nop\n"
                                ".set reorder\n");

#include "tests/bench/mips/work.h" /* behind where it starts */

unsigned program(void);

unsigned program(void)
{
    return work(WORDS, REPEAT, (unsigned *)(BASE + 0x01000000), (unsigned *)(BASE + 0x02000000),
                (unsigned *)(BASE + 0x00900000));
}
