/* The kernel's data and what its parts do for each other.
 *
 * One kernel runs on all virtual CPUs of a virtual machine, always with interrupts off but while a
 * CPU waits: nothing preempts it, and other CPUs are kept out by spin locks, taken in this order:
 *
 *   a bucket of sleepers  >  a process's memory  >  shootdowns  >  a run queue, pages, processes, files
 *
 * A CPU that spins answers shootdowns (lock_take), so that whoever waits for its answer with a lock
 * held gets it. All addresses of the kernel's are of the direct map; it touches no other segment but
 * user memory, by user_copy().
 */
#ifndef DISCO_GUEST_KERNEL_H
#define DISCO_GUEST_KERNEL_H

#include "vmm-core/guest/kernel/layout.h"
#include "vmm-core/guest/kernel/registers.h"
#include "vmm-core/guest/user/calls.h"
#include "vmm-core/guest/user/libc.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CPUS_MAX = 32,
    PROCESSES_MAX = 64,
    THREADS_MAX = 64, /* of a process */
    AREAS_MAX = 48,
    OPEN_MAX = 16,
    FILES_MAX = 128,
    NAME_BYTES = 24,
    ASIDS = 256,
    BUCKETS = 64,
    TABLE_WORDS = PAGE_BYTES / 4,
    SLICE_INSTRUCTIONS = 1000000, /* a thread's time slice, 10 ms at 100 MIPS */
};

/* ------------------------------------------------------------------------------- locks */

struct lock {
    uint32_t taken;
};
void lock_take(struct lock *lock);
void lock_give(struct lock *lock);

/* ------------------------------------------------------------------------------- threads */

/* What an exception saves, at the top of the thread's kernel stack when it came from user mode. */
struct frame {
    uint32_t arguments[4]; /* a callee's home for its own */
    uint32_t r[32];        /* but k0 and k1 */
    uint32_t hi, lo, status, cause, epc;
    uint32_t bad_vaddr; /* of those exceptions that have one */
};

enum thread_state { THREAD_READY, THREAD_RUNNING, THREAD_SLEEPING, THREAD_DEAD };

/* At the start of a page whose end is the thread's kernel stack. */
struct thread {
    uint32_t kept[12]; /* what thread_switch() keeps */
    uint32_t fpu[34];  /* registers and FCSR, of a thread that is not on a CPU */
    struct cpu *cpu;   /* runs on, ran on last or shall run on */
    struct process *process;
    struct thread *next; /* in a run queue or bucket */
    struct bucket *bucket;
    const void *sleep_owner; /* what it sleeps on */
    uint32_t sleep_key;
    enum thread_state state;
    uint32_t on_cpu; /* its kernel stack is in use: no other CPU may run it */
    uint32_t number; /* in its process */
    uint32_t guard;  /* GUARD, unless the stack has run into it */
};
#define GUARD 0x5afe57ac

static inline struct thread *current(void)
{
    return (struct thread *)((uintptr_t)__builtin_frame_address(0) & ~(uintptr_t)(PAGE_BYTES - 1));
}

static inline struct frame *user_frame(struct thread *thread)
{
    return (struct frame *)(void *)((char *)thread + PAGE_BYTES) - 1;
}

struct queue {
    struct lock lock;
    struct thread *first, **last;
};

/* One page each. */
struct cpu {
    const uint32_t *root; /* the page table that TLB refills read */
    uint32_t stack;       /* kernel stack of the thread that runs */
    uint32_t status;      /* of a trap that is being entered */
    uint32_t number, asid;
    struct thread *running, *idle;
    struct queue queue;
    uint32_t waiting;                 /* finds nothing to do: is to be interrupted when there is */
    uint32_t asleep;                  /* and is in WAIT */
    uint32_t reschedule;              /* the time slice is over, or somebody asks */
    uint32_t shootdown;               /* kernel.shootdown is for this CPU too */
    uint32_t count, wraps;            /* Count when last read; how often it began anew */
    uint32_t quiet_ticks;             /* since anything ran on any CPU, as this one saw it */
    uint32_t switches, switches_seen; /* threads that it has gone to; all CPUs together at a tick */
};

static inline struct cpu *this_cpu(void)
{
    return current()->cpu;
}

/* schedule.c */
void schedule_init(struct cpu *cpu, struct thread *idle);
/* Makes a thread that is in no queue ready, on a CPU that suits. */
void thread_ready(struct thread *thread);
/* Gives the CPU to the next thread; the caller has set its own state (ready ones go to the end of the
 * queue) and holds no lock. */
void schedule(void);
void thread_arrived(struct thread *before);
_Noreturn void idle_loop(void);
void timer_tick(void);
uint64_t cpu_clock(void);
struct thread *thread_switch(struct thread *from, struct thread *to);
void thread_begin(void);
void fpu_save(struct thread *thread);
void fpu_load(const struct thread *thread);
void cpu_wait(void);

/* sleep.c: threads sleep on a key of an owner */
struct bucket {
    struct lock lock;
    struct thread *first;
};
struct bucket *bucket_lock(const void *owner, uint32_t key);
/* With the bucket locked, which it gives up: sleeps, unless the process is ending. */
void sleep_in(struct bucket *bucket, const void *owner, uint32_t key);
/* With the bucket locked: how many it woke. */
uint32_t wake_in(struct bucket *bucket, const void *owner, uint32_t key, uint32_t count);
uint32_t wake(const void *owner, uint32_t key, uint32_t count);
void wake_thread(struct thread *thread);

/* ------------------------------------------------------------------------------- memory */

/* pages.c */
void pages_init(uint32_t first, uint32_t end);
/* A page that the caller is the only owner of; NULL: none is left. */
void *page_new(bool zeroed);
void page_share(uint32_t ppn);
/* Gives up a share; the last one frees the page. Pages of the kernel's image are never freed. */
void page_drop(uint32_t ppn);
/* Nobody else has a share: it may be written. */
bool page_is_own(uint32_t ppn);
/* Pages one behind the other; NULL: there are not so many. */
void *pages_contiguous(uint32_t count);

static inline uint32_t ppn_of(const void *address)
{
    return ((uint32_t)(uintptr_t)address - ABI_DIRECT_MAP) / PAGE_BYTES;
}

static inline void *page_at(uint32_t ppn)
{
    return (void *)(uintptr_t)(ABI_DIRECT_MAP + ppn * PAGE_BYTES);
}

/* A part of a process's addresses: whole pages. Bytes that `backing` has come from it, others are 0. */
struct area {
    uint32_t start, end;
    const uint8_t *backing;
    uint32_t backing_bytes;
    bool writable;
    bool common;           /* of all virtual machines: never copied */
    char name[NAME_BYTES]; /* empty: not to be told to the monitor */
};

struct space {
    uint32_t **root; /* 1024 tables of 1024 EntryLo words */
    struct lock lock;
    uint32_t asid, cpus; /* CPUs whose TLB may have entries of it, as bits */
    uint32_t area_count, next_map;
    struct area area[AREAS_MAX];
};

/* space.c; those that can run out of memory return false, or 0 */
bool space_new(struct space *space, const char *name, const void *image, uint32_t image_bytes);
void space_free(struct space *space);
bool space_add(struct space *space, const struct area *area);
uint32_t space_map(struct space *space, uint32_t bytes, const char *name);
uint32_t space_map_common(struct space *space, uint32_t bytes);
/* A page of the space, for the kernel to write before anything runs in it. */
void *space_page(struct space *space, uint32_t address);
/* Copies what is in `from`, copy-on-write; `to` is new. */
bool space_copy(struct space *to, struct space *from);
/* A page fault; mended: the access can be tried again. */
enum fault { FAULT_MENDED, FAULT_WRONG, FAULT_NO_MEMORY };
enum fault space_fault(struct space *space, uint32_t address, bool write);
/* The table of which all words are 0, for addresses that have none. */
extern uint32_t empty_table[TABLE_WORDS], *empty_root[TABLE_WORDS];

/* tlb.c */
uint32_t asid_new(void);
void asid_free(uint32_t asid);
void tlb_use(struct cpu *cpu, const struct space *space); /* NULL: the kernel's own */
/* The caller's TLB gets the words of the pair of pages that `address` is in, if it has the pair. */
void tlb_update(uint32_t address, const uint32_t pair[2]);
enum { SHOOT_ALL = 1 }; /* no page has this address */
/* All other CPUs in `cpus` forget the page, or all of the ASID; with SHOOT_ALL the caller's too. */
void tlb_shootdown(uint32_t asid, uint32_t cpus, uint32_t address);
void tlb_answer(void);

/* ------------------------------------------------------------------------------- processes */

struct open_file {
    struct file *file;
    uint32_t offset;
    bool write;
};

/* One page each. */
struct process {
    uint32_t number;
    struct process *parent; /* NULL: nobody waits for it */
    struct thread *thread[THREADS_MAX];
    uint32_t threads, base_cpu; /* running; where thread 0 began: thread n begins n CPUs further */
    struct lock lock;           /* of the threads */
    uint32_t dying, ended;
    int status;
    char name[NAME_BYTES];
    struct open_file open[OPEN_MAX];
    struct space space;
};

/* process.c */
int process_start(const char *name, int argc, char **argv);
int process_fork(const struct frame *frame);
int process_exec(struct frame *frame, const char *name, uint32_t argv);
int process_wait(uint32_t status_address);
int process_spawn(const struct frame *frame);
int process_join(uint32_t number);
void process_exit(int status);
_Noreturn void thread_exit(void);

/* elf.c: the areas of an image of a program, and where it starts; 0: it is none */
struct file;
uint32_t elf_load(struct space *space, const struct file *file);

/* files.c */
struct file {
    char name[NAME_BYTES];
    const uint8_t *image; /* of an embedded file; else it was created, and */
    uint32_t *pages;      /* these are its pages' addresses, a page of them */
    uint32_t bytes, uses; /* open files, and one for its name */
};
void files_init(void);
struct file *file_find(const char *name); /* no use is counted */
int file_open(struct process *process, const char *name, bool create);
int file_read(struct open_file *open, uint32_t address, uint32_t bytes);
int file_write(struct open_file *open, uint32_t address, uint32_t bytes);
void file_close(struct open_file *open);
void files_copy(struct process *to, const struct process *from);
int file_unlink(const char *name);

/* ------------------------------------------------------------------------------- the rest */

/* traps */
void trap(struct frame *frame);
uint32_t bad_vaddr(void);
int user_copy(void *to, const void *from, uint32_t bytes);
bool user_read(void *to, uint32_t from, uint32_t bytes);
bool user_write(uint32_t to, const void *from, uint32_t bytes);
/* A text of at most bytes - 1 letters, ended; false: too long, or not readable. */
bool user_text(char *to, uint32_t from, uint32_t bytes);
int32_t system_call(struct frame *frame);

/* console.c; %s %d %x */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
int console_write(uint32_t address, uint32_t bytes);
_Noreturn void panic(const char *what, const struct frame *frame);

/* vectors.c */
void vectors_install(struct cpu *cpu, void *page);
void hal_use(void);

/* The kernel's one global. */
struct kernel {
    uint32_t cpus;
    uint32_t common_ppn, common_pages; /* of all virtual machines */
    bool started;                      /* the first process is there */
    bool keep_pages;                   /* pages of ended processes stay with this kernel */
    struct cpu *cpu[CPUS_MAX];         /* NULL: has not begun yet */
    struct lock process_lock, file_lock, console_lock;
    struct process *process[PROCESSES_MAX + 1]; /* by number, from 1 */
    struct file file[FILES_MAX];
    struct bucket bucket[BUCKETS];
    struct {
        struct lock lock;
        uint32_t fresh, end;    /* PPNs that were never used */
        uint32_t clean, dirty;  /* free pages that are zero, and others: lists by PPN, 0 ends */
        uint32_t first;         /* PPN of share[0] */
        uint32_t *share, *next; /* of each page: how many have it; the next in its list */
    } pages;
    struct {
        struct lock lock;
        uint32_t asid, address, waiting; /* the request; CPUs that have not answered */
    } shootdown;
    struct {
        struct lock lock;
        uint32_t last;
        bool used[ASIDS], old[ASIDS]; /* now; since they were last forgotten */
    } asids;
};
extern struct kernel kernel;

_Static_assert(offsetof(struct cpu, root) == CPU_ROOT && offsetof(struct cpu, stack) == CPU_STACK &&
                   offsetof(struct cpu, status) == CPU_STATUS &&
                   offsetof(struct frame, r) == FRAME_R && offsetof(struct frame, hi) == FRAME_HI &&
                   offsetof(struct frame, status) == FRAME_STATUS &&
                   offsetof(struct frame, epc) == FRAME_EPC &&
                   sizeof(struct frame) == FRAME_BYTES &&
                   offsetof(struct thread, kept) == THREAD_KEPT &&
                   offsetof(struct thread, fpu) == THREAD_FPU,
               "layout.h");
_Static_assert(sizeof(struct process) <= PAGE_BYTES && sizeof(struct cpu) <= PAGE_BYTES, "a page");

#endif
