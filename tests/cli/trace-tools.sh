#!/usr/bin/env bash
# disco-trace info, dump, sample and merge: every option and every error.
set -u
. "$(dirname "$0")/../lib.sh"
trace=$BUILD/disco-trace
import="$BUILD/disco-record import"

awk 'BEGIN { srand(3); for (i = 0; i < 60000; i++) { printf "I  %08x,4\n", 4194304 + 4 * (i % 977)
  if (i % 3 == 0) printf " L %08x,8\n", 1073741824 + 64 * int(rand() * 4096); if (i % 7 == 0) printf " S %08x,1\n", 1073741824 + i } }' >"$TMP/lines"
$import --format lackey -o "$TMP/t.db" "$TMP/lines" >/dev/null 2>&1
lines=$(wc -l <"$TMP/lines")

run "$trace" info "$TMP/t.db"
check "info prints the source" grep -q '^source  *lackey' <<<"$out"
check "and the number of references" grep -q "^references  *$lines\$" <<<"$out"
run "$trace" info --json "$TMP/t.db"
check "info --json is an object that sqlite3 can read" test "$(sqlite3 :memory: "SELECT json_extract('$(tr -d "'" <<<"$out")', '\$.references')")" = "$lines"
check "fetches are what grep counts" test "$(sqlite3 :memory: "SELECT json_extract('$(tr -d "'" <<<"$out")', '\$.fetches')")" = "$(grep -c '^I' "$TMP/lines")"
cp "$TMP/t.db" "$TMP/copy.db"
check "the checksum is of the blocks, not of the file" test "$("$trace" info "$TMP/t.db" | grep ^checksum)" = "$("$trace" info "$TMP/copy.db" | grep ^checksum)"
$import --format lackey -o "$TMP/again.db" "$TMP/lines" >/dev/null 2>&1
check "the same input gives byte-identical blocks" test "$(sqlite3 "$TMP/t.db" "ATTACH '$TMP/again.db' AS o; SELECT count(*) FROM (SELECT * FROM trace_block EXCEPT SELECT * FROM o.trace_block)")" = 0

"$trace" dump --format lackey "$TMP/t.db" >"$TMP/out"
check "dump --format lackey gives back the log that was imported" cmp "$TMP/lines" "$TMP/out"
check "dump prints a line a reference, and a header" test "$("$trace" dump "$TMP/t.db" | wc -l)" = $((lines + 1))
check "--from and --to are both included" test "$("$trace" dump --from 70000 --to 70009 "$TMP/t.db" | tail -n +2 | awk '{ print $1 }' | tr '\n' ' ')" = "$(seq 70000 70009 | tr '\n' ' ')"
check "--blocks takes a range" test "$("$trace" dump --blocks 0-1 -f lackey "$TMP/t.db" | cksum)" = "$(head -n 131072 "$TMP/lines" | cksum)"
check "--blocks takes a number" test "$("$trace" dump --blocks 1 -f lackey "$TMP/t.db" | cksum)" = "$(sed -n '65537,$p' "$TMP/lines" | cksum)"

"$trace" sample --rate 10 -o "$TMP/s.db" "$TMP/t.db"
check "sample keeps one in N" test $(($(sqlite3 "$TMP/s.db" 'SELECT refs FROM trace') - lines / 10)) -le 1
check "and says so" test "$(sqlite3 "$TMP/s.db" 'SELECT sampled, refs_per_sample, complete FROM trace')" = '1|10|1'
"$trace" dump -f lackey "$TMP/s.db" >"$TMP/sampled"
start=$(for i in $(seq 10); do awk -v s="$i" 'NR % 10 == s % 10' "$TMP/lines" | cmp -s - "$TMP/sampled" && echo "$i"; done)
check "a systematic sample is every Nth from some start" test -n "$start"
"$trace" sample --rate 10 --method random --seed 5 -o "$TMP/r.db" "$TMP/t.db"
"$trace" sample --rate 10 --method random --seed 5 -o "$TMP/r2.db" "$TMP/t.db"
"$trace" sample --rate 10 --method random --seed 6 -o "$TMP/r3.db" "$TMP/t.db"
sum() { "$trace" info "$1" | grep ^checksum; }
check "the same seed gives the same sample" test "$(sum "$TMP/r.db")" = "$(sum "$TMP/r2.db")"
check "another seed another one" test "$(sum "$TMP/r.db")" != "$(sum "$TMP/r3.db")"
kept=$(sqlite3 "$TMP/r.db" 'SELECT refs FROM trace')
check "a random sample keeps about one in N" test $((kept * 10)) -gt $((lines * 9 / 10)) -a $((kept * 10)) -lt $((lines * 11 / 10))
check "a random sample has every page" test "$(sqlite3 "$TMP/r.db" 'SELECT count(DISTINCT page) FROM page_summary')" = "$(sqlite3 "$TMP/t.db" 'SELECT count(DISTINCT page) FROM page_summary')"
check "whose first reference stands for itself, the others for N" test "$("$BUILD/disco-sql" -n -t "$TMP/r.db" 'SELECT DISTINCT weight FROM refs ORDER BY 1' | tr -d ' \n')" = 110
check "and the sum of weights is about the whole" test "$("$BUILD/disco-sql" -n -t "$TMP/r.db" "SELECT sum(weight) BETWEEN 0.95 * $lines AND 1.05 * $lines FROM refs" | tr -d ' ')" = 1
"$trace" sample --rate 10 --method random --no-first-touches -o "$TMP/rp.db" "$TMP/t.db"
check "unless they are not wanted" test "$(sqlite3 "$TMP/rp.db" 'SELECT columns & 32, (SELECT value FROM trace_note WHERE key = "sampling_method") FROM trace')" = '0|random'
"$trace" sample --rate 10 -o "$TMP/ss.db" "$TMP/s.db"
check "a sample of a sample stands for N times N" test "$(sqlite3 "$TMP/ss.db" 'SELECT refs_per_sample FROM trace')" = 100
check "a sample is a good trace" "$trace" verify "$TMP/s.db"

"$trace" merge -o "$TMP/m.db" "$TMP/t.db" "$TMP/again.db"
"$trace" dump -f lackey "$TMP/m.db" >"$TMP/out"
check "without a clock, merge puts one trace after the other" cmp <(cat "$TMP/lines" "$TMP/lines") "$TMP/out"
check "with streams and spaces of their own" test "$(sqlite3 "$TMP/m.db" 'SELECT count(DISTINCT stream), count(DISTINCT space) FROM page_summary')" = '2|2'
check "and what it makes is a good trace" "$trace" verify "$TMP/m.db"
awk 'BEGIN { for (i = 0; i < 1000; i++) printf "%d %x\n", 10 * i, 4096 + i }' >"$TMP/a"
awk 'BEGIN { for (i = 0; i < 1000; i++) printf "%d %x\n", 7 * i, 1048576 + i }' >"$TMP/b"
if $import --format text --columns time,addr -o "$TMP/a.db" "$TMP/a" >/dev/null 2>"$TMP/err" &&
  $import --format text --columns time,addr -o "$TMP/b.db" "$TMP/b" >/dev/null 2>>"$TMP/err"; then
  "$trace" merge -o "$TMP/ab.db" "$TMP/a.db" "$TMP/b.db"
  "$BUILD/disco-sql" -n -t "$TMP/ab.db" 'SELECT addr FROM refs' >"$TMP/out"
  { awk '{ print $1, "a", $2 }' "$TMP/a"; awk '{ print $1, "b", $2 }' "$TMP/b"; } | sort -n -k1,1 -k2,2 | awk '{ print $3 }' |
    while read -r hex; do echo $((16#$hex)); done >"$TMP/wanted"
  check "with clocks, merge goes by time" cmp "$TMP/wanted" "$TMP/out"
  refuses "the output may not be an input" 1 "is one of the traces" "$trace" merge --force -o "$TMP/a.db" "$TMP/a.db" "$TMP/b.db"
else
  fail "importing text with times" "$(cat "$TMP/err")"
fi
$import --format lackey --page-size 16K -o "$TMP/big.db" "$TMP/lines" >/dev/null 2>&1
refuses "different page sizes are not merged" 1 "only traces of one page size" "$trace" merge -o "$TMP/no.db" "$TMP/t.db" "$TMP/big.db"
refuses "nor are different sampling rates" 1 "stand for 10 each" "$trace" merge -o "$TMP/no.db" "$TMP/t.db" "$TMP/s.db"
refuses "an output that exists is kept" 1 "exists" "$trace" sample --rate 2 -o "$TMP/s.db" "$TMP/t.db"
check "--force replaces it" "$trace" sample --force --rate 2 -o "$TMP/s.db" "$TMP/t.db"
refuses "the trace itself is no output" 1 "is the trace to sample" "$trace" sample --force --rate 2 -o "$TMP/t.db" "$TMP/t.db"

refuses "no command" 2 "which command" "$trace"
refuses "a command that is none" 2 "no command 'look'" "$trace" look "$TMP/t.db"
for command in info verify dump sample merge; do
  check "$command --help" "$trace" "$command" --help
  refuses "$command without a trace" 2 "disco-trace $command" "$trace" "$command"
  refuses "$command: an option that is none" 2 "unrecognized option" "$trace" "$command" --nonsense
done
refuses "dump: a format that is none" 2 "neither text nor lackey" "$trace" dump -f xml "$TMP/t.db"
refuses "dump: a time that is none" 2 "not a number" "$trace" dump --from noon "$TMP/t.db"
refuses "dump: blocks in the wrong order" 2 "the last is before the first" "$trace" dump --blocks 1-0 "$TMP/t.db"
refuses "dump: a block beyond the last" 1 "has no block 999" "$trace" dump --blocks 999 "$TMP/t.db"
refuses "dump: times in the wrong order" 2 "--to is before --from" "$trace" dump --from 9 --to 8 "$TMP/t.db"
refuses "dump: blocks that are none" 2 "not a number" "$trace" dump --blocks a-b "$TMP/t.db"
refuses "sample: rate 0" 2 "at least 1" "$trace" sample --rate 0 -o "$TMP/x.db" "$TMP/t.db"
refuses "sample: a method that is none" 2 "neither systematic nor random" "$trace" sample --rate 2 -m best -o "$TMP/x.db" "$TMP/t.db"
run "$trace" --version
check "--version" test "${out%% *}" = disco-trace
run "$trace" verify "$TMP/t.db"
check "nothing is drawn where standard error is no terminal" test -z "$err"
finish
