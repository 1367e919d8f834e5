#!/usr/bin/env bash
# make bench: one run that measures the store and the replay on real traces, medians and ratios.
# The traces are made once and kept in BUILD/bench: sqlite3 running joins under valgrind's lackey,
# with fetches (at least 50 million references), and gzip compressing a text, data references only.
#
#   DISCO_BENCH_ROWS   rows of the joined table (1200)
set -u -o pipefail
cd "$(dirname "$0")/../.." || exit 2
build=${BUILD:-build}
kept=$build/bench
rows=${DISCO_BENCH_ROWS:-1200}
mkdir -p "$kept"
fail() { echo "bench: $*" >&2; exit 1; }

record() { # record NAME import-options -- command...
  local trace=$kept/$1.db options=()
  shift
  while [ "$1" != -- ]; do options+=("$1") && shift; done
  shift
  [ -e "$trace" ] && return
  echo "recording $trace: ${1} under lackey (about a minute)"
  valgrind --tool=lackey --trace-mem=yes --log-fd=9 "$@" 9>&1 >/dev/null </dev/null |
    "$build/disco-record" import --format lackey "${options[@]}" -o "$trace.part" - || fail "could not record $1"
  mv "$trace.part" "$trace"
}

record "sqlite3-$rows" -- sqlite3 :memory: "CREATE TABLE a(x,y);
  WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n<$rows) INSERT INTO a SELECT n*7919%3001, n%97 FROM c;
  CREATE INDEX ai ON a(y); SELECT count(*), sum(p.x*q.x) FROM a p JOIN a q ON p.y=q.y;"
# a text that every checkout has: the sources themselves, 0.3 MB of them
cat schema.sql README.md */*.[ch] */*/*.[ch] | head -c 300000 >"$kept/text"
record gzip --no-fetches -- gzip -6 -c "$kept/text"

echo
echo "== the machine"
grep -m1 'model name' /proc/cpuinfo | sed 's/.*: //'
echo "$(nproc) CPUs, $(uname -sr)"
for trace in "sqlite3-$rows" gzip; do
  echo
  echo "== size of $trace"
  "$build/disco-trace" info "$kept/$trace.db"
done
echo
echo "== the store beside a row a reference"
"$build/tests/bench/store" "$kept/sqlite3-$rows.db" || fail "store"
echo
echo "== replay, decoding included"
"$build/tests/bench/replay" "$kept/sqlite3-$rows.db"
missed=$?

echo
echo "== instructions a reference (callgrind: they do not vary), one thread, machine flash-8"
record sqlite3-30 -- sqlite3 :memory: "CREATE TABLE a(x,y); WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n<30)
  INSERT INTO a SELECT n*7919%3001, n%97 FROM c; SELECT count(*), sum(p.x*q.x) FROM a p JOIN a q ON p.y=q.y;"
refs=$(sqlite3 "$kept/sqlite3-30.db" 'SELECT refs FROM trace')
# instructions of a function with all that it calls
inclusive() { callgrind_annotate --auto=no --inclusive=yes --threshold=100 "$kept/callgrind.out" 2>/dev/null | awk -v name="$1" -v refs="$refs" '
  index($0, ":" name " ") { gsub(",", "", $1); printf "%.1f", $1 / refs; found = 1; exit } END { if (!found) printf "-" }'; }
printf '%-22s %8s %8s %8s %8s\n' "" whole decode guest policy
for policy in first-touch migrate disco; do
  for input in references misses; do
    valgrind -q --tool=callgrind --callgrind-out-file="$kept/callgrind.out" --toggle-collect=engine_run \
      "$build/disco-replay" --machine flash-8 --schedule compact --threads 1 --no-results --input "$input" --policy "$policy" \
      "$kept/sqlite3-30.db" >/dev/null 2>&1 || fail "callgrind"
    printf '%-22s %8s %8s %8s %8s\n' "$policy, $input" "$(inclusive engine_run)" "$(inclusive trace_reader_next)" \
      "$(inclusive course_piece)" "$(inclusive replay_piece)"
  done
done

echo
echo "== error against sampling rate (eight threads, 4,000,000 references; 8 random samples a rate)"
"$build/tests/bench/sampling" "$kept" || fail "sampling"
if command -v gnuplot >/dev/null; then
  gnuplot -e "table='$kept/sampling.tsv'; picture='$kept/sampling.svg'" tests/bench/sampling.gp || fail "the chart of sampling"
  echo "drawn: $kept/sampling.svg"
fi

echo
echo "== the caches alone (gzip, fetches and data; time, and instructions, which do not vary)"
[ -e "$kept/caches.lackey" ] ||
  valgrind --tool=lackey --trace-mem=yes --log-fd=9 gzip -6 -c "$kept/text" 9>&1 >/dev/null </dev/null |
  head -n 8000000 >"$kept/caches.lackey"
"$build/tests/bench/caches" "$kept/caches.lackey" flash-8 || fail "caches"
"$build/tests/bench/caches" "$kept/caches.lackey" flash-8 8 || fail "caches"
instructions=$(head -n 1000000 "$kept/caches.lackey" | valgrind --tool=callgrind --toggle-collect=caches_references \
  --callgrind-out-file=/dev/null "$build/tests/bench/caches" - flash-8 2>&1 |
  awk '/ns a reference/ { n = $(NF - 3) } /Collected/ { i = $NF } END { printf "%.1f", i / n / 3 }')
echo "instructions a reference: $instructions"

echo
echo "== the MIPS CPU beside QEMU and Unicorn, the same programs (about three minutes)"
make -s HAVE_DEPS=1 BUILD="$build" "$build/bench/mips/guest.elf" || fail "the work as a guest"
"$build/tests/bench/mips" "$kept/mips" || fail "mips"

echo
echo "== memory of a replay"
"$build/tests/bench/footprint" "$kept" || fail "footprint"
exit $missed
