/* The table of system calls. */
#include "vmm-core/guest/kernel/kernel.h"
#include "vmm-core/guest/kernel/monitor-calls.h"

/* Arguments are in a0..a2. */
static uint32_t argument(const struct frame *frame, uint32_t n)
{
    return frame->r[4 + n];
}

static bool name_of(char name[NAME_BYTES], const struct frame *frame, uint32_t n)
{
    return user_text(name, argument(frame, n), NAME_BYTES);
}

static int32_t call_exit(struct frame *frame)
{
    process_exit((int)argument(frame, 0));
    return 0;
}

static int32_t call_thread_exit(struct frame *frame)
{
    (void)frame;
    thread_exit();
}

static int32_t call_spawn(struct frame *frame)
{
    return process_spawn(frame);
}

static int32_t call_join(struct frame *frame)
{
    return process_join(argument(frame, 0));
}

static int32_t call_yield(struct frame *frame)
{
    (void)frame;
    this_cpu()->reschedule = 1;
    return 0;
}

static int32_t call_cpu(struct frame *frame)
{
    (void)frame;
    return (int32_t)this_cpu()->number;
}

static int32_t call_cpus(struct frame *frame)
{
    (void)frame;
    return (int32_t)kernel.cpus;
}

static int32_t call_sleep_on(struct frame *frame)
{
    const struct process *process = current()->process;
    uint32_t address = argument(frame, 0), value;
    struct bucket *bucket;

    if (address < USER_TEXT || address % 4)
        return -1;
    bucket = bucket_lock(process, address);
    if (!user_read(&value, address, 4) || value != argument(frame, 1)) {
        lock_give(&bucket->lock);
        return -1;
    }
    sleep_in(bucket, process, address);
    return 0;
}

static int32_t call_wake(struct frame *frame)
{
    if (argument(frame, 0) < USER_TEXT)
        return -1;
    return (int32_t)wake(current()->process, argument(frame, 0), argument(frame, 1));
}

static int32_t call_map(struct frame *frame)
{
    char name[NAME_BYTES];

    if (!name_of(name, frame, 1))
        return 0;
    return (int32_t)space_map(&current()->process->space, argument(frame, 0), name);
}

static int32_t call_shared(struct frame *frame)
{
    return (int32_t)space_map_common(&current()->process->space, argument(frame, 0));
}

static int32_t call_fork(struct frame *frame)
{
    return process_fork(frame);
}

static int32_t call_exec(struct frame *frame)
{
    char name[NAME_BYTES];

    return name_of(name, frame, 0) ? process_exec(frame, name, argument(frame, 1)) : -1;
}

static int32_t call_wait(struct frame *frame)
{
    return process_wait(argument(frame, 0));
}

static int32_t call_process(struct frame *frame)
{
    (void)frame;
    return (int32_t)current()->process->number;
}

static int32_t call_open(struct frame *frame)
{
    char name[NAME_BYTES];

    return name_of(name, frame, 0) ? file_open(current()->process, name, false) : -1;
}

static int32_t call_create(struct frame *frame)
{
    char name[NAME_BYTES];

    return name_of(name, frame, 0) ? file_open(current()->process, name, true) : -1;
}

static struct open_file *open_of(const struct frame *frame)
{
    uint32_t number = argument(frame, 0);
    struct open_file *open = &current()->process->open[number];

    return number < OPEN_MAX && open->file ? open : NULL;
}

static int32_t call_read(struct frame *frame)
{
    struct open_file *open = open_of(frame);

    return open ? file_read(open, argument(frame, 1), argument(frame, 2)) : -1;
}

static int32_t call_write(struct frame *frame)
{
    struct open_file *open = open_of(frame);

    return open ? file_write(open, argument(frame, 1), argument(frame, 2)) : -1;
}

static int32_t call_size(struct frame *frame)
{
    const struct open_file *open = open_of(frame);

    return open ? (int32_t)open->file->bytes : -1;
}

static int32_t call_close(struct frame *frame)
{
    struct open_file *open = open_of(frame);

    if (!open)
        return -1;
    file_close(open);
    return 0;
}

static int32_t call_unlink(struct frame *frame)
{
    char name[NAME_BYTES];

    return name_of(name, frame, 0) ? file_unlink(name) : -1;
}

static int32_t call_clock(struct frame *frame)
{
    uint64_t clock = cpu_clock();

    return user_write(argument(frame, 0), &clock, sizeof(clock)) ? 0 : -1;
}

static int32_t call_mark(struct frame *frame)
{
    monitor_mark(argument(frame, 0));
    return 0;
}

static int32_t call_console(struct frame *frame)
{
    return console_write(argument(frame, 0), argument(frame, 1));
}

static int32_t (*const calls[CALLS])(struct frame *frame) = {
    [CALL_EXIT] = call_exit,       [CALL_THREAD_EXIT] = call_thread_exit,
    [CALL_SPAWN] = call_spawn,     [CALL_JOIN] = call_join,
    [CALL_YIELD] = call_yield,     [CALL_CPU] = call_cpu,
    [CALL_CPUS] = call_cpus,       [CALL_SLEEP_ON] = call_sleep_on,
    [CALL_WAKE] = call_wake,       [CALL_MAP] = call_map,
    [CALL_SHARED] = call_shared,   [CALL_FORK] = call_fork,
    [CALL_EXEC] = call_exec,       [CALL_WAIT] = call_wait,
    [CALL_PROCESS] = call_process, [CALL_OPEN] = call_open,
    [CALL_CREATE] = call_create,   [CALL_READ] = call_read,
    [CALL_WRITE] = call_write,     [CALL_SIZE] = call_size,
    [CALL_CLOSE] = call_close,     [CALL_UNLINK] = call_unlink,
    [CALL_CLOCK] = call_clock,     [CALL_MARK] = call_mark,
    [CALL_CONSOLE] = call_console,
};

int32_t system_call(struct frame *frame)
{
    uint32_t number = frame->r[2];

    frame->epc += 4;
    return number < CALLS ? calls[number](frame) : -1;
}
