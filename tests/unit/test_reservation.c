/* Reservations of carts: all lines or none, one stored answer; and the message that asks for them.
 */
#include <stdio.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "fcgi/catalog/reserve.h"
#include "fcgi/catalog/rows.h"
#include "replica/core/entry.h"
#include "tests/unit/fixture.h"
#include "tests/unit/suites.h"

static struct fixture f;
static struct machine machine;
static struct reserve_request request;
static struct reserve_answers answers;

/* Books 1 to `books` of one topic, five copies each, at 10 cents times the id. */
static void
open_shop(size_t books)
{
	static struct book all[CATALOG_LINES_MAX + 1];
	struct buf args = {0};
	struct uuid id = uuid_random();
	fixture_open_catalog(&f, &machine);
	for (size_t i = 0; i < books; i++) {
		all[i] = (struct book){.id = i + 1, .price = 10 * (int64_t)i + 10, .quantity = 5};
		snprintf(all[i].title, sizeof(all[i].title), "Book %zu", i + 1);
		snprintf(all[i].topic, sizeof(all[i].topic), "Nature");
	}
	catalog_op_seed(&args, all, books);
	fixture_run(&f, &machine, &id, CATALOG_SEED, &args);
	buf_free(&args);
}

static void
close_shop(void)
{
	catalog_free(machine.ctx);
	fixture_close(&f);
}

static int64_t
stock(uint64_t id)
{
	struct book b;
	CU_ASSERT_TRUE_FATAL(catalog_book(store_view(f.store), id, &b));
	CU_ASSERT_EQUAL(b.stocked, 5);
	return b.quantity;
}

/* As POST /peer/reserve does it; returns whether it was decided before. */
static bool
reserve(const struct uuid *id, const struct catalog_line *lines, size_t count)
{
	request.count = request.line_count = 0;
	answers.count = 1;
	memcpy(reserve_request_add(&request, id, count), lines, count * sizeof(*lines));
	struct op *op = reserve_op(&request, 0);
	bool before = fixture_run(&f, &machine, id, op->kind, &op->args);
	op_free(op);
	reserve_take(&answers, &request, 0, before ? CORE_REPLAYED : CORE_DECIDED,
	    f.out.answer.data, f.out.answer.len);
	CU_ASSERT_EQUAL(answers.answer[0].state, RESERVE_DECIDED);
	return before;
}

static enum catalog_result
reserve_new(const struct catalog_line *lines, size_t count)
{
	struct uuid id = uuid_random();
	CU_ASSERT_FALSE(reserve(&id, lines, count));
	return answers.answer[0].says.result;
}

static void
check_refused(uint64_t book, int64_t available)
{
	CU_ASSERT_EQUAL(answers.answer[0].says.refused, book);
	CU_ASSERT_EQUAL(answers.answer[0].says.available, available);
	CU_ASSERT_EQUAL(fixture_touched_count(&f), 0);
}

/* ---- Deciding ---- */

static void
test_a_cart_takes_every_book(void)
{
	static const struct catalog_line lines[] = {{3, 5}, {1, 2}};
	struct uuid id = uuid_random();
	open_shop(3);
	for (int round = 0; round < 3; round++) {
		CU_ASSERT_EQUAL(reserve(&id, lines, 2), round > 0);
		CU_ASSERT_EQUAL(answers.answer[0].says.result, CATALOG_OK);
		CU_ASSERT_EQUAL(answers.answer[0].says.count, 2);
		CU_ASSERT_EQUAL(answers.answer[0].says.emptied, 1); /* the third */
		CU_ASSERT_EQUAL(answers.sold[0].price, 30);
		CU_ASSERT_STRING_EQUAL(answers.sold[0].title, "Book 3");
		CU_ASSERT_EQUAL(answers.sold[1].price, 10);
		CU_ASSERT_STRING_EQUAL(answers.sold[1].title, "Book 1");
	}
	CU_ASSERT_EQUAL(stock(1), 3);
	CU_ASSERT_EQUAL(stock(2), 5);
	CU_ASSERT_EQUAL(stock(3), 0);
	close_shop();
}

static void
test_a_refused_cart_takes_nothing(void)
{
	static const struct catalog_line none[] = {{1, 1}, {9, 1}, {2, 1}};
	static const struct catalog_line few[] = {{1, 1}, {2, 6}};
	static const struct catalog_line all[] = {{3, 5}, {1, 1}}, gone[] = {{2, 1}, {3, 1}};
	open_shop(3);
	CU_ASSERT_EQUAL(reserve_new(none, 3), CATALOG_NO_BOOK);
	check_refused(9, 0);
	CU_ASSERT_EQUAL(reserve_new(few, 2), CATALOG_INSUFFICIENT);
	check_refused(2, 5);
	CU_ASSERT_EQUAL(reserve_new(all, 2), CATALOG_OK);
	CU_ASSERT_EQUAL(fixture_touched_count(&f), 4); /* both books, their topic, the shelves */
	struct uuid id = uuid_random();
	for (int round = 0; round < 2; round++) {
		CU_ASSERT_EQUAL(reserve(&id, gone, 2), round > 0);
		CU_ASSERT_EQUAL(answers.answer[0].says.result, CATALOG_SOLD_OUT);
		CU_ASSERT_EQUAL(answers.answer[0].says.refused, 3);
	}
	CU_ASSERT_EQUAL(stock(1), 4);
	CU_ASSERT_EQUAL(stock(2), 5);
	close_shop();
}

/* Undecided ones of a batch stand on each other: the last copy is sold once. */
static void
test_carts_in_one_batch(void)
{
	static const struct catalog_line forth[] = {{1, 3}, {2, 3}}, back[] = {{2, 3}, {1, 3}};
	struct buf args = {0};
	struct catalog_reserved says;
	struct catalog_sold sold[CATALOG_LINES_MAX];
	int taken = 0;
	open_shop(2);
	for (uint8_t i = 0; i < 4; i++) {
		struct uuid id = {{i + 1}};
		buf_clear(&args);
		catalog_op_reserve(&args, i % 2 == 0 ? forth : back, 2);
		fixture_decide(&f, &machine, &id, CATALOG_RESERVE, &args);
		CU_ASSERT_EQUAL(
		    catalog_reserved_decode(f.out.answer.data, f.out.answer.len, &says, sold), 0);
		taken += says.result == CATALOG_OK;
	}
	fixture_commit(&f);
	CU_ASSERT_EQUAL(taken, 1);
	CU_ASSERT_EQUAL(stock(1), 2);
	CU_ASSERT_EQUAL(stock(2), 2);
	buf_free(&args);
	close_shop();
}

static bool
check_row(void *arg, const struct reservation *r)
{
	*(size_t *)arg += 1;
	CU_ASSERT_EQUAL(r->count, CATALOG_LINES_MAX);
	CU_ASSERT_EQUAL(r->answer.result, CATALOG_OK);
	for (size_t i = 0; i < r->count; i++) {
		CU_ASSERT_EQUAL(r->line[i].book_id, i + 1);
		CU_ASSERT_EQUAL(r->sold[i].price, 10 * (int64_t)i + 10);
	}
	return true;
}

static void
test_a_full_cart(void)
{
	struct catalog_line lines[CATALOG_LINES_MAX];
	size_t rows = 0;
	open_shop(CATALOG_LINES_MAX);
	for (size_t i = 0; i < CATALOG_LINES_MAX; i++)
		lines[i] = (struct catalog_line){i + 1, 1};
	CU_ASSERT_EQUAL(reserve_new(lines, CATALOG_LINES_MAX), CATALOG_OK);
	catalog_reservations(store_view(f.store), NULL, check_row, &rows);
	CU_ASSERT_EQUAL(rows, 1);
	close_shop();
}

/* ---- Rows ---- */

/* One line is written as it was before there were carts. */
static void
test_rows_of_before_carts(void)
{
	static const uint8_t row[] = {1, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0, 3, 0, 0, 0, 2, 'o', 'k'};
	struct catalog_line lines[CATALOG_LINES_MAX];
	struct stored_answer answer;
	struct buf again = {0}, bytes = {0};
	size_t count;
	struct cur c = cur_make(row, sizeof(row));
	CU_ASSERT_TRUE_FATAL(reservation_decode(&c, lines, &count, &answer));
	CU_ASSERT_EQUAL(count, 1);
	CU_ASSERT_EQUAL(lines[0].book_id, 12);
	CU_ASSERT_EQUAL(lines[0].quantity, 3);
	buf_add(&bytes, answer.bytes, answer.len);
	reservation_encode(&again, lines, count, &bytes);
	CU_ASSERT_EQUAL_FATAL(again.len, sizeof(row));
	CU_ASSERT_EQUAL(memcmp(again.data, row, sizeof(row)), 0);
	buf_clear(&again);
	lines[1] = (struct catalog_line){13, 1};
	reservation_encode(&again, lines, 2, &bytes);
	for (size_t len = 0; len <= again.len; len++) {
		c = cur_make(again.data, len);
		CU_ASSERT_EQUAL(reservation_decode(&c, lines, &count, &answer), len == again.len);
	}
	CU_ASSERT_EQUAL(count, 2);
	buf_free(&again);
	buf_free(&bytes);
}

/* ---- The message ---- */

static void
test_what_can_be_asked_for(void)
{
	static const struct {
		struct catalog_line lines[2];
		size_t count;
	} none[] = {
	    {{{0, 1}}, 1}, {{{1, 0}}, 1}, {{{1, 1001}}, 1}, {{{1, 1}, {1, 2}}, 2}, {{{0}}, 0}};
	struct buf message = {0};
	struct uuid id = uuid_random();
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		request.count = request.line_count = 0;
		memcpy(reserve_request_add(&request, &id, none[i].count), none[i].lines,
		    none[i].count * sizeof(none[i].lines[0]));
		buf_clear(&message);
		reserve_request_encode(&message, &request);
		CU_ASSERT_FALSE(reserve_request_decode(message.data, message.len, &request));
	}
	buf_free(&message);
}

static void
test_requests_are_bounded(void)
{
	struct uuid id = {{1}};
	request.count = request.line_count = 0;
	for (size_t i = 0; i < RESERVE_MAX; i++)
		CU_ASSERT_PTR_NOT_NULL(reserve_request_add(&request, &id, 2));
	CU_ASSERT_PTR_NULL(reserve_request_add(&request, &id, 0));
	request.count = request.line_count = 0;
	size_t carts = 0;
	while (reserve_request_add(&request, &id, CATALOG_LINES_MAX) != NULL)
		carts++;
	CU_ASSERT_EQUAL(carts, RESERVE_LINES_MAX / CATALOG_LINES_MAX);
}

static void
test_answers_there_and_back(void)
{
	struct buf message = {0};
	static struct reserve_answers back;
	answers.count = 3;
	answers.answer[0] = (struct reserve_answer){.state = RESERVE_UNKNOWN};
	answers.answer[1] = (struct reserve_answer){.state = RESERVE_DECIDED,
	    .says = {.result = CATALOG_INSUFFICIENT, .refused = 7, .available = 2}};
	answers.answer[2] = (struct reserve_answer){
	    .state = RESERVE_DECIDED, .says = {.result = CATALOG_OK, .count = 2}, .first = 5};
	answers.sold[5] = (struct catalog_sold){100, "Trees"};
	answers.sold[6] = (struct catalog_sold){200, "Stones"};
	reserve_answer_encode(&message, &answers);
	for (size_t len = 0; len < message.len; len++)
		CU_ASSERT_FALSE(reserve_answer_decode(message.data, len, &back));
	CU_ASSERT_TRUE_FATAL(reserve_answer_decode(message.data, message.len, &back));
	CU_ASSERT_EQUAL(back.count, 3);
	CU_ASSERT_EQUAL(back.answer[0].state, RESERVE_UNKNOWN);
	CU_ASSERT_EQUAL(back.answer[1].says.refused, 7);
	CU_ASSERT_EQUAL(back.answer[1].says.available, 2);
	CU_ASSERT_EQUAL(back.answer[2].says.count, 2);
	CU_ASSERT_STRING_EQUAL(back.sold[back.answer[2].first + 1].title, "Stones");
	buf_free(&message);
}

void
register_reservation(void)
{
	CU_TestInfo tests[] = {
	    {"a cart takes every book", test_a_cart_takes_every_book},
	    {"a refused cart takes nothing", test_a_refused_cart_takes_nothing},
	    {"carts in one batch", test_carts_in_one_batch},
	    {"a full cart", test_a_full_cart},
	    {"rows of before carts", test_rows_of_before_carts},
	    {"what can be asked for", test_what_can_be_asked_for},
	    {"requests are bounded", test_requests_are_bounded},
	    {"answers, there and back", test_answers_there_and_back},
	    CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = {{.pName = "reservation", .pTests = tests}, CU_SUITE_INFO_NULL};
	CU_register_suites(suites);
}
