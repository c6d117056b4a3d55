"""kill -9 of each worker in turn while people buy and read: nothing lost, nothing doubled, no read failed."""

import http.client
import random
import threading
import time
import unittest
import uuid

from stack import OFFSETS, Stack


class Shoppers:
    """Threads that buy (repeating each purchase under its key until it is decided) and read."""

    def __init__(self, stack, buyers, readers, seed):
        self.stack, self.stop = stack, threading.Event()
        self.orders, self.failed_reads, self.undecided = {}, [], []
        self.reads = self.retries = 0
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.buy, args=(random.Random(seed + i),)) for i in range(buyers)]
        self.threads += [threading.Thread(target=self.read, args=(random.Random(seed - i),))
                         for i in range(1, readers + 1)]
        for thread in self.threads:
            thread.start()

    def finish(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def buy(self, choose):
        client = self.stack.client()
        while not self.stop.is_set():
            book, key = choose.randint(1, 7), str(uuid.uuid4())
            order = self.decide(client, book, key)
            if order is None:
                self.undecided.append(key)
            else:
                self.orders[key] = (book, order)

    def decide(self, client, book, key):
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                answer = client.request("POST", f"/buy/{book}", None, {"Idempotency-Key": key})
                if answer.status == 200:
                    return answer.data["order_id"]
            except (OSError, http.client.HTTPException):
                pass
            with self.lock:
                self.retries += 1
            time.sleep(0.02)
        return None

    def read(self, choose):
        client = self.stack.client()
        while not self.stop.is_set():
            path = choose.choice(("/info/1", "/info/2", "/search/nature", "/topics", "/info/7"))
            try:
                answer = client.request("GET", path)
                if answer.status != 200:
                    self.failed_reads.append((path, answer))
            except (OSError, http.client.HTTPException) as error:
                self.failed_reads.append((path, repr(error)))
            with self.lock:
                self.reads += 1


class Kills(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack()
        for book in range(1, 8):
            cls.stack.put(f"/update/{book}/stock", {"quantity_change": 1_000_000})

    @classmethod
    def tearDownClass(cls):
        cls.stack.destroy()

    def test_each_worker_in_turn(self):
        seed = random.randrange(2**32)
        print(f"        seed {seed}")
        shoppers = Shoppers(self.stack, buyers=6, readers=3, seed=seed)
        victims = list(OFFSETS)
        random.Random(seed).shuffle(victims)
        try:
            for victim in victims:
                time.sleep(0.7)
                bought = len(shoppers.orders)
                self.stack.kill_and_await_successor(victim)
                self.wait_for_orders(shoppers, bought + 20)
        finally:
            shoppers.finish()
        print(f"        {len(shoppers.orders)} orders, {shoppers.reads} reads, {shoppers.retries} retries")
        self.assertEqual(shoppers.undecided, [])
        self.assertEqual(shoppers.failed_reads[:3], [])
        self.assertGreater(shoppers.reads, 500)
        self.check_orders(shoppers.orders)

    def wait_for_orders(self, shoppers, count):
        end = time.monotonic() + 20
        while len(shoppers.orders) < count:
            self.assertLess(time.monotonic(), end, "buying did not go on")
            time.sleep(0.02)

    def check_orders(self, orders):
        ids = [order for _, order in orders.values()]
        self.assertEqual(len(ids), len(set(ids)))
        for book, order in orders.values():
            for replica in ("order-1", "order-2"):
                shown = self.stack.get(f"/orders/{order}", port=self.stack.port_of(replica))
                self.assertEqual((shown.status, shown.data["book_id"], shown.data["status"]),
                                 (200, book, "CONFIRMED"), (replica, order))
        self.stack.ctl("reconcile")
        self.stack.ctl("verify")
        sold = 7 * 1_000_000 + 7 * 100 - sum(self.stack.stock(book) for book in range(1, 8))
        self.assertEqual(sold, len(orders))


if __name__ == "__main__":
    unittest.main()
