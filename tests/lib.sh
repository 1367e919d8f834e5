# Sourced by the shell tests. Gives:
#   check "what it checks" COMMAND...   passes when the command succeeds
#   ok WHAT, fail WHAT WHY, skip WHAT WHY
#   eventually COMMAND...               waits until it succeeds, for up to a minute
#   run COMMAND...                      sets $out, $err, $rc; never stops the test
#   $BUILD the built commands, $TMP a private folder, $ROOT the checkout, $SAMPLES recorded data or empty
# and `finish`, the last line of a test.
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=$(cd "${BUILD:-$ROOT/build}" && pwd)
TMP=$(mktemp -d "${TMPDIR:-/tmp}/disco-test.XXXXXX")
trap 'rm -rf "$TMP"' EXIT
SAMPLES=${DISCO_SAMPLES:-$ROOT/../shared/samples}
[ -d "$SAMPLES" ] || SAMPLES=
export DISCO_PLOTS=$ROOT/plots # a build may lie outside the checkout
failures=0
# a sqlite3 that loads a sanitized disco.so has to load the sanitizers' runtimes first
if [ -n "${DISCO_SANITIZED:-}" ]; then
  mkdir "$TMP/.sanitized"
  printf '#!/bin/sh\nLD_PRELOAD="%s %s" ASAN_OPTIONS=detect_leaks=0 exec %s "$@"\n' \
    "$(gcc -print-file-name=libasan.so)" "$(gcc -print-file-name=libubsan.so)" "$(command -v sqlite3)" >"$TMP/.sanitized/sqlite3"
  chmod +x "$TMP/.sanitized/sqlite3"
  PATH=$TMP/.sanitized:$PATH
fi

ok() { printf 'ok - %s\n' "$1"; }
fail() { printf 'not ok - %s: %s\n' "$1" "${2:-}"; failures=$((failures + 1)); }
skip() { printf 'skip - %s: %s\n' "$1" "${2:-}"; }
run() {
  "$@" >"$TMP/.out" 2>"$TMP/.err" </dev/null
  rc=$?
  out=$(cat "$TMP/.out") err=$(cat "$TMP/.err")
}
eventually() {
  local i
  for ((i = 0; i < 600; i++)); do
    "$@" >/dev/null 2>&1 && return
    sleep 0.1
  done
  return 1
}
check() {
  local what=$1
  shift
  if "$@" >"$TMP/.check" 2>&1; then ok "$what"; else fail "$what" "exit $? of: $*: $(head -c 500 "$TMP/.check" | tr '\n' ' ')"; fi
}
# refuses "what it checks" EXIT 'text of the one line' COMMAND...
refuses() {
  local what=$1 code=$2 text=$3
  shift 3
  run "$@"
  if [ "$rc" != "$code" ]; then fail "$what" "exit $rc, not $code: $err"
  elif [ "$code" = 1 ] && [ "$(printf '%s\n' "$err" | wc -l)" != 1 ]; then fail "$what" "more than one line: $err"
  elif ! printf '%s' "$err" | grep -qF -- "$text"; then fail "$what" "no '$text' in: $err"
  else ok "$what"; fi
}
finish() { [ "$failures" = 0 ]; exit; }
