/* One line of error, as every fallible function here returns it: NULL when all is well, else text
 * from malloc that the caller prints behind "disco-replay: " and frees. */
#ifndef DISCO_REPLAYER_SAY_H
#define DISCO_REPLAYER_SAY_H

#include "collector/trace/writer.h" /* MUST_CHECK */

/* Never NULL: where there is no memory even for the message, the program ends here with exit 1. */
char *say(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *say_no_memory(void);

#endif
