#!/usr/bin/env bash
# disco-replay on real recordings whose local shares somebody else has worked out.
set -u
. "$(dirname "$0")/../lib.sh"
if [ -z "$SAMPLES" ]; then
  skip "shares of recorded programs" "no recorded samples here"
  exit 0
fi
cat >"$TMP/machine.json" <<'JSON'
{"name": "two-by-two", "nodes": [{"cpus": [0, 1], "memory": "64M"}, {"cpus": [2, 3], "memory": "64M"}],
 "latency_ns": [[100, 200], [200, 100]]}
JSON
# share TRACE POLICY
share() {
  "$BUILD/disco-replay" --machine "$TMP/machine.json" --policy "$2" --schedule recorded --no-results --json "$TMP/$1.db" |
    python3 -c 'import json,sys; r=json.load(sys.stdin)["runs"][0]; print("%.4f %d" % (r["local_share"], r["references"]))'
}
for name in minivite-v1 ubench; do
  text=$SAMPLES/traces/$name.ip-addr-cpu-time-burst.txt
  check "$name is imported" "$BUILD/disco-record" import --format text --columns ip,addr,cpu,time,- -o "$TMP/$name.db" "$text"
  # the same share, from the text alone
  counted=$(awk '{ n++; if ($3 == 0 || $3 == 1) l++ } END { printf "%.4f %d", l / n, n }' "$text")
  got=$(share "$name" bind:node=0)
  check "$name: share and count with all pages on node 0 are those of the text ($counted)" test "$got" = "$counted"
done
check "minivite: local share 0.5652 with all pages on node 0" test "$(share minivite-v1 bind:node=0)" = "0.5652 43409"
check "minivite: and the rest with all pages on node 1" test "$(share minivite-v1 bind:node=1)" = "0.4348 43409"
check "ubench: local share 0 with all pages on node 0" test "$(share ubench bind:node=0)" = "0.0000 56059"
check "ubench: local share 1 with first touch, the best static placement" test "$(share ubench first-touch)" = "1.0000 56059"

# first touch, worked out from the text: a page's home is the node of the CPU that comes first
for name in minivite-v1 ubench; do
  expected=$(python3 - "$SAMPLES/traces/$name.ip-addr-cpu-time-burst.txt" <<'PY'
import sys
home, local, refs = {}, 0, 0
for line in open(sys.argv[1]):
    _, addr, cpu, _, _ = line.split()
    page, node = int(addr, 16) // 4096, int(cpu) // 2
    home.setdefault(page, node)
    local += home[page] == node
    refs += 1
print("%.4f %d" % (local / refs, refs))
PY
)
  got=$(share "$name" first-touch)
  check "$name: first touch gives the share of a script over the text ($expected)" test "$got" = "$expected"
done
run "$BUILD/disco-replay" --machine "$TMP/machine.json" --policy all --no-results "$TMP/minivite-v1.db"
check "minivite: every policy replays it" test "$rc" = 0
finish
