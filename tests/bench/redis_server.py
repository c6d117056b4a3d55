"""Redis as a bare cache: a GET of one value, of the size of our answer."""

import csv
import signal
import socket
import subprocess
import tempfile
import time

from stack import free_port, release

# Debian's redis-tools has the server, too, under the name of its file checker; which of the two it is depends on the
# name it is called by. The package redis-server would add a service of the system, which nobody here wants.
PROGRAM = "/usr/bin/redis-check-rdb"
KEY = "info:1001"


class Redis:
    def __init__(self, value):
        self.port, self.home, self.asked = free_port(), tempfile.TemporaryDirectory(prefix="bazar-redis-"), 20000
        self.process = subprocess.Popen(
            ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--dir", self.home.name,
             "--save", "", "--appendonly", "no"], executable=PROGRAM, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, start_new_session=True)  # as limits.py has its servers
        try:
            self.wait()
            self.tell(b"SET", KEY.encode(), value)
            self.version = self.tell(b"INFO", b"server").split(b"redis_version:")[1].split(b"\r\n")[0].decode()
        except BaseException:
            self.stop()
            raise

    def wait(self):
        for _ in range(200):
            try:
                if self.tell(b"PING").startswith(b"+PONG"):
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise SystemExit("redis-server did not start")

    def tell(self, *words):
        """What it answers to one command; long answers only in part."""
        text = b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(text)
            answer = connection.recv(65536)
        if answer.startswith(b"-"):
            raise SystemExit(f"Redis: {answer.decode(errors='replace')}")
        return answer

    def run(self, connections, seconds):
        """{rate, p50 and p99 in ms}. redis-benchmark takes a number of requests, not a time: as many as fit by
        the rate of the round before."""
        done = subprocess.run(["redis-benchmark", "-p", str(self.port), "-c", str(connections), "--threads", "2",
                               "-n", str(self.asked), "--csv", "GET", KEY], capture_output=True, text=True, check=False)
        rows = list(csv.DictReader(line for line in done.stdout.splitlines() if line.startswith('"')))
        if done.returncode != 0 or len(rows) != 1:
            raise SystemExit(f"redis-benchmark said:\n{done.stdout}{done.stderr}")
        rate = float(rows[0]["rps"])
        self.asked = max(1000, int(rate * seconds))
        return {"rate": rate, "p50": float(rows[0]["p50_latency_ms"]), "p99": float(rows[0]["p99_latency_ms"])}

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        self.home.cleanup()
        release(self.port)
