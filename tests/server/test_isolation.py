"""The service under abuse: every hostile request is answered as it should be, and so are others."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import quote, urlencode

import pytest

from kg.engine.isolated import sandbox
from tests.conftest import Once
from tests.processes import command_of, eventually, parents

pytestmark = pytest.mark.skipif(
    sandbox.lacking() is not None, reason="this platform cannot isolate"
)

LIMIT = 10.0
LONGEST = 10.0
FOR_A_BOMB = "0.25"
"""Seconds that a bomb is given: it needs more than any time, and others more when they share."""

SLOWEST_LOOKUP = 8.0
"""Seconds: less than a query waits for a process at most, so that none waited for a bomb to end."""

HOST = "127.0.0.1"
TRAP = "127.0.0.1:TRAP"
"""Stands for the address of a server that nothing may connect to."""

_SETTINGS = {
    "DERMOGRAPH_QUERY_SECONDS": str(LIMIT),
    "DERMOGRAPH_MAX_QUERY_SECONDS": str(LONGEST),
    # More than the bombs of time hold, whatever they are given; those of memory take any amount.
    "DERMOGRAPH_QUERY_MEMORY_BYTES": str(400 << 20),
    "DERMOGRAPH_MAX_BODY_BYTES": "300000",
    "DERMOGRAPH_MAX_RESULT_BYTES": "400000",
}
_SERVE = "from server.cli import main; main()"


class Request(NamedTuple):
    """A hostile request and what it has to be answered with.

    Attributes:
        status: the status of the response.
        slug: the type of problem; "" where the response is none.
        method, path, headers, body: what is sent.
    """

    status: int
    slug: str
    method: str = "GET"
    path: str = "/sparql"
    headers: Mapping[str, str] = {}
    body: bytes = b""


class Reply(NamedTuple):
    """A response, and how long it took."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes
    seconds: float


def get(query: str, status: int, slug: str = "", **parameters: str) -> Request:
    """Ask by GET."""
    path = "/sparql?" + urlencode({"query": query, **parameters})
    return Request(status, slug, path=path)


def post(body: bytes | str, status: int, slug: str = "", kind: str = "sparql-query") -> Request:
    """Ask by POST."""
    content = body.encode() if isinstance(body, str) else body
    return Request(
        status, slug, "POST", headers={"Content-Type": f"application/{kind}"}, body=content
    )


def with_headers(status: int, slug: str, **headers: str) -> Request:
    """Ask something easy with headers that are not."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(status, slug, path="/sparql?query=ASK%7B%7D", headers=named)


def at(path: str, status: int, slug: str = "", method: str = "GET") -> Request:
    """Ask for a path."""
    return Request(status, slug, method, path)


PRODUCT = "?a ?b ?c . ?d ?e ?f . ?g ?h ?i"
COUNT = f"SELECT (COUNT(*) AS ?n) {{ {PRODUCT} FILTER(?a != ?g) }}"
GROWING = " ".join(f"BIND(CONCAT(?x{n}, ?x{n}, ?x{n}, ?x{n}) AS ?x{n + 1})" for n in range(20))
DEEP = 20_000

BOMBS = {
    "count of a product": get(COUNT, 503, "query-timeout"),
    "count of a product, by POST": post(COUNT, 503, "query-timeout"),
    "count of a product, by form": post(
        urlencode({"query": COUNT + "#"}), 503, "query-timeout", "x-www-form-urlencoded"
    ),
    "count of a product, by QUERY": post(COUNT + "##", 503, "query-timeout")._replace(
        method="QUERY"
    ),
    "asked for ever": get(COUNT + "# ever", 503, "query-timeout", timeout="999999999"),
    "asked for a moment": get(COUNT + "# moment", 503, "query-timeout", timeout="0.01"),
    "path": get(
        "SELECT (COUNT(*) AS ?n) { ?a (!<a:>|^<b:>)+ ?b . ?c (!<d:>)* ?d }", 503, "query-timeout"
    ),
    "ask": get(
        f"ASK {{ {PRODUCT} FILTER(STR(?a) = CONCAT(STR(?f), STR(?i), '!')) }}", 503, "query-timeout"
    ),
    "minus": get(
        "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f MINUS { ?g ?h ?c } }", 503, "query-timeout"
    ),
    "exists": get(
        "ASK { ?a ?b ?c FILTER NOT EXISTS { ?d ?e ?f . ?g ?h ?i FILTER(?c != ?c) } FILTER(?c != ?c) }",
        503,
        "query-timeout",
    ),
    "optional": get(
        "SELECT (COUNT(*) AS ?n) { ?a ?b ?c OPTIONAL { ?d ?e ?f OPTIONAL { ?g ?h ?i } } }",
        503,
        "query-timeout|memory-limit",
    ),
    "regex": get(
        "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f "
        "FILTER REGEX(CONCAT(STR(?c), STR(?f)), CONCAT('(.*', STR(?h), '.*){9}$')) BIND(STR(?b) AS ?h) }",
        503,
        "query-timeout",
    ),
    "hash": get(
        "SELECT (MAX(SHA512(CONCAT(STR(?a), STR(?f)))) AS ?n) { ?a ?b ?c . ?d ?e ?f }",
        503,
        "query-timeout",
    ),
    "page for browsers": get(COUNT + "# page", 503, "query-timeout", format="html"),
    "order": get(f"SELECT * {{ {PRODUCT} }} ORDER BY ?i ?f", 503, "query-timeout|memory-limit"),
    "distinct": get(
        f"SELECT (COUNT(*) AS ?n) {{ SELECT DISTINCT * {{ {PRODUCT} }} }}",
        503,
        "query-timeout|memory-limit",
    ),
    "group": get(
        f"SELECT ?a ?d (SUM(STRLEN(STR(?i))) AS ?n) {{ {PRODUCT} }} GROUP BY ?a ?d",
        503,
        "query-timeout|memory-limit",
    ),
    "group_concat": get(
        f"SELECT (GROUP_CONCAT(STR(?c)) AS ?n) {{ {PRODUCT} }}", 503, "query-timeout|memory-limit"
    ),
    "construct": get(
        f"CONSTRUCT {{ ?a ?b ?f }} {{ {PRODUCT} }}", 503, "query-timeout|memory-limit"
    ),
    "growing string": get(
        f"SELECT (STRLEN(?x20) AS ?n) {{ BIND('xxxxxxxx' AS ?x0) {GROWING} }}",
        503,
        "memory-limit|query-timeout",
        timeout=str(LONGEST),
    ),
    "all, over the size limit": get(
        "SELECT * { ?s ?p ?o } LIMIT 4000", 403, "result-too-large", timeout=str(LONGEST)
    ),
}
DEEP_QUERIES = {
    "deep groups": post("ASK" + "{" * DEEP + "}" * DEEP, 503, "memory-limit"),
    "deep brackets": post(f"ASK {{ FILTER({'(' * DEEP}1{')' * DEEP}) }}", 503, "memory-limit"),
    "deep negations": post(f"ASK {{ FILTER({'!' * DEEP}true) }}", 503, "memory-limit"),
    "deep and unclosed": post("ASK" + "{" * DEEP, 503, "memory-limit"),
}
MALFORMED = {
    "empty query": get("", 400, "syntax-error"),
    "no SPARQL": get("SELECT * FROM claims; --", 400, "syntax-error"),
    "SQL": get("'; DROP TABLE claims; --", 400, "update-as-query"),
    "NUL": get("SELECT * { ?s ?p '\0", 400, "syntax-error"),
    "emoji": get("\U0001f4a9", 400, "syntax-error"),
    "undeclared prefix": get("ASK { ?s x:y ?o }", 400, "syntax-error"),
    "unknown function": get("SELECT (<http://e/f>(1) AS ?x) {}", 400, "unsupported-function"),
    "a tail after the query": get("ASK {} ; DROP ALL", 400, "syntax-error"),
    "latin-1 body": post(b"ASK { ?s ?p '\xe9' }", 400, "malformed-request"),
    "latin-1 form": post(b"query=%E9", 400, "malformed-request", "x-www-form-urlencoded"),
    "latin-1 URL": at("/sparql?query=%E9%FF", 400, "malformed-request"),
    "surrogate": post(b"ASK { ?s ?p '\xed\xa0\x80' }", 400, "malformed-request"),
    "half a percent": at("/sparql?query=%", 400, "syntax-error"),
    "many quotes": post("ASK { " + '"' * 100_001, 400, "syntax-error"),
    "many dots": post("ASK { " + "a." * 5_000 + " }", 400, "syntax-error"),
    "giant VALUES": post("ASK { VALUES ?x { " + "1 " * 20_000 + "} }", 200),
    "query over its limit": post("ASK {}" + " " * 270_000, 413, "query-too-long"),
    "body over its limit": post(b"x" * 300_001, 413, "body-too-large"),
    "URL over its limit": at("/sparql?query=" + "x" * 60_001, 414, "url-too-long"),
    "no media type": Request(415, "unsupported-media-type", "POST", body=b"ASK {}"),
    "JSON": post('{"query": "ASK {}"}', 415, "unsupported-media-type", "json"),
    "RDF": post("<a:> <b:> <c:> .", 415, "unsupported-media-type", "ld+json"),
    "multipart": post("--x", 415, "unsupported-media-type", "x-multipart"),
    "utf-16": post("ASK {}", 415, "unsupported-media-type", "sparql-query; charset=utf-16"),
    "zip bomb": post("ASK {}", 415, "unsupported-media-type")._replace(
        headers={"Content-Type": "application/sparql-query", "Content-Encoding": "gzip"}
    ),
}
UPDATES = {
    "insert as query": get("INSERT DATA { <a:> <b:> <c:> }", 400, "update-as-query"),
    "clear as query": post("CLEAR ALL", 400, "update-as-query"),
    "update by form": post("update=DROP+ALL", 403, "read-only", "x-www-form-urlencoded"),
    "update directly": post("DROP ALL", 403, "read-only", "sparql-update"),
    "update by GET": at("/sparql?update=DROP+ALL", 400, "bad-parameter"),
    "PUT": at("/graph/claims", 405, "method-not-allowed", "PUT"),
    "DELETE": at("/sparql", 405, "method-not-allowed", "DELETE"),
    "TRACE": at("/sparql", 405, "method-not-allowed", "TRACE"),
    "unknown method": at("/sparql", 501, "unknown-method", "BREW"),
}
PARAMETERS = {
    "two queries": at("/sparql?query=ASK%7B%7D&query=ASK%7B%7D", 400, "bad-parameter"),
    "query twice over": post("ASK {}", 400, "bad-parameter")._replace(
        path="/sparql?query=ASK%7B%7D"
    ),
    "unknown parameter": get("ASK {}", 400, "bad-parameter", colour="red"),
    "unknown version": get("ASK {}", 400, "bad-parameter", version="9.9"),
    "300 parameters": at("/sparql?" + "&".join(["a=b"] * 300), 400, "malformed-request"),
    "timeout 0": get("ASK {}", 400, "bad-parameter", timeout="0"),
    "timeout nan": get("ASK {}", 400, "bad-parameter", timeout="nan"),
    "timeout negative": get("ASK {}", 400, "bad-parameter", timeout="-1"),
    "timeout infinite": get("ASK {}", 400, "bad-parameter", timeout="1e999"),
    "timeout long": get("ASK {}", 400, "bad-parameter", timeout="9" * 4000),
    "relative graph": at("/sparql?query=ASK%7B%7D&default-graph-uri=../x", 400, "bad-parameter"),
    "injected graph": at(
        "/sparql?query=ASK%7B%7D&default-graph-uri=" + quote("a:x> {} #", safe=""),
        400,
        "bad-parameter",
    ),
    "unknown query": at("/queries/none/answer", 404, "not-found"),
    "injected IRI": at(
        "/queries/why/answer?subject=" + quote("x> ?p ?o } #", safe=""), 400, "bad-parameter"
    ),
}
PATHS = {
    "traversal": at("/../../etc/passwd", 404, "not-found"),
    "encoded traversal": at("/static/%2e%2e/%2e%2e/config.py", 404, "not-found"),
    "encoded slashes": at("/static/..%2f..%2fconfig.py", 404, "not-found"),
    "backslashes": at("/static/..%5c..%5cconfig.py", 404, "not-found"),
    "absolute file": at("/static//etc/passwd", 308),
    "NUL in path": at("/id/%00", 404, "not-found"),
    "latin-1 in path": at("/id/%E9", 400, "unbindable-value"),
    "script in path": at("/id/%3Cscript%3E", 404, "not-found"),
    "injected resource": at("/id/x%3E%20%3Fp%20%3Fo", 404, "not-found"),
    "long path": at("/id/" + "x" * 20_000, 404, "not-found"),
    "template": at("/queries/%7B%7B7*7%7D%7D", 404, "not-found"),
    "debugger": at("/console?__debugger__=yes&cmd=1", 404, "not-found"),
}
HEADERS = {
    "Accept without end": with_headers(400, "malformed-header", Accept='text/html;a="'),
    "Accept of many": with_headers(200, "", Accept=", ".join(["a/b;q=0.1"] * 500) + ", */*"),
    "Accept of nothing": with_headers(406, "not-acceptable", Accept="image/png"),
    "illegal If-None-Match": with_headers(200, "", If_None_Match='W/"', Accept="*/*"),
    "huge range": with_headers(200, "", Range="bytes=" + "0-1," * 1000),
    "illegal query id": with_headers(200, "", X_Query_Id="<script>" * 50),
    "illegal Prefer": with_headers(200, "", Prefer="wait=" + "9" * 5000),
    "foreign host": with_headers(200, "", Host="evil.example"),
    "no host": with_headers(400, "malformed-header", Host="a b"),
    "cookies": with_headers(200, "", Cookie="a=b; " * 1000),
    "credentials": with_headers(200, "", Authorization="Basic ////"),
    "illegal encoding": with_headers(200, "", Accept_Encoding="gzip;q=x, br;q=9, , ;"),
    "override": with_headers(200, "", X_HTTP_Method_Override="DELETE", X_Original_URL="/x"),
}
TARGETS = {
    "plain": f"SERVICE <http://{TRAP}/> {{}}",
    "silent": f"SERVICE SILENT <http://{TRAP}/> {{}}",
    "mixed case": f"sErViCe<http://{TRAP}/>{{}}",
    "comment between": f"SERVICE # <http://ok/>\n <http://{TRAP}/> {{}}",
    "variable": f"VALUES ?x {{ <http://{TRAP}/> }} SERVICE ?x {{}}",
    "bound variable": f"BIND(IRI('http://{TRAP}/') AS ?x) SERVICE SILENT ?x {{}}",
    "nested": f"{{ SELECT * {{ OPTIONAL {{ SERVICE <http://{TRAP}/> {{}} }} }} }}",
    "in EXISTS": f"FILTER EXISTS {{ SERVICE <http://{TRAP}/> {{}} }}",
    "IPv6": "SERVICE <http://[::ffff:127.0.0.1]:TRAP/> {}",
    "number": "SERVICE <http://2130706433:TRAP/> {}",
    "hexadecimal": "SERVICE <http://0x7f.1:TRAP/> {}",
    "any address": "SERVICE <http://0.0.0.0:TRAP/> {}",
    "name": "SERVICE <http://localhost:TRAP/> {}",
    "user": f"SERVICE <http://example.org@{TRAP}/> {{}}",
    "escaped": f"SERVICE <\\u0068ttp://{TRAP}/> {{}}",
    "file": "SERVICE <file:///etc/passwd> {}",
}
SSRF = {
    **{
        f"SERVICE, {name}": get(f"SELECT * {{ {text} }}", 403, "federation-refused")
        for name, text in TARGETS.items()
    },
    "SERVICE, prefixed": get(
        f"PREFIX x: <http://{TRAP}/> ASK {{ SERVICE x:y {{}} }}", 403, "federation-refused"
    ),
    "SERVICE, base": get(
        f"BASE <http://{TRAP}/> ASK {{ SERVICE <y> {{}} }}", 403, "federation-refused"
    ),
    "SERVICE, escaped keyword": get(
        f"ASK {{ SERV\\u0049CE <http://{TRAP}/> {{}} }}", 400, "syntax-error"
    ),
    "SERVICE, hidden in what may be an IRI": get(
        f"ASK {{ FILTER(1<2)SERVICE#>\n <http://{TRAP}/> {{}} }}", 400, "syntax-error"
    ),
    "FROM": get(f"ASK FROM <http://{TRAP}/> {{ ?s ?p ?o }}", 200),
    "FROM NAMED": get(f"ASK FROM NAMED <http://{TRAP}/> {{ GRAPH ?g {{ ?s ?p ?o }} }}", 200),
    "GRAPH": get(f"ASK {{ GRAPH <http://{TRAP}/> {{ ?s ?p ?o }} }}", 200),
    "default-graph-uri": get("ASK { ?s ?p ?o }", 200, **{"default-graph-uri": f"http://{TRAP}/"}),
    "named-graph-uri": get("ASK { ?s ?p ?o }", 200, **{"named-graph-uri": f"http://{TRAP}/"}),
    "LOAD": get(f"LOAD <http://{TRAP}/>", 400, "update-as-query"),
    "LOAD SILENT": post(f"LOAD SILENT <http://{TRAP}/>", 400, "update-as-query"),
    "LOAD as update": post(f"LOAD <http://{TRAP}/>", 403, "read-only", "sparql-update"),
    "resource": at(f"/id/http://{TRAP}/", 404, "not-found"),
    "forwarded": with_headers(200, "", X_Forwarded_Host=TRAP, Forwarded=f"host={TRAP}"),
    "host": with_headers(200, "", Host=TRAP),
}


def _shortened(request: Request) -> Request:
    """Return a bomb with a time limit of its own, unless it has one."""
    if "timeout=" in request.path:
        return request
    mark = "&" if "?" in request.path else "?"
    return request._replace(path=f"{request.path}{mark}timeout={FOR_A_BOMB}")


HOSTILE: Mapping[str, Request] = {
    f"{group}: {name}": request
    for group, requests in {
        "bomb": {name: _shortened(request) for name, request in BOMBS.items()},
        "deep": DEEP_QUERIES,
        "malformed": MALFORMED,
        "update": UPDATES,
        "parameter": PARAMETERS,
        "path": PATHS,
        "header": HEADERS,
        "SSRF": SSRF,
    }.items()
    for name, request in requests.items()
}

RAW = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "space in header name": b"GET / HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n",
    "two lengths": (
        b"POST /sparql HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nASK{}"
    ),
    "negative length": b"POST /sparql HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    "NUL in header": b"GET / HTTP/1.1\r\nHost: x\r\nA: \x00\r\n\r\n",
    "folded header": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    "illegal chunk": (
        b"POST /sparql HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
        b"Content-Type: application/sparql-query\r\n\r\nZZ\r\n"
    ),
    "too many headers": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 5000 + b"\r\n",
    "giant header": b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 1_000_000 + b"\r\n\r\n",
    "giant request line": b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
}
"""Requests that the server refuses before the service sees them, with a status of 400 or more."""


class Trap:
    """A server on loopback that counts who connects to it."""

    def __init__(self) -> None:
        self.socket = socket.create_server((HOST, 0))
        self.port = self.socket.getsockname()[1]

    def caught(self) -> bool:
        """Tell whether anyone has connected."""
        self.socket.setblocking(False)
        try:
            self.socket.accept()[0].close()
        except BlockingIOError:
            return False
        return True


class Lookups:
    """A client that looks things up without a pause, each question a new one."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.replies: list[Reply] = []

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.005):
            number = len(self.replies)
            query = f"SELECT ?p ?o {{ <https://w3id.org/dermograph/ontology/CO2Laser> ?p ?o }} # {number}"
            self.replies.append(send(self._port, get(query, 200)))


class Service(NamedTuple):
    """A running service."""

    process: subprocess.Popen[bytes]
    port: int


def send(port: int, request: Request, trap: int = 9) -> Reply:
    """Send a request on a connection of its own."""
    text = str(trap)
    began = time.monotonic()
    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    try:
        connection.request(
            request.method,
            request.path.replace("TRAP", text),
            request.body.replace(b"TRAP", text.encode()),
            {name: value.replace("TRAP", text) for name, value in request.headers.items()},
        )
        response = connection.getresponse()
        body = response.read()
        return Reply(response.status, response.headers, body, time.monotonic() - began)
    finally:
        connection.close()


def send_raw(port: int, content: bytes) -> bytes:
    """Send bytes, and give what comes back before the connection is closed; b"" if nothing."""
    received = b""
    with socket.create_connection((HOST, port), timeout=10) as connection:
        try:
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                received += piece
        except OSError:  # refused in the middle of sending
            pass
    return received


@contextmanager
def running(*arguments: str, **limits: float) -> Iterator[Service]:
    """Serve the shipped knowledge, or what arguments name, with small limits or others."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    settings = _SETTINGS | {f"DERMOGRAPH_{name}": str(each) for name, each in limits.items()}
    environment = {**os.environ, **settings, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", _SERVE, "serve", "--port", str(port), *arguments]
    with subprocess.Popen(command, env=environment) as process:
        try:
            assert eventually(lambda: process.poll() is not None or listens(port), 120)
            yield Service(process, port)
        finally:
            process.terminate()
            process.wait(timeout=60)


def listens(port: int) -> bool:
    """Tell whether something listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def descendants(ancestor: int) -> set[int]:
    """Return the processes that a process started, directly or not."""
    children: dict[int, list[int]] = {}
    for process, parent in parents().items():
        children.setdefault(parent, []).append(process)
    found: set[int] = set()
    waiting = [ancestor]
    while waiting:
        new = children.get(waiting.pop(), [])
        found.update(new)
        waiting.extend(new)
    return found


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """Yield a running service."""
    with running() as started:
        yield started


class Siege(NamedTuple):
    """What came of sending every hostile request, several at a time.

    Attributes:
        replies: to the hostile requests, by name.
        lookups: to the client that looked things up meanwhile.
        caught: whether anything connected to the trap.
    """

    replies: Mapping[str, Reply]
    lookups: list[Reply]
    caught: bool


@pytest.fixture(scope="module")
def siege(once: Once, request: pytest.FixtureRequest) -> Siege:
    """Send every hostile request, six at a time, while a client looks things up."""
    lasting: Siege = once("siege", lambda: besieged(request.getfixturevalue("service")))
    return lasting


def besieged(service: Service) -> Siege:
    """Send every hostile request to a service."""
    trap = Trap()
    with trap.socket, Lookups(service.port) as lookups, ThreadPoolExecutor(6) as threads:
        pending = {
            name: threads.submit(send, service.port, request, trap.port)
            for name, request in HOSTILE.items()
        }
        replies = {name: each.result() for name, each in pending.items()}
        return Siege(replies, lookups.replies, trap.caught())


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_request_gets_its_answer(siege: Siege, name: str) -> None:
    """Each has the status it deserves, and a problem document that says what and why."""
    request, reply = HOSTILE[name], siege.replies[name]

    assert reply.status == request.status, reply.body[:500]
    assert int(reply.headers["Content-Length"]) == len(reply.body)
    assert reply.headers["X-Query-Id"]
    if request.slug:
        problem = problem_in(reply)
        assert problem["type"].rpartition("/")[2] in request.slug.split("|")
        assert problem["status"] == reply.status
        assert problem["title"]
        assert problem["detail"]
        assert reply.headers["Cache-Control"] == "no-store"
    assert ("Retry-After" in reply.headers) == (reply.status == 503)


def problem_in(reply: Reply) -> dict[str, Any]:
    """Return the problem document in a response."""
    assert reply.headers["Content-Type"] == "application/problem+json", reply.body[:500]
    document: dict[str, Any] = json.loads(reply.body)
    return document


def test_there_are_many_hostile_requests() -> None:
    """The table stays as long as it was promised to be."""
    assert len(HOSTILE) + len(RAW) >= 100


def test_lookups_are_answered_under_siege(siege: Siege) -> None:
    """Meanwhile every ordinary question is answered, rightly and before long."""
    assert len(siege.lookups) > 20
    assert {each.status for each in siege.lookups} == {200}
    assert len({each.body for each in siege.lookups}) == 1
    assert max(each.seconds for each in siege.lookups) < SLOWEST_LOOKUP


def test_nothing_is_fetched(siege: Siege) -> None:
    """No spelling of an address makes the service connect to it."""
    assert not siege.caught


@pytest.mark.parametrize("content", RAW.values(), ids=RAW)
def test_what_is_no_http_is_refused(service: Service, content: bytes) -> None:
    """Malformed HTTP is answered with an error or by closing, and the next request is answered."""
    received = send_raw(service.port, content)

    assert received == b"" or int(received.split(b" ")[1]) >= 400, received[:200]
    assert b"Traceback" not in received
    assert send(service.port, get("ASK {}", 200)).status == 200


def test_a_timeout_is_kept(service: Service) -> None:
    """A client may ask for less time or for more, by parameter or header, up to the limit."""
    for number, (asked, seconds) in enumerate((("0.2", 0.2), ("0.7", 0.7))):
        _assert_stopped_after(service, seconds, get(f"{COUNT} # {number}", 503, timeout=asked))
    for number, preference in enumerate(("wait=1", 'respond-async, Wait = "1"; x=y')):
        waiting = get(f"{COUNT} # wait {number}", 503)._replace(headers={"Prefer": preference})
        assert "after 1 s." in problem_in(send(service.port, waiting))["detail"]
    usual, longest = 0.2, 0.5
    limits = {"QUERY_SECONDS": usual, "MAX_QUERY_SECONDS": longest}
    with running(**limits) as strict:
        _assert_stopped_after(strict, longest, get(COUNT, 503, timeout="500"))
        _assert_stopped_after(strict, usual, get(f"{COUNT} # usual", 503))


def _assert_stopped_after(service: Service, seconds: float, request: Request) -> None:
    reply = send(service.port, request)
    assert problem_in(reply)["detail"] == f"The query was stopped after {seconds:g} s."
    assert seconds <= reply.seconds < seconds + LIMIT


def test_silent_and_slow_connections_keep_nobody_waiting(service: Service) -> None:
    """With 150 connections that say nothing, or half of a request, others are answered."""
    begun = (
        b"",
        b"GET /sparql HTTP/1.1\r\nHost: x\r\n",
        (
            b"POST /sparql HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
            b"Content-Type: application/sparql-query\r\n\r\nASK"
        ),
    )
    with ExitStack() as stack:
        for number in range(150):
            connection = socket.create_connection((HOST, service.port), timeout=10)
            stack.enter_context(connection)
            connection.sendall(begun[number % len(begun)])
        with Lookups(service.port) as lookups:
            assert eventually(lambda: len(lookups.replies) >= 30)

    assert {each.status for each in lookups.replies} == {200}
    assert max(each.seconds for each in lookups.replies) < SLOWEST_LOOKUP


def test_a_flood_of_bombs_is_refused_early(service: Service) -> None:
    """Of 120 bombs at once, some run out of time, others are refused; all with a problem."""
    with ThreadPoolExecutor(120) as threads:
        replies = list(
            threads.map(
                lambda number: send(
                    service.port, get(f"{COUNT} # flood {number}", 503, timeout="0.3")
                ),
                range(120),
            )
        )

    slugs = {problem_in(each)["type"].rpartition("/")[2] for each in replies}
    assert {each.status for each in replies} == {503}
    assert slugs == {"query-timeout", "overloaded"}
    assert all(each.headers["Retry-After"] for each in replies)
    assert send(service.port, get("ASK {} # after the flood", 200)).status == 200


def test_a_slow_reader_gets_the_whole_answer(service: Service) -> None:
    """Reading in small pieces with a small window changes nothing in what arrives."""
    request = get("SELECT * { ?s ?p ?o } LIMIT 1000", 200)
    expected = send(service.port, request).body
    received = b""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.settimeout(20)
        connection.connect((HOST, service.port))
        connection.sendall(
            f"GET {request.path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        )
        while piece := connection.recv(1000):
            received += piece

    assert received.partition(b"\r\n\r\n")[2] == expected


def test_a_query_whose_client_hangs_up_is_stopped(service: Service) -> None:
    """Its process is free before its time limit."""
    request = get(f"{COUNT} # hung up", 503, timeout=str(LONGEST))
    began = time.monotonic()
    with socket.create_connection((HOST, service.port)) as connection:
        connection.sendall(f"GET {request.path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert eventually(lambda: computes(service))

    assert eventually(lambda: not computes(service))
    assert time.monotonic() - began < LONGEST


def test_whoever_knows_the_id_of_a_query_can_stop_it(service: Service) -> None:
    """DELETE ends a query, and the one who waits for it is told; soon there is none of its id."""
    asked = get(f"{COUNT} # deleted", 503, timeout=str(LONGEST))._replace(
        headers={"X-Query-Id": "a-query.1"}
    )
    delete = at("/queries-running/a-query.1", 204, method="DELETE")
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(send, service.port, asked)
        assert eventually(lambda: send(service.port, delete).status == 204)
        reply = waiting.result()

    assert (reply.status, problem_in(reply)["type"].rpartition("/")[2]) == (503, "query-stopped")
    assert reply.headers["X-Query-Id"] == "a-query.1"
    assert "Retry-After" not in reply.headers
    assert reply.seconds < LONGEST
    assert eventually(lambda: send(service.port, delete).status == 404)
    assert problem_in(send(service.port, delete))["type"].endswith("/not-found")


def test_stopping_one_query_stops_no_other_that_is_equal(service: Service) -> None:
    """Those who ask the same at the same time go on waiting for its answer."""
    asked = get(f"{COUNT} # shared", 503, timeout="2")
    with ThreadPoolExecutor(3) as threads:
        named = asked._replace(headers={"X-Query-Id": "a-query.2"})
        stopped = threads.submit(send, service.port, named)
        assert eventually(lambda: computes(service))
        others = [threads.submit(send, service.port, asked) for _ in range(2)]
        assert eventually(
            lambda: send(service.port, at("/queries-running/a-query.2", 204, method="DELETE"))
        )
        slugs = [
            problem_in(each.result())["type"].rpartition("/")[2] for each in (stopped, *others)
        ]

    assert slugs == ["query-stopped", "query-timeout", "query-timeout"]


def test_answers_are_whole_or_errors_while_processes_are_killed(service: Service) -> None:
    """Under load, kill -9 of query processes, loader and workers costs answers, never parts of them."""
    rows = "SELECT ?s ?p ?o { ?s ?p ?o } LIMIT 1000"
    expected = send(service.port, get(rows, 200)).body
    stop = threading.Event()

    def ask(client: int) -> list[Reply]:
        replies: list[Reply] = []
        for number in itertools.count():
            if stop.is_set():
                return replies
            with suppress(OSError, http.client.HTTPException):
                replies.append(send(service.port, get(f"{rows} # {client} {number}", 200)))
        raise AssertionError

    with ThreadPoolExecutor(3) as threads:
        clients = [threads.submit(ask, client) for client in range(3)]
        try:
            for process in sorted(descendants(service.process.pid), reverse=True):
                with suppress(ProcessLookupError):  # it ended with another
                    os.kill(process, signal.SIGKILL)
                assert eventually(lambda: answers(service.port))
        finally:
            stop.set()
        replies = [reply for client in clients for reply in client.result()]

    assert service.process.poll() is None
    assert {reply.body for reply in replies if reply.status == 200} == {expected}
    assert {reply.status for reply in replies} <= {200, 503}
    assert all(problem_in(reply) for reply in replies if reply.status == 503)


def computes(service: Service) -> bool:
    """Tell whether a query process of a service is using a processor."""
    loaders = [
        each
        for each in descendants(service.process.pid)
        if b"kg.engine.isolated.fork_server" in command_of(each)
    ]
    query_processes = {each for fork_server in loaders for each in descendants(fork_server)}
    return any(state_of(each) == "R" for each in query_processes)


def state_of(process: int) -> str:
    """Return the state of a process, R when it is running; empty if it has ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def answers(port: int) -> bool:
    """Tell whether a question is answered."""
    try:
        return send(port, get("SELECT (1 AS ?x) { ?s ?p ?o } LIMIT 1", 200)).status == 200
    except (OSError, http.client.HTTPException):
        return False


@pytest.mark.parametrize(
    ("number", "code"),
    [
        pytest.param(signal.SIGTERM, 0, marks=pytest.mark.long),
        (signal.SIGKILL, -signal.SIGKILL),
    ],
)
def test_no_process_is_left(number: signal.Signals, code: int, tmp_path: Path) -> None:
    """However the service ends, and though bombs are running, all its processes end with it."""
    data = tmp_path / "some.nt"
    data.write_text("".join(f"<urn:{n}> <urn:p> <urn:{n}> .\n" for n in range(5000)))
    with running("--data", str(data)) as started, ThreadPoolExecutor(2) as threads:
        bombs = [threads.submit(send, started.port, BOMBS["asked for ever"]) for _ in range(2)]
        assert eventually(lambda: answers(started.port))
        family = descendants(started.process.pid)
        assert len(family) > 4
        started.process.send_signal(number)

        assert started.process.wait(60) == code
        assert eventually(lambda: not any(command_of(each) for each in family))
        assert eventually(lambda: not listens(started.port))
        for bomb in bombs:
            assert bomb.exception() is not None or bomb.result().status == 503
