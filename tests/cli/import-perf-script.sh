#!/usr/bin/env bash
# disco-record import --format perf-script on what perf script prints for real recordings, judged by perf script itself.
set -u
. "$(dirname "$0")/../lib.sh"
value() { sqlite3 "$1" "$2"; }
refs() { "$BUILD/disco-sql" -c -n "$1" "SELECT $2 FROM refs" | tr -d '\r'; }
cd "$TMP" || exit 2
if [ -z "$SAMPLES" ] || ! perf script -i "$SAMPLES/perf/first-touch-only.perf.data" >/dev/null 2>&1; then
  skip "perf script" "no recorded samples, or no perf, here"
  finish
fi
script() { perf script -i "$SAMPLES/perf/$1.perf.data" "${@:2}" 2>/dev/null; }
import() { "$BUILD/disco-record" import --format perf-script --force "$@" >summary 2>err; }

# imports LAYOUT (perf's own with "") with or without the list, and compares with perf script -F for each column
all_addresses() { script "$1" -F addr | awk '{print $1}'; }
layout() { # FILE SAMPLES LIST_GIVEN FIELDS
  local list=()
  [ "$3" = list ] && list=(--fields "$4")
  if [ -n "$4" ]; then script "$1" -F "$4" >text; else script "$1" >text; fi
  import "${list[@]}" -o p.db text
  check "$1, fields ${4:-of perf} ${3:+with --fields}: $2 samples" test "$(value p.db 'SELECT refs FROM trace')" = "$2"
  all_addresses "$1" >wanted
  refs p.db "printf('%x', addr)" >got
  check "... with perf's addresses" cmp wanted got
}
for file in ivybridge-e5-2650v2-c9973:125 ivybridge-e5-2650v2-c39891:31 ivybridge-e5-4610v2-4node-b:16; do
  samples=${file#*:} file=${file%:*}
  layout "$file" "$samples" "" ""
  layout "$file" "$samples" "" comm,pid,tid,time,event,addr,ip,data_src,weight
  layout "$file" "$samples" list pid,addr,data_src
  layout "$file" "$samples" list comm,tid,time,addr,weight
  layout "$file" "$samples" list comm,pid,tid,time,event,addr,ip,data_src,weight,period
  check "... all loads" test "$(value p.db 'SELECT loads = refs FROM trace')" = 1
  script "$file" -F data_src | while read -r word _; do echo $((16#$word)); done >wanted
  refs p.db "source" >got
  check "... with perf's data sources" cmp wanted got
  script "$file" -F weight | awk '{print $1}' >wanted
  refs p.db "latency" >got
  check "... and weights" cmp wanted got
  check "... no CPU is guessed, and a note says so" test "$(value p.db "SELECT count(cpu), (SELECT value FROM trace_note WHERE key = 'samples_without_cpu') FROM trace_stream")" = "0|$samples"
done
script ivybridge-e5-2650v2-c39891 >text
import -o c.db text
check "the constant period is what a sample stands for" test "$(value c.db 'SELECT refs_per_sample, sampled FROM trace')" = "39891|1"
import --cpu-map '997883=5' -o c.db text
check "--cpu-map gives CPUs" test "$(value c.db 'SELECT cpu FROM trace_stream')" = 5

for fields in comm,pid,tid,cpu,time,event,addr,ip,sym,dso comm,pid,tid,cpu,time,event,addr,ip tid,time,addr comm,tid,time,event,addr comm,tid,time,period,event,addr,ip,sym; do
  layout first-touch-only 3657 "" "$fields"
done
layout first-touch-only 3657 list addr
layout first-touch-only 3657 list comm,pid,tid,cpu,time,event,addr,ip,data_src,period
check "page faults are touches: nobody knows of what kind" test "$(value p.db 'SELECT touches = refs FROM trace')" = 1
check "kernel instructions are in kernel mode" test "$(refs p.db mode | grep -c kernel)" = "$(script first-touch-only -F ip | grep -c '^ *ffff')"
# the recording's own account: main touches 512 pages of each region, nobody else any
main=$(awk '/^main tid/ {print $3}' "$SAMPLES/perf/first-touch-only.truth.txt")
awk '/^region/ {print $2, $4, $6}' "$SAMPLES/perf/first-touch-only.truth.txt" | while read -r name start pages; do
  first=$((start / 4096))
  test "$(value p.db "SELECT count(DISTINCT page), min(tid), max(tid) FROM page_summary JOIN trace_stream USING (stream) WHERE page BETWEEN $first AND $first + $pages - 1")" = "$pages|$main|$main" || echo "$name"
done >wrong
check "every region's pages were touched by the thread that the truth names" test ! -s wrong

refused() { # FILE TEXT FIELDS...
  script "$1" "${@:3}" >text
  refuses "$1 is refused: $2" 1 "$2" "$BUILD/disco-record" import -f perf-script -o r.db text
}
refused addr-flag-cpu-clock-zero "event cpu-clock gives no addresses" -F comm,pid,tid,time,event,addr
refused addr-flag-cpu-clock-zero "event cpu-clock gives no addresses" -F comm,pid,tid,time,event,addr,ip
refused numa-topology-header-only "no sample (of 175) has an address"
refused piped-6.12 "no sample (of 9) has an address"
refused damon_aggregated "no sample (of 10260) has an address"
refused first-touch-only "no sample (of 3657) has an address"
refused ivybridge-e5-2650v2-c9973 "--fields" -F comm,tid,time,addr,weight
refused first-touch-only "--fields" -F addr
check "no trace is left of any of them" test ! -e r.db
refuses "a field that cannot be imported is named" 2 "'brstack' cannot be imported" "$BUILD/disco-record" import -f perf-script --fields tid,brstack -o r.db text
refuses "a CPU map that is none is refused" 2 "is not TID=CPU" "$BUILD/disco-record" import -f perf-script --cpu-map 1:2 -o r.db text
finish
