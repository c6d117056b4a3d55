#!/usr/bin/env python3
"""make bench: what the shop promises about speed, measured beside the limits it is compared with.

Contenders take turns in short rounds within one run, and medians are told, because machines are noisy;
ratios say more than rates. Results: a table on stdout, and build/bench/results.json.

    run.py [--quick] [--no-million] [--books FILE.csv]
"""

import argparse
import csv
import json
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "system"))
from stack import ADDED, BUILD, TOP, Stack, free_port  # noqa: E402  (needs the path above)

GOODBOOKS = os.path.join(os.path.dirname(TOP), "shared", "data", "goodbooks-10k.csv")
TOPICS, PER_TOPIC = 100, 100
SEED = 20090


def say(text=""):
    print(text, flush=True)


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


# ---- Requests one by one, timed from the client's side --------------------------------------------

class Probe:
    """One kept connection over a plain socket, so that little but the server is timed."""

    def __init__(self, port):
        self.port = port
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, method, path, body=""):
        """(seconds, status, headers as text) of one request."""
        kind = "Content-Type: application/json\r\n" if body else ""
        text = (f"{method} {path} HTTP/1.1\r\nHost: localhost:{self.port}\r\n{kind}"
                f"Content-Length: {len(body)}\r\n\r\n{body}").encode()
        began = time.perf_counter()
        self.socket.sendall(text)
        head, _, rest = self.read_until_head()
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        while len(rest) < length:
            rest += self.socket.recv(65536)
        return time.perf_counter() - began, int(head.split(b" ", 2)[1]), head.decode("latin-1")

    def read_until_head(self):
        data = b""
        while b"\r\n\r\n" not in data:
            part = self.socket.recv(65536)
            if not part:
                raise ConnectionError("closed in the middle of an answer")
            data += part
        return data.partition(b"\r\n\r\n")


def cache_state(head):
    return next((line.split(":")[1].strip() for line in head.split("\r\n") if line.lower().startswith("x-cache:")), "-")


def timed(probe, count, method, path_of, expect, before=None):
    """Milliseconds of `count` requests; each must be 200 and show the expected X-Cache."""
    samples = []
    for index in range(count):
        if before:
            before()
        seconds, status, head = probe.ask(method, path_of(index))
        if status != 200 or (expect and cache_state(head) != expect):
            raise SystemExit(f"{method} {path_of(index)}: {status}, X-Cache {cache_state(head)}, wanted {expect}")
        samples.append(seconds * 1000)
    return samples


def figures(samples):
    ordered = sorted(samples)
    return {"avg": statistics.fmean(samples), "min": ordered[0], "max": ordered[-1],
            "median": statistics.median(ordered), "stddev": statistics.stdev(samples),
            "p99": ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], "samples": len(samples)}


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


def finding_times(stack, count, books):
    """GET /books?q= over write_books' catalog: two words, however many books each of them has."""
    probe, draw = Probe(stack.port), random.Random(SEED)
    questions = {
        "two words of all books": lambda i: "book+bench",
        "one of all, one of one": lambda i: f"bench+{draw.randrange(books)}",
        "author's, a title's": lambda i: f"{draw.randrange(997)}+bench",
        "as typed: all, beginning": lambda i: f"bench+{draw.randrange(10, 100)}",
        "as typed: one letter": lambda i: "n",
    }
    return {name: figures(timed(probe, count, "GET", lambda i, q=q: f"/books?limit=20&q={q(i)}", None))
            for name, q in questions.items()}


# ---- Throughput by wrk ----------------------------------------------------------------------------

class Load:
    def __init__(self, folder, seconds):
        self.folder, self.seconds, self.number = folder, seconds, 0

    def paths(self, name, lines):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="ascii") as out:
            out.write("\n".join(lines) + "\n")
        return path

    def run(self, port, kind, paths, connections=32, seconds=None):
        """{rate, p50 and p99 in ms}. A single refused or failed request ends the bench."""
        self.number += 1
        threads = 2 if kind == "get" else 1  # one keeps up with purchases, and leaves the cores to the shop
        done = subprocess.run(["wrk", "-t", str(threads), "-c", str(connections), "-d", f"{seconds or self.seconds}s",
                               "--timeout", "10s", "-s", os.path.join(HERE, "load.lua"), f"http://127.0.0.1:{port}/",
                               "--", kind, str(SEED + self.number), paths],
                              capture_output=True, text=True, check=False)
        line = next((l for l in done.stdout.splitlines() if l.startswith("RESULT ")), None)
        if line is None:
            raise SystemExit(f"wrk said:\n{done.stdout}{done.stderr}")
        requests, micros, bad, p50, p99 = (int(w) for w in line.split()[1:])
        if bad:
            raise SystemExit(f"{kind} {paths}: {bad} of {requests} requests failed")
        return {"rate": requests * 1e6 / micros, "p50": p50 / 1000, "p99": p99 / 1000}


def median_of(rounds):
    return {key: statistics.median(r[key] for r in rounds) for key in rounds[0]}


def take_turns(contenders, rounds, label):
    """Run each contender once a round; medians by name."""
    results = {name: [] for name in contenders}
    for number in range(rounds):
        for name, work in contenders.items():
            progress(f"{label}: round {number + 1} of {rounds}, {name}")
            results[name].append(work())
    progress("")
    return {name: median_of(found) for name, found in results.items()}


# ---- The limits -----------------------------------------------------------------------------------

NGINX = """
{user} daemon off; worker_processes {workers}; pid nginx.pid; error_log error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
  keepalive_requests 1000000000;
  upstream trivial {{ server unix:{socket}; keepalive 64; keepalive_requests 1000000000; }}
{parts}
  server {{
    listen 127.0.0.1:{port};
    location / {{ default_type application/json; return 200 '{body}'; }}
    location /long {{ default_type application/json; return 200 "{long}"; }}
    location /trivial {{ fastcgi_pass trivial; fastcgi_keep_conn on; fastcgi_pass_request_headers off;
      fastcgi_param REQUEST_METHOD $request_method; fastcgi_param REQUEST_URI $request_uri; }}
  }}
}}
"""


def nginx_parts(body):
    """A body too long for one word of a configuration: maps that make variables of its parts, and all of them."""
    quoted = body.decode().replace("'", "\\'")
    parts = [quoted[at:at + 2000] for at in range(0, len(quoted), 2000)]
    maps = "\n".join(f"map $host $part{i} {{ default '{part}'; }}" for i, part in enumerate(parts))
    return maps, "".join(f"${{part{i}}}" for i in range(len(parts)))


class Limits:
    """nginx alone, answering the body of one book (/) and of a topic (/long), and nginx before a trivial libfcgi
    responder, answering that of the book."""

    def __init__(self, folder, body, long_body, workers):
        self.port, self.processes = free_port(), []
        os.makedirs(folder, exist_ok=True)
        path, sock = os.path.join(folder, "body"), os.path.join(folder, "t.sock")
        with open(path, "wb") as out:
            out.write(body)
        with open(os.path.join(folder, "nginx.conf"), "w", encoding="utf-8") as out:
            parts, long = nginx_parts(long_body)
            out.write(NGINX.format(user="user root;" * (os.geteuid() == 0), workers=workers, port=self.port, socket=sock,
                                   body=body.decode().replace("'", "\\'"), parts=parts, long=long))
        self.start([os.path.join(BUILD, "tests", "bench_trivial"), sock, path, "128"])
        self.start(["nginx", "-p", folder, "-c", "nginx.conf", "-e", "error.log"])
        self.wait()

    def start(self, command):
        """In a session of its own, as a shop's nginx is: the scheduler shares a busy machine out between sessions."""
        self.processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                               start_new_session=True))

    def wait(self):
        for _ in range(200):
            try:
                if Probe(self.port).ask("GET", "/trivial")[1] == 200:
                    return
            except (OSError, IndexError):
                pass
            time.sleep(0.05)
        self.stop()
        raise SystemExit("the comparison servers did not start")

    def stop(self):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            process.wait()


def fdatasync_rate(folder, seconds):
    """4 KiB appends, each followed by fdatasync, one after the other."""
    count, end = 0, time.perf_counter() + seconds
    file = os.open(os.path.join(folder, "fdatasync"), os.O_CREAT | os.O_WRONLY, 0o600)
    began = time.perf_counter()
    while time.perf_counter() < end:
        os.write(file, b"x" * 4096)
        os.fdatasync(file)
        count += 1
    rate = count / (time.perf_counter() - began)
    os.close(file)
    return {"rate": rate, "p50": 1000 / rate, "p99": 0.0}


# ---- Catalogs -------------------------------------------------------------------------------------

def write_books(path, count, first=1001):
    """Synthetic books: ids from `first`, in topics of PER_TOPIC books (up to TOPICS topics, then larger)."""
    topics = min(TOPICS, max(1, count // PER_TOPIC)) if count <= TOPICS * PER_TOPIC else count // PER_TOPIC
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["id", "title", "author", "topic", "price", "quantity"])
        for i in range(count):
            out.writerow([first + i, f"A book of the bench, number {i}", f"Author {i % 997}", f"shelf {i % topics}",
                          f"{1 + i % 90}.{i % 100:02d}", 1_000_000])


def memory_mib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def million_books(load, folder, hot, rounds, stack_of_seven):
    path, count = os.path.join(folder, "million.csv"), 1_000_000
    progress("1,000,000 books: generating")
    write_books(path, count)
    stack = Stack()
    try:
        progress("1,000,000 books: importing")
        began = time.perf_counter()
        stack.ctl("import", path, timeout=1800)
        imported = time.perf_counter() - began
        stack_of_seven.up()
        both = take_turns({"7 books": lambda: load.run(stack_of_seven.port, "get", hot),
                           "1,000,000 books": lambda: load.run(stack.port, "get", hot)}, rounds, "hot set")
        spread = load.paths("spread", [f"/info/{random.randrange(1001, 1001 + count)}" for _ in range(20000)])
        cold = load.run(stack.port, "get", spread)
        finding = finding_times(stack, 200, count)
        show_times(finding, "GET /books?q= over 1,000,000 books")
        memory = {name: memory_mib(stack.pid(name)) for name in ("catalog-1", "catalog-2")}
        stack.down()
        began = time.perf_counter()
        stack.up()
        return {"import seconds": imported, "start seconds": time.perf_counter() - began,
                "memory MiB": memory, "finding": finding, "hot set": both, "uniform over all": cold,
                "hot set, 1,000,000 books / 7 books": both["1,000,000 books"]["rate"] / both["7 books"]["rate"]}
    finally:
        stack.destroy()


# ---- The whole run --------------------------------------------------------------------------------

def show(title, rows, unit="/s"):
    say(f"\n{title}")
    for name, row in rows.items():
        say(f"  {name:44} {row['rate']:10,.0f} {unit}   p50 {row['p50']:7.2f} ms   p99 {row['p99']:7.2f} ms")


def show_times(table, what):
    say(f"\n{what}, one client, milliseconds")
    columns = ("avg", "min", "max", "median", "stddev", "p99")
    say(f"  {'':24}" + "".join(f"{c:>9}" for c in columns))
    for name, row in table.items():
        say(f"  {name:24}" + "".join(f"{row[c]:9.3f}" for c in columns))


def show_counts(counts):
    say("\nThe cache during these requests")
    for name, value in counts.items():
        say(f"  {name:44} {value:10}")


WANTED = [  # name, at least, unit; how it is computed stands in wanted()
    ("cached info / return 200", 0.9), ("cached search / return 200", 0.9), ("cached info / uncached info", 2.5),
    ("cached search / uncached search", 2.5), ("a worker's cached info / trivial responder", 0.85),
    ("uncached info / trivial responder", 0.75),
    ("buys/s, 64 clients, random books", 4000), ("buys/s, 64 clients, one book", 4000),
    ("1 / median of a single buyer, 1/s (3 ms)", 333), ("1 / median of finding two words, 1/s (5 ms)", 200),
    ("hot set, 1,000,000 books / 7 books", 0.9)]


def wanted(results):
    reads, buys = results["reads"], results["buys"]
    rate = {name: row["rate"] for name, row in reads.items()}
    found = [rate["info, cached"] / rate["nginx return 200, same body"],
             rate["search of 100 books, cached"] / rate["nginx return 200, 100 books"],
             rate["info, cached"] / rate["info, uncached"],
             rate["search of 100 books, cached"] / rate["search of 91-100 books, uncached"],
             rate["info, cached, answered by a worker"] / rate["trivial libfcgi responder"],
             rate["info, uncached"] / rate["trivial libfcgi responder"],
             buys["64 clients, random books"]["rate"], buys["64 clients, one book"]["rate"],
             1000 / results["response times"]["purchase"]["median"],
             1000 / max(row["median"] for row in results["finding"].values()),
             results.get("1,000,000 books", {}).get("hot set, 1,000,000 books / 7 books")]
    say("\nWanted on a quiet machine")
    for (name, least), value in zip(WANTED, found):
        if value is None:
            say(f"  {name:44}   not measured")
        else:
            say(f"  {name:44} {value:10,.2f}   at least {least:,}   {'met' if value >= least else 'MISSED'}")
    return {name: {"wanted": least, "measured": value} for (name, least), value in zip(WANTED, found)}


def measure(options, folder):
    seconds, rounds = (1, 2) if options.quick else (3, 5)
    load, results = Load(folder, seconds), {}
    seven, shop = Stack(), None
    try:
        shop = Stack()
        for book in range(1, 8):
            seven.put(f"/update/{book}/stock", {"quantity_change": 900_000_000})
        results["response times"], results["cache"] = response_times(seven, 200 if options.quick else 1000)
        show_times(results["response times"], "Response times")
        show_counts(results["cache"])
        seven.down()  # an idle shop takes its share, too

        write_books(os.path.join(folder, "books.csv"), TOPICS * PER_TOPIC)
        shop.ctl("import", os.path.join(folder, "books.csv"))
        results["finding"] = finding_times(shop, 200 if options.quick else 1000, TOPICS * PER_TOPIC)
        show_times(results["finding"], "GET /books?q= over 10,000 books")
        body = shop.get("/info/1001").body
        limits = Limits(os.path.join(folder, "limits"), body, shop.get("/search/shelf%207").body, workers=2)
        hot = load.paths("hot", [f"/info/{i}" for i in range(1, 8)])
        one, trivial = load.paths("one", ["/info/1001"]), load.paths("trivial", ["/trivial"])
        spread = load.paths("uniform", [f"/info/{1001 + i}" for i in range(TOPICS * PER_TOPIC)])
        shelf, long = load.paths("shelf", ["/search/shelf%207"]), load.paths("long", ["/long"])
        shelves = load.paths("shelves", [f"/search/shelf%20{t}?limit={n}" for t in range(TOPICS) for n in range(91, 101)])
        try:
            before = shop.get("/cache-stats").data
            results["reads"] = take_turns({
                "nginx return 200, same body": lambda: load.run(limits.port, "get", one),
                "nginx return 200, 100 books": lambda: load.run(limits.port, "get", long),
                "trivial libfcgi responder": lambda: load.run(limits.port, "get", trivial),
                "info, cached": lambda: load.run(shop.port, "get", one),
                "info, cached, answered by a worker": lambda: load.run(shop.port_of("catalog-1"), "get", one),
                "info, uncached": lambda: load.run(shop.port, "get", spread),
                "search of 100 books, cached": lambda: load.run(shop.port, "get", shelf),
                "search of 91-100 books, uncached": lambda: load.run(shop.port, "get", shelves),
            }, rounds, "reads")
            after = shop.get("/cache-stats").data
        finally:
            limits.stop()
        show("Reads, 32 connections", results["reads"])
        results["reads' cache"] = {k: after[k] - before[k] for k in ("hits", "misses")}
        load.run(shop.port, "get", spread, seconds=1)
        before = shop.get("/cache-stats").data
        load.run(shop.port, "get", spread, seconds=1)
        after = shop.get("/cache-stats").data
        hits, all_ = after["hits"] - before["hits"], after["total_requests"] - before["total_requests"]
        say(f"  (hits among the \"uncached\" infos: {100 * hits / max(1, all_):.1f} %)")

        single = load.paths("single", ["/buy/1001"])
        many = load.paths("many", [f"/buy/{1001 + i}" for i in range(TOPICS * PER_TOPIC)])
        contenders = {"the disk's fdatasync, 4 KiB, alone": lambda: fdatasync_rate(folder, seconds)}
        for clients in (1, 16, 64):
            for name, file in (("random books", many), ("one book", single)):
                contenders[f"{clients} client{'s' * (clients > 1)}, {name}"] = \
                    lambda c=clients, f=file: load.run(shop.port, "buy", f, c)
        results["buys"] = take_turns(contenders, max(3, rounds - 2) if not options.quick else 1, "buys")
        show("Purchases", results["buys"])

        results["second backup"] = second_backup(load, folder, many, rounds, shop)
        show("Purchases of 64 clients, random books", results["second backup"])

        results["mix"] = {"browsing, 95 reads to 5 buys": mix(load, options, folder, seconds, rounds)}
        if results["mix"]["browsing, 95 reads to 5 buys"]:
            show("A mix drawn by popularity over goodbooks-10k", results["mix"])
        else:
            say("\nThe goodbooks-10k mix is skipped: the data set is not here.")
        if options.million:
            shop.destroy()
            shop = None
            results["1,000,000 books"] = million_books(load, folder, hot, rounds, seven)
            say("\n1,000,000 books\n  " + json.dumps(results["1,000,000 books"], indent=2).replace("\n", "\n  "))
        results["wanted"] = wanted(results)
        shop and shop.ctl("reconcile")
        return results
    finally:
        seven.destroy()
        if shop:
            shop.destroy()


def second_backup(load, folder, many, rounds, shop):
    """What a third replica of each service costs those who buy: every write is on three disks then."""
    wide = Stack()
    try:
        wide.ctl("import", os.path.join(folder, "books.csv"))
        for name in ADDED:
            wide.ctl("member", "add", name, f"127.0.0.1:{wide.port_of(name)}")
        return take_turns({"one backup": lambda: load.run(shop.port, "buy", many, 64),
                           "two backups": lambda: load.run(wide.port, "buy", many, 64)}, rounds, "second backup")
    finally:
        wide.destroy()


def mix(load, options, folder, seconds, rounds):
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
    parser.add_argument("--no-million", dest="million", action="store_false", help="leave out 1,000,000 books")
    parser.add_argument("--books", default=GOODBOOKS, help="the goodbooks-10k.csv data set")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="bazar-bench-")
    try:
        results = measure(options, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    target = os.path.join(BUILD, "bench")
    os.makedirs(target, exist_ok=True)
    with open(os.path.join(target, "results.json"), "w", encoding="utf-8") as out:
        json.dump(results, out, indent=2)
    say(f"\nSaved: {os.path.relpath(os.path.join(target, 'results.json'))}")


if __name__ == "__main__":
    main()
