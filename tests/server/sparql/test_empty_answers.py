"""What an empty answer says: which names of ours in the query no triple can match."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

import kg
from kg.rdf.namespaces import DG, DGD, GRAPH
from kg.results import Rows
from kg.search.unmatched import unmatched_names
from server.cli import main
from tests.server.conftest import Ask

_PREFIX = f"PREFIX dg: <{DG}> PREFIX dgd: <https://w3id.org/dermograph/id/> "
_MISSPELT = f"{_PREFIX} SELECT ?x ?y {{ ?x dg:hasRiskk ?y }}"
_HELP = "http://localhost/resolve?name=dg%3AhasRiskk"


def _address(link: str) -> str:
    found = re.fullmatch(r'<([^>]*)>; rel="help"', link)
    assert found
    return found[1]


@pytest.mark.parametrize(
    ("form", "formats"),
    [
        ("SELECT ?x ?y", ("json", "xml", "csv", "tsv", "html")),
        ("ASK", ("json", "xml", "html")),
        ("CONSTRUCT { ?x a ?y }", ("turtle", "nt", "jsonld", "rdfxml", "trig", "nq", "html")),
    ],
)
def test_every_format_leads_to_help(client: FlaskClient, form: str, formats: tuple[str]) -> None:
    """By a header; the same for a prefix that is written in full."""
    for written in ("dg:hasRiskk", f"<{DG}hasRiskk>"):
        query = quote(f"{_PREFIX} {form} {{ ?x {written} ?y }}")
        for name in formats:
            response = client.get(f"/sparql?query={query}&format={name}")

            assert response.status_code == 200
            assert _address(response.headers["Link"]) == _HELP, name


def test_rows_and_booleans_in_json_have_the_same_link(ask: Ask) -> None:
    """In their head, as the format of SPARQL foresees."""
    rows, boolean = ask(_MISSPELT), ask(_MISSPELT.replace("SELECT ?x ?y", "ASK"))

    assert rows.get_json(force=True) == {
        "head": {"vars": ["x", "y"], "link": [_HELP]},
        "results": {"bindings": []},
    }
    assert boolean.get_json(force=True) == {"head": {"link": [_HELP]}, "boolean": False}


@pytest.mark.parametrize("form", ["SELECT ?x ?y", "ASK"])
def test_results_in_xml_have_the_same_link(ask: Ask, form: str) -> None:
    """In their head, behind the variables, as the format foresees."""
    text = _MISSPELT.replace("SELECT ?x ?y", form)
    written = ask(text, accept="application/sparql-results+xml").text

    assert f'<link href="{_HELP}"/></head>' in written


@pytest.mark.parametrize("media", ["sparql-results+json", "sparql-results+xml"])
@pytest.mark.parametrize(
    "query",
    [
        "BASE <https://w3id.org/dermograph/ontology/> SELECT * { ?x <hasRiskk> ?y }",
        "BASE <ontology/> SELECT * { ?x <hasRiskk> ?y }",
        "SELECT * { ?x <ontology/hasRiskk> ?y }",
        "PREFIX o: <ontology/> SELECT * { ?x o:hasRiskk ?y }",
        f"{_PREFIX} SELECT (COUNT(*) AS ?n) {{ ?x dg:hasRiskk ?y }}",
        f"{_PREFIX} SELECT (SUM(?y) AS ?s) (MIN(?y) AS ?m) (GROUP_CONCAT(?y) AS ?all) {{ ?x dg:hasRiskk ?y }}",
    ],
)
def test_relative_iris_and_aggregates_lead_to_help(ask: Ask, query: str, media: str) -> None:
    """A name is what it is resolved to; a count of 0 over a misspelt name says nothing else."""
    response = ask(query, accept=f"application/{media}")

    assert response.status_code == 200
    assert _address(response.headers["Link"]) == _HELP


@pytest.mark.parametrize("name", ["csv", "tsv"])
def test_a_count_of_nothing_in_a_table_leads_to_help(client: FlaskClient, name: str) -> None:
    """In every format of rows."""
    query = f"{_PREFIX} SELECT (COUNT(*) AS ?n) (MIN(?y) AS ?m) {{ ?x dg:hasRiskk ?y }}"
    response = client.get("/sparql", query_string={"query": query, "format": name})

    assert _address(response.headers["Link"]) == _HELP


@pytest.mark.parametrize("named", ["http://example.org/claims", f"{GRAPH}claim"])
@pytest.mark.parametrize("how", ["default-graph-uri", "named-graph-uri", "FROM", "GRAPH"])
def test_a_graph_that_is_not_here_leads_to_help(client: FlaskClient, named: str, how: str) -> None:
    """Named by the protocol or the query, ours or not; the page has the nearest graph."""
    query = f"SELECT * {{ {f'GRAPH <{named}>' if how == 'GRAPH' else ''} {{ ?x a ?y }} }}"
    query = query.replace("*", f"* FROM <{named}>") if how == "FROM" else query
    sent = {"query": query} | ({how: named} if how.endswith("uri") else {})
    response = client.get("/sparql", query_string=sent)
    page = client.get("/sparql", query_string={**sent, "format": "html"}).text
    told = client.get(_address(response.headers["Link"])).get_json()["results"][0]

    assert told["name"] == named
    assert "No graph here is called" in page
    assert "/graph/claims" in page
    assert ("No graph here is called" in told["message"]) == (not named.startswith(GRAPH))
    assert [each["id"] for each in told["candidates"]] == (
        [f"{GRAPH}claims"] if named.startswith(GRAPH) else []
    )


@pytest.mark.parametrize(
    ("name", "near"),
    [
        (f"{DG}hasRiskk", [f"{DG}hasRisk", f"{DG}hasRiskFactor"]),
        (f"{DGD}claim/B03755", [f"{DGD}claim/B0355", f"{DGD}claim/B0375", f"{DGD}claim/B0755"]),
    ],
)
def test_what_is_near_is_of_the_same_kind_of_place(
    graph: kg.KnowledgeGraph, name: str, near: list[str]
) -> None:
    """Terms for a term, claims for a claim; no record of the build that says the same words."""
    (unmatched,) = unmatched_names(f"SELECT * {{ ?x ?y <{name}> }}", graph.names)

    assert [each.iri for each in unmatched.near] == near


def test_the_link_says_what_is_meant(client: FlaskClient, ask: Ask) -> None:
    """As JSON and as a page: the nearest name, or a query for the claims, which has rows."""
    text = f"{_PREFIX} SELECT * {{ ?x dg:hasRiskk ?y ; dg:improvement ?z ; dg:hasRisk ?u }}"
    address = _address(ask(text).headers["Link"])
    unknown, of_claims = client.get(address).get_json()["results"]

    assert unknown["name"] == "dg:hasRiskk"
    assert unknown["message"] == "dg:hasRiskk is in no triple."
    assert unknown["candidates"][0]["id"] == f"{DG}hasRisk"
    assert of_claims["message"].startswith("No triple has the predicate dg:improvement; claims do")
    assert len(ask(of_claims["query"]).get_json(force=True)["results"]["bindings"]) > 10
    page = client.get(f"{address}&format=html").text
    assert "dg:hasRiskk is in no triple." in page
    assert 'href="http://localhost/ontology/hasRisk"' in page
    assert "Find the claims that have it" in page


def test_the_page_of_an_answer_says_it(ask: Ask) -> None:
    """With what is near, and a query for the claims."""
    page = ask(
        f"{_PREFIX} SELECT * {{ ?x dg:hasRiskk|dg:improvement ?y }}", accept="text/html"
    ).text

    assert "dg:hasRiskk is in no triple." in page
    assert '<a href="/ontology/hasRisk">has risk</a>' in page
    assert "No triple has the predicate dg:improvement; claims do" in page


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * { dg:Melasma dg:hasRisk ?x }",  # right, and without rows
        "SELECT * { ?c dg:predicate dg:improvement ; dg:subject dg:Sunscreen }",
        "SELECT * { ?x <https://example.org/unknown> ?y }",  # not ours to judge
        'SELECT * { ?x rdfs:label "dg:hasRiskk" } # dg:hasRiskk',
        "SELECT * { ?x dg:hasRisk ?y OPTIONAL { ?x dg:hasRiskk ?z } } LIMIT 1",  # has rows
        "ASK { FILTER NOT EXISTS { ?x dg:hasRiskk ?y } }",  # true
        "SELECT (COUNT(*) AS ?n) { dg:Melasma dg:hasRisk ?x }",  # right, and zero
        "SELECT (COUNT(*) AS ?n) { ?x a ?y OPTIONAL { ?x dg:hasRiskk ?z } }",  # not zero
        "SELECT * FROM <graph/claims> { ?x a <https://example.org/unknown> }",
    ],
)
def test_other_answers_say_nothing(ask: Ask, query: str) -> None:
    """Neither in the header nor in the body."""
    prefixes = f"{_PREFIX} PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#> "
    response = ask(prefixes + query)

    assert response.status_code == 200
    assert "Link" not in response.headers
    assert "link" not in response.get_json(force=True)["head"]


def test_no_canned_query_names_what_is_not_there(graph: kg.KnowledgeGraph) -> None:
    """Whatever names they have are in triples where they look for them."""
    found = {
        name: unmatched_names(graph.catalogue[name].text, graph.names) for name in graph.catalogue
    }

    assert {name: each for name, each in found.items() if each} == {}


def test_a_running_service_tells_the_same(live_url: str) -> None:
    """Also from its cache."""
    asked = f"{live_url}/sparql?query={quote(_MISSPELT)}"
    address = f"{live_url}/resolve?name=dg%3AhasRiskk"
    for _ in range(2):
        with urlopen(asked) as response:
            assert _address(response.headers["Link"]) == address
            assert json.load(response)["head"]["link"] == [address]
    with urlopen(f"{asked}&format=html") as page:
        assert _address(page.headers["Link"]) == address
        assert "dg:hasRiskk is in no triple." in page.read().decode()


def test_the_library_and_the_command_line_say_it(graph: kg.KnowledgeGraph) -> None:
    """Beside the rows, and on standard error."""
    rows: Any = graph.query("SELECT * { ?x dg:hasRiskk ?y }")
    ran = CliRunner().invoke(main, ["query", "SELECT * { ?x dg:hasRiskk ?y }"])

    assert isinstance(rows, Rows)
    assert "dg:hasRiskk is in no triple. Near are: dg:hasRisk, " in repr(rows)
    assert "dg:hasRiskk is in no triple." in rows._repr_html_()
    assert graph.query("SELECT * { dg:Melasma dg:hasRisk ?x }").notes == ()  # type: ignore[union-attr]
    assert (ran.exit_code, ran.stdout) == (0, "x,y\n")
    assert "dg:hasRiskk is in no triple. Near are: dg:hasRisk, " in ran.stderr


@pytest.mark.parametrize(
    ("query", "legal"),
    [
        ("SELECT * { ?c dg:polarity dgd:polarity/affirmed }", r"dgd:polarity\/affirmed"),
        ("SELECT * { dgd:claim/B0375 ?p ?o }", r"dgd:claim\/B0375"),
        ("SELECT * { ?c ?p dgd:study/NANNI1998/arm-1 }", r"dgd:study\/NANNI1998\/arm-1"),
    ],
)
def test_a_name_with_a_slash_gets_its_legal_spelling(ask: Ask, query: str, legal: str) -> None:
    """In the problem document; and what is proposed is legal."""
    problem = ask(_PREFIX + query)

    assert problem.status_code == 400
    assert f"Write {legal}, or the whole IRI" in problem.get_json()["hint"]
    written = query.replace(legal.replace("\\", ""), legal)
    assert ask(_PREFIX + written).status_code == 200


def test_a_path_is_no_name_with_a_slash(ask: Ask) -> None:
    """What is wrong elsewhere is told in its place."""
    problem = ask(f"{_PREFIX} SELECT * {{ ?x dg:hasRisk/dg:hasRisk/a ?y . foo }}").get_json()

    assert "foo" in problem["detail"]
