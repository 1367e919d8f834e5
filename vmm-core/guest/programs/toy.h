/* What cc makes, ld joins and run runs: programs of a machine with a stack, from sources in a small
 * part of C (all int; enum constants, functions, if, while, return, assignment, expressions).
 *
 * A file is a header, its functions, its references to functions, its code. In an object a call's
 * operand means nothing until ld has found the function that its reference names.
 */
#ifndef DISCO_GUEST_TOY_H
#define DISCO_GUEST_TOY_H

#include "vmm-core/guest/user/disco.h"

#define TOY_MAGIC      0x30796f74u /* "toy0" */
#define TOY_NAME_BYTES 16          /* with the 0 at the end */
#define TOY_WORDS_MAX  (1u << 22)  /* of code */
#define TOY_NAMES_MAX  (1u << 16)  /* functions, or references */

/* A word of code: the operation in the low 8 bits, its signed operand in the other 24. */
enum toy_operation {
    TOY_PUSH,      /* operand */
    TOY_LOAD,      /* slot of the function: parameters, then variables */
    TOY_STORE,     /* slot */
    TOY_JUMP,      /* words from here */
    TOY_JUMP_ZERO, /* words from here, if the top, which goes, is 0 */
    TOY_CALL,      /* function */
    TOY_RETURN,    /* the top */
    TOY_OR,        /* from here on: two numbers go, one comes */
    TOY_XOR,
    TOY_AND,
    TOY_EQUAL,
    TOY_UNEQUAL,
    TOY_LESS,
    TOY_GREATER,
    TOY_ADD,
    TOY_SUBTRACT,
    TOY_MULTIPLY,
    TOY_DIVIDE, /* by 0: 0 */
    TOY_REST,   /* of a division; by 0: 0 */
};

struct toy_header {
    uint32_t magic, functions, references, words;
};

struct toy_function {
    char name[TOY_NAME_BYTES];
    uint32_t start, parameters, slots; /* start: a word of the code */
};

struct toy_reference {
    char name[TOY_NAME_BYTES];
    uint32_t at; /* a word of the code */
};

struct toy_file {
    struct toy_header header;
    struct toy_function *functions;
    struct toy_reference *references;
    uint32_t *code;
};

static inline uint32_t toy_word(enum toy_operation operation, int32_t operand)
{
    return (uint32_t)operation | (uint32_t)operand << 8;
}
static inline enum toy_operation toy_operation_of(uint32_t word)
{
    return (enum toy_operation)(word & 255);
}
static inline int32_t toy_operand_of(uint32_t word)
{
    return (int32_t)word >> 8;
}

/* As the machine computes: 32 bits, wrapping. */
static inline int32_t toy_compute(enum toy_operation operation, int32_t a, int32_t b)
{
    uint32_t x = (uint32_t)a, y = (uint32_t)b;
    switch (operation) {
    case TOY_OR:
        return (int32_t)(x | y);
    case TOY_XOR:
        return (int32_t)(x ^ y);
    case TOY_AND:
        return (int32_t)(x & y);
    case TOY_EQUAL:
        return a == b;
    case TOY_UNEQUAL:
        return a != b;
    case TOY_LESS:
        return a < b;
    case TOY_GREATER:
        return a > b;
    case TOY_ADD:
        return (int32_t)(x + y);
    case TOY_SUBTRACT:
        return (int32_t)(x - y);
    case TOY_MULTIPLY:
        return (int32_t)(x * y);
    case TOY_DIVIDE:
        return b == 0 || b == -1 ? (int32_t)(0 - x * (uint32_t)(b != 0)) : a / b;
    case TOY_REST:
        return b == 0 || b == -1 ? 0 : a % b;
    default:
        return 0;
    }
}

_Noreturn static inline void toy_stop(const char *program, const char *file, const char *why)
{
    printf("%s: %s: %s\n", program, file, why);
    exit(1);
}

/* A whole file, with a 0 behind it, in memory that the process keeps; stops the program where there is
 * none. */
static inline char *toy_read_text(const char *program, const char *name, uint32_t *bytes)
{
    int file = disco_open(name), size = file < 0 ? -1 : disco_size(file);
    if (size < 0)
        toy_stop(program, name, "cannot be read");
    char *text = disco_alloc((size_t)size + 1, name);
    if (disco_read(file, text, (size_t)size) != size)
        toy_stop(program, name, "cannot be read to its end");
    disco_close(file);
    text[size] = '\0';
    *bytes = (uint32_t)size;
    return text;
}

/* The parts lie in the memory that is read into, which stays. */
static inline struct toy_file toy_read(const char *program, const char *name)
{
    struct toy_file toy;
    uint32_t bytes;
    char *text = toy_read_text(program, name, &bytes);
    if (bytes < sizeof toy.header)
        toy_stop(program, name, "is too short");
    memcpy(&toy.header, text, sizeof toy.header);
    const struct toy_header *h = &toy.header;
    if (h->magic != TOY_MAGIC || h->functions > TOY_NAMES_MAX || h->references > TOY_NAMES_MAX ||
        h->words > TOY_WORDS_MAX ||
        bytes != sizeof *h + h->functions * sizeof *toy.functions +
                     h->references * sizeof *toy.references + h->words * sizeof *toy.code)
        toy_stop(program, name, "is no object");
    toy.functions = (struct toy_function *)(text + sizeof *h);
    toy.references = (struct toy_reference *)(toy.functions + h->functions);
    toy.code = (uint32_t *)(toy.references + h->references);
    return toy;
}

static inline void toy_write(const char *program, const char *name, const struct toy_file *toy)
{
    const struct toy_header *h = &toy->header;
    const struct {
        const void *bytes;
        size_t count;
    } parts[] = {{h, sizeof *h},
                 {toy->functions, h->functions * sizeof *toy->functions},
                 {toy->references, h->references * sizeof *toy->references},
                 {toy->code, h->words * sizeof *toy->code}};
    int file = disco_create(name);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (file < 0 || disco_write(file, parts[i].bytes, parts[i].count) != (int)parts[i].count)
            toy_stop(program, name, "cannot be written");
    disco_close(file);
}

#endif
