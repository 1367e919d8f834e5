/* What a user should know before believing a result: that the trace is too short or too thin for it.
 *
 * Each is one line with its figures: on standard error, in --json ("warnings") and in table
 * run_note. About:
 *   samples      what they stand for is not known, or nominal; or too few for intervals (sampling.h), or intervals wider than WARNINGS_WIDE of
 *                the time or of all accesses
 *   pages        pages with fewer than WARNINGS_SAMPLES samples: a tenth of the pages or more. With so
 *                few, the share of a node in a page's use is off by a third of itself or more
 *                (1 / sqrt(10) = 0.32), and where the page belongs is a guess
 *   first-touch  a page is placed by its first sample, not by who touched it first
 *   interval     a policy's interval or scan sequence (policy_wants: reset_ns, tick_ns) goes fewer than
 *                WARNINGS_SEQUENCES times into the modelled time
 *   trigger      the policy hears of hot pages (policy_wants: trigger), but no page has so many
 *                references, so that it never can; or a single sample makes a page hot
 *   actions      the policy acted, by what samples told it. Another sample would have led it to other
 *                actions, which no interval allows for
 *   dispatch     threads took turns on CPUs, and turns without a sample are not seen
 */
#ifndef DISCO_REPORT_WARNINGS_H
#define DISCO_REPORT_WARNINGS_H

#include "replayer/report/results.h"

#define WARNINGS_SAMPLES   10u
#define WARNINGS_SEQUENCES 2u
#define WARNINGS_WIDE      0.05

struct report;

struct warning {
    const char *about;            /* a word of the list above; a literal */
    const struct results *result; /* whose; NULL: of the trace, and so of all */
    char *text;
};

struct warnings {
    struct warning *warning; /* [count] */
    size_t count;
};

/* Of the report's results, which must outlive it. Also after an error it is to be freed. */
char *warnings_find(const struct report *report, struct warnings *out) MUST_CHECK;
void warnings_free(struct warnings *warnings);

#endif
