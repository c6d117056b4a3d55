/*
 * A CSV file of books: the columns id, title, author, topic, price and quantity, found by the names
 * in the first line, in any order; other columns are ignored. Nothing of the file is kept in memory
 * but the mapping, so its size does not matter.
 *
 * Everything wrong with it is told on stderr as FILE:LINE:COLUMN: sentence, up to 20 times.
 */
#ifndef BAZAR_CTL_BOOKFILE_H
#define BAZAR_CTL_BOOKFILE_H

#include "fcgi/catalog/catalog.h"
#include "replica/ctl/csv.h"

#define BOOKFILE_ERRORS_MAX 20

struct bookfile;

/* NULL after saying what is wrong: not readable, or without those columns. */
struct bookfile *bookfile_open(const char *path);
void bookfile_close(struct bookfile *f);

/* Starts (again) at the first book. */
void bookfile_rewind(struct bookfile *f);

/*
 * The next valid book, `stocked` = 0, and where its id stands. False at the end, or when there have
 * been too many errors to go on. What is not valid is told and left out.
 */
bool bookfile_next(struct bookfile *f, struct book *out, struct csv_place *place);

/* Tells an error the caller found, and counts it. */
void bookfile_error(struct bookfile *f, struct csv_place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

size_t bookfile_errors(const struct bookfile *f); /* told so far */

/* Hash of all its bytes: the same file, the same number. */
uint64_t bookfile_hash(const struct bookfile *f);

#endif
