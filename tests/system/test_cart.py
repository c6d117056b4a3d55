"""Carts: several books in one order, all of them or none, exactly once."""

import unittest
import uuid

from stack import Stack
from test_buying import all_at_once


def lines(*books):
    """Of books, one copy each, or of (book, quantity)."""
    return {"lines": [{"book_id": b, "quantity": q} if q else {"book_id": b}
                      for b, q in (book if isinstance(book, tuple) else (book, 0) for book in books)]}


class Carts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack()

    @classmethod
    def tearDownClass(cls):
        cls.stack.destroy()

    def tearDown(self):
        self.stack.ctl("reconcile", "--all")

    def set_stock(self, **wanted):
        for book, copies in wanted.items():
            change = copies - self.stack.stock(book[1:])
            if change:
                answer = self.stack.put(f"/update/{book[1:]}/stock", {"quantity_change": change})
                self.assertEqual(answer.status, 200, answer)

    def stocks(self, *books):
        """What both replicas of the catalog say."""
        said = [[self.stack.stock(b, name) for b in books] for name in ("catalog-1", "catalog-2")]
        self.assertEqual(*said)
        return said[0]

    def buy(self, *books, key=None):
        return self.stack.post("/orders", lines(*books), {"Idempotency-Key": key} if key else {})

    def test_one_order(self):
        self.set_stock(b2=10, b5=10)
        answer = self.buy((5, 3), 2)
        self.assertEqual(answer.status, 200, answer)
        order = answer.data
        self.assertEqual([(o["book_id"], o["quantity"]) for o in order["lines"]], [(5, 3), (2, 1)])
        for line in order["lines"]:
            book = self.stack.get(f"/info/{line['book_id']}").data
            self.assertEqual((line["title"], line["price"]), (book["title"], book["price"]))
            self.assertEqual(line["total"], line["price"] * line["quantity"])
        self.assertEqual(order["total"], sum(line["total"] for line in order["lines"]))
        self.assertEqual((order["status"], order["currency"]), ("CONFIRMED", "USD"))
        self.assertNotIn("book_id", order)
        for replica in ("order-1", "order-2"):
            port = self.stack.port_of(replica)
            self.assertEqual(self.stack.get(f"/orders/{order['order_id']}", port=port).data, order)
            self.assertEqual(self.stack.get("/orders?limit=1", port=port).data, [order])
        self.assertEqual(self.stocks(5, 2), [7, 9])

    def test_a_cart_of_one_and_a_purchase_are_alike(self):
        cart, bought = self.buy((2, 2)).data, self.stack.post("/buy/2", {"quantity": 2}).data
        self.assertNotIn("lines", bought)
        for name in ("book_id", "title", "price", "quantity", "total"):
            self.assertEqual(cart[name], bought[name])
            self.assertEqual(cart["lines"][0][name], bought[name])
        for order in (cart, bought):
            shown = self.stack.get(f"/orders/{order['order_id']}").data
            self.assertEqual(shown, {**order, "lines": cart["lines"]})

    def test_a_refusal_names_the_book_and_takes_nothing(self):
        self.set_stock(b1=4, b3=0, b4=2)
        for cart, status, problem, book, available in (
                ([(1, 2), 999, 4], 404, "not-found", 999, None),
                ([(1, 2), 3], 409, "sold-out", 3, 0),
                ([4, (1, 5)], 409, "insufficient-stock", 1, 4)):
            key = str(uuid.uuid4())
            for replayed in (None, "true"):
                answer = self.buy(*cart, key=key)
                self.assertEqual((answer.status, answer.json["type"]), (status, f"/problems/{problem}"))
                self.assertEqual((answer.json["book_id"], answer.json.get("available")), (book, available))
                self.assertEqual(answer.headers["Idempotent-Replayed"], replayed)
            order, = self.stack.get("/orders?limit=1").data
            self.assertEqual((order["status"], order["reason"], order["refused_book_id"], order["total"]),
                             ("REJECTED", problem, book, None))
            self.assertEqual(self.stocks(1, 3, 4), [4, 0, 2])

    def test_opposite_ways_at_once(self):
        """Both books are sold out by whole carts; single purchases in between take what they get."""
        self.set_stock(b6=20, b7=25)
        answers = all_at_once(40, lambda i: self.buy(6, 7) if i % 2 else self.buy(7, 6))
        self.assertEqual(sorted({a.status for a in answers}), [200, 409])
        self.assertEqual(sum(a.status == 200 for a in answers), 20)
        self.assertEqual({a.json["book_id"] for a in answers if a.status == 409}, {6})
        self.assertEqual(self.stocks(6, 7), [0, 5])

    def test_one_order_a_key(self):
        self.set_stock(b2=50, b5=50)
        keys = [str(uuid.uuid4()) for _ in range(10)]
        all_at_once(30, lambda i: self.buy((2, 2), 5, key=keys[i // 3]))
        first = [self.buy((2, 2), 5, key=key) for key in keys]
        self.assertEqual({(a.status, a.headers["Idempotent-Replayed"]) for a in first}, {(200, "true")})
        self.assertEqual(len({a.data["order_id"] for a in first}), 10)
        self.assertEqual(self.stocks(2, 5), [30, 40])
        for other in (self.buy((2, 1), 5, key=keys[0]), self.buy((2, 2), key=keys[0]),
                      self.buy((2, 2), 5, 1, key=keys[0]),
                      self.stack.post("/buy/2", {"quantity": 2}, {"Idempotency-Key": keys[0]})):
            self.assertEqual((other.status, other.json["type"]), (422, "/problems/key-reused"))
        self.assertEqual(self.stocks(2, 5), [30, 40])

    def test_what_a_cart_may_be(self):
        self.assertEqual(self.buy(2, 5, 2).status, 422)
        self.assertEqual(self.buy().status, 422)
        self.assertEqual(self.buy(*range(1, 22)).status, 422)
        self.assertEqual(self.stack.post("/orders").status, 400)
        # As long as they come: refused for a book there is not, not for its length.
        most = self.buy(*((10**18 - 1 - i, 1000) for i in range(20)))
        self.assertEqual((most.status, most.json["book_id"]), (404, 10**18 - 1))

    def test_twenty_books(self):
        ids = [self.stack.post("/books", {"title": "\u20ac" * 170 + str(i), "topic": "carts", "price": 0.01, "quantity": 2})
               .data["id"] for i in range(20)]
        answer = self.buy(*((i, 2) for i in ids))
        self.assertEqual((answer.status, len(answer.data["lines"]), answer.data["total"]), (200, 20, 0.40))
        self.assertEqual(self.stocks(*ids), [0] * 20)


if __name__ == "__main__":
    unittest.main()
