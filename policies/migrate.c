/* The migrating half of the Disco paper's policy: a hot page that one node uses moves there; a
 * shared one stays. */
#include "policies/counter-threshold.h"

enum { TRIGGER, SHARING, MIGRATE, RESET };
static const struct policy_param params[] = {
    [TRIGGER] = COUNTER_PARAM_TRIGGER,
    [SHARING] = COUNTER_PARAM_SHARING,
    [MIGRATE] = COUNTER_PARAM_MIGRATE,
    [RESET] = COUNTER_PARAM_RESET,
};

static const char *init(void *state, const struct policy_setup *setup, struct policy_wants *wants)
{
    struct counter_threshold *rule = state;
    *rule = (struct counter_threshold){
        .migrates = true,
        .sharing = counter_threshold_scaled(setup, setup->param[SHARING]),
        .moves_most = (uint32_t)setup->param[MIGRATE],
    };
    counter_threshold_listen(setup, setup->param[TRIGGER], setup->param[RESET], wants);
    return NULL;
}

static const struct policy migrate = {
    .abi = DISCO_POLICY_ABI,
    .name = "migrate",
    .summary = "first touch, then a hot page that one node uses moves to it",
    .params = params,
    .param_count = sizeof params / sizeof params[0],
    .state_bytes = sizeof(struct counter_threshold),
    .init = init,
    .place = policy_place_first_touch,
    .hot = counter_threshold_hot,
};
DISCO_POLICY(migrate);
