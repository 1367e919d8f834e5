#include "replayer/record.h"

#include <stdlib.h>

struct record *record_new(uint64_t action_limit)
{
    struct record *record = calloc(1, sizeof *record);
    if (record == NULL)
        return NULL;
    record->limit = action_limit;
    record->epochs_per_step = 1;
    record->step = calloc(RECORD_STEPS, sizeof *record->step);
    if (record->step == NULL) {
        free(record);
        return NULL;
    }
    return record;
}

void record_free(struct record *record)
{
    if (record == NULL)
        return;
    free(record->action);
    free(record->step);
    free(record);
}

void record_action(void *context, const struct memory_action *action)
{
    struct record *record = context;
    if (action->kind == MEMORY_ACTION_PLACE)
        return;
    if (record->actions == record->limit) {
        record->not_logged++;
        return;
    }
    if (record->actions == record->room) {
        uint64_t room = record->room == 0 ? 1024 : 2 * record->room;
        struct memory_action *more = reallocarray(record->action, room, sizeof *more);
        if (more == NULL) {
            record->no_memory = true;
            record->not_logged++;
            return;
        }
        record->action = more;
        record->room = room;
    }
    record->action[record->actions++] = *action;
}

/* `later` follows `step` and becomes part of it. */
static void join(struct record_step *step, const struct record_step *later)
{
    step->references += later->references;
    step->end_ns = later->end_ns;
    step->local_accesses += later->local_accesses;
    step->remote_accesses += later->remote_accesses;
    step->migrations += later->migrations;
    step->replications += later->replications;
    step->collapses += later->collapses;
    step->shootdowns += later->shootdowns;
    step->frames_used = later->frames_used;
    step->replica_frames = later->replica_frames;
}

/* Full: two steps become one. */
static void halve(struct record *record)
{
    for (uint32_t i = 0; i < record->steps / 2; i++) {
        record->step[i] = record->step[2 * (size_t)i];
        join(&record->step[i], &record->step[2 * (size_t)i + 1]);
    }
    record->steps /= 2;
    record->epochs_per_step *= 2;
}

void record_epoch(void *context, const struct memory_epoch *epoch)
{
    struct record *record = context;
    struct record_step step = {
        .references = epoch->references,
        .start_ns = epoch->start_ns,
        .end_ns = epoch->end_ns,
        .local_accesses = epoch->local_accesses,
        .remote_accesses = epoch->remote_accesses,
        .migrations = epoch->migrations,
        .replications = epoch->replications,
        .collapses = epoch->collapses,
        .shootdowns = epoch->shootdowns,
        .frames_used = epoch->frames_used,
        .replica_frames = epoch->replica_frames,
    };
    if (record->steps > 0 && record->epochs_in_last < record->epochs_per_step) {
        join(&record->step[record->steps - 1], &step);
        record->epochs_in_last++;
        return;
    }
    if (record->steps == RECORD_STEPS)
        halve(record);
    if (record->steps > 0) {
        const struct record_step *last = &record->step[record->steps - 1];
        step.first_reference = last->first_reference + last->references;
    }
    record->step[record->steps++] = step;
    record->epochs_in_last = 1;
}
