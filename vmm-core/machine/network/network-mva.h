/* Mean value analysis of a closed queueing network: how long customers stay at stations that they
 * share. Private to this folder and its tests.
 *
 * A customer of class c thinks for think[c], then visits every station; what the visits of one cycle
 * need of station k is demand[c * stations + k]. Stations serve one at a time, in any order that does
 * not ask who needs how much. What comes out is the residence of a class at a station: its demand
 * and its waiting in one cycle, in the unit of the demands; a cycle is think + all residences.
 *
 * Exact: Reiser and Lavenberg, "Mean-value analysis of closed multichain queuing networks", JACM
 * 27(2), 1980: an arriving customer sees the queue of the same network without itself,
 *     residence[c][k](N) = demand[c][k] * (1 + queue[k](N - 1 of c))
 * over every population from none to N.
 *
 * Approximate: Chandy and Neuse, "Linearizer: a heuristic algorithm for queueing network models of
 * computing systems", CACM 25(2), 1982, in the O(classes^2 * stations) form of de Souza e Silva and
 * Muntz, "A note on the computational cost of the Linearizer algorithm for queueing networks",
 * IEEE Trans. Computers 39(6), 1990: only N and N - 1 of each class are solved; that a customer's
 * share of a queue changes by as much from N - 1 to N - 2 as from N to N - 1 is assumed. Populations
 * may be fractions. It has to begin, as its authors do, at the solution of Schweitzer's formula (an
 * absent customer changes no share): from elsewhere it can end at shares that solve its equations
 * and are far off. It costs a step for each class. For up to MVA_FEW_CLASSES, where the exact
 * solution costs not much more (MVA_LATTICE_WORK), what an absent customer changes is taken from
 * that. With more than MVA_SEPARATE_CLASSES it is that of the average customer, by exact analysis of
 * all classes merged into one: exact where classes are alike, and off by tens of percent where they
 * are not. Linearizer itself is off most for the only customer of a class that visits little but a
 * station which dozens of others saturate: by up to 5 % of its cycle.
 *
 * Sums, products and quotients in a fixed order: the same input gives the same bits.
 */
#ifndef DISCO_NETWORK_MVA_H
#define DISCO_NETWORK_MVA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mva_model {
    uint32_t classes, stations;
    const double *customers; /* [classes] */
    const double *think;     /* [classes] */
    const double *demand;    /* [classes * stations] */
};

#define MVA_CELLS_MOST       (1u << 20)
#define MVA_LATTICE_CLASSES  32u
#define MVA_LATTICE_WORK     98304u /* cells times classes that a step may take: some 60 us, */
#define MVA_FEW_CLASSES      4u     /* for so many classes */
#define MVA_SEPARATE_CLASSES 16u

/* Queues to keep for the exact solution: (customers + 1) over all classes, times stations. SIZE_MAX:
 * more than MVA_CELLS_MOST or MVA_LATTICE_CLASSES, or no sense. */
size_t mva_lattice_cells(const struct mva_model *model);
/* Fills cells[mva_lattice_cells()], residence[classes * stations] and, where it is not NULL,
 * thinned[classes * stations] as mva_steps has it; visits are slower[stations] times longer. Of a
 * fraction of a customer it is the limit in which whole numbers agree. Returns the queues of the
 * whole population, in cells. */
const double *mva_lattice_solve(const struct mva_model *model, const double *slower, double *cells,
                                double *residence, double *thinned);

/* Fills residence[classes * stations]. Customers are whole numbers here. false: more cells than
 * MVA_CELLS_MOST, or memory is short. */
bool mva_exact(const struct mva_model *model, double *residence);

/* The approximation, in steps, so that a caller can change think, demand and what follows between
 * them. */
struct mva_steps {
    uint32_t classes, stations;
    double *slower;    /* [stations] set by the caller: so many times longer is a visit because
                        * others take a part of the station's time; 1: nobody does */
    double *residence; /* [classes * stations] of the last step */
    double *arrival;   /* [classes * stations] customers that one of the class finds before it */
    double *share;     /* [populations][classes][stations] of one customer in the queue */
    double *thinned;   /* [classes][stations] what a class's customer changes by its absence */
    double *stalled;   /* [classes] sum of residences */
    double *queue;     /* [3 * stations] scratch */
    double *lattice;   /* [MVA_LATTICE_WORK] cells */
    bool fresh;        /* the shares of N - 1 are those of N still */
};

/* false: memory is short. Room for as many classes and stations as given. */
bool mva_steps_new(struct mva_steps *steps, uint32_t classes, uint32_t stations);
void mva_steps_free(struct mva_steps *steps);
/* A network of so many classes and stations, at most as many as there is room for. Shares start
 * even, slower at 1. Until mva_step() changes little, which solves Schweitzer's formula, no step is
 * to be thinned. */
void mva_steps_start(struct mva_steps *steps, uint32_t classes, uint32_t stations);
/* One step over the whole population; the largest change of a class's residences together, as a
 * part of its cycle. */
double mva_step(struct mva_steps *steps, const struct mva_model *model);
/* One step over the populations with one customer less; the largest change of a queue that is
 * found, as a part of one more than it. What it finds counts
 * for `gain` of the way: 1 where it follows every mva_step(), and less where several steps of that
 * go before, which swings otherwise. */
double mva_step_thinned(struct mva_steps *steps, const struct mva_model *model, double gain);

/* All steps from the start, until nothing changes by more than one part in 10^9. */
bool mva_approximate(const struct mva_model *model, double *residence);

#endif
