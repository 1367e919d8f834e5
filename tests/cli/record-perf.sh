#!/bin/bash
# disco-record perf against programs whose page touches are known, and against perf itself.
set -u
source "$(dirname "$0")/../lib.sh"
RECORD=$BUILD/disco-record

# Thread T (toucher-T; T = 0 is main) writes 100 + 10 T pages of a mapping of its own, each once; with
# a second argument also a child, toucher-7. The mappings are made in a fixed order.
cat >"$TMP/touch.c" <<'C'
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
struct job {
    long number, pages;
    volatile char *at;
} jobs[8];
static void *touch(void *argument)
{
    struct job *job = argument;
    char name[16], line[80]; /* one write a line: threads and processes share the file */
    snprintf(name, sizeof name, "toucher-%ld", job->number);
    prctl(PR_SET_NAME, name);
    int length = snprintf(line, sizeof line, "%s %lu %lu\n", name, (unsigned long)job->at, job->pages);
    if (write(1, line, length) != length)
        abort();
    for (long page = 0; page < job->pages; page++)
        job->at[page * 4096] = 1;
    return NULL;
}
int main(int argc, char **argv)
{
    pthread_t thread[8];
    long threads = argc > 1 ? atol(argv[1]) : 3;
    for (long t = 0; t < 8; t++) {
        jobs[t].number = t;
        jobs[t].pages = 100 + 10 * t;
        jobs[t].at = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        madvise((void *)jobs[t].at, 1 << 20, MADV_NOHUGEPAGE);
    }
    for (long t = 1; t <= threads; t++)
        if (pthread_create(&thread[t], NULL, touch, &jobs[t]) != 0)
            return 1;
    for (long t = 1; t <= threads; t++)
        pthread_join(thread[t], NULL);
    if (argc > 2 && fork() == 0) { /* a child that touches pages of its own */
        touch(&jobs[7]);
        _exit(0);
    }
    touch(&jobs[0]);
    if (argc > 2)
        wait(NULL);
    if (argc > 3)
        sleep(atoi(argv[3]));
    return 0;
}
C
cc -O1 -pthread "$TMP/touch.c" -o "$TMP/touch" 2>"$TMP/cc.err" || { fail "the test program compiles" "$(cat "$TMP/cc.err")"; finish; }
if ! "$RECORD" perf -o "$TMP/probe.db" /bin/true 2>"$TMP/probe.err"; then
  skip "recording page faults" "not possible here: $(cat "$TMP/probe.err")"
  finish
fi
sql() { sqlite3 "$1" "$2"; }
# Does each line "NAME ADDRESS PAGES" have PAGES pages in the trace, all by stream NAME, each seen once?
pages_are_right() {
  local name at pages got
  while read -r name at pages; do
    got=$(sql "$1" "SELECT count(*) || ' ' || sum(touches) || ' ' || group_concat(DISTINCT s.name)
      FROM page_summary p JOIN trace_stream s USING (stream)
      WHERE page * 4096 >= $at AND page * 4096 < $at + $pages * 4096 ${3:-}")
    [ "$got" = "$pages $pages $name" ] || { echo "$name: $pages pages are '$got'"; return 1; }
  done <"$2"
}

# --- a program
check "an empty program is recorded" test "$(sql "$TMP/probe.db" 'SELECT complete, refs > 10, source, event FROM trace')" = '1|1|perf|page-faults'
run "$RECORD" perf -o "$TMP/t.db" -- "$TMP/touch" 3
printf '%s\n' "$out" >"$TMP/t.out"
check "every page is seen once, by the thread that touched it" pages_are_right "$TMP/t.db" "$TMP/t.out"
check "the end says how much was recorded" grep -Eq '^disco-record: [0-9]+ samples of 4 streams on [0-9]+ pages, 0 lost, in ' <<<"$err"
check "streams have CPU, process and thread" test "$(sql "$TMP/t.db" 'SELECT count(*), count(DISTINCT pid), count(DISTINCT tid), min(cpu) >= 0 FROM trace_stream')" = '4|1|4|1'
refs() { "$BUILD/disco-sql" --tabs --no-header "$1" "$2" | tr '\t' '|'; }
check "time never falls, and starts at the start" test "$(refs "$TMP/t.db" 'SELECT min(d) >= 0, min(time) < 1000000000 FROM (SELECT time, time - lag(time, 1, 0) OVER () AS d FROM refs)')" = '1|1'
check "streams are dispatched to the CPUs they run on" test "$(refs "$TMP/t.db" "SELECT count(DISTINCT e.stream), min(e.arg0 = s.cpu) FROM (SELECT stream, arg0, min(event + 65536 * block) FROM events WHERE type = 'dispatch' GROUP BY stream) e JOIN trace_stream s USING (stream)")" = '4|1'
check "the program's file is a region" test "$(sql "$TMP/t.db" "SELECT count(*) > 0 FROM trace_region WHERE name = 'touch' AND file LIKE '%/touch'")" = 1
check "lost records are noted also when there are none" test "$(sql "$TMP/t.db" "SELECT value FROM trace_note WHERE key = 'lost_records'")" = 0

# --- a program that forks
run "$RECORD" perf -o "$TMP/f.db" "$TMP/touch" 1 fork
printf '%s\n' "$out" | grep -v toucher-7 >"$TMP/f.parent"
printf '%s\n' "$out" | grep toucher-7 >"$TMP/f.child"
check "a parent's pages are its own after a fork" pages_are_right "$TMP/f.db" "$TMP/f.parent" "AND p.space = 0"
check "a child's pages are in an address space of their own" pages_are_right "$TMP/f.db" "$TMP/f.child" "AND p.space = 1"
check "the fork is in the trace" test "$(refs "$TMP/f.db" "SELECT arg0, arg1 FROM events WHERE type = 'fork'")" = '0|1'
check "the ends of threads are in the trace" test "$(refs "$TMP/f.db" "SELECT count(*) FROM events WHERE type = 'exit'")" -ge 2
run "$RECORD" perf -o "$TMP/e.db" -- sh -c '/bin/true; exec /bin/true'
check "an exec begins an address space" test "$(sql "$TMP/e.db" 'SELECT count(*) >= 3, sum(name = '"'true'"') FROM trace_space')" = '1|2'

# --- the command
run "$RECORD" perf -o "$TMP/s.db" -- sh -c 'exit 3'
check "a command's failure is reported and is not ours" test "$rc:$(grep -c 'exited with status 3' <<<"$err")" = 0:1
run "$RECORD" perf -o "$TMP/s9.db" -- sh -c 'kill -9 $$'
check "a command ended by a signal is reported" test "$rc:$(grep -c 'ended by signal 9' <<<"$err")" = 0:1
refuses "a command that does not exist" 1 'cannot be executed' "$RECORD" perf -o "$TMP/x.db" -- "$TMP/nosuch"
check "...leaves no trace" test ! -e "$TMP/x.db"
refuses "a command that is not executable" 1 'cannot be executed' "$RECORD" perf -o "$TMP/x.db" "$TMP/touch.c"
cp "$TMP/t.db" "$TMP/old.db"
refuses "a command that is not on the PATH" 1 'cannot be executed' "$RECORD" perf --force -o "$TMP/old.db" no-such-command
check "...and an older trace stays" cmp "$TMP/t.db" "$TMP/old.db"
check "a command's options are its own" test "$("$RECORD" perf -o "$TMP/o.db" echo -e -c -o 2>/dev/null)" = '-c -o'

# --- usage
for event in cpu-clock task-clock context-switches cs cpu-migrations alignment-faults dummy; do
  refuses "-e $event is refused: no address" 2 'gives no data address' "$RECORD" perf -e $event -o "$TMP/x.db" true
done
for event in cycles cache-misses mem-loads; do
  refuses "-e $event is refused: not in this version" 2 'not in this version' "$RECORD" perf -e $event -o "$TMP/x.db" true
done
refuses "-e of an unknown event" 2 '--list-events' "$RECORD" perf -e nonsense -o "$TMP/x.db" true
refuses "-c and -F together" 2 'exclude' "$RECORD" perf -c 1 -F 1 -o "$TMP/x.db" true
refuses "-p and a command" 2 'exclude' "$RECORD" perf -p 1 -o "$TMP/x.db" true
refuses "-p and -a" 2 'exclude' "$RECORD" perf -p 1 -a -o "$TMP/x.db"
refuses "nothing to record" 2 'nothing to record' "$RECORD" perf -o "$TMP/x.db"
refuses "no output" 2 '-o TRACE.db is missing' "$RECORD" perf true
for bad in '-c 0' '-c -1' '-c x' '-F 0' '-p 0' '-p 1x' '--duration 0' '--ring-kb 3' '--refs-per-sample 0' '--scan-period-ms 1'; do
  # shellcheck disable=SC2086 # an option and its value
  refuses "'$bad' is refused" 2 'is wanted' "$RECORD" perf $bad -o "$TMP/x.db" true
done
refuses "a ring that is no power of two" 2 'power of two' "$RECORD" perf --ring-kb 12 -o "$TMP/x.db" true
refuses "--scan-period-ms without hinting" 2 'goes with -e hinting' "$RECORD" perf --scan-period-ms 100 -o "$TMP/x.db" true
refuses "an impossible rate" 2 'max_sample_rate' "$RECORD" perf -F 1000000 -o "$TMP/x.db" true
refuses "a process that does not exist" 1 'there is no process' "$RECORD" perf -p 2147483647 -o "$TMP/x.db"
refuses "an output folder that does not exist" 1 "$TMP/none/x.db" "$RECORD" perf -o "$TMP/none/x.db" true
refuses "an output that exists" 1 "$TMP/t.db" "$RECORD" perf -o "$TMP/t.db" true
check "--force replaces it" "$RECORD" perf --force -o "$TMP/s.db" true
check "--help is complete" grep -q -- '--scan-period-ms' <<<"$("$RECORD" perf --help)"
check "--version" grep -q '^disco-record [0-9]' <<<"$("$RECORD" --version)"
check "--list-events names hinting" grep -q '^hinting' <<<"$("$RECORD" perf --list-events)"
refuses "an unknown source" 2 "no source 'nonsense'" "$RECORD" nonsense
refuses "no source" 2 'which source' "$RECORD"

# --- periods
"$RECORD" perf -c 10 -o "$TMP/c.db" "$TMP/touch" 3 >/dev/null 2>&1
check "-c 10 takes about a tenth, and says so" test "$(sql "$TMP/c.db" 'SELECT refs BETWEEN 20 AND 150, refs_per_sample, sampled FROM trace')" = '1|10|1'
"$RECORD" perf -F 1000 -o "$TMP/F.db" "$TMP/touch" 3 >/dev/null 2>&1
check "-F stores each sample's weight" test "$(sql "$TMP/F.db" 'SELECT refs > 0, refs_per_sample, columns & 32 FROM trace')" = '1|1|32'

# --- ends
# a program that touches pages all the time
cat >"$TMP/loop.c" <<'C'
#include <sys/mman.h>
#include <unistd.h>
int main(void)
{
    for (int i = 0; i < 10000; i++) { /* until it is killed; a hundred seconds if it is not */
        char *at = mmap(0, 64 * 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (int page = 0; page < 64; page++)
            at[page * 4096] = 1;
        munmap(at, 64 * 4096);
        usleep(10000);
    }
    return 0;
}
C
cc "$TMP/loop.c" -o "$TMP/loop"
"$RECORD" perf -o "$TMP/d.db" --duration 1 -- sleep 60 2>"$TMP/d.err"
check "--duration ends recording and command" test "$?:$(sql "$TMP/d.db" 'SELECT complete FROM trace')" = 0:1
for signal in INT TERM HUP; do
  rm -f "$TMP/pid"
  # a shell starts background jobs with SIGINT ignored, and the command would inherit that
  env --default-signal=INT "$RECORD" perf -o "$TMP/$signal.db" -- sh -c "echo \$\$ >$TMP/pid; exec sleep 60" 2>/dev/null &
  recorder=$!
  eventually test -s "$TMP/pid"
  kill -$signal $recorder
  wait $recorder
  check "SIG$signal ends a recording well" test "$?:$(sql "$TMP/$signal.db" 'SELECT complete FROM trace')" = 0:1
  check "...and reaches the command" test ! -d "/proc/$(cat "$TMP/pid")"
done
rm -f "$TMP/pid"
"$RECORD" perf -o "$TMP/K.db" -- sh -c "echo \$\$ >$TMP/pid; exec $TMP/loop" >/dev/null 2>&1 &
recorder=$!
eventually test -s "$TMP/pid"
for _ in 1 2 3; do # commits, a second apart
  touch "$TMP/mark"
  eventually test "$TMP/K.db" -nt "$TMP/mark"
done
kill -9 $recorder
wait $recorder 2>/dev/null
check "a killed recorder leaves what it committed, marked as cut off" test "$(sql "$TMP/K.db" 'SELECT complete, refs > 300 FROM trace')" = '0|1'
kill "$(cat "$TMP/pid")"

# --- attaching
"$TMP/loop" &
target=$!
run "$RECORD" perf -p $target --duration 1 -o "$TMP/p.db"
check "-p records a running process" test "$(sql "$TMP/p.db" "SELECT complete, refs > 500, (SELECT name FROM trace_stream), (SELECT pid FROM trace_stream) FROM trace")" = "1|1|loop|$target"
check "...with the regions it had" test "$(sql "$TMP/p.db" "SELECT count(*) > 0 FROM trace_region WHERE name = 'loop'")" = 1
check "...and goes on without us" kill -0 $target
{ eventually test -s "$TMP/p2.db" && kill $target; } &
run timeout 60 "$RECORD" perf -p $target -o "$TMP/p2.db"
wait 2>/dev/null
check "-p ends with the process" test "$rc:$(sql "$TMP/p2.db" 'SELECT complete FROM trace')" = 0:1
if [ "$(id -u)" = 0 ]; then
  "$TMP/loop" &
  target=$!
  "$RECORD" perf -a --duration 1 -o "$TMP/a.db" 2>/dev/null &
  recorder=$!
  wait $recorder
  check "-a records the system, with names" test "$(sql "$TMP/a.db" "SELECT count(*) FROM trace_stream WHERE name = 'loop' AND pid = $target")" = 1
  check "...but not the recorder" test "$(sql "$TMP/a.db" "SELECT count(*) FROM trace_stream WHERE pid = $recorder")" = 0
  kill $target
  wait $target 2>/dev/null
  mkdir -m 777 "$TMP/user"
  chmod 755 "$TMP"
  if command -v setpriv >/dev/null && cp "$RECORD" "$TMP/user/" && [ "$(cat /proc/sys/kernel/perf_event_paranoid)" -ge 2 ]; then
    user() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
    [ "$(cat /proc/sys/kernel/perf_event_paranoid)" -gt 2 ] ||
      check "an ordinary user records own programs, in user mode" user "$TMP/user/disco-record" perf -o "$TMP/user/u.db" true
    refuses "an ordinary user may not record the system" 1 'root only' user "$TMP/user/disco-record" perf -a -o "$TMP/user/x.db"
    refuses "an ordinary user may not record another's process" 1 'root' user "$TMP/user/disco-record" perf -p 1 -o "$TMP/user/x.db"
    refuses "...and is told whose it is, where no setting is in the way" 1 "$([ "$(cat /proc/sys/kernel/perf_event_paranoid)" -le 2 ] && echo 'its owner')" user "$TMP/user/disco-record" perf -p 1 -o "$TMP/user/x.db"
    refuses "an ordinary user is told how to get hinting" 1 'sudo disco-record perf -e hinting' user "$TMP/user/disco-record" perf -e hinting -o "$TMP/user/x.db" true
    refuses "an ordinary user is told what fault-kinds needs" 1 'run as root' user "$TMP/user/disco-record" perf -e fault-kinds -o "$TMP/user/x.db" true
  fi
  run "$RECORD" perf -e fault-kinds -o "$TMP/k.db" "$TMP/touch" 3
  if [ "$rc" = 0 ]; then
    check "fault-kinds tells stores" test "$(sql "$TMP/k.db" 'SELECT stores >= 430, fetches > 0, loads > 0, touches FROM trace')" = '1|1|1|0'
  else
    skip "fault-kinds tells stores" "$err"
  fi
else
  skip "recording the whole system" "needs root"
fi

# --- a ring that is too small, and a recorder that does not get to run
cat >"$TMP/many.c" <<'C'
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>
int main(void)
{
    raise(SIGSTOP);
    char *at = mmap(0, 4000 * 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(at, 4000 * 4096, MADV_NOHUGEPAGE);
    for (int page = 0; page < 4000; page++)
        at[page * 4096] = 1;
    raise(SIGSTOP);
    at = mmap(0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at[0];
}
C
cc "$TMP/many.c" -o "$TMP/many"
is_stopped() { grep -q '^State:.T' "/proc/$1/status"; }
program_is_stopped() { is_stopped "$(cat "$TMP/pid")"; }
rm -f "$TMP/pid"
"$RECORD" perf --ring-kb 4 -o "$TMP/l.db" -- sh -c "echo \$\$ >$TMP/pid; exec $TMP/many" 2>"$TMP/l.err" &
recorder=$!
eventually program_is_stopped
kill -STOP $recorder
eventually is_stopped $recorder
kill -CONT "$(cat "$TMP/pid")"
eventually program_is_stopped # it has touched the pages
kill -CONT $recorder
sleep 2 # the ring is emptied: the next record can say how many did not fit
kill -CONT "$(cat "$TMP/pid")"
wait $recorder
check "lost records are counted" test "$(sql "$TMP/l.db" "SELECT CAST(value AS INTEGER) > 100, CAST(value AS INTEGER) + (SELECT refs FROM trace) >= 4000 FROM trace_note WHERE key = 'lost_records'")" = '1|1'
check "...and reported" grep -Eq '[1-9][0-9]+ lost' "$TMP/l.err"

# --- perf as the judge: one program, without address randomisation, twice
if command -v perf >/dev/null && setarch -R perf record -q -e page-faults -c 1 -d -o "$TMP/j.data" "$TMP/touch" 3 >"$TMP/j.out" 2>"$TMP/j.err"; then
  setarch -R "$RECORD" perf -o "$TMP/j.db" "$TMP/touch" 3 >/dev/null 2>&1
  perf script -i "$TMP/j.data" -F comm,addr 2>/dev/null | awk '{print $1, substr("0000000000000000" $2, length($2) + 1, 13)}' | sort -u >"$TMP/j.perf"
  sql "$TMP/j.db" "SELECT s.name || ' ' || printf('%013x', page) FROM page_summary JOIN trace_stream s USING (stream)" | sort -u >"$TMP/j.ours"
  # perf names a sample by the name at that moment, we by the last one: compare the touchers' mappings
  while read -r name at pages; do
    low=$(printf '%013x' $((at / 4096))) high=$(printf '%013x' $((at / 4096 + pages)))
    for who in perf ours; do
      awk -v n="$name" -v l="$low" -v h="$high" '$1 == n && $2 "" >= l "" && $2 "" < h ""' "$TMP/j.$who" >"$TMP/j.$who.$name"
    done
    check "perf script sees the same $pages pages of $name" cmp "$TMP/j.perf.$name" "$TMP/j.ours.$name"
    check "...and it is all of them" test "$(wc -l <"$TMP/j.perf.$name")" = "$pages"
  done <"$TMP/j.out"
else
  skip "perf as the judge" "perf does not work here"
fi
finish
