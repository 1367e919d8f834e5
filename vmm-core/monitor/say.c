#include "vmm-core/monitor/say.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

char *monitor_say(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    char *line = NULL;
    if (vasprintf(&line, format, values) < 0)
        abort();
    va_end(values);
    return line;
}

char *monitor_no_memory(void)
{
    return monitor_say(
        "not enough memory for the virtual machines; give them less, or use a larger host");
}
