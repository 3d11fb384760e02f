"""An endpoint as the engine: what it answers is found whole and legal, or is an error of its own kind."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest
from rdflib import Literal

from kg.engine import (
    CSV,
    NTRIPLES,
    EngineError,
    FederationRefused,
    FormatNotAvailable,
    Overloaded,
    Query,
    QueryError,
    QueryStopped,
    QuerySyntaxError,
    ResultKind,
    ResultTooLarge,
    UnsupportedFunction,
    UpstreamCutOff,
    UpstreamFailed,
    UpstreamMalformed,
    UpstreamTimedOut,
    UpstreamWrongType,
)
from kg.engine.dataset import Data, DefaultGraph
from kg.engine.endpoint_client import Endpoint, EndpointClient
from kg.engine.oxigraph.engine import InProcessEngine
from kg.engine.remote.engine import HEADERS, RemoteEngine
from kg.graph import KnowledgeGraph
from kg.releases.dataset_spec import DatasetSpec
from server import create_app
from tests.kg.engine.test_federated import nested
from tests.processes import eventually

QUADS = b"""
<http://e/a> <http://e/size> "7"^^<http://www.w3.org/2001/XMLSchema#integer> <http://e/g> .
<http://e/b> <http://e/size> "8"^^<http://www.w3.org/2001/XMLSchema#integer> <http://e/g> .
<http://e/c> <http://e/size> "9"^^<http://www.w3.org/2001/XMLSchema#integer> <http://e/apart> .
"""
JSON_TYPE, NT_TYPE = "application/sparql-results+json", "application/n-triples"
ROW = b'{"s":{"type":"uri","value":"http://e/a"}}'
ROWS = b'{"head":{"vars":["s"]},"results":{"bindings":[%b,%b]}}' % (ROW, ROW)
TRIPLES = b'<http://e/a> <http://e/b> "c" .\n' * 2
SELECT, CONSTRUCT = "SELECT ?s { ?s ?p ?o }", "CONSTRUCT WHERE { ?s ?p ?o }"


def reply(
    body: bytes, kind: str = JSON_TYPE, *, length: int | None = None, status: int = 200
) -> bytes:
    """Write a response."""
    size = len(body) if length is None else length
    head = f"HTTP/1.1 {status} x\r\nContent-Type: {kind}\r\nContent-Length: {size}\r\n\r\n"
    return head.encode() + body


def chunked(*pieces: bytes, kind: str = JSON_TYPE) -> bytes:
    """Write a response whose length is not known before its end, which is left out."""
    head = f"HTTP/1.1 200 x\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head.encode() + b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in pieces)


LIES: dict[str, tuple[str, bytes, type[UpstreamFailed]]] = {
    "cut in the middle of the body": (SELECT, reply(ROWS[:-40], length=len(ROWS)), UpstreamCutOff),
    "cut where rows end": (SELECT, reply(ROWS[:-3], length=len(ROWS)), UpstreamCutOff),
    "cut where a piece ends": (SELECT, chunked(ROWS[:-40]), UpstreamCutOff),
    "cut before the last piece": (SELECT, chunked(ROWS), UpstreamCutOff),
    "graph cut between triples": (CONSTRUCT, reply(TRIPLES, NT_TYPE, length=90), UpstreamCutOff),
    "graph without an end": (
        CONSTRUCT,
        b"HTTP/1.1 200 x\r\nContent-Type: application/n-triples\r\n\r\n" + TRIPLES,
        UpstreamCutOff,
    ),
    "error after rows": (SELECT, reply(ROWS[:-3] + b"\nERROR: out of memory"), UpstreamMalformed),
    "error after the end": (SELECT, reply(ROWS + b"\nERROR"), UpstreamMalformed),
    "error after a boolean": ("ASK {}", reply(b'{"head":{},"boolean":true}x'), UpstreamMalformed),
    "error after triples": (CONSTRUCT, reply(TRIPLES + b"ERROR", NT_TYPE), UpstreamMalformed),
    "boolean for rows": (SELECT, reply(b'{"head":{},"boolean":true}'), UpstreamMalformed),
    # at which parsers end the process
    "rows that nest": (SELECT, reply(nested(30_000)), UpstreamMalformed),
    "triples that nest": (
        CONSTRUCT,
        reply(
            b"<s:> <p:> " + b"<<( <s:> <p:> " * 50_000 + b"<o:>" + b" )>>" * 50_000 + b" .\n",
            NT_TYPE,
        ),
        UpstreamMalformed,
    ),
    "page": (SELECT, reply(b"<!DOCTYPE html>", "text/html"), UpstreamWrongType),
    "rows as XML": (
        SELECT,
        reply(b"<sparql/>", "application/sparql-results+xml"),
        UpstreamWrongType,
    ),
    "rows for a graph": (CONSTRUCT, reply(ROWS), UpstreamWrongType),
    "graph for rows": (SELECT, reply(TRIPLES, NT_TYPE), UpstreamWrongType),
    "error": (SELECT, reply(ROWS, status=500), UpstreamFailed),
    "redirection": (SELECT, reply(b"", status=302), UpstreamFailed),
    "no HTTP": (SELECT, b"hello", UpstreamFailed),
    "nothing": (SELECT, b"", UpstreamFailed),
    "silence": (SELECT, b"...", UpstreamTimedOut),
    "silence in the body": (SELECT, reply(ROWS[:-40], length=len(ROWS)) + b"...", UpstreamTimedOut),
}
"""What a lying endpoint answers to a query, three dots being silence, and what that is."""


class Upstream:
    """An endpoint on loopback, which may be told to lie.

    Attributes:
        lie: what it answers; None: the truth.
        connections: how many were made.
        forms: what was sent, with the headers.
        hung_up: set when a client has gone that was kept waiting.
    """

    def __init__(self) -> None:
        self.lie: bytes | None = None
        self.connections = 0
        self.forms: list[tuple[dict[str, list[str]], dict[str, str]]] = []
        self.waiting = threading.Event()
        self.hung_up = threading.Event()
        self._engine = InProcessEngine(QUADS, version="upstream")
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                upstream.forms.append((form, dict(self.headers)))
                lie = upstream.lie
                self.close_connection = lie is not None
                said = upstream.truth(form) if lie is None else lie
                self.wfile.write(said.removesuffix(b"..."))
                if said.endswith(b"..."):
                    upstream.waiting.set()
                    self.rfile.read(1)  # which ends when the client goes
                    upstream.hung_up.set()

            def log_message(self, *_: object) -> None:
                """Stay silent."""

        class Server(ThreadingHTTPServer):
            def verify_request(self, *_: object) -> bool:
                upstream.connections += 1
                return True

            def handle_error(self, *_: object) -> None:
                """Stay silent when the client has gone."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.iri = f"http://127.0.0.1:{self._server.server_port}/sparql"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def truth(self, form: dict[str, list[str]]) -> bytes:
        """Answer a form."""
        graphs = (form.get("default-graph-uri"), form.get("named-graph-uri"))
        default, named = (None if each is None else tuple(each) for each in graphs)
        kinds = {**Query("").formats, ResultKind.GRAPH: NTRIPLES}
        query = Query(form["query"][0], default_graphs=default, named_graphs=named, formats=kinds)
        try:
            answer = self._engine.run(query)
        except EngineError as error:
            return reply(str(error).encode(), "text/plain", status=400)
        return reply(answer.body, answer.format.media_type)

    def engine(
        self,
        *,
        most: int = 4,
        headers: tuple[str, ...] = (),
        data: Data | None = None,
        seconds: float = 30.0,
        sending: float = 30.0,
    ) -> RemoteEngine:
        """Return this as an engine."""
        fixed = (*HEADERS, *headers)
        client = EndpointClient(Endpoint.named(self.iri, private=True), fixed, most, 5.0, sending)
        held = data or Data(apart=("http://e/apart",))
        judge = InProcessEngine(Data(default_graph=held.default_graph))
        return RemoteEngine(client, judge, held, {"e": "http://e/"}, (seconds, 60))

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """Yield an endpoint."""
    server = Upstream()
    yield server
    server.close()


Connect = Callable[..., RemoteEngine]


@pytest.fixture
def connect(upstream: Upstream) -> Iterator[Connect]:
    """Yield what returns the endpoint as an engine that has counted its data, and closes it."""
    made: list[RemoteEngine] = []

    def connected(**options: object) -> RemoteEngine:
        made.append(upstream.engine(**options))  # type: ignore[arg-type]
        assert made[-1].version
        upstream.forms.clear()
        return made[-1]

    yield connected
    for engine in made:
        engine.close()


def subjects(engine: RemoteEngine, text: str = SELECT, **asked: object) -> list[str]:
    """Return the values of the first column of a query."""
    document = json.loads(engine.run(Query(text, **asked)).body)  # type: ignore[arg-type]
    first = document["head"]["vars"][0]
    return sorted(row[first]["value"] for row in document["results"]["bindings"])


@pytest.mark.parametrize(("text", "lie", "error"), LIES.values(), ids=LIES)
def test_a_lie_is_an_error_of_its_kind(
    connect: Connect, upstream: Upstream, text: str, lie: bytes, error: type[UpstreamFailed]
) -> None:
    """What is not whole and legal to its end is passed on in no part, and the next answer is right."""
    engine = connect(seconds=0.3, sending=0.3)
    upstream.lie = lie
    with pytest.raises(error, match=r"^The engine behind this service [a-z].*\.$") as failure:
        engine.run(Query(text, formats={**Query("").formats, ResultKind.SOLUTIONS: CSV}))
    upstream.lie = None

    assert type(failure.value) is error
    assert subjects(engine, seconds=30) == ["http://e/a", "http://e/b"]


STATUS = {
    UpstreamCutOff: 502,
    UpstreamMalformed: 502,
    UpstreamWrongType: 502,
    UpstreamTimedOut: 504,
}


@pytest.mark.parametrize(
    "name", ["cut in the middle of the body", "error after rows", "silence", "page"]
)
def test_lies_are_problems_of_the_service(connect: Connect, upstream: Upstream, name: str) -> None:
    """Clients get a problem document with 502 or 504, and none of what was sent until then."""
    text, lie, error = LIES[name]
    graph: KnowledgeGraph = DatasetSpec(Data()).over(connect(seconds=0.3))
    client = create_app({}, graph).test_client()
    upstream.lie = lie
    response = client.get("/sparql", query_string={"query": text})
    problem = response.get_json()
    slug = "upstream-timeout" if error is UpstreamTimedOut else "upstream-failed"

    assert (response.status_code, problem["type"]) == (
        STATUS[error],
        f"http://localhost/problems/{slug}",
    )
    assert response.headers["Cache-Control"] == "no-store"
    assert "http://e/a" not in response.text


def test_an_endpoint_out_of_reach_is_told(upstream: Upstream) -> None:
    """Nobody listens: the service that is started says so."""
    engine = upstream.engine()
    upstream.close()

    with pytest.raises(UpstreamFailed, match="cannot be asked: Connection refused"):
        _ = engine.contents


def test_an_endpoint_that_disregards_the_dataset_is_refused(upstream: Upstream) -> None:
    """It would answer from other graphs than are asked for, and nobody would know."""
    upstream.lie = reply(b'{"head":{"vars":["number"]},"results":{"bindings":[{"number":'
                         b'{"type":"literal","value":"3"}}]}}')  # fmt: skip
    engine = upstream.engine()
    with pytest.raises(UpstreamFailed, match="disregards the dataset"):
        _ = engine.contents
    engine.close()


def test_it_holds_what_the_endpoint_holds(connect: Connect) -> None:
    """The union is made of all graphs but those apart; the version is another at each start."""
    engine = connect()
    contents = engine.contents

    assert (contents.triples, dict(contents.graphs)) == (2, {"http://e/apart": 1, "http://e/g": 2})
    assert contents.apart == ("http://e/apart",)
    assert engine.run(Query("ASK {}")).version == engine.version != connect().version


def test_the_dataset_is_named_to_the_endpoint(connect: Connect, upstream: Upstream) -> None:
    """Endpoints differ in what their default graph is, so it is always said."""
    engine = connect()

    assert subjects(engine) == ["http://e/a", "http://e/b"]
    assert subjects(engine, "SELECT ?g { GRAPH ?g { <http://e/c> ?p ?o } }") == ["http://e/apart"]
    assert subjects(engine, default_graphs=("http://e/apart",)) == ["http://e/c"]
    assert subjects(engine, "SELECT ?s FROM <http://e/apart> { ?s ?p ?o }") == ["http://e/c"]
    sent = [(f.get("default-graph-uri"), f.get("named-graph-uri")) for f, _ in upstream.forms]
    assert sent == [
        (["http://e/g"], ["http://e/apart", "http://e/g"]),
        (["http://e/g"], ["http://e/apart", "http://e/g"]),
        (["http://e/apart"], None),
        (None, None),
    ]
    # The protocol cannot name no graph at all, so this is answered here.
    assert subjects(engine, default_graphs=(), named_graphs=()) == []
    assert len(upstream.forms) == 4


def test_a_strict_default_graph_is_that_of_the_endpoint(
    connect: Connect, upstream: Upstream
) -> None:
    """Nothing is said of the dataset then."""
    engine = connect(data=Data(default_graph=DefaultGraph.STRICT))
    engine.run(Query(SELECT))

    assert [list(form) for form, _ in upstream.forms] == [["query"]]
    assert engine.contents.default_graph is DefaultGraph.STRICT


def test_what_is_sent(connect: Connect, upstream: Upstream) -> None:
    """Values are bound and the base is declared in the text; the right to ask goes with each request."""
    engine = connect(headers=("Authorization: Bearer abc",))
    engine.run(Query("ASK { ?x <size> ?o }", bindings={"o": Literal(7)}, base_iri="http://e/"))
    form, headers = upstream.forms[-1]

    assert form["query"][0].split() == [
        *("BASE", "<http://e/>", "ASK", "{", "?x", "<size>"),
        *('"7"^^<http://www.w3.org/2001/XMLSchema#integer>', "}"),
    ]
    assert headers["Authorization"] == "Bearer abc"
    assert headers["Accept-Encoding"] == "identity"


REFUSED: dict[str, tuple[Query, type[EngineError]]] = {
    "syntax": (Query("SELECT * {"), QuerySyntaxError),
    "SERVICE": (Query("SELECT * { SERVICE <http://e/> {} }"), FederationRefused),
    "SERVICE SILENT": (Query("SELECT * { SERVICE SILENT <http://e/> {} }"), FederationRefused),
    "function": (Query("ASK { FILTER(<http://e/f>(1)) }"), UnsupportedFunction),
    "format": (Query("ASK {}", formats=dict.fromkeys(ResultKind, CSV)), FormatNotAvailable),
    "escape": (Query(r"ASK { FILTER('\u0027 } SERVICE <http://e/> {} #' = '') }"), QueryError),
    "long escape": (Query(r"ASK { FILTER('\U00000022' = '') }"), QueryError),
}


@pytest.mark.parametrize(("query", "error"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_is_not_sent(
    connect: Connect, upstream: Upstream, query: Query, error: type[EngineError]
) -> None:
    """Texts are judged here, so errors have their places, and nothing reaches others through it."""
    with pytest.raises(error):
        connect().run(query)

    assert upstream.forms == []


def test_letters_may_be_escaped(connect: Connect) -> None:
    """What reads alike before and after it is decoded is sent."""
    assert subjects(connect(), r"SELECT ?s { ?s <http://e/\u0073ize> 7 }") == ["http://e/a"]


def test_an_answer_is_written_anew_in_any_format(connect: Connect) -> None:
    """The endpoint is asked for what can be checked; limits are those of what is answered."""
    engine = connect()
    in_csv = Query(f"{SELECT} ORDER BY ?s", formats=dict.fromkeys(ResultKind, CSV))

    assert engine.run(in_csv).body == b"s\r\nhttp://e/a\r\nhttp://e/b\r\n"
    assert b"e:a e:size 7" in engine.run(Query(CONSTRUCT)).body
    with pytest.raises(ResultTooLarge):
        engine.run(Query(SELECT, max_bytes=30))


def test_connections_are_kept(connect: Connect, upstream: Upstream) -> None:
    """Questions one after the other take one connection; one that was closed is made anew."""
    engine = connect()
    for _ in range(3):
        engine.run(Query("ASK {}"))
    before = upstream.connections
    upstream.lie = reply(b'{"head":{},"boolean":true}')  # and closes the connection without a word
    engine.run(Query("ASK {}"))
    upstream.lie = None
    engine.run(Query("ASK {}"))

    assert (before, upstream.connections) == (1, 2)


def test_connections_are_bounded(connect: Connect, upstream: Upstream) -> None:
    """Whoever finds all of them in use waits no longer than a query may take."""
    engine = connect(most=1)
    upstream.lie = b"..."
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(engine.run, Query(SELECT, seconds=30, names=("first",)))
        assert upstream.waiting.wait(30)
        with pytest.raises(Overloaded):
            engine.run(Query(SELECT, seconds=0.1))
        assert eventually(lambda: engine.stop("first"))
        assert isinstance(first.exception(), QueryStopped)


def test_a_query_can_be_stopped(connect: Connect, upstream: Upstream) -> None:
    """The endpoint sees its client hang up, by which it can know."""
    engine = connect()
    upstream.lie = b"..."
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(engine.run, Query(SELECT, seconds=30, names=("mine",)))
        assert upstream.waiting.wait(30)
        assert engine.stop("mine")
        assert isinstance(asked.exception(), QueryStopped)

    assert upstream.hung_up.wait(30)
    assert not engine.stop("mine")


def test_many_may_ask(connect: Connect) -> None:
    """Each gets its own answer, with fewer connections than there are that ask."""
    engine = connect()
    texts = [f"SELECT (?o + {n} AS ?x) {{ <http://e/a> ?p ?o }}" for n in range(50)]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda text: subjects(engine, text, seconds=60), texts))

    assert found == [[str(7 + n)] for n in range(50)]


def test_a_connection_that_cannot_be_made_in_time_is_told() -> None:
    """The address is one that takes connections and says nothing, as behind a firewall."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        queued = []
        try:
            for _ in range(4):  # so that the queue is full, and further attempts are not answered
                queued.append(socket.socket())
                queued[-1].setblocking(False)
                queued[-1].connect_ex(full.getsockname())
            endpoint = Endpoint.named(f"http://127.0.0.1:{full.getsockname()[1]}/", private=True)
            client = EndpointClient(endpoint, (), 1, 0.2)
            engine = RemoteEngine(client, InProcessEngine(Data()), Data(), {}, (0.5, 0.5))
            with pytest.raises(UpstreamTimedOut):
                _ = engine.contents
        finally:
            for each in queued:
                each.close()
