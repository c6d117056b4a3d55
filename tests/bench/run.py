#!/usr/bin/env python3
"""make bench: what the shop promises about speed, measured beside the limits it is compared with.

Contenders take turns in short rounds within one run, and medians are told, because machines are noisy;
ratios say more than rates. Results: a table on stdout, and build/bench/results.json. Beside other
databases: peers.py; in a crowd, by the clock and with a million books: pressure.py.

    run.py [--quick] [--books FILE.csv]
"""

import argparse
import csv
import os
import random
import tempfile

from tell import machine, save, say, show, show_facts, show_times, show_wanted
from books import USUAL, usual_paths, write_books
from finding import finding_times
from limits import fdatasync_rate, usual_limits
from probe import Probe, figures, timed
from stack import ADDED, TOP, Stack
from wrk import SEED, Load, median_of, take_turns

GOODBOOKS = os.path.join(os.path.dirname(TOP), "shared", "data", "goodbooks-10k.csv")


def response_times(stack, count):
    probe, other = Probe(stack.port), Probe(stack.port)

    def empty():
        if other.ask("POST", "/invalidate-cache")[1] != 200:
            raise SystemExit("the cache could not be emptied")

    def book(index):
        return f"/info/{1 + index % 7}"

    def topic(index):
        return ("/search/distributed%20systems", "/search/nature")[index % 2]

    before = stack.get("/cache-stats").data
    rows = {"search, cold": timed(probe, count, "GET", topic, "MISS", empty)}
    for path in {topic(i) for i in range(2)} | {book(i) for i in range(7)}:
        probe.ask("GET", path)
    rows["search, warm"] = timed(probe, count, "GET", topic, "HIT")
    rows["info, cold"] = timed(probe, count, "GET", book, "MISS", empty)
    for i in range(7):
        probe.ask("GET", book(i))
    rows["info, warm"] = timed(probe, count, "GET", book, "HIT")
    rows["purchase"] = timed(probe, count, "POST", lambda i: f"/buy/{1 + i % 7}", None)
    after = stack.get("/cache-stats").data
    table = {name: figures(samples) for name, samples in rows.items()}
    counts = {k: after[k] - before[k] for k in ("hits", "misses", "invalidations")}
    counts["hit_rate_percent"] = round(100 * counts["hits"] / max(1, counts["hits"] + counts["misses"]), 2)
    for kind in ("search", "info"):
        cold, warm = table[f"{kind}, cold"]["median"], table[f"{kind}, warm"]["median"]
        counts[f"{kind} improvement, percent of the median"] = round(100 * (cold - warm) / cold, 1)
    return table, counts


def wanted(results):
    rate = {name: row["rate"] for name, row in {**results["reads"], **results["buys"]}.items()}
    return show_wanted([
        ("cached info / return 200", "at least", 0.9, rate["info, cached"] / rate["nginx return 200, an info"]),
        ("cached search / return 200", "at least", 0.9, rate["search, cached"] / rate["nginx return 200, a search"]),
        ("cached info / uncached info", "at least", 2.5, rate["info, cached"] / rate["info, uncached"]),
        ("cached search / uncached search", "at least", 2.5, rate["search, cached"] / rate["search, uncached"]),
        ("a worker's cached info / trivial responder", "at least", 0.85,
         rate["info, cached, answered by a worker"] / rate["trivial libfcgi responder"]),
        ("uncached info / trivial responder", "at least", 0.75,
         rate["info, uncached"] / rate["trivial libfcgi responder"]),
        ("buys/s, 64 clients, random books", "at least", 4000, rate["64 clients, random books"]),
        ("buys/s, 64 clients, one book", "at least", 4000, rate["64 clients, one book"]),
        ("median of a single buyer, ms", "at most", 3, results["response times"]["purchase"]["median"]),
        ("median of finding two words, ms", "at most", 5,
         max(row["median"] for row in results["finding"].values()))])


def measure(options, folder):
    seconds, rounds = (1, 2) if options.quick else (3, 5)
    load, results = Load(folder, seconds), {"machine": machine(), "rounds": rounds, "seconds": seconds}
    seven, shop = Stack(), None
    try:
        for book in range(1, 8):
            seven.put(f"/update/{book}/stock", {"quantity_change": 900_000_000})
        results["response times"], results["cache"] = response_times(seven, 200 if options.quick else 1000)
        show_times(results["response times"], "Response times")
        show_facts("The cache during these requests", results["cache"])
        seven.down()  # an idle shop takes its share, too

        shop = Stack()
        books = write_books(folder)
        shop.ctl("import", books)
        results["finding"] = finding_times(shop.port, 200 if options.quick else 1000, USUAL)
        show_times(results["finding"], "GET /books?q= over 10,000 books")
        paths = usual_paths(load)
        results["reads"], results["reads' cache"] = reads(load, folder, paths, rounds, shop)
        show("Reads, 32 connections", results["reads"])
        show_facts("The cache during these reads", results["reads' cache"])
        results["buys"] = buys(load, folder, paths, 1 if options.quick else max(3, rounds - 2), shop)
        show("Purchases", results["buys"])

        results["second backup"] = second_backup(load, books, paths["buy, random books"], rounds, shop)
        show("Purchases of 64 clients, random books", results["second backup"])

        results["mix"] = {"browsing, 95 reads to 5 buys": mix(load, options, folder, rounds)}
        if results["mix"]["browsing, 95 reads to 5 buys"]:
            show("A mix drawn by popularity over goodbooks-10k", results["mix"])
        else:
            say("\nThe goodbooks-10k mix is skipped: the data set is not here.")
        results["wanted"] = wanted(results)
        shop.ctl("reconcile")
        return results
    finally:
        seven.destroy()
        if shop:
            shop.destroy()


def hits_during(shop, work):
    before = shop.get("/cache-stats").data
    done = work()
    after = shop.get("/cache-stats").data
    return done, {k: after[k] - before[k] for k in ("hits", "misses")}


def reads(load, folder, paths, rounds, shop):
    fixed = {name: load.paths(name.strip("/"), [name]) for name in ("/info", "/search", "/trivial")}
    limits = usual_limits(folder, shop)
    try:
        found, counts = hits_during(shop, lambda: take_turns({
            "nginx return 200, an info": lambda: load.run(limits.port, "get", fixed["/info"]),
            "nginx return 200, a search": lambda: load.run(limits.port, "get", fixed["/search"]),
            "trivial libfcgi responder": lambda: load.run(limits.port, "get", fixed["/trivial"]),
            "info, cached, answered by a worker":
                lambda: load.run(shop.port_of("catalog-1"), "get", paths["info, cached"]),
            **{name: lambda p=path: load.run(shop.port, "get", p)
               for name, path in paths.items() if not name.startswith("buy")},
        }, rounds, "reads"))
    finally:
        limits.stop()
    load.run(shop.port, "get", paths["info, uncached"], seconds=1)
    _, spread = hits_during(shop, lambda: load.run(shop.port, "get", paths["info, uncached"], seconds=1))
    counts['percent of hits among the "uncached" infos'] = 100 * spread["hits"] / max(1, sum(spread.values()))
    return found, counts


def buys(load, folder, paths, rounds, shop):
    contenders = {"the disk's fdatasync, 4 KiB, alone": lambda: fdatasync_rate(folder, load.seconds)}
    for clients in (1, 16, 64):
        for name in ("random books", "one book"):
            contenders[f"{clients} client{'s' * (clients > 1)}, {name}"] = \
                lambda c=clients, f=paths[f"buy, {name}"]: load.run(shop.port, "buy", f, c)
    return take_turns(contenders, rounds, "buys")


def second_backup(load, books, many, rounds, shop):
    """What a third replica of each service costs those who buy: every write is on three disks then."""
    wide = Stack()
    try:
        wide.ctl("import", books)
        for name in ADDED:
            wide.ctl("member", "add", name, f"127.0.0.1:{wide.port_of(name)}")
        return take_turns({"one backup": lambda: load.run(shop.port, "buy", many, 64),
                           "two backups": lambda: load.run(wide.port, "buy", many, 64)}, rounds, "second backup")
    finally:
        wide.destroy()


def mix(load, options, folder, rounds):
    if not os.path.exists(options.books):
        return None
    with open(options.books, encoding="utf-8", newline="") as file:
        books = list(csv.DictReader(file))
    draw = random.Random(SEED).choices([b["id"] for b in books], [int(b["popularity"]) for b in books], k=50000)
    paths = load.paths("popular", [f"/info/{book}" for book in draw])
    stack = Stack()
    try:
        stocked = os.path.join(folder, "stocked.csv")
        with open(stocked, "w", newline="", encoding="utf-8") as file:
            out = csv.DictWriter(file, ["id", "title", "author", "topic", "price", "quantity"], extrasaction="ignore")
            out.writeheader()
            out.writerows({**book, "quantity": 1_000_000} for book in books)
        stack.ctl("import", "--replace", stocked)
        for book in range(1, 8):
            stack.put(f"/update/{book}/stock", {"quantity_change": 1_000_000})
        found = [load.run(stack.port, "mix", paths) for _ in range(max(1, rounds - 2))]
        stack.ctl("reconcile")
        return median_of(found)
    finally:
        stack.destroy()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="short rounds: to try the bench, not to quote")
    parser.add_argument("--books", default=GOODBOOKS, help="the goodbooks-10k.csv data set")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bazar-bench-", ignore_cleanup_errors=True) as folder:
        save("results.json", measure(options, folder))


if __name__ == "__main__":
    main()
