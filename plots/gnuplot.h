/* Runs gnuplot on a script, without a shell. */
#ifndef DISCO_PLOTS_GNUPLOT_H
#define DISCO_PLOTS_GNUPLOT_H

/* Runs `script` in `folder`, where it draws into the file `output`. The start-up files of the user
 * are not read. NULL, or one line from malloc: gnuplot's own complaint, or how to get gnuplot. */
char *gnuplot_run(const char *folder, const char *script, const char *output)
    __attribute__((warn_unused_result));

#endif
