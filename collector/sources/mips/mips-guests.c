#include "collector/sources/mips/mips-guests.h"

#include <dirent.h>
#include <fcntl.h>
#include <gelf.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "replayer/report/say.h"

#define SUFFIX        ".elf"
#define ABOUT_SECTION ".disco.about"

/* From malloc; NULL: there is none. */
static char *guests_folder(void)
{
    const char *given = getenv("DISCO_GUESTS");
    if (given != NULL && *given != '\0')
        return strdup(given);
    static const char *const places[] = {"guests", "../share/disco/guests"};
    char folder[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", folder, sizeof folder - 1);
    if (length <= 0)
        return NULL;
    folder[length] = '\0';
    char *slash = strrchr(folder, '/');
    if (slash == NULL)
        return NULL;
    *slash = '\0';
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char *path = say("%s/%s", folder, places[i]);
        if (access(path, R_OK | X_OK) == 0)
            return path;
        free(path);
    }
    return NULL;
}

static int is_guest(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return length > strlen(SUFFIX) && strcmp(entry->d_name + length - strlen(SUFFIX), SUFFIX) == 0;
}

/* The guests of a folder, sorted; each from malloc, and the list. */
static int guests_in(const char *folder, struct dirent ***list)
{
    *list = NULL;
    int count = folder == NULL ? 0 : scandir(folder, list, is_guest, alphasort);
    for (int i = 0; i < count; i++)
        (*list)[i]->d_name[strlen((*list)[i]->d_name) - strlen(SUFFIX)] = '\0';
    return count < 0 ? 0 : count;
}

static void guests_free(struct dirent **list, int count)
{
    for (int i = 0; i < count; i++)
        free(list[i]);
    free((void *)list);
}

static char *no_guest(const char *word, const char *folder)
{
    struct dirent **list;
    int count = guests_in(folder, &list);
    char *error;
    if (count == 0) {
        error = say("%s: no such file, and there are no guests to name: `make guests` builds them "
                    "(it wants gcc-mipsel-linux-gnu), or $DISCO_GUESTS is their folder",
                    word);
    } else {
        char *names = strdup("");
        for (int i = 0; i < count; i++) {
            char *longer =
                say("%s%s%s", names == NULL ? "" : names, i > 0 ? ", " : "", list[i]->d_name);
            free(names);
            names = longer;
        }
        error = say("%s: no such guest; there are: %s, or the path of an ELF file", word, names);
        free(names);
    }
    guests_free(list, count);
    return error;
}

char *mips_guest_file(const char *word, char **path)
{
    *path = NULL;
    char *folder = guests_folder();
    char *file =
        strchr(word, '/') != NULL || folder == NULL ? NULL : say("%s/%s%s", folder, word, SUFFIX);
    char *error = NULL;
    if (file != NULL && access(file, F_OK) == 0) {
        *path = file;
    } else {
        free(file);
        if (access(word, F_OK) == 0)
            *path = say("%s", word);
        else
            error = no_guest(word, folder);
    }
    free(folder);
    return error;
}

/* The text of the section, up to its first 0, from malloc; NULL where there is none. */
static char *about_of(Elf *elf)
{
    size_t names = 0;
    if (elf == NULL || elf_getshdrstrndx(elf, &names) != 0)
        return NULL;
    for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section)) != NULL;) {
        GElf_Shdr header;
        if (gelf_getshdr(section, &header) == NULL)
            continue;
        const char *name = elf_strptr(elf, names, header.sh_name);
        if (name == NULL || strcmp(name, ABOUT_SECTION) != 0)
            continue;
        const Elf_Data *data = elf_getdata(section, NULL);
        return data == NULL || data->d_buf == NULL ? NULL : strndup(data->d_buf, data->d_size);
    }
    return NULL;
}

static void list_guest(const char *folder, const char *name, FILE *out)
{
    char *path = say("%s/%s%s", folder, name, SUFFIX);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    Elf *elf = file < 0 ? NULL : elf_begin(file, ELF_C_READ, NULL);
    char *about = about_of(elf);
    size_t length = strlen(name);
    const char *text = about == NULL ? "" : about;
    if (strncmp(text, name, length) == 0 && text[length] == ':') {
        text += length + 1;
        text += strspn(text, " ");
    }
    (void)fprintf(out, *text == '\0' ? "%s\n" : "%s\n    %s\n", name, text);
    free(about);
    (void)elf_end(elf);
    if (file >= 0)
        (void)close(file);
    free(path);
}

char *mips_guests_list(FILE *out)
{
    char *folder = guests_folder();
    struct dirent **list;
    int count = guests_in(folder, &list);
    char *error = NULL;
    (void)elf_version(EV_CURRENT);
    for (int i = 0; i < count; i++)
        list_guest(folder, list[i]->d_name, out);
    if (count == 0)
        error = say("there are no guests%s%s; `make guests` builds them (it wants "
                    "gcc-mipsel-linux-gnu)",
                    folder == NULL ? "" : " in ", folder == NULL ? "" : folder);
    guests_free(list, count);
    free(folder);
    return error;
}
