/*
 * A backup of one service's tables in a file: the rows as they were read, piece by piece, while
 * writes went on, then the log's entries from the first piece on. Rows of entries are results, so
 * putting all of it one after the other gives the exact tables as of the last entry.
 *
 *     "BAZARBK1", then records {u8 kind, u32 length, bytes, u64 check}
 *
 * A record's check is the hash64 of the check before it and of everything in it, so none can be
 * changed, lost or moved; the last one is BACKUP_END.
 */
#ifndef BAZAR_STORE_BACKUP_H
#define BAZAR_STORE_BACKUP_H

#include <stdint.h>
#include <stdio.h>

#include "fcgi/base/buf.h"
#include "replica/core/entry.h"

#define BACKUP_ERROR 512 /* with the NUL */
#define BACKUP_RECORD_MAX (2u << 20)

enum backup_kind {
	BACKUP_HEAD = 1, /* name of the service */
	BACKUP_ROWS,     /* effects */
	BACKUP_ENTRY,    /* one encoded entry */
	BACKUP_END       /* the position it is the state of */
};

struct backup_writer {
	FILE *file;
	uint64_t check;
};

/* A new file, for its owner only. -1: errno. */
int backup_create(struct backup_writer *w, const char *path, const char *service);
int backup_add(struct backup_writer *w, enum backup_kind kind, const void *bytes, size_t len);
/* The end; on disk when this returns 0. Closes the file in any case. */
int backup_finish(struct backup_writer *w, struct position at);

struct backup_info {
	char service[16];
	struct position at;
	uint64_t rows, entries, bytes; /* records of each kind; of the file */
};

/*
 * Reads all of it, checking every record; `visit` (NULL: nobody) gets each ROWS as effects, and
 * each entry's effects, in order. -1: a sentence in `error`; what was visited until then is worth
 * nothing.
 */
typedef void (*backup_visit)(void *arg, const void *effects, size_t len);
int backup_read(const char *path, backup_visit visit, void *arg, struct backup_info *out,
    char error[BACKUP_ERROR]);

#endif
