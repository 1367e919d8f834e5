#include "vmm-core/monitor/load.h"

#include <errno.h>
#include <gelf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm-core/monitor/abi.h"
#include "vmm-core/monitor/say.h"

#define FILE_BYTES_MOST (UINT64_C(512) << 20)

char *load_file(const char *path, void **bytes, size_t *size)
{
    *bytes = NULL;
    FILE *const file = fopen(path, "rbe");
    if (!file)
        return monitor_say("%s: cannot be opened: %s", path, strerror(errno));
    size_t room = 1u << 20;
    size_t have = 0;
    char *error = NULL;
    while (!error) {
        void *const more = realloc(*bytes, room);
        if (!more) {
            error = monitor_no_memory();
            break;
        }
        *bytes = more;
        have += fread((char *)more + have, 1, room - have, file);
        if (have < room)
            break;
        if (room >= FILE_BYTES_MOST)
            error = monitor_say("%s: is too large for a guest kernel", path);
        room *= 2;
    }
    if (!error && ferror(file))
        error = monitor_say("%s: cannot be read: %s", path, strerror(errno));
    (void)fclose(file);
    if (error) {
        free(*bytes);
        *bytes = NULL;
    }
    *size = have;
    return error;
}

static char *no_guest(const char *name, const char *what)
{
    return monitor_say("%s: %s; a guest kernel is an ELF executable for 32-bit little-endian MIPS, "
                       "linked at 0x%x",
                       name, what, (unsigned)ABI_DIRECT_MAP);
}

static char *load_header(const char *name, Elf *elf, struct load *out)
{
    GElf_Ehdr header;
    if (elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, &header))
        return no_guest(name, "is no ELF file");
    if (header.e_machine != EM_MIPS || header.e_ident[EI_CLASS] != ELFCLASS32 ||
        header.e_ident[EI_DATA] != ELFDATA2LSB)
        return no_guest(name, "is an ELF file for another processor");
    if (header.e_type != ET_EXEC)
        return no_guest(name, "is no executable (was it linked with -static, without -pie?)");
    out->entry = (uint32_t)header.e_entry;
    return NULL;
}

static char *load_segment(const char *name, const GElf_Phdr *segment, const uint8_t *bytes,
                          size_t size, uint64_t memory_bytes, struct load *out)
{
    if (segment->p_type != PT_LOAD || !segment->p_memsz)
        return NULL;
    const uint64_t start = segment->p_vaddr - ABI_DIRECT_MAP;
    if (segment->p_vaddr < ABI_DIRECT_MAP || start >= ABI_DIRECT_BYTES)
        return monitor_say("%s: a part is linked at 0x%" PRIx64
                           "; guest kernels are linked into the direct map, from 0x%x on",
                           name, (uint64_t)segment->p_vaddr, (unsigned)ABI_DIRECT_MAP);
    if (segment->p_filesz > segment->p_memsz || segment->p_offset > size ||
        segment->p_filesz > size - segment->p_offset)
        return no_guest(name, "is damaged: a part lies outside the file");
    if (segment->p_memsz > memory_bytes || start > memory_bytes - segment->p_memsz)
        return monitor_say("%s: needs memory up to %" PRIu64 " KiB, and its VM has %" PRIu64
                           " KiB; give it more",
                           name, (start + segment->p_memsz + 1023) / 1024, memory_bytes / 1024);
    if (out->segments == LOAD_SEGMENTS_MAX)
        return no_guest(name, "has too many parts to load");
    out->segment[out->segments++] = (struct load_segment){
        .physical = (uint32_t)start,
        .bytes = (uint32_t)segment->p_filesz,
        .from = bytes + segment->p_offset,
    };
    if (start + segment->p_memsz > out->end)
        out->end = (uint32_t)(start + segment->p_memsz);
    return NULL;
}

char *load_guest(const char *name, const void *elf, size_t size, uint64_t memory_bytes,
                 struct load *out)
{
    *out = (struct load){0};
    (void)elf_version(EV_CURRENT);
    /* libelf wants to be able to write, and does not. */
    Elf *const file = elf_memory((char *)(uintptr_t)elf, size);
    if (!file)
        return no_guest(name, "is no ELF file");
    char *error = load_header(name, file, out);
    size_t segments = 0;
    if (!error && elf_getphdrnum(file, &segments))
        error = no_guest(name, "is damaged: its program headers cannot be read");
    for (size_t at = 0; at < segments && !error; at++) {
        GElf_Phdr segment;
        error = gelf_getphdr(file, (int)at, &segment)
                    ? load_segment(name, &segment, elf, size, memory_bytes, out)
                    : no_guest(name, "is damaged: its program headers cannot be read");
    }
    (void)elf_end(file);
    if (!error && !out->segments)
        error = no_guest(name, "has nothing to load");
    if (!error && (out->entry < ABI_DIRECT_MAP || out->entry - ABI_DIRECT_MAP >= out->end))
        error = no_guest(name, "has an entry outside of what is loaded");
    return error;
}
