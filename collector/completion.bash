# Bash completion for the disco commands: options come from each command's own --help.
_disco() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[0]} help
  # what disco-record mips takes from disco-replay, that can list it
  local lists=${command/%disco-record/disco-replay}
  case "${command##*/}:${COMP_WORDS[1]}:$previous" in
  disco-record:perf:-*) ;; # its -p is a process
  disco-record:mips:--filter) COMPREPLY=($(compgen -W "cache" -- "$current")); return ;;
  disco-record:mips:--start-at | disco-record:mips:--window) COMPREPLY=($(compgen -W "mark" -- "$current")); return ;;
  *:*:--policy | *:*:-p)
    COMPREPLY=($(compgen -W "all $("$lists" --list-policies 2>/dev/null | grep -oE '^[a-z][a-z-]*')" -- "$current"))
    return ;;
  *:*:--machine | *:*:-m)
    COMPREPLY=($(compgen -W "host $("$lists" --list-machines 2>/dev/null | grep -oE '^[^ ]+')" -- "$current") $(compgen -f -- "$current"))
    return ;;
  *:*:--schedule) COMPREPLY=($(compgen -W "recorded compact scatter" -- "$current") $(compgen -f -- "$current")); return ;;
  disco-record:*:--format) COMPREPLY=($(compgen -W "champsim champsim-cloudsuite din drmemtrace lackey perf.data perf-script text" -- "$current")); return ;;
  disco-plot:*:--format) COMPREPLY=($(compgen -W "png svg pdf txt" -- "$current")); return ;;
  esac
  if [ "$COMP_CWORD" = 1 ]; then
    case "${command##*/}" in
    disco-record) COMPREPLY=($(compgen -W "mips perf import --help --version" -- "$current")); return ;;
    disco-trace) COMPREPLY=($(compgen -W "info verify dump sample merge --help --version" -- "$current")); return ;;
    esac
  fi
  case "$current" in
  -*)
    case "${command##*/}" in
    disco-record | disco-trace) help=$("$command" "${COMP_WORDS[1]}" --help 2>/dev/null) ;;
    *) help=$("$command" --help 2>/dev/null) ;;
    esac
    COMPREPLY=($(compgen -W "$(grep -oE -- '--[a-z][a-z-]+' <<<"$help" | sort -u)" -- "$current")) ;;
  *)
    COMPREPLY=($(compgen -f -- "$current"))
    [ "${command##*/}:${COMP_WORDS[1]}" = disco-record:mips ] &&
      COMPREPLY+=($(compgen -W "$("$command" mips --list-guests 2>/dev/null | grep -oE '^[a-z][a-z0-9-]*')" -- "$current"))
    return 0 ;;
  esac
}
complete -o filenames -F _disco disco-record disco-replay disco-plot disco-sql disco-trace
