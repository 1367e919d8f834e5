/* A line on the terminal for work that takes longer than a second: done, rate, time left.
 * Nothing at all where standard error is no terminal. Cheap enough to call once a block. */
#ifndef DISCO_TRACE_PROGRESS_H
#define DISCO_TRACE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *verb, *unit; /* "replaying", "references"; not copied */
    uint64_t total;          /* 0: not known */
    uint64_t start_ns, last_ns;
    bool terminal, shown;
};

void progress_start(struct progress *progress, const char *verb, const char *unit, uint64_t total);
void progress_at(struct progress *progress, uint64_t done);
/* Wipes the line. */
void progress_end(struct progress *progress);

#endif
