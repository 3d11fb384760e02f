"""The clients that people use work, with the headers that they really send."""

from __future__ import annotations

import json
import urllib.error
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient
from rdflib import Graph
from rdflib.plugins.stores.sparqlstore import SPARQLStore
from SPARQLWrapper import CSV, JSON, JSONLD, POST, POSTDIRECTLY, RDFXML, TSV, TURTLE, XML
from SPARQLWrapper import SPARQLWrapper as Wrapper
from SPARQLWrapper.SPARQLExceptions import QueryBadFormed
from werkzeug.test import TestResponse

Ask = Callable[..., TestResponse]

SELECT = "SELECT ?s WHERE { ?s a <http://www.w3.org/2002/07/owl#Ontology> }"
CONSTRUCT = "CONSTRUCT WHERE { ?s a <http://www.w3.org/2002/07/owl#Ontology> }"
ASK = "ASK { ?s a <http://www.w3.org/2002/07/owl#Ontology> }"
ONTOLOGY = "https://w3id.org/dermograph/ontology"

RESULTS_JSON = "application/sparql-results+json"
RESULTS_XML = "application/sparql-results+xml"
WRAPPER_JSON = "application/sparql-results+json,application/json,text/javascript"
RDFLIB_STORE = "application/sparql-results+xml, application/rdf+xml"
PROTEGE = "application/rdf+xml, application/xml; q=0.5, text/xml; q=0.3, */*; q=0.2"


@pytest.mark.parametrize(
    ("query", "accept", "content_type"),
    [
        (SELECT, f"{WRAPPER_JSON},application/javascript", RESULTS_JSON),
        (SELECT, RESULTS_XML, RESULTS_XML),
        (CONSTRUCT, "application/rdf+xml", "application/rdf+xml"),
        (CONSTRUCT, "application/turtle,text/turtle", "text/turtle; charset=utf-8"),
        (SELECT, RDFLIB_STORE, RESULTS_XML),
        (ASK, RDFLIB_STORE, RESULTS_XML),
        (CONSTRUCT, RDFLIB_STORE, "application/rdf+xml"),
        (SELECT, "application/sparql-results+json, application/sparql-results+xml", RESULTS_JSON),
        (
            SELECT,
            "application/sparql-results+json;q=1.0,application/sparql-results+xml;q=0.7",
            RESULTS_JSON,
        ),
        (CONSTRUCT, "text/turtle", "text/turtle; charset=utf-8"),
        (CONSTRUCT, "application/n-triples, text/turtle", "text/turtle; charset=utf-8"),
        (SELECT, "application/sparql-results+json,*/*;q=0.9", RESULTS_JSON),
        (CONSTRUCT, "application/n-triples,*/*;q=0.9", "application/n-triples"),
        (CONSTRUCT, PROTEGE, "application/rdf+xml"),
        (SELECT, "*/*", RESULTS_JSON),
    ],
)
def test_the_accept_headers_of_clients_are_understood(
    ask: Ask, query: str, accept: str, content_type: str
) -> None:
    """SPARQLWrapper, rdflib, pyoxigraph, Comunica, sparql-http-client, Yasqe, OWL API and curl."""
    response = ask(query, accept=accept)

    assert (200, content_type) == (response.status_code, response.content_type)


def test_yasqe_sends_spaces_after_names_and_reads_errors_as_text(client: FlaskClient) -> None:
    """An update from Yasqe is refused in plain text, readable across origins."""
    response = client.post(
        "/sparql",
        data={"update": "CLEAR ALL", "using-graph-uri ": "urn:g"},
        headers={"Accept": "text/plain,*/*;q=0.9", "Origin": "https://yasgui.org"},
    )

    assert (response.status_code, response.content_type) == (403, "text/plain; charset=utf-8")
    assert response.headers["Access-Control-Allow-Origin"] == "*"


def test_comunica_reads_the_description_then_posts_a_form(client: FlaskClient) -> None:
    """The description comes as N-Quads and leads to the endpoint that answers a form."""
    accept = (
        "application/n-quads,application/trig;q=0.95,application/ld+json;q=0.9,"
        "application/n-triples;q=0.8,text/turtle;q=0.6,application/rdf+xml;q=0.5,text/html;q=0.2"
    )

    description = client.get("/sparql", headers={"Accept": accept})
    answer = client.post(
        "/sparql",
        data={"query": "SELECT (COUNT(*) AS ?count) WHERE { ?s ?p ?o }"},
        headers={"Accept": f"{RESULTS_JSON};q=1.0,{RESULTS_XML};q=0.7"},
    )

    assert description.content_type == "application/n-quads"
    assert (
        "<http://localhost/sparql> <http://www.w3.org/ns/sparql-service-description#endpoint> "
        "<http://localhost/sparql> ." in description.text
    )
    assert answer.content_type == RESULTS_JSON


@pytest.mark.parametrize("wanted", [JSON, XML, CSV, TSV, TURTLE, JSONLD, RDFXML])
@pytest.mark.parametrize("query", [SELECT, CONSTRUCT])
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::SyntaxWarning")
def test_sparqlwrapper_is_never_refused_for_its_format(
    live_url: str, wanted: str, query: str
) -> None:
    """Whatever return format is set for whatever query, there is an answer or a 406, never 400."""
    wrapper = Wrapper(f"{live_url}/sparql", returnFormat=wanted)
    wrapper.setQuery(query)

    try:
        with wrapper.query().response as response:
            status, body = response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            status, body = error.code, b""

    assert status in (200, 406)
    if status == 200:
        assert ONTOLOGY.encode() in body


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated")
@pytest.mark.parametrize("method", ["GET", POST])
@pytest.mark.parametrize("how", ["urlencoded", POSTDIRECTLY])
def test_sparqlwrapper_converts_answers(live_url: str, method: str, how: str) -> None:
    """Rows, truth and graphs arrive as Python objects, by every way of asking."""
    wrapper = Wrapper(f"{live_url}/sparql")
    wrapper.setMethod(method)
    if method == POST:
        wrapper.setRequestMethod(how)

    wrapper.setReturnFormat(JSON)
    wrapper.setQuery(SELECT)
    rows: Any = wrapper.query().convert()
    wrapper.setQuery(ASK)
    truth: Any = wrapper.query().convert()
    wrapper.setReturnFormat(XML)
    wrapper.setQuery(CONSTRUCT)
    graph = wrapper.query().convert()

    assert rows["results"]["bindings"][0]["s"]["value"] == ONTOLOGY
    assert truth["boolean"] is True
    assert isinstance(graph, Graph)
    assert len(graph) == 1


def test_sparqlwrapper_shows_what_is_wrong(live_url: str) -> None:
    """A query that does not parse is told apart, with what the service says about it."""
    wrapper = Wrapper(f"{live_url}/sparql")
    wrapper.setQuery("SELECT * WHERE { ?s dg:hasRisk ?o }")

    with pytest.raises(QueryBadFormed, match="The prefix dg: is not declared"):
        wrapper.query()


@pytest.mark.parametrize("method", ["GET", "POST", "POST_FORM"])
def test_rdflib_store_asks_all_forms(live_url: str, method: str) -> None:
    """The SPARQLStore of rdflib gets rows, truth and graphs."""
    store = SPARQLStore(f"{live_url}/sparql", method=method)
    graph = Graph(store)
    rows: Any = graph.query(SELECT)

    assert [str(row.s) for row in rows] == [ONTOLOGY]
    assert graph.query(ASK).askAnswer is True
    assert len(graph.query(CONSTRUCT).graph or ()) == 1


def test_rdflib_parses_the_description_and_answers_by_address(live_url: str) -> None:
    """`Graph.parse` of an address gets RDF for the header that rdflib sends."""
    graph = Graph().parse(f"{live_url}/sparql")

    assert len(graph) > 20


def test_a_query_of_any_method_reaches_the_service(live_url: str) -> None:
    """GET, POST, QUERY, HEAD and OPTIONS get through the server as they get through the app."""
    address = urlsplit(live_url)
    for method, body, status in (
        ("GET", None, 200),
        ("HEAD", None, 200),
        ("OPTIONS", None, 204),
        ("POST", ASK, 200),
        ("QUERY", ASK, 200),
        ("DELETE", None, 405),
    ):
        connection = HTTPConnection(address.netloc, timeout=120)
        headers = {"Content-Type": "application/sparql-query"} if body else {}
        connection.request(method, "/sparql", body=body, headers=headers)
        response = connection.getresponse()
        content = response.read()
        connection.close()

        assert status == response.status
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        if method == "HEAD":
            assert content == b""
            assert int(response.headers["Content-Length"]) > 1000


@pytest.mark.parametrize("size", [200_000, 299_999, 400_000])
def test_a_chunked_body_is_read_whole_or_refused(live_url: str, size: int) -> None:
    """A body without a length is answered if it fits and 413 if it does not."""
    connection = HTTPConnection(urlsplit(live_url).netloc, timeout=120)
    text = ASK.encode() + b" " * (size - len(ASK) - 1) + b"}"
    chunks = (text[start : start + 10_000] for start in range(0, size, 10_000))
    headers = {"Content-Type": "application/sparql-query", "Transfer-Encoding": "chunked"}
    connection.request("POST", "/sparql", body=chunks, headers=headers, encode_chunked=True)
    response = connection.getresponse()
    document = json.loads(response.read())
    connection.close()

    # The closing brace at the very end makes a query that is read whole illegal.
    assert (400 if size < 250_000 else 413) == response.status
    assert document["status"] == response.status


def test_long_urls_reach_the_service(live_url: str) -> None:
    """A query of 50 kB fits into a URL on the wire, and one that is too long is 414."""
    for length, status in ((50_000, 200), (61_000, 414)):
        connection = HTTPConnection(urlsplit(live_url).netloc, timeout=120)
        connection.request("GET", "/sparql?query=ASK%7B%7D%23" + "x" * length)
        response = connection.getresponse()
        response.read()
        connection.close()

        assert status == response.status
