/*
 * CSV files: read to their end; every record written again reads the same.
 * fuzzes: replica/ctl/csv.c
 */
#include <string.h>

#include "replica/ctl/csv.h"
#include "tests/fuzz/fuzz.h"

#define TEXT_MAX 4096

static bool
later(struct csv_place a, struct csv_place b)
{
	return a.line != b.line ? a.line > b.line : a.column > b.column;
}

/* Fields that are no C strings are left out of the comparison, and so is the one record that
 * cannot be written: a single empty field looks like an empty line. The empty line before keeps a
 * field that begins with a byte order mark from being taken for the file's own. */
static void
check_again(const struct csv *c)
{
	static struct csv again;
	char text[TEXT_MAX + 1], back[TEXT_MAX + 1];
	struct buf out = {0};
	buf_u8(&out, '\n');
	for (size_t i = 0; i < c->count; i++) {
		if (csv_copy(&c->fields[i], text, sizeof(text)) != 0)
			strcpy(text, "x");
		if (i > 0)
			buf_u8(&out, ',');
		csv_write(&out, text);
	}
	csv_open(&again, out.data, out.len);
	if (out.len > 1) {
		assert(csv_next(&again) == CSV_RECORD && again.count == c->count);
		for (size_t i = 0; i < c->count; i++) {
			assert(csv_copy(&again.fields[i], back, sizeof(back)) == 0);
			if (csv_copy(&c->fields[i], text, sizeof(text)) == 0)
				assert(strcmp(text, back) == 0);
		}
	}
	assert(csv_next(&again) == CSV_END);
	buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct csv c;
	enum csv_result result;
	if (size > TEXT_MAX)
		return -1;
	csv_open(&c, data, size);
	for (struct csv before = c; (result = csv_next(&c)) != CSV_END; before = c) {
		assert(c.at > before.at && !later(before.place, c.place));
		if (result == CSV_ERROR)
			assert(c.error != NULL && !later(c.error_place, c.place));
		else if (c.count > 1 || c.fields[0].len > 0)
			check_again(&c);
	}
	return 0;
}
