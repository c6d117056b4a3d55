"""A replica killed between each two steps of a write: rolled forward, never back, never twice; what the client is told is
true, and a repetition with its key gets the one answer."""

import http.client
import os
import threading
import unittest
import uuid

from failpoints import FailpointCase
from stack import wait_until

PRIMARY, BACKUP = "catalog-1", "catalog-2"
# Where the primary dies, and whether the write must have been made then.
AT_PRIMARY = {"before append": None, "before flush": None, "after flush": None, "before apply": True,
              "after apply": True, "after answer": True}
# The backup dies before it has the write on its disk, before its acknowledgement is out, before and after it knows of
# the commit.
AT_BACKUP = ("before append", "before flush", "after flush", "before apply", "after apply")


class Write(threading.Thread):
    """One book more in stock, asked for once; `again` repeats it with its key until it is decided."""

    def __init__(self, shop):
        super().__init__()
        self.shop, self.key, self.answer = shop, str(uuid.uuid4()), None
        self.start()

    def run(self):
        try:
            self.answer = self.shop.put("/update/1/stock", {"quantity_change": 1}, {"Idempotency-Key": self.key})
        except (OSError, http.client.HTTPException):
            pass  # the connection is lost

    @property
    def outcome(self):
        """done, not_applied, or unknown."""
        if self.answer is None:
            return "unknown"
        return "done" if self.answer.status == 200 else self.answer.json["outcome"]

    def again(self):
        def decided():
            self.run()
            return self.answer is not None and self.answer.status == 200
        wait_until(decided, 20, "the answer to the repetition")
        return self.answer


class InDoubt(FailpointCase):
    with_points = "bazar-catalog"

    def die_at(self, name, place):
        """A write of which a step kills this replica; it is over when the replica is there again."""
        self.shop.wait_ready(PRIMARY, BACKUP)
        wait_until(lambda: self.shop.whole("catalog"), what="both in sync")
        victim = self.shop.pid(name)
        self.arm(f"{name[-1]} {place}")
        write = Write(self.shop)
        wait_until(lambda: not os.path.exists(self.point), what=f"dying {place}")
        wait_until(lambda: self.shop.pid(name) not in (None, victim), what="a successor")
        write.join()
        self.shop.wait_ready(PRIMARY, BACKUP)
        return write

    def check(self, write, before, must_be):
        """The first answer was true, and there is one effect after the repetition, at both."""
        stock = wait_until(self.settled, what="the write's end") - before
        self.assertIn(stock, (0, 1))
        if must_be is not None:
            self.assertEqual(stock, must_be)
        if write.outcome != "unknown":
            self.assertEqual(stock, write.outcome == "done")
        first = write.answer if write.outcome == "done" else None
        answer = write.again()
        self.assertEqual(answer.data["quantity"], before + 1)
        if first is not None:
            self.assertEqual(answer.json, first.json)
        self.assertEqual(self.settled(), before + 1)

    def settled(self):
        """The stock, once both replicas have applied all and say the same."""
        told = [self.shop.status(name) for name in (PRIMARY, BACKUP)]
        if len({one["applied"] for one in told} | {one["last"]["seq"] for one in told}) != 1:
            return None
        stock = {self.shop.stock(1, name) for name in (PRIMARY, BACKUP)}
        self.assertEqual(len(stock), 1)
        return stock.pop()

    def test_the_primary_dies(self):
        for place, must_be in AT_PRIMARY.items():
            with self.subTest(place=place):
                before = wait_until(self.settled, what="a shop at rest")
                self.check(self.die_at(PRIMARY, place), before, must_be)
        self.shop.ctl("verify")

    def test_the_backup_dies(self):
        for place in AT_BACKUP:
            with self.subTest(place=place):
                before = wait_until(self.settled, what="a shop at rest")
                self.check(self.die_at(BACKUP, place), before, True)
        self.shop.ctl("verify")

    def test_the_backup_dies_and_one_is_enough(self):
        self.shop.ctl("min-insync", "catalog", "1")
        for place in AT_BACKUP:
            with self.subTest(place=place):
                before = wait_until(self.settled, what="a shop at rest")
                write = self.die_at(BACKUP, place)
                self.assertEqual(write.outcome, "done", write.answer)
                self.check(write, before, True)
        self.shop.ctl("verify")


if __name__ == "__main__":
    unittest.main()
