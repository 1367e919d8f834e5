#!/usr/bin/env bash
# A sampled trace: intervals in every output, warnings with figures, and none of both for a whole trace.
set -u
. "$(dirname "$0")/../lib.sh"
cd "$TMP" || exit 2
replay() { run "$BUILD/disco-replay" "$@"; }
is() { if [ "$2" = "$3" ]; then ok "$1"; else fail "$1" "wanted '$3', got '$2'"; fi; }
says() { if grep -qE -- "$2" <<<"$err"; then ok "$1"; else fail "$1" "no '$2' in: $err"; fi; }
silent_about() { if grep -qE -- "$2" <<<"$err"; then fail "$1" "$err"; else ok "$1"; fi; }
key() { jq -c "$1" out.json; }

# four threads, pages of their own and common ones: 100,000 references
awk 'BEGIN { srand(3); for (i = 0; i < 100000; i++) { t = int(4 * rand() * rand()); p = rand() < .5 ? int(20 * rand()) : 100 * (t + 1) + int(9 * rand())
  printf "%d %s %x\n", t + 1, rand() < .2 ? "S" : "L", p * 4096 + 8 * int(64 * rand()) } }' >table
run "$BUILD/disco-record" import --format text --columns tid,kind,addr -o whole.db table
is "the trace is there" "$rc" 0
"$BUILD/disco-trace" sample --rate 20 --method random --seed 1 -o random.db whole.db
"$BUILD/disco-trace" sample --rate 20 -o systematic.db whole.db
"$BUILD/disco-trace" sample --rate 5000 -o thin.db whole.db
options=(--machine flash-8 --input misses --contention off --policy first-touch,interleave)

replay "${options[@]}" --json whole.db
printf '%s' "$out" >out.json
is "a whole trace has no intervals" "$(key '[.runs[].intervals]')" '[null,null]'
is "and nothing is said about its sampling" "$(key '[.warnings[].about] - ["interval", "trigger"]')" '[]'
is "TLB misses are counted" "$(key '.runs[0].tlb_misses > 0')" true
whole=$(key '.runs[0] | [.local_share, .time_ns - .tlb_ns, .memory_accesses, .frames_used, .monitor_ns]')

replay "${options[@]}" --json random.db
printf '%s' "$out" >out.json
is "a sample has intervals of these figures" "$(key '.runs[0].intervals | keys')" \
  '["execution_ns","imbalance","local_accesses","local_share","local_stall_ns","memory_accesses","remote_stall_ns","time_ns"]'
is "each interval holds its figure" "$(key '[.runs[] | . as $r | .intervals | del(.imbalance) | to_entries[] | .value[0] <= $r[.key] and $r[.key] <= .value[1]] | all')" true
is "and these the whole trace's: share, time without TLB refills, accesses" "$(jq -c --argjson w "$whole" '.runs[0].intervals as $i |
  [[$i.local_share, $w[0]], [$i.time_ns, $w[1]], [$i.memory_accesses, $w[2]]] | map(.[0][0] <= .[1] and .[1] <= .[0][1])' out.json)" '[true,true,true]'
is "pages and what they cost are those of the whole" "$(jq -c --argjson w "$whole" '.runs[0] | [.frames_used == $w[3], .monitor_ns == $w[4]]' out.json)" '[true,true]'
is "TLB refills are not told" "$(key '.runs[0] | [.tlb_ns, .tlb_misses, .l2tlb_misses]')" '[null,null,null]'
is "the parts add up to the time all the same" "$(key '[.runs[] | .execution_ns + .local_stall_ns + .remote_stall_ns + .move_ns + .shootdown_ns + .monitor_ns + .idle_ns == .time_ns] | all')" true
silent_about "its pages are placed by who touched them first" 'placed and paid for'
is "run_metric has the ends" "$(sqlite3 random.db "SELECT group_concat(metric) FROM (SELECT metric FROM run_metric WHERE run_id = 1 AND metric LIKE 'local_share%' ORDER BY 1)")" \
  'local_share,local_share_high,local_share_low'
is "run_note has the warnings of the JSON" "$(sqlite3 random.db 'SELECT count(*) > 0 AND count(*) = (SELECT count(*) FROM run_note WHERE run_id = 1) FROM run_note WHERE run_id = 1')" \
  "$(key '[.warnings[] | select(.policy == null or .policy == "first-touch")] | length > 0' | sed 's/true/1/;s/false/0/')"

replay "${options[@]}" --no-results random.db
is "the table has a line of margins below each run" "$(grep -c '±  *[0-9.]*  *[0-9.]* *[0-9.]* *$' <<<"$out")" 2
is "warnings are not in the table" "$(grep -c warning <<<"$out")" 0

is "latencies over time are those of the machine" "$(sqlite3 random.db 'SELECT DISTINCT local_latency_ns, remote_latency_ns FROM run_epoch
  WHERE run_id = 1 AND local_latency_ns IS NOT NULL AND remote_latency_ns IS NOT NULL')" '300.0|900.0'

replay "${options[@]}" --no-results systematic.db
says "a sample without first touches is told of" 'disco-replay: systematic.db: warning: pages are placed and paid for by their first sample'
replay "${options[@]}" --no-results thin.db
says "20 samples have no interval" 'warning: policy first-touch: 20 samples are too few for intervals, which begin at 30'
says "pages with few samples are counted" 'warning: [0-9]+ of [0-9]+ pages \(100 %\) have fewer than 10 samples, and 100\.0 % of all samples'
replay --policy migrate --no-results --machine flash-8 random.db
says "an interval longer than the trace is told of" 'policy migrate: its counters are set back every 100 ms, and the trace lasts [0-9.]+ ms of modelled time: 0\.[0-9]+ intervals'
replay --policy migrate:trigger=60000 --no-results --machine flash-8 random.db
says "so is a trigger that no page reaches" 'policy migrate:trigger=60000: 3000 samples of one node in an interval make a page hot, and no page has more than [0-9]+ in all: it can never act'
replay --policy migrate:trigger=10 --no-results --machine flash-8 random.db
says "and one that a single sample reaches" 'one sample of another node makes a page hot, for it stands for 20 references'
says "and actions that chance had a part in" 'another sample would have led to others than these [0-9]+ actions'

# perf -F: weights alone say what a sample stands for
awk '{ print $0, NR % 2 ? 900 : 1100 }' table | head -n 20000 >weighted
run "$BUILD/disco-record" import --format text --columns tid,kind,addr,weight -o weighted.db weighted
is "weights make a trace sampled" "$(sqlite3 weighted.db 'SELECT sampled, refs_per_sample FROM trace')" '1|1'
replay --json --policy first-touch --no-results --machine flash-8 weighted.db
printf '%s' "$out" >out.json
is "accesses are sums of weights, and thresholds go by their mean" "$(key '[.runs[0].memory_accesses, .trace.refs_per_sample]')" '[20000000,1000]'

# samples that were not drawn from references have no intervals
sqlite3 random.db "UPDATE trace SET event = 'hinting'"
replay "${options[@]}" --no-results --json random.db
printf '%s' "$out" >out.json
is "faults have no intervals" "$(key '[.runs[].intervals]')" '[null,null]'
says "and that is said" 'warning: samples are hinting, not drawn from the references: that each stands for 20 is nominal'
sqlite3 systematic.db 'UPDATE trace SET refs_per_sample = 1'
replay "${options[@]}" --no-results systematic.db
says "so is that nobody knows what a sample stands for" 'warning: nobody knows what a sample stands for: .*; --refs-per-sample N says it'
replay "${options[@]}" --no-results --json --refs-per-sample 20 systematic.db
is "which the user may say" "$(jq -c '.runs[0].intervals.local_share | length' <<<"$out")" 2

# what a sample says nothing of
replay --policy first-touch --machine flash-8 --no-results weighted.db
check "the table says that caches are left out, and what of the whole trace compares with it" grep -qx \
  'caches     left out (samples do not tell what they held; the whole trace compares with --input misses): every reference reaches memory' "$TMP/.out"
finish
