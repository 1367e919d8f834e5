#!/usr/bin/env bash
# Machines recorded on real hardware, as hwloc's own tools describe them: nodes, memory, CPUs, distances.
set -u
[ -w /dev/shm ] && export TMPDIR=/dev/shm # a recorded /sys has ten thousand files
. "$(dirname "$0")/../lib.sh"
for tool in lstopo hwloc-calc sqlite3 bzip2; do
  command -v "$tool" >/dev/null || { skip "machines against hwloc's tools" "no $tool"; finish; }
done

print_machine() { "$BUILD/disco-replay" --machine "$1" --print-machine; }

# Both sides as lines: "node ID KIB CPU,CPU,..." and "ns FROM TO NS", sorted.
ours() {
  print_machine "$1" >"$TMP/ours.json" || return 1
  sqlite3 -separator ' ' :memory: "
    WITH m(j) AS (SELECT CAST(readfile('$TMP/ours.json') AS TEXT)),
         n AS (SELECT key AS i, value AS v FROM m, json_each(j, '\$.nodes'))
    SELECT 'node', v ->> 'id', v ->> 'memory', ifnull((SELECT group_concat(value, ',') FROM json_each(v, '\$.cpus')), '') FROM n
    UNION ALL
    SELECT 'ns', a.v ->> 'id', b.v ->> 'id', json_extract(j, '\$.latency_ns[' || a.i || '][' || b.i || ']') FROM m, n a, n b" |
    awk '
      $1 == "ns" { print; next }
      {
        unit = substr($3, length($3)); kib = $3 + 0
        if (unit == "M") kib *= 1024; else if (unit == "G") kib *= 1048576; else if (unit == "T") kib *= 1073741824
        else if (unit != "K") kib /= 1024
        # CPUs stand in the order in which they share caches
        count = split($4, parts, ","); list = ""; most = -1; delete on
        for (i = 1; i <= count; i++) {
          if (split(parts[i], ends, "-") == 1) ends[2] = ends[1]
          for (cpu = ends[1] + 0; cpu <= ends[2] + 0; cpu++) { on[cpu]; if (cpu > most) most = cpu }
        }
        for (cpu = 0; cpu <= most; cpu++) if (cpu in on) list = list (list == "" ? "" : ",") cpu
        printf "node %d %d %s\n", $2, kib, list
      }' | LC_ALL=C sort
}

# 89 ns locally, distances to 10; without a matrix 20 between any two nodes
hwlocs() {
  local list
  {
    lstopo --disallowed -v -p --only numa -i "$1" 2>/dev/null |
      sed -nE 's/.*NUMANode.*P#([0-9]+)[ )].*/\1 &/p' | sed -E 's/ .*local=([0-9]+)KB.*/ \1/' | sort -n >"$TMP/nodes"
    sed 's/\([0-9]*\) .*/numa:\1/' "$TMP/nodes" | hwloc-calc --disallowed -i "$1" --pi --po -I PU | grep '^[0-9]' |
      while read -r list; do tr ',' '\n' <<<"$list" | sort -n | paste -sd,; done | paste -d' ' "$TMP/nodes" - | sed 's/^/node /'
    lstopo --disallowed -p --distances -i "$1" 2>/dev/null | awk -v nodes="$(cut -d' ' -f1 "$TMP/nodes" | tr '\n' ' ')" '
      function ns(distance) { return int((distance * 89 + 5) / 10) }
      /latency matrix/ { take = /NUMANodes/ && !found; if (take) found = 1; next }
      take && $1 == "index" { for (i = 2; i <= NF; i++) id[i] = $i; next }
      take && $1 ~ /^[0-9]+$/ { for (i = 2; i <= NF; i++) print "ns", $1, id[i], ns($i) }
      END {
        if (found) exit
        count = split(nodes, list, " ")
        for (i = 1; i <= count; i++) for (j = 1; j <= count; j++) print "ns", list[i], list[j], ns(i == j ? 10 : 20)
      }'
  } | LC_ALL=C sort
}

same_as_hwloc() {
  hwlocs "$1" >"$TMP/hwloc.lines" && ours "$1" >"$TMP/our.lines" || return 1
  grep -q '^node ' "$TMP/hwloc.lines" && diff "$TMP/hwloc.lines" "$TMP/our.lines"
}

# the host's own topology, and shapes that few machines at hand have
lstopo --of xml --force "$TMP/host.xml" 2>/dev/null
check "a topology of this host in XML reads as hwloc tells it" same_as_hwloc "$TMP/host.xml"
lstopo -i 'numa:6(indexes=9,0,250,8,3,1 memory=2GiB) pu:4' --of xml --force "$TMP/sparse.xml" 2>/dev/null
check "sparse node numbers keep their memory and CPUs" same_as_hwloc "$TMP/sparse.xml"
lstopo -i 'numa:64(memory=1GiB) pu:4' --of xml --force "$TMP/64.xml" 2>/dev/null
check "64 nodes are read" same_as_hwloc "$TMP/64.xml"
lstopo -i 'numa:4(memory=1GiB) pu:4' --export-xml-flags v1 --of xml --force "$TMP/v1.xml" 2>/dev/null
check "XML of version 1 is read" same_as_hwloc "$TMP/v1.xml"
print_machine host >"$TMP/live.json"
print_machine "$TMP/host.xml" >"$TMP/exported.json"
check "host is what its own XML says" sh -c "sed -n '/\"nodes\"/,\$p' '$TMP/live.json' >'$TMP/a'; sed -n '/\"nodes\"/,\$p' '$TMP/exported.json' >'$TMP/b'; cmp '$TMP/a' '$TMP/b'"

if [ -z "$SAMPLES" ]; then
  skip "recorded machines read as hwloc tells them" "no samples"
  finish
fi
for xml in "$SAMPLES"/topologies/hwloc-xml/*.xml; do
  check "$(basename "$xml") reads as hwloc tells it" same_as_hwloc "$xml"
done
for archive in "$SAMPLES"/topologies/sysfs/*.tar.bz2; do
  name=$(basename "$archive" .tar.bz2)
  mkdir -p "$TMP/$name"
  tar -xjf "$archive" -C "$TMP/$name" --strip-components=1 --exclude='*/cpuidle/*' --exclude='*/node*/memory[0-9]*' 2>/dev/null
  lstopo -i "$TMP/$name" --of xml --force "$TMP/$name.xml" 2>/dev/null
  check "$name, a recorded /sys, reads as hwloc tells it" same_as_hwloc "$TMP/$name.xml"
done

# numactl's text by the text itself
numactl_lines() {
  tr -d '\r' <"$1" | awk '
    $1 == "node" && $3 == "cpus:" { list = ""; for (i = 4; i <= NF; i++) list = list (list == "" ? "" : ",") $i; cpus[$2] = list }
    $1 == "node" && $3 == "size:" { printf "node %d %d %s\n", $2, $4 * 1024, cpus[$2] }
    $1 == "node" && $2 != "distances:" && $3 !~ /:$/ { for (i = 2; i <= NF; i++) id[i] = $i }
    $1 ~ /^[0-9]+:$/ { for (i = 2; i <= NF; i++) print "ns", $1 + 0, id[i], int(($i * 89 + 5) / 10) }' | LC_ALL=C sort
}
same_as_text() {
  numactl_lines "$1" >"$TMP/text.lines" && ours "$1" >"$TMP/our.lines" || return 1
  grep -q '^ns ' "$TMP/text.lines" && diff "$TMP/text.lines" "$TMP/our.lines"
}
for text in "$SAMPLES"/topologies/numactl/*.txt; do
  check "$(basename "$text") is the machine that it lists" same_as_text "$text"
done

# Intel Memory Latency Checker, as --help says
as_mlc() {
  "$BUILD/disco-replay" --machine "mlc:$1" --print-machine >"$TMP/mlc.json" && grep -q '"curve": \[\[' "$TMP/mlc.json"
}
for text in "$SAMPLES"/topologies/mlc/*.txt; do
  check "$(basename "$text") is a machine with curves" as_mlc "$text"
done
check "--help says how to name it" sh -c '"$BUILD/disco-replay" --help | tr -s " \n" " " | grep -q "mlc:FILE"'
finish
