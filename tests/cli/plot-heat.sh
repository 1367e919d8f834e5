#!/bin/bash
# From a trace to the heat map and to charts of real replays; judged by counting the trace's lines by hand.
set -u
source "$(dirname "$0")/../lib.sh"
export DISCO_PLOTS=$ROOT/plots
plot=$BUILD/disco-plot
for needed in disco.so disco-record disco-replay; do
  [ -e "$BUILD/$needed" ] || { skip "heat map" "no $needed in $BUILD"; finish; }
done

# a lackey trace of known shape: page 0x10+i is loaded i times in each of 100 rounds, and one store goes to page 0x90
awk 'BEGIN { for (round = 0; round < 100; round++) { for (page = 1; page <= 8; page++) for (i = 0; i < page; i++)
  printf " L %x,8\n", (16 + page) * 4096 + 8 * i; printf " S %x,8\n", 144 * 4096 } }' >"$TMP/t.lackey"
check "a trace is imported" "$BUILD/disco-record" import --format lackey -o "$TMP/t.db" "$TMP/t.lackey"
run "$plot" --chart heat -o "$TMP/o" "$TMP/t.db"
check "the heat map of a trace without runs is drawn" test "$rc:$out" = "0:$TMP/o/heat.png"
check "its cells hold every reference" test "$(awk -F'\t' 'NR > 1 { refs += $3; stores += $4 } END { print refs, stores }' "$TMP/o/heat.cells.tsv")" = '3700 100'
check "a line a page, in order of address, with its references" test \
  "$(awk -F'\t' 'NR > 1 { refs[$2] += $3 } END { for (y = 0; y < 9; y++) printf "%d ", refs[y] }' "$TMP/o/heat.cells.tsv")" = '100 200 300 400 500 600 700 800 100 '
for format in svg pdf txt; do
  check "it is drawn as $format" "$plot" --format $format --chart heat -o "$TMP/o" "$TMP/t.db"
done
check "in text, the most used page is the darkest" grep -q '@' "$TMP/o/heat.txt"

check "the trace is replayed" "$BUILD/disco-replay" --policy first-touch,interleave,chaos --machine flash-8 "$TMP/t.db"
run "$plot" -o "$TMP/all" "$TMP/t.db"
check "every chart of a real replay is drawn" test "$rc:$err" = 0:
for metric in time_ns local_share; do
  column=$([ $metric = time_ns ] && echo 2 || echo 3)
  check "the comparison shows each run's $metric as run_metric has it" test \
    "$(tail -n +2 "$TMP/all/compare.flash-8.runs.tsv" | cut -f$column | sort -g | tr '\n' ' ')" = \
    "$(sqlite3 "$TMP/t.db" "SELECT CASE metric WHEN 'time_ns' THEN value ELSE round(100 * value, 1) END FROM run_metric WHERE metric = '$metric'" | sort -g | tr '\n' ' ')"
done
sqlite3 "$TMP/t.db" "SELECT home, count(*) FROM run_page JOIN run USING (run_id) WHERE policy = 'chaos' GROUP BY home" -separator ' ' >"$TMP/judge"
awk -F'\t' 'NR > 1 { if ($3 > end) end = $3; node[$1] = $4 } END { for (y in node) pages[node[y]]++; for (n in pages) print n, pages[n] }' \
  "$TMP/all/placement.flash-8.chaos.parts.tsv" | sort >"$TMP/drawn"
check "the placement map ends with each page on the node that run_page says" cmp "$TMP/judge" "$TMP/drawn"

# a damaged block stops the heat map alone, and is named
sqlite3 "$TMP/t.db" "UPDATE trace_block SET data = zeroblob(length(data))"
run "$plot" -o "$TMP/damaged" "$TMP/t.db"
check "a damaged block is named" test "$rc:$(grep -c 'block 0' <<<"$err")" = 1:1
check "and the charts of the runs are drawn all the same" test -s "$TMP/damaged/compare.flash-8.png"
finish
