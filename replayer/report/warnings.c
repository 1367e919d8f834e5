#include "replayer/report/report.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#define NS_PER_MS 1e6

void warnings_free(struct warnings *warnings)
{
    for (size_t i = 0; i < warnings->count; i++)
        free(warnings->warning[i].text);
    free(warnings->warning);
    *warnings = (struct warnings){0};
}

/* Takes `text`; the words before it name the policy. */
static char *add(struct warnings *warnings, const char *about, const struct results *result,
                 char *text)
{
    struct warning *more =
        reallocarray(warnings->warning, warnings->count + 1, sizeof *warnings->warning);
    if (more == NULL) {
        free(text);
        return say_no_memory();
    }
    warnings->warning = more;
    char *line = result == NULL ? text : say("policy %s: %s", result->run.choice->label, text);
    if (line != text)
        free(text);
    warnings->warning[warnings->count++] =
        (struct warning){.about = about, .result = result, .text = line};
    return NULL;
}

/* A page's references as they were counted: samples of a sampled trace. */
static double samples_of(const struct policy_run *run, const struct memory_page_state *page)
{
    double counted = (double)page->loads + (double)page->stores;
    const struct sampling_design *design =
        run->sampling == NULL ? NULL : sampling_design(run->sampling);
    return design != NULL && design->weighted ? counted / (double)design->refs_per_sample : counted;
}

static char *about_pages(struct warnings *warnings, const struct results *result)
{
    const struct memory *memory = result->run.memory;
    double all = 0, on_thin = 0;
    uint32_t pages = memory_pages(memory), thin = 0;
    for (uint32_t i = 0; i < pages; i++) {
        struct memory_page_state page = memory_page(memory, i);
        double samples = samples_of(&result->run, &page);
        all += samples;
        if (samples < WARNINGS_SAMPLES) {
            thin++;
            on_thin += samples;
        }
    }
    if (thin == 0 || 10 * (uint64_t)thin < pages)
        return NULL;
    return add(
        warnings, "pages", NULL,
        say("%" PRIu32 " of %" PRIu32 " pages (%.0f %%) have fewer than %u samples, and %.1f "
            "%% of all samples: where they belong is a guess; sample more often, or for longer",
            thin, pages, 100.0 * thin / pages, WARNINGS_SAMPLES,
            all > 0 ? 100 * on_thin / all : 0));
}

/* References that nobody has drawn by a rate that is known. */
static char *about_origin(struct warnings *warnings, const struct results *result,
                          const struct trace_facts *facts)
{
    if (result->run.sampling == NULL)
        return add(warnings, "samples", NULL,
                   say("nobody knows what a sample stands for: times and counts are of the samples "
                       "alone; --refs-per-sample N says it"));
    if (!sampling_design(result->run.sampling)->nominal)
        return NULL;
    return add(warnings, "samples", NULL,
               say("samples are %s, not drawn from the references: that each stands for %" PRIu64
                   " is nominal, and figures have no intervals",
                   facts->event, result->run.refs_per_sample));
}

static char *about_first_touch(struct warnings *warnings, const struct results *result)
{
    const struct sampling_design *design = sampling_design(result->run.sampling);
    if (design->by_chance && design->weighted)
        return NULL;
    return add(
        warnings, "first-touch", NULL,
        say("pages are placed and paid for by their first sample, not by who touched them first, "
            "and pages without a sample are not there; no interval allows for that"));
}

static char *about_dispatches(struct warnings *warnings, const struct results *result,
                              const struct trace_reader *reader, const struct machine *machine)
{
    uint64_t dispatches = 0;
    const struct memory *memory = result->run.memory;
    for (uint32_t i = 0; i < machine->cpus; i++)
        if (memory_cpu_used(memory, i))
            dispatches += memory_cpu(memory, i)->dispatches;
    if (dispatches <= trace_reader_summary(reader)->streams)
        return NULL;
    return add(warnings, "dispatch", NULL,
               say("threads took turns on CPUs %" PRIu64 " times between samples; turns without a "
                   "sample are not seen, so monitor_ns and time_ns are too low",
                   dispatches));
}

static char *about_samples(struct warnings *warnings, const struct results *result)
{
    uint64_t samples = result->figure[FIGURE_references].integer;
    const struct sampling_interval *time = &result->interval[FIGURE_time_ns];
    const struct sampling_interval *share = &result->interval[FIGURE_local_share];
    if (sampling_design(result->run.sampling)->nominal)
        return NULL;
    if (samples < SAMPLING_LEAST)
        return add(warnings, "samples", result,
                   say("%" PRIu64 " samples are too few for intervals, which begin at %u", samples,
                       SAMPLING_LEAST));
    double time_ns = (double)result->figure[FIGURE_time_ns].integer;
    double off = time_ns > 0 ? (time->high - time->low) / 2 / time_ns : 0;
    double points = share->known ? (share->high - share->low) / 2 : 0;
    if (off < WARNINGS_WIDE && points < WARNINGS_WIDE)
        return NULL;
    return add(warnings, "samples", result,
               say("%" PRIu64
                   " samples tell time_ns within %.1f %% alone, and local_share within %.1f "
                   "points",
                   samples, 100 * off, 100 * points));
}

static char *about_interval(struct warnings *warnings, const struct results *result)
{
    const struct policy_wants *wants = memory_wants(result->run.memory);
    uint64_t longest = wants->reset_ns > wants->tick_ns ? wants->reset_ns : wants->tick_ns;
    uint64_t time_ns = result->figure[FIGURE_time_ns].integer;
    if (longest == 0 || time_ns / WARNINGS_SEQUENCES >= longest)
        return NULL;
    return add(warnings, "interval", result,
               say("%s every %g ms, and the trace lasts %.3f ms of modelled time: %.2f intervals, "
                   "where at least %u are wanted",
                   longest == wants->reset_ns ? "its counters are set back"
                                              : "it looks at its pages",
                   (double)longest / NS_PER_MS, (double)time_ns / NS_PER_MS,
                   (double)time_ns / (double)longest, WARNINGS_SEQUENCES));
}

static char *about_actions(struct warnings *warnings, const struct results *result)
{
    const struct policy_wants *wants = memory_wants(result->run.memory);
    uint64_t actions = result->figure[FIGURE_migrations].integer +
                       result->figure[FIGURE_replications].integer +
                       result->figure[FIGURE_collapses].integer;
    if (actions == 0)
        return NULL;
    if ((wants->signals & POLICY_SIGNAL_HOT) == 0)
        return add(warnings, "actions", result,
                   say("another sample would have led to others than these %" PRIu64
                       " actions, which no interval allows for",
                       actions));
    return add(warnings, "actions", result,
               say("%" PRIu32 " samples of one node make a page hot, give or take %.0f %%: another "
                   "sample would have led to others than these %" PRIu64
                   " actions, which no interval allows for",
                   wants->trigger, 100 / sqrt(wants->trigger), actions));
}

static char *about_trigger(struct warnings *warnings, const struct results *result)
{
    const struct policy_run *run = &result->run;
    const struct policy_wants *wants = memory_wants(run->memory);
    if ((wants->signals & POLICY_SIGNAL_HOT) == 0)
        return NULL;
    double most = 0;
    for (uint32_t i = 0; i < memory_pages(run->memory); i++) {
        struct memory_page_state page = memory_page(run->memory, i);
        most = fmax(most, samples_of(run, &page));
    }
    const char *unit = run->sampling == NULL ? "references" : "samples";
    if (most < wants->trigger)
        return add(warnings, "trigger", result,
                   say("%" PRIu32 " %s of one node in an interval make a page hot, and no page has "
                       "more than %.0f in all: it can never act",
                       wants->trigger, unit, most));
    if (wants->trigger == 1 && run->sampling != NULL && run->refs_per_sample > 1)
        return add(warnings, "trigger", result,
                   say("one sample of another node makes a page hot, for it stands for %" PRIu64
                       " references: chance decides; sample more often, or set a higher trigger",
                       run->refs_per_sample));
    return NULL;
}

char *warnings_find(const struct report *report, struct warnings *out)
{
    *out = (struct warnings){0};
    const struct trace_reader *reader = report->reader;
    const struct results *results = report->results;
    const size_t runs = report->runs;
    const struct trace_facts *facts = &trace_reader_summary(reader)->facts;
    char *error = runs > 0 && facts->sampled ? about_origin(out, &results[0], facts) : NULL;
    if (error == NULL && runs > 0 && results[0].run.sampling != NULL) {
        error = about_pages(out, &results[0]);
        if (error == NULL)
            error = about_first_touch(out, &results[0]);
        if (error == NULL)
            error = about_dispatches(out, &results[0], reader, report->machine);
    }
    for (size_t i = 0; error == NULL && i < runs; i++) {
        if (results[i].run.sampling != NULL)
            error = about_samples(out, &results[i]);
        if (error == NULL && results[i].run.sampling != NULL)
            error = about_actions(out, &results[i]);
        if (error == NULL)
            error = about_interval(out, &results[i]);
        if (error == NULL)
            error = about_trigger(out, &results[i]);
    }
    return error;
}
