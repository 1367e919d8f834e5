/* Text to the monitor's console: the kernel's own, and what programs print. */
#include "vmm-core/guest/kernel/kernel.h"
#include "vmm-core/guest/kernel/monitor-calls.h"

#include <stdarg.h>

enum { LINE_BYTES = 200 };

struct line {
    uint32_t used;
    char text[LINE_BYTES];
};

static void put(struct line *line, char letter)
{
    if (line->used < LINE_BYTES)
        line->text[line->used++] = letter;
}

static void put_number(struct line *line, uint32_t value, uint32_t base)
{
    char digits[12];
    uint32_t count = 0;

    do
        digits[count++] = "0123456789abcdef"[value % base];
    while (value /= base);
    while (count)
        put(line, digits[--count]);
}

void say(const char *format, ...)
{
    struct line line = {0};
    va_list arguments;

    va_start(arguments, format);
    for (; *format; format++) {
        if (*format != '%') {
            put(&line, *format);
        } else if (*++format == 's') {
            for (const char *text = va_arg(arguments, const char *); *text; text++)
                put(&line, *text);
        } else {
            put_number(&line, va_arg(arguments, uint32_t), *format == 'x' ? 16 : 10);
        }
    }
    va_end(arguments);
    monitor_console(line.text, line.used);
}

/* All of it without another's between. */
int console_write(uint32_t address, uint32_t bytes)
{
    int written = (int)bytes;
    char text[LINE_BYTES];

    lock_take(&kernel.console_lock);
    while (bytes) {
        uint32_t part = bytes < LINE_BYTES ? bytes : LINE_BYTES;

        if (!user_read(text, address, part)) {
            written = -1;
            break;
        }
        monitor_console(text, part);
        address += part;
        bytes -= part;
    }
    lock_give(&kernel.console_lock);
    return written;
}

void panic(const char *what, const struct frame *frame)
{
    say("kernel: %s\n", what);
    if (frame)
        say("kernel: at 0x%x, address 0x%x, cause 0x%x\n", frame->epc, frame->bad_vaddr,
            frame->cause);
    monitor_exit(120);
}
