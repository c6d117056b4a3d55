"""Customers who never ask twice: every request that is not answered well is a failed one."""

import http.client
import random
import threading
import time

READS = ("/info/1", "/info/2", "/info/7", "/search/nature", "/topics", "/search/distributed%20systems")


class Load:
    """Readers, buyers and changers of prices, each on a connection of its own for every request (a kept one
    may be closed by a reload of nginx while a request is on its way)."""

    def __init__(self, stack, readers=2, buyers=2, changers=1, seed=1):
        self.stack, self.stop, self.lock = stack, threading.Event(), threading.Lock()
        self.done, self.failed, self.orders = {"reads": 0, "buys": 0, "changes": 0}, [], set()
        self.degraded = 0
        for book in range(1, 8):
            assert stack.put(f"/update/{book}/stock", {"quantity_change": 1_000_000}).status == 200
        jobs = [self.read] * readers + [self.buy] * buyers + [self.change] * changers
        self.threads = [threading.Thread(target=self.run, args=(job, random.Random(seed + i)))
                        for i, job in enumerate(jobs)]
        for thread in self.threads:
            thread.start()

    def finish(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def run(self, job, choose):
        while not self.stop.is_set():
            began = time.monotonic()
            try:
                answer = job(choose)
            except (OSError, http.client.HTTPException) as error:
                answer = error
            if getattr(answer, "status", 0) not in (200, 202):
                self.failed.append(f"{job.__name__} {time.monotonic() - began:.3f} s {str(answer)[:120]}")

    def failures(self):
        """How many, and the first few."""
        return len(self.failed), self.failed[:5]

    def count(self, kind, answer):
        with self.lock:
            self.done[kind] += 1
            if answer.status == 200 and b'"degraded":true' in answer.body.replace(b" ", b""):
                self.degraded += 1
        return answer

    def read(self, choose):
        return self.count("reads", self.stack.get(choose.choice(READS)))

    def buy(self, choose):
        answer = self.count("buys", self.stack.post(f"/buy/{choose.randint(1, 7)}"))
        if answer.status in (200, 202):
            self.orders.add(answer.data["order_id"])
        return answer

    def change(self, choose):
        return self.count("changes", self.stack.put("/update/3/price", {"price": choose.randint(1, 1000)}))
