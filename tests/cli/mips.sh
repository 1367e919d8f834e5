#!/usr/bin/env bash
# disco-record mips: the command line, what is in its traces, parts of runs, misses alone, and how guests end.
set -u
. "$(dirname "$0")/../lib.sh"
RECORD=$BUILD/disco-record REPLAY=$BUILD/disco-replay
mips() { "$RECORD" mips "$@"; }
sql() { sqlite3 "$1" "$2"; }
events() { "$BUILD/disco-sql" -n "$1" "SELECT count(*) FROM events WHERE type = '$2'" 2>/dev/null | tr -dc 0-9; }

# --- wrong usage, which needs no guests
refuses "no guest" 2 "give a GUEST" mips -o "$TMP/x.db"
refuses "no trace" 2 "-o TRACE.db is missing" mips radix
refuses "a number that is none" 2 "--vcpus=many: a number from 1 to" mips --vcpus many -o "$TMP/x.db" radix
refuses "memory beyond what a VM shows" 2 "--memory=1G: a size from 4K to 256M" mips --memory 1G -o "$TMP/x.db" radix
refuses "a number that overflows" 2 "--limit=99999999999999G" mips --limit 99999999999999G -o "$TMP/x.db" radix
refuses "a place that is none" 2 "--start-at=soon: instructions, mark or mark=N" mips --start-at soon -o "$TMP/x.db" radix
refuses "a filter that is none" 2 "--filter=tlb" mips --filter tlb -o "$TMP/x.db" radix
refuses "fewer VMs than guests" 2 "--vms is less" mips --vms 1 -o "$TMP/x.db" radix ::: fft
refuses "nothing between separators" 2 "a guest is missing" mips -o "$TMP/x.db" radix ::: ::: fft
refuses "nothing behind the last separator" 2 "a guest is missing" mips -o "$TMP/x.db" radix :::
refuses "--patch alone" 2 "--patch goes with --hal" mips --patch -o "$TMP/x.db" radix
refuses "a policy of a part" 2 "--policy is about a whole run" mips --policy disco --window 5 -o "$TMP/x.db" radix
refuses "a policy that is none" 2 "no policy 'best'" mips --policy best -o "$TMP/x.db" radix
refuses "two policies" 2 "a live run has one policy" mips --policy disco,irix -o "$TMP/x.db" radix
refuses "a machine that is none" 1 "nowhere" mips -m nowhere -o "$TMP/x.db" radix
refuses "a guest that is none" 1 "nothere: no such" mips -o "$TMP/x.db" nothere
refuses "a file that is no guest" 1 "mips.sh" mips -o "$TMP/x.db" "$ROOT/tests/cli/mips.sh"
check "wrong usage leaves no trace" test ! -e "$TMP/x.db"
refuses "a quantum that is too short" 2 "--quantum=99: a number from 100 to 1000000" mips --quantum 99 -o "$TMP/x.db" radix
refuses "a window of nothing" 2 "--window=0: has nothing to record" mips --window 0 -o "$TMP/x.db" radix
check "--help" grep -q -- '--start-at' <(mips --help)
aligned() { ! "$@" | grep -qE '^ *-., {2,}|^[A-Z].* by this policy'; } # argp breaks what is too long for its buffer
check "--help has each option on a line" aligned mips --help
check "an empty folder of guests is told of" grep -q 'make guests' <(DISCO_GUESTS=$TMP mips --list-guests 2>&1)

if ! ls "$BUILD"/guests/*.elf >/dev/null 2>&1; then
  skip "what guests do" "no guests: make guests builds them"
  finish
fi

# --- guests and their traces
check "--list-guests names a guest" grep -qx radix <(mips --list-guests)
check "...and says what it is" grep -q 'radix sort' <(mips --list-guests)
run mips -m flash-8 --vcpus 2 -o "$TMP/r.db" radix --keys 2048 --key-bits 16 --digit-bits 8
check "a guest is recorded" test "$rc" = 0
check "...its console is standard output" grep -q 'radix: .* ok$' <<<"$out"
check "...the rest is on standard error" grep -qE '^disco-record: [0-9]+ references of [0-9]+ instructions on 2 vCPUs' <<<"$err"
check "the trace is intact" "$BUILD/disco-trace" verify "$TMP/r.db"
check "its facts" test "$(sql "$TMP/r.db" 'SELECT source, command, page_bytes, sampled, complete, columns FROM trace')" = \
  "mips|radix --keys 2048 --key-bits 16 --digit-bits 8|4096|0|1|0"
check "a stream is a vCPU" test "$(sql "$TMP/r.db" 'SELECT pid, tid, name FROM trace_stream' | tr '\n' ' ')" = "0|0|vm0.cpu0 0|1|vm0.cpu1 "
check "spaces are the VM's memory and its process" test "$(sql "$TMP/r.db" 'SELECT name FROM trace_space' | tr '\n' ' ')" = "vm0 radix "
check "fetches are as many as instructions" test "$(sql "$TMP/r.db" "SELECT abs(fetches - value) < fetches / 1000 FROM trace, trace_note WHERE key = 'instructions'")" = 1
check "kernel and user mode are told apart" test "$("$BUILD/disco-sql" -n "$TMP/r.db" "SELECT count(DISTINCT mode) FROM refs" | tr -dc 0-9)" = 2
check "user addresses are low, kernel addresses high" test "$("$BUILD/disco-sql" -n "$TMP/r.db" \
  "SELECT count(*) FROM refs WHERE (mode = 'user') <> (addr < 0x80000000) AND mode = 'user'" | tr -dc 0-9)" = 0
for type in dispatch asid tlbwrite zero dma service exit; do
  check "there are events of type $type" test "$(events "$TMP/r.db" $type)" -gt 0
done
check "the guest's arrays are regions" test "$(sql "$TMP/r.db" "SELECT count(*) FROM trace_region WHERE kind = 'allocation'")" -gt 2
check "so are its sections" test "$(sql "$TMP/r.db" "SELECT count(*) FROM trace_region WHERE name IN ('kernel .text', 'radix .text')")" = 2
check "references lie in regions" test "$("$BUILD/disco-sql" -n "$TMP/r.db" "SELECT count(*) * 10 > (SELECT refs FROM trace) * 9 FROM refs r
  WHERE EXISTS (SELECT 1 FROM trace_region g WHERE r.addr >= g.start AND r.addr < g.end)" | tr -dc 0-9)" = 1
check "it ran to its end" test "$(sql "$TMP/r.db" "SELECT value FROM trace_note WHERE key = 'vm0.status'")" = 0
refuses "a trace that is there" 1 "exists; --force" mips -o "$TMP/r.db" radix
refuses "more memory than the machine has" 1 "memory" mips -m flash-8 --memory 256M --vms 2 -o "$TMP/m.db" radix
run mips -m flash-8 --vcpus 2 --force -o "$TMP/r2.db" radix --keys 2048 --key-bits 16 --digit-bits 8
blocks() { sql "$1" 'SELECT block, crc32c, hex(data) FROM trace_block' | cksum; }
check "a run repeats byte for byte" test "$(blocks "$TMP/r.db")" = "$(blocks "$TMP/r2.db")"

# --- how runs end
run mips --vcpus 1 -o "$TMP/wrong.db" radix --keys 0
check "a guest that fails is exit 1" test "$rc:$(grep -c 'disco-record: vm0 (radix): exited with status 2' <<<"$err")" = 1:1
check "...and its trace is whole" test "$(sql "$TMP/wrong.db" "SELECT complete, value FROM trace, trace_note WHERE key = 'vm0.status'")" = "1|2"
if command -v mipsel-linux-gnu-gcc >/dev/null; then
  printf '%s\n' '.set noreorder' '.globl __start' '__start: lui $8, 0x8000' 'lw $9, 0($8)' '1: b 1b' 'nop' >"$TMP/kseg0.s"
  mipsel-linux-gnu-gcc -march=mips32r2 -mabi=32 -nostdlib -static -mno-abicalls -fno-pic -Wl,-Ttext=0xC0002000 \
    -Wl,--section-start=.MIPS.abiflags=0xC0001000 "$TMP/kseg0.s" -o "$TMP/kseg0"
  run mips --vcpus 1 -o "$TMP/kseg0.db" "$TMP/kseg0"
  check "an error of a guest is told in words, with its registers" test "$rc:$(grep -c '0x80000000 in KSEG0' <<<"$err"):$(grep -c '^pc .* lw ' <<<"$err")" = 1:1:1
  check "...and its trace is cut off there" test "$(sql "$TMP/kseg0.db" 'SELECT complete FROM trace')" = 0
fi
run mips --vcpus 1 --limit 1M -o "$TMP/limit.db" radix
check "--limit ends a run" test "$rc:$(sql "$TMP/limit.db" "SELECT value FROM trace_note WHERE key = 'vm0.status'")" = "0:still running"
check "...near its number" test "$(sql "$TMP/limit.db" "SELECT value + 0 BETWEEN 990000 AND 1100000 FROM trace_note WHERE key = 'instructions'")" = 1
env --default-signal=INT "$RECORD" mips --vcpus 2 -o "$TMP/int.db" radix --keys 8388608 >/dev/null 2>"$TMP/int.err" &
recorder=$!
begun() { [ "$(stat -c %s "$TMP/int.db" 2>/dev/null || echo 0)" -gt 300000 ]; } # the schema alone is smaller
eventually begun
kill -INT $recorder
wait $recorder
check "SIGINT ends a recording well" test "$?:$(sql "$TMP/int.db" 'SELECT complete, refs > 0 FROM trace')" = "0:1|1"

# --- several virtual machines
run mips -m flash-8 --vcpus 1 -o "$TMP/two.db" radix --keys 512 ::: lu --size 16
check "two guests are two virtual machines" test "$rc:$(sql "$TMP/two.db" 'SELECT count(DISTINCT vm) FROM trace_stream')" = 0:2
check "...with lines of their own" test "$(grep -c '^vm0: radix' <<<"$out")$(grep -c '^vm1: lu' <<<"$out")" = 11
run mips -m flash-8 --vcpus 1 --vms 3 -o "$TMP/three.db" radix --keys 512
check "--vms repeats a guest" test "$rc:$(sql "$TMP/three.db" 'SELECT count(DISTINCT vm) FROM trace_stream'):$(grep -c '^vm2: radix.* ok$' <<<"$out")" = 0:3:1

# --- parts
sizes=(radix --keys 4096 --key-bits 16 --digit-bits 8)
run mips -m flash-8 --vcpus 2 -o "$TMP/all.db" "${sizes[@]}"
run mips -m flash-8 --vcpus 2 --start-at 200K --window 100K -o "$TMP/part.db" "${sizes[@]}"
check "--start-at and --window record a part" test "$rc:$(sql "$TMP/part.db" 'SELECT fetches BETWEEN 80000 AND 120000 FROM trace')" = 0:1
check "...which has what was mapped before it" test "$(events "$TMP/part.db" zero)" -gt 20
same_part() { # the part's references are those of the whole, in a row
  "$BUILD/disco-sql" -n "$1" "SELECT addr, kind, mode, stream FROM refs" >"$TMP/part.txt"
  "$BUILD/disco-sql" -n "$TMP/all.db" "SELECT addr, kind, mode, stream FROM refs" >"$TMP/all.txt"
  python3 -c 'import sys
part, whole = ([line.split() for line in open(name)] for name in sys.argv[1:])
sys.exit(not any(whole[at:at + len(part)] == part for at in range(len(whole) - len(part) + 1) if whole[at] == part[0]))' "$TMP/part.txt" "$TMP/all.txt"
}
check "...and is a piece of the whole run" same_part "$TMP/part.db"
check "a part is replayed" "$REPLAY" -m flash-8 --policy first-touch,disco --no-results --json "$TMP/part.db"
run mips -m flash-8 --vcpus 2 --start-at mark=77 -o "$TMP/never.db" "${sizes[@]}"
check "a part that never comes is told" test "$rc:$(grep -c 'ended before the part that --start-at names' <<<"$err")" = 1:1
run mips -m flash-8 --vcpus 2 --no-fetches -o "$TMP/data.db" "${sizes[@]}"
check "--no-fetches has the same loads and stores" test "$(sql "$TMP/data.db" 'SELECT fetches, loads, stores FROM trace')" = "$(sql "$TMP/all.db" 'SELECT 0, loads, stores FROM trace')"

# --- misses
run mips -m flash-8 --vcpus 2 --filter cache -o "$TMP/miss.db" "${sizes[@]}"
reached=$("$REPLAY" -m flash-8 --policy first-touch --no-results --json "$TMP/all.db" 2>/dev/null | jq '.runs[0].memory_accesses')
check "--filter cache leaves what reaches memory in a replay of the whole" test "$(sql "$TMP/miss.db" 'SELECT refs FROM trace')" = "$reached"
"$REPLAY" -m flash-8 --policy first-touch --no-results --json "$TMP/miss.db" >"$TMP/miss.json" 2>/dev/null
check "...which disco-replay takes for misses" test "$(jq -r '.trace.input, .runs[0].memory_accesses' "$TMP/miss.json" | tr '\n' ' ')" = "misses $reached "
"$REPLAY" --print-machine -m flash-8 | jq 'del(.caches)' >"$TMP/bare.json"
refuses "a machine without caches has no misses" 1 "has no caches" mips -m "$TMP/bare.json" --filter cache -o "$TMP/bare.db" radix

# --- a policy's results
run mips -m flash-8 --vcpus 4 --policy disco -o "$TMP/p.db" "${sizes[@]}"
check "--policy prints the table of disco-replay" test "$(grep -E '^(policy|disco) ' <<<"$out")" = "$(
  "$REPLAY" -m flash-8 --policy disco --no-results "$TMP/p.db" 2>/dev/null | grep -E '^(policy|disco) ')"
"$REPLAY" -m flash-8 --policy disco "$TMP/p.db" >/dev/null 2>&1
check "...and stores the rows of a replay" test "$(sql "$TMP/p.db" "SELECT count(*) FROM run_metric a JOIN run_metric b ON b.run_id = 2 AND a.run_id = 1 AND a.metric = b.metric AND a.value IS b.value")" = \
  "$(sql "$TMP/p.db" 'SELECT count(*) FROM run_metric WHERE run_id = 2')"
check "...for every page, too" test "$(sql "$TMP/p.db" 'SELECT count(*) FROM (SELECT ppn, space, page, region, home, loads, stores, local_accesses FROM run_page WHERE run_id = 1
  EXCEPT SELECT ppn, space, page, region, home, loads, stores, local_accesses FROM run_page WHERE run_id = 2)')" = 0
run mips -m flash-8 --vcpus 2 --policy disco --json -o "$TMP/j.db" "${sizes[@]}"
check "--json leaves standard output to the object" jq -e '.runs[0].policy == "disco" and .trace.source == "mips"' "$TMP/.out"
check "...and what guests write to standard error" grep -q 'radix: .* ok$' <<<"$err"
if [ -c /dev/full ]; then
  run bash -c 'exec "$@" >/dev/full' - "$RECORD" mips -m flash-8 --vcpus 2 -o "$TMP/full.db" "${sizes[@]}"
  check "what guests write and nobody takes is told of" test "$rc:$(grep -c 'what the guests wrote could not be written' <<<"$err")" = 1:1
  check "...and the trace is whole" "$BUILD/disco-trace" verify "$TMP/full.db"
fi
run mips -m flash-8 --vcpus 2 --json -o "$TMP/j0.db" "${sizes[@]}"
check "--json without a policy has no runs" jq -e '.runs == [] and .trace.references > 0 and .machine.name == "flash-8"' "$TMP/.out"
finish
