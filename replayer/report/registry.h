/* The policies there are, and what a user's words choose from them.
 *
 * Built-in policies are found in the linker section `disco_policies` (policy.h, DISCO_POLICY): no
 * list has to be edited. A user's own policy is a shared object, built from one file that includes
 * policy.h with DISCO_POLICY_SHARED defined; it stays loaded until registry_free.
 */
#ifndef DISCO_REPORT_REGISTRY_H
#define DISCO_REPORT_REGISTRY_H

#include "policies/policy.h"
#include "replayer/report/say.h"

struct registry;

/* One policy with its parameters, as one of the runs of a command. */
struct policy_choice {
    const struct policy *policy;
    int64_t *param; /* [policy->param_count] in the order of its table; NULL where it has none */
    char *label;    /* "migrate", "migrate:trigger=96": the parameters that the user gave */
};

struct policy_choices {
    struct policy_choice *choice;
    size_t count;
};

char *registry_open(struct registry **out) MUST_CHECK;
void registry_free(struct registry *registry);

/* The built-in policies, sorted by name. */
size_t registry_count(const struct registry *registry);
const struct policy *registry_policy(const struct registry *registry, size_t index);

/* Appends what `words` choose: WORD[,WORD...], a WORD being NAME[:PARAM=VALUE...], the path of a
 * shared object (it has a '/') with the same behind it, or "all" for every built-in policy. After
 * an error what was chosen before stays. */
char *registry_choose(struct registry *registry, const char *words,
                      struct policy_choices *choices) MUST_CHECK;
void policy_choices_free(struct policy_choices *choices);

#endif
