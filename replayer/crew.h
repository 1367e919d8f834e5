/* Threads that do numbered jobs together, and then wait for each other.
 *
 * Who does which job is left to chance: each takes the next one that nobody has. So the jobs of one
 * crew_do() must not depend on each other, and the longest ones should come first.
 */
#ifndef DISCO_REPLAYER_CREW_H
#define DISCO_REPLAYER_CREW_H

#include <stdint.h>

#include "replayer/report/say.h"

struct crew;

/* `threads` with the calling one; with 1 no thread is started. */
char *crew_new(uint32_t threads, struct crew **out) MUST_CHECK;
void crew_free(struct crew *crew);

/* Returns when job(context, i) has returned for each i below `jobs`. */
void crew_do(struct crew *crew, uint32_t jobs, void (*job)(void *context, uint32_t index),
             void *context);

#endif
