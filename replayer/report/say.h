/* One line of error, as every fallible function here returns it: NULL when all is well, else text
 * from malloc that the caller prints behind "disco-replay: " and frees. */
#ifndef DISCO_REPORT_SAY_H
#define DISCO_REPORT_SAY_H

#include <stdio.h>
#include <stdlib.h>

#include "collector/trace/writer.h" /* MUST_CHECK */

/* NULL when memory is short. */
char *say_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Where there is no memory even for the message, the program ends. */
static inline char *said(char *text)
{
    if (text != NULL)
        return text;
    (void)fputs("disco-replay: out of memory; free some and try again\n", stderr);
    exit(EXIT_FAILURE);
}

#define say(...) said(say_text(__VA_ARGS__))
#define say_no_memory()                                                                            \
    say("%s", "out of memory; fewer policies at a time or --log-actions 0 need less")

#endif
