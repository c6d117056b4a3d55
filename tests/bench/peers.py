#!/usr/bin/env python3
"""make bench-peers: the shop beside PostgreSQL with a synchronous standby, Redis, nginx alone and a bare libfcgi program.

All take turns in short rounds within one run; the ratios of the medians are what counts. Results: a table on stdout, and
build/bench/peers.json, of which plot.py draws the README's pictures.

    peers.py [--quick]
"""

import argparse
import subprocess
import tempfile

from tell import machine, save, say, show, show_facts, show_wanted
from books import book_path, usual_paths, write_books
from limits import usual_limits
from postgres import Postgres
from redis_server import Redis
from stack import Stack
from wrk import Load, take_turns

READERS, BUYERS = 32, 64


def reads(load, paths, rounds, shop, limits, redis):
    fixed = {name: load.paths(name.strip("/"), [name]) for name in ("/info", "/search", "/trivial")}

    def ours(name):
        return lambda: load.run(shop.port, "get", paths[name], READERS)

    def theirs(name):
        return lambda: load.run(limits.port, "get", fixed[name], READERS)

    redis.run(READERS, load.seconds)  # learns how many requests a round takes
    return take_turns({
        "nginx return 200, an info": theirs("/info"), "info, cached": ours("info, cached"),
        "info, uncached": ours("info, uncached"), "trivial libfcgi responder": theirs("/trivial"),
        "Redis GET, an info": lambda: redis.run(READERS, load.seconds),
        "nginx return 200, a search": theirs("/search"), "search, cached": ours("search, cached"),
        "search, uncached": ours("search, uncached"),
    }, rounds, "reads")


def buys(load, paths, rounds, shop, postgres):
    contenders = {}
    for clients in (1, BUYERS):
        for books in ("random books", "one book"):
            named = f"{books}, {clients} client{'s' * (clients > 1)}"
            contenders[f"PostgreSQL, {named}"] = \
                lambda b=books, c=clients: postgres.run(b, c, load.seconds)
            contenders[f"Bazar.com, {named}"] = \
                lambda b=books, c=clients: load.run(shop.port, "buy", paths[f"buy, {b}"], c)
    return take_turns(contenders, rounds, "buys")


RATIOS = [  # ours, theirs
    ("reads", "info, cached", "nginx return 200, an info"), ("reads", "search, cached", "nginx return 200, a search"),
    ("reads", "info, cached", "info, uncached"), ("reads", "search, cached", "search, uncached"),
    ("reads", "info, cached", "trivial libfcgi responder"), ("reads", "info, cached", "Redis GET, an info"),
    *(("buys", f"Bazar.com, {what}", f"PostgreSQL, {what}") for what in
      ("random books, 64 clients", "one book, 64 clients", "random books, 1 client", "one book, 1 client"))]


def ratios_of(results):
    return {f"{ours} / {theirs}": results[kind][ours]["rate"] / results[kind][theirs]["rate"]
            for kind, ours, theirs in RATIOS}


def wanted(results):
    ratio, bought = list(results["ratios"].values()), results["buys"]
    return show_wanted([
        ("cached info / nginx return 200", "at least", 0.9, ratio[0]),
        ("cached search / nginx return 200", "at least", 0.9, ratio[1]),
        ("cached info / uncached info", "at least", 2.5, ratio[2]),
        ("cached search / uncached search", "at least", 2.5, ratio[3]),
        ("buys/s, 64 clients, random books", "at least", 5000, bought["Bazar.com, random books, 64 clients"]["rate"]),
        ("buys/s, 64 clients, one book", "at least", 5000, bought["Bazar.com, one book, 64 clients"]["rate"]),
        ("buys, random books / PostgreSQL's", "at least", 0.5, ratio[6]),
        ("buys, one book / PostgreSQL's", "at least", 3, ratio[7]),
        ("median of a single buyer, ms", "at most", 2, bought["Bazar.com, random books, 1 client"]["p50"])])


def versions(postgres, redis):
    said = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True).stderr
    return {"PostgreSQL": postgres.version, "Redis": redis.version, "nginx": said.strip().split("/")[-1]}


def measure(options, folder):
    seconds, rounds = (2, 2) if options.quick else (3, 7)
    load, started = Load(folder, seconds), []

    def start(make):
        started.append(make)
        return make

    shop = Stack()
    try:
        say("Starting a shop of 10,000 books, PostgreSQL and its standby, Redis, nginx and a libfcgi program")
        shop.ctl("import", write_books(folder))
        limits = start(usual_limits(folder, shop))
        redis = start(Redis(shop.get(book_path(0)).body))
        postgres = start(Postgres())
        paths = usual_paths(load)
        results = {"machine": machine(), "versions": versions(postgres, redis), "rounds": rounds, "seconds": seconds}
        results["reads"] = reads(load, paths, rounds, shop, limits, redis)
        show(f"Reads, {READERS} connections", results["reads"])
        results["buys"] = buys(load, paths, rounds, shop, postgres)
        show("Purchases; PostgreSQL's by pgbench, without HTTP", results["buys"])
        postgres.check()
        shop.ctl("reconcile")
        results["ratios"] = ratios_of(results)
        show_facts("Ratios", results["ratios"])
        results["wanted"] = wanted(results)
        return results
    finally:
        for server in reversed(started):
            server.stop()
        shop.destroy()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="short rounds: to try the bench, not to quote")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bazar-bench-", ignore_cleanup_errors=True) as folder:
        save("peers.json", measure(options, folder))


if __name__ == "__main__":
    main()
