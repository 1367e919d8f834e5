/* A parallel make of a program of many small files, after the workload "pmake" of the Disco paper
 * (compiling GNU chess with as many jobs as CPUs, and one more).
 *
 * Writes a header, the file with main and a makefile into the file system; reads the makefile and runs
 * its commands as processes, so many at a time, each as soon as what it needs is there: gen writes a
 * source, cc compiles it, ld -r links eight objects, ld the program, and run checks what the program
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
#include "vmm-core/guest/programs/source-tree.h"
#include "vmm-core/guest/programs/toy.h"

PROGRAM_ABOUT(
    "pmake: a parallel make of short processes (Disco's pmake): fork, exec, compile, link");

#define GROUP 8 /* objects of one ld -r */

/* ---------------------------------------------------------------------------- sources */

/* The header, and the file that has main; what main returns. gen writes the others. */
static uint32_t write_sources(const struct tree *tree)
{
    struct tree_text text = {0};
    uint32_t result = 0;
    tree_write(&text, "enum { LIMIT = %d, MASK = %d };\n", TREE_LIMIT, TREE_MASK);
    for (uint32_t i = 0; i < tree->files * tree->functions; i++)
        tree_write(&text, "int f%u(int a, int b);\n", i);
    tree_save(&text, "tree.h");
    tree_write(&text, "#include \"tree.h\"\n\nint main(void)\n{\n    int sum;\n    sum = 0;\n");
    for (uint32_t file = 0; file < tree->files; file++) {
        uint32_t last = (file + 1) * tree->functions - 1;
        tree_write(&text, "    sum = (sum * 3 + f%u(%u, 7)) & MASK;\n", last, file);
        result = (result * 3 + tree_function(tree, NULL, last, file, 7)) & TREE_MASK;
    }
    tree_write(&text, "    return sum;\n}\n");
    tree_save(&text, "main.c");
    free(text.bytes);
    return result;
}

static void write_makefile(const struct tree *tree, uint32_t result)
{
    struct tree_text text = {0};
    uint32_t groups = (tree->files + GROUP - 1) / GROUP;
    tree_write(&text, "checked: program\n\trun program %u\nprogram: main.o", result);
    for (uint32_t group = 0; group < groups; group++)
        tree_write(&text, " g%u.o", group);
    tree_write(&text, "\n\tld program main.o");
    for (uint32_t group = 0; group < groups; group++)
        tree_write(&text, " g%u.o", group);
    tree_write(&text, "\nmain.o: main.c tree.h\n\tcc main.c main.o\n");
    for (uint32_t group = 0; group < groups; group++) {
        uint32_t end = (group + 1) * GROUP < tree->files ? (group + 1) * GROUP : tree->files;
        tree_write(&text, "g%u.o:", group);
        for (uint32_t file = group * GROUP; file < end; file++)
            tree_write(&text, " m%u.o", file);
        tree_write(&text, "\n\tld -r g%u.o", group);
        for (uint32_t file = group * GROUP; file < end; file++)
            tree_write(&text, " m%u.o", file);
        tree_write(&text, "\n");
    }
    for (uint32_t file = 0; file < tree->files; file++)
        tree_write(&text, "m%u.c:\n\tgen m%u.c %u %u %u\nm%u.o: m%u.c tree.h\n\tcc m%u.c m%u.o\n",
                   file, file, file, tree->functions, tree->seed, file, file, file, file);
    tree_save(&text, "makefile");
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
        const char *program = rule->command[0];
        if (program != NULL && strcmp(program, "run") != 0)
            disco_unlink(rule->target);
    }
    disco_unlink("tree.h");
    disco_unlink("main.c");
    disco_unlink("makefile");
}

int main(int argc, char **argv)
{
    int files = 16, functions = 6, keep = 0, seed = 1, jobs = 0;
    const struct program_option options[] = {
        {"files", &files, 1, 55, "sources"},
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
    program_mark(0, PROGRAM_BEGINS);
    bool right = run_rules(&make, jobs);
    program_mark(0, PROGRAM_ENDS);
    uint32_t answer = right ? checksum_of("program") : 0;
    if (keep == 0)
        clean(&make);
    printf("pmake: %u processes for %d files of %d functions, %d at a time", (unsigned)make.rules,
           files, functions, jobs);
    return program_answer(answer, right);
}
