"""The order service killed between each two steps of a purchase, the catalog well, slow or dead:
one effect, one answer, and nothing left over."""

import http.client
import os
import signal
import socket
import struct
import threading
import time
import unittest
import uuid

from failpoints import FailpointCase
from stack import Stack, wait_until

POINTS = ("begin submitted", "begin logged", "set out", "reserved", "end submitted", "end logged", "told")
CART = (3, 1)


class Purchase(threading.Thread):
    """A purchase under way, of a book or a cart of books; repeated under its key until it is decided, or given up
    after the first try."""

    def __init__(self, shop, book, repeat=True):
        super().__init__()
        self.shop, self.repeat, self.key = shop, repeat, str(uuid.uuid4())
        self.path, self.body = f"/buy/{book}", None
        if isinstance(book, tuple):
            self.path, self.body = "/orders", {"lines": [{"book_id": b} for b in book]}
        self.answer, self.tries = None, 0
        self.start()

    def ask(self):
        self.tries += 1
        try:
            return self.shop.post(self.path, self.body, {"Idempotency-Key": self.key})
        except (OSError, http.client.HTTPException):
            return None

    def run(self):
        end = time.monotonic() + 30
        self.answer = self.ask()
        while self.repeat and not self.is_decided() and time.monotonic() < end:
            time.sleep(0.05)
            self.answer = self.ask()

    def is_decided(self):
        return self.answer is not None and self.answer.status in (200, 404, 409, 422)


class PurchaseFaults(FailpointCase):
    with_points = "bazar-order"

    def setUp(self):
        super().setUp()
        self.begin()

    def begin(self):
        """A shop that is well, and what it holds."""
        self.shop.wait_ready()
        # A first purchase: now it is known that the catalog takes writes.
        self.assertTrue(self.buy(2).is_decided())
        self.stock, self.orders = self.stock_of(1), self.orders_of("order-1")

    # ---- the shop ----

    def buy(self, book):
        purchase = Purchase(self.shop, book)
        purchase.join()
        return purchase

    def stock_of(self, book):
        return wait_until(lambda: self.read(f"/info/{book}"), what="the stock")["quantity"]

    def read(self, path, name=None):
        try:
            answer = self.shop.get(path, port=self.shop.port_of(name) if name else None)
        except (OSError, http.client.HTTPException):
            return None
        return answer.data if answer.status == 200 else None

    def orders_of(self, name):
        return {o["order_id"]: o["status"] for o in wait_until(
            lambda: self.read("/orders?limit=1000", name), what=f"the orders of {name}")}

    def new_orders(self, name="order-1"):
        return {o: s for o, s in self.orders_of(name).items() if o not in self.orders}

    # ---- what must be true in the end ----

    def check_ended(self, status, orders=1, sold=1):
        """So many new orders, all of this status on both replicas; the stock as much less; all tables agree."""
        for name in ("order-1", "order-2"):
            wait_until(lambda n=name: "PENDING" not in self.new_orders(n).values(), what=f"the orders' end at {name}")
            self.assertEqual(list(self.new_orders(name).values()), [status] * orders, name)
        for name in ("catalog-1", "catalog-2"):
            wait_until(lambda n=name: self.read("/info/1", n), what=f"{name} serving")
            self.assertEqual(self.read("/info/1", name)["quantity"], self.stock - sold)
        self.shop.ctl("reconcile")
        self.shop.ctl("verify")

    def check_answer(self, purchase):
        """The one true answer, now and whenever it is asked for again."""
        self.assertTrue(purchase.is_decided(), purchase.answer)
        self.assertEqual(purchase.answer.status, 200)
        self.assertIn(purchase.answer.data["order_id"], self.new_orders())
        again = purchase.ask()
        self.assertEqual((again.status, again.headers["Idempotent-Replayed"]), (200, "true"))
        self.assertEqual(again.data, purchase.answer.data)

    def die_at(self, point, *wanted, meanwhile=lambda: None):
        """Purchases, each a (book, whether it is repeated); the first to come to `point` ends order-1."""
        victim = self.shop.pid("order-1")
        self.arm(point)
        purchases = [Purchase(self.shop, *each) for each in wanted]
        wait_until(lambda: not os.path.exists(self.point), what=f"dying at {point!r}")
        meanwhile()
        wait_until(lambda: self.shop.pid("order-1") not in (None, victim), what="a successor of order-1")
        for purchase in purchases:
            purchase.join()
        self.shop.wait_ready("order-1")
        return purchases

    # ---- each point ----

    def test_each_point(self):
        """One client, with a cart, repeats until it knows; another asks again only when everything is over."""
        for point in POINTS:
            with self.subTest(point=point):
                self.begin()
                keen, lost = self.die_at(point, (CART, True), (1, False))
                self.assertTrue(keen.tries > 1 or not lost.is_decided(), "nobody lost an answer")
                self.check_answer(keen)
                wait_until(lambda: "PENDING" not in self.new_orders().values(), what="the orders' end")
                logged = len(self.new_orders())
                self.assertIn(logged, (1, 2))
                self.check_ended("CONFIRMED", logged, logged)
                lost.answer = lost.ask()
                self.check_answer(lost)
                self.check_ended("CONFIRMED", 2, 2)

    def test_the_catalog_dies_with_it(self):
        for point in ("begin logged", "set out", "reserved", "end submitted"):
            with self.subTest(point=point):
                self.begin()
                purchase, = self.die_at(point, (CART, True), meanwhile=lambda: self.shop.kill("catalog-1"))
                self.check_answer(purchase)
                self.check_ended("CONFIRMED")

    def test_the_catalog_does_not_answer_the_successor(self):
        for point in ("begin logged", "reserved"):
            with self.subTest(point=point):
                self.begin()
                purchase, = self.die_at(
                    point, (1, False), meanwhile=lambda: self.shop.kill("catalog-1", signal.SIGSTOP))
                self.assertEqual(list(self.new_orders().values()), ["PENDING"])
                said = purchase.ask()  # known to be logged: neither denied nor sold again
                self.assertEqual(said.status, 202, said)
                self.assertEqual(list(self.new_orders()), [said.data["order_id"]])
                self.shop.kill("catalog-1", signal.SIGCONT)
                self.check_ended("CONFIRMED")
                self.assertEqual(purchase.ask().data["order_id"], said.data["order_id"])

    def test_a_refusal_stays_a_refusal(self):
        """Sold out when the catalog was asked; restocked while the order service was dead."""
        left = self.stock_of(7)
        self.shop.put("/update/7/stock", {"quantity_change": -left})
        purchase, = self.die_at("reserved", (7, False), meanwhile=lambda: self.assertEqual(
            self.shop.put("/update/7/stock", {"quantity_change": left}).status, 200))
        self.check_ended("REJECTED", sold=0)
        self.assertEqual(purchase.ask().status, 409)
        self.assertEqual(self.stock_of(7), left)

    # ---- steps that hang, instead of failing ----

    def pending(self):
        """Orders that are PENDING at order-1."""
        return [o for o, s in self.new_orders().items() if s == "PENDING"]

    def begin_with_catalog_stopped(self, repeat):
        """A purchase whose reservation the stopped catalog has not seen yet."""
        self.shop.kill("catalog-1", signal.SIGSTOP)
        purchase = Purchase(self.shop, 1, repeat)
        wait_until(self.pending, what="a PENDING order")
        return purchase

    def test_killed_while_the_catalog_has_the_request(self):
        purchase = self.begin_with_catalog_stopped(repeat=True)
        self.shop.kill("order-1")
        self.shop.kill("catalog-1", signal.SIGCONT)
        purchase.join()
        self.check_answer(purchase)
        self.check_ended("CONFIRMED")

    def test_killed_with_the_end_on_one_disk_only(self):
        """order-2 is stopped, so the end is prepared at order-1 and committed by its successor."""
        purchase = self.begin_with_catalog_stopped(repeat=True)
        self.shop.kill("order-2", signal.SIGSTOP)
        last = self.shop.status("order-1")["last"]["seq"]
        self.shop.kill("catalog-1", signal.SIGCONT)
        wait_until(lambda: self.shop.status("order-1")["last"]["seq"] > last, what="the prepared end")
        self.shop.kill("order-1")
        self.shop.kill("order-2", signal.SIGCONT)
        purchase.join()
        self.check_answer(purchase)
        self.check_ended("CONFIRMED")

    def test_the_catalog_killed_with_the_reservation_on_one_disk_only(self):
        """catalog-2 is stopped: the reservation is prepared at catalog-1 when that dies."""
        last = self.shop.status("catalog-1")["last"]["seq"]
        self.shop.kill("catalog-2", signal.SIGSTOP)
        purchase = Purchase(self.shop, 1)
        wait_until(lambda: self.shop.status("catalog-1")["last"]["seq"] > last, what="the prepared reservation")
        self.shop.kill("catalog-1")
        self.shop.kill("catalog-2", signal.SIGCONT)
        purchase.join()
        self.check_answer(purchase)
        self.check_ended("CONFIRMED")

    def test_the_deadline_passes(self):
        """202 while nobody can end it; the same key gets the end."""
        purchase = self.begin_with_catalog_stopped(repeat=False)
        purchase.join()
        self.assertEqual(purchase.answer.status, 202)
        location = purchase.answer.headers["Location"]
        self.assertEqual(self.read(location)["status"], "PENDING")
        self.shop.kill("catalog-1", signal.SIGCONT)
        self.check_ended("CONFIRMED")
        self.assertEqual(self.read(location)["status"], "CONFIRMED")
        again = purchase.ask()
        self.assertEqual((again.status, again.data["order_id"]), (200, location.split("/")[-1]))


class Worker(threading.Thread):
    """A FastCGI worker in the place of order-1: answers the first request on a connection, and breaks the
    connection at the second, after reading it or before."""

    def __init__(self, path, read_first):
        super().__init__(daemon=True)
        self.read_first, self.connections, self.requests = read_first, 0, 0
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        self.socket.listen()
        self.start()

    def run(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                self.read_request(connection)
                self.answer(connection)
                if self.read_first:
                    self.read_request(connection)
                elif connection.recv(1, socket.MSG_PEEK):
                    self.requests += 1

    def read_request(self, connection):
        """Up to the empty record that ends its body."""
        with connection.makefile("rb") as stream:
            while head := stream.read(8):
                _, kind, _, length, padding, _ = struct.unpack(">BBHHBB", head)
                stream.read(length + padding)
                if kind == 5 and length == 0:
                    self.requests += 1
                    return

    def answer(self, connection):
        body = b"Status: 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        connection.sendall(struct.pack(">BBHHBB", 1, 6, 1, len(body), 0, 0) + body +
                           struct.pack(">BBHHBB", 1, 6, 1, 0, 0, 0) + struct.pack(">BBHHBBQ", 1, 3, 1, 8, 0, 0, 0))


class KeptConnections(unittest.TestCase):
    """What nginx does with a write when the kept connection it goes out on dies."""

    def setUp(self):
        self.shop = Stack()
        self.addCleanup(self.shop.destroy)

    def test_what_may_have_arrived_is_not_sent_again(self):
        path = os.path.join(self.shop.run, "order-1", "client.sock")
        os.rename(path, path + ".real")
        for method in ("POST", "PUT"):  # nginx takes PUT for repeatable
            for read_first in (True, False):
                with self.subTest(method=method, read_first=read_first):
                    worker = Worker(path, read_first)
                    client = self.shop.client()
                    self.assertEqual(client.request(method, "/buy/1").status, 200)
                    broken = client.request(method, "/buy/1")
                    self.assertEqual((broken.status, broken.json["outcome"]), (502, "unknown"))
                    self.assertEqual((worker.connections, worker.requests), (1, 2))
                    client.close()
                    worker.socket.close()
                    os.unlink(path)
        os.rename(path + ".real", path)

    def test_an_orderly_restart_breaks_no_purchase(self):
        answers, stop = [], threading.Event()

        def buy():
            client = self.shop.client()
            while not stop.is_set():
                answers.append(client.request("POST", f"/buy/{len(answers) % 7 + 1}").status)

        buyers = [threading.Thread(target=buy) for _ in range(6)]
        for buyer in buyers:
            buyer.start()
        try:
            wait_until(lambda: len(answers) > 50, what="purchases")
            victim = self.shop.pid("order-1")
            self.shop.kill("order-1", signal.SIGTERM)
            wait_until(lambda: self.shop.pid("order-1") not in (None, victim), what="a successor")
            bought = len(answers)
            wait_until(lambda: len(answers) > bought + 50, what="more purchases")
        finally:
            stop.set()
            for buyer in buyers:
                buyer.join()
        self.assertEqual([a for a in answers if a not in (200, 409)], [])
        self.shop.ctl("reconcile")


if __name__ == "__main__":
    unittest.main()
