#include "collector/sources/mips/mips-filter.h"

#include <stdlib.h>

#include "replayer/report/say.h"
#include "vmm-core/memory/guest-writes.h"

/* Where a stream is. */
struct place {
    uint32_t cpu, space, physical;
};

struct mips_filter {
    const struct machine *machine;
    struct guest *guest;
    struct caches_outcome outcome;
    struct place *place; /* [streams] */
    uint32_t streams, room;
};

char *mips_filter_new(const struct machine *machine, struct mips_filter **out)
{
    struct mips_filter *filter = calloc(1, sizeof *filter);
    *out = filter;
    if (filter == NULL)
        return say_no_memory();
    filter->machine = machine;
    const struct guest_options options = {.machine = machine};
    char *error = guest_new(&options, &filter->guest);
    if (error != NULL)
        return error;
    if (!guest_has_caches(filter->guest))
        return say("machine %s has no caches, so that every reference misses; record without "
                   "--filter",
                   machine->name);
    return guest_outcome_new(&filter->outcome, MIPS_FILTER_REFERENCES) ? NULL : say_no_memory();
}

void mips_filter_free(struct mips_filter *filter)
{
    if (filter == NULL)
        return;
    guest_outcome_free(&filter->outcome);
    guest_free(filter->guest);
    free(filter->place);
    free(filter);
}

char *mips_filter_stream(struct mips_filter *filter, const struct monitor_stream *stream)
{
    if (filter->streams == filter->room) {
        const uint32_t room = 2 * filter->room + 16;
        struct place *more = reallocarray(filter->place, room, sizeof *more);
        if (more == NULL)
            return say_no_memory();
        filter->place = more;
        filter->room = room;
    }
    filter->place[filter->streams++] =
        (struct place){.space = stream->space, .physical = stream->space};
    return NULL;
}

static char *unmap(struct guest *guest, uint32_t space, uint64_t start, uint64_t end)
{
    if (start >= end)
        return NULL;
    const uint64_t first = start / GUEST_PAGE_BYTES;
    char *error = guest_unmap_begin(guest, space, first, (end - 1) / GUEST_PAGE_BYTES - first + 1);
    if (error == NULL)
        guest_unmap_end(guest);
    return error;
}

static char *share(struct guest *guest, const uint64_t *args)
{
    const uint64_t pages = args[4] / GUEST_PAGE_BYTES;
    char *error = unmap(guest, (uint32_t)args[2], args[3], args[3] + args[4]);
    if (error != NULL || pages == 0)
        return error;
    return guest_share(guest, (uint32_t)args[0], args[1] / GUEST_PAGE_BYTES, (uint32_t)args[2],
                       args[3] / GUEST_PAGE_BYTES, pages);
}

static char *tlb_write(struct guest *guest, const struct place *place, const uint64_t *args)
{
    const struct guest_write write = {.space = place->space,
                                      .physical = place->physical,
                                      .entry_hi = args[1],
                                      .entry_lo0 = args[2],
                                      .entry_lo1 = args[3],
                                      .page_mask = args[4]};
    bool changes = false;
    char *error = guest_write(guest, &write, &changes);
    if (error == NULL)
        error = guest_commit(guest);
    if (error == NULL && changes)
        error = guest_write_begin(guest, &write);
    if (error == NULL && changes)
        error = guest_write_end(guest, &write);
    return error;
}

char *mips_filter_event(struct mips_filter *filter, const struct monitor_event *event)
{
    const uint64_t *args = event->args;
    struct guest *guest = filter->guest;
    if (event->kind == MONITOR_UNMAP)
        return unmap(guest, (uint32_t)args[0], args[1], args[2]);
    if (event->kind == MONITOR_SHARE)
        return share(guest, args);
    if (event->stream >= filter->streams)
        return NULL; /* of no stream: time alone */
    struct place *place = &filter->place[event->stream];
    char *error = NULL;
    switch (event->kind) {
    case MONITOR_DISPATCH:
        place->cpu = (uint32_t)args[0];
        return NULL;
    case MONITOR_ASID:
        place->space = (uint32_t)args[0];
        return NULL;
    case MONITOR_TLBWRITE:
        return tlb_write(guest, place, args);
    case MONITOR_ZERO:
        error = guest_zero(guest, place->physical, GUEST_DIRECT_VPN + args[0]);
        break;
    case MONITOR_DMA:
        error =
            guest_dma(guest, place->physical, GUEST_DIRECT_VPN + args[0], args[1], args[2] != 0);
        break;
    case MONITOR_FREE:
        guest_free_page(guest, place->physical, GUEST_DIRECT_VPN + args[0]);
        return NULL;
    default:
        return NULL;
    }
    return error == NULL ? guest_commit(guest) : error;
}

char *mips_filter_references(struct mips_filter *filter, uint32_t stream, const uint64_t *addr,
                             const uint8_t *what, size_t references, uint64_t *addr_out,
                             uint8_t *what_out, size_t *misses)
{
    const struct place *place = &filter->place[stream];
    *misses = 0;
    filter->outcome.writebacks = 0;
    char *error = guest_references(filter->guest, place->cpu, place->space, addr, what, NULL,
                                   (uint32_t)references, &filter->outcome, 0);
    if (error == NULL)
        error = guest_commit(filter->guest);
    for (size_t i = 0; error == NULL && i < references; i++) {
        addr_out[*misses] = addr[i];
        what_out[*misses] = what[i];
        *misses += filter->outcome.level[i] == CACHES_MEMORY;
    }
    return error;
}
