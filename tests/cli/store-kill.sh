#!/usr/bin/env bash
# A recording killed at any instant leaves a trace that opens, is marked as cut off, and holds
# everything up to its last commit. Judged by sqlite3 itself.
set -u
. "$(dirname "$0")/../lib.sh"
SEED=${DISCO_SEED:-1}

# 2 million lines: loops over code and over data
awk -v seed="$SEED" 'BEGIN { srand(seed); for (i = 0; i < 100000; i++) {
  printf "I  %08x,4\n", 4194304 + 4 * (i % 977); printf " L %09x,8\n", 1073741824 + 64 * int(rand() * 65536) } }' >"$TMP/part"
for _ in 1 2 3 4 5 6 7 8 9 10; do cat "$TMP/part"; done >"$TMP/lines"

# One recording, killed after $2 seconds.
record_and_kill() {
  local db=$TMP/kill$1.db pid
  (while cat "$TMP/lines"; do :; done) 2>/dev/null | "$BUILD/disco-record" import --format lackey -o "$db" - >/dev/null 2>&1 &
  pid=$!
  sleep "$2"
  kill -9 "$pid"
  wait "$pid"
} 2>/dev/null

judge() {
  local db=$TMP/kill$1.db what="killed after $2 s" state sums
  if [ ! -e "$db" ]; then ok "$what: before there was a file"; return; fi
  if [ "$(sqlite3 "$db" 'PRAGMA integrity_check' 2>&1)" != ok ]; then fail "$what" "integrity_check: $(sqlite3 "$db" 'PRAGMA integrity_check' 2>&1)"; return; fi
  if [ "$(sqlite3 "$db" "SELECT count(*) FROM sqlite_schema WHERE name = 'trace'")" = 0 ]; then
    refuses "$what: empty, and told so" 1 "before its first commit" "$BUILD/disco-trace" verify "$db"
    return
  fi
  state=$(sqlite3 "$db" 'SELECT complete FROM trace')
  sums=$(sqlite3 "$db" 'SELECT t.refs, (SELECT ifnull(sum(refs), 0) FROM trace_block), t.fetches + t.loads,
    (SELECT ifnull(sum(fetches + loads + stores + touches), 0) FROM page_summary),
    t.blocks = (SELECT count(*) FROM trace_block) FROM trace t')
  run "$BUILD/disco-trace" verify "$db"
  if [ "$state" != 0 ]; then fail "$what" "complete is $state"
  elif [[ ! $sums =~ ^([0-9]+)\|([0-9]+)\|([0-9]+)\|([0-9]+)\|1$ ]] || [ "${BASH_REMATCH[1]}" != "${BASH_REMATCH[2]}" ] ||
    [ "${BASH_REMATCH[1]}" != "${BASH_REMATCH[3]}" ] || [ "${BASH_REMATCH[1]}" != "${BASH_REMATCH[4]}" ]; then fail "$what" "counts: $sums"
  elif [ "$rc" != 0 ]; then fail "$what" "verify: $out $err"
  else
    ok "$what: cut off, with ${BASH_REMATCH[1]} references intact"
    held=$((held + (${BASH_REMATCH[1]} > 0)))
  fi
}

held=0
RANDOM=$SEED
for pair in 1 3 5 7 9 11 13 15 17 19; do
  first=$(printf '%d.%03d' $((RANDOM % 3)) $((RANDOM % 1000)))
  second=$(printf '%d.%03d' $((RANDOM % 3)) $((RANDOM % 1000)))
  record_and_kill $pair "$first" &
  record_and_kill $((pair + 1)) "$second" &
  wait
  judge $pair "$first"
  judge $((pair + 1)) "$second"
  rm -f "$TMP"/kill*.db*
done
check "some of them had committed references" test "$held" -gt 3

# What random instants seldom meet: killed in the middle of a commit, with a hot journal beside the file.
"$BUILD/disco-record" import --format lackey -o "$TMP/hot.db" "$TMP/part" >/dev/null 2>&1
sum='SELECT sum(loads), (SELECT loads FROM trace) FROM page_summary'
before=$(sqlite3 "$TMP/hot.db" "$sum")
mkfifo "$TMP/sql"
sqlite3 "$TMP/hot.db" <"$TMP/sql" >/dev/null 2>&1 &
shell=$!
exec 9>"$TMP/sql"
echo 'PRAGMA cache_size = 1; BEGIN; UPDATE page_summary SET loads = loads + 1;' >&9
eventually test -s "$TMP/hot.db-journal" && sleep 0.2
{ kill -9 "$shell"; wait "$shell"; } 2>/dev/null
exec 9>&-
if [ ! -s "$TMP/hot.db-journal" ]; then skip "killed inside a commit" "no journal was left"; else
  mkdir "$TMP/closed"
  cp "$TMP/hot.db" "$TMP/hot.db-journal" "$TMP/closed"
  check "killed inside a commit: the half of it is undone by who reads it" "$BUILD/disco-trace" verify "$TMP/hot.db"
  check "and everything before is there" test "$(sqlite3 "$TMP/hot.db" "$sum")" = "$before"
  if [ "$(id -u)" = 0 ] && mount --bind "$TMP/closed" "$TMP/closed" 2>/dev/null && mount -o remount,ro,bind "$TMP/closed" 2>/dev/null; then
    refuses "and where it cannot be undone, in a read-only folder, that is said" 1 "killed in the middle of a commit" "$BUILD/disco-trace" info "$TMP/closed/hot.db"
    umount "$TMP/closed"
  else skip "a hot journal in a read-only folder" "needs root and mount"; fi
fi
finish
