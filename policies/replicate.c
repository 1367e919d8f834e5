/* The replicating half of the Disco paper's policy: a hot page that several nodes read is copied to
 * the node that made it hot; a private one stays. */
#include "policies/counter-threshold.h"

enum { TRIGGER, SHARING, WRITE, RESET, RESERVE };
static const struct policy_param params[] = {
    [TRIGGER] = COUNTER_PARAM_TRIGGER, [SHARING] = COUNTER_PARAM_SHARING,
    [WRITE] = COUNTER_PARAM_WRITE,     [RESET] = COUNTER_PARAM_RESET,
    [RESERVE] = COUNTER_PARAM_RESERVE,
};

static const char *init(void *state, const struct policy_setup *setup, struct policy_wants *wants)
{
    struct counter_threshold *rule = state;
    *rule = (struct counter_threshold){
        .replicates = true,
        .sharing = counter_threshold_scaled(setup, setup->param[SHARING]),
        .writes_most = counter_threshold_allowance(setup, setup->param[WRITE]),
        .reserve_percent = (uint32_t)setup->param[RESERVE],
    };
    counter_threshold_listen(setup, setup->param[TRIGGER], setup->param[RESET], wants);
    return NULL;
}

static const struct policy replicate = {
    .abi = DISCO_POLICY_ABI,
    .name = "replicate",
    .summary = "first touch, then a hot page that several nodes read is copied to them",
    .params = params,
    .param_count = sizeof params / sizeof params[0],
    .state_bytes = sizeof(struct counter_threshold),
    .init = init,
    .place = policy_place_first_touch,
    .hot = counter_threshold_hot,
};
DISCO_POLICY(replicate);
