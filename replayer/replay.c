#include "replayer/replay.h"

#include <stdlib.h>

#include "replayer/report/interrupt.h"

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

static void on_action(void *context, const struct memory_action *action)
{
    const struct replay *replay = context;
    record_action(replay->record, action);
}

static void on_epoch(void *context, const struct memory_epoch *epoch)
{
    const struct replay *replay = context;
    record_epoch(replay->record, epoch);
    if (replay->sampling != NULL)
        sampling_epoch(replay->sampling, replay->memory);
}

char *replay_new(const struct replay_options *options, const struct trace_reader *reader,
                 const struct policy_choice *choice, struct replay **out)
{
    const struct trace_summary *summary = trace_reader_summary(reader);
    struct replay *replay = calloc(1, sizeof *replay);
    *out = replay;
    if (replay == NULL)
        return say_no_memory();
    replay->choice = choice;
    replay->slice = options->check_every > 0 ? SLICE_CHECKED : SLICE_REFERENCES;
    replay->record = record_new(options->log_actions);
    if (replay->record == NULL)
        return say_no_memory();

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
    struct sampling_design design;
    if (sampling_design_of(reader, options->machine, replay->refs_per_sample,
                           has_all_fetches(summary), &design) &&
        (replay->sampling = sampling_new(&design, options->machine)) == NULL)
        return say_no_memory();
    replay->weighted = replay->sampling != NULL && design.weighted;
    struct memory_options memory = {
        .machine = options->machine,
        .guest = course_guest(options->course),
        .contention = options->contention,
        .policy = choice->policy,
        .param = choice->param,
        .seed = options->seed,
        .refs_per_sample = replay->refs_per_sample,
        .weighted = replay->weighted,
        .epoch_references = replay->epoch_references,
        .guest_refills = course_of_monitor(options->course),
        .has_fetches = has_all_fetches(summary),
        .check_every = options->check_every,
        .context = replay,
        .on_action = on_action,
        .on_epoch = on_epoch,
    };
    return memory_new(&memory, &replay->memory);
}

void replay_free(struct replay *replay)
{
    if (replay == NULL)
        return;
    memory_free(replay->memory);
    record_free(replay->record);
    sampling_free(replay->sampling);
    free(replay);
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

/* References [first, end) of a step; those that stand for as many after each other. */
static char *slice(struct replay *replay, const struct piece *piece, uint32_t cpu, uint32_t first,
                   uint32_t end)
{
    const struct ref_block *block = piece->block;
    const uint64_t *weight = replay->weighted ? block->column[COLUMN_WEIGHT] : NULL;
    char *error = NULL;
    if (weight != NULL)
        sampling_weights(replay->sampling, cpu, weight + first, end - first);
    while (error == NULL && first < end) {
        uint32_t alike = weight == NULL ? end : first + 1;
        while (alike < end && weight[alike] == weight[first])
            alike++;
        if (weight != NULL)
            memory_weigh(replay->memory, weight[first]);
        error = memory_replay(replay->memory, cpu, block->addr + first, block->what + first,
                              alike - first, piece->cached ? &piece->outcome : NULL, first);
        first = alike;
    }
    return error;
}

static char *references(struct replay *replay, const struct piece *piece, const struct step *step)
{
    char *error = memory_dispatch(replay->memory, step->cpu, step->stream, step->space);
    for (uint32_t first = step->first; error == NULL && first < step->end;) {
        uint32_t end = step->end - first > replay->slice ? first + replay->slice : step->end;
        error = slice(replay, piece, step->cpu, first, end);
        if (error == NULL && end - first == replay->slice) {
            error = interrupt_pending();
            replay->stopped = error != NULL;
        }
        first = end;
    }
    return error;
}

static char *follow(struct replay *replay, const struct piece *piece, const struct step *step)
{
    struct memory *memory = replay->memory;
    switch (step->kind) {
    case STEP_REFERENCES:
        return references(replay, piece, step);
    case STEP_IDLE:
        memory_idle(memory, step->cpu, step->idle_ns);
        return NULL;
    case STEP_ZERO:
        return memory_zero(memory, step->cpu, step->physical, step->vpn);
    case STEP_DMA:
        return memory_dma(memory, step->cpu, step->physical, step->vpn, step->pages, step->out);
    case STEP_FREE:
        return memory_free_page(memory, step->cpu, step->physical, step->vpn);
    case STEP_SERVICE:
        return memory_service(memory, step->cpu, step->service, step->times);
    }
    return NULL;
}

char *replay_piece(struct replay *replay, const struct piece *piece)
{
    char *error = NULL;
    for (uint32_t i = 0; error == NULL && i < piece->steps; i++)
        error = follow(replay, piece, &piece->step[i]);
    return named(replay, error);
}

char *replay_forget(struct replay *replay)
{
    return named(replay, memory_forget(replay->memory));
}

char *replay_finish(struct replay *replay)
{
    memory_finish(replay->memory);
    if (replay->record->no_memory)
        return named(replay, say_no_memory());
    return NULL;
}
