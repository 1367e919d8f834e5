/* Processes and their threads: how they begin, become others, end and are waited for. */
#include "vmm-core/guest/kernel/kernel.h"
#include "vmm-core/guest/kernel/monitor-calls.h"

enum { WAIT_KEY = THREADS_MAX }; /* below it: threads that are waited for, by number */

#define STATUS_PROGRAM (STATUS_USER | STATUS_EXL | STATUS_IE | STATUS_LINES)

/* ------------------------------------------------------------------------------- parts */

static struct process *process_new(struct process *parent, const char *name)
{
    struct process *process = page_new(true);

    if (!process)
        return NULL;
    process->parent = parent;
    process->base_cpu = this_cpu()->number;
    strcpy(process->name, name);
    lock_take(&kernel.process_lock);
    for (uint32_t n = 1; n <= PROCESSES_MAX && !process->number; n++)
        if (!kernel.process[n]) {
            kernel.process[n] = process;
            process->number = n;
        }
    lock_give(&kernel.process_lock);
    if (!process->number) {
        page_drop(ppn_of(process));
        return NULL;
    }
    return process;
}

/* It is in nobody's view any more. */
static void process_delete(struct process *process)
{
    lock_take(&kernel.process_lock);
    kernel.process[process->number] = NULL;
    lock_give(&kernel.process_lock);
    page_drop(ppn_of(process));
}

/* A thread that will leave the kernel by its frame, which the caller fills. */
static struct thread *thread_new(struct process *process, uint32_t number)
{
    struct thread *thread = page_new(true);

    if (!thread)
        return NULL;
    thread->process = process;
    thread->number = number;
    thread->guard = GUARD;
    thread->cpu = kernel.cpu[(process->base_cpu + number) % kernel.cpus];
    if (!thread->cpu)
        thread->cpu = this_cpu(); /* that one has not begun yet */
    thread->fpu[32] = FCSR_FLUSH;
    thread->kept[9] = (uint32_t)(uintptr_t)user_frame(thread);
    thread->kept[10] = (uint32_t)(uintptr_t)thread_begin;
    process->thread[number] = thread;
    process->threads++;
    return thread;
}

/* ------------------------------------------------------------------------------- programs */

/* A program that is being loaded: one page. */
struct loading {
    struct space space;
    uint32_t entry, argc, bytes;
    char arguments[1600]; /* one behind the other, each ended */
};
_Static_assert(sizeof(struct loading) <= PAGE_BYTES, "a page");

static bool load(struct loading *loading, const struct file *file)
{
    static const struct area stacks = {.start = USER_STACKS,
                                       .end = STACKS_END,
                                       .writable = true,
                                       .name = "stacks"};

    if (!space_new(&loading->space, file->name, file->image, file->bytes))
        return false;
    loading->entry = elf_load(&loading->space, file);
    if (loading->entry && space_add(&loading->space, &stacks))
        return true;
    space_free(&loading->space);
    return false;
}

/* Arguments and argv go to the end of thread 0's stack; its frame to the program's start. */
static bool begin(struct loading *loading, struct thread *thread)
{
    uint32_t base = STACKS_END - PAGE_BYTES, text = PAGE_BYTES - loading->bytes;
    uint32_t array = (text - 4 * (loading->argc + 1)) & ~7u;
    char *page = space_page(&loading->space, base);
    struct frame *frame = user_frame(thread);
    uint32_t *argv;

    if (!page)
        return false;
    argv = (void *)(page + array);
    memcpy(page + text, loading->arguments, loading->bytes);
    for (uint32_t n = 0, at = text; n < loading->argc; n++) {
        argv[n] = base + at;
        at += strlen(page + at) + 1;
    }
    *frame = (struct frame){.status = STATUS_PROGRAM, .epc = loading->entry};
    frame->r[4] = loading->argc;
    frame->r[5] = base + array;
    frame->r[29] = base + array - 16;
    memset(thread->fpu, 0, sizeof(thread->fpu));
    thread->fpu[32] = FCSR_FLUSH;
    return true;
}

int process_start(const char *name, int argc, char **argv)
{
    struct file *file = file_find(name);
    struct loading *loading = page_new(true);
    struct process *process = process_new(NULL, name);
    struct thread *thread = process ? thread_new(process, 0) : NULL;

    if (!file || !loading || !thread)
        return -1;
    for (int n = 0; n < argc; n++) {
        uint32_t bytes = strlen(argv[n]) + 1;

        if (bytes > sizeof(loading->arguments) - loading->bytes - 4 * loading->argc)
            return -1;
        memcpy(loading->arguments + loading->bytes, argv[n], bytes);
        loading->bytes += bytes;
        loading->argc++;
    }
    if (!load(loading, file) || !begin(loading, thread))
        return -1;
    process->space = loading->space;
    page_drop(ppn_of(loading));
    thread_ready(thread);
    return 0;
}

static bool read_arguments(struct loading *loading, uint32_t argv)
{
    for (uint32_t pointer;; argv += 4) {
        char *to = loading->arguments + loading->bytes;
        uint32_t room = sizeof(loading->arguments) - loading->bytes - 4 * loading->argc;

        if (!user_read(&pointer, argv, 4))
            return false;
        if (!pointer)
            return true;
        if (room < 8 || room > sizeof(loading->arguments) || !user_text(to, pointer, room))
            return false;
        loading->bytes += strlen(to) + 1;
        loading->argc++;
    }
}

int process_exec(struct frame *frame, const char *name, uint32_t argv)
{
    struct thread *thread = current();
    struct process *process = thread->process;
    struct file *file = file_find(name);
    struct loading *loading = process->threads == 1 && file ? page_new(true) : NULL;

    if (!loading)
        return -1;
    if (!read_arguments(loading, argv) || !load(loading, file)) {
        page_drop(ppn_of(loading));
        return -1;
    }
    process->thread[thread->number] = NULL;
    process->thread[0] = thread;
    thread->number = 0;
    process->base_cpu = this_cpu()->number;
    strcpy(process->name, name);
    tlb_use(thread->cpu, NULL);
    space_free(&process->space);
    if (!begin(loading, thread))
        panic("no memory for a program's stack", frame);
    loading->space.cpus = 1u << thread->cpu->number;
    process->space = loading->space;
    page_drop(ppn_of(loading));
    tlb_use(thread->cpu, &process->space);
    return (int)frame->r[2];
}

int process_fork(const struct frame *frame)
{
    struct thread *thread = current(), *copy;
    struct process *parent = thread->process;
    struct process *process = process_new(parent, parent->name);
    const struct file *file = file_find(parent->name);
    struct frame *to;

    if (!process)
        return -1;
    copy = thread_new(process, thread->number);
    if (!copy || !space_new(&process->space, parent->name, file->image, file->bytes)) {
        if (copy)
            page_drop(ppn_of(copy));
        process_delete(process);
        return -1;
    }
    if (!space_copy(&process->space, &parent->space)) {
        space_free(&process->space);
        page_drop(ppn_of(copy));
        process_delete(process);
        return -1;
    }
    if (parent->threads == 1)
        parent->space.cpus = 1u << thread->cpu->number;
    files_copy(process, parent);
    if (frame->status & STATUS_CU1)
        fpu_save(thread);
    memcpy(copy->fpu, thread->fpu, sizeof(copy->fpu));
    to = user_frame(copy);
    *to = *frame;
    to->status &= ~(uint32_t)STATUS_CU1;
    to->r[2] = 0;
    copy->cpu = thread->cpu;
    thread_ready(copy);
    return (int)process->number;
}

/* ------------------------------------------------------------------------------- threads */

int process_spawn(const struct frame *frame)
{
    struct process *process = current()->process;
    struct thread *thread = NULL;
    uint32_t number = 0;

    lock_take(&process->lock);
    while (number < THREADS_MAX && process->thread[number])
        number++;
    if (number < THREADS_MAX && !process->dying)
        thread = thread_new(process, number);
    lock_give(&process->lock);
    if (!thread)
        return -1;
    *user_frame(thread) = (struct frame){.status = STATUS_PROGRAM, .epc = frame->r[4]};
    user_frame(thread)->r[4] = frame->r[5];
    user_frame(thread)->r[5] = frame->r[6];
    user_frame(thread)->r[29] = STACKS_END - number * STACK_BYTES - 16;
    thread_ready(thread);
    return (int)number;
}

int process_join(uint32_t number)
{
    struct process *process = current()->process;

    if (number >= THREADS_MAX || number == current()->number)
        return -1;
    for (;;) {
        struct bucket *bucket = bucket_lock(process, number);

        if (!process->thread[number] || process->dying) {
            lock_give(&bucket->lock);
            return 0;
        }
        sleep_in(bucket, process, number);
    }
}

/* ------------------------------------------------------------------------------- ends */

/* All its threads leave when they next leave the kernel; those elsewhere are made to enter it. */
void process_exit(int status)
{
    struct process *process = current()->process;

    lock_take(&process->lock);
    if (!process->dying) {
        process->status = status;
        __atomic_store_n(&process->dying, 1, __ATOMIC_SEQ_CST);
    }
    for (uint32_t n = 0; n < THREADS_MAX; n++) {
        struct thread *thread = process->thread[n];

        if (!thread || thread == current())
            continue;
        wake_thread(thread);
        if (thread->on_cpu && thread->cpu != this_cpu())
            monitor_interrupt_cpu(thread->cpu->number);
    }
    lock_give(&process->lock);
}

/* Nobody waits for children of a process that has ended: they delete themselves, and those that have
 * ended already are deleted here. */
static void leave_children(const struct process *process)
{
    for (uint32_t n = 1; n <= PROCESSES_MAX; n++) {
        struct process *child = kernel.process[n];

        if (!child || child->parent != process)
            continue;
        child->parent = NULL;
        if (child->ended) {
            kernel.process[n] = NULL;
            page_drop(ppn_of(child));
        }
    }
}

static void process_finish(struct process *process)
{
    struct process *parent;

    if (process->number == 1)
        monitor_exit(process->status);
    for (uint32_t i = 0; i < OPEN_MAX; i++)
        if (process->open[i].file)
            file_close(&process->open[i]);
    space_free(&process->space);
    lock_take(&kernel.process_lock);
    leave_children(process);
    parent = process->parent;
    process->ended = 1;
    if (!parent) {
        kernel.process[process->number] = NULL;
        page_drop(ppn_of(process));
    }
    lock_give(&kernel.process_lock);
    if (parent)
        wake(parent, WAIT_KEY, 1);
}

void thread_exit(void)
{
    struct thread *thread = current();
    struct process *process = thread->process;
    uint32_t number = thread->number;
    bool last;

    tlb_use(thread->cpu, NULL);
    lock_take(&process->lock);
    process->thread[number] = NULL;
    last = --process->threads == 0;
    lock_give(&process->lock);
    wake(process, number, THREADS_MAX);
    if (last)
        process_finish(process);
    thread->state = THREAD_DEAD;
    schedule();
    panic("a dead thread ran", NULL);
}

/* A child that has ended, taken out of the table; *any says whether there are children at all. */
static struct process *take_child(const struct process *process, bool *any)
{
    struct process *ended = NULL;

    *any = false;
    lock_take(&kernel.process_lock);
    for (uint32_t n = 1; n <= PROCESSES_MAX && !ended; n++) {
        struct process *child = kernel.process[n];

        if (!child || child->parent != process)
            continue;
        *any = true;
        if (child->ended) {
            ended = child;
            kernel.process[n] = NULL;
        }
    }
    lock_give(&kernel.process_lock);
    return ended;
}

int process_wait(uint32_t status_address)
{
    struct process *process = current()->process, *child;
    int number;

    for (;;) {
        struct bucket *bucket = bucket_lock(process, WAIT_KEY);
        bool any;

        child = take_child(process, &any);
        if (child || !any || process->dying) {
            lock_give(&bucket->lock);
            break;
        }
        sleep_in(bucket, process, WAIT_KEY);
    }
    if (!child)
        return -1;
    number = (int)child->number;
    if (!user_write(status_address, &child->status, sizeof(child->status)))
        number = -1;
    page_drop(ppn_of(child));
    return number;
}
