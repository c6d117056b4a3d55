#include "fcgi/catalog/inquiry.h"

#include <stdio.h>
#include <string.h>

#include "fcgi/problem.h"
#include "fcgi/reads.h"

/* A form sends what was left empty too. */
static const char *
param(const struct call *c, const char *name)
{
	const char *value = request_param(c->q, name);
	return value != NULL && *value != '\0' ? value : NULL;
}

static bool
refuse(struct call *c, const char *why)
{
	problem(c->r, c->q, PROBLEM_BAD_REQUEST, "%s", why);
	return false;
}

static bool
read_price(struct call *c, const char *name, int64_t *cents)
{
	const char *text = param(c, name);
	if (text == NULL || text_parse_cents(text, BOOK_PRICE_MAX, cents) == 0)
		return true;
	problem(c->r, c->q, PROBLEM_BAD_REQUEST,
	    "The parameter %s must be a price: at most two decimals, 9999999.99 at most.", name);
	return false;
}

static bool
read_stock(struct call *c, struct find *f)
{
	const char *text = param(c, "in_stock");
	f->in_stock = text != NULL && strcmp(text, "true") == 0;
	return text == NULL || f->in_stock || strcmp(text, "false") == 0 ||
	       refuse(c, "The parameter in_stock must be true or false.");
}

/* What matches best comes first, where there is something to match. */
static bool
read_sort(struct call *c, struct find *f)
{
	static const struct {
		const char *name;
		enum find_sort sort;
	} rows[] = {{"id", FIND_BY_ID}, {"relevance", FIND_BY_RELEVANCE}, {"title", FIND_BY_TITLE},
	    {"price", FIND_BY_PRICE}, {"-price", FIND_BY_PRICE_DOWN}};
	const char *name = param(c, "sort");
	f->sort = f->words.count > 0 ? FIND_BY_RELEVANCE : FIND_BY_ID;
	for (size_t i = 0; name != NULL && i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(rows[i].name, name) != 0)
			continue;
		if (rows[i].sort != FIND_BY_RELEVANCE)
			f->sort = rows[i].sort;
		return true;
	}
	return name == NULL ||
	       refuse(c, "The parameter sort must be relevance, id, title, price or -price.");
}

static bool
read_place(struct call *c, struct find *f)
{
	uint8_t bytes[FIND_PLACE_MAX];
	const char *text = param(c, "after");
	size_t len = text != NULL ? strlen(text) / 2 : 0;
	if (text == NULL)
		return true;
	bool good = len <= sizeof(bytes) && strlen(text) == 2 * len;
	for (size_t i = 0; good && i < len; i++) {
		int high = text_hex(text[2 * i]), low = text_hex(text[2 * i + 1]);
		good = high >= 0 && low >= 0;
		bytes[i] = good ? (uint8_t)(high << 4 | low) : 0;
	}
	return (good && find_place_decode(bytes, len, f->sort, &f->from)) ||
	       refuse(c, "The parameter after is not one that a page before this one gave.");
}

bool
inquiry_read(struct call *c, struct inquiry *q)
{
	struct find *f = &q->find;
	const char *text = param(c, "q"), *topic = c->topic != NULL ? c->topic : param(c, "topic");
	memset(q, 0, sizeof(*q));
	if (text != NULL)
		words_of_text(text, FIND_WORDS, &f->words);
	q->none = text != NULL && f->words.count == 0;
	if (topic != NULL) {
		f->topic = q->topic;
		q->none |= text_fold(topic, strlen(topic), q->topic, sizeof(q->topic)) != 0;
	}
	f->most = BOOK_PRICE_MAX;
	return read_limit(c, &f->limit) && read_price(c, "min_price", &f->least) &&
	       read_price(c, "max_price", &f->most) && read_stock(c, f) && read_sort(c, f) &&
	       read_place(c, f);
}

void
inquiry_print_place(enum find_sort sort, const struct find_place *place, char out[CURSOR_TEXT])
{
	struct buf bytes = {0};
	out[0] = '\0';
	find_place_encode(&bytes, sort, place);
	for (size_t i = 0; i < bytes.len; i++)
		snprintf(out + 2 * i, 3, "%02x", bytes.data[i]);
	buf_free(&bytes);
}
