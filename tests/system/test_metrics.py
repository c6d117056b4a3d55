"""What the replicas tell Prometheus, and what the rules, the dashboard and the runbook make of it."""

import json
import os
import re
import signal
import subprocess
import time
import unittest
import urllib.parse
import urllib.request

from stack import OFFSETS, TOP, Stack, port_is_free, wait_until

MONITORING = os.path.join(TOP, "vagrant", "monitoring")
SELECTOR = re.compile(r"\b((?:bazar[_:][a-z0-9_:]+|up))\b\s*(\{[^{}]*\})?")
GROUPING = re.compile(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)")


def promtool(*args, text=None):
    done = subprocess.run(["promtool", *args], input=text, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def declared():
    """The names of metrics.def."""
    with open(os.path.join(TOP, "fcgi", "metrics.def"), encoding="ascii") as file:
        return re.findall(r'"(bazar_\w+)"', file.read())


def rules():
    import yaml
    with open(os.path.join(MONITORING, "rules.yml"), encoding="utf-8") as file:
        return [rule for group in yaml.safe_load(file)["groups"] for rule in group["rules"]]


def dashboard():
    with open(os.path.join(MONITORING, "grafana", "bazar.json"), encoding="utf-8") as file:
        return json.load(file)


class Metrics(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack()

    @classmethod
    def tearDownClass(cls):
        cls.stack.destroy()

    def text(self, name):
        return self.stack.get("/metrics", port=self.stack.port_of(name)).body.decode()

    def value(self, name, series):
        """Of a series as it is written; None: it is not there."""
        for line in self.text(name).splitlines():
            if line.startswith(series + " "):
                return float(line.rsplit(" ", 1)[1])
        return None

    def test_promtool_finds_nothing_to_say(self):
        for name in OFFSETS:
            with self.subTest(name):
                self.assertEqual(promtool("check", "metrics", text=self.text(name)), (0, ""))

    def test_every_metric_is_declared_once_and_told(self):
        self.assertEqual(len(declared()), len(set(declared())))
        told = set()
        for name in OFFSETS:
            here = re.findall(r"^# TYPE (\S+) ", self.text(name), re.MULTILINE)
            self.assertEqual(len(here), len(set(here)))
            told |= set(here)
        self.assertEqual(told, set(declared()))

    def test_requests_are_counted_by_route_method_and_status(self):
        port = self.stack.port_of("catalog-2")
        found = 'bazar_requests_total{method="GET",route="/info/{id}",status="200"}'
        missed = 'bazar_requests_total{method="GET",route="/info/{id}",status="404"}'
        times = 'bazar_request_seconds_count{method="GET",route="/info/{id}"}'
        before = [self.value("catalog-2", s) or 0 for s in (found, missed, times)]
        for book, status in ((1, 200), (2, 200), (999999, 404)):
            self.assertEqual(self.stack.get(f"/info/{book}", port=port).status, status)
        after = [self.value("catalog-2", s) for s in (found, missed, times)]
        self.assertEqual([b - a for a, b in zip(before, after)], [2, 1, 3])

    def test_orders_are_counted_by_outcome_and_so_are_stock_outs(self):
        series = [f'bazar_orders_total{{outcome="{o}"}}'
                  for o in ("confirmed", "not_found", "insufficient_stock", "sold_out")]
        before = [self.value("order-1", s) for s in series]
        out_before = self.value("catalog-1", "bazar_stockouts_total")
        left = self.stack.stock(5)
        self.assertEqual(self.stack.post("/buy/999999").status, 404)
        self.assertEqual(self.stack.post("/buy/5", {"quantity": left + 1}).status, 409)
        key = {"Idempotency-Key": "the last ones"}
        for _ in range(2):  # the second is the first again, and counts no more
            self.assertEqual(self.stack.post("/buy/5", {"quantity": left}, key).status, 200)
        self.assertEqual(self.stack.post("/buy/5").status, 409)
        after = [self.value("order-1", s) for s in series]
        self.assertEqual([b - a for a, b in zip(before, after)], [1, 1, 1, 1])
        self.assertEqual(self.value("catalog-1", "bazar_stockouts_total"), out_before + 1)

    def test_writes_are_measured_on_their_way(self):
        names = ("bazar_batch_operations_sum", "bazar_store_flush_seconds_count",
                 'bazar_peer_ack_seconds_count{peer="catalog-2"}')
        before = [self.value("catalog-1", s) for s in names]
        self.assertEqual(self.stack.put("/update/7/stock", {"quantity_change": 1}).status, 200)
        after = [self.value("catalog-1", s) for s in names]
        self.assertEqual([b - a for a, b in zip(before, after)], [1, 1, 1])

    def test_a_stopped_backup_lags(self):
        series = ['bazar_peer_lag_entries{peer="order-2"}', 'bazar_peer_lag_seconds{peer="order-2"}']
        self.stack.ctl("min-insync", "order", "1")
        self.stack.kill("order-2", signal.SIGSTOP)
        try:
            self.assertIn(self.stack.post("/buy/3", timeout=30).status, (200, 202))
            wait_until(lambda: self.value("order-1", series[0]) >= 2, what="a lag in entries")
            wait_until(lambda: self.value("order-1", series[1]) > 0.5, what="a lag in seconds")
            wait_until(lambda: self.value("order-1", 'bazar_peer_in_sync{peer="order-2"}') == 0, what="out of sync")
        finally:
            self.stack.kill("order-2", signal.SIGCONT)
        wait_until(lambda: [self.value("order-1", s) for s in series] == [0, 0], what="no lag")
        wait_until(lambda: self.stack.whole("order"), what="a whole order service")
        self.stack.ctl("min-insync", "order", "all")


class Prometheus(unittest.TestCase):
    """A real one, with the configuration that goes to production, but for how often it looks."""

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack()
        cls.port = cls.stack.port + 89
        assert port_is_free(cls.port)
        home = os.path.join(cls.stack.home, "prometheus")
        os.mkdir(home)
        with open(os.path.join(MONITORING, "prometheus.yml"), encoding="utf-8") as file:
            text = file.read().replace("_interval: 5s", "_interval: 1s").replace("timeout: 4s", "timeout: 1s")
        with open(os.path.join(home, "prometheus.yml"), "w", encoding="utf-8") as file:
            file.write(text)
        os.symlink(os.path.join(MONITORING, "rules.yml"), os.path.join(home, "rules.yml"))
        with open(os.path.join(home, "targets.json"), "wb") as file:
            subprocess.run([os.path.join(MONITORING, "targets"), os.path.join(cls.stack.run, "nodes")],
                           stdout=file, check=True)
        cls.process = subprocess.Popen(
            ["prometheus", f"--config.file={home}/prometheus.yml", f"--storage.tsdb.path={home}/data",
             f"--web.listen-address=127.0.0.1:{cls.port}", "--log.level=error"])
        cls.addClassCleanup(cls.stop)
        wait_until(lambda: len(cls.query('up{job="bazar"} == 1')) == 4, 30, "four replicas that are up")
        wait_until(lambda: cls.query("bazar:requests_slow:rate1m and bazar:requests_failed:rate1m"), 30, "recorded rules")

    @classmethod
    def stop(cls):
        cls.process.terminate()
        cls.process.wait(20)
        cls.stack.destroy()

    @classmethod
    def api(cls, path, **params):
        url = f"http://127.0.0.1:{cls.port}/api/v1/{path}?" + urllib.parse.urlencode(params)
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)
        except OSError as error:  # it does not understand, or is not there yet
            return {"status": str(error)}

    @classmethod
    def query(cls, text):
        """The series of an expression; [] also when it means nothing."""
        return cls.api("query", query=text, time=time.time()).get("data", {}).get("result", [])

    def check(self, text):
        """It means something, and every series and label it speaks of is there."""
        self.assertEqual(self.api("query", query=text)["status"], "success", text)
        known = set()
        for name, labels in SELECTOR.findall(text):
            found = self.query(name + labels)
            self.assertTrue(found, f"no such series: {name}{labels} in {text}")
            known.update(*[series["metric"] for series in found])
        for words in GROUPING.findall(text):
            for label in filter(None, re.split(r"[\s,]+", words)):
                self.assertIn(label, known, text)

    def test_it_finds_four_replicas_by_name(self):
        found = {(s["metric"]["service"], s["metric"]["replica"]) for s in self.query("up == 1")}
        self.assertEqual(found, {(n.split("-")[0], n) for n in OFFSETS})

    def test_every_rule_speaks_of_what_there_is(self):
        for rule in rules():
            with self.subTest(rule.get("alert") or rule["record"]):
                self.check(rule["expr"])

    def test_no_alert_fires_in_a_shop_that_is_well(self):
        alerts = self.api("alerts")["data"]["alerts"]
        self.assertEqual([a for a in alerts if a["state"] == "firing"], [])

    def test_every_query_of_the_dashboard_speaks_of_what_there_is(self):
        queries = [target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", [])]
        queries += [a["expr"] for a in dashboard()["annotations"]["list"]]
        self.assertGreater(len(queries), 30)
        for query in queries:
            with self.subTest(query):
                self.check(query.replace("$__rate_interval", "1m").replace("$service", "catalog|order"))
        for variable in dashboard()["templating"]["list"]:
            metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"]).groups()
            self.assertEqual({s["metric"][label] for s in self.query(metric)}, {"catalog", "order"})


class Monitoring(unittest.TestCase):
    """What needs no shop."""

    def test_the_configuration_and_the_rules_are_sound(self):
        self.assertEqual(promtool("check", "rules", os.path.join(MONITORING, "rules.yml"))[0], 0)

    def test_alerts_fire_when_they_should_and_else_not(self):
        for name in ("alerts", "objectives"):
            status, words = promtool("test", "rules", os.path.join(TOP, "tests", "monitoring", f"{name}.yml"))
            self.assertEqual(status, 0, words)

    def test_every_alert_is_tried_and_has_its_entry_in_the_runbook(self):
        alerts = {r["alert"]: r["labels"]["severity"] for r in rules() if "alert" in r}
        with open(os.path.join(MONITORING, "runbook.md"), encoding="utf-8") as file:
            titles = re.findall(r"^## (.*)$", file.read(), re.MULTILINE)
        self.assertEqual(dict(re.findall(r"(Bazar\w+) \((\w+)\)", ", ".join(titles))), alerts)
        tried = ""
        for name in ("alerts", "objectives"):
            with open(os.path.join(TOP, "tests", "monitoring", f"{name}.yml"), encoding="utf-8") as file:
                tried += file.read()
        for alert in alerts:
            self.assertRegex(tried, rf"alertname: {alert}\W[^}}]*exp_labels|alertname: {alert}\n\s+exp_alerts")

    def test_panels_have_ids_of_their_own_and_do_not_overlap(self):
        panels = dashboard()["panels"]
        self.assertEqual(len({p["id"] for p in panels}), len(panels))
        taken = set()
        for panel in panels:
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            self.assertFalse(taken & cells, panel["title"])
            taken |= cells
