/* Exact mean value analysis. Populations are numbered in mixed radix, so that the one with a
 * customer of class c less stands stride[c] before, and was solved before. */
#include "vmm-core/machine/network-mva.h"

#include <stdlib.h>

struct lattice {
    uint32_t *stride, *count; /* [classes] of the population in work */
    double *queue;            /* [states * stations] */
    double *throughput;       /* [classes] */
};

static bool lattice_new(struct lattice *lattice, const struct mva_model *model, size_t *states)
{
    *lattice = (struct lattice){.stride = calloc(model->classes, sizeof *lattice->stride),
                                .count = calloc(model->classes, sizeof *lattice->count),
                                .throughput = calloc(model->classes, sizeof *lattice->throughput)};
    if (!lattice->stride || !lattice->count || !lattice->throughput)
        return false;
    *states = 1;
    for (uint32_t c = 0; c < model->classes; c++) {
        lattice->stride[c] = (uint32_t)*states;
        if (!(model->customers[c] >= 0 && model->customers[c] < MVA_STATES_MOST))
            return false;
        *states *= (size_t)model->customers[c] + 1;
        if (*states * model->stations > MVA_STATES_MOST)
            return false;
    }
    lattice->queue = calloc(*states * model->stations, sizeof *lattice->queue);
    return lattice->queue != NULL;
}

static void lattice_free(struct lattice *lattice)
{
    free(lattice->stride);
    free(lattice->count);
    free(lattice->throughput);
    free(lattice->queue);
}

static void solve_population(const struct mva_model *model, struct lattice *lattice, size_t state,
                             double *residence)
{
    const uint32_t stations = model->stations;
    double *const queue = lattice->queue + state * stations;
    for (uint32_t c = 0; c < model->classes; c++) {
        if (!lattice->count[c])
            continue;
        const double *const demand = model->demand + (size_t)c * stations;
        const double *const found = queue - (size_t)lattice->stride[c] * stations;
        double *const stay = residence + (size_t)c * stations;
        double cycle = model->think[c];
        for (uint32_t k = 0; k < stations; k++) {
            stay[k] = demand[k] * (1 + found[k]);
            cycle += stay[k];
        }
        lattice->throughput[c] = cycle > 0 ? lattice->count[c] / cycle : 0;
        for (uint32_t k = 0; k < stations; k++)
            queue[k] += lattice->throughput[c] * stay[k];
    }
}

bool mva_exact(const struct mva_model *model, double *residence)
{
    struct lattice lattice;
    size_t states = 0;
    const bool room = lattice_new(&lattice, model, &states);
    for (size_t state = 1; room && state < states; state++) {
        uint32_t c = 0;
        while (lattice.count[c] == (uint32_t)model->customers[c])
            lattice.count[c++] = 0;
        lattice.count[c]++;
        solve_population(model, &lattice, state, residence);
    }
    lattice_free(&lattice);
    return room;
}
