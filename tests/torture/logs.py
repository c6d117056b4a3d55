"""What the logs of a tortured shop prove or disprove: one primary in an epoch (I2), no read on a lease that was over (I6)."""

import bisect
import datetime
import glob
import json
import os
import re
import time

ROUGHLY_MS = 5  # what the log's times, rounded and of another clock, may be wrong by
STARTED = re.compile(r"(\S+) started, pid")
ACTIVE = re.compile(r"primary is active: epoch ([0-9.]+)")
SET = re.compile(r"the replica set (is to be|is) (.*)primary (\d+), ")


class Logs:
    def __init__(self, shop):
        self.shop = shop

    def lines(self, name):
        """(time, message) of everything one program logged, in order."""
        for path in sorted(glob.glob(os.path.join(self.shop.logs(), f"{name}.log*")), reverse=True):
            with open(path, encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    try:
                        entry = json.loads(line)
                        yield entry["time"], entry["msg"]
                    except (ValueError, TypeError, KeyError):
                        pass  # a line that a kill cut short, or another program's

    # ---- I2 ----

    def starts(self):
        """{name: times of its starts}."""
        starts = {name: [] for name in self.shop.workers}
        for when, what in self.lines("bazar-run"):
            found = STARTED.match(what)
            if found and found[1] in starts:
                starts[found[1]].append(when)
        return starts

    def epochs(self):
        """Problems: an epoch in which two starts were the active primary."""
        seen = {}
        for name, times in self.starts().items():
            for when, what in self.lines(name):
                found = ACTIVE.match(what)
                if not found:
                    continue
                term, start = (name.split("-")[0], found[1]), (name, bisect.bisect_right(times, when))
                first = seen.setdefault(term, start)
                if first != start:
                    yield (f"{term[0]}: epoch {term[1]} had two primaries: start {first[1]} of {first[0]}, "
                           f"start {start[1]} of {start[0]}")

    # ---- I6 ----

    def sets(self, service):
        """(time, committed, ids in sync) of the sets that primaries of this service logged, in order."""
        found = []
        for name in self.shop.replicas(service):
            for when, what in self.lines(name):
                words = SET.match(what)
                if words and name == f"{service}-{words[3]}":
                    members = words[2].strip(", ").split(", ")
                    in_sync = {int(one) for one in members if not one.endswith("(away)")}
                    found.append((monotonic(when), words[1] == "is", in_sync))
        return sorted(found, key=lambda one: one[0])

    def left_out(self, name):
        """Times from which a committed set leaves a replica out, and at which a primary wants it back."""
        service, number = name.split("-")
        since = None
        for when, committed, in_sync in self.sets(service):
            if int(number) in in_sync:
                if since is not None:
                    yield since, when
                since = None
            elif committed and since is None:
                since = when
        if since is not None:
            yield since, float("inf")

    def leases(self, history):
        """Problems: reads that a replica got and answered while a committed set left it out. (One may wait until the replica
        is back.)"""
        margin = ROUGHLY_MS * 10**6
        for name in self.shop.workers:
            reads = history.own_reads.get(name, [])
            for since, until in self.left_out(name):
                for invoked, returned in reads[bisect.bisect_right(reads, (since + margin,)):]:
                    if invoked > until:
                        break
                    if returned < until - margin:
                        yield f"I6: {name} was left out of the set from {since} to {until} and answered a read of {invoked}"


def monotonic(when):
    """Nanoseconds on the clock of the histories of a log's time."""
    wall = datetime.datetime.fromisoformat(when.replace("Z", "+00:00")).timestamp()
    return int(wall * 1e9) - time.time_ns() + time.monotonic_ns()
