"""Sends requests through nginx while two replicas restart in turn. See rolling-restart."""

import collections
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

REQUESTS = 50_000
RESTARTS = 3
CLIENTS = 16
# The replicas serve for so long after SIGTERM. Longer than nginx keeps idle connections.
DRAIN_SECONDS = 8
# The time between the restart of one replica and that of the other.
PAUSE = 2


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Replica:
    """One server process."""

    def __init__(self, program, settings, directory):
        self.port = free_port()
        self.program = program
        self.settings = settings | {"PORT": str(self.port)}
        self.log = open(directory / f"byline-{self.port}.log", "ab")
        self.process = None

    def start(self):
        environment = os.environ | self.settings
        command = [self.program, "serve"]
        self.process = subprocess.Popen(command, env=environment, stdout=self.log, stderr=self.log)
        for _ in range(200):
            if status(self.port, "GET", "/health/ready") == 200:
                return
            time.sleep(0.05)
        sys.exit("rolling-restart: a replica does not start")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(timeout=60) != 0:
            sys.exit(f"rolling-restart: a replica exited with {self.process.returncode}")


def status(port, method, path, body=None, headers=None):
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request(method, path, body, headers or {})
        return connection.getresponse().status
    except OSError:
        return 0


class Load:
    """Mixed requests from several clients, at a steady rate until it is stopped, and at least REQUESTS."""

    def __init__(self, port, token):
        self.port = port
        self.headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
        self.lock = threading.Lock()
        self.sent = 0
        self.outcomes = collections.Counter()
        self.failures = []
        self.created = set()
        self.stopped = threading.Event()
        self.slowest = 0.0

    def run(self, client):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        own = None
        while True:
            with self.lock:
                if self.stopped.is_set() and self.sent >= REQUESTS:
                    return
                number = self.sent
                self.sent += 1
            method, path, body = "GET", f"/articles/{number % 100 + 1}", None
            if number % 10 == 0:
                method, path = "POST", "/articles/"
                body = {"title": f"Article {number}", "content": "x" * 500, "published": True}
            elif number % 10 == 1 and own is not None:
                method, path, body = "PATCH", f"/articles/{own}", {"content": f"{number}: {'y' * 500}"}
            elif number % 10 in (2, 3):
                path = f"/articles/?limit=20&skip={number % 50}"
            started = time.monotonic()
            try:
                connection.request(method, path, body and json.dumps(body), self.headers)
                response = connection.getresponse()
                text = response.read()
                found = response.status
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                found, text = repr(error), b""
            took = time.monotonic() - started
            expected = 201 if method == "POST" else 200
            with self.lock:
                self.outcomes[method, found] += 1
                self.slowest = max(self.slowest, took)
                if found != expected:
                    self.failures.append((number, method, path, found, text[:200]))
                elif method == "POST":
                    own = json.loads(text)["id"]
                    self.created.add(body["title"])
            # A steady rate, so that the requests cover all restarts.
            time.sleep(max(0.0, CLIENTS / 900 - took))


def main():
    program, template = sys.argv[1:]
    directory = pathlib.Path(tempfile.mkdtemp(prefix="byline-rolling."))
    server, _, _ = os.environ["TEST_DATABASE_URL"].rpartition("/")
    name = f"rolling_{os.getpid()}"
    psql = lambda database, sql: subprocess.run(
        ["psql", "--quiet", "--no-align", "--tuples-only", "--set", "ON_ERROR_STOP=1", f"{server}/{database}",
         "--command", sql], check=True, capture_output=True, text=True).stdout
    psql("postgres", f"CREATE DATABASE {name}")
    settings = {
        "APP_ENV": "production", "DATABASE_URL": f"{server}/{name}", "DATA_DIR": str(directory),
        "SECRET_KEY": "f3b1c7d92e8a4f60b5d81c3e7a9260f4", "BCRYPT_COST": "10", "DATABASE_CONNECTIONS": "12",
        "DRAIN_SECONDS": str(DRAIN_SECONDS), "TRUSTED_PROXIES": '["127.0.0.0/8"]', "LOG": "warn",
    }
    environment = os.environ | settings
    subprocess.run([program, "migrate", "up"], env=environment, check=True, stdout=subprocess.DEVNULL)
    subprocess.run([program, "user", "create", "--email", "ann@blog.example", "--username", "ann"],
                   env=environment, check=True, input="correct horse battery", text=True,
                   stdout=subprocess.DEVNULL)
    replicas = [Replica(program, settings, directory) for _ in range(2)]
    nginx = None
    try:
        for replica in replicas:
            replica.start()
        nginx, port = start_nginx(directory, pathlib.Path(template).read_text(), replicas)
        token = sign_in(port)
        load = Load(port, token)
        for number in range(1, 101):
            body = json.dumps({"title": f"First {number}", "content": "x" * 500, "published": True})
            assert status(port, "POST", "/articles/", body, load.headers) == 201
        threads = [threading.Thread(target=load.run, args=(client,)) for client in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for _ in range(RESTARTS):
            for replica in replicas:
                time.sleep(PAUSE)
                replica.stop()
                replica.start()
        time.sleep(PAUSE)
        load.stopped.set()
        for thread in threads:
            thread.join()
        report(load, psql(name, "SELECT title, count(*) FROM articles GROUP BY title"), directory)
    finally:
        if nginx is not None:
            nginx.terminate()
            nginx.wait()
        for replica in replicas:
            if replica.process is not None:
                replica.process.kill()
                replica.process.wait()
        psql("postgres", f"DROP DATABASE {name} WITH (FORCE)")
    shutil.rmtree(directory)


def start_nginx(directory, configuration, replicas):
    """Starts nginx with the shipped configuration. Only names, ports and the limits of one client differ."""
    port = free_port()
    for number, replica in enumerate(replicas, 1):
        name = f"server byline-{number}:8000 "
        assert name in configuration, f"nginx.conf has no {name!r}"
        configuration = configuration.replace(name, f"server 127.0.0.1:{replica.port} ")
    configuration = configuration.replace("listen 80;", f"listen 127.0.0.1:{port};")
    configuration = configuration.replace("/var/log/nginx/access.log", str(directory / "access.log"))
    # All clients of this test have one address.
    configuration = re.sub(r"rate=\d+r/s", "rate=100000r/s", configuration)
    main_file = directory / "nginx.conf"
    main_file.write_text(
        f"daemon off; pid {directory}/nginx.pid; error_log {directory}/error.log;\n"
        f"events {{ worker_connections 1024; }}\nhttp {{\n"
        + "".join(f"{kind}_temp_path {directory}/{kind};\n"
                  for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        + configuration + "\n}\n")
    nginx = subprocess.Popen(["nginx", "-c", str(main_file), "-e", str(directory / "error.log")])
    for _ in range(100):
        if status(port, "GET", "/health/ready") == 200:
            return nginx, port
        time.sleep(0.05)
    sys.exit(f"rolling-restart: nginx does not start: {(directory / 'error.log').read_text()}")


def sign_in(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    form = urllib.parse.urlencode({"username": "ann", "password": "correct horse battery"})
    connection.request("POST", "/auth/login", form, {"content-type": "application/x-www-form-urlencoded"})
    return json.loads(connection.getresponse().read())["access_token"]


def report(load, rows, directory):
    counts = dict(line.rsplit("|", 1) for line in rows.splitlines())
    twice = {title: count for title, count in counts.items() if count != "1"}
    lost = load.created - counts.keys()
    unacknowledged = {title for title in counts if title.startswith("Article ")} - load.created
    for (method, found), count in sorted(load.outcomes.items(), key=str):
        print(f"{count:6} {method} {found}")
    print(f"{sum(load.outcomes.values())} requests, {len(load.failures)} failed, {len(twice)} executed twice, "
          f"{len(lost)} lost, {len(unacknowledged)} executed but not acknowledged; "
          f"the slowest took {load.slowest * 1e3:.0f} ms")
    if load.failures or twice or lost or unacknowledged:
        for failure in load.failures[:20]:
            print(failure)
        sys.exit(f"rolling-restart: failed; the logs are in {directory}")


main()
