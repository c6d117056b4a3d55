"""How a shop of many books starts, recovers, reads and sells, beside one of seven."""

import os
import random
import time

from tell import progress, show, show_facts, show_times
from books import FIRST, write_books
from finding import finding_times
from stack import Stack
from wrk import SEED, take_turns

HOT = range(1, 8)  # in every shop
QUICK_END = 10.5  # seconds
SPREAD = 20_000  # of the many, drawn once
REPLICAS = ("catalog-1", "catalog-2", "order-1", "order-2")


def memory_mib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def disk_mib(folder):
    return sum(os.stat(os.path.join(top, name)).st_blocks * 512 / 2**20
               for top, _, names in os.walk(folder) for name in names)


def stock(shop):
    for book in HOT:
        shop.put(f"/update/{book}/stock", {"quantity_change": 900_000_000})


def timed(work):
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def recovery(shop, name):
    """Seconds from kill -9 until the replica is ready again. One that lived for less than 10 s is started again
    only after a pause, so it is let live."""
    time.sleep(QUICK_END)
    return timed(lambda: shop.kill_and_await_successor(name, seconds=600))


def fill(shop, folder, count):
    progress(f"{count:,} books: writing them down")
    path = write_books(folder, count)
    progress(f"{count:,} books: importing")
    took = timed(lambda: shop.ctl("import", path, timeout=6 * 3600))
    os.unlink(path)
    return {"import seconds": took, "imported books/s": count / took,
            **{f"{name}, memory MiB": memory_mib(shop.pid(name)) for name in REPLICAS},
            **{f"{name}, disk MiB": disk_mib(os.path.join(shop.run, name)) for name in REPLICAS[:2]}}


def starts(shop, rounds):
    facts = {}
    for name, what in (("catalog-1", "primary"), ("catalog-2", "backup")):
        progress(f"killing the {what}")
        facts[f"recovery of the {what} after kill -9, worst of {rounds}, s"] = \
            max(recovery(shop, name) for _ in range(rounds))
    progress("stopping and starting")
    shop.down()
    facts["start, seconds"] = timed(shop.up)
    return facts


def rates(load, shop, seven, count, rounds):
    hot = load.paths("hot", [f"/info/{book}" for book in HOT])
    hot_buys = load.paths("hot-buys", [f"/buy/{book}" for book in HOT])
    drawn = [random.Random(SEED).randrange(FIRST, FIRST + count) for _ in range(SPREAD)]
    spread = load.paths("spread", [f"/info/{book}" for book in drawn])
    spread_buys = load.paths("spread-buys", [f"/buy/{book}" for book in drawn])
    return take_turns({
        "hot reads, 7 books": lambda: load.run(seven.port, "get", hot),
        "hot reads, many books": lambda: load.run(shop.port, "get", hot),
        "hot buys, 7 books": lambda: load.run(seven.port, "buy", hot_buys, 64),
        "hot buys, many books": lambda: load.run(shop.port, "buy", hot_buys, 64),
        "reads all over, many books": lambda: load.run(shop.port, "get", spread),
        "buys all over, many books": lambda: load.run(shop.port, "buy", spread_buys, 64),
    }, rounds, f"{count:,} books")


def measure(load, folder, seven, count, rounds):
    """`seven` is a running shop with its first books only."""
    shop = Stack()
    try:
        facts = fill(shop, folder, count)
        facts.update(starts(shop, 3))
        show_facts(f"{count:,} books", facts)
        stock(shop)
        found = rates(load, shop, seven, count, rounds)
        show(f"{count:,} books beside 7", found)
        finding = finding_times(shop.port, 100, count)
        show_times(finding, f"GET /books?q= over {count:,} books")
        ratios = {f"hot {what}, many / 7": found[f"hot {what}, many books"]["rate"] / found[f"hot {what}, 7 books"]["rate"]
                  for what in ("reads", "buys")}
        show_facts("Ratios", ratios)
        return {"facts": facts, "rates": found, "ratios": ratios, "finding": finding}
    finally:
        shop.destroy()
