"""The SPARQL endpoint keeps to the SPARQL 1.1 Protocol."""

from __future__ import annotations

import io
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from rdflib import Graph
from werkzeug.test import TestResponse

import kg
from kg.rdf.namespaces import BASE, GRAPH, WIDER
from server import create_app

Ask = Callable[..., TestResponse]

FORM = "application/x-www-form-urlencoded"
DIRECT = "application/sparql-query"
UPDATE = "application/sparql-update"
SELECT = "SELECT (1 AS ?one) {}"


def test_query_by_get(ask: Ask) -> None:
    """A query in the URL is answered."""
    response = ask(SELECT)

    assert response.status_code == 200
    assert rows(response) == [{"one": "1"}]


@pytest.mark.parametrize("method", ["POST", "QUERY"])
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (FORM, urlencode({"query": SELECT})),
        (f"{FORM}; charset=UTF-8", urlencode({"query": SELECT})),
        (DIRECT, SELECT),
        (f"{DIRECT}; charset=utf-8", SELECT),
        (f"{DIRECT};version=1.1", SELECT),
        ("Application/SPARQL-Query", SELECT),
        ("APPLICATION/X-WWW-FORM-URLENCODED; Charset=UTF-8", urlencode({"query": SELECT})),
    ],
)
def test_query_in_the_body(client: FlaskClient, method: str, content_type: str, body: str) -> None:
    """A query in a form or as the body itself is answered, by POST and by QUERY."""
    response = client.open("/sparql", method=method, data=body, content_type=content_type)

    assert response.status_code == 200
    assert rows(response) == [{"one": "1"}]


def test_a_post_to_an_address_that_ends_in_a_question_mark_is_a_query(client: FlaskClient) -> None:
    """`POST /sparql?`, as rdflib sends it, is not taken for a request for the description."""
    response = client.post("/sparql?", data=SELECT, content_type=DIRECT)

    assert response.content_type == "application/sparql-results+json"


def test_parameters_are_decoded_once(ask: Ask, client: FlaskClient) -> None:
    """Plus and percent signs in a query arrive as they were meant, by GET and POST."""
    query = 'SELECT ("a+b %2B c" AS ?text) {}'

    by_post = client.post("/sparql", data={"query": query})

    assert [{"text": "a+b %2B c"}] == rows(ask(query)) == rows(by_post)


def test_text_that_is_not_ascii_arrives(ask: Ask, client: FlaskClient) -> None:
    """A query in UTF-8 is understood, percent-encoded or not."""
    query = 'SELECT ("λ=2940 nm 🔆" AS ?text) {}'

    direct = client.post("/sparql", data=query.encode(), content_type=DIRECT)

    assert [{"text": "λ=2940 nm 🔆"}] == rows(ask(query)) == rows(direct)


@pytest.mark.parametrize(
    ("request_line", "content_type", "body", "problem"),
    [
        ("GET /sparql?query=ASK{}&query=ASK{}", None, None, "400 bad-parameter"),
        ("GET /sparql?query=ASK{}&update=CLEAR ALL", None, None, "400 bad-parameter"),
        ("GET /sparql?update=CLEAR ALL", None, None, "400 bad-parameter"),
        ("GET /sparql?default-graph-uri=urn:g", None, None, "400 bad-parameter"),
        ("GET /sparql?query=ASK{}&colour=red", None, None, "400 bad-parameter"),
        ("GET /sparql?query=ASK{}&format=banana", None, None, "400 bad-parameter"),
        ("GET /sparql?query=ASK{}&format=json&format=xml", None, None, "400 bad-parameter"),
        ("GET /sparql?query=ASK{}&version=2.0", None, None, "400 bad-parameter"),
        ("GET /sparql?query=ASK{}&default-graph-uri=g", None, None, "400 bad-parameter"),
        ("GET /sparql?query=ASK{}&named-graph-uri=", None, None, "400 bad-parameter"),
        ("GET /sparql?query=ASK{}&named-graph-uri=a:b c", None, None, "400 bad-parameter"),
        ("GET /sparql?query=", None, None, "400 syntax-error"),
        ("GET /sparql?query=SELEC * {}", None, None, "400 syntax-error"),
        ("GET /sparql?query=INSERT DATA {<a:a> <a:b> 1}", None, None, "400 update-as-query"),
        (
            "GET /sparql?query=ASK{SERVICE <http://x.test/> {}}",
            None,
            None,
            "403 federation-refused",
        ),
        ("GET /sparql?query=%FF", None, None, "400 malformed-request"),
        ("GET " + "/sparql?" + "a=1&" * 300, None, None, "400 malformed-request"),
        ("POST /sparql", FORM, "", "400 bad-parameter"),
        ("POST /sparql?query=ASK{}", FORM, "query=ASK{}", "400 bad-parameter"),
        ("POST /sparql?query=ASK{}", DIRECT, "ASK{}", "400 bad-parameter"),
        ("POST /sparql", FORM, "update=CLEAR ALL", "403 read-only"),
        ("POST /sparql", FORM, "query=ASK{}&update=CLEAR ALL", "400 bad-parameter"),
        ("POST /sparql?using-graph-uri =urn:g", UPDATE, "CLEAR ALL", "403 read-only"),
        ("POST /sparql", FORM, "update=CLEAR ALL&using-graph-uri+=a:b", "403 read-only"),
        ("POST /sparql", DIRECT, "CLEAR ALL", "400 update-as-query"),
        ("POST /sparql", f"{DIRECT};version=9", "ASK{}", "400 bad-parameter"),
        ("POST /sparql", DIRECT, b"\xff\xfe", "400 malformed-request"),
        ("POST /sparql", FORM, b"query=\xff", "400 malformed-request"),
        ("POST /sparql", FORM, b"query=%ff", "400 malformed-request"),
        ("POST /sparql", f"{DIRECT}; charset=latin-1", "ASK{}", "415 unsupported-media-type"),
        ("POST /sparql", f"{FORM}; charset=latin-1", "x=1", "415 unsupported-media-type"),
        ("POST /sparql", "text/plain", "ASK{}", "415 unsupported-media-type"),
        ("POST /sparql", "application/json", "{}", "415 unsupported-media-type"),
        ("POST /sparql", None, "ASK{}", "415 unsupported-media-type"),
        ("QUERY /sparql", "text/plain", "ASK{}", "415 unsupported-media-type"),
        ("PUT /sparql", DIRECT, "ASK{}", "405 method-not-allowed"),
        ("DELETE /sparql", None, None, "405 method-not-allowed"),
        ("PATCH /sparql", UPDATE, "CLEAR ALL", "405 method-not-allowed"),
    ],
)
def test_what_the_protocol_forbids_is_refused(
    client: FlaskClient,
    request_line: str,
    content_type: str | None,
    body: str | bytes | None,
    problem: str,
) -> None:
    """Each misuse has its status and its type of problem, and says what is wrong."""
    method, _, address = request_line.partition(" ")
    status, _, slug = problem.partition(" ")

    response = client.open(address, method=method, data=body, content_type=content_type)

    assert response.status_code == int(status)
    assert response.content_type == "application/problem+json"
    assert response.get_json()["type"].endswith(f"/problems/{slug}")
    assert response.get_json()["detail"]


def test_a_repeated_parameter_is_named(client: FlaskClient) -> None:
    """The problem says which parameter is repeated, and how often it may be given."""
    response = client.get("/sparql?query=ASK{}&query=ASK{}")

    assert response.get_json()["parameter"] == "query"
    assert response.get_json()["detail"] == "query is given 2 times."


def test_an_unknown_parameter_is_named_with_those_that_are_allowed(client: FlaskClient) -> None:
    """The problem lists the parameters that there are."""
    response = client.get("/sparql?query=ASK{}&qurey=x")

    assert response.get_json()["parameter"] == "qurey"
    assert "default-graph-uri" in response.get_json()["allowed"]


def test_the_place_of_a_syntax_error_is_told(ask: Ask) -> None:
    """A query that does not parse is answered with line, column, excerpt and hint."""
    response = ask("SELECT *\nWHERE { ?s dg:hasRisk ?o }")

    assert response.status_code == 400
    assert (response.get_json()["line"], response.get_json()["column"]) == (2, 12)
    assert "?s dg:hasRisk ?o" in response.get_json()["excerpt"]
    assert f"PREFIX dg: <{BASE}ontology/>" in response.get_json()["hint"]


def test_unsupported_media_types_are_told_what_is_supported(client: FlaskClient) -> None:
    """A 415 lists the media types of bodies, for machines in Accept-Post."""
    response = client.post("/sparql", data="ASK{}", content_type="text/plain")

    assert f"{DIRECT}, {FORM}" == response.headers["Accept-Post"]
    assert response.get_json()["supported"] == [DIRECT, FORM]


def test_a_compressed_body_is_refused(client: FlaskClient) -> None:
    """A content coding is not mistaken for the text of a query."""
    response = client.post(
        "/sparql", data=b"\x1f\x8b", content_type=DIRECT, headers={"Content-Encoding": "gzip"}
    )

    assert response.status_code == 415


def test_the_default_graph_is_the_union_of_the_named_graphs(ask: Ask) -> None:
    """What stands in any named graph but the one that is apart is found without naming it."""
    response = ask("SELECT DISTINCT ?g { GRAPH ?g { ?s ?p ?o } FILTER NOT EXISTS { ?s ?p ?o } }")

    assert rows(response) == [{"g": WIDER}]


def test_a_default_graph_of_the_protocol_beats_from(ask: Ask) -> None:
    """default-graph-uri decides what the default graph is, whatever FROM says."""
    query = "SELECT (COUNT(*) AS ?n) FROM <graph/claims> { ?s ?p ?o }"

    [claims] = rows(ask(query))
    [sources] = rows(ask(query, **{"default-graph-uri": f"{GRAPH}sources"}))
    [both] = rows(ask(query, **{"default-graph-uri": [f"{GRAPH}sources", f"{GRAPH}claims"]}))

    assert int(claims["n"]) + int(sources["n"]) == int(both["n"]) > int(claims["n"]) > 0


def test_named_graphs_of_the_protocol_are_the_only_ones(ask: Ask) -> None:
    """named-graph-uri limits GRAPH, and leaves the default graph empty."""
    graphs = ask(
        "SELECT DISTINCT ?g { GRAPH ?g { ?s ?p ?o } }", **{"named-graph-uri": f"{GRAPH}sources"}
    )
    default = ask("ASK { ?s ?p ?o }", **{"named-graph-uri": f"{GRAPH}sources"})

    assert [{"g": f"{GRAPH}sources"}] == rows(graphs)
    assert default.get_json()["boolean"] is False


def test_an_unknown_graph_is_empty_and_is_not_fetched(ask: Ask) -> None:
    """A graph that we do not have has no triples; nothing is looked up elsewhere."""
    for parameters in ({"default-graph-uri": "http://127.0.0.1:1/g"}, {}):
        query = "ASK FROM <http://127.0.0.1:1/g> { ?s ?p ?o }"
        assert ask(query, **parameters).get_json()["boolean"] is False


def test_relative_iris_are_resolved_against_our_namespace(ask: Ask) -> None:
    """`<ontology>` in a query without BASE is the ontology, wherever the service runs."""
    assert [{"iri": f"{BASE}ontology"}] == rows(ask("SELECT (<ontology> AS ?iri) {}"))


@pytest.mark.parametrize("version", ["1.1", "1.2", "1.2-basic"])
def test_versions_of_sparql_can_be_named(ask: Ask, version: str) -> None:
    """The parameter `version` of SPARQL 1.2 is accepted."""
    assert ask(SELECT, version=version).status_code == 200


@pytest.mark.parametrize("name", ["callback", "debug", " query "])
def test_parameters_that_clients_add_are_tolerated(client: FlaskClient, name: str) -> None:
    """What clients send of their own accord, or with spaces around names, does no harm."""
    parameters = {"query": SELECT} | {name: SELECT}
    if name.strip() == "query":
        del parameters["query"]

    response = client.get("/sparql?" + urlencode(parameters))

    assert rows(response) == [{"one": "1"}]


@pytest.mark.parametrize(
    ("parameters", "content_type"),
    [
        ({"format": "csv"}, "text/csv; charset=utf-8; header=present"),
        ({"output": "csv"}, "text/csv; charset=utf-8; header=present"),
        ({"results": "xml"}, "application/sparql-results+xml"),
        ({"format": "xml", "output": "csv", "results": "tsv"}, "application/sparql-results+xml"),
        ({"format": ""}, "application/sparql-results+json"),
        ({"format": "text/csv"}, "text/csv; charset=utf-8; header=present"),
        ({"format": "application/sparql-results xml"}, "application/sparql-results+xml"),
        ({"format": "turtle"}, "application/sparql-results+json"),
        ({"format": "html"}, "text/html; charset=utf-8"),
    ],
)
def test_a_format_can_be_named_in_the_url(
    ask: Ask, parameters: dict[str, str], content_type: str
) -> None:
    """`format` comes before `output` before `results`; what does not suit the result yields."""
    assert content_type == ask(SELECT, **parameters).content_type


def test_ask_in_csv_is_not_acceptable(ask: Ask) -> None:
    """No standard says how a truth value is written in CSV, so it is 406, with what there is."""
    response = ask("ASK {}", accept="text/csv")

    assert response.status_code == 406
    assert "application/sparql-results+json" in response.get_json()["available"]


@pytest.mark.parametrize("accept", ["text/turtle", "application/rdf+xml", "application/ld+json"])
def test_describe_gives_a_graph(ask: Ask, accept: str) -> None:
    """DESCRIBE gives what is known of a resource in the format that was asked for."""
    response = ask(f"DESCRIBE <{BASE}ontology>", accept=accept)

    graph = Graph().parse(data=response.text, format=accept)
    assert len(graph) > 5


def test_csv_has_the_lines_of_rfc_4180(ask: Ask) -> None:
    """Lines end in CR LF, the header has no question marks, quotes are doubled."""
    response = ask('SELECT ?a ?b { VALUES (?a ?b) { ("x,\\"y" 1) } }', accept="text/csv")

    assert response.data == b'a,b\r\n"x,""y",1\r\n'


def test_an_answer_within_the_limit_is_whole_and_beyond_it_an_error(
    graph: kg.KnowledgeGraph,
) -> None:
    """An answer is never cut off."""
    client = create_app({"MAX_RESULT_BYTES": 1000}, graph).test_client()

    fits = client.get("/sparql?query=SELECT * {?s ?p ?o} LIMIT 1")
    exceeds = client.get("/sparql?query=SELECT * {?s ?p ?o} LIMIT 100")

    assert fits.status_code == 200
    assert (exceeds.status_code, exceeds.get_json()["limit"]) == (403, 1000)
    assert exceeds.get_json()["type"].endswith("/problems/result-too-large")


@pytest.mark.parametrize(
    ("address", "body", "status", "slug"),
    [
        ("/sparql?query=" + "%20" * 100, None, 414, "url-too-long"),
        ("/" + "a" * 400, None, 414, "url-too-long"),
        ("/sparql", "#" * 400, 413, "body-too-large"),
        ("/sparql", "#" * 250, 413, "query-too-long"),
    ],
)
def test_sizes_are_limited(
    graph: kg.KnowledgeGraph, address: str, body: str | None, status: int, slug: str
) -> None:
    """URL, body and query have limits of their own, which the problem states."""
    limits = {"MAX_URL_BYTES": 300, "MAX_BODY_BYTES": 300, "MAX_QUERY_BYTES": 200}
    client = create_app(limits, graph).test_client()

    method = "GET" if body is None else "POST"
    response = client.open(address, method=method, data=body, content_type=DIRECT)

    assert status == response.status_code
    assert response.get_json()["type"].endswith(f"/problems/{slug}")
    assert response.get_json()["limit"] in limits.values()


def test_a_body_of_unknown_length_is_limited_and_not_cut_off(graph: kg.KnowledgeGraph) -> None:
    """A chunked body beyond the limit is refused, rather than answered as far as it was read."""
    client = create_app({"MAX_BODY_BYTES": 300}, graph).test_client()

    response = client.post(
        "/sparql",
        input_stream=io.BytesIO(b"ASK {}" + b" " * 294 + b"}"),
        content_type=DIRECT,
        environ_overrides={"wsgi.input_terminated": True, "CONTENT_LENGTH": ""},
    )

    assert response.status_code == 413


def test_long_queries_fit_into_a_url(ask: Ask) -> None:
    """A URL of more than 16 KiB is accepted."""
    assert ask(f"{SELECT} #{'x' * 20_000}").status_code == 200


_PIECES = st.sampled_from(
    ["SELECT", "*", "{", "}", "?s", "<", ">", "ASK", '"', "'", "\\", "#", "\n", "dg:x", "FROM", "("]
)


@given(st.one_of(st.text(max_size=80), st.lists(_PIECES, max_size=15).map(" ".join)))
def test_any_text_as_query_is_answered_or_refused(
    client_of_session: FlaskClient, text: str
) -> None:
    """Whatever the text is, the reply is an answer or a problem of the client, never a failure."""
    response = client_of_session.get("/sparql?" + urlencode({"query": text}))

    assert response.status_code in (200, 400, 403)
    if response.status_code != 200:
        assert response.content_type == "application/problem+json"
        assert response.get_json()["detail"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["query", "format", "default-graph-uri", "version", "x", "update"]),
            st.text(max_size=12),
        ),
        max_size=4,
    )
)
def test_any_parameters_are_answered_or_refused(
    client_of_session: FlaskClient, pairs: list[tuple[str, str]]
) -> None:
    """Whatever the parameters are, the reply is an answer or a problem of the client."""
    response = client_of_session.get("/sparql?" + urlencode(pairs))

    assert response.status_code in (200, 400, 403)


@given(st.binary(max_size=40))
def test_any_bytes_as_query_string_are_answered_or_refused(
    client_of_session: FlaskClient, raw: bytes
) -> None:
    """Whatever bytes stand after the question mark, the reply is no failure of the service."""
    response = client_of_session.open(
        "/sparql", environ_overrides={"QUERY_STRING": raw.decode("latin-1")}
    )

    assert response.status_code in (200, 400, 403)


def rows(response: TestResponse) -> list[dict[str, str]]:
    """Return the rows of a response in SPARQL JSON, values only."""
    return [
        {name: term["value"] for name, term in row.items()}
        for row in response.get_json()["results"]["bindings"]
    ]
