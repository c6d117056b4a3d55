"""The order service killed between each two steps of a purchase, the catalog well, slow or dead:
one effect, one answer, and nothing left over."""

import http.client
import os
import shutil
import signal
import tempfile
import threading
import time
import unittest
import uuid

import stack
from stack import Stack, wait_until

PROGRAMS = ("bazar-run", "bazar-catalog", "bazar-init", "bazarctl")
POINTS = ("begin submitted", "begin logged", "set out", "reserved", "end submitted", "end logged", "told")


def make_build():
    """The programs, with the order service that has failpoints, in a directory of their own."""
    folder = tempfile.mkdtemp(prefix="bazar-failpoints-")
    for program in PROGRAMS:
        shutil.copy(os.path.join(stack.BUILD, program), folder)
    shutil.copy(os.path.join(stack.BUILD, "failpoints", "bazar-order"), folder)
    os.symlink(stack.TOP, os.path.join(folder, "share"))
    return folder


class Purchase(threading.Thread):
    """A purchase under way; repeated under its key until it is decided, or given up after the first try."""

    def __init__(self, shop, book, repeat=True):
        super().__init__()
        self.shop, self.book, self.repeat, self.key = shop, book, repeat, str(uuid.uuid4())
        self.answer, self.tries = None, 0
        self.start()

    def ask(self):
        self.tries += 1
        try:
            return self.shop.post(f"/buy/{self.book}", None, {"Idempotency-Key": self.key})
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


class PurchaseFaults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.build, cls.folder = stack.BUILD, make_build()
        stack.BUILD = cls.folder
        cls.point = os.path.join(cls.folder, "point")

    @classmethod
    def tearDownClass(cls):
        stack.BUILD = cls.build
        shutil.rmtree(cls.folder)

    def setUp(self):
        self.shop = Stack(BAZAR_FAILPOINT=self.point)  # a supervisor that has not seen a worker die yet
        self.addCleanup(self.shop.destroy)
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

    def arm(self, point):
        with open(self.point + ".new", "w", encoding="ascii") as file:
            file.write(point)
        os.rename(self.point + ".new", self.point)

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

    def die_at(self, point, book, *repeats, meanwhile=lambda: None):
        """Purchases, one for each of `repeats`; the first to come to `point` ends order-1."""
        victim = self.shop.pid("order-1")
        self.arm(point)
        purchases = [Purchase(self.shop, book, repeat) for repeat in repeats]
        wait_until(lambda: not os.path.exists(self.point), what=f"dying at {point!r}")
        meanwhile()
        wait_until(lambda: self.shop.pid("order-1") not in (None, victim), what="a successor of order-1")
        for purchase in purchases:
            purchase.join()
        self.shop.wait_ready("order-1")
        return purchases

    # ---- each point ----

    def test_each_point(self):
        """One client repeats until it knows; another asks again only when everything is over."""
        for point in POINTS:
            with self.subTest(point=point):
                self.begin()
                keen, lost = self.die_at(point, 1, True, False)
                self.assertGreater(keen.tries, 1)
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
                purchase, = self.die_at(point, 1, True, meanwhile=lambda: self.shop.kill("catalog-1"))
                self.check_answer(purchase)
                self.check_ended("CONFIRMED")

    def test_the_catalog_does_not_answer_the_successor(self):
        for point in ("begin logged", "reserved"):
            with self.subTest(point=point):
                self.begin()
                purchase, = self.die_at(
                    point, 1, False, meanwhile=lambda: self.shop.kill("catalog-1", signal.SIGSTOP))
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
        purchase, = self.die_at("reserved", 7, False, meanwhile=lambda: self.assertEqual(
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


if __name__ == "__main__":
    unittest.main()
