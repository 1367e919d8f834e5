/* Reading numbers and words out of a line of text. Nothing here looks behind `end`. */
#ifndef DISCO_SOURCES_IMPORT_SCAN_H
#define DISCO_SOURCES_IMPORT_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A piece of a line: [at, end). */
struct span {
    const char *at, *end;
};

static inline size_t span_bytes(struct span span)
{
    return (size_t)(span.end - span.at);
}

/* The line at *at, without its end ("\n" or "\r\n"); *at moves behind it. The text ends in '\n'. */
static inline struct span next_line(const char **at, const char *end)
{
    struct span line = {*at, memchr(*at, '\n', (size_t)(end - *at))};
    *at = line.end + 1;
    if (line.at < line.end && line.end[-1] == '\r') {
        line.end--;
    }
    return line;
}

static inline bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Takes the next word off `rest`; empty at the end. Words are parted by blanks. */
static inline struct span next_word(struct span *rest)
{
    while (rest->at < rest->end && is_blank(*rest->at)) {
        rest->at++;
    }
    struct span word = {rest->at, rest->at};
    while (word.end < rest->end && !is_blank(*word.end)) {
        word.end++;
    }
    rest->at = word.end;
    return word;
}

static inline bool span_is(struct span text, const char *word)
{
    return span_bytes(text) == strlen(word) && memcmp(text.at, word, span_bytes(text)) == 0;
}

/* 0 to 15, or 16 for what is no hexadecimal digit. */
static inline unsigned hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return (unsigned)(c - '0');
    }
    unsigned letter = (unsigned)(unsigned char)c | 0x20u;
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : 16;
}

/* The digits of `base` (10 or 16) from *at on; *at moves behind them. False when there is none, or
 * when the number has more than 64 bits; then *at stays. No sign, no prefix. */
static inline bool scan_digits(const char **at, const char *end, unsigned base, uint64_t *value)
{
    const char *p = *at;
    uint64_t sum = 0;
    for (; p < end; p++) {
        unsigned digit = hex_digit(*p);
        if (digit >= base) {
            break;
        }
        uint64_t next = 0;
        if (__builtin_mul_overflow(sum, base, &next) || __builtin_add_overflow(next, digit, &sum)) {
            return false;
        }
    }
    if (p == *at) {
        return false;
    }
    *at = p;
    *value = sum;
    return true;
}

static inline bool has_hex_prefix(struct span text)
{
    return span_bytes(text) > 2 && text.at[0] == '0' && (text.at[1] | 0x20) == 'x';
}

/* The whole of `text` is one number: of `base`, or hexadecimal where it begins with 0x. */
static inline bool scan_number(struct span text, unsigned base, uint64_t *value)
{
    if (has_hex_prefix(text)) {
        text.at += 2;
        base = 16;
    }
    return scan_digits(&text.at, text.end, base, value) && text.at == text.end;
}

/* The whole of `text` is digits with at most one point in them, in units of 10^`digits` ns (9:
 * seconds): exact, and what is below 1 ns is cut off. */
static inline bool scan_time(struct span text, unsigned digits, uint64_t *ns)
{
    uint64_t whole = 0, part = 0;
    bool any = false;
    if (text.at < text.end && *text.at != '.') {
        if (!scan_digits(&text.at, text.end, 10, &whole)) {
            return false;
        }
        any = true;
    }
    bool point = text.at < text.end && *text.at == '.';
    text.at += point;
    for (unsigned i = 0; i < digits; i++) {
        unsigned digit = 0;
        if (text.at < text.end) {
            digit = hex_digit(*text.at++);
            any = true;
        }
        if (digit > 9) {
            return false;
        }
        part = part * 10 + digit;
        if (__builtin_mul_overflow(whole, 10u, &whole)) {
            return false;
        }
    }
    for (; text.at < text.end; text.at++) {
        if (!point || hex_digit(*text.at) > 9) {
            return false;
        }
        any = true;
    }
    return any && !__builtin_add_overflow(whole, part, ns);
}

#endif
