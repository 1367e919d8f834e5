/* The modelled CPU, and the monitor on it, beside QEMU's system emulation and Unicorn: the same work,
 * with and without its references written down. Medians of three, rates and ratios of one run.
 *
 *   mips FOLDER [DISCO-RECORD]
 *
 * FOLDER is for what is made on the way. With the command's path, and the work as a guest in
 * FOLDER/guest.elf (make BUILD/bench/mips/guest.elf), the monitor is measured as well. Needs
 * mipsel-linux-gnu-gcc and qemu-system-mipsel; says so and ends well where they are not.
 */
#include "vmm-core/machine/machine.h"
#include "vmm-core/machine/mips/cpu.h"
#include "vmm-core/monitor/monitor.h"

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

/* CPU time of all threads, and time on the clock; seconds. */
struct took {
    double cpu, elapsed;
};

/* A program made ready, and what a run of it does. */
struct guest {
    const char *folder, *name;
    const char *recorder; /* the command; NULL: none */
    unsigned words, repeat;
    uint8_t image[2][IMAGE_MOST];           /* [user]: linked at START, and there in kseg0 */
    uint64_t instructions, data;            /* data: loads and stores */
    struct took qemu_start, recorder_start; /* to be taken off */
    uint8_t *ram;
    uint32_t answer;
};

enum kind { PLAIN, DATA, ALL }; /* which references are written down */

struct engine {
    const char *name;
    bool (*run)(struct guest *guest, const struct engine *engine, struct took *took);
    const char *options;
    enum kind kind;
    bool user, file;
};

/* RUSAGE_SELF or RUSAGE_CHILDREN */
static struct took now(int whose)
{
    struct rusage usage;
    struct timespec clock;
    getrusage(whose, &usage);
    clock_gettime(CLOCK_MONOTONIC, &clock);
    return (struct took){
        .cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6,
        .elapsed = (double)clock.tv_sec + (double)clock.tv_nsec * 1e-9,
    };
}

static struct took less(struct took a, struct took b)
{
    return (struct took){a.cpu - b.cpu, a.elapsed - b.elapsed};
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
             "-Wl,-Ttext=0x%x -DBASE=0x%x -DWORDS=%u -DREPEAT=%u -I. tests/bench/mips/program.c "
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

struct bare {
    struct mips_memory *memory;
    struct mips_cpu *cpu;
    uint32_t entry[FRAMES][2]; /* EntryLo of each pair of pages: what a monitor has precomputed */
    unsigned next;
};

static bool refill(void *owner, struct mips_cpu *cpu, uint32_t address, enum mips_access access)
{
    (void)access;
    struct bare *const bare = owner;
    const uint32_t pair = address / (2 * MIPS_PAGE_BYTES);
    if (pair >= FRAMES / 2)
        return false;
    const struct mips_tlb_entry entry = {
        .entry_hi = address & ENTRYHI_VPN2,
        .entry_lo = {bare->entry[pair][0], bare->entry[pair][1]},
        .used = true,
    };
    bare->next = (bare->next + 7) % MIPS_TLB_MAX;
    return mips_tlb_write(cpu, bare->next, &entry);
}

static bool bare_start(struct bare *bare, struct guest *guest, bool user)
{
    bare->next = 0;
    bare->memory = mips_memory_new(FRAMES, NULL);
    bare->cpu = bare->memory
                    ? mips_cpu_new(bare->memory, &(struct mips_model){.stop_on_exception = true}, 0)
                    : NULL;
    if (!bare->cpu)
        return false;
    memset(guest->ram, 0, RAM_BYTES);
    memcpy(guest->ram + START, guest->image[user], IMAGE_MOST);
    for (uint32_t i = 0; i < FRAMES; i++) {
        mips_memory_map(bare->memory, i, guest->ram + (size_t)i * MIPS_PAGE_BYTES, true);
        bare->entry[i / 2][i % 2] = i << ENTRYLO_PFN_SHIFT | ENTRYLO_V | ENTRYLO_D;
    }
    mips_on_miss(bare->cpu, bare, refill);
    struct mips_state *const state = mips_state(bare->cpu);
    state->cp0.status = STATUS_IE | STATUS_CU1 | (user ? MIPS_USER << STATUS_KSU_SHIFT : 0);
    state->pc = START | (user ? 0 : KERNEL);
    mips_state_changed(bare->cpu);
    return true;
}

static bool ours(struct guest *guest, const struct engine *engine, struct took *took)
{
    static struct bare bare;
    static struct mips_reference list[LIST];
    char path[COMMAND_MAX];
    snprintf(path, sizeof path, "%s/ours.references", guest->folder);
    FILE *const out = engine->file ? fopen(path, "wb") : NULL;
    if (!bare_start(&bare, guest, engine->user) || (engine->file && !out))
        return false;
    if (engine->kind != PLAIN)
        mips_record(bare.cpu, list, LIST);
    const struct took before = now(RUSAGE_SELF);
    enum mips_stop why;
    do {
        why = mips_run(bare.cpu, UINT64_MAX / 2);
        const size_t recorded = mips_recorded(bare.cpu);
        if (out && fwrite(list, sizeof *list, recorded, out) != recorded)
            return false;
    } while (why == MIPS_STOP_REFERENCES);
    if (out && fclose(out) != 0)
        return false;
    *took = less(now(RUSAGE_SELF), before);
    const uint32_t answer = mips_state(bare.cpu)->r[2];
    const bool well = why == MIPS_STOP_EXCEPTION && (!guest->answer || answer == guest->answer);
    guest->answer = answer;
    mips_cpu_free(bare.cpu);
    mips_memory_free(bare.memory);
    return well;
}

/* How many instructions, loads and stores there are. */
static bool count(struct guest *guest)
{
    static struct bare bare;
    static struct mips_reference list[LIST];
    if (!bare_start(&bare, guest, false))
        return false;
    mips_record(bare.cpu, list, LIST);
    guest->data = 0;
    enum mips_stop why;
    do {
        why = mips_run(bare.cpu, UINT64_MAX / 2);
        const size_t recorded = mips_recorded(bare.cpu);
        for (size_t i = 0; i < recorded; i++)
            guest->data += list[i].kind != MIPS_FETCH;
    } while (why == MIPS_STOP_REFERENCES);
    guest->instructions = mips_instructions(bare.cpu);
    guest->answer = mips_state(bare.cpu)->r[2];
    mips_cpu_free(bare.cpu);
    mips_memory_free(bare.memory);
    return why == MIPS_STOP_EXCEPTION;
}

/* ------------------------------------------------------------------------------- others */

static bool qemu(struct guest *guest, const struct engine *engine, struct took *took)
{
    char command[COMMAND_MAX];
    snprintf(command, sizeof command,
             "cd %s && timeout 600 qemu-system-mipsel -M malta -cpu 24Kf -m 64 -vga none -nic none "
             "-display none -serial none -monitor none -no-reboot -kernel kernel.elf %s </dev/null "
             ">/dev/null 2>&1",
             guest->folder, engine->options);
    const struct took before = now(RUSAGE_CHILDREN);
    const bool well = shell(command);
    *took = less(less(now(RUSAGE_CHILDREN), before), guest->qemu_start);
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

static bool unicorn(struct guest *guest, const struct engine *engine, struct took *took)
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
    const struct took before = now(RUSAGE_SELF);
    /* until the store behind the program, which nothing answers, or the loop behind that */
    (void)uc_emu_start(uc, KERNEL | START, (uint32_t)(KERNEL | START) + 0x14, 0, 0);
    *took = less(now(RUSAGE_SELF), before);
    uint32_t answer = 0;
    uc_reg_read(uc, UC_MIPS_REG_2, &answer);
    uc_close(uc);
    return answer == guest->answer;
}

/* ------------------------------------------------------------------------------- the monitor */

/* A process of a guest kernel in a virtual machine, on the machine that disco-record takes; nobody
 * hears of its references. */
static bool monitored(struct guest *guest, const struct engine *engine, struct took *took)
{
    (void)engine;
    char path[COMMAND_MAX], words[16], repeat[16], answer[16];
    snprintf(path, sizeof path, "%s/guest.elf", guest->folder);
    snprintf(words, sizeof words, "%u", guest->words);
    snprintf(repeat, sizeof repeat, "%u", guest->repeat);
    snprintf(answer, sizeof answer, "%08x", guest->answer);
    const char *const argv[] = {"mipsbench", words, repeat};
    struct machine *machine = NULL;
    struct monitor *monitor = NULL;
    char *error = machine_load("flash-8", &machine);
    const struct monitor_vm vm = {
        .path = path, .argv = argv, .argc = 3, .pages = 16384, .vcpus = 1};
    const struct monitor_options options = {.machine = machine, .vm = &vm, .vms = 1, .seed = 1};
    if (!error)
        error = monitor_new(&options, &monitor);
    const struct took before = now(RUSAGE_SELF);
    if (!error)
        error = monitor_run(monitor);
    *took = less(now(RUSAGE_SELF), before);
    if (error)
        fprintf(stderr, "mips: %s\n", error);
    const bool well = !error && strstr(monitor_vm_state(monitor, 0).console, answer) != NULL;
    free(error);
    monitor_free(monitor);
    machine_free(machine);
    return well;
}

/* All of it: into a trace. */
static bool into_trace(struct guest *guest, const struct engine *engine, struct took *took)
{
    (void)engine;
    char command[COMMAND_MAX];
    snprintf(
        command, sizeof command,
        "%s mips --force --vcpus 1 -o %s/bench.db %s/guest.elf %u %u 2>/dev/null | grep -q %08x",
        guest->recorder, guest->folder, guest->folder, guest->words, guest->repeat, guest->answer);
    const struct took before = now(RUSAGE_CHILDREN);
    const bool well = shell(command);
    *took = less(less(now(RUSAGE_CHILDREN), before), guest->recorder_start);
    return well;
}

/* ------------------------------------------------------------------------------- the table */

#define PLUGIN "-plugin ./plugin.so,out=theirs.references"
static const struct engine engines[] = {
    {"QEMU", qemu, "", PLAIN, false, false},
    {"ours", ours, "", PLAIN, false, false},
    {"ours, user mode, misses filled", ours, "", PLAIN, true, false},
    {"ours, a process under the monitor", monitored, "", PLAIN, true, false},
    {"Unicorn", unicorn, "", PLAIN, false, false},
    {"QEMU, plugin, loads and stores to a file", qemu, PLUGIN ",fetches=off", DATA, false, true},
    {"QEMU, plugin, everything to a file", qemu, PLUGIN, ALL, false, true},
    {"ours, everything to a ring", ours, "", ALL, false, false},
    {"ours, user mode, everything to a ring", ours, "", ALL, true, false},
    {"ours, user mode, everything to a file", ours, "", ALL, true, true},
    {"ours, a process under the monitor, to a trace", into_trace, "", ALL, true, true},
    {"Unicorn, loads and stores to a ring", unicorn, "", DATA, false, false},
    {"Unicorn, everything to a ring", unicorn, "", ALL, false, false},
};
#define ENGINES (sizeof engines / sizeof *engines)

static bool needs_recorder(const struct engine *engine)
{
    return engine->run == monitored || engine->run == into_trace;
}

static int by_cpu(const void *a, const void *b)
{
    const double x = ((const struct took *)a)->cpu, y = ((const struct took *)b)->cpu;
    return (x > y) - (x < y);
}

static bool median(struct guest *guest, const struct engine *engine, struct took *took)
{
    struct took run[RUNS];
    for (unsigned i = 0; i < RUNS; i++)
        if (!engine->run(guest, engine, &run[i]))
            return false;
    qsort(run, RUNS, sizeof *run, by_cpu);
    *took = run[RUNS / 2];
    return true;
}

static bool prepare(struct guest *guest, const struct program *program, unsigned repeat)
{
    guest->name = program->name;
    guest->words = program->words;
    guest->repeat = repeat;
    return compile(guest, program, repeat, false) && compile(guest, program, repeat, true) &&
           count(guest);
}

/* One engine on one program; `first` is the first engine's rate of instructions, for the ratio. */
static bool measure(struct guest *guest, const struct engine *engine, double *first)
{
    struct took took;
    if (needs_recorder(engine) && !guest->recorder)
        return true;
    if (!median(guest, engine, &took)) {
        printf("%-10s %-46s failed\n", guest->name, engine->name);
        return false;
    }
    const uint64_t references = engine->kind == PLAIN  ? 0
                                : engine->kind == DATA ? guest->data
                                                       : guest->instructions + guest->data;
    const double instructions = (double)guest->instructions / 1e6, rate = instructions / took.cpu;
    if (*first == 0)
        *first = rate;
    printf("%-10s %-46s %9.0f %9.0f %8.2f", guest->name, engine->name, rate,
           instructions / took.elapsed, rate / *first);
    if (references)
        printf(" %9.1f", (double)references / 1e6 / took.cpu);
    printf("\n");
    fflush(stdout);
    return true;
}

static bool measure_program(struct guest *guest, const struct program *program)
{
    bool well = true;
    for (unsigned recording = 0; recording < 2; recording++) {
        double first = 0;
        if (!prepare(guest, program, recording ? program->repeat_recorded : program->repeat))
            return false;
        for (unsigned i = 0; i < ENGINES; i++)
            if ((engines[i].kind != PLAIN) == recording)
                well = measure(guest, &engines[i], &first) && well;
    }
    return well;
}

/* What a command takes for a program that does nothing. */
static bool measure_starts(struct guest *guest)
{
    static const struct program nothing = {"nothing", 0, 1, 1};
    return prepare(guest, &nothing, 1) && median(guest, &engines[0], &guest->qemu_start) &&
           (!guest->recorder ||
            median(guest, &(struct engine){.run = into_trace}, &guest->recorder_start));
}

int main(int argc, char **argv)
{
    static struct guest guest;
    char text[COMMAND_MAX];
    if (argc < 2) {
        fprintf(stderr, "usage: mips FOLDER [DISCO-RECORD]\n");
        return 2;
    }
    if (!shell("command -v qemu-system-mipsel mipsel-linux-gnu-gcc >/dev/null 2>&1")) {
        printf("skipped: no qemu-system-mipsel or mipsel-linux-gnu-gcc\n");
        return 0;
    }
    guest.folder = argv[1];
    guest.recorder = argc > 2 ? argv[2] : NULL;
    guest.ram = aligned_alloc(MIPS_PAGE_BYTES, RAM_BYTES);
    snprintf(
        text, sizeof text,
        "mkdir -p %s && ${CC:-cc} -O2 -shared -fPIC tests/property/mips/plugin.c -o %s/plugin.so",
        guest.folder, guest.folder);
    if (!guest.ram || !shell(text) || !measure_starts(&guest)) {
        fprintf(stderr, "mips: could not make the plugin or start QEMU or a guest in %s\n",
                guest.folder);
        return 1;
    }
    printf("%-10s %-46s %9s %9s %8s %9s\n", "", "", "M instr/s", "elapsed", "of first", "M refs/s");
    bool well = true;
    for (unsigned i = 0; i < PROGRAMS; i++)
        well = measure_program(&guest, &programs[i]) && well;
    snprintf(text, sizeof text, "cd %s && rm -f *.references bench.db", guest.folder);
    well = shell(text) && well;
    free(guest.ram);
    return !well;
}
