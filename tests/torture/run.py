#!/usr/bin/env python3
"""make torture: a real shop, many clients, and everything that can go wrong; then the proof that nobody was lied to.

    run.py [--seed N] [--duration SECONDS] [--rate N] [--clients N] [--kinds kill,cut,...] [--min-insync 1|all]
           [--replicas 2|3] [--losing none|some|all] [--crowd SHARE] [--keep]

Exit status: 0: nothing wrong; 1: a violation, or a shop that did not heal; 2: worthless, because faults went by with
too few requests. What it found is in BUILD/torture/: a line in runs.jsonl, and for a failure a directory
failed-<seed>/ with history and logs; the history can be checked again by BUILD/tests/torture-checker.
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import report
from logs import Logs
from nemesis import CROWD, KINDS, SERVICES, Nemesis
from shop import BUILD, TESTS, TortureStack, now
from stack import wait_until

MIN_READS, MIN_WRITES = 3, 1  # requests that overlap each fault
CALM_S = 2
READY_S = 30
MUTATIONS = 100


class Torture:
    def __init__(self, options):
        self.options, self.problems, self.weak, self.load = options, [], [], None
        self.place = os.path.join(BUILD, "torture")
        os.makedirs(self.place, exist_ok=True)
        self.history = os.path.join(self.place, f"history-{options.seed}" + ("-planted" if options.planted else ""))

    # ---- The run ----

    def start_load(self):
        doors = [f"--door=front={self.shop.port}", *(f"--door={n}={self.shop.port_of(n)}" for n in self.shop.workers)]
        self.load = subprocess.Popen([os.path.join(TESTS, "torture-load"), "--out", self.history, *doors,
                                      "--clients", str(self.options.clients), "--rate", str(self.options.rate),
                                      "--seed", str(self.options.seed)], stdout=subprocess.PIPE, text=True)

    def check_load(self):
        if self.load.poll() is not None:
            raise RuntimeError("the load ended before its time")

    def stop_load(self):
        self.load.terminate()
        said = self.load.communicate(timeout=300)[0].strip()
        if self.load.returncode != 0:
            self.problems.append(f"load: {said}")

    def run(self):
        self.shop = TortureStack(self.options.seed, self.options.losing, self.options.replicas, BAZAR_NGINX_WORKERS=2)
        self.nemesis = Nemesis(self.shop, self.options.seed, self.options.kinds, self.options.crowd)
        began = time.monotonic()
        try:
            self.choose_set()
            self.start_load()
            time.sleep(CALM_S)
            self.nemesis.run(self.options.duration, self.check_load)
            self.wait_healed()
            time.sleep(CALM_S)
            self.stop_load()
            self.seconds = time.monotonic() - began
            with open(self.history, "a", encoding="ascii") as file:
                file.writelines(line + "\n" for line in self.nemesis.lines())
            self.judge()
        except BaseException:
            self.problems.append("the run broke off")
            raise
        finally:
            if self.load is not None and self.load.poll() is None:
                self.load.kill()
                self.load.wait()
            self.keep_failure()
            self.shop.destroy()

    def wait_healed(self):
        """Everybody ready, and every replica in sync again."""
        def healed():
            return (all(self.shop.ready(name) for name in self.shop.workers) and
                    all(self.shop.primary(service, all_in_sync=True) for service in SERVICES))
        try:
            wait_until(healed, READY_S, "a shop that has healed")
        except AssertionError as error:
            self.problems.append(f"{error}\n{self.shop.ctl('status', check=False).stdout}")

    def choose_set(self):
        """How many replicas must have a write, to begin with."""
        choose = random.Random(self.options.seed)
        sizes = (*map(str, range(1, self.options.replicas)), "all")
        for service in SERVICES:
            self.shop.ctl("min-insync", service, self.options.min_insync or choose.choice(sizes))

    # ---- The verdict ----

    def judge(self):
        self.problems = self.nemesis.problems + self.problems
        self.seen = report.History(self.history)
        self.check_history()
        if self.problems and self.options.planted:
            return
        self.check_shop("verify")
        self.check_shop("reconcile", "--all")
        self.check_orders()
        self.check_logs()
        self.check_worth()

    def check_history(self):
        done = subprocess.run([os.path.join(TESTS, "torture-checker"), "--mutate", str(MUTATIONS), self.history],
                              capture_output=True, text=True)
        print(done.stdout.rstrip())
        self.operations = int((re.search(r"(\d+) operations", done.stdout) or [0, 0])[1])
        self.violations = [line for line in done.stdout.splitlines() if line.startswith("VIOLATION")]
        self.problems += self.violations
        if done.returncode != 0 and not self.violations:
            self.problems.append(f"checker: {done.stderr or done.stdout}")

    def check_shop(self, *command):
        done = self.shop.ctl(*command, check=False)
        if done.returncode != 0:
            self.problems.append(f"bazarctl {' '.join(command)}: {done.stdout}{done.stderr}")

    def read_orders(self, name):
        """Every order of one replica, by id."""
        client, orders, after = self.shop.client(self.shop.port_of(name)), {}, ""
        while after is not None:
            page = client.request("GET", f"/peer/orders?limit=1000{after}", None,
                                  {"X-Bazar-Secret": self.shop.secret()}).json
            orders.update((row["order_id"], row) for row in page["data"])
            after = f"&after={page['next']}" if page["next"] else None
        client.close()
        return orders

    def check_orders(self):
        """Every acknowledged purchase is at every replica, and there is none that nobody asked for."""
        for name in self.shop.replicas("order"):
            orders = self.read_orders(name)
            for order, wanted in self.seen.sold.items():
                row = orders.get(order, {})
                lines = [(line["book_id"], line["quantity"]) for line in row.get("lines", ())]
                if (row.get("status"), lines) != ("CONFIRMED", wanted):
                    self.problems.append(f"{name}: order {order} was acknowledged and is {row or 'not there'}")
            extra = sum(row["status"] == "CONFIRMED" for row in orders.values()) - len(self.seen.sold)
            if extra > self.seen.loose:
                self.problems.append(f"{name}: {extra} confirmed orders that nobody heard of, "
                                     f"and only {self.seen.loose} purchases left open")

    def check_logs(self):
        logs = Logs(self.shop)
        self.problems += [*logs.epochs(), *logs.leases(self.seen)]

    def check_worth(self):
        for fault in self.nemesis.done:
            reads = self.seen.overlapping("read", fault.began, fault.ended)
            writes = self.seen.overlapping("write", fault.began, fault.ended)
            if reads < MIN_READS or writes < MIN_WRITES:
                self.weak.append(f"{fault.line()}: only {reads} reads and {writes} writes during it")
        if not self.nemesis.done:
            self.weak.append("there was no fault")

    # ---- What is left of it ----

    def keep_failure(self):
        if self.options.planted or not (self.problems or self.options.keep):
            return
        place = os.path.join(self.place, f"failed-{self.options.seed}")
        shutil.rmtree(place, ignore_errors=True)
        os.makedirs(place)
        shutil.copytree(self.shop.logs(), os.path.join(place, "log"))
        if os.path.exists(self.history):
            shutil.copy(self.history, os.path.join(place, "history"))
        with open(os.path.join(place, "problems"), "w", encoding="utf-8") as file:
            file.writelines(problem + "\n" for problem in self.problems)
        print(f"kept in {place}")

    def summary(self):
        return {"seed": self.options.seed, "replicas": self.options.replicas, "seconds": round(self.seconds), "faults": self.nemesis.counts(),
                "requests": self.seen.requests, "operations": self.operations, "cache_hits": self.seen.hits,
                "orders": len(self.seen.sold), "violations": len(self.problems), "weak": len(self.weak),
                "unavailable_ms": report.unavailability(self.seen, self.nemesis.done),
                "read_ms": report.percentiles(self.seen.latency["read"]),
                "write_ms": report.percentiles(self.seen.latency["write"])}

    def tell(self):
        summary = self.summary()
        if self.options.planted:
            for problem in self.problems[:1]:
                print(f"SYMPTOM {problem}")
        else:
            with open(os.path.join(self.place, "runs.jsonl"), "a", encoding="ascii") as file:
                file.write(json.dumps(summary) + "\n")
        for line in report.table(summary["faults"], summary["unavailable_ms"]):
            print(line)
        print(f"  reads {summary['read_ms']}, writes {summary['write_ms']} (milliseconds)")
        for problem in [*self.problems[:20], *self.weak[:5]]:
            print(problem)
        print(f"torture: seed {self.options.seed}, {summary['seconds']} s, {sum(summary['faults'].values())} faults, "
              f"{self.operations} operations checked, {len(self.problems)} violations, {len(self.weak)} faults unwatched")


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--duration", type=float, default=600)
    parser.add_argument("--rate", type=int, default=1500)
    parser.add_argument("--clients", type=int, default=36)
    parser.add_argument("--kinds", type=lambda text: text.split(","), default=None, help=",".join(KINDS))
    parser.add_argument("--replicas", type=int, choices=(2, 3), default=None, help="of each service; default: by the seed")
    parser.add_argument("--min-insync", choices=("1", "all"), default=None, help="default: by the seed")
    parser.add_argument("--losing", choices=("none", "some", "all"), default=None,
                        help="whose disks lose at kill -9 what was not synced; default: by the seed")
    parser.add_argument("--crowd", type=float, default=CROWD, help="how often faults come thick and fast, 0 to 1")
    parser.add_argument("--planted", action="store_true", help="tell the first symptom; not a run to be added up")
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    if options.seed is None:
        options.seed = random.randrange(2**32)
    if options.replicas is None:
        options.replicas = random.Random(options.seed).choice((2, 2, 3))
    return options


def main():
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # and clean up
    print(f"seed {options.seed}, {options.replicas} replicas, {options.duration:g} s", flush=True)
    torture = Torture(options)
    torture.run()
    torture.tell()
    if options.planted or not (torture.problems or options.keep):
        os.unlink(torture.history)
    return 1 if torture.problems else 2 if torture.weak else 0


if __name__ == "__main__":
    sys.exit(main())
