#include "fcgi/order/errands.h"

#include <stdlib.h>
#include <string.h>

#include "fcgi/base/xalloc.h"
#include "fcgi/log.h"
#include "replica/core/plant.h"

_Static_assert(ORDER_LINES_MAX == CATALOG_LINES_MAX, "every order can be reserved");
_Static_assert(ORDER_TITLE_SIZE == BOOK_TITLE_SIZE, "every title fits an order");

struct errands {
	void *owner;
	struct hands hands;
	struct buyer *told, **last_told;
	bool primary;

	unsigned catalogs, leader; /* the leader answered last */
	bool writable;             /* as last heard */
	uint64_t decided_at;
	uint64_t not_before; /* when the next trip may start */
	unsigned pause_ms;   /* what the next failure adds */

	struct errands_stats stats;
};

struct errands *
errands_new(unsigned catalogs, void *owner)
{
	struct errands *e = xcalloc(1, sizeof(*e));
	e->catalogs = catalogs;
	e->owner = owner;
	e->pause_ms = ERRANDS_PAUSE_MS;
	e->last_told = &e->told;
	hands_init(&e->hands);
	return e;
}

void
errands_free(struct errands *e)
{
	hands_destroy(&e->hands);
	free(e);
}

struct buyer *
errands_told(struct errands *e)
{
	struct buyer *told = e->told;
	e->told = NULL;
	e->last_told = &e->told;
	return told;
}

/* ---- What happens to a hand ---- */

static void
tell(struct errands *e, struct buyer *b, enum courier_result result)
{
	b->result = result;
	b->next = NULL;
	*e->last_told = b;
	e->last_told = &b->next;
}

static void
tell_of(struct errands *e, struct hand *h, enum courier_result result)
{
	struct buyer *b = h->buyer;
	if (b == NULL)
		return;
	h->buyer = NULL;
	order_copy(&b->order, &h->order);
	b->replayed = h->replayed;
	tell(e, b, result);
}

static void
over(struct errands *e, struct hand *h, enum courier_result result)
{
	tell_of(e, h, result);
	hands_remove(&e->hands, h);
}

/* It is logged as PENDING, so whoever is primary brings it to its end. */
static void
enqueue(struct errands *e, struct hand *h)
{
	if (e->primary)
		hands_enqueue(&e->hands, h);
	else
		over(e, h, COURIER_PENDING);
}

/* What is to be said of an order that has not ended yet. */
static enum courier_result
unfinished(const struct hand *h)
{
	return h->state <= HAND_BEGINNING ? COURIER_UNKNOWN : COURIER_PENDING;
}

static void
decode(const uint8_t *answer, size_t len, struct order *out)
{
	if (order_answer_decode(answer, len, out) != 0)
		log_fatal("order: the log's answer to a purchase is damaged");
}

static struct hand *
add(struct errands *e, const struct order *order)
{
	struct hand *h = hands_add(&e->hands, order);
	if (h != NULL)
		h->owner = e->owner;
	return h;
}

/* ---- Buying ---- */

/* Becomes the buyer of an order that is in hand already. */
static void
join(struct errands *e, struct hand *h, const struct order *wanted, struct buyer *buyer)
{
	bool same = h->order.fingerprint == wanted->fingerprint;

	if (h->state > HAND_BEGINNING && !same) {
		tell(e, buyer, COURIER_KEY_REUSED);
	} else if (h->buyer != NULL || !same) {
		tell(e, buyer, COURIER_IN_PROGRESS);
	} else {
		h->buyer = buyer;
		h->replayed = true;
	}
}

struct hand *
errands_buy(struct errands *e, const struct order *wanted, struct buyer *buyer)
{
	struct hand *h = hands_find(&e->hands, &wanted->id);

	buyer->order = (struct order){0};
	if (h != NULL) {
		join(e, h, wanted, buyer);
		return NULL;
	}
	h = add(e, wanted);
	if (h == NULL)
		tell(e, buyer, COURIER_OVERLOADED);
	else
		h->buyer = buyer;
	return h;
}

struct op *
errands_op_begin(struct hand *h)
{
	const struct order *o = &h->order;
	struct buf args = {0};

	h->state = HAND_BEGINNING;
	order_op_begin(&args, o);
	struct op *op = op_new(o->id, 0, ORDER_BEGIN, &args);
	buf_free(&args);
	return op;
}

void
errands_drop(struct errands *e, struct hand *h)
{
	over(e, h, COURIER_NOT_APPLIED);
}

/* Takes the order's lines. */
static void
logged(struct errands *e, struct hand *h, struct order *order, bool replayed)
{
	if (order->fingerprint != h->order.fingerprint) {
		order_free(order);
		over(e, h, COURIER_KEY_REUSED);
		return;
	}
	order_free(&h->order);
	h->order = *order;
	h->replayed |= replayed;
	e->primary = true; /* who else is answered by the log? */
	if (order->status == ORDER_PENDING)
		enqueue(e, h);
	else
		over(e, h, COURIER_DONE);
}

void
errands_begun(
    struct errands *e, struct hand *h, enum core_result result, const uint8_t *answer, size_t len)
{
	struct order order;

	switch (result) {
	case CORE_DECIDED:
	case CORE_REPLAYED:
		decode(answer, len, &order);
		logged(e, h, &order, result == CORE_REPLAYED);
		break;
	case CORE_UNKNOWN: /* when it is rolled forward, the sweep finds it */
		over(e, h, COURIER_UNKNOWN);
		break;
	case CORE_NOT_APPLIED:
		over(e, h, COURIER_NOT_APPLIED);
		break;
	case CORE_NOT_PRIMARY:
		over(e, h, COURIER_NOT_PRIMARY);
		break;
	case CORE_OVERLOADED:
		over(e, h, COURIER_OVERLOADED);
		break;
	}
}

/* ---- Trips to the catalog ---- */

static void
pause_trips(struct errands *e, uint64_t now)
{
	e->not_before = now + e->pause_ms;
	e->pause_ms *= 2;
	if (e->pause_ms > ERRANDS_PAUSE_MAX_MS)
		e->pause_ms = ERRANDS_PAUSE_MAX_MS;
}

uint64_t
errands_trip_at(const struct errands *e)
{
	return e->hands.first != NULL ? e->not_before : UINT64_MAX;
}

/* False: there is no more room in this trip. */
static bool
take_along(struct trip *t, struct hand *h)
{
	size_t count = order_lines(&h->order);
	struct catalog_line *lines = reserve_request_add(&t->request, &h->order.id, count);

	if (lines == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		const struct order_line *line = order_line(&h->order, i);
		lines[i] = (struct catalog_line){line->book_id, line->quantity};
	}
	if (t->trace[0] == '\0' && h->buyer != NULL)
		strcpy(t->trace, h->buyer->trace);
	t->hands[t->request.count - 1] = h;
	return true;
}

bool
errands_set_out(struct errands *e, uint64_t now, struct trip *t)
{
	if (errands_trip_at(e) > now)
		return false;
	t->catalog = e->leader;
	t->asked = 0;
	t->trace[0] = '\0';
	t->request.count = t->request.line_count = 0;
	while (e->hands.first != NULL && take_along(t, e->hands.first))
		hands_dequeue(&e->hands)->state = HAND_OUT;
	e->stats.batches++;
	return true;
}

static bool
read_sold(const struct catalog_reserved *says, const struct catalog_sold *sold, struct order *end)
{
	if (says->count != order_lines(end))
		return false;
	end->status = ORDER_CONFIRMED;
	end->refused = 0;
	for (size_t i = 0; i < says->count; i++) {
		struct order_line *line = order_set_line(end, i);
		line->price = sold[i].price;
		memcpy(line->title, sold[i].title, sizeof(line->title));
	}
	return true;
}

/* The end the catalog's answer stands for; false: it stands for none. */
static bool
read_end(const struct catalog_reserved *says, const struct catalog_sold *sold, struct order *end)
{
	end->status = ORDER_REJECTED;
	end->refused = says->refused;
	end->available = says->available;
	switch (says->result) {
	case CATALOG_OK:
		return read_sold(says, sold, end);
	case CATALOG_NO_BOOK:
		end->reason = ORDER_NO_BOOK;
		return true;
	case CATALOG_SOLD_OUT:
		end->reason = ORDER_SOLD_OUT;
		return true;
	case CATALOG_INSUFFICIENT:
		end->reason = ORDER_INSUFFICIENT;
		return true;
	default:
		return false;
	}
}

/* The answer's words go into the order itself: when it goes again, it gets others. NULL: it does
 * not end by them. */
static struct op *
make_end(struct order *order, const struct reserve_answer *a, const struct catalog_sold *sold)
{
	struct buf args = {0};
	struct order end = *order; /* and its further lines */

	if (PLANTED(REFUSAL) && a->state != RESERVE_DECIDED)
		end.status = ORDER_REJECTED, end.reason = ORDER_SOLD_OUT;
	else if (a->state != RESERVE_DECIDED || !read_end(&a->says, sold, &end))
		return NULL;
	order_op_end(&args, &end);
	struct op *op = op_new(order_end_id(&end.id), 0, ORDER_END, &args);
	buf_free(&args);
	return op;
}

static struct op *
end_of(struct order *order, const struct reserve_answers *answers, size_t item)
{
	const struct reserve_answer *a = &answers->answer[item];
	return make_end(order, a, &answers->sold[a->first]);
}

static void
unload(struct errands *e, struct trip *t, const struct reserve_answers *answers)
{
	for (size_t i = 0; i < t->request.count; i++) {
		struct hand *h = t->hands[i];
		struct op *op = answers != NULL ? end_of(&h->order, answers, i) : NULL;
		if (op == NULL) {
			enqueue(e, h);
			continue;
		}
		h->state = HAND_ENDING;
		t->ops[t->ended] = op;
		t->ends[t->ended++] = h;
	}
}

static bool
decides_any(const struct reserve_answers *answers)
{
	for (size_t i = 0; answers != NULL && i < answers->count; i++)
		if (answers->answer[i].state == RESERVE_DECIDED)
			return true;
	return false;
}

/* Whoever decides is primary. Who does not may be one no more, or not reachable, or in trouble: all
 * replicas are asked once, then it is time to pause. */
bool
errands_return(
    struct errands *e, uint64_t now, struct trip *t, const struct reserve_answers *answers)
{
	t->ended = 0;
	if (!decides_any(answers) && ++t->asked < e->catalogs) {
		t->catalog = (t->catalog + 1) % e->catalogs;
		return false;
	}
	unload(e, t, answers);
	bool all = t->ended == t->request.count;
	if (all)
		e->decided_at = now;
	else
		pause_trips(e, now);
	errands_heard(e, t->ended > 0 ? t->catalog : e->leader, all);
	return true;
}

void
errands_ended(struct errands *e, uint64_t now, struct hand *h, enum core_result result,
    const uint8_t *answer, size_t len)
{
	if (result == CORE_DECIDED || result == CORE_REPLAYED) {
		order_free(&h->order);
		decode(answer, len, &h->order);
		e->stats.ended++;
		if (result == CORE_DECIDED)
			e->stats.outcomes[h->order.reason]++;
		e->pause_ms = ERRANDS_PAUSE_MS;
		over(e, h, COURIER_DONE);
	} else if (result == CORE_NOT_PRIMARY) {
		over(e, h, COURIER_PENDING); /* whoever is primary now ends it */
	} else {
		pause_trips(e, now);
		enqueue(e, h);
	}
}

void
errands_found(struct errands *e, const struct order *order)
{
	if (PLANTED(SWEEP) || !e->primary || hands_find(&e->hands, &order->id) != NULL)
		return;
	struct hand *h = add(e, order);
	if (h == NULL)
		return;
	enqueue(e, h);
	e->stats.swept++;
}

/* ---- News ---- */

void
errands_catalogs(struct errands *e, unsigned catalogs)
{
	e->catalogs = catalogs;
}

void
errands_heard(struct errands *e, unsigned catalog, bool writable)
{
	bool news = writable && !e->writable;

	e->leader = catalog;
	e->writable = writable;
	if (!news)
		return;
	e->not_before = 0;
	e->pause_ms = ERRANDS_PAUSE_MS;
}

bool
errands_writable(const struct errands *e)
{
	return e->writable;
}

unsigned
errands_catalog(const struct errands *e)
{
	return e->leader;
}

uint64_t
errands_decided_at(const struct errands *e)
{
	return e->decided_at;
}

void
errands_role(struct errands *e, bool primary)
{
	e->primary = primary;
	if (primary)
		return;
	e->writable = false; /* nobody asks it any more */
	while (e->hands.first != NULL)
		over(e, hands_dequeue(&e->hands), COURIER_PENDING);
}

struct moment {
	struct errands *errands;
	uint64_t now;
};

/* Before it has begun, whoever brought the order looks after the time, and then the log: as long as
 * ORDER_BEGIN may still be queued, nobody else's "not applied" would end the doubt. */
static void
send_away_late(void *arg, struct hand *h)
{
	const struct moment *m = arg;
	if (h->buyer != NULL && h->state > HAND_BEGINNING && m->now >= h->buyer->deadline)
		tell_of(m->errands, h, unfinished(h));
}

void
errands_tick(struct errands *e, uint64_t now)
{
	struct moment m = {e, now};
	hands_each(&e->hands, send_away_late, &m);
}

static void
send_away(void *errands, struct hand *h)
{
	tell_of(errands, h, unfinished(h));
}

void
errands_close(struct errands *e)
{
	hands_each(&e->hands, send_away, e);
}

void
errands_stats(const struct errands *e, struct errands_stats *out)
{
	*out = e->stats;
	out->in_hand = HASH_COUNT(e->hands.table);
}
