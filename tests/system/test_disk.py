"""Bad disks under real replicas, and the libraries that play them (tests/fault/disk_*.c)."""

import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import unittest

from stack import BUILD

FAULTS = os.path.join(BUILD, "tests", "disk_preload.so")
POWER_LOSS = os.path.join(BUILD, "tests", "disk_powerloss.so")

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


if __name__ == "__main__":
    unittest.main()
