#include "vmm-core/machine/network/network-curve.h"

#define BYTES_PER_PS 1e-6 /* of 1 MB/s */

void network_curve_fit(struct network_curve *curve, const struct machine_curve_point *point,
                       uint32_t points)
{
    double mean[MACHINE_CURVE_MAX]; /* of each pool */
    uint32_t size[MACHINE_CURVE_MAX], pools = 0;
    curve->points = points;
    for (uint32_t i = 0; i < points; i++) {
        curve->rate[i] = point[i].mb_per_s * BYTES_PER_PS;
        mean[pools] = point[i].latency_ps;
        size[pools++] = 1;
        while (pools > 1 && mean[pools - 2] > mean[pools - 1]) {
            const uint32_t both = size[pools - 2] + size[pools - 1];
            mean[pools - 2] =
                (mean[pools - 2] * size[pools - 2] + mean[pools - 1] * size[pools - 1]) / both;
            size[pools - 2] = both;
            pools--;
        }
    }
    uint32_t at = 0;
    for (uint32_t pool = 0; pool < pools; pool++)
        for (uint32_t i = 0; i < size[pool]; i++)
            curve->latency[at++] = mean[pool];
}

double network_curve_wait(const struct network_curve *curve, double rate)
{
    const uint32_t points = curve->points;
    if (points == 0 || rate <= curve->rate[0])
        return 0;
    if (rate >= curve->rate[points - 1])
        return curve->latency[points - 1] - curve->latency[0];
    uint32_t right = 1;
    while (curve->rate[right] < rate)
        right++;
    const double share =
        (rate - curve->rate[right - 1]) / (curve->rate[right] - curve->rate[right - 1]);
    return curve->latency[right - 1] + share * (curve->latency[right] - curve->latency[right - 1]) -
           curve->latency[0];
}
