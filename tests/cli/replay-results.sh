#!/usr/bin/env bash
# disco-replay: the figures of a small trace, known by hand, in the table, in JSON and in SQL.
set -u
. "$(dirname "$0")/../lib.sh"

# Two nodes of two CPUs: 100 ns to the own node's memory, 300 ns to the other's; 2 ns an instruction.
machine=$TMP/small.json
cat >"$machine" <<'JSON'
{"name": "small", "cpu_mhz": 1000, "page_size": 4096,
 "nodes": [{"cpus": [0, 1], "memory": "16K"}, {"cpus": [2, 3], "memory": "16K"}],
 "latency_ns": [[100, 300], [300, 100]],
 "tlb": {"entries": 0}, "l2tlb": {"entries": 0},
 "costs": {"trap_ns": 0, "tlb_refill_ns": 0, "tlb_forward_ns": 0, "tlb_walk_ns": 0, "dispatch_ns": 0,
  "page_fault_ns": 0, "replica_fault_ns": 0, "hot_page_ns": 0, "move_page_ns": 0, "copy_page_ns": 0,
  "shootdown_ns": 0, "shootdown_per_cpu_ns": 0, "fetch_ps": 0, "data_reference_ps": 2000}}
JSON
# Thread 11 on CPU 0 writes page 1 five times, then thread 12 on CPU 2 reads it three times.
trace=$TMP/small.db
{
  for i in 1 2 3 4 5; do echo "11 0 w 0x100$i"; done
  for i in 1 2 3; do echo "12 2 r 0x100$i"; done
} >"$TMP/small.txt"
check "the trace is made" "$BUILD/disco-record" import --format text --columns tid,cpu,kind,addr -o "$trace" "$TMP/small.txt"
cp "$trace" "$TMP/untouched.db"
sqlite3 "$trace" "INSERT INTO trace_region VALUES (0, 0, 4096, 8192, 'mapping', 'one page', NULL, 0),
  (1, 0, 0, 65536, 'mapping', 'all pages', NULL, 0)"
replay() { run "$BUILD/disco-replay" --machine "$machine" "$@"; }
is() {
  if [ "$2" = "$3" ]; then ok "$1"; else fail "$1" "wanted '$3', got '$2'"; fi
}
sql() { sqlite3 "${db:-$trace}" "$1" | tr '\n' ' ' | sed 's/ $//'; }

# ---- JSON
replay --policy first-touch,bind:node=1 --json "$trace"
is "a replay ends well and says nothing else" "$rc:$err" "0:"
printf '%s' "$out" >"$TMP/out.json"
key() { python3 -c "import json,sys; r=json.load(open('$TMP/out.json')); print(json.dumps($1))"; }
is "the JSON has its four parts" "$(key 'sorted(r)')" '["machine", "runs", "trace", "warnings"]'
is "a run has exactly the promised keys" "$(key 'list(r["runs"][0])')" '["run_id", "policy", "parameters", "references", "memory_accesses", "local_accesses", "local_share", "time_ns", "execution_ns", "tlb_ns", "local_stall_ns", "remote_stall_ns", "move_ns", "shootdown_ns", "monitor_ns", "idle_ns", "tlb_misses", "l2tlb_misses", "cache_misses", "caches", "refetches", "migrations", "replications", "collapses", "shootdowns", "refused", "frames_used", "replica_frames", "imbalance", "optimum_ratio", "intervals"]'
is "first-touch: five of eight are local" "$(key '[r["runs"][0][k] for k in ("references", "memory_accesses", "local_accesses", "local_share")]')" '[8, 8, 5, 0.625]'
is "first-touch: three remote loads take 906 ns" "$(key 'r["runs"][0]["time_ns"]')" 906
is "first-touch: the parts are averages of two CPUs" "$(key '[r["runs"][0][k + "_ns"] for k in ("execution", "local_stall", "remote_stall", "idle")]')" '[8, 250, 450, 198]'
is "bind to node 1: three of eight are local" "$(key '[r["runs"][1]["local_accesses"], r["runs"][1]["time_ns"], r["runs"][1]["parameters"]]')" '[3, 1510, {"node": 1, "nodes": 0, "home": -1}]'
is "what this version has no figure for is null" "$(key '[r["runs"][0][k] for k in ("cache_misses", "optimum_ratio", "caches")]')" '[null, null, []]'
is "one node serves all: imbalance is 100 * sqrt(2) %" "$(key 'round(r["runs"][0]["imbalance"], 6)')" 141.421356
is "the parts of each run add up to its time" "$(key '[sum(x[k + "_ns"] for k in ("execution", "tlb", "local_stall", "remote_stall", "move", "shootdown", "monitor", "idle")) == x["time_ns"] for x in r["runs"]]')" '[true, true]'
is "the trace's part says what was replayed and how" "$(key '[r["trace"][k] for k in ("references", "streams", "schedule", "refs_per_sample", "left_out")]')" '[8, 2, "recorded", 1, {}]'
is "the machine is in it, and can be read again" "$(python3 -c "import json; json.dump(json.load(open('$TMP/out.json'))['machine'], open('$TMP/again.json', 'w'))" && "$BUILD/disco-replay" --machine "$TMP/again.json" --no-results --policy first-touch,bind:node=1 --json "$trace" | python3 -c 'import json,sys; print([x["time_ns"] for x in json.load(sys.stdin)["runs"]])')" '[906, 1510]'

# ---- SQL
is "runs are stored in order" "$(sql 'SELECT run_id, policy, parameters FROM run')" '1|first-touch|{} 2|bind|{"node": 1, "nodes": 0, "home": -1}'
is "their ids are those in the JSON" "$(key '[x["run_id"] for x in r["runs"]]')" '[1, 2]'
is "metrics are stored, whole numbers as such" "$(sql "SELECT metric, value, typeof(value) FROM run_metric WHERE run_id = 1 AND metric IN ('time_ns', 'local_share', 'cache_misses') ORDER BY metric")" 'cache_misses||null local_share|0.625|real time_ns|906|integer'
is "every figure of the JSON is a metric" "$(sql "SELECT count(*) FROM run_metric WHERE run_id = 1 AND metric <> 'actions_not_logged'")" 26
is "each CPU's accounts add up to its clock" "$(sql "SELECT cpu, node, sum(value) FROM run_cpu WHERE run_id = 1 AND counter LIKE '%\_ns' ESCAPE '\' GROUP BY cpu, node")" '0|0|906 2|1|906'
is "each CPU's counters are there" "$(sql "SELECT cpu, counter, value FROM run_cpu WHERE run_id = 1 AND counter IN ('stores', 'remote_accesses') ORDER BY cpu, counter")" '0|remote_accesses|0 0|stores|5 2|remote_accesses|3 2|stores|0'
is "nodes: frames and who was served" "$(sql 'SELECT node, frames, frames_used, local_accesses, remote_accesses FROM run_node WHERE run_id = 1')" '0|4|1|5|3 1|4|0|0|0'
is "traffic between nodes" "$(sql 'SELECT from_node, to_node, loads, stores FROM run_traffic WHERE run_id = 1 AND loads + stores > 0')" '0|0|0|5 1|0|3|0'
is "the page's fate, with the smallest region that holds it" "$(sql 'SELECT ppn, space, page, region, first_home, home, replicas, loads, stores, local_accesses FROM run_page WHERE run_id = 2')" '0|0|1|0|1|1|0|3|5|3'
is "regions are sums over pages" "$(sql 'SELECT region, pages, loads, stores, local_accesses FROM run_region WHERE run_id = 1')" '0|1|3|5|5'
is "the course over time" "$(sql 'SELECT step, first_reference, "references", start_ns, end_ns, local_accesses, remote_accesses FROM run_epoch WHERE run_id = 1')" '0|0|8|0|906|5|3'
is "view v_compare" "$(sql 'SELECT run_id, policy, time_ms, local_percent FROM v_compare')" '1|first-touch|0.001|62.5 2|bind|0.002|37.5'
is "view v_hot_pages names the region" "$(sql 'SELECT run_id, page, region, accesses, remote_accesses FROM v_hot_pages')" '1|1|one page|8|3 2|1|one page|8|5'
is "view v_timeline" "$(sql 'SELECT run_id, step, local_percent FROM v_timeline')" '1|0|62.5 2|0|37.5'
is "a run has what repeats it" "$(sql "SELECT machine, json_extract(machine_json, '\$.name'), schedule, input, contention, seed, epoch_references, json_extract(options, '\$.refs_per_sample'), length(trace_checksum) FROM run WHERE run_id = 1")" 'small|small|recorded|references|on|1|16384|1|16'
blocks() { sqlite3 "$1" 'SELECT quote(data) FROM trace_block' | sha256sum; }
is "the blocks of the trace are untouched" "$(blocks "$trace")" "$(blocks "$TMP/untouched.db")"
is "the database is whole" "$(sql 'PRAGMA integrity_check; PRAGMA foreign_key_check')" ok

# ---- the table
replay --policy first-touch,bind:node=1 "$trace"
is "the table's heading says machine, schedule and sampling" "$(printf '%s\n' "$out" | sed -n '2,4p' | cut -d: -f1 | tr -s ' ' | tr '\n' '|')" 'machine small|schedule recorded|sampling none|'
check "the table has the time, its parts and the counts" grep -qE '^first-touch +0.001 +0.9 +0.0 +27.6 +49.7 +0.0 +0.0 +0.0 +21.9 +62.5 +141 +0 +0 +0 +0 +1 +0 +-$' "$TMP/.out"
is "it ends with the best policy in words" "$(printf '%s\n' "$out" | tail -1)" 'Fastest: first-touch, 0.001 ms, 1.67 times as fast as bind:node=1 (0.002 ms).'
is "no line is wider than 120 columns" "$(printf '%s\n' "$out" | grep -v '^trace' | awk 'length > 120' | wc -l)" 0
is "two more runs were added" "$(sql 'SELECT group_concat(run_id) FROM run')" 1,2,3,4

# ---- the same whatever the threads
for threads in 1 2 3 4; do
  replay --policy all --no-results --threads "$threads" --json "$trace"
  printf '%s' "$out" >"$TMP/threads$threads.json"
  check "with $threads threads the JSON is the same to the byte" cmp "$TMP/threads1.json" "$TMP/threads$threads.json"
done
is "without --results the run has no id" "$(python3 -c "import json; print(json.load(open('$TMP/threads1.json'))['runs'][0]['run_id'])")" None
is "--no-results stores nothing" "$(sql 'SELECT count(*) FROM run')" 4

# ---- actions
for i in $(seq 300); do echo "11 0 w 0x1001"; echo "12 2 r 0x2001"; done >"$TMP/busy.txt"
check "a longer trace is made" "$BUILD/disco-record" import --format text --columns tid,cpu,kind,addr -o "$TMP/busy.db" "$TMP/busy.txt"
sqlite3 "$TMP/busy.db" "INSERT INTO trace_region VALUES (0, 0, 4096, 12288, 'mapping', 'two pages', NULL, 0)"
db=$TMP/actions.db
replay --policy chaos:period=1 --results "$db" "$TMP/busy.db"
all=$(sql 'SELECT count(*) FROM run_action')
check "a restless policy's actions are logged ($all)" test "$all" -ge 3
is "with reasons, and nodes of the machine" "$(sql "SELECT count(*) FROM run_action WHERE reason = '' OR from_node NOT IN (0, 1) OR to_node NOT IN (0, 1) OR kind NOT IN ('migrate', 'replicate', 'collapse', 'reclaim') OR answer NOT IN ('done', 'no frame', 'nothing to do', 'nonsense')")" 0
replay --policy chaos:period=1 --results "$db" --log-actions 2 "$TMP/busy.db"
is "--log-actions keeps the first and counts the rest" "$(sql "SELECT (SELECT count(*) FROM run_action WHERE run_id = 2), value FROM run_metric WHERE run_id = 2 AND metric = 'actions_not_logged'")" "2|$((all - 2))"
is "a results file of its own has the regions for the views" "$(sql 'SELECT DISTINCT region FROM v_hot_pages')" 'two pages'
is "and is no trace" "$(sql 'SELECT count(*) FROM trace')" 0

replay --policy chaos:period=1 --no-results --seed 7 --json "$TMP/busy.db"
one=$out
replay --policy chaos:period=1 --no-results --seed 7 --json "$TMP/busy.db"
is "the same seed gives the same result" "$out" "$one"
replay --policy chaos:period=1 --no-results --seed 8 --json "$TMP/busy.db"
check "another seed gives another one" test "$out" != "$one"

# ---- options that change the figures
unset db
replay --policy first-touch --no-results --json --refs-per-sample 10 "$trace"
is "--refs-per-sample multiplies time, not counts" "$(printf '%s' "$out" | jq -c '.runs[0] | [.time_ns, .references]')" '[9060,8]'
replay --policy first-touch --no-results --json --schedule compact "$trace"
is "--schedule compact puts both threads on node 0" "$(printf '%s' "$out" | jq -c '[.runs[0].local_share, .trace.schedule]')" '[1,"compact"]'
replay --policy first-touch --no-results --json --schedule scatter "$trace"
is "--schedule scatter puts them on two nodes" "$(printf '%s' "$out" | jq -c '.runs[0].local_share')" 0.625
printf '11 3\n12 2\n' >"$TMP/schedule"
replay --policy first-touch --no-results --json --schedule "$TMP/schedule" "$trace"
is "--schedule FILE puts both on node 1" "$(printf '%s' "$out" | jq -c '.runs[0].local_share')" 1
replay --policy first-touch --no-results --json --check=1 --epoch 2 --input misses --contention off "$trace"
is "--check, --epoch, --input misses and --contention off change nothing on a machine without caches" "$(printf '%s' "$out" | jq -c '[.runs[0].local_share, .runs[0].time_ns]')" '[0.625,906]'
db=$TMP/epoch.db
replay --policy first-touch --results "$db" --epoch 2 "$trace"
is "--epoch sets the step of time" "$(sql 'SELECT count(*), max("references"), max(end_ns) FROM run_epoch')" '4|2|906'


# ---- a database from before some of the tables, columns and views
cp "$TMP/untouched.db" "$TMP/old.db"
sqlite3 "$TMP/old.db" 'DROP TABLE run_cache; DROP TABLE run_epoch_station; DROP VIEW v_compare; DROP VIEW v_timeline;
  CREATE VIEW v_compare AS SELECT 1 AS old; ALTER TABLE run_epoch DROP COLUMN queue_length;
  ALTER TABLE run_epoch DROP COLUMN local_latency_ns; INSERT INTO run_epoch VALUES(7,0,0,0,0,0,0,0,0,0,0,0,0,0,NULL,NULL,NULL)'
replay --policy first-touch "$TMP/old.db"
db=$TMP/old.db
is "an older database gets them, and keeps its rows" "$rc:$(sql 'SELECT count(*) FROM run_cache; SELECT count(*) FROM run_epoch_station; SELECT policy FROM v_compare; SELECT count(*) FROM v_timeline; SELECT run_id, queue_length FROM run_epoch ORDER BY run_id')" '0:0 1 first-touch 1 1|0.0 7|'
unset db

# ---- policies.md, conformance test 6: all accesses on one of four nodes are 200 % imbalance
sed 's/"nodes".*/"nodes": [{"cpus": [0, 1], "memory": "16K"}, {"cpus": [2], "memory": "16K"}, {"cpus": [3], "memory": "16K"}, {"cpus": [4], "memory": "16K"}],/; s/"latency_ns".*/"latency_ns": [[100,300,300,300],[300,100,300,300],[300,300,100,300],[300,300,300,100]],/' "$machine" >"$TMP/four.json"
run "$BUILD/disco-replay" --machine "$TMP/four.json" --policy bind:node=0 --no-results --json "$trace"
is "all accesses on one of four nodes are an imbalance of 200 %" "$(printf '%s' "$out" | jq -c '.runs[0].imbalance')" 200
finish
