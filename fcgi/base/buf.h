/*
 * A growable byte buffer, and the binary encoding used for log entries, messages and rows.
 *
 * Writing appends: integers are big-endian (so that encoded keys sort like numbers), byte strings
 * carry a 32-bit length. Reading goes through a cursor that never leaves its bounds: the first
 * impossible read marks it bad, and every later read yields zero, so a decoder reads all its
 * fields and asks `cur_ok` or `cur_end` once at the end.
 */
#ifndef BAZAR_BASE_BUF_H
#define BAZAR_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t *data; /* NULL while nothing was written; buf owns it */
	size_t len;
	size_t cap;
};

void buf_free(struct buf *b);                               /* leaves an empty, usable buffer */
void buf_clear(struct buf *b);                              /* len = 0, keeps the memory */
void buf_reserve(struct buf *b, size_t len);                /* room for len more bytes */
void buf_add(struct buf *b, const void *bytes, size_t len); /* raw, without a length */
void buf_u8(struct buf *b, uint8_t v);
void buf_u16(struct buf *b, uint16_t v);
void buf_u32(struct buf *b, uint32_t v);
void buf_u64(struct buf *b, uint64_t v);
void buf_bytes(struct buf *b, const void *bytes, size_t len); /* u32 length, then the bytes */
void buf_str(struct buf *b, const char *text);                /* as buf_bytes, without the NUL */
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *buf_cstr(struct buf *b); /* NUL-terminated view of the contents, valid until a write */

/* Overwrite 4 bytes written earlier at `offset` (for lengths known only afterwards). */
void buf_patch_u32(struct buf *b, size_t offset, uint32_t v);

struct cur {
	const uint8_t *at;
	const uint8_t *end;
	bool bad;
};

struct cur cur_make(const void *bytes, size_t len);
uint8_t cur_u8(struct cur *c);
uint16_t cur_u16(struct cur *c);
uint32_t cur_u32(struct cur *c);
uint64_t cur_u64(struct cur *c);
/* The next `len` raw bytes, pointing into the input; NULL (and bad) when there are fewer. */
const uint8_t *cur_take(struct cur *c, size_t len);
/* A length-prefixed byte string, pointing into the input; *len = 0 when bad. */
const uint8_t *cur_bytes(struct cur *c, size_t *len);
/* A length-prefixed string copied with a NUL; too long for `size` or holding a NUL is bad. */
void cur_str(struct cur *c, char *out, size_t size);
bool cur_ok(const struct cur *c);  /* nothing impossible was read so far */
bool cur_end(const struct cur *c); /* ... and nothing is left over */

#endif
