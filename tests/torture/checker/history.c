#include "tests/torture/checker/history.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/base/hash.h"
#include "fcgi/base/xalloc.h"

static const char *const kind_names[KIND_COUNT] = {[INFO] = "info",
    [TAG] = "tag",
    [SEARCH] = "search",
    [BUY] = "buy",
    [CART] = "cart",
    [STOCK] = "stock",
    [PRICE] = "price",
    [ORDER] = "order"};
static const char *const outcome_names[OUTCOME_COUNT] = {[OK] = "ok",
    [SOLD_OUT] = "sold-out",
    [INSUFFICIENT] = "insufficient",
    [REFUSED] = "refused",
    [PENDING] = "pending",
    [CONFIRMED] = "confirmed",
    [REJECTED] = "rejected",
    [NONE] = "none",
    [NOT_APPLIED] = "not-applied",
    [UNSENT] = "unsent",
    [UNKNOWN] = "unknown",
    [FAILED] = "failed"};

const char *
kind_name(enum kind kind)
{
	return kind_names[kind];
}

const char *
outcome_name(enum outcome outcome)
{
	return outcome_names[outcome];
}

/* Room for one more element in an array that doubles. */
#define GROW(array, count, cap)                                                                    \
	do {                                                                                       \
		if ((count) == (cap)) {                                                            \
			(cap) = (cap) > 0 ? 2 * (cap) : 64;                                        \
			(array) = xrealloc((array), (cap) * sizeof(*(array)));                     \
		}                                                                                  \
	} while (0)

/* ---- Words of a line; the first bad one marks it, and asking goes on harmlessly ---- */

struct words {
	char *at;
	bool bad;
};

static char *
next_word(struct words *w)
{
	char *word = w->at;
	if (*word == '\0')
		w->bad = true;
	w->at += strcspn(w->at, " ");
	if (*w->at == ' ')
		*w->at++ = '\0';
	return word;
}

static int64_t
parse_number(struct words *w, const char *text, char **end, int64_t least, int64_t most)
{
	errno = 0;
	long long value = strtoll(text, end, 10);
	if (*end == text || errno != 0 || value < least || value > most) {
		w->bad = true;
		value = least;
	}
	return value;
}

static int64_t
next_number(struct words *w, int64_t least, int64_t most)
{
	char *end, *word = next_word(w);
	int64_t value = parse_number(w, word, &end, least, most);
	if (*end != '\0')
		w->bad = true;
	return value;
}

static int32_t
next_amount(struct words *w)
{
	return (int32_t)next_number(w, INT32_MIN, INT32_MAX);
}

static void
next_order(struct words *w, struct uuid *out)
{
	if (!uuid_parse_text(next_word(w), out))
		w->bad = true;
}

static uint64_t
next_hash(struct words *w)
{
	const char *word = next_word(w);
	return hash64(word, strlen(word));
}

static unsigned
next_name(struct words *w, const char *const *names, unsigned count)
{
	const char *word = next_word(w);
	for (unsigned i = 0; i < count; i++)
		if (strcmp(names[i], word) == 0)
			return i;
	w->bad = true;
	return 0;
}

/* ---- Objects ---- */

static uint32_t
find_book(struct words *w, const struct history *h, int64_t id)
{
	for (uint32_t i = 0; i < h->book_count; i++)
		if (h->books[i].id == (uint64_t)id)
			return i;
	w->bad = true;
	return 0;
}

static uint32_t
find_topic(const struct history *h, const char *name)
{
	uint32_t i = 0;
	while (i < h->topic_count && strcmp(h->topics[i].name, name) != 0)
		i++;
	return i;
}

static void
take_book(struct history *h, struct words *w)
{
	struct book b = {.id = (uint64_t)next_number(w, 1, INT64_MAX)};
	const char *name = next_word(w);
	b.price = next_amount(w);
	b.stock = next_amount(w);
	b.topic = find_topic(h, name);
	w->bad = w->bad || *w->at != '\0';
	if (w->bad)
		return;
	if (b.topic == h->topic_count) {
		GROW(h->topics, h->topic_count, h->topic_cap);
		h->topics[h->topic_count++] = (struct topic){.name = xstrdup(name)};
	}
	struct topic *t = &h->topics[b.topic];
	if (t->count == TOPIC_BOOKS_MAX) {
		w->bad = true;
		return;
	}
	b.place = t->count;
	t->books[t->count++] = (uint32_t)h->book_count;
	GROW(h->books, h->book_count, h->book_cap);
	h->books[h->book_count++] = b;
}

/* ---- Lines of orders ---- */

bool
same_lines(const struct history *h, const struct record *a, const struct record *b, bool prices)
{
	bool same = a->line_count == b->line_count;
	for (uint32_t i = 0; same && i < a->line_count; i++) {
		const struct line *x = &h->lines[a->lines + i], *y = &h->lines[b->lines + i];
		same = x->book == y->book && x->quantity == y->quantity &&
		       (!prices || x->price == y->price);
	}
	return same;
}

static void
add_line(struct history *h, struct record *r, uint32_t book, int32_t quantity)
{
	if (r->line_count == 0)
		r->lines = h->line_count;
	GROW(h->lines, h->line_count, h->line_cap);
	h->lines[h->line_count++] = (struct line){.book = book, .quantity = quantity, .price = -1};
	r->line_count++;
}

static bool
has_line(const struct history *h, const struct record *r, uint32_t book)
{
	bool found = false;
	for (uint32_t i = 0; i < r->line_count; i++)
		found |= h->lines[r->lines + i].book == book;
	return found;
}

static void
take_lines(struct history *h, struct words *w, char *word, struct record *r)
{
	char *end = word;
	do {
		uint32_t book = find_book(w, h, parse_number(w, word, &end, 1, INT64_MAX));
		w->bad =
		    w->bad || *end != ':' || r->line_count == LINES_MAX || has_line(h, r, book);
		if (w->bad)
			return;
		add_line(h, r, book, (int32_t)parse_number(w, end + 1, &end, 1, INT32_MAX));
		word = end + 1;
	} while (*end == ',');
	w->bad = w->bad || *end != '\0';
}

/* One for each line. */
static void
take_prices(struct history *h, struct words *w, const struct record *r)
{
	char *word = next_word(w), *end = word;
	for (uint32_t i = 0; i < r->line_count && !w->bad; i++) {
		h->lines[r->lines + i].price = (int32_t)parse_number(w, word, &end, 0, INT32_MAX);
		w->bad = w->bad || *end != (i + 1 < r->line_count ? ',' : '\0');
		word = end + 1;
	}
}

/* ---- Requests ---- */

/* Exactly the books of the topic, each once: anything else is no possible answer, and is kept as
 * one that matches no state. */
static void
take_rows(struct history *h, struct words *w, struct record *r)
{
	const struct topic *t = &h->topics[r->object];
	uint32_t seen = 0, count = 0;
	r->rows = h->row_count;
	for (uint32_t i = 0; i < t->count; i++) {
		GROW(h->rows, h->row_count, h->row_cap);
		h->rows[h->row_count++] = (struct row){.place = i, .price = -1, .stock = -1};
	}
	while (*w->at != '\0' && !w->bad) {
		char *end, *word = next_word(w);
		const struct book *b =
		    &h->books[find_book(w, h, parse_number(w, word, &end, 1, INT64_MAX))];
		bool fits = !w->bad && b->topic == r->object && (seen >> b->place & 1) == 0;
		struct row *row = &h->rows[r->rows + (fits ? b->place : 0)];
		if (*end == ':')
			row->price = (int32_t)parse_number(w, end + 1, &end, 0, INT32_MAX);
		if (*end == ':')
			row->stock = (int32_t)parse_number(w, end + 1, &end, 0, INT32_MAX);
		w->bad = w->bad || *end != '\0';
		if (!fits)
			row->price = -1;
		else
			seen |= UINT32_C(1) << b->place;
		count++;
	}
	if (count != t->count)
		h->rows[r->rows].price = -1;
}

static void
take_answer(struct history *h, struct words *w, struct record *r)
{
	switch (r->kind) {
	case SEARCH:
		take_rows(h, w, r);
		break;
	case TAG:
		r->price = next_amount(w);
		break;
	case BUY:
	case CART:
		take_prices(h, w, r);
		next_order(w, &r->order);
		r->created = next_hash(w);
		break;
	default:
		r->price = next_amount(w);
		r->stock = next_amount(w);
	}
}

static void
take_order_seen(struct history *h, struct words *w, struct record *r)
{
	take_lines(h, w, next_word(w), r);
	if (r->outcome != CONFIRMED || w->bad)
		return;
	take_prices(h, w, r);
	r->created = next_hash(w);
}

/* The book that a cart is refused for. */
static void
take_refused(struct history *h, struct words *w, struct record *r)
{
	r->object = find_book(w, h, next_number(w, 1, INT64_MAX));
	w->bad = w->bad || !has_line(h, r, r->object);
	if (r->outcome == INSUFFICIENT)
		r->stock = next_amount(w);
}

static void
take_outcome(struct history *h, struct words *w, struct record *r)
{
	r->outcome = (enum outcome)next_name(w, outcome_names, OUTCOME_COUNT);
	if (r->outcome == OK && r->kind != ORDER)
		take_answer(h, w, r);
	else if (r->outcome == INSUFFICIENT && (r->kind == BUY || r->kind == STOCK))
		r->stock = next_amount(w);
	else if (r->kind == CART && (r->outcome == SOLD_OUT || r->outcome == INSUFFICIENT))
		take_refused(h, w, r);
	else if (r->kind == ORDER && r->outcome >= PENDING && r->outcome <= REJECTED)
		take_order_seen(h, w, r);
	else if (is_purchase(r->kind) && r->outcome == PENDING)
		next_order(w, &r->order);
	else if (!(r->kind == ORDER && r->outcome == NONE) &&
		 !(r->kind == BUY && r->outcome == SOLD_OUT) &&
		 !(r->kind == PRICE && r->outcome == REFUSED) &&
		 !(is_write(r->kind) && r->outcome >= NOT_APPLIED && r->outcome <= UNKNOWN) &&
		 !(!is_write(r->kind) && r->outcome == FAILED))
		w->bad = true;
}

static void
take_object(struct history *h, struct words *w, struct record *r)
{
	char *end, *word = next_word(w);
	if (r->kind == ORDER) {
		w->bad = w->bad || !uuid_parse_text(word, &r->order);
	} else if (r->kind == SEARCH) {
		r->object = find_topic(h, word);
		w->bad = w->bad || r->object == h->topic_count;
	} else if (r->kind == CART) {
		take_lines(h, w, word, r);
	} else {
		r->object = find_book(w, h, parse_number(w, word, &end, 1, INT64_MAX));
		w->bad = w->bad || *end != '\0';
	}
}

static void
take_argument(struct history *h, struct words *w, struct record *r)
{
	char *end, *word = next_word(w);
	if (!is_write(r->kind) || r->kind == CART)
		return;
	r->argument = (int32_t)parse_number(w, word, &end, INT32_MIN, INT32_MAX);
	if (r->kind == PRICE && *end == '>') {
		r->expected = r->argument;
		r->argument = (int32_t)parse_number(w, end + 1, &end, INT32_MIN, INT32_MAX);
	}
	w->bad = w->bad || *end != '\0';
	if (r->kind == BUY && !w->bad)
		add_line(h, r, r->object, r->argument);
}

static void
take_record(struct history *h, struct words *w, uint32_t line)
{
	struct record r = {.line = line};
	r.invoked = next_number(w, 0, INT64_MAX);
	r.returned = next_number(w, r.invoked, INT64_MAX - 1);
	for (int i = 0; i < 4; i++)
		next_word(w); /* client, at, served, cache: for people and reports */
	r.kind = (enum kind)next_name(w, kind_names, KIND_COUNT);
	if (h->book_count == 0)
		w->bad = true;
	if (w->bad)
		return;
	take_object(h, w, &r);
	take_argument(h, w, &r);
	char *end, *key = next_word(w);
	if (strcmp(key, "-") != 0)
		r.key = (uint64_t)parse_number(w, key, &end, 1, INT64_MAX);
	if (w->bad)
		return;
	take_outcome(h, w, &r);
	if (w->bad || *w->at != '\0') {
		w->bad = true;
		return;
	}
	GROW(h->records, h->record_count, h->record_cap);
	h->records[h->record_count++] = r;
}

static int
take_line(struct history *h, char *line, uint32_t number, char error[HISTORY_ERROR])
{
	struct words w = {.at = line};
	line[strcspn(line, "\n")] = '\0';
	if (line[0] == '#' || line[0] == '\0' || strncmp(line, "fault ", 6) == 0)
		return 0;
	if (strncmp(line, "book ", 5) == 0) {
		next_word(&w);
		take_book(h, &w);
	} else {
		take_record(h, &w, number);
	}
	if (!w.bad)
		return 0;
	snprintf(error, HISTORY_ERROR, "line %u is no line of a history", number);
	return -1;
}

static int
load(FILE *file, struct history *out, char error[HISTORY_ERROR])
{
	char *line = NULL;
	size_t size = 0;
	uint32_t number = 0;
	int result = 0;
	memset(out, 0, sizeof(*out));
	while (result == 0 && getline(&line, &size, file) > 0)
		result = take_line(out, line, ++number, error);
	if (result == 0 && ferror(file)) {
		snprintf(error, HISTORY_ERROR, "cannot be read");
		result = -1;
	}
	free(line);
	fclose(file);
	return result;
}

int
history_load(const char *path, struct history *out, char error[HISTORY_ERROR])
{
	FILE *file = fopen(path, "re");
	if (file != NULL)
		return load(file, out, error);
	memset(out, 0, sizeof(*out));
	snprintf(error, HISTORY_ERROR, "%s: %s", path, strerror(errno));
	return -1;
}

int
history_parse(const char *text, struct history *out, char error[HISTORY_ERROR])
{
	FILE *file = fmemopen((void *)text, strlen(text), "r");
	if (file != NULL)
		return load(file, out, error);
	memset(out, 0, sizeof(*out));
	snprintf(error, HISTORY_ERROR, "%s", strerror(errno));
	return -1;
}

void
history_free(struct history *h)
{
	for (size_t i = 0; i < h->topic_count; i++)
		free(h->topics[i].name);
	free(h->topics);
	free(h->books);
	free(h->records);
	free(h->rows);
	free(h->lines);
	memset(h, 0, sizeof(*h));
}
