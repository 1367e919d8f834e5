#!/usr/bin/env bash
# disco-record import --format lackey, judged by awk over the same log; and whatever may happen to an input.
set -u
. "$(dirname "$0")/../lib.sh"
import() { "$BUILD/disco-record" import --format lackey "$@"; }
value() { sqlite3 "$1" "$2"; }
cd "$TMP" || exit 2

# a log of 40,000 lines in which all that may happen does
awk 'BEGIN {
  srand(7); print "==42== Lackey, an example Valgrind tool"; print "==42== Command: ./prog --flag 1"
  for (i = 0; i < 40000; i++) {
    a = int(rand() * 4096) * 4096 + int(rand() * 4096); k = int(rand() * 4); s = int(2 ^ int(rand() * 5))
    if (k == 0) printf "I  %08x,%d\n", 67108864 + a, s
    else printf " %s %08x,%d\n", substr("LSM", k, 1), 67108864 + a, s
    if (i % 1000 == 0) print "output of the program"
    if (i % 1500 == 0) print "==42== something of Valgrind"
  }
}' >log

run import -o log.db log
check "a log is imported" test "$rc" = 0
want=$(awk '/^I  /{f++} /^ [LM] /{l++} /^ [SM] /{s++} END{print f "|" l "|" s}' log)
check "fetches, loads and stores are as awk counts them" test "$(value log.db 'SELECT fetches, loads, stores FROM trace')" = "$want"
want=$(awk '/^(I | [LSM]) /{split($2, p, ","); print substr(p[1], 1, length(p[1]) - 3)}' log | sort -u | wc -l)
check "the pages are as awk counts them" test "$(value log.db 'SELECT count(DISTINCT page) FROM page_summary')" = "$want"
check "the command is the one that Valgrind printed" test "$(value log.db 'SELECT command FROM trace')" = "./prog --flag 1"
check "the program's own output is counted" test "$(value log.db "SELECT value FROM trace_note WHERE key = 'lines_of_other_output'")" = 40
check "the trace is complete and full" test "$(value log.db 'SELECT complete, sampled, refs_per_sample, time_unit, source FROM trace')" = "1|0|1|references|lackey"
check "disco-trace verifies it" "$BUILD/disco-trace" verify log.db
check "the summary names references and pages" grep -q "references.*pages, 0 lines skipped" <<<"$out"
awk '/^I  /{print "fetch," $2} /^ [LM] /{print "load," $2} /^ [SM] /{print "store," $2}' log >wanted
"$BUILD/disco-sql" -c -n log.db "SELECT kind, printf('%08x', addr), size FROM refs" | tr -d '\r' >got
check "every reference comes back in order, with kind, address and size" cmp wanted got

check "--no-fetches leaves fetches out" import --no-fetches -o data.db log
check "... and nothing else" test "$(value data.db 'SELECT fetches, loads, stores FROM trace')" = "0|$(cut -d'|' -f2,3 <<<"$(value log.db 'SELECT fetches, loads, stores FROM trace')")"
check "--command and --page-size are kept" sh -c "'$BUILD/disco-record' import -f lackey --command 'my program' --page-size 64K -o c.db log"
check "... as they were given" test "$(value c.db 'SELECT command, page_bytes FROM trace')" = "my program|65536"

same() { test "$(value "$1" 'SELECT hex(data) FROM trace_block')" = "$(value log.db 'SELECT hex(data) FROM trace_block')"; }
for packer in gzip xz zstd; do
  if ! command -v "$packer" >/dev/null; then skip "$packer input" "no $packer here"; continue; fi
  $packer -c <log >"packed.$packer"
  import -o "$packer.db" "packed.$packer" >/dev/null 2>&1
  check "$packer input gives the same blocks" same "$packer.db"
  import -o "pipe-$packer.db" - <"packed.$packer" >/dev/null 2>&1
  check "$packer through a pipe gives the same blocks" same "pipe-$packer.db"
  { head -n 20000 log | $packer -c; tail -n +20001 log | $packer -c; } >"two.$packer"
  import -o "two-$packer.db" "two.$packer" >/dev/null 2>&1
  check "$packer members one after the other are one input" same "two-$packer.db"
  head -c 60000 "packed.$packer" >"cut.$packer"
  refuses "a cut-off $packer file is named in one line" 1 "cut off" "$BUILD/disco-record" import -f lackey -o "cut-$packer.db" "cut.$packer"
  check "... and what came before is kept, marked as cut off" test "$(value "cut-$packer.db" 'SELECT complete, refs > 1000 FROM trace')" = "0|1"
done

refuses "a file that is there is not replaced" 1 "exists" "$BUILD/disco-record" import -f lackey -o log.db log
check "... unless by --force" import --force -o log.db log
cp log notes.txt
refuses "--force replaces traces only" 1 "notes.txt" "$BUILD/disco-record" import -f lackey --force -o notes.txt log
check "... and leaves the file as it was" cmp log notes.txt
: >empty
refuses "an empty file is refused" 1 "empty: is empty" "$BUILD/disco-record" import -f lackey -o e.db empty
refuses "a file without references is refused" 1 "no reference of format lackey" "$BUILD/disco-record" import -f lackey -o e.db "$BUILD/disco-record"
check "... and no trace is left" test ! -e e.db
refuses "a folder is refused" 1 "is a folder" "$BUILD/disco-record" import -f lackey -o e.db .
refuses "a missing file is refused" 1 "No such file" "$BUILD/disco-record" import -f lackey -o e.db nowhere
refuses "a folder that is not there is refused" 1 "No such file" "$BUILD/disco-record" import -f lackey -o nowhere/e.db log

{ head -n 1000 log; echo " L 04zz,8"; echo " S 1,"; tail -n +1001 log; } >bad
refuses "a bad line is named by line and column" 1 "bad:1001:6: expected a comma" "$BUILD/disco-record" import -f lackey -o bad.db bad
check "... the trace keeps what came before, marked as cut off" test "$(value bad.db 'SELECT complete, refs > 900 FROM trace')" = "0|1"
check "--skip-bad goes on" import --skip-bad --force -o bad.db bad
check "... with the same references" same bad.db
check "... and a count" test "$(value bad.db "SELECT value FROM trace_note WHERE key = 'lines_skipped'")" = 2
head -c 3000000 /dev/zero | tr '\0' x >long
refuses "a line without end is refused" 1 "longer than" "$BUILD/disco-record" import -f lackey -o long.db long

# SIGINT: a log that never ends; the recorder must stop by itself
mkfifo endless
sleep 60 >endless & # holds the pipe open
holder=$!
"$BUILD/disco-record" import -f lackey -o int.db endless >/dev/null 2>int.err &
recorder=$!
cat log >endless
eventually test -s int.db
kill -INT "$recorder"
wait "$recorder"
rc=$?
kill "$holder"
check "SIGINT ends an import" test "$rc" = 1
check "... in one line" grep -q "interrupted after" int.err
check "... and the trace holds what had come, marked as cut off" test "$(value int.db 'SELECT complete, refs > 1000 FROM trace')" = "0|1"
run "$BUILD/disco-trace" verify int.db
check "... and is sound" grep -qi "cut off" <<<"$out$err"
finish
