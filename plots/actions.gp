# about: What a policy did over the run: migrations, replications and collapses
# picture: run
# empty: no policy of these runs moved a page
# let references: SELECT max(first_reference + "references") FROM run_epoch JOIN shown USING (run_id)
## At most 60 steps, so that a bar is wide enough to be seen. Runs that did nothing have no picture.
# data actions: WITH step AS (SELECT min(first_reference) AS first_reference,
#     max(first_reference + "references") AS end_reference, sum(migrations) AS migrations,
#     sum(replications) AS replications, sum(collapses) AS collapses
#     FROM run_epoch JOIN shown USING (run_id)
#     GROUP BY step * 60 / (SELECT max(60, max(step) + 1) FROM run_epoch JOIN shown USING (run_id)))
#   SELECT first_reference, end_reference, migrations, replications, collapses FROM step
#   WHERE (SELECT sum(migrations + replications + collapses) FROM step) > 0 ORDER BY first_reference
# let migrations: SELECT sum(migrations) FROM run_epoch JOIN shown USING (run_id)
# let replications: SELECT sum(replications) FROM run_epoch JOIN shown USING (run_id)
# let collapses: SELECT sum(collapses) FROM run_epoch JOIN shown USING (run_id)

unit = scale(references)
set xrange [0:references / unit]
array kinds[3] = ['migrations', 'replications', 'collapses']
array total[3] = [migrations, replications, collapses]
array fill[3] = [0x0072B2, 0xE69F00, 0xCC79A7]
round_step(v) = int(v / 10 ** int(log10(v)) + 0.5) * 10 ** int(log10(v))
panels = (migrations > 0) + (replications > 0) + (collapses > 0)
# a panel a kind, one under another, with edges in common
top = txt ? 0.86 : 0.88
bottom = txt ? 0.17 : 0.13
gap = txt ? 0.05 : 0.035
height = (top - bottom + gap) / panels
set key off
set lmargin at screen (txt ? 0.12 : 0.09)
set rmargin at screen 0.97
set multiplot
set label 1 heading('What the policy did over the run') at screen 0.5, screen (txt ? 0.96 : 0.965) center
if (!txt) { set ylabel 'pages' offset 1 }
set ytics autofreq
set style fill solid 1.0 border rgb '#FFFFFF'
panel = 0
do for [i = 1:3] {
    if (total[i] > 0) {
        panel = panel + 1
        set tmargin at screen top - (panel - 1) * height
        set bmargin at screen top - panel * height + gap
        kind = kinds[i]
        stats data_actions using (column(kind)) nooutput
        set yrange [0:(STATS_max > 0 ? STATS_max * (txt ? 1.6 : 1.25) : 1)]
        tic = STATS_max < 4 ? 1 : round_step(STATS_max / 3)
        set ytics 0, tic
        if (panel == panels) { set xlabel 'references'.prefix(references); set format x '%g' } else { unset xlabel; set format x '' }
        set label 2 sprintf(txt ? '%s of pages a step, %.0f in all' : '%s: %.0f', kind, total[i]) at graph 0.01, graph (txt ? 0.95 : 0.9) left front
        if (txt) {
            plot data_actions using ((column('first_reference') + column('end_reference')) / 2 / unit):kind with impulses
        } else {
            plot data_actions using ((column('first_reference') + column('end_reference')) / 2 / unit):kind:(column('first_reference') / unit):(column('end_reference') / unit):(0):(column(kind)) \
                 with boxxyerror linecolor rgb fill[i] linewidth 0.5 dashtype 1
        }
        unset label 1
    }
}
unset multiplot
