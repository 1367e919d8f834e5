#include "replayer/report/record.h"

#include <stdlib.h>
#include <string.h>

struct record *record_new(uint64_t action_limit)
{
    struct record *record = calloc(1, sizeof *record);
    if (record == NULL)
        return NULL;
    record->limit = action_limit;
    record->epochs_per_step = 1;
    record->steps_most = RECORD_STEPS;
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
    free(record->station);
    free(record->kind);
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
    step->local_stall_ps += later->local_stall_ps;
    step->remote_stall_ps += later->remote_stall_ps;
    step->weight_ns += later->weight_ns;
}

static struct record_station *stations_of(const struct record *record, uint32_t step)
{
    return record->station == NULL ? NULL : record->station + (size_t)step * record->stations;
}

static void join_stations(struct record *record, uint32_t step, const struct record_station *later)
{
    struct record_station *station = stations_of(record, step);
    for (uint32_t i = 0; i < record->stations; i++) {
        station[i].accesses += later[i].accesses;
        station[i].utilisation_ns += later[i].utilisation_ns;
        station[i].queue_ns += later[i].queue_ns;
        station[i].latency_ps += later[i].latency_ps;
    }
}

/* Full: two steps become one. */
static void halve(struct record *record)
{
    const size_t row_bytes = record->stations * sizeof *record->station;
    for (uint32_t i = 0; i < record->steps / 2; i++) {
        record->step[i] = record->step[2 * (size_t)i];
        join(&record->step[i], &record->step[2 * (size_t)i + 1]);
        if (record->station == NULL)
            continue;
        if (i > 0)
            memcpy(stations_of(record, i), stations_of(record, 2 * i), row_bytes);
        join_stations(record, i, stations_of(record, 2 * i + 1));
    }
    record->steps /= 2;
    record->epochs_per_step *= 2;
}

/* The first epoch tells which stations there are. */
static void meet_stations(struct record *record, const struct memory_epoch *epoch)
{
    while (record->steps_most > RECORD_STEPS_LEAST &&
           (uint64_t)record->steps_most * epoch->stations > RECORD_CELLS)
        record->steps_most /= 2;
    record->station = calloc((size_t)record->steps_most * epoch->stations, sizeof *record->station);
    record->kind = calloc(epoch->stations, sizeof *record->kind);
    if (record->station == NULL || record->kind == NULL) {
        free(record->station);
        record->station = NULL;
        record->no_memory = true;
        return;
    }
    memcpy(record->kind, epoch->station, epoch->stations * sizeof *record->kind);
    record->stations = epoch->stations;
}

static void add_stations(struct record *record, uint32_t step, const struct memory_epoch *epoch,
                         uint64_t weight_ns)
{
    struct record_station *station = stations_of(record, step);
    for (uint32_t i = 0; i < record->stations; i++) {
        const struct network_station *now = &epoch->station[i];
        station[i].accesses += now->accesses;
        station[i].utilisation_ns += (double)now->utilisation_ppm * 1e-6 * (double)weight_ns;
        station[i].queue_ns += (double)now->queue_thousandths * 1e-3 * (double)weight_ns;
        station[i].latency_ps += (double)now->latency_ps * (double)now->accesses;
    }
}

uint64_t record_accesses(const struct record *record, uint32_t step, uint32_t station)
{
    return stations_of(record, step)[station].accesses;
}

double record_utilisation(const struct record *record, uint32_t step, uint32_t station)
{
    return stations_of(record, step)[station].utilisation_ns / (double)record->step[step].weight_ns;
}

double record_queue(const struct record *record, uint32_t step, uint32_t station)
{
    return stations_of(record, step)[station].queue_ns / (double)record->step[step].weight_ns;
}

double record_latency_ns(const struct record *record, uint32_t step, uint32_t station)
{
    const struct record_station *at = &stations_of(record, step)[station];
    return at->accesses == 0 ? 0 : at->latency_ps / (double)at->accesses / 1000;
}

static void add_step(struct record *record, const struct record_step *step)
{
    if (record->steps > 0 && record->epochs_in_last < record->epochs_per_step) {
        join(&record->step[record->steps - 1], step);
        record->epochs_in_last++;
        return;
    }
    if (record->steps == record->steps_most)
        halve(record);
    uint64_t first_reference = 0;
    if (record->steps > 0) {
        const struct record_step *last = &record->step[record->steps - 1];
        first_reference = last->first_reference + last->references;
    }
    if (record->station != NULL)
        memset(stations_of(record, record->steps), 0, record->stations * sizeof *record->station);
    record->step[record->steps] = *step;
    record->step[record->steps++].first_reference = first_reference;
    record->epochs_in_last = 1;
}

void record_epoch(void *context, const struct memory_epoch *epoch)
{
    struct record *record = context;
    if (epoch->stations > 0 && record->station == NULL && record->steps == 0)
        meet_stations(record, epoch);
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
        .local_stall_ps = epoch->local_stall_ps,
        .remote_stall_ps = epoch->remote_stall_ps,
        /* a CPU that lags behind may end an epoch without moving the furthest clock */
        .weight_ns = epoch->end_ns - epoch->start_ns + 1,
    };
    add_step(record, &step);
    if (record->station != NULL && epoch->stations == record->stations)
        add_stations(record, record->steps - 1, epoch, step.weight_ns);
}
