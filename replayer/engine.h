/* Replays a trace under every chosen policy in one pass.
 *
 * In each turn, piece b is replayed under each policy while the guest looks ahead at piece b + 1 and
 * the block behind it is decoded: so many jobs, for as many threads as there are. Then, alone, the
 * guest's tables move on (course.h). Memory is bounded by three blocks and two pieces. With one
 * thread there is nothing to overlap: a block is decoded, looked at and replayed before the next.
 *
 * Results do not depend on the number of threads: nothing that the jobs of a turn read is written
 * in it, and each policy sees the pieces in order.
 */
#ifndef DISCO_REPLAYER_ENGINE_H
#define DISCO_REPLAYER_ENGINE_H

#include "replayer/replay.h"

/* Replays [replays], all of `course`, and finishes them; with neither it only decodes. Of several
 * errors, the one of the earliest piece and then of the first policy is reported, whatever the
 * number of threads. A pending SIGINT or SIGTERM (interrupt.h) ends it with an error. */
char *engine_run(const char *trace_path, struct course *course, struct replay *const *replays,
                 size_t count, uint32_t threads) MUST_CHECK;

/* Fastest on this computer: one for each job of a turn, as CPUs allow. */
uint32_t engine_threads(size_t policies);

#endif
