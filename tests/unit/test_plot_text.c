/* disco-plot's text and its reading of a script's header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <iconv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plots/chart.h"
#include "plots/text.h"

static char *written(void (*write)(FILE *, const char *), const char *text)
{
    char *out = NULL;
    size_t bytes = 0;
    FILE *file = open_memstream(&out, &bytes);
    assert_non_null(file);
    write(file, text);
    fclose(file);
    return out;
}

static void expect(void (*write)(FILE *, const char *), const char *text, const char *wanted)
{
    char *out = written(write, text);
    assert_string_equal(out, wanted);
    free(out);
}

static void a_string_keeps_what_gnuplot_would_act_on(void **state)
{
    (void)state;
    expect(text_write_quoted, "", "''");
    expect(text_write_quoted, "a_b^{c} @d `e` \"f\" \\n $g # h ; %s",
           "'a_b^{c} @d `e` \"f\" \\n $g # h ; %s'");
    expect(text_write_quoted, "it's", "'it'.\"'\".'s'");
    expect(text_write_quoted, "'", "''.\"'\".''");
}

static void a_field_of_a_data_file_has_no_tabs_lines_or_double_quotes(void **state)
{
    (void)state;
    expect(text_write_field, "a\tb\nc\rd\x1b[1me\x7f", "a b c d [1me ");
    expect(text_write_field, "\"x\" \\n", "'x' \\\\n");
    expect(text_write_field, "it's", "it's");
}

/* The judge is iconv, but for the characters that the header says are left out. */
static bool judge(const char *bytes, size_t length)
{
    iconv_t converter = iconv_open("UTF-32LE", "UTF-8");
    assert_true(converter != (iconv_t)-1);
    uint32_t code[8];
    char *in = (char *)bytes, *out = (char *)code;
    size_t in_left = length, out_left = sizeof code;
    bool well = iconv(converter, &in, &in_left, &out, &out_left) != (size_t)-1;
    iconv_close(converter);
    return well && out_left == sizeof code - 4 && code[0] >= 0xA0 && code[0] != 0xFFFE &&
           code[0] != 0xFFFF;
}

static void bytes_are_kept_where_iconv_says_they_are_one_character(void **state)
{
    (void)state;
    uint32_t seed = 1;
    size_t kept = 0;
    for (int round = 0; round < 60000; round++) {
        char bytes[5] = {0};
        size_t length = 2 + (size_t)round % 3;
        for (size_t i = 0; i < length; i++) {
            seed = seed * 1664525u + 1013904223u;
            unsigned char random = (unsigned char)(seed >> 24);
            /* mostly well-formed, so that the borders are met */
            bytes[i] = (char)(i == 0              ? 0xC0 | (random & 0x3F)
                              : (random & 7) != 0 ? 0x80 | (random >> 2)
                                                  : random | 1);
        }
        char *out = written(text_write_field, bytes);
        bool whole = strcmp(out, bytes) == 0;
        bool one = judge(bytes, length);
        if (one)
            assert_true(whole);
        if (whole) { /* then every byte belongs to a character, and iconv reads them all */
            kept++;
            iconv_t converter = iconv_open("UTF-32LE", "UTF-8");
            uint32_t code[8];
            char *in = bytes, *to = (char *)code;
            size_t in_left = length, out_left = sizeof code;
            assert_true(iconv(converter, &in, &in_left, &to, &out_left) != (size_t)-1);
            iconv_close(converter);
        }
        free(out);
    }
    assert_in_range(kept, 1000, 60000);
}

static void a_file_name_never_leaves_its_folder(void **state)
{
    (void)state;
    char *name = text_file_name("../a b/\xc3\xa9*.c");
    assert_string_equal(name, "---a-b-----c");
    free(name);
    char longest[200];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    name = text_file_name(longest);
    assert_int_equal(strlen(name), 60);
    free(name);
}

/* Parses, hands the chart over in a list of one so that it can be freed. */
static char *parse(const char *text, struct charts *charts)
{
    *charts = (struct charts){.chart = calloc(1, sizeof(struct chart)), .count = 1};
    assert_non_null(charts->chart);
    return chart_parse("x.gp", "x", text, charts->chart);
}

static void a_header_is_read_with_its_continuations_and_comments(void **state)
{
    (void)state;
    struct charts charts;
    char *why = parse("# about: What: it shows\n"
                      "## a comment, # data no: SELECT 0\n"
                      "# picture: run\n"
                      "# extension\n"
                      "# empty: nothing\n"
                      "#\n"
                      "# let one: SELECT :grid_x\n"
                      "# table t: SELECT 1\n"
                      "# data rows: SELECT a,\n"
                      "#     b\n"
                      "## between\n"
                      "#   FROM c\n"
                      "plot data_rows\n"
                      "# about: not the header any more\n",
                      &charts);
    assert_null(why);
    const struct chart *chart = charts.chart;
    assert_string_equal(chart->about, "What: it shows");
    assert_string_equal(chart->empty, "nothing");
    assert_int_equal(chart->of, PICTURE_OF_RUN);
    assert_true(chart->extension);
    assert_null(chart->size_sql);
    assert_int_equal(chart->queries, 3);
    assert_string_equal(chart->query[0].name, "one");
    assert_string_equal(chart->query[0].sql, "SELECT :grid_x");
    assert_int_equal(chart->query[1].kind, QUERY_TABLE);
    assert_int_equal(chart->query[2].kind, QUERY_DATA);
    assert_string_equal(chart->query[2].sql, "SELECT a, b FROM c");
    charts_free(&charts);
}

static void a_script_without_about_is_no_chart(void **state)
{
    (void)state;
    struct charts charts;
    assert_null(parse("# What all charts share: colours\nset grid\n", &charts));
    assert_null(charts.chart->about);
    charts_free(&charts);
    assert_null(parse("", &charts));
    assert_null(charts.chart->about);
    charts_free(&charts);
}

static void a_wrong_header_is_refused_with_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *wanted;
    } cases[] = {
        {"# about: a\n# empty: b\n# colour: red\n", "x.gp: line 3: 'colour' is no entry"},
        {"# about: a\n# picture: pie\n", "x.gp: line 2: no pictures of 'pie'"},
        {"# about: a\n# data 7up: SELECT 1\n", "x.gp: line 2: '7up' is no name"},
        {"# about: a\n# data: SELECT 1\n", "x.gp: line 2: 'data' is no entry"},
        {"# about: a\n# words alone\n", "x.gp: line 2: 'words alone' is no entry"},
        {"# about: a\n# empty: b\nplot x\n", "x.gp: its header has no 'data'"},
        {"# about: a\n# data d: SELECT 1\n", "x.gp: its header has no 'data' or no 'empty'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct charts charts;
        char *why = parse(cases[i].text, &charts);
        assert_non_null(why);
        assert_memory_equal(why, cases[i].wanted, strlen(cases[i].wanted));
        free(why);
        charts_free(&charts);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_string_keeps_what_gnuplot_would_act_on),
        cmocka_unit_test(a_field_of_a_data_file_has_no_tabs_lines_or_double_quotes),
        cmocka_unit_test(bytes_are_kept_where_iconv_says_they_are_one_character),
        cmocka_unit_test(a_file_name_never_leaves_its_folder),
        cmocka_unit_test(a_header_is_read_with_its_continuations_and_comments),
        cmocka_unit_test(a_script_without_about_is_no_chart),
        cmocka_unit_test(a_wrong_header_is_refused_with_its_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
