"""Failures of the database and of the program under load. See failures."""

import collections
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

PROGRAM, *CHOSEN = sys.argv[1:]
# Not all programs need to be on the path.
BIN = (pathlib.Path(os.environ["TEST_POSTGRES_BIN"]) / "initdb").resolve().parent
# initdb refuses to run as root.
AS = ["runuser", "-u", os.environ.get("PGRUNAS", "postgres"), "--"] if os.geteuid() == 0 else []
CLIENTS = 8
# Each client waits so long between two requests.
PAUSE = 0.02
# How often the program is killed on each engine.
KILLS = 20
MAX_CONNECTIONS = 40
# Byline answers a request within this time, in seconds. A client would wait longer.
REQUEST_TIMEOUT = 5
TIMEOUT = 40
# The longest time until requests are served again, in seconds.
RECOVERY = 30


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until(what, done, limit=RECOVERY):
    end = time.monotonic() + limit
    while not done():
        if time.monotonic() > end:
            raise AssertionError(f"not within {limit} s: {what}")
        time.sleep(0.02)


class Cluster:
    """A PostgreSQL server, with durable writes."""

    def __init__(self, directory):
        self.directory = directory
        self.port = free_port()
        self.data = directory / "data"

    def create(self):
        self.directory.mkdir()
        if AS:
            shutil.chown(self.directory, os.environ.get("PGRUNAS", "postgres"))
        self.run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")

    def copy(self, primary):
        self.directory.mkdir()
        if AS:
            shutil.chown(self.directory, os.environ.get("PGRUNAS", "postgres"))
        self.run("pg_basebackup", "--dbname", primary.url("postgres"), "--pgdata", self.data, "--write-recovery-conf",
                 "--wal-method", "stream", "--checkpoint", "fast")

    def run(self, program, *arguments):
        command = [*AS, BIN / program, *map(str, arguments)]
        # A server that stays must not hold the pipe of its parent.
        with open(self.directory / "commands", "ab") as log:
            subprocess.run(command, check=True, stdout=log, stderr=log, cwd="/")

    def start(self):
        options = {
            "port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": self.directory,
            "max_connections": MAX_CONNECTIONS, "fsync": "on", "synchronous_commit": "on", "jit": "off",
        }
        options = " ".join(f"-c {name}={value}" for name, value in options.items())
        self.run("pg_ctl", "-D", self.data, "-l", self.directory / "log", "-w", "-t", "30", "start", "-o", options)

    def restart_after_kill(self):
        """Processes that are not gone yet hold the memory of the server for a moment."""
        for _ in range(50):
            try:
                return self.start()
            except subprocess.CalledProcessError:
                time.sleep(0.1)
        raise AssertionError("PostgreSQL does not start again")

    def stop(self):
        with contextlib.suppress(subprocess.CalledProcessError):
            self.run("pg_ctl", "-D", self.data, "-m", "immediate", "stop")

    def processes(self):
        """The server and its children, the server first."""
        server = int((self.data / "postmaster.pid").read_text().split()[0])
        children = pathlib.Path(f"/proc/{server}/task/{server}/children").read_text().split()
        return [server, *map(int, children)]

    def signal(self, number):
        for process in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)

    def url(self, database, user="postgres", port=None):
        return f"postgres://{user}@127.0.0.1:{port or self.port}/{database}"

    def sql(self, text, database="postgres"):
        command = [BIN / "psql", "-qAtX", "-v", "ON_ERROR_STOP=1", self.url(database), "-c", text]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Forwarder:
    """Connects clients to the current server, as a virtual address does."""

    def __init__(self, target):
        self.target = target
        self.pairs = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            self.pairs += [client, server]
            for source, sink in [(client, server), (server, client)]:
                threading.Thread(target=self.copy, args=(source, sink), daemon=True).start()

    def copy(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def move_to(self, target):
        self.target = target
        for end in self.pairs:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class Byline:
    """The program as a server on a database of its own."""

    def __init__(self, directory, url):
        self.directory = directory
        directory.mkdir()
        self.port = free_port()
        self.environment = os.environ | {
            "DATABASE_URL": url, "DATA_DIR": str(directory), "PORT": str(self.port), "BCRYPT_COST": "4", "LOG": "warn",
            "SECRET_KEY": "f3b1c7d92e8a4f60b5d81c3e7a9260f4", "REQUEST_TIMEOUT_SECONDS": str(REQUEST_TIMEOUT),
            "DATABASE_CONNECTIONS": "12", "DRAIN_SECONDS": "0",
        }
        self.log = open(directory / "log", "ab")
        self.process = None
        self.command("migrate", "up")
        self.command("user", "create", "--email", "ann@blog.example", "--username", "ann",
                     text="correct horse battery")

    def command(self, *arguments, text=""):
        subprocess.run([PROGRAM, *arguments], env=self.environment, check=True, input=text, text=True,
                       stdout=self.log, stderr=self.log)

    def start(self):
        """Returns the time until it is ready, in seconds."""
        started = time.monotonic()
        self.process = subprocess.Popen([PROGRAM, "serve"], env=self.environment, stdout=self.log, stderr=self.log)
        wait_until("Byline is ready", lambda: self.status("/health/ready") == 200)
        return time.monotonic() - started

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=60) == 0, "Byline does not stop in order"

    def status(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
        with contextlib.closing(connection):
            try:
                connection.request("GET", path)
                return connection.getresponse().status
            except (OSError, http.client.HTTPException):
                return 0

    def sign_in(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
        form = urllib.parse.urlencode({"username": "ann", "password": "correct horse battery"})
        connection.request("POST", "/auth/login", form, {"content-type": "application/x-www-form-urlencoded"})
        return json.loads(connection.getresponse().read())["access_token"]


class Load:
    """Mixed reads and writes of several clients, and what was acknowledged."""

    def __init__(self, byline):
        self.byline = byline
        self.token = byline.sign_in()
        self.lock = threading.Lock()
        self.outcomes = collections.Counter()
        self.unexpected = []
        self.created = {}
        # The content of each article that was acknowledged last, and those that may have been written as well: a
        # request without a response may be executed later.
        self.acknowledged = {}
        self.possible = collections.defaultdict(set)
        self.slowest = 0.0
        self.last_write = 0.0
        self.may_disconnect = False
        self.readiness = []
        self.stopped = threading.Event()
        clients = [threading.Thread(target=self.run, args=(client,)) for client in range(CLIENTS)]
        self.threads = [*clients, threading.Thread(target=self.watch_readiness)]
        for thread in self.threads:
            thread.start()
        wait_until("the first writes", lambda: len(self.created) >= CLIENTS)

    def run(self, client):
        connection = http.client.HTTPConnection("127.0.0.1", self.byline.port, timeout=TIMEOUT)
        own, number = None, 0
        while not self.stopped.wait(PAUSE):
            number += 1
            # Reads without a token may be answered by the cache.
            signed_in = number % 2 == 0
            method, path, body = "GET", f"/articles/{own}" if own else "/articles/", None
            if number % 5 == 0:
                signed_in, method, path = True, "POST", "/articles/"
                body = {"title": f"{client}-{number}", "content": "x" * 500, "published": True}
            elif number % 5 == 1 and own is not None:
                signed_in, method, body = True, "PATCH", {"content": f"{number:010}"}
                with self.lock:
                    self.possible[own].add(body["content"])
            elif number % 5 == 2:
                path = "/articles/?limit=20"
            headers = {"content-type": "application/json"}
            if signed_in:
                headers["authorization"] = f"Bearer {self.token}"
            started = time.monotonic()
            try:
                connection.request(method, path, body and json.dumps(body), headers)
                response = connection.getresponse()
                text, found = response.read(), response.status
            except (OSError, http.client.HTTPException):
                connection.close()
                text, found = b"", "disconnected"
            ended = time.monotonic()
            with self.lock:
                self.outcomes[method, found] += 1
                self.slowest = max(self.slowest, ended - started)
                if method == "POST" and found == 201:
                    own = json.loads(text)["id"]
                    self.created[body["title"]] = own
                    self.acknowledged[own] = body["content"]
                    self.last_write = ended
                elif method == "PATCH" and found == 200:
                    self.acknowledged[own] = body["content"]
                    self.possible[own].remove(body["content"])
                    self.last_write = ended
                elif found != 503 and found != (200 if method == "GET" else None) and not (
                        found == "disconnected" and self.may_disconnect):
                    self.unexpected.append((method, path, found, text[:200]))

    def watch_readiness(self):
        while not self.stopped.wait(0.05):
            found = self.byline.status("/health/ready")
            self.readiness.append((time.monotonic(), found))

    def not_ready_since(self, start):
        return any(moment > start and found == 503 for moment, found in list(self.readiness))

    def ready_since(self, start):
        return any(moment > start and found == 200 for moment, found in list(self.readiness))

    def recovered(self, since):
        """Waits until writes succeed and the server is ready again. Returns the time until then, in seconds."""
        wait_until("writes succeed again", lambda: self.last_write > since)
        written = self.last_write
        wait_until("the server is ready again", lambda: self.ready_since(since))
        return max(written, next(moment for moment, found in self.readiness if moment > since and found == 200)) - since

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join()

    def check(self, rows):
        """Compares what was acknowledged with `rows`: the id, the title and the content of each article."""
        counts = collections.Counter(title for _, title, _ in rows)
        contents = {number: content for number, _, content in rows}
        lost = self.created.keys() - counts.keys()
        twice = [title for title, count in counts.items() if count > 1]
        lost_changes = [own for own, content in self.acknowledged.items()
                        if contents.get(own) != content and contents.get(own) not in self.possible[own]]
        executed = len(counts.keys() - self.created.keys())
        reads = {found: count for (method, found), count in self.outcomes.items() if method == "GET"}
        writes = {found: count for (method, found), count in self.outcomes.items() if method != "GET"}
        print(f"    reads {reads}, writes {writes}; {executed} executed but not acknowledged; the slowest took "
              f"{self.slowest:.1f} s")
        assert not lost, f"acknowledged articles are lost: {sorted(lost)[:10]}"
        assert not lost_changes, f"acknowledged changes are lost: {lost_changes[:10]}"
        assert not twice, f"executed twice: {twice[:10]}"
        assert self.slowest < REQUEST_TIMEOUT + 1, f"a response took {self.slowest:.1f} s"
        assert not self.unexpected, f"unexpected responses: {self.unexpected[:10]}"


class Site:
    """Byline under load on a database, until the block ends. Then compares the rows with what was acknowledged."""

    def __init__(self, directory, url=None):
        self.directory = directory
        self.url = url
        self.cluster = None
        self.forwarder = None
        self.byline = None
        self.load = None
        self.cleanup = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as unless_done:
            unless_done.callback(self.cleanup.close)
            if self.url is None:
                self.start_postgresql()
            self.byline = Byline(self.directory / "byline", self.url)
            self.cleanup.callback(self.byline.kill)
            self.byline.start()
            self.load = Load(self.byline)
            unless_done.pop_all()
        return self

    def start_postgresql(self):
        self.cluster = Cluster(self.directory / "postgres")
        self.cleanup.callback(self.cluster.stop)
        self.cluster.create()
        self.cluster.start()
        # Not a superuser, for whom PostgreSQL reserves connections.
        self.cluster.sql("CREATE ROLE byline LOGIN")
        self.cluster.sql("CREATE DATABASE blog OWNER byline")
        self.forwarder = Forwarder(self.cluster.port)
        self.url = self.cluster.url("blog", "byline", self.forwarder.port)

    def __exit__(self, kind, error, trace):
        with self.cleanup:
            self.load.stop()
            if error is None:
                self.byline.stop()
                self.load.check(self.rows())

    def rows(self):
        if self.cluster:
            rows = "SELECT json_agg(json_build_array(id, title, content)) FROM articles"
            return json.loads(self.cluster.sql(rows, "blog"))
        with contextlib.closing(sqlite3.connect(self.directory / "blog.db")) as connection:
            return connection.execute("SELECT id, title, content FROM articles").fetchall()


def backends(cluster):
    text = cluster.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'byline'")
    return [int(process) for process in text.split()]


def one_backend_is_killed(directory):
    """PostgreSQL then ends all connections and recovers."""
    with Site(directory) as it:
        for _ in range(3):
            os.kill(backends(it.cluster)[0], signal.SIGKILL)
            print(f"    recovered after {it.load.recovered(time.monotonic() + 0.2) + 0.2:.1f} s")
            time.sleep(1)


def postgresql_is_killed(directory):
    """All processes, and started again after 3 s."""
    with Site(directory) as it:
        for _ in range(2):
            start = time.monotonic()
            it.cluster.signal(signal.SIGKILL)
            time.sleep(3)
            assert it.load.not_ready_since(start), "the server says that it is ready"
            it.cluster.restart_after_kill()
            print(f"    recovered {it.load.recovered(time.monotonic()):.1f} s after PostgreSQL was started")
            time.sleep(1)


def postgresql_is_stopped(directory):
    """With SIGSTOP, for longer than a request may take: connections stay open, but nothing is answered."""
    with Site(directory) as it:
        time.sleep(1)
        start = time.monotonic()
        it.cluster.signal(signal.SIGSTOP)
        try:
            time.sleep(REQUEST_TIMEOUT + 3)
            assert it.load.not_ready_since(start), "the server says that it is ready"
        finally:
            it.cluster.signal(signal.SIGCONT)
        print(f"    recovered {it.load.recovered(time.monotonic()):.1f} s after PostgreSQL was continued")
        time.sleep(2)


def connections_are_terminated(directory):
    """All at once, five times."""
    with Site(directory) as it:
        for _ in range(5):
            it.cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'byline'")
            print(f"    recovered after {it.load.recovered(time.monotonic()):.1f} s")
            time.sleep(1)


def connect(cluster):
    """A connection of the user of Byline, or none if PostgreSQL refuses it."""
    connection = socket.create_connection(("127.0.0.1", cluster.port))
    parameters = b"user\0byline\0database\0blog\0\0"
    connection.sendall(struct.pack("!ii", len(parameters) + 8, 196608) + parameters)
    # Each message has a type and a length: `Z` is ready for a query, `E` an error, also after the user was accepted.
    stream = connection.makefile("rb")
    while True:
        kind, length = struct.unpack("!ci", stream.read(5))
        stream.read(length - 4)
        if kind == b"Z":
            return connection
        if kind == b"E":
            connection.close()
            return None


def connections_are_used_up(directory):
    """By another program, for 5 s, after Byline lost its own."""
    with Site(directory) as it:
        it.forwarder.move_to(free_port())
        taken = []
        while connection := connect(it.cluster):
            taken.append(connection)
        it.forwarder.move_to(it.cluster.port)
        start = time.monotonic()
        time.sleep(5)
        assert it.load.not_ready_since(start), "the server says that it is ready"
        assert not it.load.ready_since(start + 0.5), "the server has connections"
        for connection in taken:
            connection.close()
        print(f"    recovered {it.load.recovered(time.monotonic()):.1f} s after {len(taken)} connections were closed")
        time.sleep(1)


def a_standby_is_promoted(directory):
    """After the primary was killed, which commits only what the standby has."""
    with Site(directory) as it:
        standby = Cluster(directory / "standby")
        it.cleanup.callback(standby.stop)
        standby.copy(it.cluster)
        standby.start()
        it.cluster.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
        it.cluster.sql("SELECT pg_reload_conf()")
        time.sleep(2)
        start = time.monotonic()
        it.cluster.signal(signal.SIGKILL)
        time.sleep(3)
        assert it.load.not_ready_since(start), "the server says that it is ready"
        standby.run("pg_ctl", "-D", standby.data, "-w", "promote")
        it.forwarder.move_to(standby.port)
        it.cluster = standby
        print(f"    recovered {it.load.recovered(time.monotonic()):.1f} s after the promotion")
        time.sleep(1)


def kill_program(site):
    site.load.may_disconnect = True
    times = []
    for number in range(KILLS):
        time.sleep(0.3 + number % 5 / 5)
        site.byline.kill()
        times.append(site.byline.start())
    site.load.recovered(time.monotonic())
    times.sort()
    median, longest = times[KILLS // 2] * 1e3, times[-1] * 1e3
    print(f"    {KILLS} kills; from the start to ready {median:.0f} ms, at most {longest:.0f} ms")


def the_program_is_killed_on_postgresql(directory):
    """While it serves."""
    with Site(directory) as it:
        kill_program(it)


def the_program_is_killed_on_sqlite(directory):
    """While it serves."""
    with Site(directory, f"sqlite://{directory}/blog.db") as it:
        kill_program(it)


FAILURES = [
    one_backend_is_killed, postgresql_is_killed, postgresql_is_stopped, connections_are_terminated,
    connections_are_used_up, a_standby_is_promoted, the_program_is_killed_on_postgresql,
    the_program_is_killed_on_sqlite,
]


def main():
    failed = []
    for failure in FAILURES:
        name = failure.__name__.replace("_", " ")
        if CHOSEN and not any(part in name for part in CHOSEN):
            continue
        print(f"{name}. {failure.__doc__}", flush=True)
        directory = pathlib.Path(tempfile.mkdtemp(prefix="byline-failures."))
        # The user of PostgreSQL enters it.
        directory.chmod(0o755)
        started = time.monotonic()
        try:
            failure(directory)
        except AssertionError as error:
            print(f"    FAILED: {error}; the logs are in {directory}")
            failed.append(name)
        else:
            shutil.rmtree(directory)
        print(f"    took {time.monotonic() - started:.0f} s", flush=True)
    if failed:
        sys.exit(f"failures: {len(failed)} failed: {', '.join(failed)}")


main()
