"""SERVICE over HTTP: who may be asked is a setting, and what goes wrong is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from flask.testing import FlaskClient
from rdflib import DCTERMS, Graph, Namespace, URIRef

import kg
from server import create_app

SD = Namespace("http://www.w3.org/ns/sparql-service-description#")
ENDPOINT = URIRef("http://localhost/sparql")
ROWS = (
    b'{"head":{"vars":["event"]},"results":{"bindings":['
    b'{"event":{"type":"uri","value":"https://w3id.org/dermograph/ontology/Erythema"}}]}}'
)
LABEL = "?event <http://www.w3.org/2000/01/rdf-schema#label> ?label"


@pytest.fixture(scope="module")
def other() -> Iterator[str]:
    """Yield the URL of a server with an endpoint, one that fails and one that never answers."""
    released = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if self.path == "/slow":
                released.wait(60)
            self.send_response(500 if self.path == "/broken" else 200)
            self.end_headers()
            self.wfile.write(ROWS)

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Stay silent when the client has gone."""

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        released.set()
        server.shutdown()


@pytest.fixture(scope="module")
def federated(graph: kg.KnowledgeGraph, other: str) -> FlaskClient:
    """Return a client of a service that asks other endpoints."""
    return _client(graph, other, seconds=30)


def _client(graph: kg.KnowledgeGraph, other: str, seconds: float) -> FlaskClient:
    listed = {
        "SERVICE_ALLOWED": f"{other}/public https://endpoint.example/sparql",
        "SERVICE_PRIVATE_ALLOWED": f"{other}/sparql {other}/broken {other}/slow",
        "SERVICE_SECONDS": seconds,
    }
    return create_app(listed, graph).test_client()


def test_an_allowed_endpoint_is_asked(federated: FlaskClient, other: str) -> None:
    """Its solutions are joined with ours, and the answer is kept by nobody."""
    query = f"SELECT ?label {{ SERVICE <{other}/sparql> {{ ?event ?p ?o }} {LABEL} }}"
    response = federated.get("/sparql", query_string={"query": query})
    page = federated.get("/sparql", query_string={"query": query, "format": "html"})

    assert "erythema" in response.text
    assert "erythema" in page.text
    assert response.headers["Cache-Control"] == page.headers["Cache-Control"] == "no-store"
    assert "ETag" not in response.headers


@pytest.mark.parametrize(
    ("clause", "status", "slug"),
    [
        ("SERVICE <OTHER/broken> {}", 502, "service-failed"),
        ("SERVICE SILENT <OTHER/> {}", 403, "federation-refused"),
        ("SERVICE SILENT <OTHER/public> {}", 403, "federation-refused"),
        ("SERVICE SILENT ?x {}", 403, "federation-refused"),
    ],
)
def test_what_goes_wrong_is_told(
    federated: FlaskClient, other: str, clause: str, status: int, slug: str
) -> None:
    """Failing endpoints are 502 and are named; what policy refuses is 403."""
    _told(federated, clause.replace("OTHER", other), status, slug)


def test_an_endpoint_that_does_not_answer_is_told(graph: kg.KnowledgeGraph, other: str) -> None:
    """Endpoints that take too long are 504 and are named."""
    hasty = _client(graph, other, seconds=0.2)

    _told(hasty, f"SERVICE <{other}/slow> {{}}", 504, "service-timeout")


def _told(client: FlaskClient, clause: str, status: int, slug: str) -> None:
    query = f"ASK {{ {clause} }}"
    response = client.get("/sparql", query_string={"query": query})
    problem = response.get_json()

    assert (response.status_code, problem["type"]) == (status, f"http://localhost/problems/{slug}")
    assert response.headers["Cache-Control"] == "no-store"
    if status != 403:
        assert problem["endpoint"] in query


def test_endpoints_are_described(federated: FlaskClient, client: FlaskClient, other: str) -> None:
    """The feature is stated and the endpoints are named where there are any, and only there."""
    for each, stated in ((federated, True), (client, False)):
        description = Graph().parse(data=each.get("/sparql").text, format="turtle")
        limits = str(description.value(ENDPOINT, DCTERMS.description))
        page = each.get("/sparql", headers={"Accept": "text/html"}).text

        assert ((ENDPOINT, SD.feature, SD.BasicFederatedQuery) in description) is stated
        assert (f"{other}/sparql" in limits) is stated
        assert (f"SERVICE to {other}/public, https://endpoint.example/sparql" in page) is stated
        assert ("no SERVICE" in page) is not stated
