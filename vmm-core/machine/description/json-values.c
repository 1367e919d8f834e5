#include "vmm-core/machine/description/json-values.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "vmm-core/machine/description/size.h"

char *at_key(char path[PATH_BYTES], const char *parent, const char *key)
{
    snprintf(path, PATH_BYTES, "%.50s.%.40s", parent, key);
    return path;
}

char *at_index(char path[PATH_BYTES], const char *parent, size_t index)
{
    snprintf(path, PATH_BYTES, "%.70s[%zu]", parent, index);
    return path;
}

static const char *type_name(const json_t *value)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object",   [JSON_ARRAY] = "a list",    [JSON_STRING] = "text",
        [JSON_INTEGER] = "an integer", [JSON_REAL] = "a fraction", [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",        [JSON_NULL] = "null"};
    return names[json_typeof(value)];
}

char *expected(const struct draft *draft, const char *path, const json_t *value, const char *what)
{
    return draft_error(draft, path, "%s, where %s is expected; write that", type_name(value), what);
}

char *in_range(const struct draft *draft, const char *path, const json_t *value, uint64_t least,
               uint64_t most, uint64_t *out)
{
    if (!json_is_integer(value))
        return expected(draft, path, value, "an integer");
    json_int_t number = json_integer_value(value);
    if (number < 0)
        return draft_error(draft, path, "%" PRId64 " is negative; give at least %" PRIu64,
                           (int64_t)number, least);
    if ((uint64_t)number < least || (uint64_t)number > most)
        return draft_error(draft, path,
                           "%" PRId64 " is not within %" PRIu64 " to %" PRIu64 "; give one that is",
                           (int64_t)number, least, most);
    *out = (uint64_t)number;
    return NULL;
}

char *read_size(const struct draft *draft, const char *path, const json_t *value, uint64_t least,
                uint64_t most, uint64_t *out)
{
    if (!json_is_string(value))
        return in_range(draft, path, value, least, most, out);
    if (!size_parse(json_string_value(value), out))
        return draft_error(draft, path,
                           "'%.40s' is not a size; write bytes, or a number with K, M, G or T",
                           json_string_value(value));
    if (*out < least || *out > most)
        return draft_error(draft, path,
                           "%s is not within %" PRIu64 " to %" PRIu64 " bytes; give one that is",
                           json_string_value(value), least, most);
    return NULL;
}

char *read_word(const struct draft *draft, const char *path, const json_t *value,
                const char *const *words, uint64_t *out)
{
    if (!json_is_string(value))
        return expected(draft, path, value, "text");
    for (uint64_t i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], json_string_value(value)) == 0) {
            *out = i;
            return NULL;
        }
    }
    return draft_error(draft, path, "'%.40s' is neither '%s' nor '%s'; write one of them",
                       json_string_value(value), words[0], words[1]);
}

static char *read_text(const struct draft *draft, const char *path, const json_t *value,
                       size_t bytes, char *out)
{
    if (!json_is_string(value))
        return expected(draft, path, value, "text");
    if (json_string_length(value) >= bytes)
        return draft_error(draft, path, "%zu bytes of text are more than %zu; shorten it",
                           json_string_length(value), bytes - 1);
    memset(out, 0, bytes);
    memcpy(out, json_string_value(value), json_string_length(value));
    return NULL;
}

static char *read_field(const struct draft *draft, const char *path, const json_t *value,
                        const struct field *field, void *base)
{
    char *slot = (char *)base + field->offset, *error = NULL;
    uint64_t number = 0;
    bool wide = false; /* the slot has 64 bits */
    switch (field->kind) {
    case FIELD_TEXT:
        return read_text(draft, path, value, field->most, slot);
    case FIELD_U64:
        wide = true;
        error = in_range(draft, path, value, field->least, field->most, &number);
        break;
    case FIELD_U32:
        error = in_range(draft, path, value, field->least, field->most, &number);
        break;
    case FIELD_SIZE64:
        wide = true;
        error = read_size(draft, path, value, field->least, field->most, &number);
        break;
    case FIELD_SIZE32:
        error = read_size(draft, path, value, field->least, field->most, &number);
        break;
    case FIELD_WAYS: /* "full" stays 0 until the entries are known */
        if (!json_is_string(value) || strcmp(json_string_value(value), "full") != 0)
            error = in_range(draft, path, value, field->least, field->most, &number);
        break;
    case FIELD_OR_WORD:
        if (json_is_string(value) && strcmp(json_string_value(value), field->words[0]) != 0)
            return draft_error(draft, path, "'%.40s' is neither a number nor '%s'; write one",
                               json_string_value(value), field->words[0]);
        if (!json_is_string(value))
            error = in_range(draft, path, value, field->least, field->most, &number);
        break;
    case FIELD_WORD:
        error = read_word(draft, path, value, field->words, &number);
        break;
    case FIELD_BOOL:
        if (!json_is_boolean(value))
            return expected(draft, path, value, "true or false");
        *(bool *)(void *)slot = json_is_true(value);
        return NULL;
    }
    if (error != NULL)
        return error;
    if (wide) {
        memcpy(slot, &number, sizeof number);
    } else {
        uint32_t narrow = (uint32_t)number;
        memcpy(slot, &narrow, sizeof narrow);
    }
    return NULL;
}

static const struct field *find_field(const struct field *fields, const char *key)
{
    for (; fields != NULL && fields->key != NULL; fields++)
        if (strcmp(fields->key, key) == 0)
            return fields;
    return NULL;
}

char *read_object(const struct draft *draft, const char *path, json_t *object,
                  const struct field *fields, const char *const *others, void *base)
{
    if (!json_is_object(object))
        return expected(draft, path, object, "an object");
    const char *key;
    json_t *value;
    char place[PATH_BYTES];
    json_object_foreach(object, key, value)
    {
        const struct field *field = find_field(fields, key);
        const char *const *other = others;
        while (field == NULL && other != NULL && *other != NULL && strcmp(*other, key) != 0)
            other++;
        at_key(place, path, key);
        if (field == NULL && (other == NULL || *other == NULL))
            return draft_error(draft, place, "unknown key; --print-machine shows the known ones");
        char *error =
            field != NULL && base != NULL ? read_field(draft, place, value, field, base) : NULL;
        if (error != NULL)
            return error;
    }
    return NULL;
}

char *read_list(const struct draft *draft, const char *path, const json_t *list)
{
    return json_is_array(list) ? NULL : expected(draft, path, list, "a list");
}
