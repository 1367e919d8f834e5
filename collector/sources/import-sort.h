/* Puts references in the order of their times, in memory that does not grow with their number: they
 * go to a temporary database of SQLite, which sorts on disk ($SQLITE_TMPDIR, $TMPDIR or /var/tmp).
 * References of one time keep the order in which they came. Errors as in collector/trace/writer.h.
 */
#ifndef DISCO_SOURCES_IMPORT_SORT_H
#define DISCO_SOURCES_IMPORT_SORT_H

#include "collector/sources/import.h"

struct import_sort;

char *import_sort_new(struct import_sort **out) MUST_CHECK;
void import_sort_free(struct import_sort *sort); /* takes NULL */

char *import_sort_add(struct import_sort *sort, const struct import_ref *ref) MUST_CHECK;
/* Hands all of them to `take`, in order, until it gives an error. Once, after the last add. */
char *import_sort_drain(struct import_sort *sort,
                        char *(*take)(void *context, const struct import_ref *ref),
                        void *context) MUST_CHECK;

#endif
