/* Blocks on their way from who fills them into the file, so that whoever records does not wait.
 *
 * A ring of blocks: one is open and being filled, the others are encoded by a few threads, each a block at
 * a time, and taken by one more in the order in which they were handed on. What is taken depends on the
 * blocks alone: threads change when it is done and nothing else.
 *
 * All functions are for the one thread that fills blocks. Memory: PIPELINE_ENCODERS + 3 blocks, and an
 * encoder's working memory for each of their number.
 */
#ifndef DISCO_TRACE_PIPELINE_H
#define DISCO_TRACE_PIPELINE_H

#include "collector/trace/block-row.h"

/* Two keep up with a recorder that has a core of its own, and use what it leaves when it has not. */
#define PIPELINE_ENCODERS 2u

struct pipeline;

/* Takes a block, with its row but for what block_row_describe() does not know; row->data is good
 * during the call. Called on another thread, but in order and one at a time. NULL, or what is wrong: a
 * line from malloc, after which nothing more is taken. */
typedef char *pipeline_take(void *context, const struct ref_block *block,
                            const struct block_row *row);

/* `columns` of the blocks. NULL when memory is short. Where no thread can be had, the caller's does all. */
struct pipeline *pipeline_new(uint32_t columns, pipeline_take *take, void *context);
/* Forgets what was not taken yet. */
void pipeline_free(struct pipeline *pipeline);

/* The open block, to be filled. */
struct ref_block *pipeline_block(struct pipeline *pipeline);
/* The open block is full: hands it on, and opens the next, empty, with the number and the first reference that
 * follow. Waits only where all blocks are on their way. An error is that of a block taken since the last call; the
 * text is the caller's. */
char *pipeline_next(struct pipeline *pipeline);
/* Waits until all that was handed on has been taken. */
char *pipeline_wait(struct pipeline *pipeline);
/* Hands on the open block as it is, and waits until it was taken, and all before it; it stays open. */
char *pipeline_flush(struct pipeline *pipeline);

#endif
