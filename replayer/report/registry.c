#include "replayer/report/registry.h"

#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Made by the linker around the section that DISCO_POLICY fills. Weak: a program may have none. */
extern const struct policy *const __start_disco_policies[]
    __attribute__((weak, visibility("hidden")));
extern const struct policy *const __stop_disco_policies[]
    __attribute__((weak, visibility("hidden")));

struct registry {
    const struct policy **policy; /* [count] sorted by name */
    size_t count;
    void **object; /* [objects] from dlopen */
    size_t objects;
};

static int by_name(const void *a, const void *b)
{
    const struct policy *const *one = (const struct policy *const *)a;
    const struct policy *const *other = (const struct policy *const *)b;
    return strcmp((*one)->name, (*other)->name);
}

char *registry_open(struct registry **out)
{
    struct registry *registry = calloc(1, sizeof *registry);
    *out = registry;
    if (registry == NULL)
        return say_no_memory();
    uintptr_t bytes = (uintptr_t)__stop_disco_policies - (uintptr_t)__start_disco_policies;
    registry->count = bytes / sizeof(const struct policy *);
    registry->policy = calloc(registry->count + 1, sizeof(const struct policy *));
    if (registry->policy == NULL)
        return say_no_memory();
    for (size_t i = 0; i < registry->count; i++)
        registry->policy[i] = __start_disco_policies[i];
    if (registry->count > 0)
        qsort(registry->policy, registry->count, sizeof(const struct policy *), by_name);
    return NULL;
}

void registry_free(struct registry *registry)
{
    if (registry == NULL)
        return;
    for (size_t i = 0; i < registry->objects; i++)
        (void)dlclose(registry->object[i]);
    free(registry->object);
    free(registry->policy);
    free(registry);
}

size_t registry_count(const struct registry *registry)
{
    return registry->count;
}

const struct policy *registry_policy(const struct registry *registry, size_t index)
{
    return registry->policy[index];
}

/* "a, b, c" of the names of a table; from malloc, NULL when memory is short. */
static char *names(size_t count, const char *(*name)(const void *table, size_t index),
                   const void *table)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *stream = open_memstream(&text, &bytes);
    if (stream == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++)
        (void)fprintf(stream, "%s%s", i > 0 ? ", " : "", name(table, i));
    if (fclose(stream) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

static const char *name_of_policy(const void *table, size_t index)
{
    return ((const struct registry *)table)->policy[index]->name;
}

static const char *name_of_param(const void *table, size_t index)
{
    return ((const struct policy *)table)->params[index].name;
}

/* A shared object is somebody else's: everything that the replay relies on is looked at. */
static const char *not_sane(const struct policy *policy)
{
    if (policy == NULL)
        return "disco_policy() gives no policy";
    if (policy->abi != DISCO_POLICY_ABI)
        return "it was built for another version of policies/policy.h; build it again with this "
               "one";
    if (policy->name == NULL || policy->name[0] == '\0' || policy->summary == NULL)
        return "its policy has no name or no summary";
    if (policy->place == NULL)
        return "its policy has no place function; policy_place_first_touch is the simplest";
    if (policy->param_count > 0 && policy->params == NULL)
        return "its policy counts parameters but has no table of them";
    for (size_t i = 0; i < policy->param_count; i++) {
        const struct policy_param *param = &policy->params[i];
        if (param->name == NULL || param->unit == NULL || param->help == NULL ||
            param->source == NULL)
            return "a parameter lacks its name, unit, help or source";
        if (param->least > param->most || param->standard < param->least ||
            param->standard > param->most)
            return "a parameter's default is outside its range";
    }
    return NULL;
}

static char *load_object(struct registry *registry, const char *path, const struct policy **out)
{
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (object == NULL)
        return say("%s: cannot be loaded (%s); build it with -shared -fPIC -DDISCO_POLICY_SHARED",
                   path, dlerror());
    void **more = realloc(registry->object, (registry->objects + 1) * sizeof *more);
    if (more == NULL) {
        (void)dlclose(object);
        return say_no_memory();
    }
    registry->object = more;
    registry->object[registry->objects++] = object;

    const struct policy *(*entry)(void) = NULL;
    void *symbol = dlsym(object, "disco_policy");
    if (symbol == NULL)
        return say("%s: has no disco_policy(); end its file with DISCO_POLICY(...) and build it "
                   "with -DDISCO_POLICY_SHARED",
                   path);
    memcpy(&entry, &symbol, sizeof entry); /* POSIX's way from a data to a function pointer */
    *out = entry();
    const char *wrong = not_sane(*out);
    return wrong == NULL ? NULL : say("%s: %s", path, wrong);
}

static char *find(struct registry *registry, const char *name, const struct policy **out)
{
    if (strchr(name, '/') != NULL)
        return load_object(registry, name, out);
    for (size_t i = 0; i < registry->count; i++)
        if (strcmp(registry->policy[i]->name, name) == 0) {
            *out = registry->policy[i];
            return NULL;
        }
    char *there = names(registry->count, name_of_policy, registry);
    char *error = strchr(name, '=') != NULL
                      ? say("no policy '%s'; parameters follow their policy behind ':', as in "
                            "disco:trigger=64:reset=10",
                            name)
                      : say("no policy '%s'; there are: %s, all, or ./FILE.so", name,
                            there == NULL ? "" : there);
    free(there);
    return error;
}

/* Nodes as a user writes them, "0+2" or "4-7+9", as a bit mask; false: they are not that. */
static bool read_nodes(const char *text, uint64_t *mask)
{
    *mask = 0;
    do {
        char *end = NULL;
        if (!isdigit((unsigned char)*text))
            return false;
        const unsigned long first = strtoul(text, &end, 10);
        unsigned long last = first;
        if (*end == '-') {
            text = end + 1;
            if (!isdigit((unsigned char)*text))
                return false;
            last = strtoul(text, &end, 10);
        }
        if (first > last || last >= 64)
            return false;
        for (unsigned long node = first; node <= last; node++)
            *mask |= UINT64_C(1) << node;
        text = end;
    } while (*text++ == '+');
    return text[-1] == '\0';
}

static char *set_param(const struct policy *policy, char *setting, int64_t *param)
{
    char *equals = strchr(setting, '=');
    if (equals == NULL)
        return say("policy %s: '%s' is not PARAM=VALUE", policy->name, setting);
    *equals = '\0';
    const char *value = equals + 1;
    size_t index = 0;
    while (index < policy->param_count && strcmp(policy->params[index].name, setting) != 0)
        index++;
    if (index == policy->param_count) {
        if (policy->param_count == 0)
            return say("policy %s: no parameter '%s'; it has none", policy->name, setting);
        char *there = names(policy->param_count, name_of_param, policy);
        char *error = say("policy %s: no parameter '%s'; there are: %s", policy->name, setting,
                          there == NULL ? "" : there);
        free(there);
        return error;
    }
    const struct policy_param *about = &policy->params[index];
    uint64_t mask = 0;
    if (strcmp(about->unit, "nodes") == 0) {
        if (!read_nodes(value, &mask))
            return say("policy %s: %s=%s is not a set of nodes, such as 0+2 or 4-7", policy->name,
                       setting, value);
        param[index] = (int64_t)mask;
        return NULL;
    }
    char *end = NULL;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    if (end == value || *end != '\0' || errno != 0)
        return say("policy %s: %s=%s is not a whole number", policy->name, setting, value);
    if (number < about->least || number > about->most)
        return say("policy %s: %s=%s is outside %" PRId64 " to %" PRId64 " (%s)", policy->name,
                   setting, value, about->least, about->most, about->unit);
    param[index] = number;
    return NULL;
}

static char *append(struct policy_choices *choices, const struct policy *policy, const char *label,
                    struct policy_choice **out)
{
    struct policy_choice *more =
        reallocarray(choices->choice, choices->count + 1, sizeof *choices->choice);
    if (more == NULL)
        return say_no_memory();
    choices->choice = more;
    struct policy_choice choice = {.policy = policy, .label = strdup(label)};
    choice.param = calloc(policy->param_count + 1, sizeof *choice.param);
    if (choice.label == NULL || choice.param == NULL) {
        free(choice.label);
        free(choice.param);
        return say_no_memory();
    }
    for (size_t i = 0; i < policy->param_count; i++)
        choice.param[i] = policy->params[i].standard;
    *out = &choices->choice[choices->count];
    choices->choice[choices->count++] = choice;
    return NULL;
}

/* Policy names and parameters hold no ':'; the label keeps them as written, without a path. */
static char *choose_one(struct registry *registry, char *word, struct policy_choices *choices)
{
    char *rest = strchr(word, ':');
    char *settings = rest == NULL ? NULL : strdup(rest);
    if (rest != NULL) {
        if (settings == NULL)
            return say_no_memory();
        *rest = '\0';
    }
    const struct policy *policy = NULL;
    struct policy_choice *choice = NULL;
    char *error = find(registry, word, &policy);
    if (error == NULL) {
        char *label = say("%s%s", policy->name, settings == NULL ? "" : settings);
        error = append(choices, policy, label, &choice);
        free(label);
    }
    char *place = NULL;
    for (char *setting = settings == NULL ? NULL : strtok_r(settings, ":", &place);
         error == NULL && setting != NULL; setting = strtok_r(NULL, ":", &place))
        error = set_param(policy, setting, choice->param);
    free(settings);
    return error;
}

static char *choose_all(struct registry *registry, struct policy_choices *choices)
{
    char *error = NULL;
    struct policy_choice *choice = NULL;
    for (size_t i = 0; error == NULL && i < registry->count; i++)
        error = append(choices, registry->policy[i], registry->policy[i]->name, &choice);
    return error;
}

char *registry_choose(struct registry *registry, const char *words, struct policy_choices *choices)
{
    char *copy = strdup(words);
    if (copy == NULL)
        return say_no_memory();
    char *error = NULL;
    size_t chosen = 0;
    char *place = copy;
    for (char *word = strsep(&place, ","); error == NULL && word != NULL;
         word = strsep(&place, ",")) {
        if (*word == '\0')
            continue;
        chosen++;
        error = strcmp(word, "all") == 0 ? choose_all(registry, choices)
                                         : choose_one(registry, word, choices);
    }
    if (error == NULL && chosen == 0)
        error = say("no policy named in '%s'; --list-policies says what there is", words);
    free(copy);
    return error;
}

void policy_choices_free(struct policy_choices *choices)
{
    for (size_t i = 0; i < choices->count; i++) {
        free(choices->choice[i].param);
        free(choices->choice[i].label);
    }
    free(choices->choice);
    *choices = (struct policy_choices){0};
}
