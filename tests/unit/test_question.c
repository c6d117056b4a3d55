/* What the cache is asked: keys, and what makes a request one of its questions. */
#include <string.h>

#include <CUnit/CUnit.h>

#include "fcgi/base/hash.h"
#include "fcgi/catalog/http.h"
#include "fcgi/catalog/question.h"
#include "fcgi/finish.h"
#include "tests/unit/suites.h"

static struct request q;
static struct question k;
static struct response r;

static bool
asks(const char *target)
{
	const char *why;
	return request_parse(&q, target, &why) == 0 && question_of(&q, &k);
}

static bool
has_key(const char *target, const char *key)
{
	return asks(target) && strcmp(k.key, key) == 0;
}

static void
test_one_key_for_every_way_to_write_it(void)
{
	q.method = METHOD_GET;
	CU_ASSERT_TRUE(has_key("/info/12", "info:12"));
	CU_ASSERT_EQUAL(k.floor_key, catalog_key_book(12));
	CU_ASSERT_TRUE(has_key("/%69nfo/1%32", "info:12"));
	CU_ASSERT_TRUE(has_key("/search/Z%C3%BCrich", "search:zürich"));
	CU_ASSERT_TRUE(has_key("/search/ZU%CC%88RICH?limit=100&after=0", "search:zürich"));
	CU_ASSERT_EQUAL(k.floor_key, catalog_key_topic("zürich"));
	CU_ASSERT_TRUE(has_key("/search/Stra%C3%9Fe?", "search:strasse"));
	CU_ASSERT_TRUE(has_key("/search/a+b%2Fc", "search:a+b/c"));
	CU_ASSERT_TRUE(has_key("/search/x?after=7&limit=3", "search@3,7:x"));
	CU_ASSERT_EQUAL(k.floor_key, catalog_key_topic("x"));
	CU_ASSERT_TRUE(has_key("/search/x?after=7", "search@100,7:x"));
	q.method = METHOD_HEAD;
	CU_ASSERT_TRUE(has_key("/search/x?limit=1000", "search@1000,0:x"));
}

static void
test_what_is_no_question(void)
{
	static const char *const none[] = {"/", "/info", "/info/", "/info/0", "/info/01", "/info/x",
	    "/info/1/", "//info/1", "/Info/1", "/info/1?x", "/info/1?limit=1",
	    "/info/1234567890123456789", "/search/", "/search/x/", "/search/x?q=1",
	    "/search/x?limit=0", "/search/x?limit=1001", "/search/x?limit=1&limit=1",
	    "/search/x?after=-1", "/search/x?after=01", "/search/x?limit=", "/topics", "/books/1"};
	q.method = METHOD_GET;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		CU_ASSERT_FALSE(asks(none[i]));
	q.method = METHOD_OPTIONS;
	CU_ASSERT_FALSE(asks("/info/1"));
}

static void
test_the_rows_of_the_questions(void)
{
	unsigned found = 0;
	for (const struct route *row = catalog_routes; row->handler != NULL; row++) {
		bool search = strcmp(row->path, "/search/{topic}") == 0;
		if (!search && strcmp(row->path, "/info/{id}") != 0)
			continue;
		found++;
		CU_ASSERT_EQUAL(row->flags, QUESTION_FLAGS);
		CU_ASSERT_TRUE(
		    search ? strcmp(row->params, QUESTION_PARAMS) == 0 : row->params == NULL);
	}
	CU_ASSERT_EQUAL(found, 2);
}

/* A topic that is too long is an unknown one; none of its answers is ever kept. */
static void
test_topics_of_any_length_have_a_key(void)
{
	static char target[REQUEST_TARGET_MAX + 1];
	q.method = METHOD_GET;
	memset(target, 'a', sizeof(target) - 1);
	memcpy(target, "/search/", 8);
	CU_ASSERT_TRUE(has_key(target, "search:"));
	target[8 + BOOK_TOPIC_FOLDED_SIZE - 1] = '\0';
	CU_ASSERT_TRUE(asks(target));
	CU_ASSERT_EQUAL(strlen(k.key), strlen("search:") + BOOK_TOPIC_FOLDED_SIZE - 1);
}

static const char *
head_of(const char *target, const char *body)
{
	CU_ASSERT_TRUE(asks(target));
	response_reset(&r);
	buf_add(&r.body, body, strlen(body));
	question_link(&r, &q, &k);
	return buf_cstr(&r.head);
}

static void
test_the_link_comes_from_the_body(void)
{
	q.method = METHOD_GET;
	CU_ASSERT_STRING_EQUAL(head_of("/search/x?limit=3", "{\"data\":[],\"next\":\"17\"}"),
	    "Link: </search/x?limit=3&after=17>; rel=\"next\"\r\n");
	CU_ASSERT_STRING_EQUAL(head_of("/search/x", "{\"data\":[]}"), "");
	CU_ASSERT_STRING_EQUAL(head_of("/info/1", "{\"data\":[],\"next\":\"17\"}"), "");
	/* No worker writes these. */
	CU_ASSERT_STRING_EQUAL(head_of("/search/x", ""), "");
	CU_ASSERT_STRING_EQUAL(head_of("/search/x", "],\"next\":\""), "");
	CU_ASSERT_STRING_EQUAL(head_of("/search/x", "],\"next\":\"1"), "");
	CU_ASSERT_STRING_EQUAL(head_of("/search/x", "],\"next\":\"1\r\n\"}"), "");
}

static void
test_a_hit_and_its_headers(void)
{
	q.method = METHOD_GET;
	q.header.if_none_match = NULL;
	head_of("/info/1", "{}");
	struct cache_hit hit = {.len = 2, .hash = hash64("{}", 2)};
	question_hit(&r, &hit);
	answer_finish(&r, &q, QUESTION_FLAGS, NULL);
	CU_ASSERT_EQUAL(r.status, 200);
	CU_ASSERT_PTR_NOT_NULL(
	    strstr(buf_cstr(&r.head), "X-Cache: HIT\r\nCache-Status: bazar; hit\r\n"));
	CU_ASSERT_PTR_NULL(strstr(buf_cstr(&r.head), "X-Served-By:"));
	q.header.if_none_match = "*";
	head_of("/info/1", "{}");
	answer_finish(&r, &q, QUESTION_FLAGS, "catalog-1");
	CU_ASSERT_EQUAL(r.status, 304);
	CU_ASSERT_PTR_NOT_NULL(strstr(buf_cstr(&r.head), "X-Served-By: catalog-1\r\n"));
	q.header.if_none_match = NULL;
	response_free(&r);
}

void
register_question(void)
{
	CU_TestInfo tests[] = {
	    {"one key for every way to write it", test_one_key_for_every_way_to_write_it},
	    {"what is no question", test_what_is_no_question},
	    {"the rows of the questions", test_the_rows_of_the_questions},
	    {"topics of any length", test_topics_of_any_length_have_a_key},
	    {"the link comes from the body", test_the_link_comes_from_the_body},
	    {"a hit and its headers", test_a_hit_and_its_headers},
	    CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = {{.pName = "question", .pTests = tests}, CU_SUITE_INFO_NULL};
	CU_register_suites(suites);
}
