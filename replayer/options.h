/* The command line of disco-replay. */
#ifndef DISCO_REPLAYER_OPTIONS_H
#define DISCO_REPLAYER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OPTIONS_POLICIES    "first-touch,migrate,replicate,disco"
#define OPTIONS_MACHINE     "flash-8"
#define OPTIONS_LOG_ACTIONS 100000u
#define OPTIONS_CHECK_EVERY 65536u

struct options {
    const char *trace;   /* NULL: none needed */
    const char **policy; /* [policies] words of --policy, in order */
    size_t policies;
    const char *machine;
    const char *schedule; /* NULL: chosen by the trace */
    const char *input;    /* "references" or "misses"; NULL: as the trace is */
    const char *thp;      /* of thp.h */
    const char *gigantic; /* the same, for pages of 1 GiB */
    const char *results;  /* NULL: the trace's database */
    bool contention, no_results, json, list_policies, list_machines, print_machine;
    uint64_t seed, log_actions, epoch_references, refs_per_sample; /* the last two 0: not given */
    uint32_t check_every, threads;                                 /* 0: never; 0: chosen */
};

/* Ends the program with exit 2 and a message on wrong usage, with 0 after --help and --version. */
void options_parse(int argc, char **argv, struct options *options);
void options_free(struct options *options);

#endif
