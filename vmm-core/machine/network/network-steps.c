/* Approximate mean value analysis, in steps.
 *
 * share[0] is of the whole population N, share[1 + j] of N without a customer of class j. One that
 * arrives in N finds the queue of N - 1 of its class, which share[1 + c] tells. One that arrives in
 * N - 1 of j finds that queue without itself, changed by as much as its absence changes the others'
 * shares in N:
 *     found[j][c] = queue[1 + j] - share[1 + j][c]                      without itself
 *                 + thinned[c] - (share[1 + c][j] - share[0][j])       change, of all but j's one
 * where thinned[c] = queue of N - 1 of c - (queue[0] - share[0][c]).
 */
#include "vmm-core/machine/network/network-mva.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT        10000 /* steps; what swings for so long stays as it is */
#define CONVERGED    1e-9
#define BEGUN        1e-6 /* change of a cycle below which thinned populations are looked at */
#define MERGED_MOST  256u /* customers that enter a merged class one by one */
#define MERGED_STEPS 200u /* to find what those before them do, */
#define MERGED_NEAR  1e-4 /* to such a part of them */

bool mva_steps_new(struct mva_steps *steps, uint32_t classes, uint32_t stations)
{
    const size_t table = (size_t)classes * stations;
    const size_t most = classes < MVA_SEPARATE_CLASSES ? classes : MVA_SEPARATE_CLASSES;
    const size_t thinned = most * stations * (most + 1);
    const size_t shares = table > thinned ? table : thinned;
    *steps = (struct mva_steps){.slower = calloc(stations + 1, sizeof(double)),
                                .residence = calloc(table + 1, sizeof(double)),
                                .arrival = calloc(table + 1, sizeof(double)),
                                .share = calloc(shares + 1, sizeof(double)),
                                .thinned = calloc(table + 1, sizeof(double)),
                                .stalled = calloc(classes + 1, sizeof(double)),
                                .queue = calloc(3 * (size_t)stations + 1, sizeof(double)),
                                .lattice = malloc(MVA_LATTICE_WORK * sizeof(double))};
    return steps->slower && steps->residence && steps->arrival && steps->share && steps->thinned &&
           steps->stalled && steps->queue && steps->lattice;
}

void mva_steps_free(struct mva_steps *steps)
{
    free(steps->slower);
    free(steps->residence);
    free(steps->arrival);
    free(steps->share);
    free(steps->thinned);
    free(steps->stalled);
    free(steps->queue);
    free(steps->lattice);
}

void mva_steps_start(struct mva_steps *steps, uint32_t classes, uint32_t stations)
{
    const size_t table = (size_t)classes * stations;
    steps->classes = classes;
    steps->stations = stations;
    for (uint32_t k = 0; k < stations; k++)
        steps->slower[k] = 1;
    memset(steps->thinned, 0, table * sizeof(double));
    memset(steps->residence, 0, table * sizeof(double));
    memset(steps->stalled, 0, classes * sizeof(double));
    for (size_t i = 0; i < table; i++)
        steps->share[i] = 1.0 / (stations + 1);
    steps->fresh = true;
}

static double *shares_of(const struct mva_steps *steps, uint32_t population)
{
    return steps->share + (size_t)population * steps->classes * steps->stations;
}

/* queue[k] of a population with one customer of class `without` missing; `classes`: with none. */
static void sum_queue(const struct mva_steps *steps, const struct mva_model *model,
                      const double *share, uint32_t without)
{
    double *restrict const queue = steps->queue;
    memset(queue, 0, steps->stations * sizeof *queue);
    for (uint32_t c = 0; c < steps->classes; c++) {
        const double customers = model->customers[c] - (c == without);
        const double *const each = share + (size_t)c * steps->stations;
        for (uint32_t k = 0; k < steps->stations; k++)
            queue[k] += customers * each[k];
    }
}

/* Residences of class c, that finds so many before it; returns its cycle. */
static double residences(const struct mva_steps *steps, const struct mva_model *model, uint32_t c,
                         const double *found, double *restrict residence)
{
    const double *const demand = model->demand + (size_t)c * steps->stations;
    double cycle = model->think[c];
    for (uint32_t k = 0; k < steps->stations; k++) {
        residence[k] = demand[k] * steps->slower[k] * (1 + found[k]);
        cycle += residence[k];
    }
    return cycle;
}

static void shares(uint32_t stations, double cycle, const double *residence, double *share)
{
    const double rate = cycle > 0 ? 1 / cycle : 0;
    for (uint32_t k = 0; k < stations; k++)
        share[k] = residence[k] * rate;
}

static double not_negative(double queue)
{
    return queue > 0 ? queue : 0;
}

double mva_step(struct mva_steps *steps, const struct mva_model *model)
{
    const uint32_t stations = steps->stations;
    double *const share = shares_of(steps, 0);
    double most = 0;
    sum_queue(steps, model, share, steps->classes);
    for (uint32_t c = 0; c < steps->classes; c++) {
        const size_t row = (size_t)c * stations;
        double *const found = steps->arrival + row, *const residence = steps->residence + row;
        const double *const thinned = steps->thinned + row;
        for (uint32_t k = 0; k < stations; k++) {
            found[k] = not_negative(steps->queue[k] - share[row + k] + thinned[k]);
        }
        const double cycle = residences(steps, model, c, found, residence);
        shares(stations, cycle, residence, share + row);
        const double stalled = cycle - model->think[c];
        const double change = fabs(stalled - steps->stalled[c]);
        if (change > most * cycle)
            most = change / cycle;
        steps->stalled[c] = stalled;
    }
    return most;
}

/* One step of the population without a customer of class j. */
static void step_without(struct mva_steps *steps, const struct mva_model *model, uint32_t j)
{
    const uint32_t stations = steps->stations;
    double *const share = shares_of(steps, 1 + j), *const found = steps->queue + stations;
    const double *const whole = shares_of(steps, 0) + (size_t)j * stations;
    sum_queue(steps, model, share, j);
    for (uint32_t c = 0; c < steps->classes; c++) {
        const double customers = model->customers[c] - (c == j);
        if (customers <= 0)
            continue;
        const double one = customers < 1 ? customers : 1;
        const size_t row = (size_t)c * stations;
        const double *const thinned = steps->thinned + row;
        const double *const missing = shares_of(steps, 1 + c) + (size_t)j * stations;
        double *const residence = found + stations;
        for (uint32_t k = 0; k < stations; k++) {
            found[k] = not_negative(steps->queue[k] - one * share[row + k] + thinned[k] -
                                    (missing[k] - whole[k]));
        }
        shares(stations, residences(steps, model, c, found, residence), residence, share + row);
    }
}

/* The merged class's queues with so many customers, from those with one less: part of the way. */
static double enter_merged(struct mva_steps *steps, double population, double think, double part)
{
    double *const queue = steps->queue, *const demand = queue + steps->stations;
    double cycle = think, most = 0;
    for (uint32_t k = 0; k < steps->stations; k++)
        cycle += demand[k] * (1 + part * queue[k]);
    for (uint32_t k = 0; k < steps->stations; k++) {
        const double stay = demand[k] * (1 + part * queue[k]);
        const double now = cycle > 0 ? population * stay / cycle : 0;
        most = fmax(most, fabs(now - queue[k]) / population);
        queue[k] = now;
    }
    return most;
}

static void start_merged(struct mva_steps *steps, double population, double think)
{
    for (uint32_t k = 0; k < steps->stations; k++)
        steps->queue[k] = 0;
    if (population <= 0)
        return;
    const double part = population > 1 ? 1 - 1 / population : 0;
    for (uint32_t step = 0; step < MERGED_STEPS; step++)
        if (enter_merged(steps, population, think, part) < MERGED_NEAR)
            break;
}

/* What the absence of an average customer changes, by exact analysis of all classes as one: they
 * enter it one by one, the last MERGED_MOST of them; those before by Schweitzer's formula. */
static double step_merged(struct mva_steps *steps, const struct mva_model *model, double customers,
                          double gain)
{
    const uint32_t stations = steps->stations;
    double *const queue = steps->queue, *const demand = queue + stations;
    double *const fewer = demand + stations;
    double think = 0, rates = 0;
    memset(demand, 0, stations * sizeof *demand);
    for (uint32_t c = 0; c < steps->classes; c++) {
        const double cycle = model->think[c] + steps->stalled[c];
        const double rate = cycle > 0 ? model->customers[c] / cycle : 0;
        rates += rate;
        think += rate * model->think[c];
        for (uint32_t k = 0; k < stations; k++)
            demand[k] += rate * model->demand[(size_t)c * stations + k];
    }
    think /= rates;
    for (uint32_t k = 0; k < stations; k++)
        demand[k] *= steps->slower[k] / rates;

    const uint32_t more = (uint32_t)fmin(customers, MERGED_MOST);
    double population = customers - more;
    start_merged(steps, population, think);
    for (uint32_t i = 0; i < more; i++) {
        population += 1;
        memcpy(fewer, queue, stations * sizeof *queue);
        enter_merged(steps, population, think, 1);
    }
    double most = 0;
    for (uint32_t k = 0; k < stations; k++) {
        const double thinned = fewer[k] - (1 - 1 / customers) * queue[k];
        most = fmax(most, fabs(thinned - steps->thinned[k]) / (1 + queue[k]));
        for (uint32_t c = 0; c < steps->classes; c++) {
            double *const it = &steps->thinned[(size_t)c * stations + k];
            *it += gain * (thinned - *it);
        }
    }
    return most;
}

static double step_thinned(struct mva_steps *steps, const struct mva_model *model, double gain)
{
    const uint32_t stations = steps->stations;
    const size_t table = (size_t)steps->classes * stations;
    if (steps->fresh)
        for (uint32_t j = 0; j < steps->classes; j++)
            memcpy(shares_of(steps, 1 + j), steps->share, table * sizeof(double));
    steps->fresh = false;
    for (uint32_t j = 0; j < steps->classes; j++)
        step_without(steps, model, j);

    double *const whole = steps->queue + stations;
    sum_queue(steps, model, steps->share, steps->classes);
    memcpy(whole, steps->queue, stations * sizeof *whole);
    double most = 0;
    for (uint32_t c = 0; c < steps->classes; c++) {
        const size_t row = (size_t)c * stations;
        sum_queue(steps, model, shares_of(steps, 1 + c), c);
        for (uint32_t k = 0; k < stations; k++) {
            const double left = whole[k] - steps->share[row + k];
            const double thinned = steps->queue[k] - left;
            const double change = fabs(thinned - steps->thinned[row + k]) / (1 + whole[k]);
            most = change > most ? change : most;
            steps->thinned[row + k] += gain * (thinned - steps->thinned[row + k]);
        }
    }
    return most;
}

/* As the exact solution has it. The shares of N - 1 are scratch here. */
static double step_exact(struct mva_steps *steps, const struct mva_model *model, double gain)
{
    const uint32_t stations = steps->stations;
    double *const thinned = shares_of(steps, 1), most = 0;
    const double *const queue =
        mva_lattice_solve(model, steps->slower, steps->lattice, thinned, thinned);
    steps->fresh = true;
    for (uint32_t c = 0; c < steps->classes; c++) {
        const size_t row = (size_t)c * stations;
        for (uint32_t k = 0; k < stations; k++) {
            const double change = thinned[row + k] - steps->thinned[row + k];
            most = fmax(most, fabs(change) / (1 + queue[k]));
            steps->thinned[row + k] += gain * change;
        }
    }
    return most;
}

double mva_step_thinned(struct mva_steps *steps, const struct mva_model *model, double gain)
{
    const size_t cells = mva_lattice_cells(model);
    if (steps->classes <= MVA_FEW_CLASSES && cells <= MVA_LATTICE_WORK / steps->classes)
        return step_exact(steps, model, gain);
    double customers = 0;
    for (uint32_t c = 0; c < steps->classes; c++)
        customers += model->customers[c];
    if (steps->classes == 1 || steps->classes > MVA_SEPARATE_CLASSES)
        return step_merged(steps, model, customers, gain);
    return step_thinned(steps, model, gain);
}

bool mva_approximate(const struct mva_model *model, double *residence)
{
    struct mva_steps steps;
    const bool room = mva_steps_new(&steps, model->classes, model->stations);
    if (room) {
        mva_steps_start(&steps, model->classes, model->stations);
        for (uint32_t step = 0; step < LIMIT && mva_step(&steps, model) > BEGUN; step++)
            ;
        for (uint32_t step = 0; step < LIMIT; step++) {
            const double whole = mva_step(&steps, model);
            const double thinned = mva_step_thinned(&steps, model, 1);
            if (whole < CONVERGED && thinned < CONVERGED)
                break;
        }
        const size_t table = (size_t)model->classes * model->stations;
        memcpy(residence, steps.residence, table * sizeof(double));
    }
    mva_steps_free(&steps);
    return room;
}
