# about: Local share of the memory accesses over the run, a line a policy
# picture: machine
# empty: no run has steps in run_epoch
# size: SELECT 1000, max(520, 130 + 26 * count(*)) FROM shown
# let runs: SELECT count(*) FROM shown
# let references: SELECT max(first_reference + "references") FROM run_epoch JOIN shown USING (run_id)
## At most 96 points a line, each over equal numbers of steps: more cannot be told apart.
# data share: WITH point AS (SELECT run_id, min(first_reference) AS first_reference,
#     max(first_reference + "references") AS end_reference, 100.0 * sum(local_accesses) /
#     nullif(sum(local_accesses) + sum(remote_accesses), 0) AS local_percent
#     FROM run_epoch JOIN shown USING (run_id) GROUP BY run_id,
#     step * 96 / (SELECT max(96, max(step) + 1) FROM run_epoch JOIN shown USING (run_id)))
#   SELECT number, (first_reference + end_reference) / 2 AS reference, round(local_percent, 2) AS local_percent
#   FROM point JOIN shown USING (run_id) ORDER BY number, reference
## The legend's order: the best first.
# data last: SELECT number, s.label, round(100.0 * sum(local_accesses) / nullif(sum(local_accesses) +
#     sum(remote_accesses), 0), 1) AS local_percent
#   FROM run_epoch JOIN shown s USING (run_id) GROUP BY run_id ORDER BY local_percent DESC, number

# the legend is on the right, as wide as its names
centre = 0.32
set title heading('Local share of memory accesses over the run')
set xlabel 'references'.prefix(references)
set ylabel 'local accesses (%)'
set xrange [0:references / scale(references)]
set yrange [0:100]
set ytics 20
if (references < 8) { set xtics 1 }
set key outside right top vertical Left reverse samplen 3.4 spacing 1.15 width 1
lines = 0
array order[int(runs)]
array name[int(runs)]
stats data_last using (lines = lines + 1, order[lines] = int(column('number')), \
    name[lines] = sprintf('%s (%s %%)', stringcolumn('label'), stringcolumn('local_percent')), 0) nooutput
at(i) = column('number') == order[i] ? column('reference') / scale(references) : NaN
if (txt) {
    # marks are letters: lines of characters cannot be told apart
    set key outside right top vertical Left reverse samplen 1
    marks = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
    mark(i) = marks[(i - 1) % 52 + 1:(i - 1) % 52 + 1]
    plot for [i = 1:lines] data_share using (at(i)):'local_percent' with points pointtype mark(i) title name[i]
} else {
    plot for [i = 1:lines] data_share using (at(i)):'local_percent' \
         with linespoints linetype order[i] pointsize 0.9 pointinterval 12 title name[i]
}
