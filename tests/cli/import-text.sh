#!/usr/bin/env bash
# disco-record import --format text: tables of any columns, judged by awk; real samples where they are at hand.
set -u
. "$(dirname "$0")/../lib.sh"
import() { "$BUILD/disco-record" import --format text "$@"; }
value() { sqlite3 "$1" "$2"; }
refs() { "$BUILD/disco-sql" -c -n "$1" "SELECT $2 FROM refs" | tr -d '\r'; }
cd "$TMP" || exit 2

cat >table <<'END'
kind;address;cpu;time;tid
# kinds in letters, addresses in hexadecimal
R;7f0000001000;0;100.000000001;11
W;7f0000001008;0;100.000000001;11
W;0x7f0000002000;1;100.5;12
I;401000;0;100.75;12
M;7f0000003000;0;101;11
END
check "a table with a header is imported" import --columns kind,addr,cpu,time,tid --header 1 -o t.db table
check "kinds are told, and a modify is two" test "$(value t.db 'SELECT fetches, loads, stores, touches FROM trace')" = "1|2|3|0"
check "times count from the first, exact to 1 ns" test "$(value t.db 'SELECT first_time, last_time FROM trace_block')" = "0|999999999"
check "... whose own clock is noted" test "$(value t.db "SELECT value FROM trace_note WHERE key = 'source_clock_ns_at_time_0'")" = 100000000001
check "a stream is a thread" test "$(value t.db 'SELECT group_concat(tid) FROM (SELECT tid FROM trace_stream ORDER BY stream)')" = "11,12"
check "where a thread changes its CPU there is a dispatch" test "$(value t.db 'SELECT events FROM trace')" = 1
check "addresses come back" test "$(refs t.db "printf('%x', addr)" | sort | uniq -c | awk '{print $1 ":" $2}' | xargs)" = "1:401000 1:7f0000001000 1:7f0000001008 1:7f0000002000 2:7f0000003000"

printf '4096|x y|8\n8192||8\n' >bars
check "--separator and --base are obeyed" import --columns addr,-,size --separator '|' --base 10 --default-kind load -o b.db bars
check "... 4096 is page 1" test "$(value b.db 'SELECT group_concat(page), sum(loads) FROM page_summary')" = "1,2|2"
printf 'ld 1000 5\nst 2000 7\n' >words
check "--kind teaches words, --time-unit a unit" import --columns kind,addr,time --kind ld=load,st=store --time-unit us -o w.db words
check "... 2 us later" test "$(value w.db 'SELECT loads, stores FROM trace') $(value w.db 'SELECT last_time FROM trace_block')" = "1|1 2000"
check "--refs-per-sample makes a trace sampled" import --columns -,addr,- --refs-per-sample 1000 -o s.db words
check "... with that many" test "$(value s.db 'SELECT refs_per_sample, sampled FROM trace')" = "1000|1"
printf '1000 1 9\n2000 1 9\n' >weights
check "a weight that all have is what each stands for" import --columns addr,cpu,weight -o wt.db weights
check "... 9 of them" test "$(value wt.db 'SELECT refs_per_sample, sampled FROM trace')" = "9|1"
check "without tid and stream, a stream is a CPU" test "$(value wt.db 'SELECT count(*), min(cpu), min(name) FROM trace_stream')" = "1|1|CPU 1"

printf '10 3\n20 1\n30 2\n40 2\n' >falls
refuses "a time that falls is named by its line" 1 "falls:2: this time is" "$BUILD/disco-record" import -f text --columns addr,time -o f.db falls
check "--sort puts references in order" import --columns addr,time --sort --force -o f.db falls
check "... and keeps the order of equal times" test "$(refs f.db "printf('%x', addr)" | xargs)" = "20 30 40 10"

refuses "a bad field is named by line and column" 1 "table:1:1: expected a kind of reference" "$BUILD/disco-record" import -f text --columns kind,addr,cpu,time,tid -o e.db table
refuses "a number beyond 64 bits is refused" 1 "big:1:1: expected an address of at most 64 bits" sh -c "echo 12345678901234567 >big; '$BUILD/disco-record' import -f text --columns addr -o e.db big"
check "... and leaves no trace" test ! -e e.db
check "--skip-bad counts bad lines" import --columns kind,addr,cpu,time,tid --skip-bad -o skip.db table
check "... of which there is one" test "$(value skip.db "SELECT value FROM trace_note WHERE key = 'lines_skipped'")" = 1

usage() { refuses "$1" 2 "$2" "$BUILD/disco-record" import "${@:3}"; }
usage "--columns is asked for" "needs --columns" -f text -o u.db table
usage "an unknown column is refused" "no column 'address'" -f text --columns address -o u.db table
usage "an unknown format is refused" "no format 'csv'" -f csv -o u.db table
usage "a missing format is asked for" "--format is missing" -o u.db table
usage "a missing trace is asked for" "-o TRACE.db is missing" -f text --columns addr table
usage "a missing file is asked for" "FILE is missing" -f text --columns addr -o u.db
usage "two files are refused" "one FILE at a time" -f text --columns addr -o u.db table table
usage "an option of another format is refused" "--no-fetches means nothing to --format text" -f text --columns addr --no-fetches -o u.db table
usage "a page size that is no power of two is refused" "power of two" -f text --columns addr --page-size 5000 -o u.db table
usage "0 references a sample are refused" "whole number from 1" -f text --columns addr --refs-per-sample 0 -o u.db table
usage "a separator that stands in numbers is refused" "cannot part columns" -f text --columns addr --separator a -o u.db table
check "none of them leaves a trace" test ! -e u.db
run "$BUILD/disco-record" import --help
check "--help lists the formats" grep -q "perf-script  *what perf script prints, with -F" <<<"$out"

if [ -z "$SAMPLES" ]; then
  skip "real tables" "no recorded samples here"
  finish
fi
sample() { # NAME REFERENCES PAGES CPUS
  local file=$SAMPLES/traces/$1.ip-addr-cpu-time-burst.txt
  check "$1 is imported" import --columns ip,addr,cpu,time,- -o "$1.db" "$file"
  check "... $2 references on $3 pages" test "$(value "$1.db" 'SELECT refs, (SELECT count(DISTINCT page) FROM page_summary) FROM trace')" = "$2|$3"
  check "... of CPUs $4" test "$(value "$1.db" 'SELECT group_concat(cpu) FROM (SELECT cpu FROM trace_stream ORDER BY cpu)')" = "$4"
  awk '{split($4, t, "."); if (NR == 1) {s = t[1]; n = t[2]} printf "%s,%s,%d\n", substr($2, 3), substr($1, 3), (t[1] - s) * 1000000000 + t[2] - n}' "$file" >wanted
  refs "$1.db" "printf('%x', addr), printf('%x', ip), time" >got
  check "... whose every address, ip and time is as awk reads it" cmp wanted got
}
sample minivite-v1 43409 627 0,1,2,3
sample ubench 56059 656 2
finish
