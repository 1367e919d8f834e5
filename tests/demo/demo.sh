#!/usr/bin/env bash
# The main job from one end to the other, as `make demo` runs it: record a real multi-threaded
# program, import a trace of a real system program, replay both under every policy on two machines,
# draw the charts, ask three questions in SQL, and hold the answer against what is known.
#
#   BUILD               where the commands are (build)
#   DISCO_DEMO_OUT      where to (demo-out)
#   DISCO_DEMO_ROWS     rows of the sqlite3 join that lackey watches (400: some 9 M references)
set -u -o pipefail
cd "$(dirname "$0")/../.." || exit 2
build=${BUILD:-build}
out=${DISCO_DEMO_OUT:-demo-out}
rows=${DISCO_DEMO_ROWS:-400}
mkdir -p "$out" || exit 1
# what an earlier demo left, and nothing else that may lie there
rm -rf "$out"/threads "$out"/{threads,sqlite3}.db* "$out"/charts-{threads,sqlite3} "$out"/charts.list
export DISCO_PLOTS=${DISCO_PLOTS:-$PWD/plots} # a BUILD folder may lie elsewhere
fail() { echo "demo: $*" >&2; exit 1; }
if [ -t 1 ]; then say() { printf '\n\033[1m%s\033[0m\n' "$*"; }; else say() { printf '\n== %s\n' "$*"; }; fi
show() { echo "\$ $*"; "$@"; }

say "1. A program whose right placement is known: four threads, tests/demo/threads.c"
show gcc -O2 -pthread -D_GNU_SOURCE -o "$out/threads" tests/demo/threads.c || fail "the program does not compile"

say "2. Record it"
# The program takes its own mappings away, each before a page is visited: every visit is a page fault, and
# a sample, without hardware counters. A visit uses 16 words. It pauses, so that the recorder keeps up.
event=fault-kinds
if ! why=$("$build/disco-record" perf -e $event --force -o "$out/threads.db" -- true 2>&1); then
  event=page-faults
  echo "Page faults alone, which do not tell stores from loads, since ${why#disco-record: }"
fi
show "$build/disco-record" perf -e $event --refs-per-sample 16 --force -o "$out/threads.db" -- \
  "$out/threads" --pages 64 --words 16 --rounds 1000 --pause 10 --drop || fail "the recording failed"

say "3. Every reference of a real system program: sqlite3 joins two tables under valgrind's lackey"
sql="CREATE TABLE a(x,y); WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n<$rows)
INSERT INTO a SELECT n*7919%3001, n%97 FROM c; CREATE INDEX ai ON a(y);
SELECT count(*), sum(p.x*q.x) FROM a p JOIN a q ON p.y=q.y;"
echo "\$ valgrind --tool=lackey --trace-mem=yes --log-fd=9 sqlite3 ... 9>&1 >/dev/null |"
echo "    $build/disco-record import --format lackey -o $out/sqlite3.db -"
valgrind --tool=lackey --trace-mem=yes --log-fd=9 sqlite3 :memory: "$sql" 9>&1 >/dev/null |
  "$build/disco-record" import --format lackey -o "$out/sqlite3.db" - || fail "the import failed"

say "4. Replay both under every policy, on the machine of the Disco paper and on two sockets of today"
for trace in threads sqlite3; do
  for machine in flash-8 2-socket; do
    show "$build/disco-replay" --policy all --machine $machine --schedule scatter "$out/$trace.db" ||
      fail "the replay failed"
    echo
  done
done

say "5. Charts"
for trace in threads sqlite3; do
  echo "\$ $build/disco-plot -o $out/charts-$trace $out/$trace.db"
  "$build/disco-plot" -o "$out/charts-$trace" "$out/$trace.db" >"$out/charts.list" || fail "the charts failed"
  echo "$(wc -l <"$out/charts.list") charts, among them $(grep -E 'compare.flash-8|regions.flash-8' "$out/charts.list" | tr '\n' ' ')"
done

say "6. Three questions in SQL"
ask() {
  echo "\$ $build/disco-sql $out/threads.db \"$1\""
  "$build/disco-sql" "$out/threads.db" "$1" || fail "the query failed"
  echo
}
ask "SELECT policy, time_ms, local_percent, migrations, replications FROM v_compare WHERE machine = 'flash-8'"
ask "SELECT kind, kind = 'store' AS writes, count(*) AS refs, count(DISTINCT page) AS pages, count(DISTINCT stream) AS threads
FROM refs WHERE addr BETWEEN (SELECT start FROM trace_region WHERE name = 'table')
                         AND (SELECT \"end\" - 1 FROM trace_region WHERE name = 'table') GROUP BY kind"
ask "SELECT kind, answer, reason, actions, pages, cost_ms FROM v_actions WHERE policy = 'disco' AND machine = 'flash-8'"

say "7. What was known of the program, and what disco made of it"
# Threads run on nodes 1 to 4 of flash-8 and on both of 2-socket, where half of what is private is at its
# place from the start. Each region of the program, what disco did with it, and whether that is right.
regions="WITH region AS (SELECT machine, g.name AS region, r.pages, 1.0 * r.migrations / r.pages AS migrations,
    1.0 * r.replications / r.pages AS replicas, 100.0 * r.local_accesses / (r.loads + r.stores) AS local_percent,
    machine = '2-socket' AS two
  FROM run_region r JOIN run USING (run_id) JOIN trace_region g USING (region)
  WHERE policy = 'disco' AND (g.name LIKE 'private-%' OR g.name IN ('table', 'handed', 'shared'))),
judged AS (SELECT *, CASE WHEN region LIKE 'private%' THEN 'is with its thread'
       WHEN region = 'table' THEN 'replicates on every node that reads'
       WHEN region = 'handed' THEN 'follows its owner'
       ELSE 'stays: all write it' END AS known,
  CASE WHEN region LIKE 'private%' THEN local_percent >= 80 AND migrations <= 1.5 AND (two OR migrations >= 0.9)
       WHEN region = 'table' THEN replicas >= (CASE WHEN two THEN 0.9 ELSE 2 END)
       WHEN region = 'handed' THEN migrations >= (CASE WHEN two THEN 0.5 ELSE 1.5 END)
       ELSE migrations + replicas <= 0.25 END AS right FROM region)"
"$build/disco-sql" "$out/threads.db" "$regions SELECT machine, region, pages, round(migrations, 2) AS migrations_a_page,
  round(replicas, 2) AS replicas_a_page, round(local_percent, 1) AS local_percent, known,
  CASE right WHEN 1 THEN 'yes' ELSE 'no' END AS so FROM judged ORDER BY machine DESC, region" || fail "the query failed"
right=$("$build/disco-sql" --no-header "$out/threads.db" "$regions SELECT count(*) FROM judged WHERE right") || fail "the query failed"
told=$("$build/disco-sql" --no-header "$out/threads.db" "SELECT stores > touches FROM trace") || fail "the trace cannot be read"
if [ "$told" = 0 ]; then
  echo "$right of 14 as known; without the kinds of the faults the write-shared pages look read-only."
elif [ "$right" = 14 ]; then
  echo "All 7 regions as known, on both machines."
else
  fail "only $right of 14 came out as known; $build/disco-trace info $out/threads.db says whether samples were lost"
fi
echo
echo "Traces and results: $out/*.db    Charts: $out/charts-*/"
