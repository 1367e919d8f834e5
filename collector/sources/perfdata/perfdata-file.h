/* A perf.data file in memory: its events, its features, and its records in the order of time.
 *
 * File and pipe mode, of either byte order, compressed or not (perf record -z). Nothing in it is
 * believed: every size is checked, and what is damaged is named by its byte in the file (or in what
 * came out of its compressed records); what stands before the damage is kept.
 *
 * Memory: the file, 32 bytes a record, and what compressed records hold, of which at most 64 times
 * the file is unpacked. Errors as in collector/trace/writer.h.
 */
#ifndef DISCO_SOURCES_PERFDATA_FILE_H
#define DISCO_SOURCES_PERFDATA_FILE_H

#include "collector/sources/input.h"
#include "collector/sources/perfdata/perfdata-aux.h"
#include "collector/sources/perfdata/perfdata-events.h"

struct perfdata_file;

/* Reads `input` to its end. Where the file is damaged or cut off, *damage is what is wrong (the
 * caller's to free), and the file is what stands before it. */
char *perfdata_open(struct input *input, struct perfdata_file **out, char **damage) MUST_CHECK;
void perfdata_close(struct perfdata_file *file); /* takes NULL */

struct perfdata_events *perfdata_file_events(struct perfdata_file *file);

struct perfdata_section perfdata_feature(const struct perfdata_file *file,
                                         enum perfdata_feature feature);
/* Reads a section in the file's byte order. */
struct perfdata_cursor perfdata_cursor_of(const struct perfdata_file *file,
                                          struct perfdata_section section);

/* Records of the kernel, and loads and stores that SPE recorded (RECORD_SPE), in the order of their
 * times; those of one time as the file has them. */
uint64_t perfdata_records(const struct perfdata_file *file);
struct perfdata_record perfdata_record(const struct perfdata_file *file, uint64_t record);
/* Its first byte in the file or, *unpacked, in what came out of compressed records. */
uint64_t perfdata_place(const struct perfdata_file *file, uint64_t record, bool *unpacked);
/* A record of SPE, and the area it stands in. */
const struct perfdata_area *perfdata_spe_record(const struct perfdata_file *file, uint64_t record,
                                                struct perfdata_spe *spe);
const struct perfdata_aux *perfdata_file_aux(const struct perfdata_file *file);
/* Bytes of AUX areas of other kinds (Intel PT and others), which are passed over. */
uint64_t perfdata_aux_bytes(const struct perfdata_file *file);

#endif
