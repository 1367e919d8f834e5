/* Lines of error text. */
#ifndef DISCO_MONITOR_SAY_H
#define DISCO_MONITOR_SAY_H

/* One line from malloc. Where not even that can be had the program aborts: NULL would mean that
 * all is well. */
char *monitor_say(const char *format, ...)
    __attribute__((format(printf, 1, 2), warn_unused_result));
char *monitor_no_memory(void) __attribute__((warn_unused_result));

#endif
