/*
 * CSV as RFC 4180 says, over bytes in memory: nothing is copied or allocated while reading.
 *
 * Fields are separated by commas, records by CR LF or LF (the last one may lack it); a field in
 * double quotes may hold commas, line ends and, doubled, quotes. A byte order mark is skipped, and
 * so are empty lines. Bytes are taken as they are: what is text, the caller says.
 */
#ifndef BAZAR_CTL_CSV_H
#define BAZAR_CTL_CSV_H

#include <stdbool.h>
#include <stddef.h>

#include "fcgi/base/buf.h"

#define CSV_FIELDS_MAX 64 /* in a record; more is an error */

/* As editors count: both from 1, the column in characters of UTF-8. */
struct csv_place {
	size_t line, column;
};

struct csv_field {
	const char *raw; /* inside the input, without the outer quotes */
	size_t len;
	bool doubled; /* holds doubled quotes; csv_copy makes them single */
	struct csv_place place;
};

struct csv {
	struct csv_field fields[CSV_FIELDS_MAX]; /* of the record just read */
	size_t count;
	struct csv_place place; /* where reading goes on; after CSV_ERROR see error_place */
	const char *error;      /* after CSV_ERROR: a sentence */
	struct csv_place error_place;
	const char *at, *end;
};

enum csv_result {
	CSV_RECORD, /* fields[0 .. count-1] */
	CSV_END,
	CSV_ERROR /* not CSV here; the next call goes on with the next line */
};

/* `bytes` must outlive the reader. */
void csv_open(struct csv *c, const void *bytes, size_t len);
enum csv_result csv_next(struct csv *c);

/* The field's text with a NUL. -1: it holds a NUL or does not fit `size`; *out is then "". */
int csv_copy(const struct csv_field *field, char *out, size_t size);

/* Appends `text` as a field, in quotes where they are needed. */
void csv_write(struct buf *out, const char *text);

#endif
