#include "replayer/report/sampling.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "replayer/report/say.h"

#define Z_95      1.959963984540054 /* quantile 0.975 of the normal distribution */
#define PS_PER_NS 1000.0

/* Of a CPU: sums over epochs of estimates, and of their variances; ps. */
struct cpu {
    bool used;
    struct memory_cpu_counters before; /* at the end of the epoch before */
    double weights, spread;            /* of this epoch: sums of w, of w (w - 1) */
    double excess;                     /* the last known spread / weights */
    double variance, execution_variance, local_variance, remote_variance;
    double mean; /* ps a reference of the epoch before that is this CPU's */
};

struct sampling {
    struct sampling_design design;
    const struct machine *machine;
    uint64_t samples;
    double local, remote;               /* accesses */
    double local_spread, remote_spread; /* sums of w (w - 1) over them */
    double within;                      /* the variance of local accesses within epochs */
    double share_before; /* local share of the epoch before; negative: there is none */
    struct cpu *cpu;     /* [machine cpus] */
};

bool sampling_design_of(const struct trace_reader *reader, const struct machine *machine,
                        uint64_t refs_per_sample, bool by_fetches, struct sampling_design *out)
{
    const struct trace_summary *summary = trace_reader_summary(reader);
    *out = (struct sampling_design){.weighted =
                                        (summary->facts.columns & COLUMN_BIT(COLUMN_WEIGHT)) != 0,
                                    .refs_per_sample = refs_per_sample,
                                    .execution_ps = by_fetches ? machine->costs.fetch_ps
                                                               : machine->costs.data_reference_ps};
    const char *event = summary->facts.event; /* page-faults, fault-kinds, hinting, ... */
    out->nominal =
        event != NULL && (strstr(event, "fault") != NULL || strstr(event, "hinting") != NULL);
    for (uint32_t i = 0; i < summary->notes; i++) {
        const struct trace_note *note = trace_reader_note(reader, i);
        if (note->key != NULL && note->value != NULL && strcmp(note->key, "sampling_method") == 0)
            out->by_chance = strcmp(note->value, "random") == 0;
    }
    return summary->facts.sampled && (out->weighted || refs_per_sample > 1);
}

char *sampling_mean_weight(struct trace_reader *reader, uint64_t *out)
{
    *out = 1;
    if (trace_reader_summary(reader)->blocks == 0)
        return NULL;
    struct ref_block *block = ref_block_new(COLUMN_BIT(COLUMN_WEIGHT));
    if (block == NULL)
        return say_no_memory();
    char *error = trace_reader_block(reader, 0, block);
    double sum = 0;
    for (uint32_t i = 0; error == NULL && i < block->refs; i++)
        sum += (double)block->column[COLUMN_WEIGHT][i];
    if (error == NULL && block->refs > 0)
        *out = (uint64_t)fmin(fmax(1, round(sum / block->refs)), (double)MEMORY_WEIGHT_MOST);
    ref_block_free(block);
    return error;
}

const struct sampling_design *sampling_design(const struct sampling *sampling)
{
    return &sampling->design;
}

struct sampling *sampling_new(const struct sampling_design *design, const struct machine *machine)
{
    struct sampling *sampling = calloc(1, sizeof *sampling);
    if (sampling == NULL)
        return NULL;
    sampling->design = *design;
    sampling->machine = machine;
    sampling->share_before = -1;
    sampling->cpu = calloc((size_t)machine->cpus + 1, sizeof *sampling->cpu);
    if (sampling->cpu == NULL) {
        free(sampling);
        return NULL;
    }
    for (uint32_t i = 0; i < machine->cpus; i++)
        sampling->cpu[i].excess = (double)(design->refs_per_sample - 1);
    return sampling;
}

void sampling_free(struct sampling *sampling)
{
    if (sampling == NULL)
        return;
    free(sampling->cpu);
    free(sampling);
}

void sampling_weights(struct sampling *sampling, uint32_t cpu, const uint64_t *weight, size_t count)
{
    double sum = 0, spread = 0;
    for (size_t i = 0; i < count; i++) {
        double w = (double)weight[i];
        sum += w;
        spread += w * (w - 1);
    }
    sampling->cpu[cpu].weights += sum;
    sampling->cpu[cpu].spread += spread;
}

/* What a CPU did in an epoch, as an estimate of the whole trace: accesses, and ps. */
struct share {
    double local, remote, execution, local_stall, remote_stall;
};

static struct share share_of(const struct sampling *sampling, const struct memory_cpu_counters *now,
                             const struct memory_cpu_counters *before)
{
    double times = sampling->design.weighted ? 1 : (double)sampling->design.refs_per_sample;
#define SINCE(field) (double)(now->field - before->field)
    return (struct share){.local = times * SINCE(local_accesses),
                          .remote = times * SINCE(remote_accesses),
                          .execution = SINCE(account_ps[ACCOUNT_execution]),
                          .local_stall = SINCE(account_ps[ACCOUNT_local_stall]),
                          .remote_stall = SINCE(account_ps[ACCOUNT_remote_stall])};
#undef SINCE
}

/* Sum of a^2 / b over what stands for b references of a / b each. */
static double squares(double sum, double count)
{
    return count > 0 ? sum * sum / count : 0;
}

/* The variance of a sum: of squares of y, over a CPU's references in an epoch of `all`. */
static double variance_of(const struct sampling *sampling, double excess, double square, double sum,
                          double all)
{
    if (sampling->design.by_chance || all <= 0)
        return excess * square;
    return excess * fmax(0, square - squares(sum, all));
}

static void end_of_cpu(struct sampling *sampling, struct cpu *cpu, const struct share *share,
                       double all)
{
    double accesses = share->local + share->remote;
    double stall = share->local_stall + share->remote_stall, sum = share->execution + stall;
    double local = squares(share->local_stall, share->local);
    double remote = squares(share->remote_stall, share->remote);
    double execution = share->execution * (double)sampling->design.execution_ps;
    /* what is executed is not known for each access: as if for all alike */
    double both = accesses > 0 ? 2 * share->execution * stall / accesses : 0;
    cpu->variance +=
        variance_of(sampling, cpu->excess, local + remote + both + execution, sum, all);
    cpu->execution_variance += variance_of(sampling, cpu->excess, execution, share->execution, all);
    cpu->local_variance += variance_of(sampling, cpu->excess, local, share->local_stall, all);
    cpu->remote_variance += variance_of(sampling, cpu->excess, remote, share->remote_stall, all);
    double mean = all > 0 ? sum / all : 0;
    if (!sampling->design.by_chance && sampling->share_before >= 0) {
        double width = cpu->excess + 1, step = width * (mean - cpu->mean);
        cpu->variance += step * step / 12;
    }
    cpu->mean = mean;
}

void sampling_epoch(struct sampling *sampling, const struct memory *memory)
{
    double all = 0, local = 0, excess = 0;
    for (uint32_t i = 0; i < sampling->machine->cpus; i++) {
        if (!memory_cpu_used(memory, i))
            continue;
        const struct memory_cpu_counters *now = memory_cpu(memory, i);
        struct share share = share_of(sampling, now, &sampling->cpu[i].before);
        all += share.local + share.remote;
        local += share.local;
    }
    for (uint32_t i = 0; i < sampling->machine->cpus; i++) {
        if (!memory_cpu_used(memory, i))
            continue;
        const struct memory_cpu_counters *now = memory_cpu(memory, i);
        struct cpu *cpu = &sampling->cpu[i];
        struct share share = share_of(sampling, now, &cpu->before);
        cpu->used = true;
        if (cpu->weights > 0)
            cpu->excess = cpu->spread / cpu->weights;
        cpu->weights = cpu->spread = 0;
        end_of_cpu(sampling, cpu, &share, all);
        sampling->samples += now->references - cpu->before.references;
        sampling->local += share.local;
        sampling->remote += share.remote;
        sampling->local_spread += cpu->excess * share.local;
        sampling->remote_spread += cpu->excess * share.remote;
        excess = fmax(excess, cpu->excess);
        cpu->before = *now;
    }
    if (all <= 0)
        return;
    sampling->within += excess * local * (all - local) / all;
    double step =
        sampling->share_before < 0 ? 0 : (excess + 1) * (local / all - sampling->share_before);
    sampling->within += step * step / 12;
    sampling->share_before = local / all;
}

static struct sampling_interval around(double value, double deviations, double variance)
{
    double half = deviations * sqrt(variance);
    return (struct sampling_interval){.known = true,
                                      .low = fmax(0, value - half),
                                      .high = value + half};
}

/* Wilson's, for a share that was estimated with this variance; `most`: of samples drawn alone. */
static struct sampling_interval share_interval(double share, double variance, double most)
{
    double size = variance > 0 ? share * (1 - share) / variance : most;
    if (!(size > 0))
        return (struct sampling_interval){.known = true, .low = share, .high = share};
    double z2 = Z_95 * Z_95 / size, middle = (share + z2 / 2) / (1 + z2);
    double half = Z_95 / (1 + z2) * sqrt(share * (1 - share) / size + z2 / (4 * size));
    return (struct sampling_interval){.known = true,
                                      .low = fmax(0, middle - half),
                                      .high = fmin(1, middle + half)};
}

static void estimate_share(const struct sampling *sampling, struct sampling_estimate *estimate)
{
    double local = sampling->local, remote = sampling->remote, all = local + remote;
    if (all <= 0)
        return;
    double spread = sampling->local_spread + sampling->remote_spread, share = local / all;
    bool by_chance = sampling->design.by_chance;
    double of_local = by_chance ? sampling->local_spread : sampling->within;
    double of_share = by_chance ? ((1 - share) * (1 - share) * sampling->local_spread +
                                   share * share * sampling->remote_spread) /
                                      (all * all)
                                : sampling->within / (all * all);
    double width =
        sampling->design.weighted ? spread / all + 1 : (double)sampling->design.refs_per_sample;
    estimate->memory_accesses =
        by_chance ? around(all, Z_95, spread) : around(all, 1, width * width);
    estimate->local = around(local, Z_95, of_local);
    estimate->local_share = share_interval(share, of_share, spread > 0 ? all * all / spread : 0);
}

/* The lower end of a maximum is so many deviations down. Of one number: as always. Of several alike the
 * maximum is too great by chance and never too small, so that all 5 in 100 are at this end: c
 * such that the greatest of `count` normal numbers is below it 95 times in 100. */
static double down_from_greatest(unsigned count)
{
    if (count < 2)
        return Z_95;
    double wanted = pow(0.95, 1.0 / count), low = 0, high = 10;
    for (unsigned i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        *(0.5 * erfc(-middle / sqrt(2)) < wanted ? &low : &high) = middle;
    }
    return low;
}

/* Without TLB refills. */
static double clock_ps(const struct cpu *cpu)
{
    return (double)(cpu->before.clock_ps - cpu->before.account_ps[ACCOUNT_tlb]);
}

static void estimate_time(const struct sampling *sampling, struct sampling_estimate *estimate)
{
    double least = 0; /* of the last one's clock */
    uint32_t cpus = sampling->machine->cpus;
    for (uint32_t i = 0; i < cpus; i++) {
        const struct cpu *cpu = &sampling->cpu[i];
        if (!cpu->used)
            continue;
        uint64_t clock = cpu->before.clock_ps - cpu->before.account_ps[ACCOUNT_tlb];
        estimate->time_ps = clock > estimate->time_ps ? clock : estimate->time_ps;
        least = fmax(least, clock_ps(cpu) - Z_95 * sqrt(cpu->variance));
    }
    unsigned last = 0; /* that may be last */
    for (uint32_t i = 0; i < cpus; i++)
        last += sampling->cpu[i].used &&
                clock_ps(&sampling->cpu[i]) + Z_95 * sqrt(sampling->cpu[i].variance) >= least;
    if (last == 0)
        return;
    struct sampling_interval time = {.known = true};
    double lower = down_from_greatest(last);
    for (uint32_t i = 0; i < cpus; i++) {
        const struct cpu *cpu = &sampling->cpu[i];
        time.low = fmax(time.low, clock_ps(cpu) - lower * sqrt(cpu->variance));
        time.high = fmax(time.high, clock_ps(cpu) + Z_95 * sqrt(cpu->variance));
    }
    estimate->time_ns = (struct sampling_interval){.known = true,
                                                   .low = time.low / PS_PER_NS,
                                                   .high = time.high / PS_PER_NS};
}

/* The parts are averages over the used CPUs. */
static void estimate_parts(const struct sampling *sampling, struct sampling_estimate *estimate)
{
    struct part {
        struct sampling_interval *interval;
        enum memory_account account;
        double variance, sum;
    } part[] = {{&estimate->execution_ns, ACCOUNT_execution, 0, 0},
                {&estimate->local_stall_ns, ACCOUNT_local_stall, 0, 0},
                {&estimate->remote_stall_ns, ACCOUNT_remote_stall, 0, 0}};
    unsigned used = 0;
    for (uint32_t i = 0; i < sampling->machine->cpus; i++) {
        const struct cpu *cpu = &sampling->cpu[i];
        const double variance[] = {cpu->execution_variance, cpu->local_variance,
                                   cpu->remote_variance};
        used += cpu->used;
        for (unsigned at = 0; at < sizeof part / sizeof *part; at++) {
            part[at].sum += (double)cpu->before.account_ps[part[at].account];
            part[at].variance += variance[at];
        }
    }
    double scale = used * PS_PER_NS;
    for (unsigned at = 0; used > 0 && at < sizeof part / sizeof *part; at++)
        *part[at].interval =
            around(part[at].sum / scale, Z_95, part[at].variance / (scale * scale));
}

/* Coefficient of variation of what the nodes served, squared, linearized. */
static void estimate_imbalance(const struct sampling *sampling, const struct memory *memory,
                               struct sampling_estimate *estimate)
{
    const struct machine *machine = sampling->machine;
    double all = sampling->local + sampling->remote;
    double times = sampling->design.weighted ? 1 : (double)sampling->design.refs_per_sample;
    double served[MACHINE_NODES_MAX], mean = 0, squared = 0;
    unsigned nodes = 0;
    for (uint32_t i = 0; i < machine->nodes; i++) {
        if (machine->node[i].memory_bytes == 0)
            continue;
        struct memory_node_state node = memory_node(memory, i);
        served[nodes] = times * (double)(node.local_accesses + node.remote_accesses);
        mean += served[nodes++];
    }
    if (nodes < 2 || all <= 0 || mean <= 0)
        return;
    double n = nodes, excess = (sampling->local_spread + sampling->remote_spread) / all;
    mean /= n;
    for (unsigned i = 0; i < nodes; i++)
        squared += (served[i] - mean) * (served[i] - mean) / (n - 1);
    double by_chance = 0, variance = 0;
    for (unsigned i = 0; i < nodes; i++) {
        double own = excess * served[i];
        double slope = 2 * (served[i] - mean) / (n - 1) / (mean * mean) -
                       2 * squared / (n * mean * mean * mean);
        by_chance += own / n;
        variance += own * slope * slope + 2 * own * own / ((n - 1) * (n - 1)) * (1 - 1 / n) *
                                              (1 - 1 / n) / (mean * mean * mean * mean);
    }
    double value = (squared - by_chance) / (mean * mean), half = Z_95 * sqrt(variance);
    estimate->imbalance = (struct sampling_interval){.known = true,
                                                     .low = 100 * sqrt(fmax(0, value - half)),
                                                     .high = 100 * sqrt(fmax(0, value + half))};
}

struct sampling_estimate sampling_estimate_of(const struct sampling *sampling,
                                              const struct memory *memory)
{
    struct sampling_estimate estimate = {.samples = sampling->samples,
                                         .accesses = sampling->local + sampling->remote,
                                         .local_accesses = sampling->local};
    estimate_time(sampling, &estimate);
    if (sampling->samples < SAMPLING_LEAST || sampling->design.nominal) {
        estimate.time_ns.known = false;
        return estimate;
    }
    estimate_share(sampling, &estimate);
    estimate_parts(sampling, &estimate);
    estimate_imbalance(sampling, memory, &estimate);
    return estimate;
}
