/* The modelled CPU beside QEMU's system emulation and Unicorn: the same programs, with and without their
 * references written down. CPU time, medians of three, rates and ratios of one run.
 *
 *   mips FOLDER [NAME=COMMAND...]    FOLDER is for what is made on the way
 *
 * COMMAND is one more engine: a shell command that runs the program whose name stands for %s in it (alu,
 * sort-256k, sort-8m, all of them with the sizes of `programs` below). Needs mipsel-linux-gnu-gcc and
 * qemu-system-mipsel; says so and ends well where they are not.
 */
#include "vmm-core/machine/mips/cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unicorn/unicorn.h>

#define KERNEL      0x80000000u
#define START       0x00100000u
#define RAM_BYTES   (64u << 20)
#define FRAMES      (RAM_BYTES / MIPS_PAGE_BYTES)
#define IMAGE_MOST  65536u
#define LIST        32768u /* references: 256 KiB, as a second-level cache holds */
#define RUNS        3u
#define COMMAND_MAX 2048u

struct program {
    const char *name;
    unsigned words, repeat, repeat_recorded;
};

static const struct program programs[] = {
    {"alu", 0, 100000000, 10000000},
    {"sort-256k", 32768, 96, 24},
    {"sort-8m", 1048576, 3, 1},
};
#define PROGRAMS (sizeof programs / sizeof *programs)

/* A program made ready, and what a run of it does. */
struct guest {
    const char *folder, *name;
    uint8_t image[2][IMAGE_MOST]; /* [user]: linked at START, and there in kseg0 */
    uint64_t instructions, data;  /* data: loads and stores */
    double start_seconds;         /* of QEMU, to be taken off */
    uint8_t *ram;
    uint32_t answer;
};

enum kind { PLAIN, DATA, ALL }; /* which references are written down */

struct engine {
    const char *name;
    bool (*run)(struct guest *guest, const struct engine *engine, double *seconds);
    const char *options;
    enum kind kind;
    bool user, file;
};

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static double children_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_CHILDREN, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

static bool shell(const char *command)
{
    return system(command) == 0; /* NOLINT(cert-env33-c): our own words and who runs the bench's */
}

/* ------------------------------------------------------------------------------- programs */

static bool compile(struct guest *guest, const struct program *program, unsigned repeat, bool user)
{
    char command[COMMAND_MAX];
    snprintf(command, sizeof command,
             "mipsel-linux-gnu-gcc -march=mips32r2 -mabi=32 -O2 -ffreestanding -nostdlib -static "
             "-mno-abicalls -fno-pic -G0 -fno-toplevel-reorder -Wl,--build-id=none "
             "-Wl,-Ttext=0x%x -DBASE=0x%x -DWORDS=%u -DREPEAT=%u tests/bench/mips/program.c "
             "-o %s/%s.elf && mipsel-linux-gnu-objcopy -O binary -j .text %s/%s.elf %s/flat",
             START | (user ? 0 : KERNEL), user ? 0 : KERNEL, program->words, repeat, guest->folder,
             user ? "user" : "kernel", guest->folder, user ? "user" : "kernel", guest->folder);
    if (!shell(command))
        return false;
    snprintf(command, sizeof command, "%s/flat", guest->folder);
    FILE *const file = fopen(command, "rb");
    if (!file)
        return false;
    memset(guest->image[user], 0, IMAGE_MOST);
    const bool well = fread(guest->image[user], 1, IMAGE_MOST, file) > 32;
    return fclose(file) == 0 && well;
}

/* ------------------------------------------------------------------------------- ours */

struct machine {
    struct mips_memory *memory;
    struct mips_cpu *cpu;
    uint32_t entry[FRAMES][2]; /* EntryLo of each pair of pages: what a monitor has precomputed */
    unsigned next;
};

static bool refill(void *owner, struct mips_cpu *cpu, uint32_t address, enum mips_access access)
{
    (void)access;
    struct machine *const machine = owner;
    const uint32_t pair = address / (2 * MIPS_PAGE_BYTES);
    if (pair >= FRAMES / 2)
        return false;
    const struct mips_tlb_entry entry = {
        .entry_hi = address & ENTRYHI_VPN2,
        .entry_lo = {machine->entry[pair][0], machine->entry[pair][1]},
        .used = true,
    };
    machine->next = (machine->next + 7) % MIPS_TLB_MAX;
    return mips_tlb_write(cpu, machine->next, &entry);
}

static bool machine_start(struct machine *machine, struct guest *guest, bool user)
{
    machine->next = 0;
    machine->memory = mips_memory_new(FRAMES, NULL);
    machine->cpu =
        machine->memory
            ? mips_cpu_new(machine->memory, &(struct mips_model){.stop_on_exception = true}, 0)
            : NULL;
    if (!machine->cpu)
        return false;
    memset(guest->ram, 0, RAM_BYTES);
    memcpy(guest->ram + START, guest->image[user], IMAGE_MOST);
    for (uint32_t i = 0; i < FRAMES; i++) {
        mips_memory_map(machine->memory, i, guest->ram + (size_t)i * MIPS_PAGE_BYTES, true);
        machine->entry[i / 2][i % 2] = i << ENTRYLO_PFN_SHIFT | ENTRYLO_V | ENTRYLO_D;
    }
    mips_on_miss(machine->cpu, machine, refill);
    struct mips_state *const state = mips_state(machine->cpu);
    state->cp0.status = STATUS_IE | STATUS_CU1 | (user ? MIPS_USER << STATUS_KSU_SHIFT : 0);
    state->pc = START | (user ? 0 : KERNEL);
    mips_state_changed(machine->cpu);
    return true;
}

static bool ours(struct guest *guest, const struct engine *engine, double *seconds)
{
    static struct machine machine;
    static struct mips_reference list[LIST];
    char path[COMMAND_MAX];
    snprintf(path, sizeof path, "%s/ours.references", guest->folder);
    FILE *const out = engine->file ? fopen(path, "wb") : NULL;
    if (!machine_start(&machine, guest, engine->user) || (engine->file && !out))
        return false;
    if (engine->kind != PLAIN)
        mips_record(machine.cpu, list, LIST);
    const double before = cpu_seconds();
    enum mips_stop why;
    do {
        why = mips_run(machine.cpu, UINT64_MAX / 2);
        const size_t recorded = mips_recorded(machine.cpu);
        if (out && fwrite(list, sizeof *list, recorded, out) != recorded)
            return false;
    } while (why == MIPS_STOP_REFERENCES);
    if (out && fclose(out) != 0)
        return false;
    *seconds = cpu_seconds() - before;
    const uint32_t answer = mips_state(machine.cpu)->r[2];
    const bool well = why == MIPS_STOP_EXCEPTION && (!guest->answer || answer == guest->answer);
    guest->answer = answer;
    mips_cpu_free(machine.cpu);
    mips_memory_free(machine.memory);
    return well;
}

/* How many instructions, loads and stores there are. */
static bool count(struct guest *guest)
{
    static struct machine machine;
    static struct mips_reference list[LIST];
    if (!machine_start(&machine, guest, false))
        return false;
    mips_record(machine.cpu, list, LIST);
    guest->data = 0;
    enum mips_stop why;
    do {
        why = mips_run(machine.cpu, UINT64_MAX / 2);
        const size_t recorded = mips_recorded(machine.cpu);
        for (size_t i = 0; i < recorded; i++)
            guest->data += list[i].kind != MIPS_FETCH;
    } while (why == MIPS_STOP_REFERENCES);
    guest->instructions = mips_instructions(machine.cpu);
    guest->answer = mips_state(machine.cpu)->r[2];
    mips_cpu_free(machine.cpu);
    mips_memory_free(machine.memory);
    return why == MIPS_STOP_EXCEPTION;
}

/* ------------------------------------------------------------------------------- others */

static bool qemu(struct guest *guest, const struct engine *engine, double *seconds)
{
    char command[COMMAND_MAX];
    snprintf(command, sizeof command,
             "cd %s && timeout 600 qemu-system-mipsel -M malta -cpu 24Kf -m 64 -vga none -nic none "
             "-display none -serial none -monitor none -no-reboot -kernel kernel.elf %s </dev/null "
             ">/dev/null 2>&1",
             guest->folder, engine->options);
    const double before = children_seconds();
    const bool well = shell(command);
    *seconds = children_seconds() - before - guest->start_seconds;
    return well;
}

static uint32_t ring[LIST][2];
static size_t ring_at; /* Unicorn's hooks have one argument, which is not needed for more */

static void on_memory(uc_engine *uc, uc_mem_type type, uint64_t address, int size, int64_t value,
                      void *data)
{
    (void)uc, (void)value, (void)data;
    ring[ring_at % LIST][0] = (uint32_t)address;
    ring[ring_at++ % LIST][1] = (uint32_t)size << 2 | (uint32_t)(type == UC_MEM_WRITE);
}

static void on_code(uc_engine *uc, uint64_t address, uint32_t size, void *data)
{
    (void)uc, (void)data;
    ring[ring_at % LIST][0] = (uint32_t)address;
    ring[ring_at++ % LIST][1] = size << 2 | 2;
}

static bool unicorn(struct guest *guest, const struct engine *engine, double *seconds)
{
    uc_engine *uc;
    uc_hook hook;
    memset(guest->ram, 0, RAM_BYTES);
    memcpy(guest->ram + START, guest->image[0], IMAGE_MOST);
    if (uc_open(UC_ARCH_MIPS, UC_MODE_MIPS32 | UC_MODE_LITTLE_ENDIAN, &uc) != UC_ERR_OK)
        return false;
    uc_ctl_set_cpu_model(uc, UC_CPU_MIPS32_24KF);
    if (uc_mem_map_ptr(uc, 0, RAM_BYTES, UC_PROT_ALL, guest->ram) != UC_ERR_OK)
        return false;
    if (engine->kind != PLAIN)
        uc_hook_add(uc, &hook, UC_HOOK_MEM_READ | UC_HOOK_MEM_WRITE, (void *)on_memory, NULL, 1, 0);
    if (engine->kind == ALL)
        uc_hook_add(uc, &hook, UC_HOOK_CODE, (void *)on_code, NULL, 1, 0);
    ring_at = 0;
    const double before = cpu_seconds();
    /* until the store behind the program, which nothing answers, or the loop behind that */
    (void)uc_emu_start(uc, KERNEL | START, (uint32_t)(KERNEL | START) + 0x14, 0, 0);
    *seconds = cpu_seconds() - before;
    uint32_t answer = 0;
    uc_reg_read(uc, UC_MIPS_REG_2, &answer);
    uc_close(uc);
    return answer == guest->answer;
}

static bool command(struct guest *guest, const struct engine *engine, double *seconds)
{
    char text[COMMAND_MAX];
    const char *const at = strstr(engine->options, "%s");
    if (at)
        snprintf(text, sizeof text, "%.*s%s%s", (int)(at - engine->options), engine->options,
                 guest->name, at + 2);
    else
        snprintf(text, sizeof text, "%s", engine->options);
    const double before = children_seconds();
    const bool well = shell(text);
    *seconds = children_seconds() - before;
    return well;
}

/* ------------------------------------------------------------------------------- the table */

#define PLUGIN "-plugin ./plugin.so,out=theirs.references"
static const struct engine engines[] = {
    {"QEMU", qemu, "", PLAIN, false, false},
    {"ours", ours, "", PLAIN, false, false},
    {"ours, user mode, misses filled", ours, "", PLAIN, true, false},
    {"Unicorn", unicorn, "", PLAIN, false, false},
    {"QEMU, plugin, loads and stores to a file", qemu, PLUGIN ",fetches=off", DATA, false, true},
    {"QEMU, plugin, everything to a file", qemu, PLUGIN, ALL, false, true},
    {"ours, everything to a ring", ours, "", ALL, false, false},
    {"ours, user mode, everything to a ring", ours, "", ALL, true, false},
    {"ours, user mode, everything to a file", ours, "", ALL, true, true},
    {"Unicorn, loads and stores to a ring", unicorn, "", DATA, false, false},
    {"Unicorn, everything to a ring", unicorn, "", ALL, false, false},
};
#define ENGINES (sizeof engines / sizeof *engines)

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool median(struct guest *guest, const struct engine *engine, double *seconds)
{
    double run[RUNS];
    for (unsigned i = 0; i < RUNS; i++)
        if (!engine->run(guest, engine, &run[i]))
            return false;
    qsort(run, RUNS, sizeof *run, by_size);
    *seconds = run[RUNS / 2];
    return true;
}

static bool prepare(struct guest *guest, const struct program *program, unsigned repeat)
{
    guest->name = program->name;
    return compile(guest, program, repeat, false) && compile(guest, program, repeat, true) &&
           count(guest);
}

/* One engine on one program; `first` is the first engine's rate of references, for the ratio. */
static bool measure(struct guest *guest, const struct engine *engine, double *first)
{
    double seconds;
    if (!median(guest, engine, &seconds)) {
        printf("%-10s %-42s failed\n", guest->name, engine->name);
        return false;
    }
    const uint64_t references = engine->kind == PLAIN  ? 0
                                : engine->kind == DATA ? guest->data
                                                       : guest->instructions + guest->data;
    const double rate = (double)guest->instructions / seconds / 1e6;
    if (*first == 0)
        *first = rate;
    printf("%-10s %-42s %9.0f %8.2f", guest->name, engine->name, rate, rate / *first);
    if (references)
        printf(" %9.1f", (double)references / seconds / 1e6);
    printf("\n");
    fflush(stdout);
    return true;
}

static bool measure_program(struct guest *guest, const struct program *program,
                            const struct engine *more, unsigned more_count)
{
    bool well = prepare(guest, program, program->repeat);
    double plain = 0, recorded = 0;
    for (unsigned i = 0; i < ENGINES && well; i++)
        if (engines[i].kind == PLAIN)
            well = measure(guest, &engines[i], &plain);
    for (unsigned i = 0; i < more_count && well; i++)
        well = measure(guest, &more[i], &plain);
    well = well && prepare(guest, program, program->repeat_recorded);
    for (unsigned i = 0; i < ENGINES && well; i++)
        if (engines[i].kind != PLAIN)
            well = measure(guest, &engines[i], &recorded);
    return well;
}

/* What QEMU takes for a program that does nothing. */
static bool measure_start(struct guest *guest)
{
    static const struct program nothing = {"nothing", 0, 1, 1};
    return prepare(guest, &nothing, 1) && median(guest, &engines[0], &guest->start_seconds);
}

int main(int argc, char **argv)
{
    static struct guest guest;
    static struct engine more[8];
    if (argc < 2) {
        fprintf(stderr, "usage: mips FOLDER [NAME=COMMAND...]\n");
        return 2;
    }
    if (!shell("command -v qemu-system-mipsel mipsel-linux-gnu-gcc >/dev/null 2>&1")) {
        printf("skipped: no qemu-system-mipsel or mipsel-linux-gnu-gcc\n");
        return 0;
    }
    unsigned more_count = 0;
    for (int i = 2; i < argc && more_count < sizeof more / sizeof *more; i++) {
        char *const equals = strchr(argv[i], '=');
        if (!equals)
            continue;
        *equals = 0;
        more[more_count++] =
            (struct engine){.name = argv[i], .run = command, .options = equals + 1};
    }
    char text[COMMAND_MAX];
    guest.folder = argv[1];
    guest.ram = aligned_alloc(MIPS_PAGE_BYTES, RAM_BYTES);
    snprintf(
        text, sizeof text,
        "mkdir -p %s && ${CC:-cc} -O2 -shared -fPIC tests/property/mips/plugin.c -o %s/plugin.so",
        guest.folder, guest.folder);
    if (!guest.ram || !shell(text) || !measure_start(&guest)) {
        fprintf(stderr, "mips: could not make the plugin or start QEMU in %s\n", guest.folder);
        return 1;
    }
    printf("%-10s %-42s %9s %8s %9s\n", "", "", "M instr/s", "of first", "M refs/s");
    bool well = true;
    for (unsigned i = 0; i < PROGRAMS; i++)
        well = measure_program(&guest, &programs[i], more, more_count) && well;
    snprintf(text, sizeof text, "rm -f %s/*.references", guest.folder);
    well = shell(text) && well;
    free(guest.ram);
    return !well;
}
