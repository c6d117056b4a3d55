"""A shop to be tortured: its workers reach each other through links that can be cut, and start as they are told."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "system"))
from stack import BUILD, OFFSETS, Stack, port_is_free  # noqa: E402  (needs the path above)

TESTS = os.path.join(BUILD, "tests")
# Where the real workers are: those with a planted bug, if any.
WORKERS = os.path.abspath(os.environ.get("TORTURE_WORKERS", BUILD))
PORTS = range(21000, 29800, 400)
HEALTHY = {"lose_requests": 0, "lose_answers": 0, "delay": 0, "copies": 0, "late": 0}


def free_port():
    """A port n such that n, the replicas' ports and the links' (n+100 to n+355) are free."""
    for port in PORTS:
        if all(port_is_free(p) for p in (port, *range(port + 80, port + 96), *range(port + 100, port + 356))):
            return port
    raise RuntimeError(f"no free ports between {PORTS.start} and {PORTS.stop}")


class Proxy:
    """tests/torture/net/proxy.c."""

    def __init__(self, port):
        offsets = [str(offset) for offset in OFFSETS.values()]
        self.process = subprocess.Popen([os.path.join(TESTS, "torture-proxy"), str(port), *offsets],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.hear()

    def hear(self):
        if self.process.stdout.readline() != "ok\n":
            raise RuntimeError("the proxy has ended")

    def set(self, asker, asked, **behaviour):
        """How requests of replica `asker` to `asked`, and the answers to them, travel from now on."""
        values = " ".join(str(value) for value in {**HEALTHY, **behaviour}.values())
        self.process.stdin.write(f"{OFFSETS[asker]} {OFFSETS[asked]} {values}\n")
        self.process.stdin.flush()
        self.hear()

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class TortureStack(Stack):
    def __init__(self, **settings):
        self.port = free_port()
        self.home = tempfile.mkdtemp(prefix="torture-")
        self.run = os.path.join(self.home, "run")
        self.bin = os.path.join(self.home, "bin")
        self.settings = {name: str(value) for name, value in settings.items()}
        self.launch = {name: {} for name in OFFSETS}
        self.install()
        self.proxy = Proxy(self.port)
        self.up()

    def install(self):
        """The programs, with launch in the place of the workers."""
        os.makedirs(os.path.join(self.bin, "real"))
        os.makedirs(os.path.join(self.bin, "launch"))
        for program in ("bazar-run", "bazarctl", "bazar-init"):
            shutil.copy(os.path.join(BUILD, program), self.bin)
        for program in ("bazar-catalog", "bazar-order"):
            shutil.copy(os.path.join(TESTS, "torture-launch"), os.path.join(self.bin, program))
            shutil.copy(os.path.join(WORKERS, program), os.path.join(self.bin, "real"))
        os.symlink(os.path.realpath(os.path.join(BUILD, "share")), os.path.join(self.bin, "share"))
        for name in OFFSETS:
            self.prepare(name)

    def prepare(self, name, **lines):
        """What the next starts of a worker are given, besides what they were given before (None: no longer)."""
        self.launch[name].update(lines)
        preload = os.path.join(TESTS, "torture-links.so")
        extra = self.launch[name].get("LD_PRELOAD")
        all_lines = {**self.launch[name],
                     "LD_PRELOAD": f"{preload}:{extra}" if extra else preload,
                     "TORTURE_SHOP": self.port,
                     "TORTURE_SELF": self.port_of(name)}
        path = os.path.join(self.bin, "launch", name)
        with open(path + ".new", "w", encoding="ascii") as file:
            file.writelines(f"{key}={value}\n" for key, value in all_lines.items() if value is not None)
        os.rename(path + ".new", path)

    def command(self, program, *args, check=True, timeout=120):
        env = {k: v for k, v in os.environ.items() if not k.startswith("BAZAR_")}
        done = subprocess.run([os.path.join(self.bin, program), "--run", self.run, *args], env={**env, **self.settings},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)
        if check and done.returncode != 0:
            raise AssertionError(f"{program} {' '.join(args)} failed ({done.returncode}):\n{done.stdout}{done.stderr}")
        return done

    def ready(self, name):
        """Whether the replica says so within a moment; it may be stopped, or nginx may be away."""
        try:
            client = self.client(self.port_of(name), timeout=1)
            try:
                return client.request("GET", "/readyz").status == 200
            finally:
                client.close()
        except Exception:  # noqa: BLE001  (whatever it is, it is not ready)
            return False

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
        for asker in OFFSETS:
            for asked in OFFSETS:
                if asker != asked:
                    self.proxy.set(asker, asked)
        for name in ("bazar-run", *OFFSETS):
            self.send(name, signal.SIGCONT)

    def logs(self):
        return os.path.join(self.run, "log")

    def destroy(self):
        super().destroy()
        self.proxy.close()


def now():
    """Nanoseconds on the clock of the histories."""
    return time.monotonic_ns()
