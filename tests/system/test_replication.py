"""What a client is told when a backup is away, and that the truth comes out afterwards."""

import os
import shutil
import signal
import threading
import time
import unittest
import uuid

from stack import Stack, wait_until


class BackupAway(unittest.TestCase):
    def setUp(self):
        self.stack = Stack()

    def tearDown(self):
        self.stack.destroy()

    def away(self, name):
        """The replica's process is gone and stays gone until `back`: its supervisor is paused."""
        self.stack.kill("bazar-run", signal.SIGSTOP)
        self.stack.kill(name)

    def back(self):
        self.stack.kill("bazar-run", signal.SIGCONT)
        self.stack.wait_ready()

    def outcome(self, answer):
        self.assertEqual(answer.status, 503, answer)
        self.assertTrue(answer.headers["Retry-After"])
        return answer.json["outcome"]

    def reads_go_on(self, name):
        for path in ("/info/7", "/search/nature", "/topics"):
            for port in (self.stack.port, self.stack.port_of(name)):
                self.assertEqual(self.stack.get(path, port=port).status, 200, (path, port))

    def test_catalog_backup(self):
        self.away("catalog-2")
        keys = [str(uuid.uuid4()) for _ in range(3)]
        told = []
        for key in keys:
            began = time.monotonic()
            answer = self.stack.put("/update/1/price", {"price": 77}, {"Idempotency-Key": key})
            told.append(self.outcome(answer))
            self.assertLess(time.monotonic() - began, 6)
        self.assertEqual(told[-1], "not_applied")
        self.reads_go_on("catalog-1")
        before = self.stack.get("/orders").data
        answer = self.stack.post("/buy/7")
        self.assertEqual(self.outcome(answer), "not_applied")
        self.back()
        self.assertEqual(self.stack.get("/orders").data, before)
        for key, outcome in zip(keys, told):
            again = self.stack.put("/update/1/price", {"price": 77}, {"Idempotency-Key": key})
            self.assertEqual(again.status, 200)
            self.assertEqual(again.headers["Idempotent-Replayed"] == "true", outcome == "unknown")
        for name in ("catalog-1", "catalog-2"):
            self.assertEqual(self.stack.get("/info/1", port=self.stack.port_of(name)).data["price"], 77)
        self.stack.ctl("verify")

    def test_order_backup(self):
        self.away("order-2")
        stock = self.stack.stock(7)
        key = str(uuid.uuid4())
        first = self.outcome(self.stack.post("/buy/7", None, {"Idempotency-Key": key}))
        self.assertEqual(self.outcome(self.stack.post("/buy/7")), "not_applied")
        self.reads_go_on("catalog-2")
        self.assertEqual(self.stack.stock(7), stock)
        self.back()
        answer = wait_until(lambda: self.decided(key), 15, "the purchase's outcome")
        self.assertEqual(answer.status, 200)
        orders = self.stack.get("/orders").data
        self.assertEqual(len(orders), 1, (first, orders))
        wait_until(lambda: self.stack.stock(7) == stock - 1, what="the stock of one purchase")
        self.stack.ctl("reconcile")

    def decided(self, key):
        answer = self.stack.post("/buy/7", None, {"Idempotency-Key": key})
        return answer if answer.status == 200 else None

    def test_a_restart_of_a_backup_costs_no_write(self):
        for name in ("catalog-2", "order-2"):
            self.stack.kill(name, signal.SIGTERM)
            answer = self.stack.post("/buy/7", None, {"Idempotency-Key": str(uuid.uuid4())})
            self.assertEqual(answer.status, 200, (name, answer))
            self.stack.wait_ready()

    def test_a_paused_backup(self):
        self.stack.kill("catalog-2", signal.SIGSTOP)
        key = str(uuid.uuid4())
        told = self.outcome(self.stack.put("/update/2/price", {"price": 5}, {"Idempotency-Key": key}))
        self.assertEqual(told, "unknown")
        self.stack.kill("catalog-2", signal.SIGCONT)

        def decided():
            answer = self.stack.put("/update/2/price", {"price": 5}, {"Idempotency-Key": key})
            return answer if answer.status == 200 else None

        answer = wait_until(decided, 15, "the write's outcome")
        self.assertEqual(answer.headers["Idempotent-Replayed"], "true")
        self.assertEqual(self.stack.get("/info/2").data["price"], 5)
        self.stack.ctl("verify")


class PrimaryAway(unittest.TestCase):
    def setUp(self):
        self.stack = Stack()

    def tearDown(self):
        self.stack.destroy()

    def lose(self, name):
        """Kill a worker and remove its store, while its supervisor is paused. The worker's pid."""
        pid = self.stack.pid(name)
        self.stack.kill(name)

        def is_dead():
            with open(f"/proc/{pid}/cmdline", encoding="ascii") as line:
                return line.read() == ""

        wait_until(is_dead, what=f"the end of {name}")
        shutil.rmtree(os.path.join(self.stack.run, name, "db"))
        return pid

    def test_reads_go_on_and_writes_say_so(self):
        self.stack.kill("bazar-run", signal.SIGSTOP)
        self.stack.kill("catalog-1")
        for path in ("/info/1", "/search/nature", "/topics"):
            for _ in range(4):
                self.assertEqual(self.stack.get(path).status, 200, path)
        self.stack.kill("bazar-run", signal.SIGCONT)
        self.stack.wait_ready()
        self.assertEqual(self.stack.post("/buy/1").status, 200)

    def test_a_purchase_is_not_denied_by_a_primary_that_lost_its_store(self):
        key = {"Idempotency-Key": str(uuid.uuid4())}
        bought = self.stack.post("/buy/1", None, key).data
        self.stack.kill("bazar-run", signal.SIGSTOP)
        self.stack.kill("order-2", signal.SIGSTOP)
        lost = self.lose("order-1")
        self.stack.kill("bazar-run", signal.SIGCONT)
        wait_until(lambda: self.stack.pid("order-1") not in (None, lost), what="a successor of order-1")
        answer = self.stack.post("/buy/1", None, key)
        self.assertEqual((answer.status, answer.json["outcome"]), (503, "unknown"))
        self.stack.kill("order-2", signal.SIGCONT)
        self.stack.wait_ready()
        again = self.stack.post("/buy/1", None, key)
        self.assertEqual((again.status, again.data), (200, bought))
        self.assertEqual(again.headers["Idempotent-Replayed"], "true")

    def test_no_write_overtakes_the_first_contents(self):
        self.stack.kill("catalog-1", signal.SIGSTOP)
        for name in ("catalog-2", "catalog-1"):
            self.stack.kill("bazar-run", signal.SIGSTOP)
            lost = self.lose(name)
            self.stack.kill("bazar-run", signal.SIGCONT)
            wait_until(lambda n=name, old=lost: self.stack.pid(n) not in (None, old), what=f"a successor of {name}")
            if name == "catalog-2":  # the primary needs its promise
                self.stack.kill(name, signal.SIGSTOP)
        told = []
        early = threading.Thread(target=lambda: told.append(
            self.stack.put("/update/1/stock", {"quantity_change": 5}, port=self.stack.port_of("catalog-1"))))
        early.start()
        time.sleep(0.3)
        self.stack.kill("catalog-2", signal.SIGCONT)
        early.join()
        self.stack.wait_ready()
        self.assertEqual(told[0].status, 421, told[0])  # a replica without a history is nobody's primary
        self.assertEqual(self.stack.stock(1), 100)

    def test_epochs_grow_and_logs_agree_over_restarts(self):
        epochs = []
        for _ in range(3):
            epochs.append(self.stack.status("order-1")["epoch"])
            self.stack.kill_and_await_successor("order-1")
            self.stack.wait_ready()
            answer = self.stack.post("/buy/1")
            self.assertEqual(answer.status, 200, answer)
        counters = [e["counter"] if isinstance(e, dict) else e for e in epochs]
        self.assertEqual(counters, sorted(set(counters)))
        self.stack.ctl("verify")


class Peers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack()

    @classmethod
    def tearDownClass(cls):
        cls.stack.destroy()

    def test_internal_calls_need_the_secret(self):
        port = self.stack.port_of("catalog-1")
        for headers in ({}, {"X-Bazar-Secret": "0" * 64}, {"X-Bazar-Secret": ""}):
            for method, path in (("POST", "/peer/replicate"), ("POST", "/peer/reserve"), ("POST", "/peer/import"),
                                 ("GET", "/peer/books"), ("GET", "/peer/log")):
                answer = self.stack.request(method, path, None, headers, port)
                self.assertIn(answer.status, (401, 403), (method, path))
        answer = self.stack.get("/peer/books", {"X-Bazar-Secret": self.stack.secret()}, port)
        self.assertEqual(answer.status, 200)

    def test_garbage_between_replicas_is_refused(self):
        for name in ("catalog-1", "catalog-2"):
            for body in (b"", b"\0" * 100, b"{}", b"\xff" * 5000):
                answer = self.stack.request("POST", "/peer/replicate", body,
                                            {"X-Bazar-Secret": self.stack.secret(),
                                             "Content-Type": "application/octet-stream"},
                                            self.stack.port_of(name))
                self.assertEqual(answer.status, 400, (name, body[:8], answer))
        self.assertEqual(self.stack.post("/buy/1").status, 200)


if __name__ == "__main__":
    unittest.main()
