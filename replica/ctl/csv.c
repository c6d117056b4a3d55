#include "replica/ctl/csv.h"

#include <string.h>

void
csv_open(struct csv *c, const void *bytes, size_t len)
{
	*c = (struct csv){.at = bytes, .end = (const char *)bytes + len, .place = {1, 1}};
	if (len >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
		c->at += 3;
}

/* One byte on. A character counts at its first byte, whatever follows it. */
static void
step(struct csv *c)
{
	unsigned char byte = (unsigned char)*c->at++;
	if (byte == '\n') {
		c->place.line++;
		c->place.column = 1;
	} else if ((byte & 0xc0) != 0x80) {
		c->place.column++;
	}
}

static bool
at_byte(const struct csv *c, char byte)
{
	return c->at < c->end && *c->at == byte;
}

static bool
at_line_end(const struct csv *c)
{
	return at_byte(c, '\n') || (at_byte(c, '\r') && c->end - c->at > 1 && c->at[1] == '\n');
}

static void
skip_line_end(struct csv *c)
{
	if (at_byte(c, '\r'))
		step(c);
	if (at_byte(c, '\n'))
		step(c);
}

/* Notes the error and goes to the next line, so that one slip does not hide the others. */
static enum csv_result
fail(struct csv *c, struct csv_place place, const char *error)
{
	c->error = error;
	c->error_place = place;
	while (c->at < c->end && *c->at != '\n')
		step(c);
	skip_line_end(c);
	return CSV_ERROR;
}

/* After the opening quote. */
static const char *
read_quoted(struct csv *c, struct csv_field *f)
{
	f->raw = c->at;
	while (c->at < c->end) {
		if (!at_byte(c, '"')) {
			step(c);
			continue;
		}
		f->len = (size_t)(c->at - f->raw);
		step(c);
		if (!at_byte(c, '"'))
			return NULL;
		f->doubled = true;
		step(c);
	}
	return "this quote is never closed";
}

static const char *
read_plain(struct csv *c, struct csv_field *f)
{
	f->raw = c->at;
	while (c->at < c->end && *c->at != ',' && !at_line_end(c)) {
		if (*c->at == '"')
			return "a quote inside a field that does not begin with one";
		if (*c->at == '\r')
			return "a carriage return without a line feed";
		step(c);
	}
	f->len = (size_t)(c->at - f->raw);
	return NULL;
}

static enum csv_result
read_record(struct csv *c)
{
	for (c->count = 0; c->count < CSV_FIELDS_MAX;) {
		struct csv_field *f = &c->fields[c->count];
		*f = (struct csv_field){.place = c->place};
		bool quoted = at_byte(c, '"');
		if (quoted)
			step(c);
		const char *error = quoted ? read_quoted(c, f) : read_plain(c, f);
		if (error != NULL)
			return fail(c, quoted ? f->place : c->place, error);
		c->count++;
		if (c->at == c->end || at_line_end(c)) {
			skip_line_end(c);
			return CSV_RECORD;
		}
		if (!at_byte(c, ','))
			return fail(c, c->place, "a comma or the line's end must follow a quote");
		step(c);
	}
	return fail(c, c->place, "more fields than any record may have");
}

enum csv_result
csv_next(struct csv *c)
{
	while (at_line_end(c))
		skip_line_end(c);
	return c->at == c->end ? CSV_END : read_record(c);
}

int
csv_copy(const struct csv_field *field, char *out, size_t size)
{
	size_t used = 0;
	for (size_t i = 0; i < field->len; i++) {
		if (used + 1 >= size || field->raw[i] == '\0') {
			*out = '\0';
			return -1;
		}
		out[used++] = field->raw[i];
		if (field->doubled && field->raw[i] == '"')
			i++;
	}
	out[used] = '\0';
	return 0;
}

void
csv_write(struct buf *out, const char *text)
{
	if (text[strcspn(text, ",\"\r\n")] == '\0') {
		buf_add(out, text, strlen(text));
		return;
	}
	buf_u8(out, '"');
	for (; *text != '\0'; text++) {
		if (*text == '"')
			buf_u8(out, '"');
		buf_u8(out, (uint8_t)*text);
	}
	buf_u8(out, '"');
}
