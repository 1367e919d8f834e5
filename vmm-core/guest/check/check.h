/* The guest that checks the kernel, the library and the virtual machine below: each check is a function
 * that tells what it found, and prints nothing itself. */
#ifndef DISCO_GUEST_CHECK_H
#define DISCO_GUEST_CHECK_H

#include "vmm-core/guest/user/calls.h"
#include "vmm-core/guest/user/disco.h"

/* NULL: all is well. Else what is not, in a few words. */
typedef const char *check_function(void);

struct check {
    const char *what;
    check_function *run;
};

/* Ended by one without a name. */
extern const struct check memory_checks[], thread_checks[], process_checks[], library_checks[];

/* Says why the check failed and leaves it. */
#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return #condition;                                                                     \
    } while (0)

/* A system call as it is. */
int disco_call(uintptr_t first, uintptr_t second, uintptr_t third, int number);

/* Threads for checks of agreement: some more than there are CPUs. */
int check_threads(void);

/* Runs the function in a child: the status that it ended with. */
int status_of_child(void (*run)(void));

#endif
