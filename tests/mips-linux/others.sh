#!/usr/bin/env bash
# Programs that nobody here wrote, on the modelled CPU (make test-long):
#   valgrind's none/tests/mips32, whose output has to be what valgrind's authors saw on real machines;
#   gcc's gcc.c-torture/execute, which abort where something is wrong.
# They are fetched as Debian source packages into $BUILD/others; where that fails, they are skipped.
# Those that fail are run under qemu-mipsel as well, and a failure is one only where it is not known.
#   TORTURE_EVERY=N       every Nth of gcc's programs (default 1)
#   TORTURE_FLAGS=FLAGS   the levels of optimisation (default "-O2")
set -u
. "$(dirname "$0")/../lib.sh"
here=$ROOT/tests/mips-linux
RUNNER=$BUILD/tests/mips-linux/mips-linux
OTHERS=$BUILD/others
export RUNNER
if ! command -v mipsel-linux-gnu-gcc >/dev/null; then
  skip "programs of others" "no mipsel-linux-gnu-gcc"
  finish
fi
if ! bash "$here/fetch.sh" "$OTHERS" 2>"$TMP/why"; then
  skip "programs of others" "$(tail -1 "$TMP/why")"
  finish
fi
cd "$TMP" || exit 2

# ---------------------------------------------------------------- valgrind's

# Not for this CPU, which has no DSP and MSA and is no release 6: by their own prerequisites, or because
# they only print text with one. allexec needs a 64-bit program beside it and has no expected output.
declare -A other_cpu=([allexec]=1 [branch_pc]=1 [branches_r6]=1 [fp_r6]=1 [MIPS32r6int]=1 [pc_instructions_r6]=1
  [mips32_dsp]=1 [mips32_dspr2]=1 [msa_arithmetic]=1 [msa_comparison]=1 [msa_data_transfer]=1 [msa_fpu]=1
  [msa_logical_and_shift]=1 [msa_shuffle]=1)
tests=$OTHERS/valgrind/none/tests/mips32
passed=0 all=0
for source in "$tests"/*.c "$tests"/*.cpp; do
  name=$(basename "${source%.c*}")
  [ -n "${other_cpu[$name]:-}" ] && continue
  all=$((all + 1))
  if ! mipsel-linux-gnu-gcc -x c -O0 -w -march=mips32r2 -mfp32 -static -I"$OTHERS/valgrind" -I"$OTHERS/valgrind/include" \
    "$source" -o program -lm 2>err; then
    fail "valgrind's $name compiles" "$(grep -m1 error err)"
    continue
  fi
  timeout 300 "$RUNNER" ./program >out 2>err </dev/null
  rc=$?
  like=
  for expected in "$tests/$name".stdout.exp*; do
    [ -e "$expected" ] || { expected=/dev/null; }
    cmp -s "$expected" out && like=$expected
  done
  if [ "$rc" != 0 ]; then fail "valgrind's $name" "exit $rc: $(tail -3 err)"
  elif [ -z "$like" ]; then fail "valgrind's $name" "its output is none of the expected ones"
  elif ! cmp -s "$tests/$name.stderr.exp" err; then fail "valgrind's $name" "standard error: $(head -3 err)"
  else
    ok "valgrind's $name: output as shipped"
    passed=$((passed + 1))
  fi
done
echo "# valgrind's none/tests/mips32: $passed of $all"

# ---------------------------------------------------------------- gcc's

# a line a program: pass, nocompile WHY or fail EXIT QEMU'S-EXIT
torture() {
  local source=$1 flags=$2 name folder options more=
  name=${source#*/execute/}
  name=${name%.c}
  folder=$TMP/torture/${name//\//_}$flags
  mkdir -p "$folder" && cd "$folder" || exit 2
  # the file's own options, but those for other machines
  options=$(grep -hE 'dg-(additional-)?options' "$source" | grep -vE '\{ *target|i\?86|x86' | grep -oE '"[^"]*"' | tr -d '"' | tr '\n' ' ')
  [ -e "${source%.c}.x" ] &&
    options+=" $(sed -nE 's/^(lappend|set) additional_flags "?([^"]*)"?$/\2/p' "${source%.c}.x" | tr '\n' ' ')"
  case $name in # as gcc's *.exp files have it
  builtins/*)
    more="${source%.c}-lib.c $(dirname "$source")/lib/main.c"
    options+=" -fno-tree-dse -fno-tree-loop-distribute-patterns -fno-tracer -fno-ipa-ra -fno-inline-functions"
    ;;
  ieee/*) options+=" -fno-inline" ;;
  esac
  # shellcheck disable=SC2086
  if ! mipsel-linux-gnu-gcc -w $flags -march=mips32r2 -mfp32 -static $options "$source" $more -o program -lm 2>err; then
    echo "nocompile $name $flags: $(grep -m1 -E 'error|undefined' err | sed 's/.*: //')"
  else
    timeout 300 "$RUNNER" ./program >out 2>&1 </dev/null
    local rc=$? qemu=none
    if [ "$rc" = 0 ]; then echo "pass $name $flags"
    else
      command -v qemu-mipsel >/dev/null && { timeout 300 qemu-mipsel -cpu 24Kf ./program >/dev/null 2>&1 </dev/null; qemu=$?; }
      echo "fail $name $flags: exit $rc, under qemu-mipsel $qemu"
    fi
  fi
  rm -rf "$folder"
}
export -f torture
export TMP
programs=()
for source in "$OTHERS"/gcc/execute/*.c "$OTHERS"/gcc/execute/{ieee,builtins}/*.c; do
  case $source in *-lib.c) ;; *) programs+=("$source") ;; esac
done
for flags in ${TORTURE_FLAGS:--O2}; do
  printf '%s\n' "${programs[@]}" | awk -v every="${TORTURE_EVERY:-1}" 'NR % every == 0' |
    xargs -P "${TEST_JOBS:-2}" -I{} bash -c 'torture "$@"' _ {} "$flags" >>results 2>/dev/null
done
# What fails or does not compile for a reason that is not the CPU's: name, reason
known=$here/known
while read -r result name rest; do
  reason=$(awk -v name="$name" '$1 == name { $1 = ""; print substr($0, 2) }' "$known")
  case $result in
  pass) ;;
  *)
    if [ -n "$reason" ]; then echo "# known: $result $name $rest ($reason)"
    else fail "gcc's $name" "$result $rest"; fi
    ;;
  esac
done <results
count() { grep -c "^$1 " results; }
echo "# gcc's gcc.c-torture/execute: $(count pass) of $(wc -l <results) pass, $(count nocompile) do not compile, $(count fail) fail"
check "gcc's programs ran" test "$(count pass)" -gt 50
ok "gcc's torture programs: $(count pass) of $(wc -l <results)"
finish
