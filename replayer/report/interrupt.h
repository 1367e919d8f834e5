/* Has the user asked to stop? The program holds SIGINT and SIGTERM back (blocked in every thread),
 * and looks at moments when it can stop with nothing half done. */
#ifndef DISCO_REPORT_INTERRUPT_H
#define DISCO_REPORT_INTERRUPT_H

#include "replayer/report/say.h"

/* Call before any thread is started. */
void interrupt_hold(void);

/* NULL, or the line that tells of it, when one of the two is pending. A system call: not per
 * reference. */
char *interrupt_pending(void);

#endif
