#!/usr/bin/env bash
# make demo's main job, shorter: the known structure of its program has to come out.
set -u
. "$(dirname "$0")/../lib.sh"
cd "$ROOT" || exit 2
export DISCO_DEMO_OUT=$TMP/out DISCO_DEMO_ROWS=60
if ! "$BUILD/disco-record" perf -o "$TMP/try.db" -- true >/dev/null 2>"$TMP/why"; then
  skip "the demo" "no recording here: $(cat "$TMP/why")"
  finish
fi
run bash tests/demo/demo.sh
if [ "$rc" = 0 ]; then ok "the demo runs from recording to charts"; else fail "the demo runs from recording to charts" "exit $rc: $(printf '%s\n' "$err" | tail -3)"; fi
shows() { # shows "what" 'pattern'
  if printf '%s\n' "$out" | grep -qE -- "$2"; then ok "$1"; else fail "$1" "no '$2' in the output"; fi
}
shows "it prints a table for each trace and machine" '^machine +2-socket'
shows "every policy replays" '^round-robin'
if "$BUILD/disco-record" perf -e fault-kinds -o "$TMP/kinds.db" -- true >/dev/null 2>"$TMP/why"; then
  shows "private pages migrate, the table replicates, write-shared pages stay" '^All 7 regions as known, on both machines'
else
  skip "private pages migrate, the table replicates, write-shared pages stay" "$(cat "$TMP/why")"
fi
for trace in threads sqlite3; do
  for chart in compare.flash-8 locality.2-socket heat; do
    check "chart $chart of $trace is there" test -s "$TMP/out/charts-$trace/$chart.png"
  done
  check "$trace.db is whole" "$BUILD/disco-trace" verify "$TMP/out/$trace.db"
done
finish
