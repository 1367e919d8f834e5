/* The sources that gen writes, cc compiles and pmake knows the result of: files of functions in the small C
 * of toy.h, drawn at random from a seed. Each is a walk over the same random numbers that can
 * write the function's text, and always computes its value.
 */
#ifndef DISCO_GUEST_SOURCE_TREE_H
#define DISCO_GUEST_SOURCE_TREE_H

#include "vmm-core/guest/programs/program.h"

#include <stdarg.h>

#define TREE_LIMIT 731  /* constants of the header: LIMIT */
#define TREE_MASK  8191 /* MASK, and the largest value */

/* Text that grows. */
struct tree_text {
    char *bytes;
    uint32_t count, room;
};

/* Up to 255 bytes more; NULL: nowhere. */
static inline void __attribute__((format(printf, 2, 3)))
tree_write(struct tree_text *text, const char *format, ...)
{
    va_list arguments;
    if (text == NULL)
        return;
    if (text->room - text->count < 256) {
        text->room = 2 * text->room + 4096;
        text->bytes = realloc(text->bytes, text->room);
        if (text->bytes == NULL) {
            printf("out of memory for a source\n");
            exit(1);
        }
    }
    va_start(arguments, format);
    text->count += (uint32_t)vsnprintf(text->bytes + text->count, 256, format, arguments);
    va_end(arguments);
}

/* Writes the file, and empties the text. */
static inline void tree_save(struct tree_text *text, const char *name)
{
    int file = disco_create(name);
    if (file < 0 || disco_write(file, text->bytes, text->count) != (int)text->count) {
        printf("%s: cannot be written\n", name);
        exit(1);
    }
    disco_close(file);
    text->count = 0;
}

struct tree {
    uint32_t files, functions, seed; /* functions: of each file */
};

/* A number from 0 to below `limit`, the next of a function's own sequence. */
static inline uint32_t tree_draw(uint32_t *state, uint32_t limit)
{
    *state += PROGRAM_GOLDEN;
    return (program_mix(*state) >> 8) % limit;
}

/* One statement of a function of (a, b) on its variable t: its text, and its effect on t. */
static inline uint32_t tree_statement(struct tree_text *text, uint32_t *state, uint32_t t,
                                      uint32_t a, uint32_t b)
{
    uint32_t kind = tree_draw(state, 5), x = 1 + tree_draw(state, 90),
             y = 100 + tree_draw(state, 900);
    switch (kind) {
    case 0:
        tree_write(text, "    t = (t * %u + b * (%u - 1)) %% %u; /* stir */\n", x, y,
                   y + TREE_LIMIT);
        return (t * x + b * (y - 1)) % (y + TREE_LIMIT);
    case 1:
        tree_write(text, "    if (t > %u)\n        t = t - %u;\n    else\n        t = t + a;\n", y,
                   x);
        return t > y ? t - x : t + a;
    case 2:
        tree_write(text,
                   "    i = %u;\n    while (i > 0) {\n        t = (t + i * %u) %% LIMIT;\n"
                   "        i = i - 1;\n    }\n",
                   x, y);
        for (uint32_t i = x; i > 0; i--)
            t = (t + i * y) % TREE_LIMIT;
        return t;
    case 3:
        tree_write(text, "    t = (t + LIMIT * %u / (a + 1)) & MASK;\n", x);
        return (t + TREE_LIMIT * x / (a + 1)) & TREE_MASK;
    default:
        tree_write(text, "    t = (t ^ (%u | (b & 15))) & MASK; /* mix %u with the low bits */\n",
                   x, x);
        return (t ^ (x | (b & 15))) & TREE_MASK;
    }
}

/* A function of the tree: its text, where asked for, and its value for a and b. Statements are drawn
 * anew from its seed each time; the last calls a function in front of it. */
static inline uint32_t tree_function(const struct tree *tree, struct tree_text *text,
                                     uint32_t number, uint32_t a, uint32_t b)
{
    uint32_t state = program_random(tree->seed, number);
    uint32_t statements = 6 + tree_draw(&state, 14), start = tree_draw(&state, 500);
    uint32_t t = (a * 3 + b + start) & TREE_MASK;
    tree_write(text,
               "\n/* Function %u of the tree: %u statements. */\n"
               "int f%u(int a, int b)\n{\n    int t;\n    int i;\n"
               "    t = (a * 3 + b + %u) & MASK;\n",
               number, statements, number, start);
    for (uint32_t i = 0; i < statements; i++)
        t = tree_statement(text, &state, t, a, b);
    if (number > 0) {
        uint32_t callee = tree_draw(&state, number), x = tree_draw(&state, 60);
        tree_write(text, "    t = t ^ f%u(t & 63, %u);\n", callee, x);
        t ^= tree_function(tree, NULL, callee, t & 63, x);
    }
    tree_write(text, "    return t & MASK;\n}\n");
    return t & TREE_MASK;
}

#endif
