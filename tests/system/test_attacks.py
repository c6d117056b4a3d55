"""What somebody tries who means harm: each try is refused, and nothing falls over."""

import os
import re
import signal
import socket
import tempfile
import unittest

from stack import OFFSETS, TOP, OwnStack, Stack, wait_until


def internal_routes():
    """Method and path of all that needs the secret, from the route tables."""
    found = set()
    for name in ("fcgi/peer.c", "fcgi/catalog/internal.c", "fcgi/order/http.c"):
        with open(os.path.join(TOP, name), encoding="utf-8") as file:
            found |= set(re.findall(r'\{METHOD_(\w+), "(/peer/[a-z]+)"', file.read()))
    return sorted(found)


class Attacks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(BAZAR_ADMIN_TOKEN="token")
        cls.pids = cls.stack.pids()
        cls.orders = cls.count_orders()

    @classmethod
    def tearDownClass(cls):
        cls.stack.destroy()

    @classmethod
    def count_orders(cls):
        return len(cls.stack.get("/orders", {"Authorization": "Bearer token"}).data)

    def tearDown(self):
        """Whatever was tried: the same processes serve, and nothing was bought."""
        self.assertEqual(self.stack.pids(), self.pids)
        self.assertEqual(self.stack.get("/info/1").status, 200)
        self.assertEqual(self.count_orders(), self.orders)

    def raw_status(self, head, body=b"", port=None):
        """Of a request given as it is; 0: closed without a word."""
        answer = b""
        with socket.create_connection(("127.0.0.1", port or self.stack.port), timeout=15) as connection:
            connection.sendall(head.encode("latin-1") + b"\r\n" + body)
            while b"\r\n" not in answer and (part := connection.recv(65536)):
                answer += part
        return int(answer.split(b" ", 2)[1]) if answer else 0

    def test_internal_routes_do_not_exist_for_customers(self):
        self.assertGreater(len(internal_routes()), 8)
        for method, path in internal_routes():
            for disguise in (path, "/" + path, "/x/.." + path, path.replace("peer", "%70eer"), path + "/", path.upper(),
                             path.replace("/peer/", "/peer%2f"), "/=catalog" + path):
                with self.subTest(disguise):
                    status = self.raw_status(f"{method} {disguise} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                                             f"X-Bazar-Secret: {self.stack.secret()}\r\nContent-Length: 0\r\n")
                    self.assertIn(status, (400, 404, 405))
        for path in ("/healthz", "/readyz", "/metrics", "/=catalog/read", "/=order/write", "/@catalog/1", "/=status/catalog-1"):
            self.assertEqual(self.stack.get(path).status, 404, path)

    def test_internal_routes_want_the_secret(self):
        right = self.stack.secret()
        for name in OFFSETS:
            service = name.split("-", maxsplit=1)[0]
            for method, path in internal_routes():
                for secret in (None, "", right[:-1], right + "0", right.upper() + " ", "0" * 64):
                    answer = self.stack.request(method, path, None, {} if secret is None else {"X-Bazar-Secret": secret},
                                                self.stack.port_of(name))
                    self.assertIn(answer.status, (401, 404), (service, path))
        status = self.stack.request("GET", "/peer/digest", None, {"X-Bazar-Secret": right}, self.stack.port_of("order-1"))
        self.assertEqual(status.status, 200)

    def test_admin_calls_want_the_token(self):
        for token in (None, "Bearer", "Bearer ", "Bearer tokens", "Bearer toke", "Basic token", "bearer  token x"):
            headers = {} if token is None else {"Authorization": token}
            for method, path in (("PUT", "/update/1/price"), ("POST", "/books"), ("DELETE", "/books/1"), ("GET", "/orders"),
                                 ("POST", "/invalidate-cache")):
                body = {"price": 1} if method != "GET" else None
                self.assertEqual(self.stack.request(method, path, body, headers).status, 401, (token, path))

    def test_paths_lead_nowhere(self):
        for path in ("/assets/../nginx.conf", "/assets/..%2f..%2f..%2fsecret", "/assets/%2e%2e/%2e%2e/secret", "/../secret",
                     "/problems/..%2f..%2fsecret", "/problems/../../secret", "/assets//etc/passwd", "/assets/%00", "/assets/.%00./x",
                     "/..\\secret", "/problems/%c0%ae%c0%ae/secret", "/openapi.yaml/../../secret"):
            answer = self.stack.raw(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            self.assertRegex(answer[:15], rb"^HTTP/1.1 40[04]", path)
            self.assertNotIn(self.stack.secret().encode(), answer)

    def test_one_request_is_never_two(self):
        hidden = b"POST /buy/1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
        common = "POST /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        for head in ("Content-Length: 5\r\nContent-Length: 6\r\n", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                     "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "Transfer-Encoding: xchunked\r\n",
                     "Transfer-Encoding : chunked\r\n", "Content-Length: +5\r\n", "Content-Length: 5, 5\r\n",
                     "Content-Length: -1\r\n", "Content-Length: 0x5\r\n"):
            with self.subTest(head):
                answer = self.stack.raw((common + head).encode() + b"\r\n0\r\n\r\n" + hidden)
                self.assertEqual(answer.count(b"HTTP/1.1 "), 1, answer)
                self.assertRegex(answer[:15], rb"^HTTP/1.1 (400|404|411|501)")

    def test_headers_cannot_pretend(self):
        """What only nginx may say: that it is the front, where to go on, who asks, how long it took."""
        for header in ("X-Accel-Redirect: /=order/write", "Bazar-Front: first", "BAZAR_FRONT: first", "X_Bazar_Secret: x",
                       "Proxy: http://127.0.0.1:1/", "Request-Id: \u00ff", "Bazar-Elapsed: 99", "X-Original-URL: /peer/digest",
                       "X-Rewrite-URL: /peer/digest", "X-HTTP-Method-Override: DELETE", "X-Forwarded-Host: localhost"):
            status = self.raw_status(f"GET /info/1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{header}\r\n")
            self.assertEqual(status, 200, header)
        for head in ("GET /info/1 HTTP/1.1\r\nConnection: close\r\n", "GET /info/1 HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n",
                     "GET /info/1 HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n", "GET /info/1\tHTTP/1.1\r\nHost: a\r\n",
                     "GET http:///info/1 HTTP/1.1\r\nHost: a\r\n\r\n"):
            self.assertIn(self.raw_status(head), (0, 400), head)
        evil = self.stack.post("/buy/1", headers={"Host": "evil.example"})
        self.assertEqual(evil.status, 403)
        self.assertEqual(self.stack.post("/buy/1", headers={"Origin": "http://evil.example"}).status, 403)

    def test_what_is_too_large_is_refused(self):
        self.assertIn(self.stack.get("/info/" + "1" * 9000).status, (400, 414))
        self.assertIn(self.stack.get("/info/1", {"X-Long": "x" * 40000}).status, (400, 431))
        many = "".join(f"X-{i}: {'y' * 1000}\r\n" for i in range(60))
        self.assertIn(self.raw_status(f"GET /info/1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{many}"), (400, 431))
        status = self.raw_status("POST /buy/1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
                                 "Content-Length: 99999999999\r\n")
        self.assertEqual(status, 413)
        nested = b"[" * 60000
        self.assertIn(self.stack.request("POST", "/buy/1", nested, {"Content-Type": "application/json"}).status, (400, 413))

    def test_slow_ones_keep_nobody_waiting_and_are_closed(self):
        slow = []
        for i in range(300):
            connection = socket.create_connection(("127.0.0.1", self.stack.port), timeout=15)
            connection.sendall(b"GET /info/1 HT" if i % 2 else
                               b"POST /buy/1 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{")
            slow.append(connection)
        try:
            for book in range(1, 8):
                self.assertEqual(self.stack.get(f"/info/{book}").status, 200)
            changed = self.stack.put("/update/1/price", {"price": 5}, {"Authorization": "Bearer token"})
            self.assertEqual(changed.status, 200)
            for connection in slow[:2]:
                try:
                    while connection.recv(65536):
                        pass  # an answer that says why, and the end
                except ConnectionResetError:
                    pass  # nginx holds nothing for those that are late
        finally:
            for connection in slow:
                connection.close()

    def test_nothing_in_the_run_directory_is_for_others(self):
        for at, places, files in os.walk(self.stack.run):
            for name in places + files:
                path = os.path.join(at, name)
                self.assertEqual(os.lstat(path).st_mode & 0o077, 0o077 if os.path.islink(path) else 0, path)

    def test_no_secret_is_on_a_command_line_or_in_a_log(self):
        secrets = (self.stack.secret().encode(), b"token\"")
        for name, pid in self.stack.pids().items():
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                line = file.read()
            self.assertFalse([s for s in secrets if s in line], name)
        for name in os.listdir(os.path.join(self.stack.run, "log")):
            with open(os.path.join(self.stack.run, "log", name), "rb") as file:
                text = file.read()
            self.assertFalse([s for s in secrets if s in text], name)


class Replay(OwnStack):
    def test_a_replayed_message_changes_nothing(self):
        """nginx is made to write down what the primary sends to its backup. All of it is sent once more: after more was
        written, and after a new term began."""
        conf = os.path.join(self.stack.run, "nginx", "conf")
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
        self.send_again(bodies + bodies[::-1])
        self.stack.ctl("switchover", "catalog", "catalog-2")
        wait_until(lambda: self.stack.whole("catalog"), what="a catalog in sync")
        self.send_again(bodies)
        self.assertEqual(self.stack.put("/update/5/price", {"price": 43.21}).status, 200)
        self.stack.ctl("verify")

    def send_again(self, bodies):
        before = self.state()
        for body in bodies:
            for name in ("catalog-2", "catalog-1", "order-1"):
                for message in (body, body[:-1], body + b"\0"):
                    answer = self.stack.request("POST", "/peer/replicate", message, {
                        "X-Bazar-Secret": self.stack.secret(), "Content-Type": "application/octet-stream"},
                        self.stack.port_of(name))
                    self.assertIn(answer.status, (200, 400, 409, 503), answer)
        self.assertEqual(self.state(), before)
        for name in ("catalog-1", "catalog-2"):
            self.assertEqual(self.stack.get("/info/5", port=self.stack.port_of(name)).data["price"], 13)

    def state(self):
        """Of the catalog's replicas: the epoch, and where the log ends."""
        told = [self.stack.status(name) for name in ("catalog-1", "catalog-2")]
        return [(one["epoch"], one["last"]) for one in told]


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
