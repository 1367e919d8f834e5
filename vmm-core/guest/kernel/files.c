/* The file system in memory: files that are part of the guest's image, and files that programs create.
 * Whoever opens a file has a place of his own in it; a child's are copies. */
#include "vmm-core/guest/kernel/kernel.h"

/* Made by the build (vmm-core/guest/Makefile); a name of NULL ends it. */
extern const struct embedded_file {
    const char *name;
    const uint8_t *first, *end;
} embedded_files[];

void files_init(void)
{
    uint32_t count = 0;

    for (const struct embedded_file *from = embedded_files; from->name; from++) {
        struct file *file = &kernel.file[count++];

        if (count > FILES_MAX || strlen(from->name) >= NAME_BYTES)
            panic("the image has too many files, or too long names", NULL);
        strcpy(file->name, from->name);
        file->image = from->first;
        file->bytes = (uint32_t)(from->end - from->first);
        file->uses = 1;
    }
}

struct file *file_find(const char *name)
{
    for (uint32_t i = 0; i < FILES_MAX; i++)
        if (kernel.file[i].uses && strcmp(kernel.file[i].name, name) == 0)
            return &kernel.file[i];
    return NULL;
}

/* With the lock, as all below: one use less. */
static void release(struct file *file)
{
    if (--file->uses || !file->pages)
        return;
    for (uint32_t i = 0; i < TABLE_WORDS; i++)
        if (file->pages[i])
            page_drop(file->pages[i]);
    page_drop(ppn_of(file->pages));
    *file = (struct file){0};
}

static bool unlink_created(const char *name)
{
    struct file *file = file_find(name);

    if (!file || file->image)
        return false;
    file->name[0] = 0;
    release(file);
    return true;
}

static struct file *create(const char *name)
{
    struct file *file = kernel.file;

    unlink_created(name);
    if (!name[0] || file_find(name))
        return NULL;
    while (file < kernel.file + FILES_MAX && file->uses)
        file++;
    if (file == kernel.file + FILES_MAX || !(file->pages = page_new(true)))
        return NULL;
    strcpy(file->name, name);
    file->bytes = 0;
    file->uses = 1;
    return file;
}

int file_open(struct process *process, const char *name, bool new)
{
    int number = 0;
    struct file *file = NULL;

    lock_take(&kernel.file_lock);
    while (number < OPEN_MAX && process->open[number].file)
        number++;
    if (number < OPEN_MAX)
        file = new ? create(name) : name[0] ? file_find(name) : NULL;
    if (file) {
        file->uses++;
        process->open[number] = (struct open_file){file, 0, new};
    }
    lock_give(&kernel.file_lock);
    return file ? number : -1;
}

static const uint8_t *bytes_at(const struct file *file, uint32_t offset)
{
    if (file->image)
        return file->image + offset;
    return (const uint8_t *)page_at(file->pages[offset / PAGE_BYTES]) + offset % PAGE_BYTES;
}

static uint32_t left_in_page(uint32_t offset, uint32_t bytes)
{
    uint32_t left = PAGE_BYTES - offset % PAGE_BYTES;

    return bytes < left ? bytes : left;
}

int file_read(struct open_file *open, uint32_t address, uint32_t bytes)
{
    struct file *file = open->file;
    uint32_t done = 0;

    if (open->offset >= file->bytes)
        return 0;
    if (bytes > file->bytes - open->offset)
        bytes = file->bytes - open->offset;
    while (done < bytes) {
        uint32_t part = left_in_page(open->offset, bytes - done);

        if (!user_write(address + done, bytes_at(file, open->offset), part))
            return -1;
        open->offset += part;
        done += part;
    }
    return (int)done;
}

int file_write(struct open_file *open, uint32_t address, uint32_t bytes)
{
    struct file *file = open->file;
    uint32_t done = 0;

    if (!open->write || open->offset + bytes > TABLE_WORDS * PAGE_BYTES)
        return -1;
    while (done < bytes) {
        uint32_t part = left_in_page(open->offset, bytes - done);
        uint32_t *ppn = &file->pages[open->offset / PAGE_BYTES];

        if (!*ppn) {
            void *page = page_new(false);

            if (!page)
                return -1;
            *ppn = ppn_of(page);
        }
        if (!user_read((uint8_t *)page_at(*ppn) + open->offset % PAGE_BYTES, address + done, part))
            return -1;
        open->offset += part;
        done += part;
        if (file->bytes < open->offset)
            file->bytes = open->offset;
    }
    return (int)done;
}

void file_close(struct open_file *open)
{
    lock_take(&kernel.file_lock);
    release(open->file);
    open->file = NULL;
    lock_give(&kernel.file_lock);
}

void files_copy(struct process *to, const struct process *from)
{
    lock_take(&kernel.file_lock);
    for (uint32_t i = 0; i < OPEN_MAX; i++) {
        to->open[i] = from->open[i];
        if (to->open[i].file)
            to->open[i].file->uses++;
    }
    lock_give(&kernel.file_lock);
}

int file_unlink(const char *name)
{
    bool well;

    lock_take(&kernel.file_lock);
    well = name[0] && unlink_created(name);
    lock_give(&kernel.file_lock);
    return well ? 0 : -1;
}
