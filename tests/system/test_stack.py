"""Starting, stopping, reloading: what an operator does and what goes wrong for them."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from stack import BUILD, OFFSETS, Stack, free_port, wait_until


def alive(pid):
    try:
        os.kill(pid, 0)
        return True
    except ProcessLookupError:
        return False


class Traced(unittest.TestCase):
    """traceparent goes with a purchase to every replica that has a part in it."""

    def test_a_purchase_is_one_trace(self):
        stack = Stack()
        self.addCleanup(stack.destroy)
        good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        bad = good.upper()
        for traceparent in (bad, good):
            self.assertEqual(stack.post("/buy/1", None, {"traceparent": traceparent}).status, 200)

        def seen(traceparent):
            with open(os.path.join(stack.run, "log", "access.log"), encoding="utf-8") as lines:
                read = [json.loads(line) for line in lines if line.endswith("\n")]
            return {(int(r["port"]) - stack.port, r["uri"]) for r in read if r["traceparent"] == traceparent}
        ways = {(0, "/buy/1"), (OFFSETS["order-2"], "/peer/replicate"), (OFFSETS["catalog-1"], "/peer/reserve"),
                (OFFSETS["catalog-2"], "/peer/replicate")}
        wait_until(lambda: (seen(good), seen(bad)) == (ways, {(0, "/buy/1")}), what="a purchase followed everywhere, and one nowhere")


class Life(unittest.TestCase):
    def setUp(self):
        self.stack = Stack()

    def tearDown(self):
        self.stack.destroy()

    def test_down_and_up_keep_data_and_leave_nothing_running(self):
        order = self.stack.post("/buy/1").data["order_id"]
        pids = self.stack.pids()
        self.stack.down()
        wait_until(lambda: not any(alive(pid) for pid in pids.values()), what="every process being gone")
        self.stack.down()  # harmless
        self.stack.up()
        self.assertEqual(self.stack.get(f"/orders/{order}").data["status"], "CONFIRMED")
        self.assertEqual(self.stack.stock(1), 99)

    def test_up_again_is_harmless(self):
        before = self.stack.pids()
        self.stack.up()
        self.assertEqual(self.stack.pids(), before)

    def test_reset_starts_afresh(self):
        self.stack.post("/buy/1")
        self.stack.down()
        self.stack.supervisor("reset")
        self.stack.up()
        self.assertEqual(self.stack.stock(1), 100)
        self.assertEqual(self.stack.get("/orders").data, [])

    def test_status_shows_every_process(self):
        text = self.stack.ctl("status").stdout
        for name in (*OFFSETS, "nginx", "bazar-run"):
            self.assertIn(name, text)
        self.stack.kill("bazar-run", signal.SIGSTOP)
        self.stack.kill("catalog-2")
        done = self.stack.ctl("status", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"bazar-run .* stopped")
        self.assertRegex(done.stdout, r"catalog-2 +- .* not running")
        self.stack.kill("bazar-run", signal.SIGCONT)

    def test_the_supervisor_killed(self):
        self.stack.kill("bazar-run", signal.SIGKILL)
        time.sleep(0.2)
        self.stack.up()
        self.assertEqual(self.stack.post("/buy/1").status, 200)

    def test_secret_and_state_are_private(self):
        self.assertEqual(os.stat(os.path.join(self.stack.run, "secret")).st_mode & 0o777, 0o600)
        self.assertEqual(os.stat(self.stack.run).st_mode & 0o777, 0o700)

    def test_only_loopback_is_listened_on(self):
        ours = {f"{p:04X}" for p in (self.stack.port, *(self.stack.port + o for o in OFFSETS.values()))}
        with open("/proc/net/tcp", encoding="ascii") as lines:
            listening = [line.split() for line in list(lines)[1:]]
        addresses = {f[1].split(":")[0] for f in listening if f[3] == "0A" and f[1].split(":")[1] in ours}
        self.assertEqual(addresses, {"0100007F"})


class Nginx(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack()

    @classmethod
    def tearDownClass(cls):
        cls.stack.destroy()

    def load(self, threads, seconds, make):
        """`make(client, index)` again and again from many threads; returns (count, failures)."""
        failures, counts, end = [], [0] * threads, time.monotonic() + seconds

        def one(index):
            client = self.stack.client()
            while time.monotonic() < end:
                try:
                    answer = make(client, index)
                    if answer.status != 200:
                        failures.append(answer)
                except (OSError, http.client.HTTPException) as error:
                    failures.append(repr(error))
                counts[index] += 1

        workers = [threading.Thread(target=one, args=(i,)) for i in range(threads)]
        for worker in workers:
            worker.start()
        return workers, counts, failures

    def test_reloads_under_load_fail_nothing(self):
        def mixed(client, index):
            # Each on a connection of its own: a kept one may be closed by the old nginx worker at any time,
            # which HTTP leaves to the client to repeat.
            if index % 4 == 0:
                return client.request("POST", "/buy/6", None, {"Connection": "close"})
            return client.request("GET", f"/info/{1 + index % 7}", None, {"Connection": "close"})

        self.stack.put("/update/6/stock", {"quantity_change": 100000})
        workers, counts, failures = self.load(8, 6, mixed)
        for _ in range(4):
            time.sleep(1)
            self.stack.supervisor("reload")
        for worker in workers:
            worker.join()
        self.assertEqual(failures[:3], [])
        self.assertGreater(sum(counts), 500)

    def test_a_broken_configuration_is_refused_and_the_old_one_goes_on(self):
        with open(os.path.join(self.stack.run, "bazar.conf"), "w", encoding="ascii") as file:
            file.write("BAZAR_CACHE_ENTRIES=many\n")
        done = self.stack.supervisor("reload", check=False)
        os.remove(os.path.join(self.stack.run, "bazar.conf"))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("BAZAR_CACHE_ENTRIES", done.stdout + done.stderr)
        self.assertEqual(self.stack.get("/info/1").status, 200)

    def test_long_logs_move_aside(self):
        self.stack.get("/info/6")
        for name in ("access", "nginx", "catalog-1"):
            os.truncate(os.path.join(self.stack.run, "log", f"{name}.log"), 129 << 20)
        self.stack.kill("bazar-run", signal.SIGCHLD)  # or it would look some seconds later
        for name in ("access", "nginx", "catalog-1"):
            log = os.path.join(self.stack.run, "log", f"{name}.log")
            wait_until(lambda path=log: os.path.getsize(path) < 1 << 20, what=f"{name}.log becoming short")
            self.assertGreaterEqual(os.path.getsize(log + ".1"), 129 << 20)
        self.stack.get("/info/7")

        def logged():
            with open(os.path.join(self.stack.run, "log", "access.log"), encoding="utf-8") as lines:
                return any("/info/7" in line for line in lines)
        wait_until(logged, what="a line in the emptied log")

    def test_a_reload_cannot_open_the_shop_to_others(self):
        self.stack.settings["BAZAR_LISTEN"] = "0.0.0.0"
        self.stack.supervisor("reload")
        del self.stack.settings["BAZAR_LISTEN"]
        with open(os.path.join(self.stack.run, "nginx/conf/public.conf"), encoding="ascii") as file:
            self.assertIn(f"listen 127.0.0.1:{self.stack.port} ", file.read())

    def test_512_connections_never_hang(self):
        sockets = []
        request = f"GET /topics HTTP/1.1\r\nHost: localhost:{self.stack.port}\r\n\r\n".encode()
        try:
            for _ in range(512):
                sockets.append(socket.create_connection(("127.0.0.1", self.stack.port), timeout=20))
            for _ in range(3):
                for connection in sockets:
                    connection.sendall(request)
                for connection in sockets:
                    answer = http.client.HTTPResponse(connection)
                    answer.begin()
                    self.assertEqual(answer.status, 200)
                    answer.read()
        finally:
            for connection in sockets:
                connection.close()

    def test_512_buyers_never_hang(self):
        self.stack.put("/update/5/stock", {"quantity_change": 100000})
        sockets = []
        request = (f"POST /buy/5 HTTP/1.1\r\nHost: localhost:{self.stack.port}\r\n"
                   "Content-Length: 0\r\n\r\n").encode()
        try:
            for _ in range(512):
                sockets.append(socket.create_connection(("127.0.0.1", self.stack.port), timeout=30))
            for connection in sockets:
                connection.sendall(request)
            for connection in sockets:
                answer = http.client.HTTPResponse(connection)
                answer.begin()
                answer.read()
                self.assertIn(answer.status, (200, 202, 503))
        finally:
            for connection in sockets:
                connection.close()
        self.stack.ctl("reconcile")

    def test_the_access_log_is_json_with_request_ids(self):
        import json
        answer = self.stack.get("/info/1")
        wanted = answer.headers["X-Request-Id"]

        def logged():
            found = []
            for folder, _, names in os.walk(os.path.join(self.stack.run)):
                for name in names:
                    if "access" in name and name.endswith(".log"):
                        with open(os.path.join(folder, name), encoding="utf-8") as lines:
                            found += [json.loads(line) for line in lines]
            return [line for line in found if wanted in line.values()]

        line = wait_until(logged, 5, "the request in the access log")[0]
        self.assertIn("/info/1", " ".join(str(v) for v in line.values()))

    def test_workers_log_one_json_object_a_line(self):
        import json
        for name in OFFSETS:
            with open(os.path.join(self.stack.run, "log", f"{name}.log"), encoding="utf-8") as lines:
                for line in lines:
                    self.assertEqual(set(json.loads(line)) & {"time", "level", "name", "msg"},
                                     {"time", "level", "name", "msg"}, line)


class Trouble(unittest.TestCase):
    """A file or a store that cannot be used costs as little as it can."""

    def setUp(self):
        self.stack = Stack()
        self.addCleanup(self.stack.destroy)

    def test_reset_with_a_broken_node_file(self):
        self.assertEqual(self.stack.post("/buy/1").status, 200)
        self.stack.down()
        with open(os.path.join(self.stack.run, "nodes"), "w", encoding="ascii") as file:
            file.write("catalog-1 catalog one")
        refused = self.stack.supervisor("up", check=False)
        self.assertNotEqual(refused.returncode, 0)
        for words in ("nodes, line 1", "Repair it", "reset"):
            self.assertIn(words, refused.stderr)
        self.stack.supervisor("reset")
        self.assertFalse(os.path.exists(os.path.join(self.stack.run, "catalog-1")))
        self.stack.up()
        self.assertEqual(self.stack.stock(1), 100)

    def test_up_with_a_replica_that_cannot_start(self):
        """The others serve: `up` says what is missing, and leaves them alone."""
        self.stack.ctl("min-insync", "order", "1")
        self.stack.away("order-2")
        wait_until(lambda: self.stack.post("/buy/1", timeout=30).status == 200, what="a purchase without it")
        self.stack.back()
        self.stack.wait_ready("order-2")
        self.stack.away("order-2")
        wait_until(lambda: self.stack.post("/buy/1", timeout=30).status == 200, what="another one")
        self.stack.down()
        shutil.rmtree(os.path.join(self.stack.run, "order-2", "db"))
        with open(os.path.join(self.stack.run, "order-2", "db"), "w", encoding="ascii"):
            pass  # a file where a directory must be is nobody's damage: a person must look
        done = self.stack.supervisor("up")
        self.assertIn("order-2 is not ready", done.stderr)
        self.assertIn("Not all replicas are ready", done.stderr)
        self.assertEqual(self.stack.post("/buy/1", timeout=30).status, 200)
        os.unlink(os.path.join(self.stack.run, "order-2", "db"))
        self.stack.wait_ready("order-2", seconds=30)


class Refusals(unittest.TestCase):
    """One clear sentence, and nothing left running."""

    def setUp(self):
        self.home = tempfile.mkdtemp(prefix="bazar-")

    def tearDown(self):
        shutil.rmtree(self.home, ignore_errors=True)

    def up(self, run, port, **settings):
        env = {k: v for k, v in os.environ.items() if not k.startswith("BAZAR_")}
        return subprocess.run([os.path.join(BUILD, "bazar-run"), "--run", run, "--port", str(port), "up"],
                              env={**env, **settings}, capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL)

    def refused(self, done, *words):
        said = done.stderr.strip()
        self.assertNotEqual(done.returncode, 0, done)
        for word in words:
            self.assertIn(word, said)
        self.assertFalse(os.path.exists(os.path.join(self.home, "run", "bazar-run.pid")) and
                         self.somebody_lives())

    def somebody_lives(self):
        pids = os.path.join(self.home, "run", "pids")
        if not os.path.exists(pids):
            return False
        with open(pids, encoding="ascii") as lines:
            return any(alive(int(line.split()[1])) for line in lines)

    def test_a_port_in_use(self):
        port = free_port()
        for offset in (0, 83):
            with socket.socket() as taken:
                taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                taken.bind(("127.0.0.1", port + offset))
                taken.listen()
                self.refused(self.up(os.path.join(self.home, "run"), port), str(port + offset), "in use")

    def test_a_path_that_is_no_directory(self):
        path = os.path.join(self.home, "file")
        with open(path, "w", encoding="ascii"):
            pass
        self.refused(self.up(path, free_port()), path)
        self.refused(self.up(os.path.join(path, "below"), free_port()), path)

    def test_a_path_too_long_for_sockets(self):
        self.refused(self.up(os.path.join(self.home, "x" * 120), free_port()), "long")

    def test_a_bad_setting(self):
        self.refused(self.up(os.path.join(self.home, "run"), free_port(), BAZAR_CACHE_ENTRIES="-1"),
                     "BAZAR_CACHE_ENTRIES")

    def test_a_bad_secret(self):
        run = os.path.join(self.home, "run")
        os.mkdir(run, 0o700)
        with open(os.path.join(run, "secret"), "w", encoding="ascii") as file:
            file.write("short")
        self.refused(self.up(run, free_port()), "secret", "Remove it")

    def test_a_bad_port(self):
        for port in ("0", "65500", "x"):
            self.refused(self.up(os.path.join(self.home, "run"), port), "port")


class SideBySide(unittest.TestCase):
    def test_two_stacks_know_nothing_of_each_other(self):
        one = Stack()
        try:
            two = Stack()
            try:
                one.post("/buy/1")
                for stack, stock in ((one, 99), (two, 100)):
                    for _ in range(2):
                        self.assertEqual(stack.stock(1), stock)
            finally:
                two.destroy()
            self.assertEqual(one.stock(1), 99)
        finally:
            one.destroy()


if __name__ == "__main__":
    unittest.main()
