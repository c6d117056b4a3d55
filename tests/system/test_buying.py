"""Nothing is sold twice: many buyers, few books, repeats under one Idempotency-Key."""

import threading
import unittest
import uuid

from stack import Stack


def all_at_once(count, work):
    """Run work(0) .. work(count-1) in threads released together; their results in order."""
    results, barrier = [None] * count, threading.Barrier(count)

    def one(index):
        barrier.wait()
        results[index] = work(index)

    threads = [threading.Thread(target=one, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


class Buying(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack()

    @classmethod
    def tearDownClass(cls):
        cls.stack.destroy()

    def set_stock(self, book, wanted):
        change = wanted - self.stack.stock(book)
        if change:
            answer = self.stack.put(f"/update/{book}/stock", {"quantity_change": change})
            self.assertEqual(answer.status, 200, answer)

    def buy(self, book, key=None, **body):
        headers = {"Idempotency-Key": key} if key else {}
        return self.stack.post(f"/buy/{book}", body or None, headers)

    def check_sold_out(self, book, answers):
        orders = [a.data["order_id"] for a in answers if a.status == 200]
        refused = [a for a in answers if a.status == 409]
        self.assertEqual(len(orders), 20)
        self.assertEqual(len(set(orders)), 20)
        self.assertEqual(len(refused), 20, answers)
        for answer in refused:
            self.assertTrue(answer.json["type"].endswith("/problems/sold-out"), answer)
            self.assertIs(answer.json["success"], False)
        for replica in ("catalog-1", "catalog-2"):
            self.assertEqual(self.stack.stock(book, replica), 0)
        for order in orders:
            for replica in ("order-1", "order-2"):
                shown = self.stack.get(f"/orders/{order}", port=self.stack.port_of(replica))
                self.assertEqual((shown.status, shown.data["status"]), (200, "CONFIRMED"))

    def test_forty_buyers_for_twenty_books(self):
        self.set_stock(1, 20)
        self.check_sold_out(1, all_at_once(40, lambda _: self.buy(1)))
        self.stack.ctl("reconcile")

    def test_forty_buyers_who_each_send_twice(self):
        self.set_stock(2, 20)
        keys = [str(uuid.uuid4()) for _ in range(40)]
        answers = all_at_once(80, lambda i: self.buy(2, keys[i // 2]))
        busy = [a for a in answers if a.status == 409 and a.json["type"].endswith("request-in-progress")]
        settled = [self.buy(2, key) for key in keys]
        self.check_sold_out(2, settled)
        for answer in settled:
            self.assertEqual(answer.headers["Idempotent-Replayed"], "true")
        for index, answer in enumerate(answers):
            if answer not in busy:
                self.assertEqual((answer.status, answer.json.get("data")),
                                 (settled[index // 2].status, settled[index // 2].json.get("data")))
        self.stack.ctl("reconcile")

    def test_more_than_there_is_is_refused_whole(self):
        self.set_stock(3, 5)
        answer = self.buy(3, quantity=6)
        self.assertEqual((answer.status, answer.json["available"]), (409, 5))
        self.assertTrue(answer.json["type"].endswith("/problems/insufficient-stock"))
        self.assertEqual(self.stack.stock(3), 5)
        answer = self.buy(3, quantity=5)
        self.assertEqual((answer.status, answer.data["quantity"], answer.data["total"]), (200, 5, 375))
        self.assertEqual(self.stack.stock(3), 0)

    def test_a_key_belongs_to_one_request(self):
        key = str(uuid.uuid4())
        first = self.buy(4, key, quantity=1)
        self.assertEqual(first.status, 200)
        other = self.buy(4, key, quantity=2)
        self.assertEqual(other.status, 422)
        self.assertTrue(other.json["type"].endswith("/problems/key-reused"))
        again = self.buy(4, key, quantity=1)
        self.assertEqual((again.status, again.data), (200, first.data))
        self.assertIsNone(first.headers["Idempotent-Replayed"])

    def test_an_unknown_book_is_remembered_as_unknown(self):
        key = str(uuid.uuid4())
        self.assertEqual(self.buy(999, key).status, 404)
        again = self.buy(999, key)
        self.assertEqual((again.status, again.headers["Idempotent-Replayed"]), (404, "true"))


if __name__ == "__main__":
    unittest.main()
