-- Made-up results of replays for the tests of disco-plot, of any size. Before it, a table says how large:
--   CREATE TABLE f AS SELECT 8 AS nodes, 9 AS policies, 2 AS machines, 200 AS steps, 400 AS pages,
--                            4 AS regions, 1000000 AS refs;
-- The figures are invented; only their shapes are those of real results.
INSERT INTO trace (id, source, command, host, page_bytes, columns, time_unit, start_unix_ns, refs_per_sample, sampled,
                   complete, blocks, refs, events, fetches, loads, stores, touches, version)
  SELECT 0, 'lackey', './shared --threads 8', 'fixture', 4096, 0, 'references', 0, 1, 0, 1, 0, refs, 0, 0, 0, 0, 0, '0.1.0' FROM f;
INSERT INTO trace_space VALUES (0, 'shared');

CREATE TEMP TABLE number (i INTEGER PRIMARY KEY);
INSERT INTO number
  WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT i FROM n;
CREATE TEMP TABLE kind (i INTEGER, name TEXT, parameters TEXT, locality REAL, moves INTEGER, copies INTEGER);
INSERT INTO kind VALUES
  (0, 'first-touch', '{}', 0.42, 0, 0), (1, 'migrate', '{"trigger":128,"sharing":32}', 0.78, 1, 0),
  (2, 'replicate', '{"trigger":128}', 0.71, 0, 1), (3, 'disco', '{"trigger":128,"sharing":32}', 0.93, 1, 1),
  (4, 'round-robin', '{}', 0.13, 0, 0), (5, 'interleave', '{}', 0.125, 0, 0), (6, 'bind', '{"node":0}', 0.15, 0, 0),
  (7, 'random', '{}', 0.12, 0, 0), (8, 'chaos', '{"period":1000}', 0.20, 1, 1);

INSERT INTO trace_region
  SELECT i, 0, (1000000 + i * 100000) * 4096, (1000000 + i * 100000 + 1 + (SELECT pages / regions FROM f)) * 4096,
         'mapping', CASE i WHEN 0 THEN 'table (read-mostly)' WHEN 1 THEN 'private buffers' WHEN 2 THEN 'hand-over buffer'
         WHEN 3 THEN 'shared counters' ELSE '/usr/lib/x86_64-linux-gnu/libsomething_' || i || '.so.6' END, NULL, 0
  FROM number, f WHERE i < regions;

INSERT INTO run
  SELECT 1 + m.i * policies + k.i, k.name, k.parameters,
         CASE m.i WHEN 0 THEN 'flash-' || nodes ELSE '2-socket' END, '{}', 'compact', 'references', 'on', 1,
         16384, '{}', '0.1.0', 'fixture.db', '0'
  FROM f, number m, kind k WHERE m.i < machines AND k.i < policies ORDER BY 1;
CREATE TEMP TABLE r AS SELECT run.*, kind.*, nodes, steps, pages, regions, refs FROM run JOIN kind ON kind.name = policy, f;

CREATE TEMP TABLE part AS SELECT run_id, metric, value FROM (
  SELECT run_id, 'execution_ns' AS metric, refs * 8 AS value FROM r
  UNION ALL SELECT run_id, 'tlb_ns', refs * 2 FROM r
  UNION ALL SELECT run_id, 'local_stall_ns', cast(refs * locality * 9 AS INTEGER) FROM r
  UNION ALL SELECT run_id, 'remote_stall_ns', cast(refs * (1 - locality) * 36 AS INTEGER) FROM r
  UNION ALL SELECT run_id, 'move_ns', refs * (moves + copies) / 2 FROM r
  UNION ALL SELECT run_id, 'shootdown_ns', refs * (moves + copies) / 5 FROM r
  UNION ALL SELECT run_id, 'monitor_ns', refs / 3 FROM r
  UNION ALL SELECT run_id, 'idle_ns', refs * i / 4 FROM r);
INSERT INTO run_metric SELECT * FROM part;
INSERT INTO run_metric SELECT run_id, 'time_ns', sum(value) / nodes FROM part JOIN r USING (run_id) GROUP BY run_id;
INSERT INTO run_metric SELECT run_id, 'local_share', locality FROM r;
INSERT INTO run_metric SELECT run_id, 'optimum_ratio', NULL FROM r;
INSERT INTO run_metric SELECT run_id, 'migrations', moves * pages * 2 FROM r;
INSERT INTO run_metric SELECT run_id, 'replications', copies * pages FROM r;
INSERT INTO run_metric SELECT run_id, 'collapses', copies * pages / 3 FROM r;

INSERT INTO run_epoch
  SELECT run_id, n.i, n.i * (refs / steps), refs / steps, n.i * 1000000, (n.i + 1) * 1000000,
         local, refs / steps - local,
         moves * (n.i * 37 % 11) * pages / 400 / (1 + n.i * 8 / steps), copies * (n.i * 53 % 7) * pages / 400 / (1 + n.i * 5 / steps),
         copies * (n.i * 29 % 3), (moves + copies) * (n.i * 29 % 5), pages, copies * n.i / 2,
         300 + 200 * (1 - locality) * (n.i % 13) / 13, nullif(900 + 900 * (1 - locality) * (n.i % 17) / 17, 900),
         (1 - locality) * (0.5 + 0.5 * n.i / steps), CASE nodes WHEN 2 THEN NULL ELSE (1 - locality) * 0.4 END, 3 * (1 - locality)
  FROM (SELECT r.*, number.i AS step, cast(refs / steps * min(1, locality * (0.8 + 0.25 * number.i / steps) + 0.05 *
               ((number.i * 7919 + run_id * 31) % 17) / 17.0) AS INTEGER) AS local
        FROM r, number WHERE number.i < steps) AS e JOIN number n ON n.i = e.step;

INSERT INTO run_epoch_station
  SELECT run_id, step, 'controller', n.i, n.i, local_accesses / nodes, controller_utilisation, local_latency_ns / 2, queue_length
  FROM run_epoch JOIN r USING (run_id), number n WHERE n.i < nodes AND step < 64;

INSERT INTO run_page
  SELECT run_id, n.i, 0, 1000000 + (n.i / (1 + pages / regions)) * 100000 + n.i % (1 + pages / regions),
         n.i / (1 + pages / regions), home, (home + moves * n.i) % nodes, 0, 100 + n.i, n.i % 7, 60, moves * 2,
         copies, copies
  FROM (SELECT r.*, number.i AS p, CASE name WHEN 'interleave' THEN number.i % nodes WHEN 'bind' THEN 0
               WHEN 'random' THEN number.i * 7919 % 101 % nodes ELSE number.i * nodes / pages END AS home
        FROM r, number WHERE number.i < pages) AS e JOIN number n ON n.i = e.p;

INSERT INTO run_action
  SELECT run_id, row_number() OVER (PARTITION BY run_id ORDER BY at, ppn, step) - 1, at, at * 10, kind, 'done', ppn,
         from_node, to_node, 0, 5000, 'fixture'
  FROM (SELECT p.run_id, p.ppn, s.i AS step, refs / 10 * (1 + 3 * s.i) + p.ppn * 97 % (refs / 10 + 1) AS at,
               CASE WHEN moves AND s.i < 2 THEN 'migrate' WHEN s.i < 2 THEN 'replicate' ELSE 'collapse' END AS kind,
               (p.first_home + 3 * s.i) % nodes AS from_node,
               CASE WHEN s.i < 2 THEN (p.first_home + 3 * s.i + 3) % nodes END AS to_node
        FROM run_page p JOIN r USING (run_id), number s WHERE (moves AND s.i < 2) OR (copies AND s.i < 3 AND p.ppn % 2 = 0 AND NOT moves));

INSERT INTO run_traffic
  SELECT run_id, a.i, b.i, CAST(CASE WHEN a.i = b.i THEN refs / nodes * locality ELSE refs / nodes * (1 - locality) / nodes END
         + (a.i * 13 + b.i * 7) % 10 * refs / nodes / 300 AS INTEGER), refs / nodes / 20 / (1 + abs(a.i - b.i))
  FROM r, number a, number b WHERE a.i < nodes AND b.i < nodes AND (a.i * 7 + b.i) % 29 <> 5;

INSERT INTO run_region
  SELECT run_id, region, count(*), sum(loads), sum(stores),
         cast(sum(loads + stores) * min(1, locality * (0.6 + 0.2 * region % 5)) AS INTEGER),
         sum(p.migrations), sum(p.replications), sum(p.collapses)
  FROM run_page p JOIN r USING (run_id) GROUP BY run_id, region;
