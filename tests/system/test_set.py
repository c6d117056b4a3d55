"""A replica set that may shrink: writes go on without a backup, say so, and nobody reads anything old for it."""

import http.client
import json
import signal
import threading
import time
import unittest
import uuid

from load import Load
from stack import OwnStack, Stack, wait_until


class Smaller(unittest.TestCase):
    """min_insync is 1 in both services."""

    def setUp(self):
        self.stack = Stack()
        for service in ("catalog", "order"):
            self.stack.ctl("min-insync", service, "1")

    def tearDown(self):
        self.stack.destroy()

    def price(self, price):
        """Sets the price of book 1; the answer, once it is 200."""
        key = {"Idempotency-Key": str(uuid.uuid4())}

        def put():
            answer = self.stack.put("/update/1/price", {"price": price}, key)
            return answer if answer.status == 200 else None

        return wait_until(put, 20, "a write")

    def whole_again(self, service="catalog"):
        wait_until(lambda: self.stack.whole(service), 30, f"{service} whole again")
        self.stack.wait_ready()
        self.assertNotIn("degraded", self.price(7).json)
        self.stack.ctl("verify")

    def test_without_the_backup_writes_go_on_and_say_so(self):
        self.assertNotIn("degraded", self.price(60).json)
        self.stack.away("catalog-2")
        self.price(61)
        self.assertIs(self.price(62).json["degraded"], True)
        line = self.stack.set_of("catalog")
        self.assertEqual((line["primary"], line["members"], line["in_sync"], line["min_insync"], line["degraded"]),
                         ("catalog-1", 2, 1, 1, True))
        metrics = self.stack.get("/metrics", port=self.stack.port_of("catalog-1")).body.decode()
        for row in ("bazar_replicas 2", "bazar_in_sync_replicas 1", "bazar_min_insync 1", "bazar_degraded 1"):
            self.assertIn(f"\n{row}\n", metrics)
        self.assertEqual(self.stack.get("/info/1").data["price"], 62)
        self.stack.back()
        self.whole_again()

    def test_a_paused_backup_that_wakes_up_shows_nothing_old(self):
        port = self.stack.port_of("catalog-2")
        for price in (100, 200, 300):
            self.assertEqual(self.stack.get("/info/1", port=port).status, 200)
            self.stack.kill("catalog-2", signal.SIGSTOP)
            self.price(price)
            old, new, stop = [], [], threading.Event()

            def read():
                while not stop.is_set():
                    try:
                        answer = self.stack.request("GET", "/update/1/price", port=port, timeout=5)
                    except (OSError, http.client.HTTPException):
                        continue
                    if answer.status == 200:
                        (new if answer.data["price"] == price else old).append(answer)

            readers = [threading.Thread(target=read) for _ in range(4)]
            for reader in readers:
                reader.start()  # their questions wait in its socket
            time.sleep(0.1)
            self.stack.kill("catalog-2", signal.SIGCONT)
            wait_until(lambda: new, 20, "a read of the new price")
            stop.set()
            for reader in readers:
                reader.join()
            self.assertEqual(old, [], f"{len(new)} good ones")
        self.whole_again()

    def test_a_primary_paused_for_longer_than_its_lease_shows_nothing_old(self):
        port = self.stack.port_of("catalog-1")
        self.price(10)
        self.stack.kill("catalog-1", signal.SIGSTOP)
        time.sleep(1.5)  # the leases of both are over
        done = self.stack.ctl("promote", "catalog-2", check=False)
        self.assertIn("its process", done.stderr)
        early = threading.Thread(target=lambda: self.stack.request("GET", "/info/1", port=port, timeout=20))
        early.start()
        self.stack.kill("catalog-1", signal.SIGCONT)
        early.join()
        self.whole_again()

    def test_a_restart_alone_goes_on_alone(self):
        self.stack.away("order-2")
        key = {"Idempotency-Key": str(uuid.uuid4())}

        def buy():
            answer = self.stack.post("/buy/2", None, key)
            return answer if answer.status == 200 else None

        first = wait_until(buy, 20, "a purchase")
        self.stack.kill("order-1")
        self.stack.back()
        wait_until(lambda: self.stack.whole("order"), 30, "order whole again")
        self.assertEqual(wait_until(buy, 20, "the same purchase").data, first.data)
        self.stack.ctl("reconcile")
        self.stack.ctl("verify")

    def test_shoppers_notice_nothing_of_a_backup_that_comes_and_goes(self):
        load = Load(self.stack, readers=2, buyers=0, changers=0)
        try:
            for name in ("catalog-2", "order-2"):
                self.stack.away(name)
                wait_until(lambda: self.stack.post("/buy/3").json.get("degraded") or name == "catalog-2", 20)
                self.stack.back()
                wait_until(lambda n=name: self.stack.whole(n.split("-")[0]), 30, f"{name} back")
        finally:
            load.finish()
        self.assertEqual(load.failures(), (0, []))


class Members(OwnStack):
    def add(self, name):
        return self.stack.ctl("member", "add", name, f"127.0.0.1:{self.stack.port_of(name)}")

    def test_a_third_replica_comes_and_goes_while_people_buy(self):
        load = Load(self.stack)
        try:
            for name in ("catalog-3", "order-3"):  # of catalog-3 order-1's node file says nothing
                service = name.split("-")[0]
                self.add(name)
                self.assertTrue(self.stack.whole(service, members=3))
                self.assertTrue(self.stack.ready(name))
                self.stack.ctl("switchover", service, name)
                self.refused("member", "remove", name, because="switchover")
                time.sleep(0.3)
                self.stack.ctl("member", "remove", f"{service}-1")
                self.assertTrue(self.stack.whole(service, members=2))
                wait_until(lambda s=service: self.stack.pid(f"{s}-1") is None, what="its end")
        finally:
            load.finish()
        print(f"        {load.done}, {len(load.failed)} failed", flush=True)
        self.assertEqual(load.failures(), (0, []))
        self.stack.ctl("verify")
        self.stack.ctl("reconcile")
        self.stack.down()
        self.stack.up()  # those who are members now
        self.assertEqual(sorted(self.stack.pids()), ["bazar-run", "catalog-2", "catalog-3", "nginx", "order-2", "order-3"])
        self.assertEqual(self.stack.set_of("order")["primary"], "order-3")

    def test_two_of_three(self):
        self.add("catalog-3")
        self.stack.ctl("min-insync", "catalog", "2")
        for name in ("catalog-2", "catalog-3"):
            self.stack.away(name)
            answer = wait_until(lambda: self.written(5), 20, f"a write without {name}")
            self.assertTrue(answer.json["degraded"])
            self.stack.back()
            wait_until(lambda: self.stack.whole("catalog", members=3), 30, "whole again")
        self.stack.away("catalog-1")  # the primary: any other one may follow it
        self.stack.ctl("promote", "catalog-3")
        self.assertEqual(wait_until(lambda: self.written(6), 20, "a write").status, 200)
        self.stack.back()
        wait_until(lambda: self.stack.whole("catalog", members=3), 30, "whole again")
        for name in ("catalog-1", "catalog-2", "catalog-3"):
            wait_until(lambda n=name: self.stack.ready(n), 20, name)
            self.assertEqual(self.stack.get("/info/1", port=self.stack.port_of(name)).data["price"], 6)
        self.stack.ctl("verify")

    def written(self, price):
        answer = self.stack.put("/update/1/price", {"price": price})
        return answer if answer.status == 200 else None

    def test_one_that_is_lost_can_be_declared_so(self):
        self.stack.away("order-2")
        self.stack.post("/buy/1")
        self.refused("member", "remove", "order-2", because="member remove order-2 --lost")
        self.stack.ctl("member", "remove", "order-2", "--lost")
        answer = self.stack.post("/buy/1")
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(self.stack.set_of("order")["members"], 1)

    def test_refusals(self):
        self.refused("min-insync", "catalog", "3", because="fewer than 3")
        self.refused("min-insync", "shop", "1", because="no service shop")
        self.refused("member", "add", "catalog", "127.0.0.1:1", because="catalog-3")
        self.refused("member", "add", "catalog-2", "127.0.0.1:1", because="already at")
        self.refused("member", "add", "catalog-3", f"127.0.0.1:{self.stack.port_of('order-1')}", because="already the address")
        self.refused("member", "remove", "catalog-1", because="switchover catalog")
        self.refused("member", "remove", "catalog-7", because="names no replica")
        for words in (("min-insync", "catalog"), ("min-insync", "catalog", "0"), ("member", "add", "catalog-3"),
                      ("member",), ("promote",), ("switchover", "catalog")):
            self.assertEqual(self.stack.ctl(*words, check=False).returncode, 2, words)
        told = json.loads(self.stack.ctl("status", "--json").stdout)
        self.assertEqual([s["wanted"] for s in told["services"]], [0, 0])


if __name__ == "__main__":
    unittest.main()
