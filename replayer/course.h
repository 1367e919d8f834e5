/* What happens in a trace, whatever the policy: done once for all replays.
 *
 * A decoded block becomes pieces. A piece is a list of steps (so many references of a stream on a
 * CPU; an idle CPU) with the outcome of its references (guest.h: first touches, caches), and ends
 * where the guest's tables change. A reference's CPU is its stream's (schedule.h). Events:
 *   dispatch   with schedule `recorded`, the stream's CPU from now on; otherwise of no meaning
 *   idle       with schedule `recorded`, the CPU's clock moves on; otherwise counted as left out
 *   asid       the stream's address space from now on; it is one of that space's streams
 *   unmap      the pages are no longer mapped; a page that nothing maps is freed
 *   share      two spaces map the same pages
 *   exit       when the last stream of a space ends, its pages are freed before the next reference
 *              (so that after the last reference of the trace the pages are still to be seen)
 *   map, time  nothing: pages appear at their first touch, and time is the model's
 *   fork       the child gets a page of its own at its first touch of it. Copy on write is
 *              approximated: what parent and child only read would be shared on a real system, and
 *              here takes two frames
 *   tlbwrite, dma, zero, free, service
 *              of a monitor's trace (source `mips`), for the VM whose physical space (guest-writes.h) is
 *              the one that the event's stream began in: they do what memory.h says of them, on the
 *              CPU of the stream. In other traces they are counted as left out, and so are all but
 *              `service` on a machine whose pages are not the guests' 4 KiB. In a monitor's trace `exit`
 *              frees nothing: the monitor says what is unmapped
 *
 * Order of calls: course_block(), then as course_work() says until the block is through:
 *   COURSE_PIECE    course_piece(), which may run while replays work on the piece before; then, alone,
 *                   course_commit(), and the piece may be replayed
 *   COURSE_CHANGE   alone: course_change_begin(), replay_forget() of every replay,
 *                   course_change_end()
 */
#ifndef DISCO_REPLAYER_COURSE_H
#define DISCO_REPLAYER_COURSE_H

#include "collector/trace/reader.h"
#include "replayer/schedule.h"
#include "vmm-core/memory/counters.h"
#include "vmm-core/memory/guest.h"

struct course_options {
    const struct machine *machine; /* both must outlive the object */
    const struct schedule *schedule;
    bool misses;                    /* the trace holds misses: every reference reaches memory */
    const struct guest_range *huge; /* [huge_ranges] as struct guest_options has it (thp.h) */
    size_t huge_ranges;
    uint32_t
        check_every; /* events between checks of the guest's tables, at ends of pieces; 0: never */
    const struct guest_range *gigantic; /* [gigantic_ranges] the same */
    size_t gigantic_ranges;
};

enum step_kind { STEP_REFERENCES, STEP_IDLE, STEP_ZERO, STEP_DMA, STEP_FREE, STEP_SERVICE };

/* One call of the memory subsystem. */
struct step {
    enum step_kind kind;
    uint32_t cpu;
    union {
        struct { /* STEP_REFERENCES */
            uint32_t stream, space;
            uint32_t first, end; /* references [first, end) of the block */
        };
        uint64_t idle_ns; /* STEP_IDLE */
        struct {          /* STEP_ZERO, STEP_DMA, STEP_FREE: pages of a VM */
            uint32_t physical;
            bool out;
            uint64_t vpn, pages;
        };
        struct { /* STEP_SERVICE */
            enum memory_service service;
            uint64_t times;
        };
    };
};

struct piece {
    const struct ref_block *block;
    struct step *step; /* [steps] */
    uint32_t steps, steps_room;
    bool cached;                   /* the guest has caches: */
    struct caches_outcome outcome; /* of each reference, by its index in the block */
};

enum course_work { COURSE_THROUGH, COURSE_PIECE, COURSE_CHANGE };

struct course;

char *course_new(const struct course_options *options, const struct trace_reader *reader,
                 struct course **out) MUST_CHECK;
void course_free(struct course *course);
const struct guest *course_guest(const struct course *course);
/* A monitor's trace: its guests handle their own TLB misses. */
bool course_of_monitor(const struct course *course);
/* Optional columns that blocks are to be decoded with. */
uint32_t course_columns(const struct course *course);
/* Events by type that mean something and were not replayed. */
const uint64_t *course_left_out(const struct course *course);

char *piece_new(const struct course *course, struct piece **out) MUST_CHECK;
void piece_free(struct piece *piece);

/* Begins a block, which must stay until its pieces have been replayed. The one before is through. */
void course_block(struct course *course, const struct ref_block *block);
enum course_work course_work(const struct course *course);
/* The next piece of the block; the first may be empty. An error is told by the call after the piece
 * that ends before it, so that what comes earlier in the trace can fail earlier. */
char *course_piece(struct course *course, struct piece *piece) MUST_CHECK;
/* Also checks the guest's tables, where check_every says so; nobody else may, as they change. */
char *course_commit(struct course *course) MUST_CHECK;
char *course_change_begin(struct course *course) MUST_CHECK;
char *course_change_end(struct course *course) MUST_CHECK;

#endif
