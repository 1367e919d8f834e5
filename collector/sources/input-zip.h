/* The members of a zip archive, one after the other, as they come: nothing is sought, so that a
 * pipe will do and an archive that was cut off gives all that is there.
 *
 * The local header of each member is read, the central directory is passed over (APPNOTE.TXT
 * 6.3.10, PKWARE, sections 4.3.7 to 4.3.12). Members are deflated or stored, in archives of any
 * size; of each the CRC-32 is checked, and the sizes where the header has them.
 */
#ifndef DISCO_SOURCES_INPUT_ZIP_H
#define DISCO_SOURCES_INPUT_ZIP_H

#include <stdbool.h>
#include <stddef.h>

struct input_zip;

enum zip_step {
    ZIP_GOING, /* wants more bytes, or more room */
    ZIP_ENDED, /* the last member was read: what follows is the directory */
    ZIP_DAMAGED,
    ZIP_UNKNOWN, /* a way of packing that is not read: encrypted, neither deflated nor stored */
};

struct input_zip *input_zip_new(void); /* NULL: out of memory */
void input_zip_free(struct input_zip *zip);

/* Unpacks from [*from, end) into to[0..room): moves *from, sets *got. */
enum zip_step input_zip_step(struct input_zip *zip, const unsigned char **from,
                             const unsigned char *end, char *to, size_t room, size_t *got);

#endif
