/* The order service's rules on a real store: an order ends once, for good. */
#include <stdio.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "fcgi/base/hash.h"
#include "fcgi/order/order.h"
#include "tests/unit/fixture.h"
#include "tests/unit/suites.h"

static struct fixture f;
static struct machine machine;

static void
open_orders(void)
{
	fixture_open(&f, order_tables, order_table_count);
	machine = (struct machine){.ctx = order_machine_new(store_view(f.store)),
	    .decided = order_decided,
	    .begin = order_begin_batch,
	    .execute = order_execute};
}

static void
close_orders(void)
{
	order_machine_free(machine.ctx);
	fixture_close(&f);
}

static struct order
answer(void)
{
	struct order o;
	CU_ASSERT_EQUAL_FATAL(order_answer_decode(f.out.answer.data, f.out.answer.len, &o), 0);
	return o;
}

static struct order
begin_order(const struct uuid *id, uint64_t fingerprint, bool want_decided)
{
	struct buf args = {0};
	struct order wanted = {.fingerprint = fingerprint, .line = {.book_id = 12, .quantity = 3}};
	order_op_begin(&args, &wanted);
	CU_ASSERT_EQUAL(fixture_run(&f, &machine, id, ORDER_BEGIN, &args), want_decided);
	buf_free(&args);
	return answer();
}

static struct order
end_order(const struct order *end, bool want_decided)
{
	struct buf args = {0};
	struct uuid id = order_end_id(&end->id);
	order_op_end(&args, end);
	CU_ASSERT_EQUAL(fixture_run(&f, &machine, &id, ORDER_END, &args), want_decided);
	buf_free(&args);
	return answer();
}

static struct order
confirmed(const struct uuid *id)
{
	return (struct order){
	    .id = *id, .status = ORDER_CONFIRMED, .line = {.price = 4500, .title = "Trees"}};
}

static bool
count_order(void *arg, const struct order *o)
{
	(void)o;
	++*(int *)arg;
	return true;
}

static int
count_pending(void)
{
	int count = 0;
	order_pending(store_view(f.store), count_order, &count);
	return count;
}

static void
check_keys(const struct uuid *id)
{
	CU_ASSERT_EQUAL(fixture_touched_count(&f), 2);
	CU_ASSERT_TRUE(fixture_touched(&f, order_key(id)));
	CU_ASSERT_TRUE(fixture_touched(&f, order_key_list()));
}

/* ---- Tests ---- */

static void
test_name_space(void)
{
	open_orders();
	struct uuid space = uuid_random(), other = uuid_random(), found;
	struct buf args = {0};
	CU_ASSERT_FALSE(order_name_space(store_view(f.store), &found));
	order_op_seed(&args, &space);
	CU_ASSERT_FALSE(fixture_run(&f, &machine, &space, ORDER_SEED, &args));
	CU_ASSERT_EQUAL(answer().created_ms, 0);
	order_op_seed(&args, &other);
	CU_ASSERT_TRUE(fixture_run(&f, &machine, &other, ORDER_SEED, &args));
	order_op_seed(&args, &other);
	fixture_decide(&f, &machine, &other, ORDER_SEED, &args);
	fixture_commit(&f);
	CU_ASSERT_TRUE(order_name_space(store_view(f.store), &found));
	CU_ASSERT_TRUE(uuid_equal(&found, &space));
	buf_free(&args);
	close_orders();
}

static void
test_an_order_is_confirmed(void)
{
	open_orders();
	struct uuid id = uuid_random();
	struct order o = begin_order(&id, 77, false);
	check_keys(&id);
	CU_ASSERT_EQUAL(o.status, ORDER_PENDING);
	CU_ASSERT_EQUAL(o.line.book_id, 12);
	CU_ASSERT_EQUAL(o.line.quantity, 3);
	CU_ASSERT_EQUAL(o.created_ms, f.time_ms);
	CU_ASSERT_EQUAL(count_pending(), 1);

	struct order end = confirmed(&id);
	f.time_ms += 5;
	o = end_order(&end, false);
	check_keys(&id);
	CU_ASSERT_EQUAL(o.status, ORDER_CONFIRMED);
	CU_ASSERT_EQUAL(o.line.price, 4500);
	CU_ASSERT_STRING_EQUAL(o.line.title, "Trees");
	CU_ASSERT_EQUAL(o.created_ms, f.time_ms - 5);
	CU_ASSERT_EQUAL(o.fingerprint, 77);
	CU_ASSERT_EQUAL(count_pending(), 0);

	struct order stored;
	CU_ASSERT_TRUE(order_get(store_view(f.store), &id, &stored));
	CU_ASSERT_EQUAL(stored.status, ORDER_CONFIRMED);
	CU_ASSERT_EQUAL(stored.line.quantity, 3);
	struct uuid other = uuid_random();
	CU_ASSERT_FALSE(order_get(store_view(f.store), &other, &stored));
	close_orders();
}

static void
test_an_order_ends_once(void)
{
	open_orders();
	struct uuid id = uuid_random();
	begin_order(&id, 1, false);
	struct order rejected = {
	    .id = id, .status = ORDER_REJECTED, .reason = ORDER_INSUFFICIENT, .available = 2};
	CU_ASSERT_EQUAL(end_order(&rejected, false).available, 2);
	struct order end = confirmed(&id);
	struct order o = end_order(&end, true);
	CU_ASSERT_EQUAL(o.status, ORDER_REJECTED);
	CU_ASSERT_EQUAL(o.reason, ORDER_INSUFFICIENT);
	/* Not even when the tables' first look missed it. */
	struct buf args = {0};
	struct uuid end_id = order_end_id(&id);
	order_op_end(&args, &end);
	fixture_decide(&f, &machine, &end_id, ORDER_END, &args);
	CU_ASSERT_EQUAL(fixture_touched_count(&f), 0);
	CU_ASSERT_EQUAL(answer().status, ORDER_REJECTED);
	fixture_commit(&f);
	buf_free(&args);
	close_orders();
}

static void
test_a_repeated_begin_tells_how_it_stands(void)
{
	open_orders();
	struct uuid id = uuid_random();
	begin_order(&id, 1, false);
	struct order o = begin_order(&id, 2, true);
	CU_ASSERT_EQUAL(o.status, ORDER_PENDING);
	CU_ASSERT_EQUAL(o.fingerprint, 1); /* the caller sees: another request */
	struct order end = confirmed(&id);
	end_order(&end, false);
	CU_ASSERT_EQUAL(begin_order(&id, 1, true).status, ORDER_CONFIRMED);
	CU_ASSERT_EQUAL(count_pending(), 0);
	close_orders();
}

static void
test_the_end_of_an_unknown_order(void)
{
	open_orders();
	struct uuid id = uuid_random();
	struct order end = confirmed(&id), o = end_order(&end, false);
	CU_ASSERT_EQUAL(o.created_ms, 0);
	CU_ASSERT_TRUE(uuid_equal(&o.id, &id));
	CU_ASSERT_EQUAL(fixture_touched_count(&f), 0);
	CU_ASSERT_FALSE(order_get(store_view(f.store), &id, &o));
	CU_ASSERT_EQUAL(begin_order(&id, 1, false).status, ORDER_PENDING);
	close_orders();
}

static void
test_begin_and_end_in_one_batch(void)
{
	open_orders();
	struct uuid id = uuid_random(), end_id = order_end_id(&id);
	struct buf args = {0};
	struct order wanted = {.fingerprint = 1, .line = {.book_id = 12, .quantity = 1}};
	order_op_begin(&args, &wanted);
	fixture_decide(&f, &machine, &id, ORDER_BEGIN, &args);
	struct order end = confirmed(&id);
	buf_clear(&args);
	order_op_end(&args, &end);
	fixture_decide(&f, &machine, &end_id, ORDER_END, &args);
	CU_ASSERT_EQUAL(answer().status, ORDER_CONFIRMED);
	fixture_commit(&f);
	CU_ASSERT_EQUAL(count_pending(), 0);
	CU_ASSERT_EQUAL(begin_order(&id, 1, true).status, ORDER_CONFIRMED);
	buf_free(&args);
	close_orders();
}

/* ---- Carts ---- */

/* The id-th order of `lines` lines: i copies of book 10 + i. */
static struct order
cart(const struct uuid *id, size_t lines)
{
	struct order o = {.id = *id, .fingerprint = 7};
	for (size_t i = 0; i < lines; i++) {
		order_set_line(&o, i)->book_id = 10 + i;
		order_set_line(&o, i)->quantity = (uint32_t)i + 1;
	}
	return o;
}

static void
check_lines(const struct order *o, size_t lines, bool sold)
{
	CU_ASSERT_EQUAL_FATAL(order_lines(o), lines);
	for (size_t i = 0; i < lines; i++) {
		char title[ORDER_TITLE_SIZE] = "";
		if (sold)
			snprintf(title, sizeof(title), "Title %zu", i);
		CU_ASSERT_EQUAL(order_line(o, i)->book_id, 10 + i);
		CU_ASSERT_EQUAL(order_line(o, i)->quantity, i + 1);
		CU_ASSERT_EQUAL(order_line(o, i)->price, sold ? 100 * (int64_t)i + 1 : 0);
		CU_ASSERT_STRING_EQUAL(order_line(o, i)->title, title);
	}
}

static void
check_stored(const struct uuid *id, size_t lines, bool sold)
{
	struct order stored;
	CU_ASSERT_TRUE_FATAL(order_get(store_view(f.store), id, &stored));
	check_lines(&stored, lines, sold);
	order_free(&stored);
}

static void
buy_cart(size_t lines)
{
	struct uuid id = uuid_random();
	struct order o = cart(&id, lines), copy;
	struct buf args = {0};
	order_op_begin(&args, &o);
	CU_ASSERT_FALSE(fixture_run(&f, &machine, &id, ORDER_BEGIN, &args));
	check_stored(&id, lines, false);
	o.status = ORDER_CONFIRMED;
	for (size_t i = 0; i < lines; i++) {
		struct order_line *line = order_set_line(&o, i);
		line->price = 100 * (int64_t)i + 1;
		snprintf(line->title, sizeof(line->title), "Title %zu", i);
	}
	order_copy(&copy, &o);
	order_free(&o);
	struct order ended = end_order(&copy, false);
	CU_ASSERT_EQUAL(ended.fingerprint, 7);
	CU_ASSERT_EQUAL(order_total(&ended), order_total(&copy));
	check_lines(&ended, lines, true);
	order_free(&ended);
	order_free(&copy);
	check_stored(&id, lines, true);
	buf_free(&args);
}

static void
test_carts(void)
{
	open_orders();
	for (size_t lines = 1; lines <= ORDER_LINES_MAX; lines++)
		buy_cart(lines);
	CU_ASSERT_EQUAL(count_pending(), 0);
	struct order full = cart(&(struct uuid){{1}}, ORDER_LINES_MAX);
	CU_ASSERT_PTR_NULL(order_set_line(&full, ORDER_LINES_MAX));
	order_free(&full);
	CU_ASSERT_EQUAL(order_lines(&full), 1);
	close_orders();
}

static void
test_a_refused_cart_names_the_book(void)
{
	open_orders();
	struct uuid id = uuid_random();
	struct order o = cart(&id, 3), ended;
	struct buf args = {0};
	order_op_begin(&args, &o);
	fixture_run(&f, &machine, &id, ORDER_BEGIN, &args);
	o.status = ORDER_REJECTED;
	o.reason = ORDER_INSUFFICIENT;
	o.refused = 11;
	o.available = 1;
	ended = end_order(&o, false);
	CU_ASSERT_EQUAL(ended.refused, 11);
	CU_ASSERT_EQUAL(ended.available, 1);
	check_lines(&ended, 3, false);
	order_free(&ended);
	order_free(&o);
	buf_free(&args);
	close_orders();
}

/* ---- Orders as they were stored before there were carts ---- */

static void
test_rows_of_before_carts(void)
{
	static const uint8_t row[] = {1, /* version */
	    0xaa, 0xbb, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xcc, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0,
	    0, 3, 2, 3, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	    0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 77};
	struct order o;
	struct buf again = {0};
	CU_ASSERT_EQUAL_FATAL(order_answer_decode(row, sizeof(row), &o), 0);
	CU_ASSERT_EQUAL(o.id.bytes[0], 0xaa);
	CU_ASSERT_EQUAL(o.line.book_id, 12);
	CU_ASSERT_EQUAL(o.line.quantity, 3);
	CU_ASSERT_EQUAL(o.status, ORDER_REJECTED);
	CU_ASSERT_EQUAL(o.reason, ORDER_INSUFFICIENT);
	CU_ASSERT_EQUAL(o.refused, 12);
	CU_ASSERT_EQUAL(o.available, 2);
	CU_ASSERT_EQUAL(o.created_ms, 5);
	CU_ASSERT_EQUAL(o.fingerprint, 77);
	CU_ASSERT_EQUAL(order_lines(&o), 1);
	order_op_end(&again, &o); /* and an order of one line is written like this for ever */
	CU_ASSERT_EQUAL_FATAL(again.len, sizeof(row));
	CU_ASSERT_EQUAL(memcmp(again.data, row, sizeof(row)), 0);
	buf_free(&again);
}

/* ---- The list ---- */

struct page {
	struct order_place last;
	int count, limit;
	bool sorted;
};

static bool
turn_page(void *arg, const struct order *o)
{
	struct page *p = arg;
	p->sorted &= o->created_ms <= p->last.created_ms;
	p->last = (struct order_place){.created_ms = o->created_ms, .id = o->id};
	return ++p->count < p->limit;
}

static void
test_newest_first_by_pages(void)
{
	open_orders();
	for (int i = 0; i < 100; i++) {
		struct uuid id = uuid_random();
		begin_order(&id, 1, false);
		f.time_ms += (uint64_t)i % 3; /* several of the same millisecond */
	}
	struct page all = {.limit = 1000, .sorted = true, .last.created_ms = UINT64_MAX};
	order_list(store_view(f.store), NULL, turn_page, &all);
	CU_ASSERT_EQUAL(all.count, 100);
	CU_ASSERT_TRUE(all.sorted);

	struct page page = {.sorted = true, .last.created_ms = UINT64_MAX};
	for (int turned = 0; turned < 10; turned++) {
		struct order_place after = page.last;
		page.limit = page.count + 10;
		order_list(store_view(f.store), turned > 0 ? &after : NULL, turn_page, &page);
	}
	CU_ASSERT_EQUAL(page.count, 100);
	CU_ASSERT_TRUE(page.sorted);
	CU_ASSERT_TRUE(uuid_equal(&page.last.id, &all.last.id));
	struct order_place end = page.last;
	order_list(store_view(f.store), &end, turn_page, &page);
	CU_ASSERT_EQUAL(page.count, 100);
	CU_ASSERT_EQUAL(count_pending(), 100);
	close_orders();
}

static void
test_malformed_orders(void)
{
	open_orders();
	struct uuid id = uuid_random();
	begin_order(&id, 1, false);
	struct order o;
	for (size_t len = 0; len < f.out.answer.len; len++)
		CU_ASSERT_EQUAL(order_answer_decode(f.out.answer.data, len, &o), -1);
	buf_u8(&f.out.answer, 0);
	CU_ASSERT_EQUAL(order_answer_decode(f.out.answer.data, f.out.answer.len, &o), -1);

	struct buf row = {0};
	struct order full = cart(&id, 3);
	order_op_end(&row, &full);
	for (size_t len = 0; len < row.len; len++)
		CU_ASSERT_EQUAL(order_answer_decode(row.data, len, &o), -1);
	order_free(&full);
	buf_free(&row);

	char text[UUID_TEXT], name[64];
	uuid_print(&id, text);
	snprintf(name, sizeof(name), "order:%s", text);
	CU_ASSERT_EQUAL(order_key(&id), hash64(name, strlen(name)));
	CU_ASSERT_EQUAL(order_key_list(), hash64("orders", 6));
	close_orders();
}

void
register_order(void)
{
	CU_TestInfo tests[] = {
	    {"the name space is set once", test_name_space},
	    {"an order is confirmed", test_an_order_is_confirmed},
	    {"an order ends once", test_an_order_ends_once},
	    {"a repeated begin tells how it stands", test_a_repeated_begin_tells_how_it_stands},
	    {"the end of an unknown order", test_the_end_of_an_unknown_order},
	    {"begin and end in one batch", test_begin_and_end_in_one_batch},
	    {"carts", test_carts},
	    {"a refused cart names the book", test_a_refused_cart_names_the_book},
	    {"rows of before carts", test_rows_of_before_carts},
	    {"newest first, by pages", test_newest_first_by_pages},
	    {"malformed orders, and keys", test_malformed_orders},
	    CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = {{.pName = "order", .pTests = tests}, CU_SUITE_INFO_NULL};
	CU_register_suites(suites);
}
