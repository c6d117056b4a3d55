"""An attacker's checklist: each attempt is refused, changes nothing, and crashes nobody."""

import os
import re
import signal
import socket
import tempfile
import unittest

from stack import OFFSETS, Stack, wait_until

INTERNAL = (("POST", "/peer/replicate"), ("POST", "/peer/command"), ("POST", "/peer/reserve"), ("POST", "/peer/import"),
            ("GET", "/peer/books"), ("GET", "/peer/log"), ("GET", "/peer/orders"))
OPERATORS = (("GET", "/metrics"), ("GET", "/healthz"), ("GET", "/readyz"))
SLOW = 200  # connections of one slow attacker
SLOW_S = 10  # what nginx/conf/limits.conf grants a client for its head, or the next piece of its body


def status_of(answer):
    """Of everything a connection got: the status of the first answer, 0 for none."""
    found = re.match(rb"HTTP/1\.[01] (\d{3})", answer)
    return int(found[1]) if found else 0


class Attack(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack()

    @classmethod
    def tearDownClass(cls):
        cls.stack.destroy()

    def setUp(self):
        self.pids = self.stack.pids()
        self.before = self.state()

    def tearDown(self):
        """Nobody died, nothing changed, and the shop is open."""
        self.assertEqual(self.stack.pids(), self.pids)
        self.assertEqual(self.state(), self.before)
        self.assertEqual(self.stack.get("/info/1").status, 200)

    def state(self):
        """Where every log ends, by epoch and sequence."""
        return {name: self.stack.status(name)["last"] for name in OFFSETS}

    def raw(self, text, port=None):
        try:
            return self.stack.raw(text, port)
        except ConnectionError:
            return b""

    # ---- What is not for customers ----

    def test_internal_addresses_do_not_exist_at_the_front(self):
        secret = {"X-Bazar-Secret": self.stack.secret()}
        for method, path in (*INTERNAL, *OPERATORS, ("GET", "/=catalog/read"), ("POST", "/=order/write"), ("GET", "/=status/order-1")):
            for form in (path, "/" + path, "/." + path, "/x/.." + path, path.replace("e", "%65", 1), path + "/", path + "?a=b"):
                answer = self.stack.request(method, form, None, secret)
                self.assertIn(answer.status, (400, 404, 405), (method, form, answer))
        for target in ("http://localhost/peer/books", f"http://127.0.0.1:{self.stack.port_of('catalog-1')}/peer/books"):
            answer = self.raw(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nX-Bazar-Secret: {self.stack.secret()}\r\nConnection: close\r\n\r\n")
            self.assertIn(status_of(answer), (400, 404), answer[:200])

    def test_internal_calls_need_the_one_secret(self):
        real = self.stack.secret()
        wrong = ("", "0" * 64, real[:-1], real + "0", real.upper() + " ", real[:-1] + ("0" if real[-1] != "0" else "1"), "x" * 4000)
        for name in OFFSETS:
            for method, path in INTERNAL:
                for value in wrong:
                    answer = self.stack.request(method, path, None, {"X-Bazar-Secret": value}, self.stack.port_of(name))
                    self.assertIn(answer.status, (400, 401, 403, 404), (name, method, path, value[:70], answer))

    def test_a_customer_cannot_speak_for_nginx(self):
        """What nginx tells the workers in parameters cannot be said in headers."""
        trick = {"X_Bazar_Secret": self.stack.secret(), "Remote-Addr": "127.0.0.1", "Request-Method": "POST", "Proxy": "http://127.0.0.1:1",
                 "X-Original-URL": "/peer/books", "X-Rewrite-URL": "/peer/books", "X-HTTP-Method-Override": "DELETE",
                 "X-Accel-Redirect": "/=catalog/write", "X-Forwarded-For": "127.0.0.1"}
        answer = self.stack.get("/info/1", trick)
        self.assertEqual((answer.status, answer.data["id"]), (200, 1))
        answer = self.stack.request("GET", "/peer/books", None, trick, self.stack.port_of("catalog-1"))
        self.assertEqual(answer.status, 401, answer)

    # ---- Paths ----

    def test_no_path_leads_out_of_the_page(self):
        secret = self.stack.secret().encode()
        up = ("../" * 12, "..%2f" * 12, "%2e%2e/" * 12, "..%5c" * 12, "%252e%252e%252f" * 12, "....//" * 12, "..;/" * 12)
        for base in ("/", "/assets/", "/problems/", "/book/", "/openapi.yaml/"):
            for way in up:
                for goal in ("etc/passwd", "secret", "nodes", "nginx/conf/nginx.conf"):
                    answer = self.raw(f"GET {base}{way}{goal} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    self.assertNotIn(b"root:", answer)
                    self.assertNotIn(secret, answer)
                    self.assertNotIn(b"worker_processes", answer)
        for target in ("/info/1%00", "/info/%00", "/search/a%00b", "/\0", "/info/1\\..\\2", "/info/1/../../peer/books", "/search/%ff%fe",
                       "/search/%", "/search/%zz", "//evil.example/info/1", "/info/1#", "*"):
            answer = self.raw(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            self.assertIn(status_of(answer), (301, 400, 404), (target, answer[:200]))
            self.assertNotIn(b"\r\nLocation: //", answer)

    # ---- Smuggling ----

    def test_a_request_hidden_in_another_is_not_done(self):
        """Whatever two servers could read differently is refused, or is a request of its own and judged as such."""
        hidden = f"POST /peer/import HTTP/1.1\r\nHost: localhost\r\nX-Bazar-Secret: {'0' * 64}\r\nContent-Length: 0\r\n\r\n"
        heads = ("Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
                 "Transfer-Encoding: xchunked", "Transfer-Encoding : chunked", "Content-Length: 4\r\nContent-Length: 5", "Content-Length: +5",
                 "Content-Length: 5, 5", "Content-Length: 0x5", "Content-Length: -1", "Content-Length: 99999999999999999999",
                 "Transfer-Encoding: chunked\r\n folded: yes", "X: a\r\n\tContent-Length: 5")
        for head in heads:
            for door in (None, self.stack.port_of("catalog-1")):
                answer = self.raw(f"POST /invalidate-cache HTTP/1.1\r\nHost: localhost\r\n{head}\r\nConnection: close\r\n\r\n0\r\n\r\n{hidden}", door)
                self.assertIn(status_of(answer), (0, 400, 411, 413, 415, 422, 501), (head, answer[:200]))
                self.assertNotIn(b" 201 ", answer)
        for chunk in ("5\r\nab", "FFFFFFFFFFFFFFFF\r\n", "-1\r\n", "zz\r\n"):
            connection = socket.create_connection(("127.0.0.1", self.stack.port), timeout=15)
            with connection:
                connection.sendall(f"POST /buy/1 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                                   f"Transfer-Encoding: chunked\r\n\r\n{chunk}".encode())
                connection.shutdown(socket.SHUT_WR)
                answer = connection.recv(65536)
            self.assertIn(status_of(answer), (0, 400, 413), (chunk, answer[:100]))
        injected = self.raw("GET /search/a%0d%0aSet-Cookie:%20x=1?limit=1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        self.assertNotIn(b"\r\nSet-Cookie", injected)

    # ---- Too much, too slow ----

    def test_too_much_is_refused(self):
        port = self.stack.port_of("order-1")
        for door in (None, port):
            self.assertIn(status_of(self.raw(f"GET /{'x' * 40000} HTTP/1.1\r\nHost: localhost\r\n\r\n", door)), (400, 414))
            self.assertIn(status_of(self.raw("GET /info/1 HTTP/1.1\r\nHost: localhost\r\n" + "".join(
                f"X-{n}: {'y' * 4000}\r\n" for n in range(20)) + "\r\n", door)), (400, 431, 494))
        self.assertEqual(self.stack.request("POST", "/buy/1", "9" * 2_000_000, {"Content-Type": "application/json"}).status, 413)
        self.assertEqual(self.stack.request("POST", "/buy/1", "[" * 60_000, {"Content-Type": "application/json"}).status, 413)
        self.assertEqual(self.stack.request("POST", "/buy/1", "[" * 200, {"Content-Type": "application/json"}).status, 400)
        with socket.create_connection(("127.0.0.1", port), timeout=15) as connection:
            connection.sendall(f"POST /peer/replicate HTTP/1.1\r\nHost: localhost\r\nX-Bazar-Secret: {self.stack.secret()}\r\n"
                               "Content-Length: 1000000000\r\n\r\n".encode())
            self.assertEqual(status_of(connection.recv(65536)), 413)

    def test_slow_clients_cost_nobody_else_anything(self):
        """Heads that never end, and bodies that drip: the shop goes on, and they are sent away."""
        slow = []
        for number in range(SLOW):
            connection = socket.create_connection(("127.0.0.1", self.stack.port), timeout=SLOW_S + 20)
            body = number % 2
            connection.sendall(b"POST /buy/1 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
                               (b"Content-Length: 15\r\n\r\n{" if body else b"X-Slow: "))
            slow.append(connection)
        for _ in range(20):
            answer = self.stack.request("GET", "/info/2", timeout=5)
            self.assertEqual(answer.status, 200)
        for connection in slow:
            with connection:
                try:
                    self.assertIn(status_of(connection.recv(65536)), (0, 408))
                except ConnectionResetError:
                    pass  # reset_timedout_connection

    # ---- Between replicas ----

    def test_a_replayed_message_changes_nothing(self):
        """nginx is made to write down what the primary sends to its backup; later all of it is sent once more."""
        conf, port = os.path.join(self.stack.run, "nginx", "conf"), self.stack.port_of("catalog-2")
        recorded = os.path.join(self.stack.run, "log", "recorded")
        replica = os.path.join(conf, "replica-catalog-2.conf")
        with open(os.path.join(conf, "log.conf"), "a", encoding="ascii") as file:
            file.write("\nlog_format recorded escape=default '$request_body';\n")
        with open(replica, encoding="ascii") as file:
            text = file.read()
        with open(replica, "w", encoding="ascii") as file:
            file.write(text.replace("location /peer/    {", f"location /peer/    {{ access_log {recorded} recorded;", 1))
        self.stack.kill("nginx", signal.SIGHUP)
        wait_until(lambda: os.path.exists(recorded) and os.path.getsize(recorded) > 0, what="a recorded message")
        for price in (11, 12, 13):
            self.assertEqual(self.stack.put("/update/5/price", {"price": price}).status, 200)
        self.stack.supervisor("reload")  # as it was
        with open(recorded, "rb") as file:
            bodies = [re.sub(rb"\\x([0-9A-F]{2})", lambda m: bytes([int(m[1], 16)]), line.rstrip(b"\n")) for line in file]
        entries = max(map(len, bodies))
        self.assertGreater(entries, 200, "no message with an entry was recorded")
        self.before = self.state()
        for body in bodies + bodies[::-1]:
            answer = self.stack.request("POST", "/peer/replicate", body, {
                "X-Bazar-Secret": self.stack.secret(), "Content-Type": "application/octet-stream"}, port)
            self.assertIn(answer.status, (200, 400, 409, 503), answer)
        self.assertEqual(self.stack.get("/info/5", port=port).data["price"], 13)
        self.assertEqual(self.state(), self.before)
        self.stack.ctl("verify")


class Files(unittest.TestCase):
    """What somebody with an account on the machine might have left."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="bazar-files-")
        self.addCleanup(folder.cleanup)
        self.victim = os.path.join(folder.name, "victim")
        with open(self.victim, "w", encoding="ascii") as file:
            file.write("precious")
        self.stack = Stack()
        self.addCleanup(self.stack.destroy)
        self.stack.down()

    def refused(self, because):
        done = self.stack.supervisor("up", check=False)
        self.assertNotEqual(done.returncode, 0, done)
        self.assertIn(because, done.stderr)

    def test_links_are_not_followed(self):
        for name in ("nodes.new", "port.new", "seed.json.new"):
            link = os.path.join(self.stack.run, name)
            os.symlink(self.victim, link)
            self.refused("Cannot write")
            os.unlink(link)
        with open(self.victim, encoding="ascii") as file:
            self.assertEqual(file.read(), "precious")
        self.stack.up()

    def test_what_others_may_read_is_no_secret(self):
        secret = os.path.join(self.stack.run, "secret")
        for mode in (0o644, 0o604, 0o620):
            os.chmod(secret, mode)
            self.refused("chmod 600")
        os.chmod(secret, 0o600)
        os.chmod(self.stack.run, 0o755)
        self.refused("chmod 700")
        os.chmod(self.stack.run, 0o700)
        self.stack.up()
        for folder, _, files in os.walk(self.stack.run):
            for name in files:
                mode = os.lstat(os.path.join(folder, name)).st_mode
                self.assertEqual(mode & 0o007 if os.path.islink(os.path.join(folder, name)) else mode & 0o002, 0, name)


if __name__ == "__main__":
    unittest.main()
