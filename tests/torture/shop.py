"""A shop to be tortured: its workers reach each other through links that can be cut, and start as they are told."""

import contextlib
import http.client
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "system"))
from stack import ADDED, BUILD, OFFSETS, Stack, port_is_free, reserve  # noqa: E402  (needs the path above)

TESTS = os.path.join(BUILD, "tests")
# Where the real workers are: those with a planted bug, if any.
WORKERS = os.path.abspath(os.environ.get("TORTURE_WORKERS", BUILD))
PORTS = range(21000, 29800, 400)
# Whose disks lose what was not synced.
LOSING = {"none": (), "some": ("catalog-1", "order-2"), "all": (*OFFSETS, *ADDED)}
DISK_TEXT = 4088  # bytes of rules in a control file of tests/fault/disk_preload.c
HEALTHY = {"lose_requests": 0, "lose_answers": 0, "reset": 0, "delay": 0, "copies": 0, "late": 0}


def free_port():
    """A port n such that n, the replicas' ports and the links' (n+100 to n+355) are free."""
    for port in PORTS:
        if (all(port_is_free(p) for p in (port, *range(port + 80, port + 96), *range(port + 100, port + 356)))
                and reserve(port) and reserve(port + 200)):
            return port
    raise RuntimeError(f"no free ports between {PORTS.start} and {PORTS.stop}")


class Proxy:
    """tests/torture/net/proxy.c."""

    def __init__(self, port, offsets):
        self.offsets = offsets
        self.process = subprocess.Popen([os.path.join(TESTS, "torture-proxy"), str(port), *map(str, offsets.values())],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.hear()

    def hear(self):
        if self.process.stdout.readline() != "ok\n":
            raise RuntimeError("the proxy has ended")

    def set(self, asker, asked, **behaviour):
        """How requests of replica `asker` to `asked`, and the answers to them, travel from now on."""
        values = " ".join(str(value) for value in {**HEALTHY, **behaviour}.values())
        self.process.stdin.write(f"{self.offsets[asker]} {self.offsets[asked]} {values}\n")
        self.process.stdin.flush()
        self.hear()

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class TortureStack(Stack):
    def __init__(self, seed, losing=None, replicas=2, **settings):
        """`replicas`: 2 or 3 of each service."""
        self.choose = random.Random(seed)
        self.offsets = OFFSETS if replicas == 2 else {**OFFSETS, **ADDED}
        self.workers = tuple(sorted(self.offsets))
        self.losing = set(LOSING[losing or self.choose.choice(list(LOSING))])
        self.port = free_port()
        self.home = tempfile.mkdtemp(prefix="torture-")
        self.run = os.path.join(self.home, "run")
        self.bin = os.path.join(self.home, "bin")
        self.settings = {name: str(value) for name, value in settings.items()}
        self.settings["PATH"] = f"{self.bin}:{os.environ['PATH']}"  # where bazar-run finds nginx
        self.launch = {name: {} for name in (*self.workers, "nginx")}
        self.install()
        self.proxy = Proxy(self.port, self.offsets)
        try:
            self.up()
            for name in ADDED if replicas == 3 else ():
                self.ctl("member", "add", name, f"127.0.0.1:{self.port_of(name)}")
        except BaseException:
            self.destroy()
            raise

    # ---- How its workers start ----

    def install(self):
        """The programs, with launch in the place of the workers and nginx."""
        os.makedirs(os.path.join(self.bin, "real"))
        os.makedirs(os.path.join(self.bin, "launch"))
        for program in ("bazar-run", "bazarctl", "bazar-init"):
            shutil.copy(os.path.join(BUILD, program), self.bin)
        for program in ("bazar-catalog", "bazar-order"):
            shutil.copy(os.path.join(TESTS, "torture-launch"), os.path.join(self.bin, program))
            shutil.copy(os.path.join(WORKERS, program), os.path.join(self.bin, "real"))
        shutil.copy(os.path.join(TESTS, "torture-launch"), os.path.join(self.bin, "nginx"))
        os.symlink(shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin"), os.path.join(self.bin, "real", "nginx"))
        os.symlink(os.path.realpath(os.path.join(BUILD, "share")), os.path.join(self.bin, "share"))
        self.prepare("nginx")
        for name in self.workers:
            with open(self.disk_control(name), "wb") as file:
                file.truncate(4096)
            self.prepare(name)

    def disk_control(self, name):
        return os.path.join(self.home, f"disk-{name}")

    def prepare(self, name, **lines):
        """What the next starts of a worker, or nginx, are given, besides what they were given before."""
        self.launch[name].update(lines)
        given = self.launch[name] if name == "nginx" else self.worker_lines(name)
        path = os.path.join(self.bin, "launch", name)
        with open(path + ".new", "w", encoding="ascii") as file:
            file.writelines(f"{key}={value}\n" for key, value in given.items())
        os.rename(path + ".new", path)

    def worker_lines(self, name):
        libraries = ["torture-links.so", "disk_preload.so", *(["disk_powerloss.so"] if name in self.losing else [])]
        return {"away": os.path.join(self.bin, "launch", name + ".away"),
                "TORTURE_SHOP": self.port,
                "TORTURE_SELF": self.port_of(name),
                "BAZAR_DISK_CONTROL": self.disk_control(name),
                "BAZAR_POWERLOSS": f"/{name}/db",
                "BAZAR_POWERLOSS_WRITEBACK": self.choose.choice((0, 10, 50)),
                **self.launch[name],
                "LD_PRELOAD": ":".join(os.path.join(TESTS, library) for library in libraries)}

    def keep_away(self, name, away):
        """A worker that is kept away does not come further than its beginning."""
        path = os.path.join(self.bin, "launch", name + ".away")
        if away:
            with open(path, "wb"):
                pass
        elif os.path.exists(path):
            os.unlink(path)

    def set_disk(self, name, rule):
        """How the disk of a worker fails from now on; None: not at all."""
        text = f"{rule} /{name}/db\n" if rule else ""
        with open(self.disk_control(name), "r+b") as file:
            file.write(text.encode().ljust(DISK_TEXT, b"\0"))

    @contextlib.contextmanager
    def supervisor_asleep(self):
        """So that nothing is started again meanwhile."""
        self.send("bazar-run", signal.SIGSTOP)
        try:
            yield
        finally:
            self.send("bazar-run", signal.SIGCONT)

    # ---- Programs ----

    def command(self, program, *args, check=True, timeout=120):
        env = {k: v for k, v in os.environ.items() if not k.startswith("BAZAR_")}
        done = subprocess.run([os.path.join(self.bin, program), "--run", self.run, *args], env={**env, **self.settings},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)
        if check and done.returncode != 0:
            raise AssertionError(f"{program} {' '.join(args)} failed ({done.returncode}):\n{done.stdout}{done.stderr}")
        return done

    def start_ctl(self, *args):
        """bazarctl beside us."""
        return subprocess.Popen([os.path.join(self.bin, "bazarctl"), "--run", self.run, *args],
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    # ---- Replicas ----

    def replicas(self, service):
        return tuple(name for name in self.workers if name.startswith(service))

    def others(self, name):
        """The other replicas of its service."""
        return tuple(other for other in self.replicas(name.split("-")[0]) if other != name)

    def ask(self, name, path):
        """The answer of a replica, or None when there is none within a moment: it, or nginx, may be away."""
        client = self.client(self.port_of(name), timeout=1)
        try:
            return client.request("GET", path)
        except (OSError, http.client.HTTPException):
            return None
        finally:
            client.close()

    def ready(self, name):
        """Of nginx: when any replica can be asked through it."""
        if name == "nginx":
            return any(self.ready(worker) for worker in self.workers)
        answer = self.ask(name, "/readyz")
        return answer is not None and answer.status == 200

    def primary(self, service, all_in_sync=False):
        """The name of the active primary, or None; with `all_in_sync` only while every replica of it is."""
        for name in self.replicas(service):
            answer = self.ask(name, "/status")
            if answer is None or answer.status != 200 or answer.data["phase"] != "active":
                continue
            members = answer.data["set"]["members"]
            peers = answer.data["peers"]
            if not all_in_sync or all(one["in_sync"] for one in [*members, *peers]) and not answer.data["degraded"]:
                return name
        return None

    def send(self, name, number):
        """A signal to a worker, or nginx; False when there is none at the moment."""
        pid = self.pid(name)
        try:
            if pid is not None:
                os.kill(pid, number)
                return True
        except ProcessLookupError:
            pass
        return False

    def forget_cache(self):
        """Remove the shared memory that the catalog's workers map, as the end of a machine does."""
        with open(f"/proc/{self.pid('catalog-1')}/maps", encoding="ascii") as maps:
            names = {line.split()[5] for line in maps if "/dev/shm/bazar-" in line and "(deleted)" not in line}
        for name in names:
            os.unlink(name)

    def heal(self):
        for asker in self.workers:
            for asked in self.workers:
                if asker != asked:
                    self.proxy.set(asker, asked)
        for name in self.workers:
            self.set_disk(name, None)
            self.keep_away(name, False)
        for name in ("bazar-run", *self.workers):
            self.send(name, signal.SIGCONT)

    def logs(self):
        return os.path.join(self.run, "log")

    def destroy(self):
        super().destroy()
        self.proxy.close()


def now():
    """Nanoseconds on the clock of the histories."""
    return time.monotonic_ns()
