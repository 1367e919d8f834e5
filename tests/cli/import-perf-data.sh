#!/usr/bin/env bash
# disco-record import --format perf.data, judged field by field by perf script: recordings of others, and recordings made
# here of every shape that software events allow (pipe, compressed, several events, system-wide, physical addresses).
set -u
. "$(dirname "$0")/../lib.sh"
value() { sqlite3 "$1" "$2"; }
refs() { "$BUILD/disco-sql" -c -n p.db "SELECT $1 FROM refs ORDER BY ref" | tr -d '\r'; }
import() { "$BUILD/disco-record" import --format perf.data --force "$@"; }
cd "$TMP" || exit 2
if ! perf --version >/dev/null 2>&1; then
  skip "perf.data" "there is no perf here to judge"
  finish
fi

# what perf script prints in one field, for samples with an address; empty where they do not have the field
printed() { # FILE FIELD
  case "$2" in
  addr) perf script -i "$1" -F addr 2>/dev/null | awk '$1 != "0" {print $1}' ;;
  ip | data_src | weight | phys_addr) perf script --ns -G -i "$1" -F "addr,$2" 2>/dev/null | awk '$1 != "0" && NF {print $2}' ;;
  *) perf script --ns -i "$1" -F "$2,addr" 2>/dev/null | awk '$NF != "0" && NF {$NF = ""; sub(/ *:? *$/, ""); print}' ;;
  esac
}
# each field of each reference; perf's time in ns from the first, in awk's whole numbers below 2^53
compare() { # WHAT FILE
  printed "$2" addr >wanted
  refs "printf('%x', addr)" >got
  check "$1: perf's addresses, in perf's order" cmp wanted got
  local field as
  while read -r field as; do
    printed "$2" "$field" >wanted
    [ -s wanted ] || continue
    if [ "$field" = time ]; then
      awk '{split($1, t, "."); if (NR == 1) {s = t[1]; n = t[2]} printf "%.0f\n", (t[1] - s) * 1000000000 + t[2] - n}' wanted >in_ns
      mv in_ns wanted
    fi
    refs "$as" >got
    check "... perf's $field" cmp wanted got
  done <<'END'
time time
ip printf('%x',ip)
period weight
cpu printf('[%03d]',cpu)
data_src printf('%x',source)
weight latency
phys_addr printf('%x',phys)
END
  if [ -n "$(printed "$2" pid,tid)" ]; then
    printed "$2" pid,tid | tr -d ' ' >wanted
    refs "(SELECT pid || '/' || tid FROM trace_stream s WHERE s.stream = refs.stream)" >got
    check "... perf's process and thread" cmp wanted got
  fi
}

i=0
for options in "-e page-faults -c 1" "-z -e page-faults -c 1" "-a --phys-data -e page-faults -e minor-faults -c 1" \
  "-g -e page-faults -c 1 --sample-cpu" "-e page-faults -e cpu-clock -c 1"; do
  i=$((i + 1))
  # shellcheck disable=SC2086
  if perf record -q -d $options -o "$i.data" -- find /usr/include/linux -name 's*.h' >/dev/null 2>&1; then
    check "a recording with $options is imported" import -o p.db "$i.data"
    compare "... it" "$i.data"
  else
    skip "perf record $options" "not possible here"
  fi
done
if perf record -q -d -e page-faults -c 1 -o - -- ls / 2>/dev/null </dev/null >pipe.data; then
  check "a recording through a pipe is imported" sh -c "'$BUILD/disco-record' import -f perf.data --force -o p.db - <pipe.data"
  perf script -i pipe.data -F addr 2>/dev/null | awk '$1 != "0" {print $1}' >wanted
  refs "printf('%x', addr)" >got
  tail -n "$(wc -l <got)" wanted >last # what ls printed is not in the way: perf writes only records
  check "... perf's addresses" cmp last got
  gzip -k pipe.data
  check "... also packed" import -o p.db pipe.data.gz
fi
if [ -s 1.data ]; then
  bytes=$(stat -c %s 1.data)
  head -c $((bytes / 2)) 1.data >cut.data
  refuses "a recording that was cut off is an error" 1 "cut.data: " import -o cut.db cut.data
  check "... what came before is kept, marked as cut off" test "$(value cut.db 'SELECT refs > 0, complete FROM trace')" = "1|0"
  check "--skip-bad goes on" import --skip-bad -o skip.db cut.data
fi
refuses "what is no perf.data is refused" 1 "is no perf.data" import -o no.db "$ROOT/README.md"

if [ -z "$SAMPLES" ]; then
  skip "recordings of others" "no recorded samples here"
  finish
fi
for file in ivybridge-e5-2650v2-c9973:125 ivybridge-e5-2650v2-c39891:31 ivybridge-e5-4610v2-4node-b:16 first-touch-only:3657; do
  samples=${file#*:} file=${file%:*}
  check "$file is imported" import -o p.db "$SAMPLES/perf/$file.perf.data"
  check "... $samples samples" test "$(value p.db 'SELECT refs FROM trace')" = "$samples"
  compare "... it" "$SAMPLES/perf/$file.perf.data"
  perf script -i "$SAMPLES/perf/$file.perf.data" -F comm,tid 2>/dev/null | awk '{tid = $NF; $NF = ""; sub(/ $/, ""); name[tid] = $0} END {for (t in name) print t "|" name[t]}' | sort >wanted
  value p.db 'SELECT tid, name FROM trace_stream' | sort >got
  check "... perf's names of threads" cmp wanted got
done
import -o p.db "$SAMPLES/perf/ivybridge-e5-2650v2-c39891.perf.data" >/dev/null
check "the event's period is what a sample stands for" test "$(value p.db 'SELECT refs_per_sample FROM trace')" = 39891
check "the nodes are noted" test "$(value p.db "SELECT value FROM trace_note WHERE key = 'node_1'")" = "CPUs 8-15,24-31, 67108864 kB"
check "the host is known" test "$(value p.db 'SELECT host FROM trace')" = "$(perf report --header-only -i "$SAMPLES/perf/ivybridge-e5-2650v2-c39891.perf.data" 2>/dev/null | sed -n 's/^# hostname : //p')"
check "samples without a CPU have none" test "$(value p.db "SELECT count(cpu), (SELECT value FROM trace_note WHERE key = 'samples_without_cpu') FROM trace_stream")" = "0|31"
check "--cpu-map gives one" import --cpu-map '997883=9' -o p.db "$SAMPLES/perf/ivybridge-e5-2650v2-c39891.perf.data"
check "... and the file its node" test "$(value p.db 'SELECT cpu, node FROM trace_stream')" = "9|1"

# DAMON's regions, as perf script prints the tracepoint: target_id=T nr_regions=N START-END: ACCESSES
damon=$SAMPLES/perf/damon_aggregated.perf.data
check "DAMON's regions are imported" import -o p.db "$damon"
perf script -i "$damon" 2>/dev/null | awk '{split($(NF - 1), r, "[-:]"); if ($NF > 0) printf "%s:%.0f:%s\n", r[1], r[2] - r[1], $NF}' >wanted
refs "printf('%d:%d:%d', addr, size, weight)" >got
check "... start, bytes and accesses of each that was in use" cmp wanted got
check "... and the others are counted: 10,260 in all" test "$(value p.db "SELECT refs + (SELECT value FROM trace_note WHERE key = 'regions_not_in_use') FROM trace")" = 10260

refuses "address 0 is no address" 1 "every sample (1) has address 0: event cpu-clock gives no addresses" import -o no.db "$SAMPLES/perf/addr-flag-cpu-clock-zero.perf.data"
refuses "samples without addresses are refused" 1 "no sample (of 175) has an address" import -o no.db "$SAMPLES/perf/numa-topology-header-only.perf.data"
refuses "... also through a pipe, of attributes that perf 6.1 does not know" 1 "no sample (of 9) has an address" import -o no.db "$SAMPLES/perf/piped-6.12.perf.data"
for file in "$SAMPLES"/perf/damaged/*; do
  refuses "$(basename "$file") is one line of error" 1 "$(basename "$file"): " import -o no.db "$file"
done
check "none of them leaves a trace" test ! -e no.db
finish
