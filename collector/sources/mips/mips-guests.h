/* The guests that can be named: ELF files NAME.elf in the folder of guests.
 *
 * That is $DISCO_GUESTS, or guests/ beside the command (the build tree), or ../share/disco/guests seen from
 * it (installed). What a guest says of itself is the text of its section .disco.about, "NAME: what it does".
 */
#ifndef DISCO_SOURCES_MIPS_GUESTS_H
#define DISCO_SOURCES_MIPS_GUESTS_H

#include <stdio.h>

#include "collector/trace/writer.h" /* MUST_CHECK */

/* The file that `word` means, from malloc: a path (it has a '/'), else the guest of that name, else the
 * file of that name here. An error says which guests there are. */
char *mips_guest_file(const char *word, char **path) MUST_CHECK;

/* A line each, by name. */
char *mips_guests_list(FILE *out) MUST_CHECK;

#endif
