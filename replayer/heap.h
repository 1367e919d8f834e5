/* How the process keeps its memory. */
#ifndef DISCO_REPLAYER_HEAP_H
#define DISCO_REPLAYER_HEAP_H

/* For main(), before the first large table: tables that grow leave no holes behind. */
void heap_tight(void);

#endif
