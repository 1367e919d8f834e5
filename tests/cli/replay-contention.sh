#!/usr/bin/env bash
# disco-replay --contention: loaded latencies, utilisation and queues against closed forms.
set -u
. "$(dirname "$0")/../lib.sh"
replay=$BUILD/disco-replay
is() {
  if [ "$2" = "$3" ]; then ok "$1"; else fail "$1" "wanted '$3', got '$2'"; fi
}
# near WHAT GOT WANTED: within 0.1 %
near() {
  if python3 -c 'import sys; got, wanted = map(float, sys.argv[1:]); sys.exit(abs(got - wanted) > 0.001 * wanted)' "$2" "$3"; then
    ok "$1"
  else fail "$1" "wanted $3 within 0.1 %, got $2"; fi
}
# A load takes 2 ns by itself, 100 ns of its own node's memory, of which the controller is busy for 50, and 300 ns
# of the other's, over a link that is busy for 64 bytes / (1000 MB/s) = 64 ns.
cat >"$TMP/machine.json" <<'JSON'
{"name": "two", "cpu_mhz": 1000, "page_size": 4096,
 "nodes": [{"cpus": [0, 1], "memory": "1M", "service_ns": 50}, {"cpus": [2, 3], "memory": "1M", "service_ns": 50}],
 "latency_ns": [[100, 300], [300, 100]],
 "links": [{"from": 0, "to": 1, "gb_per_s": 1}, {"from": 1, "to": 0, "gb_per_s": 1}],
 "tlb": {"entries": 0}, "l2tlb": {"entries": 0},
 "costs": {"trap_ns": 0, "tlb_refill_ns": 0, "tlb_forward_ns": 0, "tlb_walk_ns": 0, "dispatch_ns": 0,
  "page_fault_ns": 0, "replica_fault_ns": 0, "hot_page_ns": 0, "move_page_ns": 0, "copy_page_ns": 0,
  "shootdown_ns": 0, "shootdown_per_cpu_ns": 0, "fetch_ps": 0, "data_reference_ps": 2000}}
JSON
import() { "$BUILD/disco-record" import --format text --columns tid,cpu,kind,addr -o "$TMP/$1.db" "$TMP/$1.txt"; }
for _ in $(seq 1000); do echo "11 0 r 0x1000"; done >"$TMP/one.txt"
for _ in $(seq 1000); do echo "11 0 r 0x1000"; echo "12 1 r 0x2000"; done >"$TMP/two.txt"
check "a trace of one CPU is made" import one
check "a trace of two CPUs is made" import two
# run NAME POLICY [OPTION...]: results in $TMP/NAME.results
go() {
  local name=$1 policy=$2
  shift 2
  rm -f "$TMP/results.db"
  run "$replay" --machine "$TMP/machine.json" --policy "$policy" --results "$TMP/results.db" --json "$@" "$TMP/$name.db"
  [ "$rc" = 0 ] || fail "$name, $policy $*" "$err"
}
time_ns() { printf '%s' "$out" | jq .runs[0].time_ns; }
sql() { sqlite3 "$TMP/results.db" "$1" | tr '\n' ' ' | sed 's/ $//'; }

# ---- one CPU alone waits for nobody
go one first-touch --contention off
flat=$(time_ns)
is "without contention, 1000 loads take 1000 * (2 + 100) ns" "$flat" 102000
is "and nothing is said of controllers" "$(sql 'SELECT local_latency_ns, remote_latency_ns, controller_utilisation, link_utilisation, queue_length FROM run_epoch; SELECT count(*) FROM run_epoch_station; SELECT contention FROM run')" '100.0|||| 0 off'
go one first-touch
is "with it, which is the default, one CPU alone takes as long" "$(time_ns):$(sql 'SELECT contention FROM run')" "$flat:on"
near "its controller is busy for 50 of 102 ns" "$(sql 'SELECT controller_utilisation FROM run_epoch')" 0.490196
near "with half an access there on average" "$(sql 'SELECT queue_length FROM run_epoch')" 0.490196
is "and the links are idle" "$(sql "SELECT link_utilisation FROM run_epoch; SELECT kind, from_node, to_node, accesses FROM run_epoch_station")" '0.0 controller|0|0|1000'
go one bind:node=1
is "one CPU alone with remote memory takes 1000 * (2 + 300) ns" "$(time_ns)" 302000
near "the link that its lines come over is busy for 64 of 302 ns" "$(sql "SELECT utilisation FROM run_epoch_station WHERE kind = 'link'")" 0.211921
is "each line goes through the home's controller and the link to the CPU" "$(sql "SELECT kind, from_node, to_node, accesses, cast(latency_ns AS INTEGER) FROM run_epoch_station ORDER BY kind")" 'controller|1|1|1000|50 link|1|0|1000|64'

# ---- two CPUs at one controller: mean value analysis by hand. A CPU thinks for 2 + 50 ns and is served for 50. What
# it finds there is the other one, which alone is there for 50 / (52 + 50) of the time; so an access takes
# 50 + 50 * (1 + 50 / 102) = 124.51 ns, and the controller is busy for 2 * 50 of each 52 + 74.51 ns.
go two first-touch
near "two CPUs at one controller see 124.51 ns" "$(sql 'SELECT local_latency_ns FROM run_epoch')" 124.5098
near "and take 1000 * (2 + 124.51) ns" "$(time_ns)" 126509.8
near "it is busy for 100 of 126.51 ns" "$(sql 'SELECT controller_utilisation FROM run_epoch')" 0.790453
near "with 2 * 74.51 / 126.51 accesses there" "$(sql 'SELECT queue_length FROM run_epoch')" 1.177929
near "an access is at the controller for 74.51 ns" "$(sql "SELECT latency_ns FROM run_epoch_station")" 74.5098
is "the parts of the time add up to it" "$(printf '%s' "$out" | jq '.runs[0] | .execution_ns + .tlb_ns + .local_stall_ns + .remote_stall_ns + .move_ns + .shootdown_ns + .monitor_ns + .idle_ns == .time_ns')" true
go two first-touch --contention off
is "flat, they do not see each other" "$(time_ns)" 102000
go two first-touch --schedule scatter
near "on a node each, neither do they, with contention" "$(time_ns)" 102000
for threads in 1 2 3; do
  run "$replay" --machine "$TMP/machine.json" --policy all --no-results --threads $threads --json "$TMP/two.db"
  printf '%s' "$out" >"$TMP/threads$threads.json"
  check "with $threads threads the JSON is the same to the byte" cmp "$TMP/threads1.json" "$TMP/threads$threads.json"
done
finish
