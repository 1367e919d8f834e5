/* A guest kernel's ELF file: what of it goes where in guest-physical memory.
 *
 * A guest is an ELF executable for 32-bit little-endian MIPS, linked into the supervisor segment:
 * what is loaded lies in the direct map (abi.h), p_paddr is p_vaddr less its start, and the entry
 * too is there. Bytes beyond those of the file are zero as all memory is at its first touch.
 */
#ifndef DISCO_MONITOR_LOAD_H
#define DISCO_MONITOR_LOAD_H

#include <stddef.h>
#include <stdint.h>

#define LOAD_SEGMENTS_MAX 32u

struct load_segment {
    uint32_t physical, bytes; /* of the file's; there is nothing to copy of the rest */
    const uint8_t *from;      /* in the ELF's bytes */
};

struct load {
    struct load_segment segment[LOAD_SEGMENTS_MAX];
    uint32_t segments;
    uint32_t entry;
    uint32_t end; /* guest-physical, behind all segments, zeroed bytes included */
};

/* The whole file from malloc. NULL, or one line. */
char *load_file(const char *path, void **bytes, size_t *size) __attribute__((warn_unused_result));

/* `name` stands for the file in messages; `memory_bytes`: what the VM has. NULL, or one line:
 * what is wrong with the file, or that it does not fit. */
char *load_guest(const char *name, const void *elf, size_t size, uint64_t memory_bytes,
                 struct load *out) __attribute__((warn_unused_result));

#endif
