#!/usr/bin/env python3
"""make bench-pressure: ten thousand connections, latency by the clock, a million books.

Results: a table on stdout, and crowd.json, latency.json and size.json in build/bench/.

    pressure.py [--quick] [--only crowd,latency,size] [--million N,...]

--million 1,10 adds ten million books, which take an hour and 15 GB of disk; --million 0.1 tries it.
"""

import argparse
import shutil
import tempfile
import time

import openloop
import size
from tell import machine, progress, save, say, show, show_facts, show_wanted
from books import usual_paths, write_books
from crowd import BEGUN, Crowd, all_at_once, newcomers, room_for
from probe import Probe
from stack import Stack, wait_until
from wrk import Load, take_turns

PARTS = ("crowd", "latency", "size")
SHARES = (25, 50, 75)  # percent of saturation
KINDS = {"cached reads": ("get", "info, cached"), "uncached reads": ("get", "info, uncached"),
         "buys": ("buy", "buy, random books")}
HELD = 10_000
HOUSE = 2 * 8192  # nginx's workers and their worker_connections
DISK_MIB_PER_MILLION = 1500  # two replicas, the log, what import reads


# ---- Ten thousand connections ----

def crowd_part(load, paths, shop, rounds):
    room_for(HOUSE + 500)
    served = {"reads": lambda: load.run(shop.port, "get", paths["info, cached"], 64),
              "buys": lambda: load.run(shop.port, "buy", paths["buy, random books"], 64)}
    alone = take_turns(served, rounds, "nobody else")
    crowd = Crowd(shop.port)
    progress(f"{HELD} connections")
    refused = crowd.grow(HELD)
    beside = take_turns(served, rounds, f"beside {HELD:,} connections")
    facts = {"turned away of them": refused, "still held after it": crowd.alive(),
             **{f"{name}/s beside them / alone": beside[name]["rate"] / alone[name]["rate"] for name in served}}
    show_facts(f"{HELD:,} idle connections held open while 64 clients are served", facts)
    crowd.leave()
    everybody = all_at_once(load, shop.port, paths["info, cached"], HELD)
    show_facts(f"{HELD:,} clients asking at once (of more than 1,024 at nginx at a time the rest gets 503)", everybody)
    full = {"idle": full_house(shop, ""), "in the middle of a request": full_house(shop, BEGUN)}
    for name, found in full.items():
        show_facts(f"More connections than nginx takes ({HOUSE:,}), {name}; 50 newcomers", found)
    return {"alone": alone, "beside": beside, "facts": facts, "all at once": everybody, "full": full}


def full_house(shop, text):
    crowd = Crowd(shop.port, *([text] if text else []))
    progress(f"{HOUSE} connections and more")
    try:
        refused = crowd.grow(HOUSE + 300)
        held = crowd.alive()
        outcomes, longest = newcomers(shop.port, 50)
        hung = outcomes.pop("hung")
        if hung:
            raise SystemExit(f"{hung} newcomers at a full house got no answer at all")
    finally:
        crowd.leave()
    began = time.monotonic()
    wait_until(lambda: Probe(shop.port, 5).ask("GET", "/info/1")[1] == 200, 30, "an answer after the crowd has left")
    return {"turned away at the door": refused, "held": held, **{f"newcomers: {k}": v for k, v in outcomes.items()},
            "longest wait of a newcomer, ms": longest, "served again after, s": time.monotonic() - began}


# ---- Latency by the clock ----

def latency_part(load, paths, shop, rounds):
    checked = openloop.check(load)
    show_facts("The generator, held against a server that stands still for a second", checked)
    most = take_turns({name: lambda k=kind, p=paths[path]: load.run(shop.port, k, p, 64)
                       for name, (kind, path) in KINDS.items()}, rounds, "saturation")
    show("Saturation, 64 clients that ask as soon as they are answered", most)
    contenders = {f"{name}, {share} %": lambda n=name, s=share: openloop.run(
        shop.port, KINDS[n][0], paths[KINDS[n][1]], int(most[n]["rate"] * s / 100), load.seconds)
        for name in KINDS for share in SHARES}
    found = take_turns(contenders, rounds, "by the clock")
    say("\nLatency by the clock, from the time a request was due, milliseconds")
    say(f"  {'share of saturation':26}" + "".join(f"{c:>12}" for c in ("rate/s", "p50", "p99", "p99.9", "max", "sent late")))
    for name, row in found.items():
        say(f"  {name:26}{row['rate']:12,.0f}" + "".join(
            f"{row[c]:12.3f}" for c in ("p50", "p99", "p99.9", "max", "sent late, p99")))
    return {"generator": checked, "saturation": most, "by the clock": found}


# ---- All of it ----

def check_disk(folder, millions):
    free = shutil.disk_usage(folder).free / 2**20
    need = max(millions, default=0) * DISK_MIB_PER_MILLION + 2000
    if free < need:
        raise SystemExit(f"{max(millions):g} million books need {need:,.0f} MiB of disk in {folder}, where {free:,.0f} are free")


def latency_wanted(found):
    return [("p99 of cached reads at 50 % of saturation, ms", "at most", 1, found["by the clock"]["cached reads, 50 %"]["p99"])]


def size_wanted(found):
    million = found.get("1,000,000 books")
    return million and [
        ("hot reads, 1,000,000 books / 7", "at least", 0.9, million["ratios"]["hot reads, many / 7"]),
        ("hot buys, 1,000,000 books / 7", "at least", 0.9, million["ratios"]["hot buys, many / 7"]),
        ("recovery after kill -9, 1,000,000 books, s", "at most", 1,
         max(value for name, value in million["facts"].items() if name.startswith("recovery")))] or []


def usual_shop(load, folder, work):
    shop = Stack()
    try:
        shop.ctl("import", write_books(folder))
        found = work(load, usual_paths(load), shop)
        shop.ctl("reconcile")
        return found
    finally:
        shop.destroy()


def all_sizes(load, folder, millions, rounds):
    check_disk(folder, millions)
    seven = Stack()
    try:
        size.stock(seven)
        return {f"{int(m * 1e6):,} books": size.measure(load, folder, seven, int(m * 1e6), rounds) for m in millions}
    finally:
        seven.destroy()


def measure(options, folder):
    seconds, rounds = (2, 1) if options.quick else (5, 5)
    load = Load(folder, seconds)
    parts = {"crowd": (lambda: usual_shop(load, folder, lambda *with_: crowd_part(*with_, rounds)), lambda found: []),
             "latency": (lambda: usual_shop(load, folder, lambda *with_: latency_part(*with_, rounds)), latency_wanted),
             "size": (lambda: all_sizes(load, folder, options.million, rounds), size_wanted)}
    for part in options.only:
        work, wanted = parts[part]
        results = {"machine": machine(), "rounds": rounds, "seconds": seconds, part: work()}
        save(f"{part}.json", {**results, "wanted": show_wanted(wanted(results[part]))})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="short rounds: to try the bench, not to quote")
    parser.add_argument("--only", default=",".join(PARTS), type=lambda text: text.split(","), help=f"of {','.join(PARTS)}")
    parser.add_argument("--million", default="1", type=lambda text: [float(n) for n in text.split(",")],
                        help="catalog sizes, in millions of books")
    options = parser.parse_args()
    if not set(options.only) <= set(PARTS):
        parser.error(f"--only takes {','.join(PARTS)}")
    with tempfile.TemporaryDirectory(prefix="bazar-bench-", ignore_cleanup_errors=True) as folder:
        measure(options, folder)


if __name__ == "__main__":
    main()
