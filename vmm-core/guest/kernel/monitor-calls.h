/* Monitor calls as functions; abi.h says what they do. */
#ifndef DISCO_GUEST_MONITOR_CALLS_H
#define DISCO_GUEST_MONITOR_CALLS_H

#include "vmm-core/monitor/abi.h"

#include <stdint.h>

#define MONITOR_CALL(number, first, second, third, fourth)                                         \
    ({                                                                                             \
        register uint32_t call_a0 __asm__("$4") = (uint32_t)(first);                               \
        register uint32_t call_a1 __asm__("$5") = (uint32_t)(second);                              \
        register uint32_t call_a2 __asm__("$6") = (uint32_t)(third);                               \
        register uint32_t call_a3 __asm__("$7") = (uint32_t)(fourth);                              \
        register int32_t call_v0 __asm__("$2");                                                    \
        __asm__ volatile("sw $0, %1(%2)"                                                           \
                         : "=r"(call_v0)                                                           \
                         : "i"(4 * (number)), "r"(ABI_CALLS), "r"(call_a0), "r"(call_a1),          \
                           "r"(call_a2), "r"(call_a3)                                              \
                         : "memory");                                                              \
        call_v0;                                                                                   \
    })

static inline void monitor_console(const char *text, uint32_t bytes)
{
    MONITOR_CALL(ABI_CONSOLE, text, bytes, 0, 0);
}

_Noreturn static inline void monitor_exit(int status)
{
    for (;;)
        MONITOR_CALL(ABI_EXIT, status, 0, 0, 0);
}

static inline void monitor_zero_page(uint32_t ppn)
{
    MONITOR_CALL(ABI_ZERO_PAGE, ppn, 0, 0, 0);
}

static inline void monitor_free_page(uint32_t ppn)
{
    MONITOR_CALL(ABI_FREE_PAGE, ppn, 0, 0, 0);
}

static inline uint32_t monitor_cpu_number(void)
{
    return (uint32_t)MONITOR_CALL(ABI_CPU_NUMBER, 0, 0, 0, 0);
}

static inline void monitor_start_cpu(uint32_t number, void (*pc)(void *), uint32_t sp,
                                     void *argument)
{
    MONITOR_CALL(ABI_START_CPU, number, pc, sp, argument);
}

static inline void monitor_interrupt_cpu(uint32_t number)
{
    MONITOR_CALL(ABI_INTERRUPT_CPU, number, 0, 0, 0);
}

static inline void monitor_interrupt_done(void)
{
    MONITOR_CALL(ABI_INTERRUPT_DONE, 0, 0, 0, 0);
}

static inline int32_t monitor_shared_region(uint32_t key, uint32_t ppn, uint32_t pages)
{
    return MONITOR_CALL(ABI_SHARED_REGION, key, ppn, pages, 0);
}

static inline void monitor_space(uint32_t asid, const char *name, const void *image, uint32_t bytes)
{
    MONITOR_CALL(ABI_SPACE, asid, name, image, bytes);
}

static inline void monitor_forget_space(uint32_t asid)
{
    MONITOR_CALL(ABI_FORGET_SPACE, asid, 0, 0, 0);
}

static inline void monitor_region(uint32_t asid, uint32_t start, uint32_t bytes, const char *name)
{
    MONITOR_CALL(ABI_REGION, asid, start, bytes, name);
}

static inline void monitor_exit_space(uint32_t asid)
{
    MONITOR_CALL(ABI_EXIT_SPACE, asid, 0, 0, 0);
}

static inline void monitor_mark(uint32_t number)
{
    MONITOR_CALL(ABI_MARK, number, 0, 0, 0);
}

#endif
