/* A line for the user, from a printf format, in memory from malloc; never NULL. */
#ifndef DISCO_PERF_ERROR_H
#define DISCO_PERF_ERROR_H

char *perf_error(const char *format, ...)
    __attribute__((format(printf, 1, 2), returns_nonnull, warn_unused_result));

#endif
