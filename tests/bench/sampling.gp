# Error against sampling rate, for each policy: gnuplot -e "table='...'; picture='...'" sampling.gp
# Points: mean absolute error of 8 random samples. Lines: half of their 95 % intervals.
if (picture[strlen(picture)-3:*] eq ".png") set terminal pngcairo size 1000,480; else \
  set terminal svg size 1000,480 font "sans,12" background "white"
set output picture
set datafile separator tab
set logscale xy
set xrange [2:15000]
set xlabel "references that a sample stands for"
set key left top
set grid
policies = "first-touch interleave migrate replicate disco"
rows(policy) = sprintf("< awk -F '\\t' '$2 == \"%s\"' '%s'", policy, table)
set multiplot layout 1,2 title "Errors of random samples (points) and their 95 % intervals (lines)"
do for [panel = 0:1] {
  set ylabel panel == 0 ? "error of local share, points" : "error of time, %"
  plot for [i = 1:words(policies)] rows(word(policies, i)) using 1:4 + 3 * panel \
         with points pointtype 6 + i linecolor i title word(policies, i), \
       for [i = 1:words(policies)] rows(word(policies, i)) using 1:5 + 3 * panel with lines linecolor i notitle
}
unset multiplot
