-- The database of a trace and of the results of its replays.
--
-- Plain sqlite3 reads every table but `refs`, which comes from the extension disco.so (linked into
-- disco-sql): references are kept in compressed blocks, not in rows. All times are integers in ns
-- unless the name says otherwise; all addresses are the recorded program's virtual addresses.
-- Text in these comments is the reference for users: one comment for each table and column.

-- Marks the file as ours ("Disc") and gives the version of this schema.
PRAGMA application_id = 0x44697363;
PRAGMA user_version = 1;

----------------------------------------------------------------------------------------- the trace

-- One row: what the trace is and how it was made.
CREATE TABLE trace (
  id INTEGER PRIMARY KEY CHECK (id = 0), -- always 0: there is one row
  source TEXT NOT NULL,             -- what recorded it: perf, lackey, perf-script, text, mips
  command TEXT,                     -- the recorded program with its arguments, or the imported file
  host TEXT,                        -- the machine it was recorded on
  event TEXT,                       -- the sampled event, where there is one
  page_bytes INTEGER NOT NULL,      -- page size of the recorded system
  columns INTEGER NOT NULL,         -- optional columns of its references, a bit each: 1 time, 2 ip, 4 phys, 8 latency, 16 source, 32 weight, 64 size
  time_unit TEXT NOT NULL,          -- 'ns', or 'references' where the source has no clock: then time is the ordinal
  start_unix_ns INTEGER NOT NULL,   -- wall clock at time 0, ns since 1970; 0: not known
  refs_per_sample INTEGER NOT NULL, -- references that one recorded one stands for; 1: a full trace
  sampled INTEGER NOT NULL,         -- 1: references are missing by design
  complete INTEGER NOT NULL,        -- 1: ended well; 0: cut off, holds what was committed
  blocks INTEGER NOT NULL,          -- blocks committed, rows of trace_block
  refs INTEGER NOT NULL,            -- references in all committed blocks
  events INTEGER NOT NULL,          -- other events in all committed blocks
  fetches INTEGER NOT NULL,         -- references that are instruction fetches
  loads INTEGER NOT NULL,           -- references that are loads
  stores INTEGER NOT NULL,          -- references that are stores
  touches INTEGER NOT NULL,         -- references of unknown kind (page fault samples)
  version TEXT NOT NULL             -- the Disco that wrote it
);

-- Counted by the source: lost records, skipped lines, limits that were met. Also what a user should know.
CREATE TABLE trace_note (
  key TEXT PRIMARY KEY,             -- what was counted
  value TEXT NOT NULL               -- how much, or in words
) WITHOUT ROWID;

-- Address spaces: processes, or address spaces of a guest.
CREATE TABLE trace_space (
  space INTEGER PRIMARY KEY,        -- id, from 0
  name TEXT                         -- the process, where it is known
);

-- Streams: what runs, threads or virtual CPUs.
CREATE TABLE trace_stream (
  stream INTEGER PRIMARY KEY,       -- id, from 0
  space INTEGER NOT NULL,           -- address space it starts in
  vm INTEGER NOT NULL,              -- virtual machine, 0 where there is none
  pid INTEGER NOT NULL,             -- process as the source names it
  tid INTEGER NOT NULL,             -- thread as the source names it
  cpu INTEGER,                      -- recorded CPU at its first reference; NULL: not known
  node INTEGER,                     -- recorded node at its first reference; NULL: not known
  name TEXT                         -- thread name
);

-- Parts of address spaces that have a name.
CREATE TABLE trace_region (
  region INTEGER PRIMARY KEY,       -- id, from 0
  space INTEGER NOT NULL,           -- address space
  start INTEGER NOT NULL,           -- first byte
  "end" INTEGER NOT NULL,           -- byte after the last
  kind TEXT NOT NULL,               -- mapping, symbol, heap, stack, allocation
  name TEXT NOT NULL,               -- what a user would call it
  file TEXT,                        -- path of the mapped file, or where the symbol is from
  file_offset_bytes INTEGER NOT NULL -- offset of the mapping in it
);

-- References and events, 64 Ki at a time, compressed.
CREATE TABLE trace_block (
  block INTEGER PRIMARY KEY,        -- number, from 0, without gaps
  codec INTEGER NOT NULL,           -- version of the encoding
  first_ref INTEGER NOT NULL,       -- ordinal in the trace of its first reference
  refs INTEGER NOT NULL,            -- references in it
  events INTEGER NOT NULL,          -- other events in it, as table events gives them back: dispatch, idle,
                                    -- time, asid, map, unmap, fork, exit, share; of a monitor's guests tlbwrite, dma, zero,
                                    -- free, service (kind, times). Arguments: collector/trace/event.h
  first_time INTEGER NOT NULL,      -- time of its first reference (ordinal where there is no clock)
  last_time INTEGER NOT NULL,       -- time of its last reference
  min_addr INTEGER NOT NULL,        -- lowest address in it, as unsigned 64 bits held in a signed integer
  max_addr INTEGER NOT NULL,        -- highest address in it, likewise
  kinds INTEGER NOT NULL,           -- kinds in it, a bit each: 1 fetch, 2 load, 4 store, 8 touch
  streams BLOB NOT NULL,            -- 32 bytes: bit (stream mod 256) is set for each stream in it
  crc32c INTEGER NOT NULL,          -- CRC-32C of data
  data BLOB NOT NULL                -- the encoded block
);

-- References by page and stream: who used what, without reading the trace.
CREATE TABLE page_summary (
  space INTEGER NOT NULL,           -- address space
  page INTEGER NOT NULL,            -- virtual page number: address / page_bytes
  stream INTEGER NOT NULL,          -- stream
  fetches INTEGER NOT NULL,         -- fetches by it
  loads INTEGER NOT NULL,           -- loads by it
  stores INTEGER NOT NULL,          -- stores by it
  touches INTEGER NOT NULL,         -- references of unknown kind by it
  PRIMARY KEY (space, page, stream)
) WITHOUT ROWID;

----------------------------------------------------------------------------------------- the results

-- One replay: everything needed to repeat it.
CREATE TABLE run (
  run_id INTEGER PRIMARY KEY,       -- id, from 1
  policy TEXT NOT NULL,             -- its name
  parameters TEXT NOT NULL,         -- its parameters as JSON, defaults included
  machine TEXT NOT NULL,            -- the machine's name
  machine_json TEXT NOT NULL,       -- the machine as JSON, defaults included
  schedule TEXT NOT NULL,           -- how streams were put on CPUs: recorded, compact, scatter, or the file
  input TEXT NOT NULL,              -- what the trace was taken to hold: references, or misses (caches left out)
  contention TEXT NOT NULL,         -- on: loaded latencies; off: the machine's, flat
  seed INTEGER NOT NULL,            -- seed of all random choices
  epoch_references INTEGER NOT NULL, -- references in an epoch
  options TEXT NOT NULL,            -- the other options, as JSON
  version TEXT NOT NULL,            -- the Disco that ran it
  trace_file TEXT NOT NULL,         -- file name of the trace
  trace_checksum TEXT NOT NULL      -- checksum over its blocks
);

-- One number a row: the totals of a run, by the names that --json prints. Of a sampled trace they estimate
-- those of the whole one, and NAME_low and NAME_high are the ends of the 95 % interval of NAME.
CREATE TABLE run_metric (
  run_id INTEGER NOT NULL REFERENCES run, -- the run
  metric TEXT NOT NULL,             -- its name; a unit ends the name (_ns)
  value NUMERIC,                    -- NULL: this run has no such figure. Integers are stored as integers
  PRIMARY KEY (run_id, metric)
) WITHOUT ROWID;

-- Counters and time accounts of each CPU that ran something. Of a sampled trace, counts in this table and the
-- ones that follow are of the samples, or sums of their weights where they have some (refs has column weight).
CREATE TABLE run_cpu (
  run_id INTEGER NOT NULL REFERENCES run, -- the run
  cpu INTEGER NOT NULL,             -- CPU of the machine
  node INTEGER NOT NULL,            -- its node
  counter TEXT NOT NULL,            -- name of a counter, or of a time account (then it ends in _ns); of a monitor's
                                    -- trace too what it did for guests: zeroed_pages, dma_pages, freed_pages,
                                    -- privileged, tlb_writes, reflections, monitor_refills, monitor_calls, interrupts
                                    -- of its caches: accesses and misses by level and kind, as L1_data_misses
  value INTEGER NOT NULL,           -- its sum over the run; exact, in ns for accounts
  PRIMARY KEY (run_id, cpu, counter)
) WITHOUT ROWID;

-- Memory of each node.
CREATE TABLE run_node (
  run_id INTEGER NOT NULL REFERENCES run, -- the run
  node INTEGER NOT NULL,            -- node of the machine
  frames INTEGER NOT NULL,          -- page frames it has
  frames_used INTEGER NOT NULL,     -- in use at the end, replicas included
  frames_used_most INTEGER NOT NULL, -- in use at the fullest moment
  replica_frames INTEGER NOT NULL,  -- of them replicas, at the end
  replica_frames_most INTEGER NOT NULL, -- replicas at the moment of most replicas
  table_frames INTEGER NOT NULL,    -- of frames_used page tables, at the end; 0 where tables are not modelled
  local_accesses INTEGER NOT NULL,  -- accesses its memory served to its own CPUs
  remote_accesses INTEGER NOT NULL, -- accesses its memory served to other nodes
  PRIMARY KEY (run_id, node)
) WITHOUT ROWID;

-- Who read and wrote whose memory.
CREATE TABLE run_traffic (
  run_id INTEGER NOT NULL REFERENCES run, -- the run
  from_node INTEGER NOT NULL,       -- node of the CPU
  to_node INTEGER NOT NULL,         -- node of the memory
  loads INTEGER NOT NULL,           -- loads, fetches and touches that reached memory (no cache served them)
  stores INTEGER NOT NULL,          -- stores that reached memory
  PRIMARY KEY (run_id, from_node, to_node)
) WITHOUT ROWID;

-- Caches of the machine, over all CPUs: the same for every run of a trace on a machine, since lines do not
-- depend on where pages are. No rows where the trace holds misses, or the machine has no caches.
CREATE TABLE run_cache (
  run_id INTEGER NOT NULL REFERENCES run, -- the run
  cache INTEGER NOT NULL,           -- its place in the machine's list of caches, from 0
  level INTEGER NOT NULL,           -- 1 is next to the CPU
  kind TEXT NOT NULL,               -- data, instruction, unified
  accesses INTEGER NOT NULL,        -- references that looked it up
  misses INTEGER NOT NULL,          -- of them not found: cold + capacity + coherence
  cold INTEGER NOT NULL,            -- the CPUs of the cache referred to the line for the first time
  capacity INTEGER NOT NULL,        -- the line had made room for another one (capacity or conflict)
  coherence INTEGER NOT NULL,       -- a store by a CPU of another cache had taken the line
  false_sharing INTEGER NOT NULL,   -- of coherence: no word that was asked for had been written since
  upgrades INTEGER NOT NULL,        -- stores to a line that was here, but in other caches too
  writebacks INTEGER NOT NULL,      -- changed lines written to the next level or to memory
  PRIMARY KEY (run_id, cache)
) WITHOUT ROWID;

-- The run over time, in at most 2048 steps of equal numbers of epochs; with contention, and on machines with
-- more than 16 controllers and links, in fewer.
CREATE TABLE run_epoch (
  run_id INTEGER NOT NULL REFERENCES run, -- the run
  step INTEGER NOT NULL,            -- from 0
  first_reference INTEGER NOT NULL, -- ordinal of the first reference in it
  "references" INTEGER NOT NULL,    -- references in it
  start_ns INTEGER NOT NULL,        -- model time at its start
  end_ns INTEGER NOT NULL,          -- model time at its end
  local_accesses INTEGER NOT NULL,  -- accesses served by the own node
  remote_accesses INTEGER NOT NULL, -- accesses served by another node
  migrations INTEGER NOT NULL,      -- in this step
  replications INTEGER NOT NULL,    -- in this step
  collapses INTEGER NOT NULL,       -- in this step
  shootdowns INTEGER NOT NULL,      -- in this step
  frames_used INTEGER NOT NULL,     -- at its end, replicas included
  replica_frames INTEGER NOT NULL,  -- at its end
  local_latency_ns REAL,            -- mean of its local accesses; NULL: there were none
  remote_latency_ns REAL,           -- mean of its remote accesses; NULL: there were none
  controller_utilisation REAL,      -- of the busiest memory controller, 0 to 1; NULL without contention
  link_utilisation REAL,            -- of the busiest link; NULL without contention, or without links
  queue_length REAL,                -- mean accesses at the controller or link with most of them; NULL without contention
  PRIMARY KEY (run_id, step)
) WITHOUT ROWID;

-- Memory controllers and links over time, with contention; those that nothing went through in a step have no row.
CREATE TABLE run_epoch_station (
  run_id INTEGER NOT NULL REFERENCES run, -- the run
  step INTEGER NOT NULL,            -- of run_epoch
  kind TEXT NOT NULL,               -- controller or link
  from_node INTEGER NOT NULL,       -- node of the controller, or where the link begins
  to_node INTEGER NOT NULL,         -- node of the controller, or where the link ends
  accesses INTEGER NOT NULL,        -- that went through it: references, write-backs, walks, copies of pages
  utilisation REAL NOT NULL,        -- share of the time in which it was busy, 0 to 1: mean over the epochs, by the time of their slowest CPU
  latency_ns REAL NOT NULL,         -- time of an access at it, waiting included: mean over the accesses
  queue_length REAL NOT NULL,       -- accesses that wait or are served: mean over the epochs, likewise
  PRIMARY KEY (run_id, step, kind, from_node, to_node)
) WITHOUT ROWID;

-- Each page's fate. A page that only the end of a reference to another page ran into was never placed: no row.
CREATE TABLE run_page (
  run_id INTEGER NOT NULL REFERENCES run, -- the run
  ppn INTEGER NOT NULL,             -- guest-physical page number: order of first touch
  space INTEGER NOT NULL,           -- address space where it was mapped last in a region, else first
  page INTEGER NOT NULL,            -- virtual page number there
  region INTEGER,                   -- the smallest region that holds it, else the one that holds most of it; NULL: none
  first_home INTEGER NOT NULL,      -- node it was placed on
  home INTEGER NOT NULL,            -- node of the master copy at the end
  replicas INTEGER NOT NULL,        -- nodes with a replica at the end, a bit each
  loads INTEGER NOT NULL,           -- loads, fetches and touches that reached memory (no cache served them)
  stores INTEGER NOT NULL,          -- stores that reached memory
  local_accesses INTEGER NOT NULL,  -- of them served by the node of the CPU
  migrations INTEGER NOT NULL,      -- times it was migrated
  replications INTEGER NOT NULL,    -- replicas made of it
  collapses INTEGER NOT NULL,       -- times it was collapsed to one copy
  PRIMARY KEY (run_id, ppn)
) WITHOUT ROWID;

-- Regions: sums over their pages.
CREATE TABLE run_region (
  run_id INTEGER NOT NULL REFERENCES run, -- the run
  region INTEGER NOT NULL,          -- region of the trace; -1: pages in no region
  pages INTEGER NOT NULL,           -- pages touched
  loads INTEGER NOT NULL,           -- loads, fetches and touches that reached memory (no cache served them)
  stores INTEGER NOT NULL,          -- stores that reached memory
  local_accesses INTEGER NOT NULL,  -- of them served by the node of the CPU
  migrations INTEGER NOT NULL,      -- migrations of its pages
  replications INTEGER NOT NULL,    -- replicas made of its pages
  collapses INTEGER NOT NULL,       -- collapses of its pages
  PRIMARY KEY (run_id, region)
) WITHOUT ROWID;

-- Every action in order, up to --log-actions; run_metric actions_not_logged counts the rest.
CREATE TABLE run_action (
  run_id INTEGER NOT NULL REFERENCES run, -- the run
  action INTEGER NOT NULL,          -- from 0
  reference INTEGER NOT NULL,       -- ordinal of the reference that led to it
  time_ns INTEGER NOT NULL,         -- model time, at the start of its epoch
  kind TEXT NOT NULL,               -- migrate, replicate, collapse, reclaim, split, merge
  answer TEXT NOT NULL,             -- done, or why not: no frame, nothing to do, nonsense, apart (merge)
  ppn INTEGER NOT NULL,             -- the page
  from_node INTEGER NOT NULL,       -- node of the master copy before; -1: there is no such page
  to_node INTEGER,                  -- where to; NULL for collapses
  cpu INTEGER NOT NULL,             -- CPU on whose behalf
  cost_ns INTEGER NOT NULL,         -- charged in all
  reason TEXT NOT NULL,             -- in the policy's words
  PRIMARY KEY (run_id, action)
) WITHOUT ROWID;

-- What to know before believing a run: its trace is too short or too thin for something that was asked.
CREATE TABLE run_note (
  run_id INTEGER NOT NULL REFERENCES run, -- the run
  note INTEGER NOT NULL,            -- from 0
  about TEXT NOT NULL,              -- samples, pages, first-touch, interval, trigger, actions, dispatch: as replayer/report/warnings.h
  text TEXT NOT NULL,               -- one line, with its figures
  PRIMARY KEY (run_id, note)
) WITHOUT ROWID;

-- Which policy is best: one line a run, times in ms, shares in %.
CREATE VIEW v_compare AS
SELECT r.run_id, r.machine, r.policy, r.parameters,
       round(t.value / 1e6, 3) AS time_ms,
       round(100.0 * l.value, 2) AS local_percent,
       m.value AS migrations, p.value AS replications, c.value AS collapses
FROM run r
LEFT JOIN run_metric t ON t.run_id = r.run_id AND t.metric = 'time_ns'
LEFT JOIN run_metric l ON l.run_id = r.run_id AND l.metric = 'local_share'
LEFT JOIN run_metric m ON m.run_id = r.run_id AND m.metric = 'migrations'
LEFT JOIN run_metric p ON p.run_id = r.run_id AND p.metric = 'replications'
LEFT JOIN run_metric c ON c.run_id = r.run_id AND c.metric = 'collapses'
ORDER BY r.machine, time_ms;

-- Which pages cost most: pages of each run by remote accesses, with the region's name.
CREATE VIEW v_hot_pages AS
SELECT p.run_id, r.policy, r.machine, p.space, p.page, g.name AS region,
       p.loads + p.stores AS accesses, p.loads + p.stores - p.local_accesses AS remote_accesses,
       p.stores, p.first_home, p.home, p.replicas, p.migrations, p.replications, p.collapses
FROM run_page p JOIN run r USING (run_id) LEFT JOIN trace_region g ON g.region = p.region
ORDER BY p.run_id, remote_accesses DESC, p.ppn;

-- How locality develops: local share in % over model time in ms.
CREATE VIEW v_timeline AS
SELECT e.run_id, r.policy, r.machine, e.step, round(e.start_ns / 1e6, 3) AS start_ms,
       round(100.0 * e.local_accesses / nullif(e.local_accesses + e.remote_accesses, 0), 2) AS local_percent,
       e.migrations, e.replications, e.collapses, e.replica_frames
FROM run_epoch e JOIN run r USING (run_id)
ORDER BY e.run_id, e.step;

-- What a policy did and why: actions by kind, answer and reason.
CREATE VIEW v_actions AS
SELECT a.run_id, r.policy, r.machine, a.kind, a.answer, a.reason, count(*) AS actions,
       count(DISTINCT a.ppn) AS pages, round(sum(a.cost_ns) / 1e6, 3) AS cost_ms
FROM run_action a JOIN run r USING (run_id)
GROUP BY a.run_id, a.kind, a.answer, a.reason
ORDER BY a.run_id, actions DESC;
