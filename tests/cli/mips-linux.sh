#!/usr/bin/env bash
# Static Linux programs on the modelled CPU (tests/mips-linux): what they print is what they print under
# qemu-mipsel, byte for byte, and every fetch, load and store, from the first instruction to the exit, is
# one that a plugin of QEMU's sees in the same place. make test-long runs programs of others, too.
set -u
. "$(dirname "$0")/../lib.sh"
RUNNER=$BUILD/tests/mips-linux/mips-linux
PROGRAMS=$ROOT/tests/mips-linux/programs
for tool in mipsel-linux-gnu-gcc qemu-mipsel; do
  if ! command -v $tool >/dev/null; then
    skip "static Linux programs" "no $tool"
    finish
  fi
done
if [ ! -x "$RUNNER" ]; then
  skip "static Linux programs" "no $RUNNER: make unit builds it"
  finish
fi
cd "$TMP" || exit 2

# build PROGRAM NAME FLAGS...
build() {
  local source=$PROGRAMS/$1.c to=$2
  shift 2
  mipsel-linux-gnu-gcc -w -march=mips32r2 -static -frounding-math "$source" "$@" -o "$to" -lm 2>err ||
    fail "$(basename "$source") is built" "$(head -3 err)"
}
qemu() { timeout 300 env -i "$(command -v qemu-mipsel)" -cpu 24Kf "$@"; }

# ---------------------------------------------------------------- what they print

for program in library integers floats; do
  for flags in "-O2 -mfp32" "-O0 -mfp32" "-Os -mfp64"; do
    # shellcheck disable=SC2086
    build $program program $flags
    qemu ./program >theirs 2>&1
    expected=$?
    run timeout 300 "$RUNNER" ./program
    if [ "$rc" != "$expected" ]; then fail "$program $flags" "exit $rc, not $expected: $err"
    else check "$program $flags prints what it prints under qemu-mipsel" cmp .out theirs; fi
  done
done
build faults program -O1 -mfp32
run "$RUNNER" ./program
if [ "$rc" != 0 ]; then fail "faults" "exit $rc: $out $err"
else check "faults become signals, and what is not aligned is mended, as in Linux" cmp .out "$PROGRAMS/faults.expected"; fi
printf 'int main(void) { *(volatile int *)16 = 1; }' >wild.c
mipsel-linux-gnu-gcc -static wild.c -o wild
run "$RUNNER" ./wild
check "a program that ends by a signal says which" test "$rc" = 139
run "$RUNNER" wild.c
check "what is no program is told" test "$rc$(grep -c 'too short\|no static' <<<"$err")" = 1251

# ---------------------------------------------------------------- every reference

if ! gcc -O2 -shared -fPIC "$ROOT/tests/property/mips/plugin.c" -o plugin.so 2>err; then
  fail "the plugin is built" "$(head -3 err)"
fi
for program in library integers floats; do
  # the same stack, arguments and environment in both: its own
  build $program program -O2 -mfp32 "$PROGRAMS/start.S" -Wl,-e,own_start
  rm -f references
  qemu -plugin ./plugin.so,out=references ./program >theirs 2>qemu.err
  if [ ! -s references ]; then
    fail "QEMU's plugin sees $program" "$(head -3 qemu.err)"
    continue
  fi
  timeout 300 "$RUNNER" -c references ./program >ours 2>err </dev/null
  number=$(sed -n 's/ references are .*//p' err)
  if [ "${number:-0}" -gt 1000000 ] && cmp -s ours theirs; then ok "$program: all $number references are those of QEMU's plugin"
  else fail "$program: its references are those of QEMU's plugin" "$(cat err)"; fi
done
# a load of another address, and one that is not there
head -c 8000000 references >fewer
check "a stream that ends is told" bash -c "! '$RUNNER' -c fewer ./program >/dev/null 2>err && grep -q 'QEMU.s none' err"
{ head -c 4000000 references; printf '\1'; tail -c +4000002 references; } >other
check "one other reference is told" bash -c "! '$RUNNER' -c other ./program >/dev/null 2>err && grep -q 'reference [0-9]*, at' err"
finish
