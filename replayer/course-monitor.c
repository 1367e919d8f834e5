/* What only a monitor's trace says: TLB writes of guests, zeroed, freed and DMA pages, services. */
#include "replayer/course-internal.h"

#include <inttypes.h>

#include "replayer/report/say.h"

static char *tlb_write(struct course *course, const struct trace_event *event)
{
    const uint64_t *args = event->args;
    struct change change = {.writes = true,
                            .write = {.space = course->space[event->stream],
                                      .physical = course->physical[event->stream],
                                      .entry_hi = args[1],
                                      .entry_lo0 = args[2],
                                      .entry_lo1 = args[3],
                                      .page_mask = args[4]}};
    bool changes = false;
    char *error = guest_write(course->guest, &change.write, &changes);
    course->broken = error != NULL;
    if (changes)
        course->change[course->changes++] = change;
    return error;
}

/* Zero, dma, free: the guest's part now, the memories' as a step. */
static char *pages(struct course *course, struct piece *piece, const struct trace_event *event)
{
    const uint64_t *args = event->args;
    uint64_t many = event->type == EVENT_DMA ? args[1] : 1;
    if (args[0] >= GUEST_DIRECT_PAGES || many > GUEST_DIRECT_PAGES - args[0])
        return say("block %" PRIu64 ": an event is about page %" PRIu64 " and %" PRIu64
                   " in a row, but a VM has %" PRIu64
                   " at most; disco-trace verify says what is intact",
                   course->block->number, args[0], many, (uint64_t)GUEST_DIRECT_PAGES);
    struct step step = {.kind = event->type == EVENT_ZERO  ? STEP_ZERO
                                : event->type == EVENT_DMA ? STEP_DMA
                                                           : STEP_FREE,
                        .cpu = course->cpu[event->stream]};
    step.physical = course->physical[event->stream];
    step.out = event->type == EVENT_DMA && args[2] != 0;
    step.vpn = GUEST_DIRECT_VPN + args[0];
    step.pages = many;
    char *error = NULL;
    if (step.kind == STEP_FREE)
        guest_free_page(course->guest, step.physical, step.vpn);
    else if (step.kind == STEP_ZERO)
        error = guest_zero(course->guest, step.physical, step.vpn);
    else
        error = guest_dma(course->guest, step.physical, step.vpn, step.pages, step.out);
    course->broken = error != NULL;
    return error == NULL ? course_add_step(piece, &step) : error;
}

static char *service(struct course *course, struct piece *piece, const struct trace_event *event)
{
    if (event->args[0] >= MEMORY_SERVICE_KINDS)
        return say("block %" PRIu64 ": a monitor's service of kind %" PRIu64
                   " is not known; use the version of disco that recorded the trace",
                   course->block->number, event->args[0]);
    struct step step = {.kind = STEP_SERVICE, .cpu = course->cpu[event->stream]};
    step.service = (enum memory_service)event->args[0];
    step.times = event->args[1];
    return course_add_step(piece, &step);
}

char *course_monitor_event(struct course *course, struct piece *piece,
                           const struct trace_event *event)
{
    bool fits = course->machine->page_bytes == GUEST_PAGE_BYTES || event->type == EVENT_SERVICE;
    if (!course->of_monitor || !fits) {
        course->left_out[event->type]++;
        return NULL;
    }
    if (event->stream >= course->streams || course->physical[event->stream] >= course->spaces)
        return course_unknown(course, "stream", event->stream);
    if (event->type == EVENT_TLBWRITE)
        return tlb_write(course, event);
    char *error = course->cpu[event->stream] == SCHEDULE_NO_CPU
                      ? course_give_cpu(course, event->stream)
                      : NULL;
    if (error != NULL)
        return error;
    return event->type == EVENT_SERVICE ? service(course, piece, event)
                                        : pages(course, piece, event);
}
