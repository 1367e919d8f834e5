#include "collector/sources/perf/perf-notes.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define HUGE_PAGES_FILE "/sys/kernel/mm/transparent_hugepage/enabled"

static char *note_counts(struct trace_writer *writer, const struct perf_notes *notes)
{
    const struct {
        const char *key;
        uint64_t count;
        bool always;
    } note[] = {
        {"lost_records", notes->counts.lost, true},
        {"throttled", notes->counts.throttled, false},
        {"kernel_addresses_left_out", notes->counts.kernel_addresses, false},
        {"samples_of_ended_threads_left_out", notes->counts.unattributed, false},
        {"late_records", notes->late, false},
        {"damaged_records", notes->damaged, false},
    };
    char *error = NULL;
    for (size_t i = 0; i < sizeof note / sizeof note[0] && error == NULL; i++) {
        char text[32];
        snprintf(text, sizeof text, "%" PRIu64, note[i].count);
        if (note[i].count || note[i].always)
            error = trace_writer_note(writer, note[i].key, text);
    }
    return error;
}

/* A fault in a transparent huge page stands for all its pages, so a reader must know whether there
 * can be any. "always [madvise] never": the choice is in brackets. */
static char *note_huge_pages(struct trace_writer *writer)
{
    char text[128] = "", *choice, *end;
    FILE *file = fopen(HUGE_PAGES_FILE, "re");
    if (file == NULL)
        return NULL;
    if (fgets(text, sizeof text, file) == NULL)
        text[0] = '\0';
    fclose(file);
    if ((choice = strchr(text, '[')) == NULL || (end = strchr(choice, ']')) == NULL)
        return NULL;
    *end = '\0';
    return trace_writer_note(writer, "transparent_huge_pages", choice + 1);
}

static char *note_hinting(struct trace_writer *writer, const struct perf_notes *notes)
{
    char text[512];
    snprintf(
        text, sizeof text,
        "a sighting of a page by NUMA balancing says that it was used since the last scan, not "
        "how often: refs_per_sample is nominal; %s%s%s",
        notes->kinds_unknown ? "loads and stores are not told apart"
                             : "loads and stores are told apart by the fault",
        notes->scan_remark ? "; " : "", notes->scan_remark ? notes->scan_remark : "");
    return trace_writer_note(writer, "hinting", text);
}

char *perf_notes_put(struct trace_writer *writer, const struct perf_notes *notes)
{
    char *error = note_counts(writer, notes);
    if (error == NULL)
        error = note_huge_pages(writer);
    if (error == NULL && notes->hinting)
        error = note_hinting(writer, notes);
    if (error == NULL && notes->user_only)
        error = trace_writer_note(writer, "kernel_mode",
                                  "not sampled: kernel.perf_event_paranoid allows user mode only");
    return error;
}
