#include "collector/sources/perf/perf-error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

char *perf_error(const char *format, ...)
{
    char *line = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&line, format, arguments);
    va_end(arguments);
    if (length < 0) { /* not even room for a line that says so; the trace holds its last commit */
        fputs("disco-record: out of memory\n", stderr);
        exit(1);
    }
    return line;
}
