"""The table of endpoints is true: a walk along it, through the door that clients take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlencode

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import kg
from kg.engine import ResultKind, Task, TaskEngine, TaskResult
from kg.engine.dataset import DefaultGraph
from kg.rdf import jsonld
from kg.releases.dataset_spec import DatasetSpec
from server import create_app
from server.operating.metrics import LABELS
from server.protocol.endpoints import ENDPOINTS, RESULTS
from server.protocol.problems import PROBLEM_TYPES
from tests.server.protocol.test_problems import STATUSES, Broken, service_over

METHODS: Final = ("GET", "HEAD", "POST", "QUERY", "PUT", "PATCH", "DELETE")
FORM: Final = "application/x-www-form-urlencoded"

# An address for each path of the table.
ADDRESSES: Final = {
    "/": "/",
    "/sparql": "/sparql",
    "/queries": "/queries",
    "/queries/<name>": "/queries/why",
    "/queries/<name>/answer": "/queries/lasers/answer",
    "/queries/<name>/answer.<suffix>": "/queries/lasers/answer.json",
    "/queries/<name>/answer.csv-metadata.json": "/queries/lasers/answer.csv-metadata.json",
    "/search": "/search",
    "/suggest": "/suggest",
    "/resolve": "/resolve",
    "/queries-running/<query_id>": "/queries-running/none",
    "/sources": "/sources",
    "/mappings": "/mappings",
    "/id/mappings": "/id/mappings",
    "/id/mappings.<suffix>": "/id/mappings.ttl",
    "/id/<path:name>": "/id/claim/B0375",
    "/ontology": "/ontology",
    "/ontology/": "/ontology/",
    "/ontology.<suffix>": "/ontology.nt",
    "/ontology/<path:name>": "/ontology/CO2Laser",
    "/graph/<path:name>": "/graph/mappings",
    "/function/<path:name>": "/function/convert",
    "/.well-known/genid/<path:name>": "/.well-known/genid/none",
    "/.well-known/void": "/.well-known/void",
    "/collections": "/collections",
    "/collections/<name>": "/collections/devices",
    "/collections/<name>.<suffix>": "/collections/devices.csv",
    "/.well-known/api-catalog": "/.well-known/api-catalog",
    "/context.jsonld": "/context.jsonld",
    "/context/<digest>.jsonld": f"/context/{jsonld.Context.published().digest}.jsonld",
    "/openapi.json": "/openapi.json",
    "/api": "/api",
    "/problems/<slug>": "/problems/syntax-error",
    "/health": "/health",
    "/ready": "/ready",
    "/metrics": "/metrics",
    "/static/<path:filename>": "/static/style.css",
}
NOTHING_THERE: Final = {"/queries-running/<query_id>", "/.well-known/genid/<path:name>"}
"""Paths at which there is nothing unless something runs, or was a blank node."""

ASKED: Final = {
    ResultKind.SOLUTIONS: "SELECT (1 AS ?n) {}",
    ResultKind.BOOLEAN: "ASK {}",
    ResultKind.GRAPH: "CONSTRUCT { ?s a ?o } { ?s a ?o } LIMIT 1",
}
PATHS: Final = [(name, path) for name, row in ENDPOINTS.items() for path in row.paths]
NAMED: Final = list(ENDPOINTS)
SPARQL: Final = "sparql.endpoint"


def addresses(name: str) -> Iterator[str]:
    """Yield an address for each path of an endpoint where there is something to get."""
    row = ENDPOINTS[name]
    there = [path for path in row.paths if path not in NOTHING_THERE and "GET" in row.methods]
    yield from (ADDRESSES[path] for path in there)


def slug_of(response: TestResponse) -> str:
    """Return the type of problem that a response tells; empty if it tells none."""
    if response.mimetype != "application/problem+json":
        return ""
    return str(response.get_json()["type"]).rpartition("/")[2]


def test_no_route_is_missing_from_the_table(app: Flask) -> None:
    """What the app answers is what the table lists, no more and no less."""
    routed = {(rule.endpoint, rule.rule) for rule in app.url_map.iter_rules()}

    assert routed == set(PATHS)
    assert set(ADDRESSES) == {path for _, path in PATHS}


@pytest.mark.parametrize(("name", "path"), PATHS)
def test_an_address_leads_to_its_endpoint(app: Flask, name: str, path: str) -> None:
    """Each address of this walk is one of the path that it is for."""
    method = ENDPOINTS[name].methods[0]

    rule, _ = app.url_map.bind("").match(ADDRESSES[path], method, return_rule=True)

    assert (rule.endpoint, rule.rule) == (name, path)


@pytest.mark.parametrize(("name", "path"), PATHS)
def test_the_methods_are_those_of_the_table(client: FlaskClient, name: str, path: str) -> None:
    """Each method of an endpoint is answered, each other is 405, and OPTIONS tells which are which."""
    listed = set(ENDPOINTS[name].methods)
    allowed = sorted(listed | {"OPTIONS"} | ({"HEAD"} if "GET" in listed else set()))
    body = urlencode({"query": "ASK {}"} if path == "/sparql" else {})
    for method in METHODS:
        response = client.open(
            ADDRESSES[path], method=method, data=body, content_type=FORM, buffered=True
        )
        if method in allowed:
            expected = 404 if path in NOTHING_THERE else 303 if path.endswith("void") else 200
            assert response.status_code == expected, method
        else:
            assert response.status_code == 405, method
            assert response.headers["Allow"] == ", ".join(allowed)

    options = client.options(ADDRESSES[path])

    assert options.status_code == 204
    assert options.headers["Allow"] == ", ".join(allowed)
    assert options.headers["Access-Control-Allow-Methods"] == ", ".join(allowed)


@pytest.mark.parametrize("name", NAMED)
def test_other_parameters_are_refused_or_ignored(client: FlaskClient, name: str) -> None:
    """A parameter that is not listed is refused with the list, unless the table says otherwise."""
    row = ENDPOINTS[name]
    for address in addresses(name):
        without = client.get(address, buffered=True)
        response = client.get(f"{address}?colour=red", buffered=True)
        if row.others in ("ignored", "fill the form"):
            assert response.status_code == without.status_code
            assert response.data == without.data or name == "operating.metrics"
            continue
        assert (response.status_code, slug_of(response)) == (400, "bad-parameter")
        problem = response.get_json()
        assert problem["parameter"] == "colour"
        if row.others == "refused":
            assert problem["allowed"] == sorted(row.parameters)


@pytest.mark.parametrize("name", [name for name, row in ENDPOINTS.items() if row.parameters])
def test_a_parameter_may_be_given_as_often_as_the_table_says(
    client: FlaskClient, name: str
) -> None:
    """What may be given once is refused when it is given twice."""
    address = next(addresses(name))
    needed = [("query", "ASK {}")] if "query" in ENDPOINTS[name].parameters else []
    values = {
        "query": "ASK {}",
        "default-graph-uri": "urn:x",
        "named-graph-uri": "urn:x",
        "version": "1.1",
        "timeout": "5",
        "key": "WARD2008",
        "q": "acne",
        "limit": "5",
        "kind": "procedure",
        "class": "dg:Procedure",
    }
    for parameter, meant in ENDPOINTS[name].parameters.items():
        value = values.get(parameter, "html")
        twice = [*(pair for pair in needed if pair[0] != parameter), *[(parameter, value)] * 2]
        if meant.type == "format":
            twice[-1] = (parameter, "json" if name != "mappings.table" else "sssom")
            twice[-1] = (parameter, "tsv") if name.startswith("mappings.terms") else twice[-1]
        response = client.get(f"{address}?{urlencode(twice)}")
        if meant.often == "any number":
            assert response.status_code == 200, parameter
        else:
            assert (response.status_code, slug_of(response)) == (400, "bad-parameter"), parameter
            assert response.get_json()["parameter"] == parameter
        if meant.often == "exactly once":
            missing = client.get(f"{address}?version=1.1").get_json()
            assert missing["detail"] == f"{parameter} is missing."


@pytest.mark.parametrize("name", NAMED)
def test_a_parameter_takes_the_values_that_the_table_lists(client: FlaskClient, name: str) -> None:
    """Where values are listed, each of them is taken, and no other."""
    for parameter, meant in ENDPOINTS[name].parameters.items():
        for value in meant.values:
            response = client.get(f"/sparql?{urlencode({'query': 'ASK {}', parameter: value})}")
            assert response.status_code == 200
        if meant.values or meant.type in ("IRI", "number"):
            wrong = client.get(f"/sparql?{urlencode({'query': 'ASK {}', parameter: 'x y'})}")
            assert wrong.get_json()["parameter"] == parameter


@pytest.mark.parametrize("name", NAMED)
def test_each_representation_is_given(client: FlaskClient, name: str) -> None:
    """Each is given to who accepts its media type, the first to who accepts everything."""
    row = ENDPOINTS[name]
    address = ADDRESSES[row.paths[0]]
    for offer in row.representations:
        wanted = offer.media_type if offer != row.representations[0] else "*/*"
        response = client.get(address, headers={"Accept": wanted})
        assert response.content_type == offer.content_type


@pytest.mark.parametrize("kind", list(ResultKind))
def test_each_representation_of_results_is_given(client: FlaskClient, kind: ResultKind) -> None:
    """So is each of the results of queries, by their kind."""
    assert [name for name, row in ENDPOINTS.items() if row.results] == ["sparql.endpoint"]
    address = f"/sparql?{urlencode({'query': ASKED[kind]})}"
    assert client.get(address).content_type == RESULTS[kind][0].content_type
    for offer in RESULTS[kind]:
        by_type = client.get(address, headers={"Accept": offer.media_type})
        by_name = client.get(f"{address}&format={offer.name}")
        assert by_type.content_type == by_name.content_type == offer.content_type


@pytest.mark.parametrize(("name", "path"), PATHS)
def test_what_is_said_to_be_available_is_what_there_is(
    client: FlaskClient, name: str, path: str
) -> None:
    """Who accepts nothing that there is, or names an unknown format, is told of all that there is."""
    if path in NOTHING_THERE or name == "static":
        return
    address, offers = ADDRESSES[path], ENDPOINTS[name].representations
    refused = client.get(address, headers={"Accept": "image/png"}, buffered=True)
    if refused.status_code == 406:
        media_types = refused.get_json()["available"]
        assert media_types == [offer.media_type for offer in offers]
        for each in media_types:
            assert client.get(address, headers={"Accept": each}, buffered=True).mimetype == each
            assert each in refused.get_json()["detail"]
    else:  # what has a suffix is in one format, some have no other, and probes are always answered
        assert refused.status_code in (200, 303)
        assert "Accept" not in refused.vary or "<suffix>" in path or path in ("/health", "/ready")
    if "format" in ENDPOINTS[name].parameters and "<suffix>" not in path and name != SPARQL:
        unknown = client.get(f"{address}?format=xlsx").get_json()["available"]
        assert len(set(unknown)) == len(unknown) == len(offers)
        for short, offer in zip(unknown, offers, strict=True):
            assert client.get(f"{address}?format={short}").mimetype == offer.media_type


@pytest.mark.parametrize("kind", list(ResultKind))
def test_what_is_said_to_be_available_is_what_a_query_gives(
    client: FlaskClient, kind: ResultKind
) -> None:
    """So it is for the results of queries, by their kind; names of formats are those of any kind."""
    address = f"/sparql?{urlencode({'query': ASKED[kind]})}"
    refused = client.get(address, headers={"Accept": "image/png"}).get_json()["available"]
    unknown = client.get(f"{address}&format=xlsx").get_json()["available"]

    assert refused == [offer.media_type for offer in RESULTS[kind]]
    assert len(set(unknown)) == len(unknown)
    assert {offer.name for offers in RESULTS.values() for offer in offers} == set(unknown)


@pytest.mark.parametrize("name", NAMED)
def test_what_is_kept_is_what_the_table_says(
    graph: kg.KnowledgeGraph, client: FlaskClient, name: str
) -> None:
    """The cache has the answer to the second of two equal requests where the table says so."""
    assert graph.version
    for address in addresses(name):
        client.get(address, buffered=True)
        again = client.get(address, buffered=True)
        is_hit = "cache;desc=hit" in again.headers["Server-Timing"]
        assert is_hit == ENDPOINTS[name].cached


def test_metrics_tell_each_endpoint_by_its_route() -> None:
    """The first segment of every path is a route of the metrics."""
    segments = {f"/{path.split('/')[1]}" for _, path in PATHS}

    assert {each for each in segments if "<" not in each} <= set(LABELS["route"])


# Problems


ELSEWHERE: Final = {
    "malformed-request",
    "unknown-method",
    "request-timeout",
    "head-too-large",
    "overloaded",
    "internal-error",
    "service-timeout",
}
"""What no short request meets: tests of connections, isolation, federation and errors provoke it."""

CLOSED: Final = "http://127.0.0.1:1/sparql"
"""An endpoint that queries may ask, and that nobody answers at."""

SMALL: Final = {
    "MAX_URL_BYTES": 2000,
    "MAX_BODY_BYTES": 500,
    "MAX_QUERY_BYTES": 400,
    "SERVICE_PRIVATE_ALLOWED": CLOSED,
}
OF_ENGINE: Final = {
    slug: error
    for error, _, slug in STATUSES
    if slug.startswith(("upstream", "query-t", "query-s", "memory", "engine-f"))
}
"""Errors that an engine may have with whatever it is asked."""

LIMITS: Final = ("query-timeout", "memory-limit", "query-stopped")

ASK_CLOSED: Final = f"SERVICE <{CLOSED}> {{ ?s ?p ?o }}"
QUERIES: Final = {
    "syntax-error": "SELECT",
    "engine-limitation": r'ASK { FILTER(REGEX("aa", "(a)\\1")) }',
    "update-as-query": "CLEAR ALL",
    "unsupported-function": "SELECT (<urn:f>(1) AS ?n) {}",
    "misused-function": "SELECT (<https://w3id.org/dermograph/function/convert>(1) AS ?n) {}",
    "query-refused": f"ASK {{ SERVICE <{CLOSED}> {{ ?s ?p 'caf\\u00E9' }} }}",
    "federation-refused": "ASK { SERVICE <urn:other> { ?s ?p ?o } }",
    "service-failed": f"ASK {{ {ASK_CLOSED} }}",
    "query-too-long": f"ASK {{}} #{'x' * 400}",
}
NOT_FOUND: Final = {
    "queries.query": "/queries/none",
    "queries.answer": "/queries/none/answer",
    "queries.csv_metadata": "/queries/none/answer.csv-metadata.json",
    "queries.collection": "/collections/none",
    "resources.context": "/context/none.jsonld",
    "running.stop": "/queries-running/none",
    "resources.resource": "/id/none",
    "problems.explanation": "/problems/none",
    "static": "/static/none",
}


@pytest.fixture(scope="module")
def small(graph: kg.KnowledgeGraph) -> FlaskClient:
    """Return a client of a service with small limits, but for results."""
    return create_app(SMALL, graph).test_client()


@pytest.fixture(scope="module")
def smallest(graph: kg.KnowledgeGraph) -> FlaskClient:
    """Return a client of a service that gives very little."""
    return create_app({"MAX_RESULT_BYTES": 20}, graph).test_client()


@pytest.fixture(scope="module")
def other() -> FlaskClient:
    """Return a client of a service without data."""
    spec = DatasetSpec.of_files([], DefaultGraph.UNION)
    return create_app({}, spec.over(spec.engine())).test_client()


class Crowded(Broken, TaskEngine):
    """An engine in whose processes no view is answered within the limits."""

    def call(self, task: Task) -> TaskResult | None:  # noqa: ARG002 - the interface has it
        """Fail."""
        raise self.error


@pytest.fixture(scope="module")
def failing(graph: kg.KnowledgeGraph) -> list[FlaskClient]:
    """Return clients of services whose engine fails, each in another way."""
    engines = [Broken(error) for slug, error in OF_ENGINE.items() if slug not in LIMITS]
    engines += [kind(OF_ENGINE[slug]) for slug in LIMITS for kind in (Broken, Crowded)]
    return [service_over(each, graph).test_client() for each in engines]


def of_any(client: FlaskClient, address: str, method: str) -> Iterator[TestResponse]:
    """Yield the answers to what is wrong with a request to whatever address."""
    yield client.open(address, method=method, headers={"Host": "a b"})
    yield client.open(address, method="PATCH")
    yield client.open(f"{address}?{'x' * 2000}", method=method)


def of_queries(client: FlaskClient) -> Iterator[TestResponse]:
    """Yield the answers to queries that are not answered."""
    for query in QUERIES.values():
        yield client.post("/sparql", data={"query": query})
    yield client.get("/sparql?query=ASK{}&default-graph-uri=http://[")
    yield client.post("/sparql", data={"query": "x" * 1000})
    yield client.post("/sparql", data="ASK {}", content_type="text/plain")
    yield client.post("/sparql", data={"update": "CLEAR ALL"})


def of_forms(client: FlaskClient, address: str) -> Iterator[TestResponse]:
    """Yield the answers to bodies that are no form, or too large a one."""
    yield client.post(address, data="ASK {}", content_type="application/sparql-query")
    yield client.post(address, data={"kind": "x" * 1000})


@pytest.mark.parametrize("name", NAMED)
def test_the_problems_of_an_endpoint_are_those_of_the_table(
    name: str,
    small: FlaskClient,
    smallest: FlaskClient,
    other: FlaskClient,
    failing: list[FlaskClient],
) -> None:
    """What goes wrong at an endpoint is a problem that the table names, and each named is met."""
    row = ENDPOINTS[name]
    method, address = row.methods[0], ADDRESSES[row.paths[0]]
    asked = address if name != "sparql.endpoint" else "/sparql?query=SELECT*{?s+?p+?o}"
    responses = [
        *of_any(small, address, method),
        small.open(address, method=method, headers={"Accept": "image/png"}, buffered=True),
        small.open(f"{address}?cursor=another.5", method=method, buffered=True),
        small.open(f"{address}?format=none", method=method, buffered=True),
        small.open(NOT_FOUND.get(name, address), method=method, buffered=True),
        smallest.open(asked, method=method, buffered=True),
        other.open(address, method=method, buffered=True),
        *(
            each.open(asked, method=method, headers={"Accept": accept}, buffered=True)
            for each in failing
            for accept in ("text/html;q=0.9, application/problem+json", "*/*")
        ),
        *(of_queries(small) if name == "sparql.endpoint" else ()),
        *(of_forms(small, address) if name != "sparql.endpoint" and "POST" in row.methods else ()),
    ]

    met = {slug_of(response) for response in responses} - {""}

    assert met == set(row.problems) - ELSEWHERE
    assert set(row.problems) <= set(PROBLEM_TYPES)
