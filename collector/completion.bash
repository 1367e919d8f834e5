# Bash completion for the disco commands: options come from each command's own --help.
_disco() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[0]} help
  case "${command##*/}:$previous" in
  *:--policy | *:-p)
    COMPREPLY=($(compgen -W "all $("$command" --list-policies 2>/dev/null | grep -oE '^[a-z][a-z-]*')" -- "$current"))
    return ;;
  *:--machine | *:-m)
    COMPREPLY=($(compgen -W "host $("$command" --list-machines 2>/dev/null | grep -oE '^[^ ]+')" -- "$current") $(compgen -f -- "$current"))
    return ;;
  *:--schedule) COMPREPLY=($(compgen -W "recorded compact scatter" -- "$current") $(compgen -f -- "$current")); return ;;
  disco-record:--format) COMPREPLY=($(compgen -W "champsim champsim-cloudsuite din drmemtrace lackey perf.data perf-script text" -- "$current")); return ;;
  disco-plot:--format) COMPREPLY=($(compgen -W "png svg pdf txt" -- "$current")); return ;;
  esac
  if [ "$COMP_CWORD" = 1 ]; then
    case "${command##*/}" in
    disco-record) COMPREPLY=($(compgen -W "perf import --help --version" -- "$current")); return ;;
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
  *) COMPREPLY=($(compgen -f -- "$current")) ;;
  esac
}
complete -o filenames -F _disco disco-record disco-replay disco-plot disco-sql disco-trace
