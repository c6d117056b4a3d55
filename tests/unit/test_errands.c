/* The courier's decisions, step by step. */
#include <string.h>

#include <CUnit/CUnit.h>

#include "fcgi/order/errands.h"
#include "fcgi/order/rows.h"
#include "tests/unit/suites.h"

static struct errands *errands;
static struct trip trip;
static struct reserve_answers answers;

static void
begin(unsigned catalogs)
{
	errands = errands_new(catalogs, NULL);
	errands_role(errands, true);
	errands_heard(errands, 0, true);
}

static void
end(void)
{
	CU_ASSERT_PTR_NULL(errands_told(errands));
	errands_free(errands);
}

static struct order
new_order(void)
{
	return (struct order){
	    .id = uuid_random(), .line = {.book_id = 1, .quantity = 2}, .fingerprint = 5};
}

static size_t
in_hand(void)
{
	struct errands_stats stats;
	errands_stats(errands, &stats);
	return stats.in_hand;
}

/* Exactly this buyer is told, with this result. */
static void
expect_told(const struct buyer *b, enum courier_result result)
{
	struct buyer *told = errands_told(errands);
	CU_ASSERT_PTR_EQUAL_FATAL(told, b);
	CU_ASSERT_PTR_NULL(told->next);
	CU_ASSERT_EQUAL(told->result, result);
}

static struct hand *
submit(const struct order *o, struct buyer *b)
{
	struct hand *h = errands_buy(errands, o, b);
	CU_ASSERT_PTR_NOT_NULL_FATAL(h);
	struct op *op = errands_op_begin(h);
	CU_ASSERT_EQUAL(op->kind, ORDER_BEGIN);
	CU_ASSERT_TRUE(uuid_equal(&op->id, &o->id));
	op_free(op);
	return h;
}

static void
log_begin(struct hand *h, enum core_result result, const struct order *o)
{
	struct buf row = {0};
	if (o != NULL)
		order_encode(&row, o);
	errands_begun(errands, h, result, row.data, row.len);
	buf_free(&row);
}

static void
log_end(struct hand *h, enum core_result result, enum order_status status)
{
	struct buf row = {0};
	struct order o = h->order;
	o.status = status;
	order_encode(&row, &o);
	errands_ended(errands, 0, h, result, row.data, row.len);
	buf_free(&row);
}

/* A logged PENDING order that waits for its trip. */
static struct hand *
queue(const struct order *o, struct buyer *b)
{
	struct hand *h = submit(o, b);
	log_begin(h, CORE_DECIDED, o);
	CU_ASSERT_PTR_NULL(errands_told(errands));
	return h;
}

static void
say(size_t item, struct reserve_answer answer)
{
	answers.answer[item] = answer;
	answers.count = item + 1;
}

static void
refuse(size_t item, enum catalog_result result)
{
	say(item, (struct reserve_answer){.state = RESERVE_DECIDED,
		      .says = {.result = result, .refused = 1, .available = 1}});
}

static void
free_ends(void)
{
	for (size_t i = 0; i < trip.ended; i++)
		op_free(trip.ops[i]);
}

/* ---- Tests ---- */

static void
test_the_log_answers_a_beginning(void)
{
	static const struct {
		enum core_result said;
		enum courier_result told;
	} cases[] = {
	    {CORE_UNKNOWN, COURIER_UNKNOWN},
	    {CORE_NOT_APPLIED, COURIER_NOT_APPLIED},
	    {CORE_NOT_PRIMARY, COURIER_NOT_PRIMARY},
	    {CORE_OVERLOADED, COURIER_OVERLOADED},
	};
	begin(1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct order o = new_order();
		struct buyer b = {0};
		log_begin(submit(&o, &b), cases[i].said, NULL);
		expect_told(&b, cases[i].told);
		CU_ASSERT_EQUAL(in_hand(), 0);
	}
	struct order o = new_order(), other = o;
	struct buyer b = {0};
	other.fingerprint++;
	log_begin(submit(&o, &b), CORE_REPLAYED, &other);
	expect_told(&b, COURIER_KEY_REUSED);
	other = o;
	other.status = ORDER_CONFIRMED;
	log_begin(submit(&o, &b), CORE_REPLAYED, &other);
	expect_told(&b, COURIER_DONE);
	CU_ASSERT_TRUE(b.replayed);
	CU_ASSERT_EQUAL(b.order.status, ORDER_CONFIRMED);
	end();
}

static void
test_only_the_catalogs_word_ends_an_order(void)
{
	struct order o = new_order();
	struct buyer b = {0};
	begin(1);
	struct hand *h = queue(&o, &b);
	CU_ASSERT_TRUE(errands_set_out(errands, 1000, &trip));
	CU_ASSERT_EQUAL(trip.request.count, 1);
	CU_ASSERT_TRUE(uuid_equal(&trip.request.item[0].order_id, &o.id));
	CU_ASSERT_FALSE(errands_set_out(errands, 1000, &trip)); /* nothing is left */

	static const enum reserve_state undecided[] = {RESERVE_NOT_APPLIED, RESERVE_UNKNOWN};
	for (size_t i = 0; i < 2; i++) {
		say(0, (struct reserve_answer){.state = undecided[i]});
		CU_ASSERT_TRUE(errands_return(errands, 1000, &trip, &answers));
		CU_ASSERT_EQUAL(trip.ended, 0);
		CU_ASSERT_FALSE(errands_writable(errands));
		errands_heard(errands, 0, true);
		CU_ASSERT_TRUE(errands_set_out(errands, 1000, &trip));
	}
	refuse(0, CATALOG_INSUFFICIENT);
	CU_ASSERT_TRUE(errands_return(errands, 1000, &trip, &answers));
	CU_ASSERT_EQUAL_FATAL(trip.ended, 1);
	CU_ASSERT_PTR_EQUAL(trip.ends[0], h);
	struct uuid end_id = order_end_id(&o.id);
	CU_ASSERT_TRUE(uuid_equal(&trip.ops[0]->id, &end_id));
	free_ends();
	CU_ASSERT_PTR_NULL(errands_told(errands));
	log_end(h, CORE_UNKNOWN, ORDER_REJECTED); /* not known to be logged: asked once more */
	CU_ASSERT_PTR_NULL(errands_told(errands));
	CU_ASSERT_TRUE(errands_set_out(errands, errands_trip_at(errands), &trip));
	CU_ASSERT_TRUE(errands_return(errands, 1000, &trip, &answers));
	free_ends();
	log_end(h, CORE_REPLAYED, ORDER_REJECTED);
	expect_told(&b, COURIER_DONE);
	CU_ASSERT_EQUAL(b.order.status, ORDER_REJECTED);
	CU_ASSERT_EQUAL(in_hand(), 0);
	end();
}

/* Whoever decides is asked first the next time; when nobody does, all wait, ever longer. */
static void
test_each_replica_of_the_catalog_is_asked_once(void)
{
	struct order o = new_order();
	struct buyer b = {0};
	begin(3);
	queue(&o, &b);
	uint64_t now = 1000;
	for (unsigned pause = ERRANDS_PAUSE_MS, i = 0; i < 6; i++) {
		CU_ASSERT_TRUE(errands_set_out(errands, now, &trip));
		CU_ASSERT_EQUAL(trip.catalog, 0);
		CU_ASSERT_FALSE(errands_return(errands, now, &trip, NULL));
		CU_ASSERT_EQUAL(trip.catalog, 1);
		CU_ASSERT_FALSE(errands_return(errands, now, &trip, NULL));
		CU_ASSERT_EQUAL(trip.catalog, 2);
		CU_ASSERT_TRUE(errands_return(errands, now, &trip, NULL));
		CU_ASSERT_EQUAL(errands_trip_at(errands), now + pause);
		CU_ASSERT_FALSE(errands_set_out(errands, now + pause - 1, &trip));
		now += pause;
		pause = pause * 2 < ERRANDS_PAUSE_MAX_MS ? pause * 2 : ERRANDS_PAUSE_MAX_MS;
	}
	CU_ASSERT_TRUE(errands_set_out(errands, now, &trip));
	CU_ASSERT_FALSE(errands_return(errands, now, &trip, NULL));
	refuse(0, CATALOG_SOLD_OUT);
	CU_ASSERT_TRUE(errands_return(errands, now, &trip, &answers));
	CU_ASSERT_EQUAL(errands_catalog(errands), 1);
	CU_ASSERT_TRUE(errands_writable(errands));
	free_ends();
	log_end(trip.hands[0], CORE_DECIDED, ORDER_REJECTED);
	expect_told(&b, COURIER_DONE);
	end();
}

static void
test_what_is_undecided_goes_again(void)
{
	struct order o[2] = {new_order(), new_order()};
	struct buyer b[2] = {{0}, {0}};
	begin(2);
	queue(&o[0], &b[0]);
	struct hand *second = queue(&o[1], &b[1]);
	CU_ASSERT_TRUE(errands_set_out(errands, 0, &trip));
	CU_ASSERT_EQUAL(trip.request.count, 2);
	refuse(0, CATALOG_NO_BOOK);
	say(1, (struct reserve_answer){.state = RESERVE_UNKNOWN});
	CU_ASSERT_TRUE(errands_return(errands, 0, &trip, &answers));
	CU_ASSERT_EQUAL(trip.ended, 1);
	free_ends();
	log_end(trip.hands[0], CORE_DECIDED, ORDER_REJECTED);
	expect_told(&b[0], COURIER_DONE);
	CU_ASSERT_TRUE(errands_set_out(errands, errands_trip_at(errands), &trip));
	CU_ASSERT_EQUAL(trip.request.count, 1);
	CU_ASSERT_PTR_EQUAL(trip.hands[0], second);
	errands_close(errands);
	expect_told(&b[1], COURIER_PENDING);
	end();
}

/* A primary no more: what is logged is the new one's, what is on its way is said by its answer. */
static void
test_stepping_down(void)
{
	struct order o[5] = {new_order(), new_order(), new_order(), new_order(), new_order()};
	struct buyer b[5] = {{0}, {0}, {0}, {0}, {0}};
	begin(1);
	struct hand *ending = queue(&o[0], &b[0]);
	CU_ASSERT_TRUE(errands_set_out(errands, 0, &trip));
	refuse(0, CATALOG_NO_BOOK);
	CU_ASSERT_TRUE(errands_return(errands, 0, &trip, &answers));
	free_ends();
	queue(&o[1], &b[1]);
	CU_ASSERT_TRUE(errands_set_out(errands, 0, &trip)); /* this one is out */
	queue(&o[2], &b[2]);                                /* this one waits */
	struct hand *beginning = submit(&o[3], &b[3]);

	errands_role(errands, false);
	expect_told(&b[2], COURIER_PENDING);
	CU_ASSERT_EQUAL(errands_trip_at(errands), UINT64_MAX);
	CU_ASSERT_TRUE(errands_return(errands, 0, &trip, NULL));
	expect_told(&b[1], COURIER_PENDING);
	log_end(ending, CORE_NOT_PRIMARY, ORDER_PENDING);
	expect_told(&b[0], COURIER_PENDING);
	log_begin(beginning, CORE_NOT_PRIMARY, NULL);
	expect_told(&b[3], COURIER_NOT_PRIMARY);
	errands_found(errands, &o[4]); /* a sweep that was too late */
	CU_ASSERT_EQUAL(in_hand(), 0);

	errands_role(errands, true);
	errands_found(errands, &o[4]);
	errands_found(errands, &o[4]);
	CU_ASSERT_EQUAL(in_hand(), 1);
	CU_ASSERT_TRUE(errands_set_out(errands, errands_trip_at(errands), &trip));
	end();
}

/* ---- Carts ---- */

static struct order
new_cart(size_t lines)
{
	struct order o = {.id = uuid_random(), .fingerprint = 5};
	for (size_t i = 0; i < lines; i++)
		*order_set_line(&o, i) = (struct order_line){.book_id = 10 + i, .quantity = 2};
	return o;
}

/* The end that the trip brought, as the log would have it. */
static void
read_end(struct order *end)
{
	CU_ASSERT_EQUAL_FATAL(trip.ended, 1);
	CU_ASSERT_EQUAL_FATAL(
	    order_answer_decode(trip.ops[0]->args.data, trip.ops[0]->args.len, end), 0);
}

static void
test_a_cart_ends_as_a_whole(void)
{
	struct order o = new_cart(3), end_of_it;
	struct buyer b = {0};
	begin(1);
	struct hand *h = queue(&o, &b);
	CU_ASSERT_TRUE(errands_set_out(errands, 0, &trip));
	CU_ASSERT_EQUAL(trip.request.item[0].count, 3);
	CU_ASSERT_EQUAL(trip.request.line[2].book_id, 12);
	CU_ASSERT_EQUAL(trip.request.line[2].quantity, 2);

	/* Words about another number of lines are none. */
	say(0, (struct reserve_answer){.state = RESERVE_DECIDED, .says.count = 2, .first = 4});
	CU_ASSERT_TRUE(errands_return(errands, 0, &trip, &answers));
	CU_ASSERT_EQUAL(trip.ended, 0);

	CU_ASSERT_TRUE(errands_set_out(errands, errands_trip_at(errands), &trip));
	answers.answer[0].says.count = 3;
	for (size_t i = 0; i < 3; i++)
		answers.sold[4 + i] = (struct catalog_sold){100 + (int64_t)i, "Spring"};
	CU_ASSERT_TRUE(errands_return(errands, 0, &trip, &answers));
	read_end(&end_of_it);
	CU_ASSERT_EQUAL(end_of_it.status, ORDER_CONFIRMED);
	CU_ASSERT_EQUAL_FATAL(order_lines(&end_of_it), 3);
	CU_ASSERT_EQUAL(order_line(&end_of_it, 2)->price, 102);
	CU_ASSERT_STRING_EQUAL(order_line(&end_of_it, 2)->title, "Spring");
	free_ends();
	order_free(&end_of_it);
	log_end(h, CORE_DECIDED, ORDER_CONFIRMED);
	expect_told(&b, COURIER_DONE);
	CU_ASSERT_EQUAL(order_lines(&b.order), 3);
	CU_ASSERT_EQUAL(order_line(&b.order, 1)->price, 101);
	order_free(&b.order);
	order_free(&o);
	end();
}

static void
test_a_cart_is_refused_for_one_book(void)
{
	struct order o = new_cart(2), end_of_it;
	struct buyer b = {0};
	begin(1);
	queue(&o, &b);
	CU_ASSERT_TRUE(errands_set_out(errands, 0, &trip));
	refuse(0, CATALOG_INSUFFICIENT);
	answers.answer[0].says.refused = 11;
	CU_ASSERT_TRUE(errands_return(errands, 0, &trip, &answers));
	read_end(&end_of_it);
	CU_ASSERT_EQUAL(end_of_it.status, ORDER_REJECTED);
	CU_ASSERT_EQUAL(end_of_it.reason, ORDER_INSUFFICIENT);
	CU_ASSERT_EQUAL(end_of_it.refused, 11);
	CU_ASSERT_EQUAL(end_of_it.available, 1);
	free_ends();
	order_free(&end_of_it);
	errands_close(errands);
	expect_told(&b, COURIER_PENDING);
	order_free(&b.order);
	order_free(&o);
	end();
}

/* A trip takes what its request has room for; the rest is the next one's. */
static void
test_full_carts_share_trips(void)
{
	enum { CARTS = RESERVE_LINES_MAX / ORDER_LINES_MAX + 1 };
	static struct order o[CARTS];
	static struct buyer b[CARTS];
	struct buf request = {0};
	begin(1);
	for (size_t i = 0; i < CARTS; i++) {
		o[i] = new_cart(ORDER_LINES_MAX);
		queue(&o[i], &b[i]);
	}
	CU_ASSERT_TRUE(errands_set_out(errands, 0, &trip));
	CU_ASSERT_EQUAL(trip.request.count, CARTS - 1);
	reserve_request_encode(&request, &trip.request);
	CU_ASSERT_TRUE(request.len < 64u << 10); /* what the catalog takes */
	CU_ASSERT_TRUE(errands_set_out(errands, 0, &trip));
	CU_ASSERT_EQUAL(trip.request.count, 1);
	errands_close(errands);
	size_t told = 0;
	for (struct buyer *each = errands_told(errands); each != NULL; each = each->next, told++)
		order_free(&each->order);
	CU_ASSERT_EQUAL(told, CARTS);
	for (size_t i = 0; i < CARTS; i++)
		order_free(&o[i]);
	buf_free(&request);
	end();
}

static void
test_nobody_waits_for_ever(void)
{
	struct order o[3] = {new_order(), new_order(), new_order()};
	struct buyer b[3] = {{.deadline = 5}, {.deadline = 20}, {.deadline = 5}}, again = {0};
	begin(1);
	struct hand *beginning = submit(&o[0], &b[0]);
	queue(&o[1], &b[1]);
	struct hand *fresh = errands_buy(errands, &o[2], &b[2]);
	errands_tick(errands, 19);
	CU_ASSERT_PTR_NULL(errands_told(errands));
	errands_tick(errands, 20);
	expect_told(&b[1], COURIER_PENDING);
	errands_drop(errands, fresh);
	expect_told(&b[2], COURIER_NOT_APPLIED);
	CU_ASSERT_EQUAL(in_hand(), 2); /* the orders go on */
	CU_ASSERT_PTR_NULL(errands_buy(errands, &o[1], &again));
	CU_ASSERT_PTR_NULL(errands_told(errands)); /* waits in the other's place */
	log_begin(beginning, CORE_UNKNOWN, NULL);  /* the log has bounds of its own */
	expect_told(&b[0], COURIER_UNKNOWN);
	end();
}

void
register_errands(void)
{
	CU_pSuite s = CU_add_suite("errands", NULL, NULL);
	CU_add_test(s, "the log answers a beginning", test_the_log_answers_a_beginning);
	CU_add_test(
	    s, "only the catalog's word ends an order", test_only_the_catalogs_word_ends_an_order);
	CU_add_test(s, "each replica of the catalog is asked once",
	    test_each_replica_of_the_catalog_is_asked_once);
	CU_add_test(s, "what is undecided goes again", test_what_is_undecided_goes_again);
	CU_add_test(s, "stepping down", test_stepping_down);
	CU_add_test(s, "a cart ends as a whole", test_a_cart_ends_as_a_whole);
	CU_add_test(s, "a cart is refused for one book", test_a_cart_is_refused_for_one_book);
	CU_add_test(s, "full carts share trips", test_full_carts_share_trips);
	CU_add_test(s, "nobody waits for ever", test_nobody_waits_for_ever);
}
