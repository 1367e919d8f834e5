/* The sources that disco-record dispatches to: one function a subcommand.
 *
 * Each parses its own command line with argp (argv[0] is the name that usage and errors show,
 * "disco-record perf"; argv[1] is its first option), prints its own errors as one line each, and
 * returns the exit status: 0 recorded, 1 failed, 2 wrong usage.
 */
#ifndef DISCO_SOURCES_H
#define DISCO_SOURCES_H

int record_mips(int argc, char **argv);   /* guests of the monitor (vmm-core/monitor) */
int record_perf(int argc, char **argv);   /* a running system, through perf_event_open(2) */
int record_import(int argc, char **argv); /* files of other tools */

#endif
