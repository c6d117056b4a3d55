#include "replica/ctl/ledger.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/base/xalloc.h"

/* ---- Lists that double when full: at every power of two ---- */

static void *
grown(void *items, size_t count, size_t size)
{
	bool full = count == 0 || (count & (count - 1)) == 0;
	return full ? xrealloc(items, (count > 0 ? 2 * count : 1) * size) : items;
}

void
ledger_add_book(struct ledger *l, const struct ledger_book *book)
{
	l->books = grown(l->books, l->book_count, sizeof(*l->books));
	l->books[l->book_count++] = *book;
}

void
ledger_add_order(struct ledger *l, const struct ledger_line *line)
{
	l->orders = grown(l->orders, l->order_count, sizeof(*l->orders));
	l->orders[l->order_count++] = *line;
}

void
ledger_add_reservation(struct ledger *l, const struct ledger_line *line)
{
	l->reservations = grown(l->reservations, l->reservation_count, sizeof(*l->reservations));
	l->reservations[l->reservation_count++] = *line;
}

void
ledger_clear(struct ledger *l)
{
	free(l->books);
	free(l->orders);
	free(l->reservations);
	*l = (struct ledger){0};
}

/* ---- Checking ---- */

struct check {
	struct ledger *ledger;
	struct ledger_totals *totals;
	void (*tell)(const char *sentence);
};

static void __attribute__((format(printf, 2, 3))) mismatch(struct check *c, const char *format, ...)
{
	char sentence[256];
	va_list args;
	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	c->totals->mismatches++;
	c->tell(sentence);
}

static int
compare_books(const void *a, const void *b)
{
	const struct ledger_book *x = a, *y = b;
	return x->id < y->id ? -1 : x->id > y->id;
}

static int
compare_lines(const void *a, const void *b)
{
	const struct ledger_line *x = a, *y = b;
	int order = memcmp(x->id.bytes, y->id.bytes, sizeof(x->id.bytes));
	return order != 0 ? order : x->book < y->book ? -1 : x->book > y->book;
}

static void
sort(struct ledger *l)
{
	if (l->book_count > 0)
		qsort(l->books, l->book_count, sizeof(*l->books), compare_books);
	if (l->order_count > 0)
		qsort(l->orders, l->order_count, sizeof(*l->orders), compare_lines);
	if (l->reservation_count > 0)
		qsort(
		    l->reservations, l->reservation_count, sizeof(*l->reservations), compare_lines);
}

/* A line of an order by itself. */
static void
count_sold(struct check *c, const struct ledger_line *order, const char *id)
{
	struct ledger *l = c->ledger;
	if (order->state != LEDGER_CONFIRMED)
		return;
	struct ledger_book key = {.id = order->book}, *book = NULL;
	if (l->book_count > 0)
		book = bsearch(&key, l->books, l->book_count, sizeof(*l->books), compare_books);
	if (book == NULL)
		mismatch(
		    c, "order %s is of book %" PRIu64 ", which does not exist", id, order->book);
	else
		book->sold += order->quantity;
}

/* A line of an order and what the catalog stored about it; one of them may be NULL. */
static void
check_pair(struct check *c, const struct ledger_line *order, const struct ledger_line *stored)
{
	char id[UUID_TEXT];
	uuid_print(order != NULL ? &order->id : &stored->id, id);
	if (order != NULL)
		count_sold(c, order, id);
	bool reserved = stored != NULL && stored->state == LEDGER_CONFIRMED;
	if (order == NULL) {
		mismatch(c, "a line of reservation %s has no order", id);
	} else if (order->state == LEDGER_CONFIRMED && !reserved) {
		mismatch(c, "order %s is confirmed without a reservation", id);
	} else if (order->state == LEDGER_REJECTED && reserved) {
		mismatch(c, "order %s is rejected, but its copies are reserved", id);
	} else if (stored != NULL && order->quantity != stored->quantity) {
		mismatch(c, "order %s and its reservation differ in quantity", id);
	}
}

/* Whether line i begins another order than the one before it. */
static bool
begins(const struct ledger_line *lines, size_t i)
{
	return i == 0 || !uuid_equal(&lines[i].id, &lines[i - 1].id);
}

static void
count_orders(struct check *c)
{
	const struct ledger *l = c->ledger;
	for (size_t i = 0; i < l->order_count; i++) {
		if (!begins(l->orders, i))
			continue;
		c->totals->pending += l->orders[i].state == LEDGER_PENDING;
		c->totals->confirmed += l->orders[i].state == LEDGER_CONFIRMED;
		c->totals->rejected += l->orders[i].state == LEDGER_REJECTED;
	}
	for (size_t i = 0; i < l->reservation_count; i++)
		c->totals->reservations += begins(l->reservations, i);
}

/* Both lists side by side, by ascending id and book. */
static void
check_orders(struct check *c)
{
	const struct ledger *l = c->ledger;
	for (size_t i = 0, j = 0; i < l->order_count || j < l->reservation_count;) {
		const struct ledger_line *a = i < l->order_count ? &l->orders[i] : NULL;
		const struct ledger_line *b = j < l->reservation_count ? &l->reservations[j] : NULL;
		int order = a == NULL ? 1 : b == NULL ? -1 : compare_lines(a, b);
		check_pair(c, order <= 0 ? a : NULL, order >= 0 ? b : NULL);
		i += order <= 0;
		j += order >= 0;
	}
}

static void
check_books(struct check *c)
{
	for (size_t i = 0; i < c->ledger->book_count; i++) {
		const struct ledger_book *b = &c->ledger->books[i];
		c->totals->stock += b->quantity;
		c->totals->sold += b->sold;
		c->totals->stocked += b->stocked;
		if (b->quantity < 0)
			mismatch(c, "book %" PRIu64 " has a stock of %" PRId64, b->id, b->quantity);
		if (b->quantity + b->sold != b->stocked)
			mismatch(c,
			    "book %" PRIu64 ": %" PRId64 " in stock + %" PRId64
			    " sold is not %" PRId64 " stocked",
			    b->id, b->quantity, b->sold, b->stocked);
	}
}

void
ledger_check(struct ledger *l, struct ledger_totals *out, void (*tell)(const char *sentence))
{
	struct check c = {.ledger = l, .totals = out, .tell = tell};
	*out = (struct ledger_totals){0};
	for (size_t i = 0; i < l->book_count; i++)
		l->books[i].sold = 0;
	sort(l);
	count_orders(&c);
	check_orders(&c);
	check_books(&c);
}
