/* What the unit tests of the monitor share: the guest kernel of tests/unit/monitor, built when a
 * test program starts (skipped where there is no mipsel-linux-gnu-gcc), a listener that makes one
 * number of all that it hears, and runs with options. */
#ifndef DISCO_TESTS_MONITOR_FIXTURE_H
#define DISCO_TESTS_MONITOR_FIXTURE_H

#include "policies/policy.h"
#include "vmm-core/monitor/load.h"
#include "vmm-core/monitor/monitor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define GUEST_PAGES 1024u /* 4 MiB */
#define GUEST_VMS   16u

extern const struct policy *const __start_disco_policies[];
extern const struct policy *const __stop_disco_policies[];

struct guest_file {
    void *elf; /* NULL: there is no compiler */
    size_t bytes;
};

/* Group setup: *state is a struct guest_file. */
static inline int build_guest(void **state)
{
    struct guest_file *const guest = calloc(1, sizeof *guest);
    *state = guest;
    char path[] = "/tmp/disco-guest-XXXXXX";
    const int file = mkstemp(path);
    if (file < 0)
        return -1;
    (void)close(file);
    char command[1024];
    (void)snprintf(
        command, sizeof command,
        "mipsel-linux-gnu-gcc -march=mips32r2 -mabi=32 -O2 -ffreestanding -nostdlib -static "
        "-mno-abicalls -fno-pic -G0 -mno-check-zero-division -I. -T tests/unit/monitor/guest.ld "
        "-Wl,--build-id=none tests/unit/monitor/start.S tests/unit/monitor/guest.c -o %s",
        path);
    const bool compiler = system("command -v mipsel-linux-gnu-gcc >/dev/null 2>&1") == 0;
    char *error = NULL;
    if (!compiler)
        print_message("# skip: no mipsel-linux-gnu-gcc\n");
    else if (system(command) != 0)
        error = strdup("the guest does not compile");
    else
        error = load_file(path, &guest->elf, &guest->bytes);
    (void)unlink(path);
    if (error)
        print_message("%s\n", error);
    const bool well = !error;
    free(error);
    return well ? 0 : -1;
}

static inline int drop_guest(void **state)
{
    struct guest_file *const guest = *state;
    free(guest->elf);
    free(guest);
    return 0;
}

/* ---- listening ------------------------------------------------------------------------------- */

struct heard {
    uint64_t hash; /* of everything, in order */
    uint64_t references, fetches, user, events[MONITOR_EVENT_KINDS];
    uint32_t spaces, streams, regions, marks;
    uint64_t cpu[64]; /* of each stream: the last that it was dispatched on */
    char names[1024]; /* of spaces, streams and regions, each with a blank behind */
    uint64_t fail_at; /* the reference by which the listener fails; 0: none */
};

static inline void hear(struct heard *heard, uint64_t value)
{
    heard->hash = (heard->hash ^ value) * UINT64_C(0x100000001b3) + 1;
}

static inline void hear_name(struct heard *heard, const char *name)
{
    const size_t at = strlen(heard->names);
    (void)snprintf(heard->names + at, sizeof heard->names - at, "%s ", name);
    for (size_t i = 0; name[i]; i++)
        hear(heard, (uint64_t)name[i]);
}

static inline char *hear_space(void *context, const struct monitor_space *space)
{
    struct heard *const heard = context;
    assert_int_equal(space->space, heard->spaces);
    heard->spaces++;
    hear_name(heard, space->name);
    return NULL;
}

static inline char *hear_stream(void *context, const struct monitor_stream *stream)
{
    struct heard *const heard = context;
    assert_int_equal(stream->stream, heard->streams);
    heard->streams++;
    hear_name(heard, stream->name);
    return NULL;
}

static inline char *hear_region(void *context, const struct monitor_region *region)
{
    struct heard *const heard = context;
    assert_true(region->start < region->end);
    heard->regions++;
    hear_name(heard, region->name);
    return NULL;
}

static inline char *hear_references(void *context, uint32_t stream, const uint64_t *addr,
                                    const uint8_t *what, size_t references)
{
    struct heard *const heard = context;
    hear(heard, stream);
    for (size_t i = 0; i < references; i++) {
        hear(heard, addr[i] << 3 | what[i]);
        heard->fetches += (what[i] & 3) == 0;
        heard->user += (what[i] & 4) == 0;
    }
    heard->references += references;
    return heard->fail_at && heard->references >= heard->fail_at ? strdup("the disk is full")
                                                                 : NULL;
}

static inline char *hear_event(void *context, const struct monitor_event *event)
{
    struct heard *const heard = context;
    hear(heard, (uint64_t)event->kind << 32 | event->stream);
    for (unsigned i = 0; i < MONITOR_EVENT_ARGS; i++)
        hear(heard, event->args[i]);
    heard->events[event->kind]++;
    if (event->kind == MONITOR_DISPATCH && event->stream < 64)
        heard->cpu[event->stream] = event->args[0];
    return NULL;
}

static inline char *hear_mark(void *context, uint32_t vm, uint32_t number)
{
    struct heard *const heard = context;
    hear(heard, (uint64_t)vm << 32 | number);
    heard->marks++;
    return NULL;
}

/* ---- running --------------------------------------------------------------------------------- */

/* What a test wants, and what came of it. */
struct session {
    const char *machine;          /* NULL: flash-8 */
    uint32_t vms, vcpus;          /* 0: 1 */
    uint32_t pages;               /* 0: GUEST_PAGES */
    const char *words[GUEST_VMS]; /* of each VM, apart by blanks; NULL: those of the one before */
    const char *policy;           /* NULL: none */
    int64_t period;               /* the policy's first parameter; 0: its own */
    uint64_t quantum, slice_ns, instructions;
    uint32_t skip_shootdown, check_every, check_rounds; /* check_every: of memory */
    bool deaf, no_fetches, hal, patch;
    uint64_t fail_at;

    struct heard heard;
    char *error; /* of monitor_new() or monitor_run() */
    char *registers;
    struct monitor_counts counts;
    struct monitor_vm_state vm[GUEST_VMS]; /* console from malloc */
    struct memory_cpu_counters sum;        /* of all CPUs */
    uint64_t time_ns;
};

static inline const struct policy *policy_named(const char *name, int64_t *param)
{
    for (const struct policy *const *at = __start_disco_policies; at < __stop_disco_policies; at++)
        if (strcmp((*at)->name, name) == 0) {
            for (size_t i = 0; i < (*at)->param_count; i++)
                param[i] = (*at)->params[i].standard;
            return *at;
        }
    fail_msg("no policy %s", name);
    return NULL;
}

/* The words of each VM, cut at blanks. */
struct words {
    char text[256];
    const char *word[16];
    uint32_t count;
};

static inline void cut_words(struct words *words, const char *text)
{
    (void)snprintf(words->text, sizeof words->text, "guest %s", text);
    words->count = 0;
    char *rest = words->text;
    for (char *word; (word = strsep(&rest, " ")) != NULL && words->count < 16;)
        words->word[words->count++] = word;
}

static inline void take_results(struct session *session, const struct monitor *monitor)
{
    session->counts = monitor_counts(monitor);
    session->registers = monitor_registers(monitor) ? strdup(monitor_registers(monitor)) : NULL;
    for (uint32_t v = 0; v < session->vms; v++) {
        session->vm[v] = monitor_vm_state(monitor, v);
        session->vm[v].console = strdup(session->vm[v].console);
    }
    const struct memory *const memory = monitor_memory(monitor);
    if (!memory || session->error)
        return;
    char *const wrong = memory_check(memory);
    if (wrong)
        fail_msg("%s", wrong);
    session->time_ns = memory_time_ns(memory);
    for (uint32_t cpu = 0; cpu < 16; cpu++)
        if (memory_cpu_used(memory, cpu)) {
            const uint64_t *const from = (const uint64_t *)memory_cpu(memory, cpu);
            for (size_t i = 0; i < sizeof session->sum / 8; i++)
                ((uint64_t *)&session->sum)[i] += from[i];
        }
}

static inline void run_session(struct session *session, const struct guest_file *guest)
{
    if (!guest->elf)
        skip();
    session->vms = session->vms ? session->vms : 1;
    session->vcpus = session->vcpus ? session->vcpus : 1;
    session->pages = session->pages ? session->pages : GUEST_PAGES;
    struct words words[GUEST_VMS];
    struct monitor_vm vm[GUEST_VMS];
    for (uint32_t v = 0; v < session->vms; v++) {
        if (v && !session->words[v])
            session->words[v] = session->words[v - 1];
        cut_words(&words[v], session->words[v]);
        vm[v] = (struct monitor_vm){.path = "guest",
                                    .elf = guest->elf,
                                    .elf_bytes = guest->bytes,
                                    .argv = words[v].word,
                                    .argc = words[v].count,
                                    .pages = session->pages,
                                    .vcpus = session->vcpus};
    }
    struct machine *machine = NULL;
    assert_null(machine_load(session->machine ? session->machine : "flash-8", &machine));
    int64_t param[32] = {0};
    struct memory_options memory = {.contention = true,
                                    .param = param,
                                    .seed = 1,
                                    .check_every = session->check_every};
    if (session->policy)
        memory.policy = policy_named(session->policy, param);
    if (session->period)
        param[0] = session->period;
    session->heard = (struct heard){.fail_at = session->fail_at};
    const struct monitor_listener listener = {
        .context = &session->heard,
        .space = hear_space,
        .stream = hear_stream,
        .region = hear_region,
        .references = hear_references,
        .event = hear_event,
        .mark = hear_mark,
    };
    const struct monitor_options options = {
        .machine = machine,
        .vm = vm,
        .vms = session->vms,
        .quantum = session->quantum,
        .slice_ns = session->slice_ns,
        .instructions = session->instructions,
        .hal = session->hal,
        .patch = session->patch,
        .no_fetches = session->no_fetches,
        .memory = session->policy ? &memory : NULL,
        .listener = session->deaf ? NULL : &listener,
        .skip_shootdown = session->skip_shootdown,
        .check_every = session->check_rounds,
    };
    struct monitor *monitor = NULL;
    session->error = monitor_new(&options, &monitor);
    if (!session->error)
        session->error = monitor_run(monitor);
    if (monitor)
        take_results(session, monitor);
    monitor_free(monitor);
    machine_free(machine);
}

static inline void end_session(struct session *session)
{
    free(session->error);
    free(session->registers);
    for (uint32_t v = 0; v < GUEST_VMS; v++)
        free((char *)(uintptr_t)session->vm[v].console);
}

/* All VMs exit with 0. */
static inline void run_well(struct session *session, const struct guest_file *guest)
{
    run_session(session, guest);
    if (session->error)
        fail_msg("%s", session->error);
    for (uint32_t v = 0; v < session->vms; v++) {
        assert_true(session->vm[v].exited);
        assert_int_equal(session->vm[v].status, 0);
    }
}

#define assert_error_says(session, text)                                                           \
    do {                                                                                           \
        assert_non_null((session).error);                                                          \
        if (!strstr((session).error, text))                                                        \
            fail_msg("\"%s\" does not say \"%s\"", (session).error, text);                         \
    } while (0)

#endif
