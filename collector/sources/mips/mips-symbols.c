#include "collector/sources/mips/mips-symbols.h"

#include <gelf.h>
#include <stdlib.h>

#include "replayer/report/say.h"

#define SYMBOL_LEAST_BYTES 4096u /* a page of the MIPS machine */

struct symbols {
    struct trace_writer *writer;
    uint32_t space;
    const char *owner, *file;
    Elf *elf;
};

static char *add(const struct symbols *symbols, const char *kind, const char *name, uint64_t start,
                 uint64_t bytes, uint64_t offset)
{
    if (bytes == 0 || start > UINT32_MAX || bytes > UINT32_MAX)
        return NULL;
    const struct trace_region region = {.space = symbols->space,
                                        .start = start,
                                        .end = start + bytes,
                                        .kind = kind,
                                        .name = name,
                                        .file = symbols->file,
                                        .file_offset_bytes = offset};
    uint32_t id;
    return trace_writer_region(symbols->writer, &region, &id);
}

static char *add_part(const struct symbols *symbols, const char *name, uint64_t start,
                      uint64_t bytes, uint64_t offset)
{
    char *text = say("%s %s", symbols->owner, name);
    char *error = add(symbols, "mapping", text, start, bytes, offset);
    free(text);
    return error;
}

static char *add_sections(const struct symbols *symbols, unsigned *added)
{
    size_t names = 0;
    char *error = NULL;
    if (elf_getshdrstrndx(symbols->elf, &names) != 0)
        return NULL;
    for (Elf_Scn *section = NULL;
         error == NULL && (section = elf_nextscn(symbols->elf, section)) != NULL;) {
        GElf_Shdr header;
        if (gelf_getshdr(section, &header) == NULL || (header.sh_flags & SHF_ALLOC) == 0)
            continue;
        const char *name = elf_strptr(symbols->elf, names, header.sh_name);
        error = add_part(symbols, name == NULL ? "" : name, header.sh_addr, header.sh_size,
                         header.sh_offset);
        (*added)++;
    }
    return error;
}

static char *add_segments(const struct symbols *symbols)
{
    size_t count = 0;
    char *error = NULL;
    if (elf_getphdrnum(symbols->elf, &count) != 0)
        return NULL;
    for (size_t i = 0; error == NULL && i < count; i++) {
        GElf_Phdr header;
        if (gelf_getphdr(symbols->elf, (int)i, &header) == NULL || header.p_type != PT_LOAD)
            continue;
        const char *name = (header.p_flags & PF_X) != 0   ? "text"
                           : (header.p_flags & PF_W) != 0 ? "data"
                                                          : "rodata";
        error = add_part(symbols, name, header.p_vaddr, header.p_memsz, header.p_offset);
    }
    return error;
}

static char *add_symbols_of(const struct symbols *symbols, Elf_Scn *section,
                            const GElf_Shdr *header)
{
    Elf_Data *data = elf_getdata(section, NULL);
    if (data == NULL || header->sh_entsize == 0)
        return NULL;
    char *error = NULL;
    const size_t count = data->d_size / header->sh_entsize;
    for (size_t i = 0; error == NULL && i < count; i++) {
        GElf_Sym symbol;
        if (gelf_getsym(data, (int)i, &symbol) == NULL)
            break;
        const unsigned type = GELF_ST_TYPE(symbol.st_info);
        if ((type != STT_OBJECT && type != STT_FUNC) || symbol.st_shndx == SHN_UNDEF ||
            symbol.st_size < SYMBOL_LEAST_BYTES)
            continue;
        const char *name = elf_strptr(symbols->elf, header->sh_link, symbol.st_name);
        if (name != NULL && *name != '\0')
            error = add(symbols, "symbol", name, symbol.st_value, symbol.st_size, 0);
    }
    return error;
}

static char *add_symbols(const struct symbols *symbols)
{
    char *error = NULL;
    for (Elf_Scn *section = NULL;
         error == NULL && (section = elf_nextscn(symbols->elf, section)) != NULL;) {
        GElf_Shdr header;
        if (gelf_getshdr(section, &header) != NULL && header.sh_type == SHT_SYMTAB)
            error = add_symbols_of(symbols, section, &header);
    }
    return error;
}

char *mips_symbols_write(struct trace_writer *writer, uint32_t space, const char *owner,
                         const char *file, const void *image, size_t image_bytes)
{
    (void)elf_version(EV_CURRENT);
    /* libelf reads alone what it was given, but for a plain char * in its interface */
    union {
        const void *bytes;
        char *text;
    } plain = {.bytes = image};
    struct symbols symbols = {.writer = writer, .space = space, .owner = owner, .file = file};
    symbols.elf = elf_memory(plain.text, image_bytes);
    if (symbols.elf == NULL || elf_kind(symbols.elf) != ELF_K_ELF) {
        (void)elf_end(symbols.elf);
        return NULL;
    }
    unsigned sections = 0;
    char *error = add_sections(&symbols, &sections);
    if (error == NULL && sections == 0)
        error = add_segments(&symbols);
    if (error == NULL)
        error = add_symbols(&symbols);
    (void)elf_end(symbols.elf);
    return error;
}
