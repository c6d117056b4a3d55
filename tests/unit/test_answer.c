/* What goes out and what comes in as JSON: prices, texts, problems, bodies. */
#include <stdlib.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "fcgi/catalog/bodies.h"
#include "fcgi/order/bodies.h"
#include "fcgi/problem.h"
#include "fcgi/writes.h"
#include "tests/unit/suites.h"

static void
test_prices_come_out_of_cents_exactly(void)
{
	static const struct {
		int64_t cents;
		const char *text;
	} rows[] = {{0, "[0]"}, {1, "[0.01]"}, {10, "[0.1]"}, {5000, "[50]"}, {1299, "[12.99]"},
	    {1250, "[12.5]"}, {999999999, "[9999999.99]"}};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf b = {0};
		struct jsonw w = jsonw_start(&b);
		jsonw_open(&w, NULL, '[');
		jsonw_cents(&w, NULL, rows[i].cents);
		jsonw_close(&w);
		CU_ASSERT_STRING_EQUAL(buf_cstr(&b), rows[i].text);
		buf_free(&b);
	}
}

static void
test_written_json_is_read_back(void)
{
	struct buf b = {0};
	struct jsonw w = jsonw_start(&b);
	jsonw_open(&w, NULL, '{');
	jsonw_text(&w, "te\"xt", "quote \" slash \\ tab \t nul-ish \x01 Zürich");
	jsonw_open(&w, "list", '[');
	jsonw_int(&w, NULL, UINT64_C(9223372036854775807));
	jsonw_int(&w, NULL, INT64_MIN);
	jsonw_bool(&w, NULL, true);
	jsonw_null(&w, NULL);
	jsonw_open(&w, NULL, '{');
	jsonw_close(&w);
	jsonw_close(&w);
	jsonw_close(&w);
	json_t *json = json_loadb((const char *)b.data, b.len, 0, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(json);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(json, "te\"xt")),
	    "quote \" slash \\ tab \t nul-ish \x01 Zürich");
	const json_t *list = json_object_get(json, "list");
	CU_ASSERT_EQUAL(json_array_size(list), 5);
	CU_ASSERT_EQUAL(json_integer_value(json_array_get(list, 0)), INT64_MAX);
	CU_ASSERT_EQUAL(json_integer_value(json_array_get(list, 1)), INT64_MIN);
	json_decref(json);
	buf_free(&b);
}

static void
test_every_price_survives_the_way(void)
{
	struct buf b = {0};
	int64_t cents;
	const char *why;
	for (int64_t price = 1; price <= BOOK_PRICE_MAX; price += price < 20000 ? 1 : 99991) {
		buf_clear(&b);
		struct jsonw w = jsonw_start(&b);
		jsonw_open(&w, NULL, '{');
		jsonw_cents(&w, "price", price);
		jsonw_close(&w);
		if (body_price(b.data, b.len, &cents, &why) != BODY_FINE || cents != price)
			CU_FAIL("a price was changed on its way");
	}
	buf_free(&b);
}

static enum body_verdict
price(const char *body)
{
	int64_t cents;
	const char *why = NULL;
	enum body_verdict verdict = body_price(body, strlen(body), &cents, &why);
	CU_ASSERT_EQUAL(verdict == BODY_FINE, why == NULL);
	return verdict;
}

static void
test_price_bodies(void)
{
	static const char *const fine[] = {
	    "{\"price\":65}", "{\"price\":12.990}", "{\"price\":1e2}", " {\"price\" : 0.01 } "};
	static const char *const refused[] = {"{}", "[]", "5", "null", "\"x\"", "{\"price\":0}",
	    "{\"price\":-1}", "{\"price\":1.234}", "{\"price\":0.001}", "{\"price\":10000000}",
	    "{\"price\":\"5\"}", "{\"price\":true}", "{\"price\":null}", "{\"price\":5,\"x\":1}",
	    "{\"price\":5,\"price\":5}", "{\"price\":1e300}", "{\"price\":1e999}",
	    "{\"price\":99999999999999999999}", "{\"price\":12.9900001}"};
	static const char *const malformed[] = {"", "{", "{\"price\":5", "{\"price\":05}",
	    "{\"price\":5} x", "{\"price\":NaN}", "{\"pr\xffice\":1}", "{'price':1}",
	    "{\"price\":1,}"};
	for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++)
		CU_ASSERT_EQUAL(price(fine[i]), BODY_FINE);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		CU_ASSERT_EQUAL(price(refused[i]), BODY_REFUSED);
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
		CU_ASSERT_EQUAL(price(malformed[i]), BODY_MALFORMED);
}

static void
test_stock_bodies(void)
{
	static const struct {
		const char *body;
		enum body_verdict verdict;
	} rows[] = {{"{\"quantity_change\":5}", BODY_FINE}, {"{\"quantity_change\":-5}", BODY_FINE},
	    {"{\"quantity_change\":0}", BODY_REFUSED}, {"{\"quantity_change\":true}", BODY_REFUSED},
	    {"{\"quantity_change\":1.0}", BODY_REFUSED},
	    {"{\"quantity_change\":1000000001}", BODY_REFUSED}, {"{}", BODY_REFUSED}};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t change;
		const char *why;
		CU_ASSERT_EQUAL(
		    body_stock(rows[i].body, strlen(rows[i].body), &change, &why), rows[i].verdict);
	}
}

static void
test_buy_bodies(void)
{
	uint32_t quantity = 0;
	const char *why;
	CU_ASSERT_EQUAL(body_buy("", 0, &quantity, &why), BODY_FINE);
	CU_ASSERT_EQUAL(quantity, 1);
	CU_ASSERT_EQUAL(body_buy("{}", 2, &quantity, &why), BODY_FINE);
	CU_ASSERT_EQUAL(quantity, 1);
	CU_ASSERT_EQUAL(body_buy("{\"quantity\":1000}", 17, &quantity, &why), BODY_FINE);
	CU_ASSERT_EQUAL(quantity, 1000);
	CU_ASSERT_EQUAL(body_buy("{\"quantity\":1001}", 17, &quantity, &why), BODY_REFUSED);
	CU_ASSERT_EQUAL(body_buy("{\"quantity\":0}", 14, &quantity, &why), BODY_REFUSED);
	CU_ASSERT_EQUAL(body_buy("{\"amount\":1}", 12, &quantity, &why), BODY_REFUSED);
	CU_ASSERT_EQUAL(body_buy("\"", 1, &quantity, &why), BODY_MALFORMED);
}

static enum body_verdict
read_cart(const char *body, struct order *out)
{
	const char *why = NULL;
	enum body_verdict verdict = body_cart(body, strlen(body), out, &why);
	CU_ASSERT_EQUAL(verdict == BODY_FINE, why == NULL);
	return verdict;
}

static void
test_cart_bodies(void)
{
	static const char *const refused[] = {"{}", "[]", "{\"lines\":[]}", "{\"lines\":{}}",
	    "{\"lines\":[7]}", "{\"lines\":[{}]}", "{\"lines\":[{\"book_id\":0}]}",
	    "{\"lines\":[{\"book_id\":\"1\"}]}", "{\"lines\":[{\"book_id\":1,\"quantity\":0}]}",
	    "{\"lines\":[{\"book_id\":1,\"quantity\":1001}]}",
	    "{\"lines\":[{\"book_id\":1,\"price\":1}]}", "{\"lines\":[{\"book_id\":1}],\"a\":1}",
	    "{\"lines\":[{\"book_id\":1},{\"book_id\":2},{\"book_id\":1}]}"};
	struct buf most = {0};
	struct order o;
	CU_ASSERT_EQUAL_FATAL(
	    read_cart("{\"lines\":[{\"book_id\":7,\"quantity\":3},{\"book_id\":2}]}", &o),
	    BODY_FINE);
	CU_ASSERT_EQUAL_FATAL(order_lines(&o), 2);
	CU_ASSERT_EQUAL(order_line(&o, 0)->book_id, 7);
	CU_ASSERT_EQUAL(order_line(&o, 0)->quantity, 3);
	CU_ASSERT_EQUAL(order_line(&o, 1)->book_id, 2);
	CU_ASSERT_EQUAL(order_line(&o, 1)->quantity, 1);
	order_free(&o);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		CU_ASSERT_EQUAL(read_cart(refused[i], &o), BODY_REFUSED);
	CU_ASSERT_EQUAL(read_cart("{\"lines\":[", &o), BODY_MALFORMED);

	buf_printf(&most, "{\"lines\":[{\"book_id\":1}");
	for (int i = 2; i <= ORDER_LINES_MAX; i++)
		buf_printf(&most, ",{\"book_id\":%d}", i);
	size_t twenty = most.len;
	buf_printf(&most, "]}");
	CU_ASSERT_EQUAL_FATAL(read_cart(buf_cstr(&most), &o), BODY_FINE);
	CU_ASSERT_EQUAL(order_lines(&o), ORDER_LINES_MAX);
	order_free(&o);
	most.len = twenty;
	buf_printf(&most, ",{\"book_id\":99}]}");
	CU_ASSERT_EQUAL(read_cart(buf_cstr(&most), &o), BODY_REFUSED);
	buf_free(&most);
}

static void
test_invalidation_bodies(void)
{
	static struct invalidation what;
	static const char body[] = "{\"book_id\":7,\"topics\":[\"NATURE\"]}";
	const char *why;
	CU_ASSERT_EQUAL(body_invalidation("", 0, &what, &why), BODY_FINE);
	CU_ASSERT_TRUE(what.all);
	CU_ASSERT_EQUAL(body_invalidation(body, sizeof(body) - 1, &what, &why), BODY_FINE);
	CU_ASSERT_FALSE(what.all);
	CU_ASSERT_EQUAL(what.book, 7);
	CU_ASSERT_EQUAL_FATAL(what.topic_count, 1);
	CU_ASSERT_STRING_EQUAL(what.topics[0], "nature");
	CU_ASSERT_EQUAL(body_invalidation("{}", 2, &what, &why), BODY_REFUSED);
	CU_ASSERT_EQUAL(body_invalidation("{\"topics\":[1]}", 14, &what, &why), BODY_REFUSED);
}

static void
test_import_bodies(void)
{
	static const char fine[] = "{\"replace\":true,\"books\":[{\"id\":9,\"title\":\"t\","
				   "\"author\":\"\",\"topic\":\"x\","
				   "\"price\":1.5,\"quantity\":0}]}";
	static const char no_topic[] =
	    "{\"replace\":true,\"books\":[{\"id\":9,\"title\":\"t\",\"author\":\"\",\"topic\":\"\","
	    "\"price\":1.5,\"quantity\":0}]}";
	static const char empty[] = "{\"replace\":true,\"books\":[]}";
	struct book *books = NULL;
	size_t count = 0;
	bool replace = false;
	const char *why;
	CU_ASSERT_EQUAL_FATAL(
	    body_import(fine, sizeof(fine) - 1, &replace, &books, &count, &why), BODY_FINE);
	CU_ASSERT_TRUE(replace);
	CU_ASSERT_EQUAL(count, 1);
	CU_ASSERT_EQUAL(books[0].id, 9);
	CU_ASSERT_EQUAL(books[0].price, 150);
	free(books);
	CU_ASSERT_EQUAL(body_import(no_topic, sizeof(no_topic) - 1, &replace, &books, &count, &why),
	    BODY_REFUSED);
	CU_ASSERT_EQUAL(
	    body_import(empty, sizeof(empty) - 1, &replace, &books, &count, &why), BODY_REFUSED);
}

static void
test_problems(void)
{
	struct request q = {.target = "/buy/1\"?x", .path_len = 7};
	struct response r = {0};
	for (int kind = 0; kind < PROBLEM_COUNT; kind++) {
		const struct problem_row *row = &problem_rows[kind];
		response_reset(&r);
		problem(&r, &q, (enum problem)kind, "Because of %s.", "a \"reason\"");
		json_t *json = json_loadb((const char *)r.body.data, r.body.len, 0, NULL);
		CU_ASSERT_PTR_NOT_NULL_FATAL(json);
		const char *type = json_string_value(json_object_get(json, "type"));
		CU_ASSERT_EQUAL(strncmp(type, "/problems/", 10), 0);
		CU_ASSERT_STRING_EQUAL(type + 10, row->name);
		CU_ASSERT_EQUAL(json_integer_value(json_object_get(json, "status")), row->status);
		CU_ASSERT_EQUAL(r.status, row->status);
		CU_ASSERT_TRUE(json_is_false(json_object_get(json, "success")));
		CU_ASSERT_STRING_EQUAL(
		    json_string_value(json_object_get(json, "detail")), "Because of a \"reason\".");
		CU_ASSERT_STRING_EQUAL(
		    json_string_value(json_object_get(json, "instance")), "/buy/1\"");
		CU_ASSERT_EQUAL(json_object_get(json, "outcome") != NULL, row->status == 503);
		CU_ASSERT_EQUAL(r.head.len > 0, row->status == 503); /* Retry-After */
		CU_ASSERT_STRING_NOT_EQUAL(response_reason(row->status), "Unknown");
		json_decref(json);
	}
	struct jsonw w = problem_open(&r, &q, PROBLEM_SOLD_OUT, "None.");
	jsonw_int(&w, "available", 0);
	jsonw_close(&w);
	CU_ASSERT_PTR_NOT_NULL(strstr(buf_cstr(&r.body), "\"available\":0"));
	response_free(&r);
}

/* What a call says of itself is not always true of an earlier one with the same key. */
static void
test_failed_writes_tell_the_truth_about_their_key(void)
{
	static const struct {
		const char *key;
		enum core_result result;
		const char *outcome;
	} cases[] = {
	    {NULL, CORE_UNKNOWN, "unknown"},
	    {NULL, CORE_NOT_APPLIED, "not_applied"},
	    {NULL, CORE_OVERLOADED, "not_applied"},
	    {"k", CORE_UNKNOWN, "unknown"},
	    {"k", CORE_NOT_APPLIED, "not_applied"},
	    {"k", CORE_OVERLOADED, "unknown"},
	};
	struct request q = {.target = "/buy/1", .path_len = 6};
	struct response r = {0};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct call c = {.q = &q, .r = &r, .key = cases[i].key};
		response_reset(&r);
		write_failed(&c, cases[i].result);
		CU_ASSERT_EQUAL(r.status, 503);
		json_t *json = json_loadb((const char *)r.body.data, r.body.len, 0, NULL);
		CU_ASSERT_STRING_EQUAL(
		    json_string_value(json_object_get(json, "outcome")), cases[i].outcome);
		json_decref(json);
	}
	response_free(&r);
}

void
register_answer(void)
{
	CU_pSuite suite = CU_add_suite("answer", NULL, NULL);
	CU_add_test(suite, "prices come out of cents", test_prices_come_out_of_cents_exactly);
	CU_add_test(suite, "written JSON is read back", test_written_json_is_read_back);
	CU_add_test(suite, "every price survives", test_every_price_survives_the_way);
	CU_add_test(suite, "price bodies", test_price_bodies);
	CU_add_test(suite, "stock bodies", test_stock_bodies);
	CU_add_test(suite, "buy bodies", test_buy_bodies);
	CU_add_test(suite, "bodies of carts", test_cart_bodies);
	CU_add_test(suite, "invalidation bodies", test_invalidation_bodies);
	CU_add_test(suite, "import bodies", test_import_bodies);
	CU_add_test(suite, "problems", test_problems);
	CU_add_test(suite, "failed writes tell the truth about their key",
	    test_failed_writes_tell_the_truth_about_their_key);
}
