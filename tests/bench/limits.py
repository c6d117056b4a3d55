"""The limits the shop is compared with: nginx alone, a trivial libfcgi responder behind it, the disk."""

import os
import signal
import subprocess
import time

from tell import BUILD
from books import book_path
from probe import Probe
from stack import free_port, release

NGINX = """
{user} daemon off; worker_processes {workers}; pid nginx.pid; error_log error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
  keepalive_requests 1000000000;
  upstream trivial {{ server unix:{socket}; keepalive 64; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port};
    {bodies}
    location /trivial {{ fastcgi_pass trivial; fastcgi_keep_conn on; fastcgi_pass_request_headers off;
      fastcgi_param REQUEST_METHOD $request_method; fastcgi_param REQUEST_URI $request_uri; }}
  }}
}}
"""
WORD = 3000  # bytes; nginx takes a word of less than 4096


def fixed(path, body):
    """nginx's configuration of a path with a fixed answer, which is put together from several words if it is long."""
    text = body.decode()
    if "$" in text:
        raise SystemExit(f"nginx cannot be given a body with a $ in it: {text[:200]}")
    words = [text[i:i + WORD].replace("\\", "\\\\").replace("'", "\\'") for i in range(0, len(text), WORD)]
    if len(words) == 1:
        return f"location = {path} {{ default_type application/json; return 200 '{words[0]}'; }}\n"
    name = path.strip("/")
    sets = "".join(f"set ${name}{i} '{word}'; " for i, word in enumerate(words))
    whole = "".join(f"${{{name}{i}}}" for i in range(len(words)))
    return f"location = {path} {{ default_type application/json; {sets} return 200 '{whole}'; }}\n"


class Limits:
    """nginx alone, answering `bodies` at their paths, and before a trivial libfcgi responder at /trivial, which
    answers the first of them."""

    def __init__(self, folder, bodies, workers=2):
        self.port, self.processes = free_port(), []
        os.makedirs(folder, exist_ok=True)
        path, sock = os.path.join(folder, "body"), os.path.join(folder, "t.sock")
        with open(path, "wb") as out:
            out.write(next(iter(bodies.values())))
        with open(os.path.join(folder, "nginx.conf"), "w", encoding="utf-8") as out:
            out.write(NGINX.format(user="user root;" * (os.geteuid() == 0), workers=workers, port=self.port,
                                   socket=sock, bodies="".join(fixed(p, body) for p, body in bodies.items())))
        self.start([os.path.join(BUILD, "tests", "bench_trivial"), sock, path, "128"])
        self.start(["nginx", "-p", folder, "-c", "nginx.conf", "-e", "error.log"])
        self.wait()

    def start(self, command):
        """In a session of its own, as a shop's nginx is: the scheduler shares a busy machine out between sessions."""
        self.processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                               start_new_session=True))

    def wait(self):
        for _ in range(200):
            try:
                if Probe(self.port).ask("GET", "/trivial")[1] == 200:
                    return
            except (OSError, IndexError):
                pass
            time.sleep(0.05)
        self.stop()
        raise SystemExit("the comparison servers did not start")

    def stop(self):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            process.wait()
        release(self.port)


def usual_limits(folder, shop):
    """At /info and /search, what a shop of the bench's usual books answers."""
    return Limits(os.path.join(folder, "limits"),
                  {"/info": shop.get(book_path(0)).body, "/search": shop.get("/search/shelf%207").body})


def fdatasync_rate(folder, seconds):
    """4 KiB appends, each followed by fdatasync, one after the other."""
    count, end = 0, time.perf_counter() + seconds
    file = os.open(os.path.join(folder, "fdatasync"), os.O_CREAT | os.O_WRONLY, 0o600)
    began = time.perf_counter()
    while time.perf_counter() < end:
        os.write(file, b"x" * 4096)
        os.fdatasync(file)
        count += 1
    rate = count / (time.perf_counter() - began)
    os.close(file)
    return {"rate": rate, "p50": 1000 / rate, "p99": 0.0}
