/* Contention: how long an access takes when others use the same memory controllers and links.
 *
 * One closed queueing network an epoch. CPUs are customers: each thinks (executes, waits for its
 * caches, does the monitor's work) and then visits memory. A visit takes the latency of the machine's
 * matrix, which holds the service of every station on the way, plus waiting at them:
 *   controller  one for each node with memory; busy service_ns an access
 *   link        one for each entry of machine->link; busy line / bandwidth an access that sends a
 *               line its way, `from` to `to`
 * Accesses are routed over links along the route with the fewest links, ties by latency, then by the
 * lower node; two nodes with no route between them share no station but the controller.
 * A node with a measured curve (machine: "curve") has its loaded latency from it instead of its
 * controller's queue.
 *
 * Solved by mean value analysis: exact (Reiser and Lavenberg, JACM 27(2), 1980), and an
 * approximation that is taken where the exact one would be too slow. Floating point, outside the
 * path of a reference; results are rounded to integers of ps. Same input, same output.
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
    uint32_t cpus;                  /* that executed something */
    const uint32_t *node;           /* [cpus] */
    const uint64_t *busy_ps;        /* [cpus] time in which it did not wait for memory */
    const uint64_t *loads, *stores; /* [cpus * nodes] accesses, of each to each node's memory */
    /* [nodes * nodes] accesses that no CPU waits for one by one; row: where they come from, column:
     * whose memory. Reads (page walks, what a copy of a page reads) bring a line to the row's node,
     * writes (write-backs, what a copy writes) take one to the column's. They load the stations. */
    const uint64_t *other_reads, *other_writes;
};

/* NULL, or one line. The machine must outlive it. */
char *network_new(const struct machine *machine, struct network **out)
    __attribute__((warn_unused_result));
void network_free(struct network *network);

/* latency_ps[cpus * nodes]: of one access by each CPU to each node's memory in this epoch, at least
 * the machine's latency. */
void network_solve(struct network *network, const struct network_demand *demand,
                   uint64_t *latency_ps);

/* Of the epoch solved last. */
const struct network_station *network_stations(const struct network *network, uint32_t *count);

#endif
