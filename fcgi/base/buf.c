#include "fcgi/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/base/xalloc.h"

static uint8_t *
buf_room(struct buf *b, size_t len)
{
	if (b->cap - b->len < len) {
		size_t cap = b->cap ? b->cap : 64;
		while (cap - b->len < len)
			cap *= 2;
		b->data = xrealloc(b->data, cap);
		b->cap = cap;
	}
	uint8_t *at = b->data + b->len;
	b->len += len;
	return at;
}

void
buf_free(struct buf *b)
{
	free(b->data);
	*b = (struct buf){0};
}

void
buf_clear(struct buf *b)
{
	b->len = 0;
}

void
buf_reserve(struct buf *b, size_t len)
{
	buf_room(b, len);
	b->len -= len;
}

void
buf_add(struct buf *b, const void *bytes, size_t len)
{
	if (len > 0)
		memcpy(buf_room(b, len), bytes, len);
}

static void
store_be(uint8_t *at, uint64_t v, size_t width)
{
	for (size_t i = width; i-- > 0; v >>= 8)
		at[i] = (uint8_t)v;
}

void
buf_u8(struct buf *b, uint8_t v)
{
	store_be(buf_room(b, 1), v, 1);
}

void
buf_u16(struct buf *b, uint16_t v)
{
	store_be(buf_room(b, 2), v, 2);
}

void
buf_u32(struct buf *b, uint32_t v)
{
	store_be(buf_room(b, 4), v, 4);
}

void
buf_u64(struct buf *b, uint64_t v)
{
	store_be(buf_room(b, 8), v, 8);
}

void
buf_bytes(struct buf *b, const void *bytes, size_t len)
{
	buf_u32(b, (uint32_t)len);
	buf_add(b, bytes, len);
}

void
buf_str(struct buf *b, const char *text)
{
	buf_bytes(b, text, strlen(text));
}

void
buf_printf(struct buf *b, const char *format, ...)
{
	va_list args, again;
	va_start(args, format);
	va_copy(again, args);
	int len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len > 0) {
		char *at = (char *)buf_room(b, (size_t)len + 1);
		vsnprintf(at, (size_t)len + 1, format, again);
		b->len--; /* the NUL is not part of the contents */
	}
	va_end(again);
}

const char *
buf_cstr(struct buf *b)
{
	*buf_room(b, 1) = '\0';
	b->len--;
	return (const char *)b->data;
}

void
buf_patch_u32(struct buf *b, size_t offset, uint32_t v)
{
	store_be(b->data + offset, v, 4);
}

struct cur
cur_make(const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	return (struct cur){.at = at, .end = at ? at + len : at};
}

const uint8_t *
cur_take(struct cur *c, size_t len)
{
	if (c->bad || (size_t)(c->end - c->at) < len) {
		c->bad = true;
		return NULL;
	}
	const uint8_t *at = c->at;
	c->at += len;
	return at;
}

static uint64_t
take_be(struct cur *c, size_t width)
{
	const uint8_t *at = cur_take(c, width);
	uint64_t v = 0;
	for (size_t i = 0; at != NULL && i < width; i++)
		v = v << 8 | at[i];
	return v;
}

uint8_t
cur_u8(struct cur *c)
{
	return (uint8_t)take_be(c, 1);
}

uint16_t
cur_u16(struct cur *c)
{
	return (uint16_t)take_be(c, 2);
}

uint32_t
cur_u32(struct cur *c)
{
	return (uint32_t)take_be(c, 4);
}

uint64_t
cur_u64(struct cur *c)
{
	return take_be(c, 8);
}

const uint8_t *
cur_bytes(struct cur *c, size_t *len)
{
	size_t want = cur_u32(c);
	const uint8_t *at = cur_take(c, want);
	*len = at ? want : 0;
	return at;
}

void
cur_str(struct cur *c, char *out, size_t size)
{
	size_t len;
	const uint8_t *at = cur_bytes(c, &len);
	if (at != NULL && (len >= size || memchr(at, '\0', len) != NULL))
		c->bad = true;
	if (c->bad || at == NULL)
		len = 0;
	else
		memcpy(out, at, len);
	out[len] = '\0';
}

bool
cur_ok(const struct cur *c)
{
	return !c->bad;
}

bool
cur_end(const struct cur *c)
{
	return !c->bad && c->at == c->end;
}
