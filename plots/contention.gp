# about: How busy memory controllers and links are over the run, and how long an access takes, a line a policy
# picture: machine
# empty: these runs are without contention; disco-replay --contention on has it
# size: SELECT 1000, max(620, 200 + 26 * count(*)) FROM shown
# let runs: SELECT count(*) FROM shown
# let time_ns: SELECT max(end_ns) FROM run_epoch JOIN shown USING (run_id)
## At most 96 points a line, each over equal numbers of steps. Busy: the busiest controller or link of any of its
## steps; latency: the mean of its accesses.
# data course: WITH point AS (SELECT run_id, (min(start_ns) + max(end_ns)) / 2 AS time_ns,
#     round(100 * max(max(controller_utilisation, coalesce(link_utilisation, 0))), 2) AS busy_percent,
#     round((sum(coalesce(local_latency_ns, 0) * local_accesses) + sum(coalesce(remote_latency_ns, 0) * remote_accesses)) /
#     nullif(sum(local_accesses) + sum(remote_accesses), 0), 1) AS latency_ns
#     FROM run_epoch JOIN shown USING (run_id) WHERE controller_utilisation IS NOT NULL GROUP BY run_id,
#     step * 96 / (SELECT max(96, max(step) + 1) FROM run_epoch JOIN shown USING (run_id)))
#   SELECT number, time_ns, busy_percent, latency_ns FROM point JOIN shown USING (run_id) ORDER BY number, time_ns
## The legend's order: the longest accesses last, with the mean over the run.
# data mean: SELECT number, s.label, CAST(round((sum(coalesce(local_latency_ns, 0) * local_accesses) +
#     sum(coalesce(remote_latency_ns, 0) * remote_accesses)) / nullif(sum(local_accesses) + sum(remote_accesses), 0)) AS INTEGER) AS latency_ns
#   FROM run_epoch JOIN shown s USING (run_id) WHERE controller_utilisation IS NOT NULL
#   GROUP BY run_id ORDER BY latency_ns, number

set lmargin at screen 0.09
set rmargin at screen (txt ? 0.72 : 0.69)
lines = 0
array order[int(runs)]
array name[int(runs)]
stats data_mean using (lines = lines + 1, order[lines] = int(column('number')), \
    name[lines] = sprintf('%s (%s ns)', cut(stringcolumn('label'), 24), stringcolumn('latency_ns')), 0) nooutput
unit = time_scale(time_ns)
set xrange [0:time_ns / unit]
at(i) = column('number') == order[i] ? column('time_ns') / unit : NaN
stats data_course using (column('latency_ns')) nooutput
longest = STATS_max > 0 ? STATS_max : 1
marks = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
mark(i) = marks[(i - 1) % 52 + 1:(i - 1) % 52 + 1]

set multiplot
set label 1 heading('Contention over the run') at screen (txt ? 0.5 : 0.4), screen (txt ? 0.97 : 0.965) center
set key at screen 0.99, screen (txt ? 0.84 : 0.88) right top vertical Left reverse samplen (txt ? 1 : 3.4) spacing 1.15 maxrows 64
set tmargin at screen (txt ? 0.84 : 0.88)
set bmargin at screen (txt ? 0.56 : 0.53)
set yrange [0:100]
set ytics 25
set format x ''
set label 2 'busiest controller or link (%)' at graph 0.01, graph (txt ? 1.08 : 1.04) left
if (txt) {
    plot for [i = 1:lines] data_course using (at(i)):'busy_percent' with points pointtype mark(i) title name[i]
} else {
    plot for [i = 1:lines] data_course using (at(i)):'busy_percent' \
         with linespoints linetype order[i] pointsize 0.9 pointinterval 12 title name[i]
}
unset label 1
unset key
set tmargin at screen (txt ? 0.47 : 0.46)
set bmargin at screen (txt ? 0.19 : 0.12)
set format x '%g'
set xlabel 'model time ('.time_unit(time_ns).')'
set yrange [0:longest * 1.1]
set ytics autofreq
set label 2 'mean time of a memory access (ns)'
if (txt) {
    set ytics longest > 3 ? int(longest / 3) : longest / 3
    plot for [i = 1:lines] data_course using (at(i)):'latency_ns' with points pointtype mark(i)
} else {
    plot for [i = 1:lines] data_course using (at(i)):'latency_ns' \
         with linespoints linetype order[i] pointsize 0.9 pointinterval 12
}
unset multiplot
