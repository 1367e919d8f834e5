/* The settings that hinting changes, with their original values kept in a file (see hinting.h). */
#ifndef DISCO_HINTING_SETTINGS_H
#define DISCO_HINTING_SETTINGS_H

#include "collector/sources/perf/hinting.h"

/* Becomes a user: keeps the original values, puts back what a killed one left, sets the new ones.
 * *users is the descriptor whose lock says that we are one. *remark (malloc'ed or NULL): what of
 * the wish the kernel refused. Gives NULL or an error; then nothing is changed. */
char *hinting_settings_begin(const struct hinting_places *places, const struct hinting_wish *wish,
                             int *users, char **remark);

/* Ends being one, and closes `users`. The last one puts the original values back. */
char *hinting_settings_end(const struct hinting_places *places, int users);

#endif
