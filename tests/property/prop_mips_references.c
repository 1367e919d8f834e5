/* The references of a compiled program, every one in order, against those that a plugin of QEMU's sees
 * of the same binary. Needs qemu-system-mipsel and mipsel-linux-gnu-gcc; skipped where they are not. */
#include "tests/property/malta.h"

/* QEMU's references of the program in the ROM, as the plugin writes them. */
static FILE *theirs(const char *folder, struct rom *rom)
{
    char command[1024];
    build_rom(folder, "program.c",
              "-O2 -ffreestanding -fno-toplevel-reorder -Wl,-Tbss=0x80100000 "
              "-Wl,--section-start=.rodata=0xbfc08000",
              rom, sizeof *rom);
    snprintf(command, sizeof command,
             "${CC:-cc} -O2 -shared -fPIC " MALTA_FILES "/plugin.c -o %s/plugin.so", folder);
    assert_true(run(command));
    run_qemu(folder, rom, "-plugin ./plugin.so,out=references");
    return open_in(folder, "references", "rb");
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
    need_malta();
    char folder[] = "/tmp/disco-mips-XXXXXX";
    assert_non_null(mkdtemp(folder));
    struct rom *const rom = calloc(1, sizeof *rom);
    FILE *const file = theirs(folder, rom);
    struct machine machine;
    start(&machine, rom, &(struct mips_model){0});
    assert_true(compare(&machine, file) > 30000);
    stop(&machine);
    (void)fclose(file);
    free(rom);
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(references_are_those_of_qemus_plugin)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
