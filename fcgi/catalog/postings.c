#include "fcgi/catalog/postings.h"

#include <stdlib.h>
#include <string.h>

#include "fcgi/base/xalloc.h"
#include "fcgi/catalog/rows.h"
#include "fcgi/log.h"

_Static_assert(SCORE_MAX < 1 << SCORE_BITS, "a score fits");
_Static_assert(BOOK_ID_MAX >> (64 - SCORE_BITS) == 0, "an id fits");

struct reading {
	struct postings *p;
	size_t len; /* of the word */
	uint64_t from;
	size_t left; /* postings */
};

static unsigned
score(unsigned weight, bool whole)
{
	return 2 * weight + whole;
}

static void
add(struct postings *p, uint64_t id, unsigned value)
{
	if (p->count == p->cap) {
		p->cap = p->cap > 0 ? 2 * p->cap : 256;
		p->list = xrealloc(p->list, p->cap * sizeof(*p->list));
	}
	p->list[p->count++] = id << SCORE_BITS | value;
}

static void
take_row(const uint8_t *key, size_t key_len, const uint8_t *value, size_t value_len,
    struct index_row *row)
{
	if (!index_row(key, key_len, value, value_len, row))
		log_fatal("catalog: a row of the index is damaged");
}

static bool
read_row(void *arg, const uint8_t *key, size_t key_len, const uint8_t *value, size_t value_len)
{
	struct reading *r = arg;
	struct index_row row;
	take_row(key, key_len, value, value_len, &row);
	bool whole = row.word_len == r->len;
	if (row.word_len < r->len || memcmp(row.word, r->p->word, r->len) != 0 ||
	    (!whole && !r->p->open))
		return false;
	if (r->left < row.count) {
		r->p->known = r->p->open ? 0 : row.first;
		return false;
	}
	r->left -= row.count;
	for (size_t i = 0; i < row.count; i++) {
		uint64_t id = index_posting_id(&row, i);
		if (id >= r->from)
			add(r->p, id, score(index_posting_weight(&row, i), whole));
	}
	return true;
}

static int
compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;
	return *x < *y ? -1 : *x > *y;
}

/* Several words of a book may begin alike: the best of them counts. */
static void
sort(struct postings *p)
{
	size_t kept = 0;
	if (p->count > 0)
		qsort(p->list, p->count, sizeof(*p->list), compare);
	for (size_t i = 0; i < p->count; i++) {
		if (kept > 0 && posting_id(p->list[kept - 1]) == posting_id(p->list[i]))
			kept--;
		p->list[kept++] = p->list[i];
	}
	p->count = kept;
}

struct postings
postings_read(const struct view *v, const char *word, bool open, uint64_t from, size_t most)
{
	struct postings p = {.word = word, .open = open, .known = UINT64_MAX};
	struct reading r = {.p = &p, .len = strlen(word), .from = from, .left = most};
	struct buf key = {0};
	if (open)
		buf_add(&key, word, r.len);
	else
		index_key(&key, word, from / INDEX_BLOCK);
	v->scan(v->ctx, TABLE_WORD, key.data, key.len, read_row, &r);
	buf_free(&key);
	if (open)
		sort(&p);
	return p;
}

void
postings_free(struct postings *p)
{
	free(p->list);
}

unsigned
postings_score(struct postings *p, uint64_t id)
{
	while (p->at < p->count && posting_id(p->list[p->at]) < id)
		p->at++;
	return p->at < p->count && posting_id(p->list[p->at]) == id
		   ? (unsigned)(p->list[p->at] & ((1 << SCORE_BITS) - 1))
		   : 0;
}

unsigned
postings_look_up(const struct postings *p, const struct view *v, uint64_t id)
{
	struct buf key = {0}, value = {0};
	struct index_row row;
	unsigned found = 0;
	index_key(&key, p->word, id / INDEX_BLOCK);
	if (v->get(v->ctx, TABLE_WORD, key.data, key.len, &value)) {
		take_row(key.data, key.len, value.data, value.len, &row);
		for (size_t i = 0; i < row.count; i++)
			if (index_posting_id(&row, i) == id)
				found = score(index_posting_weight(&row, i), true);
	}
	buf_free(&key);
	buf_free(&value);
	return found;
}

unsigned
postings_score_book(const struct postings *p, const struct words *words)
{
	unsigned best = 0;
	size_t len = strlen(p->word);
	for (size_t i = 0; i < words->count; i++) {
		const struct word *w = &words->word[i];
		bool whole = strcmp(w->text, p->word) == 0;
		if (!whole && !(p->open && strncmp(w->text, p->word, len) == 0))
			continue;
		unsigned value = score(w->weight, whole);
		best = value > best ? value : best;
	}
	return best;
}
