/* --list-policies: each policy with its parameters, their units, ranges, defaults and sources.
 * --list-machines: each preset with its summary. */
#ifndef DISCO_REPORT_LIST_H
#define DISCO_REPORT_LIST_H

#include <stdio.h>

#include "replayer/report/registry.h"

void list_policies(const struct registry *registry, FILE *out);
void list_machines(FILE *out);

#endif
