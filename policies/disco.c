/* The policy of the Disco paper (SOSP'97, 4.2.2): a hot page that one node uses migrates, one that
 * several nodes read is replicated, one that several write is left. */
#include "policies/counter-threshold.h"

enum { TRIGGER, SHARING, WRITE, MIGRATE, RESET, RESERVE };
static const struct policy_param params[] = {
    [TRIGGER] = COUNTER_PARAM_TRIGGER, [SHARING] = COUNTER_PARAM_SHARING,
    [WRITE] = COUNTER_PARAM_WRITE,     [MIGRATE] = COUNTER_PARAM_MIGRATE,
    [RESET] = COUNTER_PARAM_RESET,     [RESERVE] = COUNTER_PARAM_RESERVE,
};

static const char *init(void *state, const struct policy_setup *setup, struct policy_wants *wants)
{
    struct counter_threshold *rule = state;
    *rule = (struct counter_threshold){
        .replicates = true,
        .migrates = true,
        .sharing = counter_threshold_scaled(setup, setup->param[SHARING]),
        .writes_most = counter_threshold_allowance(setup, setup->param[WRITE]),
        .moves_most = (uint32_t)setup->param[MIGRATE],
        .reserve_percent = (uint32_t)setup->param[RESERVE],
    };
    counter_threshold_listen(setup, setup->param[TRIGGER], setup->param[RESET], wants);
    return NULL;
}

static const struct policy disco = {
    .abi = DISCO_POLICY_ABI,
    .name = "disco",
    .summary = "first touch, then hot pages migrate or are replicated, as in the Disco paper",
    .params = params,
    .param_count = sizeof params / sizeof params[0],
    .state_bytes = sizeof(struct counter_threshold),
    .init = init,
    .place = policy_place_first_touch,
    .hot = counter_threshold_hot,
};
DISCO_POLICY(disco);
