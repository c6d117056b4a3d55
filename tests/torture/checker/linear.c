#include "tests/torture/checker/linear.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/base/hash.h"
#include "fcgi/base/xalloc.h"

#define PENDING_MAX 64 /* bits of `done` */
#define ALIKE_MAX 16   /* kinds of open changes of stock */
#define TABLE_FIRST 64

/* ---- Configurations ---- */

struct configuration {
	uint64_t done; /* of the pending operations, by slot, those that took effect */
	struct state state;
	uint16_t used[ALIKE_MAX]; /* open ones that took effect */
};

/* A set that remembers the order of arrival. */
struct set {
	struct configuration *list;
	size_t count, cap;
	uint32_t *table; /* index + 1; 0: free */
	size_t size;     /* a power of two, more than twice the count */
};

static void
set_clear(struct set *s)
{
	if (s->size > TABLE_FIRST && s->count < TABLE_FIRST / 4) {
		free(s->table);
		s->table = NULL;
	}
	if (s->table == NULL) {
		s->size = TABLE_FIRST;
		s->table = xcalloc(s->size, sizeof(*s->table));
	} else {
		memset(s->table, 0, s->size * sizeof(*s->table));
	}
	s->count = 0;
}

static void
set_free(struct set *s)
{
	free(s->list);
	free(s->table);
}

static size_t
place_of(const struct set *s, const struct configuration *c)
{
	size_t at = hash64(c, sizeof(*c)) & (s->size - 1);
	while (s->table[at] != 0 && memcmp(&s->list[s->table[at] - 1], c, sizeof(*c)) != 0)
		at = (at + 1) & (s->size - 1);
	return at;
}

static void
set_grow(struct set *s)
{
	free(s->table);
	s->size *= 2;
	s->table = xcalloc(s->size, sizeof(*s->table));
	for (size_t i = 0; i < s->count; i++)
		s->table[place_of(s, &s->list[i])] = (uint32_t)i + 1;
}

static void
set_add(struct set *s, const struct configuration *c)
{
	size_t at = place_of(s, c);
	if (s->table[at] != 0)
		return;
	if (s->count == s->cap) {
		s->cap = s->cap > 0 ? 2 * s->cap : 16;
		s->list = xrealloc(s->list, s->cap * sizeof(*s->list));
	}
	s->list[s->count++] = *c;
	s->table[at] = (uint32_t)s->count;
	if (2 * s->count >= s->size)
		set_grow(s);
}

/* ---- The search ---- */

struct search {
	const struct history *h;
	uint32_t topic;
	const struct operation *slot[PENDING_MAX]; /* NULL: free */
	const struct operation *alike[ALIKE_MAX];  /* one of each kind */
	uint16_t open[ALIKE_MAX];                  /* how many were invoked so far */
	size_t alike_count;
	struct set now, seen, next;
	size_t most;
};

static bool
apply(const struct search *s, struct configuration *c, const struct operation *op)
{
	return model_apply(&c->state, op, s->h, s->topic);
}

/* Every pending operation that changes nothing, and whose answer is true now, takes effect now. */
static void
look(const struct search *s, struct configuration *c)
{
	for (unsigned i = 0; i < PENDING_MAX; i++) {
		const struct operation *op = s->slot[i];
		uint64_t bit = UINT64_C(1) << i;
		if (op != NULL && (c->done & bit) == 0 && is_look(op) && apply(s, c, op))
			c->done |= bit;
	}
}

/* A configuration one effect further: next when the awaited operation is among the done. */
static void
reached(struct search *s, struct configuration *c, uint64_t awaited)
{
	look(s, c);
	if ((c->done & awaited) == 0) {
		set_add(&s->seen, c);
		return;
	}
	c->done &= ~awaited;
	set_add(&s->next, c);
}

static void
extend(struct search *s, size_t from, uint64_t awaited)
{
	struct configuration c;
	for (unsigned i = 0; i < PENDING_MAX; i++) {
		const struct operation *op = s->slot[i];
		uint64_t bit = UINT64_C(1) << i;
		if (op == NULL || is_look(op) || (s->seen.list[from].done & bit) != 0)
			continue;
		c = s->seen.list[from];
		c.done |= bit;
		if (apply(s, &c, op))
			reached(s, &c, awaited);
	}
	for (size_t i = 0; i < s->alike_count; i++) {
		c = s->seen.list[from];
		if (c.used[i]++ < s->open[i] && apply(s, &c, s->alike[i]))
			reached(s, &c, awaited);
	}
}

/* Everything in which the operation of that slot has taken effect. False: too much. */
static bool
await(struct search *s, unsigned slot)
{
	uint64_t awaited = UINT64_C(1) << slot;
	set_clear(&s->seen);
	set_clear(&s->next);
	for (size_t i = 0; i < s->now.count; i++) {
		struct configuration c = s->now.list[i];
		bool done = (c.done & awaited) != 0;
		c.done &= ~awaited;
		set_add(done ? &s->next : &s->seen, &c);
	}
	for (size_t i = 0; i < s->seen.count; i++) {
		extend(s, i, awaited);
		if (s->seen.count + s->next.count > LINEAR_CONFIGURATIONS_MAX)
			return false;
	}
	if (s->next.count > s->most)
		s->most = s->next.count;
	return true;
}

static void
step(struct search *s)
{
	struct set before = s->now;
	s->now = s->next;
	s->next = before;
}

/* ---- Open operations ---- */

static bool
same_effect(const struct search *s, const struct operation *a, const struct operation *b)
{
	const struct topic *t = &s->h->topics[s->topic];
	bool same = true;
	for (uint32_t i = 0; i < t->count; i++)
		same &=
		    operation_adds(s->h, a, t->books[i]) == operation_adds(s->h, b, t->books[i]);
	return same;
}

/* False: too many kinds. */
static bool
invoke_open(struct search *s, const struct operation *op)
{
	size_t i = 0;
	while (i < s->alike_count && !same_effect(s, s->alike[i], op))
		i++;
	if (i == ALIKE_MAX || s->open[i] == UINT16_MAX)
		return false;
	if (i == s->alike_count)
		s->alike[s->alike_count++] = op;
	s->open[i]++;
	return true;
}

static bool
saw_price(const struct history *h, const struct operation *op, uint32_t topic, uint32_t place,
    int32_t price)
{
	if (op->kind == SEARCH)
		return h->rows[op->rows + place].price == price;
	if (is_purchase(op->kind)) {
		const struct line *line = operation_line(h, op, h->topics[topic].books[place]);
		return op->outcome == OK && line != NULL && line->price == price;
	}
	if (op->place != place)
		return false;
	if (op->kind == INFO || op->kind == TAG)
		return op->price == price;
	if (op->outcome != OK)
		return false;
	return op->kind == PRICE ? op->expected == price : op->price == price;
}

/* The first return of an answer that only a book with that price can have given; NEVER: none. */
static int64_t
first_seen(const struct history *h, uint32_t topic, const struct operations *ops,
    const struct operation *setter)
{
	int64_t first = NEVER;
	for (size_t i = 0; i < ops->count; i++) {
		const struct operation *op = &ops->list[i];
		if (op != setter && op->returned < first &&
		    saw_price(h, op, topic, setter->place, setter->argument))
			first = op->returned;
	}
	return first;
}

/* A refused If-Match may have seen a price that nobody else saw: then it tells nothing. */
static void
forget_refusals(struct operations *ops, const struct operation *setter)
{
	for (size_t i = 0; i < ops->count; i++) {
		struct operation *op = &ops->list[i];
		if (op->kind == PRICE && op->outcome == REFUSED && op->place == setter->place &&
		    op->returned > setter->invoked)
			op->kind = KIND_COUNT;
	}
}

static void
settle_prices(const struct history *h, uint32_t topic, struct operations *ops)
{
	size_t kept = 0;
	for (size_t i = 0; i < ops->count; i++) {
		struct operation *op = &ops->list[i];
		if (op->kind != PRICE || op->returned != NEVER)
			continue;
		op->returned = first_seen(h, topic, ops, op);
		if (op->returned != NEVER && op->returned > op->invoked)
			continue;
		forget_refusals(ops, op);
		op->kind = KIND_COUNT;
	}
	for (size_t i = 0; i < ops->count; i++)
		if (ops->list[i].kind != KIND_COUNT)
			ops->list[kept++] = ops->list[i];
	ops->count = kept;
}

/* ---- Events ---- */

struct event {
	int64_t time;
	bool is_return;
	uint32_t operation;
};

/* At the same moment, invocations first: that they overlap cannot be excluded. */
static int
compare_events(const void *left, const void *right)
{
	const struct event *a = left, *b = right;
	if (a->time != b->time)
		return a->time < b->time ? -1 : 1;
	if (a->is_return != b->is_return)
		return a->is_return ? 1 : -1;
	return a->operation < b->operation ? -1 : a->operation > b->operation;
}

static struct event *
make_events(const struct operations *ops, size_t *count)
{
	struct event *events = xcalloc(2 * ops->count + 1, sizeof(*events));
	*count = 0;
	for (size_t i = 0; i < ops->count; i++) {
		const struct operation *op = &ops->list[i];
		events[(*count)++] = (struct event){op->invoked, false, (uint32_t)i};
		if (op->returned != NEVER)
			events[(*count)++] = (struct event){op->returned, true, (uint32_t)i};
	}
	qsort(events, *count, sizeof(*events), compare_events);
	return events;
}

static bool
invoke(struct search *s, const struct operation *op)
{
	unsigned i = 0;
	if (op->returned == NEVER)
		return invoke_open(s, op);
	while (i < PENDING_MAX && s->slot[i] != NULL)
		i++;
	if (i == PENDING_MAX)
		return false;
	s->slot[i] = op;
	if (!is_look(op))
		return true;
	set_clear(&s->next);
	for (size_t k = 0; k < s->now.count; k++) {
		struct configuration c = s->now.list[k];
		if (apply(s, &c, op))
			c.done |= UINT64_C(1) << i;
		set_add(&s->next, &c);
	}
	step(s);
	return true;
}

static unsigned
slot_of(const struct search *s, const struct operation *op)
{
	unsigned i = 0;
	while (s->slot[i] != op)
		i++;
	return i;
}

/* ---- Telling ---- */

static void
print_state(char *out, size_t size, const struct search *s, const struct state *state)
{
	size_t at = 0;
	const struct topic *t = &s->h->topics[s->topic];
	for (uint32_t i = 0; i < t->count && at < size; i++)
		at += (size_t)snprintf(out + at, size - at, " %" PRIu64 ":%d:%d",
		    s->h->books[t->books[i]].id, state->price[i], state->stock[i]);
}

static void
tell(const struct search *s, const struct operation *op, struct findings *f)
{
	char possible[256] = "";
	if (s->now.list != NULL)
		print_state(possible, sizeof(possible), s, &s->now.list[0].state);
	finding(f,
	    "line %u: %s of topic %s, answered %s (price %d, stock %d), fits nowhere between "
	    "%" PRId64 " and %" PRId64
	    ". Before, one of %zu possible states was (book:price:stock)%s",
	    op->line, kind_name(op->kind), s->h->topics[s->topic].name, outcome_name(op->outcome),
	    op->price, op->stock, op->invoked, op->returned, s->now.count, possible);
}

static enum linear_verdict
run(struct search *s, const struct operations *ops, const struct event *events, size_t count,
    struct findings *f)
{
	for (size_t i = 0; i < count; i++) {
		const struct operation *op = &ops->list[events[i].operation];
		unsigned slot = events[i].is_return ? slot_of(s, op) : 0;
		bool possible = events[i].is_return ? await(s, slot) : invoke(s, op);
		if (!possible) {
			finding(f, "line %u: topic %s cannot be checked: too much is open at once",
			    op->line, s->h->topics[s->topic].name);
			return LINEAR_GAVE_UP;
		}
		if (!events[i].is_return)
			continue;
		if (s->next.count == 0) {
			tell(s, op, f);
			return NOT_LINEAR;
		}
		s->slot[slot] = NULL;
		step(s);
	}
	return LINEAR;
}

enum linear_verdict
linear_check(const struct history *h, uint32_t topic, struct operations *ops, struct findings *f,
    size_t *most)
{
	struct search s = {.h = h, .topic = topic};
	struct configuration first;
	size_t count;
	settle_prices(h, topic, ops);
	struct event *events = make_events(ops, &count);
	memset(&first, 0, sizeof(first));
	first.state = model_start(h, topic);
	set_clear(&s.now);
	set_clear(&s.seen);
	set_clear(&s.next);
	set_add(&s.now, &first);
	enum linear_verdict verdict = run(&s, ops, events, count, f);
	if (most != NULL)
		*most = s.most;
	set_free(&s.now);
	set_free(&s.seen);
	set_free(&s.next);
	free(events);
	return verdict;
}
