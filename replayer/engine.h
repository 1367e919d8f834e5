/* Decodes a trace once and replays it under every chosen policy.
 *
 * With one thread each decoded block goes through all policies in turn. With more, the calling
 * thread decodes into a ring of ENGINE_SLOTS blocks, and the others replay: policy p belongs to
 * thread p mod (threads - 1), and a block's place in the ring is free again when all of them are
 * through with it. So memory is bounded, and the order of a policy's blocks, all that its result
 * depends on, is the same whatever the number of threads.
 */
#ifndef DISCO_REPLAYER_ENGINE_H
#define DISCO_REPLAYER_ENGINE_H

#include "replayer/replay.h"

#define ENGINE_SLOTS 8u

/* Replays [replays] from replay_new, and finishes them. An error of a policy names it; of several,
 * the one of the earliest block and then of the first policy is reported, whatever the number of
 * threads. A pending SIGINT or SIGTERM (interrupt.h) ends it with an error. */
char *engine_run(const char *trace_path, struct replay *const *replays, size_t count,
                 uint32_t threads) MUST_CHECK;

/* Fastest on this computer: a thread for the decoder and one for each policy, as CPUs allow. */
uint32_t engine_threads(size_t policies);

#endif
