#include "fcgi/jsonw.h"

#include <stdlib.h>

/* 15 significant digits bring every amount of cents back exactly as it went in (DBL_DIG). */
#define PRINT (JSON_COMPACT | JSON_REAL_PRECISION(15))

struct jsonw
jsonw_start(struct buf *out)
{
	return (struct jsonw){.out = out};
}

/* Puts a value where the writer stands. jansson fails here for want of memory only, and that must
 * not become half an answer. */
static void
add(struct jsonw *w, const char *key, json_t *value)
{
	json_t *into = w->depth > 0 ? w->open[w->depth - 1] : NULL;
	int failed = value == NULL;
	if (!failed && into != NULL)
		failed = key != NULL ? json_object_set_new_nocheck(into, key, value)
				     : json_array_append_new(into, value);
	if (failed)
		abort();
}

void
jsonw_open(struct jsonw *w, const char *key, char bracket)
{
	if (w->depth == JSONW_DEPTH)
		abort();
	json_t *opened = bracket == '{' ? json_object() : json_array();
	add(w, key, opened);
	w->open[w->depth++] = opened;
}

static int
print(const char *text, size_t len, void *out)
{
	buf_add(out, text, len);
	return 0;
}

void
jsonw_close(struct jsonw *w)
{
	if (--w->depth > 0)
		return;
	if (json_dump_callback(w->open[0], print, w->out, PRINT) != 0)
		abort();
	json_decref(w->open[0]);
}

void
jsonw_text(struct jsonw *w, const char *key, const char *text)
{
	json_t *value = json_string(text);
	/* What a request said may be quoted in a problem, and need not be UTF-8. */
	add(w, key, value != NULL ? value : json_string("(not UTF-8)"));
}

void
jsonw_int(struct jsonw *w, const char *key, int64_t value)
{
	add(w, key, json_integer(value));
}

void
jsonw_bool(struct jsonw *w, const char *key, bool value)
{
	add(w, key, json_boolean(value));
}

void
jsonw_null(struct jsonw *w, const char *key)
{
	add(w, key, json_null());
}

void
jsonw_cents(struct jsonw *w, const char *key, int64_t cents)
{
	if (cents % 100 == 0)
		jsonw_int(w, key, cents / 100);
	else
		add(w, key, json_real((double)cents / 100));
}
