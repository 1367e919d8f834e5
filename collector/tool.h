/* The subcommands of disco-trace, and what they share.
 *
 * A subcommand is one file tool-NAME.c that ends in its struct tool; disco-trace.c lists them.
 */
#ifndef DISCO_COLLECTOR_TOOL_H
#define DISCO_COLLECTOR_TOOL_H

#include "collector/trace/reader.h"
#include "collector/trace/writer.h"

#include <argp.h>

struct tool {
    const char *name;
    const char *summary; /* one line */
    /* argv[0] is "disco-trace NAME". Returns the exit status. */
    int (*run)(int argc, char **argv);
};

extern const struct tool tool_info, tool_verify, tool_dump, tool_sample, tool_merge;

/* Prints and frees an error; NULL: nothing. Returns the exit status, 0 or 1. */
int tool_end(char *error);

/* An unsigned number from text, all of it; leaves by argp_error when it is none. 0x is hexadecimal.
 */
uint64_t tool_number(struct argp_state *state, const char *what, const char *text);

/* One line: printf into memory from malloc. Ends the program where there is none left. */
char *tool_line(const char *format, ...) __attribute__((format(printf, 1, 2), returns_nonnull));

/* Are these two names of one file? */
bool tool_same_file(const char *a, const char *b);

/* Announces the spaces, streams and regions of `reader` to `writer`, in order, where `first_space`
 * spaces are known already. Notes are copied too, with `prefix` before their keys. */
char *tool_copy_ids(const struct trace_reader *reader, struct trace_writer *writer,
                    uint32_t first_space, const char *prefix) MUST_CHECK;

/* Reference `at` of a block, with the columns that are filled. `run` is the run it lies in. */
struct ref tool_ref(const struct ref_block *block, uint32_t run, uint32_t at);

#endif
