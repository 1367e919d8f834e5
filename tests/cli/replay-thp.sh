#!/usr/bin/env bash
# disco-replay --thp and --gigantic: which memory pages of 2 MiB and of 1 GiB back.
set -u
. "$(dirname "$0")/../lib.sh"
replay=$BUILD/disco-replay
is() {
  if [ "$2" = "$3" ]; then ok "$1"; else fail "$1" "wanted '$3', got '$2'"; fi
}
cat >"$TMP/machine.json" <<'JSON'
{"name": "plain", "nodes": [{"cpus": [0], "memory": "64M"}], "latency_ns": [[100]], "tlb": {"entries": 4, "pages_per_entry": 1}}
JSON
# ten pages in each of three blocks of 2 MiB
awk 'BEGIN { for (b = 1; b <= 3; b++) for (p = 0; p < 10; p++) print 11, 0, "r", b * 2097152 + p * 4096 }' >"$TMP/trace.txt"
check "a trace is made" "$BUILD/disco-record" import --format text --base 10 --columns tid,cpu,kind,addr -o "$TMP/trace.db" "$TMP/trace.txt"
# the first two blocks are heap, told of twice; the third one is a file
cp "$TMP/trace.db" "$TMP/regions.db"
sqlite3 "$TMP/regions.db" "INSERT INTO trace_region VALUES (0, 0, 2097152, 5242880, 'heap', '[heap]', NULL, 0),
  (1, 0, 4194304, 6291456, 'mapping', 'more', NULL, 0), (2, 0, 6291456, 8388608, 'mapping', 'library', '/lib/library', 0)"
frames() { # TRACE [OPTION...]
  run "$replay" --machine "$TMP/machine.json" --policy first-touch --no-results --json "${@:2}" "$TMP/$1.db"
  printf '%s' "$out" | jq -c '.runs[0].frames_used'
}
is "without it a frame a page" "$(frames trace)" 30
is "never is the default" "$(frames trace --thp=never)" 30
is "a trace that knows no regions has huge pages everywhere" "$(frames trace --thp)" 1536
is "always: all that is no file, and regions that overlap are one" "$(frames regions --thp=always)" 1034
is "by name, files too" "$(frames regions --thp=library)" 532
is "a block that is not whole in the region stays in pages of 4 KiB" "$(frames regions --thp=[heap])" 532
refuses "a name that no region has" 1 "--thp=stack: the trace has no region of this name" "$replay" --thp=stack --no-results "$TMP/regions.db"
run "$replay" --machine "$TMP/machine.json" --policy first-touch,chaos --thp --check=1 --results "$TMP/results.db" "$TMP/regions.db"
is "a run says which" "$rc:$(sqlite3 "$TMP/results.db" "SELECT DISTINCT json_extract(options, '\$.thp') FROM run")" 0:always
# two pages in the second GiB, one in the third, of which the region has the half
sed -i 's/"64M"/"2G"/' "$TMP/machine.json"
printf '11 0 r %d\n' 1073741824 1610612736 2147483648 >"$TMP/giga.txt"
check "a trace of two GiB is made" "$BUILD/disco-record" import --format text --base 10 --columns tid,cpu,kind,addr -o "$TMP/giga.db" "$TMP/giga.txt"
sqlite3 "$TMP/giga.db" "INSERT INTO trace_region VALUES (0, 0, 1073741824, 2684354560, 'mapping', 'pool', NULL, 0)"
is "without it a frame a page, of 1 GiB too" "$(frames giga)" 3
is "a whole block of 1 GiB in a region is one page" "$(frames giga --gigantic)" 262145
is "by name" "$(frames giga --gigantic=pool)" 262145
is "what is left of the region can be backed by 2 MiB" "$(frames giga --gigantic --thp)" 262656
refuses "a name that no region has for 1 GiB" 1 "--gigantic=heap: the trace has no region of this name" "$replay" --gigantic=heap --no-results "$TMP/giga.db"
sed -i 's/"2G"/"1020M"/' "$TMP/machine.json"
is "without room for 1 GiB: pages of 2 MiB" "$(frames giga --gigantic)" 1025
run "$replay" --machine "$TMP/machine.json" --policy first-touch,chaos --gigantic --thp --check=1 --results "$TMP/giga-results.db" "$TMP/giga.db"
is "a run says which of 1 GiB" "$rc:$(sqlite3 "$TMP/giga-results.db" "SELECT DISTINCT json_extract(options, '\$.gigantic') FROM run")" 0:always
# page tables that hardware walks: levels 4 to the one that maps, for all of the first GiB
tables() { # OPTION
  rm -f "$TMP/tables.db"
  run "$replay" --machine 2-socket --policy first-touch --results "$TMP/tables.db" $1 "$TMP/trace.db"
  sqlite3 "$TMP/tables.db" "SELECT sum(table_frames), sum(frames_used - table_frames) FROM run_node"
}
is "page tables of a node are told: four levels, the last of three" "$(tables --thp=never)" "6|30"
is "one level fewer for 2 MiB" "$(tables --thp)" "3|1536"
is "two for 1 GiB" "$(tables --gigantic)" "2|262144"
finish
