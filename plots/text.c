#include "plots/text.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FILE_NAME_CHARACTERS 60u

/* Bytes of the UTF-8 character at `text` that may stand in a chart; 0: none. Ranges: RFC 3629,
 * section 4, without the C1 controls and the noncharacters U+FFFE and U+FFFF that XML forbids. */
static size_t character_bytes(const unsigned char *text)
{
    static const struct {
        unsigned char from, to; /* first byte */
        uint32_t bytes, least, most;
    } forms[] = {
        {0x20, 0x7E, 1, 0x20, 0x7E},
        {0xC2, 0xDF, 2, 0xA0, 0x7FF},
        {0xE0, 0xEF, 3, 0x800, 0xFFFD},
        {0xF0, 0xF4, 4, 0x10000, 0x10FFFF},
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (text[0] < forms[i].from || text[0] > forms[i].to)
            continue;
        uint32_t code = forms[i].bytes == 1 ? text[0] : text[0] & (0x7Fu >> forms[i].bytes);
        for (uint32_t next = 1; next < forms[i].bytes; next++) {
            if ((text[next] & 0xC0u) != 0x80u)
                return 0;
            code = code << 6 | (text[next] & 0x3Fu);
        }
        bool surrogate = code >= 0xD800 && code <= 0xDFFF;
        return code >= forms[i].least && code <= forms[i].most && !surrogate ? forms[i].bytes : 0;
    }
    return 0;
}

struct replacement {
    char from;
    const char *to;
};

static void write_replaced(FILE *file, const char *text, const struct replacement *replace,
                           size_t replacements)
{
    while (*text != '\0') {
        size_t bytes = character_bytes((const unsigned char *)text);
        const char *to = NULL;
        for (size_t i = 0; i < replacements; i++)
            if (*text == replace[i].from)
                to = replace[i].to;
        if (to != NULL)
            fputs(to, file);
        else if (bytes > 0)
            fwrite(text, 1, bytes, file);
        else
            fputc(iscntrl((unsigned char)*text) ? ' ' : '?', file);
        text += bytes > 0 ? bytes : 1;
    }
}

void text_write_quoted(FILE *file, const char *text)
{
    static const struct replacement quote = {'\'', "'.\"'\".'"};
    fputc('\'', file);
    write_replaced(file, text, &quote, 1);
    fputc('\'', file);
}

void text_write_field(FILE *file, const char *text)
{
    static const struct replacement read_as_syntax[] = {{'"', "'"}, {'\\', "\\\\"}};
    write_replaced(file, text, read_as_syntax, 2);
}

char *text_file_name(const char *text)
{
    char *name = strndup(text, FILE_NAME_CHARACTERS);
    for (char *c = name; c != NULL && *c != '\0'; c++)
        if (!isalnum((unsigned char)*c) && strchr("-_+=", *c) == NULL)
            *c = '-';
    return name;
}

char *text_message(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text;
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    return text != NULL ? text : strdup("out of memory");
}
