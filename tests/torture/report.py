"""What a history and its faults come to: how long the shop was away after each fault, and how fast it was."""

import bisect
import statistics

READS, WRITES = {"info", "tag", "search", "order"}, {"buy", "cart", "stock", "price"}
UNANSWERED = {"failed", "unknown", "unsent", "not-applied"}
AFTER_S = 10  # a fault's traces are looked for until the next one begins, at most so long after its end
HEALTHY_S = 1  # the shop was well before a fault if everything was answered within so long before it


def service_of(kind):
    return "order" if kind in ("buy", "cart", "order") else "catalog"


class History:
    """The requests of a history file, sorted for counting."""

    def __init__(self, path):
        self.invoked = {"read": [], "write": []}
        self.returned = {"read": [], "write": []}
        self.answered = {}  # (service, "read" or "write"): when answers that a customer could use came, by the front
        self.latency = {"read": [], "write": []}
        self.own_reads = {}  # replica: (invoked, returned) of reads answered at its own port, not from the cache
        self.requests = self.hits = 0
        self.sold = {}  # order id: [(book, quantity), ...]
        self.loose = 0  # purchases without a key that were never answered
        with open(path, encoding="ascii") as lines:
            for line in lines:
                words = line.split()
                if words and words[0].isdigit():
                    self.take(words)
        for times in (*self.invoked.values(), *self.returned.values(), *self.answered.values(), *self.own_reads.values()):
            times.sort()
        self.end = min(times[-1] for times in self.answered.values())

    def take(self, words):
        invoked, returned, at, kind, outcome = int(words[0]), int(words[1]), words[3], words[6], words[10]
        side = "write" if kind in WRITES else "read"
        self.requests += 1
        self.hits += words[5] == "HIT"
        self.invoked[side].append(invoked)
        self.returned[side].append(returned)
        if kind in ("buy", "cart") and outcome == "ok":
            lines = words[7] if kind == "cart" else f"{words[7]}:{words[8]}"
            self.sold[words[12]] = [tuple(map(int, line.split(":"))) for line in lines.split(",")]
        if kind == "buy" and words[9] == "-" and outcome in ("unknown", "pending"):
            self.loose += 1
        if side == "read" and at != "front" and words[5] != "HIT" and outcome != "failed":
            self.own_reads.setdefault(at, []).append((invoked, returned))
        if at == "front" and outcome not in UNANSWERED and (outcome != "pending" or side == "read"):
            self.answered.setdefault((service_of(kind), side), []).append(returned)
            self.latency[side].append((returned - invoked) / 1e6)

    def overlapping(self, side, begin, end):
        """Requests of which some moment lies within begin..end."""
        return bisect.bisect_right(self.invoked[side], end) - bisect.bisect_left(self.returned[side], begin)

    def longest_gap(self, key, begin, end):
        """The longest time without such an answer that begins within begin..end: (milliseconds, when it was over)."""
        times = self.answered.get(key, [])
        first, last = bisect.bisect_left(times, begin), bisect.bisect_left(times, end)
        points = [begin, *times[first:last + 1]]
        if last == len(times):
            points.append(max(end, begin))
        gap, over = max((after - before, after) for before, after in zip(points, points[1:]))
        return gap / 1e6, over

    def was_well(self, at):
        return all(bisect.bisect_left(times, at) > bisect.bisect_left(times, at - HEALTHY_S * 10**9)
                   for times in self.answered.values())

    def away(self, fault, limit):
        """{"read": (milliseconds without, when that was over), "write": ...} of the service that was away longest."""
        return {side: max(self.longest_gap((service, side), fault.began, limit) for service in ("catalog", "order"))
                for side in ("read", "write")}


def percentiles(samples):
    if len(samples) < 100:
        return {}
    cuts = statistics.quantiles(samples, n=100)
    return {"p50": round(cuts[49], 2), "p99": round(cuts[98], 2), "max": round(max(samples), 1)}


def unavailability(history, faults):
    """{kind: {"read": [ms...], "write": [ms...]}}: of each fault that hit a shop that was well, and had it to itself
    until it had recovered."""
    result = {}
    for fault in faults:
        others = [other for other in faults if other is not fault and other.ended > fault.began]
        limit = min([fault.ended + AFTER_S * 10**9, history.end, *(other.began for other in others)])
        if limit < fault.ended or not history.was_well(fault.began):
            continue
        kind = result.setdefault(fault.kind, {"read": [], "write": []})
        for side, (ms, until) in history.away(fault, limit).items():
            if until <= limit:
                kind[side].append(round(ms))
    return result


def table(counts, away):
    """Lines for people: faults by kind, milliseconds without service after those that came alone."""
    yield (f"  {'fault':12} {'times':>6} {'alone':>6}   {'no read, ms: median':>20} {'most':>6}"
           f"   {'no write, ms: median':>20} {'most':>6}")
    for kind, count in sorted(counts.items()):
        sides = away.get(kind, {"read": [], "write": []})
        cells = [f"{statistics.median(times):20.0f} {max(times):6}" if times else f"{'-':>20} {'-':>6}"
                 for times in (sides["read"], sides["write"])]
        yield f"  {kind:12} {count:6} {len(sides['write']):6}   {cells[0]}   {cells[1]}"
