#include "collector/sources/perf/perf-session.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/sources/perf/perf-error.h"
#include "collector/sources/perf/perf-maps.h"

#define NOT_YET    UINT32_MAX /* a stream or space that has no reference yet */
#define COMM_BYTES 16         /* TASK_COMM_LEN, Linux include/linux/sched.h */

struct process {
    uint32_t pid; /* first: what trees compare */
    uint32_t space;
    struct perf_maps maps;
    bool news;      /* some of the maps have no region yet */
    size_t threads; /* known and alive */
    char comm[COMM_BYTES];
};

struct thread {
    uint32_t tid; /* first: what trees compare */
    uint32_t stream, space;
    int64_t cpu;
    struct process *process;
    char comm[COMM_BYTES];
};

struct perf_session {
    struct trace_writer *writer;
    struct perf_session_facts facts;
    struct perf_session_counts counts;
    void *processes, *threads; /* trees of tsearch(3) */
    struct thread *last;       /* of the last sample: mostly that of the next, too */
    uint64_t last_time;
};

static int by_id(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

static void *find(void *tree, uint32_t id)
{
    void **node = tfind(&id, &tree, by_id);
    return node ? *node : NULL;
}

static char *no_memory(void)
{
    return perf_error("not enough memory for what is known of the recorded processes");
}

static void set_comm(char *comm, const char *name)
{
    snprintf(comm, COMM_BYTES, "%s", name);
}

static void read_comm(uint32_t pid, uint32_t tid, char *comm)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%u/task/%u/comm", pid, tid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    if (fgets(comm, COMM_BYTES, file))
        comm[strcspn(comm, "\n")] = '\0';
    fclose(file);
}

struct perf_session *perf_session_new(struct trace_writer *writer,
                                      const struct perf_session_facts *facts)
{
    struct perf_session *session = calloc(1, sizeof *session);
    if (session) {
        session->writer = writer;
        session->facts = *facts;
    }
    return session;
}

static void free_process(void *item)
{
    struct process *process = item;
    perf_maps_clear(&process->maps);
    free(process);
}

void perf_session_free(struct perf_session *session)
{
    if (session == NULL)
        return;
    tdestroy(session->threads, free);
    tdestroy(session->processes, free_process);
    free(session);
}

/* The process, made when it is new. One that runs already is read from /proc. NULL: no memory. */
static struct process *the_process(struct perf_session *session, uint32_t pid, bool runs_already)
{
    struct process *process = find(session->processes, pid);
    if (process)
        return process;
    process = calloc(1, sizeof *process);
    if (process == NULL)
        return NULL;
    process->pid = pid;
    process->space = NOT_YET;
    if (runs_already) {
        read_comm(pid, pid, process->comm);
        process->news = perf_maps_read(&process->maps, pid);
    }
    if (tsearch(process, &session->processes, by_id) == NULL) {
        free_process(process);
        return NULL;
    }
    return process;
}

static struct thread *new_thread(struct perf_session *session, struct process *process,
                                 uint32_t tid, const char *comm)
{
    struct thread *thread = calloc(1, sizeof *thread);
    if (thread == NULL)
        return NULL;
    *thread = (struct thread){.tid = tid, .stream = NOT_YET, .cpu = -1, .process = process};
    set_comm(thread->comm, comm);
    if (tsearch(thread, &session->threads, by_id) == NULL) {
        free(thread);
        return NULL;
    }
    process->threads++;
    return thread;
}

static struct thread *the_thread(struct perf_session *session, uint32_t pid, uint32_t tid,
                                 bool runs_already)
{
    struct thread *thread = find(session->threads, tid);
    if (thread)
        return thread;
    struct process *process = the_process(session, pid, runs_already);
    char comm[COMM_BYTES] = "";
    if (process == NULL)
        return NULL;
    set_comm(comm, process->comm);
    if (runs_already)
        read_comm(pid, tid, comm);
    return new_thread(session, process, tid, comm);
}

static void forget_thread(struct perf_session *session, struct thread *thread)
{
    if (session->last == thread)
        session->last = NULL;
    thread->process->threads--;
    tdelete(thread, &session->threads, by_id);
    free(thread);
}

static char *put_event(struct perf_session *session, uint32_t stream, enum event_type type,
                       uint64_t first, uint64_t second)
{
    struct trace_event event = {.stream = stream, .type = type, .args = {first, second}};
    return trace_writer_event(session->writer, &event);
}

/* Regions of the mappings that have none yet. */
static char *put_regions(struct perf_session *session, struct process *process)
{
    for (size_t i = 0; i < process->maps.count; i++) {
        struct perf_map *map = &process->maps.map[i];
        if (map->region != PERF_NO_REGION)
            continue;
        struct perf_map_name name = perf_map_name(map->file);
        struct trace_region region = {process->space, map->start, map->end,         name.kind,
                                      name.name,      name.file,  map->offset_bytes};
        char *error = trace_writer_region(session->writer, &region, &map->region);
        if (error)
            return error;
        struct trace_event event = {.stream = UINT32_MAX,
                                    .type = EVENT_MAP,
                                    .args = {process->space, map->start, map->end, map->region}};
        if ((error = trace_writer_event(session->writer, &event)))
            return error;
    }
    process->news = false;
    return NULL;
}

static uint64_t node_of(const struct perf_session *session, uint32_t cpu)
{
    const struct perf_session_facts *facts = &session->facts;
    return cpu < facts->cpus && facts->cpu_node[cpu] >= 0 ? (uint64_t)facts->cpu_node[cpu]
                                                          : UINT64_MAX;
}

static char *new_stream(struct perf_session *session, struct thread *thread, uint32_t cpu)
{
    uint64_t node = node_of(session, cpu);
    struct trace_stream facts = {
        .space = thread->process->space,
        .pid = thread->process->pid,
        .tid = thread->tid,
        .cpu = (int32_t)cpu,
        .node = node == UINT64_MAX ? -1 : (int32_t)node,
        .name = thread->comm,
    };
    thread->space = facts.space;
    session->counts.streams++;
    return trace_writer_stream(session->writer, &facts, &thread->stream);
}

/* The thread's space, regions, stream and CPU are in the trace as they are now. */
static char *make_current(struct perf_session *session, struct thread *thread, uint32_t cpu)
{
    struct process *process = thread->process;
    char *error = NULL;
    if (process->space == NOT_YET) {
        error = trace_writer_space(session->writer, process->comm, &process->space);
        process->news = true;
    }
    if (error == NULL && process->news)
        error = put_regions(session, process);
    if (error == NULL && thread->stream == NOT_YET) {
        error = new_stream(session, thread, cpu);
    } else if (error == NULL && thread->space != process->space) {
        thread->space = process->space;
        error = put_event(session, thread->stream, EVENT_ASID, process->space, 0);
    }
    if (error == NULL && thread->cpu != cpu) {
        thread->cpu = cpu;
        error = put_event(session, thread->stream, EVENT_DISPATCH, cpu, node_of(session, cpu));
    }
    return error;
}

static char *take_sample(struct perf_session *session, const struct perf_record *record)
{
    if (session->facts.left_out != 0 && record->pid == (uint32_t)session->facts.left_out)
        return NULL;
    if (record->tid == UINT32_MAX) { /* perf_event_pid() of a task that was unhashed */
        session->counts.unattributed++;
        return NULL;
    }
    if (record->addr >> 63) {
        session->counts.kernel_addresses++;
        return NULL;
    }
    struct thread *thread = session->last;
    if (thread == NULL || thread->tid != record->tid)
        thread = the_thread(session, record->pid, record->tid, true);
    if (thread == NULL)
        return no_memory();
    session->last = thread;
    char *error = make_current(session, thread, record->cpu);
    if (error)
        return error;
    uint64_t time =
        record->time_ns > session->facts.start_ns ? record->time_ns - session->facts.start_ns : 0;
    if (time > session->last_time) /* a late record takes the time of the one before it */
        session->last_time = time;
    struct ref ref = {.addr = record->addr, .stream = thread->stream, .what = record->what};
    ref.column[COLUMN_TIME] = session->last_time;
    ref.column[COLUMN_IP] = record->ip;
    ref.column[COLUMN_WEIGHT] = record->period;
    session->counts.samples++;
    return trace_writer_ref(session->writer, &ref);
}

/* An exec leaves nothing of the old space. */
static char *put_end_of_space(struct perf_session *session, uint32_t space)
{
    struct trace_event event = {.stream = UINT32_MAX,
                                .type = EVENT_UNMAP,
                                .args = {space, 0, UINT64_MAX}};
    return trace_writer_event(session->writer, &event);
}

static char *take_comm(struct perf_session *session, const struct perf_record *record)
{
    struct thread *thread = the_thread(session, record->pid, record->tid, !record->exec);
    if (thread == NULL)
        return no_memory();
    struct process *process = thread->process;
    set_comm(thread->comm, record->name);
    if (record->exec) {
        char *error = process->space == NOT_YET ? NULL : put_end_of_space(session, process->space);
        if (error)
            return error;
        perf_maps_clear(&process->maps);
        process->space = NOT_YET;
    }
    if (record->pid == record->tid)
        set_comm(process->comm, record->name);
    return thread->stream == NOT_YET
               ? NULL
               : trace_writer_name_stream(session->writer, thread->stream, thread->comm);
}

static char *take_fork(struct perf_session *session, const struct perf_record *record)
{
    struct process *parent = the_process(session, record->ppid, true);
    struct thread *reused = find(session->threads, record->tid);
    struct thread *maker = find(session->threads, record->ptid);
    char *error = NULL;
    if (reused)
        forget_thread(session, reused);
    if (parent == NULL)
        return no_memory();
    struct process *process = parent;
    if (record->pid != record->ppid) {
        process = the_process(session, record->pid, false);
        if (process == NULL)
            return no_memory();
        perf_maps_clear(&process->maps);
        if (!perf_maps_copy(&parent->maps, &process->maps))
            return no_memory();
        set_comm(process->comm, parent->comm);
        process->space = NOT_YET;
        if (parent->space != NOT_YET) {
            error = trace_writer_space(session->writer, process->comm, &process->space);
            process->news = true;
        }
        if (error == NULL && parent->space != NOT_YET)
            error = put_event(session, maker ? maker->stream : UINT32_MAX, EVENT_FORK,
                              parent->space, process->space);
    }
    if (error == NULL &&
        new_thread(session, process, record->tid, maker ? maker->comm : process->comm) == NULL)
        error = no_memory();
    return error;
}

static char *take_exit(struct perf_session *session, const struct perf_record *record)
{
    struct thread *thread = find(session->threads, record->tid);
    if (thread == NULL)
        return NULL;
    uint32_t stream = thread->stream;
    struct process *process = thread->process;
    forget_thread(session, thread);
    if (process->threads == 0) /* the process stays: threads that are not known yet may live on */
        perf_maps_clear(&process->maps);
    return stream == NOT_YET ? NULL : put_event(session, stream, EVENT_EXIT, 0, 0);
}

static char *take_mmap(struct perf_session *session, const struct perf_record *record)
{
    struct process *process = the_process(session, record->pid, true);
    if (process == NULL || !perf_maps_add(&process->maps, record->start, record->end,
                                          record->offset_bytes, record->name))
        return no_memory();
    process->news = true;
    return NULL;
}

char *perf_session_record(void *session_state, const struct perf_record *record)
{
    struct perf_session *session = session_state;
    switch (record->seen) {
    case PERF_SEEN_SAMPLE:
        return take_sample(session, record);
    case PERF_SEEN_COMM:
        return take_comm(session, record);
    case PERF_SEEN_MMAP:
        return take_mmap(session, record);
    case PERF_SEEN_FORK:
        return take_fork(session, record);
    case PERF_SEEN_EXIT:
        return take_exit(session, record);
    case PERF_SEEN_LOST:
        session->counts.lost += record->lost;
        return NULL;
    case PERF_SEEN_THROTTLE:
        session->counts.throttled++;
        return NULL;
    case PERF_SEEN_OTHER:
        return NULL;
    }
    return NULL;
}

struct perf_session_counts perf_session_counts(const struct perf_session *session)
{
    return session->counts;
}
