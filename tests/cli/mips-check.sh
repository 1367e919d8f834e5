#!/usr/bin/env bash
# The guest "check" finds nothing wrong with kernel, library and virtual machine: on 1 to 16 virtual CPUs, with
# the page of registers, beside another virtual machine, and while its pages are moved; and the kernel says what
# it cannot do.
set -u
. "$(dirname "$0")/../lib.sh"
RECORD=$BUILD/disco-record
if [ ! -e "$BUILD/guests/check.elf" ]; then
  skip "the guest check" "it was not built: make guests installs the MIPS compiler and builds it"
  finish
fi
cd "$TMP" || exit 2

passes() { # what, options of disco-record mips and the guest
  local what=$1
  shift
  "$RECORD" mips --force --no-fetches -o t.db "$@" >out 2>err
  local status=$?
  if [ $status = 0 ] && ! grep -q FAIL out && [ "$(grep -c 'PASS' out)" -ge 28 ]; then
    ok "$what"
  else
    fail "$what" "status $status: $(grep FAIL out | head -3) $(tail -2 out) $(cat err)"
  fi
}
passes "all checks pass on one virtual CPU" --vcpus 1 check
passes "on four, under a policy that moves pages at random" --vcpus 4 --policy chaos check
passes "on sixteen" --vcpus 16 --machine flash-16 check
passes "with the page of registers, that the kernel uses" --vcpus 2 --hal check +hal
passes "with the page of registers, that the monitor patches in; pages stay the kernel's" --vcpus 2 --hal --patch check +keep
passes "in two virtual machines with memory in common" --vcpus 2 --vms 2 check +shared=4

"$RECORD" mips --force --no-fetches -o t.db --vcpus 2 check +other >out 2>err
check "an argument that the kernel does not know is refused" grep -q 'can be +hal, +keep and +shared=PAGES' out
"$RECORD" mips --force --no-fetches -o t.db --vcpus 2 check --standstill >out 2>err
check "threads that all sleep are not waited for for ever" grep -q 'all threads sleep' out
"$RECORD" mips --force --no-fetches -o t.db --vcpus 2 --memory 400K radix >out 2>err
check "that memory has run out is said" grep -q 'found no memory left' out
finish
