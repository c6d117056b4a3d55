"""A backup made under load, and a shop that goes on from it."""

import csv
import io
import os
import shutil

from load import Load
from stack import OwnStack, wait_until


class Backup(OwnStack):
    def orders(self):
        rows = csv.DictReader(io.StringIO(self.stack.ctl("export", "orders").stdout))
        return {row["order_id"]: (row["status"], row["book_id"], row["quantity"]) for row in rows}

    def all_ended(self):
        return all(status != "PENDING" for status, *_ in self.orders().values())

    def place(self):
        return os.path.join(self.stack.home, "backup")

    def test_it_is_taken_under_load_and_restored_as_of_one_moment(self):
        key = {"Idempotency-Key": "bought before the backup"}
        bought = self.stack.post("/buy/7", {"quantity": 2}, key).data["order_id"]
        load = Load(self.stack)
        wait_until(lambda: load.done["buys"] > 50, what="purchases")
        known = set(load.orders)
        done = self.stack.ctl("backup", self.place())
        self.assertIn("Backed up", done.stdout)
        wait_until(lambda: len(load.orders) > len(known) + 50, what="purchases after the backup")
        load.finish()
        self.assertEqual(load.failures(), (0, []))
        wait_until(self.all_ended, what="the end of all orders")
        later = self.orders()
        self.assertEqual(self.stack.ctl("restore", "--check", self.place()).stdout.count("whole"), 2)
        self.refused("restore", self.place(), because="stop the shop first")

        self.stack.down()
        self.stack.ctl("restore", self.place())
        self.stack.up()
        wait_until(lambda: self.stack.whole("catalog") and self.stack.whole("order"), 30, "whole services")
        wait_until(self.all_ended, what="the end of all restored orders")
        restored = self.orders()
        self.assertLessEqual(known | {bought}, set(restored))  # what was bought before is there
        self.assertLess(len(restored), len(later))  # and what came later is not
        self.assertEqual({o: later[o] for o in restored}, restored)
        self.stack.ctl("verify")
        self.stack.ctl("reconcile", "--all")
        again = self.stack.post("/buy/7", {"quantity": 2}, key)  # keys outlive it
        self.assertEqual((again.data["order_id"], again.headers["Idempotent-Replayed"]), (bought, "true"))
        self.assertEqual(self.stack.post("/buy/6").status, 200)

    def test_a_damaged_one_is_refused_and_changes_nothing(self):
        self.assertEqual(self.stack.post("/buy/2").status, 200)
        self.stack.ctl("backup", self.place())
        self.stack.down()
        for damage in ("flip", "cut", "swap"):
            bad = os.path.join(self.stack.home, damage)
            shutil.copytree(self.place(), bad)
            path = os.path.join(bad, "catalog")
            with open(path, "rb") as file:
                data = bytearray(file.read())
            if damage == "flip":
                data[len(data) // 2] ^= 1
            elif damage == "cut":
                del data[-30:]
            else:
                shutil.copy(os.path.join(bad, "order"), path)
            if damage != "swap":
                with open(path, "wb") as file:
                    file.write(data)
            self.refused("restore", bad, because="no whole backup" if damage != "swap" else "is a backup of order")
        self.stack.up()
        self.assertEqual(len(self.orders()), 1)
