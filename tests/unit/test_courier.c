/* The courier between a real order log (a set of one) and a catalog of our own making. */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <CUnit/CUnit.h>

#include "fcgi/base/clock.h"
#include "fcgi/catalog/reserve.h"
#include "fcgi/order/courier.h"
#include "fcgi/order/hands.h"
#include "tests/unit/suites.h"
#include "tests/unit/web.h"

#define PATIENCE_MS 10000
#define IMPATIENCE_MS 300 /* deadline of a buy that is to end as PENDING */

/* ---- The catalog: book 1 is always there, 2 sold out, 3 has one copy too few, others unknown ----
 */

static struct {
	pthread_mutex_t lock;
	bool writable; /* what /status says, and whether reservations are decided */
	bool answers;  /* /peer/reserve with 200 */
	size_t reserved;
} catalog = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void
reserve_one(const struct catalog_line *line, struct reserve_answer *a, struct catalog_sold *sold)
{
	*a = (struct reserve_answer){.state = RESERVE_DECIDED,
	    .says = {.result = CATALOG_NO_BOOK, .refused = line->book_id}};
	if (!catalog.writable) {
		a->state = RESERVE_UNKNOWN;
		return;
	}
	catalog.reserved++;
	if (line->book_id == 1) {
		a->says = (struct catalog_reserved){.result = CATALOG_OK, .count = 1};
		*sold = (struct catalog_sold){4500, "Spring"};
	} else if (line->book_id == 2) {
		a->says.result = CATALOG_SOLD_OUT;
	} else if (line->book_id == 3) {
		a->says.result = CATALOG_INSUFFICIENT;
		a->says.available = line->quantity - 1;
	}
}

static int
reserve(const void *body, size_t len, struct buf *answer)
{
	static struct reserve_request request;
	static struct reserve_answers answers;

	CU_ASSERT_TRUE(reserve_request_decode(body, len, &request));
	answers.count = request.count;
	for (size_t i = 0; i < request.count; i++) {
		uint16_t first = request.item[i].first;
		reserve_one(&request.line[first], &answers.answer[i], &answers.sold[first]);
		answers.answer[i].first = first;
	}
	reserve_answer_encode(answer, &answers);
	return 200;
}

static int
be_catalog(void *arg, const char *path, const void *body, size_t len, struct buf *answer)
{
	int status = 200;
	(void)arg;
	pthread_mutex_lock(&catalog.lock);
	if (strcmp(path, "/status") == 0)
		buf_printf(
		    answer, "{\"data\":{\"writable\":%s}}", catalog.writable ? "true" : "false");
	else
		status = catalog.answers ? reserve(body, len, answer) : 503;
	pthread_mutex_unlock(&catalog.lock);
	return status;
}

/* The catalog's other replica, which takes no reservations. */
static atomic_uint asked_in_vain;

static int
be_backup(void *arg, const char *path, const void *body, size_t len, struct buf *answer)
{
	(void)arg, (void)body, (void)len;
	if (strcmp(path, "/status") == 0) {
		buf_printf(answer, "{\"data\":{\"writable\":false}}");
		return 200;
	}
	atomic_fetch_add(&asked_in_vain, 1);
	return 421;
}

static void
set_catalog(bool writable, bool answers)
{
	pthread_mutex_lock(&catalog.lock);
	catalog.writable = writable;
	catalog.answers = answers;
	pthread_mutex_unlock(&catalog.lock);
}

/* ---- The shop ---- */

static struct {
	char dir[64];
	struct web *web, *backup;
	struct store *store;
	struct order_machine *rules;
	struct machine machine;
	struct nodes nodes;
	struct replica *replica;
	struct courier *courier;
	unsigned deadline_ms;
} shop;

static void
start_replica(void)
{
	char error[256];
	shop.store =
	    store_open(shop.dir, order_tables, order_table_count, 1 << 20, error, sizeof(error));
	CU_ASSERT_PTR_NOT_NULL_FATAL(shop.store);
	shop.rules = order_machine_new(store_view(shop.store));
	shop.machine = (struct machine){.ctx = shop.rules,
	    .decided = order_decided,
	    .begin = order_begin_batch,
	    .execute = order_execute};
	struct replica_config config = {.name = "order-1",
	    .nodes = &shop.nodes,
	    .secret = "s",
	    .store = shop.store,
	    .machine = &shop.machine};
	shop.replica = replica_start(&config);
}

static void
start_courier(void)
{
	struct courier_config config = {.replica = shop.replica,
	    .store = shop.store,
	    .nodes = &shop.nodes,
	    .secret = "s",
	    .deadline_ms = shop.deadline_ms};
	shop.courier = courier_start(&config);
}

static void
stop_shop(void)
{
	courier_stop(shop.courier);
	replica_stop(shop.replica);
	courier_free(shop.courier);
	order_machine_free(shop.rules);
	store_close(shop.store);
}

static bool
is_writable(void)
{
	struct courier_stats stats;
	courier_stats(shop.courier, &stats);
	return stats.catalog_writable;
}

static bool
hands_are_empty(void)
{
	struct courier_stats stats;
	courier_stats(shop.courier, &stats);
	return stats.errands.in_hand == 0;
}

static bool
wait_for(bool (*condition)(void))
{
	uint64_t deadline = clock_ms() + PATIENCE_MS;
	while (!condition() && clock_ms() < deadline)
		usleep(1000);
	return condition();
}

static void
open_shop(bool writable, unsigned deadline_ms)
{
	shop.deadline_ms = deadline_ms;
	catalog.reserved = 0;
	set_catalog(writable, true);
	shop.nodes = (struct nodes){.count = 3,
	    .node = {{.name = "order-1",
			 .service = NODE_ORDER,
			 .id = 1,
			 .primary = true,
			 .address = "127.0.0.1:1"},
		{.name = "catalog-1", .service = NODE_CATALOG, .id = 1, .primary = true},
		{.name = "catalog-2", .service = NODE_CATALOG, .id = 2}}};
	shop.backup = web_start(shop.nodes.node[1].address, be_backup, NULL);
	shop.web = web_start(shop.nodes.node[2].address, be_catalog, NULL);
	snprintf(shop.dir, sizeof(shop.dir), "/tmp/bazar-courier-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(shop.dir));
	start_replica();
	start_courier();
	if (writable)
		CU_ASSERT_TRUE(wait_for(is_writable));
}

static void
close_shop(void)
{
	char command[512];
	stop_shop();
	web_stop(shop.web);
	web_stop(shop.backup);
	snprintf(command, sizeof(command), "rm -rf '%s'", shop.dir);
	CU_ASSERT_EQUAL(system(command), 0);
}

/* Somebody who waits for what the courier tells. */
struct waiter {
	struct purchase purchase;
	sem_t told;
};

static void
wake(struct purchase *p)
{
	struct waiter *w = (struct waiter *)p;
	sem_post(&w->told);
}

static enum courier_result
buy(const struct uuid *id, uint64_t fingerprint, uint64_t book, struct order *order, bool *replayed)
{
	struct order wanted = {
	    .id = *id, .line = {.book_id = book, .quantity = 2}, .fingerprint = fingerprint};
	struct waiter w = {.purchase.told = wake};
	sem_init(&w.told, 0, 0);
	courier_buy(shop.courier, &wanted, &w.purchase);
	while (sem_wait(&w.told) != 0)
		;
	sem_destroy(&w.told);
	*order = w.purchase.buyer.order;
	*replayed = w.purchase.buyer.replayed;
	return w.purchase.buyer.result;
}

/* The order's status in the tables; -1: there is none. */
static int
stored_status(const struct uuid *id)
{
	struct order order;
	store_read_begin(shop.store);
	bool found = order_get(store_view(shop.store), id, &order);
	store_read_end(shop.store);
	return found ? (int)order.status : -1;
}

/* ---- Tests ---- */

static void
test_each_end(void)
{
	static const struct {
		uint64_t book;
		enum order_status status;
		enum order_reason reason;
		int64_t available, price;
	} cases[] = {
	    {1, ORDER_CONFIRMED, ORDER_NO_REASON, 0, 4500},
	    {2, ORDER_REJECTED, ORDER_SOLD_OUT, 0, 0},
	    {3, ORDER_REJECTED, ORDER_INSUFFICIENT, 1, 0},
	    {4, ORDER_REJECTED, ORDER_NO_BOOK, 0, 0},
	};
	open_shop(true, PATIENCE_MS);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct uuid id = uuid_random();
		struct order o;
		bool replayed;
		CU_ASSERT_EQUAL(buy(&id, 5, cases[i].book, &o, &replayed), COURIER_DONE);
		CU_ASSERT_FALSE(replayed);
		CU_ASSERT_TRUE(uuid_equal(&o.id, &id));
		CU_ASSERT_EQUAL(o.line.book_id, cases[i].book);
		CU_ASSERT_EQUAL(o.line.quantity, 2);
		CU_ASSERT_EQUAL(o.status, cases[i].status);
		CU_ASSERT_EQUAL(o.reason, cases[i].reason);
		CU_ASSERT_EQUAL(o.available, cases[i].available);
		CU_ASSERT_EQUAL(o.line.price, cases[i].price);
		CU_ASSERT_TRUE(o.created_ms > 0);
		CU_ASSERT_EQUAL(stored_status(&id), (int)cases[i].status);
	}
	close_shop();
}

static void
test_the_same_id_is_the_same_order(void)
{
	struct uuid id = uuid_random();
	struct order first, again;
	bool replayed;
	open_shop(true, PATIENCE_MS);
	CU_ASSERT_EQUAL(buy(&id, 5, 1, &first, &replayed), COURIER_DONE);
	CU_ASSERT_EQUAL(buy(&id, 5, 1, &again, &replayed), COURIER_DONE);
	CU_ASSERT_TRUE(replayed);
	CU_ASSERT_EQUAL(again.created_ms, first.created_ms);
	CU_ASSERT_EQUAL(again.status, ORDER_CONFIRMED);
	CU_ASSERT_EQUAL(buy(&id, 6, 1, &again, &replayed), COURIER_KEY_REUSED);
	CU_ASSERT_EQUAL(catalog.reserved, 1);
	close_shop();
}

static void
test_without_the_catalog_nothing_is_logged(void)
{
	struct uuid known = uuid_random(), fresh = uuid_random();
	struct order o;
	bool replayed;
	open_shop(true, PATIENCE_MS);
	CU_ASSERT_EQUAL(buy(&known, 5, 1, &o, &replayed), COURIER_DONE);
	set_catalog(false, true);
	while (is_writable())
		usleep(1000);
	uint64_t begin = clock_ms();
	CU_ASSERT_EQUAL(buy(&fresh, 5, 1, &o, &replayed), COURIER_NOT_APPLIED);
	CU_ASSERT_TRUE(clock_ms() - begin >= COURIER_CATALOG_WAIT_MS);
	CU_ASSERT_EQUAL(stored_status(&fresh), -1);
	CU_ASSERT_EQUAL(buy(&known, 5, 1, &o, &replayed), COURIER_DONE);
	CU_ASSERT_TRUE(replayed);
	CU_ASSERT_TRUE(hands_are_empty());
	close_shop();
}

static void *
heal_catalog(void *arg)
{
	(void)arg;
	usleep(200000);
	set_catalog(true, true);
	return NULL;
}

static void
test_a_buy_waits_for_the_catalog(void)
{
	struct uuid id = uuid_random();
	struct order o;
	bool replayed;
	pthread_t healer;
	open_shop(false, PATIENCE_MS);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&healer, NULL, heal_catalog, NULL), 0);
	CU_ASSERT_EQUAL(buy(&id, 5, 1, &o, &replayed), COURIER_DONE);
	pthread_join(healer, NULL);
	close_shop();
}

/* Writable by its own words, but not a single reservation gets through. */
static void
test_a_pending_order_ends_later(void)
{
	struct uuid id = uuid_random();
	struct order o;
	bool replayed;
	open_shop(true, IMPATIENCE_MS);
	set_catalog(true, false);
	CU_ASSERT_EQUAL(buy(&id, 5, 1, &o, &replayed), COURIER_PENDING);
	CU_ASSERT_TRUE(o.created_ms > 0);
	CU_ASSERT_EQUAL(stored_status(&id), ORDER_PENDING);
	CU_ASSERT_EQUAL(buy(&id, 6, 1, &o, &replayed), COURIER_KEY_REUSED);
	CU_ASSERT_EQUAL(buy(&id, 5, 1, &o, &replayed), COURIER_PENDING);
	set_catalog(true, true);
	CU_ASSERT_TRUE(wait_for(hands_are_empty));
	CU_ASSERT_EQUAL(stored_status(&id), ORDER_CONFIRMED);
	CU_ASSERT_EQUAL(buy(&id, 5, 1, &o, &replayed), COURIER_DONE);
	CU_ASSERT_TRUE(replayed);
	CU_ASSERT_EQUAL(catalog.reserved, 1);
	close_shop();
}

static void *
heal_reservations(void *arg)
{
	(void)arg;
	usleep(50000);
	set_catalog(true, true);
	return NULL;
}

/* Joined while it is under way, an order rings from another thread: at the very end of the joining
 * at the earliest. */
static void
test_who_repeats_in_time_hears_the_end(void)
{
	struct uuid id = uuid_random();
	struct order o;
	bool replayed;
	pthread_t healer;
	enum courier_result result;
	open_shop(true, IMPATIENCE_MS);
	set_catalog(true, false);
	CU_ASSERT_EQUAL(buy(&id, 5, 1, &o, &replayed), COURIER_PENDING);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&healer, NULL, heal_reservations, NULL), 0);
	while ((result = buy(&id, 5, 1, &o, &replayed)) == COURIER_PENDING)
		CU_ASSERT_EQUAL(o.status, ORDER_PENDING);
	CU_ASSERT_EQUAL(result, COURIER_DONE);
	CU_ASSERT_EQUAL(o.status, ORDER_CONFIRMED);
	CU_ASSERT_TRUE(replayed);
	pthread_join(healer, NULL);
	CU_ASSERT_EQUAL(catalog.reserved, 1);
	close_shop();
}

static void
test_the_sweep_finds_orders_of_a_crash(void)
{
	struct uuid id = uuid_random();
	struct order o;
	bool replayed;
	open_shop(true, IMPATIENCE_MS);
	set_catalog(true, false);
	CU_ASSERT_EQUAL(buy(&id, 5, 1, &o, &replayed), COURIER_PENDING);
	stop_shop();
	start_replica();
	set_catalog(true, true);
	start_courier();
	uint64_t deadline = clock_ms() + PATIENCE_MS;
	while (stored_status(&id) != ORDER_CONFIRMED && clock_ms() < deadline)
		usleep(1000);
	CU_ASSERT_EQUAL(stored_status(&id), ORDER_CONFIRMED);
	close_shop();
}

struct customer {
	pthread_t thread;
	struct uuid id;
	enum courier_result result;
};

static void *
buy_alone(void *arg)
{
	struct customer *b = arg;
	struct order o;
	bool replayed;
	b->result = buy(&b->id, 5, 1, &o, &replayed);
	return NULL;
}

static void
test_one_buyer_an_order_at_a_time(void)
{
	struct customer b = {.id = uuid_random()};
	struct order o;
	bool replayed;
	open_shop(true, IMPATIENCE_MS);
	set_catalog(true, false);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&b.thread, NULL, buy_alone, &b), 0);
	while (stored_status(&b.id) < 0)
		usleep(1000);
	CU_ASSERT_EQUAL(buy(&b.id, 5, 1, &o, &replayed), COURIER_IN_PROGRESS);
	pthread_join(b.thread, NULL);
	CU_ASSERT_EQUAL(b.result, COURIER_PENDING);
	close_shop();
}

static void
test_many_buyers_share_trips(void)
{
	struct customer buyers[32];
	struct courier_stats stats;
	open_shop(true, PATIENCE_MS);
	for (size_t i = 0; i < 32; i++) {
		buyers[i].id = uuid_random();
		CU_ASSERT_EQUAL_FATAL(
		    pthread_create(&buyers[i].thread, NULL, buy_alone, &buyers[i]), 0);
	}
	for (size_t i = 0; i < 32; i++) {
		pthread_join(buyers[i].thread, NULL);
		CU_ASSERT_EQUAL(buyers[i].result, COURIER_DONE);
	}
	CU_ASSERT_EQUAL(catalog.reserved, 32);
	courier_stats(shop.courier, &stats);
	CU_ASSERT_EQUAL(stats.errands.ended, 32);
	CU_ASSERT_EQUAL(stats.errands.outcomes[ORDER_NO_REASON], 32);
	close_shop();
}

/* The node file's primary is none any more: asked at most once, then the other one is known. */
static void
test_the_primary_is_found(void)
{
	struct order o;
	bool replayed;
	atomic_store(&asked_in_vain, 0);
	open_shop(false, PATIENCE_MS);
	set_catalog(true, true);
	for (int i = 0; i < 5; i++) {
		struct uuid id = uuid_random();
		CU_ASSERT_EQUAL(buy(&id, 5, 1, &o, &replayed), COURIER_DONE);
	}
	CU_ASSERT_EQUAL(catalog.reserved, 5);
	CU_ASSERT_TRUE(atomic_load(&asked_in_vain) <= 1);
	close_shop();
}

static void
test_hands_are_bounded_and_queued_in_order(void)
{
	static struct hands t;
	struct order o = {0};
	hands_init(&t);
	for (size_t i = 0; i < HANDS_MAX; i++) {
		o.id = uuid_random();
		o.line.quantity = (uint32_t)i;
		struct hand *h = hands_add(&t, &o);
		CU_ASSERT_PTR_NOT_NULL_FATAL(h);
		CU_ASSERT_PTR_EQUAL(hands_find(&t, &o.id), h);
		hands_enqueue(&t, h);
	}
	o.id = uuid_random();
	CU_ASSERT_PTR_NULL(hands_find(&t, &o.id));
	CU_ASSERT_PTR_NULL(hands_add(&t, &o));
	for (size_t i = 0; i < HANDS_MAX; i++) {
		struct hand *h = hands_dequeue(&t);
		CU_ASSERT_EQUAL(h->order.line.quantity, i);
		if (i % 2 == 0)
			hands_remove(&t, h);
	}
	CU_ASSERT_PTR_NULL(hands_dequeue(&t));
	CU_ASSERT_EQUAL(HASH_COUNT(t.table), HANDS_MAX / 2);
	hands_destroy(&t);
}

void
register_courier(void)
{
	CU_pSuite s = CU_add_suite("courier", NULL, NULL);
	CU_add_test(s, "each end", test_each_end);
	CU_add_test(s, "the same id is the same order", test_the_same_id_is_the_same_order);
	CU_add_test(
	    s, "without the catalog nothing is logged", test_without_the_catalog_nothing_is_logged);
	CU_add_test(s, "a buy waits for the catalog", test_a_buy_waits_for_the_catalog);
	CU_add_test(s, "a pending order ends later", test_a_pending_order_ends_later);
	CU_add_test(s, "who repeats in time hears the end", test_who_repeats_in_time_hears_the_end);
	CU_add_test(s, "the sweep finds orders of a crash", test_the_sweep_finds_orders_of_a_crash);
	CU_add_test(s, "one buyer an order at a time", test_one_buyer_an_order_at_a_time);
	CU_add_test(s, "many buyers share trips", test_many_buyers_share_trips);
	CU_add_test(s, "the primary is found", test_the_primary_is_found);
	CU_add_test(s, "hands are bounded, and queued in order",
	    test_hands_are_bounded_and_queued_in_order);
}
