#!/usr/bin/env bash
# make install and uninstall: PREFIX and DESTDIR are honoured, what is installed works, nothing stays.
set -u
. "$(dirname "$0")/../lib.sh"
if [ -n "${DISCO_SANITIZED:-}" ]; then
  skip "make install" "the sanitized build is not for installing"
  finish
fi
build=$BUILD
cd "$ROOT" || exit 2
check "make install works with DESTDIR and PREFIX" make -s install BUILD="$build" DESTDIR="$TMP/root" PREFIX=/opt/disco
there=$TMP/root/opt/disco
for name in disco-record disco-replay disco-plot disco-sql disco-trace; do
  check "$name is installed and answers --version" sh -c "'$there/bin/$name' --version | grep -q '^$name'"
  check "$name --help names a way to report or a file it needs" sh -c "'$there/bin/$name' --help | grep -qi usage"
  if command -v help2man >/dev/null; then
    check "$name has a man page that man can read" sh -c "grep -q '^.TH' '$there/share/man/man1/$name.1'"
  fi
  check "$name has a completion" test -s "$there/share/bash-completion/completions/$name"
done
for file in lib/disco/disco.so include/disco/policies/policy.h share/disco/schema.sql; do
  check "$file is installed" test -s "$there/$file"
done
own_policy() {
  sed -n '/^```c/,/^```/p' policies/README.md | grep -v '^```' |
    gcc -std=gnu17 -Wall -Wextra -Werror -DDISCO_POLICY_SHARED -I"$there/include/disco" -x c -fsyntax-only -
}
check "a policy of the user's own compiles with the installed header" own_policy
unset DISCO_PLOTS
check "charts come from the installed scripts" sh -c "'$there/bin/disco-plot' --list-charts | grep -q compare"
check "a policy's name completes" bash -c ". '$there/share/bash-completion/completions/disco-replay'
  COMP_WORDS=('$there/bin/disco-replay' --policy first-t) COMP_CWORD=2; _disco; [ \"\${COMPREPLY[*]}\" = first-touch ]"
check "a machine's name completes" bash -c ". '$there/share/bash-completion/completions/disco-replay'
  COMP_WORDS=('$there/bin/disco-replay' --machine alti) COMP_CWORD=2; _disco; [ \"\${COMPREPLY[*]}\" = altix-64 ]"
check "an option of a subcommand completes" bash -c ". '$there/share/bash-completion/completions/disco-record'
  COMP_WORDS=('$there/bin/disco-record' import --form) COMP_CWORD=2; _disco; [ \"\${COMPREPLY[*]}\" = --format ]"
check "...and a policy for it" bash -c ". '$there/share/bash-completion/completions/disco-record'
  COMP_WORDS=('$there/bin/disco-record' mips --policy first-t) COMP_CWORD=3; _disco; [ \"\${COMPREPLY[*]}\" = first-touch ]"
if ls "$BUILD"/guests/*.elf >/dev/null 2>&1; then
  check "installed guests are found" sh -c "'$there/bin/disco-record' mips --list-guests | grep -qx radix"
  check "a guest's name completes" bash -c "cd '$TMP' && . '$there/share/bash-completion/completions/disco-record'
    COMP_WORDS=('$there/bin/disco-record' mips radi) COMP_CWORD=2; _disco; [ \"\${COMPREPLY[*]}\" = radix ]"
fi
check "make uninstall works" make -s uninstall BUILD="$build" DESTDIR="$TMP/root" PREFIX=/opt/disco
check "nothing is left but folders" sh -c "[ -z \"\$(find '$TMP/root' -type f)\" ]"
finish
