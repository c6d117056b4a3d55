/*
 * Text that comes from people: UTF-8, topics folded for look-up, money, times.
 */
#ifndef BAZAR_BASE_TEXT_H
#define BAZAR_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fcgi/base/buf.h"

#define TEXT_TIME 25 /* "2026-01-31T12:00:00.000Z" with the NUL */

/* Valid UTF-8 without control characters (C0, DEL, C1). `len` in bytes. */
bool text_is_clean(const char *text, size_t len);

/*
 * NFC and Unicode case folding (utf8proc): two topics are the same exactly when their folded forms
 * are equal bytes. Returns 0, or -1 when `text` is not UTF-8 or the result does not fit `size`.
 */
int text_fold(const char *text, size_t len, char *out, size_t size);

/* What a lower-case hexadecimal digit stands for; -1: it is none. */
int text_hex(char c);

/* Appends it percent-encoded: only letters, digits and -._~ stand for themselves, so that it can be
 * a segment or a parameter of an address, in a header or in HTML. */
void text_percent(const char *text, struct buf *out);

/* RFC 3339, UTC, milliseconds, of a time in milliseconds since 1970. */
void text_time(uint64_t ms, char out[TEXT_TIME]);

/*
 * A decimal number as people and CSV files write it ("65", "12.99"): at most two decimals, no sign,
 * no exponent. Cents in *cents; -1 when it is anything else or above `max_cents`.
 */
int text_parse_cents(const char *text, int64_t max_cents, int64_t *cents);

/* A positive decimal integer of at most 18 digits without leading zero; 0 when it is none. */
uint64_t text_parse_id(const char *text);

#endif
