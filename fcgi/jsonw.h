/*
 * Answers as JSON: a thin hand on jansson, which builds the tree and prints it into a buffer when
 * its outermost object is closed. Every writer that was started must be closed to the end.
 *
 * `key` is the member's name inside an object, NULL inside an array. Text must be valid UTF-8.
 */
#ifndef BAZAR_JSONW_H
#define BAZAR_JSONW_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "fcgi/base/buf.h"

#define JSONW_DEPTH 8 /* objects and arrays open at the same time */

struct jsonw {
	struct buf *out;
	json_t *open[JSONW_DEPTH]; /* the innermost is the last; the first owns all others */
	unsigned depth;
};

struct jsonw jsonw_start(struct buf *out);
void jsonw_open(struct jsonw *w, const char *key, char bracket); /* '{' or '[' */
void jsonw_close(struct jsonw *w); /* the innermost; the outermost is printed */
void jsonw_text(struct jsonw *w, const char *key, const char *text);
void jsonw_int(struct jsonw *w, const char *key, int64_t value);
void jsonw_bool(struct jsonw *w, const char *key, bool value);
void jsonw_null(struct jsonw *w, const char *key);
/* Hundredths as the shortest exact number: 5000 is 50, 1299 is 12.99, 1250 is 12.5. Exact up to
 * 10^13 in major units. */
void jsonw_cents(struct jsonw *w, const char *key, int64_t cents);

#endif
