"""Every response has the headers that browsers, caches and scripts rely on."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import kg
from server import create_app

Ask = Callable[..., TestResponse]

ADDRESSES = [
    "/",
    "/sparql",
    "/sparql?query=ASK{}",
    "/sparql?query=SELECT * {?s ?p ?o} LIMIT 3&format=html",
    "/queries",
    "/queries/lasers",
    "/queries/lasers/answer",
    "/problems/syntax-error",
    "/static/style.css",
]
ERRORS = ["/nowhere", "/sparql?query=oops", "/queries/nowhere", "/problems/nowhere"]


@pytest.mark.parametrize("address", [*ADDRESSES, *ERRORS, "/.well-known/void"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE"])
def test_every_response_is_readable_by_scripts_of_other_sites_and_is_not_sniffed(
    client: FlaskClient, graph: kg.KnowledgeGraph, address: str, method: str
) -> None:
    """CORS, security headers, the version of the data and an id stand on errors too."""
    response = client.open(address, method=method, buffered=True)

    assert response.headers["Access-Control-Allow-Origin"] == "*"
    exposed = response.headers["Access-Control-Expose-Headers"]
    assert {"ETag", "Retry-After", "X-Query-Id", "Dataset-Version"} <= set(exposed.split(", "))
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert graph.version == response.headers["Dataset-Version"]
    assert re.fullmatch(r"[0-9a-f]{32}", response.headers["X-Query-Id"])
    assert re.search(r"total;dur=\d+\.\d\d$", response.headers["Server-Timing"])


@pytest.mark.parametrize("address", [*ADDRESSES, *ERRORS, "/.well-known/void"])
def test_head_is_get_without_body(client: FlaskClient, address: str) -> None:
    """HEAD has status and headers of GET, Content-Length included, and no body."""
    got, head = client.get(address, buffered=True), client.head(address, buffered=True)

    assert head.data == b""
    assert got.status_code == head.status_code
    differing = {"Date", "X-Query-Id", "Server-Timing"}
    assert {name: value for name, value in got.headers if name not in differing} == {
        name: value for name, value in head.headers if name not in differing
    }


@pytest.mark.parametrize("address", ADDRESSES)
def test_options_tells_the_methods(client: FlaskClient, address: str) -> None:
    """OPTIONS is 204 with Allow, and grants a preflight what is possible."""
    response = client.options(
        address, headers={"Origin": "https://app.test", "Access-Control-Request-Method": "GET"}
    )

    assert (response.status_code, response.data) == (204, b"")
    assert {"GET", "HEAD", "OPTIONS"} <= set(response.headers["Allow"].split(", "))
    assert response.headers["Allow"] == response.headers["Access-Control-Allow-Methods"]
    allowed = response.headers["Access-Control-Allow-Headers"].split(", ")
    assert {"Content-Type", "Accept", "If-None-Match", "X-Query-Id"} <= set(allowed)
    assert response.headers["Access-Control-Max-Age"] == "86400"


def test_the_endpoint_allows_post_and_query(client: FlaskClient) -> None:
    """The methods of the protocol are those that OPTIONS tells."""
    allowed = client.options("/sparql").headers["Allow"]

    assert {"GET", "HEAD", "OPTIONS", "POST", "QUERY"} == set(allowed.split(", "))


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_method_that_is_not_possible_is_405_with_allow(client: FlaskClient, address: str) -> None:
    """PUT says which methods there are, in the same order after every start."""
    response = client.put(address)
    allowed = response.headers["Allow"].split(", ")

    assert response.status_code == 405
    assert {"GET", "HEAD", "OPTIONS"} <= set(allowed)
    assert allowed == sorted(allowed)


@pytest.mark.parametrize("address", [each for each in ADDRESSES if "static" not in each])
def test_what_the_client_has_is_not_sent_again(client: FlaskClient, address: str) -> None:
    """An unchanged answer is 304 with the headers that a cache needs, and no body."""
    first = client.get(address)

    again = client.get(address, headers={"If-None-Match": first.headers["ETag"]})

    assert re.fullmatch(r'"[0-9a-f]{32}"', first.headers["ETag"])
    assert (again.status_code, again.data) == (304, b"")
    for name in ("ETag", "Cache-Control", "Vary"):
        assert first.headers[name] == again.headers[name]


@pytest.mark.parametrize("condition", ['W/{}, "x"', '"x", {}', "*"])
def test_conditions_may_be_weak_or_several(ask: Ask, client: FlaskClient, condition: str) -> None:
    """If-None-Match compares weakly, takes a list, and `*` for anything that exists."""
    tag = ask("ASK {}").headers["ETag"]

    response = client.get(
        "/sparql?query=ASK+%7B%7D", headers={"If-None-Match": condition.format(tag)}
    )

    assert response.status_code == 304


def test_an_error_is_never_304(client: FlaskClient) -> None:
    """`If-None-Match: *` does not hide that there is nothing."""
    response = client.get("/sparql?query=oops", headers={"If-None-Match": "*"})

    assert response.status_code == 400


def test_the_entity_tag_tells_representations_and_queries_apart(ask: Ask) -> None:
    """Each query in each format has a tag of its own, the same for the same."""
    asked = [
        ask(query, accept=accept).headers["ETag"]
        for query in ("SELECT (1 AS ?n) {}", "SELECT (2 AS ?n) {}")
        for accept in ("text/csv", "application/json", "text/html")
    ]

    assert len(set(asked)) == 6
    assert asked[0] == ask("SELECT (1 AS ?n) {}", accept="text/csv").headers["ETag"]


def test_the_dataset_of_the_protocol_is_part_of_the_entity(ask: Ask) -> None:
    """The same query over other graphs has another tag."""
    default = ask("ASK {}", **{"default-graph-uri": "urn:x"}).headers["ETag"]
    named = ask("ASK {}", **{"named-graph-uri": "urn:x"}).headers["ETag"]

    assert len({default, named, ask("ASK {}").headers["ETag"]}) == 3


def test_the_same_request_gives_the_same_bytes(app: Flask, graph: kg.KnowledgeGraph) -> None:
    """Two services over one version answer and tag alike."""
    other = create_app({}, graph).test_client()
    for address in ADDRESSES:
        here, there = (each.get(address, buffered=True) for each in (app.test_client(), other))

        assert here.data == there.data
        assert here.headers["ETag"] == there.headers["ETag"]


@pytest.mark.parametrize("function", ["NOW()", "RAND()", "UUID()", "STRUUID()"])
def test_what_differs_from_time_to_time_is_not_stored(ask: Ask, function: str) -> None:
    """Answers of functions without a fixed value have no tag and are not cached."""
    response = ask(f"SELECT ({function} AS ?x) {{}}")

    assert response.headers["Cache-Control"] == "no-store"
    assert "ETag" not in response.headers


def test_answers_may_be_cached_and_errors_may_not(ask: Ask) -> None:
    """Cache-Control says so."""
    assert ask("ASK {}").headers["Cache-Control"].startswith("public, max-age=60")
    assert ask("oops").headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("given", ["a1-B2.c3_d4~e5:f6", "x" * 64])
def test_an_id_for_the_query_is_echoed(client: FlaskClient, given: str) -> None:
    """What the client sends as X-Query-Id comes back, on errors too."""
    for address in ("/sparql?query=ASK{}", "/nowhere"):
        response = client.get(address, headers={"X-Query-Id": given})

        assert given == response.headers["X-Query-Id"]


@pytest.mark.parametrize("given", ["x" * 65, "a b", "<script>", ""])
def test_an_illegal_id_is_replaced(client: FlaskClient, given: str) -> None:
    """What is no id is not echoed."""
    response = client.get("/", headers={"X-Query-Id": given})

    assert given != response.headers["X-Query-Id"]


def test_an_answer_says_how_long_it_is_and_took(ask: Ask) -> None:
    """Content-Length is exact, and Server-Timing says how long the query ran."""
    response = ask("SELECT * {?s ?p ?o} LIMIT 100")

    assert len(response.data) == int(response.headers["Content-Length"])
    assert re.search(r"run;dur=\d+\.\d\d, total;dur=", response.headers["Server-Timing"])


def test_the_time_of_a_page_is_told(client: FlaskClient) -> None:
    """Server-Timing says how long the app wrote at what is more than the engine's own output."""
    for address, accept in (
        ("/sparql?query=ASK{}", "text/html"),
        ("/id/claim/B0375.jsonld", "*/*"),
    ):
        response = client.get(address, headers={"Accept": accept})

        assert re.search(r"run;dur=.*serialise;dur=\d+\.\d\d", response.headers["Server-Timing"])


def test_nothing_in_a_page_comes_from_elsewhere(client: FlaskClient) -> None:
    """Pages load style and icon from this service, and run no script."""
    for address in ("/", "/sparql", "/queries", "/queries/lasers", "/queries/lasers/answer"):
        page = client.get(address, headers={"Accept": "text/html"}).text

        loaded = re.findall(r'<(?:img|script|iframe|link rel="(?:stylesheet|icon)")[^>]*>', page)
        for element in loaded:
            assert re.search(r'href="/static/|type="application/ld\+json"', element)


@pytest.mark.parametrize("host", ["a b", "x:y", "<script>", "a/b"])
def test_an_illegal_host_is_a_problem_of_the_client(client: FlaskClient, host: str) -> None:
    """A Host header that is none leads to a 400, not to a failure."""
    for address in ("/sparql", "/sparql?query=oops", "/nowhere", "/"):
        response = client.get(address, headers={"Host": host})

        assert 400 <= response.status_code < 500
        assert response.content_type == "application/problem+json"


def test_if_match_is_met_or_is_a_problem(client: FlaskClient) -> None:
    """A client that wants another entity than there is gets a problem that nobody keeps, else 200."""
    address = "/sparql?query=ASK{}"
    tag = client.get(address).headers["ETag"]

    for met in ("*", tag, f'"a", {tag}', ""):
        assert client.get(address, headers={"If-Match": met}).status_code == 200
    for unmet in ('"a"', f"W/{tag}", "W/"):
        response = client.get(address, headers={"If-Match": unmet})
        assert (response.status_code, response.mimetype) == (412, "application/problem+json")
        assert response.headers["Cache-Control"] == "no-store"
        assert response.get_json()["status"] == 412
