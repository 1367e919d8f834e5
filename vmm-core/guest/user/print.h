/* What printed text waits in until its line is whole. */
#ifndef DISCO_GUEST_PRINT_H
#define DISCO_GUEST_PRINT_H

void print_flush(void);     /* the caller's part of a line goes out now */
void print_flush_all(void); /* and that of every thread: the process ends */

#endif
