"""openapi.yaml describes what there is: each route of the tables, each problem, each answer."""

import os
import re
import signal
import unittest
import uuid

from openapi import CONTRACT, DOCUMENT, JudgedStack
from stack import TOP
from test_buying import all_at_once

TABLES = (("fcgi/catalog/http.c", "catalog_routes"), ("fcgi/order/http.c", "order_routes"), ("fcgi/peer.c", "peer_routes"))
ROW = re.compile(r'\{METHOD_(\w+), "(/[^"]*)", (?:NULL|"([^"]*)"), (\w+),\s*([\w |]+),\s*\w+\}')


def text_of(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as file:
        return file.read()


def rows():
    """(method, path) -> (parameters, takes a body, flags) of every public row."""
    found = {}
    for path, table in TABLES:
        text = re.sub(r"\s+", " ", re.search(rf"{table}\[\] = \{{(.*?)\n\}};", text_of(path), re.S).group(1))
        assert len(ROW.findall(text)) == text.count("METHOD_"), f"a row of {table} is not understood"
        for method, route, params, body, flags in ROW.findall(text):
            if not route.startswith("/peer/"):
                flags = set(re.findall(r"ROUTE_(\w+)", flags))
                found[method.lower(), route] = (set(params.split()), body != "0", flags)
    return found


class Document(unittest.TestCase):
    def test_every_route_and_no_other(self):
        described = {(method, path) for method, path, _, _ in CONTRACT.operations()}
        self.assertEqual(described, set(rows()))

    def test_what_the_rows_say(self):
        for method, path, operation, parameters in CONTRACT.operations():
            params, body, flags = rows()[method, path]
            where = (method, path)
            named = {kind: {p["name"] for p in parameters if p["in"] == kind} for kind in ("query", "header", "path")}
            self.assertEqual(named["query"], params, where)
            self.assertEqual(named["path"], set(re.findall(r"\{(\w+)\}", path)), where)
            self.assertEqual("Idempotency-Key" in named["header"], "KEYED" in flags, where)
            self.assertEqual("requestBody" in operation, body, where)
            self.assertEqual("security" in operation, "ADMIN" in flags, where)
            responses = CONTRACT.responses(operation)
            success = next(r for status, r in responses.items() if status.startswith("2"))
            headers = set(success.get("headers", {}))
            self.assertEqual("ETag" in headers, "ETAG" in flags, where)
            self.assertEqual("304" in responses, "ETAG" in flags and method == "get", where)
            self.assertEqual("401" in responses, "ADMIN" in flags, where)
            self.assertEqual("403" in responses, bool(flags & {"ADMIN", "WRITE"}), where)
            self.assertEqual("Access-Control-Allow-Origin" in headers, "SHARED" in flags, where)
            self.assertIn("default", responses, where)

    def test_every_problem_has_a_page(self):
        declared = {f"/problems/{name}" for name in re.findall(r'PROBLEM\(\w+, "([\w-]+)"', text_of("fcgi/problem.def"))}
        schema = CONTRACT.document["components"]["schemas"]["Problem"]
        self.assertEqual(set(schema["properties"]["type"]["enum"]), declared)
        pages = {f"/problems/{name.removesuffix('.html')}"
                 for name in os.listdir(os.path.join(TOP, "nginx", "html", "problems"))}
        self.assertEqual(pages, declared)


PAGES = [path for _, path, operation, _ in CONTRACT.operations() if operation["tags"] == ["pages"]]


class Answers(unittest.TestCase):
    """Every status that is described, asked for; JudgedStack looks at what comes."""

    # What only comes of a moment that cannot be chosen from outside.
    RARE = {("get", "503"), ("delete /books/{id}", "409"), ("put /update/{id}/price", "409"),
            ("post /invalidate-cache", "503")}

    @classmethod
    def setUpClass(cls):
        cls.stack = JudgedStack(BAZAR_BUY_DEADLINE_MS=1000)
        cls.token = JudgedStack(BAZAR_ADMIN_TOKEN="secret")

    @classmethod
    def tearDownClass(cls):
        cls.stack.destroy()
        cls.token.destroy()

    BODIES = {"/books": {"title": "T", "topic": "t", "price": 1}, "/update/{id}/price": {"price": 50},
              "/update/{id}/stock": {"quantity_change": 1},
              "/orders": {"lines": [{"book_id": 2, "quantity": 2}, {"book_id": 1}]}}

    def ask(self, method, path, book=2, order=None, stack=None, body=None, headers=None, query=""):
        target = path.replace("{id}", str(book)).replace("{order}", order or self.order).replace("{topic}", "nature")
        if body is None and method in ("put", "post"):
            body = self.BODIES.get(path)
        return (stack or self.stack).request(method.upper(), target + query, body, headers, port=self.port_for(path, stack))

    def port_for(self, path, stack):
        on_replica = path in ("/healthz", "/readyz", "/metrics", "/status", *PAGES)
        return (stack or self.stack).port_of("catalog-1") if on_replica else None

    def ask_for_mistakes(self, method, path, described):
        """Each status that a mistake of the same kind gives with every operation."""
        self.ask(method, path, query="?unknown=1")
        self.ask(method, path, headers={"Origin": "https://other.example", "Host": "other.example"})
        if "304" in described:
            etag = self.ask(method, path).headers["ETag"]
            self.ask(method, path, headers={"If-None-Match": etag})
        if "404" in described:
            self.ask(method, path, book=999, order=str(uuid.uuid4()))
        if "401" in described:
            self.ask(method, path, stack=self.token)
        if "412" in described:
            self.ask(method, path, headers={"If-Match": '"nonsense"'})
        if "415" in described:
            self.ask(method, path, body="{}", headers={"Content-Type": "text/plain"})
            self.ask(method, path, body=b" " * 100000, headers={"Content-Type": "application/json"})
            self.ask(method, path, body={"unknown": 1})

    def ask_for_refusals(self):
        key = {"Idempotency-Key": str(uuid.uuid4())}
        self.stack.post("/books", {**self.BODIES["/books"], "id": 1})
        book = self.stack.post("/books", self.BODIES["/books"]).data["id"]
        self.stack.request("DELETE", f"/books/{book}", None, key)
        self.stack.request("DELETE", "/books/7", None, key)
        self.stack.put("/update/3/stock", {"quantity_change": -1000})
        self.stack.post("/buy/3", {"quantity": 1000})
        self.stack.post("/orders", {"lines": [{"book_id": 2}, {"book_id": 3, "quantity": 1000}]})
        self.stack.post("/orders", {"lines": [{"book_id": 999}]})

    def ask_while_a_catalog_is_away(self):
        """The catalog's primary is stopped: orders wait. Its backup is: nothing can be written."""
        self.stack.kill("catalog-1", signal.SIGSTOP)
        all_at_once(2, lambda i: self.ask("post", ("/buy/{id}", "/orders")[i]))
        self.stack.kill("catalog-1", signal.SIGCONT)
        self.stack.wait_ready()
        self.stack.kill("bazar-run", signal.SIGSTOP)
        for replica in ("catalog-2", "order-2"):
            self.stack.kill(replica, signal.SIGKILL)
        calls = [(m, p) for m, p in rows() if "KEYED" in rows()[m, p][2]]
        all_at_once(len(calls), lambda i: self.ask(*calls[i]))
        self.stack.kill("bazar-run", signal.SIGCONT)

    def test_every_status_comes(self):
        CONTRACT.seen.clear()
        self.order = self.stack.post("/buy/1").data["order_id"]
        wanted = set()
        for method, path, operation, _ in CONTRACT.operations():
            described = set(operation["responses"]) - {"default"}
            rare = {status for what, status in self.RARE if what in (method, f"{method} {path}")}
            wanted |= {(method, path, status) for status in described - rare}
            if method != "delete":
                self.ask(method, path)
            self.ask_for_mistakes(method, path, described)
        self.ask_for_refusals()
        self.ask_while_a_catalog_is_away()
        self.assertEqual(wanted - CONTRACT.seen, set())

    def test_both_kinds_of_status(self):
        self.assertEqual([a["replica"] for a in self.token.get("/status").data],
                         ["catalog-1", "catalog-2", "order-1", "order-2"])
        self.assertEqual(self.token.get("/status", port=self.token.port_of("order-1")).data["role"], "primary")

    def test_status_counts_the_requests_of_clients(self):
        port = self.token.port_of("catalog-2")

        def requests():
            return self.token.get("/status", port=port).data["requests"]
        before = requests()
        for path in ("/info/1", "/books?q=rpcs", "/nothing", "/healthz"):
            self.token.get(path, port=port)
        after = requests()
        self.assertEqual(after["answered"] - before["answered"], 2)
        self.assertEqual((sum(after["took"]), after["failed"]), (after["answered"], 0))
        self.assertEqual(after["bounds_us"], sorted(after["bounds_us"]))

    def test_it_is_served(self):
        answer = self.stack.get("/openapi.yaml", {"Origin": "https://other.example"})
        self.assertEqual((answer.status, answer.headers.get_content_type()), (200, "application/yaml"))
        self.assertEqual(answer.headers["Access-Control-Allow-Origin"], "*")
        with open(DOCUMENT, "rb") as file:
            self.assertEqual(answer.body, file.read())

    def test_the_page_about_it(self):
        answer = self.stack.get("/docs")
        self.assertEqual((answer.status, answer.headers.get_content_type()), (200, "text/html"))
        page = answer.body.decode()
        self.assertNotRegex(page, r"<script|<style| style=|https?://")
        anchors = set(re.findall(r' id="([^"]+)"', page))
        self.assertLessEqual({operation["operationId"] for _, _, operation, _ in CONTRACT.operations()}, anchors)
        self.assertLessEqual(set(re.findall(r'href="#([^"]+)"', page)), anchors)
        for problem in set(re.findall(r'href="(/problems/[^"]+)"', page)):
            self.assertEqual(self.stack.get(problem).status, 200, problem)


if __name__ == "__main__":
    unittest.main()
