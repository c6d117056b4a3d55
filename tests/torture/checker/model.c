#include "tests/torture/checker/model.h"

#include <string.h>

struct state
model_start(const struct history *h, uint32_t topic)
{
	struct state s;
	const struct topic *t = &h->topics[topic];
	memset(&s, 0, sizeof(s));
	for (uint32_t i = 0; i < t->count; i++) {
		s.price[i] = h->books[t->books[i]].price;
		s.stock[i] = h->books[t->books[i]].stock;
	}
	return s;
}

static bool
found(const struct state *s, const struct row *rows, uint32_t books)
{
	for (uint32_t i = 0; i < books; i++)
		if (rows[i].price != s->price[rows[i].place] ||
		    rows[i].stock != s->stock[rows[i].place])
			return false;
	return true;
}

/* The line in question is the first one that cannot be had. */
static bool
refuse(const struct operation *op, const struct line *line, uint32_t place, int32_t stock)
{
	if (place != op->place)
		return stock >= line->quantity;
	if (op->outcome == SOLD_OUT)
		return stock == 0;
	return stock == op->stock && stock > 0 && stock < line->quantity;
}

/* All lines that are of this topic's books, or none. */
static bool
buy(struct state *s, const struct operation *op, const struct history *h, uint32_t topic)
{
	struct state after = *s;
	for (uint32_t i = 0; i < op->line_count; i++) {
		const struct line *line = &h->lines[op->lines + i];
		uint32_t place = h->books[line->book].place;
		if (h->books[line->book].topic != topic)
			continue;
		if (op->outcome == SOLD_OUT || op->outcome == INSUFFICIENT) {
			bool fits = refuse(op, line, place, s->stock[place]);
			if (!fits || place == op->place)
				return fits;
			continue;
		}
		if (s->stock[place] < line->quantity ||
		    (op->outcome == OK && line->price != s->price[place]))
			return false;
		after.stock[place] -= line->quantity;
	}
	*s = after;
	return true;
}

static bool
change_stock(int32_t price, int32_t *stock, const struct operation *op)
{
	int32_t after = *stock + op->argument;
	if (op->outcome == INSUFFICIENT)
		return op->stock == *stock && after < 0;
	if (after < 0 || (op->outcome == OK && (op->price != price || op->stock != after)))
		return false;
	*stock = after;
	return true;
}

static bool
set_price(int32_t *price, int32_t stock, const struct operation *op)
{
	bool meant = op->expected == 0 || op->expected == *price;
	if (op->outcome == REFUSED)
		return !meant;
	if (!meant || (op->outcome == OK && (op->price != op->argument || op->stock != stock)))
		return false;
	*price = op->argument;
	return true;
}

bool
model_apply(struct state *s, const struct operation *op, const struct history *h, uint32_t topic)
{
	int32_t *price = &s->price[op->place], *stock = &s->stock[op->place];
	switch (op->kind) {
	case INFO:
		return op->price == *price && op->stock == *stock;
	case TAG:
		return op->price == *price;
	case SEARCH:
		return found(s, h->rows + op->rows, h->topics[topic].count);
	case BUY:
	case CART:
		return buy(s, op, h, topic);
	case STOCK:
		return change_stock(*price, stock, op);
	case PRICE:
		return set_price(price, *stock, op);
	default:
		return false;
	}
}
