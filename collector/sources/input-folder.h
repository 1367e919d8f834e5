/* The files of a folder as the inputs of one import, in the order of their names.
 *
 * Errors as in collector/trace/writer.h. */
#ifndef DISCO_SOURCES_INPUT_FOLDER_H
#define DISCO_SOURCES_INPUT_FOLDER_H

#include "collector/sources/input.h"

/* Is `path` a folder? */
bool input_is_folder(const char *path);

/* Opens each regular file of the folder whose name is wanted; where there is none, those of its
 * subfolder `inner`. `what` says what was looked for, where nothing is found. */
char *input_open_folder(const char *path, const char *inner, bool (*wanted)(const char *name),
                        const char *what, struct input_set *out) MUST_CHECK;
/* Closes all; leaves the set empty. */
void input_close_set(struct input_set *set);

#endif
