# about: Page heat map: how often each page is used over the trace
# picture: trace
# extension
# empty: the trace has no references
# size: SELECT 1060, 600
# let first: SELECT min(first_time) FROM trace_block WHERE refs > 0
# let last: SELECT 1 + max(last_time) FROM trace_block WHERE refs > 0
# let clock: SELECT time_unit FROM trace
# table used: SELECT space, page, row_number() OVER (ORDER BY space, page) - 1 AS rank FROM page_summary GROUP BY space, page
# let pages: SELECT count(*) FROM used
# let cells_x: SELECT min(:grid_x, 1 + max(last_time) - min(first_time)) FROM trace_block WHERE refs > 0
# let cells_y: SELECT min(:grid_y, count(*)) FROM used
# data cells: SELECT time_bin AS x, page_bin AS y, refs, stores, first_time, first_page, space
#   FROM (SELECT coalesce(min(:grid_x, 1 + max(last_time) - min(first_time)), 1) AS x FROM trace_block WHERE refs > 0) w,
#   (SELECT max(1, min(:grid_y, count(*))) AS y FROM used) h, heat(w.x, h.y)
#   ORDER BY y, x
## Regions that are wide enough for a name: runs of bins whose first pages lie in one region, the smallest there.
# data regions: WITH size AS (SELECT count(*) AS pages, min(:grid_y, count(*)) AS y FROM used),
#   bin AS (SELECT rank * y / pages AS y, space, page * page_bytes AS addr, min(rank) FROM used, size, trace GROUP BY 1),
#   named AS (SELECT y, (SELECT region FROM trace_region g WHERE g.space = bin.space AND start <= addr AND addr < "end"
#     ORDER BY "end" - start, region LIMIT 1) AS region FROM bin),
#   part AS (SELECT y, region, y - row_number() OVER (PARTITION BY region ORDER BY y) AS part FROM named)
#   SELECT min(p.y) - 0.5 AS from_y, max(p.y) + 0.5 AS to_y,
#     coalesce(replace(g.name, rtrim(g.name, replace(g.name, '/', '')), ''), '-') AS region
#   FROM part p LEFT JOIN trace_region g ON g.region = p.region GROUP BY p.region, part ORDER BY 1

title = 'Page heat map: references by page and time'
centre = txt ? 0.5 : 0.375
is_time = clock eq 'ns'
unit = is_time ? time_scale(last - first) : scale(last - first)
length = (last - first) / unit
width = length / cells_x
set xlabel is_time ? 'time ('.time_unit(last - first).')' : 'references'.prefix(last - first)
set ylabel sprintf('%.0f pages in order of address', pages)
set xrange [0:length]
set yrange [-0.5:cells_y - 0.5]
unset ytics
unset grid
set key off
set border 15
most = 1
stats data_cells using (most = column('refs') > most ? column('refs') : most, 0) nooutput
least = cells_y * (txt ? 0.01 : 0.03)
middle(n) = (column('from_y') + column('to_y')) / 2
name(s) = s eq '-' || column('to_y') - column('from_y') < least ? '' : cut_inside(s, 24)
if (txt) {
    # tenths of the logarithm of the fullest cell
    level = '.:-=+*%#@'
    char(refs) = level[int(log(refs) / log(most + 1) * 9) + 1:int(log(refs) / log(most + 1) * 9) + 1]
    # over the whole picture, which may be much wider than the plot
    set label 1 heading(title) at screen 0.5, screen (size_y - 2.0) / (size_y - 1) center
    # a cell is a character, the axis is the line below: characters are counted from 0
    set lmargin at screen 3.0 / (size_x - 1)
    # one name a line
    taken = -1
    alone(s, y) = s eq '' || row(y) == taken ? '' : (taken = row(y), '  '.s)
    row(y) = int(y + 0.5)
    set rmargin at screen (cells_x > 1 ? 2.0 + cells_x : 4.0) / (size_x - 1)
    set bmargin at screen 5.0 / (size_y - 1)
    set tmargin at screen (5.0 + cells_y) / (size_y - 1)
    set label 2 'references in a cell, by logarithm: .:-=+*%#@ is 1 to '.sprintf('%.0f', most).', blank is none' at screen 2.0 / size_x, screen 1.0 / size_y left
    set border 1
    set xrange [width / 2:(cells_x > 1 ? length - width / 2 : 1.5 * width)]
    set yrange [-1:cells_y - 1]
    plot data_cells using ((column('x') + 0.5) * width):'y':(char(column('refs'))) with labels left, \
         data_regions using (length - width / 2):(row(middle(0))):(alone(name(stringcolumn('region')), middle(0))) with labels left offset 1, 0
} else {
    set title heading(title)
    set lmargin at screen 0.05
    # where regions are many their borders would hide the pages
    many = 0
    stats data_regions using (many = many + 1, 0) nooutput
    borders = many <= 40 ? data_regions : '/dev/null'
    set rmargin at screen 0.70
    # what is used at all must not look like what is not
    set palette defined (0 '#FCE0A0', 0.25 '#FBB45C', 0.5 '#E8604C', 0.75 '#9B2C6E', 1 '#1F0C48')
    set logscale cb 10
    set cbrange [1:most > 1 ? most : 10]
    set cbtics format '%.0s%c'
    set colorbox user origin 0.89, 0.2 size 0.02, 0.6
    set label 1 "references in a cell,\nwhite: none" at screen 0.985, 0.87 right
    set style fill solid 1.0 noborder
    plot data_cells using (column('x') * width):'y':(column('x') * width):((column('x') + 1) * width):(column('y') - 0.5):(column('y') + 0.5):'refs' \
             with boxxyerror fillcolor palette, \
         borders using (length):'to_y':(-length):(0) with vectors nohead linewidth 0.4 dashtype 1 linecolor rgb '#000000', \
         data_regions using (length):(middle(0)):(name(stringcolumn('region'))) with labels left offset 0.6, 0 font small
}
