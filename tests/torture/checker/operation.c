#include "tests/torture/checker/operation.h"

#include <inttypes.h>
#include <stdlib.h>

#include "fcgi/base/xalloc.h"

/* Whether the record says, or asks for, something of the topic. */
static bool
is_of_topic(const struct history *h, const struct record *r, uint32_t topic)
{
	if (r->kind == SEARCH)
		return r->object == topic;
	if (r->kind != CART || (is_decided(r->outcome) && r->outcome != OK))
		return h->books[r->object].topic == topic;
	bool found = false;
	for (uint32_t i = 0; i < r->line_count; i++)
		found |= h->books[h->lines[r->lines + i].book].topic == topic;
	return found;
}

static struct operation
from_record(const struct history *h, const struct record *r)
{
	return (struct operation){.invoked = r->invoked,
	    .returned = r->returned,
	    .kind = r->kind,
	    .outcome = r->outcome,
	    .place = r->kind == SEARCH ? 0 : h->books[r->object].place,
	    .line = r->line,
	    .argument = r->argument,
	    .expected = r->expected,
	    .price = r->price,
	    .stock = r->stock,
	    .rows = r->rows,
	    .lines = r->lines,
	    .line_count = r->line_count};
}

const struct line *
operation_line(const struct history *h, const struct operation *op, uint32_t book)
{
	for (uint32_t i = 0; i < op->line_count; i++)
		if (h->lines[op->lines + i].book == book)
			return &h->lines[op->lines + i];
	return NULL;
}

int64_t
operation_adds(const struct history *h, const struct operation *op, uint32_t book)
{
	const struct line *line = operation_line(h, op, book);
	if (line != NULL)
		return -(int64_t)line->quantity;
	return op->kind == STOCK && op->place == h->books[book].place ? op->argument : 0;
}

bool
operation_writes(const struct history *h, const struct operation *op, uint32_t book)
{
	if (is_purchase(op->kind))
		return operation_line(h, op, book) != NULL;
	return is_write(op->kind) && op->place == h->books[book].place;
}

/* ---- Attempts at the same operation ---- */

static bool
same_request(const struct history *h, const struct record *a, const struct record *b)
{
	if (a->kind == CART && b->kind == CART)
		return same_lines(h, a, b, false);
	return a->kind == b->kind && a->object == b->object && a->argument == b->argument &&
	       a->expected == b->expected;
}

static bool
same_answer(const struct history *h, const struct record *a, const struct record *b)
{
	return a->outcome == b->outcome && a->object == b->object && same_lines(h, a, b, true) &&
	       a->price == b->price && a->stock == b->stock && a->created == b->created &&
	       uuid_equal(&a->order, &b->order);
}

/* The attempt that was decided first, or NULL. */
static const struct record *
first_decided(const struct record *const *attempts, size_t count)
{
	const struct record *found = NULL;
	for (size_t i = 0; i < count; i++)
		if (is_decided(attempts[i]->outcome) &&
		    (found == NULL || attempts[i]->returned < found->returned))
			found = attempts[i];
	return found;
}

static void
compare_attempts(const struct history *h, const struct record *const *attempts, size_t count,
    const struct record *decided, struct findings *f)
{
	for (size_t i = 0; i < count; i++) {
		const struct record *a = attempts[i];
		if (!same_request(h, a, attempts[0]))
			finding(f, "line %u: key %" PRIu64 " is that of another request, line %u",
			    a->line, a->key, attempts[0]->line);
		else if (decided == NULL)
			continue;
		else if (is_decided(a->outcome) && !same_answer(h, a, decided))
			finding(f, "line %u: key %" PRIu64 " was answered otherwise in line %u",
			    a->line, a->key, decided->line);
		else if (a->outcome == NOT_APPLIED && a->invoked > decided->returned)
			finding(f,
			    "line %u: said not to be applied, but key %" PRIu64
			    " was decided in line %u",
			    a->line, a->key, decided->line);
		else if (a->outcome == PENDING && !uuid_is_nil(&decided->order) &&
			 !uuid_equal(&a->order, &decided->order))
			finding(f, "line %u: key %" PRIu64 " became another order in line %u",
			    a->line, a->key, decided->line);
	}
}

/* False when none of the attempts can have had an effect. *said: the attempt to go by. */
static bool
merge(const struct history *h, const struct record *const *attempts, size_t count,
    struct operation *out, const struct record **said, struct findings *f)
{
	const struct record *first = NULL, *decided = first_decided(attempts, count);
	compare_attempts(h, attempts, count, decided, f);
	for (size_t i = 0; i < count && first == NULL; i++)
		if (attempts[i]->outcome != NOT_APPLIED && attempts[i]->outcome != UNSENT)
			first = attempts[i];
	if (first == NULL)
		return false;
	*said = decided != NULL ? decided : first;
	*out = from_record(h, *said);
	out->invoked = first->invoked;
	if (decided == NULL) {
		out->returned = NEVER;
		out->outcome = UNKNOWN;
	}
	return true;
}

/* ---- All of them ---- */

/* By key, those without one each for itself; then by time. */
static int
compare_records(const void *left, const void *right)
{
	const struct record *a = *(const struct record *const *)left;
	const struct record *b = *(const struct record *const *)right;
	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	if (a->invoked != b->invoked)
		return a->invoked < b->invoked ? -1 : 1;
	return a->line < b->line ? -1 : a->line > b->line;
}

static int
compare_operations(const void *left, const void *right)
{
	const struct operation *a = left, *b = right;
	if (a->invoked != b->invoked)
		return a->invoked < b->invoked ? -1 : 1;
	return a->line < b->line ? -1 : a->line > b->line;
}

static void
add(struct operations *to, const struct operation *op)
{
	/* Doubling at powers of two: no capacity to keep. */
	if ((to->count & (to->count - 1)) == 0)
		to->list =
		    xrealloc(to->list, (to->count > 0 ? 2 * to->count : 1) * sizeof(*to->list));
	to->list[to->count++] = *op;
}

/* Requests that say something about books: not those of orders, and no reads without an answer. */
static const struct record **
pick(const struct history *h, size_t *count)
{
	const struct record **picked = xcalloc(h->record_count + 1, sizeof(*picked));
	*count = 0;
	for (size_t i = 0; i < h->record_count; i++) {
		const struct record *r = &h->records[i];
		if (r->kind != ORDER && r->outcome != FAILED)
			picked[(*count)++] = r;
	}
	qsort(picked, *count, sizeof(const struct record *), compare_records);
	return picked;
}

struct operations *
operations_make(const struct history *h, struct findings *f)
{
	struct operations *topics = xcalloc(h->topic_count + 1, sizeof(*topics));
	size_t count, same;
	const struct record **picked = pick(h, &count);
	for (size_t i = 0; i < count; i += same) {
		struct operation op;
		const struct record *said;
		for (same = 1; picked[i]->key != 0 && i + same < count &&
			       picked[i + same]->key == picked[i]->key;)
			same++;
		if (!merge(h, picked + i, same, &op, &said, f))
			continue;
		for (uint32_t t = 0; t < h->topic_count; t++)
			if (is_of_topic(h, said, t))
				add(&topics[t], &op);
	}
	free(picked);
	for (size_t t = 0; t < h->topic_count; t++)
		if (topics[t].count > 0)
			qsort(topics[t].list, topics[t].count, sizeof(*topics[t].list),
			    compare_operations);
	return topics;
}

void
operations_free(struct operations *o)
{
	free(o->list);
	*o = (struct operations){0};
}
