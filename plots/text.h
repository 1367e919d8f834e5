/* Text from the database on its way to gnuplot, where it must stay text.
 *
 * Names and command lines are whatever the recorded program called itself. They reach gnuplot only
 * as a field of a data file or as a string in single quotes, in which gnuplot 5.4 expands nothing
 * (manual, "Syntax", quote marks); and all text is drawn `noenhanced`, so no markup acts.
 * Control characters become blanks and bytes that are not UTF-8 become '?', for pango and for XML.
 */
#ifndef DISCO_PLOTS_TEXT_H
#define DISCO_PLOTS_TEXT_H

#include <stdio.h>

/* 'text'; a quote inside becomes a string of its own, for gnuplot 5.4 does not read '''' as one
 * quote. */
void text_write_quoted(FILE *file, const char *text);

/* A field of a data file: " becomes ' and \ is doubled, as gnuplot reads both as its own there. */
void text_write_field(FILE *file, const char *text);

/* Part of a file name: what is not a letter, digit, '-', '_', '+' or '=' becomes '-'; at most 60
 * characters. From malloc. */
char *text_file_name(const char *text);

/* The text of a message: printf into malloc'ed memory. */
char *text_message(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
