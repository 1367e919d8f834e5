#include <jansson.h>
#include <stdlib.h>

#include "replayer/report/report.h"

/* Digits of a real: enough to tell shares apart, few enough to be read. */
#define REAL_DIGITS 12

static json_t *parameters(const struct policy_choice *choice)
{
    json_t *object = json_object();
    for (size_t i = 0; i < choice->policy->param_count; i++)
        (void)json_object_set_new(object, choice->policy->params[i].name,
                                  json_integer(choice->param[i]));
    return object;
}

char *report_parameters(const struct policy_choice *choice)
{
    json_t *object = parameters(choice);
    char *text = json_dumps(object, 0);
    json_decref(object);
    return text;
}

static json_t *text_or_null(const char *text)
{
    json_t *string = text == NULL ? NULL : json_string(text);
    return string == NULL ? json_null() : string; /* also for text that is not UTF-8 */
}

static json_t *left_out(const struct report *report)
{
    json_t *object = json_object();
    const uint64_t *events = report->left_out;
    for (unsigned i = 0; i < EVENT_TYPES; i++)
        if (events[i] > 0)
            (void)json_object_set_new(object, event_type_names[i],
                                      json_integer((json_int_t)events[i]));
    return object;
}

static json_t *trace(const struct report *report)
{
    const struct trace_summary *summary = trace_reader_summary(report->reader);
    json_t *object = json_object();
    (void)json_object_set_new(object, "file", text_or_null(report->trace));
    (void)json_object_set_new(object, "checksum", text_or_null(summary->checksum));
    (void)json_object_set_new(object, "source", text_or_null(summary->facts.source));
    (void)json_object_set_new(object, "command", text_or_null(summary->facts.command));
    (void)json_object_set_new(object, "references", json_integer((json_int_t)summary->refs));
    (void)json_object_set_new(object, "events", json_integer((json_int_t)summary->events));
    (void)json_object_set_new(object, "streams", json_integer(summary->streams));
    (void)json_object_set_new(object, "page_bytes", json_integer(summary->facts.page_bytes));
    (void)json_object_set_new(object, "sampled", json_boolean(summary->facts.sampled));
    (void)json_object_set_new(object, "complete", json_boolean(summary->complete));
    (void)json_object_set_new(object, "refs_per_sample",
                              json_integer((json_int_t)report->refs_per_sample));
    (void)json_object_set_new(object, "schedule", text_or_null(report->schedule));
    (void)json_object_set_new(object, "schedule_reason", text_or_null(report->schedule_reason));
    (void)json_object_set_new(object, "input",
                              json_string(report->misses ? "misses" : "references"));
    (void)json_object_set_new(object, "left_out", left_out(report));
    return object;
}

static json_t *value(const struct value *value)
{
    switch (value->kind) {
    case VALUE_INTEGER:
        return json_integer((json_int_t)value->integer);
    case VALUE_REAL:
        return json_real(value->real);
    case VALUE_ABSENT:
        break;
    }
    return json_null();
}

/* One object for each cache of the machine's list; none where there are no caches. */
static json_t *caches(const struct report *report)
{
    const struct caches *counted = guest_caches(memory_guest(report->results[0].run.memory));
    const struct machine *machine = report->machine;
    json_t *list = json_array();
    for (uint32_t i = 0; counted != NULL && i < machine->caches; i++) {
        const struct caches_counters count = caches_counted(counted, i);
        json_t *object = json_object();
        (void)json_object_set_new(object, "level", json_integer(machine->cache[i].level));
        (void)json_object_set_new(object, "kind", json_string(machine->cache[i].kind));
#define SET_COUNTER(name)                                                                          \
    (void)json_object_set_new(object, #name, json_integer((json_int_t)count.name));
        CACHE_COUNTERS(SET_COUNTER)
#undef SET_COUNTER
        (void)json_array_append_new(list, object);
    }
    return list;
}

/* null where nothing was sampled. */
static json_t *intervals(const struct results *results)
{
    json_t *object = json_object();
    for (unsigned i = 0; i < FIGURE_COUNT; i++) {
        const struct sampling_interval *interval = &results->interval[i];
        if (interval->known)
            (void)json_object_set_new(object, figure_name[i],
                                      json_pack("[f, f]", interval->low, interval->high));
    }
    if (json_object_size(object) > 0)
        return object;
    json_decref(object);
    return json_null();
}

static json_t *warnings(const struct report *report)
{
    json_t *list = json_array();
    for (size_t i = 0; i < report->warnings.count; i++) {
        const struct warning *warning = &report->warnings.warning[i];
        json_t *object = json_object();
        (void)json_object_set_new(object, "about", json_string(warning->about));
        (void)json_object_set_new(object, "policy",
                                  text_or_null(warning->result == NULL
                                                   ? NULL
                                                   : warning->result->run.choice->label));
        (void)json_object_set_new(object, "text", text_or_null(warning->text));
        (void)json_array_append_new(list, object);
    }
    return list;
}

static json_t *run(const struct report *report, const struct results *results)
{
    const struct policy_choice *choice = results->run.choice;
    json_t *object = json_object();
    (void)json_object_set_new(object, "run_id",
                              results->run_id == 0 ? json_null() : json_integer(results->run_id));
    (void)json_object_set_new(object, "policy", text_or_null(choice->policy->name));
    (void)json_object_set_new(object, "parameters", parameters(choice));
    for (unsigned i = 0; i < FIGURE_COUNT; i++) {
        (void)json_object_set_new(object, figure_name[i], value(&results->figure[i]));
        if (i == FIGURE_cache_misses)
            (void)json_object_set_new(object, "caches", caches(report));
    }
    (void)json_object_set_new(object, "intervals", intervals(results));
    return object;
}

char *report_json(const struct report *report, FILE *out)
{
    json_t *object = json_object(), *runs = json_array();
    (void)json_object_set_new(object, "trace", trace(report));
    (void)json_object_set_new(object, "machine", json_loads(report->machine_json, 0, NULL));
    for (size_t i = 0; i < report->runs; i++)
        (void)json_array_append_new(runs, run(report, &report->results[i]));
    (void)json_object_set_new(object, "runs", runs);
    (void)json_object_set_new(object, "warnings", warnings(report));
    int failed = json_dumpf(object, out, JSON_INDENT(2) | JSON_REAL_PRECISION(REAL_DIGITS));
    json_decref(object);
    if (failed != 0)
        return say("standard output: the JSON could not be written");
    (void)fputc('\n', out);
    return NULL;
}
