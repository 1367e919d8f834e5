#!/usr/bin/env bash
# A full disk, a read-only folder, and two writers: each ends in one clear line, and what was
# committed stays.
set -u
. "$(dirname "$0")/../lib.sh"
record="$BUILD/disco-record import --format lackey"

awk 'BEGIN { srand(1); for (i = 0; i < 150000; i++) printf " S %09x,8\n", 1073741824 + 64 * int(rand() * 1048576) }' >"$TMP/lines"
# $1 parts of the lines, with a pause after each, so that commits come between
slowly() { for _ in $(seq "$1"); do cat "$TMP/lines"; sleep 0.4; done; }

mkdir "$TMP/small" "$TMP/closed"
if [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=3m disco-test "$TMP/small" 2>/dev/null; then
  trap 'umount "$TMP/small" 2>/dev/null; umount "$TMP/closed" 2>/dev/null; rm -rf "$TMP"' EXIT
  slowly 20 2>/dev/null | $record -o "$TMP/small/full.db" - >/dev/null 2>"$TMP/err"
  rc=${PIPESTATUS[1]}
  if [ "$rc" = 1 ] && [ "$(wc -l <"$TMP/err")" = 1 ] && grep -q 'disk is full' "$TMP/err"; then ok "a full disk is one clear line"
  else fail "a full disk" "exit $rc: $(cat "$TMP/err")"; fi
  check "what was committed is intact" "$BUILD/disco-trace" verify "$TMP/small/full.db"
  refs=$(sqlite3 "$TMP/small/full.db" 'SELECT refs FROM trace WHERE complete = 0')
  check "it is marked as cut off, and holds references" test "${refs:-0}" -gt 0
  check "and sqlite3 counts as many by page" test "$(sqlite3 "$TMP/small/full.db" 'SELECT sum(stores) FROM page_summary')" = "$refs"
  rm -f "$TMP"/small/*
  dd if=/dev/zero of="$TMP/small/fill" bs=4k 2>/dev/null
  refuses "a disk that is full from the start" 1 "" $record -o "$TMP/small/none.db" "$TMP/lines"
  umount "$TMP/small"
else
  skip "a full disk" "needs root, to mount a small tmpfs"
fi

$record -o "$TMP/closed/t.db" "$TMP/lines" >/dev/null 2>&1
if [ "$(id -u)" = 0 ]; then mount --bind "$TMP/closed" "$TMP/closed" 2>/dev/null && mount -o remount,ro,bind "$TMP/closed" 2>/dev/null && closed=1
else chmod 555 "$TMP/closed" && closed=1; fi
if [ -n "${closed:-}" ]; then
  check "a trace in a read-only folder can be checked" "$BUILD/disco-trace" verify "$TMP/closed/t.db"
  check "and asked" "$BUILD/disco-sql" "$TMP/closed/t.db" 'SELECT count(*) FROM refs'
  check "and read by sqlite3" sqlite3 "file:$TMP/closed/t.db?mode=ro" 'SELECT sum(stores) FROM page_summary'
  refuses "recording into a read-only folder is refused" 1 "cannot be made" $record -o "$TMP/closed/new.db" "$TMP/lines"
  refuses "and so is replacing a trace there" 1 "" $record --force -o "$TMP/closed/t.db" "$TMP/lines"
  if [ "$(id -u)" = 0 ]; then umount "$TMP/closed"; else chmod 755 "$TMP/closed"; fi
else
  skip "a read-only folder" "could not be made"
fi

mkfifo "$TMP/go"
{ slowly 10; cat "$TMP/go"; } | $record -o "$TMP/two.db" - >/dev/null 2>"$TMP/first" &
first=$!
eventually test -s "$TMP/two.db"
refuses "a second writer of one name is refused" 1 "exists" $record -o "$TMP/two.db" "$TMP/lines"
refuses "also when it may replace" 1 "another program is writing it" $record --force -o "$TMP/two.db" "$TMP/lines"
refuses "and a reader is told to wait" 1 "another program is writing it" "$BUILD/disco-trace" info "$TMP/two.db"
: >"$TMP/go"
wait "$first"
check "the first writer did not notice" test ! -s "$TMP/first"
check "its trace is whole" "$BUILD/disco-trace" verify "$TMP/two.db"
check "with all its references" test "$(sqlite3 "$TMP/two.db" 'SELECT refs FROM trace WHERE complete = 1')" = 1500000
check "now it can be replaced" $record --force -o "$TMP/two.db" "$TMP/lines"
sqlite3 "$TMP/other.db" 'CREATE TABLE t (x)'
refuses "what is no trace is not replaced" 1 "not a trace" $record --force -o "$TMP/other.db" "$TMP/lines"
mkfifo "$TMP/fifo"
mknod "$TMP/device" c 1 3 2>/dev/null || ln -s /dev/null "$TMP/device" # the system's own is not at risk
for other in "$TMP/fifo" "$TMP/device" "$TMP"; do
  refuses "nor is $(stat -c %F "$other")" 1 "not a trace" $record --force -o "$other" "$TMP/lines"
done
check "and is left as it was" test "$(sqlite3 "$TMP/other.db" '.tables')" = t
finish
