#include "fcgi/jsonw.h"

#include <string.h>

struct jsonw
jsonw_start(struct buf *out)
{
	return (struct jsonw){.out = out};
}

/* Quotes and escapes; runs that need no escape are copied whole. */
static void
quote(struct buf *out, const char *text)
{
	static const char hex[] = "0123456789abcdef";
	buf_u8(out, '"');
	for (;;) {
		size_t run = 0;
		while ((unsigned char)text[run] >= 0x20 && text[run] != '"' && text[run] != '\\')
			run++;
		buf_add(out, text, run);
		unsigned char c = (unsigned char)text[run];
		if (c == '\0')
			break;
		if (c == '"' || c == '\\')
			buf_add(out, (char[]){'\\', (char)c}, 2);
		else
			buf_add(out, (char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
		text += run + 1;
	}
	buf_u8(out, '"');
}

static void
member(struct jsonw *w, const char *key)
{
	if (w->comma)
		buf_u8(w->out, ',');
	w->comma = true;
	if (key != NULL) {
		quote(w->out, key);
		buf_u8(w->out, ':');
	}
}

void
jsonw_open(struct jsonw *w, const char *key, char bracket)
{
	member(w, key);
	buf_u8(w->out, (uint8_t)bracket);
	w->comma = false;
}

void
jsonw_close(struct jsonw *w, char bracket)
{
	buf_u8(w->out, (uint8_t)bracket);
	w->comma = true;
}

void
jsonw_text(struct jsonw *w, const char *key, const char *text)
{
	member(w, key);
	quote(w->out, text);
}

static void
digits(struct buf *out, uint64_t value)
{
	char text[20];
	size_t at = sizeof(text);
	do
		text[--at] = (char)('0' + value % 10);
	while ((value /= 10) != 0);
	buf_add(out, text + at, sizeof(text) - at);
}

void
jsonw_uint(struct jsonw *w, const char *key, uint64_t value)
{
	member(w, key);
	digits(w->out, value);
}

void
jsonw_int(struct jsonw *w, const char *key, int64_t value)
{
	member(w, key);
	if (value < 0)
		buf_u8(w->out, '-');
	digits(w->out, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

static void
word(struct jsonw *w, const char *key, const char *text)
{
	member(w, key);
	buf_add(w->out, text, strlen(text));
}

void
jsonw_bool(struct jsonw *w, const char *key, bool value)
{
	word(w, key, value ? "true" : "false");
}

void
jsonw_null(struct jsonw *w, const char *key)
{
	word(w, key, "null");
}

void
jsonw_cents(struct jsonw *w, const char *key, int64_t cents)
{
	jsonw_int(w, key, cents / 100);
	unsigned rest = (unsigned)(cents % 100);
	if (rest == 0)
		return;
	char text[3] = {'.', (char)('0' + rest / 10), (char)('0' + rest % 10)};
	buf_add(w->out, text, rest % 10 == 0 ? 2 : 3);
}
