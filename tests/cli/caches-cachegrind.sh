#!/usr/bin/env bash
# The caches of a replay against valgrind's cachegrind: the same static programs under lackey, imported
# and replayed on a machine of one CPU with the same caches, and under cachegrind; misses of I1, D1 and
# LL are equal to the last one.
#
# Both tools run the program under the same core, with the same arguments and no environment, so that it
# does the same and lies at the same addresses. The streams agree:
#   I refs      = fetches of lackey
#   D refs, rd  = loads + modifies; a modify is one line of lackey's (M), one read for cachegrind, and a
#                 load and a store for us
#   D refs, wr  = stores
# so a replay has as many D1 accesses more as there are modifies, all of which hit: the load has just
# brought the line. Straddling references and those longer than a line are as cachegrind counts them.
set -u
. "$(dirname "$0")/../lib.sh"
for tool in valgrind busybox bash-static gcc jq; do
  command -v "$tool" >/dev/null || { skip "caches against cachegrind" "no $tool"; finish; }
done
cd "$TMP" || exit 2

cat >query.c <<'EOF'
#include <sqlite3.h>
#include <stdio.h>
static int row(void *unused, int n, char **value, char **name)
{
    (void)unused, (void)name;
    for (int i = 0; i < n; i++)
        puts(value[i] ? value[i] : "");
    return 0;
}
int main(void)
{
    sqlite3 *db;
    return sqlite3_open(":memory:", &db) != 0 ||
           sqlite3_exec(db, "CREATE TABLE a(x,y); WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n<200)"
                            " INSERT INTO a SELECT n*7919%3001, n%97 FROM c; CREATE INDEX ai ON a(y);"
                            " SELECT count(*), sum(p.x*q.x) FROM a p JOIN a q ON p.y=q.y;", row, 0, 0) != 0;
}
EOF
gcc -static -O2 -w query.c -o query -lsqlite3 -lpthread -ldl -lm 2>/dev/null ||
  { skip "caches against cachegrind" "no static sqlite3"; finish; }
seq 1 250 | sort -R --random-source=<(yes) >numbers

bare() { env -i "$@" </dev/null; }
fixed=()
setarch -R true 2>/dev/null && fixed=(setarch -R) # addresses of the kernel's choice stay the same

# machine NAME SIZE,WAYS,LINE of I1, D1, LL, as cachegrind takes them
machine() {
  jq -n --arg i "$2" --arg d "$3" --arg l "$4" '
    def cache($level; $kind; $shape): $shape | split(",") | map(tonumber) |
      {level: $level, kind: $kind, size: .[0], ways: .[1], line: .[2], index: "virtual"};
    {nodes: [{cpus: [0]}], caches: [cache(1; "instruction"; $i), cache(1; "data"; $d), cache(2; "unified"; $l)]}' >"$1.json"
}
shapes=("32768,8,64 32768,8,64 1048576,16,64" # a server's
  "32768,2,64 32768,2,32 262144,2,128"        # FLASH's
  "8192,1,32 4096,64,64 65536,4,64")          # direct-mapped, of one set
numbers_of() { awk -v key="$1" 'index($0, key) { sub(/.*: */, ""); gsub(/,/, ""); gsub(/[()+]|rd|wr/, " "); print $1, $2, $3 }' "$2"; }

compare() { # compare NAME COMMAND...
  local name=$1 shape at=0 fetches loads stores modifies i d reads writes i1 d1 ll lli lld
  shift
  bare "${fixed[@]}" "$(command -v valgrind)" --tool=lackey --trace-mem=yes --log-fd=9 "$@" 9>"$name.log" >/dev/null 2>&1
  read -r fetches loads stores modifies < <(awk '/^I /{i++} /^ L/{l++} /^ S/{s++} /^ M/{m++} END { print i+0, l+0, s+0, m+0 }' "$name.log")
  "$BUILD/disco-record" import --format lackey -o "$name.db" "$name.log" >/dev/null 2>"$name.err" ||
    { fail "$name is imported" "$(head -c 200 "$name.err")"; return; }
  for shape in "${shapes[@]}"; do
    at=$((at + 1))
    read -r i d ll <<<"$shape"
    machine "$at" "$i" "$d" "$ll"
    bare "${fixed[@]}" "$(command -v valgrind)" --tool=cachegrind --cachegrind-out-file=/dev/null \
      --I1="$i" --D1="$d" --LL="$ll" --log-fd=9 "$@" 9>"$name.cg" >/dev/null 2>&1
    if [ "$at" = 1 ]; then
      read -r d reads writes < <(numbers_of 'D   refs' "$name.cg")
      check "$name: both tools see the same stream ($fetches fetches, $loads loads, $stores stores, $modifies modifies)" \
        test "$(numbers_of 'I   refs' "$name.cg" | tr -d ' ') $reads $writes" = "$fetches $((loads + modifies)) $stores"
    fi
    read -r i1 _ < <(numbers_of 'I1  misses' "$name.cg")
    read -r d1 _ < <(numbers_of 'D1  misses' "$name.cg")
    read -r lli _ < <(numbers_of 'LLi misses' "$name.cg")
    read -r lld _ < <(numbers_of 'LLd misses' "$name.cg")
    "$BUILD/disco-replay" --machine "$at.json" --policy first-touch --json "$name.db" 2>"$name.err" |
      jq -r '.runs[0].caches | map("\(.accesses) \(.misses)") | join(" ")' >"$name.ours"
    check "$name, I1 D1 LL of $shape: accesses and misses are cachegrind's ($i1 $d1 $((lli + lld)))" test "$(cat "$name.ours")" = \
      "$fetches $i1 $((loads + stores + 2 * modifies)) $d1 $((i1 + d1)) $((lli + lld))"
  done
  rm -f "$name.log" "$name.db"
}

compare sqlite "$TMP/query"
compare busybox "$(command -v busybox)" sort -n "$TMP/numbers"
# shellcheck disable=SC2016 # for bash-static to expand
compare bash "$(command -v bash-static)" --norc -c 'for ((i = 0; i < 40; i++)); do a[i % 50]=$((i * i)); s=$s-$i; done; echo ${#s} ${a[@]}'
finish
