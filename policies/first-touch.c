/* A page lives on the node of the CPU that touches it first: the default of Linux (MPOL_LOCAL,
 * mm/mempolicy.c) and of every comparison. */
#include "policies/policy.h"

static const struct policy first_touch = {
    .abi = DISCO_POLICY_ABI,
    .name = "first-touch",
    .summary = "each page on the node of the CPU that touches it first",
    .place = policy_place_first_touch,
};
DISCO_POLICY(first_touch);
