/* printf and its kin. Each thread has a line that it is writing; whole lines go to the console by one
 * call, which the kernel does not mix with another's. */
#include "vmm-core/guest/user/print.h"

#include "vmm-core/guest/user/calls.h"
#include "vmm-core/guest/user/disco.h"
#include "vmm-core/guest/user/format.h"

int disco_call(uintptr_t first, uintptr_t second, uintptr_t third, int number);

enum { LINE_BYTES = 1000 };

struct line {
    size_t used;
    char text[LINE_BYTES];
};

/* ------------------------------------------------------------------------------- lines */

static struct line *lines[DISCO_THREADS_MAX]; /* of this program's threads */

static void flush(struct line *line)
{
    if (line && line->used) {
        disco_call((uintptr_t)line->text, line->used, 0, CALL_CONSOLE);
        line->used = 0;
    }
}

void print_flush(void)
{
    flush(lines[disco_self()]);
}

void print_flush_all(void)
{
    for (int i = 0; i < DISCO_THREADS_MAX; i++)
        flush(lines[i]);
}

static struct line *own_line(void)
{
    struct line **line = &lines[disco_self()];

    if (!*line && (*line = malloc(sizeof(**line))))
        (*line)->used = 0;
    return *line;
}

static void put_in_line(void *context, char letter)
{
    struct line *line = context;

    if (!line)
        return;
    line->text[line->used++] = letter;
    if (letter == '\n' || line->used == LINE_BYTES)
        flush(line);
}

/* Where letters go: as many as have room. */
struct buffer {
    char *to;
    size_t room, count;
};

static void put_in_buffer(void *context, char letter)
{
    struct buffer *buffer = context;

    if (buffer->count < buffer->room)
        buffer->to[buffer->count] = letter;
    buffer->count++;
}

/* ------------------------------------------------------------------------------- what C has */

int printf(const char *format, ...)
{
    va_list arguments;
    int count;

    va_start(arguments, format);
    count = format_print(put_in_line, own_line(), format, arguments);
    va_end(arguments);
    return count;
}

int vsnprintf(char *to, size_t bytes, const char *format, va_list arguments)
{
    struct buffer buffer = {.to = to, .room = bytes ? bytes - 1 : 0};
    int count = format_print(put_in_buffer, &buffer, format, arguments);

    if (bytes)
        to[buffer.count < buffer.room ? buffer.count : buffer.room] = 0;
    return count;
}

int snprintf(char *to, size_t bytes, const char *format, ...)
{
    va_list arguments;
    int count;

    va_start(arguments, format);
    count = vsnprintf(to, bytes, format, arguments);
    va_end(arguments);
    return count;
}

int puts(const char *text)
{
    return printf("%s\n", text);
}

int putchar(int letter)
{
    return printf("%c", letter), letter;
}

void exit(int status)
{
    disco_exit(status);
}

void abort(void)
{
    printf("aborted\n");
    disco_exit(134);
}
