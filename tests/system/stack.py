"""A whole Bazar.com of a test's own: started by bazar-run, on free ports, in a directory of its own."""

import csv
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("BUILD", os.path.join(TOP, "build")))
OFFSETS = {"catalog-1": 80, "catalog-2": 82, "order-1": 81, "order-2": 83}
ADDED = {"catalog-3": 84, "order-3": 85}  # for tests that add replicas
JSON_TYPE = {"Content-Type": "application/json"}


class Response:
    """One answer: status, headers (names case-insensitive), body bytes."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def data(self):
        return self.json["data"]

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


def port_is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


reserved = {}  # port: the socket whose name keeps other tests off it, also while its stack is down


def reserve(port):
    """Whether the ports from this one on are ours, until release() or the end of this process."""
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0bazar-test-{port}")
    except OSError:
        name.close()
        return False
    reserved[port] = name
    return True


def release(port):
    reserved.pop(port).close()


def free_port():
    """A port n such that n and n+80 .. n+89 are free; below the ephemeral range. PORTS=from-to narrows it."""
    first, last = map(int, os.environ.get("PORTS", "10000-29800").split("-"))
    places = (last - first) // 200
    for step in range(places):
        port = first + (os.getpid() + step) % places * 200
        if not reserve(port):
            continue
        if all(port_is_free(p) for p in [port, *range(port + 80, port + 90)]):
            return port
        release(port)
    raise RuntimeError(f"no free ports between {first} and {last}")


def wait_until(condition, seconds=15, what="the condition"):
    """Poll until condition() is true; its value is returned. Waiting longer than `seconds` fails."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come about within {seconds} s")
        time.sleep(0.02)


def is_dead(pid):
    """Gone, or only waiting to be buried."""
    try:
        with open(f"/proc/{pid}/cmdline", encoding="ascii") as line:
            return line.read() == ""
    except OSError:
        return True


class Client:
    """A kept-alive HTTP connection. A broken one is opened anew at the next request."""

    def __init__(self, port, timeout=15):
        self.port, self.timeout, self.connection = port, timeout, None

    def request(self, method, path, body=None, headers=None):
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers = {**JSON_TYPE, **headers}
        try:
            self.connection.request(method, path, body, headers)
            answer = self.connection.getresponse()
            return Response(answer.status, answer.headers, answer.read())
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None


class Stack:
    foreground = None  # a supervisor that is our child

    def __init__(self, **settings):
        self.port = free_port()
        self.home = tempfile.mkdtemp(prefix="bazar-")
        self.run = os.path.join(self.home, "run")
        self.settings = {name: str(value) for name, value in settings.items()}
        self.up()

    # ---- life ----

    def command(self, program, *args, check=True, timeout=120):
        env = {k: v for k, v in os.environ.items() if not k.startswith("BAZAR_")}
        done = subprocess.run([os.path.join(BUILD, program), "--run", self.run, *args],
                              env={**env, **self.settings}, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=timeout)
        if check and done.returncode != 0:
            raise AssertionError(f"{program} {' '.join(args)} failed ({done.returncode}):\n"
                                 f"{done.stdout}{done.stderr}")
        return done

    def supervisor(self, verb, check=True):
        return self.command("bazar-run", "--port", str(self.port), verb, check=check)

    def up(self):
        self.supervisor("up")

    def down(self):
        self.supervisor("down")

    def destroy(self):
        for name in ("catalog-1", "catalog-2", "order-1", "order-2", "bazar-run"):
            try:
                self.kill(name, signal.SIGCONT)
            except (OSError, TypeError):
                pass  # not running
        self.supervisor("down", check=False)
        if self.foreground is not None:
            self.foreground.wait(30)
        shutil.rmtree(self.home, ignore_errors=True)
        release(self.port)

    def ctl(self, *args, check=True, timeout=120):
        return self.command("bazarctl", *args, check=check, timeout=timeout)

    def import_books(self, rows):
        """Rows of (id, title, author, topic, price, quantity)."""
        path = os.path.join(self.home, "books.csv")
        with open(path, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["id", "title", "author", "topic", "price", "quantity"], *rows])
        self.ctl("import", path)

    # ---- processes ----

    def pids(self):
        with open(os.path.join(self.run, "pids"), encoding="ascii") as lines:
            return {name: int(pid) for name, pid in (line.split() for line in lines)}

    def pid(self, name):
        """None while the process is dead and not yet started again."""
        return self.pids().get(name)

    def kill_and_await_successor(self, name, seconds=20):
        """kill -9, then wait until another process serves in its place."""
        old = self.pid(name)
        os.kill(old, signal.SIGKILL)
        wait_until(lambda: self.pid(name) not in (None, old), seconds, f"a successor of {name}")
        self.wait_ready(name, seconds=seconds)

    def kill_and_wait_started(self, name, seconds=20):
        """kill -9, then wait until another process answers in its place, ready or not."""
        old = self.pid(name)
        if old is not None:
            os.kill(old, signal.SIGKILL)

        def answers():
            try:
                return self.status(name).get("pid") not in (None, old)
            except (OSError, ValueError, http.client.HTTPException):
                return False

        wait_until(answers, seconds, f"a successor of {name}")

    def kill(self, name, number=signal.SIGKILL):
        os.kill(self.pid(name), number)

    def ready(self, name):
        try:
            return self.request("GET", "/readyz", port=self.port_of(name)).status == 200
        except (OSError, http.client.HTTPException):
            return False

    def wait_ready(self, *names, seconds=20):
        for name in names or OFFSETS:
            wait_until(lambda n=name: self.ready(n), seconds, f"{name} ready")

    def away(self, *names):
        """These processes are gone and stay gone until `back`: their supervisor is paused."""
        self.kill("bazar-run", signal.SIGSTOP)
        for name in names:
            pid = self.pid(name)
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass  # it was dead
            wait_until(lambda p=pid: is_dead(p), what=f"the end of {name}")

    def back(self):
        self.kill("bazar-run", signal.SIGCONT)

    def crash(self):
        """Everything is killed at once."""
        pids = self.pids()
        self.kill("bazar-run", signal.SIGSTOP)
        for name, pid in pids.items():
            if not is_dead(pid):
                os.kill(pid, signal.SIGKILL)
        for name, pid in pids.items():
            wait_until(lambda p=pid: is_dead(p), what=f"the end of {name}")

    def supervise(self):
        """Starts without waiting for everybody to be ready."""
        env = {k: v for k, v in os.environ.items() if not k.startswith("BAZAR_")}
        self.foreground = subprocess.Popen(
            [os.path.join(BUILD, "bazar-run"), "--run", self.run, "--port", str(self.port), "supervise"],
            env={**env, **self.settings}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)

    def set_of(self, service):
        """What `bazarctl status` says of a service's replica set."""
        told = json.loads(self.ctl("status", "--json", check=False).stdout)
        return next(s for s in told["services"] if s["service"] == service)

    def whole(self, service, members=2):
        """All members are in sync and nothing is degraded."""
        s = self.set_of(service)
        return s["primary"] is not None and s["in_sync"] == s["members"] == members and not s["degraded"]

    # ---- requests ----

    def port_of(self, name):
        return self.port + {**OFFSETS, **ADDED}[name]

    def client(self, port=None, timeout=15):
        return Client(port or self.port, timeout)

    def request(self, method, path, body=None, headers=None, port=None, timeout=15):
        client = self.client(port, timeout)
        try:
            return client.request(method, path, body, headers)
        finally:
            client.close()

    def get(self, path, headers=None, port=None):
        return self.request("GET", path, None, headers, port)

    def put(self, path, body, headers=None, port=None):
        return self.request("PUT", path, body, headers, port)

    def post(self, path, body=None, headers=None, port=None, timeout=15):
        return self.request("POST", path, body, headers, port, timeout)

    def raw(self, text, port=None):
        """Send bytes as they are, return everything answered until the server closes."""
        with socket.create_connection(("127.0.0.1", port or self.port), timeout=15) as connection:
            connection.sendall(text if isinstance(text, bytes) else text.encode("latin-1"))
            parts = []
            while part := connection.recv(65536):
                parts.append(part)
            return b"".join(parts)

    def secret(self):
        with open(os.path.join(self.run, "secret"), encoding="ascii") as file:
            return file.read().strip()

    def status(self, name):
        """GET /status of one replica, its data."""
        answer = self.get("/status", port=self.port_of(name)).json
        return answer.get("data", answer)

    def stock(self, book, name=None):
        return self.get(f"/info/{book}", port=self.port_of(name) if name else None).data["quantity"]


class OwnStack(unittest.TestCase):
    """A shop of its own for every test."""

    def setUp(self):
        self.stack = Stack()
        self.addCleanup(self.stack.destroy)

    def refused(self, *words, because):
        """bazarctl does not do it, and says why in a sentence."""
        done = self.stack.ctl(*words, check=False)
        self.assertEqual(done.returncode, 1, done)
        self.assertIn(because, done.stderr)
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
