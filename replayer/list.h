/* --list-policies: each policy with its parameters, their units, ranges, defaults and sources.
 * --list-machines: each preset with its summary. */
#ifndef DISCO_REPLAYER_LIST_H
#define DISCO_REPLAYER_LIST_H

#include <stdio.h>

#include "replayer/registry.h"

void list_policies(const struct registry *registry, FILE *out);
void list_machines(FILE *out);

#endif
