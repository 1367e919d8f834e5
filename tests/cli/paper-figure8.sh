#!/usr/bin/env bash
# disco-replay makes the bars of IRIX in the Disco paper's Figure 8 (SOSP'97, section 5.5), which flat latencies do not:
# misses of 8 and 16 CPUs on pages of one node, on flash-8 and flash-16 with nothing else that costs time.
# tests/paper/figure8.c says where the figures are from.
set -u
. "$(dirname "$0")/../lib.sh"

bars() { # NAME PRESET CPUS WORK_NS UMA_BAR FLAT_BAR
  local machine=$TMP/$2.json trace=$TMP/$2.db
  "$BUILD/disco-replay" --machine "$2" --print-machine | python3 -c "
import json, sys
machine = json.load(sys.stdin)
machine['tlb'] = {'entries': 0}
machine['costs'] = {name: 0 for name in machine['costs']}
machine['costs']['data_reference_ps'] = $4 * 1000
json.dump(machine, sys.stdout)" >"$machine"
  awk -v cpus="$3" 'BEGIN {for (i = 0; i < 160000; i++) {cpu = int(i / 16) % cpus; printf "%d %d r 0x%x\n", 100 + cpu, cpu, 4096 * (1 + i % 7)}}' >"$TMP/$2.txt"
  check "$1: misses of $3 CPUs are imported" "$BUILD/disco-record" import --format text --columns tid,cpu,kind,addr -o "$trace" "$TMP/$2.txt"
  for contention in on off; do
    "$BUILD/disco-replay" --machine "$machine" --input misses --policy bind:node=0 --contention $contention --json "$trace" >"$TMP/out" 2>"$TMP/err"
    bar=$(python3 -c "
import json
run = json.load(open('$TMP/out'))['runs'][0]
# parts of the time are means over the CPUs
ns = $3 * (run['execution_ns'] + run['local_stall_ns'] + run['remote_stall_ns']) / run['references']
print('%.1f' % (ns / ($4 + 300) * $5))" 2>&1)
    if [ $contention = on ]; then expected=100; else expected=$6; fi
    if awk -v bar="$bar" -v expected="$expected" 'BEGIN {exit !(bar >= expected - 5 && bar <= expected + 5)}'; then
      ok "$1, contention $contention: $bar is $expected within 5"
    else
      fail "$1, contention $contention" "$bar is not $expected within 5; $(cat "$TMP/err")"
    fi
  done
}

bars Engineering flash-8 8 552 48.4 77
bars Raytrace flash-16 16 1698 49.4 63.5
finish
