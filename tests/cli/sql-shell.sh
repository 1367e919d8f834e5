#!/usr/bin/env bash
# disco-sql and disco.so: formats, errors, and the same answers in sqlite3's own shell.
set -u
. "$(dirname "$0")/../lib.sh"
sql=$BUILD/disco-sql

awk 'BEGIN { srand(4); for (i = 0; i < 700000; i++) printf " %s %08x,8\n", i % 4 ? "L" : "S", 1048576 + 64 * i + 8 * int(rand() * 8) }' >"$TMP/lines"
"$BUILD/disco-record" import --format lackey -o "$TMP/t.db" "$TMP/lines" >/dev/null 2>&1
t=$TMP/t.db

# the log's own numbers, by awk
lowest=$(sed -n '300001,307001p' "$TMP/lines" | cut -c4-11 | sort | head -1)
run "$sql" -n -t "$t" 'SELECT count(*), min(addr) FROM refs WHERE time BETWEEN 300000 AND 307000; SELECT disco_blocks_read()'
check "a query over 1 % of the time answers as the log does" test "$(head -1 <<<"$out")" = "7001	$((16#$lowest))"
check "and reads 1 of 11 blocks" test "$(tail -1 <<<"$out")" = 1
question='SELECT count(*), sum(addr), min(time), max(ref) FROM refs WHERE kind = '\''store'\'' AND page > 5000'
inside=$(sqlite3 -cmd ".load $BUILD/disco" "$t" "$question" 2>&1)
check "sqlite3 with .load disco answers as disco-sql" test "$inside" = "$("$sql" -n -t "$t" "$question" | tr '\t' '|')"
check "and as sqlite3 does on plain tables" test "$(sqlite3 -cmd ".load $BUILD/disco" "$t" "SELECT count(*) FROM refs WHERE kind = 'store'")" = "$(sqlite3 "$t" 'SELECT sum(stores) FROM page_summary')"
check "disco.so gives away one name only" test "$(nm -D --defined-only "$BUILD/disco.so" | awk '{ print $3 }')" = sqlite3_disco_init
check "the heat map counts every reference" test "$("$sql" -n "$t" 'SELECT sum(refs) FROM heat(64, 64)')" = 700000

run "$sql" "$t" "SELECT 1 AS one, 'x' AS name UNION ALL SELECT 222, 'yy'"
check "a table: header, rule, numbers to the right" test "$out" = "$(printf 'one  name\n---  ----\n  1  x\n222  yy')"
run "$sql" --no-header "$t" "SELECT 1, 'x'"
check "--no-header" test "$out" = '1  x'
run "$sql" --csv "$t" "SELECT 1 AS a, 'x,\"y' AS b, NULL AS c"
check "--csv quotes what must be" test "$out" = "$(printf 'a,b,c\n1,"x,""y",')"
run "$sql" --tabs "$t" "SELECT 1 AS a, 'x' AS b"
check "--tabs" test "$out" = "$(printf 'a\tb\n1\tx')"
run "$sql" --json "$t" "SELECT 1 AS a, 'x' AS b, NULL AS c, 1.5 AS d UNION ALL SELECT 2, 'y', 3, 4"
check "--json is what sqlite3 reads as JSON" test "$(sqlite3 :memory: "SELECT json_extract('$out', '\$[1].b'), json_extract('$out', '\$[0].d')")" = 'y|1.5'
run "$sql" --json "$t" 'SELECT 1 AS a WHERE false'
check "--json of no row is an empty array" test "$out" = '[]'
check "statements from standard input" test "$(printf 'SELECT 1;\n-- a comment\nSELECT 2;' | "$sql" -n "$t" | tr '\n' ' ')" = '1 2 '
run "$sql" -n "$t" 'SELECT ref FROM refs LIMIT 3000'
check "many rows come through" test "$(tail -1 <<<"$out" | tr -d ' ')" = 2999

refuses "an error of SQL is one line" 1 "no such column: nonsense" "$sql" "$t" 'SELECT nonsense FROM refs'
refuses "an error in the second statement" 1 "syntax error" "$sql" "$t" 'SELECT 1; SELEKT 2'
refuses "writing is refused" 1 "readonly" "$sql" "$t" 'DELETE FROM trace'
refuses "no trace" 2 "which trace" "$sql"
refuses "too many arguments" 2 "too many arguments" "$sql" "$t" SELECT 1
refuses "an option that is none" 2 "unrecognized option" "$sql" --nonsense
check "--help" "$sql" --help
run "$sql" --version
check "--version" test "${out%% *}" = disco-sql
finish
