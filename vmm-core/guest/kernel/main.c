/* Boot. The guest's arguments are those of its first program, but for those in front that begin with
 * '+', which are the kernel's:
 *
 *   +hal    the monitor's page of registers is there: use it in place of MFC0
 *   +keep   pages of ended processes are kept, not given back to the monitor
 *   +shared=PAGES   so many pages are common to all virtual machines that have this argument
 */
#include "vmm-core/guest/kernel/kernel.h"
#include "vmm-core/guest/kernel/monitor-calls.h"

enum { COMMON_KEY = 1 }; /* the same for all such kernels */

struct kernel kernel;
uint8_t boot_thread[PAGE_BYTES] __attribute__((aligned(PAGE_BYTES))); /* vCPU 0's stack */

extern const char kernel_end[];

/* The first page that arguments are in. */
static uint32_t arguments_ppn(int argc, char **argv)
{
    uint32_t first = ppn_of(argv);

    for (int n = 0; n < argc; n++)
        if (ppn_of(argv[n]) < first)
            first = ppn_of(argv[n]);
    return first;
}

/* At most what memory can hold; 0 where it is no number. */
static uint32_t number_of(const char *digits)
{
    uint32_t number = 0;

    for (; *digits >= '0' && *digits <= '9' && number <= ABI_DIRECT_BYTES; digits++)
        number = number * 10 + (uint32_t)(*digits - '0');
    return *digits ? 0 : number;
}

/* Before there is any space: later the monitor refuses it. */
static void common_init(void)
{
    const void *pages = kernel.common_pages ? pages_contiguous(kernel.common_pages) : NULL;

    if (!kernel.common_pages)
        return;
    if (!pages || monitor_shared_region(COMMON_KEY, ppn_of(pages), kernel.common_pages) < 0)
        panic("+shared: the monitor refuses so many pages, or there is too little memory", NULL);
    kernel.common_ppn = ppn_of(pages);
}

/* Takes the kernel's own out: how many are left. */
static int kernel_arguments(int argc, char **argv)
{
    int count = argc ? 1 : 0, n = count;

    for (; n < argc && argv[n][0] == '+'; n++) {
        if (strcmp(argv[n], "+hal") == 0)
            hal_use();
        else if (strcmp(argv[n], "+keep") == 0)
            kernel.keep_pages = true;
        else if (strncmp(argv[n], "+shared=", 8) == 0)
            kernel.common_pages = number_of(argv[n] + 8);
        else
            panic("arguments in front that begin with + can be +hal, +keep and +shared=PAGES",
                  NULL);
    }
    while (n < argc)
        argv[count++] = argv[n++];
    return count;
}

/* On the CPU itself, so that its data is first touched there. `idle` is the stack it runs on. */
static void cpu_init(struct cpu *cpu, uint32_t number, struct thread *idle, void *vectors)
{
    cpu->number = number;
    schedule_init(cpu, idle);
    vectors_install(cpu, vectors);
    cp0_write(CP0_ENTRYHI, 0);
    cp0_write(CP0_STATUS, STATUS_KERNEL);
    timer_tick();
    cpu->reschedule = 0;
    __atomic_store_n(&kernel.cpu[number], cpu, __ATOMIC_RELEASE);
}

static void cpu_main(void *argument)
{
    struct cpu *cpu = argument;

    cpu_init(cpu, monitor_cpu_number(), current(), (char *)argument + PAGE_BYTES);
    idle_loop();
}

static void start_cpu(uint32_t number)
{
    struct cpu *cpu = pages_contiguous(2); /* the second has its vectors */
    const struct thread *idle = page_new(true);

    if (!cpu || !idle)
        panic("there is too little memory for so many CPUs", NULL);
    monitor_start_cpu(number, cpu_main, (uint32_t)(uintptr_t)idle + PAGE_BYTES - 16, cpu);
}

_Noreturn void kernel_main(int argc, char **argv, uint32_t pages, uint32_t cpus)
{
    if (pages > ABI_DIRECT_BYTES / PAGE_BYTES)
        pages = ABI_DIRECT_BYTES / PAGE_BYTES;
    if (argc && arguments_ppn(argc, argv) < pages)
        pages = arguments_ppn(argc, argv);
    if (cpus > CPUS_MAX)
        panic("there are more CPUs than 32", NULL);
    kernel.cpus = cpus;
    argc = kernel_arguments(argc, argv);
    pages_init(ppn_of(kernel_end), pages);
    for (uint32_t i = 0; i < TABLE_WORDS; i++)
        empty_root[i] = empty_table;
    common_init();
    files_init();
    cpu_init(page_new(true), 0, (void *)boot_thread, (void *)(uintptr_t)ABI_EBASE);
    for (uint32_t number = 1; number < cpus; number++)
        start_cpu(number);
    if (process_start(kernel.file[0].name, argc, argv) < 0)
        panic("the first program cannot be loaded: too little memory, or too long arguments", NULL);
    kernel.started = true;
    idle_loop();
}
