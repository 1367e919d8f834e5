/* A small linker, which pmake runs: ld PROGRAM OBJECT..., or ld -r OBJECT OBJECT... for a part of a
 * program, in which functions may still be missing. Objects are those of toy.h.
 *
 * Reads what other processes have written a moment ago: their pages of files, in the kernel's
 * memory, move from the CPUs that compiled to the one that links.
 */
#include "vmm-core/guest/programs/program.h"
#include "vmm-core/guest/programs/toy.h"

PROGRAM_ABOUT("ld: links objects that cc made: PROGRAM OBJECT..., -r for a part (run by pmake)");

/* Functions by name: numbers plus 1, 0 for none. */
struct table {
    uint32_t *slots, size; /* a power of 2 */
};

static uint32_t *find(const struct table *table, const struct toy_file *out, const char *name)
{
    uint32_t hash = 0;
    for (const char *at = name; *at != '\0'; at++)
        hash = program_mix(hash + (unsigned char)*at);
    for (;; hash++) {
        uint32_t *slot = &table->slots[hash & (table->size - 1)];
        if (*slot == 0 || strcmp(out->functions[*slot - 1].name, name) == 0)
            return slot;
    }
}

static void check_object(const struct toy_file *object, const char *name)
{
    for (uint32_t i = 0; i < object->header.functions; i++)
        if (object->functions[i].start >= object->header.words ||
            object->functions[i].name[TOY_NAME_BYTES - 1] != '\0')
            toy_stop("ld", name, "has a function outside its code");
    for (uint32_t i = 0; i < object->header.references; i++)
        if (object->references[i].at >= object->header.words ||
            object->references[i].name[TOY_NAME_BYTES - 1] != '\0')
            toy_stop("ld", name, "has a reference outside its code");
}

/* Puts an object behind those before it. */
static void append(struct toy_file *out, const struct toy_file *object)
{
    struct toy_header *h = &out->header;
    for (uint32_t i = 0; i < object->header.functions; i++) {
        struct toy_function *function = &out->functions[h->functions++];
        *function = object->functions[i];
        function->start += h->words;
    }
    for (uint32_t i = 0; i < object->header.references; i++) {
        struct toy_reference *reference = &out->references[h->references++];
        *reference = object->references[i];
        reference->at += h->words;
    }
    memcpy(out->code + h->words, object->code, object->header.words * sizeof *out->code);
    h->words += object->header.words;
}

/* Calls get the numbers of their functions; references stay only in a part of a program. */
static void resolve(struct toy_file *out, const struct table *table, bool part)
{
    for (uint32_t i = 0; i < out->header.functions; i++) {
        uint32_t *slot = find(table, out, out->functions[i].name);
        if (*slot != 0)
            toy_stop("ld", out->functions[i].name, "is there twice");
        *slot = i + 1;
    }
    for (uint32_t i = 0; i < out->header.references; i++) {
        uint32_t function = *find(table, out, out->references[i].name);
        if (function == 0 && !part)
            toy_stop("ld", out->references[i].name, "is called, but is nowhere");
        if (function != 0)
            out->code[out->references[i].at] = toy_word(TOY_CALL, (int32_t)function - 1);
    }
    if (!part)
        out->header.references = 0;
}

int main(int argc, char **argv)
{
    bool part = argc > 1 && strcmp(argv[1], "-r") == 0;
    char **names = argv + 2 + part;
    int count = argc - 2 - part;
    if (count < 1) {
        printf("%s\n", program_about);
        return argc == 2 && strcmp(argv[1], "--help") == 0 ? 0 : 2;
    }
    struct toy_file *objects = disco_alloc((size_t)count * sizeof *objects, "objects");
    struct toy_header all = {.magic = TOY_MAGIC};
    for (int i = 0; i < count; i++) {
        objects[i] = toy_read("ld", names[i]);
        check_object(&objects[i], names[i]);
        all.functions += objects[i].header.functions;
        all.references += objects[i].header.references;
        all.words += objects[i].header.words;
    }
    if (all.functions > TOY_NAMES_MAX || all.references > TOY_NAMES_MAX ||
        all.words > TOY_WORDS_MAX)
        toy_stop("ld", argv[1 + part], "would be too large");

    struct table table = {.size = 16};
    while (table.size < 2 * all.functions)
        table.size *= 2;
    table.slots = disco_alloc(table.size * sizeof *table.slots, "table");
    struct toy_file out = {.header.magic = TOY_MAGIC,
                           .functions = disco_alloc((all.functions + 1) * sizeof *out.functions,
                                                    "functions"),
                           .references = disco_alloc((all.references + 1) * sizeof *out.references,
                                                     "references"),
                           .code = disco_alloc((all.words + 1) * sizeof *out.code, "code")};
    for (int i = 0; i < count; i++)
        append(&out, &objects[i]);
    resolve(&out, &table, part);
    toy_write("ld", argv[1 + part], &out);
    return 0;
}
