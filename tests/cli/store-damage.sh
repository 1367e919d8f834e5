#!/usr/bin/env bash
# Damaged files: every flipped bit and every truncation ends in an answer, never in a crash, and
# verify says exactly what is intact. Files that are no traces are refused in one line.
set -u
. "$(dirname "$0")/../lib.sh"
SEED=${DISCO_SEED:-1}
RANDOM=$SEED
trace=$BUILD/disco-trace

awk -v seed="$SEED" 'BEGIN { srand(seed); for (i = 0; i < 100000; i++) {
  printf "I  %08x,4\n", 4194304 + 4 * (i % 977); if (i % 3 == 0) printf " S %09x,8\n", 1073741824 + 64 * int(rand() * 1048576) } }' >"$TMP/lines"
"$BUILD/disco-record" import --format lackey -o "$TMP/good.db" "$TMP/lines" >/dev/null 2>&1
good=$TMP/good.db bad=$TMP/bad.db
size=$(stat -c %s "$good")
blocks=$(sqlite3 "$good" 'SELECT blocks FROM trace')
for ((n = 0; n < blocks; n++)); do "$trace" dump --blocks "$n" "$good" | cksum; done >"$TMP/sums"
whole=$("$trace" dump "$good" | cksum)
check "verify finds a good trace good" "$trace" verify "$good"

# The list "blocks 0-2 and 4 are intact" as numbers.
intact() {
  printf '%s\n' "$out" | sed -nE 's/^blocks? (.*) (is|are) intact.*/\1/p' | sed -E 's/ and |, /\n/g' |
    while IFS=- read -r a b; do [ -n "$a" ] && seq "$a" "${b:-$a}"; done
}
# What verify said of $bad must be true. Sets $why when it is not.
truth() {
  why=
  if [ "$rc" -gt 1 ]; then why="exit $rc: $err"; return; fi
  if [ "$rc" = 1 ] && [ "$(printf '%s\n' "$err" | wc -l)" != 1 ]; then why="not one line: $err"; return; fi
  if [ "$rc" = 0 ]; then
    [ "$("$trace" dump "$bad" 2>&1 | cksum)" = "$whole" ] || why="found intact, but it is not"
    return
  fi
  local n
  # where the file still opens, the blocks that are said to be intact must be what they were
  if "$trace" info "$bad" >/dev/null 2>&1; then
    for n in $(intact); do
      [ "$("$trace" dump --blocks "$n" "$bad" 2>&1 | cksum)" = "$(sed -n $((n + 1))p "$TMP/sums")" ] || why="block $n is not intact"
    done
  fi
}

wrong=0 noticed=0 flips=50
for ((i = 0; i < flips; i++)); do
  at=$(((RANDOM * 32768 + RANDOM) % size))
  cp "$good" "$bad"
  byte=$(od -An -tu1 -j "$at" -N1 "$good")
  printf "\\x$(printf %02x $((byte ^ (1 << RANDOM % 8))))" | dd of="$bad" bs=1 seek="$at" conv=notrunc 2>/dev/null
  run "$trace" verify "$bad"
  truth
  noticed=$((noticed + (rc == 1)))
  if [ -n "$why" ]; then fail "a flipped bit in byte $at of the file" "$why"; wrong=$((wrong + 1)); fi
  run "$BUILD/disco-sql" "$bad" 'SELECT count(*), sum(addr) FROM refs'
  if [ "$rc" -gt 1 ] || { [ "$rc" = 1 ] && [ "$(printf '%s\n' "$err" | wc -l)" != 1 ]; }; then
    fail "disco-sql on a flipped bit in byte $at" "exit $rc: $err"; wrong=$((wrong + 1)); fi
done
[ "$wrong" = 0 ] && ok "$flips flipped bits: verify told the truth each time, and found $noticed of them"
check "most flipped bits are found" test $((noticed * 2)) -gt "$flips"

wrong=0 kept=0
cuts=30
for ((i = 0; i < cuts; i++)); do
  length=$((i < 10 ? i * 4096 : i < 20 ? size - (i - 9) * 1024 : (RANDOM * 32768 + RANDOM) % size))
  [ "$length" -gt "$size" ] && continue
  head -c "$length" "$good" >"$bad"
  run "$trace" verify "$bad"
  truth
  [ "$rc" = 0 ] && why="found intact"
  [ -n "$(intact)" ] && kept=$((kept + 1))
  if [ -n "$why" ]; then fail "truncated to $length of $size bytes" "$why"; wrong=$((wrong + 1)); fi
  for command in "$trace info" "$trace dump" "$BUILD/disco-sql"; do
    run $command "$bad"
    if [ "$rc" -gt 1 ] || { [ "$rc" = 1 ] && [ "$(printf '%s\n' "$err" | wc -l)" != 1 ]; }; then
      fail "$command: truncated to $length bytes" "exit $rc: $err"; wrong=$((wrong + 1)); fi
  done
done
[ "$wrong" = 0 ] && ok "$cuts truncations: each one told, the intact blocks named in $kept of them"
check "the blocks before the cut are found" test "$kept" -gt 10

# one block replaced by sqlite3: exactly that one is named
for n in 0 $((blocks - 1)); do
  cp "$good" "$bad"
  sqlite3 "$bad" "UPDATE trace_block SET data = zeroblob(length(data)) WHERE block = $n"
  run "$trace" verify "$bad"
  if [ "$rc" = 1 ] && printf '%s' "$out" | grep -q "^block $n: checksum differs" && [ "$(intact | wc -l)" = $((blocks - 1)) ]; then
    ok "block $n zeroed: named, the others intact"; else fail "block $n zeroed" "$out $err"; fi
  refuses "and a query that needs it names it" 1 "block $n: checksum differs" "$BUILD/disco-sql" "$bad" 'SELECT sum(addr) FROM refs'
done
cp "$good" "$bad"
sqlite3 "$bad" "UPDATE trace_block SET min_addr = min_addr + 1 WHERE block = 1"
refuses "a row that does not fit its block is found" 1 "1 of $blocks blocks damaged" "$trace" verify "$bad"
cp "$good" "$bad"
sqlite3 "$bad" "DELETE FROM trace_block WHERE block = 1"
refuses "a missing block is found" 1 "1 of $blocks blocks damaged" "$trace" verify "$bad"
cp "$good" "$bad"
sqlite3 "$bad" "UPDATE page_summary SET loads = loads + 1 WHERE page = (SELECT min(page) FROM page_summary)"
refuses "a summary that does not add up is found" 1 "not the tables around them" "$trace" verify "$bad"

# verify and the commands that read must agree on what is a trace
while IFS='|' read -r what change; do
  cp "$good" "$bad"
  sqlite3 "$bad" "$change"
  for command in "$trace verify" "$trace info" "$trace dump" "$trace sample -r 2 --force -o $TMP/out.db"; do
    refuses "$what: ${command#"$trace "} refuses it by name" 1 "$bad" timeout 20 $command "$bad"
  done
done <<'END'
gaps in the streams|INSERT INTO trace_stream SELECT 4000000000, 0, 0, 0, 0, 0, 0, 'x'
a stream of no space|UPDATE trace_stream SET space = 77
no notes|DROP TABLE trace_note
no references per sample|UPDATE trace SET refs_per_sample = 0
negative references per sample|UPDATE trace SET refs_per_sample = -5
a clock without times|UPDATE trace SET time_unit = 'ns'
END
while IFS='|' read -r what change; do
  cp "$good" "$bad"
  sqlite3 "$bad" "$change"
  for command in "$trace verify" "$trace dump"; do
    refuses "$what: ${command#"$trace "} tells" 1 "$bad" timeout 20 $command "$bad"
  done
done <<'END'
a block that says it is of another time|UPDATE trace_block SET first_time = 9223372036854775807 WHERE block = 1
a block that says it begins elsewhere|UPDATE trace_block SET first_ref = 5 WHERE block = 1
blocks without end|UPDATE trace SET blocks = 1000000000000
END

sqlite3 "$TMP/other.db" 'CREATE TABLE t (x)'
cp "$good" "$TMP/future.db"
sqlite3 "$TMP/future.db" 'PRAGMA user_version = 4711'
head -c 20000 /dev/urandom >"$TMP/noise.db"
: >"$TMP/empty.db"
for command in "$trace info" "$trace verify" "$trace dump" "$BUILD/disco-sql"; do
  name=${command##*/}
  refuses "$name: a database that is no trace" 1 "a database, but not a trace" $command "$TMP/other.db"
  refuses "$name: a trace of a version to come, by its number" 1 "version 4711" $command "$TMP/future.db"
  refuses "$name: no database" 1 "not a database" $command "$TMP/noise.db"
  refuses "$name: an empty file" 1 "before its first commit" $command "$TMP/empty.db"
  refuses "$name: a folder" 1 "a folder" $command "$TMP"
  refuses "$name: no file" 1 "No such file" $command "$TMP/none.db"
done
finish
