#include "replayer/course-internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "replayer/report/say.h"

#define MONITOR_SOURCE "mips" /* traces of vmm-core/monitor */

char *course_new(const struct course_options *options, const struct trace_reader *reader,
                 struct course **out)
{
    const struct trace_summary *summary = trace_reader_summary(reader);
    struct course *course = calloc(1, sizeof *course);
    *out = course;
    if (course == NULL)
        return say_no_memory();
    course->schedule = options->schedule;
    course->machine = options->machine;
    course->check_every = options->check_every;
    course->of_monitor = strcmp(summary->facts.source, MONITOR_SOURCE) == 0;
    if (course->of_monitor && (options->huge_ranges > 0 || options->gigantic_ranges > 0))
        return say("--thp, --gigantic: a monitor's guests map pages of 4 KiB; leave them out");
    course->page_shift = (uint32_t)__builtin_ctz(options->machine->page_bytes);
    course->streams = options->schedule->streams;
    course->spaces = summary->spaces;
    course->cpu = calloc((size_t)course->streams + 1, sizeof *course->cpu);
    course->space = calloc((size_t)course->streams + 1, sizeof *course->space);
    course->physical = calloc((size_t)course->streams + 1, sizeof *course->physical);
    course->alive = calloc((size_t)course->spaces + 1, sizeof *course->alive);
    course->ended = calloc((size_t)course->spaces + 1, sizeof *course->ended);
    course->ending = calloc((size_t)course->spaces + 1, sizeof *course->ending);
    course->change = calloc((size_t)course->spaces + 1, sizeof *course->change);
    if (course->cpu == NULL || course->space == NULL || course->physical == NULL ||
        course->alive == NULL || course->ended == NULL || course->ending == NULL ||
        course->change == NULL)
        return say_no_memory();
    for (uint32_t i = 0; i < course->streams; i++) {
        course->cpu[i] = options->schedule->cpu[i];
        course->space[i] = course->physical[i] = trace_reader_stream(reader, i)->space;
        if (course->space[i] < course->spaces)
            course->alive[course->space[i]]++;
    }
    struct guest_options guest = {.machine = options->machine,
                                  .misses = options->misses,
                                  .huge = options->huge,
                                  .huge_ranges = options->huge_ranges,
                                  .gigantic = options->gigantic,
                                  .gigantic_ranges = options->gigantic_ranges};
    char *error = guest_new(&guest, &course->guest);
    if (summary->facts.sampled) /* what each sample stands for */
        course->columns = summary->facts.columns & COLUMN_BIT(COLUMN_WEIGHT);
    if (error == NULL && guest_has_caches(course->guest))
        course->columns |= summary->facts.columns & COLUMN_BIT(COLUMN_SIZE);
    return error;
}

void course_free(struct course *course)
{
    if (course == NULL)
        return;
    guest_free(course->guest);
    free(course->cpu);
    free(course->space);
    free(course->physical);
    free(course->alive);
    free(course->ended);
    free(course->ending);
    free(course->change);
    free(course->failure);
    free(course);
}

const struct guest *course_guest(const struct course *course)
{
    return course->guest;
}

bool course_of_monitor(const struct course *course)
{
    return course->of_monitor;
}

uint32_t course_columns(const struct course *course)
{
    return course->columns;
}

const uint64_t *course_left_out(const struct course *course)
{
    return course->left_out;
}

char *piece_new(const struct course *course, struct piece **out)
{
    struct piece *piece = calloc(1, sizeof *piece);
    *out = piece;
    if (piece == NULL)
        return say_no_memory();
    piece->cached = guest_has_caches(course->guest);
    if (piece->cached && !guest_outcome_new(&piece->outcome, TRACE_BLOCK_REFS))
        return say_no_memory();
    return NULL;
}

void piece_free(struct piece *piece)
{
    if (piece == NULL)
        return;
    if (piece->cached)
        guest_outcome_free(&piece->outcome);
    free(piece->step);
    free(piece);
}

void course_block(struct course *course, const struct ref_block *block)
{
    course->block = block;
    course->event = course->at = course->run = 0;
}

enum course_work course_work(const struct course *course)
{
    if (course->failure != NULL)
        return COURSE_PIECE;
    if (course->changes > 0)
        return COURSE_CHANGE;
    const struct ref_block *block = course->block;
    bool through = block == NULL || (course->event == block->events && course->at == block->refs);
    return through ? COURSE_THROUGH : COURSE_PIECE;
}

char *course_add_step(struct piece *piece, const struct step *step)
{
    if (piece->steps == piece->steps_room) {
        uint32_t room = piece->steps_room == 0 ? 1024 : 2 * piece->steps_room;
        struct step *more = reallocarray(piece->step, room, sizeof *more);
        if (more == NULL)
            return say_no_memory();
        piece->step = more;
        piece->steps_room = room;
    }
    piece->step[piece->steps++] = *step;
    return NULL;
}

char *course_give_cpu(struct course *course, uint32_t stream)
{
    const struct schedule *schedule = course->schedule;
    if (schedule->order == NULL || schedule->kind == SCHEDULE_RECORDED ||
        schedule->kind == SCHEDULE_FILE)
        return say("block %" PRIu64 ": stream %" PRIu32 " has no CPU; use --schedule compact",
                   course->block->number, stream);
    course->cpu[stream] = schedule->order[course->given++ % schedule->cpus];
    return NULL;
}

/* References from course->at to `end`, all of one stream. */
static char *run(struct course *course, struct piece *piece, uint32_t stream, uint32_t end)
{
    const struct ref_block *block = course->block;
    if (stream >= course->streams)
        return say("block %" PRIu64 ": stream %" PRIu32
                   " is not in the trace; disco-trace verify says what is intact",
                   block->number, stream);
    char *error = course->cpu[stream] == SCHEDULE_NO_CPU ? course_give_cpu(course, stream) : NULL;
    if (error != NULL)
        return error;
    struct step step = {.kind = STEP_REFERENCES,
                        .cpu = course->cpu[stream],
                        .stream = stream,
                        .space = course->space[stream],
                        .first = course->at,
                        .end = end};
    const uint64_t *size = block->column[COLUMN_SIZE];
    const bool sized = (block->columns & COLUMN_BIT(COLUMN_SIZE)) != 0 && size != NULL;
    error = guest_references(course->guest, step.cpu, step.space, block->addr + step.first,
                             block->what + step.first, sized ? size + step.first : NULL,
                             end - step.first, piece->cached ? &piece->outcome : NULL, step.first);
    course->at = end;
    course->unchecked += end - step.first;
    course->broken = error != NULL;
    return error == NULL ? course_add_step(piece, &step) : error;
}

/* References up to `end`, of however many streams. */
static char *references(struct course *course, struct piece *piece, uint32_t end)
{
    const struct ref_block *block = course->block;
    char *error = NULL;
    while (error == NULL && course->at < end) {
        while (course->run + 1 < block->runs && block->run[course->run + 1].first <= course->at)
            course->run++;
        uint32_t stop =
            course->run + 1 < block->runs ? block->run[course->run + 1].first : block->refs;
        error = run(course, piece, block->run[course->run].stream, stop < end ? stop : end);
    }
    return error;
}

/* A space that is left stays: another stream may come back to it (a guest's context switch). */
static void change_space(struct course *course, uint32_t stream, uint32_t space)
{
    uint32_t left = course->space[stream];
    if (left < course->spaces && course->alive[left] > 0)
        course->alive[left]--;
    course->alive[space]++;
    course->space[stream] = space;
}

static void end_stream(struct course *course, uint32_t stream)
{
    uint32_t space = course->space[stream];
    if (course->of_monitor || space >= course->spaces || course->alive[space] == 0 ||
        --course->alive[space] > 0)
        return;
    if (!course->ending[space])
        course->ended[course->spaces_ended++] = space;
    course->ending[space] = true;
}

/* The first ended comes last, as the list of changes is worked off from its end. */
static void free_ended_spaces(struct course *course)
{
    for (uint32_t i = 0; i < course->spaces_ended; i++) {
        course->ending[course->ended[i]] = false;
        course->change[course->changes++] =
            (struct change){.space = course->ended[i],
                            .pages = ((UINT64_MAX - 1) >> course->page_shift) + 1};
    }
    course->spaces_ended = 0;
}

static void unmap(struct course *course, const uint64_t *args)
{
    if (args[1] >= args[2])
        return;
    uint64_t first = args[1] >> course->page_shift;
    uint64_t last = (args[2] - 1) >> course->page_shift;
    course->change[course->changes++] =
        (struct change){.space = (uint32_t)args[0], .first = first, .pages = last - first + 1};
}

static char *refuse_share(const struct course *course, uint64_t start, const char *why)
{
    return say("block %" PRIu64 ": a range that is to be shared at %#" PRIx64
               " %s; disco-trace verify says what is intact",
               course->block->number, start, why);
}

/* space, start, other space, other start, bytes: the other shows the first. */
static char *share(struct course *course, const uint64_t *args)
{
    if (args[4] == 0)
        return NULL;
    uint64_t last = args[4] - 1;
    if (args[1] > UINT64_MAX - last || args[3] > UINT64_MAX - last)
        return refuse_share(course, args[3], "runs past the end of a space");
    if (((args[1] ^ args[3]) & (course->machine->page_bytes - 1)) != 0)
        return refuse_share(course, args[3],
                            "does not start at the same place in a page as what it shows");
    struct change change = {.space = (uint32_t)args[2],
                            .first = args[3] >> course->page_shift,
                            .shows = true,
                            .from = (uint32_t)args[0],
                            .from_first = args[1] >> course->page_shift};
    change.pages = ((args[1] + last) >> course->page_shift) - change.from_first + 1;
    if (change.space == change.from && change.first < change.from_first + change.pages &&
        change.from_first < change.first + change.pages)
        return refuse_share(course, args[3], "overlaps what it is to show");
    course->change[course->changes++] = change;
    return NULL;
}

char *course_unknown(const struct course *course, const char *what, uint64_t number)
{
    return say("block %" PRIu64 ": an event is about %s %" PRIu64
               ", which is not in the trace; disco-trace verify says what is intact",
               course->block->number, what, number);
}

static char *handle(struct course *course, struct piece *piece, const struct trace_event *event)
{
    const uint64_t *args = event->args;
    bool of_stream =
        event->type == EVENT_DISPATCH || event->type == EVENT_ASID || event->type == EVENT_EXIT;
    bool of_space = event->type == EVENT_UNMAP || event->type == EVENT_SHARE;
    if (of_stream && event->stream >= course->streams)
        return course_unknown(course, "stream", event->stream);
    if (of_space && args[0] >= course->spaces)
        return course_unknown(course, "address space", args[0]);
    bool recorded = course->schedule->kind == SCHEDULE_RECORDED;
    switch (event->type) {
    case EVENT_DISPATCH:
        if (recorded)
            course->cpu[event->stream] = schedule_cpu(course->machine, args[0]);
        return NULL;
    case EVENT_IDLE: {
        struct step step = {.kind = STEP_IDLE, .idle_ns = args[1]};
        step.cpu = recorded ? schedule_cpu(course->machine, args[0]) : SCHEDULE_NO_CPU;
        if (step.cpu != SCHEDULE_NO_CPU)
            return course_add_step(piece, &step);
        course->left_out[EVENT_IDLE]++;
        return NULL;
    }
    case EVENT_ASID:
        if (args[0] >= course->spaces)
            return course_unknown(course, "address space", args[0]);
        change_space(course, event->stream, (uint32_t)args[0]);
        return NULL;
    case EVENT_UNMAP:
        unmap(course, args);
        return NULL;
    case EVENT_SHARE:
        if (args[2] >= course->spaces)
            return course_unknown(course, "address space", args[2]);
        return share(course, args);
    case EVENT_EXIT:
        end_stream(course, event->stream);
        return NULL;
    case EVENT_TLBWRITE:
    case EVENT_DMA:
    case EVENT_ZERO:
    case EVENT_FREE:
    case EVENT_SERVICE:
        return course_monitor_event(course, piece, event);
    default: /* map, fork, time */
        return NULL;
    }
}

/* Up to the next change of the guest's tables, or what goes wrong, or the end of the block. */
static char *until_change(struct course *course, struct piece *piece)
{
    const struct ref_block *block = course->block;
    char *error = NULL;
    while (error == NULL && course->changes == 0 && course_work(course) == COURSE_PIECE) {
        const struct trace_event *event =
            course->event < block->events ? &block->event[course->event] : NULL;
        uint32_t end = event == NULL ? block->refs : event->position;
        if (course->at < end && course->spaces_ended > 0) {
            free_ended_spaces(course);
        } else if (course->at < end) {
            error = references(course, piece, end);
        } else if (event != NULL) {
            course->event++;
            course->unchecked++;
            error = handle(course, piece, event);
        }
    }
    return error;
}

char *course_piece(struct course *course, struct piece *piece)
{
    char *error = course->failure;
    piece->block = course->block;
    piece->steps = 0;
    piece->outcome.writebacks = 0;
    course->failure = NULL;
    if (error == NULL)
        error = until_change(course, piece);
    if (error == NULL || piece->steps == 0 || course->broken)
        return error;
    course->failure = error;
    return NULL;
}

static char *check_guest(struct course *course)
{
    if (course->check_every == 0 || course->unchecked < course->check_every)
        return NULL;
    course->unchecked = 0;
    char *wrong = guest_check(course->guest);
    if (wrong == NULL)
        return NULL;
    char *error =
        say("block %" PRIu64 ": consistency check of the guest's tables: %s; please report it",
            course->block->number, wrong);
    free(wrong);
    return error;
}

char *course_commit(struct course *course)
{
    char *error = guest_commit(course->guest);
    return error == NULL ? check_guest(course) : error;
}

char *course_change_begin(struct course *course)
{
    const struct change *change = &course->change[course->changes - 1];
    if (change->writes)
        return guest_write_begin(course->guest, &change->write);
    return guest_unmap_begin(course->guest, change->space, change->first, change->pages);
}

char *course_change_end(struct course *course)
{
    const struct change *change = &course->change[--course->changes];
    if (change->writes)
        return guest_write_end(course->guest, &change->write);
    guest_unmap_end(course->guest);
    if (!change->shows)
        return NULL;
    return guest_share(course->guest, change->from, change->from_first, change->space,
                       change->first, change->pages);
}
