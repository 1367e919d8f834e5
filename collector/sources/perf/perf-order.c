#include "collector/sources/perf/perf-order.h"

#include <stdlib.h>
#include <string.h>

struct waiting {
    struct perf_record record; /* its name is owned */
    uint64_t turn;             /* order of arrival */
};

struct perf_order {
    struct waiting *waiting;
    size_t count, room;
    uint64_t turns, last_ns, late;
};

struct perf_order *perf_order_new(void)
{
    return calloc(1, sizeof(struct perf_order));
}

void perf_order_free(struct perf_order *order)
{
    if (order == NULL)
        return;
    for (size_t i = 0; i < order->count; i++)
        free((char *)order->waiting[i].record.name);
    free(order->waiting);
    free(order);
}

static bool make_room(struct perf_order *order)
{
    if (order->count < order->room)
        return true;
    size_t room = order->room ? 2 * order->room : 1024;
    struct waiting *waiting = reallocarray(order->waiting, room, sizeof *waiting);
    if (waiting == NULL)
        return false;
    order->waiting = waiting;
    order->room = room;
    return true;
}

bool perf_order_add(struct perf_order *order, const struct perf_record *record)
{
    if (!make_room(order))
        return false;
    struct waiting *waiting = &order->waiting[order->count];
    *waiting = (struct waiting){.record = *record, .turn = order->turns};
    if (record->name && (waiting->record.name = strdup(record->name)) == NULL)
        return false;
    order->turns++;
    order->count++;
    return true;
}

static int by_time(const void *left_item, const void *right_item)
{
    const struct waiting *left = left_item, *right = right_item;
    if (left->record.time_ns != right->record.time_ns)
        return left->record.time_ns < right->record.time_ns ? -1 : 1;
    return left->turn < right->turn ? -1 : left->turn > right->turn;
}

char *perf_order_until(struct perf_order *order, uint64_t limit_ns, perf_order_sink *sink,
                       void *sink_state)
{
    char *error = NULL;
    size_t done = 0;
    if (order->count > 1)
        qsort(order->waiting, order->count, sizeof *order->waiting, by_time);
    while (done < order->count && error == NULL) {
        struct perf_record *record = &order->waiting[done].record;
        if (record->time_ns > limit_ns)
            break;
        if (record->time_ns < order->last_ns)
            order->late++;
        else
            order->last_ns = record->time_ns;
        error = sink(sink_state, record);
        free((char *)record->name);
        done++;
    }
    if (done > 0)
        memmove(order->waiting, order->waiting + done,
                (order->count - done) * sizeof *order->waiting);
    order->count -= done;
    return error;
}

uint64_t perf_order_late(const struct perf_order *order)
{
    return order->late;
}
