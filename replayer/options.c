#include "replayer/options.h"

#include <argp.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "replayer/thp.h"

/* Found by the C library: hence visible. */
__attribute__((visibility("default"))) const char *argp_program_version =
    "disco-replay " DISCO_VERSION;

#define USAGE_EXIT 2
#define EPOCH_MOST (UINT64_C(1) << 31) /* as vmm-core/memory/memory.h has it */

enum key {
    KEY_INPUT = 0x100,
    KEY_CONTENTION,
    KEY_THP,
    KEY_GIGANTIC,
    KEY_SEED,
    KEY_RESULTS,
    KEY_NO_RESULTS,
    KEY_LOG_ACTIONS,
    KEY_EPOCH,
    KEY_CHECK,
    KEY_REFS_PER_SAMPLE,
    KEY_PRINT_MACHINE,
    KEY_LIST_MACHINES,
};

static const char about[] =
    "Replays a recorded trace on a modelled NUMA machine under placement policies, and says what "
    "each "
    "of them costs.\v"
    "Examples:\n"
    "  disco-replay trace.db\n"
    "  disco-replay --policy all --machine 2-socket trace.db\n"
    "  disco-replay --policy migrate:trigger=64,migrate:trigger=256 --json trace.db\n"
    "\n"
    "The table has the run time in ms and its parts in % of it: instructions, TLB refills, "
    "waiting for local and for remote memory, page moves, TLB shootdowns, other work of the "
    "monitor, idle. 'local acc%' is the share of accesses that went to the node of their CPU, "
    "'imbalance' 100 * deviation / mean of what the nodes served.\n"
    "\n"
    "Figures of a sampled trace estimate those of the whole one replayed with --input misses, "
    "without TLB refills; a line "
    "\u00b1 below them has half of the 95 % intervals. Lines 'warning:' on standard error say when "
    "a "
    "trace is too short or too thin for what was asked.\n"
    "\n"
    "Results are rows of the tables run, run_* and of the views v_* in the trace's database, which "
    "sqlite3 reads.\n"
    "\n"
    "A schedule file has lines 'WHO CPU': WHO is tid:N, stream:N, name:TEXT, a number (a tid), a "
    "text (a name) or * (all); the first line that fits a stream counts.\n"
    "\n"
    "Exit status: 0 done, 1 failed, 2 wrong usage.";

static const struct argp_option option[] = {
    {NULL, 0, NULL, 0, "What is replayed", 1},
    {"policy", 'p', "NAME[:PARAM=VALUE...]", 0,
     "Replay under this policy; repeats, takes a comma list, 'all', or ./FILE.so of your own "
     "(default " OPTIONS_POLICIES ")",
     1},
    {"machine", 'm', "MACHINE", 0,
     "A preset (--list-machines), 'host', or a file: JSON, hwloc XML, numactl --hardware, or the "
     "output of Intel Memory Latency Checker, mlc:FILE (default " OPTIONS_MACHINE ")",
     1},
    {"schedule", 's', "HOW", 0,
     "Put streams on CPUs: recorded, compact (fill node after node), scatter (round the nodes), or "
     "a "
     "file (default: recorded where the machine has the CPUs of the recording, else compact)",
     1},
    {"input", KEY_INPUT, "KIND", 0,
     "What the trace holds: references, which go through the machine's caches, or misses, which "
     "all reach memory (default: misses where the trace is a sample, which says nothing of caches, "
     "or was recorded with --filter cache, else references)",
     1},
    {"contention", KEY_CONTENTION, "on|off", 0,
     "Queueing at memory controllers and links (default on; off: the machine's latencies, flat)",
     1},
    {"thp", KEY_THP, "WHICH", OPTION_ARG_OPTIONAL,
     "Back with pages of 2 MiB: always (all memory that is no file, or everything where the trace "
     "knows no regions), never, or the regions of a name (default never; without WHICH always)",
     1},
    {"gigantic", KEY_GIGANTIC, "WHICH", OPTION_ARG_OPTIONAL,
     "The same with pages of 1 GiB, as hugetlbfs gives them: whole aligned blocks inside a region. "
     "A "
     "node without room for one gives pages of 2 MiB, then of 4 KiB",
     1},
    {"refs-per-sample", KEY_REFS_PER_SAMPLE, "N", 0,
     "References that a recorded one stands for (default: as the trace says). Where each has a "
     "weight "
     "of its own, that counts, and thresholds are divided by N",
     1},
    {"seed", KEY_SEED, "N", 0, "Seed of all random choices, of every policy alike (default 1)", 1},
    {"epoch", KEY_EPOCH, "N", 0,
     "References between two looks at the clock (default 16384 / refs-per-sample, at least 64)", 1},
    {"threads", 't', "N", 0,
     "Threads, the decoder's included (default: as fast as this computer can); the result is the "
     "same",
     1},
    {"check", KEY_CHECK, "N", OPTION_ARG_OPTIONAL,
     "Check that all tables agree every N events of the memory subsystem (default 65536)", 1},
    {NULL, 0, NULL, 0, "What comes out", 2},
    {"json", 'j', NULL, 0, "Print one JSON object instead of the table", 2},
    {"results", KEY_RESULTS, "FILE", 0,
     "Store results in this database, made where it is missing, not in the trace's", 2},
    {"no-results", KEY_NO_RESULTS, NULL, 0, "Store no results", 2},
    {"log-actions", KEY_LOG_ACTIONS, "N", 0,
     "Store the first N actions of each policy, count the rest (default 100000)", 2},
    {"list-policies", 'l', NULL, 0, "List policies with their parameters, and stop", 2},
    {"list-machines", KEY_LIST_MACHINES, NULL, 0, "List the machines that come along, and stop", 2},
    {"print-machine", KEY_PRINT_MACHINE, NULL, 0, "Print the machine as JSON, and stop", 2},
    {0},
};

/* Exit 2 with one line. */
static void usage(const struct argp_state *state, const char *format, const char *text)
{
    argp_failure(state, USAGE_EXIT, 0, format, text);
}

static uint64_t whole_number(const struct argp_state *state, const char *name, const char *text,
                             uint64_t least, uint64_t most)
{
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end != '\0' || errno != 0 || number < least ||
        number > most)
        argp_failure(state, USAGE_EXIT, 0, "--%s=%s: wanted a whole number from %llu to %llu", name,
                     text, (unsigned long long)least, (unsigned long long)most);
    return number;
}

static void add_policy(const struct argp_state *state, struct options *options, const char *words)
{
    const char **more =
        reallocarray((void *)options->policy, options->policies + 1, sizeof *options->policy);
    if (more == NULL) {
        argp_failure(state, EXIT_FAILURE, ENOMEM, "--policy");
        return;
    }
    options->policy = more;
    options->policy[options->policies++] = words;
}

static void at_end(const struct argp_state *state, struct options *options)
{
    if (options->no_results && options->results != NULL)
        usage(state, "--results=%s and --no-results cannot go together", options->results);
    if (options->policies == 0)
        add_policy(state, options, OPTIONS_POLICIES);
    if (options->trace == NULL && !options->list_policies && !options->list_machines &&
        !options->print_machine)
        usage(state, "no trace named; %s --help says how", state->name);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *options = state->input;
    switch (key) {
    case 'p':
        add_policy(state, options, arg);
        break;
    case 'm':
        options->machine = arg;
        break;
    case 's':
        options->schedule = arg;
        break;
    case 'j':
        options->json = true;
        break;
    case 'l':
        options->list_policies = true;
        break;
    case KEY_LIST_MACHINES:
        options->list_machines = true;
        break;
    case 't':
        options->threads = (uint32_t)whole_number(state, "threads", arg, 1, 4096);
        break;
    case KEY_INPUT:
        if (strcmp(arg, "references") != 0 && strcmp(arg, "misses") != 0)
            usage(state, "--input=%s: wanted references or misses", arg);
        options->input = arg;
        break;
    case KEY_CONTENTION:
        if (strcmp(arg, "on") != 0 && strcmp(arg, "off") != 0)
            usage(state, "--contention=%s: wanted on or off", arg);
        options->contention = strcmp(arg, "on") == 0;
        break;
    case KEY_THP:
        options->thp = arg == NULL ? THP_ALWAYS : arg;
        break;
    case KEY_GIGANTIC:
        options->gigantic = arg == NULL ? THP_ALWAYS : arg;
        break;
    case KEY_SEED:
        options->seed = whole_number(state, "seed", arg, 0, INT64_MAX);
        break;
    case KEY_RESULTS:
        if (*arg == '\0') /* which SQLite would take for a file that goes when it is closed */
            usage(state, "--results=%s: no file named", arg);
        options->results = arg;
        break;
    case KEY_NO_RESULTS:
        options->no_results = true;
        break;
    case KEY_LOG_ACTIONS:
        options->log_actions = whole_number(state, "log-actions", arg, 0, UINT32_MAX);
        break;
    case KEY_EPOCH:
        options->epoch_references = whole_number(state, "epoch", arg, 1, EPOCH_MOST);
        break;
    case KEY_CHECK:
        options->check_every = arg == NULL
                                   ? OPTIONS_CHECK_EVERY
                                   : (uint32_t)whole_number(state, "check", arg, 1, UINT32_MAX);
        break;
    case KEY_REFS_PER_SAMPLE:
        options->refs_per_sample = whole_number(state, "refs-per-sample", arg, 1, UINT32_MAX);
        break;
    case KEY_PRINT_MACHINE:
        options->print_machine = true;
        break;
    case ARGP_KEY_ARG:
        if (options->trace != NULL)
            usage(state, "one trace at a time, and '%s' is a second one", arg);
        options->trace = arg;
        break;
    case ARGP_KEY_END:
        at_end(state, options);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

void options_parse(int argc, char **argv, struct options *options)
{
    static const struct argp argp = {option, parse, "TRACE.db", about, NULL, NULL, NULL};
    *options = (struct options){
        .machine = OPTIONS_MACHINE,
        .seed = 1,
        .log_actions = OPTIONS_LOG_ACTIONS,
        .contention = true,
        .thp = THP_NEVER,
        .gigantic = THP_NEVER,
    };
    argp_err_exit_status = USAGE_EXIT;
    (void)argp_parse(&argp, argc, argv, 0, NULL, options);
}

void options_free(struct options *options)
{
    free((void *)options->policy);
    options->policy = NULL;
}
