"""PostgreSQL as a shop's database: a primary and one standby that has applied what the primary acknowledges.

Two clusters of our own, in a directory of our own, reached by Unix sockets in it only: clusters of the system
are neither used nor touched. PostgreSQL does not run as root; then it runs as the user Debian makes for it.
Everything is in its favour that keeps the promise: one statement a purchase, prepared; no HTTP; rows with room
for their next version; a key that is a counter; no checkpoint while it is measured.
"""

import glob
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time

from books import FIRST, USUAL

USER = "postgres"
SCHEMA = f"""
CREATE TABLE books (id bigint PRIMARY KEY, price numeric(12, 2) NOT NULL,
                    quantity bigint NOT NULL CHECK (quantity >= 0)) WITH (fillfactor = 50);
CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, book bigint NOT NULL,
                     price numeric(12, 2) NOT NULL, placed timestamptz NOT NULL DEFAULT now());
INSERT INTO books SELECT {FIRST} + i, 1 + i % 90, 1000000 FROM generate_series(0, {USUAL - 1}) AS i;
VACUUM ANALYZE books;
"""
BUY = """WITH sold AS (UPDATE books SET quantity = quantity - 1 WHERE id = :book AND quantity > 0 RETURNING id, price)
INSERT INTO orders (book, price) SELECT id, price FROM sold;
"""
SCRIPTS = {"random books": f"\\set book random({FIRST}, {FIRST + USUAL - 1})\n{BUY}",
           "one book": f"\\set book {FIRST}\n{BUY}"}
CONFIG = """
listen_addresses = ''
unix_socket_directories = '{home}'
port = {port}
max_connections = 100
shared_buffers = 256MB
synchronous_commit = remote_apply
max_wal_size = 8GB
checkpoint_timeout = 1h
"""
PRIMARY, STANDBY = 1, 2  # as ports: only parts of the sockets' names


class Postgres:
    def __init__(self):
        self.home, self.processes = tempfile.mkdtemp(prefix="bazar-pg-"), []
        self.bin = max(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[-2]))
        self.user = {}
        if os.geteuid() == 0:
            who = pwd.getpwnam(USER)
            self.user = {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}
            os.chown(self.home, who.pw_uid, who.pw_gid)
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    # ---- life ----

    def start(self):
        self.call("initdb", "-D", self.data(PRIMARY), "-U", USER, "--auth=trust", "--no-locale", "-E", "UTF8")
        self.configure(PRIMARY, "synchronous_standby_names = '*'\n")
        self.serve(PRIMARY)
        self.call("pg_basebackup", "-D", self.data(STANDBY), "-h", self.home, "-p", str(PRIMARY), "-U", USER,
                  "-R", "-X", "stream", "-c", "fast")
        self.configure(STANDBY, "")
        self.serve(STANDBY)
        self.wait(lambda: self.ask("SELECT sync_state FROM pg_stat_replication") == "sync", "a synchronous standby")
        self.ask(SCHEMA)
        for name, text in SCRIPTS.items():
            with open(self.script(name), "w", encoding="ascii") as out:
                out.write(text)
        self.version = self.ask("SHOW server_version").split()[0]

    def data(self, which):
        return os.path.join(self.home, {PRIMARY: "primary", STANDBY: "standby"}[which])

    def script(self, name):
        return os.path.join(self.home, name.replace(" ", "-") + ".sql")

    def configure(self, which, more):
        with open(os.path.join(self.data(which), "postgresql.conf"), "a", encoding="ascii") as out:
            out.write(CONFIG.format(home=self.home, port=which) + more)

    def serve(self, which):
        log = open(os.path.join(self.home, f"log-{which}"), "wb")  # closed below: the server has its own
        with log:
            self.processes.append(subprocess.Popen([os.path.join(self.bin, "postgres"), "-D", self.data(which)],
                                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.home,
                                                   start_new_session=True, **self.user))
        self.wait(lambda: self.call("pg_isready", "-q", "-h", self.home, "-p", str(which), check=False) == "",
                  f"an answer of {self.data(which)}")

    def wait(self, condition, what):
        end = time.monotonic() + 60
        while not condition():
            if time.monotonic() > end or any(p.poll() is not None for p in self.processes):
                raise SystemExit(f"PostgreSQL: {what} did not come about; its last words:\n{self.last_words()}")
            time.sleep(0.05)

    def last_words(self):
        return "".join(open(path, encoding="utf-8", errors="replace").read()[-1000:]
                       for path in sorted(glob.glob(os.path.join(self.home, "log-*"))))

    def stop(self):
        """The standby first: a primary waits for nobody when it stops fast."""
        for process in reversed(self.processes):
            process.send_signal(signal.SIGINT)
            process.wait(60)
        shutil.rmtree(self.home, ignore_errors=True)

    # ---- calls ----

    def call(self, program, *args, check=True):
        """Its output; None for a failure that is not checked."""
        done = subprocess.run([os.path.join(self.bin, program), *args], stdin=subprocess.DEVNULL, cwd=self.home,
                              capture_output=True, text=True, check=False, **self.user)
        if done.returncode == 0:
            return done.stdout.strip()
        if check:
            raise SystemExit(f"{program} failed:\n{done.stdout}{done.stderr}\n{self.last_words()}")
        return None

    def ask(self, sql, which=PRIMARY):
        """The answer of statements that run one by one."""
        words = [word for part in sql.split(";") if part.strip() for word in ("-c", part.strip())]
        return self.call("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.home, "-p", str(which),
                         "-U", USER, *words, "postgres")

    def run(self, script, clients, seconds):
        """{rate, p50 and p99 in ms} of purchases by pgbench."""
        logs = tempfile.mkdtemp(dir=self.home)
        if self.user:
            os.chown(logs, self.user["user"], self.user["group"])
        said = self.call("pgbench", "-n", "-M", "prepared", "-c", str(clients), "-j", str(min(2, clients)),
                         "-T", str(seconds), "-f", self.script(script), "-l", f"--log-prefix={logs}/log",
                         "-h", self.home, "-p", str(PRIMARY), "-U", USER, "postgres")
        failed, rate = re.search(r"number of failed transactions: (\d+)", said), re.search(r"tps = ([0-9.]+)", said)
        if failed is None or int(failed[1]) != 0 or rate is None:
            raise SystemExit(f"pgbench: {said}\n{self.last_words()}")
        took = []
        for path in glob.glob(f"{logs}/log*"):
            with open(path, encoding="ascii") as lines:
                took.extend(int(line.split()[2]) for line in lines)
        shutil.rmtree(logs)
        took.sort()
        return {"rate": float(rate[1]),
                "p50": took[len(took) // 2] / 1000, "p99": took[int(len(took) * 0.99)] / 1000}

    def check(self):
        """That it has sold what it took off the stock, and that the standby has all of it."""
        counts = [self.ask(f"SELECT (SELECT count(*) FROM orders), {USUAL} * bigint '1000000' - sum(quantity) FROM books", which)
                  for which in (PRIMARY, STANDBY)]
        orders, sold = counts[0].split("|")
        if orders != sold or counts[0] != counts[1]:
            raise SystemExit(f"PostgreSQL's books do not add up: orders|sold {counts[0]}, on the standby {counts[1]}")
