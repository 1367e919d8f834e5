/* Text by printf's formats, letter by letter to whoever wants it. */
#ifndef DISCO_GUEST_FORMAT_H
#define DISCO_GUEST_FORMAT_H

#include <stdarg.h>

/* How many letters there were. libc.h says which conversions there are. */
int format_print(void (*put_letter)(void *context, char letter), void *context, const char *format,
                 va_list arguments) __attribute__((format(printf, 3, 0)));

#endif
