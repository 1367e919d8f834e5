#!/usr/bin/env bash
# disco-replay with caches: misses by kind and what reaches memory, known by hand, in the table, in JSON and in SQL.
set -u
. "$(dirname "$0")/../lib.sh"
replay=$BUILD/disco-replay
is() {
  if [ "$2" = "$3" ]; then ok "$1"; else fail "$1" "wanted '$3', got '$2'"; fi
}
# Two nodes of two CPUs, 100 ns to the own node's memory and 300 ns to the other's; a CPU has 32 lines of 32 bytes, LRU.
cat >"$TMP/machine.json" <<'JSON'
{"name": "cached", "cpu_mhz": 1000, "page_size": 4096,
 "nodes": [{"cpus": [0, 1], "memory": "16M"}, {"cpus": [2, 3], "memory": "16M"}],
 "latency_ns": [[100, 300], [300, 100]],
 "caches": [{"level": 1, "kind": "data", "size": "1K", "ways": 32, "line": 32, "latency_ns": 0}],
 "tlb": {"entries": 0}, "l2tlb": {"entries": 0},
 "costs": {"trap_ns": 0, "tlb_refill_ns": 0, "tlb_forward_ns": 0, "tlb_walk_ns": 0, "dispatch_ns": 0,
  "page_fault_ns": 0, "replica_fault_ns": 0, "hot_page_ns": 0, "move_page_ns": 0, "copy_page_ns": 0,
  "shootdown_ns": 0, "shootdown_per_cpu_ns": 0, "fetch_ps": 0, "data_reference_ps": 2000}}
JSON
# trace NAME: lines "tid cpu kind line word", as text of addresses from page 1 on
trace() {
  awk '{ printf "%d %d %s %d\n", $1, $2, $3, 4096 + 32 * $4 + 8 * $5 }' >"$TMP/$1.txt"
  check "the trace $1 is made" "$BUILD/disco-record" import --format text --base 10 --columns tid,cpu,kind,addr -o "$TMP/$1.db" "$TMP/$1.txt"
}
# go NAME [OPTION...]
go() {
  local name=$1
  shift
  run "$replay" --machine "$TMP/machine.json" --no-results --json "$@" "$TMP/$name.db"
  [ "$rc" = 0 ] || fail "$name $*" "$err"
}
cache() { printf '%s' "$out" | jq -c '.runs[0].caches[0] | [.accesses, .misses, .cold, .capacity, .coherence, .false_sharing, .upgrades]'; }
figures() { printf '%s' "$out" | jq -c "[.runs[0] | $1]"; }

awk 'BEGIN { for (r = 0; r < 3; r++) for (l = 0; l < 16; l++) print 11, 0, "r", l, 0 }' | trace fits
awk 'BEGIN { for (r = 0; r < 3; r++) for (l = 0; l < 64; l++) print 11, 0, "r", l, 0 }' | trace sweep
awk 'BEGIN { for (r = 0; r < 100; r++) { print 11, 0, "w", 0, 0; print 12, 2, "w", 0, 0 } }' | trace shared
awk 'BEGIN { for (r = 0; r < 100; r++) { print 11, 0, "w", 0, 0; print 12, 2, "w", 0, 1 } }' | trace false
awk 'BEGIN { for (r = 0; r < 100; r++) { print 11, 0, "r", 0, 0; print 12, 2, "r", 0, 1 } print 11, 0, "w", 0, 0; print 12, 2, "r", 0, 0 }' | trace read

go fits --policy first-touch
is "what fits misses once a line" "$(cache)" '[48,16,16,0,0,0,0]'
is "and only that reaches memory" "$(figures '.references, .memory_accesses, .cache_misses, .refetches, .local_share')" '[48,16,16,0,1]'
is "48 loads and 16 misses take 48 * 2 + 16 * 100 ns" "$(figures '.time_ns, .execution_ns, .local_stall_ns')" '[1696,96,1600]'
go sweep --policy first-touch
is "a sweep over twice the cache always misses: LRU has thrown out what comes next" "$(cache)" '[192,192,64,128,0,0,0]'
go shared --policy first-touch
is "a word that two CPUs write in turn is taken from the other at each store" "$(cache)" '[200,200,2,0,198,0,0]'
is "each time from memory, for half of them from the other node's" "$(figures '.memory_accesses, .local_accesses, .time_ns')" '[200,100,30200]'
go false --policy first-touch
is "two words of one line are shared falsely" "$(cache)" '[200,200,2,0,198,198,0]'
go read --policy first-touch
is "what both read stays with both, until a store is upgraded and the other reads it again" "$(cache)" '[202,3,2,0,1,0,1]'
is "the upgrade goes to memory too" "$(figures '.memory_accesses')" '[4]'

# ---- left out
for name in shared sweep; do
  go $name --policy first-touch --input misses
  is "--input misses leaves caches out ($name)" "$(figures '.caches, .cache_misses, .memory_accesses == .references')" '[[],null,true]'
done

# ---- SQL and the table
run "$replay" --machine "$TMP/machine.json" --policy first-touch,chaos:period=10 --results "$TMP/results.db" "$TMP/read.db"
is "table run_cache has them for every run" "$(sqlite3 "$TMP/results.db" 'SELECT run_id, cache, level, kind, accesses, misses, cold, capacity, coherence, false_sharing, upgrades FROM run_cache' | tr '\n' ' ')" '1|0|1|data|202|3|2|0|1|0|1 2|0|1|data|202|3|2|0|1|0|1 '
is "table run_cpu those of each CPU" "$(sqlite3 "$TMP/results.db" "SELECT cpu, counter, value FROM run_cpu WHERE run_id = 1 AND counter LIKE 'L1%' ORDER BY 1, 2" | tr '\n' ' ')" '0|L1_data_accesses|101 0|L1_data_misses|1 2|L1_data_accesses|101 2|L1_data_misses|2 '
is "and run_metric the misses" "$(sqlite3 "$TMP/results.db" "SELECT value FROM run_metric WHERE metric = 'cache_misses'" | tr '\n' ' ')" '3 3 '
check "the table says what missed in a line below it" grep -qx 'caches     misses of L1 data 1.49%; 4 references reached memory' "$TMP/.out"

# ---- moved pages: their lines are fetched again, at the expense of the move
awk 'BEGIN { for (r = 0; r < 400; r++) for (l = 0; l < 8; l++) print 11, 0, "r", l, 0 }' | trace moved
go moved --policy first-touch,chaos:period=1
is "moves do not change what the caches say" "$(printf '%s' "$out" | jq -c '[.runs[] | [.caches[0].misses, .memory_accesses]]')" '[[8,8],[8,8]]'
is "first touch moves nothing, and fetches nothing again" "$(figures '.migrations, .refetches, .move_ns')" '[0,0,0]'
# CPU 0 writes four lines of a page, CPU 2 reads eight others of it: at the fourth of its misses the page moves to it
awk 'BEGIN { for (l = 0; l < 4; l++) print 11, 0, "w", l, 0; for (l = 8; l < 16; l++) print 12, 2, "r", l, 0
             for (l = 8; l < 16; l++) print 12, 2, "r", l, 0; for (l = 0; l < 4; l++) print 11, 0, "r", l, 0 }' | trace refetch
go refetch --policy migrate:trigger=4
is "a page that moved: lines fetched before are fetched again, four by its reader and four by its first writer" \
  "$(figures '.migrations, .memory_accesses, .local_accesses, .refetches')" '[1,12,8,8]'
is "their stalls are the move's: 4 * 100 and 4 * 300 ns, over two CPUs" "$(figures '.move_ns')" '[800]'
is "the parts add up to the time" "$(figures '.execution_ns + .tlb_ns + .local_stall_ns + .remote_stall_ns + .move_ns + .shootdown_ns + .monitor_ns + .idle_ns == .time_ns')" '[true]'
# ---- a page that only the end of another page's reference ran into has no placement, so it has no row
printf '%s\n' '11 0 r 8188 8' '11 0 r 4096 8' >"$TMP/straddle.txt"
check "the trace straddle is made" "$BUILD/disco-record" import --format text --base 10 --columns tid,cpu,kind,addr,size -o "$TMP/straddle.db" "$TMP/straddle.txt"
sqlite3 "$TMP/straddle.db" "INSERT INTO trace_region VALUES (0, 0, 4096, 8192, 'mapping', 'one', NULL, 0), (1, 0, 8192, 12288, 'mapping', 'two', NULL, 0)"
run "$replay" --machine "$TMP/machine.json" --policy first-touch --results "$TMP/straddle-results.db" "$TMP/straddle.db"
is "a page that only the end of a reference ran into has no row, nor has its region" \
  "$(sqlite3 "$TMP/straddle-results.db" 'SELECT ppn, page, loads FROM run_page; SELECT region, pages, loads FROM run_region' | tr '\n' ' ')" '0|1|2 0|1|2 '
for threads in 1 2 3; do
  run "$replay" --machine flash-8 --policy all --no-results --threads $threads --json "$TMP/refetch.db"
  printf '%s' "$out" >"$TMP/threads$threads.json"
  check "with $threads threads the JSON is the same to the byte" cmp "$TMP/threads1.json" "$TMP/threads$threads.json"
done
finish
