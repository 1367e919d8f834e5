# Error against sampling rate, for each policy: gnuplot -e "table='...'; picture='...'" sampling.gp
# Points: mean absolute error of 8 random samples. Lines: half of their 95 % intervals.
set terminal svg size 1000,480 font "sans,12" background "white"
set output picture
set datafile separator tab
set logscale xy
set xlabel "references that a sample stands for"
set key left top
set grid
set multiplot layout 1,2
policies = "first-touch interleave migrate replicate disco"
do for [panel = 0:1] {
  set ylabel panel == 0 ? "error of local share, points" : "error of time, %"
  plot for [i = 1:words(policies)] table skip 1 using 1:(strcol(2) eq word(policies, i) ? column(4 + 3 * panel) : NaN) \
         with points pointtype 7 linecolor i title word(policies, i), \
       for [i = 1:words(policies)] table skip 1 using 1:(strcol(2) eq word(policies, i) ? column(5 + 3 * panel) : NaN) \
         with lines linecolor i notitle
}
unset multiplot
