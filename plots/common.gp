# What all charts share: how data are read, colours, and how titles and axes look.
# Sets nothing that a chart may not set again. `txt` is 1 where characters are drawn.
set encoding utf8
set datafile separator tab
set datafile columnheaders
set datafile missing ''

# Okabe and Ito's palette, "Color Universal Design" (2008): eight colours that every eye tells apart
array hue[8] = [0xD55E00, 0x0072B2, 0x009E73, 0xE69F00, 0xCC79A7, 0x56B4E9, 0x555555, 0xF0E442]
# lines: olive in place of the yellow, which thin lines lose on white; after the eighth in other dashes
do for [i = 1:64] {
    set linetype i linecolor rgb (i % 8 == 0 ? 0x8A7B00 : hue[(i - 1) % 8 + 1]) linewidth 1.6 dashtype 1 + (i - 1 + (i - 1) / 8) % 5 pointtype (i - 1) % 13 + 1
}
faint = '#BBBBBB'

# light to dark in steps that grey keeps: nothing is white, most is nearly black
set palette defined (0 '#FFFFFF', 0.02 '#FDE9A9', 0.25 '#FBB45C', 0.5 '#E8604C', 0.75 '#9B2C6E', 1 '#1F0C48')

set border 3 linecolor rgb '#444444'
set tics nomirror out scale 0.5
set grid ytics linecolor rgb faint linewidth 0.5 dashtype 1
if (txt) { unset grid }
set key noenhanced

# what and where on two lines over the plot; long names are cut. `centre` is where the middle of the plot
# lies, as a share of the picture's width: what is further from it than an edge would be lost
centre = 0.5
cut(s, n) = strlen(s) > n ? s[1:n - 3].'...' : s
# names of regions often differ at their ends alone
cut_inside(s, n) = strlen(s) > n ? s[1:n / 2 - 1].'...'.s[strlen(s) - n + n / 2 + 3:strlen(s)] : s
place = (machine eq '' ? '' : ' on '.cut(machine, 24)).(run eq '' ? '' : ', '.run)
room(at) = int((txt ? size_x : size_x / 9) * 2 * (at < 0.5 ? at : 1 - at)) - strlen(place)
heading(what) = what."\n".cut(trace, room(centre) < 12 ? 12 : room(centre)).place

# numbers on an axis up to `most` are divided by scale(most) and named by prefix(most)
scale(most) = most >= 2e9 ? 1e9 : most >= 2e6 ? 1e6 : most >= 2e3 ? 1e3 : 1.0
prefix(most) = most >= 2e9 ? ' (billions)' : most >= 2e6 ? ' (millions)' : most >= 2e3 ? ' (thousands)' : ''
time_scale(most) = most >= 2e9 ? 1e9 : most >= 2e6 ? 1e6 : most >= 2e3 ? 1e3 : 1.0
time_unit(most) = most >= 2e9 ? 's' : most >= 2e6 ? 'ms' : most >= 2e3 ? 'µs' : 'ns'
# a number in three digits, without an exponent
short(v) = v >= 99.95 ? sprintf('%.0f', v) : v >= 9.995 ? sprintf('%.1f', v) : sprintf('%.2f', v)
