#!/usr/bin/env bash
# References whose structure is known: each policy must do to each page what it is there for, and nothing else.
#   page 16  private: CPU 0 touches it once, then CPU 3 alone reads and writes it
#   page 32  read-shared: CPU 0 reads it once, then CPUs 1, 2 and 3 read it in turn
#   page 48  write-shared: CPUs 0 to 3 store to it in turn
#   page 64  handed on: CPU 0 uses it 200 times, then CPU 2 alone
set -u
. "$(dirname "$0")/../lib.sh"
awk 'BEGIN {
  print "0x10000 0 r"; print "0x20000 0 r"; print "0x30000 0 w"
  for (i = 0; i < 200; i++) print "0x40000", 0, i % 2 ? "r" : "w"
  for (i = 0; i < 3000; i++) {
    print "0x10008", 3, i % 4 ? "r" : "w"
    print "0x20008", 1 + i % 3, "r"
    print "0x30008", i % 4, "w"
    print "0x40008", 2, i % 2 ? "r" : "w"
  }
}' >"$TMP/refs.txt"
check "the references are imported" "$BUILD/disco-record" import --format text --columns addr,cpu,kind -o "$TMP/trace.db" "$TMP/refs.txt"

# Each action that was done to a page, in order: "migrate>3 replicate>1".
done_to() { # VPN
  sqlite3 "$TMP/results.db" "SELECT ifnull(group_concat(kind || '>' || ifnull(to_node, ''), ' '), '') FROM (
    SELECT a.* FROM run_action a JOIN run_page p USING (run_id, ppn) WHERE answer = 'done' AND p.page = $1 ORDER BY action)"
}
expect() { # POLICY, then what is done to pages 16, 32, 48 and 64
  rm -f "$TMP/results.db"
  run "$BUILD/disco-replay" --machine flash-8 --input misses --epoch 64 --policy "$1" --results "$TMP/results.db" "$TMP/trace.db"
  [ "$rc" = 0 ] || { fail "$1 replays" "$err"; return; }
  local policy=$1 vpn=16 name
  for name in private read-shared write-shared handed-on; do
    shift
    local wanted=$1 got
    got=$(done_to "$vpn")
    if [ "$got" = "$wanted" ]; then ok "$policy: the $name page sees '${wanted:-nothing}'"
    else fail "$policy: the $name page sees '${wanted:-nothing}'" "it saw '$got'"; fi
    vpn=$((vpn + 16))
  done
}
for policy in first-touch round-robin interleave weighted-interleave random bind:node=5 bind:nodes=1+5 preferred:node=5 preferred-many:nodes=1+5; do expect "$policy" '' '' '' ''; done
# within one interval the first user of the handed-on page makes it look shared; it has stores, so it is left
expect migrate 'migrate>3' '' '' ''
expect replicate '' 'replicate>1 replicate>2 replicate>3' '' ''
expect disco 'migrate>3' 'replicate>1 replicate>2 replicate>3' '' ''
# a new interval forgets the first user
expect disco:reset=1 'migrate>3' 'replicate>1 replicate>2 replicate>3' '' 'migrate>2'
# the classics act at the first remote reference, or after 128 of them, or when a node is 251 ahead of the home
copied='replicate>1 replicate>2 replicate>3'
expect ace 'migrate>3' "$copied" 'migrate>1 migrate>2 migrate>3 migrate>0' 'migrate>2'
expect platinum 'migrate>3' "$copied" 'migrate>1' 'migrate>2'
expect delay 'migrate>3' "$copied" 'migrate>1 migrate>2 migrate>3 migrate>0 migrate>1' 'migrate>2'
expect irix:maximum=500 'migrate>3' 'migrate>1' '' 'migrate>2'

# weights by bandwidth: 32 * 100 / 150 = 21.3 and 32 * 50 / 150 = 10.7; of cxl-tier, a line in 0.364 and 2.56 ns, 28.02 and 3.98
for ((page = 0; page < 93; page++)); do printf '0x%x 0 r\n' $((page * 4096)); done >"$TMP/pages.txt"
check "93 pages are imported" "$BUILD/disco-record" import --format text --columns addr,cpu,kind -o "$TMP/pages.db" "$TMP/pages.txt"
spread() { # MACHINE, POLICY, then pages on each node
  rm -f "$TMP/results.db"
  run "$BUILD/disco-replay" --machine "$1" --schedule compact --policy "$2" --results "$TMP/results.db" "$TMP/pages.db"
  check "$2 on ${1##*/} puts $3 pages on the nodes" test "$(sqlite3 "$TMP/results.db" "SELECT group_concat(pages, ':') FROM (SELECT count(*) AS pages FROM run_page GROUP BY home ORDER BY home)")" = "$3"
}
cat >"$TMP/curves.json" <<'JSON'
{"name": "curves", "latency_ns": [[100, 200], [200, 100]],
 "nodes": [{"cpus": [0], "memory": "1M", "curve": [[10, 90], [100, 200]]}, {"cpus": [1], "memory": "1M", "curve": [[10, 90], [50, 300]]}]}
JSON
spread "$TMP/curves.json" weighted-interleave 63:30
spread "$TMP/curves.json" weighted-interleave:node1=7 72:21
spread "$TMP/curves.json" weighted-interleave:node0=2:node1=1 62:31
spread cxl-tier weighted-interleave 84:9
spread cxl-tier interleave:nodes=0-1 47:46
finish
