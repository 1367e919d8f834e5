/* What the programs of this folder share: what a program says of itself, its arguments, its random
 * numbers, how work is cut among threads, and the checksum that is its answer.
 *
 * A program is one file. It prints one line, "NAME: what it did: answer XXXXXXXX ok" (or "wrong"),
 * and exits with 0 or 1; 2 says that its arguments were. The answer depends on its sizes and
 * seed alone: never on threads, virtual CPUs, time or where its pages lie.
 */
#ifndef DISCO_GUEST_PROGRAM_H
#define DISCO_GUEST_PROGRAM_H

#include "vmm-core/guest/user/disco.h"

/* One line about the program, with its name in front: in a section of its own, so that the program
 * can be asked without running it (disco-record mips --list-guests). */
#define PROGRAM_ABOUT(text)                                                                        \
    static const char program_about[] __attribute__((section(".disco.about"), used)) = text

struct program_option {
    const char *name; /* without the dashes */
    int *value;       /* its default before, the user's value after */
    int low, high;
    const char *help;
};

/* The last option of a parallel program; see program_per_cpu. */
#define PROGRAM_THREADS(value)                                                                     \
    {                                                                                              \
        "threads", &(value), 0, DISCO_THREADS_MAX, "threads; 0 is one on each virtual CPU"         \
    }

_Noreturn static inline void program_help(const char *about, const struct program_option *options,
                                          size_t count)
{
    printf("%s\n\n", about);
    for (size_t i = 0; i < count; i++)
        printf("  --%s N\t%s (%d to %d, default %d)\n", options[i].name, options[i].help,
               options[i].low, options[i].high, *options[i].value);
    printf("  --help\tprint this\n");
    exit(0);
}

/* Reads "--name N" and "--name=N"; answers --help; exits with 2 and one line for anything else. */
static inline void program_arguments(int argc, char **argv, const char *about,
                                     const struct program_option *options, size_t count)
{
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i][0] == '-' && argv[i][1] == '-' ? argv[i] + 2 : argv[i];
        if (strcmp(name, "help") == 0)
            program_help(about, options, count);
        const char *equals = strchr(name, '=');
        size_t length = equals != NULL ? (size_t)(equals - name) : strlen(name);
        const char *text = equals != NULL ? equals + 1 : i + 1 < argc ? argv[++i] : "";
        const struct program_option *option = options;
        while (option < options + count && (name == argv[i] || strlen(option->name) != length ||
                                            strncmp(option->name, name, length) != 0))
            option++;
        if (option == options + count) {
            printf("%s: no option '%s'; see %s --help\n", argv[0], name, argv[0]);
            exit(2);
        }
        char *end;
        long value = strtol(text, &end, 10);
        if (end == text || *end != '\0' || value < option->low || value > option->high) {
            printf("%s: --%s takes a number from %d to %d, not '%s'\n", argv[0], option->name,
                   option->low, option->high, text);
            exit(2);
        }
        *option->value = (int)value;
    }
}

/* Where what the program is about begins and ends: what lies before makes its data, what lies behind
 * checks its answer. disco-record mips --start-at mark=1 --window mark=2 records it alone. */
enum program_mark { PROGRAM_BEGINS = 1, PROGRAM_ENDS = 2 };
static inline void program_mark(int me, enum program_mark mark)
{
    if (me == 0)
        disco_mark((int)mark);
}

/* 0 stands for one on each virtual CPU. */
static inline int program_per_cpu(int threads)
{
    int cpus = disco_cpus() < DISCO_THREADS_MAX ? disco_cpus() : DISCO_THREADS_MAX;
    return threads == 0 ? cpus : threads;
}

/* The first of the `count` things that are part `part` of `parts`; the part ends where the next begins. */
static inline uint32_t program_part(uint32_t count, int part, int parts)
{
    uint32_t p = (uint32_t)part, each = count / (uint32_t)parts, more = count % (uint32_t)parts;
    return p * each + (p < more ? p : more);
}

/* Mixes the bits of a word (the last steps of MurmurHash3): item i of a random sequence is
 * mix(seed + i * PROGRAM_GOLDEN), made by whichever thread owns item i. */
#define PROGRAM_GOLDEN 0x9e3779b9u
static inline uint32_t program_mix(uint32_t x)
{
    x ^= x >> 16;
    x *= 0x85ebca6bu;
    x ^= x >> 13;
    x *= 0xc2b2ae35u;
    return x ^ x >> 16;
}
static inline uint32_t program_random(uint32_t seed, uint32_t item)
{
    return program_mix(seed + item * PROGRAM_GOLDEN);
}
/* from 0 up to but not including 1 */
static inline double program_random_real(uint32_t seed, uint32_t item)
{
    return (double)(program_random(seed, item) >> 1) * 0x1p-31;
}

/* What number `value` at place `place` adds to a checksum; sums of these do not depend on the order
 * in which threads add them. */
static inline uint32_t program_sum_word(uint32_t place, uint32_t value)
{
    return program_mix(value ^ place * PROGRAM_GOLDEN);
}
static inline uint32_t program_sum_real(uint32_t place, double value)
{
    uint32_t words[2];
    memcpy(words, &value, sizeof words);
    return program_sum_word(place, words[0] ^ program_mix(words[1]));
}

/* Ends the line that the program has begun, and is its exit status. */
static inline int program_answer(uint32_t answer, bool right)
{
    printf(": answer %08x %s\n", (unsigned)answer, right ? "ok" : "wrong");
    return right ? 0 : 1;
}

/* For programs that engineering runs: a job with a number leaves its answer in a file, too. */
#define PROGRAM_JOB_FILE "job%d.answer"
#define PROGRAM_JOB(value)                                                                         \
    {                                                                                              \
        "job", &(value), 0, 1000, "leave the answer in the file jobN.answer, too, unless 0"        \
    }

static inline int program_job_answer(int job, uint32_t answer, bool right)
{
    char name[32], text[16];
    snprintf(name, sizeof name, PROGRAM_JOB_FILE, job);
    int bytes = snprintf(text, sizeof text, "%08x", (unsigned)answer);
    if (job != 0) {
        int file = disco_create(name);
        right &= file >= 0 && disco_write(file, text, (size_t)bytes) == bytes;
        disco_close(file);
    }
    return program_answer(answer, right);
}

#endif
