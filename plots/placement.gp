# about: Home node of each page over the run, and where replicas help it
# picture: run
# empty: these runs have no run_page
# size: SELECT 1060, 600
# let references: SELECT max(first_reference + "references") FROM run_epoch JOIN shown USING (run_id)
# let pages: SELECT count(*) FROM run_page JOIN shown USING (run_id)
# let nodes: SELECT max(2, 1 + max(node)) FROM (SELECT max(max(first_home, home)) AS node FROM run_page JOIN shown
#     USING (run_id) UNION ALL SELECT max(max(from_node, to_node)) FROM run_traffic JOIN shown USING (run_id))
# let cells_x: SELECT min(:grid_x, max(first_reference + "references")) FROM run_epoch JOIN shown USING (run_id)
# let cells_y: SELECT min(:grid_y, count(*)) FROM run_page JOIN shown USING (run_id)
# let unlogged: SELECT coalesce(max(value), 0) FROM run_metric JOIN shown USING (run_id) WHERE metric = 'actions_not_logged'
## Pages are put in order of address and into cells_y bins, references into cells_x bins. A cell has the node
## that is home to more than half of its pages (-1: none is), from first homes and the migrations up to
## there; it is replicated where at least half of its pages are, from replications and collapses. Cells of
## a bin that are alike make one part.
# data parts: WITH RECURSIVE size AS (SELECT pages, "references", min(:grid_x, "references") AS x, min(:grid_y, pages) AS y
#     FROM (SELECT count(*) AS pages FROM run_page JOIN shown USING (run_id)),
#     (SELECT max(first_reference + "references") AS "references" FROM run_epoch JOIN shown USING (run_id))),
#   column(x) AS (SELECT 0 UNION ALL SELECT x + 1 FROM column WHERE x + 1 < (SELECT x FROM size)),
#   page AS (SELECT ppn, first_home, (row_number() OVER (ORDER BY space, page, ppn) - 1) * y / pages AS y
#     FROM run_page JOIN shown USING (run_id), size),
#   act AS (SELECT a.action, a.ppn, a.kind, a.from_node, a.to_node, page.y, min(size.x - 1, a.reference * size.x / "references") AS x
#     FROM run_action a JOIN shown USING (run_id) JOIN page USING (ppn), size
#     WHERE a.answer = 'done' AND a.kind IN ('migrate', 'replicate', 'collapse')),
#   change AS (SELECT y, 0 AS x, first_home AS node, 1 AS pages FROM page
#     UNION ALL SELECT y, x, from_node, -1 FROM act WHERE kind = 'migrate'
#     UNION ALL SELECT y, x, to_node, 1 FROM act WHERE kind = 'migrate'),
#   summed AS (SELECT y, x, node, sum(pages) AS pages FROM change GROUP BY y, x, node),
#   held AS (SELECT n.y, c.x, n.node, sum(coalesce(s.pages, 0)) OVER (PARTITION BY n.y, n.node ORDER BY c.x) AS pages
#     FROM (SELECT DISTINCT y, node FROM change) n, column c LEFT JOIN summed s ON s.y = n.y AND s.x = c.x AND s.node = n.node),
#   home AS (SELECT y, x, node, max(pages) AS most, sum(pages) AS pages FROM held GROUP BY y, x),
#   turn AS (SELECT y, x, (kind = 'replicate') - (kind = 'collapse') AS pages, kind <> lag(kind, 1, 'collapse')
#     OVER (PARTITION BY ppn ORDER BY action) AS real FROM act WHERE kind <> 'migrate'),
#   replica AS (SELECT y, x, sum(pages) AS pages FROM turn WHERE real GROUP BY y, x),
#   state AS (SELECT y, x, CASE WHEN most * 2 > h.pages THEN node ELSE -1 END AS node,
#     sum(coalesce(r.pages, 0)) OVER (PARTITION BY y ORDER BY x) * 2 >= h.pages AS replicated
#     FROM home h LEFT JOIN replica r USING (y, x)),
#   edge AS (SELECT *, node IS NOT lag(node) OVER line OR replicated IS NOT lag(replicated) OVER line AS new
#     FROM state WINDOW line AS (PARTITION BY y ORDER BY x))
#   SELECT edge.y, edge.x AS from_x, lead(edge.x, 1, size.x) OVER (PARTITION BY edge.y ORDER BY edge.x) AS to_x, node, replicated
#   FROM edge, size WHERE new ORDER BY 1, 2
## Regions that are wide enough for a name: runs of bins whose first pages lie in one region.
# data regions: WITH size AS (SELECT count(*) AS pages, min(:grid_y, count(*)) AS y FROM run_page JOIN shown USING (run_id)),
#   page AS (SELECT region, row_number() OVER (ORDER BY space, page, ppn) - 1 AS rank FROM run_page JOIN shown USING (run_id)),
#   bin AS (SELECT rank * y / pages AS y, region, min(rank) FROM page, size GROUP BY 1),
#   part AS (SELECT y, region, y - row_number() OVER (PARTITION BY region ORDER BY y) AS part FROM bin)
#   SELECT min(p.y) - 0.5 AS from_y, max(p.y) + 0.5 AS to_y,
#     coalesce(replace(g.name, rtrim(g.name, replace(g.name, '/', '')), ''), '-') AS region
#   FROM part p LEFT JOIN trace_region g ON g.region = p.region GROUP BY p.region, part ORDER BY 1

title = 'Home node of each page over the run'
centre = txt ? 0.5 : 0.375
unit = scale(references)
width = references / cells_x / unit
set xlabel 'references'.prefix(references).(unlogged > 0 ? '; the last actions are not in the log' : '')
set ylabel sprintf('%.0f pages in order of address', pages)
set yrange [-0.5:cells_y - 0.5]
set xrange [0:references / unit]
if (references < 8) { set xtics 1 }
unset ytics
unset grid
set key off
set border 15
least = cells_y * (txt ? 0.01 : 0.03)
middle(n) = (column('from_y') + column('to_y')) / 2
name(s) = s eq '-' || column('to_y') - column('from_y') < least ? '' : cut_inside(s, 24)
if (txt) {
    digit = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+*'
    # over the whole picture, which may be much wider than the plot
    set label 1 heading(title) at screen 0.5, screen (size_y - 2.0) / (size_y - 1) center
    # a cell is a character, the axis is the line below: characters are counted from 0
    set lmargin at screen 3.0 / (size_x - 1)
    # one name a line
    taken = -1
    alone(s, y) = s eq '' || row(y) == taken ? '' : (taken = row(y), '  '.s)
    row(y) = int(y + 0.5)
    set rmargin at screen (cells_x > 1 ? 2.0 + cells_x : 4.0) / (size_x - 1)
    set label 2 'a cell is its node (0-9, a-z, ...), # with replicas, . on several nodes' at screen 2.0 / size_x, screen 1.0 / size_y left
    repeat(c, n) = n < 1 ? '' : n == 1 ? c : repeat(c, n / 2).repeat(c, n - n / 2)
    sign(n, r) = r > 0 ? '#' : n < 0 ? '.' : digit[int(n) + 1:int(n) + 1]
    part(from, to) = repeat(sign(column('node'), column('replicated')), int(to - from))
    set border 1
    set bmargin at screen 5.0 / (size_y - 1)
    set tmargin at screen (5.0 + cells_y) / (size_y - 1)
    set xrange [width / 2:(cells_x > 1 ? references / unit - width * 0.4999 : 1.5 * width)]
    set yrange [-1:cells_y - 1]
    plot data_parts using ((column('from_x') + 0.5) * width):'y':(part(column('from_x'), column('to_x'))) with labels left, \
         data_regions using (references / unit - width / 2):(row(middle(0))):(alone(name(stringcolumn('region')), middle(0))) with labels left offset 1, 0
} else {
    set title heading(title)
    set lmargin at screen 0.05
    # where regions are many their borders would hide the pages
    many = 0
    stats data_regions using (many = many + 1, 0) nooutput
    borders = many <= 40 ? data_regions : '/dev/null'
    set rmargin at screen 0.70
    mixed = 0
    stats data_parts using (mixed = mixed + (column('node') < 0), 0) nooutput
    # up to eight nodes in the colours that all eyes tell apart, above it in steps from dark to light
    if (nodes <= 8) {
        steps = mixed > 0 ? "-1 '#E8E8E8'" : ''
        do for [i = 1:int(nodes)] {
            steps = steps.(steps eq '' ? '' : ', ').sprintf("%d '#%06X'", i - 1, hue[i])
        }
        eval 'set palette defined ('.steps.')'
        set palette maxcolors int(nodes) + (mixed > 0)
    } else {
        set palette defined (-0.1 * nodes '#E8E8E8', -0.5 '#E8E8E8', -0.5 '#440154', 0.25 * nodes '#3B528B', 0.5 * nodes '#21918C', 0.75 * nodes '#5EC962', nodes - 0.5 '#FDE725')
        set palette maxcolors 0
    }
    several = nodes <= 8 ? -1 : -0.06 * nodes
    shade(n) = n < 0 ? several : n
    set cbrange [(nodes > 8 ? -0.1 * nodes : mixed > 0 ? -1.5 : -0.5):nodes - 0.5]
    set cbtics 0, (nodes <= 16 ? 1 : nodes <= 32 ? 4 : 8) scale 0
    if (mixed > 0) {
        set cbtics add ('several' several)
    }
    set label 2 'home node' at screen 0.89, 0.84 left
    set colorbox user origin 0.89, 0.3 size 0.02, 0.5
    dots = 0
    stats data_parts using (dots = dots + column('replicated'), 0) nooutput
    if (dots > 0) {
        set label 1 "dots: most pages\nhave replicas" at screen 0.87, 0.22
    }
    # each box goes a little over its right and upper neighbours, which are drawn later: no seams
    set style fill solid 1.0 noborder
    lattice = int(cells_y / 48) + 1
    dot(k) = dots > 0 && column('replicated') > 0 && column('from_x') <= k && k < column('to_x') && int(column('y')) % lattice == 0 ? (k + 0.5) * width : NaN
    plot data_parts using (column('from_x') * width):'y':(column('from_x') * width):((column('to_x') + 0.4) * width):(column('y') - 0.5):(column('y') + 0.9):(shade(column('node'))) \
             with boxxyerror fillcolor palette, \
         for [k = 1:int(cells_x) - 1:3] data_parts using (dot(k)):'y' with points pointtype 7 pointsize 0.25 linecolor rgb '#000000', \
         borders using (references / unit):'to_y':(-references / unit):(0) with vectors nohead linewidth 0.4 dashtype 1 linecolor rgb '#000000', \
         data_regions using (references / unit):(middle(0)):(name(stringcolumn('region'))) with labels left offset 0.6, 0 font small
}
