"""/books: found by words, prices and stock, page by page; added and withdrawn; never stale."""

import re
import threading
import unittest
import urllib.parse
import uuid

from openapi import JudgedStack
from test_api import ApiCase, FIRST_BOOKS


def next_of(answer):
    link = answer.headers["Link"]
    return re.fullmatch(r'<([^>]+)>; rel="next"', link).group(1) if link else None


class BooksCase(ApiCase):
    def find(self, **parameters):
        return self.stack.get("/books?" + urllib.parse.urlencode(parameters))

    def ids(self, **parameters):
        answer = self.find(**parameters)
        self.assertEqual(answer.status, 200, answer)
        return [b["id"] for b in answer.data]

    def add(self, title, headers=None, **members):
        book = {"title": title, "topic": "tests", "price": 10, "quantity": 3, **members}
        return self.stack.post("/books", book, headers)

    def reconcile(self):
        self.stack.ctl("reconcile", "--all")
        self.stack.ctl("verify")


class Finding(BooksCase):
    def test_all_books_by_id(self):
        answer = self.stack.get("/books")
        self.assertEqual([(b["id"], b["title"], b["topic"], b["price"]) for b in answer.data], FIRST_BOOKS)
        self.assertEqual(answer.json["total"], 7)
        self.assertEqual(set(answer.data[0]), {"id", "title", "topic", "author", "price", "quantity", "currency"})
        self.assertNotIn("X-Cache", answer.headers)

    def test_words(self):
        self.assertEqual(self.ids(q="noobs"), [2])
        self.assertEqual(self.ids(q="NOOBS rpcs for"), [2])
        self.assertEqual(self.ids(q="the undergrad"), [4, 3])  # a whole word before a beginning
        self.assertEqual(self.ids(q="spr"), [7])
        self.assertEqual(self.ids(q="spr pioneer"), [])
        self.assertEqual(self.ids(q="nothing of the kind"), [])
        self.assertEqual(self.ids(q="!?"), [])
        self.assertEqual(self.ids(q=""), [1, 2, 3, 4, 5, 6, 7])
        self.assertEqual([b["id"] for b in self.stack.get("/books?q=spring+valley").data], [7])

    def test_filters_and_orders(self):
        self.assertEqual(self.ids(topic="Distributed SYSTEMS"), [1, 2])
        self.assertEqual(self.ids(topic="no such"), [])
        self.assertEqual(self.ids(min_price="60", max_price="65.00"), [5, 6])
        self.assertEqual(self.ids(sort="price", limit=3), [7, 1, 2])
        self.assertEqual(self.ids(sort="-price", limit=2), [3, 6])
        self.assertEqual(self.ids(sort="title", limit=2), [4, 5])
        self.assertEqual(self.ids(sort="relevance", limit=1), [1])
        self.assertEqual(self.ids(q="how", topic="", min_price="", in_stock="", sort="", after="", limit=5), [1, 5])

    def test_only_what_is_in_stock(self):
        quantity = self.stack.stock(6)
        self.stack.put("/update/6/stock", {"quantity_change": -quantity})
        self.assertEqual(self.ids(q="theory", in_stock="true"), [])
        self.assertEqual(self.ids(q="theory", in_stock="false"), [6])
        self.stack.put("/update/6/stock", {"quantity_change": quantity})
        self.assertEqual(self.ids(q="theory", in_stock="true"), [6])

    def test_pages(self):
        for sort in ("id", "price", "-price", "title"):
            seen, path = [], f"/books?limit=2&sort={sort}&max_price=70"
            while path:
                answer = self.stack.get(path)
                seen += [b["id"] for b in answer.data]
                path = next_of(answer)
            self.assertEqual(seen, self.ids(sort=sort, max_price="70"), sort)
            self.assertEqual(len(seen), 6)

    def test_a_link_keeps_the_question(self):
        question = {"q": "the, für&x=<y>", "limit": "1", "sort": "title", "min_price": "0.01"}
        self.assertIsNone(next_of(self.find(**question)))
        question["q"] = "the!&"
        path = next_of(self.find(**question))
        asked = urllib.parse.parse_qs(urllib.parse.urlsplit(path).query)
        self.assertTrue(asked.pop("after"))
        self.assertEqual(asked, {name: [value] for name, value in question.items()})
        self.assertEqual([b["id"] for b in self.stack.get(path).data], [7])

    def test_bad_questions(self):
        for query in ("sort=up", "in_stock=1", "min_price=-1", "max_price=1.234", "min_price=1e3", "limit=0",
                      "after=zz", "after=00", "after=" + "0" * 34, "x=1", "q=a&q=b", "sort=price&after=" + "f" * 16):
            self.problem(self.stack.get(f"/books?{query}"), 400, "invalid-request", query)

    def test_conditional(self):
        for path in ("/books?q=the", "/books/3"):
            etag = self.stack.get(path).headers["ETag"]
            self.assertEqual(self.stack.get(path, {"If-None-Match": etag}).status, 304)
            self.assertEqual(self.stack.request("HEAD", path).headers["ETag"], etag)

    def test_other_sites_may_read(self):
        for path in ("/books", "/books/1", "/books/999", "/books?sort=x", "/info/1", "/search/nature", "/topics"):
            answer = self.stack.get(path, {"Origin": "https://other.example"})
            self.assertEqual(answer.headers["Access-Control-Allow-Origin"], "*", path)
        answer = self.stack.request("OPTIONS", "/books", None, {
            "Origin": "https://other.example", "Access-Control-Request-Method": "POST"})
        self.assertEqual(answer.headers["Access-Control-Allow-Methods"], "GET, HEAD")
        for path in ("/orders", "/update/1/price", f"/orders/{uuid.uuid4()}"):
            self.assertNotIn("Access-Control-Allow-Origin", self.stack.get(path).headers, path)


class ComingAndGoing(BooksCase):
    def test_a_book_comes_and_goes(self):
        answer = self.add("Zebras of the World", author="Zoë Zander")
        self.assertEqual(answer.status, 201, answer)
        book = answer.data
        path = answer.headers["Location"]
        self.assertEqual(path, f"/books/{book['id']}")
        self.assertEqual(self.stack.get(path).data, book)
        self.assertEqual(self.stack.get(f"/info/{book['id']}").data, book)
        self.assertEqual(self.ids(q="zoe zeb"), [book["id"]])
        self.assertEqual([b["id"] for b in self.stack.get("/search/tests").data], [book["id"]])

        self.assertEqual(self.stack.post(f"/buy/{book['id']}").status, 200)
        answer = self.stack.request("DELETE", path)
        self.assertEqual(answer.status, 200, answer)
        for gone in (path, f"/info/{book['id']}", f"/update/{book['id']}/price"):
            self.problem(self.stack.get(gone), 404, "not-found", gone)
        self.assertEqual((self.ids(q="zoe zeb"), self.stack.get("/search/tests").data), ([], []))
        self.assertNotIn("tests", [t["topic"] for t in self.stack.get("/topics").data])
        self.problem(self.stack.post(f"/buy/{book['id']}"), 404, "not-found")
        self.problem(self.stack.request("DELETE", path), 404, "not-found")
        self.reconcile()
        again = self.add("Zebras", id=book["id"], quantity=2)
        self.assertEqual((again.status, again.data["quantity"]), (201, 2))
        self.reconcile()
        self.stack.request("DELETE", path)

    def test_a_repeated_addition_is_one(self):
        key = {"Idempotency-Key": str(uuid.uuid4())}
        answers = [self.add("Once", key) for _ in range(3)]
        self.assertEqual([a.status for a in answers], [201] * 3)
        self.assertEqual(len({a.headers["Location"] for a in answers}), 1)
        self.assertEqual([a.headers["Idempotent-Replayed"] for a in answers], [None, "true", "true"])
        self.problem(self.add("Twice", key), 422, "key-reused")
        path, key = answers[0].headers["Location"], {"Idempotency-Key": str(uuid.uuid4())}
        for _ in range(2):
            self.assertEqual(self.stack.request("DELETE", path, None, key).status, 200)

    def test_an_id_is_taken_once(self):
        self.problem(self.add("Another", id=1), 409, "already-exists")
        first, second = self.add("First").data["id"], self.add("Second").data["id"]
        self.assertEqual(second, first + 1)
        self.stack.request("DELETE", f"/books/{second}")
        self.assertEqual(self.add("Third").data["id"], second + 1)

    def test_if_match(self):
        path = self.add("Changing").headers["Location"]
        seen = self.stack.get(path).headers["ETag"]
        self.stack.put(path.replace("books", "update") + "/price", {"price": 11})
        for tag in (seen, '"nonsense"', f"W/{seen}", ""):
            answer = self.stack.request("DELETE", path, None, {"If-Match": tag})
            self.problem(answer, 412, "precondition-failed", tag)
        now = self.stack.get(path).headers["ETag"]
        self.assertEqual(self.stack.request("DELETE", path, None, {"If-Match": f"{seen}, {now}"}).status, 200)

    def test_bad_books(self):
        good = {"title": "T", "topic": "t", "price": 1}
        for change in ({"title": ""}, {"title": 1}, {"title": "x" * 513}, {"title": "a\nb"}, {"topic": ""},
                       {"topic": None}, {"author": 5}, {"price": 0}, {"price": "1"}, {"quantity": -1},
                       {"quantity": 1.5}, {"id": 0}, {"id": "7"}, {"id": 10**18}, {"stocked": 1}):
            self.problem(self.stack.post("/books", {**good, **change}), 422, "invalid-request", change)
        for missing in good:
            body = {k: v for k, v in good.items() if k != missing}
            self.problem(self.stack.post("/books", body), 422, "invalid-request", missing)
        self.problem(self.stack.post("/books"), 400, "invalid-body")
        self.problem(self.stack.request("POST", "/books", "{}", {"Content-Type": "text/plain"}),
                     415, "unsupported-media-type")
        for book in ("0", "x", "01"):
            self.problem(self.stack.request("DELETE", f"/books/{book}"), 400, "invalid-request")
        self.problem(self.stack.request("PUT", "/books/1", good), 405, "method-not-allowed")

    def test_everything_can_go(self):
        with_nothing = JudgedStack()
        try:
            for book in range(1, 8):
                self.assertEqual(with_nothing.request("DELETE", f"/books/{book}").status, 200)
            self.assertEqual((with_nothing.get("/books").data, with_nothing.get("/topics").data), ([], []))
            with_nothing.down()
            with_nothing.up()
            self.assertEqual(with_nothing.get("/books").data, [])
            answer = with_nothing.post("/books", {"title": "First", "topic": "new", "price": 1})
            self.assertEqual(answer.headers["Location"], "/books/8")
        finally:
            with_nothing.destroy()


class NeverStale(BooksCase):
    def test_a_search_sees_what_was_acknowledged(self):
        """Titles move from word to word; whichever replica is asked, the last acknowledged one is found."""
        stop, wrong = threading.Event(), []
        path = self.add("Mark zero", id=5000).headers["Location"]

        def buy():
            client = self.stack.client()
            while not stop.is_set():
                client.request("POST", "/buy/1")
            client.close()

        buyer = threading.Thread(target=buy)
        buyer.start()
        ports = [self.stack.port_of(r) for r in ("catalog-1", "catalog-2")] + [self.stack.port]
        try:
            for i in range(60):
                self.stack.request("DELETE", path)
                self.assertEqual(self.add(f"Mark w{i}x", id=5000, price=1 + i).status, 201)
                for port in ports:
                    for query, want in ((f"mark w{i}x ", [5000]), (f"mark w{i - 1}x ", [])):
                        query = urllib.parse.urlencode({"q": query})
                        got = self.stack.get(f"/books?{query}", port=port).data
                        if [b["id"] for b in got] != want or (want and got[0]["price"] != 1 + i):
                            wrong.append((i, port, query, got))
        finally:
            stop.set()
            buyer.join()
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main()
