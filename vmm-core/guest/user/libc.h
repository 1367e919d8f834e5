/* The part of the C library that programs in the guest have, by the names and rules of C17 where
 * not said otherwise. Natively the C library's own headers take its place. */
#ifndef DISCO_GUEST_LIBC_H
#define DISCO_GUEST_LIBC_H

#include <stdarg.h>
#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *left, const void *right, size_t bytes);
size_t strlen(const char *text);
int strcmp(const char *left, const char *right);
int strncmp(const char *left, const char *right, size_t bytes);
char *strchr(const char *text, int letter);
char *strcpy(char *restrict to, const char *restrict from);

/* Conversions d i u x X o c s p f e g and %%, with flags - 0 + space #, width, precision, *,
 * and sizes h hh l ll z. f, e and g are exact. A line
 * of a thread is never mixed with another's: it goes to the console when it is whole, or when the
 * process ends. */
int printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
int puts(const char *text);
int putchar(int letter);
int snprintf(char *to, size_t bytes, const char *format, ...) __attribute__((format(printf, 3, 4)));
int vsnprintf(char *to, size_t bytes, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

void *malloc(size_t bytes);
void *calloc(size_t count, size_t bytes);
void *realloc(void *old, size_t bytes);
void free(void *memory);

int atoi(const char *text);
long strtol(const char *text, char **end, int base); /* no errno; base 10 or 16, or 0 */
unsigned long strtoul(const char *text, char **end, int base);
int abs(int value);
_Noreturn void exit(int status);
_Noreturn void abort(void);
void qsort(void *first, size_t count, size_t bytes,
           int (*compare)(const void *left, const void *right)); /* heap sort: not stable */

#endif
