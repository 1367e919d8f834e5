#include "vmm-core/monitor/physical.h"

#include <stdlib.h>
#include <string.h>

#include "vmm-core/monitor/first-touch.h"
#include "vmm-core/monitor/say.h"

#define ENTRY_CACHED    (UINT32_C(3) << 3) /* C: cacheable, as all memory is */
#define ENTRY_READ_ONLY (ENTRY_CACHED | ENTRYLO_V)
#define ENTRY_WRITABLE  (ENTRY_READ_ONLY | ENTRYLO_D)
#define NO_PAGE         UINT32_MAX

/* A page with replicas that was stored to before the memory subsystem heard of it. */
struct early {
    uint32_t page;
    uint32_t frame; /* whose bytes count; RAM_NONE: it was given back, and they were kept */
    uint8_t kept[MIPS_PAGE_BYTES];
};

struct shows {
    uint32_t guest_page, home;
};

struct physical {
    struct physical_options options;
    struct ram *ram;
    uint32_t nodes;
    struct memory_frames hooks;
    const struct memory *memory;     /* NULL: no policy */
    struct first_touch *first_touch; /* without one */
    uint32_t *entry;                 /* [nodes][guest_pages] 0: not computed */
    uint32_t *home;       /* [guest_pages] the guest page it shows; most show themselves */
    uint32_t *page;       /* [guest_pages] of a home, or NO_PAGE */
    uint32_t *frame;      /* [guest_pages] of a page, without a policy */
    uint32_t *guest_page; /* [pages] backmap of page, with a policy */
    uint32_t pages;
    bool *shared; /* [guest_pages] shows another, or is shown by another */
    struct shows *shows;
    uint32_t shown, shows_room;
    struct early *early;
    uint32_t earlies, earlies_room;
    struct physical_counts counts;
    char *failure;
};

static void fail(struct physical *physical, char *error)
{
    if (physical->failure)
        free(error);
    else
        physical->failure = error;
}

/* ---- what the memory subsystem does with pages ----------------------------------------------- */

static struct early *find_early(struct physical *physical, uint32_t page)
{
    for (uint32_t i = 0; i < physical->earlies; i++)
        if (physical->early[i].page == page)
            return &physical->early[i];
    return NULL;
}

static void own(struct physical *physical, uint32_t frame)
{
    if (!ram_own(physical->ram, frame))
        fail(physical,
             monitor_say("the run needs more than %u frames of memory, which is what its CPUs can "
                         "address; use a machine with fewer nodes or less memory",
                         (unsigned)(physical->ram->limit - physical->ram->extra)));
}

static void on_placed(void *context, uint32_t page, uint32_t frame, uint32_t node)
{
    (void)page;
    (void)node;
    struct physical *const physical = context;
    own(physical, frame);
    if (!physical->failure)
        memset(ram_bytes(physical->ram, frame), 0, MIPS_PAGE_BYTES);
}

static void on_copied(void *context, uint32_t page, uint32_t from, uint32_t to, uint32_t to_node)
{
    (void)to_node;
    struct physical *const physical = context;
    const struct early *const early = find_early(physical, page);
    own(physical, to);
    if (physical->failure)
        return;
    const uint8_t *bytes = ram_bytes(physical->ram, from);
    if (early)
        bytes = early->frame == RAM_NONE ? early->kept : ram_bytes(physical->ram, early->frame);
    if (bytes != ram_bytes(physical->ram, to))
        memcpy(ram_bytes(physical->ram, to), bytes, MIPS_PAGE_BYTES);
}

static void on_freed(void *context, uint32_t frame)
{
    struct physical *const physical = context;
    for (uint32_t i = 0; i < physical->earlies; i++)
        if (physical->early[i].frame == frame) {
            memcpy(physical->early[i].kept, ram_bytes(physical->ram, frame), MIPS_PAGE_BYTES);
            physical->early[i].frame = RAM_NONE;
        }
    ram_disown(physical->ram, frame);
}

static uint32_t *entry_at(const struct physical *physical, uint32_t guest_page, uint32_t node)
{
    return &physical->entry[(size_t)node * physical->options.guest_pages + guest_page];
}

/* Entries of one guest page go; `drop`: so do the translations made from them. */
static void clear_entries(struct physical *physical, uint32_t guest_page, bool drop)
{
    uint32_t last = RAM_NONE;
    for (uint32_t node = 0; node < physical->nodes; node++) {
        uint32_t *const entry = entry_at(physical, guest_page, node);
        const uint32_t frame = *entry >> ENTRYLO_PFN_SHIFT;
        if (!*entry)
            continue;
        if (drop && frame != last)
            ram_drop(physical->ram, frame);
        last = frame;
        *entry = 0;
    }
}

/* Of it and all that show it. */
static void clear_home(struct physical *physical, uint32_t home, bool drop)
{
    clear_entries(physical, home, drop);
    if (!physical->shared[home])
        return;
    for (uint32_t i = 0; i < physical->shown; i++)
        if (physical->shows[i].home == home)
            clear_entries(physical, physical->shows[i].guest_page, drop);
}

static void on_remapped(void *context, uint32_t page)
{
    struct physical *const physical = context;
    const uint32_t home = page < physical->pages ? physical->guest_page[page] : NO_PAGE;
    if (home == NO_PAGE)
        return;
    const uint32_t skip = physical->options.skip_shootdown;
    const bool skipped = skip && ++physical->counts.shootdowns % skip == 0;
    physical->counts.shootdowns_skipped += skipped;
    clear_home(physical, home, !skipped);
}

/* ---- entries --------------------------------------------------------------------------------- */

static uint32_t make_entry(uint32_t frame, bool writable)
{
    return frame << ENTRYLO_PFN_SHIFT | (writable ? ENTRY_WRITABLE : ENTRY_READ_ONLY);
}

static uint32_t compute(struct physical *physical, uint32_t home, uint32_t node)
{
    const uint32_t page = physical->page[home];
    if (page == NO_PAGE)
        return 0;
    if (!physical->memory)
        return make_entry(physical->frame[home], true);
    const struct early *const early = find_early(physical, page);
    if (early)
        return make_entry(early->frame, true);
    uint32_t frame = 0;
    bool replicated = false;
    if (!memory_frame(physical->memory, page, node, &frame, &replicated))
        return 0;
    return make_entry(frame, !replicated);
}

const uint32_t *physical_row(const struct physical *physical, uint32_t node)
{
    return entry_at(physical, 0, node);
}

uint32_t physical_entry(struct physical *physical, uint32_t guest_page, uint32_t node)
{
    uint32_t *const entry = entry_at(physical, guest_page, node);
    if (!*entry)
        *entry = compute(physical, physical->home[guest_page], node);
    return *entry;
}

uint32_t physical_store(struct physical *physical, uint32_t guest_page, uint32_t node)
{
    const uint32_t home = physical->home[guest_page];
    const uint32_t page = physical->page[home];
    uint32_t master = 0;
    if (physical->earlies == physical->earlies_room) {
        const uint32_t room = physical->earlies_room ? 2 * physical->earlies_room : 8;
        struct early *const more = reallocarray(physical->early, room, sizeof *more);
        if (!more) {
            fail(physical, monitor_no_memory());
            return 0;
        }
        physical->early = more;
        physical->earlies_room = room;
    }
    if (!memory_frame(physical->memory, page, memory_page(physical->memory, page).home, &master,
                      NULL))
        return 0;
    clear_home(physical, home, true);
    physical->early[physical->earlies].page = page;
    physical->early[physical->earlies++].frame = master;
    physical->counts.early_collapses++;
    return physical_entry(physical, guest_page, node);
}

/* NULL: zeros. */
static void write_frame(struct physical *physical, uint32_t frame, uint32_t offset,
                        const void *bytes, uint32_t count)
{
    if (bytes)
        memcpy(ram_bytes(physical->ram, frame) + offset, bytes, count);
    else
        memset(ram_bytes(physical->ram, frame) + offset, 0, count);
    ram_written(physical->ram, frame);
}

/* ---- what guests do with pages --------------------------------------------------------------- */

char *physical_take(struct physical *physical, uint32_t guest_page, uint32_t node)
{
    const uint32_t home = physical->home[guest_page];
    if (physical->page[home] != NO_PAGE)
        return NULL;
    const uint32_t frame = first_touch_take(physical->first_touch, node);
    if (frame == RAM_NONE || !ram_own(physical->ram, frame))
        return monitor_say("the machine's memory is full"); /* VMs that fit were let in */
    write_frame(physical, frame, 0, NULL, MIPS_PAGE_BYTES);
    physical->page[home] = home;
    physical->frame[home] = frame;
    physical->counts.touched++;
    return NULL;
}

void physical_found(struct physical *physical, uint32_t guest_page, uint32_t page)
{
    const uint32_t home = physical->home[guest_page];
    if (page == MEMORY_NO_PAGE) {
        fail(physical, monitor_say("a page has not been placed where it should; please report it"));
        return;
    }
    if (page >= physical->pages) {
        const uint32_t room = 2 * page + 1024;
        uint32_t *const more = reallocarray(physical->guest_page, room, sizeof *more);
        if (!more) {
            fail(physical, monitor_no_memory());
            return;
        }
        for (uint32_t i = physical->pages; i < room; i++)
            more[i] = NO_PAGE;
        physical->guest_page = more;
        physical->pages = room;
    }
    physical->counts.touched += physical->page[home] == NO_PAGE;
    physical->guest_page[page] = home;
    physical->page[home] = page;
}

void physical_forget(struct physical *physical, uint32_t guest_page)
{
    const uint32_t home = physical->home[guest_page];
    if (physical->page[home] == NO_PAGE)
        return;
    clear_home(physical, home, true);
    if (physical->memory) {
        physical->guest_page[physical->page[home]] = NO_PAGE;
    } else {
        ram_disown(physical->ram, physical->frame[home]);
        first_touch_give_back(physical->first_touch, physical->frame[home]);
        physical->frame[home] = RAM_NONE;
    }
    physical->page[home] = NO_PAGE;
}

bool physical_show(struct physical *physical, uint32_t guest_page, uint32_t home)
{
    if (physical->shown == physical->shows_room) {
        const uint32_t room = physical->shows_room ? 2 * physical->shows_room : 64;
        struct shows *const more = reallocarray(physical->shows, room, sizeof *more);
        if (!more)
            return false;
        physical->shows = more;
        physical->shows_room = room;
    }
    physical->shows[physical->shown++] = (struct shows){.guest_page = guest_page, .home = home};
    physical->home[guest_page] = home;
    physical->shared[guest_page] = physical->shared[home] = true;
    return true;
}

bool physical_is_shared(const struct physical *physical, uint32_t guest_page)
{
    return physical->shared[guest_page];
}

/* ---- bytes ----------------------------------------------------------------------------------- */

const uint8_t *physical_bytes(struct physical *physical, uint32_t guest_page)
{
    const uint32_t entry = physical_entry(physical, guest_page, 0);
    return entry ? ram_bytes(physical->ram, entry >> ENTRYLO_PFN_SHIFT) : NULL;
}

void physical_write(struct physical *physical, uint32_t guest_page, uint32_t offset,
                    const void *bytes, uint32_t count)
{
    const uint32_t page = physical->page[physical->home[guest_page]];
    if (page == NO_PAGE || physical->failure)
        return;
    if (!physical->memory || find_early(physical, page)) {
        write_frame(physical, physical_entry(physical, guest_page, 0) >> ENTRYLO_PFN_SHIFT, offset,
                    bytes, count);
        return;
    }
    /* Each copy is the nearest of its own node. */
    const struct memory_page_state state = memory_page(physical->memory, page);
    for (uint32_t node = 0; node < physical->nodes; node++) {
        uint32_t frame = 0;
        if ((node == state.home || state.replicas >> node & 1) &&
            memory_frame(physical->memory, page, node, &frame, NULL))
            write_frame(physical, frame, offset, bytes, count);
    }
}

/* The copies that there are get the bytes that count. */
void physical_fed(struct physical *physical)
{
    while (physical->earlies && !physical->failure) {
        struct early *const early = &physical->early[physical->earlies - 1];
        const uint32_t home = physical->guest_page[early->page];
        uint8_t bytes[MIPS_PAGE_BYTES];
        memcpy(bytes,
               early->frame == RAM_NONE ? early->kept : ram_bytes(physical->ram, early->frame),
               MIPS_PAGE_BYTES);
        physical->earlies--;
        if (home == NO_PAGE)
            continue;
        clear_home(physical, home, true);
        physical_write(physical, home, 0, bytes, MIPS_PAGE_BYTES);
    }
}

/* ---- the object ------------------------------------------------------------------------------ */

char *physical_new(const struct physical_options *options, struct physical **out)
{
    struct physical *const physical = calloc(1, sizeof *physical);
    *out = physical;
    if (!physical)
        return monitor_no_memory();
    const size_t pages = options->guest_pages;
    physical->options = *options;
    physical->ram = options->ram;
    physical->nodes = options->machine->nodes;
    physical->hooks = (struct memory_frames){
        .context = physical,
        .placed = on_placed,
        .copied = on_copied,
        .freed = on_freed,
        .remapped = on_remapped,
    };
    physical->first_touch =
        first_touch_new(options->machine, physical->ram->limit - physical->ram->extra);
    physical->entry = calloc(pages * physical->nodes, sizeof *physical->entry);
    physical->home = calloc(pages, sizeof *physical->home);
    physical->shared = calloc(pages, sizeof *physical->shared);
    physical->page = calloc(pages, sizeof *physical->page);
    physical->frame = calloc(pages, sizeof *physical->frame);
    if (!physical->first_touch || !physical->entry || !physical->home || !physical->shared ||
        !physical->page || !physical->frame)
        return monitor_no_memory();
    for (uint32_t i = 0; i < pages; i++) {
        physical->home[i] = i;
        physical->page[i] = NO_PAGE;
        physical->frame[i] = RAM_NONE;
    }
    return NULL;
}

void physical_free(struct physical *physical)
{
    if (!physical)
        return;
    first_touch_free(physical->first_touch);
    free(physical->entry);
    free(physical->home);
    free(physical->shared);
    free(physical->page);
    free(physical->frame);
    free(physical->guest_page);
    free(physical->shows);
    free(physical->early);
    free(physical->failure);
    free(physical);
}

const struct memory_frames *physical_hooks(const struct physical *physical)
{
    return &physical->hooks;
}

void physical_placed_by(struct physical *physical, const struct memory *memory)
{
    physical->memory = memory;
}

char *physical_failure(struct physical *physical)
{
    char *const failure = physical->failure;
    physical->failure = NULL;
    return failure;
}

struct physical_counts physical_counts(const struct physical *physical)
{
    return physical->counts;
}
