/* Contention: how long an access takes when others use the same memory controllers and links.
 *
 * One closed queueing network an epoch. CPUs are customers: each thinks (executes, waits for its
 * caches, does the monitor's work) and then visits memory. A visit takes the latency of the machine's
 * matrix, which holds the service of every station on the way, plus waiting at them:
 *   controller  one for each node with memory; busy service_ps an access
 *   link        one for each entry of machine->link; busy line / bandwidth an access that sends a
 *               line its way, `from` to `to`
 * A line travels from the memory to the CPU along the route with the fewest links, ties by latency,
 * then by the lower node; two nodes with no route between them share no station but the controller.
 * Where the services on the way are longer than the matrix says, they are the latency.
 *
 * A node with a measured curve (machine: "curve") has its waiting from it instead of its
 * controller's queue: what the curve says for the bandwidth that the node gives in this epoch, less
 * what it says for the least. Measurement noise is taken out by the nearest curve that never falls
 * (isotonic regression by pooling adjacent violators), between points it is linear, and where more
 * than the last point's bandwidth is asked for, accesses queue until no more is given.
 *
 * The epoch lasts as long as its slowest CPU needs, T; every other CPU spends the rest thinking. So
 * the load on a station is what was counted, divided by the time in which it happened, and T, the
 * waiting and the load are found together. Traffic that no CPU waits for takes its part of each
 * station's time, up to NETWORK_OTHER_MOST of it, and makes visits that much longer.
 *
 * What is exact and what is not. Solved by mean value analysis (network-mva.h) in its approximation
 * called Linearizer, and from the exact solution where that is small (up to four nodes with dozens
 * of CPUs): of random machines of up to 48 CPUs, saturated ones too, practically all loaded
 * latencies are within 3 % of the exact solution (the tests allow one in two thousand up to 8 %).
 * With more than 16 nodes of CPUs that is too slow, and a solution takes its place that corrects for
 * the average customer alone: good where nodes are alike, poor where they are not. The tests also
 * hold it against closed forms and the Disco paper. CPUs of a node are one class of customers, as
 * many as make it up evenly: (sum of accesses)^2 / sum of squares, so that one busy CPU among idle
 * ones is one. Service times are taken as exponential, arrivals as spread over the epoch, and a CPU
 * as waiting for one access at a time.
 *
 * Floating point, outside the path of a reference; results are rounded to integers of ps. Each epoch
 * starts from the solution of the last one; the same sequence of epochs gives the same results.
 */
#ifndef DISCO_NETWORK_H
#define DISCO_NETWORK_H

#include "vmm-core/machine/machine.h"

struct network;

/* What one access moves: the longest line of the machine's caches, or 64 bytes without any. */
uint32_t network_line_bytes(const struct machine *machine);

enum network_station_kind { NETWORK_CONTROLLER, NETWORK_LINK };

/* What a station did in the epoch that was solved last. */
struct network_station {
    enum network_station_kind kind;
    uint32_t from, to;          /* nodes; of a controller both are its node */
    uint64_t accesses;          /* that went through it */
    uint64_t busy_ps;           /* in all */
    uint32_t utilisation_ppm;   /* 1000000: always busy */
    uint32_t queue_thousandths; /* mean accesses waiting or served, times 1000 */
    uint64_t latency_ps;        /* mean of an access at this station, waiting included */
};

/* An epoch's demand. Arrays of the caller. */
struct network_demand {
    uint32_t cpus;            /* that executed something */
    const uint32_t *node;     /* [cpus] */
    const uint64_t *busy_ps;  /* [cpus] time in which it did not wait for memory */
    const uint64_t *accesses; /* [cpus * nodes] of each to each node's memory */
    /* [nodes * nodes] accesses that no CPU waits for one by one; row: where they come from, column:
     * whose memory. Reads (page walks, what a copy of a page reads) bring a line to the row's node,
     * writes (write-backs, what a copy writes) take one to the column's. They load the stations.
     * NULL: none. */
    const uint64_t *other_reads, *other_writes;
};

#define NETWORK_OTHER_MOST 0.95 /* beyond it CPUs go first */

/* NULL, or one line. The machine must outlive it. */
char *network_new(const struct machine *machine, struct network **out)
    __attribute__((warn_unused_result));
void network_free(struct network *network);

/* latency_ps[nodes * nodes]: of one access by a CPU of each node to each node's memory in this
 * epoch, at least the machine's latency. */
void network_solve(struct network *network, const struct network_demand *demand,
                   uint64_t *latency_ps);

/* Of the epoch solved last. */
const struct network_station *network_stations(const struct network *network, uint32_t *count);

#endif
