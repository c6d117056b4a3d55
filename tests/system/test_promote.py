"""Who is primary: handed over under load, taken when it is lost, refused where that could lose something."""

import http.client
import os
import shutil
import signal
import time
import unittest
import uuid

from load import Load
from stack import OwnStack, wait_until


class Primary(OwnStack):
    def is_primary(self, name):
        status = self.stack.status(name)
        return (status["role"], status["phase"]) == ("primary", "active")

    def all_is_well(self, *services):
        for service in services or ("catalog", "order"):
            wait_until(lambda s=service: self.stack.whole(s), 30, f"{service} whole again")
        self.stack.wait_ready()
        self.stack.ctl("verify")
        self.stack.ctl("reconcile")


class Switchover(Primary):
    def test_no_request_fails_while_both_services_change_places(self):
        load = Load(self.stack, readers=3, buyers=4, changers=2)
        try:
            for service, name in (("catalog", "catalog-2"), ("order", "order-2"), ("catalog", "catalog-1"),
                                  ("order", "order-1"), ("order", "order-2"), ("catalog", "catalog-2")):
                time.sleep(0.5)
                self.stack.ctl("switchover", service, name)
                self.assertTrue(self.is_primary(name))
            time.sleep(0.5)
        finally:
            load.finish()
        print(f"        6 switchovers: {load.done}, {len(load.failed)} failed", flush=True)
        self.assertEqual(load.failures(), (0, []))
        self.assertGreater(min(load.done.values()), 50)
        self.all_is_well()

    def test_writes_find_the_primary_without_a_reload(self):
        self.stack.ctl("switchover", "catalog", "catalog-2")
        self.stack.ctl("switchover", "order", "order-2")
        for service in ("catalog", "order"):
            os.unlink(os.path.join(self.stack.run, f"primary-{service}"))
        self.stack.supervisor("reload")  # nginx asks the first ones now
        blanks = " " * 900
        answer = self.stack.request("PUT", "/update/2/price", '{"price":' + blanks + "12.5}",
                                    {"Content-Type": "application/json"})
        self.assertEqual((answer.status, answer.data["price"]), (200, 12.5))
        self.assertEqual(answer.headers["X-Served-By"], "catalog-2")
        self.assertEqual(answer.headers.get_all("Cache-Control"), ["no-store"])
        key = {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
        first = self.stack.request("POST", "/buy/2", '{"quantity":' + blanks + "3}", key)
        self.assertEqual((first.status, first.data["quantity"]), (200, 3))
        again = self.stack.request("POST", "/buy/2", '{"quantity":3}', key)
        self.assertEqual((again.data, again.headers["Idempotent-Replayed"]), (first.data, "true"))
        direct = self.stack.put("/update/2/price", {"price": 1}, port=self.stack.port_of("catalog-1"))
        self.assertEqual(direct.status, 421)

    def test_the_office_survives_a_restart_of_everything(self):
        self.stack.ctl("switchover", "catalog", "catalog-2")
        self.stack.down()
        self.stack.up()
        self.assertTrue(self.is_primary("catalog-2"))
        self.assertEqual(self.stack.put("/update/1/price", {"price": 3}).status, 200)

    def test_refusals(self):
        self.refused("switchover", "catalog", "order-2", because="no replica of catalog")
        self.refused("switchover", "catalog", "catalog-9", because="names no replica catalog-9")
        self.refused("switchover", "shop", "catalog-2", because="no service shop")
        self.stack.kill("catalog-2", signal.SIGSTOP)
        self.stack.put("/update/1/price", {"price": 3})  # so that it is noticed
        self.refused("switchover", "catalog", "catalog-2", because="not in sync")
        self.stack.kill("catalog-2", signal.SIGCONT)
        self.all_is_well()


class Promotion(Primary):
    def test_refusals(self):
        self.refused("promote", "catalog-1", because="is primary already")
        self.refused("promote", "catalog-2", because="bazarctl switchover catalog catalog-2")
        self.refused("promote", "nobody", because="names no replica nobody")
        self.stack.kill("catalog-1", signal.SIGSTOP)
        self.refused("promote", "catalog-2", because=str(self.stack.pid("catalog-1")))
        self.stack.kill("catalog-1", signal.SIGCONT)
        wait_until(lambda: self.is_primary("catalog-1"))
        self.all_is_well()

    def test_a_lost_primary(self):
        key = {"Idempotency-Key": str(uuid.uuid4())}
        bought = self.stack.post("/buy/1", None, key).data
        price = self.stack.put("/update/1/price", {"price": 777}).data["price"]
        self.stack.away("catalog-1", "order-1")
        for name in ("catalog-2", "order-2"):
            self.stack.ctl("promote", name)
        again = self.stack.post("/buy/1", None, key)
        self.assertEqual((again.status, again.data), (200, bought))
        self.assertEqual(self.stack.get("/info/1").data["price"], price)
        answer = wait_until(lambda: self.bought("/buy/2"), what="a purchase with one replica each")
        self.assertTrue(answer.json["degraded"])
        self.assertIn("\nbazar_degraded 1\n", self.metrics("order-2"))
        self.stack.back()
        self.all_is_well()
        for name in ("catalog-1", "order-1"):
            self.assertEqual(self.stack.status(name)["role"], "backup")
            direct = self.stack.port_of(name)
            self.assertEqual(self.stack.put("/update/1/price", {"price": 1}, port=direct).status,
                             421 if name == "catalog-1" else 404)
        self.assertNotIn("degraded", self.stack.post("/buy/2").json)

    def bought(self, path):
        answer = self.stack.post(path)
        return answer if answer.status == 200 else None

    def metrics(self, name):
        return self.stack.get("/metrics", port=self.stack.port_of(name)).body.decode()

    def test_what_only_the_lost_primary_had(self):
        self.stack.ctl("min-insync", "catalog", "1")
        self.stack.away("catalog-2")
        wait_until(lambda: self.degraded_write(500), what="a write without the backup")
        self.stack.crash()  # a new start: no message waits for catalog-2 in a socket
        store = os.path.join(self.stack.run, "catalog-1", "db")
        os.rename(store, store + ".kept")  # it cannot be started
        with open(store, "w", encoding="ascii"):
            self.stack.supervise()
        wait_until(lambda: self.answers("catalog-2"), what="catalog-2")
        self.refused("promote", "catalog-2", because="--accept-data-loss")
        self.refused("promote", "catalog-2", "--primary-stopped", because="--accept-data-loss")
        before = self.stack.status("catalog-2")["incarnation"]
        self.stack.ctl("promote", "catalog-2", "--accept-data-loss")
        self.assertNotEqual(self.stack.status("catalog-2")["incarnation"], before)
        self.assertEqual(self.stack.get("/info/1").data["price"], 50)
        self.assertEqual(self.stack.put("/update/1/price", {"price": 600}).status, 200)
        os.unlink(store)
        os.rename(store + ".kept", store)
        self.all_is_well("catalog")
        place = os.path.join(self.stack.run, "catalog-1")
        self.assertEqual(len([n for n in os.listdir(place) if n.startswith("db.aside-")]), 1)
        for name in ("catalog-1", "catalog-2"):
            self.assertEqual(self.stack.get("/info/1", port=self.stack.port_of(name)).data["price"], 600)

    def answers(self, name):
        try:
            return self.stack.status(name).get("pid") is not None
        except (OSError, ValueError, http.client.HTTPException):
            return False

    def degraded_write(self, price):
        answer = self.stack.put("/update/1/price", {"price": price})
        return answer.status == 200 and answer.json.get("degraded")

    def test_the_old_primary_comes_back_while_people_buy(self):
        self.stack.away("order-1")
        self.stack.ctl("promote", "order-2")
        load = Load(self.stack)
        try:
            self.stack.back()
            wait_until(lambda: self.stack.whole("order"), 30, "order whole again")
            time.sleep(0.5)
        finally:
            load.finish()
        self.assertEqual(load.failures(), (0, []))
        self.all_is_well()


class LostStore(Primary):
    def test_a_primary_without_its_store_heals_without_a_person(self):
        for name, backup in (("catalog-1", "catalog-2"), ("order-1", "order-2")):
            key = {"Idempotency-Key": str(uuid.uuid4())}
            bought = self.stack.post("/buy/1", None, key).data
            self.stack.away(name)
            shutil.rmtree(os.path.join(self.stack.run, name, "db"))
            self.stack.back()
            wait_until(lambda b=backup: self.is_primary(b), 20, f"{backup} primary")
            wait_until(lambda n=name: self.stack.ready(n), 20, f"{name} ready")
            again = self.stack.post("/buy/1", None, key)
            self.assertEqual((again.status, again.data), (200, bought))
        self.all_is_well()


if __name__ == "__main__":
    unittest.main()
