#include "replayer/replay.h"

#include <inttypes.h>
#include <stdlib.h>

#include "replayer/interrupt.h"

/* An epoch, where the user does not say: as memory.h would choose it, said here so that it is
 * stored. */
#define EPOCH_REFERENCES 16384u
#define EPOCH_LEAST      64u

/* A look at the user's wishes every so many references: fewer where each of them may be followed by
 * a check of all tables. */
#define SLICE_REFERENCES 8192u
#define SLICE_CHECKED    32u

/* Execution goes by instruction fetches where all of them are in the trace, or a sample of every
 * reference, which has more fetches than data. Samples of faults or of a hardware event have a few
 * fetches among them that say nothing of the instructions between: there it goes by data. */
static bool has_all_fetches(const struct trace_summary *summary)
{
    uint64_t data = summary->loads + summary->stores + summary->touches;
    return summary->fetches > (summary->facts.sampled ? data : 0);
}

char *replay_new(const struct replay_options *options, const struct trace_reader *reader,
                 const struct policy_choice *choice, struct replay **out)
{
    const struct trace_summary *summary = trace_reader_summary(reader);
    const struct schedule *schedule = options->schedule;
    struct replay *replay = calloc(1, sizeof *replay);
    *out = replay;
    if (replay == NULL)
        return say_no_memory();
    replay->choice = choice;
    replay->schedule = schedule;
    replay->slice = options->check_every > 0 ? SLICE_CHECKED : SLICE_REFERENCES;
    replay->streams = schedule->streams;
    replay->spaces = summary->spaces;
    replay->cpu = calloc((size_t)replay->streams + 1, sizeof *replay->cpu);
    replay->space = calloc((size_t)replay->streams + 1, sizeof *replay->space);
    replay->alive = calloc((size_t)replay->spaces + 1, sizeof *replay->alive);
    replay->ended = calloc((size_t)replay->spaces + 1, sizeof *replay->ended);
    replay->record = record_new(options->log_actions);
    if (replay->cpu == NULL || replay->space == NULL || replay->alive == NULL ||
        replay->ended == NULL || replay->record == NULL)
        return say_no_memory();
    for (uint32_t i = 0; i < replay->streams; i++) {
        replay->cpu[i] = schedule->cpu[i];
        replay->space[i] = trace_reader_stream(reader, i)->space;
        if (replay->space[i] < replay->spaces)
            replay->alive[replay->space[i]]++;
    }

    replay->refs_per_sample = options->refs_per_sample;
    if (replay->refs_per_sample == 0)
        replay->refs_per_sample = summary->facts.refs_per_sample;
    if (replay->refs_per_sample == 0)
        replay->refs_per_sample = 1;
    replay->epoch_references = options->epoch_references;
    if (replay->epoch_references == 0)
        replay->epoch_references = EPOCH_REFERENCES / replay->refs_per_sample;
    if (replay->epoch_references < EPOCH_LEAST && options->epoch_references == 0)
        replay->epoch_references = EPOCH_LEAST;
    struct memory_options memory = {
        .machine = options->machine,
        .policy = choice->policy,
        .param = choice->param,
        .seed = options->seed,
        .refs_per_sample = replay->refs_per_sample,
        .epoch_references = replay->epoch_references,
        .has_fetches = has_all_fetches(summary),
        .check_every = options->check_every,
        .context = replay->record,
        .on_action = record_action,
        .on_epoch = record_epoch,
    };
    return memory_new(&memory, &replay->memory);
}

void replay_free(struct replay *replay)
{
    if (replay == NULL)
        return;
    memory_free(replay->memory);
    record_free(replay->record);
    free(replay->cpu);
    free(replay->space);
    free(replay->alive);
    free(replay->ended);
    free(replay);
}

static char *free_ended_spaces(struct replay *replay)
{
    char *error = NULL;
    while (error == NULL && replay->spaces_ended > 0)
        error = memory_unmap(replay->memory, replay->ended[--replay->spaces_ended], 0, UINT64_MAX);
    return error;
}

/* Gives the stream a CPU where it has none, and puts it there; costs nothing where it is already.
 */
static char *put_on_cpu(struct replay *replay, const struct ref_block *block, uint32_t stream,
                        uint32_t *cpu)
{
    if (stream >= replay->streams)
        return say("block %" PRIu64 ": stream %" PRIu32
                   " is not in the trace; disco-trace verify says what is intact",
                   block->number, stream);
    const struct schedule *schedule = replay->schedule;
    if (replay->cpu[stream] == SCHEDULE_NO_CPU) {
        if (schedule->order == NULL || schedule->kind == SCHEDULE_RECORDED ||
            schedule->kind == SCHEDULE_FILE)
            return say("block %" PRIu64 ": stream %" PRIu32 " has no CPU; use --schedule compact",
                       block->number, stream);
        replay->cpu[stream] = schedule->order[replay->given++ % schedule->cpus];
    }
    *cpu = replay->cpu[stream];
    return memory_dispatch(replay->memory, *cpu, stream, replay->space[stream]);
}

/* References [first, end) of the block, of however many streams. *run moves along. */
static char *references(struct replay *replay, const struct ref_block *block, uint32_t first,
                        uint32_t end, uint32_t *run)
{
    char *error = replay->spaces_ended > 0 ? free_ended_spaces(replay) : NULL;
    while (error == NULL && first < end) {
        while (*run + 1 < block->runs && block->run[*run + 1].first <= first)
            ++*run;
        uint32_t stop = *run + 1 < block->runs ? block->run[*run + 1].first : block->refs;
        if (stop > end)
            stop = end;
        if (stop - first > replay->slice)
            stop = first + replay->slice;
        uint32_t cpu = 0;
        error = put_on_cpu(replay, block, block->run[*run].stream, &cpu);
        if (error == NULL)
            error = memory_references(replay->memory, cpu, block->addr + first, block->what + first,
                                      stop - first);
        if (error == NULL && stop - first == replay->slice) {
            error = interrupt_pending();
            replay->stopped = error != NULL;
        }
        first = stop;
    }
    return error;
}

/* A space that is left stays: another stream may come back to it (a guest's context switch). */
static void change_space(struct replay *replay, uint32_t stream, uint32_t space)
{
    uint32_t left = replay->space[stream];
    if (left < replay->spaces && replay->alive[left] > 0)
        replay->alive[left]--;
    replay->alive[space]++;
    replay->space[stream] = space;
}

static void end_stream(struct replay *replay, uint32_t stream)
{
    uint32_t space = replay->space[stream];
    if (space < replay->spaces && replay->alive[space] > 0 && --replay->alive[space] == 0)
        replay->ended[replay->spaces_ended++] = space;
}

static char *unknown_in_event(const struct ref_block *block, const char *what, uint64_t number)
{
    return say("block %" PRIu64 ": an event is about %s %" PRIu64
               ", which is not in the trace; disco-trace verify says what is intact",
               block->number, what, number);
}

static char *handle(struct replay *replay, const struct ref_block *block,
                    const struct trace_event *event)
{
    const uint64_t *args = event->args;
    bool of_stream =
        event->type == EVENT_DISPATCH || event->type == EVENT_ASID || event->type == EVENT_EXIT;
    bool of_space = event->type == EVENT_UNMAP || event->type == EVENT_SHARE;
    if (of_stream && event->stream >= replay->streams)
        return unknown_in_event(block, "stream", event->stream);
    if (of_space && args[0] >= replay->spaces)
        return unknown_in_event(block, "address space", args[0]);
    bool recorded = replay->schedule->kind == SCHEDULE_RECORDED;
    const struct machine *machine = replay->schedule->machine;
    switch (event->type) {
    case EVENT_DISPATCH:
        if (recorded)
            replay->cpu[event->stream] = schedule_cpu(machine, args[0]);
        return NULL;
    case EVENT_IDLE: {
        uint32_t cpu = recorded ? schedule_cpu(machine, args[0]) : SCHEDULE_NO_CPU;
        if (cpu == SCHEDULE_NO_CPU)
            replay->left_out[EVENT_IDLE]++;
        else
            memory_idle(replay->memory, cpu, args[1]);
        return NULL;
    }
    case EVENT_ASID:
        if (args[0] >= replay->spaces)
            return unknown_in_event(block, "address space", args[0]);
        change_space(replay, event->stream, (uint32_t)args[0]);
        return NULL;
    case EVENT_UNMAP:
        return memory_unmap(replay->memory, (uint32_t)args[0], args[1], args[2]);
    case EVENT_SHARE:
        if (args[2] >= replay->spaces)
            return unknown_in_event(block, "address space", args[2]);
        return memory_share(replay->memory, (uint32_t)args[0], args[1], (uint32_t)args[2], args[3],
                            args[4]);
    case EVENT_EXIT:
        end_stream(replay, event->stream);
        return NULL;
    case EVENT_MAP:
    case EVENT_FORK:
    case EVENT_TIME:
        return NULL;
    default:
        replay->left_out[event->type < EVENT_TYPES ? event->type : EVENT_TLBWRITE]++;
        return NULL;
    }
}

/* What goes wrong is the policy's; a stop is the user's. */
static char *named(const struct replay *replay, char *error)
{
    if (error == NULL || replay->stopped)
        return error;
    char *text = say("policy %s: %s", replay->choice->label, error);
    free(error);
    return text;
}

char *replay_block(struct replay *replay, const struct ref_block *block)
{
    char *error = NULL;
    uint32_t at = 0, run = 0;
    for (uint32_t i = 0; error == NULL && i < block->events; i++) {
        const struct trace_event *event = &block->event[i];
        if (event->position > at)
            error = references(replay, block, at, event->position, &run);
        at = event->position;
        if (error == NULL)
            error = handle(replay, block, event);
    }
    if (error == NULL && at < block->refs)
        error = references(replay, block, at, block->refs, &run);
    return named(replay, error);
}

char *replay_finish(struct replay *replay)
{
    memory_finish(replay->memory);
    if (replay->record->no_memory)
        return named(replay, say_no_memory());
    return NULL;
}
