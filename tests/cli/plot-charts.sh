#!/bin/bash
# Every chart in every format, from made-up results of several sizes, judged by sqlite3, xmllint where it is there, and gnuplot.
set -u
source "$(dirname "$0")/../lib.sh"
export DISCO_PLOTS=$ROOT/plots
plot=$BUILD/disco-plot

# database FILE 'nodes, policies, ...'
database() {
  sqlite3 "$1" <"$ROOT/schema.sql" && { echo "CREATE TABLE f AS SELECT $2;"; cat "$ROOT/tests/cli/plot-fixture.sql"; } | sqlite3 -bail "$1"
}
check "a fixture of 8 nodes, 9 policies and 2 machines is made" database "$TMP/n8.db" \
  "8 AS nodes, 9 AS policies, 2 AS machines, 200 AS steps, 400 AS pages, 4 AS regions, 1000000 AS refs"
check "a fixture of 64 nodes is made" database "$TMP/n64.db" \
  "64 AS nodes, 2 AS policies, 1 AS machines, 2048 AS steps, 2000 AS pages, 30 AS regions, 80000000 AS refs"
check "a fixture of one page and one step is made" database "$TMP/tiny.db" \
  "2 AS nodes, 1 AS policies, 1 AS machines, 1 AS steps, 1 AS pages, 1 AS regions, 100 AS refs"

starts_with() { [ "$(head -c "${#2}" "$1")" = "$2" ]; }
is_png() { [ "$(head -c 8 "$1" | od -An -tx1 | tr -d ' \n')" = 89504e470d0a1a0a ] && [ "$(wc -c <"$1")" -gt 2000 ]; }
is_svg() {
  grep -q '<svg' "$1" && grep -q '</svg>' "$1" || return 1
  ! command -v xmllint >/dev/null || xmllint --noout "$1"
}
is_pdf() { starts_with "$1" '%PDF-' && [ "$(tail -c 6 "$1" | tr -d '\n')" = '%%EOF' ]; }
# a text picture says trace and machine, and no line is longer than it may be
is_txt() { grep -q 'n8.db' "$1" && ! grep -qE '^.{101,}$' "$1"; }

charts='compare locality actions contention traffic placement regions'
for format in png svg pdf txt; do
  run "$plot" --format $format --run 2,3,4,13 -o "$TMP/$format" "$TMP/n8.db" --chart "${charts// /,}"
  [ "$rc" = 0 ] || fail "all charts are drawn as $format" "$err"
  check "as $format, the paths of the pictures are printed" test "$out" = "$(printf '%s\n' "$out" | grep "^$TMP/$format/.*\.$format\$")"
  for chart in $charts; do
    for picture in "$TMP/$format/$chart".*."$format"; do
      check "$(basename "$picture") is one" is_$format "$picture"
    done
  done
  check "as $format, nothing half-made is left" test -z "$(find "$TMP/$format" -name '*.part')"
done

for name in n64 tiny; do
  run "$plot" -o "$TMP/$name" "$TMP/$name.db"
  check "a database of other size ($name) is drawn" test "$rc" = 0
  run "$plot" --format txt "$TMP/$name.db"
  check "and in the terminal, without -o ($name)" test "$rc:$(grep -c 'Run time by policy' <<<"$out")" = 0:1
done
check "nothing stays behind in the temporary folder" test -z "$(find "${TMPDIR:-/tmp}" -maxdepth 1 -name 'disco-plot.*' -user "$(id -u)" 2>/dev/null)"

# the data are what sqlite3 says
sqlite3 -header -separator "$(printf '\t')" "$TMP/n8.db" "
  CREATE TEMP TABLE shown AS SELECT run_id, row_number() OVER (ORDER BY run_id) AS number, policy AS label FROM run WHERE run_id IN (2, 3, 4);
  $(awk '/^# data parts:/ { sub(/^# data parts:/, ""); on = 1; print; next } on && /^#   / { print substr($0, 2); next } { on = 0 }' "$ROOT/plots/compare.gp");" >"$TMP/judge.tsv"
check "the data of a chart are the rows that sqlite3 gives for its query" cmp "$TMP/judge.tsv" "$TMP/png/compare.flash-8.parts.tsv"
sum=$(awk -F'\t' 'NR > 1 && $1 == 1 { sum += $4 - $3 } END { printf "%.0f", sum }' "$TMP/png/compare.flash-8.parts.tsv")
check "the parts of a bar add up to its run time" test "$sum" = "$(sqlite3 "$TMP/n8.db" "SELECT printf('%.0f', min(value)) FROM run_metric WHERE metric = 'time_ns' AND run_id IN (2, 3, 4)")"
traffic=$(awk -F'\t' 'NR > 1 { sum += $3 + $4 } END { print sum }' "$TMP/png/traffic.flash-8.disco.traffic.tsv")
check "the traffic matrix holds every access" test "$traffic" = "$(sqlite3 "$TMP/n8.db" 'SELECT sum(loads + stores) FROM run_traffic WHERE run_id = 4')"

# placement against a count by hand: the homes at the end are the first homes and the last migration of each page
homes=$(awk -F'\t' 'NR > 1 && $3 == 160 { pages[$4]++ } END { for (n in pages) print n ":" pages[n] }' "$TMP/png/placement.flash-8.migrate.parts.tsv" | sort | grep -v '^-1')
check "the placement map ends with pages on every node they were migrated to" test "$(wc -l <<<"$homes")" = 8
starts=$(awk -F'\t' 'NR > 1 && $2 == 0' "$TMP/png/placement.flash-8.migrate.parts.tsv" | wc -l)
check "each line of the placement map begins at the first reference" test "$starts" = 240

# a user draws again with gnuplot alone
cp "$TMP/png/compare.flash-8.png" "$TMP/first.png" && rm "$TMP/png/compare.flash-8.png"
check "the script beside a picture draws it again, by gnuplot alone" sh -c "cd '$TMP/png' && gnuplot compare.flash-8.gp && cmp compare.flash-8.png '$TMP/first.png'"

# same input, same bytes
for format in svg txt png; do
  "$plot" --format $format --run 2,3,4,13 -o "$TMP/again-$format" --chart "${charts// /,}" "$TMP/n8.db" >/dev/null
  cp "$TMP/first.png" "$TMP/png/compare.flash-8.png"
  check "drawn twice as $format, all files are the same" diff -r "$TMP/$format" "$TMP/again-$format"
done

# sizes
"$plot" --chart compare --size 640x400 -o "$TMP/size" "$TMP/tiny.db" >/dev/null
check "--size sets the pixels" test "$(head -c 24 "$TMP/size/compare.flash-2.png" | tail -c 8 | od -An -tx1 | tr -d ' ')" = 0000028000000190
run "$plot" --chart compare --format txt --size 60x25 "$TMP/tiny.db"
check "--size sets columns and lines of text" test "$(awk 'length > most { most = length } END { print most }' <<<"$out")" = 60

# runs
sqlite3 "$TMP/tiny.db" "INSERT INTO run SELECT 2, policy, parameters, machine, machine_json, schedule, input, contention, seed, epoch_references, options, version,
  trace_file, trace_checksum FROM run; INSERT INTO run_metric SELECT 2, metric, value * 3 FROM run_metric"
"$plot" --chart compare -o "$TMP/latest" "$TMP/tiny.db" >/dev/null
check "without --run, the latest run of a policy is drawn" test "$(cut -f2 "$TMP/latest/compare.flash-2.runs.tsv" | tail -n +2)" = "$(sqlite3 "$TMP/tiny.db" "SELECT value FROM run_metric WHERE run_id = 2 AND metric = 'time_ns'")"
"$plot" --chart compare --run 1 --run 2 -o "$TMP/both" "$TMP/tiny.db" >/dev/null
check "two runs of one policy are told apart by their numbers" test "$(cut -f4 "$TMP/both/compare.flash-2.runs.tsv" | tail -n +2 | sort | tr '\n' ,)" = 'first-touch #1,first-touch #2,'
sqlite3 "$TMP/tiny.db" "UPDATE run SET parameters = json_object('node', run_id)"
"$plot" --chart compare -o "$TMP/both" "$TMP/tiny.db" >/dev/null
check "runs of one policy are told apart by the parameters that differ" test "$(cut -f4 "$TMP/both/compare.flash-2.runs.tsv" | tail -n +2 | sort | tr '\n' ,)" = 'first-touch node=1,first-touch node=2,'

# results kept in another file
sqlite3 "$TMP/bare.db" <"$ROOT/schema.sql"
sqlite3 "$TMP/bare.db" "ATTACH '$TMP/n8.db' AS n8; INSERT INTO trace SELECT * FROM n8.trace; INSERT INTO trace_region SELECT * FROM n8.trace_region"
"$plot" --chart regions --results "$TMP/n8.db" --run 2,3,4 -o "$TMP/other" "$TMP/bare.db" >/dev/null
check "--results reads the runs from another file" cmp "$TMP/other/regions.flash-8.shares.tsv" "$TMP/png/regions.flash-8.shares.tsv"

check "--list-charts names every chart with what it shows" test "$("$plot" --list-charts | awk '{ print $1 }' | tr '\n' ' ')" = 'actions compare contention heat locality placement regions traffic '
finish
