#!/usr/bin/env bash
# Fetches the programs of others that judge the CPU, as Debian source packages, into FOLDER:
#   valgrind   none/tests/mips32 and the headers that it needs
#   gcc        gcc.c-torture/execute, from gcc-12-source
# apt works in a folder of its own, so the system's lists and packages stay as they are. What is there
# is not fetched again. Usage: fetch.sh FOLDER. Exit 1: they cannot be had, with the reason in one line.
set -u
folder=${1:?usage: fetch.sh FOLDER}
mkdir -p "$folder" && cd "$folder" || exit 1
folder=$PWD
stop() { echo "$1" >&2; exit 1; }
command -v apt-get >/dev/null || stop "there is no apt-get here"
command -v dpkg-deb >/dev/null || stop "there is no dpkg-deb here"
work=$(mktemp -d "$folder/fetch.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT

# a root of apt's own, with sources as well as binaries
prepare() {
  local root=$work/apt
  mkdir -p "$root"/{etc,state/lists/partial,cache/archives/partial}
  mkdir "$root/etc/sources.list.d"
  : >"$root/status"
  : >"$root/etc/sources.list"
  [ -e /etc/apt/sources.list ] &&
    sed -E '/^deb / { p; s/^deb /deb-src / }' /etc/apt/sources.list >"$root/etc/sources.list"
  for list in /etc/apt/sources.list.d/*.sources; do
    [ -e "$list" ] && sed 's/^Types: deb$/Types: deb deb-src/' "$list" >"$root/etc/sources.list.d/$(basename "$list")"
  done
  apt=(apt-get -qq -o "Dir::Etc::SourceList=$root/etc/sources.list" -o "Dir::Etc::SourceParts=$root/etc/sources.list.d"
    -o "Dir::State=$root/state" -o "Dir::State::status=$root/status" -o "Dir::Cache=$root/cache" -o APT::Sandbox::User=root
    -o Acquire::Retries=1 -o Acquire::http::Timeout=20)
  "${apt[@]}" update >"$work/log" 2>&1 && ! grep -q '^W: Failed to fetch' "$work/log"
}

if [ ! -d valgrind ] || [ ! -d gcc ]; then
  prepare || stop "apt-get update failed (is the network there?): $(tail -1 "$work/log")"
fi
if [ ! -d valgrind ]; then
  (cd "$work" && "${apt[@]}" source --download-only valgrind) >"$work/log" 2>&1 ||
    stop "no source package valgrind: $(tail -1 "$work/log")"
  tar -C "$work" -xf "$work"/valgrind_*.orig.tar.* --wildcards '*/none/tests/mips32/*' '*/tests/*.h' '*/config.h*' '*/include/*' ||
    stop "valgrind's sources are not what they were"
  mv "$work"/valgrind-*/ valgrind
fi
if [ ! -d gcc ]; then
  (cd "$work" && "${apt[@]}" download gcc-12-source) >"$work/log" 2>&1 ||
    stop "no package gcc-12-source: $(tail -1 "$work/log")"
  dpkg-deb --fsys-tarfile "$work"/gcc-12-source_*.deb | tar -xO --wildcards './usr/src/gcc-12/gcc-12*.tar.xz' |
    tar -C "$work" -xJ --wildcards '*/gcc/testsuite/gcc.c-torture/execute/*' || stop "gcc's sources are not what they were"
  mv "$work"/gcc-12*/gcc/testsuite/gcc.c-torture gcc
fi
