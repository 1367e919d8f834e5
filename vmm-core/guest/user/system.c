/* The kernel's calls as functions. */
#include "vmm-core/guest/user/calls.h"
#include "vmm-core/guest/user/disco.h"
#include "vmm-core/guest/user/print.h"

int disco_call(uintptr_t first, uintptr_t second, uintptr_t third, int number);
void disco_thread_start(void);

int disco_cpus(void)
{
    return disco_call(0, 0, 0, CALL_CPUS);
}

int disco_cpu(void)
{
    return disco_call(0, 0, 0, CALL_CPU);
}

/* Each thread has its own stack, of one size: no call is needed to know whose it is. */
int disco_self(void)
{
    uintptr_t stack = (uintptr_t)__builtin_frame_address(0);
    return (int)((STACKS_END - 1 - stack) / STACK_BYTES);
}

int disco_spawn(void (*start)(void *argument), void *argument)
{
    return disco_call((uintptr_t)disco_thread_start, (uintptr_t)start, (uintptr_t)argument,
                      CALL_SPAWN);
}

void disco_join(int thread)
{
    disco_call((uintptr_t)thread, 0, 0, CALL_JOIN);
}

void disco_yield(void)
{
    disco_call(0, 0, 0, CALL_YIELD);
}

void disco_exit(int status)
{
    print_flush_all();
    for (;;)
        disco_call((uintptr_t)status, 0, 0, CALL_EXIT);
}

void disco_sleep_on(uint32_t *word, uint32_t value)
{
    disco_call((uintptr_t)word, value, 0, CALL_SLEEP_ON);
}

void disco_wake(uint32_t *word, int count)
{
    disco_call((uintptr_t)word, (uintptr_t)count, 0, CALL_WAKE);
}

void *disco_alloc(size_t bytes, const char *name)
{
    void *memory = (void *)(uintptr_t)disco_call(bytes, (uintptr_t)name, 0, CALL_MAP);

    if (!memory) {
        printf("no room for %zu bytes of %s\n", bytes, name);
        disco_exit(1);
    }
    return memory;
}

void *disco_shared(size_t bytes)
{
    return (void *)(uintptr_t)disco_call(bytes, 0, 0, CALL_SHARED);
}

int disco_fork(void)
{
    print_flush();
    return disco_call(0, 0, 0, CALL_FORK);
}

int disco_exec(const char *file, char *const argv[])
{
    print_flush();
    return disco_call((uintptr_t)file, (uintptr_t)argv, 0, CALL_EXEC);
}

int disco_wait(int *status)
{
    int here;
    int process = disco_call((uintptr_t)&here, 0, 0, CALL_WAIT);

    if (process >= 0 && status)
        *status = here;
    return process;
}

int disco_process(void)
{
    return disco_call(0, 0, 0, CALL_PROCESS);
}

int disco_open(const char *name)
{
    return disco_call((uintptr_t)name, 0, 0, CALL_OPEN);
}

int disco_create(const char *name)
{
    return disco_call((uintptr_t)name, 0, 0, CALL_CREATE);
}

int disco_read(int file, void *bytes, size_t count)
{
    return disco_call((uintptr_t)file, (uintptr_t)bytes, count, CALL_READ);
}

int disco_write(int file, const void *bytes, size_t count)
{
    return disco_call((uintptr_t)file, (uintptr_t)bytes, count, CALL_WRITE);
}

int disco_size(int file)
{
    return disco_call((uintptr_t)file, 0, 0, CALL_SIZE);
}

int disco_close(int file)
{
    return disco_call((uintptr_t)file, 0, 0, CALL_CLOSE);
}

int disco_unlink(const char *name)
{
    return disco_call((uintptr_t)name, 0, 0, CALL_UNLINK);
}

uint64_t disco_clock(void)
{
    uint64_t clock;

    disco_call((uintptr_t)&clock, 0, 0, CALL_CLOCK);
    return clock;
}

void disco_mark(int number)
{
    disco_call((uintptr_t)number, 0, 0, CALL_MARK);
}
