#!/bin/bash
# What disco-plot says when it cannot draw, and that names in a database never become commands.
set -u
source "$(dirname "$0")/../lib.sh"
export DISCO_PLOTS=$ROOT/plots
plot=$BUILD/disco-plot

sqlite3 "$TMP/empty.db" <"$ROOT/schema.sql"
sqlite3 "$TMP/t.db" <"$ROOT/schema.sql"
{
  echo "CREATE TABLE f AS SELECT 2 AS nodes, 4 AS policies, 1 AS machines, 10 AS steps, 20 AS pages, 4 AS regions, 1000 AS refs;"
  cat "$ROOT/tests/cli/plot-fixture.sql"
} | sqlite3 -bail "$TMP/t.db"

refuses "no trace is wrong usage" 2 'no trace given' "$plot" -o "$TMP/o"
refuses "two traces are wrong usage" 2 'one trace at a time' "$plot" -o "$TMP/o" "$TMP/t.db" "$TMP/t.db"
refuses "pictures need a folder" 2 'give -o DIR' "$plot" "$TMP/t.db"
refuses "an unknown format is named" 2 '--format gif: not a format' "$plot" --format gif -o "$TMP/o" "$TMP/t.db"
for size in 10 0x5 100x 100x5 x100 100x200x 99999x99999 -5x100 axb; do
  refuses "--size=$size is refused" 2 'not a size' "$plot" --size=$size -o "$TMP/o" "$TMP/t.db"
done
for id in x 0 -3 1.5 99999999999999999999; do
  refuses "--run=$id is refused" 2 'not a run' "$plot" --run=$id -o "$TMP/o" "$TMP/t.db"
done
refuses "an unknown chart lists the charts" 1 "no chart 'pie'; there are actions, compare, contention, heat, locality, placement, regions, traffic" \
  "$plot" --chart pie -o "$TMP/o" "$TMP/t.db"
refuses "a run that is not there is named" 1 't.db: no run 77' "$plot" --run 1,77 -o "$TMP/o" "$TMP/t.db"
refuses "a database without runs says what to do" 1 'empty.db: holds no runs to draw; make some with: disco-replay' "$plot" -o "$TMP/o" "$TMP/empty.db"
refuses "results without runs say what to do" 1 'empty.db: holds no runs' "$plot" --results "$TMP/empty.db" -o "$TMP/o" "$TMP/t.db"
refuses "a missing trace is named" 1 'none.db: cannot be read: No such file' "$plot" -o "$TMP/o" "$TMP/none.db"
refuses "missing results are named" 1 'none.db: cannot be read' "$plot" --results "$TMP/none.db" -o "$TMP/o" "$TMP/t.db"
refuses "a folder is no trace" 1 'cannot be read' "$plot" -o "$TMP/o" "$TMP"
echo 'some text that is long enough to be no database at all' >"$TMP/text.db"
refuses "a text file is no trace" 1 'text.db: not a trace' "$plot" -o "$TMP/o" "$TMP/text.db"
refuses "a text file is no results" 1 'text.db: cannot be read' "$plot" --results "$TMP/text.db" -o "$TMP/o" "$TMP/t.db"
: >"$TMP/zero.db"
refuses "an empty file is no trace" 1 'zero.db: not a trace' "$plot" -o "$TMP/o" "$TMP/zero.db"
sqlite3 "$TMP/other.db" 'CREATE TABLE run (run_id)'
refuses "a database of another program is no trace" 1 'other.db: not a trace' "$plot" -o "$TMP/o" "$TMP/other.db"
sed 's/user_version = [0-9]*/user_version = 9999/' "$ROOT/schema.sql" | sqlite3 "$TMP/future.db"
refuses "a trace of the future is refused by its version" 1 'future.db: schema version 9999' "$plot" -o "$TMP/o" "$TMP/future.db"
head -c 20000 "$TMP/t.db" >"$TMP/cut.db"
refuses "a truncated database is one line" 1 'cut.db' "$plot" -o "$TMP/o" "$TMP/cut.db"
refuses "an asked chart with nothing to show says why" 1 'nothing to draw for chart actions: no policy of these runs moved a page' \
  "$plot" --chart actions --run 1 -o "$TMP/o" "$TMP/t.db"
run "$plot" --run 1 -o "$TMP/o" "$TMP/t.db"
check "a chart with nothing to show is left out when all are drawn" test "$rc" = 0

: >"$TMP/file"
refuses "a folder under a file cannot be made" 1 'cannot be made' "$plot" -o "$TMP/file/o" "$TMP/t.db"
refuses "a file is no folder" 1 "file: is no folder" "$plot" -o "$TMP/file" "$TMP/t.db"
if [ "$(id -u)" = 0 ]; then
  refuses "a folder where nothing can be written is named" 1 'cannot be' "$plot" -o /proc/self "$TMP/t.db"
else
  mkdir "$TMP/closed" && chmod 555 "$TMP/closed"
  refuses "a folder where nothing can be written is named" 1 'cannot be written' "$plot" -o "$TMP/closed" "$TMP/t.db"
fi
refuses "a full disk is one line" 1 'No space left' sh -c "mkdir '$TMP/full' && ln -s /dev/full '$TMP/full/compare.flash-2.parts.tsv.part' && exec '$plot' --chart compare -o '$TMP/full' '$TMP/t.db'"

refuses "without gnuplot the package is named" 1 'apt install gnuplot-nox' env PATH=/nonexistent "$plot" -o "$TMP/o" "$TMP/t.db"
mkdir "$TMP/bin"
cat >"$TMP/bin/gnuplot" <<'SH'
#!/bin/sh
printf '\n"x.gp" line 3: warning: this\n    ^\n"x.gp" line 7: what is wrong\n' >&2
exit 1
SH
chmod +x "$TMP/bin/gnuplot"
refuses "what gnuplot complains about becomes one line" 1 'gnuplot failed: "x.gp" line 7: what is wrong' env PATH="$TMP/bin:$PATH" "$plot" --chart compare -o "$TMP/o" "$TMP/t.db"
printf '#!/bin/sh\nkill -9 $$\n' >"$TMP/bin/gnuplot"
refuses "a gnuplot that is killed is told" 1 'gnuplot was ended by signal 9' env PATH="$TMP/bin:$PATH" "$plot" --chart compare -o "$TMP/o" "$TMP/t.db"
printf '#!/bin/sh\nexit 0\n' >"$TMP/bin/gnuplot"
refuses "a gnuplot that draws nothing is told" 1 'gnuplot made no picture' env PATH="$TMP/bin:$PATH" "$plot" --chart compare -o "$TMP/o" "$TMP/t.db"

refuses "missing scripts are told" 1 "charts' scripts are not found" env DISCO_PLOTS="$TMP/bin" "$plot" --list-charts
cp -r "$ROOT/plots" "$TMP/plots"
printf '# about: mine\n# data rows: SELECT 1 AS x\n# empty: no\n# colour: red\n' >"$TMP/plots/mine.gp"
refuses "a header with an unknown entry is refused with its line" 1 "mine.gp: line 4: 'colour' is no entry" env DISCO_PLOTS="$TMP/plots" "$plot" --list-charts
printf '# about: mine\n# empty: no\n' >"$TMP/plots/mine.gp"
refuses "a header without data is refused" 1 "mine.gp: its header has no 'data'" env DISCO_PLOTS="$TMP/plots" "$plot" --list-charts
printf '# about: mine\n# empty: no\n# picture: trace\n# data rows: SELECT absent FROM nowhere\n' >"$TMP/plots/mine.gp"
refuses "a wrong query is told with its chart" 1 'no such table: nowhere; ' env DISCO_PLOTS="$TMP/plots" "$plot" --chart mine -o "$TMP/o" "$TMP/t.db"
printf '# about: my own chart\n# empty: no\n# picture: trace\n# data rows: SELECT 1 AS x,\n#     2 AS y\nplot data_rows using "x":"y"\n' >"$TMP/plots/mine.gp"
run env DISCO_PLOTS="$TMP/plots" "$plot" --chart mine -o "$TMP/o" "$TMP/t.db"
check "one more file is one more chart" test "$rc:$out" = "0:$TMP/o/mine.png"

mkdir "$TMP/alone" && cp "$plot" "$TMP/alone/"
refuses "the heat map without its extension says so" 1 'by disco.so, which is not there' env -u DISCO_EXTENSION "$TMP/alone/disco-plot" --chart heat -o "$TMP/o" "$TMP/t.db"
run env -u DISCO_EXTENSION "$TMP/alone/disco-plot" --run 1 -o "$TMP/o" "$TMP/t.db"
check "the other charts are drawn without it" test "$rc:$(grep -c 'disco.so' <<<"$err")" = 0:1
run env DISCO_EXTENSION="$TMP/none.so" "$plot" --chart heat -o "$TMP/o" "$TMP/t.db"
check "an extension that is not there is named" grep -q 'none.so: cannot be loaded' <<<"$err"

# names from the database: markup, quotes, escapes, commands, control characters, bytes that are no UTF-8, newlines
mark=$TMP/ran
hostile="a_b^{c}@d %s%n \"e\" 'f' \`touch $mark\` \\n\\101 ; system('touch $mark') # \$(touch $mark) ../../up"
cp "$TMP/t.db" "$TMP/hostile.db"
sqlite3 "$TMP/hostile.db" "
  UPDATE run SET policy = printf('%s %d', '${hostile//\'/\'\'}', run_id), machine = '${hostile//\'/\'\'}' || char(10) || 'plot x';
  UPDATE run SET policy = char(7, 27) || x'ff80c0' || '<b>&amp;' || policy WHERE run_id = 2;
  UPDATE run SET policy = '''', parameters = 'no json' WHERE run_id = 3;
  UPDATE trace SET command = '${hostile//\'/\'\'}' || char(10) || '\"; system ''touch $mark''';
  UPDATE trace_region SET name = '${hostile//\'/\'\'}' || char(9) || char(10) || region;"
for format in png svg pdf txt; do
  run "$plot" --format $format -o "$TMP/hostile-$format" --chart compare,locality,actions,traffic,placement,regions "$TMP/hostile.db"
  check "hostile names are drawn as $format" test "$rc:$err" = 0:
done
check "and no command in them was run" test ! -e "$mark"
check "and no picture went up a folder" test -z "$(find "$TMP" -mindepth 1 -maxdepth 1 -name '*up*')"
if command -v xmllint >/dev/null; then
  check "and every svg is well-formed" sh -c "xmllint --noout '$TMP'/hostile-svg/*.svg"
fi
check "and they are drawn as they are written" grep -q 'a_b^{c}@d %s%n' "$TMP"/hostile-txt/compare.*.txt
sqlite3 "$TMP/same.db" ".restore $TMP/t.db" "UPDATE run SET policy = replace('a?a*a:', '?', char(32 + run_id))"
run "$plot" --chart traffic -o "$TMP/same" "$TMP/same.db"
check "names that become one file name get numbers" test "$rc:$(sort -u <<<"$out" | wc -l):$(ls "$TMP/same" | grep -c png)" = 0:4:4

# a trace that is read-only, in a folder that is, still draws
mkdir "$TMP/ro" && cp "$TMP/t.db" "$TMP/ro/t.db" && sqlite3 "$TMP/ro/t.db" 'PRAGMA journal_mode = wal' >/dev/null && chmod 444 "$TMP/ro/t.db" && chmod 555 "$TMP/ro"
run "$plot" --chart compare -o "$TMP/from-ro" "$TMP/ro/t.db"
check "a read-only trace in a read-only folder is drawn" test "$rc" = 0
chmod 755 "$TMP/ro"
sum=$(cksum <"$TMP/t.db")
"$plot" -o "$TMP/o" "$TMP/t.db" >/dev/null 2>&1
check "the trace is left as it was" test "$sum" = "$(cksum <"$TMP/t.db")"
cp "$TMP/t.db" "$TMP/a b?c#d%41.db"
run "$plot" --chart compare -o "$TMP/odd" "$TMP/a b?c#d%41.db"
check "a file name with blanks and signs is read" test "$rc" = 0
run "$plot" --chart compare --results "$TMP/a b?c#d%41.db" -o "$TMP/odd" "$TMP/t.db"
check "also as results" test "$rc" = 0

run "$plot" --help
check "--help names every option" test "$rc:$(grep -oE -- '--(chart|run|format|output|results|size|list-charts|help|version)' <<<"$out" | sort -u | wc -l)" = 0:9
run "$plot" --version
check "--version names the program" grep -q '^disco-plot [0-9]' <<<"$out"
refuses "a full standard output is told" 1 'standard output: cannot be written' sh -c "exec '$plot' --list-charts >/dev/full"
finish
