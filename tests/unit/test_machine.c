/* Presets, and machines as JSON: what is filled in, and what is refused with its path. */
#include "vmm-core/machine/machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct machine *read_text(const char *text)
{
    struct machine *machine = NULL;
    char *error = machine_parse("m.json", text, strlen(text), &machine);
    if (error != NULL)
        fail_msg("%s", error);
    return machine;
}

static struct machine *load(const char *spec)
{
    struct machine *machine = NULL;
    char *error = machine_load(spec, &machine);
    if (error != NULL)
        fail_msg("%s", error);
    return machine;
}

static void refuses(const char *text, const char *message)
{
    struct machine *machine = NULL;
    char *error = machine_parse("m.json", text, strlen(text), &machine);
    if (error == NULL) {
        fail_msg("read: %s", text);
        return;
    }
    if (strstr(error, message) == NULL || strncmp(error, "m.json: ", 8) != 0 ||
        strchr(error, '\n') != NULL)
        fail_msg("'%s' is not in: %s", message, error);
    assert_null(machine);
    free(error);
}

/* ---- presets ---- */

static void the_presets_are_those_promised(void **unused)
{
    (void)unused;
    static const char *const names[] = {"uma",          "flash-8",  "flash-16", "2-socket",
                                        "epyc-nps4-2s", "cxl-tier", "altix-64", NULL};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *name = machine_preset_name(i);
        if (names[i] == NULL) {
            assert_null(name);
            assert_null(machine_preset_summary(i));
            continue;
        }
        assert_string_equal(name, names[i]);
        struct machine *machine = load(name);
        assert_string_equal(machine->name, name);
        assert_true(strlen(machine_preset_summary(i)) > 0);
        machine_free(machine);
    }
}

static void a_preset_says_which_of_its_figures_are_unchecked(void **unused)
{
    (void)unused;
    for (size_t i = 0; machine_preset_name(i) != NULL; i++) {
        struct machine *machine = load(machine_preset_name(i));
        if (strstr(machine->source, "nchecked") == NULL)
            fail_msg("%s: %s", machine->name, machine->source);
        assert_true(strlen(machine->source) < sizeof machine->source - 1); /* not cut off */
        machine_free(machine);
    }
}

static void flash_has_the_latencies_of_the_disco_paper(void **unused)
{
    (void)unused;
    struct machine *machine = load("flash-8");
    assert_int_equal(machine->nodes, 8);
    assert_int_equal(machine->cpus, 8);
    for (uint32_t from = 0; from < 8; from++) {
        assert_int_equal(machine->cpu_node[from], from);
        assert_int_equal(machine->node[from].service_ps, 193000);
        for (uint32_t to = 0; to < 8; to++)
            assert_int_equal(machine_latency_ns(machine, from, to), from == to ? 300 : 900);
    }
    assert_int_equal(machine->tlb.entries, 64);
    assert_int_equal(machine->tlb.pages_per_entry, 2);
    assert_int_equal(machine->tlb.refill, TLB_REFILL_SOFTWARE);
    assert_false(machine->tlb.tagged);
    machine_free(machine);
}

static uint64_t action_ns(const struct machine_costs *costs, uint32_t cpus_interrupted)
{
    return costs->hot_page_ns + costs->move_page_ns + costs->copy_page_ns + costs->shootdown_ns +
           cpus_interrupted * costs->shootdown_per_cpu_ns;
}

static void actions_on_flash_cost_what_table_3_prints(void **unused)
{
    (void)unused;
    struct machine *small = load("flash-8"), *large = load("flash-16");
    assert_in_range(action_ns(&small->costs, 1), 56950, 57050);
    assert_in_range(action_ns(&small->costs, 7), 66950, 67050);
    assert_in_range(action_ns(&large->costs, 1), 72950, 73050);
    assert_in_range(action_ns(&large->costs, 15), 101950, 102050);
    machine_free(small);
    machine_free(large);
}

static void altix_has_the_five_distances_and_no_others(void **unused)
{
    (void)unused;
    static const uint32_t ns[] = {100, 220, 260, 300, 340};
    uint32_t seen[6] = {0}; /* the last: others */
    struct machine *machine = load("altix-64");
    for (uint32_t from = 0; from < 64; from++) {
        for (uint32_t to = 0; to < 64; to++) {
            uint32_t latency = machine_latency_ns(machine, from, to), i = 0;
            while (i < 5 && ns[i] != latency)
                i++;
            seen[i]++;
            assert_int_equal(latency, machine_latency_ns(machine, to, from));
        }
    }
    assert_int_equal(seen[0], 64);
    assert_int_equal(seen[5], 0);
    assert_true(seen[1] > 0 && seen[2] > 0 && seen[3] > 0 && seen[4] > 0);
    machine_free(machine);
}

static void cxl_tier_has_a_node_without_cpus(void **unused)
{
    (void)unused;
    struct machine *machine = load("cxl-tier");
    assert_int_equal(machine->nodes, 2);
    assert_int_equal(machine->node[1].cpus, 0);
    assert_true(machine->node[1].memory_bytes > 0);
    assert_int_equal(machine_latency_ns(machine, 0, 0), 80);
    assert_int_equal(machine_latency_ns(machine, 0, 1), 170);
    machine_free(machine);
}

static void an_unknown_name_lists_the_presets(void **unused)
{
    (void)unused;
    struct machine *machine = NULL;
    char *error = machine_load("/nonexistent/machine", &machine);
    assert_non_null(error);
    assert_null(machine);
    assert_non_null(strstr(error, "/nonexistent/machine: no machine of this name"));
    for (size_t i = 0; machine_preset_name(i) != NULL; i++)
        assert_non_null(strstr(error, machine_preset_name(i)));
    free(error);
}

static void host_is_the_machine_we_run_on(void **unused)
{
    (void)unused;
    struct machine *machine = load("host");
    assert_true(machine->cpus >= (uint32_t)sysconf(_SC_NPROCESSORS_ONLN));
    assert_string_equal(machine->name, "host");
    machine_free(machine);
}

/* ---- JSON that is read ---- */

static void the_smallest_machine_gets_all_defaults(void **unused)
{
    (void)unused;
    struct machine *machine = read_text("{\"nodes\": [{\"cpus\": [0], \"memory\": \"1G\"}]}");
    assert_string_equal(machine->name, "m");
    assert_int_equal(machine->page_bytes, 4096);
    assert_int_equal(machine->node[0].memory_bytes, UINT64_C(1) << 30);
    assert_int_equal(machine_latency_ns(machine, 0, 0), 89);
    assert_int_equal(machine->tlb.refill, TLB_REFILL_HARDWARE);
    assert_true(machine->tlb.entries > 0 && machine->costs.copy_page_ns > 0);
    machine_free(machine);
}

static void copying_a_larger_page_takes_longer_where_the_file_does_not_say(void **unused)
{
    (void)unused;
    struct machine *machine = read_text("{\"page_size\": \"2M\", \"nodes\": [{\"cpus\": [0]}]}");
    assert_int_equal(machine->costs.copy_page_ns, 300 * 512);
    assert_int_equal(machine->costs.move_page_ns, 3200);
    machine_free(machine);
    machine = read_text("{\"page_size\": \"2M\", \"nodes\": [{\"cpus\": [0]}],"
                        " \"costs\": {\"copy_page_ns\": 7}}");
    assert_int_equal(machine->costs.copy_page_ns, 7);
    machine_free(machine);
    machine = read_text("{\"page_size\": \"1G\", \"nodes\": [{\"cpus\": [0]}],"
                        " \"tlb\": {\"refill\": \"software\"}}");
    assert_int_equal(machine->costs.copy_page_ns, UINT64_C(28800) << 18);
    machine_free(machine);
}

static void software_refill_brings_the_defaults_of_flash(void **unused)
{
    (void)unused;
    struct machine *machine =
        read_text("{\"nodes\": [{\"cpus\": [0]}], \"tlb\": {\"refill\": \"software\"}}");
    struct machine *flash = load("flash-8");
    assert_memory_equal(&machine->tlb, &flash->tlb, sizeof machine->tlb);
    assert_memory_equal(&machine->costs, &flash->costs, sizeof machine->costs);
    machine_free(machine);
    machine_free(flash);
}

static void sizes_may_be_text_or_bytes(void **unused)
{
    (void)unused;
    struct machine *machine =
        read_text("{\"page_size\": \"16K\", \"nodes\": [{\"cpus\": [0], \"memory\": 65536},"
                  "{\"memory\": \"3M\"}, {\"memory\": \"2T\"}]}");
    assert_int_equal(machine->page_bytes, 16384);
    assert_int_equal(machine->node[0].memory_bytes, 65536);
    assert_int_equal(machine->node[1].memory_bytes, 3 << 20);
    assert_int_equal(machine->node[2].memory_bytes, UINT64_C(2) << 40);
    machine_free(machine);
}

static void cpus_may_be_numbers_and_ranges_in_any_order(void **unused)
{
    (void)unused;
    struct machine *machine =
        read_text("{\"nodes\": [{\"cpus\": [\"8-9\", 2]}, {\"cpus\": [\"0-1\", 5]}]}");
    static const uint32_t os_id[] = {0, 1, 2, 5, 8, 9}, node[] = {1, 1, 0, 1, 0, 0};
    assert_int_equal(machine->cpus, 6);
    assert_memory_equal(machine->cpu_os_id, os_id, sizeof os_id);
    assert_memory_equal(machine->cpu_node, node, sizeof node);
    assert_int_equal(machine->node[0].cpus, 3);
    machine_free(machine);
}

static void node_numbers_may_have_gaps(void **unused)
{
    (void)unused;
    struct machine *machine = read_text(
        "{\"nodes\": [{\"id\": 0, \"cpus\": [0]}, {\"id\": 8, \"cpus\": [1]}, {\"id\": 250}],"
        "\"links\": [{\"from\": 250, \"to\": 8, \"gb_per_s\": 1.5}]}");
    assert_int_equal(machine->node[1].os_id, 8);
    assert_int_equal(machine->node[2].os_id, 250);
    assert_int_equal(machine->link[0].from, 2);
    assert_int_equal(machine->link[0].to, 1);
    assert_int_equal(machine->link[0].mb_per_s, 1500);
    machine_free(machine);
}

static void a_byte_order_mark_is_passed_over(void **unused)
{
    (void)unused;
    machine_free(read_text("\xef\xbb\xbf{\"nodes\": [{\"cpus\": [0]}]}"));
}

static void distances_become_ns_and_the_source_says_so(void **unused)
{
    (void)unused;
    struct machine *machine =
        read_text("{\"nodes\": [{\"cpus\": [0]}, {\"cpus\": [1]}], \"local_ns\": 125,"
                  "\"distances\": [[10, 21], [17, 10]]}");
    assert_int_equal(machine_latency_ns(machine, 0, 0), 125);
    assert_int_equal(machine_latency_ns(machine, 0, 1), 263); /* 262.5 */
    assert_int_equal(machine_latency_ns(machine, 1, 0), 213); /* 212.5: it need not be symmetric */
    assert_non_null(strstr(machine->source, "not measured"));
    machine_free(machine);
}

static void measured_fractions_of_a_ns_are_rounded(void **unused)
{
    (void)unused;
    struct machine *machine = read_text("{\"nodes\": [{\"cpus\": [0]}, {\"cpus\": [1]}],"
                                        "\"latency_ns\": [[89.2, 142.7], [142.9, 89.0]]}");
    assert_int_equal(machine_latency_ns(machine, 0, 0), 89);
    assert_int_equal(machine_latency_ns(machine, 0, 1), 143);
    machine_free(machine);
}

static void the_row_of_a_node_without_cpus_is_the_way_back(void **unused)
{
    (void)unused;
    struct machine *machine = read_text("{\"nodes\": [{\"cpus\": [0]}, {\"cpus\": [1]}, {}, {}],"
                                        "\"latency_ns\": [[80, 130, 170, 270], [130, 80, 250, "
                                        "190], [0, null, 0, 0], [0, 7, 0, 0]]}");
    static const uint32_t expected[] = {80,  130, 170, 270, 130, 80, 250, 190,
                                        170, 250, 170, 190, 270, 7,  170, 190};
    assert_memory_equal(machine->latency_ns, expected, sizeof expected);
    machine_free(machine);
}

static void a_node_may_be_without_memory(void **unused)
{
    (void)unused;
    struct machine *machine =
        read_text("{\"nodes\": [{\"cpus\": [0], \"memory\": 0}, {\"memory\": \"1M\"}]}");
    assert_int_equal(machine->node[0].memory_bytes, 0);
    machine_free(machine);
}

/* ---- JSON that is refused ---- */

#define ONE "\"nodes\": [{\"cpus\": [0]}]"
#define TWO "\"nodes\": [{\"cpus\": [0]}, {\"cpus\": [1]}]"

struct refusal {
    const char *text, *message;
};

static void refuse_all(const struct refusal *refusals, size_t count)
{
    for (size_t i = 0; i < count; i++)
        refuses(refusals[i].text, refusals[i].message);
}
#define REFUSE_ALL(refusals) refuse_all(refusals, sizeof(refusals) / sizeof(refusals)[0])

static void what_is_not_a_machine_is_refused(void **unused)
{
    (void)unused;
    static const struct refusal refusals[] = {
        {"", "text: no machine; give JSON"},
        {"hello", "text: no machine; give JSON"},
        {"[1]", "text: no machine; give JSON"},
        {"{\"nodes\": [}", "line 1, column 12: not JSON"},
        {"{\n \"nodes\"\n}", "line 3, column 1: not JSON"},
        {"{" ONE "} x", "not JSON"},
        {"{\"name\": 1, \"name\": 2}", "not JSON: duplicate object key"},
        {"{}", "$: no 'nodes'"},
        {"{\"nodes\": []}", "$.nodes: no nodes"},
        {"{\"nodes\": 3}", "$.nodes: an integer, where a list is expected"},
        {"{\"nodes\": [3]}", "$.nodes[0]: an integer, where an object is expected"},
        {"{\"nodes\": [{\"memory\": 0, \"cpus\": [0]}]}", "$.nodes: no node has memory"},
        {"{\"nodes\": [{\"memory\": \"1G\"}]}", "$.nodes: no node has a CPU"},
    };
    REFUSE_ALL(refusals);
}

static void unknown_keys_are_refused_by_their_path(void **unused)
{
    (void)unused;
    static const struct refusal refusals[] = {
        {"{" ONE ", \"cpu_mhzz\": 1}", "$.cpu_mhzz: unknown key"},
        {"{\"nodes\": [{\"cpus\": [0]}, {\"cpu\": [1]}]}", "$.nodes[1].cpu: unknown key"},
        {"{" ONE ", \"tlb\": {\"size\": 3}}", "$.tlb.size: unknown key"},
        {"{" ONE ", \"costs\": {\"trap_us\": 3}}", "$.costs.trap_us: unknown key"},
        {"{" ONE ", \"links\": [{\"frm\": 3}]}", "$.links[0].frm: unknown key"},
        {"{" ONE ", \"caches\": [{\"level\": 1, \"kind\": \"data\", \"size\": 1, \"ways\": 1, "
         "\"line\": 64, \"x\": 1}]}",
         "$.caches[0].x: unknown key"},
        {"{" ONE ", \"a\\nb\": 1}", "$.a?b: unknown key"},
    };
    REFUSE_ALL(refusals);
}

static void wrong_scalars_are_refused_by_their_path(void **unused)
{
    (void)unused;
    static const struct refusal refusals[] = {
        {"{" ONE ", \"name\": 1}", "$.name: an integer, where text is expected"},
        {"{" ONE
         ", \"name\": \"0123456789012345678901234567890123456789012345678901234567890123\"}",
         "$.name: 64 bytes of text are more than 63"},
        {"{" ONE ", \"cpu_mhz\": 0}", "$.cpu_mhz: 0 is not within 1 to 100000"},
        {"{" ONE ", \"cpu_mhz\": 1.5}", "$.cpu_mhz: a fraction, where an integer is expected"},
        {"{" ONE ", \"cpu_mhz\": 99999999999999999999}", "not JSON: too big integer"},
        {"{" ONE ", \"page_size\": 5000}", "$.page_size: 5000 is not a power of two"},
        {"{" ONE ", \"page_size\": \"4KB\"}", "$.page_size: '4KB' is not a size"},
        {"{" ONE ", \"page_size\": \"\"}", "$.page_size: '' is not a size"},
        {"{" ONE ", \"page_size\": \"99999999999999999999999G\"}", "is not a size"},
        {"{" ONE ", \"page_size\": \"18014398509481984K\"}", "is not a size"}, /* 2^64 */
        {"{" ONE ", \"page_size\": \"4G\"}", "$.page_size: 4G is not within 512 to 1073741824"},
        {"{\"nodes\": [{\"cpus\": [0], \"memory\": -1}]}", "$.nodes[0].memory: -1 is negative"},
        {"{\"nodes\": [{\"cpus\": [0], \"memory\": \"2000T\"}]}",
         "$.nodes[0].memory: 2000T is not within"},
        {"{\"nodes\": [{\"cpus\": [0], \"memory\": 4095}]}",
         "$.nodes[0]: 4095 bytes of memory hold no page"},
        {"{\"nodes\": [{\"cpus\": [0], \"service_ns\": null}]}", "$.nodes[0].service_ns: null"},
        {"{" ONE ", \"costs\": {\"trap_ns\": -5}}", "$.costs.trap_ns: -5 is negative"},
        {"{" ONE ", \"costs\": {\"copy_page_ns\": 10000000001}}",
         "$.costs.copy_page_ns: 10000000001 is not within"},
        {"{" ONE ", \"costs\": 3}", "$.costs: an integer, where an object is expected"},
        {"{" ONE ", \"local_ns\": 0}", "$.local_ns: 0 is not within 1"},
    };
    REFUSE_ALL(refusals);
}

static void wrong_cpus_and_nodes_are_refused_by_their_path(void **unused)
{
    (void)unused;
    static const struct refusal refusals[] = {
        {"{\"nodes\": [{\"cpus\": [4]}, {\"cpus\": [1]}, {\"cpus\": [4]}]}",
         "$.nodes[2].cpus[0]: CPU 4 is on two nodes, 0 and 2"},
        {"{\"nodes\": [{\"cpus\": [0, 7, \"5-9\"]}]}", "$.nodes[0].cpus[2]: CPU 7 is listed twice"},
        {"{\"nodes\": [{\"cpus\": [\"5-4\"]}]}", "$.nodes[0].cpus[0]: '5-4' is not a range"},
        {"{\"nodes\": [{\"cpus\": [\"a\"]}]}", "$.nodes[0].cpus[0]: 'a' is not a range"},
        {"{\"nodes\": [{\"cpus\": [\"1K\"]}]}", "$.nodes[0].cpus[0]: '1K' is not a range"},
        {"{\"nodes\": [{\"cpus\": [-1]}]}", "$.nodes[0].cpus[0]: -1 is negative"},
        {"{\"nodes\": [{\"cpus\": [\"0-9999\"]}]}", "$.nodes[0].cpus[0]: more than 4096 CPUs"},
        {"{\"nodes\": [{\"cpus\": [\"99999999-99999999\"]}]}",
         "$.nodes[0].cpus[0]: CPU number 99999999 is beyond"},
        {"{\"nodes\": [{\"cpus\": 0}]}", "$.nodes[0].cpus: an integer, where a list is expected"},
        {"{\"nodes\": [{\"id\": 3, \"cpus\": [0]}, {\"id\": 3}]}",
         "$.nodes[1]: node 3 stands after node 3"},
        {"{\"nodes\": [{\"id\": 3, \"cpus\": [0]}, {}]}", "$.nodes[1]: node 1 stands after node 3"},
    };
    REFUSE_ALL(refusals);
}

static void more_nodes_than_the_limit_are_refused(void **unused)
{
    (void)unused;
    char text[1024] = "{\"nodes\": [{\"cpus\": [0]}";
    for (unsigned i = 1; i < 65; i++)
        strcat(text, ",{}");
    strcat(text, "]}");
    refuses(text, "$.nodes[64]: more than 64 nodes");
}

static void wrong_latencies_are_refused_by_their_path(void **unused)
{
    (void)unused;
    static const struct refusal refusals[] = {
        {"{" TWO ", \"latency_ns\": [[1, 2]]}", "$.latency_ns: 1 rows for 2 nodes"},
        {"{" TWO ", \"latency_ns\": [[1, 2], [1, 2], [1, 2]]}", "$.latency_ns: 3 rows for 2 nodes"},
        {"{" TWO ", \"latency_ns\": [[1, 2], [1]]}", "$.latency_ns[1]: 1 columns for 2 nodes"},
        {"{" TWO ", \"latency_ns\": [[1, 2], 3]}",
         "$.latency_ns[1]: an integer, where a list is expected"},
        {"{" TWO ", \"latency_ns\": [[1, -2], [1, 2]]}",
         "$.latency_ns[0][1]: a negative latency, -2"},
        {"{" TWO ", \"latency_ns\": [[1, 2000000], [1, 2]]}",
         "$.latency_ns[0][1]: a latency of 2e+06 ns"},
        {"{" TWO ", \"latency_ns\": [[1, 0.1], [1, 2]]}",
         "$.latency_ns[0][1]: a latency of 0.1 ns"},
        {"{" TWO ", \"latency_ns\": [[1, \"2\"], [1, 2]]}",
         "$.latency_ns[0][1]: text, where a number of ns"},
        {"{" TWO ", \"latency_ns\": [[1, 2], [3, 0]]}", "$.latency_ns[1][1]: a local latency of 0"},
        {"{" TWO ", \"latency_ns\": [[1, 0], [3, 4]]}",
         "$.latency_ns[0][1]: the CPUs of node 0 cannot reach node 1"},
        {"{\"nodes\": [{\"cpus\": [0]}, {}], \"latency_ns\": [[1, null], [3, 4]]}",
         "$.nodes[1]: no CPU can reach node 1"},
        {"{" TWO ", \"latency_ns\": [[1, 2], [2, 1]], \"distances\": [[10, 20], [20, 10]]}",
         "$.distances: $.latency_ns says it"},
        {"{" TWO ", \"latency_ns\": [[1, 2], [2, 1]], \"local_ns\": 3}",
         "$.local_ns: $.latency_ns says it"},
        {"{" TWO ", \"distances\": [[10, 255], [20, 10]]}",
         "$.distances[0][1]: 255 is not within 1 to 254"},
        {"{" TWO ", \"distances\": [[10, 20], [0, 10]]}",
         "$.distances[1][0]: 0 is not within 1 to 254"},
        {"{" TWO ", \"distances\": [[10, 20], [200, 10]], \"local_ns\": 900000}",
         "$.distances[0][1]: distance 20 at 900000 ns"},
    };
    REFUSE_ALL(refusals);
}

#define CACHE(rest) ONE ", \"caches\": [{\"level\": 1, \"kind\": \"data\", " rest "}]"
#define L1_REST(line)                                                                              \
    "\"level\": 1, \"kind\": \"unified\", \"size\": 4096, \"ways\": 2, \"line\": " #line "}"
#define L1(line) "{" L1_REST(line)
#define L2_REST(kind, line)                                                                        \
    "\"level\": 2, \"kind\": \"" kind "\", \"size\": 4096, \"ways\": 2, \"line\": " #line "}"
#define L2(kind, line) "{" L2_REST(kind, line)

static void wrong_tlbs_caches_and_links_are_refused_by_their_path(void **unused)
{
    (void)unused;
    static const struct refusal refusals[] = {
        {"{" ONE ", \"tlb\": {\"entries\": 64, \"ways\": 3}}",
         "$.tlb.ways: 64 entries in sets of 3"},
        {"{" ONE ", \"tlb\": {\"entries\": 96, \"ways\": 8}}",
         "$.tlb.ways: 96 entries in sets of 8"},
        {"{" ONE ", \"tlb\": {\"entries\": 64, \"ways\": \"all\"}}",
         "$.tlb.ways: text, where an integer"},
        {"{" ONE ", \"tlb\": {\"pages_per_entry\": 3}}",
         "$.tlb.pages_per_entry: 3 is not within 1 to 2"},
        {"{" ONE ", \"tlb\": {\"refill\": \"magic\"}}",
         "$.tlb.refill: 'magic' is neither 'software' nor 'hardware'"},
        {"{" ONE ", \"tlb\": {\"tagged\": 1}}", "$.tlb.tagged: an integer, where true or false"},
        {"{" ONE ", \"l2tlb\": {\"entries\": 100}}", "$.l2tlb.entries: 100 is not a power of two"},
        {"{" ONE ", \"l2tlb\": {\"entries\": 64, \"ways\": 3}}",
         "$.l2tlb.ways: 3 does not divide 64"},
        {"{" ONE ", \"caches\": [{\"level\": 1}]}", "$.caches[0]: no 'kind'"},
        {"{" CACHE("\"size\": \"32K\", \"ways\": 3, \"line\": 64") "}",
         "$.caches[0]: 32768 bytes do not divide into sets of 3"},
        {"{" CACHE("\"size\": \"32K\", \"ways\": 2, \"line\": 48") "}",
         "$.caches[0]: a line of 48 bytes"},
        {"{" CACHE("\"size\": \"32K\", \"ways\": 2, \"line\": 512") "}",
         "$.caches[0].line: 512 is not within 8 to 256"},
        {"{" CACHE("\"size\": \"32K\", \"ways\": 2, \"line\": 64, \"cpus\": \"socket\"") "}",
         "$.caches[0].cpus: 'socket' is neither a number nor 'node'"},
        {"{" CACHE("\"size\": \"32K\", \"ways\": 2, \"line\": 64, \"latency_ns\": 1") "}",
         "$.caches[0]: latency_ns of level 1"},
        {"{" CACHE("\"size\": \"32K\", \"ways\": 2, \"line\": 64, \"inclusion\": "
                   "\"inclusive\"") "}",
         "$.caches[0]: no cache is above it that it could include"},
        {"{" CACHE("\"size\": \"24K\", \"ways\": 2, \"line\": 64, \"index\": "
                   "\"virtual\"") "}",
         "$.caches[0]: 192 sets are no power of two"},
        {"{" CACHE("\"size\": \"32K\", \"ways\": \"full\", \"line\": 64, \"replacement\": "
                   "\"plru\"") "}",
         "$.caches[0]: 512 ways under plru"},
        {"{" TWO ", \"caches\": [" L1(64) ", " L1(64) "]}",
         "$.caches[0]: another cache of level 1"},
        {"{" TWO ", \"caches\": [" L1(64) ", " L2("data", 64) "]}",
         "$.caches[1]: a cache of one kind behind the unified one"},
        {"{" TWO ", \"caches\": [" L1(64) ", " L2("unified", 32) "]}",
         "$.caches[1]: its lines of 32 bytes are shorter"},
        {"{" TWO
         ", \"caches\": [" L1(64) ", {\"inclusion\": \"exclusive\", " L2_REST("unified", 128) "]}",
         "$.caches[1]: exclusive, and the cache above it"},
        {"{\"nodes\": [{\"cpus\": [\"0-3\"]}], \"caches\": [{\"cpus\": 4, " L1_REST(
             64) ", "
                 "{\"cpus\": 2, " L2_REST("unified", 64) "]}",
         "$.caches[1]: CPUs that share a cache of level 1 do not share one of level 2"},
        {"{" ONE ", \"caches\": [{\"level\": 1, \"kind\": \"big\", \"size\": 64, \"ways\": 1, "
         "\"line\": 64}]}",
         "$.caches[0]: kind 'big' is none of"},
        {"{" ONE ", \"caches\": [1,2,3,4,5,6,7,8,9]}", "$.caches: more than 8 caches"},
        {"{" ONE ", \"links\": [{\"from\": 0, \"to\": 1, \"gb_per_s\": 1}]}",
         "$.links[0].to: no node 1"},
        {"{" ONE ", \"links\": [{\"from\": 0}]}", "$.links[0].to: missing"},
        {"{" ONE ", \"links\": [{\"from\": 0, \"to\": 0, \"gb_per_s\": -1}]}",
         "$.links[0].gb_per_s: not a rate"},
        {"{" ONE ", \"links\": [{\"from\": 0, \"to\": 0}]}", "$.links[0].gb_per_s: not a rate"},
    };
    REFUSE_ALL(refusals);
}

static void caches_have_defaults_and_a_sharing(void **unused)
{
    (void)unused;
    struct machine *machine = read_text(
        "{\"nodes\": [{\"cpus\": [0, 2, 1, 3, 4]}, {\"cpus\": [\"5-8\"]}, {}], \"caches\": ["
        "{\"level\": 1, \"kind\": \"data\", \"size\": \"32K\", \"ways\": 8, \"line\": 64, "
        "\"cpus\": 2},"
        "{\"level\": 2, \"kind\": \"unified\", \"size\": \"1M\", \"ways\": \"full\", \"line\": 64,"
        " \"cpus\": \"node\"},"
        "{\"level\": 3, \"kind\": \"unified\", \"size\": \"11M\", \"ways\": 11, \"line\": 64,"
        " \"cpus\": 64, \"inclusion\": \"inclusive\", \"replacement\": \"plru\"}]}");
    static const uint32_t groups[][9] = {{0, 1, 0, 1, 2, 3, 3, 4, 4}, {0, 0, 0, 0, 0, 1, 1, 1, 1}};
    uint32_t group[9];
    assert_int_equal(machine_cache_groups(machine, 0, group), 5);
    assert_memory_equal(group, groups[0], sizeof group);
    assert_int_equal(machine_cache_groups(machine, 1, group), 2);
    assert_memory_equal(group, groups[1], sizeof group);
    assert_int_equal(machine_cache_groups(machine, 2, group), 1);
    assert_int_equal(machine->cache[0].inclusion, CACHE_INCLUSION_NONE);
    assert_int_equal(machine->cache[0].latency_ns, 0);
    assert_int_equal(machine->cache[1].latency_ns, 5);
    assert_int_equal(machine->cache[1].ways, 16384);
    assert_int_equal(machine->cache[2].replacement, CACHE_REPLACE_PLRU);
    machine_free(machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_presets_are_those_promised),
        cmocka_unit_test(a_preset_says_which_of_its_figures_are_unchecked),
        cmocka_unit_test(flash_has_the_latencies_of_the_disco_paper),
        cmocka_unit_test(actions_on_flash_cost_what_table_3_prints),
        cmocka_unit_test(altix_has_the_five_distances_and_no_others),
        cmocka_unit_test(cxl_tier_has_a_node_without_cpus),
        cmocka_unit_test(an_unknown_name_lists_the_presets),
        cmocka_unit_test(host_is_the_machine_we_run_on),
        cmocka_unit_test(the_smallest_machine_gets_all_defaults),
        cmocka_unit_test(copying_a_larger_page_takes_longer_where_the_file_does_not_say),
        cmocka_unit_test(software_refill_brings_the_defaults_of_flash),
        cmocka_unit_test(sizes_may_be_text_or_bytes),
        cmocka_unit_test(cpus_may_be_numbers_and_ranges_in_any_order),
        cmocka_unit_test(node_numbers_may_have_gaps),
        cmocka_unit_test(a_byte_order_mark_is_passed_over),
        cmocka_unit_test(distances_become_ns_and_the_source_says_so),
        cmocka_unit_test(measured_fractions_of_a_ns_are_rounded),
        cmocka_unit_test(the_row_of_a_node_without_cpus_is_the_way_back),
        cmocka_unit_test(a_node_may_be_without_memory),
        cmocka_unit_test(what_is_not_a_machine_is_refused),
        cmocka_unit_test(unknown_keys_are_refused_by_their_path),
        cmocka_unit_test(wrong_scalars_are_refused_by_their_path),
        cmocka_unit_test(wrong_cpus_and_nodes_are_refused_by_their_path),
        cmocka_unit_test(more_nodes_than_the_limit_are_refused),
        cmocka_unit_test(wrong_latencies_are_refused_by_their_path),
        cmocka_unit_test(caches_have_defaults_and_a_sharing),
        cmocka_unit_test(wrong_tlbs_caches_and_links_are_refused_by_their_path),
    };
    return cmocka_run_group_tests_name("machine", tests, NULL, NULL);
}
