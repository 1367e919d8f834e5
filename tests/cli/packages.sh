#!/usr/bin/env bash
# What .ci/install-packages does where packages are missing, on systems that are made up of a few links.
set -u
. "$(dirname "$0")/../lib.sh"
cd "$ROOT" || exit 2
bin=$TMP/bin
mkdir "$bin"
for name in bash env dirname mktemp rm tail cat id sh; do ln -s "$(command -v $name)" "$bin/$name"; done
install_packages() { PATH=$bin run bash .ci/install-packages "$@"; }
# the name may be a link to the real program, which must not be written to
program() { rm -f "$bin/$1" && printf '#!/bin/sh\n%s\n' "$2" >"$bin/$1" && chmod +x "$bin/$1"; }

install_packages all
check "without apt it stops" test "$rc" = 1
check "and has printed the list, with reasons" grep -q 'libsqlite3-dev .*trace store' <<<"$out"
check "in one line it says how to go on" test "$(grep -c 'HAVE_DEPS=1' <<<"$err")" = 1
HAVE_DEPS=1 install_packages all
check "HAVE_DEPS is believed" test "$rc$out$err" = 0

program dpkg-query 'echo installed'
install_packages all test lint
check "where all is installed it says and does nothing" test "$rc$out$err" = 0

program dpkg-query 'case "$*" in *valgrind) echo not-installed ;; *) echo installed ;; esac'
program apt-cache 'exit 0'
program apt-get "echo \"\$*\" >>'$TMP/apt.log'"
program id 'echo 0'
install_packages all
check "what is missing is installed" test "$rc" = 0
check "that and nothing else" test "$(grep -c . "$TMP/apt.log")" = 2 -a "$(grep -o 'recommends .*' "$TMP/apt.log")" = "recommends valgrind"
program apt-get 'echo "E: no network" >&2; exit 100'
install_packages all
check "where apt fails, its words are shown" test "$rc" = 1 -a -n "$(grep 'E: no network' <<<"$err")"
program id 'echo 1000'
install_packages all
check "with neither root nor sudo it says what an administrator has to type" grep -q 'apt-get install valgrind' <<<"$err"
finish
