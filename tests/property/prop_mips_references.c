/* The references of a compiled program, every one in order, against those that a plugin of QEMU's sees
 * of the same binary. Needs qemu-system-mipsel and mipsel-linux-gnu-gcc; skipped where they are not. */
#include "vmm-core/machine/mips/cpu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ROM       0x1fc00000u
#define ROM_BYTES 0x10000u
#define RAM_BYTES 0x400000u
#define FRAMES    ((ROM + ROM_BYTES) / MIPS_PAGE_BYTES)
#define POWER     0x1f000500u
#define FOLDER    "tests/property/mips"

struct machine {
    struct mips_memory *memory;
    struct mips_cpu *cpu;
    uint8_t *ram, *rom;
    bool off;
};

static bool device_write(void *owner, struct mips_cpu *cpu, uint32_t physical, unsigned bytes,
                         uint64_t value)
{
    (void)cpu, (void)bytes;
    ((struct machine *)owner)->off |= physical == POWER && value == 0x42;
    return true;
}

static bool run(const char *command)
{
    return system(command) == 0; /* NOLINT(cert-env33-c): fixed words and our own folder */
}

static FILE *open_in(const char *folder, const char *name, const char *mode)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *const file = fopen(path, mode);
    assert_non_null(file);
    return file;
}

/* QEMU's references of the program in the ROM, as the plugin writes them. */
static FILE *theirs(const char *folder, uint32_t *rom)
{
    char command[2048];
    snprintf(command, sizeof command,
             "here=$PWD/" FOLDER " && cd %s && mipsel-linux-gnu-gcc -march=mips32r2 -mabi=32 -O2 "
             "-ffreestanding -nostdlib -static -mno-abicalls -fno-pic -G0 -fno-toplevel-reorder "
             "-Wl,--build-id=none -Wl,-Ttext=0xbfc00000 -Wl,-Tbss=0x80100000 "
             "-Wl,--section-start=.rodata=0xbfc08000 $here/program.c -o program.elf && "
             "mipsel-linux-gnu-objcopy -O binary -j .text -j .rodata program.elf rom && "
             "${CC:-cc} -O2 -shared -fPIC $here/plugin.c -o plugin.so",
             folder);
    assert_true(run(command));
    FILE *const binary = open_in(folder, "rom", "rb");
    assert_true(fread(rom, 1, ROM_BYTES, binary) > 500);
    (void)fclose(binary);
    FILE *const bios = open_in(folder, "bios", "wb");
    for (unsigned i = 0; i < ROM_BYTES / 4; i++) { /* the board turns the words round */
        const uint32_t word = __builtin_bswap32(rom[i]);
        assert_int_equal(fwrite(&word, 4, 1, bios), 1);
    }
    (void)fclose(bios);
    snprintf(command, sizeof command,
             "cd %s && timeout 60 qemu-system-mipsel -M malta -cpu 24Kf -m 16 -vga none -nic none "
             "-display none -serial none -monitor none -no-reboot -bios bios -plugin "
             "./plugin.so,out=references </dev/null >/dev/null 2>&1",
             folder);
    assert_true(run(command));
    return open_in(folder, "references", "rb");
}

static void start(struct machine *machine, const uint32_t *rom)
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
    machine->cpu = mips_cpu_new(machine->memory, &(struct mips_model){0}, 0);
}

static void stop(struct machine *machine)
{
    mips_cpu_free(machine->cpu);
    mips_memory_free(machine->memory);
    free(machine->ram);
    free(machine->rom);
}

/* The next of QEMU's has to be this. */
static void expect(FILE *file, uint64_t number, uint32_t address, uint32_t bytes, uint32_t kind)
{
    uint32_t words[2];
    if (fread(words, sizeof words, 1, file) != 1)
        fail_msg("QEMU has only %llu references", (unsigned long long)number);
    if (words[0] != address || words[1] != bytes * 4 + kind)
        fail_msg("reference %llu: ours kind %u of %u bytes at %08x, QEMU's kind %u of %u at %08x",
                 (unsigned long long)number, kind, bytes, address, words[1] & 3, words[1] >> 2,
                 words[0]);
}

static uint64_t compare(struct machine *machine, FILE *file)
{
    static struct mips_reference list[4096];
    assert_true(mips_record(machine->cpu, list, sizeof list / sizeof *list));
    uint64_t number = 0;
    while (!machine->off) {
        (void)mips_run(machine->cpu, 100);
        const size_t count = mips_recorded(machine->cpu);
        for (size_t i = 0; i < count;) {
            /* a run of instructions, with their loads and stores between them */
            const struct mips_reference fetch = list[i++];
            assert_int_equal(fetch.kind, MIPS_FETCH);
            for (unsigned place = 0; place < fetch.place; place++) {
                expect(file, number++, fetch.address + 4 * place, 4, 0);
                for (; i < count && list[i].kind != MIPS_FETCH && list[i].place == place; i++) {
                    expect(file, number++, list[i].address, list[i].bytes,
                           list[i].kind == MIPS_LOAD ? 1 : 2);
                    if (list[i].kind == MIPS_STORE && list[i].address == (POWER | 0xa0000000))
                        return number;
                }
            }
        }
    }
    return number;
}

static void references_are_those_of_qemus_plugin(void **state)
{
    (void)state;
    if (!run("command -v qemu-system-mipsel mipsel-linux-gnu-gcc >/dev/null 2>&1")) {
        printf("# skip: no qemu-system-mipsel or mipsel-linux-gnu-gcc\n");
        skip();
    }
    char folder[] = "/tmp/disco-mips-XXXXXX", command[64];
    assert_non_null(mkdtemp(folder));
    uint32_t *const rom = calloc(1, ROM_BYTES);
    FILE *const file = theirs(folder, rom);
    struct machine machine;
    start(&machine, rom);
    assert_true(compare(&machine, file) > 30000);
    stop(&machine);
    (void)fclose(file);
    free(rom);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    (void)run(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(references_are_those_of_qemus_plugin)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
