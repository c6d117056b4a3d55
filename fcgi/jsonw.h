/*
 * Writes JSON straight into a buffer. Answers are written far more often than JSON is read, and
 * prices must come out of cents exactly, which no floating-point number can promise.
 *
 * `key` is the member's name inside an object, NULL inside an array. Text must be valid UTF-8.
 */
#ifndef BAZAR_JSONW_H
#define BAZAR_JSONW_H

#include <stdbool.h>
#include <stdint.h>

#include "fcgi/base/buf.h"

struct jsonw {
	struct buf *out;
	bool comma; /* something stands before in this object or array */
};

struct jsonw jsonw_start(struct buf *out);
void jsonw_open(struct jsonw *w, const char *key, char bracket); /* '{' or '[' */
void jsonw_close(struct jsonw *w, char bracket);                 /* '}' or ']' */
void jsonw_text(struct jsonw *w, const char *key, const char *text);
void jsonw_uint(struct jsonw *w, const char *key, uint64_t value);
void jsonw_int(struct jsonw *w, const char *key, int64_t value);
void jsonw_bool(struct jsonw *w, const char *key, bool value);
void jsonw_null(struct jsonw *w, const char *key);
/* Hundredths as the shortest exact number: 5000 is 50, 1299 is 12.99, 1250 is 12.5. */
void jsonw_cents(struct jsonw *w, const char *key, int64_t cents);

#endif
