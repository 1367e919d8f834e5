/* Exact mean value analysis. Populations are numbered in mixed radix, so that the one with a
 * customer of class c less stands stride[c] before, and was solved before. Where a class has a
 * fraction of a customer, that is the first to come. */
#include "vmm-core/machine/network/network-mva.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct lattice {
    const struct mva_model *model;
    const double *slower;
    uint32_t stride[MVA_LATTICE_CLASSES], levels[MVA_LATTICE_CLASSES];
    uint32_t count[MVA_LATTICE_CLASSES]; /* of the population in work */
    double *queue;                       /* [states * stations] */
};

static uint32_t levels_of(double customers)
{
    return (uint32_t)ceil(customers);
}

size_t mva_lattice_cells(const struct mva_model *model)
{
    size_t cells = model->stations;
    if (model->classes > MVA_LATTICE_CLASSES)
        return SIZE_MAX;
    for (uint32_t c = 0; c < model->classes; c++) {
        if (!(model->customers[c] >= 0 && model->customers[c] < MVA_CELLS_MOST))
            return SIZE_MAX;
        cells *= (size_t)levels_of(model->customers[c]) + 1;
        if (cells > MVA_CELLS_MOST)
            return SIZE_MAX;
    }
    return cells;
}

static void solve_population(struct lattice *lattice, size_t state, double *residence)
{
    const struct mva_model *const model = lattice->model;
    const uint32_t stations = model->stations;
    double *restrict const queue = lattice->queue + state * stations;
    memset(queue, 0, stations * sizeof *queue);
    for (uint32_t c = 0; c < model->classes; c++) {
        if (!lattice->count[c])
            continue;
        const double customers = model->customers[c] - (lattice->levels[c] - lattice->count[c]);
        const double *const demand = model->demand + (size_t)c * stations;
        const double *const found = queue - (size_t)lattice->stride[c] * stations;
        double *restrict const stay = residence + (size_t)c * stations;
        double cycle = model->think[c];
        for (uint32_t k = 0; k < stations; k++) {
            stay[k] = demand[k] * lattice->slower[k] * (1 + found[k]);
            cycle += stay[k];
        }
        const double rate = cycle > 0 ? customers / cycle : 0;
        for (uint32_t k = 0; k < stations; k++)
            queue[k] += rate * stay[k];
    }
}

const double *mva_lattice_solve(const struct mva_model *model, const double *slower, double *cells,
                                double *residence, double *thinned)
{
    struct lattice lattice = {.model = model, .slower = slower, .queue = cells};
    const uint32_t stations = model->stations;
    uint32_t states = 1;
    for (uint32_t c = 0; c < model->classes; c++) {
        lattice.stride[c] = states;
        lattice.levels[c] = levels_of(model->customers[c]);
        states *= lattice.levels[c] + 1;
    }
    memset(cells, 0, stations * sizeof *cells);
    for (size_t state = 1; state < states; state++) {
        uint32_t c = 0;
        while (lattice.count[c] == lattice.levels[c])
            lattice.count[c++] = 0;
        lattice.count[c]++;
        solve_population(&lattice, state, residence);
    }
    const double *const queue = cells + (size_t)(states - 1) * stations;
    for (uint32_t c = 0; thinned && c < model->classes; c++) {
        const double *const stay = residence + (size_t)c * stations;
        const double *const left =
            queue - (lattice.levels[c] ? (size_t)lattice.stride[c] * stations : 0);
        double cycle = model->think[c];
        for (uint32_t k = 0; k < stations; k++)
            cycle += stay[k];
        for (uint32_t k = 0; k < stations; k++)
            thinned[(size_t)c * stations + k] =
                left[k] - queue[k] + (cycle > 0 ? stay[k] / cycle : 0);
    }
    return queue;
}

bool mva_exact(const struct mva_model *model, double *residence)
{
    const size_t count = mva_lattice_cells(model);
    if (count == SIZE_MAX)
        return false;
    double *const cells = malloc((count + 1) * sizeof *cells);
    double *const slower = malloc((model->stations + 1) * sizeof *slower);
    for (uint32_t k = 0; slower && k < model->stations; k++)
        slower[k] = 1;
    const bool room = cells && slower;
    if (room)
        mva_lattice_solve(model, slower, cells, residence, NULL);
    free(cells);
    free(slower);
    return room;
}
