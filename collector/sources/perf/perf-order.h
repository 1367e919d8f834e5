/* Brings the records of several rings into one order of time.
 *
 * Each CPU's ring is in order, but a fork on one CPU and the child's first sample on another are
 * not. A record is written to its ring soon after its time was taken, so when a round over all
 * rings begins after time T and ends, everything up to T has been seen: it can go. What a round
 * brings waits for the next one, so no more waits than the rings hold twice.
 */
#ifndef DISCO_PERF_ORDER_H
#define DISCO_PERF_ORDER_H

#include "collector/sources/perf/perf-record.h"

struct perf_order;

struct perf_order *perf_order_new(void); /* NULL when memory is short */
void perf_order_free(struct perf_order *order);

/* Keeps a copy, its name included. False when memory is short. */
bool perf_order_add(struct perf_order *order, const struct perf_record *record);

/* Takes a record in its turn; gives NULL, or an error in malloc'ed memory, which stops the rest. */
typedef char *perf_order_sink(void *sink_state, const struct perf_record *record);

/* Hands over all records of time_ns <= limit_ns, by time, those of one time as they were added. */
char *perf_order_until(struct perf_order *order, uint64_t limit_ns, perf_order_sink *sink,
                       void *sink_state);

/* Records that came too late for their place: a later one had already been handed over. */
uint64_t perf_order_late(const struct perf_order *order);

#endif
