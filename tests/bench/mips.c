/* The modelled CPU, and the monitor on it, beside QEMU's system emulation and Unicorn: the same work,
 * with and without its references written down. Medians of three, rates and ratios of one run.
 *
 *   mips FOLDER
 *
 * FOLDER is for what is made on the way. With the work as a guest in FOLDER/guest.elf (make
 * BUILD/bench/mips/guest.elf) the monitor is measured as well. Needs mipsel-linux-gnu-gcc and
 * qemu-system-mipsel; says so and ends well where they are not.
 *
 * The recorder encodes and stores behind the back of the thread that runs the guest. Its time is what
 * two free CPUs would need: that of this thread, or half of the CPU time of all, whichever is more.
 * So a loaded machine measures it too; of the others, which have one thread, it is the CPU time.
 */
#include "collector/sources/mips/mips-trace.h"
#include "vmm-core/machine/machine.h"
#include "vmm-core/machine/mips/cpu.h"
#include "vmm-core/monitor/monitor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unicorn/unicorn.h>
#include <unistd.h>

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

/* CPU time of all threads and of this one, and time on the clock; seconds. */
struct took {
    double cpu, own, elapsed;
};

/* A program made ready, and what a run of it does. */
struct guest {
    const char *folder, *name;
    unsigned words, repeat;
    bool monitored;               /* there is guest.elf */
    uint8_t image[2][IMAGE_MOST]; /* [user]: linked at START, and there in kseg0 */
    uint64_t instructions, data;  /* data: loads and stores */
    /* what starting takes, to be taken off: of QEMU; of the monitor, [into a trace] */
    struct took qemu_start, monitor_start[2];
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

static double used(int whose)
{
    struct rusage usage;
    getrusage(whose, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

/* RUSAGE_SELF or RUSAGE_CHILDREN */
static struct took now(int whose)
{
    struct timespec clock;
    clock_gettime(CLOCK_MONOTONIC, &clock);
    return (struct took){
        .cpu = used(whose),
        .own = whose == RUSAGE_SELF ? used(RUSAGE_THREAD) : used(whose),
        .elapsed = (double)clock.tv_sec + (double)clock.tv_nsec * 1e-9,
    };
}

static struct took less(struct took a, struct took b)
{
    return (struct took){a.cpu - b.cpu, a.own - b.own, a.elapsed - b.elapsed};
}

/* Where two CPUs are free. */
static double on_two(struct took took)
{
    return took.own > took.cpu / 2 ? took.own : took.cpu / 2;
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

static uint64_t no_instructions(void *context)
{
    (void)context;
    return 0;
}

/* A process of a guest kernel in a virtual machine, on the machine that disco-record takes: nobody hears
 * of its references, or they go into a trace. */
static bool monitored(struct guest *guest, const struct engine *engine, struct took *took)
{
    char path[COMMAND_MAX], to[COMMAND_MAX], words[16], repeat[16], answer[16];
    snprintf(path, sizeof path, "%s/guest.elf", guest->folder);
    snprintf(to, sizeof to, "%s/bench.db", guest->folder);
    snprintf(words, sizeof words, "%u", guest->words);
    snprintf(repeat, sizeof repeat, "%u", guest->repeat);
    snprintf(answer, sizeof answer, "%08x", guest->answer);
    const char *const argv[] = {"mipsbench", words, repeat};
    struct machine *machine = NULL;
    struct monitor *monitor = NULL;
    struct mips_trace *trace = NULL;
    char *error = machine_load("flash-8", &machine);
    const struct monitor_vm vm = {
        .path = path, .argv = argv, .argc = 3, .pages = 16384, .vcpus = 1};
    struct monitor_options options = {
        .machine = machine, .vm = &vm, .vms = 1, .seed = 1, .no_fetches = engine->kind == DATA};
    const struct mips_trace_options traced = {.path = to,
                                              .command = "mipsbench",
                                              .replace = true,
                                              .machine = machine,
                                              .guest = argv,
                                              .guests = 1,
                                              .vm = &vm,
                                              .instructions = no_instructions};
    const struct took before = now(RUSAGE_SELF);
    if (!error && engine->kind != PLAIN)
        error = mips_trace_open(&traced, &trace);
    if (trace)
        options.listener = mips_trace_listener(trace);
    if (!error)
        error = monitor_new(&options, &monitor);
    if (!error)
        error = monitor_run(monitor);
    if (trace && !error)
        error = mips_trace_close(trace, true);
    *took = less(less(now(RUSAGE_SELF), before), guest->monitor_start[engine->kind != PLAIN]);
    if (error)
        fprintf(stderr, "mips: %s\n", error);
    const bool well = !error && strstr(monitor_vm_state(monitor, 0).console, answer) != NULL;
    free(error);
    monitor_free(monitor);
    machine_free(machine);
    return well;
}

/* ------------------------------------------------------------------------------- the table */

#define PLUGIN "-plugin ./plugin.so,out=theirs.references"
enum {
    QEMU,
    MONITOR,
    QEMU_DATA,
    QEMU_ALL,
    MONITOR_DATA,
    MONITOR_ALL,
    UNICORN_DATA,
    UNICORN_ALL,
    OURS,
    ENGINES = OURS + 6
};
static const struct engine engines[ENGINES] = {
    [QEMU] = {"QEMU", qemu, "", PLAIN, false, false},
    [MONITOR] = {"ours, a process under the monitor", monitored, "", PLAIN, true, false},
    [QEMU_DATA] = {"QEMU, plugin, loads and stores to a file", qemu, PLUGIN ",fetches=off", DATA,
                   false, true},
    [QEMU_ALL] = {"QEMU, plugin, everything to a file", qemu, PLUGIN, ALL, false, true},
    [MONITOR_DATA] = {"ours, under the monitor, loads and stores to a trace", monitored, "", DATA,
                      true, true},
    [MONITOR_ALL] = {"ours, under the monitor, everything to a trace", monitored, "", ALL, true,
                     true},
    [UNICORN_DATA] = {"Unicorn, loads and stores to a ring", unicorn, "", DATA, false, false},
    [UNICORN_ALL] = {"Unicorn, everything to a ring", unicorn, "", ALL, false, false},
    [OURS] = {"ours", ours, "", PLAIN, false, false},
    {"ours, user mode, misses filled", ours, "", PLAIN, true, false},
    {"Unicorn", unicorn, "", PLAIN, false, false},
    {"ours, everything to a ring", ours, "", ALL, false, false},
    {"ours, user mode, everything to a ring", ours, "", ALL, true, false},
    {"ours, user mode, everything to a file", ours, "", ALL, true, true},
};

/* What is wanted: so many times the rate of another, or at most so many times the time. A rate is of
 * instructions, which are the same for all, so it is that of references too. */
static const struct goal {
    const char *name;
    unsigned engine, other;
    double wanted;
    bool at_most;
    const char *program; /* NULL: all that load and store */
} goals[] = {
    {"not recorded, of QEMU", MONITOR, QEMU, 0.15, false, "alu"},
    {"not recorded, of QEMU", MONITOR, QEMU, 0.8, false, "sort-8m"},
    {"loads and stores recorded, of QEMU's plugin", MONITOR_DATA, QEMU_DATA, 1.2, false, NULL},
    {"loads and stores recorded, of Unicorn's hooks", MONITOR_DATA, UNICORN_DATA, 3, false, NULL},
    {"everything recorded, of QEMU's plugin", MONITOR_ALL, QEMU_ALL, 1.2, false, NULL},
    {"everything recorded, of Unicorn's hooks", MONITOR_ALL, UNICORN_ALL, 3, false, NULL},
    {"time with loads and stores recorded, of without", MONITOR_DATA, MONITOR, 2, true, NULL},
    {"time with everything recorded, of without", MONITOR_ALL, MONITOR, 2, true, NULL},
};

static void judge(const struct program *program, const double rate[ENGINES])
{
    for (size_t i = 0; i < sizeof goals / sizeof *goals; i++) {
        const struct goal *const goal = &goals[i];
        const bool asked = goal->program ? !strcmp(goal->program, program->name) : program->words;
        const double a = rate[goal->engine], b = rate[goal->other];
        if (!asked || a == 0 || b == 0)
            continue;
        const double ratio = goal->at_most ? b / a : a / b;
        const bool met = goal->at_most ? ratio <= goal->wanted : ratio >= goal->wanted;
        printf("%-10s %-55s %6.2f, wanted %s %.2f: %s\n", program->name, goal->name, ratio,
               goal->at_most ? "at most" : "at least", goal->wanted, met ? "met" : "missed");
    }
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

/* One engine on one program: its rate, M instructions a second; 0: it failed. */
static double measure(struct guest *guest, const struct engine *engine)
{
    struct took took;
    if (!median(guest, engine, &took)) {
        printf("%-10s %-52s failed\n", guest->name, engine->name);
        return 0;
    }
    const uint64_t references = engine->kind == PLAIN  ? 0
                                : engine->kind == DATA ? guest->data
                                                       : guest->instructions + guest->data;
    const double instructions = (double)guest->instructions / 1e6;
    printf("%-10s %-52s %9.0f %9.0f %9.0f", guest->name, engine->name, instructions / on_two(took),
           instructions / took.cpu, instructions / took.elapsed);
    if (references)
        printf(" %9.1f", (double)references / 1e6 / on_two(took));
    printf("\n");
    fflush(stdout);
    return instructions / on_two(took);
}

static bool measure_program(struct guest *guest, const struct program *program)
{
    bool well = true;
    double rate[ENGINES] = {0};
    for (unsigned recording = 0; recording < 2; recording++) {
        if (!prepare(guest, program, recording ? program->repeat_recorded : program->repeat))
            return false;
        for (unsigned i = 0; i < ENGINES; i++) {
            const struct engine *const engine = &engines[i];
            if ((engine->kind != PLAIN) != recording ||
                (engine->run == monitored && !guest->monitored))
                continue;
            rate[i] = measure(guest, engine);
            well = well && rate[i] > 0;
        }
    }
    judge(program, rate);
    return well;
}

/* What QEMU and the monitor take for a program that does nothing. */
static bool measure_start(struct guest *guest)
{
    static const struct program nothing = {"nothing", 0, 1, 1};
    struct took start[2];
    if (!prepare(guest, &nothing, 1) || !median(guest, &engines[QEMU], &guest->qemu_start))
        return false;
    if (!guest->monitored)
        return true;
    if (!median(guest, &engines[MONITOR], &start[0]) ||
        !median(guest, &engines[MONITOR_ALL], &start[1]))
        return false;
    memcpy(guest->monitor_start, start, sizeof start);
    return true;
}

int main(int argc, char **argv)
{
    static struct guest guest;
    char text[COMMAND_MAX];
    if (argc < 2) {
        fprintf(stderr, "usage: mips FOLDER\n");
        return 2;
    }
    if (!shell("command -v qemu-system-mipsel mipsel-linux-gnu-gcc >/dev/null 2>&1")) {
        printf("skipped: no qemu-system-mipsel or mipsel-linux-gnu-gcc\n");
        return 0;
    }
    guest.folder = argv[1];
    snprintf(text, sizeof text, "%s/guest.elf", guest.folder);
    guest.monitored = access(text, R_OK) == 0;
    guest.ram = aligned_alloc(MIPS_PAGE_BYTES, RAM_BYTES);
    snprintf(
        text, sizeof text,
        "mkdir -p %s && ${CC:-cc} -O2 -shared -fPIC tests/property/mips/plugin.c -o %s/plugin.so",
        guest.folder, guest.folder);
    if (!guest.ram || !shell(text) || !measure_start(&guest)) {
        fprintf(stderr, "mips: could not make the plugin or start QEMU in %s\n", guest.folder);
        return 1;
    }
    printf("%-10s %-52s %9s %9s %9s %9s\n", "", "", "M instr/s", "of CPU", "elapsed", "M refs/s");
    bool well = true;
    for (unsigned i = 0; i < PROGRAMS; i++)
        well = measure_program(&guest, &programs[i]) && well;
    snprintf(text, sizeof text, "cd %s && rm -f *.references bench.db", guest.folder);
    well = shell(text) && well;
    free(guest.ram);
    return !well;
}
