/* Machines from the output of Intel Memory Latency Checker. */
#include "vmm-core/machine/machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define HEAD "Intel(R) Memory Latency Checker - v3.10\n"
#define IDLE                                                                                       \
    "Measuring idle latencies for random access (in ns)...\n"                                      \
    "\t\tNuma node\nNuma node\t     0\t     1\t     8\t\n"                                         \
    "       0\t  89.2\t 142.7\t 250.5\t\n"                                                         \
    "       1\t 142.9\t  89.0\t 260\t\n"
#define BETWEEN                                                                                    \
    "Measuring Memory Bandwidths between nodes within system \n"                                   \
    "Bandwidths are in MB/sec (1 MB/sec = 1,000,000 Bytes/sec)\n"                                  \
    "\t\tNuma node\nNuma node\t     0\t     1\t     8\t\n"                                         \
    "       0\t175690.9\t55676.8\t20000.0\t\n"                                                     \
    "       1\t55692.3\t175912.6\t19000.0\t\n"
#define LOADED                                                                                     \
    "Measuring Loaded Latencies for the system\nInject\tLatency\tBandwidth\nDelay\t(ns)\tMB/sec\n" \
    "==========================\n"                                                                 \
    " 00000\t264.04\t 351871.6\n 00100\t153.80\t 297201.4\n 20000\t 91.23\t   2867.0\n"

static struct machine *read_text(const char *text)
{
    struct machine *machine = NULL;
    char *const error = machine_parse("box.txt", text, strlen(text), &machine);
    if (error)
        fail_msg("%s", error);
    return machine;
}

static void every_table_goes_where_it_belongs(void **unused)
{
    (void)unused;
    struct machine *const machine = read_text(HEAD IDLE BETWEEN LOADED);
    assert_int_equal(machine->nodes, 3);
    assert_int_equal(machine->node[2].os_id, 8);
    assert_int_equal(machine->node[2].cpus, 0);
    assert_int_equal(machine->node[0].cpus, machine->node[1].cpus);
    assert_int_equal(machine_latency_ns(machine, 0, 2), 251); /* rounded */
    assert_int_equal(machine_latency_ns(machine, 1, 0), 143);
    assert_int_equal(machine_latency_ns(machine, 2, 1), 260); /* the way back */
    assert_int_equal(machine->node[0].service_ps, 364);       /* 64 bytes at 175690 MB/s */
    assert_int_equal(machine->node[2].service_ps, 3200);      /* at 20000 MB/s, its best */
    assert_int_equal(machine->links, 4);                      /* node 8 has no CPUs to send to */
    for (uint32_t i = 0; i < machine->links; i++)
        if (machine->link[i].from == 1 && machine->link[i].to == 0)
            assert_int_equal(machine->link[i].mb_per_s, 55676); /* CPUs of 0 read node 1 */
    const struct machine_node *const node = &machine->node[1];
    assert_int_equal(node->curve_points, 3);
    assert_int_equal(machine->curve[node->curve].mb_per_s, 2867 / 2);
    assert_int_equal(machine->curve[node->curve].latency_ps, 91230);
    assert_int_equal(machine->curve[node->curve + 2].mb_per_s, 351871 / 2);
    assert_int_equal(machine->node[2].curve_points, 0);
    assert_non_null(strstr(machine->source, "assumed: 16 CPUs"));
    machine_free(machine);
}

static void latencies_alone_are_a_machine(void **unused)
{
    (void)unused;
    struct machine *const machine = read_text(IDLE);
    assert_int_equal(machine->links, 0);
    assert_int_equal(machine->node[0].service_ps, 0);
    assert_int_equal(machine->node[0].curve_points, 0);
    assert_non_null(strstr(machine->source, "no links"));
    machine_free(machine);
}

static void what_is_read_prints_and_reads_back(void **unused)
{
    (void)unused;
    struct machine *const machine = read_text(HEAD IDLE BETWEEN LOADED);
    char *const text = machine_to_json(machine);
    struct machine *const again = read_text(text);
    char *const more = machine_to_json(again);
    assert_string_equal(text, more);
    assert_int_equal(again->curve_points, machine->curve_points);
    assert_memory_equal(again->curve, machine->curve,
                        machine->curve_points * sizeof *machine->curve);
    free(text);
    free(more);
    machine_free(machine);
    machine_free(again);
}

static void damage_is_named_by_its_line(void **unused)
{
    (void)unused;
    static const struct {
        const char *text, *error;
    } cases[] = {
        {HEAD, "text: no idle latencies"},
        {HEAD "Measuring idle latencies\n 0 89\n", "line 3: a row of a table before its head"},
        {HEAD "Measuring idle latencies\nNuma node 1 0\n", "line 3: not up to 64 rising"},
        {HEAD "Measuring idle latencies\nNuma node 0 1\n 0 89\n", "line 4: not one number"},
        {HEAD "Measuring idle latencies\nNuma node 0\n 0 89 90\n", "line 4: more numbers"},
        {HEAD "Measuring idle latencies\nNuma node 0\n 0 nan\n", "line 4: not one number"},
        {HEAD "Measuring idle latencies\nNuma node 0\n 0 89\n 0 89\n", "line 5: not a row"},
        {HEAD "Measuring idle latencies\nNuma node 0\n 0 2000000\n", "a latency of 2000000 ns"},
        {HEAD "Measuring idle latencies\nNuma node 0\n 0 -\n", "no CPU can reach node 0"},
        {HEAD IDLE "Measuring Loaded Latencies\n 00000 264.04\n", "line 8: not a delay"},
        {HEAD IDLE "Measuring Loaded Latencies\n 00000 264.04 0.5\n", "line 8: a latency above"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct machine *machine = NULL;
        char *const error =
            machine_parse("box.txt", cases[i].text, strlen(cases[i].text), &machine);
        if (!error || !strstr(error, cases[i].error))
            fail_msg("case %zu: '%s' does not say '%s'", i, error ? error : "", cases[i].error);
        assert_null(strchr(error, '\n'));
        free(error);
    }
}

/* Two servers, as their owners published them: the sample folder's README says from where. */
static void published_outputs_are_read(void **unused)
{
    (void)unused;
    static const struct {
        const char *file;
        uint32_t local_ns, remote_ns, service_ps, link_mb_per_s, points;
    } samples[] = {{"icelake_mlc.txt", 89, 143, 364, 55676, 19},
                   {"skylake_mlc.txt", 90, 144, 613, 34290, 19}};
    const char *const folder = getenv("DISCO_SAMPLES");
    for (size_t i = 0; i < 2; i++) {
        char spec[512];
        struct machine *machine = NULL;
        snprintf(spec, sizeof spec, "mlc:%s/topologies/mlc/%s",
                 folder ? folder : "../shared/samples", samples[i].file);
        if (access(spec + 4, R_OK) != 0) {
            print_message("skip - %s is not here\n", spec + 4);
            skip();
        }
        char *const error = machine_load(spec, &machine);
        if (error)
            fail_msg("%s", error);
        assert_int_equal(machine_latency_ns(machine, 0, 0), samples[i].local_ns);
        assert_int_equal(machine_latency_ns(machine, 0, 1), samples[i].remote_ns);
        assert_int_equal(machine->node[0].service_ps, samples[i].service_ps);
        assert_int_equal(machine->node[0].curve_points, samples[i].points);
        for (uint32_t link = 0; link < machine->links; link++)
            if (machine->link[link].to == 0)
                assert_int_equal(machine->link[link].mb_per_s, samples[i].link_mb_per_s);
        machine_free(machine);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_table_goes_where_it_belongs),
        cmocka_unit_test(latencies_alone_are_a_machine),
        cmocka_unit_test(what_is_read_prints_and_reads_back),
        cmocka_unit_test(damage_is_named_by_its_line),
        cmocka_unit_test(published_outputs_are_read),
    };
    return cmocka_run_group_tests_name("machine-mlc", tests, NULL, NULL);
}
