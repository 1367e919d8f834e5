/* The virtual machine monitor: virtual machines with virtual CPUs on a modelled ccNUMA machine.
 *
 * A monitor is made of a machine and of virtual machines, each a guest kernel (ELF), its
 * arguments, its memory and its number of vCPUs; monitor_run() runs them until all have exited.
 * What the guests do becomes one ordered stream of references and events, which a listener hears
 * (a recorder) and, where a policy is asked for, the memory subsystem, which then moves the bytes
 * of pages between the frames of nodes while the guests run. Feeding the recorded stream to
 * another memory (memory.h) gives the same counters to the last digit; what guests see depends
 * neither on the policy nor on costs.
 *
 * Time is instructions. CPUs run one after the other, `quantum` instructions each; one CPU that
 * has nothing to run lets as many pass. Everything is a function of the options: a run repeats
 * bit for bit.
 *
 * One object belongs to one thread; objects share nothing. Options and what they point to must
 * outlive the monitor. Sources: Bugnion, Devine, Rosenblum, "Disco" (SOSP'97), sections 4 and 5;
 * what guests may ask of the monitor is in abi.h.
 *
 * Errors: NULL, or one line from malloc. After an error the results can be read, and the object
 * freed.
 */
#ifndef DISCO_MONITOR_H
#define DISCO_MONITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm-core/machine/machine.h"
#include "vmm-core/memory/memory.h"

#define MONITOR_VMS_MAX       64u
#define MONITOR_VCPUS_MAX     256u   /* of one VM */
#define MONITOR_VM_PAGES_MAX  65536u /* the direct map at 0xC0000000 shows 256 MiB */
#define MONITOR_QUANTUM       10000u /* instructions, where the options say 0 */
#define MONITOR_QUANTUM_LEAST 100u
#define MONITOR_QUANTUM_MOST  1000000u
#define MONITOR_SLICE_NS      UINT64_C(10000000)

/* ------------------------------------------------------------------------------ what is heard */

/* What happens beside references: the trace's events of the same names (collector/trace/event.h),
 * with the same arguments in the same order, but that CPUs and nodes are indices of the machine.
 * Streams and spaces are numbers that were given to `stream` and `space` before. */
enum monitor_event_kind {
    MONITOR_DISPATCH, /* the stream is put on a CPU: cpu, its node */
    MONITOR_IDLE,     /* a CPU had nothing to run: cpu, ns */
    MONITOR_ASID,     /* the stream changes its space: space */
    MONITOR_TLBWRITE, /* the guest writes its TLB: index, EntryHi, EntryLo0, EntryLo1, PageMask */
    MONITOR_UNMAP,    /* pages are no longer mapped: space, start, end */
    MONITOR_SHARE,    /* a space's pages in another: space, start, other space, its start, bytes */
    MONITOR_ZERO,     /* first touch of a guest-physical page, or the guest has it zeroed: PPN */
    MONITOR_FREE,     /* the guest gives one back: PPN */
    MONITOR_DMA,      /* the loader writes pages: first PPN, pages, 0 */
    MONITOR_SERVICE,  /* what the monitor did for it: kind (enum memory_service), times */
    MONITOR_EXIT,     /* the stream ends: nothing */
    MONITOR_EVENT_KINDS
};
#define MONITOR_EVENT_ARGS 5
#define MONITOR_NO_STREAM  UINT32_MAX

struct monitor_event {
    enum monitor_event_kind kind;
    uint32_t stream; /* MONITOR_NO_STREAM: of none (idle, unmap, share) */
    uint64_t args[MONITOR_EVENT_ARGS];
};

/* An address space: a VM's guest-physical memory, shown at 0xC0000000 (asid MONITOR_PHYSICAL), or
 * what an ASID of a VM means from now on. */
#define MONITOR_PHYSICAL UINT32_MAX
struct monitor_space {
    uint32_t space; /* its number: 0, 1, ... in this order */
    uint32_t vm, asid;
    const char *name; /* "vm0", or the name that the guest gave */
    /* The ELF image of what runs there, for its symbols; NULL: not known. Valid during the call. */
    const void *elf;
    size_t elf_bytes;
};

struct monitor_stream {
    uint32_t stream; /* its number: 0, 1, ... in this order */
    uint32_t vm, vcpu;
    const char *name; /* "vm0.cpu1" */
    uint32_t space;   /* its first: the VM's guest-physical memory */
};

/* A part of a space that the guest has named. */
struct monitor_region {
    uint32_t space;
    uint64_t start, end;
    const char *name;
};

/* All in one order. Each function is optional. What they return (NULL, or one line from malloc)
 * ends the run. References are those of `stream`, which is on the CPU that the last dispatch of
 * it named: 64-bit addresses, and the `what` bytes of memory.h (kind, kernel mode). */
struct monitor_listener {
    void *context;
    char *(*space)(void *context, const struct monitor_space *space);
    char *(*stream)(void *context, const struct monitor_stream *stream);
    char *(*region)(void *context, const struct monitor_region *region);
    char *(*references)(void *context, uint32_t stream, const uint64_t *addr, const uint8_t *what,
                        size_t references);
    char *(*event)(void *context, const struct monitor_event *event);
    /* The guest says MARK (abi.h): where the part that is to be recorded starts or stops. */
    char *(*mark)(void *context, uint32_t vm, uint32_t number);
};

/* ------------------------------------------------------------------------------ options */

struct monitor_vm {
    const char *path; /* of the guest kernel's ELF file; with `elf`, the name in messages */
    const void *elf;  /* NULL: the file is read */
    size_t elf_bytes;
    const char *const *argv; /* [argc]; the guest finds them as abi.h says */
    uint32_t argc;
    uint32_t pages; /* of guest-physical memory, from 0; at most MONITOR_VM_PAGES_MAX */
    uint32_t vcpus;
};

struct monitor_options {
    const struct machine *machine;
    const struct monitor_vm *vm; /* [vms] */
    uint32_t vms;
    uint64_t quantum;  /* instructions that a CPU runs before the next does; 0: MONITOR_QUANTUM */
    uint64_t slice_ns; /* a vCPU's time on its CPU while others wait for it, at the machine's
                            * fetch_ps an instruction; 0: MONITOR_SLICE_NS */
    uint64_t
        instructions; /* the run ends after so many of all vCPUs, in whole rounds; 0: no limit */
    uint64_t seed;    /* of the CPUs' Random registers */
    bool hal;         /* the guest may use the page of registers (abi.h) */
    bool patch;       /* reads of such registers are rewritten at their first trap; wants hal */
    bool no_fetches;  /* fetches are neither heard nor fed */
    /* NULL: no policy, pages stay where they were first touched and nothing is modelled but that.
     * Else what memory_new() is to be given; machine, guest, has_fetches, guest_refills and frames
     * are the monitor's. */
    const struct memory_options *memory;
    const struct monitor_listener *listener; /* NULL: nobody */
    /* Where guests write to; NULL: what they write is kept for monitor_console() alone. */
    void *context;
    void (*console)(void *context, uint32_t vm, const char *text, size_t bytes);
    /* For tests: every nth shootdown of a moved page leaves the TLBs of CPUs as they are. 0:
     * never. A guest that does not fail then has not been moved enough. */
    uint32_t skip_shootdown;
    /* For tests: monitor_check() after so many rounds; what it finds ends the run. 0: never. */
    uint32_t check_every;
};

/* ------------------------------------------------------------------------------ a run */

struct monitor;

/* Loads the guests. Refused: a guest that is no such ELF or does not fit, memory of the VMs
 * together beyond the machine's, more than a limit above. */
char *monitor_new(const struct monitor_options *options, struct monitor **out)
    __attribute__((warn_unused_result));
void monitor_free(struct monitor *monitor);

/* Runs until every VM has exited or the limit of instructions is reached; ends the memory's last
 * epoch (memory_finish()). Once. An error is a listener's, the host's, or a guest's: then the
 * line names VM, vCPU and what it did, and monitor_registers() has more. */
char *monitor_run(struct monitor *monitor) __attribute__((warn_unused_result));

/* Of the vCPU whose guest erred: registers, mode and instruction, as text of some lines; NULL:
 * none did. */
const char *monitor_registers(const struct monitor *monitor);

/* NULL without a policy. */
const struct memory *monitor_memory(const struct monitor *monitor);

/* Between rounds: do the TLBs of CPUs hold what the pmap says? NULL, or what disagrees. */
char *monitor_check(const struct monitor *monitor) __attribute__((warn_unused_result));

struct monitor_vm_state {
    bool exited;
    int32_t status;        /* that it exited with */
    uint64_t instructions; /* that its vCPUs have run */
    const char *console;   /* what it has written so far, ended by 0 */
    size_t console_bytes;
};
struct monitor_vm_state monitor_vm_state(const struct monitor *monitor, uint32_t vm);

/* What the run has done so far, beside memory's counters. */
struct monitor_counts {
    uint64_t instructions;       /* of all vCPUs */
    uint64_t idle_instructions;  /* of CPUs with nothing to run */
    uint64_t references, events; /* heard */
    uint64_t pages_touched, early_collapses, shootdowns_skipped;
};
struct monitor_counts monitor_counts(const struct monitor *monitor);

#endif
