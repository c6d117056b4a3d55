"""The wire contract, row by row: what each call answers, and what bad input gets."""

import json
import re
import unittest
import uuid

from openapi import JudgedStack
from stack import JSON_TYPE

FIRST_BOOKS = [
    (1, "How to get a good grade in DOS in 40 minutes a day", "distributed systems", 50),
    (2, "RPCs for Noobs", "distributed systems", 50),
    (3, "Xen and the Art of Surviving Undergraduate School", "undergraduate school", 75),
    (4, "Cooking for the Impatient Undergrad", "undergraduate school", 50),
    (5, "How to finish Project 3 on time", "project management", 60),
    (6, "Why theory classes are so hard", "education", 65),
    (7, "Spring in the Pioneer Valley", "nature", 45),
]


class ApiCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = JudgedStack()

    @classmethod
    def tearDownClass(cls):
        cls.stack.destroy()

    def problem(self, answer, status, name, where=None):
        """The answer is a problem of that status and type, in both forms of the envelope."""
        self.assertEqual(answer.status, status, (where, answer))
        self.assertEqual(answer.headers["Content-Type"].split(";")[0], "application/problem+json", where)
        body = answer.json
        self.assertEqual(body["type"], f"/problems/{name}", (where, answer))
        self.assertEqual((body["success"], body["status"]), (False, status), where)
        for member in ("title", "detail", "instance", "message"):
            self.assertIsInstance(body[member], str, (where, member))
            self.assertNotIn("(null)", body[member], where)


class Reading(ApiCase):
    def test_info_of_every_first_book(self):
        for book, title, topic, price in FIRST_BOOKS:
            answer = self.stack.get(f"/info/{book}")
            self.assertEqual(answer.status, 200)
            self.assertIs(answer.json["success"], True)
            data = answer.data
            self.assertEqual((data["id"], data["title"], data["topic"], data["price"], data["currency"]),
                             (book, title, topic, price, "USD"))
            self.assertEqual(set(data), {"id", "title", "topic", "author", "price", "quantity", "currency"})

    def test_whole_prices_are_printed_whole(self):
        self.assertRegex(self.stack.get("/info/1").body, rb'"price": ?50[,}]')

    def test_search(self):
        answer = self.stack.get("/search/distributed%20systems")
        self.assertEqual(answer.status, 200)
        self.assertEqual([b["id"] for b in answer.data], [1, 2])
        self.assertEqual(set(answer.data[0]), {"id", "title", "price", "quantity", "currency"})

    def test_search_folds_case_and_unicode(self):
        for topic in ("DISTRIBUTED%20SYSTEMS", "Distributed%20Systems"):
            self.assertEqual([b["id"] for b in self.stack.get(f"/search/{topic}").data], [1, 2])

    def test_topics_match_whole_and_unknown_ones_are_empty_and_never_cached(self):
        for topic in ("distributed", "distributed%20systems%20", "no%2Fsuch%3Ftopic", "%C3%A9t%C3%A9"):
            for _ in range(2):
                answer = self.stack.get(f"/search/{topic}")
                self.assertEqual((answer.status, answer.data), (200, []), topic)
                self.assertEqual(answer.headers["X-Cache"], "MISS", topic)

    def test_search_pages(self):
        first = self.stack.get("/search/distributed%20systems?limit=1")
        self.assertEqual([b["id"] for b in first.data], [1])
        link = re.fullmatch(r'<([^>]+)>; ?rel="next"', first.headers["Link"])
        second = self.stack.get(link.group(1))
        self.assertEqual([b["id"] for b in second.data], [2])
        self.assertIsNone(second.headers["Link"])

    def test_topics(self):
        topics = {t["topic"]: t["books"] for t in self.stack.get("/topics").data}
        self.assertEqual(topics, {"distributed systems": 2, "undergraduate school": 2,
                                  "project management": 1, "education": 1, "nature": 1})

    def test_unknown_book(self):
        self.problem(self.stack.get("/info/999999999999999999"), 404, "not-found")

    def test_headers_of_reads(self):
        path = "/info/5"
        self.stack.get(path)
        answer = self.stack.get(path)
        self.assertEqual(answer.headers["X-Cache"], "HIT")
        self.assertIn("hit", answer.headers["Cache-Status"])
        self.assertEqual(answer.headers["Cache-Control"], "no-cache")
        self.assertTrue(answer.headers["X-Request-Id"])
        self.assertRegex(answer.headers["ETag"], r'^"[^"]+"$')
        self.assertEqual(answer.headers["Content-Type"].split(";")[0], "application/json")

    def test_conditional_reads(self):
        for path in ("/info/1", "/search/nature"):
            etag = self.stack.get(path).headers["ETag"]
            for condition in (etag, "*", f'"other", {etag}', f"W/{etag}"):
                answer = self.stack.get(path, {"If-None-Match": condition})
                self.assertEqual((answer.status, answer.body), (304, b""), condition)
                self.assertEqual(answer.headers["ETag"], etag)
            self.assertEqual(self.stack.get(path, {"If-None-Match": '"other"'}).status, 200)

    def test_etags_are_the_same_on_both_replicas(self):
        etags = {self.stack.get("/info/2", port=self.stack.port_of(r)).headers["ETag"]
                 for r in ("catalog-1", "catalog-2")}
        self.assertEqual(len(etags), 1)

    def test_head_is_get_without_a_body(self):
        for path in ("/info/1", "/search/nature", "/topics", "/cache-stats"):
            get, head = self.stack.get(path), self.stack.request("HEAD", path)
            self.assertEqual((head.status, head.body), (200, b""), path)
            if path != "/cache-stats":
                self.assertEqual(head.headers["Content-Length"], str(len(get.body)), path)

    def test_options_tell_the_methods(self):
        for path, methods in (("/info/1", {"GET", "HEAD", "OPTIONS"}), ("/buy/1", {"POST", "OPTIONS"}),
                              ("/update/1/price", {"GET", "HEAD", "PUT", "OPTIONS"}),
                              ("/", {"GET", "HEAD", "OPTIONS"}),
                              ("/problems/not-found", {"GET", "HEAD", "OPTIONS"})):
            answer = self.stack.request("OPTIONS", path)
            self.assertIn(answer.status, (200, 204), path)
            self.assertEqual({m.strip() for m in answer.headers["Allow"].split(",")}, methods)


class Writing(ApiCase):
    def test_price(self):
        for price in (65, 12.99, 0.01, 9999999.99, 17.1, 1e2):
            answer = self.stack.put("/update/1/price", {"price": price})
            self.assertEqual(answer.status, 200, price)
            self.assertIsInstance(answer.json["message"], str)
            for replica in ("catalog-1", "catalog-2"):
                shown = self.stack.get("/info/1", port=self.stack.port_of(replica)).data["price"]
                self.assertEqual(shown, price)

    def test_price_with_a_condition(self):
        seen = self.stack.get("/update/2/price")
        self.assertEqual((seen.data["id"], seen.data["currency"]), (2, "USD"))
        etag = seen.headers["ETag"]
        first = self.stack.put("/update/2/price", {"price": 41}, {"If-Match": etag})
        self.assertEqual(first.status, 200, first)
        second = self.stack.put("/update/2/price", {"price": 42}, {"If-Match": etag})
        self.problem(second, 412, "precondition-failed")
        self.assertEqual(self.stack.get("/update/2/price").data["price"], 41)
        self.stack.put("/update/2/stock", {"quantity_change": 1})
        now = self.stack.get("/update/2/price").headers["ETag"]
        self.assertEqual(self.stack.put("/update/2/price", {"price": 43}, {"If-Match": now}).status, 200)
        self.assertEqual(self.stack.put("/update/2/price", {"price": 44}, {"If-Match": "*"}).status, 200)
        self.problem(self.stack.put("/update/2/price", {"price": 45}, {"If-Match": ""}),
                     412, "precondition-failed")
        self.assertEqual(self.stack.get("/update/2/price").data["price"], 44)

    def test_stock(self):
        before = self.stack.stock(3)
        self.assertEqual(self.stack.put("/update/3/stock", {"quantity_change": 5}).status, 200)
        self.assertEqual(self.stack.stock(3), before + 5)
        self.assertEqual(self.stack.put("/update/3/stock", {"quantity_change": -5}).status, 200)
        answer = self.stack.put("/update/3/stock", {"quantity_change": -before - 1})
        self.problem(answer, 409, "insufficient-stock")
        self.assertEqual(answer.json["available"], before)
        self.problem(self.stack.put("/update/3/stock", {"quantity_change": 10**9}), 422, "invalid-request")
        self.assertEqual(self.stack.stock(3), before)

    def test_a_repeated_write_is_one_write(self):
        key, before = str(uuid.uuid4()), self.stack.stock(4)
        answers = [self.stack.put("/update/4/stock", {"quantity_change": 7}, {"Idempotency-Key": key})
                   for _ in range(3)]
        self.assertEqual([a.status for a in answers], [200] * 3)
        self.assertEqual([a.headers["Idempotent-Replayed"] for a in answers], [None, "true", "true"])
        self.assertEqual(self.stack.stock(4), before + 7)
        other = self.stack.put("/update/4/stock", {"quantity_change": 8}, {"Idempotency-Key": key})
        self.problem(other, 422, "key-reused")

    def test_the_order_of_members_does_not_make_another_request(self):
        key = str(uuid.uuid4())
        for body in ('{"quantity":1}', ' {"quantity" : 1 } '):
            answer = self.stack.post("/buy/6", body, {**JSON_TYPE, "Idempotency-Key": key})
            self.assertEqual(answer.status, 200, answer)

    def test_unknown_books_cannot_be_changed(self):
        for path, body in (("/update/999/price", {"price": 1}), ("/update/999/stock", {"quantity_change": 1})):
            self.problem(self.stack.put(path, body), 404, "not-found")
        self.problem(self.stack.get("/update/999/price"), 404, "not-found")

    def test_writes_are_never_stored(self):
        answer = self.stack.post("/buy/5")
        self.assertEqual(answer.headers["Cache-Control"], "no-store")

    def test_a_write_on_a_backup_is_misdirected(self):
        port = self.stack.port_of("catalog-2")
        self.problem(self.stack.put("/update/1/price", {"price": 3}, port=port), 421, "not-primary")
        self.problem(self.stack.post("/buy/1", port=self.stack.port_of("order-2")), 421, "not-primary")

    def test_buy_and_read_the_order(self):
        answer = self.stack.post("/buy/7", {"quantity": 2})
        self.assertEqual(answer.status, 200)
        data = answer.data
        self.assertEqual(set(data), {"order_id", "book_id", "title", "price", "quantity", "total",
                                     "currency", "status", "created_at"})
        self.assertEqual((data["book_id"], data["quantity"], data["total"], data["status"]),
                         (7, 2, 90, "CONFIRMED"))
        self.assertRegex(data["created_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        uuid.UUID(data["order_id"])
        lines = [{name: data[name] for name in ("book_id", "title", "price", "quantity", "total")}]
        self.assertEqual(self.stack.get(f"/orders/{data['order_id']}").data, {**data, "lines": lines})
        self.assertEqual(self.stack.get("/orders?limit=1").data[0]["order_id"], data["order_id"])
        self.problem(self.stack.get(f"/orders/{uuid.uuid4()}"), 404, "not-found")

    def test_orders_page_from_new_to_old(self):
        made = [self.stack.post("/buy/5").data["order_id"] for _ in range(5)]
        seen, path = [], "/orders?limit=2"
        while path and len(seen) < 5:
            answer = self.stack.get(path)
            seen += [o["order_id"] for o in answer.data]
            link = answer.headers["Link"]
            path = re.match(r"<([^>]+)>", link).group(1) if link else None
        self.assertEqual(seen[:5], made[::-1])

    def test_cache_calls(self):
        for path in ("/info/1", "/search/nature"):
            self.stack.get(path)
            self.stack.get(path)
        stats = self.stack.get("/cache-stats").data
        for member in ("hits", "misses", "invalidations", "total_requests", "hit_rate_percent",
                       "cache_size", "max_cache_size", "host"):
            self.assertIn(member, stats)
        self.assertEqual(stats["max_cache_size"], 100)
        self.assertEqual(stats["total_requests"], stats["hits"] + stats["misses"])
        answer = self.stack.post("/invalidate-cache", {"book_id": 1, "topics": ["Nature"]})
        self.assertEqual(answer.status, 200)
        self.assertEqual(len(answer.json["invalidated_keys"]), 2, answer)
        self.assertEqual(self.stack.get("/info/1").headers["X-Cache"], "MISS")
        self.problem(self.stack.post("/invalidate-cache", {}), 422, "invalid-request")
        self.assertEqual(self.stack.post("/invalidate-cache").status, 200)
        self.assertEqual(self.stack.get("/cache-stats").data["cache_size"], 0)


class BadInput(ApiCase):
    def digest(self):
        return [self.stack.get(f"/info/{i}").body for i in range(1, 8)]

    def test_bodies(self):
        """(method, path, body, status, problem): none of them changes anything."""
        before = self.digest()
        price, stock, buy = "/update/1/price", "/update/1/stock", "/buy/1"
        rows = [("PUT", price, body, 422, "invalid-request") for body in (
            '{"price": 0}', '{"price": -1}', '{"price": 1.234}', '{"price": 10000000}', '{"price": "5"}',
            '{"price": true}', '{"price": null}', '{}', '{"price": 5, "x": 1}', '[]', '5', 'null',
            '{"price": 1e300}', '{"price": 0.001}')]
        rows += [("PUT", stock, body, 422, "invalid-request") for body in (
            '{"quantity_change": 0}', '{"quantity_change": 1.5}', '{"quantity_change": true}',
            '{"quantity_change": "1"}', '{"quantity_change": 1000000001}', '{}', '{"quantity": 5}')]
        rows += [("POST", buy, body, 422, "invalid-request") for body in (
            '{"quantity": 0}', '{"quantity": -1}', '{"quantity": 1001}', '{"quantity": 1.5}',
            '{"quantity": true}', '{"quantity": "1"}', '{"amount": 1}', '[1]')]
        rows += [("PUT", price, '{"price": 5, "price": 5}', 422, "invalid-request")]
        rows += [("PUT", price, body, 400, "invalid-body") for body in (
            '', '{', '{"price": 5', '{"price": 05}', '{"price": 5} x', '{"price": NaN}', "\0", '{"pr\xffice": 1}')]
        rows += [("POST", buy, body, 400, "invalid-body") for body in ('{', '{"quantity": 1', '"')]
        rows += [("POST", "/invalidate-cache", body, 422, "invalid-request") for body in (
            '{"book_id": "1"}', '{"book_id": 0}', '{"topics": "nature"}', '{"topics": [1]}', '{"x": 1}')]
        for method, path, body, status, name in rows:
            answer = self.stack.request(method, path, body.encode("latin-1"), JSON_TYPE)
            self.problem(answer, status, name, (path, body))
        self.assertEqual(self.digest(), before)

    def test_content_types(self):
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""):
            answer = self.stack.request("PUT", "/update/1/price", '{"price": 5}', {"Content-Type": kind})
            self.problem(answer, 415, "unsupported-media-type", kind)
        for kind in ("application/json; charset=utf-8", "Application/JSON"):
            answer = self.stack.request("PUT", "/update/1/price", '{"price": 50}', {"Content-Type": kind})
            self.assertEqual(answer.status, 200, kind)

    def test_ids_and_paths(self):
        for book in ("0", "-1", "+1", "01", "abc", "1x", "1000000000000000000", "1.0", "%31x", "%20", "1%00"):
            for method, path in (("GET", f"/info/{book}"), ("POST", f"/buy/{book}"),
                                 ("GET", f"/update/{book}/price")):
                self.problem(self.stack.request(method, path), 400, "invalid-request", (method, path))
        for path in ("/search/%", "/search/%zz", "/search/%4", "/search/%ff", "/search/%C3", "/search/a%0Ab"):
            self.problem(self.stack.get(path), 400, "invalid-request", path)
        for path in ("/info/1?x=1", "/search/a?limit=1&limit=2", "/search/a?limit=0", "/search/a?limit=1001",
                     "/search/a?limit=x", "/search/a?after=%21", "/topics?limit=1", "/orders/not-a-uuid",
                     "/buy/1?quantity=2"):
            method = "POST" if path.startswith("/buy") else "GET"
            self.problem(self.stack.request(method, path), 400, "invalid-request", path)
        for path in ("/nothing", "/info", "/info/", "/info/1/", "/info/1/2", "/search", "/update/1", "/v2/info/1",
                     "/healthz", "/readyz", "/metrics", "/peer/replicate", "/peer/books", "/peer/withdrawn"):
            self.problem(self.stack.get(path), 404, "not-found", path)

    def test_methods(self):
        for method, path, allow in (("POST", "/info/1", "GET"), ("DELETE", "/buy/1", "POST"), ("GET", "/buy/1", "POST"),
                                    ("PATCH", "/update/1/price", "PUT"), ("PUT", "/search/x", "GET"),
                                    ("POST", "/update/1/stock", "PUT"), ("DELETE", "/orders", "GET"),
                                    ("BREW", "/topics", "GET")):
            answer = self.stack.request(method, path)
            self.problem(answer, 405, "method-not-allowed", (method, path))
            self.assertIn(allow, answer.headers["Allow"], (method, path))

    def test_idempotency_keys(self):
        for key in ("", "x" * 256, "tab\there", "caf\xe9"):
            answer = self.stack.post("/buy/1", None, {"Idempotency-Key": key})
            self.problem(answer, 400, "invalid-request", key)

    def test_too_large(self):
        answer = self.stack.request("PUT", "/update/1/price", b" " * 2_000_000, JSON_TYPE)
        self.problem(answer, 413, "too-large")
        answer = self.stack.get("/search/" + "a" * 20000)
        self.problem(answer, 414, "too-large")
        answer = self.stack.get("/info/1", {"X-Long": "a" * 40000})
        self.problem(answer, 494 if answer.status == 494 else 431 if answer.status == 431 else 400,
                     answer.json["type"].split("/")[-1])

    def test_foreign_pages_cannot_write(self):
        for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"},
                        {"Host": "evil.example"}, {"Sec-Fetch-Site": "same-site"}):
            self.problem(self.stack.post("/buy/1", None, headers), 403, "forbidden-origin", headers)
        own = f"http://localhost:{self.stack.port}"
        for headers in ({"Origin": own, "Host": f"localhost:{self.stack.port}"}, {"Sec-Fetch-Site": "same-origin"},
                        {"Sec-Fetch-Site": "none"}):
            self.assertEqual(self.stack.post("/buy/1", None, headers).status, 200, headers)

    def test_what_nginx_refuses_is_a_problem_too(self):
        for text in ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n",
                     "GET /\x01 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                     "POST /buy/1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                     "Content-Length: x\r\n\r\n",
                     "GET /info/1 HTTP/3.0\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                     "GET / HTTP/1.1\r\nHost: localhost\r\nIf-Match: x\r\nConnection: close\r\n\r\n"):
            head, _, body = self.stack.raw(text).partition(b"\r\n\r\n")
            self.assertIn(b"application/problem+json", head, head)
            self.assertIs(json.loads(body)["success"], False)

    def test_the_answer_says_what_is_wrong(self):
        for body, words in (('{"price": 0}', "0.01"), ('{"price": 1, "price": 1}', "twice"), ('{', "JSON")):
            answer = self.stack.request("PUT", "/update/1/price", body, JSON_TYPE)
            self.assertIn(words, answer.json["detail"], body)


class WithToken(ApiCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = JudgedStack(BAZAR_ADMIN_TOKEN="right-token")

    def test_admin_calls_need_the_token(self):
        calls = (("PUT", "/update/1/price", {"price": 5}), ("PUT", "/update/1/stock", {"quantity_change": 1}),
                 ("POST", "/invalidate-cache", None), ("GET", "/orders", None), ("GET", "/update/1/price", None))
        for method, path, body in calls:
            for header in (None, "Bearer wrong", "Bearer ", "Basic right-token", "right-token"):
                headers = {"Authorization": header} if header else {}
                answer = self.stack.request(method, path, body, headers)
                self.problem(answer, 401, "unauthorized", (path, header))
                self.assertTrue(answer.headers["WWW-Authenticate"].startswith("Bearer"))
            answer = self.stack.request(method, path, body, {"Authorization": "Bearer right-token"})
            self.assertEqual(answer.status, 200, (path, answer))
        self.assertEqual(self.stack.post("/buy/1").status, 200)


if __name__ == "__main__":
    unittest.main()
