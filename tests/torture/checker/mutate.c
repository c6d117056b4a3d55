#include "tests/torture/checker/mutate.h"

#include <stdlib.h>
#include <string.h>

#include "fcgi/base/hash.h"
#include "fcgi/base/xalloc.h"

#define TRIES 1000 /* to find a read that nothing overlaps */

struct mutator {
	const struct history *h;
	struct operations *topics;
	uint64_t random;
};

/* Below `limit`, which is not 0. */
static uint64_t
pick(struct mutator *m, uint64_t limit)
{
	m->random++;
	return hash64(&m->random, sizeof(m->random)) % limit;
}

/* Could an open or pending write of the book have changed what this read should have seen? */
static bool
is_alone(const struct mutator *m, uint32_t topic, const struct operations *ops,
    const struct operation *read)
{
	for (size_t i = 0; i < ops->count; i++) {
		const struct operation *op = &ops->list[i];
		if (op->invoked > read->returned)
			break; /* in the order of invocation */
		if (is_write(op->kind) && op->returned >= read->invoked &&
		    (read->kind == SEARCH ||
			operation_writes(m->h, op, m->h->topics[topic].books[read->place])))
			return false;
	}
	return true;
}

static bool
is_read_of_book(const struct operation *op, uint32_t place)
{
	return (op->kind == INFO || op->kind == TAG) && op->place == place;
}

/* Another value than `now`: one that another read saw, or one beside it. */
static int32_t
other_value(
    struct mutator *m, const struct operations *ops, uint32_t place, bool price, int32_t now)
{
	for (int tries = 0; tries < 20; tries++) {
		const struct operation *op = &ops->list[pick(m, ops->count)];
		if (!is_read_of_book(op, place) || (!price && op->kind == TAG))
			continue;
		int32_t value = price ? op->price : op->stock;
		if (value != now)
			return value;
	}
	return now + 1;
}

/* `row`: where the history keeps what a search said of one book. */
static void
falsify(struct mutator *m, const struct operations *ops, struct operation *read, struct row *row)
{
	bool price = read->kind == TAG || pick(m, 2) == 0;
	bool search = read->kind == SEARCH;
	uint32_t place = search ? row->place : read->place;
	int32_t *value =
	    price ? (search ? &row->price : &read->price) : (search ? &row->stock : &read->stock);
	*value = other_value(m, ops, place, price, *value);
}

/* -1: this topic has no read to falsify; 0: not seen; 1: seen. */
static int
try_one(struct mutator *m, uint32_t topic, struct findings *f)
{
	const struct operations *good = &m->topics[topic];
	size_t at = 0;
	int tries = 0;
	for (; tries < TRIES && good->count > 0; tries++) {
		at = pick(m, good->count);
		if (!is_write(good->list[at].kind) && is_alone(m, topic, good, &good->list[at]))
			break;
	}
	if (tries == TRIES || good->count == 0)
		return -1;

	struct operations bad = {xcalloc(good->count, sizeof(*bad.list)), good->count};
	memcpy(bad.list, good->list, good->count * sizeof(*bad.list));
	struct operation *read = &bad.list[at];
	struct row none = {0}, *row = &none, kept;
	struct findings quiet = {0};
	if (read->kind == SEARCH)
		row = &m->h->rows[read->rows + pick(m, m->h->topics[topic].count)];
	kept = *row;
	falsify(m, good, read, row);
	bool seen = linear_check(m->h, topic, &bad, &quiet, NULL) == NOT_LINEAR;
	if (!seen)
		finding(f, "line %u: a false answer would not be noticed", good->list[at].line);
	*row = kept;
	operations_free(&bad);
	return seen;
}

struct mutations
mutate(const struct history *h, struct operations *topics, size_t count, uint64_t seed,
    struct findings *f)
{
	struct mutator m = {h, topics, seed};
	struct mutations done = {0};
	for (size_t i = 0; i < count; i++) {
		int seen = try_one(&m, (uint32_t)pick(&m, h->topic_count), f);
		done.made += seen >= 0;
		done.seen += seen > 0;
	}
	return done;
}
