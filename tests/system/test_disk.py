"""Bad disks under real replicas, and the libraries that play them (tests/fault/disk_*.c).

A replica whose disk fails ends rather than lies, the others go on, and it heals by itself after the repair; what was
acknowledged survives a loss of power; a damaged store is replaced from the peer without a person."""

import glob
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import unittest

from stack import BUILD, OFFSETS, Stack, wait_until
from test_kills import Shoppers

FAULTS = os.path.join(BUILD, "tests", "disk_preload.so")
POWER_LOSS = os.path.join(BUILD, "tests", "disk_powerloss.so")


def built_with_sanitizer():
    with open(os.path.join(BUILD, "flags"), encoding="utf-8") as flags:
        return "-fsanitize=" in flags.read().split(" | ", maxsplit=1)[0]


preloads = unittest.skipIf(built_with_sanitizer(), "a sanitizer must be the first library loaded")

# What the library's own tests run on such a disk.
PRELUDE = """
import errno, os, signal, sys
place = sys.argv[1]
def path(name): return os.path.join(place, name)
def put(name, data, flags=os.O_WRONLY | os.O_CREAT):
    fd = os.open(path(name), flags, 0o600)
    os.write(fd, data)
    return fd
def sync_names():
    fd = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(fd)
    os.close(fd)
def power_loss(): os.kill(os.getpid(), signal.SIGKILL)
def look(): os.close(os.open(path("other"), os.O_WRONLY | os.O_CREAT, 0o600))
def error_of(call, *args):
    try:
        call(*args)
    except OSError as error:
        return errno.errorcode[error.errno]
    return None
"""


@preloads
class DiskCase(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.mkdtemp(prefix="bazar-disk-")
        self.addCleanup(shutil.rmtree, self.home)
        self.place = os.path.join(self.home, "db")
        os.mkdir(self.place)

    def path(self, name):
        return os.path.join(self.place, name)

    def content(self, name):
        try:
            with open(self.path(name), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def on_disk(self, script, **env):
        done = subprocess.run([sys.executable, "-c", PRELUDE + script, self.place],
                              env={**os.environ, **env}, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.stderr, "")
        return done


class PowerLossLibrary(DiskCase):
    def run_on_it(self, script, killed=True, writeback=0):
        done = self.on_disk(script, LD_PRELOAD=POWER_LOSS, BAZAR_POWERLOSS="/db",
                            BAZAR_POWERLOSS_WRITEBACK=str(writeback))
        self.assertEqual(done.returncode, -signal.SIGKILL if killed else 0)
        return done.stdout

    def test_only_what_was_synced_stays(self):
        self.run_on_it("""
fd = put("a", b"synced")
os.fsync(fd)
os.write(fd, b" and lost")
other = os.open(path("a"), os.O_RDONLY)
assert os.read(other, 100) == b"synced and lost"
os.ftruncate(fd, 3)
os.pwrite(fd, b"SYN", 0)
sync_names()
power_loss()
""")
        self.assertEqual(self.content("a"), b"synced")

    def test_lengths_and_holes(self):
        self.run_on_it("""
fd = put("a", b"x" * 100000)
os.fdatasync(fd)
os.ftruncate(fd, 50000)
os.ftruncate(fd, 60000)
os.pwrite(fd, b"end", 70000)
os.fdatasync(fd)
os.ftruncate(fd, 0)
sync_names()
power_loss()
""")
        self.assertEqual(self.content("a"), b"x" * 50000 + b"\0" * 20000 + b"end")

    def test_an_end_in_order_keeps_everything(self):
        self.run_on_it("put('a', b'kept'); os.rename(path('a'), path('b'))", killed=False)
        self.run_on_it("put('c', b'kept'); os._exit(0)", killed=False)
        self.run_on_it("look(); power_loss()")
        self.assertEqual((self.content("b"), self.content("c")), (b"kept", b"kept"))

    def test_names_need_a_sync_of_the_directory(self):
        for name in "abcd":
            with open(self.path(name), "wb") as file:
                file.write(name.encode())
        self.run_on_it("""
os.fsync(put("new", b"x"))
os.unlink(path("a"))
os.rename(path("b"), path("c"))
os.rename(path("d"), path("e"))
os.rename(path("e"), path("f"))
power_loss()
""")
        self.assertEqual(self.content("f"), b"d", "undone too early")
        self.run_on_it("look(); power_loss()")
        self.assertEqual([self.content(n) for n in ("new", "a", "b", "c", "d", "e", "f")],
                         [None, b"a", b"b", b"c", b"d", None, None])
        self.run_on_it("""
os.fsync(put("new", b"x"))
os.unlink(path("a"))
os.rename(path("b"), path("c"))
sync_names()
os.unlink(path("c"))
power_loss()
""")
        self.run_on_it("look(); power_loss()")
        self.assertEqual([self.content(n) for n in ("new", "a", "b", "c")],
                         [b"x", None, None, b"b"])

    def test_early_writeback_saves_some(self):
        script = """
fd = put("a", b"-" * 1000)
os.fsync(fd)
for i in range(1000):
    os.pwrite(fd, b"+", i)
sync_names()
power_loss()
"""
        self.run_on_it(script, writeback=30)
        saved = self.content("a").count(b"+")
        self.assertTrue(200 < saved < 400, saved)


class FaultLibrary(DiskCase):
    def setUp(self):
        super().setUp()
        self.control = os.path.join(self.home, "control")

    def run_on_it(self, rules, script):
        with open(self.control, "wb") as file:
            file.write(rules.encode().ljust(4096, b"\0"))
        done = self.on_disk(script, LD_PRELOAD=FAULTS, BAZAR_DISK_CONTROL=self.control)
        self.assertEqual(done.returncode, 0)
        with open(self.control, "rb") as file:
            failed = struct.unpack("=Q", file.read()[4088:])[0]
        return done.stdout.split(), failed

    def test_each_fault(self):
        script = """
fd = os.open(path("here"), os.O_RDWR)
print(error_of(os.write, fd, b"abcd"), os.lseek(fd, 0, os.SEEK_CUR), error_of(os.fsync, fd),
      error_of(os.pread, fd, 1, 0), error_of(os.open, path("new"), os.O_CREAT | os.O_WRONLY),
      error_of(os.rename, path("here"), path("there")), error_of(os.unlink, path("here")))
"""
        none = "None"
        expected = {
            "sync-eio": [none, "4", "EIO", none, none, none, "ENOENT"],
            "write-eio": ["EIO", "0", none, none, none, none, "ENOENT"],
            "write-enospc": ["ENOSPC", "0", none, none, "ENOSPC", "ENOSPC", none],
            "write-short": [none, "2", none, none, none, none, "ENOENT"],
            "read-eio": [none, "4", none, "EIO", none, none, "ENOENT"],
        }
        for fault, results in expected.items():
            with self.subTest(fault=fault):
                for name in os.listdir(self.place):
                    os.unlink(self.path(name))
                with open(self.path("here"), "wb"):
                    pass
                self.assertEqual(self.run_on_it(f"{fault} {self.place}/\n", script)[0], results)

    def test_read_only_also_through_open_descriptors(self):
        seen, failed = self.run_on_it("", f"""
import mmap
fd = put("here", b"x")
page = open({self.control!r}, "r+b")
page.write(b"read-only /db")
page.flush()
print(error_of(os.write, fd, b"y"), error_of(os.unlink, path("here")),
      error_of(os.open, path("here"), os.O_WRONLY), error_of(os.open, path("here"), os.O_RDONLY))
""")
        self.assertEqual(seen, ["EROFS", "EROFS", "EROFS", "None"])
        self.assertEqual(failed, 3)

    def test_skip_and_times(self):
        seen, failed = self.run_on_it("write-eio /db/a 2 3\nwrite-enospc /db/b\n", """
a, b = (os.open(path(n), os.O_WRONLY | os.O_CREAT, 0o600) for n in ("a", "c"))
print(*(error_of(os.write, a, b"x") for _ in range(7)), error_of(os.write, b, b"x"))
""")
        self.assertEqual(seen, ["None"] * 2 + ["EIO"] * 3 + ["None"] * 3)
        self.assertEqual(failed, 3)



# ---- Under real replicas ----

class Disk(Stack):
    """A stack whose disks can be made to fail (`fault`), or to lose at kill -9 what was not synced."""

    def __init__(self, power_loss=False, writeback=0, **settings):
        self.control = tempfile.NamedTemporaryFile(prefix="bazar-disk-")
        self.control.truncate(4096)
        preload = FAULTS
        if power_loss:
            preload += " " + POWER_LOSS
            settings.update(BAZAR_POWERLOSS=":".join(f"/{name}/db" for name in OFFSETS),
                            BAZAR_POWERLOSS_WRITEBACK=writeback)
        super().__init__(LD_PRELOAD=preload, BAZAR_DISK_CONTROL=self.control.name, **settings)

    def fault(self, rules=""):
        self.control.seek(0)
        self.control.write(rules.encode().ljust(4088, b"\0"))
        self.control.flush()

    def faults(self):
        self.control.seek(4088)
        return struct.unpack("=Q", self.control.read(8))[0]


def log_of(stack, name):
    with open(os.path.join(stack.run, "log", f"{name}.log"), encoding="utf-8") as lines:
        return [json.loads(line)["msg"] for line in lines if line.startswith("{") and line.endswith("}\n")]


def ends_of(stack, name):
    """(status, milliseconds until the next start) of each end that the supervisor saw."""
    pattern = re.compile(rf"{name} \(pid \d+\) ended with status (\d+); it starts again in (\d+) ms")
    found = (pattern.match(line) for line in log_of(stack, "bazar-run"))
    return [(int(match[1]), int(match[2])) for match in found if match]


def aside(stack, name):
    return sorted(os.path.basename(path) for path in glob.glob(os.path.join(stack.run, name, "db.aside-*")))


def service_of(name):
    return name.split("-")[0]


class StackCase(unittest.TestCase):
    stack_class, stack_settings = Stack, {}

    def setUp(self):
        self.stack = self.stack_class(**self.stack_settings)
        self.addCleanup(self.stack.destroy)
        for book in range(1, 8):
            self.stack.put(f"/update/{book}/stock", {"quantity_change": 1_000_000})
        self.stack.wait_ready()
        self.orders = {}

    def shop(self, buyers=4, readers=2):
        return Shoppers(self.stack, buyers, readers, seed=os.getpid())

    def close(self, shoppers):
        """What was acknowledged is counted; what is still open is a failure."""
        shoppers.finish()
        self.assertEqual(shoppers.undecided, [])
        self.orders.update(shoppers.orders)

    def bought(self, shoppers, more, seconds=60):
        count = len(shoppers.orders) + more
        wait_until(lambda: len(shoppers.orders) >= count, seconds, f"{more} more orders")

    def wait_whole(self, seconds=60):
        self.stack.wait_ready(seconds=seconds)
        for service in ("catalog", "order"):
            wait_until(lambda s=service: self.stack.whole(s), seconds, f"{service} whole")

    def check_all(self):
        """No acknowledged order is lost or doubled, at any replica; stores are equal."""
        self.wait_whole()
        ids = [order for _, order in self.orders.values()]
        self.assertEqual(len(ids), len(set(ids)))
        clients = {name: self.stack.client(self.stack.port_of(name)) for name in ("order-1", "order-2")}
        for book, order in self.orders.values():
            for name, client in clients.items():
                shown = client.request("GET", f"/orders/{order}")
                self.assertEqual((shown.status, shown.data["book_id"], shown.data["status"]),
                                 (200, book, "CONFIRMED"), (name, order))
        self.stack.ctl("reconcile")
        self.stack.ctl("verify")  # digests, logs
        sold = 7 * 1_000_100 - sum(self.stack.stock(book) for book in range(1, 8))
        self.assertEqual(sold, len(self.orders))


@preloads
class FailingDisk(StackCase):
    stack_class = Disk

    def other_serves(self, name, order):
        """Reads of what nobody is changing, at the other replica and through the front."""
        other = name[:-1] + {"1": "2", "2": "1"}[name[-1]]
        path = "/topics" if service_of(name) == "catalog" else f"/orders/{order}"
        for port in (self.stack.port_of(other), self.stack.port):
            answer = self.stack.get(path, port=port)
            self.assertEqual(answer.status, 200, (name, port, answer))

    def suffer(self, name, fault):
        """The fault strikes while people buy; the other replica goes on; the repair heals."""
        with self.subTest(name=name, fault=fault):
            shoppers = self.shop(readers=0)
            try:
                self.bought(shoppers, 10)
                order = next(iter(shoppers.orders.values()))[1]
                ends = len(ends_of(self.stack, name))
                self.stack.fault(f"{fault} /{name}/db")
                wait_until(lambda: len(ends_of(self.stack, name)) >= ends + 5, 30, f"five ends of {name}")
                self.assertFalse(self.stack.ready(name))
                self.other_serves(name, order)
                self.stack.fault()
                self.stack.wait_ready(name, seconds=30)
                self.bought(shoppers, 10)
            finally:
                self.stack.fault()
                self.close(shoppers)
            seen = ends_of(self.stack, name)[ends:]
            self.assertEqual({status for status, _ in seen}, {1})
            delays = [delay for _, delay in seen[:5]]
            self.assertEqual(delays, sorted(delays))
            self.assertGreater(delays[-1], delays[0], "the supervisor must become patient")
            self.assertEqual(aside(self.stack, name), [], "a bad disk is no damage")

    def test_each_fault(self):
        for name, fault in (("catalog-2", "sync-eio"), ("catalog-1", "write-enospc"), ("order-2", "write-eio"),
                            ("order-1", "sync-eio"), ("catalog-1", "write-short"), ("order-2", "read-only")):
            self.suffer(name, fault)
        self.assertGreater(self.stack.faults(), 0)
        self.check_all()

    def writes_end(self, name):
        """Without orders nobody writes to the catalog: this does, and changes nothing."""
        try:
            self.stack.request("PUT", "/update/1/price", {"price": 50}, timeout=1)
        except OSError:
            pass  # nobody there to answer
        return (1, 0) in ends_of(self.stack, name)

    def test_every_disk_is_full(self):
        shoppers = self.shop(readers=0)
        try:
            self.bought(shoppers, 10)
            self.stack.fault("write-enospc -2/db")
            for name in ("catalog-2", "order-2"):
                wait_until(lambda n=name: self.writes_end(n), 30, f"an end of {name}")
            self.stack.fault("write-enospc -1/db\nwrite-enospc -2/db")
            for name in ("catalog-1", "order-1"):  # without its backup a primary writes when it starts
                os.kill(self.stack.pid(name), signal.SIGKILL)
                wait_until(lambda n=name: 1 in [status for status, _ in ends_of(self.stack, n)],
                           30, f"an end of {name}")
            self.stack.fault()
            self.wait_whole()
            self.bought(shoppers, 10)
        finally:
            self.stack.fault()
            self.close(shoppers)
        self.check_all()


@preloads
class PowerLoss(StackCase):
    stack_class, stack_settings = Disk, {"power_loss": True, "writeback": 30}

    def lose_power(self, *names):
        old = {name: self.stack.pid(name) for name in names}
        for name, pid in old.items():
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
        for name, pid in old.items():
            wait_until(lambda n=name, p=pid: self.stack.pid(n) not in (None, p), 30, f"a successor of {name}")

    def test_under_load(self):
        shoppers = self.shop()
        try:
            for names in (["catalog-2"], ["order-1"], list(OFFSETS), ["catalog-1"], ["order-2"], list(OFFSETS),
                          ["catalog-1", "catalog-2"], ["order-1", "order-2"], list(OFFSETS)):
                self.bought(shoppers, 30)
                self.lose_power(*names)
        finally:
            self.close(shoppers)
        print(f"        {len(self.orders)} orders")
        self.check_all()
        for name in OFFSETS:
            self.assertEqual(aside(self.stack, name), [], "no loss of power damages a store")


@unittest.skipUnless(os.geteuid() == 0, "mounting a small file system needs root")
class FullDisk(StackCase):
    """A real one: catalog-2 lives in 64 MB."""

    class stack_class(Stack):
        def up(self):
            self.small = os.path.join(self.run, "catalog-2")
            os.makedirs(self.small, 0o700)
            os.chmod(self.run, 0o700)
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,mode=700", "bazar-test", self.small], check=True)
            super().up()

        def destroy(self):
            self.supervisor("down", check=False)
            subprocess.run(["umount", self.small], check=True)
            super().destroy()

    def test_full_and_freed(self):
        filler = os.path.join(self.stack.small, "filler")
        shoppers = self.shop(readers=0)
        try:
            self.bought(shoppers, 10)
            with open(filler, "wb", buffering=0) as file:
                try:
                    while file.write(bytes(4096)):
                        pass
                except OSError:
                    pass  # full
            wait_until(lambda: (1, 50) in ends_of(self.stack, "catalog-2"), 60, "two ends of catalog-2")
            for port in (self.stack.port, self.stack.port_of("catalog-1")):
                self.assertEqual(self.stack.get("/topics", port=port).status, 200)
            os.unlink(filler)
            self.bought(shoppers, 10)
        finally:
            if os.path.exists(filler):
                os.unlink(filler)
            self.close(shoppers)
        self.check_all()
        self.assertEqual(aside(self.stack, "catalog-2"), [])


# ---- Damage ----

def flip_byte(directory):
    """In the middle of the largest table's second page."""
    path = max(glob.glob(os.path.join(directory, "*.db")), key=os.path.getsize)
    with open(path, "r+b") as file:
        file.seek(4096 + 2048)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))


def truncate_log(directory):
    """In the middle of what was flushed."""
    with open(os.path.join(directory, "flushed"), "rb") as file:
        number, end = struct.unpack("=II", file.read(8))
    os.truncate(os.path.join(directory, f"log.{number:010}"), end // 2)


def remove_table(directory):
    """What began after the last checkpoint recovery would make anew, rightly: so there must have been one."""
    os.unlink(os.path.join(directory, "log.db"))


class Damage(StackCase):
    def restart(self, name):
        """In order, with a checkpoint of the store at the end."""
        old = self.stack.pid(name)
        self.stack.kill(name, signal.SIGTERM)
        wait_until(lambda: self.stack.pid(name) not in (None, old), 30, f"a successor of {name}")
        self.stack.wait_ready(name)

    def replace(self, name, harm, reason):
        """While people go on as far as they can, the store is replaced, and nobody sees the damaged one."""
        with self.subTest(name=name, reason=reason):
            before = aside(self.stack, name)
            shoppers = self.shop()
            try:
                self.bought(shoppers, 20)
                self.restart(name)
                self.stack.away(name)
                harm(os.path.join(self.stack.run, name, "db"))
                self.stack.back()
                wait_until(lambda: aside(self.stack, name)[len(before):], 30, "a store set aside")
                self.wait_whole()
                self.bought(shoppers, 20)
            finally:
                self.close(shoppers)
            # What is being bought meanwhile may be refused, for want of a commit; nothing worse.
            wrong = [(path, answer) for path, answer in shoppers.failed_reads
                     if getattr(answer, "status", None) != 503]
            self.assertEqual(wrong[:3], [])
            self.assertRegex(aside(self.stack, name)[-1], rf"^db\.aside-\d{{8}}T\d{{6}}\.\d{{3}}Z-{reason}$")
            self.assertEqual([status for status, _ in ends_of(self.stack, name) if status != 0],
                             [3] * (len(before) + 1))
            self.assertTrue(any("is damaged" in line for line in log_of(self.stack, name)))

    def test_a_backup(self):
        self.replace("catalog-2", flip_byte, "damaged-page")
        self.replace("catalog-2", truncate_log, "truncated-log")
        self.check_all()

    def test_a_primary(self):
        self.replace("catalog-1", truncate_log, "truncated-log")
        self.replace("catalog-1", remove_table, "missing-file")
        self.check_all()

    def test_a_primary_of_orders(self):
        self.replace("order-1", flip_byte, "damaged-page")
        self.replace("order-2", remove_table, "missing-file")
        self.check_all()

    def test_while_everything_is_down(self):
        shoppers = self.shop(readers=0)
        try:
            self.bought(shoppers, 20)
        finally:
            self.close(shoppers)
        for name, harm, reason in (("catalog-2", flip_byte, "damaged-page"), ("order-1", remove_table, "missing-file")):
            self.stack.down()
            harm(os.path.join(self.stack.run, name, "db"))
            self.stack.up()
            self.assertRegex(aside(self.stack, name)[-1], reason)
        self.check_all()


if __name__ == "__main__":
    unittest.main()
