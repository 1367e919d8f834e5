# about: Policies side by side: run time of each and what it was spent on
# picture: machine
# empty: no run has a time_ns in run_metric
# size: SELECT 1000, 190 + 46 * max(2, count(*)) FROM shown
# let runs: SELECT count(*) FROM shown
# let longest: SELECT max(value) FROM run_metric JOIN shown USING (run_id) WHERE metric = 'time_ns'
# let label_chars: SELECT max(length(label)) FROM shown
## Accounts are summed over the CPUs, so each is shown as its share of all CPU time, times the run time.
# data parts: WITH account(metric, place, letter, name) AS (VALUES
#     ('execution_ns', 1, 'E', 'execution'), ('tlb_ns', 2, 'T', 'TLB refill'),
#     ('local_stall_ns', 3, 'L', 'local stall'), ('remote_stall_ns', 4, 'R', 'remote stall'),
#     ('move_ns', 5, 'M', 'page moves'), ('shootdown_ns', 6, 'S', 'shootdowns'),
#     ('monitor_ns', 7, 'O', 'other monitor work'), ('idle_ns', 8, 'I', 'idle')),
#   spent AS (SELECT m.run_id, place, name, letter, coalesce(m.value, 0) AS value, t.value AS time_ns,
#     sum(coalesce(m.value, 0)) OVER (PARTITION BY m.run_id) AS all_ns
#     FROM run_metric m JOIN account USING (metric) JOIN shown USING (run_id)
#     JOIN run_metric t ON t.run_id = m.run_id AND t.metric = 'time_ns'),
#   bar AS (SELECT run_id, dense_rank() OVER (ORDER BY time_ns, run_id) AS bar, place, name, letter,
#     value * 1.0 / all_ns AS share, value * 1.0 / all_ns * time_ns AS ns FROM spent WHERE all_ns > 0)
#   SELECT bar, place, round(sum(ns) OVER before - ns, 3) AS from_ns, round(sum(ns) OVER before, 3) AS to_ns,
#     round(100 * share, 2) AS percent, name AS part, letter FROM bar
#     WINDOW before AS (PARTITION BY run_id ORDER BY place) ORDER BY bar, place
# data runs: SELECT row_number() OVER (ORDER BY t.value, s.run_id) AS bar, t.value AS time_ns,
#     round(100 * l.value, 1) AS local_percent, s.label
#   FROM shown s JOIN run_metric t ON t.run_id = s.run_id AND t.metric = 'time_ns'
#   LEFT JOIN run_metric l ON l.run_id = s.run_id AND l.metric = 'local_share' ORDER BY bar

array account[8] = ['execution', 'TLB refill', 'local stall', 'remote stall', 'page moves', 'shootdowns', 'other monitor work', 'idle']
letters = 'ETLRMSOI'
# stalls, local and remote, are the pair to compare: blue and vermilion
array fill[8] = [0xBBBBBB, 0xF0E442, 0x56B4E9, 0xD55E00, 0x009E73, 0xCC79A7, 0x0072B2, 0xFFFFFF]
array ink[8] = [0, 0, 0, 0xFFFFFF, 0xFFFFFF, 0, 0xFFFFFF, 0]

unit = time_scale(longest)
set title heading('Run time by policy, fastest first')
set xlabel 'run time ('.time_unit(longest).'); each part is the average over the CPUs'
set yrange [runs + 0.6:0.4]
unset ytics
set grid noytics
set bmargin (txt ? 6 : 6.4)
# room for names on the left and for results on the right, in pixels or characters
left = (label_chars * (txt ? 1 : 8.6) + (txt ? 3 : 22)) / size_x
right = (txt ? 24.0 : 190.0) / size_x
edge = 0.985
set lmargin at screen left
set rmargin at screen edge
widest = longest / unit * (edge - left) / (edge - left - right)
set xrange [0:widest]
result(time, percent) = short(time / unit).' '.time_unit(longest).(percent eq '' ? '' : ', '.percent.' % local')

if (!txt) {
    set grid xtics linecolor rgb faint linewidth 0.5 dashtype 1
    # the legend: four columns of two, in the order of the stack
    do for [i = 1:8] {
        x = 0.06 + 0.24 * ((i - 1) / 2)
        y = (i % 2 == 1 ? 38.0 : 16.0) / size_y
        set object i rectangle at screen x, y size screen 22.0 / size_x, screen 12.0 / size_y fillcolor rgb fill[i] fillstyle solid 1.0 border rgb '#444444' linewidth 0.5
        set label i account[i] at screen x + 18.0 / size_x, y left
    }
    set style fill solid 1.0 border rgb '#444444'
    low(i) = column('place') == i && column('to_ns') > column('from_ns') ? column('from_ns') / unit : NaN
    inside(i) = column('place') == i && column('to_ns') - column('from_ns') > longest * 0.05 ? sprintf('%.0f %%', column('percent')) : ''
    plot for [i = 1:8] data_parts using (low(i)):'bar':(low(i)):(column('to_ns') / unit):(column('bar') - 0.36):(column('bar') + 0.36) \
             with boxxyerror linecolor rgb fill[i] linewidth 0.5 dashtype 1 notitle, \
         for [i = 1:8] data_parts using ((column('from_ns') + column('to_ns')) / 2 / unit):'bar':(inside(i)) \
             with labels textcolor rgb ink[i] font small notitle, \
         data_runs using (column('time_ns') / unit):'bar':(result(column('time_ns'), stringcolumn('local_percent'))) with labels left offset 0.7, 0 notitle, \
         data_runs using (0):'bar':'label' with labels right offset -0.7, 0 notitle
} else {
    # a bar is a row of letters, as many as its part is long
    set key off
    unset grid
    cells = size_x * (edge - left)
    repeat(c, n) = n < 1 ? '' : n == 1 ? c : repeat(c, n / 2).repeat(c, n - n / 2)
    at(ns) = int(ns / unit / widest * cells + 0.5)
    set label 1 'E execution  T TLB refill  L local stall  R remote stall' at graph 0.5, screen 0.09 center
    set label 2 'M page moves  S shootdowns  O other monitor work  I idle' at graph 0.5, screen 0.05 center
    plot data_parts using (column('from_ns') / unit):'bar':(repeat(letters[int(column('place')):int(column('place'))], at(column('to_ns')) - at(column('from_ns')))) with labels left notitle, \
         data_runs using (column('time_ns') / unit):'bar':(' '.result(column('time_ns'), stringcolumn('local_percent'))) with labels left offset 1 notitle, \
         data_runs using (0):'bar':(stringcolumn('label').' ') with labels right notitle
}
