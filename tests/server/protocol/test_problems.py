"""Every error is a problem document with its status, its type and what to do."""

from __future__ import annotations

import logging

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import DictLoader

import kg
from kg import engine
from kg.catalogue.canned_queries import ParameterError, UnknownQueryError
from kg.engine import Answer, Query
from kg.engine.dataset import Contents, DefaultGraph
from server import create_app
from server.app import prepare
from server.protocol import errors
from server.protocol.problems import PROBLEM_TYPES, problem_of

SUFFIXES = ["json", "srj", "srx", "csv", "tsv", "html"]
STATUSES = [
    (engine.QueryTimeout(1.5), 503, "query-timeout"),
    (engine.MemoryLimitExceeded(1 << 30), 503, "memory-limit"),
    (engine.QueryStopped("stopped"), 503, "query-stopped"),
    (engine.ServiceFailed("http://e/", "fails"), 502, "service-failed"),
    (engine.ServiceTimedOut("http://e/", 1.5), 504, "service-timeout"),
    (engine.UpstreamFailed("fails"), 502, "upstream-failed"),
    (engine.UpstreamCutOff("fails"), 502, "upstream-failed"),
    (engine.UpstreamMalformed("fails"), 502, "upstream-failed"),
    (engine.UpstreamWrongType("fails"), 502, "upstream-failed"),
    (engine.UpstreamTimedOut("fails"), 504, "upstream-timeout"),
    (engine.Overloaded("busy"), 503, "overloaded"),
    (engine.EngineUnavailable("starting"), 503, "overloaded"),
    (engine.ResultTooLarge(10), 403, "result-too-large"),
    (engine.FederationRefused("no"), 403, "federation-refused"),
    (engine.UnsupportedFunction("no"), 400, "unsupported-function"),
    (engine.FunctionMisused("urn:f", "no"), 400, "misused-function"),
    (engine.UpdateNotAllowed("no"), 400, "update-as-query"),
    (engine.BindingError("no"), 400, "unbindable-value"),
    (engine.QueryError("no"), 400, "query-refused"),
    (engine.EngineError("secret path"), 500, "engine-failure"),
    (engine.ErrorInText("no", line=1, column=2, excerpt="x"), 400, "query-refused"),
    (
        engine.EngineLimitation("no", line=1, column=2, excerpt="x", hint="do"),
        501,
        "engine-limitation",
    ),
    (engine.FormatNotAvailable(engine.ResultKind.BOOLEAN, ()), 406, "not-acceptable"),
    (ParameterError("x", "no", "do"), 400, "bad-parameter"),
    (UnknownQueryError("x", ["y"]), 404, "not-found"),
    (errors.ReadOnly(), 403, "read-only"),
    (errors.UnknownResource("no"), 404, "not-found"),
]


class Broken:
    """An engine that raises the same exception for every question."""

    version = "1"
    contents = Contents(0, {}, DefaultGraph.UNION)

    isolated = False

    def __init__(self, error: Exception) -> None:
        self.error = error

    def check(self, text: str) -> None:
        """Accept every text."""

    def stop(self, name: str) -> bool:  # noqa: ARG002 - the interface has it
        """Stop nothing."""
        return False

    def close(self) -> None:
        """Hold nothing."""

    def run(self, query: Query) -> Answer:  # noqa: ARG002 - the interface has it
        """Fail."""
        raise self.error


class Fused(Broken):
    """An engine that answers, until the error is set that it raises from then on."""

    def __init__(self, behind: engine.Engine) -> None:
        self.behind = behind
        self.version = behind.version
        self.contents = behind.contents
        self.error: Exception | None = None  # type: ignore[assignment]

    def run(self, query: Query) -> Answer:
        """Answer, or fail."""
        if self.error is not None:
            raise self.error
        return self.behind.run(query)


def fused(graph: kg.KnowledgeGraph) -> tuple[Flask, Fused]:
    """Return a prepared service, and its engine, which can be made to fail."""
    fuse = Fused(graph.engine)
    over = kg.KnowledgeGraph(
        engine=fuse, catalogue=graph.catalogue, release=graph.release, nquads=b""
    )
    app = create_app({}, over)
    prepare(app)
    return app, fuse


def service_over(error: Exception | Broken, graph: kg.KnowledgeGraph) -> Flask:
    """Return a service whose engine raises an error."""
    engine = error if isinstance(error, Broken) else Broken(error)
    broken = kg.KnowledgeGraph(engine=engine, catalogue=graph.catalogue, release="0", nquads=b"")
    return create_app({}, broken)


def test_who_asks_a_canned_query_is_not_told_to_rewrite_it(graph: kg.KnowledgeGraph) -> None:
    """One that ran too long, or took too much, is to be asked for less by its parameters."""
    for error in (engine.QueryTimeout(3), engine.MemoryLimitExceeded(9 << 20)):
        client = service_over(error, graph).test_client()

        answers = [
            client.get(f"/{path}").get_json()
            for path in ("queries/costs/answer", "sparql?query=ASK{}")
        ]
        assert "parameters" in answers[0]["hint"]
        assert answers[1]["hint"] == error.hint


@pytest.mark.parametrize(
    ("error", "status", "slug"),
    STATUSES,
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_every_error_has_its_status_and_type(
    graph: kg.KnowledgeGraph, error: Exception, status: int, slug: str
) -> None:
    """An exception in the engine reaches the client as the problem that the table says."""
    response = service_over(error, graph).test_client().get("/sparql?query=ASK{}")

    assert status == response.status_code
    assert response.content_type == "application/problem+json"
    assert f"http://localhost/problems/{slug}" == response.get_json()["type"]
    assert PROBLEM_TYPES[slug].title == response.get_json()["title"]
    assert status == response.get_json()["status"]
    assert ("Retry-After" in response.headers) == (status == 503 and slug != "query-stopped")


def test_every_exception_of_the_engine_is_a_problem() -> None:
    """No exception class of the interface is without a type of problem."""
    classes = [getattr(engine, name) for name in engine.__all__]
    made = {
        each: each.__new__(each)
        for each in classes
        if isinstance(each, type) and issubclass(each, engine.EngineError)
    }
    slugs = {engine.QuerySyntaxError: "syntax-error", engine.DataError: "engine-failure"}
    slugs |= {type(error): slug for error, _, slug in STATUSES}

    assert set(made) <= set(slugs)


def test_what_fails_inside_stays_inside(
    graph: kg.KnowledgeGraph, caplog: pytest.LogCaptureFixture
) -> None:
    """An unexpected exception is logged with its traceback; the client sees no internals."""
    client = service_over(RuntimeError("secret path"), graph).test_client()

    with caplog.at_level(logging.ERROR):
        response = client.get("/sparql?query=ASK{}")

    assert response.status_code == 500
    assert response.get_json()["type"].endswith("/problems/internal-error")
    assert "secret" not in response.text
    assert "secret path" in caplog.text
    assert response.headers["Access-Control-Allow-Origin"] == "*"


def test_the_message_of_a_failing_engine_stays_inside(graph: kg.KnowledgeGraph) -> None:
    """An error of the engine that is nobody's mistake tells no internals."""
    client = service_over(engine.EngineError("secret path"), graph).test_client()

    assert "secret" not in client.get("/sparql?query=ASK{}").text


@pytest.mark.parametrize("slug", PROBLEM_TYPES)
def test_every_type_of_problem_is_explained_at_its_address(client: FlaskClient, slug: str) -> None:
    """The type of a problem is an address that explains it, to people and programs."""
    page = client.get(f"/problems/{slug}", headers={"Accept": "text/html"})
    document = client.get(f"/problems/{slug}", headers={"Accept": "application/json"})

    assert 200 == page.status_code == document.status_code
    assert PROBLEM_TYPES[slug].title in page.text
    assert f"http://localhost/problems/{slug}" == document.get_json()["type"]
    assert PROBLEM_TYPES[slug].explanation == document.get_json()["explanation"]


def test_types_are_below_the_public_url(graph: kg.KnowledgeGraph) -> None:
    """Behind a proxy the types of problems are where clients reach the service."""
    client = create_app({"PUBLIC_URL": "https://dermograph.example/"}, graph).test_client()

    response = client.get("/nowhere")

    assert response.get_json()["type"] == "https://dermograph.example/problems/not-found"


def test_a_browser_sees_the_error_with_its_query(client: FlaskClient) -> None:
    """The page for an error has detail, place and hint, and the query to mend."""
    response = client.get(
        "/sparql?query=SELECT * { ?s dg:hasRisk ?o }", headers={"Accept": "text/html"}
    )

    assert response.status_code == 400
    assert "The prefix dg: is not declared." in response.text
    assert "Line 1, column 15" in response.text
    assert "SELECT * { ?s dg:hasRisk ?o }</textarea>" in response.text


def test_plain_text_tells_the_same(client: FlaskClient) -> None:
    """A client that reads only text sees detail, excerpt and hint."""
    response = client.get(
        "/sparql?query=SELECT * { ?s dg:hasRisk ?o }", headers={"Accept": "text/plain"}
    )

    assert response.text.startswith("400 The query is not legal SPARQL\nThe prefix dg: is not")
    assert "PREFIX dg:" in response.text


def test_nothing_from_the_request_is_markup(client: FlaskClient) -> None:
    """A query is shown as text, whatever it contains."""
    evil = "</textarea><script>alert(1)</script>"
    for address in (
        f"/sparql?query={evil}",
        f"/sparql?query=SELECT ('{evil}' AS ?x) {{}}",
        f"/sparql?query=ASK{{}}&{evil}=1",
        f"/queries/{evil}",
        f"/queries/lasers/answer?{evil}={evil}",
        f"/queries/why/answer?subject={evil}",
    ):
        page = client.get(address, headers={"Accept": "text/html"}).text

        assert "<script>alert" not in page


def test_what_http_itself_explains_has_no_type_of_its_own() -> None:
    """A status without a type of problem is `about:blank`, as RFC 9457 has it."""
    from werkzeug.exceptions import RequestTimeout

    problem = problem_of(RequestTimeout())

    assert (problem.slug, problem.status, problem.title) == (None, 408, "Request Timeout")


def test_an_unknown_query_is_404_with_near_names(client: FlaskClient) -> None:
    """A misspelt name is answered with names that resemble it."""
    response = client.get("/queries/laser/answer")

    assert response.status_code == 404
    assert "lasers" in response.get_json()["near"]


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("/serach", ["/search"]),
        ("/SEARCH", ["/search"]),
        ("/query", ["/queries"]),
        ("/query/care", ["/queries/care"]),
        ("/queries/care/", ["/queries/care"]),
        ("/queries/care/answr", ["/queries/care/answer"]),
        ("/queries/CARE", ["care"]),
        ("/queries/care/answer.xlsx", [f"/queries/care/answer.{each}" for each in SUFFIXES]),
        ("/problems/bad-paramter", ["/problems/bad-parameter"]),
        ("/procedures", []),
        ("/static/none.js", []),
    ],
)
def test_an_unknown_address_is_404_with_near_ones(
    client: FlaskClient, path: str, near: list[str]
) -> None:
    """As members and, on the page, as links; what is like none is looked for by its name."""
    problem = client.get(path).get_json()
    page = client.get(path, headers={"Accept": "text/html"}).text

    assert problem["status"] == 404
    assert problem["near"] == near
    assert "hint" in problem or near
    for each in near:
        assert f'href="{each if each[0] == "/" else f"/queries/{each}"}"' in page
    if path == "/procedures":
        assert "/search?q=procedures" in problem["hint"]


def test_the_formats_of_a_document_are_told_with_a_suffix_that_is_none(client: FlaskClient) -> None:
    """Beside what there is at the address without it."""
    problem = client.get("/ontology.xyz").get_json()

    assert problem["similar"][0]["id"].endswith("dermograph/ontology")
    assert "ttl" in problem["hint"]


FAILING = DictLoader({})
"""What finds no template, so that every page fails."""

PAGES = [
    *("/", "/sparql", "/sparql?query=ASK{}", "/queries", "/queries/lasers", "/sources"),
    *("/queries/lasers/answer", "/ontology/CO2Laser", "/id/claim/B0375", "/ontology"),
    *("/graph/ontology", "/mappings", "/problems/overloaded"),
]
PAGES_OF_ERRORS = [
    ("/sparql?query=oops", 400),
    ("/sparql?nothing=1", 400),
    ("/queries/lasers?format=none", 400),
    ("/queries/why/answer?subject=Nothing", 400),
    ("/queries/nowhere", 404),
    ("/ontology/Nowhere", 404),
    ("/nowhere", 404),
]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_that_fails_is_a_problem_document(graph: kg.KnowledgeGraph, path: str) -> None:
    """Where the page of the error fails too, the error is told without a page."""
    app = create_app({}, graph)
    app.jinja_env.loader = FAILING

    response = app.test_client().get(path, headers={"Accept": "text/html"})

    assert (response.status_code, response.mimetype) == (500, "application/problem+json")
    assert response.get_json()["type"].endswith("/problems/internal-error")


@pytest.mark.parametrize(("path", "status"), PAGES_OF_ERRORS)
def test_what_fails_in_the_page_of_an_error_does_not_hide_the_error(
    graph: kg.KnowledgeGraph, path: str, status: int
) -> None:
    """The status is that of the first error."""
    app = create_app({}, graph)
    app.jinja_env.loader = FAILING

    response = app.test_client().get(path, headers={"Accept": "text/html"})

    assert (response.status_code, response.mimetype) == (status, "application/problem+json")
    assert response.get_json()["status"] == status


@pytest.mark.parametrize("error", [engine.Overloaded("full"), RuntimeError("broken")])
@pytest.mark.parametrize("path", ["/", "/sparql", "/queries", "/queries/lasers", "/nowhere"])
def test_forms_and_errors_do_not_wait_for_the_queue(
    graph: kg.KnowledgeGraph, path: str, error: Exception
) -> None:
    """They are as they were when no further question is taken, and so is the description."""
    app, fuse = fused(graph)
    fuse.error = error
    expected = create_app({}, graph).test_client()

    for accept in ("text/html", "text/turtle", "application/json"):
        response = app.test_client().get(path, headers={"Accept": accept})
        wanted = expected.get(path, headers={"Accept": accept})
        assert (response.status, response.data) == (wanted.status, wanted.data)


@pytest.mark.parametrize("accept", ["text/html", "application/json", "text/plain"])
@pytest.mark.parametrize(
    "path", ["/sparql?query=ASK{}", "/queries/lasers/answer", "/ontology/CO2Laser", "/sources"]
)
def test_what_cannot_be_asked_now_is_to_be_asked_later(
    graph: kg.KnowledgeGraph, path: str, accept: str
) -> None:
    """When the queue is full, a browser gets a page that says so, others a problem document."""
    app, fuse = fused(graph)
    fuse.error = engine.Overloaded("full")

    accepted = {"Accept": f"{accept}, */*;q=0.1"}
    response = app.test_client().get(path, headers=accepted)

    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert response.mimetype == accept.replace("/json", "/problem+json")
    assert "full" in response.text
