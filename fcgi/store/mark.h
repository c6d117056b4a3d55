/*
 * How far the log of Berkeley DB is known to be on disk, in a small file beside it ("flushed").
 * Recovery takes the first record that makes no sense for the place where a crash ended the log;
 * the mark tells such an end from a log that was cut off or damaged, which must not go unnoticed:
 * what others were told is durable would be gone.
 *
 * The mark is written after the flush it speaks of and needs none itself: an older one is true,
 * too, and one that is missing or torn says nothing.
 */
#ifndef BAZAR_STORE_MARK_H
#define BAZAR_STORE_MARK_H

#include <stdint.h>

#include "fcgi/store/trouble.h"

/* The end of the log that is on disk: everything before `offset` in file number `file`. */
struct log_end {
	uint32_t file, offset; /* file 0: not known */
};

struct mark;

/* Checks the log's files in `dir` against the mark, before recovery. `end` becomes what recovery
 * must reach at least. NULL with the trouble. */
struct mark *mark_open(const char *dir, struct log_end *end, struct trouble *trouble);
void mark_close(struct mark *m); /* NULL: nothing */

/* The log is on disk up to `end`. One thread. */
void mark_write(struct mark *m, struct log_end end);

#endif
