/* What the files of the course share, and nobody else includes. */
#ifndef DISCO_REPLAYER_COURSE_INTERNAL_H
#define DISCO_REPLAYER_COURSE_INTERNAL_H

#include "replayer/course.h"
#include "vmm-core/memory/guest-writes.h"

/* Pages of `space` that are to be unmapped, and then may show those of another range; or a TLB write
 * that maps pages otherwise. */
struct change {
    uint32_t space, from;
    uint64_t first, pages, from_first;
    bool shows, writes;
    struct guest_write write;
};

struct course {
    const struct schedule *schedule;
    const struct machine *machine;
    struct guest *guest;
    uint32_t columns, page_shift;
    bool of_monitor;
    uint64_t left_out[EVENT_TYPES];
    uint32_t streams, spaces;
    uint32_t *cpu;         /* [streams] where it is now, or SCHEDULE_NO_CPU */
    uint32_t *space;       /* [streams] its address space now */
    uint32_t *physical;    /* [streams] the one it began in */
    uint32_t *alive;       /* [spaces] streams that are in it and have not ended */
    uint32_t *ended;       /* [spaces_ended] spaces to be freed before the next reference */
    bool *ending;          /* [spaces] it is one of them */
    struct change *change; /* [changes] due before the next piece; the last comes first */
    uint32_t spaces_ended, changes;
    uint32_t given;       /* CPUs given out so far by compact or scatter */
    uint32_t check_every; /* as in course_options */
    uint64_t unchecked;   /* references and events since the last check */

    const struct ref_block *block; /* NULL: none was begun */
    uint32_t event, at, run;       /* the next of each: event, reference, and its run */
    char *failure;                 /* what comes after the last piece */
    bool broken;                   /* the guest has failed: nothing may be replayed on it */
};

/* course.c */
char *course_add_step(struct piece *piece, const struct step *step) MUST_CHECK;
/* By compact or scatter, to a stream that has none. */
char *course_give_cpu(struct course *course, uint32_t stream) MUST_CHECK;
/* The error of an event about a stream or a space that the trace does not have. */
char *course_unknown(const struct course *course, const char *what, uint64_t number) MUST_CHECK;

/* course-monitor.c: an event that only a monitor's trace has. */
char *course_monitor_event(struct course *course, struct piece *piece,
                           const struct trace_event *event) MUST_CHECK;

#endif
