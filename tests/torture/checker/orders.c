#include "tests/torture/checker/orders.h"

#include <stdlib.h>
#include <string.h>

#include "fcgi/base/xalloc.h"

/* How far an order has come. */
enum stage { ABSENT, WAITING, ENDED };

static enum stage
stage_of(const struct record *r)
{
	if (r->outcome == NONE)
		return ABSENT;
	return r->outcome == PENDING ? WAITING : ENDED;
}

static bool
is_sale(const struct record *r)
{
	return r->outcome == OK || r->outcome == CONFIRMED;
}

static int
compare(const void *left, const void *right)
{
	const struct record *a = *(const struct record *const *)left;
	const struct record *b = *(const struct record *const *)right;
	int order = memcmp(&a->order, &b->order, sizeof(a->order));
	if (order != 0)
		return order;
	if (a->returned != b->returned)
		return a->returned < b->returned ? -1 : 1;
	return a->line < b->line ? -1 : a->line > b->line;
}

/* Two answers about the same order that cannot both be true, whenever they were given. */
static const char *
contradiction(const struct history *h, const struct record *a, const struct record *b)
{
	if (is_purchase(a->kind) && is_purchase(b->kind) && (a->key != b->key || a->key == 0))
		return "is the order of another purchase too";
	if (a->outcome == NONE || b->outcome == NONE)
		return NULL;
	if (!same_lines(h, a, b, false))
		return "is of another book or quantity";
	if (stage_of(a) != ENDED || stage_of(b) != ENDED)
		return NULL;
	if (is_sale(a) != is_sale(b))
		return "ended otherwise";
	if (is_sale(a) && (!same_lines(h, a, b, true) || a->created != b->created))
		return "was sold at another price or time";
	return NULL;
}

static void
check_order(
    const struct history *h, const struct record *const *said, size_t count, struct findings *f)
{
	for (size_t i = 1; i < count; i++) {
		const char *why = NULL;
		size_t other = 0;
		for (size_t j = 0; j < i && why == NULL; j++) {
			other = j;
			why = contradiction(h, said[j], said[i]);
			if (why == NULL && said[j]->returned < said[i]->invoked &&
			    stage_of(said[i]) < stage_of(said[j]))
				why = "had come further before";
		}
		if (why != NULL)
			finding(f, "line %u: this order %s, in line %u", said[i]->line, why,
			    said[other]->line);
	}
}

size_t
orders_check(const struct history *h, struct findings *f)
{
	const struct record **said = xcalloc(h->record_count + 1, sizeof(*said));
	size_t count = 0, orders = 0, same;
	for (size_t i = 0; i < h->record_count; i++)
		if (!uuid_is_nil(&h->records[i].order) && h->records[i].outcome != FAILED)
			said[count++] = &h->records[i];
	qsort(said, count, sizeof(const struct record *), compare);
	for (size_t i = 0; i < count; i += same, orders++) {
		for (same = 1;
		     i + same < count && uuid_equal(&said[i]->order, &said[i + same]->order);)
			same++;
		check_order(h, said + i, same, f);
	}
	free(said);
	return orders;
}
