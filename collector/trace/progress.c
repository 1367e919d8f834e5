#include "collector/trace/progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS  1000000000u
#define REFRESH_NS 200000000u

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

/* Three significant digits and a prefix, so that the line keeps its width. */
static void print_amount(FILE *to, double amount)
{
    static const char prefix[] = " kMGTP";
    size_t power = 0;
    while (amount >= 999.5 && power + 2 < sizeof prefix) {
        amount /= 1000;
        power++;
    }
    fprintf(to, "%.*f%.*s",
            amount < 9.995 && power != 0   ? 2
            : amount < 99.95 && power != 0 ? 1
                                           : 0,
            amount, power == 0 ? 0 : 1, prefix + power);
}

void progress_start(struct progress *progress, const char *verb, const char *unit, uint64_t total)
{
    uint64_t now = now_ns();
    *progress = (struct progress){.verb = verb,
                                  .unit = unit,
                                  .total = total,
                                  .start_ns = now,
                                  .last_ns = now,
                                  .terminal = isatty(STDERR_FILENO) == 1};
}

void progress_at(struct progress *progress, uint64_t done)
{
    if (!progress->terminal)
        return;
    uint64_t now = now_ns();
    if (now - progress->start_ns < SECOND_NS || now - progress->last_ns < REFRESH_NS)
        return;
    progress->last_ns = now;
    progress->shown = true;
    double seconds = (double)(now - progress->start_ns) / SECOND_NS;
    double rate = (double)done / seconds;

    fprintf(stderr, "\r\033[K%s: ", progress->verb);
    print_amount(stderr, (double)done);
    if (progress->total != 0) {
        fputs(" of ", stderr);
        print_amount(stderr, (double)progress->total);
    }
    fprintf(stderr, " %s, ", progress->unit);
    print_amount(stderr, rate);
    fputs("/s", stderr);
    if (progress->total > done && rate > 0)
        fprintf(stderr, ", %.0f s left", (double)(progress->total - done) / rate);
    fflush(stderr);
}

void progress_end(struct progress *progress)
{
    if (progress->shown)
        fputs("\r\033[K", stderr);
    progress->shown = false;
}
