/* A schedule that the user wrote; the form of its lines is in schedule.h. */
#ifndef DISCO_REPLAYER_SCHEDULE_FILE_H
#define DISCO_REPLAYER_SCHEDULE_FILE_H

#include "collector/trace/reader.h"
#include "replayer/report/say.h"
#include "vmm-core/machine/machine.h"

/* Fills cpu[] for every stream of the trace. An error names the file and the line: a line that
 * cannot be read, a CPU that the machine has not, a line that fits no stream; or a stream that no
 * line fits. */
char *schedule_file_read(const char *path, const struct trace_reader *reader,
                         const struct machine *machine, uint32_t *cpu) MUST_CHECK;

#endif
