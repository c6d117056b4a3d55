/* Looking things up in the catalog's tables. */
#include <string.h>

#include "fcgi/base/hash.h"
#include "fcgi/catalog/catalog.h"
#include "fcgi/catalog/rows.h"
#include "fcgi/log.h"

static void
damaged(const char *table)
{
	log_fatal("catalog: a row of table %s is damaged", table);
}

static bool
find_book(const struct view *v, uint8_t table, uint64_t id, struct book *out)
{
	struct buf row = {0};
	bool found = v->get(v->ctx, table, book_key(id).bytes, sizeof(struct book_key), &row);
	struct cur c = cur_make(row.data, row.len);
	if (found && (!book_decode(&c, out) || !cur_end(&c)))
		damaged(catalog_tables[table]);
	buf_free(&row);
	return found;
}

bool
catalog_book(const struct view *v, uint64_t id, struct book *out)
{
	return find_book(v, TABLE_BOOK, id, out);
}

bool
catalog_withdrawn(const struct view *v, uint64_t id, struct book *out)
{
	return find_book(v, TABLE_WITHDRAWN, id, out);
}

uint64_t
catalog_last_id(const struct view *v)
{
	struct buf row = {0};
	uint64_t id = 0;
	bool found = v->get(v->ctx, TABLE_COUNTER, COUNTER_LAST_ID, strlen(COUNTER_LAST_ID), &row);
	struct cur c = cur_make(row.data, row.len);
	if (found && !counter_decode(&c, &id))
		damaged("counter");
	buf_free(&row);
	return id;
}

uint64_t
catalog_tag(const struct book *b)
{
	struct buf row = {0};
	book_encode(&row, b);
	uint64_t tag = hash64(row.data, row.len);
	buf_free(&row);
	return tag != 0 ? tag : 1;
}

/* ---- Search ---- */

struct search {
	const uint8_t *prefix; /* folded topic and its 0 */
	size_t prefix_len;
	size_t limit, count;
	bool more;
	bool (*visit)(void *arg, const struct book *b);
	void *arg;
	struct book book;
};

static bool
search_row(void *arg, const uint8_t *key, size_t key_len, const uint8_t *value, size_t value_len)
{
	struct search *s = arg;
	if (key_len != s->prefix_len + 8 || memcmp(key, s->prefix, s->prefix_len) != 0)
		return false;
	if (s->count == s->limit) {
		s->more = true;
		return false;
	}
	struct cur id = cur_make(key + s->prefix_len, 8);
	struct cur row = cur_make(value, value_len);
	s->book.id = cur_u64(&id);
	if (!topic_book_decode(&row, &s->book))
		damaged("topic_book");
	s->count++;
	return s->visit(s->arg, &s->book);
}

size_t
catalog_search(const struct view *v, const char *folded, uint64_t after, size_t limit, bool *more,
    bool (*visit)(void *arg, const struct book *b), void *arg)
{
	struct buf from = {0};
	topic_book_key(&from, folded, after + 1);
	struct search s = {.prefix = from.data,
	    .prefix_len = from.len - 8,
	    .limit = limit,
	    .visit = visit,
	    .arg = arg};
	v->scan(v->ctx, TABLE_TOPIC_BOOK, from.data, from.len, search_row, &s);
	buf_free(&from);
	*more = s.more;
	return s.count;
}

/* ---- Topics ---- */

struct topics {
	void (*visit)(void *arg, const char *topic, uint64_t books);
	void *arg;
};

static bool
topics_row(void *arg, const uint8_t *key, size_t key_len, const uint8_t *value, size_t value_len)
{
	(void)key, (void)key_len;
	const struct topics *all = arg;
	struct cur row = cur_make(value, value_len);
	struct topic t;
	if (!topic_decode(&row, &t))
		damaged("topic");
	all->visit(all->arg, t.name, t.books);
	return true;
}

void
catalog_topics(
    const struct view *v, void (*visit)(void *arg, const char *topic, uint64_t books), void *arg)
{
	struct topics all = {.visit = visit, .arg = arg};
	v->scan(v->ctx, TABLE_TOPIC, NULL, 0, topics_row, &all);
}

/* ---- Books ---- */

struct books {
	bool (*visit)(void *arg, const struct book *b);
	void *arg;
	struct book book;
};

static bool
books_row(void *arg, const uint8_t *key, size_t key_len, const uint8_t *value, size_t value_len)
{
	(void)key, (void)key_len;
	struct books *all = arg;
	struct cur row = cur_make(value, value_len);
	if (!book_decode(&row, &all->book) || !cur_end(&row))
		damaged("book");
	return all->visit(all->arg, &all->book);
}

static void
scan_books(const struct view *v, uint8_t table, uint64_t after,
    bool (*visit)(void *arg, const struct book *b), void *arg)
{
	struct books all = {.visit = visit, .arg = arg};
	struct book_key from = book_key(after + 1);
	v->scan(v->ctx, table, from.bytes, sizeof(from.bytes), books_row, &all);
}

void
catalog_books(
    const struct view *v, uint64_t after, bool (*visit)(void *arg, const struct book *b), void *arg)
{
	scan_books(v, TABLE_BOOK, after, visit, arg);
}

void
catalog_withdrawn_books(
    const struct view *v, uint64_t after, bool (*visit)(void *arg, const struct book *b), void *arg)
{
	scan_books(v, TABLE_WITHDRAWN, after, visit, arg);
}

/* ---- Reservations ---- */

struct reservations {
	const struct uuid *after;
	bool (*visit)(void *arg, const struct reservation *r);
	void *arg;
};

static bool
reservations_row(
    void *arg, const uint8_t *key, size_t key_len, const uint8_t *value, size_t value_len)
{
	const struct reservations *all = arg;
	struct reservation r;
	struct stored_answer stored;
	struct cur row = cur_make(value, value_len);
	if (key_len != sizeof(r.order_id.bytes) ||
	    !reservation_decode(&row, r.line, &r.count, &stored) ||
	    catalog_reserved_decode(stored.bytes, stored.len, &r.answer, r.sold) != 0 ||
	    (r.answer.result == CATALOG_OK && r.answer.count != r.count))
		damaged("reservation");
	memcpy(r.order_id.bytes, key, key_len);
	if (all->after != NULL && uuid_equal(&r.order_id, all->after))
		return true;
	return all->visit(all->arg, &r);
}

void
catalog_reservations(const struct view *v, const struct uuid *after,
    bool (*visit)(void *arg, const struct reservation *r), void *arg)
{
	struct reservations all = {.after = after, .visit = visit, .arg = arg};
	v->scan(v->ctx, TABLE_RESERVATION, after, after != NULL ? sizeof(after->bytes) : 0,
	    reservations_row, &all);
}
