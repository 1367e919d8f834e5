# about: Accesses from the CPUs of each node to the memory of each node
# picture: run
# empty: these runs have no run_traffic
# size: SELECT max(720, 290 + 38 * n), 190 + 34 * n FROM (SELECT CASE WHEN n <= 16 THEN max(n, 6) ELSE 20 END AS n
#   FROM (SELECT 1 + max(max(from_node, to_node)) AS n FROM run_traffic JOIN shown USING (run_id)))
# let nodes: SELECT 1 + max(max(from_node, to_node)) FROM run_traffic JOIN shown USING (run_id)
# let accesses: SELECT sum(loads + stores) FROM run_traffic JOIN shown USING (run_id)
# let local_share: SELECT round(100.0 * sum(CASE WHEN from_node = to_node THEN loads + stores END)
#     / nullif(sum(loads + stores), 0), 1) FROM run_traffic JOIN shown USING (run_id)
# let most: SELECT max(100.0 * (loads + stores) / (SELECT max(1, sum(loads + stores)) FROM run_traffic
#     JOIN shown USING (run_id))) FROM run_traffic JOIN shown USING (run_id)
# data traffic: WITH node(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM node WHERE n <
#     (SELECT max(max(from_node, to_node)) FROM run_traffic JOIN shown USING (run_id)))
#   SELECT f.n AS from_node, t.n AS to_node, coalesce(loads, 0) AS loads, coalesce(stores, 0) AS stores,
#     round(100.0 * (coalesce(loads, 0) + coalesce(stores, 0)) /
#     (SELECT max(1, sum(loads + stores)) FROM run_traffic JOIN shown USING (run_id)), 3) AS percent
#   FROM node f JOIN node t LEFT JOIN (SELECT r.* FROM run_traffic r JOIN shown USING (run_id)) r
#     ON r.from_node = f.n AND r.to_node = t.n ORDER BY f.n, t.n

centre = txt ? 0.5 : 0.44
set title heading('Memory accesses between nodes')
set xlabel 'node of the memory'
set ylabel 'node of the CPU'
set cblabel 'share of all accesses (%)'
step = nodes <= 16 ? 1 : nodes <= 32 ? 4 : 8
set xrange [-0.5:nodes - 0.5]
set yrange [nodes - 0.5:-0.5]
set xtics 0, step
set ytics 0, step
set cbrange [0:most > 0 ? most : 1]
unset grid
set key off
set border 15
cell(p) = p == 0 ? '0' : p < 0.095 ? '<0.1' : p < 9.95 ? sprintf('%.1f', p) : sprintf('%.0f', p)
if (txt) {
    level = ' .:-=+*#%@'
    unset colorbox
    unset ylabel
    set xlabel 'memory of node (across), CPUs of node (down); share of all accesses (%)'
    set border 3
    if (nodes <= 16) {
        plot data_traffic using 'to_node':'from_node':(cell(column('percent'))) with labels
    } else {
        set xlabel sprintf('memory of node (across), CPUs of node (down); from %.2f %% (@) by tenths down to 0 (blank)', most)
        shade(p) = level[int(p / most * 9 + 0.999) + 1:int(p / most * 9 + 0.999) + 1]
        plot data_traffic using 'to_node':'from_node':(shade(column('percent'))) with labels
    }
} else {
    set size ratio -1
    set rmargin 12
    numbers = nodes <= 16 ? data_traffic : '/dev/null'
    plot data_traffic using 'to_node':'from_node':'percent' with image pixels, \
         numbers using 'to_node':'from_node':(cell(column('percent'))):(column('percent') > most * 0.6 ? 0xFFFFFF : 0) \
         with labels textcolor rgb variable font small
}
