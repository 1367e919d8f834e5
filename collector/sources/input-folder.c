#include "collector/sources/input-folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define BUFFER_BYTES (64u << 10) /* of each file: there may be thousands */

bool input_is_folder(const char *path)
{
    struct stat status;
    return strcmp(path, "-") != 0 && stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static char *fail(const char *path, const char *why)
{
    char *error = NULL;
    return asprintf(&error, "%s: %s", path, why) < 0 ? NULL : error;
}

/* A file stays open for each thread, and the usual limit is 1024. */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static bool is_regular(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

static char *open_one(const char *path, struct input_set *set)
{
    struct input **more = realloc(set->input, (set->inputs + 1) * sizeof(struct input *));
    if (more == NULL) {
        return fail(path, "out of memory");
    }
    set->input = more;
    char *error = input_open_small(path, BUFFER_BYTES, &set->input[set->inputs]);
    set->inputs += error == NULL;
    return error;
}

/* An entry of the folder: opened where it is a wanted file. */
static char *take_entry(const char *folder, const char *name, bool wanted, struct input_set *set)
{
    char *path = NULL, *error = NULL;
    if (asprintf(&path, "%s/%s", folder, name) < 0) {
        return fail(folder, "out of memory");
    }
    if (is_regular(path)) {
        error = wanted ? open_one(path, set) : NULL;
        set->left_alone += !wanted;
    }
    free(path);
    return error;
}

/* The wanted files of `path`, added to `set`. */
static char *open_files(const char *path, bool (*wanted)(const char *name), struct input_set *set)
{
    struct dirent **entry = NULL;
    int entries = scandir(path, &entry, NULL, alphasort);
    if (entries < 0) {
        return fail(path, strerror(errno));
    }
    char *error = NULL;
    for (int i = 0; i < entries; i++) {
        if (error == NULL) {
            error = take_entry(path, entry[i]->d_name, wanted(entry[i]->d_name), set);
        }
        free(entry[i]);
    }
    free(entry);
    return error;
}

char *input_open_folder(const char *path, const char *inner, bool (*wanted)(const char *name),
                        const char *what, struct input_set *out)
{
    *out = (struct input_set){.name = path};
    raise_file_limit();
    char *error = open_files(path, wanted, out);
    char *below = NULL;
    if (error == NULL && out->inputs == 0 && asprintf(&below, "%s/%s", path, inner) < 0) {
        below = NULL;
        error = fail(path, "out of memory");
    }
    if (below != NULL && input_is_folder(below)) {
        out->left_alone = 0;
        error = open_files(below, wanted, out);
    }
    free(below);
    if (error == NULL && out->inputs == 0) {
        error = fail(path, what);
    }
    if (error != NULL) {
        input_close_set(out);
    }
    return error;
}

void input_close_set(struct input_set *set)
{
    for (size_t i = 0; i < set->inputs; i++) {
        input_close(set->input[i]);
    }
    free(set->input);
    *set = (struct input_set){0};
}
