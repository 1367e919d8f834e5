/* Records of DynamoRIO's drmemtrace, as its offline traces hold them after raw2trace: the
 * "trace_entry_t" of clients/drcachesim/common/trace_entry.h, versions 1 to 7 (DynamoRIO 7.1 to 11).
 *
 *   2 bytes  type
 *   2 bytes  size: bytes of an access, instruction or encoding; of a marker its kind; of a bundle
 *            its instructions
 *   8 bytes  address of an access or instruction; thread, process or value of a marker; encoding;
 *            lengths of a bundle's instructions, a byte each
 *
 * Little-endian, packed. Traces of 32-bit programs have addresses of 4 bytes, and are refused.
 */
#ifndef DISCO_SOURCES_DRMEMTRACE_RECORD_H
#define DISCO_SOURCES_DRMEMTRACE_RECORD_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define DRMEMTRACE_RECORD_BYTES 12u

struct drmemtrace_record {
    uint16_t type, size;
    uint64_t value;
};

/* What an importer does about a record, told by its type. The kinds of references come first. */
enum drmemtrace_class {
    CLASS_LOAD,
    CLASS_STORE,
    CLASS_FETCH,
    CLASS_REFERENCES,                  /* how many classes are references */
    CLASS_ENCODING = CLASS_REFERENCES, /* the bytes of the next instruction */
    CLASS_MARKER,
    CLASS_NO_FETCH,    /* an instruction that is not fetched: the next round of a rep string loop */
    CLASS_MAYBE_FETCH, /* the same unless another instruction was before it */
    CLASS_BUNDLE,      /* fetches of the instructions that follow the last one */
    CLASS_PREFETCH,
    CLASS_FLUSH, /* of a range from a cache */
    CLASS_THREAD,
    CLASS_PROCESS,
    CLASS_EXIT,
    CLASS_HEADER, /* first record of a file; its value is the version */
    CLASS_FOOTER, /* last one */
    CLASS_UNKNOWN
};

/* Kinds of markers that mean something here; the others are passed over. */
enum drmemtrace_marker {
    MARKER_TIMESTAMP = 2, /* us since 1601-01-01 UTC */
    MARKER_CPU = 3,       /* Linux on x86: CPU in bits 0 to 11, node above; all ones: not known */
    MARKER_FILE_TYPE = 9, /* FILE_... bits */
    MARKER_PHYSICAL = 15, /* a physical address, for the page of the next MARKER_VIRTUAL */
    MARKER_NOT_PHYSICAL = 16, /* the page of this virtual address is not known any more */
    MARKER_VIRTUAL = 17,
    MARKER_PAGE_SIZE = 18,
    MARKER_KERNEL_START = 27, /* from here on a system call's own instructions */
    MARKER_KERNEL_END = 28,
    MARKER_SWITCH_START = 34, /* from here on the kernel's switch to another thread */
    MARKER_SWITCH_END = 35,
};

/* offline_file_type_t */
#define FILE_FILTERED          0x0001u /* versions before 2: both kinds */
#define FILE_INSTRUCTIONS_ONLY 0x0004u
#define FILE_ARM32             0x0010u
#define FILE_X86_32            0x0020u
#define FILE_X86_64            0x0040u
#define FILE_FETCHES_FILTERED  0x0080u /* by a small cache, while recording */
#define FILE_DATA_FILTERED     0x0100u

#define DRMEMTRACE_HEADER_TYPE 25u
#define DRMEMTRACE_MARKER_TYPE 28u

/* Seconds from 1601-01-01 to 1970-01-01 (Microsoft, FILETIME structure), in us. */
#define DRMEMTRACE_UNIX_EPOCH_US UINT64_C(11644473600000000)

#define DRMEMTRACE_TYPES 256u /* room for those that are still to come: they are unknown */

/* enum drmemtrace_class by type. */
extern const uint8_t drmemtrace_class[DRMEMTRACE_TYPES];

static inline struct drmemtrace_record drmemtrace_record(const unsigned char *at)
{
    struct drmemtrace_record record;
    memcpy(&record.type, at, 2);
    memcpy(&record.size, at + 2, 2);
    memcpy(&record.value, at + 4, 8);
    record.type = le16toh(record.type);
    record.size = le16toh(record.size);
    record.value = le64toh(record.value);
    return record;
}

static inline enum drmemtrace_class drmemtrace_class_of(uint16_t type)
{
    return (enum drmemtrace_class)(type < DRMEMTRACE_TYPES ? drmemtrace_class[type]
                                                           : CLASS_UNKNOWN);
}

#endif
