"""What an operator does to a shop that goes on selling."""

import json

from load import Load
from stack import OFFSETS, OwnStack, wait_until


class RollingRestart(OwnStack):
    def test_no_request_fails_and_no_purchase_is_doubled(self):
        before = self.stack.pids()
        stock = sum(self.stack.stock(book) for book in range(1, 8))
        load = Load(self.stack)
        done = self.stack.ctl("rolling-restart")
        load.finish()
        self.assertEqual(load.failures(), (0, []))
        print(f"        rolling restart: {load.done}, 0 failed", flush=True)
        after = self.stack.pids()
        for name in OFFSETS:
            self.assertNotEqual(after[name], before[name])
            self.assertIn(f"{name} is back", done.stdout)
        self.assertEqual(self.stack.set_of("catalog")["primary"], "catalog-1")
        self.assertEqual(self.stack.set_of("order")["primary"], "order-1")
        wait_until(lambda: "PENDING" not in self.stack.ctl("export", "orders").stdout, what="the end of all orders")
        self.stack.ctl("verify")
        self.stack.ctl("reconcile", "--all")
        sold = stock + 7 * 1_000_000 - sum(self.stack.stock(book) for book in range(1, 8))
        self.assertEqual(sold, len(load.orders))

    def test_it_stops_where_nobody_could_stand_in(self):
        self.stack.ctl("min-insync", "catalog", "1")
        self.stack.away("catalog-2")
        self.addCleanup(self.stack.back)
        wait_until(lambda: self.stack.set_of("catalog")["degraded"], what="a catalog without its backup")
        self.refused("rolling-restart", because="catalog-2")
        self.assertEqual(self.stack.get("/info/1").status, 200)


class Drain(OwnStack):
    def served_by(self):
        """Of twelve reads that no cache answers."""
        return {self.stack.get("/orders?limit=1").headers["X-Served-By"] for _ in range(12)}

    def test_a_drained_replica_gets_no_reads_and_no_request_fails(self):
        self.assertEqual(self.served_by(), {"order-1", "order-2"})
        load = Load(self.stack)
        self.stack.ctl("drain", "order-2")
        self.assertEqual(self.served_by(), {"order-1"})
        self.refused("drain", "order-1", because="is primary")
        self.assertRegex(self.stack.ctl("status").stdout, r"order-2 .* ok \(drained\)")
        drained = [p["name"] for p in json.loads(self.stack.ctl("status", "--json").stdout)["processes"] if p["drained"]]
        self.assertEqual(drained, ["order-2"])
        self.stack.ctl("undrain", "order-2")
        self.assertEqual(self.served_by(), {"order-1", "order-2"})
        load.finish()
        self.assertEqual(load.failures(), (0, []))
        self.assertTrue(self.stack.whole("order"))


class Top(OwnStack):
    def test_it_shows_status_and_writes_again_and_again(self):
        load = Load(self.stack)
        text = self.stack.ctl("top", "--count", "2").stdout
        load.finish()
        self.assertEqual(text.count("order: order-1 is primary"), 2)
        for name in ("catalog-1", "order-1"):
            self.assertRegex(text, rf"\n{name}: [1-9][0-9]* writes a second\n")
        self.assertEqual(self.stack.ctl("top", "--count", "0", check=False).returncode, 2)


class Config(OwnStack):
    def test_every_mistake_is_told_by_line(self):
        self.assertIn("as they should be", self.stack.ctl("config", "check").stdout)
        with open(f"{self.stack.run}/bazar.conf", "w", encoding="ascii") as file:
            file.write("# ours\nBAZAR_CACHE_ENTRIES=many\nBAZAR_CURRENCY=usd\nBAZAR_COLOUR=red\nnonsense\n")
        with open(f"{self.stack.run}/nodes", "a", encoding="ascii") as file:
            file.write("catalog-1 catalog 3 backup 127.0.0.1:1\norder-3 order 3 boss 127.0.0.1:2\n")
        done = self.stack.ctl("config", "check", check=False)
        self.assertEqual(done.returncode, 1)
        told = done.stderr.splitlines()
        for words in ("bazar.conf line 2: BAZAR_CACHE_ENTRIES must be", "bazar.conf line 4: There is no setting",
                      "bazar.conf line 5:", "BAZAR_CURRENCY must be three", "nodes, line 6: this name is already taken",
                      "nodes, line 7: the role must be"):
            self.assertEqual(sum(words in line for line in told), 1, (words, told))
        self.assertEqual(len(told), 6)


class Trace(OwnStack):
    def test_one_request_is_followed_through_the_logs(self):
        self.stack.down()
        self.stack.settings["BAZAR_SLOW_MS"] = "1"  # every purchase is slow then
        self.stack.up()
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        answer = self.stack.post("/buy/1", None, {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
        request = answer.headers["X-Request-Id"]

        def told():
            done = self.stack.ctl("trace", request, check=False)
            return done.stdout if all(word in done.stdout for word in (
                "front      POST /buy/1: 200", "catalog-1  POST /peer/reserve: 200", "catalog-2  POST /peer/replicate",
                "order-2    POST /peer/replicate")) else None

        text = wait_until(told, what="all lines of the trace")  # nginx writes them once a second
        self.assertRegex(text, rf"order-1 +info: slow request {request}: POST /buy/1: 200 after [0-9.]+ ms: "
                               r"[0-9.]+ until it waited, [0-9.]+ waiting, [0-9.]+ since")
        self.assertEqual(self.stack.ctl("trace", trace).stdout.splitlines(), text.splitlines())
        self.refused("trace", "0123456789abcdef", because="no log")
        self.refused("trace", "a b", because="no id")
