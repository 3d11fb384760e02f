"""SERVICE asks allowed endpoints and nobody else, and means what a join with their data would."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from rdflib import Literal, URIRef

from kg.engine import (
    Answer,
    BindingError,
    EngineError,
    FederationRefused,
    Overloaded,
    Query,
    QueryError,
    QueryStopped,
    QuerySyntaxError,
    QueryTimeout,
    ServiceFailed,
    ServiceTimedOut,
    UnsupportedFunction,
)
from kg.engine.endpoint_client import Endpoint, is_public
from kg.engine.federated.engine import FederatedEngine, Policy
from kg.engine.isolated import sandbox
from kg.engine.isolated.engine import IsolatedEngine, Limits
from kg.engine.oxigraph.engine import InProcessEngine

HERE, THERE = "http://e/here", "http://e/there"
LOCAL = """
<http://e/a> <http://e/is> <http://e/Thing> <GRAPH> .
<http://e/b> <http://e/is> <http://e/Thing> <GRAPH> .
<http://e/b> <http://e/near> <http://e/a> <GRAPH> .
<http://e/c> <http://e/knows> <http://e/b> <GRAPH> .
""".replace("GRAPH", HERE)
REMOTE = r"""
<http://e/a> <http://e/label> "Größe \"a\"\nfrom now, \\now service"@de-AT <GRAPH> .
<http://e/a> <http://e/label> "photo service"@en <GRAPH> .
<http://e/a> <http://e/size> "7"^^<http://www.w3.org/2001/XMLSchema#integer> <GRAPH> .
<http://e/b> <http://e/size> "2.5"^^<http://www.w3.org/2001/XMLSchema#decimal> <GRAPH> .
<http://e/b> <http://e/since> "2001-02-03"^^<http://www.w3.org/2001/XMLSchema#date> <GRAPH> .
<http://e/b> <http://e/label> "" <GRAPH> .
<http://e/Customer.Service> <http://e/label> "service"^^<http://e/from> <GRAPH> .
<http://e/d> <http://e/size> "7"^^<http://www.w3.org/2001/XMLSchema#integer> <GRAPH> .
""".replace("GRAPH", THERE)
ROW = {"s": {"type": "uri", "value": "http://e/a"}}


def document(*rows: object, names: object = ("s",)) -> bytes:
    """Write solutions in SPARQL JSON."""
    return json.dumps({"head": {"vars": names}, "results": {"bindings": rows}}).encode()


def reply(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """Write a response."""
    fields = "".join(f"{each}\r\n" for each in (*headers, f"Content-Length: {len(body)}"))
    return f"HTTP/1.1 {status}\r\n{fields}\r\n".encode() + body


def nested(levels: int) -> bytes:
    """Write a solution with a triple in a triple in a triple."""
    inner = json.dumps(ROW["s"])
    outer = f'{{"type":"triple","value":{{"subject":{inner},"predicate":{inner},"object":'
    return document({"s": 0}).replace(b" 0", f"{outer * levels}{inner}{'}}' * levels}".encode())


FAILURES = {
    "/moved": (reply(b"", "Location: /sparql", status="302 Found"), "redirection"),
    "/same": (reply(document(ROW), "Location: /sparql", status="307 x"), "redirection"),
    "/error": (reply(document(ROW), status="500 x"), "status 500"),
    "/none": (reply(b"", status="204 x"), "status 204"),
    "/page": (reply(b"<!DOCTYPE html>"), "no legal answer"),
    "/empty": (reply(b""), "no legal answer"),
    "/ask": (reply(b'{"head": {}, "boolean": true}'), "no legal answer"),
    "/list": (reply(b"[]"), "no legal answer"),
    "/deep": (reply(b"[" * 90_000), "no legal answer"),
    "/nested": (reply(nested(500)), "no legal answer"),
    "/names": (reply(document(names=7)), "no legal answer"),
    "/unhashable": (reply(document(names=[[]])), "no legal answer"),
    "/rows": (reply(document(7)), "no legal answer"),
    "/object": (reply(b'{"head":{"vars":[]},"results":{"bindings":{}}}'), "no legal answer"),
    "/term": (reply(document({"s": "http://e/a"})), "no legal answer"),
    "/type": (reply(document({"s": {"type": "x", "value": "y"}})), "no legal answer"),
    "/value": (reply(document({"s": {"type": "literal", "value": 7}})), "no legal answer"),
    "/tag": (reply(document({"s": {**ROW["s"], "xml:lang": 7}})), "no legal answer"),
    "/datatype": (
        reply(document({"s": {"type": "literal", "value": "x", "datatype": 7}})),
        "no legal answer",
    ),
    "/relative": (reply(document({"s": {"type": "uri", "value": "a"}})), "no legal answer"),
    "/illegal": (reply(document({"s": {"type": "uri", "value": "http://e:f/"}})), "no legal"),
    "/injected": (
        reply(document({"s": {"type": "uri", "value": "http://e/> } } DROP ALL #"}})),
        "no legal answer",
    ),
    "/surrogate": (reply(document({"s": {"type": "literal", "value": "\ud800"}})), "no legal"),
    "/latin": (reply(b'{"head": "\xff"}'), "no legal answer"),
    "/zipped": (reply(document(ROW), "Content-Encoding: gzip"), "content coding"),
    "/short": (reply(document(ROW)).replace(b"Length: ", b"Length: 9"), "before it is complete"),
    "/cut": (reply(document(ROW))[:-20], "before it is complete"),
    "/large": (reply(document(*[ROW] * 5_000)), "more than"),
    "/unbound": (reply(document(*[{}] * 20_000)), "more than"),
    "/headers": (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 90 + b"C: " + b"d" * 70_000, "HTTP"),
    "/huge": (b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999999\r\n\r\n" + b" " * 120_000, "more"),
    "/bare": (b"hello", "HTTP"),
    "/nothing": (b"", "HTTP"),
}
"""What misbehaving endpoints give, and what is said of it."""


NOWHERE = f"http://{'x' * 64}.example/"
"""An endpoint whose host cannot exist, which is found out without asking a name server."""

OLD = document({"s": {"type": "typed-literal", "value": "7", "datatype": "http://e/t"}})
ODDITIES = {
    "/blank": reply(document(ROW, {"s": {"type": "bnode", "value": "b0"}})),
    "/more": reply(document({**ROW, "other": ROW["s"]}, names=["other", "s"])),
    "/old": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"5\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (OLD[:5], len(OLD) - 5, OLD[5:]),
}
"""What is no failure of the endpoint, but not as usual."""


class Remote:
    """A server on loopback with an endpoint and with what goes wrong, which notes who comes.

    Attributes:
        connections: how many connections were made.
        requests: method, path and body of each request.
        iri: the endpoint.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.connections = 0
        self.requests: list[tuple[str, str, str]] = []
        self.headers: dict[str, str] = {}
        self.waiting = threading.Event()
        self.released = threading.Event()
        self._data = InProcessEngine(REMOTE.encode(), version="remote")
        remote = self

        class Server(ThreadingHTTPServer):
            def verify_request(self, *_: object) -> bool:
                remote.connections += 1
                return True

            def handle_error(self, *_: object) -> None:
                """Stay silent when the client has gone."""

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(length).decode()
                remote.headers = dict(self.headers)
                remote.requests.append((self.command, self.path, body))
                remote.answer(self.path, body, self.wfile.write)

            do_POST = do_GET  # noqa: N815 - the name that the base class looks for

            def log_message(self, *_: object) -> None:
                """Stay silent."""

        self._server = Server(("127.0.0.1", 0), Handler)
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        self.root = f"http://127.0.0.1:{self.port}"
        self.iri = f"{self.root}/sparql"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, path: str, body: str, write: Callable[[bytes], object]) -> None:
        """Answer a request."""
        if path in FAILURES:
            write(FAILURES[path][0])
        elif path == "/drip":
            self._drip(write)
        elif path == "/hold":
            self.waiting.set()
            self.released.wait(60)
        elif path in ODDITIES:
            write(ODDITIES[path])
        else:
            try:
                write(reply(self._data.run(Query(body)).body))
            except EngineError as error:
                write(reply(str(error).encode(), status="400 x"))

    def _drip(self, write: Callable[[bytes], object]) -> None:
        """Send a byte of a header now and then, for as long as anyone listens."""
        write(b"HTTP/1.1 200 OK\r\nX: ")
        with contextlib.suppress(OSError):
            while not self.released.wait(0.02):
                write(b"x")

    def close(self) -> None:
        """Stop listening."""
        self.released.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def remote() -> Iterator[Remote]:
    """Yield the other endpoint."""
    server = Remote()
    yield server
    server.close()


@pytest.fixture(scope="module")
def local() -> InProcessEngine:
    """Return an engine over our part of the data."""
    return InProcessEngine(LOCAL.encode(), version="local")


@pytest.fixture(scope="module")
def engine(remote: Remote, local: InProcessEngine) -> FederatedEngine:
    """Return an engine that may ask the other endpoint, by exactly one IRI."""
    return FederatedEngine(local, Policy(private_allowed=(remote.iri,)))


@pytest.fixture(scope="module")
def reference() -> InProcessEngine:
    """Return an engine that has the data of both."""
    return InProcessEngine((LOCAL + REMOTE).encode(), version="both")


def rows(answer: Answer) -> tuple[list[str], list[str]]:
    """Return columns and rows, these in an order of their own."""
    parsed = json.loads(answer.body)
    return parsed["head"]["vars"], sorted(
        json.dumps(row, sort_keys=True) for row in parsed["results"]["bindings"]
    )


JOINS = {
    "join": "SELECT * { ?s e:is e:Thing SERVICE <REMOTE> { ?s e:size ?size } }",
    "service first": "SELECT * { SERVICE <REMOTE> { ?s e:size ?size } ?s e:is e:Thing }",
    "service alone": "SELECT * { SERVICE <REMOTE> { ?s ?p ?o } }",
    "optional": "SELECT * { ?s e:is e:Thing OPTIONAL { SERVICE <REMOTE> { ?s e:since ?since } } }",
    "optional inside": (
        "SELECT * { ?s e:is e:Thing SERVICE <REMOTE> { ?s e:size ?z OPTIONAL { ?s e:since ?d } } }"
    ),
    "union": (
        "SELECT * { { ?s e:knows ?o } UNION { SERVICE <REMOTE> { ?s e:size ?o FILTER(?o > 3) } } }"
    ),
    "filter outside": "SELECT ?s { SERVICE <REMOTE> { ?s e:size ?size } FILTER(?size < 5) }",
    "filter on language": (
        "SELECT * { ?s e:is ?t SERVICE <REMOTE> { ?s e:label ?l } FILTER(LANGMATCHES(LANG(?l), 'de')) }"
    ),
    "filter hidden from outside": (
        "SELECT * { ?s e:is ?t SERVICE <REMOTE> { ?s e:size ?z FILTER(!BOUND(?t)) } }"
    ),
    "aggregate inside": (
        "SELECT * { ?s e:is ?t SERVICE <REMOTE> { SELECT ?s (COUNT(*) AS ?n) "
        "{ ?s ?p ?hidden } GROUP BY ?s } }"
    ),
    "aggregate outside": (
        "SELECT ?t (SUM(?z) AS ?n) { ?s e:is ?t SERVICE <REMOTE> { ?s e:size ?z } } GROUP BY ?t"
    ),
    "subselect around": ("SELECT * { ?s e:is ?t { SELECT ?s { SERVICE <REMOTE> { ?s ?p ?z } } } }"),
    "several": (
        "SELECT * { SERVICE <REMOTE> { ?s e:size ?z } ?s e:near? ?o "
        "SERVICE <REMOTE> { ?o e:label ?l } SERVICE SILENT <REMOTE> { ?s e:since ?d } }"
    ),
    "minus": "SELECT * { ?s e:is ?t MINUS { SERVICE <REMOTE> { ?s e:since ?d } } }",
    "exists": "SELECT * { ?s e:is ?t FILTER EXISTS { SERVICE <REMOTE> { ?s e:since ?d } } }",
    "not exists": "SELECT * { ?s e:is ?t FILTER NOT EXISTS { SERVICE <REMOTE> { ?s e:since ?d } } }",
    "duplicates": "SELECT ?p { SERVICE <REMOTE> { ?s ?p ?o } }",
    "nothing to bind": "SELECT ?s { ?s e:is ?t SERVICE <REMOTE> { e:a e:label [] } }",
    "no solution": "SELECT * { ?s e:is ?t SERVICE <REMOTE> { ?s e:none ?o } }",
    "bind inside": "SELECT * { SERVICE <REMOTE> { ?s e:size ?z BIND(?z * 2 AS ?double) } }",
    "values inside": "SELECT * { SERVICE <REMOTE> { VALUES ?s { e:b UNDEF } ?s e:size ?z } }",
    "values outside": "SELECT * { VALUES ?z { 7 } SERVICE <REMOTE> { ?s e:size ?z } }",
    "in graph": "SELECT * { GRAPH ?g { ?s e:is ?t SERVICE <REMOTE> { ?s e:size ?z } } }",
    "words": (
        "SELECT * { ?x foaf:knows? ?y SERVICE <REMOTE> { ?s e:label ?from # SERVICE }\n"
        "FILTER(STR(?from) != 'SERVICE }') } } ORDER BY ?from LIMIT 100"
    ),
    "names": "SELECT * { SERVICE<REMOTE>{ e:Customer.Service e:label ?l } }",
    "named prefix": "SELECT * { SERVICE SILENT service:x { service: ?p ?l } }",
    "boolean": "ASK { ?s e:is ?t SERVICE <REMOTE> { ?s e:since ?d } }",
}
PROLOGUE = (
    "# BASE\nBASE <http://e/> PREFIX e: <http://e/>\nPREFIX foaf: <knows>"
    "PREFIX service: <http://e/Customer.Service> # PREFIX\n"
)


@pytest.mark.parametrize("text", JOINS.values(), ids=JOINS)
def test_service_is_a_join_with_what_the_endpoint_has(
    engine: FederatedEngine, reference: InProcessEngine, remote: Remote, text: str
) -> None:
    """The solutions are those of the same query over both data in one place."""
    prologue = PROLOGUE
    if "service:x" in text:
        prologue = PROLOGUE.replace("PREFIX foaf", f"PREFIX there: <{remote.root}/> PREFIX foaf")
    answer = engine.run(
        Query(prologue + text.replace("REMOTE", remote.iri).replace("service:x", "there:sparql"))
    )
    together = text.replace("SERVICE SILENT", "GRAPH").replace("SERVICE ", "GRAPH ")
    together = together.replace("SERVICE<", "GRAPH<").replace("service:x", f"<{THERE}>")
    expected = reference.run(
        Query(
            prologue + together.replace("REMOTE", THERE),
            default_graphs=(HERE,),
            named_graphs=(HERE, THERE),
        )
    )

    if text.startswith("ASK"):
        assert json.loads(answer.body) == json.loads(expected.body)
    else:
        assert rows(answer) == rows(expected)
    assert not answer.repeatable


def test_construct_is_federated_too(engine: FederatedEngine, remote: Remote) -> None:
    """A graph is made of the solutions of an endpoint."""
    text = f"CONSTRUCT {{ ?s <http://e/n> ?z }} {{ SERVICE <{remote.iri}> {{ ?s <http://e/since> ?z }} }}"

    assert b"2001-02-03" in engine.run(Query(text)).body


def test_values_are_bound_in_what_is_sent(engine: FederatedEngine, remote: Remote) -> None:
    """A bound variable stands for its value inside the clause and as the name of the endpoint."""
    text = "SELECT ?s ?size { ?s a|<http://e/is> ?t SERVICE ?where { ?s <http://e/size> ?size } }"
    bindings = {"s": URIRef("http://e/a"), "where": URIRef(remote.iri)}
    answer = engine.run(Query(text, bindings))

    assert [row["size"]["value"] for row in json.loads(answer.body)["results"]["bindings"]] == ["7"]
    assert "?s " not in remote.requests[-1][2]
    with pytest.raises(BindingError):
        engine.run(Query(text, {**bindings, "where": Literal(remote.iri)}))
    with pytest.raises(FederationRefused, match=r"\?where"):
        engine.run(Query(text, {"s": URIRef("http://e/a")}))


def test_what_is_sent_is_a_query_for_the_group(engine: FederatedEngine, remote: Remote) -> None:
    """The request is a direct POST for SPARQL JSON, without anything personal."""
    text = f"PREFIX e: <t/>\nSELECT * {{ SERVICE <{remote.iri}> {{ ?s e:x 'é', <u> }} }}"
    engine.run(Query(text, base_iri="http://base.example/"))
    method, path, body = remote.requests[-1]

    assert (method, path) == ("POST", "/sparql")
    assert " ".join(body.split()) == (
        "BASE <http://base.example/> PREFIX e: <t/> SELECT * WHERE { ?s e:x 'é', <u> }"
    )
    assert remote.headers == {
        "Host": f"127.0.0.1:{remote.port}",
        "User-Agent": "kg",
        "Content-Type": "application/sparql-query",
        "Content-Length": str(len(body.encode())),
        "Accept": "application/sparql-results+json",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }


def test_no_name_is_sent_that_could_be_taken_for_service(
    engine: FederatedEngine, remote: Remote
) -> None:
    """Names with the letters of SERVICE are written so that a parser without a lexer has no choice."""
    text = f"SELECT * {{ SERVICE <{remote.iri}> {{ SERVICE:a\\/b ?p _:SERVICE, <Service> }} }}"
    engine.run(Query(f"BASE <http://e/> PREFIX SERVICE: <#> {text}"))

    sent = remote.requests[-1][2].partition("WHERE")[2]
    assert " ".join(sent.split()) == "{ <#a/b> ?p _:S-RVICE, <Service> }"


def test_a_query_without_service_goes_straight_through(engine: FederatedEngine) -> None:
    """What asks nobody is answered by the engine behind as it is, and stays repeatable."""
    answer = engine.run(Query("SELECT ?s { ?s ?p 'SERVICE' } # SERVICE"))

    assert answer.repeatable
    assert answer.version == engine.version == "local"
    assert engine.contents.triples == 4
    with pytest.raises(QuerySyntaxError):
        engine.run(Query("ASK {"))


def test_functions_of_the_endpoint_are_its_own_business(
    engine: FederatedEngine, remote: Remote
) -> None:
    """A function that is unknown here is sent to the endpoint, but not called here."""
    with pytest.raises(ServiceFailed, match="status 400"):
        engine.run(Query(f"SELECT * {{ SERVICE <{remote.iri}> {{ FILTER(<http://e/f>()) }} }}"))
    with pytest.raises(UnsupportedFunction):
        engine.run(Query(f"SELECT * {{ FILTER(<http://e/f>()) SERVICE <{remote.iri}> {{}} }}"))


@pytest.fixture(scope="module")
def closed() -> str:
    """Return the IRI of an endpoint on a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/"


@pytest.fixture(scope="module")
def failing(remote: Remote, local: InProcessEngine, closed: str) -> FederatedEngine:
    """Return an engine that may ask whoever misbehaves."""
    paths = (*FAILURES, *ODDITIES)
    allowed = (*(remote.root + path for path in paths), closed, NOWHERE)
    return FederatedEngine(local, Policy(private_allowed=allowed, max_bytes=100_000, at_once=1))


@pytest.fixture(scope="module")
def hasty(remote: Remote, local: InProcessEngine) -> FederatedEngine:
    """Return an engine that may ask whoever is slow, but does not wait for long."""
    allowed = (f"{remote.root}/drip", f"{remote.root}/hold")
    return FederatedEngine(local, Policy(private_allowed=allowed, seconds=0.3))


@pytest.mark.parametrize("path", FAILURES)
def test_a_failing_endpoint_is_an_error_or_silent(
    failing: FederatedEngine, remote: Remote, path: str
) -> None:
    """What is no whole and legal answer is an error that names the endpoint; SILENT goes on."""
    pattern = f"<{remote.root}{path}> {{ ?s ?p ?o }} ?s <http://e/near> ?o }}"
    with pytest.raises(ServiceFailed, match=FAILURES[path][1]) as failure:
        failing.run(Query(f"SELECT ?s {{ SERVICE {pattern}"))
    silent = failing.run(Query(f"SELECT ?s {{ SERVICE SILENT {pattern}"))

    assert failure.value.endpoint == remote.root + path
    assert rows(silent)[1] == ['{"s": {"type": "uri", "value": "http://e/b"}}']
    assert all(path == asked for _, asked, _ in remote.requests[-2:])


def test_an_endpoint_out_of_reach_is_an_error_or_silent(
    failing: FederatedEngine, closed: str
) -> None:
    """A host that does not exist and a port that is closed are failures of the endpoint."""
    for endpoint in (closed, NOWHERE):
        with pytest.raises(ServiceFailed, match="cannot be asked"):
            failing.run(Query(f"ASK {{ SERVICE <{endpoint}> {{}} }}"))

        assert b"true" in failing.run(Query(f"ASK {{ SERVICE SILENT <{endpoint}> {{}} }}")).body


@pytest.mark.parametrize(("path", "limit"), [("/drip", None), ("/hold", 0.2)])
def test_an_endpoint_that_takes_too_long_is_left(
    hasty: FederatedEngine, remote: Remote, path: str, limit: float | None
) -> None:
    """The time is that of the whole exchange, however often a byte comes, and of the query."""
    query = Query(f"ASK {{ SERVICE <{remote.root}{path}> {{}} }}", seconds=limit)
    began = time.monotonic()
    with pytest.raises(ServiceTimedOut, match=path) as failure:
        hasty.run(query)

    assert failure.value.limit <= (limit or 0.3) <= time.monotonic() - began + 0.1


def test_silent_has_no_time_to_give(hasty: FederatedEngine, remote: Remote) -> None:
    """SILENT goes on after the time of endpoints, but not after that of the query."""
    query = Query(f"ASK {{ SERVICE SILENT <{remote.root}/drip> {{}} }}")

    assert b"true" in hasty.run(query).body
    with pytest.raises(QueryTimeout):
        hasty.run(replace(query, seconds=0.1))


def test_what_cannot_stand_in_a_query_is_refused(failing: FederatedEngine, remote: Remote) -> None:
    """Blank nodes have no name outside their answer, so they are an error, also with SILENT."""
    for silent in ("", "SILENT"):
        clause = f"SERVICE {silent} <{remote.root}/blank> {{ ?s ?p ?o }}"
        with pytest.raises(QueryError, match=r"blank node .* for \?s"):
            failing.run(Query(f"SELECT * {{ {clause} }}"))


def test_only_variables_of_the_clause_are_bound(failing: FederatedEngine, remote: Remote) -> None:
    """An endpoint cannot give values to variables that it was not asked for."""
    text = f"SELECT * {{ ?other <http://e/near> ?o SERVICE <{remote.root}/more> {{ ?s ?p ?q }} }}"
    (row,) = json.loads(failing.run(Query(text)).body)["results"]["bindings"]

    assert row["other"]["value"] == "http://e/b"


def test_only_variables_in_scope_are_bound(failing: FederatedEngine, remote: Remote) -> None:
    """Nor can it give values to variables that the clause keeps to itself."""
    clause = f"SERVICE <{remote.root}/more> {{ SELECT ?s {{ ?s ?p ?other }} }}"
    answer = failing.run(Query(f"SELECT * {{ {clause} }}"))

    assert json.loads(answer.body)["head"]["vars"] == ["s"]


def test_literals_in_the_manner_of_old_drafts_are_read(
    failing: FederatedEngine, remote: Remote
) -> None:
    """A typed literal under its old name is a literal; an answer may come in chunks."""
    text = f"SELECT * {{ SERVICE <{remote.root}/old> {{ ?s ?p ?o }} }}"
    (row,) = json.loads(failing.run(Query(text)).body)["results"]["bindings"]

    assert row["s"] == {"type": "literal", "value": "7", "datatype": "http://e/t"}


def test_few_queries_ask_at_once_and_waiting_can_be_stopped(
    local: InProcessEngine, remote: Remote
) -> None:
    """Whoever comes when all places are taken is refused at once; a stop frees a place at once."""
    engine = FederatedEngine(
        local, Policy(private_allowed=(f"{remote.root}/hold",), seconds=60, at_once=1)
    )
    query = Query(f"ASK {{ SERVICE SILENT <{remote.root}/hold> {{}} }}", names=("mine",))
    remote.waiting.clear()
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(engine.run, query)
        assert remote.waiting.wait(60)
        with pytest.raises(Overloaded):
            engine.run(query)
        assert not engine.stop("other")
        assert engine.stop("mine")

        assert isinstance(first.exception(timeout=60), QueryStopped)
    assert not engine.stop("mine")


REFUSED = {
    "variable": "SELECT * { VALUES ?x { <REMOTE> } SERVICE SILENT ?x { ?s ?p ?o } }",
    "assigned variable": "SELECT * { BIND(<REMOTE> AS ?x) SERVICE ?x { ?s ?p ?o } }",
    "nested": "SELECT * { SERVICE SILENT <REMOTE> { SERVICE SILENT <REMOTE> { ?s ?p ?o } } }",
    "nested deeply": (
        "SELECT * { SERVICE <REMOTE> { SELECT * { OPTIONAL { SERVICE <REMOTE> { ?s ?p ?o } } } } }"
    ),
    "in EXISTS inside": (
        "SELECT * { SERVICE <REMOTE> { ?s ?p ?o FILTER EXISTS { SERVICE <REMOTE> {} } } }"
    ),
    "too many": "SELECT * { " + "SERVICE <REMOTE> { ?s ?p ?o } " * 9 + "}",
    "too long": "SELECT * { SERVICE <REMOTE> { ?s ?p ?o } } #".ljust(70_000, "x"),
    "one of several": "SELECT * { SERVICE <REMOTE> {} SERVICE SILENT <REMOTE#> {} }",
    "not the keyword": "SELECT * { \u017fERVICE <REMOTE> {} }",
}
ILLEGAL = {
    "literal": "SELECT * { SERVICE '<REMOTE>' {} }",
    "no group": "SELECT * { SERVICE <REMOTE> }",
    "unclosed": "SELECT * { SERVICE <REMOTE> { ?s ?p ?o }",
    "escaped keyword": r"SELECT * { \u0053ERVICE <REMOTE> {} }",
    "glued": "SELECT * { SERVICESILENT<REMOTE>{ ?s ?p ?o } SERVICE <REMOTE> {} }",
    "glued inside": "SELECT * { SERVICE <REMOTE> { SERVICESILENT<REMOTE>{ ?s ?p ?o } } }",
    "name as keyword": "PREFIX : <x> SELECT * { SERVICE <REMOTE> { SERVICE:x { ?s ?p ?o } } }",
    "IRI as comparison": "SELECT * { SERVICE <REMOTE> { FILTER(1<2)SERVICE#>\n <REMOTE> {} } }",
    "string as comparison": "SELECT * { FILTER('b'<'> SERVICE <REMOTE> {} ') }",
    "keyword in a string": ("SELECT * { FILTER('b'<'''> SERVICE <REMOTE> {} ''' && 'c'='c') } #'"),
    "brace in a string": ("SELECT * { SERVICE <REMOTE> { FILTER('b'<'''> } ''' && 'c'='c') } } #'"),
    "update": "INSERT { ?s ?p ?o } WHERE { SERVICE <REMOTE> { ?s ?p ?o } }",
    "blank node across": "SELECT * { _:b ?p ?o SERVICE <REMOTE> { _:b ?p ?o } }",
    "escape in string": r"SELECT * { SERVICE <REMOTE> { ?s ?p '\u0027 . SERVICE <REMOTE> {} #' } }",
    "escape in what may be a string": (
        r"SELECT * { SERVICE <REMOTE> { FILTER('b'<'> \u0053ERVICE <REMOTE> {} ') } }"
    ),
    "escape in IRI": r"SELECT * { SERVICE <REMOTE> { ?s <http://e/\u0065> ?o } }",
    "escape in prefix": r"PREFIX e: <http\u003a//e/> SELECT * { SERVICE <REMOTE> { ?s ?p e:x } }",
}


@pytest.mark.parametrize("text", [*REFUSED.values(), *ILLEGAL.values()], ids=[*REFUSED, *ILLEGAL])
def test_what_is_not_allowed_or_not_legal_asks_nobody(
    engine: FederatedEngine, remote: Remote, text: str
) -> None:
    """An allowed endpoint is asked only in a legal query and an allowed way."""
    before = remote.connections
    with pytest.raises(QueryError) as failure:
        engine.run(Query(text.replace("REMOTE", remote.iri)))

    assert (failure.type is FederationRefused) == (text in REFUSED.values())
    assert remote.connections == before


def test_an_error_says_where(engine: FederatedEngine, remote: Remote) -> None:
    """Places are those of the text as it was written, whatever is bound in it."""
    text = f"SELECT * {{ ?s ?p ?o\n  SERVICE <{remote.iri}x> {{ ?s ?p ?o }}"
    with pytest.raises(QuerySyntaxError, match="line 1, column 10"):
        engine.run(Query(text))
    bindings = {"s": URIRef("http://e/" + "long" * 100)}
    with pytest.raises(FederationRefused, match=r"line 2, column 3: .*sparqlx.*; .*/sparql> is"):
        engine.run(Query(text + "}", bindings))
    nested = "ASK { ?s ?p ?o SERVICE <http://e/> { SERVICE ?x {} } }"
    with pytest.raises(FederationRefused, match="line 1, column 38: it is within another"):
        engine.run(Query(nested))


HOSTS = (
    *("localhost", "127.1", "2130706433", "0x7f000001", "017700000001", "0", "127.0.0.1."),
    *("[::ffff:127.0.0.1]", "[::1]", "%31%32%37.0.0.1", "127.0.0.1%00", "\uff11\uff12\uff17.0.0.1"),
    *("user@127.0.0.1", "user:word@127.0.0.1", "e.example@127.0.0.1", "@127.0.0.1", "127.0.0.1:80"),
)
PATHS = (
    *("", "SPARQL", "sparql/", "sparql?", "sparql#", "sparql?x=y", "./sparql", "x/../sparql", ".."),
    *("%73parql", "sparq%6C", "/sparql", "sparql%00", "sparql;x", r"\u0053parql", r"sparql\u0023"),
)
SCHEMES = ("HTTP", "Http", "https", "file", "ftp", "urn:x:http", "unix")


def variants(remote: Remote) -> list[str]:
    """Spell the endpoint otherwise, so that a lenient reader might take it for the same."""
    port = remote.port
    return [
        *(f"http://{host}:{port}/sparql" for host in HOSTS),
        *(f"{remote.root}/{path}" for path in PATHS),
        *(f"{scheme}://127.0.0.1:{port}/sparql" for scheme in SCHEMES),
        *(f"http://127.0.0.1:{shown}/sparql" for shown in (f"0{port}", f"+{port}", f"{port}0", "")),
        *("http://127.0.0.1/sparql", f"http:/127.0.0.1:{port}/sparql", f"//127.0.0.1:{port}/"),
    ]


KEYWORDS = ("SERVICE ", "service", "SeRvIcE # <REMOTE>\n", "SERVICE SILENT", "SERVICE\r\n")
SURROUNDINGS = (
    "SELECT * { CLAUSE }",
    "ASK { ?s ?p '#' . CLAUSE }",
    "ASK { ?s ?p '''\\'''' . CLAUSE }",
    "SELECT * { FILTER(1<<http://e/#>) CLAUSE }",
    "SELECT * { OPTIONAL { CLAUSE } }",
    "SELECT * { FILTER NOT EXISTS { CLAUSE } }",
    "SELECT (1 AS ?x) { { SELECT * { CLAUSE } } UNION { ?s ?p 'SERVICE <REMOTE> {}' } }",
    "DESCRIBE ?s { CLAUSE }",
)


@given(data=st.data(), keyword=st.sampled_from(KEYWORDS), around=st.sampled_from(SURROUNDINGS))
def test_no_other_spelling_is_the_allowed_endpoint(
    engine: FederatedEngine, remote: Remote, data: st.DataObject, keyword: str, around: str
) -> None:
    """Only the very IRI that is allowed is asked: for any other no connection is made."""
    iri = data.draw(st.sampled_from(variants(remote)))
    split = data.draw(st.integers(0, len(iri)))
    spellings = (
        ("", f"<{iri}>"),
        (f"PREFIX x: <{iri}> ", "x:"),
        (f"PREFIX : <{iri[:split]}> ", f":{iri[split:]}"),
        (f"BASE <{iri}> ", "<>"),
        (f"BASE <{iri}> BASE <{remote.iri}> PREFIX x: <{iri}> ", "x:"),
        ("BASE <http://e/> ", f"<{iri}>"),
    )
    prologue, target = data.draw(st.sampled_from(spellings))
    assume(target != "<>" or not iri.endswith(("#", r"\u0023")))  # a base has no fragment
    clause = f"{keyword}{target}{{ ?s ?p ?o }}"
    before = remote.connections
    text = prologue + around.replace("CLAUSE", clause)
    with pytest.raises(QueryError):
        engine.run(Query(text.replace("REMOTE", remote.iri)))

    assert remote.connections == before


LEGAL = (
    *("?s ?p ?o .", "?s ?p 'SERVICE <TRAP> {}' .", "<http://e/SERVICE> ?p ?o .", "FILTER(1<2)"),
    *("# SERVICE <TRAP> {}\n", "OPTIONAL { ?s ?p ?o }", "ex:SERVICE ?p ?o .", "SERVICE:x ?p ?o ."),
    *("_:SERVICE ?p ?o .", "?s ?p 'x'@SERVICE .", "FILTER('b'<'>')", "?SERVICE ?p ?o ."),
    *("?s ?p ''' } SERVICE <TRAP> { ''' .", "<http://e/#> ?p ex:a .", "SERVICE SILENT <REMOTE> {}"),
)
DOUBTFUL = (
    *(r"?s ?p '\u0027 . } \u0053ERVICE <TRAP> { ?s ?p \u0027' .", "FILTER('b'<'''> } ''' && 1=1)"),
    *(
        "FILTER(1<2)SERVICE#>\n <TRAP> {}",
        "SERVICE <TRAP> {}",
        "SERVICE t:trap {}",
        "SERVICE ?v {}",
    ),
    *(r"# \u000a SERVICE <TRAP> {}" + "\n", "SERVICE:x {}", "SERVICESILENT<TRAP>{}", "<", ">", "'"),
    *(
        "FILTER('b'<'''> SERVICE <TRAP> {} ''')",
        r"\u0053ERVICE <TRAP> {}",
        "}",
        "{",
        '"',
        "\\",
        "#",
    ),
)
PIECES = st.lists(st.sampled_from(LEGAL * 3 + DOUBTFUL), max_size=3)


@given(before=PIECES, inside=PIECES, after=PIECES)
def test_whatever_is_put_together_only_the_allowed_endpoint_is_asked(
    engine: FederatedEngine, remote: Remote, before: list[str], inside: list[str], after: list[str]
) -> None:
    """All that leaves are POSTs to the one IRI, of queries that ask nobody however they are read."""
    prologue = f"PREFIX t: <{remote.root}/> PREFIX ex: <http://e/> PREFIX SERVICE: <http://e/> "
    text = " ".join([*before, "SERVICE <REMOTE>{", *inside, "}", *after])
    seen = len(remote.requests)
    with contextlib.suppress(EngineError):
        text = text.replace("REMOTE", remote.iri).replace("TRAP", f"{remote.root}/trap")
        engine.run(Query(f"{prologue}SELECT * {{{text}\n}}"))

    for method, path, body in remote.requests[seen:]:
        assert (method, path) == ("POST", "/sparql")
        InProcessEngine(b"", version="empty").check(decoded(body))


def decoded(text: str) -> str:
    """Decode the escapes of a query as those do who decode before they parse."""
    return re.sub(r"\\u([0-9A-Fa-f]{4})", lambda found: chr(int(found[1], 16)), text)


ADDRESSES = {
    True: "8.8.8.8 93.184.216.34 2606:4700::1111 2a00:1450::1 64:ff9b::808:808 2002:808:808::1",
    False: (
        "127.0.0.1 127.255.0.9 0.0.0.0 0.1.2.3 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 "
        "169.254.169.254 100.64.0.1 192.0.2.1 198.18.0.1 198.51.100.7 203.0.113.7 224.0.0.1 "
        "239.255.255.250 240.0.0.1 255.255.255.255 "
        ":: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe "
        "64:ff9b:1::808:808 2002:7f00:1::1 2002:c0a8:101::1 2001:0:7f00:1::1 fc00::1 fd00:ec2::254 "
        "fe80::1 fec0::1 ff02::1 100::1 2001:db8::1 4000::1 e000::1"
    ),
}


@pytest.mark.parametrize("public", ADDRESSES)
def test_public_addresses_are_told_from_others(public: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Loopback, private, link-local, multicast, reserved and what stands for one of them is not."""
    for address in ADDRESSES[public].split():
        assert is_public(ipaddress.ip_address(address)) is public, address


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "0", "[::ffff:7f00:1]"],
)
def test_a_private_address_is_refused_unless_that_is_listed(
    local: InProcessEngine, remote: Remote, host: str
) -> None:
    """What resolves to this machine is asked only where just that is allowed; SILENT or not."""
    iri = f"http://{host}:{remote.port}/sparql"
    query = Query(f"ASK {{ SERVICE SILENT <{iri}> {{ ?s ?p ?o }} }}")
    before = remote.connections
    with pytest.raises(FederationRefused, match="private network"):
        FederatedEngine(local, Policy(allowed=(iri,))).run(query)
    assert remote.connections == before

    assert b"true" in FederatedEngine(local, Policy(private_allowed=(iri,))).run(query).body
    assert remote.connections == before + 1


def test_a_host_is_resolved_once_and_wholly_checked(
    local: InProcessEngine, remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One address that is not public is enough to refuse, and no second look-up can change it."""
    iri = f"http://rebinding.example:{remote.port}/sparql"
    asked: list[str] = []

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        addresses = ("127.0.0.1",) if len(asked) == 2 else ("8.8.8.8", "127.0.0.1")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    query = Query(f"ASK {{ SERVICE <{iri}> {{ ?s ?p ?o }} }}")
    before = remote.connections
    with pytest.raises(FederationRefused):
        FederatedEngine(local, Policy(allowed=(iri,))).run(query)
    assert (asked, remote.connections) == (["rebinding.example"], before)

    assert b"true" in FederatedEngine(local, Policy(private_allowed=(iri,))).run(query).body
    assert (asked[1:], remote.connections) == (["rebinding.example"], before + 1)


@pytest.mark.parametrize(
    "iri",
    [
        "ftp://e.example/",
        "http://user@e.example/",
        "http://user:word@e.example/",
        "http://e.example/#part",
        "http://e.example:0/",
        "http://e.example:65536/",
        "http://e.example/a b",
        "http://e.example/\r\nX: y",
        "http://\u00e9.example/",
        "http://",
        "HTTP://e.example/",
        "//e.example/",
        "http://e.example\\@f.example/",
        "",
    ],
)
def test_an_endpoint_has_a_plain_url(local: InProcessEngine, iri: str) -> None:
    """No policy holds an endpoint with a user, a fragment or what is no URL."""
    with pytest.raises(ValueError, match="endpoint"):
        FederatedEngine(local, Policy(allowed=(iri,)))


def test_what_an_endpoint_is_reached_by() -> None:
    """Port, host and path come from the IRI and nothing else."""
    plain = Endpoint.named("http://e.example?a=b")
    full = Endpoint.named("https://[2001:db8::1]:8443/a/b?c=d")

    assert (plain.authority, plain.port, plain.target) == ("e.example", 80, "/?a=b")
    assert (full.host, full.port, full.target) == ("2001:db8::1", 8443, "/a/b?c=d")
    assert full.authority == "[2001:db8::1]:8443"
    assert (plain.secure, full.secure) == (False, True)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no certificate can be made")
def test_certificates_are_checked(
    local: InProcessEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An endpoint by TLS needs a certificate for its name from an authority that is trusted."""
    certificate, key = str(tmp_path / "certificate"), str(tmp_path / "key")
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        f"-subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout {key} -out {certificate}"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with contextlib.closing(Remote(context)) as server:
        named, numbered = (
            f"https://{host}:{server.port}/sparql" for host in ("localhost", "127.0.0.1")
        )
        engine = FederatedEngine(local, Policy(private_allowed=(named, numbered)))
        with pytest.raises(ServiceFailed, match="certificate is not valid"):
            engine.run(Query(f"ASK {{ SERVICE <{named}> {{}} }}"))
        monkeypatch.setenv("SSL_CERT_FILE", certificate)

        assert b"true" in engine.run(Query(f"ASK {{ SERVICE <{named}> {{}} }}")).body
        with pytest.raises(ServiceFailed, match="certificate is not valid"):
            engine.run(Query(f"ASK {{ SERVICE <{numbered}> {{}} }}"))


@pytest.mark.skipif(sandbox.lacking() is not None, reason="this platform cannot isolate")
def test_federated_queries_are_isolated_like_others(remote: Remote) -> None:
    """What is left of a query runs in a query process, with its limits and without network."""
    isolated = IsolatedEngine(
        LOCAL.encode(), version="local", limits=Limits(seconds=2), processes=1
    )
    engine = FederatedEngine(isolated, Policy(private_allowed=(remote.iri,)))
    clause = f"SERVICE <{remote.iri}> {{ ?s <http://e/size> ?z }}"
    everything = " ".join(f"?a{n} ?b{n} ?c{n} ." for n in range(16))
    with contextlib.closing(engine):
        answer = engine.run(Query(f"SELECT * {{ ?s <http://e/is> ?t {clause} }}"))
        with pytest.raises(QueryTimeout):
            engine.run(Query(f"SELECT (COUNT(*) AS ?n) {{ {everything} {clause} }}"))
        with pytest.raises(FederationRefused):
            isolated.run(Query(f"ASK {{ {clause} }}"))

    assert len(rows(answer)[1]) == 2
