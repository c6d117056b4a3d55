"""What happens to a tortured shop. A fault begins, lasts, ends, and is over when the shop has what it needs again."""

import os
import random
import signal
import time

from shop import OFFSETS, now

CATALOG, ORDER = ("catalog-1", "catalog-2"), ("order-1", "order-2")
LIVED_WELL_S = 10.5  # the supervisor waits longer and longer for one that lives shorter than 10 s
OVER_S = 60  # a fault whose traces last longer than this is a shop that did not heal


class Fault:
    """One fault. `kind` is what it is counted as; `holds` what no other fault may touch meanwhile."""

    kind = None

    def __init__(self, shop, choose, target):
        self.shop, self.choose, self.target = shop, choose, target
        self.began = self.ended = None
        self.until = 0  # time.monotonic() at which it ends

    @property
    def holds(self):
        return {self.target}

    def last(self, least, most):
        self.until = time.monotonic() + self.choose.uniform(least, most)

    def begin(self):
        """False: nothing to do it to right now."""
        raise NotImplementedError

    def end(self):
        pass

    def over(self):
        return True

    def line(self):
        return f"fault {self.began} {self.ended} {self.kind} {self.target}"


class Kill(Fault):
    kind = "kill"

    def begin(self):
        self.old = self.shop.pid(self.target)
        return self.shop.send(self.target, signal.SIGKILL)

    def over(self):
        pid = self.shop.pid(self.target)
        return pid not in (None, self.old) and self.shop.ready(self.target)


class KillBoth(Fault):
    """Both replicas of a service at once."""

    kind = "kill-both"

    @property
    def holds(self):
        return set(self.target)

    def begin(self):
        self.old = {name: self.shop.pid(name) for name in self.target}
        if None in self.old.values():
            return False
        for name in self.choose.sample(self.target, len(self.target)):
            self.shop.send(name, signal.SIGKILL)
        return True

    def over(self):
        return all(self.shop.pid(name) not in (None, self.old[name]) and self.shop.ready(name) for name in self.target)

    def line(self):
        return f"fault {self.began} {self.ended} {self.kind} {'+'.join(self.target)}"


class KillNginx(Fault):
    kind = "kill-nginx"

    def begin(self):
        self.old = self.shop.pid("nginx")
        return self.shop.send("nginx", signal.SIGKILL)

    def over(self):
        return self.shop.pid("nginx") not in (None, self.old) and any(self.shop.ready(name) for name in OFFSETS)


class ReloadNginx(Fault):
    kind = "reload"

    def begin(self):
        self.shop.supervisor("reload", check=False)
        return True


class Pause(Fault):
    kind = "pause"

    def begin(self):
        self.last(*self.choose.choice(((0.05, 0.5), (0.5, 2), (2, 5))))
        self.pid = self.shop.pid(self.target)
        return self.shop.send(self.target, signal.SIGSTOP)

    def end(self):
        if self.shop.pid(self.target) == self.pid:
            self.shop.send(self.target, signal.SIGCONT)


class Net(Fault):
    """What becomes of messages between two replicas; `target` is (one, other)."""

    behaviour = None  # of requests from one to other, and from other to one

    @property
    def holds(self):
        return {frozenset(self.target)}

    def begin(self):
        self.last(*self.choose.choice(((0.3, 1), (1, 3), (3, 6))))
        one, other = self.target
        there, back = self.behaviours()
        self.shop.proxy.set(one, other, **there)
        self.shop.proxy.set(other, one, **back)
        return True

    def end(self):
        one, other = self.target
        self.shop.proxy.set(one, other)
        self.shop.proxy.set(other, one)

    def line(self):
        return f"fault {self.began} {self.ended} {self.kind} {'+'.join(self.target)}"


class Cut(Net):
    kind = "cut"

    def behaviours(self):
        return {"lose_requests": 100, "lose_answers": 100}, {"lose_requests": 100, "lose_answers": 100}


class CutOneWay(Net):
    """What one sends is lost, requests and answers; what the other sends arrives."""

    kind = "cut-one-way"

    def behaviours(self):
        return {"lose_requests": 100}, {"lose_answers": 100}


class Lossy(Net):
    kind = "lossy"

    def behaviours(self):
        some = {"lose_requests": self.choose.randint(10, 40), "lose_answers": self.choose.randint(10, 40)}
        return some, some


class Delay(Net):
    """Also beyond the time-outs of those who ask, so that messages overtake each other."""

    kind = "delay"

    def behaviours(self):
        slow = {"delay": self.choose.choice((20, 200, 1500))}
        return slow, self.choose.choice((slow, {}))


class Duplicate(Net):
    """Every message arrives, many once more, some of those much later."""

    kind = "duplicate"

    def behaviours(self):
        copied = {"copies": 80, "late": self.choose.choice((5, 100, 4000)), "delay": self.choose.choice((0, 30))}
        return copied, copied


class Clock(Fault):
    """The machine of these workers starts again, and its clock tells something else. They share one clock, and the
    catalog's replicas share a cache in a memory that does not outlive a machine."""

    kind = "clock"

    @property
    def holds(self):
        return {*self.target, "bazar-run"}

    def begin(self):
        self.old = {name: self.shop.pid(name) for name in self.target}
        if None in self.old.values():
            return False
        self.shop.send("bazar-run", signal.SIGSTOP)
        offset = max(self.choose.choice((0, -3, 7, 3600, -600, 86400, self.choose.randint(-2000, 100000))),
                     60 - int(time.clock_gettime(time.CLOCK_BOOTTIME)))
        for name in self.target:
            self.shop.prepare(name, boottime=offset)
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for name in self.target:
                self.shop.send(name, number)
        if self.target == CATALOG:
            self.shop.forget_cache()
        self.shop.send("bazar-run", signal.SIGCONT)
        return True

    def over(self):
        return all(self.shop.pid(name) not in (None, self.old[name]) and self.shop.ready(name) for name in self.target)

    def line(self):
        return f"fault {self.began} {self.ended} {self.kind} {'+'.join(self.target)}"


WORKERS = tuple(OFFSETS)
PAIRS = (CATALOG, CATALOG[::-1], ORDER, ORDER[::-1], ("order-1", "catalog-1"))
SERVICES = (CATALOG, ORDER)
HAVE_TIME_SPACES = os.geteuid() == 0 and os.path.exists("/proc/self/timens_offsets")
# How often each is chosen, and to what it is done.
FAULTS = (
    (20, Kill, WORKERS),
    (4, KillBoth, SERVICES),
    (2, KillNginx, ("nginx",)),
    (2, ReloadNginx, ("nginx",)),
    (14, Pause, WORKERS),
    (6, Cut, PAIRS),
    (6, CutOneWay, PAIRS),
    (3, Lossy, PAIRS),
    (4, Delay, PAIRS),
    (4, Duplicate, PAIRS),
    (2 * HAVE_TIME_SPACES, Clock, (CATALOG, ("order-1",), ("order-2",))),
)


class Nemesis:
    """Chooses faults by `seed` alone; at most two at a time, and never two that touch the same thing, except that a
    worker may be killed or paused while its links are bad."""

    def __init__(self, shop, seed, kinds=None):
        self.shop, self.choose = shop, random.Random(seed)
        self.faults = [f for f in FAULTS if f[0] > 0 and (not kinds or f[1].kind in kinds)]
        self.active, self.done, self.problems = [], [], []
        self.next = 0

    def pick(self):
        _, kind, targets = self.choose.choices(self.faults, [weight for weight, _, _ in self.faults])[0]
        return kind(self.shop, self.choose, self.choose.choice(targets))

    def begin_one(self):
        fault = self.pick()
        held = set().union(*(other.holds for other in self.active))
        if held & fault.holds:
            return
        fault.began = now()
        if fault.begin():
            self.active.append(fault)
        self.next = time.monotonic() + self.choose.choice((0.05, 0.5, 2, 4)) * self.choose.uniform(0.5, 1)

    def end_some(self):
        """Ends what has lasted long enough, and buries what is over."""
        for fault in list(self.active):
            if time.monotonic() < fault.until:
                continue
            if fault.ended is None:
                fault.end()
                fault.ended = now()
            late = now() - fault.ended > OVER_S * 10**9
            if fault.over() or late:
                fault.ended = now() if fault.until == 0 else fault.ended
                self.active.remove(fault)
                self.done.append(fault)
            if late:
                self.problems.append(f"{fault.line()}: no recovery within {OVER_S} s")

    def run(self, seconds, check):
        """For so long; `check` is called often, and may raise."""
        end = time.monotonic() + seconds
        while time.monotonic() < end or self.active:
            check()
            at = time.monotonic()
            if at >= self.next and at < end and len(self.active) < 2:
                self.begin_one()
            self.end_some()
            time.sleep(0.02)
        self.shop.heal()

    def lines(self):
        return [fault.line() for fault in sorted(self.done, key=lambda fault: fault.began)]

    def counts(self):
        kinds = sorted({fault.kind for fault in self.done})
        return {kind: sum(fault.kind == kind for fault in self.done) for kind in kinds}
