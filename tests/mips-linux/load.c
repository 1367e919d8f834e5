/* An ELF image into a new process, and its stack as the kernel leaves it. */
#include "tests/mips-linux/process.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#define KSU_USER     (UINT32_C(2) << 3)
#define FLAGS_FP64   6 /* fp_abi of the ABI flags: 64-bit FPU registers (binutils' elf/mips.h) */
#define FLAGS_FP_ABI 7 /* its byte */
#define ALL          (PAGE_READ | PAGE_WRITE | PAGE_EXECUTE)

static uint8_t *read_whole(const char *path, size_t *bytes)
{
    FILE *const file = fopen(path, "rb");
    uint8_t *image = NULL;
    long end = 0;
    if (file && fseek(file, 0, SEEK_END) == 0 && (end = ftell(file)) > 0) {
        image = malloc((size_t)end);
        rewind(file);
        if (image && fread(image, 1, (size_t)end, file) != (size_t)end) {
            free(image);
            image = NULL;
        }
    }
    if (file)
        (void)fclose(file);
    *bytes = (size_t)end;
    return image;
}

static uint32_t page_start(uint32_t address)
{
    return address & ~(MIPS_PAGE_BYTES - 1);
}

static const char *segment(struct process *process, const uint8_t *image, size_t bytes,
                           const Elf32_Phdr *header)
{
    if (header->p_offset > bytes || header->p_filesz > bytes - header->p_offset ||
        header->p_filesz > header->p_memsz || header->p_vaddr > TASK_END ||
        header->p_memsz > TASK_END - header->p_vaddr)
        return "a segment that is not in the file or not in memory";
    const uint32_t end = header->p_vaddr + header->p_memsz, start = page_start(header->p_vaddr);
    const uint32_t protection = (header->p_flags & PF_R ? PAGE_READ : 0) |
                                (header->p_flags & PF_W ? PAGE_WRITE : 0) |
                                (header->p_flags & PF_X ? PAGE_EXECUTE : 0);
    if (!process_map(process, start, end - start, protection) ||
        !process_put(process, header->p_vaddr, image + header->p_offset, header->p_filesz))
        return "a segment that cannot be mapped";
    const uint32_t brk = page_start(end + MIPS_PAGE_BYTES - 1);
    if (brk > process->brk)
        process->brk = process->brk_start = brk;
    return NULL;
}

static uint32_t push(struct process *process, uint32_t *sp, const void *bytes, uint32_t count)
{
    *sp -= count;
    (void)process_put(process, *sp, bytes, count);
    return *sp;
}

/* The stack: argc, argv, an empty environment, the auxiliary vector, then strings. */
static void stack(struct process *process, const Elf32_Ehdr *elf, uint32_t headers, int argc,
                  char **argv)
{
    static const uint8_t seed[16] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3};
    static const char platform[] = "24Kf";
    uint32_t word[128] = {(uint32_t)argc}, count = 1, sp = STACK_END - 16;
    const uint32_t random = push(process, &sp, seed, sizeof seed);
    const uint32_t name = push(process, &sp, platform, sizeof platform);
    for (int i = 0; i < argc && i < 64; i++)
        word[count++] = push(process, &sp, argv[i], (uint32_t)strlen(argv[i]) + 1);
    const uint32_t path = word[1];
    word[count++] = 0;
    word[count++] = 0;
    const uint32_t vector[][2] = {{AT_PHDR, headers},
                                  {AT_PHENT, elf->e_phentsize},
                                  {AT_PHNUM, elf->e_phnum},
                                  {AT_PAGESZ, MIPS_PAGE_BYTES},
                                  {AT_BASE, 0},
                                  {AT_FLAGS, 0},
                                  {AT_ENTRY, elf->e_entry},
                                  {AT_UID, 1000},
                                  {AT_EUID, 1000},
                                  {AT_GID, 1000},
                                  {AT_EGID, 1000},
                                  {AT_SECURE, 0},
                                  {AT_HWCAP, 0},
                                  {AT_CLKTCK, 100},
                                  {AT_RANDOM, random},
                                  {AT_PLATFORM, name},
                                  {AT_EXECFN, path},
                                  {AT_NULL, 0}};
    memcpy(word + count, vector, sizeof vector);
    count += sizeof vector / sizeof *word;
    sp = (sp - count * 4) & ~UINT32_C(15);
    (void)process_put(process, sp, word, count * 4);
    process->s->r[29] = sp;
}

static const char *image(struct process *process, const uint8_t *bytes, size_t size,
                         uint32_t *headers)
{
    Elf32_Ehdr elf;
    Elf32_Phdr header;
    if (size < sizeof elf)
        return "it is too short for an ELF image";
    memcpy(&elf, bytes, sizeof elf);
    if (memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0 || elf.e_ident[EI_CLASS] != ELFCLASS32 ||
        elf.e_ident[EI_DATA] != ELFDATA2LSB || elf.e_machine != EM_MIPS || elf.e_type != ET_EXEC)
        return "it is no static little-endian MIPS program";
    if (elf.e_phentsize != sizeof header || elf.e_phoff > size ||
        elf.e_phnum > (size - elf.e_phoff) / sizeof header)
        return "its program headers are not in the file";
    bool fr = false;
    for (unsigned i = 0; i < elf.e_phnum; i++) {
        memcpy(&header, bytes + elf.e_phoff + i * sizeof header, sizeof header);
        if (header.p_type == PT_INTERP)
            return "it is not static";
        if (header.p_type == PT_MIPS_ABIFLAGS && header.p_offset < size &&
            size - header.p_offset > FLAGS_FP_ABI)
            fr = bytes[header.p_offset + FLAGS_FP_ABI] == FLAGS_FP64;
        if (header.p_type != PT_LOAD)
            continue;
        const char *const wrong = segment(process, bytes, size, &header);
        if (wrong)
            return wrong;
        if (elf.e_phoff - header.p_offset < header.p_filesz)
            *headers = header.p_vaddr + elf.e_phoff - header.p_offset;
    }
    process->s->pc = elf.e_entry;
    process->status = KSU_USER | STATUS_CU1 | (fr ? STATUS_FR : 0);
    return NULL;
}

const char *process_load(struct process *process, int argc, char **argv)
{
    static const uint32_t trampoline[] = {0x24021061,
                                          0x0000000c}; /* li $v0, rt_sigreturn; syscall */
    size_t size;
    uint32_t headers = 0;
    uint8_t *const bytes = read_whole(argv[0], &size);
    if (!bytes)
        return "it cannot be read";
    const char *const wrong = image(process, bytes, size, &headers);
    if (!wrong) {
        Elf32_Ehdr elf;
        memcpy(&elf, bytes, sizeof elf);
        process_map(process, STACK_END - STACK_BYTES, STACK_BYTES, ALL);
        process_map(process, TRAMPOLINE, MIPS_PAGE_BYTES, ALL);
        (void)process_put(process, TRAMPOLINE, trampoline, sizeof trampoline);
        stack(process, &elf, headers, argc, argv);
        mips_cp0_write(process->cpu, 7, 0, HWRENA_BASIC | HWRENA_USERLOCAL);
        mips_cp0_write(process->cpu, 12, 0, process->status);
    }
    free(bytes);
    return wrong;
}
