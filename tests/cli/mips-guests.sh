#!/usr/bin/env bash
# Every guest that comes along computes the right answer, which is the one that the same source computes
# natively: on 1, 2, 4 and 8 virtual CPUs, while its pages are moved, replicated and collapsed at random, and
# beside other guests on one machine. DISCO_MIPS=all (make test-long): every guest in its own size, too.
set -u
. "$(dirname "$0")/../lib.sh"
RECORD=$BUILD/disco-record
if ! ls "$BUILD"/guests/*.elf >/dev/null 2>&1; then
  skip "guests" "none were built: make guests installs the MIPS compiler and builds them"
  finish
fi
cd "$TMP" || exit 2

# what is small for each
declare -A small=(
  [barnes]="--bodies 100 --steps 2" [engineering]="--jobs 3 --work 2" [fft]="--log2-points 10"
  [hashjoin]="--small 2048 --large 8192 --hot 20" [logic]="--bits 8 --vectors 5"
  [lu]="--size 64 --block 8" [memsim]="--kilobytes 256 --references 3000" [ocean]="--side 32"
  [pmake]="--files 4 --functions 3" [radix]="--keys 20000 --key-bits 24 --digit-bits 8" [ray]="--side 24 --spheres 70")
guests=()
for source in "$ROOT"/vmm-core/guest/programs/*.c; do
  guest=$(basename "$source" .c)
  [ -e "$BUILD/guests/$guest.elf" ] && guests+=("$guest")
done
check "every program that is known here is a guest" test "${#guests[@]}" = "${#small[@]}"

# ---------------------------------------------------------------- what the same sources say natively

run make -s -C "$ROOT" HAVE_DEPS=1 BUILD="$TMP/build" guests-native
[ "$rc" = 0 ] || fail "the guests' sources are built natively" "$(head -c 600 .err)"
native=$TMP/build/guest/native
answer() { grep -E "^$1: .*: answer [0-9a-f]{8} ok$" | grep -oE 'answer [0-9a-f]{8}'; }
declare -A expected
different=
for guest in "${guests[@]}"; do
  for threads in 2 1 3 16; do
    option=(--threads "$threads")
    case $guest in
    pmake) option=(--jobs "$threads") ;;
    engineering | logic | memsim) option=() ;;
    esac
    # shellcheck disable=SC2086
    "$native/$guest" ${small[$guest]} "${option[@]}" >out 2>err </dev/null
    got=$(answer "$guest" <out)
    [ "$threads" != 2 ] || expected[$guest]=$got
    if [ -z "$got" ] || [ "$got" != "${expected[$guest]}" ]; then
      different+="$guest with $threads threads: $(cat out err)"
    fi
  done
done
check "natively each computes the same with 1, 2, 3 and 16 threads" test -z "$different"

# the sources that pmake writes are C: a real compiler's program returns the same
"$native/pmake" --files 3 --keep 1 >/dev/null
gcc -w m?.c main.c -o real 2>err
./real
check "gcc's program of pmake's sources returns what pmake expects" \
  test $? = $(($(awk '$1 == "run" {print $3}' makefile) % 256))

# ---------------------------------------------------------------- in virtual machines

# agrees "what" GUEST COMMAND...: it ends well, and its console has the expected answer
agrees() {
  local what=$1 guest=$2
  shift 2
  run "$@"
  if [ "$rc" != 0 ]; then
    fail "$what" "exit $rc: $(printf '%s %s' "$out" "$err" | tail -c 600)"
  elif [ "$(answer "$guest" <<<"$out"$'\n'"$err")" != "${expected[$guest]:-none}" ]; then
    fail "$what" "not ${expected[$guest]}: $(printf '%s %s' "$out" "$err" | tail -c 600)"
  else ok "$what"; fi
}
# shellcheck disable=SC2086
for guest in "${guests[@]}"; do
  for vcpus in 1 2 4 8; do
    agrees "$guest on $vcpus virtual CPUs" "$guest" \
      "$RECORD" mips --vcpus "$vcpus" --force -o t.db "$guest" ${small[$guest]}
  done
  agrees "$guest under chaos" "$guest" "$RECORD" mips --vcpus 4 --policy chaos:period=2 --json --force -o t.db "$guest" ${small[$guest]}
  check "$guest under chaos: its pages moved, had replicas and lost them" \
    jq -e '.runs[0] | .migrations > 20 and .replications > 20 and .collapses > 20' <(printf '%s' "$out")
done

# many small VMs; the answer of each is on the console, in whichever order they end
side_by_side() {
  local what=$1 vms=$2 command=() guest missing=
  shift 2
  for guest in $vms; do
    # shellcheck disable=SC2206
    command+=(::: "$guest" ${small[$guest]})
  done
  run "$RECORD" mips --force --memory 3M -o t.db "$@" "${command[@]:1}"
  # a VM's lines have its name in front where there are several
  sed -i -E 's/^vm[0-9]+: //' .out .err
  for guest in $vms; do
    cat .out .err | answer "$guest" | grep -qx "${expected[$guest]:-none}" || missing+=" $guest"
  done
  if [ "$rc" != 0 ] || [ -n "$missing" ]; then
    fail "$what" "exit $rc, no answer of$missing: $(cat .out .err | tail -c 600)"
  else ok "$what"; fi
}
side_by_side "2 VMs of 4 virtual CPUs" "radix hashjoin" --vcpus 4
side_by_side "4 VMs of 2 virtual CPUs under chaos" "pmake ray lu barnes" --vcpus 2 --policy chaos:period=5
side_by_side "8 VMs of 3 virtual CPUs on 8 CPUs, which they share" "fft ocean engineering radix memsim ray hashjoin logic" --vcpus 3

# ---------------------------------------------------------------- what users see

for guest in "${guests[@]}"; do
  run "$RECORD" mips --vcpus 1 --force -o t.db "$guest" --help
  check "$guest --help lists its arguments" grep -q -- '--' <(printf '%s' "$out$err")
  check "$guest is listed with its summary" grep -qE "^ *$guest( |:|\$)" <("$RECORD" mips --list-guests)
done
run "$RECORD" mips --vcpus 2 --force -o t.db ocean --side 32 --cycles 1
check "a wrong answer is told and fails" test "$rc$(grep -cE 'ocean: .* wrong$' <<<"$out"$'\n'"$err")" = 11
run "$RECORD" mips --vcpus 1 --force -o t.db radix --keys many
check "a wrong argument is told" test "$rc$(grep -cF "radix: --keys takes a number from 1 to 67108864, not 'many'" <<<"$out"$'\n'"$err")" = 11

# ---------------------------------------------------------------- in their own size

if [ "${DISCO_MIPS:-}" = all ]; then
  for guest in "${guests[@]}"; do
    expected[$guest]=$("$native/$guest" </dev/null | answer "$guest")
    for vcpus in 1 4 16; do
      agrees "$guest in its own size on $vcpus virtual CPUs under chaos" "$guest" \
        "$RECORD" mips --vcpus "$vcpus" --policy chaos:period=300 --force -o t.db "$guest"
    done
  done
fi
finish
