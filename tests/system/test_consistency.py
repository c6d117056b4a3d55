"""Reads never go back: through the front, through each replica, through the cache, while writers write."""

import os
import random
import threading
import time
import unittest

from stack import Stack

SECONDS = float(os.environ.get("BAZAR_TEST_RACE_SECONDS", "30"))


class Register:
    """What must be true of one book's price, which only grows: the least value a read that starts now may
    return (acknowledged by a write, or returned by a finished read), and the greatest ever sent."""

    def __init__(self, value):
        self.lock = threading.Lock()
        self.floor = self.sent = value

    def raise_floor(self, value):
        with self.lock:
            self.floor = max(self.floor, value)


class Consistency(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack()

    @classmethod
    def tearDownClass(cls):
        cls.stack.destroy()

    def test_no_read_is_older_than_what_was_acknowledged_or_read(self):
        seed = random.randrange(2**32)
        print(f"        seed {seed}, {SECONDS:g} s")
        topic = {1: "distributed%20systems", 3: "undergraduate%20school"}
        registers = {book: Register(100) for book in topic}
        for book in topic:
            self.assertEqual(self.stack.put(f"/update/{book}/price", {"price": 100}).status, 200)
        violations, counts, end = [], {"reads": 0, "hits": 0, "writes": 0, "moves": 0}, time.monotonic() + SECONDS
        lock = threading.Lock()

        def write(book):
            client, register = self.stack.client(), registers[book]
            while time.monotonic() < end:
                value = register.sent + 1
                register.sent = value
                answer = client.request("PUT", f"/update/{book}/price", {"price": value})
                if answer.status != 200:
                    violations.append(f"write of {value}: {answer}")
                    return
                register.raise_floor(value)
                with lock:
                    counts["writes"] += 1
                time.sleep(0.003)

        def read(port, number):
            client, choose, last = self.stack.client(port), random.Random(seed + number), {}
            while time.monotonic() < end:
                book = choose.choice(list(topic))
                register = registers[book]
                path = choose.choice((f"/info/{book}", f"/search/{topic[book]}"))
                floor = register.floor
                answer = client.request("GET", path)
                if answer.status != 200:
                    violations.append(f"{path} on {port}: {answer}")
                    continue
                data = answer.data
                value = data["price"] if isinstance(data, dict) else next(b for b in data if b["id"] == book)["price"]
                if value < floor or value > register.sent:
                    violations.append(f"{path} on {port}: {value}, not within {floor}..{register.sent}")
                register.raise_floor(value)
                with lock:
                    counts["reads"] += 1
                    counts["hits"] += answer.headers["X-Cache"] == "HIT"
                    counts["moves"] += last.get(book, value) != value
                last[book] = value

        ports = [self.stack.port, self.stack.port_of("catalog-1"), self.stack.port_of("catalog-2")]
        threads = [threading.Thread(target=write, args=(book,)) for book in topic]
        threads += [threading.Thread(target=read, args=(ports[i % 3], i)) for i in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(f"        {counts}")
        self.assertEqual(violations[:5], [])
        self.assertGreater(counts["writes"], 5 * SECONDS)
        self.assertGreater(counts["moves"], 20 * SECONDS)
        self.assertGreater(counts["hits"], 10 * SECONDS)


if __name__ == "__main__":
    unittest.main()
