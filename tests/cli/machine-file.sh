#!/usr/bin/env bash
# --machine and --print-machine: every preset prints and reads back; a wrong machine is one line and exit 1.
set -u
. "$(dirname "$0")/../lib.sh"
replay=$BUILD/disco-replay out=

for preset in uma flash-8 flash-16 2-socket epyc-nps4-2s cxl-tier altix-64; do
  "$replay" --machine "$preset" --print-machine >"$TMP/first.json" 2>&1
  "$replay" --machine "$TMP/first.json" --print-machine >"$TMP/second.json" 2>&1
  check "$preset prints JSON that reads back to the same" cmp "$TMP/first.json" "$TMP/second.json"
done

echo '{"nodes": [{"cpus": [0]}, {"cpus": [1]}], "costs": {"copy_page_ns": 777}}' >"$TMP/small.json"
run "$replay" --machine "$TMP/small.json" --print-machine
check "what a file leaves out is shown filled in" grep -q '"page_size": "4K"' <<<"$out"
check "what a file says is kept" grep -q '"copy_page_ns": 777' <<<"$out"

# the documentation's example and its table of costs
awk '/^```json$/ { take = 1; next } /^```$/ { take = 0 } take' "$ROOT/vmm-core/machine/README.md" >"$TMP/two-and-cxl.json"
run "$replay" --machine "$TMP/two-and-cxl.json" --print-machine
check "the documented machine is read" grep -q '"cpus": \["0-15", "32-33"\]' <<<"$out"
check "the row of its node without CPUs is the way back" grep -q '\[250, 260, 250\]' <<<"$out"
documented() { # COLUMN of the table as "cost value" lines
  sed -nE 's/^\| `([a-z_]+_[np]s)` \| [^|]* \| ([0-9]+) \| ([0-9]+) \|$/\1 \'"$1"'/p' "$ROOT/vmm-core/machine/README.md"
}
printed() { sed -n '/"costs"/,$p' | sed -nE 's/^ *"([a-z_]+)": ([0-9]+),?$/\1 \2/p'; }
costs_are() { [ "$(documented "$2")" = "$("$replay" --machine "$1" --print-machine | printed)" ]; }
check "the documented costs of a Linux server are the defaults" costs_are 2-socket 2
check "the documented costs of FLASH are the preset's" costs_are flash-8 3

wrong() { # WHAT, text of the message, JSON
  printf '%s' "$3" >"$TMP/wrong.json"
  refuses "$1" 1 "wrong.json: $2" "$replay" --machine "$TMP/wrong.json" --print-machine
}
wrong "a CPU on two nodes is named by its JSON path" '$.nodes[1].cpus[0]: CPU 5 is on two nodes' '{"nodes": [{"cpus": [5]}, {"cpus": [5]}]}'
wrong "a latency matrix of the wrong size is refused" '$.latency_ns[1]: 1 columns for 2 nodes' '{"nodes": [{"cpus": [0]}, {}], "latency_ns": [[1, 2], [3]]}'
wrong "a negative latency is refused" '$.latency_ns[0][0]: a negative latency' '{"nodes": [{"cpus": [0]}], "latency_ns": [[-1]]}'
wrong "a node that no CPU can reach is refused" '$.nodes[1]: no CPU can reach node 1' '{"nodes": [{"cpus": [0]}, {}], "latency_ns": [[80, 0], [0, 0]]}'
wrong "an unknown key is refused" '$.tlb.size: unknown key' '{"nodes": [{"cpus": [0]}], "tlb": {"size": 1}}'
wrong "broken JSON is refused with its line" 'line 2, column' '{"nodes":
 oops}'
wrong "text that is no machine is refused" 'text: no machine; give JSON' 'hello'
wrong "damaged XML is refused" 'XML: libhwloc' '<topology'
wrong "an empty file is refused" 'text: no machine' ''
refuses "a file that is not there lists the presets" 1 'flash-8, flash-16' "$replay" --machine "$TMP/nowhere" --print-machine
refuses "a folder is refused" 1 'Is a directory' "$replay" --machine "$TMP" --print-machine
finish
