#!/usr/bin/env bash
# disco-replay: every option, and every way to use it wrongly, ends in one clear line.
set -u
. "$(dirname "$0")/../lib.sh"
replay=$BUILD/disco-replay
trace=$TMP/trace.db
is() {
  if [ "$2" = "$3" ]; then ok "$1"; else fail "$1" "wanted '$3', got '$2'"; fi
}
for i in 0 1 2 3 4 5 6 7; do echo "1$i $i w 0x${i}000"; done >"$TMP/trace.txt"
check "the trace is made" "$BUILD/disco-record" import --format text --columns tid,cpu,kind,addr -o "$trace" "$TMP/trace.txt"

# ---- without a trace
run "$replay" --help
is "--help ends well" "$rc" 0
for option in policy machine schedule input contention json seed results no-results log-actions epoch check threads list-policies list-machines print-machine refs-per-sample thp gigantic; do
  check "--help tells --$option" grep -q -- "--$option" "$TMP/.out"
done
run "$replay" --version
check "--version tells the version" grep -qE '^disco-replay [0-9]+\.[0-9]+\.[0-9]+$' "$TMP/.out"
run "$replay" --list-policies
is "--list-policies ends well" "$rc" 0
for policy in first-touch round-robin interleave weighted-interleave bind preferred preferred-many random migrate replicate disco irix ace platinum delay chaos; do
  check "--list-policies has $policy" grep -qx "$policy" "$TMP/.out"
done
check "with units, ranges and defaults of parameters" grep -qE '^    trigger=128 \(references, 1 to 65534\)$' "$TMP/.out"
check "a set of nodes is told as one" grep -qx '    nodes=unset (nodes, as in 0+2 or 4-7)' "$TMP/.out"
check "and where a default is from" grep -qE '^        default: .+' "$TMP/.out"
run "$replay" --list-machines
is "--list-machines has every preset, each with a summary" "$(printf '%s\n' "$out" | grep -v '^ ' | tr '\n' ' ')$(printf '%s\n' "$out" | grep -c '^    .')" "uma flash-8 flash-16 2-socket epyc-nps4-2s cxl-tier altix-64 7"
for machine in $(printf '%s\n' "$out" | grep -v '^ '); do
  check "--machine $machine is one of them" sh -c "'$replay' --print-machine --machine $machine | jq -e '.name == \"$machine\"'"
done
run "$replay" --print-machine
is "--print-machine prints the default machine as JSON" "$(printf '%s' "$out" | jq -r .name)" flash-8
run "$replay" --print-machine --machine 2-socket
is "--print-machine prints the machine that is asked for" "$(printf '%s' "$out" | jq -r .name)" 2-socket

# ---- with one
run "$replay" --no-results "$trace"
is "a trace is enough" "$rc" 0
for policy in first-touch migrate replicate disco; do
  check "$policy is replayed by default" grep -q "^$policy " "$TMP/.out"
done
run "$replay" --no-results -p first-touch -p bind:node=0,bind:node=1 -m 2-socket -s compact -t 2 -j "$trace"
is "short options, a repeated one and a comma list" "$(printf '%s' "$out" | jq -c '[.machine.name, [.runs[].policy], [.runs[].parameters.node]]')" '["2-socket",["first-touch","bind","bind"],[null,0,1]]'
run "$replay" --no-results -j -p bind:nodes=6+1,interleave:nodes=2-4+7,preferred-many:nodes=63-63+0 "$trace"
is "a set that is not there is refused" "$rc" 1
run "$replay" --no-results -j -p bind:nodes=6+1,interleave:nodes=2-4+7 "$trace"
is "sets of nodes are read, and kept as masks" "$(printf '%s' "$out" | jq -c '[.runs[].parameters.nodes]')" '[66,156]'
run "$replay" --no-results --policy all --check "$trace"
is "--policy all is every policy of the list" "$(printf '%s\n' "$out" | sed -n '/^policy/,/^$/p' | grep -E '^[a-z].* [0-9]' | cut -d ' ' -f 1 | sort -u | wc -l)" "$("$replay" --list-policies | grep -c '^[a-z]')"
cat >"$TMP/four.json" <<'JSON'
{"name": "four", "nodes": [{"cpus": [0, 1, 2, 3], "memory": "1M"}], "latency_ns": [[100]]}
JSON
run "$replay" --no-results --machine "$TMP/four.json" "$trace"
check "without --schedule a foreign CPU makes it compact, and the heading says why" grep -qE '^schedule +compact: the machine does not have CPU 4 of the recording$' "$TMP/.out"
run "$replay" --no-results "$trace"
check "without --schedule it is recorded where the machine has the CPUs" grep -q '^schedule *recorded: ' "$TMP/.out"
for schedule in recorded compact scatter; do
  run "$replay" --no-results --schedule $schedule "$trace"
  check "the heading tells schedule $schedule" grep -qx "schedule   $schedule" "$TMP/.out"
done

# ---- wrong usage: exit 2
refuses "no trace" 2 "no trace named" "$replay"
refuses "two traces" 2 "second one" "$replay" "$trace" "$trace"
refuses "an unknown option" 2 "unrecognized option" "$replay" --fast "$trace"
for nodes in '' + 0+ 0- 2-1 0+64 99999999999999999999 x 0+a; do
  refuses "'$nodes' is no set of nodes" 2 "policy interleave: nodes=" "$replay" --no-results --policy "interleave:nodes=$nodes" "$trace"
done
refuses "an unknown policy, with what there is" 2 "no policy 'best'; there are: ace, bind, chaos, delay, disco" "$replay" --policy best "$trace"
refuses "an unknown parameter, with what there is" 2 "no parameter 'speed'; there are: trigger" "$replay" --policy migrate:speed=1 "$trace"
refuses "a parameter out of its range" 2 "trigger=0 is outside 1 to 65534" "$replay" --policy migrate:trigger=0 "$trace"
refuses "a parameter that is no number" 2 "not a whole number" "$replay" --policy migrate:trigger=many "$trace"
refuses "no policy at all" 2 "no policy named" "$replay" --policy , "$trace"
refuses "contention that is neither on nor off" 2 "wanted on or off" "$replay" --contention maybe "$trace"
refuses "an unknown kind of input" 2 "wanted references or misses" "$replay" --input hits "$trace"
for option in seed log-actions epoch check threads refs-per-sample; do
  refuses "--$option that is no number" 2 "--$option=x: wanted a whole number" "$replay" --$option=x "$trace"
  refuses "--$option that is negative" 2 "--$option=-1: wanted a whole number" "$replay" --$option=-1 "$trace"
done
for option in epoch threads refs-per-sample check; do
  refuses "--$option 0" 2 "--$option=0: wanted a whole number from 1" "$replay" --$option=0 "$trace"
done
refuses "an epoch that is too long" 2 "wanted a whole number from 1 to 2147483648" "$replay" --epoch 2147483649 "$trace"
refuses "--results with --no-results" 2 "cannot go together" "$replay" --results "$TMP/r.db" --no-results "$trace"

# ---- what fails: exit 1 and one line
refuses "a trace that is not there" 1 "$TMP/none.db" "$replay" "$TMP/none.db"
echo "no database" >"$TMP/text"
refuses "a file that is no trace" 1 "$TMP/text" "$replay" "$TMP/text"
refuses "a machine that is not there" 1 "nowhere.json" "$replay" --machine "$TMP/nowhere.json" "$trace"
echo '{"name": "bad", "nodes": 3}' >"$TMP/bad.json"
refuses "a machine that is wrong" 1 "bad.json" "$replay" --machine "$TMP/bad.json" "$trace"
refuses "recorded CPUs that the machine has not" 1 "4 references were recorded on CPUs that machine four does not have (CPU 4 first)" "$replay" --machine "$TMP/four.json" --schedule recorded "$trace"
sed 's/ [0-7] / /' "$TMP/trace.txt" >"$TMP/nocpu.txt"
check "a trace without CPUs is made" "$BUILD/disco-record" import --format text --columns tid,kind,addr -o "$TMP/nocpu.db" "$TMP/nocpu.txt"
refuses "references without a recorded CPU" 1 "8 references are of streams whose CPU was not recorded (stream 0 first); use --schedule compact" "$replay" --schedule recorded "$TMP/nocpu.db"
run "$replay" --no-results "$TMP/nocpu.db"
check "without --schedule such a trace is replayed compact" grep -q '^schedule *compact: the trace does not tell' "$TMP/.out"
printf '\n10 0\nxyz\n' >"$TMP/schedule"
refuses "a line of a schedule that cannot be read" 1 "$TMP/schedule:3: one word" "$replay" --schedule "$TMP/schedule" "$trace"
refuses "a schedule that is not there" 1 "a schedule is recorded, compact, scatter or a file" "$replay" --schedule spread "$trace"
refuses "a set with a node that is not there too" 1 "policy interleave:nodes=0+8: nodes:" "$replay" --no-results --policy interleave:nodes=0+8 "$trace"
refuses "a policy that does not fit the machine names itself" 1 "policy bind:node=8:" "$replay" --no-results --policy first-touch,bind:node=8 "$trace"

# ---- memory that is too small: which policy, whatever the threads
cat >"$TMP/tiny.json" <<'JSON'
{"name": "tiny", "nodes": [{"cpus": [0, 1, 2, 3], "memory": "8K"}, {"cpus": [4, 5, 6, 7], "memory": "8K"}],
 "latency_ns": [[100, 200], [200, 100]]}
JSON
for threads in 1 2 3; do
  refuses "memory that is full ends the command and names the policy ($threads threads)" 1 "policy round-robin: " "$replay" --no-results --machine "$TMP/tiny.json" --policy round-robin,first-touch --threads $threads "$trace"
done

if [ -e /dev/full ]; then
  "$replay" --no-results "$trace" >/dev/full 2>"$TMP/.err" </dev/null
  check "a full standard output is an error" test "$?" = 1
  for option in --list-policies --list-machines --print-machine; do
    "$replay" $option >/dev/full 2>"$TMP/.err" </dev/null
    check "and with $option" test "$?" = 1
  done
fi
finish
