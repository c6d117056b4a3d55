/* The route tables are the API: what every path answers to every method, and what the rows
 * enforce before a handler runs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "fcgi/catalog/http.h"
#include "fcgi/order/http.h"
#include "fcgi/peer.h"
#include "fcgi/service.h"
#include "tests/unit/suites.h"

static const struct settings open_shop = {.slow_ms = 60000, .hosts = "localhost"};
static const struct settings guarded = {
    .slow_ms = 60000, .hosts = "localhost", .admin_token = "token"};
static const struct node node = {.name = "catalog-1"};
static struct worker worker = {.node = &node, .secret = "secret"};
static struct router router;
static struct request q;
static struct response r;

static void
use(const struct settings *settings, const struct route *first, const struct route *second)
{
	metrics_free(worker.metrics);
	worker.metrics = metrics_new();
	worker.settings = settings;
	router_init(&router, &worker, first, second);
	memset(&q, 0, sizeof(q));
	q.header.host = "localhost:9000";
}

static int
ask(enum method method, const char *target)
{
	q.method = method;
	q.target = target;
	response_reset(&r);
	router_answer(&router, &q, &r);
	return r.status;
}

/* The value of a header of the last answer; "" when it has none. */
static const char *
header(const char *name)
{
	static char value[128];
	char line[64];
	snprintf(line, sizeof(line), "%s: ", name);
	const char *at = r.head.len > 0 ? strstr(buf_cstr(&r.head), line) : NULL;
	value[0] = '\0';
	if (at != NULL)
		sscanf(at + strlen(line), "%127[^\r]", value);
	return value;
}

/* ---- The tables ---- */

/* Every path of both services and the methods it knows, as openapi.yaml has them. */
static const struct {
	const struct route *table;
	const char *path, *allow;
} paths[] = {
    {catalog_routes, "/search/nature", "GET, HEAD, OPTIONS"},
    {catalog_routes, "/info/1", "GET, HEAD, OPTIONS"},
    {catalog_routes, "/topics", "GET, HEAD, OPTIONS"},
    {catalog_routes, "/books", "GET, HEAD, POST, OPTIONS"},
    {catalog_routes, "/books/1", "GET, HEAD, DELETE, OPTIONS"},
    {catalog_routes, "/update/1/price", "GET, HEAD, PUT, OPTIONS"},
    {catalog_routes, "/update/1/stock", "PUT, OPTIONS"},
    {catalog_routes, "/cache-stats", "GET, HEAD, OPTIONS"},
    {catalog_routes, "/invalidate-cache", "POST, OPTIONS"},
    {catalog_routes, "/", "GET, HEAD, OPTIONS"},
    {catalog_routes, "/topic/nature", "GET, HEAD, OPTIONS"},
    {catalog_routes, "/find", "GET, HEAD, OPTIONS"},
    {catalog_routes, "/book/1", "GET, HEAD, OPTIONS"},
    {order_routes, "/buy/1", "POST, OPTIONS"},
    {order_routes, "/orders/e8a5fa7d-5567-42ee-81a2-4d455476409f", "GET, HEAD, OPTIONS"},
    {order_routes, "/orders", "GET, HEAD, POST, OPTIONS"},
    {peer_routes, "/healthz", "GET, HEAD, OPTIONS"},
    {peer_routes, "/readyz", "GET, HEAD, OPTIONS"},
    {peer_routes, "/metrics", "GET, HEAD, OPTIONS"},
    {peer_routes, "/status", "GET, HEAD, OPTIONS"},
    {peer_routes, "/peer/replicate", "POST, OPTIONS"},
    {peer_routes, "/peer/command", "POST, OPTIONS"},
    {peer_routes, "/peer/log", "GET, HEAD, OPTIONS"},
    {peer_routes, "/peer/dump", "POST, OPTIONS"},
    {peer_routes, "/peer/entries", "GET, HEAD, OPTIONS"},
    {peer_routes, "/peer/digest", "GET, HEAD, OPTIONS"},
    {catalog_peer_routes, "/peer/reserve", "POST, OPTIONS"},
    {catalog_peer_routes, "/peer/import", "POST, OPTIONS"},
    {catalog_peer_routes, "/peer/books", "GET, HEAD, OPTIONS"},
    {catalog_peer_routes, "/peer/withdrawn", "GET, HEAD, OPTIONS"},
    {catalog_peer_routes, "/peer/reservations", "GET, HEAD, OPTIONS"},
    {order_peer_routes, "/peer/orders", "GET, HEAD, OPTIONS"},
};
#define PATHS (sizeof(paths) / sizeof(paths[0]))

static void
test_every_path_tells_its_methods(void)
{
	for (size_t i = 0; i < PATHS; i++) {
		use(&open_shop, paths[i].table, NULL);
		CU_ASSERT_EQUAL(ask(METHOD_OPTIONS, paths[i].path), 204);
		CU_ASSERT_STRING_EQUAL(header("Allow"), paths[i].allow);
		for (int method = METHOD_GET; method <= METHOD_OTHER; method++) {
			const char *name = request_method_name((enum method)method);
			if (strstr(paths[i].allow, name) != NULL)
				continue;
			CU_ASSERT_EQUAL(ask((enum method)method, paths[i].path), 405);
			CU_ASSERT_STRING_EQUAL(header("Allow"), paths[i].allow);
		}
	}
}

static void
test_every_row_is_in_the_list(void)
{
	static const struct route *const tables[] = {
	    catalog_routes, order_routes, peer_routes, catalog_peer_routes, order_peer_routes};
	size_t rows = 0, listed = 0;
	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		for (size_t i = 0; tables[t][i].handler != NULL; i++)
			rows++;
	for (size_t i = 0; i < PATHS; i++)
		listed += 1 + (strncmp(paths[i].allow, "GET, HEAD, ", 11) == 0 &&
				  strcmp(paths[i].allow, "GET, HEAD, OPTIONS") != 0);
	CU_ASSERT_EQUAL(rows, listed);
}

static void
test_other_paths_are_not_found(void)
{
	static const char *const others[] = {"//", "/nothing", "/info", "/info/", "/info/1/",
	    "/info/1/2", "/search", "/update/1", "/v2/info/1", "/Info/1", "/peer/books",
	    "/a/b/c/d/e/f"};
	use(&open_shop, catalog_routes, NULL);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		CU_ASSERT_EQUAL(ask(METHOD_GET, others[i]), 404);
	CU_ASSERT_EQUAL(ask(METHOD_OPTIONS, "/nothing"), 404);
	CU_ASSERT_EQUAL(ask(METHOD_GET, "/info/%zz"), 400);
}

static void
test_internal_calls_need_the_secret(void)
{
	for (size_t i = 0; i < PATHS; i++) {
		if (strncmp(paths[i].path, "/peer/", 6) != 0)
			continue;
		bool is_get = strncmp(paths[i].allow, "GET", 3) == 0;
		use(&open_shop, paths[i].table, NULL);
		CU_ASSERT_EQUAL(ask(is_get ? METHOD_GET : METHOD_POST, paths[i].path), 401);
		q.header.bazar_secret = "Secret";
		CU_ASSERT_EQUAL(ask(is_get ? METHOD_GET : METHOD_POST, paths[i].path), 401);
	}
}

/* ---- What a row enforces, with a handler that only counts ---- */

static int handled;
static struct call seen;

static void
handle(struct call *c)
{
	handled++;
	seen = *c;
	buf_printf(&c->r->body, "body");
}

static const struct route rows[] = {
    {METHOD_GET, "/read/{id}", "limit after", 0, ROUTE_ETAG, handle},
    {METHOD_GET, "/topic/{topic}", NULL, 0, 0, handle},
    {METHOD_GET, "/order/{order}", NULL, 0, 0, handle},
    {METHOD_GET, "/admin", NULL, 0, ROUTE_ADMIN, handle},
    {METHOD_PUT, "/write/{id}", NULL, 8, ROUTE_WRITE | ROUTE_ADMIN | ROUTE_KEYED, handle},
    {METHOD_POST, "/binary", NULL, 8, ROUTE_BINARY, handle},
    {METHOD_GET, "/page/{id}", NULL, 0, ROUTE_PAGE, handle},
    {0},
};

static int
handled_by(enum method method, const char *target)
{
	handled = 0;
	ask(method, target);
	return handled;
}

static void
test_segments_are_bound(void)
{
	static const char *const bad[] = {"/read/0", "/read/01", "/read/-1", "/read/+1", "/read/1x",
	    "/read/1000000000000000000", "/order/x", "/order/1"};
	use(&open_shop, rows, NULL);
	CU_ASSERT_EQUAL(handled_by(METHOD_GET, "/read/999999999999999999"), 1);
	CU_ASSERT_EQUAL(seen.id, UINT64_C(999999999999999999));
	CU_ASSERT_EQUAL(handled_by(METHOD_GET, "/topic/a%2Fb"), 1);
	CU_ASSERT_STRING_EQUAL(seen.topic, "a/b");
	CU_ASSERT_EQUAL(handled_by(METHOD_GET, "/order/e8a5fa7d-5567-42ee-81a2-4d455476409f"), 1);
	CU_ASSERT_EQUAL(seen.order.bytes[0], 0xe8);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CU_ASSERT_EQUAL(handled_by(METHOD_GET, bad[i]), 0);
		CU_ASSERT_EQUAL(r.status, 400);
	}
}

static void
test_parameters_are_known_and_single(void)
{
	static const char *const bad[] = {"/read/1?x=1", "/read/1?limit=1&limit=2", "/read/1?=1",
	    "/read/1?limi=1", "/topic/a?limit=1", "/read/1?limit=1&x"};
	use(&open_shop, rows, NULL);
	CU_ASSERT_EQUAL(handled_by(METHOD_GET, "/read/1?after=1&limit=2"), 1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CU_ASSERT_EQUAL(handled_by(METHOD_GET, bad[i]), 0);
		CU_ASSERT_EQUAL(r.status, 400);
	}
}

static void
test_foreign_writes_are_refused(void)
{
	use(&open_shop, rows, NULL);
	CU_ASSERT_EQUAL(handled_by(METHOD_PUT, "/write/1"), 1);
	q.header.host = "evil.example";
	CU_ASSERT_EQUAL(ask(METHOD_PUT, "/write/1"), 403);
	CU_ASSERT_EQUAL(ask(METHOD_GET, "/admin"), 403);
	CU_ASSERT_EQUAL(handled_by(METHOD_GET, "/read/1"), 1);
	q.header.host = "localhost";
	q.header.origin = "http://evil.example";
	CU_ASSERT_EQUAL(ask(METHOD_PUT, "/write/1"), 403);
	CU_ASSERT_EQUAL(handled_by(METHOD_GET, "/read/1"), 1);
	q.header.origin = "http://localhost";
	q.header.sec_fetch_site = "cross-site";
	CU_ASSERT_EQUAL(ask(METHOD_PUT, "/write/1"), 403);
}

static void
test_admin_calls_need_the_token(void)
{
	use(&guarded, rows, NULL);
	CU_ASSERT_EQUAL(ask(METHOD_GET, "/admin"), 401);
	CU_ASSERT_EQUAL(strncmp(header("WWW-Authenticate"), "Bearer", 6), 0);
	q.header.authorization = "Bearer wrong";
	CU_ASSERT_EQUAL(ask(METHOD_PUT, "/write/1"), 401);
	CU_ASSERT_EQUAL(handled_by(METHOD_GET, "/read/1"), 1);
	q.header.authorization = "Bearer token";
	CU_ASSERT_EQUAL(handled_by(METHOD_GET, "/admin"), 1);
	CU_ASSERT_EQUAL(handled_by(METHOD_PUT, "/write/1"), 1);
}

static void
test_idempotency_keys(void)
{
	static char long_key[257];
	memset(long_key, 'k', 255);
	use(&open_shop, rows, NULL);
	CU_ASSERT_EQUAL(handled_by(METHOD_PUT, "/write/1"), 1);
	CU_ASSERT_PTR_NULL(seen.key);
	q.header.idempotency_key = long_key;
	CU_ASSERT_EQUAL(handled_by(METHOD_PUT, "/write/1"), 1);
	CU_ASSERT_PTR_EQUAL(seen.key, long_key);
	long_key[255] = 'k';
	CU_ASSERT_EQUAL(ask(METHOD_PUT, "/write/1"), 400);
	q.header.idempotency_key = "";
	CU_ASSERT_EQUAL(ask(METHOD_PUT, "/write/1"), 400);
	q.header.idempotency_key = "tab\there";
	CU_ASSERT_EQUAL(ask(METHOD_PUT, "/write/1"), 400);
	CU_ASSERT_EQUAL(handled_by(METHOD_GET, "/read/1"), 1);
}

static void
test_bodies_are_bounded_and_typed(void)
{
	use(&open_shop, rows, NULL);
	q.body = (const uint8_t *)"12345678";
	q.body_len = 8;
	CU_ASSERT_EQUAL(ask(METHOD_PUT, "/write/1"), 415);
	CU_ASSERT_EQUAL(handled_by(METHOD_POST, "/binary"), 1);
	CU_ASSERT_EQUAL(handled_by(METHOD_GET, "/read/1"), 1);
	q.header.content_type = "application/json";
	CU_ASSERT_EQUAL(handled_by(METHOD_PUT, "/write/1"), 1);
	q.body_len = 9;
	CU_ASSERT_EQUAL(ask(METHOD_PUT, "/write/1"), 413);
	q.body_len = 0;
	q.body_too_large = true;
	CU_ASSERT_EQUAL(ask(METHOD_PUT, "/write/1"), 413);
	CU_ASSERT_EQUAL(handled_by(METHOD_GET, "/read/1"), 1);
}

static void
test_common_headers(void)
{
	char etag[128];
	use(&open_shop, rows, NULL);
	CU_ASSERT_EQUAL(ask(METHOD_GET, "/read/1"), 200);
	CU_ASSERT_STRING_EQUAL(header("Cache-Control"), "no-cache");
	CU_ASSERT_STRING_EQUAL(header("X-Served-By"), "catalog-1");
	snprintf(etag, sizeof(etag), "%s", header("ETag"));
	CU_ASSERT_STRING_NOT_EQUAL(etag, "");
	CU_ASSERT_EQUAL(ask(METHOD_HEAD, "/read/1"), 200);
	CU_ASSERT_TRUE(r.no_body);
	CU_ASSERT_EQUAL(r.body.len, 4);
	q.header.if_none_match = etag;
	CU_ASSERT_EQUAL(ask(METHOD_GET, "/read/1"), 304);
	CU_ASSERT_STRING_EQUAL(header("ETag"), etag);
	CU_ASSERT_EQUAL(ask(METHOD_PUT, "/write/1"), 200);
	CU_ASSERT_STRING_EQUAL(header("Cache-Control"), "no-store");
	CU_ASSERT_STRING_EQUAL(header("ETag"), "");
}

/* Pages of other sites may read what everybody may; nothing says that they may write. */
static void
test_shared_reads(void)
{
	use(&open_shop, catalog_routes, NULL);
	q.header.origin = "https://other.example";
	CU_ASSERT_EQUAL(ask(METHOD_OPTIONS, "/books"), 204);
	CU_ASSERT_STRING_EQUAL(header("Access-Control-Allow-Origin"), "*");
	CU_ASSERT_STRING_EQUAL(header("Access-Control-Allow-Methods"), "GET, HEAD");
	CU_ASSERT_EQUAL(ask(METHOD_GET, "/books?sort=x"), 400);
	CU_ASSERT_STRING_EQUAL(header("Access-Control-Allow-Origin"), "*");
	CU_ASSERT_EQUAL(ask(METHOD_POST, "/books"), 403);
	CU_ASSERT_STRING_EQUAL(header("Access-Control-Allow-Origin"), "");
	CU_ASSERT_EQUAL(ask(METHOD_DELETE, "/books/1"), 403);
	static const char *const closed[] = {
	    "/update/1/price", "/update/1/stock", "/invalidate-cache"};
	for (size_t i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(ask(METHOD_OPTIONS, closed[i]), 204);
		CU_ASSERT_STRING_EQUAL(header("Access-Control-Allow-Origin"), "");
	}
}

static void
test_problems_of_pages_are_pages(void)
{
	use(&open_shop, rows, NULL);
	CU_ASSERT_EQUAL(ask(METHOD_GET, "/page/x?<b>"), 400);
	CU_ASSERT_STRING_EQUAL(r.type, "text/html; charset=utf-8");
	CU_ASSERT_PTR_NOT_NULL(strstr(buf_cstr(&r.body), "<p>A book&#39;s id is a"));
	CU_ASSERT_EQUAL(ask(METHOD_GET, "/read/x"), 400);
	CU_ASSERT_STRING_EQUAL(r.type, "application/problem+json");
}

static int
clean_up(void)
{
	metrics_free(worker.metrics);
	worker.metrics = NULL;
	response_free(&r);
	return 0;
}

void
register_dispatch(void)
{
	CU_pSuite suite = CU_add_suite("dispatch", NULL, clean_up);
	CU_add_test(suite, "every path tells its methods", test_every_path_tells_its_methods);
	CU_add_test(suite, "every row is in the list", test_every_row_is_in_the_list);
	CU_add_test(suite, "other paths are not found", test_other_paths_are_not_found);
	CU_add_test(suite, "internal calls need the secret", test_internal_calls_need_the_secret);
	CU_add_test(suite, "segments are bound", test_segments_are_bound);
	CU_add_test(suite, "parameters are known and single", test_parameters_are_known_and_single);
	CU_add_test(suite, "foreign writes are refused", test_foreign_writes_are_refused);
	CU_add_test(suite, "admin calls need the token", test_admin_calls_need_the_token);
	CU_add_test(suite, "idempotency keys", test_idempotency_keys);
	CU_add_test(suite, "bodies are bounded and typed", test_bodies_are_bounded_and_typed);
	CU_add_test(suite, "common headers", test_common_headers);
	CU_add_test(suite, "reads are shared with other sites", test_shared_reads);
	CU_add_test(suite, "problems of pages are pages", test_problems_of_pages_are_pages);
}
