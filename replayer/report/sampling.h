/* What a sampled trace says of the whole one: estimates, and how far off they may be.
 *
 * The value that is estimated is that of a replay of the whole trace on the same machine, with the
 * same schedule and policy, with --input misses, whose pages lie where this replay put
 * them. Samples cannot say what caches and TLBs held, so:
 *   - every sample reaches memory (as with --input misses);
 *   - tlb_ns, tlb_misses and l2tlb_misses are absent, and time_ns is without TLB refills: it estimates
 *     time_ns - tlb_ns of the whole;
 *   - accesses, execution and stalls are multiplied by what each sample stands for, its weight w: the
 *     estimator of Horvitz and Thompson (JASA 1952), without bias;
 *   - what a page costs is not multiplied: faults, moves, shootdowns. They are right where
 *     the sample has every page (disco-trace sample --method random), too low otherwise. So
 *     are dispatches between streams of which no sample was taken.
 *
 * Intervals hold the value 95 times in 100. Method: the variance comes from the sampling, not from how
 * the trace varies; so a reference's likeness to its neighbours (which is why intervals for independent
 * draws are wrong for measured series) does no harm.
 *   - by chance (each reference is drawn by itself, Poisson sampling): the variance of a sum of
 *     y is estimated by sum of w (w - 1) y^2, without bias (Sarndal, Swensson and Wretman, Model Assisted
 *     Survey Sampling, 1992, 3.5); the sum's size is not known beforehand, and counts in.
 *   - every Nth, and samples of hardware: as if they had been drawn by chance within each
 *     epoch: sum of w (w - 1) (y - mean of its epoch)^2, plus w^2 / 12 times the square of the
 *     step between the means of epochs, for where in its w references a change fell (uniform). Too
 *     wide where neighbours are alike for longer than w references; too narrow where the
 *     program has a period that divides that of the sampling. Only the first is a surety.
 *   y of a reference is its execution and its stall, as averages of its CPU, epoch, and local or remote.
 *   - local_share: a ratio; Taylor linearization for the variance, and Wilson's interval (JASA 1927)
 *     with the sample size that has this variance, which holds near 0 and 1.
 *   - time_ns: of the CPU that is last. Where several may be, the lower end allows for the
 *     greatest of them being chosen (Sidak, JASA 1967).
 *   - imbalance: linearized, after what chance adds to the nodes' variance is taken
 *     off; where the nodes are almost even the interval may lie below the figure itself.
 *
 * Samples that are page faults or hinting faults were not drawn from the references; what each
 * stands for is nominal, and they have estimates of that kind, but no intervals.
 *
 * What they leave out: that another sample would have led a policy to other actions. The interval of a
 * policy that acts is that of the course that it took here.
 */
#ifndef DISCO_REPORT_SAMPLING_H
#define DISCO_REPORT_SAMPLING_H

#include "collector/trace/reader.h"
#include "vmm-core/memory/memory.h"

/* Fewer samples have no interval. */
#define SAMPLING_LEAST 30u

struct sampling_design {
    bool by_chance;
    bool nominal;             /* samples are faults, not drawn from references: no intervals */
    bool weighted;            /* the memory's counters are sums of weights already */
    uint64_t refs_per_sample; /* without weights: of every sample; with: nominal */
    uint64_t execution_ps;    /* of one reference that execution is charged for */
};

struct sampling_interval {
    bool known;
    double low, high;
};

/* Of the whole trace. */
struct sampling_estimate {
    uint64_t samples;
    double accesses, local_accesses;
    uint64_t time_ps; /* of the CPU that is last */
    struct sampling_interval memory_accesses, local, local_share, time_ns, execution_ns,
        local_stall_ns, remote_stall_ns, imbalance;
};

/* How the trace was sampled; false: it is whole, or nobody knows what a sample stands for. `refs_per_sample`:
 * in force. */
bool sampling_design_of(const struct trace_reader *reader, const struct machine *machine,
                        uint64_t refs_per_sample, bool by_fetches, struct sampling_design *out);

/* The mean weight of the first block, at least 1: what refs_per_sample is for a trace whose references have
 * weights and whose facts say 1. */
char *sampling_mean_weight(struct trace_reader *reader, uint64_t *out) MUST_CHECK;

struct sampling;

/* NULL when memory is short. The machine must outlive it. */
struct sampling *sampling_new(const struct sampling_design *design, const struct machine *machine);
void sampling_free(struct sampling *sampling);

const struct sampling_design *sampling_design(const struct sampling *sampling);

/* References of `cpu` are about to be replayed; for weighted ones. */
void sampling_weights(struct sampling *sampling, uint32_t cpu, const uint64_t *weight,
                      size_t count);
/* An epoch has ended: to be called from the memory's on_epoch. */
void sampling_epoch(struct sampling *sampling, const struct memory *memory);
/* After the last one. */
struct sampling_estimate sampling_estimate_of(const struct sampling *sampling,
                                              const struct memory *memory);

#endif
