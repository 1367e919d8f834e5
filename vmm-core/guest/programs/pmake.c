/* A parallel make of a program of many small files, after the workload "pmake" of the Disco paper
 * (compiling GNU chess with as many jobs as CPUs, and one more).
 *
 * Writes the sources of a program, a header and a makefile into the file system; reads the makefile
 * and runs its commands as processes, so many at a time, each as soon as what it needs is there: cc for each
 * source, ld -r for each eight objects, ld for the program, and run, which checks what the program
 * returns. Each process is forked and exec'ed, lives for a moment, reads and writes files, and
 * its memory is new and private: pages come and go all the time, on whichever CPU runs it.
 *
 *   kernel's memory     files and processes: written by one CPU, then read by others: migratory
 *   programs' code      the same pages of the file system, copied or mapped for each process
 *
 * Checked: every command succeeds, and the program that was built returns what the writer of its
 * sources, who computed along, says. The sources are C: another compiler can judge them too.
 */
#include "vmm-core/guest/programs/program.h"
#include "vmm-core/guest/programs/toy.h"

#include <stdarg.h>

PROGRAM_ABOUT(
    "pmake: a parallel make of short processes (Disco's pmake): fork, exec, compile, link");

#define GROUP      8   /* objects of one ld -r */
#define LIMIT      731 /* a constant of the header */
#define VALUE_MASK 8191
#define NAME_BYTES 16

/* ---------------------------------------------------------------------------- text */

struct text {
    char *bytes;
    uint32_t count, room;
};

static void __attribute__((format(printf, 2, 3)))
write_text(struct text *text, const char *format, ...)
{
    va_list arguments;
    if (text == NULL)
        return;
    if (text->room - text->count < 256) {
        text->room = 2 * text->room + 4096;
        text->bytes = realloc(text->bytes, text->room);
        if (text->bytes == NULL) {
            printf("pmake: out of memory\n");
            exit(1);
        }
    }
    va_start(arguments, format);
    text->count += (uint32_t)vsnprintf(text->bytes + text->count, 256, format, arguments);
    va_end(arguments);
}

static void save(struct text *text, const char *name)
{
    int file = disco_create(name);
    if (file < 0 || disco_write(file, text->bytes, text->count) != (int)text->count) {
        printf("pmake: %s: cannot be written\n", name);
        exit(1);
    }
    disco_close(file);
    text->count = 0;
}

/* ---------------------------------------------------------------------------- sources */

struct tree {
    uint32_t files, functions, seed; /* functions: of each file */
};

/* A number from 0 to below `limit`, the next of a function's own sequence. */
static uint32_t draw(uint32_t *state, uint32_t limit)
{
    *state += PROGRAM_GOLDEN;
    return (program_mix(*state) >> 8) % limit;
}

/* One statement of a function of (a, b) on its variable t: its text, and its effect on t. */
static uint32_t statement(struct text *text, uint32_t *state, uint32_t t, uint32_t a, uint32_t b)
{
    uint32_t kind = draw(state, 5), x = 1 + draw(state, 90), y = 100 + draw(state, 900);
    switch (kind) {
    case 0:
        write_text(text, "    t = (t * %u + b * (%u - 1)) %% %u; /* stir */\n", x, y, y + LIMIT);
        return (t * x + b * (y - 1)) % (y + LIMIT);
    case 1:
        write_text(text, "    if (t > %u)\n        t = t - %u;\n    else\n        t = t + a;\n", y,
                   x);
        return t > y ? t - x : t + a;
    case 2:
        write_text(text,
                   "    i = %u;\n    while (i > 0) {\n        t = (t + i * %u) %% LIMIT;\n"
                   "        i = i - 1;\n    }\n",
                   x, y);
        for (uint32_t i = x; i > 0; i--)
            t = (t + i * y) % LIMIT;
        return t;
    case 3:
        write_text(text, "    t = (t + LIMIT * %u / (a + 1)) & MASK;\n", x);
        return (t + LIMIT * x / (a + 1)) & VALUE_MASK;
    default:
        write_text(text, "    t = (t ^ (%u | (b & 15))) & MASK; /* mix %u with the low bits */\n",
                   x, x);
        return (t ^ (x | (b & 15))) & VALUE_MASK;
    }
}

/* A function of the tree: its text, where asked for, and its value for a and b. Statements are drawn
 * anew from its seed each time; the last calls a function in front of it. */
static uint32_t function(const struct tree *tree, struct text *text, uint32_t number, uint32_t a,
                         uint32_t b)
{
    uint32_t state = program_random(tree->seed, number);
    uint32_t statements = 6 + draw(&state, 14), start = draw(&state, 500);
    uint32_t t = (a * 3 + b + start) & VALUE_MASK;
    write_text(text,
               "\n/* Function %u of the tree: %u statements. */\n"
               "int f%u(int a, int b)\n{\n    int t;\n    int i;\n"
               "    t = (a * 3 + b + %u) & MASK;\n",
               number, statements, number, start);
    for (uint32_t i = 0; i < statements; i++)
        t = statement(text, &state, t, a, b);
    if (number > 0) {
        uint32_t callee = draw(&state, number), x = draw(&state, 60);
        write_text(text, "    t = t ^ f%u(t & 63, %u);\n", callee, x);
        t ^= function(tree, NULL, callee, t & 63, x);
    }
    write_text(text, "    return t & MASK;\n}\n");
    return t & VALUE_MASK;
}

/* All sources; what main returns. */
static uint32_t write_sources(const struct tree *tree)
{
    struct text text = {0};
    char name[NAME_BYTES];
    uint32_t result = 0;
    write_text(&text, "/* of all files */\nenum { LIMIT = %d, MASK = %d };\n", LIMIT, VALUE_MASK);
    for (uint32_t i = 0; i < tree->files * tree->functions; i++)
        write_text(&text, "int f%u(int a, int b);\n", i);
    save(&text, "tree.h");
    for (uint32_t file = 0; file < tree->files; file++) {
        write_text(&text, "#include \"tree.h\"\n");
        for (uint32_t i = 0; i < tree->functions; i++)
            function(tree, &text, file * tree->functions + i, 0, 0);
        snprintf(name, sizeof name, "m%u.c", (unsigned)file);
        save(&text, name);
    }
    write_text(&text, "#include \"tree.h\"\n\nint main(void)\n{\n    int sum;\n    sum = 0;\n");
    for (uint32_t file = 0; file < tree->files; file++) {
        uint32_t last = (file + 1) * tree->functions - 1;
        write_text(&text, "    sum = (sum * 3 + f%u(%u, 7)) & MASK;\n", last, file);
        result = (result * 3 + function(tree, NULL, last, file, 7)) & VALUE_MASK;
    }
    write_text(&text, "    return sum;\n}\n");
    save(&text, "main.c");
    free(text.bytes);
    return result;
}

static void write_makefile(const struct tree *tree, uint32_t result)
{
    struct text text = {0};
    uint32_t groups = (tree->files + GROUP - 1) / GROUP;
    write_text(&text, "checked: program\n\trun program %u\nprogram: main.o", result);
    for (uint32_t group = 0; group < groups; group++)
        write_text(&text, " g%u.o", group);
    write_text(&text, "\n\tld program main.o");
    for (uint32_t group = 0; group < groups; group++)
        write_text(&text, " g%u.o", group);
    write_text(&text, "\nmain.o: main.c tree.h\n\tcc main.c main.o\n");
    for (uint32_t group = 0; group < groups; group++) {
        uint32_t end = (group + 1) * GROUP < tree->files ? (group + 1) * GROUP : tree->files;
        write_text(&text, "g%u.o:", group);
        for (uint32_t file = group * GROUP; file < end; file++)
            write_text(&text, " m%u.o", file);
        write_text(&text, "\n\tld -r g%u.o", group);
        for (uint32_t file = group * GROUP; file < end; file++)
            write_text(&text, " m%u.o", file);
        write_text(&text, "\n");
    }
    for (uint32_t file = 0; file < tree->files; file++)
        write_text(&text, "m%u.o: m%u.c tree.h\n\tcc m%u.c m%u.o\n", file, file, file, file);
    save(&text, "makefile");
    free(text.bytes);
}

/* ---------------------------------------------------------------------------- make */

enum state { WAITING, RUNNING, DONE };

struct rule {
    enum state state;
    int process;
    char *target;
    uint32_t needs, first_need; /* in words[] */
    char **command;             /* ends with NULL */
};

struct make {
    uint32_t rules, words;
    struct rule *rule;
    char **word;
};

/* Cuts a line into words, in place; the end of the line. */
static char *cut_line(struct make *make, char *at)
{
    while (*at != '\n' && *at != '\0') {
        while (*at == ' ' || *at == '\t')
            *at++ = '\0'; /* ends the word before */
        if (*at != '\n' && *at != '\0')
            make->word[make->words++] = at;
        while (*at != ' ' && *at != '\n' && *at != '\0')
            at++;
    }
    if (*at == '\n')
        *at++ = '\0';
    return at;
}

/* Rules of two lines, "target: needs" and a command. Words stay in the text. */
static struct make read_makefile(char *text, uint32_t bytes)
{
    struct make make = {0};
    /* more than words and NULLs can be, and more than lines */
    make.word = disco_alloc((bytes + 2) * sizeof *make.word, "words");
    make.rule = disco_alloc((bytes / 2 + 1) * sizeof *make.rule, "rules");
    while (*text != '\0') {
        struct rule *rule = &make.rule[make.rules++];
        uint32_t first = make.words;
        text = cut_line(&make, text);
        if (make.words == first)
            toy_stop("pmake", "makefile", "has a rule without a target");
        rule->target = make.word[first];
        rule->target[strlen(rule->target) - 1] = '\0'; /* the colon */
        rule->first_need = first + 1;
        rule->needs = make.words - rule->first_need;
        rule->command = &make.word[make.words];
        text = cut_line(&make, text);
        if (*rule->command == NULL)
            toy_stop("pmake", "makefile", "has a rule without a command");
        make.word[make.words++] = NULL;
    }
    return make;
}

/* Whether all that a rule needs is there: a file with a rule when that is done, another from the start. */
static bool is_ready(const struct make *make, const struct rule *rule)
{
    for (uint32_t i = 0; i < rule->needs; i++)
        for (uint32_t other = 0; other < make->rules; other++)
            if (make->rule[other].state != DONE &&
                strcmp(make->rule[other].target, make->word[rule->first_need + i]) == 0)
                return false;
    return true;
}

static void start(struct rule *rule)
{
    rule->process = disco_fork();
    if (rule->process == 0) {
        disco_exec(rule->command[0], rule->command);
        toy_stop("pmake", rule->command[0], "cannot be run");
    }
    if (rule->process < 0)
        toy_stop("pmake", rule->command[0], "no process could be made for it");
    rule->state = RUNNING;
}

/* Waits for a process; false when it failed. */
static bool finish_one(struct make *make)
{
    int status = 1, process = disco_wait(&status);
    for (uint32_t i = 0; i < make->rules; i++) {
        struct rule *rule = &make->rule[i];
        if (rule->state != RUNNING || rule->process != process)
            continue;
        rule->state = DONE;
        if (status != 0)
            printf("pmake: %s: %s ended with %d\n", rule->target, rule->command[0], status);
        return status == 0;
    }
    return false;
}

/* Runs all rules; true when every command succeeded. */
static bool run_rules(struct make *make, int jobs)
{
    int running = 0;
    uint32_t started = 0;
    bool right = true;
    while (running > 0 || (right && started < make->rules)) {
        for (uint32_t i = 0; right && i < make->rules && running < jobs; i++)
            if (make->rule[i].state == WAITING && is_ready(make, &make->rule[i])) {
                start(&make->rule[i]);
                started++;
                running++;
            }
        if (running == 0) /* rules wait for each other */
            return false;
        right &= finish_one(make);
        running--;
    }
    return right;
}

static uint32_t checksum_of(const char *name)
{
    uint32_t bytes, sum = 0;
    const char *text = toy_read_text("pmake", name, &bytes);
    for (uint32_t i = 0; i < bytes; i++)
        sum += program_sum_word(i, (unsigned char)text[i]);
    return sum;
}

/* Sources and all that was made of them. */
static void clean(const struct make *make)
{
    for (uint32_t i = 0; i < make->rules; i++) {
        const struct rule *rule = &make->rule[i];
        const char *program = rule->command[0], *file = rule->command[1];
        if (program != NULL && file != NULL && strcmp(program, "cc") == 0)
            disco_unlink(file);
        if (program != NULL && strcmp(program, "run") != 0)
            disco_unlink(rule->target);
    }
    disco_unlink("tree.h");
    disco_unlink("makefile");
}

int main(int argc, char **argv)
{
    int files = 16, functions = 6, keep = 0, seed = 1, jobs = 0;
    const struct program_option options[] = {
        {"files", &files, 1, 1000, "sources"},
        {"functions", &functions, 1, 60, "functions in each"},
        {"keep", &keep, 0, 1, "1 leaves sources and objects in the file system"},
        {"seed", &seed, 0, 1 << 30, "which sources"},
        {"jobs", &jobs, 0, 60, "processes at a time; 0 is one for each virtual CPU"},
    };
    program_arguments(argc, argv, program_about, options, sizeof options / sizeof *options);
    jobs = program_per_cpu(jobs);

    struct tree tree = {(uint32_t)files, (uint32_t)functions, (uint32_t)seed};
    write_makefile(&tree, write_sources(&tree));
    uint32_t bytes;
    char *text = toy_read_text("pmake", "makefile", &bytes);
    struct make make = read_makefile(text, bytes);
    bool right = run_rules(&make, jobs);
    uint32_t answer = right ? checksum_of("program") : 0;
    if (keep == 0)
        clean(&make);
    printf("pmake: %u processes for %d files of %d functions, %d at a time", (unsigned)make.rules,
           files, functions, jobs);
    return program_answer(answer, right);
}
