"""The cache as clients see it: least recently used, shared by the replicas, emptied by writes."""

import os
import signal
import threading
import unittest

from stack import Stack, wait_until


class Cache(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack()
        cls.stack.import_books([book, f"Book {book}", "Someone", f"shelf {book % 50}", "9.99", 10] for book in range(1001, 1201))

    @classmethod
    def tearDownClass(cls):
        cls.stack.destroy()

    def setUp(self):
        self.stack.post("/invalidate-cache")

    def read(self, path, port=None):
        return self.stack.get(path, port=port).headers["X-Cache"]

    def test_entry_101_evicts_the_least_recently_used(self):
        for book in range(1001, 1101):
            self.assertEqual(self.read(f"/info/{book}"), "MISS")
        self.assertEqual(self.read("/info/1001"), "HIT")  # now 1002 is the least recently used
        self.assertEqual(self.read("/info/1101"), "MISS")
        self.assertEqual(self.stack.get("/cache-stats").data["cache_size"], 100)
        self.assertEqual(self.read("/info/1001"), "HIT")
        self.assertEqual(self.read("/info/1003"), "HIT")
        self.assertEqual(self.read("/info/1002"), "MISS")

    def test_both_replicas_share_it(self):
        self.assertEqual(self.read("/info/5", self.stack.port_of("catalog-1")), "MISS")
        self.assertEqual(self.read("/info/5", self.stack.port_of("catalog-2")), "HIT")

    def test_misses_alternate_between_replicas(self):
        served = [self.stack.get(f"/info/{book}").headers["X-Served-By"] for book in range(1101, 1121)]
        self.assertEqual(set(served), {"catalog-1", "catalog-2"})
        self.assertGreaterEqual(min(served.count(name) for name in set(served)), 5, served)

    def test_a_write_removes_what_it_changes_and_counts_it(self):
        paths = ("/info/1", "/search/distributed%20systems", "/info/7")
        for path in paths:
            self.read(path)
        before = self.stack.get("/cache-stats").data["invalidations"]
        self.assertEqual(self.stack.post("/buy/1").status, 200)
        self.assertEqual([self.read(p) for p in paths], ["MISS", "MISS", "HIT"])
        self.assertEqual(self.stack.get("/cache-stats").data["invalidations"], before + 2)

    def test_counts(self):
        before = self.stack.get("/cache-stats").data
        for _ in range(4):
            self.read("/info/6")
        after = self.stack.get("/cache-stats").data
        self.assertEqual(after["hits"] - before["hits"], 3)
        self.assertEqual(after["misses"] - before["misses"], 1)
        self.assertEqual(after["hit_rate_percent"], round(100 * after["hits"] / after["total_requests"], 2))

    def blocked(self, path, port):
        """Whether a read of what is being written waits for the write."""
        try:
            self.stack.request("GET", path, port=port, timeout=0.2)
            return False
        except TimeoutError:
            return True

    def test_many_who_miss_at_once_make_one_fill(self):
        """They all come while a write holds the answer up: the first makes it, the others get it from the cache."""
        port, clients = self.stack.port_of("catalog-1"), [self.stack.client(self.stack.port_of("catalog-1"))
                                                          for _ in range(40)]
        said = []

        def write():
            self.stack.put("/update/2/price", {"price": 51})

        def read(client):
            said.append(client.request("GET", "/info/2").headers["X-Cache"])
            client.close()

        threads = [threading.Thread(target=write), *(threading.Thread(target=read, args=(c,)) for c in clients)]
        self.stack.kill("catalog-2", signal.SIGSTOP)
        try:
            threads[0].start()
            wait_until(lambda: self.blocked("/update/2/price", port), what="a write that is under way")
            for thread in threads[1:]:
                thread.start()
        finally:
            self.stack.kill("catalog-2", signal.SIGCONT)
        for thread in threads:
            thread.join()
        self.assertEqual(len(said), len(clients))
        # One, but for claims that end before the first gets its turn on a busy machine.
        self.assertLess(said.count("MISS"), len(clients) / 2, said)

    def test_counters_survive_a_worker(self):
        self.read("/info/3")
        before = self.stack.get("/cache-stats").data["total_requests"]
        for name in ("catalog-1", "catalog-2"):
            self.stack.kill_and_await_successor(name)
        self.assertGreaterEqual(self.stack.get("/cache-stats").data["total_requests"], before)
        wait_until(lambda: self.read("/info/3") == "HIT", what="the cache being used again")


if __name__ == "__main__":
    unittest.main()
