/* What the files of the monitor share, and nobody else includes.
 *
 *   monitor    the machine's CPUs (seats), the VMs, and the stream that they make
 *   vm         a guest: its memory, its spaces, its vCPUs          vm.c, vm-load.c, vm-space.c
 *   processor  a vCPU of a VM: registers (vcpu.h), where and whether it runs    schedule.c
 *   seat       a CPU of the machine: what runs there, its list of references    schedule.c
 *   physical   guest-physical memory of all VMs (physical.h)
 *
 * Between calls of vcpu_run() one CPU at a time has references that have not been fed,
 * monitor->acting's. Whatever enters the stream or moves pages feeds them first (stream.c), so
 * the stream is in one order.
 */
#ifndef DISCO_MONITOR_INTERNAL_H
#define DISCO_MONITOR_INTERNAL_H

#include "vmm-core/monitor/abi.h"
#include "vmm-core/monitor/expand.h"
#include "vmm-core/monitor/monitor.h"
#include "vmm-core/monitor/physical.h"
#include "vmm-core/monitor/ram.h"
#include "vmm-core/monitor/vcpu/vcpu.h"

#define MONITOR_NONE UINT32_MAX
#define ASIDS        256u

#define GUEST_ADDRESSES     (UINT64_C(1) << 32)
#define DIRECT_ADDRESS(ppn) (ABI_DIRECT_MAP + (uint64_t)(ppn)*MIPS_PAGE_BYTES)

enum processor_state {
    PROCESSOR_OFF,     /* not started yet, or its VM has exited */
    PROCESSOR_READY,   /* runs, or could */
    PROCESSOR_WAITING, /* in WAIT */
};

struct processor {
    struct vcpu *vcpu;
    struct vm *vm;
    uint32_t number; /* in its VM */
    uint32_t stream;
    uint32_t asid, space;  /* what EntryHi has, and what that means */
    uint32_t cpu;          /* whose time it gets: affinity */
    uint32_t dispatched;   /* the CPU that the stream says it is on; MONITOR_NONE: none yet */
    const uint32_t *entry; /* [pages of the VM] pmap entries for that CPU, once it has run */
    enum processor_state state;
    uint64_t since; /* machine time at which it began to be ready or to wait */
};

/* A part of guest-physical memory that several VMs have. */
struct region {
    uint32_t key, vm, first, pages; /* of the VM that came first, whose pages stand for all */
};

struct vm {
    struct monitor *monitor;
    uint32_t index;
    const struct monitor_vm *options;
    char name[16];               /* "vm0" */
    uint32_t first_page;         /* of its guest-physical pages among all VMs' */
    uint32_t space;              /* its guest-physical memory, and ASID 0 */
    uint32_t asid_space[ASIDS];  /* what ASIDs mean; MONITOR_NONE: nothing yet */
    bool asid_ended[ASIDS];      /* the guest is done with it, and a vCPU is still there */
    struct processor *processor; /* [options->vcpus] */
    char *console;
    size_t console_bytes, console_room;
    uint64_t instructions;
    bool exited;
    bool cleared; /* after that: nothing is mapped any more */
    int32_t status;
};

struct seat {
    struct mips_cpu *cpu;
    struct processor *loaded; /* whose registers it has; or NULL */
    struct expand expand;
    uint64_t slice_left; /* instructions of the time slice of `loaded` */
    bool used;           /* something has run here */
    uint64_t idle;       /* instructions of idle time not yet told */
};

struct monitor {
    struct monitor_options options;
    const struct machine *machine;
    struct memory *memory; /* NULL: no policy */
    struct physical *physical;
    struct ram ram;
    struct seat *seat; /* [machine->cpus] */
    struct vm *vm;     /* [options.vms] */
    struct region *region;
    uint32_t regions;
    struct processor **processor; /* [streams] of all VMs, by stream */
    uint32_t streams, spaces;
    uint64_t quantum, slice;     /* instructions */
    struct mips_reference *list; /* of the CPU that runs; NULL: nobody wants references */
    uint64_t now;             /* machine time: instructions of each CPU at the start of the round */
    uint64_t passed;          /* and in the round, on the CPU in work */
    uint32_t unchecked;       /* rounds since the last monitor_check() */
    uint32_t exited;          /* VMs */
    bool to_clear;            /* one of them is not cleared */
    struct processor *acting; /* whose references are in its CPU's list; or NULL */
    uint64_t *addr;           /* [STREAM_ROOM] references on their way */
    uint8_t *what;
    struct monitor_counts counts;
    char *failure;   /* the first error; ends the run */
    char *registers; /* of the vCPU whose guest erred */
};

#define STREAM_ROOM 8192u

/* monitor.c: keeps the first error, frees others; NULL is none. */
void monitor_fail(struct monitor *monitor, char *error);
/* The guest of this vCPU erred: `what` in words. */
void monitor_guest_failed(struct processor *processor, const char *what);

static inline uint32_t vm_guest_page(const struct vm *vm, uint32_t ppn)
{
    return vm->first_page + ppn;
}
static inline uint32_t processor_node(const struct processor *processor)
{
    return processor->vm->monitor->machine->cpu_node[processor->cpu];
}

/* vm-load.c */
char *vm_load(struct vm *vm) __attribute__((warn_unused_result));

/* vm-space.c */
/* The space of an ASID begins anew; elf may be NULL. */
void vm_new_space(struct vm *vm, uint32_t asid, const char *name, const void *elf,
                  size_t elf_bytes);
/* The guest is done with it. */
void vm_end_space(struct vm *vm, uint32_t asid);
void vm_asid_changed(struct processor *processor, uint32_t asid);

/* vm.c */
void vm_zero(struct processor *processor, uint32_t ppn);
void vm_free_page(struct processor *processor, uint32_t ppn);
void vm_share_region(struct vm *vm, const struct region *region, uint32_t first);
void vm_exit(struct vm *vm, int32_t status);
/* Unmaps what exited VMs had. */
void vm_clear_exited(struct monitor *monitor);
/* Bytes of guest-physical memory; false: beyond its end. Untouched pages are zero. */
bool vm_read(const struct vm *vm, uint32_t guest_physical, void *to, uint32_t bytes);
void vm_write_console(struct vm *vm, const char *text, size_t bytes);
extern const struct vcpu_owner vm_vcpu_owner; /* its context is to be the processor */

/* stream.c: each feeds what the acting vCPU has recorded, then tells memory and listener. */
void stream_feed(struct monitor *monitor);
void stream_space(struct monitor *monitor, const struct monitor_space *space);
void stream_stream(struct monitor *monitor, const struct monitor_stream *stream);
void stream_region(struct monitor *monitor, const struct monitor_region *region);
void stream_mark(struct monitor *monitor, uint32_t vm, uint32_t number);
void stream_dispatch(struct processor *processor);
void stream_asid(struct processor *processor, uint32_t space);
void stream_tlb_write(struct processor *processor, uint32_t index,
                      const struct mips_tlb_entry *entry);
void stream_unmap(struct monitor *monitor, uint32_t space, uint64_t start, uint64_t end);
void stream_share(struct monitor *monitor, uint32_t space, uint64_t start, uint32_t other,
                  uint64_t other_start, uint64_t bytes);
void stream_zero(struct processor *processor, uint32_t ppn);
void stream_free(struct processor *processor, uint32_t ppn);
void stream_dma(struct processor *processor, uint32_t first, uint32_t pages);
/* What the monitor did for it since the last time. */
void stream_services(struct processor *processor);
void stream_idle(struct monitor *monitor, uint32_t cpu);
void stream_exit(struct processor *processor);

/* schedule.c */
void schedule_run(struct monitor *monitor);
void schedule_start(struct processor *processor);
void schedule_wake(struct processor *processor);
/* No vCPU of it runs any more. */
void schedule_stop(struct vm *vm);

/* calls.c: the monitor call that the vCPU has stopped with. */
void call_handle(struct processor *processor);

#endif
