#!/usr/bin/env bash
# disco-record import --format drmemtrace: folders, single files, zip, gzip and raw, what is refused; judged by
# a few lines of Python that know only DynamoRIO's trace_entry.h, and by the samples' own documentation.
set -u
. "$(dirname "$0")/../lib.sh"
import() { "$BUILD/disco-record" import --format drmemtrace "$@"; }
value() { sqlite3 "$1" "$2"; }
cd "$TMP" || exit 2

# three threads of one process, 2000 records each, in pieces whose times interleave
cat >make.py <<'END'
import gzip, random, struct, sys, zipfile
random.seed(1)
record = lambda kind, size, value: struct.pack('<HHQ', kind, size, value)
epoch = 11644473600000000 + 1700000000 * 1000000
pieces = []
for tid in (71, 72, 73):
    data = [record(25, 0, 7), record(28, 12, 7), record(28, 9, 0x40), record(22, 4, tid), record(24, 4, 70)]
    time = epoch + random.randrange(50)
    for piece in range(100):
        cpu = random.randrange(4)
        data += [record(28, 2, time), record(28, 3, cpu)]
        refs = []
        for i in range(random.randrange(12)):
            kind = random.choice((0, 1, 10))
            refs.append((kind, random.getrandbits(47)))
            data.append(record(kind, 4, refs[-1][1]))
        pieces.append((time, tid, piece, cpu, refs))
        time += random.randrange(60)
    data += [record(23, 4, tid), record(26, 0, 0)]
    data = b''.join(data)
    name = 'folder/drmemtrace.app.70.%d.trace' % tid
    if tid == 71:
        open(name, 'wb').write(data)
    elif tid == 72:
        gzip.open(name + '.gz', 'wb').write(data)
    else:
        with zipfile.ZipFile(name + '.zip', 'w', zipfile.ZIP_DEFLATED) as chunks:
            for at in range(0, len(data), 5000):
                chunks.writestr('chunk.%04d' % (at // 5000), data[at:at + 5000])
pieces.sort(key=lambda p: p[:3])
start = next(p[0] for p in pieces if p[4])
for time, tid, piece, cpu, refs in pieces:
    for kind, addr in refs:
        print('%d,%d,%s,%x' % ((time - start) * 1000, tid, {0: 'load', 1: 'store', 10: 'fetch'}[kind], addr))
END
mkdir folder
python3 make.py >wanted
printf 'nothing\n' >folder/modules.log
check "a folder of raw, gzip and zip files is imported" import -o t.db folder
"$BUILD/disco-sql" -c -n t.db "SELECT r.time, s.tid, r.kind, printf('%x', r.addr) FROM refs r JOIN trace_stream s ON s.stream = r.stream" | tr -d '\r' >got
check "every reference is there, in the order of the timestamps" cmp wanted got
check "one process, three threads" test "$(value t.db 'SELECT count(*), min(pid), max(pid), group_concat(tid) FROM (SELECT * FROM trace_stream ORDER BY tid)')" = "3|70|70|71,72,73"
check "other files are left alone, and that is noted" test "$(value t.db "SELECT value FROM trace_note WHERE key = 'files_left_alone'")" = 1
check "a CPU of each piece" test "$("$BUILD/disco-trace" dump --help >/dev/null && value t.db 'SELECT events > 50 FROM trace')" = 1
check "the trace verifies" "$BUILD/disco-trace" verify t.db
check "it replays as recorded" "$BUILD/disco-replay" --policy first-touch --schedule recorded --machine flash-8 --no-results t.db
mkdir outer && mv folder outer/trace
check "the folder that drrun made is taken too" import -o outer.db outer
check "... and holds the same" test "$(value outer.db 'SELECT refs FROM trace')" = "$(value t.db 'SELECT refs FROM trace')"
mv outer/trace folder
for file in folder/*.trace*; do
  check "one file alone is imported: ${file##*.}" import --force -o one.db "$file"
  check "... one thread" test "$(value one.db 'SELECT count(*) FROM trace_stream')" = 1
done
check "a zip comes through a pipe" sh -c "cat folder/*.zip | '$BUILD/disco-record' import -f drmemtrace --force -o one.db -"
check "--no-fetches leaves fetches out" import --no-fetches -o data.db folder
check "... and nothing else" test "$(value data.db 'SELECT fetches, loads, stores FROM trace')" = "$(value t.db 'SELECT 0, loads, stores FROM trace')"

head -c 3000 folder/*71.trace >cut.trace
refuses "a file that was cut off is named by its record" 1 "cut.trace: record 251 (byte 3000): a footer should stand here: the file was cut off (what came before is in cut.db, marked as cut off)" import -o cut.db cut.trace
check "... and what came before is kept" test "$(value cut.db 'SELECT refs > 0, complete FROM trace')" = "1|0"
check "--skip-bad goes on" import --skip-bad -o skip.db cut.trace
check "... and counts" test "$(value skip.db "SELECT value FROM trace_note WHERE key = 'records_skipped'")" = 1
head -c 2000 folder/*73.trace.zip >cut.zip
refuses "so does a zip that was cut off" 1 "cut.zip: zip data end too early: the file was cut off near byte 2000" import --force -o cut.db cut.zip
check "... what could be unpacked is kept" test "$(value cut.db 'SELECT refs > 0, complete FROM trace')" = "1|0"
refuses "a text is refused" 1 "this is no header of a drmemtrace" import -o no.db folder/modules.log
mkdir raw
refuses "a folder without traces is refused" 1 "drrun -t drmemtrace -indir FOLDER" import -o no.db raw
refuses "another format takes no folder" 1 "is a folder" "$BUILD/disco-record" import -f lackey -o no.db folder
check "none of them leaves a trace" test ! -e no.db

if [ ! -d "${SAMPLES:-/nowhere}/traces/drmemtrace-threadsig-small" ]; then
  skip "a recorded drmemtrace" "no recorded samples here"
  finish
fi
sample=$SAMPLES/traces/drmemtrace-threadsig-small
check "a recorded trace is imported" import -o sample.db "$sample"
check "172,208 loads and 100,150 stores of 9 threads, as documented" test "$(value sample.db 'SELECT loads, stores, (SELECT count(*) FROM trace_stream) FROM trace')" = "172208|100150|9"
# of a 12-CPU machine, the markers name all but CPU 6
python3 - "$sample" >wanted <<'END'
import glob, struct, sys, zipfile
fetches, times, cpus = 0, [], set()
for name in glob.glob(sys.argv[1] + '/*.trace.zip'):
    cpu = None
    with zipfile.ZipFile(name) as chunks:
        data = b''.join(chunks.read(chunk) for chunk in chunks.infolist())
    for kind, size, value in struct.iter_unpack('<HHQ', data):
        if kind == 28 and size == 3: cpu = value
        if kind == 28 and size == 2: time = value
        if kind in (10, 11, 12, 13, 14, 15, 16, 48, 49): fetches += 1
        if kind in (0, 1, 10, 11, 12, 13, 14, 15, 16, 48, 49):
            cpus.add(cpu)
            times.append(time)
print('%d|%d|%s' % (fetches, (max(times) - min(times)) * 1000, ','.join(map(str, sorted(cpus)))))
END
cpus=$("$BUILD/disco-sql" -c -n sample.db "SELECT DISTINCT arg0 FROM events WHERE type = 'dispatch'" 2>/dev/null | tr -d '\r' | cat - <(value sample.db 'SELECT cpu FROM trace_stream') | sort -nu | paste -sd,)
check "fetches, time from first to last, and CPUs are as Python reads them" test "$(value sample.db 'SELECT fetches, (SELECT max(last_time) FROM trace_block) FROM trace')|$cpus" = "$(cat wanted)"
finish
