#include "tests/torture/checker/balance.h"

#include <inttypes.h>

/* Open changes may or may not have been made: hence two bounds. */
struct account {
	int64_t least, most;
	int64_t written; /* when the last decided write had returned */
};

static struct account
sum_up(const struct history *h, const struct operations *ops, uint32_t book)
{
	int32_t stock = h->books[book].stock;
	struct account a = {.least = stock, .most = stock};
	for (size_t i = 0; i < ops->count; i++) {
		const struct operation *op = &ops->list[i];
		int64_t change = operation_adds(h, op, book);
		if (change == 0)
			continue;
		if (op->outcome == OK || (op->outcome == UNKNOWN && change < 0))
			a.least += change;
		if (op->outcome == OK || (op->outcome == UNKNOWN && change > 0))
			a.most += change;
		if (op->outcome == OK && op->returned > a.written)
			a.written = op->returned;
	}
	return a;
}

static bool
check_book(const struct history *h, const struct operations *ops, uint32_t book, struct findings *f)
{
	const struct book *b = &h->books[book];
	struct account a = sum_up(h, ops, book);
	bool read = false;
	for (size_t i = 0; i < ops->count; i++) {
		const struct operation *op = &ops->list[i];
		if (op->kind != INFO || op->place != b->place || op->invoked <= a.written)
			continue;
		read = true;
		if (op->stock < a.least || op->stock > a.most)
			finding(f,
			    "line %u: book %" PRIu64 " has %d, but first stock, changes and sales "
			    "come to %" PRId64 " (at most %" PRId64 ")",
			    op->line, b->id, op->stock, a.least, a.most);
	}
	return read;
}

size_t
balance_check(
    const struct history *h, uint32_t topic, const struct operations *ops, struct findings *f)
{
	const struct topic *t = &h->topics[topic];
	size_t checked = 0;
	for (uint32_t place = 0; place < t->count; place++)
		checked += check_book(h, ops, t->books[place], f);
	return checked;
}
