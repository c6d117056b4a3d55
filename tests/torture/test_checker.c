/* The checker, on small histories of which a person can say whether a correct shop can have had
 * them. */
#include <stdlib.h>
#include <string.h>

#include <CUnit/Basic.h>

#include "tests/torture/checker/balance.h"
#include "tests/torture/checker/linear.h"
#include "tests/torture/checker/mutate.h"
#include "tests/torture/checker/orders.h"

#define SHOP "book 1 nature 100 10\nbook 2 nature 200 5\n"
#define A "00000000-0000-4000-8000-00000000000a"
#define B "00000000-0000-4000-8000-00000000000b"

/* How many things are wrong with it; the search alone says LINEAR or not in *verdict. */
static size_t
wrong(const char *text, enum linear_verdict *verdict)
{
	char error[HISTORY_ERROR];
	struct history h;
	struct findings f = {0};
	CU_ASSERT_EQUAL_FATAL(history_parse(text, &h, error), 0);
	struct operations *topics = operations_make(&h, &f);
	*verdict = LINEAR;
	for (uint32_t i = 0; i < h.topic_count; i++) {
		enum linear_verdict one = linear_check(&h, i, &topics[i], &f, NULL);
		*verdict = one > *verdict ? one : *verdict;
		operations_free(&topics[i]);
	}
	orders_check(&h, &f);
	free(topics);
	history_free(&h);
	return f.count;
}

static void
good(const char *text)
{
	enum linear_verdict verdict;
	CU_ASSERT_EQUAL(wrong(text, &verdict), 0);
	CU_ASSERT_EQUAL(verdict, LINEAR);
}

static void
not_linear(const char *text)
{
	enum linear_verdict verdict;
	CU_ASSERT(wrong(text, &verdict) > 0);
	CU_ASSERT_EQUAL(verdict, NOT_LINEAR);
}

/* Wrong in another way than by its order. */
static void
bad(const char *text)
{
	enum linear_verdict verdict;
	CU_ASSERT(wrong(text, &verdict) > 0);
}

/* ---- Reads and writes of books ---- */

static void
test_reads_of_what_was_written(void)
{
	good(SHOP "10 20 1 front - - price 1 150 7 ok 150 10\n"
		  "30 40 2 front - - info 1 - - ok 150 10\n"
		  "30 40 3 front - - search nature - - ok 1:150:10 2:200:5\n"
		  "50 60 3 front - - tag 1 - - ok 150\n");
	/* While it is being written, both are true; not after it was seen once. */
	good(SHOP "10 50 1 front - - price 1 150 7 ok 150 10\n"
		  "20 30 2 front - - info 1 - - ok 100 10\n"
		  "31 40 2 front - - info 1 - - ok 150 10\n");
	not_linear(SHOP "10 50 1 front - - price 1 150 7 ok 150 10\n"
			"20 30 2 front - - info 1 - - ok 150 10\n"
			"31 40 2 front - - info 1 - - ok 100 10\n");
}

static void
test_stale_and_invented_reads(void)
{
	not_linear(SHOP "10 20 1 front - - price 1 150 7 ok 150 10\n"
			"30 40 2 front - - info 1 - - ok 100 10\n");
	not_linear(SHOP "10 20 1 front - - price 1 150 7 ok 150 10\n"
			"30 40 2 front - - search nature - - ok 1:100:10 2:200:5\n");
	not_linear(SHOP "30 40 2 front - - info 1 - - ok 100 9\n");
	not_linear(SHOP "5 8 2 front - - info 1 - - ok 150 10\n"
			"10 20 1 front - - price 1 150 7 ok 150 10\n");
}

static void
test_search_is_of_one_moment(void)
{
	const char *writes = SHOP "10 20 1 front - - price 1 150 7 ok 150 10\n"
				  "30 40 1 front - - price 2 250 8 ok 250 5\n";
	char text[512];
	snprintf(text, sizeof(text), "%s15 50 2 front - - search nature - - ok 1:150:10 2:200:5\n",
	    writes);
	good(text);
	/* The second price without the first was never there. */
	snprintf(text, sizeof(text), "%s5 50 2 front - - search nature - - ok 1:100:10 2:250:5\n",
	    writes);
	not_linear(text);
	not_linear(SHOP "10 20 2 front - - search nature - - ok 1:100:10\n");
	not_linear(SHOP "10 20 2 front - - search nature - - ok 1:100:10 1:100:10\n");
}

static void
test_selling(void)
{
	good(SHOP "10 40 1 front - - buy 2 3 7 ok 200 " A " t\n"
		  "10 40 2 front - - buy 2 3 8 insufficient 2\n"
		  "50 60 2 front - - info 2 - - ok 200 2\n");
	not_linear(SHOP "10 40 1 front - - buy 2 3 7 ok 200 " A " t\n"
			"10 40 2 front - - buy 2 3 8 ok 200 " B " t\n");
	not_linear(SHOP "10 40 1 front - - buy 2 3 7 ok 199 " A " t\n");
	not_linear(SHOP "10 40 1 front - - buy 2 3 7 sold-out\n");
	good(SHOP "10 40 1 front - - buy 2 5 7 ok 200 " A " t\n"
		  "50 60 1 front - - buy 2 1 8 sold-out\n"
		  "70 80 1 front - - stock 2 4 9 ok 200 4\n"
		  "90 95 1 front - - stock 2 -5 10 insufficient 4\n");
	not_linear(SHOP "10 40 1 front - - stock 2 4 7 ok 200 10\n");
}

static void
test_if_match(void)
{
	good(SHOP "10 20 1 front - - price 1 100>150 7 ok 150 10\n"
		  "30 40 1 front - - price 1 100>160 8 refused\n"
		  "50 60 2 front - - tag 1 - - ok 150\n");
	not_linear(SHOP "10 20 1 front - - price 1 100>150 7 refused\n");
	not_linear(SHOP "10 30 1 front - - price 1 100>150 7 ok 150 10\n"
			"10 30 2 front - - price 1 100>160 8 ok 160 10\n");
}

/* ---- Unknown outcomes ---- */

static void
test_open_sales(void)
{
	/* It may take effect at any later time, or never; once, not twice. */
	const char *open = SHOP "10 20 1 front - - buy 1 1 - unknown\n"
				"30 40 2 front - - info 1 - - ok 100 10\n";
	char text[512];
	good(open);
	snprintf(text, sizeof(text), "%s50 60 2 front - - info 1 - - ok 100 9\n", open);
	good(text);
	snprintf(text, sizeof(text), "%s50 60 2 front - - info 1 - - ok 100 8\n", open);
	not_linear(text);
	not_linear(SHOP "5 8 2 front - - info 1 - - ok 100 9\n"
			"10 20 1 front - - buy 1 1 - unknown\n");
	snprintf(text, sizeof(text), "%s50 60 2 front - - info 1 - - ok 100 9\n%s", open,
	    "70 80 2 front - - info 1 - - ok 100 10\n");
	not_linear(text);
}

static void
test_open_prices(void)
{
	good(SHOP "10 20 1 front - - price 1 150 - unknown\n"
		  "30 40 2 front - - info 1 - - ok 100 10\n"
		  "50 60 2 front - - info 1 - - ok 150 10\n");
	not_linear(SHOP "10 20 1 front - - price 1 150 - unknown\n"
			"30 40 2 front - - info 1 - - ok 150 10\n"
			"50 60 2 front - - info 1 - - ok 100 10\n");
	good(SHOP "10 20 1 front - - price 1 150 - unknown\n"
		  "30 40 2 front - - price 1 100>160 7 refused\n");
	not_linear(SHOP "30 40 2 front - - price 1 100>160 7 refused\n"
			"50 60 1 front - - price 1 150 - unknown\n");
}

static void
test_not_applied_is_a_promise(void)
{
	good(SHOP "10 20 1 front - - buy 1 1 - not-applied\n"
		  "30 40 2 front - - info 1 - - ok 100 10\n");
	not_linear(SHOP "10 20 1 front - - buy 1 1 - not-applied\n"
			"30 40 2 front - - info 1 - - ok 100 9\n");
	/* The second attempt did it, so it was not there between the two. */
	not_linear(SHOP "10 20 1 front - - buy 1 1 7 not-applied\n"
			"30 40 2 front - - info 1 - - ok 100 9\n"
			"50 60 1 front - - buy 1 1 7 ok 100 " A " t\n");
	good(SHOP "10 20 1 front - - buy 1 1 7 unknown\n"
		  "30 40 2 front - - info 1 - - ok 100 9\n"
		  "50 60 1 front - - buy 1 1 7 ok 100 " A " t\n");
}

/* ---- Exactly once ---- */

static void
test_keys(void)
{
	good(SHOP "10 20 1 front - - buy 1 1 7 ok 100 " A " t\n"
		  "30 40 1 front - - buy 1 1 7 ok 100 " A " t\n"
		  "50 60 1 front - - info 1 - - ok 100 9\n");
	bad(SHOP "10 20 1 front - - buy 1 1 7 ok 100 " A " t\n"
		 "30 40 1 front - - buy 1 1 7 ok 100 " B " t\n"
		 "50 60 1 front - - info 1 - - ok 100 9\n");
	bad(SHOP "10 20 1 front - - buy 1 1 7 ok 100 " A " t\n"
		 "30 40 1 front - - buy 1 1 7 sold-out\n");
	bad(SHOP "10 20 1 front - - buy 1 1 7 ok 100 " A " t\n"
		 "30 40 1 front - - buy 1 1 7 not-applied\n");
	/* Done twice. */
	not_linear(SHOP "10 20 1 front - - buy 1 1 7 unknown\n"
			"30 40 1 front - - buy 1 1 7 ok 100 " A " t\n"
			"50 60 1 front - - info 1 - - ok 100 8\n");
}

/* ---- Orders ---- */

static void
test_orders(void)
{
	const char *sale = SHOP "10 20 1 front - - buy 1 1 7 ok 100 " A " t\n";
	char text[512];
	good(SHOP "10 20 1 front - - buy 1 1 7 pending " A "\n"
		  "21 22 2 order-2 - - order " A " - - pending 1:1\n"
		  "30 40 1 front - - buy 1 1 7 ok 100 " A " t\n"
		  "50 60 2 order-2 - - order " A " - - confirmed 1:1 100 t\n");
	snprintf(text, sizeof(text), "%s50 60 2 front - - order " A " - - pending 1:1\n", sale);
	bad(text);
	snprintf(text, sizeof(text), "%s50 60 2 front - - order " A " - - none\n", sale);
	bad(text);
	snprintf(
	    text, sizeof(text), "%s50 60 2 front - - order " A " - - confirmed 1:2 100 t\n", sale);
	bad(text);
	snprintf(text, sizeof(text), "%s50 60 2 front - - order " A " - - rejected 1:1\n", sale);
	bad(text);
	snprintf(text, sizeof(text), "%s10 20 1 front - - buy 1 1 8 ok 100 " A " t\n", sale);
	bad(text);
}

/* ---- Carts ---- */

#define SHOPS SHOP "book 3 music 300 1\n"

static void
test_carts_are_whole(void)
{
	good(SHOP "10 40 1 front - - cart 2:3,1:4 - 7 ok 200,100 " A " t\n"
		  "20 25 2 front - - search nature - - ok 1:100:10 2:200:5\n"
		  "26 30 2 front - - search nature - - ok 1:100:6 2:200:2\n"
		  "50 60 2 front - - buy 2 2 8 ok 200 " B " t\n"
		  "70 80 2 front - - info 2 - - ok 200 0\n");
	/* Half of it was never there. */
	not_linear(SHOP "10 40 1 front - - cart 2:3,1:4 - 7 ok 200,100 " A " t\n"
			"20 25 2 front - - search nature - - ok 1:100:6 2:200:5\n");
	not_linear(SHOP "10 40 1 front - - cart 2:3,1:4 - 7 ok 200,100 " A " t\n"
			"50 60 2 front - - info 1 - - ok 100 10\n");
	not_linear(SHOP "10 40 1 front - - cart 2:3,1:4 - 7 ok 200,101 " A " t\n");
	not_linear(SHOP "10 40 1 front - - cart 2:6,1:4 - 7 ok 200,100 " A " t\n");
	/* Neither of two that need the last copy of both can be second. */
	not_linear(SHOP "10 40 1 front - - cart 1:6,2:3 - 7 ok 100,200 " A " t\n"
			"10 40 2 front - - cart 2:1,1:6 - 8 ok 200,100 " B " t\n");
}

static void
test_refused_carts(void)
{
	good(SHOP "10 20 1 front - - cart 1:1,2:6 - 7 insufficient 2 5\n"
		  "30 40 1 front - - search nature - - ok 1:100:10 2:200:5\n");
	not_linear(SHOP "10 20 1 front - - cart 1:1,2:6 - 7 insufficient 2 5\n"
			"30 40 1 front - - info 1 - - ok 100 9\n");
	not_linear(SHOP "10 20 1 front - - cart 1:1,2:6 - 7 insufficient 2 4\n");
	not_linear(SHOP "10 20 1 front - - cart 1:1,2:5 - 7 sold-out 2\n");
	/* An earlier line should have been named. */
	not_linear(SHOP "10 20 1 front - - cart 1:11,2:6 - 7 insufficient 2 5\n");
}

/* What is of one topic is told apart; the whole is in the books of the other, too. */
static void
test_carts_over_topics(void)
{
	const char *sale = SHOPS "10 20 1 front - - cart 1:4,3:1 - 7 ok 100,300 " A " t\n";
	char text[512];
	snprintf(text, sizeof(text),
	    "%s30 40 1 front - - info 3 - - ok 300 0\n"
	    "30 40 1 front - - info 1 - - ok 100 6\n",
	    sale);
	good(text);
	snprintf(text, sizeof(text), "%s30 40 1 front - - info 3 - - ok 300 1\n", sale);
	not_linear(text);
	snprintf(text, sizeof(text), "%s30 40 1 front - - info 1 - - ok 100 10\n", sale);
	not_linear(text);
	good(SHOPS "10 20 1 front - - cart 1:4,3:2 - 7 insufficient 3 1\n"
		   "30 40 1 front - - info 1 - - ok 100 10\n");
}

static void
test_open_carts(void)
{
	const char *open = SHOP "10 20 1 front - - cart 1:1,2:1 - - unknown\n";
	char text[512];
	for (int taken = 0; taken <= 2; taken++) {
		snprintf(text, sizeof(text),
		    "%s30 40 2 front - - search nature - - ok 1:100:%d 2:200:%d\n", open,
		    10 - taken, 5 - taken);
		if (taken < 2)
			good(text);
		else
			not_linear(text);
	}
	snprintf(
	    text, sizeof(text), "%s30 40 2 front - - search nature - - ok 1:100:9 2:200:5\n", open);
	not_linear(text);
	/* One key, one cart. */
	good(SHOP "10 20 1 front - - cart 1:1,2:1 - 7 unknown\n"
		  "30 40 2 front - - search nature - - ok 1:100:9 2:200:4\n"
		  "50 60 1 front - - cart 1:1,2:1 - 7 ok 100,200 " A " t\n");
	not_linear(SHOP "10 20 1 front - - cart 1:1,2:1 - 7 unknown\n"
			"50 60 1 front - - cart 1:1,2:1 - 7 ok 100,200 " A " t\n"
			"70 80 2 front - - search nature - - ok 1:100:8 2:200:3\n");
	bad(SHOP "10 20 1 front - - cart 1:1,2:1 - 7 unknown\n"
		 "50 60 1 front - - cart 1:1,2:2 - 7 ok 100,200 " A " t\n");
	bad(SHOP "10 20 1 front - - cart 1:1,2:6 - 7 insufficient 2 5\n"
		 "50 60 1 front - - cart 1:1,2:6 - 7 sold-out 2\n");
}

static void
test_orders_of_carts(void)
{
	const char *sale = SHOP "10 20 1 front - - cart 2:3,1:4 - 7 ok 200,100 " A " t\n";
	char text[512];
	snprintf(text, sizeof(text),
	    "%s30 40 2 front - - order " A " - - confirmed 2:3,1:4 200,100 t\n", sale);
	good(text);
	snprintf(
	    text, sizeof(text), "%s30 40 2 front - - order " A " - - confirmed 2:3 200 t\n", sale);
	bad(text);
	snprintf(text, sizeof(text),
	    "%s30 40 2 front - - order " A " - - confirmed 2:3,1:4 200,101 t\n", sale);
	bad(text);
	snprintf(text, sizeof(text), "%s10 20 2 front - - buy 1 1 8 ok 100 " A " t\n", sale);
	bad(text);
}

/* ---- The stock equation ---- */

static size_t
unbalanced(const char *text, size_t books)
{
	char error[HISTORY_ERROR];
	struct history h;
	struct findings f = {0};
	CU_ASSERT_EQUAL_FATAL(history_parse(text, &h, error), 0);
	struct operations *topics = operations_make(&h, &f);
	CU_ASSERT_EQUAL(balance_check(&h, 0, &topics[0], &f), books);
	operations_free(&topics[0]);
	free(topics);
	history_free(&h);
	return f.count;
}

static void
test_balance(void)
{
	const char *writes = SHOP "10 20 1 front - - buy 1 3 7 ok 100 " A " t\n"
				  "30 40 1 front - - stock 1 4 8 ok 100 11\n"
				  "41 42 1 front - - buy 1 1 - unknown\n";
	char text[512];
	for (int stock = 9; stock <= 12; stock++) {
		snprintf(text, sizeof(text), "%s50 60 2 front - - info 1 - - ok 100 %d\n", writes,
		    stock);
		CU_ASSERT_EQUAL(unbalanced(text, 1), stock < 10 || stock > 11 ? 1 : 0);
	}
	CU_ASSERT_EQUAL(unbalanced(writes, 0), 0);
	for (int stock = 6; stock <= 10; stock++) {
		snprintf(text, sizeof(text),
		    SHOP "10 20 1 front - - cart 2:1,1:2 - 7 ok 200,100 " A " t\n"
			 "10 20 1 front - - cart 1:1,2:9 - 8 insufficient 2 5\n"
			 "30 40 1 front - - cart 1:1,2:1 - - unknown\n"
			 "50 60 2 front - - info 1 - - ok 100 %d\n",
		    stock);
		CU_ASSERT_EQUAL(unbalanced(text, 1), stock < 7 || stock > 8 ? 1 : 0);
	}
}

/* ---- Other ---- */

static void
test_what_is_no_history(void)
{
	static const char *const lines[] = {"book 1 nature 100\n", "book 1 nature 100 10 11\n",
	    SHOP "10 9 1 front - - info 1 - - ok 100 10\n",
	    SHOP "10 20 1 front - - info 3 - - ok 100 10\n",
	    SHOP "10 20 1 front - - info 1 - - ok 100\n",
	    SHOP "10 20 1 front - - info 1 - - unknown\n",
	    SHOP "10 20 1 front - - buy 1 x 7 sold-out\n",
	    SHOP "10 20 1 front - - search music - - ok\n", SHOP "hello\n",
	    SHOP "10 20 1 front - - cart 1:1,1:1 - 7 not-applied\n",
	    SHOP "10 20 1 front - - cart 1:1,2 - 7 not-applied\n",
	    SHOP "10 20 1 front - - cart 1:1,2:1, - 7 not-applied\n",
	    SHOP "10 20 1 front - - cart 1:1,2:1 - 7 sold-out\n",
	    SHOP "10 20 1 front - - cart 1:1 - 7 sold-out 2\n",
	    SHOP "10 20 1 front - - cart 1:1,2:1 - 7 ok 100 " A " t\n"};
	char error[HISTORY_ERROR];
	struct history h;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		CU_ASSERT_EQUAL(history_parse(lines[i], &h, error), -1);
		history_free(&h);
	}
	CU_ASSERT_EQUAL(
	    history_parse("# a comment\nfault 1 2 kill catalog-1\n" SHOP, &h, error), 0);
	CU_ASSERT_EQUAL(h.book_count, 2);
	history_free(&h);
}

/* Many prices at once: they must be found in the one order that fits. */
static void
test_many_at_once(void)
{
	char text[4096] = "book 1 nature 100 1000\n";
	size_t at = strlen(text);
	for (int i = 0; i < 12; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at,
		    "%d 1000 %d front - - price 1 %d %d ok %d 1000\n", 10 + i, i, 200 + i, i + 1,
		    200 + i);
	for (int i = 11; i >= 0; i--)
		at += (size_t)snprintf(text + at, sizeof(text) - at,
		    "%d %d 50 front - - tag 1 - - ok %d\n", 500 - 2 * i, 501 - 2 * i, 200 + i);
	good(text);
	snprintf(text + at, sizeof(text) - at, "600 601 50 front - - tag 1 - - ok 201\n");
	not_linear(text);
}

static void
test_falsified_answers_are_noticed(void)
{
	const char *text = SHOP "10 20 1 front - - price 1 150 7 ok 150 10\n"
				"30 40 2 front - - info 1 - - ok 150 10\n"
				"50 60 2 front - - search nature - - ok 1:150:10 2:200:5\n"
				"70 80 2 front - - tag 2 - - ok 200\n";
	char error[HISTORY_ERROR];
	struct history h;
	struct findings f = {0};
	CU_ASSERT_EQUAL_FATAL(history_parse(text, &h, error), 0);
	struct operations *topics = operations_make(&h, &f);
	struct mutations done = mutate(&h, topics, 50, 1, &f);
	CU_ASSERT_EQUAL(done.made, 50);
	CU_ASSERT_EQUAL(done.seen, 50);
	CU_ASSERT_EQUAL(f.count, 0);
	operations_free(&topics[0]);
	free(topics);
	history_free(&h);
}

int
main(void)
{
	static const CU_TestInfo tests[] = {
	    {"reads of what was written", test_reads_of_what_was_written},
	    {"stale and invented reads", test_stale_and_invented_reads},
	    {"a search is of one moment", test_search_is_of_one_moment}, {"selling", test_selling},
	    {"If-Match", test_if_match}, {"open sales", test_open_sales},
	    {"open prices", test_open_prices},
	    {"not_applied is a promise", test_not_applied_is_a_promise}, {"keys", test_keys},
	    {"orders", test_orders}, {"carts are whole", test_carts_are_whole},
	    {"refused carts", test_refused_carts}, {"carts over topics", test_carts_over_topics},
	    {"open carts", test_open_carts}, {"orders of carts", test_orders_of_carts},
	    {"the stock equation", test_balance}, {"what is no history", test_what_is_no_history},
	    {"many at once", test_many_at_once},
	    {"falsified answers are noticed", test_falsified_answers_are_noticed},
	    CU_TEST_INFO_NULL};
	CU_SuiteInfo suites[] = {
	    {"checker", NULL, NULL, NULL, NULL, (CU_TestInfo *)tests}, CU_SUITE_INFO_NULL};
	if (CU_initialize_registry() != CUE_SUCCESS || CU_register_suites(suites) != CUE_SUCCESS)
		return EXIT_FAILURE;
	CU_basic_set_mode(CU_BRM_NORMAL);
	CU_ErrorCode error = CU_basic_run_tests();
	bool fine = error == CUE_SUCCESS && CU_get_number_of_tests_run() > 0 &&
		    CU_get_number_of_tests_failed() == 0;
	CU_cleanup_registry();
	return fine ? EXIT_SUCCESS : EXIT_FAILURE;
}
