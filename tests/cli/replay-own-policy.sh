#!/usr/bin/env bash
# disco-replay --policy ./mine.so: a policy of the user's own, from one file.
set -u
. "$(dirname "$0")/../lib.sh"
cat >"$TMP/mine.c" <<'C'
#include "policies/policy.h"
static const struct policy_param params[] = {
    {.name = "node", .unit = "node", .standard = 1, .least = 0, .most = 63, .help = "where", .source = "the test"}};
static const char *init(void *state, const struct policy_setup *setup, struct policy_wants *wants)
{
    (void)wants;
    *(int64_t *)state = setup->param[0];
    return 0;
}
static uint32_t place(void *state, struct policy_host *host, const struct policy_event *event)
{
    (void)host, (void)event;
    return (uint32_t)*(int64_t *)state;
}
static const struct policy mine = {
    .abi = ABI, .name = "mine", .summary = "always the same node", .params = params, .param_count = 1,
    .state_bytes = sizeof(int64_t), .init = init, .place = PLACE};
DISCO_POLICY(mine);
C
build() { "${CC:-gcc}" -shared -fPIC -I"$ROOT" -DDISCO_POLICY_SHARED "$@" "$TMP/mine.c" -o "$TMP/mine.so"; }
for i in 1 2 3; do echo "11 0 w 0x${i}000"; done >"$TMP/trace.txt"
check "the trace is made" "$BUILD/disco-record" import --format text --columns tid,cpu,kind,addr -o "$TMP/trace.db" "$TMP/trace.txt"
check "a policy of one's own compiles to a shared object" build -DABI=DISCO_POLICY_ABI -DPLACE=place
cd "$TMP" || exit 1
run "$BUILD/disco-replay" --policy ./mine.so:node=2,preferred:node=2,first-touch --no-results --json trace.db
check "it is replayed as a built-in one that does the same" test "$(printf '%s' "$out" | jq -c '.runs[0] | [.policy, .parameters.node, .local_share]')" = '["mine",2,0]'
check "to the last figure" python3 -c '
import json, sys
a, b = json.load(open(sys.argv[1]))["runs"][:2]
for run in a, b: del run["policy"], run["run_id"]
sys.exit(a != b)' "$TMP/.out"
refuses "its parameters are checked" 2 "policy mine: node=64 is outside 0 to 63" "$BUILD/disco-replay" --policy ./mine.so:node=64 trace.db
cat >"$TMP/wild.c" <<'C'
#include "policies/policy.h"
static const char *init(void *state, const struct policy_setup *setup, struct policy_wants *wants)
{
    (void)state, (void)setup;
    wants->signals = POLICY_SIGNAL_REFERENCE;
    wants->reference_period = 1;
    return 0;
}
static uint32_t place(void *state, struct policy_host *host, const struct policy_event *event)
{
    (void)state, (void)host, (void)event;
    return 4000000000u;
}
static void reference(void *state, struct policy_host *host, const struct policy_event *event)
{
    struct policy_page page;
    (void)state;
    if (policy_page(host, 4294967295u, &page))
        __builtin_trap();
    policy_migrate(host, 77, 0, "a page that is not there");
    policy_replicate(host, event->page, 4000000000u, "a node that is not there");
    policy_collapse(host, 77, 0);
}
static const struct policy wild = {.abi = DISCO_POLICY_ABI, .name = "wild", .summary = "asks for nonsense",
    .init = init, .place = place, .reference = reference};
DISCO_POLICY(wild);
C
check "a policy that asks for nonsense compiles" "${CC:-gcc}" -shared -fPIC -I"$ROOT" -DDISCO_POLICY_SHARED "$TMP/wild.c" -o "$TMP/wild.so"
run "$BUILD/disco-replay" --policy ./wild.so --check=1 --json --results wild.db trace.db
check "and is refused three times a reference, and once a page" test "$rc:$(printf '%s' "$out" | jq -c '.runs[0] | [.refused, .frames_used, .local_share]')" = '0:[12,3,1]'
check "as the log says" test "$(sqlite3 wild.db "SELECT DISTINCT kind, answer, from_node, to_node, reason FROM run_action ORDER BY kind" | tr '\n' ' ')" = \
  'collapse|nonsense|-1||'' migrate|nonsense|-1|0|a page that is not there replicate|nonsense|0|4000000000|a node that is not there '
check "one of another interface version compiles" build -DABI=99 -DPLACE=place
refuses "and is refused" 2 "mine.so: it was built for another version of policies/policy.h" "$BUILD/disco-replay" --policy ./mine.so trace.db
check "one without a place function compiles" build -DABI=DISCO_POLICY_ABI -DPLACE=0
refuses "and is refused" 2 "mine.so: its policy has no place function" "$BUILD/disco-replay" --policy ./mine.so trace.db
echo 'int nothing;' >"$TMP/mine.c"
check "one without a policy compiles" build
refuses "and is refused" 2 "mine.so: has no disco_policy()" "$BUILD/disco-replay" --policy ./mine.so trace.db
refuses "one that is not there" 2 "./none.so: cannot be loaded" "$BUILD/disco-replay" --policy ./none.so trace.db
finish
