#include "replayer/say.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

char *say(const char *format, ...)
{
    char *text = NULL;
    va_list list;
    va_start(list, format);
    int length = vasprintf(&text, format, list);
    va_end(list);
    if (length < 0) {
        (void)fputs("disco-replay: out of memory; free some and try again\n", stderr);
        exit(EXIT_FAILURE);
    }
    return text;
}

char *say_no_memory(void)
{
    return say("out of memory; fewer policies at a time or --log-actions 0 need less");
}
