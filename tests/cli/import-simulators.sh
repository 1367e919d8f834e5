#!/usr/bin/env bash
# disco-record import: traces of ChampSim and for Dinero, tables of DRAM simulators, as files and packed.
set -u
. "$(dirname "$0")/../lib.sh"
import() { "$BUILD/disco-record" import "$@"; }
value() { sqlite3 "$1" "$2"; }
refs() { "$BUILD/disco-sql" -c -n "$1" "SELECT kind, printf('%x', addr) FROM refs" | tr -d '\r' | paste -sd' '; }
cd "$TMP" || exit 2

python3 - <<'END'
import struct
with open('plain', 'wb') as out:
    out.write(struct.pack('<QBB6s2Q4Q', 0x401000, 0, 0, b'\1\2\3\4\5\6', 0x9000, 0, 0x8000, 0, 0x8008, 0))
    out.write(struct.pack('<QBB6s2Q4Q', 0x401004, 1, 1, b'\1\2\3\4\5\6', 0, 0, 0, 0, 0, 0))
with open('cloud', 'wb') as out:
    out.write(struct.pack('<QBB8s6x4Q4QH6x', 0x1000, 0, 0, bytes(8), 1, 0, 0, 2, 0, 0, 3, 0, 7))
END
whole="fetch,401000 load,8000 load,8008 store,9000 fetch,401004"
check "a trace of ChampSim is imported" import -f champsim -o c.db plain
check "... a fetch, loads, stores" test "$(refs c.db)" = "$whole"
for pack in 'gzip -c' 'xz -c' 'zstd -qc'; do
  $pack plain >packed
  check "... also packed by ${pack%% *}" import -f champsim --force -o c.db packed
  check "... the same" test "$(refs c.db)" = "$whole"
done
check "--no-fetches" import -f champsim --no-fetches --force -o c.db plain
check "... leaves fetches out" test "$(refs c.db)" = "load,8000 load,8008 store,9000"
check "its CloudSuite kind has a format of its own" import -f champsim-cloudsuite -o s.db cloud
check "... of 4 loads and 4 stores" test "$(refs s.db)" = "fetch,1000 load,3 store,1 store,2"
check "... and the ASID is the space" test "$(value s.db 'SELECT name FROM trace_space')" = "space 7"
cat cloud cloud >two
refuses "one for the other is refused by its record" 1 "two: record 2 (byte 64): is_branch and branch_taken are" import -f champsim -o no.db two
check "... what came before is kept, marked as cut off" test "$(value no.db 'SELECT complete FROM trace')" = 0
head -c 100 plain >short
refuses "half a record is named" 1 "short: record 2 (byte 64) has 36 of 64 bytes: the file was cut off" import -f champsim --force -o no.db short

printf '%s\n' '2 401ab0 main' '0 1000' '1 7fff0008' '4 0' >old.din
check "a trace for Dinero III is imported" import -f din -o d.db old.din
check "... fetch, load, store" test "$(refs d.db)" = "fetch,401ab0 load,1000 store,7fff0008"
check "... and the flush is counted" test "$(value d.db "SELECT value FROM trace_note WHERE key = 'cache_orders'")" = 1
printf '%s\n' 'i 0x401ab0 4' 'r 1000 8' 'w 7fff0008 10' >new.din
check "one for Dinero IV too" import -f din --force -o d.db new.din
check "... with its sizes" test "$("$BUILD/disco-sql" -c -n d.db 'SELECT size FROM refs' | tr -d '\r' | paste -sd,)" = 4,8,16
refuses "a bad line is named" 1 "bad.din:2:1: expected a label of r w i m c v" sh -c "printf 'r 10 4\n7 10 4\n' >bad.din; '$BUILD/disco-record' import -f din --force -o no.db bad.din"

table() { # WHAT WANTED 'TABLE' OPTION...
  printf "$3" >table
  check "$1 is imported" import -f text --force -o t.db "${@:4}" table
  check "... as it was meant" test "$(refs t.db)" = "$2"
}
table "Ramulator's memory trace" "load,12345680 store,4cbd56c0" '0x12345680 R\n0x4cbd56c0 W\n' --columns addr,kind
table "Ramulator's CPU trace" "load,13c6000 load,13e1780 store,13e0340" '3 20733952\n1 20846464 20841280\n' --columns -,addr,writeback --base 10 --default-kind load
table "Ramulator 2's load-store trace" "load,64 store,40" 'LD 100\nST 0x40\n' --columns kind,addr --base 10
table "DRAMSim2's k6 trace" "load,1f2f8e40 store,40 fetch,80" '0x1F2F8E40 P_MEM_RD 10\n0x40 P_MEM_WR 12\n0x80 P_FETCH 13\n' --columns addr,kind,-
table "DRAMsim3's trace" "load,1f2f8e40 store,40" '0x1F2F8E40 READ 10\n0x40 WRITE 12\n' --columns addr,kind,-
table "a trace of cache lines" "load,1900 store,400" 'R 100\nW 0x10\n' --columns 'kind,addr*64' --base 10
run import --help
check "--help shows how" grep -q -- "--columns -,addr,writeback --base 10" <<<"$out"
check "--help lists the formats" grep -q "champsim-cloudsuite  *the same of its CloudSuite kind" <<<"$out"
finish
