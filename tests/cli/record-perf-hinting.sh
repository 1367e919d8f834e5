#!/bin/bash
# NUMA hinting faults: pages are seen again and again, and the system's setting is put back however
# the recorder ends.
set -u
source "$(dirname "$0")/../lib.sh"
RECORD=$BUILD/disco-record
SWITCH=/proc/sys/kernel/numa_balancing
STATE=/run/disco-hinting.state LOCK=/run/disco-hinting.lock

if [ "$(id -u)" != 0 ] || [ ! -w $SWITCH ]; then
  skip "NUMA hinting faults" "needs root and a kernel with NUMA balancing"
  finish
fi
# The switch is the system's, and other tests record too. Recorders hold a lock on the state file as
# long as they need it, and take it under the other one only, as must who looks.
value_when_unused() {
  local i
  for i in $(seq 600); do
    flock $LOCK flock --nonblock $STATE cat $SWITCH && return
    sleep 0.2
  done
}
before=$(value_when_unused)
if [ -z "$before" ]; then
  skip "NUMA hinting faults" "another recording has used them for two minutes"
  finish
fi
is_put_back() { [ "$(value_when_unused)" = "$before" ]; }
is_on() { [ $(($(cat $SWITCH) & 1)) = 1 ]; }

run "$RECORD" perf -e hinting -o "$TMP/n.db" sh -c "cat $SWITCH"
check "balancing is on while the command runs" test "$rc:$((out & 1))" = 0:1
check "...and put back when it has ended" is_put_back
check "it says that this is system-wide" grep -q 'whole system' <<<"$err"
check "the trace says what a sighting means" test "$(sqlite3 "$TMP/n.db" "SELECT count(*) FROM trace_note WHERE key = 'hinting' AND value LIKE '%not how often%'")" = 1
check "a sighting stands nominally for 64 references" test "$(sqlite3 "$TMP/n.db" 'SELECT refs_per_sample, sampled, event FROM trace')" = '64|1|hinting'
run "$RECORD" perf -e hinting --refs-per-sample 7 -o "$TMP/r.db" true
check "--refs-per-sample says otherwise" test "$(sqlite3 "$TMP/r.db" 'SELECT refs_per_sample FROM trace')" = 7
run "$RECORD" perf -e hinting -o "$TMP/x.db" "$TMP/nosuch"
check "it is put back when the command cannot be executed" is_put_back

for signal in INT TERM KILL; do
  rm -f "$TMP/pid"
  env --default-signal=INT "$RECORD" perf -e hinting -o "$TMP/$signal.db" -- sh -c "echo \$\$ >$TMP/pid; exec sleep 60" 2>/dev/null &
  recorder=$!
  check "balancing is on (before SIG$signal)" eventually is_on
  eventually test -s "$TMP/pid"
  kill -$signal $recorder
  wait $recorder 2>/dev/null
  check "it is put back after SIG$signal of the recorder" is_put_back
  kill "$(cat "$TMP/pid")" 2>/dev/null
done

"$RECORD" perf -e hinting -o "$TMP/two1.db" sleep 600 2>/dev/null &
first=$!
eventually is_on
run "$RECORD" perf -e hinting -o "$TMP/two2.db" sleep 0.2
check "the first of two recorders to end leaves it on" is_on
kill $first
wait $first
check "...and the last puts it back" is_put_back

run "$RECORD" perf -e hinting --scan-period-ms 200 -o "$TMP/s.db" true
check "a scan period is set, or it is said why not" test "$rc:$(grep -Ec 'scan period stays' <<<"$err")" = 0:"$(sqlite3 "$TMP/s.db" "SELECT value LIKE '%scan period stays%' FROM trace_note WHERE key = 'hinting'")"

# The demonstration program without --drop: what is seen again is seen by hinting alone. The kernel first scans when
# a thread has had 1 s of CPU time, and again after as much: on a busy machine that is long, so 4 s of it.
if cc -D_GNU_SOURCE -O2 -pthread "$ROOT/tests/demo/threads.c" -o "$TMP/threads"; then
  run "$RECORD" perf -e hinting -o "$TMP/h.db" "$TMP/threads" --threads 2 --pages 64 --words 10000 --rounds 1000000 --cpu-seconds 4
  check "the demonstration program computes the right answers" test "$rc:$(grep -c WRONG <<<"$out")" = 0:0
  regions="FROM page_summary p JOIN trace_region g ON g.space = p.space AND p.page * 4096 >= g.start AND p.page * 4096 < g.\"end\" JOIN trace_stream s USING (stream)"
  seen=$(sqlite3 "$TMP/h.db" "SELECT count(*) $regions WHERE g.name GLOB 'private-*' AND s.name = 'worker-' || substr(g.name, 9)")
  strange=$(sqlite3 "$TMP/h.db" "SELECT count(*) $regions WHERE g.name GLOB 'private-*' AND s.name NOT IN ('worker-' || substr(g.name, 9), 'threads')")
  if [ "$seen" = 0 ]; then
    skip "resident pages are seen again" "no hinting fault in 4 s of CPU time here (no mbind?)"
  else
    check "all private pages are seen again by their own thread" test "$seen" = 128
    check "...and by no other" test "$strange" = 0
  fi
fi
finish
