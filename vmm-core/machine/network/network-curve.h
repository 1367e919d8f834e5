/* A measured curve of loaded latency, made monotone. Private to this folder and its tests. */
#ifndef DISCO_NETWORK_CURVE_H
#define DISCO_NETWORK_CURVE_H

#include "vmm-core/machine/machine.h"

struct network_curve {
    uint32_t points;                   /* 0: there is none */
    double rate[MACHINE_CURVE_MAX];    /* bytes a ps, rising */
    double latency[MACHINE_CURVE_MAX]; /* ps, never falling */
};

/* The nearest curve, by the sum of squares, that never falls: neighbours that do are pooled and take
 * their mean (Ayer, Brunk, Ewing, Reid and Silverman, Annals of Mathematical Statistics 26(4), 1955).
 */
void network_curve_fit(struct network_curve *curve, const struct machine_curve_point *point,
                       uint32_t points);
/* ps above the latency of the first point; linear between points, that of the last beyond it. */
double network_curve_wait(const struct network_curve *curve, double rate);

#endif
