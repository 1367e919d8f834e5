/* Programs' images: ELF, 32 bits, little-endian, MIPS, linked at a fixed address. */
#include "vmm-core/guest/kernel/kernel.h"

/* System V ABI, chapter 4 "Object Files", chapter 5 "Program Loading" */
struct elf_header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version, entry, segments, sections, flags;
    uint16_t header_bytes, segment_bytes, segment_count;
    uint16_t section_bytes, section_count, section_names;
};

struct elf_segment {
    uint32_t type, offset, address, physical, file_bytes, memory_bytes, flags, alignment;
};

enum { TYPE_EXECUTABLE = 2, MACHINE_MIPS = 8, SEGMENT_LOAD = 1, SEGMENT_WRITABLE = 2 };

static bool load_segment(struct space *space, const struct file *file,
                         const struct elf_segment *segment)
{
    uint32_t lead = segment->address % PAGE_BYTES;
    struct area area = {
        .start = segment->address - lead,
        .end = (segment->address + segment->memory_bytes + PAGE_BYTES - 1) &
               ~(uint32_t)(PAGE_BYTES - 1),
        .backing = file->image + segment->offset - lead,
        .backing_bytes = lead + segment->file_bytes,
        .writable = segment->flags & SEGMENT_WRITABLE,
    };

    return segment->offset % PAGE_BYTES == lead && segment->offset <= file->bytes &&
           segment->file_bytes <= file->bytes - segment->offset &&
           segment->file_bytes <= segment->memory_bytes && segment->address >= USER_TEXT &&
           segment->address < USER_MAPS && segment->memory_bytes <= USER_MAPS - segment->address &&
           space_add(space, &area);
}

uint32_t elf_load(struct space *space, const struct file *file)
{
    const struct elf_header *header = (const void *)file->image;
    const struct elf_segment *segment;

    if (!header || file->bytes < sizeof(*header) ||
        memcmp(header->ident, "\177ELF\1\1\1", 7) != 0 || header->type != TYPE_EXECUTABLE ||
        header->machine != MACHINE_MIPS || header->segment_bytes != sizeof(*segment) ||
        header->segments > file->bytes || header->segments % 4 ||
        header->segment_count > (file->bytes - header->segments) / sizeof(*segment))
        return 0;
    segment = (const void *)(file->image + header->segments);
    for (uint32_t i = 0; i < header->segment_count; i++)
        if (segment[i].type == SEGMENT_LOAD && segment[i].memory_bytes &&
            !load_segment(space, file, &segment[i]))
            return 0;
    return header->entry;
}
