/* The board that QEMU calls malta, as far as the tests of the CPU need it: RAM from physical 0, a ROM where the CPU
 * starts, and the register that turns the power off: a write of 0x42 resets the board (Malta User's Manual, SOFTRES),
 * which ends a QEMU that may not reboot. A test fills a ROM, has QEMU's 24Kf run it, runs the same words here, and
 * compares what both sides show.
 *
 * Needs qemu-system-mipsel and mipsel-linux-gnu-gcc; need_malta() skips the test where they are not. */
#ifndef DISCO_TESTS_MALTA_H
#define DISCO_TESTS_MALTA_H

#include "vmm-core/machine/mips/cpu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ROM         0x1fc00000u
#define ROM_BYTES   0x20000u
#define PROGRAM     0x10000u   /* in the ROM, after mips/kernel.S: a random program */
#define RAM_BYTES   0x1000000u /* as much as -m 16 gives QEMU's */
#define FRAMES      ((ROM + ROM_BYTES) / MIPS_PAGE_BYTES)
#define POWER       0x1f000500u
#define BOARD_LINES 0xfc00u /* of Cause: until the program has switched the board's timer off */
#define MALTA_FILES "tests/property/mips"

struct rom {
    uint32_t word[ROM_BYTES / 4];
};

/* ------------------------------------------------------------------------------- commands and files */

static inline bool run(const char *command)
{
    return system(command) == 0; /* NOLINT(cert-env33-c): fixed words and our own folder */
}

static inline void need_malta(void)
{
    if (run("command -v qemu-system-mipsel mipsel-linux-gnu-gcc mipsel-linux-gnu-objcopy "
            ">/dev/null 2>&1"))
        return;
    printf("# skip: no qemu-system-mipsel or mipsel-linux-gnu-gcc\n");
    skip();
}

/* The caller closes it. */
static inline FILE *open_in(const char *folder, const char *name, const char *mode)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *const file = fopen(path, mode);
    assert_non_null(file);
    return file;
}

static inline void remove_folder(const char *folder)
{
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    (void)run(command);
}

/* Compiles `source`, a file of MALTA_FILES, with these options of GCC's besides those that every ROM has, and reads
 * it into the first `bytes` of the ROM; `folder` is the test's own. */
static inline void build_rom(const char *folder, const char *source, const char *options,
                             struct rom *rom, size_t bytes)
{
    char command[2048];
    snprintf(command, sizeof command,
             "here=$PWD/" MALTA_FILES " && cd %s && mipsel-linux-gnu-gcc -march=mips32r2 -mabi=32 "
             "-mno-abicalls -fno-pic -G0 -nostdlib -static -Wl,--build-id=none "
             "-Wl,-Ttext=0xbfc00000 %s \"$here\"/%s -o rom.elf && "
             "mipsel-linux-gnu-objcopy -O binary -j .text -j .rodata rom.elf rom.bin",
             folder, options, source);
    assert_true(run(command));
    FILE *const file = open_in(folder, "rom.bin", "rb");
    assert_true(fread(rom, 1, bytes, file) > 1000);
    (void)fclose(file);
}

/* ------------------------------------------------------------------------------- the two sides */

/* QEMU runs the ROM until it turns the power off, in `folder`, with these options besides the board's. */
static inline void run_qemu(const char *folder, const struct rom *rom, const char *options)
{
    FILE *const bios = open_in(folder, "bios.bin", "wb");
    for (size_t i = 0; i < ROM_BYTES / 4; i++) { /* the board turns the words round */
        const uint32_t word = __builtin_bswap32(rom->word[i]);
        assert_int_equal(fwrite(&word, 4, 1, bios), 1);
    }
    (void)fclose(bios);
    char command[1024];
    snprintf(command, sizeof command,
             "cd %s && timeout 300 qemu-system-mipsel -M malta -cpu 24Kf -m 16 -vga none -nic none "
             "-display none -serial none -monitor none -no-reboot -bios bios.bin %s "
             "</dev/null >/dev/null 2>&1",
             folder, options);
    assert_true(run(command));
}

/* Ours. */
struct machine {
    struct mips_memory *memory;
    struct mips_cpu *cpu;
    uint8_t *ram, *rom;
    bool off;
};

static inline bool device_write(void *owner, struct mips_cpu *cpu, uint32_t physical,
                                unsigned bytes, uint64_t value)
{
    (void)cpu, (void)bytes;
    ((struct machine *)owner)->off |= physical == POWER && value == 0x42;
    return true; /* a Malta board has no bus errors, and swallows writes to ROM */
}

/* The machine stays where it is until stop(). */
static inline void start(struct machine *machine, const struct rom *rom,
                         const struct mips_model *model)
{
    *machine = (struct machine){0};
    machine->memory =
        mips_memory_new(FRAMES, &(struct mips_bus){.owner = machine, .write = device_write});
    machine->ram = aligned_alloc(MIPS_PAGE_BYTES, RAM_BYTES);
    machine->rom = aligned_alloc(MIPS_PAGE_BYTES, ROM_BYTES);
    memset(machine->ram, 0, RAM_BYTES);
    memcpy(machine->rom, rom, ROM_BYTES);
    for (uint32_t i = 0; i < RAM_BYTES / MIPS_PAGE_BYTES; i++)
        mips_memory_map(machine->memory, i, machine->ram + (size_t)i * MIPS_PAGE_BYTES, true);
    for (uint32_t i = 0; i < ROM_BYTES / MIPS_PAGE_BYTES; i++)
        mips_memory_map(machine->memory, ROM / MIPS_PAGE_BYTES + i,
                        machine->rom + (size_t)i * MIPS_PAGE_BYTES, false);
    machine->cpu = mips_cpu_new(machine->memory, model, 0);
}

static inline void stop(struct machine *machine)
{
    mips_cpu_free(machine->cpu);
    mips_memory_free(machine->memory);
    free(machine->ram);
    free(machine->rom);
}

#endif
