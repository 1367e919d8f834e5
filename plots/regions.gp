# about: Local share of each region's accesses under each policy
# picture: machine
# empty: these runs have no run_region
# size: SELECT 300 + max(320, 80 * (SELECT count(*) FROM shown)), 200 + 30 * count(*) + 6 * (SELECT max(length(label)) FROM shown) FROM line
## The regions with at least a thousandth of all accesses, at most 24, the most used on top.
# table line: SELECT region, row_number() OVER (ORDER BY accesses DESC, region) AS line, pages
#   FROM (SELECT region, sum(loads + stores) AS accesses, max(pages) AS pages FROM run_region JOIN shown USING (run_id)
#     GROUP BY region) WHERE accesses * 1000 >= (SELECT sum(loads + stores) FROM run_region JOIN shown USING (run_id))
#   ORDER BY line LIMIT 24
# let runs: SELECT count(*) FROM shown
# let label_chars: SELECT max(length(label)) FROM shown
# let regions: SELECT count(*) FROM line
# let others: SELECT count(DISTINCT region) FROM run_region JOIN shown USING (run_id) WHERE region NOT IN (SELECT region FROM line)
# data shares: SELECT number, line, round(100.0 * r.local_accesses / nullif(r.loads + r.stores, 0), 1) AS local_percent,
#     (r.migrations > 0) + 2 * (r.replications > 0) AS moved
#   FROM run_region r JOIN shown USING (run_id) JOIN line USING (region) ORDER BY 1, 2
# data lines: SELECT line, pages, coalesce(replace(name, rtrim(name, replace(name, '/', '')), ''), 'in no region') AS region
#   FROM line LEFT JOIN trace_region USING (region) ORDER BY line
# data columns: SELECT number, label FROM shown ORDER BY number

set title heading('Local share of accesses by region and policy') offset (txt ? -16 : -12)
set xrange [0.5:runs + 0.5]
set yrange [regions + 0.5:0.5]
unset xtics
unset ytics
unset grid
set key off
set border 15
more = others > 0 ? sprintf(txt ? '; %.0f not shown' : '; %.0f regions of fewer accesses not shown', others) : ''
moved(m) = m == 1 ? ' m' : m == 2 ? ' r' : m == 3 ? ' mr' : ''
cell(p, m) = sprintf('%.0f', p).moved(m)
name(s, pages) = cut_inside(s, 24).sprintf(' (%.0f)', pages)
if (txt) {
    set border 3
    set lmargin 34
    set tmargin 6
    set bmargin 4
    # long names would run into each other: every other one a line higher
    short(s) = cut(s, int((size_x - 36) / runs * 2) - 1)
    set label 1 cut('local accesses (%); m migrated, r replicated; (pages)'.more, size_x - 2) at screen 0.5, screen 1.0 / size_y center
    plot data_shares using 'number':'line':(cell(column('local_percent'), column('moved'))) with labels, \
         for [odd = 0:1] data_columns using 'number':(regions + 0.5):(int(column('number')) % 2 == odd ? short(stringcolumn('label')) : '') with labels offset 0, -1 - odd, \
         data_lines using (0.5):'line':(name(stringcolumn('region'), column('pages')).' ') with labels right
} else {
    set cbrange [0:100]
    unset colorbox # the numbers stand in the cells
    set lmargin 31
    set rmargin 3
    slant = runs > 1 && label_chars * 9 > (size_x - 300) / runs
    set bmargin (slant ? 5 + label_chars * 0.28 : 6)
    set label 1 "local accesses (%); m: pages migrated, r: replicated\nin brackets: pages".more at screen 0.5, screen 34.0 / size_y center
    slanted = slant ? data_columns : '/dev/null'
    level = slant ? '/dev/null' : data_columns
    set style fill solid 1.0 border rgb '#FFFFFF'
    plot data_shares using 'number':'line':(column('number') - 0.5):(column('number') + 0.5):(column('line') - 0.5):(column('line') + 0.5):'local_percent' \
             with boxxyerror fillcolor palette linewidth 1 dashtype 1, \
         data_shares using 'number':'line':(cell(column('local_percent'), column('moved'))):(column('local_percent') > 55 ? 0xFFFFFF : 0) \
             with labels textcolor rgb variable font small, \
         slanted using 'number':(regions + 0.5):'label' with labels right rotate by 30 offset 0, -0.6, \
         level using 'number':(regions + 0.5):'label' with labels center offset 0, -0.8, \
         data_lines using (0.5):'line':(name(stringcolumn('region'), column('pages'))) with labels right offset -0.7, 0
}
