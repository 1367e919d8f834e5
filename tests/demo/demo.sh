#!/usr/bin/env bash
# The main job from one end to the other, as `make demo` runs it: record a real multi-threaded
# program, import a trace of a real system program, replay both under every policy on two machines,
# draw the charts, ask three questions in SQL, and hold the answer against what is known.
#
#   DISCO_DEMO_OUT      where to (demo-out)
#   DISCO_DEMO_SECONDS  how long the program runs (20)
#   DISCO_DEMO_ROWS     rows of the sqlite3 join that lackey watches (400: some 9 M references)
set -u
cd "$(dirname "$0")/../.." || exit 2
build=${BUILD:-build}
out=${DISCO_DEMO_OUT:-demo-out}
seconds=${DISCO_DEMO_SECONDS:-20}
rows=${DISCO_DEMO_ROWS:-400}
machines=(flash-8 2-socket)
rm -rf "$out"
mkdir -p "$out"
fail() { echo "demo: $*" >&2; exit 1; }
say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n== %s\n' "$*"; }
show() { echo "\$ $*"; "$@"; }

say "1. A program whose right placement is known: four threads, tests/demo/threads.c"
show gcc -O2 -pthread -D_GNU_SOURCE -o "$out/threads" tests/demo/threads.c || fail "the program does not compile"

say "2. Record it"
# NUMA hinting faults see every page again and again, but the switch is root's and the kernel must have it.
# Without them the program drops its own page table entries now and then, so that page faults tell the same.
if [ "$(id -u)" = 0 ] && [ -e /proc/sys/kernel/numa_balancing ]; then
  event=(-e hinting --scan-period-ms 100) program=("$out/threads" --seconds "$seconds")
else
  event=(-e page-faults) program=("$out/threads" --seconds "$seconds" --drop)
fi
show "$build/disco-record" perf "${event[@]}" -o "$out/threads.db" -- "${program[@]}" || fail "the recording failed"

say "3. A real system program, every reference: sqlite3 joins two tables under valgrind's lackey"
sql="CREATE TABLE a(x,y); WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n<$rows)
INSERT INTO a SELECT n*7919%3001, n%97 FROM c; CREATE INDEX ai ON a(y);
SELECT count(*), sum(p.x*q.x) FROM a p JOIN a q ON p.y=q.y;"
echo "\$ valgrind --tool=lackey --trace-mem=yes sqlite3 ... | $build/disco-record import --format lackey -o $out/sqlite3.db -"
valgrind --tool=lackey --trace-mem=yes --log-fd=9 sqlite3 :memory: "$sql" 9>&1 >/dev/null |
  "$build/disco-record" import --format lackey -o "$out/sqlite3.db" - || fail "the import failed"

for trace in threads sqlite3; do
  for machine in "${machines[@]}"; do
    say "4. Replay $trace under every policy on $machine"
    show "$build/disco-replay" --policy all --machine "$machine" ${schedule:-} "$out/$trace.db" || fail "the replay failed"
  done
done

say "5. Charts"
for trace in threads sqlite3; do
  show "$build/disco-plot" -o "$out/charts-$trace" "$out/$trace.db" || fail "the charts failed"
done

say "6. Three questions in SQL"
ask() {
  echo "\$ $build/disco-sql $out/threads.db \"$1\""
  "$build/disco-sql" "$out/threads.db" "$1" || fail "the query failed"
}
