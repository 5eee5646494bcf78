#!/usr/bin/env python3
"""Sends the same random requests to the old blog and to Byline, and compares the responses.

    python3 differential.py --old http://127.0.0.1:8100 --new http://127.0.0.1:8000 --contract cases.json --seed 1 --count 5000

Both servers need the users, the secret key and the CORS origins of `cases.json`, and a database each. Byline must run
with PUBLIC_DRAFTS=true and MAX_PAGE_SIZE=0. All articles of these users are deleted first. Requests that are in
`cases.json` are not sent. Needs only Python 3.11 or newer.

A rule converts the response of the old blog to the response that Byline must send instead. If Byline's response
equals it, the rule explains the difference. The rules have the names from section 9 of the wire contract and from
`cases.json`; rules named `free: …` cover quirks of the old blog's parsers. A difference that no rule explains is a
finding. If there are findings, the exit status is 1.
"""

import argparse
import base64
import gzip
import hashlib
import hmac
import http.client
import json
import random
import re
import socket
import sys
import time
import urllib.parse
from collections import Counter
from dataclasses import dataclass, field, replace
from email.message import Message
from pathlib import Path

METHODS = {
    "collection": {"GET", "HEAD", "POST"},
    "item": {"GET", "HEAD", "PATCH", "DELETE"},
    "login": {"POST"},
    "docs": {"GET", "HEAD"},
}
KNOWN_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"}
CORS_METHODS = {"GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"}
BODY_LIMIT = 2 * 1024 * 1024
INT32 = range(-(2**31), 2**31)
INT64 = range(-(2**63), 2**63)
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.(?!000000)\d{6})?Z")
FORM = "application/x-www-form-urlencoded"


# The two servers


@dataclass
class Response:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        """The parsed body; None without a body or if it is not JSON (NaN and Infinity are not JSON)."""
        try:
            return json.loads(self.body, parse_constant=not_json) if self.body else None
        except (ValueError, RecursionError):
            return None

    @property
    def faults(self) -> list | None:
        detail = self.json.get("detail") if self.status == 422 and isinstance(self.json, dict) else None
        return detail if isinstance(detail, list) and all(isinstance(f, dict) for f in detail) else None

    def has_crashed(self) -> bool:
        return self.status == 500 and self.body == b"Internal Server Error"


def not_json(constant):
    raise ValueError(constant)


@dataclass
class Token:
    """A handmade token. `{alice}` in the claims stands for the id of alice on each server."""

    header: str
    claims: str
    key: str
    digest: str = "sha256"
    mangle: str = ""

    def render_claims(self, user_ids: dict[str, int]) -> str:
        claims = self.claims
        for name, user_id in user_ids.items():
            claims = claims.replace("{%s}" % name, str(user_id))
        return claims

    def render(self, user_ids: dict[str, int]) -> str:
        claims = self.render_claims(user_ids)
        signed = f"{base64url(self.header.encode())}.{base64url(claims.encode())}"
        signature = base64url(hmac.digest(self.key.encode(), signed.encode(), self.digest))
        match self.mangle:
            case "cut":
                signature = signature[:-3]
            case "empty":
                signature = ""
            case "flipped":
                signature = ("A" if signature[0] != "A" else "B") + signature[1:]
            case "padded":
                signature += "=" * (-len(signature) % 4)
            case "loose bits":
                alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
                signature = signature[:-1] + alphabet[alphabet.index(signature[-1]) ^ 1]
            case "junk":
                signature = signature[:5] + "!" + signature[5:]
            case "extra part":
                signature += ".e30"
            case "other claims":
                head, _, _ = signed.partition(".")
                signed = head + "." + base64url(claims.replace("}", ',"admin":true}').encode())
        return f"{signed}.{signature}"


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass
class Request:
    """A request to both servers. `{a3}` in the target stands for the id of article a3 on each server."""

    method: str
    target: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | None = None
    chunks: list[int] | None = None
    scheme: str = "Bearer "
    token: str | Token | None = None  # a user's name: the token of the login; None: no header of ours
    form: dict[str, str] | None = None  # the login fields as meant, the last of repeated ones

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)

    @property
    def raw_path(self) -> str:
        """Without query and fragment, of an absolute target too."""
        return re.sub("^http://[^/]*", "", self.target.partition("#")[0].partition("?")[0])

    @property
    def path(self) -> str:
        return urllib.parse.unquote(self.raw_path)

    @property
    def query(self) -> dict[str, str]:
        query = self.target.partition("#")[0].partition("?")[2]
        return dict(urllib.parse.parse_qsl(query, keep_blank_values=True))

    @property
    def resource(self) -> str | None:
        path = self.path if self.path == "/" else self.path.removesuffix("/")
        if path == "/articles":
            return "collection"
        if path.startswith("/articles/") and path.count("/") == 2:
            return "item"
        if path in ("/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect"):
            return "docs"
        return "login" if path == "/auth/login" else None

    @property
    def takes_json(self) -> bool:
        return (self.method, self.resource) in (("POST", "collection"), ("PATCH", "item"))

    def show(self) -> str:
        lines = [f"{self.method} {shorten(self.target)}"]
        lines += [f"{key}: {shorten(value)}" for key, value in self.headers]
        if self.token is not None:
            lines.append(f"authorization: {self.scheme}{shorten(str(self.token), 400)}")
        if self.chunks is not None:
            lines.append(f"transfer-encoding: chunked {self.chunks[:8]}")
        if self.body is not None:
            lines.append(shorten(repr(self.body), 600))
        return "\n    ".join(lines)


def shorten(text: str, length: int = 300) -> str:
    return text if len(text) <= length else f"{text[:length]}… ({len(text)} characters)"


class Server:
    def __init__(self, name: str, url: str):
        parts = urllib.parse.urlsplit(url)
        self.name, self.host, self.port = name, parts.hostname or "127.0.0.1", parts.port or 80
        self.authority = f"{self.host}:{self.port}"
        self.tokens: dict[str, str] = {}
        self.user_ids: dict[str, int] = {}
        self.articles: dict[str, int] = {}
        self.times: dict[str, tuple[str, str]] = {}
        self.created: list[int] = []

    def render(self, target: str) -> str:
        return re.sub(r"\{(a\d+)\}", lambda match: str(self.articles[match[1]]), target)

    def send(self, request: Request) -> Response:
        headers = [("host", self.authority), *request.headers]
        if isinstance(request.token, Token):
            headers.append(("authorization", request.scheme + request.token.render(self.user_ids)))
        elif request.token is not None:
            headers.append(("authorization", request.scheme + self.tokens[request.token]))
        headers.append(("connection", "close"))
        if request.chunks is not None:
            headers.append(("transfer-encoding", "chunked"))
        elif request.body is not None:
            headers.append(("content-length", str(len(request.body))))
        head = f"{request.method} {self.render(request.target)} HTTP/1.1\r\n"
        head += "".join(f"{key}: {value}\r\n" for key, value in headers) + "\r\n"
        return self.exchange(request.method, head.encode() + framed(request.body, request.chunks))

    def exchange(self, method: str, raw: bytes) -> Response:
        with socket.create_connection((self.host, self.port), timeout=60) as connection:
            try:
                connection.sendall(raw)
            except OSError:
                pass  # a server may answer and close before it has read a body that is too large
            answer = http.client.HTTPResponse(connection, method=method)
            try:
                answer.begin()
                body = answer.read()
            except (OSError, http.client.HTTPException) as error:
                return Response(0, {}, f"no HTTP answer: {error!r}".encode())
        headers: dict[str, str] = {}
        for key, value in answer.getheaders():
            key = key.lower()
            headers[key] = f"{headers[key]}, {value}" if key in headers else value
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        response = Response(answer.status, headers, body)
        if method == "POST" and response.status == 201 and isinstance(response.json, dict):
            self.created.append(response.json["id"])
        return response

    def log_in(self, user: str, password: str) -> None:
        body = urllib.parse.urlencode({"username": user, "password": password}).encode()
        response = self.send(Request("POST", "/auth/login", [("content-type", FORM)], body))
        if response.status != 200:
            sys.exit(f"{self.name}: {user} can't log in: {response.status} {response.body!r}")
        self.tokens[user] = response.json["access_token"]
        claims = self.tokens[user].split(".")[1]
        self.user_ids[user] = int(json.loads(base64.urlsafe_b64decode(claims + "=="))["sub"])

    def delete(self, article_id: int) -> None:
        for user in self.tokens:
            if self.send(Request("DELETE", f"/articles/{article_id}", token=user)).status == 204:
                return

    def empty(self) -> None:
        while rows := self.send(Request("GET", "/articles/")).json:
            before = len(rows)
            for row in rows:
                self.delete(row["id"])
            rows = self.send(Request("GET", "/articles/")).json
            if rows and len(rows) == before:
                sys.exit(f"{self.name}: there are articles of other authors in the database")


def framed(body: bytes | None, chunks: list[int] | None) -> bytes:
    if chunks is None:
        return body or b""
    body, framed_body, position = body or b"", b"", 0
    for size in [*chunks, len(body)]:
        if piece := body[position : position + size]:
            framed_body += b"%x\r\n%b\r\n" % (len(piece), piece)
        position += size
    return framed_body + b"0\r\n\r\n"


# Comparing


class Comparison:
    """Compares two responses to one request, after normalising everything that always differs."""

    def __init__(self, old: Server, new: Server, secret: str):
        self.old, self.new, self.secret = old, new, secret

    def masked(self, server: Server, request: Request, response: Response):
        value = response.json
        if value is None:
            return None
        if response.status == 422:
            return self.masked_path(server, request, value)
        if isinstance(value, list):
            return [self.masked_article(server, row) for row in value]
        if isinstance(value, dict) and "access_token" in value:
            return {**value, "access_token": self.masked_token(server, value["access_token"])}
        return self.masked_article(server, value)

    def masked_path(self, server: Server, request: Request, value):
        segment = request.path.removesuffix("/").rpartition("/")[2]
        sent = urllib.parse.unquote(server.render(segment))
        for fault in value.get("detail", []) if "{a" in segment and isinstance(value, dict) else []:
            if fault.get("loc") == ["path", "article_id"] and fault.get("input") == sent:
                fault["input"] = segment
        return value

    def masked_article(self, server: Server, row):
        if not isinstance(row, dict) or not {"id", "author_id", "created_at", "updated_at"} <= row.keys():
            return row
        known = {article_id: name for name, article_id in server.articles.items()}
        users = {user_id: name for name, user_id in server.user_ids.items()}
        created, updated = row["created_at"], row["updated_at"]
        if not (isinstance(created, str) and INSTANT.fullmatch(created)):
            return row
        if not (isinstance(updated, str) and INSTANT.fullmatch(updated)):
            return row
        name = known.get(row["id"], "<new>")
        first, last = server.times.get(name, (created, created))
        relation = "kept" if updated == last else "moved on" if instant(updated) > instant(last) else "moved back"
        return {
            **row,
            "id": name,
            "author_id": users.get(row["author_id"], row["author_id"]),
            "created_at": "<kept>" if created == first else created,
            "updated_at": f"<{relation}>",
        }

    def observe(self, server: Server, response: Response) -> None:
        """Remembers the times of the articles shown, so that the next answer can be seen to keep or move them."""
        known = {article_id: name for name, article_id in server.articles.items()}
        rows = response.json if isinstance(response.json, list) else [response.json]
        for row in rows:
            if isinstance(row, dict) and row.get("id") in known and {"created_at", "updated_at"} <= row.keys():
                server.times[known[row["id"]]] = (row["created_at"], row["updated_at"])

    def masked_token(self, server: Server, token) -> str:
        try:
            head, claims, signature = token.split(".")
            signed = base64url(hmac.digest(self.secret.encode(), f"{head}.{claims}".encode(), "sha256"))
            header = json.loads(base64.urlsafe_b64decode(head + "=="))
            content = json.loads(base64.urlsafe_b64decode(claims + "=="))
            lifetime = content["exp"] - time.time()
            users = {str(user_id): name for name, user_id in server.user_ids.items()}
            in_time = type(content["exp"]) is int and 29 * 60 < lifetime <= 30 * 60 + 1
            if signature == signed and header == {"alg": "HS256", "typ": "JWT"} and in_time:
                return f"<token of {users[content['sub']]} for 30 minutes>"
        except (ValueError, KeyError, TypeError, AttributeError):
            pass
        return token

    def difference(self, request: Request, old: Response, new: Response) -> str | None:
        """The first difference between the responses, as text; None if clients cannot distinguish them."""
        if old.status != new.status:
            return f"status {old.status} / {new.status}"
        for name in ("www-authenticate", "access-control-allow-origin"):
            if old.headers.get(name) != new.headers.get(name):
                return f"{name}: {old.headers.get(name)} / {new.headers.get(name)}"
        if old.headers.get("access-control-allow-origin"):
            name = "access-control-allow-credentials"
            if old.headers.get(name) != new.headers.get(name):
                return f"{name}: {old.headers.get(name)} / {new.headers.get(name)}"
        if not listed(old, "vary") <= listed(new, "vary"):
            return f"vary: {old.headers.get('vary')} / {new.headers.get('vary')}"
        if "allow" in old.headers and listed(old, "allow") != listed(new, "allow") - {"options"}:
            return f"allow: {old.headers['allow']} / {new.headers.get('allow')}"
        locations = [self.location(server, request, answer) for server, answer in ((self.old, old), (self.new, new))]
        if locations[0] != locations[1] and not self.names_created(new):
            return f"location: {locations[0]} / {locations[1]}"
        if request.method == "HEAD":
            same_type = content_type(old) == content_type(new) or old.status == 204
            return None if same_type and not new.body else f"type or body: {content_type(old)} / {content_type(new)}"
        if old.status == 204:
            return None if not new.body else "a body with 204"
        if content_type(old) != content_type(new):
            return f"content-type: {content_type(old)} / {content_type(new)}"
        if request.resource == "docs" and old.status == 200:
            return None if new.body else "no document"
        if content_type(old) != "application/json":
            return None if old.body == new.body else "the texts"
        if old.json is None or new.json is None:
            return None if old.body == new.body else "no JSON"
        return unequal(self.masked(self.old, request, old), self.masked(self.new, request, new))

    def location(self, server: Server, request: Request, response: Response) -> str | None:
        location = response.headers.get("location")
        if location is None:
            return None
        for name in re.findall(r"\{(a\d+)\}", request.target):
            location = re.sub(rf"(/articles/\D*?0*){server.articles[name]}\b", r"\1{%s}" % name, location)
        return location.replace(server.authority, "<authority>")

    def names_created(self, new: Response) -> bool:
        """Byline adds the location of the created article."""
        path = urllib.parse.urlsplit(new.headers.get("location", "")).path.removesuffix("/")
        return new.status == 201 and isinstance(new.json, dict) and path == f"/articles/{new.json.get('id')}"


def instant(text: str) -> str:
    return text if "." in text else text.replace("Z", ".000000Z")


def listed(response: Response, name: str) -> set[str]:
    return {part.strip().lower() for part in response.headers.get(name, "").split(",") if part.strip()}


def content_type(response: Response) -> str:
    return response.headers.get("content-type", "").lower().replace(" ", "")


def same_number(old: int | float, new: int | float) -> bool:
    """Integers of 64 bits exactly, others as doubles."""
    if old == new:
        return True
    try:
        return old not in INT64 and float(old) == float(new)
    except OverflowError:
        return False


def unequal(old, new, path: str = "") -> str | None:
    """The first inequality; outside the echo of what was sent, Byline's articles and tokens may have more members."""
    if type(old) in (int, float) and type(new) in (int, float):
        return None if same_number(old, new) else f"{path}: {old} / {new}"
    if type(old) is not type(new):
        return f"{path}: {shorten(repr(old), 80)} / {shorten(repr(new), 80)}"
    if isinstance(old, dict):
        may_grow = not path.startswith(".detail") and ("access_token" in old or "author_id" in old)
        for key in old:
            if key not in new:
                return f"{path}.{key} is missing"
            if found := unequal(old[key], new[key], f"{path}.{key}"):
                return found
        more = set() if may_grow else set(new) - set(old)
        return f"{path} has more: {sorted(more)}" if more else None
    if isinstance(old, list):
        if len(old) != len(new):
            return f"{path}: {len(old)} items / {len(new)} items"
        return next((found for index, pair in enumerate(zip(old, new)) if (found := unequal(*pair, f"{path}[{index}]"))), None)
    return None if old == new else f"{path}: {shorten(repr(old), 80)} / {shorten(repr(new), 80)}"


# The content of the request, for the rules


class Content:
    """The request's JSON body as the old blog's parser sees it."""

    def __init__(self, body: bytes):
        self.value, self.pairs, self.syntax_error, self.constants = None, None, False, False
        self.depth = nesting(body)
        try:
            self.value = json.loads(body, parse_constant=self.constant)
            # Names, and values that a repeated name hides, are parsed all the same.
            self.pairs = json.loads(body, object_pairs_hook=lambda pairs: [list(pair) for pair in pairs])
        except RecursionError:
            self.depth = max(self.depth, 1000)
        except UnicodeDecodeError:
            self.value = None
        except ValueError as error:
            self.syntax_error = isinstance(error, json.JSONDecodeError)
        self.integers = [int(digits) for digits in re.findall(rb"(?<![\d.eE+])-?\d{19,4300}(?![\d.eE])", body)]
        self.digits = max((len(digits) for digits in re.findall(rb"\d+", body)), default=0)
        try:
            self.is_plain_utf8 = not body.startswith(b"\xef\xbb\xbf") and bool(body.decode()) and b"\0" not in body
        except UnicodeDecodeError:
            self.is_plain_utf8 = False

    def constant(self, name: str) -> float:
        self.constants = True
        return float(name.lower())

    def member(self, name: str):
        return self.value.get(name) if isinstance(self.value, dict) else None

    def has_nonfinite(self) -> bool:
        return self.constants or any(isinstance(leaf, float) and abs(leaf) == float("inf") for leaf in leaves(self.pairs))

    def has_surrogate(self) -> bool:
        return any(has_surrogate(leaf) for leaf in leaves(self.pairs) if isinstance(leaf, str))

    def has_big_integer(self) -> bool:
        return any(number not in INT64 for number in self.integers)


def nesting(body: bytes) -> int:
    depth = deepest = 0
    for mark in re.findall(rb'"(?:\\.|[^"\\])*"|[\[\]{}]', body):
        depth += 1 if mark in b"[{" else -1 if mark in b"]}" else 0
        deepest = max(deepest, depth)
    return deepest


def leaves(value):
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            stack += [*item, *item.values()]
        elif isinstance(item, list):
            stack += item
        else:
            yield item


def has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def is_json_type(value: str | None) -> bool:
    if not value:
        return True
    message = Message()
    message["content-type"] = value
    subtype = message.get_content_subtype()
    return message.get_content_maintype() == "application" and (subtype == "json" or subtype.endswith("+json"))


def integer(text: str) -> int | None:
    return int(text.partition(".")[0]) if re.fullmatch(r"[+-]?[0-9]{1,4300}(\.0+)?", text) else None


# The rules: each takes the case and answers with what Byline must answer instead of `old`, or with None. Page size,
# drafts and bad tokens on reads have no rule: with the settings named above Byline answers there as the old blog does.


@dataclass
class Case:
    request: Request
    old: Response
    new: Response
    old_server: Server
    origins: list[str]
    secret: str
    users: set[str]

    def answer(self, status: int, value, **headers: str) -> Response:
        """A JSON answer of Byline's, with the CORS headers that belong to the request."""
        headers["content-type"] = "application/json"
        return self.with_cors(Response(status, headers, json.dumps(value).encode()))

    def with_cors(self, response: Response) -> Response:
        if (origin := self.request.header("origin")) in self.origins:
            cors = {"access-control-allow-origin": origin, "access-control-allow-credentials": "true", "vary": "Origin"}
            response.headers.update(cors)
        return response

    def unauthorized(self, detail: str) -> Response:
        return self.answer(401, {"detail": detail}, **{"www-authenticate": "Bearer"})

    def syntax_fault(self, also_400: bool = False) -> Response | None:
        """Byline's own answer, if it is the proper one to a body that its JSON parser doesn't take."""
        broken = self.answer(400, {"detail": "There was an error parsing the body"})
        if also_400 and self.new.status == 400 and self.new.json == broken.json:
            return broken
        match self.new.faults:
            case [{"type": "json_invalid", "loc": ["body", int(position)], "ctx": {"error": str(words)}}]:
                if words and 0 <= position <= len(self.request.body or b""):
                    return self.answer(422, {"detail": [json_invalid(position, words)]})
        return None

    @property
    def form(self) -> dict[str, str]:
        """The login fields as meant, or else as far as they can be read from the body."""
        request = self.request
        if request.form is not None or request.resource != "login" or not request.body:
            return request.form or {}
        text, kind = request.body.decode(errors="replace"), (request.header("content-type") or "").lower()
        if "multipart" in kind:
            return dict(re.findall(r'name="(\w+)"\s*?\n\r?\n(.*?)\r?\n--', text, re.S))
        return dict(urllib.parse.parse_qsl(text.replace(";", "&"), keep_blank_values=True)) if "urlencoded" in kind else {}

    @property
    def content(self) -> Content | None:
        """The JSON body, if the route reads one."""
        request = self.request
        reads = request.takes_json and request.body and is_json_type(request.header("content-type"))
        return Content(request.body) if reads else None

    def with_faults(self, added: dict[tuple, dict]) -> Response | None:
        """422 with the faults the old blog named, and those it fails to see; None if it has seen these too."""
        base = {tuple(fault["loc"]): fault for fault in self.old.faults or []}
        if not added or added.items() <= base.items():
            return None
        order = ["article_id", "skip", "limit", "body", "title", "content", "published"]
        merged = sorted({**base, **added}.items(), key=lambda item: order.index(item[0][-1]))
        return self.answer(422, {"detail": [fault for _, fault in merged]})


def json_invalid(position: int, words: str) -> dict:
    return {"type": "json_invalid", "loc": ["body", position], "msg": "JSON decode error", "input": {}, "ctx": {"error": words}}


def slash(case: Case) -> Response | None:
    path, request = case.request.path, case.request
    location = urllib.parse.urlsplit(case.old.headers.get("location", ""))
    other = path.rstrip("/") if path.endswith("/") else path + "/"
    if case.old.status != 307 or case.new.status == 307 or location.netloc != case.old_server.authority:
        return None
    if urllib.parse.unquote(location.path) != urllib.parse.unquote(case.old_server.render(other)):
        return None
    unusual = path.endswith("//") or request.raw_path.lower().endswith("%2f")
    if unusual and case.new.status == 404 and (case.new.json == {"detail": "Not Found"} or request.method == "HEAD"):
        return case.answer(404, {"detail": "Not Found"})
    query = f"?{location.query}" if location.query else ""
    return case.old_server.send(replace(request, target=location.path + query))


def allow(case: Case) -> Response | None:
    full = METHODS.get(case.request.resource or "")
    shown = {method.strip() for method in case.old.headers.get("allow", "").split(",")}
    if case.old.status != 405 or not full or not shown < full or listed(case.old, "allow") == listed(case.new, "allow"):
        return None
    if "HEAD" == case.request.method in full:
        return None
    return replace(case.old, headers={**case.old.headers, "allow": ", ".join(full)})


def head(case: Case) -> Response | None:
    if case.request.method != "HEAD" or case.old.status != 405 or case.request.resource not in ("collection", "item"):
        return None
    get = replace(case.request, method="GET")
    answer = case.old_server.send(get)
    return slash(replace(case, request=get, old=answer)) or answer


def options(case: Case) -> Response | None:
    is_preflight = None not in (case.request.header("origin"), case.request.header("access-control-request-method"))
    full = METHODS.get(case.request.resource or "")
    if case.request.method != "OPTIONS" or is_preflight or case.old.status != 405 or not full or case.new.body:
        return None
    if case.new.status not in (200, 204):
        return None
    headers = {"allow": ", ".join(full), "content-type": case.new.headers.get("content-type", "")}
    return case.with_cors(Response(case.new.status, headers, b""))


def cors(case: Case) -> Response | None:
    request, new = case.request, case.new
    origin, asked = request.header("origin"), request.header("access-control-request-method")
    if request.method != "OPTIONS" or origin is None or asked is None:
        return None
    if content_type(case.old) != "text/plain;charset=utf-8" or case.old.status not in (200, 400):
        return None
    refused = 400 <= new.status < 500
    if new.status not in (200, 204) and not refused:
        return None
    if origin not in case.origins:
        return new if "access-control-allow-origin" not in new.headers else None
    if new.headers.get("access-control-allow-origin") != origin or "origin" not in listed(new, "vary"):
        return None
    if new.headers.get("access-control-allow-credentials") != "true":
        return None
    if refused:
        return new if asked not in CORS_METHODS - {"HEAD", "OPTIONS"} else None
    offered = {method.strip() for method in new.headers.get("access-control-allow-methods", "").split(",")}
    names = {name.strip().lower() for name in (request.header("access-control-request-headers") or "").split(",")}
    complete = CORS_METHODS <= offered and (asked in CORS_METHODS or asked == "PUT" or asked not in offered)
    complete = complete and names - {""} <= listed(new, "access-control-allow-headers")
    return new if complete and new.headers.get("access-control-max-age") == "600" else None


def no_url(case: Case) -> Response | None:
    faults = case.old.faults or []
    if not faults or any("url" in fault for fault in case.new.faults or []):
        return None
    if not all(re.fullmatch(rf"https://errors\.pydantic\.dev/[\d.]+/v/{f['type']}", f.get("url", "")) for f in faults):
        return None
    without = [{key: value for key, value in fault.items() if key != "url"} for fault in faults]
    return replace(case.old, body=json.dumps({"detail": without}).encode())


def json_error_text(case: Case) -> Response | None:
    if not case.content or not case.content.syntax_error or len(case.old.faults or []) != 1:
        return None
    if case.old.faults[0].get("type") != "json_invalid" or case.old.faults[0].get("url"):
        return None
    return case.syntax_fault()


def no_exp(case: Case) -> Response | None:
    claims = token_claims(case)
    if claims is None or "exp" in claims or case.old.status in (400, 401):
        return None
    if case.old.faults and case.old.faults[0].get("type") == "json_invalid":
        return None
    return case.unauthorized("Could not validate credentials")


def needs_token(request: Request) -> bool:
    return (request.method, request.resource) in (("POST", "collection"), ("PATCH", "item"), ("DELETE", "item"))


def token_claims(case: Case) -> dict | None:
    """The claims of a token made by hand, if they are an object and the signature is right."""
    token = case.request.token
    if not isinstance(token, Token) or not needs_token(case.request) or token.key != case.secret:
        return None
    if token.mangle not in ("", "padded", "loose bits", "junk"):
        return None
    try:
        claims = json.loads(token.render_claims(dict.fromkeys(case.users, 1)))
    except ValueError:
        return None
    return claims if isinstance(claims, dict) else None


def sub_not_int(case: Case) -> Response | None:
    sub = (token_claims(case) or {}).get("sub")
    if not case.old.has_crashed() or not isinstance(sub, str):
        return None
    plain = re.fullmatch("[0-9]{1,10}", sub) and int(sub) in INT32
    return None if plain else case.unauthorized("Could not validate credentials")


def token_claim_type(case: Case) -> Response | None:
    claims = token_claims(case)
    times = [claims[name] for name in ("exp", "iat", "nbf") if name in (claims or {})]
    if not case.old.has_crashed() or all(type(moment) is int for moment in times):
        return None
    return case.unauthorized("Could not validate credentials")


def free_token(case: Case) -> Response | None:
    """python-jose and `int` read more than the contract asks for; refusing it is as good."""
    claims = token_claims(case)
    if claims is None or case.old.status == 401 or case.new.status != 401:
        return None
    sub, token = claims.get("sub"), case.request.token
    times = [claims[name] for name in ("exp", "iat", "nbf") if name in claims]
    odd_sub = isinstance(sub, str) and not re.fullmatch("0|[1-9][0-9]*", sub)
    odd_times = any(type(moment) is not int or moment not in range(2**53) for moment in times)
    odd_spelling = token.mangle in ("padded", "loose bits", "junk") or '"crit"' in token.header
    if not (odd_sub or odd_times or odd_spelling or "iat" in claims):
        return None
    return case.unauthorized("Could not validate credentials")


def grant_type(case: Case) -> Response | None:
    value = case.form.get("grant_type", "")
    match case.old.faults:
        case [{"type": "string_pattern_mismatch", "input": str(value)}, *_]:
            pass
    if case.request.method != "POST" or value in ("", "password"):
        return None
    pattern = "^password$"
    message = f"String should match pattern '{pattern}'"
    fault = {"type": "string_pattern_mismatch", "loc": ["body", "grant_type"], "msg": message, "input": value, "ctx": {"pattern": pattern}}
    if "password" not in value:
        mine = {**fault, "msg": "String should match pattern 'password'", "ctx": {"pattern": "password"}}
        if not case.old.faults or case.old.faults[0] != mine:
            return None
        return case.answer(422, {"detail": [fault, *case.old.faults[1:]]})
    if case.old.faults and case.old.faults[0] == fault or case.old.status not in (200, 401, 422, 500):
        return None
    return case.answer(422, {"detail": [fault, *(case.old.faults or [])]})


def negative(case: Case) -> Response | None:
    if case.request.resource != "collection" or case.request.method not in ("GET", "HEAD"):
        return None
    if not case.old.has_crashed() and case.old.faults is None:
        return None
    added = {}
    for name in ("skip", "limit"):
        text = case.request.query.get(name, "")
        number = integer(text)
        if number is None or number in range(2**63):
            continue
        below = {"type": "greater_than_equal", "loc": ["query", name], "msg": "Input should be greater than or equal to 0", "input": text, "ctx": {"ge": 0}}
        size = {"type": "int_parsing_size", "loc": ["query", name], "msg": "Unable to parse input string as an integer, exceeded maximum size", "input": text}
        added["query", name] = below if number in INT64 or (number < 0 and below in (case.new.faults or [])) else size
    return case.with_faults(added)


def overflow(case: Case) -> Response | None:
    if case.request.resource != "item" or not case.old.has_crashed():
        return None
    number = integer(case.old_server.render(case.request.path).removesuffix("/").rpartition("/")[2])
    return None if number is None or number in INT32 else case.answer(404, {"detail": "Article not found"})


def before_the_row(case: Case) -> bool:
    """Where the old blog saw nothing wrong with the body: it failed later, or stopped at the row."""
    return case.old.has_crashed() or case.old.faults is not None or case.request.method == "PATCH" and case.old.status in (403, 404)


def nul(case: Case) -> Response | None:
    if case.request.resource == "login":
        secrets = case.form.get("username", "") + case.form.get("password", "")
        crashed = case.old.has_crashed() and "\0" in secrets
        return case.unauthorized("Incorrect username or password") if crashed else None
    if not case.content or not before_the_row(case):
        return None
    added = {}
    for name in ("title", "content"):
        text = case.content.member(name)
        if isinstance(text, str) and "\0" in text:
            at_field = [fault for fault in case.new.faults or [] if fault.get("loc") == ["body", name]]
            if len(at_field) != 1 or at_field[0].get("input") != text or not at_field[0].get("msg"):
                return None
            added["body", name] = at_field[0]
    return case.with_faults(added)


def null(case: Case) -> Response | None:
    if case.request.method != "PATCH" or not case.content or not before_the_row(case):
        return None
    words = {"string_type": "Input should be a valid string", "bool_type": "Input should be a valid boolean"}
    added = {}
    for name, kind in (("title", "string_type"), ("content", "string_type"), ("published", "bool_type")):
        if isinstance(case.content.value, dict) and case.content.value.get(name, "") is None:
            added["body", name] = {"type": kind, "loc": ["body", name], "msg": words[kind], "input": None}
    return case.with_faults(added)


def surrogate(case: Case) -> Response | None:
    if not case.content or not (case.content.has_surrogate() or re.search(rb"\xed[\xa0-\xbf]", case.request.body or b"")):
        return None
    return case.syntax_fault()


def nonfinite(case: Case) -> Response | None:
    return case.syntax_fault() if case.content and case.content.has_nonfinite() else None


def number_echo(case: Case) -> Response | None:
    return case.syntax_fault(also_400=True) if case.content and case.content.has_big_integer() else None


def free_json(case: Case) -> Response | None:
    """Nesting beyond 120, numbers beyond 4300 digits, byte order marks, UTF-16 and UTF-32: limits of Python's parser."""
    content = case.content
    if not content or not (content.depth > 120 or content.digits > 4300 or not content.is_plain_utf8):
        return None
    return case.syntax_fault(also_400=True)


def nonutf8_echo(case: Case) -> Response | None:
    request = case.request
    if not case.old.has_crashed() or not request.takes_json or is_json_type(request.header("content-type")):
        return None
    try:
        (request.body or b"").decode()
    except UnicodeDecodeError:
        return case.new if case.new.status in (400, 422) and isinstance(case.new.json, dict) else None
    return None


def long_password(case: Case) -> Response | None:
    password = case.form.get("password", "")
    if not case.old.has_crashed() or case.request.resource != "login" or len(password.encode()) <= 4096:
        return None
    return case.unauthorized("Incorrect username or password")


def body_limit(case: Case) -> Response | None:
    if len(case.request.body or b"") <= BODY_LIMIT or case.new.status != 413 or not isinstance(case.new.json, dict):
        return None
    return case.answer(413, {"detail": case.new.json["detail"]}) if isinstance(case.new.json.get("detail"), str) else None


def free_integer(case: Case) -> Response | None:
    """`1_000`, `1.` and thousands of leading zeros are integers to the old blog; 422 is as good."""
    fields = {}
    if case.request.resource == "item":
        fields["path", "article_id"] = case.old_server.render(case.request.path).removesuffix("/").rpartition("/")[2]
    elif case.request.resource == "collection" and case.request.method in ("GET", "HEAD"):
        fields = {("query", name): text for name, text in case.request.query.items() if name in ("skip", "limit")}
    added = {}
    for loc, text in fields.items():
        if re.fullmatch(r"[+-]?[0-9]+(_[0-9]+)*\.?0*", text) and ("_" in text or text.endswith(".") or len(text) > 1000):
            words = "Input should be a valid integer, unable to parse string as an integer"
            added[loc] = {"type": "int_parsing", "loc": list(loc), "msg": words, "input": text}
    if case.new.status != 422 or case.old.status not in (200, 204, 403, 404, 500) and not case.old.faults:
        return None
    return case.with_faults(added)


def free_method(case: Case) -> Response | None:
    if case.request.method in KNOWN_METHODS or case.old.status not in (400, 405):
        return None
    if case.new.status == 404 and not case.request.resource:
        return case.answer(404, {"detail": "Not Found"})
    if case.new.status == 405 and case.request.resource:
        return case.answer(405, {"detail": "Method Not Allowed"}, allow=", ".join(METHODS[case.request.resource]))
    return case.new if case.new.status in (400, 501) else None


def free_target(case: Case) -> Response | None:
    odd = re.search(r"#|//|/\.|%2e|%2f|%(?![0-9a-f]{2})|[^!-~]", case.request.target, re.I)
    clean = case.new.status == 400 or case.new.json == {"detail": "Not Found"}
    match case.new.faults:
        case [{"type": "int_parsing", "loc": ["path", "article_id"]}]:
            clean = True
    return case.new if odd and clean and case.old.status != 500 else None


def free_form(case: Case) -> Response | None:
    """Fields between semicolons, half percent signs, broken multipart: a clean 4xx is as good as what was made of them."""
    request = case.request
    if request.method != "POST" or request.resource != "login" or not request.body or case.new.status not in (400, 401, 422):
        return None
    kind = (request.header("content-type") or "").lower()
    odd = request.form is None and ("urlencoded" in kind or "multipart" in kind)
    shaped = isinstance(case.new.json, dict) and bool(case.new.json.get("detail"))
    if not odd or not shaped or (case.new.status == 401) != ("www-authenticate" in case.new.headers):
        return None
    return case.new if case.old.status in (200, 400, 401, 422) else None


RULES = {
    "slash": slash,
    "cors": cors,
    "options": options,
    "allow": allow,
    "head": head,
    "body limit": body_limit,
    "surrogate": surrogate,
    "nonfinite": nonfinite,
    "no-exp": no_exp,
    "sub-not-int": sub_not_int,
    "token-claim-type": token_claim_type,
    "free: token": free_token,
    "overflow": overflow,
    "long password": long_password,
    "nonutf8-echo": nonutf8_echo,
    "no-url": no_url,
    "json-error-text": json_error_text,
    "grant-type": grant_type,
    "nul": nul,
    "null": null,
    "negative": negative,
    "number-echo": number_echo,
    "free: JSON": free_json,
    "free: integer": free_integer,
    "free: method": free_method,
    "free: target": free_target,
    "free: form": free_form,
}

# Rules that apply to Byline even if its response equals that of the old blog.
MUST = ("no-exp", "grant-type")


# The requests


TEXTS = ["a", "b", "Z", " ", "0", "é", "ß", "漢", "😀", "👩‍💻", "e\u0301", "\u202e", "\ufeff", "\u2028", "\uffff", "\u00a0", "\u200b"]
ESCAPES = [r"\n", r"\t", r"\r", r"\b", r"\f", r"\"", r"\\", r"\/", r"\u0001", r"\u001f", r"\u007f", r"\u00e9", r"\ud83d\ude00", r"\u2028", r"\uffff"]
LENGTHS = [0, 1, 2, 8, 9, 10, 11, 50, 198, 199, 200, 201, 202, 400]
NUMBERS = """0 1 -0 2 -1 10 255 0.0 1.0 -0.0 0.5 1.5 -1.0 2.0 1e0 10e-1 0e5 1E+0 1e2 1e-7 1.0000000000000000001 1e-400 1e16 1e18
    9223372036854775807 -9223372036854775808 9007199254740993 0.1 123456.789e3 1e308""".split()
BIG_NUMBERS = ["9223372036854775808", "-9223372036854775809", "18446744073709551616", "1" + "0" * 40, "9" * 400]
BOOLEANS = """true t yes y on 1 false f no n off 0 TRUE True tRuE T YES Y ON FALSE F NO OFF oFf N tru truee 2 -1 00 01 1.0 0.0
    +1 null none enabled ja""".split() + ["", " ", " true", "true ", "on\\n", "\\t1", "１", "ｔrue", "\\u0074rue", "ye\\u017f"]
INTEGERS = """0 1 2 3 5 10 100 999 1000 1001 -0 +0 +1 %2B1 %2b2 01 007 1.0 2.00 0.0 -0.0 +1.0 1.5 0.1 1e1 1E2 0x1 0b1 1,0 1;0 abc %C3%A9 %20
    1%20 %201 %091 1%0A %00 1%00 true null None NaN inf -inf Infinity ++1 +-1 - + . %EF%BC%91 %D9%A1 1%C2%A0 %F0%9F%98%80 %ff 2147483647
    2147483648 9223372036854775807""".split() + [""]
NEGATIVES = "-1 -1.0 -5 -01 -2147483648 -2147483649 -9223372036854775808 -9223372036854775809 9223372036854775808 %2D3 -99999999999999999999".split()
ODD_INTEGERS = ["1_0", "1_000", "0_1", "2.", "1.", "00000000_1", "0" * 1500 + "1"]
SEGMENTS = """0 -1 -0 2147483647 -2147483648 2000000000 +2000000000 02000000000 2000000000.0 abc 1.5 1e3 %20 a%20b %C3%A9 %F0%9F%98%80 %ff %00
    0x10 true null - + -- 1,2 1;2 a=b @ ~ * ' ( ! $ & : %22 %5C %3C %25 %2B2000000001 new drafts feed search tags %D9%A3 9%0A NaN""".split()
OVERFLOWS = "2147483648 -2147483649 9999999999 2147483648.0 +4294967297 9223372036854775807 9223372036854775808 -99999999999999999999".split()
PATHS = """/ /nope /nope/ /Articles /ARTICLES/ /articles/1/2 /articles/1/edit /auth /auth/ /auth/Login /auth/logout /auth/login/x /article
    /docs /redoc /openapi.json /openapi.yaml /docs/oauth2-redirect /favicon.ico /index.html /robots.txt /api/v1/articles /articles.json
    /%61rticles/ /a%72ticles /articles/1%2F2 /%2Farticles /articles%2F /auth%2Flogin /%C3%A9 /users /users/1 /admin/ /.env""".split()
ODD_PATHS = "/./articles/ /articles/./ /articles/../docs //articles /articles// /articles/0// /articles/%2e%2e /articles/%zz /articles/#x".split()
METHOD_NAMES = "GET HEAD POST PUT PATCH DELETE OPTIONS TRACE".split()
TYPES = ["application/json; charset=utf-8", "Application/JSON", "application/json;charset=latin-1", "application/ld+json", "APPLICATION/vnd.x+JSON;v=1", ""]
WRONG_TYPES = ["text/plain", "text/json", "application/x-json", "application/jsonx", "application/octet-stream", "json", "*/*", "application/xml", FORM,
    "text/plain; charset=utf-8", "application/json+x", "image/svg+xml", "multipart/form-data; boundary=x", "application", "application/"]  # fmt: skip
ORIGINS = ["http://localhost:3001", "https://localhost:3000", "http://localhost", "http://localhost:3000.evil.example", "http://LOCALHOST:3000", "null", "*", "http://evil.example",
    "http://127.0.0.1:3000", "http://localhost:3000/", "x"]  # fmt: skip
HARMLESS = [("accept", "text/html"), ("accept", "application/xml"), ("accept", "*/*;q=0"), ("accept", "application/json;q=0.1, text/plain"), ("accept", ""),
    ("accept-encoding", "gzip, deflate, zstd"), ("accept-encoding", "identity;q=0, *;q=0"), ("accept-language", "tlh"), ("accept-charset", "utf-16"),
    ("cookie", "session=abc; access_token=xyz"), ("range", "bytes=0-4"), ("if-none-match", '"x"'), ("if-modified-since", "Thu, 01 Jan 2099 00:00:00 GMT"),
    ("x-forwarded-proto", "https"), ("x-http-method-override", "DELETE"), ("x-requested-with", "XMLHttpRequest"), ("user-agent", ""), ("referer", "http://evil.example/"),
    ("cache-control", "no-cache"), ("x-empty", ""), ("content-language", "de"), ("te", "trailers"), ("dnt", "1")]  # fmt: skip


class Generator:
    """Random requests around the limits of the API; the pool of articles is what has been made and deleted so far."""

    def __init__(self, seed: int, users: dict[str, dict], secret: str, origins: list[str]):
        self.random = random.Random(seed)
        self.users, self.secret, self.origins = users, secret, origins
        self.pool: dict[str, str] = {}
        self.gone: list[str] = []

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def request(self) -> Request:
        kinds = {self.route: 8, self.listing: 12, self.reading: 14, self.creation: 26, self.change: 20, self.deletion: 5, self.login: 5, self.preflight: 3, self.own_token: 9}
        request = self.random.choices(list(kinds), list(kinds.values()))[0]()
        for _ in range(self.random.choice([0, 0, 0, 1, 1, 2])):
            header = self.random.choice(HARMLESS)
            if request.header(header[0]) is None:
                request.headers.append(header)
        if request.header("origin") is None and self.chance(0.2):
            request.headers.append(("origin", self.random.choice(self.origins) if self.chance(0.5) else self.random.choice(ORIGINS)))
        self.random.shuffle(request.headers)
        return request

    # Paths and queries

    def article(self, author: str | None = None) -> str:
        names = [name for name, owner in self.pool.items() if author in (None, owner)]
        return "{%s}" % self.random.choice(names) if names else "0"

    def item(self, author: str | None = None) -> str:
        pick = self.random.random()
        if pick < 0.5:
            return f"/articles/{self.article(author)}"
        if pick < 0.62:
            article = self.article(author)
            spellings = ["+%s", "0%s", "000%s", "%s.0", "%s.000", "%%2B%s", "%s%%2E0", "%s%%20", "%%20%s", "%sx", "%s.5", "%s,", "%s;v=1", "-%s", "%se0", "+0%s.0"]
            return "/articles/" + self.random.choice(spellings) % article
        if pick < 0.66:
            return "/articles/" + self.random.choice(["%s_", "_%s", "0_%s", "%s.", "%s.0_0"]) % self.article(author)
        if pick < 0.72 and self.gone:
            return "/articles/{%s}" % self.random.choice(self.gone)
        if pick < 0.78:
            return "/articles/" + self.random.choice(OVERFLOWS)
        if pick < 0.84:
            return f"/articles/{self.article(author)}/"
        return "/articles/" + self.random.choice(SEGMENTS)

    def any_query(self) -> str:
        return self.random.choice(["", "", "", "?", "?x=1", "?article_id=1", "?&&=", "?token=abc&access_token=x", "?title=a&draft=1", "?q=%ff%00", "?a?b", "?%zz", "?[x]={y}"])

    def route(self) -> Request:
        method = self.random.choice(METHOD_NAMES)
        path = self.random.choice([self.item(), "/articles/", "/articles", "/auth/login", self.random.choice(PATHS), self.random.choice(PATHS)])
        if self.chance(0.08):
            path, method = self.random.choice(ODD_PATHS), self.random.choice(["GET", "PUT", "OPTIONS"])
        elif self.chance(0.05):
            method = self.random.choice(["PROPFIND", "LINK", "BREW", "Get", "post", "MKCOL", "X-Y"])
        elif self.chance(0.03):
            path = "http://other.example" + path
        body = b'{"title":"t","content":"0123456789"}' if method in ("PUT", "DELETE", "GET") and self.chance(0.2) else None
        return Request(method, path + self.any_query(), [], body, token=self.user() if self.chance(0.3) else None)

    def listing(self) -> Request:
        pairs = []
        for _ in range(self.random.choice([0, 1, 1, 2, 2, 3])):
            name = self.random.choices(["skip", "limit", "sk%69p", "Skip", "limit%20", "offset", "skip[]", ""], [20, 20, 2, 1, 1, 1, 1, 1])[0]
            values = self.random.choices([INTEGERS, NEGATIVES, ODD_INTEGERS, [str(self.random.randrange(12))]], [50, 8, 4, 38])[0]
            pairs.append(name + (f"={self.random.choice(values)}" if self.chance(0.95) else ""))
        path = self.random.choices(["/articles/", "/articles", "/%61rticles/"], [16, 3, 1])[0]
        query = self.random.choice(["&", "&", "&", "&&"]).join(pairs)
        request = Request(self.random.choices(["GET", "HEAD"], [9, 1])[0], f"{path}?{query}" if query or self.chance(0.2) else path)
        if self.chance(0.2):
            self.sign(request)
        return request

    def reading(self) -> Request:
        request = Request(self.random.choices(["GET", "HEAD"], [9, 1])[0], self.item() + self.any_query())
        if self.chance(0.2):
            self.sign(request)
        return request

    # Credentials

    def user(self) -> str:
        return self.random.choice(list(self.users))

    def sign(self, request: Request) -> Request:
        """Mostly a good token, sometimes none or a wrong header, sometimes one made by hand."""
        pick = self.random.random()
        if pick < 0.86:
            request.token = self.user()
        elif pick < 0.92:
            wrong = ["", "Bearer", "Bearer ", "bearer", "Basic YWxpY2U6cHc=", "Bearer x", "Bearer a.b.c", "Bearer ..", "Token abc", "Bearer null", "Digest x", "é", "Bearer é.é.é", ",", "Bearer e30.e30."]
            request.headers.append((self.random.choice(["authorization", "Authorization", "AUTHORIZATION"]), self.random.choice(wrong)))
        elif pick < 0.97:
            request.token = self.hand_made()
        return request

    def hand_made(self) -> Token:
        now = int(time.time())
        user = self.user() if self.chance(0.8) else "alice"
        header, claims = {"alg": "HS256", "typ": "JWT"}, {"sub": "{%s}" % user, "exp": now + 600}
        token = Token("", "", self.secret)
        match self.random.randrange(12):
            case 0:
                claims["exp"] = self.random.choice([now - 1, now - 30, now - 3600, 0, -1, 1, now + 5, 10**11, None, str(now + 60), now + 60.5, now - 0.5, "soon", True, [now + 60], {}, 10**30, ""])
            case 1:
                del claims["exp"]
            case 2:
                claims["sub"] = self.random.choice([None, 1, 1.0, True, "", "0", "-1", "x", user, " {alice}", "{alice} ", "+{alice}", "0{alice}", "{alice}.0", "{alice}_", "2147483647", "2147483648", "9" * 30, ["{alice}"], {}, "{alice}\0", "１", "{alice},{bob}", "0x1"])
            case 3:
                del claims["sub"]
            case 4:
                claims[self.random.choice(["iat", "nbf"])] = self.random.choice([now - 10, now + 3600, now + 2, 0, "x", str(now - 10), now - 0.5, None, True, []])
            case 5:
                claims.update(self.random.choice([{"aud": "x"}, {"aud": ["x"]}, {"aud": None}, {"aud": []}, {"aud": ""}, {"iss": "x"}, {"iss": 1}, {"jti": 1}, {"jti": "x"}, {"at_hash": "x"}, {"roles": ["admin"]}, {"username": "bob"}, {"scope": "a b"}, {"x": {"y": [None]}}]))
            case 6:
                header.update(self.random.choice([{"alg": "none"}, {"alg": "HS512"}, {"alg": "hs256"}, {"alg": "RS256"}, {"alg": None}, {"alg": ["HS256"]}, {"alg": ""}, {"typ": "jwt"}, {"typ": None}, {"typ": 1}, {"typ": "x"}, {"kid": "../../x"}, {"kid": 1}, {"jku": "http://x/"}, {"cty": "JWT"}, {"crit": ["x"]}, {"b64": False}, {"zip": "DEF"}, {"x": 1}]))
            case 7:
                header.pop(self.random.choice(["alg", "typ"]))
            case 8 | 9:
                token.mangle = self.random.choice(["cut", "empty", "flipped", "padded", "loose bits", "junk", "extra part", "other claims"])
            case 10:
                token.key = self.random.choice(["", "x", self.secret + " ", self.secret[:-1], self.secret.upper(), hashlib.sha256(self.secret.encode()).hexdigest()])
            case 11:
                header["alg"], token.digest = self.random.choice([("HS384", "sha384"), ("HS512", "sha512"), ("HS256", "sha512")])
        spaced = self.chance(0.3)
        token.header = json.dumps(header, separators=None if spaced else (",", ":"))
        token.claims = json.dumps(claims, separators=None if spaced else (",", ":"), ensure_ascii=self.chance(0.5))
        if self.chance(0.04):
            token.claims = self.random.choice(["[]", "{}", "null", '"x"', "1", "{", "", token.claims + " ", token.claims.replace("{", '{"sub":"0",', 1)])
        elif self.chance(0.02):
            token.header = self.random.choice(["[]", "{}", "null", "{", "", '"HS256"'])
        return token

    def own_token(self) -> Request:
        """Requests that do no harm where the token is accepted: a PATCH without members, and others."""
        request = self.random.choice([
            Request("PATCH", f"/articles/{self.article()}", [("content-type", "application/json")], b"{}"),
            Request("PATCH", self.item(), [("content-type", "application/json")], b"{}"),
            Request("POST", "/articles/", [("content-type", "application/json")], b'{"title":""}'),
            Request("DELETE", "/articles/0"),
            Request("GET", f"/articles/{self.article()}"),
        ])  # fmt: skip
        request.token = self.hand_made()
        request.scheme = self.random.choices(["Bearer ", "bearer ", "BEARER ", "BeArEr ", "Bearer  ", "Token ", "JWT ", ""], [80, 4, 4, 4, 3, 2, 2, 1])[0]
        return request

    def preflight(self) -> Request:
        path = self.random.choice(["/articles/", "/articles", self.item(), "/auth/login", "/docs", "/nope", "/openapi.json"])
        headers = [("origin", self.random.choice(self.origins) if self.chance(0.6) else self.random.choice(ORIGINS))]
        if self.chance(0.9):
            headers.append(("access-control-request-method", self.random.choice(["GET", "POST", "PATCH", "DELETE", "PUT", "HEAD", "OPTIONS", "BREW", "patch", "TRACE"])))
        if self.chance(0.6):
            headers.append(("access-control-request-headers", self.random.choice(["authorization", "Content-Type, Authorization", "x-a,X-B , x-c", "accept", "x-" + "y" * 50, "content-type"])))
        if self.chance(0.1):
            headers.pop(0)
        return Request("OPTIONS", path + self.any_query(), headers)

    # Bodies

    def string(self) -> str:
        """The inside of a JSON string, as it is sent."""
        length = self.random.choice(LENGTHS) + self.random.choice([0, 0, 0, 0, 1, 3])
        pool = self.random.choice([["a"], TEXTS, ["😀"], [*TEXTS, *ESCAPES], ESCAPES, [" "], ["é", r"\u00e9"]])
        units = [self.random.choice(pool) for _ in range(length)]
        if self.chance(0.015):
            units.append(r"\u0000")
        if self.chance(0.01):
            units.append(self.random.choice([r"\ud800", r"\udfff", r"\ude00\ud83d", r"\ud800\u0041"]))
        return "".join(units)

    def value(self, depth: int = 0) -> str:
        pick = self.random.random()
        if pick < 0.25:
            return self.random.choice(NUMBERS)
        if pick < 0.45:
            return f'"{self.string()}"'
        if pick < 0.60:
            return self.random.choice(["true", "false", "null"])
        if pick < 0.62:
            return self.random.choice(BIG_NUMBERS)
        if pick < 0.635:
            return self.random.choice(["NaN", "Infinity", "-Infinity", "1e400", "-1e999"])
        if pick < 0.66:
            levels = self.random.choice([3, 20, 60, 100, 115, 200, 600, 3000])
            return "[" * levels + "]" * levels if self.chance(0.5) else '{"a":' * levels + "1" + "}" * levels
        if depth > 2 or pick < 0.75:
            return self.random.choice(["[]", "{}", '[""]', '{"":0}'])
        if pick < 0.87:
            return "[" + ",".join(self.value(depth + 1) for _ in range(self.random.randrange(4))) + "]"
        return "{" + ",".join(f'"{self.random.choice("abc")}":{self.value(depth + 1)}' for _ in range(self.random.randrange(4))) + "}"

    def member(self, name: str) -> str:
        if self.chance(0.13):
            return self.value()
        if name == "published":
            texts = [f'"{text}"' for text in BOOLEANS]
            return self.random.choice(self.random.choice([["true", "false"], texts, texts, NUMBERS]))
        if self.chance(0.4):
            return '"%s"' % (self.random.choice(["Notes", "Über uns", "标题", "A  title "]) if name == "title" else "Long enough to be content. " * self.random.randrange(1, 4))
        return f'"{self.string()}"'

    def json_body(self, names: list[str]) -> bytes:
        extra = ["id", "author_id", "created_at", "updated_at", "Title", "CONTENT", "title ", "foo", "", "__proto__", "is_published"]
        names = [name for name in names if self.chance(0.88)]
        if self.chance(0.3):
            names.append(self.random.choice(extra))
        if self.chance(0.1) and names:
            names.append(self.random.choice(names))
        self.random.shuffle(names)
        blank = lambda: "".join(self.random.choices(" \t\n\r", k=self.random.randrange(4))) if spaced else ""  # noqa: E731
        spaced = self.chance(0.2)
        members = []
        for name in names:
            key = name
            if name and self.chance(0.05):
                at = self.random.randrange(len(name))
                key = f"{name[:at]}\\u{ord(name[at]):04x}{name[at + 1 :]}"
            members.append(f'{blank()}"{key}"{blank()}:{blank()}{self.member(name)}{blank()}')
        return (blank() + "{" + ",".join(members) + "}" + blank()).encode()

    def body(self, names: list[str]) -> bytes | None:
        pick = self.random.random()
        if pick < 0.84:
            return self.json_body(names)
        if pick < 0.88:
            return self.value().encode()
        if pick < 0.90:
            return self.random.choice([None, b"", b"null", b" ", b"\n", b"{}", b"[]", b'""', b"0"])
        if pick < 0.905:
            coding = self.random.choice(["utf-8-sig", "utf-16", "utf-16-le", "utf-32-be", "latin-1"])
            return '{"title":"é","content":"0123456789é"}'.encode(coding)
        body = bytearray(self.json_body(names))
        for _ in range(self.random.choice([1, 1, 1, 2, 4])):
            at = self.random.randrange(len(body) + 1)
            match self.random.randrange(5):
                case 0:
                    del body[at:]
                case 1:
                    del body[at : at + self.random.choice([1, 1, 2, 5])]
                case 2:
                    body[at:at] = bytes([self.random.randrange(256)])
                case 3:
                    body[at:at] = self.random.choice([b",", b'"', b"{", b"}", b"[", b":", b"\\", b"\\u12", b"//x\n", b"/**/", b"'", b"0", b"-", b".5", b"e", b"+", b"\0", b"\x0b", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80", b"\xef\xbf\xbf", b"\xc2\xa0", b"NaN", b"tru"])
                case 4:
                    body[at : at + 1] = body[at : at + 1].swapcase()
        return bytes(body)

    def with_body(self, method: str, target: str, names: list[str]) -> Request:
        kind = self.random.choices(["application/json", None, self.random.choice(TYPES), self.random.choice(WRONG_TYPES)], [80, 4, 8, 8])[0]
        headers = [("content-type", kind)] if kind is not None else []
        request = Request(method, target + (self.any_query() if self.chance(0.1) else ""), headers, self.body(names))
        if self.chance(0.12):
            request.chunks = [self.random.choice([1, 2, 7, 100, 5000]) for _ in range(self.random.randrange(6))]
        return self.sign(request)

    def creation(self) -> Request:
        target = self.random.choices(["/articles/", "/articles"], [9, 1])[0]
        request = self.with_body("POST", target, ["title", "content", "published"])
        if self.chance(0.003):
            request.body = b'{"title":"long","content":"%b"}' % (b"x" * self.random.choice([BODY_LIMIT - 1000, BODY_LIMIT + 1, BODY_LIMIT + 100_000]))
        return request

    def change(self) -> Request:
        author = self.user()
        request = self.with_body("PATCH", self.item(author), self.random.sample(["title", "content", "published"], k=self.random.choice([1, 1, 2, 3])))
        if isinstance(request.token, str) and self.chance(0.8):
            request.token = author
        return request

    def deletion(self) -> Request:
        author = self.user()
        request = self.sign(Request("DELETE", self.item(author) + self.any_query()))
        if isinstance(request.token, str) and self.chance(0.6):
            request.token = author
        return request

    # The login form

    def login(self) -> Request:
        user = self.user()
        name = user if self.chance(0.25) else self.random.choice(["nobody", "Alice", user + " ", " ", "😀", "", "a'--", "x" * 300, "a=b", "%", "é", user + "\0"])
        password = self.users[user]["password"] if self.chance(0.4) else self.random.choice(["wrong", "", " ", "x" * 72, "x" * 4096, "é" * 2049, "p" * 5000, "a\0b", "+", "&", "ünï😀"])
        fields = [("username", name), ("password", password)]
        if self.chance(0.3):
            fields.append(("grant_type", self.random.choice(["password", "", "Password", "passwords", "password ", "xpassword", "client_credentials", "refresh_token", "password\n", " "])))
        for optional in ("scope", "client_id", "client_secret", "foo", "USERNAME"):
            if self.chance(0.1):
                fields.append((optional, self.random.choice(["", "a b", "é", "\0", "x" * 100])))
        if self.chance(0.15):
            fields.append(self.random.choice([("username", "nobody"), ("password", "other"), ("username", ""), ("password", "")]))
        if self.chance(0.15):
            fields.pop(self.random.randrange(len(fields)))
        self.random.shuffle(fields)
        form: dict[str, str] | None = dict(fields)
        target = "/auth/login" + self.random.choice(["", "", "", "", "/", "?username=alice", "?x"])
        pick = self.random.random()
        if pick < 0.6:
            quote = self.random.choice([urllib.parse.quote_plus, urllib.parse.quote, lambda text: "".join(f"%{byte:02x}" for byte in text.encode())])
            body = "&".join(f"{quote(key)}={quote(value)}" for key, value in fields).encode()
            if self.chance(0.12):
                body, form = self.random.choice([body.replace(b"&", b";"), b"&&" + body + b"&", body.replace(b"=", b"%", 1), body + b"&password", b"=x&" + body, body + b"%", body + b"&%zz=%", body.replace(b"&", b"&amp;")]), None
            request = Request("POST", target, [("content-type", self.random.choice([FORM, FORM, FORM + "; charset=utf-8", FORM.upper(), FORM + ";x=y"]))], body, form=form)
        elif pick < 0.85:
            boundary = self.random.choice(["BnD", "----x7MA4YWxkTrZu0gW", "a'b", "0" * 60])
            body = b"".join(b'--%b\r\ncontent-disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (boundary.encode(), key.encode(), value.encode()) for key, value in fields)
            body += b"--%b--\r\n" % boundary.encode()
            if self.chance(0.2):
                at, form = self.random.randrange(len(body)), None
                body = self.random.choice([body[:at], body[:at] + body[at + 1 :], body.replace(b"\r\n", b"\n"), b"preamble\r\n" + body, body.replace(b"; name", b'; filename="a.txt"; name', 1), b"", body[:-8]])
            quoted = f'"{boundary}"' if self.chance(0.2) else boundary
            request = Request("POST", target, [("content-type", f"multipart/form-data; boundary={quoted}")], body, form=form)
        else:
            body = json.dumps(dict(fields)).encode() if self.chance(0.5) else urllib.parse.urlencode(fields).encode()
            kind = self.random.choice(["application/json", "text/plain", None, "", "application/octet-stream"])
            request = Request("POST", target, [("content-type", kind)] if kind is not None else [], self.random.choice([body, body, None, b""]))
        if self.chance(0.08):
            request.headers.append(("authorization", self.random.choice(["Basic YWxpY2U6cHc=", "Bearer x"])))
        if self.chance(0.1):
            request.chunks = [3, 10]
        return request


# The run


class Run:
    def __init__(self, arguments: argparse.Namespace):
        contract = json.loads(Path(arguments.contract).read_text())
        self.old, self.new = Server("the old blog", arguments.old), Server("Byline", arguments.new)
        self.users = {name: user for name, user in contract["users"].items()}
        for server in (self.old, self.new):
            for name, user in self.users.items():
                server.log_in(user["username"], user["password"])
            server.empty()
        self.same = arguments.same
        self.origins, self.secret = contract["cors_origins"], contract["secret_key"]
        self.recorded = {
            (case["request"]["method"], case["request"]["target"], case["request"].get("body"), json.dumps(case["request"]["headers"]))
            for case in contract["cases"]
        }
        self.generator = Generator(arguments.seed, self.users, self.secret, self.origins)
        self.comparison = Comparison(self.old, self.new, self.secret)
        self.serial = 0
        self.explained, self.findings = Counter(), Counter()
        self.statuses = Counter()

    def is_recorded(self, request: Request) -> bool:
        target = re.sub(r"\{a\d+\}", "{A}", request.target)
        try:
            body = request.body.decode() if request.body is not None else None
        except UnicodeDecodeError:
            return False
        return (request.method, target, body, json.dumps(request.headers)) in self.recorded

    def go(self, count: int) -> None:
        sent = 0
        while sent < count:
            self.fill()
            request = self.generator.request()
            if not self.is_recorded(request):
                self.one(request)
                sent += 1

    def fill(self) -> None:
        """Keeps some articles of every user, and not too many."""
        pool = self.generator.pool
        for user in self.users:
            if user not in pool.values():
                body = json.dumps({"title": f"{user}'s article", "content": "something to read"}).encode()
                for server in (self.old, self.new):
                    server.created.clear()
                    server.send(Request("POST", "/articles/", [("content-type", "application/json")], body, token=user))
                self.adopt(user)
        while len(pool) > 25:
            self.drop(next(iter(pool)))

    def adopt(self, author: str | None = None) -> None:
        """Pairs what both have made; what one of them alone has made is deleted."""
        if len(self.old.created) == len(self.new.created) == 1:
            self.serial += 1
            name = f"a{self.serial}"
            rows = []
            for server in (self.old, self.new):
                server.articles[name] = server.created[0]
                rows.append(server.send(Request("GET", "/articles/{%s}" % name)))
            owners = {user_id: user for user, user_id in self.old.user_ids.items()}
            self.generator.pool[name] = author or owners[rows[0].json["author_id"]]
            self.old.created.clear()
            self.new.created.clear()
            if found := self.comparison.difference(Request("GET", "/articles/{%s}" % name), *rows):
                self.report(Request("GET", "/articles/{%s}" % name), found, *rows)
                self.drop(name)
            for server, row in zip((self.old, self.new), rows):
                self.comparison.observe(server, row)
        for server in (self.old, self.new):
            for article_id in server.created:
                server.delete(article_id)
            server.created.clear()

    def drop(self, name: str) -> None:
        for server in (self.old, self.new):
            server.delete(server.articles[name])
        del self.generator.pool[name]
        self.generator.gone.append(name)
        del self.generator.gone[:-10]

    def one(self, request: Request) -> None:
        old, new = self.old.send(request), self.new.send(request)
        shown = old
        names: list[str] = []
        first = found = self.comparison.difference(request, old, new)
        rules = {} if self.same else RULES if found else {name: RULES[name] for name in MUST}
        while rules:
            case = Case(request, old, new, self.old, self.origins, self.secret, set(self.users))
            answers = ((name, rule(case)) for name, rule in rules.items() if name not in names)
            name, instead = next((pair for pair in answers if pair[1]), ("", None))
            if instead is None:
                break
            names.append(name)
            old = instead
            found = None if old is new else self.comparison.difference(request, old, new)
            rules = RULES if found else {}
        self.comparison.observe(self.old, old)
        self.comparison.observe(self.new, new)
        self.statuses[new.status] += 1
        if new.status >= 500 and new.status != 501 and not (self.same and shown.has_crashed()):
            found = found or f"Byline fails: {new.status}"
        if found:
            self.report(request, first or found, shown, new, f"{found}, where Byline must differ by {', '.join(names)}" if names else "")
        elif names:
            self.explained.update([", ".join(names)])
        else:
            self.explained["equal"] += 1
        self.adopt()
        if request.method in ("PATCH", "DELETE"):
            self.settle(request)

    def settle(self, request: Request) -> None:
        """Articles that only one of the two has changed or deleted go away, so that later differences are of their own making."""
        for name in re.findall(r"\{(a\d+)\}", request.target):
            if name not in self.generator.pool:
                continue
            probe = Request("GET", "/articles/{%s}" % name)
            old, new = self.old.send(probe), self.new.send(probe)
            if old.status == new.status == 404:
                del self.generator.pool[name]
                self.generator.gone.append(name)
            elif old.status != 200 or self.comparison.difference(probe, old, new):
                self.drop(name)
            else:
                self.comparison.observe(self.old, old)
                self.comparison.observe(self.new, new)

    def report(self, request: Request, found: str, old: Response, new: Response, left: str = "") -> None:
        kind = (request.method, request.resource, old.status, new.status, re.sub(r"\d+", "N", found)[:60])
        self.findings[kind] += 1
        if self.findings[kind] > 3:
            return
        print(f"\nFINDING {found}" + (f"  (left: {left})" if left else ""))
        print(f"    {request.show()}")
        for server, response in ((self.old, old), (self.new, new)):
            headers = {key: value for key, value in response.headers.items() if key not in ("date", "server", "connection", "content-length")}
            print(f"  {server.name}: {response.status} {headers}\n    {shorten(response.body.decode(errors='replace'), 700)}")

    def summary(self) -> int:
        print()
        for name, count in self.explained.most_common():
            print(f"{count:7} {name}")
        for kind, count in self.findings.most_common():
            print(f"{count:7} FINDING {' '.join(map(str, kind))}")
        total = sum(self.findings.values())
        statuses = ", ".join(f"{status}: {count}" for status, count in sorted(self.statuses.items()))
        print(f"Byline's statuses: {statuses}\n{total} findings")
        return 1 if total else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--old", required=True, help="URL of the old blog")
    parser.add_argument("--new", required=True, help="URL of Byline")
    parser.add_argument("--contract", required=True, help="the contract's cases.json: users, secret, origins, requests to leave out")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=2000, help="number of requests")
    parser.add_argument("--same", action="store_true", help="both are the old blog (checks this program): that both crash is no finding")
    arguments = parser.parse_args()
    sys.setrecursionlimit(10_000)
    run = Run(arguments)
    run.go(arguments.count)
    return run.summary()


if __name__ == "__main__":
    sys.exit(main())
