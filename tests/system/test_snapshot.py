"""Replicas that were away for longer than the log reaches, or lost their store: they get whole tables, while the
shop goes on."""

import os
import random
import shutil
import signal
import threading
import time
import unittest
import uuid

from load import Load
from stack import Stack, wait_until

KEEP = 100
PAST_IT = 700  # entries after which the log has surely lost what came before


class Snapshot(unittest.TestCase):
    def setUp(self):
        self.stack = Stack(BAZAR_LOG_KEEP=KEEP)
        self.stack.ctl("min-insync", "catalog", "1")

    def tearDown(self):
        self.stack.destroy()

    def last(self, name):
        return self.stack.status(name)["last"]["seq"]

    def log_first(self, name):
        for line in self.stack.get("/metrics", port=self.stack.port_of(name)).body.decode().splitlines():
            if line.startswith("bazar_log_first_seq "):
                return float(line.split()[1])
        return 0

    def write_past(self, name, seq):
        """Until the log of `name` begins behind entry `seq`."""
        stop = threading.Event()

        def write():
            client = self.stack.client()
            while not stop.is_set():
                client.request("PUT", "/update/2/price", {"price": random.randint(1, 1000)})

        writers = [threading.Thread(target=write) for _ in range(8)]
        for writer in writers:
            writer.start()
        try:
            wait_until(lambda: self.log_first(name) > seq + 1, 60, "a log that is cut off")
        finally:
            stop.set()
            for writer in writers:
                writer.join()

    def books(self, count):
        """Enough books for several chunks of tables."""
        path = os.path.join(self.stack.home, "books.csv")
        with open(path, "w", encoding="ascii") as out:
            out.write("id,title,author,topic,price,quantity\n")
            for i in range(count):
                out.write(f"{1000 + i},{'A long title ' * 8}{i},Author {i},topic {i % 50},10,10\n")
        self.stack.ctl("import", path)

    def aside(self, name):
        return [n for n in os.listdir(os.path.join(self.stack.run, name)) if n.startswith("db.aside-")]

    def healed(self, service="catalog"):
        wait_until(lambda: self.stack.whole(service), 60, f"{service} whole again")
        self.stack.wait_ready()
        self.stack.ctl("verify")  # tables are compared

    def wait_degraded(self):
        def write():
            answer = self.stack.put("/update/1/price", {"price": 3})
            return answer.status == 200 and answer.json.get("degraded")

        wait_until(write, 20, "a degraded write")

    def test_a_backup_that_was_away_for_too_long(self):
        self.books(5000)
        self.stack.away("catalog-2")
        self.wait_degraded()
        self.write_past("catalog-1", self.last("catalog-1"))
        load = Load(self.stack, readers=2, buyers=2, changers=2)
        try:
            self.stack.back()
            self.healed_under_load()
        finally:
            load.finish()
        self.assertEqual(load.failures(), (0, []))
        self.healed()
        self.assertEqual(len(self.aside("catalog-2")), 1)
        self.assertEqual(self.stack.get("/info/5999", port=self.stack.port_of("catalog-2")).status, 200)
        self.assertGreater(self.log_first("catalog-2"), 1)

    def healed_under_load(self):
        wait_until(lambda: self.stack.whole("catalog"), 60, "catalog whole again")

    def test_a_paused_backup_is_set_aside_while_it_runs(self):
        self.stack.kill("catalog-2", signal.SIGSTOP)
        self.wait_degraded()
        self.write_past("catalog-1", self.last("catalog-1"))
        self.stack.kill("catalog-2", signal.SIGCONT)
        self.healed()
        self.assertEqual(len(self.aside("catalog-2")), 1)

    def test_a_load_that_is_broken_off_begins_anew(self):
        self.books(10000)
        self.stack.away("catalog-2")
        self.wait_degraded()
        self.write_past("catalog-1", self.last("catalog-1"))
        self.stack.back()
        for name in ("catalog-2", "catalog-1", "catalog-2"):
            wait_until(lambda: self.loading() or self.stack.whole("catalog"), 60, "a load")
            self.stack.kill_and_wait_started(name)
        self.healed()
        self.assertLessEqual(len(self.aside("catalog-2")), 2)

    def loading(self):
        try:
            return self.stack.status("catalog-2")["phase"] == "loading"
        except (OSError, KeyError, ValueError):
            return False

    def test_a_primary_that_lost_its_store_gets_tables(self):
        self.stack.ctl("min-insync", "catalog", "all")  # else it might have gone on alone
        self.books(2000)
        key = {"Idempotency-Key": str(uuid.uuid4())}
        first = self.stack.put("/update/3/stock", {"quantity_change": 7}, key).data
        self.write_past("catalog-2", self.last("catalog-2"))
        wait_until(lambda: self.stack.whole("catalog"))
        self.stack.away("catalog-1")
        shutil.rmtree(os.path.join(self.stack.run, "catalog-1", "db"))
        self.stack.back()
        self.healed()
        self.assertEqual(self.stack.set_of("catalog")["primary"], "catalog-2")
        again = self.stack.put("/update/3/stock", {"quantity_change": 7}, key)
        self.assertEqual((again.data, again.headers["Idempotent-Replayed"]), (first, "true"))

    def test_a_new_replica_gets_tables(self):
        self.books(2000)
        self.write_past("catalog-1", self.last("catalog-1"))
        self.stack.ctl("member", "add", "catalog-3", f"127.0.0.1:{self.stack.port_of('catalog-3')}")
        self.healed_with(3)

    def healed_with(self, members):
        wait_until(lambda: self.stack.whole("catalog", members=members), 60, "whole")
        wait_until(lambda: self.stack.ready("catalog-3"), 20, "catalog-3 ready")
        self.stack.ctl("verify")

    def test_the_log_stays_bounded_while_a_backup_is_away(self):
        self.stack.away("catalog-2")
        self.wait_degraded()
        self.write_past("catalog-1", 2 * PAST_IT)

        def bounded():
            return self.last("catalog-1") - self.log_first("catalog-1") <= 2 * KEEP + 200

        wait_until(bounded, 20, "a bounded log")
        self.stack.back()
        self.healed()


if __name__ == "__main__":
    unittest.main()
