/* Names and processes of threads, as COMM records give them and FORK records pass them on. */
#ifndef DISCO_SOURCES_PERFDATA_THREADS_H
#define DISCO_SOURCES_PERFDATA_THREADS_H

#include "collector/sources/import.h"

struct perfdata_threads;

struct perfdata_threads *perfdata_threads_new(void);          /* NULL: out of memory */
void perfdata_threads_free(struct perfdata_threads *threads); /* takes NULL */

/* False: out of memory. */
bool perfdata_threads_name(struct perfdata_threads *threads, uint32_t pid, uint32_t tid,
                           const char name[IMPORT_NAME_BYTES]);
/* "" where no record has told it. */
const char *perfdata_threads_find(const struct perfdata_threads *threads, uint32_t tid);
/* The thread itself where no record has told it. */
uint32_t perfdata_threads_process(const struct perfdata_threads *threads, uint32_t tid);

#endif
