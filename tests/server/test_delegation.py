"""Documents and pages are made in query processes, within the limits of queries."""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

import pytest
from flask import Flask

import kg
from kg.engine.isolated import sandbox
from server import create_app
from server.protocol.endpoints import ENDPOINTS
from tests.processes import eventually
from tests.server.conftest import Start

isolated = pytest.mark.skipif(sandbox.lacking() is not None, reason="this platform cannot isolate")

ROWS: Final = "SELECT * { ?s ?p ?o } LIMIT 20000"

MADE_ELSEWHERE: Final = {
    "a search": "/search?q=brown+spots",
    "suggestions": "/suggest?q=hyperpig",
    "what names mean": "/resolve?name=brown+spots&name=dg:hasRiskk&name=redness&name=scars",
    "the description of the API": "/openapi.json",
    "the same as a page": "/api",
    "a concept as a page": "/ontology/CO2Laser.html",
    "a concept as JSON-LD": "/ontology/CO2Laser.jsonld",
    "a concept as Turtle": "/ontology/CO2Laser.ttl",
    "a source as a page": "/id/source/WARD2008.html",
    "the ontology as a page": "/ontology.html",
    "the ontology as JSON-LD": "/ontology.jsonld",
    "the ontology": "/ontology?format=rdf",
    "the ontology with a slash": "/ontology/?format=rdf",
    "a graph as a page": "/graph/claims.html",
    "a graph as JSON-LD": "/graph/sources.jsonld",
    "a graph as N-Triples": "/graph/sources.nt",
    "all sources": "/sources",
    "all sources as a page": "/sources?format=html",
    "all sources as BibTeX": "/sources?format=bibtex",
    "the mappings as a page": "/mappings?format=html",
    "the mappings as a table": "/mappings",
    "the description of the mappings": "/id/mappings.html",
    "the mappings by their IRI": "/id/mappings",
    "the answer of a canned query": "/queries/why/answer?subject=dg:CO2Laser",
    "the answer of a canned query as a page": "/queries/why/answer?subject=dg:CO2Laser&format=html",
    "a collection": "/collections/claims",
    "a collection as CSV": "/collections/claims.csv",
    "its columns as CSV": "/queries/why/answer.csv-metadata.json?subject=dg:CO2Laser",
    "an answer as a page": "/sparql?" + urlencode({"query": ROWS, "format": "html"}),
    "names that are near": "/ontology/CO2Lazer",
    "a blank node that is not known": "/.well-known/genid/none",
    "a parameter that is near": "/queries/why/answer?subject=dg:CO2Lazer",
}
"""Addresses whose documents are made of answers of the engine."""


class Reply(NamedTuple):
    """A response."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def slug(self) -> str:
        """The type of problem that it is."""
        return str(json.loads(self.body)["type"]).rpartition("/")[2]


def get(port: int, path: str, *, method: str = "GET", **headers: str) -> Reply:
    """Ask for a path."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=700)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return Reply(response.status, response.headers, response.read())
    finally:
        connection.close()


class Service(NamedTuple):
    """A service in processes of its own."""

    process: int
    port: int


@pytest.fixture(scope="module")
def service(start: Start) -> Iterator[Service]:
    """Yield a service with time enough for everything."""
    with start(QUERY_SECONDS=600, MAX_QUERY_SECONDS=600) as (process, port):
        yield Service(process.pid, port)


@isolated
@pytest.mark.parametrize("path", MADE_ELSEWHERE.values(), ids=MADE_ELSEWHERE)
def test_a_document_is_the_same_wherever_it_is_made(
    service: Service, app: Flask, path: str
) -> None:
    """A query process answers what the app in one process answers, byte by byte."""
    made = get(service.port, path, Host="x.example", Accept="application/json;q=0.5, */*;q=0.1")
    expected = app.test_client().get(
        path, headers={"Host": "x.example", "Accept": "application/json;q=0.5, */*;q=0.1"}
    )

    assert (made.status, made.body) == (expected.status_code, expected.data)
    for name in ("Content-Type", "ETag", "Link", "Vary", "Cache-Control", "Content-Location"):
        assert made.headers[name] == expected.headers.get(name)
    assert "queue;dur=" in made.headers["Server-Timing"]


def test_what_is_made_elsewhere_is_what_the_table_says(app: Flask) -> None:
    """Each endpoint of the table that is delegated is tried above; pages of answers are besides."""
    adapter = app.url_map.bind("x.example")
    elsewhere = {adapter.match(path.partition("?")[0])[0] for path in MADE_ELSEWHERE.values()}
    delegated = {name for name, endpoint in ENDPOINTS.items() if endpoint.delegated}

    assert elsewhere == delegated | {"sparql.endpoint"}


def cpu_of(process: int) -> float:
    """Return how many seconds of CPU a process has used, with those of its children that ended."""
    return sum(map(int, stat_of(process)[11:15])) / os.sysconf("SC_CLK_TCK")


def stat_of(process: int) -> list[str]:
    """Return what the kernel says of a process, from its state on; nothing if it has ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def children_of(process: int) -> list[int]:
    """Return the processes that a process started."""
    return [
        int(child)
        for thread in Path(f"/proc/{process}/task").glob("*")
        for child in (thread / "children").read_text().split()
    ]


def fork_server_of(service: Service) -> int:
    """Return the process that query processes are forked from."""
    (fork_server,) = [
        child
        for child in children_of(service.process)
        if b"kg.engine.isolated.fork_server" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]
    return fork_server


def cpu_of_queries(service: Service) -> float:
    """Return how many seconds of CPU the query processes of a service have used."""
    fork_server = fork_server_of(service)
    return cpu_of(fork_server) + sum(map(cpu_of, children_of(fork_server)))


def cpu_of_http(service: Service) -> float:
    """Return how many seconds of CPU the processes that speak HTTP have used."""
    fork_server = fork_server_of(service)
    return sum(cpu_of(child) for child in children_of(service.process) if child != fork_server)


@isolated
@pytest.mark.parametrize(
    "path",
    [
        "/graph/claims.jsonld?format=",
        "/ontology.jsonld?format=",
        "/sparql?" + urlencode({"query": f"{ROWS} OFFSET 1", "format": "html"}),
    ],
)
def test_the_process_that_speaks_http_makes_no_documents(service: Service, path: str) -> None:
    """Making a large one takes no more than a small part of its time."""
    before = cpu_of_http(service), cpu_of_queries(service)

    reply = get(service.port, path)

    assert (reply.status, reply.body[: 0 if reply.status == 200 else None]) == (200, b"")
    here, elsewhere = cpu_of_http(service) - before[0], cpu_of_queries(service) - before[1]
    assert here < 0.3 * elsewhere


@isolated
def test_the_limit_of_time_holds_for_every_document(start: Start) -> None:
    """What is not made in time is a 503, whatever it is."""
    with start(QUERY_SECONDS=0.0002) as (_, port):
        for path in MADE_ELSEWHERE.values():
            reply = get(port, path)
            assert (path, reply.status) == (path, 503)
            assert reply.slug == "query-timeout"
        assert get(port, "/queries/why", Accept="text/html").status == 200


SMALL: Final = 1500
"""Bytes that no document of MADE_ELSEWHERE is within, but errors are."""


@isolated
@pytest.mark.long
def test_the_limit_of_bytes_holds_for_every_document(start: Start) -> None:
    """What is larger than answers may be is a 403 that says so, whatever it is."""
    with start(MAX_RESULT_BYTES=SMALL) as (_, port):
        _assert_refused(lambda path: get(port, path).body)


def test_the_limit_of_bytes_holds_in_one_process(graph: kg.KnowledgeGraph) -> None:
    """It holds where there are no query processes, too."""
    client = create_app({"MAX_RESULT_BYTES": SMALL}, graph).test_client()

    _assert_refused(lambda path: client.get(path).data)


def _assert_refused(body: Callable[[str], bytes]) -> None:
    found = [path for name, path in MADE_ELSEWHERE.items() if " near" not in name]
    for path in [each for each in found if "genid" not in each]:
        problem: Mapping[str, Any] = json.loads(body(path))
        slug = problem["type"].rpartition("/")[2]
        assert (path, slug, problem["limit"]) == (path, "result-too-large", SMALL)
        assert "ORDER BY, LIMIT and OFFSET" in problem["hint"]


@isolated
def test_a_document_whose_client_hangs_up_is_no_longer_made(service: Service) -> None:
    """Its process ends with a part of the work done."""
    before = cpu_of_queries(service)
    assert get(service.port, "/graph/inferred.jsonld?output=").status == 200
    whole = cpu_of_queries(service) - before
    before = cpu_of_queries(service)
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        address = "/graph/inferred.jsonld?output=&results="
        connection.sendall(f"GET {address} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert eventually(lambda: cpu_of_queries(service) > before + 0.1 * whole)

    assert eventually(lambda: not _computes(service))
    assert cpu_of_queries(service) - before < 0.7 * whole


def _computes(service: Service) -> bool:
    """Tell whether a query process is using a processor, or would if there were one."""
    return any(stat_of(child)[:1] == ["R"] for child in children_of(fork_server_of(service)))


@isolated
def test_a_document_can_be_stopped_by_the_id_of_its_request(service: Service) -> None:
    """DELETE ends it as it ends a query, and who waits for it is told."""
    address = "/graph/inferred.jsonld?format=&results="
    asked = {"X-Query-Id": "a-document"}
    stop = partial(get, service.port, "/queries-running/a-document", method="DELETE")
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(get, service.port, address, **asked)
        assert eventually(lambda: stop().status == 204)

    assert (waiting.result().status, waiting.result().slug) == (503, "query-stopped")
