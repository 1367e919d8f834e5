#!/usr/bin/env bash
# The policy of policies/README.md is complete: it builds as a shared object, is listed and replays.
set -u
. "$(dirname "$0")/../lib.sh"
awk '/^```c$/ { take = 1; next } /^```$/ { take = 0 } take' "$ROOT/policies/README.md" >"$TMP/most-used.c"
check "the example is under 40 lines" test "$(wc -l <"$TMP/most-used.c")" -lt 40
check "the example builds without a warning" gcc -std=gnu17 -Wall -Wextra -Werror -shared -fPIC -DDISCO_POLICY_SHARED \
  -I"$ROOT" -o "$TMP/most-used.so" "$TMP/most-used.c"

# 400 loads of one page: CPU 0 touches it first, CPU 3 uses it
{
  echo '0x10000 0 0'
  for i in $(seq 400); do echo "0x10000 3 $i"; done
} >"$TMP/refs.txt"
run "$BUILD/disco-record" import --format text --columns addr,cpu,time -o "$TMP/trace.db" "$TMP/refs.txt"
[ "$rc" = 0 ] || fail "a small trace is imported" "$err"
run "$BUILD/disco-replay" --no-results --json --machine flash-8 --input misses --policy first-touch,"$TMP/most-used.so" "$TMP/trace.db"
migrations() { sqlite3 :memory: "SELECT value ->> 'migrations' FROM json_each(readfile('$TMP/.out'), '\$.runs') WHERE value ->> 'policy' = '$1'"; }
check "the example replays" test "$rc" = 0
check "it moves the hot page to its user, once" test "$(migrations most-used)" = 1
check "first-touch beside it moves nothing" test "$(migrations first-touch)" = 0
run "$BUILD/disco-replay" --no-results --json --machine flash-8 --input misses --policy "$TMP/most-used.so:moves=0" "$TMP/trace.db"
check "its parameter is read" test "$(migrations most-used)" = 0
refuses "a parameter out of its range is refused" 2 "moves" "$BUILD/disco-replay" --policy "$TMP/most-used.so:moves=1001" "$TMP/trace.db"
finish
