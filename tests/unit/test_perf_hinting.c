/* The switch of NUMA balancing on files of our own: whatever happens, the old values come back. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/sources/perf/hinting.h"

/* A folder that looks like the system. */
struct fake {
    char folder[64], path[8][128];
    struct hinting_places places;
};

enum { SWITCH, STATE, LOCK, DELAY, LEAST, MOST };

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static long get(const char *path)
{
    long value = -1;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%ld", &value), 1);
    fclose(file);
    return value;
}

static long size_of(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 ? (long)info.st_size : -1;
}

static void name(struct fake *fake, int which, const char *last)
{
    char folder[sizeof fake->folder];
    memcpy(folder, fake->folder, sizeof folder);
    snprintf(fake->path[which], sizeof fake->path[which], "%s/%s", folder, last);
}

static int set_up(void **state)
{
    struct fake *fake = calloc(1, sizeof *fake);
    char folder[128];
    assert_non_null(fake);
    snprintf(fake->folder, sizeof fake->folder, "/tmp/disco-hinting.XXXXXX");
    assert_non_null(mkdtemp(fake->folder));
    snprintf(folder, sizeof folder, "%s/sched", fake->folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    snprintf(folder, sizeof folder, "%s/sched/numa_balancing", fake->folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    name(fake, SWITCH, "numa_balancing");
    name(fake, STATE, "state");
    name(fake, LOCK, "lock");
    name(fake, DELAY, "sched/numa_balancing/scan_delay_ms");
    name(fake, LEAST, "sched/numa_balancing/scan_period_min_ms");
    name(fake, MOST, "sched/numa_balancing/scan_period_max_ms");
    put(fake->path[SWITCH], "0\n");
    put(fake->path[DELAY], "1000\n");
    put(fake->path[LEAST], "1001\n");
    put(fake->path[MOST], "60000\n");
    fake->places = (struct hinting_places){
        .switch_file = fake->path[SWITCH],
        .debug_folder = fake->folder,
        .state_file = fake->path[STATE],
        .lock_file = fake->path[LOCK],
    };
    *state = fake;
    return 0;
}

static int tear_down(void **state)
{
    struct fake *fake = *state;
    char folder[128];
    for (int i = 0; i < 8; i++)
        if (fake->path[i][0])
            unlink(fake->path[i]);
    snprintf(folder, sizeof folder, "%s/sched/numa_balancing", fake->folder);
    rmdir(folder);
    snprintf(folder, sizeof folder, "%s/sched", fake->folder);
    rmdir(folder);
    rmdir(fake->folder);
    free(fake);
    return 0;
}

static struct hinting *start(const struct fake *fake, uint32_t scan_period_ms)
{
    struct hinting_wish wish = {scan_period_ms};
    struct hinting *hinting = NULL;
    char *error = hinting_start(&fake->places, &wish, &hinting);
    if (error)
        print_error("%s\n", error);
    assert_null(error);
    return hinting;
}

/* What a guardian does after its recorder is gone, it does soon. */
static bool becomes(const char *path, long value)
{
    for (int i = 0; i < 6000; i++) {
        if (get(path) == value)
            return true;
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    }
    return false;
}

static void it_is_switched_on_and_put_back(void **state)
{
    const struct fake *fake = *state;
    struct hinting *hinting = start(fake, 0);
    assert_int_equal(get(fake->path[SWITCH]), 1);
    assert_null(hinting_remark(hinting));
    assert_null(hinting_stop(hinting));
    assert_int_equal(get(fake->path[SWITCH]), 0);
    assert_int_equal(size_of(fake->path[STATE]), 0);
}

static void what_is_on_stays_on(void **state)
{
    const struct fake *fake = *state;
    put(fake->path[SWITCH], "1\n");
    assert_null(hinting_stop(start(fake, 0)));
    assert_int_equal(get(fake->path[SWITCH]), 1);
}

static void tiering_stays_as_it_is(void **state)
{
    const struct fake *fake = *state;
    put(fake->path[SWITCH], "2\n");
    struct hinting *hinting = start(fake, 0);
    assert_int_equal(get(fake->path[SWITCH]), 3);
    assert_null(hinting_stop(hinting));
    assert_int_equal(get(fake->path[SWITCH]), 2);
}

static void the_scan_period_is_set_and_put_back(void **state)
{
    const struct fake *fake = *state;
    struct hinting *hinting = start(fake, 100);
    assert_null(hinting_remark(hinting));
    assert_int_equal(get(fake->path[DELAY]), 100);
    assert_int_equal(get(fake->path[LEAST]), 100);
    assert_int_equal(get(fake->path[MOST]), 100);
    assert_null(hinting_stop(hinting));
    assert_int_equal(get(fake->path[DELAY]), 1000);
    assert_int_equal(get(fake->path[LEAST]), 1001);
    assert_int_equal(get(fake->path[MOST]), 60000);
    assert_int_equal(get(fake->path[SWITCH]), 0);
}

static void a_scan_period_that_cannot_be_set_is_a_remark(void **state)
{
    const struct fake *fake = *state;
    assert_int_equal(unlink(fake->path[DELAY]), 0);
    struct hinting *hinting = start(fake, 100);
    assert_non_null(strstr(hinting_remark(hinting), "scan_delay_ms: No such file"));
    assert_int_equal(get(fake->path[SWITCH]), 1);
    assert_null(hinting_stop(hinting));
    assert_int_equal(get(fake->path[SWITCH]), 0);
}

static void the_last_of_two_puts_it_back(void **state)
{
    const struct fake *fake = *state;
    struct hinting *first = start(fake, 0), *second = start(fake, 200);
    assert_null(hinting_stop(first));
    assert_int_equal(get(fake->path[SWITCH]), 1);
    assert_int_equal(get(fake->path[DELAY]), 200);
    assert_null(hinting_stop(second));
    assert_int_equal(get(fake->path[SWITCH]), 0);
    assert_int_equal(get(fake->path[DELAY]), 1000);
}

static void a_killed_recorder_is_cleaned_up_after(void **state)
{
    const struct fake *fake = *state;
    int status;
    pid_t recorder = fork();
    if (recorder == 0) {
        struct hinting_wish wish = {0};
        struct hinting *hinting = NULL;
        free(hinting_start(&fake->places, &wish, &hinting));
        if (get(fake->path[SWITCH]) == 1)
            raise(SIGKILL);
        _exit(1);
    }
    assert_int_equal(waitpid(recorder, &status, 0), recorder);
    assert_true(WIFSIGNALED(status));
    assert_true(becomes(fake->path[SWITCH], 0));
}

static pid_t only_child(void)
{
    char path[64];
    int child = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%d", &child) != 1)
        child = 0;
    fclose(file);
    return child;
}

static void a_killed_guardian_is_repaired_by_its_recorder(void **state)
{
    const struct fake *fake = *state;
    struct hinting *hinting = start(fake, 300);
    pid_t guardian = only_child();
    if (guardian == 0) {
        assert_null(hinting_stop(hinting));
        skip(); /* a kernel without CONFIG_PROC_CHILDREN */
    }
    assert_int_equal(kill(guardian, SIGTERM), 0); /* not listened to */
    assert_int_equal(kill(guardian, SIGKILL), 0);
    assert_null(hinting_stop(hinting));
    assert_int_equal(get(fake->path[SWITCH]), 0);
}

static void what_a_killed_pair_left_is_put_back_by_the_next(void **state)
{
    const struct fake *fake = *state;
    char text[512];
    snprintf(text, sizeof text, "0 %s\n700 %s\n", fake->path[SWITCH], fake->path[DELAY]);
    put(fake->path[STATE], text);
    put(fake->path[SWITCH], "1\n");
    put(fake->path[DELAY], "100\n");
    assert_null(hinting_stop(start(fake, 0)));
    assert_int_equal(get(fake->path[SWITCH]), 0);
    assert_int_equal(get(fake->path[DELAY]), 700);
}

static void a_state_file_cannot_name_other_files(void **state)
{
    struct fake *fake = *state;
    char text[512];
    name(fake, MOST + 1, "victim");
    put(fake->path[MOST + 1], "5\n");
    snprintf(text, sizeof text, "7 %s\nnonsense\n\n9\n", fake->path[MOST + 1]);
    put(fake->path[STATE], text);
    assert_null(hinting_stop(start(fake, 0)));
    assert_int_equal(get(fake->path[MOST + 1]), 5);
    assert_int_equal(get(fake->path[SWITCH]), 0);
}

static void a_kernel_without_it_is_named(void **state)
{
    const struct fake *fake = *state;
    struct hinting_wish wish = {0};
    struct hinting *hinting = NULL;
    assert_int_equal(unlink(fake->path[SWITCH]), 0);
    char *error = hinting_start(&fake->places, &wish, &hinting);
    assert_non_null(error);
    assert_non_null(strstr(error, "CONFIG_NUMA_BALANCING"));
    free(error);
}

static void a_state_that_cannot_be_kept_changes_nothing(void **state)
{
    struct fake *fake = *state;
    struct hinting_wish wish = {0};
    struct hinting *hinting = NULL;
    struct hinting_places places = fake->places;
    places.state_file = "/nonexistent/state";
    char *error = hinting_start(&places, &wish, &hinting);
    assert_non_null(error);
    assert_non_null(strstr(error, "/nonexistent/state"));
    free(error);
    assert_int_equal(get(fake->path[SWITCH]), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_switched_on_and_put_back),
        TEST(what_is_on_stays_on),
        TEST(tiering_stays_as_it_is),
        TEST(the_scan_period_is_set_and_put_back),
        TEST(a_scan_period_that_cannot_be_set_is_a_remark),
        TEST(the_last_of_two_puts_it_back),
        TEST(a_killed_recorder_is_cleaned_up_after),
        TEST(a_killed_guardian_is_repaired_by_its_recorder),
        TEST(what_a_killed_pair_left_is_put_back_by_the_next),
        TEST(a_state_file_cannot_name_other_files),
        TEST(a_kernel_without_it_is_named),
        TEST(a_state_that_cannot_be_kept_changes_nothing),
    };
    return cmocka_run_group_tests_name("hinting", tests, NULL, NULL);
}
