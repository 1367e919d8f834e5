/* Frames where there is no policy: on the node of the first touch, or the next by distance with
 * room. What the policy `first-touch` of the memory subsystem does, without its model. */
#ifndef DISCO_MONITOR_FIRST_TOUCH_H
#define DISCO_MONITOR_FIRST_TOUCH_H

#include <stdint.h>

#include "vmm-core/machine/machine.h"

struct first_touch;

/* NULL: memory is short. Numbers are below `limit`. */
struct first_touch *first_touch_new(const struct machine *machine, uint32_t limit);
void first_touch_free(struct first_touch *first_touch);

/* RAM_NONE: the machine's memory is full. */
uint32_t first_touch_take(struct first_touch *first_touch, uint32_t node);
void first_touch_give_back(struct first_touch *first_touch, uint32_t frame);

#endif
