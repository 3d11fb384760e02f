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
from kg.rdf.namespaces import DG
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
