/* Targets split and decoded exactly once; the small parsers of header values. */
#include <string.h>

#include <CUnit/CUnit.h>

#include "fcgi/base/hash.h"
#include "fcgi/guard.h"
#include "fcgi/request.h"
#include "fcgi/response.h"
#include "tests/unit/suites.h"

static struct request q;

static int
parse(const char *target)
{
	const char *why = NULL;
	int result = request_parse(&q, target, &why);
	CU_ASSERT_EQUAL(result != 0, why != NULL);
	return result;
}

static void
test_segments_are_decoded_once(void)
{
	CU_ASSERT_EQUAL(parse("/search/distributed%20systems"), 0);
	CU_ASSERT_EQUAL(q.segment_count, 2);
	CU_ASSERT_STRING_EQUAL(q.segment[0], "search");
	CU_ASSERT_STRING_EQUAL(q.segment[1], "distributed systems");

	CU_ASSERT_EQUAL(parse("/search/a%2Fb%3Fc%252F"), 0);
	CU_ASSERT_EQUAL(q.segment_count, 2);
	CU_ASSERT_STRING_EQUAL(q.segment[1], "a/b?c%2F");

	CU_ASSERT_EQUAL(parse("/search/Z%C3%BCrich+%e2%82%ac"), 0);
	CU_ASSERT_STRING_EQUAL(q.segment[1], "Zürich+€");
}

static void
test_a_plus_is_a_blank_in_parameters_only(void)
{
	CU_ASSERT_EQUAL(parse("/a+b?q=a+b%2Bc&d+e"), 0);
	CU_ASSERT_STRING_EQUAL(q.segment[0], "a+b");
	CU_ASSERT_STRING_EQUAL(request_param(&q, "q"), "a b+c");
	CU_ASSERT_STRING_EQUAL(request_param(&q, "d e"), "");
}

static void
test_paths_keep_their_shape(void)
{
	CU_ASSERT_EQUAL(parse("/"), 0);
	CU_ASSERT_EQUAL(q.segment_count, 1);
	CU_ASSERT_STRING_EQUAL(q.segment[0], "");
	CU_ASSERT_EQUAL(parse("/info/1/"), 0);
	CU_ASSERT_EQUAL(q.segment_count, 3);
	CU_ASSERT_EQUAL(parse("//info"), 0);
	CU_ASSERT_EQUAL(q.segment_count, 2);
	CU_ASSERT_EQUAL(parse("/a/b/c/d/e/f"), 0);
	CU_ASSERT_EQUAL(q.segment_count, REQUEST_SEGMENTS + 1);
	CU_ASSERT_EQUAL(parse("/info/1?x=2"), 0);
	CU_ASSERT_EQUAL(q.path_len, strlen("/info/1"));
}

static void
test_bad_targets_are_refused(void)
{
	static const char *const bad[] = {"", "info", "*", "http://localhost/info/1", "/%", "/%4",
	    "/%zz", "/%4g", "/a%", "/%ff", "/%C3", "/%C3%28", "/a%0Ab", "/%00", "/%7f", "/%C2%80",
	    "/\xff", "/a?b=%", "/a?%ff=1", "/a?b=%0A"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(parse(bad[i]), -1);
}

static void
test_long_targets_fit_or_are_refused(void)
{
	static char target[REQUEST_TARGET_MAX + 2];
	memset(target, 'a', sizeof(target) - 1);
	target[0] = '/';
	CU_ASSERT_EQUAL(parse(target), -1);
	target[REQUEST_TARGET_MAX] = '\0';
	CU_ASSERT_EQUAL(parse(target), 0);
	CU_ASSERT_EQUAL(strlen(q.segment[0]), REQUEST_TARGET_MAX - 1);
	/* Each parameter without `=` needs a byte more than it has. */
	memcpy(target + REQUEST_TARGET_MAX - 16, "?a&b&c&d&e&f&g&h", 16);
	CU_ASSERT_EQUAL(parse(target), 0);
	CU_ASSERT_EQUAL(q.param_count, 8);
	CU_ASSERT_STRING_EQUAL(q.param[7].name, "h");
}

static void
test_parameters(void)
{
	CU_ASSERT_EQUAL(parse("/search/x?limit=10&after=a%26b&&x"), 0);
	CU_ASSERT_EQUAL(q.param_count, 4);
	CU_ASSERT_STRING_EQUAL(request_param(&q, "limit"), "10");
	CU_ASSERT_STRING_EQUAL(request_param(&q, "after"), "a&b");
	CU_ASSERT_STRING_EQUAL(request_param(&q, "x"), "");
	CU_ASSERT_PTR_NULL(request_param(&q, "nothing"));
	CU_ASSERT_EQUAL(parse("/x?"), 0);
	CU_ASSERT_EQUAL(q.param_count, 0);
	CU_ASSERT_EQUAL(parse("/x?1&2&3&4&5&6&7&8&9"), -1);
}

static void
test_methods(void)
{
	CU_ASSERT_EQUAL(request_method("GET"), METHOD_GET);
	CU_ASSERT_EQUAL(request_method("DELETE"), METHOD_DELETE);
	CU_ASSERT_EQUAL(request_method("OPTIONS"), METHOD_OPTIONS);
	CU_ASSERT_EQUAL(request_method("get"), METHOD_OTHER);
	CU_ASSERT_EQUAL(request_method("OTHER"), METHOD_OTHER);
	CU_ASSERT_EQUAL(request_method(""), METHOD_OTHER);
}

static void
test_media_types(void)
{
	CU_ASSERT_TRUE(request_is_json("application/json"));
	CU_ASSERT_TRUE(request_is_json("Application/JSON ; charset=utf-8"));
	CU_ASSERT_FALSE(request_is_json("application/jsonx"));
	CU_ASSERT_FALSE(request_is_json("text/json"));
	CU_ASSERT_FALSE(request_is_json(NULL));
	CU_ASSERT_TRUE(request_listed("limit after", "after"));
	CU_ASSERT_FALSE(request_listed("limit after", "lim"));
	CU_ASSERT_FALSE(request_listed("limit after", ""));
}

static void
test_hosts(void)
{
	static const char known[] = "localhost 127.0.0.1 [::1]";
	CU_ASSERT_TRUE(guard_host(known, "localhost"));
	CU_ASSERT_TRUE(guard_host(known, "LocalHost:9000"));
	CU_ASSERT_TRUE(guard_host(known, "127.0.0.1:1"));
	CU_ASSERT_TRUE(guard_host(known, "[::1]:9000"));
	CU_ASSERT_FALSE(guard_host(known, "evil.example"));
	CU_ASSERT_FALSE(guard_host(known, "localhost.evil.example"));
	CU_ASSERT_FALSE(guard_host(known, "localhost:9000.evil.example"));
	CU_ASSERT_FALSE(guard_host(known, "127.0.0.1 [::1]"));
	CU_ASSERT_FALSE(guard_host(known, "[::1"));
	CU_ASSERT_FALSE(guard_host(known, ""));
	CU_ASSERT_FALSE(guard_host(known, NULL));
}

static void
test_origins(void)
{
	CU_ASSERT_TRUE(guard_origin(NULL, "localhost:9000"));
	CU_ASSERT_TRUE(guard_origin("http://localhost:9000", "localhost:9000"));
	CU_ASSERT_FALSE(guard_origin("http://localhost:9001", "localhost:9000"));
	CU_ASSERT_FALSE(guard_origin("https://evil.example", "localhost:9000"));
	CU_ASSERT_FALSE(guard_origin("null", "localhost:9000"));
	CU_ASSERT_TRUE(guard_site(NULL));
	CU_ASSERT_TRUE(guard_site("same-origin"));
	CU_ASSERT_TRUE(guard_site("none"));
	CU_ASSERT_FALSE(guard_site("same-site"));
	CU_ASSERT_FALSE(guard_site("cross-site"));
}

static void
test_tokens(void)
{
	CU_ASSERT_STRING_EQUAL(guard_bearer("Bearer abc"), "abc");
	CU_ASSERT_STRING_EQUAL(guard_bearer("bearer  abc"), "abc");
	CU_ASSERT_PTR_NULL(guard_bearer("Basic abc"));
	CU_ASSERT_PTR_NULL(guard_bearer("Bearer "));
	CU_ASSERT_PTR_NULL(guard_bearer(NULL));
	CU_ASSERT_TRUE(guard_equal("abc", "abc"));
	CU_ASSERT_FALSE(guard_equal("abc", "abcd"));
	CU_ASSERT_FALSE(guard_equal("abc", "ab"));
	CU_ASSERT_FALSE(guard_equal("abc", ""));
	CU_ASSERT_FALSE(guard_equal("abc", NULL));
	CU_ASSERT_FALSE(guard_equal("", "a"));
}

static void
test_entity_tags(void)
{
	CU_ASSERT_TRUE(etag_listed("\"a\"", "\"a\""));
	CU_ASSERT_TRUE(etag_listed("\"x\", W/\"a\"", "\"a\""));
	CU_ASSERT_TRUE(etag_listed(" *", "\"a\""));
	CU_ASSERT_FALSE(etag_listed("\"ab\"", "\"a\""));
	CU_ASSERT_FALSE(etag_listed("a", "\"a\""));
	CU_ASSERT_FALSE(etag_listed("\"a", "\"a\""));
	CU_ASSERT_FALSE(etag_listed("", "\"a\""));

	struct response r = {0};
	response_reset(&r);
	buf_printf(&r.body, "one");
	response_etag(&r, hash64(r.body.data, r.body.len));
	CU_ASSERT_EQUAL(strlen(r.etag), 18);
	char first[RESPONSE_ETAG];
	strcpy(first, r.etag);
	response_etag(&r, hash64(r.body.data, r.body.len));
	CU_ASSERT_STRING_EQUAL(first, r.etag);
	buf_printf(&r.body, "!");
	response_etag(&r, hash64(r.body.data, r.body.len));
	CU_ASSERT_STRING_NOT_EQUAL(first, r.etag);
	response_free(&r);
}

void
register_request(void)
{
	CU_pSuite suite = CU_add_suite("request", NULL, NULL);
	CU_add_test(suite, "segments are decoded once", test_segments_are_decoded_once);
	CU_add_test(
	    suite, "a plus is a blank in parameters", test_a_plus_is_a_blank_in_parameters_only);
	CU_add_test(suite, "paths keep their shape", test_paths_keep_their_shape);
	CU_add_test(suite, "bad targets are refused", test_bad_targets_are_refused);
	CU_add_test(suite, "long targets fit or are refused", test_long_targets_fit_or_are_refused);
	CU_add_test(suite, "parameters", test_parameters);
	CU_add_test(suite, "methods", test_methods);
	CU_add_test(suite, "media types", test_media_types);
	CU_add_test(suite, "hosts", test_hosts);
	CU_add_test(suite, "origins", test_origins);
	CU_add_test(suite, "tokens", test_tokens);
	CU_add_test(suite, "entity tags", test_entity_tags);
}
