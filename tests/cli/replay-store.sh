#!/usr/bin/env bash
# disco-replay and its database: results are all there or none, whatever happens meanwhile.
set -u
. "$(dirname "$0")/../lib.sh"
replay=$BUILD/disco-replay
trace=$TMP/trace.db
is() {
  if [ "$2" = "$3" ]; then ok "$1"; else fail "$1" "wanted '$3', got '$2'"; fi
}
runs() { sqlite3 "$1" 'SELECT count(*) FROM run'; }
# four threads, pages that some share, some references many times: several blocks
awk 'BEGIN { for (i = 0; i < 120000; i++) { t = i % 4; p = (i * 7919) % 997; print t, (i % 5 ? "r" : "w"), p * 4096 + t } }' >"$TMP/trace.txt"
check "the trace is made" "$BUILD/disco-record" import --format text --base 10 --columns tid,kind,addr -o "$trace" "$TMP/trace.txt"

# ---- where results go
run "$replay" --results "$TMP/results.db" "$trace"
is "--results makes the file" "$rc:$(runs "$TMP/results.db")" "0:4"
is "and leaves the trace's database alone" "$(runs "$trace")" 0
run "$replay" --results "$TMP/results.db" --policy bind "$trace"
is "a second command adds to it" "$(sqlite3 "$TMP/results.db" 'SELECT max(run_id) FROM run')" 5
run "$replay" --results "$trace" --policy bind "$trace"
is "--results may name the trace itself" "$rc:$(runs "$trace")" "0:1"
together=0
for round in 1 2 3 4 5; do
  rm -f "$TMP/new.db"
  for policy in first-touch bind random; do
    "$replay" --results "$TMP/new.db" --policy $policy "$trace" >/dev/null 2>>"$TMP/.together" &
    sleep 0.0$round
  done
  wait
  together=$((together + $(runs "$TMP/new.db")))
done
is "several replays at once into one new file all get there" "$together:$(cat "$TMP/.together")" "15:"
is "and leave nothing else" "$(ls "$TMP" | grep -c '^new.db')" 1
refuses "results in a file without a name" 2 "no file named" "$replay" --results "" "$trace"
head -1000 "$TMP/trace.txt" >"$TMP/other.txt"
check "another trace is made" "$BUILD/disco-record" import --format text --base 10 --columns tid,kind,addr -o "$TMP/other.db" "$TMP/other.txt"
refuses "results of two traces in one file" 1 "holds results of another trace; name another --results FILE" "$replay" --results "$TMP/results.db" "$TMP/other.db"
refuses "results in another trace" 1 "is another trace" "$replay" --results "$TMP/other.db" "$trace"
echo "some text that is no database, but long enough to be looked at as one" >"$TMP/text"
refuses "results in a file that is no database" 1 "$TMP/text: " "$replay" --results "$TMP/text" "$trace"
sqlite3 "$TMP/foreign.db" 'CREATE TABLE t(x)'
refuses "results in a database of somebody else" 1 "not a database of Disco" "$replay" --results "$TMP/foreign.db" "$trace"
cp "$TMP/results.db" "$TMP/future.db"
sqlite3 "$TMP/future.db" 'PRAGMA user_version = 99'
refuses "results in a database of a future version" 1 "has schema version 99" "$replay" --results "$TMP/future.db" "$trace"
refuses "results in a folder that is not there" 1 "$TMP/no/results.db: results cannot be written" "$replay" --results "$TMP/no/results.db" "$trace"

# ---- read-only, as a user for whom it is
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
  mkdir -m 755 "$TMP/readonly"
  cp "$trace" "$TMP/readonly/trace.db"
  chmod 444 "$TMP/readonly/trace.db"
  cp "$replay" "$TMP/disco-replay"
  chmod 755 "$TMP"
  as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
  refuses "a trace that is read-only, with what to do" 1 "use --results FILE, or --no-results" as_nobody "$TMP/disco-replay" "$TMP/readonly/trace.db"
  chmod 666 "$TMP/readonly/trace.db"
  refuses "a folder that is read-only, before the replay" 1 "use --results FILE, or --no-results" as_nobody "$TMP/disco-replay" "$TMP/readonly/trace.db"
  mkdir -m 777 "$TMP/writable"
  run as_nobody "$TMP/disco-replay" --results "$TMP/writable/results.db" "$TMP/readonly/trace.db"
  is "and that does it" "$rc:$(runs "$TMP/writable/results.db")" "0:4"
else
  skip "read-only traces" "not root, or no setpriv"
fi

# ---- a full disk
if [ "$(id -u)" = 0 ] && mkdir "$TMP/small" && mount -t tmpfs -o size=400k tmpfs "$TMP/small" 2>/dev/null; then
  run "$replay" --policy all --results "$TMP/small/results.db" "$trace"
  full=$rc:$(printf '%s\n' "$err" | wc -l)
  said=$err
  left=$(sqlite3 "$TMP/small/results.db" 'SELECT count(*) FROM run' 2>/dev/null || echo 0)
  umount "$TMP/small"
  is "a full disk is one line of error" "$full" "1:1"
  check "that says so: $said" grep -q "full" <<<"$said"
  is "and leaves no part of the results" "$left" 0
else
  skip "a full disk" "not root, or no tmpfs"
fi

# ---- somebody else writes
mkfifo "$TMP/fifo"
sqlite3 "$trace" <"$TMP/fifo" >/dev/null 2>&1 &
holder=$!
exec 3>"$TMP/fifo"
printf 'BEGIN IMMEDIATE;\n.shell touch %s\n' "$TMP/begun" >&3
eventually test -e "$TMP/begun"
before=$(runs "$trace")
refuses "a database that another program writes, after some waiting" 1 "another program writes it" "$replay" "$trace"
exec 3>&-
wait "$holder"

# ---- stopped and killed
mkdir "$TMP/stop"
cp "$trace" "$TMP/stop/trace.db"
for signal in INT TERM; do
  # a script's background jobs ignore SIGINT, unless told otherwise
  python3 - "$replay" "$TMP/stop/trace.db" "$signal" "$TMP/.stopped" <<'PY'
import signal, subprocess, sys, time
replay, trace, name, out = sys.argv[1:]
signal.signal(signal.SIGINT, signal.default_int_handler)
p = subprocess.Popen([replay, "--policy", "all", "--check=20", trace], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                     preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
time.sleep(1)
p.send_signal(getattr(signal, "SIG" + name))
stdout, stderr = p.communicate()
open(out, "w").write("%d|%s|%s" % (p.returncode, stdout.decode(), stderr.decode()))
PY
  is "SIG$signal ends it with one line" "$(cat "$TMP/.stopped")" "1||disco-replay: stopped by a signal; no results were written"
  is "and nothing is written" "$(runs "$TMP/stop/trace.db")" "$before"
done
# on a terminal, work longer than a second shows how far it is
seen=$(python3 - "$replay" "$TMP/stop/trace.db" <<'PY'
import os, pty, subprocess, sys, time
master, slave = pty.openpty()
p = subprocess.Popen([sys.argv[1], "--check=20", "--threads=1", "--no-results", sys.argv[2]], stdout=subprocess.DEVNULL, stderr=slave)
os.close(slave)
text = b""
while b"references" not in text:
    try:
        text += os.read(master, 1000)
    except OSError:
        break
p.kill()
p.wait()
print(text.decode(errors="replace"))
PY
)
check "progress is shown on a terminal" grep -q "replaying.*references" <<<"$seen"
whole=0 killed=0 policies=$("$replay" --list-policies | grep -c '^[a-z]')
for delay in 0.01 0.05 0.1 0.15 0.2 0.25 0.3 0.4 0.5 0.7; do
  "$replay" --policy all "$TMP/stop/trace.db" >/dev/null 2>&1 &
  victim=$!
  sleep "$delay"
  kill -9 "$victim" 2>/dev/null && killed=$((killed + 1))
  wait "$victim" 2>/dev/null
  counts=$(sqlite3 "$TMP/stop/trace.db" "PRAGMA integrity_check;
    SELECT ((SELECT count(*) FROM run) - $before) % $policies, (SELECT count(DISTINCT run_id) FROM run_page) = (SELECT count(*) FROM run)" | tr '\n' ' ')
  [ "$counts" = "ok 0|1 " ] && whole=$((whole + 1))
done 2>/dev/null
check "kill -9 at ten instants ($killed in time) leaves all runs of a command or none" test "$whole" = 10
finish
