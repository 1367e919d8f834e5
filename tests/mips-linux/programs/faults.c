/* What Linux/MIPS makes of faults: signals with their codes, and accesses that are not aligned, which it
 * mends, in branch delay slots as well. Written after arch/mips/kernel/{traps,unaligned}.c of Linux 6.1. */
#define _GNU_SOURCE
#include <fenv.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static sigjmp_buf escape;
static volatile sig_atomic_t signal_seen, code_seen;
static void *volatile address_seen;

static void handler(int number, siginfo_t *info, void *context)
{
    (void)context;
    signal_seen = number;
    code_seen = info->si_code;
    address_seen = info->si_addr;
    siglongjmp(escape, 1);
}

static volatile int zero, minus = -1, large = 0x7fffffff;
static volatile double nought;

static void overflow(void)
{
    __asm__ volatile("add $8, %0, %0" ::"r"(large) : "$8");
}
static void divide(void)
{
    __asm__ volatile("teq %0, $0, 7" ::"r"(zero));
}
static void break_divide(void)
{
    __asm__ volatile("break 7");
}
static void breakpoint(void)
{
    __asm__ volatile("break");
}
static void trap(void)
{
    __asm__ volatile("tne %0, $0" ::"r"(minus));
}
static void reserved(void)
{
    __asm__ volatile(".word 0x7c0007ff");
}
static void privileged(void)
{
    __asm__ volatile("mfc0 $8, $12" ::: "$8");
}
static void unmapped(void)
{
    *(volatile int *)64 = 1;
}
static void constant(void)
{
    static const int word[2000] = {1};
    *(volatile int *)(unsigned long)&word[1000] = 2;
}
static void kernels(void)
{
    (void)*(volatile int *)0x80000000;
}
static void linked(void)
{
    __asm__ volatile("ll $8, 2(%0)" ::"r"(&zero) : "$8");
}
static void jump(void)
{
    ((void (*)(void))((unsigned long)&unmapped + 2))();
}
static void invalid(void)
{
    feenableexcept(FE_INVALID);
    nought = nought / nought;
}
static void divide_double(void)
{
    feenableexcept(FE_DIVBYZERO);
    nought = 1 / nought;
}

static const struct {
    const char *name;
    void (*call)(void);
} faults[] = {{"overflow", overflow},
              {"divide", divide},
              {"break 7", break_divide},
              {"breakpoint", breakpoint},
              {"trap", trap},
              {"reserved", reserved},
              {"privileged", privileged},
              {"unmapped", unmapped},
              {"constant", constant},
              {"kernel's", kernels},
              {"linked", linked},
              {"jump", jump},
              {"invalid", invalid},
              {"division", divide_double}};

static unsigned char bytes[64] __attribute__((aligned(8)));

/* Loads and stores in slots of branches that are taken, are not, and go by the FPU's condition. */
static unsigned slots(const void *at)
{
    unsigned sum, value;
    __asm__ volatile(".set noreorder\n"
                     "beq $0, $0, 1f\n"
                     "lw %0, 0(%2)\n"
                     "li %0, 0\n"
                     "1: bne $0, $0, 2f\n"
                     "lhu %1, 0(%2)\n"
                     "addu %0, %0, %1\n"
                     "2: bgezal $0, 3f\n"
                     "lh %1, 2(%2)\n"
                     "li %0, 0\n"
                     "3: addu %0, %0, %1\n"
                     "c.eq.d $f0, $f0\n"
                     "bc1tl 4f\n"
                     "lw %1, 4(%2)\n"
                     "li %0, 0\n"
                     "4: xor %0, %0, %1\n"
                     ".set reorder"
                     : "=&r"(sum), "=&r"(value)
                     : "r"(at)
                     : "$31", "memory");
    return sum;
}

static void unaligned(void)
{
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 37 + 129);
    volatile unsigned *const word = (volatile unsigned *)(bytes + 1);
    volatile short *const half = (volatile short *)(bytes + 7);
    volatile double *const twice = (volatile double *)(bytes + 20);
    volatile float *const single = (volatile float *)(bytes + 33);
    printf("words %08x %d\n", *word, *half);
    *word = 0x11223344;
    *half = -2;
    *twice = 0.1;
    *single = 0.1f;
    printf("floats %.17g %.9g slots %08x\n", *twice + 1, (double)*single + 1, slots(bytes + 5));
    for (unsigned i = 0; i < 40; i++)
        printf("%02x%s", bytes[i], i % 20 == 19 ? "\n" : " ");
}

static void counted(int number)
{
    signal_seen = -number;
}

int main(void)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE};
    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sigaction(numbers[i], &action, NULL);
    for (unsigned i = 0; i < sizeof faults / sizeof *faults; i++) {
        signal_seen = 0;
        if (!sigsetjmp(escape, 1))
            faults[i].call();
        fedisableexcept(FE_ALL_EXCEPT);
        printf("%s: signal %d, code %d\n", faults[i].name, (int)signal_seen, (int)code_seen);
    }
    unaligned();
    signal(SIGUSR1, counted); /* and back, behind the call */
    const int raised = raise(SIGUSR1);
    printf("raised %d, seen %d\n", raised, (int)signal_seen);
    return 0;
}
