/* Spin locks, by LL and SC (the compiler's atomics). */
#include "vmm-core/guest/kernel/kernel.h"

void lock_take(struct lock *lock)
{
    while (__atomic_exchange_n(&lock->taken, 1, __ATOMIC_ACQUIRE))
        while (__atomic_load_n(&lock->taken, __ATOMIC_RELAXED))
            tlb_answer();
}

void lock_give(struct lock *lock)
{
    __atomic_store_n(&lock->taken, 0, __ATOMIC_RELEASE);
}
