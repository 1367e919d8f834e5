/* What stands in a perf.data file: numbers of the format, as Linux 6.12 has them.
 *
 * Sources: tools/perf/Documentation/perf.data-file-format.txt, include/uapi/linux/perf_event.h,
 * tools/perf/util/header.h and event.h (records of perf itself), tools/lib/perf/include/perf/event.h.
 */
#ifndef DISCO_SOURCES_PERFDATA_FORMAT_H
#define DISCO_SOURCES_PERFDATA_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#define PERFDATA_MAGIC         "PERFILE2"
#define PERFDATA_MAGIC_SWAPPED "2ELIFREP" /* written on a machine of the other byte order */
#define PERFDATA_MAGIC_OLD     "PERFFILE" /* before Linux 3.x; refused */

#define PERFDATA_FILE_HEADER   104u
#define PERFDATA_PIPE_HEADER   16u
#define PERFDATA_RECORD_HEADER 8u  /* type, misc, size */
#define PERFDATA_ATTR_LEAST    64u /* PERF_ATTR_SIZE_VER0 */
#define PERFDATA_FEATURES      256u

/* Records of the kernel, enum perf_event_type */
enum {
    RECORD_LOST = 2,
    RECORD_COMM = 3,
    RECORD_EXIT = 4,
    RECORD_THROTTLE = 5,
    RECORD_FORK = 7,
    RECORD_SAMPLE = 9,
    RECORD_AUX = 11,
    RECORD_LOST_SAMPLES = 13,
    RECORD_KERNEL_END = 64, /* from here on those of perf */
    RECORD_ATTR = 64,
    RECORD_TRACING_DATA = 66, /* followed by as many bytes as it says, not counted in its size */
    RECORD_BUILD_ID = 67,
    RECORD_AUXTRACE_INFO = 70,
    RECORD_AUXTRACE = 71, /* likewise */
    RECORD_EVENT_UPDATE = 78,
    RECORD_TIME_CONV = 79,
    RECORD_FEATURE = 80,
    RECORD_COMPRESSED = 81,
    RECORD_COMPRESSED2 = 83,
    RECORD_SPE = 1 << 16, /* not of the format: one that hardware wrote into an AUX area */
};

/* Where fields of struct perf_event_attr are. */
enum {
    ATTR_TYPE = 0,
    ATTR_SIZE = 4,
    ATTR_CONFIG = 8,
    ATTR_PERIOD = 16,
    ATTR_SAMPLE_TYPE = 24,
    ATTR_READ_FORMAT = 32,
    ATTR_FLAGS = 40,
    ATTR_BRANCH_TYPE = 72,
    ATTR_REGS_USER = 80,
    ATTR_REGS_INTR = 96,
};
#define ATTR_FLAG_FREQ          (UINT64_C(1) << 10)
#define ATTR_FLAG_SAMPLE_ID_ALL (UINT64_C(1) << 18)

#define ATTR_TYPE_SOFTWARE   1u
#define ATTR_TYPE_TRACEPOINT 2u

/* enum perf_event_sample_format, in the order in which a sample has them but for IDENTIFIER, which
 * comes first, and ID, which comes behind ADDR */
enum {
    SAMPLE_IP = 1 << 0,
    SAMPLE_TID = 1 << 1,
    SAMPLE_TIME = 1 << 2,
    SAMPLE_ADDR = 1 << 3,
    SAMPLE_READ = 1 << 4,
    SAMPLE_CALLCHAIN = 1 << 5,
    SAMPLE_ID = 1 << 6,
    SAMPLE_CPU = 1 << 7,
    SAMPLE_PERIOD = 1 << 8,
    SAMPLE_STREAM_ID = 1 << 9,
    SAMPLE_RAW = 1 << 10,
    SAMPLE_BRANCH_STACK = 1 << 11,
    SAMPLE_REGS_USER = 1 << 12,
    SAMPLE_STACK_USER = 1 << 13,
    SAMPLE_WEIGHT = 1 << 14,
    SAMPLE_DATA_SRC = 1 << 15,
    SAMPLE_IDENTIFIER = 1 << 16,
    SAMPLE_TRANSACTION = 1 << 17,
    SAMPLE_REGS_INTR = 1 << 18,
    SAMPLE_PHYS_ADDR = 1 << 19,
    SAMPLE_AUX = 1 << 20,
    SAMPLE_CGROUP = 1 << 21,
    SAMPLE_DATA_PAGE_SIZE = 1 << 22,
    SAMPLE_CODE_PAGE_SIZE = 1 << 23,
    SAMPLE_WEIGHT_STRUCT = 1 << 24,
};
#define SAMPLE_KNOWN ((UINT64_C(1) << 25) - 1) /* a later bit would stand where we do not know */

#define BRANCH_HW_INDEX (UINT64_C(1) << 17)
#define BRANCH_COUNTERS (UINT64_C(1) << 19)
#define BRANCH_BYTES    24u

#define READ_TIME_ENABLED (UINT64_C(1) << 0)
#define READ_TIME_RUNNING (UINT64_C(1) << 1)
#define READ_ID           (UINT64_C(1) << 2)
#define READ_GROUP        (UINT64_C(1) << 3)
#define READ_LOST         (UINT64_C(1) << 4)

/* Bits 0 to 2 of a record's misc: what ran. */
#define MISC_CPU_MODE     7u
#define MISC_KERNEL       1u
#define MISC_HYPERVISOR   3u
#define MISC_GUEST_KERNEL 4u

/* mem_op of perf_mem_data_src */
#define DATA_SRC_LOAD  UINT64_C(0x02)
#define DATA_SRC_STORE UINT64_C(0x04)
#define DATA_SRC_EXEC  UINT64_C(0x10)

/* Sections behind the data, or records in a pipe: enum of tools/perf/util/header.h */
enum perfdata_feature {
    FEATURE_TRACING_DATA = 1,
    FEATURE_BUILD_ID = 2,
    FEATURE_HOSTNAME = 3,
    FEATURE_OSRELEASE = 4,
    FEATURE_VERSION = 5,
    FEATURE_ARCH = 6,
    FEATURE_NRCPUS = 7,
    FEATURE_CPUDESC = 8,
    FEATURE_CPUID = 9,
    FEATURE_TOTAL_MEM = 10,
    FEATURE_CMDLINE = 11,
    FEATURE_EVENT_DESC = 12,
    FEATURE_CPU_TOPOLOGY = 13,
    FEATURE_NUMA_TOPOLOGY = 14,
    FEATURE_CLOCK_DATA = 29,
};

#define EVENT_UPDATE_NAME 2u

#endif
