/* What a monitor's listener is told comes out of the trace: numbers of CPUs, parts of a run, symbols. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <elf.h>

#include "collector/sources/mips/mips-symbols.h"
#include "collector/sources/mips/mips-trace.h"
#include "collector/trace/reader.h"

/* Two nodes and four CPUs whose operating system numbers are not their places. */
static const char odd_machine[] =
    "{\"name\": \"odd\", \"cpu_mhz\": 1000, \"page_size\": 4096,"
    " \"nodes\": [{\"id\": 3, \"cpus\": [8, 9], \"memory\": \"1M\"},"
    "             {\"id\": 7, \"cpus\": [40, 41], \"memory\": \"1M\"}],"
    " \"latency_ns\": [[100, 300], [300, 100]],"
    " \"caches\": [{\"level\": 1, \"kind\": \"data\", \"size\": \"1K\", \"ways\": 1, \"line\": "
    "64}]}";

struct fixture {
    char folder[32], path[64];
    struct machine *machine;
    struct mips_trace *trace;
    uint64_t instructions;
};

static void well(char *error)
{
    if (error != NULL)
        fail_msg("%s", error);
}

static uint64_t instructions(void *context)
{
    const struct fixture *fixture = context;
    return fixture->instructions;
}

static int fixture_open(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    strcpy(fixture->folder, "/tmp/disco-mips-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    snprintf(fixture->path, sizeof fixture->path, "%s/trace.db", fixture->folder);
    well(machine_parse("odd", odd_machine, strlen(odd_machine), &fixture->machine));
    *state = fixture;
    return 0;
}

static int fixture_close(void **state)
{
    struct fixture *fixture = *state;
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", fixture->folder);
    machine_free(fixture->machine);
    free(fixture);
    return system(command);
}

/* A VM with one vCPU, on CPU 2 of the machine, and a process. */
static const struct monitor_listener *begin(struct fixture *fixture, struct mips_moment start,
                                            struct mips_moment end, bool filter)
{
    static const char *const guest[] = {"radix"};
    static const struct monitor_vm vm = {.pages = 16};
    const struct mips_trace_options options = {.path = fixture->path,
                                               .command = "radix",
                                               .machine = fixture->machine,
                                               .guest = guest,
                                               .guests = 1,
                                               .vm = &vm,
                                               .start = start,
                                               .end = end,
                                               .filter = filter,
                                               .instructions = instructions,
                                               .context = fixture};
    well(mips_trace_open(&options, &fixture->trace));
    const struct monitor_listener *listener = mips_trace_listener(fixture->trace);
    const struct monitor_space space[] = {{.space = 0, .asid = MONITOR_PHYSICAL, .name = "vm0"},
                                          {.space = 1, .asid = 1, .name = "radix"}};
    const struct monitor_stream stream = {.vcpu = 5, .name = "vm0.cpu5"};
    const struct monitor_event dispatch = {.kind = MONITOR_DISPATCH, .args = {2, 1}};
    well(listener->space(listener->context, &space[0]));
    well(listener->stream(listener->context, &stream));
    well(listener->space(listener->context, &space[1]));
    well(listener->event(listener->context, &dispatch));
    return listener;
}

static char *refer(const struct monitor_listener *listener, uint64_t addr)
{
    const uint8_t what = REF_LOAD;
    return listener->references(listener->context, 0, &addr, &what, 1);
}

/* The only block, from malloc; closes the trace. */
static struct ref_block *end(struct fixture *fixture)
{
    struct trace_reader *reader = NULL;
    struct ref_block *block = ref_block_new(0);
    bool through = false;
    well(mips_trace_close(fixture->trace, true));
    well(trace_reader_open(fixture->path, &reader));
    well(trace_reader_next(reader, block, &through));
    assert_false(through);
    trace_reader_close(reader);
    return block;
}

static void cpus_and_nodes_get_their_operating_system_numbers(void **state)
{
    struct fixture *fixture = *state;
    const struct monitor_listener *listener =
        begin(fixture, (struct mips_moment){0}, (struct mips_moment){0}, false);
    const struct monitor_event idle = {.kind = MONITOR_IDLE,
                                       .stream = MONITOR_NO_STREAM,
                                       .args = {1, 500}};
    well(listener->event(listener->context, &idle));
    well(refer(listener, 0xc0001000));
    struct ref_block *block = end(fixture);
    assert_int_equal(block->events, 2);
    assert_int_equal(block->event[0].type, EVENT_DISPATCH);
    assert_int_equal(block->event[0].args[0], 40);
    assert_int_equal(block->event[0].args[1], 7);
    assert_int_equal(block->event[1].type, EVENT_IDLE);
    assert_int_equal(block->event[1].args[0], 9);
    assert_int_equal(block->event[1].args[1], 500);
    assert_int_equal(block->refs, 1);
    ref_block_free(block);
}

static void every_event_of_the_monitor_has_its_type(void **state)
{
    static const uint32_t type[MONITOR_EVENT_KINDS] = {EVENT_DISPATCH, EVENT_IDLE,  EVENT_ASID,
                                                       EVENT_TLBWRITE, EVENT_UNMAP, EVENT_SHARE,
                                                       EVENT_ZERO,     EVENT_FREE,  EVENT_DMA,
                                                       EVENT_SERVICE,  EVENT_EXIT};
    struct fixture *fixture = *state;
    const struct monitor_listener *listener =
        begin(fixture, (struct mips_moment){0}, (struct mips_moment){0}, false);
    for (unsigned kind = 0; kind < MONITOR_EVENT_KINDS; kind++) {
        const struct monitor_event event = {.kind = (enum monitor_event_kind)kind,
                                            .args = {1, 1, 3, 4, 5}};
        well(listener->event(listener->context, &event));
    }
    struct ref_block *block = end(fixture);
    assert_int_equal(block->events, 1 + MONITOR_EVENT_KINDS);
    for (unsigned kind = 0; kind < MONITOR_EVENT_KINDS; kind++) {
        assert_int_equal(block->event[1 + kind].type, type[kind]);
        assert_int_equal(block->event[1 + kind].args[4], 5);
    }
    ref_block_free(block);
}

static void a_part_begins_and_ends_where_it_was_asked_for(void **state)
{
    struct fixture *fixture = *state;
    const struct monitor_listener *listener =
        begin(fixture, (struct mips_moment){MOMENT_INSTRUCTIONS, 100},
              (struct mips_moment){MOMENT_INSTRUCTIONS, 50}, false);
    const struct monitor_event zero = {.kind = MONITOR_ZERO, .args = {3}};
    const struct monitor_event service = {.kind = MONITOR_SERVICE, .args = {1, 1}};
    char *error = NULL;
    for (fixture->instructions = 0; error == NULL; fixture->instructions += 10) {
        well(listener->event(listener->context, &zero));
        well(listener->event(listener->context, &service));
        error = refer(listener, 0x1000 + fixture->instructions);
    }
    free(error);
    assert_int_equal(fixture->instructions, 160);
    assert_true(mips_trace_is_over(fixture->trace));
    assert_false(mips_trace_is_stopped(fixture->trace));
    struct ref_block *block = end(fixture);
    assert_int_equal(block->refs, 5);
    assert_int_equal(block->addr[0], 0x1000 + 100);
    assert_int_equal(block->addr[4], 0x1000 + 140);
    unsigned zeros = 0, services = 0;
    for (uint32_t i = 0; i < block->events; i++) {
        zeros += block->event[i].type == EVENT_ZERO;
        services += block->event[i].type == EVENT_SERVICE;
    }
    assert_int_equal(zeros, 16);   /* what changes translation is there from the start */
    assert_int_equal(services, 5); /* what takes time is not */
    ref_block_free(block);
}

static void a_mark_begins_a_part_and_another_ends_it(void **state)
{
    struct fixture *fixture = *state;
    const struct monitor_listener *listener =
        begin(fixture, (struct mips_moment){MOMENT_MARK, 2},
              (struct mips_moment){MOMENT_ANY_MARK, 0}, false);
    well(refer(listener, 0x1000));
    well(listener->mark(listener->context, 0, 1));
    well(refer(listener, 0x2000));
    assert_false(mips_trace_has_begun(fixture->trace));
    well(listener->mark(listener->context, 0, 2));
    assert_true(mips_trace_has_begun(fixture->trace));
    well(refer(listener, 0x3000));
    char *error = listener->mark(listener->context, 0, 9);
    assert_non_null(error);
    free(error);
    assert_true(mips_trace_is_over(fixture->trace));
    struct ref_block *block = end(fixture);
    assert_int_equal(block->refs, 1);
    assert_int_equal(block->addr[0], 0x3000);
    ref_block_free(block);
}

static void a_filter_leaves_misses(void **state)
{
    struct fixture *fixture = *state;
    const struct monitor_listener *listener =
        begin(fixture, (struct mips_moment){0}, (struct mips_moment){0}, true);
    /* a cache of 1 KiB, direct mapped: the fourth takes the first one's line */
    const uint64_t addr[] = {0xc0001000, 0xc0001004, 0xc0001040, 0xc0001400,
                             0xc0001400, 0xc0001000, 0xc0001044};
    for (unsigned i = 0; i < sizeof addr / sizeof *addr; i++)
        well(refer(listener, addr[i]));
    struct ref_block *block = end(fixture);
    assert_int_equal(block->refs, 4);
    assert_int_equal(block->addr[0], 0xc0001000);
    assert_int_equal(block->addr[1], 0xc0001040);
    assert_int_equal(block->addr[2], 0xc0001400);
    assert_int_equal(block->addr[3], 0xc0001000);
    ref_block_free(block);
}

/* An image with a section and two variables, of 8 KiB and of 8 bytes. */
struct image {
    Elf32_Ehdr header;
    char names[64];
    Elf32_Sym symbol[3];
    Elf32_Shdr section[4];
};

static struct image make_image(void)
{
    static const char names[] = "\0.data\0.symtab\0.strtab\0big\0small";
    struct image image = {.header = {.e_type = ET_EXEC,
                                     .e_machine = EM_MIPS,
                                     .e_version = EV_CURRENT,
                                     .e_ehsize = sizeof(Elf32_Ehdr),
                                     .e_shentsize = sizeof(Elf32_Shdr),
                                     .e_shoff = offsetof(struct image, section),
                                     .e_shnum = 4,
                                     .e_shstrndx = 3}};
    memcpy(image.header.e_ident, ELFMAG, SELFMAG);
    image.header.e_ident[EI_CLASS] = ELFCLASS32;
    image.header.e_ident[EI_DATA] = ELFDATA2LSB;
    image.header.e_ident[EI_VERSION] = EV_CURRENT;
    memcpy(image.names, names, sizeof names);
    image.symbol[1] = (Elf32_Sym){.st_name = 23,
                                  .st_value = 0x410000,
                                  .st_size = 8192,
                                  .st_info = ELF32_ST_INFO(STB_GLOBAL, STT_OBJECT),
                                  .st_shndx = 1};
    image.symbol[2] = (Elf32_Sym){.st_name = 27,
                                  .st_value = 0x412000,
                                  .st_size = 8,
                                  .st_info = ELF32_ST_INFO(STB_GLOBAL, STT_OBJECT),
                                  .st_shndx = 1};
    image.section[1] = (Elf32_Shdr){.sh_name = 1,
                                    .sh_type = SHT_NOBITS,
                                    .sh_flags = SHF_ALLOC | SHF_WRITE,
                                    .sh_addr = 0x410000,
                                    .sh_size = 0x3000};
    image.section[2] = (Elf32_Shdr){.sh_name = 7,
                                    .sh_type = SHT_SYMTAB,
                                    .sh_offset = offsetof(struct image, symbol),
                                    .sh_size = sizeof image.symbol,
                                    .sh_link = 3,
                                    .sh_entsize = sizeof(Elf32_Sym)};
    image.section[3] = (Elf32_Shdr){.sh_name = 15,
                                    .sh_type = SHT_STRTAB,
                                    .sh_offset = offsetof(struct image, names),
                                    .sh_size = sizeof image.names};
    return image;
}

static void sections_and_large_variables_become_regions(void **state)
{
    struct fixture *fixture = *state;
    (void)begin(fixture, (struct mips_moment){0}, (struct mips_moment){0}, false);
    const struct image image = make_image();
    well(mips_symbols_write(mips_trace_writer(fixture->trace), 1, "radix", "radix.elf", &image,
                            sizeof image));
    well(mips_symbols_write(mips_trace_writer(fixture->trace), 1, "radix", "radix.elf", "no ELF",
                            6));
    well(mips_trace_close(fixture->trace, true));
    struct trace_reader *reader = NULL;
    well(trace_reader_open(fixture->path, &reader));
    assert_int_equal(trace_reader_summary(reader)->regions, 3);
    const struct trace_region *memory = trace_reader_region(reader, 0);
    const struct trace_region *data = trace_reader_region(reader, 1);
    const struct trace_region *big = trace_reader_region(reader, 2);
    assert_string_equal(memory->name, "vm0 memory");
    assert_int_equal(memory->start, 0xc0000000);
    assert_int_equal(memory->end, 0xc0010000);
    assert_string_equal(data->name, "radix .data");
    assert_int_equal(data->start, 0x410000);
    assert_int_equal(data->end, 0x413000);
    assert_int_equal(data->space, 1);
    assert_string_equal(big->name, "big");
    assert_int_equal(big->end - big->start, 8192);
    trace_reader_close(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(cpus_and_nodes_get_their_operating_system_numbers,
                                        fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(every_event_of_the_monitor_has_its_type, fixture_open,
                                        fixture_close),
        cmocka_unit_test_setup_teardown(a_part_begins_and_ends_where_it_was_asked_for, fixture_open,
                                        fixture_close),
        cmocka_unit_test_setup_teardown(a_mark_begins_a_part_and_another_ends_it, fixture_open,
                                        fixture_close),
        cmocka_unit_test_setup_teardown(a_filter_leaves_misses, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(sections_and_large_variables_become_regions, fixture_open,
                                        fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
