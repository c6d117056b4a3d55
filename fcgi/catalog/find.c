#include "fcgi/catalog/find.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/base/xalloc.h"
#include "fcgi/catalog/postings.h"
#include "fcgi/catalog/rows.h"
#include "fcgi/log.h"

/* ---- The best matches behind a place: a heap with the worst of them on top ---- */

struct hit {
	uint8_t key[FIND_KEY];
	uint64_t id;
};

struct search {
	const struct view *v;
	const struct find *f;
	struct hit *hits; /* room for limit + 1: one more tells that there are more */
	size_t count;
	uint64_t total; /* matches in the window */
	uint64_t until; /* where the window ends; UINT64_MAX: nowhere */
	bool partial;   /* it may lack some */
	size_t left;    /* rows that may still be looked at */
};

static int
compare_hits(const void *a, const void *b)
{
	const struct hit *x = a, *y = b;
	int key = memcmp(x->key, y->key, FIND_KEY);
	return key != 0 ? key : x->id < y->id ? -1 : x->id > y->id;
}

static void
swap(struct hit *a, struct hit *b)
{
	struct hit c = *a;
	*a = *b;
	*b = c;
}

static void
sift_up(struct hit *hits, size_t i)
{
	for (; i > 0 && compare_hits(&hits[i], &hits[(i - 1) / 2]) > 0; i = (i - 1) / 2)
		swap(&hits[i], &hits[(i - 1) / 2]);
}

static void
sift_down(struct hit *hits, size_t count)
{
	for (size_t i = 0, worse; (worse = 2 * i + 1) < count; i = worse) {
		if (worse + 1 < count && compare_hits(&hits[worse + 1], &hits[worse]) > 0)
			worse++;
		if (compare_hits(&hits[i], &hits[worse]) >= 0)
			return;
		swap(&hits[i], &hits[worse]);
	}
}

static void
add_hit(struct search *s, const struct hit *hit)
{
	const struct find_place *from = &s->f->from;
	struct hit behind = {.id = from->id};
	memcpy(behind.key, from->key, FIND_KEY);
	s->total++;
	if (from->inside && compare_hits(hit, &behind) <= 0)
		return;
	if (s->count <= s->f->limit) {
		s->hits[s->count] = *hit;
		sift_up(s->hits, s->count++);
	} else if (compare_hits(hit, &s->hits[0]) < 0) {
		s->hits[0] = *hit;
		sift_down(s->hits, s->count);
	}
}

/* ---- One book that has the words ---- */

static void
put_u64(uint8_t out[8], uint64_t number)
{
	for (int i = 7; i >= 0; i--, number >>= 8)
		out[i] = (uint8_t)number;
}

/* Most titles are ASCII, where folding is simple. False: this one is not, as far as it counts. */
static bool
ascii_key(const char *title, uint8_t key[FIND_KEY])
{
	size_t i = 0;
	for (; i < FIND_KEY && title[i] != '\0' && isascii(title[i]); i++)
		key[i] = (uint8_t)tolower(title[i]);
	return isascii(title[i]); /* what comes next might combine with the last one */
}

static void
title_key(const struct book *b, uint8_t key[FIND_KEY])
{
	char folded[3 * BOOK_TITLE_SIZE]; /* the longest form there can be */
	if (ascii_key(b->title, key))
		return;
	memset(key, 0, FIND_KEY);
	if (text_fold(b->title, strlen(b->title), folded, sizeof(folded)) != 0)
		return;
	size_t len = strlen(folded);
	memcpy(key, folded, len < FIND_KEY ? len : FIND_KEY);
}

/* `b` is looked at where the order needs it only. */
static struct hit
make_hit(enum find_sort sort, uint64_t id, unsigned score, const struct book *b)
{
	struct hit hit = {.id = id};
	switch (sort) {
	case FIND_BY_ID:
		break;
	case FIND_BY_RELEVANCE:
		hit.key[0] = (uint8_t)(UINT8_MAX - score);
		break;
	case FIND_BY_TITLE:
		title_key(b, hit.key);
		break;
	case FIND_BY_PRICE:
		put_u64(hit.key, (uint64_t)b->price);
		break;
	case FIND_BY_PRICE_DOWN:
		put_u64(hit.key, UINT64_MAX - (uint64_t)b->price);
	}
	return hit;
}

/* What rows with a price and a stock can tell, which those of a topic have too. */
static bool
passes(const struct find *f, const struct book *b)
{
	return b->price >= f->least && b->price <= f->most && (!f->in_stock || b->quantity > 0);
}

static bool
is_of_topic(const struct find *f, const struct book *b)
{
	char folded[BOOK_TOPIC_FOLDED_SIZE];
	return f->topic == NULL ||
	       (text_fold(b->topic, strlen(b->topic), folded, sizeof(folded)) == 0 &&
		   strcmp(folded, f->topic) == 0);
}

/* ---- With words: from the index ---- */

static bool
needs_row(const struct find *f)
{
	return f->topic != NULL || f->least > 0 || f->most < BOOK_PRICE_MAX || f->in_stock ||
	       f->sort == FIND_BY_TITLE || f->sort == FIND_BY_PRICE ||
	       f->sort == FIND_BY_PRICE_DOWN;
}

/* The terms of one search, and the one whose postings are gone through. */
struct terms {
	struct postings list[FIND_WORDS];
	size_t count;
	struct postings *driver;
};

/* The shortest list that is complete. Else one that is complete as far as all whole words are:
 * there the window ends. Else there is only the beginning of a word. */
static void
choose_driver(struct search *s, struct terms *t)
{
	struct postings *complete = NULL, *whole = NULL;
	uint64_t until = UINT64_MAX;
	for (size_t i = 0; i < t->count; i++) {
		struct postings *p = &t->list[i];
		if (p->known == UINT64_MAX && (complete == NULL || p->count < complete->count))
			complete = p;
		if (p->open)
			continue;
		if (whole == NULL || p->count < whole->count)
			whole = p;
		until = p->known < until ? p->known : until;
	}
	if (complete != NULL) {
		t->driver = complete;
	} else if (whole != NULL) {
		t->driver = whole;
		s->until = until;
	} else {
		t->driver = &t->list[0];
		s->partial = true;
	}
}

/* A candidate: the row is read when anything depends on it. */
struct candidate {
	uint64_t id;
	unsigned score;
	bool has_row, has_words;
	struct book book;
	struct words words;
};

/* One more look at a row. False: there were enough, the window ends here. */
static bool
may_look(struct search *s, const struct candidate *c)
{
	if (s->left == 0)
		s->until = c->id;
	else
		s->left--;
	return s->until != c->id;
}

/* False: as may_look. */
static bool
read_candidate(struct search *s, struct candidate *c)
{
	if (c->has_row)
		return true;
	if (!may_look(s, c))
		return false;
	c->has_row = true;
	if (!catalog_book(s->v, c->id, &c->book))
		log_fatal("catalog: the index knows a book that does not exist");
	return true;
}

/* The score of one word where its list does not reach: the whole word is looked up in the index;
 * for a beginning, the book's own words tell. False: as may_look. */
static bool
score_beyond(struct search *s, struct candidate *c, const struct postings *p, unsigned *score)
{
	if (!may_look(s, c))
		return false;
	*score = postings_look_up(p, s->v, c->id);
	if (*score > 0 || !p->open)
		return true;
	if (!read_candidate(s, c))
		return false;
	if (!c->has_words)
		words_of_book(&c->book, &c->words);
	c->has_words = true;
	*score = postings_score_book(p, &c->words);
	return true;
}

/* Whether all words match, then with the score. False: as may_look. */
static bool
score_words(struct search *s, struct terms *t, struct candidate *c, bool *match)
{
	*match = true;
	for (size_t i = 0; *match && i < t->count; i++) {
		struct postings *p = &t->list[i];
		unsigned score = postings_score(p, c->id);
		bool beyond = score == 0 && c->id >= p->known && p != t->driver;
		if (beyond && !score_beyond(s, c, p, &score))
			return false;
		*match = score > 0;
		c->score += score;
	}
	return true;
}

/* False: as may_look. */
static bool
consider(struct search *s, struct terms *t, struct candidate *c)
{
	bool match;
	if (!score_words(s, t, c, &match))
		return false;
	if (match && needs_row(s->f)) {
		if (!read_candidate(s, c))
			return false;
		match = passes(s->f, &c->book) && is_of_topic(s->f, &c->book);
	}
	if (match) {
		struct hit hit = make_hit(s->f->sort, c->id, c->score, &c->book);
		add_hit(s, &hit);
	}
	return true;
}

static void
search_words(struct search *s)
{
	const struct words *words = &s->f->words;
	struct terms t = {.count = words->count < FIND_WORDS ? words->count : FIND_WORDS};
	struct candidate c;
	s->left = FIND_FETCH;
	for (size_t i = 0; i < t.count; i++) {
		bool open = words->open && i == words->count - 1;
		t.list[i] =
		    postings_read(s->v, words->word[i].text, open, s->f->from.window, FIND_SCAN);
	}
	choose_driver(s, &t);
	for (size_t i = 0; i < t.driver->count; i++) {
		c.id = posting_id(t.driver->list[i]);
		c.score = 0;
		c.has_row = c.has_words = false;
		if (c.id >= s->until || !consider(s, &t, &c))
			break;
	}
	for (size_t i = 0; i < t.count; i++)
		postings_free(&t.list[i]);
}

/* ---- Without words: through the books, or those of a topic ---- */

/* False: this is enough. */
static bool
look_at(void *arg, const struct book *b)
{
	struct search *s = arg;
	bool enough = s->f->sort == FIND_BY_ID && s->count > s->f->limit;
	if (enough || s->left == 0) {
		s->until = b->id;
		return false;
	}
	s->left--;
	if (passes(s->f, b)) {
		struct hit hit = make_hit(s->f->sort, b->id, 0, b);
		add_hit(s, &hit);
	}
	return true;
}

static void
search_rows(struct search *s)
{
	bool more;
	uint64_t window = s->f->from.window, after = window > 0 ? window - 1 : 0;
	s->left = FIND_ROWS;
	if (s->f->topic != NULL)
		catalog_search(s->v, s->f->topic, after, SIZE_MAX, &more, look_at, s);
	else
		catalog_books(s->v, after, look_at, s);
}

/* ---- The page ---- */

/* Where the next page begins: behind the last hit, or with the next window. */
static void
find_next(const struct search *s, struct found *found)
{
	const struct hit *last = &s->hits[found->count > 0 ? found->count - 1 : 0];
	bool rest = s->count > found->count;
	found->more = rest || s->until != UINT64_MAX;
	if (!rest) {
		found->next = (struct find_place){.window = s->until};
	} else if (s->f->sort == FIND_BY_ID) {
		found->next = (struct find_place){.window = last->id + 1};
	} else {
		found->next = (struct find_place){
		    .window = s->f->from.window, .inside = true, .id = last->id};
		memcpy(found->next.key, last->key, FIND_KEY);
	}
}

struct found
catalog_find(const struct view *v, const struct find *f,
    void (*visit)(void *arg, const struct book *b), void *arg)
{
	struct search s = {.v = v, .f = f, .until = UINT64_MAX};
	struct found found = {0};
	struct book b;
	s.hits = xmalloc((f->limit + 1) * sizeof(*s.hits));
	if (f->words.count > 0)
		search_words(&s);
	else
		search_rows(&s);
	if (s.count > 0)
		qsort(s.hits, s.count, sizeof(*s.hits), compare_hits);
	found.count = s.count < f->limit ? s.count : f->limit;
	for (size_t i = 0; i < found.count; i++) {
		if (!catalog_book(v, s.hits[i].id, &b))
			log_fatal("catalog: a topic has a book that does not exist");
		visit(arg, &b);
	}
	find_next(&s, &found);
	found.total = s.total;
	found.counted = f->from.window == 0 && s.until == UINT64_MAX && !s.partial;
	free(s.hits);
	return found;
}

/* ---- Places as bytes ---- */

static size_t
key_length(enum find_sort sort)
{
	switch (sort) {
	case FIND_BY_ID:
		return 0;
	case FIND_BY_RELEVANCE:
		return 1;
	case FIND_BY_TITLE:
		return FIND_KEY;
	default:
		return 8;
	}
}

void
find_place_encode(struct buf *out, enum find_sort sort, const struct find_place *place)
{
	buf_u64(out, place->window);
	if (!place->inside)
		return;
	buf_add(out, place->key, key_length(sort));
	buf_u64(out, place->id);
}

bool
find_place_decode(const void *bytes, size_t len, enum find_sort sort, struct find_place *out)
{
	struct cur c = cur_make(bytes, len);
	*out = (struct find_place){.window = cur_u64(&c), .inside = len > 8};
	if (out->inside) {
		const uint8_t *key = cur_take(&c, key_length(sort));
		if (key != NULL)
			memcpy(out->key, key, key_length(sort));
		out->id = cur_u64(&c);
	}
	return cur_end(&c) && out->window <= BOOK_ID_MAX + 1;
}
