#include "collector/sources/perfdata/perfdata-sort.h"

#include <stdlib.h>

/* The end of the run of rising times that begins at `first`. */
static size_t run_end(const struct perfdata_place *place, size_t first, size_t places)
{
    size_t end = first + 1;
    while (end < places && place[end - 1].time <= place[end].time) {
        end++;
    }
    return end;
}

/* Merges [first, middle) and [middle, end) of `from` into `to`; equals keep their order. */
static void merge(const struct perfdata_place *from, size_t first, size_t middle, size_t end,
                  struct perfdata_place *to)
{
    size_t low = first, high = middle;
    for (size_t i = first; i < end; i++) {
        bool lower = high == end || (low < middle && from[low].time <= from[high].time);
        to[i] = lower ? from[low++] : from[high++];
    }
}

/* Merges the runs that are there already, two by two: the buffers of each CPU, round by round, rise
 * (natural merge sort: Knuth, The Art of Computer Programming 3, 5.2.4). */
bool perfdata_sort(struct perfdata_place **place, size_t places)
{
    struct perfdata_place *from = *place;
    struct perfdata_place *to = malloc(places * sizeof *to);
    if (to == NULL) {
        return false;
    }
    while (run_end(from, 0, places) < places) {
        for (size_t first = 0, end = 0; first < places; first = end) {
            size_t middle = run_end(from, first, places);
            end = middle < places ? run_end(from, middle, places) : middle;
            merge(from, first, middle, end, to);
        }
        struct perfdata_place *merged = to;
        to = from;
        from = merged;
    }
    *place = from;
    free(to);
    return true;
}
