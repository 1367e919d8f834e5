#!/usr/bin/env bash
# A live run of guests under a policy and a replay of its trace under that policy have the same counters,
# to the last digit; and the trace is the same whatever the policy. DISCO_MIPS=all (make test-long):
# every guest, in its own size, under every policy; otherwise small ones.
set -u
. "$(dirname "$0")/../lib.sh"
RECORD=$BUILD/disco-record REPLAY=$BUILD/disco-replay
if ! ls "$BUILD"/guests/*.elf >/dev/null 2>&1; then
  skip "live runs and replays" "no guests: make guests builds them"
  finish
fi
policies=$("$REPLAY" --list-policies | grep -oE '^[a-z][a-z-]*')
[ "$(wc -w <<<"$policies")" -gt 10 ] || fail "there are policies" "$policies"

# equal NAME POLICY... -- RECORD-OPTION... GUEST...: every policy live, and all in one replay
equal() {
  local name=$1 list=() policy first=
  shift
  while [ "$1" != -- ]; do list+=("$1"); shift; done
  shift
  rm -f "$TMP"/*.json "$TMP"/*.db
  for policy in "${list[@]}"; do
    if ! "$RECORD" mips -m "${machine:-flash-8}" --policy "$policy" --json -o "$TMP/$policy.db" "$@" >"$TMP/$policy.live.json" 2>"$TMP/err"; then
      fail "$name under $policy runs" "$(tail -3 "$TMP/err")"
      return
    fi
    [ -n "$first" ] || first=$policy
    local sums
    sums=$(jq -r .trace.checksum "$TMP/$first.live.json" "$TMP/$policy.live.json" | sort -u | wc -l)
    [ "$sums" = 1 ] || fail "$name: the trace does not depend on the policy" "$policy differs from $first"
    [ "$policy" = "$first" ] || rm -f "$TMP/$policy.db"
  done
  if ! "$REPLAY" -m "${machine:-flash-8}" --policy "$(IFS=, && echo "${list[*]}")" --no-results --json "$TMP/$first.db" >"$TMP/replay.json" 2>"$TMP/err"; then
    fail "$name is replayed" "$(cat "$TMP/err")"
    return
  fi
  jq -S 'del(.runs[].run_id) | .runs' "$TMP/replay.json" >"$TMP/replay.runs"
  for policy in "${list[@]}"; do jq '.runs[0] | del(.run_id)' "$TMP/$policy.live.json"; done | jq -sS . >"$TMP/live.runs"
  check "$name: ${#list[@]} policies, $(jq '.trace.references' "$TMP/replay.json") references, live and replayed alike" diff "$TMP/live.runs" "$TMP/replay.runs"
  check "$name: nothing is left out of the replay" test "$(jq -c .trace.left_out "$TMP/replay.json")" = '{}'
  if [ -n "${moved:-}" ]; then # the comparison means something only where pages moved
    check "$name: pages are migrated, replicated and collapsed" test "$(jq '[.runs[] | .migrations] | max > 0' "$TMP/replay.json")$(
      jq '[.runs[] | .replications] | max > 0' "$TMP/replay.json")$(jq '[.runs[] | .collapses] | max > 0' "$TMP/replay.json")" = truetruetrue
  fi
}

if [ "${DISCO_MIPS:-}" = all ]; then
  for guest in "$BUILD"/guests/*.elf; do
    guest=$(basename "$guest" .elf)
    # shellcheck disable=SC2086
    equal "$guest" $policies -- "$guest"
    # shellcheck disable=SC2086
    equal "$guest twice, no fetches" $policies -- --vms 2 --no-fetches --hal --patch "$guest"
  done
  finish
fi

# shellcheck disable=SC2086
moved=1 equal "radix" $policies -- --vcpus 4 radix --keys 8192 --key-bits 16 --digit-bits 8
# shellcheck disable=SC2086
moved=1 equal "hashjoin without fetches" $policies -- --vcpus 8 --no-fetches hashjoin --small 1024 --large 4096
# and the comparison can fail
"$REPLAY" -m flash-8 --policy chaos --seed 2 --no-results --json "$TMP/ace.db" 2>/dev/null | jq -S '.runs[0] | del(.run_id)' >"$TMP/other.run"
check "another seed has other counters" test "$(jq -S '.runs[0] | del(.run_id)' "$TMP/chaos.live.json" | cmp -s - "$TMP/other.run"; echo $?)" = 1
equal "pmake" disco:trigger=8 chaos irix -- --vcpus 3 pmake --files 2 --functions 2
equal "two virtual machines" disco chaos interleave -- --vcpus 3 ocean --side 8 ::: radix --keys 2048
equal "more vCPUs than CPUs, a short quantum" disco chaos -- --vcpus 12 --quantum 1000 radix --keys 4096
equal "the page of registers" disco chaos -- --vcpus 2 --hal --patch lu --size 32
machine=2-socket equal "a machine that walks page tables" disco chaos -- --vcpus 3 radix --keys 4096
machine=altix-64 equal "64 nodes" chaos interleave -- --vcpus 24 --quantum 2000 radix --keys 2048
# CPUs with other numbers than their places, and hardly more memory than the guest has
"$REPLAY" --print-machine -m flash-8 | jq '.name = "tight" | .nodes = [.nodes[0:2][] | .memory = "400K"] | .nodes[0].cpus = [3, 9] | .nodes[1].cpus = [1, 20]
  | .latency_ns = [[300, 900], [900, 300]] | del(.links)' >"$TMP/tight.machine"
machine=$TMP/tight.machine moved=1 equal "a tight machine" chaos disco:trigger=4 replicate:trigger=4 -- --memory 800K --vcpus 4 radix --keys 65536
check "...on which something was refused" test "$(jq '[.runs[].refused] | max > 0' "$TMP/replay.json")" = true
finish
