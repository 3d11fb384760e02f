"""Connections of HTTP/1.1, as a client sees them that writes the bytes itself."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO
from urllib.parse import urlencode, urlsplit

import pytest
from flask.testing import FlaskClient

import kg
from server import create_app
from tests.server.conftest import LIVE_SETTINGS

_PATH = "/sparql?query=ASK%7B%7D"
_HOST = b"Host: localhost\r\n"
_GET = f"GET {_PATH} HTTP/1.1\r\n".encode()
_POST = b"POST /sparql HTTP/1.1\r\nContent-Type: application/sparql-query\r\n" + _HOST
_CHUNKED = _POST + b"Transfer-Encoding: chunked\r\n\r\n"


@contextmanager
def connected(url: str) -> Iterator[tuple[socket.socket, BinaryIO]]:
    """Yield a connection to a service, and what comes over it."""
    parts = urlsplit(url)
    with (
        socket.create_connection((parts.hostname, parts.port), timeout=120) as connection,
        connection.makefile("rb") as received,
    ):
        yield connection, received


def response_in(received: BinaryIO, *, has_body: bool = True) -> tuple[int, dict[str, str], bytes]:
    """Read a response: its status, its headers by name in lower case, and its body."""
    status = int(received.readline().split(b" ")[1])
    headers = {}
    while (line := received.readline().decode().strip()) != "":
        name, _, value = line.partition(": ")
        headers[name.lower()] = value
    length = int(headers.get("content-length", "0"))
    return status, headers, received.read(length) if has_body else b""


def test_requests_that_come_together_are_answered_in_their_order(live_url: str) -> None:
    """Whether answers are at hand or have to be found out, and whatever method asks."""
    texts = [f"SELECT (1{number % 7} AS ?x) {{}}" for number in range(40)]
    lines = [f"GET /sparql?{urlencode({'query': text})} HTTP/1.1" for text in texts]
    with connected(live_url) as (connection, received):
        connection.sendall(b"".join(line.encode() + b"\r\n" + _HOST + b"\r\n" for line in lines))
        bodies = [response_in(received)[2] for _ in lines]

    values = [json.loads(body)["results"]["bindings"][0]["x"]["value"] for body in bodies]
    assert values == [f"1{number % 7}" for number in range(40)]


def test_a_head_has_no_body_and_the_next_response_follows(live_url: str) -> None:
    """HEAD declares the length of what GET gives, and sends nothing of it."""
    with connected(live_url) as (connection, received):
        for _ in range(2):
            connection.sendall(
                _GET.replace(b"GET", b"HEAD") + _HOST + b"\r\n" + _GET + _HOST + b"\r\n"
            )
            _, of_head, _ = response_in(received, has_body=False)
            status, of_get, body = response_in(received)

            assert status == 200
            assert of_head["content-length"] == of_get["content-length"] == str(len(body))
            assert of_get["date"].endswith(" GMT")


def test_a_body_may_come_in_chunks(live_url: str) -> None:
    """Its length need not be known before."""
    with connected(live_url) as (connection, received):
        connection.sendall(_CHUNKED + b"3\r\nASK\r\n")
        connection.sendall(b"4\r\n { }\r\n0\r\n\r\n")

        assert response_in(received)[0] == 200


def test_a_body_may_come_in_many_chunks(live_url: str) -> None:
    """What is around them is not counted together."""
    text = b"ASK{}" + b" " * 40_000
    with connected(live_url) as (connection, received):
        connection.sendall(_CHUNKED + b"".join(b"1\r\n%c\r\n" % each for each in text))
        connection.sendall(b"0\r\n\r\n")

        assert response_in(received)[0] == 200


@pytest.mark.parametrize("framing", [b"Content-Length: 5\r\n\r\nASK{}", b"chunked"])
def test_a_body_is_read_whatever_the_request_would_upgrade_to(
    live_url: str, framing: bytes
) -> None:
    """It is no request of its own, also where it looks like one; the next request follows."""
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    if framing == b"chunked":
        framing = b"Transfer-Encoding: chunked\r\n\r\n3\r\nASK\r\n2\r\n{}\r\n0\r\n\r\n"
    inner = b"GET /sparql?query=oops HTTP/1.1\r\n" + _HOST + b"\r\n"
    with connected(live_url) as (connection, received):
        connection.sendall(_POST + upgrade + framing)
        assert response_in(received)[0] == 200
        connection.sendall(_POST + upgrade + b"Content-Length: %d\r\n\r\n" % len(inner) + inner)
        status, _, body = response_in(received)
        assert (status, json.loads(body)["type"].rpartition("/")[2]) == (400, "syntax-error")
        connection.sendall(_GET + _HOST + b"\r\n")
        assert response_in(received)[0] == 200


def test_what_follows_a_body_changes_nothing(live_url: str) -> None:
    """Fields after a body in chunks are no headers."""
    with connected(live_url) as (connection, received):
        connection.sendall(_CHUNKED + b"5\r\nASK{}\r\n0\r\n")
        connection.sendall(b"Accept: text/html\r\nX-Query-Id: late\r\n\r\n")
        status, headers, _ = response_in(received)

        assert (status, headers["content-type"]) == (200, "application/sparql-results+json")
        assert headers["x-query-id"] != "late"


def test_a_client_that_expects_to_be_told_to_continue_is_told(live_url: str) -> None:
    """It sends the body only then."""
    with connected(live_url) as (connection, received):
        connection.sendall(_POST + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert received.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert received.readline() == b"\r\n"
        connection.sendall(b"ASK{}")

        assert response_in(received)[0] == 200


@pytest.mark.parametrize(
    ("line", "headers", "kept"),
    [
        (_GET, b"", True),
        (_GET, b"Connection: close\r\n", False),
        (_GET.replace(b"1.1", b"1.0"), b"", False),
        (_GET.replace(b"1.1", b"1.0"), b"Connection: keep-alive\r\n", True),
        (_GET, b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n", True),
    ],
    ids=["1.1", "1.1 closing", "1.0", "1.0 keeping", "upgrade"],
)
def test_a_connection_is_kept_where_both_can(
    live_url: str, line: bytes, headers: bytes, *, kept: bool
) -> None:
    """As the versions of HTTP have it; what is not offered is not upgraded to."""
    with connected(live_url) as (connection, received):
        connection.sendall(line + _HOST + headers + b"\r\n")
        status, fields, _ = response_in(received)

        assert status == 200
        assert (fields.get("connection") == "close") != kept
        if kept:
            connection.sendall(_GET + _HOST + b"\r\n")
            assert response_in(received)[0] == 200
        else:
            assert received.read() == b""


@pytest.mark.parametrize(
    ("content", "status", "slug"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400, "malformed-request"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "malformed-request"),
        (b"GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed-request"),
        (b"GET / HTTP/1.1\r\n" + _HOST + b"A: 1\r\n" * 200 + b"\r\n", 431, "head-too-large"),
        (b"GET / HTTP/1.1\r\n" + _HOST + b"A: " + b"1" * 200_000, 431, "head-too-large"),
        (_GET + _HOST + b"A: " + b"1" * 140_000 + b"\r\n\r\n", 431, "head-too-large"),
        (_CHUNKED + b"5\r\nASK{}\r\n0\r\nA: " + b"1" * 200_000, 431, "head-too-large"),
        (_CHUNKED + b"5\r\nASK{}\r\n0\r\n" + b"A: 1\r\n" * 40_000, 431, "head-too-large"),
        (_CHUNKED + b"5;" + b"1" * 200_000, 431, "head-too-large"),
        (b"BREW / HTTP/1.1\r\n" + _HOST + b"\r\n", 501, "unknown-method"),
    ],
    ids=[
        *("no host", "two hosts", "no path", "many headers", "long header", "long whole header"),
        *("long trailer", "many trailers", "long extension of a chunk", "method"),
    ],
)
def test_what_cannot_be_read_is_a_problem_and_the_end(
    live_url: str, content: bytes, status: int, slug: str
) -> None:
    """The problem says what is wrong, and the connection is closed, as nobody knows what follows."""
    with connected(live_url) as (connection, received):
        connection.sendall(content)
        given, headers, body = response_in(received)

        assert (given, headers["connection"]) == (status, "close")
        assert json.loads(body)["type"].endswith(f"/{slug}")
        assert received.read() == b""


_PLAIN = {
    "select": "SELECT ?p ?o { <https://w3id.org/dermograph/ontology/CO2Laser> ?p ?o } ORDER BY ?p ?o",
    "ask": "ASK { ?s ?p ?o }",
    "construct": "CONSTRUCT { ?s <a:b> ?o } { ?s <http://www.w3.org/2000/01/rdf-schema#label> ?o } "
    "ORDER BY ?s ?o LIMIT 3",
    "volatile": "SELECT (ISBLANK(BNODE()) AS ?x) {}",
    "wrong": "SELECT ?x {",
    "function": "SELECT (<a:b>(1) AS ?x) {}",
    "graphs": "SELECT ?g (COUNT(*) AS ?n) { GRAPH ?g { ?s ?p ?o } } GROUP BY ?g ORDER BY ?g",
}
_OF_THE_MOMENT = {"server-timing", "x-query-id", "date", "age"}


@pytest.fixture(scope="module")
def same_app(graph: kg.KnowledgeGraph) -> FlaskClient:
    """Return a client of the app alone, with the settings of the service."""
    return create_app(LIVE_SETTINGS, graph).test_client()


@pytest.mark.parametrize("accept", ["*/*", "text/csv", "text/turtle", "text/html", "a"])
@pytest.mark.parametrize("name", _PLAIN)
def test_what_spares_the_app_is_what_the_app_says(
    live_url: str, same_app: FlaskClient, name: str, accept: str
) -> None:
    """The answer of the service is that of the app alone, in all but what tells of the moment."""
    address = urlsplit(live_url)
    path = "/sparql?" + urlencode({"query": f"{_PLAIN[name]} # {name} {accept}", "timeout": "9"})
    connection = http.client.HTTPConnection(address.netloc, timeout=120)
    connection.request("GET", path, headers={"Accept": accept, "X-Query-Id": "mine"})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    expected = same_app.get(
        path, base_url=live_url, headers={"Accept": accept, "X-Query-Id": "mine"}
    )

    assert response.status == expected.status_code
    assert body == expected.data
    given = {key.lower(): value for key, value in response.getheaders()}
    wanted = {key.lower(): value for key, value in expected.headers}
    assert given["x-query-id"] == "mine"
    assert {"queue", "run", "total"} <= set(given["server-timing"].replace(";", " ").split()) or (
        response.status != 200
    )
    assert without(given, _OF_THE_MOMENT) == without(wanted, _OF_THE_MOMENT)


def without(headers: dict[str, str], names: set[str]) -> dict[str, str]:
    """Return headers without some."""
    return {key: value for key, value in headers.items() if key not in names}


_ENDLESS = "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i . ?j ?k ?l }"


def answers_in(received: BinaryIO) -> list[int]:
    """Read all responses until the end, and give the statuses of those that are final."""
    statuses = []
    while line := received.readline():
        status = int(line.split(b" ")[1])
        headers = {}
        while field := received.readline().decode().strip():
            name, _, value = field.partition(": ")
            headers[name.lower()] = value
        received.read(int(headers.get("content-length", "0")))
        statuses += [] if status == 100 else [status]
    return statuses


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
@pytest.mark.parametrize("path", ["/", "/sparql?query=ASK%7B%7D", "/ontology/CO2Laser"])
def test_a_client_that_sends_no_more_gets_its_answers(
    live_url: str, path: str, version: bytes
) -> None:
    """Half-closing is no hanging up, and the connection is closed after the last answer."""
    line = b"GET %s HTTP/%s\r\nConnection: keep-alive\r\n" % (path.encode(), version)
    with connected(live_url) as (connection, received):
        connection.sendall((line + _HOST + b"\r\n") * 3)
        connection.shutdown(socket.SHUT_WR)

        assert answers_in(received) == [200] * 3


def test_a_client_that_sends_no_more_gets_an_answer_that_takes_time(live_url: str) -> None:
    """It is told meanwhile that it may go on waiting, as clients of HTTP/1.1 understand."""
    query = urlencode({"query": f"{_ENDLESS} # half-closed", "timeout": "2"})
    line = b"GET /sparql?%s HTTP/1.1\r\nConnection: close\r\n" % query.encode()
    with connected(live_url) as (connection, received):
        connection.sendall(line + _HOST + b"\r\n")
        connection.shutdown(socket.SHUT_WR)

        assert received.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert received.readline() == b"\r\n"
        assert answers_in(received) == [503]
