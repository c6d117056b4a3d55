"""What happens to a tortured shop. A fault begins, lasts, ends, and is over when the shop has what it needs again."""

import itertools
import os
import random
import shutil
import signal
import time

from shop import now

SERVICES = ("catalog", "order")
OVER_S = 45  # a fault whose traces last longer than this is a shop that did not heal
CROWD = 0.25  # how often a fault is followed by several that do not wait for the shop to recover
AGAIN_S = 4  # for an operator to go on trying
COMMAND_S = 40  # bazarctl has bounds of its own


class Fault:
    """One fault. `kind` is what it is counted as; `target` one name or several."""

    kind = None

    def __init__(self, shop, choose, target):
        self.shop, self.choose, self.target = shop, choose, target
        self.names = (target,) if isinstance(target, str) else target
        self.began = self.ended = None
        self.until = 0  # time.monotonic() at which it ends; 0: it is only a moment

    @property
    def holds(self):
        """What no other fault may touch meanwhile."""
        return set(self.names)

    def last(self, *ranges):
        self.until = time.monotonic() + self.choose.uniform(*self.choose.choice(ranges))

    def begin(self):
        """False: it cannot be done right now."""
        raise NotImplementedError

    def has_lasted(self):
        return time.monotonic() >= self.until

    def end(self):
        pass

    def over(self):
        return True

    def line(self):
        return f"fault {self.began} {self.ended} {self.kind} {'+'.join(self.names)}"


# ---- Processes --------------------------------------------------------------------------------------


class Kill(Fault):
    """Of all its targets at once. On a disk that loses what was not synced, that is a power loss."""

    kind = "kill"

    def begin(self):
        self.old = {name: self.shop.pid(name) for name in self.names}
        if None in self.old.values():
            return False
        if self.shop.losing.issuperset(self.names):
            self.kind = "power-loss"
        for name in self.choose.sample(self.names, len(self.names)):
            self.shop.send(name, signal.SIGKILL)
        return True

    def over(self):
        return all(self.shop.pid(name) not in (None, self.old[name]) and self.shop.ready(name) for name in self.names)


class KillAll(Kill):
    """Every replica of a service."""

    kind = "kill-all"


class Away(Kill):
    """Killed, and not started again for a while."""

    kind = "away"

    def begin(self):
        for name in self.names:
            self.shop.keep_away(name, True)
        if super().begin():
            self.kind = "away"
            self.last((1, 3), (3, 8))
            return True
        self.end()
        return False

    def end(self):
        for name in self.names:
            self.shop.keep_away(name, False)


class KillNginx(Kill):
    kind = "kill-nginx"


class ReloadNginx(Fault):
    kind = "reload"

    def begin(self):
        self.shop.supervisor("reload", check=False)
        return True


class Pause(Fault):
    kind = "pause"

    def begin(self):
        self.last((0.05, 0.5), (0.5, 2), (2, 5))
        self.pid = self.shop.pid(self.target)
        return self.shop.send(self.target, signal.SIGSTOP)

    def end(self):
        if self.shop.pid(self.target) == self.pid:
            self.shop.send(self.target, signal.SIGCONT)


class Clock(Kill):
    """The machine of these starts again, and its clock tells something else. They share one clock, and the catalog's
    replicas and nginx share a cache in a memory that does not outlive a machine."""

    kind = "clock"

    @property
    def holds(self):
        return {*self.names, "bazar-run"}

    def begin(self):
        offset = max(self.choose.choice((0, -3, 7, 3600, -600, 86400, self.choose.randint(-2000, 100000))),
                     60 - int(time.clock_gettime(time.CLOCK_BOOTTIME)))
        with self.shop.supervisor_asleep():
            for name in self.names:
                self.shop.prepare(name, boottime=offset)
                self.shop.send(name, signal.SIGSTOP)
            if len(self.names) > 1:
                self.shop.forget_cache()
            begun = super().begin()
            self.kind = "clock"
        return begun


# ---- The network ------------------------------------------------------------------------------------


class Net(Fault):
    """What becomes of messages between two replicas."""

    @property
    def holds(self):
        return {frozenset(self.names)}

    def behaviours(self):
        """Of what the first asks the second, and of what the second asks the first."""
        raise NotImplementedError

    def begin(self):
        self.last((0.3, 1), (1, 3), (3, 6), (4, 8))
        one, other = self.names
        there, back = self.behaviours()
        self.shop.proxy.set(one, other, **there)
        self.shop.proxy.set(other, one, **back)
        return True

    def end(self):
        one, other = self.names
        self.shop.proxy.set(one, other)
        self.shop.proxy.set(other, one)


class Cut(Net):
    kind = "cut"

    def behaviours(self):
        cut = {"lose_requests": 100, "lose_answers": 100, "reset": self.choose.choice((0, 1))}
        return cut, cut


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


# ---- Disks ------------------------------------------------------------------------------------------


class Disk(Fault):
    rules = ()

    def begin(self):
        self.last((0.3, 1), (1, 3))
        self.old = self.shop.pid(self.target)
        self.shop.set_disk(self.target, self.choose.choice(self.rules))
        return self.old is not None

    def end(self):
        self.shop.set_disk(self.target, None)

    def over(self):
        return self.shop.ready(self.target)


class DiskFull(Disk):
    kind = "disk-full"
    rules = ("write-enospc", "write-short")


class DiskError(Disk):
    kind = "disk-eio"
    rules = ("sync-eio", "write-eio", "read-eio")


class DiskReadOnly(Disk):
    kind = "disk-ro"
    rules = ("read-only",)


class Damage(Kill):
    """A store that is lost, or is not what was written. Only of a backup while the primary has a copy in sync, and
    nobody else may hurt the service until both are sound again: two faults may lose what one may not."""

    kind = "damage"

    @property
    def holds(self):
        others = self.shop.others(self.target)
        links = {frozenset(pair) for pair in itertools.combinations((self.target, *others), 2)}
        return {self.target, *others, *links, "bazar-run"}

    def begin(self):
        if self.shop.primary(self.target.split("-")[0], all_in_sync=True) not in self.shop.others(self.target):
            return False
        with self.shop.supervisor_asleep():
            begun = super().begin()
            self.kind = "damage"
            if begun:
                self.harm(os.path.join(self.shop.run, self.target, "db"))
        return begun

    def harm(self, db):
        how = self.choose.choice(("wipe", "missing", "short", "bytes"))
        files = [name for name in sorted(os.listdir(db)) if name.endswith(".db") or name.startswith("log.0")]
        path = os.path.join(db, self.choose.choice(files))
        size = os.path.getsize(path)
        if how == "wipe":
            shutil.rmtree(db)
        elif how == "missing":
            os.unlink(path)
        elif how == "short":
            os.truncate(path, size // 2)
        else:
            with open(path, "r+b") as file:
                for _ in range(20):
                    file.seek(self.choose.randrange(max(size, 1)))
                    file.write(self.choose.randbytes(8))

    def over(self):
        return super().over() and self.shop.primary(self.target.split("-")[0], all_in_sync=True) is not None


# ---- The operator -----------------------------------------------------------------------------------


class Command(Fault):
    """bazarctl; it may refuse."""

    def start(self, *words):
        self.until = float("inf")
        self.limit = time.monotonic() + COMMAND_S
        self.process = self.shop.start_ctl(*words)

    def has_lasted(self):
        if self.process.poll() is None and time.monotonic() < self.limit:
            return False
        self.process.kill()
        if self.process.wait() != 0:
            self.kind = f"{self.kind}-refused"
        return True


class MinInsync(Command):
    kind = "min-insync"

    def begin(self):
        fewer = range(1, len(self.shop.replicas(self.target)))
        self.start("min-insync", self.target, self.choose.choice((*map(str, fewer), "1", "all")))
        return True


class Switchover(Command):
    kind = "switchover"

    def begin(self):
        primary = self.shop.primary(self.target)
        if primary is None:
            return False
        self.start("switchover", self.target, self.choose.choice(self.shop.others(primary)))
        return True


class Promote(Command):
    """The primary is killed and stays away, and a backup is promoted; then the old one comes back. One time in
    three the backup is killed with it: the power fails, and one machine does not come back."""

    kind = "promote"

    @property
    def holds(self):
        return set(self.shop.replicas(self.target))

    def begin(self):
        self.old = self.shop.primary(self.target)
        if self.old is None:
            return False
        self.new = self.choose.choice(self.shop.others(self.old))
        self.shop.keep_away(self.old, True)
        self.shop.send(self.old, signal.SIGKILL)
        if self.choose.randrange(3) == 0:
            self.shop.send(self.new, signal.SIGKILL)
        self.start("promote", self.new)
        self.again = time.monotonic() + AGAIN_S
        return True

    def has_lasted(self):
        """Refused for the moment, the operator tries again."""
        if self.process.poll() not in (None, 0) and time.monotonic() < self.again:
            self.start("promote", self.new)
            return False
        return super().has_lasted()

    def end(self):
        self.shop.keep_away(self.old, False)

    def over(self):
        return all(self.shop.ready(name) for name in self.holds)


HAVE_TIME_SPACES = os.geteuid() == 0 and os.path.exists("/proc/self/timens_offsets")
# How often each is chosen, and to what it is done: names of a kind of targets, see targets().
FAULTS = (
    (30, Kill, "worker"),
    (4, KillAll, "replicas"),
    (4, Away, "worker"),
    (2, KillNginx, "nginx"),
    (2, ReloadNginx, "nginx"),
    (14, Pause, "worker"),
    (7, Cut, "pair"),
    (7, CutOneWay, "pair"),
    (3, Lossy, "pair"),
    (4, Delay, "pair"),
    (4, Duplicate, "pair"),
    (2 * HAVE_TIME_SPACES, Clock, "machine"),
    (3, DiskFull, "worker"),
    (3, DiskError, "worker"),
    (1, DiskReadOnly, "worker"),
    (2, Damage, "worker"),
    (2, MinInsync, "service"),
    (3, Switchover, "service"),
    (2, Promote, "service"),
)
KINDS = [fault.kind for _, fault, _ in FAULTS]


def targets(shop):
    """By kind: everything that a fault may be done to. A purchase's way is from an order replica to one of the catalog."""
    sets = [shop.replicas(service) for service in SERVICES]
    return {"worker": shop.workers, "replicas": sets, "service": SERVICES, "nginx": ("nginx",),
            "machine": ((*sets[0], "nginx"), *((name,) for name in sets[1])),
            "pair": [pair for names in sets for pair in itertools.permutations(names, 2)] + list(zip(*reversed(sets)))}


class Nemesis:
    """Chooses by `seed`: faults one at a time, each after the shop has recovered, or two at once and in quick
    succession, also while it recovers; but never two that hold the same thing."""

    def __init__(self, shop, seed, kinds=None, crowd=CROWD):
        self.shop, self.choose, self.crowded = shop, random.Random(seed), crowd
        self.faults = [f for f in FAULTS if f[0] > 0 and (not kinds or f[1].kind in kinds)]
        self.targets = targets(shop)
        self.active, self.done, self.problems = [], [], []
        self.next, self.crowd = 0, 0  # crowd: how many more faults come thick and fast

    def pick(self):
        _, kind, target = self.choose.choices(self.faults, [weight for weight, _, _ in self.faults])[0]
        return kind(self.shop, self.choose, self.choose.choice(self.targets[target]))

    def may_begin(self):
        if self.active:
            return self.crowd > 0 and len(self.active) < 2 and time.monotonic() >= self.next
        return time.monotonic() >= self.next

    def begin_one(self):
        fault = self.pick()
        if fault.holds & set().union(*(other.holds for other in self.active)):
            return
        fault.began = now()
        if not fault.begin():
            return
        self.active.append(fault)
        self.crowd = self.crowd - 1 if self.crowd > 0 else 4 * (self.choose.random() < self.crowded)
        self.next = time.monotonic() + self.choose.choice((0.05, 0.3, 1))

    def end_some(self):
        """Ends what has lasted long enough, and buries what is over."""
        for fault in list(self.active):
            if fault.ended is None and fault.has_lasted():
                fault.end()
                fault.ended = now()
            if fault.ended is None:
                continue
            late = now() - fault.ended > OVER_S * 10**9
            if late or fault.over():
                fault.ended = now() if fault.until == 0 else fault.ended
                self.active.remove(fault)
                self.done.append(fault)
                self.next = max(self.next, time.monotonic() + (0 if self.crowd else self.choose.uniform(0.5, 2)))
            if late:
                self.problems.append(f"{fault.line()}: no recovery within {OVER_S} s")

    def run(self, seconds, check):
        """For so long, or until the shop does not heal; `check` is called often, and may raise."""
        end = time.monotonic() + seconds
        while (time.monotonic() < end or self.active) and not self.problems:
            check()
            if time.monotonic() < end and self.may_begin():
                self.begin_one()
            self.end_some()
            time.sleep(0.02)
        self.shop.heal()

    def lines(self):
        return [fault.line() for fault in sorted(self.done, key=lambda fault: fault.began)]

    def counts(self):
        kinds = sorted({fault.kind for fault in self.done})
        return {kind: sum(fault.kind == kind for fault in self.done) for kind in kinds}
