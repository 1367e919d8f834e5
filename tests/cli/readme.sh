#!/usr/bin/env bash
# Every example of the READMEs runs: the blocks marked ```sh are run in order, in an empty folder, with
# the built commands on the PATH; a README's own blocks share one shell, so later ones see earlier files.
set -u
. "$(dirname "$0")/../lib.sh"
export PATH="$BUILD:$PATH"
cd "$ROOT" || exit 2
# the commands of DESIGN's kind that a reader types from the checkout
ln -s "$BUILD" "$TMP/build"
# the trace that drrun would have made
[ -n "$SAMPLES" ] && ln -s "$SAMPLES/traces/drmemtrace-threadsig-small" "$TMP/drmemtrace.app.dir"
for folder in collector replayer policies vmm-core plots tests schema.sql; do ln -s "$ROOT/$folder" "$TMP/$folder"; done
for readme in $(git ls-files '*README.md' 2>/dev/null || find . -name README.md); do
  blocks=$(awk '/^```sh$/ {inside = 1; n++; next} /^```/ {inside = 0} inside {print > (dir "/block-" n ".sh")} END {print n + 0}' dir="$TMP" "$readme")
  n=1
  while [ "$n" -le "$blocks" ]; do
    first=$(grep -v '^#' "$TMP/block-$n.sh" | head -1)
    # what needs root or a kernel with NUMA balancing is marked in its first line: # needs root
    if grep -q '^# needs root' "$TMP/block-$n.sh" && { [ "$(id -u)" != 0 ] || [ ! -e /proc/sys/kernel/numa_balancing ]; }; then
      skip "$readme: $first" "needs root and NUMA balancing"
    elif grep -q '^# needs guests' "$TMP/block-$n.sh" && ! ls "$BUILD"/guests/*.elf >/dev/null 2>&1; then
      skip "$readme: $first" "no guests"
    elif grep -q '^# needs a trace that you recorded' "$TMP/block-$n.sh" && [ -z "$SAMPLES" ]; then
      skip "$readme: $first" "no recorded samples here"
    elif (cd "$TMP" && bash -e -o pipefail "block-$n.sh" </dev/null) >"$TMP/.log" 2>&1; then
      ok "$readme: $first"
    else
      fail "$readme: $first" "$(tail -3 "$TMP/.log" | tr '\n' ' ')"
    fi
    rm -f "$TMP/block-$n.sh"
    n=$((n + 1))
  done
done
finish
