/* disco-record mips: the command line. */
#include <argp.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "collector/sources/mips/mips-guests.h"
#include "collector/sources/mips/mips-run.h"
#include "collector/sources/sources.h"

#define USAGE_EXIT 2
#define SEPARATOR  ":::"
#define PAGE_BYTES 4096u

enum long_option {
    OPTION_VCPUS = 256,
    OPTION_VMS,
    OPTION_MEMORY,
    OPTION_QUANTUM,
    OPTION_SEED,
    OPTION_NO_FETCHES,
    OPTION_FILTER,
    OPTION_START_AT,
    OPTION_WINDOW,
    OPTION_HAL,
    OPTION_PATCH,
    OPTION_LIMIT,
    OPTION_FORCE,
    OPTION_LIST,
};

static const struct argp_option known[] = {
    {"machine", 'm', "MACHINE", 0,
     "Run on this machine: a preset or a file, as disco-replay has them "
     "(default " MIPS_MACHINE "); its pages are of 4096 bytes",
     1},
    {"vcpus", OPTION_VCPUS, "N", 0,
     "Virtual CPUs of each virtual machine (default: the machine's CPUs, "
     "shared among the VMs, and at most 32)",
     1},
    {"vms", OPTION_VMS, "N", 0,
     "Virtual machines (default: one for each guest that is named; more repeat "
     "them in turn)",
     1},
    {"memory", OPTION_MEMORY, "SIZE", 0,
     "Memory of each virtual machine, K, M or G behind it (default 64M, or "
     "what the machine has for it)",
     1},
    {"quantum", OPTION_QUANTUM, "N", 0,
     "Instructions that a CPU runs before the next CPU does, 100 to 1M (default 10000)", 1},
    {"seed", OPTION_SEED, "N", 0,
     "Seed of the CPUs' Random registers and of the policy (default 1)", 1},
    {"hal", OPTION_HAL, NULL, 0,
     "Give guests the page of registers, which spares them traps for what they "
     "only read",
     1},
    {"patch", OPTION_PATCH, NULL, 0,
     "With --hal: have the monitor rewrite such reads at their first trap", 1},
    {"limit", OPTION_LIMIT, "N", 0, "End the run after N instructions of all CPUs", 1},

    {"output", 'o', "TRACE.db", 0, "The trace to make", 2},
    {"force", OPTION_FORCE, NULL, 0, "Replace TRACE.db where it is a trace already", 2},
    {"no-fetches", OPTION_NO_FETCHES, NULL, 0, "Record loads and stores alone", 2},
    {"filter", OPTION_FILTER, "cache", 0,
     "Record only what misses in the caches of the machine; disco-replay then "
     "takes the references for "
     "misses",
     2},
    {"start-at", OPTION_START_AT, "MARK|N", 0,
     "Record from here on: after N instructions, or where a guest says so: "
     "mark (any), mark=N",
     2},
    {"window", OPTION_WINDOW, "MARK|N", 0,
     "Record so many instructions, or until a mark, and end the run there", 2},

    {"policy", 'p', "NAME[:PARAM=VALUE...]", 0,
     "Move pages by this policy while guests run, and print disco-replay's table of it "
     "(default none: several times as fast)",
     3},
    {"json", 'j', NULL, 0,
     "Print one JSON object, as disco-replay does (without --policy its list of runs is empty), "
     "and what guests write on standard error",
     3},
    {"list-guests", OPTION_LIST, NULL, 0, "List the guests that come along, and stop", 3},
    {0},
};

static const char text_before[] = "Runs guests on the MIPS monitor, virtual machines on a modelled "
                                  "multiprocessor, and records every "
                                  "reference they make.";
static const char text_after[] =
    "GUEST is the name of a guest (--list-guests) or an ELF file that was "
    "linked for the monitor; what "
    "follows it is its own, up to `:::` and the next guest, which gets a "
    "virtual machine of its own. "
    "Most guests answer --help.\n\n"
    "Numbers of instructions may end in K, M or G (thousands). Only whole runs "
    "can have a --policy: "
    "the counters then are those of `disco-replay --policy` on the trace, with "
    "the same --machine and "
    "--seed.\n\n"
    "Exit status: 0 recorded, 1 failed, or a guest ended with a status that is "
    "not 0, 2 wrong usage. "
    "SIGINT and SIGTERM end a recording well.\n\n"
    "Examples:\n"
    "  disco-record mips -o fft.db fft\n"
    "  disco-record mips --policy disco --machine flash-8 -o radix.db radix "
    "--keys 65536\n"
    "  disco-record mips --vcpus 2 -o both.db ocean ::: radix\n"
    "  disco-record mips --no-fetches --start-at mark --window 10M -o part.db "
    "lu";

/* The command line as it was given. */
struct line {
    struct mips_run_options run;
    struct mips_guest *guest; /* [run.guests], of run.guest */
    bool list;
};

/* A number with a letter behind it that multiplies it; false: it is none, or
 * too great. */
static bool read_number(const char *text, uint64_t unit, uint64_t *out)
{
    static const char letters[] = "KMG";
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)*text) || errno != 0)
        return false;
    const char *letter = *end == '\0' ? NULL : strchr(letters, toupper((unsigned char)*end));
    if (*end != '\0' && (letter == NULL || end[1] != '\0'))
        return false;
    for (const char *at = letters; letter != NULL && at <= letter; at++)
        if (__builtin_mul_overflow(number, unit, &number))
            return false;
    *out = number;
    return number <= INT64_MAX;
}

static uint64_t number(const struct argp_state *state, const char *name, const char *text,
                       uint64_t unit, uint64_t least, uint64_t most)
{
    uint64_t value = 0;
    if (!read_number(text, unit, &value) || value < least || value > most)
        argp_error(state, "--%s=%s: a number from %" PRIu64 " to %" PRIu64 " is wanted", name, text,
                   least, most);
    return value;
}

static uint64_t memory_size(const struct argp_state *state, const char *text)
{
    const uint64_t most = (uint64_t)MONITOR_VM_PAGES_MAX * PAGE_BYTES;
    uint64_t bytes = 0;
    if (!read_number(text, 1024, &bytes) || bytes < PAGE_BYTES || bytes > most)
        argp_error(state, "--memory=%s: a size from %uK to %" PRIu64 "M is wanted", text,
                   PAGE_BYTES / 1024, most >> 20);
    return bytes;
}

static struct mips_moment moment(const struct argp_state *state, const char *name, const char *text)
{
    static const char word[] = "mark";
    struct mips_moment moment = {.kind = MOMENT_INSTRUCTIONS};
    const size_t length = strlen(word);
    if (strcmp(text, word) == 0) {
        moment.kind = MOMENT_ANY_MARK;
    } else if (strncmp(text, word, length) == 0 && text[length] == '=') {
        moment.kind = MOMENT_MARK;
        moment.number = number(state, name, text + length + 1, 1000, 0, UINT32_MAX);
    } else if (!read_number(text, 1000, &moment.number)) {
        argp_error(state, "--%s=%s: instructions, mark or mark=N are wanted", name, text);
    }
    return moment;
}

/* The rest of the line: guests with their arguments, apart by SEPARATOR. */
static void take_guests(struct line *line, const struct argp_state *state, char **argv, int argc)
{
    struct mips_guest *guest = calloc((size_t)argc, sizeof *guest);
    if (guest == NULL) {
        argp_failure(state, EXIT_FAILURE, 0, "out of memory");
        return;
    }
    uint32_t guests = 0;
    for (int at = 0; at < argc; at++) {
        int end = at;
        while (end < argc && strcmp(argv[end], SEPARATOR) != 0)
            end++;
        if (end == at || end == argc - 1)
            argp_error(state, "a guest is missing beside '" SEPARATOR "'");
        guest[guests++] = (struct mips_guest){.word = argv[at],
                                              .argv = (const char *const *)argv + at + 1,
                                              .argc = (uint32_t)(end - at - 1)};
        at = end;
    }
    line->guest = guest;
    line->run.guest = guest;
    line->run.guests = guests;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct line *line = state->input;
    struct mips_run_options *run = &line->run;
    switch (key) {
    case 'm':
        run->machine = text;
        return 0;
    case 'o':
        run->output = text;
        return 0;
    case 'p':
        run->policy = strcmp(text, "none") == 0 ? NULL : text;
        return 0;
    case 'j':
        run->json = true;
        return 0;
    case OPTION_VCPUS:
        run->vcpus = (uint32_t)number(state, "vcpus", text, 1, 1, MONITOR_VCPUS_MAX);
        return 0;
    case OPTION_VMS:
        run->vms = (uint32_t)number(state, "vms", text, 1, 1, MONITOR_VMS_MAX);
        return 0;
    case OPTION_MEMORY:
        run->memory_bytes = memory_size(state, text);
        return 0;
    case OPTION_QUANTUM:
        run->quantum =
            number(state, "quantum", text, 1000, MONITOR_QUANTUM_LEAST, MONITOR_QUANTUM_MOST);
        return 0;
    case OPTION_SEED:
        run->seed = number(state, "seed", text, 1000, 0, INT64_MAX);
        return 0;
    case OPTION_LIMIT:
        run->limit = number(state, "limit", text, 1000, 1, INT64_MAX);
        return 0;
    case OPTION_NO_FETCHES:
        run->no_fetches = true;
        return 0;
    case OPTION_FILTER:
        if (strcmp(text, "cache") != 0)
            argp_error(state, "--filter=%s: there is no such filter, but cache", text);
        run->filter = true;
        return 0;
    case OPTION_START_AT:
        run->start = moment(state, "start-at", text);
        return 0;
    case OPTION_WINDOW:
        run->end = moment(state, "window", text);
        if (run->end.kind == MOMENT_INSTRUCTIONS && run->end.number == 0)
            argp_error(state, "--window=%s: has nothing to record", text);
        return 0;
    case OPTION_HAL:
        run->hal = true;
        return 0;
    case OPTION_PATCH:
        run->patch = true;
        return 0;
    case OPTION_FORCE:
        run->replace = true;
        return 0;
    case OPTION_LIST:
        line->list = true;
        return 0;
    case ARGP_KEY_ARG: /* guests: everything from here on is theirs */
        take_guests(line, state, state->argv + state->next - 1, state->argc - state->next + 1);
        state->next = state->argc;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* What is wrong with the line as a whole, or NULL. */
static const char *contradiction(const struct line *line)
{
    const struct mips_run_options *run = &line->run;
    if (run->guests == 0)
        return "nothing to run: give a GUEST; --list-guests names them";
    if (run->output == NULL)
        return "-o TRACE.db is missing: where the trace goes";
    if (run->vms != 0 && run->vms < run->guests)
        return "--vms is less than the guests that are named";
    if (run->guests > MONITOR_VMS_MAX)
        return "more guests than a monitor has virtual machines";
    if (run->patch && !run->hal)
        return "--patch goes with --hal";
    if (run->policy != NULL &&
        (run->filter || run->start.kind != MOMENT_NONE || run->end.kind != MOMENT_NONE))
        return "--policy is about a whole run: leave --start-at, --window and "
               "--filter away, or replay "
               "the trace that they make";
    return NULL;
}

/* The guests as they were given, in one line from malloc. */
static char *command_of(const struct mips_run_options *run)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    if (out == NULL)
        return NULL;
    for (uint32_t i = 0; i < run->guests; i++) {
        (void)fprintf(out, "%s%s", i > 0 ? " " SEPARATOR " " : "", run->guest[i].word);
        for (uint32_t a = 0; a < run->guest[i].argc; a++)
            (void)fprintf(out, " %s", run->guest[i].argv[a]);
    }
    return fclose(out) == 0 ? text : NULL;
}

static int list_guests(void)
{
    char *error = mips_guests_list(stdout);
    if (error != NULL)
        (void)fprintf(stderr, "disco-record: %s\n", error);
    free(error);
    return error == NULL ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int run(struct line *line)
{
    const char *wrong = line->list ? NULL : contradiction(line);
    if (wrong != NULL) {
        (void)fprintf(stderr, "disco-record: %s; see disco-record mips --help\n", wrong);
        return USAGE_EXIT;
    }
    if (line->list)
        return list_guests();
    if (line->run.vms == 0)
        line->run.vms = line->run.guests;
    char *command = command_of(&line->run);
    line->run.command = command;
    int code = mips_source_run(&line->run);
    free(command);
    return code;
}

int record_mips(int argc, char **argv)
{
    char text[sizeof text_before + sizeof text_after];
    (void)snprintf(text, sizeof text, "%s\v%s", text_before, text_after);
    const struct argp argp = {.options = known,
                              .parser = parse,
                              .args_doc = "-o TRACE.db GUEST [ARG...] [" SEPARATOR
                                          " GUEST [ARG...]...]\n--list-guests",
                              .doc = text};
    struct line line = {.run = {.machine = MIPS_MACHINE, .seed = 1}};
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &line);
    int code = run(&line);
    free(line.guest);
    return code;
}
