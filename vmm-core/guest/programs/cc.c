/* A small compiler, of which pmake runs many: cc SOURCE OBJECT.
 *
 * A process that lives for a moment, as those of Disco's pmake workload do: it reads a source and its
 * header from the file system, makes tokens, parses by recursive descent, folds constants, and writes
 * an object (toy.h). All its memory is private and new: pages come as zeroes and go when it ends;
 * only the files, in the kernel's memory, are others' too.
 */
#include "vmm-core/guest/programs/program.h"
#include "vmm-core/guest/programs/toy.h"

PROGRAM_ABOUT("cc: compiles a small part of C: SOURCE OBJECT (run by pmake)");

#define NAMES       4096 /* slots of the table of constants: a power of 2 */
#define LOCALS_MAX  64
#define DEPTH_MAX   4 /* of files that include each other */
#define OPERAND_MAX 0x7fffff

enum kind { END, NAME, NUMBER, TEXT, SIGN };

struct token {
    enum kind kind;
    char text[TOY_NAME_BYTES]; /* of a name, sign or file */
    int32_t value;             /* of a number */
    uint32_t line;
};

struct constant {
    char name[TOY_NAME_BYTES];
    int32_t value;
};

struct compiler {
    const char *source;
    struct token *tokens;
    uint32_t count, room, next;
    struct constant *constants; /* hashed by name */
    char locals[LOCALS_MAX][TOY_NAME_BYTES];
    uint32_t local_count;
    uint32_t code_room, functions_room, references_room;
    uint32_t fold_from; /* words before this are another expression's */
    struct toy_file out;
};

_Noreturn static void stop(const struct compiler *c, uint32_t line, const char *why)
{
    char text[64];
    snprintf(text, sizeof text, "line %u: %s", (unsigned)line, why);
    toy_stop("cc", c->source, text);
}

/* Memory for one more of `bytes` bytes behind `count`: four times as much, elsewhere, when it is full. What
 * was there before goes when the process ends, which is soon. */
static void *grow(const char *name, void *memory, uint32_t count, uint32_t *room, size_t bytes)
{
    if (count < *room)
        return memory;
    *room = *room == 0 ? 256 : 4 * *room;
    void *larger = disco_alloc(*room * bytes, name);
    if (count > 0)
        memcpy(larger, memory, count * bytes);
    return larger;
}

/* ---------------------------------------------------------------------------- tokens */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* The first letter behind spaces and comments. */
static const char *skip_space(const char *at, uint32_t *line)
{
    for (;; at++) {
        if (at[0] == '/' && at[1] == '*') {
            for (at += 2; *at != '\0' && !(at[0] == '*' && at[1] == '/'); at++)
                *line += *at == '\n';
            at += *at != '\0';
        } else if (*at == '\n') {
            ++*line;
        } else if (*at != ' ') {
            return at;
        }
    }
}

static void read_tokens(struct compiler *c, const char *file, int depth)
{
    uint32_t line = 1, bytes;
    const char *at = toy_read_text("cc", file, &bytes);
    if (depth == DEPTH_MAX)
        stop(c, line, "too many files include each other");
    while (*(at = skip_space(at, &line)) != '\0') {
        c->tokens = grow("tokens", c->tokens, c->count, &c->room, sizeof *c->tokens);
        struct token *token = &c->tokens[c->count];
        *token = (struct token){.kind = SIGN, .line = line};
        const char *start = at;
        if (is_letter(*at)) {
            token->kind = NAME;
            while (is_letter(*at) || is_digit(*at))
                at++;
        } else if (is_digit(*at)) {
            token->kind = NUMBER;
            while (is_digit(*at))
                token->value = 10 * token->value + (*at++ - '0');
        } else if (*at == '"') {
            token->kind = TEXT;
            for (start = ++at; *at != '"'; at++)
                if (*at == '\0' || *at == '\n')
                    stop(c, line, "text without end");
        } else {
            at += (at[0] == '=' || at[0] == '!') && at[1] == '=' ? 2 : 1;
        }
        uint32_t length = (uint32_t)(at - start);
        if (length >= TOY_NAME_BYTES)
            stop(c, line, "a word is too long");
        memcpy(token->text, start, length);
        at += token->kind == TEXT;
        bool include = token->kind == TEXT && c->count >= 2 &&
                       strcmp(token[-1].text, "include") == 0 && strcmp(token[-2].text, "#") == 0;
        if (include) {
            char name[TOY_NAME_BYTES];
            memcpy(name, token->text, sizeof name);
            c->count -= 2;
            read_tokens(c, name, depth + 1);
        } else {
            c->count++;
        }
    }
}

static const struct token *now(const struct compiler *c)
{
    return &c->tokens[c->next];
}

static bool is(const struct compiler *c, const char *text)
{
    return now(c)->kind != TEXT && strcmp(now(c)->text, text) == 0;
}

static bool take(struct compiler *c, const char *text)
{
    bool here = is(c, text);
    c->next += here;
    return here;
}

static void need(struct compiler *c, const char *text)
{
    if (!take(c, text)) {
        char why[40];
        snprintf(why, sizeof why, "'%s' is missing", text);
        stop(c, now(c)->line, why);
    }
}

static const char *take_name(struct compiler *c)
{
    if (now(c)->kind != NAME)
        stop(c, now(c)->line, "a name is missing");
    return c->tokens[c->next++].text;
}

/* ---------------------------------------------------------------------------- names and code */

/* The constant of the name, or an empty slot for it. */
static struct constant *find_constant(struct compiler *c, const char *name)
{
    uint32_t hash = 0;
    for (const char *at = name; *at != '\0'; at++)
        hash = program_mix(hash + (unsigned char)*at);
    for (uint32_t tries = 0; tries < NAMES; tries++) {
        struct constant *constant = &c->constants[(hash + tries) & (NAMES - 1)];
        if (constant->name[0] == '\0' || strcmp(constant->name, name) == 0)
            return constant;
    }
    stop(c, now(c)->line, "too many constants");
}

/* The slot of a local name, or -1. */
static int32_t find_local(const struct compiler *c, const char *name)
{
    for (uint32_t i = 0; i < c->local_count; i++)
        if (strcmp(c->locals[i], name) == 0)
            return (int32_t)i;
    return -1;
}

static void add_local(struct compiler *c, const char *name)
{
    if (c->local_count == LOCALS_MAX)
        stop(c, now(c)->line, "too many variables");
    memcpy(c->locals[c->local_count++], name, TOY_NAME_BYTES);
}

/* Writes a word; where it is. */
static uint32_t emit(struct compiler *c, enum toy_operation operation, int32_t operand)
{
    uint32_t *words = &c->out.header.words;
    c->out.code = grow("code", c->out.code, *words, &c->code_room, sizeof *c->out.code);
    c->out.code[*words] = toy_word(operation, operand);
    return (*words)++;
}

static void patch_jump(struct compiler *c, uint32_t at)
{
    enum toy_operation operation = toy_operation_of(c->out.code[at]);
    c->out.code[at] = toy_word(operation, (int32_t)(c->out.header.words - at));
    c->fold_from = c->out.header.words;
}

/* Two numbers known now become one. */
static void emit_binary(struct compiler *c, enum toy_operation operation)
{
    uint32_t words = c->out.header.words;
    const uint32_t *last = c->out.code + words;
    if (words >= c->fold_from + 2 && toy_operation_of(last[-1]) == TOY_PUSH &&
        toy_operation_of(last[-2]) == TOY_PUSH) {
        int32_t value = toy_compute(operation, toy_operand_of(last[-2]), toy_operand_of(last[-1]));
        if (value >= -OPERAND_MAX && value <= OPERAND_MAX) {
            c->out.header.words -= 2;
            emit(c, TOY_PUSH, value);
            return;
        }
    }
    emit(c, operation, 0);
}

/* ---------------------------------------------------------------------------- expressions */

static const struct {
    char text[4];
    enum toy_operation operation;
    int strength;
} operators[] = {
    {"|", TOY_OR, 1},       {"^", TOY_XOR, 2},      {"&", TOY_AND, 3},     {"==", TOY_EQUAL, 4},
    {"!=", TOY_UNEQUAL, 4}, {"<", TOY_LESS, 5},     {">", TOY_GREATER, 5}, {"+", TOY_ADD, 6},
    {"-", TOY_SUBTRACT, 6}, {"*", TOY_MULTIPLY, 7}, {"/", TOY_DIVIDE, 7},  {"%", TOY_REST, 7},
};

static void expression(struct compiler *c, int strength);

static void call(struct compiler *c, const char *name)
{
    while (!take(c, ")")) {
        expression(c, 1);
        if (!is(c, ")"))
            need(c, ",");
    }
    uint32_t *count = &c->out.header.references;
    c->out.references = grow("references", c->out.references, *count, &c->references_room,
                             sizeof *c->out.references);
    struct toy_reference *reference = &c->out.references[(*count)++];
    memcpy(reference->name, name, TOY_NAME_BYTES);
    reference->at = emit(c, TOY_CALL, 0);
}

static void primary(struct compiler *c)
{
    const struct token *token = now(c);
    if (token->kind == NUMBER) {
        if (token->value > OPERAND_MAX)
            stop(c, token->line, "the number is too large");
        c->next++;
        emit(c, TOY_PUSH, token->value);
    } else if (take(c, "(")) {
        expression(c, 1);
        need(c, ")");
    } else {
        const char *name = take_name(c);
        if (take(c, "(")) {
            call(c, name);
        } else if (find_local(c, name) >= 0) {
            emit(c, TOY_LOAD, find_local(c, name));
        } else {
            const struct constant *constant = find_constant(c, name);
            if (constant->name[0] == '\0')
                stop(c, token->line, "the name is not known");
            emit(c, TOY_PUSH, constant->value);
        }
    }
}

/* Operators at least as strong as `strength`, from the left. */
static void expression(struct compiler *c, int strength)
{
    size_t i, count = sizeof operators / sizeof *operators;
    primary(c);
    do {
        for (i = 0; i < count; i++)
            if (operators[i].strength >= strength && take(c, operators[i].text)) {
                expression(c, operators[i].strength + 1);
                emit_binary(c, operators[i].operation);
                break;
            }
    } while (i < count);
}

/* ---------------------------------------------------------------------------- statements */

static void statement(struct compiler *c)
{
    c->fold_from = c->out.header.words;
    uint32_t start = c->out.header.words;
    if (take(c, "{")) {
        while (!take(c, "}"))
            statement(c);
    } else if (take(c, "if")) {
        need(c, "(");
        expression(c, 1);
        need(c, ")");
        uint32_t past = emit(c, TOY_JUMP_ZERO, 0);
        statement(c);
        if (take(c, "else")) {
            uint32_t end = emit(c, TOY_JUMP, 0);
            patch_jump(c, past);
            past = end;
            statement(c);
        }
        patch_jump(c, past);
    } else if (take(c, "while")) {
        need(c, "(");
        expression(c, 1);
        need(c, ")");
        uint32_t past = emit(c, TOY_JUMP_ZERO, 0);
        statement(c);
        emit(c, TOY_JUMP, (int32_t)(start - c->out.header.words));
        patch_jump(c, past);
    } else if (take(c, "return")) {
        expression(c, 1);
        need(c, ";");
        emit(c, TOY_RETURN, 0);
    } else {
        int32_t slot = find_local(c, take_name(c));
        if (slot < 0)
            stop(c, now(c)->line, "the variable is not known");
        need(c, "=");
        expression(c, 1);
        need(c, ";");
        emit(c, TOY_STORE, slot);
    }
}

static void function(struct compiler *c)
{
    struct toy_function f = {.start = c->out.header.words};
    memcpy(f.name, take_name(c), sizeof f.name);
    c->local_count = 0;
    need(c, "(");
    for (take(c, "void"); !take(c, ")"); take(c, ",")) {
        need(c, "int");
        add_local(c, take_name(c));
    }
    if (take(c, ";"))
        return; /* only declared */
    f.parameters = c->local_count;
    need(c, "{");
    while (take(c, "int")) {
        add_local(c, take_name(c));
        need(c, ";");
    }
    while (!take(c, "}"))
        statement(c);
    emit(c, TOY_PUSH, 0);
    emit(c, TOY_RETURN, 0);
    f.slots = c->local_count;
    uint32_t *count = &c->out.header.functions;
    c->out.functions =
        grow("functions", c->out.functions, *count, &c->functions_room, sizeof *c->out.functions);
    c->out.functions[(*count)++] = f;
}

static void constants(struct compiler *c)
{
    need(c, "{");
    while (!take(c, "}")) {
        const char *name = take_name(c);
        struct constant *constant = find_constant(c, name);
        need(c, "=");
        if (now(c)->kind != NUMBER || now(c)->value > OPERAND_MAX)
            stop(c, now(c)->line, "a number is missing, or is too large");
        memcpy(constant->name, name, TOY_NAME_BYTES);
        constant->value = c->tokens[c->next++].value;
        take(c, ",");
    }
    need(c, ";");
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        printf("%s\n", program_about);
        return argc == 2 && strcmp(argv[1], "--help") == 0 ? 0 : 2;
    }
    struct compiler c = {.source = argv[1], .out.header.magic = TOY_MAGIC};
    c.constants = disco_alloc(NAMES * sizeof *c.constants, "constants");
    read_tokens(&c, argv[1], 0);
    c.tokens = grow("tokens", c.tokens, c.count, &c.room, sizeof *c.tokens);
    c.tokens[c.count] = (struct token){.kind = END};
    while (now(&c)->kind != END) {
        if (take(&c, "enum")) {
            constants(&c);
        } else {
            need(&c, "int");
            function(&c);
        }
    }
    toy_write("cc", argv[2], &c.out);
    return 0;
}
